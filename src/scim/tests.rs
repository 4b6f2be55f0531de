//! The client against scripted servers: what no real server does on demand.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::config::profile::Profile;
use crate::http::pace::{BucketSpec, Pacer};
use crate::http::{Login, Secret};
use crate::model::{AppId, Attributes, Path, SourceId};

mod bounds;
mod checks;
mod dialects;
mod lists;
mod lookalikes;
mod probing;
mod reads;
mod unanswered;
mod writes;

const TOKEN: &str = "the-app-token";

fn p(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn attributes(pairs: &[(&str, Value)]) -> Attributes {
    pairs.iter().map(|(name, value)| (p(name), value.clone())).collect()
}

/// An app with pauses of milliseconds and no limit on its rate; `edit` sets knobs.
fn app_at(base_url: String, edit: impl FnOnce(&mut Profile)) -> App {
    app_paced(base_url, &[], edit)
}

/// As [`app_at`], with limits.
fn app_paced(base_url: String, buckets: &[BucketSpec], edit: impl FnOnce(&mut Profile)) -> App {
    let mut profile = Profile::default();
    profile.pace.backoff_base_ms = 1;
    profile.pace.backoff_cap_ms = 2_000;
    profile.pace.attempts = 3;
    profile.transport.discovery = false;
    edit(&mut profile);
    let pacer = Pacer::new(buckets, profile.pace.in_flight);
    let transport = &profile.transport;
    let login = Login::key(&transport.auth_header, &transport.auth_template, &Secret::new(TOKEN).unwrap());
    let settings = AppSettings {
        profile,
        base_url,
        login,
        identity: None,
        ca_pem: None,
        network: Default::default(),
        allow_http_loopback: true,
        pacer,
        seed: 1,
    };
    App::new(settings).unwrap_or_else(|why| panic!("{why}"))
}

fn app(server: &MockServer) -> App {
    app_at(format!("{}/scim/v2", server.uri()), |_| {})
}

fn app_with(server: &MockServer, edit: impl FnOnce(&mut Profile)) -> App {
    app_at(format!("{}/scim/v2", server.uri()), edit)
}

/// A server that answers everything alike.
async fn always(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

/// A server whose answers are a function of the request.
async fn answering(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> MockServer {
    struct By<F>(F);
    impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for By<F> {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            (self.0)(request)
        }
    }
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(By(answer)).mount(&server).await;
    server
}

/// A server that gives these answers one after the other, and the last one for ever.
async fn in_turn(answers: Vec<ResponseTemplate>) -> MockServer {
    let left = Mutex::new(answers.into_iter().rev().collect::<Vec<_>>());
    answering(move |_| {
        let mut left = left.lock().unwrap();
        if left.len() > 1 { left.pop().unwrap() } else { left[0].clone() }
    })
    .await
}

fn json_reply(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/scim+json")
}

fn scim_error(status: u16, scim_type: &str, detail: &str) -> ResponseTemplate {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(), "scimType": scim_type, "detail": detail,
    });
    json_reply(status, &body)
}

fn list_of(resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "Resources": resources,
    })
}

fn user(id: usize) -> Value {
    json!({ "id": format!("id-{id}"), "userName": format!("user{id}@example.com"), "active": true })
}

/// The value of a query parameter.
fn query(request: &Request, name: &str) -> Option<String> {
    request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn keys(numbers: impl IntoIterator<Item = usize>) -> Vec<UserKeys> {
    let key = |n: usize| UserKeys {
        source_id: SourceId::from(format!("src-{n}").as_str()),
        attributes: attributes(&[("userName", json!(format!("User{n}@example.com")))]),
        except: None,
    };
    numbers.into_iter().map(key).collect()
}

/// What was found, in short: an id, `-` for nobody, `!` for a conflict.
fn short(matches: &[Match<AppUser>]) -> Vec<String> {
    let word = |found: &Match<AppUser>| match found {
        Match::Nobody => "-".to_owned(),
        Match::One { found, .. } => found.id.to_string(),
        Match::Conflict(_) => "!".to_owned(),
    };
    matches.iter().map(word).collect()
}
