//! An organisation that was connected by another tool before (J6, J15): the app has everybody under other user names, and nobody gets a second
//! account. With the real binary, a directory made from JumpCloud's published description, and the embedded app.

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::support::directory::{Directory, uid};
use crate::support::jumpcloud::{API_KEY, JumpCloud};

/// A company in JumpCloud, and an app that knows everybody by their JumpCloud user names.
struct Connected {
    cloud: JumpCloud,
    desk: Desk,
}

impl Connected {
    fn new(people: usize, options: &[&str]) -> Self {
        let company = Directory::generate(people, 1, people);
        let cloud = JumpCloud::start(&company);
        cloud.change(|org| org.bind("Heap", &["group-0000"]));
        let desk = Desk::with_app(options);
        desk.rosterd.secret("cloud.key", API_KEY);
        for (n, person) in company.people.iter().enumerate() {
            let more = json!({"name": {"givenName": person.given_name, "familyName": person.family_name}});
            let id = desk.hand_made(&person.uid, &more);
            if n == 0 {
                desk.by_hand("PUT", &format!("/Users/{id}"), &json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": person.uid, "active": false, "name": more["name"]
                }));
            }
        }
        let this = Self { cloud, desk };
        this.tenant("userName = \"email\"", "");
        this
    }

    fn tenant(&self, mapped: &str, tables: &str) {
        let file = format!(
            "[source.jumpcloud]\nbase_url = \"{}\"\napi_key = {{ file = \"../cloud.key\" }}\napplication = \"Heap\"\nrate = \"5000/s\"\n\
             backoff_cap_ms = 50\nallow_http_loopback = true\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\n\
             rate = \"1000/s\"\nallow_http_loopback = true\n{tables}\n[users.attributes]\n{mapped}\n\
             \"name.givenName\" = \"firstname\"\n\"name.familyName\" = \"lastname\"\n",
            self.cloud.base_url(),
            self.desk.proxy.base_url
        );
        self.desk.rosterd.tenant("acme", &file);
    }

    fn doctor(&self) -> Vec<Value> {
        let run = self.desk.rosterd.run(&["doctor", "acme", "--format", "json"]);
        let all = run.json();
        let found = all[0]["findings"].as_array().unwrap();
        found.iter().filter(|one| one["check"] == "second accounts").cloned().collect()
    }

    fn accounts(&self) -> usize {
        self.desk.user_names().len()
    }
}

fn creates(report: &Value, result: &str) -> usize {
    let all = report["operations"].as_array().unwrap();
    all.iter().filter(|one| one["op"] == "create_user" && one["result"] == result).count()
}

#[test]
fn j15_an_app_that_another_tool_filled_gets_nobody_twice() {
    let world = Connected::new(9, &["--profile", "heap"]);
    let before = world.desk.user_names();
    let doctor = world.doctor();
    assert_eq!((doctor.len(), &doctor[0]["verdict"]), (1, &json!("warning")), "{doctor:#?}");
    let said = doctor[0]["detail"].as_str().unwrap();
    assert!(said.starts_with("9 of 9 new users have an e-mail address or user name"), "{said}");
    assert!(said.contains(&format!("userName {:?}", uid(0))) && said.contains("and 4 more"), "{said}");
    assert!(doctor[0]["remedy"].as_str().unwrap().contains("map userName"), "{doctor:#?}");

    for _ in 0..2 {
        let report = world.desk.sync(3);
        assert_eq!(report["holds"][0]["reason"], "duplicate_accounts", "{report:#}");
        assert_eq!((creates(&report, "held"), &report["failed"]), (9, &json!(0)), "{report:#}");
        assert_eq!(world.desk.user_names(), before, "no account was made");
        assert_eq!(world.doctor().len(), 1, "doctor goes on to say it");
    }
    let text = world.desk.rosterd.run(&["sync", "acme"]).expect_code(3).stdout.clone();
    assert!(
        text.contains("would be a second account for the same person") && text.contains("rosterd approve"),
        "{text}"
    );

    // The vendor's own mapping: everybody is recognised.
    world.tenant("userName = \"username\"", "");
    let report = world.desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "matching_change", "{report:#}");
    let id = report["held_plan"].as_str().unwrap().to_owned();
    world.desk.rosterd.run(&["approve", "acme", &id, "--reason", "the guide's mapping"]).expect_code(0);
    let report = world.desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 9, "{report:#}");
    assert_eq!(world.desk.user_names(), before);
    assert_eq!(world.doctor(), Vec::<Value>::new());
}

#[test]
fn j15_approved_the_accounts_are_made_and_with_the_old_setting_nothing_is_asked() {
    let world = Connected::new(4, &[]);
    let report = world.desk.sync(3);
    assert_eq!(creates(&report, "held"), 4);
    let plan = world.desk.rosterd.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(plan["holds"][0]["reason"], "duplicate_accounts");
    let held = plan["held_plan"].as_str().unwrap().to_owned();
    world.desk.rosterd.run(&["approve", "acme", &held]).expect_code(0);
    let report = world.desk.sync(0);
    assert_eq!(report["summary"]["create_user"], 4, "{report:#}");
    assert_eq!(world.accounts(), 8);

    let old = Connected::new(4, &[]);
    old.tenant("userName = \"email\"", "[guard]\nduplicate_names = \"none\"");
    assert_eq!(old.doctor(), Vec::<Value>::new());
    old.desk.sync(0);
    assert_eq!(old.accounts(), 8, "as versions of before did");
}

#[test]
fn j6_whoever_collides_waits_alone_and_the_first_sync_costs_no_further_call() {
    let world = Connected::new(3, &[]);
    let hired: Vec<usize> = (3..12).collect();
    world.cloud.change(|org| {
        for n in &hired {
            let id = org.hire(&crate::support::directory::Person::generate(*n));
            org.add_member("group-0000", &id);
        }
    });
    let lists = || {
        world.desk.proxy.forget();
        world.desk.rosterd.run(&["plan", "acme", "--format", "json"]).expect_code(0);
        let calls = world.desk.proxy.calls();
        calls.iter().filter(|call| call.path.starts_with("/Users")).map(|call| call.query.clone()).collect::<Vec<_>>()
    };
    let compared = lists();
    world.tenant("userName = \"email\"", "[guard]\nduplicate_names = \"none\"");
    assert_eq!(compared, lists(), "the list that is read anyway tells it");
    world.tenant("userName = \"email\"", "");
    let report = world.desk.sync(3);
    assert_eq!((creates(&report, "held"), creates(&report, "done")), (3, 9), "{report:#}");
    assert_eq!(world.accounts(), 12);
}
