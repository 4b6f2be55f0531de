//! Large lists, and lists that move while they are read.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::scene::{DANGLING, Scene, Wording, company, group, people};
use crate::support::directory::{Directory, Person, uid};
use crate::support::jumpcloud::{JumpCloud, person_id};
use crate::support::proxy::Rule;
use crate::support::rig::require_all;
use crate::support::rosterd::Rosterd;
use crate::support::servers::Kind;

const PEOPLE: usize = 12_000;
const GROUPS: usize = 300;

/// Twelve thousand people in three hundred groups, of which forty are bound: thirty of 40, nine of 150 and one of 290.
fn large() -> (Directory, Vec<String>, usize) {
    let mut directory = Directory::generate(PEOPLE, 1, 1);
    let sizes = (0..GROUPS).map(|number| match number {
        0..30 => 40,
        30..39 => 150,
        39 => 290,
        _ => 40,
    });
    let groups = sizes.enumerate().map(|(number, size)| {
        let members: Vec<usize> = (0..size).map(|at| (number * 40 + at) % PEOPLE).collect();
        group(&format!("group-{number:04}"), &members)
    });
    directory.groups = groups.collect();
    let bound = (0..40).map(|number| format!("group-{number:04}")).collect();
    (directory, bound, 30 + 9 * 2 + 3)
}

/// The most memory that a process has had, in MiB, and what it printed.
fn peak_of(rosterd: &Rosterd, arguments: &[&str]) -> (u64, crate::support::rosterd::Run) {
    let mut running = rosterd.spawn(arguments);
    let status = format!("/proc/{}/status", running.id());
    let mut peak = 0;
    while !running.has_ended() {
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))
        {
            peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    (peak, running.wait(Duration::from_secs(1)))
}

#[test]
fn i7_twelve_thousand_people_are_read_with_the_fewest_calls_and_little_memory() {
    let (directory, bound, member_pages) = large();
    let cloud = JumpCloud::start(&directory);
    cloud.change(|org| org.bind("Heap", &bound.iter().map(String::as_str).collect::<Vec<_>>()));
    let (rosterd, desk) = (Rosterd::new(), crate::cli::Desk::new());
    let app = (desk.base_url.as_str(), crate::cli::TOKEN);
    rosterd.tenant("acme", &super::scene::tenant(&rosterd, &cloud, &cloud.base_url(), app, Wording::default()));
    let (peak, run) = peak_of(&rosterd, &["plan", "acme", "--format", "json"]);
    run.expect_code(0);
    let report = run.json();
    let members = directory.groups[..40].iter().map(|group| group.members.len()).sum::<usize>();
    assert_eq!(report["snapshot"], json!({"users": PEOPLE, "groups": GROUPS, "memberships": members}));
    let counts = cloud.counts();
    assert_eq!(counts["GET /api/systemusers"], PEOPLE.div_ceil(100));
    assert_eq!(counts["GET /api/v2/usergroups"], GROUPS.div_ceil(100));
    assert_eq!(counts["GET /api/v2/usergroups/{id}/members"], member_pages, "⌈m/100⌉ of each bound group");
    assert_eq!(counts["GET /api/applications"], 1);
    assert_eq!(counts["GET /api/v2/applications/{id}/associations"], 2, "groups and people bound to it");
    assert_eq!(counts.len(), 5, "and nothing else: {counts:?}");
    eprintln!("{peak} MiB at the most");
    assert!(peak > 0 && peak < 200, "{peak} MiB at the most");
}

#[test]
fn i7_twelve_thousand_people_who_come_and_go_while_they_are_read_are_all_there() {
    let (directory, bound, _) = large();
    let cloud = JumpCloud::start(&directory);
    cloud.change(|org| org.bind("Heap", &bound.iter().map(String::as_str).collect::<Vec<_>>()));
    let (rosterd, desk) = (Rosterd::new(), crate::cli::Desk::new());
    let app = (desk.base_url.as_str(), crate::cli::TOKEN);
    rosterd.tenant("acme", &super::scene::tenant(&rosterd, &cloud, &cloud.base_url(), app, Wording::default()));
    // One leaves and one comes, every tenth page: the total is the same on every page. Nobody of those is in a bound group.
    let mut next = 0;
    cloud.after(Rule::on("GET", "/api/systemusers").times(usize::MAX), move |org| {
        next += 1;
        if next % 10 == 0 {
            org.delete_person(&person_id(2000 + next));
            org.hire(&Person::generate(PEOPLE + next));
        }
    });
    let (peak, run) = peak_of(&rosterd, &["plan", "acme", "--format", "json"]);
    run.expect_code(0);
    let report = run.json();
    let made = report["operations"].as_array().unwrap().iter().filter(|one| one["op"] == "create_user");
    let names: Vec<String> = made.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    let expected: BTreeSet<String> = directory.groups[..40]
        .iter()
        .flat_map(|group| &group.members)
        .map(|member| match member {
            crate::support::directory::Member::Person(uid) => uid.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names.len(), expected.len(), "nobody is doubled");
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected, "nobody is lost");
    assert!(report["snapshot"]["users"].as_u64().unwrap() >= PEOPLE as u64 - 30, "{}", report["snapshot"]);
    assert!(cloud.counts()["GET /api/systemusers"] > PEOPLE.div_ceil(100), "it was noticed");
    assert!(peak > 0 && peak < 200, "{peak} MiB at the most");
}

/// A scene of 450 people, all of them in one bound group.
fn crowd() -> Option<Scene> {
    let rig = require_all(&[Kind::Scim2Server.name()])?;
    let mut directory = Directory::generate(450, 1, 1);
    directory.groups = vec![group("all", &(0..450).collect::<Vec<_>>()), group("other", &[1])];
    let scene = Scene::new(&rig, Kind::Scim2Server, &directory, &["all"]);
    scene.configure(Wording { tables: DANGLING, ..Wording::default() });
    Some(scene)
}

#[test]
fn s5_people_who_leave_and_come_between_two_pages_cost_nobody_their_place() {
    let Some(scene) = crowd() else { return };
    // Right after the first page the first one leaves for good and somebody new comes: every page says 450.
    scene.cloud.after(Rule::on("GET", "/api/systemusers"), |org| {
        org.delete_person(&person_id(0));
        let hired = org.hire(&Person::generate(900));
        org.add_member("all", &hired);
    });
    scene.sync();
    let everybody: BTreeSet<String> = people((1..450).chain([900]));
    let app = scene.server.read();
    let missing: Vec<_> = everybody.iter().filter(|name| !app.users.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(app.users.len() <= 451, "nobody is doubled");
    scene.sync();
    let app = scene.server.read();
    assert_eq!(app.users.keys().cloned().collect::<BTreeSet<_>>(), everybody, "and who left is gone");
    scene.is_quiet();
}

#[test]
fn s5_members_who_leave_and_come_between_two_pages_cost_nobody_their_place() {
    let Some(scene) = crowd() else { return };
    scene.sync();
    // The hundred-and-first slips through unless the pages are chained; the number of members stays the same.
    scene.cloud.after(Rule::on("GET", "/api/v2/usergroups/"), |org| {
        org.remove_member("all", &person_id(0));
        let hired = org.hire(&Person::generate(901));
        org.add_member("all", &hired);
    });
    let (report, _) = scene.sync();
    let app = scene.server.read();
    assert!(app.groups["all"].contains(&uid(100)), "{report:#}");
    let lost: Vec<_> = people(1..450).into_iter().filter(|name| app.users[name].active == Some(false)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    scene.sync();
    let app = scene.server.read();
    assert_eq!(app.groups["all"], people((1..450).chain([901])));
    assert_eq!(app.users[&uid(0)].active, Some(false));
    scene.is_quiet();
}

#[test]
fn s5_a_company_that_never_stands_still_is_read_all_the_same() {
    let Some(scene) = crowd() else { return };
    let mut next = 0;
    scene.cloud.after(Rule::on("GET", "/api/systemusers").times(usize::MAX), move |org| {
        org.delete_person(&person_id(next));
        org.hire(&Person::generate(1000 + next));
        next += 1;
    });
    let (report, _) = scene.sync();
    // Who left meanwhile was read before, or not; everybody else is there.
    let app = scene.server.read();
    let missing: Vec<_> = people(60..450).into_iter().filter(|name| !app.users.contains_key(name)).collect();
    assert!(missing.is_empty(), "{missing:?}\n{report:#}");
}

#[test]
fn pages_without_a_total_are_followed_to_their_end() {
    let Some(scene) = crowd() else { return };
    scene.cloud.change(|org| (org.total_header, org.link_header) = (false, true));
    scene.sync();
    assert_eq!(scene.server.read().groups["all"].len(), 450);
    scene.is_quiet();
}

#[test]
fn small_pages_and_a_company_of_one_page_are_read_alike() {
    let Some(rig) = require_all(&[Kind::Scim2Server.name()]) else { return };
    let scene = Scene::new(&rig, Kind::Scim2Server, &company(), &["base"]);
    scene.configure(Wording { tables: DANGLING, ..Wording::default() });
    scene.sync();
    assert_eq!(scene.cloud.counts()["GET /api/systemusers"], 1);
    let source = "api_key = { file = \"../jumpcloud.secret\" }\napplication = \"Heap\"\npage_size = 20";
    scene.configure(Wording { source: Some(source), tables: DANGLING, ..Wording::default() });
    scene.is_quiet();
    assert_eq!(scene.cloud.counts()["GET /api/systemusers"], 67_usize.div_ceil(20));
}
