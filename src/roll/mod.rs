//! The app's people held against the directory and against what we last knew. In: everybody in the app, who belongs, the state.
//! Out: a listing (`import`), records for the directory, and what was changed in the app by hand (`drift`).
//!
//! Pure: asks nobody, changes nothing, decides nothing.

mod choice;
mod drift;
mod ends;
mod hint;
mod listing;
mod record;

pub use choice::{ChoiceError, ChosenAccounts, choose};
pub use drift::{Drift, Drifted, ExpectedState, drift};
pub use ends::deletions;
pub use hint::DriftHint;
pub use listing::{AccountNames, DirectoryStatus, ListedAccount, ListingSources, SortOrder, listing, names_of};
pub use record::{Unsaid, WayBack};
