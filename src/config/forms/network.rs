//! The texts of `[network]`: a proxy's address, a host that needs none, the hash of a key.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{InvalidForm, TextForm, text_form};

/// The word for the proxy that the environment names.
pub const PROXY_OF_ENVIRONMENT: &str = "environment";

/// The word for no proxy.
pub const NO_PROXY: &str = "none";

/// The address of a proxy, or a word that stands for one.
pub(super) fn proxy(text: &str) -> Result<(), InvalidForm> {
    const HINT: &str =
        "write `http://proxy.example.com:3128`, `socks5://proxy.example.com:1080`, `environment` or `none`";
    if text == PROXY_OF_ENVIRONMENT || text == NO_PROXY {
        return Ok(());
    }
    let url = super::address::parse(text, &["http", "socks5", "socks5h"], HINT).map_err(|error| InvalidForm {
        // Where a user name stands there is a key for it.
        hint: Some(if text.contains('@') {
            "write them into `proxy_user` and `proxy_password`".to_owned()
        } else {
            HINT.to_owned()
        }),
        ..error
    })?;
    match url.path() {
        "" | "/" => Ok(()),
        _ => Err(InvalidForm::new("the address of a proxy has no path", HINT)),
    }
}

/// A host, or many, that needs no proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectHost(String);

impl DirectHost {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TextForm for DirectHost {
    const FORMAT: &'static str = "no-proxy-entry";
    const DESCRIPTION: &'static str = "A domain, an IP address, a network or `*`.";
    const EXAMPLES: &'static [&'static str] =
        &[".example.com", "example.com", "10.1.2.3", "10.0.0.0/8", "fd00::/8", "*"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        const HINT: &str = "write `example.com`, `.example.com`, `10.1.2.3`, `10.0.0.0/8` or `*`";
        let wrong = |message: String| Err(InvalidForm::new(message, HINT));
        let good = Ok(Self(text.to_owned()));
        if text == "*" || text.parse::<IpAddr>().is_ok() {
            return good;
        }
        if let Some((address, bits)) = text.split_once('/') {
            let most = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => return wrong(format!("{text:?} is not a network")),
            };
            return match bits.parse::<u8>() {
                Ok(bits) if bits <= most => good,
                _ => wrong(format!("{text:?} is not a network: the number after `/` is at most {most}")),
            };
        }
        let name = text.strip_prefix('.').unwrap_or(text);
        let is_label =
            |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        match name.split('.').all(is_label) {
            true => good,
            false => wrong(format!("{text:?} is neither a domain nor an address")),
        }
    }
}

text_form!(DirectHost);

/// The SHA-256 hash of a public key (SubjectPublicKeyInfo, RFC 5280 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPin([u8; 32]);

impl KeyPin {
    /// The hash.
    pub fn hash(&self) -> [u8; 32] {
        self.0
    }
}

impl TextForm for KeyPin {
    const FORMAT: &'static str = "key-pin";
    const DESCRIPTION: &'static str = "`sha256/` and the base64 of the SHA-256 hash of a public key.";
    const EXAMPLES: &'static [&'static str] = &["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        let encoded = text.strip_prefix("sha256/").map(|encoded| encoded.trim_start_matches('/'));
        let hash = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()?.try_into().ok());
        hash.map(Self).ok_or_else(|| {
            InvalidForm::new(
                "this is not the SHA-256 hash of a key",
                "`openssl s_client -connect HOST:443 </dev/null | openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary \
                 | base64` prints it; write `sha256/` before it",
            )
        })
    }
}

text_form!(KeyPin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_word() {
        for good in [
            "http://proxy.acme.test:3128",
            "http://proxy/",
            "socks5://10.0.0.1:1080",
            "socks5h://[::1]:1080",
            "environment",
            "none",
        ] {
            assert!(proxy(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks4://proxy",
            "http://proxy/path",
            "http://ann:pw@proxy:1",
            "Environment",
        ] {
            assert!(proxy(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_without_proxy_is_a_domain_an_address_or_a_network() {
        for good in ["acme.test", ".acme.test", "localhost", "10.1.2.3", "10.0.0.0/8", "::1", "fd00::/8", "*"] {
            assert!(DirectHost::read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "*.acme.test",
            "10.0.0.0/33",
            "10.0/8",
            "acme.test/8",
            "acme test",
            "acme.test,b",
            "http://x",
        ] {
            assert!(DirectHost::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pin_is_a_hash_of_32_bytes() {
        let hash = STANDARD.encode([7; 32]);
        assert!(KeyPin::read(&format!("sha256/{hash}")).is_ok() && KeyPin::read(&format!("sha256//{hash}")).is_ok());
        for bad in
            [hash.clone(), format!("sha1/{hash}"), format!("sha256/{}", STANDARD.encode([7; 20])), "sha256/".to_owned()]
        {
            assert!(KeyPin::read(&bad).is_err(), "{bad}");
        }
    }
}
