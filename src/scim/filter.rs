//! Filters and value paths (RFC 7644 §3.4.2.2, §3.5.2). In: attribute names from a profile and values from a directory. Out: text
//! in which a value can't become anything but a value.

/// `attribute eq "value"`.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", quoted(value))
}

/// `members[value eq "id"]`.
pub(super) fn member(id: &str) -> String {
    format!("members[value eq {}]", quoted(id))
}

/// A JSON string, which is what the grammar's `compValue` is.
pub(super) fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Whether a value survives every server's filter parser. Some read no escapes: `"`, `\` and control characters are then
/// not found, or worse. Such a value is looked for by listing instead.
pub(super) fn is_plain(value: &str) -> bool {
    !value.chars().any(|c| c == '"' || c == '\\' || c.is_control())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;
    use scim_v2::filter::{AttrExp, CompValue, CompareOp, Filter, PatchPath, ValFilter};

    use super::*;

    /// What an independent parser of the RFC's grammar reads back.
    fn parsed_value(filter: &str) -> (String, String) {
        match filter.parse::<Filter>().unwrap() {
            Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(value))) => (path.to_string(), value),
            other => panic!("{filter} is read as {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn i6_a_value_is_read_back_as_itself_whatever_it_holds(value in any::<String>()) {
            prop_assert_eq!(parsed_value(&equals("userName", &value)), ("userName".to_owned(), value));
        }

        #[test]
        fn i6_a_member_id_is_read_back_as_itself_whatever_it_holds(id in any::<String>()) {
            match member(&id).parse::<PatchPath>().unwrap() {
                PatchPath::Value(path) => {
                    let ValFilter::Attr(AttrExp::Comparison(_, CompareOp::Eq, CompValue::Str(read))) = path.filter else {
                        panic!("another filter");
                    };
                    prop_assert_eq!(read, id);
                    prop_assert_eq!(path.sub_attr, None);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn i6_a_value_that_looks_like_a_filter_stays_a_value() {
        for evil in [r#"a" or userName pr or userName eq "b"#, r"a\", "a\u{0}b", "a\nb", "\u{202e}", "ä ß 💥"] {
            assert_eq!(parsed_value(&equals("userName", evil)).1, evil);
        }
        assert!(is_plain("ann+x@example.com") && is_plain("O'Brien ß"));
        assert!(!is_plain("a\"b") && !is_plain("a\\b") && !is_plain("a\tb"));
    }
}
