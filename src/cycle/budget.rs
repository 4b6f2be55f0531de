//! What the rolling limits count. It takes the state. It gives who lost access lately, who has it again, and who was activated.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Op, SourceId};
use crate::store::{StateView, StoreError};

/// An activation gives back what a run took so long ago at most.
const GIVES_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Losses and activations of the last days.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// When each user lost access last in the last 24 hours.
    pub(super) lost: BTreeMap<SourceId, Timestamp>,
    /// Of these, how many have an active account now.
    pub(super) lost_but_active: u64,
    /// Of these, the ones activated since.
    pub(super) returned: BTreeSet<SourceId>,
    /// How many losses of the last 24 hours hit a user who had got access back since an earlier one.
    pub(super) lost_again: u64,
    /// Users who lost access in the last seven days.
    pub(super) lost_lately: BTreeSet<SourceId>,
    /// Users activated in the last 24 hours to whom that gave back nothing which a run had taken.
    pub(super) activated: BTreeSet<SourceId>,
}

impl Lately {
    pub(super) fn of(state: &dyn StateView, now: Timestamp) -> Result<Self, StoreError> {
        let before = |time: SignedDuration| now.saturating_sub(time).unwrap_or_default();
        let day_ago = before(SignedDuration::from_hours(24));
        let losses = state.lost_since(before(GIVES_BACK + SignedDuration::from_hours(24)))?;
        let mut lately = Self::default();
        let mut lost_at: BTreeMap<&SourceId, Vec<Timestamp>> = BTreeMap::new();
        for lost in &losses {
            lost_at.entry(&lost.user).or_default().push(lost.at);
            if lost.at >= day_ago {
                lately.lost.insert(lost.user.clone(), lost.at);
            }
            if lost.at >= before(GIVES_BACK) {
                lately.lost_lately.insert(lost.user.clone());
            }
        }
        for activated in state.activated_since(day_ago)? {
            let (user, at) = (activated.user, activated.at);
            let taken = lost_at.get(&user).map(Vec::as_slice).unwrap_or_default();
            if taken.iter().any(|lost| *lost <= at && at.duration_since(*lost) <= GIVES_BACK) {
                lately.lost_again += u64::from(
                    taken.iter().any(|lost| *lost >= day_ago && *lost <= at) && taken.iter().any(|lost| *lost > at),
                );
            } else {
                lately.activated.insert(user.clone());
            }
            if lately.lost.get(&user).is_some_and(|lost| *lost <= at) {
                lately.returned.insert(user);
            }
        }
        let unanswered = state.open_intents().into_iter().filter(|open| open.intent.op == Op::ActivateUser);
        let unanswered = unanswered.map(|open| open.intent.object.id().clone());
        lately.activated.extend(unanswered.filter(|user| !lately.lost_lately.contains(user)));
        for user in lately.lost.keys() {
            let is_active = state.user(user)?.is_some_and(|row| row.active != Some(false));
            lately.lost_but_active += u64::from(is_active);
        }
        Ok(lately)
    }
}
