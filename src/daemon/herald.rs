//! What people are told of how tenants stand. In: the book. Out: situations for `notify`.

use jiff::{SignedDuration, Timestamp};

use super::Daemon;
use super::book::ScheduledTenant;
use super::mistake::Mistake;
use super::trouble::Cause;
use crate::model::{TenantName, TenantState};
use crate::notify::{ConditionStatus, Failing, FileMistake, HeldPlanNotice, Herald, Message, Receivers, Situation};

/// What changes without a run (a secret grows old) is looked at this often.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Who tells, and when it was last looked at everybody.
#[derive(Default)]
pub(super) struct Heralds {
    herald: Option<Herald>,
    looked: Option<Timestamp>,
}

impl Daemon {
    /// Takes over who is to be told.
    pub(super) fn take_receivers(&mut self, receivers: &Receivers) {
        if self.heralds.herald.is_none() {
            let clock = std::sync::Arc::clone(&self.settings.clock);
            self.heralds.herald = Some(Herald::new(self.settings.stores.daemon(), clock));
        }
        if let Some(herald) = &mut self.heralds.herald {
            herald.receivers(receivers);
        }
    }

    /// Tells what is new of a tenant whose run has ended.
    pub(super) fn tell_of(&mut self, name: &TenantName) {
        let Some(entry) = self.book.entries.get(name) else { return };
        let situation = Situation {
            held: self.held(name, entry.standing),
            failing: failing(entry),
            ..resting(name.as_str(), entry)
        };
        if let Some(herald) = &mut self.heralds.herald {
            herald.look(&[situation]);
        }
    }

    /// Sends a message; says whether it is on its way.
    pub(super) fn announce(&self, message: &Message) -> bool {
        match &self.heralds.herald {
            Some(herald) => {
                herald.announce(message);
                true
            }
            None => false,
        }
    }

    /// Tells what is new of everybody without a run: of files and of secrets.
    pub(super) fn tell_all(&mut self) {
        self.heralds.looked = Some(self.settings.clock.now());
        let Some(herald) = &mut self.heralds.herald else { return };
        let right = self.book.entries.iter().map(|(name, entry)| resting(name.as_str(), entry));
        let never_right = self.book.never_right.iter().map(|(name, mistake)| Situation {
            mistake: ConditionStatus::Yes(told(mistake)),
            ..unknown(name.as_str())
        });
        let own = Situation { mistake: word(self.mistake.as_ref()), ..unknown("") };
        let all: Vec<Situation> = right.chain(never_right).chain([own]).collect();
        herald.look(&all);
        herald.forget_others(&all.iter().map(|situation| situation.tenant.as_str()).collect::<Vec<_>>());
    }

    /// [`Self::tell_all`], now and then.
    pub(super) fn tell_in_passing(&mut self) {
        let now = self.settings.clock.now();
        if self.heralds.looked.is_none_or(|looked| now.duration_since(looked).abs() >= LOOK_EVERY) {
            self.tell_all();
        }
    }

    fn held(&self, name: &TenantName, standing: TenantState) -> ConditionStatus<HeldPlanNotice> {
        match standing {
            // It goes on by itself with the next run.
            TenantState::AdoptOnly => ConditionStatus::No,
            TenantState::Ok | TenantState::Partial | TenantState::Held => match self.state_of(name).held() {
                Ok(Some(held)) => {
                    ConditionStatus::Yes(HeldPlanNotice { plan: held.plan, count: held.count, holds: held.holds })
                }
                Ok(None) if standing == TenantState::Held => ConditionStatus::Unknown,
                Ok(None) => ConditionStatus::No,
                Err(error) => {
                    tracing::warn!(tenant = %name, %error, "could not read the held plan");
                    ConditionStatus::Unknown
                }
            },
            _ => ConditionStatus::Unknown,
        }
    }
}

fn failing(entry: &ScheduledTenant) -> ConditionStatus<Failing> {
    match entry.standing {
        TenantState::Failing | TenantState::Quarantined => ConditionStatus::Yes(Failing {
            times: entry.trouble.failures,
            since: entry.trouble.since,
            refused: entry.trouble.cause == Some(Cause::Credential),
            quarantined: entry.standing == TenantState::Quarantined,
            why: entry.note.clone(),
        }),
        TenantState::Ok | TenantState::Partial | TenantState::Held | TenantState::AdoptOnly => ConditionStatus::No,
        TenantState::New
        | TenantState::FileMistake
        | TenantState::Paused
        | TenantState::Retired
        | TenantState::Busy => ConditionStatus::Unknown,
    }
}

/// What is known of a tenant between runs.
fn resting(name: &str, entry: &ScheduledTenant) -> Situation {
    Situation { mistake: word(entry.mistake.as_ref()), expiries: entry.expiries.clone(), ..unknown(name) }
}

fn unknown(name: &str) -> Situation {
    Situation {
        tenant: name.to_owned(),
        held: ConditionStatus::Unknown,
        failing: ConditionStatus::Unknown,
        mistake: ConditionStatus::Unknown,
        expiries: Vec::new(),
    }
}

fn told(mistake: &Mistake) -> FileMistake {
    FileMistake { place: mistake.place.clone(), message: mistake.message.clone() }
}

fn word(mistake: Option<&Mistake>) -> ConditionStatus<FileMistake> {
    mistake.map_or(ConditionStatus::No, |mistake| ConditionStatus::Yes(told(mistake)))
}
