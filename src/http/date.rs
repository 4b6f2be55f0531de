//! Dates as HTTP writes them (RFC 9110 §5.6.7).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads an HTTP date in any of the three forms that a recipient must accept. All of them are UTC.
pub fn http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| {
        let civil = DateTime::strptime(form, text.trim()).ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_name_one_instant() {
        let instant = "1994-11-06T08:49:37Z".parse::<Timestamp>().unwrap();
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(http_date(text), Some(instant), "{text}");
        }
        for text in
            ["", "soon", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 +0200", "Sun, 40 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
