//! Readings in which the directory names a part of itself that it does not show (MP5).

use super::*;
use crate::sim::Quirk;

#[tokio::test(start_paused = true)]
async fn mp5_people_behind_a_reference_are_neither_absent_nor_gone() {
    let world = synced(crowd(20)).await;
    // Each reading is a reading: the directory can't say that it is as before.
    world.edit(|dir| dir.tells_marks = false);
    for some in [1, 3, 20] {
        for _ in 0..3 {
            world.source.spoil(Some(Quirk::Elsewhere(some)));
            let error = world.try_sync().await.unwrap_err().to_string();
            assert!(error.contains("ldap://other/ou=sales,dc=x") && error.contains("1 place"), "{error}");
            assert!(world.app.calls().is_empty(), "{some}");
        }
        assert_eq!(world.source.asks(), 0, "nobody is asked about");
    }
    world.sync().await;
    assert_eq!(world.app.active().len(), 20);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp5_a_leaver_is_taken_off_once_the_reading_is_whole() {
    let world = synced(crowd(6)).await;
    world.edit(|dir| dir.stand("u01", LifecycleStatus::Suspended));
    world.source.spoil(Some(Quirk::Elsewhere(2)));
    assert!(world.try_sync().await.is_err());
    assert_eq!(world.app.active().len(), 6);
    world.sync().await;
    assert_eq!(world.app.active().len(), 5);
}
