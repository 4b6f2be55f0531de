//! Certificates for one test: an authority made on the spot and a server certificate signed by it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Writes `ca.pem`, `server.pem` and `server.key` into `folder`; `names` is the subjectAltName.
pub(crate) fn make_certificates(folder: &Path, names: &str) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let mut authority = Command::new("openssl");
    authority.arg("req").args(key).args(["-x509", "-days", "2", "-subj", "/CN=authority of one test"]);
    authority.args(["-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca.key", "-out", "ca.pem"]);
    openssl(folder, authority);

    let mut request = Command::new("openssl");
    request.arg("req").args(key).args(["-subj", "/CN=server of one test"]);
    request.args(["-keyout", "server.key", "-out", "server.csr"]);
    openssl(folder, request);

    let extensions = format!("subjectAltName={names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n");
    fs::write(folder.join("server.ext"), extensions).expect("the extensions");
    let mut certificate = Command::new("openssl");
    certificate.args(["x509", "-req", "-days", "2", "-in", "server.csr", "-extfile", "server.ext"]);
    certificate.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-out", "server.pem"]);
    openssl(folder, certificate);
}

fn openssl(folder: &Path, mut command: Command) {
    let output = command.current_dir(folder).output().expect("openssl starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes `client.pem` and `client.key`, signed by the authority that is in `folder`.
pub(crate) fn make_client(folder: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let mut request = Command::new("openssl");
    request.arg("req").args(key).args(["-subj", "/CN=client of one test"]);
    request.args(["-keyout", "client.key", "-out", "client.csr"]);
    openssl(folder, request);
    fs::write(folder.join("client.ext"), "extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n")
        .expect("the extensions");
    let mut certificate = Command::new("openssl");
    certificate.args(["x509", "-req", "-days", "2", "-in", "client.csr", "-extfile", "client.ext"]);
    certificate.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-out", "client.pem"]);
    openssl(folder, certificate);
    private(&folder.join("client.key"), &fs::read_to_string(folder.join("client.key")).expect("the key"));
}

/// A file that only its owner may read.
pub(crate) fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).expect("the file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}
