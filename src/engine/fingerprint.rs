//! Fingerprints of what the operator wrote, so that the next run notices an edit. It takes a tenant and returns hashes.
//!
//! They hash the canonical form of [`crate::config::canonical`], never the name of a Rust type or variant. A fixture pins them: a change that is
//! meant raises [`VERSION`], and records of another version are accepted once.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::attributes::Canonical;
use crate::config::canonical;
use crate::config::directory::ldap::LdapPreset;
use crate::config::forms::AppAddress;
use crate::config::profile::{Adopt, GroupWire, Profile, ReadSettings, UserWire};
use crate::model::Path;
use crate::store::SettingsMark;
use crate::tenancy::Tenant;

/// The version of the form that is hashed.
const VERSION: u32 = 1;

/// Rises when the same settings begin to lead to other decisions, so that every user is compared again.
const DECISIONS: u64 = 2;

/// The fingerprints of a tenant's settings.
pub(super) fn settings_mark(tenant: &Tenant) -> SettingsMark {
    SettingsMark {
        version: VERSION,
        all: hash_of(&Decisive::of(tenant)),
        matching: hash_of(&Matching::of(tenant)),
        target: target(&tenant.file.target.base_url),
    }
}

/// Everything in a tenant's files that decides which users have accounts, and what these hold.
#[derive(Serialize)]
struct Decisive<'a> {
    decisions: u64,
    mapping: u64,
    application: Option<&'a str>,
    scope: String,
    users: String,
    groups: String,
    read: String,
    user_wire: String,
    group_wire: String,
}

impl<'a> Decisive<'a> {
    fn of(tenant: &'a Tenant) -> Self {
        let (file, profile) = (&tenant.file, &tenant.profile);
        // Settings are plain data with text keys: writing them as JSON can't fail.
        Self {
            decisions: DECISIONS,
            // What the rules mean, whatever their order and spacing; so their text is left out below.
            mapping: tenant.mapping.settings_fingerprint(),
            application: file.source.application(),
            scope: canonical::text(&file.scope).unwrap_or_default(),
            users: canonical::text_without(&file.users, &["attributes"]).unwrap_or_default(),
            groups: canonical::text(&file.groups).unwrap_or_default(),
            read: canonical::text(&ReadAsHashed::of(profile)).unwrap_or_default(),
            user_wire: canonical::text(&UsersAsHashed::of(profile)).unwrap_or_default(),
            group_wire: canonical::text(&AsHashed::of(tenant)).unwrap_or_default(),
        }
    }
}

/// How objects are read, with the attributes that are not returned, which stood beside it when it was hashed first.
#[derive(Serialize)]
struct ReadAsHashed {
    #[serde(flatten)]
    read: ReadSettings,
    lossy: Vec<String>,
}

impl ReadAsHashed {
    fn of(profile: &Profile) -> Self {
        Self { read: profile.read.clone(), lossy: profile.attributes.canonical_unreturned() }
    }
}

impl Default for ReadAsHashed {
    fn default() -> Self {
        Self::of(&Profile::default())
    }
}

/// How users are written, with what is particular about attributes, which stood beside it when it was hashed first.
#[derive(Serialize)]
struct UsersAsHashed {
    #[serde(flatten)]
    users: UserWire,
    #[serde(flatten)]
    attributes: Canonical,
}

impl UsersAsHashed {
    fn of(profile: &Profile) -> Self {
        Self { users: profile.users.clone(), attributes: profile.attributes.canonical() }
    }
}

impl Default for UsersAsHashed {
    fn default() -> Self {
        Self::of(&Profile::default())
    }
}

/// The wire of groups with the defaults that its hash was made with: two of them were raised since, and neither decides over users.
#[derive(Serialize)]
#[serde(transparent)]
struct AsHashed(GroupWire);

impl AsHashed {
    fn of(tenant: &Tenant) -> Self {
        let overrides = &tenant.file.target.override_profile.0;
        let written = overrides.get("groups").and_then(|groups| groups.get("members_on_create"));
        let mut wire = tenant.profile.groups.clone();
        wire.members_on_create = written.and_then(toml::Value::as_bool).unwrap_or_default();
        if wire.max_members_per_patch == GroupWire::default().max_members_per_patch {
            wire.max_members_per_patch = Self::default().0.max_members_per_patch;
        }
        Self(wire)
    }
}

impl Default for AsHashed {
    fn default() -> Self {
        Self(GroupWire { members_on_create: false, max_members_per_patch: 50, ..GroupWire::default() })
    }
}

/// By which values accounts are matched, and which directory attributes give these values.
#[derive(Serialize)]
struct Matching<'a> {
    keys: Vec<(&'a str, Option<&'a str>)>,
    adopt: Adopt,
    preset: Option<LdapPreset>,
    id_attribute: Option<&'a str>,
}

impl<'a> Matching<'a> {
    fn of(tenant: &'a Tenant) -> Self {
        let source_of = |name: &str| Path::parse(name).ok().and_then(|path| tenant.mapping.source_of(&path));
        let ldap = tenant.file.source.ldap.as_ref();
        Self {
            keys: tenant.profile.read.user_match.iter().map(|name| (name.as_str(), source_of(name))).collect(),
            adopt: tenant.profile.read.adopt,
            preset: ldap.map(|table| table.preset),
            id_attribute: ldap.and_then(|table| table.id_attribute.as_deref()),
        }
    }
}

/// The app's address. On loopback a port says nothing about which app it is.
fn target(base_url: &str) -> u64 {
    match base_url.parse::<AppAddress>() {
        Ok(address) if !address.is_loopback() => xxh3_64(address.url().as_str().as_bytes()),
        _ => 0,
    }
}

fn hash_of(settings: &impl Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(settings).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The marks of the files below `tests/fixtures/fingerprints`, as `name = [all, matching, target]`.
    fn pinned() -> BTreeMap<String, [String; 3]> {
        serde_json::from_str(include_str!("../../tests/fixtures/fingerprints/marks.json")).unwrap()
    }

    fn marks() -> BTreeMap<String, [String; 3]> {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/fingerprints/rosterd.toml");
        let loaded = crate::tenancy::load(config.as_ref(), &[]).unwrap();
        let hex = |mark: &SettingsMark| [mark.all, mark.matching, mark.target].map(|hash| format!("{hash:016x}"));
        loaded.tenants.iter().map(|tenant| (tenant.name.to_string(), hex(&settings_mark(tenant)))).collect()
    }

    /// A rename in Rust, or a new key with a default, must not change a fingerprint: every tenant would be compared again, and some
    /// held, after an upgrade. Where the change is meant, raise `VERSION` and write the new marks down.
    #[test]
    fn the_fingerprints_of_the_fixture_are_what_they_were() {
        assert_eq!(marks(), pinned());
    }

    #[test]
    fn spelling_out_a_default_changes_nothing_and_an_edit_does() {
        let marks = marks();
        assert_eq!(marks["plain"], marks["spelt-out"]);
        assert_ne!(marks["plain"][0], marks["edited"][0]);
        assert_ne!(marks["plain"][1], marks["matched"][1]);
        assert_ne!(marks["plain"][2], marks["moved"][2]);
    }

    /// The texts that were hashed before attributes had tables of their own; an upgrade must not change them.
    #[test]
    fn a_profile_in_old_keys_and_in_new_ones_is_hashed_as_the_old_keys_were() {
        let hashed = |profile: &str| {
            let (source, mut found) = (crate::config::document::SourceText::new("p.toml", profile), Vec::new());
            let read = crate::config::profiles::read(&source, &Default::default(), &Default::default(), &mut found);
            let profile = read.unwrap_or_else(|| panic!("{found:?}"));
            let texts = [canonical::text(&UsersAsHashed::of(&profile)), canonical::text(&ReadAsHashed::of(&profile))];
            texts.map(Result::unwrap).concat()
        };
        for (old, new, text) in [
            ("", "[attributes.userName]\nrequired = true\nmutability = 'readWrite'", "{}{}"),
            (
                "[users]\nimmutable = ['userName', 'emails']\nrequired = ['userName']",
                "[attributes]\nemails.mutability = 'immutable'\nuserName.mutability = 'immutable'",
                r#"{"immutable":["userName","emails",],}{}"#,
            ),
            (
                "[users]\nrequired = []\nunsupported = ['emails.work', 'enterprise.department']\n[read]\nlossy = ['title']",
                "[attributes]\nuserName.required = false\n\"emails.work\".mutability = 'readOnly'\n\
                 \"enterprise.department\".supported = false\ntitle.returned = 'never'",
                r#"{"required":[],"unsupported":["emails.work","enterprise.department",],}{"lossy":["title",],}"#,
            ),
            (
                "[users]\naccess = ['role', 'roles']\nrole_path = 'appRole'\nrole_shape = 'typed_list'\nrole_type = 'base'\ncreate_only = ['title']",
                "[attributes]\nentitlements.grants_access = false\nrole = { path = 'appRole', shape = 'typed_list', type = 'base' }\n\
                 title.push = 'on_create'",
                r#"{"access":["role","roles",],"create_only":["title",],"role_path":"appRole","role_shape":"typed_list","role_type":"base",}{}"#,
            ),
        ] {
            assert_eq!((hashed(old).as_str(), hashed(new).as_str()), (text, text));
        }
    }
}
