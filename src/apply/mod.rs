//! Doing it. In: a cleared plan. Out: a result for each operation, and the journal's word for every call.
//!
//! Decides nothing: a plan is specific enough that only *whether* a call may still be made is left (stop asked for, credential
//! dead, app in trouble). Intent is on the disk before a call and its outcome is written after it; a call whose outcome nobody
//! knows is looked up before it is repeated. One writer per object, many objects at once.

mod breaker;
mod calls;
mod chunks;
mod composed;
mod core_values;
mod created;
mod effects;
mod elsewhere;
mod ending;
mod found;
mod known;
mod losses;
mod members;
mod names;
mod new_groups;
mod parts;
mod proof;
mod recover;
mod reply;
mod retry;
mod returning;
mod telling;
mod turns;
mod verify;

pub(crate) use recover::is_about_one;
pub use recover::{RecoverError, recover};
pub use retry::Repeat;
pub use turns::Turns;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::profile::Profile;
use crate::guard::{Adoptions, Cleared, Gate};
use crate::model::{AppId, Lane, ObjectRef, Obstacle, Op, OpOutcome, Path, Reason, RunId};
use crate::plan::{Action, Blocked, NameOrder, Operation};
use crate::progress::Progress;
use crate::scim::{AppWrite, CallError, FailureClass};
use crate::store::{AppTakes, Effect, FailureNote, Neighbours, State, StoreError, TenantMark, UserRow};
use breaker::{Breaker, FailureVerdict};
use ending::RunEnding;
use found::RunFindings;
use known::PriorKnowledge;

/// Operations that are begun for each call that may be under way: while those wait for their answers, the next ones' intents
/// reach the disk, several at a time. After a kill each of them has to be looked up, before any leaver: so not more.
const BEGUN_PER_CALL: usize = 4;

/// How an operation went: carried out, or held; or what stood in its way.
pub type OpResult = Result<OpOutcome, Obstacle>;

/// Why a run ended before its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStop {
    /// App or directory no longer takes its credential, or the app's address is wrong: nothing will work.
    Target(String),
    /// The app failed too often in a row.
    Breaker(String),
    /// The app answers, and failed at every call of this plan.
    Failing(String),
    /// What had to be known for the rest could not be read.
    Cut(String),
    /// Somebody asked.
    Asked,
    /// Somebody paused the tenant while the run was under way: who, when and why.
    Paused(String),
}

impl RunStop {
    /// The end of a run by a call after which no other will work.
    pub(crate) fn of(error: &CallError) -> Self {
        Self::Target(match error.class {
            FailureClass::Unauthorized => {
                format!("the app no longer accepts the token ({error}); nothing more was sent")
            }
            FailureClass::LoginRefused | FailureClass::LoginFailed => format!("{error}; nothing more was sent"),
            FailureClass::Untrusted => format!("no TLS connection to the app: {error}; nothing more was sent"),
            _ => format!("the app's address is not what it should be ({error}); nothing more was sent"),
        })
    }
}

impl RunStop {
    /// The end of a run in which the app failed at everything it was asked for.
    fn of_failing(kinds: &[Op], said: &str) -> Self {
        let names: Vec<&str> = kinds.iter().map(|op| op.name()).collect();
        Self::Failing(format!(
            "the app failed at every call ({}; the last answer: {said}); the rest waits for the next run",
            names.join(", ")
        ))
    }
}

impl std::fmt::Display for RunStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target(why) | Self::Breaker(why) | Self::Failing(why) => f.write_str(why),
            Self::Cut(why) => write!(f, "{why}; the changes that were already sent stay"),
            Self::Asked => f.write_str("interrupted; the calls in progress were finished"),
            Self::Paused(mark) => write!(f, "paused {mark}; the calls in progress were finished, nothing more is sent"),
        }
    }
}

/// What became of a plan.
#[derive(Debug)]
pub struct ApplyOutcome {
    /// For each operation, in the plan's order.
    pub results: Vec<OpResult>,
    /// Why it ended early.
    pub stop: Option<RunStop>,
    /// Whether links ended or began that no operation stands for: an object was gone from the app, or there all along.
    pub links_differ: bool,
}

/// Judges absences again, just before they are acted on.
#[async_trait]
pub trait Recheck: Send + Sync {
    /// For each object that a plan believes absent: whether it still is.
    async fn still_absent(&self, objects: &[ObjectRef]) -> Vec<bool>;
}

/// What a run needs beside the plan.
pub struct Run<'a> {
    /// Its id.
    pub id: RunId,
    /// The app.
    pub app: &'a dyn AppWrite,
    /// The state.
    pub state: &'a dyn State,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Judges absences again.
    pub recheck: &'a dyn Recheck,
    /// The last look before a call.
    pub gate: &'a Gate,
    /// Attributes pushed only when the directory's value changes.
    pub on_source_change: &'a [Path],
    /// What the app is like.
    pub profile: &'a Profile,
    /// Whether a group is made that has no members yet.
    pub create_empty: bool,
    /// How many calls at once.
    pub in_flight: usize,
    /// How failures are repeated.
    pub repeat: Repeat,
    /// Set when no further call may begin.
    pub stop: &'a CancellationToken,
    /// A pause that is known and does not concern this run; any other ends it before its next call.
    pub known_pause: Option<TenantMark>,
    /// Whose turn it is to call the app.
    pub turns: &'a Turns,
    /// Hears of each operation that ended.
    pub progress: &'a dyn Progress,
    /// What this machine knows of the app's accounts beside the state.
    pub neighbours: &'a dyn Neighbours,
    /// Which accounts may be adopted without approval.
    pub adoptions: Adoptions,
}

/// Carries a cleared plan out.
///
/// # Errors
/// When the state can't be written: no call is made whose intent is not on the disk.
pub async fn apply(cleared: &Cleared, run: &Run<'_>) -> Result<ApplyOutcome, StoreError> {
    let allowed = run.app.members_per_call();
    let takes = run.state.app_takes()?;
    let takes = takes.and_then(|takes| takes.believed(u32::try_from(allowed).unwrap_or(u32::MAX), run.clock.now()));
    let learned = takes.as_ref().and_then(|takes| takes.members_per_call).map_or(allowed, |most| most as usize);
    let worker = RunWorker {
        run,
        known: PriorKnowledge::of(cleared, run)?,
        found: RunFindings::default(),
        new_groups: new_groups::NewGroups::of(cleared),
        sizes: chunks::Sizes::new(allowed.min(learned)),
        takes: Mutex::new(takes),
        ending: RunEnding::new(run.app, run.stop.child_token()),
        places: Semaphore::new(run.in_flight.max(1)),
        breaker: Breaker::new(run.repeat.breaker_failures),
        answered: created::CreateResponses::default(),
        refusals: parts::Refusals::default(),
        proofs: proof::Proofs::default(),
        composed: composed::Composed::default(),
        cores: core_values::Cores::default(),
    };
    let operations = &cleared.plan().operations;
    let mut results: Vec<OpResult> = operations
        .iter()
        .map(|operation| match &operation.blocked {
            Some(Blocked::Failed(why)) => Err(why.clone()),
            _ => Ok(OpOutcome::Held),
        })
        .collect();
    run.progress.stage("applying", Some(operations.len() as u64));
    if !cleared.is_all_held() {
        worker.note_blocked(operations).await?;
    }
    let order = NameOrder::of(operations);
    let returning = worker.doubt_memberships(cleared).await?;
    let mut is_verified = false;
    for (place, due) in stations(operations, &order) {
        // A group is given no member that the app did not keep.
        let fills_groups = place.0 == Lane::Additions
            && due.iter().filter_map(|&at| operations.get(at)).any(|of| matches!(of.object, ObjectRef::Group(_)));
        if fills_groups && !std::mem::replace(&mut is_verified, true) {
            worker.verify_creates(operations, &mut results).await?;
        }
        let due = worker.ready(cleared, place.0, &order, due, &mut results).await;
        worker.station(operations, &due, &mut results).await?;
    }
    worker.give_names_back(operations, &order, &mut results).await?;
    worker.settle_memberships(cleared, &returning, &mut results).await?;
    if !is_verified {
        worker.verify_creates(operations, &mut results).await?;
    }
    let failing = worker.breaker.nothing_went_well();
    let links_differ = worker.found.links_differ();
    let stop = worker.ending.into_stop().or_else(|| failing.map(|(kinds, said)| RunStop::of_failing(&kinds, &said)));
    Ok(ApplyOutcome { results, stop, links_differ })
}

/// The attributes that give access in an app.
pub fn access(profile: &Profile) -> Vec<Path> {
    profile.attributes.granting_access().cloned().collect()
}

/// The stations of a plan, in order, with their operations: each is finished before the next begins.
fn stations(operations: &[Operation], order: &NameOrder) -> BTreeMap<(Lane, u8, u32), Vec<usize>> {
    let mut all: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for at in 0..operations.len() {
        if let Some(place) = order.place(at) {
            all.entry(place).or_default().push(at);
        }
    }
    all
}

/// What of one lane and phase may be sent: cleared by the guard and, where access ends for an absence, asked about once more. Only
/// [`Worker::ready`] makes one.
struct Due(Vec<usize>);

/// One run's shared hands.
struct RunWorker<'a> {
    run: &'a Run<'a>,
    known: PriorKnowledge,
    found: RunFindings,
    ending: RunEnding<'a>,
    /// What becomes of the groups that this run makes.
    new_groups: new_groups::NewGroups<'a>,
    /// How many members go into one call.
    sizes: chunks::Sizes,
    /// What was learned of calls about members, in this run or before.
    takes: Mutex<Option<AppTakes>>,
    /// The calls under way. More operations than that are begun, so that the next intent is on the disk when a call ends.
    places: Semaphore,
    /// Which kinds of change are not tried any more.
    breaker: Breaker,
    /// What the app answered creates with.
    answered: created::CreateResponses,
    /// Which attributes the app refuses.
    refusals: parts::Refusals,
    /// What the app's answers to changes are worth.
    proofs: proof::Proofs,
    /// Which values the app writes in its own way when it creates an account.
    composed: composed::Composed,
    /// Whether creates that the app refuses are taken without a part of their attributes.
    cores: core_values::Cores,
}

impl RunWorker<'_> {
    /// What of a station may be sent now.
    async fn ready(
        &self,
        cleared: &Cleared,
        lane: Lane,
        order: &NameOrder,
        due: Vec<usize>,
        results: &mut [OpResult],
    ) -> Due {
        let operations = &cleared.plan().operations;
        let due = due.into_iter().filter(|&at| cleared.allows(at)).collect();
        let due = self.whose_name_is_free(operations, order, due, results);
        Due(match lane {
            Lane::Leavers | Lane::Absences => self.judge_again(operations, due, results).await,
            Lane::Additions | Lane::Removals => due,
        })
    }

    /// Operations of one lane and phase, several at once. Those on one object go one after the other.
    async fn station(
        &self,
        operations: &[Operation],
        Due(due): &Due,
        results: &mut [OpResult],
    ) -> Result<(), StoreError> {
        let mut by_object: Vec<Vec<usize>> = Vec::new();
        let mut place: HashMap<&ObjectRef, usize> = HashMap::new();
        for &at in due {
            let Some(operation) = operations.get(at) else { continue };
            let slot = *place.entry(&operation.object).or_insert_with(|| {
                by_object.push(Vec::new());
                by_object.len() - 1
            });
            if let Some(chain) = by_object.get_mut(slot) {
                chain.push(at);
            }
        }
        // Those that failed before come last: they must not use up the patience with the app before others had their turn.
        by_object.sort_by_key(|chain| {
            let object = chain.first().and_then(|&at| operations.get(at)).map(|operation| &operation.object);
            object.is_some_and(|object| self.known.failures.contains_key(object))
        });
        if due.iter().all(|&at| operations.get(at).is_some_and(|op| op.phase() == 0)) {
            return self.notes(operations, due, results).await;
        }
        let mut under_way = futures_util::stream::iter(by_object)
            .map(|chain| async move {
                let mut ended = Vec::with_capacity(chain.len());
                for at in chain {
                    if let Some(operation) = operations.get(at) {
                        ended.push((at, self.operation(operation).await));
                        self.run.progress.advance(1);
                    }
                }
                ended
            })
            .buffer_unordered(self.run.in_flight.max(1).saturating_mul(BEGUN_PER_CALL));
        while let Some(ended) = under_way.next().await {
            for (at, result) in ended {
                if let Some(slot) = results.get_mut(at) {
                    *slot = result;
                }
            }
        }
        drop(under_way);
        match self.ending.take_broken() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Operations without a call: adoptions and releases. Many go into one record.
    async fn notes(&self, operations: &[Operation], due: &[usize], results: &mut [OpResult]) -> Result<(), StoreError> {
        if self.is_stopped() {
            self.mark(due, results, &Obstacle::Stopped);
            return Ok(());
        }
        let mut effects = Vec::new();
        // Until these are in the journal, no other tenant of the app links one of them.
        let claim = self.claim(operations, due)?;
        for &at in due {
            let Some(operation) = operations.get(at) else { continue };
            if let Some(why) = created::why_taken(operation, &claim) {
                effects.push(self.failed(operation, &why));
                self.mark(&[at], results, &why);
                continue;
            }
            effects.extend(effects::effects_without_call(operation));
            self.settle(&operation.object, &mut effects);
            if let Some(slot) = results.get_mut(at) {
                *slot = Ok(OpOutcome::Done);
            }
            self.run.progress.advance(1);
        }
        match effects.is_empty() {
            true => Ok(()),
            false => self.run.state.noted(&self.run.id, Reason::LinkedOrReleased, effects).await,
        }
    }

    fn mark(&self, due: &[usize], results: &mut [OpResult], why: &Obstacle) {
        for &at in due {
            if let Some(slot) = results.get_mut(at) {
                *slot = Err(why.clone());
            }
        }
    }

    /// Asks once more about everybody who is to lose access for being absent. Whoever is there again is left alone.
    async fn judge_again(&self, operations: &[Operation], due: Vec<usize>, results: &mut [OpResult]) -> Vec<usize> {
        let objects: Vec<ObjectRef> =
            due.iter().filter_map(|&at| operations.get(at)).map(|operation| operation.object.clone()).collect();
        if objects.is_empty() || self.is_stopped() {
            return due;
        }
        let verdicts = self.run.recheck.still_absent(&objects).await;
        let mut still = Vec::with_capacity(due.len());
        for (at, absent) in due.into_iter().zip(verdicts) {
            match absent {
                true => still.push(at),
                false => self.mark(&[at], results, &Obstacle::ThereAgain),
            }
        }
        still
    }

    /// Conflicts found while planning are failures of their objects, with a next try. Whoever waits for a decision before
    /// they have an account is looked up less and less often, too.
    async fn note_blocked(&self, operations: &[Operation]) -> Result<(), StoreError> {
        let now = self.run.clock.now();
        let effects: Vec<Effect> = operations
            .iter()
            .filter_map(|operation| match &operation.blocked {
                Some(Blocked::Failed(why)) => Some((operation, why)),
                Some(Blocked::Conflict(why)) => Some((operation, why)),
                Some(Blocked::Held(why)) if operation.app_id.is_none() => Some((operation, why)),
                _ => None,
            })
            // The same again before their time would only lengthen the journal.
            .filter(|(operation, why)| {
                let note = self.known.failures.get(&operation.object);
                note.is_none_or(|note| note.reason != **why || note.next_try <= now)
            })
            .map(|(operation, why)| self.failed(operation, why))
            .collect();
        match effects.is_empty() {
            true => Ok(()),
            false => self.run.state.noted(&self.run.id, Reason::SetAside, effects).await,
        }
    }

    fn is_stopped(&self) -> bool {
        if self.run.stop.is_cancelled() {
            self.ending.stop(RunStop::Asked);
        }
        if let Some(mark) = self.run.state.paused().filter(|mark| self.run.known_pause.as_ref() != Some(mark)) {
            self.ending.stop(RunStop::Paused(mark.to_string()));
        }
        self.ending.is_over()
    }

    /// Whether a failed call says something about its object: not when the run as a whole ended.
    fn blames_object(&self) -> bool {
        !self.run.stop.is_cancelled() && self.ending.is_the_apps()
    }

    /// The end of a link that leads nowhere: the next run looks the object up and makes it anew.
    fn unlinked(&self, object: &ObjectRef) -> Effect {
        self.found.note_links_differ();
        match object {
            ObjectRef::User(id) => Effect::UserUnlinked { id: id.clone() },
            ObjectRef::Group(id) => Effect::GroupUnlinked { id: id.clone() },
        }
    }

    /// The state failed: nothing more may be sent.
    fn broke(&self, error: StoreError) -> OpResult {
        let text = error.to_string();
        self.ending.broke(error);
        Err(Obstacle::Text(text))
    }

    /// An object is in step again: its note goes.
    fn settle(&self, object: &ObjectRef, effects: &mut Vec<Effect>) {
        if self.known.failures.contains_key(object) && !self.found.has_failed(object) {
            effects.push(Effect::Settled { object: object.clone() });
        }
    }

    /// The note of a failure: 5 minutes after the first, twice as long each time, a day at most.
    fn failed(&self, operation: &Operation, reason: &Obstacle) -> Effect {
        self.failed_for(operation, reason, None)
    }

    /// As [`Worker::failed`], where an account of the app stands in the way.
    fn failed_for(&self, operation: &Operation, reason: &Obstacle, found: Option<AppId>) -> Effect {
        self.failed_object((&operation.object, &operation.name), reason, found)
    }

    /// The same of an object and its name, for which this run has no operation.
    fn failed_object(&self, (object, name): (&ObjectRef, &str), reason: &Obstacle, found: Option<AppId>) -> Effect {
        self.found.note_failed(object);
        let attempts = self.known.failures.get(object).map_or(0, |note| note.attempts).saturating_add(1);
        let minutes = 5_i64.saturating_mul(1 << (attempts - 1).min(9)).min(24 * 60);
        let now = self.run.clock.now();
        let next_try = now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX);
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        let note = FailureNote { reason: reason.clone(), attempts, next_try, found, name };
        Effect::Failed { object: object.clone(), note }
    }

    /// Notes that a call failed, and heeds what many failures mean.
    fn note_failure(&self, operation: &Operation, error: &CallError) {
        let verdict = match &operation.action {
            Action::AddMembers { users } | Action::RemoveMembers { users, .. } => match users.as_slice() {
                // One member is the object: the same one may fail in many groups.
                [one] => self.breaker.failed(operation.op(), &ObjectRef::User(one.id.clone()), error),
                several if chunks::can_be_cut(error, several.len()) => {
                    self.breaker.failed_in_parts(operation.op(), &operation.object);
                    FailureVerdict::GoOn
                }
                _ => self.breaker.failed(operation.op(), &operation.object, error),
            },
            _ => self.breaker.failed(operation.op(), &operation.object, error),
        };
        match verdict {
            FailureVerdict::GoOn => {}
            FailureVerdict::KindClosed => {
                let (op, failures) = (operation.op().name(), self.run.repeat.breaker_failures);
                tracing::warn!(
                    op,
                    failures,
                    "the app fails at this kind of change; the rest of it waits for the next run"
                );
            }
            FailureVerdict::Unreachable => self.ending.stop(RunStop::Breaker(format!(
                "the app did not answer to calls about {} objects in a row, of more than one kind; the rest waits for the next run",
                self.run.repeat.breaker_failures
            ))),
        }
    }

    /// Whether the operation may still be sent, by what the state says at this moment.
    fn last_look(&self, operation: &Operation) -> Result<Result<(), Obstacle>, StoreError> {
        let row = match &operation.object {
            ObjectRef::User(id) if operation.op() != Op::CreateUser => match self.run.state.user(id)? {
                None => return Ok(Err(Obstacle::NotLinked)),
                row => row,
            },
            _ => None,
        };
        Ok(match &row {
            // They go on with the old account until they have another.
            Some(UserRow { replaced: Some(of), .. })
                if self.known.coming.contains(of) && self.run.state.user(of)?.is_none() =>
            {
                Err(Obstacle::NoReplacement)
            }
            Some(row) => self.run.gate.admit(operation, Some(&row.app_id), &[&row.sent, &row.echo]),
            None => self.run.gate.admit(operation, operation.app_id.as_ref(), &[]),
        })
    }

    /// Whether an operation would give something to a user whose access ended while the run went on.
    fn has_left(&self, operation: &Operation) -> bool {
        let is_user = matches!(operation.object, ObjectRef::User(_));
        is_user && !operation.op().takes_access() && self.run.turns.has_left(operation.object.id())
    }

    async fn operation(&self, operation: &Operation) -> OpResult {
        if self.is_stopped() {
            return Err(Obstacle::Stopped);
        }
        if let Some(objects) = self.breaker.closed(operation.op()) {
            return Err(Obstacle::TooManyFailed { objects: objects as u64, op: operation.op() });
        }
        if self.has_left(operation) {
            return Err(Obstacle::HasLeft);
        }
        let creates = matches!(operation.op(), Op::CreateUser | Op::CreateGroup);
        if creates && self.known.unresolved.contains(&operation.object) {
            return Err(Obstacle::Unresolved);
        }
        match self.last_look(operation) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(why),
            Err(error) => return self.broke(error),
        }
        match &operation.action {
            // On the heap: a state machine that holds the largest of these in line would fill a thread's stack.
            Action::CreateGroup { display_name, first } => {
                Box::pin(self.new_group(operation, display_name, first)).await
            }
            Action::AddMembers { users } => Box::pin(self.members(operation, users, true)).await,
            Action::RemoveMembers { users, .. } => Box::pin(self.members(operation, users, false)).await,
            _ => Box::pin(self.single(operation)).await,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
