//! Why changes are held: a stable code with what was found. Plain values; what is held, and when, is decided by `guard`.
//!
//! Code compares, counts, stores and hashes the code and the payload, never the sentence. [`HoldReason`]'s `Display` is the one
//! place where the sentence is written; reports, notifications and pages show it.

mod sentences;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::Deserializer;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hold_code::{HoldCode, HoldScope};
use super::{ClockDoubt, Duplicates, ObjectRef, Obstacle, Op, StatusSign, text};

/// The field with the sentence of a cause.
const WHY: &str = "why";

/// How many people a sentence names.
const NAMED: usize = 5;

/// The names of people as the directory has them, of which a sentence shows the first few.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedUsers {
    /// The first ones, in order.
    pub first: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl NamedUsers {
    /// Distinct names, sorted.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let first: Vec<String> = names.iter().copied().take(NAMED).map(str::to_owned).collect();
        Self { more: names.len().saturating_sub(first.len()) as u64, first }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.first.len() as u64 + self.more
    }

    /// Whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// `ann, bo and 3 more`; names with invisible characters or mixed scripts are marked.
impl fmt::Display for NamedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<_> = self.first.iter().map(|name| text::named(name)).collect();
        f.write_str(&first.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What a directory shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SourcePart {
    People,
    Groups,
    Memberships,
}

impl SourcePart {
    fn name(self) -> &'static str {
        match self {
            Self::People => "users",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
        }
    }
}

/// The evidence that the directory binds nothing to the app any more, so that nobody belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    /// The application in the directory, as its console shows it; `None` where the directory has none (a file with `assigned`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.application {
            Some(application) => write!(
                f,
                "the application {} is bound to no group and no user in the directory: no user belongs. If that was a mistake, \
                 bind it again there",
                text::shown(application)
            ),
            None => f.write_str(
                "no group and no user of the directory is assigned to the app: no user belongs. If that was a mistake, assign them \
                 again there",
            ),
        }
    }
}

/// `; ` and the evidence, if there is any.
fn because_unbound(unbound: Option<&Unbound>) -> String {
    unbound.map(|unbound| format!("; {unbound}")).unwrap_or_default()
}

/// One setting of the guard or of the approvals that asks for less than it did in the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loosening {
    /// A value.
    Value {
        /// The key.
        key: String,
        /// What it was.
        was: Value,
        /// What the tenant file says now.
        is: Value,
    },
    /// A list that lost entries.
    Entries {
        /// The key.
        key: String,
        /// The hashes of the entries that are gone: whom they name is not written down.
        gone: BTreeSet<String>,
        /// How many there were.
        of: u64,
    },
}

impl Loosening {
    /// All of them: `removals_per_day: 10% → 100%, people: 2 → 1`.
    pub fn listed(all: &[Self]) -> String {
        all.iter().map(Self::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Loosening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self {
            Self::Value { key, was, is } => write!(f, "{key}: {} → {}", plain(was), plain(is)),
            Self::Entries { key, gone, of } => write!(f, "{key}: {} of {of} entries removed", gone.len()),
        }
    }
}

/// Why something is held, with what was found. `limit` is the limit as the tenant file writes it.
///
/// What the approval of changed ids would leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyOutcome {
    /// Accounts that go over to a new record.
    pub relinked: u64,
    /// Accounts that are active after it.
    pub after: u64,
    /// Removals in the plan that the approval does not let pass.
    pub removals: u64,
}

/// In JSON it is `{"reason": code, "detail": sentence, …payload}`. Files of earlier versions have a code and a sentence only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case", remote = "Self")]
#[expect(missing_docs, reason = "`HoldCode::summary` and the sentence say it")]
pub enum HoldReason {
    FirstSync {
        changes: u64,
        creates: u64,
    },
    RemovalsPerDay {
        now: u64,
        lost: u64,
        managed: u64,
        limit: String,
        none_left: bool,
        /// Whether others may have lost access, which is not on record.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unknown: bool,
        who: NamedUsers,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unbound: Option<Unbound>,
    },
    GroupRemovals {
        group: String,
        now: u64,
        of: u64,
        lost: u64,
        limit: String,
        who: NamedUsers,
    },
    SourceShrink {
        what: SourcePart,
        is: u64,
        was: u64,
        limit: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unbound: Option<Unbound>,
    },
    AttributeLoss {
        count: u64,
        managed: u64,
        limit: String,
        who: NamedUsers,
    },
    Rekey {
        missing: u64,
        strangers: u64,
        managed: u64,
        limit: String,
        /// What an approval would leave; `None` in files of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<RekeyOutcome>,
    },
    SettingsChange {
        count: u64,
        managed: u64,
        limit: String,
        who: NamedUsers,
    },
    Upgrade {
        who: NamedUsers,
    },
    GuardChange {
        changes: Vec<Loosening>,
        holds_all: bool,
    },
    Adoption {
        who: NamedUsers,
    },
    Conflict {
        object: ObjectRef,
        name: String,
        cause: Obstacle,
    },
    DuplicateAccounts {
        count: u64,
        who: Duplicates,
    },
    DuplicateNames {
        count: u64,
        creates: u64,
        limit: String,
        who: Duplicates,
    },
    CreatesPerDay {
        now: u64,
        created: u64,
        limit: String,
    },
    Clock {
        doubt: ClockDoubt,
        who: NamedUsers,
    },
    Undone {
        runs: BTreeSet<String>,
        count: u64,
        who: NamedUsers,
    },
    ActivationsPerDay {
        now: u64,
        activated: u64,
        managed: u64,
        limit: String,
        who: NamedUsers,
    },
    ValueChanges {
        attribute: String,
        count: u64,
        managed: u64,
        limit: String,
        who: NamedUsers,
    },
    IdentifierChanges {
        attribute: String,
        count: u64,
        managed: u64,
        limit: String,
        who: NamedUsers,
    },
    MatchingChange {
        count: u64,
        who: NamedUsers,
    },
    TargetChange {
        from: Vec<String>,
        to: Vec<String>,
    },
    SourceChange {
        from: Vec<String>,
        to: Vec<String>,
    },
    ProxyChange {
        from: Vec<String>,
        to: Vec<String>,
    },
    TokenServerChange {
        from: Vec<String>,
        to: Vec<String>,
    },
    Approval {
        ops: BTreeSet<Op>,
        who: NamedUsers,
    },
    Relink {
        who: NamedUsers,
    },
    FinalDelete {
        who: NamedUsers,
    },
    NeedsDecision {
        object: ObjectRef,
        name: String,
        cause: Obstacle,
    },
    UnreadGroup {
        group: String,
        why: String,
    },
    SourceEvidence {
        signs: BTreeSet<StatusSign>,
        activations: u64,
        creations: u64,
        who: NamedUsers,
    },
    DanglingMember {
        count: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        names: Vec<String>,
        who: NamedUsers,
    },
    AdoptOnly {
        why: String,
    },
    OwnAccount {
        name: String,
    },
    Paused {
        why: String,
    },
    /// A hold that an earlier version wrote down as a code and a sentence.
    #[serde(skip)]
    Recorded {
        code: HoldCode,
        detail: String,
    },
}

impl HoldReason {
    /// Its stable code.
    pub fn code(&self) -> HoldCode {
        match self {
            Self::FirstSync { .. } => HoldCode::FirstSync,
            Self::RemovalsPerDay { .. } => HoldCode::RemovalsPerDay,
            Self::GroupRemovals { .. } => HoldCode::GroupRemovals,
            Self::SourceShrink { .. } => HoldCode::SourceShrink,
            Self::AttributeLoss { .. } => HoldCode::AttributeLoss,
            Self::Rekey { .. } => HoldCode::Rekey,
            Self::SettingsChange { .. } => HoldCode::SettingsChange,
            Self::Upgrade { .. } => HoldCode::Upgrade,
            Self::GuardChange { .. } => HoldCode::GuardChange,
            Self::Adoption { .. } => HoldCode::Adoption,
            Self::Conflict { .. } => HoldCode::Conflict,
            Self::DuplicateAccounts { .. } => HoldCode::DuplicateAccounts,
            Self::DuplicateNames { .. } => HoldCode::DuplicateNames,
            Self::CreatesPerDay { .. } => HoldCode::CreatesPerDay,
            Self::Clock { .. } => HoldCode::Clock,
            Self::Undone { .. } => HoldCode::Undone,
            Self::ActivationsPerDay { .. } => HoldCode::ActivationsPerDay,
            Self::ValueChanges { .. } => HoldCode::ValueChanges,
            Self::IdentifierChanges { .. } => HoldCode::IdentifierChanges,
            Self::MatchingChange { .. } => HoldCode::MatchingChange,
            Self::TargetChange { .. } => HoldCode::TargetChange,
            Self::SourceChange { .. } => HoldCode::SourceChange,
            Self::ProxyChange { .. } => HoldCode::ProxyChange,
            Self::TokenServerChange { .. } => HoldCode::TokenServerChange,
            Self::Approval { .. } => HoldCode::Approval,
            Self::Relink { .. } => HoldCode::Relink,
            Self::FinalDelete { .. } => HoldCode::FinalDelete,
            Self::NeedsDecision { .. } => HoldCode::NeedsDecision,
            Self::UnreadGroup { .. } => HoldCode::UnreadGroup,
            Self::SourceEvidence { .. } => HoldCode::SourceEvidence,
            Self::DanglingMember { .. } => HoldCode::DanglingMember,
            Self::AdoptOnly { .. } => HoldCode::AdoptOnly,
            Self::OwnAccount { .. } => HoldCode::OwnAccount,
            Self::Paused { .. } => HoldCode::Paused,
            Self::Recorded { code, .. } => *code,
        }
    }

    /// The sentence that says what was found, with the numbers.
    pub fn detail(&self) -> String {
        self.to_string()
    }

    /// Code and payload as one text that does not change with the wording: what an id of the hold is a hash of.
    pub fn canonical(&self) -> String {
        let facts: std::collections::BTreeMap<String, Value> = self.payload().into_iter().collect();
        let facts = facts.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
        format!("hold 1 {}\n{facts}", self.code().name())
    }

    fn payload(&self) -> Map<String, Value> {
        let facts = match self {
            Self::Recorded { .. } => return Map::new(),
            // Plain data with text keys: writing it as JSON can't fail.
            facts => Self::serialize(facts, serde_json::value::Serializer),
        };
        let Ok(Value::Object(mut facts)) = facts else { return Map::new() };
        facts.remove("reason");
        facts
    }

    /// The payload as it is written: with the sentence and the name of a cause beside its code.
    fn shown(&self) -> Map<String, Value> {
        let mut facts = self.payload();
        if let Self::Conflict { cause, .. } | Self::NeedsDecision { cause, .. } = self {
            facts.insert(WHY.to_owned(), cause.to_string().into());
            facts.insert("why_code".to_owned(), cause.code().into());
        }
        facts
    }

    /// Which settings were loosened; `None` if it is another hold.
    pub fn loosened(&self) -> Option<&[Loosening]> {
        match self {
            Self::GuardChange { changes, .. } => Some(changes),
            _ => None,
        }
    }

    /// What holds everything, in the form that is hashed where there is no operation to name. A loosened guard is hashed by itself.
    pub fn finding(holds: &[Self]) -> Option<String> {
        let all = holds.iter().filter(|hold| hold.code().scope() == HoldScope::All);
        let found: String = all.map(Self::canonical).collect();
        (!found.is_empty()).then_some(found)
    }

    /// Holds as `held.json` lists them: `[code, sentence, payload]` each.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize_listed<S: Serializer>(holds: &[Self], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(holds.iter().map(|hold| (hold.code().name(), hold.detail(), hold.shown())))
    }
}

impl Serialize for HoldReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payload = self.shown();
        let mut map = serializer.serialize_map(Some(payload.len() + 3))?;
        map.serialize_entry("reason", self.code().name())?;
        map.serialize_entry("detail", &self.detail())?;
        map.serialize_entry("release", self.code().release())?;
        for (name, value) in &payload {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The forms in which holds are written: in lists, in reports, and by earlier versions without a payload.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenHold {
    Pair(String, String),
    Listed(String, String, Map<String, Value>),
    Named {
        reason: String,
        detail: String,
        #[serde(flatten)]
        payload: Map<String, Value>,
    },
}

impl<'de> Deserialize<'de> for HoldReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (code, detail, mut payload) = match WrittenHold::deserialize(deserializer)? {
            WrittenHold::Pair(code, detail) => (code, detail, Map::new()),
            WrittenHold::Listed(code, detail, payload) | WrittenHold::Named { reason: code, detail, payload } => {
                (code, detail, payload)
            }
        };
        payload.insert("reason".to_owned(), code.as_str().into());
        // Earlier versions wrote the sentence only.
        if let Some(why) = payload.get(WHY).filter(|_| !payload.contains_key("cause")).cloned() {
            payload.insert("cause".to_owned(), why);
        }
        let known = Self::deserialize(Value::Object(payload)).ok();
        Ok(known.unwrap_or_else(|| Self::Recorded { code: HoldCode::parse(&code), detail }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
