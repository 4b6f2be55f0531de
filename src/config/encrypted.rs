//! Whether what is sent to an address is encrypted on its way. It takes the keys of a file, and adds what is wrong.

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::forms::WebAddress;

/// A credential must not cross a network in the clear.
pub(super) fn web_address(document: &Document<'_>, path: &[&str], loopback_key: &[&str], found: &mut Vec<Diagnostic>) {
    let Some(address) = document.text_at(path).and_then(|url| url.parse::<WebAddress>().ok()) else { return };
    if address.is_https() || (address.is_loopback() && document.is_true(loopback_key)) {
        return;
    }
    let hint = match address.is_loopback() {
        true => "write https://, or add `allow_http_loopback = true` for a server on this machine",
        false => "write https://",
    };
    found.push(document.error(path, "plain http would send the credential and users' data in the clear", hint));
}
