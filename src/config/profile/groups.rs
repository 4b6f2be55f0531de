//! How an app takes groups and their members.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UpdateMethod;

/// How much of groups the app lets a client do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupSupport {
    /// Create, rename, delete, members.
    Full,
    /// Only members of groups that are there already.
    LinkOnly,
    /// Nothing.
    Off,
}

/// How members are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRemove {
    /// `remove` with `members[value eq "…"]`, one operation a member (RFC 7644 §3.5.2.2).
    PathFilter,
    /// `remove` of `members` with a `value` list: not in the RFC; a strict server empties the group.
    ValueList,
    /// GET the group, PUT it with the remaining members (needs readable members).
    PutRemaining,
}

/// What stands in a member's `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberValue {
    /// The app's id (RFC 7643 §4.2).
    Id,
    /// The user name.
    UserName,
}

/// Writing groups.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupWire {
    /// How much is possible.
    pub support: GroupSupport,
    /// Whether the directory's id is sent as `externalId`.
    pub send_external_id: bool,
    /// Whether a group is created together with its members, as many as fit into one request; the others follow. `false` for an app
    /// that refuses or ignores the members of a new group: they all follow then.
    pub members_on_create: bool,
    /// How members are removed.
    pub member_remove: MemberRemove,
    /// What a member's `value` is.
    pub member_value: MemberValue,
    /// Whether members carry `$ref` with the user's URL, for apps that insist.
    pub member_ref: bool,
    /// At most this many members in one request. Of an app that refuses so many (400, 413), a smaller number is learned and kept.
    #[schemars(range(min = 1, max = 100000))]
    pub max_members_per_patch: u32,
    /// How an existing group is changed, its members included: PATCH or PUT. Left out: as `users.update_method` says. A PUT needs readable
    /// members (`read.members_readable`); without them groups are changed by PATCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_method: Option<UpdateMethod>,
    /// Whether a group's name can be changed, and what another name in the directory leads to where it can't.
    #[schemars(with = "GroupRenameSetting")]
    pub rename: GroupRename,
}

/// What another name of a group in the directory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupRename {
    /// The app's group gets the name.
    Change,
    /// The app can't change names: the change is held.
    Hold,
    /// The app can't change names: the group keeps the one it has.
    Ignore,
    /// The app can't change names: the group is deleted, and the next run creates it under the new name.
    Recreate,
}

/// What may be written: a switch, or a word.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum GroupRenameSetting {
    /// `true`: the app changes the name. `false`: it can't, and the change is held.
    Switch(bool),
    /// What to do instead, for an app that can't change a group's name.
    Instead(GroupRenameInstead),
}

/// What to do where an app can't change a group's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GroupRenameInstead {
    /// Hold the change until it is decided on; the same as `false`.
    Hold,
    /// Keep the old name in the app.
    Ignore,
    /// Delete the group; the next run creates it under the new name.
    Recreate,
}

impl Serialize for GroupRename {
    /// As it was written: a switch stays a switch, so that fingerprints of settings stay what they were.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Change => serializer.serialize_bool(true),
            Self::Hold => serializer.serialize_bool(false),
            Self::Ignore => serializer.serialize_str("ignore"),
            Self::Recreate => serializer.serialize_str("recreate"),
        }
    }
}

impl<'de> Deserialize<'de> for GroupRename {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match GroupRenameSetting::deserialize(deserializer)? {
            GroupRenameSetting::Switch(true) => Self::Change,
            GroupRenameSetting::Switch(false) | GroupRenameSetting::Instead(GroupRenameInstead::Hold) => Self::Hold,
            GroupRenameSetting::Instead(GroupRenameInstead::Ignore) => Self::Ignore,
            GroupRenameSetting::Instead(GroupRenameInstead::Recreate) => Self::Recreate,
        })
    }
}

impl Default for GroupWire {
    fn default() -> Self {
        Self {
            support: GroupSupport::Full,
            send_external_id: true,
            members_on_create: true,
            member_remove: MemberRemove::PathFilter,
            member_value: MemberValue::Id,
            member_ref: false,
            max_members_per_patch: 500,
            update_method: None,
            rename: GroupRename::Change,
        }
    }
}
