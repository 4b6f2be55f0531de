//! What was done to one person. In: the journal's records, oldest first. Out: the last deeds, and since when there is a link.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Candidate;
use crate::model::{Change, ObjectRef, Op, OpOutcome, RunId, SourceId, fold};
use crate::store::{CallIntent, Effect, JournalEvent, OutcomeResult, Record, StoreError};

/// How many are kept: the last ones.
const KEPT: usize = 20;

/// One call or finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// In which run.
    pub run: RunId,
    /// What: an operation's name, or `found`, `set_aside`, `missing`, `released`.
    pub what: &'static str,
    /// Whose: the person, or a group they are, were or should be in.
    pub object: ObjectRef,
    /// The group's name.
    pub name: Option<String>,
    /// What became of it.
    pub result: OpOutcome,
    /// Why it was done.
    pub reason: String,
    /// What the app answered.
    pub answer: Option<String>,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// What the journal says of somebody.
#[derive(Debug, Default)]
pub struct Past {
    /// The last deeds, oldest first.
    pub deeds: VecDeque<Deed>,
    /// How many came before them.
    pub earlier: u64,
    /// When the link that holds now was made, and by which run.
    pub linked: Option<(Timestamp, RunId)>,
    /// What groups were last called, as far as the journal tells: also those that are not linked any more.
    pub groups: BTreeMap<SourceId, String>,
}

impl Past {
    /// Reads what was done to one person. Memory does not grow with the journal, but for one name a group.
    ///
    /// # Errors
    /// When the journal can't be read to its end.
    pub fn read(
        records: impl Iterator<Item = Result<Record, StoreError>>,
        who: &Candidate,
    ) -> Result<Self, StoreError> {
        let mut past = Self::default();
        let mut open: BTreeMap<u64, (Timestamp, CallIntent)> = BTreeMap::new();
        for record in records {
            let Record { seq, at, event, .. } = record?;
            past.name_groups(&event);
            match event {
                JournalEvent::Intent(intent)
                    if matches!(&intent.object, ObjectRef::Group(_)) || is(&intent.object, &who.id) =>
                {
                    open.insert(seq, (at, *intent));
                }
                JournalEvent::Outcome { intent, result, effects } => {
                    let Some((began, intent)) = open.remove(&intent) else { continue };
                    past.link(&effects, &who.id, at, &intent.run);
                    if concerns(&intent, &effects, who) {
                        past.keep(call(began, intent, Some(result)));
                    }
                }
                JournalEvent::Noted { run, reason, effects } => {
                    past.link(&effects, &who.id, at, &run);
                    for effect in &effects {
                        if let Some(deed) = noted(effect, &who.id, at, &run, &reason.to_string()) {
                            past.keep(deed);
                        }
                    }
                }
                _ => {}
            }
        }
        for (began, intent) in open.into_values().filter(|(_, intent)| concerns(intent, &[], who)) {
            past.keep(call(began, intent, None));
        }
        Ok(past)
    }

    /// Notes what a record calls a group.
    fn name_groups(&mut self, event: &JournalEvent) {
        match event {
            JournalEvent::Intent(intent) if matches!(intent.op, Op::CreateGroup | Op::RenameGroup) => {
                let named = intent.changes.iter().find(|change| change.attribute == "displayName");
                if let Some(name) = named.and_then(|change| change.to.as_str()) {
                    self.groups.entry(intent.object.id().clone()).or_insert_with(|| name.to_owned());
                }
            }
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                for effect in effects {
                    if let Effect::GroupLinked { id, name, .. } | Effect::GroupRenamed { id, name } = effect {
                        self.groups.insert(id.clone(), name.clone());
                    }
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, deed: Deed) {
        self.deeds.push_back(deed);
        if self.deeds.len() > KEPT {
            self.deeds.pop_front();
            self.earlier += 1;
        }
    }

    fn link(&mut self, effects: &[Effect], id: &SourceId, at: Timestamp, run: &RunId) {
        for effect in effects {
            match effect {
                Effect::UserLinked { id: of, .. } if of == id => self.linked = Some((at, run.clone())),
                Effect::UserUnlinked { id: of } if of == id => self.linked = None,
                _ => {}
            }
        }
    }
}

fn is(object: &ObjectRef, id: &SourceId) -> bool {
    matches!(object, ObjectRef::User(of) if of == id)
}

/// Whether a call was about this user. Of a membership call that failed, an earlier version wrote only names.
fn concerns(intent: &CallIntent, effects: &[Effect], who: &Candidate) -> bool {
    if is(&intent.object, &who.id) {
        return true;
    }
    let by_id = effects.iter().any(|effect| match effect {
        Effect::MembersAdded { users, .. }
        | Effect::MembersRemoved { users, .. }
        | Effect::MembersDoubted { users, .. } => users.contains(&who.id),
        _ => false,
    });
    let named = |list: &Value| {
        list.as_array().is_some_and(|names| names.iter().any(|name| name.as_str() == Some(who.name.as_str())))
    };
    let meant = match intent.members.is_empty() {
        false => intent.members.contains(&who.id),
        true => {
            intent.changes.iter().any(|change| change.is_of_members() && (named(&change.from) || named(&change.to)))
        }
    };
    by_id || (effects.is_empty() && meant)
}

fn call(at: Timestamp, intent: CallIntent, result: Option<OutcomeResult>) -> Deed {
    let answer = result.as_ref().and_then(OutcomeResult::detail).map(str::to_owned);
    let result = result.as_ref().map_or(OpOutcome::Unanswered, OutcomeResult::outcome);
    let changes = match intent.object {
        ObjectRef::User(_) => intent.changes,
        // A membership call names everybody it was about; here only one counts.
        ObjectRef::Group(_) => Vec::new(),
    };
    let (what, reason) = match intent.op {
        // Of everything that a new group is, the user's part is the membership.
        Op::CreateGroup => (Op::AddMembers.name(), "the group was created with its members".to_owned()),
        op => (op.name(), intent.reason.to_string()),
    };
    let (run, object) = (intent.run, intent.object);
    Deed { at, run, what, object, name: None, result, reason, answer, changes }
}

/// What became known without a call.
fn noted(effect: &Effect, id: &SourceId, at: Timestamp, run: &RunId, reason: &str) -> Option<Deed> {
    let person = ObjectRef::User(id.clone());
    let (what, object, reason) = match effect {
        Effect::UserLinked { id: of, .. } if of == id => (Op::AdoptUser.name(), person, reason.to_owned()),
        Effect::UserUnlinked { id: of } if of == id => (Op::ReleaseUser.name(), person, reason.to_owned()),
        Effect::MembersAdded { group, users } if users.contains(id) => {
            ("found", ObjectRef::Group(group.clone()), "was a member already when the group was adopted".to_owned())
        }
        Effect::Failed { object, note } if *object == person => ("set_aside", person, note.reason.to_string()),
        Effect::Missed { object, since } if *object == person => {
            let what = if since.is_some() { "missing from a complete reading" } else { "in the reading again" };
            ("missing", person, what.to_owned())
        }
        _ => return None,
    };
    let (name, answer, changes) = (None, None, Vec::new());
    Some(Deed { at, run: run.clone(), what, object, name, result: OpOutcome::Noted, reason, answer, changes })
}

/// People whom the journal knows by this (folded) name, although no link and no directory does: id, account, user name or
/// e-mail.
///
/// # Errors
/// When the journal can't be read to its end.
pub fn search_journal(
    records: impl Iterator<Item = Result<Record, StoreError>>,
    folded: &str,
) -> Result<Vec<Candidate>, StoreError> {
    let mut found: HashMap<SourceId, String> = HashMap::new();
    for record in records {
        let effects = match record?.event {
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => effects,
            _ => continue,
        };
        for effect in effects {
            match effect {
                Effect::UserLinked { id, app_id, .. }
                    if fold(id.as_str()) == folded || fold(app_id.as_str()) == folded =>
                {
                    found.entry(id.clone()).or_insert_with(|| id.to_string());
                }
                Effect::UserSent { id, set, .. } => {
                    let name = set.text(&crate::model::Path::user_name()).map(str::to_owned);
                    if super::person::is_called(&set, folded) || found.contains_key(&id) {
                        let known = found.entry(id.clone()).or_insert_with(|| id.to_string());
                        if let Some(name) = name {
                            *known = name;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let mut all: Vec<Candidate> = found.into_iter().map(|(id, name)| Candidate { id, name }).collect();
    all.sort();
    Ok(all)
}
