//! The app's memory: users and groups, their indexes, and who is a member of what.
//!
//! In: admitted drafts. Out: resources in the order of their creation. Every change is checked first and then made whole,
//! so a refused change leaves nothing behind. It knows no HTTP and no JSON body.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::fault::ScimFault;
use super::id::Id;
use super::members::{MemberEdit, Memberships};
use crate::schema::ResourceType;

/// What a client may decide of a resource: attributes by their canonical names (an extension's under its URN), and members.
#[derive(Debug, Clone, Default)]
pub(super) struct ResourceDraft {
    pub(super) attrs: Map<String, Value>,
    /// Only a group has any.
    pub(super) members: MemberEdit,
}

impl ResourceDraft {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attrs.get(name).and_then(Value::as_str)
    }
}

/// A resource as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) id: Id,
    pub(super) kind: ResourceType,
    /// By canonical names; without what only the server says, and without the members of a group.
    pub(super) attrs: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// Counts the changes of this resource. `User.groups` is a view of other resources and does not count.
    pub(super) revision: u64,
}

impl Resource {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attrs.get(name).and_then(Value::as_str)
    }
}

/// Folds a string for a comparison in which case does not count.
pub(super) fn fold(text: &str) -> String {
    unicase::UniCase::new(text).to_folded_case()
}

/// The resources of one kind, ascending by id, which is the order of creation, with an index for each way clients look up.
#[derive(Debug, Default)]
struct ResourceTable {
    rows: Vec<Arc<Resource>>,
    by_name: HashMap<String, Vec<Id>>,
    by_external_id: HashMap<String, Vec<Id>>,
}

impl ResourceTable {
    fn position(&self, id: Id) -> Option<usize> {
        self.rows.binary_search_by_key(&id, |row| row.id).ok()
    }

    fn get(&self, id: Id) -> Option<&Arc<Resource>> {
        self.position(id).and_then(|at| self.rows.get(at))
    }

    fn get_mut(&mut self, id: Id) -> Option<&mut Resource> {
        let at = self.position(id)?;
        self.rows.get_mut(at).map(Arc::make_mut)
    }

    fn index(&mut self, row: &Resource) {
        if let Some(name) = row.text(row.kind.naming()) {
            self.by_name.entry(fold(name)).or_default().push(row.id);
        }
        if let Some(external_id) = row.text("externalId") {
            self.by_external_id.entry(external_id.to_owned()).or_default().push(row.id);
        }
    }

    fn unindex(&mut self, row: &Resource) {
        if let Some(name) = row.text(row.kind.naming()) {
            forget(&mut self.by_name, &fold(name), row.id);
        }
        if let Some(external_id) = row.text("externalId") {
            forget(&mut self.by_external_id, external_id, row.id);
        }
    }
}

fn forget(index: &mut HashMap<String, Vec<Id>>, key: &str, id: Id) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// What an index can answer without looking at every resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IndexLookup {
    Id(String),
    /// `userName` or `displayName`, in any case.
    Name(String),
    ExternalId(String),
    /// Groups that have this id as a direct member.
    Member(String),
}

/// Everything the app holds.
#[derive(Debug)]
pub(super) struct SandboxState {
    users: ResourceTable,
    groups: ResourceTable,
    memberships: Memberships,
    last_id: u64,
    unique_users: bool,
    unique_groups: bool,
}

impl SandboxState {
    pub(super) fn new(unique_users: bool, unique_groups: bool) -> Self {
        Self {
            users: ResourceTable::default(),
            groups: ResourceTable::default(),
            memberships: Memberships::default(),
            last_id: 0,
            unique_users,
            unique_groups,
        }
    }

    fn table(&self, kind: ResourceType) -> &ResourceTable {
        match kind {
            ResourceType::User => &self.users,
            ResourceType::Group => &self.groups,
        }
    }

    fn table_mut(&mut self, kind: ResourceType) -> &mut ResourceTable {
        match kind {
            ResourceType::User => &mut self.users,
            ResourceType::Group => &mut self.groups,
        }
    }

    /// Every resource of a kind, oldest first.
    pub(super) fn all(&self, kind: ResourceType) -> &[Arc<Resource>] {
        &self.table(kind).rows
    }

    pub(super) fn get(&self, kind: ResourceType, id: Id) -> Option<&Arc<Resource>> {
        self.table(kind).get(id)
    }

    /// The resource a client named in a path.
    pub(super) fn named(&self, kind: ResourceType, id: &str) -> Result<&Arc<Resource>, ScimFault> {
        Id::parse(id)
            .and_then(|id| self.get(kind, id))
            .ok_or_else(|| ScimFault::not_found(format!("there is no {} with the id {id:?}", kind.name())))
    }

    /// The resource of either kind with this id.
    pub(super) fn any(&self, id: Id) -> Option<&Arc<Resource>> {
        self.users.get(id).or_else(|| self.groups.get(id))
    }

    /// The groups a resource is a direct member of, oldest first.
    pub(super) fn groups_of(&self, id: Id) -> impl Iterator<Item = &Arc<Resource>> {
        self.memberships.groups_of(id).iter().filter_map(|group| self.groups.get(*group))
    }

    /// The direct members of a group, oldest first.
    pub(super) fn members_of(&self, group: Id) -> &BTreeSet<Id> {
        self.memberships.of(group)
    }

    /// The resources that an index finds, oldest first.
    pub(super) fn look_up(&self, kind: ResourceType, lookup: &IndexLookup) -> Vec<&Arc<Resource>> {
        let table = self.table(kind);
        let mut ids: Vec<Id> = match lookup {
            IndexLookup::Id(id) => Id::parse(id).into_iter().collect(),
            IndexLookup::Name(name) => table.by_name.get(&fold(name)).cloned().unwrap_or_default(),
            IndexLookup::ExternalId(id) => table.by_external_id.get(id).cloned().unwrap_or_default(),
            IndexLookup::Member(id) => match Id::parse(id) {
                Some(id) if kind == ResourceType::Group => self.memberships.groups_of(id).iter().copied().collect(),
                _ => Vec::new(),
            },
        };
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| table.get(id)).collect()
    }

    /// Refuses a name that another resource of the kind has.
    fn check_unique(&self, kind: ResourceType, draft: &ResourceDraft, own: Option<Id>) -> Result<(), ScimFault> {
        let enforced = match kind {
            ResourceType::User => self.unique_users,
            ResourceType::Group => self.unique_groups,
        };
        let Some(name) = draft.text(kind.naming()).filter(|_| enforced) else { return Ok(()) };
        let taken = self.table(kind).by_name.get(&fold(name)).is_some_and(|ids| ids.iter().any(|id| Some(*id) != own));
        if taken {
            let detail = format!("another {} has the {} {name:?}", kind.name(), kind.naming());
            return Err(ScimFault::unique(detail));
        }
        Ok(())
    }

    /// Makes a resource of an admitted draft.
    pub(super) fn create(
        &mut self,
        kind: ResourceType,
        draft: ResourceDraft,
        now: Timestamp,
    ) -> Result<Arc<Resource>, ScimFault> {
        self.check_unique(kind, &draft, None)?;
        self.last_id += 1;
        let id = Id(self.last_id);
        self.memberships.apply(id, &draft.members);
        let row = Arc::new(Resource { id, kind, attrs: draft.attrs, created: now, modified: now, revision: 1 });
        let table = self.table_mut(kind);
        table.index(&row);
        table.rows.push(Arc::clone(&row));
        Ok(row)
    }

    /// Puts a draft in the place of what the resource held. A draft that changes nothing leaves `lastModified` as it was.
    pub(super) fn update(
        &mut self,
        old: &Arc<Resource>,
        draft: ResourceDraft,
        now: Timestamp,
    ) -> Result<Arc<Resource>, ScimFault> {
        if old.attrs == draft.attrs && !self.memberships.changes(old.id, &draft.members) {
            return Ok(Arc::clone(old));
        }
        self.check_unique(old.kind, &draft, Some(old.id))?;
        self.memberships.apply(old.id, &draft.members);
        let row = Arc::new(Resource { attrs: draft.attrs, modified: now, revision: old.revision + 1, ..**old });
        let table = self.table_mut(old.kind);
        table.unindex(old);
        table.index(&row);
        if let Some(slot) = table.position(old.id).and_then(|at| table.rows.get_mut(at)) {
            *slot = Arc::clone(&row);
        }
        Ok(row)
    }

    /// Takes an account out of every group.
    pub(super) fn leave_groups(&mut self, id: Id, now: Timestamp) {
        for group in self.memberships.forget(id) {
            if let Some(group) = self.groups.get_mut(group) {
                group.modified = now;
                group.revision += 1;
            }
        }
    }

    /// Removes a resource, also from every group that has it as a member.
    pub(super) fn delete(&mut self, old: &Arc<Resource>, now: Timestamp) {
        let table = self.table_mut(old.kind);
        table.unindex(old);
        if let Some(at) = table.position(old.id) {
            table.rows.remove(at);
        }
        self.leave_groups(old.id, now);
    }
}

#[cfg(test)]
impl SandboxState {
    /// Recomputes every index from the rows and compares: what must hold after any sequence of changes.
    pub(super) fn assert_consistent(&self) {
        for kind in ResourceType::ALL {
            let table = self.table(kind);
            let mut fresh = ResourceTable { rows: table.rows.clone(), ..ResourceTable::default() };
            assert!(table.rows.is_sorted_by(|a, b| a.id < b.id), "rows ascend by id");
            for row in &table.rows {
                fresh.index(row);
            }
            let sorted = |index: &HashMap<String, Vec<Id>>| -> std::collections::BTreeMap<String, BTreeSet<Id>> {
                index.iter().map(|(key, ids)| (key.clone(), ids.iter().copied().collect())).collect()
            };
            assert_eq!(sorted(&table.by_name), sorted(&fresh.by_name), "the name index agrees with the rows");
            assert_eq!(sorted(&table.by_external_id), sorted(&fresh.by_external_id), "so does the externalId index");
        }
        for (group, member) in self.memberships.pairs() {
            assert!(self.groups.get(group).is_some() && self.any(member).is_some(), "only what exists is a member");
        }
    }
}
