//! What was changed in the app by hand (J5). In: everybody in the app, our groups as the app shows them, what we last knew. Out: one
//! entry a difference, and the effects that would make the state know it.
//!
//! Attributes that follow only changes of the directory (`on_source_change`) and those sent once (`on_create`) may differ: that is
//! what these words mean (O7).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::hint::DriftHint;
use super::listing::names_of;
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::likeness::is_respelt;
use crate::model::{AppId, Attributes, Change, Path, Provenance, SourceId, UserNumber, digest, fold};
use crate::plan::TenantRules;
use crate::schema::is_folded_name;
use crate::scim::{AppGroup, AppUser};
use crate::store::{Baseline, Effect, GroupRow, StoreError, UserRow};

/// What differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Drifted {
    /// An account that rosterd neither made nor took over.
    AccountAdded,
    /// An account that rosterd deleted, and that the app still shows.
    AccountKept {
        /// When it was deleted.
        deleted: Timestamp,
        /// Whether it is active.
        active: bool,
    },
    /// A linked account that rosterd deactivated is not shown. That alone does not say that it is gone.
    AccountNotShown,
    /// A linked account is gone.
    AccountRemoved,
    /// A linked account was switched on or off.
    ActiveChanged {
        /// What it is now.
        active: bool,
    },
    /// Attributes have other values.
    AttributesChanged {
        /// From what we know to what the app shows.
        changes: Vec<Change>,
    },
    /// A linked group is gone.
    GroupRemoved,
    /// A linked group has another name.
    GroupRenamed {
        /// Its name now.
        now: String,
    },
    /// People are in a group who were not put there.
    MembersAdded {
        /// Their user names, or ids at the app.
        members: Vec<String>,
    },
    /// People who were put into a group are no longer in it.
    MembersRemoved {
        /// Their user names.
        members: Vec<String>,
    },
}

impl Drifted {
    /// As written: `account_removed`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AccountAdded => "account_added",
            Self::AccountKept { .. } => "account_kept",
            Self::AccountNotShown => "account_not_shown",
            Self::AccountRemoved => "account_removed",
            Self::ActiveChanged { .. } => "active_changed",
            Self::AttributesChanged { .. } => "attributes_changed",
            Self::GroupRemoved => "group_removed",
            Self::GroupRenamed { .. } => "group_renamed",
            Self::MembersAdded { .. } => "members_added",
            Self::MembersRemoved { .. } => "members_removed",
        }
    }
}

/// One difference between the app and what we last knew it to hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// What differs.
    #[serde(flatten)]
    pub what: Drifted,
    /// The person or group by name.
    pub name: String,
    /// The app's id.
    pub app_id: AppId,
    /// The directory's id, of what is linked.
    pub id: Option<SourceId>,
    /// What the state has to be told, so that the next sync makes it as the directory says.
    #[serde(skip)]
    pub effects: Vec<Effect>,
}

/// What is compared.
pub struct ExpectedState<'a> {
    /// What we last knew.
    pub baseline: &'a dyn Baseline,
    /// Whose values are whose.
    pub rules: &'a TenantRules<'a>,
    /// Everybody in the app.
    pub users: &'a [AppUser],
    /// Linked groups, each as the app shows it; `None` for one that is gone.
    pub groups: &'a [(SourceId, GroupRow, Option<AppGroup>)],
    /// The account of the token.
    pub own: Option<&'a AppId>,
    /// When rosterd deleted the accounts that are not linked any more, of those it did delete.
    pub deleted: &'a HashMap<AppId, Timestamp>,
    /// Whether groups without any member are believed although no group shows one.
    pub trusts_empty_groups: bool,
}

/// Compares. What one setting of the profile explains is no difference: it is a [`DriftHint`].
///
/// # Errors
/// When the state can't be read.
pub fn drift(expected: &ExpectedState<'_>) -> Result<(Vec<Drift>, Vec<DriftHint>), StoreError> {
    let (mut found, mut hints) = (Vec::new(), Vec::new());
    let hides = expected.rules.profile.users.inactive_effect == InactiveEffect::HidesResource;
    let shown: HashMap<&AppId, &AppUser> = expected.users.iter().map(|user| (&user.id, user)).collect();
    let mut people = AccountDirectory::new(expected.users);
    // What the app shows of nobody it does not keep, or not show: that is no change.
    let is_shown = |path: &Path| expected.users.iter().any(|user| user.attributes.get(path).is_some());
    let kept: Vec<Path> = expected.rules.kept_equal().into_iter().filter(is_shown).collect();
    expected.baseline.linked_users(&mut |id, row| {
        let name = row.sent.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned();
        match shown.get(&row.app_id) {
            Some(user) => of_person(&kept, &id, &row, &name, user, &mut found),
            None if row.active == Some(false) => people.unshown.push((id.clone(), row.app_id.clone(), name.clone())),
            None => found.push(removed(&id, &row.app_id, &name)),
        }
        people.shows_inactive |= row.active == Some(false) && shown.contains_key(&row.app_id);
        people.linked.insert(row.app_id, (id.clone(), row.number));
        people.numbers.insert(row.number, (id, name));
        ControlFlow::Continue(())
    })?;
    if !hides {
        people.of_unshown(&mut found, &mut hints);
    }
    let strangers = expected.users.iter().filter(|user| !people.linked.contains_key(&user.id));
    for user in strangers.filter(|user| expected.own != Some(&user.id)) {
        found.extend(of_stranger(expected, user)?);
    }
    let hint = match expected.trusts_empty_groups {
        true => None,
        false => members_not_shown(expected)?,
    };
    for (id, row, group) in expected.groups {
        let group = group.as_ref().map(|group| match hint {
            Some(DriftHint::MembersNotShown { .. }) => AppGroup { members: None, ..group.clone() },
            _ => group.clone(),
        });
        of_group(expected.baseline, (id, row, group.as_ref()), &people, &mut found)?;
    }
    hints.extend(hint);
    Ok((found, hints))
}

/// Whether the app seems to show no members at all: we know of some, in several groups or of several users, and no group shows any.
fn members_not_shown(expected: &ExpectedState<'_>) -> Result<Option<DriftHint>, StoreError> {
    let (mut groups, mut members) = (0, 0);
    for (id, _, group) in expected.groups {
        match group.as_ref().and_then(|group| group.members.as_ref()) {
            Some(shown) if !shown.is_empty() => return Ok(None),
            Some(_) => {}
            None => continue,
        }
        let known = expected.baseline.members(id)?.len() as u64;
        groups += u64::from(known > 0);
        members += known;
    }
    Ok((groups > 1 || members > 2).then_some(DriftHint::MembersNotShown { groups, members }))
}

/// An account that is not linked: it may have been ours.
fn of_stranger(expected: &ExpectedState<'_>, user: &AppUser) -> Result<Option<Drift>, StoreError> {
    let name = names_of(&user.attributes).user_name;
    let one = |what, id, effects| Some(Drift { what, name, app_id: user.id.clone(), id, effects });
    let Some(id) = expected.baseline.linked_before(&user.id)? else {
        return Ok(one(Drifted::AccountAdded, None, Vec::new()));
    };
    // A released account is the app's own. One that was deleted in an app that only deactivates is as it should be.
    let Some(&deleted) = expected.deleted.get(&user.id) else { return Ok(None) };
    if !user.active && expected.rules.profile.users.delete_effect == DeleteEffect::Deactivates {
        return Ok(None);
    }
    // Linked again, so that the next run finds the user gone and removes the account once more.
    let free = expected.baseline.user(&id)?.is_none();
    let link = Effect::UserLinked { id: id.clone(), app_id: user.id.clone(), provenance: Provenance::Created };
    let effects = if free { vec![link] } else { Vec::new() };
    Ok(one(Drifted::AccountKept { deleted, active: user.active }, Some(id), effects))
}

fn removed(id: &SourceId, app_id: &AppId, name: &str) -> Drift {
    let effects = vec![Effect::UserUnlinked { id: id.clone() }];
    let (name, app_id) = (name.to_owned(), app_id.clone());
    Drift { what: Drifted::AccountRemoved, name, app_id, id: Some(id.clone()), effects }
}

/// Who is who in the app.
struct AccountDirectory<'a> {
    user_names: HashMap<&'a AppId, String>,
    /// Some apps name members by their user names.
    by_user_name: HashMap<String, &'a AppId>,
    linked: HashMap<AppId, (SourceId, UserNumber)>,
    numbers: HashMap<UserNumber, (SourceId, String)>,
    /// Linked accounts that rosterd deactivated and the app does not list.
    unshown: Vec<(SourceId, AppId, String)>,
    /// Whether the app lists any account that rosterd deactivated.
    shows_inactive: bool,
}

impl<'a> AccountDirectory<'a> {
    fn new(users: &'a [AppUser]) -> Self {
        let user_names: HashMap<&AppId, String> =
            users.iter().map(|user| (&user.id, names_of(&user.attributes).user_name)).collect();
        let by_user_name = user_names.iter().map(|(id, name)| (fold(name), *id)).collect();
        let (linked, numbers) = (HashMap::new(), HashMap::new());
        Self { user_names, by_user_name, linked, numbers, unshown: Vec::new(), shows_inactive: false }
    }

    /// Inactive accounts that are not listed: gone where the app lists others, and else perhaps only hidden.
    fn of_unshown(&self, found: &mut Vec<Drift>, hints: &mut Vec<DriftHint>) {
        for (id, app_id, name) in &self.unshown {
            let mut one = removed(id, app_id, name);
            if !self.shows_inactive {
                (one.what, one.effects) = (Drifted::AccountNotShown, Vec::new());
            }
            found.push(one);
        }
        if !self.unshown.is_empty() && !self.shows_inactive {
            hints.push(DriftHint::InactiveNotShown { accounts: self.unshown.len() as u64 });
        }
    }

    /// Whether a member can't be seen because their account is not listed.
    fn is_unshown(&self, id: &SourceId) -> bool {
        self.unshown.iter().any(|(unshown, _, _)| unshown == id)
    }

    fn member(&self, member: &str) -> Option<AppId> {
        let id = AppId::from(member);
        if self.linked.contains_key(&id) || self.user_names.contains_key(&id) {
            return Some(id);
        }
        self.by_user_name.get(&fold(member)).map(|id| (*id).clone())
    }

    fn name(&self, member: &str, id: Option<&AppId>) -> String {
        id.and_then(|id| self.user_names.get(id)).cloned().unwrap_or_else(|| member.to_owned())
    }
}

fn of_person(kept: &[Path], id: &SourceId, row: &UserRow, name: &str, user: &AppUser, found: &mut Vec<Drift>) {
    let one = |what, effects| Drift {
        what,
        name: name.to_owned(),
        app_id: row.app_id.clone(),
        id: Some(id.clone()),
        effects,
    };
    let seen = |set, clear, active| Effect::UserSent { id: id.clone(), set, clear, active, echo: Attributes::new() };
    if row.active.is_some_and(|known| known != user.active) {
        let effects = vec![seen(Attributes::new(), Vec::new(), Some(user.active))];
        found.push(one(Drifted::ActiveChanged { active: user.active }, effects));
    }
    let (mut changes, mut set, mut clear) = (Vec::new(), Attributes::new(), Vec::new());
    for path in kept {
        let known = row.echo.get(path).or_else(|| row.sent.get(path));
        let now = user.attributes.get(path);
        // What was never sent is not ours to compare.
        if known.is_none() || same(path, known, now) {
            continue;
        }
        let value = |value: Option<&Value>| value.cloned().unwrap_or_default();
        changes.push(Change { attribute: path.to_string(), from: value(known), to: value(now) });
        match now {
            Some(now) => set.set(path.clone(), now.clone()),
            None => clear.push(path.clone()),
        }
    }
    if !changes.is_empty() {
        found.push(one(Drifted::AttributesChanged { changes }, vec![seen(set, clear, None)]));
    }
}

/// Names compare without case, as apps do.
fn same(path: &Path, known: Option<&Value>, now: Option<&Value>) -> bool {
    if digest::same(known, now) {
        return true;
    }
    let folds = is_folded_name(path.parts().attribute);
    match (known.and_then(Value::as_str), now.and_then(Value::as_str)) {
        (Some(known), Some(now)) => folds && fold(known) == fold(now),
        _ => false,
    }
}

fn of_group(
    baseline: &dyn Baseline,
    (id, row, group): (&SourceId, &GroupRow, Option<&AppGroup>),
    people: &AccountDirectory<'_>,
    found: &mut Vec<Drift>,
) -> Result<(), StoreError> {
    let one = |what, effects| Drift {
        what,
        name: row.name.clone(),
        app_id: row.app_id.clone(),
        id: Some(id.clone()),
        effects,
    };
    let Some(group) = group else {
        found.push(one(Drifted::GroupRemoved, vec![Effect::GroupUnlinked { id: id.clone() }]));
        return Ok(());
    };
    if row.name_of(&group.display_name) != row.name {
        let now = group.display_name.clone();
        // The same letters are the app's way of writing the name: a change back would be undone there for ever.
        let effects = vec![match is_respelt(&now, &row.name) {
            true => Effect::GroupNameShown { id: id.clone(), shown: now.clone() },
            false => Effect::GroupRenamed { id: id.clone(), name: now.clone() },
        }];
        found.push(one(Drifted::GroupRenamed { now }, effects));
    }
    let Some(members) = &group.members else { return Ok(()) };
    let known: BTreeSet<UserNumber> = baseline.members(id)?.into_iter().collect();
    let (mut now, mut added, mut ours) = (BTreeSet::new(), Vec::new(), Vec::new());
    for member in members {
        let app_id = people.member(member);
        let linked = app_id.as_ref().and_then(|app_id| people.linked.get(app_id));
        if let Some((person, number)) = linked {
            if known.contains(number) {
                now.insert(*number);
                continue;
            }
            ours.push(person.clone());
        } else if was_ours(baseline, member, app_id.as_ref())? {
            // Some apps keep deleted accounts in their groups, and a released account stays where it was.
            continue;
        }
        added.push(people.name(member, app_id.as_ref()));
    }
    if !added.is_empty() {
        // Who is not linked is foreign, and none of ours (I4); who is, is taken out again by the next sync.
        let ours = (!ours.is_empty()).then(|| Effect::MembersAdded { group: id.clone(), users: ours });
        found.push(one(Drifted::MembersAdded { members: added }, ours.into_iter().collect()));
    }
    let gone: Vec<&(SourceId, String)> = known
        .difference(&now)
        .filter_map(|number| people.numbers.get(number))
        .filter(|(id, _)| !people.is_unshown(id))
        .collect();
    if !gone.is_empty() {
        let users = gone.iter().map(|(person, _)| person.clone()).collect();
        let effects = vec![Effect::MembersRemoved { group: id.clone(), users }];
        let members = gone.iter().map(|(_, name)| name.clone()).collect();
        found.push(one(Drifted::MembersRemoved { members }, effects));
    }
    Ok(())
}

/// Whether a member that is not linked is an account that was linked before.
fn was_ours(baseline: &dyn Baseline, member: &str, app_id: Option<&AppId>) -> Result<bool, StoreError> {
    let named = AppId::from(member);
    Ok(baseline.linked_before(app_id.unwrap_or(&named))?.is_some())
}
