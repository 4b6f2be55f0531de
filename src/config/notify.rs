//! `[notify.NAME]` of `rosterd.toml`: who is told, and of what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::login::ClientCertificateTable;
use super::network::NetworkTable;
use super::notify_template::{NotifyFormat, NotifyTemplate};
use super::tenant::SecretRef;
use crate::files::{SMALL, trust};

/// A receiver of messages: a web hook. What is sent is signed, repeated until it is taken, and names no people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyTable {
    /// Where messages are posted to, as JSON: an https address without a query.
    #[schemars(extend("format" = "web-address"))]
    pub url: String,
    /// The key with which they are signed (HMAC-SHA256, as standardwebhooks.com says): `whsec_` and base64, or any text; at least 24 bytes. In
    /// another `format` it is the secret of that service.
    pub secret: SecretRef,
    /// The events that it receives; all if left out.
    #[schemars(length(min = 1))]
    pub events: Option<Vec<NotifyEvent>>,
    /// The form of the messages. Only `signed` ones are signed.
    #[serde(default)]
    pub format: NotifyFormat,
    /// A template file of your own, in place of a `format`.
    pub template: Option<PathBuf>,
    /// What the template's placeholders of these names stand for, such as `to` and `from` of an e-mail.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// Whether messages carry the reasons in full: these may name people, groups and values.
    #[serde(default)]
    pub details: bool,
    /// Accept plain http, only to loopback addresses.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// A PEM file with the certificate authorities to trust instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// What is shown to a receiver that asks for a certificate in the TLS handshake.
    pub client_certificate: Option<ClientCertificateTable>,
    /// How connections to the receiver are made: proxy and TLS.
    pub network: Option<NetworkTable>,
}

/// The fewest bytes of a key, as standardwebhooks.com says: a shorter one can be guessed from a single message.
pub const SHORTEST_KEY: usize = 24;

/// The bytes of a signature's key: what follows `whsec_` is base64, anything else is the key itself.
///
/// # Errors
/// When it is not base64, or too short.
pub fn signing_key(secret: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(text) => STANDARD.decode(text).map(Zeroizing::new).map_err(|_| "what follows `whsec_` is not base64")?,
        None => Zeroizing::new(secret.as_bytes().to_vec()),
    };
    match key.len() < SHORTEST_KEY {
        true => Err(format!("the key has fewer than {SHORTEST_KEY} bytes ({}); nothing is signed with it", key.len())),
        false => Ok(key),
    }
}

/// What may be worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// Changes wait for a decision.
    Hold,
    /// Nothing waits any more: approved, or no longer due.
    HoldResolved,
    /// A secret was refused, or is missing.
    CredentialRefused,
    /// A tenant failed three times in a row.
    Failing,
    /// A tenant failed for a day.
    Quarantined,
    /// A tenant that failed is well again.
    Recovered,
    /// A secret expires in 30, 7 or 1 days, or has.
    CredentialExpiry,
    /// A file has mistakes, and is not in force.
    FileMistake,
    /// A file that had mistakes has none.
    FileMended,
    /// An import in the background has ended: all users were tried, or it stopped before that.
    ImportFinished,
    /// Somebody tries whether messages arrive.
    Test,
}

impl NotifyEvent {
    /// As written in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::HoldResolved => "hold_resolved",
            Self::CredentialRefused => "credential_refused",
            Self::Failing => "failing",
            Self::Quarantined => "quarantined",
            Self::Recovered => "recovered",
            Self::CredentialExpiry => "credential_expiry",
            Self::FileMistake => "file_mistake",
            Self::FileMended => "file_mended",
            Self::ImportFinished => "import_finished",
            Self::Test => "test",
        }
    }
}

impl NotifyTable {
    /// The template of its messages; `None` if they are signed JSON.
    ///
    /// # Errors
    /// When the file can't be read, another user could have changed it, or it is no template.
    pub fn template(&self) -> Result<Option<NotifyTemplate>, String> {
        let own = match &self.template {
            None => return self.format.template().map(NotifyTemplate::parse).transpose(),
            Some(path) => path,
        };
        let failed = |why: String| format!("the template {}: {why}", own.display());
        let bytes = trust::read(own, SMALL).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".to_owned()))?;
        NotifyTemplate::parse(&text).map(Some).map_err(failed)
    }

    /// Whether it wants to hear of this.
    pub fn wants(&self, event: NotifyEvent) -> bool {
        event == NotifyEvent::Test || self.events.as_ref().is_none_or(|events| events.contains(&event))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sec32_a_key_has_24_bytes_after_decoding_and_is_base64_only_if_it_says_so() {
        let plain = "a key of twenty-four, so";
        assert_eq!((plain.len(), signing_key(plain).unwrap().as_slice()), (24, plain.as_bytes()));
        // 24 and 23 zero bytes.
        assert_eq!(signing_key(&format!("whsec_{}", "A".repeat(32))).unwrap().as_slice(), [0; 24]);
        let short =
            [plain[1..].to_owned(), "x".to_owned(), "whsec_YQ==".to_owned(), format!("whsec_{}A==", "A".repeat(29))];
        for secret in short {
            assert!(signing_key(&secret).unwrap_err().contains("fewer than 24 bytes"), "{secret}");
        }
        assert!(signing_key("whsec_?").unwrap_err().contains("not base64"));
    }
}
