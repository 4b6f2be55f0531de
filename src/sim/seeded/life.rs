//! One world: its two sides, its state on a disk, and what happens to it, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::checks::{Before, owner};
use super::edits::{self, Fresh};
use super::kinds::{Kind, Kinds};
use super::unkind::Unkind;
use crate::apply::Repeat;
use crate::clock::Clock;
use crate::cycle::{Ask, CycleError, CycleJob, CycleReport, RunWriter, cycle};
use crate::fail::power;
use crate::http::retry::Backoff;
use crate::model::{AppId, Obstacle, Op, OpOutcome, Path, RunStatus as Status, TenantName, fold};
use crate::plan::{Blocked, Operation};
use crate::progress::Silent;
use crate::scim::FailureClass;
use crate::sim::dice::Dice;
use crate::sim::{Directory, Fault, Group, Quirk, SimApp, SimClock, SimSource, Tenant, command};
use crate::store::{
    Alone, Baseline as _, Decision, DecisionVerdict, Notice, SimDisk, StateView as _, Store, Stores, TenantStore,
    Trigger,
};
use crate::time_limit::TimeLimit;

/// So many lines of the journal are told of a world that broke a promise.
const TOLD: usize = 60;

/// A world at one moment.
pub(super) struct Life {
    pub(super) kinds: Kinds,
    pub(super) source: SimSource,
    pub(super) app: SimApp,
    pub(super) tenant: Tenant,
    pub(super) clock: Arc<SimClock>,
    pub(super) name: TenantName,
    pub(super) home: TempDir,
    /// Who lost access by rosterd's hand, and when.
    pub(super) lost: BTreeMap<String, Timestamp>,
    /// Who lost a membership, and counted for that.
    pub(super) touched: BTreeMap<String, Timestamp>,
    /// Who had an account when the state was lost: whoever left since, nobody can know of.
    pub(super) forgotten: BTreeSet<String>,
    /// Groups that were let go in an app that shows no members: who was left in them nobody can know.
    pub(super) let_go: BTreeSet<String>,
    /// Whether an approval waits to be used.
    pub(super) approved: bool,
    /// In worlds whose app refuses new accounts most of the time: what it answers is drawn by these.
    refusing: Option<Dice>,
    /// Whether no call fails by chance.
    pub(super) is_calm: bool,
    /// In some worlds: strangers' accounts that newcomers are named like, and an app whose answers to creates mislead.
    odd: Option<Dice>,
    /// In some worlds: groups that swap names, and group management that is switched off and on.
    switches: Option<Dice>,
    /// In some worlds: habits and events that no promise expects.
    unkind: Option<Unkind>,
    disk: SimDisk,
    store: Option<Store>,
    dice: Dice,
    fresh: Fresh,
    earlier: Directory,
    /// What the next reading meets.
    quirk: Option<Quirk>,
    told: Vec<String>,
    talks: bool,
}

impl Life {
    pub(super) fn new(seed: u64, talks: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut fresh = Fresh::default();
        let kinds = Kinds::draw(&mut dice);
        let directory = edits::beginning(&mut dice, &mut fresh);
        let mut life = Self { fresh, talks, dice, ..Self::of(seed, kinds, directory) };
        life.tell(format!("{kinds:?}"));
        // Dice of their own: every other world stays the one that its seed has always been.
        life.odd = (seed % 7 == 5).then(|| Dice::new(seed ^ 0x7A6E));
        life.switches = (seed % 11 == 3).then(|| Dice::new(seed ^ 0x5A4B));
        life.unkind = Unkind::of(seed);
        if let Some(habits) = life.unkind.as_mut().map(|unkind| unkind.begin(&life.app, kinds.app != Kind::Blind)) {
            life.tell(habits);
        }
        life.first_day();
        life
    }

    /// The world of a seed, with an app that refuses new accounts most of the time.
    pub(super) fn refusing(seed: u64, talks: bool) -> Self {
        let life = Self { refusing: Some(Dice::new(seed ^ 0xC4EA)), ..Self::new(seed, talks) };
        // That leavers lose access is asked of an app that does what it answers.
        life.app.behave(|manners| manners.habits.retain(|habit| !habit.is_a_lie()));
        life
    }

    /// Whether the app refuses every new account now.
    pub(super) fn refuses_creates(&self) -> bool {
        self.app.manners().refuses_creates.is_some()
    }

    /// Licences are used up, or there are some again.
    fn change_licences(&mut self) {
        let Some(dice) = &mut self.refusing else { return };
        if !dice.chance(30) {
            return;
        }
        let fault = match dice.below(9) {
            0 | 1 => None,
            2 => Some(Fault::refused(FailureClass::Forbidden, 403)),
            3 => Some(Fault::refused(FailureClass::Invalid, 400)),
            4 => Some(Fault::refused(FailureClass::Conflict, 409)),
            5 => Some(Fault::lost()),
            6 => Some(Fault::server(503)),
            _ => Some(Fault::server(500)),
        };
        let told = format!("creates are answered with {fault:?}");
        self.app.behave(|manners| manners.refuses_creates = fault);
        self.tell(told);
    }

    /// A world that begins like this.
    pub(super) fn of(seed: u64, kinds: Kinds, directory: Directory) -> Self {
        let clock = Arc::new(SimClock::flowing());
        let app = SimApp::default();
        app.keep_time(&clock);
        kinds.behave(&app);
        let fast = std::path::Path::new("/dev/shm");
        let home = if fast.is_dir() { TempDir::new_in(fast) } else { TempDir::new() };
        Self {
            kinds,
            app,
            tenant: kinds.tenant(),
            clock,
            name: TenantName::parse("acme").unwrap(),
            home: home.unwrap(),
            lost: BTreeMap::new(),
            touched: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            let_go: BTreeSet::new(),
            approved: false,
            refusing: None,
            is_calm: true,
            odd: None,
            switches: None,
            unkind: None,
            disk: SimDisk::default(),
            store: None,
            earlier: directory.clone(),
            source: SimSource::new(directory),
            dice: Dice::new(seed),
            fresh: Fresh::default(),
            quirk: None,
            told: Vec::new(),
            talks: false,
        }
    }

    /// Some have accounts already, and there are guests.
    fn first_day(&mut self) {
        let ids: Vec<String> = self.source.copy().users.into_keys().collect();
        for id in ids {
            if self.dice.chance(20) {
                self.app.has_user(&format!("{id}@x.test"), true);
            }
        }
        let guest = self.app.has_user("guest@y.test", true);
        self.app.has_group("guests", &[&guest]);
    }

    /// What has happened.
    pub(super) fn story(&self) -> String {
        self.told.join("\n")
    }

    #[allow(clippy::print_stdout, reason = "a replay tells what happens")]
    pub(super) fn tell(&mut self, what: impl Into<String>) {
        let what = what.into().replace(&*self.home.path().to_string_lossy(), "state");
        if self.talks {
            println!("{what}");
        }
        self.told.push(what);
    }

    /// What rosterd wrote down in the last cycle and since.
    pub(super) fn tell_journal(&mut self) {
        let Ok(written) = self.state().records(1) else { return };
        let lines: Vec<String> =
            written.map(|record| format!("  {:?}", record.map(|record| (record.seq, record.event)))).collect();
        lines.iter().skip(lines.len().saturating_sub(TOLD)).for_each(|line| self.tell(line.as_str()));
    }

    pub(super) fn store(&self) -> &Store {
        self.store.as_ref().expect("the state is open between steps")
    }

    /// A whole life: `steps` of chance, the end of all faults, and quiet.
    pub(super) async fn live(&mut self, steps: u32) -> Result<(), String> {
        self.begin().await?;
        for step in 0..steps {
            self.tell(format!("-- step {step}"));
            self.step().await?;
        }
        self.settle().await
    }

    /// The state is made.
    pub(super) async fn begin(&mut self) -> Result<(), String> {
        power::on(None);
        self.open(&[Notice::New])
    }

    async fn step(&mut self) -> Result<(), String> {
        self.change_licences();
        if let Some(mut odd) = self.odd.take() {
            if odd.chance(25) {
                let what = edits::odd_app(&self.app, &mut odd, &self.fresh, self.kinds.external_id);
                self.tell(what);
            }
            self.odd = Some(odd);
        }
        if let Some(mut switches) = self.switches.take() {
            self.switch(&mut switches);
            self.switches = Some(switches);
        }
        if let Some(unkind) = &mut self.unkind {
            let (app, fresh) = (&self.app, &self.fresh);
            let mut what = None;
            self.source.edit(|dir| what = unkind.strike(dir, app, fresh));
            what.into_iter().for_each(|what| self.tell(what));
        }
        match self.dice.below(100) {
            0..46 => {
                let (dice, fresh) = (&mut self.dice, &mut self.fresh);
                let mut what = String::new();
                self.source.edit(|dir| what = edits::directory(dir, dice, fresh));
                self.tell(what);
            }
            46..68 => self.run().await?,
            68..78 => self.crash().await?,
            78..83 => self.decide(),
            83..86 => {
                let (dice, fresh, app) = (&mut self.dice, &mut self.fresh, &self.app);
                let mut what = String::new();
                self.source.edit(|dir| what = edits::by_hand(app, dir, dice, fresh));
                self.tell(what);
            }
            86..91 => self.weather(),
            91..94 => {
                let hours = 1 + self.dice.below(30);
                self.clock.pass(SignedDuration::from_hours(hours as i64));
                self.tell(format!("{hours} hours pass"));
            }
            94..96 => {
                self.earlier = self.source.copy();
                self.reopen(&[])?;
            }
            96 => self.lose_a_file()?,
            97..99 => self.full_disk().await?,
            _ => self.lose_state()?,
        }
        Ok(())
    }

    /// Two groups swap their names, or group management is switched.
    fn switch(&mut self, dice: &mut Dice) {
        if dice.chance(15) {
            let mut what = None;
            self.source.edit(|dir| what = edits::swap_names(dir, dice));
            if let Some(what) = what {
                self.tell(what);
            }
        }
        if dice.chance(8) {
            self.manage_groups(!self.tenant.manage_groups);
        }
    }

    fn manage_groups(&mut self, on: bool) {
        self.tenant.manage_groups = on;
        self.tenant.settings.all += 1;
        self.tell(format!("group management is {}", if on { "on" } else { "off" }));
    }

    /// Another network, another reading.
    fn weather(&mut self) {
        let percent = *self.dice.pick(&[0, 0, 10, 30, 60]).unwrap();
        let reach = self.kinds.reach(&mut self.dice);
        let seed = self.dice.roll();
        self.is_calm = percent == 0;
        self.app.noise_in(reach, seed, percent);
        self.quirk = match self.dice.below(8) {
            0 => Some(Quirk::Short(30 + self.dice.below(70))),
            1 => Some(Quirk::Stale(Box::new(self.earlier.clone()))),
            2 => Some(Quirk::Shifts(self.dice.below(12) as usize)),
            3 => Some(Quirk::Announces(1 + self.dice.below(9))),
            4 => Some(Quirk::Breaks),
            5 => Some(Quirk::Throttles),
            _ => None,
        };
        let quirk = match &self.quirk {
            Some(Quirk::Stale(_)) => "Stale".to_owned(),
            quirk => format!("{quirk:?}"),
        };
        self.tell(format!("{percent} % of {reach:?} fail, the next reading meets {quirk}"));
    }

    fn decide(&mut self) {
        let Ok(Some(held)) = self.state().held() else { return };
        let verdict = if self.dice.chance(80) { DecisionVerdict::Approve } else { DecisionVerdict::Reject };
        self.tell(format!("held is {:?}", held.holds));
        self.decide_on(held.plan, verdict);
    }

    fn decide_on(&mut self, plan: String, verdict: DecisionVerdict) {
        self.tell(format!("{verdict:?} {plan}"));
        let (at, by, reason) = (self.clock.now(), "ann".to_owned(), "as discussed".to_owned());
        let expires = at.checked_add(SignedDuration::from_hours(24)).unwrap();
        self.state().decide(&Decision { plan, verdict, by, identity: None, reason, at, expires }).unwrap();
        self.approved |= verdict == DecisionVerdict::Approve;
    }

    /// A cycle; `None` if the process was killed in it.
    async fn cycle(&mut self, trigger: Trigger) -> Option<Result<CycleReport, CycleError>> {
        self.app.forget_calls();
        self.app.is_asked_by(&self.tenant.profile);
        self.source.spoil(self.quirk.take());
        let stop = CancellationToken::new();
        let ask = Ask { trigger, ..command() };
        let store = self.store.as_ref().expect("the state is open between steps");
        let job = CycleJob {
            tenant: &self.name,
            source: &self.source,
            reader: &self.app,
            state: store,
            scope: self.tenant.scope(),
            rules: self.tenant.rules(),
            limits: self.tenant.limits.lock().unwrap().clone(),
            policy: self.tenant.policy.clone(),
            sentinels: &[],
            time_limit: TimeLimit::new(None, None),
            in_flight: 3,
            repeat: Repeat {
                attempts: 3,
                backoff: Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) },
                breaker_failures: 8,
                settles_after: Duration::from_secs(self.tenant.profile.read.settles_after_s.into()),
            },
            settings: self.tenant.settings,
            addresses: &self.tenant.addresses,
            clock: &*self.clock,
            progress: &Silent,
            stop: &stop,
            neighbours: &Alone,
            witness: None,
        };
        let ended = until_killed(cycle(&job, RunWriter { app: &self.app, ledger: store }, &ask)).await;
        self.approved &= self.store().is_approval_waiting().unwrap_or(true);
        ended
    }

    fn tell_cycle(&mut self, ended: Option<&Result<CycleReport, CycleError>>) {
        let how = match ended {
            None => "killed".to_owned(),
            Some(Err(error)) => error.to_string(),
            Some(Ok(report)) => brief(report),
        };
        let calls: Vec<String> = self.app.calls().iter().map(|call| format!("{} {}", call.name, call.about)).collect();
        self.tell(format!("cycle: {how}; calls {calls:?}"));
    }

    async fn run(&mut self) -> Result<(), String> {
        let trigger = if self.dice.chance(50) { Trigger::Command } else { Trigger::Schedule };
        self.run_by(trigger).await
    }

    /// A cycle as somebody asks for it.
    pub(super) async fn sync(&mut self) -> Result<(), String> {
        self.run_by(Trigger::Command).await
    }

    async fn run_by(&mut self, trigger: Trigger) -> Result<(), String> {
        let before = Before::see(self, self.quirk.as_ref());
        let ended = self.cycle(trigger).await;
        self.tell_cycle(ended.as_ref());
        before.compare(self, ended.as_ref())?;
        let minutes = 1 + self.dice.below(20);
        self.clock.pass(SignedDuration::from_mins(minutes as i64));
        Ok(())
    }

    /// The process is killed in the middle of a cycle, or the power goes.
    async fn crash(&mut self) -> Result<(), String> {
        let far = if self.dice.chance(70) { 40 } else { 200 };
        let at = 1 + self.dice.below(far);
        let power_cut = self.dice.chance(50);
        self.crash_at(at, power_cut).await.map(drop)
    }

    /// As [`Life::crash`], at a certain point; says which one that was.
    pub(super) async fn crash_at(&mut self, at: u64, power_cut: bool) -> Result<Option<&'static str>, String> {
        let before = Before::see(self, self.quirk.as_ref());
        power::on(Some(at));
        let ended = self.cycle(Trigger::Command).await;
        let cut = power::cut();
        self.tell(format!("killed at point {at}: {cut:?}{}", if power_cut { ", and the power goes" } else { "" }));
        let ended = if cut.is_some() { None } else { ended };
        self.tell_cycle(ended.as_ref());
        self.store = None;
        power::on(None);
        if power_cut && cut.is_some() {
            let dice = &mut self.dice;
            self.disk.lose_power(|n| dice.below(n)).unwrap();
        }
        self.open(&[])?;
        before.compare(self, ended.as_ref())?;
        self.clock.pass(SignedDuration::from_secs(self.dice.below(300) as i64));
        Ok(cut)
    }

    async fn full_disk(&mut self) -> Result<(), String> {
        self.tell("the disk is full");
        power::fill(true);
        let before = Before::see(self, self.quirk.as_ref());
        let ended = self.cycle(Trigger::Command).await;
        self.tell_cycle(ended.as_ref());
        self.store = None;
        let opened = self.try_open();
        drop(opened);
        power::fill(false);
        self.open(&[])?;
        before.compare(self, ended.as_ref())
    }

    /// A file that costs nothing but time is gone.
    fn lose_a_file(&mut self) -> Result<(), String> {
        let name = *self.dice.pick(&["index", "held.json", "status.json"]).unwrap();
        self.tell(format!("{name} is lost"));
        self.store = None;
        let _ = std::fs::remove_file(self.home.path().join(self.name.as_str()).join(name));
        self.open(&[])
    }

    /// The state is lost. A person who was renamed meanwhile could be found by nothing but the id, and whoever is hidden by nothing.
    fn lose_state(&mut self) -> Result<(), String> {
        if !self.kinds.external_id || matches!(self.kinds.app, Kind::Hiding) {
            return Ok(());
        }
        self.tell("the state is lost");
        self.store = None;
        std::fs::remove_dir_all(self.home.path().join(self.name.as_str())).unwrap();
        self.disk = SimDisk::default();
        self.lost.clear();
        let directory = self.source.copy();
        self.forgotten.extend(self.app.holdings().users.values().filter_map(|account| owner(&directory, account)));
        self.approved = false;
        self.open(&[Notice::New])
    }

    fn reopen(&mut self, expected: &[Notice]) -> Result<(), String> {
        self.store = None;
        self.tell("rosterd is started again");
        self.open(expected)
    }

    pub(super) fn state(&self) -> TenantStore {
        Stores::on_disk(self.home.path()).tenant(&self.name)
    }

    fn try_open(&self) -> Result<(Store, Vec<Notice>), crate::store::StoreError> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Store::open_simulated(&self.disk, self.kinds.segment, self.home.path(), &self.name, clock)
    }

    fn open(&mut self, expected: &[Notice]) -> Result<(), String> {
        let (store, notices) = self.try_open().map_err(|error| format!("the state can't be opened: {error}"))?;
        let harmless = |notice: &Notice| matches!(notice, Notice::TornTail { .. }) || expected.contains(notice);
        if let Some(notice) = notices.iter().find(|notice| !harmless(notice)) {
            return Err(format!("P2: a crash is no damage: {notice:?}"));
        }
        self.store = Some(store);
        self.verify_journal()
    }

    /// The faults end: within two cycles, and one more for each approval, all is as the directory says; then nothing happens.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.app.heal();
        self.quirk = None;
        self.source.edit(edits::heal);
        self.clock.pass(SignedDuration::from_hours(49));
        self.tell("-- all faults end");
        // A group that is compared, and what follows from that, may each take one more.
        let mut left = if self.switches.is_some() { 4 } else { 2 };
        if !self.tenant.manage_groups {
            self.manage_groups(true);
        }
        let (mut approvals, mut corrections) = (0, 0);
        loop {
            let before = Before::see(self, None);
            let ended = self.cycle(Trigger::Command).await;
            self.tell_cycle(ended.as_ref());
            before.compare(self, ended.as_ref())?;
            self.clock.pass(SignedDuration::from_mins(15));
            let Some(Ok(report)) = ended else {
                return Err("I12: a cycle failed after all faults had ended".to_owned());
            };
            let held = report.held_plan();
            if corrections < 5 && (self.correct_contradictions(&report) || self.free_taken_names(&report)) {
                corrections += 1;
                continue;
            }
            if held.is_none()
                && report.status() == Status::Ok
                && self.app.calls().is_empty()
                && report.operations().is_empty()
            {
                break;
            }
            match held.filter(|_| approvals < 5) {
                Some(held) => {
                    approvals += 1;
                    self.decide_on(held.plan, DecisionVerdict::Approve);
                }
                None if left == 0 => return Err(format!("I12: not quiet after two cycles: {}", brief(&report))),
                None => left -= 1,
            }
        }
        self.end_state()?;
        self.explained()
    }
}

impl Life {
    /// Whether the app itself may give an account to the newcomer of its name: a create is answered with it, and it is no privileged one.
    pub(super) fn may_be_given_back(&self, account: &crate::sim::Account) -> bool {
        self.odd.is_some() && account.roles.is_empty()
    }

    /// The operator renames in the app what is nobody's there and has the name that a group is to have.
    fn free_taken_names(&mut self, report: &CycleReport) -> bool {
        let is_wanted = |at: usize, operation: &Operation| {
            let gives_name = matches!(operation.op(), Op::RenameGroup | Op::CreateGroup | Op::FreeName);
            gives_name && report.result(at) == OpOutcome::Failed
        };
        let operations = report.operations().iter().enumerate().filter(|(at, operation)| is_wanted(*at, operation));
        let wanted: BTreeSet<String> = operations.map(|(_, operation)| fold(&operation.name)).collect();
        let linked: BTreeSet<String> =
            self.store().groups().unwrap().into_iter().map(|(_, row)| row.app_id.to_string()).collect();
        let mut freed = Vec::new();
        self.app.by_hand(|app| {
            let is_nobodys =
                |(id, group): &(&String, &mut Group)| !linked.contains(*id) && wanted.contains(&fold(&group.name));
            for (id, group) in app.groups.iter_mut().filter(is_nobodys) {
                freed.push(format!("{id} ({})", group.name));
                group.name = format!("{} of before {id}", group.name);
            }
        });
        let any = !freed.is_empty();
        if any {
            self.tell(format!("the operator renames in the app what no group follows: {freed:?}"));
        }
        any
    }

    /// The operator says whose a group of the app is, by giving it the name that the directory has for it. Another that has it loses it.
    fn name_group(&mut self, id: &AppId, name: &str) {
        self.app.by_hand(|app| {
            for (other, group) in &mut app.groups {
                match other == id.as_str() {
                    true => name.clone_into(&mut group.name),
                    false if fold(&group.name) == fold(name) => {
                        group.name = format!("{} of before {other}", group.name)
                    }
                    false => {}
                }
            }
        });
        self.tell(format!("the operator gives {id} the name {name}"));
    }

    /// The operator corrects in the app what kept an account from being adopted: the name of one that is the user's, the id in one that
    /// is not.
    fn correct_contradictions(&mut self, report: &CycleReport) -> bool {
        let mut any = false;
        for operation in report.operations() {
            if let Some(Blocked::Conflict(Obstacle::GroupContradicts { group, .. })) = &operation.blocked {
                any = true;
                self.name_group(group, &operation.name);
                continue;
            }
            let (Some(Blocked::Conflict(_)), Some(id)) = (&operation.blocked, &operation.app_id) else { continue };
            any = true;
            let name = operation.name.clone();
            self.app.by_hand(|app| {
                let Some(account) = app.users.get_mut(id.as_str()) else { return };
                let is_guests =
                    account.attributes.text(&Path::user_name()).is_some_and(|name| name.ends_with("@y.test"));
                match is_guests {
                    true => drop(account.attributes.clear(&Path::external_id())),
                    false => account.attributes.set(Path::user_name(), name.as_str().into()),
                }
            });
            self.tell(format!("the operator corrects {id}, which was taken for {name}"));
        }
        any
    }
}

/// Lives through a cycle; `None` if the process was killed in it, after which no time passes for it.
async fn until_killed<T>(cycle: impl Future<Output = T>) -> Option<T> {
    let mut cycle = std::pin::pin!(cycle);
    let far = tokio::time::Instant::now() + Duration::from_secs(7 * 24 * 3600);
    loop {
        match tokio::time::timeout(Duration::from_secs(1), &mut cycle).await {
            Ok(ended) => return Some(ended),
            Err(_) if power::cut().is_some() => return None,
            Err(_) => assert!(tokio::time::Instant::now() < far, "I7: a cycle never ended"),
        }
    }
}

fn brief(report: &CycleReport) -> String {
    let holds: Vec<&str> = report.holds.iter().map(|hold| hold.code().name()).collect();
    let shown = report.operations().iter().enumerate().map(|(at, operation)| {
        let how = match report.result(at) {
            OpOutcome::Failed => {
                format!("failed: {}", report.obstacle(at).map(ToString::to_string).unwrap_or_default())
            }
            other => other.name().to_owned(),
        };
        format!("{} {} {how}", operation.op().name(), operation.object)
    });
    format!("{:?} {holds:?} {:?}", report.status(), shown.collect::<Vec<_>>())
}
