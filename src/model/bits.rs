//! A plain bit set over dense numbers: a million people in 125 kB.

/// A fixed-size set of numbers `0..len`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// An empty set over `0..len`.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// How many numbers the set ranges over (not how many are in it).
    pub fn range(&self) -> usize {
        self.len
    }

    /// Whether `n` is in the set; a number outside the range never is.
    pub fn contains(&self, n: usize) -> bool {
        self.words.get(n / 64).is_some_and(|word| word & (1 << (n % 64)) != 0)
    }

    /// Puts `n` into the set and says whether it was new. A number outside the range is ignored.
    pub fn insert(&mut self, n: usize) -> bool {
        if n >= self.len {
            return false;
        }
        match self.words.get_mut(n / 64) {
            Some(word) => {
                let bit = 1 << (n % 64);
                let fresh = *word & bit == 0;
                *word |= bit;
                fresh
            }
            None => false,
        }
    }

    /// Takes `n` out of the set.
    pub fn remove(&mut self, n: usize) {
        if let Some(word) = self.words.get_mut(n / 64) {
            *word &= !(1 << (n % 64));
        }
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    at * 64 + bit
                })
            })
        })
    }
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_exactly_what_was_put_in() {
        let mut set = Bits::new(130);
        assert!(set.insert(0) && set.insert(64) && set.insert(129));
        assert!(!set.insert(64), "twice is not new");
        assert!(!set.insert(130), "outside the range is ignored");
        set.remove(0);
        assert_eq!(set.iter().collect::<Vec<_>>(), [64, 129]);
        assert_eq!(set.count(), 2);
        assert!(!set.contains(0) && set.contains(129) && !set.contains(100_000));
    }
}
