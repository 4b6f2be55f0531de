//! What a probe sees that speaks for a value of the profile. Plain values: that two of them are the same is no question of their words.

use std::fmt;

use serde::{Serialize, Serializer};

/// What was seen. Its `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeObservation {
    /// An attribute was refused in a create; the app's words.
    RefusedAtCreate(String),
    /// `externalId` was refused in a create.
    ExternalIdRefused,
    /// `externalId` was taken and not kept.
    ExternalIdDropped,
    /// `externalId` can't recognise an account.
    ExternalIdNotKept,
    /// Attributes that were taken are not shown.
    NotShownAgain,
    /// The type of a role.
    RoleType,
    /// The place and the form of a role.
    RoleShape,
    /// What is wrong with filters by user name.
    Filters(FilterFault),
    /// A filter without a match is answered with 404.
    NoMatch404,
    /// A filter by `externalId` finds nothing.
    NoFilterByExternalId,
    /// A filter by an `externalId` that no account has is refused, or shows other accounts.
    FilterForAbsentExternalId,
    /// `count` is ignored.
    CountIgnored,
    /// `count` is refused.
    CountRefused,
    /// A page came that was smaller than what was asked for.
    SmallPage {
        /// How many were asked for.
        wanted: u64,
        /// How many came.
        came: u64,
        /// How many there are.
        total: u64,
    },
    /// A way to update that worked, and how the app refused those that were tried before.
    Updates {
        /// The refusals; empty if there were none.
        refusals: String,
    },
    /// The change of an attribute made a second account.
    SecondAccount(&'static str),
    /// The change of an attribute was answered with another account.
    AnsweredWithAnother {
        /// The attribute.
        attribute: &'static str,
        /// The account, and what it was answered with.
        said: String,
        /// Whether a second account came of it.
        doubled: bool,
    },
    /// The change of an attribute was made.
    Taken(&'static str),
    /// The change of an attribute was accepted and ignored.
    Ignored,
    /// The change of an attribute was refused; the app's words.
    ChangeRefused(String),
    /// An inactive account stays.
    Stays,
    /// An inactive account is hidden.
    Hidden,
    /// An inactive account is deleted.
    Deleted,
    /// Deletion is refused; the app's words.
    DeletionRefused(String),
    /// An account was deleted, and made again.
    MadeAgain,
    /// A deleted account's name is not free; the app's words.
    NameKept(String),
}

/// What is wrong with filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterFault {
    /// Everything is shown.
    Ignored,
    /// They are refused.
    Refused,
    /// They do not find what is there.
    Blind,
}

impl fmt::Display for FilterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignored => "the app ignores filters and shows every user",
            Self::Refused => "the app refuses filters",
            Self::Blind => "the app does not find an account by its user name",
        })
    }
}

impl fmt::Display for ProbeObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefusedAtCreate(said) => write!(f, "refused when an account is made: {said}"),
            Self::ExternalIdRefused => f.write_str("an account with externalId is refused"),
            Self::ExternalIdDropped => f.write_str("externalId is taken and not kept"),
            Self::ExternalIdNotKept => f.write_str("externalId is not kept"),
            Self::NotShownAgain => f.write_str("taken and not shown again"),
            Self::RoleType => f.write_str("the type of the role that the app gave"),
            Self::RoleShape => f.write_str("as the app shows the role of a new account"),
            Self::Filters(fault) => write!(f, "{fault}"),
            Self::NoMatch404 => f.write_str("a filter without a match is answered with 404"),
            Self::NoFilterByExternalId => f.write_str("a filter by externalId does not find it"),
            Self::FilterForAbsentExternalId => {
                f.write_str("a filter by an externalId that no account has is refused, or shows other accounts")
            }
            Self::CountIgnored => f.write_str("count is ignored"),
            Self::CountRefused => f.write_str("count is refused"),
            Self::SmallPage { wanted, came, total } => write!(f, "{wanted} were asked for, {came} of {total} came"),
            Self::Updates { refusals } if refusals.is_empty() => f.write_str("what works"),
            Self::Updates { refusals } => f.write_str(refusals),
            Self::SecondAccount(attribute) => write!(f, "{attribute} makes a second account"),
            Self::AnsweredWithAnother { attribute, said, doubled } => {
                if *doubled {
                    write!(f, "{attribute} makes a second account; ")?;
                }
                write!(f, "{attribute} of {said}")
            }
            Self::Taken(attribute) => write!(f, "{attribute} is taken, and no second account came of it"),
            Self::Ignored => f.write_str("a change is accepted and ignored"),
            Self::ChangeRefused(said) => write!(f, "a change is refused: {said}"),
            Self::Stays => f.write_str("the account stays, inactive"),
            Self::Hidden => f.write_str("the account is hidden until it is activated"),
            Self::Deleted => f.write_str("the account is deleted by it"),
            Self::DeletionRefused(said) => f.write_str(said),
            Self::MadeAgain => f.write_str("deleted, and made again"),
            Self::NameKept(said) => write!(f, "the account is gone, and its name is not free again: {said}"),
        }
    }
}

/// All that was seen for one value, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeEvidence(Vec<ProbeObservation>);

impl ProbeEvidence {
    /// With what was seen before it, each once.
    pub(super) fn after(self, Self(mut earlier): Self) -> Self {
        for seen in self.0 {
            if !earlier.contains(&seen) {
                earlier.push(seen);
            }
        }
        Self(earlier)
    }
}

impl From<ProbeObservation> for ProbeEvidence {
    fn from(seen: ProbeObservation) -> Self {
        Self(vec![seen])
    }
}

impl fmt::Display for ProbeEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, seen) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{seen}")?;
        }
        Ok(())
    }
}

impl Serialize for ProbeEvidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_twice_is_told_once() {
        let refused = || ProbeEvidence::from(ProbeObservation::ChangeRefused("400: no".to_owned()));
        let all = refused().after(ProbeObservation::Ignored.into()).after(refused());
        assert_eq!(all.to_string(), "a change is refused: 400: no; a change is accepted and ignored");
    }
}
