//! What stands in the way of an operation: codes with a payload, as [`super::Reason`] is for why it is planned.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::coded::{coded, plain};
use super::reason::WithRoles;
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
        detail: String,
        group: AppId,
    },
    NameOfAnother {
        holder: String,
    },
    GroupNotAdopted {
        name: String,
    },
    GroupNotRenamed,
    ProtectedMember {
        name: String,
    },
    GroupContested,
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
        whose: Whose,
    },
    /// What it said named a person who was forgotten.
    #[serde(rename = "[forgotten]")]
    Erased,
    /// The app's or the mapping's own words, or a sentence of an earlier version.
    Text(String),
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
            Self::Third => "it goes by the third name until the next run",
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

/// Which other tenant of this machine has, or may have, an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// It is linked by that tenant.
    Linked {
        /// The account.
        account: AppId,
        /// The tenant.
        tenant: TenantName,
        /// Its user.
        user: SourceId,
    },
    /// The other tenants' links could not be read.
    Unread {
        /// The account.
        account: AppId,
        /// What went wrong.
        error: String,
    },
    /// The group is linked by that tenant.
    GroupLinked {
        /// The app's group.
        group: AppId,
        /// The tenant.
        tenant: TenantName,
        /// Its group.
        of: SourceId,
    },
    /// The other tenants' links of groups could not be read.
    GroupUnread {
        /// The app's group.
        group: AppId,
        /// What went wrong.
        error: String,
    },
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked { account, tenant, user } => write!(
                f,
                "the account {account} in the app is linked by the tenant {tenant}, which is connected to the same base_url, to its \
                 user {user}. It was not touched, and no account was created; correct the scope of one of the two tenants"
            ),
            Self::GroupLinked { group, tenant, of } => write!(
                f,
                "the group {group} in the app is linked by the tenant {tenant}, which is connected to the same base_url, to its group \
                 {of}. It was not touched, and no group was created; correct the scope of one of the two tenants"
            ),
            Self::GroupUnread { group, error } => write!(
                f,
                "whether the group {group} in the app is another tenant's can't be known: the state of a tenant with the same base_url \
                 can't be read ({error})"
            ),
            Self::Unread { account, error } => write!(
                f,
                "whether the account {account} is another tenant's can't be known: the state of a tenant with the same base_url can't \
                 be read ({error})"
            ),
        }
    }
}

/// Whose object an app put into its answer to a create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Another record of the same directory.
    Record {
        /// The record.
        record: ObjectRef,
        /// Its name, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A user of another tenant of this machine.
    Tenant {
        /// The tenant.
        tenant: TenantName,
        /// Its user.
        user: SourceId,
    },
    /// A group of another tenant of this machine.
    TenantGroup {
        /// The tenant.
        tenant: TenantName,
        /// Its group.
        group: SourceId,
    },
    /// Another object, by what the answer says.
    Unknown {
        /// What shows it.
        evidence: String,
    },
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { record, name: None } => {
                write!(f, "is linked to the directory's {} {}", record.kind(), record.id())
            }
            Self::Record { record, name: Some(name) } => {
                write!(f, "is linked to the directory's {} {} ({name})", record.kind(), record.id())
            }
            Self::Tenant { tenant, user } => write!(f, "is linked by the tenant {tenant} to its user {user}"),
            Self::TenantGroup { tenant, group } => write!(f, "is linked by the tenant {tenant} to its group {group}"),
            Self::Unknown { evidence } => write!(f, "is another object: {evidence}"),
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
    /// The app's own words.
    Text(String),
}

coded!(Obstacle);

plain!(Obstacle {
    ManagerImmutable => "this app can't change a manager",
    GroupsAreMadeInApp => "this app's groups have to be made in the app first",
    GroupNotRenamed => "this app's groups can't be renamed",
    GroupContested => "the directory has a new group of this name: the same one made anew, or another",
    Stopped => "not tried: the run was stopped",
    ThereAgain => "not done: the directory shows it again; the next run looks anew",
    NotLinked => "not done: it is not linked to an account",
    NoReplacement => "not done: the account that is to replace it is not there",
    Unresolved => "not done: an earlier call for it was never answered, and the app could not yet be asked what became of it",
    OldAccountLinked => "not tried: the old account is still linked",
    ManagerWithoutAccount => "not tried: the manager has no account in the app yet",
    MoreThanCleared => "not done: more would lose access than the guard let pass",
    GroupNotInApp => "not tried: the group is not in the app",
    NotFinished => "not finished: the run was stopped",
    MembersHaveLeft => "not created: its members belong no more by a newer reading of the directory",
    HasLeft => "not done: by a newer reading of the directory this user belongs no more",
    Erased => "[forgotten]",
});

impl Obstacle {
    /// The obstacle itself, where something is only said beside it.
    fn inner(&self) -> Option<&Self> {
        match self {
            Self::AfterThirdName { why, .. } => Some(why),
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

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountOfAnother { account, by, of, name } => {
                let of = WithId(name, of);
                write!(f, "the account {account} that matches by {by} belongs to the directory's {of}")
            }
            Self::Contradicts { account, by, attribute, theirs, ours } => write!(
                f,
                "the account {account} in the app matches by {by}, but its {attribute} is {theirs:?}, not {ours:?}: it may be another \
                 user's. It was not touched, and no account was created. If it is theirs, correct the {attribute} on one side; if \
                 not, remove the {by} from the account in the app"
            ),
            Self::LinkedElsewhere(elsewhere) => write!(f, "{elsewhere}"),
            Self::GroupContradicts { group, theirs, ours } => write!(
                f,
                "the group {group} in the app has this group's externalId, but its name is {theirs:?}, not {ours:?}: another tool may \
                 have written the id. It was not touched, and no group was created. If it is the same group, give it the same name on \
                 both sides; if not, remove the externalId from the group in the app"
            ),
            Self::TooManyFailed { objects, op } => write!(
                f,
                "not tried: the app failed for {objects} objects in a row at {}; it is left for the next run",
                op.name()
            ),
            Self::TakenMeanwhile { account, tenant, user } => write!(
                f,
                "conflict: the account {account} in the app has been linked by the tenant {tenant} to its user {user} meanwhile; it \
                 was not touched. Correct the scope of one of the two tenants"
            ),
            Self::GroupTakenMeanwhile { group, tenant, of } => write!(
                f,
                "conflict: the group {group} in the app has been linked by the tenant {tenant} to its group {of} meanwhile; it was not \
                 touched. Correct the scope of one of the two tenants"
            ),
            Self::WaitsForApproval { answer, account, roles } => write!(
                f,
                "{answer}{}the app has this account already ({account}{}), and rosterd did not create it: nothing was linked, and \
                 the next run asks for approval",
                if answer.is_empty() { "" } else { "; " },
                WithRoles(roles)
            ),
            Self::WasThereWaits { evidence, account, roles } => write!(
                f,
                "the app answered with an account that was there before ({evidence}); the app has this account already ({account}{}), \
                 and rosterd did not create it: nothing was linked, and the next run asks for approval",
                WithRoles(roles)
            ),
            Self::WasThere { evidence, account, roles } => write!(
                f,
                "the app answered with an account that was there before ({account}{}; {evidence}): it is linked as adopted, and the \
                 next run brings its values in line",
                WithRoles(roles)
            ),
            Self::AnsweredWithAnother { object, name, whose } => write!(
                f,
                "conflict: the app answered the create of {object} ({name}) with an object that {whose}. It was not linked to {object}, \
                 and no further {kind}s are created in this run. Ask the app's vendor why it answers a create with an existing object",
                kind = object.kind()
            ),
            Self::NameTaken { name, by, by_name } => {
                let by = ObjectRef::User(by.clone()).called(by_name);
                write!(f, "the directory gives the user name {name} to {by} too")
            }
            Self::Immutable { paths, why } => write!(f, "this app can't change {paths}: {why}"),
            Self::GroupOfAnother { group, of, name } => {
                let of = ObjectRef::Group(of.clone()).called(name);
                write!(f, "the app's group {group} is linked to the directory's {of}")
            }
            Self::GroupUnreadable { why } => write!(f, "the app's group could not be read: {why}"),
            Self::SeveralOfReleasedName { detail, group } => write!(
                f,
                "{detail}; rosterd released the group {group} of this name earlier. It was not taken over: rename or delete the other one \
                 in the app"
            ),
            Self::NameOfAnother { holder } => write!(
                f,
                "the name is that of {holder}, whose change belongs to it: leave out --only, so that both are made"
            ),
            Self::NameNotFree { holder } => {
                write!(f, "not tried: the name is that of {holder} still, whose change was not made")
            }
            Self::NoMemberHasAccount { first, more } => {
                let who = match more {
                    0 => format!("its only member {first} has no account in the app yet"),
                    more => format!("its members ({first} and {more} more) have no accounts in the app yet"),
                };
                write!(f, "not created: {who}, and an empty group is not created (groups.create_empty)")
            }
            Self::AfterThirdName { why, end } => write!(f, "{why}; {end}"),
            Self::GroupNotAdopted { name } => {
                write!(f, "the app has a group named {name:?} and groups.adopt is \"never\"")
            }
            Self::ProtectedMember { name } => write!(f, "{name} is a member, and protected"),
            Self::NoAccountYet { kind } => write!(f, "not tried: the {kind} has no account in the app yet"),
            Self::Protected { name } => write!(f, "not done: {name} is protected"),
            Self::OwnAccount { name } => write!(f, "not done: the token belongs to the account of {name}"),
            Self::WithoutAccount { first, more: 0 } => write!(f, "{first} has no account in the app yet"),
            Self::WithoutAccount { first, more } => write!(f, "{first} and {more} more have no account in the app yet"),
            Self::NowGone { answer } => write!(f, "{answer}; it is gone from the app, the next run looks for it again"),
            Self::ThereAlready { answer, account } => {
                write!(f, "{answer}; the app has this account already ({account}), the next run brings it in line")
            }
            Self::Text(text) => f.write_str(text),
            plain => f.write_str(plain.plain().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Immutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondAccount => f.write_str("trying would make a second account"),
            Self::SameUserName => f.write_str("a new account would need another user name, and that stays the same"),
            Self::FixedExternalId => {
                f.write_str("externalId can't be changed either, and two accounts can't share one")
            }
            Self::Taken { by, account } => write!(f, "the app has an account with the new {by} already: {account}"),
            Self::NotAsked => f.write_str("the app was not asked about the new values"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
