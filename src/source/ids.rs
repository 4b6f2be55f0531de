//! Many ids, each with a number. In: texts. Out: the number of a text, the text of a number.
//!
//! Made for a million people and ten million look-ups, where a look-up costs what its waits for memory cost. So an id is looked
//! up by 96 bits of its hash, in one place of one table, and many together, so that the processor waits for many places at once.
//!
//! Two ids that were taken in are never confused, whatever their hashes: that is found out when the second comes, and from then on
//! the texts decide. An id that was *not* taken in passes for one that was with a chance of less than one in 10^15 for ten
//! million look-ups among a million ids; the hash is keyed anew for every table, so that nobody can make up such an id.

use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// So many ids are looked up together.
const TOGETHER: usize = 64;

/// The fewest slots of a table that is not empty.
const FEWEST: usize = 64;

/// Ids numbered from 0 in the order in which they came.
#[derive(Debug)]
pub(super) struct IdTable {
    texts: String,
    /// Where each text ends; it begins where the one before it ends.
    ends: Vec<u32>,
    table: ProbeTable,
    /// Ids that are not in the table yet: they are put in together too.
    late: Vec<(IdKey, u32)>,
    /// Whether two of the ids have one key: then only the texts tell them apart.
    alike: bool,
    seed: u64,
}

impl Default for IdTable {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0);
        Self {
            texts: String::new(),
            ends: Vec::new(),
            table: ProbeTable::default(),
            late: Vec::new(),
            alike: false,
            seed,
        }
    }
}

/// Why an id was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotNew {
    /// It is there already, under this number.
    Known(u32),
    /// The numbers are used up.
    Full,
}

impl IdTable {
    /// The text of a number; empty for a number that was never given.
    pub(super) fn text(&self, ix: u32) -> &str {
        let at = ix as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Takes an id in and gives it the next number.
    pub(super) fn insert(&mut self, id: &str) -> Result<u32, NotNew> {
        self.insert_as(self.key(id), id)
    }

    fn insert_as(&mut self, key: IdKey, id: &str) -> Result<u32, NotNew> {
        // Of a new id the filter says so nearly always, without a look into the table.
        if self.table.may_have(key) {
            self.settle();
            if let Some(known) = self.find_as(key, id) {
                return Err(NotNew::Known(known));
            }
            self.alike |= self.table.find(key, |_| true).is_some();
        }
        let ix = u32::try_from(self.ends.len()).ok().filter(|ix| *ix != FREE).ok_or(NotNew::Full)?;
        let end = u32::try_from(self.texts.len() + id.len()).map_err(|_| NotNew::Full)?;
        self.texts.push_str(id);
        self.ends.push(end);
        if !self.table.has_room_for(self.ends.len()) {
            self.settle();
            self.table.grow();
        }
        self.table.announce(key);
        self.late.push((key, ix));
        if self.late.len() >= TOGETHER {
            self.settle();
        }
        Ok(ix)
    }

    /// Makes sure that everything is in the table: look-ups are slower before.
    pub(super) fn settle(&mut self) {
        self.table.place_all(&self.late);
        self.late.clear();
    }

    /// The number of an id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.find_as(self.key(id), id)
    }

    fn find_as(&self, key: IdKey, id: &str) -> Option<u32> {
        let late = || self.late.iter().find(|(late, ix)| *late == key && self.text(*ix) == id).map(|(_, ix)| *ix);
        self.table.find(key, |ix| self.text(ix) == id).or_else(late)
    }

    /// The numbers of many ids, in their order.
    pub(super) fn find_all<T: AsRef<str>>(&self, ids: &[T], mut each: impl FnMut(&str, Option<u32>)) {
        let mut keys = [IdKey::default(); TOGETHER];
        let mut slots = [IdSlot::default(); TOGETHER];
        for ids in ids.chunks(TOGETHER) {
            for (key, id) in keys.iter_mut().zip(ids) {
                *key = self.key(id.as_ref());
            }
            // No step of this loop waits for the one before it: the memory of all of them is on its way together.
            for (slot, &key) in slots.iter_mut().zip(&keys).take(ids.len()) {
                *slot = self.table.first(key);
            }
            for ((id, &key), &slot) in ids.iter().zip(&keys).zip(&slots) {
                let id = id.as_ref();
                let found = match slot.key() == key && slot.ix != FREE {
                    _ if self.alike || !self.late.is_empty() => self.find_as(key, id),
                    true => Some(slot.ix),
                    false => self.table.find(key, |_| true),
                };
                each(id, found);
            }
        }
    }

    fn key(&self, id: &str) -> IdKey {
        let hash = xxh3_128_with_seed(id.as_bytes(), self.seed);
        IdKey { high: (hash >> 64) as u64, low: hash as u32 }
    }
}

/// What stands for an id in the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct IdKey {
    /// Its highest bits say where the id is looked for.
    high: u64,
    low: u32,
}

/// The number of a slot that is free.
const FREE: u32 = u32::MAX;

/// A key and a number, in 16 bytes.
#[derive(Debug, Clone, Copy)]
struct IdSlot {
    high: u64,
    low: u32,
    ix: u32,
}

impl Default for IdSlot {
    fn default() -> Self {
        Self { high: 0, low: 0, ix: FREE }
    }
}

impl IdSlot {
    fn key(self) -> IdKey {
        IdKey { high: self.high, low: self.low }
    }
}

/// Numbers by key: open addressing with linear probing, because the next slot is in memory that has come already.
#[derive(Debug, Default)]
struct ProbeTable {
    /// A power of two of them, or none.
    slots: Vec<IdSlot>,
    /// For every slot eight bits: a key of which the bit is not set is not in the table, nor on its way there.
    filter: Vec<u64>,
}

impl ProbeTable {
    /// The number of a key; of those with this key the first that `is_it` accepts.
    fn find(&self, key: IdKey, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = self.home(key);
        // A quarter of the slots is free, so this ends.
        loop {
            let slot = self.slots.get(at & mask)?;
            if slot.ix == FREE {
                return None;
            }
            if slot.key() == key && is_it(slot.ix) {
                return Some(slot.ix);
            }
            at += 1;
        }
    }

    /// The slot where a key is looked for first.
    fn first(&self, key: IdKey) -> IdSlot {
        self.slots.get(self.home(key)).copied().unwrap_or_default()
    }

    fn has_room_for(&self, count: usize) -> bool {
        count <= self.slots.len() / 4 * 3
    }

    /// Doubles the slots.
    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(FEWEST);
        let old = std::mem::replace(&mut self.slots, vec![IdSlot::default(); len]);
        self.filter = vec![0; len / 8];
        for slot in old.into_iter().filter(|slot| slot.ix != FREE) {
            self.announce(slot.key());
            self.place(slot);
        }
    }

    /// The word and the bit of a key in the filter.
    fn bit(&self, key: IdKey) -> (usize, u64) {
        (key.low as usize & self.filter.len().wrapping_sub(1), 1 << (key.low >> 26))
    }

    fn may_have(&self, key: IdKey) -> bool {
        let (word, bit) = self.bit(key);
        self.filter.get(word).is_some_and(|word| word & bit != 0)
    }

    fn announce(&mut self, key: IdKey) {
        let (word, bit) = self.bit(key);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
    }

    /// Puts in keys that are not there yet, for which there is room.
    fn place_all(&mut self, keys: &[(IdKey, u32)]) {
        // The same as in `find_all`: first all places are asked for, then the waiting begins.
        std::hint::black_box(keys.iter().fold(0, |sum: u32, (key, _)| sum.wrapping_add(self.first(*key).ix)));
        for &(IdKey { high, low }, ix) in keys {
            self.place(IdSlot { high, low, ix });
        }
    }

    fn place(&mut self, slot: IdSlot) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = self.home(slot.key());
        while let Some(there) = self.slots.get_mut(at & mask) {
            if there.ix == FREE {
                *there = slot;
                return;
            }
            at += 1;
        }
    }

    /// Where a key is looked for first.
    fn home(&self, key: IdKey) -> usize {
        // For no slots at all the place does not matter.
        key.high.checked_shr(64 - self.slots.len().trailing_zeros()).unwrap_or(0) as usize
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            texts in proptest::collection::vec("[a-d]{0,4}", 0..400),
            asked in proptest::collection::vec("[a-e]{0,4}", 0..100),
            some_alike: bool,
            settled: bool,
        ) {
            let (mut ids, mut plain) = (IdTable::default(), HashMap::new());
            // An id of four letters has the key of its first three.
            let key = |ids: &IdTable, text: &str| ids.key(if some_alike { text.get(..3).unwrap_or(text) } else { text });
            for text in &texts {
                let next = plain.len() as u32;
                let taken = ids.insert_as(key(&ids, text), text);
                match plain.get(text) {
                    Some(&known) => prop_assert_eq!(taken, Err(NotNew::Known(known))),
                    None => {
                        prop_assert_eq!(taken, Ok(next));
                        plain.insert(text.clone(), next);
                    }
                }
            }
            prop_assert_eq!(ids.ends.len(), plain.len());
            if settled {
                ids.settle();
                prop_assert!(ids.late.is_empty());
            }
            for (text, &ix) in &plain {
                prop_assert_eq!(ids.text(ix), text);
                prop_assert_eq!(ids.find_as(key(&ids, text), text), Some(ix));
            }
            if some_alike {
                return Ok(());
            }
            let mut together = Vec::new();
            ids.find_all(&asked, |id, ix| together.push((id.to_owned(), ix)));
            prop_assert_eq!(together.len(), asked.len());
            for (text, (id, ix)) in asked.iter().zip(together) {
                prop_assert_eq!(text, &id);
                prop_assert_eq!(ix, plain.get(text).copied());
                prop_assert_eq!(ids.find(text), ix);
            }
        }
    }

    #[test]
    fn a_table_of_any_size_finds_all_and_nothing_else() {
        let mut ids = IdTable::default();
        assert_eq!(ids.find("0"), None);
        for n in 0..5_000u32 {
            assert_eq!(ids.insert(&n.to_string()), Ok(n));
            assert_eq!(ids.find(&(n + 1).to_string()), None);
        }
        assert!((0..5_000).all(|n| ids.find(&n.to_string()) == Some(n) && ids.text(n) == n.to_string()));
        let texts: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let mut expected = 0..10_000u32;
        ids.find_all(&texts, |_, ix| assert_eq!(ix, expected.next().filter(|n| *n < 5_000)));
        assert!(expected.is_empty());
    }

    #[test]
    fn i3_keys_that_begin_alike_stay_apart() {
        let mut table = ProbeTable::default();
        let key = |n: u32| IdKey { high: u64::MAX - u64::from(n % 2), low: n };
        for n in 0..500 {
            if !table.has_room_for(n as usize + 1) {
                table.grow();
            }
            table.place_all(&[(key(n), n)]);
        }
        assert!((0..500).all(|n| table.find(key(n), |_| true) == Some(n)));
        assert_eq!(table.find(key(500), |_| true), None);
    }

    #[test]
    fn i3_two_ids_with_one_key_stay_two() {
        let mut ids = IdTable::default();
        let shared = ids.key("ann");
        assert_eq!(ids.insert("ann"), Ok(0));
        assert_eq!(ids.insert_as(shared, "bob"), Ok(1));
        assert_eq!(ids.insert_as(shared, "bob"), Err(NotNew::Known(1)));
        assert_eq!(ids.insert("ann"), Err(NotNew::Known(0)));
        assert_eq!((ids.find("ann"), ids.find_as(shared, "bob"), ids.find_as(shared, "eve")), (Some(0), Some(1), None));
        ids.find_all(&["ann"], |_, ix| assert_eq!(ix, Some(0)));
    }
}
