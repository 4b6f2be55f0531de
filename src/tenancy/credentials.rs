//! What is known of a tenant's secrets without telling them. In: a tenant, where this process finds secrets. Out: a mark that
//! changes when one of them does, and when they expire.

use sha2::{Digest, Sha256};

use super::Tenant;
use crate::config::expiry::{self, Expiry};
use crate::config::secret::Secrets;
use crate::files::{SMALL, trust};
use crate::http::ClientIdentity;

/// Tells apart one set of secrets from another. It is kept in memory only: a hash of a short password would give it away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretsMark([u8; 32]);

impl std::fmt::Debug for SecretsMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsMark")
    }
}

/// A tenant's secrets as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Changes when one of them does, and when one that was missing is there.
    pub mark: SecretsMark,
    /// Those of which it is known when they expire.
    pub expiries: Vec<Expiry>,
}

impl Tenant {
    /// Looks at the secrets as they are now.
    pub fn credentials(&self, secrets: &Secrets<'_>) -> Credentials {
        let (mut hash, mut expiries) = (Sha256::new(), Vec::new());
        for (path, place) in self.secrets() {
            // A program is not started for this: what it prints is found out by the next run.
            let secret = secrets.known(place);
            match &secret {
                Ok(_) if place.command.is_some() => hash.update([2]),
                Ok(None) | Err(_) => hash.update([0]),
                Ok(Some(secret)) => {
                    hash.update([1]);
                    hash.update(secret.len().to_le_bytes());
                    hash.update(secret.as_bytes());
                }
            }
            if let Some(at) = expiry::of(place, secret.ok().flatten().as_ref().map(|secret| secret.as_str())) {
                expiries.push(Expiry { secret: path.join("."), at });
            }
        }
        let mut file = |content: Option<&[u8]>| match content {
            Some(content) => {
                hash.update([1]);
                hash.update(content.len().to_le_bytes());
                hash.update(content);
            }
            None => hash.update([0]),
        };
        for (path, place) in self.private_keys() {
            let key = secrets.fetch_key(place);
            file(key.as_ref().ok().map(|key| key.as_bytes()));
            expiries.extend(expiry::of(place, None).map(|at| Expiry { secret: path.join("."), at }));
        }
        for (path, table) in self.client_certificates() {
            file(trust::read(&table.cert_file, SMALL).ok().as_deref());
            let identity = ClientIdentity::read(table, secrets).ok();
            expiries.extend(identity.map(|identity| Expiry { secret: path.join("."), at: identity.validity().to }));
        }
        Credentials { mark: SecretsMark(hash.finalize().into()), expiries }
    }
}
