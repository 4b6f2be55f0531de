//! What is tried with one throw-away group, whose only member is the throw-away person: whether members can be taken out, whether the group can
//! be renamed, whether a second one of its name is another one, and what becomes of a membership while the account is deactivated.

use super::{End, Leftover, Probe, ends};
use crate::model::{AppId, Finding, SourceId, fold};
use crate::scim::client::App;
use crate::scim::{
    AppGroup, AppRead as _, AppWrite as _, CallError, FailureClass, GroupKeys, Match, MemberKeys, Shown,
};

const CHECK: &str = "group";

impl Probe<'_> {
    fn group_names(&self) -> [String; 2] {
        let name = format!("{}-group", self.names.external_id);
        let renamed = format!("{name}-renamed");
        [name, renamed]
    }

    fn group_source_id(&self) -> SourceId {
        SourceId::new(format!("{}-group", self.names.external_id))
    }

    fn member(&self, user: &AppId) -> [MemberKeys; 1] {
        [MemberKeys { id: user.clone(), user_name: self.names.user_name.clone() }]
    }

    /// Tries everything that needs the account active. Gives the group, with the account in it, if that far was come.
    pub(super) async fn group(&mut self, app: &App, user: &AppId) -> Result<Option<AppId>, End> {
        self.go_on()?;
        let [name, renamed] = self.group_names();
        let source_id = self.group_source_id();
        let mut made = self.write(async || app.create_group(&source_id, &name, &self.member(user)).await).await;
        if matches!(&made, Err(error) if error.class == FailureClass::Invalid) {
            // Some apps take members only by a call of their own.
            made = self.write(async || app.create_group(&source_id, &name, &[]).await).await;
        }
        let id = match made {
            Ok(created) => created.id,
            Err(error) if ends(&error) => return Err(error.into()),
            Err(error) => {
                let why = format!("a new group is refused: {error}");
                self.found(Finding::warning(
                    CHECK,
                    why,
                    "without groups, set groups.push = false and assign in the app",
                ));
                return Ok(None);
            }
        };
        self.groups.insert(id.clone());
        self.made_groups = true;
        let Some(group) = self.group_shown(app, &id).await? else {
            let remedy = "run it again: the app may show new groups late; groups that can't be read can't be managed";
            self.found(Finding::wrong(CHECK, "a group was made and can't be read", remedy));
            return Ok(None);
        };
        if !self.is_in(&group, user) {
            self.go_on()?;
            let added = self.write(async || app.add_members(&id, &self.member(user)).await).await;
            let shown = self.group_shown(app, &id).await?;
            if !shown.as_ref().is_some_and(|group| self.is_in(group, user)) {
                self.no_member(added);
                return Ok(None);
            }
        }
        self.found(Finding::ok(CHECK, "a group is made and shows its member"));
        if !self.removal(app, &id, user).await? {
            return Ok(None);
        }
        self.rename(app, &id, &renamed).await?;
        self.second(app, &id).await?;
        self.go_on()?;
        let added = self.write(async || app.add_members(&id, &self.member(user)).await).await;
        let back = self.group_shown(app, &id).await?.is_some_and(|group| self.is_in(&group, user));
        if !back {
            let why = added.err().map_or_else(|| "accepted without effect".to_owned(), |error| error.to_string());
            self.found(Finding::wrong(
                CHECK,
                format!("a member who was taken out can't be added again: {why}"),
                VENDOR,
            ));
        }
        Ok(back.then_some(id))
    }

    /// A member who was added is not shown: the app hides members, or it did nothing.
    fn no_member(&mut self, added: Result<Shown, CallError>) {
        self.found(match added {
            Err(error) => Finding::wrong(
                CHECK,
                format!("a member can't be added: {error}"),
                "ask the app's vendor how members are added",
            ),
            Ok(_) => Finding::warning(
                CHECK,
                "adding a member is accepted, and the app does not show who is in a group: whether members are added and taken out can't be \
                 verified",
                "look into one of its groups after the first sync, and after a user left one",
            ),
        });
    }

    /// Whether taking a member out has an effect (MA1): the answer alone proves nothing.
    async fn removal(&mut self, app: &App, id: &AppId, user: &AppId) -> Result<bool, End> {
        self.go_on()?;
        let sent = self.write(async || app.remove_members(id, &self.member(user)).await).await;
        let still = self.group_shown(app, id).await?.is_some_and(|group| self.is_in(&group, user));
        self.found(match (sent, still) {
            (Ok(_), false) => Finding::ok(CHECK, "a member can be taken out"),
            (Ok(_), true) => Finding::wrong(
                CHECK,
                "taking a member out is accepted, and the group still shows the account as a member: users who leave a group would \
                 keep its access",
                VENDOR,
            ),
            (Err(error), false) => {
                Finding::warning(CHECK, format!("taking a member out is answered with an error and done all the same: {error}"), VENDOR)
            }
            (Err(error), true) => Finding::wrong(CHECK, format!("a member can't be taken out: {error}"), VENDOR),
        });
        Ok(!still)
    }

    async fn rename(&mut self, app: &App, id: &AppId, renamed: &str) -> Result<(), End> {
        self.go_on()?;
        let sent = self.write(async || app.rename_group(id, renamed).await).await;
        let now = self.group_shown(app, id).await?.map(|group| group.display_name).unwrap_or_default();
        self.found(match sent {
            _ if fold(&now) == fold(renamed) => Finding::ok(CHECK, "a group can be renamed"),
            Ok(_) => Finding::warning(
                CHECK,
                format!("a new name is accepted, and the group is called {now:?}"),
                "set groups.rename = false: a new name in the directory is held then",
            ),
            Err(error) if ends(&error) => return Err(error.into()),
            Err(error) => Finding::warning(
                CHECK,
                format!("a new name is refused: {error}"),
                "set groups.rename = false: a new name in the directory is held then",
            ),
        });
        Ok(())
    }

    /// What a POST of a name that a group has already is answered with (MP8).
    async fn second(&mut self, app: &App, id: &AppId) -> Result<(), End> {
        self.go_on()?;
        let Some(group) = self.group_shown(app, id).await? else { return Ok(()) };
        let source_id = self.group_source_id();
        let again = self.write(async || app.create_group(&source_id, &group.display_name, &[]).await).await;
        let finding = match again {
            Ok(created) if created.id == *id => Finding::warning(
                CHECK,
                "a second group of the same name is answered with the group that is there, as if it had been made",
                "two groups of the directory must not have one name: the second one is a conflict, and nothing is sent for it",
            ),
            Ok(created) => {
                self.groups.insert(created.id);
                Finding::ok(CHECK, "two groups may have one name")
            }
            Err(error) if ends(&error) => return Err(error.into()),
            Err(error) => Finding::ok(CHECK, format!("a second group of the same name is refused: {}", error.message)),
        };
        self.found(finding);
        Ok(())
    }

    /// What became of the membership when the account was deactivated, and what becomes of it when it is activated (MA3).
    pub(super) async fn group_of_inactive(&mut self, app: &App, id: &AppId, user: &AppId) -> Result<(), End> {
        self.go_on()?;
        let Some(group) = self.group_shown(app, id).await? else { return Ok(()) };
        if self.is_in(&group, user) {
            self.found(Finding::ok(CHECK, "a deactivated account stays a member"));
            return Ok(());
        }
        let on = self.write(async || app.set_active(user, true).await).await;
        if on.is_err() || self.shown(app, user).await?.is_none() {
            self.found(Finding::ok(
                CHECK,
                "a deactivated account is a member no longer; it could not be activated again",
            ));
            return Ok(());
        }
        let back = self.group_shown(app, id).await?.is_some_and(|group| self.is_in(&group, user));
        self.found(match back {
            true => Finding::ok(
                CHECK,
                "a deactivated account is not shown as a member, and is one again once it is activated",
            ),
            false => Finding::warning(
                CHECK,
                "a deactivated account loses its groups, and does not get them back when it is activated",
                "look into the groups of users who come back",
            ),
        });
        Ok(())
    }

    /// Whether the group shows the throw-away person as a member, by the id or by a name.
    fn is_in(&self, group: &AppGroup, user: &AppId) -> bool {
        let ours =
            |member: &String| member == user.as_str() || self.names.all().iter().any(|name| fold(name) == fold(member));
        group.members.as_ref().is_some_and(|members| members.iter().any(ours))
    }

    async fn group_shown(&self, app: &App, id: &AppId) -> Result<Option<AppGroup>, CallError> {
        match app.get_group(id).await {
            Err(error) if error.class == FailureClass::NotFound => Ok(None),
            other => other,
        }
    }

    /// Takes every group away that has one of the probe's names.
    pub(super) async fn clean_up_groups(&mut self, app: &App) {
        for display_name in self.group_names() {
            let keys = GroupKeys {
                source_id: self.group_source_id(),
                display_name: display_name.clone(),
                released: Vec::new(),
            };
            match app.look_up_groups(&[keys]).await {
                Ok(found) => self.groups.extend(found.into_iter().filter_map(|one| match one {
                    Match::One { found, .. } => Some(found.id),
                    Match::Nobody | Match::Conflict { .. } => None,
                })),
                // An app without groups has none of ours.
                Err(error) if !self.made_groups && !ends(&error) => {}
                Err(error) => {
                    let why = format!("the app could not be asked for it: {error}");
                    self.out.left.push(Leftover { id: None, user_name: display_name, inactive: false, why });
                }
            }
        }
        for id in std::mem::take(&mut self.groups) {
            if let Err(left) = self.take_group_away(app, &id).await {
                self.out.left.push(left);
            }
        }
    }

    async fn take_group_away(&self, app: &App, id: &AppId) -> Result<(), Leftover> {
        let [name, _] = self.group_names();
        let left = |user_name: &str, why: String| Leftover {
            id: Some(id.clone()),
            user_name: user_name.to_owned(),
            inactive: false,
            why,
        };
        let group = match self.group_shown(app, id).await {
            Ok(None) => return Ok(()),
            Ok(Some(group)) => group,
            Err(error) => return Err(left(&name, error.to_string())),
        };
        let shown = &group.display_name;
        if !self.group_names().iter().any(|ours| fold(ours) == fold(shown)) {
            return Err(left(shown, "it has a name that is not the probe's any more, so it is left alone".to_owned()));
        }
        let deleted = app.delete_group(id).await;
        match self.group_shown(app, id).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                let why = deleted
                    .err()
                    .map_or_else(|| "DELETE was accepted and the group stays".to_owned(), |error| error.to_string());
                Err(left(shown, why))
            }
            Err(error) => Err(left(shown, error.to_string())),
        }
    }
}

const VENDOR: &str = "ask the app's vendor; until it is right, do not rely on its groups";
