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
mod sign;
mod spool;
mod watch;

pub use imported::import_finished;
pub use message::Message;
pub use post::{Delivery, deliver};
pub use watch::{Failing, FileMistake, Held, Situation, Word};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::post::Worker;
use self::spool::Spool;
use self::watch::Told;
use crate::clock::Clock;
use crate::config::notify::NotifyTable;
use crate::store::{StoreError, put_note, read_note};

/// The receivers by name, as `rosterd.toml` has them.
pub type Receivers = BTreeMap<String, NotifyTable>;

/// How a receiver takes its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
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
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    told: Told,
    workers: BTreeMap<String, (NotifyTable, Worker)>,
}

/// The folder of messages below a state folder.
fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join(".daemon").join("notify")
}

impl Herald {
    /// One that knows what was told before.
    ///
    /// # Errors
    /// When its folder can't be made.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let folder = folder(state_dir);
        spool::make_folder(&folder)?;
        // What can't be read is as good as none: then some things are told twice.
        let told = read_note(&folder, "told").ok().flatten().unwrap_or_default();
        Ok(Self { folder, clock, told, workers: BTreeMap::new() })
    }

    /// Takes the receivers over. Those that stay as they were go on; the messages of those that are gone are kept until they
    /// are too old.
    pub fn receivers(&mut self, tables: &Receivers) {
        self.workers.retain(|name, (table, _)| tables.get(name) == Some(table));
        for (name, table) in tables {
            if self.workers.contains_key(name) {
                continue;
            }
            match Spool::open(&self.folder, name) {
                Ok(spool) => {
                    let worker = Worker::start(name.clone(), table.clone(), spool, Arc::clone(&self.clock));
                    self.workers.insert(name.clone(), (table.clone(), worker));
                }
                Err(error) => {
                    tracing::error!(receiver = name, %error, "messages to it can't be kept: it is told nothing")
                }
            }
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
        tracing::warn!(tenant = message.tenant, event = message.event.name(), id = message.id, "told");
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
        if let Err(error) = put_note(&self.folder, "told", &self.told) {
            tracing::error!(%error, "what was told can't be kept: after a restart it is told again");
        }
    }
}

/// How the receivers take their messages, for people.
pub fn standings(state_dir: &Path, receivers: &Receivers) -> Vec<(String, Standing)> {
    let folder = folder(state_dir);
    let of = |name: &String| {
        let standing: Standing = read_note(&folder, &post::note_of(name)).ok().flatten().unwrap_or_default();
        Standing { waiting: Spool::count(&folder, name), ..standing }
    };
    receivers.keys().map(|name| (name.clone(), of(name))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
