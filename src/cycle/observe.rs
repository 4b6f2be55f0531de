//! The questions of a survey, put to app and directory. In: a survey. Out: answers. Nothing is changed anywhere.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::{CycleError, CycleJob};
use crate::apply::{Recheck, is_about_one};
use crate::desired::Desired;
use crate::guard::EditImpact;
use crate::model::{AppId, Attributes, Conflict, Elsewhere, ObjectRef, Path, SourceId, fold};
use crate::plan::{Answers, GroupComparison, PlannedUser, Stuck, Survey, names_of_newcomers, released_under};
use crate::scim::{AppGroup, AppUser, CallError, GroupKeys, Lookalike, LookalikeScope, Match, UserKeys};
use crate::source::{Presence, Source};
use crate::store::{GroupRow, Health, StateView, StoreError};

/// Asks the directory about everybody, and every group, that is not in its reading.
pub(super) async fn ask_directory(
    job: &CycleJob<'_>,
    survey: &Survey,
    answers: &mut Answers,
) -> Result<(), CycleError> {
    if !survey.absent.is_empty() {
        job.progress.stage("asking the directory about missing users", Some(survey.absent.len() as u64));
        answers.absent = job.source.ask_users(&survey.as_the_directory_knows(&survey.absent)).await?;
    }
    let unseen: Vec<SourceId> =
        survey.lost_groups.iter().filter(|(_, _, ix)| ix.is_none()).map(|(id, ..)| id.clone()).collect();
    let asked = if unseen.is_empty() { Vec::new() } else { job.source.ask_groups(&unseen).await? };
    let mut asked = asked.into_iter();
    answers.lost_groups = survey
        .lost_groups
        .iter()
        .map(|(_, _, ix)| match ix {
            Some(_) => Presence::Present,
            None => asked.next().unwrap_or(Presence::Unknown),
        })
        .collect();
    Ok(())
}

/// Looks up in the app whom and what the state does not know. No leaver waits for this.
pub(super) async fn ask_app(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    survey: &Survey,
    answers: &mut Answers,
) -> Result<(), CycleError> {
    if !survey.newcomers.is_empty() {
        let keys: Vec<UserKeys> = survey.newcomers.iter().map(PlannedUser::keys).collect();
        job.progress.stage("looking up users in the app", Some(keys.len() as u64));
        (answers.users, answers.alike) = newcomers(job, desired, survey, &keys).await?;
        known_from_refusals(job, &survey.newcomers, &mut answers.users).await?;
        beside_the_state(job, answers)?;
    }
    if !survey.stuck.is_empty() {
        let keys = |Stuck { person, app_id }: &Stuck| UserKeys { except: Some(app_id.clone()), ..person.keys() };
        let keys: Vec<UserKeys> = survey.stuck.iter().map(keys).collect();
        answers.stuck = job.reader.look_up_users(&keys, &job.mapped()).await?;
    }
    answers.groups = groups(job, desired, survey).await?;
    groups_elsewhere(job, answers);
    answers.compared = compared(job, survey).await?;
    Ok(())
}

/// Looks newcomers up, and accounts that share a name with one of them unless the tenant file says not to compare.
async fn newcomers(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    survey: &Survey,
    keys: &[UserKeys],
) -> Result<(Vec<Match<AppUser>>, Vec<Lookalike>), CycleError> {
    if job.limits.duplicate_names.is_none() {
        return Ok((job.reader.look_up_users(keys, &job.mapped()).await?, Vec::new()));
    }
    let search = search(job.state, job.edited() == EditImpact::Matching)?;
    let names = names_of_newcomers(desired.snapshot, &survey.newcomers);
    Ok(job.reader.look_up_newcomers(keys, names, &job.mapped(), search).await?)
}

/// So many runs back are looked at for one that held something.
const RECENT_RUNS: usize = 50;

/// How far to look for accounts that share a name with new users: thoroughly on a first sync, after users are recognised by other values,
/// and as long as a recent run held something, so that what was held stays held.
pub(crate) fn search(state: &dyn StateView, other_matching: bool) -> Result<LookalikeScope, StoreError> {
    let is_first = matches!(state.health(), Health::AdoptOnly { .. }) || other_matching;
    let runs = state.runs(RECENT_RUNS)?;
    Ok(match is_first || runs.is_empty() || runs.iter().any(|run| run.held > 0) {
        true => LookalikeScope::Thorough,
        false => LookalikeScope::Cheap,
    })
}

/// Accounts that no look-up finds, and that an earlier, refused create brought to light: those are read by their ids.
async fn known_from_refusals(
    job: &CycleJob<'_>,
    newcomers: &[PlannedUser],
    answers: &mut [Match<AppUser>],
) -> Result<(), CycleError> {
    let found = job.state.failures()?.into_iter().filter_map(|(object, note)| match object {
        ObjectRef::User(id) => Some((id, note.found?)),
        ObjectRef::Group(_) => None,
    });
    let found: HashMap<SourceId, AppId> = found.collect();
    if found.is_empty() {
        return Ok(());
    }
    for (person, answer) in newcomers.iter().zip(answers).filter(|(_, answer)| matches!(answer, Match::Nobody)) {
        let Some(app_id) = found.get(&person.id) else { continue };
        let name = |of: &Attributes| of.text(&Path::user_name()).map(fold);
        if let Some(account) = job.reader.get_user(app_id, &job.mapped()).await?
            && name(&account.attributes) == name(&person.attributes)
        {
            *answer = Match::One { found: account, by: "userName".to_owned() };
        }
    }
    Ok(())
}

/// What other tenants and imports know of the accounts that were found.
fn beside_the_state(job: &CycleJob<'_>, answers: &mut Answers) -> Result<(), CycleError> {
    for answer in &answers.users {
        let Match::One { found, .. } = answer else { continue };
        let id = &found.id;
        let elsewhere = match job.neighbours.linked_by(id) {
            Ok(None) => None,
            Ok(Some((tenant, user))) => Some(Elsewhere::Linked { account: id.clone(), tenant, user }),
            // One tenant's damage must not stop another: only what can't be decided waits.
            Err(error) => Some(Elsewhere::Unread { account: id.clone(), error: error.to_string() }),
        };
        if let Some(why) = elsewhere {
            answers.linked_elsewhere.insert(id.clone(), why);
        }
        if let Some(user) = job.neighbours.imported_as(id)? {
            answers.imported.insert(id.clone(), user);
        }
    }
    Ok(())
}

/// What other tenants know of the groups that were found by `externalId`. A group that both find by its name they may share, as before.
fn groups_elsewhere(job: &CycleJob<'_>, answers: &mut Answers) {
    for answer in answers.groups.iter().flatten() {
        let Match::One { found, by } = answer else { continue };
        if by != Path::external_id().as_str() {
            continue;
        }
        let group = &found.id;
        let elsewhere = match job.neighbours.group_linked_by(group) {
            Ok(None) => continue,
            Ok(Some((tenant, of))) => Elsewhere::GroupLinked { group: group.clone(), tenant, of },
            // One tenant's damage must not stop another: only what can't be decided waits.
            Err(error) => Elsewhere::GroupUnread { group: group.clone(), error: error.to_string() },
        };
        answers.groups_linked_elsewhere.insert(group.clone(), elsewhere);
    }
}

async fn groups(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    survey: &Survey,
) -> Result<Vec<Option<Match<AppGroup>>>, CycleError> {
    let mut places = Vec::new();
    let mut keys = Vec::new();
    for (at, ix) in survey.new_groups.iter().enumerate() {
        let (Some(group), Some(row)) = (desired.group(*ix), desired.snapshot.group(*ix)) else { continue };
        if group.problem.is_none() {
            places.push(at);
            let released = released_under(job.state, &survey.lost_groups, &group.name)?;
            keys.push(GroupKeys { source_id: row.id.clone(), display_name: group.name.clone(), released });
        }
    }
    let mut answers: Vec<Option<Match<AppGroup>>> = survey.new_groups.iter().map(|_| None).collect();
    if keys.is_empty() {
        return Ok(answers);
    }
    job.progress.stage("looking up groups in the app", Some(keys.len() as u64));
    let found = job.reader.look_up_groups(&keys).await?;
    let read = found.into_iter().map(|found| async move {
        match found {
            Match::One { found, by } => with_members(job, found, by).await,
            other => Ok(other),
        }
    });
    let mut read = futures_util::stream::iter(read).buffered(job.in_flight.max(1));
    let mut places = places.into_iter();
    while let Some(found) = read.next().await {
        if let Some(slot) = places.next().and_then(|at| answers.get_mut(at)) {
            *slot = Some(found?);
        }
    }
    drop(read);
    Ok(answers)
}

/// How the app shows the groups whose management was off.
async fn compared(job: &CycleJob<'_>, survey: &Survey) -> Result<Vec<GroupComparison>, CallError> {
    if survey.compared.is_empty() {
        return Ok(Vec::new());
    }
    job.progress.stage("comparing groups with the app", Some(survey.compared.len() as u64));
    let read = survey.compared.clone().into_iter().map(|(id, link)| async move {
        match as_shown(job, id, link).await {
            // One group must not stop the others; an app that is not there, or takes no token, does.
            Err(error) if is_about_one(&error) => Ok(GroupComparison::Failed(error.to_string())),
            shown => shown,
        }
    });
    futures_util::stream::iter(read).buffered(job.in_flight.max(1)).try_collect().await
}

async fn as_shown(job: &CycleJob<'_>, id: SourceId, link: GroupRow) -> Result<GroupComparison, CallError> {
    if let Some(mut found) = job.reader.get_group(&link.app_id).await? {
        if !job.rules.profile.read.members_readable {
            found.members = None;
        }
        return Ok(GroupComparison::Shown(found));
    }
    // A 404 alone is no proof: asked in another way, the app has to answer too (T6).
    let keys = GroupKeys { source_id: id, display_name: link.name, released: Vec::new() };
    let again = job.reader.look_up_groups(&[keys]).await?.into_iter().next();
    Ok(match again {
        Some(Match::One { found, .. }) if found.id == link.app_id => {
            GroupComparison::Failed(format!("the app lists the group {} but does not show it", found.id))
        }
        Some(Match::Conflict(conflict)) => GroupComparison::Failed(conflict.to_string()),
        Some(Match::One { .. } | Match::Nobody) | None => GroupComparison::Gone,
    })
}

/// A group that is to be taken over is read with its members: nobody is added twice.
async fn with_members(job: &CycleJob<'_>, found: AppGroup, by: String) -> Result<Match<AppGroup>, CallError> {
    if !job.rules.profile.read.members_readable {
        return Ok(Match::One { found, by });
    }
    Ok(match job.reader.get_group(&found.id).await? {
        Some(found) => Match::One { found, by },
        None => Match::Conflict(Conflict::ListedOnly { group: found.id }),
    })
}

/// Asks the directory again, just before an absence is acted on.
pub(super) struct Again<'a> {
    source: &'a dyn Source,
    /// What the directory called gone. Whoever leaves for another reason has nothing to be asked about.
    gone: HashSet<ObjectRef>,
    /// Whom to ask for instead of a replaced account.
    stands_for: HashMap<SourceId, SourceId>,
}

impl<'a> Again<'a> {
    pub(super) fn new(source: &'a dyn Source, survey: &Survey, answers: &Answers) -> Self {
        let users = survey.absent.iter().map(|id| ObjectRef::User(id.clone())).zip(&answers.absent);
        let groups = survey.lost_groups.iter().map(|(id, ..)| ObjectRef::Group(id.clone())).zip(&answers.lost_groups);
        let gone = users.chain(groups).filter(|(_, answer)| **answer == Presence::Gone).map(|(object, _)| object);
        Self { source, gone: gone.collect(), stands_for: survey.stands_for.clone() }
    }

    /// For a plan in which nobody leaves for being absent.
    pub(super) fn nobody(source: &'a dyn Source) -> Self {
        Self { source, gone: HashSet::new(), stands_for: HashMap::new() }
    }

    fn ids<'o>(&'o self, objects: &'o [ObjectRef], users: bool) -> Vec<SourceId> {
        let asked = objects.iter().filter(|object| self.gone.contains(*object));
        let of_kind = asked.filter(|object| matches!(object, ObjectRef::User(_)) == users);
        of_kind.map(|object| self.stands_for.get(object.id()).unwrap_or(object.id()).clone()).collect()
    }
}

#[async_trait]
impl Recheck for Again<'_> {
    async fn still_absent(&self, objects: &[ObjectRef]) -> Vec<bool> {
        let (users, groups) = (self.ids(objects, true), self.ids(objects, false));
        if users.is_empty() && groups.is_empty() {
            return vec![true; objects.len()];
        }
        // A directory that can't be asked has confirmed nothing: the harmless reading is that they are there.
        let unknown = |error, count| {
            tracing::warn!(%error, "the directory could not be asked again about missing users or groups");
            vec![Presence::Unknown; count]
        };
        let answers = self.source.ask_users(&users).await.unwrap_or_else(|error| unknown(error, users.len()));
        let of_groups = self.source.ask_groups(&groups).await.unwrap_or_else(|error| unknown(error, groups.len()));
        let (mut answers, mut of_groups) = (answers.into_iter(), of_groups.into_iter());
        let mut still = |object: &ObjectRef| match object {
            _ if !self.gone.contains(object) => true,
            ObjectRef::User(_) => answers.next() == Some(Presence::Gone),
            ObjectRef::Group(_) => of_groups.next() == Some(Presence::Gone),
        };
        objects.iter().map(&mut still).collect()
    }
}
