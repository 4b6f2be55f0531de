//! A tenant made ready, connected and run once. In: a [`Tenant`]. Out: a [`CycleReport`].
//!
//! The only place where a source, an app and a state meet; `cycle` sees them as traits. Knows no terminal and no schedule.

mod doctor;
mod doctor_accounts;
mod doctor_duplicates;
mod errands;
mod explain;
mod fingerprint;
mod import;
mod probe;
mod roll;

pub use doctor::{Checkup, Side, Spot};
pub use errands::{Retirement, UndoReport};
pub use explain::{Explained, Nobody};
pub use import::{ImportEnds, ImportResult, Making, RunTurn, Turn};
pub use probe::Probing;
pub use roll::{AppListing, Drifts};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::apply::Repeat;
use crate::bounded::{self, Overdue};
use crate::clock::Clock;
use crate::config::addresses::{AddressChange, Addresses};
use crate::config::ca;
use crate::config::forms::Period;
use crate::config::secret::{SecretError, Secrets};
use crate::config::tenant::{AdoptApproval, ApprovalTable, SecretRef};
use crate::cycle::{Ask, CycleError, CycleJob, CycleReport, RunWriter, Witness, address_changes, cycle, preview};
use crate::desired::{GroupNamer, PersonFilter, Scope};
use crate::errand::undo::NoSuchRun;
use crate::guard::GuardLimits;
use crate::guard::settings::{self, Weighing};
use crate::http::quota::Quotas;
use crate::http::{Network, NetworkError, Observer, Secret, SetupError, Unobserved};
use crate::model::{ApprovalKind, Op, RunId, TenantName};
use crate::plan::{Protected, TenantRules};
use crate::progress::Progress;
use crate::scim::{App, AppRead, AppSettings};
use crate::source::kind::{self, Connect, ConnectError};
use crate::source::{SnapshotGroup, Source, SourceError};
use crate::store::{
    ApprovalRule, Approvals, Decision, Neighbours, Notice, OnThisMachine, Sign, State as _, StateView, StoreError,
    Stores, TenantMark, TenantStore, Trigger, Weighed,
};
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

/// Why a tenant could not be run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A connection could not even be prepared.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A file that the tenant names could not be read.
    #[error("reading {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file that the tenant names does not answer.
    #[error("{0}; nothing was read or sent")]
    Overdue(#[from] Overdue),
    /// The token is no token.
    #[error("the token of the app: {0}")]
    Token(#[from] crate::http::InvalidSecret),
    /// The proxy can't be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The directory can't be used as it is described.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The connection to the directory could not be prepared.
    #[error(transparent)]
    Directory(ConnectError),
    /// The cycle.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// The run that is to be taken back.
    #[error(transparent)]
    NoSuchRun(#[from] NoSuchRun),
    /// Nobody can be made in this directory.
    #[error("rosterd does not write to this directory ({0}); no user was created")]
    NotWritable(String),
    /// Somebody stopped it.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// Somebody asked that nothing be sent.
    #[error("{tenant} is paused {mark}; nothing was read or sent")]
    Paused {
        /// The tenant.
        tenant: TenantName,
        /// Who, when, why.
        mark: Box<TenantMark>,
    },
    /// A credential would go to an address that is not the last run's.
    #[error("{}; no request was made and no credential was sent", .change.in_words())]
    Moved {
        /// The tenant.
        tenant: TenantName,
        /// What changed.
        change: AddressChange,
    },
    /// The connection has ended.
    #[error("{tenant} is retired {mark}; nothing was read or sent")]
    Retired {
        /// The tenant.
        tenant: TenantName,
        /// Who, when, why.
        mark: Box<TenantMark>,
        /// The file that says so, for people.
        file: String,
    },
}

impl EngineError {
    /// Whether a secret is missing, or directory or app refuse it: trying again with the same one does not help.
    pub fn is_credential(&self) -> bool {
        use crate::scim::FailureClass;
        match self {
            Self::Secret(_) | Self::Token(_) => true,
            Self::Source(error) | Self::Cycle(CycleError::Source(error)) => error.is_credential(),
            Self::Cycle(CycleError::App(error)) => error.class == FailureClass::Unauthorized,
            _ => false,
        }
    }

    /// Whether it ended because somebody asked for the end.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Cycle(CycleError::Stopped))
    }

    /// Whether another process works on the tenant.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Cycle(CycleError::Store(StoreError::Busy { .. })))
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Cycle(error.into())
    }
}

/// The longest that secrets and certificates of a tenant may take to be read.
const PREPARE_LIMIT: Duration = Duration::from_secs(20);

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
        let report = cycle(&job, writer, &wish.ask()).await?;
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

    /// The directory, connected anew with the secret as it is now.
    ///
    /// # Errors
    /// When the secret can't be read, or the table can't work, or a file that it names does not answer in time.
    pub async fn source(&self) -> Result<Box<dyn Source>, EngineError> {
        self.aside(Self::source_now).await
    }

    /// Directory and app, unless the run is asked to end before they are prepared.
    async fn both_sides(&self, stop: &CancellationToken) -> Result<(Box<dyn Source>, App), EngineError> {
        let prepare = async { Ok((self.source().await?, self.app().await?)) };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(EngineError::Interrupted),
            both = prepare => both,
        }
    }

    /// Prepares a connection where that may take its time: secrets and certificates are files, which may lie on a share that hangs.
    async fn aside<T: Send + 'static>(
        &self,
        prepare: impl FnOnce(&Self) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (engine, subject) = (self.clone(), self.tenant.files());
        bounded::run(&subject, PREPARE_LIMIT, move || prepare(&engine)).await?
    }

    fn source_now(&self) -> Result<Box<dyn Source>, EngineError> {
        let tables = &self.tenant.file.source;
        let Some((kind, _)) = kind::of(tables) else { return Err(SourceError::no_table("…").into()) };
        let context = Connect {
            wanted: self.tenant.groups.clone(),
            reads: self.reads(),
            clock: Arc::clone(&self.clock),
            quotas: &self.quotas,
            observer: Arc::clone(&self.observers.directory),
            network: Network::load(&self.tenant.directory_network(), &Secrets::of_this_process())?,
        };
        Ok(kind.connect(tables, context)?)
    }

    fn reads(&self) -> Vec<String> {
        let mut reads: Vec<String> = self.tenant.mapping.attributes_read().iter().cloned().collect();
        reads.extend(self.tenant.filter.iter().flat_map(|filter| filter.attributes_read()).map(str::to_owned));
        reads
    }

    async fn app(&self) -> Result<App, EngineError> {
        self.aside(|engine| Ok(App::new(engine.app_settings_now()?)?)).await
    }

    async fn app_settings(&self) -> Result<AppSettings, EngineError> {
        self.aside(Self::app_settings_now).await
    }

    fn app_settings_now(&self) -> Result<AppSettings, EngineError> {
        let target = &self.tenant.file.target;
        let profile = &self.tenant.profile;
        let token = target.token.as_ref().map(token).transpose()?;
        let ca_pem = target.ca_file.as_ref().map(|path| read(path)).transpose()?;
        let rate = target.rate.as_ref().unwrap_or(&profile.pace.rate);
        let rate = if self.share < 100 { &rate.share(self.share) } else { rate };
        Ok(AppSettings {
            profile: profile.clone(),
            base_url: target.base_url.clone(),
            pacer: self
                .quotas
                .pacer(&target.base_url, token.as_ref(), rate, self.in_flight())
                .observed(Arc::clone(&self.observers.app)),
            token,
            ca_pem,
            network: Network::load(&self.tenant.app_network(), &Secrets::of_this_process())?,
            allow_http_loopback: target.allow_http_loopback,
            seed: xxh3_64(self.tenant.name.as_str().as_bytes()),
        })
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

    /// Guard and approvals as the tenant file has them, beside those of the last run.
    fn weighing(&self, state: &dyn StateView) -> Weighing {
        let file = &self.tenant.file;
        let mut weighing = settings::weigh(&file.guard, &file.approval, &file.scope, state.last_guard().as_ref());
        weighing.policy.rule.editors = self.tenant.editors(&self.state());
        weighing
    }

    fn limits(weighing: &Weighing) -> GuardLimits {
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

impl From<ConnectError> for EngineError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Secret(error) => Self::Secret(error),
            ConnectError::Setup(error) => Self::Setup(error),
            ConnectError::File { path, error } => Self::File { path, error },
            ConnectError::Source(error) => Self::Source(error),
            error @ ConnectError::Token(_) => Self::Directory(error),
        }
    }
}

fn token(place: &SecretRef) -> Result<Secret, EngineError> {
    Ok(Secret::new(Secrets::of_this_process().fetch(place)?.as_str())?)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, EngineError> {
    ca::read(path).map_err(|error| EngineError::File { path: path.display().to_string(), error })
}
