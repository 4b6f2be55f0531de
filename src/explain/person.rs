//! Who is meant, and what the directory says of them. In: a name, and what a preview saw. Out: candidates, each as the directory
//! has them.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::{GroupWord, InDirectory};
use crate::cycle::{Sight, Witness};
use crate::desired::Desired;
use crate::model::{Attributes, LifecycleStatus, SourceId, fold};
use crate::plan::{TenantRules, map_person};
use crate::schema::names_of_users;
use crate::scim::Match;
use crate::source::{GroupIx, Snapshot, SnapshotGroup, UserIx};
use crate::store::{StateView, StoreError};

/// Somebody who may be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Candidate {
    /// The directory's id.
    pub id: SourceId,
    /// A name for people.
    pub name: String,
}

/// A candidate with the directory's word.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCandidate {
    /// Who.
    pub candidate: Candidate,
    /// What the directory says.
    pub directory: InDirectory,
}

/// So many people are suggested where nobody has exactly that name.
const SIMILAR: usize = 5;

/// More candidates than this are not told apart; the name is too common.
const MOST: usize = 20;

/// Linked people who go by this (folded) name: id, account, user name or e-mail. An id that fits exactly leaves no doubt.
///
/// # Errors
/// When the state can't be read.
pub fn linked_by_name(state: &dyn StateView, typed: &str) -> Result<Vec<Candidate>, StoreError> {
    let name_of = |id: &SourceId, sent: &Attributes| {
        sent.text(&crate::model::Path::user_name()).unwrap_or(id.as_str()).to_owned()
    };
    let exact = SourceId::new(typed);
    if let Some(row) = state.user(&exact)? {
        return Ok(vec![Candidate { name: name_of(&exact, &row.sent), id: exact }]);
    }
    let folded = fold(typed);
    let mut found = Vec::new();
    state.linked_users(&mut |id, row| {
        let fits = fold(id.as_str()) == folded
            || fold(row.app_id.as_str()) == folded
            || is_called(&row.sent, &folded)
            || is_called(&row.echo, &folded);
        if fits {
            found.push(Candidate { name: name_of(&id, &row.sent), id });
        }
        if found.len() > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// Whether attributes have this (folded) name as user name, e-mail or external id.
pub(super) fn is_called(attributes: &Attributes, folded: &str) -> bool {
    attributes.iter().any(|(path, value)| names_of_users(path.parts().attribute) && holds(value, folded))
}

fn holds(value: &Value, folded: &str) -> bool {
    match value {
        Value::String(text) => fold(text) == folded,
        Value::Array(many) => many.iter().any(|one| holds(one, folded)),
        Value::Object(fields) => fields.get("value").is_some_and(|value| holds(value, folded)),
        _ => false,
    }
}

/// Watches a preview and keeps what it saw of whoever goes by a name.
pub struct Teller<'a> {
    /// As it was typed.
    pub typed: &'a str,
    /// People who are linked under that name: looked for by id.
    pub linked: &'a [Candidate],
    /// The rules, for the mapping.
    pub rules: TenantRules<'a>,
    /// Whether members of inner groups count.
    pub nested: bool,
    /// Whether groups are named in the tenant file, or the directory assigns them.
    pub groups_named: bool,
    /// Everybody who fits.
    pub found: Mutex<Vec<ListedCandidate>>,
    /// Where nobody does: some whose names begin like this, before an `@`.
    pub similar: Mutex<Vec<Candidate>>,
}

impl Witness for Teller<'_> {
    fn see(&self, sight: &Sight<'_>) {
        let snapshot = sight.desired.snapshot;
        let mut all: Vec<ListedCandidate> = Vec::new();
        for user in self.who(snapshot) {
            all.push(self.listed(user, sight));
        }
        for candidate in self.linked {
            if snapshot.find_user(candidate.id.as_str()).is_none() {
                let answer = sight.questions.and_then(|(survey, answers)| {
                    let at = survey.absent.iter().position(|id| *id == candidate.id)?;
                    answers.absent.get(at).copied()
                });
                let directory = InDirectory { answer, ..InDirectory::default() };
                all.push(ListedCandidate { candidate: candidate.clone(), directory });
            }
        }
        if all.is_empty() {
            *self.similar.lock().unwrap_or_else(PoisonError::into_inner) = self.similar(snapshot);
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

impl Teller<'_> {
    /// The people of the snapshot who fit, or are linked under that name.
    fn who(&self, snapshot: &Snapshot) -> Vec<UserIx> {
        if let Some(exact) = snapshot.find_user(self.typed) {
            return vec![exact];
        }
        let folded = fold(self.typed);
        let linked: HashSet<&str> = self.linked.iter().map(|candidate| candidate.id.as_str()).collect();
        let fits = |user: &UserIx| {
            let id = snapshot.id(*user);
            linked.contains(id) || fold(id) == folded || snapshot.answers_to(*user, &folded)
        };
        let mut found: Vec<UserIx> = snapshot.users().filter(fits).take(MOST + 1).collect();
        if found.is_empty() {
            // A name that only the mapping makes: the slow way.
            let mapped = |user: &UserIx| {
                map_person(snapshot, *user, &self.rules).is_ok_and(|person| is_called(&person.attributes, &folded))
            };
            found = snapshot.users().filter(mapped).take(MOST + 1).collect();
        }
        found
    }

    /// Some people whose user name or e-mail begins like this, before an `@`.
    fn similar(&self, snapshot: &Snapshot) -> Vec<Candidate> {
        let begin = format!("{}@", fold(self.typed));
        let mut found = Vec::new();
        for user in snapshot.users() {
            let record = snapshot.record(user);
            let name = record.values().filter_map(Value::as_str).find(|text| fold(text).starts_with(&begin));
            if let Some(name) = name {
                found.push(Candidate { id: SourceId::new(snapshot.id(user)), name: name.to_owned() });
            }
            if found.len() == SIMILAR {
                break;
            }
        }
        found
    }

    fn listed(&self, user: UserIx, sight: &Sight<'_>) -> ListedCandidate {
        let (desired, snapshot) = (sight.desired, sight.desired.snapshot);
        let id = SourceId::new(snapshot.id(user));
        let mapped = map_person(snapshot, user, &self.rules);
        let name = match &mapped {
            Ok(person) => person.name.clone(),
            Err(_) => crate::plan::label(snapshot, user),
        };
        let (belongs, groups) = (desired.is_assigned(user), self.groups(desired, user));
        let held = groups.iter().any(|group| group.counts);
        let filter = match desired.frozen(user) {
            Some(why) => Some(why.to_owned()),
            None if !belongs && held => Some("scope.users does not accept this user".to_owned()),
            None => None,
        };
        let looked_up = sight.questions.and_then(|(survey, answers)| {
            let at = survey.newcomers.iter().position(|person| person.id == id)?;
            Some(match answers.users.get(at)? {
                Match::Nobody => "the app has no account with these names".to_owned(),
                Match::One { found, by } => format!("the app has the account {}, matched by {by}", found.id),
                Match::Conflict(conflict) => conflict.to_string(),
            })
        });
        let standing = snapshot.standing(user);
        let (values, problem) = match mapped {
            Ok(person) => {
                let values = person.attributes.into_iter().map(|(path, value)| (path.as_str().to_owned(), value));
                (values.collect(), None)
            }
            Err(why) => (BTreeMap::new(), Some(why)),
        };
        let directory = InDirectory {
            listed: true,
            answer: None,
            standing: Some(standing),
            belongs,
            because: (belongs && standing != LifecycleStatus::Staged).then(|| desired.because(user).to_string()),
            filter,
            groups,
            mapped: values,
            problem,
            looked_up,
        };
        ListedCandidate { candidate: Candidate { id, name }, directory }
    }

    /// Every group that has the person, directly or around a group that has them.
    fn groups(&self, desired: &Desired<'_>, user: UserIx) -> Vec<GroupWord> {
        let snapshot = desired.snapshot;
        let mut words = Vec::new();
        let mut direct = Vec::new();
        for ix in snapshot.groups() {
            let Some(row) = snapshot.group(ix).filter(|row| row.members.contains(&user)) else { continue };
            direct.push(ix);
            words.push(self.word(desired, ix, row, None));
        }
        let mut seen: HashSet<GroupIx> = direct.iter().copied().collect();
        let mut inner = direct;
        while !inner.is_empty() {
            let mut outer = Vec::new();
            for ix in snapshot.groups() {
                let Some(row) = snapshot.group(ix).filter(|_| !seen.contains(&ix)) else { continue };
                let Some(through) = row.subgroups.iter().find(|sub| inner.contains(sub)) else { continue };
                let through = snapshot.group(*through).map(|row| row.name.to_string()).unwrap_or_default();
                words.push(self.word(desired, ix, row, Some(&through)));
                outer.push(ix);
            }
            seen.extend(&outer);
            inner = outer;
        }
        words
    }

    fn word(&self, desired: &Desired<'_>, ix: GroupIx, row: &SnapshotGroup, through: Option<&str>) -> GroupWord {
        let around = through.map(|name| format!("around {name}, ")).unwrap_or_default();
        let in_scope = desired.group(ix);
        let (counts, why) = match in_scope {
            Some(_) if through.is_some() && !self.nested => (false, "in scope, but scope.nested is off".to_owned()),
            Some(group) => match group.unread.as_ref().or(group.problem.as_ref()) {
                Some(why) => (true, format!("in scope; {why}")),
                None => (true, "in scope".to_owned()),
            },
            None if self.groups_named => (false, "not in scope: nothing in scope.groups fits it".to_owned()),
            None => (false, "not in scope: the directory does not assign it to the app".to_owned()),
        };
        GroupWord { id: row.id.clone(), name: row.name.to_string(), counts, why: format!("{around}{why}") }
    }
}
