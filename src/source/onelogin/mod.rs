//! OneLogin, by its API. What comes in is `[source.onelogin]` and records of the API; what goes out are the lists, questions and meanings by which
//! `source::web` reads it.
//!
//! Roles are what other products call groups; an application is given to roles and to single users. The list of users shows everybody's roles, so
//! membership costs no further call; where it does not, roles are asked one by one. `parameters` gives each user the values of the application's own
//! parameters, such as a role. The API's cursors are page numbers in disguise, so a list that may have moved is read again.
//! The events are a reason to read earlier and never the truth: they do not show everything.

mod about;
mod application;
mod feed;
mod macros;
mod parameters;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use self::feed::Kinds;
use self::parameters::{PARAMETERS, Parameters, Wanted};
use self::records::{ALWAYS, CUSTOM, NAMES, ROLES};
use super::SourceError;
use super::web::{
    ApiRequest, ApiRight, Application, Binding, ChangeEvent, DirectoryInfo, Grant, GroupRecord, HttpDirectory, List,
    ListEnvelope, ListPaging, Login, Object, UserRecord, WebConnection, WebSource,
};
use crate::config::directory::SourceTables;
use crate::config::directory::onelogin::{OneLoginGroups, OneLoginMembers, OneLoginStanding, OneLoginTable};
use crate::http::{Auth, ClientSettings, Secret, SetupError};
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
    /// The fields of a user that are asked for.
    fields: Vec<&'static str>,
    /// Whether a mapping or filter reads a custom attribute.
    needs_custom: bool,
    /// The parameters of the application that mappings read.
    parameters_wanted: Wanted,
    /// How their values are found, once the application was read.
    parameters: Parameters,
    kinds: Arc<Kinds>,
}

/// Some answers wrap their entries; the total is in a header.
const ENVELOPE: ListEnvelope = ListEnvelope { rows: "data", total: ["", "total-count"] };

/// A list of API v2, of so many entries a page.
fn list(what: &'static str, path: &[&str], limit: u64) -> List {
    List::new(v2(what, path), limit, ListPaging::Cursor { header: "after-cursor", most: None }, &ENVELOPE)
}

/// A list of the older API, where the cursor is in the body.
fn list_v1(what: &'static str, path: &[&str], pages: u32) -> List {
    let question = ApiRequest::get(what, ["api", "1"].iter().chain(path).copied());
    List::new(
        question,
        50,
        ListPaging::Unproven { cursor: ["pagination.after_cursor", "after_cursor"], pages },
        &ENVELOPE,
    )
}

/// A question to API v2.
fn v2(what: &'static str, path: &[&str]) -> ApiRequest {
    ApiRequest::get(what, ["api", "2"].iter().chain(path).copied())
}

impl OneLogin {
    fn by_roles(&self) -> bool {
        self.table.groups == OneLoginGroups::Roles
    }

    /// Fields that are asked for too, each once.
    fn add_fields(&mut self, more: impl IntoIterator<Item = &'static str>) {
        for name in more {
            if !self.fields.contains(&name) {
                self.fields.push(name);
            }
        }
    }

    /// What the two numbers of an account mean (documented for the vendor's own clients).
    fn meaning_of(&self, status: u64, state: u64) -> LifecycleStatus {
        let chosen = |setting| match setting {
            OneLoginStanding::Active => LifecycleStatus::Active,
            OneLoginStanding::Suspended => LifecycleStatus::Suspended,
            OneLoginStanding::Staged => LifecycleStatus::Staged,
        };
        match (state, status) {
            // Unapproved, rejected, unlicensed: nobody may log in. And what a later version may add.
            (0 | 2 | 3, _) | (_, 2) => LifecycleStatus::Suspended,
            (1, 0) => chosen(self.table.unactivated),
            // Active; the password expired, awaits a reset or is pending; security questions are due.
            (1, 1 | 4 | 5 | 7 | 8) => LifecycleStatus::Active,
            (1, 3) => chosen(self.table.locked),
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
        let is_read = |name: &str| reads.iter().any(|read| read.split('.').next() == Some(name));
        let mut made = Self {
            table: table.clone(),
            fields: Vec::new(),
            needs_custom: is_read(CUSTOM),
            parameters_wanted: Wanted::of(reads),
            parameters: Parameters::default(),
            kinds: Arc::default(),
        };
        // What no documentation knows is not asked for: the API might refuse the whole question.
        made.add_fields(ALWAYS.split_whitespace().chain(NAMES.split_whitespace().filter(|name| is_read(name))));
        made
    }

    fn addresses(table: &OneLoginTable) -> (String, Option<String>) {
        (table.address(), None)
    }

    /// Of the three ways that are documented the one that HTTP itself knows.
    fn login(table: &OneLoginTable, secret: &Secret, client: &ClientSettings) -> Result<Login, SetupError> {
        let (header, template) = ("authorization".to_owned(), "Basic {token}".to_owned());
        let auth = Some(Auth { header, template, token: secret.basic_with(&table.client_id) });
        Ok(Login::Granted(Box::new(Grant {
            endpoint: ClientSettings { auth, ..client.clone() },
            segments: ["auth", "oauth2", "v2", "token"].map(str::to_owned).to_vec(),
            body: br#"{"grant_type":"client_credentials"}"#.to_vec(),
            content_type: "application/json",
            header: "authorization",
            template: "Bearer {token}",
            on_server_error: "OneLogin answers so when the administrator who made these API credentials was deleted: make new ones \
                              under Developers > API Credentials",
        })))
    }

    /// A thousand users a page, each with long custom attributes.
    fn adjust(_: &OneLoginTable, client: &mut ClientSettings) {
        client.max_body = 64 << 20;
    }

    /// A token that was not granted is another matter than a right that is missing.
    fn explain(error: SourceError, right: ApiRight) -> SourceError {
        const WHERE: &str = "OneLogin: Developers > API Credentials";
        let needs = match right {
            ApiRight::Read => "Read Users, Read All or Manage All",
            ApiRight::Members => "Manage All, which reading the members of a role may need",
            ApiRight::Applications => "applications are read with Read All or Manage All",
            ApiRight::Create => "users are created with Manage Users or Manage All",
        };
        match error {
            SourceError::NotGranted(why) => SourceError::NotGranted(format!(
                "{why}; check client_id and client_secret, and that they are of this account: they may have been revoked ({WHERE})"
            )),
            SourceError::Refused(why) | SourceError::Forbidden(why) => SourceError::Forbidden(format!(
                "{why}; the API credentials were granted a token but lack a right: {needs} ({WHERE})"
            )),
            other => other,
        }
    }

    fn users(&self) -> List {
        let list = list("users", &["users"], self.table.users_page.into()).since("created_at");
        List { question: list.question.clone().with("fields", self.fields.join(",")), ..list }
    }

    /// Ids are numbers here; what is none was never an id of this account.
    fn user_by_id(&self, id: &str) -> Option<ApiRequest> {
        id.parse::<u64>().ok().map(|_| v2("a user", &["users", id]))
    }

    /// A user's own page shows more than the list: a record is the same wherever it was read.
    fn as_listed(&self, mut record: Object) -> Object {
        record.retain(|name, _| self.fields.contains(&name.as_str()));
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
            true => list("roles", &["roles"], 650),
            // More pages than anybody has: each user has one group, and a page has fifty.
            false => list_v1("groups", &["groups"], 10_000),
        }
    }

    fn group_by_id(&self, id: &str) -> Option<ApiRequest> {
        id.parse::<u64>().ok()?;
        Some(match self.by_roles() {
            true => v2("a role", &["roles", id]),
            false => ApiRequest::get("a group", ["api", "1", "groups", id]),
        })
    }

    fn group(&self, id: &str, group: Object) -> Result<GroupRecord, SourceError> {
        let name = group.get("name").and_then(Value::as_str).map(str::to_owned);
        let name = name.ok_or_else(|| SourceError::Malformed(format!("roles: role {id} has no name")))?;
        Ok(GroupRecord { name, record: serde_json::json!({ "id": id }).to_string(), doubt: None })
    }

    fn members(&self, id: &str, group: &GroupRecord, shows_groups: bool) -> Option<List> {
        if !self.by_roles() || (self.table.members == OneLoginMembers::Users && shows_groups) {
            return None;
        }
        // As many a page as the vendor's own provider for Terraform asks for. `include_unassigned` would show everybody, and is never sent.
        let list = list("members of a role", &["roles", id, "users"], 100).since("added_at");
        Some(list.called(format!("members of the role {:?}", group.name)))
    }

    fn applications(&self) -> Option<List> {
        Some(list("apps", &["apps"], 1000))
    }

    fn is_application_id(&self, text: &str) -> bool {
        text.parse::<u64>().is_ok()
    }

    async fn binding(&self, web: &WebConnection, application: Application) -> Result<Option<Binding>, SourceError> {
        application::binding(web, application).await
    }

    /// The list does not tell since when somebody is on it.
    fn everybody_bound(&self, binding: &Binding) -> Option<List> {
        let list = list("users of an app", &["apps", &binding.application.id, "users"], 100);
        let name = binding.application.names.first().map_or("", String::as_str);
        self.table.direct.then(|| list.called(format!("users of the application {name:?}")))
    }

    /// The user attributes that parameters of the application take their values from are asked for too.
    async fn with_application(&self, web: &WebConnection, binding: &Binding) -> Result<Option<Self>, SourceError> {
        let parameters = Parameters::read(&web.api, self, binding).await?;
        let (fields, custom) = parameters.needs();
        let mut made = Self { parameters, ..self.clone() };
        made.needs_custom |= custom;
        made.add_fields(fields);
        Ok(Some(made))
    }

    async fn events(&self, web: &WebConnection, from: Timestamp) -> Result<Option<Vec<ChangeEvent>>, SourceError> {
        if self.table.events { feed::since(web, &self.kinds, from).await.map(Some) } else { Ok(None) }
    }

    fn lookups(&self, attribute: &'static str, value: &str) -> Vec<ApiRequest> {
        vec![v2("users", &["users"]).with("fields", "id,username,email").with(attribute, value)]
    }

    /// `custom_attributes.heap_role` is a member of `custom_attributes`.
    fn new_user(&self, attributes: &Object) -> Option<(Vec<String>, Value)> {
        let mut body = Object::new();
        // The parameters belong to the application: a user has none of their own.
        for (name, value) in attributes.iter().filter(|(name, _)| name.split('.').next() != Some(PARAMETERS)) {
            match name.split_once('.') {
                Some((outer, inner)) => {
                    let slot = body.entry(outer).or_insert_with(|| Object::new().into());
                    slot.as_object_mut()
                        .into_iter()
                        .for_each(|slot| drop(slot.insert(inner.to_owned(), value.clone())));
                }
                None => drop(body.insert(name.clone(), value.clone())),
            }
        }
        Some((v2("a new user", &["users"]).segments, body.into()))
    }

    fn glance(&self, _: &WebConnection, user: &Object, _: Option<Timestamp>, found: &mut Vec<Finding>) -> bool {
        if self.by_roles() && !user.contains_key(ROLES) {
            let seen = "the list of users shows no roles, so members are read role by role";
            found.push(Finding::warning("memberships", seen, "it works; with many roles it takes many calls"));
        }
        if self.needs_custom && !user.contains_key(CUSTOM) {
            let seen = "the list of users shows no custom attributes, so users are read one by one";
            found.push(Finding::warning("custom attributes", seen, "it works; it takes a call for each user"));
        }
        true
    }

    async fn look(&self, web: &WebConnection, binding: &Binding) -> (String, Vec<Finding>) {
        let said = format!("{} is given to {} roles", binding.application.shown(), binding.groups.len());
        let mut found: Vec<Finding> = application::own_provisioning(binding).into_iter().collect();
        found.extend(parameters::examine(web, self, binding).await);
        (said, found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
