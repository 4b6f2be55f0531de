//! The app: people and groups in memory, a log of every call, and faults by script.

mod giving;
mod habits;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

mod shows;

use super::SimClock;
use super::dice::Dice;
use crate::clock::Clock;
use crate::config::profile::{DeleteEffect, InactiveEffect, Profile};
use crate::fail;
use crate::model::{AppId, Attributes, KnownNames, Path, SourceId, fold};
use crate::sandbox::Misbehave;
use crate::scim::{
    AppGroup, AppRead, AppUser, AppWrite, CallError, CallStats, Created, FailureClass, GroupKeys, Lookalike, Match,
    MemberKeys, Origin, Search, Shown, UserKeys, groups_among, plain_user, users_among,
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

impl Inner {
    fn fresh(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}{}", self.next_id)
    }

    fn fault(&mut self, call: &Call) -> Option<Fault> {
        let scripted = self.scripts.iter_mut().find(|script| script.times > 0 && (script.matches)(call));
        if let Some(script) = scripted {
            script.times -= 1;
            return Some(script.fault.clone());
        }
        if let Some(refusal) = self.manners.refuses_creates.as_ref().filter(|_| call.name == "create_user") {
            return Some(refusal.clone());
        }
        if let Some(fault) = habits::refusal(&self.manners.habits, call) {
            return Some(fault);
        }
        self.noise.as_mut().and_then(|noise| noise.fault(call.is_read()))
    }

    fn name_of(&self, id: &AppId) -> String {
        self.holdings.users.get(id.as_str()).map_or_else(|| id.to_string(), |user| user.name().to_owned())
    }

    fn group_name(&self, id: &AppId) -> String {
        self.holdings.groups.get(id.as_str()).map_or_else(|| id.to_string(), |group| group.name.clone())
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    fn shown_from(&self) -> Option<Timestamp> {
        self.now().filter(|_| !self.manners.settles_after.is_zero())?.checked_add(self.manners.settles_after).ok()
    }

    fn is_settled(&self, shown_from: Option<Timestamp>) -> bool {
        shown_from.is_none_or(|from| self.now().is_none_or(|now| from <= now))
    }

    /// A group's name as the app keeps it: one that tidies names makes a slug of it.
    fn group_name_as_kept(&self, name: &str) -> String {
        match self.has(Misbehave::Tidies) {
            true => fold(name).replace(|c: char| !c.is_alphanumeric(), "-"),
            false => name.to_owned(),
        }
    }

    /// Values as the app keeps them.
    fn as_kept(&self, values: &Attributes) -> Attributes {
        let tidies = self.has(Misbehave::Tidies);
        let kept = |path: &Path, value: &Value| match value.as_str() {
            Some(text) if self.manners.lower_cases => text.to_lowercase().into(),
            Some(text) if tidies && *path == Path::display_name() => text.to_uppercase().into(),
            _ => value.clone(),
        };
        values.iter().map(|(path, value)| (path.clone(), kept(path, value))).collect()
    }

    /// Whether look-ups miss it.
    fn is_hidden(&self, account: &Account) -> bool {
        self.is_out_of_sight(account) || self.manners.unseen.contains(account.name())
    }

    /// Whether not even its id finds it.
    fn is_out_of_sight(&self, account: &Account) -> bool {
        !self.is_settled(account.shown_from)
            || (self.manners.inactive_effect == InactiveEffect::HidesResource && !account.active)
    }

    /// What look-ups of users come to, by the code that judges the answers of real apps.
    fn look_up_users(&self, keys: &[UserKeys], paths: &[Path]) -> Vec<Match<AppUser>> {
        let visible = self.holdings.users.iter().filter(|(_, account)| !self.is_hidden(account));
        let shown_now: Vec<Map<String, Value>> =
            visible.map(|(id, account)| plain_user(id, account.active, &account.attributes)).collect();
        let found = users_among(&self.profile, keys, &shown_now);
        let user = |id: AppId| self.holdings.users.get(id.as_str()).map(|account| shown(id.as_str(), account, paths));
        found.into_iter().map(|answer| turned(answer, user)).collect()
    }

    /// The visible accounts that share a name with one of these.
    fn alike(&self, names: &[KnownNames]) -> Vec<Lookalike> {
        let wanted: BTreeSet<u64> = names.iter().flat_map(|names| names.of_user().keys().collect::<Vec<_>>()).collect();
        let visible = self.holdings.users.iter().filter(|(_, account)| !self.is_hidden(account));
        let accounts = visible.map(|(id, account)| Lookalike {
            id: AppId::from(id.as_str()),
            user_name: account.name().to_owned(),
            active: account.active,
            names: KnownNames::of_attributes(&account.attributes).of_account(),
        });
        accounts.filter(|account| account.names.keys().any(|key| wanted.contains(&key))).collect()
    }

    /// The same for groups.
    fn look_up_groups(&self, keys: &[GroupKeys]) -> Vec<Match<AppGroup>> {
        let visible = self.holdings.groups.iter().filter(|(_, group)| self.is_settled(group.shown_from));
        let shown_now: Vec<Map<String, Value>> = visible
            .map(|(id, group)| {
                let external_id = group.external_id.clone().map(|id| ("externalId".to_owned(), Value::from(id)));
                let always = [("id", id), ("displayName", &group.name)];
                let always = always.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
                always.into_iter().chain(external_id).collect()
            })
            .collect();
        let found = groups_among(&self.profile, keys, &shown_now);
        let group = |id: AppId| {
            let group = self.holdings.groups.get(id.as_str())?;
            Some(AppGroup { members: None, ..shown_group(id.as_str(), group) })
        };
        found.into_iter().map(|answer| turned(answer, group)).collect()
    }

    fn user(&mut self, id: &AppId) -> Result<&mut Account, CallError> {
        let deletes = self.manners.inactive_effect;
        match self.holdings.users.get_mut(id.as_str()) {
            Some(account) if account.active || deletes != InactiveEffect::HidesResource => Ok(account),
            _ => Err(error("user", FailureClass::NotFound, Some(404))),
        }
    }

    fn group(&mut self, id: &AppId) -> Result<&mut Group, CallError> {
        self.holdings.groups.get_mut(id.as_str()).ok_or_else(|| error("group", FailureClass::NotFound, Some(404)))
    }

    fn name_is_taken(&self, name: &str, by_other_than: Option<&AppId>) -> bool {
        let others = self.holdings.users.iter().filter(|(id, _)| Some(id.as_str()) != by_other_than.map(AppId::as_str));
        self.manners.unique && others.into_iter().any(|(_, account)| fold(account.name()) == fold(name))
    }

    /// Whether the account that is answered as created is not kept.
    fn forgets_now(&self) -> bool {
        self.has(Misbehave::ForgetsCreates) && self.creates.is_multiple_of(10)
    }

    fn named(&self, name: &str) -> Option<(String, Account)> {
        let found = self.holdings.users.iter().find(|(_, account)| fold(account.name()) == fold(name));
        found.map(|(id, account)| (id.clone(), account.clone()))
    }

    fn delete_account(&mut self, id: &str) {
        self.holdings.users.remove(id);
        for group in self.holdings.groups.values_mut() {
            group.members.remove(id);
        }
    }

    fn check_first_members(&self, members: &[AppId]) -> Result<(), CallError> {
        let refused = match members {
            [] => self.manners.refuses_empty_groups,
            _ => self.manners.refuses_first_members,
        };
        if refused {
            return Err(error("create_group", FailureClass::Invalid, Some(400)));
        }
        self.check_members(members)
    }

    fn check_size(&self, members: &[AppId]) -> Result<(), CallError> {
        match self.manners.takes_at_most {
            Some((most, class, status)) if members.len() > most => Err(error("members", class, Some(status))),
            _ => Ok(()),
        }
    }

    fn check_members(&self, members: &[AppId]) -> Result<(), CallError> {
        self.check_size(members)?;
        let bad = members.iter().find(|id| match self.holdings.users.get(id.as_str()) {
            Some(account) => self.manners.bad_members.contains(account.name()),
            None => true,
        });
        let (class, status) = self.manners.bad_member_answer;
        bad.map_or(Ok(()), |_| Err(error("members", class, Some(status))))
    }
}

/// A match with the object itself instead of its id.
fn turned<T>(answer: Match<AppId>, object: impl FnOnce(AppId) -> Option<T>) -> Match<T> {
    match answer {
        Match::Nobody => Match::Nobody,
        Match::One { found, by } => object(found).map_or(Match::Nobody, |found| Match::One { found, by }),
        Match::Conflict(conflict) => Match::Conflict(conflict),
    }
}

/// The account with the values that were asked for.
fn shown(id: &str, account: &Account, paths: &[Path]) -> AppUser {
    let asked = account.attributes.iter().filter(|(path, _)| paths.iter().any(|asked| asked.covers(path)));
    let attributes = asked.map(|(path, value)| (path.clone(), value.clone())).collect();
    AppUser { id: AppId::from(id), active: account.active, attributes, roles: account.roles.clone() }
}

fn shown_group(id: &str, group: &Group) -> AppGroup {
    AppGroup {
        id: AppId::from(id),
        display_name: group.name.clone(),
        external_id: group.external_id.clone(),
        members: Some(group.members.iter().cloned().collect()),
    }
}

fn ids(members: &[MemberKeys]) -> Vec<AppId> {
    members.iter().map(|member| member.id.clone()).collect()
}

fn texts(ids: &[AppId]) -> Vec<String> {
    ids.iter().map(AppId::to_string).collect()
}

#[async_trait]
impl AppRead for SimApp {
    async fn check(&self) -> Result<(), CallError> {
        self.call("check", String::new(), Vec::new(), |_| Ok(())).await
    }

    async fn look_up_users(&self, keys: &[UserKeys], paths: &[Path]) -> Result<Vec<Match<AppUser>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(inner.look_up_users(keys, paths));
        self.call("look_up_users", String::new(), carries, found).await
    }

    async fn look_up_newcomers(
        &self,
        keys: &[UserKeys],
        names: Vec<KnownNames>,
        paths: &[Path],
        _search: Search,
    ) -> Result<(Vec<Match<AppUser>>, Vec<Lookalike>), CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok((inner.look_up_users(keys, paths), inner.alike(&names)));
        self.call("look_up_users", String::new(), carries, found).await
    }

    async fn look_up_groups(&self, keys: &[GroupKeys]) -> Result<Vec<Match<AppGroup>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(inner.look_up_groups(keys));
        self.call("look_up_groups", String::new(), carries, found).await
    }

    async fn not_listed(&self, accounts: &HashSet<AppId>, _most: u64) -> Result<Option<Vec<AppId>>, CallError> {
        self.call("list_users", String::new(), Vec::new(), |inner| {
            let is_shown = |id: &AppId| {
                inner.holdings.users.get(id.as_str()).is_some_and(|account| !inner.is_out_of_sight(account))
            };
            Ok(Some(accounts.iter().filter(|id| !is_shown(id)).cloned().collect()))
        })
        .await
    }

    async fn get_user(&self, id: &AppId, paths: &[Path]) -> Result<Option<AppUser>, CallError> {
        self.call("get_user", id.to_string(), Vec::new(), |inner| {
            let visible = inner.holdings.users.get(id.as_str()).filter(|account| !inner.is_out_of_sight(account));
            Ok(visible.map(|account| shown(id.as_str(), account, paths)))
        })
        .await
    }

    async fn get_group(&self, id: &AppId) -> Result<Option<AppGroup>, CallError> {
        self.call("get_group", id.to_string(), Vec::new(), |inner| {
            let readable = inner.manners.members_readable;
            let mut found = inner.holdings.groups.get(id.as_str()).map(|group| shown_group(id.as_str(), group));
            let is_cut = found.as_ref().is_some_and(|group| inner.cuts(group.members.as_ref().map_or(0, Vec::len)));
            if let Some(group) = found.as_mut().filter(|_| !readable || is_cut) {
                group.members = None;
            }
            Ok(found)
        })
        .await
    }

    async fn own_account(&self) -> Result<Option<AppId>, CallError> {
        let inner = self.inner();
        match inner.manners.own_account_times_out {
            true => Err(error("own_account", FailureClass::Unknown, None)),
            false => Ok(inner.manners.own_account.clone()),
        }
    }

    fn time(&self) -> Option<Timestamp> {
        let inner = self.inner();
        let off = inner.manners.says_time.filter(|_| !inner.calls.is_empty())?;
        inner.clock.as_ref()?.true_time().checked_add(off).ok()
    }

    fn stats(&self) -> CallStats {
        CallStats { total: self.inner().total, by_method: BTreeMap::new() }
    }
}

#[async_trait]
impl AppWrite for SimApp {
    async fn create_user(&self, source_id: &SourceId, attributes: &Attributes) -> Result<Created, CallError> {
        let name = attributes.text(&Path::user_name()).unwrap_or_default().to_owned();
        self.call("create_user", name.clone(), Vec::new(), |inner| {
            if let Some(given) = inner.user_given(&name, attributes) {
                return Ok(given);
            }
            if inner.name_is_taken(&name, None) {
                inner.manners.unseen.retain(|unseen| fold(unseen) != fold(&name));
                return Err(error("create_user", FailureClass::Conflict, Some(409)));
            }
            if inner.has(Misbehave::NoTitle) && attributes.iter().any(|(path, _)| path.as_str() == "title") {
                return Err(error("create_user", FailureClass::Invalid, Some(400)));
            }
            let id = inner.fresh("a");
            let mut attributes = inner.as_kept(attributes);
            if inner.has(Misbehave::ComposesNames) {
                attributes.set(Path::display_name(), format!("User of {name}").into());
            }
            let account = Account {
                made_for: Some(source_id.to_string()),
                shown_from: inner.shown_from(),
                ..Account::new(true, attributes.clone())
            };
            if !inner.forgets_now() {
                inner.holdings.users.insert(id.clone(), account);
            }
            inner.without_id()?;
            let origin = inner.user_made(&id, &attributes);
            Ok(Created { id: AppId::new(id), echo: attributes, members: None, origin })
        })
        .await
    }

    async fn update_user(&self, id: &AppId, set: &Attributes, clear: &[Path]) -> Result<Shown, CallError> {
        let about = (id, self.inner().name_of(id));
        let carries = set.iter().map(|(path, _)| path).chain(clear).map(ToString::to_string).collect();
        self.call("update_user", about, carries, |inner| {
            if set.text(&Path::user_name()).is_some_and(|name| inner.name_is_taken(name, Some(id))) {
                return Err(error("update_user", FailureClass::Conflict, Some(409)));
            }
            let names_title = set.iter().map(|(path, _)| path).chain(clear).any(|path| path.as_str() == "title");
            if names_title && (inner.has(Misbehave::RefusesTitle) || inner.has(Misbehave::NoTitle)) {
                return Err(error("update_user", FailureClass::Invalid, Some(400)));
            }
            let kept = &inner.as_kept(set);
            let ignores = inner.has(Misbehave::IgnoresChanges);
            let account = inner.user(id)?;
            let before = account.clone();
            if !ignores {
                for (path, value) in kept.iter() {
                    account.attributes.set(path.clone(), value.clone());
                }
                for path in clear {
                    account.attributes.clear(path);
                }
            }
            let after = account.clone();
            Ok(inner.shows_user(&before, &after, set, clear))
        })
        .await
    }

    async fn set_active(&self, id: &AppId, active: bool) -> Result<Shown, CallError> {
        let name = if active { "activate" } else { "deactivate" };
        let about = (id, self.inner().name_of(id));
        self.call(name, about, Vec::new(), |inner| {
            if !active && inner.manners.inactive_effect == InactiveEffect::DeletesResource {
                inner.user(id)?;
                inner.delete_account(id.as_str());
                return Ok(Shown::default());
            }
            let Some(before) = inner.holdings.users.get(id.as_str()).cloned() else {
                return Err(error("set_active", FailureClass::NotFound, Some(404)));
            };
            let mut after = before.clone();
            if active || !inner.has(Misbehave::KeepsActive) {
                after.active = active;
            }
            if !after.active && inner.has(Misbehave::InactiveLeaves) {
                for group in inner.holdings.groups.values_mut() {
                    group.members.remove(id.as_str());
                }
            }
            inner.holdings.users.insert(id.to_string(), after.clone());
            Ok(inner.shows_user(&before, &after, &Attributes::new(), &[]))
        })
        .await
    }

    async fn delete_user(&self, id: &AppId) -> Result<(), CallError> {
        let about = (id, self.inner().name_of(id));
        self.call("delete_user", about, Vec::new(), |inner| {
            if !inner.holdings.users.contains_key(id.as_str()) {
                return Err(error("delete_user", FailureClass::NotFound, Some(404)));
            }
            if inner.has(Misbehave::KeepsDeleted) {
                return Ok(());
            }
            match inner.manners.delete_effect {
                DeleteEffect::Deactivates => inner.user(id)?.active = false,
                DeleteEffect::Unsupported => return Err(error("delete_user", FailureClass::Unsupported, Some(501))),
                DeleteEffect::Hard | DeleteEffect::Irreversible => inner.delete_account(id.as_str()),
            }
            Ok(())
        })
        .await
    }

    async fn create_group(
        &self,
        source_id: &SourceId,
        name: &str,
        members: &[MemberKeys],
    ) -> Result<Created, CallError> {
        let members = &ids(members);
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("create_group", name.to_owned(), carries, |inner| {
            inner.check_first_members(members)?;
            if let Some(given) = inner.group_given(name) {
                return Ok(given);
            }
            let taken = inner.holdings.groups.values().any(|group| fold(&group.name) == fold(name));
            if inner.manners.unique && taken {
                return Err(error("create_group", FailureClass::Conflict, Some(409)));
            }
            let id = inner.fresh("g");
            let members: BTreeSet<String> = if inner.manners.ignores_first_members {
                BTreeSet::new()
            } else {
                texts(members).into_iter().collect()
            };
            let (external_id, shown_from) = (Some(source_id.to_string()), inner.shown_from());
            let speaks = inner.manners.members_readable && inner.manners.answers_with_members;
            let shown = speaks.then(|| members.iter().cloned().collect());
            let name = inner.group_name_as_kept(name);
            let echo = [(Path::display_name(), name.as_str().into())].into_iter().collect();
            let group = Group { name, external_id, members, shown_from };
            inner.holdings.groups.insert(id.clone(), group);
            inner.without_id()?;
            Ok(Created { id: AppId::new(id), echo, members: shown, origin: Origin::New })
        })
        .await
    }

    async fn rename_group(&self, id: &AppId, name: &str) -> Result<Shown, CallError> {
        let about = (id, self.inner().group_name(id));
        self.call("rename_group", about, vec![name.to_owned()], |inner| {
            let mut others = inner.holdings.groups.iter().filter(|(other, _)| other.as_str() != id.as_str());
            if inner.manners.unique && others.any(|(_, group)| fold(&group.name) == fold(name)) {
                return Err(error("rename_group", FailureClass::Conflict, Some(409)));
            }
            let ignores = inner.has(Misbehave::IgnoresChanges);
            let name = inner.group_name_as_kept(name);
            let group = inner.group(id)?;
            let before = group.clone();
            if !ignores {
                group.name = name;
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn add_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        let members = &ids(members);
        let about = (id, self.inner().group_name(id));
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("add_members", about, carries, |inner| {
            inner.group(id)?;
            inner.check_members(members)?;
            let is_deaf = inner.has(Misbehave::DeafMembers);
            let group = inner.group(id)?;
            let before = group.clone();
            if !is_deaf {
                group.members.extend(texts(members));
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn remove_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        let members = &ids(members);
        let about = (id, self.inner().group_name(id));
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("remove_members", about, carries, |inner| {
            inner.group(id)?;
            inner.check_size(members)?;
            let is_sticky = inner.has(Misbehave::StickyMembers);
            let group = inner.group(id)?;
            let before = group.clone();
            for member in texts(members).iter().filter(|_| !is_sticky) {
                group.members.remove(member);
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn delete_group(&self, id: &AppId) -> Result<(), CallError> {
        let about = (id, self.inner().group_name(id));
        self.call("delete_group", about, Vec::new(), |inner| {
            inner.group(id)?;
            if inner.has(Misbehave::KeepsDeleted) {
                return Ok(());
            }
            inner.holdings.groups.remove(id.as_str());
            Ok(())
        })
        .await
    }

    fn members_per_call(&self) -> usize {
        self.inner().manners.members_per_call
    }

    /// Nobody waits here.
    fn close(&self) {}
}
