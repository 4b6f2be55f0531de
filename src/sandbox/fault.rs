//! What goes wrong on the wire: a SCIM error (RFC 7644 §3.12) as a value, and its HTTP form.
//!
//! In: a reason from any other file of this room. Out: a response. It knows nothing of state.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The media type of everything this server says (RFC 7644 §8.1).
pub(super) const SCIM_JSON: &str = "application/scim+json";
/// The schema of an error body.
const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refused request: status, `scimType` where the RFC has one, and a sentence for the person reading the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScimFault {
    pub(super) status: StatusCode,
    pub(super) scim_type: Option<&'static str>,
    pub(super) detail: String,
}

impl ScimFault {
    /// An error without a `scimType`.
    pub(super) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// The body is not JSON, or not the shape its schema asks for.
    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self::bad("invalidSyntax", detail)
    }

    /// A required value is missing, or a value does not fit its attribute.
    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::bad("invalidValue", detail)
    }

    /// A filter that does not parse, or asks for what this server has not got.
    pub(super) fn filter(detail: impl Into<String>) -> Self {
        Self::bad("invalidFilter", detail)
    }

    /// A PATCH path that does not parse, or names no attribute of the resource.
    pub(super) fn path(detail: impl Into<String>) -> Self {
        Self::bad("invalidPath", detail)
    }

    /// A PATCH operation whose path selects nothing it could work on.
    pub(super) fn no_target(detail: impl Into<String>) -> Self {
        Self::bad("noTarget", detail)
    }

    /// An attempt to change what the client may not change.
    pub(super) fn mutability(detail: impl Into<String>) -> Self {
        Self::bad("mutability", detail)
    }

    /// Another resource already has this value.
    pub(super) fn unique(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, scim_type: Some("uniqueness"), detail: detail.into() }
    }

    /// No such resource or endpoint.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::plain(StatusCode::NOT_FOUND, detail)
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR_URN],
            "status": self.status.as_str(), // a JSON string, says §3.12
            "detail": self.detail,
        });
        if let (Some(scim_type), Some(map)) = (self.scim_type, body.as_object_mut()) {
            map.insert("scimType".into(), scim_type.into());
        }
        body
    }
}

impl IntoResponse for ScimFault {
    fn into_response(self) -> Response {
        let mut response = scim(self.status, &self.body());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A SCIM answer with a JSON body.
pub(super) fn scim(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    response
}
