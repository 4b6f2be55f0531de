//! A report as words and numbers. In: a [`Report`]. Out: what people and scripts read of it, here or in another process.
//!
//! Nothing in a [`Telling`] can be carried out: the way back to a plan does not exist.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use super::report::{CycleReport, DanglingNames, Tally};
use crate::guard::Cleared;
use crate::model::{
    Access, Change, HoldReason, Lane, ObjectRef, Obstacle, Op, OpOutcome, RunStatus, SnapshotCounts, fold,
};
use crate::store::{Approvals, Decision};

/// One operation as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationReport {
    /// What kind of change.
    pub op: Op,
    /// Its lane.
    pub lane: Lane,
    /// The directory's id.
    pub source_id: String,
    /// The app's id, if known.
    pub app_id: Option<String>,
    /// The user name or group name.
    pub name: String,
    /// `user` or `group`.
    pub kind: String,
    /// What changes.
    pub changes: Vec<Change>,
    /// Names of the users and groups that `changes` gives by id (a manager, a record that is gone), by that id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// Why, as a sentence.
    pub reason: String,
    /// The code of that.
    #[serde(default)]
    pub reason_code: String,
    /// What became of it.
    pub result: OpOutcome,
    /// Why it failed or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The code of that; `text` where the app's own words are all there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_code: Option<String>,
}

/// Calls made to the app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTotals {
    /// All of them.
    pub total: u64,
    /// By method.
    #[serde(flatten)]
    pub by_method: BTreeMap<String, u64>,
}

/// The JSON of the command line's contract. `O` is a list of operations that holds them, or one that only names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Telling<O = Vec<OperationReport>> {
    /// The tenant.
    pub tenant: String,
    /// The run.
    pub run: String,
    /// The plan's hash; empty when there was no plan.
    pub plan: String,
    /// How it ended.
    pub status: RunStatus,
    /// Whether it was only a preview.
    pub dry_run: bool,
    /// What the directory held.
    pub snapshot: SnapshotCounts,
    /// The operations, or the first of each kind.
    pub operations: O,
    /// How many there are of each kind.
    pub summary: BTreeMap<Op, u64>,
    /// Operations in the plan.
    pub planned: u64,
    /// Carried out.
    pub done: u64,
    /// Waiting.
    pub held: u64,
    /// Failed.
    pub failed: u64,
    /// Objects whose next try is still to come.
    pub set_aside: u64,
    /// Interrupted calls of an earlier run whose outcome was found out.
    #[serde(default)]
    pub recovered: u64,
    /// Names by which groups in scope have members and that lead to no user and no group: how many, and the first few.
    #[serde(default)]
    pub dangling: DanglingNames,
    /// Calls of earlier runs that were never answered, and of which the app does not say what became of them: why the run is not ok.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
    /// Calls made to the app.
    pub calls: CallTotals,
    /// Everything that was held, and why.
    pub holds: Vec<HoldReason>,
    /// Who has access now and afterwards, where something is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Nothing at all may be sent.
    #[serde(default)]
    pub all_held: bool,
    /// What can be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_plan: Option<String>,
    /// Somebody said no to what is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Decision>,
    /// How far approvals are, where more than one person has to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

/// A call of an earlier run whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// What was to be done.
    pub op: Op,
    /// `user` or `group`.
    pub kind: String,
    /// The directory's id.
    pub source_id: String,
    /// Why nothing is done for it.
    pub detail: String,
    /// The same as a code.
    pub detail_code: String,
}

impl Unresolved {
    fn of((op, object): &(Op, ObjectRef)) -> Self {
        let why = Obstacle::Unresolved;
        let (kind, source_id) = (object.kind().to_owned(), object.id().to_string());
        Self { op: *op, kind, source_id, detail: why.to_string(), detail_code: why.code() }
    }
}

impl CycleReport {
    /// What people and scripts read, with at most so many operations of each kind: what failed or waits goes first.
    pub fn told(&self, most: usize) -> Telling {
        let mut places: BTreeMap<Op, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (at, operation) in self.operations().iter().enumerate() {
            let (odd, plain) = places.entry(operation.op()).or_default();
            let list = if matches!(self.result(at), OpOutcome::Failed | OpOutcome::Held) { odd } else { plain };
            list.push(at);
        }
        // Directory ids have no order that means anything to people: which ones are listed goes by name.
        let by_name = |mut list: Vec<usize>| {
            if list.len() > most {
                list.sort_by_cached_key(|at| self.operations().get(*at).map(|operation| fold(&operation.name)));
            }
            list
        };
        let mut listed: Vec<usize> = places
            .into_values()
            .flat_map(|(odd, plain)| by_name(odd).into_iter().chain(by_name(plain)).take(most))
            .collect();
        listed.sort_unstable();
        self.telling(listed.into_iter().filter_map(|at| told(self, at)).collect())
    }

    /// The names of what changes give by id.
    pub(crate) fn names_of(&self, changes: &[Change]) -> BTreeMap<String, String> {
        let values = changes.iter().flat_map(|change| [&change.from, &change.to]);
        let ids = values.filter_map(serde_json::Value::as_str);
        ids.filter_map(|id| Some((id.to_owned(), self.names.get(id)?.clone()))).collect()
    }

    fn telling<O>(&self, operations: O) -> Telling<O> {
        let Tally { planned, done, held, failed } = self.tally();
        Telling {
            tenant: self.tenant.to_string(),
            run: self.run.to_string(),
            plan: self.plan_hash().to_owned(),
            status: self.status(),
            dry_run: self.dry_run,
            snapshot: self.snapshot,
            operations,
            summary: self.cleared.as_ref().map(|cleared| cleared.plan().summary()).unwrap_or_default(),
            planned,
            done,
            held,
            failed,
            set_aside: self.set_aside,
            dangling: self.dangling.clone(),
            recovered: self.recovered as u64,
            unresolved: self.open.iter().map(Unresolved::of).collect(),
            calls: CallTotals { total: self.calls.total, by_method: self.calls.by_method.clone() },
            holds: self.holds.clone(),
            access: self.access(),
            all_held: self.cleared.as_ref().is_some_and(Cleared::is_all_held),
            held_plan: self.cleared.as_ref().and_then(Cleared::held_plan),
            rejected: self.rejected.clone(),
            approvals: self.approvals.clone(),
            stopped: self.stop.as_ref().map(ToString::to_string),
            started: self.started,
            ended: self.ended,
        }
    }
}

fn told(report: &CycleReport, at: usize) -> Option<OperationReport> {
    let operation = report.operations().get(at)?;
    let kind = match operation.object {
        ObjectRef::User(_) => "user",
        ObjectRef::Group(_) => "group",
    };
    let changes = operation.changes();
    Some(OperationReport {
        op: operation.op(),
        lane: operation.lane,
        source_id: operation.object.id().to_string(),
        app_id: operation.app_id.as_ref().map(ToString::to_string),
        name: operation.name.clone(),
        kind: kind.to_owned(),
        names: report.names_of(&changes),
        changes,
        reason: operation.reason.to_string(),
        reason_code: operation.reason.code(),
        result: report.result(at),
        detail: report.obstacle(at).map(ToString::to_string),
        detail_code: report.obstacle(at).map(Obstacle::code),
    })
}

/// All operations, one at a time: a plan of a million is not copied to be printed.
struct OperationLines<'a>(&'a CycleReport);

impl Serialize for OperationLines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.0.operations().len();
        let mut seq = serializer.serialize_seq(Some(count))?;
        for line in (0..count).filter_map(|at| told(self.0, at)) {
            seq.serialize_element(&line)?;
        }
        seq.end()
    }
}

impl Serialize for CycleReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.telling(OperationLines(self)).serialize(serializer)
    }
}
