//! A directory's table of a tenant file that is looked at for what may not stand together. What comes in is the parsed file; what goes out are
//! diagnostics. It must not depend on a directory: the table's name is the list's.

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;

/// The table `[source.<name>]`, and what was found in it.
pub(in crate::config) struct TableCheck<'a, 't> {
    /// The file.
    pub(super) document: &'a Document<'t>,
    /// The table's name.
    pub(super) name: &'static str,
    /// What was found so far.
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl<'a> TableCheck<'a, '_> {
    /// The path of a key.
    pub(super) fn key<'k>(&self, key: &'k str) -> [&'k str; 3] {
        ["source", self.name, key]
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.document.get(&self.key(key)).is_some()
    }

    /// Whether a switch is on.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.document.is_true(&self.key(key))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.document.text_at(&self.key(key))
    }

    /// Adds a mistake at a key.
    pub(super) fn wrong(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(self.document.error(&self.key(key), message, hint));
    }

    /// Adds a mistake of the table as a whole.
    pub(super) fn lacks(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(self.document.error(&["source", self.name], message, hint));
    }
}
