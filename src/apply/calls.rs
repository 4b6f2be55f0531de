//! Operations of one call each. In: an operation. Out: intent, call, outcome, and what is known afterwards.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::composed::CreateOrigin;
use super::created::{agrees, waits_for_approval};
use super::effects::{adopted, ids_of};
use super::reply::{CallEnd, CallReply, CallTarget, outcome_of, shows_members};
use super::telling::CallReport;
use super::{OpResult, RunStop, RunWorker};
use crate::config::profile::{DeleteEffect, InactiveEffect, UserWire};
use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::http::retry::{Waited, retry};
use crate::model::{AppId, Attributes, ObjectRef, Obstacle, Op, OpOutcome, Path, Reason, SourceId, StillShown};
use crate::plan::{Action, Operation};
use crate::scim::{AppUser, CallError, FailureClass, GroupKeys, Match, Shown, UserKeys};
use crate::store::{CallIntent, Effect, OutcomeResult, StoreError};

impl RunWorker<'_> {
    pub(super) async fn single(&self, operation: &Operation) -> OpResult {
        match self.once(operation).await {
            // The object has another id by now, and that is known: the removal is made there.
            Err(Obstacle::HasAnotherId { account, .. }) if operation.op().takes_access() => {
                let there = Operation { app_id: Some(account), ..operation.clone() };
                Box::pin(self.once(&there)).await
            }
            result => result,
        }
    }

    async fn once(&self, operation: &Operation) -> OpResult {
        let target = match self.target(operation) {
            Ok(target) => target,
            Err(why) => return Err(why),
        };
        if matches!(operation.action, Action::UpdateUser { .. }) {
            return Box::pin(self.update(operation, &target)).await;
        }
        if let Some((first, rest)) = self.left_out(operation) {
            Box::pin(self.once(&first)).await?;
            return Box::pin(self.send_rest(operation, rest)).await;
        }
        let intent = match self.intent(operation, target.app_id.clone()).await {
            Ok(intent) => intent,
            Err(error) => return self.broke(error),
        };
        let ended = self.send(operation, &target).await;
        let is_refused =
            matches!(&ended, CallEnd::Badly(error) if error.class == FailureClass::Invalid && !error.maybe_done);
        let result = self.conclude(operation, &target, intent, ended).await;
        match (result, &operation.action) {
            (Err(why), Action::CreateUser { .. }) if is_refused => Box::pin(self.create_core(operation, why)).await,
            (Err(why @ Obstacle::WasThere { .. }), Action::CreateUser { attributes }) => {
                Box::pin(self.bring_in_line(operation, attributes, why)).await
            }
            (Ok(OpOutcome::Done), Action::CreateUser { attributes }) => {
                Box::pin(self.sent_again(operation, attributes, CreateOrigin::New)).await
            }
            (result, _) => result,
        }
    }

    pub(super) async fn intent(&self, operation: &Operation, app_id: Option<AppId>) -> Result<u64, StoreError> {
        let intent = CallIntent {
            run: self.run.id.clone(),
            op: operation.op(),
            lane: operation.lane,
            object: operation.object.clone(),
            app_id,
            changes: match operation.action {
                // Who was in it is in the records before. A record must not grow with a group.
                Action::DeleteGroup { .. } => Vec::new(),
                _ => operation.changes(),
            },
            reason: operation.reason.clone(),
            members: self.named(operation),
        };
        self.run.state.intent(intent).await
    }

    /// The people whom a call about members names; of a new group only where the app could not be asked afterwards who is in it.
    fn named(&self, operation: &Operation) -> Vec<SourceId> {
        match &operation.action {
            Action::AddMembers { users } | Action::RemoveMembers { users, .. } => ids_of(users),
            Action::CreateGroup { first, .. } if !shows_members(self.run.profile) => ids_of(first),
            _ => Vec::new(),
        }
    }

    /// The app ids an operation needs, resolved now: some were only made by this run.
    fn target(&self, operation: &Operation) -> Result<CallTarget, Obstacle> {
        let state = self.run.state;
        let unreadable = |error: StoreError| Obstacle::Text(error.to_string());
        let id = operation.object.id();
        let app_id = match (&operation.app_id, &operation.object) {
            (Some(app_id), _) => Some(app_id.clone()),
            (None, ObjectRef::User(_)) => state.user(id).map_err(unreadable)?.map(|row| row.app_id),
            (None, ObjectRef::Group(_)) => state.group(id).map_err(unreadable)?.map(|row| row.app_id),
        };
        let creates = matches!(operation.action, Action::CreateUser { .. } | Action::CreateGroup { .. });
        if matches!(operation.action, Action::CreateUser { .. }) && app_id.is_some() {
            return Err(Obstacle::OldAccountLinked);
        }
        if app_id.is_none() && !creates {
            return Err(Obstacle::NoAccountYet { kind: operation.object.kind().to_owned() });
        }
        let manager = match &operation.action {
            Action::UpdateUser { manager: Some(manager), .. } => {
                let row = state.user(manager).map_err(unreadable)?;
                Some(row.ok_or(Obstacle::ManagerWithoutAccount)?.app_id)
            }
            _ => None,
        };
        Ok(CallTarget { app_id, manager, members: Vec::new(), refusal: None })
    }

    pub(super) async fn send(&self, operation: &Operation, target: &CallTarget) -> CallEnd {
        let told = CallReport { operation, app_id: target.app_id.as_ref() };
        self.attempts(told, kind(operation), || self.call(operation, target), || self.look(operation)).await
    }

    /// Tries a call until it goes well or nothing more is to be gained.
    pub(super) async fn attempts<F, L>(
        &self,
        told: CallReport<'_>,
        kind: CallKind,
        call: impl Fn() -> F,
        look: impl Fn() -> L,
    ) -> CallEnd
    where
        F: Future<Output = Result<CallReply, CallError>>,
        L: Future<Output = Result<Option<CallReply>, CallError>>,
    {
        let repeat = self.run.repeat;
        // A refusal says nothing of an earlier try that was never answered.
        let unanswered = AtomicBool::new(false);
        let tries = AtomicU32::new(0);
        let once = || async {
            let attempt = tries.fetch_add(1, Ordering::Relaxed) + 1;
            match self.in_turn(told.operation, &call).await {
                Ok(reply) => {
                    self.breaker.well(told.operation.op());
                    told.done(attempt);
                    Ok(reply)
                }
                Err(error) => {
                    let maybe_done = error.maybe_done || unanswered.load(Ordering::Relaxed);
                    unanswered.store(maybe_done, Ordering::Relaxed);
                    let error = CallError { maybe_done, ..error };
                    self.note_failure(told.operation, &error);
                    Err(error)
                }
            }
        };
        let judge = |error: &CallError, attempt| {
            let tried = if self.breaker.only_once(told.operation.op()) { repeat.attempts } else { attempt };
            let step = match repeat.next(error, kind, tried) {
                // It exists already: perhaps an earlier try made it, and the look after that came too soon.
                AfterFailure::FailAndLookUp if error.maybe_done && kind == CallKind::Create => AfterFailure::LookUpOnly,
                step => step,
            };
            told.failed(error, attempt, step);
            if step == AfterFailure::StopTenant {
                self.ending.stop(RunStop::of(error));
            }
            step
        };
        let look = &look;
        let wait = |step, error: CallError, attempt| async move {
            tokio::select! {
                biased;
                () = self.ending.halt.cancelled() => return Waited::Over(Err(error)),
                () = tokio::time::sleep(repeat.pause_before(step, &error, attempt)) => {}
            }
            if step != AfterFailure::Retry {
                match look().await {
                    Ok(Some(reply)) => return Waited::Over(Ok(reply)),
                    Ok(None) if step == AfterFailure::LookUpThenRetry => {}
                    // Without a look nobody knows whether it exists: it must not be made again.
                    Ok(None) | Err(_) => return Waited::Over(Err(error)),
                }
            }
            if self.is_stopped() {
                return Waited::Over(Err(error));
            }
            self.run.app.repeats(error.class);
            Waited::Again
        };
        match retry(once, judge, wait).await {
            Ok(reply) => CallEnd::Well(reply),
            Err((error, _)) => CallEnd::Badly(error),
        }
    }

    /// One try, when there is a place for it and if the run still goes on then.
    async fn in_turn<F>(&self, operation: &Operation, call: &impl Fn() -> F) -> Result<CallReply, CallError>
    where
        F: Future<Output = Result<CallReply, CallError>>,
    {
        // Never closed, so there is always a place.
        let _place = self.places.acquire().await;
        let _turn = self.run.turns.call().await;
        match self.is_stopped() || self.has_left(operation) {
            true => Err(CallError::closed()),
            false => call().await,
        }
    }

    async fn call(&self, operation: &Operation, target: &CallTarget) -> Result<CallReply, CallError> {
        let app = self.run.app;
        let source_id = operation.object.id();
        if let Some(error) = self.no_further_create(operation) {
            return Err(error);
        }
        let nobody = AppId::new("");
        let id = target.app_id.as_ref().unwrap_or(&nobody);
        match &operation.action {
            Action::CreateUser { attributes } => app.create_user(source_id, attributes).await.map(CallReply::Created),
            Action::UpdateUser { set, clear, .. } => {
                let mut set = set.clone();
                if let Some(manager) = &target.manager {
                    set.set(Path::manager(), manager.as_str().into());
                }
                app.update_user(id, &set, clear).await.map(shown)
            }
            Action::ReplaceUser { relabel: false, .. } => Ok(CallReply::Nothing),
            Action::ReplaceUser { aside, relabel: true } => {
                let label = [(Path::external_id(), aside.as_str().into())].into_iter().collect();
                app.update_user(id, &label, &[]).await.map(|_| CallReply::Nothing)
            }
            Action::ActivateUser => app.set_active(id, true).await.map(shown),
            Action::DeactivateUser => app.set_active(id, false).await.map(shown),
            Action::DeleteUser { .. } => app.delete_user(id).await.map(|()| shown(Shown::default())),
            Action::CreateGroup { display_name, .. } => {
                app.create_group(source_id, display_name, &target.members).await.map(CallReply::Created)
            }
            Action::RenameGroup { to, .. } => app.rename_group(id, to).await.map(shown),
            Action::FreeName { through, .. } => match operation.object {
                ObjectRef::User(_) => {
                    let name = [(Path::user_name(), through.as_str().into())].into_iter().collect();
                    app.update_user(id, &name, &[]).await.map(shown)
                }
                ObjectRef::Group(_) => app.rename_group(id, through).await.map(shown),
            },
            Action::DeleteGroup { .. } => app.delete_group(id).await.map(|()| shown(Shown::default())),
            Action::AddMembers { .. }
            | Action::RemoveMembers { .. }
            | Action::AdoptUser { .. }
            | Action::RelinkUser { .. }
            | Action::AdoptGroup { .. }
            | Action::RelinkGroup { .. }
            | Action::CompareGroup { .. }
            | Action::ReleaseGroup
            | Action::ReleaseUser => Ok(CallReply::Nothing),
        }
    }

    /// Whether a create whose answer was lost was carried out after all.
    async fn look(&self, operation: &Operation) -> Result<Option<CallReply>, CallError> {
        let source_id = operation.object.id();
        let found = match &operation.action {
            Action::CreateUser { attributes } => {
                let found = self.find_user(source_id, attributes).await?;
                found
                    .filter(|found| agrees(attributes, found))
                    .map(|found| found.id)
                    .filter(|id| self.is_nobodys_user(id) && self.is_no_neighbours(&operation.object, id))
            }
            Action::CreateGroup { display_name, .. } => {
                let found = self.find_group(source_id, display_name).await?;
                found.filter(|id| self.is_nobodys_group(id) && self.is_no_neighbours(&operation.object, id))
            }
            _ => None,
        };
        Ok(found.map(CallReply::Found))
    }

    /// Somebody else's account, or one whose owner can't be read, is not the one that was looked for.
    pub(super) fn is_nobodys_user(&self, id: &AppId) -> bool {
        matches!(self.run.state.user_by_app_id(id), Ok(None))
    }

    fn is_nobodys_group(&self, id: &AppId) -> bool {
        matches!(self.run.state.group_by_app_id(id), Ok(None))
    }

    async fn find_user(&self, source_id: &SourceId, attributes: &Attributes) -> Result<Option<AppUser>, CallError> {
        let mapped: Vec<Path> = attributes.iter().map(|(path, _)| path.clone()).collect();
        let keys = UserKeys { source_id: source_id.clone(), attributes: attributes.clone(), except: None };
        only_one(self.run.app.look_up_users(&[keys], &mapped).await?, "/Users")
    }

    async fn find_group(&self, source_id: &SourceId, name: &str) -> Result<Option<AppId>, CallError> {
        let keys = GroupKeys { source_id: source_id.clone(), display_name: name.to_owned(), released: Vec::new() };
        Ok(only_one(self.run.app.look_up_groups(&[keys]).await?, "/Groups")?.map(|found| found.id))
    }

    pub(super) async fn conclude(
        &self,
        operation: &Operation,
        target: &CallTarget,
        intent: u64,
        ended: CallEnd,
    ) -> OpResult {
        let hidden = |error: &CallError| error.class == FailureClass::NotFound && self.only_hides(operation);
        let another = match &ended {
            CallEnd::Badly(error) => self.under_another_id(operation, target, error).await,
            CallEnd::Well(_) => None,
        };
        let is_found = another.is_some();
        let known = is_found || !matches!(&ended, CallEnd::Badly(error) if error.maybe_done && !hidden(error));
        let (result, mut effects, shown) = match ended {
            CallEnd::Badly(_) if let Some(found) = another => found,
            CallEnd::Well(CallReply::Created(created)) => match self.accept(operation, target, created).await {
                Ok(accepted) => accepted,
                Err(error) => return self.broke(error),
            },
            CallEnd::Well(CallReply::Found(id)) if let Some(refused) = self.found_for_another(operation, &id) => {
                refused
            }
            CallEnd::Well(reply) => self.proven(operation, target, reply).await,
            // The app hides whoever is switched off, and this one is: by an earlier try that was not answered, or by hand.
            CallEnd::Badly(error) if hidden(&error) => (
                OutcomeResult::Done { status: error.status },
                self.effects(operation, target, CallReply::Nothing),
                Ok(OpOutcome::Done),
            ),
            CallEnd::Badly(error) => self.failure(operation, target, &error).await,
        };
        if shown == Ok(OpOutcome::Done) {
            self.settle(&operation.object, &mut effects);
            if matches!(operation.action, Action::DeleteGroup { .. })
                && let Err(error) = self.note_losses(operation, Reason::GroupLost).await
            {
                return self.broke(error);
            }
        }
        let effects = match self.with_joined_inactive(effects) {
            Ok(effects) => effects,
            Err(error) => return self.broke(error),
        };
        // Accepted, and not read back: whether it was carried out is found out before anything else is decided.
        let is_unread = matches!(&shown, Err(Obstacle::NotCarriedOut { shows }) if shows.contains(&StillShown::Unread));
        let written = match known && !is_unread {
            true => self.run.state.outcome(intent, result, effects).await,
            false => self.left_open(operation, effects).await,
        };
        match written {
            Ok(()) => shown,
            Err(error) => self.broke(error),
        }
    }

    /// Whether the account is off, as far as is known, in an app that shows no such account: that it does not know it proves
    /// nothing then. Only an activation finds it.
    pub(super) fn is_hidden(&self, operation: &Operation) -> bool {
        let hides = self.run.profile.users.inactive_effect == InactiveEffect::HidesResource;
        let is_off =
            || matches!(self.run.state.user(operation.object.id()), Ok(Some(row)) if row.active == Some(false));
        hides && operation.op() != Op::ActivateUser && matches!(operation.object, ObjectRef::User(_)) && is_off()
    }

    /// Whether all that the operation does is to switch an account off, in an app that shows no such account any more.
    fn only_hides(&self, operation: &Operation) -> bool {
        hides(&self.run.profile.users, operation.op())
    }

    /// Nobody knows whether the call was carried out. Its intent stays without an outcome, as after a crash: the next run looks
    /// before it plans, whatever the directory says by then. Otherwise somebody who was made, let in or put into a group by it
    /// and leaves before the next run would stay for ever; and whoever may have lost access by it would not count.
    pub(super) async fn left_open(&self, operation: &Operation, effects: Vec<Effect>) -> Result<(), StoreError> {
        self.note_losses(operation, Reason::MayHaveLost).await?;
        match effects.is_empty() {
            true => Ok(()),
            false => self.run.state.noted(&self.run.id, Reason::NotAnswered, effects).await,
        }
    }

    async fn failure(
        &self,
        operation: &Operation,
        target: &CallTarget,
        error: &CallError,
    ) -> (OutcomeResult, Vec<Effect>, OpResult) {
        let mut reason = match error.class {
            FailureClass::Closed => Obstacle::Stopped,
            _ => {
                let known = self.why_not_sent(operation, error).or_else(|| target.refusal.clone());
                known.unwrap_or_else(|| Obstacle::Text(error.to_string()))
            }
        };
        let mut effects = Vec::new();
        if error.class == FailureClass::NotFound
            && !self.is_hidden(operation)
            && !matches!(operation.action, Action::DeleteUser { .. } | Action::DeleteGroup { .. })
            && let Some(app_id) = &target.app_id
            && self.sought(&operation.object, app_id).await.ends_link()
        {
            reason = Obstacle::NowGone { answer: reason.to_string() };
            effects.push(self.unlinked(&operation.object));
        }
        let mut in_the_way = None;
        if after_failure(error.class, kind(operation)) == AfterFailure::FailAndLookUp
            && let Action::CreateUser { attributes } = &operation.action
            && let Some(found) = self.there_already(operation.object.id(), attributes).await
        {
            match self.may_take(attributes, &found) {
                true => {
                    reason = Obstacle::ThereAlready { answer: reason.to_string(), account: found.id.clone() };
                    self.found.note_links_differ();
                    effects.extend(adopted(operation.object.id(), &found));
                }
                false => {
                    reason = waits_for_approval(reason.to_string(), &found);
                    in_the_way = Some(found.id);
                }
            }
        }
        if self.blames_object() {
            effects.push(self.failed_for(operation, &reason, in_the_way));
        }
        let result = outcome_of(error, &reason.to_string());
        (result, effects, Err(reason))
    }

    /// The account that a refused create would have doubled: one that the planning look-up was not shown, because the app
    /// compares with case where it should not, or that was made since.
    async fn there_already(&self, id: &SourceId, attributes: &Attributes) -> Option<AppUser> {
        let found = self.find_user(id, attributes).await.ok().flatten();
        let object = ObjectRef::User(id.clone());
        found.filter(|found| self.is_nobodys_user(&found.id) && self.is_no_neighbours(&object, &found.id))
    }
}

fn shown(shown: Shown) -> CallReply {
    CallReply::Shown(Box::new(shown))
}

/// Whether an account that an operation switched off is still there, and only not shown.
pub(super) fn hides(wire: &UserWire, op: Op) -> bool {
    let switches_off = match op {
        Op::DeactivateUser => true,
        Op::DeleteUser => wire.delete_effect == DeleteEffect::Deactivates,
        _ => false,
    };
    switches_off && wire.inactive_effect == InactiveEffect::HidesResource
}

/// What a repetition of an operation's call could do.
fn kind(operation: &Operation) -> CallKind {
    match operation.action {
        Action::CreateUser { .. } | Action::CreateGroup { .. } => CallKind::Create,
        _ => CallKind::Change,
    }
}

/// The one object that a look-up for one found. An ambiguous answer is an error: it proves neither presence nor absence.
fn only_one<T>(found: Vec<Match<T>>, path: &str) -> Result<Option<T>, CallError> {
    match found.into_iter().next() {
        Some(Match::One { found, .. }) => Ok(Some(found)),
        Some(Match::Nobody) | None => Ok(None),
        Some(Match::Conflict(conflict)) => Err(CallError {
            class: FailureClass::Conflict,
            message: conflict.to_string(),
            method: "GET",
            path: path.to_owned(),
            ..CallError::closed()
        }),
    }
}
