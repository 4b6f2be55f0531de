//! Values that are no text. In: the bytes of `objectGUID`, `objectSid` and their like. Out: the form people know, and the
//! escapes under which a filter finds them again. Pure.

use std::fmt::Write as _;

/// A GUID as Windows writes it: the first three fields are stored little-endian (MS-DTYP §2.3.4.2).
pub(super) fn guid_to_text(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    Some(uuid::Uuid::from_bytes_le(*bytes).hyphenated().to_string())
}

/// The stored bytes of a GUID in text form.
pub(super) fn guid_from_text(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(|guid| guid.to_bytes_le())
}

/// A security identifier in its `S-1-5-21-…` form (MS-DTYP §2.4.2.1).
pub(super) fn sid_to_text(bytes: &[u8]) -> Option<String> {
    let (header, subs) = bytes.split_at_checked(8)?;
    let [revision, count, authority @ ..] = header else { return None };
    if subs.len() != usize::from(*count) * 4 {
        return None;
    }
    let authority = authority.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for sub in subs.chunks_exact(4) {
        let sub = u32::from_le_bytes(sub.try_into().ok()?);
        // Writing to a string can't fail.
        let _ = write!(text, "-{sub}");
    }
    Some(text)
}

/// The security identifier of a relative id in the domain of another: how `primaryGroupID` names a group.
pub(super) fn sid_in_same_domain(sid: &[u8], relative_id: u32) -> Option<Box<[u8]>> {
    sid_to_text(sid)?;
    let (domain, _) = sid.split_at_checked(sid.len().checked_sub(4).filter(|domain| *domain >= 8)?)?;
    Some([domain, &relative_id.to_le_bytes()].concat().into())
}

/// Escapes a value for a filter (RFC 4515 §3): everything but letters, digits and a few harmless signs.
pub(super) fn escape_filter(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-_.@".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "\\{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use base64::Engine as _;
    use ldap3::asn1::{OctetString, Sequence, Tag};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_guid_reads_as_the_administrator_sees_it() {
        let bytes = base64::engine::general_purpose::STANDARD.decode("KTPh0eArQ0iF6bWD674+xw==").unwrap();
        assert_eq!(guid_to_text(&bytes).as_deref(), Some("d1e13329-2be0-4843-85e9-b583ebbe3ec7"));
        assert_eq!(guid_from_text("d1e13329-2be0-4843-85e9-b583ebbe3ec7").unwrap(), bytes[..]);
        assert_eq!(guid_to_text(&bytes[1..]), None);
        assert_eq!(guid_from_text("ann"), None);
    }

    #[test]
    fn a_sid_reads_as_the_administrator_sees_it() {
        let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5];
        for sub in [21_u32, 1004336348, 1177238915, 682003330, 512] {
            sid.extend(sub.to_le_bytes());
        }
        assert_eq!(sid_to_text(&sid).as_deref(), Some("S-1-5-21-1004336348-1177238915-682003330-512"));
        let users = sid_in_same_domain(&sid, 513).unwrap();
        assert_eq!(sid_to_text(&users).as_deref(), Some("S-1-5-21-1004336348-1177238915-682003330-513"));
        assert_eq!(sid_to_text(&sid[..27]), None);
        assert_eq!(sid_to_text(&[]), None);
        assert_eq!(sid_in_same_domain(&sid[..8], 1), None);
    }

    /// What the library's own parser understands a filter on one value to ask for.
    fn asked_for(filter: &str) -> Option<Vec<u8>> {
        match ldap3::parse_filter(filter).ok()? {
            Tag::Sequence(Sequence { inner, .. }) => match inner.into_iter().nth(1)? {
                Tag::OctetString(OctetString { inner, .. }) => Some(inner),
                _ => None,
            },
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn x1_any_value_is_asked_for_as_it_is(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let filter = format!("(id={})", escape_filter(&value));
            prop_assert_eq!(asked_for(&filter), Some(value));
        }

        #[test]
        fn guids_go_there_and_back(bytes in any::<[u8; 16]>()) {
            let text = guid_to_text(&bytes).unwrap();
            prop_assert_eq!(guid_from_text(&text), Some(bytes));
        }

        #[test]
        fn x1_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), rid in any::<u32>()) {
            let _ = sid_to_text(&bytes);
            let _ = sid_in_same_domain(&bytes, rid);
        }
    }
}
