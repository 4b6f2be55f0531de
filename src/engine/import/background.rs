//! An import that goes on beside the runs of its tenant, for as long as it takes. In: an order. Out: a note of how it ended, a report.
//!
//! The accounts are read and chosen here, from the app: an order names them and holds no record. Before each create its intent is on the
//! disk, after it the result; a process that takes up an interrupted import tries nobody twice.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::ends::{Halt, ImportEnds, end_of, is_passing};
use super::{EarlierCreate, Maker, Unmade};
use crate::engine::{AppListing, Engine, EngineError, Turn};
use crate::model::{AppId, Attributes};
use crate::progress::Silent;
use crate::roll::{DirectoryStatus, ListedAccount, WayBack, choose};
use crate::source::{Source, SourceError};
use crate::store::{
    ImportEnd, ImportLease, ImportLog, ImportNote, ImportOrder, ImportPast, ImportResult, ImportState, ImportWait,
    Making, Sign, StoreError, TenantStore,
};

/// How often progress is written.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether a pause has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A side that does not answer is asked again for so long.
const ASK_FOR: Duration = Duration::from_secs(600);

/// The first and the longest wait before it is asked again.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One user to be created.
struct ImportRow {
    app_id: AppId,
    user_name: String,
    /// What the account holds; or why it is not created.
    attributes: Result<Attributes, String>,
}

impl Engine {
    /// Writes that an import waits for those of other tenants.
    pub fn import_waits(&self, order: &ImportOrder) {
        let note = self.state().amend_import_note(|note| {
            let note = note.filter(|note| note.id == order.id).unwrap_or_else(|| ImportNote::of(order));
            Some(ImportNote { waits_for: Some(ImportWait::OtherImports), ..note })
        });
        if let Err(error) = note {
            tracing::warn!(tenant = %self.tenant.name, %error, "the progress of the import could not be written");
        }
    }

    /// Carries an import to its end, beside the runs of the same tenant. Returns how it ended, as it is on the disk.
    pub async fn carry_import(&self, order: &ImportOrder, turn: &Turn, ends: &ImportEnds) -> ImportNote {
        let state = self.state();
        let before = state.import_note().unwrap_or_else(|error| {
            tracing::warn!(tenant = %self.tenant.name, %error, "could not read the progress of the import: it is counted again");
            None
        });
        let before = before.filter(|note| note.id == order.id);
        let note = ImportNote {
            started: before.as_ref().and_then(|note| note.started),
            resumed: before.as_ref().map_or(0, |note| note.resumed),
            ..ImportNote::of(order)
        };
        let mut work = ImportWork {
            engine: self,
            state,
            turn,
            ends,
            note,
            past: ImportPast::default(),
            log: None,
            leased: None,
            shown: None,
            since: None,
        };
        let ended = work.go(order).await;
        work.close(ended)
    }
}

struct ImportWork<'w> {
    engine: &'w Engine,
    state: TenantStore,
    turn: &'w Turn,
    ends: &'w ImportEnds,
    note: ImportNote,
    past: ImportPast,
    log: Option<ImportLog>,
    /// Held as long as this is there.
    leased: Option<ImportLease>,
    /// When progress was last written.
    shown: Option<Instant>,
    /// When this process began to create users, and how many had a result then.
    since: Option<(Instant, u64)>,
}

impl ImportWork<'_> {
    async fn go(&mut self, order: &ImportOrder) -> Result<(), Halt> {
        let (log, past) = ImportLog::open(&self.lock().await?)?;
        (self.log, self.past) = (Some(log), past);
        if self.past.chosen.is_some() {
            self.note.resumed += 1;
        }
        self.past.made.values().for_each(|making| self.note.count(making.result));
        if self.engine.tenant.fingerprint() != order.file {
            let why =
                "the tenant file was edited after the import was asked for, and may lead to another directory or app";
            return Err(Halt::Stopped(ImportEnd::FileEdited, why.to_owned()));
        }
        self.may_go_on().await?;
        self.show();
        let listing = self.listing().await?;
        let rows = self.rows(order, listing)?;
        self.note.total = Some(rows.len() as u64);
        self.note.state = ImportState::Creating;
        self.note.started = self.note.started.or_else(|| Some(self.engine.clock.now()));
        self.since = Some((Instant::now(), self.note.done));
        self.show();
        self.create_all(rows).await
    }

    /// Waits for an import of the same tenant that another process makes.
    async fn lock(&mut self) -> Result<ImportLease, Halt> {
        loop {
            match self.state.lease_imports("rosterd run: an import in the background") {
                Ok(leased) => {
                    (self.leased, self.note.waits_for) = (Some(leased.clone()), None);
                    return Ok(leased);
                }
                Err(StoreError::Busy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.waits(ImportWait::OtherImport);
            self.sleep(LOOK_EVERY).await?;
        }
    }

    /// Reads both sides; one that does not answer is asked again for a while.
    async fn listing(&mut self) -> Result<AppListing, Halt> {
        let mut patience = Patience::default();
        loop {
            let read = tokio::select! {
                biased;
                () = self.ends.over() => return Err(self.ends.halt()),
                read = self.engine.list_app(&Silent) => read,
            };
            match read {
                Ok(listing) => return Ok(listing),
                Err(error) if is_passing(&error) && patience.has_time() => self.ask_again(&mut patience).await?,
                Err(error) => return Err(Halt::Stopped(end_of(&error), error.to_string())),
            }
        }
    }

    /// The users to create: as they were chosen before an interruption, or now.
    fn rows(&mut self, order: &ImportOrder, listing: AppListing) -> Result<Vec<ImportRow>, Halt> {
        let AppListing { entries, attributes, .. } = listing;
        if self.past.chosen.is_none() {
            let chosen =
                choose(&entries, &order.choice).map_err(|error| Halt::Stopped(ImportEnd::Choice, error.to_string()))?;
            let named = |at: &usize| entries.get(*at).map(|entry| (entry.app_id.clone(), entry.user_name.clone()));
            let chosen: Vec<(AppId, String)> = chosen.places.iter().filter_map(named).collect();
            self.log()?.chosen(&chosen)?;
            self.past.chosen = Some(chosen);
        }
        let mut accounts: HashMap<AppId, (ListedAccount, Attributes)> =
            entries.into_iter().zip(attributes).map(|(entry, held)| (entry.app_id.clone(), (entry, held))).collect();
        let chosen = self.past.chosen.iter().flatten();
        let rows = chosen.map(|(app_id, user_name)| {
            let attributes = match accounts.remove(app_id) {
                None => Err("the account is no longer in the app".to_owned()),
                Some((entry, _)) if entry.status == DirectoryStatus::Conflicting => {
                    Err(format!("conflicts: {}", entry.detail))
                }
                Some((_, attributes)) => Ok(attributes),
            };
            ImportRow { app_id: app_id.clone(), user_name: user_name.clone(), attributes }
        });
        Ok(rows.collect())
    }

    async fn create_all(&mut self, rows: Vec<ImportRow>) -> Result<(), Halt> {
        let mut source = self.connect().await?;
        let back = self.engine.way_back();
        for row in rows {
            if self.past.made.contains_key(&row.app_id) {
                continue;
            }
            self.may_go_on().await?;
            self.wait_for_run().await?;
            let ended = self.create(&mut source, &back, &row).await;
            self.show_now_and_then();
            ended?;
        }
        Ok(())
    }

    /// Creates one user. A directory that does not answer is asked again for a while; a secret that it refuses is read once more, since
    /// it may have been exchanged.
    async fn create(&mut self, source: &mut Box<dyn Source>, back: &WayBack, row: &ImportRow) -> Result<(), Halt> {
        let attributes = match &row.attributes {
            Ok(attributes) => attributes,
            Err(why) => return self.made(row, ImportResult::Failed, None, why.clone()),
        };
        let before = if self.past.open.remove(&row.app_id) { EarlierCreate::MaybeSent } else { EarlierCreate::Nothing };
        let (mut patience, mut connected_again) = (Patience::default(), false);
        loop {
            let Some(people) = source.new_people() else {
                let why = EngineError::NotWritable(source.describe()).to_string();
                return Err(Halt::Stopped(ImportEnd::NotWritable, why));
            };
            let maker = Maker { people, back, stop: &self.ends.over, turn: Some(self.turn) };
            let log = self.log.as_mut().ok_or_else(no_log)?;
            let error = match maker.make(attributes, before, &mut || log.intent(&row.app_id)).await {
                Ok((result, id, detail)) => {
                    let detail = match result {
                        ImportResult::Created => self.engine.on_record(&row.app_id, &id, detail),
                        _ => detail,
                    };
                    return self.made(row, result, Some(id), detail);
                }
                Err(Unmade::Person(why)) => return self.made(row, ImportResult::Failed, None, why),
                Err(Unmade::Unlogged(error)) => return Err(error.into()),
                Err(Unmade::Stopped) => return Err(self.ends.halt()),
                Err(Unmade::Everybody(error)) => error,
            };
            if self.ends.over.is_cancelled() {
                return Err(self.ends.halt());
            }
            if matches!(error, SourceError::Refused(_)) && !connected_again {
                connected_again = true;
                *source = self.connect().await?;
                continue;
            }
            let error = EngineError::from(error);
            if is_passing(&error) && patience.has_time() {
                self.ask_again(&mut patience).await?;
                continue;
            }
            self.made(row, ImportResult::Failed, None, error.to_string())?;
            return Err(Halt::Stopped(end_of(&error), error.to_string()));
        }
    }

    async fn connect(&self) -> Result<Box<dyn Source>, Halt> {
        let connected = tokio::select! {
            biased;
            () = self.ends.over() => return Err(self.ends.halt()),
            connected = self.engine.source() => connected,
        };
        connected.map_err(|error| Halt::Stopped(end_of(&error), error.to_string()))
    }

    fn made(
        &mut self,
        row: &ImportRow,
        result: ImportResult,
        id: Option<crate::model::SourceId>,
        detail: String,
    ) -> Result<(), Halt> {
        let making = Making { result, app_id: row.app_id.clone(), user_name: row.user_name.clone(), id, detail };
        let logged = self.log()?.made(&making);
        self.note.count(result);
        self.past.made.insert(row.app_id.clone(), making);
        Ok(logged?)
    }

    fn log(&mut self) -> Result<&mut ImportLog, StoreError> {
        self.log.as_mut().ok_or_else(no_log)
    }

    /// Waits as long as the tenant is paused. An import ends when the tenant is retired.
    async fn may_go_on(&mut self) -> Result<(), Halt> {
        loop {
            if self.ends.over.is_cancelled() {
                return Err(self.ends.halt());
            }
            if let Some(mark) = self.state.mark(Sign::Retired) {
                return Err(Halt::Stopped(ImportEnd::Retired, format!("the tenant is retired {mark}")));
            }
            if self.state.mark(Sign::Paused).is_none() {
                self.goes_on();
                return Ok(());
            }
            self.waits(ImportWait::Pause);
            self.sleep(LOOK_EVERY).await?;
        }
    }

    async fn wait_for_run(&mut self) -> Result<(), Halt> {
        if self.turn.is_taken() {
            self.waits(ImportWait::Run);
            tokio::select! {
                biased;
                () = self.ends.over() => return Err(self.ends.halt()),
                call = self.turn.call() => drop(call),
            }
            self.goes_on();
        }
        Ok(())
    }

    async fn ask_again(&mut self, patience: &mut Patience) -> Result<(), Halt> {
        self.waits(ImportWait::Answer);
        self.sleep(patience.next()).await?;
        self.goes_on();
        Ok(())
    }

    async fn sleep(&self, time: Duration) -> Result<(), Halt> {
        tokio::select! {
            biased;
            () = self.ends.over() => Err(self.ends.halt()),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    fn waits(&mut self, what: ImportWait) {
        if self.note.waits_for != Some(what) {
            self.note.waits_for = Some(what);
            self.show();
        }
    }

    fn goes_on(&mut self) {
        if self.note.waits_for.take().is_some() {
            self.show();
        }
    }

    fn show_now_and_then(&mut self) {
        if self.shown.is_none_or(|shown| shown.elapsed() >= SHOW_EVERY) {
            self.show();
        }
    }

    /// Writes how far the import is. What can't be written now is written the next time: it is no record.
    fn show(&mut self) {
        self.shown = Some(Instant::now());
        self.measure();
        if let Err(error) = self.state.set_import_note(&self.note) {
            tracing::warn!(tenant = %self.engine.tenant.name, %error, "the progress of the import could not be written");
        }
    }

    fn measure(&mut self) {
        let Some((since, before)) = self.since else { return };
        let (seconds, done) = (since.elapsed().as_secs_f64(), self.note.done.saturating_sub(before));
        if done == 0 || seconds <= 0.0 {
            return;
        }
        let left = self.note.total.unwrap_or_default().saturating_sub(self.note.done);
        let each = seconds / done as f64;
        self.note.per_minute = Some((600.0 / each).round() / 10.0);
        self.note.seconds_left = Duration::try_from_secs_f64(each * left as f64).ok().map(|left| left.as_secs());
    }

    /// Writes the report and how the import ended.
    fn close(mut self, ended: Result<(), Halt>) -> ImportNote {
        self.note.waits_for = None;
        let (state, reason, error) = match ended {
            Ok(()) => (ImportState::Finished, None, None),
            Err(Halt::Interrupted) => {
                self.note.state = ImportState::Interrupted;
                self.show();
                return self.note;
            }
            Err(Halt::Stopped(reason, error)) => (ImportState::Stopped, Some(reason), Some(error)),
        };
        self.measure();
        let results = self.results();
        let not_tried = results.iter().filter(|making| making.result == ImportResult::NotTried).count() as u64;
        let ended = Some(self.engine.clock.now());
        self.note = ImportNote { state, reason, error, ended, not_tried, seconds_left: None, ..self.note };
        match self.state.report_import(&self.note, &results) {
            Ok(path) => self.note.report = Some(path),
            Err(error) => self.note.report_error = Some(error.to_string()),
        }
        self.show();
        // Without a report the log is what there is of it.
        let dropped = self.state.end_import().and_then(|()| match self.note.report {
            Some(_) => self.state.drop_import_log(),
            None => Ok(()),
        });
        if let Err(error) = dropped {
            tracing::error!(tenant = %self.engine.tenant.name, %error, "the import has ended, and what it left could not be removed");
        }
        self.note
    }

    /// What became of every user, in the order in which they were chosen.
    fn results(&mut self) -> Vec<Making> {
        let chosen = self.past.chosen.take().unwrap_or_default();
        let result = |(app_id, user_name): (AppId, String)| {
            self.past.made.remove(&app_id).unwrap_or_else(|| {
                let detail = "the import ended before".to_owned();
                Making { result: ImportResult::NotTried, app_id, user_name, id: None, detail }
            })
        };
        chosen.into_iter().map(result).collect()
    }
}

fn no_log() -> StoreError {
    StoreError::Refused("the import has no log".to_owned())
}

/// For how long a side that does not answer is asked again.
#[derive(Debug, Default)]
struct Patience {
    since: Option<Instant>,
    wait: Option<Duration>,
}

impl Patience {
    fn has_time(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() < ASK_FOR)
    }

    fn next(&mut self) -> Duration {
        self.since.get_or_insert_with(Instant::now);
        let wait = self.wait.map_or(FIRST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
        self.wait = Some(wait);
        wait
    }
}
