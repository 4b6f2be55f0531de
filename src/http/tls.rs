//! TLS for both networks: which authorities are trusted, which versions and which keys. What comes in are PEM texts and a [`TlsPolicy`]; what goes out is a
//! configuration of rustls.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};

use super::SetupError;
use super::certificate::UnexpectedKey;
use super::network::{TlsPolicy, shown_pin};

/// A certificate, those above it, and its private key.
pub(crate) type ClientKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Which servers are trusted, and who we are.
///
/// # Errors
/// When the authorities or the client's key can't be used, or this machine has no authorities.
pub(crate) fn client_config(
    authorities: Option<&[u8]>,
    client: Option<ClientKey>,
    policy: &TlsPolicy,
) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |error: Error| SetupError::new(format!("TLS can't be set up: {error}"));
    let versions: &[_] = if policy.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let verifier: Arc<dyn ServerCertVerifier> = match authorities {
        Some(pem) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots(pem)?), Arc::clone(&provider))
            .build()
            .map_err(|error| SetupError::new(format!("the CA file can't be used: {error}")))?,
        None => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(failed)?),
    };
    let verifier = match policy.pins.is_empty() {
        true => verifier,
        false => Arc::new(PinnedVerifier { verifier, pins: policy.pins.clone() }),
    };
    let builder = ClientConfig::builder_with_provider(provider as Arc<CryptoProvider>)
        .with_protocol_versions(versions)
        .map_err(failed)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match client {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(failed),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let unreadable = |why: String| SetupError::new(format!("the CA file is not readable as PEM: {why}"));
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(SetupError::new("the CA file has no certificate in it")),
        false => Ok(roots),
    }
}

/// A server whose certificate is good in every other respect must have one of these keys, too.
#[derive(Debug)]
struct PinnedVerifier {
    verifier: Arc<dyn ServerCertVerifier>,
    pins: Vec<[u8; 32]>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let hash: [u8; 32] = Sha256::digest(key.as_ref()).into();
        match self.pins.contains(&hash) {
            true => Ok(verified),
            false => {
                let unexpected = UnexpectedKey { presented: shown_pin(&hash) };
                Err(CertificateError::Other(OtherError(Arc::new(unexpected))).into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
