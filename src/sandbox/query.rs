//! What a query asks for (RFC 7644 §3.4.2, Table 4 and §3.9), in a query string or in the body of a `/.search`.
//!
//! In: text or JSON. Out: its parameters, checked. Unknown parameters are ignored; `sortBy` is one, as sorting is not offered.

use scim_v2::filter::Filter;
use serde_json::Value;

use super::admit;
use super::fault::ScimFault;
use super::render::Projection;
use crate::schema::ResourceType;

const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

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

impl Default for Query {
    fn default() -> Self {
        Self { filter: None, start_index: 1, count: None, attributes: None, excluded_attributes: None }
    }
}

impl Query {
    /// Reads a query string.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ScimFault> {
        let mut parsed = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "filter" => parsed.filter = Some(filter(&value)?),
                "startIndex" => parsed.start_index = start_index(value.parse().ok())?,
                "count" => parsed.count = Some(count(value.parse().ok())?),
                "attributes" => parsed.attributes = Some(value.into_owned()),
                "excludedAttributes" => parsed.excluded_attributes = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Reads the body of a `/.search` (RFC 7644 §3.4.3).
    pub(super) fn search(body: &Value) -> Result<Self, ScimFault> {
        let body = admit::object(body)?;
        admit::message(body, SEARCH_URN)?;
        let given = |name| admit::key(body, name).filter(|value| !value.is_null());
        let mut parsed = Self::default();
        if let Some(value) = given("filter") {
            parsed.filter = Some(filter(value.as_str().ok_or_else(|| ScimFault::syntax("`filter` is not a string"))?)?);
        }
        if let Some(value) = given("startIndex") {
            parsed.start_index = start_index(value.as_i64())?;
        }
        parsed.count = given("count").map(|value| count(value.as_i64())).transpose()?;
        parsed.attributes = given("attributes").map(names).transpose()?;
        parsed.excluded_attributes = given("excludedAttributes").map(names).transpose()?;
        Ok(parsed)
    }

    pub(super) fn projection(&self, kind: ResourceType) -> Result<Projection, ScimFault> {
        Projection::parse(kind, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }
}

fn filter(text: &str) -> Result<Filter, ScimFault> {
    text.parse().map_err(|e| ScimFault::filter(format!("the filter does not parse: {e}")))
}

/// Less than 1 is read as 1 (RFC 7644 §3.4.2.4).
fn start_index(number: Option<i64>) -> Result<usize, ScimFault> {
    natural("startIndex", number).map(|number| number.max(1))
}

/// A negative count is read as 0 (RFC 7644 §3.4.2.4).
fn count(number: Option<i64>) -> Result<usize, ScimFault> {
    natural("count", number)
}

fn natural(name: &str, number: Option<i64>) -> Result<usize, ScimFault> {
    let number = number.ok_or_else(|| ScimFault::value(format!("`{name}` is not an integer")))?;
    Ok(usize::try_from(number.max(0)).unwrap_or(usize::MAX))
}

/// A list of attribute names, as a query string has them.
fn names(value: &Value) -> Result<String, ScimFault> {
    let names: Option<Vec<&str>> = value.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
    names.map(|names| names.join(",")).ok_or_else(|| ScimFault::syntax("a list of attributes is an array of strings"))
}
