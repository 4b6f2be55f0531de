//! What people ask of a running daemon. In: requests from the control socket. Out: runs before their time, words on the disk,
//! answers.
//!
//! A run that somebody asked for waits for the one under way, not for a free worker: a person waits in front of it. Words (a
//! decision, a pause) are files beside the state as without a daemon; here they are written by the daemon, which is who has to
//! read them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Daemon;
use super::book::Begun;
use super::control::{
    Asked, ControlReply, ControlRequest, Deciding, RecordedDecision, ReplyHandle, RunOptions, RunOrder,
};
use super::overview::overview;
use crate::engine::{Engine, Wish};
use crate::identity::Identity;
use crate::model::TenantName;
use crate::store::{
    Decision, DecisionVerdict, LONGEST_DECISION, LONGEST_REASON, Sign, StoreError, TenantMark, TenantStore, Trigger,
};
use crate::tenancy::Tenant;

/// So many runs of one tenant may wait to be begun.
const WAITING: usize = 16;

/// A plan's id: 128 bits in hex.
const WHOLE: usize = 32;

/// Exit codes of the command line's contract.
const FAILED: u8 = 1;
const BUSY: u8 = 75;
const CONFIG: u8 = 78;

/// Runs that were asked for and have not begun, oldest first.
#[derive(Default)]
pub(super) struct Orders(HashMap<TenantName, VecDeque<RunOrder>>);

impl Daemon {
    /// Does what is asked, or puts it where it is done soon.
    pub(super) fn asked(&mut self, asked: Asked) {
        let Asked { request, from, caller } = asked;
        match request {
            ControlRequest::Reload => {
                self.reload(Some((from, caller)));
            }
            ControlRequest::Sync { tenant, wish, file, listed } => {
                let RunOptions { dry_run, only, expected_plan, unattended } = wish;
                // A person asked, unless the request itself says that it was a timer: that can only hold more.
                let trigger = if unattended { Trigger::Timer } else { Trigger::Command };
                let wish = Wish { dry_run, only, expected_plan, trigger: Some(trigger) };
                let order = RunOrder { wish, listed: listed.unwrap_or(usize::MAX), caller };
                self.order(&tenant, file, order);
            }
            ControlRequest::Import { tenant, file, choice } => self.import(&tenant, file, choice, &from, caller),
            ControlRequest::StopImport { tenant } => self.stop_import(&tenant, &from, caller),
            ControlRequest::Decide(deciding) => self.decide(deciding, from, caller),
            ControlRequest::Pause { tenant, reason, says } => {
                let mark = TenantMark::by(from.claiming(says.as_deref()), self.settings.clock.now(), brief(&reason));
                self.word(&tenant, caller, |daemon, name| {
                    daemon.pause(name, &mark).map(|()| ControlReply::Paused(mark))
                });
            }
            ControlRequest::Resume { tenant } => self.word(&tenant, caller, |daemon, name| {
                let was = daemon.state_of(name).clear_mark(Sign::Paused)?;
                if was.is_some() {
                    tracing::info!(tenant = %name, uid = from.uid, login_uid = from.login_uid, "tenant resumed");
                    daemon.wake(name);
                }
                Ok(ControlReply::Resumed(was))
            }),
            ControlRequest::Held { tenant } => self.word(&tenant, caller, |daemon, name| {
                Ok(ControlReply::Held(daemon.state_of(name).held()?.map(Box::new)))
            }),
            ControlRequest::Status { tenants } => self.tell_status(&tenants, caller),
            // The socket's own task hands it to the commands; it never comes here.
            ControlRequest::Perform(_) => {
                caller.refuse(FAILED, "the daemon can't carry out this command; nothing was done".to_owned(), None);
            }
        }
    }

    /// Writes a decision down: who it is from, when it was made and until when it counts is what the daemon knows of that.
    fn decide(&mut self, deciding: Deciding, from: Identity, caller: ReplyHandle) {
        let Deciding { tenant, plan, verdict, reason, lasts_secs, says } = deciding;
        let lasts = i64::try_from(lasts_secs).map_or(SignedDuration::MAX, SignedDuration::from_secs);
        let what = match () {
            () if plan.len() != WHOLE || !plan.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(format!("{plan:?} is not a plan's id"))
            }
            () if lasts > LONGEST_DECISION => Some("a decision counts for 7 days at most".to_owned()),
            () if reason.chars().count() > LONGEST_REASON => {
                Some(format!("the reason is longer than {LONGEST_REASON} characters"))
            }
            () => None,
        };
        if let Some(what) = what {
            return caller.refuse(FAILED, format!("{what}; nothing was decided"), None);
        }
        let at = self.settings.clock.now();
        let expires = at.saturating_add(lasts).unwrap_or(Timestamp::MAX);
        let identity = from.claiming(says.as_deref());
        let by = identity.name();
        let decision = Decision { plan, verdict, by, identity: Some(identity), reason, at, expires };
        let why_not = TenantName::parse(&tenant).and_then(|name| self.engine_of(&name)).and_then(|engine| {
            let rule = engine.approval_rule().ok().filter(|_| verdict == DecisionVerdict::Approve)?;
            rule.why_not(&decision)
        });
        if let Some(why) = why_not {
            return caller.refuse(FAILED, format!("{why}; nothing was decided"), None);
        }
        self.word(&tenant, caller, |daemon, name| {
            daemon.state_of(name).decide(&decision)?;
            let (plan, uid) = (&decision.plan, decision.identity.as_ref().map(|identity| identity.uid));
            tracing::info!(tenant = %name, plan, uid, ?verdict, "held plan decided");
            if daemon.state_of(name).is_plan_of_undo(plan)? {
                daemon.note_approvals_of_undo(name);
            } else if verdict == DecisionVerdict::Approve {
                daemon.wake(name);
            }
            // What can't be said now, `status` says after the next run.
            let approvals = daemon.engine_of(name).and_then(|engine| engine.approvals(&decision.plan).ok().flatten());
            Ok(ControlReply::Decided(Box::new(RecordedDecision { decision, approvals })))
        });
    }

    /// Has approvals of an undo put into the journal, beside the loop: no sync comes to that plan, and the undo is another process.
    fn note_approvals_of_undo(&self, name: &TenantName) {
        let Some(engine) = self.engine_of(name) else { return };
        let tenant = name.clone();
        tokio::spawn(async move {
            match engine.note_approvals_of_undo().await {
                Ok(()) => {}
                Err(error) if error.is_busy() => tracing::debug!(%tenant, "the run in progress journals it"),
                Err(error) => tracing::warn!(%tenant, %error, "an approval could not be put into the journal"),
            }
        });
    }

    /// The engine of a tenant whose file is right; it makes no call here.
    fn engine_of(&self, name: &TenantName) -> Option<Engine> {
        let tenant = Arc::clone(&self.book.entries.get(name)?.tenant);
        Some(Engine::new(tenant, self.settings.stores.clone(), Arc::clone(&self.settings.clock)))
    }

    fn tell_status(&self, tenants: &[String], caller: ReplyHandle) {
        let board = self.board();
        let mut names: Vec<TenantName> =
            board.tenants.iter().filter_map(|line| TenantName::parse(&line.tenant)).collect();
        let gone = board.without_file.iter().filter_map(|name| TenantName::parse(name));
        let mut gone: Vec<TenantName> = gone.filter(|name| !names.contains(name)).collect();
        if !tenants.is_empty() {
            let is_asked = |name: &TenantName| tenants.iter().any(|asked| asked == name.as_str());
            if let Some(unknown) = tenants.iter().find(|asked| !names.iter().any(|name| name.as_str() == **asked)) {
                let message = format!("the daemon knows no tenant {unknown:?}; nothing was done");
                return caller.refuse(CONFIG, message, None);
            }
            names.retain(is_asked);
            gone.clear();
        }
        match overview(&self.settings.stores, &names, &gone, Some(&board), self.settings.clock.now()) {
            Ok(all) => caller.answer(ControlReply::Status(all)),
            Err(error) => caller.refuse(FAILED, error.to_string(), None),
        }
    }

    fn pause(&mut self, name: &TenantName, mark: &TenantMark) -> Result<(), StoreError> {
        self.state_of(name).set_mark(Sign::Paused, mark)?;
        // Its next run finds the pause; the board shows it as soon as that.
        self.wake(name);
        Ok(())
    }

    pub(super) fn state_of(&self, name: &TenantName) -> TenantStore {
        self.settings.stores.tenant(name)
    }

    fn wake(&mut self, name: &TenantName) {
        self.book.wake(name, self.settings.clock.now());
    }

    /// A word on a tenant, written at once. The tenant need not be one of this daemon's: its file may be new, or wrong.
    fn word(
        &mut self,
        tenant: &str,
        caller: ReplyHandle,
        write: impl FnOnce(&mut Self, &TenantName) -> Result<ControlReply, StoreError>,
    ) {
        let Some(name) = TenantName::parse(tenant) else {
            return caller.refuse(CONFIG, format!("{tenant:?} is not a tenant's name; nothing was done"), None);
        };
        match write(self, &name) {
            Ok(answer) => caller.answer(answer),
            Err(error) => caller.refuse(FAILED, error.to_string(), None),
        }
    }

    /// Takes up a run, if it is about the same file.
    fn order(&mut self, tenant: &str, file: u64, order: RunOrder) {
        let reload = || Some("run `rosterd reload`, then try again".to_owned());
        let known = TenantName::parse(tenant).filter(|name| self.book.entries.contains_key(name));
        let Some((name, entry)) = known.and_then(|name| self.book.entries.get(&name).map(|entry| (name, entry))) else {
            let message = format!(
                "the daemon does not know {tenant}: its file is newer than the last reload, or had mistakes then; nothing was run"
            );
            return order.caller.refuse(CONFIG, message, reload());
        };
        if entry.tenant.fingerprint() != file {
            let message = format!("the file of {tenant} was edited since the daemon read it; nothing was run");
            return order.caller.refuse(CONFIG, message, reload());
        }
        if let Some(since) = entry.running_since {
            order.caller.waits(since);
        }
        let waiting = self.orders.0.entry(name).or_default();
        if waiting.len() >= WAITING {
            let message = format!(
                "busy: {WAITING} runs of {tenant} are already waiting in the daemon (process {}); nothing was started",
                std::process::id()
            );
            return order.caller.refuse(BUSY, message, None);
        }
        waiting.push_back(order);
    }

    /// The runs that were asked for and can begin now.
    pub(super) fn ordered(&mut self) -> Vec<(Arc<Tenant>, RunOrder)> {
        let now = self.settings.clock.now();
        let mut begun = Vec::new();
        let book = &mut self.book;
        self.orders.0.retain(|name, waiting| {
            match book.begin(name, now) {
                Begun::Running => {}
                Begun::Now(tenant) => begun.extend(waiting.pop_front().map(|order| (tenant, order))),
                Begun::Unknown => waiting.drain(..).for_each(|order| {
                    order.caller.refuse(CONFIG, format!("the file of {name} was removed; nothing was run"), None);
                }),
            }
            !waiting.is_empty()
        });
        begun
    }

    /// Whoever waits is told that the daemon ends.
    pub(super) fn refuse_orders(&mut self) {
        for order in std::mem::take(&mut self.orders.0).into_values().flatten() {
            order.caller.refuse(BUSY, "the daemon is stopping; nothing was run".to_owned(), None);
        }
    }
}

/// A reason as it is kept.
fn brief(reason: &str) -> String {
    reason.chars().take(LONGEST_REASON).collect()
}

/// Whether a run is no full one: its end says nothing of the tenant as a whole.
pub(super) fn is_partial(wish: &Wish) -> bool {
    wish.only.is_some() || wish.expected_plan.is_some() || wish.dry_run
}
