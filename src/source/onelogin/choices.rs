//! What OneLogin's guides and console choose otherwise.

use crate::source::choices::Choice;

/// OneLogin's choices that `rosterd init` makes otherwise, or has to make.
pub(crate) const CHOICES: &[Choice] = &[
    Choice {
        key: "users.on_unassigned",
        app: Some("heap"),
        value: "deactivate",
        vendor: "delete",
        reason: "In the guide for OneLogin and Heap, revoking a user's access deletes the account. rosterd deactivates it, because that can be \
                 reverted. To follow the guide, write on_unassigned = \"delete\"; delete_after then says how long the account is kept.",
    },
    Choice {
        key: "groups.manage",
        app: None,
        value: "true",
        vendor: "groups are mapped in the application's own settings",
        reason: "Groups are managed: each role that has the application becomes a group in the app. To manage users only, write manage = false.",
    },
];
