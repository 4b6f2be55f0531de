use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::{Client, ClientSettings, HttpRequest, Method, SendError};

/// A certificate with its key, as a server shows it.
pub(in crate::http) struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// A certificate authority made for one test.
pub(in crate::http) struct Authority {
    pem: String,
    itself: Shown,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(in crate::http) fn new() -> Self {
        Self::named("authority of one test")
    }

    pub(in crate::http) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        let itself = Shown { certificate: certificate.der().clone(), key: of(&key) };
        Self { pem: certificate.pem(), itself, issuer: Issuer::new(params, key) }
    }

    /// Issues a certificate for this name, changed by `change`.
    pub(in crate::http) fn issue(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Shown { certificate: certificate.der().clone(), key: of(&key) }
    }

    pub(in crate::http) fn pem(&self) -> Vec<u8> {
        self.pem.clone().into_bytes()
    }
}

impl Shown {
    /// The hash of its public key.
    pub(in crate::http) fn pin(&self) -> [u8; 32] {
        let parsed = rustls::server::ParsedCertificate::try_from(&self.certificate).unwrap();
        sha2::Digest::finalize(sha2::Digest::chain_update(
            sha2::Sha256::default(),
            parsed.subject_public_key_info().as_ref(),
        ))
        .into()
    }
}

fn of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

/// A server that shows this certificate to whoever connects. Gives its port.
pub(in crate::http) async fn serve(shown: &Shown) -> u16 {
    serve_with(shown, rustls::ALL_VERSIONS).await
}

/// The same with some versions of TLS only.
pub(in crate::http) async fn serve_with(shown: &Shown, versions: &[&'static rustls::SupportedProtocolVersion]) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let chain = vec![shown.certificate.clone()];
    let config = config.with_no_client_auth().with_single_cert(chain, shown.key.clone_key()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not accept the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = vec![0; 4096];
            let _read = stream.read(&mut request).await;
            let _gone = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            let _closed = stream.shutdown().await;
        }
    });
    port
}

/// What a request to this server says, trusting these authorities.
async fn asked(port: u16, ca_pem: Vec<u8>) -> Result<u16, SendError> {
    let base = format!("https://127.0.0.1:{port}/scim");
    let client = Client::new(&ClientSettings { ca_pem: Some(ca_pem), ..ClientSettings::new(base) }).unwrap();
    client.send(HttpRequest::new(Method::Get, Vec::new())).await.map(|reply| reply.status)
}

async fn untrusted(port: u16, ca_pem: Vec<u8>) -> String {
    match asked(port, ca_pem).await {
        Err(SendError::Untrusted(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_is_in_order_is_accepted() {
    let authority = Authority::new();
    let port = serve(&authority.issue("127.0.0.1", |_| {})).await;
    assert_eq!(asked(port, authority.pem()).await.unwrap(), 204);
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_said_in_words_with_what_to_do() {
    type Change = fn(&mut CertificateParams);
    let (authority, other) = (Authority::new(), Authority::named("another authority"));
    let past: Change = |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    };
    let future: Change = |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2090, 2, 1));
    };
    let client: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let as_it_is: Change = |_| {};
    for (name, change, trusted, says) in [
        ("127.0.0.1", past, &authority, "expired on 2020-02-01 00:00 UTC: renew it on the server"),
        ("127.0.0.1", future, &authority, "is valid from 2090-01-01 00:00 UTC on"),
        ("elsewhere.example", as_it_is, &authority, "is for elsewhere.example, and 127.0.0.1 was asked for"),
        ("127.0.0.1", as_it_is, &other, "set `ca_file` to a PEM file with its certificate"),
        ("127.0.0.1", client, &authority, "lacks `serverAuth`"),
    ] {
        let port = serve(&authority.issue(name, change)).await;
        let text = untrusted(port, trusted.pem()).await;
        assert!(text.starts_with(&format!("the certificate that 127.0.0.1:{port} presented ")), "{text}");
        assert!(text.contains(says) && !text.contains("docs.rs"), "{says}: {text}");
    }
}

#[tokio::test]
async fn an_authority_as_a_server_and_a_port_without_tls_are_named() {
    let authority = Authority::new();
    let port = serve(&authority.itself).await;
    let text = untrusted(port, authority.pem()).await;
    assert!(text.contains("is that of a certificate authority (CA:TRUE)"), "{text}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _gone = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let mut rest = Vec::new();
        let _gone = socket.read_to_end(&mut rest).await;
    });
    let text = untrusted(port, authority.pem()).await;
    assert!(text.contains("answers on this port, but not with TLS"), "{text}");
}

#[test]
fn no_sentence_links_to_a_manual() {
    for error in [
        Error::AlertReceived(AlertDescription::ProtocolVersion),
        Error::AlertReceived(AlertDescription::HandshakeFailure),
        Error::AlertReceived(AlertDescription::CertificateRequired),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
        Error::NoCertificatesPresented,
        Error::InvalidCertificate(CertificateError::Revoked),
        Error::InvalidCertificate(CertificateError::BadEncoding),
    ] {
        let text = refused(&error, "dc1.acme.test").unwrap();
        assert!(text.contains("dc1.acme.test") && !text.contains("docs.rs"), "{text}");
    }
    let version = refused(&Error::AlertReceived(AlertDescription::ProtocolVersion), "dc1.acme.test").unwrap();
    assert!(version.contains("offers no TLS version that rosterd accepts"), "{version}");
    assert_eq!(refused(&Error::General("x".to_owned()), "a"), None);
}
