//! The addresses of the two sides. What an address may be next to other keys (plain http, StartTLS) is checked with the file.

use std::net::IpAddr;

use url::{Host, Url};

use super::{InvalidForm, TextForm};

/// The app's SCIM base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppAddress(Url);

impl AppAddress {
    /// The URL, without a slash at the end of its path (unless the path is empty).
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether requests go over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it can't be anywhere but on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl TextForm for AppAddress {
    const FORMAT: &'static str = "app-address";
    const DESCRIPTION: &'static str = "An https URL.";
    const EXAMPLES: &'static [&'static str] = &["https://app.example.com/scim/v2"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        const HINT: &str =
            "write the app's SCIM base URL up to but without `/Users`, such as `https://app.example.com/scim/v2`";
        let mut url = parse(text, &["https", "http"], HINT)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if let Some(end) = ["/Users", "/Groups"].iter().find(|end| path.ends_with(**end)) {
            return Err(InvalidForm::new(format!("the base URL ends in {end}, which is added by rosterd"), HINT));
        }
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl std::str::FromStr for AppAddress {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        Self::read(text)
    }
}

/// A directory server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapAddress(Url);

impl LdapAddress {
    /// The URL: scheme, host, port.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether it speaks TLS from the first byte.
    pub fn is_ldaps(&self) -> bool {
        self.0.scheme() == "ldaps"
    }

    /// Whether it can't be anywhere but on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl TextForm for LdapAddress {
    const FORMAT: &'static str = "ldap-address";
    const DESCRIPTION: &'static str = "An ldaps URL, or an ldap URL with StartTLS.";
    const EXAMPLES: &'static [&'static str] = &["ldaps://dc1.example.com", "ldap://dc1.example.com:389"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        const HINT: &str =
            "write `ldaps://dc1.example.com`, or `ldap://dc1.example.com` together with `start_tls = true`";
        let url = parse(text, &["ldaps", "ldap"], HINT)?;
        if !matches!(url.path(), "" | "/") {
            return Err(InvalidForm::new("an LDAP address has no path", "the base goes into the key `base`"));
        }
        Ok(Self(url))
    }
}

impl std::str::FromStr for LdapAddress {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        Self::read(text)
    }
}

/// The address of a directory's API, without further claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(Url);

impl WebAddress {
    /// Whether requests go over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it can't be anywhere but on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl TextForm for WebAddress {
    const FORMAT: &'static str = "web-address";
    const DESCRIPTION: &'static str = "An https URL.";
    const EXAMPLES: &'static [&'static str] = &["https://api.example.com/v1"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        parse(text, &["https", "http"], "write an https URL, such as `https://api.example.com/v1`").map(Self)
    }
}

impl std::str::FromStr for WebAddress {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        Self::read(text)
    }
}

/// One spelling for every way to write an address: scheme, host, port and path. What is no address stays what it is.
pub fn canonical(text: &str) -> String {
    let Ok(url) = Url::parse(text.trim()) else { return text.trim().to_owned() };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let usual = match url.scheme() {
        "ldap" => Some(389),
        "ldaps" => Some(636),
        _ => url.port_or_known_default(),
    };
    let port = url.port().or(usual).map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
}

/// The address with its host as it is understood, if that is not what is written: numbers that are short for an IP address, an escaped or
/// international name. Capitals are no difference.
pub fn normal_form(text: &str) -> Option<String> {
    let url = parse(text, &["https", "http", "ldaps", "ldap"], "").ok()?;
    let host = url.host_str()?;
    let written = text.split_once("://").map_or(text, |(_, rest)| rest);
    let written = written.split(['/', '\\']).next().unwrap_or_default();
    let written = url.port().map_or(written, |port| written.strip_suffix(&format!(":{port}")).unwrap_or(written));
    let usual = match url.scheme() {
        "https" => ":443",
        _ => ":80",
    };
    let written = written.strip_suffix(usual).filter(|_| url.port().is_none()).unwrap_or(written);
    (!written.eq_ignore_ascii_case(host)).then(|| url.to_string())
}

/// Whether an address can't be anywhere but on this machine.
pub fn is_loopback_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_loopback(&url))
}

/// An address and port to listen on.
pub(super) fn listen(text: &str) -> Result<(), InvalidForm> {
    text.parse::<std::net::SocketAddr>().map(drop).map_err(|_| {
        InvalidForm::new(format!("{text:?} is not an address and port"), "such as `127.0.0.1:9464` or `[::1]:9464`")
    })
}

pub(super) fn parse(text: &str, schemes: &[&str], hint: &str) -> Result<Url, InvalidForm> {
    let wrong = |message: &str| InvalidForm::new(message, hint);
    // The parser trims and drops such characters in silence; an address is to be what is written.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("an address has no spaces or control characters"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&format!("this is not an address: {error}")))?;
    if !schemes.contains(&url.scheme()) {
        return Err(wrong(&format!("an address that begins with `{}:` can't be used here", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("the address has no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address carries no user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("an address has no `?` or `#`"));
    }
    Ok(url)
}

/// A loopback IP address, or the name `localhost`, which RFC 6761 §6.3 reserves for one.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // For a scheme such as ldap the parser leaves a numeric host as a name.
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn i6_an_app_address_is_only_an_address() {
        for bad in [
            "",
            "app.example.com",
            "ftp://app.example.com",
            "https://",
            "https://user:pw@app.example.com",
            "file:///etc/passwd",
            "https://app.example.com/scim?x=1",
            "https://app.example.com/scim#x",
            "https://app.example.com/scim/Users",
            " https://app.example.com",
            "https://app.exa mple.com",
            "https://app.example.com\n.evil.test",
        ] {
            assert!(bad.parse::<AppAddress>().is_err(), "{bad:?}");
        }
        let good: AppAddress = "https://app.example.com/scim/v2/".parse().unwrap();
        assert_eq!(good.url().as_str(), "https://app.example.com/scim/v2");
    }

    #[test]
    fn i6_loopback_is_an_address_and_not_a_name_that_looks_like_one() {
        let app = |text: &str| text.parse::<AppAddress>().unwrap().is_loopback();
        assert!(
            app("http://127.0.0.1:8080")
                && app("http://[::1]/scim")
                && app("http://localhost:9")
                && app("http://127.9.9.9")
        );
        assert!(!app("http://127.0.0.1.evil.test") && !app("http://localhost.evil.test") && !app("http://10.0.0.1"));
        let ldap = |text: &str| text.parse::<LdapAddress>().unwrap().is_loopback();
        assert!(ldap("ldap://127.0.0.1:389") && ldap("ldap://[::1]") && ldap("ldap://localhost"));
        assert!(!ldap("ldap://127.0.0.1.evil.test") && !ldap("ldap://10.0.0.1"));
    }

    #[test]
    fn sec38_a_short_spelling_is_told_in_its_normal_form() {
        for (written, read) in [
            ("http://127.1:8080/scim", Some("http://127.0.0.1:8080/scim")),
            ("http://2130706433", Some("http://127.0.0.1/")),
            ("http://0x7f.1/", Some("http://127.0.0.1/")),
            ("https://b\u{fc}cher.example/", Some("https://xn--bcher-kva.example/")),
            ("https://app.example.com:443/scim", None),
            ("https://APP.example.com/scim", None),
            ("http://127.0.0.1:80/x", None),
            ("http://[::1]:9/x", None),
            ("ldaps://dc1.example.com:636", None),
            ("ldap://localhost", None),
        ] {
            assert_eq!(normal_form(written).as_deref(), read, "{written}");
        }
    }

    #[test]
    fn an_ldap_address_has_host_and_port_only() {
        for bad in
            ["http://dc1.example.com", "ldaps://dc1.example.com/dc=example", "ldaps://", "dc1.example.com", "ldapi:///"]
        {
            assert!(bad.parse::<LdapAddress>().is_err(), "{bad:?}");
        }
        assert!("ldaps://dc1.example.com:636".parse::<LdapAddress>().unwrap().is_ldaps());
    }
}
