//! What the journal says: one record an event, and the effects by which the cache is rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decisions::{Decision, Noted};
pub use super::effect::{Effect, FailureNote, UndoneEffect};
use crate::model::{
    AddressMark, AppId, Change, ContentMark, Lane, ObjectRef, Op, OpOutcome, Reason, RunId, RunStatus, SnapshotCounts,
    SourceId, StatusSign,
};

/// One line of the journal. `seq` counts from 1; `prev` is the hash of the record before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The record's number.
    pub seq: u64,
    /// SHA-256 of the previous record's text, hex; empty for the first.
    pub prev: String,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: JournalEvent,
    /// The record's hash before a person was forgotten in it: what the next record names as its predecessor. A later
    /// [`JournalEvent::Forgot`] vouches for the text as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalEvent {
    /// The first record of a journal.
    Opened {
        /// The tenant, so that a journal in the wrong folder is noticed.
        tenant: String,
        /// The state format's version.
        format: u32,
        /// Why the journal is new: `new tenant`, or what became of the old one.
        why: String,
        /// Whether it takes the place of a damaged or lost journal: the tenant is not a new one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replaces: bool,
    },
    /// A run begins.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Who started it.
        trigger: Trigger,
        /// The plan's hash.
        plan: String,
        /// By which guard and approval settings it is judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guard: Option<Box<GuardSettings>>,
    },
    /// A call is about to be made. Durable before the first byte is sent.
    Intent(Box<CallIntent>),
    /// What became of an intent.
    Outcome {
        /// The intent's `seq`.
        intent: u64,
        /// How it went.
        result: OutcomeResult,
        /// What is known from now on.
        effects: Vec<Effect>,
    },
    /// Something became known without a call that changes the app (an adoption, a settled failure).
    Noted {
        /// The run.
        run: RunId,
        /// Why.
        reason: Reason,
        /// What is known from now on.
        effects: Vec<Effect>,
    },
    /// A run ended.
    RunEnded(Box<RunSummary>),
    /// The state can no longer be trusted to know the app: it was restored, or lost its end. Adopt-only from here.
    Doubted {
        /// What was seen.
        why: String,
        /// Whether it is unknown who lost access lately: what was recorded of that is gone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        losses_unknown: bool,
    },
    /// A held plan was decided on. An approval is used up by this: it was good for one run. One that waits for another
    /// person's is not used yet.
    Decided {
        /// The run that took notice.
        run: RunId,
        /// What was decided.
        decision: Box<Decision>,
        /// Whether another person has to approve as well, and nothing was let pass yet.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        waits: bool,
    },
    /// Every linked or linkable object was looked up in the app: adopt-only ends.
    Trusted {
        /// The run.
        run: RunId,
        /// On what grounds.
        reason: Reason,
    },
    /// A person was forgotten: what records said of them was taken out.
    Forgot {
        /// Who asked for it.
        by: String,
        /// The ids that stand for the person since then.
        now: Vec<SourceId>,
        /// The records that were changed, each with the SHA-256 of its text as it is since, hex.
        texts: Vec<(u64, String)>,
    },
    /// The first record of every journal file but the first: what a reader of this file alone has to know.
    Continued(Box<Continued>),
}

/// A call that is about to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallIntent {
    /// The run.
    pub run: RunId,
    /// What kind of change.
    pub op: Op,
    /// Its lane.
    pub lane: Lane,
    /// For whom.
    pub object: ObjectRef,
    /// The app's id, if known.
    pub app_id: Option<AppId>,
    /// What changes, as shown in the plan.
    pub changes: Vec<Change>,
    /// Why.
    pub reason: Reason,
    /// Which people a call about members names. Earlier versions wrote them only where the app would not tell afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<SourceId>,
}

/// What the records before this file add up to, as far as a quiet cycle needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continued {
    /// The tenant, so that a file in the wrong folder is noticed.
    pub tenant: String,
    /// The state format's version.
    pub format: u32,
    /// Why the state is adopt-only, if it is.
    pub adopt_only: Option<String>,
    /// `seq` of the last record with effects; 0 if there is none.
    pub mutated: u64,
    /// That record's hash; empty if there is none.
    pub mutated_hash: String,
    /// Intents without an outcome.
    pub open: Vec<u64>,
    /// What the last accepted snapshot held.
    pub counts: Option<SnapshotCounts>,
    /// How many seconds the last accepted reading took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_s: Option<u64>,
    /// The signs of suspension that the last accepted reading showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<BTreeSet<StatusSign>>,
    /// How many names of members led nowhere in the last accepted reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dangling: Option<u64>,
    /// Objects set aside; `None` if there are too many to say here.
    pub failed: Option<Vec<(ObjectRef, FailureNote)>>,
    /// Whether group management was off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub groups_off: bool,
    /// What the tenant file said in the last run that was not held for it.
    pub settings: Option<SettingsMark>,
    /// The addresses of both sides in the last run that was not held for them; `None` in records of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressMark>,
    /// The last approval, while no run with it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// By which guard and approval settings the last run was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Box<GuardSettings>>,
    /// The last decisions, as long as they could still be met with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Noted>,
    /// When it was last found unknown who had lost access lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses_unknown_at: Option<Timestamp>,
    /// Whether an undo put something back that is held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
    /// What the clocks showed when they could be trusted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockMark>,
    /// Whether the tenant's first sync still waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_sync_waits: bool,
}

/// The guard's and the approvals' settings of a run, in the words of the tenant file. Keys that a version does not know are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardSettings {
    /// `[guard]`, with defaults and floors.
    pub guard: BTreeMap<String, serde_json::Value>,
    /// `[approval]`, with defaults and floors.
    pub approval: BTreeMap<String, serde_json::Value>,
    /// `scope.sentinels`, a hash each: they may name people.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sentinels: BTreeSet<String>,
    /// `scope.protect`, a hash each.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub protect: BTreeSet<String>,
}

/// Fingerprints of what the operator wrote. Another one means that the file was edited since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsMark {
    /// The version of the form that was hashed. Marks of different versions say nothing of each other, except for `target`.
    /// Records before version 1 have none.
    #[serde(default)]
    pub version: u32,
    /// Everything that decides over people.
    pub all: u64,
    /// By which values people are matched, and what gives these values.
    pub matching: u64,
    /// Which app it is: a hash of its address in every version.
    pub target: u64,
}

impl SettingsMark {
    /// Whether the tenant file names another app than it did at `before`.
    ///
    /// Before version 1 an address of this machine was recorded as 0: nothing can be said of such a record.
    pub fn has_other_target(&self, before: &Self) -> bool {
        let comparable = before.version == self.version || before.target != 0;
        comparable && before.target != self.target
    }
}

/// Who started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person.
    Command,
    /// `rosterd sync --all` without a terminal, as a timer outside of rosterd starts it.
    Timer,
    /// The daemon's schedule.
    Schedule,
    /// A person who takes a run back.
    Undo,
    /// A person who ends the connection.
    Retire,
}

impl Trigger {
    /// Whether a person started it.
    pub fn is_typed(self) -> bool {
        !matches!(self, Self::Timer | Self::Schedule)
    }
}

/// What became of a tenant's first sync (`[approval] first_sync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSync {
    /// Nobody has approved it, and no run that somebody typed has completed.
    Waits,
    /// It was approved, or a run that somebody typed has completed.
    Done,
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// Carried out.
    Done {
        /// The HTTP status.
        status: Option<u16>,
    },
    /// Refused, and certainly not carried out.
    Failed {
        /// The HTTP status.
        status: Option<u16>,
        /// The reason in words.
        detail: String,
    },
    /// Nobody knows; the next run looks before it repeats anything.
    Unknown {
        /// What was seen.
        detail: String,
    },
}

impl OutcomeResult {
    /// The same as a code.
    pub fn outcome(&self) -> OpOutcome {
        match self {
            Self::Done { .. } => OpOutcome::Done,
            Self::Failed { .. } => OpOutcome::Failed,
            Self::Unknown { .. } => OpOutcome::Unknown,
        }
    }

    /// What was answered or seen.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Done { .. } => None,
            Self::Failed { detail, .. } | Self::Unknown { detail } => Some(detail),
        }
    }
}

/// The machine's clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMark {
    /// The wall clock.
    pub at: Timestamp,
    /// Which start of which machine; `None` where that is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Seconds since that start.
    #[serde(default)]
    pub steady: u64,
}

/// A run in numbers; the last ones are shown by `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub run: RunId,
    /// The plan's hash.
    pub plan: String,
    /// How it ended.
    pub status: RunStatus,
    /// Operations planned.
    pub planned: u64,
    /// Done.
    pub done: u64,
    /// Held.
    pub held: u64,
    /// Failed.
    pub failed: u64,
    /// Accounts created, for the seat limit.
    #[serde(default)]
    pub created: u64,
    /// Calls to the app.
    pub calls: u64,
    /// One line: why it was held or failed.
    pub note: String,
    /// What the accepted snapshot held; `None` if none was accepted.
    pub counts: Option<SnapshotCounts>,
    /// What the tenant file said, unless the run was held for that.
    pub settings: Option<SettingsMark>,
    /// How many seconds the directory's reading took that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_s: Option<u64>,
    /// The signs of suspension that the accepted reading showed, where they are not those on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<BTreeSet<StatusSign>>,
    /// How many names of members led nowhere in the accepted reading, where it is not the number on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dangling: Option<u64>,
    /// The addresses of both sides, unless the run was held for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressMark>,
    /// The mark of the directory's content, if nothing was left to do or to ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_at: Option<ContentMark>,
    /// What the clocks showed, if they could be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockMark>,
    /// Whether the tenant's first sync still waits after this run; `None` if it was done before, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sync: Option<FirstSync>,
    /// Whether they could not: then nothing counts as old by this run's time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clock_doubted: bool,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

impl RunSummary {
    /// Whether the tenant's first sync is done after this run. Earlier versions did not say: there a run that completed counts.
    pub fn ends_first_sync(&self) -> bool {
        match self.first_sync {
            Some(what) => what == FirstSync::Done,
            None => self.counts.is_some() && self.status != RunStatus::Failed,
        }
    }
}
