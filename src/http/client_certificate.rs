//! A client certificate with its private key, for servers that ask for one in the TLS handshake. What comes in are PEM texts; what goes out is an identity
//! that both networks can show, or a sentence that says what is wrong with it: all of that is found before a handshake.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::Error;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

use super::SetupError;
use crate::clock;
use crate::config::login::ClientCertificateTable;
use crate::config::secret::{SecretError, Secrets};
use crate::files::{SMALL, trust};

/// A certificate, the intermediate certificates above it, and its private key.
#[derive(Clone)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    validity: Validity,
}

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub to: Timestamp,
}

/// Why there is no client certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The private key is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Certificate or key can't be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl ClientIdentity {
    /// Reads the files that a table names, and refuses a certificate that is not good at the time `now`.
    ///
    /// # Errors
    /// When a file can't be read, or what is in it can't be used now.
    pub fn load(table: &ClientCertificateTable, secrets: &Secrets<'_>, now: Timestamp) -> Result<Self, IdentityError> {
        let identity = Self::read(table, secrets)?;
        identity.validity.check(&table.cert_file, now)?;
        Ok(identity)
    }

    /// Reads the files that a table names.
    ///
    /// # Errors
    /// When a file can't be read, or what is in it can't be used.
    pub fn read(table: &ClientCertificateTable, secrets: &Secrets<'_>) -> Result<Self, IdentityError> {
        let shown = table.cert_file.display();
        let certificates = trust::read(&table.cert_file, SMALL)
            .map_err(|error| SetupError::new(format!("the client certificate {shown} can't be read: {error}")))?;
        let key = secrets.fetch_key(&table.key)?;
        let identity = Self::from_pem(&certificates, key.as_bytes());
        Ok(identity.map_err(|why| SetupError::new(format!("the client certificate {shown}: {why}")))?)
    }

    /// From PEM texts: certificates, the client's own first, and a private key.
    ///
    /// # Errors
    /// When there is no certificate or key in them, or the two do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, SetupError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| SetupError::new("the file is not readable as PEM"))?;
        let own = chain.first().ok_or_else(|| SetupError::new("the file has no certificate in it"))?;
        let validity = Validity::of(own)?;
        let unusable = || {
            SetupError::new(
                "there is no usable private key for it: write a PEM text with a `PRIVATE KEY` section and without a passphrase",
            )
        };
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unusable())?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => SetupError::new(
                "its private key belongs to another certificate: compare `openssl x509 -noout -pubkey -in CERT` with `openssl pkey -pubout -in KEY`",
            ),
            _ => unusable(),
        })?;
        Ok(Self { chain, key: Arc::new(key), validity })
    }

    /// From when to when the certificate is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// For a TLS handshake.
    pub(crate) fn for_tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

impl Validity {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, SetupError> {
        let unreadable = || SetupError::new("the first certificate can't be read");
        let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| unreadable())?;
        let [from, to] = [parsed.validity().not_before, parsed.validity().not_after];
        let instant = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| unreadable());
        Ok(Self { from: instant(from.timestamp())?, to: instant(to.timestamp())? })
    }

    /// Whether it is good at a time.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(self, path: &Path, now: Timestamp) -> Result<(), SetupError> {
        let (path, from, to) = (path.display(), clock::shown(self.from), clock::shown(self.to));
        match () {
            () if now > self.to => Err(SetupError::new(format!(
                "the client certificate {path} expired at {to}: put a new one there, with its key; nothing was sent"
            ))),
            () if now < self.from => Err(SetupError::new(format!(
                "the client certificate {path} is valid from {from} on, and this machine's clock says {}; nothing was sent",
                clock::shown(now)
            ))),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(key: &KeyPair) -> String {
        let mut params = CertificateParams::new(vec!["rosterd".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 12, 31));
        params.self_signed(key).unwrap().pem()
    }

    fn refusal(certificate: &str, key: &str) -> String {
        match ClientIdentity::from_pem(certificate.as_bytes(), key.as_bytes()) {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_certificate_is_looked_at_before_it_is_shown_to_anybody() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let pem = certificate(&key);
        let identity = ClientIdentity::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let at =
            |day: &str| identity.validity().check(Path::new("client.pem"), format!("{day}T00:00:00Z").parse().unwrap());
        assert_eq!(at("2026-06-01"), Ok(()));
        assert!(at("2027-01-01").unwrap_err().to_string().contains("client.pem expired at 2026-12-31 00:00 UTC"));
        assert!(at("2025-06-01").unwrap_err().to_string().contains("valid from 2026-01-01 00:00 UTC on"));
        assert!(refusal(&pem, &other.serialize_pem()).contains("belongs to another certificate"));
        assert!(refusal(&key.serialize_pem(), &key.serialize_pem()).contains("no certificate"));
        assert!(refusal(&pem, &pem).contains("no usable private key"));
    }
}
