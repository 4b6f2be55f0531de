//! Rows of docs/reliability.md that a simulated world alone does not prove: the real binary, a real directory, and apps that others wrote.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::{Desk, company};
use crate::story::Scene;
use crate::support::directory::{Directory, Person, group_dn, person_dn, uid};
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
