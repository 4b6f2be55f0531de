//! What a directory's refusals mean. In: LDAP result codes (RFC 4511 §4.1.9) and the library's errors. Out: a [`SourceError`]
//! that names what to do.

use ldap3::{LdapError, LdapResult};

use super::reference::Holes;
use crate::http::certificate;
use crate::model::{bounds, text};
use crate::source::{Incomplete, SourceError};

/// Judges the result of a bind.
pub(super) fn of_bind(result: &LdapResult, bind_dn: &str) -> Result<(), SourceError> {
    let said = said(result);
    Err(match result.rc {
        0 => return Ok(()),
        49 => SourceError::Refused(match ad_reason(&result.text) {
            Some(reason) => format!("{bind_dn}: {reason} ({said})"),
            None => format!("{bind_dn}: wrong name or password ({said})"),
        }),
        // 8 stronger authentication, 13 confidentiality required: both mean TLS.
        8 | 13 => SourceError::Settings(format!("this server wants TLS: use ldaps:// or start_tls ({said})")),
        34 => SourceError::Settings(format!("bind_dn {bind_dn:?} is not written as this server wants it ({said})")),
        7 | 32 | 48 | 50 => SourceError::Refused(format!("{bind_dn} may not bind with a password ({said})")),
        _ => anything(result.rc, said),
    })
}

/// Judges the result of a bind by the client certificate (SASL EXTERNAL).
pub(super) fn of_external(result: &LdapResult) -> Result<(), SourceError> {
    let said = said(result);
    Err(match result.rc {
        0 => return Ok(()),
        49 => SourceError::Refused(format!("the client certificate is not accepted, or stands for no entry ({said})")),
        7 | 8 | 32 | 48 | 50 => SourceError::Refused(format!(
            "this server does not bind by a client certificate (SASL EXTERNAL), or not by this one ({said})"
        )),
        _ => anything(result.rc, said),
    })
}

/// One search, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchContext<'a> {
    /// What it looks for: `people`, `groups`.
    pub(super) what: &'a str,
    pub(super) base: &'a str,
    pub(super) bind_dn: &'a str,
    /// How many entries had come.
    pub(super) received: u64,
}

/// Judges the result of a search.
pub(super) fn of_search(result: &LdapResult, about: SearchContext<'_>) -> Result<(), SourceError> {
    let said = said(result);
    let SearchContext { what, base, bind_dn, received } = about;
    let cut = |limit: &str| {
        let why = format!("the server's {limit} for {bind_dn} ({said}); raise it there, nothing short is used here");
        SourceError::Incomplete(Incomplete::Cut { what: what.to_owned(), received, why })
    };
    Err(match result.rc {
        0 => return Ok(()),
        3 => cut("time limit"),
        4 => cut("size limit"),
        11 => cut("administrative limit"),
        10 => {
            let other = result
                .refs
                .first()
                .map_or(String::new(), |address| format!(", {}", bounds::shown(&text::shown(address))));
            SourceError::Settings(format!(
                "{base:?} is not kept by this server, which names another{other} ({said}); references are not followed, so who is there would \
                 look absent: give `url` a server that keeps it"
            ))
        }
        12 => SourceError::Settings(format!("this server does not page its answers (RFC 2696) ({said})")),
        32 => SourceError::Settings(format!("{base:?} does not exist, or {bind_dn} may not see it ({said})")),
        34 => SourceError::Settings(format!("{base:?} is no name this server understands ({said})")),
        50 => SourceError::Forbidden(format!("{what} below {base:?} as {bind_dn} ({said})")),
        _ => anything(result.rc, said),
    })
}

/// What a whole search came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SearchResult {
    /// Entries, repetitions included.
    pub(super) entries: u64,
    /// Parts of the tree below the base that were not searched.
    pub(super) holes: Holes,
}

/// Judges what a search that ended well did not look into.
pub(super) fn whole(what: &str, base: &str, found: &SearchResult) -> Result<(), SourceError> {
    match &found.holes.first {
        None => Ok(()),
        Some(first) => Err(SourceError::Incomplete(Incomplete::Elsewhere {
            what: what.to_owned(),
            base: base.to_owned(),
            received: found.entries,
            places: found.holes.count,
            first: first.to_string(),
        })),
    }
}

fn anything(code: u32, said: String) -> SourceError {
    match code {
        51 => SourceError::Throttled(said),
        52 | 80..=91 => SourceError::Unavailable(said),
        // Active Directory says 1 (operationsError) to a search without a bind.
        1 => SourceError::Refused(said),
        _ => SourceError::Settings(format!("the server refuses this request: {said}")),
    }
}

/// Judges an error of the library, before or instead of a result.
pub(super) fn of_error(error: &LdapError) -> SourceError {
    match error {
        LdapError::Timeout { .. } => no_answer(),
        LdapError::FilterParsing => SourceError::Settings("a filter is not valid (RFC 4515)".to_owned()),
        LdapError::Io { source } => of_io(source),
        other => SourceError::Unreachable(other.to_string()),
    }
}

/// The time limit has passed.
pub(super) fn no_answer() -> SourceError {
    SourceError::Unreachable("no answer within timeout_secs".to_owned())
}

/// Judges an error of the connection, from TCP up to TLS.
pub(super) fn of_io(error: &std::io::Error) -> SourceError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return SourceError::Unreachable("the server closed the connection".to_owned());
    }
    SourceError::Unreachable(error.to_string())
}

/// Judges a failed TLS handshake with this server.
pub(super) fn of_handshake(error: &std::io::Error, server: &str) -> SourceError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls.and_then(|tls| certificate::refused(tls, server)) {
        Some(text) => SourceError::Untrusted(text),
        None => of_io(error),
    }
}

/// The host of the address is nothing that a certificate could be for.
pub(super) fn no_server_name() -> SourceError {
    SourceError::Settings("the host in `url` can't stand in a certificate: use its name".to_owned())
}

/// Judges the result of StartTLS.
pub(super) fn of_start_tls(result: &LdapResult) -> Result<(), SourceError> {
    of_bind(result, "StartTLS").map_err(|error| match error {
        SourceError::Settings(why) => SourceError::Settings(format!("StartTLS: {why}")),
        other => other,
    })
}

/// What the library puts between a result's name and the name of the entry.
const BEFORE_NAME: &str = ", dn:";

/// What Active Directory puts before its own code.
const BEFORE_CODE: &str = "data ";

/// What the server said, in its own words, shortened and on one line.
fn said(result: &LdapResult) -> String {
    const MOST: usize = 300;
    // The library writes the code's name and the text between quotes; the rest repeats what we asked.
    let name = result.to_string();
    let name = name.split(BEFORE_NAME).next().unwrap_or_default();
    let text: String = result.text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    let text = text.trim();
    if text.is_empty() { format!("LDAP {name}") } else { format!("LDAP {name}: {text}") }
}

/// What Active Directory hides in the text of result 49 (`… AcceptSecurityContext error, data 52e, v4563`).
fn ad_reason(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once(BEFORE_CODE)?;
    let code = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    Some(match code {
        "525" => "no such user",
        "52e" => "wrong name or password",
        "530" => "may not log on at this time",
        "531" => "may not log on from this machine",
        "532" => "the password has expired",
        "533" => "the account is disabled",
        "701" => "the account has expired",
        "773" => "the password must be changed first",
        "775" => "the account is locked out",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    fn search(rc: u32) -> SourceError {
        let about = SearchContext { what: "users", base: "dc=x", bind_dn: "cn=reader", received: 500 };
        of_search(&result(rc, ""), about).unwrap_err()
    }

    #[test]
    fn s2_a_cut_list_is_an_incomplete_reading_whatever_the_limit() {
        for code in [3, 4, 11] {
            let error = search(code);
            assert!(matches!(error, SourceError::Incomplete(Incomplete::Cut { received: 500, .. })), "{code}: {error}");
        }
    }

    #[test]
    fn every_refusal_has_its_kind() {
        assert!(matches!(search(10), SourceError::Settings(_)));
        assert!(matches!(search(12), SourceError::Settings(_)));
        assert!(matches!(search(32), SourceError::Settings(_)));
        assert!(matches!(search(34), SourceError::Settings(_)));
        assert!(matches!(search(50), SourceError::Forbidden(_)));
        assert!(matches!(search(51), SourceError::Throttled(_)));
        assert!(matches!(search(52), SourceError::Unavailable(_)));
        assert!(matches!(search(1), SourceError::Refused(_)));
        assert!(matches!(search(53), SourceError::Settings(_)));
        let bind = |rc| of_bind(&result(rc, ""), "cn=reader").unwrap_err();
        assert!(matches!(bind(49), SourceError::Refused(_)));
        assert!(matches!(bind(13), SourceError::Settings(_)));
        assert!(matches!(bind(48), SourceError::Refused(_)));
        assert!(matches!(bind(34), SourceError::Settings(_)));
        assert!(matches!(bind(53), SourceError::Settings(_)));
    }

    #[test]
    fn active_directory_says_why_a_bind_failed() {
        let text = "80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 775, v4563\0";
        let error = of_bind(&result(49, text), "sync@ad.example.test").unwrap_err();
        assert!(error.to_string().contains("the account is locked out"), "{error}");
        assert!(!error.to_string().contains('\0'));
        assert_eq!(ad_reason("data 52f"), None);
        assert_eq!(ad_reason("invalid credentials"), None);
    }

    #[test]
    fn a_message_names_code_and_place() {
        assert_eq!(
            search(32).to_string(),
            "the source's settings do not fit: \"dc=x\" does not exist, or cn=reader may not see it (LDAP rc=32 (noSuchObject))"
        );
    }
}
