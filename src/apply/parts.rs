//! An update that the app refuses as a whole. In: the update. Out: the attributes that the app takes, sent without those that it refuses.
//!
//! As a group's members, a user's attributes are halved until the refused one is alone. What the app refused for several users and took
//! from none is not sent again in this run.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::proof::without;
use super::reply::{CallEnd, CallTarget, outcome_of};
use super::{OpResult, RunWorker};
use crate::model::{ObjectRef, Obstacle, OpOutcome, Path, Reason};
use crate::plan::{Action, Operation};
use crate::scim::{CallError, FailureClass};
use crate::store::StoreError;

/// After so many users for whom an attribute was refused, and none for whom it was taken, it is not sent to more.
const ENOUGH: usize = 3;

/// Which attributes the app refuses in this run.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<SharedParts>);

#[derive(Debug, Default)]
struct SharedParts {
    refused: BTreeMap<Path, HashSet<ObjectRef>>,
    taken: HashSet<Path>,
}

impl Refusals {
    fn inner(&self) -> std::sync::MutexGuard<'_, SharedParts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, path: &Path, object: &ObjectRef) {
        self.inner().refused.entry(path.clone()).or_default().insert(object.clone());
    }

    /// Whether these are one attribute that the app refused for this user.
    pub(super) fn is_refused_alone(&self, paths: &[Path], object: &ObjectRef) -> bool {
        matches!(paths, [path] if self.inner().refused.get(path).is_some_and(|users| users.contains(object)))
    }

    fn taken(&self, paths: Vec<Path>) {
        self.inner().taken.extend(paths);
    }

    /// Of these attributes, the ones that the app takes from nobody.
    pub(super) fn hopeless(&self, paths: &[Path]) -> Vec<Path> {
        let inner = self.inner();
        let is_hopeless = |path: &&Path| {
            !inner.taken.contains(*path) && inner.refused.get(*path).is_some_and(|users| users.len() >= ENOUGH)
        };
        paths.iter().filter(is_hopeless).cloned().collect()
    }
}

impl RunWorker<'_> {
    /// Sends an update without what this run found the app to refuse for everybody.
    pub(super) async fn update(&self, operation: &Operation, target: &CallTarget) -> OpResult {
        let hopeless = self.refusals.hopeless(&paths_of(operation));
        if hopeless.is_empty() {
            return self.update_whole(operation, target).await;
        }
        let result = match without(operation, &hopeless) {
            Some(rest) => self.update_whole(&rest, &part_target(&rest, target)).await,
            None => Ok(OpOutcome::Done),
        };
        result?;
        self.refused_attributes(operation, Obstacle::RefusedForAll { attributes: names(&hopeless) }).await
    }

    /// Sends an update; what is refused goes once more in halves.
    async fn update_whole(&self, operation: &Operation, target: &CallTarget) -> OpResult {
        let mut left = vec![operation.clone()];
        let mut refused: Vec<(Path, CallError)> = Vec::new();
        while let Some(part) = left.pop() {
            let target = part_target(&part, target);
            let intent = match self.intent(&part, target.app_id.clone()).await {
                Ok(intent) => intent,
                Err(error) => return self.broke(error),
            };
            let ended = self.send(&part, &target).await;
            let (paths, halves) = (paths_of(&part), halves(&part));
            match ended {
                CallEnd::Badly(error) if is_refusal(&error) && (halves.is_some() || part != *operation) => {
                    let result = outcome_of(&error, &error.to_string());
                    if let Err(error) = self.run.state.outcome(intent, result, Vec::new()).await {
                        return self.broke(error);
                    }
                    match halves {
                        Some((first, second)) => left.extend([second, first]),
                        None => refused.extend(paths.into_iter().next().map(|path| (path, error))),
                    }
                }
                ended => {
                    let is_refused_alone = matches!(&ended, CallEnd::Badly(error) if is_refusal(error));
                    if is_refused_alone {
                        paths.iter().for_each(|path| self.refusals.refused(path, &operation.object));
                    }
                    self.conclude(&part, &target, intent, ended).await?;
                    self.refusals.taken(paths);
                }
            }
        }
        let Some((_, error)) = refused.first() else { return Ok(OpOutcome::Done) };
        let answer = error.to_string();
        let attributes: Vec<Path> = refused.into_iter().map(|(path, _)| path).collect();
        attributes.iter().for_each(|path| self.refusals.refused(path, &operation.object));
        self.refused_attributes(operation, Obstacle::RefusedAttributes { answer, attributes: names(&attributes) }).await
    }

    /// Names the attribute that was refused for a new user, whose account is there without it.
    pub(super) async fn refused_attribute(&self, operation: &Operation, answer: String, paths: &[Path]) -> OpResult {
        self.refused_attributes(operation, Obstacle::RefusedAttributes { answer, attributes: names(paths) }).await
    }

    async fn refused_attributes(&self, operation: &Operation, why: Obstacle) -> OpResult {
        let written: Result<(), StoreError> = match self.blames_object() {
            true => self.run.state.noted(&self.run.id, Reason::SetAside, vec![self.failed(operation, &why)]).await,
            false => Ok(()),
        };
        match written {
            Ok(()) => Err(why),
            Err(error) => self.broke(error),
        }
    }
}

fn names(paths: &[Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

/// Whether the app surely did nothing, and may take a part of it.
fn is_refusal(error: &CallError) -> bool {
    !error.maybe_done
        && error.status.is_some()
        && matches!(
            error.class,
            FailureClass::Invalid | FailureClass::Immutable | FailureClass::Conflict | FailureClass::TooLarge
        )
}

/// What an update changes.
fn paths_of(operation: &Operation) -> Vec<Path> {
    let Action::UpdateUser { set, clear, manager, .. } = &operation.action else { return Vec::new() };
    let manager = manager.as_ref().map(|_| Path::manager());
    set.iter().map(|(path, _)| path.clone()).chain(clear.iter().cloned()).chain(manager).collect()
}

/// An update in two; `None` for a single attribute.
fn halves(operation: &Operation) -> Option<(Operation, Operation)> {
    let paths = paths_of(operation);
    let (first, second) = paths.split_at(paths.len() / 2);
    Some((without(operation, second)?, without(operation, first)?))
}

/// The target of a part: without the manager, if the part is.
fn part_target(part: &Operation, target: &CallTarget) -> CallTarget {
    let has_manager = matches!(&part.action, Action::UpdateUser { manager: Some(_), .. });
    CallTarget {
        app_id: target.app_id.clone(),
        manager: target.manager.clone().filter(|_| has_manager),
        members: Vec::new(),
        refusal: None,
    }
}
