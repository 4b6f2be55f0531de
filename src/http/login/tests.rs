use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::{any, path, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::config::login::SigningAlgorithm;
use crate::config::profile::RateSetting;
use crate::http::quota::pacer;

const SECRET: &str = "cl13nt-s3cret-canary-1";

struct By<F>(F);

impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for By<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(request)
    }
}

/// A token server at `/auth/token`, and an app below `/api`.
async fn server(
    grants: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static,
    app: impl Fn(&str) -> u16 + Send + Sync + 'static,
) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/auth/token")).respond_with(By(grants)).mount(&server).await;
    let answer = move |request: &Request| {
        let token = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        ResponseTemplate::new(app(token)).set_body_json(json!({}))
    };
    Mock::given(path_regex("^/api/.*")).respond_with(By(answer)).mount(&server).await;
    server
}

fn granted(token: &str, expires_in: u64) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in }))
}

fn quick() -> Backoff {
    Backoff { base: Duration::from_millis(2), cap: Duration::from_millis(20) }
}

fn client(server: &MockServer) -> ClientSettings {
    ClientSettings { allow_http_loopback: true, ..ClientSettings::new(format!("{}/api", server.uri())) }
}

fn credentials(server: &MockServer) -> Grant {
    let form = TokenForm {
        client_id: Some("us".to_owned()),
        client_secret: Some(Secret::new(SECRET).unwrap()),
        ..TokenForm::default()
    };
    Grant::form(&format!("{}/auth/token", server.uri()), None, form, &client(server)).unwrap()
}

fn session(server: &MockServer, login: Login) -> Session {
    let rate: RateSetting = serde_json::from_value(json!("100000/s")).unwrap();
    Session::new(&client(server), login, pacer(&rate, 64), quick()).unwrap()
}

fn with_credentials(server: &MockServer) -> Session {
    session(server, Login::Granted(Box::new(credentials(server))))
}

fn users() -> HttpRequest {
    HttpRequest::new(Method::Get, vec!["Users".to_owned()])
}

async fn count(server: &MockServer, below: &str) -> usize {
    let received = server.received_requests().await.unwrap();
    received.iter().filter(|request| request.url.path().starts_with(below)).count()
}

fn refused(ended: Result<HttpResponse, CallFailure>) -> String {
    match ended {
        Err(CallFailure::Login(error)) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(reply) => panic!("{}", reply.status),
    }
}

#[tokio::test]
async fn a_storm_of_refusals_is_one_renewal() {
    let serial = AtomicUsize::new(0);
    let server = server(
        move |_| granted(&format!("access-token-number-{}", serial.fetch_add(1, Ordering::SeqCst)), 3600),
        |token| if token.ends_with("number-0") { 401 } else { 200 },
    )
    .await;
    let session = with_credentials(&server);
    let replies = join_all((0..50).map(|_| session.send(users()))).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!(count(&server, "/auth").await, 2, "the first, and one for all who were refused");
}

#[tokio::test]
async fn an_app_that_refuses_every_token_does_not_make_the_token_server_suffer() {
    let serial = AtomicUsize::new(0);
    let server =
        server(move |_| granted(&format!("token-{}", serial.fetch_add(1, Ordering::SeqCst)), 3600), |_| 401).await;
    let session = with_credentials(&server);
    let replies = join_all((0..50).map(|_| session.send(users()))).await;
    assert!(replies.iter().all(|reply| matches!(reply, Err(CallFailure::Refused(reply)) if reply.status == 401)));
    assert_eq!(count(&server, "/auth").await, 2);
    assert!(count(&server, "/api").await <= 100, "each call is repeated once at most");
}

#[tokio::test]
async fn a_token_of_two_seconds_lasts_a_run_of_five_without_a_refusal_or_a_loop() {
    let (granted_at, refusals) =
        (Arc::new(std::sync::Mutex::new(Vec::<Instant>::new())), Arc::new(AtomicUsize::new(0)));
    let (seen, counted) = (Arc::clone(&granted_at), Arc::clone(&refusals));
    let server = server(
        move |_| {
            let mut granted_at = granted_at.lock().unwrap();
            granted_at.push(Instant::now());
            granted(&format!("token-{}", granted_at.len() - 1), 2)
        },
        move |token| {
            let at: usize = token.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap();
            match seen.lock().unwrap()[at].elapsed() < Duration::from_secs(2) {
                true => 200,
                false => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    401
                }
            }
        },
    )
    .await;
    let session = with_credentials(&server);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        session.send(users()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = count(&server, "/auth").await;
    assert!((3..=5).contains(&asked), "{asked} tokens in five seconds");
    assert_eq!(refusals.load(Ordering::SeqCst), 0, "renewed before it ended");
}

#[tokio::test]
async fn a_token_that_is_still_good_is_used_while_the_token_server_is_down() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let server = server(
        move |_| if down.load(Ordering::SeqCst) { ResponseTemplate::new(503) } else { granted("good-token", 5) },
        |_| 200,
    )
    .await;
    let session = with_credentials(&server);
    session.send(users()).await.unwrap();
    is_down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(4_100)).await;
    session.send(users()).await.unwrap();
    assert_eq!(count(&server, "/auth").await, 4, "the first, and three tries to renew it");
}

#[tokio::test]
async fn runs_of_one_client_share_a_token_and_others_do_not() {
    let server = server(|_| granted("one-token", 3600), |_| 200).await;
    let slots = TokenSlots::default();
    for _ in 0..3 {
        let grant = slots.sharing(credentials(&server));
        session(&server, Login::Granted(Box::new(grant))).send(users()).await.unwrap();
    }
    assert_eq!(count(&server, "/auth").await, 1);
    with_credentials(&server).send(users()).await.unwrap();
    assert_eq!(count(&server, "/auth").await, 2);
}

#[tokio::test]
async fn what_is_no_token_is_one_clear_error_and_nothing_reaches_the_app() {
    let oauth = |code: &str, said: &str| {
        ResponseTemplate::new(400).set_body_json(json!({ "error": code, "error_description": said }))
    };
    let echoed = format!("bad secret {SECRET}");
    for (answer, says, asked) in [
        (oauth("invalid_client", &echoed), "400 invalid_client: the client id or its secret", 1),
        (
            oauth("invalid_scope", "no such scope"),
            "invalid_scope: the scope is unknown, or this client may not have it (no such scope)",
            1,
        ),
        (ResponseTemplate::new(401), "401 (the token is not accepted)", 1),
        (ResponseTemplate::new(404), "is the address right?", 1),
        (
            ResponseTemplate::new(302).insert_header("location", "https://evil.example/"),
            "redirects are not followed",
            1,
        ),
        (ResponseTemplate::new(503), "(tried 3 times)", 3),
        (
            ResponseTemplate::new(200).set_body_raw("<html><title>Log in</title>", "text/html"),
            "HTML page titled \"Log in\"",
            1,
        ),
        (ResponseTemplate::new(200).set_body_json(json!({ "token": "t" })), "no access_token", 1),
        (
            ResponseTemplate::new(200).set_body_json(json!({ "access_token": "t0k3n", "token_type": "mac" })),
            "only bearer",
            1,
        ),
        (
            ResponseTemplate::new(200).set_body_raw(vec![b' '; 300 << 10], "application/json"),
            "larger than 262144 bytes",
            1,
        ),
    ] {
        let server = server(move |_| answer.clone(), |_| 200).await;
        let error = refused(with_credentials(&server).send(users()).await);
        assert!(error.contains(says), "{says}: {error}");
        assert!(!error.contains(SECRET) && !error.contains("t0k3n"), "{error}");
        assert_eq!(count(&server, "/auth").await, asked, "{says}");
        assert_eq!(count(&server, "/api").await, 0, "{says}");
    }
}

fn assertion(server: &MockServer) -> Login {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = SigningKey::from_pem(&key, SigningAlgorithm::ES256, None).unwrap();
    let [issuer, subject, audience] = ["us", "svc", "aud"].map(str::to_owned);
    let assertion = Assertion { key, issuer, subject, audience, scope: None };
    let form = TokenForm { assertion: Some(assertion), ..TokenForm::default() };
    Login::Granted(Box::new(Grant::form(&format!("{}/auth/token", server.uri()), None, form, &client(server)).unwrap()))
}

/// `iat` and `exp` of the assertion in a request.
fn times(request: &Request) -> [i64; 2] {
    use base64::Engine as _;
    let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&request.body).collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(form["assertion"].split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    ["iat", "exp"].map(|name| claims[name].as_i64().unwrap())
}

#[tokio::test]
async fn an_assertion_is_signed_by_the_servers_clock_where_that_is_another() {
    let an_hour = SignedDuration::from_hours(1);
    for (ahead, asked) in [(an_hour, 2), (-an_hour, 2), (SignedDuration::ZERO, 1)] {
        let server = server(
            move |request| {
                let now = SystemClock.now() + ahead;
                let [issued, expires] = times(request);
                let answer = match (issued..=expires).contains(&now.as_second()) {
                    true => granted("token-of-an-assertion", 60),
                    false => ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" })),
                };
                answer.insert_header("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().as_str())
            },
            |_| 200,
        )
        .await;
        session(&server, assertion(&server)).send(users()).await.unwrap();
        assert_eq!(count(&server, "/auth").await, asked, "{ahead}");
    }
}

#[tokio::test]
async fn a_refused_assertion_is_not_signed_again_where_the_clocks_agree() {
    let server =
        server(|_| ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" })), |_| 200).await;
    let error = refused(session(&server, assertion(&server)).send(users()).await);
    assert!(error.contains("invalid_grant: the assertion"), "{error}");
    assert_eq!(count(&server, "/auth").await, 1);
}

fn two_keys() -> Login {
    let auth = |token: &str| Auth {
        header: "authorization".to_owned(),
        template: "Bearer {token}".to_owned(),
        token: Secret::new(token).unwrap(),
    };
    Login::Rotating([auth("first-key-canary-1"), auth("second-key-canary-2")])
}

async fn with_two_keys(accepted: &'static str) -> (MockServer, Authenticator) {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        let is_good = request.headers.get("authorization").is_some_and(|value| value == accepted);
        ResponseTemplate::new(if is_good { 200 } else { 401 })
    };
    Mock::given(any()).respond_with(By(answer)).mount(&server).await;
    let authenticator = Authenticator::new(&client(&server), two_keys(), quick()).unwrap();
    (server, authenticator)
}

async fn statuses(authenticator: &Authenticator, calls: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..calls {
        let send = async |client: Arc<Client>| client.send(users()).await;
        statuses.push(authenticator.call(send).await.unwrap().unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn the_second_token_is_tried_once_when_the_first_is_refused_and_stays_in_use() {
    let (server, keys) = with_two_keys("Bearer second-key-canary-2").await;
    assert_eq!(keys.key_in_use(), Some(KeyInUse::First));
    assert_eq!(statuses(&keys, 3).await, [200, 200, 200]);
    assert_eq!(keys.key_in_use(), Some(KeyInUse::Second));
    assert_eq!(count(&server, "/").await, 4, "the first is not tried again");

    let (server, keys) = with_two_keys("Bearer first-key-canary-1").await;
    assert_eq!(statuses(&keys, 3).await, [200, 200, 200]);
    assert_eq!((keys.key_in_use(), count(&server, "/").await), (Some(KeyInUse::First), 3));

    let (server, keys) = with_two_keys("Bearer neither").await;
    assert_eq!(statuses(&keys, 3).await, [401, 401, 401]);
    assert_eq!((keys.key_in_use(), count(&server, "/").await), (Some(KeyInUse::Neither), 4), "no going back and forth");
    let text = keys.redact("first-key-canary-1 and second-key-canary-2".to_owned());
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_user_name_and_a_password_travel_as_http_basic() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let login = Login::basic("svc", &Secret::new("p4ss:word").unwrap());
    session(&server, login).send(users()).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["authorization"], "Basic c3ZjOnA0c3M6d29yZA==");
}
