//! What we last knew the app to hold. Read by `plan`; written only by folding the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::effect::{AppTakes, FailureNote, UndoneEffect};
use super::error::StoreError;
use super::record::{ClockMark, GuardSettings, RunSummary, SettingsMark};
use crate::model::{
    AddressMark, AppId, Attributes, ObjectRef, Path, Provenance, RunId, SnapshotCounts, SourceId, StatusSign,
    UserNumber,
};

/// A linked person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRow {
    /// The person's number in membership sets. It stands before the rest of a row.
    #[serde(skip)]
    pub number: UserNumber,
    /// The account.
    pub app_id: AppId,
    /// Created or adopted.
    pub provenance: Provenance,
    /// Whether the account is active in the app; `None` while nobody has sent or seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// What the account was last given (or, for an adopted one, seen to hold).
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub sent: Attributes,
    /// What the app answered where that differs from `sent`.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub echo: Attributes,
    /// The directory's values at which `on_source_change` attributes were last pushed.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub source_seen: Attributes,
    /// Since when the person is absent from complete snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_since: Option<Timestamp>,
    /// Since when the account is switched off by our doing; the grace before a deletion counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since: Option<Timestamp>,
    /// Whose account this was, if it was replaced by another: it is to be switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<SourceId>,
    /// Attributes that were seen changed in the app by hand, and not sent since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by_hand: BTreeSet<Path>,
}

/// A linked group. Its members are asked for apart: [`Baseline::members`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The app's group.
    pub app_id: AppId,
    /// Created or adopted.
    pub provenance: Provenance,
    /// Its name in the app, as it was sent or found.
    pub name: String,
    /// How the app shows that name, where it writes names in its own way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// Since when the group is absent from complete snapshots.
    pub missed_since: Option<Timestamp>,
    /// Members of whom nobody knows whether they are in the group: a call about them was not answered, and the app shows no
    /// members. They count as members, and are put in again where they belong.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub doubted: BTreeSet<SourceId>,
    /// Members who were added while their accounts were inactive.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined_inactive: BTreeSet<SourceId>,
    /// Whether group management was off since its members were last known: they are compared with the app before anything is decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwatched: bool,
}

impl GroupRow {
    /// The name on record for one that the app shows now: the app's own way of writing it is no other name.
    pub fn name_of<'a>(&'a self, shown: &'a str) -> &'a str {
        match self.shown.as_deref() {
            Some(known) if known == shown => &self.name,
            _ => shown,
        }
    }
}

/// A group of the app that was linked and then released: it is in the app as rosterd left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// The directory's id that it was linked to.
    pub id: SourceId,
    /// Its name in the app at that time.
    pub name: String,
}

/// How much is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    /// Linked people.
    pub users: u64,
    /// Of these, the ones not known to be inactive in the app.
    pub active: u64,
    /// Linked groups.
    pub groups: u64,
}

/// One end of access, for the rolling budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLoss {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub user: SourceId,
}

/// An account that was off and was activated again by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub user: SourceId,
}

/// Something that an undo put back, and that is not done again for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// What.
    pub what: UndoneEffect,
    /// The run that was taken back.
    pub run: RunId,
    /// The fingerprint of what the directory said of it after the undo; `None` until a run has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
}

/// The read side of the state.
///
/// Every method may block on the disk for a moment. Lists are complete and in the order of their keys. What has no link has
/// no row: memberships of people who are not linked are not kept.
pub trait Baseline: Send + Sync {
    /// A linked person.
    ///
    /// # Errors
    /// Every method fails with [`StoreError`] when the state can't be read; never because a row is absent.
    fn user(&self, id: &SourceId) -> Result<Option<UserRow>, StoreError>;

    /// Whose number this is; `None` for a number whose link has ended.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn user_by_number(&self, number: UserNumber) -> Result<Option<SourceId>, StoreError>;

    /// The number of a linked person: [`Baseline::user`] without reading the row.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn number_of(&self, id: &SourceId) -> Result<Option<UserNumber>, StoreError>;

    /// Which person an account is linked to.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn user_by_app_id(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError>;

    /// Whose account it was when its last link ended; `None` for an account of which no link has ended since this is kept.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn linked_before(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError>;

    /// A linked group.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn group(&self, id: &SourceId) -> Result<Option<GroupRow>, StoreError>;

    /// Which group an app's group is linked to.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn group_by_app_id(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError>;

    /// How an app's group was released the last time, also when it has been linked again since.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn last_release(&self, app_id: &AppId) -> Result<Option<LetGo>, StoreError>;

    /// The release of an app's group that is free since then; `None` for one that was never released, or is linked again.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn group_let_go(&self, app_id: &AppId) -> Result<Option<LetGo>, StoreError> {
        // What is linked is nobody's to take; an undo of the link makes it a released group again.
        Ok(match self.group_by_app_id(app_id)? {
            Some(_) => None,
            None => self.last_release(app_id)?,
        })
    }

    /// Who was in an app's group by our doing when it was released: linked people's numbers, ascending.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn members_when_released(&self, app_id: &AppId) -> Result<Vec<UserNumber>, StoreError>;

    /// All released groups, by the app's id.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn groups_let_go(&self) -> Result<Vec<(AppId, LetGo)>, StoreError>;

    /// All linked groups, by id.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn groups(&self) -> Result<Vec<(SourceId, GroupRow)>, StoreError>;

    /// A group's members by our doing, or found there: linked people's numbers, ascending. Empty for an unknown group.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn members(&self, group: &SourceId) -> Result<Vec<UserNumber>, StoreError>;

    /// Hands every linked person to `each`, by id, until it breaks off. Memory does not grow with their number.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn linked_users(&self, each: &mut dyn FnMut(SourceId, UserRow) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// Everything set aside, people first.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn failures(&self) -> Result<Vec<(ObjectRef, FailureNote)>, StoreError>;

    /// Ends of access at or after an instant, oldest first. Kept for eight days.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn lost_since(&self, since: Timestamp) -> Result<Vec<AccessLoss>, StoreError>;

    /// Accounts activated again at or after an instant, oldest first. Kept for eight days.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn activated_since(&self, since: Timestamp) -> Result<Vec<Activated>, StoreError>;

    /// How many members groups lost at or after an instant. Kept for eight days.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn reduced_since(&self, since: Timestamp) -> Result<BTreeMap<SourceId, u64>, StoreError>;

    /// The account that the token belongs to: `None` while the app was not asked, `Some(None)` where it does not tell.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn own_account(&self) -> Result<Option<Option<AppId>>, StoreError>;

    /// What the app was seen to take in calls about members; `None` where it took whatever it was given.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn app_takes(&self) -> Result<Option<AppTakes>, StoreError>;

    /// How much is linked.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn counts(&self) -> Result<LinkCounts, StoreError>;

    /// The last runs, newest first. The last 200 are kept.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, StoreError>;

    /// What the last accepted snapshot held; `None` before the first.
    fn last_counts(&self) -> Option<SnapshotCounts>;

    /// How long the last accepted reading of the directory took; `None` before the first.
    fn last_reading(&self) -> Option<Duration>;

    /// The signs of suspension that the last accepted reading showed; `None` before the first, and in records of before.
    fn last_signs(&self) -> Option<BTreeSet<StatusSign>>;

    /// How many names of members led nowhere in the last accepted reading; `None` before the first, and in records of before.
    fn last_dangling(&self) -> Option<u64>;

    /// What the tenant file said in the last run that was not held for it; `None` before the first.
    fn last_settings(&self) -> Option<SettingsMark>;

    /// By which guard and approval settings the last run was judged; `None` before the first, and in journals of the first version.
    fn last_guard(&self) -> Option<GuardSettings>;
    /// The addresses of both sides in the last run that was not held for them; `None` before the first, and in records of before.
    fn last_addresses(&self) -> Option<AddressMark>;

    /// What an undo put back and is not done again for now.
    #[expect(clippy::missing_errors_doc, reason = "see Baseline::user")]
    fn taken_back(&self) -> Result<Vec<TakenBack>, StoreError>;

    /// Whether there is any such thing: known without the rows.
    fn is_any_taken_back(&self) -> bool;

    /// What the clocks showed in the last run in which they could be trusted; `None` before the first, and in records of before.
    fn last_clock(&self) -> Option<ClockMark>;

    /// When it was last found unknown who had lost access lately: a state came back that is older than the last removals.
    fn losses_unknown_at(&self) -> Option<Timestamp>;

    /// Whether group management was off in the last run that found it so, and no run has found it on since.
    fn groups_were_off(&self) -> bool;

    /// Whether the tenant's first sync still waits: nobody has approved it, and no run that somebody typed has completed.
    fn first_sync_waits(&self) -> bool;

    /// The plan that was approved last, while no run has ended since.
    fn last_approved(&self) -> Option<String>;
}
