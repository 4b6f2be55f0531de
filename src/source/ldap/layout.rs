//! What to ask a directory for. In: `[source.ldap]` and what the mappings read. Out: bases, filters and attribute lists,
//! with the product's habits filled in and every mistake that needs no network found.

use std::time::Duration;

use super::binary;
use super::connection::ALIAS_TARGET;
use super::entry::{MANAGER, MANAGER_DN, ValueEncoding, WantedAttribute};
use super::reference::ExpectedReferrals;
use super::standing;
use crate::config::directory::ldap::{LdapPreset, LdapTable};
use crate::config::forms::parenthesised_filter;
use crate::source::SourceError;

/// Attributes that are never read: a record is kept and shown, a password is neither.
const NEVER: [&str; 6] =
    ["userPassword", "unicodePwd", "sambaNTPassword", "sambaLMPassword", "krbPrincipalKey", "ipaNTHash"];

/// What mappings find in every record without asking for it.
const OWN_KEYS: [&str; 2] = ["id", "dn"];

/// The habits of one product.
struct ProductHabits {
    user_filter: &'static str,
    group_filter: &'static str,
    id: &'static str,
    members: &'static [&'static str],
    attributes: &'static [&'static str],
}

const GROUP_CLASSES: &str = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))";

const PERSON_ATTRIBUTES: &[&str] = &[
    "uid",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "employeeNumber",
    "employeeType",
    "departmentNumber",
    "title",
    "o",
    "ou",
    MANAGER,
    "telephoneNumber",
    "mobile",
    "preferredLanguage",
];

const AD_ATTRIBUTES: &[&str] = &[
    "sAMAccountName",
    "userPrincipalName",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "employeeID",
    "employeeNumber",
    "employeeType",
    "department",
    "company",
    "title",
    MANAGER,
    "telephoneNumber",
    "mobile",
    "physicalDeliveryOfficeName",
    "preferredLanguage",
];

fn habits(preset: LdapPreset) -> ProductHabits {
    match preset {
        LdapPreset::OpenLdap => ProductHabits {
            user_filter: "(objectClass=inetOrgPerson)",
            group_filter: GROUP_CLASSES,
            id: "entryUUID",
            members: &["member", "uniqueMember", "memberUid"],
            attributes: PERSON_ATTRIBUTES,
        },
        LdapPreset::Ds389 => ProductHabits {
            // nsPerson is what the product's own tool gives a person; inetOrgPerson what everybody else does.
            user_filter: "(|(objectClass=inetOrgPerson)(objectClass=nsPerson))",
            group_filter: GROUP_CLASSES,
            id: "nsUniqueId",
            members: &["member", "uniqueMember", "memberUid"],
            attributes: PERSON_ATTRIBUTES,
        },
        LdapPreset::ActiveDirectory => ProductHabits {
            // objectClass=user alone would find computers too.
            user_filter: "(&(objectCategory=person)(objectClass=user))",
            group_filter: "(objectClass=group)",
            id: "objectGUID",
            members: &["member"],
            attributes: AD_ATTRIBUTES,
        },
    }
}

/// Everything that one directory is asked for.
#[derive(Debug)]
pub(super) struct LdapLayout {
    pub(super) preset: LdapPreset,
    /// Where an id is looked for when it is asked about.
    pub(super) base: String,
    pub(super) user_base: String,
    pub(super) user_filter: String,
    pub(super) suspended_filter: Option<String>,
    pub(super) group_base: String,
    pub(super) group_filter: String,
    pub(super) id: String,
    pub(super) id_form: ValueEncoding,
    pub(super) group_name: String,
    pub(super) members: Vec<String>,
    /// What goes into the record of a person, and of a group.
    pub(super) user_wanted: Vec<WantedAttribute>,
    pub(super) group_wanted: Vec<WantedAttribute>,
    /// What is asked for besides: ids, members and account states.
    pub(super) user_attributes: Vec<String>,
    pub(super) group_attributes: Vec<String>,
    /// Parts of the tree that a reading may leave out.
    pub(super) expected: ExpectedReferrals,
    pub(super) page_size: i32,
    pub(super) timeout: Duration,
}

impl LdapLayout {
    /// Fills in the product's habits.
    ///
    /// `read_by_mappings` are names that mappings and filters read of a record; what is no attribute name among them is
    /// none of the directory's business and is left alone.
    ///
    /// # Errors
    /// [`SourceError::Settings`] for filters and names that no directory would understand.
    pub(super) fn new(table: &LdapTable, read_by_mappings: &[String]) -> Result<Self, SourceError> {
        let habits = habits(table.preset);
        let id = table.id_attribute.clone().unwrap_or_else(|| habits.id.to_owned());
        let members = match &table.member_attributes {
            Some(names) => names.clone(),
            None => habits.members.iter().map(|name| (*name).to_owned()).collect(),
        };
        let group_name = table.group_name.clone().unwrap_or_else(|| "cn".to_owned());
        for name in table.attributes.iter().chain(&members).chain([&id, &group_name]) {
            check_name(name)?;
        }
        let user_wanted = wanted(habits.attributes, &table.attributes, read_by_mappings, &[]);
        // `name` is the group's name, whatever attribute that is; the reading hands it over beside the record.
        let withheld: Vec<&str> = members.iter().map(String::as_str).chain(["name"]).collect();
        let group_wanted = wanted(&["description", &group_name], &[], read_by_mappings, &withheld);
        let bases: Vec<&str> = [Some(&table.base), table.user_base.as_ref(), table.group_base.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let expected = ExpectedReferrals::new(table.preset, &bases, &table.expected_references).map_err(|name| {
            SourceError::Settings(format!("expected_references: {name:?} is no distinguished name (RFC 4514)"))
        })?;
        Ok(Self {
            preset: table.preset,
            expected,
            user_attributes: asked(&user_wanted, user_extras(table.preset, &id, &members)),
            group_attributes: asked(&group_wanted, group_extras(table.preset, &id, &members)),
            base: table.base.clone(),
            user_base: table.user_base.clone().unwrap_or_else(|| table.base.clone()),
            user_filter: filter(table.user_filter.as_deref().unwrap_or(habits.user_filter))?,
            suspended_filter: table.suspended_filter.as_deref().map(filter).transpose()?,
            group_base: table.group_base.clone().unwrap_or_else(|| table.base.clone()),
            group_filter: filter(table.group_filter.as_deref().unwrap_or(habits.group_filter))?,
            id_form: ValueEncoding::of(&id),
            id,
            group_name,
            members,
            user_wanted,
            group_wanted,
            page_size: i32::try_from(table.page_size.clamp(1, 5000)).unwrap_or(5000),
            timeout: Duration::from_secs(table.timeout_secs.max(1)),
        })
    }

    /// The filter that finds one id; `None` for what can't be an id of this directory.
    pub(super) fn by_id(&self, id: &str) -> Option<String> {
        let value = match self.id_form {
            ValueEncoding::Guid => binary::escape_filter(&binary::guid_from_text(id)?),
            _ if id.is_empty() => return None,
            _ => binary::escape_filter(id.as_bytes()),
        };
        Some(format!("({}={value})", self.id))
    }

    /// A filter that also finds aliases, which are not followed: one that leads out of the base is a hole. Active Directory has none.
    pub(super) fn with_aliases(&self, filter: &str) -> String {
        match self.preset {
            LdapPreset::ActiveDirectory => filter.to_owned(),
            LdapPreset::OpenLdap | LdapPreset::Ds389 => format!("(|{filter}(objectClass=alias))"),
        }
    }

    /// Whether members are named by `uid` somewhere, so that people must be found by it.
    pub(super) fn has_members_by_uid(&self) -> bool {
        self.members.iter().any(|name| is_by_uid(name))
    }
}

/// Every name that a record of these attributes may hold.
pub(super) fn names_in(wanted: &[WantedAttribute]) -> Vec<String> {
    let names = wanted.iter().flat_map(|wanted| match wanted.name.as_str() {
        MANAGER => vec![MANAGER.to_owned(), MANAGER_DN.to_owned(), format!("{MANAGER_DN}_all")],
        name => vec![name.to_owned(), format!("{name}_all")],
    });
    OWN_KEYS.into_iter().map(str::to_owned).chain(names).collect()
}

/// Whether a member attribute holds `uid`s rather than names of entries (RFC 2307 §3).
pub(super) fn is_by_uid(member_attribute: &str) -> bool {
    member_attribute.eq_ignore_ascii_case("memberUid")
}

fn user_extras<'a>(preset: LdapPreset, id: &'a str, members: &'a [String]) -> Vec<&'a str> {
    let mut names = vec![id];
    names.extend(standing::attributes(preset));
    if members.iter().any(|name| is_by_uid(name)) {
        names.push("uid");
    }
    match preset {
        LdapPreset::ActiveDirectory => names.extend(["primaryGroupID", "objectSid"]),
        LdapPreset::OpenLdap | LdapPreset::Ds389 => names.push(ALIAS_TARGET),
    }
    names
}

fn group_extras<'a>(preset: LdapPreset, id: &'a str, members: &'a [String]) -> Vec<&'a str> {
    let mut names = vec![id];
    names.extend(members.iter().map(String::as_str));
    match preset {
        LdapPreset::ActiveDirectory => names.push("objectSid"),
        LdapPreset::OpenLdap | LdapPreset::Ds389 => names.extend(["objectClass", ALIAS_TARGET]),
    }
    names
}

/// The attributes of a record: the product's, the operator's and the mappings', each once.
fn wanted(defaults: &[&str], configured: &[String], read: &[String], without: &[&str]) -> Vec<WantedAttribute> {
    let mut all: Vec<WantedAttribute> = Vec::new();
    let named = defaults.iter().copied().chain(configured.iter().map(String::as_str));
    for name in named.chain(read.iter().map(String::as_str)) {
        let (name, several) = match name.strip_suffix("_all") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let name = if [MANAGER, MANAGER_DN].iter().any(|own| own.eq_ignore_ascii_case(name)) { MANAGER } else { name };
        let withheld = without.iter().any(|other| other.eq_ignore_ascii_case(name));
        if withheld || OWN_KEYS.contains(&name) || check_name(name).is_err() {
            continue;
        }
        match all.iter_mut().find(|known| known.name == name) {
            Some(known) => known.all |= several,
            None => all.push(WantedAttribute { all: several, ..WantedAttribute::new(name) }),
        }
    }
    all
}

/// The attribute list of a search: each name once, whatever its case.
fn asked(wanted: &[WantedAttribute], extras: Vec<&str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in wanted.iter().map(|wanted| wanted.name.as_str()).chain(extras) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A name as RFC 4512 §2.5 allows it: a word or number, with options.
fn check_name(name: &str) -> Result<(), SourceError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '=');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        return Err(SourceError::Settings(format!("{name:?} is no attribute name")));
    }
    let bare = name.split(';').next().unwrap_or(name);
    if NEVER.iter().any(|never| never.eq_ignore_ascii_case(bare)) {
        return Err(SourceError::Settings(format!("`{bare}` holds passwords, which are never read")));
    }
    Ok(())
}

/// A filter in parentheses, so that it can stand inside another.
fn filter(text: &str) -> Result<String, SourceError> {
    parenthesised_filter(text).map_err(|misfit| SourceError::Settings(format!("{misfit} (RFC 4515)")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn table(more: &str) -> LdapTable {
        let text =
            format!("url = 'ldaps://x'\nbind_dn = 'cn=reader,dc=x'\npassword = {{ env = 'X' }}\nbase = 'dc=x'\n{more}");
        toml::from_str(&text).unwrap()
    }

    fn names(wanted: &[WantedAttribute]) -> Vec<&str> {
        wanted.iter().map(|wanted| wanted.name.as_str()).collect()
    }

    #[test]
    fn a_preset_fills_in_what_is_left_out() {
        let layout = LdapLayout::new(&table("preset = 'ad'"), &[]).unwrap();
        assert_eq!((layout.id.as_str(), layout.id_form), ("objectGUID", ValueEncoding::Guid));
        assert_eq!(layout.user_base, "dc=x");
        for name in ["objectGUID", "userAccountControl", "accountExpires", "primaryGroupID", "objectSid", "mail"] {
            assert!(layout.user_attributes.iter().any(|asked| asked == name), "{name}");
        }
        assert!(!names(&layout.user_wanted).contains(&"userAccountControl"));
    }

    #[test]
    fn operational_attributes_are_asked_for_by_name() {
        let asks = |preset: &str, name: &str| {
            let layout = LdapLayout::new(&table(&format!("preset = '{preset}'")), &[]).unwrap();
            layout.user_attributes.iter().any(|asked| asked == name)
        };
        assert!(asks("openldap", "entryUUID") && asks("openldap", "pwdAccountLockedTime"));
        assert!(asks("389ds", "nsUniqueId") && asks("389ds", "nsAccountLock"));
    }

    #[test]
    fn what_mappings_read_is_asked_for_and_what_is_no_attribute_is_not() {
        let read = ["id", "mail_all", "manager_dn", "roomNumber", "Mail", "a b", "x_y", "userPassword"];
        let layout = LdapLayout::new(&table("attributes = ['labeledURI']"), &read.map(str::to_owned)).unwrap();
        let names = names(&layout.user_wanted);
        for name in ["mail", "Mail", "roomNumber", "labeledURI", "manager"] {
            assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name}");
        }
        for name in ["id", "mail_all", "manager_dn", "a b", "x_y", "userPassword"] {
            assert!(!names.contains(&name), "{name}");
        }
        assert!(layout.user_wanted.iter().any(|wanted| wanted.name == "mail" && wanted.all));
        assert_eq!(layout.user_attributes.iter().filter(|name| name.eq_ignore_ascii_case("mail")).count(), 1);
    }

    #[test]
    fn the_names_in_records_are_told_without_a_directory() {
        let layout = LdapLayout::new(&table("attributes = ['roomNumber']"), &[]).unwrap();
        let names = names_in(&layout.user_wanted);
        for name in ["id", "dn", "mail", "mail_all", "roomNumber", "manager", "manager_dn"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert_eq!(names_in(&layout.group_wanted), ["id", "dn", "description", "description_all", "cn", "cn_all"]);
    }

    #[test]
    fn members_never_stand_in_the_record_of_a_group() {
        let layout = LdapLayout::new(&table(""), &["Member".to_owned(), "name".to_owned(), "o".to_owned()]).unwrap();
        assert_eq!(names(&layout.group_wanted), ["description", "cn", "o"]);
    }

    #[test]
    fn what_no_directory_would_understand_is_refused() {
        for bad in [
            "user_filter = '(uid=a'",
            "group_filter = ''",
            "suspended_filter = '(a=b)(c=d)'",
            "id_attribute = 'entry UUID'",
            "attributes = ['a*']",
            "attributes = ['userPassword']",
            "member_attributes = ['']",
        ] {
            let refused = LdapLayout::new(&table(bad), &[]);
            assert!(matches!(refused, Err(SourceError::Settings(_))), "{bad}: {refused:?}");
        }
    }

    #[test]
    fn a_filter_without_parentheses_is_understood() {
        assert_eq!(LdapLayout::new(&table("user_filter = 'uid=*'"), &[]).unwrap().user_filter, "(uid=*)");
    }

    #[test]
    fn x1_an_id_is_asked_for_as_it_is() {
        let plain = LdapLayout::new(&table(""), &[]).unwrap();
        assert_eq!(plain.by_id("a)(b*").as_deref(), Some("(entryUUID=a\\29\\28b\\2a)"));
        assert_eq!(plain.by_id(""), None);
        let ad = LdapLayout::new(&table("preset = 'ad'"), &[]).unwrap();
        let filter = ad.by_id("d1e13329-2be0-4843-85e9-b583ebbe3ec7").unwrap();
        assert!(filter.starts_with("(objectGUID=\\293\\e1\\d1\\e0"), "{filter}");
        assert_eq!(ad.by_id("ann"), None);
    }
}
