//! JumpCloud's rules for groups (J12, J13), whole and real: two groups of slapd are bound to an app that others wrote, they share
//! members, one is disassociated, the other deleted. At each step a reader that shares no code with rosterd reads the app back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::story::{Scene, are_with_one_look};
use crate::support::directory::{Directory, Group, Kind as GroupKind, Member, SUFFIX, group_dn, person_dn, uid};
use crate::support::rig::require_all;
use crate::support::servers::Kind;

/// People in `heap-base`: enough for five of all to leave in a day.
const BASE: usize = 60;

/// How `heap-sales` leaves the scope while it still exists in the directory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unbinding {
    /// The tenant's file no longer names it.
    ScopeEdited,
    /// It gets a name that the scope does not cover.
    Renamed,
    /// It moves to another branch, where groups are not read.
    Moved,
}

/// `heap-base` holds 0..60; `heap-sales` 60, 61, 62 and 0; `heap-eng` 62, 63, 64 and 1.
fn company() -> Directory {
    let mut directory = Directory::generate(BASE + 5, 1, 1);
    let group = |cn: &str, people: &[usize]| Group {
        cn: cn.to_owned(),
        kind: GroupKind::GroupOfNames,
        members: [Member::Dn("cn=nobody,dc=example,dc=org".to_owned())]
            .into_iter()
            .chain(people.iter().map(|number| Member::Person(uid(*number))))
            .collect(),
    };
    let base: Vec<usize> = (0..BASE).collect();
    directory.groups =
        vec![group("heap-base", &base), group("heap-sales", &[60, 61, 62, 0]), group("heap-eng", &[62, 63, 64, 1])];
    directory
}

fn people(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(uid).collect()
}

/// What the other reader must see: who is inactive, and the groups with their members. Everybody else is active.
#[track_caller]
fn app_shows(scene: &Scene, inactive: &[usize], groups: &[(&str, BTreeSet<String>)]) {
    let app = scene.server.read();
    let shown: BTreeSet<String> =
        app.users.iter().filter(|(_, user)| user.active == Some(false)).map(|(name, _)| name.clone()).collect();
    assert_eq!(shown, people(inactive.iter().copied()), "who is inactive");
    assert_eq!(app.users.len(), BASE + 5, "nobody was doubled or deleted");
    let expected: BTreeMap<String, BTreeSet<String>> =
        groups.iter().map(|(name, members)| ((*name).to_owned(), members.clone())).collect();
    assert_eq!(app.groups, expected);
}

fn operations(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let operations = report["operations"].as_array().unwrap();
    operations.iter().map(|operation| (text(&operation["op"]), text(&operation["name"]))).collect()
}

fn ops(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(op, name)| ((*op).to_owned(), (*name).to_owned())).collect()
}

fn add_member(scene: &Scene, group: &str, number: usize) {
    let (group, person) = (group_dn(group), person_dn(&uid(number)));
    scene.slapd.modify(&format!("dn: {group}\nchangetype: modify\nadd: member\nmember: {person}\n"));
}

fn story(kind: Kind, unbinding: Unbinding, differences: &str) {
    // Two who lose their accounts and a group of four who lose it: in a company of 65 more than one day usually brings.
    let extra = &format!("{differences}\n[guard]\nremovals_per_day = \"12%\"\n");
    let Some(rig) = require_all(&["slapd", kind.name()]) else { return };
    let scene = Scene::new(&rig, kind, &company(), extra);
    let all = r#"{ name = "heap-*" }"#;
    scene.configure(all, extra);
    let (base, sales, eng) = (|| people(0..BASE), || people([60, 61, 62, 0]), || people([62, 63, 64, 1]));

    // Two groups bound, with members in common.
    scene.sync();
    app_shows(&scene, &[], &[("heap-base", base()), ("heap-sales", sales()), ("heap-eng", eng())]);
    scene.is_quiet();

    // J12: disassociated. It stays as it is; 60 and 61 were held by nothing else, 62 is in heap-eng and 0 in heap-base.
    let gone = match unbinding {
        Unbinding::ScopeEdited => {
            scene.configure(r#"{ name = "heap-base" }, { name = "heap-eng" }"#, extra);
            group_dn("heap-sales")
        }
        Unbinding::Renamed => {
            scene.slapd.rename(&group_dn("heap-sales"), "cn=former-sales");
            group_dn("former-sales")
        }
        Unbinding::Moved => {
            let archive = format!("ou=archive,{SUFFIX}");
            scene.slapd.add(&format!("dn: {archive}\nobjectClass: organizationalUnit\nou: archive\n"));
            let sales = group_dn("heap-sales");
            scene.slapd.modify(&format!(
                "dn: {sales}\nchangetype: modrdn\nnewrdn: cn=heap-sales\ndeleteoldrdn: 1\nnewsuperior: {archive}\n"
            ));
            format!("cn=heap-sales,{archive}")
        }
    };
    let (report, calls) = scene.sync();
    let (sixty, sixty_one) = (uid(60), uid(61));
    let expected = [("release_group", "heap-sales"), ("deactivate_user", &sixty), ("deactivate_user", &sixty_one)];
    assert_eq!(operations(&report), ops(&expected), "{unbinding:?}: {report:#}");
    are_with_one_look(&calls, &BTreeMap::from([("PATCH /Users/{id}".to_owned(), 2)]), &report);
    app_shows(&scene, &[60, 61], &[("heap-base", base()), ("heap-sales", sales()), ("heap-eng", eng())]);
    scene.is_quiet();

    // Whatever happens in it now is none of the app's business.
    scene.slapd.modify(&format!("dn: {gone}\nchangetype: modify\nadd: member\nmember: {}\n", person_dn(&uid(5))));
    scene.is_quiet();

    // J13: the other is deleted, while 64 moves to heap-base. 62 has lost the last group that held them.
    add_member(&scene, "heap-base", 64);
    scene.slapd.delete(&group_dn("heap-eng"));
    let (report, calls) = scene.sync();
    let (sixty_two, sixty_three) = (uid(62), uid(63));
    let expected = [
        ("add_members", "heap-base"),
        ("delete_group", "heap-eng"),
        ("deactivate_user", &sixty_two),
        ("deactivate_user", &sixty_three),
    ];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(calls.get("DELETE /Groups/{id}"), Some(&1), "{calls:?}");
    let with_64 = || people((0..BASE).chain([64]));
    app_shows(&scene, &[60, 61, 62, 63], &[("heap-base", with_64()), ("heap-sales", sales())]);
    scene.is_quiet();

    // Bound again: the same accounts come back, and the group has its members of now.
    match unbinding {
        Unbinding::ScopeEdited => scene.configure(all, extra),
        Unbinding::Renamed => scene.slapd.rename(&gone, "cn=heap-sales"),
        Unbinding::Moved => scene.slapd.modify(&format!(
            "dn: {gone}\nchangetype: modrdn\nnewrdn: cn=heap-sales\ndeleteoldrdn: 1\nnewsuperior: ou=groups,{SUFFIX}\n"
        )),
    }
    scene.sync();
    let now = people([60, 61, 62, 0, 5]);
    app_shows(&scene, &[63], &[("heap-base", with_64()), ("heap-sales", now)]);
    scene.is_quiet();
}

#[test]
fn j12_and_j13_a_group_out_of_the_scope_and_a_group_gone_in_scim2_server() {
    let extra = "[target.override_profile.users]\ndeleted_leave_groups = false";
    for unbinding in [Unbinding::ScopeEdited, Unbinding::Renamed, Unbinding::Moved] {
        story(Kind::Scim2Server, unbinding, extra);
    }
}

#[test]
fn j12_and_j13_a_group_out_of_the_scope_and_a_group_gone_in_better_auth() {
    story(Kind::BetterAuth, Unbinding::Renamed, "");
}
