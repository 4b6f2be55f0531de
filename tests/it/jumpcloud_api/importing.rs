//! The app's people made in JumpCloud (J16), and the connection proved (J2), against the stand-in.

use serde_json::json;

use super::scene::{Wording, company, tenant};
use crate::cli::{Desk, TOKEN};
use crate::support::jumpcloud::JumpCloud;
use crate::support::proxy::{Fault, Rule};

/// JumpCloud with `sales` and `eng` bound, in step with an app in which somebody made two accounts by hand.
fn scene() -> (JumpCloud, Desk) {
    let cloud = JumpCloud::start(&company());
    cloud.change(|org| org.bind("Heap", &["sales", "eng"]));
    let desk = Desk::new();
    let wording = Wording {
        attributes: "role = { from = \"attributes.heapRole\", push = \"on_source_change\" }",
        ..Wording::default()
    };
    let text = tenant(&desk.rosterd, &cloud, &cloud.base_url(), (&desk.proxy.base_url, TOKEN), wording);
    desk.rosterd.tenant("acme", &text);
    desk.sync(0);
    let named = |given: &str| {
        let email = format!("{given}@new.test");
        json!({"name": {"givenName": given, "familyName": "New"}, "emails": [{"value": email, "type": "work"}], "roles": [{"value": "admin"}]})
    };
    desk.hand_made("eve", &named("eve"));
    desk.hand_made("fay", &named("fay"));
    desk.proxy.forget();
    cloud.forget();
    (cloud, desk)
}

#[test]
fn j16_people_are_made_in_jumpcloud_once_and_managed_once_a_bound_group_holds_them() {
    let (cloud, desk) = scene();
    let run = |arguments: &[&str], code: i32| {
        let run = desk.rosterd.run(&[&["import", "acme", "--format", "json"], arguments].concat());
        run.expect_code(code).json()
    };
    let listing = run(&["--new-only"], 0);
    assert_eq!(listing["summary"]["new"], 2, "{listing:#}");
    // The answer to the first create is lost: it is looked up, not repeated.
    cloud.inject(Rule::on("POST", "/systemusers").times(1), Fault::DropAfter);
    let made = run(&["--create-all"], 0);
    assert_eq!((&made["created"], &made["failed"]), (&json!(2), &json!(0)), "{made:#}");
    assert_eq!(cloud.calls().iter().filter(|call| call.method == "POST").count(), 2, "i3: one call a person");
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    let again = run(&["--create", "eve", "fay"], 0);
    assert_eq!((&again["created"], &again["found"]), (&json!(0), &json!(2)), "{again:#}");

    // Known there, in no group bound to the app: not managed.
    let before = desk.account("eve");
    desk.sync(0);
    assert_eq!(desk.account("eve"), before);
    let id = made["results"][0]["id"].as_str().unwrap().to_owned();
    let record = cloud.change(|org| org.people.get(&id).cloned()).unwrap();
    assert_eq!((&record["firstname"], &record["email"]), (&json!("eve"), &json!("eve@new.test")), "{record:#?}");
    // The role is the app's as much as the directory's: written back, it would overwrite one that was given by hand.
    assert!(!record.contains_key("attributes"), "{record:#?}");
    // Made in the state that the organisation has chosen for new people; nobody staged gets an account.
    cloud.change(|org| {
        org.add_member("eng", &id);
        if let Some(person) = org.people.get_mut(&id) {
            person.insert("state".to_owned(), json!("ACTIVATED"));
        }
    });
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(report["summary"].get("create_user"), None, "{report:#}");
    assert_eq!(desk.account("eve")["externalId"], json!(id));
}

#[test]
fn j2_both_sides_are_proved_with_jumpcloud_too() {
    let (cloud, desk) = scene();
    let run = desk.rosterd.run(&["doctor", "acme"]);
    let text = &run.expect_code(0).stdout;
    let line = text.lines().last().unwrap();
    assert!(line.contains("both sides work") && line.contains("accepts the token"), "{text}");
    // Directory Insights is asked by POST.
    let writes = |call: &&crate::support::proxy::Call| call.method != "GET" && !call.path.contains("insights");
    assert_eq!(cloud.calls().iter().filter(writes).count(), 0, "it only reads: {:?}", cloud.counts());
    assert!(desk.proxy.writes().is_empty());
    cloud.change(|org| org.keys.clear());
    let text = desk.rosterd.run(&["doctor", "acme"]).expect_code(1).stdout.clone();
    assert!(text.contains("not connected") && text.contains("the app answers, the directory does not"), "{text}");
}
