//! Attributes of which the directory holds several values, in an order that means nothing (MM3).

use serde_json::{Value, json};

use super::*;
use crate::config::tenant::Push;

/// Rules that take one of several values in every way there is.
const RULES: [(&str, &str); 4] = [
    ("userName", "mail"),
    ("displayName", "cn | one"),
    ("title", "mail_all | first"),
    ("nickName", "(cn | one) ~ '-x'"),
];

/// Ann with these addresses, the first of which her directory shows as the one.
fn mails(world: &World, mails: &[&str], names: &Value) {
    world.edit(|dir| {
        dir.set("ann", "mail", mails[0]);
        dir.set("ann", "mail_all", json!(mails));
        dir.set("ann", "cn", names.clone());
    });
}

async fn company(push: Push) -> World {
    let mut world = World::new(Directory::of(&["ann", "bo"]).with_group("all", &["ann", "bo"]));
    let rules = RULES.map(|(path, rule)| (path, rule, push));
    world.reconfigure(|tenant| tenant.map_pushed(&rules));
    mails(&world, &["a@x.test", "b@x.test", "c@x.test"], &json!(["Ann", "Anna"]));
    world.edit(|dir| {
        dir.set("bo", "mail", "bo@x.test");
        dir.set("bo", "mail_all", json!(["bo@x.test"]));
        dir.set("bo", "cn", "Bo");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    world
}

#[tokio::test(start_paused = true)]
async fn mm3_values_in_another_order_change_nothing() {
    for push in [Push::Always, Push::OnSourceChange] {
        let world = company(push).await;
        for order in [
            ["b@x.test", "a@x.test", "c@x.test"],
            ["c@x.test", "b@x.test", "a@x.test"],
            ["a@x.test", "c@x.test", "b@x.test"],
        ] {
            mails(&world, &order, &json!(["Anna", "Ann"]));
            let report = world.sync().await;
            assert_eq!((report.status(), world.app.writes()), (Status::Ok, vec![]), "{push:?} {order:?}");
            assert_eq!(world.app.value("a@x.test", "displayName").as_deref(), Some("Ann"));
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mm3_the_value_last_sent_goes_when_the_directory_no_longer_holds_it() {
    let world = company(Push::Always).await;
    mails(&world, &["b@x.test", "a@x.test", "d@x.test"], &json!(["Anna", "Ann"]));
    world.sync().await;
    assert_eq!(world.app.value("a@x.test", "title").as_deref(), Some("a@x.test"), "it is still one of them");
    mails(&world, &["b@x.test", "d@x.test"], &json!(["Anna", "Anni"]));
    world.sync().await;
    for (attribute, value) in [("displayName", "Anna"), ("title", "b@x.test"), ("nickName", "Anna-x")] {
        assert_eq!(world.app.value("b@x.test", attribute).as_deref(), Some(value), "{attribute}");
    }
    mails(&world, &["d@x.test", "b@x.test"], &json!(["Anni", "Anna"]));
    world.sync().await;
    assert_eq!(world.app.writes(), Vec::<String>::new(), "and from here on that one stays");
    mails(&world, &["d@x.test"], &json!("Anni"));
    world.sync().await;
    assert_eq!(world.app.value("d@x.test", "displayName").as_deref(), Some("Anni"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mm3_a_real_change_beside_another_order_is_sent_alone() {
    let world = company(Push::Always).await;
    mails(&world, &["c@x.test", "a@x.test"], &json!(["Zoe", "Zo"]));
    world.sync().await;
    assert_eq!(world.app.value("a@x.test", "displayName").as_deref(), Some("Zoe"));
    assert_eq!(world.app.value("a@x.test", "nickName").as_deref(), Some("Zoe-x"));
    assert_eq!(world.app.value("a@x.test", "title").as_deref(), Some("a@x.test"));
}
