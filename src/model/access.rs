//! Who has access, in numbers. Plain values; `guard` counts them.

use serde::{Deserialize, Serialize};

/// How many users have an active account that rosterd manages, and how many are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Before the run.
    pub now: u64,
    /// After what may be sent.
    pub after: u64,
    /// After what is held too, if it is approved.
    pub after_approval: u64,
    /// Users whose account or membership something is held for.
    pub held_users: u64,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { now, after, after_approval, held_users } = self;
        let users = if *held_users == 1 { "user is" } else { "users are" };
        write!(
            f,
            "access: {now} now, {after} after this run, {after_approval} if what is held is approved; {held_users} {users} held"
        )
    }
}
