//! Which accounts an import creates in the directory. In: a listing, a choice. Out: their places in the listing, and what was left out.

use super::{DirectoryStatus, ListedAccount};
use crate::store::ImportChoice;

/// The accounts that were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenAccounts {
    /// Where they are in the listing.
    pub places: Vec<usize>,
    /// How many new accounts were left out because they are inactive.
    pub inactive: u64,
    /// Where new accounts are that are never created along with all others.
    pub special: Vec<usize>,
}

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No account is called so.
    #[error("no account in the app matches {typed:?}; no user was created")]
    Unknown {
        /// What was given.
        typed: String,
    },
    /// Several accounts are.
    #[error("{typed:?} matches {} accounts; no user was created", ids.len())]
    Several {
        /// What was given.
        typed: String,
        /// The app's ids of these accounts.
        ids: Vec<String>,
    },
    /// A person has to decide something about the account first.
    #[error("{typed:?} conflicts: {detail}; no user was created")]
    Conflicting {
        /// What was given.
        typed: String,
        /// What is in conflict.
        detail: String,
    },
}

impl ChoiceError {
    /// The next command.
    pub fn hint(&self, tenant: &str) -> String {
        match self {
            Self::Unknown { .. } => format!("`rosterd import {tenant} --search TEXT` searches the accounts"),
            Self::Several { ids, .. } => format!("name one by its app id: {}", ids.join(", ")),
            Self::Conflicting { typed, .. } => {
                format!("`rosterd import {tenant} --search {typed:?}` shows the account")
            }
        }
    }
}

/// Chooses accounts from a listing.
///
/// # Errors
/// When a name is not that of exactly one account without a conflict: then none is chosen.
pub fn choose(entries: &[ListedAccount], choice: &ImportChoice) -> Result<ChosenAccounts, ChoiceError> {
    match choice {
        ImportChoice::All { search } => Ok(all_new(entries, search.as_deref())),
        ImportChoice::Named(names) => named(entries, names),
    }
}

fn all_new(entries: &[ListedAccount], search: Option<&str>) -> ChosenAccounts {
    let mut chosen = ChosenAccounts::default();
    let listed = entries.iter().enumerate().filter(|(_, entry)| entry.status == DirectoryStatus::New);
    for (at, entry) in listed.filter(|(_, entry)| search.is_none_or(|text| entry.contains(text))) {
        if !entry.active {
            chosen.inactive += 1;
        }
        if entry.special {
            chosen.special.push(at);
        }
        if entry.active && !entry.special {
            chosen.places.push(at);
        }
    }
    chosen
}

fn named(entries: &[ListedAccount], names: &[String]) -> Result<ChosenAccounts, ChoiceError> {
    let mut places: Vec<usize> = Vec::new();
    for typed in names {
        let typed = typed.clone();
        let found: Vec<usize> =
            entries.iter().enumerate().filter(|(_, entry)| entry.is_called(&typed)).map(|(at, _)| at).collect();
        let (at, entry) = match found.as_slice() {
            [at] => match entries.get(*at) {
                Some(entry) => (*at, entry),
                None => return Err(ChoiceError::Unknown { typed }),
            },
            [] => return Err(ChoiceError::Unknown { typed }),
            many => {
                let ids = many.iter().filter_map(|at| entries.get(*at)).map(|entry| entry.app_id.to_string()).collect();
                return Err(ChoiceError::Several { typed, ids });
            }
        };
        if entry.status == DirectoryStatus::Conflicting {
            return Err(ChoiceError::Conflicting { typed, detail: entry.detail.clone() });
        }
        if !places.contains(&at) {
            places.push(at);
        }
    }
    Ok(ChosenAccounts { places, ..ChosenAccounts::default() })
}
