//! The app's people made in OneLogin (J16), and the connection proved (J2, O1), by the real binary.

use std::time::Duration;

use serde_json::json;

use crate::cli::Desk;
use crate::daemon::until;
use crate::support::directory::Directory;
use crate::support::onelogin::{Account, OneLogin, Scope};
use crate::support::proxy::{Fault, Rule};

/// OneLogin with one role bound, in step with an app in which somebody made two accounts by hand.
fn scene() -> (OneLogin, Desk) {
    let onelogin = OneLogin::start(Account::of(&Directory::generate(5, 1, 4), "Heap", &["group-0000"]));
    let desk = Desk::new();
    let secret = desk.rosterd.secret("onelogin.secret", &onelogin.client_secret);
    let token = desk.rosterd.path().join("app.token");
    let tenant = format!(
        "[source.onelogin]\nbase_url = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"{}\" }}\n\
         allow_http_loopback = true\nrate = \"5000/s\"\napplication = \"Heap\"\n\n[target]\nbase_url = \"{}\"\n\
         token = {{ file = \"{}\" }}\nrate = \"1000/s\"\nallow_http_loopback = true\n\n[users.attributes]\nuserName = \"username\"\n\
         \"name.givenName\" = \"firstname\"\n\"name.familyName\" = \"lastname\"\n\"emails.work\" = \"email\"\n",
        onelogin.base_url,
        onelogin.client_id,
        secret.display(),
        desk.proxy.base_url,
        token.display(),
    );
    desk.rosterd.tenant("acme", &tenant);
    desk.sync(0);
    for given in ["eve", "fay"] {
        let email = format!("{given}@new.test");
        desk.hand_made(
            given,
            &json!({"name": {"givenName": given, "familyName": "New"}, "emails": [{"value": email, "type": "work"}]}),
        );
    }
    desk.proxy.forget();
    onelogin.forget();
    (onelogin, desk)
}

#[test]
fn j16_people_are_made_in_onelogin_once_and_managed_once_a_bound_role_holds_them() {
    let (onelogin, desk) = scene();
    onelogin.behave(|habits| habits.scope = Scope::ManageAll);
    let run = |arguments: &[&str]| {
        let run = desk.rosterd.run(&[&["import", "acme", "--format", "json"], arguments].concat());
        run.expect_code(0).json()
    };
    let listing = run(&["--new-only"]);
    assert_eq!(listing["summary"]["new"], 2, "{listing:#}");
    // The answer to the first create is lost: it is looked up, not repeated.
    onelogin.inject(Rule::on("POST", "/api/2/users").times(1), Fault::DropAfter);
    let made = run(&["--create-all"]);
    assert_eq!((&made["created"], &made["failed"]), (&json!(2), &json!(0)), "{made:#}");
    let creates =
        onelogin.calls().iter().filter(|call| call.method == "POST" && call.path.contains("/api/2/users")).count();
    assert_eq!(creates, 2, "i3: one call a person");
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    let again = run(&["--create", "eve", "fay"]);
    assert_eq!((&again["created"], &again["found"]), (&json!(0), &json!(2)), "{again:#}");

    // Known there, without a role of the application: not managed.
    let before = desk.account("eve");
    desk.sync(0);
    assert_eq!(desk.account("eve"), before);
    // Made unactivated, as OneLogin makes people; nobody who is not activated gets an account.
    onelogin.change(|account| {
        account.assign("eve", "group-0000");
        account.edit("eve", |user| (user.status, user.state) = (1, 1));
    });
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(report["summary"].get("create_user"), None, "{report:#}");
}

#[test]
fn j16_more_than_a_hundred_go_to_onelogin_in_the_background() {
    let (onelogin, desk) = scene();
    onelogin.behave(|habits| habits.scope = Scope::ManageAll);
    for number in 0..118 {
        let name = format!("new{number:03}");
        desk.hand_made(&name, &json!({"emails": [{"value": format!("{name}@new.test"), "type": "work"}]}));
    }
    let file = desk.rosterd.path().join("tenants/acme.toml");
    desk.rosterd.tenant("acme", &format!("schedule = \"every 1d\"\n{}", std::fs::read_to_string(file).unwrap()));
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until("it listens", || desk.rosterd.run(&["reload"]).code == Some(0));
    let handed = desk.rosterd.run(&["import", "acme", "--create-all", "--format", "json"]).expect_code(0).json();
    assert_eq!((&handed["background"], &handed["planned"]), (&json!(true), &json!(120)), "{handed:#}");
    let import =
        || desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json()[0]["import"].clone();
    until("the end", || import()["state"] == "finished");
    let ended = import();
    assert_eq!((&ended["created"], &ended["failed"], &ended["id"]), (&json!(120), &json!(0), &handed["import"]));
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    // Whoever wants to see them one by one stays in the foreground.
    let made = desk.rosterd.run(&["import", "acme", "--create-all", "--foreground"]);
    assert!(made.expect_code(0).stdout.contains("0 created, 0 found, 0 failed"), "{}", made.stdout);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn j2_and_o1_both_sides_are_proved_with_onelogin_too() {
    let (onelogin, desk) = scene();
    let text = desk.rosterd.run(&["doctor", "acme"]).expect_code(0).stdout.clone();
    let line = text.lines().last().unwrap();
    assert!(line.contains("both sides work") && line.contains("accepts the token"), "{text}");
    let writes = |call: &&crate::support::proxy::Call| call.method != "GET" && !call.path.contains("/auth/");
    assert_eq!(onelogin.calls().iter().filter(writes).count(), 0, "it only reads: {:?}", onelogin.counts());
    assert!(desk.proxy.writes().is_empty());
    desk.rosterd.secret("onelogin.secret", "another-secret");
    let text = desk.rosterd.run(&["doctor", "acme"]).expect_code(1).stdout.clone();
    assert!(text.contains("not connected") && text.contains("the app answers, the directory does not"), "{text}");
}
