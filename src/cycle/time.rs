//! Whether the machine's clock can be trusted. It takes the wall clock, the time since the machine's start, the app's `Date` and what the
//! last trusted run wrote down. It gives what speaks against the clock, and the time by which the rolling limits may be refilled.

use jiff::{SignedDuration, Timestamp};

use super::CycleJob;
use crate::clock::Clock;
use crate::model::{ClockDoubt, Op};
use crate::plan::Plan;
use crate::scim::AppRead;
use crate::store::{ClockMark, StateView};

/// Two clocks that differ by no more say the same.
const AGREE: SignedDuration = SignedDuration::from_mins(5);

/// What speaks against the clock now, if anything does.
pub(crate) fn doubt(clock: &dyn Clock, reader: &dyn AppRead, state: &dyn StateView) -> Option<ClockDoubt> {
    let now = clock.now();
    let theirs = reader.time();
    if let Some(theirs) = theirs {
        let ahead = now.duration_since(theirs);
        if ahead.abs() > AGREE {
            return Some(ClockDoubt::AppDiffers { ahead_s: ahead.as_secs() });
        }
    }
    let before = state.last_clock();
    match jump(clock, before.as_ref()) {
        Some(jump) if jump.abs() > AGREE => Some(ClockDoubt::Jumped { by_s: jump.as_secs() }),
        Some(_) => None,
        // A state without any run has nothing that could be old.
        None if theirs.is_some() || state.last_counts().is_none() => None,
        None => Some(ClockDoubt::NoEvidence),
    }
}

/// How far the wall clock went beside the time that passed; `None` where that can't be told.
fn jump(clock: &dyn Clock, before: Option<&ClockMark>) -> Option<SignedDuration> {
    let (before, steady) = before.zip(clock.steady())?;
    if before.boot.as_deref() != Some(steady.boot.as_str()) {
        return None;
    }
    let passed = i64::try_from(steady.seconds).ok()?.checked_sub(i64::try_from(before.steady).ok()?)?;
    clock.now().duration_since(before.at).checked_sub(SignedDuration::from_secs(passed))
}

/// The time by which the rolling limits are counted: of a clock in doubt no more than the last time that could be trusted.
pub(crate) fn refilled_until(clock: &dyn Clock, reader: &dyn AppRead, state: &dyn StateView) -> Timestamp {
    let now = clock.now();
    match (doubt(clock, reader, state), state.last_clock()) {
        (None, _) => now,
        (Some(_), Some(before)) => now.min(before.at),
        (Some(_), None) => Timestamp::UNIX_EPOCH,
    }
}

/// What a run writes down of the clocks. After a jump the clock is trusted again as soon as the app's agrees with it, or somebody approved
/// what was held for it: by the run after this one.
pub(super) fn mark(job: &CycleJob<'_>, approved: bool) -> (Option<ClockMark>, bool) {
    let doubt = doubt(job.clock, job.reader, job.state);
    let trusted = match doubt {
        None => true,
        Some(ClockDoubt::AppDiffers { .. }) => false,
        Some(ClockDoubt::Jumped { .. } | ClockDoubt::NoEvidence) => job.reader.time().is_some() || approved,
    };
    let mark = || {
        let steady = job.clock.steady();
        let seconds = steady.as_ref().map_or(0, |steady| steady.seconds);
        ClockMark { at: job.clock.now(), boot: steady.map(|steady| steady.boot), steady: seconds }
    };
    (trusted.then(mark), doubt.is_some())
}

/// Whether it makes a difference for the rolling limits that the clock is in doubt: some removal is older than a day by this clock alone.
fn counts_otherwise(job: &CycleJob<'_>) -> bool {
    let day_before = |time: Timestamp| time.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    let (here, doubted) = (day_before(job.clock.now()), day_before(refilled_until(job.clock, job.reader, job.state)));
    let lost = |since| job.state.lost_since(since).map(|lost| lost.len());
    let reduced = |since| job.state.reduced_since(since);
    let same = match (lost(here), lost(doubted), reduced(here), reduced(doubted)) {
        (Ok(here), Ok(doubted), Ok(reduced_here), Ok(reduced_doubted)) => {
            here == doubted && reduced_here == reduced_doubted
        }
        _ => false,
    };
    !same
}

/// Asks the app for one account, for the `Date` of its answer, where a plan deletes what waited for a time, or takes access while the
/// limits depend on a clock that nothing else shows to be right. One read a run at most, and none in a quiet one.
pub(super) async fn ask(job: &CycleJob<'_>, plan: &Plan) {
    if job.reader.time().is_some() {
        return;
    }
    let deletes = |op: Op| op == Op::DeleteUser && job.rules.delete_after.is_some();
    let unsure = doubt(job.clock, job.reader, job.state).is_some() && counts_otherwise(job);
    let asks = |op: Op| deletes(op) || (unsure && op.takes_access());
    let account = plan.operations.iter().filter(|operation| asks(operation.op())).find_map(|operation| {
        let is_user = matches!(operation.object, crate::model::ObjectRef::User(_));
        operation.app_id.as_ref().filter(|_| is_user)
    });
    if let Some(account) = account
        && let Err(error) = job.reader.get_user(account, &[]).await
    {
        tracing::debug!(class = ?error.class, "the app was asked for the time and did not answer");
    }
}
