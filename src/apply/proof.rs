//! Whether a change was carried out. In: what an answer shows. Out: what is known from now on, and what the app still shows instead.
//!
//! An answer that contradicts the call is looked into once: some apps answer with what was there before the change. Where an answer shows
//! nothing, the first change of its kind is looked at, and the others only if that one was not carried out.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::sync::Mutex;

use super::RunWorker;
use super::composed::has_same_letters;
use super::members::Resolved;
use super::reply::{Accepted, CallReply, CallTarget, shows_members};
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::{AppId, Attributes, ObjectRef, Obstacle, OpOutcome, Path, SourceId, StillShown, digest};
use crate::plan::{Action, Operation};
use crate::scim::{MemberKeys, Shown, ShownMembers};
use crate::store::{Effect, OutcomeResult, StoreError};

/// After so many looks that all said the same, the next contradiction is taken for the same without a look.
const LOOKS: usize = 20;

/// A list of so many members, or a multiple, may be the first page of a longer one.
const PAGE: usize = 50;

/// Whether an app does what it accepts without showing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum AnswerTrust {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// A look showed that the change was made.
    Kept,
    /// A look showed that it was not: every change is looked at from now on.
    Broken,
}

/// What a run finds out about the app's answers.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    removals: Mutex<AnswerTrust>,
    deactivations: Mutex<AnswerTrust>,
    deletions: Mutex<AnswerTrust>,
    group_deletions: Mutex<AnswerTrust>,
    /// Answers that contradicted their call, and were right.
    right: AtomicUsize,
    /// Answers that contradicted their call, and showed what was there before.
    stale: AtomicUsize,
}

impl Proofs {
    /// What earlier looks of this run make of a contradiction; `None` where it is to be looked into.
    fn settled(&self) -> Option<bool> {
        match (self.right.load(Ordering::Relaxed), self.stale.load(Ordering::Relaxed)) {
            (LOOKS.., 0) => Some(true),
            (0, LOOKS..) => Some(false),
            _ => None,
        }
    }

    /// Notes what a look said of a contradiction.
    fn note(&self, was_right: bool) {
        let counter = if was_right { &self.right } else { &self.stale };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl RunWorker<'_> {
    /// What is known after a call that was accepted.
    pub(super) async fn proven(&self, operation: &Operation, target: &CallTarget, reply: CallReply) -> Accepted {
        let shown = match reply {
            CallReply::Shown(shown) => *shown,
            other => return self.carried_out(operation, target, other),
        };
        let Some(app_id) = &target.app_id else { return self.carried_out(operation, target, CallReply::Nothing) };
        let shows = match &operation.action {
            Action::UpdateUser { set, clear, .. } => {
                let (set, clear) = (Self::with_manager(set, target), clear.clone());
                return self.update_proven(operation, target, (set, clear), shown).await;
            }
            Action::FreeName { through, .. } if matches!(operation.object, ObjectRef::User(_)) => {
                let name = [(Path::user_name(), through.as_str().into())].into_iter().collect();
                return self.update_proven(operation, target, (name, Vec::new()), shown).await;
            }
            Action::FreeName { through: to, .. } | Action::RenameGroup { to, .. } => {
                return self.rename_proven(operation, target, to, shown.display_name).await;
            }
            Action::ActivateUser => self.not_activated(app_id, shown.active).await,
            Action::DeactivateUser => self.not_deactivated(app_id, shown.active).await,
            Action::DeleteUser { .. } => self.not_deleted(app_id).await,
            Action::DeleteGroup { .. } => self.group_not_deleted(app_id).await,
            _ => None,
        };
        match shows {
            Some(shows) => self.not_carried_out(operation, vec![shows], Vec::new()),
            None => self.carried_out(operation, target, CallReply::Nothing),
        }
    }

    fn with_manager(set: &Attributes, target: &CallTarget) -> Attributes {
        let mut set = set.clone();
        if let Some(manager) = &target.manager {
            set.set(Path::manager(), manager.as_str().into());
        }
        set
    }

    fn carried_out(&self, operation: &Operation, target: &CallTarget, reply: CallReply) -> Accepted {
        (OutcomeResult::Done { status: None }, self.effects(operation, target, reply), Ok(OpOutcome::Done))
    }

    /// What is known of a change that the app accepted and did not, or not wholly, carry out.
    fn not_carried_out(&self, operation: &Operation, shows: Vec<StillShown>, mut effects: Vec<Effect>) -> Accepted {
        tracing::warn!(op = operation.op().name(), object = %operation.object, "change accepted but not applied");
        let reason = Obstacle::NotCarriedOut { shows };
        if self.blames_object() {
            effects.push(self.failed(operation, &reason));
        }
        (OutcomeResult::Failed { status: None, detail: reason.to_string() }, effects, Err(reason))
    }

    /// What is known after a change of attributes. A value from before the change is no way of writing the new one.
    async fn update_proven(
        &self,
        operation: &Operation,
        target: &CallTarget,
        (set, clear): (Attributes, Vec<Path>),
        shown: Shown,
    ) -> Accepted {
        let mut echo = shown.attributes;
        let id = operation.object.id();
        let doubtful: Vec<Path> = set
            .iter()
            .map(|(path, value)| (path, Some(value)))
            .chain(clear.iter().map(|path| (path, None)))
            .filter(|(path, sent)| echo.get(path).is_some_and(|shown| self.is_from_before(id, path, shown, *sent)))
            .map(|(path, _)| path.clone())
            .collect();
        if doubtful.is_empty() {
            clear.iter().for_each(|path| drop(echo.clear(path)));
            return self.carried_out(operation, target, CallReply::Echo(echo));
        }
        let ignored = match &target.app_id {
            Some(app_id) => self.ignored(id, app_id, &doubtful, &set, &mut echo).await,
            None => doubtful,
        };
        let shows: Vec<StillShown> = ignored.iter().filter_map(|path| still_shown(path, echo.get(path)?)).collect();
        ignored.iter().chain(&clear).for_each(|path| drop(echo.clear(path)));
        if ignored.is_empty() {
            return self.carried_out(operation, target, CallReply::Echo(echo));
        }
        let effects = match without(operation, &ignored) {
            Some(rest) => {
                let manager = target.manager.clone().filter(|_| !ignored.contains(&Path::manager()));
                let target = CallTarget { app_id: target.app_id.clone(), manager, members: Vec::new(), refusal: None };
                self.effects(&rest, &target, CallReply::Echo(echo))
            }
            None => Vec::new(),
        };
        self.not_carried_out(operation, shows, effects)
    }

    /// Of the attributes whose answer shows the value from before, those that a look shows unchanged, too. What the look shows of the
    /// others takes the place of the answer.
    async fn ignored(
        &self,
        id: &SourceId,
        app_id: &AppId,
        doubtful: &[Path],
        set: &Attributes,
        echo: &mut Attributes,
    ) -> Vec<Path> {
        match self.proofs.settled() {
            Some(true) => return doubtful.to_vec(),
            Some(false) => {
                doubtful.iter().for_each(|path| drop(echo.clear(path)));
                return Vec::new();
            }
            None => {}
        }
        self.until_shown().await;
        // Where the look shows nothing, the answer is all there is.
        let Ok(Some(found)) = self.run.app.get_user(app_id, doubtful).await else { return doubtful.to_vec() };
        let mut ignored = Vec::new();
        for path in doubtful {
            match found.attributes.get(path) {
                Some(value) if self.is_from_before(id, path, value, set.get(path)) => ignored.push(path.clone()),
                Some(value) => echo.set(path.clone(), value.clone()),
                None => drop(echo.clear(path)),
            }
        }
        self.proofs.note(!ignored.is_empty());
        ignored
    }

    /// Whether a value that the app shows is the one from before a change, and not another way of writing the new one.
    fn is_from_before(&self, id: &SourceId, path: &Path, shown: &Value, sent: Option<&Value>) -> bool {
        if sent.is_some_and(|sent| digest::same(Some(sent), Some(shown)) || has_same_letters(sent, shown)) {
            return false;
        }
        let Ok(Some(row)) = self.run.state.user(id) else { return false };
        [&row.sent, &row.echo]
            .iter()
            .any(|known| known.get(path).is_some_and(|was| digest::same(Some(was), Some(shown))))
    }

    /// What is known after a group's name was changed. The name from before is no way of writing the new one.
    async fn rename_proven(
        &self,
        operation: &Operation,
        target: &CallTarget,
        to: &str,
        shown: Option<String>,
    ) -> Accepted {
        let row = self.run.state.group(operation.object.id()).ok().flatten();
        let is_old = |name: &str| {
            let was_so = row.as_ref().is_some_and(|row| row.name == name || row.shown.as_deref() == Some(name));
            was_so && !has_same_letters(&name.into(), &to.into())
        };
        let Some(shown) = shown else { return self.carried_out(operation, target, CallReply::Nothing) };
        if !is_old(&shown) {
            let echo = [(Path::display_name(), shown.as_str().into())].into_iter().collect();
            return self.carried_out(operation, target, CallReply::Echo(echo));
        }
        let look = async {
            let found = self.run.app.get_group(target.app_id.as_ref()?).await.ok()??;
            Some(is_old(&found.display_name))
        };
        match self.is_right(look).await {
            true => {
                let value = StillShown::Value { path: Path::display_name().to_string(), value: format!("{shown:?}") };
                self.not_carried_out(operation, vec![value], Vec::new())
            }
            false => self.carried_out(operation, target, CallReply::Nothing),
        }
    }

    async fn not_activated(&self, app_id: &AppId, shown: Option<bool>) -> Option<StillShown> {
        (shown == Some(false)).then_some(())?;
        let look = async { Some(!self.run.app.get_user(app_id, &[]).await.ok()??.active) };
        self.is_right(look).await.then_some(StillShown::Active(false))
    }

    async fn not_deactivated(&self, app_id: &AppId, shown: Option<bool>) -> Option<StillShown> {
        let mut unread = false;
        let look = async {
            match self.run.app.get_user(app_id, &[]).await {
                Ok(Some(found)) => Some(found.active),
                // An app that hides or deletes such an account shows no more of it.
                Ok(None) => Some(false),
                Err(_) => {
                    unread = true;
                    None
                }
            }
        };
        let is_still_active = match shown {
            Some(false) => return None,
            Some(true) => self.is_right(look).await,
            None => self.is_broken(&self.proofs.deactivations, look).await,
        };
        // Access that may not have ended has not ended: the next run tries again.
        match unread {
            true => Some(StillShown::Unread),
            false => is_still_active.then_some(StillShown::Active(true)),
        }
    }

    async fn not_deleted(&self, app_id: &AppId) -> Option<StillShown> {
        let only_deactivates = self.run.profile.users.delete_effect == DeleteEffect::Deactivates;
        let hides = self.run.profile.users.inactive_effect == InactiveEffect::HidesResource;
        let (mut active, mut unread) = (true, false);
        let look = async {
            match self.run.app.get_user(app_id, &[]).await {
                Ok(Some(found)) => {
                    active = found.active;
                    Some(active || !(only_deactivates || hides))
                }
                Ok(None) => Some(false),
                Err(_) => {
                    unread = true;
                    None
                }
            }
        };
        let is_there = self.is_broken(&self.proofs.deletions, look).await;
        match unread {
            true => Some(StillShown::Unread),
            false => is_there.then_some(StillShown::Account { active }),
        }
    }

    async fn group_not_deleted(&self, app_id: &AppId) -> Option<StillShown> {
        let look = async { Some(self.run.app.get_group(app_id).await.ok()?.is_some()) };
        self.is_broken(&self.proofs.group_deletions, look).await.then_some(StillShown::Group)
    }

    /// Which members of a call the app shows to be in the group still.
    pub(super) async fn still_inside(
        &self,
        group: &SourceId,
        app_id: &AppId,
        chunk: &[Resolved],
        shown: Option<ShownMembers>,
    ) -> Result<Vec<usize>, StoreError> {
        if !shows_members(self.run.profile) {
            return Ok(Vec::new());
        }
        let inside = |values: &[String]| places(chunk, |keys| values.iter().any(|value| keys.is_meant_by(value)));
        let mut found = Vec::new();
        let look = async {
            // A list that cannot be seen, or not wholly, proves nothing.
            found = inside(&self.run.app.get_group(app_id).await.ok()??.members?);
            Some(!found.is_empty())
        };
        let (by_answer, is_proof) = match &shown {
            Some(shown) => {
                let before = self.run.state.members(group)?.len();
                (inside(&shown.values), !shown.is_cut && shown.values.len() + chunk.len() >= before)
            }
            None => (Vec::new(), false),
        };
        if !by_answer.is_empty() {
            let is_right = self.is_right(look).await;
            // What the look did not show is left to the answer.
            return Ok(match is_right {
                true if found.is_empty() => by_answer,
                true => found,
                false => Vec::new(),
            });
        }
        if is_proof || !self.is_broken(&self.proofs.removals, look).await {
            return Ok(Vec::new());
        }
        Ok(found)
    }

    /// Which members of a call the app shows not to be in the group, although it shows who is in it.
    pub(super) async fn still_outside(
        &self,
        group: &SourceId,
        app_id: &AppId,
        chunk: &[Resolved],
        shown: Option<ShownMembers>,
    ) -> Result<Vec<usize>, StoreError> {
        let Some(shown) = shown.filter(|_| shows_members(self.run.profile)) else { return Ok(Vec::new()) };
        let before = self.run.state.members(group)?;
        let outside = |shown: &ShownMembers| -> Option<Vec<usize>> {
            let missing = places(chunk, |keys| !shown.values.iter().any(|value| keys.is_meant_by(value)));
            let may_be_cut = shown.is_cut
                || (!shown.values.is_empty()
                    && (shown.values.len() < before.len() || shown.values.len().is_multiple_of(PAGE)));
            // In a list of values that mean nobody known, nobody can be missed.
            let is_readable = shown.values.is_empty()
                || missing.len() < chunk.len()
                || shown.values.iter().any(|value| self.is_somebodys(value));
            (is_readable && !may_be_cut).then_some(missing)
        };
        let Some(by_answer) = outside(&shown).filter(|missing| !missing.is_empty()) else { return Ok(Vec::new()) };
        let mut found = None;
        let look = async {
            let values = self.run.app.get_group(app_id).await.ok()??.members?;
            let missing = outside(&ShownMembers { values, is_cut: false })?;
            let is_right = !missing.is_empty();
            found = Some(missing);
            Some(is_right)
        };
        Ok(match self.is_right(look).await {
            true => found.unwrap_or(by_answer),
            false => Vec::new(),
        })
    }

    fn is_somebodys(&self, value: &str) -> bool {
        matches!(self.run.state.user_by_app_id(&AppId::new(value)), Ok(Some(_)))
    }

    /// Whether an answer that contradicts its call is right. Where a look cannot tell, it is.
    async fn is_right(&self, look: impl Future<Output = Option<bool>>) -> bool {
        if let Some(settled) = self.proofs.settled() {
            return settled;
        }
        self.until_shown().await;
        match look.await {
            Some(right) => {
                self.proofs.note(right);
                right
            }
            None => true,
        }
    }

    /// Whether a change was not carried out of which the answer shows nothing. The first of its kind is looked at.
    async fn is_broken(&self, trust: &Mutex<AnswerTrust>, look: impl Future<Output = Option<bool>>) -> bool {
        let mut trust = trust.lock().await;
        let known = *trust;
        match known {
            AnswerTrust::Kept => return false,
            // Each is looked at, several at a time.
            AnswerTrust::Broken => {
                drop(trust);
                self.until_shown().await;
                return look.await.unwrap_or(false);
            }
            AnswerTrust::Unknown => {}
        }
        self.until_shown().await;
        let broken = look.await;
        match broken {
            Some(true) => *trust = AnswerTrust::Broken,
            Some(false) => *trust = AnswerTrust::Kept,
            None => {}
        }
        broken.unwrap_or(false)
    }

    /// Waits for as long as the app may not show what was just changed.
    pub(super) async fn until_shown(&self) {
        let wait = self.run.repeat.settles_after;
        if !wait.is_zero() {
            tokio::select! {
                biased;
                () = self.ending.halt.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// The places of the members for whom something holds.
fn places(chunk: &[Resolved], holds: impl Fn(&MemberKeys) -> bool) -> Vec<usize> {
    chunk.iter().enumerate().filter(|(_, (_, keys))| holds(keys)).map(|(at, _)| at).collect()
}

/// What an app shows of an attribute.
fn still_shown(path: &Path, value: &Value) -> Option<StillShown> {
    let value = serde_json::to_string(value).ok()?;
    Some(StillShown::Value { path: path.to_string(), value })
}

/// What is left of an update without some attributes; `None` where that is nothing.
pub(super) fn without(operation: &Operation, ignored: &[Path]) -> Option<Operation> {
    let Action::UpdateUser { before, set, clear, manager } = &operation.action else { return None };
    let left = |values: &Attributes| -> Attributes {
        let kept = values.iter().filter(|(path, _)| !ignored.contains(path));
        kept.map(|(path, value)| (path.clone(), value.clone())).collect()
    };
    let clear: Vec<Path> = clear.iter().filter(|path| !ignored.contains(path)).cloned().collect();
    let manager = manager.clone().filter(|_| !ignored.contains(&Path::manager()));
    let set = left(set);
    let is_nothing = set.is_empty() && clear.is_empty() && manager.is_none();
    let action = Action::UpdateUser { before: left(before), set, clear, manager };
    (!is_nothing).then(|| Operation { action, ..operation.clone() })
}
