//! The toy directory, as somebody uses it: `init`, `schema`, `check`, `doctor`, a first sync and a leaver, against a small server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::clock::SystemClock;
use crate::config::schema;
use crate::engine::{Engine, Wish};
use crate::model::{CheckVerdict, TenantName};
use crate::progress::Silent;
use crate::sandbox;
use crate::source::kind;
use crate::tenancy::{self, InitPlan, init};

/// A person of the toy directory.
fn person(number: u32, blocked: bool) -> Value {
    json!({"id": format!("p{number}"), "login": format!("login{number}"), "name": format!("Person {number}"),
        "mail": format!("p{number}@toy.test"), "blocked": blocked, "born": "2020-01-01T00:00:00Z"})
}

/// Serves a list page by page, and each entry by its id.
async fn serve(server: &MockServer, at: &str, entries: &[Value], of: &[Value]) {
    let get = |query: Option<(usize, usize)>| {
        let mock = Mock::given(method("GET")).and(header("authorization", "Bearer s3cr3t"));
        match query {
            Some((skip, limit)) => mock
                .and(path(format!("/{at}")))
                .and(query_param("skip", skip.to_string()))
                .and(query_param("limit", limit.to_string())),
            None => mock,
        }
    };
    for (skip, limit) in (0..=entries.len()).flat_map(|skip| [(skip, 1), (skip, 2)]) {
        let rows: Vec<&Value> = entries.iter().skip(skip).take(limit).collect();
        let body = json!({"results": rows, "total": entries.len()});
        get(Some((skip, limit))).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(server).await;
    }
    for entry in of {
        let place = path(format!("/{at}/{}", entry["id"].as_str().unwrap()));
        get(None).and(place).respond_with(ResponseTemplate::new(200).set_body_json(entry)).mount(server).await;
    }
}

async fn company(server: &MockServer, people: &[Value]) {
    server.reset().await;
    let teams = [json!({"id": "t1", "name": "Red"}), json!({"id": "t2", "name": "Blue"})];
    serve(server, "people", people, people).await;
    serve(server, "teams", &teams, &teams).await;
    serve(server, "teams/t1/members", &["p1", "p2", "p3"].map(|id| json!({"id": id})), &[]).await;
    let heap = json!({"id": "a1", "name": "Heap", "teams": ["t1"], "people": ["p4"]});
    serve(server, "applications", std::slice::from_ref(&heap), std::slice::from_ref(&heap)).await;
}

fn secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn engine(config: &Path) -> Engine {
    let loaded = tenancy::load(config, &[]).unwrap();
    Engine::new(Arc::new(loaded.tenants.into_iter().next().unwrap()), loaded.stores, Arc::new(SystemClock))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_reads_and_syncs_and_is_shown_by_every_command() {
    assert!(kind::products().any(|product| product == "toy"), "`init` offers it");
    assert!(schema::text(schema::SchemaKind::Tenant).contains("`[source.toy]`"));
    let people: Vec<Value> = (1..=5).map(|number| person(number, false)).collect();
    let server = MockServer::start().await;
    company(&server, &people).await;
    let app = sandbox::start(sandbox::Options { bearer: Some("app".to_owned()), ..sandbox::Options::default() })
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rosterd.toml");
    let tenant = TenantName::parse("acme").unwrap();
    let made = init(&config, &InitPlan { tenant, source: "toy".to_owned(), app: "scim".to_owned() }).unwrap();
    secret(&folder.path().join("secrets/toy"), "s3cr3t");
    secret(&folder.path().join("secrets/acme"), "app");
    let path = made.written.last().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let target = text.lines().find(|line| line.starts_with("base_url") && !line.contains("toy")).unwrap();
    let text = text.replace(target, &format!("base_url = \"{}\"\nallow_http_loopback = true", app.base_url())).replace(
        "base_url = \"https://toy.example.org\"",
        &format!("base_url = \"{}\"\nallow_http_loopback = true", server.uri()),
    );
    std::fs::write(path, text.replace("[source.toy]", "[source.toy]\napplicaton = 'Heap'")).unwrap();
    let found = format!("{:?}", tenancy::check(&config, &[], None).diagnostics);
    assert!(found.contains("applicaton"), "`check` knows its keys: {found}");
    std::fs::write(path, text).unwrap();
    assert_eq!(tenancy::check(&config, &[], None).diagnostics, [], "`check` accepts what `init` wrote");

    let checkup = engine(&config).source().await.unwrap().examine().await;
    let seen: Vec<(&str, CheckVerdict)> = checkup.iter().map(|one| (one.check.as_str(), one.verdict)).collect();
    assert_eq!(
        seen,
        ["token", "users", "groups", "application"].map(|check| (check, CheckVerdict::Ok)),
        "{checkup:#?}"
    );
    let sync = async || engine(&config).run(&Wish::default(), &Silent, &CancellationToken::new()).await.unwrap().0;
    sync().await;
    let names = |active: bool| {
        let users = app.users();
        let mut names: Vec<String> =
            users.iter().filter(|user| user.active == active).map(|user| user.user_name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(true), ["login1", "login2", "login3", "login4"], "a team, and one by name");
    assert_eq!(app.groups().len(), 1);

    let mut people = people;
    people[1] = person(2, true);
    company(&server, &people).await;
    sync().await;
    assert_eq!(names(false), ["login2"]);
    app.stop().await.unwrap();
}
