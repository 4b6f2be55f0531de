//! What can go wrong with a request, in words that never hold a token or a query.

use std::error::Error as _;

use super::certificate;

/// Why no client could be made: a mistake in the configuration, found before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(crate) String);

impl SetupError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection could be made (DNS, TCP, TLS): nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The server can't be trusted or speaks no TLS that is accepted: nothing was sent, and another attempt would end alike.
    #[error("{0}")]
    Untrusted(String),
    /// The request, or a part of it, went out and no answer came back: it may have been carried out.
    #[error("{0}")]
    NoAnswer(String),
    /// The request can't be written down: an id that no URL can carry. Nothing was sent.
    #[error("{0}")]
    NotSent(String),
}

/// Why the body of an answer is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is larger than what is read; the number of bytes is the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It repeats the credential that the request carried. Nothing of it is kept.
    #[error(
        "the answer repeats the credential of this tenant, so nothing of it is kept: what it holds would end up in names and ids"
    )]
    Echo,
    /// The connection ended or fell silent before the body did.
    #[error("the answer was cut off: {0}")]
    Cut(String),
}

/// Sorts a failed exchange by the one question that matters: may the other side have acted on it?
pub(super) fn send_error(error: reqwest::Error, host: &str) -> SendError {
    if let Some(text) = find_tls(&error).and_then(|tls| certificate::refused(tls, host)) {
        return SendError::Untrusted(text);
    }
    let text = describe(&error, host);
    if error.is_builder() {
        SendError::NotSent(text)
    } else if error.is_connect() {
        SendError::Unreachable(text)
    } else {
        SendError::NoAnswer(text)
    }
}

/// One line: the host and the innermost reasons. A URL is never part of it, since queries hold personal data.
pub(super) fn describe(error: &reqwest::Error, host: &str) -> String {
    if let Some(tls) = find_tls(error) {
        return certificate::refused(tls, host)
            .unwrap_or_else(|| format!("the TLS handshake with {host} failed: {tls}"));
    }
    if is_cut(error) {
        return format!("{host} closed the connection before its response was complete");
    }
    if error.is_dns() {
        return format!("the name {host} can't be resolved: {}", innermost(error));
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("{host} did not accept a connection in time"),
        (true, false) => format!("no connection to {host}: {}", innermost(error)),
        (false, true) => format!("{host} did not answer in time"),
        (false, false) => format!("the connection to {host} broke: {}", innermost(error)),
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut deepest: Option<&dyn std::error::Error> = None;
    let mut next = error.source();
    while let Some(inner) = next {
        deepest = Some(inner);
        next = inner.source();
    }
    // The outermost text holds the URL; without a source there is nothing safe to say.
    deepest.map_or_else(|| "no reason given".to_owned(), ToString::to_string)
}

/// Whether the connection ended without a word of goodbye. The TLS library's own text about that is a link to its manual.
fn is_cut(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) || error.source().is_some_and(is_cut)
}

/// The error of the TLS library. An `io::Error` hides its content from `source()`, so it is asked directly.
fn find_tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let content = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let content = content.map(|content| content as &(dyn std::error::Error + 'static));
    find_tls(content.or_else(|| error.source())?)
}
