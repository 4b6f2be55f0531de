//! References to parts of the tree that a search did not look into. In: the addresses that a server names (RFC 4511 §4.5.3) and the targets
//! of alias entries (RFC 4512 §2.6.2). Out: which of them leave a hole in what was read. Pure.
//!
//! Nothing is followed: that would carry the credential to a server of somebody else's choice. So a reference inside the base is a place
//! where people may be whom the reading does not show, and silence about them proves nothing. Two kinds are no hole: the partitions that
//! Active Directory itself keeps beside each domain, and the subtrees that the operator lists in `expected_references`.

use ldap3::asn1::StructureTag;
use percent_encoding::percent_decode_str;

use super::dn;
use crate::config::directory::ldap::LdapPreset;
use crate::model::{bounds, text};

/// What Active Directory keeps beside a domain of its own, in canonical form.
const OF_THE_DOMAIN: [&str; 1] = ["dc=domaindnszones"];
const OF_THE_FOREST: [&str; 3] = ["dc=forestdnszones", "cn=configuration", "cn=schema,cn=configuration"];

/// The parts of a tree that a reading may leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExpectedReferrals {
    /// Names that hold nobody, themselves and everything below, in canonical form.
    subtrees: Vec<String>,
    /// Names of whole partitions, in canonical form.
    partitions: Vec<String>,
}

impl ExpectedReferrals {
    /// For these bases, with the subtrees that the operator lists.
    ///
    /// # Errors
    /// The first of them that is no distinguished name.
    pub(super) fn new(preset: LdapPreset, bases: &[&str], listed: &[String]) -> Result<Self, String> {
        let subtrees = listed.iter().map(|name| dn::canonical(name).filter(|key| !key.is_empty()).ok_or(name.clone()));
        let subtrees = subtrees.collect::<Result<_, _>>()?;
        let mut partitions = Vec::new();
        if preset == LdapPreset::ActiveDirectory {
            for domain in bases.iter().filter_map(|base| domain_of(&dn::canonical(base)?)) {
                partitions.extend(OF_THE_DOMAIN.iter().map(|name| format!("{name},{domain}")));
                for forest in self_and_parents(&domain) {
                    partitions.extend(OF_THE_FOREST.iter().map(|name| format!("{name},{forest}")));
                }
            }
        }
        Ok(Self { subtrees, partitions })
    }

    /// Whether nobody is missed where these addresses lead; each of them is another way to the same place.
    pub(super) fn covers(&self, addresses: &[String]) -> bool {
        !addresses.is_empty()
            && addresses.iter().all(|address| name_in(address).is_some_and(|name| self.covers_name(&name)))
    }

    /// The same for the canonical form of a name.
    fn covers_name(&self, name: &str) -> bool {
        self.partitions.iter().any(|known| known == name) || self.subtrees.iter().any(|known| is_below(name, known))
    }

    /// Whether an alias of this name leads out of what is searched below `base`. Its target is then read by nobody.
    pub(super) fn leads_out(&self, alias: &str, target: &str, base: &str) -> bool {
        let (Some(target), Some(base)) = (dn::canonical(target), dn::canonical(base)) else { return true };
        let covered = |name: &str| self.covers_name(name);
        !is_below(&target, &base) && !covered(&target) && !dn::canonical(alias).is_some_and(|alias| covered(&alias))
    }
}

/// Whether a name is another or below it, both in canonical form.
fn is_below(name: &str, other: &str) -> bool {
    let above = name.strip_suffix(other);
    other.is_empty() || above.is_some_and(|rest| rest.is_empty() || (rest.ends_with(',') && !rest.ends_with("\\,")))
}

/// The domain that a base is in: what it ends with in `dc=`.
fn domain_of(base: &str) -> Option<String> {
    let levels = levels(base);
    let kept = levels.iter().rev().take_while(|level| level.starts_with("dc=")).count();
    let domain = levels.get(levels.len() - kept..)?.join(",");
    (!domain.is_empty()).then_some(domain)
}

/// A domain and the domains above it, down to two levels: one of them is the root of its forest.
fn self_and_parents(domain: &str) -> Vec<String> {
    let levels = levels(domain);
    let last = levels.len().saturating_sub(2);
    (0..=last).filter_map(|from| levels.get(from..)).map(|levels| levels.join(",")).collect()
}

/// The levels of a name in canonical form, in which a comma of a value is escaped.
fn levels(name: &str) -> Vec<&str> {
    let mut levels = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in name.char_indices() {
        match c {
            ',' if !escaped => {
                levels.extend(name.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    levels.extend(name.get(start..));
    levels
}

/// The canonical form of the name in an address such as `ldap://dc2.acme.test/OU=Sales,DC=acme,DC=test??sub` (RFC 4516).
fn name_in(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    if !["ldap", "ldaps"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let (_, path) = rest.split_once('/')?;
    let name = percent_decode_str(path.split('?').next()?).decode_utf8().ok()?;
    dn::canonical(&name).filter(|key| !key.is_empty())
}

/// The addresses in a search result reference; none if it is not one.
pub(super) fn addresses(tag: StructureTag) -> Vec<String> {
    let parts = tag.match_id(19).and_then(StructureTag::expect_constructed).unwrap_or_default();
    let texts = parts.into_iter().filter_map(|part| String::from_utf8(part.expect_primitive()?).ok());
    texts.collect()
}

/// What a search did not look into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holes {
    /// How many places.
    pub(super) count: u64,
    /// The first of them, for messages.
    pub(super) first: Option<Box<str>>,
}

impl Holes {
    /// Notes a place, as the server names it.
    pub(super) fn note(&mut self, place: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| bounds::shown(&text::shown(place)).into_boxed_str());
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn expected(preset: LdapPreset, base: &str, listed: &[&str]) -> ExpectedReferrals {
        let listed: Vec<_> = listed.iter().map(|name| (*name).to_owned()).collect();
        ExpectedReferrals::new(preset, &[base], &listed).unwrap()
    }

    fn covers(expected: &ExpectedReferrals, address: &str) -> bool {
        expected.covers(&[address.to_owned()])
    }

    #[test]
    fn mp5_only_the_partitions_that_a_domain_has_by_itself_are_no_hole() {
        let ad = expected(LdapPreset::ActiveDirectory, "OU=Staff,DC=emea,DC=acme,DC=test", &[]);
        for own in [
            "ldap://DomainDnsZones.emea.acme.test/DC=DomainDnsZones,DC=emea,DC=acme,DC=test",
            "ldap://ForestDnsZones.acme.test/DC=ForestDnsZones,DC=acme,DC=test",
            "ldap://acme.test/CN=Configuration,DC=acme,DC=test",
            "ldap:///cn=configuration,%20DC=Acme,DC=test??base",
        ] {
            assert!(covers(&ad, own), "{own}");
        }
        for hole in [
            "ldap://emea2.acme.test/DC=emea2,DC=acme,DC=test",
            "ldap://child.emea.acme.test/DC=child,DC=emea,DC=acme,DC=test",
            "ldap://other/CN=Configuration,DC=other,DC=test",
            "ldap://other/CN=Configuration,DC=test",
            "ldap://other/OU=Sales,CN=Configuration,DC=acme,DC=test",
            "ldap://other/CN=Configuration,OU=Staff,DC=emea,DC=acme,DC=test",
            "ldap://other/OU=DomainDnsZones,DC=emea,DC=acme,DC=test",
            "ldap://other/DC=DomainDnsZones,DC=acme,DC=test,DC=emea",
            "ldap://other/",
            "ldap://other",
            "https://acme.test/CN=Configuration,DC=acme,DC=test",
            "CN=Configuration,DC=acme,DC=test",
            "",
        ] {
            assert!(!covers(&ad, hole), "{hole}");
        }
        let two = ["ldap://a/CN=Configuration,DC=acme,DC=test", "ldap://b/OU=Sales,DC=acme,DC=test"];
        assert!(!ad.covers(&two.map(str::to_owned)) && !ad.covers(&[]), "each address has to be one of them");
        for preset in [LdapPreset::OpenLdap, LdapPreset::Ds389] {
            let other = expected(preset, "DC=acme,DC=test", &[]);
            assert!(!covers(&other, "ldap://acme.test/CN=Configuration,DC=acme,DC=test"), "{preset:?}");
        }
    }

    #[test]
    fn mp5_a_subtree_that_is_listed_is_no_hole_and_its_neighbours_are() {
        let listed = expected(LdapPreset::OpenLdap, "dc=x", &["OU=Print Rooms , dc=x"]);
        assert!(
            covers(&listed, "ldap://other/ou=print%20rooms,dc=x")
                && covers(&listed, "ldaps://o:636/ou=a,ou=Print%20Rooms,dc=x")
        );
        for hole in ["ldap://other/dc=x", "ldap://other/ou=sales,dc=x", "ldap://other/ou=a\\,ou=print%20rooms,dc=x"] {
            assert!(!covers(&listed, hole), "{hole}");
        }
        for bad in ["", "sales", "ou=a,,dc=x"] {
            assert!(ExpectedReferrals::new(LdapPreset::OpenLdap, &["dc=x"], &[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mp5_an_alias_leads_out_unless_its_target_is_searched_too() {
        let expected = expected(LdapPreset::OpenLdap, "dc=x", &["ou=old,dc=y"]);
        assert!(!expected.leads_out("uid=a,dc=x", "UID=b, ou=People,DC=x", "dc=x"));
        assert!(!expected.leads_out("uid=a,dc=x", "uid=b,ou=old,dc=y", "dc=x"));
        assert!(expected.leads_out("ou=sales,dc=x", "ou=sales,dc=y", "dc=x"));
        assert!(expected.leads_out("ou=sales,dc=x", "sales", "dc=x"), "a target that is no name");
    }
}
