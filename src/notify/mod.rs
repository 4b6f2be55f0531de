//! Messages to people: something waits for them. In: how tenants stand, the receivers of `rosterd.toml`. Out: signed posts to web
//! hooks, each event once, repeated until they are taken.
//!
//! Three steps, each of which a restart may come between: `watch` finds what is new against what was told before, `spool`
//! keeps what is to be sent on the disk, `post` sends it in a task of its own, so that a receiver that hangs delays nobody.
//!
//! Knows no schedule and no run; what it is told of a tenant is a [`Situation`]. Messages name no people unless a receiver asks
//! for details.

mod imported;
mod message;
mod post;
mod render;
mod sign;
mod spool;
mod watch;

pub use imported::import_finished;
pub use message::Message;
pub use post::{Delivery, deliver};
pub use watch::{ConditionStatus, Failing, FileMistake, HeldPlanNotice, Situation};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::post::ReceiverTask;
use self::spool::Spool;
use self::watch::SentNotice;
use crate::clock::Clock;
use crate::config::notify::NotifyTable;
use crate::store::Notes;

/// The receivers by name, as `rosterd.toml` has them.
pub type Receivers = BTreeMap<String, NotifyTable>;

/// How a receiver takes its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverStatus {
    /// Messages that wait.
    #[serde(default)]
    pub waiting: usize,
    /// When it last took one.
    pub delivered: Option<jiff::Timestamp>,
    /// Why it did not take the last one, if so.
    pub trouble: Option<String>,
}

/// Tells receivers what is new.
pub struct Herald {
    notes: Notes,
    clock: Arc<dyn Clock>,
    told: SentNotice,
    workers: BTreeMap<String, (NotifyTable, ReceiverTask)>,
}

/// The note of what was told.
const TOLD: &str = "notify/told";

impl Herald {
    /// One that knows what was told before. `notes` are those of the daemon.
    pub fn new(notes: Notes, clock: Arc<dyn Clock>) -> Self {
        // What can't be read is as good as none: then some things are told twice.
        let told = notes.get(TOLD).ok().flatten().unwrap_or_default();
        Self { notes, clock, told, workers: BTreeMap::new() }
    }

    /// Takes the receivers over. Those that stay as they were go on; the messages of those that are gone are kept until they
    /// are too old.
    pub fn receivers(&mut self, tables: &Receivers) {
        self.workers.retain(|name, (table, _)| tables.get(name) == Some(table));
        for (name, table) in tables {
            if self.workers.contains_key(name) {
                continue;
            }
            let spool = Spool::of(&self.notes, name);
            let worker = ReceiverTask::start(name.clone(), table.clone(), spool, Arc::clone(&self.clock));
            self.workers.insert(name.clone(), (table.clone(), worker));
        }
    }

    /// Looks at tenants, and tells what is new about them.
    pub fn look(&mut self, situations: &[Situation]) {
        let now = self.clock.now();
        let before = self.told.clone();
        let news: Vec<Message> = situations.iter().flat_map(|situation| self.told.news(situation, now)).collect();
        news.iter().for_each(|message| self.announce(message));
        // After the messages are on the disk: a crash in between tells twice, never not at all.
        if self.told != before {
            self.remember();
        }
    }

    /// Sends a message to every receiver that wants such. It is on the disk when this returns.
    pub fn announce(&self, message: &Message) {
        tracing::warn!(tenant = message.tenant, event = message.event.name(), id = message.id, "notification queued");
        for (table, worker) in self.workers.values() {
            if table.wants(message.event) {
                worker.send(message.to_body(table.details), self.clock.now());
            }
        }
    }

    /// Forgets tenants that are gone.
    pub fn forget_others(&mut self, tenants: &[&str]) {
        if self.told.keep(tenants) {
            self.remember();
        }
    }

    fn remember(&self) {
        if let Err(error) = self.notes.set(TOLD, &self.told) {
            tracing::error!(%error, "could not record which notifications were sent: they are sent again after a restart");
        }
    }
}

/// How the receivers take their messages, for people.
pub fn standings(notes: &Notes, receivers: &Receivers) -> Vec<(String, ReceiverStatus)> {
    let of = |name: &String| {
        let standing: ReceiverStatus = notes.get(&post::note_of(name)).ok().flatten().unwrap_or_default();
        ReceiverStatus { waiting: Spool::of(notes, name).count(), ..standing }
    };
    receivers.keys().map(|name| (name.clone(), of(name))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
