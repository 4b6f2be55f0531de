//! The little texts of the files: a rate, a limit, a time span, a schedule, an address. In: one text. Out: a value that
//! can't be wrong, or a [`InvalidForm`] that says which part is wrong and what to write instead.
//!
//! Knows no file. The reader of a file turns a misfit into a diagnostic at the right place, and the editor schema names each
//! form by its `format`.

mod address;
mod day;
mod drift_schedule;
mod limit;
mod names;
mod network;
mod period;
mod rate;
mod schedule;

pub use address::{AppAddress, LdapAddress, WebAddress, canonical, is_loopback_address, normal_form};
pub use day::Day;
pub use drift_schedule::DriftSchedule;
pub use limit::Limit;
pub(crate) use names::parenthesised_filter;
pub use network::{DirectHost, KeyPin, NO_PROXY, PROXY_OF_ENVIRONMENT};
pub use period::Period;
pub use rate::Rate;
pub use schedule::{Schedule, Zone};

use std::ops::Range;

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct InvalidForm {
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The bytes of the text it is about; all of it if `None`.
    pub at: Option<Range<usize>>,
}

impl InvalidForm {
    /// About the whole text.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), at: None }
    }
}

/// A value that is written as a text of its own small form.
pub(super) trait TextForm: Sized {
    /// The form's name: the `format` of its schema.
    const FORMAT: &'static str;
    /// What it is, for the editor.
    const DESCRIPTION: &'static str;
    /// Texts that fit, for the editor and for error messages.
    const EXAMPLES: &'static [&'static str];
    /// Whether a bare number may stand for it.
    const NUMBER_TOO: bool = false;

    /// Reads the text.
    fn read(text: &str) -> Result<Self, InvalidForm>;
}

/// Makes a [`TextForm`] readable from a file and describable to an editor.
macro_rules! text_form {
    ($form:ty) => {
        impl std::str::FromStr for $form {
            type Err = $crate::config::forms::InvalidForm;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <Self as $crate::config::forms::TextForm>::read(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $form {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::config::forms::TextVisitor(std::marker::PhantomData))
            }
        }

        impl schemars::JsonSchema for $form {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($form).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::config::forms::describe::<$form>()
            }
        }
    };
}
use text_form;

struct TextVisitor<T>(std::marker::PhantomData<T>);

impl<T: TextForm> serde::de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a text such as {:?}", T::EXAMPLES.first().copied().unwrap_or_default())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        if !T::NUMBER_TOO {
            return Err(E::invalid_type(serde::de::Unexpected::Signed(number), &self));
        }
        T::read(&number.to_string()).map_err(E::custom)
    }
}

fn describe<T: TextForm>() -> schemars::Schema {
    let mut text = schemars::json_schema!({
        "type": "string",
        "format": T::FORMAT,
        "description": T::DESCRIPTION,
        "examples": T::EXAMPLES,
    });
    if T::NUMBER_TOO {
        text.insert("type".to_owned(), serde_json::json!(["string", "integer"]));
        text.insert("minimum".to_owned(), 0.into());
    }
    text
}

/// Checks a text against the form that a schema names; `None` for a format that is not one of ours.
pub(super) fn check(format: &str, text: &str) -> Option<Result<(), InvalidForm>> {
    fn fits<T: TextForm>(text: &str) -> Result<(), InvalidForm> {
        T::read(text).map(drop)
    }
    Some(match format {
        Day::FORMAT => fits::<Day>(text),
        Rate::FORMAT => fits::<Rate>(text),
        Limit::FORMAT => fits::<Limit>(text),
        Period::FORMAT => fits::<Period>(text),
        Schedule::FORMAT => fits::<Schedule>(text),
        DriftSchedule::FORMAT => fits::<DriftSchedule>(text),
        Zone::FORMAT => fits::<Zone>(text),
        AppAddress::FORMAT => fits::<AppAddress>(text),
        LdapAddress::FORMAT => fits::<LdapAddress>(text),
        WebAddress::FORMAT => fits::<WebAddress>(text),
        "scim-attribute" => names::scim_attribute(text),
        "environment-variable" => names::environment_variable(text),
        "credential-name" => names::credential_name(text),
        "ldap-attribute" => names::ldap_attribute(text),
        "ldap-filter" => names::ldap_filter(text),
        "listen-address" => address::listen(text),
        "proxy-address" => network::proxy(text),
        DirectHost::FORMAT => fits::<DirectHost>(text),
        KeyPin::FORMAT => fits::<KeyPin>(text),
        _ => return None,
    })
}

/// The candidate that was most likely meant by `name`, if one is near: a third of the letters may differ, case and
/// separators do not count.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let wanted = plain(name);
    let allowed = wanted.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Splits `10d` into `10` and `d`: the digits (with a decimal point) and what follows them.
fn number_and_unit(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (text.get(..digits).unwrap_or_default(), text.get(digits..).unwrap_or_default().trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn examples_fit<T: TextForm>() {
        for example in T::EXAMPLES {
            assert!(T::read(example).is_ok(), "{} {example:?}", T::FORMAT);
            assert_eq!(check(T::FORMAT, example), Some(Ok(())), "{} is in the list", T::FORMAT);
        }
    }

    #[test]
    fn every_example_that_an_editor_shows_is_accepted() {
        examples_fit::<Rate>();
        examples_fit::<Limit>();
        examples_fit::<Period>();
        examples_fit::<Schedule>();
        examples_fit::<Zone>();
        examples_fit::<AppAddress>();
        examples_fit::<LdapAddress>();
        examples_fit::<WebAddress>();
        examples_fit::<DirectHost>();
        examples_fit::<KeyPin>();
    }

    #[test]
    fn the_nearest_name_ignores_case_and_separators() {
        assert_eq!(nearest("base-url", ["base_url", "token"]), Some("base_url"));
        assert_eq!(nearest("shedule", ["schedule", "source"]), Some("schedule"));
        assert_eq!(nearest("colour", ["schedule", "source"]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_form_panic(text in ".{0,60}") {
            for format in ["rate", "limit", "time-span", "schedule", "time-zone", "app-address", "ldap-address", "web-address",
                "scim-attribute", "environment-variable", "credential-name", "ldap-attribute", "ldap-filter", "listen-address"] {
                proptest::prop_assert!(check(format, &text).is_some(), "{format}");
            }
        }

        #[test]
        fn no_cron_like_text_makes_the_schedule_panic(text in "[0-9*/,@#LWa-z? -]{0,24}") {
            let _ = Schedule::read(&text);
        }
    }
}
