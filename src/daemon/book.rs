//! Who is due, who is running, how it went. In: tenants as loaded, ends of runs, the time. Out: whom to start now.
//!
//! Pure: no clock, no tasks, no disk. A tenant never runs twice at once; a file that was taken away ends its schedule when the
//! run under way has ended; a file with mistakes leaves the tenant as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::mistake::Mistake;
use super::timetable::Timetable;
use super::trouble::{FailureHistory, RunContext};
use crate::config::expiry::Expiry;
use crate::model::{TenantName, TenantState};
use crate::source::FeedHint;
use crate::tenancy::{SecretsMark, Tenant};

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// How the tenant stands.
    pub standing: TenantState,
    /// One line about it; empty if there is nothing to say.
    pub note: String,
    /// What else it tells.
    pub about: RunContext,
}

impl RunEnd {
    /// An end of which there is nothing else to tell.
    pub fn new(standing: TenantState, note: impl Into<String>) -> Self {
        Self { standing, note: note.into(), about: RunContext::default() }
    }
}

/// A tenant's last run in an earlier process.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastRun {
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
}

/// What the operator's files say.
pub(super) struct Roll {
    /// Tenants without mistakes.
    pub(super) tenants: Vec<Tenant>,
    /// Tenants with mistakes: name, and the first of them.
    pub(super) broken: Vec<(TenantName, Mistake)>,
    /// Whether only some tenants were read: the others are neither gone nor right.
    pub(super) is_partial: bool,
}

pub(super) struct ScheduledTenant {
    pub(super) tenant: Arc<Tenant>,
    timetable: Timetable,
    pub(super) due: Timestamp,
    pub(super) running_since: Option<Timestamp>,
    pub(super) standing: TenantState,
    pub(super) note: String,
    pub(super) trouble: FailureHistory,
    /// When its secrets expire, as the last run saw them.
    pub(super) expiries: Vec<Expiry>,
    pub(super) last_ended: Option<Timestamp>,
    /// What is wrong with the file as it is now; the one before is in force.
    pub(super) mistake: Option<Mistake>,
    /// The file was taken away while a run was under way.
    leaving: bool,
    /// Something happened during the run that only another one takes notice of.
    again: bool,
    feed: FeedStatus,
}

impl ScheduledTenant {
    /// Whether its file was taken away, and only a run under way keeps it here.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }
}

/// What is known of a directory's change feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FeedStatus {
    /// There is none: it is not asked again.
    None,
    /// To be asked at `next` what happened since `seen`.
    Idle { seen: Timestamp, next: Timestamp },
    /// Being asked.
    Asked { seen: Timestamp },
}

/// A feed is asked this often, and only where the next run is further off.
const FEED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// A run that takes longer does not keep a place from others.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// All tenants of this process.
#[derive(Default)]
pub(super) struct Book {
    pub(super) entries: BTreeMap<TenantName, ScheduledTenant>,
    /// Tenants that never had a file without mistakes.
    pub(super) never_right: BTreeMap<TenantName, Mistake>,
}

/// Whether somebody's run can begin now.
pub(super) enum Begun {
    /// It has begun.
    Now(Arc<Tenant>),
    /// Another one has to end first.
    Running,
    /// There is no such tenant.
    Unknown,
}

/// How a tenant is put into the book.
#[derive(Debug, PartialEq, Eq)]
enum Put {
    New,
    Changed,
    Same,
}

/// What a reload changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) added: Vec<TenantName>,
    pub(super) changed: Vec<TenantName>,
    pub(super) removed: Vec<TenantName>,
    pub(super) broken: Vec<TenantName>,
}

impl Book {
    /// Tenants whose file has mistakes as it is now.
    pub(super) fn with_mistakes(&self) -> BTreeSet<TenantName> {
        let broken = self.entries.iter().filter(|(_, entry)| entry.mistake.is_some()).map(|(name, _)| name);
        broken.chain(self.never_right.keys()).cloned().collect()
    }

    /// Takes the files over, the first time and each time after that. `last_run` tells when an earlier process last ran a tenant.
    pub(super) fn take(
        &mut self,
        roll: Roll,
        last_run: impl Fn(&TenantName) -> Option<LastRun>,
        now: Timestamp,
    ) -> Changes {
        let mut changes = Changes::default();
        let listed: Vec<TenantName> = roll
            .tenants
            .iter()
            .map(|tenant| &tenant.name)
            .chain(roll.broken.iter().map(|(name, _)| name))
            .cloned()
            .collect();
        self.never_right.retain(|name, _| roll.is_partial && !listed.contains(name));
        for tenant in roll.tenants {
            let name = tenant.name.clone();
            match self.put(tenant, &last_run, now) {
                Put::New => changes.added.push(name),
                Put::Changed => changes.changed.push(name),
                Put::Same => {}
            }
        }
        for (name, mistake) in roll.broken {
            changes.broken.push(name.clone());
            match self.entries.get_mut(&name) {
                Some(entry) => entry.mistake = Some(mistake),
                None => drop(self.never_right.insert(name, mistake)),
            }
        }
        let is_gone = |name: &&TenantName| !roll.is_partial && !listed.contains(name);
        let gone: Vec<TenantName> = self.entries.keys().filter(is_gone).cloned().collect();
        for name in gone {
            changes.removed.push(name.clone());
            match self.entries.get_mut(&name) {
                Some(entry) if entry.running_since.is_some() => entry.leaving = true,
                _ => drop(self.entries.remove(&name)),
            }
        }
        changes
    }

    /// Puts a tenant in; says whether that is news.
    fn put(&mut self, tenant: Tenant, last_run: &impl Fn(&TenantName) -> Option<LastRun>, now: Timestamp) -> Put {
        let timetable = Timetable::of(&tenant);
        let name = tenant.name.clone();
        let last_run = last_run(&name);
        let last = last_run.map(|run| run.ended);
        match self.entries.get_mut(&name) {
            Some(entry) => {
                let same = entry.tenant.fingerprint() == tenant.fingerprint();
                entry.tenant = Arc::new(tenant);
                entry.mistake = None;
                entry.leaving = false;
                // Another table may have another feed.
                if entry.feed == FeedStatus::None {
                    entry.feed = FeedStatus::Idle { seen: now, next: now };
                }
                if entry.timetable != timetable {
                    entry.due = timetable.first(entry.last_ended.or(last), now);
                    entry.timetable = timetable;
                }
                // Whoever says so has mended something: a token, a network.
                if entry.standing.is_failing() {
                    entry.due = now;
                }
                if same { Put::Same } else { Put::Changed }
            }
            None => {
                let entry = ScheduledTenant {
                    due: timetable.first(last, now),
                    tenant: Arc::new(tenant),
                    timetable,
                    running_since: None,
                    standing: TenantState::New,
                    note: String::new(),
                    trouble: FailureHistory::default(),
                    expiries: Vec::new(),
                    last_ended: last,
                    mistake: None,
                    leaving: false,
                    again: false,
                    // What happened while no process was there counts too, and what happened while the last run read.
                    feed: FeedStatus::Idle { seen: last_run.map_or(now, |run| run.started.min(now)), next: now },
                };
                self.entries.insert(name, entry);
                Put::New
            }
        }
    }

    /// Whom to start now, whoever has waited longest first; no more than there is room for.
    pub(super) fn start(&mut self, now: Timestamp, room: usize) -> Vec<Arc<Tenant>> {
        let waiting = self.entries.values().filter(|entry| entry.running_since.is_none() && entry.due <= now);
        let mut due: Vec<(Timestamp, TenantName)> =
            waiting.map(|entry| (entry.due, entry.tenant.name.clone())).collect();
        due.sort();
        due.truncate(room);
        let mut started = Vec::with_capacity(due.len());
        for (_, name) in due {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.running_since = Some(now);
                started.push(Arc::clone(&entry.tenant));
            }
        }
        started
    }

    /// Begins a run that somebody asked for, whatever the schedule says.
    pub(super) fn begin(&mut self, name: &TenantName, now: Timestamp) -> Begun {
        match self.entries.get_mut(name) {
            None => Begun::Unknown,
            Some(entry) if entry.running_since.is_some() => Begun::Running,
            Some(entry) => {
                entry.running_since = Some(now);
                Begun::Now(Arc::clone(&entry.tenant))
            }
        }
    }

    /// Makes a tenant due: now, or right after the run under way.
    pub(super) fn wake(&mut self, name: &TenantName, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.due = entry.due.min(now);
            entry.again = entry.running_since.is_some();
        }
    }

    /// Notes the end of a run that was not about the whole tenant: the schedule stands, and so does what is known of it.
    pub(super) fn ended_in_part(&mut self, name: &TenantName) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        (entry.running_since, entry.again) = (None, false);
        if entry.leaving {
            self.entries.remove(name);
        }
    }

    /// Notes the end of a run.
    pub(super) fn ended(&mut self, name: &TenantName, ended: RunEnd, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.running_since = None;
        if entry.leaving {
            self.entries.remove(name);
            return;
        }
        entry.standing = ended.standing;
        entry.due = if ended.standing.is_failing() {
            let quarantined = entry.trouble.failed(&ended.about, now);
            if quarantined {
                entry.standing = TenantState::Quarantined;
            }
            entry.timetable.after_failure(now, entry.trouble.pause(quarantined))
        } else {
            entry.trouble = FailureHistory::default();
            entry.timetable.after(now)
        };
        if std::mem::take(&mut entry.again) {
            entry.due = now;
        }
        entry.last_ended = Some(now);
        entry.expiries = ended.about.expiries;
        entry.note = ended.note;
    }

    /// Takes over what an earlier process knew of failures.
    pub(super) fn recall(&mut self, name: &TenantName, trouble: FailureHistory) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.trouble = trouble;
        }
    }

    /// Whose secrets to look at now: tenants that wait because theirs were refused.
    pub(super) fn refused(&mut self, now: Timestamp) -> Vec<(Arc<Tenant>, SecretsMark)> {
        let waiting = self.entries.values_mut().filter(|entry| entry.running_since.is_none() && entry.due > now);
        waiting.filter_map(|entry| Some((Arc::clone(&entry.tenant), entry.trouble.suspects(now)?))).collect()
    }

    /// There is another secret: it is worth a try.
    pub(super) fn secret_changed(&mut self, name: &TenantName, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.due = entry.due.min(now);
        }
    }

    /// Whose change feeds to ask now, and since when: tenants that would wait for a while yet.
    pub(super) fn ask_feeds(&mut self, now: Timestamp, room: usize) -> Vec<(Arc<Tenant>, Timestamp)> {
        let soon = now.checked_add(FEED_EVERY).unwrap_or(now);
        let mut asked = Vec::new();
        for entry in self.entries.values_mut() {
            let waits = entry.running_since.is_none() && entry.last_ended.is_some() && entry.due > soon;
            // New here, and run by an earlier process: its feed is asked from the start.
            let calm = matches!(
                entry.standing,
                TenantState::New | TenantState::Ok | TenantState::Partial | TenantState::Held | TenantState::AdoptOnly
            );
            match entry.feed {
                FeedStatus::Idle { seen, next } if waits && calm && next <= now && asked.len() < room => {
                    entry.feed = FeedStatus::Asked { seen };
                    asked.push((Arc::clone(&entry.tenant), seen));
                }
                _ => {}
            }
        }
        asked
    }

    /// Notes what a feed told; one that tells of changes makes its tenant due. Says whether it did.
    pub(super) fn hinted(&mut self, name: &TenantName, hint: Option<FeedHint>, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        let FeedStatus::Asked { seen: before } = entry.feed else { return false };
        let next = now.checked_add(FEED_EVERY).unwrap_or(Timestamp::MAX);
        entry.feed = match hint {
            Some(FeedHint::NotOffered) => FeedStatus::None,
            Some(FeedHint::Quiet { seen } | FeedHint::Changed { seen, .. }) => FeedStatus::Idle { seen, next },
            // The schedule stands; the feed is asked again from where it was.
            None => FeedStatus::Idle { seen: before, next },
        };
        let wakes = matches!(hint, Some(FeedHint::Changed { .. })) && entry.running_since.is_none() && entry.due > now;
        if wakes {
            entry.due = now;
        }
        wakes
    }

    /// How many more runs may begin. One that takes very long gives its place to others, so that some tenants whose directory or app
    /// never ends its lists do not keep everybody else waiting; never are there more than twice as many runs as places.
    pub(super) fn room(&self, workers: usize, now: Timestamp) -> usize {
        let since = self.entries.values().filter_map(|entry| entry.running_since);
        let brisk = since.filter(|since| now.duration_since(*since) < LONG).count();
        let free = workers.saturating_sub(brisk);
        free.min(workers.saturating_mul(2).saturating_sub(self.running()))
    }

    /// How many runs are under way.
    pub(super) fn running(&self) -> usize {
        self.entries.values().filter(|entry| entry.running_since.is_some()).count()
    }

    /// One line for `systemctl status`: `12 tenants: 10 ok, 1 held (acme), 1 failing (bolt); 2 running`.
    pub(super) fn line(&self) -> String {
        let mut kinds: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        for (name, entry) in &self.entries {
            kinds.entry(entry.standing.name()).or_default().push(name.as_str());
        }
        if !self.never_right.is_empty() {
            kinds.insert("with mistakes in the file", self.never_right.keys().map(TenantName::as_str).collect());
        }
        let part = |(kind, names): (&&str, &Vec<&str>)| match *kind {
            "ok" | "new" => format!("{} {kind}", names.len()),
            kind => {
                let more = if names.len() > 3 { ", …" } else { "" };
                format!(
                    "{} {kind} ({}{more})",
                    names.len(),
                    names.iter().take(3).copied().collect::<Vec<_>>().join(", ")
                )
            }
        };
        let parts: Vec<String> = kinds.iter().map(part).collect();
        let count = self.entries.len() + self.never_right.len();
        let tenants = if count == 1 { "tenant" } else { "tenants" };
        format!("{count} {tenants}: {}; {} running", parts.join(", "), self.running())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
