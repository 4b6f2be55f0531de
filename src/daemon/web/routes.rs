//! The endpoints. In: requests. Out: answers that only read, under headers that let a browser do nothing with them but show them.
//!
//! A browser on this machine may be led here by a foreign page under a name of its own (DNS rebinding), so only the names of this
//! machine's loopback are answered.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::{PAGES, PageView, gather, overview, page, tenant};
use crate::telemetry::CONTENT_TYPE;

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");

/// Every answer's headers.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What all endpoints share.
#[derive(Clone)]
struct Served {
    view: Arc<PageView>,
    /// Places for pages, and one for the numbers: neither waits for the other.
    pages: Arc<Semaphore>,
    numbers: Arc<Semaphore>,
}

type SharedPane = State<Served>;

pub(super) fn router(view: Arc<PageView>) -> Router {
    Router::new()
        .route("/", get(overview_page))
        .route("/tenants/{tenant}", get(tenant_page))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/icon.svg", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], ICON)))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page; / has them all\n"))
        .layer(from_fn(around))
        .with_state(Served { view, pages: Arc::new(Semaphore::new(PAGES)), numbers: Arc::new(Semaphore::new(1)) })
}

/// What holds for every request.
async fn around(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.headers()) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a request is not even looked at.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if !is_this_machine(headers) {
        let why = "this page answers to 127.0.0.1, [::1] and localhost only\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why).into_response());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        return Some((StatusCode::METHOD_NOT_ALLOWED, allowed, "nothing can be changed here\n").into_response());
    }
    None
}

/// Whether the one `Host` header names this machine's loopback, on whatever port: it may be forwarded.
fn is_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the daemon's loop goes round.
async fn livez(State(Served { view, .. }): SharedPane) -> Response {
    match view.pane.hanging() {
        None => "ok\n".into_response(),
        Some(silent) => {
            let text = format!("the main loop has been stuck for {} s\n", silent.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// Whether tenants are run. One tenant's trouble is no reason to say no.
async fn readyz(State(Served { view, .. }): SharedPane) -> Response {
    let why = match (view.pane.board(), view.pane.hanging()) {
        _ if view.pane.is_stopping() => "stopping\n",
        (None, _) => "the files are being read\n",
        (Some(_), Some(_)) => "the main loop is stuck\n",
        (Some(_), None) => return "ok\n".into_response(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(shared): SharedPane) -> Response {
    made(shared.view, &shared.numbers, |view| match view.telemetry.text(view.clock.now()) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => broken(&error.to_string()),
    })
    .await
}

async fn status(State(shared): SharedPane) -> Response {
    made(shared.view, &shared.pages, |view| match serde_json::to_string_pretty(&gather::report(view)) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => broken(&error.to_string()),
    })
    .await
}

async fn overview_page(State(shared): SharedPane) -> Response {
    made(shared.view, &shared.pages, |view| Html(overview::page(view).into_string()).into_response()).await
}

async fn tenant_page(State(shared): SharedPane, Path(name): Path<String>) -> Response {
    made(shared.view, &shared.pages, move |view| match gather::one(view, &name) {
        Some(seen) => Html(tenant::page(view, &seen).into_string()).into_response(),
        None => (StatusCode::NOT_FOUND, Html(page::no_such_tenant(view).into_string())).into_response(),
    })
    .await
}

/// Pages read the disk: off the thread that answers `/livez`, a few at a time.
async fn made(
    view: Arc<PageView>,
    places: &Semaphore,
    make: impl FnOnce(&PageView) -> Response + Send + 'static,
) -> Response {
    // Never closed, so there always is a place in the end.
    let _place = places.acquire().await.ok();
    match tokio::task::spawn_blocking(move || make(&view)).await {
        Ok(response) => response,
        Err(error) => broken(&error.to_string()),
    }
}

fn broken(why: &str) -> Response {
    tracing::error!(why, "could not render a page");
    (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; see the log\n").into_response()
}
