//! Lists whose rows move while they are read. In: pages by position. Out: every row that was there all the time, or an error.
//! Knows neither people nor groups.
//!
//! A page is asked for by position (`skip`), so a row that is deleted before the position moves all that follow, and one slips
//! between two pages unseen. JumpCloud has no cursor; two proofs take its place.
//!
//! * *At rest*: every page announces the same total, as many different rows came, and none of them was made since the first
//!   page. Then those that came are exactly those of the first page's moment: who slipped through would have to be made up for
//!   by somebody new. Costs nothing, and needs rows that say when they were made.
//! * *Chained*: each page begins with a row that came before. Then no row between the two pages is missing, however much moves.
//!   Costs one row a page.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};

use crate::source::{Incomplete, SourceError, id_hash};

/// Clocks of one vendor's servers differ by less.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);

/// Pages beyond those that a list at rest would take, before a list counts as one that never ends.
const PATIENCE: u64 = 200;

/// How often a list that came out too short is read once more.
const ROUNDS: u32 = 3;

/// A row of a list.
pub(super) trait Row {
    /// Its immutable id.
    fn id(&self) -> &str;

    /// When it was made, if it says so.
    fn made(&self) -> Option<Timestamp>;
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<R> {
    /// The rows, in the list's order.
    pub(super) rows: Vec<R>,
    /// How many rows the whole list has, if the directory says so.
    pub(super) total: Option<u64>,
    /// When the directory answered, on its own clock if it tells.
    pub(super) at: Timestamp,
}

/// A list that is read by position.
#[async_trait]
pub(super) trait Pages: Sync {
    /// What the list holds.
    type Row: Row + Send;

    /// What it holds, for messages: `users`.
    fn what(&self) -> String;

    /// The rows from a position on, at most `limit`.
    async fn page(&self, skip: u64, limit: u64) -> Result<Page<Self::Row>, SourceError>;
}

/// How a list is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Rows a page.
    pub(super) limit: u64,
    /// Pages asked for at a time, where that is possible.
    pub(super) at_once: usize,
}

/// Takes a row over; says whether it had not come before.
pub(super) type Take<'a, R> = dyn FnMut(R) -> bool + Send + 'a;

/// Reads a list by the proof at rest, and chained if something moved. Returns how many different rows came.
///
/// # Errors
/// When a page can't be had, or the list can't be read whole.
pub(super) async fn read<P: Pages>(pages: &P, manner: Manner, take: &mut Take<'_, P::Row>) -> Result<u64, SourceError> {
    let first = pages.page(0, manner.limit).await?;
    match at_rest(pages, manner, first, take).await? {
        Some(received) => Ok(received),
        None => {
            tracing::debug!(
                list = pages.what(),
                "rows moved while they were read: reading again, page chained to page"
            );
            read_chained(pages, manner, take).await
        }
    }
}

/// `None`: something moved, or nobody can tell.
async fn at_rest<P: Pages>(
    pages: &P,
    manner: Manner,
    first: Page<P::Row>,
    take: &mut Take<'_, P::Row>,
) -> Result<Option<u64>, SourceError> {
    let Some(total) = first.total else { return Ok(None) };
    let step = first.rows.len() as u64;
    let young = first.at.saturating_sub(CLOCK_SLACK).unwrap_or(Timestamp::MIN);
    if step == 0 {
        return Ok((total == 0).then_some(0));
    }
    let single = step >= total;
    let mut received = 0;
    // Of a list of one page there is nothing to doubt: it is as it was at one moment.
    let mut keep = |rows: Vec<P::Row>| {
        let mut still = true;
        for row in rows {
            still &= single || row.made().is_some_and(|made| made < young);
            let is_new = take(row);
            still &= is_new;
            received += u64::from(is_new);
        }
        still
    };
    let mut still = keep(first.rows);
    // As many as came, not as were asked for: the directory may cap its pages.
    let skips = (1..total.div_ceil(step)).map(|page| page * step);
    let mut rest = stream::iter(skips).map(|skip| pages.page(skip, step)).buffered(manner.at_once.max(1));
    while still {
        let Some(page) = rest.try_next().await? else { break };
        still = page.total == Some(total) && keep(page.rows);
    }
    Ok((still && received == total).then_some(received))
}

/// Reads a list page chained to page. Returns how many different rows came.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_chained<P: Pages>(
    pages: &P,
    manner: Manner,
    take: &mut Take<'_, P::Row>,
) -> Result<u64, SourceError> {
    let mut short = None;
    for _ in 0..ROUNDS {
        match chain(pages, manner, take).await? {
            Chained::Whole(received) => return Ok(received),
            Chained::Short { announced, received } => short = Some((announced, received)),
        }
    }
    let (announced, received) = short.unwrap_or_default();
    Err(Incomplete::Count { what: pages.what(), announced, received }.into())
}

enum Chained {
    Whole(u64),
    /// Fewer rows than the list has: their order is not what it should be.
    Short {
        announced: u64,
        received: u64,
    },
}

async fn chain<P: Pages>(pages: &P, manner: Manner, take: &mut Take<'_, P::Row>) -> Result<Chained, SourceError> {
    let mut seen: HashSet<u64> = HashSet::new();
    // How much further back to look when a page does not begin with a row that came before.
    let mut back = 1_u64;
    let mut skip = 0_u64;
    let mut asked = 0_u64;
    // Who was there all the time is in every total.
    let mut fewest: Option<u64> = None;
    loop {
        let page = pages.page(skip, manner.limit).await?;
        asked += 1;
        let before = seen.len() as u64;
        let usual = page.total.unwrap_or(before) / manner.limit.max(1);
        if asked > usual.saturating_mul(4) + PATIENCE {
            let why = "a list that moves faster than it can be read".to_owned();
            return Err(Incomplete::Cut { what: pages.what(), received: before, why }.into());
        }
        fewest = fewest.into_iter().chain(page.total).min();
        let knows_first = page.rows.first().is_some_and(|row| seen.contains(&id_hash(row.id())));
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
            if seen.insert(id_hash(row.id())) {
                take(row);
            }
        }
        let received = seen.len() as u64;
        // A page of the one row that links it to the last can't be followed by another. Without a total that is the end: the
        // directory may cap its pages, so that a short one says nothing.
        let is_stuck = came <= 1 && received == before;
        if is_stuck || page.total.is_some_and(|total| reached >= total) {
            let announced = fewest.unwrap_or(0);
            let is_short = received < announced || page.total.is_some_and(|total| reached < total);
            return Ok(match is_short {
                true => Chained::Short { announced, received },
                false => Chained::Whole(received),
            });
        }
        skip = reached.saturating_sub(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const START: &str = "2026-07-01T12:00:00Z";

    #[derive(Debug, Clone)]
    struct Item {
        id: String,
        made: Option<Timestamp>,
    }

    impl Row for Item {
        fn id(&self) -> &str {
            &self.id
        }

        fn made(&self) -> Option<Timestamp> {
            self.made
        }
    }

    fn item(number: u32) -> Item {
        Item { id: format!("{number:06}"), made: Some(at("2024-01-01T00:00:00Z")) }
    }

    #[derive(Debug, Clone)]
    enum Move {
        /// The row at this place (of a hundred) leaves.
        Delete(usize),
        /// A new row with a number of its own appears in the order of ids.
        Insert(u32),
    }

    /// A list that moves after each page, as it was told to.
    struct Scripted {
        rows: Mutex<Vec<Item>>,
        moves: Mutex<Vec<Vec<Move>>>,
        calls: Mutex<u64>,
        most: u64,
        total: bool,
    }

    impl Scripted {
        fn new(rows: u32, moves: Vec<Vec<Move>>) -> Self {
            let rows = (0..rows).map(|number| item(number * 10)).collect();
            Self {
                rows: Mutex::new(rows),
                moves: Mutex::new(moves.into_iter().rev().collect()),
                calls: Mutex::new(0),
                most: 10,
                total: true,
            }
        }

        fn calls(&self) -> u64 {
            *self.calls.lock().unwrap()
        }

        fn ids(&self) -> BTreeSet<String> {
            self.rows.lock().unwrap().iter().map(|row| row.id.clone()).collect()
        }
    }

    #[async_trait]
    impl Pages for Scripted {
        type Row = Item;

        fn what(&self) -> String {
            "rows".to_owned()
        }

        async fn page(&self, skip: u64, limit: u64) -> Result<Page<Item>, SourceError> {
            *self.calls.lock().unwrap() += 1;
            let mut rows = self.rows.lock().unwrap();
            let taken = rows.iter().skip(skip as usize).take(limit.min(self.most) as usize).cloned().collect();
            let page = Page { rows: taken, total: self.total.then_some(rows.len() as u64), at: at(START) };
            for one in self.moves.lock().unwrap().pop().unwrap_or_default() {
                match one {
                    Move::Delete(at) if !rows.is_empty() => {
                        let at = at * rows.len() / 100;
                        rows.remove(at);
                    }
                    Move::Delete(_) => {}
                    Move::Insert(number) => {
                        // Never an id that was there before.
                        let number = number * 10 + 3;
                        let new = Item { made: Some(at(START)), ..item(number) };
                        let place = rows.partition_point(|row| row.id < new.id);
                        if rows.get(place).is_none_or(|row| row.id != new.id) {
                            rows.insert(place, new);
                        }
                    }
                }
            }
            Ok(page)
        }
    }

    const MANNER: Manner = Manner { limit: 10, at_once: 3 };

    /// How often each row came, and what the reading said.
    fn run(list: &Scripted, chained: bool, manner: Manner) -> (BTreeMap<String, u32>, Result<u64, SourceError>) {
        let mut came = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut take = |row: Item| {
            let is_new = known.insert(row.id.clone());
            if is_new {
                *came.entry(row.id).or_default() += 1;
            }
            is_new
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            match chained {
                true => read_chained(list, manner, &mut take).await,
                false => read(list, manner, &mut take).await,
            }
        });
        (came, read)
    }

    #[test]
    fn a_list_at_rest_takes_the_fewest_pages_there_are() {
        for rows in [0, 1, 9, 10, 11, 99, 100, 101] {
            let list = Scripted::new(rows, Vec::new());
            let (came, read) = run(&list, false, MANNER);
            assert_eq!((came.len(), read.unwrap()), (rows as usize, u64::from(rows)));
            assert_eq!(list.calls(), u64::from(rows).div_ceil(10).max(1), "{rows} rows");
        }
    }

    #[test]
    fn a_chained_list_takes_one_row_more_a_page() {
        for rows in [0, 1, 10, 11, 19, 20, 28, 29, 100] {
            let list = Scripted::new(rows, Vec::new());
            let (came, read) = run(&list, true, MANNER);
            assert_eq!((came.len(), read.unwrap()), (rows as usize, u64::from(rows)));
            let least = if rows <= 10 { 1 } else { u64::from(rows - 1).div_ceil(9) };
            assert_eq!(list.calls(), least, "{rows} rows");
        }
    }

    #[test]
    fn pages_that_are_capped_or_come_without_a_total_lose_nobody() {
        for (most, total, chained) in
            [(3, true, false), (3, true, true), (3, false, false), (10, false, true), (1, true, false)]
        {
            let list = Scripted { most, total, ..Scripted::new(35, Vec::new()) };
            let (came, read) = run(&list, chained, MANNER);
            assert_eq!((came.len(), read.unwrap()), (35, 35), "{most} {total} {chained}");
        }
    }

    #[test]
    fn somebody_who_slips_through_while_the_total_stays_equal_is_found() {
        // After the first page the first row leaves and a new one comes at the end: every total is 40.
        let list = Scripted::new(40, vec![vec![Move::Delete(0), Move::Insert(999)]]);
        let (came, read) = run(&list, false, Manner { at_once: 1, ..MANNER });
        read.unwrap();
        assert!((0..40).all(|number| came.contains_key(&item(number * 10).id)), "{came:?}");
        assert!(came.contains_key(&item(9993).id));
    }

    #[test]
    fn a_row_that_does_not_say_when_it_was_made_proves_nothing() {
        let list = Scripted::new(40, Vec::new());
        list.rows.lock().unwrap()[17].made = None;
        let (came, read) = run(&list, false, MANNER);
        assert_eq!((came.len(), read.unwrap()), (40, 40));
        assert!(list.calls() > 4, "it was read chained");
    }

    #[test]
    fn a_list_without_order_is_refused_or_whole() {
        struct Unsorted(Mutex<usize>);
        #[async_trait]
        impl Pages for Unsorted {
            type Row = Item;
            fn what(&self) -> String {
                "rows".to_owned()
            }
            async fn page(&self, skip: u64, limit: u64) -> Result<Page<Item>, SourceError> {
                let mut turn = self.0.lock().unwrap();
                *turn += 7;
                let rows = (0..40).cycle().skip(*turn).take(40).skip(skip as usize).take(limit as usize);
                Ok(Page { rows: rows.map(item).collect(), total: Some(40), at: at(START) })
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut known = BTreeSet::new();
        let mut take = |row: Item| known.insert(row.id);
        let read = runtime.block_on(read(&Unsorted(Mutex::new(0)), MANNER, &mut take));
        match read {
            Ok(_) => assert_eq!(known.len(), 40),
            Err(error) => assert!(matches!(error, SourceError::Incomplete(_)), "{error}"),
        }
    }

    fn moves() -> impl Strategy<Value = Vec<Vec<Move>>> {
        let one = prop_oneof![(0_usize..100).prop_map(Move::Delete), (0_u32..70).prop_map(Move::Insert)];
        proptest::collection::vec(proptest::collection::vec(one, 0..4), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whoever_is_there_all_the_time_comes_once(rows in 0_u32..60, moves in moves(), chained: bool, at_once in 1_usize..4) {
            let list = Scripted::new(rows, moves);
            let before = list.ids();
            let (came, read) = run(&list, chained, Manner { at_once, ..MANNER });
            // It may give up on a list that moves too much; it may not be wrong.
            if read.is_ok() {
                for id in before.intersection(&list.ids()) {
                    prop_assert_eq!(came.get(id), Some(&1), "{} of {:?}", id, came);
                }
            } else {
                prop_assert!(matches!(read, Err(SourceError::Incomplete(_))));
            }
        }
    }
}
