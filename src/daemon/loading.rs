//! How the daemon reads its files. In: who asks for it. Out: the tenants that are right in the book, the mistakes of the others on the
//! board, an answer for each who asked.
//!
//! Files are read on a thread beside the loop, which only takes the result over: a file that hangs delays no run, no answer and no end.
//! Start-up and reload are the same path. A tenant whose files did not answer in time stays as it was, and is tried again by itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::book::{Changes, LastRun, Roll};
use super::control::{BrokenTenant, ControlReply, Reloaded, ReplyHandle};
use super::mistake::Mistake;
use super::watch::Marks;
use super::{Daemon, DaemonError, systemd};
use crate::config::diagnostic::Diagnostic;
use crate::identity::Identity;
use crate::model::TenantName;
use crate::store::Sign;
use crate::tenancy::{Broken, Usable, file_marks, is_watched, load_usable};

/// Tenants whose files did not answer are tried again this often.
const HUNG_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The exit code of the command line's contract for a daemon that has no time.
const BUSY: u8 = 75;

/// What the files say, or what is wrong with `rosterd.toml`.
pub(super) struct LoadedFiles {
    usable: Result<Usable, Vec<Diagnostic>>,
    marks: Option<Marks>,
    /// Whether only some tenants were read.
    is_partial: bool,
}

/// Readings of the files, under way and asked for.
#[derive(Default)]
pub(super) struct Loading {
    pub(super) reads: JoinSet<LoadedFiles>,
    /// Who waits for the reading under way.
    waiting: Vec<(Identity, ReplyHandle)>,
    /// Who asked after it had begun: the files may have changed since.
    next: Vec<(Identity, ReplyHandle)>,
    /// Whether another reading follows.
    again: bool,
    /// Tenants whose files did not answer, and when they were tried last.
    hung: BTreeSet<TenantName>,
    tried: Option<Timestamp>,
    /// A look at the files, for changes without a word.
    pub(super) looks: JoinSet<Option<Marks>>,
}

impl Loading {
    /// The daemon ends: who waits for a reading is told so.
    pub(super) fn end(&mut self) {
        self.again = false;
        for (_, caller) in self.waiting.drain(..).chain(self.next.drain(..)) {
            caller.refuse(BUSY, "the daemon is stopping; the files were not read again".to_owned(), None);
        }
    }
}

impl LoadedFiles {
    fn failed(why: &str) -> Self {
        let found = vec![Diagnostic::of_file(Path::new("rosterd.toml"), why, "`rosterd check` reads the same files")];
        Self { usable: Err(found), marks: None, is_partial: false }
    }

    fn of(read: Result<Self, JoinError>) -> Self {
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "reading the files panicked");
            Self::failed("reading the files panicked; the log has more")
        })
    }
}

/// How the operator's files hash; `None` if one could not be read, as when an editor is just writing it.
fn marks(config: &Path) -> Option<Marks> {
    file_marks(config).ok().map(|hashes| hashes.into_iter().collect())
}

impl Daemon {
    /// Reads the files for the first time. Says `None` when it was asked to end meanwhile.
    pub(super) async fn load_first(&mut self, stop: &CancellationToken) -> Result<Option<Reloaded>, DaemonError> {
        self.begin_read(Vec::new());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                Some(read) = self.loading.reads.join_next() => return self.take_read(LoadedFiles::of(read)).map(Some).map_err(DaemonError::Config),
                () = tokio::time::sleep(Duration::from_secs(1)) => systemd::alive("reading the files"),
            }
        }
    }

    /// Has the files read again. The account that asked gets an answer when that is done, and counts as an editor of what is new.
    pub(super) fn reload(&mut self, caller: Option<(Identity, ReplyHandle)>) {
        if self.loading.reads.is_empty() {
            self.begin_reload(caller.into_iter().collect());
        } else {
            self.loading.again = true;
            self.loading.next.extend(caller);
        }
    }

    fn begin_reload(&mut self, callers: Vec<(Identity, ReplyHandle)>) {
        systemd::reloading();
        tracing::info!("reading the files again");
        self.loading.waiting = callers;
        self.begin_read(Vec::new());
    }

    /// Reads these tenants, or all if none is named.
    fn begin_read(&mut self, only: Vec<String>) {
        let (config, was_watched) = (self.settings.config.clone(), self.watch.is_on());
        let stores = self.settings.stores.clone();
        self.loading.reads.spawn_blocking(move || {
            // Before they are read: what changes meanwhile is seen afterwards.
            let marks = (was_watched || is_watched(&config)).then(|| marks(&config)).flatten();
            let usable = load_usable(&config, &only, Some(&stores));
            LoadedFiles { usable, marks, is_partial: !only.is_empty() }
        });
    }

    /// Takes over what was read.
    pub(super) fn read(&mut self, read: Result<LoadedFiles, JoinError>) {
        let read = LoadedFiles::of(read);
        if read.is_partial {
            self.take_hung(read);
        } else {
            let reloaded = self.take_read(read).unwrap_or_else(|found| self.not_reloaded(&found));
            systemd::ready(&self.book.line());
            for (_, caller) in std::mem::take(&mut self.loading.waiting) {
                caller.answer(ControlReply::Reloaded(reloaded.clone()));
            }
        }
        if std::mem::take(&mut self.loading.again) {
            let callers = std::mem::take(&mut self.loading.next);
            self.begin_reload(callers);
        }
    }

    /// `rosterd.toml` can't be used: what was read before stays in force.
    fn not_reloaded(&mut self, found: &[Diagnostic]) -> Reloaded {
        let mistakes = Mistake::among(found);
        let first = mistakes.first().map(Mistake::summary).unwrap_or_default();
        tracing::error!("the configuration has mistakes, the previous version stays in force: {first}");
        self.mistake = mistakes.first().cloned();
        self.show();
        self.tell_all();
        Reloaded { unchanged: self.book.entries.len() as u64, mistakes, ..Reloaded::default() }
    }

    fn take_read(&mut self, read: LoadedFiles) -> Result<Reloaded, Vec<Diagnostic>> {
        let LoadedFiles { usable, marks, .. } = read;
        self.watch.took(usable.as_ref().ok().map(|usable| usable.loaded.global.run.watch), marks);
        let Usable { loaded, broken } = usable?;
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.summary());
        }
        self.take_receivers(&loaded.global.notify);
        self.rights.set(&loaded.global.control);
        self.web.serve(loaded.global.status.map(|table| table.listen));
        let mistakes = Mistake::among(&loaded.warnings);
        self.loading.hung = broken.iter().filter(|broken| broken.hangs).map(|broken| broken.name.clone()).collect();
        let broken = told(broken);
        let had_mistakes = self.book.with_mistakes();
        let roll = Roll { broken: firsts(&broken), tenants: loaded.tenants, is_partial: false };
        let changes = self.take_roll(roll);
        let now_with_mistakes = self.book.with_mistakes();
        let is_fixed = |name: &&TenantName| !now_with_mistakes.contains(name) && !changes.removed.contains(name);
        let fixed: Vec<TenantName> = had_mistakes.iter().filter(is_fixed).cloned().collect();
        self.mistake = None;
        self.without_file = self.left_behind();
        self.show();
        self.tell_all();
        let broken = broken.into_iter().map(|(name, mistakes)| BrokenTenant {
            in_force: self.book.entries.contains_key(&name),
            tenant: name.to_string(),
            mistakes,
        });
        let names = |names: &[TenantName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let broken: Vec<BrokenTenant> = broken.collect();
        let in_force = broken.iter().filter(|broken| broken.in_force).count();
        let news = changes.added.len() + changes.changed.len() + in_force;
        Ok(Reloaded {
            unchanged: self.book.entries.len().saturating_sub(news) as u64,
            added: names(&changes.added),
            changed: names(&changes.changed),
            removed: names(&changes.removed),
            fixed: names(&fixed),
            broken,
            mistakes,
        })
    }

    fn take_roll(&mut self, roll: Roll) -> Changes {
        let stores = &self.settings.stores;
        let last_run = |name: &TenantName| {
            let status = stores.tenant(name).status().ok().flatten();
            status.map(|status| LastRun { started: status.last_run.started, ended: status.last_run.ended })
        };
        let now = self.settings.clock.now();
        let changes = self.book.take(roll, last_run, now);
        for (word, names) in
            [("tenant added", &changes.added), ("tenant removed; its app is left as it is", &changes.removed)]
        {
            names.iter().for_each(|tenant| tracing::info!(%tenant, "{word}"));
        }
        for (by, _) in &self.loading.waiting {
            changes.added.iter().chain(&changes.changed).for_each(|name| self.edited(name, by));
        }
        self.loading.tried = Some(now);
        self.take_imports();
        changes
    }

    /// Remembers which account had a tenant's file read: its approval is not that of another person.
    fn edited(&self, name: &TenantName, by: &Identity) {
        let Some(entry) = self.book.entries.get(name) else { return };
        tracing::info!(tenant = %name, uid = by.uid, login_uid = by.login_uid, "tenant file reloaded");
        if let Err(error) = entry.tenant.edited_by(&self.state_of(name), by, self.settings.clock.now()) {
            tracing::warn!(tenant = %name, %error, "could not record which account reloaded the file");
        }
    }

    /// Tries tenants again whose files did not answer, if it is time to.
    pub(super) fn try_hung(&mut self) {
        let loading = &self.loading;
        let now = self.settings.clock.now();
        // A clock that was set back must not end the trying.
        let is_due = loading.tried.is_none_or(|tried| now.duration_since(tried).abs() >= HUNG_AGAIN);
        if is_due && !loading.hung.is_empty() && loading.reads.is_empty() {
            let names = loading.hung.iter().map(ToString::to_string).collect();
            self.begin_read(names);
        }
    }

    /// Takes over tenants whose files did not answer before.
    fn take_hung(&mut self, read: LoadedFiles) {
        let Ok(Usable { loaded, broken }) = read.usable else {
            // One of them was taken away, or `rosterd.toml` is just being edited: the next reload takes notice.
            self.loading.hung.clear();
            return;
        };
        self.loading.hung = broken.iter().filter(|broken| broken.hangs).map(|broken| broken.name.clone()).collect();
        let broken = told(broken);
        self.take_roll(Roll { broken: firsts(&broken), tenants: loaded.tenants, is_partial: true });
        self.show();
        self.tell_all();
    }

    /// Tenants with state and without a file, unless their connection has ended.
    fn left_behind(&self) -> Vec<String> {
        let names = self.settings.stores.tenants().unwrap_or_else(|error| {
            tracing::warn!(%error, "could not list the state folder");
            Vec::new()
        });
        let known = |name: &TenantName| {
            self.book.entries.get(name).is_some_and(|entry| !entry.is_leaving())
                || self.book.never_right.contains_key(name)
        };
        let gone = names.into_iter().filter(|name| !known(name));
        gone.filter(|name| self.state_of(name).mark(Sign::Retired).is_none()).map(|name| name.to_string()).collect()
    }

    /// Looks whether the files have changed, if that is wanted and it is time to.
    pub(super) fn look_at_files(&mut self) {
        if self.loading.looks.is_empty() && self.watch.is_due(self.settings.clock.now()) {
            let config = self.settings.config.clone();
            self.loading.looks.spawn_blocking(move || marks(&config));
        }
    }

    /// Reads the files again when they have changed and settled.
    pub(super) fn looked_at_files(&mut self, looked: Result<Option<Marks>, JoinError>) {
        // A look that panicked saw nothing.
        if self.watch.saw(self.settings.clock.now(), looked.unwrap_or_default()) {
            self.reload(None);
        }
    }
}

/// What is wrong with each tenant, which the log hears too.
fn told(broken: Vec<Broken>) -> Vec<(TenantName, Vec<Mistake>)> {
    let broken: Vec<(TenantName, Vec<Mistake>)> =
        broken.into_iter().map(|broken| (broken.name, Mistake::among(&broken.found))).collect();
    for (tenant, mistakes) in &broken {
        tracing::error!(%tenant, "the tenant file has mistakes, the previous version stays in force: {}", first(mistakes));
    }
    broken
}

fn first(mistakes: &[Mistake]) -> String {
    mistakes.first().map(Mistake::summary).unwrap_or_default()
}

fn firsts(broken: &[(TenantName, Vec<Mistake>)]) -> Vec<(TenantName, Mistake)> {
    broken.iter().filter_map(|(name, mistakes)| Some((name.clone(), mistakes.first()?.clone()))).collect()
}
