//! The envelopes of LDAP messages (RFC 4511 §4.1.1), read while the messages pass. In come the server's bytes; out come the
//! bytes of messages that may pass, and which message each is. What breaks a limit is a [`Refusal`].
//!
//! Nothing is passed on before the operation of a message is known, and no byte before its header was checked. Of contents only
//! the message id and the name of an entry are kept. This file does not decide for whom a message is.

use super::ber::{BerEvent, BerLimits, Breach, Header, Walker};

/// The tags of operations (RFC 4511 §4.2 to §4.13).
pub(super) const BIND_REQUEST: u8 = 0x60;
pub(super) const BIND_RESPONSE: u8 = 0x61;
pub(super) const SEARCH_REQUEST: u8 = 0x63;
pub(super) const SEARCH_ENTRY: u8 = 0x64;
pub(super) const SEARCH_DONE: u8 = 0x65;
pub(super) const SEARCH_REFERENCE: u8 = 0x73;
pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
pub(super) const INTERMEDIATE_RESPONSE: u8 = 0x79;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const CONTROLS: u8 = 0xa0;

/// How much of an entry's name is kept for messages.
const NAME_BYTES: usize = 300;

/// A message that is not handed on, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedMessage {
    pub(super) breach: Breach,
    /// The entry it is, if it is one and its name had come.
    pub(super) entry: Option<String>,
    /// The last entry that came whole before it.
    pub(super) after: Option<String>,
    /// Whether the bind had succeeded.
    pub(super) bound: bool,
}

impl RefusedMessage {
    /// The whole sentence. `answer` is what was being read: `an answer to the search for people`.
    pub(super) fn explain(&self, answer: &str) -> String {
        let place = match (&self.entry, &self.after) {
            (Some(entry), _) => format!(", the entry {entry:?},"),
            (None, Some(after)) => format!(", the one after the entry {after:?},"),
            (None, None) => String::new(),
        };
        let remedy = match self.breach {
            Breach::Size { .. } | Breach::Parts { .. } if self.bound => {
                "if the directory has entries that large, raise `max_message_bytes` in [source.ldap]"
            }
            Breach::Size { .. } | Breach::Parts { .. } => {
                "until the bind has succeeded no server needs more (at most 1 MiB, or `max_message_bytes` if that is less): \
                 find out what answers at `url`"
            }
            _ => "no LDAP server writes that: find out what answers at `url`",
        };
        format!("{answer}{place} {}; it was not decoded, and nothing of this reading is used; {remedy}", self.breach)
    }
}

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageHeader {
    pub(super) id: u32,
    pub(super) operation: u8,
    /// In bytes, the envelope included.
    pub(super) size: u64,
}

/// How far the reading of a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnvelopeProgress {
    /// More bytes are needed.
    Hungry,
    /// Its envelope is known: [`Inspector::pass`] or [`Inspector::swallow`] has to be called before it is read on.
    Addressed(MessageHeader),
    /// It has been read to its end.
    Whole,
}

/// What the contents under way are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeptContents {
    Nothing,
    Id,
    Name,
}

/// Reads messages, one after the other.
#[derive(Debug)]
pub(super) struct Inspector {
    walker: Walker,
    /// The first bytes of a message, until it is known whether it passes.
    held: Vec<u8>,
    passes: Option<bool>,
    /// It is too large; it is read on only as far as the name of the entry.
    doomed: Option<Breach>,
    /// How many elements of the envelope have begun.
    elements: usize,
    id: u32,
    operation: u8,
    kept: KeptContents,
    name: Vec<u8>,
    name_bytes: Option<usize>,
}

impl Inspector {
    pub(super) fn new() -> Self {
        Self {
            walker: Walker::new(BerLimits::of_bytes(0)),
            held: Vec::new(),
            passes: None,
            doomed: None,
            elements: 0,
            id: 0,
            operation: 0,
            kept: KeptContents::Nothing,
            name: Vec::new(),
            name_bytes: None,
        }
    }

    /// The breach of a message that is read on only for the name of its entry.
    pub(super) fn doomed(&self) -> Option<Breach> {
        self.doomed
    }

    /// The name of the entry under way, as far as it has come.
    pub(super) fn entry(&self) -> Option<String> {
        self.name_bytes?;
        let name = String::from_utf8_lossy(&self.name);
        let more = if self.name.len() < NAME_BYTES { "" } else { "…" };
        (!name.is_empty()).then(|| format!("{name}{more}"))
    }

    /// Lets the message under way pass.
    pub(super) fn pass(&mut self, out: &mut Vec<u8>) {
        self.passes = Some(true);
        out.append(&mut self.held);
    }

    /// Reads the message under way to its end and passes nothing on.
    pub(super) fn swallow(&mut self) {
        self.passes = Some(false);
        self.held.clear();
    }

    /// Reads on, to the next event: how many bytes were taken. `limits` count for a message that begins here.
    ///
    /// # Errors
    /// The first breach of a limit. After it nothing may be read.
    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        limits: BerLimits,
        out: &mut Vec<u8>,
    ) -> Result<(usize, EnvelopeProgress), Breach> {
        let mut at = 0;
        if self.walker.is_whole() || self.walker.is_fresh() {
            *self = Self { walker: Walker::new(limits), held: std::mem::take(&mut self.held), ..Self::new() };
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (taken, seen) = self.walker.step(rest)?;
            let piece = rest.get(..taken).unwrap_or_default();
            at += taken;
            match self.passes {
                None => self.held.extend_from_slice(piece),
                Some(true) => out.extend_from_slice(piece),
                Some(false) => {}
            }
            match seen {
                BerEvent::Hungry => {}
                BerEvent::Contents => self.contents(piece)?,
                BerEvent::Header(header) => {
                    if let Some(envelope) = self.header(header)? {
                        return Ok((at, EnvelopeProgress::Addressed(envelope)));
                    }
                }
            }
            if self.walker.is_whole() {
                return self.end().map(|event| (at, event));
            }
        }
        Ok((at, EnvelopeProgress::Hungry))
    }

    /// What the end of a message means that was not addressed before.
    fn end(&self) -> Result<EnvelopeProgress, Breach> {
        match (self.doomed, self.passes) {
            (Some(breach), _) => Err(breach),
            (None, None) => Err(Breach::NoMessage),
            (None, Some(_)) => Ok(EnvelopeProgress::Whole),
        }
    }

    /// Whether the message was read to its end: an operation without contents ends with its header.
    pub(super) fn is_whole(&self) -> bool {
        self.walker.is_whole()
    }

    fn header(&mut self, header: Header) -> Result<Option<MessageHeader>, Breach> {
        self.kept = KeptContents::Nothing;
        match header.level {
            1 if header.tag != SEQUENCE => Err(Breach::NoMessage),
            1 => {
                self.doomed = self.walker.too_large();
                if self.doomed.is_some() {
                    self.swallow();
                }
                Ok(None)
            }
            2 => {
                self.elements += 1;
                self.element(header)
            }
            3 if self.operation == SEARCH_ENTRY && self.elements == 2 && self.name_bytes.is_none() => {
                let length = if header.tag == OCTET_STRING { header.length as usize } else { 0 };
                self.kept = KeptContents::Name;
                self.name_bytes = Some(NAME_BYTES.min(length));
                self.contents(&[]).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    /// An element of the envelope: the id, the operation, perhaps controls.
    fn element(&mut self, header: Header) -> Result<Option<MessageHeader>, Breach> {
        match (self.elements, header.tag) {
            (1, INTEGER) if (1..=4).contains(&header.length) => {
                self.kept = KeptContents::Id;
                Ok(None)
            }
            // Application, constructed: every operation that a server may send.
            (2, operation @ 0x60..0x80) => {
                self.operation = operation;
                match self.doomed {
                    Some(breach) if operation != SEARCH_ENTRY => Err(breach),
                    Some(_) => Ok(None),
                    None => Ok(Some(MessageHeader { id: self.id, operation, size: self.walker.size() })),
                }
            }
            (3, CONTROLS) => Ok(None),
            // Active Directory writes the name of a notice of disconnection where controls belong. Such a notice never passes.
            (3.., _) if self.passes == Some(false) => Ok(None),
            _ => Err(Breach::NoMessage),
        }
    }

    fn contents(&mut self, piece: &[u8]) -> Result<(), Breach> {
        match self.kept {
            KeptContents::Nothing => {}
            KeptContents::Id => self.id = piece.iter().fold(self.id, |id, byte| id << 8 | u32::from(*byte)),
            KeptContents::Name => {
                let wanted = self.name_bytes.unwrap_or(0);
                self.name.extend(piece.iter().take(wanted.saturating_sub(self.name.len())));
                if let Some(breach) = self.doomed
                    && self.name.len() >= wanted
                {
                    return Err(breach);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::super::ber::MAX_LEVELS;
    use super::super::ber::tests::{element, nested};
    use super::*;

    fn message(id: &[u8], operation: &[u8], more: &[u8]) -> Vec<u8> {
        element(0x30, &[&element(0x02, id), operation, more].concat())
    }

    fn entry(dn: &str, contents: &[u8]) -> Vec<u8> {
        element(SEARCH_ENTRY, &[element(0x04, dn.as_bytes()), contents.to_vec()].concat())
    }

    /// What passed, the envelopes, and the names of whole entries.
    type Read = (Vec<u8>, Vec<MessageHeader>, Vec<String>);

    /// Reads in pieces and lets every message pass; the breach comes with the name of its entry.
    fn read(bytes: &[u8], limit: u64, piece: usize) -> Result<Read, (Breach, Option<String>)> {
        let (mut inspector, mut out, mut envelopes, mut names) = (Inspector::new(), Vec::new(), Vec::new(), Vec::new());
        for part in bytes.chunks(piece) {
            let mut rest = part;
            while !rest.is_empty() {
                let (taken, event) = inspector
                    .scan(rest, BerLimits::of_bytes(limit), &mut out)
                    .map_err(|breach| (breach, inspector.entry()))?;
                rest = &rest[taken..];
                if let EnvelopeProgress::Addressed(envelope) = event {
                    inspector.pass(&mut out);
                    envelopes.push(envelope);
                }
                if event != EnvelopeProgress::Hungry && inspector.is_whole() {
                    names.extend(inspector.entry());
                }
            }
        }
        Ok((out, envelopes, names))
    }

    #[test]
    fn messages_pass_byte_for_byte_with_their_ids_and_names() {
        let one = message(&[7], &entry("uid=ann,dc=x", &element(0x30, &[])), &[]);
        let two = message(&[0x01, 0x00], &element(SEARCH_DONE, &[]), &element(0xa0, &[]));
        let both = [one.clone(), two.clone()].concat();
        for piece in 1..=both.len() {
            let (out, envelopes, names) = read(&both, 1000, piece).unwrap();
            assert_eq!((out, names), (both.clone(), vec!["uid=ann,dc=x".to_owned()]), "{piece}");
            let known: Vec<_> = envelopes.iter().map(|envelope| (envelope.id, envelope.operation)).collect();
            assert_eq!(known, [(7, SEARCH_ENTRY), (256, SEARCH_DONE)]);
            assert_eq!(envelopes[0].size, one.len() as u64);
        }
    }

    #[test]
    fn l2_a_message_that_is_too_large_is_refused_with_the_name_of_its_entry() {
        let large = message(&[7], &entry("uid=large,dc=x", &element(0x04, &[0; 2000])), &[]);
        let breach = Breach::Size { size: large.len() as u64, limit: 1000 };
        for piece in [1, 3, 50, 5000] {
            assert_eq!(read(&large, 1000, piece).unwrap_err(), (breach, Some("uid=large,dc=x".to_owned())), "{piece}");
        }
        let bind = message(&[1], &element(BIND_RESPONSE, &[0; 2000]), &[]);
        assert!(matches!(read(&bind, 1000, 7).unwrap_err(), (Breach::Size { .. }, None)));
        let long = message(&[7], &entry(&"x".repeat(1500), &[]), &[]);
        let (_, name) = read(&long, 1000, 64).unwrap_err();
        assert_eq!(name.unwrap().chars().count(), NAME_BYTES + 1);
        let nameless = message(&[7], &entry("", &element(0x04, &[0; 2000])), &[]);
        assert!(matches!(read(&nameless, 1000, 64).unwrap_err(), (Breach::Size { .. }, None)));
        let odd = message(&[7], &element(SEARCH_ENTRY, &element(0x30, &element(0x04, &[0; 2000]))), &[]);
        assert!(matches!(read(&odd[..40], 1000, 64).unwrap_err(), (Breach::Size { .. }, None)), "not waited for");
    }

    #[test]
    fn l1_what_is_no_message_is_refused_before_a_byte_of_it_passes() {
        for (bytes, breach) in [
            (element(0x30, &[]), Breach::NoMessage),
            (element(0x04, b"abc"), Breach::NoMessage),
            (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Breach::NoMessage),
            (message(&[1], &[], &[]), Breach::NoMessage),
            (message(&[], &element(0x61, &[]), &[]), Breach::NoMessage),
            (message(&[1, 2, 3, 4, 5], &element(0x61, &[]), &[]), Breach::NoMessage),
            (message(&[1], &element(0x04, &[]), &[]), Breach::NoMessage),
            (element(0x30, &element(0x61, &[])), Breach::NoMessage),
        ] {
            for piece in 1..=bytes.len() {
                let mut out = Vec::new();
                let mut inspector = Inspector::new();
                let found = bytes
                    .chunks(piece)
                    .find_map(|part| inspector.scan(part, BerLimits::of_bytes(1000), &mut out).err());
                assert_eq!((found, out.len()), (Some(breach), 0), "{bytes:?}");
            }
        }
        let twice = message(&[1], &element(0x61, &[]), &element(0x61, &[]));
        assert_eq!(read(&twice, 1000, 3).unwrap_err().0, Breach::NoMessage);
    }

    #[test]
    fn l1_the_depth_of_an_answer_is_counted_from_its_envelope() {
        let deep = |levels: usize| message(&[1], &entry("uid=deep,dc=x", &nested(levels)), &[]);
        assert!(read(&deep(MAX_LEVELS - 2), 1000, 5).is_ok());
        let refused = read(&deep(MAX_LEVELS - 1), 1000, 5).unwrap_err();
        assert_eq!(refused, (Breach::Levels, Some("uid=deep,dc=x".to_owned())));
    }

    #[test]
    fn what_is_swallowed_does_not_pass_and_the_next_message_does() {
        let notice = message(&[0], &element(EXTENDED_RESPONSE, &[]), &element(0x8a, b"1.3.6.1.4.1.1466.20036"));
        let next = message(&[1], &element(BIND_RESPONSE, &[]), &[]);
        let (mut inspector, mut out) = (Inspector::new(), Vec::new());
        let (taken, event) = inspector.scan(&notice, BerLimits::of_bytes(100), &mut out).unwrap();
        assert!(matches!(event, EnvelopeProgress::Addressed(MessageHeader { id: 0, .. })), "{event:?}");
        inspector.swallow();
        assert_eq!(
            inspector.scan(&notice[taken..], BerLimits::of_bytes(100), &mut out),
            Ok((notice.len() - taken, EnvelopeProgress::Whole))
        );
        let (_, event) = inspector.scan(&next, BerLimits::of_bytes(100), &mut out).unwrap();
        assert!(matches!(event, EnvelopeProgress::Addressed(MessageHeader { id: 1, .. })) && inspector.is_whole());
        inspector.pass(&mut out);
        assert_eq!(out, next);
    }

    #[test]
    fn a_refusal_says_what_where_what_not_and_what_to_do() {
        let size = Breach::Size { size: 70_001, limit: 70_000 };
        let refusal = RefusedMessage { breach: size, entry: Some("uid=a".into()), after: None, bound: true };
        assert_eq!(
            refusal.explain("an answer to the search for users"),
            "an answer to the search for users, the entry \"uid=a\", is 70001 bytes long; the limit is 70000 bytes; it was not \
             decoded, and nothing of this reading is used; if the directory has entries that large, raise `max_message_bytes` in \
             [source.ldap]"
        );
        let levels = RefusedMessage { breach: Breach::Levels, entry: None, after: Some("uid=b".into()), bound: false };
        let said = levels.explain("the answer to the bind");
        assert!(
            said.contains("after the entry \"uid=b\"") && said.contains("32 levels") && said.contains("`url`"),
            "{said}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..20) {
            let _ = read(&bytes, 100, piece);
        }
    }
}
