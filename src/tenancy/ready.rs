//! From a file's text to a [`Tenant`].

use std::path::{Path, PathBuf};

use super::expressions::{self, Expressions, Known};
use super::files::beside;
use super::fit;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::{Document, SourceText};
use crate::config::profile::Profile;
use crate::config::tenant::{GroupPattern, LdapPreset, SecretRef, TenantFile};
use crate::config::{forms, load, profiles, words};
use crate::desired::GroupMatch;
use crate::mapping::{Filter, GroupName, Mapping};
use crate::model::TenantName;

/// A tenant that can't be invalid. Only this room makes one, so whoever holds one need not check anything again.
#[derive(Debug)]
pub struct Tenant {
    /// Its name: the file's name without `.toml`.
    pub name: TenantName,
    /// Its file.
    pub path: PathBuf,
    /// What the file says; paths in it are made whole.
    pub file: TenantFile,
    /// How the app differs from the standard, with the tenant's own differences.
    pub profile: Profile,
    /// Directory attributes → SCIM attributes.
    pub mapping: Mapping,
    /// Who is in scope, if that is narrowed.
    pub filter: Option<Filter>,
    /// How groups are named.
    pub group_name: GroupName,
    /// The groups in scope; `None` for all that the directory assigns.
    pub groups: Option<Vec<GroupMatch>>,
    /// The file's text, for messages that point into it.
    pub(super) source: SourceText,
}

impl Tenant {
    /// The secrets this tenant needs, each with the keys that lead to it.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static [&'static str], &SecretRef)> {
        let password = self.file.source.ldap.iter().map(|table| (&["source", "ldap", "password"][..], &table.password));
        password.chain(self.file.target.token.iter().map(|token| (&["target", "token"][..], token)))
    }
}

/// Makes a tenant of a text; every mistake goes to `found`.
pub(super) fn make(name: &TenantName, source: SourceText, found: &mut Vec<Diagnostic>) -> Option<Tenant> {
    let document = Document::parse(&source, found);
    let file = load::tenant(&document, found);
    let known = known(&document);
    let expressions = known.and_then(|known| expressions::compile(&document, &known, found));
    let profile = profile(&document, file.as_ref(), found);
    let (Some(mut file), Some(expressions), Some(profile)) = (file, expressions, profile) else { return None };
    fit::check(&document, &file, &profile, &expressions.mapping, found);
    if found.iter().any(Diagnostic::is_error) {
        return None;
    }
    drop(document);
    make_paths_whole(&mut file, source.file());
    let Expressions { mapping, filter, group_name } = expressions;
    let groups = file.scope.groups.as_ref().map(|listed| listed.iter().filter_map(group_match).collect());
    let (name, path) = (name.clone(), source.file().to_owned());
    Some(Tenant { name, path, file, profile, mapping, filter, group_name, groups, source })
}

fn group_match(listed: &GroupPattern) -> Option<GroupMatch> {
    match (&listed.name, &listed.id) {
        (Some(name), None) => Some(GroupMatch::Name(name.clone())),
        (None, Some(id)) => Some(GroupMatch::Id(id.clone())),
        _ => None,
    }
}

/// What is known of the directory, as far as its table can be read; `None` if there is no directory to know of.
fn known(document: &Document<'_>) -> Option<Known> {
    if document.table_at(&["source", "ldap"]).is_some() {
        let preset = match document.text_at(&["source", "ldap", "preset"]) {
            Some("389ds") => LdapPreset::Ds389,
            Some("ad") => LdapPreset::ActiveDirectory,
            _ => LdapPreset::OpenLdap,
        };
        let named = document.get(&["source", "ldap", "attributes"]).and_then(|node| node.get_ref().as_array());
        let named: Vec<String> = named
            .into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|one| one.get_ref().as_str().map(str::to_owned))
            .collect();
        return Some(Known::of_ldap(preset, &named));
    }
    let path = document.text_at(&["source", "file", "path"])?;
    let delimiter = document.text_at(&["source", "file", "delimiter"]).and_then(|text| text.bytes().next());
    Some(Known::of_file(&beside(document.source().file(), path.as_ref()), delimiter.unwrap_or(b',')))
}

/// Finds the profile and reads it with the tenant's overrides.
fn profile(document: &Document<'_>, file: Option<&TenantFile>, found: &mut Vec<Diagnostic>) -> Option<Profile> {
    const PATH: [&str; 2] = ["target", "profile"];
    let named = document.text_at(&PATH).unwrap_or("scim");
    let text = match profiles::shipped(named) {
        Some(text) => SourceText::new(format!("config/profiles/{named}.toml"), text),
        None if named.contains('/') || named.ends_with(".toml") => {
            let path = beside(document.source().file(), named.as_ref());
            load::read_text(&path)
                .map_err(|error| {
                    let hint = "a path is relative to this file; a shipped profile is named without `.toml`";
                    found.push(document.error(
                        &PATH,
                        format!("the profile file {}: {}", path.display(), error.message),
                        hint,
                    ));
                })
                .ok()?
        }
        None => {
            let near = forms::nearest(named, profiles::names());
            let all = words::list(profiles::names());
            let hint = match near {
                Some(near) => format!("did you mean `{near}`? a profile file of your own is named by its path"),
                None => format!("it can be {all}, or the path of a profile file of your own"),
            };
            found.push(document.error(&PATH, format!("there is no profile {named:?}"), hint));
            return None;
        }
    };
    let overrides = file.map(|file| file.target.override_profile.clone()).unwrap_or_default();
    profiles::read(&text, &overrides, found)
}

/// Relative paths are relative to the file they stand in.
fn make_paths_whole(file: &mut TenantFile, of: &Path) {
    let whole = |path: &mut PathBuf| *path = beside(of, path);
    if let Some(table) = &mut file.source.file {
        whole(&mut table.path);
    }
    if let Some(table) = &mut file.source.ldap {
        table.ca_file.iter_mut().for_each(whole);
        table.password.file.iter_mut().for_each(whole);
    }
    file.target.ca_file.iter_mut().for_each(whole);
    file.target.token.iter_mut().filter_map(|token| token.file.as_mut()).for_each(whole);
}
