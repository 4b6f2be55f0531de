//! What commands print for people: the table of `status`, the names that `journal show` finds, one plan for an `undo`, one line for all tenants.

use serde_json::json;

use crate::cli::{Desk, person};
use crate::support::proxy::{Fault, Rule};

#[test]
fn status_is_a_table_with_names_and_one_form_of_time() {
    let desk = Desk::new();
    let refused = Fault::body(400, r#"{"status":"400","detail":"no licence is left"}"#);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), refused);
    desk.sync(4);
    let shown = desk.rosterd.run(&["status"]).expect_code(0).stdout.clone();
    let lines: Vec<&str> = shown.lines().collect();
    let heads: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|head| !head.is_empty()).collect();
    assert_eq!(heads, ["TENANT", "STATE", "USERS", "LAST RUN", "NEXT RUN", "HELD", "FAILED"], "{shown}");
    let row: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!((row[0], row[1], row[2], row[4], row[5], row[6]), ("acme", "partial", "2", "–", "–", "1"), "{shown}");
    assert!(row[3].ends_with(" UTC") && row[3].len() == "2026-11-22 17:14 UTC".len(), "{shown}");
    let failed = lines.iter().find(|line| line.contains("no licence is left")).unwrap();
    assert!(["ann", "bob", "cid"].iter().any(|name| failed.contains(&format!("failed user {name}: "))), "{failed}");
    assert!(!failed.contains("(p1)") && failed.ends_with(" UTC)"), "names and one form of time: {failed}");
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    let shown = desk.rosterd.run(&["status"]).expect_code(0).stdout.clone();
    assert!(shown.lines().nth(1).unwrap().contains("paused"), "{shown}");
}

#[test]
fn the_first_hold_is_shown_once() {
    let desk = Desk::new();
    desk.sync(0);
    desk.directory(&json!({"users": [person("p4", "dee")], "groups": [{"id": "g1", "name": "Staff", "members": []}]}));
    desk.rosterd.run(&["sync", "acme"]).expect_code(3);
    let shown = desk.rosterd.run(&["status", "acme"]).expect_code(0).stdout.clone();
    assert_eq!(shown.matches("users would lose access now").count(), 1, "{shown}");
    assert!(shown.contains("Approve with: `rosterd approve acme "), "{shown}");
}

#[test]
fn a_run_that_did_not_finish_is_told_until_the_next_one_ends() {
    let desk = Desk::new();
    let mut shown = String::new();
    for point in 1..120 {
        let killed = desk.rosterd.run_with(&["sync", "acme"], &[("ROSTERD_DIE_AT_FAIL_POINT", &point.to_string())]);
        shown = desk.rosterd.run(&["status", "acme"]).stdout.clone();
        if shown.contains("ended early:") || killed.code.is_some() {
            break;
        }
    }
    assert!(shown.contains("did not finish") && shown.lines().nth(1).unwrap().contains("failing"), "{shown}");
    desk.sync(0);
    let shown = desk.rosterd.run(&["status", "acme"]).expect_code(0).stdout.clone();
    assert!(!shown.contains("ended early") && shown.lines().nth(1).unwrap().contains("ok"), "{shown}");
}

#[test]
fn the_journal_is_searched_by_every_name_and_says_when_nothing_matches() {
    let desk = Desk::new();
    desk.sync(0);
    let of = |name: &str| desk.rosterd.run(&["journal", "show", "acme", "--object", name]);
    let by_id = of("p1").expect_code(0).stdout.clone();
    assert!(by_id.contains("create_user user ann"), "{by_id}");
    for name in ["ann", "ANN", "ann@acme.test"] {
        assert_eq!(of(name).expect_code(0).stdout, by_id, "{name}");
    }
    assert!(of("staff").expect_code(0).stdout.contains("create_group group Staff"));
    let nobody = of("zoe");
    assert!(nobody.expect_code(1).stderr.contains("no record of acme's journal is about \"zoe\""), "{}", nobody.stderr);
}

#[test]
fn undo_prints_its_plan_once() {
    let desk = Desk::new();
    desk.sync(0);
    let undone = desk.rosterd.run(&["undo", "acme", "last", "--yes"]);
    assert_eq!(undone.stdout.matches("deactivate account").count(), 1, "{}\n{}", undone.stdout, undone.stderr);
    assert!(undone.stdout.contains("reverts run"), "{}", undone.stdout);
}

#[test]
fn a_sync_of_all_ends_with_one_line_about_all() {
    let desk = Desk::new();
    desk.rosterd.tenant("broken", "[source.file]\n");
    let all = desk.rosterd.run(&["sync", "--all"]);
    assert_eq!(all.stdout.lines().last(), Some("2 tenants: 1 ok, 1 with mistakes (broken)"), "{}", all.stdout);
}

#[test]
fn a_plan_shows_the_loss_of_access_first_and_ends_with_its_numbers() {
    let desk = Desk::new();
    desk.sync(0);
    let mut ann = person("p1", "ann");
    ann["displayName"] = json!("Ann Lee");
    desk.directory(&json!({
        "users": [ann, person("p2", "bob"), person("p5", "eve")],
        "groups": [{"id": "g1", "name": "Staff", "members": ["p1", "p2", "p5"]}],
    }));
    let shown = desk.rosterd.run(&["plan", "acme"]).expect_code(0).stdout.clone();
    let at = |part: &str| shown.find(part).unwrap_or_else(|| panic!("{part}: {shown}"));
    assert!(
        at("deactivate account") < at("create account") && at("deactivate account") < at("update account"),
        "{shown}"
    );
    assert!(shown.contains("displayName: \"ann\" → \"Ann Lee\""), "{shown}");
    let plan = shown.lines().find(|line| line.contains("Plan: ")).unwrap();
    assert!(plan.ends_with(" changes, 0 held, 0 blocked (read-only)"), "{shown}");
}
