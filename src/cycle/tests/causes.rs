//! Why access ends, and when the call is made: a table of every cause and of everything that it could wait for.

use super::*;

/// Why a user ends with no access.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Suspended,
    Deleted,
    LeftTheGroup,
    DirectBindingRemoved,
    GroupDisassociated,
    GroupDeleted,
}

const CAUSES: [Cause; 6] = [
    Cause::Suspended,
    Cause::Deleted,
    Cause::LeftTheGroup,
    Cause::DirectBindingRemoved,
    Cause::GroupDisassociated,
    Cause::GroupDeleted,
];

/// What else there is to do in the same run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Else {
    Nothing,
    /// Users who have to be looked up and created.
    Newcomers,
    /// The same, in an app that creates nobody.
    RefusedNewcomers,
    /// Updates, renames and memberships too.
    Everything,
}

const ELSE: [Else; 4] = [Else::Nothing, Else::Newcomers, Else::RefusedNewcomers, Else::Everything];

impl Cause {
    /// A company in which `u00` belongs by what the cause takes away, and where `moves` by the group `day` too.
    fn before(self, moves: bool) -> Directory {
        let mut dir = crowd(30);
        dir.add_group("night", &["u10", "u11"]);
        dir.add_group("day", &["u20"]);
        match self {
            Self::Suspended | Self::Deleted | Self::LeftTheGroup => {}
            Self::DirectBindingRemoved => {
                dir.part("all", "u00");
                dir.users.get_mut("u00").unwrap().direct = true;
            }
            Self::GroupDisassociated | Self::GroupDeleted => {
                dir.part("all", "u00");
                dir.add_group("own", &["u00"]);
            }
        }
        if moves {
            dir.join("day", "u00");
        }
        dir
    }

    fn happens(self, dir: &mut Directory) {
        match self {
            Self::Suspended => dir.stand("u00", LifecycleStatus::Suspended),
            Self::Deleted => dir.delete_user("u00"),
            Self::LeftTheGroup => dir.part("all", "u00"),
            Self::DirectBindingRemoved => dir.users.get_mut("u00").unwrap().direct = false,
            Self::GroupDisassociated => dir.group("own").assigned = false,
            Self::GroupDeleted => drop(dir.groups.remove("own")),
        }
    }
}

fn and_else(dir: &mut Directory, other: Else) {
    if other == Else::Nothing {
        return;
    }
    for at in 0..25 {
        // Ids before and after the leaver's.
        let id = format!("{}{at:02}", if at % 2 == 0 { "a" } else { "z" });
        dir.add_user(&id);
        dir.join("all", &id);
    }
    if other == Else::Everything {
        dir.set("u05", "displayName", "five");
        dir.group("day").name = "days".into();
        dir.join("night", "u12");
        dir.part("night", "u10");
        dir.add_group("new", &["u13"]);
    }
}

/// `name about` of every call, reads too.
fn calls(world: &World) -> Vec<String> {
    world.app.calls().iter().map(|call| format!("{} {}", call.name, call.about)).collect()
}

#[tokio::test(start_paused = true)]
async fn o4_each_cause_is_the_first_call_whatever_else_there_is_to_do() {
    for cause in CAUSES {
        for other in ELSE {
            let world = synced(cause.before(false)).await;
            world.edit(|dir| {
                cause.happens(dir);
                and_else(dir, other);
            });
            if other == Else::RefusedNewcomers {
                world.app.behave(|app| app.refuses_creates = Some(Fault::server(500)));
            }
            world.app.forget_calls();
            let report = world.sync().await;
            let calls = calls(&world);
            let case = format!("{cause:?} with {other:?}: {calls:?}");
            // Before any look-up of a newcomer, any creation, any update.
            assert_eq!(calls.first().map(String::as_str), Some("deactivate u00@x.test"), "{case}");
            assert_eq!(calls.iter().filter(|call| call.ends_with("u00@x.test")).count(), 1, "once: {case}");
            assert!(!world.app.account("u00@x.test").unwrap().1.active, "{case}");
            let expected = if other == Else::RefusedNewcomers { Status::Partial } else { Status::Ok };
            assert_eq!(report.status(), expected, "{case}: {:?}", report.stop);
            let lane = report.operations().iter().find(|operation| operation.name == "u00@x.test").unwrap().lane;
            assert_eq!(lane, crate::model::Lane::Leavers, "{case}");
            if other != Else::RefusedNewcomers {
                world.assert_quiet().await;
            }
        }
    }
}

/// Access is judged on the end state: whom another group holds is in no stage at all.
#[tokio::test(start_paused = true)]
async fn i2_a_user_whom_another_group_holds_is_not_in_the_first_stage_whatever_the_cause() {
    for cause in CAUSES.into_iter().filter(|cause| !matches!(cause, Cause::Suspended | Cause::Deleted)) {
        for other in ELSE {
            let world = synced(cause.before(true)).await;
            world.edit(|dir| {
                cause.happens(dir);
                and_else(dir, other);
            });
            world.sync().await;
            let calls = calls(&world);
            assert!(!calls.contains(&"deactivate u00@x.test".to_owned()), "{cause:?} with {other:?}: {calls:?}");
            assert!(world.app.account("u00@x.test").unwrap().1.active, "{cause:?} with {other:?}");
        }
    }
}

/// The evidence that nothing is bound to the app any more is in the hold, and is said.
#[tokio::test(start_paused = true)]
async fn j12_where_nothing_is_bound_any_more_the_hold_says_so() {
    let world = synced(crowd(30)).await;
    world.edit(|dir| dir.group("all").assigned = false);
    let report = world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    let said = report.holds.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains("no group and no user of the directory is assigned to the app"), "{said}");
    let hold = serde_json::to_value(&report.holds[0]).unwrap();
    assert!(hold["unbound"].is_object(), "{hold}");
    // As long as one user or group is bound, it is not said.
    world.edit(|dir| dir.users.get_mut("u00").unwrap().direct = true);
    let report = world.sync().await;
    let said = report.holds.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(!said.is_empty() && !said.contains("assigned to the app"), "{said}");
}
