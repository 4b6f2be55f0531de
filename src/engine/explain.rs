//! Why somebody is, or is not, in the app: the preview, the state, the journal and the app, brought together.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, Wish};
use crate::cycle::{CycleReport, Witness};
use crate::explain::{
    Candidate, ExplainSources, InDirectory, ListedCandidate, Past, Story, Teller, linked_by_name, search_journal, tell,
};
use crate::model::{Attributes, Path, SourceId, fold};
use crate::progress::Progress;
use crate::scim::{App, AppRead, AppUser, Match, UserKeys};
use crate::source::{Presence, Source};
use crate::store::{Sign, StateView};

/// What asking about somebody came to.
#[derive(Debug)]
pub enum Explained {
    /// One person.
    Story(Box<Story>),
    /// Several go by this name.
    Ambiguous(Vec<Candidate>),
    /// Nobody does: neither in the directory, nor linked, nor in the journal.
    Nobody(Nobody),
}

/// What is known of a name that is nobody's.
#[derive(Debug, Default, serde::Serialize)]
pub struct Nobody {
    /// What the directory answered when asked for it as an id; `None` if it was not asked.
    pub answer: Option<Presence>,
    /// People whose names begin like this, before an `@`.
    pub similar: Vec<Candidate>,
    /// What the app has by this user name; `None` if it was not asked or has nobody.
    pub account: Option<String>,
    /// Why directory or app could not be asked.
    pub unread: Option<String>,
}

impl Engine {
    /// Tells why somebody is, or is not, in the app. Reads only; with `offline` nothing but state and journal.
    ///
    /// # Errors
    /// When the state can't be read, or a connection can't even be prepared.
    pub async fn explain(&self, typed: &str, offline: bool, progress: &dyn Progress) -> Result<Explained, EngineError> {
        let state: &dyn StateView = &self.state().read_or_new()?;
        let linked = linked_by_name(state, typed)?;
        let sides = match offline {
            true => None,
            false => {
                self.must_know_addresses()?;
                Some((self.source().await?, self.app().await?))
            }
        };
        let seen = match &sides {
            Some((source, app)) => self.watched_preview(state, typed, &linked, source.as_ref(), app, progress).await,
            None => PreviewState::default(),
        };
        let (candidate, directory) = match choose(linked, &seen.listed) {
            ChosenUser::One(candidate, directory) => (candidate, directory),
            ChosenUser::Many(all) => return Ok(Explained::Ambiguous(all)),
            ChosenUser::None => match self.in_the_journal(typed)?.as_slice() {
                [one] => (one.clone(), None),
                [] => return Ok(Explained::Nobody(self.nobody(typed, sides.as_ref(), seen).await)),
                many => return Ok(Explained::Ambiguous(many.to_vec())),
            },
        };
        let PreviewState { report, mut unread, .. } = seen;
        let read = sides.is_some() && (report.is_some() || directory.is_some());
        let mut directory = directory.or_else(|| read.then(InDirectory::default));
        if let (Some(about), Some((source, _))) = (&mut directory, &sides)
            && !about.listed
            && about.answer.is_none()
        {
            match source.ask_users(std::slice::from_ref(&candidate.id)).await {
                Ok(answers) => about.answer = answers.first().copied(),
                Err(error) => unread = unread.or(Some(error.to_string())),
            }
        }
        let shown = match &sides {
            Some((_, app)) => match self.shown(app, state, &candidate, directory.as_ref()).await? {
                Ok(shown) => Some(shown),
                Err(why) => {
                    unread = unread.or(Some(why));
                    None
                }
            },
            None => None,
        };
        let past = Past::read(self.state().records(1)?, &candidate)?;
        let rules = self.rules();
        let story = tell(ExplainSources {
            tenant: &self.tenant.name,
            candidate,
            state,
            protected: &rules.protected,
            directory,
            report: report.as_ref(),
            unread,
            shown,
            past,
            retired: self.state().mark(Sign::Retired),
        })?;
        Ok(Explained::Story(Box::new(story)))
    }

    /// The same preview as `rosterd plan`, watched.
    async fn watched_preview(
        &self,
        state: &dyn StateView,
        typed: &str,
        linked: &[Candidate],
        source: &dyn Source,
        app: &App,
        progress: &dyn Progress,
    ) -> PreviewState {
        let scope = &self.tenant.file.scope;
        let teller = Teller {
            typed,
            linked,
            rules: self.rules(),
            nested: scope.nested,
            groups_named: self.tenant.groups.is_some(),
            found: Mutex::new(Vec::new()),
            similar: Mutex::new(Vec::new()),
        };
        let (wish, stop) = (Wish { dry_run: true, ..Wish::default() }, CancellationToken::new());
        let watched = Some(&teller as &dyn Witness);
        let report = self.preview(&wish, source, app, state, progress, &stop, watched).await;
        let (report, unread) = match report {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let listed = teller.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let similar = teller.similar.into_inner().unwrap_or_else(PoisonError::into_inner);
        PreviewState { listed, similar, report, unread }
    }

    fn in_the_journal(&self, typed: &str) -> Result<Vec<Candidate>, EngineError> {
        Ok(search_journal(self.state().records(1)?, &fold(typed))?)
    }

    /// What the app shows of somebody: their account, or whoever has the names they would have. The outer error is the
    /// state's, the inner one the app's, in words.
    async fn shown(
        &self,
        app: &App,
        state: &dyn StateView,
        candidate: &Candidate,
        directory: Option<&InDirectory>,
    ) -> Result<Result<Option<AppUser>, String>, EngineError> {
        let mapped = self.rules().read_paths();
        if let Some(row) = state.user(&candidate.id)? {
            return Ok(app.get_user(&row.app_id, &mapped).await.map_err(|error| error.to_string()));
        }
        let values = directory.iter().flat_map(|directory| &directory.mapped);
        let mut attributes: Attributes =
            values.filter_map(|(path, value)| Some((Path::parse(path).ok()?, value.clone()))).collect();
        if attributes.is_empty() {
            attributes.set(Path::user_name(), candidate.name.as_str().into());
        }
        Ok(look_up(app, candidate.id.clone(), attributes, &mapped).await)
    }

    async fn nobody(&self, typed: &str, sides: Option<&(Box<dyn Source>, App)>, seen: PreviewState) -> Nobody {
        let PreviewState { unread, similar, .. } = seen;
        let Some((source, app)) = sides else { return Nobody { unread, similar, ..Nobody::default() } };
        let id = SourceId::new(typed);
        let attributes = [(Path::user_name(), typed.into())].into_iter().collect();
        let (answer, why) = match source.ask_users(std::slice::from_ref(&id)).await {
            Ok(answers) => (answers.first().copied(), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (account, no_app) = match look_up(app, id, attributes, &self.rules().read_paths()).await {
            Ok(found) => (found.map(|found| found.id.to_string()), None),
            Err(error) => (None, Some(error)),
        };
        Nobody { answer, similar, account, unread: unread.or(why).or(no_app) }
    }
}

/// What a preview saw.
#[derive(Default)]
struct PreviewState {
    listed: Vec<ListedCandidate>,
    similar: Vec<Candidate>,
    report: Option<CycleReport>,
    unread: Option<String>,
}

enum ChosenUser {
    None,
    One(Candidate, Option<InDirectory>),
    Many(Vec<Candidate>),
}

/// Directory and state may both know somebody by the name: the same person counts once.
fn choose(linked: Vec<Candidate>, listed: &[ListedCandidate]) -> ChosenUser {
    let mut all: Vec<Candidate> = listed.iter().map(|listed| listed.candidate.clone()).collect();
    all.extend(linked.into_iter().filter(|one| !listed.iter().any(|listed| listed.candidate.id == one.id)));
    all.sort();
    match all.as_slice() {
        [] => ChosenUser::None,
        [one] => {
            let directory = listed.iter().find(|listed| listed.candidate.id == one.id);
            ChosenUser::One(one.clone(), directory.map(|listed| listed.directory.clone()))
        }
        _ => ChosenUser::Many(all),
    }
}

async fn look_up(
    app: &dyn AppRead,
    source_id: SourceId,
    attributes: Attributes,
    mapped: &[Path],
) -> Result<Option<AppUser>, String> {
    let keys = UserKeys { source_id, attributes, except: None };
    let found = app.look_up_users(&[keys], mapped).await.map_err(|error| error.to_string())?;
    Ok(found.into_iter().find_map(|found| match found {
        Match::One { found, .. } => Some(found),
        Match::Nobody | Match::Conflict(_) => None,
    }))
}
