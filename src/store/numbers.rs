//! Sets of people's numbers, packed. In: numbers. Out: a few bytes a member.
//!
//! The number space is cut into blocks of 2^18, one row each, so that adding 50 people to a group of a million rewrites 32 KiB
//! and not the whole set, while a group of a tenant with fewer than 262,144 people is one row.

/// Numbers of one block.
pub(super) const BLOCK_SIZE: u32 = 1 << 18;
const BITMAP_BYTES: usize = BLOCK_SIZE as usize / 8;
/// Up to this many members differences are shorter than the bitmap.
const SPARSE_MAX: usize = 1 << 14;
const SPARSE: u8 = 0;
const DENSE: u8 = 1;

/// Which block a number is in, and its place there.
pub(super) fn split(number: u32) -> (u32, u32) {
    (number / BLOCK_SIZE, number % BLOCK_SIZE)
}

/// The members of one block, as a bitmap.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NumberBlock {
    bits: Vec<u8>,
    count: usize,
}

impl NumberBlock {
    pub(super) fn new() -> Self {
        Self { bits: vec![0; BITMAP_BYTES], count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[cfg(test)]
    fn contains(&self, place: u32) -> bool {
        self.bits.get(place as usize / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    pub(super) fn insert(&mut self, place: u32) {
        if let Some(byte) = self.bits.get_mut(place as usize / 8) {
            let bit = 1 << (place % 8);
            self.count += usize::from(*byte & bit == 0);
            *byte |= bit;
        }
    }

    pub(super) fn remove(&mut self, place: u32) {
        if let Some(byte) = self.bits.get_mut(place as usize / 8) {
            let bit = 1 << (place % 8);
            self.count -= usize::from(*byte & bit != 0);
            *byte &= !bit;
        }
    }

    /// Takes out everything that is in `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (byte, gone) in self.bits.iter_mut().zip(&other.bits) {
            *byte &= !gone;
        }
        self.count = self.bits.iter().map(|byte| byte.count_ones() as usize).sum();
    }

    /// The places in the set, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        // Most blocks are nearly empty: eight bytes are passed over at a time, and none after the last member.
        let places = self.bits.chunks_exact(8).enumerate().flat_map(|(word_at, bytes)| {
            let mut word = bytes.try_into().map_or(0, u64::from_le_bytes);
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros();
                    word &= word - 1;
                    word_at as u32 * 64 + bit
                })
            })
        });
        places.take(self.count)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        if self.count > SPARSE_MAX {
            let mut bytes = Vec::with_capacity(1 + BITMAP_BYTES);
            bytes.push(DENSE);
            bytes.extend_from_slice(&self.bits);
            return bytes;
        }
        let mut bytes = Vec::with_capacity(1 + self.count * 2);
        bytes.push(SPARSE);
        let mut next = 0;
        for place in self.iter() {
            push_varint(&mut bytes, place - next);
            next = place + 1;
        }
        bytes
    }

    /// Reads what [`NumberBlock::encode`] wrote; `None` for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut block = Self::new();
        match bytes.split_first()? {
            (&DENSE, bits) if bits.len() == BITMAP_BYTES => {
                block.count = bits.iter().map(|byte| byte.count_ones() as usize).sum();
                block.bits = bits.to_vec();
            }
            (&SPARSE, mut rest) => {
                let mut next = 0u32;
                while !rest.is_empty() {
                    let place = next.checked_add(take_varint(&mut rest)?).filter(|place| *place < BLOCK_SIZE)?;
                    block.insert(place);
                    next = place + 1;
                }
            }
            _ => return None,
        }
        Some(block)
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn block(places: impl IntoIterator<Item = u32>) -> NumberBlock {
        let mut block = NumberBlock::new();
        places.into_iter().for_each(|place| block.insert(place));
        block
    }

    #[test]
    fn a_set_of_any_density_reads_back_as_itself() {
        for step in [1, 2, 3, 15, 16, 17, 127, 128, 129, 20_000, BLOCK_SIZE - 1, BLOCK_SIZE] {
            let places: Vec<u32> = (0..BLOCK_SIZE).step_by(step as usize).collect();
            let bytes = block(places.iter().copied()).encode();
            assert!(bytes.len() <= 1 + BITMAP_BYTES);
            let back = NumberBlock::decode(&bytes).unwrap();
            assert_eq!((back.iter().collect::<Vec<_>>(), back.count), (places.clone(), places.len()), "step {step}");
        }
        assert!(NumberBlock::decode(&NumberBlock::new().encode()).unwrap().is_empty());
    }

    #[test]
    fn members_come_and_go_once() {
        let mut set = block([5, 5, 9, BLOCK_SIZE - 1]);
        assert_eq!(set.count, 3);
        set.remove(5);
        set.remove(5);
        assert!(!set.contains(5) && set.contains(9));
        set.subtract(&block([9, 10]));
        assert_eq!((set.iter().collect::<Vec<_>>(), set.count), (vec![BLOCK_SIZE - 1], 1));
    }

    #[test]
    fn p2_garbage_is_no_set() {
        for bad in [
            &[][..],
            &[2, 0],
            &[SPARSE, 0x80],
            &[SPARSE, 0xFF, 0xFF, 0xFF, 1],
            &[SPARSE, 0xFF, 0xFF, 0x7F],
            &[DENSE, 1],
        ] {
            assert!(NumberBlock::decode(bad).is_none(), "{bad:?}");
        }
    }
}
