//! Names that other systems give meaning to: SCIM attributes, environment variables, systemd credentials.

use super::Misfit;
use crate::model::Path;

/// An attribute path of RFC 7644 §3.10.
pub(super) fn scim_attribute(text: &str) -> Result<(), Misfit> {
    Path::parse(text).map(drop).map_err(|error| {
        Misfit::new(
            format!("{text:?} is not a SCIM attribute: {}", error.why),
            "such as `userName`, `name.givenName`, `emails.work`",
        )
    })
}

/// The name of an environment variable. What does not fit is not repeated: somebody may have put the secret itself here.
pub(super) fn environment_variable(text: &str) -> Result<(), Misfit> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = text.chars().all(legal) && text.starts_with(|c: char| !c.is_ascii_digit()) && text.len() <= 255;
    if fits {
        return Ok(());
    }
    Err(Misfit::new(
        "this is not the name of an environment variable",
        "write the variable's name, not the secret: letters, digits and `_`",
    ))
}

/// The name of a systemd credential: it becomes a file name in `$CREDENTIALS_DIRECTORY`, and must not lead out of it.
pub(super) fn credential_name(text: &str) -> Result<(), Misfit> {
    let legal = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    let fits = !text.is_empty() && text.len() <= 255 && text.chars().all(legal) && !matches!(text, "." | "..");
    if fits {
        return Ok(());
    }
    Err(Misfit::new(
        "this is not the name of a credential",
        "write the name given in `LoadCredential=NAME:PATH`, not the secret and not the path",
    ))
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
    fn i6_a_misfit_never_repeats_what_may_be_a_secret() {
        for misfit in [environment_variable("s3cr3t-value"), credential_name("s3cr3t/value")] {
            assert!(!misfit.unwrap_err().to_string().contains("s3cr3t"));
        }
        assert!(environment_variable("HEAP_TOKEN").is_ok());
        assert!(environment_variable("").is_err() && environment_variable("1A").is_err());
    }
}
