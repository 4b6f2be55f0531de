//! After a crash. In: intents without an outcome. Out: the outcome, by looking at the app. Nothing is repeated here.

use crate::clock::Clock;
use crate::model::{AppId, Attributes, ObjectRef, Op, Path, Provenance, SourceId};
use crate::scim::{AppRead, CallError, GroupKeys, Match, UserKeys};
use crate::store::{Effect, OpenIntent, OutcomeResult, State, StoreError};

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

/// Finds out what became of every call whose outcome was never written, and writes it. Returns how many there were.
///
/// # Errors
/// When the app can't be asked or the state can't be written; then nothing may be sent either.
pub async fn recover(
    app: &dyn AppRead,
    state: &dyn State,
    mapped: &[Path],
    clock: &dyn Clock,
) -> Result<usize, RecoverError> {
    let open = state.open_intents();
    for intent in &open {
        let effects = look(app, state, mapped, intent, clock).await?;
        let detail = "the last run ended before the answer came; this is what the app shows now".to_owned();
        state.outcome(intent.seq, OutcomeResult::Unknown { detail }, effects).await?;
    }
    Ok(open.len())
}

async fn look(
    app: &dyn AppRead,
    state: &dyn State,
    mapped: &[Path],
    open: &OpenIntent,
    clock: &dyn Clock,
) -> Result<Vec<Effect>, RecoverError> {
    let intent = &open.intent;
    match (&intent.object, intent.op, &intent.app_id) {
        (ObjectRef::User(id), Op::CreateUser, _) => {
            let attributes = created_with(open);
            let keys = UserKeys { source_id: id.clone(), attributes };
            let found = app.look_up_users(&[keys], mapped).await?.into_iter().next();
            Ok(match found {
                Some(Match::One { found, .. }) => vec![
                    Effect::UserLinked { id: id.clone(), app_id: found.id, provenance: Provenance::Created },
                    seen(id, found.attributes, found.active),
                ],
                _ => Vec::new(),
            })
        }
        (ObjectRef::User(id), _, Some(app_id)) => Ok(match app.get_user(app_id, mapped).await? {
            Some(found) => vec![seen(id, found.attributes, found.active)],
            None => {
                vec![Effect::AccessLost { user: id.clone(), at: clock.now() }, Effect::UserUnlinked { id: id.clone() }]
            }
        }),
        (ObjectRef::Group(id), Op::CreateGroup, _) => {
            let name = intent.changes.first().and_then(|change| change.to.as_str()).unwrap_or_default();
            let keys = GroupKeys { source_id: id.clone(), display_name: name.to_owned() };
            Ok(match app.look_up_groups(&[keys]).await?.into_iter().next() {
                Some(Match::One { found, .. }) => vec![Effect::GroupLinked {
                    id: id.clone(),
                    app_id: found.id,
                    provenance: Provenance::Created,
                    name: found.display_name,
                }],
                _ => Vec::new(),
            })
        }
        (ObjectRef::Group(id), _, Some(app_id)) => match app.get_group(app_id).await? {
            None => Ok(vec![Effect::GroupUnlinked { id: id.clone() }]),
            Some(found) => {
                let mut effects = vec![Effect::GroupRenamed { id: id.clone(), name: found.display_name }];
                effects.extend(members_seen(state, id, found.members)?);
                Ok(effects)
            }
        },
        _ => Ok(Vec::new()),
    }
}

/// The attributes an interrupted create was about to send.
fn created_with(open: &OpenIntent) -> Attributes {
    let changes = open.intent.changes.iter();
    changes.filter_map(|change| Path::parse(&change.attribute).ok().map(|path| (path, change.to.clone()))).collect()
}

fn seen(id: &SourceId, set: Attributes, active: bool) -> Effect {
    Effect::UserSent { id: id.clone(), set, clear: Vec::new(), active: Some(active), echo: Attributes::new() }
}

/// Members of ours that the group really has, against those we believed in.
fn members_seen(state: &dyn State, group: &SourceId, members: Option<Vec<String>>) -> Result<Vec<Effect>, StoreError> {
    let Some(members) = members else { return Ok(Vec::new()) };
    let mut now = Vec::new();
    for member in members {
        now.extend(state.user_by_app_id(&AppId::new(member))?);
    }
    let mut gone = Vec::new();
    for number in state.members(group)? {
        gone.extend(state.user_by_number(number)?.filter(|id| !now.contains(id)));
    }
    let mut effects = Vec::new();
    if !now.is_empty() {
        effects.push(Effect::MembersAdded { group: group.clone(), users: now });
    }
    if !gone.is_empty() {
        effects.push(Effect::MembersRemoved { group: group.clone(), users: gone });
    }
    Ok(effects)
}
