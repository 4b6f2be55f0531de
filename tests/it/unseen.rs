//! What a directory file does not show, with the real binary: members without a user, signs of suspension that are gone, files that are cut.

use serde_json::{Value, json};

use crate::cli::{Desk, company};

/// The names of accounts that are active, sorted.
fn active(desk: &Desk) -> Vec<String> {
    let all = desk.app("/Users");
    let users = all["Resources"].as_array().unwrap().iter().filter(|user| user["active"] == true);
    let mut names: Vec<String> = users.map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn codes(report: &Value) -> Vec<&str> {
    report["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
}

/// The company as a folder of CSV files; `users` are the rows behind the header.
fn folder(desk: &Desk, header: &str, users: &str, members: &str) {
    desk.rosterd.file("csv/users.csv", &format!("{header}\n{users}"));
    desk.rosterd.file("csv/groups.csv", "id,name\ng1,Staff\n");
    desk.rosterd.file("csv/members.csv", &format!("group_id,user_id\n{members}"));
    let tenant = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("acme", &tenant.replace("../people.json", "../csv"));
}

const MEMBERS: &str = "g1,p1\ng1,p2\ng1,p3\n";

fn row(id: &str, name: &str, active: &str) -> String {
    format!("{id},{name},{name}@acme.test,{name},Test,{name},{active}\n")
}

fn people(active: [&str; 3]) -> String {
    row("p1", "ann", active[0]) + &row("p2", "bob", active[1]) + &row("p3", "cid", active[2])
}

const HEADER: &str = "id,userName,email,givenName,familyName,displayName,active";

#[test]
fn mp4_a_user_whom_a_group_still_names_keeps_the_account_until_the_name_is_gone() {
    let desk = Desk::new();
    desk.sync(0);
    let mut hidden = company();
    hidden["users"].as_array_mut().unwrap().retain(|user| user["id"] != "p2");
    desk.directory(&hidden);
    for _ in 0..2 {
        let report = desk.sync(3);
        assert_eq!(codes(&report), ["dangling_member"], "{report:#}");
        assert_eq!(report["dangling"]["count"], 1);
        assert_eq!(active(&desk), ["ann", "bob", "cid"]);
    }
    let plan = desk.rosterd.run(&["plan", "acme"]);
    assert!(plan.stdout.contains("people.json:1: group Staff names p2"), "{}", plan.stdout);
    assert!(plan.stdout.contains("rosterd approve acme"), "{}", plan.stdout);
    hidden["groups"][0]["members"] = json!(["p1", "p3"]);
    desk.directory(&hidden);
    desk.sync(0);
    assert_eq!(active(&desk), ["ann", "cid"], "nobody names them any more");
}

#[test]
fn mp4_a_letter_too_many_in_members_csv_ends_no_membership_and_its_line_is_told() {
    let desk = Desk::new();
    folder(&desk, HEADER, &people(["true"; 3]), MEMBERS);
    desk.sync(0);
    folder(&desk, HEADER, &people(["true"; 3]), "g1,p1\ng1,p2\ng1,\"p3 \"\n");
    assert_eq!(desk.sync(0)["planned"], 0, "a blank is no other user");
    folder(&desk, HEADER, &people(["true"; 3]), "g1,p1\ng1,p2\ng1,p33\n");
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["dangling_member"], "{report:#}");
    assert_eq!(report["dangling"]["examples"], json!(["members.csv:4: group Staff names p33"]));
    assert_eq!(active(&desk), ["ann", "bob", "cid"]);
}

#[test]
fn mp3_a_column_that_is_misspelt_or_gone_activates_nobody() {
    let desk = Desk::new();
    folder(&desk, HEADER, &people(["true", "true", "false"]), MEMBERS);
    desk.sync(0);
    folder(&desk, HEADER, &people(["true", "false", "false"]), MEMBERS);
    desk.sync(0);
    assert_eq!(active(&desk), ["ann"]);
    folder(&desk, &HEADER.replace("active", "Active"), &people(["true", "false", "false"]), MEMBERS);
    assert_eq!(desk.sync(0)["planned"], 0, "known in any case");
    folder(&desk, &HEADER.replace("active", "Activ"), &people(["true", "false", "false"]), MEMBERS);
    let refused = desk.rosterd.run(&["sync", "acme"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("users.csv:1:"), "{}", refused.stderr);
    folder(&desk, &HEADER.replace("active", "title"), &people(["x", "y", "z"]), MEMBERS);
    let report = desk.sync(3);
    assert!(codes(&report).contains(&"source_evidence"), "{report:#}");
    assert_eq!(active(&desk), ["ann"], "neither an activation nor an account for who never had one");
}

#[test]
fn mp6_a_malformed_or_cut_file_changes_nothing() {
    let desk = Desk::new();
    folder(&desk, HEADER, &people(["true"; 3]), MEMBERS);
    desk.sync(0);
    let good = people(["true"; 3]);
    for (users, line) in [
        (good.replacen("bob,bob@", "\"bob,bob@", 1), "users.csv:3:"),
        (good.replacen("bob,bob@", "bo\"b,bob@", 1), "users.csv:3:"),
        (good[..good.len() - 12].to_owned(), "users.csv:4:"),
        (good.strip_suffix("true\n").unwrap().to_owned(), "users.csv:4:"),
        (good.strip_suffix("ue\n").unwrap().to_owned(), "users.csv:4:"),
    ] {
        folder(&desk, HEADER, &users, MEMBERS);
        let refused = desk.rosterd.run(&["sync", "acme"]);
        assert!(refused.code != Some(0) && refused.stderr.contains(line), "{line} {}", refused.stderr);
        assert_eq!(active(&desk), ["ann", "bob", "cid"]);
    }
    folder(&desk, HEADER, good.trim_end(), MEMBERS.trim_end());
    assert_eq!(desk.sync(0)["planned"], 0, "the last line break is optional");
}

#[test]
fn mm4_one_user_whose_status_is_null_is_named_and_the_others_go_on() {
    let desk = Desk::new();
    desk.sync(0);
    let mut odd = company();
    odd["users"][1]["active"] = Value::Null;
    odd["users"][0]["active"] = json!(false);
    desk.directory(&odd);
    let report = desk.sync(4);
    assert_eq!(active(&desk), ["bob", "cid"], "{report:#}");
    let told = report["operations"].as_array().unwrap().iter().find(|told| told["name"] == "bob").unwrap();
    assert!(told["detail"].as_str().unwrap().contains("\"active\": null"), "{told:#}");
}
