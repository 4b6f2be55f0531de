//! A TLS server that demands a client certificate and passes on what comes to a plain server on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{http, tls};

/// The server, with the certificates of both sides in a folder.
pub(crate) struct Demanding {
    folder: TempDir,
    port: u16,
    handshakes: Arc<AtomicUsize>,
}

impl Demanding {
    /// In front of `http://127.0.0.1:PORT`.
    pub(crate) fn before(plain_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tls::make_certificates(folder.path(), "IP:127.0.0.1,DNS:localhost");
        tls::make_client(folder.path());
        let acceptor = TlsAcceptor::from(Arc::new(config(folder.path())));
        let handshakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&handshakes);
        let listener = http::block_on(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let port = listener.local_addr().unwrap().port();
        http::runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Without a certificate the handshake fails, and nothing is passed on.
                    let mut near = acceptor.accept(stream).await?;
                    let mut far = TcpStream::connect(("127.0.0.1", plain_port)).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self { folder, port, handshakes }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// How often a connection was begun.
    pub(crate) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    /// `ca.pem`, `client.pem`, `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn config(folder: &Path) -> ServerConfig {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let chain = |name: &str| CertificateDer::from_pem_slice(&read(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(chain("ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![chain("server.pem")], key)
        .unwrap()
}

/// Writes `expired.pem` and `expired.key`: a certificate that was good once.
pub(crate) fn make_expired(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["rosterd".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    fs::write(folder.join("expired.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    tls::private(&folder.join("expired.key"), &key.serialize_pem());
}
