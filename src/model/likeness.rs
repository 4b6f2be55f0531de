//! Whether an account and a user may be the same person although no match attribute says so. It takes what either side is called; it
//! returns keys that can be compared. Pure values.
//!
//! Two kinds of evidence are kept apart: *identifiers* (user names and e-mail addresses, each of which belongs to one person) and
//! *resemblance* (equal display names, and a bare user name that is the part before the `@` of the other side's address).

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::{Attributes, fold, fold_seen};

/// Field names of directories that hold a user name or an e-mail address, without case and punctuation.
const IDENTIFIERS: [&str; 16] = [
    "username",
    "uid",
    "login",
    "samaccountname",
    "userprincipalname",
    "email",
    "emails",
    "mail",
    "emailaddress",
    "alternateemail",
    "workemail",
    "othermails",
    "othermailbox",
    "mailalternateaddress",
    "rfc822mailbox",
    "proxyaddresses",
];
/// Field names that hold a name for people to read.
const DISPLAY_NAMES: [&str; 4] = ["displayname", "fullname", "cn", "formatted"];
/// Field names of the first and of the last name.
const GIVEN: [&str; 2] = ["givenname", "firstname"];
const FAMILY: [&str; 4] = ["familyname", "lastname", "surname", "sn"];
/// A value that is longer is no name.
const LONGEST: usize = 512;
/// At most so many identifiers are kept: one more look-up each.
const MOST: usize = 16;

/// What a user or an account is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownNames {
    /// User names and e-mail addresses, as they are spelt, each once.
    pub identifiers: Vec<String>,
    /// Display names.
    pub display: Vec<String>,
}

/// The same as hashes, so that the accounts of a large app can be compared without keeping their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Likeness {
    /// One for each identifier.
    pub identifiers: Vec<u64>,
    /// One for each way of looking alike.
    pub resembling: Vec<u64>,
}

impl KnownNames {
    /// The names in SCIM attributes: `userName`, every e-mail address, the display name, and first and last name as one.
    pub fn of_attributes(attributes: &Attributes) -> Self {
        let mut names = Self::default();
        let (mut given, mut family) = (None, None);
        for (path, value) in attributes.iter() {
            let parts = path.parts();
            let sub = parts.sub.unwrap_or_default();
            if parts.attribute.eq_ignore_ascii_case("emails") && !matches!(sub, "type" | "primary" | "display") {
                names.add_identifiers(value);
            } else if parts.attribute.eq_ignore_ascii_case("name") {
                names.add_name_part(sub, value, &mut given, &mut family);
            } else if parts.attribute.eq_ignore_ascii_case("userName") {
                names.add_identifiers(value);
            } else if parts.attribute.eq_ignore_ascii_case("displayName") {
                names.add_display(value);
            }
        }
        names.add_full_name(given, family);
        names
    }

    /// The names in a directory's record, by the field names that directories commonly use.
    pub fn of_record(record: &Map<String, Value>) -> Self {
        let mut names = Self::default();
        let (mut given, mut family) = (None, None);
        for (field, value) in record {
            let plain: String =
                field.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
            if IDENTIFIERS.contains(&plain.as_str()) {
                names.add_identifiers(value);
            } else {
                names.add_name_part(&plain, value, &mut given, &mut family);
            }
        }
        names.add_full_name(given, family);
        names
    }

    /// The names in a SCIM resource as an app shows it.
    pub fn of_resource(resource: &Map<String, Value>) -> Self {
        let mut names = Self::default();
        let (mut given, mut family) = (None, None);
        for (field, value) in resource {
            match field.to_ascii_lowercase().as_str() {
                "username" | "emails" => names.add_identifiers(value),
                "displayname" => names.add_display(value),
                "name" => {
                    for (part, value) in value.as_object().into_iter().flatten() {
                        names.add_name_part(&part.to_ascii_lowercase(), value, &mut given, &mut family);
                    }
                }
                _ => {}
            }
        }
        names.add_full_name(given, family);
        names
    }

    /// These and the names of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for name in other.identifiers {
            self.add_identifier(&name);
        }
        for name in other.display {
            add(&mut self.display, &name);
        }
        self
    }

    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.identifiers.is_empty() && self.display.is_empty()
    }

    /// The keys of a user of the directory.
    pub fn of_user(&self) -> Likeness {
        let has_address = self.identifiers.iter().any(|name| local_part(name).is_some());
        let habit = |name: &String| match local_part(name) {
            Some(local) => Some(key("bare", local)),
            // A user name says less than an address: it counts where there is no address to compare.
            None => (!has_address).then(|| key("local", name)),
        };
        self.likeness(self.identifiers.iter().filter_map(habit).collect())
    }

    /// The keys of an account of the app.
    pub fn of_account(&self) -> Likeness {
        let habit = |name: &String| match local_part(name) {
            Some(local) => key("local", local),
            None => key("bare", name),
        };
        self.likeness(self.identifiers.iter().map(habit).collect())
    }

    fn likeness(&self, mut resembling: Vec<u64>) -> Likeness {
        resembling.extend(self.display.iter().map(|name| key("display", name)));
        resembling.sort_unstable();
        resembling.dedup();
        let identifiers = self.identifiers.iter().map(|name| Likeness::key_of(name));
        Likeness { identifiers: identifiers.collect(), resembling }
    }

    fn add_identifiers(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add_identifier(text),
            Value::Array(many) => many.iter().for_each(|one| self.add_identifiers(one)),
            Value::Object(element) => {
                let value = element.iter().find(|(name, _)| {
                    ["value", "email", "address"].iter().any(|known| name.eq_ignore_ascii_case(known))
                });
                if let Some((_, Value::String(text))) = value {
                    self.add_identifier(text);
                }
            }
            _ => {}
        }
    }

    fn add_identifier(&mut self, text: &str) {
        // `proxyAddresses` writes the protocol before the address.
        let text = match text.split_once(':') {
            Some((protocol, address)) if protocol.eq_ignore_ascii_case("smtp") => address,
            _ => text,
        };
        add(&mut self.identifiers, text);
    }

    fn add_display(&mut self, value: &Value) {
        if let Some(text) = value.as_str() {
            add(&mut self.display, text);
        }
    }

    fn add_name_part(&mut self, part: &str, value: &Value, given: &mut Option<String>, family: &mut Option<String>) {
        let part = part.to_ascii_lowercase();
        let text = || value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        if DISPLAY_NAMES.contains(&part.as_str()) {
            self.add_display(value);
        } else if GIVEN.contains(&part.as_str()) {
            *given = text();
        } else if FAMILY.contains(&part.as_str()) {
            *family = text();
        }
    }

    /// First and last name count together only: either alone is many people's.
    fn add_full_name(&mut self, given: Option<String>, family: Option<String>) {
        if let (Some(given), Some(family)) = (given, family) {
            add(&mut self.display, &format!("{given} {family}"));
        }
    }
}

impl Likeness {
    /// The key of one identifier.
    pub fn key_of(name: &str) -> u64 {
        key("identifier", name)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.identifiers.iter().chain(&self.resembling).copied()
    }
}

/// Adds a name that is not there in any spelling yet.
fn add(names: &mut Vec<String>, text: &str) {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST && names.len() < MOST;
    if fits && !names.iter().any(|known| fold(known) == fold(text)) {
        names.push(text.to_owned());
    }
}

/// The part of an address before the last `@`; `None` for a bare user name.
pub(crate) fn local_part(name: &str) -> Option<&str> {
    name.rsplit_once('@').map(|(local, _)| local).filter(|local| !local.is_empty())
}

/// Whether one text is the other as an app may have written it: the same letters and digits, whatever stands between them (`sales-ops` for
/// `Sales & Ops`).
pub fn is_respelt(shown: &str, sent: &str) -> bool {
    let letters = |text: &str| fold(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (shown, sent) = (fold(shown), fold(sent));
    shown == sent || (!letters(&shown).is_empty() && letters(&shown) == letters(&sent))
}

fn key(kind: &str, name: &str) -> u64 {
    xxh3_64(format!("{kind}\0{}", fold_seen(name)).as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::Path;

    fn record(value: Value) -> KnownNames {
        KnownNames::of_record(value.as_object().unwrap())
    }

    fn resource(value: Value) -> KnownNames {
        KnownNames::of_resource(value.as_object().unwrap())
    }

    fn shares(user: &KnownNames, account: &KnownNames) -> (bool, bool) {
        let (user, account) = (user.of_user(), account.of_account());
        let common = |one: &[u64], other: &[u64]| one.iter().any(|key| other.contains(key));
        (common(&user.identifiers, &account.identifiers), common(&user.resembling, &account.resembling))
    }

    #[test]
    fn j6_names_are_found_in_every_spelling_and_compare_folded() {
        let user = record(serde_json::json!({
            "username": "Ann", "email": "Ann@ACME.test ", "sAMAccountName": "aeng", "firstname": "Ann", "lastname": "Eng",
            "proxyAddresses": ["SMTP:ann.eng@acme.test"], "emails": [{"value": "a@home.test", "type": "home"}],
            "employeeNumber": "7", "mail": null
        }));
        let mut found = user.identifiers.clone();
        found.sort();
        assert_eq!(found, ["Ann", "Ann@ACME.test", "a@home.test", "aeng", "ann.eng@acme.test"]);
        assert_eq!(user.display, ["Ann Eng"]);
        let scim = resource(serde_json::json!({
            "USERNAME": "ANN", "emails": [{"value": "x@y.test", "type": "work"}], "name": {"givenName": "ann", "familyName": "ENG"}
        }));
        assert_eq!(shares(&user, &scim), (true, true));
        let attributes: Attributes = [("userName", "x"), ("emails.work", "ANN@acme.test"), ("displayName", "A")]
            .iter()
            .map(|(path, value)| (Path::parse(path).unwrap(), (*value).into()))
            .collect();
        // The address, and the bare user name before its `@`.
        assert_eq!(shares(&KnownNames::of_attributes(&attributes), &user), (true, true));
    }

    #[test]
    fn j6_an_address_resembles_the_bare_name_before_its_at_sign_only() {
        let address = record(serde_json::json!({"email": "ann@acme.test"}));
        let bare = record(serde_json::json!({"username": "ann"}));
        let account = |name: &str| resource(serde_json::json!({"userName": name}));
        assert_eq!(shares(&address, &account("ann")), (false, true));
        assert_eq!(shares(&bare, &account("ann@acme.test")), (false, true));
        assert_eq!(shares(&address, &account("ann@other.test")), (false, false), "another organisation's ann");
        assert_eq!(shares(&address, &account("bo")), (false, false));
        assert_eq!(shares(&address, &resource(serde_json::json!({"name": {"givenName": "ann"}}))), (false, false));
    }

    #[test]
    fn j6_what_is_no_name_gives_no_key() {
        let odd = resource(serde_json::json!({
            "userName": "  ", "emails": [null, 7, {"type": "work"}, "plain@x.test"], "displayName": ["a"], "name": "text"
        }));
        assert_eq!(odd.identifiers, ["plain@x.test"]);
        assert!(odd.display.is_empty());
        let long = resource(serde_json::json!({"userName": "x".repeat(600)}));
        assert!(long.is_empty() && long.of_account() == Likeness::default());
        let many: Vec<String> = (0..99).map(|n| format!("{n}@x.test")).collect();
        assert_eq!(record(serde_json::json!({"emails": many})).identifiers.len(), MOST);
    }
}
