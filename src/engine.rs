//! A tenant made ready, connected and run once. In: a [`Tenant`]. Out: a [`CycleReport`].
//!
//! The only place where a source, an app and a state meet; `cycle` sees them as traits. Knows no terminal and no schedule.

mod approvals;
mod connect;
mod doctor;
mod doctor_accounts;
mod doctor_duplicates;
mod doctor_network;
mod errands;
mod error;
mod explain;
mod fingerprint;
mod first_look;
mod import;
mod probe;
mod roll;
mod second_token;

pub use doctor::{Checkup, Side, Spot};
pub use errands::{Retirement, UndoReport};
pub use error::EngineError;
pub use explain::{Explained, Nobody};
pub use import::{ImportEnds, ImportResult, Making, RunTurn, Turn};
pub use probe::Probing;
pub use roll::{AppListing, Drifts};
pub use second_token::{SecondTokenNote, second_token};

use std::sync::Arc;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::apply::Repeat;
use crate::clock::Clock;
use crate::config::addresses::{AddressChange, Addresses};
use crate::config::forms::Period;
use crate::cycle::{Ask, CycleError, CycleJob, CycleReport, RunWriter, Witness, address_changes, cycle, preview};
use crate::desired::{GroupNamer, PersonFilter, Scope};
use crate::http::quota::Quotas;
use crate::http::{Observer, Unobserved};
use crate::plan::{Protected, TenantRules};
use crate::progress::Progress;
use crate::scim::{App, AppRead};
use crate::source::{SnapshotGroup, Source};
use crate::store::{Neighbours, Notice, OnThisMachine, Sign, State as _, StateView, Stores, TenantStore, Trigger};
use crate::tenancy::Tenant;
use crate::time_limit::TimeLimit;
use fingerprint::settings_mark;

/// What somebody wants of one cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Stop before anything is sent.
    pub dry_run: bool,
    /// Only this person, by directory id or user name.
    pub only: Option<String>,
    /// Only this plan may be carried out.
    pub expected_plan: Option<String>,
    /// Who asks; a command, if nobody says otherwise.
    pub trigger: Option<Trigger>,
}

impl Wish {
    /// What the cycle is asked, by a command unless the wish names another trigger.
    fn ask(&self) -> Ask<'_> {
        let trigger = self.trigger.unwrap_or(Trigger::Command);
        Ask { trigger, expected_plan: self.expected_plan.as_deref(), only: self.only.as_deref() }
    }
}

/// One tenant, ready to run.
#[derive(Clone)]
pub struct Engine {
    tenant: Arc<Tenant>,
    stores: Stores,
    clock: Arc<dyn Clock>,
    quotas: Arc<Quotas>,
    /// How much of the app's rate may be used, in percent.
    share: u8,
    observers: Observers,
}

/// Who hears of the calls of a run.
#[derive(Clone)]
pub struct Observers {
    /// Of those to the directory.
    pub directory: Arc<dyn Observer>,
    /// Of those to the app.
    pub app: Arc<dyn Observer>,
}

impl Engine {
    /// A tenant whose state is one of `stores`.
    pub fn new(tenant: Arc<Tenant>, stores: Stores, clock: Arc<dyn Clock>) -> Self {
        let observers = Observers { directory: Arc::new(Unobserved), app: Arc::new(Unobserved) };
        Self { tenant, stores, clock, quotas: Arc::default(), share: 100, observers }
    }

    /// The same, drawing on the quotas of other tenants that call the same directory or app as the same client.
    #[must_use]
    pub fn sharing(self, quotas: Arc<Quotas>) -> Self {
        Self { quotas, ..self }
    }

    /// The same, with a share of the app's rate.
    #[must_use]
    pub fn with_rate_share(self, percent: u8) -> Self {
        Self { share: percent, ..self }
    }

    /// The same, with somebody who hears of its calls.
    #[must_use]
    pub fn observed(self, observers: Observers) -> Self {
        Self { observers, ..self }
    }

    /// Runs one cycle. What was found and mended in the state comes with the report.
    ///
    /// # Errors
    /// When it came to no plan; nothing was sent then.
    pub async fn run(
        &self,
        wish: &Wish,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<(CycleReport, Vec<Notice>), EngineError> {
        if !wish.dry_run {
            self.may_send()?;
        }
        let (source, app) = self.both_sides(stop).await?;
        if wish.dry_run {
            let state = self.state().read_or_new()?;
            let report = self.preview(wish, source.as_ref(), &app, &state, progress, stop, None).await?;
            return Ok((report, Vec::new()));
        }
        let (state, mut notices) = self.state().open("rosterd sync", Arc::clone(&self.clock))?;
        let (accepts, group_name) = (self.acceptance(), self.group_naming());
        let scope = self.scope(&accepts, &group_name);
        self.expect(&app, &state);
        let (neighbours, addresses) = (self.neighbours(), Addresses::of(&self.tenant.file));
        let job = self.job(scope, source.as_ref(), &app, &state, progress, stop, None, &neighbours, &addresses);
        let writer = RunWriter { app: &app, ledger: &state };
        let ended = cycle(&job, writer, &wish.ask()).await;
        let noted = self.note_key_in_use(&app, state.notes());
        let report = ended?;
        noted?;
        state.note_approvals_of_undo(&report.run).await?;
        notices.extend(state.take_notices());
        Ok((report, notices))
    }

    /// Whether the operator lets anything be sent. A pause that comes later ends the run before its next call.
    fn may_send(&self) -> Result<(), EngineError> {
        self.must_not_be_retired()?;
        match self.state().mark(Sign::Paused) {
            Some(mark) => Err(EngineError::Paused { tenant: self.tenant.name.clone(), mark: Box::new(mark) }),
            None => Ok(()),
        }
    }

    /// A connection that has ended is left alone.
    fn must_not_be_retired(&self) -> Result<(), EngineError> {
        let (tenant, state) = (self.tenant.name.clone(), self.state());
        match state.mark(Sign::Retired) {
            Some(mark) => {
                let file = state.mark_place(Sign::Retired);
                Err(EngineError::Retired { tenant, mark: Box::new(mark), file })
            }
            None => Ok(()),
        }
    }

    /// The tenant's state.
    fn state(&self) -> TenantStore {
        self.stores.tenant(&self.tenant.name)
    }

    /// The sides that would send a credential to an address other than the last run's (S-9). Reads the state alone.
    fn address_changes(&self) -> Result<Vec<AddressChange>, EngineError> {
        let Some(state) = self.state().read()? else { return Ok(Vec::new()) };
        Ok(address_changes(&Addresses::of(&self.tenant.file), settings_mark(&self.tenant), &state))
    }

    /// Beside a run nothing is sent to a changed address: the next sync asks for approval.
    fn must_know_addresses(&self) -> Result<(), EngineError> {
        match self.address_changes()?.into_iter().next() {
            Some(change) => Err(EngineError::Moved { tenant: self.tenant.name.clone(), change }),
            None => Ok(()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the meeting place of everything; each is named once more in Job")]
    async fn preview(
        &self,
        wish: &Wish,
        source: &dyn Source,
        app: &App,
        state: &dyn StateView,
        progress: &dyn Progress,
        stop: &CancellationToken,
        witness: Option<&dyn Witness>,
    ) -> Result<CycleReport, CycleError> {
        let (accepts, group_name) = (self.acceptance(), self.group_naming());
        let scope = self.scope(&accepts, &group_name);
        self.expect(app, state);
        let (neighbours, addresses) = (self.neighbours(), Addresses::of(&self.tenant.file));
        let job = self.job(scope, source, app, state, progress, stop, witness, &neighbours, &addresses);
        preview(&job, &wish.ask()).await
    }

    #[expect(clippy::too_many_arguments, reason = "the meeting place of everything; each is named once more in Job")]
    fn job<'a>(
        &'a self,
        scope: Scope<'a>,
        source: &'a dyn Source,
        reader: &'a dyn AppRead,
        state: &'a dyn StateView,
        progress: &'a dyn Progress,
        stop: &'a CancellationToken,
        witness: Option<&'a dyn Witness>,
        neighbours: &'a dyn Neighbours,
        addresses: &'a Addresses,
    ) -> CycleJob<'a> {
        let tenant = &*self.tenant;
        let weighing = self.weighing(state);
        CycleJob {
            tenant: &tenant.name,
            source,
            reader,
            state,
            scope,
            rules: self.rules(),
            limits: Self::limits(&weighing),
            policy: weighing.policy,
            sentinels: &tenant.file.scope.sentinels,
            time_limit: self.time_limit(state),
            in_flight: self.in_flight() as usize,
            repeat: Repeat::from(&tenant.profile),
            settings: settings_mark(tenant),
            addresses,
            clock: self.clock.as_ref(),
            progress,
            stop,
            neighbours,
            witness,
        }
    }

    /// What lies beside the tenant's own state.
    fn neighbours(&self) -> OnThisMachine {
        let others = self.tenant.same_app.clone();
        OnThisMachine::new(self.stores.clone(), self.tenant.name.clone(), others)
    }

    /// Whom the tenant's filter accepts.
    fn acceptance(&self) -> impl Fn(&serde_json::Map<String, serde_json::Value>) -> Result<bool, String> + '_ {
        |record| match &self.tenant.filter {
            Some(filter) => filter.accepts(record).map_err(|error| error.to_string()),
            None => Ok(true),
        }
    }

    /// How groups are named in the app.
    fn group_naming(&self) -> impl Fn(&SnapshotGroup) -> Result<String, String> + '_ {
        |group| {
            let record = serde_json::from_str(&group.record).unwrap_or_default();
            let named = self.tenant.group_name.apply(group.id.as_str(), &group.name, &record);
            named.map_err(|error| error.to_string())
        }
    }

    fn scope<'a>(&'a self, accepts: &'a PersonFilter<'a>, group_name: &'a GroupNamer<'a>) -> Scope<'a> {
        Scope {
            groups: self.tenant.groups.as_deref(),
            narrows: self.tenant.file.source.binds_application(),
            all_users: self.tenant.file.scope.all_users,
            nested: self.tenant.file.scope.nested,
            filter: self.tenant.filter.is_some().then_some(accepts),
            group_name,
        }
    }

    /// How long a reading of the directory may take.
    fn time_limit(&self, state: &dyn StateView) -> TimeLimit {
        let configured = self.tenant.profile.read.time_limit.map(Period::duration);
        // The time that it took last says most; what it must take at the rate of now says how much that can grow.
        let needed = state.last_counts().map(|counts| {
            let taken = state.last_reading().unwrap_or_default().min(TimeLimit::UNKNOWN / 3);
            let rated = self.tenant.file.source.pace().map(|(page_size, between)| {
                let rows = counts.users.saturating_add(counts.groups).saturating_add(counts.memberships);
                let pages = rows.div_ceil(u64::from(page_size).max(1)).saturating_add(counts.groups).saturating_add(1);
                TimeLimit::of_pages(pages, between)
            });
            taken.max(rated.unwrap_or_default())
        });
        TimeLimit::new(configured, needed)
    }

    /// How long a reading of the directory may take of which nothing is known.
    fn first_time_limit(&self) -> TimeLimit {
        TimeLimit::new(self.tenant.profile.read.time_limit.map(Period::duration), None)
    }

    /// Tells the app's client how large the lists are that it will read.
    fn expect(&self, app: &App, state: &dyn StateView) {
        let rate = self.tenant.file.target.rate.as_ref().unwrap_or(&self.tenant.profile.pace.rate);
        let between = rate.between_reads().saturating_mul(100) / u32::from(self.share.max(1));
        app.expect(state.last_counts(), between);
    }

    fn in_flight(&self) -> u32 {
        self.tenant.file.target.in_flight.unwrap_or(self.tenant.profile.pace.in_flight)
    }

    fn rules(&self) -> TenantRules<'_> {
        let tenant = &*self.tenant;
        let (users, groups) = (&tenant.file.users, &tenant.file.groups);
        TenantRules {
            mapping: &tenant.mapping,
            profile: &tenant.profile,
            on_suspended: users.on_suspended,
            on_unassigned: users.on_unassigned,
            on_deleted: users.on_deleted,
            delete_after: users
                .delete_after
                .map(|period| SignedDuration::try_from(period.duration()).unwrap_or(SignedDuration::MAX)),
            on_immutable_change: users.on_immutable_change.unwrap_or(tenant.profile.users.on_immutable_change),
            adopted: users.adopted,
            manage_groups: groups.manage,
            create_empty: groups.create_empty,
            adopt_groups: groups.adopt,
            on_group_unassigned: groups.on_unassigned,
            on_group_deleted: groups.on_deleted,
            protected: Protected::new(tenant.file.scope.protect.iter().map(String::as_str)),
        }
    }
}
