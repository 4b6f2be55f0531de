//! Why somebody is, or is not, in the app. In: what a preview saw, the state, the journal, what the app shows. Out: a [`Story`].
//!
//! Reads only, and decides nothing: everything told here was decided by the rooms below. Knows no terminal.

mod past;
mod person;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
mod verdict;

pub use past::{Deed, Past, search_journal};
pub use person::{Candidate, ListedCandidate, Teller, linked_by_name};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::cycle::CycleReport;
use crate::model::{
    AppId, Change, HoldReason, Lane, LifecycleStatus, ObjectRef, Op, OpOutcome, Path, Provenance, RunId, SourceId,
    TenantName, digest,
};
use crate::plan::{Action, Operation, Protected};
use crate::scim::AppUser;
use crate::source::Presence;
use crate::store::{Baseline, FailureNote, StateView, StoreError, TenantMark};

/// Everything there is to say of one person, in the order in which it follows from one another.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The tenant.
    pub tenant: TenantName,
    /// The directory's id.
    pub id: SourceId,
    /// A name for people.
    pub name: String,
    /// What the directory says; `None` if it was not asked.
    pub directory: Option<InDirectory>,
    /// Why directory or app could not be asked.
    pub unread: Option<String>,
    /// Whether nobody touches them whatever the directory says.
    pub protected: bool,
    /// The link to an account.
    pub link: Option<Link>,
    /// What the app shows; `None` if it was not asked.
    pub app: Option<InApp>,
    /// The last calls and findings, oldest first.
    pub history: Vec<Deed>,
    /// How many there were before those.
    pub earlier: u64,
    /// Why they are set aside, and when they are tried again.
    pub set_aside: Option<FailureNote>,
    /// What the next sync would do.
    pub next: Vec<NextStep>,
    /// What holds it.
    pub holds: Vec<HoldReason>,
    /// Who asked that nothing be sent.
    pub paused: Option<TenantMark>,
    /// Who ended the connection.
    pub retired: Option<TenantMark>,
    /// All of it in one sentence.
    pub verdict: String,
}

/// What the directory says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct InDirectory {
    /// Whether they are in the reading.
    pub listed: bool,
    /// What it answered when asked for the id of somebody who is not.
    pub answer: Option<Presence>,
    /// Their standing.
    pub standing: Option<LifecycleStatus>,
    /// Whether they belong to the app.
    pub belongs: bool,
    /// By what.
    pub because: Option<String>,
    /// Why they don't belong although a group holds them, or why that can't be decided.
    pub filter: Option<String>,
    /// Every group that has them, directly or through another.
    pub groups: Vec<GroupWord>,
    /// What the app shall hold of them.
    pub mapped: BTreeMap<String, Value>,
    /// Why they can't be mapped.
    pub problem: Option<String>,
    /// What looking them up in the app found, for somebody without a link.
    pub looked_up: Option<String>,
}

/// A group, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupWord {
    /// The directory's id.
    pub id: SourceId,
    /// Its name in the directory.
    pub name: String,
    /// Whether it holds the person for the app.
    pub counts: bool,
    /// Why, or why not.
    pub why: String,
}

/// The link to an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// The account.
    pub app_id: AppId,
    /// Created or adopted.
    pub provenance: Provenance,
    /// Since when; `None` if the journal does not say.
    pub since: Option<Timestamp>,
    /// By which run.
    pub run: Option<RunId>,
    /// Whether the account is active, as last known.
    pub active: Option<bool>,
    /// Since when they are missing from complete readings.
    pub missing_since: Option<Timestamp>,
    /// Since when the account is switched off by our doing.
    pub inactive_since: Option<Timestamp>,
    /// The groups they are in in the app, by our doing.
    pub groups: Vec<String>,
}

/// What the app shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InApp {
    /// The account; `None` if it shows none.
    pub app_id: Option<AppId>,
    /// Whether it is active.
    pub active: Option<bool>,
    /// Where it differs from what it was last given: somebody changed it there, or the app made something else of it.
    pub differs: Vec<Change>,
}

/// One thing that the next sync would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextStep {
    /// What.
    pub op: Op,
    /// When.
    pub lane: Lane,
    /// The user name, or the group's.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What would become of it.
    pub result: OpOutcome,
    /// What stands in the way.
    pub detail: Option<String>,
    /// What changes; nothing for memberships, where it is the person.
    pub changes: Vec<Change>,
    /// Names of the users that `changes` gives by id, by that id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// What a story is made of.
pub struct ExplainSources<'a> {
    /// The tenant.
    pub tenant: &'a TenantName,
    /// Whom it is about.
    pub candidate: Candidate,
    /// What the state holds.
    pub state: &'a dyn StateView,
    /// Who is never touched.
    pub protected: &'a Protected,
    /// What the directory says; `None` if it was not asked.
    pub directory: Option<InDirectory>,
    /// The preview.
    pub report: Option<&'a CycleReport>,
    /// Why directory or app could not be asked.
    pub unread: Option<String>,
    /// What the app shows: `None` if it was not asked, `Some(None)` if it shows nobody.
    pub shown: Option<Option<AppUser>>,
    /// What the journal says.
    pub past: Past,
    /// Who ended the connection.
    pub retired: Option<TenantMark>,
}

/// Tells the story.
///
/// # Errors
/// When the state can't be read.
pub fn tell(sources: ExplainSources<'_>) -> Result<Story, StoreError> {
    let ExplainSources { tenant, candidate, state, protected, directory, report, unread, shown, past, retired } =
        sources;
    let Candidate { id, name } = candidate;
    let row = state.user(&id)?;
    let object = ObjectRef::User(id.clone());
    let mut known: Vec<_> = row.iter().flat_map(|row| [&row.sent, &row.echo]).collect();
    let mapped = directory.iter().flat_map(|directory| &directory.mapped);
    let mapped = mapped.filter_map(|(path, value)| Some((Path::parse(path).ok()?, value.clone()))).collect();
    known.push(&mapped);
    let is_protected = protected.covers(id.as_str(), &known);
    let app = shown.map(|shown| in_app(row.as_ref(), shown));
    let link = match row {
        None => None,
        Some(row) => Some(Link {
            since: past.linked.as_ref().map(|(at, _)| *at),
            run: past.linked.as_ref().map(|(_, run)| run.clone()),
            groups: groups_of(state, row.number)?,
            app_id: row.app_id,
            provenance: row.provenance,
            active: row.active,
            missing_since: row.missed_since,
            inactive_since: row.inactive_since,
        }),
    };
    let next = report.map(|report| steps(report, &id)).unwrap_or_default();
    let held =
        report.is_some_and(|report| report.cleared.is_none()) || next.iter().any(|step| step.result == OpOutcome::Held);
    let holds = report.filter(|_| held).map(|report| report.holds.clone()).unwrap_or_default();
    let concerns = |hold: &HoldReason| match hold {
        HoldReason::NeedsDecision { object: of, .. } | HoldReason::Conflict { object: of, .. } => *of == object,
        _ => true,
    };
    let mut story = Story {
        tenant: tenant.clone(),
        name,
        directory,
        unread,
        protected: is_protected,
        link,
        app,
        set_aside: state.failures()?.into_iter().find(|(of, _)| *of == object).map(|(_, note)| note),
        history: past.deeds.iter().cloned().collect(),
        earlier: past.earlier,
        next,
        holds: holds.into_iter().filter(concerns).collect(),
        paused: state.paused(),
        retired,
        id,
        verdict: String::new(),
    };
    name_groups(&mut story, &past.groups, state)?;
    story.verdict = verdict::of(&story, report);
    Ok(story)
}

fn in_app(row: Option<&crate::store::UserRow>, shown: Option<AppUser>) -> InApp {
    let Some(shown) = shown else { return InApp { app_id: None, active: None, differs: Vec::new() } };
    let mut differs = Vec::new();
    if let Some(row) = row {
        for (path, sent) in row.sent.iter() {
            let now = shown.attributes.get(path);
            // What the app made of a value when it was sent is no news.
            if !digest::same(Some(sent), now) && !digest::same(row.echo.get(path), now) {
                let to = now.cloned().unwrap_or(Value::Null);
                differs.push(Change { attribute: path.as_str().to_owned(), from: sent.clone(), to });
            }
        }
        if row.active.is_some_and(|active| active != shown.active) {
            let (from, to) = (Value::from(!shown.active), Value::from(shown.active));
            differs.push(Change { attribute: "active".to_owned(), from, to });
        }
    }
    InApp { app_id: Some(shown.id), active: Some(shown.active), differs }
}

fn groups_of(state: &dyn Baseline, number: crate::model::UserNumber) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for (id, row) in state.groups()? {
        if state.members(&id)?.binary_search(&number).is_ok() {
            names.push(row.name);
        }
    }
    names.sort();
    Ok(names)
}

/// Gives groups their names, for people. The journal's calls have their ids: a name is the one of the link, or, of a group that was let go
/// or deleted since, the last one that the journal or the directory tells.
fn name_groups(story: &mut Story, told: &BTreeMap<SourceId, String>, state: &dyn Baseline) -> Result<(), StoreError> {
    let listed = story.directory.iter().flat_map(|directory| &directory.groups);
    let listed: BTreeMap<SourceId, String> = listed.map(|group| (group.id.clone(), group.name.clone())).collect();
    for deed in &mut story.history {
        if let ObjectRef::Group(id) = &deed.object {
            let name = state.group(id)?.map(|row| row.name);
            let name = name.or_else(|| told.get(id).cloned()).or_else(|| listed.get(id).cloned());
            deed.name = Some(name.unwrap_or_else(|| id.to_string()));
        }
    }
    Ok(())
}

/// The part of a preview that concerns one person, with the guard's word of the whole plan.
fn steps(report: &CycleReport, id: &SourceId) -> Vec<NextStep> {
    let operations = report.operations().iter().enumerate();
    let about = operations.filter(|(_, operation)| is_about(operation, id));
    let step = |(at, operation): (usize, &Operation)| {
        let changes = match operation.object {
            ObjectRef::User(_) => operation.changes(),
            ObjectRef::Group(_) => Vec::new(),
        };
        NextStep {
            op: operation.op(),
            lane: operation.lane,
            name: operation.name.clone(),
            reason: operation.reason.to_string(),
            result: report.result(at),
            detail: report.obstacle(at).map(ToString::to_string),
            names: report.names_of(&changes),
            changes,
        }
    };
    about.map(step).collect()
}

fn is_about(operation: &Operation, id: &SourceId) -> bool {
    match (&operation.object, &operation.action) {
        (ObjectRef::User(of), _) => of == id,
        (_, Action::AddMembers { users } | Action::RemoveMembers { users, .. } | Action::DeleteGroup { users }) => {
            users.iter().any(|user| user.id == *id)
        }
        (_, Action::AdoptGroup { present: users, .. }) => users.contains(id),
        _ => false,
    }
}
