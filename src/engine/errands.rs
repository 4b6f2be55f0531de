//! What a person asks for beside the cycle, with a real app and a real state: undo and retire.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::apply::Repeat;
use crate::cycle::{CycleReport, RunWriter};
use crate::errand::history::History;
use crate::errand::retire::{self, RetirementAction};
use crate::errand::undo::{NoSuchRun, Reversal, find_run, reverse};
use crate::errand::{Approval, Errand, LeftAlone, Task, put_on_record};
use crate::progress::{Progress, Silent};
use crate::scim::AppRead;
use crate::store::{Baseline, Notice, Sign, State, StateView, TenantMark, Trigger};

/// A run taken back, or what that would come to.
#[derive(Debug)]
pub struct UndoReport {
    /// What it comes to.
    pub reversal: Reversal,
    /// When the run that is taken back began.
    pub started: Option<Timestamp>,
    /// The plan with the guard's word on it, or how it went.
    pub report: CycleReport,
    /// Calls of an interrupted run whose outcome is still to be found out: the plan may change by that.
    pub open_calls: usize,
    /// Whether the tenant is paused.
    pub paused: bool,
}

/// A connection that has ended, or what that would come to.
#[derive(Debug)]
pub struct Retirement {
    /// The deactivations, or how they went; `None` if the app is left as it is.
    pub report: Option<CycleReport>,
    /// Who is left alone.
    pub kept: Vec<LeftAlone>,
    /// How many people are linked.
    pub linked: u64,
}

impl Engine {
    /// What taking a run back would come to. Makes no call.
    ///
    /// # Errors
    /// When there is no such run, or the state can't be read.
    pub async fn preview_undo(&self, name: &str) -> Result<UndoReport, EngineError> {
        self.must_not_be_retired()?;
        self.must_know_addresses()?;
        let (app, stop) = (self.app().await?, CancellationToken::new());
        let Some(state) = self.state().read()? else {
            return Err(NoSuchRun::Unknown(name.to_owned()).into());
        };
        let (reversal, started) = self.reversal(name, &state)?;
        let report = self.errand(&app, &state, &Silent, &stop).preview(&state, reversal.task())?;
        let open_calls = state.open_intents().len();
        Ok(UndoReport { reversal, started, report, open_calls, paused: state.paused().is_some() })
    }

    /// Takes a run back, if that still comes to the plan that was shown. `approval` is somebody's word on what the guard holds of it.
    ///
    /// # Errors
    /// When there is no such run, the plan is another by now, or the state can't be written.
    pub async fn undo(
        &self,
        name: &str,
        shown: &str,
        approval: Approval,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<(UndoReport, Vec<Notice>), EngineError> {
        self.must_not_be_retired()?;
        self.must_know_addresses()?;
        let app = self.app().await?;
        let (state, mut notices) = self.state().open("rosterd undo", Arc::clone(&self.clock))?;
        self.expect(&app, &state);
        let errand = self.errand(&app, &state, progress, stop);
        let writer = RunWriter { app: &app, ledger: &state };
        let open_calls = errand.recover(writer, &self.neighbours()).await?;
        let (reversal, started) = self.reversal(name, &state)?;
        if reversal.plan.hash != shown {
            let (expected, now) = (shown.to_owned(), reversal.plan.hash);
            return Err(crate::cycle::CycleError::OtherPlan { expected, now }.into());
        }
        let report = errand.run(writer, Task { approval, ..reversal.task() }).await?;
        notices.extend(state.take_notices());
        let paused = state.paused().is_some();
        Ok((UndoReport { reversal, started, report, open_calls, paused }, notices))
    }

    fn reversal(&self, name: &str, state: &dyn StateView) -> Result<(Reversal, Option<Timestamp>), EngineError> {
        let journal = || self.state().records(1);
        let run = find_run(journal()?, name)?;
        let mut history = History::read(journal()?, &run)?;
        if !history.deleted.is_empty() || !history.released.is_empty() {
            history.name_the_gone(journal()?)?;
        }
        Ok((reverse(&mut history, &run, state, &self.rules())?, history.started))
    }

    /// What ending the connection would come to. Makes no call.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn preview_retirement(&self, fate: RetirementAction) -> Result<Retirement, EngineError> {
        let Some(state) = self.state().read()? else {
            return Ok(Retirement { report: None, kept: Vec::new(), linked: 0 });
        };
        let linked = state.counts()?.users;
        if fate == RetirementAction::Leave {
            return Ok(Retirement { report: None, kept: Vec::new(), linked });
        }
        self.must_know_addresses()?;
        let (app, stop) = (self.app().await?, CancellationToken::new());
        let (plan, kept) = retire::deactivate_all(&state, &self.rules())?;
        let report = self.errand(&app, &state, &Silent, &stop).preview(&state, retire::task(plan, ""))?;
        Ok(Retirement { report: Some(report), kept, linked })
    }

    /// Ends the connection: from here on no sync sends anything. What could not be switched off is tried again by doing it
    /// again.
    ///
    /// # Errors
    /// When the app can't be reached at all, or the state can't be written.
    pub async fn retire(
        &self,
        fate: RetirementAction,
        mark: &TenantMark,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<(Retirement, Vec<Notice>), EngineError> {
        // The app is left as it is: its token may be gone already.
        let app = match fate {
            RetirementAction::Deactivate => {
                self.must_know_addresses()?;
                Some(self.app().await?)
            }
            RetirementAction::Leave => None,
        };
        let (state, mut notices) = self.state().open("rosterd retire", Arc::clone(&self.clock))?;
        let linked = state.counts()?.users;
        let Some(app) = app else {
            self.state().set_mark(Sign::Retired, mark)?;
            let (name, note) = (&self.tenant.name, retire::note(&mark.who(), fate));
            let weighing = self.weighing(&state);
            let guard = weighing.policy.recorded(false);
            put_on_record(&state, name, Trigger::Retire, note, guard, self.clock.as_ref()).await?;
            return Ok((Retirement { report: None, kept: Vec::new(), linked }, notices));
        };
        self.expect(&app, &state);
        let errand = self.errand(&app, &state, progress, stop);
        let writer = RunWriter { app: &app, ledger: &state };
        errand.recover(writer, &self.neighbours()).await?;
        // First the mark: a crash in what follows must not let the next sync switch everybody on again.
        self.state().set_mark(Sign::Retired, mark)?;
        let (plan, kept) = retire::deactivate_all(&state, &self.rules())?;
        let report = errand.run(writer, retire::task(plan, &mark.who())).await?;
        notices.extend(state.take_notices());
        Ok((Retirement { report: Some(report), kept, linked }, notices))
    }

    pub(super) fn errand<'a>(
        &'a self,
        reader: &'a dyn AppRead,
        state: &dyn StateView,
        progress: &'a dyn Progress,
        stop: &'a CancellationToken,
    ) -> Errand<'a> {
        let weighing = self.weighing(state);
        Errand {
            tenant: &self.tenant.name,
            reader,
            rules: self.rules(),
            limits: Engine::limits(&weighing),
            policy: weighing.policy,
            in_flight: self.in_flight() as usize,
            repeat: Repeat::from(&self.tenant.profile),
            clock: self.clock.as_ref(),
            progress,
            stop,
        }
    }
}
