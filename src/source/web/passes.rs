//! Lists by cursor whose rows move while they are read. What comes in are pages, one after the other; what goes out is every entry once, with the proof
//! that none was lost on the way. This module must not depend on what the entries are.
//!
//! A cursor may be a page number in disguise: when a row goes away while the list is read, all later rows move up and the one at the seam is seen by
//! nobody, and nothing says so. So a list counts only if it can't have moved:
//!
//! - it came on one page; or
//! - it is listed by id and shows since when each entry is there, every page announced the total of the first plus the
//!   newcomers, and that many different entries came: then nothing went away; or
//! - it adds up and holds nobody beyond those who may be on it, so that whoever took a lost one's place would be seen; or
//! - two readings in a row show the same, and announced nothing else.
//!
//! Otherwise it is read again, a few times. While nothing moves, each page is asked for once.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::paging::{ListRows, Page, PageStart, Pages};
use crate::progress::Progress;
use crate::source::{Incomplete, SourceError};

/// How often a list is read before it is given up.
const READINGS: u32 = 5;
/// Pages in a row without one new entry, each with a cursor to another one, before a list counts as one that never ends. While it is read a
/// list may move by some pages.
const STALE_PAGES: u32 = 10;
/// How far the clock of an answer may be from the clock that dates the entries.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// A list that was read once, from its first page on.
pub(super) struct Pass<T> {
    /// Every entry once.
    pub(super) rows: ListRows<T>,
    pages: u32,
    /// The announced totals of the first and the last page.
    first: Option<u64>,
    last: Option<u64>,
    /// Whether all pages announced the same.
    level: bool,
    /// Whether some page announced less than the one before it.
    fell: bool,
    /// Whether the entries came by id, each later than the one before it.
    ascending: bool,
    /// Entries younger than this came to be while it was read.
    began: Option<Timestamp>,
    /// How many those are; `None` where that can't be told.
    newcomers: Option<u64>,
    /// Whether more pages would follow.
    pub(super) is_cut: bool,
}

impl<T> Pass<T> {
    /// How many entries came.
    pub(super) fn received(&self) -> u64 {
        self.rows.len() as u64
    }

    /// As many different entries as all the pages announced.
    fn adds_up(&self) -> bool {
        self.level && self.last.is_none_or(|total| total == self.received())
    }

    /// Whether it can't have moved.
    fn is_still(&self) -> bool {
        if self.pages == 1 {
            return self.adds_up();
        }
        let (Some(first), Some(last), Some(newcomers)) = (self.first, self.last, self.newcomers) else { return false };
        self.ascending && !self.fell && last == self.received() && first.checked_add(newcomers) == Some(last)
    }

    /// Whether nobody is on it beyond those who may be.
    fn is_within(&self, most: &HashSet<Box<str>>) -> bool {
        self.adds_up() && self.last.is_some() && self.rows.keys().all(|id| most.contains(id))
    }

    fn take(&mut self, page: Page<T>) {
        if self.pages == 0 {
            (self.first, self.began) = (page.total, page.at.and_then(|at| at.checked_sub(SLACK).ok()));
        } else {
            self.level &= page.total == self.last;
            self.fell |= page.total < self.last;
        }
        self.last = page.total;
        self.pages += 1;
        for row in page.rows {
            let counted = self.newcomers.zip(row.made.zip(self.began));
            self.newcomers = counted.map(|(count, (made, began))| count + u64::from(made >= began));
            // Numbers without leading zeros sort by their length first.
            let order = |id: &str| (id.len(), id.to_owned());
            self.ascending &= self.rows.last().is_none_or(|(before, _)| order(before) < order(&row.id));
            // Seen before: rows moved down.
            self.ascending &= self.rows.insert(row.id.clone(), row).is_none();
        }
    }
}

/// Reads a list until it is certain that nobody is missing.
///
/// # Errors
/// What the API said; or that the list moved each time.
pub(super) async fn whole<T: Send>(
    list: &impl Pages<T>,
    most: Option<&HashSet<Box<str>>>,
    progress: &dyn Progress,
) -> Result<ListRows<T>, SourceError> {
    let mut before: Option<HashSet<Box<str>>> = None;
    let mut reading = 1;
    loop {
        let pass = once(list, u32::MAX, progress).await?;
        let is_the_same = || before.as_ref().is_some_and(|ids| *ids == pass.rows.keys().cloned().collect());
        if pass.is_still() || most.is_some_and(|most| pass.is_within(most)) || (pass.adds_up() && is_the_same()) {
            return Ok(pass.rows);
        }
        tracing::debug!(list = list.what(), reading, "the list moved while it was read");
        if reading == READINGS {
            let (what, received) = (list.what(), pass.received());
            return Err(match pass.last {
                Some(announced) if announced != received => Incomplete::Count { what, announced, received },
                _ => Incomplete::Cut { what, received, why: format!("a change in each of {READINGS} readings") },
            }
            .into());
        }
        before = pass.adds_up().then(|| pass.rows.keys().cloned().collect());
        reading += 1;
    }
}

/// Reads a list once, at most so many pages.
///
/// # Errors
/// What the API said; or that its cursors never end.
pub(super) async fn once<T: Send>(
    list: &impl Pages<T>,
    pages: u32,
    progress: &dyn Progress,
) -> Result<Pass<T>, SourceError> {
    let mut pass = Pass {
        rows: ListRows::new(),
        pages: 0,
        first: None,
        last: None,
        level: true,
        fell: false,
        ascending: true,
        began: None,
        newcomers: Some(0),
        is_cut: false,
    };
    let (mut cursor, mut cursors, mut stale): (Option<String>, _, _) = (None, HashSet::new(), 0);
    loop {
        let mut page = list.page(PageStart::Cursor(cursor.as_deref())).await?;
        let (next, known) = (page.next.take(), pass.rows.len());
        progress.advance(page.rows.len() as u64);
        pass.take(page);
        stale = if pass.rows.len() == known { stale + 1 } else { 0 };
        let why = match next {
            None => return Ok(pass),
            Some(_) if pass.pages >= pages => return Ok(Pass { is_cut: true, ..pass }),
            Some(_) if stale > STALE_PAGES => format!("{stale} pages in a row had nothing new"),
            Some(next) if cursors.insert(next.clone()) => {
                cursor = Some(next);
                continue;
            }
            Some(_) => "the same cursor came twice".to_owned(),
        };
        return Err(SourceError::Malformed(format!("{}: {why}, so the list would never end", list.what())));
    }
}
