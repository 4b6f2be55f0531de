//! One tenant file, ready to run. In: a path. Out: a [`Tenant`], or what is wrong.

use std::path::{Path, PathBuf};

use serde_json::Map;

use crate::config::diagnostic::Diagnostic;
use crate::config::document::{Document, SourceText};
use crate::config::load;
use crate::config::profile::Profile;
use crate::config::profiles;
use crate::config::tenant::{LdapPreset, SecretRef, TenantFile};
use crate::desired::GroupMatch;
use crate::mapping::{Filter, GroupName, KnownAttributes, Mapping, RuleProblem, Where, default_rules};
use crate::model::TenantName;

/// A tenant that can't be invalid.
#[derive(Debug)]
pub struct Tenant {
    /// Its name.
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
}

pub(super) fn read(name: TenantName, path: &Path, found: &mut Vec<Diagnostic>) -> Option<Tenant> {
    let text = load::read_text(path).map_err(|one| found.push(*one)).ok()?;
    let document = Document::parse(&text, found);
    let mut file = load::tenant(&document, found)?;
    make_paths_whole(&mut file, path.parent().unwrap_or(Path::new("")));
    let directory = directory(&file);
    let known = KnownAttributes::open(directory.attributes.iter().cloned());

    let profile = profile(&document, &file, path, found);
    let rules = file.users.attributes.clone();
    let written = rules.is_some();
    let rules = rules.unwrap_or_else(|| default_rules(directory.name, &known));
    let mapping = Mapping::compile(&rules, &known, &Map::new())
        .map_err(|problems| report_mapping(&document, problems, written, found))
        .ok();
    let filter = match &file.scope.users {
        Some(text) => Filter::compile(text, &known, &Map::new())
            .map(Some)
            .map_err(|problems| report(&document, &["scope", "users"], problems, found))
            .ok(),
        None => Some(None),
    };
    let group_name = GroupName::compile(&file.groups.display_name, &known)
        .map_err(|problems| report(&document, &["groups", "displayName"], problems, found))
        .ok();
    let groups = file.scope.groups.as_ref().map(|patterns| {
        let patterns = patterns.iter().map(|pattern| match (&pattern.id, &pattern.name) {
            (Some(id), _) => GroupMatch::Id(id.clone()),
            (None, name) => GroupMatch::Name(name.clone().unwrap_or_default()),
        });
        patterns.collect()
    });
    let (profile, mapping, filter, group_name) = (profile?, mapping?, filter?, group_name?);
    for warning in mapping.warnings() {
        let message = warning.message.clone();
        found.push(document.warning(&["users", "attributes", &warning.key], message, hint_of(warning)));
    }
    Some(Tenant { name, path: path.to_owned(), file, profile, mapping, filter, group_name, groups })
}

struct Directory {
    /// The name under which defaults are kept.
    name: &'static str,
    attributes: Vec<String>,
}

fn directory(file: &TenantFile) -> Directory {
    match &file.source.ldap {
        Some(ldap) => Directory {
            name: match ldap.preset {
                LdapPreset::OpenLdap => "openldap",
                LdapPreset::Ds389 => "389ds",
                LdapPreset::ActiveDirectory => "ad",
            },
            attributes: ldap.attributes.clone(),
        },
        None => Directory { name: "file", attributes: Vec::new() },
    }
}

/// The named profile with the tenant's differences merged in, key by key.
fn profile(document: &Document<'_>, file: &TenantFile, tenant: &Path, found: &mut Vec<Diagnostic>) -> Option<Profile> {
    let named = &file.target.profile;
    let text = match profiles::shipped(named) {
        Some(text) => SourceText::new(format!("profile {named}"), text),
        None if named.contains(['/', '.']) => {
            let path = tenant.parent().unwrap_or(Path::new("")).join(named);
            load::read_text(&path).map_err(|one| found.push(*one)).ok()?
        }
        None => {
            let shipped: Vec<&str> = profiles::names().collect();
            let hint = format!("it is one of {}, or the path of a profile file", shipped.join(", "));
            found.push(document.error(&["target", "profile"], format!("there is no profile {named:?}"), hint));
            return None;
        }
    };
    let parsed = Document::parse(&text, found);
    load::profile(&parsed, found)?;
    let mut table: toml::Table = text.text().parse().ok()?;
    merge(&mut table, &file.target.override_profile.0);
    match table.try_into() {
        Ok(profile) => Some(profile),
        Err(error) => {
            let hint = "the keys are those of a profile; `rosterd schema profile` lists them";
            found.push(document.error(&["target", "override_profile"], error.message(), hint));
            None
        }
    }
}

fn merge(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn report_mapping(document: &Document<'_>, problems: Vec<RuleProblem>, written: bool, found: &mut Vec<Diagnostic>) {
    for problem in problems {
        if !written {
            let hint = "write [users.attributes] to say what is sent";
            found.push(document.error(&["users", "attributes"], problem.message, hint));
            continue;
        }
        let path = ["users", "attributes", problem.key.as_str()];
        let diagnostic = match problem.what {
            Where::Key => {
                let message = problem.message.clone();
                document.at_key(&path, message, problem.hint.clone())
            }
            Where::Value => {
                // A rule may be written as a table with `from`.
                let from = ["users", "attributes", problem.key.as_str(), "from"];
                let place: &[&str] = if document.get(&from).is_some() { &from } else { &path };
                document.error_within(place, problem.offset.clone(), problem.message.clone(), problem.hint.clone())
            }
        };
        found.push(diagnostic);
    }
}

fn report(document: &Document<'_>, path: &[&str], problems: Vec<RuleProblem>, found: &mut Vec<Diagnostic>) {
    for problem in problems {
        found.push(document.error_within(path, problem.offset, problem.message, problem.hint));
    }
}

fn hint_of(problem: &RuleProblem) -> String {
    problem.hint.clone().unwrap_or_else(|| "check the name".to_owned())
}

/// Relative paths are relative to the file they stand in.
fn make_paths_whole(file: &mut TenantFile, base: &Path) {
    let whole = |path: &mut PathBuf| *path = base.join(&*path);
    let secret = |secret: &mut SecretRef| {
        if let Some(path) = &mut secret.file {
            *path = base.join(&*path);
        }
    };
    if let Some(source) = &mut file.source.file {
        whole(&mut source.path);
    }
    if let Some(ldap) = &mut file.source.ldap {
        secret(&mut ldap.password);
        ldap.ca_file.iter_mut().for_each(whole);
    }
    file.target.token.iter_mut().for_each(secret);
    file.target.ca_file.iter_mut().for_each(whole);
}
