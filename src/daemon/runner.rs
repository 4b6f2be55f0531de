//! How a tenant is run once. In: a tenant, an order or none. Out: how it ended.
//!
//! What the loop needs of it is the [`Runner`]; the real one goes through the engine, with what tenants share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::book::RunEnd;
use super::control::{ControlRefusal, ControlReply, RunOrder};
use super::drift;
use super::trouble::{Cause, RunContext};
use crate::apply::RunStop;
use crate::bounded;
use crate::clock::Clock;
use crate::config::secret::Secrets;
use crate::cycle::CycleReport;
use crate::engine::{Engine, EngineError, ImportEnds, Turn, Wish};
use crate::http::quota::Quotas;
use crate::model::{HoldCode, RunStatus, TenantName, TenantState};
use crate::progress::{Progress, Silent};
use crate::source::{FeedHint, Source};
use crate::store::{ImportNote, ImportOrder, Notice, Stores, Trigger};
use crate::telemetry::Telemetry;
use crate::tenancy::{Credentials, SecretsMark, Tenant};

/// The longest that the secrets of a tenant may take to be looked at before a run.
const SECRETS_LIMIT: Duration = Duration::from_secs(10);

/// So many imports are carried at a time, each of another tenant.
const IMPORTS_AT_ONCE: usize = 4;

/// How a tenant is run once.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs a tenant to its end, by its schedule or because somebody ordered it; `stop` asks for an early end.
    async fn run(&self, tenant: Arc<Tenant>, order: Option<RunOrder>, stop: &CancellationToken) -> RunEnd;

    /// What the directory's change feed tells since then; `None` if it could not be asked. Reads only.
    async fn hint(&self, tenant: Arc<Tenant>, since: Timestamp) -> Option<FeedHint>;

    /// Carries an import to its end, or until `ends` says so. Returns how it ended.
    async fn import(&self, tenant: Arc<Tenant>, order: ImportOrder, ends: &ImportEnds) -> ImportNote;

    /// The tenant's secrets as they are now; `None` if they can't be told apart.
    fn secrets(&self, _tenant: &Tenant) -> Option<SecretsMark> {
        None
    }
}

/// A tenant as it was loaded, and its directory.
type Connected = (Arc<Tenant>, Arc<dyn Source>);

/// Runs tenants through the engine.
pub struct EngineRunner {
    stores: Stores,
    clock: Arc<dyn Clock>,
    /// How a failure is told to a person: the command line's business.
    words: fn(EngineError) -> ControlRefusal,
    /// Directories whose feeds are asked, each as long as its tenant's file stays the same: a feed repeats itself, and only
    /// who asked before knows what is news.
    feeds: Mutex<HashMap<TenantName, Connected>>,
    /// What tenants of one directory or app account share.
    quotas: Arc<Quotas>,
    telemetry: Arc<Telemetry>,
    /// What runs and imports of a tenant share.
    turns: Mutex<HashMap<TenantName, Arc<Turn>>>,
    /// Places for imports.
    imports: Semaphore,
}

impl EngineRunner {
    /// A runner for tenants whose state is one of `stores`.
    pub fn new(
        stores: Stores,
        clock: Arc<dyn Clock>,
        words: fn(EngineError) -> ControlRefusal,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            stores,
            clock,
            words,
            feeds: Mutex::default(),
            quotas: Arc::default(),
            telemetry,
            turns: Mutex::default(),
            imports: Semaphore::new(IMPORTS_AT_ONCE),
        }
    }

    fn turn(&self, tenant: &TenantName) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of tenants that do nothing now are made again when they are needed.
        turns.retain(|name, turn| name == tenant || Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(tenant.clone()).or_default())
    }

    fn engine(&self, tenant: Arc<Tenant>) -> Engine {
        let observers = self.telemetry.observers(tenant.name.as_str());
        let engine = Engine::new(tenant, self.stores.clone(), Arc::clone(&self.clock));
        engine.sharing(Arc::clone(&self.quotas)).observed(observers)
    }

    /// Compares the app with what was last known of it, if that is due. Says whether the next run has to repair something.
    async fn has_to_repair(&self, tenant: &Arc<Tenant>, stop: &CancellationToken) -> bool {
        let state = self.stores.tenant(&tenant.name);
        let known_since = || Some(state.records(1).ok()?.next()?.ok()?.at);
        if !drift::is_due(tenant, &state, self.clock.now(), known_since) {
            return false;
        }
        let engine = self.engine(Arc::clone(tenant)).with_rate_share(tenant.file.drift.rate_share_percent);
        drift::compare(&engine, tenant, &state, || self.clock.now(), stop).await
    }

    async fn feed(&self, tenant: &Arc<Tenant>) -> Result<Arc<dyn Source>, EngineError> {
        let known = {
            let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
            let of_tenant = feeds.get(&tenant.name).filter(|(of, _)| Arc::ptr_eq(of, tenant));
            of_tenant.map(|(_, source)| Arc::clone(source))
        };
        if let Some(source) = known {
            return Ok(source);
        }
        // Not under the lock: other tenants' feeds do not wait for files of this one.
        let source: Arc<dyn Source> = self.engine(Arc::clone(tenant)).source().await?.into();
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.insert(tenant.name.clone(), (Arc::clone(tenant), Arc::clone(&source)));
        Ok(source)
    }
}

impl RunEnd {
    fn of_run(result: &Result<(CycleReport, Vec<Notice>), EngineError>) -> Self {
        match result {
            Ok((report, notices)) => {
                notices.iter().for_each(|notice| tracing::warn!(%notice, "the state was repaired"));
                Self::of(report)
            }
            Err(error) => Self::without_report(error),
        }
    }

    fn of(report: &CycleReport) -> Self {
        let standing = match report.status() {
            RunStatus::Held if only_adopts(report) => TenantState::AdoptOnly,
            status => status.into(),
        };
        let held = report.holds.first().map(|hold| format!("{}: {hold}", hold.code()));
        let note = report.stop.as_ref().map(ToString::to_string).or(held).unwrap_or_default();
        let cause = matches!(report.stop, Some(RunStop::Target(_))).then_some(Cause::Credential);
        Self { standing, note, about: RunContext { cause, ..RunContext::default() } }
    }

    fn without_report(error: &EngineError) -> Self {
        let standing = match error {
            EngineError::Paused { .. } => TenantState::Paused,
            EngineError::Retired { .. } => TenantState::Retired,
            error if error.is_busy() => TenantState::Busy,
            error if error.is_stopped() => TenantState::Partial,
            _ => TenantState::Failing,
        };
        let cause = error.is_credential().then_some(Cause::Credential);
        Self { standing, note: error.to_string(), about: RunContext { cause, ..RunContext::default() } }
    }
}

#[async_trait]
impl Runner for EngineRunner {
    async fn run(&self, tenant: Arc<Tenant>, order: Option<RunOrder>, stop: &CancellationToken) -> RunEnd {
        // Before the run: a secret that is exchanged meanwhile shall be seen to have changed.
        let files = tenant.files();
        let credentials = bounded::run(&files, SECRETS_LIMIT, {
            let tenant = Arc::clone(&tenant);
            move || tenant.credentials(&Secrets::of_this_process())
        });
        let credentials = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            credentials = credentials => credentials.ok(),
        };
        let turn = self.turn(&tenant.name);
        let _turn = turn.run().await;
        let engine = self.engine(Arc::clone(&tenant));
        let watch = self.telemetry.run(tenant.name.as_str());
        let scheduled = Wish { trigger: Some(Trigger::Schedule), ..Wish::default() };
        let (wish, progress): (&Wish, &dyn Progress) = match &order {
            Some(order) => (&order.wish, &order.caller),
            None => (&scheduled, &Silent),
        };
        let result = engine.run(wish, &watch.beside(progress), stop).await;
        watch.ended(result.as_ref().map(|(report, _)| report));
        let mut ended = RunEnd::of_run(&result);
        if order.is_none() && ended.standing == TenantState::Ok && self.has_to_repair(&tenant, stop).await {
            let watch = self.telemetry.run(tenant.name.as_str());
            let repaired = engine.run(wish, &watch, stop).await;
            watch.ended(repaired.as_ref().map(|(report, _)| report));
            ended = RunEnd::of_run(&repaired);
        }
        if ended.about.cause == Some(Cause::Credential) {
            tenant.secrets().for_each(|(_, place)| Secrets::forget(place));
        }
        let about = match credentials {
            Some(Credentials { mark, expiries }) => RunContext { mark: Some(mark), expiries, ..ended.about },
            // They did not answer, as the run has said, which needs them too.
            None => ended.about,
        };
        let ended = RunEnd { about, ..ended };
        if let Some(RunOrder { listed, caller, .. }) = order {
            caller.answer(match result {
                Ok((report, notices)) => ControlReply::Ran {
                    report: Box::new(report.told(listed)),
                    notices: notices.iter().map(ToString::to_string).collect(),
                },
                Err(error) => ControlReply::Refused((self.words)(error)),
            });
        }
        ended
    }

    async fn hint(&self, tenant: Arc<Tenant>, since: Timestamp) -> Option<FeedHint> {
        let hint = match self.feed(&tenant).await {
            Ok(source) => source.hint(since).await.ok(),
            Err(_) => None,
        };
        if hint.is_none() {
            tracing::debug!(tenant = %tenant.name, "could not read the change feed");
            // The secret may have changed: the next time it is read anew.
            self.feeds.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant.name);
        }
        hint
    }

    async fn import(&self, tenant: Arc<Tenant>, order: ImportOrder, ends: &ImportEnds) -> ImportNote {
        let turn = self.turn(&tenant.name);
        let engine = self.engine(tenant);
        let place = match self.imports.try_acquire() {
            Ok(place) => Some(place),
            Err(_) => {
                engine.import_waits(&order);
                tokio::select! {
                    biased;
                    () = ends.over() => None,
                    place = self.imports.acquire() => place.ok(),
                }
            }
        };
        let note = engine.carry_import(&order, &turn, ends).await;
        drop(place);
        note
    }

    fn secrets(&self, tenant: &Tenant) -> Option<SecretsMark> {
        Some(tenant.credentials(&Secrets::of_this_process()).mark)
    }
}

/// Whether what is held is held for nothing but that the state is new or in doubt: the next run goes on by itself.
fn only_adopts(report: &CycleReport) -> bool {
    !report.holds.is_empty() && report.holds.iter().all(|hold| hold.code() == HoldCode::AdoptOnly)
}
