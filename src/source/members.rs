//! What a directory's answer about one group's members means for the whole reading. It takes the answers as they come, and returns members, or
//! why they are unknown, group by group.
//!
//! A group that the directory cannot show keeps its members and stops nobody else: leavers of other groups must not wait for it. When many
//! groups fail it is the directory that fails, and the reading with it.

use super::SourceError;

/// So many groups may fail in a reading, or a tenth of them if that is more.
const A_FEW: usize = 3;

/// Counts the groups whose members could not be read.
pub(super) struct Spared {
    most: usize,
    failed: usize,
    read: usize,
    first: Option<SourceError>,
}

impl Spared {
    /// For a reading of so many groups.
    pub(super) fn of(groups: usize) -> Self {
        Self { most: A_FEW.max(groups / 10), failed: 0, read: 0, first: None }
    }

    /// The members of one group, or why they are unknown.
    ///
    /// # Errors
    /// When the credential was refused, or too many groups failed: then with the group's name, since the first to fail may be the cause.
    pub(super) fn take<T>(
        &mut self,
        group: &str,
        answer: Result<T, SourceError>,
    ) -> Result<Result<T, String>, SourceError> {
        let error = match answer {
            Ok(members) => {
                self.read += 1;
                return Ok(Ok(members));
            }
            Err(error @ (SourceError::Refused(_) | SourceError::NoOrganisation(_) | SourceError::Throttled(_))) => {
                return Err(error);
            }
            Err(error) => error,
        };
        self.failed += 1;
        if self.failed > self.most {
            return Err(error.reworded(|why| format!("the members of group {group:?}: {why}")));
        }
        tracing::warn!(group, "the members of a group could not be read; it keeps those it has");
        let why = error.to_string();
        self.first.get_or_insert(error.reworded(|why| format!("the members of group {group:?}: {why}")));
        Ok(Err(why))
    }

    /// Says at the end whether anything was read at all.
    ///
    /// # Errors
    /// When several groups were asked for and not one could be read: then it is the directory, or a missing right, and no group.
    pub(super) fn done(self) -> Result<(), SourceError> {
        match self.first {
            Some(error) if self.read == 0 && self.failed > 1 => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<(), SourceError> {
        Err(SourceError::Unreachable("500".to_owned()))
    }

    #[test]
    fn one_group_that_fails_is_unread_and_many_end_the_reading() {
        let mut spared = Spared::of(10);
        assert!(matches!(spared.take("a", Ok(1)), Ok(Ok(1))));
        for group in ["b", "c", "d"] {
            assert!(matches!(spared.take(group, fails()), Ok(Err(why)) if why.contains("500")), "{group}");
        }
        let ended = spared.take("e", fails()).map(|_| ()).map_err(|error| error.to_string());
        assert!(matches!(&ended, Err(why) if why.contains("the members of group \"e\": 500")), "{ended:?}");
    }

    #[test]
    fn where_not_one_of_several_groups_can_be_read_the_reading_ends() {
        for (groups, well) in [(1, true), (2, false), (3, false)] {
            let mut spared = Spared::of(groups);
            (0..groups).for_each(|_| assert!(spared.take("a", fails()).is_ok()));
            let done = spared.done();
            assert_eq!(done.is_ok(), well, "{groups}");
            assert!(done.is_ok() || done.is_err_and(|error| error.to_string().contains("group \"a\"")), "it is named");
        }
    }

    #[test]
    fn a_refused_credential_ends_the_reading_at_once() {
        let refused: Result<(), _> = Err(SourceError::Refused("401".to_owned()));
        assert!(Spared::of(100).take("a", refused).is_err());
    }
}
