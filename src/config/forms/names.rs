//! Texts that other systems give meaning to: SCIM and LDAP attributes, LDAP filters, environment variables, credentials.

use super::InvalidForm;
use crate::model::Path;

/// An attribute path of RFC 7644 §3.10.
pub(super) fn scim_attribute(text: &str) -> Result<(), InvalidForm> {
    Path::parse(text).map(drop).map_err(|error| {
        InvalidForm::new(
            format!("{text:?} is not a SCIM attribute: {}", error.why),
            "such as `userName`, `name.givenName`, `emails.work`",
        )
    })
}

/// The name of an environment variable. What does not fit is not repeated: somebody may have put the secret itself here.
pub(super) fn environment_variable(text: &str) -> Result<(), InvalidForm> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = text.chars().all(legal) && text.starts_with(|c: char| !c.is_ascii_digit()) && text.len() <= 255;
    if fits {
        return Ok(());
    }
    Err(InvalidForm::new(
        "this is not the name of an environment variable",
        "write the variable's name, not the secret: letters, digits and `_`",
    ))
}

/// The name of a systemd credential: it becomes a file name in `$CREDENTIALS_DIRECTORY`, and must not lead out of it.
pub(super) fn credential_name(text: &str) -> Result<(), InvalidForm> {
    let legal = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    let fits = !text.is_empty() && text.len() <= 255 && text.chars().all(legal) && !matches!(text, "." | "..");
    if fits {
        return Ok(());
    }
    Err(InvalidForm::new(
        "this is not the name of a credential",
        "write the name given in `LoadCredential=NAME:PATH`, not the secret and not the path",
    ))
}

/// An attribute description of RFC 4512 §2.5: a name or a number, with options if need be.
pub(super) fn ldap_attribute(text: &str) -> Result<(), InvalidForm> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '=');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(legal) {
        return Ok(());
    }
    Err(InvalidForm::new(format!("{text:?} is not an LDAP attribute"), "such as `mail` or `departmentNumber`"))
}

/// The most levels of parentheses in an LDAP filter: the library reads a filter by recursion.
const FILTER_LEVELS: usize = 32;

/// A search filter of RFC 4515; the outer parentheses may be left out.
pub(super) fn ldap_filter(text: &str) -> Result<(), InvalidForm> {
    parenthesised_filter(text).map(drop)
}

/// A search filter of RFC 4515 in parentheses, so that it can be part of another one.
pub(crate) fn parenthesised_filter(text: &str) -> Result<String, InvalidForm> {
    let text = text.trim();
    let whole = if text.starts_with('(') { text.to_owned() } else { format!("({text})") };
    if levels_of(&whole) > FILTER_LEVELS {
        let fault = format!("this LDAP filter has more than {FILTER_LEVELS} levels of parentheses");
        return Err(InvalidForm::new(fault, "`&` and `|` take any number of filters side by side"));
    }
    match ldap3::parse_filter(&whole) {
        Ok(_) => Ok(whole),
        Err(()) => {
            let hint = "such as `(&(objectClass=inetOrgPerson)(mail=*))`; of a value, ( ) * and \\ are written \\28 \\29 \\2a \\5c";
            Err(InvalidForm::new(format!("{text:?} is not an LDAP filter"), hint))
        }
    }
}

/// How deep parentheses are nested at most. In a value they are written as escapes, so every one of them counts.
fn levels_of(filter: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in filter.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn i6_a_credentials_name_never_leaves_its_folder() {
        for bad in ["", ".", "..", "../heap", "a/b", "/etc/shadow", "a b", "a\0b", "é", "a:b", &"a".repeat(256)] {
            assert!(credential_name(bad).is_err(), "{bad:?}");
        }
        assert!(credential_name("heap.token-2").is_ok());
    }

    #[test]
    fn an_ldap_filter_and_an_attribute_are_what_the_rfcs_say() {
        for good in ["(mail=*)", "mail=*", "(&(objectClass=user)(!(cn=a\\2ab)))"] {
            assert!(ldap_filter(good).is_ok(), "{good:?}");
        }
        for bad in ["", "(mail=*", "mail", "(&(a=b)", "()"] {
            assert!(ldap_filter(bad).is_err(), "{bad:?}");
        }
        let nested = |levels: usize| format!("{}(a=b){}", "(!".repeat(levels - 1), ")".repeat(levels - 1));
        assert!(ldap_filter(&nested(32)).is_ok());
        let deep = ldap_filter(&nested(33)).unwrap_err().to_string();
        assert!(deep.contains("32 levels"), "{deep}");
        assert!(ldap_attribute("member;range=0-1499").is_ok() && ldap_attribute("2.5.4.3").is_ok());
        assert!(ldap_attribute("").is_err() && ldap_attribute("first name").is_err());
    }

    #[test]
    fn i6_a_misfit_never_repeats_what_may_be_a_secret() {
        for misfit in [environment_variable("s3cr3t-value"), credential_name("s3cr3t/value")] {
            assert!(!misfit.unwrap_err().to_string().contains("s3cr3t"));
        }
        assert!(environment_variable("HEAP_TOKEN").is_ok());
        assert!(environment_variable("").is_err() && environment_variable("1A").is_err());
    }
}
