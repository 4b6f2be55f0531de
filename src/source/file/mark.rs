//! What a document said when it was read. In: its bytes, and its entries one by one. Out: a mark, by which the same content is known
//! again without keeping it.
//!
//! The entries count as they stand in the file, in their order: blank space between them and keys that mean nothing here (the time of
//! an export, say) do not. Where entries do differ it is mostly seen soon, by the steps.

use xxhash_rust::xxh3::Xxh3;

use crate::model::ContentMark;

/// After so many entries of a list, and each time there are twice as many, a step is remembered.
const FIRST_STEP: u64 = 1024;

/// The entries of a document so far.
#[derive(Default)]
pub(super) struct EntryHashes {
    hash: Xxh3,
    in_list: u64,
    /// Parts of the hash on the way, to notice another document early. They prove nothing.
    steps: Vec<u32>,
}

impl EntryHashes {
    /// A list begins.
    pub(super) fn list(&mut self, name: &str) {
        self.hash.update(name.as_bytes());
        self.in_list = 0;
    }

    /// The next entry of the list, as it stands in the file.
    pub(super) fn entry(&mut self, raw: &str) {
        self.hash.update(&(raw.len() as u64).to_le_bytes());
        self.hash.update(raw.as_bytes());
        self.in_list += 1;
        if self.in_list >= FIRST_STEP && self.in_list.is_power_of_two() {
            self.steps.push(self.hash.digest() as u32);
        }
    }

    /// Whether they may still be the ones of this mark.
    pub(super) fn may_be(&self, mark: &DocumentHash) -> bool {
        mark.steps.starts_with(&self.steps)
    }

    /// Whether they are the ones of this mark, and there are no more.
    pub(super) fn are(&self, mark: &DocumentHash) -> bool {
        mark.entries == self.hash.digest128()
    }
}

/// What is known of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentHash {
    /// Its length in bytes.
    pub(super) len: u64,
    /// The hash of all its bytes.
    pub(super) bytes: u128,
    entries: u128,
    steps: Vec<u32>,
}

impl DocumentHash {
    pub(super) fn new(len: u64, bytes: u128, entries: EntryHashes) -> Self {
        Self { len, bytes, entries: entries.hash.digest128(), steps: entries.steps }
    }

    /// The same entries in other bytes.
    pub(super) fn in_bytes(&self, len: u64, bytes: u128) -> Self {
        Self { len, bytes, ..self.clone() }
    }

    pub(super) fn to_content(&self) -> ContentMark {
        let Self { len, bytes, entries, steps } = self;
        let steps: String = steps.iter().map(|step| format!("{step:08x}")).collect();
        ContentMark::new(format!("{len:x}.{bytes:032x}.{entries:032x}.{steps}"))
    }

    /// Reads what [`Mark::to_content`] wrote; `None` for what another source or version wrote.
    pub(super) fn of_content(mark: &ContentMark) -> Option<Self> {
        let mut parts = mark.as_str().split('.');
        let len = u64::from_str_radix(parts.next()?, 16).ok()?;
        let mut hash = || u128::from_str_radix(parts.next()?, 16).ok();
        let (bytes, entries) = (hash()?, hash()?);
        let (steps, rest) = parts.next()?.as_bytes().as_chunks::<8>();
        let step = |digits: &[u8; 8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let steps = steps.iter().map(step).collect::<Option<_>>()?;
        (rest.is_empty() && parts.next().is_none()).then_some(Self { len, bytes, entries, steps })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn entries(lists: &[(&str, Vec<String>)]) -> EntryHashes {
        let mut entries = EntryHashes::default();
        for (name, list) in lists {
            entries.list(name);
            list.iter().for_each(|entry| entries.entry(entry));
        }
        entries
    }

    fn people(n: u32) -> Vec<String> {
        (0..n).map(|at| format!("person {at}")).collect()
    }

    #[test]
    fn i12_a_mark_is_read_as_it_was_written() {
        for n in [0, 1, 1023, 1024, 5000] {
            let mark =
                DocumentHash::new(u64::MAX, u128::MAX - 1, entries(&[("users", people(n)), ("groups", people(2048))]));
            assert_eq!(DocumentHash::of_content(&mark.to_content()).as_ref(), Some(&mark));
            let text = mark.to_content().as_str().to_owned();
            assert!(DocumentHash::of_content(&ContentMark::new(format!("{text}0"))).is_none(), "half a step");
            assert!(DocumentHash::of_content(&ContentMark::new(format!("{text}.0"))).is_none());
        }
        assert!(
            DocumentHash::of_content(&ContentMark::new("0123456789abcdef".to_owned())).is_none(),
            "an earlier version's"
        );
    }

    #[test]
    fn i12_entries_are_known_by_what_they_say_where_they_stand() {
        let mark = DocumentHash::new(1, 1, entries(&[("users", people(3)), ("groups", people(2))]));
        let is = |lists: &[(&str, Vec<String>)]| entries(lists).are(&mark);
        assert!(is(&[("users", people(3)), ("groups", people(2))]));
        assert!(!is(&[("users", people(2)), ("groups", people(3))]), "between the lists");
        assert!(!is(&[("users", people(3)), ("groups", people(1))]), "one less");
        assert!(!is(&[("users", people(3))]), "a list less");
        let mut joined = people(3);
        let last = joined.pop().unwrap();
        joined[1] += &last;
        assert!(!is(&[("users", joined), ("groups", people(2))]), "two made one");
    }

    #[test]
    fn another_document_is_noticed_soon() {
        let mark = DocumentHash::new(1, 1, entries(&[("users", people(100_000))]));
        let mut others = people(100_000);
        others[3000] += "!";
        let mut read = EntryHashes::default();
        read.list("users");
        let noticed = others.iter().position(|entry| {
            read.entry(entry);
            !read.may_be(&mark)
        });
        assert_eq!(noticed, Some(4095), "twice as far in as the difference, at most");
    }
}
