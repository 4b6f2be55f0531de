//! New accounts that would be a user's second one. It takes the users who have no account and the app's accounts that share a name with one of
//! them; it returns who shares what with which account that no user matches. Pure; whether they wait is decided by the guard.
//!
//! Where the app was filled by another tool under other user names, no match attribute finds anybody and everybody would get a second
//! account (J6, J15).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Answers, Person};
use crate::model::{AppId, KnownNames, Likeness, SourceId, Standing};
use crate::scim::{Lookalike, Match};
use crate::source::{Snapshot, UserIx};
use crate::store::{Baseline, StoreError};

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
impl std::fmt::Display for Duplicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, account, user_name, active, shared, .. } = self;
        write!(f, "{name} (account {account}, userName {user_name:?}")?;
        if let Some(shared) = shared.as_ref().filter(|shared| *shared != user_name) {
            write!(f, ", has {shared}")?;
        }
        f.write_str(if *active { ")" } else { ", inactive)" })
    }
}

/// What a user of the directory is called: by what the account shall hold and by what the directory's record says.
fn known_names(snapshot: &Snapshot, person: &Person) -> KnownNames {
    KnownNames::of_attributes(&person.attributes).and(KnownNames::of_record(&snapshot.record(person.ix)))
}

/// The names by which the accounts of new users are looked for. Suspended users get no account: nothing is looked for.
pub fn names_of_newcomers(snapshot: &Snapshot, newcomers: &[Person]) -> Vec<KnownNames> {
    let names = newcomers.iter().map(|person| match gets_one(snapshot, person.ix) {
        true => known_names(snapshot, person),
        false => KnownNames::default(),
    });
    names.collect()
}

fn gets_one(snapshot: &Snapshot, user: UserIx) -> bool {
    snapshot.standing(user) != Standing::Suspended
}

/// The users whose new account would be a second one, in the order of their ids.
///
/// # Errors
/// When the state can't be read.
pub fn duplicates(
    snapshot: &Snapshot,
    newcomers: &[Person],
    answers: &Answers,
    baseline: &dyn Baseline,
) -> Result<Vec<Duplicate>, StoreError> {
    let unmatched = unmatched(answers, baseline)?;
    if unmatched.is_empty() {
        return Ok(Vec::new());
    }
    let (mut by_name, mut by_likeness) = (HashMap::new(), HashMap::new());
    for account in &unmatched {
        for key in &account.names.identifiers {
            by_name.entry(*key).or_insert(*account);
        }
        for key in &account.names.resembling {
            by_likeness.entry(*key).or_insert(*account);
        }
    }
    let creates = newcomers.iter().zip(&answers.users).filter(|(_, answer)| matches!(answer, Match::Nobody));
    let mut found = Vec::new();
    for (person, _) in creates.filter(|(person, _)| gets_one(snapshot, person.ix)) {
        let names = known_names(snapshot, person);
        let shares = names.identifiers.iter().find_map(|name| {
            let account = by_name.get(&Likeness::key_of(name))?;
            Some((*account, Some(name.clone())))
        });
        let resembles =
            || names.of_user().resembling.iter().find_map(|key| by_likeness.get(key)).map(|account| (*account, None));
        if let Some((account, shared)) = shares.or_else(resembles) {
            found.push(Duplicate {
                user: person.id.clone(),
                name: person.name.clone(),
                account: account.id.clone(),
                user_name: account.user_name.clone(),
                active: account.active,
                shared,
            });
        }
    }
    found.sort_by(|a, b| a.user.cmp(&b.user));
    Ok(found)
}

/// The accounts that are linked to no user and that the look-ups of this run found for none, in the order of their ids.
fn unmatched<'a>(answers: &'a Answers, baseline: &dyn Baseline) -> Result<Vec<&'a Lookalike>, StoreError> {
    let matched: HashSet<&AppId> = answers
        .users
        .iter()
        .filter_map(|answer| match answer {
            Match::One { found, .. } => Some(&found.id),
            Match::Nobody | Match::Conflict { .. } => None,
        })
        .collect();
    let mut unmatched = Vec::new();
    for account in answers.alike.iter().filter(|account| !matched.contains(&account.id)) {
        if baseline.user_by_app_id(&account.id)?.is_none() {
            unmatched.push(account);
        }
    }
    unmatched.sort_by(|a, b| a.id.cmp(&b.id));
    unmatched.dedup_by(|a, b| a.id == b.id);
    Ok(unmatched)
}
