//! What one effect changes: rows of people, groups and memberships. What comes in is an effect; what goes out are pending rows.
//! Rows are read through what is pending.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::super::baseline::{GroupRow, LetGo, TakenBack, UserRow};
use super::super::effect::Effect;
use super::super::keys;
use super::super::numbers::{NumberBlock, split};
use super::super::rows::{Rows, RowsError};
use super::Fold;
use super::row::{decode_number, decode_user, get_block, get_json, unwritable};
use crate::model::{AppId, Attributes, ObjectRef, Provenance, SourceId, UserNumber};

/// One effect being folded: rows are read through what is pending.
pub(super) struct FoldStep<'a> {
    pub(super) fold: &'a mut Fold,
    pub(super) rows: &'a dyn Rows,
    /// When it was written.
    pub(super) at: Timestamp,
    /// All effects of the record.
    pub(super) effects: &'a [Effect],
    /// Whether a group whose link ends here was released.
    pub(super) releases: bool,
    /// Whether what the effects say was seen changed in the app by hand.
    pub(super) by_hand: bool,
    /// Whether it is what became of a call, and not what was found in the app.
    pub(super) calls: bool,
}

impl FoldStep<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        match self.fold.pending.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.rows.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.fold.pending.insert(key, Some(value));
    }

    fn put_json(&mut self, key: Vec<u8>, value: &impl Serialize) -> Result<(), RowsError> {
        self.put(key, serde_json::to_vec(value).map_err(unwritable)?);
        Ok(())
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.fold.pending.insert(key, None);
    }

    pub(super) fn effect(&mut self, effect: &Effect) -> Result<(), RowsError> {
        match effect {
            Effect::UserLinked { id, app_id, provenance } => self.link_user(id, app_id, *provenance),
            Effect::UserSent { id, set, clear, active, echo } => {
                let (at, by_hand) = (self.at, self.by_hand);
                if self.calls && *active == Some(true) && self.user(id)?.is_some_and(|row| row.active == Some(false)) {
                    self.put(keys::activated(at, id), Vec::new());
                }
                self.change_user(id, |row| {
                    for path in set.iter().map(|(path, _)| path).chain(clear) {
                        row.echo.clear(path);
                        match by_hand {
                            true => row.by_hand.insert(path.clone()),
                            false => row.by_hand.remove(path),
                        };
                    }
                    put_all(&mut row.echo, echo);
                    put_all(&mut row.sent, set);
                    for path in clear {
                        row.sent.clear(path);
                    }
                    row.active = active.or(row.active);
                    match active {
                        Some(true) => row.inactive_since = None,
                        // An account that was found switched off has its grace from then on.
                        Some(false) => row.inactive_since = row.inactive_since.or(Some(at)),
                        None => {}
                    }
                })
            }
            Effect::UserSource { id, seen, gone } => self.change_user(id, |row| {
                put_all(&mut row.source_seen, seen);
                for path in gone {
                    row.source_seen.clear(path);
                }
            }),
            Effect::UserRelinked { from, to } => self.relink_user(from, to, None),
            Effect::UserReplaced { from, to } => self.relink_user(from, to, Some(from.clone())),
            Effect::UserUnlinked { id } => self.unlink_user(id),
            Effect::GroupLinked { id, app_id, provenance, name } => self.link_group(id, app_id, *provenance, name),
            Effect::GroupRenamed { id, name } => self.change_group(id, |row| {
                name.clone_into(&mut row.name);
                row.shown = None;
            }),
            Effect::GroupNameShown { id, shown } => self.change_group(id, |row| row.shown = Some(shown.clone())),
            Effect::GroupUnlinked { id } => {
                let released = self.group(id)?.filter(|_| self.releases);
                self.unlink_group(id)?;
                released.map_or(Ok(()), |row| self.let_go(id, &row.app_id, &row.name))
            }
            Effect::GroupLetGo { id, app_id, name } => self.let_go(id, app_id, name),
            Effect::GroupsManaged { .. } => Ok(()),
            Effect::GroupsUnwatched { groups } => {
                groups.iter().try_for_each(|id| self.change_group(id, |row| row.unwatched = true))
            }
            Effect::GroupCompared { id } => self.change_group(id, |row| row.unwatched = false),
            Effect::MembersAdded { group, users } => {
                self.no_more_doubt(group, users)?;
                self.change_members(group, users, NumberBlock::insert)
            }
            Effect::MembersRemoved { group, users } => {
                self.no_more_doubt(group, users)?;
                self.change_members(group, users, NumberBlock::remove)
            }
            Effect::JoinedInactive { group, users } => {
                self.change_group(group, |row| row.joined_inactive.extend(users.iter().cloned()))
            }
            Effect::MembersDoubted { group, users } => {
                self.change_group(group, |row| row.doubted.extend(users.iter().cloned()))?;
                self.change_members(group, users, NumberBlock::insert)
            }
            Effect::Failed { object, note } => self.put_json(keys::failure(object), note),
            Effect::Settled { object } => {
                self.delete(keys::failure(object));
                Ok(())
            }
            Effect::Missed { object: ObjectRef::User(id), since } => {
                self.change_user(id, |row| row.missed_since = *since)
            }
            Effect::Missed { object: ObjectRef::Group(id), since } => {
                self.change_group(id, |row| row.missed_since = *since)
            }
            Effect::OwnAccount { app_id } => self.put_json(keys::OWN.to_vec(), app_id),
            Effect::AppTakes(takes) => self.put_json(keys::TAKES.to_vec(), takes),
            Effect::AccessLost { user, at } => {
                self.put(keys::lost(*at, user), Vec::new());
                self.change_user(user, |row| row.inactive_since = row.inactive_since.or(Some(*at)))
            }
            Effect::AccessReduced { users, at } => {
                users.iter().for_each(|user| self.put(keys::lost(*at, user), Vec::new()));
                Ok(())
            }
            Effect::TakenBack { run, what } => {
                for what in what {
                    let row = TakenBack { what: what.clone(), run: run.clone(), record: None };
                    self.put_json(keys::taken_back(what), &row)?;
                }
                Ok(())
            }
            Effect::TakenBackSeen { what, record } => {
                let key = keys::taken_back(what);
                let Some(row) = get_json::<TakenBack>(self.get(&key)?.as_deref(), &key)? else { return Ok(()) };
                let row = TakenBack { record: Some(*record), ..row };
                self.put_json(key, &row)
            }
            Effect::TakenBackOver { what, .. } => {
                what.iter().for_each(|what| self.delete(keys::taken_back(what)));
                Ok(())
            }
            Effect::AccessRegained { users, at } => {
                users.iter().for_each(|user| self.put(keys::activated(*at, user), Vec::new()));
                Ok(())
            }
            Effect::GroupReduced { group, members, at } => {
                let key = keys::reduced(*at, group);
                let before: u64 = get_json(self.get(&key)?.as_deref(), &key)?.unwrap_or_default();
                self.put_json(key, &(before + members))
            }
        }
    }

    fn user(&self, id: &SourceId) -> Result<Option<UserRow>, RowsError> {
        match self.fold.people.get(id) {
            Some(row) => Ok(Some(row.clone())),
            None if self.fold.bulk && !self.fold.numbers.contains_key(id) => Ok(None),
            None => self.get(&keys::user(id))?.map(|bytes| decode_user(&bytes)).transpose(),
        }
    }

    fn number(&self, id: &SourceId) -> Result<Option<UserNumber>, RowsError> {
        if self.fold.bulk {
            return Ok(self.fold.numbers.get(id).copied());
        }
        match self.fold.people.get(id) {
            Some(row) => Ok(Some(row.number)),
            None => self.get(&keys::user(id))?.map(|bytes| decode_number(&bytes)).transpose(),
        }
    }

    fn put_user(&mut self, id: &SourceId, row: UserRow) {
        self.fold.people.insert(id.clone(), row);
    }

    fn know(&mut self, id: &SourceId, number: UserNumber) {
        if self.fold.bulk {
            self.fold.numbers.insert(id.clone(), number);
        }
    }

    fn delete_user(&mut self, id: &SourceId) {
        self.fold.people.remove(id);
        self.fold.numbers.remove(id);
        self.delete(keys::user(id));
    }

    fn link_user(&mut self, id: &SourceId, app_id: &AppId, provenance: Provenance) -> Result<(), RowsError> {
        match self.user(id)? {
            Some(row) if row.app_id == *app_id => return self.change_user(id, |row| row.provenance = provenance),
            // Another account starts from nothing: neither values nor memberships of the old one are its own.
            Some(_) => self.unlink_user(id)?,
            None => {}
        }
        let meta = &mut self.fold.meta;
        let number = UserNumber(meta.next_number);
        let used_up =
            || RowsError::Io(std::io::Error::other("four thousand million links were made; rebuild the state"));
        meta.next_number = meta.next_number.checked_add(1).ok_or_else(used_up)?;
        meta.users += 1;
        let row = UserRow {
            number,
            app_id: app_id.clone(),
            provenance,
            active: None,
            sent: Attributes::new(),
            echo: Attributes::new(),
            source_seen: Attributes::new(),
            missed_since: None,
            inactive_since: None,
            replaced: None,
            by_hand: BTreeSet::new(),
        };
        self.put_user(id, row);
        self.know(id, number);
        self.put(keys::number(number), id.as_str().into());
        self.put(keys::app_user(app_id), id.as_str().into());
        Ok(())
    }

    fn change_user(&mut self, id: &SourceId, change: impl FnOnce(&mut UserRow)) -> Result<(), RowsError> {
        let known = self.fold.people.remove(id);
        let Some(mut row) = known.map_or_else(|| self.user(id), |row| Ok(Some(row)))? else { return Ok(()) };
        let was_inactive = row.active == Some(false);
        change(&mut row);
        let inactive = &mut self.fold.meta.inactive;
        *inactive = (*inactive + u64::from(row.active == Some(false))).saturating_sub(u64::from(was_inactive));
        self.put_user(id, row);
        Ok(())
    }

    /// The same row under another id. Somebody who has a link of their own keeps that one.
    fn relink_user(&mut self, from: &SourceId, to: &SourceId, replaced: Option<SourceId>) -> Result<(), RowsError> {
        let Some(row) = self.user(from)? else { return Ok(()) };
        if self.number(to)?.is_some() {
            return Ok(());
        }
        self.delete_user(from);
        self.put(keys::number(row.number), to.as_str().into());
        self.put(keys::app_user(&row.app_id), to.as_str().into());
        self.know(to, row.number);
        self.put_user(to, UserRow { missed_since: None, replaced, ..row });
        Ok(())
    }

    fn unlink_user(&mut self, id: &SourceId) -> Result<(), RowsError> {
        let Some(row) = self.user(id)? else { return Ok(()) };
        let meta = &mut self.fold.meta;
        meta.users = meta.users.saturating_sub(1);
        meta.inactive = meta.inactive.saturating_sub(u64::from(row.active == Some(false)));
        self.delete_user(id);
        self.delete(keys::number(row.number));
        self.delete_reverse(keys::app_user(&row.app_id), id)?;
        // An account that was put aside belonged to the user all the same.
        let whose = row.replaced.as_ref().unwrap_or(id);
        self.put(keys::linked_before(&row.app_id), whose.as_str().into());
        let (block, place) = split(row.number.0);
        let key = keys::dead_block(block);
        let mut dead = self.block(&key)?;
        dead.insert(place);
        self.put(key, dead.encode());
        Ok(())
    }

    /// An app's id may belong to somebody else by now.
    fn delete_reverse(&mut self, key: Vec<u8>, id: &SourceId) -> Result<(), RowsError> {
        if self.get(&key)?.as_deref() == Some(id.as_str().as_bytes()) {
            self.delete(key);
        }
        Ok(())
    }

    fn group(&self, id: &SourceId) -> Result<Option<GroupRow>, RowsError> {
        let key = keys::group(id);
        get_json(self.get(&key)?.as_deref(), &key)
    }

    fn link_group(
        &mut self,
        id: &SourceId,
        app_id: &AppId,
        provenance: Provenance,
        name: &str,
    ) -> Result<(), RowsError> {
        let old = self.group(id)?;
        if old.as_ref().is_some_and(|row| row.app_id != *app_id) {
            self.unlink_group(id)?;
        }
        self.fold.meta.groups += u64::from(self.group(id)?.is_none());
        let row = GroupRow {
            app_id: app_id.clone(),
            provenance,
            name: name.to_owned(),
            shown: None,
            missed_since: None,
            doubted: BTreeSet::new(),
            joined_inactive: BTreeSet::new(),
            unwatched: false,
        };
        // That rosterd had released it stays known: an undo of this link makes it such a group again.
        self.put_json(keys::group(id), &row)?;
        self.put(keys::app_group(app_id), id.as_str().into());
        Ok(())
    }

    /// A group that is still in the app. Another record may have taken it over already: the release stays known then, too.
    fn let_go(&mut self, id: &SourceId, app_id: &AppId, name: &str) -> Result<(), RowsError> {
        let let_go = LetGo { id: id.clone(), name: name.to_owned() };
        self.put_json(keys::let_go(app_id), &let_go)
    }

    fn change_group(&mut self, id: &SourceId, change: impl FnOnce(&mut GroupRow)) -> Result<(), RowsError> {
        let Some(mut row) = self.group(id)? else { return Ok(()) };
        change(&mut row);
        self.put_json(keys::group(id), &row)
    }

    fn no_more_doubt(&mut self, group: &SourceId, users: &[SourceId]) -> Result<(), RowsError> {
        if self.group(group)?.is_none_or(|row| row.doubted.is_empty() && row.joined_inactive.is_empty()) {
            return Ok(());
        }
        self.change_group(group, |row| {
            row.doubted.retain(|user| !users.contains(user));
            row.joined_inactive.retain(|user| !users.contains(user));
        })
    }

    /// Whether the record that is folded releases a group, which is in the app then as rosterd left it.
    fn is_released(&self, group: &SourceId) -> bool {
        self.releases || self.effects.iter().any(|one| matches!(one, Effect::GroupLetGo { id, .. } if id == group))
    }

    /// Ends a link. Who was in a released group stays known: an app that does not show members can't tell who has to leave it
    /// later.
    fn unlink_group(&mut self, id: &SourceId) -> Result<(), RowsError> {
        let Some(row) = self.group(id)? else { return Ok(()) };
        let is_released = self.is_released(id);
        self.fold.meta.groups = self.fold.meta.groups.saturating_sub(1);
        self.delete(keys::group(id));
        self.delete_reverse(keys::app_group(&row.app_id), id)?;
        for block in 0..=split(self.fold.meta.next_number).0 {
            let (key, kept) = (keys::member_block(id, block), keys::released_block(&row.app_id, block));
            let members = self.get(&key)?;
            if members.is_some() {
                self.delete(key);
            }
            match members.filter(|_| is_released) {
                Some(members) => self.put(kept, members),
                // Of an earlier release.
                None if self.get(&kept)?.is_some() => self.delete(kept),
                None => {}
            }
        }
        Ok(())
    }

    fn block(&self, key: &[u8]) -> Result<NumberBlock, RowsError> {
        Ok(get_block(self.get(key)?.as_deref(), key)?.unwrap_or_else(NumberBlock::new))
    }

    /// People and groups without a link have no memberships to keep.
    fn change_members(
        &mut self,
        group: &SourceId,
        users: &[SourceId],
        change: impl Fn(&mut NumberBlock, u32),
    ) -> Result<(), RowsError> {
        if self.get(&keys::group(group))?.is_none() {
            return Ok(());
        }
        let mut places = Vec::with_capacity(users.len());
        for user in users {
            if let Some(number) = self.number(user)? {
                places.push(split(number.0));
            }
        }
        places.sort_unstable();
        for of_block in places.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(at, _)) = of_block.first() else { continue };
            let key = keys::member_block(group, at);
            let mut block = self.block(&key)?;
            if let Some(dead) = get_block(self.get(&keys::dead_block(at))?.as_deref(), &key)? {
                block.subtract(&dead);
            }
            of_block.iter().for_each(|&(_, place)| change(&mut block, place));
            if block.is_empty() {
                self.delete(key);
            } else {
                self.put(key, block.encode());
            }
        }
        Ok(())
    }
}

fn put_all(into: &mut Attributes, from: &Attributes) {
    for (path, value) in from.iter() {
        into.set(path.clone(), value.clone());
    }
}
