//! What the journal knows after a record: links, values, memberships and counts. Plain data; [`fold`](super::fold) adds it up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::baseline::AppTakes;
use super::record::FailureNote;
use crate::model::{AppId, Attributes, ObjectRef, Path, Provenance, RunId, SourceId};

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
