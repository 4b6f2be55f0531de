//! What a create made. In: the app's answer to a POST. Out: the object's id, proven, and whether it is new at all.
//!
//! An answer is evidence, not truth: some apps give an existing object back, or no id, or one that no request can carry. An id is
//! never taken from `Location` alone, since some apps write `undefined` there.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::client::{App, Endpoint, ScimResponse};
use super::json::{self, JsonObject};
use super::matching::LookupKeys;
use super::shown::member_values;
use super::write::not_sent;
use super::{CallError, Created, FailureClass, Match, MemberKeys, ResponseOrigin};
use crate::http::Method;
use crate::model::likeness::{is_respelt, local_part};
use crate::model::{AppId, Attributes, Path, digest, fold};

/// So much earlier than the app's own clock at the first answer an object may be dated that a create of this run made: clocks of
/// one app differ a little, and a `Date` header has whole seconds.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// An object that a create was answered with.
pub(super) struct CreatedObject {
    endpoint: Endpoint,
    id: AppId,
    status: u16,
    /// As the answer shows it, or else as it was found.
    shown: JsonObject,
    /// What the answer itself shows.
    echoed: Option<JsonObject>,
    was_shown_before: bool,
}

impl App {
    /// The object that a create made. What the answer lacks is looked up. `wanted` is for what it would be found; `name` is its
    /// unique name.
    pub(super) async fn made(
        &self,
        wanted: LookupKeys,
        answer: ScimResponse,
        name: &str,
    ) -> Result<CreatedObject, CallError> {
        let (endpoint, status) = (wanted.endpoint, answer.status);
        // What programs write where they have no id counts as none: the object is looked up.
        let id = answer.body.as_ref().and_then(|body| json::text(body, "id")).filter(|id| !is_no_id(id));
        let made = |id: String, shown: JsonObject, echoed: Option<JsonObject>| CreatedObject {
            was_shown_before: self.learned.has_shown(endpoint, &id),
            id: AppId::new(id),
            endpoint,
            status,
            shown,
            echoed,
        };
        if let (Some(id), Some(body)) = (id, &answer.body) {
            if !self.can_address(&id) {
                let id: String = id.chars().take(60).collect();
                let what = format!(
                    "{status}: the app answered with the id {id:?}, to which no request can be sent; nothing was linked. Ask the app's \
                     vendor to give the object another id"
                );
                // It is done, and nothing that could be tried would do it better.
                return Err(answered(endpoint, status, FailureClass::Unsupported, what));
            }
            return Ok(made(id, body.clone(), answer.body));
        }
        match self.proven(wanted, answer.location.as_deref(), name).await {
            Some((id, shown)) => Ok(made(id, shown, answer.body)),
            None => {
                let what = format!(
                    "{status}: accepted, but the app does not say under which id, and no look-up shows it: nothing was linked"
                );
                let error = answered(endpoint, status, FailureClass::Unknown, what);
                Err(CallError { maybe_done: true, ..error })
            }
        }
    }

    /// The object as a reading shows it: under the id in `Location`, if that has its name, or else where a look-up finds it.
    async fn proven(&self, wanted: LookupKeys, location: Option<&str>, name: &str) -> Option<(String, JsonObject)> {
        let unique = wanted.unique;
        if let Some(id) = location.and_then(id_in_location).filter(|id| self.can_address(id))
            && let Ok(shown) = self.resource(wanted.endpoint, &AppId::new(id.as_str())).await
            && json::text(&shown, unique).is_some_and(|given| fold(&given) == fold(name))
        {
            return Some((id, shown));
        }
        let wanted = LookupKeys { after_create: true, ..wanted };
        match self.look_up(&wanted).await.ok()?.into_iter().next()? {
            Match::One { found, .. } => Some((json::text(&found, "id")?, found)),
            Match::Nobody | Match::Conflict(_) => None,
        }
    }

    /// A new account, or what shows that it is none.
    pub(super) async fn created_user(
        &self,
        mut made: CreatedObject,
        sent: &Attributes,
        external_id: Option<&str>,
    ) -> Created {
        let echo = self.echo(made.echoed.as_ref(), sent);
        if self.is_in_doubt(&made, self.differing(&made, sent).is_some()) {
            self.look_once(&mut made).await;
        }
        let origin = match self.whose_else(&made, sent, external_id).filter(|_| !self.is_fresh(&made.shown)) {
            Some(evidence) => ResponseOrigin::Another { evidence },
            None => self.origin(&made, || self.differing(&made, sent)),
        };
        let origin = match origin {
            ResponseOrigin::There { evidence, is_certain, .. } => {
                let paths: Vec<Path> = sent.iter().map(|(path, _)| path.clone()).collect();
                ResponseOrigin::There { evidence, account: self.user(&made.shown, &paths).ok(), is_certain }
            }
            other => other,
        };
        Created { id: made.id, echo, members: None, origin }
    }

    /// An attribute that an account shows with another value than was sent, and not only written in another way.
    fn differing(&self, made: &CreatedObject, sent: &Attributes) -> Option<String> {
        let shown = self.wire.read_all(&made.shown, sent.iter().map(|(path, _)| path));
        let is_own_way = |path: &Path, shown: &Value, sent: &Value| {
            is_same(shown, sent)
                || (*path == Path::user_name()
                    && shown.as_str().zip(sent.as_str()).is_some_and(|(shown, sent)| is_written_so(shown, sent)))
        };
        let differs =
            sent.iter().find(|(path, value)| shown.get(path).is_some_and(|shown| !is_own_way(path, shown, value)));
        differs.map(|(path, _)| path.to_string())
    }

    /// Whether an answer leaves open if the object is new: it does not say when that was made, and other things speak against it.
    fn is_in_doubt(&self, made: &CreatedObject, differs: bool) -> bool {
        created_at(&made.shown).is_none() && !made.was_shown_before && (made.status == 200 || differs)
    }

    /// Asks once for an object about whose origin its answer leaves a doubt: many apps show `meta.created` only then. An app that shows no
    /// dates at all is asked for one object of a run.
    async fn look_once(&self, made: &mut CreatedObject) {
        if self.learned.is_undated() {
            return;
        }
        match self.resource(made.endpoint, &made.id).await {
            Ok(shown) => {
                if created_at(&shown).is_none() {
                    self.learned.shows_no_dates();
                }
                made.shown = shown;
            }
            Err(error) => tracing::debug!(%error, id = %made.id, "a new object could not be looked at"),
        }
    }

    /// By what an account is seen to be another user's: it has another name, or the id of another directory record.
    fn whose_else(&self, made: &CreatedObject, sent: &Attributes, external_id: Option<&str>) -> Option<String> {
        let other = |path: &Path, sent: Option<&str>, exact: bool| {
            let name = path.as_str();
            let (shown, sent) = (json::text(&made.shown, name).filter(|shown| !shown.is_empty())?, sent?);
            let is_same = if exact { shown == sent } else { fold(shown.trim()) == fold(sent.trim()) };
            (!is_same && !self.wire.attributes.is_unreturned(path))
                .then(|| format!("its {name} is {shown:?}, not {sent:?}"))
        };
        let external_id = sent.text(&Path::external_id()).or(external_id);
        let name = sent.text(&Path::user_name());
        // An app that writes names in its own way shows the id that it was just given.
        let is_rewritten = || {
            let shown = json::text(&made.shown, "userName").unwrap_or_default();
            made.status == 201
                && self.has_id_as_sent(made, external_id)
                && name.is_some_and(|name| is_written_so(&shown, name))
        };
        let by_name = other(&Path::user_name(), name, false).filter(|_| !is_rewritten());
        by_name.or_else(|| other(&Path::external_id(), external_id, true))
    }

    fn has_id_as_sent(&self, made: &CreatedObject, external_id: Option<&str>) -> bool {
        external_id.is_some() && json::text(&made.shown, "externalId").as_deref() == external_id
    }

    /// A new group, or what shows that it is none.
    pub(super) async fn created_group(
        &self,
        mut made: CreatedObject,
        name: &str,
        external_id: Option<&str>,
        members: &[MemberKeys],
    ) -> Created {
        let is_other = |made: &CreatedObject| {
            let shown = json::text(&made.shown, "displayName");
            shown.filter(|shown| fold(shown) != fold(name))
        };
        if self.is_in_doubt(&made, is_other(&made).is_some()) {
            self.look_once(&mut made).await;
        }
        let paths = [Path::display_name(), Path::external_id()];
        let echo =
            digest::bounded(made.echoed.as_ref().map(|body| self.wire.read_all(body, &paths)).unwrap_or_default());
        let owner = json::text(&made.shown, "externalId").filter(|shown| !shown.is_empty());
        let is_anothers = owner.as_deref().zip(external_id).is_some_and(|(shown, sent)| shown != sent);
        let is_unreturned = |path: &Path| self.wire.attributes.is_unreturned(path);
        let is_ours = || self.has_id_as_sent(&made, external_id);
        let origin = match is_other(&made) {
            _ if self.is_fresh(&made.shown) => self.origin(&made, || None),
            _ if is_anothers && !is_unreturned(&Path::external_id()) => {
                let owner = owner.unwrap_or_default();
                let ours = external_id.unwrap_or_default();
                ResponseOrigin::Another { evidence: format!("its externalId is {owner:?}, not {ours:?}") }
            }
            Some(other) if !is_respelt(&other, name) && !is_ours() && !is_unreturned(&Path::display_name()) => {
                ResponseOrigin::Another { evidence: format!("its displayName is {other:?}, not {name:?}") }
            }
            // The app writes names in its own way. A group that was there has members whom the request did not name.
            Some(other) => self.origin(&made, || {
                let strangers = member_values(&made.shown);
                let named =
                    |value: &String| members.iter().any(|one| one.id.as_str() == value || one.user_name == *value);
                let has_strangers = strangers.iter().any(|value| !named(value));
                has_strangers.then(|| format!("displayName ({other:?}) and other members"))
            }),
            None => self.origin(&made, || None),
        };
        let members = made.echoed.as_ref().filter(|body| json::get(body, "members").is_some());
        let members = members.map(member_values);
        Created { id: made.id, echo, members, origin }
    }

    /// Where an object comes from. `differs` names an attribute with another value than was sent.
    fn origin(&self, made: &CreatedObject, differs: impl FnOnce() -> Option<String>) -> ResponseOrigin {
        let there = |evidence: String| ResponseOrigin::There { evidence, account: None, is_certain: false };
        if made.was_shown_before {
            let names = ["userName", "displayName"];
            let name = names.iter().find_map(|name| json::text(&made.shown, name)).unwrap_or_default();
            return ResponseOrigin::Another {
                evidence: format!("a look-up of this run had shown it before ({name:?})"),
            };
        }
        match created_at(&made.shown) {
            Some(at) if !self.is_fresh(&made.shown) && self.first_date().is_some() => {
                let evidence = format!("the app says that it was made at {at}");
                return ResponseOrigin::There { evidence, account: None, is_certain: true };
            }
            Some(_) if self.is_fresh(&made.shown) => return ResponseOrigin::New,
            _ => {}
        }
        if made.status == 200 {
            let call = if made.endpoint == Endpoint::Groups { "POST /Groups" } else { "POST /Users" };
            return there(format!("{call} was answered 200 instead of 201"));
        }
        match differs() {
            Some(attribute) => there(format!("it has another {attribute} than was sent")),
            None => ResponseOrigin::New,
        }
    }

    /// Whether an object was made since this connection began, by the app's own clock.
    fn is_fresh(&self, shown: &JsonObject) -> bool {
        let (Some(at), Some(began)) = (created_at(shown), self.first_date()) else { return false };
        began.checked_sub(TOLERANCE).is_ok_and(|began| at >= began)
    }
}

/// `meta.created` (RFC 7643 §3.1). Some apps leave the offset out: then it is UTC.
fn created_at(resource: &JsonObject) -> Option<Timestamp> {
    let meta = json::get(resource, "meta")?.as_object()?;
    let text = json::text(meta, "created")?;
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse::<Timestamp>().ok().or_else(local)
}

/// Whether a value is the one that was sent, as far as can be told: apps write texts in their own case, and add to lists.
fn is_same(shown: &Value, sent: &Value) -> bool {
    match (json::as_text(shown), json::as_text(sent)) {
        (Some(shown), Some(sent)) => is_respelt(&shown, &sent) || is_cut(&shown, &sent),
        _ => true,
    }
}

/// Whether a text is the beginning of the one that was sent, as of an app that keeps a text up to some length.
fn is_cut(shown: &str, sent: &str) -> bool {
    const SHORTEST: usize = 16;
    shown.len() >= SHORTEST && sent.starts_with(shown)
}

/// Whether a user name is the one that was sent in the app's own way of writing: other marks between the letters, or without its domain.
fn is_written_so(shown: &str, sent: &str) -> bool {
    is_respelt(shown, sent) || local_part(sent).is_some_and(|local| is_respelt(shown, local))
}

/// What an app writes for an id where it has none.
fn is_no_id(id: &str) -> bool {
    let id = id.trim();
    id.is_empty()
        || ["undefined", "null", "none", "nil", "nan", "[object object]"].iter().any(|no| id.eq_ignore_ascii_case(no))
}

/// The last segment of a `Location`, unless that is a collection.
fn id_in_location(location: &str) -> Option<String> {
    let path = location.split(['?', '#']).next()?.trim_end_matches('/');
    let (collection, last) = path.rsplit_once('/')?;
    let id = percent_decode_str(last).decode_utf8().ok()?.into_owned();
    let is_collection = collection.is_empty() || ["users", "groups"].iter().any(|name| id.eq_ignore_ascii_case(name));
    (!id.is_empty() && !is_collection).then_some(id)
}

fn answered(endpoint: Endpoint, status: u16, class: FailureClass, message: String) -> CallError {
    CallError { status: Some(status), ..not_sent(Method::Post, endpoint, &AppId::from(""), class, message) }
}
