//! Who has to approve what, and how far that is. In: the tenant file, what the last run was judged by, and decisions. Out: the guard's limits, the
//! rule, and what decisions come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{Engine, EngineError};
use crate::config::tenant::{AdoptApproval, ApprovalTable};
use crate::guard::GuardLimits;
use crate::guard::settings::{self, Weighing};
use crate::model::{ApprovalKind, Op, RunId};
use crate::store::{ApprovalRule, Approvals, Decision, StateView, Weighed};

impl Engine {
    /// Guard and approvals as the tenant file has them, beside those of the last run.
    pub(super) fn weighing(&self, state: &dyn StateView) -> Weighing {
        let file = &self.tenant.file;
        let mut weighing = settings::weigh(&file.guard, &file.approval, &file.scope, state.last_guard().as_ref());
        weighing.policy.rule.editors = self.tenant.editors(&self.state());
        weighing
    }

    pub(super) fn limits(weighing: &Weighing) -> GuardLimits {
        GuardLimits {
            adopt: weighing.approval.adopt,
            first_sync: weighing.approval.first_sync,
            ..settings::limits(&weighing.guard, ask_before(weighing.approval))
        }
    }

    /// Who has to approve what is held of this tenant, as the next run will ask.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn approval_rule(&self) -> Result<ApprovalRule, EngineError> {
        Ok(self.weighing(&self.state().read_or_new()?).policy.rule)
    }

    /// How far the approvals of a plan are, where more than one person has to approve.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn approvals(&self, plan: &str) -> Result<Option<Approvals>, EngineError> {
        let rule = self.approval_rule()?;
        if rule.people() == 1 {
            return Ok(None);
        }
        let state = self.state().read()?;
        let decisions = state.map(|state| state.decisions(plan)).transpose()?.unwrap_or_default();
        let given = match rule.weigh(&decisions) {
            Weighed::Approved(given) | Weighed::Waiting(given) => given.iter().map(Decision::who).collect(),
            Weighed::Undecided | Weighed::Rejected(_) => Vec::new(),
        };
        Ok(Some(Approvals { people: rule.people(), given }))
    }

    /// What decisions on a plan come to, with one more beside those that are on the disk.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn weigh_with(&self, decision: Decision) -> Result<Weighed, EngineError> {
        let rule = self.approval_rule()?;
        let state = self.state().read()?;
        let mut decisions = state.map(|state| state.decisions(&decision.plan)).transpose()?.unwrap_or_default();
        decisions.push(decision);
        Ok(rule.weigh(&decisions))
    }

    /// Puts approvals of an undo into the journal at once, between two runs; a run that is under way does it at its end.
    ///
    /// # Errors
    /// When another process works on the tenant, or the journal can't be written.
    pub async fn note_approvals_of_undo(&self) -> Result<(), EngineError> {
        let (state, _notices) = self.state().open("rosterd run", Arc::clone(&self.clock))?;
        Ok(state.note_approvals_of_undo(&RunId::new(Uuid::now_v7().to_string())).await?)
    }

    /// Keeps an approval of an undo's plan until another person has added theirs.
    ///
    /// # Errors
    /// When it can't be written down.
    pub fn keep_approval_of_undo(&self, decision: &Decision) -> Result<(), EngineError> {
        Ok(self.state().decide_on_undo(decision)?)
    }
}

fn ask_before(table: ApprovalTable) -> BTreeSet<Op> {
    // Adoptions have a hold of their own, which knows whose account it is.
    let always = table.adopt == AdoptApproval::Always;
    let asked = |kind| match kind {
        ApprovalKind::Create => table.create,
        ApprovalKind::Adopt => always,
        ApprovalKind::Update => table.update,
        ApprovalKind::Activate => table.activate,
        ApprovalKind::Deactivate => table.deactivate,
        ApprovalKind::Delete => table.delete,
        ApprovalKind::Groups => table.groups,
        ApprovalKind::Memberships => table.memberships,
    };
    Op::ALL.into_iter().filter(|op| *op != Op::AdoptUser && op.approval().is_some_and(asked)).collect()
}
