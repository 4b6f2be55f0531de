//! Values that the app shows in another way than they were sent, right after it created an account. In: what was sent, and what is on record of
//! the answer. Out: the values are sent once more where that helps, and else kept as the app's way of writing them.
//!
//! Some apps compose a value at creation (a display name from the names) and take what a later change says; others write it in their own way
//! for good. The first account of a run tells for which attributes sending again is of any use: it costs one change and one look for each.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::Mutex;

use super::{OpResult, RunWorker};
use crate::model::{Attributes, Obstacle, OpOutcome, Path, Reason, StillShown, digest, fold};
use crate::plan::{Action, Operation};
use crate::store::{Effect, UserRow};

/// For which attributes a change after the create sets the value.
#[derive(Debug, Default)]
pub(super) struct Composed(Mutex<BTreeMap<Path, bool>>);

/// What an account may be of which the app answered a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreateOrigin {
    /// It is new.
    New,
    /// It may have been there before: what the answer lacks is missing.
    Perhaps,
}

/// The values of a create that the app shows in another way.
#[derive(Debug, Default)]
struct Differing {
    /// To be sent again.
    due: Attributes,
    /// The app's way of writing.
    echo: Attributes,
}

impl RunWorker<'_> {
    /// Sends the values of a create again that the app shows in another way, as far as that helps.
    pub(super) async fn sent_again(&self, operation: &Operation, sent: &Attributes, made: CreateOrigin) -> OpResult {
        let Some(row) = self.row(operation)? else { return Ok(OpOutcome::Done) };
        let mut differing = self.differing(&row, sent, made);
        if differing.due.is_empty() && (made == CreateOrigin::New || differing.echo.is_empty()) {
            return Ok(OpOutcome::Done);
        }
        let verdicts = self.composed.0.lock().await;
        let hopeless: Vec<Path> = differing
            .due
            .iter()
            .map(|(path, _)| path)
            .filter(|path| verdicts.get(path) == Some(&false))
            .cloned()
            .collect();
        for path in hopeless {
            drop(differing.due.clear(&path));
            if let Some(shown) = shown(&row, &path) {
                differing.echo.set(path, shown.clone());
            }
        }
        let Differing { due, echo } = differing;
        let mut result = Ok(OpOutcome::Done);
        if !due.is_empty() {
            let is_trial = due.iter().any(|(path, _)| !verdicts.contains_key(path));
            // Where all is known, the changes of several users go side by side.
            let verdicts = is_trial.then_some(verdicts);
            result = self.single(&change(operation, &row, due.clone())).await;
            if let (Some(mut verdicts), Some(after)) = (verdicts, self.row(operation)?) {
                for (path, value) in due.iter() {
                    let took = shown(&after, path).is_some_and(|shown| is_written(shown, value));
                    verdicts.insert(path.clone(), took);
                }
            }
        }
        self.as_written(operation, (sent, echo), &row, made, result).await
    }

    /// Keeps what the app shows as its way of writing what was sent.
    async fn as_written(
        &self,
        operation: &Operation,
        (sent, mut echo): (&Attributes, Attributes),
        before: &UserRow,
        made: CreateOrigin,
        result: OpResult,
    ) -> OpResult {
        let is_ignored = |shows: &[StillShown]| shows.iter().all(|one| matches!(one, StillShown::Value { .. }));
        let failed = match &result {
            Ok(_) => false,
            Err(Obstacle::NotCarriedOut { shows }) if is_ignored(shows) => true,
            // The account is there, with the values that it was created with.
            Err(_) if made == CreateOrigin::New && self.blames_object() => true,
            Err(_) => return result,
        };
        if failed && let Some(after) = self.row(operation)? {
            for (path, value) in sent.iter() {
                let shown = shown(&after, path).or_else(|| shown(before, path));
                if let Some(shown) = shown.filter(|shown| !digest::same(Some(shown), Some(value))) {
                    echo.set(path.clone(), shown.clone());
                }
            }
        }
        let set: Attributes = sent.iter().filter(|(path, _)| echo.get(path).is_some()).map(owned).collect();
        let mut effects = Vec::new();
        if !set.is_empty() {
            let id = operation.object.id().clone();
            effects.push(Effect::UserSent { id, set, clear: Vec::new(), active: None, echo });
        }
        if failed {
            effects.push(Effect::Settled { object: operation.object.clone() });
        }
        if effects.is_empty() {
            return Ok(OpOutcome::Done);
        }
        match self.run.state.noted(&self.run.id, Reason::AdoptedDiffers, effects).await {
            Ok(()) => Ok(OpOutcome::Done),
            Err(error) => self.broke(error),
        }
    }

    /// The user's row, where they are linked.
    pub(super) fn row(&self, operation: &Operation) -> Result<Option<UserRow>, Obstacle> {
        self.run.state.user(operation.object.id()).map_err(|error| {
            let why = Obstacle::Text(error.to_string());
            self.ending.broke(error);
            why
        })
    }

    fn differing(&self, row: &UserRow, sent: &Attributes, made: CreateOrigin) -> Differing {
        let may_change = self.run.adoptions.may_be_changed() && row.active != Some(false);
        let mut differing = Differing::default();
        for (path, value) in sent.iter() {
            let shown = shown(row, path);
            let is_text = value.is_string() && shown.is_some_and(Value::is_string);
            let is_due = made == CreateOrigin::Perhaps || is_text;
            match shown {
                Some(shown) if digest::same(Some(shown), Some(value)) => {}
                Some(shown) if has_same_letters(shown, value) => differing.echo.set(path.clone(), shown.clone()),
                None if made == CreateOrigin::New => {}
                _ if self.run.profile.attributes.is_immutable(path) || !may_change || !is_due => {}
                _ => differing.due.set(path.clone(), value.clone()),
            }
        }
        differing
    }
}

/// The update that brings an account in line with its create, for the same reason.
pub(super) fn change(operation: &Operation, row: &UserRow, set: Attributes) -> Operation {
    Operation {
        app_id: Some(row.app_id.clone()),
        action: Action::UpdateUser { before: row.sent.clone(), set, clear: Vec::new(), manager: None },
        ..operation.clone()
    }
}

/// The value as the app shows it.
fn shown<'r>(row: &'r UserRow, path: &Path) -> Option<&'r Value> {
    row.echo.get(path).or_else(|| row.sent.get(path))
}

fn is_written(shown: &Value, value: &Value) -> bool {
    digest::same(Some(shown), Some(value)) || has_same_letters(shown, value)
}

fn owned((path, value): (&Path, &Value)) -> (Path, Value) {
    (path.clone(), value.clone())
}

/// Whether two texts differ by case, blanks and punctuation alone: an app's own way of writing a value.
pub(super) fn has_same_letters(one: &Value, other: &Value) -> bool {
    let letters = |value: &Value| -> Option<String> {
        Some(fold(value.as_str()?).chars().filter(|letter| letter.is_alphanumeric()).collect())
    };
    match (letters(one), letters(other)) {
        (Some(one), Some(other)) => one == other && !one.is_empty(),
        _ => false,
    }
}
