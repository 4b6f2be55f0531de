//! New accounts that would be a user's second one (J6, J15): an app that another tool filled under other user names.

use super::*;
use crate::config::forms::Limit;
use crate::model::Path;
use crate::plan::{Action, Operation};

/// An account that others made, with further values.
fn account(world: &World, name: &str, values: &[(&str, &str)], active: bool) -> String {
    let id = world.app.has_user(name, active);
    world.app.by_hand(|app| {
        let account = app.users.get_mut(&id).unwrap();
        for (path, value) in values {
            account.attributes.set(Path::parse(path).unwrap(), (*value).into());
        }
    });
    id
}

fn accounts(world: &World) -> usize {
    world.app.holdings().users.len()
}

/// Nine users whose accounts are there under other names, with the same addresses, and three who are new.
fn connected_before() -> World {
    let world = World::new(crowd(12));
    for n in 0..9 {
        account(&world, &format!("user{n}"), &[("emails.work", &format!("U{n:02}@X.test"))], n % 2 == 0);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn j6_users_who_have_an_account_under_another_name_wait_and_everybody_else_goes_on() {
    let world = connected_before();
    let preview = world.plan().await;
    assert_eq!(holds(&preview), ["duplicate_accounts"], "a preview says it too");
    for round in 0..3 {
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Held, "round {round}: {report:?}");
        assert_eq!(holds(&report), ["duplicate_accounts"]);
        let said = report.holds[0].detail();
        assert!(said.starts_with("9 new users have an e-mail address or user name"), "{said}");
        assert!(said.contains(r#"u00@x.test (account a1, userName "user0", has u00@x.test)"#), "{said}");
        assert!(
            said.contains("inactive") && said.contains("and 4 more") && said.contains("were not created"),
            "{said}"
        );
        let creates = held(&report).iter().filter(|one| one.starts_with("create_user")).count();
        assert_eq!(creates, 9, "{:?}", held(&report));
        assert_eq!(accounts(&world), 12, "only those who have none got one");
        assert_eq!(failures(&report), []);
        assert_eq!(world.app.members("all").unwrap(), ["u09@x.test", "u10@x.test", "u11@x.test"]);
    }
    assert_eq!(world.app.writes(), [""; 0], "what is held is not tried");
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!(accounts(&world), 21, "approved: they are other people");
    assert_eq!(world.app.members("all").unwrap().len(), 12);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j6_either_name_on_either_side_counts() {
    for (field, value, user_name, values) in [
        // The directory's e-mail address is the account's user name.
        ("email", "Ann@Acme.test", "ann@acme.test", &[][..]),
        // The directory's user name, which is not mapped, is the account's.
        ("username", "aeng", "AENG", &[]),
        // The user name that is mapped is the account's e-mail address, whatever its type.
        ("cn", "-", "aeng", &[("emails.home", "ann@x.test")]),
        // A further address of the user is a further address of the account.
        ("emails", "a.eng@acme.test", "aeng", &[("emails.other", "a.eng@acme.test")]),
        ("sAMAccountName", "aeng", "aeng", &[]),
    ] {
        let world = World::new(Directory::of(&["ann", "bo"]).with_group("all", &["ann", "bo"]));
        world.edit(|dir| dir.set("ann", field, value));
        account(&world, user_name, values, true);
        let report = world.sync().await;
        assert_eq!(held(&report)[0], "create_user ann@x.test", "{field}");
        assert_eq!(world.app.account("ann@x.test"), None, "{field}");
        assert!(world.app.account("bo@x.test").is_some(), "{field}: others go on");
    }
}

#[tokio::test(start_paused = true)]
async fn j6_an_account_that_a_user_has_or_is_given_is_nobodys_double() {
    // Two users of one address: the account of the first is his, by its user name.
    let world = World::new(crowd(4));
    world.edit(|dir| {
        for id in ["u00", "u01"] {
            dir.set(id, "email", "team@x.test");
        }
    });
    account(&world, "u00@x.test", &[("emails.work", "team@x.test")], true);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", report.holds);
    assert_eq!(accounts(&world), 4);
    // Later the account is linked.
    world.edit(|dir| {
        dir.add_user("new");
        dir.set("new", "email", "team@x.test");
        dir.join("all", "new");
    });
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(accounts(&world), 5);
}

#[tokio::test(start_paused = true)]
async fn j6_someone_who_comes_later_waits_as_well() {
    let world = synced(crowd(5)).await;
    account(&world, "newname", &[("emails.work", "new@x.test")], true);
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
        dir.set("u01", "displayName", "Una");
    });
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(holds(&report), ["duplicate_accounts"]);
        assert_eq!(held(&report), ["create_user new@x.test", "add_members all"]);
        assert_eq!(world.app.account("new@x.test"), None);
    }
    assert_eq!(world.app.value("u01@x.test", "displayName").as_deref(), Some("Una"));
    // The account gets the user name that the directory has: it is adopted by the rule for accounts, not made again.
    world.app.by_hand(|app| {
        let found = app.users.values_mut().find(|user| user.attributes.text(&Path::user_name()) == Some("newname"));
        found.unwrap().attributes.set(Path::user_name(), "new@x.test".into());
    });
    assert_eq!(holds(&world.sync().await), ["adoption"]);
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(accounts(&world), 6);
}

/// `alike` of `users` users look like an account by their display name alone.
fn namesakes(users: usize, alike: usize) -> World {
    let world = World::new(crowd(users));
    for n in 0..alike {
        account(&world, &format!("x{n}"), &[("displayName", &format!("U{n:02}"))], true);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn j6_equal_display_names_alone_hold_every_creation_from_three_and_more_than_five_percent_on() {
    for (users, alike, waits) in
        [(9, 9, true), (9, 3, true), (9, 2, false), (60, 3, false), (59, 3, true), (80, 5, true)]
    {
        let world = namesakes(users, alike);
        let report = world.sync().await;
        let (made, case) = (accounts(&world) - alike, format!("{alike} of {users}"));
        assert_eq!(made, if waits { 0 } else { users }, "{case}");
        assert_eq!(holds(&report), if waits { vec!["duplicate_names"] } else { Vec::new() }, "{case}");
        if waits {
            let said = report.holds[0].detail();
            assert!(said.starts_with(&format!("{alike} of {users} new users look like accounts")), "{said}");
            world.approve();
            assert_eq!(world.sync().await.status(), Status::Ok, "{case}");
            assert_eq!(accounts(&world), users + alike, "{case}");
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j6_a_user_name_that_is_an_address_before_its_at_sign_is_such_a_hint() {
    let world = World::new(crowd(9));
    for n in 0..9 {
        account(&world, &format!("u{n:02}"), &[], true);
    }
    assert_eq!(holds(&world.sync().await), ["duplicate_names"]);
    assert_eq!(accounts(&world), 9);
}

#[tokio::test(start_paused = true)]
async fn j6_leavers_and_updates_go_on_while_all_creations_wait() {
    let world = synced(crowd(12)).await;
    for n in 0..4 {
        account(&world, &format!("x{n}"), &[("displayName", &format!("new{n}"))], true);
    }
    world.edit(|dir| {
        for n in 0..4 {
            dir.add_user(&format!("new{n}"));
            dir.join("all", &format!("new{n}"));
        }
        dir.add_user("unlike");
        dir.join("all", "unlike");
        dir.stand("u03", LifecycleStatus::Suspended);
        dir.set("u01", "displayName", "Una");
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["duplicate_names"]);
    assert_eq!(world.app.writes(), ["deactivate u03@x.test", "update_user u01@x.test"]);
    let creates = held(&report).iter().filter(|one| one.starts_with("create_user")).count();
    assert_eq!(creates, 5, "also of the one who looks like none: {:?}", held(&report));
    assert_eq!(failures(&report), []);
}

#[tokio::test(start_paused = true)]
async fn j6_without_a_limit_nothing_is_compared() {
    let world = connected_before();
    world.reconfigure_limits(|limits| limits.duplicate_names = Limit::NONE);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(accounts(&world), 21, "as before");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j6_what_is_asked_for_anyway_says_what_is_alike_too() {
    let world = connected_before();
    world.reconfigure_limits(|limits| {
        limits.ask_before.insert(crate::model::Op::CreateUser);
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["approval", "duplicate_accounts"], "whoever approves the creations sees it");
    assert_eq!(accounts(&world), 9);
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn j6_a_suspended_user_gets_no_account_and_no_hold() {
    let world = World::new(crowd(3));
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    account(&world, "user0", &[("emails.work", "u00@x.test")], true);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", report.holds);
}

#[test]
fn j6_an_approval_is_for_the_creations_whatever_else_the_accounts_are_called() {
    // What is shown as evidence is no part of the plan's hash: an account that is renamed meanwhile does not make it another plan.
    let operation = |reason: &str| Operation {
        lane: crate::model::Lane::Additions,
        object: crate::model::ObjectRef::User(crate::model::SourceId::new("u1")),
        app_id: None,
        name: "ann".to_owned(),
        action: Action::CreateUser { attributes: crate::model::Attributes::new() },
        reason: reason.into(),
        blocked: None,
    };
    let plan = |user_name: &str| {
        let mut plan = crate::plan::Plan::of(vec![operation("because")]);
        plan.duplicates = vec![crate::plan::Duplicate {
            user: crate::model::SourceId::new("u1"),
            name: "ann".to_owned(),
            account: crate::model::AppId::new("7"),
            user_name: user_name.to_owned(),
            active: true,
            shared: Some("ann@x.test".to_owned()),
        }];
        plan
    };
    let (one, other) = (plan("a"), plan("b"));
    assert!(one.is_genuine() && one.hash == other.hash);
    let written = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&written).unwrap(), one);
    let old = written.split_once(r#","duplicates""#).unwrap().0.to_owned() + "}";
    assert!(serde_json::from_str::<crate::plan::Plan>(&old).unwrap().duplicates.is_empty(), "plans of before are read");
    assert_eq!(one.only("ann").duplicates.len(), 1);
    assert!(other.only("bo").duplicates.is_empty());
}
