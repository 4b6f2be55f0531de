//! Groups and who is in them. In: the list of roles (or of security-policy groups), and everybody. Out: groups with members.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, stream};

use super::application::Binding;
use super::layout::Layout;
use super::pages::{List, v1, whole};
use super::people::{NEEDS, People};
use super::record::{Object, id};
use super::{by_roles, told, v2};
use crate::config::directory::onelogin::OneLoginMembers;
use crate::progress::Progress;
use crate::source::members::Spared;
use crate::source::web::{Api, Question};
use crate::source::{Reading, SourceError};

/// Roles a page (documented).
const ROLES_PAGE: u32 = 650;
/// Members a page (as the vendor's own provider for Terraform asks).
pub(super) const MEMBERS_PAGE: u32 = 100;
/// More pages of groups than anybody has: each user has one group, and a page has fifty.
const MOST_GROUP_PAGES: u32 = 10_000;

/// A role or group.
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) name: String,
    /// Whether the application is given to it.
    pub(super) assigned: bool,
    /// Whether its members are of interest.
    pub(super) wanted: bool,
}

/// Reads all roles or groups.
pub(super) async fn list(
    api: &Api,
    layout: &Layout,
    binding: Option<&Binding>,
    reading: &mut Reading,
    progress: &dyn Progress,
) -> Result<Vec<Group>, SourceError> {
    progress.stage("reading groups", None);
    let what = if by_roles(layout) { "roles" } else { "groups" };
    let opened = reading.open_list(what);
    let (named, announced) = match by_roles(layout) {
        true => {
            let list = List::of("roles", v2("roles"), ROLES_PAGE);
            let pass = whole(api, &list, progress, |id, role| name(id, &role), |_| false)
                .await
                .map_err(|error| told(error, NEEDS))?;
            (pass.entries, pass.last)
        }
        false => (policy_groups(api).await.map_err(|error| told(error, NEEDS))?, None),
    };
    reading.received(opened, named.len() as u64);
    reading.close_list(opened, announced);
    let mut groups: Vec<Group> = named
        .into_iter()
        .map(|(id, name)| {
            let assigned = binding.is_none_or(|binding| binding.roles.contains(&id));
            Group { id, wanted: layout.wants(id, &name, assigned), name, assigned }
        })
        .collect();
    groups.extend(hidden(api, layout, binding, &groups).await?);
    Ok(groups)
}

fn name(id: u64, group: &Object) -> Result<String, SourceError> {
    match group.get("name").and_then(serde_json::Value::as_str) {
        Some(name) => Ok(name.to_owned()),
        None => Err(SourceError::Malformed(format!("roles: role {id} has no name"))),
    }
}

async fn policy_groups(api: &Api) -> Result<Vec<(u64, String)>, SourceError> {
    let question = Question::get("groups", ["api", "1", "groups"]).with("limit", 50);
    let entries = v1(api, &question, MOST_GROUP_PAGES).await?;
    let mut seen = HashSet::new();
    let groups = entries.into_iter().map(|group| {
        let id = id(&group, "groups")?;
        Ok((id, name(id, &group)?))
    });
    groups.filter(|group: &Result<_, SourceError>| group.as_ref().map_or(true, |(id, _)| seen.insert(*id))).collect()
}

/// Roles that the application is given to and that the list did not show. One that does not exist is no matter; one that
/// does would take everybody's access along if it were passed over.
async fn hidden(
    api: &Api,
    layout: &Layout,
    binding: Option<&Binding>,
    shown: &[Group],
) -> Result<Vec<Group>, SourceError> {
    let shown: HashSet<u64> = shown.iter().map(|group| group.id).collect();
    let mut found = Vec::new();
    for id in binding.iter().flat_map(|binding| &binding.roles).copied().filter(|id| !shown.contains(id)) {
        let question = Question::get("a role", [&v2("roles")[..], &[id.to_string()]].concat());
        if let Some(reply) = api.find(&question).await? {
            let name = name(id, &api.json("a role", &reply)?)?;
            found.push(Group { id, wanted: layout.wants(id, &name, true), name, assigned: true });
        }
    }
    Ok(found)
}

/// The members of each group, in the order of the groups; none for those that nobody wants.
pub(super) async fn members(
    api: &Api,
    layout: &Layout,
    groups: &[Group],
    people: &People,
    progress: &dyn Progress,
) -> Result<Vec<Members>, SourceError> {
    let from_users = !by_roles(layout) || (layout.members == OneLoginMembers::Users && people.shows_roles());
    if from_users {
        return Ok(from_people(layout, groups, people));
    }
    if layout.members == OneLoginMembers::Users {
        tracing::warn!("the list of users shows no roles, so members are read role by role");
    }
    progress.stage("reading members", None);
    let all: Vec<_> = groups.iter().map(|group| of_role(api, group, progress)).collect();
    let mut spared = Spared::of(groups.iter().filter(|group| group.wanted).count());
    let mut answers = stream::iter(all).buffered(layout.in_flight).zip(stream::iter(groups));
    let mut read = Vec::with_capacity(groups.len());
    while let Some((members, group)) = answers.next().await {
        match members {
            Err(SourceError::Forbidden(why)) if people.shows_roles() => {
                tracing::warn!(why, "members may not be read role by role; the list of users tells them too");
                return Ok(from_people(layout, groups, people));
            }
            // Nothing was asked about a group that nobody wants: it says nothing of the directory.
            members if !group.wanted => read.push(members.map_err(|error| error.to_string())),
            members => read.push(spared.take(&group.name, members)?),
        }
    }
    spared.done()?;
    Ok(read)
}

/// The members of a role, or why they are unknown.
pub(super) type Members = Result<Vec<u64>, String>;

fn from_people(layout: &Layout, groups: &[Group], people: &People) -> Vec<Members> {
    let places: HashMap<u64, usize> =
        groups.iter().enumerate().filter(|(_, group)| group.wanted).map(|(at, group)| (group.id, at)).collect();
    let mut members = vec![Vec::new(); groups.len()];
    for (id, person) in &people.all {
        let roles = person.roles.as_deref().filter(|_| by_roles(layout)).unwrap_or_default();
        let held = roles.iter().chain(person.group.as_ref().filter(|_| !by_roles(layout)));
        for place in held.filter_map(|group| places.get(group)) {
            if let Some(members) = members.get_mut(*place) {
                members.push(*id);
            }
        }
    }
    members.into_iter().map(Ok).collect()
}

async fn of_role(api: &Api, role: &Group, progress: &dyn Progress) -> Result<Vec<u64>, SourceError> {
    if !role.wanted {
        return Ok(Vec::new());
    }
    // `include_unassigned` would show everybody, and is never sent.
    let list = List {
        label: format!("members of the role {:?}", role.name),
        since: Some("added_at"),
        ..List::of(
            "members of a role",
            [&v2("roles")[..], &[role.id.to_string(), "users".to_owned()]].concat(),
            MEMBERS_PAGE,
        )
    };
    let take = |_, member: Object| Ok(member.get("assigned") != Some(&serde_json::Value::Bool(false)));
    let pass = whole(api, &list, progress, take, |_| false).await;
    let pass = pass.map_err(|error| told(error, "Manage All, which reading the members of a role may need"))?;
    Ok(pass.entries.into_iter().filter(|(_, assigned)| *assigned).map(|(id, _)| id).collect())
}
