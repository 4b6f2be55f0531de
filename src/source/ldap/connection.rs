//! One bound connection. In: address, credential, searches. Out: entries, each search complete or an error.
//!
//! This file does not know people from groups. It holds the rules that keep a reading honest: TLS unless loopback, a time
//! limit on every answer, pages followed to the empty cookie (RFC 2696), and nothing but result 0 counts as an end. What the
//! library decodes has come through the `relay`; what it hands over here, a cookie, is checked by the same walker first.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::{Control, ControlType, MakeCritical as _, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, StdStream};
use rustls::ClientConfig;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use url::Url;
use xxhash_rust::xxh3::xxh3_64;
use zeroize::Zeroizing;

use super::bounds::{self, Bounds};
use super::entry::LdapEntry;
use super::outcome::{self, SearchContext, SearchResult};
use super::reference::{self, ExpectedReferrals};
use super::relay::{self, BEFORE_BIND, Duplex, RelayWatch};
use super::{ber, dial};
use crate::config::ca;
use crate::config::directory::ldap::LdapTable;
use crate::config::forms::{InvalidForm, LdapAddress};
use crate::http::ClientIdentity;
use crate::http::network::TlsPolicy;
use crate::http::tls;
use crate::source::SourceError;

/// Pages in a row without a single entry before a server counts as stuck. Filters that match little make some empty.
const EMPTY_PAGES: u32 = 1000;

/// The elements of a paging control: the control, a number and the cookie.
const PAGING_PARTS: u64 = 3;
/// Pages in a row that bring nothing new and whose cookie came before since the last that did. Some servers give one cookie all the time,
/// so one repetition proves nothing; a circle (A, B, A, B) does after some.
const REPEATED_COOKIES: u32 = 10;

/// Where an alias leads (RFC 4512 §2.6.2).
pub(super) const ALIAS_TARGET: &str = "aliasedObjectName";

/// Who binds.
pub(super) enum Credential {
    /// A name and its password (RFC 4513 §5.1.3).
    Password {
        /// The name.
        bind_dn: String,
        /// Its password.
        password: Zeroizing<String>,
    },
    /// The one whom the client certificate of the connection is for (SASL EXTERNAL, RFC 4513 §5.2.3).
    Certificate,
}

impl Credential {
    /// For messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Password { bind_dn, .. } => bind_dn,
            Self::Certificate => "the client certificate",
        }
    }
}

/// Where a directory is and how to reach it.
#[derive(Debug)]
pub(super) struct Address {
    url: Url,
    start_tls: bool,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    max_message: u64,
}

impl Address {
    /// Judges the address without touching the network; the CA file is read.
    pub(super) fn new(
        table: &LdapTable,
        identity: Option<&ClientIdentity>,
        policy: &TlsPolicy,
        timeout: Duration,
    ) -> Result<Self, SourceError> {
        let wrong = |why: &str| SourceError::Settings(format!("url {:?}: {why}", table.url));
        let address: LdapAddress = table.url.parse().map_err(|misfit: InvalidForm| wrong(&misfit.to_string()))?;
        let tls = address.is_ldaps() || table.start_tls;
        if address.is_ldaps() && table.start_tls {
            return Err(wrong("ldaps:// is TLS from the start: drop start_tls"));
        }
        let allowed = tls || (table.allow_plain_loopback && address.is_loopback());
        if !allowed {
            return Err(wrong(
                "would send the password in the clear: use ldaps:// or start_tls = true \
                 (allow_plain_loopback is for addresses of this machine)",
            ));
        }
        let tls = tls.then(|| tls_config(table.ca_file.as_deref(), identity, policy)).transpose()?;
        let max_message = table.max_message_bytes.clamp(64 << 10, 1 << 30);
        Ok(Self { url: address.url().clone(), start_tls: table.start_tls, tls, timeout, max_message })
    }

    /// Connects and binds.
    pub(super) async fn connect(
        &self,
        credential: &Credential,
        expected: &ExpectedReferrals,
    ) -> Result<Connection, SourceError> {
        let opening = dial::open(&self.url, self.start_tls, self.tls.as_ref(), self.max_message.min(BEFORE_BIND));
        let server = tokio::time::timeout(self.timeout, opening).await.map_err(|_| outcome::no_answer())??;
        let mut connection = self.behind_relay(server, credential.name(), expected.clone()).await?;
        let ldap = connection.ldap.with_timeout(self.timeout);
        let bound = match credential {
            Credential::Password { bind_dn, password } => unpanicked(ldap.simple_bind(bind_dn, password)).await?,
            Credential::Certificate => unpanicked(ldap.sasl_external_bind()).await?,
        };
        match (bound, credential) {
            (Ok(result), Credential::Password { bind_dn, .. }) => outcome::of_bind(&result, bind_dn)?,
            (Ok(result), Credential::Certificate) => outcome::of_external(&result)?,
            (Err(error), _) => return Err(connection.broken(error, "the answer to the bind").await),
        }
        connection.watch.bound();
        Ok(connection)
    }

    /// Gives the library one end of a socket pair, and the relay the other.
    async fn behind_relay(
        &self,
        server: Box<dyn Duplex>,
        bind_dn: &str,
        expected: ExpectedReferrals,
    ) -> Result<Connection, SourceError> {
        let (near, far) = UnixStream::pair().map_err(|error| outcome::of_io(&error))?;
        let far = far.into_std().map_err(|error| outcome::of_io(&error))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(far));
        let (library, ldap) =
            LdapConnAsync::with_settings(settings, "ldapi:///").await.map_err(|error| outcome::of_error(&error))?;
        let watch = Arc::new(RelayWatch::new(self.max_message));
        Ok(Connection {
            ldap,
            driver: Some(tokio::spawn(library.drive())),
            relay: Some(tokio::spawn(relay::run(server, near, Arc::clone(&watch)))),
            watch,
            bind_dn: bind_dn.into(),
            expected,
            timeout: self.timeout,
            largest_answer: bounds::largest_answer(self.max_message),
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

fn tls_config(
    ca_file: Option<&Path>,
    identity: Option<&ClientIdentity>,
    policy: &TlsPolicy,
) -> Result<Arc<ClientConfig>, SourceError> {
    let wrong =
        |path: &Path, why: &dyn std::fmt::Display| SourceError::Settings(format!("ca_file {}: {why}", path.display()));
    let pem = ca_file.map(|path| ca::read(path).map_err(|error| wrong(path, &error))).transpose()?;
    let config = tls::client_config(pem.as_deref(), identity.map(ClientIdentity::for_tls), policy).map_err(
        |error| match ca_file {
            Some(path) => wrong(path, &error),
            None => SourceError::Settings(error.to_string()),
        },
    )?;
    Ok(Arc::new(config))
}

/// The library panics on some answers that break the protocol. Here that is an error like any other.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, SourceError> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| malformed(BREAKS_PROTOCOL))
}

const BREAKS_PROTOCOL: &str = "an answer breaks the LDAP protocol";

fn malformed(what: impl Into<String>) -> SourceError {
    SourceError::Malformed(what.into())
}

/// One search.
#[derive(Debug, Clone, Copy)]
pub(super) struct LdapSearch<'a> {
    /// What it looks for, for messages.
    pub(super) what: &'a str,
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) attributes: &'a [String],
}

/// A connection that is bound.
pub(super) struct Connection {
    ldap: Ldap,
    driver: Option<JoinHandle<Result<(), LdapError>>>,
    relay: Option<JoinHandle<std::io::Result<()>>>,
    watch: Arc<RelayWatch>,
    bind_dn: Box<str>,
    /// Where nobody is missed.
    expected: ExpectedReferrals,
    timeout: Duration,
    largest_answer: u64,
}

impl Connection {
    /// Reads a search to its end, in pages. `visit` says of each entry whether it is new; `page` hears how many came.
    ///
    /// # Errors
    /// What the server refuses, every end but result 0, pages that lead nowhere, and parts of the tree that were not searched.
    pub(super) async fn pages(
        &mut self,
        search: LdapSearch<'_>,
        page_size: i32,
        mut visit: impl FnMut(LdapEntry) -> Result<bool, SourceError>,
        mut page: impl FnMut(u64),
    ) -> Result<SearchResult, SourceError> {
        let mut found = SearchResult::default();
        let mut cookie = Vec::new();
        let (mut empty, mut repeated) = (0, 0);
        // Hashes of the cookies since a page last brought something new: never more than there may be such pages.
        let mut cookies = HashSet::new();
        loop {
            let control = PagedResults { size: page_size, cookie }.critical().into();
            let mut fresh = false;
            let before = found.entries;
            let asked = u64::try_from(page_size).unwrap_or(1);
            let result = self
                .one_search(search, asked, Some(control), &mut found, |entry| {
                    fresh |= visit(entry)?;
                    Ok(())
                })
                .await?;
            let came = found.entries - before;
            page(came);
            cookie = next_cookie(&result.ctrls)?;
            if cookie.is_empty() {
                tracing::debug!(what = search.what, ?found, "search finished");
                return outcome::whole(search.what, search.base, &found).map(|()| found);
            }
            if fresh {
                cookies.clear();
                repeated = 0;
            }
            empty = if came == 0 { empty + 1 } else { 0 };
            repeated += u32::from(!cookies.insert(xxh3_64(&cookie)));
            if empty > EMPTY_PAGES || repeated > REPEATED_COOKIES || (came > 0 && !fresh) {
                return Err(malformed(format!("the pages of {} repeat without end", search.what)));
            }
        }
    }

    /// Reads a search that fits one answer, of about `asked` entries.
    ///
    /// # Errors
    /// As [`Connection::pages`].
    pub(super) async fn unpaged(
        &mut self,
        search: LdapSearch<'_>,
        asked: usize,
        mut visit: impl FnMut(LdapEntry) -> Result<(), SourceError>,
    ) -> Result<SearchResult, SourceError> {
        let mut found = SearchResult::default();
        self.one_search(search, asked as u64, None, &mut found, &mut visit).await?;
        Ok(found)
    }

    /// One entry of a search, any; the server is asked for no more than that.
    ///
    /// # Errors
    /// As [`Connection::pages`], but for the size limit that was asked for.
    pub(super) async fn glimpse(&mut self, search: LdapSearch<'_>) -> Result<Option<LdapEntry>, SourceError> {
        let control = PagedResults { size: 1, cookie: Vec::new() }.critical().into();
        let mut seen = None;
        let mut found = SearchResult::default();
        let visit = |entry| {
            seen.get_or_insert(entry);
            Ok(())
        };
        self.one_search(search, 1, Some(control), &mut found, visit).await?;
        Ok(seen)
    }

    /// A list that comes in pieces has the bounds of an answer.
    ///
    /// # Errors
    /// When there are more bytes.
    pub(super) fn bounds_list(&self, dn: &str, bytes: u64) -> Result<(), SourceError> {
        let fits = Bounds::of(1, self.largest_answer).count(bytes);
        fits.map_err(|why| malformed(format!("the member list of {dn:?} {why}; nothing of this reading is used")))
    }

    async fn one_search(
        &mut self,
        search: LdapSearch<'_>,
        asked: u64,
        control: Option<RawControl>,
        found: &mut SearchResult,
        mut visit: impl FnMut(LdapEntry) -> Result<(), SourceError>,
    ) -> Result<LdapResult, SourceError> {
        let LdapSearch { what, base, scope, filter, attributes } = search;
        let ldap = self.ldap.with_timeout(self.timeout);
        ldap.controls = control.map(|control| vec![control]);
        let answer = format!("an answer to the search for {what} below {base:?}");
        let mut stream = match ldap.streaming_search(base, scope, filter, attributes).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.broken(error, &answer).await),
        };
        let mut bounds = Bounds::of(asked, self.largest_answer);
        let before = found.entries;
        let too_much = |dn: &str, why: String| {
            let after = if dn.is_empty() { String::new() } else { format!(", as of the entry {dn:?},") };
            malformed(format!("{answer}{after} {why}; nothing of this reading is used"))
        };
        loop {
            match stream.next().await {
                Ok(None) => break,
                Ok(Some(item)) if item.is_ref() || item.is_intermediate() => {
                    bounds.aside(self.watch.take()).map_err(|why| too_much("", why))?;
                    if item.is_ref() {
                        let addresses = reference::addresses(item.0);
                        if !self.expected.covers(&addresses) {
                            found.holes.note(addresses.first().map_or("a place without an address", String::as_str));
                        }
                    }
                }
                Ok(Some(item)) => {
                    found.entries += 1;
                    let size = self.watch.take();
                    let entry =
                        LdapEntry::parse(item.0).ok_or_else(|| malformed(format!("an entry among the {what}")))?;
                    bounds.entry(found.entries - before, size).map_err(|why| too_much(&entry.dn, why))?;
                    if let Some(target) = entry.text(ALIAS_TARGET) {
                        if self.expected.leads_out(&entry.dn, target, base) {
                            found.holes.note(&format!("the alias {} of {target}", entry.dn));
                        }
                        continue;
                    }
                    visit(entry)?;
                }
                Err(error) => return Err(self.broken(error, &answer).await),
            }
        }
        let result = stream.finish().await;
        let about = SearchContext { what, base, bind_dn: &self.bind_dn, received: found.entries };
        outcome::of_search(&result, about)?;
        if !result.refs.is_empty() && !self.expected.covers(&result.refs) {
            found.holes.note(result.refs.first().map_or("", String::as_str));
        }
        Ok(result)
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        // Everything asked for has come: a farewell that gets lost changes nothing.
        let _ = self.ldap.with_timeout(self.timeout).unbind().await;
        if let Some(relay) = &mut self.relay {
            let _ = tokio::time::timeout(self.timeout, relay).await;
        }
    }

    /// Why the connection broke: the library tells it only to the task that drives the connection, and that task sees only the
    /// relay's side of it.
    async fn broken(&mut self, error: LdapError, answer: &str) -> SourceError {
        if let Some(refusal) = self.watch.refusal() {
            return malformed(refusal.explain(answer));
        }
        let ended = matches!(error, LdapError::EndOfStream | LdapError::ResultRecv { .. } | LdapError::OpSend { .. });
        let Some(driver) = self.driver.take().filter(|_| ended) else { return outcome::of_error(&error) };
        let driven = tokio::time::timeout(self.timeout, driver).await;
        if matches!(&driven, Ok(Err(stopped)) if stopped.is_panic()) {
            return malformed(BREAKS_PROTOCOL);
        }
        if let Some(relay) = self.relay.take()
            && let Ok(Ok(Err(cause))) = tokio::time::timeout(self.timeout, relay).await
        {
            return outcome::of_io(&cause);
        }
        match driven {
            Ok(Ok(Err(cause))) => outcome::of_error(&cause),
            _ => SourceError::Unreachable("the server closed the connection before the answer was whole".to_owned()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server that no longer takes anything would keep the tasks, and the socket, for as long as TCP is patient.
        if let Some(driver) = &self.driver {
            driver.abort();
        }
        if let Some(relay) = &self.relay {
            relay.abort();
        }
    }
}

/// The cookie of the next page; empty after the last.
fn next_cookie(controls: &[Control]) -> Result<Vec<u8>, SourceError> {
    let paged = controls.iter().find(|Control(kind, _)| matches!(kind, Some(ControlType::PagedResults)));
    let Some(Control(_, RawControl { val: Some(value), .. })) = paged else {
        return Err(malformed("a page does not say whether it is the last (RFC 2696)"));
    };
    cookie_in(value).ok_or_else(|| malformed("the paging cookie can't be read (RFC 2696)"))
}

fn cookie_in(value: &[u8]) -> Option<Vec<u8>> {
    // The relay sees a control's value as one value, whatever is in it.
    if !ber::is_sound(value, PAGING_PARTS) {
        return None;
    }
    let (_, StructureTag { payload: PL::C(parts), .. }) = ldap3::asn1::parse_tag(value).ok()? else { return None };
    parts.into_iter().nth(1)?.expect_primitive()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::ber::tests::nested;
    use super::*;

    fn address(url: &str, more: &str) -> Result<Address, SourceError> {
        let text = format!(
            "url = {url:?}\nbind_dn = 'cn=reader'\npassword = {{ env = 'X' }}\nbase = 'dc=x'\nca_file = '/none'\n{more}"
        );
        Address::new(&toml::from_str(&text).unwrap(), None, &TlsPolicy::default(), Duration::from_secs(1))
    }

    #[test]
    fn i6_no_password_goes_out_in_the_clear() {
        for (url, more) in [
            ("ldap://dc1.example.com", ""),
            ("ldap://127.0.0.1", ""),
            ("ldap://dc1.example.com", "allow_plain_loopback = true"),
            ("ldap://127.0.0.1.example.com", "allow_plain_loopback = true"),
            ("ldap://localhost.example.com", "allow_plain_loopback = true"),
            ("ldap://10.0.0.1", "allow_plain_loopback = true"),
            ("ldap://[fe80::1]", "allow_plain_loopback = true"),
        ] {
            let refused = address(url, more).unwrap_err().to_string();
            assert!(refused.contains("in the clear"), "{url}: {refused}");
        }
        for url in ["ldap://127.0.0.1:1389", "ldap://127.9.9.9", "ldap://[::1]:389/", "ldap://localhost:389"] {
            assert!(address(url, "allow_plain_loopback = true").is_ok(), "{url}");
        }
    }

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for url in [
            "",
            "ldaps:",
            "ldaps://",
            "ldaps:///",
            "https://x",
            "ldapi://x",
            "ldaps://u:p@x",
            "ldaps://x/dc=y",
            "ldaps://x?y",
        ] {
            assert!(matches!(address(url, ""), Err(SourceError::Settings(_))), "{url}");
        }
        assert!(address("ldaps://x", "start_tls = true").is_err());
    }

    #[test]
    fn a_ca_file_that_is_missing_or_empty_is_refused_before_the_network() {
        assert!(address("ldaps://x", "").unwrap_err().to_string().contains("/none"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let refused = tls_config(Some(empty.path()), None, &TlsPolicy::default()).unwrap_err();
        assert!(refused.to_string().contains("no certificate"));
    }

    #[test]
    fn s8_a_broken_paging_control_is_an_error() {
        assert_eq!(cookie_in(&[0x30, 0x07, 0x02, 0x01, 0x00, 0x04, 0x02, b'a', b'b']), Some(b"ab".to_vec()));
        assert_eq!(cookie_in(&[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00]), Some(Vec::new()));
        for broken in [&[][..], &[0x30], &[0x30, 0x03, 0x02, 0x01, 0x00], &[0x04, 0x00], &[0x30, 0x05, 0x02]] {
            assert_eq!(cookie_in(broken), None, "{broken:?}");
        }
        assert!(next_cookie(&[]).is_err());
    }

    #[test]
    fn l1_a_paging_control_is_looked_at_before_it_is_decoded() {
        let cookie = |levels: usize| [&[0x30, 0x7f, 0x02, 0x01, 0x00][..], &nested(levels)].concat();
        for levels in [1, 31, 33] {
            let mut value = cookie(levels);
            value[1] = u8::try_from(value.len() - 2).unwrap();
            assert_eq!(cookie_in(&value), None, "{levels}");
        }
        assert_eq!(cookie_in(&[0x30, 0x80, 0x02, 0x01, 0x00, 0x04, 0x00, 0x00, 0x00]), None, "indefinite length");
        let many = [&[0x30, 0x09, 0x02, 0x01, 0x00, 0x04, 0x00][..], &[0x04, 0x00, 0x04, 0x00]].concat();
        assert_eq!(cookie_in(&many), None, "a control has three elements");
    }
}
