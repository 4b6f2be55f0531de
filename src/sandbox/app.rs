//! The app between the wire and its memory: what each operation on a resource does, personality and misbehaviour included.
//!
//! In: a kind, an id, a body that is JSON already. Out: JSON or a fault. It knows no HTTP but status codes.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fault::ScimFault;
use super::filter;
use super::misbehave::{Misbehave, Mischief};
use super::query::Query;
use super::render::{Projection, ResourceView};
use super::store::{Resource, ResourceDraft, SandboxState, fold};
use super::{admit, patch};
use crate::clock::Clock;
use crate::schema::ResourceType;

const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The largest group that is shown after each PATCH. Showing all of a larger one after every handful of members would cost
/// more than the change; 204 is as good an answer (RFC 7644 §3.5.2).
pub(super) const SHOWN_UNASKED: usize = 1000;

/// How long [`Misbehave::LateReads`] keeps a new resource from reads.
const LATE: SignedDuration = SignedDuration::from_secs(3);

/// How this app differs from a plain one, within the standard.
#[derive(Debug, Clone)]
pub(super) struct Personality {
    pub(super) page_size_max: usize,
    /// Attributes of a user that keep their first value, by canonical name.
    pub(super) immutable: Vec<&'static str>,
    pub(super) inactive_deletes: bool,
    pub(super) delete_deactivates: bool,
    pub(super) default_role: Option<String>,
    /// The roles there are; any name is one where this is empty.
    pub(super) roles: Vec<String>,
    /// Folded user names of accounts that somebody has outside of the organisation.
    pub(super) foreign: Vec<String>,
}

impl Personality {
    /// What this app refuses beyond the schema.
    fn admits(&self, draft: &ResourceDraft) -> Result<(), ScimFault> {
        let name = draft.text("userName").unwrap_or_default();
        if self.foreign.contains(&fold(name)) {
            return Err(ScimFault::unique(format!(
                "an account {name:?} exists outside of your organisation; its owner has to delete it there first"
            )));
        }
        let given = draft.attrs.get("roles").and_then(Value::as_array).into_iter().flatten();
        let mut given = given.filter_map(|role| role.get("value").and_then(Value::as_str));
        match given.find(|role| !self.roles.is_empty() && !self.roles.iter().any(|known| known == role)) {
            Some(unknown) => {
                let known = self.roles.join(", ");
                Err(ScimFault::value(format!("there is no role {unknown:?}; there are {known}")))
            }
            None => Ok(()),
        }
    }
}

/// The app: its state, its character, its clock.
pub(super) struct SandboxApp {
    pub(super) base: String,
    pub(super) personality: Personality,
    pub(super) mischief: Mischief,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: RwLock<SandboxState>,
}

impl SandboxApp {
    /// A panic elsewhere cannot leave the state half changed, so a poisoned lock is taken as it is.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, SandboxState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, SandboxState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn render(&self, state: &SandboxState, resource: &Resource, projection: &Projection) -> Value {
        let mut value = ResourceView { state, resource, base: &self.base }.render(projection);
        if self.mischief.has(Misbehave::HiddenMembers)
            && let Some(map) = value.as_object_mut()
        {
            map.remove("members");
        }
        self.mischief.undated(&mut value);
        self.mischief.show_members(&mut value);
        value
    }

    /// Whether reads leave the resource out.
    fn hides(&self, resource: &Resource) -> bool {
        let age = self.clock.now().duration_since(resource.created);
        if self.mischief.has(Misbehave::LateReads) && age < LATE {
            return true;
        }
        let inactive = || resource.attrs.get("active") == Some(&Value::Bool(false));
        resource.kind == ResourceType::User && self.mischief.has(Misbehave::HidesInactive) && inactive()
    }

    /// One resource.
    pub(super) fn get(&self, kind: ResourceType, id: &str, query: &Query) -> Result<Value, ScimFault> {
        let projection = query.projection(kind)?;
        let state = self.read();
        let resource = state.named(kind, id)?;
        if self.hides(resource) {
            return Err(ScimFault::not_found("there is no such resource"));
        }
        Ok(self.render(&state, resource, &projection))
    }

    /// A page of the resources of some kinds that meet the filter (RFC 7644 §3.4.2). A filter over several kinds is one that
    /// makes sense of each of them.
    pub(super) fn list(&self, kinds: &[ResourceType], query: &Query) -> Result<Value, ScimFault> {
        let state = self.read();
        let mut found: Vec<(&Resource, &Projection)> = Vec::new();
        let projections = kinds.iter().map(|kind| query.projection(*kind)).collect::<Result<Vec<_>, _>>()?;
        for (kind, projection) in kinds.iter().zip(&projections) {
            let shown = self.find(&state, *kind, query)?.into_iter().filter(|resource| !self.hides(resource));
            found.extend(shown.map(|resource| (resource, projection)));
        }
        let mut size = query.count.unwrap_or(usize::MAX).min(self.personality.page_size_max);
        if self.mischief.has(Misbehave::ShortPages) {
            size = size.div_ceil(2);
        }
        let page: Vec<Value> = found
            .iter()
            .skip(query.start_index.saturating_sub(1))
            .take(size)
            .map(|(resource, projection)| self.render(&state, resource, projection))
            .collect();
        let total = if self.mischief.has(Misbehave::PageTotals) { page.len() } else { found.len() };
        Ok(json!({
            "schemas": [LIST_URN],
            "totalResults": total,
            "startIndex": query.start_index,
            "itemsPerPage": page.len(),
            "Resources": page,
        }))
    }

    /// The resources of a kind that meet the filter, oldest first.
    fn find<'a>(
        &self,
        state: &'a SandboxState,
        kind: ResourceType,
        query: &Query,
    ) -> Result<Vec<&'a Resource>, ScimFault> {
        let filter = query.filter.as_ref().filter(|_| !self.mischief.has(Misbehave::NoFilter));
        let Some(filter) = filter.map(|filter| filter::compile(kind, filter)).transpose()? else {
            return Ok(state.all(kind).iter().map(Arc::as_ref).collect());
        };
        let meets = |row: &&'a Resource| filter.matches(&ResourceView { state, resource: row, base: &self.base });
        let found: Vec<&'a Resource> = match filter.lookup(kind) {
            Some(lookup) => state.look_up(kind, &lookup).into_iter().map(Arc::as_ref).filter(meets).collect(),
            None => state.all(kind).iter().map(Arc::as_ref).filter(meets).collect(),
        };
        self.mischief.filtered(found.is_empty())?;
        Ok(found)
    }

    /// Makes a resource (RFC 7644 §3.3). Answers it and its address.
    pub(super) fn create(&self, kind: ResourceType, query: &Query, body: &Value) -> Result<(Value, String), ScimFault> {
        let projection = query.projection(kind)?;
        let body = if kind == ResourceType::Group { self.mischief.new_group(body)? } else { Cow::Borrowed(body) };
        let mut state = self.write();
        let mut draft = admit::resource(kind, &state, &body)?;
        if let Some(given) = self.mischief.given(state.all(kind), &draft) {
            let location = ResourceView::location(&self.base, kind, given.id);
            return Ok((self.render(&state, given, &projection), location));
        }
        self.mischief.bend(&mut draft);
        self.mischief.compose(kind, &mut draft);
        admit::whole(kind, &state, None, &draft)?;
        if kind == ResourceType::User {
            self.mischief.takes_new(&draft)?;
            self.personality.admits(&draft)?;
            self.defaults(&mut draft);
        }
        let resource = state.create(kind, draft, self.now())?;
        let mut shown = self.render(&state, &resource, &projection);
        let mut location = ResourceView::location(&self.base, kind, resource.id);
        self.mischief.unnamed(&mut shown, &mut location);
        if self.mischief.forgets(kind) {
            state.delete(&resource, self.now());
        }
        Ok((shown, location))
    }

    /// What the app gives a new user who came without.
    fn defaults(&self, draft: &mut ResourceDraft) {
        draft.attrs.entry("active").or_insert(Value::Bool(true));
        if let Some(role) = &self.personality.default_role {
            draft.attrs.entry("roles").or_insert_with(|| json!([{ "value": role }]));
        }
    }

    /// Replaces a resource (RFC 7644 §3.5.1).
    pub(super) fn replace(
        &self,
        kind: ResourceType,
        id: &str,
        query: &Query,
        body: &Value,
    ) -> Result<Value, ScimFault> {
        let projection = query.projection(kind)?;
        self.fits(kind, body)?;
        let mut state = self.write();
        let old = Arc::clone(state.named(kind, id)?);
        let mut draft = admit::resource(kind, &state, body)?;
        // an immutable attribute that is left out keeps its value
        for name in self.immutable(kind) {
            if let (None, Some(value)) = (draft.attrs.get(*name), old.attrs.get(*name)) {
                draft.attrs.insert((*name).to_owned(), value.clone());
            }
        }
        let before = self.render(&state, &old, &projection);
        let new = self.commit(&mut state, &old, draft)?;
        let value = self.render(&state, &new, &projection);
        self.settle(&mut state, &new);
        Ok(if self.mischief.has(Misbehave::StaleAnswers) { before } else { value })
    }

    /// Changes a resource (RFC 7644 §3.5.2). `None`: done, but the result is a group too large to show unasked.
    pub(super) fn patch(
        &self,
        kind: ResourceType,
        id: &str,
        query: &Query,
        body: &Value,
    ) -> Result<Option<Value>, ScimFault> {
        let projection = query.projection(kind)?;
        self.fits(kind, body)?;
        let mut state = self.write();
        let old = Arc::clone(state.named(kind, id)?);
        let draft = patch::apply(&state, &old, body)?;
        let before = self.mischief.has(Misbehave::StaleAnswers).then(|| self.render(&state, &old, &projection));
        let new = self.commit(&mut state, &old, draft)?;
        let unasked = matches!(projection, Projection::All);
        let shown = !unasked || state.members_of(new.id).len() <= SHOWN_UNASKED;
        let shown = shown && !self.mischief.has(Misbehave::NoContent);
        let value = shown.then(|| before.unwrap_or_else(|| self.render(&state, &new, &projection)));
        self.settle(&mut state, &new);
        Ok(value)
    }

    /// Whether a change has no more members than this app takes in one call.
    fn fits(&self, kind: ResourceType, body: &Value) -> Result<(), ScimFault> {
        if kind == ResourceType::Group { self.mischief.changed_group(body) } else { Ok(()) }
    }

    fn immutable(&self, kind: ResourceType) -> &[&'static str] {
        if kind == ResourceType::User { &self.personality.immutable } else { &[] }
    }

    /// Puts a changed draft in place, as this app's character has it. Answers the account that holds it now.
    fn commit(
        &self,
        state: &mut SandboxState,
        old: &Arc<Resource>,
        mut draft: ResourceDraft,
    ) -> Result<Arc<Resource>, ScimFault> {
        self.mischief.is_stuck(old)?;
        self.mischief.bend(&mut draft);
        self.mischief.takes(old, &draft)?;
        self.mischief.ignore(old, &mut draft, state.members_of(old.id));
        admit::whole(old.kind, state, Some(old), &draft)?;
        for name in self.immutable(old.kind) {
            let before = old.attrs.get(*name);
            if before.is_some() && before != draft.attrs.get(*name) {
                return Err(ScimFault::mutability(format!("{name:?} cannot be changed here once it is set")));
            }
        }
        if old.kind == ResourceType::User {
            self.personality.admits(&draft)?;
        }
        match self.mischief.splits(old, &mut draft) {
            true => state.create(old.kind, draft, self.now()),
            false => state.update(old, draft, self.now()),
        }
    }

    /// What follows from a change once it is answered.
    fn settle(&self, state: &mut SandboxState, new: &Arc<Resource>) {
        let inactive = new.attrs.get("active") == Some(&Value::Bool(false));
        if self.personality.inactive_deletes && new.kind == ResourceType::User && inactive {
            state.delete(new, self.now());
        } else if self.mischief.has(Misbehave::InactiveLeaves) && new.kind == ResourceType::User && inactive {
            state.leave_groups(new.id, self.now());
        }
    }

    /// Removes a resource (RFC 7644 §3.6), or, where the app is like that, only switches a user off.
    pub(super) fn delete(&self, kind: ResourceType, id: &str) -> Result<(), ScimFault> {
        let mut state = self.write();
        let old = Arc::clone(state.named(kind, id)?);
        if self.mischief.has(Misbehave::KeepsDeleted) {
            return Ok(());
        }
        if kind == ResourceType::User && self.personality.delete_deactivates {
            let mut draft = ResourceDraft { attrs: old.attrs.clone(), ..ResourceDraft::default() };
            draft.attrs.insert("active".to_owned(), Value::Bool(false));
            return state.update(&old, draft, self.now()).map(|_| ());
        }
        state.delete(&old, self.now());
        Ok(())
    }
}
