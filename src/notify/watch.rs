//! What is new. In: how a tenant stands, what was told of it before. Out: messages, each event once.
//!
//! Pure. What stays as it is is told once, however many runs see it, and over restarts: what was told is kept. A hold whose plan
//! changes with every run of a busy directory is told again when its reasons are others, and once a day.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::message::Message;
use crate::config::expiry::{Expiry, Nearness};
use crate::config::notify::NotifyEvent;
use crate::model::HoldReason;

/// A hold that stays, under another plan, is told again after this long.
const REMIND: SignedDuration = SignedDuration::from_hours(24);

/// Failures in a row after which it is told.
const OFTEN: u32 = 3;

/// What is known of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionStatus<T> {
    /// Nothing: it may be as it was.
    Unknown,
    /// It is not so.
    No,
    /// It is so.
    Yes(T),
}

/// How a tenant stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// Its name; empty for `rosterd.toml`.
    pub tenant: String,
    /// What waits for a decision.
    pub held: ConditionStatus<HeldPlanNotice>,
    /// What goes wrong.
    pub failing: ConditionStatus<Failing>,
    /// What is wrong with its file as it is now.
    pub mistake: ConditionStatus<FileMistake>,
    /// When its secrets expire.
    pub expiries: Vec<Expiry>,
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMistake {
    /// `file:line:column`
    pub place: String,
    /// What is wrong, which may quote what somebody wrote.
    pub message: String,
}

/// A plan that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPlanNotice {
    /// Its id.
    pub plan: String,
    /// How many changes.
    pub count: u64,
    /// Why.
    pub holds: Vec<HoldReason>,
}

/// Runs that come to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// How many in a row.
    pub times: u32,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Whether it is the credential.
    pub refused: bool,
    /// Whether that has lasted for a day.
    pub quarantined: bool,
    /// Why, in full.
    pub why: String,
}

/// What was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SentNotice(BTreeMap<String, OfTenant>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct OfTenant {
    hold: Option<ToldHold>,
    trouble: Option<Severity>,
    mistake: Option<String>,
    expiries: BTreeMap<String, (Timestamp, Nearness)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ToldHold {
    plan: String,
    reasons: Vec<String>,
    at: Timestamp,
}

/// How bad it is; what is worse is told anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Failing,
    Refused,
    Quarantined,
}

impl SentNotice {
    /// What is new of a tenant, and remembers it.
    pub(super) fn news(&mut self, situation: &Situation, now: Timestamp) -> Vec<Message> {
        let told = self.0.entry(situation.tenant.clone()).or_default();
        let news = News { tenant: &situation.tenant, now };
        let mut messages = Vec::new();
        messages.extend(news.of_hold(&mut told.hold, &situation.held));
        messages.extend(news.of_trouble(&mut told.trouble, &situation.failing));
        messages.extend(news.of_mistake(&mut told.mistake, &situation.mistake));
        messages.extend(news.of_expiries(&mut told.expiries, &situation.expiries));
        if *told == OfTenant::default() {
            self.0.remove(&situation.tenant);
        }
        messages
    }

    /// Forgets all other tenants; says whether there were any.
    pub(super) fn keep(&mut self, tenants: &[&str]) -> bool {
        let before = self.0.len();
        self.0.retain(|tenant, _| tenant.is_empty() || tenants.contains(&tenant.as_str()));
        self.0.len() != before
    }
}

struct News<'n> {
    tenant: &'n str,
    now: Timestamp,
}

impl News<'_> {
    fn message(&self, event: NotifyEvent, subject: String, text: String) -> Message {
        Message::new(event, self.tenant, self.now, subject, text)
    }

    fn of_hold(&self, told: &mut Option<ToldHold>, held: &ConditionStatus<HeldPlanNotice>) -> Option<Message> {
        match held {
            ConditionStatus::Unknown => None,
            ConditionStatus::No => told.take().map(|told| {
                let text = "No change waits for a decision any more: they were approved, or they are no longer needed."
                    .to_owned();
                let message = self.message(NotifyEvent::HoldResolved, "no longer held".to_owned(), text);
                message.with(json!({ "plan": told.plan }), Vec::new())
            }),
            ConditionStatus::Yes(held) => {
                let mut reasons: Vec<String> = held.holds.iter().map(|hold| hold.code().name().to_owned()).collect();
                reasons.sort();
                reasons.dedup();
                let is_told = told.as_ref().is_some_and(|told| {
                    told.plan == held.plan || (told.reasons == reasons && self.now.duration_since(told.at) < REMIND)
                });
                if is_told {
                    return None;
                }
                *told = Some(ToldHold { plan: held.plan.clone(), reasons: reasons.clone(), at: self.now });
                Some(self.hold(held, &reasons))
            }
        }
    }

    fn hold(&self, held: &HeldPlanNotice, reasons: &[String]) -> Message {
        let (tenant, listed) = (self.tenant, reasons.join(", "));
        let changes =
            if held.count == 1 { "1 change waits".to_owned() } else { format!("{} changes wait", held.count) };
        let text = format!(
            "{changes} for a decision ({listed}); none of this was sent to the app, and everything else continues.\n\nShow:    \
             rosterd status {tenant}\nApprove: rosterd approve {tenant} {0} --reason …\nReject:  rosterd reject {tenant} {0}",
            held.plan.get(..8).unwrap_or(&held.plan)
        );
        let facts = json!({ "plan": held.plan, "changes": held.count, "reasons": reasons });
        let details = held.holds.iter().map(|hold| format!("{}: {hold}", hold.code())).collect();
        self.message(NotifyEvent::Hold, format!("{changes} for a decision ({listed})"), text).with(facts, details)
    }

    fn of_trouble(&self, told: &mut Option<Severity>, failing: &ConditionStatus<Failing>) -> Option<Message> {
        let failing = match failing {
            ConditionStatus::Unknown => return None,
            ConditionStatus::No => {
                let text = "The last run succeeded; what was waiting is done.".to_owned();
                return told.take().map(|_| self.message(NotifyEvent::Recovered, "recovered".to_owned(), text));
            }
            ConditionStatus::Yes(failing) => failing,
        };
        let level = match failing {
            Failing { quarantined: true, .. } => Severity::Quarantined,
            Failing { refused: true, .. } => Severity::Refused,
            Failing { times, .. } if *times >= OFTEN => Severity::Failing,
            _ => return None,
        };
        if told.is_some_and(|told| told >= level) {
            return None;
        }
        *told = Some(level);
        let (tenant, times) = (self.tenant, failing.times);
        let (event, subject, what) = match level {
            Severity::Failing => (
                NotifyEvent::Failing,
                format!("failed {times} times in a row"),
                "It is tried again at growing intervals.",
            ),
            Severity::Refused => (
                NotifyEvent::CredentialRefused,
                "a credential is refused or missing".to_owned(),
                "No more requests are made to either side until the secret changes. Put the new one where the tenant file says.",
            ),
            Severity::Quarantined => (
                NotifyEvent::Quarantined,
                "in quarantine: no run has succeeded for a day".to_owned(),
                "It is tried only every six hours until it succeeds.",
            ),
        };
        let text = format!(
            "{what} Nothing is lost: pending changes wait.\n\nWhy: rosterd status {tenant}\n     rosterd doctor {tenant}"
        );
        let facts = json!({
            "failures": times,
            "since": failing.since.map(|since| since.to_string()),
            "credential": failing.refused,
        });
        Some(self.message(event, subject, text).with(facts, vec![failing.why.clone()]))
    }

    fn of_mistake(&self, told: &mut Option<String>, mistake: &ConditionStatus<FileMistake>) -> Option<Message> {
        match mistake {
            ConditionStatus::Unknown => None,
            ConditionStatus::No => {
                let place = told.take()?;
                let text = "The file has no mistakes any more, and is in force.".to_owned();
                let message = self.message(NotifyEvent::FileMended, "the file is valid again".to_owned(), text);
                Some(message.with(json!({ "place": place }), Vec::new()))
            }
            ConditionStatus::Yes(mistake) => {
                // The place only: what is wrong may quote what somebody wrote.
                let place = mistake.place.clone();
                if told.as_ref() == Some(&place) {
                    return None;
                }
                *told = Some(place.clone());
                let text = format!(
                    "{place} has a mistake. The previous version stays in force; a tenant that never had a valid file does not \
                     run.\n\nAll mistakes: rosterd check {}",
                    self.tenant
                );
                let details = vec![format!("{place}: {}", mistake.message)];
                let message = self.message(NotifyEvent::FileMistake, format!("a mistake in {place}"), text);
                Some(message.with(json!({ "place": place }), details))
            }
        }
    }

    fn of_expiries(&self, told: &mut BTreeMap<String, (Timestamp, Nearness)>, expiries: &[Expiry]) -> Vec<Message> {
        let mut messages = Vec::new();
        for expiry in expiries {
            let Some(near) = expiry.nearness(self.now) else {
                told.remove(&expiry.secret);
                continue;
            };
            if told.get(&expiry.secret).is_some_and(|(at, told)| *at == expiry.at && *told >= near) {
                continue;
            }
            told.insert(expiry.secret.clone(), (expiry.at, near));
            let words = expiry.words(self.now);
            let text =
                format!("{words}. Put a new one where the tenant file says before then; runs continue meanwhile.");
            let facts = json!({ "secret": expiry.secret, "expires": expiry.at.to_string() });
            messages.push(self.message(NotifyEvent::CredentialExpiry, words, text).with(facts, Vec::new()));
        }
        messages
    }
}
