//! What the simulated app holds and how it keeps it.

use super::*;

impl Inner {
    pub(super) fn fresh(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}{}", self.next_id)
    }

    pub(super) fn fault(&mut self, call: &Call) -> Option<Fault> {
        let scripted = self.scripts.iter_mut().find(|script| script.times > 0 && (script.matches)(call));
        if let Some(script) = scripted {
            script.times -= 1;
            return Some(script.fault.clone());
        }
        if let Some(refusal) = self.manners.refuses_creates.as_ref().filter(|_| call.name == "create_user") {
            return Some(refusal.clone());
        }
        if let Some(fault) = habits::refusal(&self.manners.habits, call) {
            return Some(fault);
        }
        self.noise.as_mut().and_then(|noise| noise.fault(call.is_read()))
    }

    pub(super) fn name_of(&self, id: &AppId) -> String {
        self.holdings.users.get(id.as_str()).map_or_else(|| id.to_string(), |user| user.name().to_owned())
    }

    pub(super) fn group_name(&self, id: &AppId) -> String {
        self.holdings.groups.get(id.as_str()).map_or_else(|| id.to_string(), |group| group.name.clone())
    }

    pub(super) fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    pub(super) fn shown_from(&self) -> Option<Timestamp> {
        self.now().filter(|_| !self.manners.settles_after.is_zero())?.checked_add(self.manners.settles_after).ok()
    }

    pub(super) fn is_settled(&self, shown_from: Option<Timestamp>) -> bool {
        shown_from.is_none_or(|from| self.now().is_none_or(|now| from <= now))
    }

    /// A group's name as the app keeps it: one that tidies names makes a slug of it.
    pub(super) fn group_name_as_kept(&self, name: &str) -> String {
        match self.has(Misbehave::Tidies) {
            true => fold(name).replace(|c: char| !c.is_alphanumeric(), "-"),
            false => name.to_owned(),
        }
    }

    /// Values as the app keeps them.
    pub(super) fn as_kept(&self, values: &Attributes) -> Attributes {
        let tidies = self.has(Misbehave::Tidies);
        let kept = |path: &Path, value: &Value| match value.as_str() {
            Some(text) if self.manners.lower_cases => text.to_lowercase().into(),
            Some(text) if tidies && *path == Path::display_name() => text.to_uppercase().into(),
            _ => value.clone(),
        };
        values.iter().map(|(path, value)| (path.clone(), kept(path, value))).collect()
    }

    /// Whether look-ups miss it.
    pub(super) fn is_hidden(&self, account: &Account) -> bool {
        self.is_out_of_sight(account) || self.manners.unseen.contains(account.name())
    }

    /// Whether not even its id finds it.
    pub(super) fn is_out_of_sight(&self, account: &Account) -> bool {
        !self.is_settled(account.shown_from)
            || (self.manners.inactive_effect == InactiveEffect::HidesResource && !account.active)
    }

    /// What look-ups of users come to, by the code that judges the answers of real apps.
    pub(super) fn look_up_users(&self, keys: &[UserKeys], paths: &[Path]) -> Vec<Match<AppUser>> {
        let visible = self.holdings.users.iter().filter(|(_, account)| !self.is_hidden(account));
        let shown_now: Vec<Map<String, Value>> =
            visible.map(|(id, account)| plain_user(id, account.active, &account.attributes)).collect();
        let found = users_among(&self.profile, keys, &shown_now);
        let user = |id: AppId| self.holdings.users.get(id.as_str()).map(|account| shown(id.as_str(), account, paths));
        found.into_iter().map(|answer| turned(answer, user)).collect()
    }

    /// The visible accounts that share a name with one of these.
    pub(super) fn alike(&self, names: &[KnownNames]) -> Vec<Lookalike> {
        let wanted: BTreeSet<u64> = names.iter().flat_map(|names| names.of_user().keys().collect::<Vec<_>>()).collect();
        let visible = self.holdings.users.iter().filter(|(_, account)| !self.is_hidden(account));
        let accounts = visible.map(|(id, account)| Lookalike {
            id: AppId::from(id.as_str()),
            user_name: account.name().to_owned(),
            active: account.active,
            names: KnownNames::of_attributes(&account.attributes).of_account(),
        });
        accounts.filter(|account| account.names.keys().any(|key| wanted.contains(&key))).collect()
    }

    /// The same for groups.
    pub(super) fn look_up_groups(&self, keys: &[GroupKeys]) -> Vec<Match<AppGroup>> {
        let visible = self.holdings.groups.iter().filter(|(_, group)| self.is_settled(group.shown_from));
        let shown_now: Vec<Map<String, Value>> = visible
            .map(|(id, group)| {
                let external_id = group.external_id.clone().map(|id| ("externalId".to_owned(), Value::from(id)));
                let always = [("id", id), ("displayName", &group.name)];
                let always = always.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
                always.into_iter().chain(external_id).collect()
            })
            .collect();
        let found = groups_among(&self.profile, keys, &shown_now);
        let group = |id: AppId| {
            let group = self.holdings.groups.get(id.as_str())?;
            Some(AppGroup { members: None, ..shown_group(id.as_str(), group) })
        };
        found.into_iter().map(|answer| turned(answer, group)).collect()
    }

    pub(super) fn user(&mut self, id: &AppId) -> Result<&mut Account, CallError> {
        let deletes = self.manners.inactive_effect;
        match self.holdings.users.get_mut(id.as_str()) {
            Some(account) if account.active || deletes != InactiveEffect::HidesResource => Ok(account),
            _ => Err(error("user", FailureClass::NotFound, Some(404))),
        }
    }

    pub(super) fn group(&mut self, id: &AppId) -> Result<&mut Group, CallError> {
        self.holdings.groups.get_mut(id.as_str()).ok_or_else(|| error("group", FailureClass::NotFound, Some(404)))
    }

    pub(super) fn name_is_taken(&self, name: &str, by_other_than: Option<&AppId>) -> bool {
        let others = self.holdings.users.iter().filter(|(id, _)| Some(id.as_str()) != by_other_than.map(AppId::as_str));
        self.manners.unique && others.into_iter().any(|(_, account)| fold(account.name()) == fold(name))
    }

    /// Whether the account that is answered as created is not kept.
    pub(super) fn forgets_now(&self) -> bool {
        self.has(Misbehave::ForgetsCreates) && self.creates.is_multiple_of(10)
    }

    pub(super) fn named(&self, name: &str) -> Option<(String, Account)> {
        let found = self.holdings.users.iter().find(|(_, account)| fold(account.name()) == fold(name));
        found.map(|(id, account)| (id.clone(), account.clone()))
    }

    pub(super) fn delete_account(&mut self, id: &str) {
        self.holdings.users.remove(id);
        for group in self.holdings.groups.values_mut() {
            group.members.remove(id);
        }
    }

    pub(super) fn check_first_members(&self, members: &[AppId]) -> Result<(), CallError> {
        let refused = match members {
            [] => self.manners.refuses_empty_groups,
            _ => self.manners.refuses_first_members,
        };
        if refused {
            return Err(error("create_group", FailureClass::Invalid, Some(400)));
        }
        self.check_members(members)
    }

    pub(super) fn check_size(&self, members: &[AppId]) -> Result<(), CallError> {
        match self.manners.takes_at_most {
            Some((most, class, status)) if members.len() > most => Err(error("members", class, Some(status))),
            _ => Ok(()),
        }
    }

    pub(super) fn check_members(&self, members: &[AppId]) -> Result<(), CallError> {
        self.check_size(members)?;
        let bad = members.iter().find(|id| match self.holdings.users.get(id.as_str()) {
            Some(account) => self.manners.bad_members.contains(account.name()),
            None => true,
        });
        let (class, status) = self.manners.bad_member_answer;
        bad.map_or(Ok(()), |_| Err(error("members", class, Some(status))))
    }
}

/// A match with the object itself instead of its id.
fn turned<T>(answer: Match<AppId>, object: impl FnOnce(AppId) -> Option<T>) -> Match<T> {
    match answer {
        Match::Nobody => Match::Nobody,
        Match::One { found, by } => object(found).map_or(Match::Nobody, |found| Match::One { found, by }),
        Match::Conflict(conflict) => Match::Conflict(conflict),
    }
}

/// The account with the values that were asked for.
pub(super) fn shown(id: &str, account: &Account, paths: &[Path]) -> AppUser {
    let asked = account.attributes.iter().filter(|(path, _)| paths.iter().any(|asked| asked.covers(path)));
    let attributes = asked.map(|(path, value)| (path.clone(), value.clone())).collect();
    AppUser { id: AppId::from(id), active: account.active, attributes, roles: account.roles.clone() }
}

pub(super) fn shown_group(id: &str, group: &Group) -> AppGroup {
    AppGroup {
        id: AppId::from(id),
        display_name: group.name.clone(),
        external_id: group.external_id.clone(),
        members: Some(group.members.iter().cloned().collect()),
    }
}

pub(super) fn ids(members: &[MemberKeys]) -> Vec<AppId> {
    members.iter().map(|member| member.id.clone()).collect()
}

pub(super) fn texts(ids: &[AppId]) -> Vec<String> {
    ids.iter().map(AppId::to_string).collect()
}
