//! Memberships. In: one group and the people who join or leave it. Out: calls of a size the app takes, each with its own intent.
//!
//! A call that is too large, or that one bad member spoils, is sent again with half as many, until it goes through or the bad one is alone.

use std::collections::HashSet;

use super::chunks::can_be_cut;
use super::elsewhere::Sought;
use super::reply::{CallEnd, CallReply, outcome_of};
use super::telling::CallReport;
use super::{OpResult, RunWorker};
use crate::http::failure::CallKind;
use crate::model::{AppId, ObjectRef, Obstacle, OpOutcome, Path, Reason, SourceId, StillShown, UserNumber};
use crate::plan::{Action, Member, Operation};
use crate::scim::{CallError, FailureClass, MemberKeys, ShownMembers};
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

impl RunWorker<'_> {
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
            if self.is_stopped() || self.breaker.closed(operation.op()).is_some() {
                unfinished.stopped = true;
                break;
            }
            if turn.is_none() && !self.sizes.is_proven(chunks.size().min(left.len())) {
                turn = self.sizes.turn(chunks.size().min(left.len())).await;
                chunks.at_most(self.sizes.most());
            }
            let (chunk, rest) = left.split_at(chunks.size().min(left.len()));
            let Err(error) = self.chunk(operation, app_id, chunk, add, unfinished).await? else {
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
            if error.class == FailureClass::Closed {
                unfinished.stopped = true;
                break;
            }
            let sought = match error.class {
                FailureClass::NotFound => self.sought(&operation.object, app_id).await,
                _ => Sought::Unknown,
            };
            match &sought {
                Sought::Moved(there, effects) if operation.app_id.as_ref() == Some(app_id) => {
                    self.found.note_links_differ();
                    self.run.state.noted(&self.run.id, Reason::GoneFromApp, effects.clone()).await?;
                    return Box::pin(self.send_members(operation, there, left, add, unfinished)).await;
                }
                Sought::Foreign(found) if !add => {
                    let why = self.why_not_removed(&operation.object, &operation.name, app_id, found);
                    unfinished.problems.push(why);
                    return Ok(());
                }
                _ => {}
            }
            if sought.ends_link() {
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
            Some((member, keys)) if matches!(error.class, FailureClass::NotFound | FailureClass::Invalid) => {
                self.forget_if_gone(&member.id, &keys.id, add).await
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
    /// One who was to leave the group, and whose account may be there under another id, is kept: the removal is not made.
    pub(super) async fn forget_if_gone(&self, id: &SourceId, account: &AppId, add: bool) -> Result<(), StoreError> {
        let object = ObjectRef::User(id.clone());
        let linked = self.run.state.user(id)?.is_some_and(|row| row.app_id == *account);
        // An app may show late what it created: that an account of this run is not found yet says nothing.
        if !linked || self.known.coming.contains(id) {
            return Ok(());
        }
        let effects = match self.sought(&object, account).await {
            Sought::Gone => vec![self.unlinked(&object)],
            sought @ Sought::Foreign(_) if add && sought.ends_link() => vec![self.unlinked(&object)],
            Sought::Moved(_, effects) => {
                self.found.note_links_differ();
                effects
            }
            Sought::Foreign(_) | Sought::Shown | Sought::Unknown => return Ok(()),
        };
        self.run.state.noted(&self.run.id, Reason::GoneFromApp, effects).await
    }

    /// One call with its intent and outcome. The outer error is the state's.
    async fn chunk(
        &self,
        operation: &Operation,
        app_id: &AppId,
        chunk: &[Resolved],
        add: bool,
        unfinished: &mut Unfinished,
    ) -> Result<Result<(), CallError>, StoreError> {
        let group = operation.object.id();
        let members: Vec<Member> = chunk.iter().map(|(member, _)| member.clone()).collect();
        let keys: Vec<MemberKeys> = chunk.iter().map(|(_, keys)| keys.clone()).collect();
        let part = part(operation, members, add);
        let intent = self.intent(&part, Some(app_id.clone())).await?;
        let told = CallReport { operation: &part, app_id: Some(app_id) };
        let (app, keys) = (self.run.app, keys.as_slice());
        let call = || async move {
            match add {
                true => app.add_members(app_id, keys).await,
                false => app.remove_members(app_id, keys).await,
            }
            .map(|shown| CallReply::Shown(Box::new(shown)))
        };
        let is_cut = |error: &CallError| can_be_cut(error, chunk.len());
        let (result, effects, ended) = match self.attempts(told, CallKind::Members, call, || async { Ok(None) }).await {
            CallEnd::Well(reply) => {
                let shown = if let CallReply::Shown(shown) = reply { shown.members } else { None };
                let (result, effects) = self.members_proven(operation, app_id, (chunk, add), shown, unfinished).await?;
                (result, effects, Ok(()))
            }
            // Its halves will tell.
            CallEnd::Badly(error) if !error.maybe_done || is_cut(&error) => {
                (outcome_of(&error, &error.to_string()), Vec::new(), Err(error))
            }
            CallEnd::Badly(error) => {
                self.left_open(&part, Vec::new()).await?;
                return Ok(Err(error));
            }
        };
        self.run.state.outcome(intent, result, effects).await?;
        if add && ended.is_ok() {
            self.note_added(group, &chunk.iter().map(|(member, _)| member.id.clone()).collect::<Vec<_>>()).await?;
        }
        Ok(ended)
    }

    /// What is known after a call about members that was accepted. Those whom the app shows as they were before are left as they were.
    async fn members_proven(
        &self,
        operation: &Operation,
        app_id: &AppId,
        (chunk, add): (&[Resolved], bool),
        shown: Option<ShownMembers>,
        unfinished: &mut Unfinished,
    ) -> Result<(OutcomeResult, Vec<Effect>), StoreError> {
        let group = operation.object.id().clone();
        let as_before = match add {
            true => self.still_outside(&group, app_id, chunk, shown).await?,
            false => self.still_inside(&group, app_id, chunk, shown).await?,
        };
        let (left, done): (Vec<_>, Vec<_>) =
            chunk.iter().enumerate().partition(|(at, _)| as_before.binary_search(at).is_ok());
        let names = |name: &str| match add {
            true => StillShown::NoMember { name: name.to_owned() },
            false => StillShown::Member { name: name.to_owned() },
        };
        let mut result = OutcomeResult::Done { status: None };
        if !left.is_empty() {
            let shows = left.iter().map(|(_, (member, _))| names(&member.name)).collect();
            let reason = Obstacle::NotCarriedOut { shows };
            tracing::warn!(group = %operation.object, members = left.len(), "member change accepted but not applied");
            unfinished.problems.push(reason.clone());
            if !add {
                self.found.note_still_inside(left.iter().map(|(_, (member, _))| member.id.clone()));
            }
            if done.is_empty() {
                result = OutcomeResult::Failed { status: None, detail: reason.to_string() };
            }
        }
        let members: Vec<Member> = done.into_iter().map(|(_, (member, _))| member.clone()).collect();
        if members.is_empty() {
            return Ok((result, Vec::new()));
        }
        let users: Vec<SourceId> = members.iter().map(|member| member.id.clone()).collect();
        let effects = match add {
            true => self.with_joined_inactive(vec![Effect::MembersAdded { group, users }])?,
            false => {
                let (count, at) = (users.len() as u64, self.run.clock.now());
                let mut effects = vec![Effect::GroupReduced { group: group.clone(), members: count, at }];
                effects.push(Effect::MembersRemoved { group, users });
                effects.extend(self.reduced(&part(operation, members, add)));
                effects
            }
        };
        Ok((result, effects))
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

pub(super) fn keys_of(row: UserRow) -> MemberKeys {
    let path = Path::user_name();
    let name = row.echo.text(&path).or(row.sent.text(&path)).unwrap_or(row.app_id.as_str()).to_owned();
    MemberKeys { id: row.app_id, user_name: name }
}

/// One call's share of a membership change.
fn part(operation: &Operation, members: Vec<Member>, add: bool) -> Operation {
    let action = match add {
        true => Action::AddMembers { users: members },
        false => Action::RemoveMembers { of: members.len() as u64, users: members, last: last_of(operation) },
    };
    Operation { action, ..operation.clone() }
}

/// Whose last group it is.
fn last_of(operation: &Operation) -> Vec<SourceId> {
    match &operation.action {
        Action::RemoveMembers { last, .. } => last.clone(),
        _ => Vec::new(),
    }
}
