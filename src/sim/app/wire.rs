//! What rosterd may ask of the simulated app, call by call.

use super::*;

#[async_trait]
impl AppRead for SimApp {
    async fn check(&self) -> Result<(), CallError> {
        self.call("check", String::new(), Vec::new(), |_| Ok(())).await
    }

    async fn look_up_users(&self, keys: &[UserKeys], paths: &[Path]) -> Result<Vec<Match<AppUser>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(inner.look_up_users(keys, paths));
        self.call("look_up_users", String::new(), carries, found).await
    }

    async fn look_up_newcomers(
        &self,
        keys: &[UserKeys],
        names: Vec<KnownNames>,
        paths: &[Path],
        _search: LookalikeScope,
    ) -> Result<(Vec<Match<AppUser>>, Vec<Lookalike>), CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok((inner.look_up_users(keys, paths), inner.alike(&names)));
        self.call("look_up_users", String::new(), carries, found).await
    }

    async fn look_up_groups(&self, keys: &[GroupKeys]) -> Result<Vec<Match<AppGroup>>, CallError> {
        let carries = keys.iter().map(|key| key.source_id.to_string()).collect();
        let found = |inner: &mut Inner| Ok(inner.look_up_groups(keys));
        self.call("look_up_groups", String::new(), carries, found).await
    }

    async fn not_listed(&self, accounts: &HashSet<AppId>, _most: u64) -> Result<Option<Vec<AppId>>, CallError> {
        self.call("list_users", String::new(), Vec::new(), |inner| {
            let is_shown = |id: &AppId| {
                inner.holdings.users.get(id.as_str()).is_some_and(|account| !inner.is_out_of_sight(account))
            };
            Ok(Some(accounts.iter().filter(|id| !is_shown(id)).cloned().collect()))
        })
        .await
    }

    async fn get_user(&self, id: &AppId, paths: &[Path]) -> Result<Option<AppUser>, CallError> {
        self.call("get_user", id.to_string(), Vec::new(), |inner| {
            let visible = inner.holdings.users.get(id.as_str()).filter(|account| !inner.is_out_of_sight(account));
            Ok(visible.map(|account| shown(id.as_str(), account, paths)))
        })
        .await
    }

    async fn get_group(&self, id: &AppId) -> Result<Option<AppGroup>, CallError> {
        self.call("get_group", id.to_string(), Vec::new(), |inner| {
            let readable = inner.manners.members_readable;
            let mut found = inner.holdings.groups.get(id.as_str()).map(|group| shown_group(id.as_str(), group));
            let is_cut = found.as_ref().is_some_and(|group| inner.cuts(group.members.as_ref().map_or(0, Vec::len)));
            if let Some(group) = found.as_mut().filter(|_| !readable || is_cut) {
                group.members = None;
            }
            Ok(found)
        })
        .await
    }

    async fn own_account(&self) -> Result<Option<AppId>, CallError> {
        let inner = self.inner();
        match inner.manners.own_account_times_out {
            true => Err(error("own_account", FailureClass::Unknown, None)),
            false => Ok(inner.manners.own_account.clone()),
        }
    }

    fn time(&self) -> Option<Timestamp> {
        let inner = self.inner();
        let off = inner.manners.says_time.filter(|_| !inner.calls.is_empty())?;
        inner.clock.as_ref()?.true_time().checked_add(off).ok()
    }

    fn stats(&self) -> CallStats {
        CallStats { total: self.inner().total, by_method: BTreeMap::new() }
    }
}

#[async_trait]
impl AppWrite for SimApp {
    async fn create_user(&self, source_id: &SourceId, attributes: &Attributes) -> Result<Created, CallError> {
        let name = attributes.text(&Path::user_name()).unwrap_or_default().to_owned();
        self.call("create_user", name.clone(), Vec::new(), |inner| {
            if let Some(given) = inner.user_given(&name, attributes) {
                return Ok(given);
            }
            if inner.name_is_taken(&name, None) {
                inner.manners.unseen.retain(|unseen| fold(unseen) != fold(&name));
                return Err(error("create_user", FailureClass::Conflict, Some(409)));
            }
            if inner.has(Misbehave::NoTitle) && attributes.iter().any(|(path, _)| path.as_str() == "title") {
                return Err(error("create_user", FailureClass::Invalid, Some(400)));
            }
            let id = inner.fresh("a");
            let mut attributes = inner.as_kept(attributes);
            if inner.has(Misbehave::ComposesNames) {
                attributes.set(Path::display_name(), format!("User of {name}").into());
            }
            let account = Account {
                made_for: Some(source_id.to_string()),
                shown_from: inner.shown_from(),
                ..Account::new(true, attributes.clone())
            };
            if !inner.forgets_now() {
                inner.holdings.users.insert(id.clone(), account);
            }
            inner.without_id()?;
            let origin = inner.user_made(&id, &attributes);
            Ok(Created { id: AppId::new(id), echo: attributes, members: None, origin })
        })
        .await
    }

    async fn update_user(&self, id: &AppId, set: &Attributes, clear: &[Path]) -> Result<Shown, CallError> {
        let about = (id, self.inner().name_of(id));
        let carries = set.iter().map(|(path, _)| path).chain(clear).map(ToString::to_string).collect();
        self.call("update_user", about, carries, |inner| {
            if set.text(&Path::user_name()).is_some_and(|name| inner.name_is_taken(name, Some(id))) {
                return Err(error("update_user", FailureClass::Conflict, Some(409)));
            }
            let names_title = set.iter().map(|(path, _)| path).chain(clear).any(|path| path.as_str() == "title");
            if names_title && (inner.has(Misbehave::RefusesTitle) || inner.has(Misbehave::NoTitle)) {
                return Err(error("update_user", FailureClass::Invalid, Some(400)));
            }
            let kept = &inner.as_kept(set);
            let ignores = inner.has(Misbehave::IgnoresChanges);
            let account = inner.user(id)?;
            let before = account.clone();
            if !ignores {
                for (path, value) in kept.iter() {
                    account.attributes.set(path.clone(), value.clone());
                }
                for path in clear {
                    account.attributes.clear(path);
                }
            }
            let after = account.clone();
            Ok(inner.shows_user(&before, &after, set, clear))
        })
        .await
    }

    async fn set_active(&self, id: &AppId, active: bool) -> Result<Shown, CallError> {
        let name = if active { "activate" } else { "deactivate" };
        let about = (id, self.inner().name_of(id));
        self.call(name, about, Vec::new(), |inner| {
            if !active && inner.manners.inactive_effect == InactiveEffect::DeletesResource {
                inner.user(id)?;
                inner.delete_account(id.as_str());
                return Ok(Shown::default());
            }
            let Some(before) = inner.holdings.users.get(id.as_str()).cloned() else {
                return Err(error("set_active", FailureClass::NotFound, Some(404)));
            };
            let mut after = before.clone();
            if active || !inner.has(Misbehave::KeepsActive) {
                after.active = active;
            }
            if !after.active && inner.has(Misbehave::InactiveLeaves) {
                for group in inner.holdings.groups.values_mut() {
                    group.members.remove(id.as_str());
                }
            }
            inner.holdings.users.insert(id.to_string(), after.clone());
            Ok(inner.shows_user(&before, &after, &Attributes::new(), &[]))
        })
        .await
    }

    async fn delete_user(&self, id: &AppId) -> Result<(), CallError> {
        let about = (id, self.inner().name_of(id));
        self.call("delete_user", about, Vec::new(), |inner| {
            if !inner.holdings.users.contains_key(id.as_str()) {
                return Err(error("delete_user", FailureClass::NotFound, Some(404)));
            }
            if inner.has(Misbehave::KeepsDeleted) {
                return Ok(());
            }
            match inner.manners.delete_effect {
                DeleteEffect::Deactivates => inner.user(id)?.active = false,
                DeleteEffect::Unsupported => return Err(error("delete_user", FailureClass::Unsupported, Some(501))),
                DeleteEffect::Hard | DeleteEffect::Irreversible => inner.delete_account(id.as_str()),
            }
            Ok(())
        })
        .await
    }

    async fn create_group(
        &self,
        source_id: &SourceId,
        name: &str,
        members: &[MemberKeys],
    ) -> Result<Created, CallError> {
        let members = &ids(members);
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("create_group", name.to_owned(), carries, |inner| {
            inner.check_first_members(members)?;
            if let Some(given) = inner.group_given(name) {
                return Ok(given);
            }
            let taken = inner.holdings.groups.values().any(|group| fold(&group.name) == fold(name));
            if inner.manners.unique && taken {
                return Err(error("create_group", FailureClass::Conflict, Some(409)));
            }
            let id = inner.fresh("g");
            let members: BTreeSet<String> = if inner.manners.ignores_first_members {
                BTreeSet::new()
            } else {
                texts(members).into_iter().collect()
            };
            let (external_id, shown_from) = (Some(source_id.to_string()), inner.shown_from());
            let speaks = inner.manners.members_readable && inner.manners.answers_with_members;
            let shown = speaks.then(|| members.iter().cloned().collect());
            let name = inner.group_name_as_kept(name);
            let echo = [(Path::display_name(), name.as_str().into())].into_iter().collect();
            let group = Group { name, external_id, members, shown_from };
            inner.holdings.groups.insert(id.clone(), group);
            inner.without_id()?;
            Ok(Created { id: AppId::new(id), echo, members: shown, origin: ResponseOrigin::New })
        })
        .await
    }

    async fn rename_group(&self, id: &AppId, name: &str) -> Result<Shown, CallError> {
        let about = (id, self.inner().group_name(id));
        self.call("rename_group", about, vec![name.to_owned()], |inner| {
            let mut others = inner.holdings.groups.iter().filter(|(other, _)| other.as_str() != id.as_str());
            if inner.manners.unique && others.any(|(_, group)| fold(&group.name) == fold(name)) {
                return Err(error("rename_group", FailureClass::Conflict, Some(409)));
            }
            let ignores = inner.has(Misbehave::IgnoresChanges);
            let name = inner.group_name_as_kept(name);
            let group = inner.group(id)?;
            let before = group.clone();
            if !ignores {
                group.name = name;
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn add_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        let members = &ids(members);
        let about = (id, self.inner().group_name(id));
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("add_members", about, carries, |inner| {
            inner.group(id)?;
            inner.check_members(members)?;
            let is_deaf = inner.has(Misbehave::DeafMembers);
            let group = inner.group(id)?;
            let before = group.clone();
            if !is_deaf {
                group.members.extend(texts(members));
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn remove_members(&self, id: &AppId, members: &[MemberKeys]) -> Result<Shown, CallError> {
        let members = &ids(members);
        let about = (id, self.inner().group_name(id));
        let carries = members.iter().map(|member| self.inner().name_of(member)).collect();
        self.call("remove_members", about, carries, |inner| {
            inner.group(id)?;
            inner.check_size(members)?;
            let is_sticky = inner.has(Misbehave::StickyMembers);
            let group = inner.group(id)?;
            let before = group.clone();
            for member in texts(members).iter().filter(|_| !is_sticky) {
                group.members.remove(member);
            }
            let after = group.clone();
            Ok(inner.shows_group(&before, &after))
        })
        .await
    }

    async fn delete_group(&self, id: &AppId) -> Result<(), CallError> {
        let about = (id, self.inner().group_name(id));
        self.call("delete_group", about, Vec::new(), |inner| {
            inner.group(id)?;
            if inner.has(Misbehave::KeepsDeleted) {
                return Ok(());
            }
            inner.holdings.groups.remove(id.as_str());
            Ok(())
        })
        .await
    }

    fn members_per_call(&self) -> usize {
        self.inner().manners.members_per_call
    }

    /// Nobody waits here.
    fn close(&self) {}
}
