//! Memberships. In: one group and the people who join or leave it. Out: calls of a size the app takes, each with its own intent.
//!
//! A call that is too large, or that one bad member spoils, is cut in halves until the bad one is alone.

use std::collections::HashSet;
use std::sync::PoisonError;

use super::calls::{Ended, Reply, Target, outcome_of};
use super::telling::Told;
use super::{OpResult, Worker};
use crate::model::{AppId, ObjectRef, Path, SourceId, UserNumber};
use crate::plan::{Action, Member, Operation};
use crate::scim::policy::{Kind, Step, next_step};
use crate::scim::{CallError, Class, MemberKeys};
use crate::store::{Effect, OutcomeResult, StoreError, UserRow};

/// A member, and the names by which the app may know them.
type Resolved = (Member, MemberKeys);

/// What kept a membership change from being whole.
#[derive(Default)]
struct Unfinished {
    /// Calls that failed.
    problems: Vec<String>,
    /// People who should have an account by now and have none; their own operation says why.
    without_account: Vec<String>,
    /// People whose account was held.
    held: bool,
    stopped: bool,
}

impl Worker<'_> {
    pub(super) async fn members(&self, operation: &Operation, users: &[Member], add: bool) -> OpResult {
        let group = operation.object.id();
        let app_id = match self.run.state.group(group) {
            Ok(Some(row)) => row.app_id,
            Ok(None) => return OpResult::Failed("not tried: the group is not in the app".to_owned()),
            Err(error) => return self.broke(error),
        };
        let mut unfinished = Unfinished::default();
        let resolved = match self.resolve(users, add, &mut unfinished).and_then(|all| self.due(operation, all)) {
            Ok(resolved) => resolved,
            Err(error) => return self.broke(error),
        };
        let most = self.run.app.members_per_call().max(1);
        let mut waiting: Vec<Vec<Resolved>> = resolved.chunks(most).rev().map(<[Resolved]>::to_vec).collect();
        while let Some(chunk) = waiting.pop() {
            if self.is_stopped() {
                unfinished.stopped = true;
                break;
            }
            let error = match self.chunk(operation, group, &app_id, &chunk, add).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(error) => return self.broke(error),
            };
            if error.class == Class::Closed {
                unfinished.stopped = true;
                break;
            }
            if error.class == Class::NotFound && self.is_gone(&operation.object, &app_id).await {
                let note =
                    self.run.state.noted(&self.run.id, "gone from the app", vec![self.unlinked(&operation.object)]);
                if let Err(error) = note.await {
                    return self.broke(error);
                }
                unfinished
                    .problems
                    .push(format!("{error}; the group is gone from the app, the next run makes it anew"));
                break;
            }
            if can_be_cut(&error) && chunk.len() > 1 {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                waiting.push(second.to_vec());
                waiting.push(first.to_vec());
                continue;
            }
            let names: Vec<&str> = chunk.iter().map(|(member, _)| member.name.as_str()).take(3).collect();
            unfinished.problems.push(format!("{error} ({})", names.join(", ")));
            if !add {
                let mut inside = self.still_inside.lock().unwrap_or_else(PoisonError::into_inner);
                inside.extend(chunk.iter().map(|(member, _)| member.id.clone()));
            }
            if matches!(error.class, Class::NotFound | Class::Invalid)
                && let Some((member, keys)) = chunk.first()
                && let Err(error) = self.forget_if_gone(&member.id, &keys.id).await
            {
                return self.broke(error);
            }
        }
        self.report(operation, &unfinished).await
    }

    /// The app's values for people who have an account.
    fn resolve(&self, users: &[Member], add: bool, unfinished: &mut Unfinished) -> Result<Vec<Resolved>, StoreError> {
        let mut resolved = Vec::with_capacity(users.len());
        for user in users.iter().filter(|user| !(add && self.run.turns.has_left(&user.id))) {
            match self.run.state.user(&user.id)? {
                // The account that is theirs by now is to be replaced, and somebody has to decide on that.
                Some(_) if add && self.waiting_for_accounts.contains(&user.id) => unfinished.held = true,
                Some(row) if add && self.put_aside.contains(&row.app_id) => {
                    unfinished.without_account.push(user.name.clone());
                }
                Some(UserRow { replaced: Some(of), .. })
                    if !add && self.coming.contains(&of) && self.run.state.user(&of)?.is_none() =>
                {
                    unfinished.without_account.push(user.name.clone());
                }
                Some(row) => resolved.push((user.clone(), keys_of(row))),
                // Somebody without an account is no member any more; but can't become one either.
                None if !add => {}
                None if self.waiting_for_accounts.contains(&user.id) => unfinished.held = true,
                None => unfinished.without_account.push(user.name.clone()),
            }
        }
        Ok(resolved)
    }

    /// A new group together with its first members, for apps that want some. What the app refuses may be one of them: then it
    /// is tried with fewer, in the end with none. Whoever is not in it follows as a membership, where a bad one is found.
    pub(super) async fn group_with_members(&self, operation: &Operation, name: &str, first: &[Member]) -> OpResult {
        // The memberships that follow name whoever has no account.
        let mut first = match self.resolve(first, true, &mut Unfinished::default()) {
            Ok(first) => first,
            Err(error) => return self.broke(error),
        };
        first.truncate(self.run.app.members_per_call().max(1));
        loop {
            let (members, keys): (Vec<Member>, Vec<MemberKeys>) = first.iter().cloned().unzip();
            let part = Operation {
                action: Action::CreateGroup { display_name: name.to_owned(), first: members },
                ..operation.clone()
            };
            let target = Target { app_id: None, manager: None, members: keys };
            let intent = match self.intent(&part, None).await {
                Ok(intent) => intent,
                Err(error) => return self.broke(error),
            };
            match self.send(&part, &target).await {
                Ended::Badly(error) if !first.is_empty() && may_be_a_member(&error) && !self.is_stopped() => {
                    let result = outcome_of(&error, &error.to_string());
                    if let Err(error) = self.run.state.outcome(intent, result, Vec::new()).await {
                        return self.broke(error);
                    }
                    first.truncate(first.len() / 2);
                }
                ended => return self.conclude(&part, &target, intent, ended).await,
            }
        }
    }

    /// Without those whom a group that this run made surely has already.
    fn due(&self, operation: &Operation, resolved: Vec<Resolved>) -> Result<Vec<Resolved>, StoreError> {
        let group = operation.object.id();
        let inside: HashSet<UserNumber> = match (&operation.app_id, &operation.action) {
            (None, Action::AddMembers { .. }) => self.run.state.members(group)?.into_iter().collect(),
            _ => return Ok(resolved),
        };
        let doubted = self.run.state.group(group)?.map(|row| row.doubted).unwrap_or_default();
        let mut due = Vec::with_capacity(resolved.len());
        for one in resolved {
            let number = self.run.state.number_of(&one.0.id)?;
            if doubted.contains(&one.0.id) || number.is_none_or(|number| !inside.contains(&number)) {
                due.push(one);
            }
        }
        Ok(due)
    }

    /// A member whom the app does not know: perhaps somebody deleted the account in the app. Then the next run makes it anew.
    async fn forget_if_gone(&self, id: &SourceId, account: &AppId) -> Result<(), StoreError> {
        let object = ObjectRef::User(id.clone());
        let linked = self.run.state.user(id)?.is_some_and(|row| row.app_id == *account);
        if linked && self.is_gone(&object, account).await {
            self.run.state.noted(&self.run.id, "gone from the app", vec![self.unlinked(&object)]).await?;
        }
        Ok(())
    }

    /// One call with its intent and outcome. The outer error is the state's.
    async fn chunk(
        &self,
        operation: &Operation,
        group: &SourceId,
        app_id: &AppId,
        chunk: &[Resolved],
        add: bool,
    ) -> Result<Result<(), CallError>, StoreError> {
        let members: Vec<Member> = chunk.iter().map(|(member, _)| member.clone()).collect();
        let users: Vec<SourceId> = members.iter().map(|member| member.id.clone()).collect();
        let keys: Vec<MemberKeys> = chunk.iter().map(|(_, keys)| keys.clone()).collect();
        let part = Operation {
            action: match add {
                true => Action::AddMembers { users: members },
                false => Action::RemoveMembers { of: members.len() as u64, users: members, last: last_of(operation) },
            },
            ..operation.clone()
        };
        let intent = self.intent(&part, Some(app_id.clone())).await?;
        let told = Told { operation: &part, app_id: Some(app_id) };
        let (app, keys) = (self.run.app, keys.as_slice());
        let call = || async move {
            match add {
                true => app.add_members(app_id, keys).await,
                false => app.remove_members(app_id, keys).await,
            }
            .map(|()| Reply::Nothing)
        };
        let is_cut = |error: &CallError| can_be_cut(error) && chunk.len() > 1;
        let (result, effects, ended) = match self.attempts(told, Kind::Members, call, || async { Ok(None) }).await {
            Ended::Well(_) => {
                let group = group.clone();
                let effects = match add {
                    true => vec![Effect::MembersAdded { group, users }],
                    false => {
                        let (members, at) = (users.len() as u64, self.run.clock.now());
                        let mut effects = vec![Effect::GroupReduced { group: group.clone(), members, at }];
                        effects.push(Effect::MembersRemoved { group, users });
                        effects.extend(self.reduced(&part));
                        effects
                    }
                };
                (OutcomeResult::Done { status: None }, effects, Ok(()))
            }
            // Its halves will tell.
            Ended::Badly(error) if !error.maybe_done || is_cut(&error) => {
                (outcome_of(&error, &error.to_string()), Vec::new(), Err(error))
            }
            Ended::Badly(error) => {
                self.left_open(&part, Vec::new()).await?;
                return Ok(Err(error));
            }
        };
        self.run.state.outcome(intent, result, effects).await?;
        Ok(ended)
    }

    async fn report(&self, operation: &Operation, unfinished: &Unfinished) -> OpResult {
        let mut effects = Vec::new();
        let result = match unfinished.problems.as_slice() {
            [first, rest @ ..] => {
                let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
                let reason = format!("{first}{more}");
                if self.blames_object() {
                    effects.push(self.failed(operation, &reason));
                }
                OpResult::Failed(reason)
            }
            [] => {
                self.settle(&operation.object, &mut effects);
                unfinished.result()
            }
        };
        if !effects.is_empty()
            && let Err(error) = self.run.state.noted(&self.run.id, "memberships", effects).await
        {
            return self.broke(error);
        }
        result
    }
}

impl Unfinished {
    /// The result where no call failed.
    fn result(&self) -> OpResult {
        match self.without_account.as_slice() {
            _ if self.stopped => OpResult::Failed("not finished: the run was stopped".to_owned()),
            [] if self.held => OpResult::Held,
            [] => OpResult::Done,
            [only] => OpResult::Failed(format!("{only} has no account in the app yet")),
            [first, rest @ ..] => {
                OpResult::Failed(format!("{first} and {} more have no account in the app yet", rest.len()))
            }
        }
    }
}

fn keys_of(row: UserRow) -> MemberKeys {
    let path = Path::user_name();
    let name = row.echo.text(&path).or(row.sent.text(&path)).unwrap_or(row.app_id.as_str()).to_owned();
    MemberKeys { id: row.app_id, user_name: name }
}

/// Whether a group may have been refused for its members: surely not made, and not because there is one of its name.
fn may_be_a_member(error: &CallError) -> bool {
    next_step(error.class, Kind::Members) == Step::Halve && error.class != Class::Conflict && !error.maybe_done
}

/// Whether a smaller call may do: one bad member fails the whole (T14), or the call was too large. A 500 that stays may hide
/// either.
fn can_be_cut(error: &CallError) -> bool {
    next_step(error.class, Kind::Members) == Step::Halve || (error.class == Class::Server && error.status == Some(500))
}

/// Whose last group it is.
fn last_of(operation: &Operation) -> Vec<SourceId> {
    match &operation.action {
        Action::RemoveMembers { last, .. } => last.clone(),
        _ => Vec::new(),
    }
}
