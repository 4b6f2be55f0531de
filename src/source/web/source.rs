//! Any directory behind HTTP, as a source. What comes in is what the directory declares; what goes out are readings, answers about single ids and news.
//! This module must not depend on a product.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::api::Api;
use super::directory::{ChangeEvent, HttpDirectory};
use super::list::Object;
use super::reading::WebReader;
use super::{WebConnection, application, examine};
use crate::clock::Clock;
use crate::config::directory::DirectoryTable as _;
use crate::http::pace::Pacer;
use crate::http::retry::Backoff;
use crate::http::{ClientIdentity, ClientSettings, Network, Secret, SetupError};
use crate::model::{Finding, GroupMatch, LifecycleStatus, SourceId};
use crate::progress::Progress;
use crate::source::write::NewPeople;
use crate::source::{FeedHint, Presence, Reading, Source, SourceError};

/// The first pause before a question is put again is at most this long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What a source needs besides its table.
pub struct Parts {
    /// The key, or the secret of the client.
    pub secret: Secret,
    /// The certificate authorities to trust instead of the machine's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// What is shown to a server that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// Through which proxy, and with which TLS.
    pub network: Network,
    /// How fast it may be asked.
    pub pacer: Pacer,
    /// The groups that `[scope]` names; `None` for all that the application is given to.
    pub wanted: Option<Vec<GroupMatch>>,
    /// The names that mappings and filters read of a record.
    pub reads: Vec<String>,
    /// For time windows of the change feed, and to compare with the directory's.
    pub clock: Arc<dyn Clock>,
}

/// A directory behind HTTP.
pub struct WebSource<D> {
    pub(super) directory: D,
    pub(super) web: WebConnection,
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
        let Parts { secret, ca_pem, identity, network, pacer, wanted, reads, clock } = parts;
        let keys = table.web().ok_or_else(|| SetupError::new("the table lacks the keys of a directory behind HTTP"))?;
        let timeout = Duration::from_secs(keys.timeout_secs);
        let cap = Duration::from_millis(keys.backoff_cap_ms);
        let backoff = Backoff { base: FIRST_PAUSE.min(cap), cap };
        let api = |url: &str| {
            let mut client = ClientSettings {
                allow_http_loopback: keys.allow_http_loopback,
                ca_pem: ca_pem.clone(),
                identity: identity.clone(),
                network: network.clone(),
                idle_timeout: timeout,
                total_timeout: timeout * 2,
                ..ClientSettings::new(url)
            };
            D::adjust(table, &mut client);
            let login = D::login(table, &secret, &client)?;
            Api::new(D::ABOUT, &client, login, pacer.clone(), (keys.attempts, backoff))
        };
        let (address, feed) = D::addresses(table);
        let (api, feed) = (api(&address)?, feed.as_deref().map(api).transpose()?);
        Ok(Self {
            directory: D::new(table, &reads),
            web: WebConnection { api, feed, at_once: keys.in_flight.max(1) as usize, clock },
            application: table.application().map(|name| name.trim().to_owned()),
            wanted,
            has_seen_users: AtomicBool::new(false),
            told: Mutex::default(),
        })
    }

    /// Asks one by one, and believes a *gone* only where users are seen at all: a wrong address or organisation answers 404 to everything.
    async fn ask(&self, ids: &[SourceId], is_user: bool) -> Result<Vec<Presence>, SourceError> {
        let list = if is_user { self.directory.users() } else { self.directory.groups() };
        let ask = async |id: &SourceId| -> Result<Presence, SourceError> {
            let Some(question) = list.one(id.as_str()) else { return Ok(Presence::Unknown) };
            Ok(match self.web.record(&question).await? {
                None => Presence::Gone,
                Some(record) if is_user && self.directory.standing(&record) == LifecycleStatus::Suspended => {
                    Presence::Suspended
                }
                Some(_) => Presence::Present,
            })
        };
        let mut answers: Vec<_> = self.web.each(ids.iter().map(ask).collect()).collect().await;
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

impl<D> std::fmt::Debug for WebSource<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSource").field("host", &self.web.api.host()).finish_non_exhaustive()
    }
}

#[async_trait]
impl<D: HttpDirectory> Source for WebSource<D> {
    fn describe(&self) -> String {
        format!("{} {}", D::ABOUT.init.name, self.web.api.host())
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        let (mut binding, mut prepared) = (None, None);
        if let Some(name) = &self.application {
            let found = application::find(&self.directory, &self.web, name, progress).await?;
            reading.application(found.application.shown());
            prepared = self.directory.with_application(&self.web, &found).await?;
            binding = Some(found);
        }
        let directory = prepared.as_ref().unwrap_or(&self.directory);
        let (wanted, has_seen_users) = (self.wanted.as_deref(), &self.has_seen_users);
        WebReader { directory, web: &self.web, wanted, has_seen_users, progress }.read(binding, reading).await
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
