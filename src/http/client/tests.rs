use std::sync::Arc;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const TOKEN: &str = "s3cr3t-t0ken";

fn settings(base: impl Into<String>) -> ClientSettings {
    ClientSettings {
        allow_http_loopback: true,
        auth: Some(Auth {
            header: "Authorization".into(),
            template: "Bearer {token}".into(),
            token: Secret::new(TOKEN).unwrap(),
        }),
        ..ClientSettings::new(base)
    }
}

fn client(base: impl Into<String>) -> Client {
    Client::new(&settings(base)).unwrap_or_else(|why| panic!("{why}"))
}

fn get(segments: &[&str]) -> HttpRequest {
    HttpRequest::new(Method::Get, segments.iter().map(|&s| s.to_owned()).collect())
}

fn refusal(settings: &ClientSettings) -> String {
    Client::new(settings).map(|_| ()).unwrap_err().to_string()
}

/// A server that writes the same bytes to whoever asks, then does what `end` says; and what it was sent.
async fn raw(bytes: impl Into<Vec<u8>>, end: End) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (bytes, heard) = (bytes.into(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (bytes, log) = (bytes.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                let n = socket.read(&mut buffer).await.unwrap_or(0);
                log.lock().unwrap().extend_from_slice(&buffer[..n]);
                let _ = socket.write_all(&bytes).await;
                match end {
                    End::Close => {}
                    End::Silence => std::future::pending().await,
                    End::Drip => loop {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        if socket.write_all(b"x").await.is_err() {
                            return;
                        }
                    },
                    End::Flood => {
                        let chunk = vec![b'x'; 64 << 10];
                        while socket.write_all(&chunk).await.is_ok() {}
                    }
                }
            });
        }
    });
    (base, heard)
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Silence,
    Drip,
    Flood,
}

#[test]
fn i6_only_https_or_permitted_loopback_is_spoken() {
    for base in ["http://127.0.0.1:8080/scim", "http://localhost/scim", "http://[::1]:9/", "http://127.8.8.8"] {
        assert!(Client::new(&settings(base)).is_ok(), "{base}");
        let strict = ClientSettings { allow_http_loopback: false, ..settings(base) };
        assert!(refusal(&strict).contains("allow_http_loopback"), "{base}");
    }
    for (base, why) in [
        ("http://example.com/scim", "use https"),
        ("http://127.0.0.1.example.com/", "use https"),
        ("http://localhost.example.com/", "use https"),
        ("http://10.0.0.1/", "use https"),
        ("ftp://127.0.0.1/", "only https"),
        ("https://example.com/scim?x=1", "query"),
        ("https://example.com/scim#x", "fragment"),
        ("/scim/v2", "relative URL"),
        ("", "relative URL"),
    ] {
        assert!(refusal(&settings(base)).contains(why), "{base}: {}", refusal(&settings(base)));
    }
}

#[test]
fn i6_a_password_in_the_base_url_is_refused_and_not_repeated() {
    let text = refusal(&settings("https://admin:hunter2@example.com/scim"));
    assert!(text.contains("secret files") && !text.contains("hunter2"), "{text}");
}

#[test]
fn i6_a_header_that_can_not_be_sent_is_found_before_anything_is() {
    let bad = |auth| refusal(&ClientSettings { auth: Some(auth), ..settings("https://example.com") });
    let auth = |header: &str, template: &str| Auth {
        header: header.into(),
        template: template.into(),
        token: Secret::new(TOKEN).unwrap(),
    };
    assert!(bad(auth("no spaces", "{token}")).contains("not a header's name"));
    assert!(bad(auth("Authorization", "Bearer")).contains("no {token}"));
    let split = bad(auth("Authorization", "Bearer\r\nX: {token}"));
    assert!(!split.contains(TOKEN), "{split}");
}

#[test]
fn a_ca_file_without_certificates_is_a_mistake() {
    let with = |pem: &[u8]| ClientSettings { ca_pem: Some(pem.to_vec()), ..settings("https://example.com") };
    assert!(refusal(&with(b"")).contains("CA file"));
    assert!(refusal(&with(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n")).contains("CA file"));
}

#[test]
fn urls_are_joined_with_one_slash_and_ids_stay_one_segment() {
    for base in ["https://h.example/scim/v2", "https://h.example/scim/v2/"] {
        let client = client(base);
        let url = |segments: &[&str]| client.url(&segments.iter().map(|&s| s.to_owned()).collect::<Vec<_>>());
        assert_eq!(url(&["Users"]).unwrap(), "https://h.example/scim/v2/Users");
        assert_eq!(url(&["Users", "a b/ü?#%+"]).unwrap(), "https://h.example/scim/v2/Users/a%20b%2F%C3%BC%3F%23%25%2B");
        assert_eq!(url(&["Users", "a-b.c_d~e"]).unwrap(), "https://h.example/scim/v2/Users/a-b.c_d~e");
        for id in ["", ".", ".."] {
            assert!(matches!(url(&["Users", id]), Err(SendError::NotSent(_))), "{id:?} would name another resource");
        }
    }
}

#[test]
fn i6_an_address_outside_of_the_base_is_never_called_whatever_made_it() {
    let client = client("https://app.example.org:8443/scim/v2".to_owned());
    let is_below = |url: &str| client.is_below(&Url::parse(url).unwrap());
    for inside in ["", "/", "/Users", "/Users/1?count=2", "?count=2"] {
        assert!(is_below(&format!("https://app.example.org:8443/scim/v2{inside}")), "{inside:?}");
    }
    for outside in [
        "https://app.example.org:8443/scim/v2x/Users",
        "https://app.example.org:8443/scim/v2/../Users",
        "https://app.example.org:8443/scim/v2/%2e%2e/Users",
        "https://app.example.org:8443/",
        "https://app.example.org/scim/v2/Users",
        "http://app.example.org:8443/scim/v2/Users",
        "https://app.example.org.evil.example:8443/scim/v2/Users",
        "https://evil.example:8443/scim/v2/Users",
    ] {
        assert!(!is_below(outside), "{outside}");
    }
}

#[tokio::test]
async fn i6_a_request_carries_what_it_should_and_nothing_else() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = client(format!("{}/scim/v2/", server.uri()));
    let mut request = get(&["Users"]);
    request.query = vec![("filter", r#"userName eq "a+b&c""#.to_owned()), ("count", "1".to_owned())];
    client.send(request).await.unwrap();
    let request = HttpRequest {
        body: Some(b"{}".to_vec()),
        trailing_slash: true,
        ..HttpRequest::new(Method::Post, vec!["Users".into()])
    };
    client.send(request).await.unwrap();
    let seen = server.received_requests().await.unwrap();
    let url = seen[0].url.as_str();
    assert!(url.ends_with("/scim/v2/Users?filter=userName%20eq%20%22a%2Bb%26c%22&count=1"), "{url}");
    let header =
        |at: usize, name: &str| seen[at].headers.get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned());
    assert_eq!(header(0, "authorization").unwrap(), format!("Bearer {TOKEN}"));
    assert_eq!(header(0, "user-agent").unwrap(), concat!("rosterd/", env!("CARGO_PKG_VERSION")));
    assert_eq!((header(0, "content-type"), header(0, "accept-encoding"), header(0, "cookie")), (None, None, None));
    assert_eq!(header(1, "content-type").unwrap(), "application/json");
    assert_eq!(seen[1].url.path(), "/scim/v2/Users/");
}

#[tokio::test]
async fn t7_no_redirect_is_followed_and_no_byte_reaches_the_other_side() {
    let (other, heard) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", End::Close).await;
    for status in [301, 302, 303, 307, 308] {
        for method in [Method::Get, Method::Post, Method::Patch, Method::Delete] {
            let server = MockServer::start().await;
            let moved = ResponseTemplate::new(status).insert_header("Location", format!("{other}/Users").as_str());
            Mock::given(any()).respond_with(moved).mount(&server).await;
            let request = HttpRequest {
                body: Some(b"{\"userName\":\"ann\"}".to_vec()),
                ..HttpRequest::new(method, vec!["Users".into()])
            };
            let reply = client(server.uri()).send(request).await.unwrap();
            assert_eq!(reply.status, status);
            assert_eq!(reply.location_host.as_deref(), other.strip_prefix("http://"));
        }
    }
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn t8_a_slow_body_is_cut_by_the_total_limit_and_a_silent_one_by_the_idle_limit() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{";
    let limits = |base: String| ClientSettings {
        idle_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_millis(900),
        ..settings(base)
    };
    let (silent, _) = raw(head, End::Silence).await;
    let started = std::time::Instant::now();
    let reply = Client::new(&limits(silent)).unwrap_or_else(|e| panic!("{e}")).send(get(&["a"])).await.unwrap();
    assert!(matches!(reply.fault, Some(BodyFault::Cut(_))), "{:?}", reply.fault);
    assert!(started.elapsed() < Duration::from_millis(850), "the idle limit, not the total one");
    let (slow, _) = raw(head, End::Drip).await;
    let started = std::time::Instant::now();
    let reply = Client::new(&limits(slow)).unwrap_or_else(|e| panic!("{e}")).send(get(&["a"])).await.unwrap();
    assert!(matches!(reply.fault, Some(BodyFault::Cut(_))), "{:?}", reply.fault);
    assert!(started.elapsed() >= Duration::from_millis(850), "a slow body is alive until the total limit");
    // No head at all: it may have been carried out.
    let (mute, _) = raw("", End::Silence).await;
    let sent = Client::new(&limits(mute)).unwrap_or_else(|e| panic!("{e}")).send(get(&["a"])).await;
    assert!(matches!(sent, Err(SendError::NoAnswer(_))), "{sent:?}");
}

#[tokio::test]
async fn t9_a_huge_body_is_cut_at_the_limit() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"] {
        let (base, _) = raw(head, End::Flood).await;
        let limited = ClientSettings { max_body: 100_000, ..settings(base) };
        let reply = Client::new(&limited).unwrap_or_else(|e| panic!("{e}")).send(get(&["a"])).await.unwrap();
        assert_eq!(reply.fault, Some(BodyFault::TooLarge(100_000)));
        assert_eq!(reply.body.len(), 100_000);
        assert!(reply.body.capacity() < 300_000, "an announced length reserves no memory beyond the limit");
    }
    let (base, _) = raw("HTTP/1.1 500 Oops\r\n\r\n", End::Flood).await;
    let reply = client(base).send(get(&["a"])).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (500, ERROR_BODY));
}

#[tokio::test]
async fn t9_a_million_headers_are_not_swallowed() {
    let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(1_000_000));
    let (base, _) = raw(head, End::Close).await;
    assert!(matches!(client(base).send(get(&["a"])).await, Err(SendError::NoAnswer(_))));
}

#[tokio::test]
async fn s8_a_body_that_ends_early_is_a_fault_and_keeps_its_status() {
    for head in [
        "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n",
    ] {
        let (base, _) = raw(head, End::Close).await;
        let reply = client(base).send(get(&["a"])).await.unwrap();
        assert_eq!(reply.status, 201);
        assert!(matches!(reply.fault, Some(BodyFault::Cut(_))), "{:?}", reply.fault);
    }
}

#[tokio::test]
async fn what_was_surely_not_sent_is_told_from_what_may_have_been_done() {
    // Nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let sent = client(base).send(get(&["Users"])).await;
    assert!(matches!(&sent, Err(SendError::Unreachable(text)) if text.contains("refused")), "{sent:?}");
    // No such name.
    let sent = client("https://no-such-host.invalid/scim").send(get(&["Users"])).await;
    assert!(matches!(&sent, Err(SendError::Unreachable(_))), "{sent:?}");
    // Somebody listens, who speaks no TLS.
    let (plain, _) = raw("HTTP/1.1 400 Bad Request\r\n\r\n", End::Close).await;
    let sent = client(plain.replace("http:", "https:")).send(get(&["Users"])).await;
    assert!(matches!(&sent, Err(SendError::Untrusted(text)) if text.contains("TLS")), "{sent:?}");
    // It is heard, and the connection ends.
    let (rude, heard) = raw("", End::Close).await;
    let sent = client(rude).send(get(&["Users"])).await;
    assert!(matches!(&sent, Err(SendError::NoAnswer(_))), "{sent:?}");
    assert!(!heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn i6_no_error_text_holds_the_token_or_the_query() {
    let (rude, _) = raw("", End::Close).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for base in [rude, refused, "https://no-such-host.invalid".to_owned()] {
        let mut request = get(&["Users"]);
        request.query = vec![("filter", "ann@example.com".to_owned())];
        let text = client(base).send(request).await.unwrap_err().to_string();
        assert!(!text.contains(TOKEN) && !text.contains("ann") && !text.contains("filter"), "{text}");
    }
    let quoted = format!("invalid token {TOKEN}, really {TOKEN}");
    assert_eq!(client("https://a.example").redact(quoted), "invalid token [token], really [token]");
}

#[test]
fn a_wish_is_read_from_whichever_header_has_it() {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let wish = |headers: &[(&'static str, &str)]| {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        wish(&headers, now)
    };
    assert_eq!(wish(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
    assert_eq!(
        wish(&[("retry-after", "Thu, 01 Jan 2026 05:00:03 GMT"), ("date", "Thu, 01 Jan 2026 05:00:00 GMT")]),
        Some(Duration::from_secs(3))
    );
    assert_eq!(wish(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4")]), Some(Duration::from_secs(4)));
    assert_eq!(wish(&[("x-rate-limit-remaining", "9"), ("x-rate-limit-reset", "4")]), None);
    assert_eq!(wish(&[("retry-after", "nonsense")]), None);
    assert_eq!(wish(&[]), None);
}
