//! The rules of a tenant that writes none: `userName`, the names and the work e-mail, per directory (J15).

use std::collections::BTreeMap;

use super::direct::Direct;
use super::engine::STRICT;
use super::expression::Program;
use super::known::{KnownAttributes, Verdict};
use crate::config::tenant::{AttributeRule, Push};
use crate::model::Path;

/// LDAP attributes of `inetOrgPerson` have many values, all but `displayName`; only a user name may not be picked from several.
const INET_ORG_PERSON: [(&str, &str); 5] = [
    ("userName", "uid"),
    ("name.givenName", "givenName | one"),
    ("name.familyName", "sn | one"),
    ("displayName", "displayName | default(cn) | one"),
    ("emails.work", "mail | one"),
];

/// The default rules of a directory, SCIM attribute and right-hand side: `file`, `openldap`, `389ds`, `ad`, `jumpcloud`,
/// `onelogin`. Nothing for a directory that is not known.
pub fn defaults(directory: &str) -> Vec<(&'static str, &'static str)> {
    match directory {
        // Some files have user names, some only e-mail addresses.
        "file" => vec![
            ("userName", "userName | default(email)"),
            ("name.givenName", "givenName"),
            ("name.familyName", "familyName"),
            ("displayName", "displayName"),
            ("emails.work", "email"),
        ],
        "openldap" | "389ds" => INET_ORG_PERSON.to_vec(),
        "ad" => vec![
            ("userName", "userPrincipalName"),
            ("name.givenName", "givenName"),
            ("name.familyName", "sn"),
            ("displayName", "displayName"),
            ("emails.work", "mail"),
        ],
        "jumpcloud" => vec![
            ("userName", "username"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            // Many people there have none.
            (
                "displayName",
                r#"displayname | default(((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim)"#,
            ),
            ("emails.work", "email"),
        ],
        "onelogin" => vec![
            ("userName", "username | default(email)"),
            ("name.givenName", "firstname"),
            ("name.familyName", "lastname"),
            ("displayName", r#"((firstname | default("")) ~ " " ~ (lastname | default(""))) | trim"#),
            ("emails.work", "email"),
        ],
        _ => Vec::new(),
    }
}

/// Where a directory of this kind usually keeps a value: the default rules that copy an attribute.
pub fn copied_by_default(directory: &str) -> Vec<(Path, String)> {
    let copied = |(key, from): (&str, &str)| {
        let path = Path::parse(key).ok()?;
        Direct::parse(from).map(|direct| (path, direct.name().to_owned()))
    };
    defaults(directory).into_iter().filter_map(copied).collect()
}

/// The default rules for a directory of which these attributes are known.
///
/// A rule none of whose attributes exists is left out: otherwise a file without `displayName` would empty that attribute of
/// every account it adopts. What the operator wrote is never left out.
pub fn default_rules(directory: &str, known: &KnownAttributes) -> BTreeMap<String, AttributeRule> {
    defaults(directory)
        .into_iter()
        .filter(|(key, from)| *key == "userName" || reads_any(from, known))
        .map(|(key, from)| (key.to_owned(), AttributeRule { from: from.to_owned(), push: Push::Always }))
        .collect()
}

fn reads_any(from: &str, known: &KnownAttributes) -> bool {
    Program::compile(from, &STRICT, &KnownAttributes::open(Vec::<String>::new()))
        .is_ok_and(|compiled| compiled.program.reads().any(|name| known.judge(name) == Verdict::Fine))
}
