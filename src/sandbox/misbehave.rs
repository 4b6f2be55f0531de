//! The ways the app can be told to misbehave, as real apps do: for rehearsing what a client does about it.
//!
//! In: the presets an operator chose. Out: their names and help for the command line, and the faults that sit around a call.
//! All of it counts calls and throws no dice, so a rehearsal can be repeated.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::calls::CallMethod;
use super::fault::ScimFault;
use super::store::{Resource, ResourceDraft, fold};
use crate::schema::ResourceType;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Misbehave {
    /// Every 5th write is refused with 429 and `Retry-After` in seconds.
    Throttle,
    /// Every 5th write is refused with 429 and `Retry-After` as an HTTP date.
    ThrottleDate,
    /// Every 7th write is refused with 503.
    Flaky,
    /// Every 9th create is made, but answered with 504.
    LostResponse,
    /// Errors come as an HTML page.
    HtmlErrors,
    /// A filter is ignored: a query answers everybody.
    NoFilter,
    /// Nothing is unique: a second account with the same name is made.
    Duplicates,
    /// `userName` and e-mail addresses are lower-cased.
    Lowercase,
    /// A group never shows its members.
    HiddenMembers,
    /// A page holds about half of what was asked for.
    ShortPages,
    /// `totalResults` of a list is the length of the page.
    PageTotals,
    /// What was created is not shown by any read for three seconds.
    LateReads,
    /// A changed `userName` or e-mail address makes a second account instead.
    RenameDuplicates,
    /// `externalId` is taken and forgotten.
    Amnesia,
    /// A call with more than 20 members of a group is refused with 400.
    FewMembers,
    /// A call with more than 20 members of a group is refused with 413.
    SmallBodies,
    /// A new group without members is refused.
    NoEmptyGroups,
    /// A new group with members is refused.
    NoFirstMembers,
    /// A new group is made without the members it comes with.
    LateMembers,
    /// Every 10th create of a user is answered with 201, and nothing is kept.
    ForgetsCreates,
    /// Answers carry a `Date` that is 40 days behind.
    SlowClock,
    /// A create of a name that is taken answers 201 with the object that has it, as it is.
    GivesBack,
    /// Every 4th create is answered with the oldest object of its kind instead.
    MixesUp,
    /// A create is answered without an id, and with a `Location` that ends in `undefined`.
    NoId,
    /// Display names are rewritten, a create is answered 200, and nothing says when it was made.
    Tidies,
    /// A new user's display name is made from the user name, whatever was sent; a later change sets it.
    ComposesNames,
    /// Inactive accounts are not shown, though they are there.
    HidesInactive,
    /// Every filter is answered with 500.
    BrokenFilters,
    /// A filter that matches nothing is answered with 404.
    NoMatch404,
    /// A change of an account whose name ends in 7 before its `@` is answered with 500.
    StuckObjects,
    /// Every write is refused with 403.
    ReadOnly,
    /// A group takes no PATCH.
    NoGroupPatch,
    /// Answers begin with a byte order mark.
    ByteMark,
    /// A removal from a group is accepted and not carried out.
    StickyMembers,
    /// An addition to a group is accepted and not carried out.
    DeafMembers,
    /// A change of an attribute is accepted and not carried out.
    IgnoresChanges,
    /// A change is made and answered with what was there before.
    StaleAnswers,
    /// A deactivation is accepted and not carried out.
    KeepsActive,
    /// A deletion is accepted and not carried out.
    KeepsDeleted,
    /// A change is answered without a body.
    NoContent,
    /// Members are shown by `$ref` alone.
    RefMembers,
    /// A group shows ten of its members at most, and says how many there are.
    CutMembers,
    /// An account that is deactivated leaves every group.
    InactiveLeaves,
    /// A change of a user that names a title is refused as a whole.
    RefusesTitle,
    /// A new user with a title is refused as a whole, as is a change that names one.
    NoTitle,
}

const PRESETS: &[(Misbehave, &str, &str)] = &[
    (Misbehave::Throttle, "throttle", "every 5th write answers 429 with Retry-After: 1"),
    (Misbehave::ThrottleDate, "throttle-date", "every 5th write answers 429 with Retry-After as an HTTP date"),
    (Misbehave::Flaky, "flaky", "every 7th write answers 503 and does nothing"),
    (Misbehave::LostResponse, "lost-response", "every 9th create is made, but answers 504"),
    (Misbehave::HtmlErrors, "html-errors", "errors come as HTML pages"),
    (Misbehave::NoFilter, "no-filter", "filters are ignored: every query returns every user"),
    (Misbehave::Duplicates, "duplicates", "no name is unique: nothing answers 409"),
    (Misbehave::Lowercase, "lowercase", "userName and e-mail addresses are lower-cased"),
    (Misbehave::HiddenMembers, "hidden-members", "groups never show their members"),
    (Misbehave::ShortPages, "short-pages", "pages hold about half of what was asked for"),
    (Misbehave::PageTotals, "page-totals", "totalResults is the number of resources on the page"),
    (Misbehave::LateReads, "late-reads", "reads do not show a new resource for 3 seconds"),
    (
        Misbehave::RenameDuplicates,
        "rename-duplicates",
        "changing userName or an e-mail makes a second account and leaves the first",
    ),
    (Misbehave::Amnesia, "amnesia", "externalId is accepted and not stored"),
    (Misbehave::FewMembers, "few-members", "more than 20 members of a group in one call answer 400"),
    (Misbehave::SmallBodies, "small-bodies", "more than 20 members of a group in one call answer 413"),
    (Misbehave::NoEmptyGroups, "no-empty-groups", "a new group without members answers 400"),
    (Misbehave::NoFirstMembers, "no-first-members", "a new group with members answers 400"),
    (Misbehave::LateMembers, "late-members", "a new group is made without the members it comes with"),
    (Misbehave::ForgetsCreates, "forgets-creates", "every 10th create of a user answers 201, and nothing is kept"),
    (Misbehave::SlowClock, "slow-clock", "the Date of every answer is 40 days behind"),
    (Misbehave::GivesBack, "gives-back", "a create of a name that is taken answers 201 with the object that has it"),
    (Misbehave::MixesUp, "mixes-up", "every 4th create answers 201 with the oldest object of its kind"),
    (Misbehave::NoId, "no-id", "creates answer without an id, Location ends in /undefined"),
    (Misbehave::Tidies, "tidies", "display names are rewritten, creates answer 200, nothing is dated"),
    (
        Misbehave::ComposesNames,
        "composes-names",
        "a new user's displayName is made from the userName; a change sets it",
    ),
    (Misbehave::HidesInactive, "hides-inactive", "inactive accounts are not shown, though they are there"),
    (Misbehave::BrokenFilters, "broken-filters", "every filter answers 500"),
    (Misbehave::NoMatch404, "no-match-404", "a filter that matches nothing answers 404"),
    (Misbehave::StuckObjects, "stuck-objects", "a change of an account whose name ends in 7 (ann7@…) answers 500"),
    (Misbehave::ReadOnly, "read-only", "every write answers 403"),
    (Misbehave::NoGroupPatch, "no-group-patch", "PATCH of a group answers 405; PUT works"),
    (Misbehave::ByteMark, "byte-mark", "JSON begins with a byte order mark"),
    (Misbehave::StickyMembers, "sticky-members", "removing a member of a group is accepted and does nothing"),
    (Misbehave::DeafMembers, "deaf-members", "adding a member to a group is accepted and does nothing"),
    (Misbehave::IgnoresChanges, "ignores-changes", "changing an attribute is accepted and does nothing"),
    (Misbehave::StaleAnswers, "stale-answers", "changes are made and answered with what was there before"),
    (Misbehave::KeepsActive, "keeps-active", "deactivating a user is accepted and does nothing"),
    (Misbehave::KeepsDeleted, "keeps-deleted", "deleting is accepted and does nothing"),
    (Misbehave::NoContent, "no-content", "changes answer 204 without a body"),
    (Misbehave::RefMembers, "ref-members", "groups show their members by $ref alone"),
    (Misbehave::CutMembers, "cut-members", "groups show ten members at most, and totalMembers"),
    (Misbehave::RefusesTitle, "refuses-title", "changing a user's title answers 400, whatever else is changed with it"),
    (Misbehave::NoTitle, "no-title", "a new user with a title answers 400, and so does a change of one"),
    (Misbehave::InactiveLeaves, "inactive-leaves", "deactivating a user takes them out of every group"),
];

impl Misbehave {
    /// Every preset, in the order to list them.
    pub fn all() -> impl Iterator<Item = Self> {
        PRESETS.iter().map(|(preset, _, _)| *preset)
    }

    fn row(self) -> (&'static str, &'static str) {
        PRESETS.iter().find(|(preset, _, _)| *preset == self).map_or(("", ""), |(_, name, help)| (name, help))
    }

    /// Whether an account of this name is one that [`Misbehave::StuckObjects`] means.
    pub(crate) fn is_stuck(user_name: &str) -> bool {
        user_name.split('@').next().is_some_and(|name| name.ends_with('7'))
    }

    /// Whether it accepts calls that it does not carry out.
    #[cfg(test)]
    pub(crate) fn is_a_lie(self) -> bool {
        matches!(
            self,
            Self::StuckObjects
                | Self::ReadOnly
                | Self::StickyMembers
                | Self::DeafMembers
                | Self::IgnoresChanges
                | Self::KeepsActive
                | Self::KeepsDeleted
                | Self::ForgetsCreates
        )
    }

    /// The name to type.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// One line that says what it does.
    pub fn help(self) -> &'static str {
        self.row().1
    }
}

impl fmt::Display for Misbehave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no way to misbehave; there are {known}", known = known())]
pub struct UnknownMisbehave {
    /// What was typed.
    pub given: String,
}

fn known() -> String {
    Misbehave::all().map(Misbehave::name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Misbehave {
    type Err = UnknownMisbehave;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The name of before, for one release.
        let text = if text == "heap-rename" { "rename-duplicates" } else { text };
        Self::all().find(|preset| preset.name() == text).ok_or_else(|| UnknownMisbehave { given: text.to_owned() })
    }
}

/// The chosen presets and their counters.
#[derive(Debug, Default)]
pub(super) struct Mischief {
    chosen: Vec<Misbehave>,
    writes: AtomicU64,
    creates: AtomicU64,
    /// Creates that [`Misbehave::ForgetsCreates`] counts.
    kept: AtomicU64,
    /// Creates that [`Misbehave::MixesUp`] counts.
    asked: AtomicU64,
}

impl Mischief {
    pub(super) fn new(chosen: Vec<Misbehave>) -> Self {
        Self { chosen, ..Self::default() }
    }

    pub(super) fn has(&self, preset: Misbehave) -> bool {
        self.chosen.contains(&preset)
    }

    /// Refuses a call before it does anything.
    pub(super) fn before(&self, call: CallMethod, now: impl FnOnce() -> Timestamp) -> Option<Response> {
        if !call.writes() {
            return None;
        }
        if self.has(Misbehave::ReadOnly) {
            return Some(ScimFault::plain(StatusCode::FORBIDDEN, "this token may read only").into_response());
        }
        let nth = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if nth.is_multiple_of(5) && self.has(Misbehave::Throttle) {
            return Some(throttled(HeaderValue::from_static("1")));
        }
        if nth.is_multiple_of(5) && self.has(Misbehave::ThrottleDate) {
            return Some(throttled(in_two_seconds(now())));
        }
        if nth.is_multiple_of(7) && self.has(Misbehave::Flaky) {
            return Some(
                ScimFault::plain(StatusCode::SERVICE_UNAVAILABLE, "every 7th write fails here").into_response(),
            );
        }
        None
    }

    /// Makes a new user's display name from the user name.
    pub(super) fn compose(&self, kind: ResourceType, draft: &mut ResourceDraft) {
        let name = draft.text("userName").filter(|_| kind == ResourceType::User && self.has(Misbehave::ComposesNames));
        if let Some(composed) = name.map(|name| format!("User of {name}")) {
            draft.attrs.insert("displayName".to_owned(), composed.into());
        }
    }

    /// Whether a create of a user is answered and not kept.
    pub(super) fn forgets(&self, kind: ResourceType) -> bool {
        kind == ResourceType::User
            && self.has(Misbehave::ForgetsCreates)
            && (self.kept.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(10)
    }

    /// Spoils the answer of a call that was carried out.
    pub(super) fn after(&self, method: &Method, response: Response) -> Response {
        let mut response = response;
        if self.has(Misbehave::Tidies) && *method == Method::POST && response.status() == StatusCode::CREATED {
            *response.status_mut() = StatusCode::OK;
        }
        if !self.has(Misbehave::LostResponse) || *method != Method::POST || response.status() != StatusCode::CREATED {
            return response;
        }
        let nth = self.creates.fetch_add(1, Ordering::Relaxed) + 1;
        if !nth.is_multiple_of(9) {
            return response;
        }
        ScimFault::plain(StatusCode::GATEWAY_TIMEOUT, "the answer to every 9th create is lost here").into_response()
    }

    /// Refuses a PATCH of a group where groups go by PUT alone.
    pub(super) fn refuses_patch(&self, method: &Method, path: &str) -> Option<Response> {
        let refused = *method == Method::PATCH && path.contains("/Groups/") && self.has(Misbehave::NoGroupPatch);
        refused
            .then(|| ScimFault::plain(StatusCode::METHOD_NOT_ALLOWED, "groups are changed by PUT here").into_response())
    }

    /// Puts a byte order mark before an answer's JSON.
    fn mark(&self, response: Response) -> Response {
        let json = |value: &HeaderValue| value.as_bytes().windows(4).any(|part| part == b"json");
        if !self.has(Misbehave::ByteMark) || !response.headers().get(header::CONTENT_TYPE).is_some_and(json) {
            return response;
        }
        let (mut head, body) = response.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        let mark = stream::once(async { Ok::<_, axum::Error>(Bytes::from_static(b"\xef\xbb\xbf")) });
        Response::from_parts(head, Body::from_stream(mark.chain(body.into_data_stream())))
    }

    /// Puts an error into the clothes of a web page, its other headers left as they are.
    pub(super) fn dress(&self, response: Response, now: impl FnOnce() -> Timestamp) -> Response {
        let mut response = self.mark(response);
        let status = response.status();
        if self.has(Misbehave::SlowClock)
            && let Some(date) = date_at(now(), -SLOW)
        {
            response.headers_mut().insert(header::DATE, date);
        }
        if self.has(Misbehave::HtmlErrors) && (status.is_client_error() || status.is_server_error()) {
            *response.body_mut() = Body::from(format!("<html><body><h1>{status}</h1></body></html>\n"));
            let headers = response.headers_mut();
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        }
        response
    }

    /// Bends what a client wrote.
    pub(super) fn bend(&self, draft: &mut ResourceDraft) {
        if self.has(Misbehave::Amnesia) {
            draft.attrs.remove("externalId");
        }
        if self.has(Misbehave::Tidies)
            && let Some(Value::String(name)) = draft.attrs.get_mut("displayName")
        {
            *name = tidied(name);
        }
        if !self.has(Misbehave::Lowercase) {
            return;
        }
        let emails = draft.attrs.get_mut("emails").and_then(|emails| emails.as_array_mut());
        for email in emails.into_iter().flatten().filter_map(|email| email.get_mut("value")) {
            lower(email);
        }
        draft.attrs.get_mut("userName").map(lower);
    }

    /// The resource with which a create is answered instead of making one.
    pub(super) fn given<'a>(&self, rows: &'a [Arc<Resource>], draft: &ResourceDraft) -> Option<&'a Arc<Resource>> {
        let kind = rows.first()?.kind;
        if self.has(Misbehave::MixesUp) && (self.asked.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(4) {
            return rows.first();
        }
        let name = draft.text(kind.naming()).filter(|_| self.has(Misbehave::GivesBack))?;
        rows.iter().find(|row| row.text(kind.naming()).is_some_and(|taken| fold(taken) == fold(name)))
    }

    /// What a resource shows, and where a create says that it is.
    pub(super) fn undated(&self, resource: &mut Value) {
        let meta = resource.get_mut("meta").filter(|_| self.has(Misbehave::Tidies)).and_then(Value::as_object_mut);
        if let Some(meta) = meta {
            meta.remove("created");
            meta.remove("lastModified");
        }
    }

    /// Takes the id out of the answer to a create.
    pub(super) fn unnamed(&self, resource: &mut Value, location: &mut String) {
        if !self.has(Misbehave::NoId) {
            return;
        }
        if let Some(map) = resource.as_object_mut() {
            map.remove("id");
            map.remove("meta");
        }
        if let Some((collection, _)) = location.rsplit_once('/') {
            *location = format!("{collection}/undefined");
        }
    }

    /// Refuses a filter, or an answer that shows nothing.
    pub(super) fn filtered(&self, shows_nothing: bool) -> Result<(), ScimFault> {
        match () {
            () if self.has(Misbehave::BrokenFilters) => {
                Err(ScimFault::plain(StatusCode::INTERNAL_SERVER_ERROR, "no filter works here"))
            }
            () if shows_nothing && self.has(Misbehave::NoMatch404) => Err(ScimFault::not_found("nothing matches")),
            () => Ok(()),
        }
    }

    /// Refuses a change of an account that this app can't change any more.
    pub(super) fn is_stuck(&self, old: &Resource) -> Result<(), ScimFault> {
        let name = old.text("userName").unwrap_or_default();
        let is_stuck = old.kind == ResourceType::User && Misbehave::is_stuck(name) && self.has(Misbehave::StuckObjects);
        match is_stuck {
            true => Err(ScimFault::plain(StatusCode::INTERNAL_SERVER_ERROR, "this account can't be changed")),
            false => Ok(()),
        }
    }

    /// Whether this change of a user is to make a second account. A new e-mail address is its name, if it has no other.
    pub(super) fn splits(&self, old: &Resource, draft: &mut ResourceDraft) -> bool {
        if !self.has(Misbehave::RenameDuplicates) || old.kind != ResourceType::User {
            return false;
        }
        let renamed = old.text("userName") != draft.text("userName");
        let (before, now) = (email(&old.attrs), email(&draft.attrs));
        let moved = before.is_some() && now.is_some() && before != now;
        if let (true, false, Some(address)) = (moved, renamed, now.map(str::to_owned)) {
            draft.attrs.insert("userName".to_owned(), address.into());
        }
        renamed || moved
    }
}

/// The first e-mail address.
fn email(attrs: &serde_json::Map<String, Value>) -> Option<&str> {
    attrs.get("emails")?.as_array()?.iter().find_map(|email| email.get("value")?.as_str())
}

/// A name as an app may write it: the words in small letters, the last one first.
fn tidied(name: &str) -> String {
    let words: Vec<String> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{last}-{}", rest.join("-")),
        Some((only, _)) => only.clone(),
        None => name.to_owned(),
    }
}

fn lower(value: &mut Value) {
    if let Value::String(text) = value {
        *text = text.to_lowercase();
    }
}

fn throttled(retry_after: HeaderValue) -> Response {
    let mut response =
        ScimFault::plain(StatusCode::TOO_MANY_REQUESTS, "every 5th write is throttled here").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, retry_after);
    response
}

/// How far a slow clock is behind.
const SLOW: SignedDuration = SignedDuration::from_hours(40 * 24);

/// An HTTP date has whole seconds: two ahead is at least one ahead.
fn in_two_seconds(now: Timestamp) -> HeaderValue {
    // only a clock near the end of time has no date two seconds ahead
    date_at(now, SignedDuration::from_secs(2)).unwrap_or(HeaderValue::from_static("2"))
}

fn date_at(now: Timestamp, later: SignedDuration) -> Option<HeaderValue> {
    let then = now.checked_add(later).ok()?;
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&then).ok()?;
    HeaderValue::from_str(&date).ok()
}
