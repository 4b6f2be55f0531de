//! What becomes of a person when something befalls a group that holds them: every combination of event, nesting, what else the
//! person has and since when, how they stand, and whether groups are managed meanwhile. What is expected is written down in
//! [`keeps_access`] and [`Case::expected`], from the rules J8 to J14 and not from the engine.

use super::*;
use crate::config::forms::Limit;
use crate::config::tenant::Adopted;

/// What befalls the group.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Deleted,
    Disassociated,
    Emptied,
    Renamed,
    Unread,
    /// It is deleted, but the directory does not answer when asked for single ids.
    GoneWithoutAnAnswer,
    /// It is no longer listed, but exists when asked for.
    Unlisted,
}

/// Which group it befalls. The person is a member of that one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// `north`, of which the person is a direct member.
    North,
    /// `north`, of which the person is a member through `inner`.
    Around,
    /// `inner`, which is bound to the app only through `north`.
    Inside,
}

/// What else the person has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Elsewhere {
    ActiveGroup,
    DisassociatedGroup,
    DeletedGroup,
    DirectAssignment,
    Nowhere,
}

/// When the other group was disassociated or deleted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Before,
    InTheSameCycle,
}

/// How the person stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Created,
    Adopted,
    /// Adopted, where `users.adopted = "keep"`.
    AdoptedAndKept,
    Protected,
    Suspended,
    SuspendedInTheSameCycle,
}

/// Whether groups are managed when it happens; if not, they are again later.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Managing {
    On,
    OffMeanwhile,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    event: Event,
    place: Place,
    elsewhere: Elsewhere,
    when: When,
    kind: Kind,
    managing: Managing,
}

/// What the app holds. Members by the part of their user name before the `@`, sorted.
#[derive(Debug, PartialEq)]
struct End {
    pat_is_active: bool,
    /// Name and members; `None`: not there.
    north: Option<(&'static str, Vec<&'static str>)>,
    other: Option<Vec<&'static str>>,
}

/// Whether an active person keeps their account, whom `north` held and perhaps something else.
fn keeps_access(event: Event, elsewhere: Elsewhere) -> bool {
    let by_something_else = match elsewhere {
        Elsewhere::ActiveGroup | Elsewhere::DirectAssignment => true,
        Elsewhere::DisassociatedGroup | Elsewhere::DeletedGroup | Elsewhere::Nowhere => false,
    };
    let by_north_still = match event {
        Event::Renamed | Event::Unread => true,
        Event::Deleted | Event::Disassociated | Event::Emptied | Event::GoneWithoutAnAnswer | Event::Unlisted => false,
    };
    by_something_else || by_north_still
}

impl Case {
    fn expected(self) -> End {
        let protected = self.kind == Kind::Protected;
        let pat_is_active = match self.kind {
            Kind::Created | Kind::Adopted => keeps_access(self.event, self.elsewhere),
            Kind::Protected | Kind::AdoptedAndKept => true,
            Kind::Suspended | Kind::SuspendedInTheSameCycle => false,
        };
        // `eve` is in the app's group by nobody's word but the app's: she stays as long as the group does.
        let everybody = vec!["bea", "eve", "pat"];
        let north = match (self.place, self.event) {
            // A group that holds somebody protected waits for a decision.
            (Place::North | Place::Around, Event::Deleted) if !protected => None,
            (Place::North | Place::Around, Event::Emptied) if !protected => Some(("north", vec!["eve"])),
            (Place::North | Place::Around, Event::Emptied) => Some(("north", vec!["eve", "pat"])),
            (Place::North | Place::Around, Event::Renamed) => Some(("north star", everybody)),
            (Place::Inside, Event::Deleted | Event::Emptied) if !protected => Some(("north", vec!["bea", "eve"])),
            _ => Some(("north", everybody)),
        };
        let left_for_want_of_an_answer = self.event == Event::GoneWithoutAnAnswer && self.when == When::InTheSameCycle;
        let other = match self.elsewhere {
            Elsewhere::DirectAssignment | Elsewhere::Nowhere => None,
            Elsewhere::DeletedGroup if !protected && !left_for_want_of_an_answer => None,
            _ => Some(vec!["cal", "pat"]),
        };
        End { pat_is_active, north, other }
    }

    /// As long as groups are not managed they stay as they were; people are managed all the same (J14).
    fn expected_meanwhile(self) -> End {
        let other = match self.elsewhere {
            Elsewhere::DirectAssignment | Elsewhere::Nowhere => None,
            _ if self.when == When::InTheSameCycle => Some(vec!["cal", "pat"]),
            _ => self.expected().other,
        };
        End { north: Some(("north", vec!["bea", "eve", "pat"])), other, ..self.expected() }
    }

    fn directory(self) -> Directory {
        let mut dir = Directory::of(&["bea", "cal", "dan", "pat"]).with_group("staff", &["bea", "cal", "dan"]);
        match self.place {
            Place::North => dir.add_group("north", &["bea", "pat"]),
            Place::Around | Place::Inside => {
                dir.add_group("north", &["bea", "inner"]);
                dir.add_group("inner", &["pat"]);
                dir.group("inner").assigned = false;
            }
        }
        match self.elsewhere {
            Elsewhere::DirectAssignment => dir.users.get_mut("pat").unwrap().direct = true,
            Elsewhere::Nowhere => {}
            _ => dir.add_group("other", &["cal", "pat"]),
        }
        dir
    }

    fn befall(self, dir: &mut Directory) {
        let id = if self.place == Place::Inside { "inner" } else { "north" };
        match self.event {
            Event::Deleted | Event::GoneWithoutAnAnswer => {
                dir.groups.remove(id);
                for group in dir.groups.values_mut() {
                    group.members.remove(id);
                }
                dir.mute = self.event == Event::GoneWithoutAnAnswer;
            }
            Event::Disassociated => dir.group(id).assigned = false,
            Event::Emptied => dir.group(id).members.clear(),
            Event::Renamed => dir.group(id).name = "north star".to_owned(),
            Event::Unread => dir.group(id).unread = true,
            Event::Unlisted => dir.hide(id),
        }
    }

    fn befall_the_other(self, dir: &mut Directory) {
        match self.elsewhere {
            Elsewhere::DisassociatedGroup => dir.group("other").assigned = false,
            Elsewhere::DeletedGroup => drop(dir.groups.remove("other")),
            Elsewhere::ActiveGroup | Elsewhere::DirectAssignment | Elsewhere::Nowhere => {}
        }
    }

    /// A tenant in step, with the person standing as the case says, just before it happens.
    async fn eve_of(self) -> World {
        let mut world = World::new(self.directory());
        without_limits(&world);
        world.reconfigure(|tenant| tenant.nested = true);
        if self.kind == Kind::AdoptedAndKept {
            world.reconfigure(|tenant| tenant.adopted = Adopted::Keep);
        }
        if matches!(self.kind, Kind::Adopted | Kind::AdoptedAndKept) {
            world.app.has_user("pat@x.test", true);
        }
        assert_eq!(world.sync().await.status(), Status::Ok);
        let eve = world.app.has_user("eve@x.test", true);
        world.app.by_hand(|app| {
            app.groups.values_mut().filter(|group| group.name == "north").for_each(|group| {
                group.members.insert(eve.clone());
            });
        });
        match self.kind {
            Kind::Protected => world.reconfigure(|tenant| tenant.protect = vec!["pat@x.test"]),
            Kind::Suspended => world.edit(|dir| dir.stand("pat", LifecycleStatus::Suspended)),
            Kind::Created | Kind::Adopted | Kind::AdoptedAndKept | Kind::SuspendedInTheSameCycle => {}
        }
        if self.when == When::Before {
            world.edit(|dir| self.befall_the_other(dir));
        }
        world.sync().await;
        let suspended = self.kind == Kind::Suspended;
        assert_eq!(is_active(&world, "pat"), !suspended, "north holds her: {self:?}");
        world
    }

    async fn play(self) {
        let mut world = self.eve_of().await;
        if self.managing == Managing::OffMeanwhile {
            world.reconfigure(|tenant| tenant.manage_groups = false);
        }
        world.edit(|dir| {
            self.befall(dir);
            if self.when == When::InTheSameCycle {
                self.befall_the_other(dir);
            }
            if self.kind == Kind::SuspendedInTheSameCycle {
                dir.stand("pat", LifecycleStatus::Suspended);
            }
        });
        let mut report = world.sync().await;
        self.check_calls(&world);
        if self.managing == Managing::OffMeanwhile {
            assert_eq!(end(&world), self.expected_meanwhile(), "while groups are not managed: {self:?}");
            world.reconfigure(|tenant| tenant.manage_groups = true);
            report = world.sync().await;
            self.check_calls(&world);
        }
        assert_eq!(end(&world), self.expected(), "{self:?}\n{report:?}");
        self.check_report(&report);
        assert!(is_active(&world, "eve"), "a stranger is never touched: {self:?}");
        for bystander in ["bea", "cal", "dan"] {
            assert!(is_active(&world, bystander), "staff holds {bystander}: {self:?}");
        }
        world.sync().await;
        assert_eq!(world.app.writes(), [""; 0], "I12: it is over after one cycle: {self:?}");
    }

    /// Whoever keeps access never loses it on the way there.
    fn check_calls(self, world: &World) {
        for write in world.app.writes() {
            let takes = write.starts_with("deactivate") || write.starts_with("delete_user");
            assert!(
                !takes || (write == "deactivate pat@x.test" && !self.expected().pat_is_active),
                "{write}: {self:?}"
            );
            assert!(!write.starts_with("activate"), "nobody comes back: {self:?}");
            let touches_pat = write.contains("pat@") && self.kind == Kind::Protected;
            assert!(!touches_pat, "{write}: {self:?}");
        }
    }

    /// What was not done is said (I1).
    fn check_report(self, report: &CycleReport) {
        let waits = |group: &str| held(report).contains(&format!("delete_group {group}"));
        let protected = self.kind == Kind::Protected;
        let north_is_gone = self.event == Event::Deleted && self.place != Place::Inside;
        assert_eq!(waits("north"), protected && north_is_gone, "{self:?}");
        let other_is_gone = self.elsewhere == Elsewhere::DeletedGroup && self.event != Event::GoneWithoutAnAnswer;
        assert_eq!(waits("other"), protected && other_is_gone, "{self:?}");
        assert_eq!(holds(report).contains(&"unread_group"), self.event == Event::Unread, "{self:?}");
    }
}

/// No limit of the guard is in the way: the rules alone decide.
pub(super) fn without_limits(world: &World) {
    world.reconfigure_limits(|limits| {
        limits.removals_per_day = Limit::NONE;
        limits.group_removals = Limit::NONE;
        limits.source_shrink = Limit::NONE;
        limits.attribute_loss = Limit::NONE;
        limits.rekey = Limit::NONE;
        limits.settings_change = Limit::NONE;
        limits.activations_per_day = Limit::NONE;
        limits.value_changes = Limit::NONE;
        limits.identifier_changes = Limit::NONE;
    });
}

fn is_active(world: &World, id: &str) -> bool {
    world.app.account(&format!("{id}@x.test")).is_some_and(|(_, account)| account.active)
}

/// The members of a group of the app, by the part of their user name before the `@`.
fn members(world: &World, group: &str) -> Option<Vec<&'static str>> {
    let all = ["bea", "cal", "dan", "eve", "pat"];
    let short = |name: &String| *all.iter().find(|id| name.strip_suffix("@x.test") == Some(**id)).unwrap();
    Some(world.app.members(group)?.iter().map(short).collect())
}

fn end(world: &World) -> End {
    let named = |name| members(world, name).map(|members| (name, members));
    let north = named("north");
    assert!(north.is_none() || named("north star").is_none(), "renamed, not doubled");
    End {
        pat_is_active: is_active(world, "pat"),
        north: north.or_else(|| named("north star")),
        other: members(world, "other"),
    }
}

/// Every case of one event, with groups managed or not meanwhile.
async fn every_case(event: Event, managing: Managing) {
    let mut count = 0;
    for place in [Place::North, Place::Around, Place::Inside] {
        // A group that is bound only through another can't be disassociated; and of an inner group that is not listed nobody
        // knows whether it was one: its members are no longer members.
        let alone = [Event::Disassociated, Event::Unlisted, Event::GoneWithoutAnAnswer].contains(&event);
        if alone && place == Place::Inside {
            continue;
        }
        for elsewhere in [
            Elsewhere::ActiveGroup,
            Elsewhere::DisassociatedGroup,
            Elsewhere::DeletedGroup,
            Elsewhere::DirectAssignment,
            Elsewhere::Nowhere,
        ] {
            for kind in [
                Kind::Created,
                Kind::Adopted,
                Kind::AdoptedAndKept,
                Kind::Protected,
                Kind::Suspended,
                Kind::SuspendedInTheSameCycle,
            ] {
                for when in [When::Before, When::InTheSameCycle] {
                    Case { event, place, elsewhere, when, kind, managing }.play().await;
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 100);
}

#[tokio::test(start_paused = true)]
async fn j13_a_deleted_group_goes_and_whom_nothing_else_holds() {
    every_case(Event::Deleted, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn j12_a_disassociated_group_stays_and_whom_nothing_else_holds_goes() {
    every_case(Event::Disassociated, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn j12_a_group_of_which_nobody_says_that_it_is_gone_is_disassociated() {
    every_case(Event::GoneWithoutAnAnswer, Managing::On).await;
    every_case(Event::Unlisted, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn j10_an_emptied_group_stays_empty_and_whom_nothing_else_holds_goes() {
    every_case(Event::Emptied, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn j11_a_renamed_group_is_renamed_and_nobody_goes() {
    every_case(Event::Renamed, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn i2_an_unread_group_stays_and_nobody_goes() {
    every_case(Event::Unread, Managing::On).await;
}

#[tokio::test(start_paused = true)]
async fn j14_groups_switched_off_stay_as_they_are_while_people_go_and_are_caught_up_with() {
    for event in [
        Event::Deleted,
        Event::Disassociated,
        Event::Emptied,
        Event::Renamed,
        Event::Unread,
        Event::GoneWithoutAnAnswer,
        Event::Unlisted,
    ] {
        every_case(event, Managing::OffMeanwhile).await;
    }
}
