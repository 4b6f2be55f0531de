//! Reading a whole collection, page by page (RFC 7644 §3.4.2.4, RFC 9865). In: an endpoint. Out: every resource once, and a
//! verdict whether these were all.
//!
//! A list that ends early looks like people who are gone. So the end is believed only when the counts agree, and a server that
//! repeats itself is noticed.

use std::collections::HashSet;

use serde_json::Value;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::client::{App, Endpoint, ScimRequest, ScimResponse};
use super::error::RequestKind;
use super::json::{self, JsonObject};
use super::{CallError, FailureClass};
use crate::config::profile::PagingStyle;
use crate::http::Method;
use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::time_limit::TimeLimit;

/// Pages in a row without a single resource, each with a cursor to another one, before a list counts as one that never ends. RFC 9865
/// allows some.
const EMPTY_PAGES: u32 = 1000;

/// One page of a ListResponse.
#[derive(Debug)]
pub(super) struct ListPage {
    pub(super) resources: Vec<JsonObject>,
    pub(super) total: Option<u64>,
    pub(super) next_cursor: Option<String>,
}

impl ListPage {
    /// Whether it shows nothing and leads nowhere.
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.next_cursor.is_none()
    }

    /// Reads a ListResponse leniently: no `Resources` or `null` is an empty page, numbers may be text.
    pub(super) fn read(body: &mut JsonObject) -> Result<Self, String> {
        let total = json::count(body, "totalResults");
        let next_cursor = json::text(body, "nextCursor").filter(|cursor| !cursor.is_empty());
        let has_list = json::get(body, "Resources").is_some();
        if total.is_none() && !has_list {
            return Err("the body is not a ListResponse: it has neither totalResults nor Resources".to_owned());
        }
        let list = if has_list { json::slot(body, "Resources").take() } else { Value::Array(Vec::new()) };
        let Value::Array(values) = list else { return Err("Resources is not a list".to_owned()) };
        let resources: Option<Vec<JsonObject>> = values
            .into_iter()
            .map(|value| match value {
                Value::Object(resource) => Some(resource),
                _ => None,
            })
            .collect();
        let resources = resources.ok_or("Resources holds something that is no object")?;
        Ok(Self { resources, total, next_cursor })
    }
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// `startIndex`.
    Index(u64),
    /// `cursor`; empty for the first page.
    Cursor(String),
    /// Without paging parameters: one page is everything.
    Whole,
    /// There is no further page.
    End,
}

/// A walk through a collection.
pub(super) struct ListWalk<'a> {
    app: &'a App,
    endpoint: Endpoint,
    query: Vec<(&'static str, String)>,
    page_size: u32,
    position: Position,
    /// Hashes of the ids seen: sixteen megabytes for a million, where the ids themselves would take a hundred.
    seen: HashSet<u64>,
    /// Items received, repeated ones included: `startIndex` counts them.
    received: u64,
    total: Option<u64>,
    first_len: Option<usize>,
    /// The app showed more than it had announced: its total is not believed any more.
    total_lied: bool,
    pages: u32,
    /// Hashes of the cursors that were given, at most one a page: one that comes again leads round in a circle.
    cursors: HashSet<u64>,
    /// Pages in a row that had nothing on them.
    empty: u32,
    /// When the reading began of which this walk is a part.
    begun: Instant,
}

impl<'a> ListWalk<'a> {
    pub(super) async fn new(app: &'a App, endpoint: Endpoint, query: Vec<(&'static str, String)>) -> Self {
        Self::since(Instant::now(), app, endpoint, query).await
    }

    /// As [`Walk::new`], as a part of a reading that began earlier: its time limit counts from then.
    pub(super) async fn since(
        begun: Instant,
        app: &'a App,
        endpoint: Endpoint,
        query: Vec<(&'static str, String)>,
    ) -> Self {
        let largest = app.capabilities().await.largest_page.unwrap_or(u32::MAX);
        let position = match app.profile.read.paging {
            PagingStyle::None => Position::Whole,
            _ if app.learned.no_paging() => Position::Whole,
            PagingStyle::Cursor => Position::Cursor(String::new()),
            PagingStyle::Auto | PagingStyle::Index => Position::Index(1),
        };
        Self {
            app,
            endpoint,
            query,
            page_size: app.profile.read.page_size.min(largest).max(1),
            position,
            seen: HashSet::new(),
            received: 0,
            total: None,
            first_len: None,
            total_lied: false,
            pages: 0,
            cursors: HashSet::new(),
            empty: 0,
            begun,
        }
    }

    /// How long the reading may take.
    fn limit(&self) -> TimeLimit {
        let page = self.first_len.map_or(self.page_size as usize, |len| len.max(1)) as u64;
        self.app.time_limit(self.page_size, self.total.map(|total| total.div_ceil(page)))
    }

    fn out_of_time(&self, limit: TimeLimit) -> CallError {
        RequestKind { method: Method::Get, path: self.path() }.given_up(format!(
            "the list was given up at its time limit of {limit}: {} pages with {} rows had come and there was no end; no account is taken \
             for absent, and nothing is planned from it; {}",
            self.pages,
            self.received,
            limit.advice()
        ))
    }

    /// About how many further requests the walk takes; `None` if the app does not say how many there are.
    pub(super) fn requests_left(&self) -> Option<u64> {
        if self.position == Position::End {
            return Some(0);
        }
        let page = self.first_len.unwrap_or(0).max(1) as u64;
        // At least one: the page that proves that there are no more.
        self.total.map(|total| total.saturating_sub(self.received).div_ceil(page).max(1))
    }

    /// The next resources that were not seen before; `None` when the walk has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<JsonObject>>, CallError> {
        if self.position == Position::End {
            return Ok(None);
        }
        if self.pages >= self.app.profile.read.max_pages {
            return Err(self.broken(&format!("the list has not ended after {} pages", self.pages)));
        }
        let limit = self.limit();
        let left = limit.after().saturating_sub(self.begun.elapsed());
        if left.is_zero() {
            return Err(self.out_of_time(limit));
        }
        let Ok(fetched) = tokio::time::timeout(left, self.fetch()).await else { return Err(self.out_of_time(limit)) };
        let page = match fetched {
            Ok(page) => page,
            // Behind the last item, some apps answer with an error instead of an empty page.
            Err(error) if self.is_probe() && says_nothing_is_left(error.class) => {
                self.position = Position::End;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.pages += 1;
        self.take(page).map(Some)
    }

    /// Whether everything was seen, once the walk has ended; otherwise the evidence.
    pub(super) fn verdict(&self) -> Result<(), CallError> {
        let unique = self.seen.len() as u64;
        match self.total {
            Some(total) if unique < total => Err(self.broken(&format!(
                "the list is incomplete: the app says there are {total}, and shows {unique}; no user is taken for absent. Another \
                 read.paging or read.page_size in the profile may help"
            ))),
            _ => Ok(()),
        }
    }

    fn broken(&self, what: &str) -> CallError {
        RequestKind { method: Method::Get, path: self.path() }.not_scim(200, what)
    }

    fn path(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Users => "/Users",
            Endpoint::Groups => "/Groups",
            Endpoint::ServiceProviderConfig => "/ServiceProviderConfig",
            Endpoint::ResourceTypes => "/ResourceTypes",
            Endpoint::Schemas => "/Schemas",
            Endpoint::Me => "/Me",
        }
    }

    /// Whether everything that was announced is here, so that the next page should be empty.
    fn is_probe(&self) -> bool {
        self.pages > 0 && self.total.is_some_and(|total| self.received >= total)
    }

    async fn fetch(&mut self) -> Result<ListPage, CallError> {
        let attempts = self.app.profile.pace.attempts;
        let call = self.call();
        if self.is_probe() {
            // An error is an answer here, too: it is not asked for again and again.
            return self.page(self.app.once(&call).await?);
        }
        if self.pages > 0 || self.position == Position::Whole {
            return self.page(self.app.read(&call, attempts).await?);
        }
        let error = match self.app.once(&call).await {
            Ok(answer) => return self.page(answer),
            Err(error) => error,
        };
        if matches!(error.class, FailureClass::Server | FailureClass::Invalid)
            && let Some(page) = self.without_paging().await
        {
            return Ok(page);
        }
        match after_failure(error.class, CallKind::Read) {
            AfterFailure::Retry => self.page(self.app.read(&call, attempts).await?),
            _ => Err(error),
        }
    }

    /// Some apps break on `count`. If the same request without paging shows everything, that is how this app is read.
    async fn without_paging(&mut self) -> Option<ListPage> {
        let call =
            ScimRequest { query: self.query.clone(), members_as_values: true, ..ScimRequest::get(self.endpoint) };
        let page = self.page(self.app.once(&call).await.ok()?).ok()?;
        if page.next_cursor.is_some() || page.total != Some(page.resources.len() as u64) {
            return None;
        }
        self.app.learned.paging_is_not_offered();
        self.position = Position::Whole;
        Some(page)
    }

    fn call(&self) -> ScimRequest {
        let mut query = self.query.clone();
        match &self.position {
            Position::Index(start) => {
                query.push(("startIndex", start.to_string()));
                query.push(("count", self.page_size.to_string()));
            }
            Position::Cursor(cursor) => {
                query.push(("cursor", cursor.clone()));
                query.push(("count", self.page_size.to_string()));
            }
            Position::Whole | Position::End => {}
        }
        ScimRequest { query, members_as_values: true, ..ScimRequest::get(self.endpoint) }
    }

    fn page(&self, answer: ScimResponse) -> Result<ListPage, CallError> {
        let asked = RequestKind { method: Method::Get, path: self.path() };
        let mut body = answer.body.ok_or_else(|| asked.not_scim(answer.status, "the answer is empty"))?;
        ListPage::read(&mut body).map_err(|what| asked.not_scim(answer.status, &what))
    }

    /// Notes what a page says, decides where to go on, and returns what is new on it.
    fn take(&mut self, page: ListPage) -> Result<Vec<JsonObject>, CallError> {
        let was_probe = self.pages > 1 && self.total.is_some_and(|total| self.received >= total);
        let len = page.resources.len();
        self.empty = if len == 0 { self.empty + 1 } else { 0 };
        let first_len = *self.first_len.get_or_insert(len);
        self.received += len as u64;
        self.total = page.total.or(self.total);
        let mut fresh = Vec::with_capacity(len);
        for resource in page.resources {
            let Some(id) = json::text(&resource, "id") else {
                return Err(self.broken("a listed resource has no id"));
            };
            if self.seen.insert(xxh3_64(id.as_bytes())) {
                fresh.push(resource);
            }
        }
        self.total_lied |= was_probe && !fresh.is_empty();
        self.position = self.after(page.next_cursor, len, first_len, fresh.is_empty())?;
        Ok(fresh)
    }

    fn after(
        &mut self,
        cursor: Option<String>,
        len: usize,
        first_len: usize,
        nothing_new: bool,
    ) -> Result<Position, CallError> {
        match (&self.position, cursor) {
            (Position::Cursor(last), Some(next)) if *last == next => Err(self.broken("a cursor leads to itself")),
            (Position::Cursor(_), Some(_)) if nothing_new && len > 0 => {
                Err(self.broken("the pages behind the cursors repeat themselves"))
            }
            (_, Some(_)) if self.empty > EMPTY_PAGES => {
                Err(self
                    .broken(&format!("{} pages in a row were empty, and each had a cursor to another one", self.empty)))
            }
            (_, Some(next)) if !self.cursors.insert(xxh3_64(next.as_bytes())) => Err(self.broken(&format!(
                "the cursors lead round in a circle: page {} has a cursor that an earlier page had",
                self.pages
            ))),
            // Whoever gives a cursor wants it back, asked for or not (RFC 9865 §2.3).
            (_, Some(next)) => Ok(Position::Cursor(next)),
            (Position::Cursor(_) | Position::Whole | Position::End, None) => Ok(Position::End),
            (Position::Index(_), None) => {
                let all_announced = self.total.is_some_and(|total| self.received >= total) && !self.total_lied;
                // A last page shorter than the first proves the end. A full one proves nothing: a total that is
                // only the page's length would hide everybody else. One more request settles it.
                let is_proven = all_announced && len < first_len;
                if len == 0 || nothing_new || is_proven {
                    return Ok(Position::End);
                }
                Ok(Position::Index(self.received + 1))
            }
        }
    }
}

/// Whether an error to a page behind the last announced row may mean that there is none: all that was announced is here.
fn says_nothing_is_left(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::Invalid
            | FailureClass::NotFound
            | FailureClass::Server
            | FailureClass::Unsupported
            | FailureClass::NotScim
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<ListPage, String> {
        ListPage::read(&mut serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_list_response_is_read_leniently() {
        for (text, total, len) in [
            (r#"{"totalResults":0}"#, Some(0), 0),
            (r#"{"totalResults":"0","Resources":null}"#, Some(0), 0),
            (r#"{"TotalResults":1,"resources":[{"id":"a"}]}"#, Some(1), 1),
            (r#"{"Resources":[{"id":"a"},{"id":"b"}]}"#, None, 2),
        ] {
            let page = page(text).unwrap();
            assert_eq!((page.total, page.resources.len()), (total, len), "{text}");
        }
        for text in [r#"{}"#, r#"{"id":"a"}"#, r#"{"Resources":[1]}"#, r#"{"totalResults":1,"Resources":"x"}"#] {
            assert!(page(text).is_err(), "{text}");
        }
    }
}
