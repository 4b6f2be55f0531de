//! After a crash, or after a call that nobody answered. In: intents without an outcome. Out: the outcome, by looking at the app.
//! Nothing is repeated here.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::calls::hides;
use super::created::{agrees, is_no_neighbours};
use super::losses::note_losses;
use super::reply::shows_members;
use crate::clock::Clock;
use crate::config::profile::{InactiveEffect, Profile};
use crate::model::{AppId, Attributes, ObjectRef, Op, Path, Provenance, Reason, SourceId};
use crate::scim::{AppRead, AppUser, CallError, FailureClass, GroupKeys, Match, UserKeys};
use crate::store::{CallIntent, Effect, Neighbours, OpenIntent, OutcomeResult, State, StoreError};

/// Why recovery did not end.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The app could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The state could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// So many objects in a row about which the app says nothing: it is the app, and not the objects.
const SILENT: usize = 3;

/// Finds out what became of every call whose outcome was never written, and writes it. Returns how many were found out. One object
/// that the app does not want to speak about stays open, and keeps nobody else waiting: nothing is made for it meanwhile.
///
/// # Errors
/// When the app can't be asked or the state can't be written; then nothing may be sent either.
pub async fn recover(
    app: &dyn AppRead,
    state: &dyn State,
    mapped: &[Path],
    profile: &Profile,
    clock: &dyn Clock,
    neighbours: &dyn Neighbours,
) -> Result<usize, RecoverError> {
    let look = OutcomeLookup { app, state, mapped, profile, clock, neighbours };
    let (mut resolved, mut silent) = (0, 0);
    for OpenIntent { seq, at, intent } in state.open_intents() {
        look.wait_until_shown(at, intent.op).await;
        let effects = match look.at(&intent).await {
            Ok(effects) => effects,
            Err(RecoverError::Call(error)) if silent + 1 < SILENT && is_about_one(&error) => {
                silent += 1;
                tracing::warn!(object = %intent.object, class = ?error.class, status = error.status, "could not determine the \
                    outcome of a request");
                continue;
            }
            Err(error) => return Err(error),
        };
        silent = 0;
        resolved += 1;
        let detail = "the response never arrived; this is what the app shows now".to_owned();
        state.outcome(seq, OutcomeResult::Unknown { detail }, effects).await?;
    }
    Ok(resolved)
}

/// Whether a failed look says something about the object alone: the app is there, and takes the token.
pub(crate) fn is_about_one(error: &CallError) -> bool {
    !matches!(
        error.class,
        FailureClass::Unauthorized
            | FailureClass::Redirect
            | FailureClass::Unreachable
            | FailureClass::Untrusted
            | FailureClass::LoginRefused
            | FailureClass::LoginFailed
            | FailureClass::Unknown
            | FailureClass::Throttled
    )
}

struct OutcomeLookup<'a> {
    app: &'a dyn AppRead,
    state: &'a dyn State,
    mapped: &'a [Path],
    profile: &'a Profile,
    clock: &'a dyn Clock,
    neighbours: &'a dyn Neighbours,
}

impl OutcomeLookup<'_> {
    /// What was just made may not be shown yet: to look too early would be to make it twice.
    async fn wait_until_shown(&self, sent: Timestamp, op: Op) {
        let settles_after = Duration::from_secs(self.profile.read.settles_after_s.into());
        let passed = Duration::try_from(self.clock.now().duration_since(sent)).unwrap_or_default();
        if matches!(op, Op::CreateUser | Op::CreateGroup) && passed < settles_after {
            tokio::time::sleep(settles_after - passed).await;
        }
    }

    async fn at(&self, intent: &CallIntent) -> Result<Vec<Effect>, RecoverError> {
        match (&intent.object, intent.op, &intent.app_id) {
            (ObjectRef::User(id), Op::CreateUser, _) => self.created_user(id, intent).await,
            (ObjectRef::User(id), _, Some(app_id)) => self.user(id, intent, app_id).await,
            (ObjectRef::Group(id), Op::CreateGroup, _) => self.created_group(id, intent).await,
            (ObjectRef::Group(id), _, Some(app_id)) => self.group(id, app_id, intent).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn created_user(&self, id: &SourceId, intent: &CallIntent) -> Result<Vec<Effect>, RecoverError> {
        if self.state.user(id)?.is_some() {
            // It was to replace the account they have: that one is not forgotten before it is put aside, and the plan looks for
            // the new one.
            return Ok(Vec::new());
        }
        let changes = intent.changes.iter();
        let sent = changes.filter_map(|change| Some((Path::parse(&change.attribute).ok()?, change.to.clone())));
        let keys = UserKeys { source_id: id.clone(), attributes: sent.collect(), except: None };
        let found = self.app.look_up_users(std::slice::from_ref(&keys), self.mapped).await?.into_iter().next();
        // Another account of that name is none of ours: whether it is adopted is for the plan.
        let Some(found) = found.and_then(Match::one).filter(|found| agrees(&keys.attributes, found)) else {
            return Ok(Vec::new());
        };
        if self.state.user_by_app_id(&found.id)?.is_some_and(|owner| owner != *id)
            || !is_no_neighbours(self.neighbours, &intent.object, &found.id)
        {
            return Ok(Vec::new());
        }
        let (app_id, provenance) = (found.id.clone(), Provenance::Created);
        Ok(vec![Effect::UserLinked { id: id.clone(), app_id, provenance }, seen(id, found)])
    }

    async fn user(&self, id: &SourceId, intent: &CallIntent, app_id: &AppId) -> Result<Vec<Effect>, RecoverError> {
        let op = intent.op;
        let row = self.state.user(id)?;
        let was_active = row.as_ref().is_some_and(|row| row.active != Some(false));
        // An account that was given another id meanwhile is looked at under that one.
        let app_id = row.as_ref().map_or(app_id, |row| &row.app_id);
        let lost = Effect::AccessLost { user: id.clone(), at: self.clock.now() };
        let ends_access = matches!(op, Op::DeactivateUser | Op::DeleteUser);
        let mut effects = match self.app.get_user(app_id, self.mapped).await? {
            Some(found) => {
                let ended = ends_access && was_active && !found.active;
                let gone = self.not_shown(intent, &found.attributes);
                let mut effects = vec![seen_without(id, found, gone)];
                effects.extend(ended.then_some(lost));
                return Ok(effects);
            }
            // An account that is active under another id is none that the app hides.
            None if let Some(active) = self.active_elsewhere(id, app_id, was_active, op).await? => {
                // The link is kept, and the plan looks into it: what counts until then is what the app shows.
                let ended = ends_access && was_active && !active;
                return Ok([has_active(id, active)].into_iter().chain(ended.then_some(lost)).collect());
            }
            // The app hides inactive accounts: that is all that happened.
            None if hides(&self.profile.users, op) => vec![switched_off(id)],
            // Whoever was off is hidden still: the call did nothing, or was not made.
            None if !was_active && self.profile.users.inactive_effect == InactiveEffect::HidesResource => Vec::new(),
            None => vec![Effect::UserUnlinked { id: id.clone() }],
        };
        if ends_access && was_active {
            effects.push(lost);
        }
        Ok(effects)
    }

    /// The attributes that a call was to change and the account is without: what was on record of them is so no more.
    fn not_shown(&self, intent: &CallIntent, shown: &Attributes) -> Vec<Path> {
        let is_asked = |path: &Path| {
            let always = [Path::user_name(), Path::external_id()];
            self.mapped.iter().chain(&always).any(|asked| asked.covers(path))
                && !self.profile.attributes.is_unreturned(path)
        };
        let changed = intent.changes.iter().filter_map(|change| Path::parse(&change.attribute).ok());
        changed.filter(|path| is_asked(path) && !shown.iter().any(|(shown, _)| path.covers(shown))).collect()
    }

    /// Whether an account that the app shows for the user under another id is active; `None` where it shows none.
    async fn active_elsewhere(
        &self,
        id: &SourceId,
        app_id: &AppId,
        was_active: bool,
        op: Op,
    ) -> Result<Option<bool>, RecoverError> {
        let Some(row) = self.state.user(id)?.filter(|row| row.app_id == *app_id) else { return Ok(None) };
        let keys = UserKeys { source_id: id.clone(), attributes: row.sent, except: None };
        Ok(match self.app.look_up_users(&[keys], self.mapped).await?.into_iter().next() {
            Some(Match::One { found, .. }) => Some(found.active),
            // Which of several it is cannot be told: what the call was to change may be so.
            Some(Match::Conflict(conflict)) => {
                Some(conflict.another().map_or(was_active || op == Op::ActivateUser, |another| another.active))
            }
            Some(Match::Nobody) | None => None,
        })
    }

    async fn created_group(&self, id: &SourceId, intent: &CallIntent) -> Result<Vec<Effect>, RecoverError> {
        let name = intent.changes.first().and_then(|change| change.to.as_str()).unwrap_or_default();
        let keys = GroupKeys { source_id: id.clone(), display_name: name.to_owned(), released: Vec::new() };
        let Some(Match::One { found, .. }) = self.app.look_up_groups(&[keys]).await?.into_iter().next() else {
            return Ok(Vec::new());
        };
        if self.state.group_by_app_id(&found.id)?.is_some_and(|owner| owner != *id)
            || !is_no_neighbours(self.neighbours, &intent.object, &found.id)
        {
            return Ok(Vec::new());
        }
        let (app_id, provenance) = (found.id.clone(), Provenance::Created);
        let mut effects = vec![Effect::GroupLinked { id: id.clone(), app_id, provenance, name: found.display_name }];
        if !intent.members.is_empty() {
            effects.push(doubted(id, intent));
        } else if intent.changes.iter().any(|change| change.is_of_members()) {
            let shown = self.app.get_group(&found.id).await?;
            effects.extend(self.members(id, shown.and_then(|group| group.members))?);
        }
        Ok(effects)
    }

    async fn group(&self, id: &SourceId, app_id: &AppId, intent: &CallIntent) -> Result<Vec<Effect>, RecoverError> {
        let Some(found) = self.app.get_group(app_id).await? else {
            if intent.op == Op::DeleteGroup {
                let users = self.believed_members(id)?;
                note_losses(self.state, &intent.run, Reason::GroupLost, users, self.clock.now()).await?;
            }
            return Ok(vec![Effect::GroupUnlinked { id: id.clone() }]);
        };
        let mut effects = Vec::new();
        let row = self.state.group(id)?;
        if row.as_ref().is_none_or(|row| row.name_of(&found.display_name) != row.name) {
            effects.push(Effect::GroupRenamed { id: id.clone(), name: found.display_name });
        }
        match intent.members.is_empty() || shows_members(self.profile) {
            true => effects.extend(self.members(id, found.members)?),
            false => effects.push(doubted(id, intent)),
        }
        Ok(effects)
    }

    fn believed_members(&self, group: &SourceId) -> Result<Vec<SourceId>, StoreError> {
        let mut believed = Vec::new();
        for number in self.state.members(group)? {
            believed.extend(self.state.user_by_number(number)?);
        }
        Ok(believed)
    }

    /// Members of ours that the group really has, against those we believed in.
    fn members(&self, group: &SourceId, shown: Option<Vec<String>>) -> Result<Vec<Effect>, StoreError> {
        let Some(shown) = shown.filter(|_| shows_members(self.profile)) else { return Ok(Vec::new()) };
        let mut now = HashSet::new();
        for member in shown {
            now.extend(self.state.user_by_app_id(&AppId::new(member))?);
        }
        let believed: HashSet<SourceId> = self.believed_members(group)?.into_iter().collect();
        let sorted = |ids: Vec<&SourceId>| {
            let mut ids: Vec<SourceId> = ids.into_iter().cloned().collect();
            ids.sort();
            ids
        };
        let joined = sorted(now.difference(&believed).collect());
        let gone = sorted(believed.difference(&now).collect());
        let mut effects = Vec::new();
        if !joined.is_empty() {
            effects.push(Effect::MembersAdded { group: group.clone(), users: joined });
        }
        if !gone.is_empty() {
            let (members, at) = (gone.len() as u64, self.clock.now());
            effects.push(Effect::GroupReduced { group: group.clone(), members, at });
            effects.push(Effect::MembersRemoved { group: group.clone(), users: gone });
        }
        Ok(effects)
    }
}

fn seen(id: &SourceId, found: AppUser) -> Effect {
    seen_without(id, found, Vec::new())
}

/// What the account shows, which is without some attributes.
fn seen_without(id: &SourceId, found: AppUser, clear: Vec<Path>) -> Effect {
    Effect::UserSent {
        id: id.clone(),
        set: found.attributes,
        clear,
        active: Some(found.active),
        echo: Attributes::new(),
    }
}

/// Where nobody can tell, the plan puts in whoever belongs, and takes out whoever does not, once more.
fn doubted(id: &SourceId, intent: &CallIntent) -> Effect {
    Effect::MembersDoubted { group: id.clone(), users: intent.members.clone() }
}

fn switched_off(id: &SourceId) -> Effect {
    has_active(id, false)
}

/// What is known of `active`, and of nothing else.
fn has_active(id: &SourceId, active: bool) -> Effect {
    Effect::UserSent {
        id: id.clone(),
        set: Attributes::new(),
        clear: Vec::new(),
        active: Some(active),
        echo: Attributes::new(),
    }
}
