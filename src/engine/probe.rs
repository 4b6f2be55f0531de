//! `doctor --probe` with a real app: the throw-away person is on record before they are made, and after they are gone.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::config::profile::Profile;
use crate::errand::put_on_record;
use crate::scim::{App, AppSettings, Leftover, ProbeNames, Probed, clean_up_after, probe};
use crate::store::Trigger;

/// The note that is there from before the first call until everything is taken away.
pub(super) const NOTE: &str = "probe";

/// What a probe came to.
#[derive(Debug)]
pub struct Probing {
    /// What was found out.
    pub probed: Probed,
    /// What the throw-away person was called.
    pub names: ProbeNames,
    /// What an earlier, interrupted probe had left and is still there.
    pub earlier: Vec<Leftover>,
}

impl Engine {
    /// Finds out on the real app what is unknown of it, with one throw-away person in a mail domain. Holds the tenant meanwhile.
    ///
    /// # Errors
    /// When nothing was tried: the tenant is paused, retired or busy, or the state can't be written.
    pub async fn probe(
        &self,
        domain: &str,
        new_address: bool,
        stop: &CancellationToken,
    ) -> Result<Probing, EngineError> {
        self.may_send()?;
        if !new_address {
            self.must_know_addresses()?;
        }
        let settings = self.app_settings().await?;
        let profile = &self.tenant.profile;
        let make = |profile: Profile| App::new(AppSettings { profile, ..settings.clone() });
        let name = &self.tenant.name;
        let (state, _notices) = self.state().open("rosterd doctor --probe", Arc::clone(&self.clock))?;
        let earlier = match state.notes().get::<ProbeNames>(NOTE)? {
            Some(names) => clean_up_after(&make, profile, &names).await?,
            None => Vec::new(),
        };
        if !forgettable(&earlier) {
            let (names, probed) = (ProbeNames::new("", domain), Probed::default());
            return Ok(Probing { probed, names, earlier });
        }
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let names = ProbeNames::new(unique.get(20..).unwrap_or(&unique), domain);
        state.notes().put(NOTE, &names)?;
        let probed = probe(&make, profile, &names, stop).await?;
        if forgettable(&probed.left) {
            state.notes().take(NOTE)?;
        }
        let left = probed.left.len();
        let told =
            format!("probed the app with {}: {} accounts created, {left} left behind", names.user_name, probed.made);
        let weighing = self.weighing(&state);
        let guard = weighing.policy.recorded(false);
        put_on_record(&state, name, Trigger::Command, told, guard, self.clock.as_ref()).await?;
        Ok(Probing { probed, names, earlier })
    }
}

/// Whether nothing that is left can be used by anybody.
fn forgettable(left: &[Leftover]) -> bool {
    left.iter().all(|one| one.inactive && one.id.is_some())
}
