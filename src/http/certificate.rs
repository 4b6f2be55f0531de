//! What a failed TLS handshake means, in words for people. It takes the TLS library's error and the server's name, and returns a sentence that
//! says what is wrong with which certificate, who presented it and which key to set.
//!
//! Both networks use it: HTTP through [`super::error`], LDAP on its own connection. It must not depend on either.

use jiff::Timestamp;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::clock;

/// The key of a server that is not one of those that are expected.
#[derive(Debug, thiserror::Error)]
#[error("the server has the key {presented}, which is none of `pins`")]
pub(super) struct UnexpectedKey {
    /// As `pins` writes it.
    pub(super) presented: String,
}

/// What a certificate error says that another attempt would say again; `None` for an error of the connection itself.
///
/// `server` is the host, with its port if that is not the usual one.
pub(crate) fn refused(error: &Error, server: &str) -> Option<String> {
    let text = match error {
        Error::InvalidCertificate(why) => format!("the certificate that {server} presented {}", of_certificate(why)),
        Error::NoCertificatesPresented => format!("{server} presented no certificate"),
        Error::InvalidMessage(_) => format!(
            "{server} answers on this port, but not with TLS: use the port and the scheme (https://, ldaps:// or StartTLS) under which it \
             does"
        ),
        Error::PeerIncompatible(why) => incompatible(why, server),
        Error::AlertReceived(alert) => of_alert(*alert, server),
        Error::UnsupportedNameType => {
            format!("the address of {server} is no name that a certificate can be for: use the server's name")
        }
        _ => return None,
    };
    Some(text)
}

/// What follows "the certificate that … presented".
fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "has expired: renew it on the server".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired on {}: renew it on the server", date(*not_after))
        }
        CertificateError::NotValidYet => "is not valid yet: check the clocks of both machines".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is valid from {} on, and this machine's clock says {}: check the clocks of both machines",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForName => {
            "is for another name: use the server's name as it is in the certificate, or replace the certificate".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => other_name(expected, presented),
        CertificateError::UnknownIssuer => "was not issued by a certificate authority that is trusted here: for a private one, set `ca_file` to \
             a PEM file with its certificate; for a public one, let the server send its intermediate certificates, too"
            .to_owned(),
        CertificateError::Revoked => "was revoked: replace it on the server".to_owned(),
        CertificateError::BadSignature => "has a wrong signature: `ca_file` may have another certificate authority of the same name".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => NOT_FOR_SERVERS.to_owned(),
        CertificateError::Other(other) if other.0.is::<UnexpectedKey>() => {
            let key = other.0.downcast_ref::<UnexpectedKey>().map(|key| key.presented.as_str()).unwrap_or_default();
            format!("has the key {key}, which is none of `pins`: if the server has a new key on purpose, add it there")
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => "is that of a certificate authority (CA:TRUE), which is not accepted for a server: \
                 issue a certificate of its own to the server, and set `ca_file` to the authority's"
                .to_owned(),
            Some(webpki::Error::EndEntityUsedAsCa) => {
                "was issued by a certificate that is not one of an authority (CA:FALSE): issue it by the authority itself".to_owned()
            }
            Some(other) => format!("is not accepted ({other:?})"),
            // The verifier of the machine's store wraps this one alone.
            None => NOT_FOR_SERVERS.to_owned(),
        },
        other => format!("is not accepted ({other:?})"),
    }
}

const NOT_FOR_SERVERS: &str = "is not for servers: its extended key usage lacks `serverAuth`. Replace it on the server";

fn other_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    // The library writes `DnsName("a.example")` and `IpAddress(10.0.0.1)`.
    let name = |text: &String| {
        let inner = text.split_once('(').map_or(text.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let names: Vec<String> = presented.iter().map(name).collect();
    let expected = expected.to_str();
    match names.is_empty() {
        true => format!("names no server, and {expected} was asked for: replace it by one with a subjectAltName"),
        false => format!(
            "is for {}, and {expected} was asked for: use one of these names in the address, or replace the certificate",
            names.join(", ")
        ),
    }
}

fn incompatible(why: &PeerIncompatible, server: &str) -> String {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => no_version(server),
        other => format!(
            "{server} and rosterd have no TLS parameters in common ({other:?}): update the server's TLS settings"
        ),
    }
}

fn no_version(server: &str) -> String {
    format!("{server} offers no TLS version that rosterd accepts (1.2 or 1.3): update the server's TLS settings")
}

fn of_alert(alert: AlertDescription, server: &str) -> String {
    match alert {
        AlertDescription::ProtocolVersion => no_version(server),
        AlertDescription::UnrecognisedName => {
            format!("{server} has no certificate for this name: use the name under which the server is known")
        }
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            format!("{server} asks for a client certificate and got none that it accepts")
        }
        other => format!("{server} ended the TLS handshake ({other:?}): see the server's log and its TLS settings"),
    }
}

fn date(at: UnixTime) -> String {
    let at = i64::try_from(at.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(|| "an unknown date".to_owned(), clock::shown)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
pub(in crate::http) mod tests;
