//! Choices that a vendor's own guide or console makes otherwise than rosterd does. Data for `rosterd init`.

/// A key of the tenant file for which the vendor has another value, or a box of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    /// The key in the tenant file, with its table.
    pub key: &'static str,
    /// The app whose guide it is; `None` for every app.
    #[serde(skip)]
    pub app: Option<&'static str>,
    /// What `init` writes.
    pub value: &'static str,
    /// What the vendor's guide or console has.
    pub vendor: &'static str,
    /// Why, and how to choose otherwise; a sentence for people.
    pub reason: &'static str,
}
