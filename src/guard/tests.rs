//! The guard alone: plans made by hand, limits at their defaults. What it does inside a cycle is rehearsed in `cycle/tests`.

use super::*;
use crate::config::tenant::GuardTable;
use crate::model::{Attributes, Lane, Loosening, ObjectRef, Reason};
use crate::plan::{Action, Blocked, Member};

fn limits() -> GuardLimits {
    GuardLimits::from(&GuardTable::default())
}

fn on(object: ObjectRef, action: Action) -> Operation {
    let name = object.id().to_string();
    let app_id = Some(AppId::new(format!("app-{name}")));
    Operation { lane: Lane::Absences, object, app_id, name, action, reason: "".into(), blocked: None }
}

fn user(n: u64) -> ObjectRef {
    ObjectRef::User(SourceId::new(format!("u{n:03}")))
}

fn members(range: std::ops::Range<u64>) -> Vec<Member> {
    range.map(|n| Member { id: user(n).id().clone(), name: format!("u{n:03}") }).collect()
}

fn deactivate(range: std::ops::Range<u64>) -> Vec<Operation> {
    range.map(|n| on(user(n), Action::DeactivateUser)).collect()
}

fn managed(managed: u64) -> Facts {
    Facts { managed, ..Facts::default() }
}

fn reasons(cleared: &Cleared) -> Vec<&str> {
    cleared.holds().iter().map(|hold| hold.code().name()).collect()
}

#[test]
fn i2_the_budget_is_a_share_with_a_floor_and_a_ceiling() {
    for (people, lost_before, leaving, passes) in [
        (5, 0, 3, true),
        (5, 0, 4, false),
        (30, 0, 3, true),
        (40, 0, 4, true),
        (40, 0, 5, false),
        (36, 4, 1, false),
        (1000, 0, 100, true),
        (1000, 0, 101, false),
        (950, 50, 50, true),
        (950, 50, 51, false),
        (10_000, 0, 200, true),
        (10_000, 0, 201, false),
    ] {
        let before = (900_000..900_000 + lost_before).map(|n| user(n).id().clone()).collect();
        let facts = Facts { lost: before, ..managed(people) };
        let cleared = check(Plan::of(deactivate(0..leaving)), &facts, &limits());
        let expected: &[&str] = if passes { &[] } else { &["removals_per_day"] };
        assert_eq!(reasons(&cleared), expected, "{leaving} of {people}, {lost_before} before");
        assert_eq!(cleared.allows(0), passes);
    }
}

#[test]
fn i2_nobody_is_ever_the_last_to_go_unseen() {
    for (people, leaving, coming, passes) in [(1, 1, 0_u64, false), (3, 3, 0, false), (3, 2, 0, true), (3, 3, 1, true)]
    {
        let create = |n: u64| on(user(500 + n), Action::CreateUser { attributes: Attributes::new() });
        let plan = Plan::of(deactivate(0..leaving).into_iter().chain((0..coming).map(create)).collect());
        let cleared = check(plan, &managed(people), &limits());
        assert_eq!(cleared.holds().is_empty(), passes, "{leaving} of {people} go and {coming} come");
    }
}

#[test]
fn i2_a_person_counts_once_however_they_lose_access() {
    let group = ObjectRef::Group(SourceId::new("g"));
    let delete = on(group, Action::DeleteGroup { users: members(0..3) });
    let plan = Plan::of(deactivate(0..3).into_iter().chain([delete]).collect());
    assert_eq!(reasons(&check(plan.clone(), &managed(10), &limits())), [""; 0]);
    let again = Facts { lost: (0..3).map(|n| user(n).id().clone()).collect(), ..managed(7) };
    assert_eq!(reasons(&check(plan, &again, &limits())), [""; 0], "and once a day");
}

#[test]
fn i2_only_the_last_group_is_a_loss_of_access() {
    let group = || ObjectRef::Group(SourceId::new("g"));
    let part = |last| on(group(), Action::RemoveMembers { users: members(0..20), of: 1000, last });
    let all: Vec<SourceId> = members(0..20).into_iter().map(|member| member.id).collect();
    assert_eq!(reasons(&check(Plan::of(vec![part(Vec::new())]), &managed(100), &limits())), [""; 0]);
    assert_eq!(reasons(&check(Plan::of(vec![part(all)]), &managed(100), &limits())), ["removals_per_day"]);
}

#[test]
fn i2_a_groups_own_limit_counts_what_it_lost_before() {
    let id = SourceId::new("g");
    for (of, now, before, passes) in
        [(4, 3, 0, true), (4, 4, 0, false), (100, 20, 0, true), (90, 10, 10, true), (90, 11, 10, false)]
    {
        let remove = Action::RemoveMembers { users: members(0..now), of, last: Vec::new() };
        let facts = Facts { reduced: [(id.clone(), before)].into(), ..managed(1000) };
        let cleared = check(Plan::of(vec![on(ObjectRef::Group(id.clone()), remove)]), &facts, &limits());
        assert_eq!(cleared.holds().is_empty(), passes, "{now} of {of}, {before} before");
    }
}

#[test]
fn i2_a_rekey_needs_many_on_both_sides() {
    for (strangers, missing, held) in [(3, 3, false), (4, 4, false), (6, 6, true), (50, 5, false), (5, 50, false)] {
        let facts = Facts { strangers, missing, ..managed(100) };
        let cleared = check(Plan::of(deactivate(0..1)), &facts, &limits());
        assert_eq!(reasons(&cleared).contains(&"rekey"), held, "{strangers} new, {missing} gone");
        assert_eq!(cleared.is_all_held(), held);
    }
}

#[test]
fn i10_an_approval_is_for_the_held_part_or_the_whole_and_nothing_else() {
    let plan = Plan::of(deactivate(0..9));
    let cleared = check(plan.clone(), &managed(20), &limits());
    let held = cleared.held_plan().unwrap();
    for (approved, passes) in [(held.as_str(), true), (plan.hash.as_str(), true), ("", false), ("0123", false)] {
        let after = cleared.clone().approve(approved);
        assert_eq!((0..9).all(|at| after.allows(at)), passes, "{approved:?}");
        assert_eq!(after.held_plan().is_none(), passes);
    }
}

#[test]
fn w1_a_loosened_guard_is_held_until_exactly_that_is_approved() {
    let changes = vec![Loosening::Value { key: "people".to_owned(), was: 2.into(), is: 1.into() }];
    for holds_all in [false, true] {
        let loosened = Some(Loosened { changes: changes.clone(), holds_all });
        let plan = Plan::of(deactivate(0..2));
        let cleared = check(plan.clone(), &Facts { loosened, ..managed(20) }, &limits());
        assert_eq!((reasons(&cleared), cleared.holds_guard()), (vec!["guard_change"], true));
        assert!((0..2).all(|at| cleared.allows(at) != holds_all), "the previous rules stay in force");
        let held = cleared.held_plan().unwrap();
        for (approved, passes) in [(held.as_str(), true), (plan.hash.as_str(), false), ("0123", false)] {
            let after = cleared.clone().approve(approved);
            assert_eq!(after.held_plan().is_none(), passes, "{approved:?}, holds_all {holds_all}");
        }
    }
}

#[test]
fn i2_what_is_blocked_or_in_doubt_no_approval_lets_pass() {
    let blocked = Operation { blocked: Some(Blocked::Held("a conflict".into())), ..on(user(99), Action::ActivateUser) };
    let plan = Plan::of(deactivate(0..2).into_iter().chain([blocked]).collect());
    let facts = Facts { adopt_only: Some("restored".to_owned()), ..managed(20) };
    let cleared = check(plan.clone(), &facts, &limits());
    assert_eq!(cleared.held_plan(), None);
    let after = cleared.approve(&plan.hash);
    assert!((0..3).all(|at| !after.allows(at)));
    assert_eq!(reasons(&after), ["needs_decision", "adopt_only"]);
}

#[test]
fn i11_two_parts_of_one_run_are_told_as_one() {
    let first = check(Plan::of(deactivate(0..2)), &managed(100), &limits());
    let later = check(Plan::of(deactivate(10..40)), &managed(100), &limits());
    let held = later.held_plan();
    let both = first.followed_by(later);
    assert_eq!((0..32).filter(|at| both.allows(*at)).count(), 2);
    assert_eq!(both.held_plan(), held, "what is approved is the same whichever way it is told");
}

/// A plan that 0.1.0 saved, with sentences where codes are now.
#[test]
fn w5_the_sentences_of_an_older_plan_are_read_into_codes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-format-1-held/plan.json");
    let plan: Plan = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(plan.operations[0].reason, Reason::NoLongerMembers);
}

#[test]
fn w1_what_is_held_for_its_numbers_is_named_by_them_and_not_by_the_sentence() {
    let counts = |users| crate::model::SnapshotCounts { users, groups: 1, memberships: users };
    let shrunk = |now| {
        let facts = Facts { before: Some(counts(20)), now: counts(now), ..Facts::default() };
        check(Plan::of(Vec::new()), &facts, &limits())
    };
    let cleared = shrunk(5);
    let held = cleared.held_plan().unwrap();
    assert_eq!(held, crate::store::id_of_text(&cleared.holds()[0].canonical()));
    assert_ne!(held, shrunk(4).held_plan().unwrap());
    assert!(!cleared.clone().approve(&held).is_all_held());
}
