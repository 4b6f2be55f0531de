//! Lists. In: a question, page after page. Out: every entry once, with the proof that none was lost on the way.
//!
//! The API's cursors are page numbers in disguise: when a row goes away while the list is read, all later rows move up and the
//! one at the seam is seen by nobody, and nothing says so. So a list counts only if it can't have moved:
//!
//! - it came on one page; or
//! - it is listed by id and shows since when each entry is there, every page announced the total of the first plus the
//!   newcomers, and that many different entries came: then nothing went away; or
//! - two readings in a row show the same, and announced nothing else.
//!
//! Otherwise it is read again, a few times. While nothing moves, each page is asked for once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::record::{Object, id};
use crate::http::{Reply, http_date};
use crate::progress::Progress;
use crate::source::web::{Api, Question};
use crate::source::{Incomplete, SourceError};

/// How often a list is read before it is given up.
const READINGS: u32 = 5;

/// Pages in a row without one new entry, each with a cursor to another one, before a list counts as one that never ends. While it is read a
/// list may move by some pages.
const STALE_PAGES: u32 = 10;

/// How far the clock of an answer may be from the clock that dates the entries.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// A list and how it is asked for.
pub(super) struct List {
    /// What it holds, in the plural and without ids.
    pub(super) what: &'static str,
    /// What it holds, for messages.
    pub(super) label: String,
    pub(super) segments: Vec<String>,
    /// Entries a page.
    pub(super) limit: u32,
    /// Fields and filters: they go with every page, cursor or not.
    pub(super) kept: Vec<(&'static str, String)>,
    /// The member that tells since when an entry is there, if there is one.
    pub(super) since: Option<&'static str>,
}

impl List {
    /// A list without filters.
    pub(super) fn of(what: &'static str, segments: Vec<String>, limit: u32) -> Self {
        Self { what, label: what.to_owned(), segments, limit, kept: Vec::new(), since: None }
    }

    fn question(&self, cursor: Option<&str>) -> Question {
        let mut question = Question::get(self.what, self.segments.iter().cloned());
        question.query.clone_from(&self.kept);
        // One or the other, never both: the API refuses that.
        match cursor {
            Some(cursor) => question.with("cursor", cursor),
            None => question.with("limit", self.limit),
        }
    }
}

/// A list that was read once, from its first page to its last.
pub(super) struct Pass<T> {
    /// Every entry once, in the order of its last appearance.
    pub(super) entries: Vec<(u64, T)>,
    pages: u32,
    /// The announced totals of the first and the last page.
    first: Option<u64>,
    pub(super) last: Option<u64>,
    /// Whether all pages announced the same.
    level: bool,
    /// Whether some page announced less than the one before it.
    fell: bool,
    /// Whether the entries came by id, each later than the one before it.
    ascending: bool,
    /// Entries that came to be while it was read; `None` where that can't be told.
    newcomers: Option<u64>,
}

impl<T> Pass<T> {
    fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// As many different entries as all the pages announced.
    pub(super) fn adds_up(&self) -> bool {
        self.level && self.last.is_none_or(|total| total == self.count())
    }

    /// Whether it can't have moved.
    fn is_still(&self) -> bool {
        if self.pages == 1 {
            return self.adds_up();
        }
        let (Some(first), Some(last), Some(newcomers)) = (self.first, self.last, self.newcomers) else { return false };
        self.ascending && !self.fell && last == self.count() && first.checked_add(newcomers) == Some(last)
    }

    fn ids(&self) -> HashSet<u64> {
        self.entries.iter().map(|(id, _)| *id).collect()
    }
}

/// Reads a list until it is certain that nobody is missing. `proof` may know better than the list itself.
///
/// # Errors
/// What the API said; or that the list moved each time.
pub(super) async fn whole<T>(
    api: &Api,
    list: &List,
    progress: &dyn Progress,
    take: impl Fn(u64, Object) -> Result<T, SourceError>,
    proof: impl Fn(&Pass<T>) -> bool,
) -> Result<Pass<T>, SourceError> {
    let mut before: Option<HashSet<u64>> = None;
    let mut reading = 1;
    loop {
        let pass = once(api, list, progress, &take).await?;
        if pass.is_still() || proof(&pass) || (pass.adds_up() && before.as_ref() == Some(&pass.ids())) {
            return Ok(pass);
        }
        tracing::debug!(list = list.label, reading, "the list moved while it was read");
        if reading == READINGS {
            let (what, received) = (list.label.clone(), pass.count());
            return Err(match pass.last {
                Some(announced) if announced != received => Incomplete::Count { what, announced, received },
                _ => Incomplete::Cut { what, received, why: format!("a change in each of {READINGS} readings") },
            }
            .into());
        }
        before = pass.adds_up().then(|| pass.ids());
        reading += 1;
    }
}

async fn once<T>(
    api: &Api,
    list: &List,
    progress: &dyn Progress,
    take: &impl Fn(u64, Object) -> Result<T, SourceError>,
) -> Result<Pass<T>, SourceError> {
    let mut pass = Pass {
        entries: Vec::new(),
        pages: 0,
        first: None,
        last: None,
        level: true,
        fell: false,
        ascending: true,
        newcomers: list.since.map(|_| 0),
    };
    let mut places: HashMap<u64, usize> = HashMap::new();
    let (mut cursor, mut cursors, mut began) = (None, HashSet::new(), None);
    let mut stale = 0;
    loop {
        let reply = api.read(&list.question(cursor.as_deref())).await?;
        let entries = objects(api, list.what, &reply)?;
        let total = reply.header("total-count").and_then(|text| text.trim().parse::<u64>().ok());
        if pass.pages == 0 {
            began = reply.header("date").and_then(http_date);
            pass.first = total;
        } else {
            pass.level &= total == pass.last;
            pass.fell |= total < pass.last;
        }
        pass.last = total;
        pass.pages += 1;
        progress.advance(entries.len() as u64);
        let known = pass.entries.len();
        for entry in entries {
            let id = id(&entry, list.what)?;
            if let Some(since) = list.since {
                count_newcomer(&mut pass.newcomers, entry.get(since), began);
            }
            pass.ascending &= pass.entries.last().is_none_or(|(before, _)| *before < id);
            let value = take(id, entry)?;
            match places.entry(id) {
                // Seen before: rows moved down. The later word counts.
                Entry::Occupied(place) => {
                    if let Some(slot) = pass.entries.get_mut(*place.get()) {
                        slot.1 = value;
                    }
                    pass.ascending = false;
                }
                Entry::Vacant(place) => {
                    place.insert(pass.entries.len());
                    pass.entries.push((id, value));
                }
            }
        }
        stale = if pass.entries.len() == known { stale + 1 } else { 0 };
        match reply.header("after-cursor").map(str::trim).filter(|next| !next.is_empty()) {
            None => return Ok(pass),
            Some(_) if stale > STALE_PAGES => {
                let why = format!("{stale} pages in a row had nothing new, so the list would never end");
                return Err(SourceError::Malformed(format!("{}: {why}", list.label)));
            }
            Some(next) if cursors.insert(next.to_owned()) => cursor = Some(next.to_owned()),
            Some(_) => {
                let why = "the same cursor came twice, so the list would never end";
                return Err(SourceError::Malformed(format!("{}: {why}", list.label)));
            }
        }
    }
}

fn count_newcomer(newcomers: &mut Option<u64>, since: Option<&Value>, began: Option<Timestamp>) {
    let since = since.and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    *newcomers = match (*newcomers, since, began.and_then(|began| began.checked_sub(SLACK).ok())) {
        (Some(count), Some(since), Some(began)) => Some(count + u64::from(since >= began)),
        _ => None,
    };
}

/// The entries of an answer: a list, or a list called `data`.
pub(super) fn objects(api: &Api, what: &str, reply: &Reply) -> Result<Vec<Object>, SourceError> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Body {
        Bare(Vec<Object>),
        Wrapped { data: Vec<Object> },
    }
    Ok(match api.json(what, reply)? {
        Body::Bare(entries) | Body::Wrapped { data: entries } => entries,
    })
}

/// A list of the older API: the cursor is in the body and has another name. At most so many pages are read.
pub(super) async fn v1(api: &Api, question: &Question, most: u32) -> Result<Vec<Object>, SourceError> {
    #[derive(serde::Deserialize)]
    struct Body {
        data: Vec<Object>,
        pagination: Option<Pagination>,
    }
    #[derive(serde::Deserialize)]
    struct Pagination {
        after_cursor: Option<String>,
    }
    let (mut all, mut cursors) = (Vec::new(), HashSet::new());
    let mut next = question.clone();
    for _ in 0..most {
        let reply = api.read(&next).await?;
        let body: Body = api.json(question.what, &reply)?;
        all.extend(body.data);
        let cursor = body.pagination.and_then(|pagination| pagination.after_cursor).filter(|next| !next.is_empty());
        match cursor {
            None => return Ok(all),
            Some(cursor) if cursors.insert(cursor.clone()) => next = question.clone().with("after_cursor", cursor),
            Some(_) => {
                let why = "the same cursor came twice, so the list would never end";
                return Err(SourceError::Malformed(format!("{}: {why}", question.what)));
            }
        }
    }
    Err(Incomplete::Cut {
        what: question.what.to_owned(),
        received: all.len() as u64,
        why: format!("{most} pages, more than this list ever has"),
    }
    .into())
}
