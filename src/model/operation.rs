//! The names of what can be done to the app, as reports and the journal spell them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One kind of change. The names are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    CreateUser,
    AdoptUser,
    RelinkUser,
    ReplaceUser,
    FreeName,
    UpdateUser,
    ActivateUser,
    DeactivateUser,
    DeleteUser,
    CreateGroup,
    AdoptGroup,
    RelinkGroup,
    CompareGroup,
    RenameGroup,
    AddMembers,
    RemoveMembers,
    DeleteGroup,
    ReleaseGroup,
    ReleaseUser,
}

impl Op {
    /// Every kind, in the order in which summaries list them.
    pub const ALL: [Self; 19] = [
        Self::CreateUser,
        Self::AdoptUser,
        Self::RelinkUser,
        Self::ReplaceUser,
        Self::FreeName,
        Self::UpdateUser,
        Self::ActivateUser,
        Self::DeactivateUser,
        Self::DeleteUser,
        Self::CreateGroup,
        Self::AdoptGroup,
        Self::RelinkGroup,
        Self::CompareGroup,
        Self::RenameGroup,
        Self::AddMembers,
        Self::RemoveMembers,
        Self::DeleteGroup,
        Self::ReleaseGroup,
        Self::ReleaseUser,
    ];

    /// The name used in JSON, the journal and the plan's hash.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateUser => "create_user",
            Self::AdoptUser => "adopt_user",
            Self::RelinkUser => "relink_user",
            Self::ReplaceUser => "replace_user",
            Self::FreeName => "free_name",
            Self::UpdateUser => "update_user",
            Self::ActivateUser => "activate_user",
            Self::DeactivateUser => "deactivate_user",
            Self::DeleteUser => "delete_user",
            Self::CreateGroup => "create_group",
            Self::AdoptGroup => "adopt_group",
            Self::RelinkGroup => "relink_group",
            Self::CompareGroup => "compare_group",
            Self::RenameGroup => "rename_group",
            Self::AddMembers => "add_members",
            Self::RemoveMembers => "remove_members",
            Self::DeleteGroup => "delete_group",
            Self::ReleaseGroup => "release_group",
            Self::ReleaseUser => "release_user",
        }
    }

    /// Whether somebody may lose access by it: these are what the guard counts and may hold.
    pub fn takes_access(self) -> bool {
        matches!(self, Self::DeactivateUser | Self::DeleteUser | Self::RemoveMembers | Self::DeleteGroup)
    }
}

/// The order of sending (design decision 5): a plan's operations run lane by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Users who end with no access: suspended, gone, or held by no group in scope any more. First, whatever else is waiting.
    Leavers,
    /// New accounts, changed attributes, new groups, new memberships.
    Additions,
    /// Memberships that end, of users who stay.
    Removals,
    /// Groups that are no longer there: last.
    Absences,
}

/// One attribute's change, as shown to a person and written to the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The attribute's path; `members` for memberships.
    pub attribute: String,
    /// What the app is believed to hold; `null` for nothing.
    pub from: Value,
    /// What it shall hold; `null` for nothing.
    pub to: Value,
}
