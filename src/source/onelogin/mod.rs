//! OneLogin. In: `[source.onelogin]` and its API credentials. Out: people and roles, who of them may use one application, and
//! answers about single ids.
//!
//! Roles are what other products call groups; an application is given to roles and to single people. The list of users shows
//! everybody's roles, so membership costs no further call; where it does not, roles are asked one by one (`people`, `roles`).
//! `parameters` gives each user the values of the application's own parameters, such as a role.
//! `pages` knows how the API pages and when a list that moved has to be read again. What happened of late is read from the
//! events (`events`), as a reason to read earlier and never as the truth: they do not show everything.

mod application;
mod ask;
pub(super) mod choices;
mod events;
mod examine;
mod kind;
mod layout;
mod macros;
mod pages;
mod parameters;
mod people;
mod record;
mod roles;
mod write;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use self::events::Feed;
use self::layout::Layout;
use self::parameters::Parameters;
use super::web::{Api, Grant, Login, WebSettings};
use super::write::NewPeople;
use super::{GroupEntry, Hint, Presence, Reading, Source, SourceError, UserEntry};
use crate::config::directory::onelogin::{OneLoginGroups, OneLoginTable};
use crate::http::pace::Pacer;
use crate::http::retry::Backoff;
use crate::http::{Auth, ClientSettings, Secret, SetupError};
use crate::model::{Finding, GroupMatch, SourceId};
use crate::progress::Progress;

/// The kind of directory, for the list.
pub(crate) const KIND: &dyn super::kind::DirectoryKind = &kind::OneLogin;

/// What a source needs besides its table.
pub struct Parts {
    /// The client secret.
    pub secret: Secret,
    /// The certificate authorities to trust instead of the machine's.
    pub ca_pem: Option<Vec<u8>>,
    /// How fast it may be asked.
    pub pacer: Pacer,
    /// The groups that `[scope]` names; `None` for all that the application is given to.
    pub wanted: Option<Vec<GroupMatch>>,
    /// The names that mappings and filters read of a record.
    pub reads: Vec<String>,
}

/// A OneLogin account.
pub struct OneLoginSource {
    api: Api,
    layout: Layout,
    feed: Feed,
}

/// The names that the record of a person may hold: those of the vendor's `user` resource, and the parameters of the application.
pub fn record_names() -> impl Iterator<Item = &'static str> {
    record::NAMES.into_iter().chain([parameters::PARAMETERS])
}

impl OneLoginSource {
    /// An account as the operator describes it; nothing is sent yet.
    ///
    /// # Errors
    /// When the address, the credentials or the certificate file can't be used.
    pub fn new(table: &OneLoginTable, parts: Parts) -> Result<Self, SetupError> {
        let Parts { secret, ca_pem, pacer, wanted, reads } = parts;
        let client = ClientSettings {
            allow_http_loopback: table.web.allow_http_loopback,
            ca_pem,
            idle_timeout: Duration::from_secs(table.web.timeout_secs),
            total_timeout: Duration::from_secs(table.web.timeout_secs.saturating_mul(2)),
            // A thousand users a page, each with long custom attributes.
            max_body: 64 << 20,
            ..ClientSettings::new(table.address())
        };
        // Of the three ways that are documented the one that HTTP itself knows.
        let basic = Auth {
            header: "authorization".to_owned(),
            template: "Basic {token}".to_owned(),
            token: secret.basic_with(&table.client_id),
        };
        let login = Login::Granted(Box::new(Grant {
            endpoint: ClientSettings { auth: Some(basic), ..client.clone() },
            segments: ["auth", "oauth2", "v2", "token"].map(str::to_owned).to_vec(),
            body: br#"{"grant_type":"client_credentials"}"#.to_vec(),
            content_type: "application/json",
            header: "authorization",
            template: "Bearer {token}",
            on_server_error: "OneLogin answers so when the administrator who made these API credentials was deleted: make new ones \
                              under Developers > API Credentials",
        }));
        let api = Api::new(WebSettings {
            product: "OneLogin",
            client,
            login,
            pacer,
            attempts: table.web.attempts,
            backoff: Backoff { base: WebSettings::BACKOFF.base, cap: Duration::from_millis(table.web.backoff_cap_ms) },
            forgive_403: false,
            meaning: |_| None,
        })?;
        Ok(Self { api, layout: Layout::new(table, wanted, &reads), feed: Feed::default() })
    }
}

impl std::fmt::Debug for OneLoginSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneLoginSource").field("layout", &self.layout).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for OneLoginSource {
    fn describe(&self) -> String {
        format!("onelogin {}", self.layout.address)
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        let api = &self.api;
        // First what costs little and fails most: a wrong name, a missing right.
        let binding = application::find(api, &self.layout, progress).await?;
        if let Some(binding) = &binding {
            reading.application(format!("{:?} ({})", binding.name, binding.id));
        }
        let parameters = match &binding {
            Some(binding) => Parameters::read(api, &self.layout, binding).await?,
            None => Parameters::default(),
        };
        let layout = &self.layout.with(parameters);
        let groups = roles::list(api, layout, binding.as_ref(), reading, progress).await?;
        let people = people::read(api, layout, reading, progress).await?;
        let members = roles::members(api, layout, &groups, &people, progress).await?;
        let direct = match &binding {
            Some(binding) if layout.asks_who_is_direct() => {
                let by_roles = members.iter().flatten().flatten().copied().collect();
                application::direct(api, binding, &by_roles, progress).await?
            }
            _ => HashSet::new(),
        };
        for (id, person) in &people.all {
            let id_text = id.to_string();
            let (record, standing) = (person.record.as_ref(), person.standing);
            let user = reading.user(UserEntry { id: &id_text, record, standing, direct: direct.contains(id) });
            if let Some(why) = &person.odd {
                reading.odd_user(user, why.as_str());
            }
        }
        for (group, members) in groups.iter().zip(members) {
            let id = group.id.to_string();
            let record = serde_json::json!({ "id": id }).to_string();
            let ix =
                reading.group(GroupEntry { id: &id, name: &group.name, record: &record, assigned: group.assigned });
            match members {
                Ok(members) => {
                    reading.members(ix, &members.iter().map(u64::to_string).collect::<Vec<_>>());
                }
                Err(why) => reading.members_unread(ix, why),
            }
        }
        Ok(())
    }

    fn proves_absence(&self) -> bool {
        true
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        ask::users(&self.api, &self.layout, ids).await
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        ask::groups(&self.api, &self.layout, ids).await
    }

    async fn hint(&self, since: Timestamp) -> Result<Hint, SourceError> {
        match self.layout.events {
            true => self.feed.read(&self.api, since).await,
            false => Ok(Hint::NotOffered),
        }
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::all(&self.api, &self.layout).await
    }

    fn new_people(&self) -> Option<&dyn NewPeople> {
        Some(self)
    }
}

/// An error of a question that needs a right, with what to do about it. A token that was not granted is another matter.
fn told(error: SourceError, needs: &str) -> SourceError {
    const WHERE: &str = "OneLogin: Developers > API Credentials";
    match error {
        SourceError::NotGranted(why) => SourceError::NotGranted(format!(
            "{why}; check client_id and client_secret, and that they are of this account: they may have been revoked ({WHERE})"
        )),
        SourceError::Refused(why) | SourceError::Forbidden(why) => SourceError::Forbidden(format!(
            "{why}; the API credentials were granted a token but lack a right: {needs} ({WHERE})"
        )),
        other => other,
    }
}

/// The path of a v2 resource.
fn v2(resource: &str) -> Vec<String> {
    ["api", "2", resource].map(str::to_owned).to_vec()
}

/// Whether roles are what is kept.
fn by_roles(layout: &Layout) -> bool {
    layout.groups == OneLoginGroups::Roles
}
