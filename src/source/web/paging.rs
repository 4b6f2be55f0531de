//! Lists by position whose rows move while they are read. What comes in are pages by position; what goes out is every row that was there all the time,
//! or an error. This module must not depend on what the rows are.
//!
//! A row that is deleted before the position moves all that follow, and one slips between two pages unseen. Where there is no cursor, two proofs take
//! its place.
//!
//! * *At rest*: every page announces the same total, as many different rows came, and none of them was made since the first
//!   page. Then those that came are exactly those of the first page's moment: who slipped through would have to be made up for
//!   by somebody new. Costs nothing, and needs rows that say when they were made.
//! * *Chained*: each page begins with a row that came before. Then no row between the two pages is missing, however much moves.
//!   Costs one row a page.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::source::{Incomplete, SourceError, id_hash};

/// Clocks of one vendor's servers differ by less.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);
/// Pages beyond those that a list at rest would take, before a list counts as one that never ends.
const PATIENCE: u64 = 200;
/// How often a list that came out too short is read once more.
const ROUNDS: u32 = 3;

/// A row of a list.
#[derive(Debug, Clone)]
pub(super) struct Row<T> {
    /// Its immutable id.
    pub(super) id: Box<str>,
    /// When it was made, if it says so.
    pub(super) made: Option<Timestamp>,
    /// What else it says.
    pub(super) value: T,
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// The rows, in the list's order.
    pub(super) rows: Vec<Row<T>>,
    /// How many rows the whole list has, if the directory says so.
    pub(super) total: Option<u64>,
    /// When the directory answered, on its own clock if it tells.
    pub(super) at: Option<Timestamp>,
    /// Where the next page begins, in a list with cursors.
    pub(super) next: Option<String>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageStart<'a> {
    /// At a position; at most so many rows.
    Position { skip: u64, limit: u64 },
    /// At a cursor; at the list's beginning without one.
    Cursor(Option<&'a str>),
}

/// A list that is read page by page.
#[async_trait]
pub(super) trait Pages<T>: Sync {
    /// What it holds, for messages: `users`.
    fn what(&self) -> String;

    /// The rows from a place on.
    async fn page(&self, start: PageStart<'_>) -> Result<Page<T>, SourceError>;
}

/// The rows of a list by their ids, in the order in which they came first. The later word about a row counts.
pub(super) type ListRows<T> = IndexMap<Box<str>, Row<T>>;

/// How a list is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// ListRows a page.
    pub(super) limit: u64,
    /// Pages asked for at a time, where that is possible.
    pub(super) at_once: usize,
}

/// Reads a list by the proof at rest, and chained if something moved.
///
/// # Errors
/// When a page can't be had, or the list can't be read whole.
pub(super) async fn read<T: Send>(pages: &impl Pages<T>, manner: Manner) -> Result<ListRows<T>, SourceError> {
    let mut rows = ListRows::new();
    if !at_rest(pages, manner, &mut rows).await? {
        tracing::debug!(list = pages.what(), "rows moved while they were read: reading again, page chained to page");
        chain_rounds(pages, manner, &mut rows).await?;
    }
    Ok(rows)
}

/// Reads a list page chained to page.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_chained<T: Send>(pages: &impl Pages<T>, manner: Manner) -> Result<ListRows<T>, SourceError> {
    let mut rows = ListRows::new();
    chain_rounds(pages, manner, &mut rows).await?;
    Ok(rows)
}

/// False: something moved, or nobody can tell.
async fn at_rest<T: Send>(pages: &impl Pages<T>, manner: Manner, rows: &mut ListRows<T>) -> Result<bool, SourceError> {
    let first = pages.page(PageStart::Position { skip: 0, limit: manner.limit }).await?;
    let Some(total) = first.total else { return Ok(false) };
    let step = first.rows.len() as u64;
    if step == 0 {
        return Ok(total == 0);
    }
    let young = first.at.and_then(|at| at.checked_sub(CLOCK_SLACK).ok());
    // Of a list of one page there is nothing to doubt: it is as it was at one moment.
    let is_single = step >= total;
    let mut keep = |page: Page<T>| {
        page.rows.into_iter().fold(page.total == Some(total), |still, row| {
            let is_old = is_single || row.made.zip(young).is_some_and(|(made, young)| made < young);
            rows.insert(row.id.clone(), row).is_none() && still && is_old
        })
    };
    let mut still = keep(first);
    // As many as came, not as were asked for: the directory may cap its pages.
    let skips = (1..total.div_ceil(step)).map(|page| page * step);
    let mut rest = stream::iter(skips)
        .map(|skip| pages.page(PageStart::Position { skip, limit: step }))
        .buffered(manner.at_once.max(1));
    while still {
        let Some(page) = rest.try_next().await? else { break };
        still = keep(page);
    }
    Ok(still && rows.len() as u64 == total)
}

async fn chain_rounds<T: Send>(
    pages: &impl Pages<T>,
    manner: Manner,
    rows: &mut ListRows<T>,
) -> Result<(), SourceError> {
    let (mut announced, mut received) = (0, 0);
    for _ in 0..ROUNDS {
        match chain(pages, manner, rows).await? {
            None => return Ok(()),
            Some(short) => (announced, received) = short,
        }
    }
    Err(Incomplete::Count { what: pages.what(), announced, received }.into())
}

/// `None` when the list is whole; else how many rows there are and how many came, because the order is not what it should be.
async fn chain<T: Send>(
    pages: &impl Pages<T>,
    manner: Manner,
    rows: &mut ListRows<T>,
) -> Result<Option<(u64, u64)>, SourceError> {
    let mut seen: HashSet<u64> = HashSet::new();
    // How much further back to look when a page does not begin with a row that came before.
    let mut back = 1_u64;
    let mut skip = 0_u64;
    let mut asked = 0_u64;
    // Who was there all the time is in every total.
    let mut fewest: Option<u64> = None;
    loop {
        let page = pages.page(PageStart::Position { skip, limit: manner.limit }).await?;
        asked += 1;
        let before = seen.len() as u64;
        let usual = page.total.unwrap_or(before) / manner.limit.max(1);
        if asked > usual.saturating_mul(4) + PATIENCE {
            let why = "a list that moves faster than it can be read".to_owned();
            return Err(Incomplete::Cut { what: pages.what(), received: before, why }.into());
        }
        fewest = fewest.into_iter().chain(page.total).min();
        let knows_first = page.rows.first().is_some_and(|row| seen.contains(&id_hash(&row.id)));
        if skip > 0 && !knows_first {
            // Rows before this place are gone: what slipped through lies further back.
            skip = skip.min(page.total.unwrap_or(skip)).saturating_sub(back);
            back = back.saturating_mul(4);
            continue;
        }
        back = 1;
        let came = page.rows.len() as u64;
        let reached = skip + came;
        for row in page.rows {
            if seen.insert(id_hash(&row.id)) {
                rows.insert(row.id.clone(), row);
            }
        }
        let received = seen.len() as u64;
        // A page of the one row that links it to the last can't be followed by another. Without a total that is the end: the
        // directory may cap its pages, so that a short one says nothing.
        let is_stuck = came <= 1 && received == before;
        if is_stuck || page.total.is_some_and(|total| reached >= total) {
            let announced = fewest.unwrap_or(0);
            let is_short = received < announced || page.total.is_some_and(|total| reached < total);
            return Ok(is_short.then_some((announced, received)));
        }
        skip = reached.saturating_sub(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
