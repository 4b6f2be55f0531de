//! The headers of BER elements (X.690 §8.1), read one after the other, without recursion and without keeping contents.
//!
//! In come the bytes of one message, in pieces of any size; out comes what each header says, or a [`Breach`] of the limits. This
//! file knows nothing of LDAP and nothing of sockets. It takes the same few bytes of memory whatever a header announces.
//!
//! The decoder of the LDAP library follows nesting by recursion and takes every length at its word, so nothing reaches it that
//! was not read here first.

/// How many levels of elements a message may have, the message itself included. A search result entry has five, a control seven.
pub(super) const MAX_LEVELS: usize = 32;

/// The bytes of the longest header that is taken: a tag, the number of length bytes, and four of these.
const LONGEST_HEADER: usize = 6;

/// One element for so many bytes of the size limit: decoded, an element costs far more memory than its two bytes.
const BYTES_PER_PART: u64 = 64;

/// So many elements are always allowed, however small the size limit is.
const FEWEST_PARTS: u64 = 4096;

/// How large one message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BerLimits {
    /// The largest size in bytes, header included.
    pub(super) bytes: u64,
    /// The largest number of elements, the message itself included.
    pub(super) parts: u64,
}

impl BerLimits {
    /// The limits that go with a size limit in bytes.
    pub(super) fn of_bytes(bytes: u64) -> Self {
        Self { bytes, parts: (bytes / BYTES_PER_PART).max(FEWEST_PARTS) }
    }
}

/// Why a message is not handed to the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    #[error("is {size} bytes long; the limit is {limit} bytes")]
    Size { size: u64, limit: u64 },
    #[error("has more than {limit} elements")]
    Parts { limit: u64 },
    #[error("is nested more than {MAX_LEVELS} levels deep")]
    Levels,
    #[error("has an element of indefinite length, which LDAP does not have (RFC 4511 §5.1)")]
    Indefinite,
    #[error("has an element whose length is written in more than four bytes")]
    LongLength,
    #[error("has a tag of more than one byte, which LDAP does not have")]
    LongTag,
    #[error("has an element that is longer than the element around it")]
    Overrun,
    #[error("is no LDAP message (RFC 4511 §4.1.1)")]
    NoMessage,
    #[error("does not fit the question (operation {operation:#04x})")]
    Misfit { operation: u8 },
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Class, form and number, in one byte.
    pub(super) tag: u8,
    /// How many bytes of contents follow.
    pub(super) length: u32,
    /// 1 for the message itself.
    pub(super) level: usize,
}

impl Header {
    /// Whether the contents are elements.
    pub(super) fn is_constructed(self) -> bool {
        self.tag & 0x20 != 0
    }
}

/// What a step saw in the bytes it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BerEvent {
    /// Part of a header: more bytes are needed.
    Hungry,
    /// A header, whole.
    Header(Header),
    /// Contents of the last header's element.
    Contents,
}

/// Reads the headers of one message.
#[derive(Debug, Clone)]
pub(super) struct Walker {
    limits: BerLimits,
    /// Elements at this level and below are not opened.
    closed_from: usize,
    header: [u8; LONGEST_HEADER],
    filled: usize,
    /// How many bytes each open element has left for further elements.
    open: [u32; MAX_LEVELS],
    levels: usize,
    /// How many bytes of contents are still to come.
    contents: u32,
    parts: u64,
    size: u64,
}

impl Walker {
    /// A walker for one message. The size limit is the caller's to compare with [`Walker::size`] once the first header is known.
    pub(super) fn new(limits: BerLimits) -> Self {
        Self {
            limits,
            closed_from: usize::MAX,
            header: [0; LONGEST_HEADER],
            filled: 0,
            open: [0; MAX_LEVELS],
            levels: 0,
            contents: 0,
            parts: 0,
            size: 0,
        }
    }

    /// A walker that sees the first two levels only: for requests of our own, whose filters may be nested as they like.
    pub(super) fn outline() -> Self {
        Self { closed_from: 2, ..Self::new(BerLimits { bytes: u64::MAX, parts: u64::MAX }) }
    }

    /// The size of the message with its header; 0 until that is known.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether nothing of a message has been read.
    pub(super) fn is_fresh(&self) -> bool {
        self.parts == 0 && self.filled == 0
    }

    /// Whether the message has been read to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.parts > 0 && self.levels == 0 && self.contents == 0
    }

    /// Whether the size limit is broken.
    pub(super) fn too_large(&self) -> Option<Breach> {
        let limit = self.limits.bytes;
        (self.size > limit).then_some(Breach::Size { size: self.size, limit })
    }

    /// Reads on, but never beyond the end of the message: how many bytes were taken, and what they were. Takes nothing once the
    /// message is whole.
    ///
    /// # Errors
    /// Every breach but that of the size limit.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<(usize, BerEvent), Breach> {
        if self.contents > 0 {
            let taken = bytes.len().min(self.contents as usize);
            // `taken` is no more than `contents`, which is a u32.
            self.contents -= u32::try_from(taken).unwrap_or(self.contents);
            self.close();
            return Ok((taken, BerEvent::Contents));
        }
        if self.is_whole() {
            return Ok((0, BerEvent::Hungry));
        }
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(header) = self.push(*byte)? {
                return Ok((at + 1, BerEvent::Header(header)));
            }
        }
        Ok((bytes.len(), BerEvent::Hungry))
    }

    /// Takes one byte of a header; the header, if that was its last.
    fn push(&mut self, byte: u8) -> Result<Option<Header>, Breach> {
        if let Some(place) = self.header.get_mut(self.filled) {
            *place = byte;
        }
        self.filled += 1;
        let [tag, first, long @ ..] = self.header;
        let length = match (self.filled, first) {
            (1, _) if tag & 0x1f == 0x1f => return Err(Breach::LongTag),
            (1, _) => None,
            (2, 0x80) => return Err(Breach::Indefinite),
            (2, 0x85..) => return Err(Breach::LongLength),
            (_, 0..0x80) => Some(u32::from(first)),
            (filled, _) => {
                let wanted = usize::from(first & 0x7f);
                let length = long.iter().take(wanted).fold(0, |length, byte| length << 8 | u32::from(*byte));
                (filled == 2 + wanted).then_some(length)
            }
        };
        let Some(length) = length else {
            let room = self.room().unwrap_or(u64::MAX);
            return if self.filled as u64 >= room { Err(Breach::Overrun) } else { Ok(None) };
        };
        self.begin(tag, length).map(Some)
    }

    /// How many bytes the element around the next one has left.
    fn room(&self) -> Option<u64> {
        let around = self.levels.checked_sub(1)?;
        self.open.get(around).map(|room| u64::from(*room))
    }

    /// Begins an element whose header is whole.
    fn begin(&mut self, tag: u8, length: u32) -> Result<Header, Breach> {
        let size = self.filled as u64 + u64::from(length);
        self.filled = 0;
        self.parts += 1;
        if self.parts > self.limits.parts {
            return Err(Breach::Parts { limit: self.limits.parts });
        }
        match self.levels.checked_sub(1).and_then(|around| self.open.get_mut(around)) {
            None => self.size = size,
            Some(room) => match u32::try_from(size).ok().and_then(|size| room.checked_sub(size)) {
                Some(left) => *room = left,
                None => return Err(Breach::Overrun),
            },
        }
        let header = Header { tag, length, level: self.levels + 1 };
        if header.level > MAX_LEVELS {
            return Err(Breach::Levels);
        }
        if header.is_constructed() && header.level < self.closed_from {
            if let Some(room) = self.open.get_mut(self.levels) {
                *room = length;
            }
            self.levels += 1;
        } else {
            self.contents = length;
        }
        self.close();
        Ok(header)
    }

    /// Closes every element that has come to its end.
    fn close(&mut self) {
        while self.contents == 0 && self.room() == Some(0) {
            self.levels -= 1;
        }
    }
}

/// Whether a value that holds one element may be handed to the decoder: it is there as a whole, and within `parts` elements.
pub(super) fn is_sound(value: &[u8], parts: u64) -> bool {
    let mut walker = Walker::new(BerLimits { bytes: value.len() as u64, parts });
    let mut rest = value;
    while !walker.is_whole() && !rest.is_empty() {
        match walker.step(rest) {
            Ok((taken, _)) => rest = rest.get(taken..).unwrap_or_default(),
            Err(_) => return false,
        }
    }
    walker.is_whole()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(super) mod tests {
    use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag};
    use proptest::prelude::*;

    use super::*;

    /// An element in the shortest form.
    pub(in crate::source::ldap) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = contents.len();
        let header = match length {
            0..0x80 => vec![tag, length as u8],
            _ => [&[tag, 0x84][..], &u32::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [header, contents.to_vec()].concat()
    }

    /// Elements within each other, `levels` of them.
    pub(in crate::source::ldap) fn nested(levels: usize) -> Vec<u8> {
        assert!(levels <= 40, "no test feeds anything deeper to anybody");
        (0..levels).fold(Vec::new(), |inner, _| element(0x30, &inner))
    }

    /// Walks in pieces of `piece` bytes: the breach, or whether it is whole, and how much was taken.
    fn walk(bytes: &[u8], limits: BerLimits, piece: usize) -> Result<(bool, usize), Breach> {
        let mut walker = Walker::new(limits);
        let mut at = 0;
        for part in bytes.chunks(piece) {
            let mut rest = part;
            while !rest.is_empty() && !walker.is_whole() {
                let (taken, _) = walker.step(rest)?;
                if let Some(breach) = walker.too_large() {
                    return Err(breach);
                }
                at += taken;
                rest = &rest[taken..];
            }
        }
        Ok((walker.is_whole(), at))
    }

    fn verdict(bytes: &[u8]) -> Result<bool, Breach> {
        let verdicts: Vec<_> = (1..=bytes.len().max(1))
            .map(|piece| walk(bytes, BerLimits::of_bytes(1 << 20), piece).map(|(whole, _)| whole))
            .collect();
        assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{bytes:?}: {verdicts:?}");
        verdicts[0]
    }

    #[test]
    fn l1_thirty_two_levels_pass_and_one_more_is_refused() {
        assert_eq!(verdict(&nested(MAX_LEVELS)), Ok(true));
        assert_eq!(verdict(&nested(MAX_LEVELS + 1)), Err(Breach::Levels));
        let beside = [nested(2), nested(MAX_LEVELS)].concat();
        assert_eq!(verdict(&element(0x30, &beside)), Err(Breach::Levels), "however few levels came before it");
        let mut leaf = element(0x04, b"leaf");
        for _ in 0..MAX_LEVELS {
            leaf = element(0x30, &leaf);
        }
        assert_eq!(verdict(&leaf), Err(Breach::Levels), "a value is a level too");
    }

    #[test]
    fn l2_a_message_of_the_limits_size_passes_and_one_byte_more_is_refused_by_its_header() {
        let limits = BerLimits::of_bytes(70_000);
        let at_the_limit = element(0x30, &element(0x04, &vec![0; 70_000 - 12]));
        assert_eq!(walk(&at_the_limit, limits, 1000), Ok((true, 70_000)));
        let above = element(0x30, &element(0x04, &vec![0; 70_001 - 12]));
        let breach = Breach::Size { size: 70_001, limit: 70_000 };
        assert_eq!(walk(&above, limits, 1000), Err(breach));
        assert_eq!(walk(&above[..6], limits, 1), Err(breach), "before anything of it has come");
        assert_eq!(
            walk(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], limits, 6).unwrap_err().to_string().matches('4').count(),
            2
        );
    }

    #[test]
    fn l2_elements_are_counted_because_each_costs_memory() {
        let limits = BerLimits::of_bytes(70_000);
        assert_eq!(limits.parts, FEWEST_PARTS);
        let of = |parts: u64| element(0x30, &[0x04, 0x00].repeat(usize::try_from(parts - 1).unwrap()));
        assert_eq!(walk(&of(FEWEST_PARTS), limits, 999).map(|(whole, _)| whole), Ok(true));
        assert_eq!(walk(&of(FEWEST_PARTS + 1), limits, 999), Err(Breach::Parts { limit: FEWEST_PARTS }));
        assert_eq!(BerLimits::of_bytes(64 << 20).parts, 1 << 20);
    }

    #[test]
    fn l1_what_ldap_does_not_have_is_refused() {
        for (bytes, breach) in [
            (&[0x30, 0x80, 0x00, 0x00][..], Breach::Indefinite),
            (&[0x30, 0x04, 0x24, 0x80, 0x00, 0x00], Breach::Indefinite),
            (&[0x30, 0x85, 0, 0, 0, 0, 0], Breach::LongLength),
            (&[0x30, 0xff], Breach::LongLength),
            (&[0x3f, 0x81, 0x01, 0x00], Breach::LongTag),
            (&[0x30, 0x03, 0x1f, 0x21, 0x00], Breach::LongTag),
            (&[0x30, 0x03, 0x04, 0x02, 0x00], Breach::Overrun),
            (&[0x30, 0x04, 0x30, 0x03, 0x04, 0x00], Breach::Overrun),
            (&[0x30, 0x01, 0x04], Breach::Overrun),
            (&[0x30, 0x02, 0x04, 0x82], Breach::Overrun),
            (&[0x30, 0x03, 0x04, 0x84, 0x00], Breach::Overrun),
        ] {
            assert_eq!(verdict(bytes), Err(breach), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_is_waited_for() {
        let whole = element(0x30, &[element(0x02, &[7]), element(0x30, &element(0x04, &[1; 200]))].concat());
        for length in 0..whole.len() {
            assert_eq!(walk(&whole[..length], BerLimits::of_bytes(1 << 20), 3), Ok((false, length)));
        }
        assert_eq!(verdict(&whole), Ok(true));
        assert_eq!(
            walk(&[whole.clone(), whole.clone()].concat(), BerLimits::of_bytes(1 << 20), 7),
            Ok((true, whole.len()))
        );
    }

    #[test]
    fn l1_a_value_inside_a_value_is_looked_at_before_it_is_decoded() {
        assert!(is_sound(&[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00], 3));
        assert!(!is_sound(&[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00], 2), "too many elements");
        assert!(!is_sound(&nested(MAX_LEVELS + 1), 100));
        assert!(!is_sound(&[], 3) && !is_sound(&[0x30], 3) && !is_sound(&[0x30, 0x02, 0x04], 3));
    }

    #[test]
    fn an_outline_opens_nothing_below_the_second_level() {
        let request = element(0x30, &[element(0x02, &[1]), element(0x63, &nested(40))].concat());
        let (mut walker, mut rest, mut tags) = (Walker::outline(), &request[..], Vec::new());
        while !walker.is_whole() {
            let (taken, seen) = walker.step(rest).unwrap();
            rest = &rest[taken..];
            if let BerEvent::Header(header) = seen {
                tags.push(header.tag);
            }
        }
        assert_eq!((tags, rest.len()), (vec![0x30, 0x02, 0x63], 0));
    }

    /// A tree of BER elements, as the library would write it.
    fn tree() -> impl Strategy<Value = Vec<u8>> {
        let leaf = (0_u8..0x1f, proptest::collection::vec(any::<u8>(), 0..200), 0_u8..4, any::<bool>());
        let leaf = leaf.prop_map(|(number, contents, class, long)| written(class << 6 | number, &contents, long));
        leaf.prop_recursive(8, 64, 5, |inner| {
            (0_u8..0x1f, proptest::collection::vec(inner, 0..5), 0_u8..4, any::<bool>())
                .prop_map(|(number, parts, class, long)| written(class << 6 | 0x20 | number, &parts.concat(), long))
        })
    }

    fn written(tag: u8, contents: &[u8], long: bool) -> Vec<u8> {
        if long || contents.len() >= 0x80 {
            let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
            return [&[tag, 0x84][..], &length, contents].concat();
        }
        element(tag, contents)
    }

    proptest! {
        #[test]
        fn every_sound_tree_passes_whole_in_pieces_of_any_size(tree in tree(), piece in 1_usize..300) {
            prop_assert_eq!(walk(&tree, BerLimits::of_bytes(1 << 20), piece), Ok((true, tree.len())));
        }

        /// What the walker lets pass, the decoder takes, and takes to the same byte.
        #[test]
        fn the_decoder_takes_what_passes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok((true, taken)) = walk(&bytes, BerLimits::of_bytes(1 << 20), 7) {
                let (rest, _) = parse_tag(&bytes).unwrap();
                prop_assert_eq!(bytes.len() - rest.len(), taken);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..20) {
            let _ = walk(&bytes, BerLimits::of_bytes(100), piece);
            let _ = is_sound(&bytes, 8);
        }
    }

    #[test]
    fn the_library_reads_headers_as_they_are_read_here() {
        let bytes = element(0x64, &element(0x04, b"dc=x"));
        let (_, tag) = parse_tag(&bytes).unwrap();
        let StructureTag { class: TagClass::Application, id: 4, payload: PL::C(parts) } = tag else {
            panic!("{tag:?}")
        };
        assert_eq!(parts.len(), 1);
    }
}
