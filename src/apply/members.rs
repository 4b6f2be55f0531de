//! Memberships. In: one group and the people who join or leave it. Out: calls of a size the app takes, each with its own intent.
//!
//! A call that is too large, or that one bad member spoils, is sent again with half as many, until it goes through or the bad one is alone.

use std::collections::HashSet;

use super::calls::{Ended, Reply, outcome_of};
use super::chunks::can_be_cut;
use super::telling::Told;
use super::{OpResult, Worker};
use crate::model::{AppId, ObjectRef, Obstacle, OpOutcome, Path, Reason, SourceId, UserNumber};
use crate::plan::{Action, Member, Operation};
use crate::scim::policy::Kind;
use crate::scim::{CallError, Class, MemberKeys};
use crate::store::{Effect, OutcomeResult, StoreError, UserRow};

/// A member, and the names by which the app may know them.
pub(super) type Resolved = (Member, MemberKeys);

/// What kept a membership change from being whole.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Calls that failed.
    problems: Vec<Obstacle>,
    /// People who should have an account by now and have none; their own operation says why.
    pub(super) without_account: Vec<String>,
    /// People whose account was held.
    pub(super) held: bool,
    stopped: bool,
}

impl Worker<'_> {
    pub(super) async fn members(&self, operation: &Operation, users: &[Member], add: bool) -> OpResult {
        let group = operation.object.id();
        let app_id = match self.run.state.group(group) {
            Ok(Some(row)) => row.app_id,
            Ok(None) if self.is_withheld(&operation.object) => return self.no_group_yet(users),
            Ok(None) => return Err(Obstacle::GroupNotInApp),
            Err(error) => return self.broke(error),
        };
        let mut unfinished = Unfinished::default();
        let resolved = match self.resolve(users, add, &mut unfinished).and_then(|all| self.due(operation, all)) {
            Ok(resolved) => resolved,
            Err(error) => return self.broke(error),
        };
        if let Err(error) = self.send_members(operation, &app_id, &resolved, add, &mut unfinished).await {
            return self.broke(error);
        }
        self.report(operation, &unfinished).await
    }

    /// The result for members of a group that was not made, since none of them has an account.
    fn no_group_yet(&self, users: &[Member]) -> OpResult {
        let mut unfinished = Unfinished::default();
        match self.resolve(users, true, &mut unfinished) {
            Ok(_) => unfinished.not_created(),
            Err(error) => self.broke(error),
        }
    }

    fn is_withheld(&self, group: &ObjectRef) -> bool {
        self.new_groups.is_withheld(group)
    }

    /// Calls of a size that the app takes, until all are sent or the group is gone.
    async fn send_members(
        &self,
        operation: &Operation,
        app_id: &AppId,
        mut left: &[Resolved],
        add: bool,
        unfinished: &mut Unfinished,
    ) -> Result<(), StoreError> {
        let group = operation.object.id();
        let mut chunks = self.sizes.of(group);
        chunks.at_most(self.sizes.most());
        let mut turn = None;
        // So many of those that are left were in a call of which nobody knows whether it was carried out.
        let mut in_doubt = 0_usize;
        while !left.is_empty() {
            if self.is_stopped() {
                unfinished.stopped = true;
                break;
            }
            if turn.is_none() && !self.sizes.is_proven(chunks.size().min(left.len())) {
                turn = self.sizes.turn(chunks.size().min(left.len())).await;
                chunks.at_most(self.sizes.most());
            }
            let (chunk, rest) = left.split_at(chunks.size().min(left.len()));
            let Err(error) = self.chunk(operation, group, app_id, chunk, add).await? else {
                (left, in_doubt) = (rest, in_doubt.saturating_sub(chunk.len()));
                chunks.took(chunk.len());
                self.sizes.took(chunk.len());
                if let Some(size) = chunks.learned() {
                    self.learn_size(size).await?;
                }
                if !chunks.is_searching() {
                    turn = None;
                }
                continue;
            };
            if error.class == Class::Closed {
                unfinished.stopped = true;
                break;
            }
            if error.class == Class::NotFound && self.is_gone(&operation.object, app_id).await {
                self.run.state.noted(&self.run.id, Reason::GoneFromApp, vec![self.unlinked(&operation.object)]).await?;
                unfinished.problems.push(Obstacle::GroupNowGone { answer: error.to_string() });
                return Ok(());
            }
            if can_be_cut(&error, chunk.len()) {
                if error.maybe_done {
                    in_doubt = in_doubt.max(chunk.len());
                }
                chunks.cut(chunk.len(), &error);
                continue;
            }
            match chunk.len() {
                1 => {
                    chunks.alone();
                    self.sizes.suppose_no_more();
                }
                more => chunks.failed(more),
            }
            (left, in_doubt) = (rest, in_doubt.saturating_sub(chunk.len()));
            self.not_changed(chunk, &error, add, unfinished).await?;
        }
        match left.get(..in_doubt.min(left.len())) {
            Some(doubted) if add && !doubted.is_empty() => {
                let users = doubted.iter().map(|(member, _)| member.id.clone()).collect();
                let doubt = Effect::MembersDoubted { group: group.clone(), users };
                self.run.state.noted(&self.run.id, Reason::NotAnswered, vec![doubt]).await
            }
            _ => Ok(()),
        }
    }

    /// Members with whom a call failed for good.
    async fn not_changed(
        &self,
        chunk: &[Resolved],
        error: &CallError,
        add: bool,
        unfinished: &mut Unfinished,
    ) -> Result<(), StoreError> {
        let names = chunk.iter().map(|(member, _)| member.name.clone()).take(3).collect();
        unfinished.problems.push(Obstacle::MembersRefused { answer: error.to_string(), names });
        if !add {
            self.found.note_still_inside(chunk.iter().map(|(member, _)| member.id.clone()));
        }
        match chunk.first() {
            Some((member, keys)) if matches!(error.class, Class::NotFound | Class::Invalid) => {
                self.forget_if_gone(&member.id, &keys.id).await
            }
            _ => Ok(()),
        }
    }

    /// The app's values for people who have an account.
    pub(super) fn resolve(
        &self,
        users: &[Member],
        add: bool,
        unfinished: &mut Unfinished,
    ) -> Result<Vec<Resolved>, StoreError> {
        let mut resolved = Vec::with_capacity(users.len());
        for user in users.iter().filter(|user| !(add && self.run.turns.has_left(&user.id))) {
            match self.run.state.user(&user.id)? {
                // The account that is theirs by now is to be replaced, and somebody has to decide on that.
                Some(_) if add && self.known.waiting_for_accounts.contains(&user.id) => unfinished.held = true,
                Some(row) if add && self.known.put_aside.contains(&row.app_id) => {
                    unfinished.without_account.push(user.name.clone());
                }
                Some(UserRow { replaced: Some(of), .. })
                    if !add && self.known.coming.contains(&of) && self.run.state.user(&of)?.is_none() =>
                {
                    unfinished.without_account.push(user.name.clone());
                }
                Some(row) => resolved.push((user.clone(), keys_of(row))),
                // Somebody without an account is no member any more; but can't become one either.
                None if !add => {}
                None if self.known.waiting_for_accounts.contains(&user.id) => unfinished.held = true,
                None => unfinished.without_account.push(user.name.clone()),
            }
        }
        Ok(resolved)
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
    pub(super) async fn forget_if_gone(&self, id: &SourceId, account: &AppId) -> Result<(), StoreError> {
        let object = ObjectRef::User(id.clone());
        let linked = self.run.state.user(id)?.is_some_and(|row| row.app_id == *account);
        // An app may show late what it created: that an account of this run is not found yet says nothing.
        if linked && !self.known.coming.contains(id) && self.is_gone(&object, account).await {
            self.run.state.noted(&self.run.id, Reason::GoneFromApp, vec![self.unlinked(&object)]).await?;
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
        let added = users.clone();
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
        let is_cut = |error: &CallError| can_be_cut(error, chunk.len());
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
        if add && ended.is_ok() {
            self.note_added(group, &added).await?;
        }
        Ok(ended)
    }

    async fn report(&self, operation: &Operation, unfinished: &Unfinished) -> OpResult {
        let mut effects = Vec::new();
        let result = match unfinished.problems.as_slice() {
            [first, rest @ ..] => {
                let reason = match rest.len() as u64 {
                    0 => first.clone(),
                    more => Obstacle::AndMore { first: Box::new(first.clone()), more },
                };
                if self.blames_object() {
                    effects.push(self.failed(operation, &reason));
                }
                Err(reason)
            }
            [] => {
                self.settle(&operation.object, &mut effects);
                unfinished.result()
            }
        };
        if !effects.is_empty()
            && let Err(error) = self.run.state.noted(&self.run.id, Reason::Memberships, effects).await
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
            _ if self.stopped => Err(Obstacle::NotFinished),
            [] if self.held => Ok(OpOutcome::Held),
            [] => Ok(OpOutcome::Done),
            [first, rest @ ..] => Err(Obstacle::WithoutAccount { first: first.clone(), more: rest.len() as u64 }),
        }
    }
}

fn keys_of(row: UserRow) -> MemberKeys {
    let path = Path::user_name();
    let name = row.echo.text(&path).or(row.sent.text(&path)).unwrap_or(row.app_id.as_str()).to_owned();
    MemberKeys { id: row.app_id, user_name: name }
}

/// Whose last group it is.
fn last_of(operation: &Operation) -> Vec<SourceId> {
    match &operation.action {
        Action::RemoveMembers { last, .. } => last.clone(),
        _ => Vec::new(),
    }
}
