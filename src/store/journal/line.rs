//! One line: `<crc32, 8 hex digits> <record as JSON>`. The record's hash is the SHA-256 of the JSON text.

use sha2::{Digest, Sha256};

use crate::store::hex;
use crate::store::record::Record;

/// Appends a record's line to `out` and returns the record's hash.
pub(super) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<String, serde_json::Error> {
    let start = out.len();
    out.extend_from_slice(b"00000000 ");
    serde_json::to_writer(&mut *out, record)?;
    let (head, json) = out.split_at_mut(start + 9);
    if let Some(place) = head.get_mut(start..start + 8) {
        place.copy_from_slice(format!("{:08x}", crc32fast::hash(json)).as_bytes());
    }
    let hash = hash(json);
    out.push(b'\n');
    Ok(hash)
}

/// Appends the line of a record's JSON text to `out`.
pub(super) fn put(json: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json)).as_bytes());
    out.extend_from_slice(json);
    out.push(b'\n');
}

/// The JSON text of a line (without its line feed), if the line is what was written.
pub(super) fn check(line: &[u8]) -> Option<&[u8]> {
    let (head, json) = line.split_at_checked(9)?;
    let crc = head.strip_suffix(b" ").and_then(|hex| std::str::from_utf8(hex).ok())?;
    (crc == format!("{:08x}", crc32fast::hash(json))).then_some(json)
}

/// A record's hash: that of its text, or of the text that it had before something in it was forgotten.
pub(super) fn hash_of(record: &Record, json: &[u8]) -> String {
    record.was.clone().unwrap_or_else(|| hash(json))
}

/// The JSON texts of all whole lines in a piece of a journal.
pub(in crate::store) fn good_lines(piece: &[u8]) -> impl Iterator<Item = &[u8]> {
    piece.split(|byte| *byte == b'\n').filter_map(check)
}

/// The hash of a record's JSON text, in hexadecimal.
pub(in crate::store) fn hash(json: &[u8]) -> String {
    hex(&Sha256::digest(json))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::store::{FORMAT, JournalEvent};

    #[test]
    fn p2_a_line_with_any_bit_flipped_is_noticed() {
        let event =
            JournalEvent::Opened { tenant: "acme".into(), format: FORMAT, why: "new\ntenant".into(), replaces: false };
        let record = Record { seq: 1, prev: String::new(), at: jiff::Timestamp::UNIX_EPOCH, event, was: None };
        let mut bytes = Vec::new();
        let hash_of = encode(&record, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(b'\n'));
        assert!(!bytes.contains(&b'\n'), "a record is one line, whatever it holds");
        let json = check(&bytes).unwrap();
        assert_eq!(hash(json), hash_of);
        assert_eq!(serde_json::from_slice::<Record>(json).unwrap(), record);
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(check(&bad).is_none(), "bit {at}");
        }
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-4");
    }
}
