//! One change to the app, complete enough that whoever carries it out has nothing left to decide.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::person::PlannedUser;
use crate::model::{AppId, Attributes, Change, Lane, ObjectRef, Obstacle, Op, Path, Provenance, Reason, SourceId};
use crate::scim::AppUser;
use crate::store::digest_of;

/// A person in a membership change: the id counts, the name is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The directory's id.
    pub id: SourceId,
    /// The user name.
    pub name: String,
}

/// Why an account in the app that has no link is known to belong to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquaintance {
    /// It was linked to this user before.
    LinkedBefore,
    /// The user was created from it by `rosterd import --create`.
    Imported,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A new account.
    CreateUser {
        /// What it shall hold.
        attributes: Attributes,
    },
    /// An account that is already there becomes ours. No call; differences follow as an update.
    AdoptUser {
        /// The account as the app showed it.
        found: AppUser,
        /// By which attribute it was recognised.
        by: String,
        /// The directory's values, as of now, of attributes that are pushed only when these change.
        source: Attributes,
        /// Why it is no stranger's account, if it is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known: Option<Acquaintance>,
        /// Whether one of its roles or entitlements is one that the profile calls privileged.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        privileged: bool,
    },
    /// The directory made this person anew: the account of the old record becomes theirs. No call; differences follow as an
    /// update.
    RelinkUser {
        /// The record that is gone.
        from: SourceId,
    },
    /// The app can't change what changed: the account is put aside, under an id of its own, and the person gets another one.
    /// It is switched off when they have it.
    ReplaceUser {
        /// The id under which the account is kept until then.
        aside: SourceId,
        /// Whether its `externalId` has to become that id, so that the new account can have the person's.
        relabel: bool,
    },
    /// Attributes change.
    UpdateUser {
        /// What the app is believed to hold at these paths.
        before: Attributes,
        /// New values.
        set: Attributes,
        /// Attributes to take away.
        clear: Vec<Path>,
        /// The manager to set once they have an account: a directory id.
        manager: Option<SourceId>,
    },
    /// `active` becomes true.
    ActivateUser,
    /// `active` becomes false.
    DeactivateUser,
    /// The account is deleted.
    DeleteUser {
        /// Whether it is active until then: whether access ends by this.
        active: bool,
    },
    /// A new group, made when the first of its members has an account. They are planned as memberships; whoever the group is made with needs none.
    CreateGroup {
        /// Its name.
        display_name: String,
        /// Members it is made with. A plan names none: whoever of its members has an account by then is sent along, as far as they fit into one
        /// call. The request that is on record names them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        first: Vec<Member>,
    },
    /// A group that is already there becomes ours. No call.
    AdoptGroup {
        /// Its name in the app.
        display_name: String,
        /// People we manage who are already in it.
        present: Vec<SourceId>,
        /// By which attribute it was recognised.
        by: String,
    },
    /// The directory made this group anew: the old one's group in the app becomes its own. No call.
    RelinkGroup {
        /// The record that is gone.
        from: SourceId,
        /// Its name in the app.
        display_name: String,
        /// How the link came about.
        provenance: Provenance,
        /// People we manage who are in it.
        present: Vec<SourceId>,
    },
    /// A linked group's name and members are taken from the app, in which changes went unseen while group management was off. No
    /// call; what differs from the directory follows.
    CompareGroup {
        /// Its name in the app.
        display_name: String,
        /// Managed users who are in it without our doing.
        joined: Vec<Member>,
        /// Members of ours who are no longer in it.
        left: Vec<Member>,
        /// Whether the app shows no members: then all of ours are put in again.
        unknown: bool,
        /// Whether the group is gone from the app.
        gone: bool,
    },
    /// A name goes by a third one, since another object takes it and gives its own in return: an app that allows a name once refuses
    /// every other order. The change to the new name follows.
    FreeName {
        /// The name that becomes free.
        from: String,
        /// The name in between.
        through: String,
    },
    /// A group's name changes.
    RenameGroup {
        /// The name in the app.
        from: String,
        /// The new name.
        to: String,
    },
    /// People become members.
    AddMembers {
        /// Who.
        users: Vec<Member>,
    },
    /// People are no longer members.
    RemoveMembers {
        /// Who.
        users: Vec<Member>,
        /// How many members of ours the group had, for the guard.
        of: u64,
        /// Of these people, the ones who keep their account and are in no managed group any more.
        last: Vec<SourceId>,
    },
    /// The group is deleted.
    DeleteGroup {
        /// The members of ours who lose it.
        users: Vec<Member>,
    },
    /// The group stays in the app as it is and is no longer managed. No call.
    ReleaseGroup,
    /// The account stays in the app as it is and is no longer managed. No call.
    ReleaseUser,
}

/// One planned change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// When it is sent.
    pub lane: Lane,
    /// For whom.
    pub object: ObjectRef,
    /// The app's id, where it is known before the run.
    pub app_id: Option<AppId>,
    /// The user name or group name, for people.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Why it can't be done now: a conflict, an attribute the app can't change. Such an operation counts as failed, or held.
    pub blocked: Option<Blocked>,
}

/// What stands in the way of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Blocked {
    /// Somebody has to decide.
    Held(Obstacle),
    /// The account that was found can't safely be said to be this user's: its names contradict, or somebody else has it.
    Conflict(Obstacle),
    /// Something has to be mended in the directory, the app or the tenant file.
    Failed(Obstacle),
}

impl Operation {
    /// SHA-256 of its JSON, hex. An operation is plain data whose maps have text keys: writing it can't fail.
    ///
    /// How many members a group had is left out: that describes the moment, for the guard. A held removal stays the same when somebody joins
    /// the group meanwhile, and so does an approval of it.
    pub fn digest(&self) -> String {
        let json = match &self.action {
            Action::RemoveMembers { users, last, .. } => {
                let action = Action::RemoveMembers { users: users.clone(), of: 0, last: last.clone() };
                serde_json::to_vec(&Self { action, ..self.clone() })
            }
            _ => serde_json::to_vec(self),
        };
        digest_of(&json.unwrap_or_default())
    }

    /// The kind of change.
    pub fn op(&self) -> Op {
        match self.action {
            Action::CreateUser { .. } => Op::CreateUser,
            Action::AdoptUser { .. } => Op::AdoptUser,
            Action::RelinkUser { .. } => Op::RelinkUser,
            Action::ReplaceUser { .. } => Op::ReplaceUser,
            Action::UpdateUser { .. } => Op::UpdateUser,
            Action::ActivateUser => Op::ActivateUser,
            Action::DeactivateUser => Op::DeactivateUser,
            Action::DeleteUser { .. } => Op::DeleteUser,
            Action::CreateGroup { .. } => Op::CreateGroup,
            Action::AdoptGroup { .. } => Op::AdoptGroup,
            Action::RelinkGroup { .. } => Op::RelinkGroup,
            Action::CompareGroup { .. } => Op::CompareGroup,
            Action::FreeName { .. } => Op::FreeName,
            Action::RenameGroup { .. } => Op::RenameGroup,
            Action::AddMembers { .. } => Op::AddMembers,
            Action::RemoveMembers { .. } => Op::RemoveMembers,
            Action::DeleteGroup { .. } => Op::DeleteGroup,
            Action::ReleaseGroup => Op::ReleaseGroup,
            Action::ReleaseUser => Op::ReleaseUser,
        }
    }

    /// The stage inside its lane: that of its kind, but for managers, who are set when everybody is there.
    pub fn phase(&self) -> u8 {
        match &self.action {
            Action::FreeName { .. } if matches!(self.object, ObjectRef::User(_)) => 3,
            Action::UpdateUser { manager: Some(_), .. } => 6,
            _ => self.op().stage(),
        }
    }

    /// Who loses access by it, with their names: an account, a deleted group, the last group, or a value of one of the
    /// attributes in `access`.
    pub fn loses_access(&self, access: &[Path]) -> Vec<(&SourceId, &str)> {
        match &self.action {
            Action::DeactivateUser | Action::DeleteUser { .. } => vec![(self.object.id(), self.name.as_str())],
            Action::DeleteGroup { users } => users.iter().map(|user| (&user.id, user.name.as_str())).collect(),
            Action::RemoveMembers { users, last, .. } => {
                let last: HashSet<&SourceId> = last.iter().collect();
                users.iter().filter(|user| last.contains(&user.id)).map(|user| (&user.id, user.name.as_str())).collect()
            }
            Action::UpdateUser { clear, .. } if clear.iter().any(|path| access.iter().any(|of| of.covers(path))) => {
                vec![(self.object.id(), self.name.as_str())]
            }
            _ => Vec::new(),
        }
    }

    /// The change attribute by attribute, as reports and the journal show it.
    pub fn changes(&self) -> Vec<Change> {
        let change = |attribute: &str, from: Value, to: Value| Change { attribute: attribute.to_owned(), from, to };
        let names = |users: &[Member]| Value::from(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>());
        match &self.action {
            Action::CreateUser { attributes } => {
                attributes.iter().map(|(path, to)| change(path.as_str(), Value::Null, to.clone())).collect()
            }
            Action::UpdateUser { before, set, clear, manager } => {
                let was = |path: &Path| before.get(path).cloned().unwrap_or_default();
                let set = set.iter().map(|(path, to)| change(path.as_str(), was(path), to.clone()));
                let clear = clear.iter().map(|path| change(path.as_str(), was(path), Value::Null));
                let manager = manager.iter().map(|id| {
                    let path = Path::manager();
                    change(path.as_str(), was(&path), Value::from(id.as_str()))
                });
                set.chain(clear).chain(manager).collect()
            }
            Action::ActivateUser => vec![change("active", Value::from(false), Value::from(true))],
            Action::DeactivateUser => vec![change("active", Value::from(true), Value::from(false))],
            Action::CreateGroup { display_name, first } => {
                let named = change("displayName", Value::Null, Value::from(display_name.as_str()));
                let filled = (!first.is_empty()).then(|| change(Change::MEMBERS, Value::Null, names(first)));
                [named].into_iter().chain(filled).collect()
            }
            Action::FreeName { from, through } => {
                let attribute = match self.object {
                    ObjectRef::User(_) => Path::user_name().to_string(),
                    ObjectRef::Group(_) => "displayName".to_owned(),
                };
                vec![change(&attribute, Value::from(from.as_str()), Value::from(through.as_str()))]
            }
            Action::CompareGroup { joined, left, unknown: false, .. } => {
                let joined = (!joined.is_empty()).then(|| change("members", Value::Null, names(joined)));
                let left = (!left.is_empty()).then(|| change("members", names(left), Value::Null));
                joined.into_iter().chain(left).collect()
            }
            Action::RenameGroup { from, to } => {
                vec![change("displayName", Value::from(from.as_str()), Value::from(to.as_str()))]
            }
            Action::AddMembers { users } => vec![change(Change::MEMBERS, Value::Null, names(users))],
            Action::RemoveMembers { users, .. } | Action::DeleteGroup { users } => {
                vec![change(Change::MEMBERS, names(users), Value::Null)]
            }
            Action::RelinkUser { from } | Action::RelinkGroup { from, .. } => {
                vec![change("directory id", from.as_str().into(), self.object.id().as_str().into())]
            }
            Action::ReplaceUser { aside, relabel } => match relabel {
                true => vec![change("externalId", self.object.id().as_str().into(), aside.as_str().into())],
                false => Vec::new(),
            },
            Action::AdoptUser { .. }
            | Action::AdoptGroup { .. }
            | Action::CompareGroup { .. }
            | Action::DeleteUser { .. }
            | Action::ReleaseGroup
            | Action::ReleaseUser => Vec::new(),
        }
    }
}

/// An operation on a user's account that nothing blocks. What there is to remark about the user name becomes part of its reason.
pub(super) fn user_operation(
    lane: Lane,
    person: &PlannedUser,
    app_id: Option<&AppId>,
    action: Action,
    reason: Reason,
) -> Operation {
    let reason = match person.remark {
        Some(remark) => Reason::Remarked { why: Box::new(reason), remark },
        None => reason,
    };
    Operation {
        lane,
        object: ObjectRef::User(person.id.clone()),
        app_id: app_id.cloned(),
        name: person.name.clone(),
        action,
        reason,
        blocked: None,
    }
}
