//! Accounts that others made in the app: who gets them, who decides on it, and what an app's answers to creates are worth.

use super::*;
use crate::config::tenant::{AdoptApproval, Adopted};
use crate::errand::note_seen;
use crate::model::{Path, Provenance, Reason, SourceId, TenantName};
use crate::sim::limits;
use crate::store::{Baseline as _, Effect};

/// An account that somebody made in the app, with roles.
fn local_account(world: &World, name: &str, roles: &[&str]) -> String {
    let id = world.app.has_user(name, true);
    world.app.by_hand(|app| {
        app.users.get_mut(&id).unwrap().roles = roles.iter().map(|role| (*role).to_owned()).collect();
    });
    id
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

/// The state is told that the link of somebody has ended.
async fn release(world: &World, id: &str) {
    let name = TenantName::parse("acme").unwrap();
    let effects = vec![Effect::UserUnlinked { id: SourceId::new(id) }];
    note_seen(&world.store, &name, Reason::AdoptedOrReleased, effects, None, &*world.clock).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sec8_a_user_named_like_a_local_administrator_gets_nothing_before_it_is_approved() {
    let world = synced(crowd(5)).await;
    let account = local_account(&world, "breakglass@x.test", &["admin", "billing"]);
    let before = world.app.holdings();
    comes(&world, "breakglass");
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Held);
        assert_eq!(holds(&report), ["adoption"]);
        let detail = &report.holds[0].detail();
        assert!(detail.contains("breakglass@x.test") && detail.contains("roles: admin, billing"), "{detail}");
        let waiting = held(&report);
        assert!(waiting.contains(&"adopt_user breakglass@x.test".to_owned()), "{waiting:?}");
        assert!(waiting.contains(&"update_user breakglass@x.test".to_owned()), "{waiting:?}");
        assert!(waiting.contains(&"add_members all".to_owned()), "what needs the account waits with it: {waiting:?}");
        assert_eq!(world.app.writes(), [""; 0]);
        assert_eq!(world.app.holdings(), before, "the account is as it was, and there is no second one");
    }
    // Others of the same group go on meanwhile.
    comes(&world, "new");
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_user new@x.test", "add_members all"]);
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!(
        world.app.writes(),
        ["update_user breakglass@x.test", "add_members all"],
        "one approval lets all of it pass"
    );
    assert_eq!(world.app.account("breakglass@x.test").unwrap().0, account);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn sec8_suspending_a_user_whose_adoption_waits_does_not_switch_the_account_off() {
    let world = synced(crowd(5)).await;
    local_account(&world, "breakglass@x.test", &["admin"]);
    comes(&world, "breakglass");
    world.sync().await;
    world.edit(|dir| dir.stand("breakglass", LifecycleStatus::Suspended));
    world.sync().await;
    assert!(world.app.active().contains(&"breakglass@x.test".to_owned()));
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn mp7_the_first_run_asks_for_privileged_accounts_only() {
    for (roles, waits) in
        [(&[][..], false), (&["member"][..], false), (&["Org-Admin"][..], true), (&["owner"][..], true)]
    {
        let world = World::new(crowd(3));
        local_account(&world, "u01@x.test", roles);
        let report = world.sync().await;
        assert_eq!(holds(&report).contains(&"adoption"), waits, "{roles:?}");
        assert_eq!(provenance(&world, "u01"), (!waits).then_some(Provenance::Adopted), "{roles:?}");
        // A completed run with something held is a completed run: the next one asks for everybody.
        assert_eq!(world.sync().await.status() == Status::Held, waits);
        assert_eq!(world.app.holdings().users.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn mp7_the_tenant_file_says_when_adoptions_wait() {
    for (approval, first, later) in [
        (AdoptApproval::Never, false, false),
        (AdoptApproval::AfterFirst, false, true),
        (AdoptApproval::Always, true, true),
    ] {
        let world = World::new(crowd(3));
        world.reconfigure_limits(|limits| limits.adopt = approval);
        local_account(&world, "u01@x.test", &[]);
        assert_eq!(holds(&world.sync().await).contains(&"adoption"), first, "{approval:?}");
        world.approve_if_held();
        assert_eq!(world.sync().await.status(), Status::Ok, "{approval:?}");
        local_account(&world, "new@x.test", &[]);
        comes(&world, "new");
        assert_eq!(holds(&world.sync().await).contains(&"adoption"), later, "{approval:?}");
    }
    assert_eq!(limits().adopt, AdoptApproval::AfterFirst, "what a tenant has that says nothing");
}

#[tokio::test(start_paused = true)]
async fn mp7_an_account_that_was_linked_to_the_user_before_is_no_strangers() {
    let world = synced(crowd(3)).await;
    release(&world, "u01").await;
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert!(provenance(&world, "u01").is_some());
    // Renamed meanwhile: the id in the app is one that rosterd wrote.
    release(&world, "u01").await;
    world.edit(|dir| dir.set("u01", "userName", "annie@x.test"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.holdings().users.len(), 3);
    assert!(world.app.account("annie@x.test").is_some());
    // Another user with its name does not get it: it carries the id of another record.
    release(&world, "u01").await;
    world.edit(|dir| {
        dir.delete_user("u01");
        dir.add_user("thief");
        dir.set("thief", "userName", "annie@x.test");
        dir.join("all", "thief");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert!(failures(&report)[0].1.contains("another directory record"), "{:?}", failures(&report));
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn mp7_after_a_lost_state_the_rules_of_the_first_run_apply() {
    let mut world = synced(crowd(4)).await;
    world.lose_state();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.linked_count(), 4);
}

#[tokio::test(start_paused = true)]
async fn mp7_the_cfos_account_is_not_given_to_somebody_for_an_id_that_another_tool_wrote() {
    for first in [true, false] {
        let world = if first { World::new(crowd(3)) } else { synced(crowd(3)).await };
        let cfo = local_account(&world, "cfo@x.test", &[]);
        world.app.by_hand(|app| app.users.get_mut(&cfo).unwrap().attributes.set(Path::external_id(), "new".into()));
        let before = world.app.holdings().users[&cfo].clone();
        comes(&world, "new");
        let report = world.sync().await;
        assert_eq!((report.status(), holds(&report)), (Status::Held, vec!["conflict"]), "first run: {first}");
        assert!(report.holds[0].detail().contains("cfo@x.test"), "{}", report.holds[0].detail());
        assert_eq!(world.app.holdings().users[&cfo], before);
        assert_eq!(world.app.account("new@x.test"), None, "nothing is created for them either");
        assert_eq!(world.store.held(), None, "and no approval settles it");
        // The operator takes the wrong id out of the account.
        world.app.by_hand(|app| drop(app.users.get_mut(&cfo).unwrap().attributes.clear(&Path::external_id())));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert!(world.app.account("new@x.test").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn mp7_an_account_that_only_a_refused_create_shows_waits_too() {
    let world = synced(crowd(3)).await;
    local_account(&world, "CFO@x.test", &["finance"]);
    comes(&world, "cfo");
    let hide = || world.app.behave(|app| app.unseen = ["CFO@x.test".into()].into());
    hide();
    let report = world.sync().await;
    let failed = failures(&report);
    assert!(failed.iter().any(|(_, why)| why.contains("finance") && why.contains("asks for approval")), "{failed:?}");
    assert_eq!(world.linked_count(), 3, "a refusal adopts nothing");
    // Its filter never finds the account: it is read by the id that the refusal brought to light.
    for _ in 0..2 {
        hide();
        let report = world.sync().await;
        assert_eq!(holds(&report), ["adoption"], "{:?}", failures(&report));
        assert_eq!(world.app.writes(), [""; 0]);
    }
    world.approve();
    hide();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.linked_count(), 4);
    assert_eq!(world.app.holdings().users.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn mp7_a_lost_create_does_not_take_an_account_with_another_id() {
    let world = synced(crowd(3)).await;
    let other = local_account(&world, "new@x.test", &[]);
    world.app.by_hand(|app| app.users.get_mut(&other).unwrap().attributes.set(Path::external_id(), "hr-7".into()));
    world.app.behave(|app| (app.unseen, app.unique) = (["new@x.test".into()].into(), false));
    comes(&world, "new");
    world.app.fail("create_user", "new", 1, Fault::lost());
    world.sync().await;
    world.app.behave(|app| app.unseen.clear());
    let before = world.app.holdings().users[&other].clone();
    world.sync().await;
    assert_eq!(world.app.holdings().users[&other], before);
    assert_eq!(world.store.user_by_app_id(&other.as_str().into()).unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn mp8_an_id_that_is_linked_already_is_no_new_account() {
    let world = synced(crowd(4)).await;
    world.app.behave(|app| app.mixes_up = Some(1));
    for id in ["n1", "n2", "n3"] {
        comes(&world, id);
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    let creates: Vec<_> = failures(&report).into_iter().filter(|(op, _)| op.starts_with("create_user")).collect();
    assert_eq!(creates.len(), 3, "{creates:?}");
    let conflicts: Vec<_> = creates.iter().filter(|(_, why)| why.starts_with("conflict: ")).collect();
    assert!(
        !conflicts.is_empty()
            && conflicts.iter().all(|(_, why)| why.contains("directory's user u0") && why.contains("user n")),
        "both are named: {creates:?}"
    );
    assert_eq!(world.linked_count(), 4, "nobody shares an account");
    assert_eq!(world.app.active().len(), 4);
    // The app mends its ways, and suspending a newcomer concerns the newcomer.
    world.app.behave(|app| app.mixes_up = None);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.edit(|dir| dir.stand("n1", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate n1@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn mp8_after_one_mix_up_no_further_creates_of_the_kind_are_sent() {
    let world = synced(crowd(4)).await;
    world.app.behave(|app| app.mixes_up = Some(1));
    for at in 0..60 {
        comes(&world, &format!("n{at:02}"));
    }
    world.edit(|dir| dir.set("u01", "displayName", "goes on"));
    let report = world.sync().await;
    let sent = world.app.writes().iter().filter(|write| write.starts_with("create_user")).count();
    assert!(sent <= 4, "as many as were under way: {sent}");
    assert!(failures(&report).iter().any(|(_, why)| why.contains("not sent: conflict")), "{:?}", failures(&report));
    assert_eq!(world.app.value("u01@x.test", "displayName").as_deref(), Some("goes on"));
}

#[tokio::test(start_paused = true)]
async fn mp8_two_creates_that_are_answered_with_one_new_id_are_not_both_believed() {
    let world = World::new(crowd(3));
    world.app.behave(|app| app.mixes_up = Some(2));
    world.sync().await;
    let mut owners = std::collections::BTreeSet::new();
    for id in ["u00", "u01", "u02"] {
        if let Some(row) = world.store.user(&SourceId::new(id)).unwrap() {
            assert!(owners.insert(row.app_id.clone()), "{id} shares {}", row.app_id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mp8_groups_are_never_linked_to_one_group_of_the_app() {
    let world = synced(crowd(4)).await;
    world.app.behave(|app| app.mixes_up = Some(1));
    world.edit(|dir| {
        dir.add_group("blue", &["u00"]);
        dir.add_group("red", &["u01"]);
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert!(failures(&report).iter().any(|(_, why)| why.starts_with("conflict: ")), "{:?}", failures(&report));
    assert_eq!(world.store.groups().unwrap().len(), 1);
    assert_eq!(world.app.members("all").unwrap().len(), 4);
    world.app.behave(|app| app.mixes_up = None);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("blue").unwrap(), ["u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn mp9_an_account_that_a_create_gives_back_is_adopted_and_brought_in_line() {
    for (adopted, active) in [(Adopted::Keep, true), (Adopted::Manage, false)] {
        let mut world = World::new(crowd(3));
        world.reconfigure(|tenant| tenant.adopted = adopted);
        let id = local_account(&world, "u01@x.test", &[]);
        world.app.behave(|app| (app.gives_back, app.unseen) = (true, ["u01@x.test".into()].into()));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
        assert_eq!(provenance(&world, "u01"), Some(Provenance::Adopted));
        world.app.behave(|app| app.unseen.clear());
        assert_eq!(world.app.value("u01@x.test", "displayName").as_deref(), Some("u01"));
        assert_eq!(world.app.account("u01@x.test").unwrap().0, id);
        world.assert_quiet().await;
        world.edit(|dir| dir.part("all", "u01"));
        world.sync().await;
        assert_eq!(world.app.active().contains(&"u01@x.test".to_owned()), active, "{adopted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp9_a_privileged_account_that_a_create_gives_back_waits_for_approval() {
    let world = synced(crowd(3)).await;
    local_account(&world, "new@x.test", &["Admin"]);
    let hide = || world.app.behave(|app| (app.gives_back, app.unseen) = (true, ["new@x.test".into()].into()));
    hide();
    comes(&world, "new");
    let report = world.sync().await;
    assert!(failures(&report).iter().any(|(_, why)| why.contains("Admin")), "{:?}", failures(&report));
    assert_eq!(provenance(&world, "new"), None);
    world.app.behave(|app| app.unseen.clear());
    assert_eq!(holds(&world.sync().await), ["adoption"]);
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(provenance(&world, "new"), Some(Provenance::Adopted));
}
