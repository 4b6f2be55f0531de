//! Which product a server is. In: its own entry (rootDSE, RFC 4512 §5.1). Out: whether the preset fits it, as far as the server says what it is.
//!
//! A preset decides by which attributes a user counts as suspended. One that does not fit looks at attributes that are not there, and then every
//! disabled user looks active, without any error.

use super::connection::{Connection, LdapSearch};
use super::entry::LdapEntry;
use super::layout::LdapLayout;
use super::standing;
use crate::config::directory::ldap::LdapPreset;
use crate::model::{bounds, text};

/// What a domain controller says that it can do (MS-ADTS §3.1.1.3.4.3): be Active Directory, and its lightweight form, which has other attributes.
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
const LIGHTWEIGHT: &str = "1.2.840.113556.1.4.1851";

/// What a server says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Product {
    /// One that a preset is made for.
    Known(LdapPreset),
    /// Another, by the name it gives itself.
    Other(String),
}

impl Product {
    /// `None` for a server that does not say.
    fn of(root: &LdapEntry) -> Option<Self> {
        let has = |name: &str, value: &str| {
            root.values(name).iter().any(|known| known.eq_ignore_ascii_case(value.as_bytes()))
        };
        let vendor = [root.text("vendorName"), root.text("vendorVersion")].map(Option::unwrap_or_default);
        let says = |part: &str| vendor.iter().any(|text| text.to_ascii_lowercase().contains(part));
        Some(if has("supportedCapabilities", LIGHTWEIGHT) {
            Self::Other("Active Directory Lightweight Directory Services".to_owned())
        } else if has("supportedCapabilities", ACTIVE_DIRECTORY) {
            Self::Known(LdapPreset::ActiveDirectory)
        } else if says("389") {
            Self::Known(LdapPreset::Ds389)
        } else if has("objectClass", "OpenLDAProotDSE") || says("openldap") {
            Self::Known(LdapPreset::OpenLdap)
        } else {
            let name = vendor.join(" ");
            let name = text::shown(name.trim());
            if name.is_empty() {
                return None;
            }
            Self::Other(bounds::shown(&name))
        })
    }
}

/// A preset that is for another product than the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PresetMismatch {
    preset: LdapPreset,
    product: Product,
}

impl PresetMismatch {
    /// What is the matter.
    pub(super) fn detail(&self) -> String {
        let product = match &self.product {
            Product::Known(preset) => title(*preset),
            Product::Other(name) => name,
        };
        format!(
            "the server says that it is {product}, and `preset = {:?}` is for {}: users count as suspended by {}, which this server may not use, so \
             that suspended users would look active",
            name(self.preset),
            title(self.preset),
            standing::signs(self.preset).join(" and "),
        )
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> String {
        match &self.product {
            Product::Known(preset) => format!("set `preset = {:?}` in [source.ldap], and look at the plan before the next sync", name(*preset)),
            Product::Other(_) => {
                "say in `suspended_filter` of [source.ldap] by what this server marks suspended users, and check `id_attribute`".to_owned()
            }
        }
    }
}

fn name(preset: LdapPreset) -> &'static str {
    match preset {
        LdapPreset::OpenLdap => "openldap",
        LdapPreset::Ds389 => "389ds",
        LdapPreset::ActiveDirectory => "ad",
    }
}

fn title(preset: LdapPreset) -> &'static str {
    match preset {
        LdapPreset::OpenLdap => "OpenLDAP",
        LdapPreset::Ds389 => "389 Directory Server",
        LdapPreset::ActiveDirectory => "Active Directory",
    }
}

/// Asks the server what it is. `None` if the preset fits, if the server does not say, or if the operator says in `suspended_filter` by what users
/// count as suspended there.
pub(super) async fn misfit(connection: &mut Connection, layout: &LdapLayout) -> Option<PresetMismatch> {
    if layout.suspended_filter.is_some() {
        return None;
    }
    let attributes = ["objectClass", "vendorName", "vendorVersion", "supportedCapabilities"].map(str::to_owned);
    let search = LdapSearch {
        what: "the server's own entry",
        base: "",
        scope: ldap3::Scope::Base,
        filter: "(objectClass=*)",
        attributes: &attributes,
    };
    let mut product = None;
    let visit = |entry: LdapEntry| {
        product = Product::of(&entry).filter(|_| entry.dn.is_empty());
        Ok(())
    };
    if let Err(error) = connection.unpaged(search, 1, visit).await {
        tracing::debug!(%error, "the server does not show its own entry");
    }
    let preset = layout.preset;
    product.filter(|product| *product != Product::Known(preset)).map(|product| PresetMismatch { preset, product })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn product(attributes: &[(&str, &str)]) -> Option<Product> {
        Product::of(&LdapEntry::of("", attributes))
    }

    #[test]
    fn mp3_servers_say_what_they_are() {
        use LdapPreset::{ActiveDirectory, Ds389, OpenLdap};
        for (said, is) in [
            (("supportedCapabilities", ACTIVE_DIRECTORY), ActiveDirectory),
            (("vendorVersion", "389-Directory/2.3.1 B2023.100.1200"), Ds389),
            (("vendorName", "389 Project"), Ds389),
            (("objectclass", "openldaprootdse"), OpenLdap),
        ] {
            assert_eq!(product(&[("cn", "x"), said]), Some(Product::Known(is)), "{said:?}");
        }
        for (said, name) in [
            (vec![("vendorName", "Ping Identity"), ("vendorVersion", "9.1")], "Ping Identity 9.1"),
            (vec![("vendorName", "Apache Software\nFoundation")], "Apache Software\\u{a}Foundation"),
            (
                vec![("supportedCapabilities", LIGHTWEIGHT), ("supportedCapabilities", ACTIVE_DIRECTORY)],
                "Active Directory Lightweight Directory Services",
            ),
        ] {
            assert_eq!(product(&said), Some(Product::Other(name.to_owned())));
        }
        assert_eq!(product(&[("objectClass", "top"), ("namingContexts", "dc=x")]), None);
    }

    #[test]
    fn mp3_a_misfit_names_both_products_the_sign_and_what_to_set() {
        let misfit =
            PresetMismatch { preset: LdapPreset::OpenLdap, product: Product::Known(LdapPreset::ActiveDirectory) };
        let (detail, remedy) = (misfit.detail(), misfit.remedy());
        for part in ["Active Directory", "`preset = \"openldap\"`", "pwdAccountLockedTime", "would look active"] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
        assert!(remedy.contains("`preset = \"ad\"`"), "{remedy}");
        let other = PresetMismatch { preset: LdapPreset::Ds389, product: Product::Other("Ping".to_owned()) };
        assert!(other.detail().contains("nsAccountLock") && other.remedy().contains("suspended_filter"));
    }
}
