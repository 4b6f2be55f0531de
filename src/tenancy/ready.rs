//! From a file's text to a [`Tenant`].

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use super::expressions::{self, Expressions, SourceAttributes};
use super::fit;
use super::floor::Floor;
use super::paths::beside;
use super::placeholders;
use super::programs;
use crate::config::diagnostic::Diagnostic;
use crate::config::directory::SourceTables;
use crate::config::document::{Document, SourceText};
use crate::config::global::ProgramsTable;
use crate::config::login::ClientCertificateTable;
use crate::config::network::NetworkTable;
use crate::config::old_keys::{self, Replaced};
use crate::config::profile::Profile;
use crate::config::profiles::AppFolder;
use crate::config::tenant::{GroupPattern, SecretRef, TenantFile};
use crate::config::{forms, load, profiles, words};
use crate::mapping::{Filter, GroupName, Mapping};
use crate::model::GroupMatch;
use crate::model::TenantName;
use crate::source::kind;

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
    /// What kind of directory it has, as `init` and the default mappings name it.
    pub directory: &'static str,
    /// The other tenants beside this one that are connected to the same `base_url`.
    pub same_app: Vec<TenantName>,
    /// `[network]` of `rosterd.toml`.
    pub network: NetworkTable,
    /// The file's text, for messages that point into it.
    pub(super) source: SourceText,
}

impl Tenant {
    /// The secrets this tenant needs, each with the keys that lead to it.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static [&'static str], &SecretRef)> {
        let app =
            self.file.target.network.as_ref().map(|network| (&["target", "network", "proxy_password"][..], network));
        let networks = self.file.source.network().into_iter().chain(app);
        let passwords = networks.filter_map(|(key, network)| Some((key, network.proxy_password.as_ref()?)));
        self.file.source.secrets().into_iter().chain(self.file.target.secrets()).chain(passwords)
    }

    /// The client certificates this tenant shows, each with the keys that lead to it.
    pub fn client_certificates(&self) -> impl Iterator<Item = (&'static [&'static str], &ClientCertificateTable)> {
        let target = self.file.target.client_certificate.as_ref();
        let target = target.map(|table| (&["target", "client_certificate"][..], table));
        self.file.source.client_certificate().into_iter().chain(target)
    }

    /// The private keys this tenant needs, each with the keys that lead to it.
    pub fn private_keys(&self) -> impl Iterator<Item = (Vec<&'static str>, &SecretRef)> {
        let signing = self.file.target.signing_keys().into_iter().map(|((path, place), _)| (path.to_vec(), place));
        signing.chain(self.client_certificates().map(|(path, table)| ([path, &["key"]].concat(), &table.key)))
    }

    /// How connections to the directory are made.
    pub fn directory_network(&self) -> NetworkTable {
        NetworkTable::over(self.file.source.network().map(|(_, network)| network), &self.network)
    }

    /// How connections to the app are made.
    pub fn app_network(&self) -> NetworkTable {
        NetworkTable::over(self.file.target.network.as_ref(), &self.network)
    }

    /// What is wrong with the commands that print its secrets.
    pub(super) fn check_programs(&self, programs: Option<&ProgramsTable>) -> Vec<Diagnostic> {
        let secrets: Vec<_> = self.secrets().map(|(path, secret)| (path.to_vec(), secret)).collect();
        // The text parsed before; this is only for the places in it.
        programs::check(&Document::parse(&self.source, &mut Vec::new()), &secrets, programs)
    }

    /// What a message calls the secrets and other files that the tenant names, together.
    pub fn files(&self) -> String {
        format!("a secret or certificate file of {}", self.path.display())
    }

    /// The next times of its schedule, in the schedule's time zone; none if the daemon's usual schedule applies.
    pub(super) fn next_runs(&self, now: Timestamp, count: usize) -> Vec<Timestamp> {
        let Some(schedule) = &self.file.schedule else { return Vec::new() };
        let zone = self.file.time_zone.clone().unwrap_or_default().time_zone().clone();
        let times = std::iter::successors(schedule.next_after(&now.to_zoned(zone)), |time| schedule.next_after(time));
        times.take(count).map(|time| time.timestamp()).collect()
    }

    /// Tells one reading of the tenant's files from another: equal as long as they say the same.
    pub fn fingerprint(&self) -> u64 {
        let (guard, approval) = (&self.file.guard, &self.file.approval);
        // Not who else is connected to the app: that depends on which files were read beside this one.
        let network = Some(&self.network).filter(|network| **network != NetworkTable::default());
        xxh3_64(format!("{} {:?} {guard:?} {approval:?} {network:?}", self.source.text(), self.profile).as_bytes())
    }
}

/// Makes a tenant of a text; every mistake goes to `found`.
pub(super) fn make(
    name: &TenantName,
    source: SourceText,
    floor: &Floor,
    found: &mut Vec<Diagnostic>,
) -> Option<Tenant> {
    let mut document = Document::parse(&source, found);
    let replaced = old_keys::rewrite(&mut document, &["target", "override_profile"], found);
    let file = load::tenant(&document, found);
    let known = known(&document, found);
    let expressions = expressions::compile(&document, &known, found);
    let profile = profile(&document, file.as_ref(), &replaced, found);
    let (Some(mut file), Some(expressions), Some(mut profile)) = (file, expressions, profile) else { return None };
    if let Some(listed) = &file.users.r#match {
        profile.read.user_match.clone_from(listed);
    }
    floor.apply(&document, &mut file, found);
    fit::check(&document, &file, &profile, &expressions.mapping, found);
    placeholders::check(&document, found);
    if found.iter().any(Diagnostic::is_error) {
        return None;
    }
    drop(document);
    make_paths_whole(&mut file, source.file());
    let Expressions { mapping, filter, group_name } = expressions;
    let groups = file.scope.groups.as_ref().map(|listed| listed.iter().filter_map(group_match).collect());
    let (name, path) = (name.clone(), source.file().to_owned());
    let directory = known.product;
    Some(Tenant {
        name,
        path,
        file,
        profile,
        mapping,
        filter,
        group_name,
        groups,
        directory,
        same_app: Vec::new(),
        network: NetworkTable::default(),
        source,
    })
}

fn group_match(listed: &GroupPattern) -> Option<GroupMatch> {
    match (&listed.name, &listed.id) {
        (Some(name), None) => Some(GroupMatch::Name(name.clone())),
        (None, Some(id)) => Some(GroupMatch::Id(id.clone())),
        _ => None,
    }
}

/// What is known of the directory, as far as its table can be read.
fn known(document: &Document<'_>, found: &mut Vec<Diagnostic>) -> SourceAttributes {
    let Some(mut tables) = document.read_at::<SourceTables>(&["source"]) else {
        let kind = kind::KINDS.iter().copied().find(|kind| document.table_at(&["source", kind.table()]).is_some());
        return kind.map_or_else(SourceAttributes::nothing, SourceAttributes::of_kind);
    };
    tables.make_paths_whole(|path| *path = beside(document.source().file(), path));
    SourceAttributes::of(&tables).unwrap_or_else(|error| {
        // A mistake that the file's shape shows is told there, at its own place.
        if !found.iter().any(Diagnostic::is_error) {
            found.push(document.error(
                &["source"],
                error.to_string(),
                "see the keys of its table in docs/configuration.md",
            ));
        }
        SourceAttributes::nothing()
    })
}

/// Finds the profile and reads it with the tenant's overrides.
fn profile(
    document: &Document<'_>,
    file: Option<&TenantFile>,
    replaced: &Replaced,
    found: &mut Vec<Diagnostic>,
) -> Option<Profile> {
    const PATH: [&str; 2] = ["target", "profile"];
    let named = document.text_at(&PATH).unwrap_or("scim");
    let folder = match profiles::shipped(named) {
        Some(folder) => folder,
        None if profiles::is_path(named) => {
            let path = beside(document.source().file(), named.as_ref());
            AppFolder::at(&path)
                .map_err(|error| {
                    // Why it is not trusted comes with its own remedy; a path that leads nowhere is most likely a wrong one.
                    let hint = match (path.exists(), &error.hint) {
                        (true, Some(hint)) => hint.clone(),
                        _ => "a path is relative to this file; a shipped profile is named without `.toml`".to_owned(),
                    };
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
    profiles::read(&folder.profile(), &overrides, replaced, found)
}

/// Relative paths are relative to the file they stand in.
fn make_paths_whole(file: &mut TenantFile, of: &Path) {
    let whole = |path: &mut PathBuf| *path = beside(of, path);
    file.source.make_paths_whole(whole);
    file.target.ca_file.iter_mut().for_each(whole);
    file.target.login_paths_mut().into_iter().for_each(whole);
    let password = file.target.network.iter_mut().filter_map(|network| network.proxy_password.as_mut()?.file.as_mut());
    password.for_each(whole);
}
