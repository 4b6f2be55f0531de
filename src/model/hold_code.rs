//! The stable codes of holds, and what is fixed about each: its name, how much of a plan it stops, whether an approval settles it, and what the
//! documentation says of it. What was found in a case is in [`super::HoldReason`].

use std::fmt;

/// How much of a plan a hold stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldScope {
    /// Every operation of the plan.
    All,
    /// Every operation of one kind: those that take access, or those that create accounts.
    Kind,
    /// The operations on the objects it names.
    Objects,
}

/// The stable code of a hold: the name used in JSON, in `held.json`, in metrics and in notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`summary` says what each one holds")]
pub enum HoldCode {
    FirstSync,
    RemovalsPerDay,
    GroupRemovals,
    SourceShrink,
    AttributeLoss,
    Rekey,
    SettingsChange,
    Upgrade,
    GuardChange,
    Adoption,
    Conflict,
    DuplicateAccounts,
    DuplicateNames,
    CreatesPerDay,
    Clock,
    Undone,
    ActivationsPerDay,
    ValueChanges,
    IdentifierChanges,
    MatchingChange,
    TargetChange,
    SourceChange,
    TokenServerChange,
    ProxyChange,
    Approval,
    Relink,
    FinalDelete,
    NeedsDecision,
    UnreadGroup,
    SourceEvidence,
    DanglingMember,
    AdoptOnly,
    OwnAccount,
    Paused,
    /// A code of another version of rosterd, found in a file.
    Other,
}

/// What is fixed about a code.
struct HoldCodeRow {
    name: &'static str,
    scope: HoldScope,
    approvable: bool,
    summary: &'static str,
}

impl HoldCode {
    /// Every code that this version holds plans for, in the order of the documentation.
    pub const ALL: [Self; 34] = [
        Self::FirstSync,
        Self::RemovalsPerDay,
        Self::GroupRemovals,
        Self::SourceShrink,
        Self::AttributeLoss,
        Self::Rekey,
        Self::SettingsChange,
        Self::Upgrade,
        Self::GuardChange,
        Self::Adoption,
        Self::Conflict,
        Self::DuplicateAccounts,
        Self::DuplicateNames,
        Self::CreatesPerDay,
        Self::Clock,
        Self::Undone,
        Self::ActivationsPerDay,
        Self::ValueChanges,
        Self::IdentifierChanges,
        Self::MatchingChange,
        Self::TargetChange,
        Self::SourceChange,
        Self::TokenServerChange,
        Self::ProxyChange,
        Self::Approval,
        Self::Relink,
        Self::FinalDelete,
        Self::NeedsDecision,
        Self::UnreadGroup,
        Self::SourceEvidence,
        Self::DanglingMember,
        Self::AdoptOnly,
        Self::OwnAccount,
        Self::Paused,
    ];

    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// How much of a plan it stops.
    pub fn scope(self) -> HoldScope {
        self.row().scope
    }

    /// Whether an approval lets pass what it holds. Otherwise the directory, the app or the next run has to settle it.
    pub fn is_approvable(self) -> bool {
        self.row().approvable
    }

    /// What it holds, for the documentation.
    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// What releases it, beside what its own sentence says.
    pub fn release(self) -> &'static str {
        match self {
            Self::FirstSync => "`rosterd sync TENANT`, typed, once it ends with 0 or 4; or an approval",
            Self::RemovalsPerDay => {
                "the directory, once it shows these users as active again; the limit, as removals become older than 24 hours; or an approval"
            }
            Self::GroupRemovals => {
                "the directory, once these users are members again; the limit, as removals become older than 24 hours; or an approval"
            }
            Self::ActivationsPerDay => {
                "the directory, once it shows these users as suspended again; the limit, as activations become older than 24 hours; or an \
                 approval"
            }
            Self::SourceEvidence => "the directory, once it shows the sign again; or an approval",
            Self::DanglingMember => {
                "the directory, once it shows these users again or no group names them any more; or an approval"
            }
            Self::Clock => "a clock that agrees with the app's and has not jumped since the last run; or an approval",
            Self::Undone => "the directory, once its record of these users and groups has changed; or an approval",
            Self::CreatesPerDay => "the limit, as new accounts become older than 24 hours; or an approval",
            Self::SourceShrink => {
                "the directory, once a reading is as large as the last accepted one again; or an approval"
            }
            Self::AttributeLoss | Self::ValueChanges | Self::IdentifierChanges => {
                "the directory, once it shows the previous values again; or an approval"
            }
            Self::Rekey => "the directory, once it shows the previous ids again; or an approval",
            Self::SettingsChange | Self::MatchingChange | Self::GuardChange => {
                "the tenant file, once the edit is reverted; or an approval"
            }
            Self::TargetChange | Self::SourceChange | Self::TokenServerChange | Self::ProxyChange => {
                "the tenant file, once it has the previous address again; or an approval"
            }
            Self::Upgrade | Self::Adoption | Self::DuplicateAccounts | Self::DuplicateNames => {
                "the mapping or the names on either side, once they say otherwise; or an approval"
            }
            Self::Approval | Self::Relink | Self::FinalDelete => "an approval",
            Self::Conflict | Self::NeedsDecision => {
                "the directory, the app or the tenant file, once the cause is corrected; no approval"
            }
            Self::UnreadGroup => "a reading that shows the members of the group; no approval",
            Self::AdoptOnly => "the end of this run, unless it fails; no approval",
            Self::OwnAccount => "a token that belongs to another account; no approval",
            Self::Paused => "`rosterd resume`; no approval",
            Self::Other => "the version of rosterd that held it",
        }
    }

    /// The code of this name.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|code| code.name() == name).unwrap_or(Self::Other)
    }

    fn row(self) -> HoldCodeRow {
        use HoldScope::{All, Kind, Objects};
        let approvable = |name, scope, summary| HoldCodeRow { name, scope, approvable: true, summary };
        let never = |name, scope, summary| HoldCodeRow { name, scope, approvable: false, summary };
        match self {
            Self::FirstSync => approvable(
                "first_sync",
                All,
                "everything in a first sync of a tenant that was not typed: a run of the daemon's schedule, or `rosterd sync --all` without a \
                 terminal and without `--yes`. `[approval] first_sync = false` turns it off",
            ),
            Self::RemovalsPerDay => approvable(
                "removals_per_day",
                Kind,
                "everything of the run that takes access, when more users would lose it within 24 hours (earlier runs count, and \
                 survive a restart), or when no user would be left. A user counts once a day, whether the account, a role, the \
                 last group or a deleted group goes",
            ),
            Self::GroupRemovals => approvable(
                "group_removals",
                Objects,
                "the removals from one group, when it would lose more of its members within 24 hours",
            ),
            Self::SourceShrink => approvable(
                "source_shrink",
                All,
                "everything, when the directory shows that many fewer users or groups than the last accepted reading (three fewer \
                 never count), or no memberships at all",
            ),
            Self::AttributeLoss => {
                approvable("attribute_loss", All, "everything, when that many users would lose a mapped attribute")
            }
            Self::Rekey => approvable(
                "rekey",
                All,
                "everything, when that many users are gone and as many new: the directory changed the ids of its users; an \
                 approval moves accounts to their new records and removes nothing",
            ),
            Self::SettingsChange => approvable(
                "settings_change",
                All,
                "everything, when an edit of the tenant file would change or remove that many users",
            ),
            Self::Upgrade => approvable(
                "upgrade",
                Kind,
                "once, after an upgrade from a version that kept them: values that the directory cleared before",
            ),
            Self::GuardChange => approvable(
                "guard_change",
                Kind,
                "a guard or approval rule that was loosened since the last run: the previous rule stays in force, or, where an \
                 entry of `protect` or `sentinels` is gone, everything waits",
            ),
            Self::Adoption => approvable(
                "adoption",
                Objects,
                "a user's account that rosterd did not create and would adopt: after the tenant's first completed run, and before \
                 it an account with a privileged role",
            ),
            Self::Conflict => never(
                "conflict",
                Objects,
                "an account or group whose names contradict the directory's record, or that another tenant or record has",
            ),
            Self::DuplicateAccounts => approvable(
                "duplicate_accounts",
                Objects,
                "the new account of a user whose e-mail address or user name is on an account in the app that no user matches: it would be \
                 a second account for the same person. `duplicate_names = \"none\"` ends the comparison",
            ),
            Self::DuplicateNames => approvable(
                "duplicate_names",
                Kind,
                "every new account of a run in which more users only look like an account that no user matches (equal display names, or a \
                 user name that is the part of an address before the `@`), as when another tool filled the app under other user names",
            ),
            Self::CreatesPerDay => {
                approvable("creates_per_day", Kind, "new accounts, when more would be created within 24 hours")
            }
            Self::Clock => approvable(
                "clock",
                Objects,
                "deletions that wait for `delete_after`, while the app's `Date` and the machine's time since its start do not both \
                 confirm the clock; the rolling limits are not refilled meanwhile",
            ),
            Self::Undone => approvable(
                "undone",
                Objects,
                "changes that a run made and `rosterd undo` reverted, until the directory's record of that user, group or \
                 membership changes; the rest of the tenant continues",
            ),
            Self::ActivationsPerDay => approvable(
                "activations_per_day",
                Kind,
                "deactivated accounts that would be activated again, when there would be more within 24 hours (earlier runs count, and \
                 survive a restart). An account that a run took within the last seven days, and that `undo` or the directory gives back, \
                 does not count",
            ),
            Self::ValueChanges => approvable(
                "value_changes",
                All,
                "everything, when the value of the same attribute would change for that many users in one run. First values, adopted \
                 accounts, new records and `undo` do not count, nor does a run after an edit of the tenant file (`settings_change`)",
            ),
            Self::IdentifierChanges => approvable(
                "identifier_changes",
                All,
                "everything, when that happens to an attribute that users are matched by, or that many accounts would be replaced because \
                 the app can't change an attribute",
            ),
            Self::MatchingChange => {
                approvable("matching_change", All, "every change after an edit of how users are matched")
            }
            Self::SourceChange => approvable(
                "source_change",
                All,
                "everything, before the first request, after the tenant file names another address of the directory",
            ),
            Self::TargetChange => approvable(
                "target_change",
                All,
                "everything, after the tenant file names another app or another address of it",
            ),
            Self::ProxyChange => approvable(
                "proxy_change",
                All,
                "everything, before the first request, after the tenant file has a password sent to another proxy",
            ),
            Self::TokenServerChange => approvable(
                "token_server_change",
                All,
                "everything, before the first request, after the tenant file names another address where tokens for the app are granted",
            ),
            Self::Approval => approvable("approval", Kind, "the kinds of change that `[approval]` names"),
            Self::Relink => approvable(
                "relink",
                Objects,
                "an account or group that would be linked to a new record of the directory",
            ),
            Self::FinalDelete => approvable(
                "final_delete",
                Objects,
                "a deletion after which the user can never have an account in this app again",
            ),
            Self::NeedsDecision => never(
                "needs_decision",
                Objects,
                "one user or group for which something has to be decided in the directory, the app or the tenant file",
            ),
            Self::UnreadGroup => never(
                "unread_group",
                Objects,
                "removals from a group whose members could not be read, and of accounts for being in no group meanwhile",
            ),
            Self::SourceEvidence => approvable(
                "source_evidence",
                Objects,
                "activations, and accounts for users who were suspended when last seen, when the directory shows nowhere the attribute or \
                 column that said so in the last accepted reading",
            ),
            Self::DanglingMember => approvable(
                "dangling_member",
                Objects,
                "the end of access or of a membership of users whom a group in scope still names, by an id or name that leads to no user of the \
                 reading; and of members of a group that has gained such a name",
            ),
            Self::AdoptOnly => never(
                "adopt_only",
                Kind,
                "everything that takes access, while the state is new, restored or was damaged",
            ),
            Self::OwnAccount => never(
                "own_account",
                Objects,
                "the end of the account that the token itself belongs to (asked of the app's `/Me` in the first run; \
                 `read.own_account = false` in the profile disables this)",
            ),
            Self::Paused => {
                never("paused", All, "everything, until the tenant is resumed: nothing is read or sent meanwhile")
            }
            Self::Other => never("other", Objects, "something that another version of rosterd held"),
        }
    }
}

impl fmt::Display for HoldCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
