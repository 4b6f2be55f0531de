use std::sync::{Arc, Mutex};

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpListener;

use super::*;
use crate::http::certificate::tests::{Authority, serve, serve_with};
use crate::http::{Client, ClientSettings, HttpRequest, Method};

const HOST: &str = "app.acme.test";

/// What a proxy does with a connection.
#[derive(Clone)]
enum Habit {
    /// Leads to this port of this machine, whatever host is asked for.
    Tunnel(u16),
    /// Asks for this header, then does the same.
    Login(u16, &'static str),
    /// Answers so.
    Answer(&'static str),
    /// Closes the connection at once.
    HangUp,
    /// SOCKS5 without, or with user name and password, to this port.
    Socks(u16, Option<(&'static str, &'static str)>),
}

/// A proxy on this machine, and what passed through its own hands: never what is inside of a tunnel.
struct TestProxy {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (habit, notes) = (habit.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    // A client that goes away ends the connection.
                    let _gone = match habit {
                        Habit::Socks(port, login) => socks(socket, port, login, &notes).await,
                        habit => connect(socket, habit, &notes).await,
                    };
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn network(&self, scheme: &str, login: Option<(&str, &str)>, bypass: &[&str]) -> Network {
        Network {
            proxy: ProxyChoice::Through(ProxySettings {
                address: format!("{scheme}://127.0.0.1:{}", self.port),
                login: login.map(|(user, password)| (user.to_owned(), Secret::new(password).unwrap())),
                bypass: bypass.iter().map(|host| (*host).to_owned()).collect(),
            }),
            ..Network::default()
        }
    }
}

async fn connect(mut socket: TcpStream, habit: Habit, notes: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && socket.read_buf(&mut head).await? > 0 {}
    let head = String::from_utf8_lossy(&head).into_owned();
    notes.lock().unwrap().push(head.clone());
    let port = match habit {
        Habit::Tunnel(port) => port,
        Habit::Login(port, wanted) if head.contains(wanted) => port,
        Habit::Login(..) => return socket.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
        Habit::Answer(text) => return socket.write_all(text.as_bytes()).await,
        Habit::HangUp | Habit::Socks(..) => return Ok(()),
    };
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    through(socket, port).await
}

async fn socks(
    mut socket: TcpStream,
    port: u16,
    login: Option<(&str, &str)>,
    notes: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let count = {
        socket.read_u8().await?;
        socket.read_u8().await?
    };
    let mut methods = vec![0; count.into()];
    socket.read_exact(&mut methods).await?;
    if let Some((user, password)) = login {
        socket.write_all(&[5, 2]).await?;
        socket.read_u8().await?;
        let given = (text(&mut socket).await?, text(&mut socket).await?);
        let is_good = given == (user.to_owned(), password.to_owned());
        socket.write_all(&[1, u8::from(!is_good)]).await?;
        if !is_good {
            return Ok(());
        }
    } else {
        socket.write_all(&[5, 0]).await?;
    }
    let mut head = [0; 4];
    socket.read_exact(&mut head).await?;
    let host = match head[3] {
        3 => text(&mut socket).await?,
        _ => {
            socket.read_u32().await?;
            "an address".to_owned()
        }
    };
    let wanted = socket.read_u16().await?;
    notes.lock().unwrap().push(format!("{host}:{wanted}"));
    socket.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    through(socket, port).await
}

async fn text(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut text = vec![0; socket.read_u8().await?.into()];
    socket.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn through(mut client: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn settings(authority: &Authority, network: Network) -> ClientSettings {
    ClientSettings { ca_pem: Some(authority.pem()), network, ..ClientSettings::new(format!("https://{HOST}")) }
}

async fn status(settings: &ClientSettings) -> Result<u16, SendError> {
    let client = Client::new(settings).unwrap();
    client.send(HttpRequest::new(Method::Get, vec!["Users".to_owned()])).await.map(|reply| reply.status)
}

/// A server for the host, and the authority that it is known by.
async fn origin() -> (Authority, u16) {
    let authority = Authority::new();
    let port = serve(&authority.issue(HOST, |_| {})).await;
    (authority, port)
}

#[tokio::test]
async fn a_proxy_sees_the_hosts_name_and_never_the_request() {
    let (authority, port) = origin().await;
    let proxy = TestProxy::start(Habit::Tunnel(port)).await;
    let auth = crate::http::Auth {
        header: "Authorization".to_owned(),
        template: "Bearer {token}".to_owned(),
        token: Secret::new("s3cr3t-token").unwrap(),
    };
    let settings = ClientSettings { auth: Some(auth), ..settings(&authority, proxy.network("http", None, &[])) };
    assert_eq!(status(&settings).await, Ok(204));
    let seen = proxy.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{seen:?}");
    assert!(!seen[0].contains("Authorization") && !seen[0].contains("Users"), "{seen:?}");
}

#[tokio::test]
async fn i6_the_password_of_a_proxy_goes_to_the_proxy_alone() {
    let (authority, port) = origin().await;
    // `ann:p@ss word/1` in base64.
    let proxy = TestProxy::start(Habit::Login(port, "YW5uOnBAc3Mgd29yZC8x")).await;
    assert_eq!(status(&settings(&authority, proxy.network("http", Some(("ann", "p@ss word/1")), &[]))).await, Ok(204));
    for login in [None, Some(("ann", "wrong"))] {
        let error = status(&settings(&authority, proxy.network("http", login, &[]))).await.unwrap_err();
        assert!(matches!(error, SendError::Untrusted(_)), "a repetition would end alike: {error:?}");
        let text = error.to_string();
        assert!(
            text.contains("407") && text.contains("proxy_user") && text.contains(&proxy.port.to_string()),
            "{text}"
        );
        assert!(!text.contains("wrong"), "{text}");
    }
}

#[tokio::test]
async fn what_a_proxy_refuses_is_told_apart_from_what_the_app_says() {
    let cases = [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            true,
            "does not let connections to app.acme.test:443 through (HTTP/1.1 403 Forbidden)",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", false, "could not reach app.acme.test:443 (HTTP/1.1 502 Bad Gateway)"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false, "could not reach app.acme.test:443"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", true, "is no HTTP proxy"),
    ];
    for (answer, is_lasting, wanted) in cases {
        let proxy = TestProxy::start(Habit::Answer(answer)).await;
        let error = status(&settings(&Authority::new(), proxy.network("http", None, &[]))).await.unwrap_err();
        assert_eq!(matches!(error, SendError::Untrusted(_)), is_lasting, "{answer}: {error:?}");
        assert!(error.to_string().contains(wanted), "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_gone_or_hangs_up_is_an_outage() {
    let proxy = TestProxy::start(Habit::HangUp).await;
    let error = status(&settings(&Authority::new(), proxy.network("http", None, &[]))).await.unwrap_err();
    assert!(error.to_string().contains(&proxy.port.to_string()), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TestProxy { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
    drop(listener);
    for scheme in ["http", "socks5h"] {
        let error = status(&settings(&Authority::new(), gone.network(scheme, None, &[]))).await.unwrap_err();
        assert!(matches!(error, SendError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains("proxy"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_judged_behind_a_proxy_as_without_one() {
    let (_, port) = origin().await;
    let proxy = TestProxy::start(Habit::Tunnel(port)).await;
    let error = status(&settings(&Authority::named("another"), proxy.network("http", None, &[]))).await.unwrap_err();
    assert!(matches!(&error, SendError::Untrusted(text) if text.contains("was not issued by")), "{error:?}");
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name_and_asks_for_a_password() {
    let (authority, port) = origin().await;
    let open = TestProxy::start(Habit::Socks(port, None)).await;
    assert_eq!(status(&settings(&authority, open.network("socks5h", None, &[]))).await, Ok(204));
    assert_eq!(open.seen(), [format!("{HOST}:443")]);
    let closed = TestProxy::start(Habit::Socks(port, Some(("ann", "p@ss")))).await;
    assert_eq!(status(&settings(&authority, closed.network("socks5h", Some(("ann", "p@ss")), &[]))).await, Ok(204));
    let error = status(&settings(&authority, closed.network("socks5h", Some(("ann", "no")), &[]))).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Untrusted(text) if text.contains("asks for a user name and password, or refuses them")),
        "{error:?}"
    );
}

#[test]
fn no_proxy_names_domains_addresses_and_networks() {
    let route = |origin: &str, bypass: &[&str]| {
        let choice = ProxyChoice::Through(ProxySettings {
            address: "http://proxy.acme.test:3128".to_owned(),
            login: None,
            bypass: bypass.iter().map(|host| (*host).to_owned()).collect(),
        });
        choice.shown_for(&Url::parse(origin).unwrap()).unwrap()
    };
    let used = Some("http://proxy.acme.test:3128".to_owned());
    for (origin, bypass, is_used) in [
        ("https://app.example.com/scim", &[][..], true),
        ("https://app.example.com/scim", &[".example.com"], false),
        ("https://app.example.com/scim", &["example.com"], false),
        ("https://example.com/scim", &[".example.com"], false),
        ("https://notexample.com/scim", &["example.com"], true),
        ("https://10.1.2.3/scim", &["10.0.0.0/8"], false),
        ("https://11.1.2.3/scim", &["10.0.0.0/8"], true),
        ("https://[fd00::1]/scim", &["fd00::/8"], false),
        ("https://app.example.com:8443/scim", &["*"], false),
        // This machine, whatever is said.
        ("https://localhost:8443/scim", &[], false),
        ("https://127.0.0.1/scim", &[], false),
        ("http://127.0.0.1:8080/scim", &[], false),
    ] {
        assert_eq!(route(origin, bypass), used.clone().filter(|_| is_used), "{origin} {bypass:?}");
    }
}

#[tokio::test]
async fn a_server_with_another_key_than_the_pinned_one_gets_nothing() {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1", |_| {});
    let port = serve(&server).await;
    let with = |pins: Vec<[u8; 32]>| ClientSettings {
        base_url: format!("https://127.0.0.1:{port}"),
        ..settings(&authority, Network { tls: TlsPolicy { only_tls13: false, pins }, ..Network::default() })
    };
    assert_eq!(status(&with(Vec::new())).await, Ok(204));
    assert_eq!(status(&with(vec![[7; 32], server.pin()])).await, Ok(204), "one of several");
    let error = status(&with(vec![[7; 32]])).await.unwrap_err();
    let wanted = format!("has the key {}, which is none of `pins`", shown_pin(&server.pin()));
    assert!(matches!(&error, SendError::Untrusted(text) if text.contains(&wanted)), "{error:?}");
    // A pin takes nothing from the other checks.
    let stranger = ClientSettings { ca_pem: Some(Authority::named("another").pem()), ..with(vec![server.pin()]) };
    assert!(status(&stranger).await.unwrap_err().to_string().contains("was not issued by"));
}

#[tokio::test]
async fn an_old_version_of_tls_is_refused_where_the_settings_say_so() {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1", |_| {});
    for (versions, only_tls13, is_good) in [(&TLS12, false, true), (&TLS12, true, false), (&TLS13, true, true)] {
        let port = serve_with(&server, &[versions]).await;
        let network = Network { tls: TlsPolicy { only_tls13, pins: Vec::new() }, ..Network::default() };
        let settings =
            ClientSettings { base_url: format!("https://127.0.0.1:{port}"), ..settings(&authority, network) };
        let ended = status(&settings).await;
        assert_eq!(ended.is_ok(), is_good, "{versions:?} {only_tls13}: {ended:?}");
        if let Err(error) = ended {
            assert!(matches!(&error, SendError::Untrusted(text) if text.contains("no TLS version")), "{error:?}");
        }
    }
}
