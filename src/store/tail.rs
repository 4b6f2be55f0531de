//! What the journal adds up to, as far as a quiet cycle needs it. Kept in memory; carried over from file to file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::decisions::{DecisionVerdict, Noted};
use super::index::JournalPosition;
use super::ledger::{Health, OpenIntent};
use super::record::{ClockMark, Continued, Effect, FailureNote, GuardSettings, JournalEvent, Record, SettingsMark};
use crate::model::{AddressMark, ContentMark, ObjectRef, SnapshotCounts, StatusSign};

/// More failures than this are left to the rows.
const FAILURES_KEPT: usize = 1000;

/// So many decisions are remembered; older ones are known by their files being gone.
const DECISIONS_KEPT: usize = 64;

/// The fold of the whole journal into a few numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// The last record; 0 before the first.
    pub(super) seq: u64,
    /// Its hash; empty before the first.
    pub(super) hash: String,
    /// Why the state is adopt-only.
    pub(super) adopt_only: Option<String>,
    /// The last record with effects, and its hash.
    mutated: (u64, String),
    /// Intents without an outcome. `None` for one that stands in an earlier file and was not fetched yet.
    pub(super) open: BTreeMap<u64, Option<OpenIntent>>,
    /// What the last accepted snapshot held.
    pub(super) counts: Option<SnapshotCounts>,
    /// How many seconds it took to read that.
    pub(super) reading_s: Option<u64>,
    /// The signs of suspension that it showed.
    pub(super) signs: Option<BTreeSet<StatusSign>>,
    /// How many names of members led nowhere in it.
    pub(super) dangling: Option<u64>,
    /// What the tenant file said in the last run that was not held for it.
    pub(super) settings: Option<SettingsMark>,
    /// By which guard and approval settings the last run was judged.
    pub(super) guard: Option<Box<GuardSettings>>,
    /// The last decisions that a run took notice of, oldest first.
    pub(super) decided: Vec<Noted>,
    /// When the last record was written.
    at: Timestamp,
    /// The addresses of both sides in the last run that was not held for them.
    pub(super) addresses: Option<AddressMark>,
    /// The last approval, while no run with it has ended: a run that fails on its way does not use it up.
    pub(super) approved: Option<String>,
    /// The mark of the directory's content for which the last run found nothing to do, if nothing happened since.
    quiet_at: Option<ContentMark>,
    /// Whether group management was off in the last run that said so.
    pub(super) groups_off: bool,
    /// What the clocks showed when they could be trusted last.
    pub(super) clock: Option<ClockMark>,
    /// Whether an undo put something back that is held.
    pub(super) taken_back: bool,
    /// Whether the tenant was synced once, so that no first sync waits any more.
    pub(super) was_synced: bool,
    /// When it was last found unknown who had lost access lately.
    pub(super) losses_unknown_at: Option<Timestamp>,
    /// Objects set aside, so that a quiet cycle knows them without the cache.
    failed: BTreeMap<ObjectRef, FailureNote>,
    /// Whether there were too many of them to be kept: then only the rows know.
    failed_overflowed: bool,
}

impl Tail {
    /// Takes in the next record; `hash` is the hash of its text.
    pub(super) fn record(&mut self, record: &Record, hash: &str) {
        self.seq = record.seq;
        self.at = record.at;
        hash.clone_into(&mut self.hash);
        match &record.event {
            JournalEvent::RunEnded(summary) => self.quiet_at.clone_from(&summary.quiet_at),
            JournalEvent::RunStarted { .. } | JournalEvent::Continued(_) => {}
            _ => self.quiet_at = None,
        }
        match &record.event {
            JournalEvent::Opened { why, replaces, .. } => {
                self.adopt_only = Some(why.clone());
                self.was_synced = *replaces;
            }
            JournalEvent::Doubted { why, losses_unknown } => {
                self.adopt_only = Some(why.clone());
                if *losses_unknown {
                    self.losses_unknown_at = Some(record.at);
                }
            }
            JournalEvent::Trusted { .. } => self.adopt_only = None,
            JournalEvent::Intent(intent) => {
                let open = OpenIntent { seq: record.seq, at: record.at, intent: (**intent).clone() };
                self.open.insert(record.seq, Some(open));
            }
            JournalEvent::Outcome { intent, effects, .. } => {
                self.open.remove(intent);
                self.mutate(effects);
            }
            JournalEvent::Noted { effects, .. } => self.mutate(effects),
            JournalEvent::RunEnded(summary) => {
                if summary.ends_first_sync() {
                    self.was_synced = true;
                }
                self.counts = summary.counts.or(self.counts);
                self.reading_s = summary.reading_s.or(self.reading_s);
                self.dangling = summary.dangling.or(self.dangling);
                if summary.signs.is_some() {
                    self.signs.clone_from(&summary.signs);
                }
                self.settings = summary.settings.or(self.settings);
                if summary.clock.is_some() {
                    self.clock.clone_from(&summary.clock);
                }
                if summary.addresses.is_some() {
                    self.addresses.clone_from(&summary.addresses);
                    self.approved = None;
                }
            }
            JournalEvent::Continued(before) => self.continue_from(before),
            JournalEvent::RunStarted { guard, .. } => {
                if guard.is_some() {
                    self.guard.clone_from(guard);
                }
            }
            JournalEvent::Decided { decision, waits, .. } => {
                self.approved =
                    (decision.verdict == DecisionVerdict::Approve && !*waits).then(|| decision.plan.clone());
                self.decided(Noted { decision: (**decision).clone(), waits: *waits })
            }
            JournalEvent::Forgot { .. } => {}
        }
    }

    fn decided(&mut self, noted: Noted) {
        if self.decided.len() >= DECISIONS_KEPT {
            self.decided.remove(0);
        }
        self.decided.push(noted);
    }

    fn mutate(&mut self, effects: &[Effect]) {
        if !effects.is_empty() {
            self.mutated = (self.seq, self.hash.clone());
        }
        for effect in effects {
            match effect {
                Effect::GroupsManaged { on } => self.groups_off = !on,
                Effect::TakenBack { .. } => self.taken_back = true,
                Effect::TakenBackOver { left, .. } => self.taken_back = *left > 0,
                _ => {}
            }
        }
        if self.failed_overflowed {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Failed { object, note } => self.failed.insert(object.clone(), note.clone()),
                Effect::Settled { object } => self.failed.remove(object),
                _ => None,
            };
        }
        if self.failed.len() > FAILURES_KEPT {
            (self.failed, self.failed_overflowed) = (BTreeMap::new(), true);
        }
    }

    /// What is already known of open intents stays; a reader that begins with this file knows only their numbers.
    fn continue_from(&mut self, before: &Continued) {
        self.adopt_only.clone_from(&before.adopt_only);
        self.mutated = (before.mutated, before.mutated_hash.clone());
        self.counts = before.counts;
        self.reading_s = before.reading_s;
        self.signs.clone_from(&before.signs);
        self.dangling = before.dangling;
        self.settings = before.settings;
        self.guard.clone_from(&before.guard);
        self.decided.clone_from(&before.decided);
        self.addresses.clone_from(&before.addresses);
        self.approved.clone_from(&before.approved);
        self.groups_off = before.groups_off;
        self.losses_unknown_at = before.losses_unknown_at;
        self.taken_back = before.taken_back;
        self.was_synced = !before.first_sync_waits;
        self.clock.clone_from(&before.clock);
        self.failed = before.failed.iter().flatten().cloned().collect();
        self.failed_overflowed = before.failed.is_none();
        let mut known = std::mem::take(&mut self.open);
        self.open = before.open.iter().map(|seq| (*seq, known.remove(seq).flatten())).collect();
    }

    /// The first record of the next file.
    pub(super) fn to_continued(&self, tenant: &str, format: u32) -> Continued {
        Continued {
            tenant: tenant.to_owned(),
            format,
            adopt_only: self.adopt_only.clone(),
            mutated: self.mutated.0,
            mutated_hash: self.mutated.1.clone(),
            open: self.open.keys().copied().collect(),
            counts: self.counts,
            reading_s: self.reading_s,
            signs: self.signs.clone(),
            dangling: self.dangling,
            settings: self.settings,
            guard: self.guard.clone(),
            decided: self.decided.iter().filter(|noted| noted.decision.expires > self.at).cloned().collect(),
            addresses: self.addresses.clone(),
            approved: self.approved.clone(),
            failed: self.failures(),
            groups_off: self.groups_off,
            losses_unknown_at: self.losses_unknown_at,
            taken_back: self.taken_back,
            first_sync_waits: !self.was_synced,
            clock: self.clock.clone(),
        }
    }

    /// Objects set aside, people first; `None` if the rows have to be asked.
    pub(super) fn failures(&self) -> Option<Vec<(ObjectRef, FailureNote)>> {
        let copy = |(object, note): (&ObjectRef, &FailureNote)| (object.clone(), note.clone());
        (!self.failed_overflowed).then(|| self.failed.iter().map(copy).collect())
    }

    /// The last record that says anything about the app; 0 if none does.
    pub(super) fn last_effects(&self) -> u64 {
        self.mutated.0
    }

    pub(super) fn health(&self) -> Health {
        self.adopt_only.clone().map_or(Health::Trusted, |reason| Health::AdoptOnly { reason })
    }

    pub(super) fn open_intents(&self) -> Vec<OpenIntent> {
        self.open.values().flatten().cloned().collect()
    }

    /// The directory's content, and how much it was, for which there is nothing to do as long as the tenant file says the same.
    pub(super) fn quiet_at(&self, settings: SettingsMark) -> Option<(ContentMark, SnapshotCounts)> {
        let settled = self.mark().is_some() && !self.failed_overflowed && self.failed.is_empty();
        let same = settled && self.settings == Some(settings);
        self.quiet_at.clone().filter(|_| same).zip(self.counts)
    }

    /// Names the state for an index. `None` while the state is not to be trusted, or something is unresolved.
    pub(super) fn mark(&self) -> Option<JournalPosition> {
        let quiet = self.adopt_only.is_none() && self.open.is_empty();
        quiet.then(|| JournalPosition {
            seq: self.mutated.0,
            hash: xxhash_rust::xxh3::xxh3_64(self.mutated.1.as_bytes()),
        })
    }
}
