//! New groups and their members (J8): the real binary between JumpCloud's stand-in and an app like Heap, with the habits that such apps have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{Wording, group, people, tenant};
use crate::cli::{Desk, TOKEN, person};
use crate::support::directory::Directory;
use crate::support::jumpcloud::JumpCloud;

/// The members of every group in the app, by its name.
fn groups(desk: &Desk) -> BTreeMap<String, usize> {
    let shown = desk.app("/Groups");
    let all = shown["Resources"].as_array().unwrap().iter();
    all.map(|group| {
        (group["displayName"].as_str().unwrap().to_owned(), group["members"].as_array().map_or(0, Vec::len))
    })
    .collect()
}

/// `METHOD members` of the calls about groups that changed something.
fn sent(desk: &Desk) -> Vec<(String, usize)> {
    let calls = desk.proxy.writes().into_iter().filter(|call| call.path.contains("/Groups"));
    let members = |value: &Value| value.as_array().map_or(0, Vec::len);
    calls
        .map(|call| {
            let body = call.json();
            let in_operations = body["Operations"].as_array().into_iter().flatten();
            let added: usize = in_operations
                .map(|one| {
                    if one["op"].as_str().unwrap().eq_ignore_ascii_case("remove") { 1 } else { members(&one["value"]) }
                })
                .sum();
            (call.method.clone(), members(&body["members"]) + added)
        })
        .collect()
}

fn sync(desk: &Desk, code: i32) -> Value {
    desk.proxy.forget();
    desk.sync(code)
}

/// 326 calls before creates had members. Four requests list the accounts at the end of the first run.
#[test]
fn j8_300_people_in_6_groups_with_600_memberships_need_314_calls() {
    let mut directory = Directory::generate(300, 1, 1);
    let all: Vec<usize> = (0..300).collect();
    directory.groups = all.chunks(60).enumerate().map(|(at, part)| group(&format!("team{at}"), part)).collect();
    directory.groups.push(group("all", &all));
    let cloud = JumpCloud::start(&directory);
    cloud.change(|org| org.bind("Heap", &["all", "team0", "team1", "team2", "team3", "team4"]));
    let desk = Desk::with_app(&["--profile", "heap"]);
    let text = tenant(&desk.rosterd, &cloud, &cloud.base_url(), (&desk.proxy.base_url, TOKEN), Wording::default());
    desk.rosterd.tenant("acme", &text.replace("[target]\n", "[target]\nprofile = \"heap\"\n"));
    let report = sync(&desk, 0);
    let counts = desk.proxy.counts();
    let calls: usize = counts.values().sum();
    assert_eq!((&report["summary"]["create_user"], &report["summary"]["create_group"]), (&json!(300), &json!(6)));
    assert!(calls <= 314, "{counts:?}");
    assert_eq!(groups(&desk).values().sum::<usize>(), 600);
    assert_eq!(people(0..300).len(), desk.app("/Users?count=1")["totalResults"].as_u64().unwrap() as usize);
    sync(&desk, 0);
    assert_eq!(desk.proxy.counts(), BTreeMap::new(), "a quiet run");
}

/// Fifty people in two groups, in a file.
fn company(more: &[Value]) -> Value {
    let users: Vec<Value> = (0..50).map(|at| person(&format!("p{at}"), &format!("user{at}"))).collect();
    let ids: Vec<String> = (0..50).map(|at| format!("p{at}")).collect();
    let mut groups = vec![
        json!({"id": "g1", "name": "Staff", "members": ids}),
        json!({"id": "g2", "name": "Half", "members": ids[..30]}),
    ];
    groups.extend_from_slice(more);
    json!({"users": users, "groups": groups})
}

fn late() -> Value {
    let ids: Vec<String> = (0..45).map(|at| format!("p{at}")).collect();
    json!({"id": "g3", "name": "Late", "members": ids})
}

fn with_habit(habit: &str) -> Desk {
    let desk = Desk::with_app(&["--profile", "heap", "--misbehave", habit]);
    desk.tenant("profile = \"heap\"\n");
    desk.directory(&company(&[]));
    desk
}

fn doctor(desk: &Desk) -> String {
    desk.rosterd.run(&["doctor", "acme"]).stdout
}

#[test]
fn j8_an_app_with_the_shipped_heap_profile_gets_its_groups_whatever_it_does_about_members() {
    for habit in
        ["few-members", "small-bodies", "no-empty-groups", "no-first-members", "late-members", "hidden-members"]
    {
        let desk = with_habit(habit);
        let report = sync(&desk, 0);
        assert_eq!(report["status"], "ok", "{habit}: {report:#}");
        let told = doctor(&desk);
        match habit {
            "few-members" | "small-bodies" => {
                let refused = sent(&desk).iter().filter(|(_, members)| *members > 20).count();
                assert!((1..=4).contains(&refused), "{habit}: {:?}", sent(&desk));
                assert!(told.contains("members in one call"), "{told}");
            }
            "no-first-members" => assert!(told.contains("groups.members_on_create = false"), "{told}"),
            _ => {}
        }
        let is_hidden = habit == "hidden-members";
        if !is_hidden {
            assert_eq!(groups(&desk), BTreeMap::from([("Staff".to_owned(), 50), ("Half".to_owned(), 30)]), "{habit}");
        }
        sync(&desk, 0);
        assert_eq!(desk.proxy.counts(), BTreeMap::new(), "{habit}: a quiet run");

        // What was learned is kept.
        desk.directory(&company(&[late()]));
        sync(&desk, 0);
        let calls = sent(&desk);
        let posts: Vec<usize> =
            calls.iter().filter(|(method, _)| method == "POST").map(|(_, members)| *members).collect();
        match habit {
            "few-members" | "small-bodies" => {
                assert!(calls.iter().all(|(_, members)| *members <= 20), "{habit}: {calls:?}")
            }
            "no-empty-groups" => assert_eq!(calls, [("POST".to_owned(), 45)]),
            "no-first-members" | "late-members" => assert_eq!(posts, [0], "{habit}: {calls:?}"),
            _ => {}
        }
        if !is_hidden {
            assert_eq!(groups(&desk)["Late"], 45, "{habit}");
        }
    }
}

#[test]
fn j8_a_refusal_names_the_key_that_ends_it() {
    let desk = with_habit("no-empty-groups");
    desk.tenant("profile = \"heap\"\n[target.override_profile.groups]\nmembers_on_create = false\n");
    let report = sync(&desk, 4);
    let text = report.to_string();
    assert!(text.contains("groups.members_on_create = true") && text.contains("a group needs a member"), "{report:#}");

    let desk = with_habit("no-empty-groups");
    desk.tenant("profile = \"heap\"\n[groups]\ncreate_empty = true\n");
    desk.directory(&company(&[json!({"id": "g3", "name": "Empty", "members": []})]));
    let report = sync(&desk, 4);
    assert!(report.to_string().contains("`create_empty = false` under [groups]"), "{report:#}");
    assert_eq!(groups(&desk).len(), 2, "the others are there");
}

#[test]
fn j8_a_group_whose_only_member_cannot_be_taken_is_not_created() {
    let desk = Desk::with_app(&["--profile", "heap", "--foreign", "eve"]);
    desk.tenant("profile = \"heap\"\n");
    desk.directory(&json!({
        "users": [person("p1", "ann"), person("p2", "eve")],
        "groups": [{"id": "g1", "name": "Staff", "members": ["p1", "p2"]}, {"id": "g2", "name": "Night", "members": ["p2"]}],
    }));
    let report = sync(&desk, 4);
    assert_eq!(groups(&desk), BTreeMap::from([("Staff".to_owned(), 1)]), "{report:#}");
    let night: Vec<&Value> =
        report["operations"].as_array().unwrap().iter().filter(|one| one["name"] == "Night").collect();
    assert!(night.iter().all(|one| one["result"] == "failed"), "{report:#}");
    assert!(
        night[0]["detail"].as_str().unwrap().contains("eve")
            && night[0]["detail"].as_str().unwrap().contains("groups.create_empty")
    );
    // Ann joins it: it is made with her.
    desk.directory(&json!({
        "users": [person("p1", "ann"), person("p2", "eve")],
        "groups": [{"id": "g1", "name": "Staff", "members": ["p1", "p2"]}, {"id": "g2", "name": "Night", "members": ["p1", "p2"]}],
    }));
    sync(&desk, 4);
    assert_eq!(groups(&desk), BTreeMap::from([("Night".to_owned(), 1), ("Staff".to_owned(), 1)]));
}
