//! The profiles that come with rosterd, inside the binary, and profile files of the operator's own.
//!
//! A new app is one file in `config/profiles/` and one line here.

use super::diagnostic::Diagnostic;
use super::document::{Document, SourceText};
use super::load;
use super::profile::{Profile, ProfileOverrides};

/// Name and text of each profile that is shipped.
const SHIPPED: [(&str, &str); 2] = [
    ("heap", include_str!("../../config/profiles/heap.toml")),
    ("scim", include_str!("../../config/profiles/scim.toml")),
];

/// The text of a shipped profile.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

/// The names of the shipped profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Reads a profile and lays a tenant's overrides over it, key by key; tables are merged, everything else is replaced.
///
/// Both must be right by themselves: mistakes of the profile file go to `found`.
pub fn read(source: &SourceText, overrides: &ProfileOverrides, found: &mut Vec<Diagnostic>) -> Option<Profile> {
    let document = Document::parse(source, found);
    load::profile(&document, found)?;
    let mut table: toml::Table = document.deserialize().map_err(|error| found.push(*error)).ok()?;
    lay_over(&mut table, &overrides.0);
    match table.try_into() {
        Ok(profile) => Some(profile),
        Err(error) => {
            let hint = "the profile and the tenant's `override_profile` are right by themselves, but not together";
            found.push(Diagnostic::of_file(
                source.file(),
                format!("the overridden profile can't be read: {error}"),
                hint,
            ));
            None
        }
    }
}

fn lay_over(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => lay_over(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::config::profile::{OpCase, Paging};

    fn with(profile: &str, overrides: &str) -> (Option<Profile>, Vec<Diagnostic>) {
        let mut found = Vec::new();
        let source = SourceText::new("p.toml", profile);
        let read = read(&source, &ProfileOverrides(toml::from_str(overrides).unwrap()), &mut found);
        (read, found)
    }

    #[test]
    fn every_shipped_profile_is_right_and_has_a_name() {
        for name in names() {
            let (profile, found) = with(shipped(name).unwrap(), "");
            assert_eq!(found, [], "{name}");
            assert!(!profile.unwrap().name.is_empty(), "{name}");
        }
        assert_eq!(shipped("../heap"), None);
    }

    #[test]
    fn j16_heap_never_changes_a_name_or_address_without_somebody_deciding() {
        let (heap, _) = with(shipped("heap").unwrap(), "");
        assert_eq!(heap.unwrap().users.immutable, ["userName", "emails"]);
    }

    #[test]
    fn a_tenants_overrides_replace_single_knobs() {
        let profile = "[read]\npaging = 'cursor'\npage_size = 50\n[users]\nimmutable = ['userName']";
        let (read, found) = with(profile, "[read]\npage_size = 10\n[users]\nop_case = 'pascal'\nimmutable = []");
        assert_eq!(found, []);
        let read = read.unwrap();
        assert_eq!((read.read.paging, read.read.page_size), (Paging::Cursor, 10));
        assert_eq!((read.users.op_case, read.users.immutable.len()), (OpCase::Pascal, 0));
    }

    #[test]
    fn a_mistake_in_a_profile_file_is_shown_in_that_file() {
        let (read, found) = with("[read]\npageing = 'cursor'", "");
        assert!(read.is_none());
        assert_eq!(found[0].location(), "p.toml:2:1");
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `paging`?"));
    }
}
