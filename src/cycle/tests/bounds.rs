//! What has no measure: readings without end, values without end.

use std::time::Duration;

use super::*;
use crate::model::bounds::{LONGEST_NAME, LONGEST_VALUE};
use crate::store::Baseline as _;

#[tokio::test(start_paused = true)]
async fn ma7_the_time_of_the_last_accepted_reading_is_kept() {
    let world = synced(crowd(3)).await;
    assert_eq!(world.store.last_reading(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn sec31_a_value_that_is_far_too_long_keeps_its_record_back_and_the_others_go_on() {
    for (attribute, most) in [("userName", LONGEST_NAME), ("displayName", LONGEST_VALUE)] {
        let world = World::new(crowd(3));
        world.edit(|directory| directory.set("u01", attribute, "x".repeat(most + 1)));
        let report = world.sync().await;
        let failed = failures(&report);
        assert_eq!((report.status(), failed.len()), (Status::Partial, 1), "{failed:?}");
        let (what, why) = &failed[0];
        assert!(why.contains(attribute) && why.contains(&format!("at most {most} are sent")), "{why}");
        assert!(what.len() + why.len() < 1000, "what is said stays small");
        assert_eq!(world.app.holdings().users.len(), 2);
        // A linked account stays as it is, and its owner keeps access.
        world.edit(|directory| directory.set("u02", attribute, "y".repeat(most + 1)));
        let report = world.sync().await;
        assert_eq!(failures(&report).len(), 2, "{:?}", failures(&report));
        assert_eq!(world.app.holdings().users.len(), 2);
        world.edit(|directory| {
            directory.set("u01", attribute, "x".repeat(most));
            directory.set("u02", attribute, "fine");
        });
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.holdings().users.len(), 3);
    }
}
