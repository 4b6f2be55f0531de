//! A look at the connection for `doctor`. In: an app, what is mapped. Out: findings, one a spot, each with its remedy. Reads only.
//!
//! What an app says of itself is held against the profile leniently: apps promise too much and too little, so a difference is a
//! warning, never more.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::{App, Endpoint, ScimRequest};
use super::discovery::Capabilities;
use super::json::{self, JsonObject};
use super::list::ListPage;
use super::{AppRead as _, CallError, FailureClass};
use crate::clock;
use crate::config::profile::{GroupSupport, LookUp, PagingStyle, UpdateMethod};
use crate::http::{KeyInUse, TokenLife};
use crate::model::{Finding, Path};
use crate::schema::COMMON;

/// A clock that is further off than this makes dates in journals and budgets hard to compare.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What the app is to be used for.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The paths that are written.
    pub mapped: &'a [Path],
    /// Whether groups are managed.
    pub groups: bool,
    /// The time here.
    pub now: Timestamp,
}

impl App {
    /// Looks at address, token, discovery, list, the token's account and the clock.
    pub async fn examine(&self, wanted: &Use<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        let address = self.http.host().to_owned();
        if let Err(error) = self.check().await {
            found.push(refused(&address, &error));
            return found;
        }
        found.push(Finding::ok("app token", format!("{address} answers under this base URL and accepts the token")));
        found.extend(self.way_in().await);
        found.extend(self.clock(wanted.now));
        match self.profile.transport.discovery {
            true => found.extend(self.discovery(wanted).await),
            false => found.push(Finding::ok("discovery", "disabled by the profile (transport.discovery)")),
        }
        let (list, shown) = self.short_list().await;
        found.push(list);
        found.push(self.filters(shown.as_deref()).await);
        if self.profile.read.own_account {
            found.push(self.own().await);
        }
        found
    }

    /// Which credential is in use, where there is more to say of it than that it is accepted.
    async fn way_in(&self) -> Option<Finding> {
        const CHECK: &str = "login";
        if let Some(TokenLife { left }) = self.http.token_life().await {
            let left = clock::duration(left.as_secs());
            return Some(Finding::ok(
                CHECK,
                format!("a token was granted; it lasts for {left} and is renewed before that"),
            ));
        }
        match self.http.key_in_use()? {
            KeyInUse::First => Some(Finding::ok(CHECK, "`token` is accepted; `second_token` was not needed")),
            KeyInUse::Second => Some(Finding::warning(
                CHECK,
                "`token` is refused, and `second_token` is in use",
                "put the new token in the place of `token`, and remove `second_token`",
            )),
            KeyInUse::Neither => None,
        }
    }

    /// The app's clock, by its last answer.
    fn clock(&self, now: Timestamp) -> Option<Finding> {
        let theirs = self.last_date()?;
        let off = now.duration_since(theirs);
        let (size, way) = (off.abs(), if off.is_negative() { "behind" } else { "ahead of" });
        Some(match size > SKEW {
            false => Finding::ok("clock", "agrees with the app's"),
            true => Finding::warning(
                "clock",
                format!("this machine is {} seconds {way} the app", size.as_secs()),
                "set the clock (`timedatectl set-ntp true`): the journal, budgets and `delete_after` go by it",
            ),
        })
    }

    async fn discovery(&self, wanted: &Use<'_>) -> Vec<Finding> {
        let mut found = vec![self.config().await];
        if wanted.groups && self.profile.groups.support != GroupSupport::Off {
            found.extend(self.resource_types().await);
        }
        found.extend(self.schemas(wanted).await);
        found
    }

    /// What the app says it can do, against what the profile uses.
    async fn config(&self) -> Finding {
        const CHECK: &str = "ServiceProviderConfig";
        let body = match self.once(&ScimRequest::get(Endpoint::ServiceProviderConfig)).await {
            Ok(answer) => answer.body.unwrap_or_default(),
            Err(error) => return not_told(CHECK, &error),
        };
        let supported = |name: &str| {
            let part = json::get(&body, name).and_then(Value::as_object);
            part.and_then(|part| json::flag(part, "supported"))
        };
        let said = Capabilities::read(&body);
        let (users, read) = (&self.profile.users, &self.profile.read);
        let mut doubts = Vec::new();
        if supported("patch") == Some(false) && users.update_method == UpdateMethod::Patch {
            doubts.push(
                "it says that it has no PATCH, and the profile updates by PATCH (users.update_method)".to_owned(),
            );
        }
        if said.filter == Some(false) && read.look_up == LookUp::Filter {
            doubts.push("it says that it has no filters, and the profile looks up by filter (read.look_up)".to_owned());
        }
        let largest = said.largest_page.filter(|largest| *largest < read.page_size && read.paging != PagingStyle::None);
        match doubts.is_empty() {
            false => Finding::warning(
                CHECK,
                doubts.join("; "),
                "`rosterd doctor --probe` finds out what is true; the keys go under [target.override_profile]",
            ),
            true => {
                let pages = largest.map(|largest| format!("; pages of {largest} instead of {}", read.page_size));
                let detail = format!("matches the profile{}", pages.unwrap_or_default());
                Finding::ok(CHECK, detail)
            }
        }
    }

    async fn resource_types(&self) -> Option<Finding> {
        let types = self.directory(Endpoint::ResourceTypes).await.ok()?;
        let has_groups = types.iter().any(|one| {
            let is = |name: &str| json::text(one, name).is_some_and(|text| text.to_ascii_lowercase().contains("group"));
            is("name") || is("endpoint") || is("schema")
        });
        let finding = match has_groups {
            true => Finding::ok("ResourceTypes", "people and groups"),
            false => Finding::warning(
                "ResourceTypes",
                "the app says that it has no groups, and groups are managed",
                "set groups.manage = false in the tenant file, or groups.support in the profile, if that is so",
            ),
        };
        Some(finding)
    }

    /// What is mapped, against the attributes that the app says it has.
    async fn schemas(&self, wanted: &Use<'_>) -> Option<Finding> {
        const CHECK: &str = "Schemas";
        let schemas = match self.directory(Endpoint::Schemas).await {
            Ok(schemas) if !schemas.is_empty() => schemas,
            Ok(_) => return Some(Finding::ok(CHECK, "the app lists none; the profile decides")),
            Err(error) => return Some(not_told(CHECK, &error)),
        };
        let mut doubts = Vec::new();
        for path in wanted.mapped {
            let Some(path) = self.wire.path(path) else { continue };
            match attribute(&schemas, path) {
                Looked::Unknown => {}
                Looked::Missing => doubts.push(format!("it does not list {path}")),
                Looked::Found(found) => {
                    let mutability = json::text(found, "mutability").unwrap_or_default();
                    let fixed =
                        mutability.eq_ignore_ascii_case("immutable") && !self.wire.attributes.is_immutable(path);
                    if mutability.eq_ignore_ascii_case("readOnly") || fixed {
                        doubts.push(format!("it says that {path} is {mutability}"));
                    }
                }
            }
        }
        let checked = wanted.mapped.len();
        Some(match doubts.is_empty() {
            true => Finding::ok(CHECK, format!("the {checked} mapped attributes are there")),
            false => Finding::warning(
                CHECK,
                doubts.join("; "),
                "take them out of [users.attributes], or give them `supported = false` or `mutability = \"immutable\"` under \
                 [target.override_profile.attributes.\"…\"]",
            ),
        })
    }

    /// One account of the list, since not all look-ups are filters; and its user name.
    async fn short_list(&self) -> (Finding, Option<String>) {
        const CHECK: &str = "people";
        let mut call = ScimRequest::get(Endpoint::Users);
        if self.profile.read.paging != PagingStyle::None {
            call.query.push(("startIndex", "1".to_owned()));
            call.query.push(("count", "1".to_owned()));
        }
        let mut answer = self.once(&call).await;
        if answer.as_ref().is_err_and(|error| matches!(error.class, FailureClass::Server | FailureClass::Invalid)) {
            // Some apps break on paging; the walk through the list finds that out too.
            answer = self.once(&ScimRequest::get(Endpoint::Users)).await;
        }
        let page = answer.map_err(|error| error.to_string()).and_then(|answer| {
            let mut body = answer.body.ok_or("the list is empty text")?;
            ListPage::read(&mut body)
        });
        match page {
            Ok(page) => {
                let total = page.total.map_or_else(|| "an unknown number of".to_owned(), |total| total.to_string());
                let name = page.resources.iter().find_map(|user| json::text(user, "userName"));
                (Finding::ok(CHECK, format!("the app lists {total} accounts")), name)
            }
            Err(why) => {
                let finding = Finding::wrong(
                    CHECK,
                    format!("the app does not list its users: {why}"),
                    "give the token the right to read users; import and drift need the list",
                );
                (finding, None)
            }
        }
    }

    async fn own(&self) -> Finding {
        const CHECK: &str = "own account";
        match self.own_account().await {
            Ok(Some(id)) => {
                Finding::ok(CHECK, format!("the token belongs to the account {id}, which is never deactivated"))
            }
            Ok(None) => Finding::ok(CHECK, "the app does not say which account owns the token"),
            Err(error) => Finding::warning(
                CHECK,
                format!("the app could not be asked which account owns the token: {error}"),
                "run it again; scope.protect keeps an account whatever happens",
            ),
        }
    }

    /// A discovery list; an app that has none says so in many ways.
    async fn directory(&self, endpoint: Endpoint) -> Result<Vec<JsonObject>, CallError> {
        let answer = self.once(&ScimRequest::get(endpoint)).await?;
        let mut body = answer.body.unwrap_or_default();
        Ok(ListPage::read(&mut body).map(|page| page.resources).unwrap_or_default())
    }
}

fn refused(address: &str, error: &CallError) -> Finding {
    let remedy = match error.class {
        FailureClass::Unauthorized => "put a valid token into the secret file; the app's settings show it once",
        FailureClass::Forbidden => "enable SCIM in the app, and give the token the right to manage users",
        FailureClass::NotFound | FailureClass::NotScim | FailureClass::Unsupported => {
            "fix target.base_url: it ends right before /Users"
        }
        FailureClass::Redirect => "put the address it redirects to into target.base_url, if it is the app's",
        FailureClass::Unreachable => "fix target.base_url, the network or target.ca_file",
        FailureClass::Untrusted => "fix the server's certificate, target.base_url or target.ca_file",
        FailureClass::LoginRefused => {
            "fix the client, its secret or key, and the scope in `[target]`, or at the token server"
        }
        FailureClass::LoginFailed => "fix the token_url in `[target]`, or the token server",
        FailureClass::Throttled => "wait, or set a lower target.rate",
        _ => "run it again; if it persists, ask the app's administrator",
    };
    Finding::wrong("app token", format!("{address}: {}", error.message), remedy)
}

fn not_told(check: &str, error: &CallError) -> Finding {
    match error.class {
        FailureClass::NotFound
        | FailureClass::Unsupported
        | FailureClass::Forbidden
        | FailureClass::NotScim
        | FailureClass::Unauthorized => Finding::ok(check, "not offered; the profile decides"),
        _ => Finding::warning(check, error.to_string(), "nothing need be done: the profile decides without it"),
    }
}

enum Looked<'a> {
    /// The schema itself is not listed: nothing can be said.
    Unknown,
    Missing,
    Found(&'a JsonObject),
}

/// An attribute in the listed schemas.
fn attribute<'a>(schemas: &'a [JsonObject], path: &Path) -> Looked<'a> {
    let parts = path.parts();
    if parts.urn.is_none() && COMMON.iter().any(|common| common.name == parts.attribute) {
        // Common attributes of every resource (RFC 7643 §3.1); schemas need not list them.
        return Looked::Unknown;
    }
    let wanted = parts.urn.unwrap_or(super::resource::USER);
    let is_wanted = |schema: &&JsonObject| json::text(schema, "id").is_some_and(|id| id.eq_ignore_ascii_case(wanted));
    let Some(schema) = schemas.iter().find(is_wanted) else { return Looked::Unknown };
    let Some(found) = named(schema, "attributes", parts.attribute) else { return Looked::Missing };
    let subs = !json::elements(found, "subAttributes").is_empty();
    match parts.sub.filter(|_| subs && parts.element_type.is_none()) {
        None => Looked::Found(found),
        Some(sub) => named(found, "subAttributes", sub).map_or(Looked::Missing, Looked::Found),
    }
}

fn named<'a>(object: &'a JsonObject, list: &str, name: &str) -> Option<&'a JsonObject> {
    let mut all = json::elements(object, list).iter().filter_map(Value::as_object);
    all.find(|one| json::text(one, "name").is_some_and(|found| found.eq_ignore_ascii_case(name)))
}
