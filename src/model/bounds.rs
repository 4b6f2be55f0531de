//! How long ids, names and values may be. In: text from outside. Out: limits, and text that fits on a line.
//!
//! A user name of a megabyte is a mistake or an attack, and it would be sent, kept and shown everywhere.

/// The most bytes of an id, and of a value by which a user or group is found: user name, external id, a group's name.
pub const LONGEST_NAME: usize = 4 << 10;

/// The most bytes of any other value of a user.
pub const LONGEST_VALUE: usize = 64 << 10;

/// The most characters of the reason for a pause or a decision.
pub const LONGEST_REASON: usize = 1_000;

/// The beginning of a text that is too long to be shown whole.
pub fn shown(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_too_long_is_shown_by_its_beginning() {
        assert_eq!(shown("Ann"), "Ann");
        assert_eq!(shown(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(shown(&"ä".repeat(201)), "ä".repeat(200) + "…");
    }
}
