//! `rosterd run`: many tenants, for months. In: the configuration's path, ticks, signals. Out: runs, a board of how everybody
//! stands, words to systemd.
//!
//! One loop owns everything; `book` decides who is due, `timetable` when. Start-up and reload are the same path: the files are
//! read, what is right in them is taken over, what is wrong is told and leaves the tenant as it was. A tenant never runs twice at
//! once, and no more run at a time than there are workers, so that a slow one delays nobody but itself. The end is orderly: no
//! run begins, those under way finish the calls they made, as far as they do that in time.
//!
//! The loop itself waits for no file of a tenant: those are read beside it, with a time limit (`loading`, `secrets`, the [`Runner`]).
//!
//! Knows no terminal. How a tenant is run is the [`Runner`]'s business.

mod board;
mod book;
mod control;
mod drift;
mod ending;
mod herald;
mod imports;
mod loading;
mod mistake;
mod orders;
mod overview;
mod pane;
mod runner;
mod secrets;
mod systemd;
mod ticker;
mod timetable;
mod trouble;
mod watch;
mod web;

pub use board::{Board, BoardRow, read_board};
pub use book::RunEnd;
pub use control::{
    BrokenTenant, CommandEnd, CommandEvent, CommandInput, CommandLine, CommandLink, CommandNews, CommandRunner,
    ControlError, ControlRefusal, ControlReply, ControlRequest, ControlRight, Deciding, Going, Hello, ImportToOrder,
    Importing, OutputStream, PROTOCOL, Performing, RecordedDecision, Reloaded, ReplyHandle, RunOptions, RunOrder, Talk,
    reach,
};
pub use drift::{LastComparison, read_compared};
pub use mistake::Mistake;
pub use overview::{TenantStatus, overview};
pub use runner::{EngineRunner, Runner};
pub use trouble::{Cause, RunContext};

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::book::Book;
use self::control::{Commands, Control, Rights};
use self::herald::Heralds;
use self::imports::ImportRunner;
use self::loading::Loading;
use self::orders::{Orders, is_partial};
use self::pane::Pane;
use self::ticker::Ticker;
use self::watch::FileWatch;
use self::web::{PageView, StatusServer};
use crate::clock::Clock;
use crate::config::diagnostic::Diagnostic;
use crate::model::{TenantName, TenantState};
use crate::source::FeedHint;
use crate::store::{Leased, StoreError, Stores};
use crate::telemetry::Telemetry;
use crate::tenancy::Tenant;

/// A ticker that says nothing for so long is not waited for.
const SILENCE: Duration = Duration::from_secs(5);

/// The board is written at most this often while runs begin and end.
const BOARD_EVERY: Duration = Duration::from_millis(500);

/// So many change feeds are asked at a time, and none for longer than this.
const FEEDS_AT_ONCE: usize = 16;
const FEED_LIMIT: Duration = Duration::from_secs(60);

/// What the daemon is made of.
pub struct Settings {
    /// `rosterd.toml`.
    pub config: PathBuf,
    /// Where state is kept.
    pub stores: Stores,
    /// How many tenants run at a time.
    pub workers: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What is measured.
    pub telemetry: Arc<Telemetry>,
    /// Carries out commands of other processes.
    pub commands: Arc<dyn CommandRunner>,
}

/// What reaches the daemon from outside.
pub struct DaemonSignals {
    /// Read the files again.
    pub reload: mpsc::Receiver<()>,
    /// Begin no run, finish the calls under way, and end.
    pub stop: CancellationToken,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// `rosterd.toml` has mistakes.
    #[error("the configuration has mistakes")]
    Config(Vec<Diagnostic>),
    /// Another daemon works on this state folder, or the folder can't be used.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The scheduler did not start.
    #[error("the ticker did not start: {0}")]
    Ticker(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// Runs until `signals.stop`.
///
/// # Errors
/// When it could not start. Once it runs, nothing that happens to a tenant ends it.
pub async fn run(settings: Settings, runner: Arc<dyn Runner>, mut signals: DaemonSignals) -> Result<(), DaemonError> {
    let leased = settings.stores.daemon().lease("rosterd run")?;
    // Whoever answers has lost its lock file, and works on all the same.
    if let Some(process) = control::answered_by(&settings.stores) {
        let holder = format!("rosterd run ({process}, whose lock file was deleted)");
        return Err(leased.taken_by(holder).into());
    }
    let pane = Arc::new(Pane::new());
    let view = PageView {
        pane: Arc::clone(&pane),
        telemetry: Arc::clone(&settings.telemetry),
        stores: settings.stores.clone(),
        config: settings.config.clone(),
        clock: Arc::clone(&settings.clock),
    };
    let mut daemon = Daemon {
        book: Book::default(),
        pane,
        web: StatusServer::new(view),
        mistake: None,
        started: settings.clock.now(),
        settings,
        runner,
        runs: JoinSet::new(),
        names: HashMap::new(),
        orders: Orders::default(),
        imports: ImportRunner::default(),
        deaf: None,
        heralds: Heralds::default(),
        without_file: Vec::new(),
        watch: FileWatch::default(),
        loading: Loading::default(),
        secrets: JoinSet::new(),
        hints: JoinSet::new(),
        halt: CancellationToken::new(),
        rights: Rights::default(),
        news: false,
        shown: None,
        leased,
    };
    // Before its own board takes the place of the one that was left.
    let before = board::failing_before(&daemon.leased);
    if daemon.load_first(&signals.stop).await?.is_none() {
        tracing::info!("asked to stop while the files were being read; nothing was run");
        return Ok(());
    }
    before.into_iter().for_each(|(name, trouble)| daemon.book.recall(&name, trouble));
    let commands = Commands::new(Arc::clone(&daemon.settings.commands), &daemon.halt);
    let mut control = Control::new(&daemon.settings.stores, daemon.rights.clone(), commands.clone());
    daemon.listens(control.listen());
    let mut ticker = Ticker::start().await?;
    systemd::ready(&daemon.book.line());
    tracing::info!(tenants = daemon.book.entries.len(), "daemon started");
    let lost = loop {
        // Before any run begins: another daemon could have the lock file that is there now.
        if let Err(lost) = daemon.leased.still_held() {
            tracing::error!("{lost}");
            break Some(lost);
        }
        daemon.look_at_files();
        daemon.try_hung();
        daemon.look_at_secrets();
        daemon.start_due();
        daemon.ask_feeds();
        daemon.tell_in_passing();
        daemon.show_news();
        systemd::alive(&daemon.book.line());
        daemon.beat();
        tokio::select! {
            biased;
            () = signals.stop.cancelled() => break None,
            Some(ended) = daemon.runs.join_next_with_id() => daemon.ended(ended),
            Some(imported) = daemon.imports.tasks.join_next() => daemon.imported(imported),
            Some(hinted) = daemon.hints.join_next() => daemon.hinted(hinted),
            Some(read) = daemon.loading.reads.join_next() => daemon.read(read),
            Some(looked) = daemon.loading.looks.join_next() => daemon.looked_at_files(looked),
            Some(looked) = daemon.secrets.join_next() => daemon.looked_at_secrets(looked),
            Some(()) = signals.reload.recv() => {
                daemon.reload(None);
                daemon.listens(control.listen());
            }
            Some(asked) = control.next() => {
                daemon.asked(asked);
                control.open_the_way();
            }
            Some(()) = ticker.tick() => {}
            () = tokio::time::sleep(SILENCE) => tracing::warn!("the ticker fell silent; going on without it"),
        }
    };
    ticker.stop().await;
    tokio::join!(daemon.drain(), commands.end());
    if lost.is_none() {
        daemon.clear_board();
    }
    control.close().await;
    lost.map_or(Ok(()), |lost| Err(lost.into()))
}

struct Daemon {
    settings: Settings,
    runner: Arc<dyn Runner>,
    book: Book,
    /// What is shown to others while it runs.
    pane: Arc<Pane>,
    /// The status page.
    web: StatusServer,
    /// What is wrong with `rosterd.toml` as it is now; what was read before is in force.
    mistake: Option<Mistake>,
    started: Timestamp,
    runs: JoinSet<RunEnd>,
    /// Whose they are, and whether they are about the whole tenant.
    names: HashMap<tokio::task::Id, (TenantName, bool)>,
    /// Runs that somebody asked for.
    orders: Orders,
    /// Imports in the background.
    imports: ImportRunner,
    /// Why nobody can ask for any, if so.
    deaf: Option<String>,
    /// Who is told of what needs a person.
    heralds: Heralds,
    /// Tenants whose file is gone.
    without_file: Vec<String>,
    /// Whether the files have changed without a word.
    watch: FileWatch,
    /// Readings of the files.
    loading: Loading,
    /// A look at secrets that were refused.
    secrets: JoinSet<Vec<TenantName>>,
    /// Change feeds being asked.
    hints: JoinSet<(TenantName, Option<FeedHint>)>,
    halt: CancellationToken,
    /// Who may ask for what.
    rights: Rights,
    /// Whether something happened that the board does not show, and when it was last written.
    news: bool,
    shown: Option<Instant>,
    /// The states are this daemon's alone; let go of at the very end.
    leased: Leased,
}

impl Daemon {
    /// Notes whether anybody can talk to this daemon. It does its work all the same.
    fn listens(&mut self, listening: Result<(), String>) {
        self.deaf = listening.err();
        if let Some(why) = &self.deaf {
            tracing::error!("{why}");
        }
        self.show();
    }

    /// The loop goes round.
    fn beat(&mut self) {
        self.pane.beat();
        if self.web.again() {
            self.show();
        }
    }

    fn start_due(&mut self) {
        let mut started: Vec<(Arc<Tenant>, Option<RunOrder>)> =
            self.ordered().into_iter().map(|(tenant, order)| (tenant, Some(order))).collect();
        let now = self.settings.clock.now();
        let room = self.book.room(self.settings.workers.max(1), now);
        let due = self.book.start(now, room);
        started.extend(due.into_iter().map(|tenant| (tenant, None)));
        if started.is_empty() {
            return;
        }
        for (tenant, order) in started {
            let whole = order.as_ref().is_none_or(|order| !is_partial(&order.wish));
            let (name, runner, halt) = (tenant.name.clone(), Arc::clone(&self.runner), self.halt.clone());
            let task = self.runs.spawn(async move { runner.run(tenant, order, &halt).await });
            self.names.insert(task.id(), (name, whole));
        }
        self.news = true;
    }

    /// Asks the change feeds of tenants that would wait for a while yet: a change is a reason to run now.
    fn ask_feeds(&mut self) {
        let room = FEEDS_AT_ONCE.saturating_sub(self.hints.len());
        for (tenant, since) in self.book.ask_feeds(self.settings.clock.now(), room) {
            let (name, runner) = (tenant.name.clone(), Arc::clone(&self.runner));
            self.hints.spawn(async move {
                let hint = tokio::time::timeout(FEED_LIMIT, runner.hint(tenant, since)).await;
                (name, hint.unwrap_or(None))
            });
        }
    }

    fn hinted(&mut self, hinted: Result<(TenantName, Option<FeedHint>), tokio::task::JoinError>) {
        match hinted {
            Ok((name, hint)) => {
                if self.book.hinted(&name, hint, self.settings.clock.now()) {
                    tracing::info!(tenant = %name, "the directory reports changes, scheduling a run");
                }
            }
            Err(error) => tracing::error!(%error, "asking a change feed panicked"),
        }
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, RunEnd), tokio::task::JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let note = "the run panicked; the next run recovers as after a crash".to_owned();
                (error.id(), RunEnd::new(TenantState::Failing, note))
            }
        };
        let Some((name, whole)) = self.names.remove(&id) else { return };
        // What was said may name people: it stands on the board, which only the owner reads.
        match ended.standing {
            TenantState::Failing => {
                tracing::warn!(tenant = %name, credential = ended.about.cause.is_some(), "tenant is failing");
            }
            standing => tracing::info!(tenant = %name, standing = standing.name(), "run finished"),
        }
        match whole {
            true => {
                self.book.ended(&name, ended, self.settings.clock.now());
                self.tell_of(&name);
            }
            false => self.book.ended_in_part(&name),
        }
        self.news = true;
    }

    /// Shows what is new on the board, but not more often than anybody reads it: with a thousand tenants it is long.
    fn show_news(&mut self) {
        if self.news && self.shown.is_none_or(|shown| shown.elapsed() >= BOARD_EVERY) {
            self.show();
        }
    }

    fn board(&self) -> Board {
        let mut board = Board::of(&self.book, self.mistake.as_ref(), self.started, self.settings.clock.now());
        board.deaf.clone_from(&self.deaf);
        board.page = self.web.trouble();
        board.without_file.clone_from(&self.without_file);
        board
    }

    fn show(&mut self) {
        (self.news, self.shown) = (false, Some(Instant::now()));
        let board = self.board();
        if let Err(error) = board::write(&self.leased, &board) {
            tracing::warn!(%error, "could not write the status of the tenants");
        }
        self.settings.telemetry.config_is_valid(board.mistake.is_none());
        self.settings.telemetry.stand(web::standing(&board));
        self.pane.show(board);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
