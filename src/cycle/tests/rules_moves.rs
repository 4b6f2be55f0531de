//! From one group to another in one cycle: nobody loses access in between, however the old group ends and the new one begins.

use super::rules_table::without_limits;
use super::*;

/// How the person leaves `old`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Parted,
    Emptied,
    Disassociated,
    Deleted,
    GoneWithoutAnAnswer,
    RenamedAndParted,
    /// They were assigned directly, and in no group.
    NoGroup,
}

/// What holds the person afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
enum To {
    StandingGroup,
    NewGroup,
    /// A group that the directory had, and that nobody had bound to the app.
    NewlyBound,
    /// A new group whose name the app has already.
    TakenOver,
    /// A group inside a standing one.
    InnerGroup,
    DirectAssignment,
}

#[derive(Debug, Clone, Copy)]
struct Move {
    from: From,
    to: To,
    adopted: bool,
    managing: bool,
}

impl Move {
    async fn play(self) {
        let mut dir = Directory::of(&["bea", "cal", "pat"]).with_group("staff", &["bea", "cal"]);
        dir.add_group("old", &["bea", "pat"]);
        dir.add_group("new", &["cal"]);
        match self.from {
            From::NoGroup => {
                dir.part("old", "pat");
                dir.users.get_mut("pat").unwrap().direct = true;
            }
            From::GoneWithoutAnAnswer => dir.mute = true,
            _ => {}
        }
        match self.to {
            To::NewGroup | To::TakenOver => drop(dir.groups.remove("new")),
            To::NewlyBound => dir.group("new").assigned = false,
            To::InnerGroup => {
                dir.add_group("inner", &[]);
                dir.group("inner").assigned = false;
                dir.join("new", "inner");
            }
            To::StandingGroup | To::DirectAssignment => {}
        }
        let mut world = World::new(dir);
        without_limits(&world);
        world.reconfigure(|tenant| {
            tenant.nested = true;
            tenant.manage_groups = self.managing;
        });
        let stranger = world.app.has_user("eve@x.test", true);
        if self.adopted {
            world.app.has_user("pat@x.test", true);
        }
        if self.to == To::TakenOver {
            world.app.has_group("NEW", &[&stranger]);
        }
        assert_eq!(world.sync().await.status(), Status::Ok);
        world.sync().await;
        world.edit(|dir| self.edit(dir));
        let report = world.sync().await;
        assert_eq!(failures(&report), [], "{self:?}");
        self.check(&world);
        world.sync().await;
        assert_eq!(world.app.writes(), [""; 0], "{self:?}");
    }

    fn edit(self, dir: &mut Directory) {
        match self.from {
            From::Parted => dir.part("old", "pat"),
            From::Emptied => dir.group("old").members.clear(),
            From::Disassociated => dir.group("old").assigned = false,
            From::Deleted | From::GoneWithoutAnAnswer => drop(dir.groups.remove("old")),
            From::RenamedAndParted => {
                dir.part("old", "pat");
                dir.group("old").name = "older".to_owned();
            }
            From::NoGroup => dir.users.get_mut("pat").unwrap().direct = false,
        }
        match self.to {
            To::StandingGroup => dir.join("new", "pat"),
            To::NewGroup | To::TakenOver => dir.add_group("new", &["pat"]),
            To::NewlyBound => {
                dir.join("new", "pat");
                dir.group("new").assigned = true;
            }
            To::InnerGroup => dir.join("inner", "pat"),
            To::DirectAssignment => dir.users.get_mut("pat").unwrap().direct = true,
        }
    }

    fn check(self, world: &World) {
        assert!(world.app.active().contains(&"pat@x.test".to_owned()), "{self:?}");
        let writes = world.app.writes();
        let place = |call: &str| writes.iter().position(|write| write.starts_with(call));
        for call in ["deactivate", "delete_user", "activate", "create_user"] {
            assert_eq!(place(call), None, "{writes:?}: {self:?}");
        }
        if !self.managing {
            assert_eq!(writes, [""; 0], "{self:?}");
            return;
        }
        let members = |group: &str| world.app.members(group).unwrap_or_default();
        let pat = "pat@x.test".to_owned();
        if self.to != To::DirectAssignment {
            assert!(members("new").contains(&pat), "{self:?}");
            let added = place("add_members new").or(place("create_group new")).unwrap();
            for end in ["remove_members", "delete_group"] {
                assert!(place(end).is_none_or(|removed| added < removed), "{writes:?}: {self:?}");
            }
        }
        if self.to == To::TakenOver {
            assert!(members("new").contains(&"eve@x.test".to_owned()), "J9: {self:?}");
        }
        let left_as_it_is = matches!(self.from, From::Disassociated | From::GoneWithoutAnAnswer);
        assert_eq!(members("old").contains(&pat), left_as_it_is, "{self:?}");
        assert!(!members("older").contains(&pat), "{self:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i2_whoever_moves_never_loses_access_in_between() {
    for from in [
        From::Parted,
        From::Emptied,
        From::Disassociated,
        From::Deleted,
        From::GoneWithoutAnAnswer,
        From::RenamedAndParted,
        From::NoGroup,
    ] {
        for to in [To::StandingGroup, To::NewGroup, To::NewlyBound, To::TakenOver, To::InnerGroup, To::DirectAssignment]
        {
            if (from, to) == (From::NoGroup, To::DirectAssignment) {
                continue;
            }
            for adopted in [false, true] {
                for managing in [true, false] {
                    Move { from, to, adopted, managing }.play().await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i2_two_people_who_change_places_are_added_before_they_are_removed() {
    let world = synced(
        Directory::of(&["ann", "bo", "cy"]).with_group("left", &["ann", "cy"]).with_group("right", &["bo", "cy"]),
    )
    .await;
    world.edit(|dir| {
        dir.part("left", "ann");
        dir.join("right", "ann");
        dir.part("right", "bo");
        dir.join("left", "bo");
    });
    world.sync().await;
    let writes = world.app.writes();
    assert!(writes[..2].iter().all(|write| write.starts_with("add_members")), "{writes:?}");
    assert!(writes[2..].iter().all(|write| write.starts_with("remove_members")), "{writes:?}");
    assert_eq!(writes.len(), 4);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_a_failed_addition_does_not_end_in_a_removal_from_the_app() {
    let world =
        synced(Directory::of(&["ann", "bo"]).with_group("old", &["ann", "bo"]).with_group("new", &["bo"])).await;
    world.edit(|dir| {
        dir.join("new", "ann");
        drop(dir.groups.remove("old"));
    });
    world.app.fail("add_members", "new", 1, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test"], "the directory holds her, whatever the app said");
    world.sync().await;
    assert_eq!(world.app.members("new").unwrap(), ["ann@x.test", "bo@x.test"]);
}
