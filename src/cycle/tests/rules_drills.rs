//! Mass-loss drills: everything that makes a directory look as if most people had left, at once and drop by drop. Nobody may
//! lose access beyond the budget, the cause has a name, and all is well again by itself when the directory is.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::clock::Clock as _;
use crate::model::GroupMatch;

const PEOPLE: usize = 40;
/// 10 % of them may lose access in 24 hours.
const BUDGET: usize = 4;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Drill {
    NobodyAtAll,
    NoAnswer,
    SixtyPercentDeleted,
    SixtyPercentUnlisted,
    NoGroups,
    NoMembers,
    AllGroupsUnbound,
    AllDisabled,
    NoMailAnywhere,
    NoRequiredAttributeAnywhere,
    FilterEdited,
    ScopeEdited,
    ReKeyed,
}

const DRILLS: [Drill; 13] = [
    Drill::NobodyAtAll,
    Drill::NoAnswer,
    Drill::SixtyPercentDeleted,
    Drill::SixtyPercentUnlisted,
    Drill::NoGroups,
    Drill::NoMembers,
    Drill::AllGroupsUnbound,
    Drill::AllDisabled,
    Drill::NoMailAnywhere,
    Drill::NoRequiredAttributeAnywhere,
    Drill::FilterEdited,
    Drill::ScopeEdited,
    Drill::ReKeyed,
];

impl Drill {
    /// The hold that names the cause; `None` where the reading itself failed and there is nothing to hold.
    fn cause(self) -> Option<&'static str> {
        match self {
            Self::NobodyAtAll | Self::NoAnswer => None,
            Self::SixtyPercentDeleted | Self::SixtyPercentUnlisted | Self::NoGroups | Self::NoMembers => {
                Some("source_shrink")
            }
            Self::NoMailAnywhere | Self::NoRequiredAttributeAnywhere => Some("attribute_loss"),
            Self::AllGroupsUnbound | Self::AllDisabled => Some("removals_per_day"),
            Self::FilterEdited | Self::ScopeEdited => Some("settings_change"),
            Self::ReKeyed => Some("rekey"),
        }
    }

    fn strike(self, world: &mut World) {
        let sixty: Vec<String> = (0..PEOPLE * 6 / 10).map(|at| format!("u{at:02}")).collect();
        match self {
            Self::FilterEdited => world.reconfigure(|tenant| {
                tenant.filter = Some(|record| Ok(record["userName"].as_str().is_some_and(|name| name > "u30")));
            }),
            Self::ScopeEdited => world.reconfigure(|tenant| {
                tenant.groups = Some(vec![GroupMatch::Name("night*".to_owned())]);
            }),
            _ => world.edit(|dir| match self {
                Self::NobodyAtAll => dir.users.clear(),
                Self::NoAnswer => dir.down = true,
                Self::SixtyPercentDeleted => sixty.iter().for_each(|id| dir.delete_user(id)),
                Self::SixtyPercentUnlisted => sixty.iter().for_each(|id| dir.hide(id)),
                Self::NoGroups => dir.groups.clear(),
                Self::NoMembers => dir.groups.values_mut().for_each(|group| group.members.clear()),
                Self::AllGroupsUnbound => dir.groups.values_mut().for_each(|group| group.assigned = false),
                Self::AllDisabled => dir.users.values_mut().for_each(|user| user.standing = LifecycleStatus::Suspended),
                Self::NoMailAnywhere => without(dir, "mail"),
                Self::NoRequiredAttributeAnywhere => without(dir, "displayName"),
                Self::ReKeyed => (0..PEOPLE).for_each(|at| rekey(dir, at)),
                Self::FilterEdited | Self::ScopeEdited => {}
            }),
        }
    }
}

/// The directory gives somebody another id.
fn rekey(dir: &mut Directory, at: usize) {
    let (old, new) = (format!("u{at:02}"), format!("n{at:02}"));
    let mut user = dir.users.remove(&old).unwrap();
    user.record.insert("id".to_owned(), new.as_str().into());
    dir.users.insert(new.clone(), user);
    for group in dir.groups.values_mut().filter(|group| group.members.contains(&old)) {
        group.members.remove(&old);
        group.members.insert(new.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn i3_ids_that_change_drop_by_drop_double_nobody_and_take_nobodys_access() {
    let world = company().await;
    let app = world.app.holdings().users;
    for at in 0..20 {
        world.edit(|dir| rekey(dir, at));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Held, "somebody has to say that it is the same person");
    }
    assert_eq!(world.app.holdings().users.keys().collect::<Vec<_>>(), app.keys().collect::<Vec<_>>());
    assert_eq!(world.app.active().len(), PEOPLE);
}

fn without(dir: &mut Directory, attribute: &str) {
    dir.users.values_mut().for_each(|user| drop(user.record.remove(attribute)));
}

async fn company() -> World {
    let mut dir = crowd(PEOPLE);
    dir.add_group("night", &["u00", "u01", "u02", "u03", "u04"]);
    for at in 0..PEOPLE {
        dir.set(&format!("u{at:02}"), "mail", format!("{at}@x.test"));
    }
    synced_as(dir, |tenant| {
        tenant.map(&[("userName", "userName"), ("displayName", "displayName ~ ''"), ("title", "mail")]);
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn i2_mass_loss_at_once_takes_nobodys_access_names_its_cause_and_heals() {
    for drill in DRILLS {
        let mut world = company().await;
        let (app, dir) = (world.app.holdings(), world.source.copy());
        drill.strike(&mut world);
        for round in 0..3 {
            match (world.try_sync().await, drill.cause()) {
                (Err(_), None) => {}
                (Ok(report), Some(cause)) => {
                    assert!(holds(&report).contains(&cause), "{drill:?}, round {round}: {report:?}");
                    assert_eq!(report.status(), Status::Held, "{drill:?}");
                    let why = report.holds.iter().find(|hold| hold.code().name() == cause).unwrap();
                    assert!(why.detail().chars().any(|c| c.is_ascii_digit()), "numbers: {}", why.detail());
                }
                (result, _) => panic!("{drill:?}, round {round}: {result:?}"),
            }
            assert_eq!(world.app.writes(), [""; 0], "{drill:?}, round {round}");
        }
        world.edit(|now| *now = dir.clone());
        world.reconfigure(|tenant| (tenant.filter, tenant.groups) = (None, None));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{drill:?}: {report:?}");
        assert_eq!(world.app.writes(), [""; 0], "{drill:?}: nothing was lost, nothing has to come back");
        assert_eq!(world.app.holdings(), app, "{drill:?}");
        world.assert_quiet().await;
    }
}

/// How one person after the other seems to leave.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Drip {
    Suspended,
    Deleted,
    Unlisted,
    OutOfAllGroups,
    FilteredOut,
    /// Alternating.
    Mixed,
}

impl Drip {
    fn drop(self, dir: &mut Directory, at: usize) {
        let id = format!("u{at:02}");
        match self {
            Self::Suspended => dir.stand(&id, LifecycleStatus::Suspended),
            Self::Deleted => dir.delete_user(&id),
            Self::Unlisted => dir.hide(&id),
            Self::OutOfAllGroups => ["all", "night"].into_iter().for_each(|group| dir.part(group, &id)),
            Self::FilteredOut => dir.set(&id, "out", true),
            Self::Mixed => {
                let kinds = [Self::Suspended, Self::Deleted, Self::Unlisted, Self::OutOfAllGroups, Self::FilteredOut];
                kinds[at % kinds.len()].drop(dir, at);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i2_mass_loss_drop_by_drop_stops_at_the_rolling_budget() {
    for drip in [Drip::Suspended, Drip::Deleted, Drip::Unlisted, Drip::OutOfAllGroups, Drip::FilteredOut, Drip::Mixed] {
        let mut world = company().await;
        world.reconfigure(|tenant| tenant.filter = Some(|record| Ok(!record.contains_key("out"))));
        world.sync().await;
        let mut lost: Vec<Timestamp> = Vec::new();
        let mut held_at_last = false;
        // One drop every two hours and a half, for three days.
        for at in 0..30 {
            world.edit(|dir| drip.drop(dir, at));
            let now = world.clock.now();
            let report = world.sync().await;
            let left = world.app.writes();
            lost.extend(left.iter().filter(|write| write.starts_with("deactivate")).map(|_| now));
            world.clock.pass(SignedDuration::from_mins(140));
            held_at_last = report.status() == Status::Held;
        }
        let day = SignedDuration::from_hours(24);
        for (at, end) in lost.iter().enumerate() {
            let within = lost[..=at].iter().filter(|then| end.duration_since(**then) < day).count();
            assert!(within <= BUDGET, "{drip:?}: {within} people within one day");
        }
        assert!(held_at_last, "{drip:?}: it must be told");
        assert!(lost.len() >= BUDGET, "{drip:?}: what fits into the budget is done");
        assert_eq!(world.app.active().len(), PEOPLE - lost.len(), "{drip:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i2_a_drip_that_heals_gives_everybody_back() {
    let world = company().await;
    let (app, dir) = (world.app.holdings(), world.source.copy());
    for at in 0..10 {
        world.edit(|dir| Drip::Mixed.drop(dir, at));
        world.sync().await;
    }
    assert!(world.app.active().len() >= PEOPLE - BUDGET);
    world.edit(|now| *now = dir);
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.holdings(), app);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_an_attribute_that_goes_drop_by_drop_takes_nobodys_access() {
    let world = company().await;
    for at in 0..20 {
        world.edit(|dir| dir.set(&format!("u{at:02}"), "displayName", Value::Null));
        world.sync().await;
    }
    assert_eq!(world.app.active().len(), PEOPLE);
    assert_eq!(world.app.members("all").unwrap().len(), PEOPLE);
}
