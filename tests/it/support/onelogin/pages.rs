//! How the API pages and how it refuses: cursors that are page numbers in disguise, and four shapes of errors.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// A query, decoded.
pub(super) type Query = BTreeMap<String, String>;

/// Which of the four error shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `/auth` and `/api/1`: a `status` object.
    Envelope,
    /// `/api/2`: `message`, `statusCode`, `name`.
    Named,
    /// `/api/2`, for bad requests: `status`, `error`, `description`.
    Described,
    /// What the published description says: `error`, `code`, `type`, `message`.
    Published,
}

/// An answer with a JSON body.
pub(super) fn answer(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A refusal.
pub(super) fn refuse(shape: Shape, status: u16, message: &str) -> Response {
    let kind = match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        422 => "UnprocessableEntity",
        429 => "TooManyRequests",
        _ => "InternalServer",
    };
    let named = format!("{kind}Error");
    let body = match shape {
        Shape::Envelope => {
            json!({ "status": { "error": true, "code": status, "type": kind, "message": message } })
        }
        Shape::Named => json!({ "message": message, "statusCode": status, "name": named }),
        Shape::Described => json!({ "status": status, "error": named, "description": message }),
        Shape::Published => json!({ "error": true, "code": status, "type": named, "message": message }),
    };
    answer(status, &body)
}

/// One page of a v2 list, as `limit`, `page` and `cursor` ask for it, with the headers of a page.
pub(super) fn page(items: Vec<Value>, query: &Query, most: usize, path: &str) -> Response {
    let given = |name: &str| query.get(name);
    if given("cursor").is_some() && (given("limit").is_some() || given("page").is_some()) {
        let why = "Requests can only have cursor xor pagination arguments";
        return refuse(Shape::Described, 400, why);
    }
    let (limit, page) = match given("cursor") {
        Some(cursor) => match read_cursor(cursor) {
            Some(place) => place,
            None => return refuse(Shape::Described, 400, "Invalid pagination cursor"),
        },
        None => {
            let number = |name: &str| given(name).map(|text| text.parse::<usize>());
            match (number("limit").transpose(), number("page").transpose()) {
                (Ok(limit), Ok(page)) => (limit.unwrap_or(most).clamp(1, most), page.unwrap_or(1).max(1)),
                _ => return refuse(Shape::Described, 400, "Invalid pagination arguments"),
            }
        }
    };
    let (total, pages) = (items.len(), items.len().div_ceil(limit));
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * limit).take(limit).collect();
    let after = if page < pages { write_cursor(limit, page + 1) } else { String::new() };
    let before = if page > 1 { write_cursor(limit, page - 1) } else { String::new() };
    let headers = [
        ("Current-Page", page.to_string()),
        ("Page-Items", shown.len().to_string()),
        ("Total-Count", total.to_string()),
        ("Total-Pages", pages.to_string()),
        ("Link", format!("<{path}>; rel=\"first\"")),
        ("Before-Cursor", before),
        ("After-Cursor", after),
        ("Cursor", write_cursor(limit, page)),
    ];
    let mut response = answer(200, &Value::Array(shown));
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().expect("a header value"));
    }
    response
}

fn write_cursor(limit: usize, page: usize) -> String {
    BASE64.encode(format!("limit={limit}&sort=id&page={page}&sort_direction=asc"))
}

fn read_cursor(cursor: &str) -> Option<(usize, usize)> {
    let text = String::from_utf8(BASE64.decode(cursor).ok()?).ok()?;
    let number = |name: &str| {
        let pair = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair?.parse::<usize>().ok().filter(|number| *number > 0)
    };
    Some((number("limit")?, number("page")?))
}

/// One page of a v1 list: everything in an envelope, the cursor in the body and in a link.
pub(super) fn page_v1(items: Vec<Value>, query: &Query, most: usize, address: &str) -> Response {
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(most).clamp(1, most);
    let first = match query.get("after_cursor").map(|cursor| read_cursor(cursor)) {
        Some(None) => return refuse(Shape::Envelope, 400, "Invalid cursor"),
        Some(Some((_, page))) => (page - 1) * limit,
        None => 0,
    };
    let next = (first + limit < items.len()).then(|| write_cursor(limit, first / limit + 2));
    let shown: Vec<Value> = items.into_iter().skip(first).take(limit).collect();
    let link = next.as_ref().map(|cursor| format!("{address}?limit={limit}&after_cursor={cursor}"));
    let pagination = json!({ "before_cursor": null, "after_cursor": next, "previous_link": null, "next_link": link });
    answer(200, &json!({ "status": fine(), "pagination": pagination, "data": shown }))
}

/// The status of a v1 answer that is none of an error.
pub(super) fn fine() -> Value {
    json!({ "error": false, "code": 200, "type": "success", "message": "Success" })
}
