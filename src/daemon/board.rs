//! How everybody stands, for other processes to read. In: the book. Out: `<state_dir>/.daemon/board.json`, written whole or not
//! at all, for the owner only.
//!
//! The folder's name can't be a tenant's. Its lock says whether a daemon is alive: a board without a holder is an old one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::mistake::Mistake;
use super::trouble::{Cause, FailureHistory};
use crate::config::expiry::Expiry;
use crate::model::{TenantName, TenantState};
use crate::store::{Leased, StoreError, Stores};

/// How all tenants of a daemon stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// The daemon's process.
    pub process: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub started: Timestamp,
    /// When this was written.
    pub at: Timestamp,
    /// What is wrong with `rosterd.toml` as it is now; what was read before is in force.
    pub mistake: Option<String>,
    /// Why nobody can talk to it, if so.
    #[serde(default)]
    pub deaf: Option<String>,
    /// Why there is no status page although there should be one.
    #[serde(default)]
    pub page: Option<String>,
    /// Tenants that have state and no file any more: nothing is sent for them, and their apps stay as they are (J17).
    #[serde(default)]
    pub without_file: Vec<String>,
    /// The tenants.
    pub tenants: Vec<BoardRow>,
}

/// How one tenant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardRow {
    /// Its name.
    pub tenant: String,
    /// How the last run of this daemon ended.
    pub standing: Option<TenantState>,
    /// One line about that.
    pub note: String,
    /// Since when it runs, if it does.
    pub running_since: Option<Timestamp>,
    /// When it is due next.
    pub due: Option<Timestamp>,
    /// How often in a row it came to nothing.
    pub failures: u32,
    /// Since when.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
    /// Why, where that makes a difference to what helps.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// When its secrets expire, as the last run saw them.
    #[serde(default)]
    pub expiries: Vec<Expiry>,
    /// What is wrong with its file as it is now.
    pub mistake: Option<String>,
}

impl Board {
    pub(super) fn of(book: &Book, mistake: Option<&Mistake>, started: Timestamp, at: Timestamp) -> Self {
        let right = book.entries.iter().map(|(name, entry)| BoardRow {
            tenant: name.to_string(),
            standing: Some(entry.standing),
            note: entry.note.clone(),
            running_since: entry.running_since,
            due: entry.running_since.is_none().then_some(entry.due),
            failures: entry.trouble.failures,
            failing_since: entry.trouble.since,
            cause: entry.trouble.cause,
            expiries: entry.expiries.clone(),
            mistake: entry.mistake.as_ref().map(Mistake::summary),
        });
        let never_right = book.never_right.iter().map(|(name, mistake)| BoardRow {
            tenant: name.to_string(),
            standing: None,
            note: String::new(),
            running_since: None,
            due: None,
            failures: 0,
            failing_since: None,
            cause: None,
            expiries: Vec::new(),
            mistake: Some(mistake.summary()),
        });
        let mut tenants: Vec<BoardRow> = right.chain(never_right).collect();
        tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let without_file = Vec::new();
        Self {
            process: std::process::id(),
            version,
            started,
            at,
            mistake: mistake.map(Mistake::summary),
            deaf: None,
            page: None,
            without_file,
            tenants,
        }
    }
}

/// The board of a daemon that works, and that of the last one.
const BOARD: &str = "board";
const LAST: &str = "last";

pub(super) fn write(daemon: &Leased, board: &Board) -> Result<(), StoreError> {
    daemon.put(BOARD, board)
}

/// The daemon ends: nobody shall take its board for news. The next one takes up from it.
pub(super) fn clear(daemon: &Leased, board: &Board) {
    if let Err(error) = daemon.put(LAST, board).and_then(|()| daemon.take(BOARD)) {
        // It is old by its lock, which nobody holds.
        tracing::debug!(%error, "could not remove the status of the tenants");
    }
}

/// Who failed when the daemon before this one ended, in whatever way.
pub(super) fn failing_before(daemon: &Leased) -> Vec<(TenantName, FailureHistory)> {
    // One that was killed left its board; what can't be read is as good as none.
    let board = [BOARD, LAST].iter().find_map(|name| daemon.get::<Board>(name).ok().flatten());
    let lines = board.into_iter().flat_map(|board| board.tenants).filter(|line| line.failures > 0);
    lines
        .filter_map(|line| {
            Some((TenantName::parse(&line.tenant)?, FailureHistory::recalled(line.failures, line.failing_since)))
        })
        .collect()
}

/// The board of the daemon that works on these states; `None` if none does.
pub fn read_board(stores: &Stores) -> Option<Board> {
    let daemon = stores.daemon();
    daemon.holder()?;
    daemon.get(BOARD).ok().flatten()
}
