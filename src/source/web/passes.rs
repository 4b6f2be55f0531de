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
use crate::source::{Incomplete, SourceError};

/// How often a list is read before it is given up.
const READINGS: u32 = 5;
/// Pages in a row without one new entry, each with a cursor to another one, before a list counts as one that never ends. While it is read a
/// list may move by some pages.
const STALE_PAGES: u32 = 10;
/// How far the clock of an answer may be from the clock that dates the entries.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// What the pages of one reading, from the first on, tell of a list.
#[derive(Default)]
struct Pass {
    pages: u32,
    /// The announced totals of the first and the last page.
    first: Option<u64>,
    last: Option<u64>,
    /// Whether some page announced another total than the one before it; and whether it was a smaller one.
    moved: bool,
    fell: bool,
    /// Whether an entry came again, or did not come by its id, later than the one before it.
    unordered: bool,
    /// Entries younger than this came to be while it was read.
    began: Option<Timestamp>,
    /// How many those are; and whether some entry does not tell.
    newcomers: u64,
    undated: bool,
    /// How many different entries came.
    received: u64,
}

impl Pass {
    /// As many different entries as all the pages announced.
    fn adds_up(&self) -> bool {
        !self.moved && self.last.is_none_or(|total| total == self.received)
    }

    /// Whether it can't have moved.
    fn is_still(&self) -> bool {
        if self.pages == 1 {
            return self.adds_up();
        }
        let (Some(first), Some(last)) = (self.first, self.last) else { return false };
        let counts = last == self.received && first.checked_add(self.newcomers) == Some(last);
        counts && !(self.unordered || self.fell || self.undated)
    }

    fn take<T>(&mut self, page: Page<T>, rows: &mut ListRows<T>) {
        if self.pages == 0 {
            (self.first, self.began) = (page.total, page.at.and_then(|at| at.checked_sub(SLACK).ok()));
        } else {
            self.moved |= page.total != self.last;
            self.fell |= page.total < self.last;
        }
        self.last = page.total;
        self.pages += 1;
        for row in page.rows {
            match row.made.zip(self.began) {
                Some((made, began)) => self.newcomers += u64::from(made >= began),
                None => self.undated = true,
            }
            // Numbers without leading zeros sort by their length first.
            let is_later = |before: &str| (before.len(), before) < (row.id.len(), row.id.as_ref());
            self.unordered |= rows.last().is_some_and(|(before, _)| !is_later(before));
            // Seen before: rows moved down.
            self.unordered |= rows.insert(row.id.clone(), row).is_some();
        }
        self.received = rows.len() as u64;
    }
}

/// Reads a list until it is certain that nobody is missing.
///
/// # Errors
/// What the API said; or that the list moved each time.
pub(super) async fn whole<T: Send>(
    list: &impl Pages<T>,
    most: Option<&HashSet<Box<str>>>,
) -> Result<ListRows<T>, SourceError> {
    let mut before: Option<HashSet<Box<str>>> = None;
    let mut reading = 1;
    loop {
        let (pass, rows) = once(list, u32::MAX).await?;
        let is_the_same = || before.as_ref().is_some_and(|ids| *ids == rows.keys().cloned().collect());
        // Nobody is on it beyond those who may be.
        let is_within = |most: &HashSet<_>| pass.last.is_some() && rows.keys().all(|id| most.contains(id));
        if pass.is_still() || (pass.adds_up() && (most.is_some_and(is_within) || is_the_same())) {
            return Ok(rows);
        }
        tracing::debug!(list = list.what(), reading, "the list moved while it was read");
        if reading == READINGS {
            let (what, received) = (list.what(), pass.received);
            return Err(match pass.last {
                Some(announced) if announced != received => Incomplete::Count { what, announced, received },
                _ => Incomplete::Cut { what, received, why: format!("a change in each of {READINGS} readings") },
            }
            .into());
        }
        before = pass.adds_up().then(|| rows.into_keys().collect());
        reading += 1;
    }
}

/// Reads a list of at most so many pages, without a proof.
///
/// # Errors
/// What the API said; that its cursors never end, or that it has more pages.
pub(super) async fn unproven<T: Send>(list: &impl Pages<T>, pages: u32) -> Result<ListRows<T>, SourceError> {
    Ok(once(list, pages).await?.1)
}

async fn once<T: Send>(list: &impl Pages<T>, pages: u32) -> Result<(Pass, ListRows<T>), SourceError> {
    let (mut pass, mut rows) = (Pass::default(), ListRows::new());
    let (mut cursor, mut cursors, mut stale): (Option<String>, _, _) = (None, HashSet::new(), 0);
    loop {
        let mut page = list.page(PageStart::Cursor(cursor.as_deref())).await?;
        let (next, known) = (page.next.take(), pass.received);
        pass.take(page, &mut rows);
        stale = if pass.received == known { stale + 1 } else { 0 };
        let why = match next {
            None => return Ok((pass, rows)),
            Some(_) if pass.pages >= pages => {
                let why = format!("{pages} pages, more than this list ever has");
                return Err(Incomplete::Cut { what: list.what(), received: pass.received, why }.into());
            }
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
