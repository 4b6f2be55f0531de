//! New accounts that would be a user's second one. It takes the users who have no account and the app's accounts that share a name with one of
//! them; it returns who shares what with which account that no user matches. Pure; whether they wait is decided by the guard.
//!
//! Where the app was filled by another tool under other user names, no match attribute finds anybody and everybody would get a second
//! account (J6, J15).

use std::collections::{HashMap, HashSet};

use super::{Answers, PlannedUser};
use crate::model::{AppId, Duplicate, KnownNames, LifecycleStatus, Likeness};
use crate::scim::{Lookalike, Match};
use crate::source::{Snapshot, UserIx};
use crate::store::{Baseline, StoreError};

/// What a user of the directory is called: by what the account shall hold and by what the directory's record says.
fn known_names(snapshot: &Snapshot, person: &PlannedUser) -> KnownNames {
    KnownNames::of_attributes(&person.attributes).and(KnownNames::of_record(&snapshot.record(person.ix)))
}

/// The names by which the accounts of new users are looked for. Suspended users get no account: nothing is looked for.
pub fn names_of_newcomers(snapshot: &Snapshot, newcomers: &[PlannedUser]) -> Vec<KnownNames> {
    let names = newcomers.iter().map(|person| match gets_one(snapshot, person.ix) {
        true => known_names(snapshot, person),
        false => KnownNames::default(),
    });
    names.collect()
}

fn gets_one(snapshot: &Snapshot, user: UserIx) -> bool {
    snapshot.standing(user) != LifecycleStatus::Suspended
}

/// The users whose new account would be a second one, in the order of their ids.
///
/// # Errors
/// When the state can't be read.
pub fn duplicates(
    snapshot: &Snapshot,
    newcomers: &[PlannedUser],
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
            Match::Nobody | Match::Conflict(_) => None,
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
