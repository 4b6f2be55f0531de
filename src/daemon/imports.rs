//! Imports in the background. In: requests from the control socket, orders that an earlier daemon left. Out: imports beside the runs, a
//! note of how far each is, a message about its end.
//!
//! An import is no run: it takes no worker, and its tenant's runs come when they are due. How the two take turns is `engine`'s business.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::Daemon;
use super::control::{ControlReply, Importing, ReplyHandle};
use crate::engine::ImportEnds;
use crate::identity::Identity;
use crate::model::TenantName;
use crate::notify::import_finished;
use crate::store::{ImportChoice, ImportEnd, ImportNote, ImportOrder, Sign, StoreError};
use crate::tenancy::Tenant;

/// Exit codes of the command line's contract.
const FAILED: u8 = 1;
const HELD: u8 = 3;
const BUSY: u8 = 75;
const CONFIG: u8 = 78;

/// The imports under way.
#[derive(Default)]
pub(super) struct ImportRunner {
    pub(super) tasks: JoinSet<(TenantName, ImportNote)>,
    under_way: HashMap<TenantName, RunningImport>,
}

struct RunningImport {
    task: tokio::task::Id,
    ends: Arc<ImportEnds>,
    /// What its tenant file said.
    file: u64,
}

impl ImportRunner {
    /// Whether there are any.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }
}

impl Daemon {
    /// Takes over an import that an account asks for.
    pub(super) fn import(
        &mut self,
        tenant: &str,
        file: u64,
        choice: ImportChoice,
        from: &Identity,
        caller: ReplyHandle,
    ) {
        let (name, tenant) = match self.tenant_as_read(tenant, file, "no user was created") {
            Ok(known) => known,
            Err((message, hint)) => return caller.refuse(CONFIG, message, hint),
        };
        let state = self.state_of(&name);
        if self.imports.under_way.contains_key(&name) {
            let message = format!("busy: the daemon is already importing users for {name}; this one created no user");
            let hint = format!("`rosterd status {name}` shows its progress; `rosterd import {name} --stop` ends it");
            return caller.refuse(BUSY, message, Some(hint));
        }
        if let Some(mark) = state.mark(Sign::Retired) {
            return caller.refuse(FAILED, format!("{name} is retired {mark}; no user was created"), None);
        }
        if let Some(mark) = state.mark(Sign::Paused) {
            let hint = format!("`rosterd resume {name}` resumes it; then try again");
            return caller.refuse(HELD, format!("{name} is paused {mark}; no user was created"), Some(hint));
        }
        let by = from.name();
        let id = Uuid::now_v7().simple().to_string();
        let order = ImportOrder { id, at: self.settings.clock.now(), by, choice, file };
        // Held by a command that imports in the foreground.
        let leased = state.lease_imports("rosterd run: an import that begins");
        let written = leased.and_then(|imports| imports.begin(&order));
        match written {
            Ok(()) => {}
            Err(error @ StoreError::Busy { .. }) => {
                return caller.refuse(BUSY, format!("{error}; no user was created"), None);
            }
            Err(error) => return caller.refuse(FAILED, format!("{error}; no user was created"), None),
        }
        tracing::info!(tenant = %name, uid = from.uid, login_uid = from.login_uid, import = order.id, "import started");
        let importing = Importing { id: order.id.clone(), reports: state.import_reports() };
        self.begin_import(tenant, order);
        caller.answer(ControlReply::Importing(importing));
    }

    /// Ends an import before all users were tried. What was created stays.
    pub(super) fn stop_import(&mut self, tenant: &str, from: &Identity, caller: ReplyHandle) {
        let under_way = TenantName::parse(tenant).and_then(|name| self.imports.under_way.get(&name));
        let Some(under_way) = under_way else {
            let message = format!("the daemon is not importing users for {tenant}; nothing was stopped");
            return caller.refuse(FAILED, message, Some(format!("`rosterd status {tenant}` shows the last one")));
        };
        tracing::info!(tenant, uid = from.uid, login_uid = from.login_uid, "import ended by an operator");
        under_way.ends.end(ImportEnd::Operator);
        caller.answer(ControlReply::ImportStopping);
    }

    fn begin_import(&mut self, tenant: Arc<Tenant>, order: ImportOrder) {
        let ends = Arc::new(ImportEnds::with(&self.halt));
        let (name, file, runner, of_task) =
            (tenant.name.clone(), order.file, Arc::clone(&self.runner), Arc::clone(&ends));
        let of_tenant = name.clone();
        let task = self.imports.tasks.spawn(async move {
            let note = runner.import(tenant, order, &of_task).await;
            (of_tenant, note)
        });
        self.imports.under_way.insert(name, RunningImport { task: task.id(), ends, file });
    }

    /// Notes the end of an import.
    pub(super) fn imported(&mut self, ended: Result<(TenantName, ImportNote), JoinError>) {
        let (name, note) = match ended {
            Ok((name, note)) => (name, Some(note)),
            Err(error) => {
                let panicked = self.imports.under_way.iter().find(|(_, under_way)| under_way.task == error.id());
                let Some((name, _)) = panicked else { return };
                tracing::error!(tenant = %name, "the import panicked; the next start of the daemon continues it");
                (name.clone(), None)
            }
        };
        self.imports.under_way.remove(&name);
        if let Some(note) = note.filter(ImportNote::has_ended) {
            tracing::info!(tenant = %name, created = note.created, failed = note.failed, reason = ?note.reason, "import ended");
            self.announce_import(&name, note);
        }
        self.news = true;
    }

    /// Sends the message about an import that has ended, once.
    fn announce_import(&mut self, name: &TenantName, note: ImportNote) {
        let message = import_finished(name.as_str(), &note, self.settings.clock.now());
        if !self.announce(&message) {
            return;
        }
        // After the message is on the disk: a crash in between sends it twice, never not at all.
        let announced = self.state_of(name).amend_import_note(|now| {
            let now = now.filter(|now| now.id == note.id)?;
            Some(ImportNote { announced: true, ..now })
        });
        if let Err(error) = announced {
            tracing::warn!(tenant = %name, %error, "could not record that the end of the import was sent: it is sent again after a \
                restart");
        }
    }

    /// After the files were read: goes on with imports that were interrupted, and ends those whose tenant is another one now.
    pub(super) fn take_imports(&mut self) {
        for (name, under_way) in &self.imports.under_way {
            match self.book.entries.get(name) {
                None => under_way.ends.end(ImportEnd::FileRemoved),
                Some(entry) if entry.is_leaving() => under_way.ends.end(ImportEnd::FileRemoved),
                Some(entry) if entry.tenant.fingerprint() != under_way.file => {
                    under_way.ends.end(ImportEnd::FileEdited)
                }
                Some(_) => {}
            }
        }
        let names: Vec<TenantName> =
            self.book.entries.keys().filter(|name| !self.imports.under_way.contains_key(*name)).cloned().collect();
        for name in names {
            if let Err(error) = self.take_import(&name) {
                tracing::error!(tenant = %name, %error, "could not read whether an import was interrupted");
            }
        }
    }

    fn take_import(&mut self, name: &TenantName) -> Result<(), StoreError> {
        let state = self.state_of(name);
        if let Some(order) = state.import_order()? {
            let Some(tenant) = self.book.entries.get(name).map(|entry| Arc::clone(&entry.tenant)) else {
                return Ok(());
            };
            tracing::info!(tenant = %name, import = order.id, "continuing an interrupted import");
            self.begin_import(tenant, order);
            return Ok(());
        }
        if let Some(note) = state.import_note()?.filter(|note| note.has_ended() && !note.announced) {
            self.announce_import(name, note);
        }
        Ok(())
    }

    /// The tenant, if the daemon has read the file that the caller has read; otherwise what to say, and the next command.
    fn tenant_as_read(
        &self,
        tenant: &str,
        file: u64,
        undone: &str,
    ) -> Result<(TenantName, Arc<Tenant>), (String, Option<String>)> {
        let reload = || Some("run `rosterd reload`, then try again".to_owned());
        let known = TenantName::parse(tenant).and_then(|name| Some((self.book.entries.get(&name)?, name)));
        let message = match known {
            None => format!(
                "the daemon does not know {tenant}: its file is newer than the last reload, or had mistakes then; {undone}"
            ),
            Some((entry, _)) if entry.tenant.fingerprint() != file => {
                format!("the file of {tenant} was edited since the daemon read it; {undone}")
            }
            Some((entry, name)) => return Ok((name, Arc::clone(&entry.tenant))),
        };
        Err((message, reload()))
    }
}
