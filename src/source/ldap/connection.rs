//! One bound connection. In: address, credential, searches. Out: entries, each search complete or an error.
//!
//! This file does not know people from groups. It holds the rules that keep a reading honest: TLS unless loopback, a time
//! limit on every answer, pages followed to the empty cookie (RFC 2696), and nothing but result 0 counts as an end.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::{Control, ControlType, MakeCritical as _, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::task::JoinHandle;
use url::Url;

use super::entry::Entry;
use super::outcome::{self, About};
use crate::config::ca;
use crate::config::forms::{LdapAddress, Misfit};
use crate::config::tenant::LdapTable;

use crate::source::SourceError;

/// Pages in a row without a single entry before a server counts as stuck. Filters that match little make some empty.
const EMPTY_PAGES: u32 = 1000;

/// Where a directory is and how to reach it.
#[derive(Debug)]
pub(super) struct Address {
    url: Url,
    start_tls: bool,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
}

impl Address {
    /// Judges the address without touching the network; the CA file is read.
    pub(super) fn new(table: &LdapTable, timeout: Duration) -> Result<Self, SourceError> {
        let wrong = |why: &str| SourceError::Settings(format!("url {:?}: {why}", table.url));
        let address: LdapAddress = table.url.parse().map_err(|misfit: Misfit| wrong(&misfit.to_string()))?;
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
        let tls = tls.then(|| tls_config(table.ca_file.as_deref())).transpose()?;
        Ok(Self { url: address.url().clone(), start_tls: table.start_tls, tls, timeout })
    }

    /// Connects and binds.
    pub(super) async fn connect(&self, bind_dn: &str, password: &str) -> Result<Connection, SourceError> {
        let mut settings = LdapConnSettings::new().set_conn_timeout(self.timeout).set_starttls(self.start_tls);
        if let Some(config) = &self.tls {
            settings = settings.set_config(Arc::clone(config));
        }
        let opening = LdapConnAsync::from_url_with_settings(settings, &self.url);
        let (connection, ldap) = unpanicked(opening).await?.map_err(|error| outcome::of_error(&error))?;
        let driver = tokio::spawn(connection.drive());
        let mut connection = Connection { ldap, driver: Some(driver), bind_dn: bind_dn.into(), timeout: self.timeout };
        let binding = connection.ldap.with_timeout(self.timeout).simple_bind(bind_dn, password);
        match unpanicked(binding).await? {
            Ok(result) => outcome::of_bind(&result, bind_dn)?,
            Err(error) => return Err(connection.broken(error).await),
        }
        Ok(connection)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, SourceError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let no_tls = |error: rustls::Error| SourceError::Settings(format!("TLS can't be set up: {error}"));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(no_tls)?;
    let builder = match ca_file {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(no_tls)?,
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn roots(path: &Path) -> Result<RootCertStore, SourceError> {
    let wrong = |why: String| SourceError::Settings(format!("ca_file {}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    let pem = ca::read(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("has no certificate in it".to_owned())) } else { Ok(roots) }
}

/// The library panics on some answers that break the protocol. Here that is an error like any other.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, SourceError> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| malformed("an answer breaks the LDAP protocol"))
}

fn malformed(what: impl Into<String>) -> SourceError {
    SourceError::Malformed(what.into())
}

/// One search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    /// What it looks for, for messages.
    pub(super) what: &'a str,
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) attributes: &'a [String],
}

/// What a whole search came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Entries, repetitions included.
    pub(super) entries: u64,
    /// References to other servers. None is followed: that would carry the credential there.
    pub(super) references: u64,
}

/// A connection that is bound.
pub(super) struct Connection {
    ldap: Ldap,
    driver: Option<JoinHandle<Result<(), LdapError>>>,
    bind_dn: Box<str>,
    timeout: Duration,
}

impl Connection {
    /// Reads a search to its end, in pages. `visit` says of each entry whether it is new; `page` hears how many came.
    ///
    /// # Errors
    /// What the server refuses, every end but result 0, and pages that lead nowhere.
    pub(super) async fn pages(
        &mut self,
        search: Search<'_>,
        page_size: i32,
        mut visit: impl FnMut(Entry) -> Result<bool, SourceError>,
        mut page: impl FnMut(u64),
    ) -> Result<Found, SourceError> {
        let mut found = Found::default();
        let mut cookie = Vec::new();
        let mut empty = 0;
        loop {
            let control = PagedResults { size: page_size, cookie }.critical().into();
            let mut fresh = false;
            let before = found.entries;
            let result = self
                .one_search(search, Some(control), &mut found, |entry| {
                    fresh |= visit(entry)?;
                    Ok(())
                })
                .await?;
            let came = found.entries - before;
            page(came);
            cookie = next_cookie(&result.ctrls)?;
            if cookie.is_empty() {
                tracing::debug!(what = search.what, ?found, "a search came to its end");
                return Ok(found);
            }
            empty = if came == 0 { empty + 1 } else { 0 };
            if empty > EMPTY_PAGES || (came > 0 && !fresh) {
                return Err(malformed(format!("the pages of {} repeat without end", search.what)));
            }
        }
    }

    /// Reads a search that fits one answer.
    ///
    /// # Errors
    /// As [`Connection::pages`].
    pub(super) async fn unpaged(
        &mut self,
        search: Search<'_>,
        mut visit: impl FnMut(Entry) -> Result<(), SourceError>,
    ) -> Result<Found, SourceError> {
        let mut found = Found::default();
        self.one_search(search, None, &mut found, &mut visit).await?;
        Ok(found)
    }

    /// One entry of a search, any; the server is asked for no more than that.
    ///
    /// # Errors
    /// As [`Connection::pages`], but for the size limit that was asked for.
    pub(super) async fn glimpse(&mut self, search: Search<'_>) -> Result<Option<Entry>, SourceError> {
        let control = PagedResults { size: 1, cookie: Vec::new() }.critical().into();
        let mut seen = None;
        let mut found = Found::default();
        let visit = |entry| {
            seen.get_or_insert(entry);
            Ok(())
        };
        self.one_search(search, Some(control), &mut found, visit).await?;
        Ok(seen)
    }

    async fn one_search(
        &mut self,
        search: Search<'_>,
        control: Option<RawControl>,
        found: &mut Found,
        mut visit: impl FnMut(Entry) -> Result<(), SourceError>,
    ) -> Result<LdapResult, SourceError> {
        let Search { what, base, scope, filter, attributes } = search;
        let ldap = self.ldap.with_timeout(self.timeout);
        ldap.controls = control.map(|control| vec![control]);
        let mut stream = match ldap.streaming_search(base, scope, filter, attributes).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.broken(error).await),
        };
        loop {
            match stream.next().await {
                Ok(None) => break,
                Ok(Some(item)) if item.is_ref() => found.references += 1,
                Ok(Some(item)) if item.is_intermediate() => {}
                Ok(Some(item)) => {
                    found.entries += 1;
                    let entry = Entry::parse(item.0).ok_or_else(|| malformed(format!("an entry among the {what}")))?;
                    visit(entry)?;
                }
                Err(error) => return Err(self.broken(error).await),
            }
        }
        let result = stream.finish().await;
        let about = About { what, base, bind_dn: &self.bind_dn, received: found.entries };
        outcome::of_search(&result, about).map(|()| result)
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        // Everything asked for has come: a farewell that gets lost changes nothing.
        let _ = self.ldap.with_timeout(self.timeout).unbind().await;
    }

    /// Why the connection broke: the library tells it only to the task that drives the connection.
    async fn broken(&mut self, error: LdapError) -> SourceError {
        let ended = matches!(error, LdapError::EndOfStream | LdapError::ResultRecv { .. } | LdapError::OpSend { .. });
        let Some(driver) = self.driver.take().filter(|_| ended) else { return outcome::of_error(&error) };
        match tokio::time::timeout(self.timeout, driver).await {
            Ok(Ok(Err(cause))) => outcome::of_error(&cause),
            Ok(Err(stopped)) if stopped.is_panic() => malformed("an answer breaks the LDAP protocol"),
            _ => SourceError::Unreachable("the server closed the connection before the answer was whole".to_owned()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server that no longer takes anything would keep the task, and the socket, for as long as TCP is patient.
        if let Some(driver) = &self.driver {
            driver.abort();
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
    let (_, StructureTag { payload: PL::C(parts), .. }) = ldap3::asn1::parse_tag(value).ok()? else { return None };
    parts.into_iter().nth(1)?.expect_primitive()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn address(url: &str, more: &str) -> Result<Address, SourceError> {
        let text = format!(
            "url = {url:?}\nbind_dn = 'cn=reader'\npassword = {{ env = 'X' }}\nbase = 'dc=x'\nca_file = '/none'\n{more}"
        );
        Address::new(&toml::from_str(&text).unwrap(), Duration::from_secs(1))
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
        assert!(roots(empty.path()).unwrap_err().to_string().contains("no certificate"));
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
}
