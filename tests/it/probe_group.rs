//! The throw-away group of `rosterd doctor --probe` (MA8): what an app does with members and groups is known before the first sync, and nothing is
//! left behind in silence.

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::support::proxy::{Fault, Rule};

const PROBE: [&str; 5] = ["doctor", "acme", "--probe", "--yes-i-mean", "acme"];

fn probe(desk: &Desk, code: i32) -> Value {
    let run = desk.rosterd.run(&[&PROBE[..], &["--format", "json"]].concat());
    run.expect_code(code).json()[0]["probe"].clone()
}

/// What was found about groups, with the verdict in front.
fn groups(probe: &Value) -> Vec<String> {
    let about = probe["findings"].as_array().unwrap().iter().filter(|one| one["check"] == "group");
    about.map(|one| format!("{}: {}", one["verdict"].as_str().unwrap(), one["detail"].as_str().unwrap())).collect()
}

fn left_in_app(desk: &Desk) -> Vec<String> {
    let all = desk.app("/Groups");
    let names = all["Resources"].as_array().cloned().unwrap_or_default();
    names.iter().map(|group| group["displayName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn ma8_a_group_is_made_changed_and_taken_away() {
    let desk = Desk::new();
    let probe = probe(&desk, 0);
    let found = groups(&probe);
    for part in ["shows its member", "can be taken out", "can be renamed", "of the same name", "deactivated"] {
        assert!(found.iter().any(|one| one.starts_with("ok: ") && one.contains(part)), "{part}: {found:#?}");
    }
    assert!(found.iter().all(|one| one.starts_with("ok: ")), "{found:#?}");
    assert_eq!((left_in_app(&desk), &probe["left"]), (Vec::new(), &json!([])));
    assert_eq!(desk.user_names(), Vec::<String>::new());
}

#[test]
fn ma8_a_removal_that_is_accepted_without_effect_is_wrong_and_no_profile_is_right() {
    let desk = Desk::new();
    // The first PATCH of a group takes the member out.
    desk.proxy.inject(
        Rule::on("PATCH", "/Groups").times(1),
        Fault::Answer { status: 204, headers: vec![], body: String::new() },
    );
    let run = desk.rosterd.run(&PROBE);
    let text = &run.expect_code(1).stdout;
    assert!(text.contains("still shows the account as a member"), "{text}");
    assert!(text.contains("no profile setting helps") && !text.contains("needs no change"), "{text}");
    assert_eq!((left_in_app(&desk), desk.user_names()), (vec![], vec![]), "all is taken away: {text}");
}

#[test]
fn ma8_a_name_that_is_ignored_and_members_that_are_hidden_are_said() {
    let desk = Desk::new();
    desk.proxy.inject(
        Rule::on("PATCH", "/Groups").skip(1).times(1),
        Fault::Answer { status: 204, headers: vec![], body: String::new() },
    );
    let found = groups(&probe(&desk, 0));
    assert!(found.iter().any(|one| one.starts_with("warning: a new name is accepted")), "{found:#?}");
    let desk = Desk::with_app(&["--misbehave", "hidden-members"]);
    let found = groups(&probe(&desk, 0));
    assert!(
        found.iter().any(|one| one.starts_with("warning: ") && one.contains("does not show who is in a group")),
        "{found:#?}"
    );
    assert_eq!(left_in_app(&desk), Vec::<String>::new());
}

#[test]
fn ma8_a_group_that_can_not_be_taken_away_is_named_and_the_next_probe_takes_it_away() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("DELETE", "/Groups").times(100), Fault::status(403));
    let first = probe(&desk, 1);
    let left = first["left"].as_array().unwrap();
    assert!(
        left.iter().all(|one| one["user_name"].as_str().unwrap().contains("-group") && one["id"].is_string()),
        "{left:#?}"
    );
    assert!(!left.is_empty() && desk.rosterd.path().join("state/acme/probe.json").exists(), "{first:#}");
    desk.proxy.heal();
    let second = probe(&desk, 0);
    assert_eq!((&second["left"], &second["left_earlier"]), (&json!([]), &json!([])), "{second:#}");
    assert_eq!(left_in_app(&desk), Vec::<String>::new());
}

#[test]
fn ma8_an_app_without_groups_is_probed_all_the_same() {
    let desk = Desk::new();
    for method in ["GET", "POST"] {
        desk.proxy.inject(Rule::on(method, "/Groups").times(100), Fault::status(404));
    }
    let probe = probe(&desk, 0);
    assert!(groups(&probe)[0].starts_with("warning: a new group is refused"), "{probe:#}");
    assert_eq!(probe["left"], json!([]), "{probe:#}");
}
