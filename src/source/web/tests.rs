use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request as Received, Respond, ResponseTemplate};

use super::*;
use crate::config::profile::RateSetting;
use crate::http::quota::pacer;
use crate::http::retry::Backoff;
use crate::http::{CallFailure, ClientSettings, HttpRequest, HttpResponse, Login, Method, Secret, Session};

fn quick() -> Backoff {
    Backoff { base: Duration::from_millis(2), cap: Duration::from_millis(20) }
}

fn client(server: &MockServer) -> ClientSettings {
    ClientSettings { allow_http_loopback: true, ..ClientSettings::new(format!("{}/api", server.uri())) }
}

fn key() -> Login {
    Login::key("x-api-key", "{token}", &Secret::new("k3y-canary").unwrap())
}

fn grant(server: &MockServer) -> Login {
    let address = format!("{}/oauth2/token", server.uri());
    let body: (_, &[u8]) = ("application/x-www-form-urlencoded", b"grant_type=client_credentials");
    let secret = Secret::new("s3cret-canary").unwrap();
    Login::credentials(["us3r", &address], &secret, body, &client(server), "the admin who made it may be gone").unwrap()
}

fn api(server: &MockServer, login: Login) -> Api {
    api_with(server, login, |_| None)
}

fn api_with(server: &MockServer, login: Login, meaning: fn(&HttpResponse) -> Option<Meaning>) -> Api {
    let rate: RateSetting = serde_json::from_value(json!("10000/s")).unwrap();
    let about = DirectoryInfo { forgive_403: true, meaning, ..DirectoryInfo::new("example", "Example") };
    Api::new(Box::leak(Box::new(about)), &client(server), login, pacer(&rate, 8), (4, quick())).unwrap()
}

fn users() -> ApiRequest {
    ApiRequest::get("users", ["v1", "users"]).with("limit", 100)
}

/// Answers in turn; the last one for ever.
struct InTurn(Vec<ResponseTemplate>, AtomicUsize);

impl Respond for InTurn {
    fn respond(&self, _: &Received) -> ResponseTemplate {
        let at = self.1.fetch_add(1, Ordering::Relaxed).min(self.0.len() - 1);
        self.0[at].clone()
    }
}

async fn answers(replies: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/users")).respond_with(InTurn(replies, AtomicUsize::new(0))).mount(&server).await;
    server
}

fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

fn good() -> ResponseTemplate {
    status(200).set_body_json(json!([1, 2]))
}

async fn calls(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_question_is_put_again_while_that_may_help() {
    for trouble in [408, 423, 425, 429, 500, 502, 503, 504] {
        let server = answers(vec![status(trouble), status(trouble), good()]).await;
        let api = api(&server, key());
        let reply = api.read(&users()).await.unwrap();
        assert_eq!(api.json::<Vec<u32>>("users", &reply).unwrap(), [1, 2]);
        assert_eq!(calls(&server).await, 3, "{trouble}");
    }
}

#[tokio::test]
async fn a_locked_directory_is_asked_again_and_then_says_what_it_is() {
    let server = answers(vec![status(423)]).await;
    let error = api(&server, key()).read(&users()).await.unwrap_err();
    assert_eq!(calls(&server).await, 4);
    assert_eq!(
        error.to_string(),
        "the directory answered with an error: users: 423 (locked: something else changes the resource, or an administrator locked it) with an \
         empty body (tried 4 times)"
    );
}

#[tokio::test]
async fn i7_no_question_is_put_for_ever_and_the_error_says_what_the_directory_said() {
    let said = json!({ "message": "slow down, k3y-canary", "code": 429 });
    let server = answers(vec![status(429).set_body_json(said)]).await;
    let error = api(&server, key()).read(&users()).await.unwrap_err();
    assert_eq!(calls(&server).await, 4);
    assert_eq!(
        error.to_string(),
        "the directory keeps asking to slow down: users: 429: slow down, [token] (tried 4 times)"
    );
    for (code, text) in [
        (401, "the directory refused the credential: users: 401 (the token is not accepted) with an empty body"),
        (403, "the directory does not let this credential read: users: 403 (not allowed) with an empty body"),
        (422, "the directory's answer can't be read: users: 422 (the content is not accepted) with an empty body"),
    ] {
        let server = answers(vec![status(code)]).await;
        assert_eq!(api(&server, key()).read(&users()).await.unwrap_err().to_string(), text);
        assert_eq!(calls(&server).await, 1, "{code} is not repeated");
    }
}

#[tokio::test]
async fn i6_a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    let moved = status(302).insert_header("location", format!("{}/login", elsewhere.uri()));
    let server = answers(vec![moved]).await;
    let error = api(&server, key()).read(&users()).await.unwrap_err().to_string();
    assert!(error.contains("the token is not sent there"), "{error}");
    assert_eq!(calls(&elsewhere).await, 0);
}

#[tokio::test]
async fn what_is_not_there_is_an_answer_where_that_may_be_and_else_a_wrong_address() {
    for gone in [404, 410] {
        let server = answers(vec![status(gone)]).await;
        let api = api(&server, key());
        assert!(api.find(&users()).await.unwrap().is_none());
        let error = api.read(&users()).await.unwrap_err();
        assert!(matches!(&error, SourceError::Settings(text) if text.contains("is the base URL right?")), "{error}");
    }
}

#[tokio::test]
async fn a_sudden_403_means_too_fast_and_a_first_one_means_no_right() {
    let blocked = || status(403).set_body_json(json!({ "message": "your IP has been blocked" }));
    let server = answers(vec![good(), blocked(), good()]).await;
    let patient = api(&server, key());
    for _ in 0..2 {
        patient.read(&users()).await.unwrap();
    }
    assert_eq!(calls(&server).await, 3);

    let server = answers(vec![good(), blocked()]).await;
    let blocked_for_good = api(&server, key());
    blocked_for_good.read(&users()).await.unwrap();
    let error = blocked_for_good.read(&users()).await.unwrap_err();
    assert!(matches!(&error, SourceError::Throttled(text) if text.contains("blocked")), "{error}");
    // Another question was never answered: for that one it is a missing right.
    let other = ApiRequest::get("groups", ["v1", "users"]);
    assert!(matches!(blocked_for_good.read(&other).await.unwrap_err(), SourceError::Forbidden(_)));
}

#[tokio::test]
async fn what_a_refusal_means_beyond_its_status_is_read_from_the_reply_and_not_from_the_errors_text() {
    fn meaning(reply: &HttpResponse) -> Option<Meaning> {
        match reply.status {
            401 => Some(Meaning::NoOrganisation),
            _ if reply.header("x-slow").is_some() => Some(Meaning::TooFast),
            _ => None,
        }
    }
    for (reply, wanted) in [
        (status(403).insert_header("x-slow", "1"), "the directory keeps asking to slow down: users: 403"),
        (status(403), "the directory does not let this credential read: users: 403"),
        (status(401), "the directory refused the credential: users: 401"),
    ] {
        let server = answers(vec![reply]).await;
        let error = api_with(&server, key(), meaning).read(&users()).await.unwrap_err();
        assert!(error.to_string().starts_with(wanted), "{error}");
        assert_eq!(matches!(error, SourceError::NoOrganisation(_)), wanted.ends_with("401"), "{error:?}");
        assert_eq!(calls(&server).await, 1, "a first refusal is not repeated");
    }
}

#[tokio::test]
async fn a_page_for_people_or_half_an_answer_is_no_answer() {
    let server = answers(vec![status(200).set_body_raw("<html><title>Sign in</title>", "text/html")]).await;
    let api = api(&server, key());
    let reply = api.read(&users()).await.unwrap();
    let error = api.json::<Value>("users", &reply).unwrap_err().to_string();
    assert!(error.contains("HTML page titled \"Sign in\""), "{error}");
}

async fn granting(server: &MockServer, granted: Value) {
    Mock::given(method("POST"))
        .and(path("/oauth2/token"))
        .and(header("authorization", "Basic dXMzcjpzM2NyZXQtY2FuYXJ5"))
        .respond_with(ResponseTemplate::new(200).set_body_json(granted))
        .mount(server)
        .await;
}

async fn tokens_asked(server: &MockServer) -> usize {
    let received = server.received_requests().await.unwrap();
    received.iter().filter(|request| request.url.path() == "/oauth2/token").count()
}

#[tokio::test]
async fn a_token_is_fetched_once_by_all_and_used_until_it_ends() {
    for granted in [
        json!({ "access_token": "t1", "token_type": "bearer", "expires_in": 3600 }),
        json!({ "access_token": "t1" }),
        json!({ "status": { "error": false }, "data": [{ "access_token": "t1", "expires_in": 36000 }] }),
    ] {
        let server = answers(vec![good()]).await;
        granting(&server, granted).await;
        let api = Arc::new(api(&server, grant(&server)));
        let all = (0..8).map(|_| {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.read(&users()).await.map(|reply| reply.status) })
        });
        for one in futures_util::future::join_all(all).await {
            assert_eq!(one.unwrap().unwrap(), 200);
        }
        assert_eq!(tokens_asked(&server).await, 1);
        let received = server.received_requests().await.unwrap();
        let bearers = received.iter().filter(|r| r.headers.get("authorization").is_some_and(|h| h == "Bearer t1"));
        assert_eq!(bearers.count(), 8);
    }
}

#[tokio::test]
async fn a_token_that_lasts_for_seconds_is_not_asked_for_at_each_call() {
    let server = answers(vec![good()]).await;
    granting(&server, json!({ "access_token": "t1", "expires_in": 29 })).await;
    let api = api(&server, grant(&server));
    for _ in 0..3 {
        api.read(&users()).await.unwrap();
    }
    assert_eq!(tokens_asked(&server).await, 1, "it is good for four fifths of its life");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = answers(vec![status(401), good()]).await;
    granting(&server, json!({ "access_token": "t1" })).await;
    api(&server, grant(&server)).read(&users()).await.unwrap();
    assert_eq!(tokens_asked(&server).await, 2);

    let server = answers(vec![status(401)]).await;
    granting(&server, json!({ "access_token": "t1" })).await;
    let error = api(&server, grant(&server)).read(&users()).await.unwrap_err();
    assert!(matches!(error, SourceError::Refused(_)), "{error}");
    assert_eq!(tokens_asked(&server).await, 2);
}

#[tokio::test]
async fn i6_wrong_credentials_are_told_without_them() {
    let server = MockServer::start().await;
    let said = json!({ "error": "invalid_client", "error_description": "no such client s3cret-canary" });
    Mock::given(path("/oauth2/token")).respond_with(status(401).set_body_json(said)).mount(&server).await;
    let error = api(&server, grant(&server)).read(&users()).await.unwrap_err().to_string();
    assert!(error.starts_with("the directory refused the credential: a token from 127.0.0.1"), "{error}");
    assert!(error.contains("no such client [token]"), "{error}");
    assert_eq!(calls(&server).await, 1);
}

#[tokio::test]
async fn a_token_endpoint_that_keeps_failing_is_told_with_what_that_may_mean() {
    let server = MockServer::start().await;
    Mock::given(path("/oauth2/token")).respond_with(status(500)).mount(&server).await;
    let error = api(&server, grant(&server)).read(&users()).await.unwrap_err().to_string();
    assert!(error.contains("(tried 3 times); the admin who made it may be gone"), "{error}");
}

#[tokio::test]
async fn what_makes_something_new_is_sent_once_and_says_whether_it_may_have_been_done() {
    let server = answers(vec![status(503)]).await;
    let rate: RateSetting = serde_json::from_value(json!("10000/s")).unwrap();
    let once = |client: &ClientSettings| Session::new(client, key(), pacer(&rate, 1), quick()).unwrap();
    let request = || HttpRequest {
        body: Some(b"{}".to_vec()),
        ..HttpRequest::new(Method::Post, vec!["v1".to_owned(), "users".to_owned()])
    };
    let refused = once(&client(&server)).send(request()).await.unwrap_err();
    assert!(matches!(refused, CallFailure::Refused(reply) if reply.status == 503));
    assert_eq!(calls(&server).await, 1);
    let nobody = ClientSettings { allow_http_loopback: true, ..ClientSettings::new("http://127.0.0.1:9") };
    let failure = once(&nobody).send(request()).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Silent { maybe_done: false, .. }), "{failure:?}");
}
