//! Where a tenant's credentials go. In: the addresses of its file. Out: one spelling for each, and which of them are not on record.
//!
//! A credential belongs to the address it was made for. Before the first request of a run the addresses are compared with those of
//! the last run (S-9); nothing here needs the network.

use super::forms::{AppAddress, canonical, is_loopback_address};
use super::network::NetworkTable;
use super::tenant::{TargetTable, TenantFile};
use crate::model::AddressMark;
use crate::model::text::address;

/// The addresses of a tenant file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// As they are put on record.
    pub mark: AddressMark,
    /// Whether the app's may be any on this machine, as a sandbox's is.
    pub target_may_move: bool,
    /// Whether the directory's may be.
    pub source_may_move: bool,
}

/// One side whose address is not the one on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressChange {
    /// Which side.
    pub side: AddressSide,
    /// What is on record.
    pub from: Vec<String>,
    /// What the file says now.
    pub to: Vec<String>,
}

/// A side of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSide {
    /// The app.
    Target,
    /// The directory.
    Source,
    /// The token server that grants tokens for the app.
    Login,
    /// A proxy that is sent a password of the tenant file.
    Proxy,
}

impl Addresses {
    /// Those of a tenant file.
    pub fn of(file: &TenantFile) -> Self {
        Self {
            mark: AddressMark {
                target: file.target.address(),
                source: file.source.addresses(),
                login: file.target.login_addresses(),
                proxy: proxies(file),
            },
            target_may_move: file.target.allow_http_loopback && file.target.loopback_port_may_change,
            source_may_move: file.source.may_move(),
        }
    }

    /// The sides that would send a credential to an address that is not on record. A directory without an address (a file) has
    /// nothing to compare with.
    pub fn changes(&self, before: &AddressMark) -> Vec<AddressChange> {
        let mut changes = Vec::new();
        let is_known = |known: &[String], address: &String, may_move: bool| {
            known.contains(address)
                || (may_move && is_loopback_address(address) && known.iter().any(|one| is_loopback_address(one)))
        };
        let target = std::slice::from_ref(&before.target);
        if !is_known(target, &self.mark.target, self.target_may_move) {
            let to = vec![self.mark.target.clone()];
            changes.push(AddressChange { side: AddressSide::Target, from: target.to_vec(), to });
        }
        let is_new = |address: &&String| !is_known(&before.source, address, self.source_may_move);
        let to: Vec<String> = self.mark.source.iter().filter(is_new).cloned().collect();
        if !before.source.is_empty() && !to.is_empty() {
            changes.push(AddressChange { side: AddressSide::Source, from: before.source.clone(), to });
        }
        // One that is new counts even where there was none before: it would be sent a secret that stood for the app alone.
        let is_new = |address: &&String| !is_known(&before.login, address, self.target_may_move);
        let to: Vec<String> = self.mark.login.iter().filter(is_new).cloned().collect();
        if !to.is_empty() {
            changes.push(AddressChange { side: AddressSide::Login, from: before.login.clone(), to });
        }
        let is_new = |address: &&String| !before.proxy.contains(address);
        let to: Vec<String> = self.mark.proxy.iter().filter(is_new).cloned().collect();
        if !to.is_empty() {
            changes.push(AddressChange { side: AddressSide::Proxy, from: before.proxy.clone(), to });
        }
        changes
    }
}

/// The proxies that are sent a password which the tenant file names, sorted, each once. Those of `rosterd.toml` are that file's business.
fn proxies(file: &TenantFile) -> Vec<String> {
    let tables = file.target.network.iter().chain(file.source.network().map(|(_, network)| network));
    let mut all: Vec<String> = tables.filter_map(NetworkTable::proxy_with_password).map(canonical).collect();
    all.sort();
    all.dedup();
    all
}

impl AddressChange {
    /// What changed, for people.
    pub fn in_words(&self) -> String {
        let side = match self.side {
            AddressSide::Target => "app",
            AddressSide::Source => "directory",
            AddressSide::Login if self.from.is_empty() => {
                return format!(
                    "the app's tokens are now granted by {}, and no token server was asked in the last run",
                    self.to.join(", ")
                );
            }
            AddressSide::Login => "token server",
            AddressSide::Proxy if self.from.is_empty() => {
                return format!(
                    "a password is now sent to the proxy {}, and none was sent to a proxy in the last run",
                    self.to.join(", ")
                );
            }
            AddressSide::Proxy => "proxy",
        };
        let from = match self.from.is_empty() {
            true => "another one".to_owned(),
            false => self.from.join(", "),
        };
        format!("the address of the {side} is now {} and was {from} in the last run", self.to.join(", "))
    }
}

impl TargetTable {
    /// The app's address as requests are sent to it.
    pub fn shown_address(&self) -> String {
        self.base_url.parse::<AppAddress>().map_or_else(|_| address(&self.base_url), |url| url.url().to_string())
    }

    /// The app's address in its one spelling.
    pub fn address(&self) -> String {
        canonical(&self.base_url)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(target: &str, source: &[&str], may_move: bool) -> Addresses {
        let mark = AddressMark {
            target: canonical(target),
            source: source.iter().map(|address| canonical(address)).collect(),
            login: Vec::new(),
            proxy: Vec::new(),
        };
        Addresses { mark, target_may_move: may_move, source_may_move: may_move }
    }

    #[test]
    fn sec9_a_proxy_that_is_sent_a_password_of_the_tenant_file_counts_from_the_first_time() {
        let through = |proxies: &[&str]| {
            let mut at = at("https://app.example.com", &[], false);
            at.mark.proxy = proxies.iter().map(|proxy| canonical(proxy)).collect();
            at
        };
        let (none, one) = (through(&[]), through(&["http://proxy.test:3128"]));
        assert_eq!(one.changes(&one.mark), []);
        assert_eq!(none.changes(&one.mark), [], "no password is sent");
        for before in [&none, &through(&["http://other.test:3128"])] {
            let changes = one.changes(&before.mark);
            assert!(changes.len() == 1 && changes[0].side == AddressSide::Proxy, "{changes:?}");
            assert!(changes[0].in_words().contains("http://proxy.test:3128"), "{}", changes[0].in_words());
        }
    }

    #[test]
    fn sec9_only_a_proxy_with_a_password_of_the_tenant_file_is_one_to_approve() {
        let of = |network: &str| {
            let text = format!(
                "[source.file]\npath = \"x\"\n[target]\nbase_url = \"https://app.example.com\"\ntoken = {{ env = \"T\" }}\n[target.network]\n{network}"
            );
            Addresses::of(&toml::from_str(&text).unwrap()).mark.proxy
        };
        let password = "proxy_user = \"ann\"\nproxy_password = { env = \"P\" }\n";
        assert_eq!(of("proxy = \"http://proxy.test:3128\"\n"), Vec::<String>::new());
        assert_eq!(of(&format!("proxy = \"http://PROXY.test:3128/\"\n{password}")), ["http://proxy.test:3128"]);
        assert_eq!(of(&format!("proxy = \"socks5h://proxy.test:1080\"\n{password}")), ["socks5h://proxy.test:1080"]);
    }

    #[test]
    fn sec9_scheme_host_port_and_path_of_either_side_count_on_loopback_too() {
        let app = "http://127.0.0.1:8080/scim/v2";
        let now = |address| at(address, &[], false).changes(&at(app, &[], false).mark).len();
        for same in [app, "HTTP://127.0.0.1:8080/scim/v2/", "http://127.1:8080/scim/v2"] {
            assert_eq!(now(same), 0, "{same}");
        }
        for other in [
            "http://127.0.0.1:8081/scim/v2",
            "http://127.0.0.1:8080/scim/v3",
            "https://127.0.0.1:8080/scim/v2",
            "http://localhost:8080/scim/v2",
            "http://127.0.0.2:8080/scim/v2",
            "http://[::1]:8080/scim/v2",
            "https://app.example.com/scim/v2",
        ] {
            assert_eq!(now(other), 1, "{other}");
        }
        let directory = |now: &[&str], before: &[&str]| at(app, now, false).changes(&at(app, before, false).mark).len();
        let (one, other) = ("ldaps://DC1.example.com", "ldaps://dc2.example.com");
        assert_eq!(directory(&["ldaps://dc1.example.com:636/"], &[one]), 0);
        assert_eq!(directory(&[one], &[one, other]), 0, "one less");
        assert_eq!(directory(&[one, other], &[one]), 1);
        assert_eq!(directory(&["ldap://dc1.example.com"], &[one]), 1);
        assert_eq!(directory(&[one], &[]), 0, "a file before, or an older record");
    }

    #[test]
    fn sec9_a_sandbox_may_move_on_this_machine_and_nowhere_else() {
        let before = at("http://127.0.0.1:8080", &["ldap://127.0.0.1:389"], false).mark;
        assert_eq!(at("http://localhost:9/x", &["ldap://[::1]:390"], true).changes(&before), []);
        assert_eq!(at("https://app.example.com", &["ldaps://dc1.example.com"], true).changes(&before).len(), 2);
        let away = at("https://app.example.com", &["ldaps://dc1.example.com"], false).mark;
        assert_eq!(at("http://127.0.0.1:8080", &["ldap://127.0.0.1"], true).changes(&away).len(), 2, "from outside");
    }
}
