//! Certificate authorities that a tenant or receiver trusts instead of the machine's. In: a path. Out: the file's bytes, PEM.
//!
//! Whoever can change this file can read what is sent, tokens included. So it is read only if no other user could have changed it.

use std::io;
use std::path::Path;

use crate::files::{SMALL, trust};

/// Reads a PEM file with certificate authorities.
///
/// # Errors
/// When it can't be read, another user could have changed it, or a private key is in it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let pem = trust::read(path, SMALL)?;
    if holds_a_private_key(&pem) {
        let why = "a private key is in it, which was not used; name a file with certificates only";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(pem)
}

/// `-----BEGIN PRIVATE KEY-----`, and the same with a word before: `RSA`, `EC`, `ENCRYPTED`, `OPENSSH`.
fn holds_a_private_key(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| line.strip_prefix(BEGIN).is_some_and(|label| label.ends_with(b"PRIVATE KEY-----")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn sec18_a_file_of_authorities_has_no_private_key_and_no_other_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, certificate).unwrap();
        assert_eq!(read(&path).unwrap(), certificate.as_bytes());
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            std::fs::write(&path, format!("{certificate}-----BEGIN {label}-----\r\nAA==\n-----END {label}-----\n"))
                .unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("a private key is in it"), "{label}: {error}");
        }
        std::fs::write(&path, certificate).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod go-w"));
    }
}
