//! A look at one side of a tenant that has no file yet, for `rosterd setup`. In: a tenant. Out: findings, as `doctor` has them. Writes nothing anywhere
//! and asks no state.

use super::{Checkup, Engine};
use crate::model::Finding;
use crate::progress::Progress;
use crate::source::Snapshot;

impl Engine {
    /// Looks at the directory alone; with a complete reading, if there is one.
    pub async fn examine_directory(&self, progress: &dyn Progress) -> (Checkup, Option<Snapshot>) {
        let mut checkup = Checkup::default();
        let snapshot = self.look_at_directory(&mut checkup, progress).await;
        (checkup, snapshot)
    }

    /// Looks at the app alone.
    pub async fn examine_app(&self, progress: &dyn Progress) -> Checkup {
        let mut checkup = Checkup::default();
        progress.stage("looking at the app", None);
        self.look_at_app(&mut checkup, None).await;
        checkup
    }

    /// Who of a reading belongs to the app.
    pub fn examine_scope(&self, snapshot: &Snapshot) -> Vec<Finding> {
        self.scope_findings(snapshot)
    }
}
