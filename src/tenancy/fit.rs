//! Does what the tenant wants fit what its app can do? In: a file that is right by itself, and its profile. Out: a diagnostic
//! for each wish that can't come true.

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::forms::Limit;
use crate::config::profile::{DeleteEffect, GroupSupport, Profile, UpdateMethod};
use crate::config::profiles::attributes_at_odds;
use crate::config::tenant::{DeprovisioningAction, TenantFile};
use crate::mapping::Mapping;
use crate::model::Path;
use crate::schema;

/// All of it.
pub(super) fn check(
    document: &Document<'_>,
    file: &TenantFile,
    profile: &Profile,
    mapping: &Mapping,
    found: &mut Vec<Diagnostic>,
) {
    // What is built on settings that contradict one another would only follow from that.
    if attributes_at_odds(document, &["target", "override_profile"], &profile.attributes, found) {
        return;
    }
    deletions(document, file, profile, found);
    groups(document, file, profile, found);
    required(document, profile, mapping, found);
    never_sent(document, profile, mapping, found);
    misspelt(document, profile, found);
    groups_by_put(document, profile, found);
    matching(document, file, profile, mapping, found);
    switched_off(document, file, found);
}

fn app(profile: &Profile) -> &str {
    if profile.name.is_empty() { "the app" } else { &profile.name }
}

fn deletions(document: &Document<'_>, file: &TenantFile, profile: &Profile, found: &mut Vec<Diagnostic>) {
    let fates = [
        ("on_suspended", file.users.on_suspended),
        ("on_unassigned", file.users.on_unassigned),
        ("on_deleted", file.users.on_deleted),
    ];
    for (key, _) in fates.into_iter().filter(|(_, fate)| *fate == DeprovisioningAction::Delete) {
        let path = ["users", key];
        match profile.users.delete_effect {
            DeleteEffect::Unsupported => found.push(document.error(
                &path,
                format!("{} offers no way to delete an account", app(profile)),
                format!("write `{key} = \"deactivate\"`"),
            )),
            DeleteEffect::Irreversible => found.push(document.warning(
                &path,
                format!("a user who is deleted in {} can never have an account again", app(profile)),
                format!("`{key} = \"deactivate\"` can be undone"),
            )),
            DeleteEffect::Hard | DeleteEffect::Deactivates => {}
        }
    }
}

fn groups(document: &Document<'_>, file: &TenantFile, profile: &Profile, found: &mut Vec<Diagnostic>) {
    let path = ["groups", "manage"];
    if profile.groups.support == GroupSupport::Off && file.groups.manage && document.get(&path).is_some() {
        let message = format!("{} has no groups that could be managed", app(profile));
        found.push(document.warning(&path, message, "only users are kept in sync; write `manage = false`"));
    }
}

/// Whether a mapping sends something of an attribute: `name` by `name.givenName`, `emails` by a work e-mail.
fn sends(mapping: &Mapping, wanted: &Path) -> bool {
    let wanted = wanted.parts();
    mapping.paths().any(|path| {
        let path = path.parts();
        path.urn == wanted.urn
            && path.attribute.eq_ignore_ascii_case(wanted.attribute)
            && wanted.element_type.is_none_or(|kind| Some(kind) == path.element_type || path.element_type.is_none())
            && wanted.sub.is_none_or(|sub| Some(sub) == path.sub || path.sub.is_none())
    })
}

fn paths(listed: &[String]) -> impl Iterator<Item = (&str, Path)> {
    listed.iter().filter_map(|text| Some((text.as_str(), Path::parse(text).ok()?)))
}

fn required(document: &Document<'_>, profile: &Profile, mapping: &Mapping, found: &mut Vec<Diagnostic>) {
    for path in profile.attributes.required() {
        let by_us = *path == Path::external_id() && profile.users.send_external_id;
        if !by_us && !sends(mapping, path) {
            let name = path.short();
            found.push(document.error(
                &["users", "attributes"],
                format!("{} refuses an account without `{name}`, which is not mapped", app(profile)),
                format!("add `{name} = …` to `[users.attributes]`"),
            ));
        }
    }
}

fn never_sent(document: &Document<'_>, profile: &Profile, mapping: &Mapping, found: &mut Vec<Diagnostic>) {
    let Some(written) = document.table_at(&["users", "attributes"]) else { return };
    for path in profile.attributes.never_sent().filter(|path| sends(mapping, path)) {
        let name = path.short();
        let key = written
            .keys()
            .map(|key| key.get_ref().as_ref())
            .find(|key| Path::parse(key).is_ok_and(|key| key.parts().attribute == path.parts().attribute));
        let message = format!("{} does not know `{name}`, so it is never sent", app(profile));
        found.push(document.warning(&["users", "attributes", key.unwrap_or(&name)], message, "remove the line"));
    }
}

/// An attribute that neither SCIM nor the profile has, and that is nearly spelt like one of SCIM's: the app would pass over it without a word.
fn misspelt(document: &Document<'_>, profile: &Profile, found: &mut Vec<Diagnostic>) {
    let Some(written) = document.table_at(&["users", "attributes"]) else { return };
    for key in written.keys().map(|key| key.get_ref().as_ref()) {
        let Ok(path) = Path::parse(key) else { continue };
        let (urn, name) = (path.parts().urn, path.parts().attribute);
        let is_known = profile
            .attributes
            .iter()
            .any(|(known, _)| known.parts().urn == urn && known.parts().attribute.eq_ignore_ascii_case(name));
        if let Some(meant) = schema::misspelt_in_user(urn, name).filter(|_| !is_known) {
            found.push(document.error(
                &["users", "attributes", key],
                format!("SCIM has no attribute `{name}`"),
                format!("did you mean `{meant}`? an attribute of the app's own is named in its profile: `[attributes.{name:?}]`"),
            ));
        }
    }
}

/// A PUT needs all members of a group.
fn groups_by_put(document: &Document<'_>, profile: &Profile, found: &mut Vec<Diagnostic>) {
    let users = &profile.users;
    let by_put = profile.groups.update_method.unwrap_or(users.update_method) == UpdateMethod::PutMerge;
    if by_put && !profile.read.members_readable && profile.groups.support != GroupSupport::Off {
        found.push(document.warning(
                &["target", "override_profile", "groups", "update_method"],
                "groups can't be changed by PUT where the app shows no members (`read.members_readable = false`): PATCH is sent",
                "write `groups.update_method = \"patch\"` if the app takes PATCH for groups, or `read.members_readable = true`",
            ));
    }
}

/// An attribute that is not sent can't recognise anybody.
fn matching(
    document: &Document<'_>,
    file: &TenantFile,
    profile: &Profile,
    mapping: &Mapping,
    found: &mut Vec<Diagnostic>,
) {
    let listed = file.users.r#match.as_ref().unwrap_or(&profile.read.user_match);
    let usable = |path: &Path| *path == Path::external_id() || sends(mapping, path);
    let unusable: Vec<&str> = paths(listed).filter(|(_, path)| !usable(path)).map(|(name, _)| name).collect();
    if unusable.is_empty() {
        return;
    }
    let names = crate::config::words::list(unusable.iter().copied());
    let (message, hint) =
        (format!("users are matched by {names}, which is not mapped"), "map it, or remove it from `match`");
    let path = ["users", "match"];
    let nothing_left = unusable.len() == listed.len();
    found.push(match nothing_left {
        true => document.error(&path, message, hint),
        false => document.warning(&path, message, hint),
    });
}

/// A guard that is switched off is worth a word each time.
fn switched_off(document: &Document<'_>, file: &TenantFile, found: &mut Vec<Diagnostic>) {
    let guards: [(&str, Limit, &str); 2] = [
        ("removals_per_day", file.guard.removals_per_day, "all users could lose access in one run"),
        ("source_shrink", file.guard.source_shrink, "a directory that suddenly shows almost no users would be trusted"),
    ];
    for (key, limit, consequence) in guards {
        if limit.is_none() {
            found.push(document.warning(&["guard", key], consequence, "leave the key out for the usual limit"));
        }
    }
}
