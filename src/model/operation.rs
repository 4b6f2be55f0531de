//! The names of what can be done to the app, as reports and the journal spell them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which kind of change in `[approval]` an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ApprovalKind {
    Create,
    Adopt,
    Update,
    Activate,
    Deactivate,
    Delete,
    Groups,
    Memberships,
}

/// What is fixed about a kind of change.
struct OpRow {
    name: &'static str,
    sign: &'static str,
    title: &'static str,
    phrase: &'static str,
    stage: u8,
    takes_access: bool,
    approval: Option<ApprovalKind>,
}

/// Declares the kinds of change and their table at once: none can be without a row.
macro_rules! ops {
    ($($op:ident: $name:literal $sign:literal $title:literal $phrase:literal $stage:literal $takes:literal $approval:expr;)*) => {
        /// One kind of change. The names are part of the command line's contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the table says it")]
        pub enum Op {
            $(#[serde(rename = $name)] $op,)*
        }

        impl Op {
            /// Every kind, in the order in which summaries list them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$op),*];

            fn row(self) -> OpRow {
                match self {
                    $(Self::$op => OpRow {
                        name: $name,
                        sign: $sign,
                        title: $title,
                        phrase: $phrase,
                        stage: $stage,
                        takes_access: $takes,
                        approval: $approval,
                    },)*
                }
            }
        }
    };
}

// A new kind of change: a row here, an `Action` in `plan/operation.rs`, and what is sent and known afterwards in `apply/calls.rs`.
// In the phrase `{}` is the group's name.
ops! {
    // name, sign, title, phrase, stage, takes access, approval kind
    CreateUser: "create_user" "+" "create account" "create the account" 2 false Some(ApprovalKind::Create);
    AdoptUser: "adopt_user" "=" "adopt account" "adopt the account" 0 false Some(ApprovalKind::Adopt);
    RelinkUser: "relink_user" "=" "link account to a new record" "link to a new record of the directory" 0 false Some(ApprovalKind::Adopt);
    ReplaceUser: "replace_user" "~" "replace account" "replace the account with a new one" 1 false None;
    FreeName: "free_name" "~" "free a name" "use a temporary name" 4 false None;
    UpdateUser: "update_user" "~" "update account" "change attributes" 3 false Some(ApprovalKind::Update);
    ActivateUser: "activate_user" "+" "activate account" "activate the account" 2 false Some(ApprovalKind::Activate);
    DeactivateUser: "deactivate_user" "-" "deactivate account" "deactivate the account" 7 true Some(ApprovalKind::Deactivate);
    DeleteUser: "delete_user" "-" "delete account" "delete the account" 7 true Some(ApprovalKind::Delete);
    CreateGroup: "create_group" "+" "create group" "create group" 4 false Some(ApprovalKind::Groups);
    AdoptGroup: "adopt_group" "=" "adopt group" "adopt group {}" 0 false Some(ApprovalKind::Groups);
    RelinkGroup: "relink_group" "=" "link group to a new record" "link to a new record of the directory" 0 false Some(ApprovalKind::Groups);
    CompareGroup: "compare_group" "=" "compare group with the app" "compare group {} with the app" 0 false None;
    RenameGroup: "rename_group" "~" "rename group" "rename group" 4 false Some(ApprovalKind::Groups);
    AddMembers: "add_members" "+" "add members" "add to group {}" 5 false Some(ApprovalKind::Memberships);
    RemoveMembers: "remove_members" "-" "remove members" "remove from group {}" 5 true Some(ApprovalKind::Memberships);
    DeleteGroup: "delete_group" "-" "delete group" "delete group {}" 8 true Some(ApprovalKind::Groups);
    ReleaseGroup: "release_group" "=" "release group" "release group" 0 false Some(ApprovalKind::Groups);
    ReleaseUser: "release_user" "=" "release account" "release user" 0 false None;
}

impl Op {
    /// The name used in JSON, the journal and the plan's hash.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// How a list of changes marks it: `+`, `-`, `~` or `=`.
    pub fn sign(self) -> &'static str {
        self.row().sign
    }

    /// What it is called above a list of changes.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// What it does, after "would": `add to group Staff`.
    pub fn phrase(self, group: &str) -> String {
        self.row().phrase.replace("{}", group)
    }

    /// Its stage inside a lane: accounts put aside before new ones, people before groups, groups before memberships.
    pub fn stage(self) -> u8 {
        self.row().stage
    }

    /// Whether somebody may lose access by it: these are what the guard counts and may hold.
    pub fn takes_access(self) -> bool {
        self.row().takes_access
    }

    /// Which kind of `[approval]` it is, if it is one.
    pub fn approval(self) -> Option<ApprovalKind> {
        self.row().approval
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

impl Change {
    /// What a change of memberships is called, where others have an attribute's path.
    pub const MEMBERS: &str = "members";

    /// Whether it is one of memberships.
    pub fn is_of_members(&self) -> bool {
        self.attribute == Self::MEMBERS
    }
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
