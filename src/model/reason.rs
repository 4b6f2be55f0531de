//! Why something is done, and why something is put on record: codes with a payload. The journal and plans keep the code;
//! `Display` is the sentence that people are shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::coded::{coded, plain};
use super::{AppId, ObjectRef, Op, RunId, SourceId, TenantName};

/// By what a person belongs to the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A group in scope holds them.
    MemberOf(String),
    /// The application is assigned to them.
    Direct,
    /// Everybody is in scope.
    Everybody,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemberOf(group) => write!(f, "member of {group}"),
            Self::Direct => f.write_str("assigned directly"),
            Self::Everybody => f.write_str("every person is in scope"),
        }
    }
}

/// What is said beside a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remark {
    /// The directory's user name has blanks at an end.
    BlanksAtAnEnd,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlanksAtAnEnd => "warning: the directory's user name has blanks at an end, which are not sent",
        })
    }
}

/// `; roles: admin, billing`, or nothing.
struct WithRoles<'a>(&'a [String]);

impl fmt::Display for WithRoles<'_> {
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
    Belongs(Because),
    BelongsAgain(Because),
    Adopted {
        because: Because,
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
        because: Because,
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
    },
    GroupRelinked {
        from: SourceId,
    },
    GroupRenamed,
    GroupGone {
        stays: bool,
    },
    GroupLeftScope {
        stays: bool,
    },
    Members,
    NoLongerMembers,
    NewAccountsAreMembers,
    // What a person asked for.
    Reverts {
        run: RunId,
    },
    Retired,
    // What is put on record.
    OwnAccount,
    AdoptedOrReleased,
    SetAside,
    NotAnswered,
    NothingLeft,
    SeenOrMissed,
    GroupLost,
    MayHaveLost,
    GoneFromApp,
    Memberships,
    Forgotten,
    ChangedByHand,
    LookedThrough,
    /// What it said named a person who was forgotten.
    #[serde(rename = "[forgotten]")]
    Erased,
    /// A sentence of an earlier version that has no code.
    Text(String),
}

coded!(Reason);

plain!(Reason {
    AdoptedDiffers => "the adopted account differs from the directory",
    RelinkedDiffers => "the account goes over to a new record",
    Record => "the directory's record",
    RecordChanged => "the directory's record changed",
    Suspended => "the directory suspended this person",
    Unassigned => "no group in scope holds this person",
    MissingTwice => "missing from two complete readings, and the directory did not say deleted",
    Deleted => "the directory says this person is gone",
    Manager => "the manager in the directory",
    NoManager => "no manager in the directory",
    GroupInScope => "the directory's group is in scope",
    GroupRenamed => "the directory's group was renamed",
    Members => "members in the directory",
    NoLongerMembers => "no longer members in the directory",
    NewAccountsAreMembers => "their new accounts are members",
    Retired => "the connection is retired",
    OwnAccount => "whose token this is",
    AdoptedOrReleased => "adopted or released",
    SetAside => "set aside",
    NotAnswered => "not answered: the next run looks what became of it",
    NothingLeft => "nothing is left to do",
    SeenOrMissed => "missing from a complete reading, or there again",
    GroupLost => "lost a group that was deleted",
    MayHaveLost => "may have lost access: the call was not answered",
    GoneFromApp => "gone from the app",
    Memberships => "memberships",
    Forgotten => "somebody was forgotten",
    ChangedByHand => "seen in the app: changed there by hand",
    LookedThrough => "everybody in scope was looked up in the app",
    Erased => "[forgotten]",
});

impl Reason {
    /// Reads a sentence of an earlier version into its code, once. `undo` needs the runs; the rest is only shown.
    fn of_prose(text: &str) -> Self {
        let rest = |head: &str| text.strip_prefix(head).map(str::to_owned);
        if let Some(plain) = Self::of_plain(text) {
            return plain;
        }
        if let Some(run) = rest(EARLIER_REVERT) {
            return Self::Reverts { run: RunId::new(run) };
        }
        let known = [
            Self::Belongs(Because::Direct),
            Self::Belongs(Because::Everybody),
            Self::GroupGone { stays: false },
            Self::GroupGone { stays: true },
            Self::GroupLeftScope { stays: false },
            Self::GroupLeftScope { stays: true },
        ];
        if let Some(reason) = known.into_iter().find(|reason| reason.to_string() == text) {
            return reason;
        }
        let is_more = |group: &String| EARLIER_ADDITIONS.iter().any(|more| group.contains(more));
        match rest(EARLIER_MEMBER).filter(|group| !is_more(group)) {
            Some(group) => Self::Belongs(Because::MemberOf(group)),
            None => Self::Text(text.to_owned()),
        }
    }
}

// How version 0.1.0 began and went on in its sentences.
const EARLIER_REVERT: &str = "takes back run ";
const EARLIER_MEMBER: &str = "member of ";
const EARLIER_ADDITIONS: [&str; 2] = ["; the a", " (again)"];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays = |stays: bool| if stays { "; it stays in the app as it is" } else { "" };
        match self {
            Self::Belongs(because) => write!(f, "{because}"),
            Self::BelongsAgain(because) => write!(f, "{because} (again)"),
            Self::Adopted { because, by, roles } => {
                write!(f, "{because}; the app has this account already, matched by {by}{}", WithRoles(roles))
            }
            Self::Remarked { why, remark } => write!(f, "{why}; {remark}"),
            Self::Relinked { because, from } => {
                write!(f, "{because}; the account belonged to the record {from}, which is gone")
            }
            Self::Replaced { paths, app_id } => write!(
                f,
                "the app can't change {paths}: a new account is made, and {app_id} is switched off when it is there"
            ),
            Self::GetsAnotherAccount { of } => write!(f, "{of} gets another account"),
            Self::HasAnotherAccount { of } => write!(f, "{of} has another account"),
            Self::OldOfSuspended { of } => write!(f, "{of} is suspended, and this is their old account"),
            Self::OldOfUnassigned { of } => {
                write!(f, "no group in scope holds {of}, and this is their old account")
            }
            Self::OldIsSuspended { of } => write!(f, "the directory suspended {of}"),
            Self::OldIsGone { of } => write!(f, "the directory says {of} is gone"),
            Self::GroupAdopted { by, others: 0 } => write!(f, "the app has this group already, matched by {by}"),
            Self::GroupAdopted { by, others } => write!(
                f,
                "the app has this group already, matched by {by}; {others} managed members of it are not in the directory's group"
            ),
            Self::GroupRelinked { from } => {
                write!(f, "the app's group belonged to the record {from}, which is gone")
            }
            Self::GroupGone { stays: is } => write!(f, "the directory says this group is gone{}", stays(*is)),
            Self::GroupLeftScope { stays: is } => write!(f, "the group left the scope{}", stays(*is)),
            Self::Reverts { run } => write!(f, "takes back run {run}"),
            Self::Text(text) => f.write_str(text),
            plain => f.write_str(plain.plain().unwrap_or_default()),
        }
    }
}

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
    },
    NameTaken {
        name: String,
        by: SourceId,
    },
    Contradicts {
        account: AppId,
        by: String,
        attribute: String,
        theirs: String,
        ours: String,
    },
    LinkedElsewhere(Elsewhere),
    Immutable {
        paths: String,
        why: Box<Immutable>,
    },
    ManagerImmutable,
    GroupsAreMadeInApp,
    GroupOfAnother {
        group: AppId,
        of: SourceId,
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
    TooManyFailed {
        objects: u64,
        op: Op,
    },
    TakenMeanwhile {
        account: AppId,
        tenant: TenantName,
        user: SourceId,
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
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked { account, tenant, user } => write!(
                f,
                "the account {account} in the app is linked by the tenant {tenant}, which is connected to the same base_url, to its \
                 user {user}. It was not touched, and no account was created; correct the scope of one of the two tenants"
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
    HasLeft => "not done: by a newer reading of the directory this user belongs no more",
    Erased => "[forgotten]",
});

impl Obstacle {
    /// Reads a sentence of an earlier version, or the app's words.
    pub fn of_prose(text: &str) -> Self {
        Self::of_plain(text).unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

/// Words without a code.
impl From<&str> for Reason {
    fn from(words: &str) -> Self {
        Self::Text(words.to_owned())
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
            Self::AccountOfAnother { account, by, of } => {
                write!(f, "the account {account} that matches by {by} belongs to the directory's {of}")
            }
            Self::Contradicts { account, by, attribute, theirs, ours } => write!(
                f,
                "the account {account} in the app matches by {by}, but its {attribute} is {theirs:?}, not {ours:?}: it may be another \
                 user's. It was not touched, and no account was created. If it is theirs, correct the {attribute} on one side; if \
                 not, remove the {by} from the account in the app"
            ),
            Self::LinkedElsewhere(elsewhere) => write!(f, "{elsewhere}"),
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
            Self::NameTaken { name, by } => write!(f, "the directory gives the user name {name} to {by} too"),
            Self::Immutable { paths, why } => write!(f, "this app can't change {paths}: {why}"),
            Self::GroupOfAnother { group, of } => {
                write!(f, "the app's group {group} is linked to the directory's group {of}")
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w1_a_reason_is_kept_as_its_code_and_comes_back_from_it() {
        let of = SourceId::new("u1");
        for (reason, text) in [
            (Reason::RecordChanged, "record_changed"),
            (Reason::Belongs(Because::Direct), "belongs \"direct\""),
            (Reason::Belongs(Because::MemberOf("Staff \"a\"".into())), r#"belongs {"member_of":"Staff \"a\""}"#),
            (Reason::HasAnotherAccount { of }, r#"has_another_account {"of":"u1"}"#),
            (Reason::Text("as we said".into()), "as we said"),
        ] {
            assert_eq!((reason.encoded().as_str(), Reason::decode(text)), (text, reason));
        }
        let refused = Obstacle::Text("409 uniqueness {\"a\"}".into());
        assert_eq!(Obstacle::decode(&refused.encoded()), refused);
    }

    #[test]
    fn w5_sentences_of_earlier_versions_are_read_into_codes_once() {
        for reason in [
            Reason::RecordChanged,
            Reason::Members,
            Reason::GroupGone { stays: true },
            Reason::Belongs(Because::MemberOf("Staff of A".into())),
            Reason::Belongs(Because::Everybody),
            Reason::Reverts { run: RunId::new("01a2") },
        ] {
            assert_eq!(Reason::decode(&reason.to_string()), reason, "{reason}");
        }
        for odd in
            ["member of A; the app has this account already, matched by userName", "member of A (again)", "x 5", ""]
        {
            assert_eq!(Reason::decode(odd), Reason::Text(odd.into()));
        }
        assert_eq!(Obstacle::decode("not tried: the run was stopped"), Obstacle::Stopped);
    }

    #[test]
    fn w1_a_word_is_put_out_of_a_payload_and_not_out_of_a_code() {
        let put_out = |text: &mut String| *text = text.replace("member", "*");
        let reason = Reason::Belongs(Because::MemberOf("members".into()));
        assert_eq!(reason.with_texts(put_out), Some(Reason::Belongs(Because::MemberOf("*s".into()))));
        assert_eq!(Reason::Members.with_texts(put_out), None);
    }
}
