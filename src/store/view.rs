//! Rows read as people and groups: what [`Baseline`] answers, whatever the rows lie in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;

use super::baseline::{AccessLoss, Activated, Baseline, GroupRow, LetGo, LinkCounts, TakenBack, UserRow};
use super::effect::AppTakes;
use super::error::StoreError;
use super::fold::{Meta, damaged, decode_number, decode_user, get_block, get_json};
use super::keys;
use super::numbers::BLOCK_SIZE;
use super::record::{ClockMark, FailureNote, GuardSettings, RunSummary, SettingsMark};
use super::rows::{Rows, RowsError};
use super::tail::Tail;
use crate::model::{AddressMark, AppId, ObjectRef, SnapshotCounts, SourceId, StatusSign, UserNumber};

/// How many rows are fetched at once: enough to make a scan fast, few enough that memory stays flat.
const PAGE: usize = 512;

/// Something with rows in it. Whatever has this is a [`Baseline`].
pub(super) trait HasRows: Send + Sync {
    /// Reads rows. The closure may be run twice: rows found damaged are folded anew from the journal in between.
    fn with_rows<T>(&self, read: impl Fn(&dyn Rows) -> Result<T, RowsError>) -> Result<T, StoreError>;

    /// What is known without rows.
    fn with_tail<T>(&self, read: impl Fn(&Tail) -> T) -> T;
}

fn text(bytes: &[u8], key: &[u8]) -> Result<SourceId, RowsError> {
    std::str::from_utf8(bytes).map(SourceId::from).map_err(|_| damaged(key))
}

fn get_id(rows: &dyn Rows, key: &[u8]) -> Result<Option<SourceId>, RowsError> {
    rows.get(key)?.map(|id| text(&id, key)).transpose()
}

fn id_after(prefix: &[u8], key: &[u8]) -> Result<SourceId, RowsError> {
    text(key.strip_prefix(prefix).ok_or_else(|| damaged(key))?, key)
}

/// Goes through all rows of a prefix, a page at a time. A page is decoded before any of it is handed out, so that a page with
/// a damaged row can be fetched again and nobody is seen twice.
fn pages<T>(
    store: &impl HasRows,
    prefix: &[u8],
    mut after: Option<Vec<u8>>,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, RowsError>,
    mut each: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    loop {
        let page = store.with_rows(|rows| {
            let page = rows.page(prefix, after.as_deref(), PAGE)?;
            let last = page.last().map(|(key, _)| key.clone());
            let decoded = page.iter().map(|(key, value)| decode(key, value)).collect::<Result<Vec<T>, _>>()?;
            Ok(last.map(|last| (last, decoded)))
        })?;
        let Some((last, decoded)) = page else { return Ok(()) };
        after = Some(last);
        if decoded.into_iter().try_for_each(&mut each).is_break() {
            return Ok(());
        }
    }
}

fn collect<T>(
    store: &impl HasRows,
    prefix: &[u8],
    after: Option<Vec<u8>>,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, RowsError>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    pages(store, prefix, after, decode, |one| {
        all.push(one);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

fn members(rows: &dyn Rows, prefix: &[u8]) -> Result<Vec<UserNumber>, RowsError> {
    let mut all = Vec::new();
    // One row a block of the number space; a longer id shares no prefix, since its length comes first.
    for (key, value) in rows.page(prefix, None, usize::MAX)? {
        let at = keys::block_of(&key).ok_or_else(|| damaged(&key))?;
        let mut block = get_block(Some(&value), &key)?.ok_or_else(|| damaged(&key))?;
        if let Some(dead) = get_block(rows.get(&keys::dead_block(at))?.as_deref(), &key)? {
            block.subtract(&dead);
        }
        all.extend(block.iter().map(|place| UserNumber(at * BLOCK_SIZE + place)));
    }
    Ok(all)
}

impl<S: HasRows> Baseline for S {
    fn user(&self, id: &SourceId) -> Result<Option<UserRow>, StoreError> {
        let key = keys::user(id);
        self.with_rows(|rows| rows.get(&key)?.map(|bytes| decode_user(&bytes)).transpose())
    }

    fn user_by_number(&self, number: UserNumber) -> Result<Option<SourceId>, StoreError> {
        let key = keys::number(number);
        self.with_rows(|rows| get_id(rows, &key))
    }

    fn number_of(&self, id: &SourceId) -> Result<Option<UserNumber>, StoreError> {
        let key = keys::user(id);
        self.with_rows(|rows| rows.get(&key)?.map(|bytes| decode_number(&bytes)).transpose())
    }

    fn user_by_app_id(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError> {
        let key = keys::app_user(app_id);
        self.with_rows(|rows| get_id(rows, &key))
    }

    fn linked_before(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError> {
        let key = keys::linked_before(app_id);
        self.with_rows(|rows| get_id(rows, &key))
    }

    fn group(&self, id: &SourceId) -> Result<Option<GroupRow>, StoreError> {
        let key = keys::group(id);
        self.with_rows(|rows| get_json(rows.get(&key)?.as_deref(), &key))
    }

    fn group_by_app_id(&self, app_id: &AppId) -> Result<Option<SourceId>, StoreError> {
        let key = keys::app_group(app_id);
        self.with_rows(|rows| get_id(rows, &key))
    }

    fn last_release(&self, app_id: &AppId) -> Result<Option<LetGo>, StoreError> {
        let key = keys::let_go(app_id);
        self.with_rows(|rows| get_json(rows.get(&key)?.as_deref(), &key))
    }

    fn groups_let_go(&self) -> Result<Vec<(AppId, LetGo)>, StoreError> {
        let all: Vec<(AppId, LetGo)> = collect(self, keys::LET_GO, None, |key, value| {
            let let_go = get_json(Some(value), key)?.ok_or_else(|| damaged(key))?;
            Ok((AppId::new(id_after(keys::LET_GO, key)?.as_str()), let_go))
        })?;
        let mut free = Vec::with_capacity(all.len());
        for (app_id, let_go) in all {
            if self.group_by_app_id(&app_id)?.is_none() {
                free.push((app_id, let_go));
            }
        }
        Ok(free)
    }

    fn groups(&self) -> Result<Vec<(SourceId, GroupRow)>, StoreError> {
        collect(self, keys::GROUPS, None, |key, value| {
            let row = get_json(Some(value), key)?.ok_or_else(|| damaged(key))?;
            Ok((id_after(keys::GROUPS, key)?, row))
        })
    }

    fn members_when_released(&self, app_id: &AppId) -> Result<Vec<UserNumber>, StoreError> {
        let prefix = keys::released_members(app_id);
        self.with_rows(|rows| members(rows, &prefix))
    }

    fn members(&self, group: &SourceId) -> Result<Vec<UserNumber>, StoreError> {
        let prefix = keys::members(group);
        self.with_rows(|rows| members(rows, &prefix))
    }

    fn linked_users(&self, each: &mut dyn FnMut(SourceId, UserRow) -> ControlFlow<()>) -> Result<(), StoreError> {
        let decode = |key: &[u8], value: &[u8]| Ok((id_after(keys::USERS, key)?, decode_user(value)?));
        pages(self, keys::USERS, None, decode, |(id, row)| each(id, row))
    }

    fn failures(&self) -> Result<Vec<(ObjectRef, FailureNote)>, StoreError> {
        if let Some(known) = self.with_tail(Tail::failures) {
            return Ok(known);
        }
        let note = |key: &[u8], value: &[u8]| get_json::<FailureNote>(Some(value), key)?.ok_or_else(|| damaged(key));
        let mut all = collect(self, keys::FAILED_USERS, None, |key, value| {
            Ok((ObjectRef::User(id_after(keys::FAILED_USERS, key)?), note(key, value)?))
        })?;
        all.extend(collect(self, keys::FAILED_GROUPS, None, |key, value| {
            Ok((ObjectRef::Group(id_after(keys::FAILED_GROUPS, key)?), note(key, value)?))
        })?);
        Ok(all)
    }

    fn lost_since(&self, since: Timestamp) -> Result<Vec<AccessLoss>, StoreError> {
        // An id follows the time in every key, so none is equal to this one and "after" leaves nobody out.
        let after = keys::lost_from(since);
        collect(self, keys::LOST, Some(after), |key, _| {
            let (at, user) = keys::parse_lost(key).ok_or_else(|| damaged(key))?;
            Ok(AccessLoss { at, user })
        })
    }

    fn activated_since(&self, since: Timestamp) -> Result<Vec<Activated>, StoreError> {
        let after = keys::activated_from(since);
        collect(self, keys::ACTIVATED, Some(after), |key, _| {
            let (at, user) = keys::parse_activated(key).ok_or_else(|| damaged(key))?;
            Ok(Activated { at, user })
        })
    }

    fn reduced_since(&self, since: Timestamp) -> Result<BTreeMap<SourceId, u64>, StoreError> {
        let mut all = BTreeMap::new();
        let each = collect(self, keys::REDUCED, Some(keys::reduced_from(since)), |key, value| {
            let group = keys::parse_reduced(key).ok_or_else(|| damaged(key))?;
            let members: u64 = get_json(Some(value), key)?.ok_or_else(|| damaged(key))?;
            Ok((group, members))
        })?;
        for (group, members) in each {
            *all.entry(group).or_default() += members;
        }
        Ok(all)
    }

    fn own_account(&self) -> Result<Option<Option<AppId>>, StoreError> {
        self.with_rows(|rows| get_json(rows.get(keys::OWN)?.as_deref(), keys::OWN))
    }

    fn app_takes(&self) -> Result<Option<AppTakes>, StoreError> {
        self.with_rows(|rows| get_json(rows.get(keys::TAKES)?.as_deref(), keys::TAKES))
    }

    fn counts(&self) -> Result<LinkCounts, StoreError> {
        self.with_rows(|rows| Ok(Meta::read(rows)?.counts()))
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, StoreError> {
        let mut all = collect(self, keys::RUNS, None, |key, value| {
            get_json::<RunSummary>(Some(value), key)?.ok_or_else(|| damaged(key))
        })?;
        all.reverse();
        all.truncate(limit);
        Ok(all)
    }

    fn last_counts(&self) -> Option<SnapshotCounts> {
        self.with_tail(|tail| tail.counts)
    }

    fn last_reading(&self) -> Option<Duration> {
        self.with_tail(|tail| tail.reading_s).map(Duration::from_secs)
    }

    fn last_signs(&self) -> Option<BTreeSet<StatusSign>> {
        self.with_tail(|tail| tail.signs.clone())
    }

    fn last_dangling(&self) -> Option<u64> {
        self.with_tail(|tail| tail.dangling)
    }

    fn last_settings(&self) -> Option<SettingsMark> {
        self.with_tail(|tail| tail.settings)
    }

    fn last_guard(&self) -> Option<GuardSettings> {
        self.with_tail(|tail| tail.guard.as_deref().cloned())
    }

    fn last_addresses(&self) -> Option<AddressMark> {
        self.with_tail(|tail| tail.addresses.clone())
    }

    fn taken_back(&self) -> Result<Vec<TakenBack>, StoreError> {
        collect(self, keys::TAKEN_BACK, None, |key, value| get_json(Some(value), key)?.ok_or_else(|| damaged(key)))
    }

    fn is_any_taken_back(&self) -> bool {
        self.with_tail(|tail| tail.taken_back)
    }

    fn last_clock(&self) -> Option<ClockMark> {
        self.with_tail(|tail| tail.clock.clone())
    }

    fn losses_unknown_at(&self) -> Option<Timestamp> {
        self.with_tail(|tail| tail.losses_unknown_at)
    }

    fn groups_were_off(&self) -> bool {
        self.with_tail(|tail| tail.groups_off)
    }

    fn first_sync_waits(&self) -> bool {
        self.with_tail(|tail| !tail.was_synced)
    }

    fn last_approved(&self) -> Option<String> {
        self.with_tail(|tail| tail.approved.clone())
    }
}
