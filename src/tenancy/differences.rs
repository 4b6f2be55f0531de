//! Choices of a new tenant file that the vendors' own guides make differently, or leave to a box in a console. In: the directory and the app. Out:
//! each key with its shipped value, the vendor's choice and the reason, for `rosterd init` and for the comments of the file.

use super::init::Plan;

/// A key about which there is something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// `users.on_unassigned`
    OnUnassigned,
    /// `groups.manage`
    ManageGroups,
}

/// A choice that `init` made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The key in the tenant file, with its table.
    pub key: &'static str,
    /// What was written.
    pub value: &'static str,
    /// What the vendor's guide or console has.
    pub vendor: &'static str,
    /// Why, and how to choose otherwise; a sentence for people.
    pub reason: &'static str,
}

/// All of a plan, in the order of the file.
pub fn differences(plan: &Plan) -> Vec<Difference> {
    [Key::OnUnassigned, Key::ManageGroups].into_iter().filter_map(|key| of(plan, key)).collect()
}

fn of(plan: &Plan, key: Key) -> Option<Difference> {
    match (key, plan.source.as_str(), plan.app.as_str()) {
        (Key::OnUnassigned, "onelogin", "heap") => Some(Difference {
            key: "users.on_unassigned",
            value: "deactivate",
            vendor: "delete",
            reason: "In the guide for OneLogin and Heap, revoking a user's access deletes the account. rosterd deactivates it, because that can be \
                     reverted. To follow the guide, write on_unassigned = \"delete\"; delete_after then says how long the account is kept.",
        }),
        (Key::ManageGroups, "jumpcloud", _) => Some(Difference {
            key: "groups.manage",
            value: "true",
            vendor: "a box to tick: Enable management of User Groups and Group Membership in this application",
            reason: "In JumpCloud's console, managing groups is a box to tick. Here it is on, so that every group bound to the application and its \
                     members are in the app. To manage users only, write manage = false.",
        }),
        (Key::ManageGroups, "onelogin", _) => Some(Difference {
            key: "groups.manage",
            value: "true",
            vendor: "groups are mapped in the application's own settings",
            reason: "Groups are managed: each role that has the application becomes a group in the app. To manage users only, write manage = false.",
        }),
        _ => None,
    }
}

/// The comment above the key in the file; empty where there is nothing to say.
pub(super) fn comment(plan: &Plan, key: Key) -> String {
    const WIDTH: usize = 130;
    let Some(difference) = of(plan, key) else { return String::new() };
    let mut text = String::from("#");
    let mut used = 1;
    for word in difference.reason.split_whitespace() {
        if used + 1 + word.len() > WIDTH {
            text.push_str("\n#");
            used = 1;
        }
        text.push(' ');
        text.push_str(word);
        used += 1 + word.len();
    }
    text.push('\n');
    text
}
