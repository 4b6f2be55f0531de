//! A toy directory behind HTTP: the example of docs/adding-a-directory.md. What comes in are its table and its records; what goes out are lists and
//! meanings. Only tests have it.

use async_trait::async_trait;
use serde_json::Value;

use super::SourceError;
use super::kind::DirectoryKind;
use super::web::{
    ApiRequest, Application, Binding, DirectoryInfo, GroupRecord, HttpDirectory, List, ListEnvelope, ListPaging,
    Object, UserRecord, WebConnection, WebKind, Words, id,
};
use crate::config::directory::{SourceTables, toy::Table};
use crate::http::{ClientSettings, Login, Secret, SetupError};
use crate::model::LifecycleStatus;
use crate::source::kind::DirectoryProduct;

/// For the list of directories.
pub(crate) const KIND: &dyn DirectoryKind = WebKind::<Toy>::KIND;

/// A toy directory.
pub struct Toy;

static ABOUT: DirectoryInfo = DirectoryInfo {
    init: DirectoryProduct {
        template: "[source.toy]\nbase_url = \"https://toy.example.org\"\ntoken = { file = \"../secrets/toy\" }\napplication = \"Heap\"\n",
        mapping: &[("userName", "login"), ("displayName", "name"), ("emails.work", "mail")],
        ..DirectoryProduct::new("toy")
    },
    names: ["id login name mail blocked born", "id name"],
    words: Words { credential: ["token", "make a new token"], bind: "give the application to a team", ..Words::PLAIN },
    ..DirectoryInfo::new("toy", "Toy")
};

const ENVELOPE: ListEnvelope = ListEnvelope { rows: "results", total: ["total", ""] };

/// Two a page, so that a small test has several.
fn list(what: &'static str, path: &[&str], paging: ListPaging) -> List {
    List::new(ApiRequest::get(what, path.iter().copied()), 2, paging, &ENVELOPE)
}

#[async_trait]
impl HttpDirectory for Toy {
    type Table = Table;
    const ABOUT: &'static DirectoryInfo = &ABOUT;

    fn table(tables: &SourceTables) -> Option<&Table> {
        tables.toy.as_ref()
    }

    fn new(_: &Table, _: &[String]) -> Self {
        Self
    }

    fn addresses(table: &Table) -> (String, Option<String>) {
        (table.base_url.clone(), None)
    }

    fn login(_: &Table, secret: &Secret, _: &ClientSettings) -> Result<Login, SetupError> {
        Ok(Login::key("authorization", "Bearer {token}", secret))
    }

    fn users(&self) -> List {
        list("users", &["people"], ListPaging::Position).since("born")
    }

    fn user(&self, _: &str, record: Object) -> Result<UserRecord, SourceError> {
        let standing = self.standing(&record);
        Ok(UserRecord::new(record, standing))
    }

    fn standing(&self, record: &Object) -> LifecycleStatus {
        if record.get("blocked") == Some(&Value::Bool(true)) {
            LifecycleStatus::Suspended
        } else {
            LifecycleStatus::Active
        }
    }

    fn groups(&self) -> List {
        list("teams", &["teams"], ListPaging::Chained)
    }

    fn members(&self, id: &str, _: &GroupRecord, _: bool) -> Option<List> {
        Some(list("members", &["teams", id, "members"], ListPaging::Chained))
    }

    fn applications(&self) -> Option<List> {
        Some(list("applications", &["applications"], ListPaging::Chained))
    }

    async fn binding(&self, web: &WebConnection, application: Application) -> Result<Option<Binding>, SourceError> {
        let question = ApiRequest::get("an application", ["applications", &application.id]);
        let Some(record) = web.record(&question).await? else { return Ok(None) };
        let ids = |name| record.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(id).collect();
        Ok(Some(Binding { groups: ids("teams"), users: ids("people"), application, record }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
