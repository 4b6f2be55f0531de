//! From a request to an answer: who asks, for which organisation, what, and how it is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::lists::Query;
use super::org::{Org, Rights, is_id, object};
use super::{PREFIX, Shared, events};
use crate::support::proxy::{Call, Fault, drop_connection, made_up, truncated};

/// Counts a call as in flight until it is answered or given up.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().strip_prefix(PREFIX).unwrap_or(parts.uri.path()).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: parts.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned()),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: None,
        at: Instant::now(),
    };
    let asked = Asked { method: parts.method, headers: parts.headers, call: call.clone() };
    let (number, fault) = {
        let mut state = shared.state();
        let fault = state.faults.iter_mut().find_map(|(rule, fault)| rule.meets(&call).then(|| fault.clone()));
        state.calls.push(call);
        state.in_flight += 1;
        state.in_flight_peak = state.in_flight_peak.max(state.in_flight);
        (state.calls.len() - 1, fault)
    };
    let _in_flight = InFlight(&shared);
    let response = match fault {
        None => respond(&shared, &asked),
        Some(Fault::Answer { status, headers, body }) => made_up(status, &headers, body),
        Some(Fault::Delay(delay)) => {
            let response = respond(&shared, &asked);
            tokio::time::sleep(delay).await;
            response
        }
        Some(Fault::Truncate) => truncated(respond(&shared, &asked)).await,
        Some(Fault::DropBefore) => drop_connection(),
        Some(Fault::DropAfter) => {
            respond(&shared, &asked);
            drop_connection()
        }
    };
    let mut state = shared.state();
    let super::State { calls, hooks, org, .. } = &mut *state;
    if let Some(call) = calls.get_mut(number) {
        call.status = Some(response.status().as_u16());
    }
    for (rule, change) in hooks {
        if rule.meets(&asked.call) {
            change(org);
        }
    }
    response
}

struct Asked {
    method: Method,
    headers: HeaderMap,
    call: Call,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.call.body).unwrap_or(Value::Null)
    }
}

fn respond(shared: &Shared, asked: &Asked) -> Response {
    let mut state = shared.state();
    if let Some(limit) = state.org.limit_per_second {
        if state.window.0.elapsed() >= Duration::from_secs(1) {
            state.window = (Instant::now(), 0);
        }
        state.window.1 += 1;
        if state.window.1 > limit {
            // No `Retry-After`: the vendor's own client does not look for one.
            return refusal(&asked.call.path, 429, "Too Many Requests");
        }
    }
    let org = &mut state.org;
    let path = asked.call.path.clone();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if parts == ["oauth2", "token"] {
        return token(org, asked);
    }
    let rights = match authorize(org, asked) {
        Ok(rights) => rights,
        Err(response) => return *response,
    };
    let query = Query::parse(&asked.call.query);
    org.lists_served += 1;
    let forbidden = || refusal(&path, 403, "Forbidden: your role does not permit this");
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["api", "systemusers", ..]) if !rights.users => forbidden(),
        ("POST", ["api", "systemusers"]) if !rights.create => forbidden(),
        ("GET", ["api", "applications"] | ["api", "v2", "applications", ..]) if !rights.applications => forbidden(),
        ("GET", ["api", "v2", "usergroups", ..]) if !rights.groups => forbidden(),
        ("POST", ["insights", ..]) if !rights.insights => forbidden(),
        ("GET", ["api", "systemusers"]) => {
            let people = org.lagging.as_ref().map_or(&org.people, |(people, _)| people);
            v1_page(&path, query.page(people.values(), true, org.lists_served))
        }
        ("GET", ["api", "systemusers", id]) => match org.people.get(*id) {
            Some(person) => answer(200, &json!(person)),
            None if !is_id(id) => refusal(&path, 400, "invalid id"),
            None => refusal(&path, 404, "not found"),
        },
        ("POST", ["api", "systemusers"]) => match asked.json() {
            Value::Object(wanted) => {
                let (status, body) = org.create(&wanted);
                answer(status, &body)
            }
            _ => refusal(&path, 400, "the body is no object"),
        },
        ("GET", ["api", "applications"]) => {
            let apps: Vec<Map<String, Value>> = org.apps.iter().map(app_record).collect();
            v1_page(&path, query.page(apps.iter(), true, org.lists_served))
        }
        ("GET", ["api", "v2", "usergroups"]) => {
            let groups = org.lagging.as_ref().map_or(&org.groups, |(_, groups)| groups);
            let page = query.page(groups.iter().map(|group| &group.record), false, org.lists_served);
            v2_page(org, asked, &query, page)
        }
        ("GET", ["api", "v2", "usergroups", id]) => match org.groups.iter().find(|group| group.id == *id) {
            Some(group) => answer(200, &json!(group.record)),
            None => refusal(&path, 404, "group not found"),
        },
        ("GET", ["api", "v2", "usergroups", id, "members"]) => {
            let groups = org.lagging.as_ref().map_or(&org.groups, |(_, groups)| groups);
            match groups.iter().find(|group| group.id == *id) {
                Some(group) => edges(org, asked, &query, "user", &group.members),
                None => refusal(&path, 404, "group not found"),
            }
        }
        ("GET", ["api", "v2", "applications", id, "associations"]) => {
            match (org.apps.iter().find(|app| app.id == *id), query.get("targets")) {
                (None, _) => refusal(&path, 404, "application not found"),
                (Some(app), Some("user_group")) => edges(org, asked, &query, "user_group", &app.groups),
                (Some(app), Some("user")) => edges(org, asked, &query, "user", &app.users),
                (Some(_), _) => refusal(&path, 400, "targets is required"),
            }
        }
        // What the vendor's description has: the app's users, as its own connection shows them. *Assumed*: 400 without one.
        ("GET", ["api", "v2", "applications", id, "import", "users"]) => {
            match org.apps.iter().find(|app| app.id == *id) {
                None => refusal(&path, 404, "application not found"),
                Some(app) if !app.identity_management => refusal(&path, 400, "identity management is not configured"),
                Some(_) => answer(200, &json!({"total_count": 3, "users": [], "session_id": "", "cursor": ""})),
            }
        }
        ("POST", ["insights", "directory", "v1", "events"]) => events::query(org, &asked.json()),
        _ => refusal(&path, 404, "no such route"),
    }
}

/// Who asks, and whether the organisation meant is the one they belong to.
fn authorize(org: &Org, asked: &Asked) -> Result<Rights, Box<Response>> {
    let path = &asked.call.path;
    let by_key = asked.header("x-api-key").and_then(|key| org.keys.get(key));
    let bearer = asked.call.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let by_token = bearer.and_then(|token| org.tokens.get(token));
    let Some(rights) = by_key.or(by_token) else { return Err(Box::new(refusal(path, 401, "Unauthorized"))) };
    match asked.header("x-org-id").filter(|id| !id.is_empty()) {
        None if rights.multi_tenant => Err(Box::new(refusal(path, 401, "ID not included for multi-tenant admin"))),
        None => Ok(rights.clone()),
        Some(id) if !is_id(id) => Err(Box::new(refusal(path, 400, "x-org-id is malformed"))),
        Some(id) if id != org.id => Err(Box::new(refusal(path, 404, "organization not found"))),
        Some(_) => Ok(rights.clone()),
    }
}

/// RFC 6749 §4.4, with the client's secret in HTTP Basic.
fn token(org: &mut Org, asked: &Asked) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(asked.call.body.as_bytes()).into_owned().collect();
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if asked.header("content-type") != Some("application/x-www-form-urlencoded")
        || value("grant_type") != Some("client_credentials")
        || value("scope") != Some("api")
    {
        return answer(400, &json!({"error": "invalid_request"}));
    }
    let basic = asked.call.authorization.as_deref().and_then(|value| value.strip_prefix("Basic "));
    let pair = basic.and_then(|text| BASE64.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let account = pair.as_deref().and_then(|pair| pair.split_once(':')).and_then(|(id, secret)| {
        org.service_accounts.get(id).filter(|(right, _)| right == secret).map(|(_, rights)| rights.clone())
    });
    let Some(rights) = account else { return answer(401, &json!({"error": "invalid_client"})) };
    let token = format!("jct-canary-{}", uuid::Uuid::now_v7().simple());
    org.tokens.insert(token.clone(), rights);
    let mut body = json!({"access_token": token, "token_type": "bearer", "scope": "api"});
    if let Some(seconds) = org.token_seconds {
        body["expires_in"] = seconds.into();
    }
    answer(200, &body)
}

fn app_record(app: &super::App) -> Map<String, Value> {
    let record = json!({
        "_id": app.id,
        "name": app.name,
        "displayLabel": app.label,
        "displayName": "SCIM 2.0",
        "ssoUrl": "",
        "config": {},
        "sso": {"type": "saml", "jit": false},
        "active": true,
    });
    object(record)
}

fn v1_page(path: &str, page: Result<(usize, Vec<Value>), String>) -> Response {
    match page {
        Ok((total, results)) => answer(200, &json!({"totalCount": total, "results": results})),
        Err(why) => refusal(path, 400, &why),
    }
}

fn v2_page(org: &Org, asked: &Asked, query: &Query, page: Result<(usize, Vec<Value>), String>) -> Response {
    let (total, rows) = match page {
        Ok(page) => page,
        Err(why) => return refusal(&asked.call.path, 400, &why),
    };
    let mut response = answer(200, &json!(rows));
    if org.total_header {
        with(&mut response, "x-total-count", &total.to_string());
    }
    let (skip, limit) = query.window().expect("it was a page");
    if org.link_header && skip + rows.len() < total {
        let host = asked.header("host").unwrap_or_default();
        let next =
            format!("<http://{host}{PREFIX}{}?limit={limit}&skip={}>; rel=\"next\"", asked.call.path, skip + limit);
        with(&mut response, "link", &next);
    }
    response
}

/// A page of graph connections. They come in the order in which they were made: there is no sorting them.
fn edges(org: &Org, asked: &Asked, query: &Query, kind: &str, ids: &[String]) -> Response {
    let page = query.window().map(|(skip, limit)| {
        let edge = |id: &String| json!({"to": {"type": kind, "id": id, "attributes": null}, "attributes": null});
        (ids.len(), ids.iter().skip(skip).take(limit).map(edge).collect())
    });
    v2_page(org, asked, query, page)
}

/// v2 and Directory Insights have an error shape each; v1 has several.
fn refusal(path: &str, status: u16, message: &str) -> Response {
    if path.starts_with("/api/v2/") {
        let word = StatusCode::from_u16(status).expect("a status").canonical_reason().unwrap_or_default();
        let word = word.to_uppercase().replace(' ', "_");
        return answer(status, &json!({"code": status, "message": message, "status": word, "details": []}));
    }
    if path.starts_with("/api/") && status == 401 {
        let mut response = Response::new(Body::from(message.to_owned()));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        with(&mut response, "content-type", "text/plain; charset=utf-8");
        return response;
    }
    answer(status, &json!({"message": message}))
}

pub(super) fn answer(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    with(&mut response, "content-type", "application/json");
    response
}

pub(super) fn with(response: &mut Response, name: &'static str, value: &str) {
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
}
