//! Why a look-up names no object that may be used: codes with a payload. The app has a match, or may have one, and it is not known
//! whose it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppId, SourceId};

/// Why nothing may be created for a record, and nothing linked to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Several objects of the app have the value.
    SeveralObjects {
        /// The attribute that matches.
        by: String,
        /// Their ids in the app.
        ids: Some10,
    },
    /// One object of the app has the value, and carries the id of another record.
    OfAnother {
        /// The object.
        another: Another,
        /// Its `externalId`.
        external_id: String,
        /// The id of the record that it was looked up for.
        record: SourceId,
    },
    /// Several records of the directory want one value that only one can have.
    SeveralWant {
        /// The attribute.
        by: String,
        /// The value.
        value: String,
        /// Their ids in the directory.
        records: Some10,
    },
    /// Several records of the directory match one object of the app.
    SeveralMatch {
        /// The object.
        account: AppId,
        /// Their ids in the directory.
        records: Some10,
    },
    /// No request can be sent to the object.
    Unaddressable {
        /// The attribute that matches.
        by: String,
        /// Its id, cut after some characters.
        id: String,
    },
    /// The app lists a group, but does not show it.
    ListedOnly {
        /// The group.
        group: AppId,
    },
    /// The look-up failed: the app may have a match.
    NotAnswered {
        /// What the app answered.
        error: String,
        /// The setting that avoids it.
        way_out: WayOut,
    },
}

/// An object of the app that matches a record and belongs to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Another {
    /// The app's id.
    pub id: AppId,
    /// The attribute that matched.
    pub by: String,
    /// `active` of a user's account; `true` where the app does not say.
    pub active: bool,
}

/// Why an object that matches a record was not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlinked {
    /// It matches, but nothing shows that it is the record's.
    MatchesBy(String),
    /// It is not known whose it is.
    Conflict(Conflict),
}

/// Which settings avoid a look-up that the app does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    /// The app answers 404, which may be its way to say "no match".
    NoMatch404,
    /// Its filters do not work.
    List,
}

/// Ten of many ids, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Some10 {
    /// The first ten.
    pub ids: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Conflict {
    /// The one object that was found, where all that is in the way is that it belongs to another record.
    pub fn another(&self) -> Option<&Another> {
        match self {
            Self::OfAnother { another, .. } => Some(another),
            _ => None,
        }
    }
}

impl FromIterator<String> for Some10 {
    fn from_iter<I: IntoIterator<Item = String>>(all: I) -> Self {
        const SHOWN: usize = 10;
        let mut all = all.into_iter();
        let ids: Vec<String> = all.by_ref().take(SHOWN).collect();
        let count = ids.len() + all.count();
        Self { ids, count }
    }
}

impl fmt::Display for Some10 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ids.join(", "))?;
        match self.count.saturating_sub(self.ids.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Unlinked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MatchesBy(by) => write!(f, "it matches by {by}, and rosterd did not link it"),
            Self::Conflict(conflict) => write!(f, "{conflict}"),
        }
    }
}

impl fmt::Display for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMatch404 => {
                "if that is how the app says \"no match\", set read.no_match_404 = true under [target.override_profile]; if its filters \
                 do not work, read.look_up = \"list\""
            }
            Self::List => {
                "if its filters do not work, set read.look_up = \"list\" under [target.override_profile]"
            }
        })
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralObjects { by, ids } => {
                write!(f, "{} objects in the app have the same {by}: ids {ids}", ids.count)
            }
            Self::OfAnother { another: Another { id, by, .. }, external_id, record } => write!(
                f,
                "the object {id} in the app has the same {by}, but belongs to another directory record: its externalId is \
                 {external_id:?}, not {:?}; to let rosterd adopt such objects, set read.adopt = \"always\" under \
                 [target.override_profile]",
                record.as_str()
            ),
            Self::SeveralWant { by, value, records } => {
                write!(f, "several directory records claim the {by} {value:?}: {records}")
            }
            Self::SeveralMatch { account, records } => {
                write!(f, "several directory records match the object {account} in the app: {records}")
            }
            Self::Unaddressable { by, id } => {
                write!(f, "the object that matches by {by} has the id {id:?} in the app: no request can be sent to it")
            }
            Self::ListedOnly { group } => write!(f, "the app lists the group {group} but does not show it"),
            Self::NotAnswered { error, way_out } => write!(
                f,
                "the app could not be asked whether it has this object already ({error}): nothing is created; {way_out}"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Obstacle;

    fn of_another() -> Conflict {
        let another = Another { id: AppId::new("7"), by: "userName".into(), active: true };
        Conflict::OfAnother { another, external_id: "u9".into(), record: SourceId::new("u1") }
    }

    #[test]
    fn w1_why_nothing_was_linked_is_a_code_and_only_its_reader_writes_a_sentence() {
        let ids = || (1..=12).map(|id| id.to_string()).collect::<Some10>();
        for (conflict, said) in [
            (
                Conflict::SeveralObjects { by: "userName".into(), ids: ids() },
                "12 objects in the app have the same userName: ids 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more",
            ),
            (of_another(), "its externalId is \"u9\", not \"u1\"; to let rosterd adopt such objects"),
            (
                Conflict::SeveralWant { by: "userName".into(), value: "ann".into(), records: ids() },
                "several directory records claim the userName \"ann\": 1, 2",
            ),
            (
                Conflict::SeveralMatch { account: AppId::new("7"), records: ids() },
                "several directory records match the object 7 in the app: 1, 2",
            ),
            (Conflict::Unaddressable { by: "userName".into(), id: "..".into() }, "has the id \"..\" in the app"),
            (Conflict::ListedOnly { group: AppId::new("7") }, "lists the group 7 but does not show it"),
            (
                Conflict::NotAnswered { error: "GET /Users: 404".into(), way_out: WayOut::NoMatch404 },
                "(GET /Users: 404): nothing is created; if that is how the app says \"no match\", set read.no_match_404",
            ),
        ] {
            assert!(conflict.to_string().contains(said), "{conflict}");
            let obstacle = Obstacle::Conflicting(Box::new(conflict));
            assert!(obstacle.encoded().starts_with("conflicting {"), "{}", obstacle.encoded());
            assert_eq!(Obstacle::decode(&obstacle.encoded()), obstacle);
        }
    }

    #[test]
    fn i8_a_forgotten_name_is_put_out_of_a_conflict() {
        let wanted = Conflict::SeveralWant {
            by: "userName".into(),
            value: "ann".into(),
            records: ["u1".to_owned()].into_iter().collect(),
        };
        let left = Obstacle::Conflicting(Box::new(wanted)).with_texts(|text| *text = text.replace("ann", "*")).unwrap();
        assert!(
            matches!(&left, Obstacle::Conflicting(found) if matches!(&**found, Conflict::SeveralWant { value, .. } if value == "*")),
            "{left:?}"
        );
    }

    #[test]
    fn only_an_object_of_another_record_is_one_that_may_be_handed_over() {
        assert_eq!(of_another().another().map(|another| another.id.as_str()), Some("7"));
        assert_eq!(Conflict::ListedOnly { group: AppId::new("7") }.another(), None);
    }
}
