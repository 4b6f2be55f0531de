//! What a create came to. In: the app's answer to it. Out: a new link, an adoption, or a conflict with both records named.
//!
//! An app may answer a create with an object that was there before, or with one that belongs to another record. Where a link comes
//! from is therefore read from the answer and the state, and never from the request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::composed::{CreateOrigin, change};
use super::effects::adopted;
use super::reply::{Accepted, CallReply, CallTarget};
use super::{OpResult, RunWorker};
use crate::model::{
    AppId, Attributes, ObjectOwner, ObjectRef, Obstacle, OpOutcome, Path, Provenance, Reason, SourceId, digest, fold,
};
use crate::plan::{Action, Operation, is_privileged};
use crate::scim::{AppUser, CallError, Created, FailureClass, ResponseOrigin};
use crate::store::{Claim, Effect, Neighbours, OutcomeResult, StoreError};

/// What the app answered the creates of a run with.
#[derive(Debug, Default)]
pub(super) struct CreateResponses {
    /// For which record each id was given; links reach the state only later.
    ids: Mutex<HashMap<(&'static str, AppId), SourceId>>,
    /// Kinds of objects of which no more are created, and why.
    over: Mutex<HashMap<&'static str, MixUp>>,
}

/// A create that was answered with an object of another record.
#[derive(Debug, Clone)]
struct MixUp {
    object: ObjectRef,
    name: String,
    whose: ObjectOwner,
}

impl CreateResponses {
    /// Notes an id for a record; gives the other record that was given the same id before.
    fn claim(&self, object: &ObjectRef, id: &AppId) -> Option<SourceId> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = ids.entry((object.kind(), id.clone())).or_insert_with(|| object.id().clone());
        (owner != object.id()).then(|| owner.clone())
    }

    fn end(&self, mix_up: MixUp) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.entry(mix_up.object.kind()).or_insert(mix_up);
    }

    fn why_over(&self, object: &ObjectRef) -> Option<Obstacle> {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let MixUp { object, name, whose } = over.get(object.kind())?.clone();
        Some(Obstacle::NoFurtherCreates { object, name, whose })
    }
}

impl RunWorker<'_> {
    /// Why a create is not sent any more, if it is one.
    pub(super) fn no_further_create(&self, operation: &Operation) -> Option<CallError> {
        let path = match operation.action {
            Action::CreateUser { .. } => "/Users",
            Action::CreateGroup { .. } => "/Groups",
            _ => return None,
        };
        let message = self.answered.why_over(&operation.object)?.to_string();
        Some(CallError {
            class: FailureClass::Unsupported,
            message,
            method: "POST",
            path: path.to_owned(),
            ..CallError::closed()
        })
    }

    /// Why a call was not sent, if it is one that [`Self::no_further_create`] kept back. An answer has a status.
    pub(super) fn why_not_sent(&self, operation: &Operation, error: &CallError) -> Option<Obstacle> {
        let is_create = matches!(operation.action, Action::CreateUser { .. } | Action::CreateGroup { .. });
        let is_kept_back = error.class == FailureClass::Unsupported && error.status.is_none();
        if is_create && is_kept_back { self.answered.why_over(&operation.object) } else { None }
    }

    /// What becomes of an answer to a create.
    pub(super) async fn accept(
        &self,
        operation: &Operation,
        target: &CallTarget,
        mut created: Created,
    ) -> Result<Accepted, StoreError> {
        if let Some(why) = self.why_another(operation, &created)? {
            return Ok(self.conflict(operation, why));
        }
        match (&operation.action, created.origin.clone()) {
            (
                Action::CreateUser { attributes },
                ResponseOrigin::There { evidence, account: Some(account), is_certain },
            ) => Ok(self.user_was_there(operation, attributes, &evidence, &account, is_certain)),
            (Action::CreateGroup { .. }, ResponseOrigin::There { evidence, .. }) => {
                self.group_was_there(operation, target, created, &evidence).await
            }
            _ => {
                self.taken_in(operation, target, &mut created).await;
                let effects = self.effects(operation, target, CallReply::Created(created));
                Ok((OutcomeResult::Done { status: None }, effects, Ok(OpOutcome::Done)))
            }
        }
    }

    /// What becomes of a create without an answer whose object was given to another record meanwhile.
    pub(super) fn found_for_another(&self, operation: &Operation, id: &AppId) -> Option<Accepted> {
        let other = self.answered.claim(&operation.object, id)?;
        Some(self.conflict(operation, ObjectOwner::Record { record: operation.object.of_kind(other), name: None }))
    }

    /// Lays claim to the accounts that are adopted, and to the groups that are adopted by their `externalId`.
    pub(super) fn claim(&self, operations: &[Operation], due: &[usize]) -> Result<Claim, StoreError> {
        let (mut accounts, mut groups) = (Vec::new(), Vec::new());
        for operation in due.iter().filter_map(|at| operations.get(*at)) {
            match (&operation.action, &operation.app_id) {
                (Action::AdoptUser { found, .. }, _) => accounts.push(found.id.clone()),
                (Action::AdoptGroup { by, .. }, Some(id)) if by == Path::external_id().as_str() => {
                    groups.push(id.clone());
                }
                _ => {}
            }
        }
        self.run.neighbours.claim(&accounts, &groups)
    }

    /// Whether an object that is no record's here may be linked: not if another tenant of the app has it. What can't be known counts as
    /// linked elsewhere.
    pub(super) fn is_no_neighbours(&self, object: &ObjectRef, id: &AppId) -> bool {
        is_no_neighbours(self.run.neighbours, object, id)
    }

    /// Why the object in an answer is that of another record; `None` if it is not.
    fn why_another(&self, operation: &Operation, created: &Created) -> Result<Option<ObjectOwner>, StoreError> {
        let (object, id) = (&operation.object, &created.id);
        let whose = |other: SourceId| -> Result<ObjectOwner, StoreError> {
            let name = match object {
                ObjectRef::User(_) => {
                    self.run.state.user(&other)?.and_then(|row| row.sent.text(&Path::user_name()).map(str::to_owned))
                }
                ObjectRef::Group(_) => self.run.state.group(&other)?.map(|row| row.name),
            };
            Ok(ObjectOwner::Record { record: object.of_kind(other), name })
        };
        let linked = match object {
            ObjectRef::User(_) => self.run.state.user_by_app_id(id)?,
            ObjectRef::Group(_) => self.run.state.group_by_app_id(id)?,
        };
        let other = linked.filter(|other| other != object.id()).or_else(|| self.answered.claim(object, id));
        if let Some(other) = other {
            return whose(other).map(Some);
        }
        if let ResponseOrigin::Another { evidence } = &created.origin {
            return Ok(Some(ObjectOwner::Unknown { evidence: evidence.clone() }));
        }
        let linked = match object {
            ObjectRef::User(_) => self.run.neighbours.linked_by(id),
            ObjectRef::Group(_) => self.run.neighbours.group_linked_by(id),
        };
        Ok(match (linked, object) {
            (Ok(Some((tenant, user))), ObjectRef::User(_)) => Some(ObjectOwner::Tenant { tenant, user }),
            (Ok(Some((tenant, group))), ObjectRef::Group(_)) => Some(ObjectOwner::TenantGroup { tenant, group }),
            (Ok(None), _) => None,
            // Another tenant's damage: what the app created is this tenant's all the same.
            (Err(error), _) => {
                tracing::warn!(%error, "could not read which accounts the other tenants of this app have linked");
                None
            }
        })
    }

    /// The object belongs to another record: nothing is linked, and nothing more of its kind is created.
    fn conflict(&self, operation: &Operation, whose: ObjectOwner) -> Accepted {
        let object = &operation.object;
        let mix_up = MixUp { object: object.clone(), name: operation.name.clone(), whose };
        self.answered.end(mix_up.clone());
        let MixUp { object, name, whose } = mix_up;
        let reason = Obstacle::AnsweredWithAnother { object, name, whose };
        let effects = match self.blames_object() {
            true => vec![self.failed(operation, &reason)],
            false => Vec::new(),
        };
        (OutcomeResult::Failed { status: None, detail: reason.to_string() }, effects, Err(reason))
    }

    /// The app gave an account back that was there before: it is adopted with the values it has, and brought in line. One that would not be
    /// adopted without approval if a look-up had shown it waits here too.
    fn user_was_there(
        &self,
        operation: &Operation,
        sent: &Attributes,
        evidence: &str,
        account: &AppUser,
        is_certain: bool,
    ) -> Accepted {
        let (object, done) = (&operation.object, OutcomeResult::Done { status: None });
        // A role that was sent with the create says nothing of what was there before.
        let roles: Vec<String> = account.roles.iter().filter(|role| !is_sent(sent, role)).cloned().collect();
        let privileged = is_privileged(self.run.profile, &roles);
        // Where nothing but a doubt says that it is no new one, only a privileged account waits.
        let is_strangers = privileged || (is_certain && !is_as_named(sent, account));
        if is_strangers && self.run.adoptions.wait(privileged) {
            let reason = Obstacle::WasThereWaits { evidence: evidence.to_owned(), account: account.id.clone(), roles };
            let effects = vec![self.failed_for(operation, &reason, Some(account.id.clone()))];
            return (OutcomeResult::Failed { status: None, detail: reason.to_string() }, effects, Err(reason));
        }
        let is_as_sent = sent.iter().all(|(path, value)| account.attributes.get(path) == Some(value)) && account.active;
        let id = &account.id;
        tracing::warn!(%object, app_id = %id, evidence, "the app answered a create with an account that was there before");
        let effects = adopted(object.id(), account);
        if is_as_sent {
            return (done, effects, Ok(OpOutcome::Done));
        }
        self.found.note_links_differ();
        let account = id.clone();
        (done, effects, Err(Obstacle::WasThere { evidence: evidence.to_owned(), account, roles, is_certain }))
    }

    /// Brings an account in line that a create gave back: it is linked as adopted, with the values that it shows. Where this fails the next
    /// run goes on, since those values are on record.
    pub(super) async fn bring_in_line(
        &self,
        operation: &Operation,
        sent: &Attributes,
        was_there: Obstacle,
    ) -> OpResult {
        let row = self.row(operation)?.ok_or(Obstacle::NotLinked)?;
        // To activate an account, or to send changes that wait for approval, is for the guard: the next run plans it.
        if row.active == Some(false) || !self.run.adoptions.may_be_changed() {
            return Err(was_there);
        }
        if matches!(was_there, Obstacle::WasThere { is_certain: false, .. }) {
            return self.sent_again(operation, sent, CreateOrigin::Perhaps).await;
        }
        let differs = |path: &Path, value: &Value| !digest::same(row.sent.get(path), Some(value));
        let due =
            sent.iter().filter(|(path, value)| differs(path, value) && !self.run.profile.attributes.is_immutable(path));
        let set: Attributes = due.map(|(path, value)| (path.clone(), value.clone())).collect();
        if set.is_empty() {
            return Ok(OpOutcome::Done);
        }
        let change = Operation { reason: Reason::AdoptedDiffers, ..change(operation, &row, set) };
        self.single(&change).await
    }

    /// The app gave a group back that was there before: it is adopted with the members of ours that it has.
    async fn group_was_there(
        &self,
        operation: &Operation,
        target: &CallTarget,
        created: Created,
        evidence: &str,
    ) -> Result<Accepted, StoreError> {
        let (object, id) = (&operation.object, created.id.clone());
        tracing::warn!(%object, app_id = %id, evidence, "the app answered a create with a group that was there before");
        self.found.note_links_differ();
        // Whom the request named says nothing of a group that was there: it is asked who is in it.
        let created = Created { members: Some(Vec::new()), ..created };
        let mut effects = self.effects(operation, target, CallReply::Created(created));
        for effect in &mut effects {
            if let Effect::GroupLinked { provenance, .. } = effect {
                *provenance = Provenance::Adopted;
            }
        }
        let shown = self.run.app.get_group(&id).await.ok().flatten().and_then(|group| group.members);
        let mut users = Vec::new();
        for member in shown.into_iter().flatten() {
            users.extend(self.run.state.user_by_app_id(&AppId::new(member))?);
        }
        if !users.is_empty() {
            effects.push(Effect::MembersAdded { group: object.id().clone(), users });
        }
        Ok((OutcomeResult::Done { status: None }, effects, Ok(OpOutcome::Done)))
    }

    /// Whether an account that a refused create brought to light may be adopted at once.
    pub(super) fn may_take(&self, sent: &Attributes, found: &AppUser) -> bool {
        is_as_named(sent, found) || !self.run.adoptions.wait(is_privileged(self.run.profile, &found.roles))
    }
}

/// Whether no other tenant of the app has an object linked, as far as can be known now.
pub(super) fn is_no_neighbours(neighbours: &dyn Neighbours, object: &ObjectRef, id: &AppId) -> bool {
    let only = std::slice::from_ref(id);
    let claim = match object {
        ObjectRef::User(_) => neighbours.claim(only, &[]),
        ObjectRef::Group(_) => neighbours.claim(&[], only),
    };
    match claim {
        Ok(claim) => claim.taken.is_empty() && claim.taken_groups.is_empty(),
        Err(error) => {
            tracing::warn!(%error, %object, "could not read what the other tenants of this app have linked");
            false
        }
    }
}

/// Why an account or a group is not adopted after all: another tenant has linked it since the plan was made.
pub(super) fn why_taken(operation: &Operation, claim: &Claim) -> Option<Obstacle> {
    if let (Action::AdoptGroup { .. }, Some(group)) = (&operation.action, &operation.app_id) {
        let (tenant, of) = claim.taken_groups.get(group)?;
        return Some(Obstacle::GroupTakenMeanwhile { group: group.clone(), tenant: tenant.clone(), of: of.clone() });
    }
    let Action::AdoptUser { found, .. } = &operation.action else { return None };
    let (tenant, user) = claim.taken.get(&found.id)?;
    Some(Obstacle::TakenMeanwhile { account: found.id.clone(), tenant: tenant.clone(), user: user.clone() })
}

/// Whether an account has the user name and the `externalId` that were sent.
fn is_as_named(sent: &Attributes, found: &AppUser) -> bool {
    let external_id = Path::external_id();
    let is_ours = sent.get(&external_id).is_some() && sent.get(&external_id) == found.attributes.get(&external_id);
    is_ours && has_name_of(sent, found)
}

/// Whether an account that a look-up shows after a create without an answer is the one that was to be created: by the id that was
/// sent, or by its name where it shows no id at all.
pub(super) fn agrees(sent: &Attributes, found: &AppUser) -> bool {
    let external_id = Path::external_id();
    match found.attributes.get(&external_id) {
        Some(shown) if sent.get(&external_id).is_some() => sent.get(&external_id) == Some(shown),
        _ => has_name_of(sent, found),
    }
}

/// Whether a role is among the values of a create.
fn is_sent(sent: &Attributes, role: &str) -> bool {
    fn holds(value: &Value, role: &str) -> bool {
        match value {
            Value::String(text) => text == role,
            Value::Array(many) => many.iter().any(|one| holds(one, role)),
            Value::Object(parts) => parts.values().any(|one| holds(one, role)),
            _ => false,
        }
    }
    sent.iter().any(|(_, value)| holds(value, role))
}

fn has_name_of(sent: &Attributes, found: &AppUser) -> bool {
    let name = |of: &Attributes| of.text(&Path::user_name()).map(|name| fold(name.trim()));
    name(sent) == name(&found.attributes)
}

/// What is said of an account that rosterd did not create and may not take yet.
pub(super) fn waits_for_approval(answer: String, found: &AppUser) -> Obstacle {
    Obstacle::WaitsForApproval { answer, account: found.id.clone(), roles: found.roles.clone() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::TenantName;

    /// One other tenant, which has a user and a group linked, or whose state can't be read.
    struct Other {
        is_broken: bool,
    }

    impl Neighbours for Other {
        fn linked_by(&self, _: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
            Ok(None)
        }

        fn group_linked_by(&self, _: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
            Ok(None)
        }

        fn claim(&self, accounts: &[AppId], groups: &[AppId]) -> Result<Claim, StoreError> {
            if self.is_broken {
                return Err(StoreError::Damaged("a test".to_owned()));
            }
            let owner = (TenantName::parse("other").unwrap(), SourceId::new("x1"));
            let linked = |ids: &[AppId], is: &str| {
                ids.iter().filter(|id| id.as_str() == is).map(|id| (id.clone(), owner.clone())).collect()
            };
            let mut claim = Claim::default();
            claim.taken = linked(accounts, "7");
            claim.taken_groups = linked(groups, "g7");
            Ok(claim)
        }

        fn imported_as(&self, _: &AppId) -> Result<Option<SourceId>, StoreError> {
            Ok(None)
        }
    }

    #[test]
    fn mp7_what_another_tenant_has_linked_is_not_what_a_lost_create_made() {
        let (user, group) = (ObjectRef::User(SourceId::new("u1")), ObjectRef::Group(SourceId::new("g1")));
        let other = Other { is_broken: false };
        for (object, id, free) in [(&user, "7", false), (&user, "g7", true), (&group, "g7", false), (&group, "7", true)]
        {
            assert_eq!(is_no_neighbours(&other, object, &AppId::new(id)), free, "{object} {id}");
        }
        let broken = Other { is_broken: true };
        assert!(!is_no_neighbours(&broken, &user, &AppId::new("8")), "what can't be known is not linked");
    }

    #[test]
    fn mp9_a_role_that_the_create_sent_was_not_there_before() {
        let path = |name: &str| Path::parse(name).unwrap();
        let sent: Attributes = [
            (path("userName"), "ann".into()),
            (path("roles"), serde_json::json!([{"value": "admin", "type": "work"}])),
        ]
        .into_iter()
        .collect();
        assert!(is_sent(&sent, "admin") && !is_sent(&sent, "owner"));
    }
}
