//! The app: people and groups in memory, a log of every call, and faults by script.

mod giving;
mod habits;
mod inner;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

mod shows;
mod wire;

use self::inner::{ids, shown, shown_group, texts};
use super::SimClock;
use super::dice::Dice;
use crate::clock::Clock;
use crate::config::profile::{DeleteEffect, InactiveEffect, Profile};
use crate::fail;
use crate::model::{AppId, Attributes, KnownNames, Path, SourceId, fold};
use crate::sandbox::Misbehave;
use crate::scim::{
    AppGroup, AppRead, AppUser, AppWrite, CallError, CallStats, Created, FailureClass, GroupKeys, Lookalike,
    LookalikeScope, Match, MemberKeys, ResponseOrigin, Shown, UserKeys, groups_among, plain_user, users_among,
};

/// One call: its name, whom it is about (a user name, a group name), and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    /// The app's id of it; the name again where there is none yet.
    pub(crate) object: String,
    pub(crate) carries: Vec<String>,
}

/// How a call fails.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    class: FailureClass,
    status: Option<u16>,
    maybe_done: bool,
    /// Whether the app carries the call out all the same.
    applied: bool,
    retry_after: Option<Duration>,
    /// The call is never answered: the process ends here.
    crash: bool,
}

impl Fault {
    /// The app refuses.
    pub(crate) fn refused(class: FailureClass, status: u16) -> Self {
        Self { class, status: Some(status), maybe_done: false, applied: false, retry_after: None, crash: false }
    }

    /// A server error; nobody knows whether anything was done.
    pub(crate) fn server(status: u16) -> Self {
        Self { maybe_done: true, ..Self::refused(FailureClass::Server, status) }
    }

    /// No answer comes back.
    pub(crate) fn lost() -> Self {
        Self { status: None, maybe_done: true, ..Self::refused(FailureClass::Unknown, 0) }
    }

    /// "Slow down."
    pub(crate) fn throttled(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::refused(FailureClass::Throttled, 429) }
    }

    /// The process is killed while the call is under way.
    pub(crate) fn crash() -> Self {
        Self { crash: true, ..Self::lost() }
    }

    /// What kind of failure it is.
    pub(crate) fn class(&self) -> FailureClass {
        self.class
    }

    /// The app carries the call out all the same.
    pub(crate) fn but_done(self) -> Self {
        Self { applied: true, ..self }
    }
}

/// When a fault strikes.
struct Script {
    matches: Box<dyn Fn(&Call) -> bool + Send>,
    times: u32,
    fault: Fault,
}

/// An account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    pub(crate) active: bool,
    pub(crate) attributes: Attributes,
    /// The person for whom rosterd made it: what the app never tells, and what duplicates are known by.
    pub(crate) made_for: Option<String>,
    /// When look-ups begin to show it.
    pub(crate) shown_from: Option<Timestamp>,
    /// Its roles and entitlements.
    pub(crate) roles: Vec<String>,
}

impl Account {
    fn new(active: bool, attributes: Attributes) -> Self {
        Self { active, attributes, made_for: None, shown_from: None, roles: Vec::new() }
    }

    fn name(&self) -> &str {
        self.attributes.text(&Path::user_name()).unwrap_or_default()
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) members: BTreeSet<String>,
    /// When look-ups begin to show it.
    pub(crate) shown_from: Option<Timestamp>,
}

/// What the app holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Holdings {
    pub(crate) users: BTreeMap<String, Account>,
    pub(crate) groups: BTreeMap<String, Group>,
}

/// What the app is like.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    /// Whether it refuses a second account of one user name, and a second group of one name.
    pub(crate) unique: bool,
    /// Whether it shows a group's members.
    pub(crate) members_readable: bool,
    /// Members that fit into one call.
    pub(crate) members_per_call: usize,
    pub(crate) inactive_effect: InactiveEffect,
    pub(crate) delete_effect: DeleteEffect,
    /// The account the token belongs to, if the app tells.
    pub(crate) own_account: Option<AppId>,
    /// Whether it gives no answer to that question.
    pub(crate) own_account_times_out: bool,
    /// Accounts that look-ups miss until the app refused to make them again: user names.
    pub(crate) unseen: BTreeSet<String>,
    /// Members that make every call fail in which they stand: user names.
    pub(crate) bad_members: BTreeSet<String>,
    /// What it answers then.
    pub(crate) bad_member_answer: (FailureClass, u16),
    /// The most members that it takes in one call, and what it answers to more.
    pub(crate) takes_at_most: Option<(usize, FailureClass, u16)>,
    /// Whether it refuses groups without members.
    pub(crate) refuses_empty_groups: bool,
    /// Whether it refuses new groups with members.
    pub(crate) refuses_first_members: bool,
    /// Whether it makes new groups without the members it is given.
    pub(crate) ignores_first_members: bool,
    /// Whether its answer to a new group shows the members.
    pub(crate) answers_with_members: bool,
    /// Whether it keeps every text in small letters.
    pub(crate) lower_cases: bool,
    /// How long look-ups do not show what was just made.
    pub(crate) settles_after: SignedDuration,
    /// How long every call takes.
    pub(crate) each_call_takes: Duration,
    /// Whether it answers a create of a name that is taken with the account that has it.
    pub(crate) gives_back: bool,
    /// Every how many creates it answers one with another object that it has already.
    pub(crate) mixes_up: Option<u64>,
    /// How it refuses every new account, such as when its licences are used up.
    pub(crate) refuses_creates: Option<Fault>,
    /// Whether its answers say what time it is, and how far its clock is off.
    pub(crate) says_time: Option<SignedDuration>,
    /// Habits of real apps, which the sandbox has too.
    pub(crate) habits: BTreeSet<Misbehave>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            unique: true,
            members_readable: true,
            members_per_call: 50,
            inactive_effect: InactiveEffect::KeepsResource,
            delete_effect: DeleteEffect::Hard,
            own_account: None,
            own_account_times_out: false,
            unseen: BTreeSet::new(),
            bad_members: BTreeSet::new(),
            bad_member_answer: (FailureClass::Invalid, 400),
            takes_at_most: None,
            refuses_empty_groups: false,
            refuses_first_members: false,
            ignores_first_members: false,
            answers_with_members: true,
            lower_cases: false,
            settles_after: SignedDuration::ZERO,
            each_call_takes: Duration::ZERO,
            gives_back: false,
            mixes_up: None,
            refuses_creates: None,
            says_time: None,
            habits: BTreeSet::new(),
        }
    }
}

#[derive(Default)]
struct Inner {
    holdings: Holdings,
    manners: Manners,
    /// By what the tenant's client looks users and groups up.
    profile: Profile,
    calls: Vec<Call>,
    scripts: Vec<Script>,
    noise: Option<Noise>,
    after_writes: Option<(usize, Box<dyn FnMut() + Send>)>,
    next_id: u64,
    creates: u64,
    total: u64,
    clock: Option<Arc<SimClock>>,
}

/// Faults by chance.
struct Noise {
    dice: Dice,
    percent: u64,
    reach: Reach,
}

/// How far faults by chance go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What the network and a busy app do to calls that write.
    Writes,
    /// The same for every call, and answers that are late or can't be read.
    Everything,
    /// Every refusal there is, too, deserved or not.
    Hostile,
}

impl Noise {
    fn fault(&mut self, is_read: bool) -> Option<Fault> {
        if (is_read && self.reach == Reach::Writes) || !self.dice.chance(self.percent) {
            return None;
        }
        let kinds = match self.reach {
            Reach::Writes => 4,
            Reach::Everything => 6,
            Reach::Hostile => 12,
        };
        let fault = match self.dice.below(kinds) {
            0 => Fault::lost(),
            1 => Fault::server(503),
            2 => Fault::throttled(Duration::from_secs(2)),
            3 => Fault { status: None, ..Fault::refused(FailureClass::Unreachable, 0) },
            4 => Fault { maybe_done: true, ..Fault::refused(FailureClass::NotScim, 200) },
            5 => Fault::server(500),
            6 => Fault::refused(FailureClass::Invalid, 400),
            7 => Fault::refused(FailureClass::Forbidden, 403),
            8 => Fault::refused(FailureClass::NotFound, 404),
            9 => Fault::refused(FailureClass::Conflict, 409),
            10 => Fault::refused(FailureClass::Unsupported, 501),
            _ => Fault::refused(FailureClass::TooLarge, 413),
        };
        let applied = fault.maybe_done && self.dice.chance(50);
        Some(Fault { applied, ..fault })
    }

    /// How late the answer comes.
    fn delay(&mut self) -> Duration {
        match self.reach {
            Reach::Writes => Duration::ZERO,
            Reach::Everything | Reach::Hostile => Duration::from_millis(self.dice.below(3000)),
        }
    }
}

/// An app in memory that answers as a SCIM client would hand its answers on.
#[derive(Default)]
pub(crate) struct SimApp(Mutex<Inner>);

impl SimApp {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the app is like from now on.
    pub(crate) fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.inner().manners);
    }

    /// The app is looked through by a client with this profile.
    pub(crate) fn is_asked_by(&self, profile: &Profile) {
        self.inner().profile = profile.clone();
    }

    /// What the app is like now.
    pub(crate) fn manners(&self) -> Manners {
        self.inner().manners.clone()
    }

    /// Somebody works in the app by hand.
    pub(crate) fn by_hand(&self, change: impl FnOnce(&mut Holdings)) {
        change(&mut self.inner().holdings);
    }

    /// An account that was there before; returns its id.
    pub(crate) fn has_user(&self, user_name: &str, active: bool) -> String {
        let mut inner = self.inner();
        let id = inner.fresh("a");
        let attributes = [(Path::user_name(), user_name.into())].into_iter().collect();
        inner.holdings.users.insert(id.clone(), Account::new(active, attributes));
        id
    }

    /// A group that was there before; returns its id.
    pub(crate) fn has_group(&self, name: &str, members: &[&str]) -> String {
        let mut inner = self.inner();
        let id = inner.fresh("g");
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        inner
            .holdings
            .groups
            .insert(id.clone(), Group { name: name.to_owned(), external_id: None, members, shown_from: None });
        id
    }

    /// The next `times` calls of this name about whoever's name contains `about` fail.
    pub(crate) fn fail(&self, name: &'static str, about: &str, times: u32, fault: Fault) {
        let about = about.to_owned();
        let matches = Box::new(move |call: &Call| call.name == name && call.about.contains(&about));
        self.inner().scripts.push(Script { matches, times, fault });
    }

    /// As [`SimApp::fail`], for calls that carry a member of this user name.
    pub(crate) fn fail_carrying(&self, name: &'static str, member: &str, times: u32, fault: Fault) {
        let member = member.to_owned();
        let matches = Box::new(move |call: &Call| call.name == name && call.carries.contains(&member));
        self.inner().scripts.push(Script { matches, times, fault });
    }

    /// The n-th writing call from now (counted from 0) fails.
    pub(crate) fn fail_nth_write(&self, n: u32, fault: Fault) {
        let left = std::sync::atomic::AtomicU32::new(n);
        let matches = Box::new(move |call: &Call| {
            use std::sync::atomic::Ordering::Relaxed;
            !call.is_read() && left.fetch_update(Relaxed, Relaxed, |left| Some(left.wrapping_sub(1))) == Ok(0)
        });
        self.inner().scripts.push(Script { matches, times: 1, fault });
    }

    /// Somebody asks the run to stop after this many writing calls.
    pub(crate) fn stop_after(&self, writes: usize, stop: CancellationToken) {
        self.after_writes(writes, move || stop.cancel());
    }

    /// Something happens elsewhere with the n-th writing call.
    pub(crate) fn after_writes(&self, writes: usize, what: impl FnMut() + Send + 'static) {
        self.inner().after_writes = Some((writes, Box::new(what)));
    }

    /// From now on this share of the writing calls meets a transient fault; 0 ends it.
    pub(crate) fn noise(&self, seed: u64, percent: u64) {
        self.noise_in(Reach::Writes, seed, percent);
    }

    /// As [`SimApp::noise`], for more than the calls that write.
    pub(crate) fn noise_in(&self, reach: Reach, seed: u64, percent: u64) {
        self.inner().noise = (percent > 0).then(|| Noise { dice: Dice::new(seed), percent, reach });
    }

    /// Its answers say what time it is from now on, so much off the true time.
    pub(crate) fn say_time(&self, clock: &Arc<SimClock>, off: SignedDuration) {
        let mut inner = self.inner();
        inner.clock = Some(Arc::clone(clock));
        inner.manners.says_time = Some(off);
    }

    /// Gives the app a clock: what it made just now may not be shown yet.
    pub(crate) fn keep_time(&self, clock: &Arc<SimClock>) {
        self.inner().clock = Some(Arc::clone(clock));
    }

    /// All faults end.
    pub(crate) fn heal(&self) {
        let mut inner = self.inner();
        inner.scripts.clear();
        inner.noise = None;
        inner.heal_creates();
        inner.manners.refuses_creates = None;
        inner.manners.habits.retain(|habit| !habit.is_a_lie());
    }

    /// Calls since the last [`SimApp::forget_calls`].
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// The same as `name about carries`.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let words = |call: &Call| format!("{} {} {}", call.name, call.about, call.carries.join(","));
        self.calls().iter().map(words).collect()
    }

    /// Of these, the ones that write, as `name about`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.calls();
        calls.iter().filter(|call| !call.is_read()).map(|call| format!("{} {}", call.name, call.about)).collect()
    }

    /// Begins the log anew.
    pub(crate) fn forget_calls(&self) {
        self.inner().calls.clear();
    }

    /// What the app holds.
    pub(crate) fn holdings(&self) -> Holdings {
        self.inner().holdings.clone()
    }

    /// Names of active accounts, sorted.
    pub(crate) fn active(&self) -> Vec<String> {
        let holdings = self.holdings();
        let mut names: Vec<String> =
            holdings.users.values().filter(|user| user.active).map(|user| user.name().to_owned()).collect();
        names.sort();
        names
    }

    /// The account of this user name.
    pub(crate) fn account(&self, user_name: &str) -> Option<(String, Account)> {
        self.holdings().users.into_iter().find(|(_, user)| user.name() == user_name)
    }

    /// One value of an account, as text.
    pub(crate) fn value(&self, user_name: &str, path: &str) -> Option<String> {
        let (_, account) = self.account(user_name)?;
        account.attributes.text(&Path::parse(path).unwrap()).map(str::to_owned)
    }

    /// User names of a group's members, sorted; `None` if there is no such group.
    pub(crate) fn members(&self, group: &str) -> Option<Vec<String>> {
        let holdings = self.holdings();
        let found = holdings.groups.values().find(|found| found.name == group)?;
        let name = |id: &String| holdings.users.get(id).map_or_else(|| id.clone(), |user| user.name().to_owned());
        let mut names: Vec<String> = found.members.iter().map(name).collect();
        names.sort();
        Some(names)
    }

    /// Goes on for as long as the process that called is there.
    async fn powered(&self, point: &'static str) {
        if fail::point(point).is_err() {
            std::future::pending().await
        }
    }

    /// Logs a call, lets its fault strike, and otherwise (or all the same) carries it out.
    async fn call<T>(
        &self,
        name: &'static str,
        about: impl Into<About>,
        carries: Vec<String>,
        work: impl FnOnce(&mut Inner) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let About { name: about, object } = about.into();
        tokio::task::yield_now().await;
        self.powered("app.called").await;
        let delay = {
            let mut inner = self.inner();
            inner.manners.each_call_takes + inner.noise.as_mut().map_or(Duration::ZERO, Noise::delay)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let (fault, done) = {
            let mut inner = self.inner();
            inner.total += 1;
            let call = Call { name, about, object, carries };
            let fault = inner.fault(&call);
            let is_write = !call.is_read();
            inner.calls.push(call);
            if let Some((left, mut happens)) = inner.after_writes.take_if(|_| is_write) {
                match left.saturating_sub(1) {
                    0 => happens(),
                    left => inner.after_writes = Some((left, happens)),
                }
            }
            let carried_out = fault.as_ref().is_none_or(|fault| fault.applied);
            (fault, carried_out.then(|| work(&mut inner)))
        };
        self.powered("app.answers").await;
        match (fault, done) {
            (Some(fault), _) if fault.crash => std::future::pending().await,
            (Some(fault), _) => Err(CallError {
                retry_after: fault.retry_after,
                maybe_done: fault.maybe_done,
                ..error(name, fault.class, fault.status)
            }),
            (None, Some(result)) => result,
            (None, None) => Err(error(name, FailureClass::Unknown, None)),
        }
    }
}

/// Whom a call is about.
struct About {
    name: String,
    object: String,
}

impl From<String> for About {
    fn from(name: String) -> Self {
        Self { object: name.clone(), name }
    }
}

impl From<(&AppId, String)> for About {
    fn from((id, name): (&AppId, String)) -> Self {
        Self { name, object: id.to_string() }
    }
}

impl Call {
    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.name, "check" | "look_up_users" | "look_up_groups" | "list_users" | "get_user" | "get_group")
    }
}

fn error(name: &'static str, class: FailureClass, status: Option<u16>) -> CallError {
    CallError {
        class,
        status,
        scim_type: None,
        message: format!("{class:?}"),
        method: name,
        path: "/Simulated".to_owned(),
        retry_after: None,
        maybe_done: false,
    }
}
