//! The stages of a run, in the order of design decision 5: the leavers first, then the whole plan. It takes what the directory wants and what the
//! state knows, and returns the index for the next quiet cycle.

use super::{
    Ask, CycleError, CycleJob, CycleReport, Early, RunWriter, Sight, evidence, index, is_done, meanwhile, missing,
    names_in, observe, time, undone,
};
use crate::apply::Turns;
use crate::desired::Desired;
use crate::guard::{self, Cleared, Facts};
use crate::model::{HoldCode, HoldReason, Lane, Op};
use crate::plan::{self, Answers, Operation, Plan, Survey, TenantLinks};
use crate::store::{FirstSync, IndexDraft, StoreError};

impl CycleJob<'_> {
    /// The stages of a run, in the order of design decision 5: the leavers, then everything. Gives the index for the next quiet cycle.
    pub(super) async fn stages(
        &self,
        writer: Option<RunWriter<'_>>,
        desired: &Desired<'_>,
        links: &TenantLinks,
        survey: &Survey,
        ask: &Ask<'_>,
        report: &mut CycleReport,
    ) -> Result<Option<IndexDraft>, CycleError> {
        let mut early = Early::default();
        let leavers_first = self.may_go_in_stages(writer, ask)?;
        if let Some(writer) = leavers_first {
            let plan = plan::suspended(desired, survey, self.state, &self.rules, report.started)?;
            let facts = self.facts(desired, &plan)?;
            let nobody_is_absent = observe::Again::nobody(self.source);
            Box::pin(self.leavers(writer, plan, &facts, &nobody_is_absent, ask, &mut early, report)).await?;
        }
        let mut answers = Answers::default();
        if report.stop.is_none() {
            self.unless_stopped(observe::ask_directory(self, survey, &mut answers)).await?;
            answers.proven_gone = evidence::proven_gone(self, &survey.absent, &answers.absent);
        }
        if let Some(writer) = leavers_first.filter(|_| report.stop.is_none() && may_have_leavers(desired, survey)) {
            let (absent, failed) = (&answers.absent, &early.failed);
            let plan = plan::confirmed(desired, survey, absent, self.state, &self.rules, failed, report.started)?;
            let proven = evidence::proven_gone(self, &survey.absent, absent);
            let facts = Facts {
                strangers: strangers(survey),
                missing: missing(survey),
                dangling: evidence::dangling(self, desired, &survey.named, &proven, &plan)?,
                ..self.facts(desired, &plan)?
            };
            let again = observe::Again::new(self.source, survey, &answers);
            Box::pin(self.leavers(writer, plan, &facts, &again, ask, &mut early, report)).await?;
        }
        match report.stop {
            Some(_) => Ok(None),
            None => Box::pin(self.the_whole_plan(writer, desired, links, survey, answers, ask, &early, report)).await,
        }
    }

    /// What can write, if this run may send its leavers before the rest is planned: a plan that was shown or approved runs as one.
    fn may_go_in_stages<'w>(
        &self,
        writer: Option<RunWriter<'w>>,
        ask: &Ask<'_>,
    ) -> Result<Option<RunWriter<'w>>, StoreError> {
        let waits = self.policy.loosened.as_ref().is_some_and(|loosened| loosened.holds_all);
        let waits = waits || self.holds_first_sync(ask);
        let whole = ask.only.is_some() || ask.expected_plan.is_some() || waits || self.state.is_approval_waiting()?;
        Ok(writer.filter(|_| !whole))
    }

    /// Asks the app what is not known yet, plans, and carries the plan out. Gives the index for the next quiet cycle.
    #[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it found out")]
    async fn the_whole_plan(
        &self,
        writer: Option<RunWriter<'_>>,
        desired: &Desired<'_>,
        links: &TenantLinks,
        survey: &Survey,
        mut answers: Answers,
        ask: &Ask<'_>,
        early: &Early,
        report: &mut CycleReport,
    ) -> Result<Option<IndexDraft>, CycleError> {
        self.unless_stopped(observe::ask_app(self, desired, survey, &mut answers)).await?;
        if !survey.newcomers.is_empty() {
            self.unless_stopped(self.ask_own_account(writer, &report.run)).await?;
        }
        if let Some(witness) = self.witness {
            witness.see(&Sight { desired, questions: Some((survey, &answers)) });
        }
        let (state, rules) = (self.state, &self.rules);
        let plan = plan::plan(desired, survey, &answers, links, state, rules, &early.failed, report.started)?;
        let notes = undone::UndoNotes::of(self.state, desired)?;
        let plan = notes.set_apart(plan);
        let plan = match ask.only {
            Some(person) => plan.only(person),
            None => plan,
        };
        if let Some(expected) = ask.expected_plan.filter(|expected| *expected != plan.hash) {
            return Err(CycleError::OtherPlan { expected: expected.to_owned(), now: plan.hash });
        }
        tracing::info!(plan = plan.hash, planned = plan.operations.len(), "plan made");
        report.names = names_in(&plan, state, Some(desired.snapshot))?;
        time::ask(self, &plan).await;
        let first_sync = self.holds_first_sync(ask);
        let facts = Facts {
            first_sync,
            strangers: strangers(survey),
            missing: missing(survey),
            loosened: self.policy.loosened.clone(),
            lost_signs: evidence::lost_signs(self, desired.snapshot),
            dangling: evidence::dangling(self, desired, &survey.named, &answers.proven_gone, &plan)?,
            ..self.facts(desired, &plan)?
        };
        let cleared = self.judge(writer, plan, &facts, report).await?;
        let holds_it = |hold: &HoldReason| hold.code() == HoldCode::FirstSync;
        if first_sync && !cleared.plan().operations.is_empty() && !cleared.holds().iter().any(holds_it) {
            report.first_sync = Some(FirstSync::Done);
        }
        report.judged = Some(self.clock.now());
        report.set_aside = survey.waiting.len() as u64;
        let ledger = writer.map(|writer| writer.ledger);
        evidence::keep(self, ledger, desired, links, &cleared, &facts, ask, report)?;
        let Some(writer) = writer else {
            report.preview(cleared, self.reader.stats(), self.clock.now());
            return Ok(None);
        };
        let again = observe::Again::new(self.source, survey, &answers);
        let turns = Turns::default();
        let applying = self.apply(writer, &cleared, &facts, &report.run, ask.trigger, &again, &turns);
        let (outcome, meanwhile) = match self.may_go_in_stages(Some(writer), ask)? {
            Some(writer) => {
                meanwhile::look_for_leavers(self, writer, survey, ask, &report.run, &turns, applying).await?
            }
            None => (applying.await?, Vec::new()),
        };
        let mut index = None;
        if index::nothing_is_left(self, desired, survey, links, &cleared)? {
            report.quiet_at = desired.snapshot.mark().cloned();
        }
        if ask.only.is_none() {
            self.settle(writer.ledger, &report.run, survey, &cleared, &outcome, early).await?;
            if !cleared.is_all_held() {
                notes.settle(self, writer.ledger, &report.run, cleared.plan(), survey).await?;
            }
            if !early.compare_again && meanwhile.is_empty() {
                index = index::draft(self, desired, links, survey, &cleared, &outcome)?;
            }
        }
        for (leavers, outcome) in meanwhile {
            report.applied(leavers, outcome);
        }
        report.applied(cleared, outcome);
        Ok(index)
    }

    /// What the guard clears of a plan's leavers; `None` if that is nothing.
    pub(super) fn cleared_leavers(&self, plan: Plan, facts: &Facts) -> Option<Cleared> {
        let mut judged = guard::check(plan, facts, &self.limits);
        // What waited for a time is left to the whole plan, before which the app is asked for the time.
        let waits = |operation: &Operation| facts.delete_waits && operation.op() == Op::DeleteUser;
        judged.restrict(|operation| operation.lane == Lane::Leavers && !waits(operation));
        if judged.is_all_held() {
            return None;
        }
        // Judged once more as a plan of its own: only what the guard has cleared can be applied.
        let cleared = guard::check(judged.into_allowed(), facts, &self.limits);
        (!cleared.plan().operations.is_empty()).then_some(cleared)
    }

    /// Carries out what the guard clears of a plan's first stage. What it holds is left to the whole plan, which is held for it.
    ///
    /// The plan may hold more than its leavers: the guard judges by all of it whether the reading can be believed.
    #[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it found out")]
    async fn leavers(
        &self,
        writer: RunWriter<'_>,
        plan: Plan,
        facts: &Facts,
        again: &observe::Again<'_>,
        ask: &Ask<'_>,
        early: &mut Early,
        report: &mut CycleReport,
    ) -> Result<(), StoreError> {
        let Some(cleared) = self.cleared_leavers(plan, facts) else { return Ok(()) };
        let turns = Turns::default();
        let outcome = self.apply(writer, &cleared, facts, &report.run, ask.trigger, again, &turns).await?;
        let operations = cleared.plan().operations.iter().enumerate();
        let failed = operations.filter(|(at, _)| !is_done(&outcome, *at));
        early.failed.extend(failed.map(|(_, operation)| operation.object.id().clone()));
        early.compare_again |= index::must_compare_again(self, &cleared, &outcome);
        report.applied(cleared, outcome);
        Ok(())
    }
}

/// Users who belong and whom the state does not know.
fn strangers(survey: &Survey) -> u64 {
    survey.newcomers.len() as u64
}

/// Whether a survey found anybody who may end with no access, beside those whom the directory calls suspended.
fn may_have_leavers(desired: &Desired<'_>, survey: &Survey) -> bool {
    !survey.absent.is_empty() || survey.linked.iter().any(|user| !desired.is_assigned(*user))
}
