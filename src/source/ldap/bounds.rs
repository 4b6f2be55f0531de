//! How much one answer of a server may hold. What comes in are the sizes of its entries and other messages as they are taken; what goes out is the
//! sentence about what exceeds the bounds. It must not depend on a connection.

/// Entries in one answer that are never too many, however few were asked for.
const SOME_ENTRIES: u64 = 100;

/// References and intermediate messages in one answer; they lead to nothing here.
const ASIDES: u64 = 10_000;

/// One answer, a page or a list in pieces, has no more bytes than this, or than so many of the largest messages.
const ANSWER_BYTES: u64 = 256 << 20;
const LARGEST_MESSAGES: u64 = 4;

/// The most bytes of one answer, where messages have at most so many.
pub(super) fn largest_answer(max_message: u64) -> u64 {
    max_message.saturating_mul(LARGEST_MESSAGES).max(ANSWER_BYTES)
}

/// How much one answer may hold. It is counted as it is taken, so that what exceeds it is never kept.
#[derive(Debug)]
pub(super) struct Bounds {
    /// How many entries were asked for, and how many are too many.
    asked: u64,
    most: u64,
    asides: u64,
    bytes: u64,
    largest: u64,
}

impl Bounds {
    /// RFC 2696 lets a server send fewer entries than a page was asked for, never more. Twice as many is the margin for servers
    /// and gateways that round up.
    pub(super) fn of(asked: u64, largest: u64) -> Self {
        Self { asked, most: asked.saturating_mul(2).max(SOME_ENTRIES), asides: 0, bytes: 0, largest }
    }

    pub(super) fn aside(&mut self, size: u64) -> Result<(), String> {
        self.asides += 1;
        if self.asides > ASIDES {
            return Err(format!("has more than {ASIDES} references and intermediate messages"));
        }
        self.count(size)
    }

    /// Counts an entry, of which `entries` have come in this answer.
    pub(super) fn entry(&mut self, entries: u64, size: u64) -> Result<(), String> {
        if entries > self.most {
            return Err(format!("has more than {} entries, where {} were asked for", self.most, self.asked));
        }
        self.count(size)
    }

    pub(super) fn count(&mut self, size: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.largest {
            let limit = self.largest;
            return Err(format!(
                "has more than {limit} bytes; an answer may have {LARGEST_MESSAGES} times `max_message_bytes` of [source.ldap] \
                 (at least 256 MiB): raise that, or lower `page_size`"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn l2_an_answer_has_bounds_in_entries_and_in_bytes() {
        let mut bounds = Bounds::of(500, 10_000);
        assert!(bounds.entry(1000, 1).is_ok());
        let many = bounds.entry(1001, 1).unwrap_err();
        assert!(many.contains("more than 1000 entries, where 500 were asked for"), "{many}");
        assert!(Bounds::of(1, 10_000).entry(100, 1).is_ok() && Bounds::of(1, 10_000).entry(101, 1).is_err());
        assert!(bounds.entry(2, 9_999).is_ok());
        let large = bounds.entry(3, 1).unwrap_err();
        assert!(large.contains("10000 bytes") && large.contains("`max_message_bytes`"), "{large}");
        let mut aside = Bounds::of(1, u64::MAX);
        assert!((0..ASIDES).all(|_| aside.aside(9).is_ok()) && aside.aside(9).is_err());
    }
}
