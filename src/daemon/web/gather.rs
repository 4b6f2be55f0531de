//! What there is to show. In: the board, the state folders, the numbers. Out: one value a tenant, for pages and for `/status`.
//!
//! Everything that runs left on the disk is read when somebody looks: it is what `rosterd status` shows, too (I11).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::PageView;
use crate::daemon::board::{Board, BoardRow};
use crate::daemon::drift::{LastComparison, read_compared};
use crate::model::{TenantName, TenantState};
use crate::store::{HeldPlan, ImportNote, Sign, Status, TenantMark, TenantStore};
use crate::telemetry::{RunProgress, Stands};

/// One tenant.
pub(super) struct TenantView {
    pub(super) line: BoardRow,
    /// What is kept of it.
    pub(super) store: TenantStore,
    pub(super) state: TenantState,
    pub(super) status: Option<Status>,
    pub(super) held: Option<HeldPlan>,
    pub(super) paused: Option<TenantMark>,
    pub(super) retired: Option<TenantMark>,
    pub(super) under_way: Option<RunProgress>,
    /// What the last comparison with the app found.
    pub(super) drift: Option<LastComparison>,
    /// How far the import in the background is, or how the last one ended.
    pub(super) import: Option<ImportNote>,
    /// Why what the runs left could not be read.
    pub(super) unreadable: Option<String>,
}

/// The state of a line on the board: a tenant without a standing never had a file without mistakes.
fn state_of(line: &BoardRow) -> TenantState {
    line.standing.unwrap_or(TenantState::FileMistake)
}

/// How everybody stands, as it is counted.
pub(in crate::daemon) fn standing(board: &Board) -> Vec<(String, Stands)> {
    let stands = |line: &BoardRow| Stands {
        state: state_of(line),
        failures: line.failures,
        due: line.due,
        running: line.running_since.is_some(),
        mistake: line.mistake.is_some(),
        expiries: line.expiries.iter().map(|expiry| (expiry.secret.clone(), expiry.at)).collect(),
    };
    board.tenants.iter().map(|line| (line.tenant.clone(), stands(line))).collect()
}

/// The board, and everybody on it, whoever needs somebody first.
pub(super) fn all(view: &PageView) -> (Option<Arc<Board>>, Vec<TenantView>) {
    let board = view.pane.board();
    let lines = board.as_ref().map(|board| board.tenants.clone()).unwrap_or_default();
    let mut seen: Vec<TenantView> = lines.into_iter().filter_map(|line| look(view, line)).collect();
    seen.sort_by(|a, b| (a.state, &a.line.tenant).cmp(&(b.state, &b.line.tenant)));
    (board, seen)
}

/// One tenant on the board. A name that is not there leads to no file.
pub(super) fn one(view: &PageView, tenant: &str) -> Option<TenantView> {
    let line = view.pane.board()?.tenants.iter().find(|line| line.tenant == tenant).cloned()?;
    look(view, line)
}

fn look(view: &PageView, line: BoardRow) -> Option<TenantView> {
    let store = view.stores.tenant(&TenantName::parse(&line.tenant)?);
    let (status, held) = (store.status(), store.held());
    let drift = read_compared(&store);
    let import = store.import_note();
    let errors = [status.as_ref().err(), held.as_ref().err(), drift.as_ref().err(), import.as_ref().err()];
    let unreadable = errors.into_iter().flatten().next().map(ToString::to_string);
    let (status, held, drift) = (status.ok().flatten(), held.ok().flatten(), drift.ok().flatten());
    Some(TenantView {
        state: state_of(&line),
        status,
        held,
        paused: store.mark(Sign::Paused),
        retired: store.mark(Sign::Retired),
        under_way: view.telemetry.under_way(&line.tenant),
        drift,
        import: import.ok().flatten(),
        unreadable,
        store,
        line,
    })
}

/// The body of `/status`.
#[derive(Serialize)]
pub(super) struct StatusReport {
    process: u32,
    version: String,
    started: Timestamp,
    at: Timestamp,
    stopping: bool,
    mistake: Option<String>,
    tenants: Vec<TenantPage>,
}

#[derive(Serialize)]
struct TenantPage {
    state: &'static str,
    #[serde(flatten)]
    line: BoardRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_plan: Option<HeldPlanView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<TenantMark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<TenantMark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way: Option<RunView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<LastComparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<ImportNote>,
}

#[derive(Serialize)]
struct HeldPlanView {
    plan: String,
    at: Timestamp,
    count: u64,
    reasons: Vec<&'static str>,
    rejected: bool,
}

#[derive(Serialize)]
struct RunView {
    stage: String,
    done: u64,
    total: Option<u64>,
    calls: u64,
    seconds: f64,
}

/// Everything for scripts. Who is held is on the page and in `rosterd status`; here it is counted.
pub(super) fn report(view: &PageView) -> Option<StatusReport> {
    let (board, seen) = all(view);
    let board = board?;
    let tenant = |seen: TenantView| TenantPage {
        state: seen.state.name(),
        line: seen.line,
        status: seen.status,
        held_plan: seen.held.map(|held| HeldPlanView {
            plan: held.plan,
            at: held.at,
            count: held.count,
            reasons: held.holds.iter().map(|hold| hold.code().name()).collect(),
            rejected: held.rejected.is_some(),
        }),
        paused: seen.paused,
        retired: seen.retired,
        drift: seen.drift,
        import: seen.import,
        under_way: seen.under_way.map(|work| RunView {
            stage: work.stage,
            done: work.done,
            total: work.total,
            calls: work.calls,
            seconds: work.running.as_secs_f64(),
        }),
    };
    Some(StatusReport {
        process: board.process,
        version: board.version.clone(),
        started: board.started,
        at: view.clock.now(),
        stopping: view.pane.is_stopping(),
        mistake: board.mistake.clone(),
        tenants: seen.into_iter().map(tenant).collect(),
    })
}
