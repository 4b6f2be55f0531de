//! Guards against mass change, restored backups and undone runs, with the real binary.

use serde_json::{Value, json};

use crate::cli::{Desk, person};

const PEOPLE: usize = 30;

/// Thirty people, all of them members of Staff; two of Admins.
fn company() -> Value {
    let users: Vec<Value> = (0..PEOPLE).map(|at| person(&format!("p{at:02}"), &format!("person{at:02}"))).collect();
    let ids: Vec<String> = (0..PEOPLE).map(|at| format!("p{at:02}")).collect();
    json!({
        "users": users,
        "groups": [
            {"id": "g1", "name": "Staff", "members": ids},
            {"id": "g2", "name": "Admins", "members": ["p00", "p01"]},
        ],
    })
}

fn suspended(range: std::ops::Range<usize>) -> Value {
    let mut document = company();
    range.for_each(|at| document["users"][at]["active"] = json!(false));
    document
}

fn codes(report: &Value) -> Vec<&str> {
    report["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
}

/// How many accounts are active.
fn active(desk: &Desk) -> usize {
    let all = desk.app("/Users?count=100");
    all["Resources"].as_array().unwrap().iter().filter(|user| user["active"] == true).count()
}

fn members(desk: &Desk, group: &str) -> usize {
    let all = desk.app("/Groups?count=100");
    let found = all["Resources"].as_array().unwrap().iter().find(|found| found["displayName"] == group);
    found.unwrap()["members"].as_array().map_or(0, Vec::len)
}

fn approve(desk: &Desk, report: &Value) {
    desk.rosterd.run(&["approve", "acme", report["held_plan"].as_str().unwrap()]).expect_code(0);
}

#[test]
fn mp3_users_whose_sign_of_suspension_vanished_are_not_all_activated() {
    let desk = Desk::new();
    desk.tenant("[guard]\nremovals_per_day = \"100%\"\n");
    desk.directory(&company());
    desk.sync(0);
    desk.directory(&suspended(0..10));
    desk.sync(0);
    // Of a state that is lost nothing says that a run took this access a moment ago.
    std::fs::remove_dir_all(desk.rosterd.path().join("state/acme")).unwrap();
    desk.sync(0);
    assert_eq!(active(&desk), 20);
    desk.directory(&company());
    desk.proxy.forget();
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["activations_per_day"], "{report:#}");
    assert!(desk.proxy.writes().is_empty(), "{:?}", desk.proxy.writes());
    assert_eq!(report["access"], json!({"now": 20, "after": 20, "after_approval": 30, "held_users": 10}));
    assert!(report["holds"][0]["release"].as_str().unwrap().contains("an approval"), "{report:#}");
    let text = desk.rosterd.run(&["plan", "acme"]);
    for said in ["access: 20 now, 20 after this run, 30 if what is held is approved; 10 users are held", "released by"]
    {
        assert!(text.stdout.contains(said), "{said}: {}", text.stdout);
    }
    let status = desk.rosterd.run(&["status", "acme"]);
    assert!(status.stdout.contains("access: 20 now"), "{}", status.stdout);
    approve(&desk, &report);
    desk.sync(0);
    assert_eq!(active(&desk), 30);
}

#[test]
fn mm1_two_swapped_columns_and_a_faulty_suffix_hold_everything() {
    for (cause, attribute) in [("value_changes", "displayName"), ("identifier_changes", "userName")] {
        let desk = Desk::new();
        desk.directory(&company());
        desk.sync(0);
        let mut document = company();
        for (at, user) in document["users"].as_array_mut().unwrap().iter_mut().enumerate() {
            user[attribute] = json!(format!("clerk{at:02}.test"));
        }
        desk.directory(&document);
        desk.proxy.forget();
        let report = desk.sync(3);
        assert_eq!(codes(&report), [cause], "{report:#}");
        assert_eq!((&report["holds"][0]["attribute"], &report["holds"][0]["count"]), (&json!(attribute), &json!(30)));
        assert!(desk.proxy.writes().is_empty());
        desk.directory(&company());
        assert_eq!(desk.sync(0)["status"], "ok", "it heals by itself");
        desk.directory(&document);
        let report = desk.sync(3);
        approve(&desk, &report);
        desk.sync(0);
    }
}

#[test]
fn mm1_a_loosened_limit_of_mass_change_is_held_itself() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    desk.tenant("[guard]\nvalue_changes = \"none\"\n");
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["guard_change"], "{report:#}");
    assert!(report["holds"][0]["detail"].as_str().unwrap().contains("value_changes: 30%, at least 10 → none"));
}

#[test]
fn mb1_a_restored_backup_is_compared_with_the_app() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    desk.rosterd.run(&["state", "export", "acme", "--out", "acme.state"]).expect_code(0);
    let mut document = company();
    document["groups"][1]["members"] = json!(["p00", "p01", "p02"]);
    document["users"][5]["displayName"] = json!("changed");
    document["users"][6]["active"] = json!(false);
    document["groups"][0]["name"] = json!("Crew");
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(members(&desk, "Admins"), 3);
    let import = desk.rosterd.run(&["state", "import", "acme", "acme.state", "--replace"]);
    assert!(import.expect_code(0).stdout.contains("compares every linked account"), "{}", import.stdout);
    // All of it is changed back: the restored state believes that nothing ever happened.
    desk.directory(&company());
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["adopt_only"], "{report:#}");
    assert_eq!((members(&desk, "Admins"), active(&desk)), (3, 30), "added at once, removed in the second run");
    desk.sync(0);
    assert_eq!((members(&desk, "Admins"), members(&desk, "Staff")), (2, 30));
    assert_eq!(desk.account("person05")["displayName"], "person05");
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty(), "and quiet: {:?}", desk.proxy.calls());
}

#[test]
fn mb2_a_restored_backup_does_not_forget_the_days_removals() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    desk.rosterd.run(&["state", "export", "acme", "--out", "acme.state"]).expect_code(0);
    desk.directory(&suspended(0..3));
    desk.sync(0);
    desk.rosterd.run(&["state", "import", "acme", "acme.state", "--replace"]).expect_code(0);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
    desk.directory(&suspended(0..6));
    desk.rosterd.run(&["sync", "acme"]);
    let report = desk.sync(3);
    assert_eq!((codes(&report), active(&desk)), (vec!["removals_per_day"], 27), "three of thirty a day: {report:#}");
    assert_eq!((&report["holds"][0]["now"], &report["holds"][0]["lost"]), (&json!(3), &json!(3)));
}

#[test]
fn mp12_an_undo_lasts_until_the_directory_is_corrected() {
    let desk = Desk::new();
    // What is taken back and made again counts twice: four of thirty in a day.
    desk.tenant("[guard]\nremovals_per_day = \"20%\"\n");
    desk.directory(&company());
    desk.sync(0);
    let mut wrong = suspended(3..5);
    wrong["groups"][1]["members"] = json!(["p00"]);
    desk.directory(&wrong);
    desk.sync(0);
    let undone = desk.rosterd.run(&["undo", "acme", "last", "--yes"]);
    assert!(undone.expect_code(0).stdout.contains("are held (`undone`)"), "{}", undone.stdout);
    for _ in 0..2 {
        desk.proxy.forget();
        let report = desk.sync(3);
        assert_eq!(codes(&report), ["undone"], "{report:#}");
        assert!(desk.proxy.writes().is_empty());
    }
    assert_eq!((active(&desk), members(&desk, "Admins")), (30, 2));
    wrong["users"][7]["displayName"] = json!("goes on");
    desk.directory(&wrong);
    desk.sync(3);
    assert_eq!(desk.account("person07")["displayName"], "goes on");
    desk.directory(&company());
    desk.sync(0);
    desk.directory(&suspended(3..5));
    desk.sync(0);
    assert_eq!(active(&desk), 28, "after that the same change is an ordinary one");
}

#[test]
fn mp10_a_deletion_that_waits_for_a_time_needs_a_clock_that_agrees_with_the_apps() {
    for (habits, deleted) in [(&["--misbehave", "slow-clock"][..], false), (&[], true)] {
        let desk = Desk::with_app(habits);
        desk.tenant("[users]\non_suspended = \"delete\"\ndelete_after = \"1s\"\n");
        desk.directory(&company());
        desk.sync(0);
        desk.directory(&suspended(0..1));
        desk.sync(0);
        let deactivated = std::time::Instant::now();
        crate::daemon::until("a second has passed", || deactivated.elapsed() > std::time::Duration::from_secs(2));
        desk.proxy.forget();
        let report = desk.sync(if deleted { 0 } else { 3 });
        let there = desk.user_names().contains(&"person00".to_owned());
        assert_eq!(there, !deleted, "{report:#}");
        if !deleted {
            assert_eq!(codes(&report), ["clock"], "{report:#}");
            assert!(
                report["holds"][0]["detail"].as_str().unwrap().contains("40 days ahead of the app's"),
                "{report:#}"
            );
            assert_eq!(desk.proxy.calls().len(), 1, "one read for the time: {:?}", desk.proxy.calls());
            // Deactivations go on.
            desk.directory(&suspended(0..2));
            desk.sync(3);
            assert_eq!(active(&desk), 28);
        }
    }
}
