//! Values that a user is to get and that another account has already. It takes what was planned for users with an account, and returns who
//! can't have the value (MP11), or what sets it free (MB6).
//!
//! Who has a value is in the rows of the state. They are read only where a user name, or another value that users are matched by,
//! changes: a quiet run reads none of them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Users;
use super::operation::{Action, Blocked, Operation, user_operation};
use super::person::{label, person, row_name};
use super::swap::third_name;
use crate::config::profile::InactiveEffect;
use crate::model::{Attributes, Lane, LifecycleStatus, ObjectRef, Obstacle, Path, Reason, SourceId, fold};
use crate::store::{StoreError, UserRow};

/// A value that one user of the directory may have at most: its attribute, and what it is compared by.
type UniqueValue = (Path, String);

/// An account that has a value which another user is to get.
struct ValueHolder {
    id: SourceId,
    row: UserRow,
    value: UniqueValue,
}

/// What becomes of a value that an account has.
enum ValueVerdict {
    /// The account gets another value by this plan, or the app decides.
    Leaves,
    /// The user keeps it, by the directory.
    Keeps,
    /// The account is deactivated: it can have another user name, which this step gives it.
    SetFree(Box<Operation>),
}

impl Users<'_> {
    /// Goes through the values that change: two users never get one, and a deactivated account gives up the name that a user needs.
    pub(super) fn values_of_others(&mut self) -> Result<(), StoreError> {
        let wanted = self.values_that_change();
        if wanted.is_empty() {
            return Ok(());
        }
        let alike = wanted.iter().filter(|(_, users)| users.len() > 1);
        let alike: Vec<(UniqueValue, Vec<SourceId>)> =
            alike.map(|(value, users)| (value.clone(), users.clone())).collect();
        let holders = self.holders(&wanted)?;
        for (value, users) in alike {
            for pair in users.windows(2) {
                let [one, other] = pair else { continue };
                self.neither_gets(&value, one, other)?;
            }
        }
        for holder in holders {
            match self.verdict(&holder)? {
                ValueVerdict::Leaves => {}
                ValueVerdict::Keeps => {
                    for user in wanted.get(&holder.value).into_iter().flatten() {
                        self.neither_gets(&holder.value, user, &holder.id)?;
                    }
                }
                ValueVerdict::SetFree(step) => self.push(*step),
            }
        }
        Ok(())
    }

    /// Whether the account of another user can give up the user name that a newcomer needs; then it is planned.
    pub(super) fn sets_name_free(
        &mut self,
        owner: &SourceId,
        by: &str,
        person: &super::PlannedUser,
    ) -> Result<bool, StoreError> {
        let path = Path::user_name();
        if by != path.as_str() || self.ground.in_snapshot(owner).is_none() {
            return Ok(false);
        }
        let Some(row) = self.ground.baseline.user(owner)? else { return Ok(false) };
        let Some(name) = person.attributes.text(&path).map(key_of) else { return Ok(false) };
        match self.verdict(&ValueHolder { id: owner.clone(), row, value: (path, name) })? {
            ValueVerdict::SetFree(step) => {
                self.push(*step);
                Ok(true)
            }
            ValueVerdict::Leaves | ValueVerdict::Keeps => Ok(false),
        }
    }

    /// The values by which users are told apart and that this plan changes, each with the users who are to get it.
    fn values_that_change(&self) -> HashMap<UniqueValue, Vec<SourceId>> {
        let matched = self.ground.rules.profile.read.user_match.iter().filter_map(|name| Path::parse(name).ok());
        let mut paths: Vec<Path> =
            matched.chain([Path::user_name()]).filter(|path| *path != Path::external_id()).collect();
        paths.sort();
        paths.dedup();
        let mut wanted: HashMap<UniqueValue, Vec<SourceId>> = HashMap::new();
        for operation in self.out.operations.iter().filter(|operation| operation.blocked.is_none()) {
            let Action::UpdateUser { before, set, .. } = &operation.action else { continue };
            for path in &paths {
                let Some(value) = set.text(path).map(key_of) else { continue };
                if before.text(path).map(key_of).as_ref() != Some(&value) {
                    wanted.entry((path.clone(), value)).or_default().push(operation.object.id().clone());
                }
            }
        }
        wanted
    }

    fn holders(&self, wanted: &HashMap<UniqueValue, Vec<SourceId>>) -> Result<Vec<ValueHolder>, StoreError> {
        let mut holders = Vec::new();
        let mut paths: Vec<Path> = wanted.keys().map(|(path, _)| path.clone()).collect();
        paths.sort();
        paths.dedup();
        self.ground.baseline.linked_users(&mut |id, row| {
            for path in &paths {
                let mut has: Vec<String> =
                    [row.sent.text(path), row.echo.text(path)].into_iter().flatten().map(key_of).collect();
                has.dedup();
                for value in has.into_iter().map(|has| (path.clone(), has)) {
                    if wanted.get(&value).is_some_and(|users| users.iter().any(|user| *user != id)) {
                        holders.push(ValueHolder { id: id.clone(), row: row.clone(), value });
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        holders.sort_by(|a, b| (&a.id, &a.value).cmp(&(&b.id, &b.value)));
        Ok(holders)
    }

    fn verdict(&self, holder: &ValueHolder) -> Result<ValueVerdict, StoreError> {
        let ValueHolder { id, row, value: (path, value) } = holder;
        let mine = || {
            self.out.operations.iter().filter(|operation| operation.object.id() == id && operation.blocked.is_none())
        };
        let gives_it_up = mine().any(|operation| match &operation.action {
            Action::UpdateUser { set, clear, .. } => {
                set.text(path).is_some_and(|new| key_of(new) != *value) || clear.contains(path)
            }
            Action::DeleteUser { .. } | Action::ReplaceUser { .. } => true,
            _ => false,
        });
        let protected = self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]);
        if gives_it_up || row.replaced.is_some() || self.decided.replaced.contains(id) {
            return Ok(ValueVerdict::Leaves);
        }
        let desired = self.ground.desired;
        let user = self.ground.in_snapshot(id);
        let mapped = match user.filter(|user| desired.frozen(*user).is_none()) {
            Some(user) => person(desired.snapshot, user, self.ground.rules).ok(),
            None => None,
        };
        let by_directory = mapped.as_ref().and_then(|person| person.attributes.text(path));
        if by_directory.is_some_and(|now| key_of(now) == *value) {
            return Ok(ValueVerdict::Keeps);
        }
        let belongs = user.is_some_and(|user| {
            desired.snapshot.standing(user) == LifecycleStatus::Active && desired.is_assigned(user)
        });
        let is_off =
            row.active == Some(false) || mine().any(|operation| matches!(operation.action, Action::DeactivateUser));
        let shows = self.ground.rules.profile.users.inactive_effect == InactiveEffect::KeepsResource;
        if belongs || protected || !is_off || !shows || *path != Path::user_name() {
            return Ok(ValueVerdict::Leaves);
        }
        let Some(old) = row.sent.text(path) else { return Ok(ValueVerdict::Leaves) };
        let object = ObjectRef::User(id.clone());
        let new = by_directory.map_or_else(|| third_name(&object, old), str::to_owned);
        let one = |name: &str| -> Attributes { [(path.clone(), name.into())].into_iter().collect() };
        let action = Action::UpdateUser { before: one(old), set: one(&new), clear: Vec::new(), manager: None };
        let reason = Reason::NameNeeded { by_directory: by_directory.is_some() };
        Ok(ValueVerdict::SetFree(Box::new(Operation {
            lane: Lane::Additions,
            object,
            app_id: Some(row.app_id.clone()),
            name: row_name(row, id),
            action,
            reason,
            blocked: None,
        })))
    }

    /// Two users of the directory have one value: neither is changed, and both are named.
    fn neither_gets(&mut self, value: &UniqueValue, one: &SourceId, other: &SourceId) -> Result<(), StoreError> {
        for (id, by) in [(one, other), (other, one)] {
            let name = self.name_in_directory(by);
            let why = Obstacle::ValueTaken {
                attribute: value.0.to_string(),
                value: value.1.clone(),
                by: by.clone(),
                by_name: name,
            };
            let blocked = Blocked::Failed(why);
            let mut is_said = false;
            for operation in self.out.operations.iter_mut() {
                let is_update = matches!(operation.action, Action::UpdateUser { .. });
                if is_update && operation.object == ObjectRef::User(id.clone()) {
                    operation.blocked.get_or_insert_with(|| blocked.clone());
                    is_said = true;
                }
            }
            let Some(user) = self.ground.in_snapshot(id).filter(|_| !is_said) else { continue };
            let Some(row) = self.ground.baseline.user(id)? else { continue };
            let Ok(person) = person(self.ground.desired.snapshot, user, self.ground.rules) else {
                continue;
            };
            if self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
                continue;
            }
            let nothing = Attributes::new;
            let action = Action::UpdateUser { before: nothing(), set: nothing(), clear: Vec::new(), manager: None };
            let mut operation = user_operation(Lane::Additions, &person, Some(&row.app_id), action, Reason::Record);
            operation.blocked = Some(blocked);
            self.push(operation);
        }
        Ok(())
    }

    fn name_in_directory(&self, id: &SourceId) -> String {
        self.ground.in_snapshot(id).map(|user| label(self.ground.desired.snapshot, user)).unwrap_or_default()
    }
}

/// What a value is compared by.
fn key_of(value: &str) -> String {
    fold(value.trim())
}
