use super::*;
use crate::model::LifecycleStatus;
use crate::source::{GroupEntry, Reading, UserEntry};

fn named(group: &SnapshotGroup) -> Result<String, String> {
    Ok(group.name.to_string())
}

fn scope<'a>(groups: Option<&'a [GroupMatch]>, filter: Option<&'a PersonFilter<'a>>) -> Scope<'a> {
    Scope { groups, narrows: false, all_users: false, nested: false, filter, group_name: &named }
}

/// Five people `u0..u4` (u4 assigned directly); groups: Staff(u0,u1), Ops(u1,u2)⊃Night, Night(u3)⊃Ops, Other(u3) not assigned.
fn world() -> Snapshot {
    let mut reading = Reading::new();
    for at in 0..5 {
        let id = format!("u{at}");
        let record = format!("{{\"id\":\"u{at}\",\"age\":{at}}}");
        reading.user(UserEntry { id: &id, record: &record, standing: LifecycleStatus::Active, direct: at == 4 });
    }
    for (id, name, assigned, members) in [
        ("g1", "Staff", true, vec!["u0", "u1"]),
        ("g2", "Ops", true, vec!["u2", "u1", "u1", "g3"]),
        ("g3", "Night", true, vec!["u3", "g2"]),
        ("g4", "Other", false, vec!["u3"]),
    ] {
        let group = reading.group(GroupEntry { id, name, record: "{}", assigned });
        for member in members {
            reading.member(group, member);
        }
    }
    reading.finish(&[]).unwrap()
}

fn who(desired: &Desired<'_>) -> Vec<u32> {
    desired.snapshot.users().filter(|user| desired.is_assigned(*user)).map(|user| user.0).collect()
}

fn members(desired: &Desired<'_>, name: &str) -> Vec<u32> {
    let group = desired.groups.iter().find(|group| group.name == name).unwrap();
    desired.members(group).iter().map(|user| user.0).collect()
}

#[test]
fn j10_without_a_scope_all_assigned_groups_and_direct_assignments_count() {
    let snapshot = world();
    let desired = derive(&snapshot, &scope(None, None));
    assert_eq!(who(&desired), [0, 1, 2, 3, 4]);
    assert_eq!(desired.groups.len(), 3, "a group that is not assigned is not in scope");
    assert_eq!(members(&desired, "Ops"), [1, 2], "each member once, inner groups not counted");
    assert_eq!(desired.because(UserIx(1)).to_string(), "member of Staff");
    assert_eq!(desired.because(UserIx(4)).to_string(), "assigned directly");
}

#[test]
fn groups_are_chosen_by_pattern_or_id_and_then_direct_assignments_do_not_count() {
    let snapshot = world();
    let patterns = [GroupMatch::Name("s?a*".into()), GroupMatch::Id("g4".into())];
    let desired = derive(&snapshot, &scope(Some(&patterns), None));
    assert_eq!(who(&desired), [0, 1, 3]);
}

#[test]
fn nested_groups_count_and_a_cycle_ends() {
    let snapshot = world();
    let desired = derive(&snapshot, &Scope { nested: true, ..scope(None, None) });
    assert_eq!(members(&desired, "Ops"), [1, 2, 3]);
    assert_eq!(members(&desired, "Night"), [1, 2, 3]);
}

#[test]
fn a_filter_narrows_people_and_members_and_an_error_freezes() {
    let snapshot = world();
    let filter = |record: &Map<String, Value>| match record["age"].as_u64() {
        Some(2) => Err("no idea".to_owned()),
        age => Ok(age < Some(2)),
    };
    let desired = derive(&snapshot, &scope(None, Some(&filter)));
    assert_eq!(who(&desired), [0, 1, 2], "a person nobody can decide about stays as they are");
    assert_eq!(desired.frozen(UserIx(2)), Some("no idea"));
    assert_eq!(members(&desired, "Night"), [0u32; 0]);
}

#[test]
fn i3_two_groups_with_one_name_are_both_set_aside() {
    let mut reading = Reading::new();
    reading.user(UserEntry { id: "u", record: "{}", standing: LifecycleStatus::Active, direct: false });
    reading.group(GroupEntry { id: "a", name: "Staff", record: "{}", assigned: true });
    reading.group(GroupEntry { id: "b", name: "STAFF", record: "{}", assigned: true });
    let snapshot = reading.finish(&[]).unwrap();
    let desired = derive(&snapshot, &scope(None, None));
    assert!(desired.groups.iter().all(|group| group.problem.is_some()));
}

#[test]
fn a_groups_fingerprint_follows_name_members_and_standing_but_not_order() {
    let print = |name: &str, members: &[&str], standing: LifecycleStatus| {
        let mut reading = Reading::new();
        for id in ["u0", "u1"] {
            reading.user(UserEntry { id, record: "{}", standing, direct: false });
        }
        let group = reading.group(GroupEntry { id: "g", name, record: "{}", assigned: true });
        for member in members {
            reading.member(group, member);
        }
        derive(&reading.finish(&[]).unwrap(), &scope(None, None)).groups[0].fingerprint
    };
    let base = print("G", &["u0", "u1"], LifecycleStatus::Active);
    assert_eq!(base, print("G", &["u1", "u0", "u1"], LifecycleStatus::Active));
    assert_ne!(base, print("H", &["u0", "u1"], LifecycleStatus::Active));
    assert_ne!(base, print("G", &["u0"], LifecycleStatus::Active));
    assert_ne!(base, print("G", &["u0", "u1"], LifecycleStatus::Suspended));
}

#[test]
fn patterns_stand_instead_of_the_directorys_binding_or_narrow_it() {
    let mut reading = Reading::new();
    reading.user(UserEntry { id: "u0", record: "{}", standing: LifecycleStatus::Active, direct: false });
    for (id, assigned) in [("bound", true), ("loose", false)] {
        reading.group(GroupEntry { id, name: id, record: "{}", assigned });
    }
    let snapshot = reading.finish(&[]).unwrap();
    let all = [GroupMatch::Name("*".to_owned())];
    let count = |narrows| derive(&snapshot, &Scope { narrows, ..scope(Some(&all), None) }).groups.len();
    assert_eq!((count(false), count(true)), (2, 1));
}
