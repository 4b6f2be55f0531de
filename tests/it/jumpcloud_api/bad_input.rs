//! What can be wrong between rosterd and JumpCloud: one clear error each, and nothing is changed.

use serde_json::json;

use super::scene::{DANGLING, Scene, Wording, company};
use crate::support::jumpcloud::{API_KEY, App, CLIENT_SECRET, JumpCloud, person_id};
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::{glue, require_all};
use crate::support::servers::Kind;

/// A company in step; what comes next must change nothing.
fn in_step() -> Option<Scene> {
    let rig = require_all(&[Kind::Scim2Server.name()])?;
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["sales", "eng"]);
    scene.configure(Wording { tables: DANGLING, ..Wording::default() });
    scene.sync();
    Some(scene)
}

/// A sync fails with these words, and the app is not even asked.
#[track_caller]
fn fails(scene: &Scene, words: &[&str]) -> String {
    let run = scene.command(&["sync", "acme"]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let said = format!("{}{}", run.stdout, run.stderr);
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    for secret in [API_KEY, CLIENT_SECRET] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(scene.proxy.calls().is_empty(), "the app was asked although the directory could not be read");
    said
}

#[test]
fn an_expired_key_is_told_in_one_sentence() {
    let Some(scene) = in_step() else { return };
    scene.cloud.change(|org| org.keys.clear());
    fails(&scene, &["the directory refused the credential", "401"]);
    assert_eq!(scene.cloud.calls().len(), 1, "a refused key is not tried again and again");
    scene.cloud.change(|org| org.keys.insert(API_KEY.to_owned(), crate::support::jumpcloud::Rights::all()));
    scene.is_quiet();
}

#[test]
fn a_key_of_another_organisation_is_noticed() {
    let Some(scene) = in_step() else { return };
    let with_org = |id: &str| {
        let source =
            format!("api_key = {{ file = \"../jumpcloud.secret\" }}\napplication = \"Heap\"\norg_id = \"{id}\"");
        scene.configure(Wording { source: Some(&source), tables: DANGLING, ..Wording::default() });
    };
    let own = scene.cloud.change(|org| org.id.clone());
    // The header names an organisation that the key may not see.
    with_org("5ce40000000000000000ffff");
    fails(&scene, &["404", "org_id"]);
    // The key takes any header, and shows people of another organisation.
    with_org(&own);
    scene.cloud.change(|org| {
        for person in org.people.values_mut() {
            person.insert("organization".to_owned(), json!("5ce40000000000000000ffff"));
        }
    });
    fails(&scene, &["5ce40000000000000000ffff", "another organisation"]);
}

#[test]
fn an_administrator_of_several_organisations_has_to_say_which() {
    let Some(scene) = in_step() else { return };
    scene.cloud.change(|org| org.keys.get_mut(API_KEY).unwrap().multi_tenant = true);
    fails(&scene, &["multi-tenant"]);
    let own = scene.cloud.change(|org| org.id.clone());
    let source = format!("api_key = {{ file = \"../jumpcloud.secret\" }}\napplication = \"Heap\"\norg_id = \"{own}\"");
    scene.configure(Wording { source: Some(&source), tables: DANGLING, ..Wording::default() });
    scene.is_quiet();
}

#[test]
fn a_missing_right_is_named() {
    let Some(scene) = in_step() else { return };
    let without = |take: fn(&mut crate::support::jumpcloud::Rights)| {
        scene.cloud.change(|org| {
            let mut rights = crate::support::jumpcloud::Rights::all();
            take(&mut rights);
            org.keys.insert(API_KEY.to_owned(), rights);
        });
    };
    without(|rights| rights.groups = false);
    fails(&scene, &["does not let this credential read: groups", "403"]);
    without(|rights| rights.users = false);
    fails(&scene, &["does not let this credential read: users", "403"]);
    without(|rights| rights.applications = false);
    fails(&scene, &["does not let this credential read: applications", "403"]);
}

#[test]
fn an_application_that_is_not_there_is_answered_with_the_nearest_and_twins_with_their_ids() {
    let Some(scene) = in_step() else { return };
    scene.cloud.change(|org| {
        org.app("Heap").label = "Heap Analytics".to_owned();
        org.apps.push(App::new(7, "wiki", "Heat"));
    });
    let said = fails(&scene, &["no application named \\\"Heap\\\"", "Heat", "Heap Analytics"]);
    assert!(said.find("Heat") < said.find("Heap Analytics"), "the nearest first: {said}");
    let (first, second) = scene.cloud.change(|org| {
        org.app("Heap Analytics").label = "Heap".to_owned();
        org.app("Heat").label = "heap".to_owned();
        (org.apps[0].id.clone(), org.apps[1].id.clone())
    });
    fails(&scene, &["2 applications", &first, &second]);
    // The id says which.
    let source = format!("api_key = {{ file = \"../jumpcloud.secret\" }}\napplication = \"{first}\"");
    scene.configure(Wording { source: Some(&source), tables: DANGLING, ..Wording::default() });
    assert_eq!(scene.run(&["plan", "acme"], 0).0["operations"], json!([]));
}

#[test]
fn a_wrong_address_is_told_and_nobody_is_taken_for_gone() {
    let Some(scene) = in_step() else { return };
    scene.configure(Wording { tables: DANGLING, ..Wording::default() });
    let file = scene.rosterd.path().join("tenants/acme.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("/gateway/api\"", "/gateway\"")).unwrap();
    fails(&scene, &["404", "is `base_url` the address of API v1"]);
}

#[test]
fn s9_a_key_that_suddenly_sees_nobody_removes_nobody() {
    let Some(scene) = in_step() else { return };
    scene.cloud.change(|org| org.people.clear());
    fails(&scene, &["shows no users at all"]);
    scene.cloud.change(|org| org.lists_lag(false));
}

#[test]
fn t3_a_throttled_reading_waits_and_comes_to_its_end() {
    let Some(scene) = in_step() else { return };
    scene.cloud.inject(
        Rule::on("GET", "/api/v2/usergroups").times(2),
        Fault::body(429, r#"{"code":429,"message":"Too Many Requests"}"#),
    );
    scene.cloud.inject(Rule::on("GET", "/api/systemusers"), Fault::body(503, ""));
    scene.cloud.inject(Rule::on("GET", "/api/applications"), Fault::DropBefore);
    scene.is_quiet();
    let statuses: Vec<_> = scene.cloud.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == Some(429)).count(), 2, "{statuses:?}");
}

#[test]
fn a_sudden_403_is_a_reason_to_wait_and_a_lasting_one_is_no_missing_right() {
    let Some(scene) = in_step() else { return };
    let blocked = || Fault::body(403, r#"{"message":"Forbidden: your IP has been blocked due to suspected abuse"}"#);
    // One member list was answered; the next comes back only after a while.
    scene.cloud.inject(Rule::on("GET", "/api/v2/usergroups/").skip(1).times(2), blocked());
    scene.is_quiet();
    scene.cloud.inject(Rule::on("GET", "/api/systemusers").times(usize::MAX), blocked());
    fails(&scene, &["asking to slow down", "blocked"]);
}

#[test]
fn s8_an_answer_cut_in_half_is_no_reading() {
    let Some(scene) = in_step() else { return };
    scene.cloud.inject(Rule::on("GET", "/api/systemusers").times(usize::MAX), Fault::Truncate);
    fails(&scene, &["did not answer"]);
}

#[test]
fn s7_a_login_page_or_a_redirect_to_one_is_no_reading_and_the_key_goes_nowhere() {
    let Some(scene) = in_step() else { return };
    scene.cloud.inject(Rule::on("GET", "/api/v2/usergroups").times(usize::MAX), Fault::html(200));
    fails(&scene, &["can't be read", "Sign in"]);
    let Some(scene) = in_step() else { return };
    let elsewhere = JumpCloud::start(&company());
    let login = format!("{}/login", elsewhere.base_url());
    scene.cloud.inject(Rule::on("GET", "/api/systemusers").times(usize::MAX), Fault::redirect(&login));
    fails(&scene, &["points to", "the token is not sent there"]);
    assert!(elsewhere.calls().is_empty(), "not a byte goes there");
}

#[test]
fn lists_that_lag_behind_take_nobody_away_who_is_there() {
    let Some(scene) = in_step() else { return };
    // The list of people lost somebody who is still there when asked for.
    scene.cloud.change(|org| {
        let kept = org.people.remove(&person_id(60)).unwrap();
        org.lists_lag(true);
        org.people.insert(person_id(60), kept);
    });
    let (report, calls) = scene.sync();
    assert_eq!((report["planned"].clone(), calls.values().sum::<usize>()), (json!(0), 0), "{report:#}");
    assert_eq!(scene.cloud.counts()["GET /api/systemusers/{id}"], 1, "asked for by id");
}

#[test]
fn i6_the_credentials_reach_nothing_but_their_places() {
    let Some(scene) = in_step() else { return };
    let secret = scene.rosterd.secret("client.secret", CLIENT_SECRET);
    let source = format!(
        "client_id = \"{}\"\nclient_secret = {{ file = \"../client.secret\" }}\ntoken_url = \"{}\"\napplication = \"Heap\"",
        crate::support::jumpcloud::CLIENT_ID,
        scene.cloud.token_url()
    );
    scene.configure(Wording { source: Some(&source), tables: DANGLING, ..Wording::default() });
    scene.is_quiet();
    let tokens = scene.cloud.calls().iter().filter(|call| call.path.starts_with("/oauth2")).count();
    assert_eq!(tokens, 1, "one token for the whole reading");
    let held: Vec<_> = scene.rosterd.files_holding(CLIENT_SECRET);
    assert_eq!(held, [secret]);
    assert!(scene.rosterd.files_holding("jct-canary").is_empty());
    assert_eq!(scene.rosterd.files_holding(API_KEY), [scene.rosterd.path().join("jumpcloud.secret")]);
    let sent: Vec<_> = scene.proxy.calls().iter().filter_map(|call| call.authorization.clone()).collect();
    assert!(sent.iter().all(|value| !value.contains("jct-") && !value.contains(CLIENT_SECRET)));

    // A token that ends midway is renewed once.
    scene.cloud.after(Rule::on("GET", "/api/systemusers"), |org| org.tokens.clear());
    scene.is_quiet();
    assert_eq!(scene.cloud.counts()["POST /oauth2/token"], 2);
    // A secret that is no longer good is told.
    scene.cloud.change(|org| org.service_accounts.clear());
    fails(&scene, &["the directory refused the credential", "invalid_client"]);
}

#[test]
fn mistakes_in_the_file_are_shown_at_their_places() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &[]);
    for (source, words) in [
        ("application = \"Heap\"", "no credential is given in `[source.jumpcloud]`"),
        ("api_key = { env = \"K\" }\nclient_id = \"x\"\napplication = \"Heap\"", "an API key and a service account"),
        ("client_id = \"x\"\napplication = \"Heap\"", "only one is given"),
        ("api_key = { env = \"K\" }", "nothing says who belongs"),
        ("api_key = { env = \"K\" }\napplication = \"Heap\"\nregion = \"us\"", "`region` and `base_url` both"),
        ("api_key = { env = \"K\" }\napplication = \"Heap\"\norg_id = \"acme\"", "is not the id of an organisation"),
        ("api_key = { env = \"K\" }\napplication = \"Heap\"\npage_size = 1000", "1000 is out of range"),
        ("api_key = \"jca_0123456789\"\napplication = \"Heap\"", "a secret is never written in this file"),
        ("api_key = { env = \"K\" }\naplication = \"Heap\"", "did you mean `application`"),
        (
            "client_id = \"x\"\nclient_secret = { env = \"K\" }\napplication = \"Heap\"",
            "where a service account gets its tokens",
        ),
    ] {
        scene.configure(Wording { source: Some(source), ..Wording::default() });
        let run = scene.rosterd.run(&["check", "acme"]);
        assert_eq!(run.code, Some(78), "{source}: {}\n{}", run.stdout, run.stderr);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(words) && said.contains("acme.toml:"), "{words:?} is not in: {said}");
        assert!(!said.contains("jca_0123456789"), "{said}");
    }
    let file = scene.rosterd.path().join("tenants/acme.toml");
    scene.configure(Wording::default());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("allow_http_loopback = true", "", 1)).unwrap();
    let said = scene.rosterd.run(&["check", "acme"]);
    assert!(
        said.stderr.contains("plain http would send the credential")
            || said.stdout.contains("plain http would send the credential")
    );
}

#[test]
fn every_request_and_every_answer_fits_the_vendors_spec() {
    let Some(rig) = require_all(&["prism", Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["base", "sales"]);
    scene.cloud.change(|org| org.bind_person("Heap", 64));
    let prism =
        crate::support::prism::Prism::before(&rig, &glue().join("specs/jumpcloud/api.json"), &scene.cloud.root());
    let tenant = super::scene::tenant(
        &scene.rosterd,
        &scene.cloud,
        &format!("{}/api", prism.base_url),
        (&scene.proxy.base_url, &scene.server.token),
        Wording { tables: DANGLING, ..Wording::default() },
    );
    scene.rosterd.tenant("acme", &tenant);
    scene.sync();
    assert_eq!(scene.server.read().users.len(), 64);
    // Somebody is gone: they are asked for by id.
    scene.cloud.change(|org| org.delete_person(&person_id(61)));
    scene.sync();
    assert!(scene.cloud.counts().contains_key("GET /api/systemusers/{id}"));
}
