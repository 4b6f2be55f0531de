//! The bearer token a server was started with, kept only as a digest.
//!
//! In: the token once, then the headers of calls. Out: yes or no. Nothing here can print the token.

use axum::http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// The digest of the token.
pub(super) struct Token([u8; 32]);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether a call carries the token. Digests are compared, and all of their bytes, so the time it takes says nothing of
    /// how much of a guess was right, nor of the token's length.
    pub(super) fn admits(&self, authorization: Option<&HeaderValue>) -> bool {
        let given = authorization.map(HeaderValue::as_bytes).unwrap_or_default();
        let Some((scheme, token)) = given.split_at_checked(7) else { return false };
        let digest: [u8; 32] = Sha256::digest(token).into();
        let differing = self.0.iter().zip(digest).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        // the scheme's name is case-insensitive (RFC 9110 §11.1)
        scheme.eq_ignore_ascii_case(b"bearer ") && std::hint::black_box(differing) == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn admits(token: &Token, header: &str) -> bool {
        token.admits(Some(&HeaderValue::from_str(header).unwrap()))
    }

    #[test]
    fn i6_only_the_token_is_admitted() {
        let token = Token::new("s3cret");
        assert!(admits(&token, "Bearer s3cret") && admits(&token, "BEARER s3cret"));
        assert!(!token.admits(None));
        for wrong in
            ["", "Bearer", "Bearer ", "s3cret", "Basic s3cret", "Bearer  s3cret", "Bearer s3cret0", "Bearer S3cret"]
        {
            assert!(!admits(&token, wrong), "{wrong:?}");
        }
        // enough guesses for each byte of the digest to be right by chance in some of them
        assert!((0..4096).all(|guess| !admits(&token, &format!("Bearer {guess}"))));
    }
}
