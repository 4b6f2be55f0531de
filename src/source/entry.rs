//! The entries that a source adds to a [`Reading`](super::Reading): a user or a group, in the directory's own words. The module holds plain
//! values that borrow their texts, and must not depend on where they come from or on how they are kept.

use crate::model::LifecycleStatus;

/// One person, as a source hands them over.
#[derive(Debug, Clone, Copy)]
pub struct UserEntry<'a> {
    /// The immutable id.
    pub id: &'a str,
    /// The directory's record as a JSON object: the attributes that mappings and filters see.
    pub record: &'a str,
    /// Whether the directory lets this person have accounts.
    pub standing: LifecycleStatus,
    /// Whether the directory assigns the person to the app directly, not through a group.
    pub direct: bool,
}

/// One group, as a source hands it over. Its members follow by [`Reading::member`](super::Reading::member).
#[derive(Debug, Clone, Copy)]
pub struct GroupEntry<'a> {
    /// The immutable id.
    pub id: &'a str,
    /// The name people know it by.
    pub name: &'a str,
    /// The directory's record as a JSON object, for mappings; `{}` where there is nothing more.
    pub record: &'a str,
    /// Whether the directory binds the group to the app (true where the product has no such thing).
    pub assigned: bool,
}
