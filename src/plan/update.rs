//! Changes of attributes. In: what the directory says now, what the app was last given, who owns each value. Out: operations.

use super::differences::{AccountBefore, Diff, diff};
use super::operation::{Action, Blocked, user_operation};
use super::person::PlannedUser;
use super::{Account, Users};
use crate::config::tenant::{OnImmutableChange, Push};
use crate::model::{AppId, Attributes, Immutable, Lane, ObjectRef, Obstacle, Path, Reason};
use crate::store::StoreError;

impl Users<'_> {
    /// What the directory says now against what the app was last given.
    pub(super) fn update(&mut self, person: &PlannedUser, before: &AccountBefore<'_>, reason: Reason) {
        let Diff { was, set, clear, immutable } = diff(self.ground.rules, &self.ground.compared, person, before);
        if !set.is_empty() || !clear.is_empty() {
            let by_hand = set.iter().map(|(path, _)| path).chain(&clear).all(|path| before.by_hand.contains(path));
            let reason = match reason {
                Reason::RecordChanged if by_hand => Reason::ChangedInApp,
                reason => reason,
            };
            let action = Action::UpdateUser { before: was, set, clear, manager: None };
            self.push(user_operation(Lane::Additions, person, Some(before.app_id), action, reason));
        }
        if !immutable.is_empty() {
            self.immutable_change(person, before, &immutable);
        }
        self.next_manager(person, before);
    }

    fn immutable_change(&mut self, person: &PlannedUser, before: &AccountBefore<'_>, paths: &[Path]) {
        if self.ground.rules.on_immutable_change == OnImmutableChange::Ignore {
            return;
        }
        let pick = |from: &Attributes| -> Attributes {
            paths.iter().filter_map(|path| from.get(path).map(|value| (path.clone(), value.clone()))).collect()
        };
        let names = paths.iter().map(Path::as_str).collect::<Vec<_>>().join(", ");
        let (was, set) = (pick(before.attributes), pick(&person.attributes));
        let action = Action::UpdateUser { before: was, set, clear: Vec::new(), manager: None };
        let mut operation = user_operation(Lane::Additions, person, Some(before.app_id), action, Reason::RecordChanged);
        let why = match self.ground.rules.on_immutable_change {
            OnImmutableChange::Recreate => self.why_not_replaced(person, before),
            OnImmutableChange::Hold | OnImmutableChange::Ignore => None,
        };
        let why = Box::new(why.unwrap_or(Immutable::SecondAccount));
        operation.blocked = Some(Blocked::Held(Obstacle::Immutable { paths: names, why }));
        self.push(operation);
    }

    /// The manager of a new account: set when it is known who will have an account.
    pub(super) fn first_manager(&mut self, person: &PlannedUser) {
        self.note_manager(person, None, &Attributes::new());
    }

    fn next_manager(&mut self, person: &PlannedUser, before: &AccountBefore<'_>) {
        let path = Path::manager();
        let owner = self.ground.rules.push(&path);
        let settings = &self.ground.rules.profile.attributes;
        let fixed = owner == Push::OnCreate || settings.is_sent_once(&path) || settings.is_never_sent(&path);
        if fixed || !self.ground.rules.maps_manager() || person.leave.contains(&path) {
            return;
        }
        let seen = before.source_seen.text(&path);
        match &person.manager {
            Some(manager) if owner == Push::OnSourceChange && seen == Some(manager.as_str()) => {}
            Some(_) => self.note_manager(person, Some(before.app_id), before.attributes),
            None if (owner == Push::OnSourceChange && seen.is_none()) || !self.ground.rules.can_clear() => {}
            None => self.clear_manager(person, before),
        }
    }

    fn clear_manager(&mut self, person: &PlannedUser, before: &AccountBefore<'_>) {
        let path = Path::manager();
        let Some(was) = before.attributes.get(&path) else { return };
        let action = Action::UpdateUser {
            before: [(path.clone(), was.clone())].into_iter().collect(),
            set: Attributes::new(),
            clear: vec![path],
            manager: None,
        };
        self.push(user_operation(Lane::Additions, person, Some(before.app_id), action, Reason::NoManager));
    }

    fn note_manager(&mut self, person: &PlannedUser, app_id: Option<&AppId>, before: &Attributes) {
        let Some(manager) = person.manager.clone() else { return };
        let path = Path::manager();
        let holds = before.text(&path).map(str::to_owned);
        let action = Action::UpdateUser {
            before: before.get(&path).map(|value| (path.clone(), value.clone())).into_iter().collect(),
            set: Attributes::new(),
            clear: Vec::new(),
            manager: Some(manager.clone()),
        };
        let mut operation = user_operation(Lane::Additions, person, app_id, action, Reason::Manager);
        if holds.is_some() && self.ground.rules.profile.attributes.is_immutable(&path) {
            operation.blocked = Some(Blocked::Held(Obstacle::ManagerImmutable));
        }
        self.managers.push((manager, holds, operation));
    }

    /// Second pass: a manager is set once they have, or are about to have, an account; until then what the app holds stays.
    pub(super) fn managers(&mut self) -> Result<(), StoreError> {
        for (manager, holds, operation) in std::mem::take(&mut self.managers) {
            let own_account = match &operation.object {
                ObjectRef::User(id) if operation.app_id.is_none() => self.account_of(id)?,
                _ => Account::Coming,
            };
            match self.account_of(&manager)? {
                // Whoever is set aside themselves gets no manager.
                _ if own_account == Account::None => {}
                Account::None => drop(self.out.unsettled.insert(operation.object.clone())),
                Account::Known(account) if holds.as_deref() == Some(account.as_str()) => {}
                Account::Known(_) | Account::Coming => self.push(operation),
            }
        }
        Ok(())
    }
}
