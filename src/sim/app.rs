//! The app: people and groups in memory, a log of every call, and faults by script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::{AppId, Attributes, Path, SourceId, fold};
use crate::scim::{
    AppGroup, AppRead, AppUser, AppWrite, CallError, CallStats, Class, Created, GroupKeys, Match, MemberKeys, UserKeys,
};

/// One call: its name, whom it is about (a user name, a group name), and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) carries: Vec<String>,
}

/// How a call fails.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    class: Class,
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
    pub(crate) fn refused(class: Class, status: u16) -> Self {
        Self { class, status: Some(status), maybe_done: false, applied: false, retry_after: None, crash: false }
    }

    /// A server error; nobody knows whether anything was done.
    pub(crate) fn server(status: u16) -> Self {
        Self { maybe_done: true, ..Self::refused(Class::Server, status) }
    }

    /// No answer comes back.
    pub(crate) fn lost() -> Self {
        Self { status: None, maybe_done: true, ..Self::refused(Class::Unknown, 0) }
    }

    /// "Slow down."
    pub(crate) fn throttled(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::refused(Class::Throttled, 429) }
    }

    /// The process is killed while the call is under way.
    pub(crate) fn crash() -> Self {
        Self { crash: true, ..Self::lost() }
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
}

impl Account {
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
    pub(crate) bad_member_answer: (Class, u16),
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
            bad_member_answer: (Class::Invalid, 400),
        }
    }
}

#[derive(Default)]
struct Inner {
    holdings: Holdings,
    manners: Manners,
    calls: Vec<Call>,
    scripts: Vec<Script>,
    noise: Option<Noise>,
    after_writes: Option<(usize, Box<dyn FnMut() + Send>)>,
    next_id: u64,
    total: u64,
}

/// Transient faults by chance.
struct Noise {
    state: u64,
    percent: u64,
}

impl Noise {
    /// SplitMix64: enough chance for a test, and the same everywhere.
    fn roll(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn fault(&mut self) -> Option<Fault> {
        if self.roll(100) >= self.percent {
            return None;
        }
        let fault = match self.roll(4) {
            0 => Fault::lost(),
            1 => Fault::server(503),
            2 => Fault::throttled(Duration::from_secs(2)),
            _ => Fault { status: None, ..Fault::refused(Class::Unreachable, 0) },
        };
        let applied = fault.maybe_done && self.roll(2) == 0;
        Some(Fault { applied, ..fault })
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

    /// Somebody works in the app by hand.
    pub(crate) fn by_hand(&self, change: impl FnOnce(&mut Holdings)) {
        change(&mut self.inner().holdings);
    }

    /// An account that was there before; returns its id.
    pub(crate) fn has_user(&self, user_name: &str, active: bool) -> String {
        let mut inner = self.inner();
        let id = inner.fresh("a");
        let attributes = [(Path::user_name(), user_name.into())].into_iter().collect();
        inner.holdings.users.insert(id.clone(), Account { active, attributes });
        id
    }

    /// A group that was there before; returns its id.
    pub(crate) fn has_group(&self, name: &str, members: &[&str]) -> String {
        let mut inner = self.inner();
        let id = inner.fresh("g");
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        inner.holdings.groups.insert(id.clone(), Group { name: name.to_owned(), external_id: None, members });
        id
    }

    /// The next `times` calls of this name about whoever's name contains `about` fail.
    pub(crate) fn fail(&self, name: &'static str, about: &str, times: u32, fault: Fault) {
        let about = about.to_owned();
        let matches = Box::new(move |call: &Call| call.name == name && call.about.contains(&about));
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
        self.inner().noise = (percent > 0).then_some(Noise { state: seed, percent });
    }

    /// All faults end.
    pub(crate) fn heal(&self) {
        let mut inner = self.inner();
        inner.scripts.clear();
        inner.noise = None;
    }

    /// Calls since the last [`SimApp::forget_calls`].
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
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

    /// Logs a call, lets its fault strike, and otherwise (or all the same) carries it out.
    async fn call<T>(
        &self,
        name: &'static str,
        about: String,
        carries: Vec<String>,
        work: impl FnOnce(&mut Inner) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        tokio::task::yield_now().await;
        let (fault, done) = {
            let mut inner = self.inner();
            inner.total += 1;
            let call = Call { name, about, carries };
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
        match (fault, done) {
            (Some(fault), _) if fault.crash => std::future::pending().await,
            (Some(fault), _) => Err(CallError {
                retry_after: fault.retry_after,
                maybe_done: fault.maybe_done,
                ..error(name, fault.class, fault.status)
            }),
            (None, Some(result)) => result,
            (None, None) => Err(error(name, Class::Unknown, None)),
        }
    }
}

impl Call {
    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.name, "check" | "look_up_users" | "look_up_groups" | "get_user" | "get_group")
    }
}

fn error(name: &'static str, class: Class, status: Option<u16>) -> CallError {
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
        self.noise.as_mut().filter(|_| !call.is_read()).and_then(Noise::fault)
    }

    fn name_of(&self, id: &AppId) -> String {
        self.holdings.users.get(id.as_str()).map_or_else(|| id.to_string(), |user| user.name().to_owned())
    }

    fn group_name(&self, id: &AppId) -> String {
        self.holdings.groups.get(id.as_str()).map_or_else(|| id.to_string(), |group| group.name.clone())
    }

    fn is_hidden(&self, account: &Account) -> bool {
        (self.manners.inactive_effect == InactiveEffect::HidesResource && !account.active)
            || self.manners.unseen.contains(account.name())
    }

    fn look_up_user(&self, keys: &UserKeys) -> Match<AppUser> {
        let except = keys.except.as_ref().map(AppId::as_str);
        let visible = || {
            let users = self.holdings.users.iter();
            users.filter(|(id, account)| !self.is_hidden(account) && except != Some(id.as_str()))
        };
        let external = keys.attributes.get(&Path::external_id());
        let by_external: Vec<_> = visible()
            .filter(|(_, account)| external.is_some() && account.attributes.get(&Path::external_id()) == external)
            .collect();
        let name = fold(keys.attributes.text(&Path::user_name()).unwrap_or_default());
        let by_name: Vec<_> = visible().filter(|(_, account)| fold(account.name()) == name).collect();
        let (found, by) = if by_external.is_empty() { (by_name, "userName") } else { (by_external, "externalId") };
        match found.as_slice() {
            [] => Match::Nobody,
            [(id, account)] => Match::One { found: shown(id, account), by: by.to_owned() },
            _ => Match::Conflict { detail: format!("{} accounts have this {by}", found.len()) },
        }
    }

    fn look_up_group(&self, keys: &GroupKeys) -> Match<AppGroup> {
        let all = || self.holdings.groups.iter();
        let by_external: Vec<_> =
            all().filter(|(_, group)| group.external_id.as_deref() == Some(keys.source_id.as_str())).collect();
        let by_name: Vec<_> = all().filter(|(_, group)| fold(&group.name) == fold(&keys.display_name)).collect();
        let (found, by) = if by_external.is_empty() { (by_name, "displayName") } else { (by_external, "externalId") };
        match found.as_slice() {
            [] => Match::Nobody,
            [(id, group)] => {
                Match::One { found: AppGroup { members: None, ..shown_group(id, group) }, by: by.to_owned() }
            }
            _ => Match::Conflict { detail: format!("{} groups have this {by}", found.len()) },
        }
    }

    fn user(&mut self, id: &AppId) -> Result<&mut Account, CallError> {
        let deletes = self.manners.inactive_effect;
        match self.holdings.users.get_mut(id.as_str()) {
            Some(account) if account.active || deletes != InactiveEffect::HidesResource => Ok(account),
            _ => Err(error("user", Class::NotFound, Some(404))),
        }
    }

    fn group(&mut self, id: &AppId) -> Result<&mut Group, CallError> {
        self.holdings.groups.get_mut(id.as_str()).ok_or_else(|| error("group", Class::NotFound, Some(404)))
    }

    fn name_is_taken(&self, name: &str, by_other_than: Option<&AppId>) -> bool {
        let others = self.holdings.users.iter().filter(|(id, _)| Some(id.as_str()) != by_other_than.map(AppId::as_str));
        self.manners.unique && others.into_iter().any(|(_, account)| fold(account.name()) == fold(name))
    }

    fn delete_account(&mut self, id: &str) {
        self.holdings.users.remove(id);
        for group in self.holdings.groups.values_mut() {
            group.members.remove(id);
        }
    }

    fn check_members(&self, members: &[AppId]) -> Result<(), CallError> {
        let bad = members.iter().find(|id| match self.holdings.users.get(id.as_str()) {
            Some(account) => self.manners.bad_members.contains(account.name()),
            None => true,
        });
        let (class, status) = self.manners.bad_member_answer;
        bad.map_or(Ok(()), |_| Err(error("members", class, Some(status))))
    }
}

fn shown(id: &str, account: &Account) -> AppUser {
    AppUser { id: AppId::from(id), active: account.active, attributes: account.attributes.clone() }
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

    async fn look_up_users(&self, keys: &[UserKeys], _: &[Path]) -> Result<Vec<Match<AppUser>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(keys.iter().map(|key| inner.look_up_user(key)).collect());
        self.call("look_up_users", String::new(), carries, found).await
    }

    async fn look_up_groups(&self, keys: &[GroupKeys]) -> Result<Vec<Match<AppGroup>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(keys.iter().map(|key| inner.look_up_group(key)).collect());
        self.call("look_up_groups", String::new(), carries, found).await
    }

    async fn get_user(&self, id: &AppId, _: &[Path]) -> Result<Option<AppUser>, CallError> {
        self.call("get_user", id.to_string(), Vec::new(), |inner| {
            let visible = inner.holdings.users.get(id.as_str()).filter(|account| !inner.is_hidden(account));
            Ok(visible.map(|account| shown(id.as_str(), account)))
        })
        .await
    }

    async fn get_group(&self, id: &AppId) -> Result<Option<AppGroup>, CallError> {
        self.call("get_group", id.to_string(), Vec::new(), |inner| {
            let readable = inner.manners.members_readable;
            let mut found = inner.holdings.groups.get(id.as_str()).map(|group| shown_group(id.as_str(), group));
            if let Some(group) = found.as_mut().filter(|_| !readable) {
                group.members = None;
            }
            Ok(found)
        })
        .await
    }

    async fn own_account(&self) -> Result<Option<AppId>, CallError> {
        let inner = self.inner();
        match inner.manners.own_account_times_out {
            true => Err(error("own_account", Class::Unknown, None)),
            false => Ok(inner.manners.own_account.clone()),
        }
    }

    fn stats(&self) -> CallStats {
        CallStats { total: self.inner().total, by_method: BTreeMap::new() }
    }
}

#[async_trait]
impl AppWrite for SimApp {
    async fn create_user(&self, _: &SourceId, attributes: &Attributes) -> Result<Created, CallError> {
        let name = attributes.text(&Path::user_name()).unwrap_or_default().to_owned();
        self.call("create_user", name.clone(), Vec::new(), |inner| {
            if inner.name_is_taken(&name, None) {
                inner.manners.unseen.retain(|unseen| fold(unseen) != fold(&name));
                return Err(error("create_user", Class::Conflict, Some(409)));
            }
            let id = inner.fresh("a");
            inner.holdings.users.insert(id.clone(), Account { active: true, attributes: attributes.clone() });
            Ok(Created { id: AppId::new(id), echo: attributes.clone() })
        })
        .await
    }

    async fn update_user(&self, id: &AppId, set: &Attributes, clear: &[Path]) -> Result<Attributes, CallError> {
        let about = self.inner().name_of(id);
        let carries = set.iter().map(|(path, _)| path).chain(clear).map(ToString::to_string).collect();
        self.call("update_user", about, carries, |inner| {
            if set.text(&Path::user_name()).is_some_and(|name| inner.name_is_taken(name, Some(id))) {
                return Err(error("update_user", Class::Conflict, Some(409)));
            }
            let account = inner.user(id)?;
            for (path, value) in set.iter() {
                account.attributes.set(path.clone(), value.clone());
            }
            for path in clear {
                account.attributes.clear(path);
            }
            Ok(account.attributes.clone())
        })
        .await
    }

    async fn set_active(&self, id: &AppId, active: bool) -> Result<(), CallError> {
        let name = if active { "activate" } else { "deactivate" };
        let about = self.inner().name_of(id);
        self.call(name, about, Vec::new(), |inner| {
            if !active && inner.manners.inactive_effect == InactiveEffect::DeletesResource {
                inner.user(id)?;
                inner.delete_account(id.as_str());
                return Ok(());
            }
            match inner.holdings.users.get_mut(id.as_str()) {
                Some(account) => account.active = active,
                None => return Err(error("set_active", Class::NotFound, Some(404))),
            }
            Ok(())
        })
        .await
    }

    async fn delete_user(&self, id: &AppId) -> Result<(), CallError> {
        let about = self.inner().name_of(id);
        self.call("delete_user", about, Vec::new(), |inner| {
            match inner.manners.delete_effect {
                DeleteEffect::Deactivates => inner.user(id)?.active = false,
                DeleteEffect::Unsupported => return Err(error("delete_user", Class::Unsupported, Some(501))),
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
            inner.check_members(members)?;
            let taken = inner.holdings.groups.values().any(|group| fold(&group.name) == fold(name));
            if inner.manners.unique && taken {
                return Err(error("create_group", Class::Conflict, Some(409)));
            }
            let id = inner.fresh("g");
            let members = texts(members).into_iter().collect();
            let group = Group { name: name.to_owned(), external_id: Some(source_id.to_string()), members };
            inner.holdings.groups.insert(id.clone(), group);
            Ok(Created { id: AppId::new(id), echo: Attributes::new() })
        })
        .await
    }

    async fn rename_group(&self, id: &AppId, name: &str) -> Result<(), CallError> {
        let about = self.inner().group_name(id);
        self.call("rename_group", about, vec![name.to_owned()], |inner| {
            inner.group(id)?.name = name.to_owned();
            Ok(())
        })
        .await
    }

    async fn add_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<(), CallError> {
        let members = &ids(members);
        let about = self.inner().group_name(id);
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("add_members", about, carries, |inner| {
            inner.group(id)?;
            inner.check_members(members)?;
            inner.group(id)?.members.extend(texts(members));
            Ok(())
        })
        .await
    }

    async fn remove_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<(), CallError> {
        let members = &ids(members);
        let about = self.inner().group_name(id);
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("remove_members", about, carries, |inner| {
            let group = inner.group(id)?;
            for member in texts(members) {
                group.members.remove(&member);
            }
            Ok(())
        })
        .await
    }

    async fn delete_group(&self, id: &AppId) -> Result<(), CallError> {
        let about = self.inner().group_name(id);
        self.call("delete_group", about, Vec::new(), |inner| {
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
