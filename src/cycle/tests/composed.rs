//! Values that an app composes when it creates an account.

use super::*;
use crate::sandbox::Misbehave::{ComposesNames, IgnoresChanges, Tidies};

fn before_its_first_run(users: usize, habits: &[crate::sandbox::Misbehave]) -> World {
    let mut dir = crowd(users);
    for at in 0..users {
        dir.set(&format!("u{at:02}"), "displayName", format!("Somebody {at}"));
    }
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.map(&[("userName", "userName"), ("displayName", "displayName")]));
    world.app.behave(|app| app.habits = habits.iter().copied().collect());
    world
}

fn changes(world: &World) -> usize {
    world.app.calls().iter().filter(|call| call.name == "update_user").count()
}

#[tokio::test(start_paused = true)]
async fn ma13_a_value_that_the_app_composes_at_creation_is_sent_again_where_a_change_sets_it() {
    let world = before_its_first_run(5, &[ComposesNames]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(changes(&world), 5);
    for at in 0..5 {
        let shown = world.app.value(&format!("u{at:02}@x.test"), "displayName");
        assert_eq!(shown.as_deref(), Some(format!("Somebody {at}").as_str()));
    }
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma13_one_account_of_a_run_shows_that_a_change_is_of_no_use() {
    let world = before_its_first_run(5, &[ComposesNames, IgnoresChanges]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "it is the app's way of writing: {report:?}");
    assert_eq!(changes(&world), 1);
    world.assert_quiet().await;
    world.app.behave(|app| app.habits.clear());
    world.edit(|dir| dir.set("u01", "displayName", "Another"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.value("u01@x.test", "displayName").as_deref(), Some("Another"), "a new value is sent");
}

#[tokio::test(start_paused = true)]
async fn ma13_another_spelling_is_not_sent_again() {
    for habits in [&[Tidies][..], &[]] {
        let world = before_its_first_run(5, habits);
        world.app.behave(|app| app.lower_cases = true);
        assert_eq!(world.sync().await.status(), Status::Ok, "{habits:?}");
        assert_eq!(changes(&world), 0, "{habits:?}");
        world.assert_quiet().await;
    }
}
