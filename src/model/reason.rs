//! Why something is done, and why something is put on record: codes with a payload. The journal and plans keep the code;
//! `Display` is the sentence that people are shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::coded::{coded, plain};
use super::{AppId, RunId, SourceId};

/// By what a person belongs to the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipCause {
    /// A group in scope holds them.
    MemberOf(String),
    /// The application is assigned to them.
    Direct,
    /// Everybody is in scope.
    Everybody,
}

impl fmt::Display for MembershipCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemberOf(group) => write!(f, "member of {group}"),
            Self::Direct => f.write_str("assigned directly"),
            Self::Everybody => f.write_str("every user is in scope"),
        }
    }
}

/// What is said beside a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remark {
    /// The directory's user name has blanks at an end.
    BlanksAtAnEnd,
    /// The directory's group name has blanks at an end.
    BlanksInGroupName,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlanksAtAnEnd => {
                "warning: the directory's user name has leading or trailing spaces, which are not sent"
            }
            Self::BlanksInGroupName => {
                "warning: the directory's group name has leading or trailing spaces, which are not sent"
            }
        })
    }
}

/// `; roles: admin, billing`, or nothing.
pub(super) struct RolesSuffix<'a>(pub(super) &'a [String]);

impl fmt::Display for RolesSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            roles => write!(f, "; roles: {}", roles.join(", ")),
        }
    }
}

/// Why an operation is planned, or why effects are put on record without a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Reason {
    // Accounts.
    Belongs(MembershipCause),
    BelongsAgain(MembershipCause),
    Adopted {
        because: MembershipCause,
        by: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
    },
    /// A reason with something that has to be said beside it.
    Remarked {
        why: Box<Reason>,
        remark: Remark,
    },
    AdoptedDiffers,
    Relinked {
        because: MembershipCause,
        from: SourceId,
    },
    RelinkedDiffers,
    Record,
    RecordChanged,
    Suspended,
    Unassigned,
    MissingTwice,
    Deleted,
    Manager,
    NoManager,
    // Accounts that were replaced.
    Replaced {
        paths: String,
        app_id: AppId,
    },
    GetsAnotherAccount {
        of: SourceId,
    },
    HasAnotherAccount {
        of: SourceId,
    },
    OldOfSuspended {
        of: SourceId,
    },
    OldOfUnassigned {
        of: SourceId,
    },
    OldIsSuspended {
        of: SourceId,
    },
    OldIsGone {
        of: SourceId,
    },
    // Groups.
    GroupInScope,
    GroupAdopted {
        by: String,
        others: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        released: bool,
    },
    GroupsWereOff,
    GroupsWereOffAndShowNoMembers,
    GroupsWereOffAndChanged {
        joined: u64,
        left: u64,
    },
    GroupsWereOffAndGone,
    GroupRelinked {
        from: SourceId,
    },
    GroupRenamed,
    ThirdName {
        from: String,
        to: String,
    },
    NoThirdNameStays,
    /// The account is deactivated, and another user needs its user name.
    NameNeeded {
        by_directory: bool,
    },
    GroupGone {
        stays: bool,
    },
    GroupLeftScope {
        stays: bool,
    },
    Members,
    NoLongerMembers,
    /// The group's list has a name that leads nowhere and was theirs.
    StillNamed,
    NewAccountsAreMembers,
    // What a person asked for.
    Reverts {
        run: RunId,
    },
    Retired,
    // What is put on record.
    OwnAccount,
    /// Of journals before `Effect::GroupLetGo`: there it alone tells a released group from one that was gone from the app.
    AdoptedOrReleased,
    LinkedOrReleased,
    NotKept,
    WhatTheAppTakes,
    GroupManagement {
        on: bool,
    },
    SetAside,
    NotAnswered,
    NothingLeft,
    SeenOrMissed,
    GroupLost,
    MayHaveLost,
    GoneFromApp,
    MayHaveLeftGroups,
    Memberships,
    Forgotten,
    ChangedByHand,
    ChangedInApp,
    LookedThrough,
    TakenBack,
    CarriedOver,
    ComparedAfterRestore,
    /// What it said named a person who was forgotten.
    #[serde(rename = "[forgotten]")]
    Erased,
    /// A sentence of an earlier version that has no code.
    Text(String),
}

coded!(Reason);

plain!(Reason {
    AdoptedDiffers => "the adopted account differs from the directory",
    RelinkedDiffers => "the account is linked to a new record"
        | "the account goes over to a new record",
    Record => "the directory's record",
    RecordChanged => "changed in the directory"
        | "the directory's record changed",
    Suspended => "suspended in the directory"
        | "the directory suspended this person",
    Unassigned => "not in any group in scope"
        | "no group in scope holds this person",
    MissingTwice => "missing from two complete readings, but not reported as deleted"
        | "missing from two complete readings, and the directory did not say deleted",
    Deleted => "the directory says that this user no longer exists"
        | "the directory says this person is gone",
    Manager => "manager set in the directory"
        | "the manager in the directory",
    NoManager => "no manager in the directory",
    GroupInScope => "group is in scope"
        | "the directory's group is in scope",
    GroupRenamed => "renamed in the directory"
        | "the directory's group was renamed",
    Members => "added in the directory"
        | "members in the directory",
    NoLongerMembers => "removed in the directory"
        | "no longer members in the directory",
    StillNamed => "the directory's group has a name for them that leads to no user",
    NewAccountsAreMembers => "their new accounts are members",
    Retired => "the tenant is retired"
        | "the connection is retired",
    OwnAccount => "owner of the token"
        | "whose token this is",
    AdoptedOrReleased => "adopted or released",
    LinkedOrReleased => "linked, compared or released",
    NotKept => "the app does not show an account that it answered as created",
    WhatTheAppTakes => "what the app accepts"
        | "what the app takes",
    GroupsWereOff => "group management was off, and is on again",
    GroupsWereOffAndGone => "the group is gone from the app: the next run looks for it, or creates it again",
    GroupsWereOffAndShowNoMembers => "group management was off, and is on again; the app shows no members, so that all of them are \
        added again"
        | "group management was off, and is on again; the app shows no members, so that all of them are put in again",
    NoThirdNameStays => "the change to the new name went wrong: no temporary name may stay"
        | "the change to the new name went wrong: no third name shall stay",
    SetAside => "failed: tried again later"
        | "set aside",
    NotAnswered => "no response: the next run looks up the outcome"
        | "not answered: the next run looks what became of it",
    NothingLeft => "nothing is left to do",
    SeenOrMissed => "missing from a complete reading, or there again",
    GroupLost => "lost a group that was deleted",
    MayHaveLost => "may have lost access: the call was not answered",
    GoneFromApp => "gone from the app",
    MayHaveLeftGroups => "the app may have taken them out of groups while they were deactivated",
    Memberships => "memberships",
    Forgotten => "a user's data was erased"
        | "somebody was forgotten",
    ChangedByHand => "seen in the app: changed there by hand",
    ChangedInApp => "changed in the app by hand since it was last sent",
    LookedThrough => "every user in scope was looked up in the app"
        | "everybody in scope was looked up in the app",
    TakenBack => "reverted: not applied again before the directory's record changes"
        | "taken back: not done again before the directory's record changes",
    CarriedOver => "copied from the replaced state: users who recently lost access"
        | "taken over from the state that was replaced: who lost access lately",
    ComparedAfterRestore => "the state is older than the app: this is what the app shows now",
    Erased => "[forgotten]",
});

impl Reason {
    /// The reason itself, where something is only said beside it.
    fn inner(&self) -> Option<&Self> {
        match self {
            Self::Remarked { why, .. } => Some(why),
            _ => None,
        }
    }

    /// Reads a sentence of an earlier version into its code, once. `undo` needs the runs; the rest is only shown.
    fn of_prose(text: &str) -> Self {
        let rest = |head: &str| text.strip_prefix(head).map(str::to_owned);
        if let Some(plain) = Self::of_plain(text) {
            return plain;
        }
        if let Some(run) = rest(EARLIER_REVERT) {
            return Self::Reverts { run: RunId::new(run) };
        }
        if let Some((_, reason)) = EARLIER_SENTENCES.iter().find(|(sentence, _)| *sentence == text) {
            return reason.clone();
        }
        let is_more = |group: &String| EARLIER_ADDITIONS.iter().any(|more| group.contains(more));
        match rest(EARLIER_MEMBER).filter(|group| !is_more(group)) {
            Some(group) => Self::Belongs(MembershipCause::MemberOf(group)),
            None => Self::Text(text.to_owned()),
        }
    }
}

// How version 0.1.0 began and went on in its sentences.
const EARLIER_REVERT: &str = "takes back run ";
const EARLIER_MEMBER: &str = "member of ";
const EARLIER_ADDITIONS: [&str; 2] = ["; the a", " (again)"];

/// Whole sentences of version 0.1.0 whose codes have a payload.
const EARLIER_SENTENCES: [(&str, Reason); 6] = [
    ("assigned directly", Reason::Belongs(MembershipCause::Direct)),
    ("every person is in scope", Reason::Belongs(MembershipCause::Everybody)),
    ("the directory says this group is gone", Reason::GroupGone { stays: false }),
    ("the directory says this group is gone; it stays in the app as it is", Reason::GroupGone { stays: true }),
    ("the group left the scope", Reason::GroupLeftScope { stays: false }),
    ("the group left the scope; it stays in the app as it is", Reason::GroupLeftScope { stays: true }),
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays = |stays: bool| if stays { "; it stays in the app as it is" } else { "" };
        match self {
            Self::Belongs(because) => write!(f, "{because}"),
            Self::BelongsAgain(because) => write!(f, "{because} (again)"),
            Self::Adopted { because, by, roles } => {
                write!(f, "{because}; the app has this account already, matched by {by}{}", RolesSuffix(roles))
            }
            Self::Remarked { why, remark } => write!(f, "{why}; {remark}"),
            Self::Relinked { because, from } => {
                write!(f, "{because}; the account belonged to the record {from}, which is gone")
            }
            Self::NameNeeded { by_directory: true } => f.write_str(
                "another user gets the old name of this deactivated account, and the directory has a new one for it",
            ),
            Self::NameNeeded { by_directory: false } => {
                f.write_str("another user gets the name of this deactivated account, whose user is gone")
            }
            Self::Replaced { paths, app_id } => {
                write!(f, "the app can't change {paths}: a new account is created, then {app_id} is deactivated")
            }
            Self::GetsAnotherAccount { of } => write!(f, "{of} gets another account"),
            Self::HasAnotherAccount { of } => write!(f, "{of} has another account"),
            Self::OldOfSuspended { of } => write!(f, "{of} is suspended, and this is their old account"),
            Self::OldOfUnassigned { of } => {
                write!(f, "{of} is not in any group in scope, and this is their old account")
            }
            Self::OldIsSuspended { of } => write!(f, "{of} is suspended in the directory"),
            Self::OldIsGone { of } => write!(f, "the directory says that {of} no longer exists"),
            Self::GroupAdopted { by, others, released } => {
                write!(f, "the app has this group already, matched by {by}")?;
                if *released {
                    f.write_str("; it was released earlier")?;
                }
                match others {
                    0 => Ok(()),
                    others => write!(f, "; {others} managed members of it are not in the directory's group"),
                }
            }
            Self::GroupsWereOffAndChanged { joined, left } => write!(
                f,
                "group management was off, and is on again; in the app {joined} managed users were added to it by hand, and {left} removed"
            ),
            Self::ThirdName { from, to } => write!(
                f,
                "{from} goes to another object and {to} comes from another one: renamed through a temporary name"
            ),
            Self::GroupManagement { on: true } => f.write_str("group management is on again"),
            Self::GroupManagement { on: false } => f.write_str("group management is off"),
            Self::GroupRelinked { from } => {
                write!(f, "the app's group belonged to the record {from}, which is gone")
            }
            Self::GroupGone { stays: is } => {
                write!(f, "the directory says that this group no longer exists{}", stays(*is))
            }
            Self::GroupLeftScope { stays: is } => write!(f, "the group is no longer in scope{}", stays(*is)),
            Self::Reverts { run } => write!(f, "reverts run {run}"),
            Self::Text(text) => f.write_str(text),
            plain => f.write_str(plain.plain().unwrap_or_default()),
        }
    }
}

/// Words without a code.
impl From<&str> for Reason {
    fn from(words: &str) -> Self {
        Self::Text(words.to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
