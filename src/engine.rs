//! A tenant made ready, connected and run once. In: a [`Tenant`]. Out: a [`Report`].
//!
//! The only place where a source, an app and a state meet; `cycle` sees them as traits. Knows no terminal and no schedule.

mod doctor;
mod errands;
mod explain;
mod import;
mod probe;
mod roll;

pub use doctor::{Checkup, Side, Spot};
pub use errands::{Retirement, Undone};
pub use explain::{Explained, Nobody};
pub use import::{Made, Making};
pub use probe::Probing;
pub use roll::{AppListing, Drifts};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use crate::apply::Repeat;
use crate::clock::Clock;
use crate::config::forms::AppAddress;
use crate::config::secret::{SecretError, Secrets};
use crate::config::tenant::{ApprovalTable, SecretRef};
use crate::cycle::{Ask, CycleError, Job, Report, Witness, cycle};
use crate::desired::{GroupNamer, PersonFilter, Scope};
use crate::errand::undo::NoSuchRun;
use crate::guard::Limits;
use crate::http::quota::Quotas;
use crate::http::{Observer, Secret, SetupError, Unobserved};
use crate::model::{ApprovalKind, Op, Path, TenantName};
use crate::plan::{Protected, Rules};
use crate::progress::Progress;
use crate::scim::{App, AppSettings, AppWrite};
use crate::source::file::FileSource;
use crate::source::jumpcloud::{self, JumpCloudSource};
use crate::source::ldap::LdapSource;
use crate::source::onelogin::{self, OneLoginSource};
use crate::source::{GroupRow, Source, SourceError};
use crate::store::{
    Mark, MemoryStore, Notice, ReadStore, SettingsMark, Sign, State, Store, StoreError, Trigger, View, mark_path,
    read_mark,
};
use crate::tenancy::Tenant;

/// Counts up when the same settings begin to lead to other decisions, so that nobody is taken for unchanged.
const DECISIONS: u64 = 2;

/// What somebody wants of one cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The token is no token.
    #[error("the token of the app: {0}")]
    Token(#[from] crate::http::SecretError),
    /// The directory can't be used as it is described.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cycle.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// The run that is to be taken back.
    #[error(transparent)]
    NoSuchRun(#[from] NoSuchRun),
    /// Nobody can be made in this directory.
    #[error("rosterd does not write to this directory ({0}); nobody was made")]
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
        mark: Mark,
    },
    /// The connection has ended.
    #[error("{tenant} is retired {mark}; nothing was read or sent")]
    Retired {
        /// The tenant.
        tenant: TenantName,
        /// Who, when, why.
        mark: Mark,
        /// The file that says so.
        file: PathBuf,
    },
}

impl EngineError {
    /// Whether a secret is missing, or directory or app refuse it: trying again with the same one does not help.
    pub fn is_credential(&self) -> bool {
        use crate::scim::Class;
        match self {
            Self::Secret(_) | Self::Token(_) => true,
            Self::Source(error) | Self::Cycle(CycleError::Source(error)) => error.is_credential(),
            Self::Cycle(CycleError::App(error)) => error.class == Class::Unauthorized,
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

/// One tenant, ready to run.
pub struct Engine {
    tenant: Arc<Tenant>,
    state_dir: PathBuf,
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
    /// A tenant whose state lies below `state_dir`.
    pub fn new(tenant: Arc<Tenant>, state_dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let observers = Observers { directory: Arc::new(Unobserved), app: Arc::new(Unobserved) };
        Self { tenant, state_dir, clock, quotas: Arc::default(), share: 100, observers }
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
    ) -> Result<(Report, Vec<Notice>), EngineError> {
        let name = &self.tenant.name;
        if !wish.dry_run {
            self.may_send()?;
        }
        let source = self.source()?;
        let app = self.app()?;
        if wish.dry_run {
            let report = match ReadStore::open(&self.state_dir, name)? {
                Some(state) => self.cycle(wish, source.as_ref(), &app, &state, None, progress, stop, None).await?,
                None => {
                    let state = MemoryStore::new(name, Arc::clone(&self.clock))?;
                    self.cycle(wish, source.as_ref(), &app, &state, None, progress, stop, None).await?
                }
            };
            return Ok((report, Vec::new()));
        }
        let (state, mut notices) = Store::open(&self.state_dir, name, "rosterd sync", Arc::clone(&self.clock))?;
        let report = self.cycle(wish, source.as_ref(), &app, &state, Some(&state), progress, stop, None).await?;
        notices.extend(state.take_notices());
        Ok((report, notices))
    }

    /// Whether the operator lets anything be sent. A pause that comes later ends the run before its next call.
    fn may_send(&self) -> Result<(), EngineError> {
        let (tenant, folder) = (self.tenant.name.clone(), self.state_dir.join(self.tenant.name.as_str()));
        if let Some(mark) = read_mark(&folder, Sign::Retired) {
            return Err(EngineError::Retired { tenant, mark, file: mark_path(&folder, Sign::Retired) });
        }
        match read_mark(&folder, Sign::Paused) {
            Some(mark) => Err(EngineError::Paused { tenant, mark }),
            None => Ok(()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the meeting place of everything; each is named once more in Job")]
    async fn cycle(
        &self,
        wish: &Wish,
        source: &dyn Source,
        app: &dyn AppWrite,
        state: &dyn View,
        ledger: Option<&dyn State>,
        progress: &dyn Progress,
        stop: &CancellationToken,
        witness: Option<&dyn Witness>,
    ) -> Result<Report, CycleError> {
        let tenant = &*self.tenant;
        let (accepts, group_name) = (self.acceptance(), self.group_naming());
        let job = Job {
            tenant: &tenant.name,
            source,
            app,
            state,
            ledger,
            scope: self.scope(&accepts, &group_name),
            rules: self.rules(),
            limits: self.limits(),
            sentinels: &tenant.file.scope.sentinels,
            in_flight: self.in_flight() as usize,
            repeat: Repeat::from(&tenant.profile),
            settings: self.settings_mark(),
            clock: self.clock.as_ref(),
            progress,
            stop,
            witness,
        };
        let trigger = wish.trigger.unwrap_or(Trigger::Command);
        let ask = Ask { trigger, expected_plan: wish.expected_plan.as_deref(), only: wish.only.as_deref() };
        cycle(&job, &ask).await
    }

    /// Whom the tenant's filter accepts.
    fn acceptance(&self) -> impl Fn(&serde_json::Map<String, serde_json::Value>) -> Result<bool, String> + '_ {
        |record| match &self.tenant.filter {
            Some(filter) => filter.accepts(record).map_err(|error| error.to_string()),
            None => Ok(true),
        }
    }

    /// How groups are named in the app.
    fn group_naming(&self) -> impl Fn(&GroupRow) -> Result<String, String> + '_ {
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
    /// When the secret can't be read, or the table can't work.
    pub fn source(&self) -> Result<Box<dyn Source>, EngineError> {
        let tables = &self.tenant.file.source;
        if let Some(table) = &tables.ldap {
            let password = Secrets::of_this_process().fetch(&table.password)?;
            return Ok(Box::new(LdapSource::from_table(table, password, &self.reads(), Arc::clone(&self.clock))?));
        }
        if let Some(table) = &tables.onelogin {
            let secret = token(&table.client_secret)?;
            let parts = onelogin::Parts {
                ca_pem: table.ca_file.as_ref().map(|path| read(path)).transpose()?,
                pacer: self
                    .quotas
                    .pacer(&table.address(), Some(&secret), &table.rate, table.in_flight)
                    .observed(Arc::clone(&self.observers.directory)),
                secret,
                wanted: self.tenant.groups.clone(),
                reads: self.reads(),
            };
            return Ok(Box::new(OneLoginSource::new(table, parts)?));
        }
        if let Some(table) = &tables.jumpcloud {
            let place = table.api_key.as_ref().or(table.client_secret.as_ref());
            // The file's check wants one of the two.
            let secret = place.map(token).transpose()?.ok_or(crate::http::SecretError::Empty)?;
            let parts = jumpcloud::Parts {
                ca_pem: table.ca_file.as_ref().map(|path| read(path)).transpose()?,
                pacer: self
                    .quotas
                    .pacer(table.api_url(), Some(&secret), &table.rate, table.in_flight)
                    .observed(Arc::clone(&self.observers.directory)),
                secret,
                wanted: self.tenant.groups.clone(),
                clock: Arc::clone(&self.clock),
            };
            return Ok(Box::new(JumpCloudSource::new(table, parts)?));
        }
        let table = tables.file.as_ref();
        let path = table.map(|table| table.path.clone()).unwrap_or_default();
        let delimiter = table.map_or(b',', |table| table.delimiter as u8);
        Ok(Box::new(FileSource::new(path, delimiter)))
    }

    /// The names that mappings and filters read of a record.
    fn reads(&self) -> Vec<String> {
        let mut reads: Vec<String> = self.tenant.mapping.attributes_read().iter().cloned().collect();
        reads.extend(self.tenant.filter.iter().flat_map(|filter| filter.attributes_read()).map(str::to_owned));
        reads
    }

    fn app(&self) -> Result<App, EngineError> {
        Ok(App::new(self.app_settings()?)?)
    }

    fn app_settings(&self) -> Result<AppSettings, EngineError> {
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
            allow_http_loopback: target.allow_http_loopback,
            seed: xxh3_64(self.tenant.name.as_str().as_bytes()),
        })
    }

    fn in_flight(&self) -> u32 {
        self.tenant.file.target.in_flight.unwrap_or(self.tenant.profile.pace.in_flight)
    }

    fn rules(&self) -> Rules<'_> {
        let tenant = &*self.tenant;
        let (users, groups) = (&tenant.file.users, &tenant.file.groups);
        Rules {
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

    fn limits(&self) -> Limits {
        let file = &self.tenant.file;
        Limits { ask_before: ask_before(file.approval), ..Limits::from(&file.guard) }
    }

    /// Fingerprints of what the operator wrote, to notice an edit.
    fn settings_mark(&self) -> SettingsMark {
        let tenant = &*self.tenant;
        let matched = tenant.profile.read.user_match.iter();
        let keys: Vec<_> = matched
            .map(|name| {
                (name, Path::parse(name).ok().and_then(|path| tenant.mapping.source_of(&path).map(str::to_owned)))
            })
            .collect();
        let ldap = tenant.file.source.ldap.as_ref().map(|table| (table.preset, &table.id_attribute));
        let adopt = tenant.profile.read.adopt;
        let base_url = &tenant.file.target.base_url;
        SettingsMark {
            all: self.settings_hash(),
            matching: xxh3_64(format!("{keys:?} {ldap:?} {adopt:?}").as_bytes()),
            // On loopback a port says nothing about which app it is.
            target: match base_url.parse::<AppAddress>() {
                Ok(address) if !address.is_loopback() => xxh3_64(address.url().as_str().as_bytes()),
                _ => 0,
            },
        }
    }

    /// Everything in the tenant file that decides over people: when it changes, everybody is compared anew.
    fn settings_hash(&self) -> u64 {
        let tenant = &*self.tenant;
        let file = &tenant.file;
        let text = format!(
            "{DECISIONS} {} {:?} {:?} {:?} {:?} {:?}",
            tenant.mapping.settings_fingerprint(),
            file.source.application(),
            file.scope,
            file.users,
            file.groups,
            tenant.profile
        );
        xxh3_64(text.as_bytes())
    }
}

fn ask_before(table: ApprovalTable) -> BTreeSet<Op> {
    let asked = |kind| match kind {
        ApprovalKind::Create => table.create,
        ApprovalKind::Adopt => table.adopt,
        ApprovalKind::Update => table.update,
        ApprovalKind::Activate => table.activate,
        ApprovalKind::Deactivate => table.deactivate,
        ApprovalKind::Delete => table.delete,
        ApprovalKind::Groups => table.groups,
        ApprovalKind::Memberships => table.memberships,
    };
    Op::ALL.into_iter().filter(|op| op.approval().is_some_and(asked)).collect()
}

fn token(place: &SecretRef) -> Result<Secret, EngineError> {
    Ok(Secret::new(Secrets::of_this_process().fetch(place)?.as_str())?)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, EngineError> {
    std::fs::read(path).map_err(|error| EngineError::File { path: path.display().to_string(), error })
}
