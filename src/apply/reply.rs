//! What a call is made with, and what it came to. The module holds values and takes nothing but the app's answers; it must not depend on which
//! operation the call belongs to.

use super::OpResult;
use crate::config::profile::{MemberValue, Profile};
use crate::model::{AppId, Attributes, Obstacle};
use crate::scim::{CallError, Created, MemberKeys, Shown};
use crate::store::{Effect, OutcomeResult};

/// What a call is made with, beside its operation.
pub(super) struct CallTarget {
    pub(super) app_id: Option<AppId>,
    pub(super) manager: Option<AppId>,
    /// The members a group is made with.
    pub(super) members: Vec<MemberKeys>,
    /// How the app refused the group, if it did: with members, without, or both.
    pub(super) refusal: Option<Obstacle>,
}

/// What a call that went well told us.
pub(super) enum CallReply {
    Nothing,
    /// What the answer shows, not judged yet.
    Shown(Box<Shown>),
    /// What the app holds instead of what was sent, where that is another way of writing it.
    Echo(Attributes),
    Created(Created),
    /// The create was not answered; this is what it made.
    Found(AppId),
}

/// How one call ended, after all its repetitions.
pub(super) enum CallEnd {
    Well(CallReply),
    Badly(CallError),
}

/// What an operation came to: for the journal, for the state, for the report.
pub(super) type Accepted = (OutcomeResult, Vec<Effect>, OpResult);

/// What the journal says of a call that failed.
pub(super) fn outcome_of(error: &CallError, reason: &str) -> OutcomeResult {
    match error.maybe_done {
        true => OutcomeResult::Unknown { detail: reason.to_owned() },
        false => OutcomeResult::Failed { status: error.status, detail: reason.to_owned() },
    }
}

/// Whether the app tells who is in a group, by the ids it gave them.
pub(super) fn shows_members(profile: &Profile) -> bool {
    profile.read.members_readable && profile.groups.member_value == MemberValue::Id
}
