//! `rosterd doctor --probe` with the real binary: what it finds out, and that it leaves nothing and touches nobody.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::support::proxy::{Fault, Rule};

/// An app with two accounts that are none of the probe's business.
fn desk(options: &[&str]) -> Desk {
    let desk = Desk::with_app(options);
    desk.hand_made("own@acme.test", &json!({"title": "Owner"}));
    desk.hand_made("rosterd-probe@acme.test", &json!({}));
    desk
}

fn others(desk: &Desk) -> Vec<Value> {
    ["own@acme.test", "rosterd-probe@acme.test"].iter().map(|name| desk.account(name)).collect()
}

fn probe(desk: &Desk, code: i32) -> Value {
    let run = desk.rosterd.run(&["doctor", "acme", "--probe", "--yes-i-mean", "acme", "--format", "json"]);
    run.expect_code(code).json()[0]["probe"].clone()
}

/// The knobs by name, as TOML.
fn knobs(probe: &Value) -> Vec<String> {
    let all = probe["knobs"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<String> =
        all.map(|one| format!("{}.{} = {}", text(&one["table"]), text(&one["key"]), text(&one["value"]))).collect();
    all.sort();
    all
}

#[test]
fn a_probe_finds_a_strict_app_as_its_profile_says_and_leaves_nothing() {
    let desk = desk(&[]);
    let before = others(&desk);
    let probe = probe(&desk, 0);
    assert_eq!((&probe["knobs"], &probe["toml"], &probe["left"]), (&json!([]), &json!(""), &json!([])), "{probe:#}");
    assert_eq!(probe["made"], 2, "made, and made again: {probe:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"], "nothing is left");
    assert_eq!(others(&desk), before, "nobody else was touched");
    assert!(!desk.rosterd.path().join("state/acme/probe.json").exists());
    let journal = desk.rosterd.run(&["journal", "show", "acme"]).expect_code(0).stdout.clone();
    assert!(journal.contains("Rosterd-Probe-"), "i8: {journal}");
    let text = desk.rosterd.run(&["doctor", "acme", "--probe", "--yes-i-mean", "acme"]).expect_code(0).stdout.clone();
    assert!(text.contains("cleaned up") && text.contains("the profile needs no change"), "{text}");
    assert_eq!(desk.sync(0)["status"], "ok", "the tenant goes on as ever");
}

#[test]
fn j6_a_probe_finds_out_that_a_changed_address_makes_a_second_account() {
    let desk = desk(&["--profile", "heap"]);
    let probe = probe(&desk, 0);
    for attribute in ["emails", "userName"] {
        let fixed = format!("attributes.{attribute}.mutability = \"immutable\"");
        assert!(knobs(&probe).contains(&fixed), "{fixed}: {probe:#}");
    }
    assert_eq!(probe["made"], 4, "the second accounts are known: {probe:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"], "and gone");
    let role = probe["findings"].as_array().unwrap().iter().find(|one| one["check"] == "role").unwrap();
    assert!(role["detail"].as_str().unwrap().contains("consumer"), "{role}");

    // What it prints goes into the tenant file as it is.
    desk.tenant(probe["toml"].as_str().unwrap());
    desk.rosterd.run(&["check", "acme"]).expect_code(0);
    let again = self::probe(&desk, 0);
    assert_eq!(again["knobs"], json!([]), "now the profile knows: {again:#}");
    desk.tenant("profile = \"heap\"\n");
    assert_eq!(self::probe(&desk, 0)["knobs"], json!([]));
}

#[test]
fn a_probe_finds_out_what_an_app_forgets_ignores_or_spells_anew() {
    let desk = desk(&["--misbehave", "amnesia", "--misbehave", "no-filter", "--misbehave", "lowercase"]);
    let probe = probe(&desk, 0);
    let expected = ["read.look_up = \"list\"", "read.user_match = [\"userName\"]", "users.send_external_id = false"];
    assert_eq!(knobs(&probe), expected, "{probe:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"]);
    desk.tenant(probe["toml"].as_str().unwrap());
    desk.rosterd.run(&["check", "acme"]).expect_code(0);
    assert_eq!(desk.sync(0)["status"], "ok");
}

#[test]
fn an_app_without_patch_is_changed_by_put_and_a_fast_probe_waits() {
    let desk = desk(&["--misbehave", "throttle"]);
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(100), Fault::status(501));
    let probe = probe(&desk, 0);
    assert!(knobs(&probe).contains(&"users.update_method = \"put_merge\"".to_owned()), "{probe:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"]);
}

#[test]
fn nobody_probes_by_a_slip() {
    let desk = desk(&[]);
    for arguments in [
        &["doctor", "--probe"][..],
        &["doctor", "acme", "--probe", "--yes-i-mean", "acne"],
        &["doctor", "acme", "acme", "--probe", "--yes-i-mean", "acme"],
    ] {
        desk.rosterd.run(arguments).expect_code(78);
    }
    let asked = desk.rosterd.run(&["doctor", "acme", "--probe"]);
    assert!(asked.expect_code(1).stderr.contains("--yes-i-mean acme"), "{}", asked.stderr);
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    desk.rosterd.run(&["doctor", "acme", "--probe", "--yes-i-mean", "acme"]).expect_code(3);
    desk.rosterd.run(&["resume", "acme"]).expect_code(0);
    desk.rosterd.secret("app.token", "another");
    desk.rosterd.run(&["doctor", "acme", "--probe", "--yes-i-mean", "acme"]).expect_code(1);
    assert!(desk.proxy.writes().is_empty());
}

#[test]
fn a_probe_that_is_interrupted_cleans_up_all_the_same() {
    let desk = desk(&[]);
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(1), Fault::Delay(Duration::from_secs(2)));
    let probe = desk.rosterd.spawn(&["doctor", "acme", "--probe", "--yes-i-mean", "acme", "--format", "json"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().len() < 2 {
        assert!(Instant::now() < deadline, "{}", probe.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    probe.signal("INT");
    let probe = probe.wait(Duration::from_secs(60)).expect_code(1).json()[0]["probe"].clone();
    assert_eq!((&probe["ended"], &probe["left"]), (&json!("stopped"), &json!([])), "{probe:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"]);
    assert!(!desk.rosterd.path().join("state/acme/probe.json").exists());
}

#[test]
fn what_a_probe_can_not_take_away_is_told_and_taken_away_by_the_next() {
    let desk = desk(&[]);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::DropAfter);
    let lost = probe(&desk, 1);
    assert!(!lost["ended"].is_null() && lost["left"] == json!([]), "a lost answer is looked up: {lost:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"]);

    desk.proxy.inject(Rule::on("DELETE", "/Users").times(100), Fault::status(500));
    let stuck = probe(&desk, 1);
    assert_eq!(stuck["left"].as_array().unwrap().len(), 1, "{stuck:#}");
    assert_eq!(stuck["left"][0]["inactive"], true, "at least nobody can use it: {stuck:#}");
    assert_eq!(desk.user_names().len(), 3);

    // Killed in the middle: the note is there, and the next probe begins with it.
    let desk = self::desk(&[]);
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(1), Fault::Delay(Duration::from_secs(30)));
    let killed = desk.rosterd.spawn(&["doctor", "acme", "--probe", "--yes-i-mean", "acme"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().len() < 2 {
        assert!(Instant::now() < deadline, "{}", killed.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.signal("KILL");
    killed.wait(Duration::from_secs(20));
    assert_eq!(desk.user_names().len(), 3);
    let told = desk.rosterd.run(&["doctor", "acme"]);
    assert!(told.expect_code(0).stdout.contains("may still be in the app"), "{}", told.stdout);
    let next = probe(&desk, 0);
    assert_eq!(next["left_earlier"], json!([]), "{next:#}");
    assert_eq!(desk.user_names(), ["own@acme.test", "rosterd-probe@acme.test"]);
}
