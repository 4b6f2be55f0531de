//! Judges what a look-up found. It takes the keys and the objects that match some of them, and returns for each key no object, one, or a
//! conflict with its evidence.
//!
//! The client of real apps and the simulated app both use this code, so that the two can't answer differently. It must not depend on how
//! the objects were read.

use std::collections::HashMap;

use super::Match;
use super::error::clean;
use super::json::{self, JsonObject};
use super::matching::{LookupKeys, LookupResult};
#[cfg(test)]
use super::{GroupKeys, UserKeys, matching::LookupIndex};
use crate::config::profile::Adopt;
#[cfg(test)]
use crate::config::profile::Profile;
use crate::model::{Another, AppId, Conflict, Some10, SourceId};

/// Turns hits into answers.
pub(super) fn judge(wanted: &LookupKeys, found: LookupResult, adopt: Adopt) -> Vec<Match<JsonObject>> {
    let doubled = doubled_values(wanted);
    let mut answers: Vec<Match<usize>> = found
        .hits
        .iter()
        .enumerate()
        .map(|(key, hits)| match doubled.get(&key) {
            Some(conflict) => Match::Conflict(conflict.clone()),
            None => judge_one(wanted, key, hits, &found.resources, adopt),
        })
        .collect();
    part_shared(wanted, &found.resources, adopt, &mut answers);
    answers
        .into_iter()
        .map(|answer| match answer {
            Match::Nobody => Match::Nobody,
            Match::Conflict(conflict) => Match::Conflict(conflict),
            Match::One { found: at, by } => match found.resources.get(at) {
                Some(resource) => Match::One { found: resource.clone(), by },
                None => Match::Nobody,
            },
        })
        .collect()
}

fn judge_one(
    wanted: &LookupKeys,
    key: usize,
    hits: &[(usize, usize)],
    resources: &[JsonObject],
    adopt: Adopt,
) -> Match<usize> {
    let Some(best) = hits.iter().map(|(attribute, _)| *attribute).min() else { return Match::Nobody };
    let matching: Vec<usize> = hits.iter().filter(|(attribute, _)| *attribute == best).map(|(_, at)| *at).collect();
    let (Some(by), [at]) = (wanted.by.get(best), matching.as_slice()) else {
        let name = wanted.by.get(best).map_or("", |by| by.name.as_str());
        let ids = matching.iter().filter_map(|at| json::text(resources.get(*at)?, "id"));
        return Match::Conflict(Conflict::SeveralObjects { by: name.to_owned(), ids: listed(ids) });
    };
    let owner = resources.get(*at).and_then(|resource| json::text(resource, "externalId")).filter(|id| !id.is_empty());
    let ours = wanted.source_ids.get(key);
    match owner {
        Some(owner)
            if wanted.own_external_ids
                && adopt == Adopt::IfUnowned
                && Some(&owner) != ours
                && !wanted.is_released(key, resources.get(*at)) =>
        {
            Match::Conflict(of_another(wanted, key, resources.get(*at), &by.name, &owner))
        }
        _ => Match::One { found: *at, by: by.name.clone() },
    }
}

/// What is said of an object that was found by `by` and carries the `externalId` of another record than the key's.
fn of_another(wanted: &LookupKeys, key: usize, resource: Option<&JsonObject>, by: &str, owner: &str) -> Conflict {
    let id = resource.and_then(|resource| json::text(resource, "id")).unwrap_or_default();
    let active = resource.and_then(|resource| json::flag(resource, "active")).unwrap_or(true);
    let another = Another { id: AppId::new(id.as_str()), by: by.to_owned(), active };
    let record = SourceId::new(wanted.source_ids.get(key).map(String::as_str).unwrap_or_default());
    Conflict::OfAnother { another, external_id: clean(owner), record }
}

/// A few of many ids, fit to be shown.
fn listed(ids: impl Iterator<Item = String>) -> Some10 {
    ids.map(|id| clean(&id)).collect()
}

/// Keys that want the same unique name: neither can have it.
fn doubled_values(wanted: &LookupKeys) -> HashMap<usize, Conflict> {
    let mut conflicts = HashMap::new();
    let Some((at, by)) = wanted.by.iter().enumerate().find(|(_, by)| by.name.eq_ignore_ascii_case(wanted.unique))
    else {
        return conflicts;
    };
    let mut keys_of: HashMap<String, Vec<usize>> = HashMap::new();
    for (key, values) in wanted.values.iter().enumerate() {
        if let Some(Some(value)) = values.get(at) {
            keys_of.entry(by.comparable(value)).or_default().push(key);
        }
    }
    for keys in keys_of.into_values().filter(|keys| keys.len() > 1) {
        let records = listed(keys.iter().filter_map(|key| wanted.source_ids.get(*key).cloned()));
        for key in keys {
            let value = wanted.values.get(key).and_then(|values| values.get(at)).cloned().flatten().unwrap_or_default();
            let (by, records) = (by.name.clone(), records.clone());
            conflicts.insert(key, Conflict::SeveralWant { by, value: clean(&value), records });
        }
    }
    conflicts
}

/// Keys that found one and the same object: it can be only one's. A released group carries the id of the record that it was made for, and
/// may have got the name of another: there the id says whose it is.
fn part_shared(wanted: &LookupKeys, resources: &[JsonObject], adopt: Adopt, answers: &mut [Match<usize>]) {
    let mut keys_of: HashMap<usize, Vec<(usize, String)>> = HashMap::new();
    for (key, answer) in answers.iter().enumerate() {
        if let Match::One { found, by } = answer {
            keys_of.entry(*found).or_default().push((key, by.clone()));
        }
    }
    let ids_decide = wanted.own_external_ids && adopt == Adopt::IfUnowned;
    for (at, keys) in keys_of.into_iter().filter(|(_, keys)| keys.len() > 1) {
        let resource = resources.get(at);
        let owner = resource.and_then(|resource| json::text(resource, "externalId")).filter(|_| ids_decide);
        let is_owner = |key: usize| owner.is_some() && wanted.source_ids.get(key) == owner.as_ref();
        let id = clean(&resource.and_then(|resource| json::text(resource, "id")).unwrap_or_default());
        let records = listed(keys.iter().filter_map(|(key, _)| wanted.source_ids.get(*key).cloned()));
        let several = Conflict::SeveralMatch { account: AppId::new(id.as_str()), records };
        let has_owner = keys.iter().filter(|(key, _)| is_owner(*key)).count() == 1;
        for (key, by) in keys.into_iter().filter(|(key, _)| !(has_owner && is_owner(*key))) {
            let conflict = match &owner {
                Some(owner) if has_owner => of_another(wanted, key, resource, &by, owner),
                _ => several.clone(),
            };
            if let Some(answer) = answers.get_mut(key) {
                *answer = Match::Conflict(conflict);
            }
        }
    }
}

/// What look-ups of users come to in an app that shows exactly these objects: what the simulated app answers.
#[cfg(test)]
pub(crate) fn users_among(profile: &Profile, keys: &[UserKeys], shown: &[JsonObject]) -> Vec<Match<AppId>> {
    among(&LookupKeys::of_users(profile, keys), shown, profile.read.adopt)
}

/// The same for groups.
#[cfg(test)]
pub(crate) fn groups_among(profile: &Profile, keys: &[GroupKeys], shown: &[JsonObject]) -> Vec<Match<AppId>> {
    among(&LookupKeys::of_groups(profile, keys), shown, profile.read.adopt)
}

#[cfg(test)]
fn among(wanted: &LookupKeys, shown: &[JsonObject], adopt: Adopt) -> Vec<Match<AppId>> {
    let mut found = LookupResult::new(wanted.values.len());
    LookupIndex::new(wanted).match_all(wanted, shown, &mut found);
    let id = |object: JsonObject| AppId::new(json::text(&object, "id").unwrap_or_default());
    judge(wanted, found, adopt)
        .into_iter()
        .map(|answer| match answer {
            Match::Nobody => Match::Nobody,
            Match::One { found, by } => Match::One { found: id(found), by },
            Match::Conflict(conflict) => Match::Conflict(conflict),
        })
        .collect()
}
