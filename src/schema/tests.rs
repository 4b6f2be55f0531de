//! The room against the text of RFC 7643: §8.7.1 for each attribute, §3.1 for the common ones.

use std::collections::BTreeSet;

use super::*;

/// The attributes of RFC 7643 §8.7.1 and §3.1, each once, in that order: path, then its characteristics where they are not the usual ones
/// (single, readWrite, returned by default, case ignored).
const FACTS: &str = "
id exact readOnly always server
externalId exact
meta readOnly
schemas multi required always exact
userName required server
name
name.formatted
name.familyName
name.givenName
name.middleName
name.honorificPrefix
name.honorificSuffix
displayName
nickName
profileUrl exact
title
userType
preferredLanguage
locale
timezone
active
password writeOnly never
emails multi
phoneNumbers multi
ims multi
photos multi
addresses multi
groups multi readOnly
entitlements multi
roles multi
x509Certificates multi
x509Certificates.value exact
groups.value exact readOnly
groups.$ref exact readOnly
groups.display readOnly
groups.type readOnly
addresses.formatted
addresses.streetAddress
addresses.locality
addresses.region
addresses.postalCode
addresses.country
enterprise employeeNumber
enterprise costCenter
enterprise organization
enterprise division
enterprise department
enterprise manager
enterprise manager.value exact
enterprise manager.$ref exact
enterprise manager.displayName readOnly
group displayName required
group members multi
group members.value exact immutable
group members.$ref exact immutable
group members.type immutable";

fn located(schema: Option<&'static Schema>, resource: ResourceType, path: &str) -> &'static Attribute {
    let (name, sub) = path.split_once('.').map_or((path, None), |(name, sub)| (name, Some(sub)));
    let attribute = resource.find(schema.map(|schema| schema.urn), name).unwrap().attribute;
    sub.map_or(attribute, |sub| attribute.sub(sub).unwrap())
}

#[test]
fn every_attribute_has_the_characteristics_of_the_rfc() {
    for line in FACTS.lines().filter(|line| !line.is_empty()) {
        let mut words: Vec<&str> = line.split(' ').collect();
        let (schema, resource) = match words[0] {
            "enterprise" => (Some(&ENTERPRISE), ResourceType::User),
            "group" => (None, ResourceType::Group),
            _ => (None, ResourceType::User),
        };
        if schema.is_some() || resource == ResourceType::Group {
            words.remove(0);
        }
        let attribute = located(schema, resource, words.remove(0));
        let expected = |word: &str| words.contains(&word);
        let mutability = match &words {
            _ if expected("readOnly") => Mutability::ReadOnly,
            _ if expected("writeOnly") => Mutability::WriteOnly,
            _ if expected("immutable") => Mutability::Immutable,
            _ => Mutability::ReadWrite,
        };
        let returned = match &words {
            _ if expected("always") => Returned::Always,
            _ if expected("never") => Returned::Never,
            _ => Returned::Default,
        };
        assert_eq!(
            (attribute.multi_valued, attribute.required, attribute.is_case_exact()),
            (expected("multi"), expected("required"), expected("exact")),
            "{line}"
        );
        assert_eq!((attribute.mutability, attribute.returned), (mutability, returned), "{line}");
        assert_eq!(attribute.uniqueness == Some(Uniqueness::Server), expected("server"), "{line}");
    }
}

#[test]
fn every_attribute_stands_in_the_room_once_and_none_besides() {
    let facts = |begins: &str| -> Vec<&str> {
        let all = FACTS.lines().filter(|line| !line.is_empty());
        let lines = all.filter_map(|line| match begins {
            "" => Some(line).filter(|line| !line.starts_with("enterprise ") && !line.starts_with("group ")),
            _ => line.strip_prefix(begins),
        });
        lines.map(|line| line.split(' ').next().unwrap()).filter(|path| !path.contains('.')).collect()
    };
    let listed = |attributes: &[&'static [Attribute]]| -> Vec<&str> {
        attributes.iter().copied().flatten().map(|attribute| attribute.name).collect()
    };
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(listed(&[COMMON, USER.attributes])), sorted(facts("")));
    assert_eq!(listed(&[ENTERPRISE.attributes]), facts("enterprise "));
    assert_eq!(listed(&[GROUP.attributes]), facts("group "));
    let names = listed(&[USER.attributes]);
    assert_eq!(names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn the_canonical_types_are_those_of_the_rfc() {
    for (name, types) in [
        ("emails", "work home other"),
        ("phoneNumbers", "work home mobile fax pager other"),
        ("ims", "aim gtalk icq xmpp msn skype qq yahoo"),
        ("photos", "photo thumbnail"),
        ("addresses", "work home other"),
        ("roles", ""),
        ("entitlements", ""),
        ("x509Certificates", ""),
        // `direct` is the app's to say.
        ("groups", ""),
    ] {
        let found = ResourceType::User.find(None, name).unwrap().attribute.element_types().join(" ");
        assert_eq!(found, types, "{name}");
    }
    let of_members = GROUP.attribute("members").unwrap().sub("type").unwrap();
    assert_eq!(of_members.canonical_values, ["User", "Group"]);
}

#[test]
fn names_and_urns_compare_without_case_and_another_spelling_is_told() {
    assert_eq!(ResourceType::User.find(None, "USERNAME").unwrap().attribute.name, "userName");
    let urn = ENTERPRISE.urn.to_uppercase();
    assert_eq!(ResourceType::User.find(Some(&urn), "Department").unwrap().attribute.name, "department");
    assert!(ResourceType::Group.find(Some(ENTERPRISE.urn), "department").is_none(), "it extends users alone");
    for (urn, name, parted, hint) in [
        (None, "username", false, "write `userName`"),
        (None, "title", true, "write `title`"),
        (Some(ENTERPRISE.urn), "department", true, "write `enterprise.department`"),
        (Some(USER.urn), "title", false, "write `title`"),
    ] {
        assert_eq!(in_user(urn, name, parted).unwrap_err().hint, hint, "{name}");
    }
    assert!(
        in_user(None, "sentryOrgRole", false).unwrap().is_none() && in_user(None, "emails", true).unwrap().is_some()
    );
}

#[test]
fn the_order_is_that_of_the_schemas() {
    let at = |urn, name| position(urn, name);
    assert!(at(None, "externalId") < at(None, "userName") && at(None, "userName") < at(None, "emails"));
    assert!(at(None, "roles") < at(Some(ENTERPRISE.urn), "department"));
    assert_eq!((at(None, "department"), at(Some("urn:example:Thing"), "title")), (usize::MAX, usize::MAX));
}

#[test]
fn a_users_names_are_three_and_an_id_compares_exactly() {
    assert_eq!(["userName", "emails", "externalId", "displayName"].map(names_of_users), [true, true, true, false]);
    assert_eq!(["userName", "emails", "externalId", "displayName"].map(is_folded_name), [true, true, false, false]);
}
