//! The table that `rosterd status` begins with: a row for each tenant, with its state, users, last and next run, held changes and failed
//! objects. It takes what is known of the tenants and returns lines. What needs more words follows below the table, in `status`.

use anstyle::Style;

use crate::cli::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, WAIT, paint, thousands};
use crate::clock;
use crate::daemon::TenantStatus;
use crate::model::TenantState;

/// The heads of the columns.
const HEADS: [&str; 7] = ["TENANT", "STATE", "USERS", "LAST RUN", "NEXT RUN", "HELD", "FAILED"];

/// Columns with numbers, which end at the right.
const NUMBERS: [usize; 3] = [2, 5, 6];

/// Shown where there is nothing to show.
const NONE: &str = "–";

/// The state in which a tenant is: what an operator asked for comes first, then what the daemon knows, then how the last run ended.
pub(super) fn state_of(line: &TenantStatus) -> TenantState {
    let of_daemon = line.daemon.as_ref().map(|row| row.standing.unwrap_or(TenantState::FileMistake));
    match (&line.retired, &line.paused, of_daemon, &line.status) {
        (Some(_), ..) => TenantState::Retired,
        (None, Some(_), ..) => TenantState::Paused,
        (None, None, Some(state), _) if state != TenantState::New => state,
        _ if line.interrupted.is_some() => TenantState::Failing,
        (_, _, _, None) => TenantState::New,
        (_, _, _, Some(status)) if status.adopt_only.is_some() => TenantState::AdoptOnly,
        (_, _, _, Some(status)) => status.last_run.status.into(),
    }
}

/// The lines of the table: the heads, and a row for each tenant.
pub(super) fn lines(all: &[TenantStatus]) -> Vec<String> {
    let rows: Vec<([String; 7], Style)> = all.iter().map(|line| (cells(line), style_of(state_of(line)))).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(at)).map(|cell| cell.chars().count());
        cells.chain(HEADS.get(at).map(|head| head.len())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut lines = vec![paint(FAINT, row(&HEADS.map(str::to_owned), &widths, |_, cell| cell))];
    lines.extend(rows.iter().map(|(cells, style)| {
        row(cells, &widths, |at, cell| match at {
            0 => paint(STRONG, cell),
            1 => paint(style.bold(), cell),
            _ => cell,
        })
    }));
    lines
}

fn row(cells: &[String; 7], widths: &[usize], painted: impl Fn(usize, String) -> String) -> String {
    let cells = cells.iter().zip(widths).enumerate().map(|(at, (cell, width))| {
        let padded = match (NUMBERS.contains(&at), at + 1 == HEADS.len()) {
            (true, _) => format!("{cell:>width$}"),
            (false, true) => cell.clone(),
            (false, false) => format!("{cell:width$}"),
        };
        painted(at, padded)
    });
    cells.collect::<Vec<_>>().join("  ")
}

fn cells(line: &TenantStatus) -> [String; 7] {
    let status = line.status.as_ref();
    let none = || NONE.to_owned();
    let daemon = line.daemon.as_ref();
    let next = match daemon.map(|row| (row.running_since, row.due)) {
        Some((Some(_), _)) => "running now".to_owned(),
        Some((None, Some(due))) => clock::shown(due),
        Some((None, None)) | None => none(),
    };
    let state = if line.file_gone { "no file" } else { state_of(line).words() };
    [
        line.tenant.clone(),
        state.to_owned(),
        status.map_or_else(none, |status| thousands(status.linked.users)),
        status.map_or_else(none, |status| clock::shown(status.last_run.ended)),
        next,
        line.held_plan.as_ref().map_or_else(none, |held| thousands(held.count)),
        status.filter(|status| status.failures > 0).map_or_else(none, |status| thousands(status.failures)),
    ]
}

fn style_of(state: TenantState) -> Style {
    match state {
        TenantState::Ok => ADD,
        TenantState::Held | TenantState::Paused | TenantState::AdoptOnly | TenantState::Busy => WAIT,
        TenantState::Partial | TenantState::New => CHANGE,
        TenantState::Failing | TenantState::Quarantined | TenantState::FileMistake | TenantState::Retired => REMOVE,
    }
}
