//! Accounts that share a name with a user who is about to get one. It takes what the users are called; it returns accounts, with their names
//! as keys. Which account belongs to whom is not decided here.
//!
//! Where the accounts are listed anyway this costs no call. Where users are looked up by filter it costs a few questions for each user whom no
//! match attribute finds; a thorough search lists the accounts where the app does not answer such a question.

use futures_util::stream::{self, StreamExt as _};

use super::alike::{Alike, DISPLAY_NAME, EMAIL};
use super::client::{App, Endpoint, ScimRequest};
use super::error::{RequestKind, is_refused_filter};
use super::filter;
use super::json::JsonObject;
use super::list::ListPage;
use super::matching::{LookupKeys, LookupResult};
use super::{CallError, FailureClass, Lookalike, LookalikeScope};
use crate::config::profile::LookUp;
use crate::http::Method;
use crate::model::{KnownNames, fold};

/// A question that is not answered is asked once more, and then counts as one that the app does not answer.
const ATTEMPTS: u32 = 2;

/// What one question brought.
enum LookalikeAnswer {
    /// What it showed that really shares a name.
    Answered(Vec<Lookalike>),
    /// The app does not answer this kind of filter. What it showed all the same is true.
    Unanswered(Vec<Lookalike>),
}

impl App {
    /// Asks for the namesakes of every user whom the look-up did not find.
    pub(super) async fn alike_by_filter(
        &self,
        wanted: &LookupKeys,
        alike: &Alike,
        found: &LookupResult,
    ) -> Result<Vec<Lookalike>, CallError> {
        let keys = found.hits.iter().enumerate();
        let not_found: Vec<usize> = keys
            .filter(|(key, hits)| hits.is_empty() && !found.unknown.contains_key(key))
            .map(|(key, _)| key)
            .collect();
        let mut answers = stream::iter(not_found)
            .map(|key| async move { self.alike_to_one(wanted, alike, key).await })
            .buffer_unordered(self.in_flight());
        let (mut seen, mut unanswered) = (Vec::new(), false);
        while let Some(answer) = answers.next().await {
            match answer? {
                LookalikeAnswer::Answered(accounts) => seen.extend(accounts),
                LookalikeAnswer::Unanswered(accounts) => {
                    seen.extend(accounts);
                    unanswered = true;
                    if alike.search == LookalikeScope::Thorough && self.profile.read.look_up != LookUp::Filter {
                        break;
                    }
                }
            }
        }
        drop(answers);
        if unanswered {
            seen.extend(self.alike_by_list(wanted, alike).await?);
        }
        Ok(seen)
    }

    /// The accounts are listed where filters do not tell; an app that does not list them either is used as it is, and that is said.
    async fn alike_by_list(&self, wanted: &LookupKeys, alike: &Alike) -> Result<Vec<Lookalike>, CallError> {
        if alike.search == LookalikeScope::Cheap {
            return Ok(Vec::new());
        }
        let unseen = "accounts that share an e-mail address with new users can't be found: the app does not answer filters by it";
        if self.profile.read.look_up == LookUp::Filter {
            tracing::warn!("{unseen}, and the profile says not to list them (read.look_up)");
            return Ok(Vec::new());
        }
        match Box::pin(self.by_list(wanted, false)).await {
            Ok(found) => Ok(found.alike.unwrap_or_default()),
            Err(error) if is_no_list(&error) => {
                tracing::warn!(status = error.status, "{unseen}, and does not list its users");
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn alike_to_one(&self, wanted: &LookupKeys, alike: &Alike, key: usize) -> Result<LookalikeAnswer, CallError> {
        let (mut seen, mut unanswered) = (Vec::new(), false);
        let values = wanted.values.get(key).map(Vec::as_slice).unwrap_or_default();
        let asked = wanted.by.iter().zip(values);
        let known: Vec<_> = asked.filter_map(|(by, value)| Some((by.in_filter(), fold(value.as_deref()?)))).collect();
        for (attribute, value) in alike.asked_of(key, &known) {
            if !self.learned.can_filter_by(attribute) {
                // Equal display names alone are a hint: no list is read for them.
                unanswered |= attribute == EMAIL;
                continue;
            }
            match self.alike_by_value(wanted, alike, attribute, &value).await? {
                LookalikeAnswer::Answered(accounts) => seen.extend(accounts),
                LookalikeAnswer::Unanswered(accounts) => {
                    self.learned.cannot_filter_by(attribute);
                    tracing::debug!(attribute, "the app does not answer filters by this attribute");
                    seen.extend(accounts);
                    unanswered |= attribute != DISPLAY_NAME;
                }
            }
        }
        Ok(if unanswered { LookalikeAnswer::Unanswered(seen) } else { LookalikeAnswer::Answered(seen) })
    }

    /// One question. One page is enough: what it shows is evidence, and a value belongs to one account where all is well.
    async fn alike_by_value(
        &self,
        wanted: &LookupKeys,
        alike: &Alike,
        attribute: &str,
        value: &str,
    ) -> Result<LookalikeAnswer, CallError> {
        let mut call = ScimRequest { query: wanted.query.clone(), ..ScimRequest::get(Endpoint::Users) };
        call.query.push(("filter", filter::equals(attribute, value)));
        let answer = match self.read(&call, self.profile.pace.attempts.min(ATTEMPTS)).await {
            Ok(answer) => answer,
            Err(error) if error.class == FailureClass::NotFound && self.a_404_is_no_match() => {
                return Ok(LookalikeAnswer::Answered(Vec::new()));
            }
            Err(error) if is_unanswered(&error) => return Ok(LookalikeAnswer::Unanswered(Vec::new())),
            Err(error) => return Err(error),
        };
        let asked = RequestKind { method: Method::Get, path: "/Users" };
        let mut body = answer.body.ok_or_else(|| asked.not_scim(answer.status, "the answer is empty"))?;
        let Ok(page) = ListPage::read(&mut body) else { return Ok(LookalikeAnswer::Unanswered(Vec::new())) };
        self.note_shown(wanted, &page.resources);
        let seen: Vec<Lookalike> = alike.among(&page.resources).collect();
        let has_it = |resource: &JsonObject| {
            let names = KnownNames::of_resource(resource);
            let all = if attribute == DISPLAY_NAME { &names.display } else { &names.identifiers };
            all.iter().any(|name| fold(name) == fold(value))
        };
        let is_cut = page.resources.is_empty() && (page.next_cursor.is_some() || page.total.unwrap_or(0) > 0);
        Ok(match is_cut || !page.resources.iter().all(has_it) {
            true => LookalikeAnswer::Unanswered(seen),
            false => LookalikeAnswer::Answered(seen),
        })
    }
}

/// Whether a question that is only asked to be sure is one that the app does not answer.
fn is_unanswered(error: &CallError) -> bool {
    is_refused_filter(error)
        || matches!(
            error.class,
            FailureClass::Server
                | FailureClass::NotScim
                | FailureClass::NotFound
                | FailureClass::Forbidden
                | FailureClass::Unknown
        )
}

/// Whether the app says that it does not list its users.
fn is_no_list(error: &CallError) -> bool {
    matches!(
        error.class,
        FailureClass::Unsupported | FailureClass::Forbidden | FailureClass::Invalid | FailureClass::NotFound
    )
}
