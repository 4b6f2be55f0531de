//! What the rooms above may ask of an app: two traits, one for reading and one for writing, and their answers.
//!
//! Planning is handed only [`AppRead`], so it can't write by construction.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::http::failure::FailureClass;
use crate::model::{AppId, Attributes, Conflict, KnownNames, Likeness, Path, SourceId, fold};

/// Under what names a person may already be in the app.
#[derive(Debug, Clone, PartialEq)]
pub struct UserKeys {
    /// The directory's id: what `externalId` would hold.
    pub source_id: SourceId,
    /// The attributes the person shall have; the profile's `user_match` picks from them.
    pub attributes: Attributes,
    /// An account that is not looked for: the one they have.
    pub except: Option<AppId>,
}

/// Under what names a group may already be in the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKeys {
    /// The directory's id: what `externalId` would hold.
    pub source_id: SourceId,
    /// The name it shall have.
    pub display_name: String,
    /// The app's groups that rosterd released: one of them may be taken, although it carries the id of another record.
    pub released: Vec<AppId>,
}

/// A person as the app shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppUser {
    /// The app's id.
    pub id: AppId,
    /// `active`; `true` where the app does not say.
    pub active: bool,
    /// The values at the paths that are mapped, plus `userName` and `externalId`.
    pub attributes: Attributes,
    /// Its roles and entitlements: the values of the attributes that give access, for people to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// A group as the app shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppGroup {
    /// The app's id.
    pub id: AppId,
    /// `displayName`.
    pub display_name: String,
    /// `externalId`.
    pub external_id: Option<String>,
    /// The members' values, if the app shows them; `None` where they were not asked for or can't be seen.
    pub members: Option<Vec<String>>,
}

/// What looking somebody up found. Every match has been verified on our side: apps are known to ignore filters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Match<T> {
    /// Nobody: safe to create.
    Nobody,
    /// Exactly one, found by this attribute.
    One {
        /// What was found.
        found: T,
        /// The attribute that matched.
        by: String,
    },
    /// The app has a match, or may have one, that may not be used. Nothing may be created or adopted.
    Conflict(Conflict),
}

impl<T> Match<T> {
    /// What was found, if it is exactly one.
    pub fn one(self) -> Option<T> {
        match self {
            Self::One { found, .. } => Some(found),
            Self::Nobody | Self::Conflict(_) => None,
        }
    }
}

/// An account that shares a name with a user who is about to get one.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookalike {
    /// The app's id.
    pub id: AppId,
    /// Its user name, for people to read.
    pub user_name: String,
    /// Whether it may be used.
    pub active: bool,
    /// What it is called, as keys.
    pub names: Likeness,
}

/// How far to look for accounts that share a name with new users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookalikeScope {
    /// As on a first sync: where filters can't answer, the accounts are listed, and names for people to read are compared too.
    Thorough,
    /// What filters, or a list that is read anyway, show.
    Cheap,
}

/// A person as a member of a group, in every way in which an app may want to know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKeys {
    /// The app's id.
    pub id: AppId,
    /// The user name, as the app spells it.
    pub user_name: String,
}

impl MemberKeys {
    /// Whether the value that an app shows for a member means this one: by the id or the user name, in whatever case.
    pub fn is_meant_by(&self, value: &str) -> bool {
        let value = fold(value);
        value == fold(self.id.as_str()) || value == fold(&self.user_name)
    }
}

/// What an app answered to a create.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The app's id for the new object.
    pub id: AppId,
    /// What the app says it holds now, at the paths that were sent. Empty where the app does not echo.
    pub echo: Attributes,
    /// The values of the members that the answer shows a new group to have; `None` where it does not speak of members.
    pub members: Option<Vec<String>>,
    /// Whether the object is new at all.
    pub origin: ResponseOrigin,
}

/// What the answer to a change shows of the object. An answer without a body shows nothing; what one leaves out is no proof of anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// The values at the paths that were set or cleared.
    pub attributes: Attributes,
    /// `active` of an account.
    pub active: Option<bool>,
    /// `displayName` of a group.
    pub display_name: Option<String>,
    /// The members of a group.
    pub members: Option<ShownMembers>,
}

/// The members of a group, as an answer shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShownMembers {
    /// What identifies each of them: an id, a user name, or the end of a `$ref`.
    pub values: Vec<String>,
    /// Whether the answer says that there are more. Then it proves only what it shows.
    pub is_cut: bool,
}

/// Where the object comes from that an app answered a create with.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseOrigin {
    /// Nothing speaks against it: the create made it.
    New,
    /// It was there before, and the app gave it back.
    There {
        /// By what that is seen.
        evidence: String,
        /// The account as the app shows it, with the values at the paths that were sent; `None` for a group.
        account: Option<AppUser>,
        /// Whether the app says itself that it is older than this run. Otherwise it may be new all the same: some apps date nothing, answer
        /// every create with 200, or write values in their own way.
        is_certain: bool,
    },
    /// It is another object: the look-ups of this run had shown it, or it has another name.
    Another {
        /// By what that is seen.
        evidence: String,
    },
}

/// A call that failed, with the evidence a person needs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{method} {path}: {message}")]
pub struct CallError {
    /// What kind of failure.
    pub class: FailureClass,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// `scimType`, if the app gave one.
    pub scim_type: Option<String>,
    /// One line for people: the status and the app's own words, cleaned of control characters and cut to a sane length.
    pub message: String,
    /// The request's method.
    pub method: &'static str,
    /// The request's path below the base URL, without query (queries hold personal data).
    pub path: String,
    /// How long the app asks us to wait.
    pub retry_after: Option<Duration>,
    /// Whether the request may have been carried out although it failed (no answer, 5xx, cut connection).
    pub maybe_done: bool,
}

impl CallError {
    /// A call that was not sent because the run ended first.
    pub fn closed() -> Self {
        Self {
            class: FailureClass::Closed,
            status: None,
            scim_type: None,
            message: "not sent: the run ended before its turn came".to_owned(),
            method: "",
            path: String::new(),
            retry_after: None,
            maybe_done: false,
        }
    }
}

/// How many calls were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStats {
    /// All calls.
    pub total: u64,
    /// By method.
    pub by_method: BTreeMap<String, u64>,
}

/// Reading from an app. Reads repeat themselves where that is safe; what comes back as an error has been tried enough.
#[async_trait]
pub trait AppRead: Send + Sync {
    /// Proves that base URL, token and SCIM fit together, with as few calls as possible (J2).
    async fn check(&self) -> Result<(), CallError>;

    /// Looks people up, in the order given: by filter or by listing everything, whichever the profile says or takes fewer
    /// calls. `mapped` are the paths whose values the caller wants to see.
    async fn look_up_users(&self, keys: &[UserKeys], mapped: &[Path]) -> Result<Vec<Match<AppUser>>, CallError>;

    /// As [`AppRead::look_up_users`], and beside it the accounts that share a user name, an e-mail address or a display name with one
    /// of these people: `names` are what they are called, in the order of `keys`. Which user an account belongs to is not decided here.
    async fn look_up_newcomers(
        &self,
        keys: &[UserKeys],
        names: Vec<KnownNames>,
        mapped: &[Path],
        search: LookalikeScope,
    ) -> Result<(Vec<Match<AppUser>>, Vec<Lookalike>), CallError>;

    /// Looks groups up, in the order given. Members are not read.
    async fn look_up_groups(&self, keys: &[GroupKeys]) -> Result<Vec<Match<AppGroup>>, CallError>;

    /// Of these accounts, those that the whole list does not show. `None` where the profile does not let it be read, or where it would
    /// take more than `most` requests.
    ///
    /// # Errors
    /// When the list could not be read, or does not prove complete.
    async fn not_listed(&self, accounts: &HashSet<AppId>, most: u64) -> Result<Option<Vec<AppId>>, CallError>;

    /// One person by app id; `None` for 404.
    async fn get_user(&self, id: &AppId, mapped: &[Path]) -> Result<Option<AppUser>, CallError>;

    /// One group by app id, with members if the app shows them; `None` for 404.
    async fn get_group(&self, id: &AppId) -> Result<Option<AppGroup>, CallError>;

    /// The account that the token belongs to (`/Me`, RFC 7644 §3.11). `None` where the app does not tell: most don't.
    ///
    /// # Errors
    /// When there was no answer that would be the same the next time.
    async fn own_account(&self) -> Result<Option<AppId>, CallError>;

    /// What time it is by the app's last answer; `None` where it does not say.
    fn time(&self) -> Option<Timestamp> {
        None
    }

    /// Calls made so far, of both kinds.
    fn stats(&self) -> CallStats;
}

/// Writing to an app. Every method is one request (PUT-merge: a read and a write) and is never repeated in here. What an answer shows is
/// handed on as it is: whether it contradicts the change is judged by `apply` alone.
#[async_trait]
pub trait AppWrite: AppRead {
    /// `POST /Users`.
    async fn create_user(&self, source_id: &SourceId, attributes: &Attributes) -> Result<Created, CallError>;

    /// Changes attributes of a person: `set` gets values, `clear` loses them.
    async fn update_user(&self, id: &AppId, set: &Attributes, clear: &[Path]) -> Result<Shown, CallError>;

    /// Sets `active`.
    async fn set_active(&self, id: &AppId, active: bool) -> Result<Shown, CallError>;

    /// `DELETE /Users/{id}`; gone already counts as done.
    async fn delete_user(&self, id: &AppId) -> Result<(), CallError>;

    /// `POST /Groups`, with its first members; at most [`AppWrite::members_per_call`].
    async fn create_group(
        &self,
        source_id: &SourceId,
        display_name: &str,
        members: &[MemberKeys],
    ) -> Result<Created, CallError>;

    /// Changes a group's `displayName`.
    async fn rename_group(&self, id: &AppId, display_name: &str) -> Result<Shown, CallError>;

    /// Adds members; at most [`AppWrite::members_per_call`].
    async fn add_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError>;

    /// Removes members; at most [`AppWrite::members_per_call`].
    async fn remove_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError>;

    /// `DELETE /Groups/{id}`; gone already counts as done.
    async fn delete_group(&self, id: &AppId) -> Result<(), CallError>;

    /// How many members fit into one call.
    fn members_per_call(&self) -> usize;

    /// A call that met this failure is about to be made again: for whoever counts.
    fn repeats(&self, why: FailureClass) {
        let _uncounted = why;
    }

    /// Lets no further write out, for good: those that wait for their turn fail with [`FailureClass::Closed`], at once. What is on
    /// its way already is finished.
    fn close(&self);
}
