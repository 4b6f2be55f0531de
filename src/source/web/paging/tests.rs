use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const START: &str = "2026-07-01T12:00:00Z";

type Item = Row<()>;

fn item(number: u32) -> Item {
    Item { id: format!("{number:06}").into(), made: Some(at("2024-01-01T00:00:00Z")), value: () }
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

    fn ids(&self) -> BTreeSet<Box<str>> {
        self.rows.lock().unwrap().iter().map(|row| row.id.clone()).collect()
    }
}

#[async_trait]
impl Pages<()> for Scripted {
    fn what(&self) -> String {
        "rows".to_owned()
    }

    async fn page(&self, start: PageStart<'_>) -> Result<Page<()>, SourceError> {
        let PageStart::Position { skip, limit } = start else { panic!("a list by position") };
        *self.calls.lock().unwrap() += 1;
        let mut rows = self.rows.lock().unwrap();
        let taken = rows.iter().skip(skip as usize).take(limit.min(self.most) as usize).cloned().collect();
        let page =
            Page { rows: taken, total: self.total.then_some(rows.len() as u64), at: Some(at(START)), next: None };
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
fn run(list: &Scripted, chained: bool, manner: Manner) -> (BTreeMap<Box<str>, u32>, Result<u64, SourceError>) {
    let mut came = BTreeMap::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = runtime.block_on(async {
        match chained {
            true => read_chained(list, manner).await,
            false => read(list, manner).await,
        }
    });
    let read = rows.map(|rows| {
        let count = rows.len() as u64;
        rows.into_values().for_each(|row| *came.entry(row.id).or_default() += 1);
        count
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
    impl Pages<()> for Unsorted {
        fn what(&self) -> String {
            "rows".to_owned()
        }
        async fn page(&self, start: PageStart<'_>) -> Result<Page<()>, SourceError> {
            let PageStart::Position { skip, limit } = start else { panic!("a list by position") };
            let mut turn = self.0.lock().unwrap();
            *turn += 7;
            let rows = (0..40).cycle().skip(*turn).take(40).skip(skip as usize).take(limit as usize);
            Ok(Page { rows: rows.map(item).collect(), total: Some(40), at: Some(at(START)), next: None })
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(read(&Unsorted(Mutex::new(0)), MANNER)) {
        Ok(rows) => assert_eq!(rows.len(), 40),
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
