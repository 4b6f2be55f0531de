//! Whether the operator's files have changed and settled. In: how they hash, now and then. Out: when to read them again.
//!
//! Opt-in (`[run] watch`). Editors write in steps: a file is empty, half there, or away for a moment. So a change counts when nothing has
//! moved for a while, and a file that is gone has to stay away for longer. What is read then may still have mistakes; reading leaves in
//! force what was there before, as ever.
//!
//! Pure but for what it is handed: knows no disk and no clock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

/// How often the files are looked at.
const EVERY: SignedDuration = SignedDuration::from_secs(1);
/// So long nothing may move before a change counts.
const SETTLED: SignedDuration = SignedDuration::from_secs(4);
/// And so long a file has to be away before it is taken away.
const AWAY: SignedDuration = SignedDuration::from_secs(30);

/// Files and their hashes.
pub(super) type Marks = BTreeMap<PathBuf, String>;

/// What was read last, and what may come.
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    on: bool,
    taken: Option<Marks>,
    moving: Option<(Marks, Timestamp)>,
    looked: Option<Timestamp>,
}

impl FileWatch {
    /// The files were read as they were at these marks; `None` if they could not all be looked at.
    pub(super) fn took(&mut self, on: Option<bool>, marks: Option<Marks>) {
        self.on = on.unwrap_or(self.on);
        self.taken = marks;
        self.moving = None;
    }

    /// Whether the files are watched.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Whether it is time to look at the files, and wanted. Whoever gets a yes hands what they see to [`Self::saw`].
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        // A clock that was set back must not stop the watch.
        let rests = self.looked.is_some_and(|at| at <= now && now.duration_since(at) < EVERY);
        if !self.on || rests {
            return false;
        }
        self.looked = Some(now);
        true
    }

    /// Takes notice of how the files look; says whether they are to be read again.
    pub(super) fn saw(&mut self, now: Timestamp, marks: Option<Marks>) -> bool {
        // A file that was there a moment ago: it moves.
        let Some(marks) = marks else {
            self.moving = None;
            return false;
        };
        if self.taken.as_ref() == Some(&marks) {
            self.moving = None;
            return false;
        }
        match &self.moving {
            Some((seen, since)) if *seen == marks && *since <= now => {
                now.duration_since(*since) >= self.patience(&marks)
            }
            _ => {
                self.moving = Some((marks, now));
                false
            }
        }
    }

    fn patience(&self, marks: &Marks) -> SignedDuration {
        let gone = self.taken.iter().flat_map(BTreeMap::keys).any(|path| !marks.contains_key(path));
        if gone { AWAY } else { SETTLED }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn marks(files: &[(&str, &str)]) -> Option<Marks> {
        Some(files.iter().map(|(path, hash)| (PathBuf::from(path), (*hash).to_owned())).collect())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    impl FileWatch {
        fn look(&mut self, now: Timestamp, marks: impl FnOnce() -> Option<Marks>) -> bool {
            self.is_due(now) && self.saw(now, marks())
        }
    }

    fn watching() -> FileWatch {
        let mut watch = FileWatch::default();
        watch.took(Some(true), marks(&[("a", "1"), ("b", "1")]));
        watch
    }

    /// The first second in which the files are to be read again, when they look like this in each.
    fn reads(
        watch: &mut FileWatch,
        seconds: std::ops::Range<i64>,
        looks: impl Fn(i64) -> Option<Marks>,
    ) -> Option<i64> {
        seconds.into_iter().find(|second| watch.look(at(*second), || looks(*second)))
    }

    #[test]
    fn a_change_counts_when_nothing_has_moved_for_a_while() {
        let mut watch = watching();
        assert_eq!(reads(&mut watch, 0..60, |_| marks(&[("a", "1"), ("b", "1")])), None, "nothing changed");
        let writes = |second| marks(&[("a", if second < 70 { "half" } else { "2" }), ("b", "1")]);
        assert_eq!(reads(&mut watch, 68..200, writes), Some(74), "not the half of it");
        watch.took(None, writes(74));
        assert_eq!(reads(&mut watch, 75..200, writes), None, "once");
    }

    #[test]
    fn i2_a_file_that_is_saved_on_and_on_is_not_read_in_between() {
        let mut watch = watching();
        let typing = |second: i64| marks(&[("a", &format!("{second}")), ("b", "1")]);
        assert_eq!(reads(&mut watch, 0..100, typing), None);
    }

    #[test]
    fn i2_a_file_that_is_away_for_a_moment_is_not_taken_away() {
        let mut watch = watching();
        let renamed = |second| if second < 20 { marks(&[("a", "1")]) } else { marks(&[("a", "1"), ("b", "1")]) };
        assert_eq!(reads(&mut watch, 0..100, renamed), None, "an editor's rename, a slow checkout");
        assert_eq!(reads(&mut watch, 100..200, |_| marks(&[("a", "1")])), Some(130), "gone for good");
        assert_eq!(reads(&mut watch, 200..300, |_| None), None, "a folder that can't be read is no empty one");
    }

    #[test]
    fn nobody_watches_who_was_not_asked_to() {
        let mut watch = FileWatch::default();
        watch.took(Some(false), marks(&[]));
        assert_eq!(reads(&mut watch, 0..100, |_| marks(&[("a", "1")])), None);
        watch.took(Some(true), marks(&[]));
        watch.look(at(1000), || marks(&[("a", "1")]));
        assert_eq!(
            reads(&mut watch, 0..100, |_| marks(&[("a", "1")])),
            Some(4),
            "a clock that was set back stops nothing"
        );
    }
}
