//! The real binary, logging in: token servers, client certificates, two tokens. What is secret is found in no file and no output.

use std::path::Path;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::cli::{Desk, TOKEN};
use crate::notify::Receiver;
use crate::support::directory::Directory;
use crate::support::mtls::{Demanding, make_expired};
use crate::support::proxy::{Fault, Rule};
use crate::support::{http, rig, slapd};

const SECRET: &str = "client-s3cret-canary-77d1";

/// A token server that grants the sandbox's own token, or refuses.
struct TokenServer(MockServer);

struct By<F>(F);

impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for By<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(request)
    }
}

impl TokenServer {
    fn start() -> Self {
        Self::answering(|_| {
            ResponseTemplate::new(200)
                .set_body_json(json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 }))
        })
    }

    fn answering(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> Self {
        Self(http::block_on(async move {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(By(answer)).mount(&server).await;
            server
        }))
    }

    fn url(&self) -> String {
        format!("{}/oauth2/token", self.0.uri())
    }

    /// The requests, as form fields, and what the header says.
    fn forms(&self) -> Vec<(Value, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let received = runtime.block_on(self.0.received_requests()).unwrap();
        let form = |request: &Request| {
            let fields = url::form_urlencoded::parse(&request.body);
            let fields = fields.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect();
            let header = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
            (Value::Object(fields), header.to_owned())
        };
        received.iter().map(form).collect()
    }
}

/// The tenant with another way in.
fn tenant(desk: &Desk, base_url: &str, login: &str) {
    let file = format!(
        "[source.file]\npath = \"../people.json\"\n\n[target]\nbase_url = \"{base_url}\"\nrate = \"1000/s\"\n\
         allow_http_loopback = true\n{login}\n"
    );
    desk.rosterd.tenant("acme", &file);
}

fn key(desk: &Desk, name: &str) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    desk.rosterd.secret(name, &key.serialize_pem());
}

/// Neither in a file of the installation, its logs and outputs included, beside the one that holds it.
fn leaks(desk: &Desk, text: &str, holders: usize) {
    assert_eq!(desk.rosterd.files_holding(text).len(), holders, "{:?}", desk.rosterd.files_holding(text));
}

#[test]
fn every_way_to_a_token_reaches_the_app_and_leaves_no_secret_behind() {
    for (login, header, fields) in [
        (
            "oauth2 = { token_url = \"URL\", client_id = \"us\", client_secret = { file = \"../client.secret\" }, scope = \"scim\", audience = \"heap\" }",
            "Basic ",
            json!({ "grant_type": "client_credentials", "scope": "scim", "audience": "heap" }),
        ),
        (
            "oauth2 = { token_url = \"URL\", client_id = \"us\", client_secret = { file = \"../client.secret\" }, client_auth = \"body\", parameters = { account_id = \"7\" } }",
            "",
            json!({ "grant_type": "client_credentials", "client_id": "us", "client_secret": SECRET, "account_id": "7" }),
        ),
        (
            "oauth2 = { token_url = \"URL\", client_id = \"us\", client_auth = \"private_key_jwt\", key = { file = \"../client.key\" }, algorithm = \"ES256\" }",
            "",
            json!({
                "grant_type": "client_credentials", "client_id": "us",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            }),
        ),
        (
            "jwt = { token_url = \"URL\", key = { file = \"../client.key\" }, issuer = \"us\", subject = \"svc\", audience = \"aud\", algorithm = \"ES256\" }",
            "",
            json!({ "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer" }),
        ),
    ] {
        let (desk, server) = (Desk::new(), TokenServer::start());
        desk.rosterd.secret("client.secret", SECRET);
        key(&desk, "client.key");
        let login = login.replace("URL", &server.url());
        tenant(&desk, &desk.proxy.base_url, &login);
        let report = desk.sync(0);
        assert_eq!(report["failed"], 0, "{report:#}");
        assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
        let forms = server.forms();
        assert_eq!(forms.len(), 1, "one token for the whole run");
        let (form, sent) = &forms[0];
        assert!(sent.starts_with(header) && sent.is_empty() == header.is_empty(), "{sent}");
        for (name, value) in fields.as_object().unwrap() {
            assert_eq!(&form[name], value, "{name}");
        }
        let doctor = desk.rosterd.run(&["doctor", "acme"]);
        let shown = &doctor.expect_code(0).stdout;
        assert!(shown.contains("a token was granted; it lasts for"), "{shown}");
        leaks(&desk, TOKEN, 1);
        leaks(&desk, SECRET, 1);
        for name in ["assertion", "client_assertion"] {
            if let Some(assertion) = form[name].as_str() {
                leaks(&desk, assertion, 0);
            }
        }
    }
}

#[test]
fn a_token_that_is_refused_in_the_middle_of_a_run_is_renewed_once() {
    let (desk, server) = (Desk::new(), TokenServer::start());
    desk.rosterd.secret("client.secret", SECRET);
    let login = format!(
        "oauth2 = {{ token_url = \"{}\", client_id = \"us\", client_secret = {{ file = \"../client.secret\" }} }}",
        server.url()
    );
    tenant(&desk, &desk.proxy.base_url, &login);
    desk.proxy.inject(Rule::on("POST", "/Users").skip(1).times(1), Fault::status(401));
    let report = desk.sync(0);
    assert_eq!((&report["failed"], server.forms().len()), (&json!(0), 2), "{report:#}");
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
}

#[test]
fn a_refused_client_stops_its_tenant_before_the_app_is_asked_and_no_other() {
    let desk = Desk::new();
    let refusing = TokenServer::answering(|_| {
        ResponseTemplate::new(400)
            .set_body_json(json!({ "error": "invalid_scope", "error_description": format!("{SECRET} has no scope") }))
    });
    desk.rosterd.secret("client.secret", SECRET);
    let login = format!(
        "oauth2 = {{ token_url = \"{}\", client_id = \"us\", client_secret = {{ file = \"../client.secret\" }}, client_auth = \"body\", scope = \"x\" }}",
        refusing.url()
    );
    tenant(&desk, &desk.proxy.base_url, &login);
    let run = desk.rosterd.run(&["sync", "acme"]);
    let said = &run.expect_code(1).stderr;
    assert!(said.contains("invalid_scope: the scope is unknown, or this client may not have it"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert!(desk.proxy.calls().is_empty(), "nothing was sent to the app");
    assert_eq!(refusing.forms().len(), 1);
    leaks(&desk, SECRET, 1);
}

#[test]
fn another_token_server_is_held_before_it_hears_the_secret() {
    let (desk, first, other) = (Desk::new(), TokenServer::start(), TokenServer::start());
    desk.sync(0);
    desk.rosterd.secret("client.secret", SECRET);
    let login = |server: &TokenServer| {
        tenant(
            &desk,
            &desk.proxy.base_url,
            &format!(
                "oauth2 = {{ token_url = \"{}\", client_id = \"us\", client_secret = {{ file = \"../client.secret\" }} }}",
                server.url()
            ),
        );
    };
    for (server, says) in
        [(&first, "no token server was asked in the last run"), (&other, "the address of the token server is now")]
    {
        login(server);
        let report = desk.sync(3);
        let hold = &report["holds"][0];
        assert_eq!(hold["reason"], "token_server_change", "{report:#}");
        let detail = hold["detail"].as_str().unwrap();
        assert!(detail.contains(says) && detail.contains("no credential was sent"), "{detail}");
        assert_eq!((&report["calls"]["total"], server.forms().len()), (&json!(0), 0));
        let plan = report["plan"].as_str().unwrap();
        desk.rosterd.run(&["approve", "acme", plan]).expect_code(0);
        desk.sync(0);
        // A quiet run asks nothing.
        desk.rosterd.run(&["doctor", "acme"]);
        assert!(!server.forms().is_empty(), "approved");
    }
}

#[test]
fn check_finds_what_does_not_go_together() {
    let desk = Desk::new();
    let way = "token = { file = \"../app.token\" }\n";
    let oauth2 =
        "oauth2 = { token_url = \"https://a.example/token\", client_id = \"us\", client_secret = { env = \"S\" } }";
    for (login, says) in [
        (format!("{way}{oauth2}"), "`token` and `oauth2` both say how the app knows rosterd"),
        ("second_token = { env = \"T\" }".to_owned(), "`second_token` needs a `token`"),
        ("basic = { user = \"a:b\", password = { env = \"P\" } }".to_owned(), "can't have a colon"),
        (oauth2.replace("https://a.example", "http://a.example"), "plain http would send the credential"),
        (oauth2.replace("client_secret = { env = \"S\" }", "client_auth = \"private_key_jwt\""), "needs a private key"),
        (oauth2.replace(", client_secret = { env = \"S\" }", ""), "the key `client_secret` is missing"),
        (oauth2.replace("client_id", "clientid"), "client_id"),
        (oauth2.replace(" }", ", parameters = { client_secret = \"s3cr3t\" } }"), "would carry a secret"),
        (oauth2.replace("oauth2", "oauth"), "oauth2"),
    ] {
        tenant(&desk, "https://app.example/scim/v2", &login);
        let run = desk.rosterd.run(&["check", "acme"]);
        let text = format!("{}{}", run.expect_code(78).stdout, run.stderr);
        assert!(text.contains(says), "{says}: {text}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    tenant(&desk, "https://app.example/scim/v2", "");
    let run = desk.rosterd.run(&["check", "acme"]);
    let text = format!("{}{}", run.expect_code(78).stdout, run.stderr);
    assert!(text.contains("the key `token` is missing") && text.contains("client_certificate"), "{text}");
}

#[test]
fn a_key_of_the_wrong_type_is_found_without_a_network() {
    let desk = Desk::new();
    key(&desk, "client.key");
    tenant(
        &desk,
        &desk.proxy.base_url,
        "jwt = { token_url = \"https://a.example/token\", key = { file = \"../client.key\" }, issuer = \"us\" }",
    );
    let run = desk.rosterd.run(&["check", "acme"]);
    let text = format!("{}{}", run.expect_code(78).stdout, run.stderr);
    assert!(text.contains("set `algorithm` to ES256"), "{text}");
}

#[test]
fn the_second_token_takes_over_while_the_first_is_refused() {
    let desk = Desk::new();
    desk.rosterd.secret("old.token", "revoked-token-canary-1");
    tenant(
        &desk,
        &desk.proxy.base_url,
        "token = { file = \"../old.token\" }\nsecond_token = { file = \"../app.token\" }",
    );
    let run = desk.rosterd.run(&["sync", "acme"]);
    let log = &run.expect_code(0).stderr;
    assert!(log.contains("the first token is refused: using second_token"), "{log}");
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
    let refused = desk.proxy.calls().len();
    let status = desk.rosterd.run(&["status", "acme"]);
    assert!(status.expect_code(0).stdout.contains("second_token"), "{}", status.stdout);
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    assert!(doctor.stdout.contains("`second_token` is in use"), "{}", doctor.stdout);
    assert!(refused > 0);
    leaks(&desk, TOKEN, 1);
    leaks(&desk, "revoked-token-canary-1", 1);
}

fn port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

fn certificate(demanding: &Demanding, name: &str) -> String {
    let path = |end: &str| demanding.file(&format!("{name}.{end}")).display().to_string();
    format!("client_certificate = {{ cert_file = \"{}\", key = {{ file = \"{}\" }} }}", path("pem"), path("key"))
}

#[test]
fn an_app_that_demands_a_client_certificate_is_shown_one_and_an_expired_one_never_leaves() {
    let desk = Desk::new();
    let demanding = Demanding::before(port(&desk.base_url));
    let base_url = format!("{}/scim/v2", demanding.origin());
    let trust =
        format!("token = {{ file = \"../app.token\" }}\nca_file = \"{}\"\n", demanding.file("ca.pem").display());
    tenant(&desk, &base_url, &trust);
    let run = desk.rosterd.run(&["sync", "acme"]);
    let said = &run.expect_code(1).stderr;
    assert!(said.contains("asks for a client certificate"), "{said}");

    make_expired(demanding.file("ca.pem").parent().unwrap());
    tenant(&desk, &base_url, &format!("{trust}{}", certificate(&demanding, "expired")));
    let before = demanding.handshakes();
    for command in ["check", "doctor", "sync"] {
        let run = desk.rosterd.run(&[command, "acme"]);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(run.code != Some(0) && text.contains("expired at 2021-01-01"), "{command}: {text}");
    }
    assert_eq!(demanding.handshakes(), before, "told before the handshake");

    let other = certificate(&demanding, "client").replace("client.key", "server.key");
    tenant(&desk, &base_url, &format!("{trust}{other}"));
    crate::support::tls::private(
        &demanding.file("server.key"),
        &std::fs::read_to_string(demanding.file("server.key")).unwrap(),
    );
    let run = desk.rosterd.run(&["check", "acme"]);
    let text = format!("{}{}", run.expect_code(78).stdout, run.stderr);
    assert!(text.contains("belongs to another certificate"), "{text}");

    tenant(&desk, &base_url, &format!("{trust}{}", certificate(&demanding, "client")));
    desk.sync(0);
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
    let check = desk.rosterd.run(&["check", "acme"]);
    let text = format!("{}{}", check.expect_code(0).stdout, check.stderr);
    assert!(text.contains("target.client_certificate expires in"), "two days are few: {text}");
}

#[test]
fn a_web_hook_that_demands_a_client_certificate_is_shown_one() {
    let (desk, receiver) = (Desk::new(), Receiver::start(204));
    let demanding = Demanding::before(receiver.port());
    desk.rosterd.secret("hook.key", "a-key-of-more-than-24-bytes");
    let hook = |more: &str| {
        let config = format!(
            "state_dir = \"state\"\n[notify.ops]\nurl = \"{}/hook\"\nsecret = {{ file = \"hook.key\" }}\nca_file = \"{}\"\n{more}\n",
            demanding.origin(),
            demanding.file("ca.pem").display()
        );
        desk.rosterd.file("rosterd.toml", &config);
        desk.rosterd.run(&["notify", "--test"])
    };
    let refused = hook("");
    // In TLS 1.3 the server says so after the handshake: where it also closes the connection, a client that is writing may not get to read it.
    let is_said = ["client certificate", "not delivered"].iter().any(|said| refused.stdout.contains(said));
    assert!(refused.code != Some(0) && is_said, "{}{}", refused.stdout, refused.stderr);
    assert!(receiver.bodies().is_empty(), "nothing was delivered");
    hook(&certificate(&demanding, "client")).expect_code(0);
    assert_eq!(receiver.bodies().len(), 1);
}

#[test]
fn an_ldap_server_that_demands_a_client_certificate_binds_by_it() {
    let Some(rig) = rig::require("slapd") else { return };
    let options = slapd::Options { tls: slapd::Tls::Demanding, ..slapd::Options::default() };
    let server = slapd::Slapd::start_with(&rig, &Directory::generate(8, 1, 5), options);
    let desk = Desk::new();
    let file = |name: &str| server.ca_file().with_file_name(name).display().to_string();
    let tenant = |login: &str| {
        desk.rosterd.tenant("acme", &format!(
            "[source.ldap]\nurl = \"{}\"\nca_file = \"{}\"\nbase = \"dc=example,dc=org\"\n{login}\n[scope]\nall_users = true\nusers = \"true\"\n\
             [target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\nrate = \"1000/s\"\nallow_http_loopback = true\n",
            server.tls_url(), file("ca.pem"), desk.proxy.base_url
        ));
    };
    desk.rosterd.secret("ldap.password", slapd::READER_PASSWORD);
    let password = format!("bind_dn = \"{}\"\npassword = {{ file = \"../ldap.password\" }}\n", slapd::READER_DN);
    tenant(&password);
    desk.rosterd.run(&["plan", "acme"]).expect_code(1);
    assert!(server.log().contains("Certificate is required"), "{}", server.log());

    let shown = format!(
        "client_certificate = {{ cert_file = \"{}\", key = {{ file = \"{}\" }} }}\n",
        file("client.pem"),
        file("client.key")
    );
    for login in [format!("{password}{shown}"), shown] {
        tenant(&login);
        let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]);
        assert_eq!(plan.expect_code(0).json()["snapshot"]["users"], 8, "{login}");
    }
    assert!(server.log().contains("mech=EXTERNAL"), "{}", server.log());
    assert!(Path::new(&file("client.key")).exists());
}

/// A token server that replaces the refresh token at each use, and takes the one before until the next is used.
fn rotating() -> (TokenServer, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let issued = std::sync::Arc::new(std::sync::Mutex::new(vec!["refresh-canary-0000".to_owned()]));
    let own = std::sync::Arc::clone(&issued);
    let server = TokenServer::answering(move |request| {
        let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&request.body).collect();
        assert_eq!(form["grant_type"], "refresh_token");
        let mut issued = own.lock().unwrap();
        if !issued.iter().rev().take(2).any(|token| *token == form["refresh_token"]) {
            return ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" }));
        }
        let next = format!("refresh-canary-{:04}", issued.len());
        issued.push(next.clone());
        ResponseTemplate::new(200).set_body_json(
            json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 60, "refresh_token": next }),
        )
    });
    (server, issued)
}

fn with_refresh_token(desk: &Desk, server: &TokenServer) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let file = desk.rosterd.secret("refresh/acme", "refresh-canary-0000\n");
    std::fs::set_permissions(file.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let login = format!(
        "oauth2 = {{ token_url = \"{}\", client_id = \"us\", refresh_token = {{ file = \"../refresh/acme\" }} }}",
        server.url()
    );
    tenant(desk, &desk.proxy.base_url, &login);
    file
}

#[test]
fn a_process_that_is_killed_at_any_point_of_an_exchange_leaves_a_whole_refresh_token() {
    let (desk, (server, issued)) = (Desk::new(), rotating());
    let file = with_refresh_token(&desk, &server);
    let mut deaths = 0;
    for point in 1..200 {
        let killed =
            desk.rosterd.run_with(&["plan", "acme"], &[("ROSTERD_DIE_AT_FAIL_POINT", point.to_string().as_str())]);
        let kept = std::fs::read_to_string(&file).unwrap();
        let whole = issued.lock().unwrap().iter().any(|token| format!("{token}\n") == kept);
        assert!(whole, "point {point}: {kept:?}");
        desk.rosterd.run(&["plan", "acme"]).expect_code(0);
        match killed.code {
            Some(0) => break,
            _ => deaths += 1,
        }
    }
    assert!(deaths >= 5, "only {deaths} points");
    let last = issued.lock().unwrap().last().unwrap().clone();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{last}\n"));
    assert!(server.forms().iter().all(|(form, header)| form["client_id"] == "us" && header.is_empty()));
}

#[test]
fn a_refresh_token_is_refused_where_it_can_not_be_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let (desk, (server, _)) = (Desk::new(), rotating());
    let file = with_refresh_token(&desk, &server);
    std::fs::set_permissions(file.parent().unwrap(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let run = desk.rosterd.run(&["plan", "acme"]);
    assert!(run.expect_code(1).stderr.contains("chmod go-w"), "{}", run.stderr);
    assert!(server.forms().is_empty());
    for place in ["env = \"R\"", "credential = \"r\""] {
        let login = format!(
            "oauth2 = {{ token_url = \"{}\", client_id = \"us\", refresh_token = {{ {place} }} }}",
            server.url()
        );
        tenant(&desk, &desk.proxy.base_url, &login);
        let run = desk.rosterd.run(&["check", "acme"]);
        let text = format!("{}{}", run.expect_code(78).stdout, run.stderr);
        assert!(text.contains("a refresh token has to be in a file"), "{text}");
    }
}
