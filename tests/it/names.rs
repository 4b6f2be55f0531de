//! Names that are passed on, groups that were released, and group management that is switched on again (J9, J11, J12, J14): the real binary
//! against the sandbox, which allows a name once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::{Desk, person};

const DIE_AT: &str = "ROSTERD_DIE_AT_FAIL_POINT";

fn two_groups(first: &str, second: &str) -> Value {
    json!({
        "users": [person("p1", "ann"), person("p2", "bob"), person("p3", "cid")],
        "groups": [
            {"id": "g1", "name": first, "members": ["p1"]},
            {"id": "g2", "name": second, "members": ["p2", "p3"]},
        ],
    })
}

/// The members of a group of the app, by user name.
fn members(desk: &Desk, name: &str) -> BTreeSet<String> {
    let users = desk.app("/Users")["Resources"].clone();
    let groups = desk.app("/Groups")["Resources"].clone();
    let found = groups.as_array().unwrap().iter().find(|group| group["displayName"] == name).cloned();
    let found = found.unwrap_or_else(|| panic!("there is no {name}: {groups:#}"));
    let user_name = |member: &Value| {
        let user = users.as_array().unwrap().iter().find(|user| user["id"] == member["value"]).unwrap();
        user["userName"].as_str().unwrap().to_owned()
    };
    found["members"].as_array().map(|all| all.iter().map(user_name).collect()).unwrap_or_default()
}

fn group_id(desk: &Desk, name: &str) -> String {
    let groups = desk.app("/Groups")["Resources"].clone();
    let found = groups.as_array().unwrap().iter().find(|group| group["displayName"] == name).cloned().unwrap();
    found["id"].as_str().unwrap().to_owned()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_quiet(desk: &Desk) {
    let report = desk.sync(0);
    assert_eq!((&report["planned"], &report["calls"]["total"]), (&json!(0), &json!(0)), "{report:#}");
}

#[test]
fn j11_two_groups_swap_names_in_one_visible_step() {
    let desk = Desk::new();
    desk.directory(&two_groups("Sales", "Service"));
    desk.sync(0);
    desk.directory(&two_groups("Service", "Sales"));
    let plan = desk.rosterd.run(&["plan", "acme"]);
    assert!(plan.expect_code(0).stdout.contains("free a name"), "{}", plan.stdout);
    let why = desk.rosterd.run(&["why", "acme", "ann"]);
    why.expect_code(0);
    let report = desk.sync(0);
    assert_eq!(report["summary"], json!({"free_name": 1, "rename_group": 2}), "{report:#}");
    assert_eq!((members(&desk, "Service"), members(&desk, "Sales")), (set(&["ann"]), set(&["bob", "cid"])));
    is_quiet(&desk);
    let journal = desk.rosterd.run(&["journal", "show", "acme"]);
    assert!(journal.expect_code(0).stdout.contains("free_name"), "{}", journal.stdout);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
    // Taken back, which is a swap again.
    desk.rosterd.run(&["undo", "acme", "last", "--yes"]).expect_code(0);
    assert_eq!(members(&desk, "Sales"), set(&["ann"]));
}

/// The default: the app keeps the directory's ids, by which the holder of the name is known as another's.
#[test]
fn j11_a_newcomer_and_a_new_group_get_names_that_others_give_up_in_the_same_run() {
    let desk = Desk::new();
    desk.directory(&two_groups("Sales", "Service"));
    desk.sync(0);
    let renamed = |mut document: Value| {
        document["users"][0]["userName"] = json!("ann.old");
        document["users"].as_array_mut().unwrap().push(person("p9", "ann"));
        document["groups"][0]["name"] = json!("Selling");
        document["groups"].as_array_mut().unwrap().push(json!({"id": "g9", "name": "Sales", "members": ["p9"]}));
        document
    };
    desk.directory(&renamed(two_groups("Sales", "Service")));
    let report = desk.sync(0);
    assert_eq!((&report["failed"], &report["held"]), (&json!(0), &json!(0)), "{report:#}");
    assert_eq!(members(&desk, "Selling"), set(&["ann.old"]));
    assert_eq!(members(&desk, "Sales"), set(&["ann"]));
    is_quiet(&desk);
}

#[test]
fn j11_two_people_swap_user_names_killed_at_every_point() {
    let desk = Desk::new();
    desk.sync(0);
    let swapped = |day: usize| {
        let (first, second) = if day.is_multiple_of(2) { ("ann", "bob") } else { ("bob", "ann") };
        let mut document = crate::cli::company();
        document["users"][0] = person("p1", first);
        document["users"][1] = person("p2", second);
        document
    };
    for day in 1.. {
        assert!(day < 200, "it never came to an end");
        desk.directory(&swapped(day));
        let die_at = day.to_string();
        let killed = desk.rosterd.run_with(&["sync", "acme", "--format", "json"], &[(DIE_AT, &die_at)]);
        desk.sync(0);
        let names = desk.user_names();
        assert_eq!(names, ["ann", "bob", "cid"], "killed at {day}: no third name stays");
        let (first, _) = if day.is_multiple_of(2) { ("ann", "bob") } else { ("bob", "ann") };
        assert_eq!(desk.account(first)["externalId"], "p1", "killed at {day}");
        if killed.code.is_some() {
            desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
            return;
        }
    }
}

#[test]
fn j9_j12_a_group_that_was_released_goes_to_a_new_group_of_its_name() {
    let desk = Desk::new();
    desk.tenant("[groups]\nadopt = \"never\"\n[guard]\nremovals_per_day = \"none\"\ngroup_removals = \"none\"\n");
    desk.directory(&two_groups("Sales", "Service"));
    desk.sync(0);
    let id = group_id(&desk, "Sales");
    let mut document = two_groups("Sales", "Service");
    document["groups"][0]["assigned"] = json!(false);
    document["groups"][1]["members"] = json!(["p1", "p2", "p3"]);
    desk.directory(&document);
    assert_eq!(desk.sync(0)["summary"]["release_group"], 1);
    // What the state knows of it comes from the journal.
    desk.rosterd.run(&["state", "rebuild", "acme"]).expect_code(0);
    document["groups"].as_array_mut().unwrap().push(json!({"id": "g7", "name": "Sales", "members": ["p2"]}));
    desk.directory(&document);
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_group"], 1, "{report:#}");
    desk.sync(0);
    assert_eq!((group_id(&desk, "Sales"), members(&desk, "Sales")), (id, set(&["bob"])));
    is_quiet(&desk);
    // A group that rosterd never had stays as it is.
    let stranger = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Board"});
    desk.by_hand("POST", "/Groups", &stranger);
    document["groups"].as_array_mut().unwrap().push(json!({"id": "g8", "name": "Board", "members": ["p2"]}));
    desk.directory(&document);
    desk.sync(3);
    assert_eq!(members(&desk, "Board"), set(&[]));
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn j14_group_management_off_and_on_again_puts_right_what_was_changed_by_hand() {
    let desk = Desk::new();
    desk.directory(&two_groups("Sales", "Service"));
    desk.sync(0);
    desk.tenant("[groups]\nmanage = false\n");
    desk.sync(0);
    let (ann, cid) = (desk.account("ann")["id"].clone(), desk.account("cid")["id"].clone());
    let patch = |operations: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let sales = format!("/Groups/{}", group_id(&desk, "Sales"));
    let members_of = |ids: &[&Value]| ids.iter().map(|id| json!({"value": id})).collect::<Vec<_>>();
    desk.by_hand("PATCH", &sales, &patch(json!([{"op": "replace", "path": "members", "value": members_of(&[&cid])}])));
    assert_eq!(members(&desk, "Sales"), set(&["cid"]), "{ann}");

    desk.tenant("");
    for _ in 0..2 {
        let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]).expect_code(0).json();
        assert_eq!(plan["summary"], json!({"compare_group": 2, "add_members": 1, "remove_members": 1}), "{plan:#}");
    }
    let killed = desk.rosterd.run_with(&["sync", "acme"], &[(DIE_AT, "6")]);
    assert_eq!(killed.code, None, "{}", killed.stdout);
    desk.sync(0);
    desk.sync(0);
    assert_eq!((members(&desk, "Sales"), members(&desk, "Service")), (set(&["ann"]), set(&["bob", "cid"])));
    is_quiet(&desk);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}
