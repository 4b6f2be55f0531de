//! The quiet cycle's index: a hash and a fingerprint for everybody who was in step. In: what the last cycle saw. Out: who did
//! not change, without opening the cache.
//!
//! It is only a shortcut. Whatever is wrong with it (missing, torn, other settings, state changed since) makes it `None`, and
//! the cycle compares everything with the rows instead.
//!
//! The file: magic, header and entries in little-endian numbers, and the XXH3 of all of it at the end.

use std::io::{self, Read, Write};

use xxhash_rust::xxh3::Xxh3;

use crate::model::{Bits, SnapshotCounts};

const MAGIC: &[u8; 8] = b"rostidx1";
const HEADER_BYTES: usize = 8 * 8;
const ENTRY_BYTES: usize = 21;
/// More entries than this are not believed: the limit keeps a damaged header from asking for the machine's memory.
const MAX_ENTRIES: u64 = 1 << 28;

/// One person or group that was in step at the end of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The hash of the directory's id.
    pub id_hash: u64,
    /// The fingerprint of what the directory said: of the record for a person; of name and members for a group.
    pub fingerprint: u64,
    /// A number that goes with it: a person's [`UserNumber`](crate::model::UserNumber).
    pub number: u32,
    /// Marks; their meaning belongs to the cycle.
    pub flags: u8,
}

/// What a cycle wants to find again.
#[derive(Debug, Clone, Default)]
pub struct IndexDraft {
    /// A hash of everything that turns a record into what the app should hold: mapping, scope, profile, program version.
    pub settings_hash: u64,
    /// What the snapshot held.
    pub counts: SnapshotCounts,
    /// People, in any order.
    pub users: Vec<IndexEntry>,
    /// Groups, in any order.
    pub groups: Vec<IndexEntry>,
}

/// The state of the journal that an index belongs to: equal marks mean that nothing was learned in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JournalPosition {
    /// `seq` of the last record with effects.
    pub(super) seq: u64,
    /// The beginning of that record's hash.
    pub(super) hash: u64,
}

/// Entries of one kind, found by hash.
#[derive(Debug, Clone, Default)]
pub struct IndexTable {
    entries: Vec<IndexEntry>,
    /// `starts[b]` is where the entries begin whose hash starts with the bits `b`: hashes are even, so a bucket holds about one.
    starts: Vec<u32>,
    shift: u32,
}

impl IndexTable {
    /// Takes entries sorted by hash; `None` if two share one.
    fn new(entries: Vec<IndexEntry>) -> Option<Self> {
        if entries.windows(2).any(|pair| matches!(pair, [a, b] if a.id_hash >= b.id_hash)) {
            return None;
        }
        let bits = entries.len().max(2).next_power_of_two().trailing_zeros();
        let shift = 64 - bits;
        let mut starts = vec![0u32; (1usize << bits) + 1];
        for entry in &entries {
            if let Some(slot) = starts.get_mut((entry.id_hash >> shift) as usize + 1) {
                *slot += 1;
            }
        }
        let mut sum = 0;
        for slot in &mut starts {
            sum += *slot;
            *slot = sum;
        }
        Some(Self { entries, starts, shift })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of this hash, with its place (for [`IndexTable::unseen`]).
    pub fn find(&self, id_hash: u64) -> Option<(usize, &IndexEntry)> {
        let bucket = (id_hash.checked_shr(self.shift)?) as usize;
        let (start, end) = (*self.starts.get(bucket)? as usize, *self.starts.get(bucket + 1)? as usize);
        let at = self.entries.get(start..end)?.iter().position(|entry| entry.id_hash == id_hash)?;
        Some((start + at, self.entries.get(start + at)?))
    }

    /// Brings what is asked for next near the processor, which waits for many places in memory in the time of one.
    pub fn approach(&self, id_hashes: &[u64]) {
        let near = |hash: &u64| {
            let start = *self.starts.get(hash.checked_shr(self.shift)? as usize)?;
            self.entries.get(start as usize).map(|entry| entry.fingerprint)
        };
        std::hint::black_box(id_hashes.iter().filter_map(near).fold(0, u64::wrapping_add));
    }

    /// All entries, by hash.
    pub fn iter(&self) -> impl Iterator<Item = &IndexEntry> {
        self.entries.iter()
    }

    /// The entries whose places are not in `seen`.
    pub fn unseen<'a>(&'a self, seen: &'a Bits) -> impl Iterator<Item = &'a IndexEntry> {
        self.entries.iter().enumerate().filter(|(at, _)| !seen.contains(*at)).map(|(_, entry)| entry)
    }
}

/// Everybody who was in step at the end of the last cycle.
#[derive(Debug, Clone, Default)]
pub struct SyncIndex {
    /// What the snapshot held.
    pub counts: SnapshotCounts,
    /// People.
    pub users: IndexTable,
    /// Groups.
    pub groups: IndexTable,
}

impl SyncIndex {
    /// The person with this hash, and the entry's place.
    pub fn user(&self, id_hash: u64) -> Option<(usize, &IndexEntry)> {
        self.users.find(id_hash)
    }

    /// The group with this hash, and the entry's place.
    pub fn group(&self, id_hash: u64) -> Option<(usize, &IndexEntry)> {
        self.groups.find(id_hash)
    }
}

impl IndexDraft {
    /// Sorts the entries and proves their hashes distinct; `None` where two ids share one.
    pub(super) fn into_index(mut self) -> Option<SyncIndex> {
        for entries in [&mut self.users, &mut self.groups] {
            entries.sort_unstable_by_key(|entry| entry.id_hash);
        }
        Some(SyncIndex {
            counts: self.counts,
            users: IndexTable::new(self.users)?,
            groups: IndexTable::new(self.groups)?,
        })
    }
}

/// Writes an index, all but durably (the caller renames and syncs).
pub(super) fn write(
    index: &SyncIndex,
    settings_hash: u64,
    mark: JournalPosition,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut out = Hashing { inner: io::BufWriter::with_capacity(1 << 16, out), hash: Xxh3::new() };
    out.write_all(MAGIC)?;
    let SnapshotCounts { users, groups, memberships } = index.counts;
    let lens = [index.users.len() as u64, index.groups.len() as u64];
    for number in [mark.seq, mark.hash, settings_hash, users, groups, memberships, lens[0], lens[1]] {
        out.write_all(&number.to_le_bytes())?;
    }
    for entry in index.users.iter().chain(index.groups.iter()) {
        out.write_all(&encode(entry))?;
    }
    let sum = out.hash.digest();
    out.inner.write_all(&sum.to_le_bytes())?;
    out.inner.flush()
}

/// Reads an index; `None` when it is not whole, or belongs to other settings or another state.
pub(super) fn read(input: impl Read, settings_hash: u64, mark: JournalPosition) -> io::Result<Option<SyncIndex>> {
    let mut input = Hashing { inner: io::BufReader::with_capacity(1 << 16, input), hash: Xxh3::new() };
    let mut header = [0; 8 + HEADER_BYTES];
    input.read_exact(&mut header)?;
    let (magic, numbers) = header.split_at(8);
    let mut numbers = numbers.chunks_exact(8).map(le_u64);
    let mut next = || numbers.next().unwrap_or_default();
    let found = JournalPosition { seq: next(), hash: next() };
    if magic != MAGIC || found != mark || next() != settings_hash {
        return Ok(None);
    }
    let counts = SnapshotCounts { users: next(), groups: next(), memberships: next() };
    let (users, groups) = (next(), next());
    if users.saturating_add(groups) > MAX_ENTRIES {
        return Ok(None);
    }
    let users = read_entries(&mut input, users as usize)?;
    let groups = read_entries(&mut input, groups as usize)?;
    let expected = input.hash.digest();
    let mut sum = [0; 8];
    input.inner.read_exact(&mut sum)?;
    if u64::from_le_bytes(sum) != expected || input.inner.read(&mut [0])? != 0 {
        return Ok(None);
    }
    Ok(IndexTable::new(users).zip(IndexTable::new(groups)).map(|(users, groups)| SyncIndex { counts, users, groups }))
}

fn encode(entry: &IndexEntry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    let (hash, rest) = bytes.split_at_mut(8);
    let (fingerprint, rest) = rest.split_at_mut(8);
    let (number, flags) = rest.split_at_mut(4);
    hash.copy_from_slice(&entry.id_hash.to_le_bytes());
    fingerprint.copy_from_slice(&entry.fingerprint.to_le_bytes());
    number.copy_from_slice(&entry.number.to_le_bytes());
    flags.copy_from_slice(&[entry.flags]);
    bytes
}

fn read_entries(input: &mut impl Read, count: usize) -> io::Result<Vec<IndexEntry>> {
    const AT_ONCE: usize = 4096;
    // A damaged count shows before its memory is taken: the vector grows only as the bytes really come.
    let mut entries = Vec::with_capacity(count.min(1 << 20));
    let mut buffer = vec![0; AT_ONCE * ENTRY_BYTES];
    while entries.len() < count {
        let some = (count - entries.len()).min(AT_ONCE);
        let Some(bytes) = buffer.get_mut(..some * ENTRY_BYTES) else { break };
        input.read_exact(bytes)?;
        entries.extend(bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(decode));
    }
    Ok(entries)
}

fn decode(bytes: &[u8; ENTRY_BYTES]) -> IndexEntry {
    let (hash, rest) = bytes.split_at(8);
    let (fingerprint, rest) = rest.split_at(8);
    let (number, flags) = rest.split_at(4);
    IndexEntry {
        id_hash: le_u64(hash),
        fingerprint: le_u64(fingerprint),
        number: number.try_into().map_or(0, u32::from_le_bytes),
        flags: flags.first().copied().unwrap_or_default(),
    }
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// Passes bytes on and hashes them.
struct Hashing<T> {
    inner: T,
    hash: Xxh3,
}

impl<T: Write> Hashing<T> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const MARK: JournalPosition = JournalPosition { seq: 7, hash: 11 };

    fn entry(n: u64) -> IndexEntry {
        // An odd factor permutes the 64-bit numbers, so hashes are spread and distinct.
        IndexEntry {
            id_hash: n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            fingerprint: n * 3,
            number: n as u32,
            flags: n as u8,
        }
    }

    fn draft(users: u64, groups: u64) -> IndexDraft {
        IndexDraft {
            settings_hash: 5,
            counts: SnapshotCounts { users, groups, memberships: 9 },
            users: (0..users).map(entry).collect(),
            groups: (0..groups).map(entry).collect(),
        }
    }

    fn bytes_of(draft: IndexDraft) -> Vec<u8> {
        let settings = draft.settings_hash;
        let mut bytes = Vec::new();
        write(&draft.into_index().unwrap(), settings, MARK, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn i12_what_was_written_is_found_again_and_nothing_else() {
        for users in [0, 1, 2, 9, 5000] {
            let index = read(bytes_of(draft(users, 3)).as_slice(), 5, MARK).unwrap().unwrap();
            assert_eq!((index.users.len() as u64, index.groups.len()), (users, 3));
            for n in 0..users {
                assert_eq!(index.user(entry(n).id_hash).unwrap().1, &entry(n));
            }
            assert!(index.user(entry(users).id_hash).is_none());
            assert_eq!(index.counts, SnapshotCounts { users, groups: 3, memberships: 9 });
        }
    }

    #[test]
    fn the_unseen_are_exactly_those_not_found() {
        let index = draft(100, 0).into_index().unwrap();
        let mut seen = Bits::new(index.users.len());
        for n in (0..100).filter(|n| n % 10 != 0) {
            seen.insert(index.user(entry(n).id_hash).unwrap().0);
        }
        let mut unseen: Vec<_> = index.users.unseen(&seen).map(|entry| entry.number).collect();
        unseen.sort_unstable();
        assert_eq!(unseen, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }

    #[test]
    fn i3_two_ids_with_one_hash_make_no_index() {
        let mut draft = draft(10, 0);
        draft.users.push(IndexEntry { number: 77, ..entry(4) });
        assert!(draft.into_index().is_none());
    }

    #[test]
    fn p2_no_damage_is_read_as_an_index() {
        let good = bytes_of(draft(40, 4));
        assert!(read(good.as_slice(), 5, MARK).unwrap().is_some());
        for at in 0..good.len() {
            let mut bad = good.clone();
            *bad.get_mut(at).unwrap() ^= 0x10;
            assert!(!matches!(read(bad.as_slice(), 5, MARK), Ok(Some(_))), "byte {at} flipped");
            assert!(!matches!(read(good.get(..at).unwrap(), 5, MARK), Ok(Some(_))), "cut at {at}");
        }
    }

    #[test]
    fn other_settings_or_another_state_have_no_index() {
        let good = bytes_of(draft(4, 0));
        assert!(read(good.as_slice(), 6, MARK).unwrap().is_none());
        assert!(read(good.as_slice(), 5, JournalPosition { seq: 8, ..MARK }).unwrap().is_none());
        assert!(read(good.as_slice(), 5, JournalPosition { hash: 8, ..MARK }).unwrap().is_none());
    }
}
