//! What the journal knows after a record: links, values, memberships and counts. Plain data; [`fold`](super::fold) adds it up.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{AppId, Attributes, ObjectRef, Obstacle, Path, Provenance, RunId, SourceId};

/// What is known from now on. The cache is the fold of these, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A person is linked to an account.
    UserLinked {
        /// The directory's id.
        id: SourceId,
        /// The app's id.
        app_id: AppId,
        /// Created or adopted.
        provenance: Provenance,
    },
    /// Values were sent to (or seen in) the account: `set` over what was known, without `clear`.
    UserSent {
        /// The directory's id.
        id: SourceId,
        /// Values it was given.
        set: Attributes,
        /// Attributes taken away.
        clear: Vec<Path>,
        /// `active`, if that was sent or seen.
        active: Option<bool>,
        /// What the app answered where it differs from what was sent (lower-cased, trimmed, dropped). Replaces what was known
        /// of the paths in `set` and `clear`.
        echo: Attributes,
    },
    /// The directory's values at which `on_source_change` attributes were last pushed: `seen` over what was known, without
    /// `gone`.
    UserSource {
        /// The directory's id.
        id: SourceId,
        /// Path and value.
        seen: Attributes,
        /// Attributes that were without a value then.
        #[serde(default)]
        gone: Vec<Path>,
    },
    /// The directory made a person anew: the link, with all that is known of the account, goes over to the new id.
    UserRelinked {
        /// The id that is gone.
        from: SourceId,
        /// The id that takes its place.
        to: SourceId,
    },
    /// A person gets another account: the old one, with all that is known of it, is kept under an id of its own until it is
    /// switched off.
    UserReplaced {
        /// The person.
        from: SourceId,
        /// The id under which the old account is kept.
        to: SourceId,
    },
    /// The account is gone or no longer ours.
    UserUnlinked {
        /// The directory's id.
        id: SourceId,
    },
    /// A group is linked.
    GroupLinked {
        /// The directory's id.
        id: SourceId,
        /// The app's id.
        app_id: AppId,
        /// Created or adopted.
        provenance: Provenance,
        /// Its name in the app.
        name: String,
    },
    /// A group got another name.
    GroupRenamed {
        /// The directory's id.
        id: SourceId,
        /// The name.
        name: String,
    },
    /// The app shows a group's name in its own way of writing.
    GroupNameShown {
        /// The directory's id.
        id: SourceId,
        /// The name as the app shows it.
        shown: String,
    },
    /// A group is deleted, or released and left as it is.
    GroupUnlinked {
        /// The directory's id.
        id: SourceId,
    },
    /// A group was released: it stays in the app as it is, and a group of the directory with its name may take it over.
    GroupLetGo {
        /// The directory's id.
        id: SourceId,
        /// The app's id.
        app_id: AppId,
        /// Its name in the app.
        name: String,
    },
    /// Group management was found on or off.
    GroupsManaged {
        /// Which of both.
        on: bool,
    },
    /// While group management is off, changes made in these groups in the app go unseen: each is compared with the app when it is
    /// managed again.
    GroupsUnwatched {
        /// The directory's ids.
        groups: Vec<SourceId>,
    },
    /// A group's name and members are known as the app showed them.
    GroupCompared {
        /// The directory's id.
        id: SourceId,
    },
    /// People are members in the app by our doing, or were found there.
    MembersAdded {
        /// The group's directory id.
        group: SourceId,
        /// Directory ids of people.
        users: Vec<SourceId>,
    },
    /// People are no longer members.
    MembersRemoved {
        /// The group's directory id.
        group: SourceId,
        /// Directory ids of people.
        users: Vec<SourceId>,
    },
    /// Nobody knows whether people are members: the call was not answered, and the app does not show members.
    MembersDoubted {
        /// The group's directory id.
        group: SourceId,
        /// Directory ids of people.
        users: Vec<SourceId>,
    },
    /// These members were added while their accounts were inactive: that the app shows them says nothing of members who were deactivated later.
    JoinedInactive {
        /// The group's directory id.
        group: SourceId,
        /// Directory ids of people.
        users: Vec<SourceId>,
    },
    /// Of a group, so many members were taken: counts against its own rolling limit.
    GroupReduced {
        /// The group's directory id.
        group: SourceId,
        /// How many.
        members: u64,
        /// When.
        at: Timestamp,
    },
    /// An object could not be brought in step.
    Failed {
        /// Whose.
        object: ObjectRef,
        /// Why, and when next.
        note: FailureNote,
    },
    /// It is in step again.
    Settled {
        /// Whose.
        object: ObjectRef,
    },
    /// Absent from a complete snapshot for the first time (or, with `None`, there again).
    Missed {
        /// Whose.
        object: ObjectRef,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// The app told, or did not tell, to whom the token belongs.
    OwnAccount {
        /// The account.
        app_id: Option<AppId>,
    },
    /// The app was seen to take fewer members in one call than it was given, or none with a new group. Replaces what was known of it.
    AppTakes(AppTakes),
    /// Access ended: counts against the rolling budget.
    AccessLost {
        /// Whose.
        user: SourceId,
        /// When.
        at: Timestamp,
    },
    /// The account stays, but its last group, a deleted group or a role went: counts against the rolling budget as well.
    AccessReduced {
        /// Whose.
        users: Vec<SourceId>,
        /// When.
        at: Timestamp,
    },
    /// A run is taken back: what it did to these is not done again until the directory's record changes, or it is approved.
    TakenBack {
        /// The run.
        run: RunId,
        /// What it had changed.
        what: Vec<UndoneEffect>,
    },
    /// The directory still says what was taken back; this is the fingerprint of what it says.
    TakenBackSeen {
        /// Of what.
        what: UndoneEffect,
        /// The fingerprint.
        record: u64,
    },
    /// Nothing is to be done for these any more, or their record changed: they are no longer held.
    TakenBackOver {
        /// What.
        what: Vec<UndoneEffect>,
        /// How many others are left.
        left: u64,
    },
    /// Accounts were activated again: taken over from a state that another one replaced.
    AccessRegained {
        /// Whose.
        users: Vec<SourceId>,
        /// When.
        at: Timestamp,
    },
}

/// Why an object is set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenNote", into = "WrittenNote")]
pub struct FailureNote {
    /// What stands in the way.
    pub reason: Obstacle,
    /// How often in a row.
    pub attempts: u32,
    /// When the daemon tries again. A command tries at once.
    pub next_try: Timestamp,
    /// The app's account that stands in the way, where a refused create showed one that no look-up had found.
    pub found: Option<AppId>,
    /// The user name or group name, for people; `None` in records of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl FailureNote {
    /// What people read of the object: its name, with the directory's id beside it; the id alone where no name is known.
    pub fn called(&self, object: &ObjectRef) -> String {
        match &self.name {
            Some(name) if name != object.id().as_str() => format!("{name} ({})", object.id()),
            _ => object.id().to_string(),
        }
    }
}

/// A note as it is written: the sentence for people, and the code where there is one. Earlier versions wrote the sentence only.
#[derive(Serialize, Deserialize)]
struct WrittenNote {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    attempts: u32,
    next_try: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<AppId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl From<WrittenNote> for FailureNote {
    fn from(WrittenNote { reason, code, attempts, next_try, found, name }: WrittenNote) -> Self {
        let known = code.and_then(|code| Obstacle::known(&code));
        Self { reason: known.unwrap_or_else(|| Obstacle::of_prose(&reason)), attempts, next_try, found, name }
    }
}

impl From<FailureNote> for WrittenNote {
    fn from(FailureNote { reason, attempts, next_try, found, name }: FailureNote) -> Self {
        let code = (!matches!(reason, Obstacle::Text(_))).then(|| reason.encoded());
        Self { reason: reason.to_string(), code, attempts, next_try, found, name }
    }
}

/// What the app was seen to take in calls about members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTakes {
    /// The most members that it took in one call after it had refused more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_per_call: Option<u32>,
    /// `false` where it refuses or ignores the members of a new group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_on_create: Option<bool>,
    /// How many members the profile allowed in one call then. Under another setting this is not believed.
    pub allowed: u32,
    /// When that was seen.
    pub at: Timestamp,
}

/// So long an observation is believed; then the app is asked for the whole once more.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

impl AppTakes {
    /// This, if it is still believed under a setting of so many members in one call.
    pub fn believed(self, allowed: u32, now: Timestamp) -> Option<Self> {
        (self.allowed == allowed && now.duration_since(self.at) < BELIEVED_FOR).then_some(self)
    }
}

/// One thing that an undo put back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoneEffect {
    /// An account, or a group's name or link.
    Object(ObjectRef),
    /// A membership.
    Member {
        /// The group's directory id.
        group: SourceId,
        /// The user's directory id.
        user: SourceId,
    },
}

impl UndoneEffect {
    /// The directory ids that it names.
    pub fn ids(&self) -> Vec<&SourceId> {
        match self {
            Self::Object(object) => vec![object.id()],
            Self::Member { group, user } => vec![group, user],
        }
    }
}

impl Effect {
    /// Whether a link or a membership is another one by this. Failures and observations change nothing.
    pub fn is_a_change(&self) -> bool {
        match self {
            Self::UserLinked { .. }
            | Self::UserSent { .. }
            | Self::UserRelinked { .. }
            | Self::UserReplaced { .. }
            | Self::UserUnlinked { .. }
            | Self::GroupLinked { .. }
            | Self::GroupRenamed { .. }
            | Self::GroupUnlinked { .. }
            | Self::GroupLetGo { .. }
            | Self::MembersAdded { .. }
            | Self::MembersRemoved { .. } => true,
            Self::UserSource { .. }
            | Self::GroupsManaged { .. }
            | Self::GroupsUnwatched { .. }
            | Self::GroupCompared { .. }
            | Self::GroupNameShown { .. }
            | Self::MembersDoubted { .. }
            | Self::JoinedInactive { .. }
            | Self::GroupReduced { .. }
            | Self::Failed { .. }
            | Self::Settled { .. }
            | Self::Missed { .. }
            | Self::OwnAccount { .. }
            | Self::AppTakes(_)
            | Self::AccessLost { .. }
            | Self::AccessReduced { .. }
            | Self::AccessRegained { .. }
            | Self::TakenBack { .. }
            | Self::TakenBackSeen { .. }
            | Self::TakenBackOver { .. } => false,
        }
    }
}
