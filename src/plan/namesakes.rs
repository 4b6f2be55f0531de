//! Users of the directory who may be the ones of records that are gone. It takes the users who have no account, and returns whether a row
//! of the state has a name of theirs.
//!
//! While it is open whether a new record is the same user, nothing is taken from the account of the old one.

use std::collections::HashSet;

use super::{Survey, TenantRules};
use crate::model::{Path, fold};
use crate::store::UserRow;

/// The values by which the users without an account would be found in the app.
#[derive(Debug, Default)]
pub(super) struct Namesakes {
    paths: Vec<Path>,
    values: HashSet<String>,
}

impl Namesakes {
    pub(super) fn of(survey: &Survey, rules: &TenantRules<'_>) -> Self {
        let users = || survey.newcomers.iter().chain(&survey.deferred);
        if survey.absent.is_empty() || users().next().is_none() {
            return Self::default();
        }
        let matched = rules.profile.read.user_match.iter().filter_map(|name| Path::parse(name).ok());
        let mut paths: Vec<Path> =
            matched.chain([Path::user_name()]).filter(|path| *path != Path::external_id()).collect();
        paths.sort();
        paths.dedup();
        let values = users().flat_map(|person| paths.iter().map(|path| person.attributes.text(path)));
        let values = values.flatten().map(|value| fold(value.trim())).collect();
        Self { paths, values }
    }

    /// Whether an account has a name that a user without an account has too: then it may be the same user under another id, and only the
    /// app's answer tells what becomes of it.
    pub(super) fn are_those_of(&self, row: &UserRow) -> bool {
        let held = self.paths.iter().flat_map(|path| [row.sent.text(path), row.echo.text(path)]);
        held.flatten().any(|value| self.values.contains(&fold(value.trim())))
    }
}
