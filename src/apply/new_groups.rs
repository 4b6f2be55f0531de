//! New groups. It takes the create of a group and the memberships planned for it; the group is made with as many of its members as the app takes.
//!
//! A group is made when its first member has an account (J8). Who is in it by then is read from the app's answer, or from the group itself, and
//! never from the request; users who are not follow as memberships. An app that refuses the members of a new group is asked once without them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::chunks::Chunks;
use super::effects::taken;
use super::members::{Resolved, Unfinished};
use super::reply::{CallEnd, CallTarget, outcome_of, shows_members};
use super::{OpResult, RunWorker};
use crate::guard::Cleared;
use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::model::{GroupRefusal, ObjectRef, Obstacle, Op, OpOutcome, Reason, SourceId};
use crate::plan::{Action, Member, Operation};
use crate::scim::{CallError, Created, FailureClass, MemberKeys};
use crate::store::{AppTakes, Effect, StoreError};

/// After so many members that a create was refused for one by one, it is tried without any.
const REFUSED_ALONE: usize = 3;

/// What becomes of the groups that a run makes.
pub(super) struct NewGroups<'a> {
    /// The members planned for them.
    joining: HashMap<&'a ObjectRef, &'a [Member]>,
    /// Groups that were not made, since none of their members has an account.
    withheld: Mutex<HashSet<ObjectRef>>,
    /// Members with whom the app refused to make their group, which it then made without any.
    refused_first: Mutex<HashMap<SourceId, HashSet<SourceId>>>,
    /// Whether the app was seen to take the members of a new group.
    takes_members: AtomicBool,
    /// Whether the app was seen to make a group without the members it was given.
    ignores_members: AtomicBool,
}

impl<'a> NewGroups<'a> {
    pub(super) fn of(cleared: &'a Cleared) -> Self {
        Self {
            joining: joining(cleared),
            withheld: Mutex::default(),
            refused_first: Mutex::default(),
            takes_members: AtomicBool::new(false),
            ignores_members: AtomicBool::new(false),
        }
    }

    /// Whether a group was not made, since none of its members has an account.
    pub(super) fn is_withheld(&self, group: &ObjectRef) -> bool {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).contains(group)
    }
}

/// The members planned for groups that this plan makes.
fn joining(cleared: &Cleared) -> HashMap<&ObjectRef, &[Member]> {
    let operations = &cleared.plan().operations;
    let made =
        operations.iter().filter(|operation| operation.op() == Op::CreateGroup).map(|operation| &operation.object);
    let made: HashSet<&ObjectRef> = made.collect();
    let due = operations.iter().enumerate().filter(|(at, operation)| {
        operation.op() == Op::AddMembers
            && operation.app_id.is_none()
            && cleared.allows(*at)
            && made.contains(&operation.object)
    });
    let members = due.filter_map(|(_, operation)| match &operation.action {
        Action::AddMembers { users } => Some((&operation.object, users.as_slice())),
        _ => None,
    });
    members.collect()
}

/// The create of one group: which members it is tried with.
struct Attempt<'m> {
    /// Everybody who may be in it.
    all: &'m [Resolved],
    /// Those with whom it was not tried yet, or not alone.
    left: &'m [Resolved],
    /// Whether the next try is one without members.
    without: bool,
    chunks: Chunks,
    /// Who was refused alone.
    alone: Vec<SourceId>,
    /// The app's words to the first refusal with members.
    refusal: Option<CallError>,
    /// The app's words to a create without members.
    refusal_of_empty: Option<CallError>,
}

impl<'m> Attempt<'m> {
    /// The members of the next try.
    fn next(&self) -> &'m [Resolved] {
        let members = if self.without { 0 } else { self.chunks.size().min(self.left.len()) };
        self.left.get(..members).unwrap_or_default()
    }

    /// Takes a refusal into account. Gives whether another try is left.
    fn refused(&mut self, members: usize, error: &CallError, may_go_without: bool, may_go_with: bool) -> bool {
        if members == 0 {
            self.refusal_of_empty = Some(error.clone());
            self.without = false;
            return !self.left.is_empty() && (self.refusal.is_some() || may_go_with);
        }
        self.refusal.get_or_insert_with(|| error.clone());
        if members > 1 {
            self.chunks.cut(members, error);
            return true;
        }
        self.chunks.alone();
        let (first, rest) = self.left.split_at(1.min(self.left.len()));
        self.alone.extend(first.iter().map(|(member, _)| member.id.clone()));
        self.left = rest;
        let enough = self.left.is_empty() || self.alone.len() >= REFUSED_ALONE;
        self.without = enough && may_go_without && self.refusal_of_empty.is_none();
        self.without || !self.left.is_empty()
    }
}

impl RunWorker<'_> {
    /// Makes a group, as soon as one of its members has an account.
    pub(super) async fn new_group(&self, operation: &Operation, name: &str, first: &[Member]) -> OpResult {
        let planned = self.new_groups.joining.get(&operation.object).copied().unwrap_or(first);
        let mut unfinished = Unfinished::default();
        let members = match self.resolve(planned, true, &mut unfinished) {
            Ok(members) => members,
            Err(error) => return self.broke(error),
        };
        if members.is_empty() && !self.run.create_empty {
            self.new_groups.withheld.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.object.clone());
            return unfinished.not_created();
        }
        self.create_with(operation, name, &members).await
    }

    async fn create_with(&self, operation: &Operation, name: &str, all: &[Resolved]) -> OpResult {
        let group = operation.object.id();
        let mut attempt = Attempt {
            all,
            left: all,
            without: !self.members_on_create(),
            chunks: Chunks::new(self.sizes.most()),
            alone: Vec::new(),
            refusal: None,
            refusal_of_empty: None,
        };
        let mut turn = None;
        loop {
            let planned = attempt.next().len();
            if turn.is_none() && !self.sizes.is_proven(planned) {
                turn = self.sizes.turn(planned).await;
                // What others found out meanwhile.
                attempt.chunks.at_most(self.sizes.most());
                attempt.without |= !self.members_on_create() && attempt.refusal_of_empty.is_none();
            }
            let chunk = attempt.next();
            let (part, target) = part(operation, name, chunk);
            let intent = match self.intent(&part, None).await {
                Ok(intent) => intent,
                Err(error) => return self.broke(error),
            };
            let error = match self.send(&part, &target).await {
                CallEnd::Badly(error) if may_be_a_member(&error) && !self.is_stopped() => error,
                ended => {
                    let is_made = matches!(ended, CallEnd::Well(_));
                    let result = self.conclude(&part, &target, intent, ended).await;
                    if is_made && let Err(error) = self.note_create(group, chunk.len(), attempt).await {
                        return self.broke(error);
                    }
                    return result;
                }
            };
            let may_go_with = self.run.profile.groups.members_on_create;
            if attempt.refused(chunk.len(), &error, self.may_go_without(), may_go_with) {
                let result = outcome_of(&error, &error.to_string());
                if let Err(error) = self.run.state.outcome(intent, result, Vec::new()).await {
                    return self.broke(error);
                }
                if let [(member, keys)] = chunk
                    && let Err(error) = self.forget_if_gone(&member.id, &keys.id, true).await
                {
                    return self.broke(error);
                }
                continue;
            }
            let target = CallTarget { refusal: Some(refusal_of(&error, &attempt)), ..target };
            return self.conclude(&part, &target, intent, CallEnd::Badly(error)).await;
        }
    }

    /// Whether new groups are made with their members: by the profile, and by what the app was seen to do.
    fn members_on_create(&self) -> bool {
        let takes = self.takes.lock().unwrap_or_else(PoisonError::into_inner);
        self.run.profile.groups.members_on_create
            && takes.as_ref().and_then(|takes| takes.members_on_create) != Some(false)
    }

    /// Whether a group that was refused with each member may be tried without: not in an app that takes the members of other new groups, since
    /// then the members are what it refuses, and the group would stay empty.
    fn may_go_without(&self) -> bool {
        !self.new_groups.takes_members.load(Ordering::Relaxed)
    }

    /// Keeps what the create of a group showed of the app.
    async fn note_create(&self, group: &SourceId, members: usize, attempt: Attempt<'_>) -> Result<(), StoreError> {
        let mut chunks = attempt.chunks;
        if members > 0 {
            self.sizes.took(members);
            chunks.took(members);
            match chunks.learned() {
                Some(size) => self.learn_size(size).await?,
                // It is proven when the others went through, too; the other groups of this run need not find it out again.
                None => chunks.likely().into_iter().for_each(|size| self.sizes.suppose(size)),
            }
            if attempt.refusal_of_empty.is_some() {
                self.learn(|takes| takes.members_on_create = None).await?;
            }
        } else if !attempt.alone.is_empty() {
            tracing::warn!(%group, "the app refused a new group with members and took it without");
            let mut refused = self.new_groups.refused_first.lock().unwrap_or_else(PoisonError::into_inner);
            refused.insert(group.clone(), attempt.alone.into_iter().collect());
            return Ok(());
        }
        self.sizes.keep(group, chunks);
        Ok(())
    }

    /// Whom the app took in with a new group: by its answer, or else by the group as it shows it. Of whom neither speaks nobody knows.
    pub(super) async fn taken_in(&self, operation: &Operation, target: &CallTarget, created: &mut Created) {
        let Action::CreateGroup { first, .. } = &operation.action else { return };
        if first.is_empty() {
            return;
        }
        if created.members.is_none() && shows_members(self.run.profile) {
            let shown = self.run.app.get_group(&created.id).await.ok().flatten();
            created.members = shown.and_then(|group| group.members);
        }
        let Some(shown) = &created.members else { return };
        let taken = taken(first, &target.members, shown).len();
        if taken > 0 {
            self.new_groups.takes_members.store(true, Ordering::Relaxed);
        } else if self.run.profile.read.settles_after_s == 0 {
            self.new_groups.ignores_members.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps that the app ignores the members of new groups, once a call that added them went through; or that it refuses them, once one of those
    /// was taken who had been refused with the new group.
    pub(super) async fn note_added(&self, group: &SourceId, users: &[SourceId]) -> Result<(), StoreError> {
        let was_refused = {
            let refused = self.new_groups.refused_first.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get(group).is_some_and(|refused| users.iter().any(|user| refused.contains(user)))
        };
        let takes = self.new_groups.takes_members.load(Ordering::Relaxed);
        let ignores = !takes && self.new_groups.ignores_members.load(Ordering::Relaxed);
        if !self.members_on_create() || !(was_refused || ignores) {
            return Ok(());
        }
        let what = if was_refused { "refuses" } else { "ignores" };
        tracing::warn!(
            "the app {what} the members of a new group: groups are created without members and filled afterwards; \
             `groups.members_on_create = false` in its profile says so from the start"
        );
        self.learn(|takes| takes.members_on_create = Some(false)).await
    }

    /// Keeps how many members the app takes in one call.
    pub(super) async fn learn_size(&self, size: usize) -> Result<(), StoreError> {
        self.sizes.learn(size);
        let known =
            self.takes.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|takes| takes.members_per_call);
        if known.is_some_and(|known| known as usize <= size) {
            return Ok(());
        }
        tracing::warn!(
            members = size,
            "the app refused a request with more members: later requests have no more than it accepts"
        );
        self.learn(|takes| takes.members_per_call = u32::try_from(size).ok()).await
    }

    async fn learn(&self, change: impl FnOnce(&mut AppTakes)) -> Result<(), StoreError> {
        let now = self.run.clock.now();
        let takes = {
            let mut known = self.takes.lock().unwrap_or_else(PoisonError::into_inner);
            let takes = known.get_or_insert_with(|| AppTakes {
                members_per_call: None,
                members_on_create: None,
                allowed: self.allowed(),
                at: now,
            });
            takes.at = now;
            change(takes);
            takes.clone()
        };
        self.run.state.noted(&self.run.id, Reason::WhatTheAppTakes, vec![Effect::AppTakes(takes)]).await
    }

    /// How many members a call may have by the profile.
    fn allowed(&self) -> u32 {
        u32::try_from(self.run.app.members_per_call()).unwrap_or(u32::MAX)
    }
}

/// The refusal of a create, with how it was tried.
fn refusal_of(error: &CallError, attempt: &Attempt<'_>) -> Obstacle {
    let answer = attempt.refusal.as_ref().unwrap_or(error).to_string();
    let why = match (&attempt.refusal, &attempt.refusal_of_empty) {
        (Some(_), Some(without)) => GroupRefusal::WithoutMembersToo { said: without.message.clone() },
        (Some(_), None) if attempt.left.is_empty() && attempt.alone.len() == attempt.all.len() => {
            GroupRefusal::EachMember
        }
        (Some(_), None) => GroupRefusal::WithMembers,
        (None, _) if attempt.all.is_empty() => GroupRefusal::Empty,
        (None, _) => GroupRefusal::WithoutMembers,
    };
    Obstacle::GroupRefused { answer, why }
}

/// One try, with the members it carries.
fn part(operation: &Operation, name: &str, chunk: &[Resolved]) -> (Operation, CallTarget) {
    let (first, members): (Vec<Member>, Vec<MemberKeys>) = chunk.iter().cloned().unzip();
    let action = Action::CreateGroup { display_name: name.to_owned(), first };
    (Operation { action, ..operation.clone() }, CallTarget { app_id: None, manager: None, members, refusal: None })
}

/// Whether a group may have been refused for its members, or the lack of them: surely not made, and not because there is one of its name.
fn may_be_a_member(error: &CallError) -> bool {
    let halves = after_failure(error.class, CallKind::Members) == AfterFailure::SplitBatch
        || error.class == FailureClass::Immutable;
    halves && error.class != FailureClass::Conflict && !error.maybe_done
}

impl Unfinished {
    /// The result of a group that was not created, because none of its members has an account.
    pub(super) fn not_created(&self) -> OpResult {
        match self.without_account.as_slice() {
            [] if self.held => Ok(OpOutcome::Held),
            [] => Err(Obstacle::MembersHaveLeft),
            [first, rest @ ..] => Err(Obstacle::NoMemberHasAccount { first: first.clone(), more: rest.len() as u64 }),
        }
    }
}
