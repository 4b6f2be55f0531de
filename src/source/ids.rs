//! Many ids, each with a number. In: texts. Out: the number of a text, the text of a number.
//!
//! Made for a million people and ten million look-ups: a look-up waits for memory, not for arithmetic. Texts lie end to end in one
//! string, the table's slots carry enough of the hash to be compared and moved without reading the texts, and many ids are
//! looked up together so that the processor waits for many places in memory at once.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::id_hash;

/// So many ids are looked up together.
const TOGETHER: usize = 32;

/// Ids numbered from 0 in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Ids {
    texts: String,
    /// Where each text ends; it begins where the one before it ends.
    ends: Vec<u32>,
    table: HashTable<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u32,
    ix: u32,
}

impl Slot {
    /// The table takes its place from the low bits and its check from the high ones.
    fn spread(key: u32) -> u64 {
        u64::from(key) << 32 | u64::from(key)
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

impl Ids {
    /// The text of a number; empty for a number that was never given.
    pub(super) fn text(&self, ix: u32) -> &str {
        text_of(&self.texts, &self.ends, ix)
    }

    /// Takes an id in and gives it the next number.
    pub(super) fn insert(&mut self, id: &str) -> Result<u32, NotNew> {
        let key = key(id);
        let (texts, ends) = (&mut self.texts, &mut self.ends);
        let is_it = |slot: &Slot| slot.key == key && text_of(texts, ends, slot.ix) == id;
        match self.table.entry(Slot::spread(key), is_it, |slot| Slot::spread(slot.key)) {
            Entry::Occupied(taken) => Err(NotNew::Known(taken.get().ix)),
            Entry::Vacant(free) => {
                let ix = u32::try_from(ends.len()).map_err(|_| NotNew::Full)?;
                let end = u32::try_from(texts.len() + id.len()).map_err(|_| NotNew::Full)?;
                texts.push_str(id);
                ends.push(end);
                free.insert(Slot { key, ix });
                Ok(ix)
            }
        }
    }

    /// The number of an id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        let key = key(id);
        self.table.find(Slot::spread(key), |slot| slot.key == key && self.text(slot.ix) == id).map(|slot| slot.ix)
    }

    /// The numbers of many ids, in their order.
    pub(super) fn find_all<T: AsRef<str>>(&self, ids: &[T], mut each: impl FnMut(&str, Option<u32>)) {
        let mut keys = [0; TOGETHER];
        let mut likely = [None; TOGETHER];
        for ids in ids.chunks(TOGETHER) {
            // Three short loops: no step waits for the one before it, so the memory of all of them is on its way together.
            for (key, id) in keys.iter_mut().zip(ids) {
                *key = self::key(id.as_ref());
            }
            for (likely, &key) in likely.iter_mut().zip(&keys).take(ids.len()) {
                *likely = self.table.find(Slot::spread(key), |slot| slot.key == key).map(|slot| slot.ix);
            }
            for (&likely, id) in likely.iter().zip(ids) {
                let id = id.as_ref();
                // Two ids may share a key: only the text decides.
                let found = likely.and_then(|ix| if self.text(ix) == id { Some(ix) } else { self.find(id) });
                each(id, found);
            }
        }
    }
}

fn text_of<'t>(texts: &'t str, ends: &[u32], ix: u32) -> &'t str {
    let at = ix as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(at).copied().unwrap_or(start);
    texts.get(start as usize..end as usize).unwrap_or_default()
}

/// The part of an id's hash that the table keeps.
fn key(id: &str) -> u32 {
    (id_hash(id) >> 32) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(texts in proptest::collection::vec("[a-d]{0,4}", 0..400), asked in proptest::collection::vec("[a-e]{0,4}", 0..100)) {
            let (mut ids, mut plain) = (Ids::default(), HashMap::new());
            for text in &texts {
                let next = plain.len() as u32;
                match plain.get(text) {
                    Some(&known) => prop_assert_eq!(ids.insert(text), Err(NotNew::Known(known))),
                    None => {
                        prop_assert_eq!(ids.insert(text), Ok(next));
                        plain.insert(text.clone(), next);
                    }
                }
            }
            for (text, &ix) in &plain {
                prop_assert_eq!(ids.text(ix), text);
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
    fn i3_two_ids_with_one_key_stay_two() {
        // Among 200,000 ids about five pairs share the 32 bits of the key.
        let texts: Vec<String> = (0..200_000u64).map(|n| n.to_string()).collect();
        let mut keys = HashMap::new();
        let (one, other) =
            texts.iter().find_map(|text| keys.insert(key(text), text).map(|earlier| (earlier, text))).unwrap();
        let mut ids = Ids::default();
        assert_eq!(ids.insert(one), Ok(0));
        assert_eq!(ids.find(other), None);
        assert_eq!(ids.insert(other), Ok(1));
        ids.find_all(&[one, other], |id, ix| assert_eq!(ix, Some(u32::from(id == other))));
    }
}
