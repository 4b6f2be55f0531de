//! What people read of a hold: one sentence for each reason, with its numbers and the way out.

use std::collections::BTreeSet;
use std::fmt;

use super::{HoldReason, Loosening, RekeyOutcome, because_unbound};
use crate::model::StatusSign;

/// How users are made to match the accounts that they have.
const RECOGNISE: &str = "To keep the accounts that are there, map userName to the value that they have, or put the attribute that both \
                         sides share in place of userName in read.user_match under [target.override_profile], and run again";

/// That an address changed.
fn moved(side: &str, from: &[String], to: &[String]) -> String {
    let from = if from.is_empty() { "another one".to_owned() } else { from.join(", ") };
    format!("the address of the {side} is now {} and was {from} in the last run", to.join(", "))
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSync { changes, creates } => {
                let (many, accounts) = match (changes, creates) {
                    (1, _) => ("1 change waits".to_owned(), String::new()),
                    (_, 0) => (format!("{changes} changes wait"), String::new()),
                    (_, 1) => (format!("{changes} changes wait"), ", among them 1 new account".to_owned()),
                    _ => (format!("{changes} changes wait"), format!(", among them {creates} new accounts")),
                };
                write!(
                    f,
                    "this is the tenant's first sync, which was neither approved nor typed as `rosterd sync`: {many}{accounts}. `rosterd plan` \
                     shows them"
                )
            }
            Self::RemovalsPerDay { now, lost, managed, limit, none_left, unknown, who, unbound } => {
                let none_left = if *none_left { ", and no user would be left" } else { "" };
                let unknown = match unknown {
                    true => {
                        ", and others may have: the state was restored from an older copy, so the limit of the day counts as used \
                         up"
                    }
                    false => "",
                };
                write!(
                    f,
                    "{now} users would lose access now and {lost} lost it in the last 24 hours{unknown}, of {managed} managed (the \
                     limit is {limit}{none_left}): {who}{}",
                    because_unbound(unbound.as_ref())
                )
            }
            Self::GroupRemovals { group, now, of, lost, limit, who } => write!(
                f,
                "group {group} would lose {now} of its {of} members and lost {lost} in the last 24 hours (the limit is {limit}): {who}"
            ),
            Self::SourceShrink { what, is, was, limit, unbound } => write!(
                f,
                "the directory shows {is} {}, {was} in the last accepted reading ({} fewer; the limit is {limit}){}",
                what.name(),
                was.saturating_sub(*is),
                because_unbound(unbound.as_ref())
            ),
            Self::AttributeLoss { count, managed, limit, who } => write!(
                f,
                "{count} of {managed} managed users would lose a mapped attribute (the limit is {limit}): a directory that hides \
                 attributes looks like this. Affected: {who}"
            ),
            Self::Rekey { missing, strangers, managed, limit, outcome } => {
                write!(
                    f,
                    "{missing} users are gone and {strangers} others are new, of {managed} managed (the limit is {limit}): a \
                     directory that changed the ids of its users looks like this"
                )?;
                match outcome {
                    Some(RekeyOutcome { relinked, after, removals }) => write!(
                        f,
                        ". An approval moves {relinked} accounts to their new records and removes no access: {managed} active now, \
                         {after} after; {removals} removals wait for a run after it"
                    ),
                    None => Ok(()),
                }
            }
            Self::SettingsChange { count, managed, limit, who } => write!(
                f,
                "the tenant file was edited, and that changes or removes {count} of {managed} managed users (the limit is \
                 {limit}): {who}"
            ),
            Self::GuardChange { changes, holds_all } => {
                let change = Loosening::listed(changes);
                let meanwhile = match holds_all {
                    true => "nothing is sent",
                    false => "the previous rules stay in force",
                };
                write!(
                    f,
                    "guard or approvals were loosened since the last run: {change}. Until this is approved, {meanwhile}; to revert \
                     it, edit the tenant file again"
                )
            }
            Self::Adoption { who } => {
                let count = who.count();
                let (accounts, users) = match count {
                    1 => ("account", "the user of that name"),
                    _ => ("accounts", "the users of these names"),
                };
                write!(
                    f,
                    "{count} {accounts} in the app that rosterd did not create would be linked to {users} in the directory, which \
                     then controls names, e-mail and access: {who}. Approve if the account belongs to that person; otherwise \
                     rename one of the two, or list the account in scope.protect"
                )
            }
            Self::Conflict { object, name, cause } => write!(f, "{}: {cause}", object.called(name)),
            Self::Upgrade { who } => write!(
                f,
                "the directory cleared values of {who} while an earlier version ran, which kept them in the app; this version removes \
                 them. Approve it, or let the mapping's expression say `leave` where a value is to stay"
            ),
            Self::DuplicateAccounts { count, who } => {
                let (users, have, whose) = match count {
                    1 => ("new user", "has", "the account was"),
                    _ => ("new users", "have", "the accounts were"),
                };
                write!(
                    f,
                    "{count} {users} {have} an e-mail address or user name that is on an account in the app which no user matches: \
                     {who}. It would be a second account for the same person, so {whose} not created. {RECOGNISE}; approve if \
                     these are different people"
                )
            }
            Self::DuplicateNames { count, creates, limit, who } => write!(
                f,
                "{count} of {creates} new users look like accounts in the app which no user matches (the limit is {limit}): {who}. \
                 An app that another tool filled under other user names looks like this, so no account was created. {RECOGNISE}; \
                 approve if these are different people"
            ),
            Self::CreatesPerDay { now, created, limit } => write!(
                f,
                "{now} accounts would be created now and {created} were in the last 24 hours (the limit is {limit})"
            ),
            Self::Clock { doubt, who } => write!(
                f,
                "{doubt}. Accounts that wait for their deletion were not deleted, and earlier removals still count against the \
                 limit: {who}. Deactivations continue. Correct the clock; approve if it is right"
            ),
            Self::Undone { runs, count, who } => {
                let runs = runs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let what = if *count == 1 { "1 change would be made" } else { "changes would be made" };
                let count = if *count == 1 { String::new() } else { format!("{count} ") };
                write!(
                    f,
                    "{count}{what} again that run {runs} made and `rosterd undo` reverted: {who}. They stay as they are until \
                     their record in the directory changes, and everything else continues. Correct the directory; approve to make \
                     them again"
                )
            }
            Self::ActivationsPerDay { now, activated, managed, limit, who } => write!(
                f,
                "{now} deactivated accounts would be activated again now and {activated} were in the last 24 hours, in addition to \
                 {managed} that are active (the limit is {limit}): {who}. A directory whose sign of suspension is missing or can't \
                 be read looks like this, so none of them was activated. If it shows them as active by mistake, correct it there; \
                 approve if they are back"
            ),
            Self::ValueChanges { attribute, count, managed, limit, who } => write!(
                f,
                "{attribute} would change for {count} of {managed} managed users at once (the limit is {limit}): {who}. Two swapped columns \
                 look like this, so nothing was sent. Compare the values in the plan with the directory; approve if they are right"
            ),
            Self::IdentifierChanges { attribute, count, managed, limit, who } => write!(
                f,
                "{attribute}, by which users are matched, would change for {count} of {managed} managed users at once (the limit is {limit}): \
                 {who}. A faulty rule for names in the directory looks like this, so nothing was sent. Compare the values in the plan with \
                 the directory; approve if they are right"
            ),
            Self::MatchingChange { count, who } => {
                let colon = if *count > 0 { ": " } else { "" };
                write!(
                    f,
                    "the tenant file now matches users by other values; {count} accounts would change{colon}{who}. Read the plan \
                     before you approve it: a wrong match creates second accounts"
                )
            }
            Self::TargetChange { from, to } => write!(
                f,
                "{}; no request was made and no credential was sent. The links and values on record are those of the app at the address \
                 before. If the app only moved, approve; if this is another app, give it a tenant of its own",
                moved("app", from, to)
            ),
            Self::SourceChange { from, to } => write!(
                f,
                "{}; no request was made and no credential was sent. If the directory only moved, approve; if this is another directory, \
                 give it a tenant of its own: its ids are not those on record",
                moved("directory", from, to)
            ),
            Self::TokenServerChange { from, to } => write!(
                f,
                "{}; no request was made and no credential was sent. The client's secret or key would go there: approve if it is the app's",
                match from.is_empty() {
                    true => format!(
                        "the app's tokens are now granted by {}, and no token server was asked in the last run",
                        to.join(", ")
                    ),
                    false => moved("token server", from, to),
                }
            ),
            Self::ProxyChange { from, to } => write!(
                f,
                "{}; no request was made and no credential was sent. The password would go there: approve if it is the proxy's",
                match from.is_empty() {
                    true => format!(
                        "a password is now sent to the proxy {}, and none was sent to a proxy in the last run",
                        to.join(", ")
                    ),
                    false => moved("proxy", from, to),
                }
            ),
            Self::Approval { ops, who } => {
                let kinds: BTreeSet<&str> = ops.iter().map(|op| op.name()).collect();
                let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
                write!(f, "the tenant file asks for approval before {kinds}: {who}")
            }
            Self::Relink { who } => write!(
                f,
                "the directory has a new record for {who}, and the old one is gone: approve if it is the same user or group, \
                 created again; otherwise correct the name in the directory or free the account in the app"
            ),
            Self::FinalDelete { who } => {
                write!(f, "in this app a deleted user can never have an account again: {who}")
            }
            Self::NeedsDecision { object, name, cause } => write!(f, "{}: {cause}", object.called(name)),
            Self::UnreadGroup { group, why } => write!(
                f,
                "the members of group {group} could not be read ({why}): it keeps them, and no user loses an account for being in \
                 no group"
            ),
            Self::SourceEvidence { signs, activations, creations, who } => {
                let plural = if signs.len() == 1 { "it" } else { "them" };
                let signs = signs.iter().map(StatusSign::as_str).collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "the directory showed {signs} in the last accepted reading and shows {plural} for no user now: a reader that \
                     lost a right, or a column that was renamed, looks like this, and a missing value is not read as \"active\". \
                     {activations} accounts would be activated and {creations} given to users who were suspended when last seen, \
                     or may have been: {who}. Restore what shows {signs}; approve if the directory really has no suspended user \
                     any more"
                )
            }
            Self::DanglingMember { count, before, names, who } => {
                let before = match before {
                    Some(before) if before != count => format!(" ({before} in the last accepted reading)"),
                    _ => String::new(),
                };
                write!(
                    f,
                    "groups in scope have {count} names that lead to no user and no group of the reading{before}, such as {}: users who are \
                     hidden from the reader, or were renamed, look like this. {who} would lose access or a membership for not being shown, \
                     and keep it until the name is gone or resolves. Approve if they have really left",
                    names.join("; ")
                )
            }
            Self::AdoptOnly { why } => {
                write!(f, "the state is new ({why}): this run only adopts and adds, and removes nothing")
            }
            Self::OwnAccount { name } => write!(
                f,
                "the token of this tenant belongs to the account of {name}: without it rosterd could do nothing. Use a separate \
                 token for rosterd"
            ),
            Self::Paused { why } => f.write_str(why),
            Self::Recorded { detail, .. } => f.write_str(detail),
        }
    }
}
