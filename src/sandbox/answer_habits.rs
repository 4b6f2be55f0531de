//! What some apps do about changes that they accept: they do not make them, or show something else.
//!
//! In: a resource and what a client wrote. Out: the draft as the app takes it, and the JSON as the app shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fault::ScimFault;
use super::id::Id;
use super::misbehave::{Misbehave, Mischief};
use super::store::{Resource, ResourceDraft};
use crate::schema::ResourceType;

/// The most members that an app shows which cuts its lists.
const SHOWN: usize = 10;

impl Mischief {
    /// Leaves out of a change what the app accepts and does not carry out.
    pub(super) fn ignore(&self, old: &Resource, draft: &mut ResourceDraft, members: &BTreeSet<Id>) {
        if self.has(Misbehave::IgnoresChanges) {
            let active = draft.attrs.get("active").cloned();
            draft.attrs.clone_from(&old.attrs);
            if let Some(active) = active {
                draft.attrs.insert("active".to_owned(), active);
            }
        }
        if self.has(Misbehave::KeepsActive)
            && let Some(active) = old.attrs.get("active").filter(|active| **active == Value::Bool(true))
        {
            draft.attrs.insert("active".to_owned(), active.clone());
        }
        if old.kind != ResourceType::Group {
            return;
        }
        let after: BTreeSet<Id> = draft.members.after(members).collect();
        if self.has(Misbehave::StickyMembers) {
            members.difference(&after).for_each(|id| draft.members.add(*id));
        }
        if self.has(Misbehave::DeafMembers) {
            after.difference(members).for_each(|id| draft.members.remove(*id));
        }
    }

    /// Whether a change of a user is one that the app takes.
    pub(super) fn takes(&self, old: &Resource, draft: &ResourceDraft) -> Result<(), ScimFault> {
        let refuses = self.has(Misbehave::RefusesTitle) || self.has(Misbehave::NoTitle);
        match refuses && old.attrs.get("title") != draft.attrs.get("title") {
            true => Err(ScimFault::value("a title can't be changed here")),
            false => Ok(()),
        }
    }

    /// Whether a new user is one that the app takes.
    pub(super) fn takes_new(&self, draft: &ResourceDraft) -> Result<(), ScimFault> {
        match self.has(Misbehave::NoTitle) && draft.attrs.contains_key("title") {
            true => Err(ScimFault::value("a user has no title here")),
            false => Ok(()),
        }
    }

    /// A group's members as the app shows them.
    pub(super) fn show_members(&self, group: &mut Value) {
        let Some(map) = group.as_object_mut() else { return };
        let Some(members) = map.get_mut("members").and_then(Value::as_array_mut) else { return };
        let all = members.len();
        if self.has(Misbehave::CutMembers) {
            members.truncate(SHOWN);
        }
        if self.has(Misbehave::RefMembers) {
            for member in members.iter_mut().filter_map(Value::as_object_mut) {
                member.retain(|name, _| name == "$ref");
            }
        }
        if self.has(Misbehave::CutMembers) {
            map.insert("totalMembers".to_owned(), json!(all));
        }
    }
}
