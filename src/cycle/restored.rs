//! A state that came back from a backup, or that lost its end. It takes what the state believes of linked accounts and groups and what the
//! app shows of them; it puts on record what the app shows. The plan that follows adds at once; what is to be taken away waits for the run
//! after this one, since a restored state is adopt-only.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{CycleError, CycleJob, RunWriter};
use crate::config::profile::{InactiveEffect, MemberValue};
use crate::model::{AppId, Attributes, Path, Reason, RunId, SourceId, digest, fold};
use crate::schema::is_folded_name;
use crate::scim::{AppGroup, AppUser, Match, UserKeys};
use crate::store::{Effect, GroupRow, Health, StateView, StoreError, UserRow};

/// So few objects may all be gone from the app; of more, at least one has to be there before the links of others end.
const FEW: usize = 3;

/// Compares everything linked with the app, if the state may be older than the app: one look-up for all accounts, which lists them where
/// that takes fewer calls, and one read of each group. A new state has no links, and asks nothing.
pub(super) async fn compare(
    job: &CycleJob<'_>,
    RunWriter { ledger, .. }: RunWriter<'_>,
    run: &RunId,
) -> Result<(), CycleError> {
    if !matches!(ledger.health(), Health::AdoptOnly { .. }) {
        return Ok(());
    }
    let mut users: Vec<(SourceId, UserRow)> = Vec::new();
    ledger.linked_users(&mut |id, row| {
        users.push((id, row));
        ControlFlow::Continue(())
    })?;
    if users.is_empty() {
        return Ok(());
    }
    job.progress.stage("comparing restored links with the app", Some(users.len() as u64));
    let shown = accounts(job, &users).await?;
    let shows_accounts = users.len() <= FEW || shown.iter().any(|seen| matches!(seen, ShownAccount::Account(_)));
    let effects = of_users(job, &users, &shown, shows_accounts)?;
    if !effects.is_empty() {
        ledger.noted(run, Reason::ComparedAfterRestore, effects).await?;
    }
    if job.rules.groups_on() {
        let effects = groups(job, shows_accounts).await?;
        if !effects.is_empty() {
            ledger.noted(run, Reason::ComparedAfterRestore, effects).await?;
        }
    }
    tracing::info!(users = users.len(), "the restored state was compared with the app");
    Ok(())
}

/// What the app shows of a linked account.
enum ShownAccount {
    Account(AppUser),
    /// The same account under another id.
    Moved(AppUser),
    /// Something that matches under another id, and whether that is active; `None` where it can't be told which of several it is.
    Elsewhere(Option<bool>),
    Nothing,
}

/// Each account as the app shows it.
async fn accounts(job: &CycleJob<'_>, users: &[(SourceId, UserRow)]) -> Result<Vec<ShownAccount>, CycleError> {
    let keys = |(id, row): &(SourceId, UserRow)| {
        let (source_id, attributes) = (id.clone(), row.sent.clone());
        UserKeys { source_id, attributes, except: None }
    };
    let keys: Vec<UserKeys> = users.iter().map(keys).collect();
    let mapped = job.mapped();
    let answers = job.reader.look_up_users(&keys, &mapped).await?;
    let mut shown = Vec::with_capacity(users.len());
    for ((id, row), answer) in users.iter().zip(answers) {
        shown.push(match answer {
            Match::One { found, .. } if found.id == row.app_id => ShownAccount::Account(found),
            // Its names are other ones by now, or are another's.
            answer => match job.reader.get_user(&row.app_id, &mapped).await? {
                Some(found) => ShownAccount::Account(found),
                None => elsewhere(job, id, row, answer)?,
            },
        });
    }
    if shown.iter().any(|seen| matches!(seen, ShownAccount::Nothing)) && waited(job).await {
        for ((_, row), seen) in users.iter().zip(&mut shown).filter(|(_, seen)| matches!(seen, ShownAccount::Nothing)) {
            if let Some(found) = job.reader.get_user(&row.app_id, &mapped).await? {
                *seen = ShownAccount::Account(found);
            }
        }
    }
    Ok(shown)
}

/// Waits with a state that knows of no earlier run: the state of one may have been lost a moment after it created accounts, and an app that
/// shows them late must not be given them twice.
pub(super) async fn wait_with_a_new_state(job: &CycleJob<'_>) -> Result<(), CycleError> {
    if matches!(job.state.health(), Health::AdoptOnly { .. }) {
        waited(job).await;
    }
    Ok(())
}

/// Waits as long as the app may not show what it just made: the run before may have been interrupted a moment ago. `false` where no app
/// of this kind needs that.
async fn waited(job: &CycleJob<'_>) -> bool {
    let settles_after = Duration::from_secs(job.rules.profile.read.settles_after_s.into());
    tokio::time::sleep(settles_after).await;
    !settles_after.is_zero()
}

/// An account that the app does not know under its id may be there under another one: then access has not ended.
fn elsewhere(
    job: &CycleJob<'_>,
    id: &SourceId,
    row: &UserRow,
    answer: Match<AppUser>,
) -> Result<ShownAccount, StoreError> {
    let (account, active) = match &answer {
        Match::Nobody => return Ok(ShownAccount::Nothing),
        Match::One { found, .. } => (&found.id, found.active),
        Match::Conflict(conflict) => match conflict.another() {
            Some(another) => (&another.id, another.active),
            None => return Ok(ShownAccount::Elsewhere(None)),
        },
    };
    if job.state.user_by_app_id(account)?.is_some_and(|owner| owner != *id) {
        return Ok(ShownAccount::Nothing);
    }
    let is_free = job.state.own_account()?.flatten().as_ref() != Some(account)
        && matches!(job.neighbours.linked_by(account), Ok(None));
    Ok(match answer {
        Match::One { found, .. } if is_free && is_theirs(row, &found) => ShownAccount::Moved(found),
        _ => ShownAccount::Elsewhere(Some(active)),
    })
}

/// Whether an account under another id carries the id and the user name that were sent.
fn is_theirs(row: &UserRow, found: &AppUser) -> bool {
    let both = |path: &Path| Some((row.sent.text(path)?, found.attributes.text(path)?));
    let is_same_name = |(ours, theirs): (&str, &str)| fold(ours) == fold(theirs);
    both(&Path::external_id()).is_some_and(|(ours, theirs)| !ours.is_empty() && ours == theirs)
        && both(&Path::user_name()).is_some_and(is_same_name)
}

fn of_users(
    job: &CycleJob<'_>,
    users: &[(SourceId, UserRow)],
    shown: &[ShownAccount],
    shows_accounts: bool,
) -> Result<Vec<Effect>, StoreError> {
    let mut kept = job.rules.kept_equal();
    if job.rules.maps_manager() {
        kept.push(Path::manager());
    }
    // An attribute that the app shows for no account at all is not kept or not shown: that is no change.
    let accounts = || {
        shown.iter().filter_map(|seen| match seen {
            ShownAccount::Account(found) | ShownAccount::Moved(found) => Some(found),
            ShownAccount::Elsewhere(_) | ShownAccount::Nothing => None,
        })
    };
    kept.retain(|path| accounts().any(|found| found.attributes.get(path).is_some()));
    let hides = job.rules.profile.users.inactive_effect == InactiveEffect::HidesResource;
    let mut effects = Vec::new();
    for ((id, row), found) in users.iter().zip(shown) {
        match found {
            ShownAccount::Account(found) => effects.extend(difference(&kept, id, row, found)),
            ShownAccount::Moved(found) => effects.extend(moved(job, id, row, found)?),
            // The link is kept, and the next change looks into it: what counts until then is what the app shows.
            ShownAccount::Elsewhere(Some(active)) if row.active != Some(*active) => {
                effects.push(sent(id, Attributes::new(), Vec::new(), Some(*active)));
            }
            ShownAccount::Elsewhere(_) => {}
            ShownAccount::Nothing if hides && row.active == Some(false) => {}
            ShownAccount::Nothing if !shows_accounts => {}
            ShownAccount::Nothing if hides => effects.push(sent(id, Attributes::new(), Vec::new(), Some(false))),
            ShownAccount::Nothing => effects.push(Effect::UserUnlinked { id: id.clone() }),
        }
    }
    Ok(effects)
}

/// The link of a user whose account has another id by now. It may have kept its memberships: they count until the groups are compared.
fn moved(job: &CycleJob<'_>, id: &SourceId, row: &UserRow, found: &AppUser) -> Result<Vec<Effect>, StoreError> {
    let link = Effect::UserLinked { id: id.clone(), app_id: found.id.clone(), provenance: row.provenance };
    let mut effects = vec![link, sent(id, found.attributes.clone(), Vec::new(), Some(found.active))];
    for (group, _) in job.state.groups()? {
        if job.state.members(&group)?.contains(&row.number) {
            effects.push(Effect::MembersDoubted { group, users: vec![id.clone()] });
        }
    }
    Ok(effects)
}

fn difference(kept: &[Path], id: &SourceId, row: &UserRow, found: &AppUser) -> Option<Effect> {
    let (mut set, mut clear) = (Attributes::new(), Vec::new());
    for path in kept {
        let known = row.echo.get(path).or_else(|| row.sent.get(path));
        match found.attributes.get(path) {
            now if is_same(path, known, now) => {}
            Some(now) => set.set(path.clone(), now.clone()),
            None => clear.push(path.clone()),
        }
    }
    let active = (row.active != Some(found.active)).then_some(found.active);
    let differs = !set.is_empty() || !clear.is_empty() || active.is_some();
    differs.then(|| sent(id, set, clear, active))
}

/// Names compare without case, as apps do.
fn is_same(path: &Path, known: Option<&serde_json::Value>, now: Option<&serde_json::Value>) -> bool {
    let text = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_str).map(fold);
    let folds = is_folded_name(path.parts().attribute);
    digest::same(known, now) || (folds && text(known).is_some() && text(known) == text(now))
}

fn sent(id: &SourceId, set: Attributes, clear: Vec<Path>, active: Option<bool>) -> Effect {
    Effect::UserSent { id: id.clone(), set, clear, active, echo: Attributes::new() }
}

/// An app that shows none of the accounts is no proof that a group is gone either: a group made again without them would end their links.
async fn groups(job: &CycleJob<'_>, shows_accounts: bool) -> Result<Vec<Effect>, CycleError> {
    let linked = job.state.groups()?;
    let mut shown = Vec::with_capacity(linked.len());
    for (_, row) in &linked {
        shown.push(job.reader.get_group(&row.app_id).await?);
    }
    if shown.iter().any(Option::is_none) && waited(job).await {
        for ((_, row), found) in linked.iter().zip(&mut shown).filter(|(_, found)| found.is_none()) {
            *found = job.reader.get_group(&row.app_id).await?;
        }
    }
    let some_are_shown = shows_accounts && (linked.len() <= FEW || shown.iter().any(Option::is_some));
    let mut effects = Vec::new();
    for ((id, row), found) in linked.iter().zip(shown) {
        match found {
            Some(found) => effects.extend(of_group(job, id, row, found)?),
            None if some_are_shown => effects.push(Effect::GroupUnlinked { id: id.clone() }),
            None => {}
        }
    }
    Ok(effects)
}

fn of_group(job: &CycleJob<'_>, id: &SourceId, row: &GroupRow, found: AppGroup) -> Result<Vec<Effect>, StoreError> {
    let state: &dyn StateView = job.state;
    let mut effects = Vec::new();
    if row.name_of(&found.display_name) != row.name {
        effects.push(Effect::GroupRenamed { id: id.clone(), name: found.display_name });
    }
    let mut believed = BTreeSet::new();
    for number in state.members(id)? {
        believed.extend(state.user_by_number(number)?);
    }
    let list = |users: Vec<&SourceId>| users.into_iter().cloned().collect::<Vec<SourceId>>();
    let Some(members) = found.members.filter(|_| job.rules.profile.groups.member_value == MemberValue::Id) else {
        if !believed.is_empty() {
            // They are put in again, which does no harm to a member.
            effects.push(Effect::MembersDoubted { group: id.clone(), users: list(believed.iter().collect()) });
        }
        return Ok(effects);
    };
    let mut now = BTreeSet::new();
    for member in members {
        now.extend(state.user_by_app_id(&AppId::new(member))?);
    }
    let (joined, left) = (list(now.difference(&believed).collect()), list(believed.difference(&now).collect()));
    if !joined.is_empty() {
        effects.push(Effect::MembersAdded { group: id.clone(), users: joined });
    }
    if !left.is_empty() {
        effects.push(Effect::MembersRemoved { group: id.clone(), users: left });
    }
    Ok(effects)
}
