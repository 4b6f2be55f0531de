//! What JumpCloud's console leaves to a box.

use crate::source::choices::Choice;

/// JumpCloud's choices that `rosterd init` makes otherwise, or has to make.
pub(crate) const CHOICES: &[Choice] = &[Choice {
    key: "groups.manage",
    app: None,
    value: "true",
    vendor: "a box to tick: Enable management of User Groups and Group Membership in this application",
    reason: "In JumpCloud's console, managing groups is a box to tick. Here it is on, so that every group bound to the application and its \
             members are in the app. To manage users only, write manage = false.",
}];
