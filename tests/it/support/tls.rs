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
