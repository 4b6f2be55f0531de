//! The routes: HTTP in, HTTP out.
//!
//! In: requests. Out: responses, every one logged and, where a token is set, authorized first. What an operation means is
//! the business of `app`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};

use super::app::SandboxApp;
use super::calls::{CallLog, CallMethod};
use super::discovery;
use super::fault::{SCIM_JSON, ScimFault, scim};
use super::query::Query;
use super::token::Token;
use crate::schema::ResourceType;

/// The largest body a client may send.
pub(super) const BODY_LIMIT: usize = 1 << 20;

/// What every handler sees.
pub(super) struct Server {
    pub(super) app: SandboxApp,
    pub(super) token: Option<Token>,
    pub(super) calls: CallLog,
}

type SharedApp = State<Arc<Server>>;
type HandlerResult = Result<Response, ScimFault>;
type JsonBody = Result<Bytes, BytesRejection>;
type Segment = Result<Path<String>, PathRejection>;

/// The whole server under the path prefix of the base URL.
pub(super) fn router(server: Arc<Server>, prefix: &str) -> Router {
    let discovery = Router::new()
        .route("/ServiceProviderConfig", get(service_provider_config))
        .route("/ResourceTypes", get(|s: SharedApp, q: RawQuery| directory(s, q, discovery::resource_types)))
        .route("/ResourceTypes/{name}", get(|s: SharedApp, n: Segment| entry(s, n, discovery::resource_types)))
        .route("/Schemas", get(|s: SharedApp, q: RawQuery| directory(s, q, discovery::schemas)))
        .route("/Schemas/{urn}", get(|s: SharedApp, n: Segment| entry(s, n, discovery::schemas)));
    let others = Router::new()
        .route(
            "/.search",
            post(async |State(s): SharedApp, headers: HeaderMap, body: JsonBody| {
                search(&s, &ResourceType::ALL, &headers, body)
            }),
        )
        .route("/Bulk", any(not_implemented))
        .route("/Me", any(not_implemented));
    let scim = ResourceType::ALL.into_iter().map(resources).fold(discovery.merge(others), Router::merge);
    Router::new()
        .nest(prefix, scim)
        .fallback(async || ScimFault::not_found("there is no such endpoint"))
        .method_not_allowed_fallback(async || {
            ScimFault::plain(StatusCode::METHOD_NOT_ALLOWED, "this endpoint does not take that method")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&server), around))
        .with_state(server)
}

fn resources(kind: ResourceType) -> Router<Arc<Server>> {
    let all = get(move |State(s): SharedApp, RawQuery(q)| async move { list(&s, kind, q.as_deref()) }).post(
        move |State(s): SharedApp, RawQuery(q), headers: HeaderMap, body: JsonBody| async move {
            create(&s, kind, q.as_deref(), &headers, body)
        },
    );
    let one = get(move |State(s): SharedApp, RawQuery(q), id: Segment| async move { read(&s, kind, id, q.as_deref()) })
        .put(move |State(s): SharedApp, RawQuery(q), id: Segment, headers: HeaderMap, body: JsonBody| async move {
            replace(&s, kind, id, q.as_deref(), &headers, body)
        })
        .patch(move |State(s): SharedApp, RawQuery(q), id: Segment, headers: HeaderMap, body: JsonBody| async move {
            patch(&s, kind, id, q.as_deref(), &headers, body)
        })
        .delete(move |State(s): SharedApp, id: Segment| async move { delete(&s, kind, id) });
    let searched = post(move |State(s): SharedApp, headers: HeaderMap, body: JsonBody| async move {
        search(&s, &[kind], &headers, body)
    });
    let endpoint = kind.endpoint();
    Router::new()
        .route(&format!("/{endpoint}"), all)
        .route(&format!("/{endpoint}/.search"), searched)
        .route(&format!("/{endpoint}/{{id}}"), one)
}

/// Authorizes, misbehaves and logs around every call, unknown endpoints included.
async fn around(State(server): SharedApp, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mischief = &server.app.mischief;
    let authorization = request.headers().get(header::AUTHORIZATION);
    let allowed = server.token.as_ref().is_none_or(|token| token.admits(authorization));
    let response = if !allowed {
        ScimFault::plain(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong").into_response()
    } else if let Some(refusal) = mischief.refuses_patch(&method, uri.path()) {
        refusal
    } else if let Some(refusal) = mischief.before(CallMethod::of(&method, &uri), || server.app.now()) {
        refusal
    } else {
        mischief.after(&method, next.run(request).await)
    };
    let response = mischief.dress(response, || server.app.now());
    server.calls.note(&method, &uri, response.status());
    response
}

fn list(server: &Server, kind: ResourceType, query: Option<&str>) -> HandlerResult {
    server.app.list(&[kind], &Query::parse(query)?).map(ok)
}

fn search(server: &Server, kinds: &[ResourceType], headers: &HeaderMap, body: JsonBody) -> HandlerResult {
    server.app.list(kinds, &Query::search(&json_body(headers, body)?)?).map(ok)
}

fn read(server: &Server, kind: ResourceType, id: Segment, query: Option<&str>) -> HandlerResult {
    server.app.get(kind, &segment(id)?, &Query::parse(query)?).map(ok)
}

fn create(
    server: &Server,
    kind: ResourceType,
    query: Option<&str>,
    headers: &HeaderMap,
    body: JsonBody,
) -> HandlerResult {
    let (value, location) = server.app.create(kind, &Query::parse(query)?, &json_body(headers, body)?)?;
    let mut response = scim(StatusCode::CREATED, &value);
    // an address of this server is plain ASCII; were it not, the body's `meta.location` still has it
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn replace(
    server: &Server,
    kind: ResourceType,
    id: Segment,
    query: Option<&str>,
    headers: &HeaderMap,
    body: JsonBody,
) -> HandlerResult {
    server.app.replace(kind, &segment(id)?, &Query::parse(query)?, &json_body(headers, body)?).map(ok)
}

fn patch(
    server: &Server,
    kind: ResourceType,
    id: Segment,
    query: Option<&str>,
    headers: &HeaderMap,
    body: JsonBody,
) -> HandlerResult {
    let changed = server.app.patch(kind, &segment(id)?, &Query::parse(query)?, &json_body(headers, body)?)?;
    Ok(changed.map_or_else(|| StatusCode::NO_CONTENT.into_response(), ok))
}

fn delete(server: &Server, kind: ResourceType, id: Segment) -> HandlerResult {
    server.app.delete(kind, &segment(id)?).map(|()| StatusCode::NO_CONTENT.into_response())
}

fn ok(value: Value) -> Response {
    scim(StatusCode::OK, &value)
}

/// An id that is not even UTF-8 is the id of nothing.
fn segment(segment: Segment) -> Result<String, ScimFault> {
    segment.map(|Path(text)| text).map_err(|_| ScimFault::not_found("there is no such resource"))
}

/// The body of a write: JSON by its label (RFC 7644 §3.8), within the limit, and JSON in truth.
fn json_body(headers: &HeaderMap, body: JsonBody) -> Result<Value, ScimFault> {
    let label = headers.get(header::CONTENT_TYPE).and_then(|label| label.to_str().ok()).unwrap_or_default();
    let media = label.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(SCIM_JSON) && !media.eq_ignore_ascii_case("application/json") {
        let detail = format!("the Content-Type is {media:?}; it is {SCIM_JSON} here");
        return Err(ScimFault::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ScimFault::plain(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY_LIMIT} bytes"))
        }
        _ => ScimFault::syntax("the body ended early"),
    })?;
    serde_json::from_slice(&body).map_err(|e| ScimFault::syntax(format!("the body is not JSON: {e}")))
}

async fn not_implemented() -> ScimFault {
    ScimFault::plain(StatusCode::NOT_IMPLEMENTED, "this server does not offer that")
}

async fn service_provider_config(State(server): SharedApp) -> Response {
    let app = &server.app;
    ok(discovery::service_provider_config(&app.base, app.personality.page_size_max, server.token.is_some()))
}

/// Builds a discovery listing: the name of each entry and the entry.
type DiscoveryEntries = fn(&str) -> Vec<(&'static str, Value)>;

async fn directory(State(server): SharedApp, RawQuery(query): RawQuery, entries: DiscoveryEntries) -> HandlerResult {
    // a filter here would pretend that what it leaves out is not offered: 403 (RFC 7644 §4)
    if url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "filter") {
        return Err(ScimFault::plain(StatusCode::FORBIDDEN, "discovery does not filter"));
    }
    let entries: Vec<Value> = entries(&server.app.base).into_iter().map(|(_, entry)| entry).collect();
    Ok(ok(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": entries.len(),
        "startIndex": 1,
        "itemsPerPage": entries.len(),
        "Resources": entries,
    })))
}

async fn entry(State(server): SharedApp, name: Segment, entries: DiscoveryEntries) -> HandlerResult {
    let name = segment(name)?;
    let found = entries(&server.app.base).into_iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
    found.map(|(_, entry)| ok(entry)).ok_or_else(|| ScimFault::not_found(format!("there is no {name:?} here")))
}
