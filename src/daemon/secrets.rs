//! Whether a secret that was refused is another one now. In: the book. Out: tenants that are due.
//!
//! Secrets are files of the tenants, so they are looked at beside the loop and with a time limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::Daemon;
use crate::bounded;
use crate::model::TenantName;

/// The longest that the secrets of one tenant may take to be looked at.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

impl Daemon {
    /// Looks at the secrets of tenants whose were refused, if it is time to.
    pub(super) fn look_at_secrets(&mut self) {
        if !self.secrets.is_empty() {
            return;
        }
        let refused = self.book.refused(self.settings.clock.now());
        if refused.is_empty() {
            return;
        }
        let runner = Arc::clone(&self.runner);
        self.secrets.spawn(async move {
            let mut changed = Vec::new();
            for (tenant, refused) in refused {
                let (name, runner, subject) = (tenant.name.clone(), Arc::clone(&runner), tenant.files());
                let looked = bounded::run(&subject, LOOK_LIMIT, move || runner.secrets(&tenant)).await;
                match looked {
                    Ok(Some(now)) if now != refused => changed.push(name),
                    Ok(_) => {}
                    Err(overdue) => tracing::warn!(tenant = %name, %overdue, "could not check the secrets"),
                }
            }
            changed
        });
    }

    /// Makes tenants due whose secrets have changed.
    pub(super) fn looked_at_secrets(&mut self, looked: Result<Vec<TenantName>, JoinError>) {
        match looked {
            Ok(changed) => changed.iter().for_each(|name| {
                tracing::info!(tenant = %name, "secret changed, scheduling a run");
                self.book.secret_changed(name, self.settings.clock.now());
            }),
            Err(error) => tracing::error!(%error, "checking the secrets panicked"),
        }
    }
}
