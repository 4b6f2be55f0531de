//! Answers that are not success, in our words (RFC 7644 §3.12, RFC 6585, and what apps really send). In: a reply or the lack of
//! one. Out: a [`CallError`] whose message shows what the app said, whatever form it has.

use serde_json::Value;

use super::body::{self, Room, Unread};
use super::json::{self, JsonObject};
use super::{CallError, FailureClass};
use crate::http::failure::reason;
pub(super) use crate::http::words::clean;
use crate::http::words::{html, is_html, without_mark};
use crate::http::{BodyFault, HttpResponse, LoginError, Method, SendError};

/// Which request an answer belongs to, as far as errors need to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestKind<'a> {
    pub(super) method: Method,
    /// Below the base URL, without query.
    pub(super) path: &'a str,
}

impl RequestKind<'_> {
    fn is_write(self) -> bool {
        self.method != Method::Get
    }

    fn error(self, class: FailureClass, status: Option<u16>, message: String) -> CallError {
        CallError {
            class,
            status,
            scim_type: None,
            message,
            method: self.method.as_str(),
            path: self.path.to_owned(),
            retry_after: None,
            maybe_done: false,
        }
    }

    /// There was no answer.
    pub(super) fn no_answer(self, error: SendError) -> CallError {
        match error {
            SendError::Unreachable(text) => self.error(FailureClass::Unreachable, None, text),
            SendError::Untrusted(text) => self.error(FailureClass::Untrusted, None, text),
            SendError::NotSent(text) => self.error(FailureClass::Invalid, None, text),
            SendError::NoAnswer(text) => {
                let message = if self.is_write() { format!("{text}; it may have been carried out") } else { text };
                CallError { maybe_done: self.is_write(), ..self.error(FailureClass::Unknown, None, message) }
            }
        }
    }

    /// It was not sent: there was no token to send it with.
    pub(super) fn no_login(self, error: LoginError) -> CallError {
        let class = match error {
            LoginError::Refused(_) => FailureClass::LoginRefused,
            LoginError::Untrusted(_) => FailureClass::Untrusted,
            LoginError::Throttled(_)
            | LoginError::Unreachable(_)
            | LoginError::WrongAddress(_)
            | LoginError::NoToken(_) => FailureClass::LoginFailed,
        };
        self.error(class, None, format!("no token to send it with: {error}"))
    }

    /// It was not sent: the run ended before its turn came.
    pub(super) fn closed(self) -> CallError {
        CallError { method: self.method.as_str(), path: self.path.to_owned(), ..CallError::closed() }
    }

    /// A success whose body is not what SCIM says. A write has probably been carried out.
    pub(super) fn not_scim(self, status: u16, what: &str) -> CallError {
        let message = format!("{status}, but {}", clean(what));
        CallError { maybe_done: self.is_write(), ..self.error(FailureClass::NotScim, Some(status), message) }
    }

    /// A reading that was given up before it was whole. It has no status: another reading would end no earlier.
    pub(super) fn given_up(self, message: String) -> CallError {
        self.error(FailureClass::NotScim, None, message)
    }

    /// A reply, sorted: the body of a success, or an error.
    pub(super) fn answer(self, reply: &HttpResponse, room: Room) -> Result<Option<JsonObject>, CallError> {
        match reply.status {
            200..=299 => self.success(reply, room),
            300..=399 => {
                let host = reply.location_host.as_deref().map_or_else(|| "somewhere else".to_owned(), clean);
                let message = format!(
                    "{} redirects to {host}; redirects are not followed, so that the token stays with its host: \
                     if the app has moved, put the new address into base_url",
                    reply.status
                );
                Err(self.error(FailureClass::Redirect, Some(reply.status), message))
            }
            _ => Err(self.failure(reply)),
        }
    }

    fn success(self, reply: &HttpResponse, room: Room) -> Result<Option<JsonObject>, CallError> {
        match &reply.fault {
            // What is said of a deletion beside its status means nothing.
            Some(_) if self.method == Method::Delete => return Ok(None),
            Some(BodyFault::Cut(why)) => {
                let message = format!("{}, but the answer was cut off: {}", reply.status, clean(why));
                let error = self.error(FailureClass::Unknown, Some(reply.status), message);
                return Err(CallError { maybe_done: self.is_write(), ..error });
            }
            Some(BodyFault::TooLarge(limit)) => {
                let what = format!("the answer is larger than {limit} bytes ({} in the profile)", room.key);
                return Err(self.not_scim(reply.status, &what));
            }
            // Carried out, and nothing of the answer is needed.
            Some(BodyFault::Echo) if self.method == Method::Delete => return Ok(None),
            Some(fault @ BodyFault::Echo) => return Err(self.not_scim(reply.status, &fault.to_string())),
            None => {}
        }
        if reply.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        if is_html(reply) {
            return Err(self.not_scim(reply.status, &html(&reply.body)));
        }
        match body::read(&reply.body, room) {
            Ok(Value::Object(body)) if is_error(&body) => {
                Err(self.failure(&HttpResponse { status: stated_status(&body).unwrap_or(500), ..reply.clone() }))
            }
            Ok(Value::Object(body)) => Ok(Some(body)),
            Ok(Value::Null) => Ok(None),
            Ok(_) => Err(self.not_scim(reply.status, "the body is not a JSON object")),
            Err(Unread::TooMuch) => {
                let (most, key) = (room.memory() >> 20, room.key);
                let what = format!(
                    "the answer of {} bytes has so many small values that it would take more than {most} MiB of memory \
                     (8 times {key} in the profile)",
                    reply.body.len()
                );
                Err(self.not_scim(reply.status, &what))
            }
            Err(Unread::NotJson(why)) => Err(self.not_scim(reply.status, &format!("the body is not JSON: {why}"))),
        }
    }

    fn failure(self, reply: &HttpResponse) -> CallError {
        let body = match serde_json::from_slice::<Value>(without_mark(&reply.body)) {
            Ok(Value::Object(body)) => Some(body),
            _ => None,
        };
        let scim_type = body.as_ref().and_then(|body| json::text(body, "scimType")).map(|text| clean(&text));
        let said = said(reply, body.as_ref());
        let class = self.class(reply.status, scim_type.as_deref(), &said);
        let scim_type = scim_type.filter(|text| !text.is_empty());
        let mut message = reply.status.to_string();
        if let Some(name) = &scim_type {
            message = format!("{message} {name}");
        }
        message = match said.is_empty() {
            true => format!("{message} {}", reason(reply.status)),
            false => format!("{message}: {said}"),
        };
        CallError {
            scim_type,
            retry_after: reply.retry_after,
            maybe_done: self.is_write() && class == FailureClass::Server,
            ..self.error(class, Some(reply.status), message)
        }
    }

    fn class(self, status: u16, scim_type: Option<&str>, said: &str) -> FailureClass {
        let is = |name: &str| scim_type.is_some_and(|given| given.eq_ignore_ascii_case(name));
        match FailureClass::of(status) {
            FailureClass::Invalid | FailureClass::Server if is("uniqueness") && status < 500 => FailureClass::Conflict,
            FailureClass::Invalid | FailureClass::Server if is("mutability") && status < 500 => FailureClass::Immutable,
            FailureClass::Invalid if matches!(status, 400 | 422) && self.is_write() && tells_of_a_duplicate(said) => {
                FailureClass::Conflict
            }
            class => class,
        }
    }
}

/// Whether a body is a SCIM error, whatever the HTTP status says.
fn is_error(body: &JsonObject) -> bool {
    json::elements(body, "schemas").iter().any(|schema| {
        schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case("urn:ietf:params:scim:api:messages:2.0:Error"))
    })
}

/// The `status` of a SCIM error: text by the RFC, a number in some apps.
fn stated_status(body: &JsonObject) -> Option<u16> {
    let status = u16::try_from(json::count(body, "status")?).ok()?;
    (400..600).contains(&status).then_some(status)
}

/// Some apps answer 400 without a `scimType` to what the RFC calls 409 `uniqueness`.
fn tells_of_a_duplicate(said: &str) -> bool {
    let said = said.to_lowercase();
    OF_A_DUPLICATE.iter().any(|sign| said.contains(sign))
}

/// Words of apps that answer so.
const OF_A_DUPLICATE: [&str; 6] =
    ["already exist", "already in use", "already taken", "already been taken", "duplicate", "must be unique"];

/// What the app said, in one clean line; empty if it said nothing.
fn said(reply: &HttpResponse, body: Option<&JsonObject>) -> String {
    let text = match body {
        Some(body) => in_json(body).unwrap_or_else(|| Value::Object(body.clone()).to_string()),
        None if is_html(reply) => html(&reply.body),
        None => String::from_utf8_lossy(&reply.body).into_owned(),
    };
    clean(&text)
}

/// The message in an error body: SCIM 2.0, SCIM 1.1 (`Errors`), RFC 9457, OAuth, and the usual ways of frameworks.
fn in_json(body: &JsonObject) -> Option<String> {
    const NAMES: [&str; 8] =
        ["detail", "Errors", "errors", "message", "error_description", "title", "error", "description"];
    // Where the reason is not beside the status, it is one level down.
    const WRAPPERS: [&str; 6] = ["response", "result", "data", "body", "fault", "Error"];
    let named = |names: &[&str]| {
        names.iter().find_map(|name| words(json::get(body, name)?).filter(|text| !text.trim().is_empty()))
    };
    let said = named(&NAMES).or_else(|| named(&WRAPPERS));
    let more: Vec<String> =
        extensions(body).filter(|text| said.as_ref().is_none_or(|said| !said.contains(text))).collect();
    match said {
        Some(said) if more.is_empty() => Some(said),
        Some(said) => Some(format!("{said}; {}", more.join("; "))),
        None => (!more.is_empty()).then(|| more.join("; ")),
    }
}

/// What the extensions of an error say (RFC 7644 §3.12: its `schemas` may name further ones): often the only reason there is.
fn extensions(body: &JsonObject) -> impl Iterator<Item = String> {
    let extensions = body
        .iter()
        .filter(|(name, _)| name.len() > 4 && name.get(..4).is_some_and(|urn| urn.eq_ignore_ascii_case("urn:")));
    extensions.filter_map(|(_, value)| words(value)).filter(|text| !text.trim().is_empty())
}

/// The words in a value: text itself, the message of an object, all messages of a list.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => {
            in_json(object).or_else(|| json::text(object, "msg")).or_else(|| Some(value.to_string()))
        }
        Value::Array(values) => {
            let all: Vec<String> = values.iter().filter_map(words).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        _ => None,
    }
}

/// Whether a list went wrong in a way that another reading may not repeat.
pub(super) fn is_shaken(error: &CallError) -> bool {
    let cursor = error
        .scim_type
        .as_deref()
        .is_some_and(|name| ["invalidCursor", "expiredCursor"].iter().any(|other| name.eq_ignore_ascii_case(other)));
    cursor || (error.class == FailureClass::NotScim && error.status == Some(200))
}

/// Whether the app says that it does not do this filter.
pub(super) fn is_refused_filter(error: &CallError) -> bool {
    let named = error.scim_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("invalidFilter"));
    named || matches!(error.class, FailureClass::Unsupported | FailureClass::Invalid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
