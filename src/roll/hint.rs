//! What a setting of the profile would explain. In: numbers of a comparison. Out: the key, the value, and why.

use serde::Serialize;

/// Something that looks like changes by hand, and is more likely the app's way of showing things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum DriftHint {
    /// No group shows a member, though members were put into them.
    MembersNotShown {
        /// How many groups should have members.
        groups: u64,
        /// How many members they should have together.
        members: u64,
    },
    /// None of the accounts that rosterd deactivated is listed.
    InactiveNotShown {
        /// How many there are.
        accounts: u64,
    },
}

impl DriftHint {
    /// The key of the profile, and the value that explains it.
    pub fn setting(self) -> (&'static str, &'static str) {
        match self {
            Self::MembersNotShown { .. } => ("read.members_readable", "false"),
            Self::InactiveNotShown { .. } => ("users.inactive_effect", "\"hides_resource\""),
        }
    }
}
