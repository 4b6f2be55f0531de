//! The query string of a call (RFC 7644 §3.4.2, Table 4 and §3.9).
//!
//! In: text. Out: its parameters, checked. Unknown parameters are ignored; `sortBy` is one, as sorting is not offered.

use scim_v2::filter::Filter;

use super::fault::Fault;
use super::render::Projection;
use super::schema::Kind;

/// The parameters of a call.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) filter: Option<Filter>,
    /// 1-based, never 0.
    pub(super) start_index: usize,
    pub(super) count: Option<usize>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Fault> {
        let mut parsed =
            Self { filter: None, start_index: 1, count: None, attributes: None, excluded_attributes: None };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "filter" => parsed.filter = Some(filter(&value)?),
                // less than 1 is read as 1, a negative count as 0 (RFC 7644 §3.4.2.4)
                "startIndex" => parsed.start_index = integer(&name, &value)?.max(1),
                "count" => parsed.count = Some(integer(&name, &value)?),
                "attributes" => parsed.attributes = Some(value.into_owned()),
                "excludedAttributes" => parsed.excluded_attributes = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(parsed)
    }

    pub(super) fn projection(&self, kind: Kind) -> Result<Projection, Fault> {
        Projection::parse(kind, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }
}

fn filter(text: &str) -> Result<Filter, Fault> {
    text.parse().map_err(|e| Fault::filter(format!("the filter does not parse: {e}")))
}

/// Negative numbers become 0.
fn integer(name: &str, value: &str) -> Result<usize, Fault> {
    let number: i64 = value.parse().map_err(|_| Fault::value(format!("`{name}` is {value:?}, not an integer")))?;
    Ok(usize::try_from(number.max(0)).unwrap_or(usize::MAX))
}
