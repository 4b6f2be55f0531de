//! What is wrong is said: one clear error each, and nothing is changed.

use serde_json::json;

use super::Scene;
use crate::support::directory::uid;
use crate::support::onelogin::Scope;
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::require;
use crate::support::rosterd::Rosterd;

#[test]
fn each_bad_setting_has_one_clear_error_and_changes_nothing() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    let heap = "application = \"Heap\"";

    scene.configure("application = \"Haep\"", "");
    let told = scene.refused();
    assert!(told.contains("no application named \"Haep\"") && told.contains("\"Heap\" (775664)"), "{told}");

    let second = scene.onelogin.change(|account| account.create_app("Heap"));
    scene.configure(heap, "");
    let told = scene.refused();
    assert!(told.contains(&format!("2 applications named \"Heap\": 775664 and {second}")), "{told}");
    // By its id it is told apart.
    scene.configure("application = \"775664\"", "");
    scene.run(&["plan", "acme"]).expect_code(0);
    scene.onelogin.change(|account| account.apps.remove(&second));
    scene.configure(heap, "");

    for status in [401, 403] {
        scene.onelogin.behave(|habits| (habits.scope, habits.scope_refusal) = (Scope::ReadUsers, status));
        let told = scene.refused();
        assert!(told.contains("does not let this credential read: ") && told.contains("Read All"), "{status}: {told}");
    }
    scene.onelogin.behave(|habits| habits.scope = Scope::ReadAll);

    scene.onelogin.behave(|habits| habits.admin_gone = true);
    let told = scene.refused();
    assert!(told.contains("refused the credential") && told.contains("administrator who made these"), "{told}");
    scene.onelogin.behave(|habits| habits.admin_gone = false);

    scene.rosterd.secret("onelogin.secret", "revoked-long-ago");
    let told = scene.refused();
    assert!(told.contains("refused the credential") && told.contains("check client_id and client_secret"), "{told}");

    // Somebody else's server: no OneLogin at that address.
    scene.configure_at(&scene.server.base_url, heap, "");
    let told = scene.refused();
    assert!(told.contains("is the address right?"), "{told}");
    scene.configure(heap, "");
    scene.run(&["plan", "acme"]).expect_code(0);
}

#[test]
fn a_role_that_the_app_refuses_fails_that_person_alone() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.sync();
    let id = scene.server.read().users[&uid(1)].id.clone();
    let refusal = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "400", "scimType": "invalidValue", "detail": "there is no role named Wizard",
    });
    scene
        .app
        .inject(Rule::on("PATCH", &format!("/Users/{id}")).times(usize::MAX), Fault::body(400, &refusal.to_string()));
    scene.onelogin.change(|account| {
        account.set_heap_role(&uid(1), Some("Wizard"));
        account.set_heap_role(&uid(2), Some("Admin"));
    });
    let report = scene.sync_with(4);
    assert_eq!((&report["status"], &report["done"], &report["failed"]), (&json!("partial"), &json!(1), &json!(1)));
    let failed = report["operations"].as_array().unwrap().iter().find(|op| op["name"] == json!(uid(1))).unwrap();
    assert!(failed["detail"].to_string().contains("there is no role named Wizard"), "{failed:#}");
    assert_eq!(scene.role_of(&uid(2)), ["Admin"]);
}

#[test]
fn a_tenant_file_is_judged_before_anything_is_asked() {
    let rosterd = Rosterd::new();
    let said = |source: &str, extra: &str| {
        let secret = rosterd.secret("secret", "s3cr3t");
        rosterd.tenant("acme", &format!(
            "[source.onelogin]\nclient_id = \"x\"\nclient_secret = {{ file = \"{}\" }}\n{source}\n[target]\nbase_url = \
             \"https://app.example.com/scim\"\ntoken = {{ file = \"{}\" }}\n{extra}",
            secret.display(), secret.display()
        ));
        rosterd.run(&["check", "acme"])
    };
    said("subdomain = \"acme\"\napplication = \"Heap\"", "").expect_code(0);
    for (source, extra, place, told) in [
        ("application = \"Heap\"", "", "acme.toml:1:", "nothing says which account is meant"),
        (
            "subdomain = \"acme\"\nbase_url = \"https://acme.onelogin.com\"\napplication = \"Heap\"",
            "",
            "acme.toml:4:13",
            "both say",
        ),
        ("subdomain = \"acme.onelogin.com\"\napplication = \"Heap\"", "", "acme.toml:4:13", "is no subdomain"),
        ("base_url = \"http://acme.onelogin.com\"\napplication = \"Heap\"", "", "acme.toml:4:12", "in the clear"),
        ("subdomain = \"acme\"", "", "acme.toml:1:", "nothing says who belongs"),
        (
            "subdomain = \"acme\"\ngroups = \"groups\"\napplication = \"Heap\"",
            "",
            "acme.toml:5:10",
            "never to security-policy groups",
        ),
        (
            "subdomain = \"acme\"\naplication = \"Heap\"",
            "[scope]\ngroups = [{ name = \"x\" }]",
            "acme.toml:5:1",
            "did you mean `application`?",
        ),
        (
            "subdomain = \"acme\"\napplication = \"Heap\"\nlocked = \"activ\"",
            "",
            "acme.toml:6:10",
            "did you mean `active`?",
        ),
    ] {
        let run = said(source, extra);
        run.expect_code(78);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(shown.contains(place) && shown.contains(told), "{source}\n{shown}");
    }
}
