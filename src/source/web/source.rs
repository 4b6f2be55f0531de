//! Any directory behind HTTP, as a source. What comes in is what the directory declares; what goes out are readings, answers about single ids and news.
//! This module must not depend on a product.
//!
//! First the application and the groups are read, which cost little and fail most, then users, then members of the groups that matter. Whoever a group
//! or the application names and nobody showed (slipped between two pages, made meanwhile, or gone) is asked for by id.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::application;
use super::directory::{ApiRight, Binding, ChangeEvent, GroupRecord, HttpDirectory, UserRecord, unclear};
use super::list::{List, Object};
use super::{Api, ApiRequest, WebSettings, examine};
use crate::clock::Clock;
use crate::config::directory::DirectoryTable as _;
use crate::http::pace::Pacer;
use crate::http::retry::Backoff;
use crate::http::{ClientSettings, HttpRequest, Method, Secret, SetupError};
use crate::model::{Finding, GroupMatch, LifecycleStatus, SourceId, fold};
use crate::progress::{Progress, Silent};
use crate::source::members::Spared;
use crate::source::write::{CreateError, NewPeople, NewPerson};
use crate::source::{FeedHint, GroupEntry, Presence, Reading, Source, SourceError, UserEntry};

/// The most users who are asked for one by one after a reading.
const LOOKED_AFTER: usize = 100;

/// So many groups that are answered 403 may each be the only one; more are an address that asks too fast, and none is asked any further.
const BLOCKED_ALONE: usize = 3;

/// The members of one group, or why nobody can say who they are.
type Members = Result<Vec<Box<str>>, String>;

/// What a source needs besides its table.
pub struct Parts {
    /// The key, or the secret of the client.
    pub secret: Secret,
    /// The certificate authorities to trust instead of the machine's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How fast it may be asked.
    pub pacer: Pacer,
    /// The groups that `[scope]` names; `None` for all that the application is given to.
    pub wanted: Option<Vec<GroupMatch>>,
    /// The names that mappings and filters read of a record.
    pub reads: Vec<String>,
    /// For time windows of the change feed, and to compare with the directory's.
    pub clock: Arc<dyn Clock>,
}

/// The way to one directory.
pub struct WebConnection {
    /// The API.
    pub(crate) api: Api,
    /// The change feed, where it is another API.
    pub(crate) feed: Option<Api>,
    /// Requests at a time.
    pub(crate) at_once: usize,
    /// The time of this machine.
    pub(crate) clock: Arc<dyn Clock>,
}

/// A directory behind HTTP.
pub struct WebSource<D> {
    directory: D,
    web: WebConnection,
    application: Option<String>,
    wanted: Option<Vec<GroupMatch>>,
    /// Whether users were seen: only then *not found* means that somebody is gone.
    has_seen_users: AtomicBool,
    /// The events that were told before, with their time.
    told: Mutex<HashMap<String, Timestamp>>,
}

impl<D: HttpDirectory> WebSource<D> {
    /// A directory as the operator describes it; nothing is sent yet.
    ///
    /// # Errors
    /// When an address, the certificate file or the credential can't be used.
    pub fn new(table: &D::Table, parts: Parts) -> Result<Self, SetupError> {
        let Parts { secret, ca_pem, pacer, wanted, reads, clock } = parts;
        let keys = table.web().ok_or_else(|| SetupError::new("the table lacks the keys of a directory behind HTTP"))?;
        let timeout = Duration::from_secs(keys.timeout_secs);
        let api = |url: &str| {
            let mut client = ClientSettings {
                allow_http_loopback: keys.allow_http_loopback,
                ca_pem: ca_pem.clone(),
                idle_timeout: timeout,
                total_timeout: timeout * 2,
                ..ClientSettings::new(url)
            };
            D::adjust(table, &mut client);
            let login = D::login(table, &secret, &client)?;
            let cap = Duration::from_millis(keys.backoff_cap_ms);
            Api::new(WebSettings {
                product: D::ABOUT.product,
                client,
                login,
                pacer: pacer.clone(),
                attempts: keys.attempts,
                backoff: Backoff { base: WebSettings::BACKOFF.base.min(cap), cap },
                forgive_403: D::ABOUT.forgive_403,
                meaning: D::meaning,
                address: D::ABOUT.address,
            })
        };
        let (address, feed) = D::addresses(table);
        Ok(Self {
            directory: D::new(table, &reads),
            web: WebConnection {
                api: api(&address)?,
                feed: feed.as_deref().map(api).transpose()?,
                at_once: keys.in_flight.max(1) as usize,
                clock,
            },
            application: table.application().map(|name| name.trim().to_owned()),
            wanted,
            has_seen_users: AtomicBool::new(false),
            told: Mutex::default(),
        })
    }

    async fn find(&self, question: &ApiRequest) -> Result<Option<Object>, SourceError> {
        let Some(reply) = self.web.api.find(question).await? else { return Ok(None) };
        self.web.api.json(question.what, &reply).map(Some)
    }

    /// All groups. One that the application is given to and the list did not show is asked for by id: passed over, it would take everybody's access
    /// along.
    async fn groups(
        &self,
        directory: &D,
        binding: Option<&Binding>,
        progress: &dyn Progress,
    ) -> Result<Vec<(Box<str>, GroupRecord)>, SourceError> {
        progress.stage("reading groups", None);
        let list = directory.groups();
        let make = |id: &str, record| directory.group(id, record);
        let all = self.web.api.list(&list, self.web.at_once, &Silent, &make).await;
        let mut all = all.map_err(|error| D::explain(error, ApiRight::Read))?;
        let known: HashSet<&str> = all.iter().map(|(id, _)| id.as_ref()).collect();
        let hidden: BTreeSet<Box<str>> = binding
            .into_iter()
            .flat_map(|binding| &binding.groups)
            .filter(|id| !known.contains(id.as_ref()))
            .cloned()
            .collect();
        for id in hidden {
            let Some(question) = directory.group_by_id(&id) else { continue };
            if let Some(record) = self.find(&question).await? {
                let group = directory.group(&id, record)?;
                all.push((id, group));
            }
        }
        Ok(all)
    }

    async fn users(&self, directory: &D, progress: &dyn Progress) -> Result<Vec<(Box<str>, UserRecord)>, SourceError> {
        progress.stage("reading users", None);
        let make = |id: &str, record| directory.user(id, record);
        let all = self.web.api.list(&directory.users(), self.web.at_once, progress, &make).await;
        let all = all.map_err(|error| D::explain(error, ApiRight::Read))?;
        self.has_seen_users.fetch_or(!all.is_empty(), Ordering::Relaxed);
        if all.iter().all(|(_, user)| user.is_whole) {
            return Ok(all);
        }
        tracing::warn!(
            users = all.len(),
            "the list of users does not show all that is needed, so users are read one by one"
        );
        progress.stage("reading users one by one", Some(all.len() as u64));
        let read = |(id, listed): (Box<str>, UserRecord)| async move {
            // Whoever went away meanwhile is as the list showed; the next reading will not find them.
            let user = self.user(directory, &id).await?.unwrap_or(listed);
            progress.advance(1);
            Ok((id, user))
        };
        let all: Vec<_> = all.into_iter().map(read).collect();
        stream::iter(all).buffered(self.web.at_once).try_collect().await
    }

    async fn user(&self, directory: &D, id: &str) -> Result<Option<UserRecord>, SourceError> {
        let Some(question) = directory.user_by_id(id) else { return Ok(None) };
        let record = self.find(&question).await?;
        record.map(|record| directory.user(id, directory.as_listed(record))).transpose()
    }

    /// The members of the groups that matter, in the order of the groups.
    async fn members(
        &self,
        directory: &D,
        groups: &[(Box<str>, GroupRecord)],
        wanted: &[bool],
        users: &[(Box<str>, UserRecord)],
        progress: &dyn Progress,
    ) -> Result<Vec<Members>, SourceError> {
        let shows_groups = users.iter().all(|(_, user)| user.groups.is_some());
        let lists: Vec<Option<List>> =
            groups.iter().map(|(id, group)| directory.members(id, group, shows_groups)).collect();
        if shows_groups && lists.iter().all(Option::is_none) {
            return Ok(of_records(groups, wanted, users));
        }
        let asked: Vec<usize> = wanted.iter().enumerate().filter(|(_, wanted)| **wanted).map(|(at, _)| at).collect();
        progress.stage("reading members", Some(asked.len() as u64));
        let of_one = |at: usize| {
            let list = lists.get(at).and_then(Option::as_ref);
            async move {
                let Some(list) = list else { return Ok(Ok(Vec::new())) };
                let make = |_: &str, entry: Object| Ok(entry.get("assigned") != Some(&false.into()));
                let read = self.web.api.list(list, self.web.at_once, &Silent, &make).await;
                progress.advance(1);
                match read.map_err(|error| D::explain(error, ApiRight::Members)) {
                    Ok(read) => Ok(Ok(read.into_iter().filter(|(_, is_one)| *is_one).map(|(id, _)| id).collect())),
                    // The settings were right a moment ago: the group is gone since the list was read.
                    Err(SourceError::Settings(_)) => Ok(Err("it was deleted while it was read".to_owned())),
                    Err(error) => Err(error),
                }
            }
        };
        let name = |at: usize| groups.get(at).map_or("", |(_, group)| group.name.as_str());
        let mut spared = Spared::of(asked.len());
        let mut all: Vec<Members> = groups.iter().map(|_| Ok(Vec::new())).collect();
        let mut put = |at: usize, members: Members| {
            if let Some(slot) = all.get_mut(at) {
                *slot = members;
            }
        };
        let (mut read_one, mut blocked) = (None, Vec::new());
        let asked = asked.into_iter().map(|at| async move { (at, of_one(at).await) });
        let mut answers = stream::iter(asked.collect::<Vec<_>>()).buffered(self.web.at_once);
        while let Some((at, answer)) = answers.next().await {
            match answer {
                Err(SourceError::Forbidden(why)) if shows_groups => {
                    tracing::warn!(why, "members may not be read group by group; reading them from the list of users");
                    return Ok(of_records(groups, wanted, users));
                }
                // A 403 may be a missing right, or an address that asks too fast: which it is, the other groups tell.
                Err(SourceError::Throttled(why)) if D::ABOUT.forgive_403 && blocked.len() < BLOCKED_ALONE => {
                    blocked.push((at, why));
                }
                answer => {
                    read_one = read_one.or(matches!(answer, Ok(Ok(_))).then_some(at));
                    put(at, spared.take(name(at), answer)?.and_then(|members| members));
                }
            }
        }
        drop(answers);
        for (at, why) in blocked {
            // A group that was read is asked for once more: where that is answered, nothing is throttled.
            let is_alone = match read_one {
                Some(other) => of_one(other).await.is_ok(),
                None => false,
            };
            if !is_alone {
                return Err(SourceError::Throttled(format!("the members of group {:?}: {why}", name(at))));
            }
            put(at, spared.take(name(at), Err(SourceError::Forbidden(why)))?);
        }
        spared.done()?;
        Ok(all)
    }

    /// Everybody who has the application and is in none of its groups.
    async fn direct(
        &self,
        directory: &D,
        binding: &Binding,
        members: &[Members],
        progress: &dyn Progress,
    ) -> Result<HashSet<Box<str>>, SourceError> {
        // Groups that are named leave no room for users without one.
        let Some(mut list) = directory.everybody_bound(binding).filter(|_| self.wanted.is_none()) else {
            return Ok(HashSet::new());
        };
        progress.stage("reading who has the application by name", None);
        let by_groups: HashSet<Box<str>> = members.iter().flatten().flatten().cloned().collect();
        if let super::ListPaging::Cursor { most, .. } = &mut list.paging {
            *most = Some(by_groups.clone());
        }
        let read = self.web.api.list(&list, self.web.at_once, progress, &|_, _| Ok(())).await;
        let all = read.map_err(|error| D::explain(error, ApiRight::Applications))?;
        Ok(all.into_iter().map(|(id, ())| id).filter(|id| !by_groups.contains(id)).collect())
    }

    /// Asks one by one, and believes a *gone* only where users are seen at all: a wrong address or organisation answers 404 to everything.
    async fn ask(&self, ids: &[SourceId], is_user: bool) -> Result<Vec<Presence>, SourceError> {
        let ask = |id: SourceId| async move {
            let directory = &self.directory;
            let question = if is_user { directory.user_by_id(id.as_str()) } else { directory.group_by_id(id.as_str()) };
            let Some(question) = question else { return Ok(Presence::Unknown) };
            Ok(match self.find(&question).await? {
                None => Presence::Gone,
                Some(record) if is_user && directory.standing(&record) == LifecycleStatus::Suspended => {
                    Presence::Suspended
                }
                Some(_) => Presence::Present,
            })
        };
        let asked: Vec<_> = ids.iter().cloned().map(ask).collect();
        let mut answers: Vec<Result<Presence, SourceError>> =
            stream::iter(asked).buffered(self.web.at_once).collect().await;
        if !answers.is_empty() && answers.iter().all(Result::is_err) {
            return answers.swap_remove(0).map(|one| vec![one]);
        }
        let is_trusted = self.has_seen_users.load(Ordering::Relaxed)
            || !answers.iter().any(|answer| matches!(answer, Ok(Presence::Gone)))
            || self.sees_users().await?;
        let judged = answers.into_iter().map(|answer| match answer {
            Ok(Presence::Gone) if !is_trusted => Presence::Unknown,
            Ok(presence) => presence,
            Err(error) => {
                tracing::warn!(%error, "the directory could not say whether an id still exists");
                Presence::Unknown
            }
        });
        Ok(judged.collect())
    }

    async fn sees_users(&self) -> Result<bool, SourceError> {
        let list = self.directory.users();
        let reply = self.web.api.read(&list.first(1)).await?;
        let sees = !list.entries(&self.web.api, &reply)?.0.is_empty();
        self.has_seen_users.fetch_or(sees, Ordering::Relaxed);
        Ok(sees)
    }
}

/// Whether a group's members matter to a scope.
fn wants(scope: Option<&[GroupMatch]>, id: &str, name: &str, is_assigned: bool) -> bool {
    is_assigned && scope.is_none_or(|scope| GroupMatch::any(scope, id, name))
}

/// Members as the records of users tell them.
fn of_records(groups: &[(Box<str>, GroupRecord)], wanted: &[bool], users: &[(Box<str>, UserRecord)]) -> Vec<Members> {
    let places: HashMap<&str, usize> = groups.iter().enumerate().map(|(at, (id, _))| (id.as_ref(), at)).collect();
    let mut members = vec![Vec::new(); groups.len()];
    for (id, user) in users {
        let places = user.groups.iter().flatten().filter_map(|group| places.get(group.as_ref()));
        for place in places.filter(|place| wanted.get(**place) == Some(&true)) {
            members.get_mut(*place).into_iter().for_each(|members| members.push(id.clone()));
        }
    }
    members.into_iter().map(Ok).collect()
}

fn hand_over<D: HttpDirectory>(id: &str, user: &UserRecord, is_direct: bool, reading: &mut Reading) {
    let (record, standing) = (user.record.as_ref(), user.standing);
    let ix = reading.user(UserEntry { id, record, standing, direct: is_direct });
    for (bit, sign) in D::ABOUT.signs.iter().enumerate() {
        if user.signs & (1 << bit) != 0 {
            reading.saw_sign(sign);
        }
    }
    if let Some(why) = &user.odd {
        reading.odd_user(ix, why.as_str());
    }
}

impl<D> std::fmt::Debug for WebSource<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSource").field("host", &self.web.api.host()).finish_non_exhaustive()
    }
}

#[async_trait]
impl<D: HttpDirectory> Source for WebSource<D> {
    fn describe(&self) -> String {
        format!("{} {}", D::ABOUT.name, self.web.api.host())
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        let binding = match &self.application {
            Some(name) => Some(application::find(&self.directory, &self.web, name, progress).await?),
            None => None,
        };
        let mut prepared = None;
        if let Some(binding) = &binding {
            reading.application(binding.application.shown());
            prepared = self.directory.with_application(&self.web, binding).await?;
        }
        let directory = prepared.as_ref().unwrap_or(&self.directory);
        let groups = self.groups(directory, binding.as_ref(), progress).await?;
        let is_bound = |id: &str| match &binding {
            Some(binding) => binding.groups.contains(id),
            // Without an application it is the scope alone that says which groups belong.
            None => self.wanted.is_some() || D::ABOUT.assigns_all,
        };
        let assigned: Vec<bool> = groups.iter().map(|(id, _)| is_bound(id)).collect();
        let wanted: Vec<bool> = groups
            .iter()
            .zip(&assigned)
            .map(|((id, group), bound)| wants(self.wanted.as_deref(), id, &group.name, *bound))
            .collect();
        let users = self.users(directory, progress).await?;
        let members = self.members(directory, &groups, &wanted, &users, progress).await?;
        let mut direct = match &binding {
            Some(binding) => self.direct(directory, binding, &members, progress).await?,
            None => HashSet::new(),
        };
        direct.extend(binding.into_iter().flat_map(|binding| binding.users));
        let list = reading.open_list(directory.users().label);
        let count = users.len() as u64;
        for (id, user) in users {
            hand_over::<D>(&id, &user, direct.contains(&id), reading);
        }
        reading.received(list, count);
        // How many there are was settled by the proof: some may have left meanwhile.
        reading.close_list(list, Some(count));
        let named = members.iter().flatten().flatten().chain(&direct);
        let missing: BTreeSet<&str> = named.map(AsRef::as_ref).filter(|id| reading.find_user(id).is_none()).collect();
        let asked: Vec<_> = missing
            .into_iter()
            .take(LOOKED_AFTER)
            .map(|id| async move { (id, self.user(directory, id).await) })
            .collect();
        let mut found = stream::iter(asked).buffered(self.web.at_once);
        while let Some((id, user)) = found.next().await {
            if let Some(user) = user? {
                hand_over::<D>(id, &user, direct.contains(id), reading);
            }
        }
        drop(found);
        let list = reading.open_list(directory.groups().label);
        let count = groups.len() as u64;
        for (((id, group), assigned), (members, wanted)) in groups.iter().zip(assigned).zip(members.iter().zip(&wanted))
        {
            let ix = reading.group(GroupEntry { id, name: &group.name, record: &group.record, assigned });
            match members {
                Ok(members) => drop(reading.members(ix, members)),
                Err(why) => reading.members_unread(ix, why.as_str()),
            }
            if let Some(why) = group.doubt.as_ref().filter(|_| *wanted) {
                reading.members_unread(ix, why.as_str());
            }
        }
        reading.received(list, count);
        reading.close_list(list, Some(count));
        Ok(())
    }

    fn proves_absence(&self) -> bool {
        true
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.ask(ids, true).await
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.ask(ids, false).await
    }

    async fn hint(&self, since: Timestamp) -> Result<FeedHint, SourceError> {
        let [overlap, kept] = D::ABOUT.feed;
        let oldest = self.web.clock.now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let from = since.saturating_sub(overlap).unwrap_or(Timestamp::MIN).max(oldest);
        let Some(events) = self.directory.events(&self.web, from).await? else { return Ok(FeedHint::NotOffered) };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody asks for what lies before again.
        told.retain(|_, at| *at >= from);
        let (mut seen, mut news) = (since, 0);
        for ChangeEvent { id, at, matters } in events {
            let at = at.unwrap_or(since);
            seen = seen.max(at);
            news += u64::from(matters && id.is_none_or(|id| told.insert(id, at).is_none()));
        }
        Ok(if news == 0 { FeedHint::Quiet { seen } } else { FeedHint::Changed { seen, events: news } })
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.directory, &self.web, self.application.as_deref(), self.wanted.is_some()).await
    }

    fn new_people(&self) -> Option<&dyn NewPeople> {
        self.directory.new_user(&Object::new()).map(|_| self as &dyn NewPeople)
    }
}

#[async_trait]
impl<D: HttpDirectory> NewPeople for WebSource<D> {
    fn required(&self) -> &'static [&'static str] {
        D::ABOUT.required
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        let list = self.directory.users();
        for name in D::ABOUT.found_by {
            let Some(value) = super::text(&person.attributes, name) else { continue };
            for question in self.directory.lookups(name, value) {
                let reply = self.web.api.read(&question).await.map_err(|error| D::explain(error, ApiRight::Read))?;
                let (users, ..) = list.entries(&self.web.api, &reply)?;
                // A filter may be heeded loosely, so what came is compared.
                let same = |user: &&Object| super::text(user, name).is_some_and(|text| fold(text) == fold(value));
                match users.iter().find(same) {
                    Some(user) => return Ok(Some(SourceId::new(list.id_of(user)?))),
                    // Others came: the filter was not heeded, so that nobody can be said to be missing.
                    None if D::ABOUT.filters_exactly && !users.is_empty() => {
                        return Err(SourceError::Malformed(format!("users filtered by {name}: others came")));
                    }
                    None => {}
                }
            }
        }
        Ok(None)
    }

    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError> {
        let Some((path, body)) = self.directory.new_user(&person.attributes) else {
            return Err(CreateError::Refused("users of this directory can't be made here".to_owned()));
        };
        let request = HttpRequest { body: Some(body.to_string().into_bytes()), ..HttpRequest::new(Method::Post, path) };
        let reply = self.web.api.create(request, D::ABOUT.taken).await.map_err(|error| match error {
            CreateError::Source(error) => CreateError::Source(D::explain(error, ApiRight::Create)),
            other => other,
        })?;
        let made: Object = self.web.api.json("a new user", &reply).map_err(|error| unclear(&error))?;
        let id = self.directory.users().id_of(&made).map_err(|error| unclear(&error))?;
        Ok(SourceId::new(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_of_the_groups_that_somebody_wants() {
        assert!(wants(None, "1", "Heap Users", true) && !wants(None, "1", "Heap Users", false));
        let named = [GroupMatch::Name("heap *".to_owned()), GroupMatch::Id("7".to_owned())];
        let narrowed = |id: &str, name: &str, assigned| wants(Some(&named), id, name, assigned);
        assert!(narrowed("1", "Heap Users", true) && narrowed("7", "x", true));
        assert!(!narrowed("1", "Heap Users", false) && !narrowed("1", "Sales", true));
    }
}
