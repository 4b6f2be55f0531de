//! What the last accepted reading of the directory showed of users beside their records: who was suspended, and under which name a group had
//! whom as a member. It takes hashes and returns hashes, and a lost or damaged file is none: what it would have said is then in doubt.
//!
//! The file: magic and lengths in little-endian numbers, the entries, and the XXH3 of all of it at the end.

use std::io::{self, Read, Write};

use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"rostsee1";
/// More entries than this are not believed.
const MAX_ENTRIES: u64 = 1 << 28;

/// What was last seen of users, by the hashes of their ids ([`id_hash`](crate::source::id_hash)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings {
    /// Users whom the directory called suspended, ascending.
    suspended: Vec<u64>,
    /// Names under which members were found, each with whose it is, ascending. Only names that are not the id itself.
    names: Vec<(u64, u64)>,
}

impl Sightings {
    /// What was seen: the ids of suspended users, and the names of members with their ids, in any order.
    pub fn new(mut suspended: Vec<u64>, mut names: Vec<(u64, u64)>) -> Self {
        suspended.sort_unstable();
        suspended.dedup();
        names.sort_unstable();
        names.dedup();
        Self { suspended, names }
    }

    /// Whether a user was suspended when last seen.
    pub fn was_suspended(&self, id: u64) -> bool {
        self.suspended.binary_search(&id).is_ok()
    }

    /// The users who were suspended.
    pub fn suspended(&self) -> &[u64] {
        &self.suspended
    }

    /// Every name under which a member was found, with whose it is.
    pub fn names(&self) -> &[(u64, u64)] {
        &self.names
    }

    /// Whose a name was; several where it went from one user to another.
    pub fn owners(&self, name: u64) -> impl Iterator<Item = u64> + '_ {
        let from = self.names.partition_point(|(known, _)| *known < name);
        self.names.iter().skip(from).take_while(move |(known, _)| *known == name).map(|(_, id)| *id)
    }

    /// Writes it, all but durably (the caller renames and syncs).
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        let numbers = [self.suspended.len() as u64, self.names.len() as u64].into_iter();
        let numbers = numbers.chain(self.suspended.iter().copied());
        for number in numbers.chain(self.names.iter().flat_map(|(name, id)| [*name, *id])) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = xxh3_64(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        out.write_all(&bytes)
    }

    /// Reads it; `None` when it is not whole.
    pub(super) fn read(mut input: impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        Ok(Self::of_bytes(&bytes))
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*sum) != xxh3_64(body) {
            return None;
        }
        let (numbers, []) = body.strip_prefix(MAGIC)?.as_chunks::<8>() else { return None };
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let (suspended, names) = (numbers.next()?, numbers.next()?);
        let most = suspended.max(names);
        if most > MAX_ENTRIES || numbers.len() as u64 != suspended + 2 * names {
            return None;
        }
        let first: Vec<u64> = numbers.by_ref().take(usize::try_from(suspended).ok()?).collect();
        let rest: Vec<u64> = numbers.collect();
        let pairs = rest.as_chunks::<2>().0.iter().map(|[name, id]| (*name, *id)).collect();
        Some(Self::new(first, pairs))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn mp4_what_was_seen_is_read_back_and_a_damaged_file_is_none() {
        let seen = Sightings::new(vec![9, 1, 9], vec![(7, 3), (5, 1), (7, 2)]);
        let mut bytes = Vec::new();
        seen.write(&mut bytes).unwrap();
        assert_eq!(Sightings::read(bytes.as_slice()).unwrap().as_ref(), Some(&seen));
        assert!(seen.was_suspended(1) && seen.was_suspended(9) && !seen.was_suspended(2));
        assert_eq!(seen.owners(7).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((seen.owners(5).count(), seen.owners(6).count()), (1, 0));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Sightings::read(damaged.as_slice()).unwrap(), None, "byte {at}");
            assert_eq!(Sightings::read(&bytes[..at]).unwrap(), None, "cut after {at}");
        }
    }
}
