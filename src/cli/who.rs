//! Who is typing, for the record. In: the environment. Out: a name.

use std::os::unix::fs::MetadataExt;

/// The login name; behind `sudo` that of the person, not of root. Without one, the number of the user.
pub(super) fn is_typing() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    let named = named.into_iter().find(|name| !name.trim().is_empty());
    let number = || std::fs::metadata("/proc/self").map(|this| format!("user {}", this.uid()));
    named.or_else(|| number().ok()).unwrap_or_else(|| "somebody".to_owned())
}
