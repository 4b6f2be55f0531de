//! Accounts that no user matches, each with the user who would get another one: plain values of the plan and of its holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppId, SourceId, text};

/// How many a sentence shows.
const SHOWN: usize = 5;

/// An account that no user matches, and the user who would get another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// The user.
    pub user: SourceId,
    /// The user name that the new account would have.
    pub name: String,
    /// The account that is there.
    pub account: AppId,
    /// Its user name.
    pub user_name: String,
    /// Whether it may be used.
    pub active: bool,
    /// What both have: a user name or e-mail address; `None` where they only look alike.
    pub shared: Option<String>,
}

/// `ann@acme.test (account 7, userName "ann", has ann@acme.test)`.
impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, account, user_name, active, shared, .. } = self;
        write!(f, "{name} (account {account}, userName {user_name:?}")?;
        if let Some(shared) = shared.as_ref().filter(|shared| *shared != user_name) {
            write!(f, ", has {shared}")?;
        }
        f.write_str(if *active { ")" } else { ", inactive)" })
    }
}

/// Several of them, of which a sentence shows the first few.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// The first ones, in the order of their names.
    pub first: Vec<Duplicate>,
    /// How many more there are.
    pub more: u64,
}

impl Duplicates {
    /// In the order of their names.
    pub fn of(all: &[&Duplicate]) -> Self {
        let mut all: Vec<&Duplicate> = all.to_vec();
        all.sort_by(|one, other| (&one.name, &one.account).cmp(&(&other.name, &other.account)));
        let first: Vec<Duplicate> = all.iter().take(SHOWN).map(|one| (*one).clone()).collect();
        Self { more: all.len().saturating_sub(first.len()) as u64, first }
    }
}

/// As `Names`: what has invisible characters or mixed scripts is marked.
impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<String> = self.first.iter().map(|one| text::named(&one.to_string()).to_string()).collect();
        f.write_str(&first.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
