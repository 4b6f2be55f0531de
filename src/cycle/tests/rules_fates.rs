//! What becomes of an account by cause, fate, grace and kind of app, and how the person returns: every combination. What is
//! expected is written down in [`Case::expected`].

use jiff::SignedDuration;

use super::rules_table::without_limits;
use super::*;
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::config::tenant::DeprovisioningAction;

const GRACE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why access ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Suspended,
    Unassigned,
    Deleted,
    /// Not listed any more, though the directory still knows them: a second look counts as no longer assigned.
    Unlisted,
}

/// What the app is like (the classes of apps whose `active = false` or DELETE is not what the standard says).
#[derive(Debug, Clone, Copy, PartialEq)]
enum AppKind {
    Standard,
    /// Class 1: `active = false` deletes.
    InactiveDeletes,
    /// Class 1: `active = false` makes the account answer 404.
    InactiveHides,
    /// Class 2: DELETE only deactivates.
    DeleteDeactivates,
    /// Class 3: a user who was deleted can never come back.
    DeleteIsForEver,
    NoDelete,
}

/// When the person returns, if they do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Return {
    Soon,
    AfterTheGrace,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    cause: Cause,
    fate: DeprovisioningAction,
    grace: bool,
    app: AppKind,
}

/// What is left of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Account {
    Active,
    Inactive,
    Gone,
}

impl Case {
    /// The account when the person has left, and when the grace has passed.
    fn expected(self) -> (Account, Account) {
        let switched_off = match self.app {
            AppKind::InactiveDeletes => Account::Gone,
            _ => Account::Inactive,
        };
        let deleted = match self.app {
            AppKind::Standard | AppKind::InactiveDeletes | AppKind::InactiveHides => Account::Gone,
            // Where nothing can be deleted, or nothing may be without a word of somebody, access ends all the same.
            AppKind::DeleteDeactivates | AppKind::DeleteIsForEver | AppKind::NoDelete => Account::Inactive,
        };
        match (self.fate, self.grace) {
            (DeprovisioningAction::Nothing, _) => (Account::Active, Account::Active),
            (DeprovisioningAction::Deactivate, _) => (switched_off, switched_off),
            (DeprovisioningAction::Delete, false) => (deleted, deleted),
            (DeprovisioningAction::Delete, true) => (switched_off, deleted),
        }
    }

    /// Whether a deletion waits for a decision, now and after the grace.
    fn waits(self) -> (bool, bool) {
        let ever = self.fate == DeprovisioningAction::Delete && self.app == AppKind::DeleteIsForEver;
        (ever && !self.grace, ever)
    }

    async fn in_step(self) -> World {
        let mut dir = crowd(5);
        dir.add_group("night", &["u00", "u01"]);
        let mut world = World::new(dir);
        without_limits(&world);
        world.reconfigure(|tenant| {
            // Only the cause at hand may do anything.
            tenant.on_suspended =
                if self.cause == Cause::Suspended { self.fate } else { DeprovisioningAction::Nothing };
            tenant.on_deleted = if self.cause == Cause::Deleted { self.fate } else { DeprovisioningAction::Nothing };
            let unassigned = matches!(self.cause, Cause::Unassigned | Cause::Unlisted);
            tenant.on_unassigned = if unassigned { self.fate } else { DeprovisioningAction::Nothing };
            tenant.delete_after = self.grace.then_some(GRACE);
            (tenant.profile.users.inactive_effect, tenant.profile.users.delete_effect) = effects(self.app);
        });
        world.app.behave(|app| (app.inactive_effect, app.delete_effect) = effects(self.app));
        assert_eq!(world.sync().await.status(), Status::Ok);
        world.assert_quiet().await;
        world
    }

    async fn leaves(self, world: &World) -> CycleReport {
        world.edit(|dir| match self.cause {
            Cause::Suspended => dir.stand("u00", LifecycleStatus::Suspended),
            Cause::Unassigned => {
                dir.part("all", "u00");
                dir.part("night", "u00");
            }
            Cause::Deleted => dir.delete_user("u00"),
            Cause::Unlisted => dir.hide("u00"),
        });
        if self.cause == Cause::Unlisted {
            world.sync().await;
            assert_eq!(world.app.writes(), [""; 0], "once is not enough: {self:?}");
        }
        world.sync().await
    }

    fn returns(self, world: &World) {
        world.edit(|dir| match self.cause {
            Cause::Suspended => dir.stand("u00", LifecycleStatus::Active),
            Cause::Unlisted => dir.show("u00"),
            Cause::Unassigned | Cause::Deleted => {
                if self.cause == Cause::Deleted {
                    dir.add_user("u00");
                }
                dir.join("all", "u00");
                dir.join("night", "u00");
            }
        });
    }

    async fn play(self, coming_back: Return) {
        let world = self.in_step().await;
        let first = id(&world).unwrap();
        let report = self.leaves(&world).await;
        let (at_once, after) = self.expected();
        assert_eq!(account(&world), at_once, "at once: {self:?}\n{report:?}");
        let waits = |report: &CycleReport| held(report) == ["delete_user u00@x.test"];
        assert_eq!(waits(&report), self.waits().0, "{self:?}");
        world.sync().await;
        assert_eq!(world.app.writes(), [""; 0], "nothing is said twice: {self:?}");
        if coming_back == Return::AfterTheGrace {
            world.clock.pass(GRACE);
            let report = world.sync().await;
            assert_eq!(account(&world), after, "after the grace: {self:?}");
            assert_eq!(waits(&report), self.waits().1, "{self:?}");
            world.sync().await;
            assert_eq!(world.app.writes(), [""; 0], "{self:?}");
        }
        let left = account(&world);
        self.returns(&world);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{self:?}\n{report:?}");
        assert_eq!(account(&world), Account::Active, "{self:?}");
        assert_eq!(id(&world) == Some(first), left != Account::Gone, "the same account, if there was one: {self:?}");
        for (group, size) in [("all", 5), ("night", 2)] {
            let members = world.app.members(group).unwrap();
            assert!(members.contains(&"u00@x.test".to_owned()) && members.len() == size, "{members:?}: {self:?}");
        }
        world.assert_quiet().await;
        // The grace that was cancelled is over: it does not strike later.
        world.clock.pass(GRACE + GRACE);
        world.assert_quiet().await;
        // And nothing was forgotten of whoever came back, with an old account or a new one.
        world.edit(|dir| dir.join("night", "u02"));
        world.sync().await;
        assert_eq!(world.app.writes(), ["add_members night"], "{self:?}");
        self.leaves(&world).await;
        assert_eq!(account(&world), at_once, "the second time: {self:?}");
    }
}

fn effects(app: AppKind) -> (InactiveEffect, DeleteEffect) {
    match app {
        AppKind::Standard => (InactiveEffect::KeepsResource, DeleteEffect::Hard),
        AppKind::InactiveDeletes => (InactiveEffect::DeletesResource, DeleteEffect::Hard),
        AppKind::InactiveHides => (InactiveEffect::HidesResource, DeleteEffect::Hard),
        AppKind::DeleteDeactivates => (InactiveEffect::KeepsResource, DeleteEffect::Deactivates),
        AppKind::DeleteIsForEver => (InactiveEffect::KeepsResource, DeleteEffect::Irreversible),
        AppKind::NoDelete => (InactiveEffect::KeepsResource, DeleteEffect::Unsupported),
    }
}

fn id(world: &World) -> Option<String> {
    world.app.account("u00@x.test").map(|(id, _)| id)
}

fn account(world: &World) -> Account {
    match world.app.account("u00@x.test") {
        None => Account::Gone,
        Some((_, account)) if account.active => Account::Active,
        Some(_) => Account::Inactive,
    }
}

async fn every_case(cause: Cause) {
    for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete, DeprovisioningAction::Nothing] {
        for grace in [false, true] {
            for app in [
                AppKind::Standard,
                AppKind::InactiveDeletes,
                AppKind::InactiveHides,
                AppKind::DeleteDeactivates,
                AppKind::DeleteIsForEver,
                AppKind::NoDelete,
            ] {
                for coming_back in [Return::Soon, Return::AfterTheGrace] {
                    Case { cause, fate, grace, app }.play(coming_back).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o4_every_fate_of_the_suspended_in_every_app() {
    every_case(Cause::Suspended).await;
}

#[tokio::test(start_paused = true)]
async fn o3_every_fate_of_the_deleted_in_every_app() {
    every_case(Cause::Deleted).await;
}

#[tokio::test(start_paused = true)]
async fn j12_every_fate_of_the_unassigned_in_every_app() {
    every_case(Cause::Unassigned).await;
}

#[tokio::test(start_paused = true)]
async fn i2_every_fate_of_the_unlisted_in_every_app() {
    every_case(Cause::Unlisted).await;
}

/// First one thing, then another: the later one decides, and never gives access back by itself.
#[tokio::test(start_paused = true)]
async fn a_second_cause_takes_what_the_first_has_left() {
    for (first, then, expected) in [
        (DeprovisioningAction::Deactivate, DeprovisioningAction::Delete, Account::Gone),
        (DeprovisioningAction::Deactivate, DeprovisioningAction::Nothing, Account::Inactive),
        (DeprovisioningAction::Deactivate, DeprovisioningAction::Deactivate, Account::Inactive),
        (DeprovisioningAction::Nothing, DeprovisioningAction::Deactivate, Account::Inactive),
        (DeprovisioningAction::Nothing, DeprovisioningAction::Delete, Account::Gone),
        (DeprovisioningAction::Delete, DeprovisioningAction::Nothing, Account::Gone),
    ] {
        let world = synced_as(crowd(5), |tenant| {
            tenant.on_suspended = first;
            tenant.on_deleted = then;
        })
        .await;
        world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
        world.sync().await;
        world.edit(|dir| dir.delete_user("u00"));
        world.sync().await;
        assert_eq!(account(&world), expected, "{first:?} then {then:?}");
        world.assert_quiet().await;
    }
}

/// An account that was switched off before anybody knew it has its grace too, counted from when it was first seen.
#[tokio::test(start_paused = true)]
async fn delete_after_counts_for_an_account_that_was_found_inactive() {
    let mut dir = crowd(5);
    dir.stand("u00", LifecycleStatus::Suspended);
    let mut world = World::new(dir);
    world.reconfigure(|tenant| {
        tenant.on_suspended = DeprovisioningAction::Delete;
        tenant.delete_after = Some(GRACE);
    });
    world.app.has_user("u00@x.test", false);
    world.sync().await;
    world.sync().await;
    world.clock.pass(GRACE - SignedDuration::from_hours(1));
    world.sync().await;
    assert_eq!(account(&world), Account::Inactive);
    world.clock.pass(SignedDuration::from_hours(1));
    world.sync().await;
    assert_eq!(account(&world), Account::Gone);
}
