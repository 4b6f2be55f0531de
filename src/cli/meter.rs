//! `rosterd sync --metrics-file`: what a command leaves behind for the textfile collector. In: how runs ended, and what they left on
//! the disk. Out: a file, whole or as it was.

use std::cell::RefCell;
use std::path::PathBuf;

use super::failure::{CommandFailure, code};
use crate::clock::{Clock, SystemClock};
use crate::model::{RunStatus, TenantName, TenantState};
use crate::store::{Sign, Stores};
use crate::telemetry::{self, Stands, Telemetry};

pub(super) struct Meter {
    telemetry: Telemetry,
    stores: Stores,
    path: PathBuf,
    stands: RefCell<Vec<(String, Stands)>>,
}

impl Meter {
    /// For a command that was asked for a file.
    pub(super) fn of(path: Option<&PathBuf>, stores: &Stores) -> Option<Self> {
        let path = path?.clone();
        let telemetry = Telemetry::new(stores.clone(), SystemClock.now());
        Some(Self { telemetry, stores: stores.clone(), path, stands: RefCell::default() })
    }

    /// A run has ended, or could not begin.
    pub(super) fn ended(&self, tenant: &TenantName, ended: Result<RunStatus, &CommandFailure>) {
        let state = match ended {
            Ok(status) => status.into(),
            Err(_) if self.stores.tenant(tenant).mark(Sign::Retired).is_some() => TenantState::Retired,
            Err(failure) if failure.code == code::HELD => TenantState::Paused,
            Err(failure) if failure.code == code::BUSY => TenantState::Busy,
            Err(_) => TenantState::Failing,
        };
        self.stands(tenant, state);
    }

    /// A tenant that is not run.
    pub(super) fn stands(&self, tenant: &TenantName, state: TenantState) {
        let mistake = state == TenantState::FileMistake;
        let stands = Stands { state, failures: 0, due: None, running: false, mistake, expiries: Vec::new() };
        self.stands.borrow_mut().push((tenant.to_string(), stands));
    }

    /// Leaves the file behind.
    pub(super) fn write(&self) -> Result<(), String> {
        self.telemetry.stand(self.stands.take());
        let text = self.telemetry.text_of_one_shot(SystemClock.now()).map_err(|error| error.to_string());
        text.and_then(|text| telemetry::publish(&self.path, &text).map_err(|error| error.to_string())).map_err(|why| {
            format!("{} could not be written: {why}; the runs themselves are not affected", self.path.display())
        })
    }
}
