//! [`AppRead`] for [`App`]: the connection check, look-ups, single objects.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::alike::Alike;
use super::client::{App, Endpoint, ScimRequest, ScimResponse};
use super::error::{RequestKind, clean};
use super::error::{is_refused_filter, is_shaken};
use super::filter;
use super::json::{self, JsonObject};
use super::list::{ListPage, ListWalk};
use super::matching::{LookupKeys, MatchBy};
use super::resource;
use super::shown::{is_cut, member_values};
use super::{
    AppGroup, AppRead, AppUser, CallError, CallStats, FailureClass, GroupKeys, Lookalike, LookalikeScope, Match,
    UserKeys,
};
use crate::config::profile::{LookUp, Profile};
use crate::http::Method;
use crate::model::{AppId, Conflict, KnownNames, Path, digest};

/// A person waits for the check: one repetition is patience enough.
const CHECK_ATTEMPTS: u32 = 2;

#[async_trait]
impl AppRead for App {
    async fn check(&self) -> Result<(), CallError> {
        self.check_connection().await.map_err(|error| self.explained(error))
    }

    async fn look_up_users(&self, keys: &[UserKeys], mapped: &[Path]) -> Result<Vec<Match<AppUser>>, CallError> {
        let matches = self.look_up(&self.wanted_users(keys)).await?;
        matches.into_iter().map(|found| turned(found, |resource| self.user(&resource, mapped))).collect()
    }

    async fn look_up_newcomers(
        &self,
        keys: &[UserKeys],
        names: Vec<KnownNames>,
        mapped: &[Path],
        search: LookalikeScope,
    ) -> Result<(Vec<Match<AppUser>>, Vec<Lookalike>), CallError> {
        let wanted = self.wanted_users(keys);
        let wanted = LookupKeys { alike: Some(Alike::new(names, search)), ..wanted };
        let (matches, alike) = self.look_up_alike(&wanted).await?;
        let matches = matches.into_iter().map(|found| turned(found, |resource| self.user(&resource, mapped)));
        Ok((matches.collect::<Result<_, _>>()?, alike))
    }

    async fn look_up_groups(&self, keys: &[GroupKeys]) -> Result<Vec<Match<AppGroup>>, CallError> {
        let wanted = self.wanted_groups(keys);
        let matches = self.look_up(&wanted).await?;
        let group = |resource: JsonObject| self.group(&resource).map(|group| AppGroup { members: None, ..group });
        matches.into_iter().map(|found| turned(found, group)).collect()
    }

    async fn not_listed(&self, accounts: &HashSet<AppId>, most: u64) -> Result<Option<Vec<AppId>>, CallError> {
        if self.profile.read.look_up == LookUp::Filter {
            return Ok(None);
        }
        match self.missing_in_list(accounts, most).await {
            // Something changed while it was read: it proves nothing.
            Err(error) if is_shaken(&error) => Ok(None),
            read => read,
        }
    }

    async fn get_user(&self, id: &AppId, mapped: &[Path]) -> Result<Option<AppUser>, CallError> {
        self.one(Endpoint::Users, id).await?.map(|resource| self.user(&resource, mapped)).transpose()
    }

    async fn get_group(&self, id: &AppId) -> Result<Option<AppGroup>, CallError> {
        self.one(Endpoint::Groups, id).await?.map(|resource| self.group(&resource)).transpose()
    }

    async fn own_account(&self) -> Result<Option<AppId>, CallError> {
        match self.read(&ScimRequest::get(Endpoint::Me), 1).await {
            Ok(answer) => Ok(answer.body.and_then(|body| AppId::from_app(&json::text(&body, "id")?).ok())),
            Err(error) => match error.class {
                // An app without this address says so in many ways; any of them is an answer.
                FailureClass::NotFound
                | FailureClass::Unsupported
                | FailureClass::Forbidden
                | FailureClass::Invalid
                | FailureClass::NotScim => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn time(&self) -> Option<Timestamp> {
        self.http.their_time()
    }

    fn stats(&self) -> CallStats {
        self.stats_now()
    }
}

impl App {
    /// Looks for somebody who can't be there: the empty list that comes back proves address, token and SCIM at once.
    async fn check_connection(&self) -> Result<(), CallError> {
        if self.profile.read.look_up == LookUp::List {
            return self.check_by_list().await;
        }
        let nobody = format!("rosterd-check-{}", uuid::Uuid::now_v7().simple());
        let mut call = ScimRequest::get(Endpoint::Users);
        call.query.push(("filter", filter::equals("userName", &nobody)));
        match self.read(&call, CHECK_ATTEMPTS).await {
            Ok(answer) => {
                let page = self.page(answer)?;
                if !page.resources.is_empty() {
                    self.learned.filters_are_unusable();
                }
                Ok(())
            }
            Err(error) if error.class == FailureClass::NotFound => {
                // Either the address is wrong, or this is how the app says "nobody".
                self.check_by_list().await.map_err(|_| error)?;
                self.learned.a_404_means_no_match();
                Ok(())
            }
            Err(error) if is_refused_filter(&error) => {
                self.learned.filters_are_unusable();
                self.check_by_list().await
            }
            Err(error) if error.class == FailureClass::Server => self.check_by_list().await.map_err(|_| error),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn check_by_list(&self) -> Result<(), CallError> {
        ListWalk::new(self, Endpoint::Users, Vec::new()).await.next().await.map(|_| ())
    }

    fn page(&self, answer: ScimResponse) -> Result<ListPage, CallError> {
        let asked = RequestKind { method: Method::Get, path: "/Users" };
        let mut body = answer.body.ok_or_else(|| asked.not_scim(answer.status, "the answer is empty"))?;
        ListPage::read(&mut body).map_err(|what| asked.not_scim(answer.status, &what))
    }

    /// What a failed check means for the person who set the connection up.
    fn explained(&self, error: CallError) -> CallError {
        let host = self.http.host();
        let said = &error.message;
        let message = match error.class {
            FailureClass::Unauthorized => format!("{host} does not accept the token ({said}); nothing was changed"),
            FailureClass::Forbidden => format!(
                "{host} knows the token but does not let it manage users ({said}); check its rights, and that SCIM is on"
            ),
            FailureClass::NotFound | FailureClass::NotScim | FailureClass::Unsupported => format!(
                "there is no SCIM user list at {host} under this base_url ({said}); base_url ends right before /Users"
            ),
            _ => said.clone(),
        };
        CallError { message, ..error }
    }

    /// By what each of these people would be found.
    pub(super) fn wanted_users(&self, keys: &[UserKeys]) -> LookupKeys {
        LookupKeys::of_users(&self.profile, keys)
    }

    /// By what each of these groups would be found.
    pub(super) fn wanted_groups(&self, keys: &[GroupKeys]) -> LookupKeys {
        LookupKeys::of_groups(&self.profile, keys)
    }

    /// One object by id; `None` for 404.
    async fn one(&self, endpoint: Endpoint, id: &AppId) -> Result<Option<JsonObject>, CallError> {
        let call = ScimRequest { members_as_values: true, ..ScimRequest::get_one(endpoint, id.as_str()) };
        match self.resource_by(&call, id).await {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.class == FailureClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One object by id, as it is.
    pub(super) async fn resource(&self, endpoint: Endpoint, id: &AppId) -> Result<JsonObject, CallError> {
        self.resource_by(&ScimRequest::get_one(endpoint, id.as_str()), id).await
    }

    async fn resource_by(&self, call: &ScimRequest, id: &AppId) -> Result<JsonObject, CallError> {
        let answer = self.read(call, self.profile.pace.attempts).await?;
        let asked = RequestKind { method: Method::Get, path: &format!("/{}", clean(id.as_str())) };
        let body = answer.body.ok_or_else(|| asked.not_scim(answer.status, "the answer is empty"))?;
        match json::text(&body, "id") {
            Some(given) if given == id.as_str() => Ok(body),
            Some(given) => {
                self.learned.shows_instead(id, &given);
                let given: String = given.chars().take(100).collect();
                Err(asked.not_scim(answer.status, &format!("{id} was asked for and {given} was shown")))
            }
            None => Err(asked.not_scim(answer.status, "the body is not a resource: it has no id")),
        }
    }

    pub(super) fn user(&self, resource: &JsonObject, mapped: &[Path]) -> Result<AppUser, CallError> {
        let always = [Path::user_name(), Path::external_id()];
        Ok(AppUser {
            id: self.id_of(resource)?,
            active: json::flag(resource, "active").unwrap_or(true),
            attributes: digest::bounded(self.wire.read_all(resource, mapped.iter().chain(&always))),
            roles: self.roles_of(resource),
        })
    }

    /// The values of the attributes that give access.
    fn roles_of(&self, resource: &JsonObject) -> Vec<String> {
        let mut roles = Vec::new();
        for path in self.wire.attributes.granting_access() {
            let value = self.wire.path(path).and_then(|path| resource::read(resource, path));
            value.iter().for_each(|value| texts_of(value, &mut roles));
        }
        roles.sort();
        roles.dedup();
        roles
    }

    fn group(&self, resource: &JsonObject) -> Result<AppGroup, CallError> {
        Ok(AppGroup {
            id: self.id_of(resource)?,
            display_name: json::text(resource, "displayName").map(a_name).unwrap_or_default(),
            external_id: json::text(resource, "externalId").filter(|id| !id.is_empty()).map(a_name),
            // A list that says it goes on elsewhere does not show who is not in it.
            members: (self.profile.read.members_readable && !is_cut(resource)).then(|| member_values(resource)),
        })
    }

    fn id_of(&self, resource: &JsonObject) -> Result<AppId, CallError> {
        let asked = RequestKind { method: Method::Get, path: "/" };
        let id = json::text(resource, "id").ok_or_else(|| asked.not_scim(200, "a resource has no id"))?;
        AppId::from_app(&id).map_err(|why| asked.not_scim(200, &format!("a resource has {why}")))
    }
}

impl LookupKeys {
    /// By what each of these users would be found in an app with this profile.
    pub(super) fn of_users(profile: &Profile, keys: &[UserKeys]) -> Self {
        let by = match_by(&profile.read.user_match, profile.users.send_external_id);
        Self {
            endpoint: Endpoint::Users,
            values: keys.iter().map(|key| by.iter().map(|by| user_value(by, key)).collect()).collect(),
            source_ids: keys.iter().map(external_id).collect(),
            own_external_ids: profile.users.send_external_id,
            except: keys.iter().map(|key| key.except.as_ref().map(ToString::to_string)).collect(),
            released: Vec::new(),
            unique: "userName",
            query: Vec::new(),
            after_create: false,
            alike: None,
            by,
        }
    }

    /// By what each of these groups would be found in an app with this profile.
    pub(super) fn of_groups(profile: &Profile, keys: &[GroupKeys]) -> Self {
        let by = match_by(&profile.read.group_match, profile.groups.send_external_id);
        let excluded = profile.read.exclude_members_on_look_up;
        Self {
            endpoint: Endpoint::Groups,
            values: keys.iter().map(|key| by.iter().map(|by| group_value(by, key)).collect()).collect(),
            source_ids: keys.iter().map(|key| key.source_id.to_string()).collect(),
            own_external_ids: profile.groups.send_external_id,
            except: Vec::new(),
            released: keys.iter().map(|key| key.released.iter().map(AppId::to_string).collect()).collect(),
            unique: "displayName",
            query: if excluded { vec![("excludedAttributes", "members".to_owned())] } else { Vec::new() },
            after_create: false,
            alike: None,
            by,
        }
    }
}

fn match_by(names: &[String], sends_external_id: bool) -> Vec<MatchBy> {
    // Where our id was never written, looking for it is a wasted call.
    let useful = names.iter().filter(|name| sends_external_id || !name.eq_ignore_ascii_case("externalId"));
    useful.filter_map(|name| MatchBy::new(name)).collect()
}

/// The longest name of a group that is kept as it is, in bytes.
const LONGEST_NAME: usize = 4 << 10;

/// A name as it is kept: one that is far too long is cut, and told from others by its hash.
fn a_name(name: String) -> String {
    match name.len() > LONGEST_NAME {
        true => {
            let begins: String = name.chars().take(64).collect();
            format!("{begins}… {}", digest::of(&name.into()))
        }
        false => name,
    }
}

/// Every value in what stands at an attribute that gives access, as people read it: `admin`, or `17 (Owner)`.
fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(many) => many.iter().for_each(|one| texts_of(one, texts)),
        Value::Object(fields) => {
            let text = |name: &str| json::text(fields, name).filter(|text| !text.is_empty());
            match (text("value"), text("display")) {
                (Some(value), Some(display)) if value != display => texts.push(format!("{value} ({display})")),
                (value, display) => texts.extend(value.or(display)),
            }
        }
        other => texts.extend(json::as_text(other).filter(|text| !text.is_empty())),
    }
}

/// What `externalId` holds for a person: the directory's id, unless the mapping says otherwise.
fn external_id(key: &UserKeys) -> String {
    key.attributes.text(&Path::external_id()).map_or_else(|| key.source_id.to_string(), str::to_owned)
}

fn user_value(by: &MatchBy, key: &UserKeys) -> Option<String> {
    let value = match &by.path {
        None => Some(key.source_id.to_string()),
        Some(path) if *path == Path::external_id() => Some(external_id(key)),
        Some(path) => key.attributes.get(path).and_then(json::as_text),
    };
    value.filter(|value| !value.is_empty())
}

fn group_value(by: &MatchBy, key: &GroupKeys) -> Option<String> {
    let value = match by.path.as_ref().map(Path::as_str) {
        None | Some("externalId") => key.source_id.to_string(),
        Some("displayName") => key.display_name.clone(),
        Some(_) => return None,
    };
    Some(value).filter(|value| !value.is_empty())
}

pub(super) fn turned<T>(
    found: Match<JsonObject>,
    turn: impl FnOnce(JsonObject) -> Result<T, CallError>,
) -> Result<Match<T>, CallError> {
    Ok(match found {
        Match::Nobody => Match::Nobody,
        Match::One { found, by } => {
            let id = json::text(&found, "id").unwrap_or_default();
            match AppId::from_app(&id) {
                Ok(_) => Match::One { found: turn(found)?, by },
                // Nothing could ever be sent to it: a link would be none.
                Err(_) => {
                    let id = id.chars().filter(|c| !c.is_control()).take(60).collect();
                    Match::Conflict(Conflict::Unaddressable { by, id })
                }
            }
        }
        Match::Conflict(conflict) => Match::Conflict(conflict),
    })
}
