//! Rows that reach the rows below later, many at a time. In: batches. Out: what was put in, at once.
//!
//! Every batch costs sled a piece of its log, and an app that answers quickly makes a batch per call. What is not below yet is
//! lost with the process; the journal has it, and the rows below say from where to fold on.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Batch, KeyValue, Rows, RowsError};

/// So many rows go down together: larger batches make sled keep a multiple of them in memory (measured: 400 rows instead of 100, and
/// folding a journal anew takes four times the memory).
const KEPT_ROWS: usize = 100;

/// Rows, and newer ones before them.
pub(in crate::store) struct LateRows<R> {
    below: R,
    kept: RwLock<Batch>,
}

impl<R: Rows> LateRows<R> {
    pub(in crate::store) fn before(below: R) -> Self {
        Self { below, kept: RwLock::default() }
    }

    // Nothing panics while it is held, except sled, whose panics are caught below.
    fn read(&self) -> RwLockReadGuard<'_, Batch> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Batch> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything goes down as one batch, so that the rows below are those of one moment. What is not taken stays: later rows must
    /// not go down without it, since they say how far all of them are.
    fn hand_down(&self, kept: &mut Batch) -> Result<(), RowsError> {
        if !kept.is_empty() {
            self.below.apply(kept.clone())?;
            kept.clear();
        }
        Ok(())
    }
}

impl<R: Rows> Rows for LateRows<R> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        let kept = self.read();
        match kept.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError> {
        let kept = self.read();
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let newer = || {
            let range = kept.range::<[u8], _>((start, Bound::Unbounded));
            range.take_while(|(key, _)| key.starts_with(prefix))
        };
        // Each row that is taken away here may be one of those that come from below.
        let hidden = newer().filter(|(_, value)| value.is_none()).count();
        let below = self.below.page(prefix, after, limit.saturating_add(hidden))?;
        if newer().next().is_none() {
            return Ok(below);
        }
        let mut rows: BTreeMap<_, _> = below.into_iter().collect();
        for (key, value) in newer() {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    fn apply(&self, batch: Batch) -> Result<(), RowsError> {
        let mut kept = self.write();
        kept.extend(batch);
        if kept.len() < KEPT_ROWS { Ok(()) } else { self.hand_down(&mut kept) }
    }

    fn flush(&self) -> Result<(), RowsError> {
        self.hand_down(&mut self.write())?;
        self.below.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::super::MemoryRows;
    use super::*;

    /// Rows that count the batches they are given.
    #[derive(Default, Clone)]
    struct CountingRows(Arc<(MemoryRows, AtomicUsize)>);

    impl Rows for CountingRows {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
            self.0.0.get(key)
        }
        fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError> {
            self.0.0.page(prefix, after, limit)
        }
        fn apply(&self, batch: Batch) -> Result<(), RowsError> {
            self.0.1.fetch_add(1, Ordering::Relaxed);
            self.0.0.apply(batch)
        }
        fn flush(&self) -> Result<(), RowsError> {
            Ok(())
        }
    }

    #[derive(Debug, Clone)]
    enum LateStep {
        Apply(Vec<(u8, Option<u8>)>),
        Flush,
        Get(u8),
        Page { prefix: Option<u8>, after: Option<u8>, limit: usize },
    }

    fn step() -> impl Strategy<Value = LateStep> {
        prop_oneof![
            4 => prop::collection::vec((0..24_u8, any::<Option<u8>>()), 0..6).prop_map(LateStep::Apply),
            1 => Just(LateStep::Flush),
            2 => (0..24_u8).prop_map(LateStep::Get),
            4 => (prop::option::of(0..3_u8), prop::option::of(0..24_u8), 0..9_usize)
                .prop_map(|(prefix, after, limit)| LateStep::Page { prefix, after, limit }),
        ]
    }

    /// Keys of two bytes, eight to a prefix.
    fn key(number: u8) -> Vec<u8> {
        vec![number / 8, number % 8]
    }

    proptest! {
        #[test]
        fn p2_rows_read_the_same_before_and_after_they_went_down(steps in prop::collection::vec(step(), 1..60)) {
            let (late, plain) = (LateRows::before(MemoryRows::default()), MemoryRows::default());
            for step in steps {
                match step {
                    LateStep::Apply(rows) => {
                        let batch: Batch = rows.iter().map(|(at, value)| (key(*at), value.map(|value| vec![value]))).collect();
                        late.apply(batch.clone()).unwrap();
                        plain.apply(batch).unwrap();
                    }
                    LateStep::Flush => late.flush().unwrap(),
                    LateStep::Get(at) => prop_assert_eq!(late.get(&key(at)).unwrap(), plain.get(&key(at)).unwrap()),
                    LateStep::Page { prefix, after, limit } => {
                        let prefix: Vec<u8> = prefix.into_iter().collect();
                        // As every caller does, it goes on after a key of the same prefix.
                        let after = after.map(key).filter(|key| key.starts_with(&prefix));
                        let page = |rows: &dyn Rows| rows.page(&prefix, after.as_deref(), limit).unwrap();
                        prop_assert_eq!(page(&late), page(&plain));
                    }
                }
            }
        }
    }

    /// Rows on a disk that is full until somebody makes room.
    #[derive(Default)]
    struct Full(MemoryRows, AtomicBool);

    impl Rows for Full {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
            self.0.get(key)
        }
        fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError> {
            self.0.page(prefix, after, limit)
        }
        fn apply(&self, batch: Batch) -> Result<(), RowsError> {
            match self.1.load(Ordering::Relaxed) {
                true => self.0.apply(batch),
                false => Err(RowsError::Io(std::io::ErrorKind::StorageFull.into())),
            }
        }
        fn flush(&self) -> Result<(), RowsError> {
            Ok(())
        }
    }

    #[test]
    fn p3_rows_that_a_full_disk_did_not_take_are_not_lost_before_later_ones() {
        let late = LateRows::before(Full::default());
        let row = |at: u8| Batch::from([(vec![at], Some(vec![at]))]);
        late.apply(row(1)).unwrap();
        assert!(late.flush().is_err());
        assert_eq!(late.get(&[1]).unwrap(), Some(vec![1]), "readers see it all the same");
        late.below.1.store(true, Ordering::Relaxed);
        late.apply(row(2)).unwrap();
        late.flush().unwrap();
        assert_eq!(late.below.page(b"", None, 9).unwrap().len(), 2);
    }

    #[test]
    fn many_batches_go_down_as_one_and_a_flush_leaves_none_behind() {
        let below = CountingRows::default();
        let late = LateRows::before(below.clone());
        let batches = || below.0.1.load(Ordering::Relaxed);
        let row = |at: usize| Batch::from([(at.to_string().into_bytes(), Some(vec![0]))]);
        (0..50).for_each(|at| late.apply(row(at)).unwrap());
        assert_eq!(batches(), 0);
        late.flush().unwrap();
        assert_eq!((batches(), below.page(b"", None, 1000).unwrap().len()), (1, 50));
        late.flush().unwrap();
        assert_eq!(batches(), 1, "nothing was left");
        (0..KEPT_ROWS).for_each(|at| late.apply(row(at)).unwrap());
        assert_eq!(batches(), 2, "what is kept does not grow");
    }
}
