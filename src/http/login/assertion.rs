//! Signed assertions (RFC 7523). What comes in is a private key as PEM and what is claimed; what goes out is a JSON Web Token that is good for four
//! minutes. The key is checked when it is read, so that a key of the wrong type is found before anything is sent.
//!
//! aws-lc-rs signs; here is only how a token is put together (RFC 7515 §7.1).

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::config::login::SigningAlgorithm;
use crate::http::{Secret, SetupError};

/// An assertion is dated back by this many seconds, for servers whose clock is a little behind.
const DATED_BACK: i64 = 60;

/// It expires this many seconds from now. Together with [`DATED_BACK`] no assertion is good for more than five minutes.
const EXPIRES_IN: i64 = 180;

/// RSA keys below this size are refused by RFC 7518 §3.3.
const SMALLEST_RSA: usize = 2048;

/// A private key that signs assertions.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    key: Arc<Key>,
    id: Option<String>,
    /// Tells one key from another without keeping its text.
    digest: [u8; 32],
}

enum Key {
    Rsa(RsaKeyPair),
    EcP256(EcdsaKeyPair),
}

impl SigningKey {
    /// Reads a key: PEM with PKCS#8, PKCS#1 (RSA) or SEC1 (EC). `id` is what the server calls it (`kid`).
    ///
    /// # Errors
    /// When the text holds no private key, or one that the algorithm can't use.
    pub fn from_pem(pem: &str, algorithm: SigningAlgorithm, id: Option<String>) -> Result<Self, SetupError> {
        let digest = Sha256::digest(pem.as_bytes()).into();
        let key = Arc::new(Key::read(pem, algorithm)?);
        Ok(Self { algorithm, key, id, digest })
    }

    /// Tells one key from another.
    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SetupError> {
        let failed = |_| SetupError::new("the private key can't sign");
        let random = SystemRandom::new();
        match &*self.key {
            Key::EcP256(key) => Ok(key.sign(&random, text).map_err(failed)?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match self.algorithm {
                    SigningAlgorithm::PS256 => &RSA_PSS_SHA256,
                    SigningAlgorithm::RS256 | SigningAlgorithm::ES256 => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, text, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl Key {
    fn read(pem: &str, algorithm: SigningAlgorithm) -> Result<Self, SetupError> {
        if pem.contains("ENCRYPTED") {
            return Err(SetupError::new(
                "the private key is encrypted with a passphrase; write it without one, in a file that only the service can read",
            ));
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            SetupError::new("there is no private key in it; it is a PEM text with a `PRIVATE KEY` section")
        })?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
            _ => None,
        };
        let ec = match &der {
            PrivateKeyDer::Pkcs8(key) => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der()).ok()
            }
            PrivateKeyDer::Sec1(key) => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_sec1_der()).ok()
            }
            _ => None,
        };
        match (algorithm, rsa, ec) {
            (SigningAlgorithm::RS256 | SigningAlgorithm::PS256, Some(key), _) => {
                let bits = key.public_modulus_len() * 8;
                match bits < SMALLEST_RSA {
                    true => Err(SetupError::new(format!(
                        "the RSA key has {bits} bits; RFC 7518 asks for {SMALLEST_RSA} or more"
                    ))),
                    false => Ok(Self::Rsa(key)),
                }
            }
            (SigningAlgorithm::ES256, _, Some(key)) => Ok(Self::EcP256(key)),
            (SigningAlgorithm::ES256, Some(_), None) => Err(SetupError::new(
                "the private key is an RSA key, and ES256 signs with one of the curve P-256: set `algorithm` to RS256 or PS256",
            )),
            (SigningAlgorithm::RS256 | SigningAlgorithm::PS256, None, Some(_)) => Err(SetupError::new(format!(
                "the private key is one of the curve P-256, and {} signs with an RSA key: set `algorithm` to ES256",
                algorithm.name()
            ))),
            (_, None, None) => Err(SetupError::new(format!(
                "{} can't sign with this private key; RS256 and PS256 need an RSA key of {SMALLEST_RSA} bits or more, ES256 one of the curve P-256",
                algorithm.name()
            ))),
        }
    }
}

/// What is claimed.
#[derive(Clone)]
pub struct Assertion {
    /// What it is signed with.
    pub key: SigningKey,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audience: String,
    /// `scope`, where the server reads it there.
    pub scope: Option<String>,
}

impl Assertion {
    /// Signs it, by the clock `now`.
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn sign(&self, now: Timestamp) -> Result<Secret, SetupError> {
        let mut header = json!({ "alg": self.key.algorithm.name(), "typ": "JWT" });
        let mut claims = json!({
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audience,
            "iat": now.as_second() - DATED_BACK,
            "exp": now.as_second() + EXPIRES_IN,
            "jti": uuid::Uuid::now_v7().to_string(),
        });
        let optional = [(&mut header, "kid", &self.key.id), (&mut claims, "scope", &self.scope)];
        for (part, name, value) in optional {
            if let (Some(part), Some(value)) = (part.as_object_mut(), value) {
                part.insert(name.to_owned(), value.clone().into());
            }
        }
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes())?);
        Secret::new(format!("{text}.{signature}")).map_err(|why| SetupError::new(why.to_string()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use serde_json::Value;

    use super::*;

    fn pem_of(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, Vec<u8>) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        (key.serialize_pem(), key.public_key_raw().to_vec())
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    fn assertion(key: SigningKey) -> Assertion {
        let [issuer, subject, audience] = ["us", "svc@app", "https://auth.example.org/token"].map(str::to_owned);
        Assertion { key, issuer, subject, audience, scope: Some("scim".to_owned()) }
    }

    #[test]
    fn an_assertion_is_verified_by_the_public_key_and_is_good_for_less_than_five_minutes() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let algorithms: [(_, _, &'static dyn VerificationAlgorithm); 3] = [
            (SigningAlgorithm::RS256, &rcgen::PKCS_RSA_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            (SigningAlgorithm::PS256, &rcgen::PKCS_RSA_SHA256, &RSA_PSS_2048_8192_SHA256),
            (SigningAlgorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_FIXED),
        ];
        for (algorithm, kind, verifying) in algorithms {
            let (pem, public) = pem_of(kind);
            let key = SigningKey::from_pem(&pem, algorithm, Some("k1".to_owned())).unwrap();
            let token = assertion(key).sign(now).unwrap();
            let (text, signature) = token.expose().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(verifying, public).verify(text.as_bytes(), &signature).unwrap();
            let (header, claims) = text.split_once('.').unwrap();
            let [header, claims] = [header, claims]
                .map(|part| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap());
            assert_eq!(header, json!({ "alg": algorithm.name(), "typ": "JWT", "kid": "k1" }));
            assert_eq!(claims["exp"].as_i64().unwrap() - now.as_second(), EXPIRES_IN);
            assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 300, "{claims}");
            for (name, value) in
                [("iss", "us"), ("sub", "svc@app"), ("aud", "https://auth.example.org/token"), ("scope", "scim")]
            {
                assert_eq!(claims[name], value);
            }
        }
    }

    #[test]
    fn keys_come_as_pkcs1_and_sec1_too() {
        let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        // PKCS#8 of RSA is 26 bytes of header before the PKCS#1 key (RFC 5958, a modulus of 2048 bits).
        let pkcs1 = pem("RSA PRIVATE KEY", &rsa.serialize_der()[26..]);
        assert!(SigningKey::from_pem(&pkcs1, SigningAlgorithm::RS256, None).is_ok());
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let sec1: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> =
            aws_lc_rs::encoding::AsDer::as_der(&key.private_key()).unwrap();
        let sec1 = pem("EC PRIVATE KEY", sec1.as_ref());
        assert!(SigningKey::from_pem(&sec1, SigningAlgorithm::ES256, None).is_ok());
    }

    #[test]
    fn a_key_of_the_wrong_type_is_refused_with_the_algorithm_that_fits() {
        let (rsa, ec) = (pem_of(&rcgen::PKCS_RSA_SHA256).0, pem_of(&rcgen::PKCS_ECDSA_P256_SHA256).0);
        let other = pem_of(&rcgen::PKCS_ECDSA_P384_SHA384).0;
        let encrypted = pem("ENCRYPTED PRIVATE KEY", b"x");
        for (text, algorithm, says) in [
            (&rsa, SigningAlgorithm::ES256, "RSA key, and ES256"),
            (&ec, SigningAlgorithm::RS256, "set `algorithm` to ES256"),
            (&ec, SigningAlgorithm::PS256, "PS256 signs with an RSA key"),
            (&other, SigningAlgorithm::ES256, "curve P-256"),
            (&encrypted, SigningAlgorithm::RS256, "passphrase"),
            (&"s3cret".to_owned(), SigningAlgorithm::RS256, "no private key"),
        ] {
            let Err(error) = SigningKey::from_pem(text, algorithm, None) else { panic!("{says}") };
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
