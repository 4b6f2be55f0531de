//! JumpCloud, by its API. What comes in is `[source.jumpcloud]` and records of the API; what goes out are the lists, questions and meanings by which
//! `source::web` reads it.
//!
//! Users come from API v1 (`/systemusers`), groups, members and bindings from v2, all by position: the API has no cursor. The application's bindings say
//! who belongs: groups bound to it are assigned, users bound to it are direct.
//!
//! | `state` | lifecycle status |
//! |---|---|
//! | `SUSPENDED`, or `suspended` is true | suspended |
//! | `STAGED`, or one that is not known | staged: no account is made, none is taken away |
//! | `ACTIVATED` or none, whether or not a password is set or locked | active |
//!
//! Questions about the same kind of thing (people, groups, applications) share a name: when one of them was answered, a 403 to
//! another is a block for asking too fast.
//!
//! Groups hold users only. A dynamic group whose rule is in error keeps its members in the app.

mod about;
mod feed;
mod records;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use self::records::{LEFT_OUT, born, by_name, flags, in_small_letters, new_user, odd, standing};
use super::SourceError;
use super::web::{
    ApiRequest, Application, Binding, ChangeEvent, DirectoryInfo, GroupRecord, HttpDirectory, List, ListEnvelope,
    ListPaging, Object, UserRecord, WebConnection, WebSource, clock, text,
};
use crate::config::directory::SourceTables;
use crate::config::directory::jumpcloud::JumpCloudTable;
use crate::http::{ClientSettings, Login, Secret, SetupError};
use crate::model::{Finding, LifecycleStatus};

pub use super::web::Parts;

/// For the list of directories.
pub(crate) use self::about::KIND;

/// An organisation in JumpCloud, as a source.
pub type JumpCloudSource = WebSource<JumpCloud>;

/// An organisation in JumpCloud.
pub struct JumpCloud {
    org_id: Option<String>,
    /// Whether staged users count as active.
    staged: bool,
    page_size: u64,
}

/// v1 wraps its records and counts them in the body; v2 sends them bare and counts them in a header. Some wrap there too.
const ENVELOPE: ListEnvelope = ListEnvelope { rows: "results", total: ["totalCount", "x-total-count"] };

impl JumpCloud {
    fn list(&self, question: ApiRequest, paging: ListPaging) -> List {
        List { born, ..List::new(question, self.page_size, paging, &ENVELOPE) }
    }

    /// The ends of graph connections. They do not say when they were made.
    fn edges(&self, question: ApiRequest, label: String) -> List {
        List { id: ["to.id", "to.id"], born: |_| None, ..self.list(question, ListPaging::Chained).called(label) }
    }
}

#[async_trait]
impl HttpDirectory for JumpCloud {
    type Table = JumpCloudTable;
    const ABOUT: &'static DirectoryInfo = &about::ABOUT;

    fn table(tables: &SourceTables) -> Option<&JumpCloudTable> {
        tables.jumpcloud.as_ref()
    }

    fn new(table: &JumpCloudTable, _: &[String]) -> Self {
        Self { org_id: table.org_id.clone(), staged: table.staged, page_size: table.page_size.into() }
    }

    fn addresses(table: &JumpCloudTable) -> (String, Option<String>) {
        (table.api_url().to_owned(), table.feed_url().map(str::to_owned))
    }

    fn login(table: &JumpCloudTable, secret: &Secret, client: &ClientSettings) -> Result<Login, SetupError> {
        let Some(id) = table.client_id.as_ref().filter(|_| table.api_key.is_none()) else {
            return Ok(Login::key("x-api-key", "{token}", secret));
        };
        let grant =
            table.grant_url().ok_or_else(|| SetupError::new("`token_url` is missing: where tokens come from"))?;
        let body: (_, &[u8]) = ("application/x-www-form-urlencoded", b"grant_type=client_credentials&scope=api");
        Login::credentials([id, grant], secret, body, client, "")
    }

    fn adjust(table: &JumpCloudTable, client: &mut ClientSettings) {
        client.extra_headers.extend(table.org_id.iter().map(|id| ("x-org-id".to_owned(), id.clone())));
    }

    fn users(&self) -> List {
        let question = ApiRequest::get("users", ["systemusers"]).with("sort", "_id");
        List { id: ["_id", "id"], ..self.list(question, ListPaging::Position).since("created") }
    }

    fn user(&self, id: &str, mut record: Object) -> Result<UserRecord, SourceError> {
        if let (Some(meant), Some(is)) = (&self.org_id, text(&record, "organization"))
            && meant != is
        {
            return Err(SourceError::Settings(format!(
                "the credential shows users of the organisation {is}, and `org_id` is {meant}: it belongs to another organisation"
            )));
        }
        in_small_letters(&mut record);
        let odd = odd(&record);
        // Nothing is given to an odd one and nothing taken, whatever it is; and it is named.
        let standing = if odd.is_some() { LifecycleStatus::Active } else { standing(&record, self.staged) };
        let is_shown = |name: &str| record.get(name).is_some_and(|value| !value.is_null());
        let signs = u8::from(is_shown("state")) | u8::from(is_shown("suspended")) << 1;
        LEFT_OUT.split_whitespace().for_each(|name| drop(record.remove(name)));
        record.insert("id".to_owned(), id.into());
        if let Some(custom) = record.get("attributes").and_then(Value::as_array).map(|listed| by_name(listed)) {
            record.insert("attributes".to_owned(), Value::Object(custom));
        }
        Ok(UserRecord { odd, signs, ..UserRecord::new(record, standing) })
    }

    fn standing(&self, record: &Object) -> LifecycleStatus {
        standing(record, self.staged)
    }

    fn groups(&self) -> List {
        self.list(ApiRequest::get("groups", ["v2", "usergroups"]).with("sort", "name"), ListPaging::Position)
    }

    fn group(&self, _: &str, mut record: Object) -> Result<GroupRecord, SourceError> {
        let raised = record.get("memberQueryErrorFlags").and_then(flags);
        let doubt = raised.map(|flags| format!("JumpCloud reports an error in the rule that fills it ({flags})"));
        // How many the rule proposes changes by itself.
        record.remove("suggestionCounts");
        Ok(GroupRecord { doubt, ..GroupRecord::new(record) })
    }

    fn members(&self, id: &str, group: &GroupRecord, _: bool) -> Option<List> {
        let question = ApiRequest::get("groups", ["v2", "usergroups", id, "members"]);
        Some(self.edges(question, format!("members of group {:?} ({id})", group.name)))
    }

    fn applications(&self) -> Option<List> {
        let question = ApiRequest::get("applications", ["applications"]).with("sort", "name");
        Some(List { id: ["_id", "id"], ..self.list(question, ListPaging::Position) })
    }

    fn application_names(&self, record: &Object) -> Vec<String> {
        ["displayLabel", "displayName", "name"]
            .iter()
            .filter_map(|name| text(record, name))
            .map(str::to_owned)
            .collect()
    }

    async fn binding(&self, web: &WebConnection, application: Application) -> Result<Option<Binding>, SourceError> {
        let bound = |target: &str, label: &str| {
            let path = ["v2", "applications", application.id.as_str(), "associations"];
            self.edges(ApiRequest::get("applications", path).with("targets", target), label.to_owned())
        };
        let groups = web.ids(&bound("user_group", "groups bound to the application")).await?;
        let users = web.ids(&bound("user", "users bound to the application")).await?;
        Ok(Some(Binding { application, groups, users, record: Object::new() }))
    }

    async fn events(&self, web: &WebConnection, from: Timestamp) -> Result<Option<Vec<ChangeEvent>>, SourceError> {
        feed::since(web, from).await
    }

    /// Filters look at the case of letters; the organisation may have stored the other one.
    fn lookups(&self, attribute: &'static str, value: &str) -> Vec<ApiRequest> {
        let mut spellings = vec![value.to_owned(), value.to_lowercase()];
        spellings.dedup();
        let question = |spelling| {
            let list = self.users().with("filter", format!("{attribute}:$eq:{spelling}"));
            list.with("fields", "username email").first(10)
        };
        spellings.into_iter().map(question).collect()
    }

    fn new_user(&self, attributes: &Object) -> Option<Value> {
        Some(new_user(attributes))
    }

    fn glance(&self, web: &WebConnection, user: &Object, at: Option<Timestamp>, found: &mut Vec<Finding>) -> bool {
        found.push(clock(web, "JumpCloud", at));
        let shown = text(user, "organization");
        match (&self.org_id, shown) {
            (Some(meant), Some(shown)) if meant != shown => {
                let detail = format!("the credential belongs to the organisation {shown}, and `org_id` is {meant}");
                let remedy = "use a credential of the right organisation, or correct `org_id`";
                found.push(Finding::wrong("organisation", detail, remedy));
                return false;
            }
            (_, shown) => found.extend(shown.map(|shown| Finding::ok("organisation", shown))),
        }
        true
    }

    /// Whether JumpCloud's own connection to the app is active. No application says so (vendor's description of API v1 and v2); but JumpCloud
    /// lists an app's users, for its own import, only over that connection. It is asked once. Nothing where the answer tells nothing.
    async fn provisions(&self, web: &WebConnection, binding: &Binding) -> Option<bool> {
        let path = ["v2", "applications", binding.application.id.as_str(), "import", "users"];
        let question = ApiRequest::get("users to import", path).with("isCount", true).with("limit", 1);
        let reply = web.api.find_once(&question, 404).await.ok().flatten()?;
        let answer: Object = web.api.json(question.what, &reply).ok()?;
        let shows =
            answer.get("total_count").is_some_and(Value::is_number) || answer.get("users").is_some_and(Value::is_array);
        shows.then_some(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        assert_eq!(born("5f1a0c2e9d3b7a4c8e6f0a11"), Some("2020-07-23T22:16:14Z".parse().unwrap()));
        assert_eq!((born("5f1a"), born("zzzz0c2e9d3b7a4c8e6f0a11")), (None, None));
    }
}
