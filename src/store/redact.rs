//! What a record says of one person, taken out of it. In: a record, who is meant. Out: the record as it may stay.
//!
//! A record keeps its shape: ids of the person become others that mean nobody, values go, so that folding the journal gives the same
//! numbers as before. Words of the person in texts about others are put out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::record::{CallIntent, Continued, Effect, FailureNote, JournalEvent, OutcomeResult, Record, UndoneEffect};
use crate::model::{AppId, Attributes, ObjectRef, Obstacle, Path, Reason, SourceId, casefold, fold};

/// What stands where a text was.
pub(super) const GONE: &str = "[forgotten]";

/// Shorter words are no names: putting them out would make other texts unreadable.
const SHORTEST_WORD: usize = 3;

/// Somebody to be forgotten.
#[derive(Debug, Default)]
pub(super) struct Somebody {
    /// Directory ids, each with what stands for it.
    ids: BTreeMap<SourceId, SourceId>,
    /// The same for accounts.
    accounts: BTreeMap<AppId, AppId>,
    /// What they are called: user names, e-mail addresses, names, ids; folded.
    words: BTreeSet<String>,
    /// Intents about them.
    intents: BTreeSet<u64>,
}

impl Somebody {
    /// Begins with ids, each under a new one.
    pub(super) fn new(ids: BTreeMap<SourceId, SourceId>) -> Self {
        let words = ids.keys().map(|id| fold(id.as_str())).collect();
        Self { ids, words, ..Self::default() }
    }

    /// The ids that stand for them from now on.
    pub(super) fn stand_ins(&self) -> impl Iterator<Item = &SourceId> {
        self.ids.values()
    }

    /// Learns what they are called; every record has to be seen before the first one is changed.
    pub(super) fn learn(&mut self, record: &Record) {
        let mut attributes: Vec<(&str, &Value)> = Vec::new();
        let mut accounts = Vec::new();
        self.names_in_reasons(record);
        match &record.event {
            JournalEvent::Intent(intent) if self.is(&intent.object) => {
                self.intents.insert(record.seq);
                accounts.extend(intent.app_id.clone());
                let values = intent
                    .changes
                    .iter()
                    .flat_map(|change| [&change.from, &change.to].map(|value| (change.attribute.as_str(), value)));
                attributes.extend(values);
            }
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                for effect in effects {
                    match effect {
                        Effect::UserLinked { id, app_id, .. } if self.ids.contains_key(id) => {
                            accounts.push(app_id.clone())
                        }
                        Effect::UserSent { id, set, echo, .. } if self.ids.contains_key(id) => {
                            attributes
                                .extend(set.iter().chain(echo.iter()).map(|(path, value)| (path.as_str(), value)));
                        }
                        Effect::UserSource { id, seen, .. } if self.ids.contains_key(id) => {
                            attributes.extend(seen.iter().map(|(path, value)| (path.as_str(), value)));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        for (_, value) in attributes.into_iter().filter(|(attribute, _)| is_name(attribute)) {
            collect(value, &mut self.words);
        }
        for account in accounts {
            self.words.insert(fold(account.as_str()));
            let stand_in = self.ids.values().next().map_or(GONE, SourceId::as_str);
            let number = self.accounts.len() + 1;
            self.accounts.entry(account).or_insert_with(|| AppId::new(format!("{stand_in}-{number}")));
        }
    }

    /// What they are called in reasons and notes, their own and those about others: it need not be a value that was ever sent.
    fn names_in_reasons(&mut self, record: &Record) {
        let mut names: Vec<String> = Vec::new();
        let is_theirs = |id: &str| self.ids.contains_key(id);
        let mut note = |object: &ObjectRef, note: &FailureNote| {
            names.extend(note.name.clone().filter(|_| self.is(object)));
            names.extend(note.reason.names_beside(&is_theirs));
        };
        match &record.event {
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                for effect in effects {
                    if let Effect::Failed { object, note: failure } = effect {
                        note(object, failure);
                    }
                }
            }
            JournalEvent::Continued(before) => {
                before.failed.iter().flatten().for_each(|(object, failure)| note(object, failure));
            }
            JournalEvent::Intent(intent) => names.extend(intent.reason.names_beside(&is_theirs)),
            _ => {}
        }
        self.words.extend(names.iter().map(|name| fold(name)));
    }

    /// The record without them; `None` if it says nothing of them.
    pub(super) fn redact(&self, record: &Record) -> Option<Record> {
        let mut changed = record.clone();
        match &mut changed.event {
            JournalEvent::Intent(intent) => self.intent(intent),
            JournalEvent::Outcome { intent, result, effects } => {
                self.result(result, self.intents.contains(intent));
                effects.iter_mut().for_each(|effect| self.effect(effect));
            }
            JournalEvent::Noted { reason, effects, .. } => {
                self.reason(reason);
                effects.iter_mut().for_each(|effect| self.effect(effect));
            }
            JournalEvent::RunEnded(summary) => self.text(&mut summary.note),
            JournalEvent::Doubted { why, .. } | JournalEvent::Opened { why, .. } => self.text(why),
            JournalEvent::Trusted { reason, .. } => self.reason(reason),
            JournalEvent::Decided { decision, .. } => self.text(&mut decision.reason),
            JournalEvent::Continued(before) => self.continued(before),
            JournalEvent::RunStarted { .. } | JournalEvent::Forgot { .. } => {}
        }
        (changed != *record).then_some(changed)
    }

    /// Who an object is from now on.
    pub(super) fn object(&self, object: &mut ObjectRef) {
        if let ObjectRef::User(id) = object {
            self.id(id);
        }
    }

    /// A text in which they may be named.
    pub(super) fn text(&self, text: &mut String) {
        for word in self.words.iter().filter(|word| word.chars().count() >= SHORTEST_WORD) {
            put_out(text, word);
        }
    }

    /// A reason in which they may be named.
    fn reason(&self, reason: &mut Reason) {
        if let Some(changed) = reason.with_texts(|text| self.text(text)) {
            *reason = changed;
        }
    }

    /// A note about an object that failed.
    pub(super) fn failure(&self, object: &mut ObjectRef, note: &mut FailureNote) {
        match self.is(object) {
            true => {
                note.reason = Obstacle::Erased;
                note.found = None;
                note.name = None;
            }
            false => {
                if let Some(changed) = note.reason.with_texts(|text| self.text(text)) {
                    note.reason = changed;
                }
                note.name.iter_mut().for_each(|name| self.text(name));
            }
        }
        self.object(object);
    }

    fn is(&self, object: &ObjectRef) -> bool {
        matches!(object, ObjectRef::User(id) if self.ids.contains_key(id))
    }

    fn id(&self, id: &mut SourceId) {
        if let Some(stand_in) = self.ids.get(id) {
            id.clone_from(stand_in);
        }
    }

    fn account(&self, account: &mut AppId) {
        if let Some(stand_in) = self.accounts.get(account) {
            account.clone_from(stand_in);
        }
    }

    fn intent(&self, intent: &mut CallIntent) {
        if self.is(&intent.object) {
            intent.changes.clear();
            intent.members.clear();
            intent.reason = Reason::Erased;
            self.object(&mut intent.object);
            intent.app_id.iter_mut().for_each(|account| self.account(account));
            return;
        }
        self.reason(&mut intent.reason);
        intent.members.iter_mut().for_each(|id| self.id(id));
        for change in &mut intent.changes {
            // Lists of members are names; another value is about somebody else.
            if change.is_of_members() || change.attribute == Path::manager().as_str() {
                self.value(&mut change.from);
                self.value(&mut change.to);
            }
        }
    }

    fn result(&self, result: &mut OutcomeResult, own: bool) {
        match result {
            OutcomeResult::Failed { detail, .. } | OutcomeResult::Unknown { detail } if own => GONE.clone_into(detail),
            OutcomeResult::Failed { detail, .. } | OutcomeResult::Unknown { detail } => self.text(detail),
            OutcomeResult::Done { .. } => {}
        }
    }

    fn effect(&self, effect: &mut Effect) {
        match effect {
            Effect::UserLinked { id, app_id, .. } if self.ids.contains_key(id) => {
                self.account(app_id);
                self.id(id);
            }
            Effect::UserSent { id, set, clear, echo, .. } => match self.ids.contains_key(id) {
                true => {
                    (*set, *echo) = (Attributes::new(), Attributes::new());
                    clear.clear();
                    self.id(id);
                }
                false => [set, echo].into_iter().for_each(|values| self.manager(values)),
            },
            Effect::UserSource { id, seen, gone } => match self.ids.contains_key(id) {
                true => {
                    *seen = Attributes::new();
                    gone.clear();
                    self.id(id);
                }
                false => self.manager(seen),
            },
            Effect::UserRelinked { from, to } | Effect::UserReplaced { from, to } => {
                self.id(from);
                self.id(to);
            }
            Effect::UserUnlinked { id } | Effect::AccessLost { user: id, .. } => self.id(id),
            Effect::MembersAdded { users, .. }
            | Effect::MembersRemoved { users, .. }
            | Effect::MembersDoubted { users, .. }
            | Effect::JoinedInactive { users, .. }
            | Effect::AccessReduced { users, .. }
            | Effect::AccessRegained { users, .. } => users.iter_mut().for_each(|id| self.id(id)),
            Effect::TakenBack { what, .. } | Effect::TakenBackOver { what, .. } => {
                what.iter_mut().for_each(|what| self.undone(what));
            }
            Effect::TakenBackSeen { what, .. } => self.undone(what),
            Effect::Failed { object, note } => self.failure(object, note),
            Effect::Settled { object } | Effect::Missed { object, .. } => self.object(object),
            Effect::UserLinked { .. }
            | Effect::GroupLinked { .. }
            | Effect::GroupRenamed { .. }
            | Effect::GroupUnlinked { .. }
            | Effect::GroupLetGo { .. }
            | Effect::GroupsManaged { .. }
            | Effect::GroupsUnwatched { .. }
            | Effect::GroupCompared { .. }
            | Effect::GroupNameShown { .. }
            | Effect::GroupReduced { .. }
            | Effect::OwnAccount { .. }
            | Effect::AppTakes(_) => {}
        }
    }

    fn undone(&self, what: &mut UndoneEffect) {
        match what {
            UndoneEffect::Object(object) => self.object(object),
            UndoneEffect::Member { user, .. } => self.id(user),
        }
    }

    /// Somebody else's manager.
    fn manager(&self, values: &mut Attributes) {
        let path = Path::manager();
        if let Some(mut value) = values.get(&path).cloned() {
            self.value(&mut value);
            values.set(path, value);
        }
    }

    fn continued(&self, before: &mut Continued) {
        for (object, note) in before.failed.iter_mut().flatten() {
            self.failure(object, note);
        }
        for noted in &mut before.decided {
            self.text(&mut noted.decision.reason);
        }
    }

    /// Puts out every text in a value that is one of their words.
    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.words.contains(&fold(text)) => GONE.clone_into(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.value(one)),
            Value::Object(all) => all.values_mut().for_each(|one| self.value(one)),
            _ => {}
        }
    }
}

/// Whether an attribute says what somebody is called, and nobody else.
fn is_name(attribute: &str) -> bool {
    let attribute = attribute.to_ascii_lowercase();
    let whole = ["username", "externalid", "displayname", "nickname", "name.formatted"];
    whole.contains(&attribute.as_str()) || attribute.starts_with("email") || attribute.starts_with("phonenumber")
}

/// The texts in a value; of an e-mail address with a type the address.
fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if !text.is_empty() => drop(words.insert(fold(text))),
        Value::Array(all) => all.iter().for_each(|one| collect(one, words)),
        Value::Object(all) => all.get("value").into_iter().for_each(|one| collect(one, words)),
        _ => {}
    }
}

/// Puts a word out wherever it stands by itself, without case.
fn put_out(text: &mut String, word: &str) {
    let part = |c: char| c.is_alphanumeric();
    let mut at = 0;
    while let Some((start, end)) = find(text, word, at) {
        let before = text.get(..start).and_then(|before| before.chars().next_back()).is_some_and(part);
        let after = text.get(end..).and_then(|after| after.chars().next()).is_some_and(part);
        if before || after {
            at = end;
            continue;
        }
        text.replace_range(start..end, GONE);
        at = start + GONE.len();
    }
}

/// The next place where the folded text is `word`, in bytes of the text itself.
fn find(text: &str, word: &str, from: usize) -> Option<(usize, usize)> {
    let starts = text.get(from..)?.char_indices().map(|(at, _)| from + at);
    for start in starts {
        let mut folded = String::new();
        for (at, c) in text.get(start..)?.char_indices() {
            folded.push_str(&casefold(c.encode_utf8(&mut [0; 4])));
            if folded == word {
                return Some((start, start + at + c.len_utf8()));
            }
            if !word.starts_with(folded.as_str()) {
                break;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_put_out_wherever_it_stands_by_itself() {
        let put = |text: &str, word: &str| {
            let mut text = text.to_owned();
            put_out(&mut text, &casefold(word));
            text
        };
        assert_eq!(
            put("Ann.Lee left, ann.lee@x too: ANN.LEE", "ann.lee"),
            "[forgotten] left, [forgotten]@x too: [forgotten]"
        );
        assert_eq!(put("Joanna and anna", "Anna"), "Joanna and [forgotten]");
        assert_eq!(put("Straße 1", "STRASSE"), "[forgotten] 1");
        assert_eq!(put("é and e", "x"), "é and e");
        assert_eq!(put("[forgotten]", "forgotten"), "[[forgotten]]", "it ends");
    }
}
