//! What an app's answers to creates are worth, and names that look alike: habits of apps in which a promise about links could break.

use super::*;
use crate::model::{Op, Path, Provenance, SourceId};
use crate::sandbox::Misbehave;
use crate::store::Baseline as _;

fn with_habit(world: &World, habit: Misbehave) {
    world.app.behave(|app| app.habits.extend([habit]));
}

fn comes(world: &World, id: &str) {
    world.edit(|dir| {
        dir.add_user(id);
        dir.join("all", id);
    });
}

fn provenance(world: &World, id: &str) -> Option<Provenance> {
    world.store.user(&SourceId::new(id)).unwrap().map(|row| row.provenance)
}

/// An account that look-ups do not show, and that a create is answered with.
fn given_back(world: &World, name: &str, external_id: Option<&str>, active: bool) {
    let id = world.app.has_user(name, active);
    world.app.by_hand(|app| {
        let attributes = &mut app.users.get_mut(&id).unwrap().attributes;
        external_id.into_iter().for_each(|id| attributes.set(Path::external_id(), id.into()));
    });
    with_habit(world, Misbehave::GivesBack);
    world.app.behave(|app| app.unseen = [name.to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn mp9_an_app_that_dates_nothing_and_rewrites_values_has_no_failures() {
    let world = World::new(crowd(4));
    with_habit(&world, Misbehave::Tidies);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!((world.linked_count(), world.app.holdings().users.len()), (4, 4));
    assert_eq!(world.app.value("u01@x.test", "displayName").as_deref(), Some("U01"), "the app writes it so");
    world.assert_quiet().await;
    world.edit(|dir| dir.part("all", "u01"));
    world.sync().await;
    assert!(!world.app.active().contains(&"u01@x.test".to_owned()), "access ends as everybody's does");
}

#[tokio::test(start_paused = true)]
async fn mp9_an_account_that_a_create_gives_back_waits_after_the_first_run() {
    for (external_id, waits) in [(None, true), (Some("new"), false)] {
        let world = synced(crowd(3)).await;
        given_back(&world, "new@x.test", external_id, true);
        comes(&world, "new");
        let report = world.sync().await;
        let asked = failures(&report).iter().any(|(_, why)| why.contains("asks for approval"));
        assert_eq!(asked, waits, "{external_id:?}: {:?}", failures(&report));
        assert_eq!(provenance(&world, "new"), (!waits).then_some(Provenance::Adopted), "{external_id:?}");
        assert_eq!(world.app.holdings().users.len(), 4, "no second account");
        if waits {
            world.app.behave(|app| app.unseen.clear());
            assert_eq!(holds(&world.sync().await), ["adoption"], "{external_id:?}");
            world.approve();
        }
        assert_eq!(world.sync().await.status(), Status::Ok, "{external_id:?}");
        assert_eq!(world.app.value("new@x.test", "displayName").as_deref(), Some("new"));
    }
}

#[tokio::test(start_paused = true)]
async fn mp9_an_account_of_another_record_is_not_linked_when_a_create_gives_it_back() {
    let world = synced(crowd(3)).await;
    given_back(&world, "new@x.test", Some("hr-7"), true);
    let before = world.app.holdings().users;
    comes(&world, "new");
    for shown in [false, true] {
        if shown {
            world.app.behave(|app| app.unseen.clear());
        }
        let failed = failures(&world.sync().await);
        assert!(failed.iter().any(|(_, why)| why.contains("hr-7")), "{failed:?}");
        assert_eq!((provenance(&world, "new"), &world.app.holdings().users), (None, &before), "shown: {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp9_what_waits_for_a_plan_is_not_sent_behind_a_create() {
    // An account that is off is activated by a plan, which the guard judges.
    let world = World::new(crowd(3));
    given_back(&world, "u01@x.test", None, false);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "{report:?}");
    assert_eq!(provenance(&world, "u01"), Some(Provenance::Adopted));
    assert!(!world.app.active().contains(&"u01@x.test".to_owned()));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert!(world.app.active().contains(&"u01@x.test".to_owned()));
    // Where changed values need an approval, they need it here too.
    let world = World::new(crowd(3));
    world.reconfigure_limits(|limits| limits.ask_before.extend([Op::UpdateUser]));
    given_back(&world, "u01@x.test", None, true);
    world.sync().await;
    assert_eq!(world.app.value("u01@x.test", "displayName"), None);
    assert_eq!(holds(&world.sync().await), ["approval"]);
}

#[tokio::test(start_paused = true)]
async fn ma9_an_answer_without_an_id_makes_nobody_twice() {
    let world = World::new(crowd(9));
    with_habit(&world, Misbehave::NoId);
    for id in ["blue", "red", "green"] {
        world.edit(|dir| dir.add_group(id, &["u00"]));
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    let holdings = world.app.holdings();
    assert_eq!((holdings.users.len(), holdings.groups.len(), world.linked_count()), (9, 4, 9));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp8_an_app_that_now_and_then_answers_with_the_oldest_object_links_nobody_twice() {
    let world = World::new(crowd(10));
    with_habit(&world, Misbehave::MixesUp);
    for _ in 0..4 {
        world.sync().await;
        let mut owners = std::collections::BTreeMap::new();
        for at in 0..10 {
            let id = format!("u{at:02}");
            if let Some(row) = world.store.user(&SourceId::new(id.as_str())).unwrap() {
                assert_eq!(owners.insert(row.app_id.clone(), id.clone()), None, "{id} shares {}", row.app_id);
            }
        }
    }
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!((world.linked_count(), world.app.holdings().users.len()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn mp7_a_group_is_not_taken_over_for_an_external_id_alone() {
    for (name, is_taken) in [("Admins", false), ("all staff", false), ("ALL", true), (" a-l-l ", true)] {
        let world = World::new(crowd(3));
        let group = world.app.has_group(name, &[]);
        world.app.by_hand(|app| app.groups.get_mut(&group).unwrap().external_id = Some("all".to_owned()));
        let report = world.sync().await;
        let shown = world.app.holdings().groups[&group].clone();
        if is_taken {
            assert_eq!((report.status(), shown.members.len()), (Status::Ok, 3), "{name}: {report:?}");
            continue;
        }
        assert_eq!((report.status(), holds(&report)), (Status::Held, vec!["conflict"]), "{name}");
        let detail = report.holds[0].detail();
        assert!(detail.contains(name) && detail.contains("remove the externalId"), "{detail}");
        assert_eq!((shown.name.as_str(), shown.members.len()), (name, 0), "it was not touched");
        assert_eq!(world.app.holdings().groups.len(), 1, "and no group was created");
        // The operator takes the wrong id out of it.
        world.app.by_hand(|app| app.groups.get_mut(&group).unwrap().external_id = None);
        assert_eq!(world.sync().await.status(), Status::Ok, "{name}");
        assert_eq!(world.app.members("all").unwrap().len(), 3);
        assert_eq!(world.app.holdings().groups[&group].members.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn mp7_a_group_that_rosterd_released_is_its_own_under_another_name() {
    let world = synced(crowd(3)).await;
    world.edit(|dir| dir.group("all").assigned = false);
    world.sync().await;
    world.edit(|dir| {
        dir.group("all").assigned = true;
        dir.group("all").name = "everybody".to_owned();
        (0..3).for_each(|at| dir.users.get_mut(&format!("u{at:02}")).unwrap().direct = true);
    });
    let report = world.sync().await;
    assert!(!holds(&report).contains(&"conflict"), "{report:?}");
    assert_eq!(world.app.holdings().groups.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn mm2_a_group_with_an_unseen_character_in_its_name_is_left_alone_and_named() {
    let world = synced(crowd(3)).await;
    world.edit(|dir| {
        dir.add_group("blue", &["u00"]);
        dir.group("blue").name = "al\u{200b}l".to_owned();
        dir.add_group("red", &["u01"]);
    });
    let report = world.sync().await;
    let failed = failures(&report);
    assert!(failed.iter().any(|(_, why)| why.contains("\\u{200b}") && why.contains("invisible")), "{failed:?}");
    let names: Vec<String> = world.app.holdings().groups.into_values().map(|group| group.name).collect();
    assert_eq!(names, ["all", "red"], "no look-alike, and the others go on");
}

#[tokio::test(start_paused = true)]
async fn mm2_blanks_at_the_ends_of_a_group_name_are_not_sent_and_the_plan_says_so() {
    let world = World::new(crowd(3));
    world.edit(|dir| dir.group("all").name = " all\u{a0}".to_owned());
    let plan = world.plan().await;
    let reasons: Vec<String> = plan.operations().iter().map(|operation| operation.reason.to_string()).collect();
    assert!(reasons.iter().any(|why| why.contains("group name has leading or trailing spaces")), "{reasons:?}");
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mm2_an_account_that_looks_like_the_users_gets_no_double_beside_it() {
    let world = World::new(crowd(3));
    let alike = world.app.has_user("u0\u{200b}1@x.test", true);
    let before = world.app.holdings().users[&alike].clone();
    let report = world.sync().await;
    assert_eq!(holds(&report), ["conflict"], "{report:?}");
    let detail = report.holds[0].detail();
    assert!(detail.contains("\\u{200b}"), "the character is spelt out: {detail}");
    assert_eq!(world.app.account("u01@x.test"), None, "nothing is created beside it");
    assert_eq!(world.app.holdings().users[&alike], before);
}
