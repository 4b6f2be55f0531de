//! What people ask of a running daemon. In: requests from the control socket. Out: runs before their time, words on the disk,
//! answers.
//!
//! A run that somebody asked for waits for the one under way, not for a free worker: a person waits in front of it. Words (a
//! decision, a pause) are files beside the state as without a daemon; here they are written by the daemon, which is who has to
//! read them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Daemon;
use super::book::Begun;
use super::control::{Answer, Asked, Caller, Order, Request};
use crate::engine::Wish;
use crate::model::TenantName;
use crate::store::{Decision, Mark, Sign, StoreError, Verdict, clear_mark, decide, set_mark};
use crate::tenancy::Tenant;

/// So many runs of one tenant may wait to be begun.
const WAITING: usize = 16;

/// Exit codes of the command line's contract.
const FAILED: u8 = 1;
const BUSY: u8 = 75;
const CONFIG: u8 = 78;

/// Runs that were asked for and have not begun, oldest first.
#[derive(Default)]
pub(super) struct Orders(HashMap<TenantName, VecDeque<Order>>);

impl Daemon {
    /// Does what is asked, or puts it where it is done soon.
    pub(super) fn asked(&mut self, asked: Asked) {
        let Asked { request, caller } = asked;
        match request {
            Request::Reload => {
                self.reload(Some(caller));
            }
            Request::Sync { tenant, wish, file, listed } => {
                let order = Order { wish, listed: listed.unwrap_or(usize::MAX), caller };
                self.order(&tenant, file, order);
            }
            Request::Decide { tenant, decision } => {
                self.word(&tenant, caller, |daemon, name| daemon.decide(name, &decision).map(|()| Answer::Done))
            }
            Request::Pause { tenant, mark } => {
                self.word(&tenant, caller, |daemon, name| daemon.pause(name, &mark).map(|()| Answer::Done));
            }
            Request::Resume { tenant } => self.word(&tenant, caller, |daemon, name| {
                let was = clear_mark(&daemon.folder_of(name), Sign::Paused)?;
                if was.is_some() {
                    daemon.wake(name);
                }
                Ok(Answer::Resumed(was))
            }),
        }
    }

    fn decide(&mut self, name: &TenantName, decision: &Decision) -> Result<(), StoreError> {
        decide(&self.folder_of(name), decision)?;
        if decision.verdict == Verdict::Approve {
            self.wake(name);
        }
        Ok(())
    }

    fn pause(&mut self, name: &TenantName, mark: &Mark) -> Result<(), StoreError> {
        set_mark(&self.folder_of(name), Sign::Paused, mark)?;
        // Its next run finds the pause; the board shows it as soon as that.
        self.wake(name);
        Ok(())
    }

    fn folder_of(&self, name: &TenantName) -> std::path::PathBuf {
        self.settings.state_dir.join(name.as_str())
    }

    fn wake(&mut self, name: &TenantName) {
        self.book.wake(name, self.settings.clock.now());
    }

    /// A word on a tenant, written at once. The tenant need not be one of this daemon's: its file may be new, or wrong.
    fn word(
        &mut self,
        tenant: &str,
        caller: Caller,
        write: impl FnOnce(&mut Self, &TenantName) -> Result<Answer, StoreError>,
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
    fn order(&mut self, tenant: &str, file: u64, order: Order) {
        let reload = || Some("`rosterd reload` makes the daemon read it; then try again".to_owned());
        let known = TenantName::parse(tenant).filter(|name| self.book.entries.contains_key(name));
        let Some((name, entry)) = known.and_then(|name| self.book.entries.get(&name).map(|entry| (name, entry))) else {
            let message = format!(
                "the daemon does not know {tenant}: its file came after it last read the files, or had mistakes then; nothing was run"
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
                "busy: {WAITING} runs of {tenant} wait already in the daemon (process {}); nothing was begun",
                std::process::id()
            );
            return order.caller.refuse(BUSY, message, None);
        }
        waiting.push_back(order);
    }

    /// The runs that were asked for and can begin now.
    pub(super) fn ordered(&mut self) -> Vec<(Arc<Tenant>, Order)> {
        let now = self.settings.clock.now();
        let mut begun = Vec::new();
        let book = &mut self.book;
        self.orders.0.retain(|name, waiting| {
            match book.begin(name, now) {
                Begun::Running => {}
                Begun::Now(tenant) => begun.extend(waiting.pop_front().map(|order| (tenant, order))),
                Begun::Unknown => waiting.drain(..).for_each(|order| {
                    order.caller.refuse(CONFIG, format!("the file of {name} was taken away; nothing was run"), None);
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

/// Whether a run is no full one: its end says nothing of the tenant as a whole.
pub(super) fn is_partial(wish: &Wish) -> bool {
    wish.only.is_some() || wish.expected_plan.is_some() || wish.dry_run
}
