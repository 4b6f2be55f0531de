//! Which attributes a directory has, as far as we know, and the nearest name to a misspelt one.

use std::collections::BTreeSet;

use crate::config::forms::nearest;

/// The attributes that mappings and filters may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownAttributes {
    /// A directory that can hold any attribute, such as a JSON file. A name that is not among the examples may be right
    /// nevertheless, so it is a warning; without examples there is nothing to compare with.
    Open {
        /// Names that were seen.
        examples: BTreeSet<String>,
    },
    /// Exactly these: the attribute list of an LDAP tenant with the names its records add, the header of a CSV file. Any
    /// other name is a mistake.
    Closed(BTreeSet<String>),
}

/// What is known of one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameVerdict {
    /// It is there, or nothing speaks against it.
    Fine,
    /// It was not seen, but may exist.
    Unseen,
    /// It does not exist.
    Unknown,
}

impl KnownAttributes {
    /// A directory that can hold any attribute; these were seen.
    pub fn open<N: Into<String>>(examples: impl IntoIterator<Item = N>) -> Self {
        Self::Open { examples: examples.into_iter().map(Into::into).collect() }
    }

    /// A directory with exactly these attributes.
    pub fn closed<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::Closed(names.into_iter().map(Into::into).collect())
    }

    /// The names themselves.
    pub fn names(&self) -> &BTreeSet<String> {
        match self {
            Self::Open { examples } => examples,
            Self::Closed(names) => names,
        }
    }

    /// Judges a name as a rule reads it: `title`, or `attributes.heapRole`, for which `attributes` is enough.
    pub(super) fn judge(&self, name: &str) -> NameVerdict {
        let names = self.names();
        let mut prefixes = name.match_indices('.').filter_map(|(at, _)| name.get(..at));
        let there = names.contains(name) || prefixes.any(|prefix| names.contains(prefix));
        match self {
            _ if there => NameVerdict::Fine,
            Self::Open { examples } if examples.is_empty() => NameVerdict::Fine,
            Self::Open { .. } => NameVerdict::Unseen,
            Self::Closed(_) => NameVerdict::Unknown,
        }
    }

    /// The known name that was most likely meant.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.names().iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = KnownAttributes::closed(["department", "departmentNumber", "givenName", "sn", "mail"]);
        for (written, meant) in [
            ("departmnt", Some("department")),
            ("givenname", Some("givenName")),
            ("given_name", Some("givenName")),
            ("email", Some("mail")),
            ("zzz", None),
        ] {
            assert_eq!(known.nearest(written), meant, "{written}");
        }
    }

    #[test]
    fn a_part_of_a_known_attribute_is_known() {
        let known = KnownAttributes::closed(["attributes", "title"]);
        assert_eq!(known.judge("attributes.heapRole"), NameVerdict::Fine);
        assert_eq!(known.judge("title"), NameVerdict::Fine);
        assert_eq!(known.judge("attribute.heapRole"), NameVerdict::Unknown);
        assert_eq!(KnownAttributes::open(["title"]).judge("titel"), NameVerdict::Unseen);
        assert_eq!(KnownAttributes::open(Vec::<String>::new()).judge("titel"), NameVerdict::Fine);
    }
}
