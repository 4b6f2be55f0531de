//! Where to look closer. In: what the app should hold and which links exist. Out: the few people and groups that may differ.
//!
//! This is the pass that a quiet cycle consists of: one look at each person, no record parsed, no row read, unless something
//! changed. Everything after it works on what it found.

use std::collections::HashMap;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::links::Links;
use super::person::{Person, person};
use super::rules::Rules;
use crate::config::profile::DeleteEffect;
use crate::config::tenant::Fate;
use crate::desired::Desired;
use crate::model::{Bits, ObjectRef, SourceId, Standing, UserNumber};
use crate::source::{GroupIx, Snapshot, UserIx, id_hash};
use crate::store::{Baseline, FailureNote, GroupRow, StoreError, UserRow};

/// What has to be looked at, and asked for, before a plan can be made.
pub struct Survey {
    /// People who belong and have no link: to be looked up in the app.
    pub newcomers: Vec<Person>,
    /// People with a link whose record, standing or assignment may have changed.
    pub linked: Vec<UserIx>,
    /// Linked people who are not in the snapshot: to be asked for.
    pub absent: Vec<SourceId>,
    /// Absent people whose accounts are switched off for good: nothing is left to ask or to do.
    pub finished: Vec<UserNumber>,
    /// Groups in scope without a link: to be looked up in the app.
    pub new_groups: Vec<GroupIx>,
    /// Linked groups in scope whose name or members may have changed.
    pub changed_groups: Vec<GroupIx>,
    /// Linked groups that are not in scope; with their number if the snapshot shows them.
    pub lost_groups: Vec<(SourceId, GroupRow, Option<GroupIx>)>,
    /// People about whom nothing can be decided, and why.
    pub problems: Vec<(SourceId, String, String)>,
    /// Objects set aside earlier whose time has not come.
    pub waiting: Vec<(ObjectRef, FailureNote)>,
}

/// Changes with everything in the directory that decides over a person.
pub fn user_fingerprint(desired: &Desired<'_>, user: UserIx) -> u64 {
    let assigned = u64::from(desired.is_assigned(user));
    xxh3_64_with_seed(&desired.snapshot.fingerprint(user).to_le_bytes(), assigned)
}

/// Looks everything over. With `retry_before`, objects set aside until later than that are left waiting.
///
/// # Errors
/// When the state can't be read.
pub fn survey(
    desired: &Desired<'_>,
    links: &Links,
    baseline: &dyn Baseline,
    rules: &Rules<'_>,
    retry_before: Option<Timestamp>,
) -> Result<Survey, StoreError> {
    let mut survey = Survey {
        newcomers: Vec::new(),
        linked: Vec::new(),
        absent: Vec::new(),
        finished: Vec::new(),
        new_groups: Vec::new(),
        changed_groups: Vec::new(),
        lost_groups: Vec::new(),
        problems: Vec::new(),
        waiting: Vec::new(),
    };
    let waiting = match retry_before {
        Some(now) => baseline.failures()?.into_iter().filter(|(_, note)| note.next_try > now).collect(),
        None => HashMap::new(),
    };
    survey.people(desired, links, baseline, rules, &waiting)?;
    if rules.groups_on() {
        survey.groups(desired, links, baseline, rules, &waiting)?;
    }
    survey.waiting = waiting.into_iter().collect();
    survey.waiting.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(survey)
}

impl Survey {
    fn people(
        &mut self,
        desired: &Desired<'_>,
        links: &Links,
        baseline: &dyn Baseline,
        rules: &Rules<'_>,
        waiting: &HashMap<ObjectRef, FailureNote>,
    ) -> Result<(), StoreError> {
        let snapshot = desired.snapshot;
        let mut seen = Bits::new(links.number_range());
        for user in snapshot.users() {
            match links.user(snapshot.id_hash(user)) {
                Some(link) => {
                    seen.insert(link.number.0 as usize);
                    if link.fingerprint != Some(user_fingerprint(desired, user)) {
                        self.suspect(desired, baseline, rules, waiting, user)?;
                    }
                }
                None => self.newcomer(desired, rules, waiting, user),
            }
        }
        for number in links.unfinished().filter(|number| !seen.contains(number.0 as usize)) {
            // Two ids may share a hash: only the snapshot itself can say who is absent.
            let id = baseline.user_by_number(number)?.filter(|id| snapshot.find_user(id.as_str()).is_none());
            let Some(id) = id else { continue };
            match baseline.user(&id)? {
                Some(row) if !is_finished(&row, rules) => self.absent.push(id),
                _ => self.finished.push(number),
            }
        }
        self.absent.sort();
        Ok(())
    }

    fn suspect(
        &mut self,
        desired: &Desired<'_>,
        baseline: &dyn Baseline,
        rules: &Rules<'_>,
        waiting: &HashMap<ObjectRef, FailureNote>,
        user: UserIx,
    ) -> Result<(), StoreError> {
        let id = SourceId::new(desired.snapshot.id(user));
        if baseline.number_of(&id)?.is_none() {
            self.newcomer(desired, rules, waiting, user);
        } else if !waiting.contains_key(&ObjectRef::User(id)) {
            self.linked.push(user);
        }
        Ok(())
    }

    fn newcomer(
        &mut self,
        desired: &Desired<'_>,
        rules: &Rules<'_>,
        waiting: &HashMap<ObjectRef, FailureNote>,
        user: UserIx,
    ) {
        let snapshot = desired.snapshot;
        if !desired.is_assigned(user) || snapshot.standing(user) != Standing::Active {
            return;
        }
        let id = SourceId::new(snapshot.id(user));
        if !waiting.is_empty() && waiting.contains_key(&ObjectRef::User(id.clone())) {
            return;
        }
        match desired.frozen(user).map_or_else(|| person(snapshot, user, rules), |why| Err(why.to_owned())) {
            Ok(person) if rules.protected.covers(id.as_str(), &[&person.attributes]) => {}
            Ok(person) => self.newcomers.push(person),
            Err(why) => self.problems.push((id, label(snapshot, user), why)),
        }
    }

    fn groups(
        &mut self,
        desired: &Desired<'_>,
        links: &Links,
        baseline: &dyn Baseline,
        rules: &Rules<'_>,
        waiting: &HashMap<ObjectRef, FailureNote>,
    ) -> Result<(), StoreError> {
        let snapshot = desired.snapshot;
        let mut matched = 0;
        for group in &desired.groups {
            let Some(row) = snapshot.group(group.ix) else { continue };
            let link = links.group(id_hash(row.id.as_str()));
            if link.is_some() {
                matched += 1;
            }
            let settled = link.is_some_and(|link| link.fingerprint == Some(group.fingerprint));
            let waits = !waiting.is_empty() && waiting.contains_key(&ObjectRef::Group(row.id.clone()));
            match link {
                Some(_) if settled || waits => {}
                Some(_) if baseline.group(&row.id)?.is_some() => self.changed_groups.push(group.ix),
                _ if waits => {}
                // Nothing will be done for an empty group (J8): nothing has to be asked.
                _ if group.members.is_empty() && !rules.create_empty => {}
                _ => self.new_groups.push(group.ix),
            }
        }
        if matched < links.group_count() {
            for (id, row) in baseline.groups()? {
                let ix = snapshot.find_group(id.as_str());
                if ix.is_none_or(|ix| desired.group(ix).is_none()) {
                    self.lost_groups.push((id, row, ix));
                }
            }
        }
        Ok(())
    }
}

/// Whether an absent person's account is as it shall stay.
fn is_finished(row: &UserRow, rules: &Rules<'_>) -> bool {
    let may_be_deleted = rules.on_deleted == Fate::Delete
        && !matches!(rules.profile.users.delete_effect, DeleteEffect::Unsupported | DeleteEffect::Deactivates);
    row.active == Some(false) && !may_be_deleted
}

/// A name for people, from whatever a record has.
pub(super) fn label(snapshot: &Snapshot, user: UserIx) -> String {
    let record = snapshot.record(user);
    ["userName", "username", "uid", "email", "mail", "displayName", "cn"]
        .iter()
        .find_map(|name| record.get(*name).and_then(serde_json::Value::as_str))
        .map_or_else(|| snapshot.id(user).to_owned(), str::to_owned)
}
