//! What an app says it can do (RFC 7643 §5, RFC 9865 §4). In: its ServiceProviderConfig, if it has one. Out: hints.
//!
//! Hints only: apps promise too much and too little. A profile's knobs and what an app was seen to do come first.

use super::json::{self, JsonObject};

/// The hints that are used. Everything is "unknown" for an app that says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// `filter.supported`.
    pub(super) filter: Option<bool>,
    /// The largest page: the smaller of `filter.maxResults` and `pagination.maxPageSize`.
    pub(super) largest_page: Option<u32>,
}

impl Capabilities {
    /// Reads what is there and skips what is not.
    pub(super) fn read(config: &JsonObject) -> Self {
        let part = |name: &str| json::get(config, name).and_then(serde_json::Value::as_object);
        let limit = |name: &str, key: &str| part(name).and_then(|object| json::count(object, key)).filter(|&n| n > 0);
        let pages = [limit("filter", "maxResults"), limit("pagination", "maxPageSize")];
        Self {
            filter: part("filter").and_then(|filter| json::flag(filter, "supported")),
            largest_page: pages.into_iter().flatten().min().map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Capabilities {
        Capabilities::read(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn hints_are_read_leniently() {
        let full = r#"{"filter":{"supported":true,"maxResults":200},"pagination":{"cursor":true,"maxPageSize":50}}"#;
        assert_eq!(read(full), Capabilities { filter: Some(true), largest_page: Some(50) });
        let odd = r#"{"Filter":{"Supported":"False","maxResults":"0"},"patch":null,"pagination":[]}"#;
        assert_eq!(read(odd), Capabilities { filter: Some(false), largest_page: None });
        assert_eq!(read("{}"), Capabilities::default());
    }
}
