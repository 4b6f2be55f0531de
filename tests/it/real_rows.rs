//! Rows of docs/reliability.md that a simulated world alone does not prove: the real binary, a real directory, and apps that others wrote.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};
use crate::daemon::until;
use crate::story::Scene;
use crate::support::directory::{Directory, Person, group_dn, person_dn, uid};
use crate::support::jumpcloud::{API_KEY, JumpCloud};
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::require_all;
use crate::support::servers::Kind;

/// Twelve people in two groups of six, in step with the app.
fn scene(kind: Kind) -> Option<Scene> {
    let rig = require_all(&["slapd", kind.name()])?;
    let scene = Scene::new(&rig, kind, &Directory::generate(12, 2, 12), "");
    scene.sync();
    Some(scene)
}

fn operations(report: &Value) -> Vec<String> {
    let all = report["operations"].as_array().unwrap();
    all.iter().map(|one| format!("{} {}", one["op"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
}

fn codes(report: &Value) -> Vec<&str> {
    report["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
}

#[test]
fn s11_two_entries_of_one_user_name_are_both_left_alone_and_named() {
    let Some(scene) = scene(Kind::Scimmy) else { return };
    let (before, of) = (scene.server.read(), scene.slapd.entry_uuids()[&uid(3)].clone());
    let (mut twin, mut other) = (Person::generate(3), Person::generate(50));
    twin.family_name = "Doppel".to_owned();
    other.family_name = "Neu".to_owned();
    let entry = twin.to_ldif().replace(&person_dn(&uid(3)), &format!("cn=twin,{}", parent(&person_dn(&uid(3)))));
    scene.slapd.add(&entry.replacen("cn: ", "cn: twin\ncn: ", 1));
    scene.slapd.add(&other.to_ldif());
    let members = [format!("cn=twin,{}", parent(&person_dn(&uid(3)))), person_dn(&uid(50))];
    for dn in &members {
        let change = format!("dn: {}\nchangetype: modify\nadd: member\nmember: {dn}\n", group_dn("group-0001"));
        scene.slapd.modify(&change);
    }
    let (report, _) = scene.run(&["sync", "acme"], 3);
    let hold = &report["holds"][0];
    assert_eq!((&hold["name"], &hold["why_code"]), (&json!(uid(3)), &json!("account_of_another")), "{report:#}");
    assert!(hold["why"].as_str().unwrap().contains(of.as_str()), "whose account it is, by id: {report:#}");
    let app = scene.server.read();
    assert_eq!(app.users[&uid(3)], before.users[&uid(3)], "the account is as it was");
    assert!(app.users.contains_key(&uid(50)), "the others go on: {report:#}");
    assert_eq!(app.users.len(), before.users.len() + 1);
}

fn parent(dn: &str) -> &str {
    dn.split_once(',').unwrap().1
}

#[test]
fn s12_a_renamed_group_is_one_change_and_one_made_again_loses_no_member() {
    let Some(scene) = scene(Kind::Scimmy) else { return };
    let before = scene.server.read();
    let members = before.groups["group-0001"].clone();
    scene.slapd.rename(&group_dn("group-0001"), "cn=renamed");
    let (report, calls) = scene.sync();
    assert_eq!(operations(&report), ["rename_group renamed"]);
    assert_eq!(calls.get("PATCH /Groups/{id}"), Some(&1), "{calls:?}");
    assert_eq!(scene.server.read().groups["renamed"], members);
    // Made again under its name: another entry, with the same members.
    let directory = Directory::generate(12, 2, 12);
    let again = directory.groups[1].to_ldif(1).replace("group-0001", "renamed");
    scene.slapd.delete(&group_dn("renamed"));
    scene.slapd.add(&again);
    let (report, _) = scene.run(&["sync", "acme"], 3);
    assert_eq!(codes(&report), ["relink"], "{report:#}");
    let app = scene.server.read();
    assert_eq!(app.groups["renamed"], members, "nobody lost the membership while it waits");
    assert_eq!(app.groups.len(), before.groups.len(), "no second group");
}

#[test]
fn c4_a_filter_that_lets_nobody_in_is_held() {
    let desk = Desk::new();
    desk.sync(0);
    desk.tenant("[scope]\nusers = 'userName == \"none\"'\n");
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["removals_per_day"], "{report:#}");
    assert_eq!(desk.user_names().len(), 3, "everybody still has the account");
    assert_eq!(report["done"], 0, "{report:#}");
}

#[test]
fn t5_a_success_that_carries_an_error_is_none() {
    let Some(scene) = scene(Kind::Scimmy) else { return };
    scene.slapd.add(&Person::generate(50).to_ldif());
    let dn = person_dn(&uid(50));
    scene.slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: member\nmember: {dn}\n", group_dn("group-0000")));
    let error = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400", "detail": "no licence is left",
    });
    scene.inject(Rule::on("POST", "/Users"), Fault::body(200, &error.to_string()));
    let (report, _) = scene.run(&["sync", "acme"], 4);
    assert!(report.to_string().contains("no licence is left"), "the app's words are shown: {report:#}");
    scene.heal();
    scene.sync();
    assert!(scene.server.read().users.contains_key(&uid(50)), "nothing was believed: the account is made now");
}

#[test]
fn t6_an_account_and_a_group_that_were_deleted_in_the_app_are_made_again_with_their_memberships() {
    let Some(scene) = scene(Kind::Scimmy) else { return };
    let before = scene.server.read();
    scene.server.send("DELETE", &format!("/Users/{}", before.users[&uid(2)].id), None);
    scene.server.send("DELETE", &format!("/Groups/{}", before.group_resources["group-0001"].id), None);
    scene.run(&["drift", "acme", "--note"], 0);
    scene.sync();
    scene.sync();
    let app = scene.server.read();
    let names: BTreeSet<&String> = app.users.keys().collect();
    assert_eq!(names, before.users.keys().collect());
    assert_ne!(app.users[&uid(2)].id, before.users[&uid(2)].id, "made again");
    assert_eq!(app.groups, before.groups);
    scene.is_quiet();
}

#[test]
fn t12_values_that_the_app_writes_its_own_way_are_no_difference() {
    let desk = Desk::with_app(&["--misbehave", "lowercase"]);
    let mut directory = company();
    directory["users"][0]["userName"] = json!("Ann@Example.org");
    desk.directory(&directory);
    desk.sync(0);
    assert!(desk.user_names().iter().any(|name| name == "ann@example.org"), "the app writes it so");
    let report = desk.sync(0);
    assert_eq!((&report["planned"], &report["calls"]["total"]), (&json!(0), &json!(0)), "{report:#}");
}

#[test]
fn t14_one_member_that_the_app_does_not_know_does_not_keep_the_others_out() {
    let Some(scene) = scene(Kind::BetterAuth) else { return };
    let before = scene.server.read();
    // Two leave the app behind rosterd's back; they and two others join a group.
    let gone = uid(7);
    scene.server.send("DELETE", &format!("/Users/{}", before.users[&gone].id), None);
    for uid in [uid(7), uid(8), uid(9)] {
        let dn = person_dn(&uid);
        scene.slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: member\nmember: {dn}\n", group_dn("group-0000")));
    }
    scene.run(&["sync", "acme"], 4);
    let app = scene.server.read();
    for uid in [uid(8), uid(9)] {
        assert!(app.groups["group-0000"].contains(&uid), "{:?}", app.groups);
    }
    assert!(!app.users.contains_key(&gone), "named, and left to the comparison");
}

/// Users `u00`, `u01`, …, all in one group.
fn staff(count: usize) -> Value {
    let id = |number: usize| format!("u{number:02}");
    let users: Vec<Value> = (0..count).map(|number| person(&id(number), &id(number))).collect();
    json!({"users": users, "groups": [{"id": "g", "name": "Staff", "members": (0..count).map(id).collect::<Vec<_>>()}]})
}

#[test]
fn s3_an_app_whose_total_is_the_pages_length_hides_nobody_from_a_lost_state() {
    let desk = Desk::with_app(&["--misbehave", "page-totals", "--misbehave", "duplicates"]);
    desk.tenant("[target.override_profile.read]\npage_size = 10\n");
    desk.directory(&staff(35));
    desk.sync(0);
    assert_eq!(desk.rosterd.run(&["drift", "acme", "--format", "json"]).expect_code(0).json()["drift"], json!([]));
    std::fs::remove_dir_all(desk.rosterd.path().join("state/acme")).unwrap();
    desk.proxy.forget();
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 35, "{report:#}");
    assert!(!desk.proxy.calls().iter().any(|call| call.method == "POST"), "{:?}", desk.proxy.calls());
}

#[test]
fn s14_a_stale_copy_of_the_directory_is_held_and_the_next_good_reading_heals_it() {
    let desk = Desk::new();
    desk.directory(&staff(20));
    desk.sync(0);
    desk.directory(&staff(28));
    desk.sync(0);
    desk.directory(&staff(20));
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["source_shrink"], "{report:#}");
    let active = || desk.app("/Users?count=100&filter=active%20eq%20true")["totalResults"].clone();
    assert_eq!(active(), 28);
    desk.directory(&staff(28));
    desk.proxy.forget();
    desk.sync(0);
    assert_eq!((active(), desk.proxy.calls().len()), (json!(28), 0));
}

#[test]
fn s15_a_change_feed_that_ends_is_no_news_and_the_schedule_goes_on() {
    let company = Directory::generate(6, 1, 6);
    let (cloud, desk) = (JumpCloud::start(&company), Desk::new());
    cloud.change(|org| org.bind("Heap", &["group-0000"]));
    desk.rosterd.secret("cloud.key", API_KEY);
    let file = format!(
        "schedule = \"every 3s\"\n[source.jumpcloud]\nbase_url = \"{}\"\ninsights_url = \"{}\"\napplication = \"Heap\"\n\
         api_key = {{ file = \"../cloud.key\" }}\nallow_http_loopback = true\n[target]\nbase_url = \"{}\"\n\
         token = {{ file = \"../app.token\" }}\nallow_http_loopback = true\n[users.attributes]\nuserName = \"username\"\n",
        cloud.base_url(),
        cloud.insights_url(),
        desk.proxy.base_url
    );
    desk.rosterd.tenant("acme", &file);
    desk.sync(0);
    let daemon = desk.rosterd.spawn(&["run"]);
    let active = || desk.app("/Users?filter=active%20eq%20true")["totalResults"].clone();
    // The feed ends for good, and somebody leaves whom no event names.
    cloud.change(|org| {
        org.insights = false;
        org.suspend(2);
    });
    until("the schedule finds the leaver", || active() == 5);
    cloud.change(|org| org.suspend(3));
    until("and goes on", || active() == 4);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(30)).expect_code(0);
}

#[test]
fn s17_the_account_of_the_token_is_never_deactivated() {
    let desk = Desk::new();
    desk.directory(&staff(4));
    let me = desk.hand_made("u00", &json!({}));
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": me, "userName": "u00"});
    desk.proxy.inject(Rule::on("GET", "/Me").times(usize::MAX), Fault::body(200, &body.to_string()));
    desk.sync(0);
    let mut without = staff(4);
    without["users"][0]["active"] = json!(false);
    desk.directory(&without);
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["own_account"], "{report:#}");
    assert_eq!(desk.account("u00")["active"], true);
}

#[test]
fn t11_an_app_that_shows_late_what_it_made_gets_nobody_twice() {
    let desk = Desk::with_app(&["--misbehave", "late-reads", "--misbehave", "duplicates"]);
    desk.tenant("[target.override_profile.read]\nsettles_after_s = 4\n");
    desk.directory(&staff(4));
    desk.proxy.inject(Rule::on("POST", "/Users"), Fault::DropAfter);
    desk.proxy.inject(Rule::on("POST", "/Groups"), Fault::DropAfter);
    desk.sync(0);
    assert_eq!(desk.proxy.calls().iter().filter(|call| call.method == "POST").count(), 5, "{:?}", desk.proxy.calls());
    until("the app shows everything", || desk.app("/Users")["totalResults"] == 4);
    assert_eq!(desk.app("/Groups")["totalResults"], 1);
    desk.proxy.forget();
    desk.sync(0);
    assert_eq!(desk.proxy.calls().len(), 0);
}
