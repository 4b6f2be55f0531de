//! What becomes of keys whose filter the app does not answer. It takes what a round of filters was answered with, and gives what the list
//! shows instead, or says which keys nothing is known of. No key of which nothing is known counts as one that nothing matches: it
//! would be created a second time. It must not depend on what a match means.

use std::collections::BTreeMap;

use super::client::App;
use super::json::JsonObject;
use super::matching::{LookupKeys, LookupResult};
use super::{CallError, FailureClass, Match};
use crate::config::profile::LookUp;
use crate::model::{Conflict, WayOut};

/// So many keys may fail before one is answered; then no further filter is asked.
const FAILING: usize = 3;

/// How the filters of one look-up were answered.
pub(super) struct Round {
    /// Whether each key was answered.
    answered: Vec<bool>,
    /// Keys whose filter failed.
    failed: Vec<(usize, CallError)>,
}

impl Round {
    pub(super) fn new(keys: usize) -> Self {
        Self { answered: vec![false; keys], failed: Vec::new() }
    }

    pub(super) fn answered(&mut self, key: usize) {
        if let Some(answered) = self.answered.get_mut(key) {
            *answered = true;
        }
    }

    /// Notes a key whose filter failed; an error about everything is given back.
    pub(super) fn failed(&mut self, key: usize, error: CallError) -> Result<(), CallError> {
        if !is_about_a_key(&error) {
            return Err(error);
        }
        self.failed.push((key, error));
        Ok(())
    }

    /// Whether no filter seems to work: asking on would only take time.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failed.len() >= FAILING && !self.has_answers()
    }

    fn has_answers(&self) -> bool {
        self.answered.iter().any(|answered| *answered)
    }
}

impl App {
    /// Completes a round in which filters failed: by the list, if the profile lets this daemon choose, or else by leaving their keys aside.
    /// Where one filter is answered with 404 and another with 200, a 404 may mean "no match": only the list can tell.
    pub(super) async fn without_filters(
        &self,
        wanted: &LookupKeys,
        mut found: LookupResult,
        round: Round,
    ) -> Result<LookupResult, CallError> {
        let Some((_, first)) = round.failed.first() else { return Ok(found) };
        let is_404 = round.failed.iter().any(|(_, error)| error.class == FailureClass::NotFound);
        let may_list = self.profile.read.look_up != LookUp::Filter;
        if may_list && (is_404 || !round.has_answers()) {
            match Box::pin(self.by_list(wanted, false)).await {
                Ok(listed) => {
                    self.learned.filters_are_unusable();
                    tracing::warn!(
                        status = first.status,
                        "the app does not answer filters: its list is read instead (read.look_up = \"list\" says so at once)"
                    );
                    return Ok(listed);
                }
                Err(error) if !round.has_answers() || !is_about_a_key(&error) => {
                    let message = format!("{}; it does not answer filters either: {}", error.message, first.message);
                    return Err(CallError { message, ..error });
                }
                Err(_) => {}
            }
        } else if !round.has_answers() {
            // An app that answers nothing at all is in trouble: then no object is to blame.
            self.check_by_list().await.map_err(|_| with_key(first))?;
        }
        for (key, _) in round.answered.iter().enumerate().filter(|(_, answered)| !**answered) {
            let error = round.failed.iter().find(|(of, _)| *of == key).map_or(first, |(_, error)| error);
            found.unknown.insert(key, why_unknown(error));
        }
        Ok(found)
    }
}

/// Puts the keys of which nothing is known in the place of what was found.
pub(super) fn leave_aside(unknown: BTreeMap<usize, Conflict>, answers: &mut [Match<JsonObject>]) {
    for (key, why) in unknown {
        if let Some(answer) = answers.get_mut(key) {
            *answer = Match::Conflict(why);
        }
    }
}

/// Whether a failed filter may fail for its value alone: the app is there, and takes the token.
pub(super) fn is_about_a_key(error: &CallError) -> bool {
    !matches!(
        error.class,
        FailureClass::Unauthorized
            | FailureClass::Redirect
            | FailureClass::Unreachable
            | FailureClass::Untrusted
            | FailureClass::LoginRefused
            | FailureClass::LoginFailed
            | FailureClass::Throttled
            | FailureClass::Closed
    )
}

/// Why nothing is known of a key, and which setting avoids it.
fn why_unknown(error: &CallError) -> Conflict {
    Conflict::NotAnswered { error: error.to_string(), way_out: way_out(error.class) }
}

/// The error of a filter, with the setting that avoids it.
pub(super) fn with_key(error: &CallError) -> CallError {
    CallError { message: format!("{}; {}", error.message, way_out(error.class)), ..error.clone() }
}

fn way_out(class: FailureClass) -> WayOut {
    match class {
        FailureClass::NotFound => WayOut::NoMatch404,
        _ => WayOut::List,
    }
}
