//! Finding people and groups that may already be in the app. In: keys. Out: for each nobody, one, or a conflict with evidence.
//!
//! Every match is verified here: apps ignore filters, compare in their own way, and repeat themselves. What is not certain is a
//! conflict, since a wrong match hands somebody another person's account.

use std::collections::HashSet;
use std::sync::PoisonError;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::alike::Alike;
use super::client::{App, Endpoint, ScimRequest};
use super::error::{is_refused_filter, is_shaken};
use super::filter;
use super::json::{self, JsonObject};
use super::judge::judge;
use super::list::{ListPage, ListWalk};
use super::matching::{LookupIndex, LookupKeys, LookupResult, MatchBy};
use super::unanswered::{Round, leave_aside};
use super::{CallError, FailureClass, Lookalike, Match};
use crate::config::profile::{LookUp, PagingStyle};
use crate::http::Method;
use crate::model::{Conflict, fold};

/// What a filter was answered with.
pub(super) enum FilterAnswer {
    /// What really matches; empty where no account does.
    Answered(Vec<JsonObject>),
    /// Something else than what it asks for, or less than it announces.
    FilterIgnored,
}

/// At most so many pages of the answer to one filter are asked for: a value that one account has needs one.
const FILTER_PAGES: u32 = 10;

/// What is known of an answer that has several pages.
#[derive(Default)]
struct Rest {
    pages: u32,
    received: u64,
    ids: HashSet<String>,
    cursors: HashSet<String>,
}

/// Where an answer goes on.
enum Further {
    /// It is whole.
    None,
    /// There, by these parameters.
    At(Vec<(&'static str, String)>),
    /// It goes on, and there is no way to ask for the rest.
    Unknown,
}

impl Rest {
    /// Notes a page, and says what comes after it.
    fn after(&mut self, page: &ListPage, by_index: bool, page_size: u32) -> Further {
        self.pages += 1;
        self.received += page.resources.len() as u64;
        let known = self.ids.len();
        self.ids.extend(page.resources.iter().filter_map(|resource| json::text(resource, "id")));
        let repeats = self.pages > 1 && !page.resources.is_empty() && self.ids.len() == known;
        let is_last = self.pages >= FILTER_PAGES || repeats;
        let count = ("count", page_size.to_string());
        match &page.next_cursor {
            Some(next) if is_last || !self.cursors.insert(next.clone()) => Further::Unknown,
            Some(next) => Further::At(vec![("cursor", next.clone()), count]),
            // Where cursors lead the way, the page without one is the last.
            None if !self.cursors.is_empty() => Further::None,
            None if page.total.is_none_or(|total| total <= self.received) => Further::None,
            None if is_last || !by_index || page.resources.is_empty() => Further::Unknown,
            None => Further::At(vec![("startIndex", (self.received + 1).to_string()), count]),
        }
    }

    /// An answer whose rest can't be had: what it showed is there, and what it did not show proves nothing.
    fn cut_off(&self, matching: Vec<JsonObject>) -> FilterAnswer {
        tracing::debug!(pages = self.pages, found = matching.len(), "a filter's answer is not whole");
        match matching.is_empty() {
            true => FilterAnswer::FilterIgnored,
            false => FilterAnswer::Answered(matching),
        }
    }
}

impl App {
    /// Looks for every key, by the way that takes fewer calls.
    pub(super) async fn look_up(&self, wanted: &LookupKeys) -> Result<Vec<Match<JsonObject>>, CallError> {
        Ok(self.look_up_alike(wanted).await?.0)
    }

    /// As [`App::look_up`], with the accounts that share a name with a key.
    pub(super) async fn look_up_alike(
        &self,
        wanted: &LookupKeys,
    ) -> Result<(Vec<Match<JsonObject>>, Vec<Lookalike>), CallError> {
        if wanted.values.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut found = match self.way(wanted).await {
            Way::Filter => self.by_filter(wanted).await?,
            Way::List => self.by_list(wanted, false).await?,
            Way::Cheaper => self.by_list(wanted, true).await?,
        };
        let alike = match (found.alike.take(), &wanted.alike) {
            (Some(listed), _) => listed,
            (None, Some(alike)) => self.alike_by_filter(wanted, alike, &found).await?,
            (None, None) => Vec::new(),
        };
        let unknown = std::mem::take(&mut found.unknown);
        let mut answers = judge(wanted, found, self.profile.read.adopt);
        leave_aside(unknown, &mut answers);
        self.set_unaddressable_aside(&mut answers);
        Ok((answers, alike))
    }

    /// An object whose id no request can carry can't be kept in sync.
    pub(super) fn set_unaddressable_aside(&self, answers: &mut [Match<JsonObject>]) {
        for answer in answers {
            let Match::One { found, by } = answer else { continue };
            let id = json::text(found, "id").unwrap_or_default();
            if !self.can_address(&id) {
                let id: String = id.chars().take(60).collect();
                *answer = Match::Conflict(Conflict::Unaddressable { by: by.clone(), id });
            }
        }
    }

    async fn way(&self, wanted: &LookupKeys) -> Way {
        let needs_list = || wanted.values.iter().flatten().flatten().any(|value| !filter::is_plain(value));
        match self.profile.read.look_up {
            LookUp::List => Way::List,
            _ if self.learned.filters_unusable() || needs_list() => Way::List,
            LookUp::Filter => Way::Filter,
            LookUp::Auto if self.capabilities().await.filter == Some(false) => Way::List,
            // Two people cost at most a handful of filters; finding out how long the list is costs a page.
            LookUp::Auto if wanted.values.len() <= 2 => Way::Filter,
            LookUp::Auto => Way::Cheaper,
        }
    }

    /// Walks through the whole collection. If `may_filter`, the first page decides whether that is worth it.
    pub(super) async fn by_list(&self, wanted: &LookupKeys, may_filter: bool) -> Result<LookupResult, CallError> {
        let index = LookupIndex::new(wanted);
        let mut is_second_reading = false;
        let begun = Instant::now();
        loop {
            let mut walk = ListWalk::since(begun, self, wanted.endpoint, wanted.query.clone()).await;
            let mut found = LookupResult::new(wanted.values.len());
            found.alike = Some(Vec::new());
            let outcome = loop {
                match walk.next().await {
                    Ok(Some(resources)) => {
                        self.note_shown(wanted, &resources);
                        index.match_all(wanted, &resources, &mut found);
                        if let (Some(alike), Some(seen)) = (&wanted.alike, &mut found.alike) {
                            seen.extend(alike.among(&resources));
                        }
                    }
                    Ok(None) => break walk.verdict(),
                    Err(error) => break Err(error),
                }
                let filters_cost = wanted.values.len() as u64 + wanted.alike.as_ref().map_or(0, Alike::questions);
                let is_long = walk.requests_left().is_none_or(|left| left > filters_cost);
                if may_filter && !is_second_reading && is_long {
                    return self.by_filter(wanted).await;
                }
            };
            match outcome {
                Ok(()) => return Ok(found),
                // Something changed while we read, or a cursor grew old: once more. Then the filters have to do.
                Err(error) if is_shaken(&error) && !is_second_reading => is_second_reading = true,
                Err(error) if is_shaken(&error) && may_filter => return self.by_filter(wanted).await,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn note_shown(&self, wanted: &LookupKeys, resources: &[JsonObject]) {
        if !wanted.after_create {
            self.learned.shows(wanted.endpoint, resources);
        }
    }

    /// Asks for each key by filter; falls back to the list when the app does not understand or ignores filters.
    async fn by_filter(&self, wanted: &LookupKeys) -> Result<LookupResult, CallError> {
        let mut found = LookupResult::new(wanted.values.len());
        let mut round = Round::new(wanted.values.len());
        let mut answers = stream::iter(0..wanted.values.len())
            .map(|key| async move { (key, self.filter_key(wanted, key).await) })
            .buffer_unordered(self.in_flight());
        while let Some((key, answer)) = answers.next().await {
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    round.failed(key, error)?;
                    match round.is_hopeless() {
                        true => break,
                        false => continue,
                    }
                }
            };
            match answer {
                Some((attribute, resources)) => {
                    round.answered(key);
                    self.note_shown(wanted, &resources);
                    for resource in &resources {
                        if let Some(id) = json::text(resource, "id") {
                            found.note(key, attribute, &id, resource);
                        }
                    }
                }
                None => {
                    drop(answers);
                    self.learned.filters_are_unusable();
                    return Box::pin(self.by_list(wanted, false)).await;
                }
            }
        }
        drop(answers);
        let found = self.without_filters(wanted, found, round).await?;
        if self.is_disbelieved(wanted, &found) {
            return Box::pin(self.by_list(wanted, false)).await;
        }
        Ok(found)
    }

    /// The first attribute that finds something, and what; an empty list when none does. `None` when filters are no use here.
    async fn filter_key(&self, wanted: &LookupKeys, key: usize) -> Result<Option<(usize, Vec<JsonObject>)>, CallError> {
        let values = wanted.values.get(key).map(Vec::as_slice).unwrap_or_default();
        for (attribute, (by, value)) in wanted.by.iter().zip(values).enumerate() {
            let Some(value) = value else { continue };
            match self.ask(wanted.endpoint, &wanted.query, by, value).await? {
                FilterAnswer::FilterIgnored => return Ok(None),
                FilterAnswer::Answered(mut resources) => {
                    let is_excepted =
                        |resource: &JsonObject| json::text(resource, "id").is_some_and(|id| wanted.excepts(key, &id));
                    resources.retain(|resource| !is_excepted(resource));
                    if !resources.is_empty() {
                        return Ok(Some((attribute, resources)));
                    }
                }
            }
        }
        Ok(Some((0, Vec::new())))
    }

    /// One filtered question, page by page; what comes back is what really matches. An empty page means "no match" only where it neither
    /// has a cursor (RFC 9865) nor announces more than it shows: otherwise the answer goes on, or says nothing.
    pub(super) async fn ask(
        &self,
        endpoint: Endpoint,
        query: &[(&'static str, String)],
        by: &MatchBy,
        value: &str,
    ) -> Result<FilterAnswer, CallError> {
        let mut call = ScimRequest { query: query.to_vec(), members_as_values: true, ..ScimRequest::get(endpoint) };
        call.query.push(("filter", filter::equals(&by.in_filter(), value)));
        let asked = super::error::RequestKind { method: Method::Get, path: path_of(endpoint) };
        let (plain, wanted) = (call.query.clone(), by.comparable(value));
        let mut matching: Vec<JsonObject> = Vec::new();
        let mut rest = Rest::default();
        loop {
            let page = match self.read(&call, self.profile.pace.attempts).await {
                Ok(answer) => {
                    let not_scim = |what: &str| asked.not_scim(answer.status, what);
                    let mut body = answer.body.ok_or_else(|| not_scim("the answer is empty"))?;
                    ListPage::read(&mut body).map_err(|what| not_scim(&what))?
                }
                // What it announces on the first page can't be had: the list decides.
                Err(error) if rest.pages > 0 && is_refused_page(&error) => return Ok(rest.cut_off(matching)),
                Err(error) if is_refused_filter(&error) => return Ok(FilterAnswer::FilterIgnored),
                Err(error) if error.class == FailureClass::NotFound && self.a_404_is_no_match() => {
                    return Ok(FilterAnswer::Answered(matching));
                }
                Err(error) => return Err(error),
            };
            if rest.pages == 0 && page.is_empty() && page.total.unwrap_or(0) > 0 {
                return Err(asked.not_scim(200, "it announces a match and shows none"));
            }
            let further = rest.after(&page, self.pages_by_index(), self.profile.read.page_size);
            for resource in page.resources {
                let given = by.of(&resource);
                if given.as_ref() != Some(&wanted) {
                    if by.is_plain() && given.is_none_or(|given| fold(&given) != fold(&wanted)) {
                        // Not even nearly what was asked for: the filter was ignored, and silence would prove nothing either.
                        return Ok(FilterAnswer::FilterIgnored);
                    }
                    continue;
                }
                let Some(id) = json::text(&resource, "id") else {
                    return Err(asked.not_scim(200, "a matching resource has no id"));
                };
                // An app that does not page shows the same page again.
                if !matching.iter().any(|known| json::text(known, "id").as_ref() == Some(&id)) {
                    matching.push(resource);
                }
            }
            match further {
                Further::None => return Ok(FilterAnswer::Answered(matching)),
                Further::Unknown => return Ok(rest.cut_off(matching)),
                Further::At(place) => {
                    call.query.clone_from(&plain);
                    call.query.extend(place);
                }
            }
        }
    }

    /// Whether further pages can be asked for by `startIndex`.
    fn pages_by_index(&self) -> bool {
        self.profile.read.paging != PagingStyle::None && !self.learned.no_paging()
    }

    pub(super) fn a_404_is_no_match(&self) -> bool {
        self.profile.read.no_match_404 || self.learned.no_match_is_404()
    }

    /// The app refused to create somebody as existing, and its filter finds nobody of that name: it compares with case where
    /// it should not, or hides something. The list shows the truth.
    fn is_disbelieved(&self, wanted: &LookupKeys, found: &LookupResult) -> bool {
        let taken = self.learned.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_empty() || wanted.endpoint != Endpoint::Users {
            return false;
        }
        let Some(name) = wanted.by.iter().position(|by| by.name.eq_ignore_ascii_case("userName")) else { return false };
        wanted.values.iter().zip(&found.hits).any(|(values, hits)| {
            let name = values.get(name).cloned().flatten();
            hits.is_empty() && name.is_some_and(|name| taken.contains(&fold(&name)))
        })
    }
}

enum Way {
    Filter,
    List,
    /// Whichever takes fewer calls; the first page of the list tells.
    Cheaper,
}

fn path_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Groups => "/Groups",
        _ => "/Users",
    }
}

/// Whether the app does not give a further page of an answer.
fn is_refused_page(error: &CallError) -> bool {
    matches!(error.class, FailureClass::Unsupported | FailureClass::Invalid | FailureClass::NotFound)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
