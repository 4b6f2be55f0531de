//! What stands in the way of an operation: codes with a payload, as [`super::Reason`] is for why it is planned.

mod elsewhere;
mod sentences;

pub use elsewhere::{Elsewhere, ObjectOwner};

use std::fmt;

use serde::{Deserialize, Serialize};

use super::coded::{coded, plain};
use super::conflict::{Conflict, Unlinked};
use super::{AppId, ObjectRef, Op, SourceId, TenantName};

/// Why something can't be done, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Obstacle {
    // Found while planning.
    AccountOfAnother {
        account: AppId,
        by: String,
        of: SourceId,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
    },
    NameTaken {
        name: String,
        by: SourceId,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by_name: String,
    },
    Contradicts {
        account: AppId,
        by: String,
        attribute: String,
        theirs: String,
        ours: String,
    },
    LinkedElsewhere(Elsewhere),
    /// A group that only its `externalId` says is the directory's.
    GroupContradicts {
        group: AppId,
        theirs: String,
        ours: String,
    },
    /// The look-up found no object that may be used.
    Conflicting(Box<Conflict>),
    Immutable {
        paths: String,
        why: Box<Immutable>,
    },
    ManagerImmutable,
    GroupsAreMadeInApp,
    GroupOfAnother {
        group: AppId,
        of: SourceId,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
    },
    GroupUnreadable {
        why: String,
    },
    SeveralOfReleasedName {
        conflict: Box<Conflict>,
        group: AppId,
    },
    NameOfAnother {
        holder: String,
    },
    GroupNotAdopted {
        name: String,
    },
    /// Two users of the directory have one value by which users are told apart.
    ValueTaken {
        attribute: String,
        value: String,
        by: SourceId,
        by_name: String,
    },
    GroupNotRenamed,
    ProtectedMember {
        name: String,
    },
    GroupContested,
    /// The record can't be mapped; the mapping says why.
    Unmapped {
        why: String,
    },
    // Found before a call.
    Stopped,
    ThereAgain,
    NotLinked,
    NoReplacement,
    Unresolved,
    OldAccountLinked,
    NoAccountYet {
        kind: String,
    },
    ManagerWithoutAccount,
    Protected {
        name: String,
    },
    OwnAccount {
        name: String,
    },
    MoreThanCleared,
    HasLeft,
    NameNotFree {
        holder: String,
    },
    MembersHaveLeft,
    NoMemberHasAccount {
        first: String,
        more: u64,
    },
    TooManyFailed {
        objects: u64,
        op: Op,
    },
    TakenMeanwhile {
        account: AppId,
        tenant: TenantName,
        user: SourceId,
    },
    GroupTakenMeanwhile {
        group: AppId,
        tenant: TenantName,
        of: SourceId,
    },
    GroupNotInApp,
    NotFinished,
    WithoutAccount {
        first: String,
        more: u64,
    },
    // Found after a call; the answer is in the app's words.
    NowGone {
        answer: String,
    },
    /// The app has the object under another id, which is linked from now on.
    HasAnotherId {
        answer: String,
        account: AppId,
    },
    /// A removal that was answered with 404 while the app shows a matching object that rosterd did not link.
    NotUnderItsId {
        object: ObjectRef,
        name: String,
        app_id: AppId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AppId>,
        unlinked: Box<Unlinked>,
    },
    ThereAlready {
        answer: String,
        account: AppId,
    },
    /// An account that rosterd did not create and may not take yet.
    WaitsForApproval {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        answer: String,
        account: AppId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
    },
    WasThereWaits {
        evidence: String,
        account: AppId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
    },
    WasThere {
        evidence: String,
        account: AppId,
        /// Whether it is no new one beyond doubt.
        #[serde(default = "yes")]
        is_certain: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
    },
    /// The change to a new name went wrong; what became of the third name.
    AfterThirdName {
        why: Box<Obstacle>,
        end: NameEnd,
    },
    AnsweredWithAnother {
        object: ObjectRef,
        name: String,
        whose: ObjectOwner,
    },
    /// Of an update, the app refused these attributes and took the others.
    RefusedAttributes {
        answer: String,
        attributes: Vec<String>,
    },
    /// The app refused these attributes for every user for whom they were sent.
    RefusedForAll {
        attributes: Vec<String>,
    },
    /// The app accepted the change, and shows that it did not carry it out.
    NotCarriedOut {
        shows: Vec<StillShown>,
    },
    /// A create that was not sent, after the app answered another one with an object that was there before.
    NoFurtherCreates {
        object: ObjectRef,
        name: String,
        whose: ObjectOwner,
    },
    /// The app refused a new group with, and perhaps without, members.
    GroupRefused {
        answer: String,
        why: GroupRefusal,
    },
    /// The app refused a change of these members.
    MembersRefused {
        answer: String,
        names: Vec<String>,
    },
    /// A change of members found the group deleted in the app.
    GroupNowGone {
        answer: String,
    },
    /// The first of several calls that failed for one object.
    AndMore {
        first: Box<Obstacle>,
        more: u64,
    },
    /// What it said named a person who was forgotten.
    #[serde(rename = "[forgotten]")]
    Erased,
    /// The app's or the mapping's own words, or a sentence of an earlier version.
    Text(String),
}

/// What an app shows although it accepted a change that should have ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StillShown {
    /// An attribute with the value from before.
    Value {
        /// The attribute.
        path: String,
        /// The value.
        value: String,
    },
    /// The account as active, or as inactive.
    Active(bool),
    /// A deleted account.
    Account {
        /// Whether it can be used.
        active: bool,
    },
    /// A deleted group.
    Group,
    /// No account where one was created.
    NoAccount,
    /// Nothing: it could not be read whether the change was carried out.
    Unread,
    /// A user who was removed from the group.
    Member {
        /// The user name.
        name: String,
    },
    /// A group without a user who was added.
    NoMember {
        /// The user name.
        name: String,
    },
}

impl fmt::Display for StillShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { path, value } => write!(f, "still shows {path} = {value}"),
            Self::Active(true) => f.write_str("still shows the account as active"),
            Self::Active(false) => f.write_str("still shows the account as inactive"),
            Self::Account { active: true } => f.write_str("still shows the account, and shows it as active"),
            Self::Account { active: false } => f.write_str(
                "still shows the account, as inactive; if this app only deactivates on DELETE, set users.delete_effect = \"deactivates\" in \
                 its profile",
            ),
            Self::Group => f.write_str("still shows the group"),
            Self::NoAccount => f.write_str(
                "does not show the account, neither in its list nor by its id; the next run looks for it, and creates it again if it is \
                 not there",
            ),
            Self::Unread => f.write_str("could not be asked whether it did so; the next run finds out"),
            Self::Member { name } => write!(f, "still shows {name} as a member"),
            Self::NoMember { name } => write!(f, "does not show {name} as a member"),
        }
    }
}

/// How the app was asked for a new group that it refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRefusal {
    /// With members first, and then without.
    WithoutMembersToo {
        /// The answer to the create without members.
        said: String,
    },
    /// With each of its members alone.
    EachMember,
    /// With some of its members.
    WithMembers,
    /// Without members, since it has none.
    Empty,
    /// Without the members that it has.
    WithoutMembers,
}

impl fmt::Display for GroupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutMembersToo { said } => write!(f, "the group was refused without members, too ({said})"),
            Self::EachMember => f.write_str("the group was not created, since the app refuses each of its members"),
            Self::WithMembers => f.write_str("the group was not created"),
            Self::Empty => f.write_str(
                "if the app refuses groups without members, set `create_empty = false` under [groups]: the group is then created with \
                 its first member",
            ),
            Self::WithoutMembers => f.write_str(
                "the group was sent without members: if the app refuses that, set `groups.members_on_create = true` in its profile",
            ),
        }
    }
}

/// The most things that a sentence names of what an app still shows.
const NAMED: usize = 3;

/// `the app still shows ann as a member; and 2 more`
fn list_of_shown(shows: &[StillShown], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let named: Vec<String> = shows.iter().take(NAMED).map(ToString::to_string).collect();
    write!(f, "accepted, but the app {}", named.join(", and "))?;
    match shows.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

/// What became of an object that went by a third name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameEnd {
    /// It has the new name.
    New,
    /// It has the old name.
    Old,
    /// It keeps the third one.
    Third,
}

impl fmt::Display for NameEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "the name alone was given",
            Self::Old => "it has its old name again",
            Self::Third => "it has the temporary name until the next run",
        })
    }
}

/// `ann (5f2b…)`, or the id alone.
struct WithId<'a>(&'a str, &'a SourceId);

impl fmt::Display for WithId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() || self.0 == self.1.as_str() {
            true => write!(f, "{}", self.1),
            false => write!(f, "{} ({})", self.0, self.1),
        }
    }
}

/// Why a change of an immutable attribute is not answered with a new account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Immutable {
    SecondAccount,
    SameUserName,
    FixedExternalId,
    Taken {
        by: String,
        account: AppId,
    },
    NotAsked,
    Conflicting(Box<Conflict>),
    /// The app's own words.
    Text(String),
}

fn yes() -> bool {
    true
}

coded!(Obstacle);

plain!(Obstacle {
    ManagerImmutable => "this app can't change a manager",
    GroupsAreMadeInApp => "this app's groups have to be made in the app first",
    GroupNotRenamed => "this app's groups can't be renamed",
    GroupContested => "the directory has a new group of this name: the same one created again, or another"
        | "the directory has a new group of this name: the same one made anew, or another",
    Stopped => "not tried: the run was stopped",
    ThereAgain => "not done: the directory shows it again; the next run checks again"
        | "not done: the directory shows it again; the next run looks anew",
    NotLinked => "not done: it is not linked to an account",
    NoReplacement => "not done: the account that is to replace it is not there",
    Unresolved => "not done: an earlier call for it was never answered, and the app could not yet be asked for the outcome"
        | "not done: an earlier call for it was never answered, and the app could not yet be asked what became of it",
    OldAccountLinked => "not tried: the old account is still linked",
    ManagerWithoutAccount => "not tried: the manager has no account in the app yet",
    MoreThanCleared => "not done: more would lose access than the guard allowed"
        | "not done: more would lose access than the guard let pass",
    GroupNotInApp => "not tried: the group is not in the app",
    NotFinished => "not finished: the run was stopped",
    MembersHaveLeft => "not created: by a newer reading of the directory its members no longer belong"
        | "not created: its members belong no more by a newer reading of the directory",
    HasLeft => "not done: by a newer reading of the directory this user no longer belongs"
        | "not done: by a newer reading of the directory this user belongs no more",
    Erased => "[forgotten]",
});

impl Obstacle {
    /// The obstacle itself, where something is only said beside it.
    fn inner(&self) -> Option<&Self> {
        match self {
            Self::AfterThirdName { why, .. } | Self::AndMore { first: why, .. } => Some(why),
            _ => None,
        }
    }

    /// Reads a sentence of an earlier version, or the app's words.
    pub fn of_prose(text: &str) -> Self {
        Self::of_plain(text).unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

/// Words without a code.
impl From<&str> for Obstacle {
    fn from(words: &str) -> Self {
        Self::Text(words.to_owned())
    }
}

/// Words without a code.
impl From<String> for Obstacle {
    fn from(words: String) -> Self {
        Self::Text(words)
    }
}
