//! Mass-loss drills with the real binary: a directory file that looks as if most people had left. No call may change the app,
//! the hold names its cause, and a healed directory ends it without anybody's help.

use serde_json::{Value, json};

use crate::cli::{Desk, person};

const PEOPLE: usize = 30;

fn company() -> Value {
    let users: Vec<Value> = (0..PEOPLE).map(|at| person(&format!("p{at:02}"), &format!("person{at:02}"))).collect();
    let ids: Vec<String> = (0..PEOPLE).map(|at| format!("p{at:02}")).collect();
    json!({
        "users": users,
        "groups": [
            {"id": "g1", "name": "Staff", "members": ids},
            {"id": "g2", "name": "Night", "members": ["p00", "p01"]},
        ],
    })
}

fn users(document: &mut Value) -> &mut Vec<Value> {
    document["users"].as_array_mut().unwrap()
}

/// What the app holds, in its own words.
fn holdings(desk: &Desk) -> (Value, Value) {
    (desk.app("/Users?count=100")["Resources"].clone(), desk.app("/Groups?count=100")["Resources"].clone())
}

/// A broken directory file, or a tenant file that somebody edited, and the hold that names it.
struct Drill {
    directory: Value,
    tenant: &'static str,
    cause: &'static str,
}

impl Drill {
    fn of(cause: &'static str, spoil: impl FnOnce(&mut Value)) -> Self {
        let mut directory = company();
        spoil(&mut directory);
        Self { directory, tenant: "", cause }
    }

    /// Three runs change nothing and say why; when all is well again, so is the app.
    fn play(&self) {
        let desk = Desk::new();
        desk.directory(&company());
        desk.sync(0);
        let before = holdings(&desk);
        desk.proxy.forget();
        desk.directory(&self.directory);
        desk.tenant(self.tenant);
        for _ in 0..3 {
            let report = desk.sync(3);
            assert_eq!(report["status"], "held", "{report:#}");
            let holds = report["holds"].as_array().unwrap();
            assert!(holds.iter().any(|hold| hold["reason"] == self.cause), "{holds:#?}");
        }
        assert!(desk.proxy.writes().is_empty(), "{:?}", desk.proxy.writes());
        let status = desk.rosterd.run(&["status", "acme"]);
        assert!(status.expect_code(0).stdout.contains("held"), "i11: {}", status.stdout);
        desk.directory(&company());
        desk.tenant("");
        assert_eq!(desk.sync(0)["status"], "ok", "it heals by itself");
        assert!(desk.proxy.writes().is_empty());
        assert_eq!(holdings(&desk), before);
    }
}

#[test]
fn i2_sixty_percent_of_the_people_vanish() {
    Drill::of("source_shrink", |document| drop(users(document).drain(..PEOPLE * 6 / 10))).play();
}

#[test]
fn i2_all_groups_vanish() {
    Drill::of("source_shrink", |document| document["groups"] = json!([])).play();
}

#[test]
fn i2_everybody_is_disabled() {
    Drill::of("removals_per_day", |document| {
        users(document).iter_mut().for_each(|user| user["active"] = json!(false));
    })
    .play();
}

fn without_e_mail(document: &mut Value, from: usize) {
    users(document).iter_mut().skip(from).for_each(|user| drop(user.as_object_mut().unwrap().remove("email")));
}

#[test]
fn i2_the_e_mail_is_missing_nearly_everywhere() {
    Drill::of("attribute_loss", |document| without_e_mail(document, 1)).play();
}

#[test]
fn i2_an_e_mail_that_the_directory_no_longer_has_at_all_is_cleared_nowhere() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    let before = holdings(&desk);
    desk.proxy.forget();
    let mut document = company();
    without_e_mail(&mut document, 0);
    desk.directory(&document);
    // By the default rules the attribute is nobody's any more.
    desk.sync(0);
    // A rule that somebody wrote is never left out: by that one everybody loses their address, and that is held.
    desk.tenant("[users.attributes]\nuserName = \"userName\"\n\"emails.work\" = \"email\"\n");
    let report = desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "attribute_loss", "{report:#}");
    assert!(desk.proxy.writes().is_empty());
    assert_eq!(holdings(&desk), before);
}

#[test]
fn i2_somebody_edits_the_filter() {
    let edited = "[scope]\nusers = 'userName == \"person00\"'\n";
    Drill { directory: company(), tenant: edited, cause: "settings_change" }.play();
}

#[test]
fn i2_somebody_edits_the_scope() {
    let edited = "[scope]\ngroups = [{ name = \"Night\" }]\n";
    Drill { directory: company(), tenant: edited, cause: "settings_change" }.play();
}

#[test]
fn i3_everybody_has_another_id() {
    let text = company().to_string().replace("\"p", "\"q").replace("\"qerson", "\"person");
    Drill::of("rekey", |document| *document = serde_json::from_str(&text).unwrap()).play();
}

#[test]
fn i2_a_directory_that_shows_nobody_is_an_error_and_no_call_is_made() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    let before = holdings(&desk);
    desk.proxy.forget();
    desk.directory(&json!({"users": [], "groups": []}));
    for _ in 0..3 {
        let run = desk.rosterd.run(&["sync", "acme"]);
        assert!(run.expect_code(1).stderr.contains("no users at all"), "{}", run.stderr);
    }
    assert!(desk.proxy.calls().is_empty());
    desk.directory(&company());
    desk.sync(0);
    assert_eq!(holdings(&desk), before);
}

#[test]
fn i2_one_leaver_after_the_other_stops_at_the_budget_over_many_runs() {
    let desk = Desk::new();
    let mut document = company();
    desk.directory(&document);
    desk.sync(0);
    desk.proxy.forget();
    for at in 0..8 {
        users(&mut document)[at]["active"] = json!(false);
        desk.directory(&document);
        let code = if at < 3 { 0 } else { 3 };
        let report = desk.sync(code);
        if code == 3 {
            assert_eq!(report["holds"][0]["reason"], "removals_per_day", "{report:#}");
        }
    }
    assert_eq!(desk.proxy.writes().len(), 3, "10 % of thirty people in a day, whatever the number of runs");
    desk.directory(&company());
    let report = desk.sync(0);
    assert_eq!(report["summary"], json!({"activate_user": 3}), "{report:#}");
    let (people, _) = holdings(&desk);
    assert!(people.as_array().unwrap().iter().all(|user| user["active"] == true), "{people:#}");
}
