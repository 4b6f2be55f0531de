//! `[drift]`: how often the app is compared with what was last known of it, and what happens with the differences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forms::DriftSchedule;

/// What becomes of something that was changed in the app by hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It is reported, and stays as it is.
    #[default]
    Report,
    /// The next run brings it back to what the directory says.
    Repair,
}

/// `[drift]`: the daemon's own comparison of the app with what was last known of it. A quiet run does not read the app.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DriftTable {
    /// When to compare, after the first run that is due then: a cron expression of five fields, or `every 7d`. `weekly`, the default,
    /// is once a week at a time of the tenant's own; `never` leaves it to `rosterd drift`, which compares at any time.
    pub schedule: DriftSchedule,
    /// Accounts that were deleted, activated or deactivated by hand.
    pub accounts: OnDrift,
    /// Attributes that have other values.
    pub attributes: OnDrift,
    /// Groups that were deleted or renamed.
    pub groups: OnDrift,
    /// Members who were taken out of a group, and people of ours who were put into one.
    pub memberships: OnDrift,
    /// How much of the app's rate the comparison may use, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub rate_share_percent: u8,
}

impl Default for DriftTable {
    fn default() -> Self {
        Self {
            schedule: DriftSchedule::default(),
            accounts: OnDrift::default(),
            attributes: OnDrift::default(),
            groups: OnDrift::default(),
            memberships: OnDrift::default(),
            rate_share_percent: 10,
        }
    }
}
