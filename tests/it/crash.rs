//! P1 with the real binary: the process ends with no warning at every fail point of a run, one after the other, and the next run
//! finds everything out. The app takes every name twice, so that a create that is repeated shows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::{Desk, person};

/// A debug build ends at this fail point, counted from 1; see `src/fail.rs`.
const DIE_AT: &str = "ROSTERD_DIE_AT_FAIL_POINT";

/// More runs than there are points in a run of this size, and fewer than the people whom the sandbox shows on a page: every run
/// leaves one behind.
const MOST: usize = 190;

/// So many points are tried again at the end of a run: enough to meet the cache once more, which comes before the last files.
const LAST_FEW: usize = 24;

/// The company on day `n`. Every day has the same kinds of changes, so that every run passes the same points: somebody comes and
/// yesterday's newcomer is gone, a name changes, a group is made and yesterday's goes.
fn day(n: usize) -> Value {
    let newcomer = format!("n{n}");
    let mut ann = person("p1", "ann");
    ann["displayName"] = json!(format!("Ann {n}"));
    json!({
        "users": [ann, person("p2", "bob"), person(&newcomer, &newcomer)],
        "groups": [
            {"id": "g1", "name": "Staff", "members": ["p1", "p2", &newcomer]},
            {"id": format!("g-{n}"), "name": format!("Day {n}"), "members": ["p1"]},
        ],
    })
}

/// What the app must hold on day `n`: nobody twice, who left switched off, whose group is gone not there.
fn check(desk: &Desk, n: usize, at: &str) {
    let users = desk.app("/Users?count=1000")["Resources"].as_array().unwrap().clone();
    let name = |user: &Value| user["userName"].as_str().unwrap().to_owned();
    let names: BTreeSet<String> = users.iter().map(name).collect();
    assert_eq!(names.len(), users.len(), "killed at {at}: somebody was doubled: {users:#?}");
    let active: BTreeSet<String> = users.iter().filter(|user| user["active"] == true).map(name).collect();
    let wanted = BTreeSet::from(["ann".to_owned(), "bob".to_owned(), format!("n{n}")]);
    assert_eq!(active, wanted, "killed at {at}");
    let ann = users.iter().find(|user| user["userName"] == "ann").unwrap();
    assert_eq!(ann["displayName"], format!("Ann {n}"), "killed at {at}");
    let groups = desk.app("/Groups?count=1000")["Resources"].as_array().unwrap().clone();
    let held: BTreeSet<&str> = groups.iter().map(|group| group["displayName"].as_str().unwrap()).collect();
    assert_eq!(held, BTreeSet::from(["Staff", format!("Day {n}").as_str()]), "killed at {at}");
    let staff = groups.iter().find(|group| group["displayName"] == "Staff").unwrap();
    let member = |value: &Value| users.iter().find(|user| user["id"] == value["value"]).map(name);
    let members: BTreeSet<String> = staff["members"].as_array().unwrap().iter().filter_map(member).collect();
    assert!(members.is_superset(&wanted), "killed at {at}: {members:?}");
}

#[test]
fn p1_killed_at_every_fail_point_the_next_run_ends_it() {
    let desk = Desk::with_app(&["--misbehave", "duplicates"]);
    // Somebody leaves every day: the budget is not what this is about.
    desk.tenant("in_flight = 1\n[guard]\nremovals_per_day = \"none\"\ngroup_removals = \"none\"\n");
    let (mut points, mut survived, mut number) = (BTreeSet::new(), 0, 0);
    for n in 1..MOST {
        desk.directory(&day(n));
        number += 1;
        let die_at = number.to_string();
        let killed = desk.rosterd.run_with(&["sync", "acme", "--format", "json"], &[(DIE_AT, &die_at)]);
        let point = killed.stderr.lines().find_map(|line| line.strip_prefix("fail point: ")).map(str::to_owned);
        let at = format!("point {number}, {point:?}");
        assert_eq!(killed.code.is_none(), point.is_some(), "{at}: {}", killed.stderr);
        let run = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
        assert_eq!(run.code, Some(0), "{at}\n{}\n{}", run.stdout, run.stderr);
        check(&desk, n, &at);
        desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
        survived = if point.is_some() { 0 } else { survived + 1 };
        points.extend(point);
        // The first day has other things to do.
        if survived == 2 {
            let calls = ["journal.append", "journal.sync", "journal.synced", "call.send", "call.answered"];
            let disk = ["file.write", "file.rename", "file.renamed", "file.remove", "cache.apply", "cache.flush"];
            if calls.iter().chain(&disk).any(|name| !points.contains(*name)) {
                // How many events one fsync takes is a matter of time: a run may pass a point less than the one before.
                (survived, number) = (0, number - LAST_FEW);
                continue;
            }
            desk.sync(0);
            desk.proxy.forget();
            desk.sync(0);
            assert!(desk.proxy.calls().is_empty(), "i12: then it is quiet");
            return;
        }
    }
    panic!("after {MOST} runs there were kills only at {points:?}");
}
