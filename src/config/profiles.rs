//! The profiles inside the binary: `config/profiles/*.toml`, one file an app.

/// Name and text of every shipped profile.
const SHIPPED: [(&str, &str); 2] = [
    ("heap", include_str!("../../config/profiles/heap.toml")),
    ("scim", include_str!("../../config/profiles/scim.toml")),
];

/// The text of a shipped profile.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all shipped profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}
