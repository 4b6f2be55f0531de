//! Plans that wait for a decision, as people see them. In: the held operations. Out: `held.json`, whose id can be counted again from
//! what it shows.
//!
//! The id of a plan is a hash over one line for each operation: what is shown of it, and the hash of all of it. So a changed
//! list has another id than the one that gets approved. Operations after the first thousand are not listed; they go into a
//! hash of their own, which is in the file, and the number of all into the id.
//!
//! The numbers that the reasons tell change while the same operations are held, so they are not part of the id. A digest beside
//! them, over the id and all reasons, tells whether they are those of the run that wrote the file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::backend::HELD;
use super::decisions::{Decision, understood};
use super::error::StoreError;
use super::handle::TenantStore;
use super::hex;
use super::notes::Leased;
use crate::model::{Access, HoldReason, Loosening, ObjectRef, Op, Reason, RunId};

/// Held operations listed by name; more are only counted.
pub const HELD_LISTED: usize = 1000;

/// A plan, or the part of one, that waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldPlan {
    /// Its id: what is approved is exactly this.
    pub plan: String,
    /// The hash of the whole plan it is a part of, by which reports name that run's plan.
    pub of: String,
    /// The run that held it last.
    pub run: RunId,
    /// When that was.
    pub at: Timestamp,
    /// Why. In the file each is `[code, sentence, payload]`; earlier versions wrote no payload.
    #[serde(rename = "reasons", serialize_with = "HoldReason::serialize_listed")]
    pub holds: Vec<HoldReason>,
    /// Who has access now and afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// How many operations.
    pub count: u64,
    /// The first thousand of them.
    pub operations: Vec<HeldOperation>,
    /// The hash of the operations that are not listed, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<String>,
    /// The digest of the id and the reasons, hex; empty in files of earlier versions.
    #[serde(default)]
    pub reasons_digest: String,
    /// How the guard was loosened, if that is held too, in words: `removals_per_day: 10% → 100%`. The reasons have it as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_change: Option<String>,
    /// Who has approved so far, where one person is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// It was rejected.
    pub rejected: Option<Decision>,
}

/// How far a plan is that more than one person has to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// How many people have to approve.
    pub people: u32,
    /// Who has.
    pub given: Vec<String>,
}

impl std::fmt::Display for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} approvals", self.given.len(), self.people)?;
        match self.given.as_slice() {
            [] => Ok(()),
            given => write!(f, " ({})", given.join(", ")),
        }
    }
}

/// One held operation, as people read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenOperation", into = "WrittenOperation")]
pub struct HeldOperation {
    /// What would be done.
    pub op: Op,
    /// To which user or group.
    pub object: ObjectRef,
    /// The user name or group name.
    pub name: String,
    /// Why.
    pub reason: Reason,
    /// SHA-256 of the whole operation, hex.
    pub digest: String,
}

/// A held operation as it is written: the sentence for people, and its code. Earlier versions wrote the sentence only.
#[derive(Serialize, Deserialize)]
struct WrittenOperation {
    op: Op,
    object: ObjectRef,
    name: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Reason>,
    #[serde(default)]
    digest: String,
}

impl From<WrittenOperation> for HeldOperation {
    fn from(WrittenOperation { op, object, name, reason, code, digest }: WrittenOperation) -> Self {
        Self { op, object, name, reason: code.unwrap_or_else(|| Reason::decode(&reason)), digest }
    }
}

impl From<HeldOperation> for WrittenOperation {
    fn from(HeldOperation { op, object, name, reason, digest }: HeldOperation) -> Self {
        Self { op, object, name, reason: reason.to_string(), code: Some(reason), digest }
    }
}

/// What is hashed of an operation: the fields of [`HeldOperation`], in its order.
#[derive(Serialize)]
struct HashedOperation<'a> {
    op: Op,
    object: &'a ObjectRef,
    name: &'a str,
    reason: &'a str,
    digest: &'a str,
}

/// SHA-256, hex.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn short(hash: Sha256) -> String {
    let mut digits = hex(&hash.finalize());
    digits.truncate(32);
    digits
}

/// Counts a plan's id, one operation after the other.
#[derive(Debug, Default)]
pub struct PlanId {
    listed: Sha256,
    rest: Sha256,
    count: usize,
}

impl PlanId {
    /// Takes in the next operation.
    pub fn add(&mut self, op: Op, object: &ObjectRef, name: &str, reason: &Reason, digest: &str) {
        // Plain data whose maps have text keys: writing it as JSON can't fail.
        let line = serde_json::to_vec(&HashedOperation { op, object, name, reason: &reason.encoded(), digest })
            .unwrap_or_default();
        let into = if self.count < HELD_LISTED { &mut self.listed } else { &mut self.rest };
        into.update(line);
        into.update(b"\n");
        self.count += 1;
    }

    /// The hash of the operations after the first thousand; `None` if there are none.
    pub fn rest(&self) -> Option<String> {
        (self.count > HELD_LISTED).then(|| hex(&self.rest.clone().finalize()))
    }

    /// The id: 128 bits in hex.
    pub fn finish(self) -> String {
        let (rest, count) = (self.rest(), self.count as u64);
        id_of(self.listed, rest.as_deref(), count)
    }
}

fn id_of(listed: Sha256, rest: Option<&str>, count: u64) -> String {
    let Some(rest) = rest else { return short(listed) };
    let listed = hex(&listed.finalize());
    short(Sha256::new_with_prefix(format!("{count}\n{listed}\n{rest}\n")))
}

/// The id of something that was found, where there is no operation to name.
pub fn id_of_text(text: &str) -> String {
    short(Sha256::new_with_prefix(text))
}

/// The id of what is held: of operations, or of a finding that holds everything where there are none; and of a loosened guard that is
/// held with it, in the form that is hashed. `None` if nothing waits.
pub fn held_id(operations: Option<String>, finding: Option<&str>, guard_change: Option<&str>) -> Option<String> {
    let held = operations.or_else(|| finding.map(id_of_text));
    match (held, guard_change) {
        (held, None) => held,
        (None, Some(change)) => Some(id_of_text(change)),
        // An approval that was given before the guard was loosened is for another plan.
        (Some(held), Some(change)) => Some(id_of_text(&format!("{held}\n{change}"))),
    }
}

impl HeldPlan {
    /// Whether the id is that of what is shown. `held.json` is written by a run; one that says something else was edited, or was
    /// written by an earlier version.
    pub fn is_genuine(&self) -> bool {
        let listed = usize::try_from(self.count).unwrap_or(usize::MAX).min(HELD_LISTED);
        if self.operations.len() != listed || self.rest.is_some() != (self.count > HELD_LISTED as u64) {
            return false;
        }
        let mut id = PlanId::default();
        for HeldOperation { op, object, name, reason, digest } in &self.operations {
            id.add(*op, object, name, reason, digest);
        }
        let operations = (self.count > 0).then(|| id_of(id.listed, self.rest.as_deref(), self.count));
        if self.guard_change != Self::told_of_guard(&self.holds)
            || self.reasons_digest != Self::digest_of_reasons(&self.plan, &self.holds)
            || self.holds.iter().any(|hold| matches!(hold, HoldReason::Recorded { .. }))
        {
            return false;
        }
        let change = self.holds.iter().find(|hold| hold.loosened().is_some()).map(HoldReason::canonical);
        let change = change.as_deref();
        let is =
            |finding: Option<&str>| held_id(operations.clone(), finding, change).as_deref() == Some(self.plan.as_str());
        is(None) || (self.count == 0 && is(HoldReason::finding(&self.holds).as_deref()))
    }

    /// How the guard was loosened, in words, if that is one of the reasons.
    pub fn told_of_guard(holds: &[HoldReason]) -> Option<String> {
        holds.iter().find_map(HoldReason::loosened).map(Loosening::listed)
    }

    /// The digest of a plan's id and the codes and numbers of all its reasons.
    pub fn digest_of_reasons(plan: &str, holds: &[HoldReason]) -> String {
        let all: String = holds.iter().map(HoldReason::canonical).collect();
        digest_of(format!("reasons 1 {plan}\n{all}").as_bytes())
    }

    /// How many operations are held and not listed.
    pub fn unlisted(&self) -> u64 {
        self.count.saturating_sub(self.operations.len() as u64)
    }
}

impl TenantStore {
    /// What waits for a decision; `None` if nothing does, or if the file makes no sense: the next run writes it again.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn held(&self) -> Result<Option<HeldPlan>, StoreError> {
        understood(&self.notes, HELD)
    }
}

impl Leased {
    pub(super) fn put_held(&self, held: Option<&HeldPlan>) -> Result<(), StoreError> {
        match held {
            Some(held) => self.put_pretty(HELD, held),
            None => self.put_file(HELD, None),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::{SourceId, SourcePart};

    fn operation(at: u64) -> HeldOperation {
        HeldOperation {
            op: Op::DeactivateUser,
            object: ObjectRef::User(SourceId::new(format!("u{at}"))),
            name: format!("user-{at}"),
            reason: Reason::Unassigned,
            digest: digest_of(format!("all of {at}").as_bytes()),
        }
    }

    fn loosened(key: &str) -> HoldReason {
        let changes = vec![Loosening::Value { key: key.to_owned(), was: 2.into(), is: 1.into() }];
        HoldReason::GuardChange { changes, holds_all: false }
    }

    fn held(count: u64, change: Option<&str>) -> HeldPlan {
        let mut id = PlanId::default();
        for HeldOperation { op, object, name, reason, digest } in (0..count).map(operation) {
            id.add(op, &object, &name, &reason, &digest);
        }
        let rest = id.rest();
        let shrink = HoldReason::SourceShrink {
            what: SourcePart::People,
            is: 40,
            was: 90,
            limit: "20%".to_owned(),
            unbound: None,
        };
        let finding = HoldReason::finding(std::slice::from_ref(&shrink)).unwrap();
        let own = (count > 0).then(|| id.finish());
        let change = change.map(loosened);
        let canonical = change.as_ref().map(HoldReason::canonical);
        let plan = held_id(own, (count == 0).then_some(finding.as_str()), canonical.as_deref()).unwrap();
        let mut holds = vec![shrink];
        holds.extend(change);
        HeldPlan {
            guard_change: HeldPlan::told_of_guard(&holds),
            reasons_digest: HeldPlan::digest_of_reasons(&plan, &holds),
            plan,
            of: String::new(),
            run: RunId::new("r"),
            at: Timestamp::UNIX_EPOCH,
            holds,
            access: None,
            count,
            operations: (0..count.min(HELD_LISTED as u64)).map(operation).collect(),
            rest,
            approvals: None,
            rejected: None,
        }
    }

    /// An edit of a held plan.
    type Edit = fn(&mut HeldPlan);

    #[test]
    fn sec16_an_id_belongs_to_what_is_shown_and_to_nothing_else() {
        let edits: [(&str, Edit); 11] = [
            ("an operation less", |held| drop(held.operations.pop())),
            ("another name", |held| held.operations[0].name = "nobody-special".to_owned()),
            ("another kind", |held| held.operations[0].op = Op::UpdateUser),
            ("another reason", |held| held.operations[0].reason = Reason::Manager),
            ("another order", |held| held.operations.swap(0, 1)),
            ("another number", |held| held.count += 1),
            ("another rest", |held| held.rest = Some("00".repeat(32))),
            ("a change that is not shown", |held| held.guard_change = Some("rekey: 2 → 1".to_owned())),
            ("another number in a reason", |held| {
                if let HoldReason::SourceShrink { is, .. } = &mut held.holds[0] {
                    *is = 89;
                }
            }),
            ("a reason less", |held| drop(held.holds.pop())),
            ("no digest of the reasons", |held| held.reasons_digest.clear()),
        ];
        for count in [2, 1000, 1001, 2500] {
            for change in [None, Some("removals_per_day")] {
                let genuine = held(count, change);
                assert!(genuine.is_genuine(), "{count} {change:?}");
                assert_eq!(genuine.unlisted(), count.saturating_sub(1000));
                let text = serde_json::to_string(&genuine).unwrap();
                assert!(serde_json::from_str::<HeldPlan>(&text).unwrap().is_genuine(), "as it is read again");
                for (what, edit) in edits {
                    let mut edited = genuine.clone();
                    edit(&mut edited);
                    assert!(!edited.is_genuine(), "{what} of {count}");
                }
            }
        }
        let mut fewer = held(1001, None);
        (fewer.count, fewer.rest) = (1000, None);
        assert!(!fewer.is_genuine(), "what is not listed belongs to the id");
    }

    #[test]
    fn sec16_where_nothing_is_planned_the_finding_is_what_is_approved() {
        for change in [None, Some("people")] {
            let genuine = held(0, change);
            assert!(genuine.is_genuine());
            let mut edited = genuine.clone();
            edited.holds[0] = HoldReason::TargetChange { from: Vec::new(), to: Vec::new() };
            assert!(!edited.is_genuine());
            edited = genuine;
            edited.holds.clear();
            assert!(!edited.is_genuine());
        }
        let plan = held_id(None, None, Some(&loosened("people").canonical())).unwrap();
        let with_finding = held(0, Some("people"));
        let reasons_digest = HeldPlan::digest_of_reasons(&plan, &with_finding.holds);
        let only_the_guard = HeldPlan { plan, reasons_digest, ..with_finding };
        assert!(only_the_guard.is_genuine());
    }
}
