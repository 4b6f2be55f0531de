//! Who owns a value: set, clear, leave; on change, on creation, always; managers; what an app can't change.

use super::*;
use crate::config::profile::ClearStyle;
use crate::config::tenant::{OnImmutableChange, Push};
use crate::model::Path;

fn three() -> Directory {
    let mut dir = Directory::of(&["ann", "bo", "cy"]).with_group("staff", &["ann", "bo", "cy"]);
    for id in ["ann", "bo", "cy"] {
        dir.set(id, "role", "member");
    }
    dir
}

fn by_hand(world: &World, user: &str, path: &str, value: &str) {
    let (id, _) = world.app.account(user).unwrap();
    let path = Path::parse(path).unwrap();
    world.app.by_hand(|app| app.users.get_mut(&id).unwrap().attributes.set(path, value.into()));
}

#[tokio::test(start_paused = true)]
async fn o7_a_role_follows_the_directory_only_when_it_changes_there() {
    let rules = [("userName", "userName", Push::Always), ("roles", "role", Push::OnSourceChange)];
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.map_pushed(&rules));
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "roles").as_deref(), Some("member"), "O6");
    by_hand(&world, "ann@x.test", "roles", "admin");
    world.edit(|dir| dir.set("ann", "displayName", "irrelevant"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| dir.set("ann", "role", "viewer"));
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "roles").as_deref(), Some("viewer"));
    world.edit(|dir| dir.set("ann", "role", serde_json::Value::Null));
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user ann@x.test"], "O6: the value went, so the app's default is to stand");
    assert_eq!(world.app.value("ann@x.test", "roles"), None);
    world.assert_quiet().await;
    by_hand(&world, "ann@x.test", "roles", "admin");
    world.edit(|dir| dir.set("ann", "displayName", "irrelevant again"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0], "one removal, not one a run");
}

/// A blank value counts as no value, and a user who never had one gets no call.
#[tokio::test(start_paused = true)]
async fn o6_a_blank_value_is_none_and_who_never_had_one_gets_no_call() {
    let rules = [("userName", "userName", Push::Always), ("title", "role", Push::OnSourceChange)];
    for blank in [serde_json::Value::Null, "".into(), "  ".into()] {
        let mut dir = three();
        dir.set("cy", "role", serde_json::Value::Null);
        let mut world = World::new(dir);
        world.reconfigure(|tenant| tenant.map_pushed(&rules));
        world.sync().await;
        world.edit(|dir| {
            dir.set("ann", "role", blank.clone());
            dir.set("cy", "displayName", "C");
        });
        world.sync().await;
        assert_eq!(world.app.writes(), ["update_user ann@x.test"], "{blank:?}");
        assert_eq!(world.app.value("ann@x.test", "title"), None, "{blank:?}");
        world.assert_quiet().await;
    }
}

/// Values that the directory cleared while an earlier version ran are shown once before they go.
#[tokio::test(start_paused = true)]
async fn o6_after_an_upgrade_values_cleared_earlier_are_held_once() {
    let rules = [("userName", "userName", Push::Always), ("roles", "role", Push::OnSourceChange)];
    let mut world = World::new(three());
    world.reconfigure(|tenant| {
        tenant.map_pushed(&rules);
        tenant.settings.version = 0;
    });
    world.sync().await;
    world.edit(|dir| dir.set("ann", "role", serde_json::Value::Null));
    world.reconfigure(|tenant| tenant.settings.version = 1);
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!((world.app.writes(), holds(&report)), (vec![], vec!["upgrade"]));
    }
    world.approve();
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "roles"), None);
    world.edit(|dir| dir.set("bo", "role", serde_json::Value::Null));
    let report = world.sync().await;
    assert_eq!((world.app.value("bo@x.test", "roles"), holds(&report)), (None, vec![]));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn o6_an_adopted_account_gets_the_role_even_if_the_first_try_fails() {
    let rules = [("userName", "userName", Push::Always), ("roles", "role", Push::OnSourceChange)];
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.map_pushed(&rules));
    world.app.has_user("ann@x.test", true);
    by_hand(&world, "ann@x.test", "roles", "admin");
    world.app.fail("update_user", "ann", 1, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "roles").as_deref(), Some("member"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn o7_changing_the_owner_of_an_attribute_pushes_nothing_by_itself() {
    let owned = |push| [("userName", "userName", Push::Always), ("roles", "role", push)];
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.map_pushed(&owned(Push::Always)));
    world.sync().await;
    by_hand(&world, "ann@x.test", "roles", "admin");
    world.reconfigure(|tenant| tenant.map_pushed(&owned(Push::OnSourceChange)));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| dir.set("ann", "role", "viewer"));
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "roles").as_deref(), Some("viewer"));
}

#[tokio::test(start_paused = true)]
async fn an_attribute_of_creation_is_sent_once() {
    let rules = [("userName", "userName", Push::Always), ("title", "role", Push::OnCreate)];
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.map_pushed(&rules));
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "title").as_deref(), Some("member"));
    world.edit(|dir| dir.set("ann", "role", "viewer"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_ends_is_cleared_and_one_to_be_left_is_left() {
    let mut world = World::new(three());
    world.reconfigure(|tenant| {
        tenant.map(&[("userName", "userName"), ("title", "role"), ("nickName", "nick if nick is defined else leave")]);
    });
    world.edit(|dir| dir.set("ann", "nick", "Annie"));
    world.sync().await;
    world.edit(|dir| {
        dir.set("ann", "role", serde_json::Value::Null);
        dir.set("ann", "nick", serde_json::Value::Null);
    });
    world.sync().await;
    assert_eq!(world.app.in_words(), ["update_user ann@x.test title"]);
    assert_eq!(world.app.value("ann@x.test", "title"), None);
    assert_eq!(world.app.value("ann@x.test", "nickName").as_deref(), Some("Annie"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_cannot_clear_keeps_the_value_quietly() {
    let mut world = World::new(three());
    world.reconfigure(|tenant| {
        tenant.profile.users.clear = ClearStyle::Never;
        tenant.map(&[("userName", "userName"), ("title", "role")]);
    });
    world.sync().await;
    world.edit(|dir| dir.set("ann", "role", serde_json::Value::Null));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j6_a_change_that_would_make_a_second_account_is_held() {
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.profile.attributes.fix(&["userName"]));
    world.sync().await;
    world.edit(|dir| {
        dir.set("ann", "userName", "annie@x.test");
        dir.set("ann", "displayName", "Annie");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.app.in_words(), ["update_user ann@x.test displayName"], "the rest goes");
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "and it stays visible");
    assert_eq!(world.app.writes(), [""; 0]);
    world.reconfigure(|tenant| tenant.on_immutable_change = OnImmutableChange::Ignore);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

const MANAGED: [(&str, &str); 2] = [("userName", "userName"), ("enterprise.manager", "boss")];

fn manager_of(world: &World, user: &str) -> Option<String> {
    let id = world.app.value(user, "enterprise.manager")?;
    let holdings = world.app.holdings();
    Some(holdings.users[&id].attributes.text(&Path::user_name()).unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn managers_are_set_when_everybody_has_an_account_cycles_too() {
    let mut dir = three();
    dir.set("ann", "boss", "cy");
    dir.set("bo", "boss", "ann");
    dir.set("cy", "boss", "ann");
    let world = synced_as(dir, |tenant| tenant.map(&MANAGED)).await;
    assert_eq!(manager_of(&world, "ann@x.test").as_deref(), Some("cy@x.test"));
    assert_eq!(manager_of(&world, "bo@x.test").as_deref(), Some("ann@x.test"));
    assert_eq!(manager_of(&world, "cy@x.test").as_deref(), Some("ann@x.test"));
    world.edit(|dir| dir.set("bo", "boss", "cy"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user bo@x.test"]);
    assert_eq!(manager_of(&world, "bo@x.test").as_deref(), Some("cy@x.test"));
    world.edit(|dir| dir.set("bo", "boss", serde_json::Value::Null));
    world.sync().await;
    assert_eq!(manager_of(&world, "bo@x.test"), None);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_who_gets_an_account_later_is_set_then() {
    let mut dir = three();
    dir.add_user("boss");
    dir.set("ann", "boss", "boss");
    let world = synced_as(dir, |tenant| tenant.map(&MANAGED)).await;
    assert_eq!(manager_of(&world, "ann@x.test"), None);
    world.edit(|dir| dir.join("staff", "boss"));
    world.sync().await;
    assert_eq!(manager_of(&world, "ann@x.test").as_deref(), Some("boss@x.test"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_to_be_left_is_left() {
    let mut dir = three();
    dir.set("ann", "boss", "bo");
    let rules = [("userName", "userName"), ("enterprise.manager", "boss if boss is defined else leave")];
    let world = synced_as(dir, |tenant| tenant.map(&rules)).await;
    world.edit(|dir| dir.set("ann", "boss", serde_json::Value::Null));
    world.sync().await;
    assert_eq!(manager_of(&world, "ann@x.test").as_deref(), Some("bo@x.test"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn o7_a_manager_may_follow_only_changes_too() {
    let mut dir = three();
    dir.set("ann", "boss", "bo");
    dir.set("bo", "boss", "cy");
    let rules = [("userName", "userName", Push::Always), ("enterprise.manager", "boss", Push::OnSourceChange)];
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.map_pushed(&rules));
    world.sync().await;
    let cy = world.app.account("cy@x.test").unwrap().0;
    by_hand(&world, "ann@x.test", "enterprise.manager", &cy);
    world.edit(|dir| dir.set("ann", "displayName", "irrelevant"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| dir.set("ann", "boss", "cy"));
    world.edit(|dir| dir.set("bo", "boss", "ann"));
    world.sync().await;
    assert_eq!(manager_of(&world, "bo@x.test").as_deref(), Some("ann@x.test"));
}

#[tokio::test(start_paused = true)]
async fn i1_somebody_who_cannot_be_mapped_is_told_and_loses_nothing() {
    let world = synced_as(three(), |tenant| {
        tenant.map(&[("userName", "userName"), ("displayName", "role ~ userName")]);
    })
    .await;
    world.edit(|dir| {
        dir.set("ann", "role", serde_json::Value::Null);
        dir.set("bo", "role", "lead");
    });
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["update_user bo@x.test"]);
    assert_eq!(failures(&report).len(), 1);
    assert_eq!(world.app.active().len(), 3);
    world.edit(|dir| dir.set("ann", "role", "member"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}
