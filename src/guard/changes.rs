//! The check on values that change for many users at once. It takes the plan's updates; it holds everything where one attribute changes for
//! more users than the limits say.
//!
//! Counted is a value of the app that is replaced by another one. Not counted are first values (nothing is overwritten), values that are
//! taken away (`attribute_loss` counts these), accounts that are adopted or go over to a new record (they differ from the directory for
//! that reason, and are shown for it), and a run after an edit of the tenant file: `settings_change` and `matching_change` count the
//! same users then, by a limit of their own.

use std::collections::BTreeMap;

use super::{Cleared, EditImpact, Facts, GuardLimits};
use crate::config::forms::Limit;
use crate::model::{HoldReason, NamedUsers, Path, Reason, SourceId};
use crate::plan::{Action, Operation};

/// What is said of accounts that get another one, because the app can't change an attribute.
const IMMUTABLE: &str = "an attribute that the app can't change";

/// Users by attribute, with their names.
type Changed<'a> = BTreeMap<&'a str, BTreeMap<&'a SourceId, &'a str>>;

impl Cleared {
    /// Two swapped columns, or a faulty rule of the directory, change the same value of many users.
    pub(super) fn check_changed_values(&mut self, facts: &Facts, limits: &GuardLimits) {
        if matches!(facts.edited, EditImpact::Settings | EditImpact::Matching) {
            return;
        }
        let (mut identifiers, mut values) = (Changed::new(), Changed::new());
        for operation in self.plan.operations.iter().filter(|operation| is_change(operation)) {
            let (id, name) = (operation.object.id(), operation.name.as_str());
            let mut note = |attribute, is_identifier: bool| {
                values.entry(attribute).or_default().insert(id, name);
                if is_identifier {
                    identifiers.entry(attribute).or_default().insert(id, name);
                }
            };
            match &operation.action {
                Action::UpdateUser { before, set, .. } => {
                    let replaced = set.iter().map(|(path, _)| path).filter(|path| before.get(path).is_some());
                    for path in replaced {
                        note(path.as_str(), facts.identifiers.iter().any(|matched| names(matched, path)));
                    }
                }
                Action::ReplaceUser { .. } => note(IMMUTABLE, true),
                _ => {}
            }
        }
        let found = worst(&identifiers, limits.identifier_changes, facts.managed)
            .map(|found| (true, found))
            .or_else(|| worst(&values, limits.value_changes, facts.managed).map(|found| (false, found)));
        let Some((is_identifier, (attribute, users))) = found else { return };
        let (attribute, count, managed) = (attribute.to_owned(), users.len() as u64, facts.managed);
        let who = NamedUsers::of(users.values().copied());
        self.hold_all(match is_identifier {
            true => {
                let limit = limits.identifier_changes.to_string();
                HoldReason::IdentifierChanges { attribute, count, managed, limit, who }
            }
            false => {
                let limit = limits.value_changes.to_string();
                HoldReason::ValueChanges { attribute, count, managed, limit, who }
            }
        });
    }
}

/// Whether an operation brings what the directory says otherwise than before.
fn is_change(operation: &Operation) -> bool {
    let why = match &operation.reason {
        Reason::Remarked { why, .. } => why,
        why => why,
    };
    operation.blocked.is_none() && !matches!(why, Reason::AdoptedDiffers | Reason::RelinkedDiffers)
}

/// Whether users are matched by this path: by itself, or by a part of it (`emails` is matched by each address).
fn names(matched: &Path, path: &Path) -> bool {
    matched.covers(path) || path.covers(matched)
}

/// The attribute that changes for most users, if these are too many.
fn worst<'a, 'b>(
    changed: &'b Changed<'a>,
    limit: Limit,
    managed: u64,
) -> Option<(&'a str, &'b BTreeMap<&'a SourceId, &'a str>)> {
    let allowed = limit.allowed(managed)?;
    let over = changed.iter().filter(|(_, users)| users.len() as u64 > allowed);
    over.max_by_key(|(_, users)| users.len()).map(|(attribute, users)| (*attribute, users))
}
