//! Was the guard loosened? In: guard and approval settings as they are now and as the last run had them. Out: what became looser, and
//! by what this run is judged until that is approved.
//!
//! Settings are compared key by key as the tenant file writes them, so that a key that one version knows and another does not is
//! neither looser nor stricter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::GuardLimits;
use crate::config::forms::Limit;
use crate::config::tenant::{ApprovalTable, GuardTable, ReasonRule, ScopeTable};
use crate::model::{Loosening, fold};
use crate::store::{ApprovalRule, GuardSettings, digest_of};

/// By what a run is judged, and what the tenant file would have.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// What the tenant file says, with defaults and floors; `None` where it is not kept.
    pub now: Option<GuardSettings>,
    /// What is in force until a loosened guard is approved: of each key that became looser, what it was before.
    pub in_force: Option<GuardSettings>,
    /// What became looser since the last run.
    pub loosened: Option<Loosened>,
    /// Who has to approve.
    pub rule: ApprovalRule,
}

/// What became looser since the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loosened {
    /// Each setting, with what it was.
    pub changes: Vec<Loosening>,
    /// Whether something is gone that can't be kept in force: then everything waits.
    pub holds_all: bool,
}

/// A tenant's settings beside those of the last run.
#[derive(Debug)]
pub struct Weighing {
    /// What this run is judged by.
    pub policy: Policy,
    /// `[guard]` as it is in force.
    pub guard: GuardTable,
    /// `[approval]` as it is in force.
    pub approval: ApprovalTable,
}

impl Policy {
    /// What a run writes down: what is in force, or what is in force once the change is `accepted`.
    pub fn recorded(&self, accepted: bool) -> Option<&GuardSettings> {
        match accepted || self.loosened.is_none() {
            true => self.now.as_ref(),
            false => self.in_force.as_ref(),
        }
    }

    /// Whether the last run was judged by the same settings.
    pub fn is_as_before(&self, before: Option<&GuardSettings>) -> bool {
        self.now.is_none() || self.now.as_ref() == before
    }
}

/// Holds a tenant's settings against those of the last run.
pub fn weigh(
    guard: &GuardTable,
    approval: &ApprovalTable,
    scope: &ScopeTable,
    before: Option<&GuardSettings>,
) -> Weighing {
    let now = GuardSettings {
        guard: fields(guard),
        approval: fields(approval),
        sentinels: hashes(&scope.sentinels),
        protect: hashes(&scope.protect),
    };
    let (mut in_force, mut changes, mut holds_all) = (now.clone(), Vec::new(), false);
    if let Some(before) = before {
        changes.extend(looser(&mut in_force.guard, &before.guard, limit_is_looser));
        changes.extend(looser(&mut in_force.approval, &before.approval, |_, one, other| asks_for_less(one, other)));
        for (key, was, is) in
            [("sentinels", &before.sentinels, &now.sentinels), ("protect", &before.protect, &now.protect)]
        {
            let gone: BTreeSet<String> = was.difference(is).cloned().collect();
            if !gone.is_empty() {
                holds_all = true;
                changes.push(Loosening::Entries { key: key.to_owned(), gone, of: was.len() as u64 });
            }
        }
    }
    let loosened = (!changes.is_empty()).then_some(Loosened { changes, holds_all });
    let (guard, approval) = (table(&in_force.guard, guard), table(&in_force.approval, approval));
    let rule = ApprovalRule {
        people: approval.people,
        needs_reason: approval.reason == ReasonRule::Required,
        editors: Vec::new(),
    };
    let policy = Policy { now: Some(now), in_force: Some(in_force), loosened, rule };
    Weighing { policy, guard, approval }
}

/// The limits of a table, with the kinds of change that always wait.
pub fn limits(guard: &GuardTable, ask_before: BTreeSet<crate::model::Op>) -> GuardLimits {
    GuardLimits { ask_before, ..GuardLimits::from(guard) }
}

/// Which keys became looser; each of them stays what it was.
fn looser(
    now: &mut BTreeMap<String, Value>,
    before: &BTreeMap<String, Value>,
    is_looser: impl Fn(&str, &Value, &Value) -> bool,
) -> Vec<Loosening> {
    let mut changes = Vec::new();
    for (key, is) in now {
        let Some(was) = before.get(key).filter(|was| is_looser(key, is, was)) else { continue };
        changes.push(Loosening::Value { key: key.clone(), was: was.clone(), is: is.clone() });
        *is = was.clone();
    }
    changes
}

/// Whether one value of a key of `[guard]` allows more than another.
pub fn limit_is_looser(key: &str, one: &Value, other: &Value) -> bool {
    match (limit(one), limit(other)) {
        // More accounts can be created, or activated again, than there are active ones.
        (Some(one), Some(other)) if matches!(key, "creates_per_day" | "activations_per_day") => {
            one.allows_more_than(&other)
        }
        (Some(one), Some(other)) => one.is_looser_than(&other),
        _ => asks_for_less(one, other),
    }
}

/// The stricter of two values of a key of `[guard]`.
pub fn stricter_limit(one: &Value, other: &Value) -> Value {
    match (limit(one), limit(other)) {
        (Some(one), Some(other)) => one.stricter(&other).to_string().into(),
        _ if asks_for_less(other, one) => one.clone(),
        _ => other.clone(),
    }
}

/// Whether one value of a key of `[approval]` asks for less than another.
pub fn asks_for_less(one: &Value, other: &Value) -> bool {
    rank(one).zip(rank(other)).is_some_and(|(one, other)| one < other)
}

fn limit(value: &Value) -> Option<Limit> {
    value.as_str()?.parse().ok()
}

/// How much a value asks for; `None` for one that is not known.
fn rank(value: &Value) -> Option<u64> {
    match value {
        Value::Bool(asks) => Some(if *asks { 2 } else { 0 }),
        Value::Number(people) => people.as_u64(),
        Value::String(text) => match text.as_str() {
            "never" | "optional" => Some(0),
            "after_first" => Some(1),
            "always" | "required" => Some(2),
            _ => None,
        },
        _ => None,
    }
}

/// A value as a tenant file has it, without its quotes.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A table as keys and values. Ours are plain: writing one can't fail.
pub fn fields(table: &impl Serialize) -> BTreeMap<String, Value> {
    match serde_json::to_value(table) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// The way back; what can't be read leaves the table as it was.
pub fn table<T: DeserializeOwned + Clone>(fields: &BTreeMap<String, Value>, otherwise: &T) -> T {
    let fields: Map<String, Value> = fields.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(fields)).unwrap_or_else(|_| otherwise.clone())
}

fn hashes(entries: &[String]) -> BTreeSet<String> {
    let hash = |entry: &String| digest_of(fold(entry).as_bytes()).chars().take(16).collect();
    entries.iter().map(hash).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn weighed(
        change: impl Fn(&mut GuardTable, &mut ApprovalTable, &mut ScopeTable),
        before: impl Fn(&mut GuardTable, &mut ApprovalTable, &mut ScopeTable),
    ) -> Weighing {
        let (mut guard, mut approval, mut scope) =
            (GuardTable::default(), ApprovalTable::default(), ScopeTable::default());
        before(&mut guard, &mut approval, &mut scope);
        let before = weigh(&guard, &approval, &scope, None).policy.now.unwrap();
        // As a journal has it.
        let before: GuardSettings = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        change(&mut guard, &mut approval, &mut scope);
        weigh(&guard, &approval, &scope, Some(&before))
    }

    #[test]
    fn sec7_a_first_run_and_the_same_settings_are_not_looser() {
        let first = weigh(&GuardTable::default(), &ApprovalTable::default(), &ScopeTable::default(), None);
        assert_eq!(first.policy.loosened, None);
        let again = weighed(|_, _, _| (), |_, _, _| ());
        assert_eq!((again.policy.loosened, again.policy.now), (None, first.policy.now));
        assert_eq!((again.guard, again.approval), (GuardTable::default(), ApprovalTable::default()));
    }

    #[test]
    fn sec7_every_limit_that_is_loosened_is_named_and_the_old_one_stays_in_force() {
        let none = || Limit::NONE;
        let loosened = weighed(
            |guard, _, _| {
                guard.removals_per_day = "100%".parse().unwrap();
                guard.source_shrink = none();
                guard.group_removals = "5%".parse().unwrap();
            },
            |_, _, _| (),
        );
        let Loosened { changes, holds_all } = loosened.policy.loosened.clone().unwrap();
        assert_eq!(
            Loosening::listed(&changes),
            "removals_per_day: 10%, at least 3, at most 200 → 100%, source_shrink: 20% → none"
        );
        assert!(!holds_all);
        let usual = GuardTable::default();
        assert_eq!(loosened.guard.removals_per_day, usual.removals_per_day);
        assert_eq!(loosened.guard.source_shrink, usual.source_shrink);
        assert_eq!(loosened.guard.group_removals.to_string(), "5%", "what is stricter is in force at once");
        let policy = loosened.policy;
        assert_eq!(policy.recorded(true), policy.now.as_ref());
        assert_eq!(policy.recorded(false).unwrap().guard.get("source_shrink"), Some(&Value::from("20%")));
        assert!(!policy.is_as_before(None) && policy.is_as_before(policy.now.as_ref()));
    }

    #[test]
    fn sec7_approvals_that_ask_for_less_are_a_loosened_guard_too() {
        for (key, change) in [
            (
                "people: 2 → 1",
                (|_: &mut GuardTable, approval: &mut ApprovalTable, _: &mut ScopeTable| approval.people = 1)
                    as fn(&mut GuardTable, &mut ApprovalTable, &mut ScopeTable),
            ),
            ("reason: required → optional", |_, approval, _| approval.reason = ReasonRule::Optional),
            ("delete: true → false", |_, approval, _| approval.delete = false),
        ] {
            let strict = |_: &mut GuardTable, approval: &mut ApprovalTable, _: &mut ScopeTable| {
                (approval.people, approval.reason, approval.delete) = (2, ReasonRule::Required, true);
            };
            let loosened = weighed(change, strict);
            assert_eq!(Loosening::listed(&loosened.policy.loosened.unwrap().changes), key);
            assert_eq!((loosened.approval.people, loosened.approval.delete), (2, true), "{key}");
            assert_eq!(loosened.policy.rule.people, 2, "loosening it needs two people as well");
            assert!(loosened.policy.rule.needs_reason);
            let tightened = weighed(strict, |_, _, _| ());
            assert_eq!(tightened.policy.loosened, None);
        }
    }

    #[test]
    fn sec7_a_protected_person_or_a_sentinel_that_is_removed_holds_everything() {
        let both = |_: &mut GuardTable, _: &mut ApprovalTable, scope: &mut ScopeTable| {
            scope.protect = vec!["breakglass@acme.test".to_owned(), "root@acme.test".to_owned()];
            scope.sentinels = vec!["it-admins".to_owned()];
        };
        let loosened = weighed(|_, _, scope| scope.protect.truncate(1), both).policy;
        let Loosened { changes, holds_all } = loosened.loosened.unwrap();
        assert_eq!((Loosening::listed(&changes).as_str(), holds_all), ("protect: 1 of 2 entries removed", true));
        let other = weighed(|_, _, scope| drop(scope.protect.remove(0)), both).policy;
        assert_ne!(other.loosened.unwrap().changes, changes, "the approval of one is not that of another");
        let loosened = weighed(|_, _, scope| scope.sentinels.clear(), both).policy;
        assert_eq!(Loosening::listed(&loosened.loosened.unwrap().changes), "sentinels: 1 of 1 entries removed");
        let written = serde_json::to_string(&loosened.now).unwrap();
        assert!(!written.contains("breakglass"), "whom they name is not in the journal: {written}");
        let same = weighed(|_, _, scope| scope.protect.reverse(), both).policy;
        assert_eq!(same.loosened, None);
        let more = weighed(both, |_, _, _| ()).policy;
        assert_eq!(more.loosened, None);
    }

    #[test]
    fn sec7_a_key_of_another_version_is_neither_looser_nor_in_the_way() {
        let now = GuardTable::default();
        let mut before = weigh(&now, &ApprovalTable::default(), &ScopeTable::default(), None).policy.now.unwrap();
        before.guard.insert("of_a_later_version".to_owned(), Value::from("1%"));
        before.guard.remove("rekey");
        before.approval.insert("adopt".to_owned(), Value::from("of a later version"));
        let weighed = weigh(&now, &ApprovalTable::default(), &ScopeTable::default(), Some(&before));
        assert_eq!((weighed.policy.loosened, weighed.guard), (None, now));
        assert!(asks_for_less(&Value::from("after_first"), &Value::from(true)));
        assert!(asks_for_less(&Value::from(false), &Value::from("after_first")));
    }
}
