//! One entry of a search. In: the library's parsed BER. Out: a name and attributes, and the record that mappings see.
//!
//! # The record
//! A JSON object: `id` and `dn`, then the attributes that were asked for, under the names by which they were asked for.
//! An attribute is its one value, as text. Of several it is the one that stands in the `dn`, or else the smallest: the order in which a server
//! sends them means nothing, and replicas differ in it. If a mapping reads `NAME_all`, that is an array of all values, in the directory's order; it is also there
//! whenever an attribute has more than one. What is no text comes in base64; `objectGUID` and `objectSid` in the form that
//! administrators see. `manager` is the manager's `id`, if the manager is among the people read; `manager_dn` the name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ldap3::asn1::StructureTag;

use super::{binary, dn};

/// How the values of an attribute are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueEncoding {
    /// As they are if they are UTF-8, else in base64.
    Text,
    /// Always in base64: bytes that may look like text by chance.
    Bytes,
    /// As a GUID.
    Guid,
    /// As a security identifier.
    Sid,
}

impl ValueEncoding {
    /// The form of an attribute, by its name.
    pub(super) fn of(attribute: &str) -> Self {
        const KNOWN: [(&str, ValueEncoding); 8] = [
            ("objectGUID", ValueEncoding::Guid),
            ("mS-DS-ConsistencyGuid", ValueEncoding::Guid),
            ("objectSid", ValueEncoding::Sid),
            ("jpegPhoto", ValueEncoding::Bytes),
            ("thumbnailPhoto", ValueEncoding::Bytes),
            ("photo", ValueEncoding::Bytes),
            ("userCertificate", ValueEncoding::Bytes),
            ("userSMIMECertificate", ValueEncoding::Bytes),
        ];
        let name = attribute.split(';').next().unwrap_or(attribute);
        KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(ValueEncoding::Text, |(_, form)| *form)
    }

    /// The text of one value.
    pub(super) fn write(self, value: &[u8]) -> std::borrow::Cow<'_, str> {
        let text = match self {
            Self::Text => return std::str::from_utf8(value).map_or_else(|_| BASE64.encode(value).into(), Into::into),
            Self::Bytes => None,
            Self::Guid => binary::guid_to_text(value),
            Self::Sid => binary::sid_to_text(value),
        };
        text.unwrap_or_else(|| BASE64.encode(value)).into()
    }
}

/// An attribute that goes into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedAttribute {
    /// The name to ask for and to write down.
    pub(super) name: String,
    pub(super) form: ValueEncoding,
    /// Whether all values are written even when there is only one.
    pub(super) all: bool,
}

impl WantedAttribute {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), form: ValueEncoding::of(name), all: false }
    }
}

/// One entry.
#[derive(Debug)]
pub(super) struct LdapEntry {
    pub(super) dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl LdapEntry {
    /// Takes a search result entry (RFC 4511 §4.5.2) apart; `None` if it is not one.
    pub(super) fn parse(tag: StructureTag) -> Option<Self> {
        let mut parts = tag.match_id(4)?.expect_constructed()?.into_iter();
        let dn = text(parts.next()?)?;
        let attributes = parts.next()?.expect_constructed()?.into_iter().map(attribute).collect::<Option<_>>()?;
        Some(Self { dn, attributes })
    }

    /// The values of an attribute; none if it is not there.
    pub(super) fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(description, _)| description.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }

    /// The first value of an attribute, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.values(name).first()?).ok()
    }

    /// Every attribute with its description, options and all.
    pub(super) fn into_attributes(self) -> impl Iterator<Item = (String, Vec<Vec<u8>>)> {
        self.attributes.into_iter()
    }

    /// The value that stands for all: where there are several, the one in the entry's own name, or else the smallest.
    pub(super) fn leading(&self, name: &str) -> Option<&[u8]> {
        let values = self.values(name);
        let [_, _, ..] = values else { return values.first().map(Vec::as_slice) };
        let own = dn::leading(&self.dn, name);
        let is_own =
            |value: &&Vec<u8>| own.is_some() && std::str::from_utf8(value).ok().map(dn::canonical_value) == own;
        values.iter().filter(is_own).min().or_else(|| values.iter().min()).map(Vec::as_slice)
    }

    /// Appends the record to `out`.
    pub(super) fn write_record(&self, id: &str, wanted: &[WantedAttribute], out: &mut String) {
        out.push_str("{\"id\":");
        push_json(id, out);
        push_member("dn", &self.dn, out);
        for WantedAttribute { name, form, all } in wanted {
            let Some(first) = self.leading(name) else { continue };
            let key = if name.eq_ignore_ascii_case(MANAGER) { MANAGER_DN } else { name };
            push_member(key, &form.write(first), out);
            let values = self.values(name);
            if !*all && values.len() < 2 {
                continue;
            }
            push_key(key, "_all", out);
            for (at, value) in values.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                push_json(&form.write(value), out);
            }
            out.push(']');
        }
        out.push('}');
    }
}

/// The attribute that names the manager, and what its name is called in the record.
pub(super) const MANAGER: &str = "manager";
pub(super) const MANAGER_DN: &str = "manager_dn";

/// Appends the record `written` with one more member.
pub(super) fn with_member(written: &str, name: &str, value: &str, out: &mut String) {
    out.push_str(written.strip_suffix('}').unwrap_or(written));
    push_member(name, value, out);
    out.push('}');
}

fn push_key(name: &str, suffix: &str, out: &mut String) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str(suffix);
    out.push_str("\":");
}

/// Attribute names need no escapes: they are letters, digits and a few signs (RFC 4512 §2.5), and ours.
fn push_member(name: &str, value: &str, out: &mut String) {
    push_key(name, "", out);
    push_json(value, out);
}

/// Appends a JSON string (RFC 8259 §7).
fn push_json(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn attribute(tag: StructureTag) -> Option<(String, Vec<Vec<u8>>)> {
    let mut parts = tag.expect_constructed()?.into_iter();
    let description = text(parts.next()?)?;
    let values = parts.next()?.expect_constructed()?.into_iter().map(StructureTag::expect_primitive);
    Some((description, values.collect::<Option<_>>()?))
}

fn text(tag: StructureTag) -> Option<String> {
    String::from_utf8(tag.expect_primitive()?).ok()
}

#[cfg(test)]
impl LdapEntry {
    /// An entry made by hand; an attribute given twice has two values.
    pub(super) fn of(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let mut entry = Self { dn: dn.to_owned(), attributes: Vec::new() };
        for (name, value) in attributes {
            match entry.attributes.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.as_bytes().to_vec()),
                None => entry.attributes.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
            }
        }
        entry
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use ldap3::asn1::{PL, TagClass};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn record(entry: &LdapEntry, wanted: &[&str]) -> Value {
        let wanted: Vec<_> = wanted.iter().map(|name| WantedAttribute::new(name)).collect();
        let mut out = String::new();
        entry.write_record("1", &wanted, &mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_record_has_the_attributes_asked_for_under_the_names_asked_for() {
        let entry = LdapEntry::of("uid=ann,dc=x", &[("SN", "Lee"), ("mail", "ann@x"), ("secret", "s")]);
        assert_eq!(
            record(&entry, &["sn", "mail", "title"]),
            json!({"id": "1", "dn": "uid=ann,dc=x", "sn": "Lee", "mail": "ann@x"})
        );
    }

    #[test]
    fn several_values_are_the_first_and_all() {
        let entry = LdapEntry::of("uid=ann,dc=x", &[("mail", "a@x"), ("mail", "b@x")]);
        let record = record(&entry, &["mail"]);
        assert_eq!((&record["mail"], &record["mail_all"]), (&json!("a@x"), &json!(["a@x", "b@x"])));
    }

    #[test]
    fn all_values_are_there_for_one_value_when_a_mapping_reads_them() {
        let entry = LdapEntry::of("uid=ann,dc=x", &[("mail", "a@x")]);
        let mut out = String::new();
        entry.write_record("1", &[WantedAttribute { all: true, ..WantedAttribute::new("mail") }], &mut out);
        assert!(out.contains(r#""mail":"a@x","mail_all":["a@x"]"#), "{out}");
    }

    #[test]
    fn mm3_the_value_in_the_name_stands_for_all_or_else_the_smallest() {
        for dn in ["UID=Ann,dc=x", "cn=Ann Lee + userid=ANN,dc=x"] {
            for turned in [false, true] {
                let mut values = [("uid", "aaa"), ("uid", "ann"), ("uid", "zzz"), ("mail", "b@x"), ("mail", "a@x")];
                if turned {
                    values.reverse();
                }
                let record = record(&LdapEntry::of(dn, &values), &["uid", "mail"]);
                assert_eq!((&record["uid"], &record["mail"]), (&json!("ann"), &json!("a@x")), "{dn}");
            }
        }
    }

    #[test]
    fn the_manager_is_an_id_and_keeps_the_name() {
        let entry = LdapEntry::of("uid=ann,dc=x", &[("manager", "uid=bo,dc=x")]);
        let (mut plain, mut managed) = (String::new(), String::new());
        entry.write_record("1", &[WantedAttribute::new("manager")], &mut plain);
        with_member(&plain, MANAGER, "2", &mut managed);
        let managed: Value = serde_json::from_str(&managed).unwrap();
        assert_eq!(managed, json!({"id": "1", "dn": "uid=ann,dc=x", "manager_dn": "uid=bo,dc=x", "manager": "2"}));
    }

    #[test]
    fn what_is_no_text_comes_in_base64() {
        assert_eq!(ValueEncoding::of("JPEGPhoto"), ValueEncoding::Bytes);
        assert_eq!(ValueEncoding::of("userCertificate;binary"), ValueEncoding::Bytes);
        assert_eq!(ValueEncoding::Bytes.write(b"abc"), "YWJj");
        assert_eq!(ValueEncoding::Text.write(&[0xff]), "/w==");
        assert_eq!(ValueEncoding::Guid.write(&[0; 16]), "00000000-0000-0000-0000-000000000000");
        assert_eq!(ValueEncoding::Guid.write(&[0; 3]), "AAAA");
    }

    #[test]
    fn s8_what_is_no_entry_is_refused() {
        let primitive =
            |bytes: &[u8]| StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) };
        let list = |id, inner| StructureTag { class: TagClass::Universal, id, payload: PL::C(inner) };
        assert!(LdapEntry::parse(primitive(b"x")).is_none());
        assert!(LdapEntry::parse(list(4, vec![])).is_none());
        assert!(LdapEntry::parse(list(4, vec![primitive(&[0xff]), list(16, vec![])])).is_none());
        assert!(LdapEntry::parse(list(4, vec![primitive(b"dc=x"), list(16, vec![primitive(b"mail")])])).is_none());
        assert!(LdapEntry::parse(list(4, vec![primitive(b"dc=x"), list(16, vec![])])).is_some());
    }

    proptest! {
        #[test]
        fn x1_any_text_is_the_same_text_in_the_record(text in any::<String>()) {
            let mut out = String::new();
            push_json(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
