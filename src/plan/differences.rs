//! What differs between a user as the directory has them and the account as it was last known. It takes attributes and who owns each value, and
//! returns what to set, what to clear, and what can't be changed. It must not depend on what is planned for it.

use std::collections::BTreeSet;

use super::person::PlannedUser;
use super::rules::TenantRules;
use crate::config::tenant::Push;
use crate::model::{AppId, Attributes, Path, digest};

/// What is known of the account before the update.
pub(super) struct AccountBefore<'a> {
    /// What it holds.
    pub(super) attributes: &'a Attributes,
    /// The directory's values at which attributes were last pushed that are pushed only on a change.
    pub(super) source_seen: &'a Attributes,
    pub(super) app_id: &'a AppId,
    /// Attributes that were seen changed in the app by hand, and not sent since.
    pub(super) by_hand: &'a BTreeSet<Path>,
}

/// What differs between a person and their account.
#[derive(Default)]
pub(super) struct Diff {
    pub(super) was: Attributes,
    pub(super) set: Attributes,
    pub(super) clear: Vec<Path>,
    /// What the app can't change.
    pub(super) immutable: Vec<Path>,
}

/// What the directory says now against what the app was last given.
pub(super) fn diff(
    rules: &TenantRules<'_>,
    compared: &[Path],
    person: &PlannedUser,
    before: &AccountBefore<'_>,
) -> Diff {
    let mut changes = Diff::default();
    for path in compared.iter().filter(|path| !person.leave.contains(path)) {
        compare(rules, path, person, before, &mut changes);
    }
    changes
}

fn compare(rules: &TenantRules<'_>, path: &Path, person: &PlannedUser, before: &AccountBefore<'_>, changes: &mut Diff) {
    let owner = rules.push(path);
    let now = person.attributes.get(path).filter(|value| owner != Push::OnSourceChange || !is_blank(value));
    let was = before.attributes.get(path);
    let due = match (owner, before.source_seen.get(path)) {
        (Push::OnCreate, _) => false,
        (Push::Always, _) => !digest::same(was, now),
        (Push::OnSourceChange, Some(seen)) => now != Some(seen),
        (Push::OnSourceChange, None) => now.is_some() && !digest::same(was, now),
    };
    if !due || rules.profile.attributes.is_sent_once(path) {
        return;
    }
    match now {
        _ if rules.profile.attributes.is_immutable(path) && was.is_some() => {
            changes.immutable.push(path.clone());
            return;
        }
        Some(now) => changes.set.set(path.clone(), now.clone()),
        // Also of an attribute pushed on change: it had a value in the directory and has none now, so the app's default is to stand (O6).
        None if rules.can_clear() => changes.clear.push(path.clone()),
        None => return,
    }
    if let Some(was) = was {
        changes.was.set(path.clone(), was.clone());
    }
}

/// Whether a value is a text that says nothing.
fn is_blank(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}
