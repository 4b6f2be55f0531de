//! The endpoints. In: a request and the account. Out: what OneLogin would answer.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::account::{App, Kind, User, time};
use super::pages::{Query, Shape, answer, fine, page, page_v1, refuse};
use super::{Desk, Scope};

/// What the users' list shows when no fields are asked for: neither roles nor custom attributes.
const USUAL_FIELDS: [&str; 14] = [
    "id",
    "username",
    "email",
    "firstname",
    "lastname",
    "status",
    "state",
    "external_id",
    "group_id",
    "samaccountname",
    "activated_at",
    "last_login",
    "created_at",
    "updated_at",
];

/// A request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Where the API is, for links.
    pub(super) origin: &'a str,
}

/// Answers one request.
pub(super) fn serve(desk: &mut Desk, asked: &Asked<'_>) -> Response {
    let parts: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    match (asked.method, parts.as_slice()) {
        ("POST", ["auth", "oauth2", "v2", "token"]) => return token(desk, asked),
        // No token needed.
        ("GET", ["api", "1", "events", "types"]) => return event_types(),
        _ => {}
    }
    let shape =
        if parts.first() == Some(&"api") && parts.get(1) == Some(&"2") { Shape::Named } else { Shape::Envelope };
    if !desk.is_token(bearer(asked.headers)) {
        return refuse(shape, 401, if shape == Shape::Named { "Unauthorized" } else { "Authentication Failure" });
    }
    let limited = desk.habits.quota.is_some() && (shape == Shape::Envelope || desk.habits.quota_covers_v2);
    let counted = parts != ["auth", "rate_limit"];
    if limited && counted && !desk.spend() {
        return quota(desk, refuse(shape, 429, "Rate limit exceeded"));
    }
    let response = with_token(desk, asked, &parts);
    if limited { quota(desk, response) } else { response }
}

fn with_token(desk: &mut Desk, asked: &Asked<'_>, parts: &[&str]) -> Response {
    let manages = |scope: Scope| matches!(scope, Scope::ManageUsers | Scope::ManageAll);
    let needs = match (asked.method, parts) {
        ("POST", ["api", "2", "users"]) => manages(desk.habits.scope),
        (_, ["api", "2", "roles", _, "users"]) => {
            !desk.habits.role_users_need_manage_all || desk.habits.scope == Scope::ManageAll
        }
        (_, ["api", "2", "apps", _, "rules"]) => {
            !desk.habits.app_rules_need_manage_all || desk.habits.scope == Scope::ManageAll
        }
        (_, ["api", "2", "apps", ..]) => matches!(desk.habits.scope, Scope::ReadAll | Scope::ManageAll),
        _ => desk.habits.scope != Scope::AuthenticationOnly,
    };
    if !needs {
        return refuse(Shape::Published, desk.habits.scope_refusal, "Insufficient permissions");
    }
    match (asked.method, parts) {
        ("GET", ["auth", "rate_limit"]) => rate_limit(desk),
        ("GET", ["api", "1", "events"]) => events(desk, asked),
        ("GET", ["api", "2", "users"]) => users(desk, asked),
        ("POST", ["api", "2", "users"]) => create_user(desk, asked),
        ("GET", ["api", "2", "users", id]) => {
            one(&desk.account.users, id, "user", |user| Value::Object(user.record(desk.account.roles_of(user.id))))
        }
        ("GET", ["api", "2", "roles"]) => roles(desk, asked),
        ("GET", ["api", "2", "roles", id]) => {
            one(&desk.account.roles, id, "role", |role| json!({ "id": role.id, "name": role.name }))
        }
        ("GET", ["api", "2", "roles", id, "users"]) => role_users(desk, asked, id),
        ("GET", ["api", "1", "groups"]) => {
            let groups =
                desk.account.groups.iter().map(|(id, name)| json!({ "id": id, "name": name, "reference": null }));
            page_v1(groups.collect(), &asked.query, 50, &format!("{}/api/1/groups", asked.origin))
        }
        ("GET", ["api", "1", "groups", id]) => one(
            &desk.account.groups,
            id,
            "group",
            |name| json!({ "status": fine(), "data": [{ "id": id.parse::<u64>().ok(), "name": name }] }),
        ),
        ("GET", ["api", "2", "apps"]) => {
            let apps = desk.account.apps.values();
            let wanted = asked.query.get("name");
            let apps = apps.filter(|app| wanted.is_none_or(|name| matches(name, Some(&app.name))));
            page(apps.map(|app| app_record(app, false)).collect(), &asked.query, desk.habits.apps_page, asked.path)
        }
        ("GET", ["api", "2", "apps", id]) => one(&desk.account.apps, id, "app", |app| app_record(app, true)),
        ("GET", ["api", "2", "apps", id, "users"]) => app_users(desk, asked, id),
        ("GET", ["api", "2", "apps", id, "rules"]) => one(&desk.account.apps, id, "app", |app| json!(app.rules)),
        _ => refuse(Shape::Named, 404, "The resource can't be found"),
    }
}

// ---- tokens ------------------------------------------------------------------------------------------------------------

/// Three ways to say who one is; the same token for everybody who may have one, until it ends.
fn token(desk: &mut Desk, asked: &Asked<'_>) -> Response {
    if desk.habits.admin_gone {
        return refuse(Shape::Envelope, 500, "Internal Server Error");
    }
    let text = String::from_utf8_lossy(asked.body);
    let form: Query = url::form_urlencoded::parse(asked.body).into_owned().collect();
    let is_json =
        asked.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let body: Value = if is_json { serde_json::from_str(&text).unwrap_or_default() } else { json!(form) };
    if body["grant_type"] != "client_credentials" {
        return refuse(Shape::Envelope, 400, "grant_type is invalid");
    }
    let authorization = asked.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, secret) = match authorization.strip_prefix("Basic ") {
        Some(basic) => {
            let text = BASE64.decode(basic).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())).unwrap_or_default()
        }
        None if authorization.starts_with("client_id:") => {
            let part = |name: &str| {
                authorization
                    .split(',')
                    .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(':'))
                    .unwrap_or("")
            };
            (part("client_id").to_owned(), part("client_secret").to_owned())
        }
        None => {
            let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            (part("client_id"), part("client_secret"))
        }
    };
    if (id.as_str(), secret.as_str()) != (desk.client_id.as_str(), desk.client_secret.as_str()) {
        return refuse(Shape::Envelope, 401, "Authentication Failure");
    }
    let (token, created, left) = desk.token();
    let plain = json!({
        "access_token": token,
        "created_at": time(created),
        "expires_in": left,
        "refresh_token": "628d9d4a0c37bd",
        "token_type": "bearer",
        "account_id": 10_000,
    });
    match desk.habits.wrapped_token {
        true => answer(200, &json!({ "status": fine(), "data": [plain] })),
        false => answer(200, &plain),
    }
}

fn bearer(headers: &HeaderMap) -> &str {
    let text = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split_once([' ', ':'])
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token)
}

fn rate_limit(desk: &Desk) -> Response {
    let left = desk.habits.quota.unwrap_or(5_000);
    let data = json!({ "X-RateLimit-Limit": 5_000, "X-RateLimit-Remaining": left, "X-RateLimit-Reset": desk.habits.quota_reset });
    answer(200, &json!({ "status": fine(), "data": data }))
}

/// The headers that tell how many calls are left.
fn quota(desk: &Desk, mut response: Response) -> Response {
    let values = [
        ("X-RateLimit-Limit", 5_000),
        ("X-RateLimit-Remaining", desk.habits.quota.unwrap_or(0)),
        ("X-RateLimit-Reset", desk.habits.quota_reset),
    ];
    for (name, value) in values {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    response
}

// ---- users -------------------------------------------------------------------------------------------------------------

fn users(desk: &Desk, asked: &Asked<'_>) -> Response {
    let account = &desk.account;
    let wanted = asked.query.get("fields").map(|fields| fields.split(',').map(str::trim).collect::<BTreeSet<_>>());
    let since = asked.query.get("updated_since");
    let ids = asked.query.get("user_ids").map(|ids| ids.split(',').map(str::trim).collect::<BTreeSet<_>>());
    let filters = [
        ("username", (|user| user.username.as_deref()) as fn(&User) -> Option<&str>),
        ("email", |user| user.email.as_deref()),
        ("firstname", |user| user.firstname.as_deref()),
        ("lastname", |user| user.lastname.as_deref()),
        ("external_id", |user| user.external_id.as_deref()),
    ];
    let fits = |user: &&User| {
        ids.as_ref().is_none_or(|ids| ids.contains(user.id.to_string().as_str()))
            && since.is_none_or(|since| user.updated_at.as_str() >= since.as_str())
            && filters.iter().all(|(name, of)| asked.query.get(*name).is_none_or(|wanted| matches(wanted, of(user))))
    };
    // Of everybody the roles at once: a company has many people and few roles.
    let mut roles: std::collections::BTreeMap<u64, Vec<u64>> = std::collections::BTreeMap::new();
    for role in account.roles.values() {
        role.users.iter().for_each(|user| roles.entry(*user).or_default().push(role.id));
    }
    let shown = account.users.values().filter(fits).map(|user| {
        let mut record = user.record(roles.get(&user.id).cloned().unwrap_or_default());
        record.retain(|name, _| match &wanted {
            Some(wanted) => wanted.contains(name.as_str()) && !desk.habits.withheld_fields.contains(&name.as_str()),
            None => USUAL_FIELDS.contains(&name.as_str()),
        });
        Value::Object(record)
    });
    page(shown.collect(), &asked.query, desk.habits.users_page, asked.path)
}

fn create_user(desk: &mut Desk, asked: &Asked<'_>) -> Response {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(asked.body) else {
        return refuse(Shape::Named, 400, "The request could not be understood");
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let (username, email) = (text("username"), text("email"));
    if username.is_none() && email.is_none() {
        return refuse(Shape::Named, 422, "Validation failed: one of username, email is required");
    }
    let account = &mut desk.account;
    let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    };
    if account.users.values().any(|user| same(&user.username, &username) || same(&user.email, &email)) {
        return refuse(Shape::Named, 422, "Validation failed: Value has already been taken");
    }
    let number = |name: &str| body.get(name).and_then(Value::as_u64).and_then(|number| u8::try_from(number).ok());
    let given = body.get("custom_attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut custom_attributes = Map::new();
    for name in account.users.values().next().iter().flat_map(|user| user.custom_attributes.keys()) {
        custom_attributes.insert(name.clone(), given.get(name).cloned().unwrap_or_default());
    }
    let user = User {
        id: account.users.keys().next_back().map_or(1, |last| last + 1),
        username,
        email,
        firstname: text("firstname"),
        lastname: text("lastname"),
        title: text("title"),
        department: text("department"),
        external_id: text("external_id"),
        manager_user_id: None,
        group_id: None,
        // Without a password nobody is activated.
        status: number("status").unwrap_or(0),
        state: number("state").unwrap_or(1),
        custom_attributes,
        created_at: String::new(),
        updated_at: String::new(),
    };
    let id = account.add_user(user);
    match account.users.get(&id) {
        Some(user) => answer(201, &Value::Object(user.record(Vec::new()))),
        None => refuse(Shape::Named, 500, "Internal Server Error"),
    }
}

// ---- roles, groups and apps --------------------------------------------------------------------------------------------

fn roles(desk: &Desk, asked: &Asked<'_>) -> Response {
    let fields: BTreeSet<&str> = asked.query.get("fields").map(|text| text.split(',').collect()).unwrap_or_default();
    let apps_of = |role: u64| -> Vec<u64> {
        desk.account.apps.values().filter(|app| app.role_ids.contains(&role)).map(|app| app.id).collect()
    };
    let name = asked.query.get("name").or(asked.query.get("role_name"));
    let (app_id, app_name) = (asked.query.get("app_id"), asked.query.get("app_name"));
    let shown = desk.account.roles.values().filter(|role| {
        let apps = || desk.account.apps.values().filter(|app| app.role_ids.contains(&role.id));
        name.is_none_or(|name| matches(name, Some(&role.name)))
            && app_id.is_none_or(|id| apps().any(|app| app.id.to_string() == *id))
            && app_name.is_none_or(|name| apps().any(|app| matches(name, Some(&app.name))))
    });
    let shown = shown.map(|role| {
        let mut record = json!({ "id": role.id, "name": role.name });
        if fields.contains("apps") {
            record["apps"] = json!(apps_of(role.id));
        }
        if fields.contains("users") {
            record["users"] = json!(role.users);
        }
        if fields.contains("admins") {
            record["admins"] = json!([]);
        }
        record
    });
    page(shown.collect(), &asked.query, desk.habits.roles_page, asked.path)
}

fn role_users(desk: &Desk, asked: &Asked<'_>, id: &str) -> Response {
    let Some(role) = id.parse().ok().and_then(|id: u64| desk.account.roles.get(&id)) else {
        return refuse(Shape::Named, 404, "The role can't be found");
    };
    let everybody = asked.query.get("include_unassigned").is_some_and(|word| word == "true");
    let users = desk.account.users.values().filter(|user| everybody || role.users.contains(&user.id));
    let shown = users.map(|user| {
        let name = [&user.firstname, &user.lastname].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        json!({
            "id": user.id,
            "name": name,
            "username": user.username,
            "email": user.email,
            "added_by": { "id": 1, "name": "An Administrator" },
            "added_at": user.created_at,
            "assigned": role.users.contains(&user.id),
        })
    });
    page(shown.collect(), &asked.query, desk.habits.sub_page, asked.path)
}

fn app_record(app: &App, whole: bool) -> Value {
    let mut record = json!({
        "id": app.id,
        "name": app.name,
        "connector_id": 108_419,
        "auth_method": 2,
        "visible": true,
        "description": "",
        "created_at": "2026-08-01T08:00:00.000Z",
        "updated_at": "2026-08-01T08:00:00.000Z",
    });
    if whole {
        record["role_ids"] = json!(app.role_ids);
        if let Some(enabled) = app.provisioning {
            record["provisioning"] = json!({ "enabled": enabled });
        }
        if let Some(parameters) = &app.parameters {
            record["parameters"] = json!(parameters);
        }
    }
    record
}

fn app_users(desk: &Desk, asked: &Asked<'_>, id: &str) -> Response {
    let Some(app) = id.parse().ok().and_then(|id: u64| desk.account.apps.get(&id)) else {
        return refuse(Shape::Named, 404, "The app can't be found");
    };
    let users = desk.account.users_of_app(app);
    let users = users.iter().filter_map(|id| desk.account.users.get(id));
    let shown = users.map(|user| {
        json!({ "id": user.id, "username": user.username, "email": user.email, "firstname": user.firstname, "lastname": user.lastname })
    });
    page(shown.collect(), &asked.query, desk.habits.sub_page, asked.path)
}

/// One object by its id, or 404.
fn one<T>(all: &std::collections::BTreeMap<u64, T>, id: &str, what: &str, record: impl Fn(&T) -> Value) -> Response {
    match id.parse().ok().and_then(|id: u64| all.get(&id)) {
        Some(found) => answer(200, &record(found)),
        None => refuse(Shape::Named, 404, &format!("The {what} can't be found")),
    }
}

// ---- events ------------------------------------------------------------------------------------------------------------

fn event_types() -> Response {
    let types = Kind::ALL.map(|kind| json!({ "name": kind.name(), "description": "what happened", "id": kind as u64 }));
    answer(200, &json!({ "status": fine(), "data": types }))
}

/// Newest first.
fn events(desk: &Desk, asked: &Asked<'_>) -> Response {
    let given = |name: &str| asked.query.get(name);
    let kinds = given("event_type_id").map(|ids| ids.split(',').map(str::to_owned).collect::<BTreeSet<_>>());
    let shown = desk.account.events.iter().rev().filter(|event| {
        given("since").is_none_or(|since| event.created_at.as_str() >= since.as_str())
            && given("until").is_none_or(|until| event.created_at.as_str() <= until.as_str())
            && kinds.as_ref().is_none_or(|kinds| kinds.contains(&(event.kind as u64).to_string()))
    });
    let role_name = |id: Option<u64>| id.and_then(|id| desk.account.roles.get(&id)).map(|role| role.name.clone());
    let records = shown.map(|event| {
        json!({
            "id": event.id,
            "created_at": event.created_at,
            "account_id": 10_000,
            "event_type_id": event.kind as u64,
            "user_id": event.user_id,
            "role_id": event.role_id,
            "role_name": role_name(event.role_id),
            "app_id": event.app_id,
            "group_id": null,
            "actor_user_id": 1,
            "notes": null,
        })
    });
    page_v1(records.collect(), &asked.query, 50, &format!("{}/api/1/events", asked.origin))
}

/// Whether a value fits a filter, in which `*` stands for any text. The product compares without case.
fn matches(filter: &str, value: Option<&str>) -> bool {
    let Some(value) = value.map(str::to_lowercase) else { return false };
    let filter = filter.to_lowercase();
    let mut parts = filter.split('*');
    let Some(mut rest) = parts.next().and_then(|first| value.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
