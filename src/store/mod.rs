//! The disk. In: events of a run. Out: what we last knew the app to hold.
//!
//! Two things lie in a tenant's state folder. The **journal** is the truth: append-only, hash-chained, an intent before every
//! call and an outcome after it. The **cache** (sled) is a fold of the journal: links, last sent values, memberships, failures.
//! Deleting the cache loses nothing. This room knows no network and no plan.

mod record;

pub use record::{Continued, Effect, Event, FailureNote, Intent, OutcomeResult, Record, RunSummary, Trigger};
