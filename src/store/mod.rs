//! The state of tenants. What comes in is the events of a run; what goes out is what we last knew the app to hold.
//!
//! A tenant's state is two things. The **journal** is the truth: append-only, hash-chained, an intent before every call and an
//! outcome after it. The **cache** is a fold of the journal: links, last sent values, memberships, failures. Deleting the cache
//! loses nothing. This room knows no network and no plan.
//!
//! Rooms above see three traits and no file: [`Baseline`] (what the app holds), [`Ledger`] (what is done) and [`State`] (both,
//! and what a cycle needs besides; [`StateView`] is the part of it that can't write). They come to them, and to the notes beside
//! the state, by a [`Stores`] and a [`TenantStore`]. Where all of it lies is a `Backend`, whose module has the recipe for another
//! one.

mod audit;
mod backend;
mod backup;
mod baseline;
mod cache;
mod decisions;
mod disk;
mod effect;
mod error;
mod fold;
mod forget;
mod handle;
mod held;
mod history;
mod import_log;
mod imports;
mod index;
mod journal;
mod keys;
mod ledger;
mod lock;
mod mark;
#[cfg(test)]
mod memory;
mod neighbours;
mod notes;
mod numbers;
mod on_disk;
mod open;
mod record;
mod redact;
mod rows;
mod sightings;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod simulated;
mod state;
mod status;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod suite;
mod surroundings;
mod tail;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
mod transfer;
mod view;
mod writer;

pub use audit::{BrokenRecord, VerifyReport};
pub use backup::{BackedUpTenant, Backup};
pub use baseline::{AccessLoss, Activated, Baseline, GroupRow, LetGo, LinkCounts, TakenBack, UserRow};
pub use decisions::{ApprovalRule, Decision, DecisionVerdict, LONGEST_DECISION, LONGEST_REASON, Noted, Weighed};
pub use effect::AppTakes;
pub use error::{Notice, RefusedDecision, StoreError};
pub use forget::Forgotten;
pub use handle::{ImportLease, Stores, TenantStore};
pub use held::{Approvals, HELD_LISTED, HeldOperation, HeldPlan, PlanId, digest_of, held_id, id_of_text};
pub use history::InterruptedRun;
pub use import_log::{ImportLog, ImportPast, ImportResult, Making};
pub use imports::{ImportChoice, ImportEnd, ImportNote, ImportOrder, ImportState, ImportWait};
pub use index::{IndexDraft, IndexEntry, IndexTable, SyncIndex};
pub use ledger::{Health, Ledger, OpenIntent, State, StateView};
pub use mark::{Sign, TenantMark};
pub use neighbours::{Alone, Claim, Neighbours, OnThisMachine};
pub use notes::{Leased, Notes};
pub use record::{
    CallIntent, ClockMark, Continued, Effect, FailureNote, FirstSync, GuardSettings, JournalEvent, OutcomeResult,
    Record, RunSummary, SettingsMark, Trigger, UndoneEffect,
};
pub use sightings::Sightings;
pub use state::{ReadStore, Store};
pub use status::Status;
pub use surroundings::Surroundings;
pub use transfer::{Imported, StateFileContents, StateFileHeader, Sum, check_export};

#[cfg(test)]
pub(crate) use memory::MemoryStore;
#[cfg(test)]
pub(crate) use simulated::SimDisk;

/// The version of everything in a state folder. A higher one is refused, never guessed at.
///
/// A rosterd with a higher one begins a new journal file before it writes anything, so that the last file's first line tells; an
/// older state is written anew beside (`swap`), and swapped in whole. `tests/fixtures` has a state of each, which opens for ever.
pub const FORMAT: u32 = 1;

/// Effects of one record: more are cut into several, so that no record and no batch of rows grows without limit.
const EFFECTS_PER_RECORD: usize = 100;

/// Cuts effects into what one record may carry.
fn chunks(effects: Vec<Effect>) -> impl Iterator<Item = Vec<Effect>> {
    let mut rest = effects.into_iter();
    std::iter::from_fn(move || {
        let some: Vec<Effect> = rest.by_ref().take(EFFECTS_PER_RECORD).collect();
        (!some.is_empty()).then_some(some)
    })
}

/// A digest in hexadecimal.
fn hex(digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
