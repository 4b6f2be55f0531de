//! What a token server answers (RFC 6749 §5). What comes in is an answer; what goes out is a token with its lifetime, or a sentence that says what is
//! wrong with it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::http::words::{clean, html, is_html, without_mark};
use crate::http::{Auth, HttpResponse, Secret};

/// How long a token lasts when the server does not say (RFC 6749 §5.1 only recommends `expires_in`).
const USUAL_LIFE: u64 = 3600;

/// What was granted.
pub(super) struct GrantedToken {
    /// The token as requests carry it.
    pub(super) auth: Auth,
    /// How long it lasts.
    pub(super) life: Duration,
    /// The refresh token for the next time, where there is a new one.
    pub(super) refresh: Option<Secret>,
}

/// What a token endpoint answers; some wrap it in a list called `data`.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    data: Option<Vec<TokenAnswer>>,
}

/// The token in a good answer.
///
/// # Errors
/// When there is none that requests can carry.
pub(super) fn token(reply: &HttpResponse) -> Result<GrantedToken, String> {
    if is_html(reply) {
        return Err(html(&reply.body));
    }
    let mut answer: TokenAnswer = serde_json::from_slice(without_mark(&reply.body))
        // Not the library's words: they may quote what stands there.
        .map_err(|error| {
            format!(
                "the answer is no token: it is not the JSON of RFC 6749 (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
    if answer.access_token.is_none()
        && let Some(inner) = answer.data.take().and_then(|data| data.into_iter().next())
    {
        answer = inner;
    }
    let text = answer.access_token.ok_or("the answer has no access_token")?;
    if let Some(kind) = answer.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(format!("its type is {:?}, and only bearer tokens can be used (RFC 6750)", clean(&kind)));
    }
    let token = Secret::new(text).map_err(|why| format!("the answer has no usable access_token: {why}"))?;
    let refresh = answer.refresh_token.map(Secret::new).transpose();
    let refresh = refresh.map_err(|why| format!("the answer has no usable refresh_token: {why}"))?;
    let life = Duration::from_secs(answer.expires_in.as_ref().and_then(seconds).unwrap_or(USUAL_LIFE));
    Ok(GrantedToken { auth: bearer(token), life, refresh })
}

/// A token as RFC 6750 carries it.
fn bearer(token: Secret) -> Auth {
    Auth { header: "authorization".to_owned(), template: "Bearer {token}".to_owned(), token }
}

/// Some servers write the number as a text, or with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    // Nothing lasts for longer than a year.
    number.is_finite().then_some(number.clamp(0.0, 31_536_000.0) as u64)
}

/// An error as RFC 6749 §5.2 defines it, in words; `None` for an answer of another form.
pub(super) fn refusal(reply: &HttpResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    let refusal: Refusal = serde_json::from_slice(without_mark(&reply.body)).ok()?;
    let code = clean(&refusal.error);
    let meaning = match code.as_str() {
        "invalid_request" => "the request lacks something or has it twice",
        "invalid_client" => "the client id or its secret, key or certificate is not accepted",
        "invalid_grant" => "the assertion or refresh token is wrong, expired, revoked or used before",
        "unauthorized_client" => "this client may not get tokens in this way",
        "unsupported_grant_type" => "the server grants no tokens in this way",
        "invalid_scope" => "the scope is unknown, or this client may not have it",
        // RFC 8707 §2.
        "invalid_target" => "the resource or audience is unknown, or this client may not have it",
        _ => "",
    };
    let mut text = format!("{} {code}", reply.status);
    if !meaning.is_empty() {
        text = format!("{text}: {meaning}");
    }
    let said = clean(&refusal.error_description.unwrap_or_default());
    match said.is_empty() {
        true => Some(text),
        false => Some(format!("{text} ({said})")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            content_type: None,
            location: None,
            location_host: None,
            retry_after: None,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            fault: None,
        }
    }

    fn life(body: &str) -> u64 {
        token(&answer(200, body)).unwrap_or_else(|why| panic!("{body}: {why}")).life.as_secs()
    }

    #[test]
    fn a_token_lasts_as_long_as_the_server_says_in_any_spelling() {
        for (expires, lasts) in [
            ("7200", 7200),
            ("\"3599\"", 3599),
            ("59.9", 59),
            ("0", 0),
            ("-5", 0),
            ("1e300", 31_536_000),
            ("null", 3600),
            ("\"soon\"", 3600),
        ] {
            assert_eq!(
                life(&format!(r#"{{"access_token": "t", "token_type": "bearer", "expires_in": {expires}}}"#)),
                lasts
            );
        }
        assert_eq!(life(r#"{"access_token": "t"}"#), 3600);
        assert_eq!(life(r#"{"data": [{"access_token": "t", "token_type": "Bearer", "expires_in": 60}]}"#), 60);
    }

    #[test]
    fn what_is_no_bearer_token_is_named_and_never_quoted() {
        for (body, says) in [
            ("{}", "no access_token"),
            (r#"{"access_token": ""}"#, "the secret is empty"),
            (r#"{"access_token": "s3cret\nx"}"#, "line break"),
            (r#"{"access_token": "s3cret", "token_type": "mac"}"#, "\"mac\", and only bearer"),
            (r#"{"access_token": "s3cret", "refresh_token": ""}"#, "refresh_token"),
            (r#"{"access_token": s3cret}"#, "line 1, column 18"),
            ("<html><title>Sign in</title>", "HTML page titled \"Sign in\""),
        ] {
            let Err(why) = token(&answer(200, body)) else { panic!("{body}") };
            assert!(why.contains(says) && !why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn the_codes_of_the_rfc_are_said_in_words() {
        let said = |body: &str| refusal(&answer(400, body));
        assert_eq!(
            said(r#"{"error": "invalid_scope", "error_description": "no\nscope \u0007here"}"#).unwrap(),
            "400 invalid_scope: the scope is unknown, or this client may not have it (no scope here)"
        );
        assert!(said(r#"{"error": "invalid_client"}"#).unwrap().contains("is not accepted"));
        assert_eq!(said(r#"{"error": "other"}"#).unwrap(), "400 other");
        assert_eq!(said(r#"{"status": {"message": "bad"}}"#), None);
        assert_eq!(said("<html>"), None);
    }
}
