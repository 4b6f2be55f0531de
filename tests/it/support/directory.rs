//! A made-up company for the directory servers: the same people and groups on every run, written out as LDIF.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The directory's root.
pub(crate) const SUFFIX: &str = "dc=example,dc=org";
/// In every generated group: an entry that does not exist, as the member that keeps an empty groupOfNames legal.
pub(crate) const DUMMY_MEMBER: &str = "cn=nobody,dc=example,dc=org";

/// An inetOrgPerson below `ou=people`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) uid: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) mail: String,
    pub(crate) employee_number: String,
    pub(crate) title: String,
    /// Locked for good by the password policy: `pwdAccountLockedTime: 000001010000Z`.
    pub(crate) locked: bool,
}

/// What a group lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// A person, by uid.
    Person(String),
    /// Another group of the same directory, by cn.
    Group(String),
    /// Any other name, existing or not.
    Dn(String),
}

/// How a group lists its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `member`: distinguished names, at least one.
    GroupOfNames,
    /// `uniqueMember`: distinguished names, at least one.
    GroupOfUniqueNames,
    /// `memberUid`: uids of people, none needed.
    PosixGroup,
}

/// A group below `ou=groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) cn: String,
    pub(crate) kind: Kind,
    pub(crate) members: Vec<Member>,
}

/// A whole company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) people: Vec<Person>,
    pub(crate) groups: Vec<Group>,
}

impl Directory {
    /// `people` people and `groups` groups of names that share `memberships` memberships evenly; nobody is locked, no
    /// group is nested. Every group has [`DUMMY_MEMBER`] besides.
    pub(crate) fn generate(people: usize, groups: usize, memberships: usize) -> Self {
        let group = |index: usize| {
            let size = memberships / groups + usize::from(index < memberships % groups);
            assert!(size <= people, "{size} members out of {people} people");
            let first = index * people / groups;
            let people = (first..first + size).map(|position| Member::Person(uid(position % people)));
            Group {
                cn: format!("group-{index:04}"),
                kind: Kind::GroupOfNames,
                members: std::iter::once(Member::Dn(DUMMY_MEMBER.to_owned())).chain(people).collect(),
            }
        };
        Self { people: (0..people).map(Person::generate).collect(), groups: (0..groups).map(group).collect() }
    }

    /// The uids of the people in a group, over nested groups too; every cycle is walked once.
    pub(crate) fn members_of(&self, cn: &str) -> BTreeSet<String> {
        let (mut uids, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::new(), vec![cn.to_owned()]);
        while let Some(cn) = waiting.pop() {
            if !seen.insert(cn.clone()) {
                continue;
            }
            let group = self.groups.iter().find(|group| group.cn == cn).unwrap_or_else(|| panic!("no group {cn}"));
            for member in &group.members {
                match member {
                    Member::Person(uid) => drop(uids.insert(uid.clone())),
                    Member::Group(cn) => waiting.push(cn.clone()),
                    Member::Dn(_) => {}
                }
            }
        }
        uids
    }

    /// Root, organizational units, people and groups, in an order that can be loaded.
    pub(crate) fn to_ldif(&self) -> String {
        let mut ldif = String::new();
        entry(&mut ldif, SUFFIX, &["dcObject", "organization"], &[("dc", "example"), ("o", "Example")]);
        for unit in ["people", "groups"] {
            entry(&mut ldif, &format!("ou={unit},{SUFFIX}"), &["organizationalUnit"], &[("ou", unit)]);
        }
        let member_of = self.member_of();
        let held_by = |dn: &str| member_of.get(dn).map(Vec::as_slice).unwrap_or_default();
        for person in &self.people {
            ldif.push_str(&person.to_ldif_in(held_by(&person.dn())));
        }
        for (number, group) in self.groups.iter().enumerate() {
            ldif.push_str(&group.to_ldif_in(number, held_by(&group.dn())));
        }
        ldif
    }

    /// The groups of names that list an entry, by its name. slapd's memberof overlay would have written them down; it
    /// follows a later rename or deletion only for entries that have them.
    fn member_of(&self) -> BTreeMap<String, Vec<String>> {
        let mut member_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for group in self.groups.iter().filter(|group| group.kind == Kind::GroupOfNames) {
            for member in &group.members {
                member_of.entry(member.value(group.kind)).or_default().push(group.dn());
            }
        }
        member_of
    }
}

impl Person {
    /// The person with this number. Every tenth has a name outside ASCII.
    pub(crate) fn generate(number: usize) -> Self {
        const GIVEN: [&str; 10] =
            ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Frances", "Zoë"];
        const FAMILY: [&str; 7] = ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Perlman"];
        const TITLES: [&str; 3] = ["Engineer", "Analyst", "Manager"];
        let uid = uid(number);
        Self {
            given_name: GIVEN[number % GIVEN.len()].to_owned(),
            family_name: format!("{} {number}", FAMILY[number % FAMILY.len()]),
            mail: format!("{uid}@example.org"),
            employee_number: format!("{}", 10_000 + number),
            title: TITLES[number % TITLES.len()].to_owned(),
            locked: false,
            uid,
        }
    }

    /// Where the person's entry stands.
    pub(crate) fn dn(&self) -> String {
        person_dn(&self.uid)
    }

    /// The full name, as `cn` and `displayName` have it.
    pub(crate) fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// The person's entry, in no group.
    pub(crate) fn to_ldif(&self) -> String {
        self.to_ldif_in(&[])
    }

    fn to_ldif_in(&self, groups: &[String]) -> String {
        let name = self.display_name();
        let mut attributes = vec![
            ("uid", self.uid.as_str()),
            ("cn", &name),
            ("sn", &self.family_name),
            ("givenName", &self.given_name),
            ("displayName", &name),
            ("mail", &self.mail),
            ("employeeNumber", &self.employee_number),
            ("title", &self.title),
        ];
        if self.locked {
            attributes.push(("pwdAccountLockedTime", "000001010000Z"));
        }
        attributes.extend(groups.iter().map(|dn| ("memberOf", dn.as_str())));
        let mut ldif = String::new();
        entry(&mut ldif, &self.dn(), &["inetOrgPerson"], &attributes);
        ldif
    }
}

impl Group {
    /// Where the group's entry stands.
    pub(crate) fn dn(&self) -> String {
        group_dn(&self.cn)
    }

    /// The group's entry, in no other group; `number` makes the gidNumber of a posixGroup.
    pub(crate) fn to_ldif(&self, number: usize) -> String {
        self.to_ldif_in(number, &[])
    }

    fn to_ldif_in(&self, number: usize, groups: &[String]) -> String {
        let (class, attribute) = match self.kind {
            Kind::GroupOfNames => ("groupOfNames", "member"),
            Kind::GroupOfUniqueNames => ("groupOfUniqueNames", "uniqueMember"),
            Kind::PosixGroup => ("posixGroup", "memberUid"),
        };
        let gid = format!("{}", 50_000 + number);
        let values: Vec<_> = self.members.iter().map(|member| member.value(self.kind)).collect();
        let mut attributes = vec![("cn", self.cn.as_str())];
        if self.kind == Kind::PosixGroup {
            attributes.push(("gidNumber", &gid));
        }
        attributes.extend(values.iter().map(|value| (attribute, value.as_str())));
        attributes.extend(groups.iter().map(|dn| ("memberOf", dn.as_str())));
        let mut ldif = String::new();
        entry(&mut ldif, &self.dn(), &[class], &attributes);
        ldif
    }
}

impl Member {
    fn value(&self, kind: Kind) -> String {
        match (self, kind) {
            (Self::Person(uid), Kind::PosixGroup) => uid.clone(),
            (_, Kind::PosixGroup) => panic!("a posixGroup lists people only, not {self:?}"),
            (Self::Person(uid), _) => person_dn(uid),
            (Self::Group(cn), _) => group_dn(cn),
            (Self::Dn(dn), _) => dn.clone(),
        }
    }
}

/// The uid of the person with this number.
pub(crate) fn uid(number: usize) -> String {
    format!("u{number:05}")
}

/// The distinguished name of a person.
pub(crate) fn person_dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{SUFFIX}")
}

/// The distinguished name of a group.
pub(crate) fn group_dn(cn: &str) -> String {
    format!("cn={cn},ou=groups,{SUFFIX}")
}

/// Appends one entry (RFC 2849).
pub(crate) fn entry(ldif: &mut String, dn: &str, classes: &[&str], attributes: &[(&str, &str)]) {
    line(ldif, "dn", dn);
    for class in classes {
        line(ldif, "objectClass", class);
    }
    for (name, value) in attributes {
        line(ldif, name, value);
    }
    ldif.push('\n');
}

/// One attribute; in base64 unless it is a SAFE-STRING of RFC 2849.
fn line(ldif: &mut String, name: &str, value: &str) {
    let safe =
        value.chars().all(|c| matches!(c, ' '..='~')) && !value.starts_with([' ', ':', '<']) && !value.ends_with(' ');
    if safe {
        writeln!(ldif, "{name}: {value}").expect("a string takes all");
    } else {
        writeln!(ldif, "{name}:: {}", BASE64.encode(value)).expect("a string takes all");
    }
}
