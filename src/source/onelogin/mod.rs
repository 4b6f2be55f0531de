//! OneLogin, by its API. What comes in is `[source.onelogin]` and records of the API; what goes out are the lists, questions and meanings by which
//! `source::web` reads it.
//!
//! Roles are what other products call groups; an application is given to roles and to single users. The list of users shows everybody's roles, so
//! membership costs no further call; where it does not, roles are asked one by one. `parameters` gives each user the values of the application's own
//! parameters, such as a role. The API's cursors are page numbers in disguise, so a list that may have moved is read again.
//! The events are a reason to read earlier and never the truth: they do not show everything.

mod about;
mod feed;
mod macros;
mod parameters;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::feed::EventKinds;
use self::parameters::{CHECK, Parameters};
use self::records::{ALWAYS, CUSTOM, PARAMETERS, ROLES, ids, names};
use super::SourceError;
use super::web::{
    ApiRequest, ApiRight, Application, Binding, ChangeEvent, DirectoryInfo, GroupRecord, HttpDirectory, List,
    ListEnvelope, ListPaging, Object, UserRecord, WebConnection, WebSource, pick, text,
};
use crate::config::directory::SourceTables;
use crate::config::directory::onelogin::{OneLoginGroups, OneLoginMembers, OneLoginTable};
use crate::http::{ClientSettings, Login, Secret, SetupError};
use crate::model::{Finding, LifecycleStatus};

pub use super::web::Parts;

/// For the list of directories.
pub(crate) use self::about::KIND;

/// A OneLogin account, as a source.
pub type OneLoginSource = WebSource<OneLogin>;

/// A OneLogin account.
#[derive(Debug, Clone)]
pub struct OneLogin {
    table: OneLoginTable,
    /// The names that mappings and filters read.
    reads: Vec<String>,
    /// How the parameters of the application are found that mappings read, once the application was read.
    parameters: Parameters,
    kinds: Arc<EventKinds>,
}

/// Some answers wrap their entries; the total is in a header.
const ENVELOPE: ListEnvelope = ListEnvelope { rows: "data", total: ["", "total-count"] };

/// A list of API v2, of so many entries a page.
fn list(what: &'static str, path: &[&str], limit: u64) -> List {
    let question = ApiRequest::get(what, ["api", "2"].iter().chain(path).copied());
    let paging = ListPaging::Cursor { header: "after-cursor", most: None };
    List { numbered: true, ..List::new(question, limit, paging, &ENVELOPE) }
}

/// A list of the older API, where the cursor is in the body.
fn list_v1(what: &'static str, path: &[&str], pages: u32) -> List {
    let question = ApiRequest::get(what, ["api", "1"].iter().chain(path).copied());
    let paging = ListPaging::Unproven { cursor: ["pagination.after_cursor", "after_cursor"], pages };
    List { numbered: true, ..List::new(question, 50, paging, &ENVELOPE) }
}

fn roles() -> List {
    list("roles", &["roles"], 650)
}

impl OneLogin {
    fn by_roles(&self) -> bool {
        self.table.groups == OneLoginGroups::Roles
    }

    /// Whether a mapping or filter reads a name.
    fn reads(&self, name: &str) -> bool {
        self.reads.iter().any(|read| read.split('.').next() == Some(name))
    }

    /// Whether a user's custom attributes are needed.
    fn needs_custom(&self) -> bool {
        self.reads(CUSTOM) || self.parameters.reads(CUSTOM)
    }

    /// The fields of a user that are asked for. What no documentation knows is not: the API might refuse the whole question.
    fn fields(&self) -> Vec<&'static str> {
        let is_asked =
            |name: &&str| ALWAYS.split(' ').any(|one| one == *name) || self.reads(name) || self.parameters.reads(name);
        names().filter(is_asked).chain([ROLES, "created_at"]).collect()
    }

    /// What the two numbers of an account mean (documented for the vendor's own clients).
    fn meaning_of(&self, status: u64, state: u64) -> LifecycleStatus {
        match (state, status) {
            // Unapproved, rejected, unlicensed: nobody may log in. And what a later version may add.
            (0 | 2 | 3, _) | (_, 2) => LifecycleStatus::Suspended,
            (1, 0) => self.table.unactivated,
            // Active; the password expired, awaits a reset or is pending; security questions are due.
            (1, 1 | 4 | 5 | 7 | 8) => LifecycleStatus::Active,
            (1, 3) => self.table.locked,
            // Not known: neither given nor taken.
            _ => LifecycleStatus::Staged,
        }
    }
}

#[async_trait]
impl HttpDirectory for OneLogin {
    type Table = OneLoginTable;
    const ABOUT: &'static DirectoryInfo = &about::ABOUT;

    fn table(tables: &SourceTables) -> Option<&OneLoginTable> {
        tables.onelogin.as_ref()
    }

    fn new(table: &OneLoginTable, reads: &[String]) -> Self {
        let (table, reads) = (table.clone(), reads.to_vec());
        Self { table, reads, parameters: Parameters::default(), kinds: Arc::default() }
    }

    fn addresses(table: &OneLoginTable) -> (String, Option<String>) {
        (table.address(), None)
    }

    /// Of the three ways that are documented the one that HTTP itself knows.
    fn login(table: &OneLoginTable, secret: &Secret, client: &ClientSettings) -> Result<Login, SetupError> {
        let address = format!("{}/auth/oauth2/v2/token", table.address());
        let body: (_, &[u8]) = ("application/json", br#"{"grant_type":"client_credentials"}"#);
        let hint = "OneLogin answers so when the administrator who made these API credentials was deleted: make new ones under Developers > \
                    API Credentials";
        Login::credentials([&table.client_id, &address], secret, body, client, hint)
    }

    /// A thousand users a page, each with long custom attributes.
    fn adjust(_: &OneLoginTable, client: &mut ClientSettings) {
        client.max_body = 64 << 20;
    }

    /// A token that was not granted is another matter than a right that is missing.
    fn explain(error: SourceError, right: ApiRight) -> SourceError {
        const WHERE: &str = "(OneLogin: Developers > API Credentials)";
        let needs = match right {
            ApiRight::Read => "Read Users, Read All or Manage All",
            ApiRight::Members => "Manage All, which reading the members of a role may need",
            ApiRight::Applications => "applications are read with Read All or Manage All",
            ApiRight::Create => "users are created with Manage Users or Manage All",
        };
        let check = "check client_id and client_secret, and that they are of this account: they may have been revoked";
        let lack = "the API credentials were granted a token but lack a right";
        match error {
            SourceError::NotGranted(why) => SourceError::NotGranted(format!("{why}; {check} {WHERE}")),
            SourceError::Refused(why) | SourceError::Forbidden(why) => {
                SourceError::Forbidden(format!("{why}; {lack}: {needs} {WHERE}"))
            }
            other => other,
        }
    }

    fn users(&self) -> List {
        let list = list("users", &["users"], self.table.users_page.into()).since("created_at");
        list.with("fields", self.fields().join(","))
    }

    /// A user's own page shows more than the list: a record is the same wherever it was read.
    fn as_listed(&self, mut record: Object) -> Object {
        let fields = self.fields();
        record.retain(|name, _| fields.contains(&name.as_str()));
        record
    }

    fn user(&self, id: &str, record: Object) -> Result<UserRecord, SourceError> {
        records::user(self, id, record)
    }

    fn standing(&self, record: &Object) -> LifecycleStatus {
        records::standing(self, record).0
    }

    fn groups(&self) -> List {
        match self.by_roles() {
            true => roles(),
            // More pages than anybody has: each user has one group, and a page has fifty.
            false => list_v1("groups", &["groups"], 10_000),
        }
    }

    fn group(&self, id: &str, group: Object) -> Result<GroupRecord, SourceError> {
        let name = group.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| SourceError::Malformed(format!("roles: role {id} has no name")))?.to_owned();
        Ok(GroupRecord { name, record: json!({ "id": id }).to_string(), doubt: None })
    }

    fn members(&self, id: &str, group: &GroupRecord, shows_groups: bool) -> Option<List> {
        if !self.by_roles() || (self.table.members == OneLoginMembers::Users && shows_groups) {
            return None;
        }
        // As many a page as the vendor's own provider for Terraform asks for. `include_unassigned` would show everybody, and is never sent.
        let list = list("members of a role", &["roles", id, "users"], 100).since("added_at");
        Some(list.called(format!("members of the role {:?}", group.name)))
    }

    /// Their ids are numbers, so that one can be named by it.
    fn applications(&self) -> Option<List> {
        Some(list("apps", &["apps"], 1000))
    }

    async fn binding(&self, web: &WebConnection, mut application: Application) -> Result<Option<Binding>, SourceError> {
        let question = ApiRequest::get("apps", ["api", "2", "apps", &application.id]);
        let Some(record) = web.record(&question).await? else { return Ok(None) };
        let groups = match record.get(ROLES).filter(|ids| ids.is_array()) {
            Some(shown) => ids(shown)
                .ok_or_else(|| SourceError::Malformed("an app: `role_ids` are no list of ids".to_owned()))?
                .into_iter()
                .collect(),
            // Not every kind of app shows them; the roles themselves can be asked.
            None => web.ids(&roles().with("app_id", &application.id)).await?,
        };
        application.names = vec![text(&record, "name").unwrap_or_default().to_owned()];
        Ok(Some(Binding { application, groups, users: Default::default(), record }))
    }

    /// The list does not tell since when somebody is on it.
    fn everybody_bound(&self, binding: &Binding) -> Option<List> {
        let list = list("users of an app", &["apps", &binding.application.id, "users"], 100);
        self.table.direct.then(|| list.called(format!("users of the application {:?}", binding.application.name())))
    }

    /// The user attributes that parameters of the application take their values from are asked for too.
    async fn with_application(&self, web: &WebConnection, binding: &Binding) -> Result<Option<Self>, SourceError> {
        Ok(Some(Self { parameters: Parameters::read(web, self, binding).await?, ..self.clone() }))
    }

    async fn events(&self, web: &WebConnection, from: Timestamp) -> Result<Option<Vec<ChangeEvent>>, SourceError> {
        if self.table.events { feed::since(web, &self.kinds, from).await.map(Some) } else { Ok(None) }
    }

    fn lookups(&self, attribute: &'static str, value: &str) -> Vec<ApiRequest> {
        let list = list("users", &["users"], 0).with("fields", "id,username,email");
        vec![list.with(attribute, value).question]
    }

    /// `custom_attributes.heap_role` is a member of `custom_attributes`. Parameters belong to the application: a user has none of their own.
    fn new_user(&self, attributes: &Object) -> Option<Value> {
        let mut body = json!({});
        for (name, value) in attributes {
            match name.split_once('.').unwrap_or((name, "")) {
                (PARAMETERS, _) => {}
                (outer, "") => body[outer] = value.clone(),
                (outer, inner) if body.get(outer).is_none_or(Value::is_object) => body[outer][inner] = value.clone(),
                _ => {}
            }
        }
        Some(body)
    }

    fn glance(&self, _: &WebConnection, user: &Object, _: Option<Timestamp>, found: &mut Vec<Finding>) -> bool {
        if self.by_roles() && !user.contains_key(ROLES) {
            let seen = "the list of users shows no roles, so members are read role by role";
            found.push(Finding::warning("memberships", seen, "it works; with many roles it takes many calls"));
        }
        if self.needs_custom() && !user.contains_key(CUSTOM) {
            let seen = "the list of users shows no custom attributes, so users are read one by one";
            found.push(Finding::warning("custom attributes", seen, "it works; it takes a call for each user"));
        }
        true
    }

    fn who(&self, binding: &Binding) -> String {
        format!("{} is given to {} roles", binding.application.shown(), binding.groups.len())
    }

    async fn provisions(&self, _: &WebConnection, binding: &Binding) -> Option<bool> {
        pick(&binding.record, "provisioning.enabled")?.as_bool()
    }

    async fn look(&self, web: &WebConnection, binding: &Binding) -> Vec<Finding> {
        match Parameters::read(web, self, binding).await {
            Ok(parameters) => parameters.findings(),
            Err(error) => vec![Finding::wrong(CHECK, error.to_string(), "see whether the application can be read")],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
