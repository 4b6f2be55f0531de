//! Who is typing, for the record. In: the environment. Out: a name.

/// The login name; behind `sudo` that of the person, not of root.
pub(super) fn is_typing() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}
