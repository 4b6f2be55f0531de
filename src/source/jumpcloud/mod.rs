//! JumpCloud, by its API. In: `[source.jumpcloud]` and its credential. Out: people, groups and who is bound to the application,
//! and answers about single ids.
//!
//! People come from API v1 (`/systemusers`), groups, members and bindings from v2. The application's bindings say who belongs:
//! groups bound to it are assigned, people bound to it are direct. Only the members of groups that matter are read. `paging`
//! tells how a list is read while it moves; whoever slipped through all the same is asked for by id, since their groups still
//! name them.
//!
//! | `state` | standing |
//! |---|---|
//! | `SUSPENDED`, or `suspended` is true | suspended |
//! | `STAGED`, or one that is not known | staged: no account is made, none is taken away |
//! | `ACTIVATED` or none, whether or not a password is set or locked | active |
//!
//! Questions about the same kind of thing (people, groups, applications) share a name: when one of them was answered, a 403 to
//! another is a block for asking too fast.
//!
//! Groups hold people only. A dynamic group whose rule is in error keeps its members in the app.

mod application;
mod ask;
pub(super) mod choices;
mod create;
mod examine;
mod groups;
mod insights;
mod kind;
mod paging;
mod people;
mod reach;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::reach::Reach;
use super::{Hint, Presence, Reading, Source, SourceError, write::NewPeople};
use crate::clock::Clock;
use crate::config::directory::jumpcloud::JumpCloudTable;
use crate::http::pace::Pacer;
use crate::http::{Secret, SetupError};
use crate::model::{Finding, GroupMatch, SourceId};
use crate::progress::Progress;

/// The kind of directory, for the list.
pub(crate) const KIND: &dyn super::kind::DirectoryKind = &kind::JumpCloud;

/// What a source is made of, beside its table.
pub struct Parts {
    /// The API key, or the client secret of the service account.
    pub secret: Secret,
    /// The certificate authorities to trust instead of the machine's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How fast; also for Directory Insights.
    pub pacer: Pacer,
    /// `scope.groups`: only the members of these are read, as far as they are bound to the application.
    pub wanted: Option<Vec<GroupMatch>>,
    /// For answers that carry no date.
    pub clock: Arc<dyn Clock>,
}

/// An organisation in JumpCloud.
pub struct JumpCloudSource {
    reach: Reach,
    application: Option<String>,
    wanted: Option<Vec<GroupMatch>>,
    told: insights::Told,
}

impl JumpCloudSource {
    /// An organisation as the operator describes it; nothing is sent yet.
    ///
    /// # Errors
    /// When an address, the certificate file or the credential can't be used.
    pub fn new(table: &JumpCloudTable, parts: Parts) -> Result<Self, SetupError> {
        let Parts { secret, ca_pem, pacer, wanted, clock } = parts;
        Ok(Self {
            reach: Reach::new(table, &secret, ca_pem, &pacer, clock)?,
            application: table.application.clone(),
            wanted,
            told: insights::Told::default(),
        })
    }

    /// Whether a group's members matter.
    fn wants(&self, id: &str, name: &str, assigned: bool) -> bool {
        assigned && self.wanted.as_ref().is_none_or(|wanted| GroupMatch::any(wanted, id, name))
    }
}

/// The names that mappings and filters may read: those of the vendor's spec, and what this source adds.
pub fn record_names() -> (&'static [&'static str], &'static [&'static str]) {
    (&people::NAMES, &groups::NAMES)
}

impl std::fmt::Debug for JumpCloudSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JumpCloudSource").field("host", &self.reach.api.host()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for JumpCloudSource {
    fn describe(&self) -> String {
        format!("jumpcloud {}", self.reach.api.host())
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        let bindings = match &self.application {
            Some(name) => Some(application::bindings(&self.reach, name).await?),
            None => None,
        };
        if let Some(bindings) = &bindings {
            reading.application(bindings.application.shown());
        }
        let nobody = HashSet::new();
        let direct = bindings.as_ref().map_or(&nobody, |bound| &bound.people);
        people::read(&self.reach, direct, reading, progress).await?;
        let bound = |id: &str| match &bindings {
            Some(bindings) => bindings.groups.contains(id),
            // Without an application it is the scope alone that says which groups belong.
            None => self.wanted.is_some(),
        };
        let all = groups::read(&self.reach, bindings.as_ref().map(|bindings| &bindings.groups)).await?;
        let wanted = |group: &groups::Group| self.wants(&group.id, &group.name, bound(&group.id));
        let members = groups::members(&self.reach, &all, &wanted, progress).await?;
        // Whoever a group or the application names and nobody showed: slipped between two pages, made meanwhile, or gone.
        let named = members.iter().flat_map(|(_, members)| members.ids()).chain(direct.iter().map(String::as_str));
        people::look_after(&self.reach, named, direct, reading).await?;
        groups::hand_over(&all, &bound, members, reading);
        Ok(())
    }

    fn proves_absence(&self) -> bool {
        true
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        ask::users(&self.reach, ids).await
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        ask::groups(&self.reach, ids).await
    }

    async fn hint(&self, since: Timestamp) -> Result<Hint, SourceError> {
        insights::hint(&self.reach, &self.told, since).await
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.reach, self.application.as_deref()).await
    }

    fn new_people(&self) -> Option<&dyn NewPeople> {
        Some(self)
    }
}
