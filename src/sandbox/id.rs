//! The ids of the app's resources: a counter inside, an opaque text outside. They are known to everybody who keeps or names a resource.

use std::fmt;

/// The identity of a resource: a counter inside, an opaque case-sensitive string outside (RFC 7643 §3.1).
///
/// The outside form scrambles the counter, so that neighbours do not look alike to a person comparing two of them and no
/// client is led to read an order into them; it is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) u64);

/// An odd number has an inverse modulo 2^64, which makes the multiplication reversible.
const SCRAMBLE: u64 = 0x9E37_79B9_7F4A_7C15;
const UNSCRAMBLE: u64 = inverse(SCRAMBLE);

/// Newton's iteration: each round doubles the number of right bits.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut round = 0;
    while round < 6 {
        guess = guess.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(guess)));
        round += 1;
    }
    guess
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0.wrapping_mul(SCRAMBLE))
    }
}

impl Id {
    /// Reads the outside form; anything this server would not have written is no id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let scrambled = u64::from_str_radix(text, 16).ok().filter(|_| canonical)?;
        Some(Self(scrambled.wrapping_mul(UNSCRAMBLE)))
    }
}
