//! The page of all tenants. In: what there is to show. Out: who needs somebody, then everybody.

use jiff::Timestamp;
use maud::{Markup, html};

use super::PageView;
use super::gather::{self, TenantView};
use super::page::{Frame, document, pill, prose, tone, when};
use super::plot;
use super::words::{count, figure, length};
use crate::model::TenantState;

/// Small pictures are drawn for so many tenants at most: each costs a look into a journal.
const PICTURES: usize = 50;

/// So many runs stand in a small picture.
const RUNS: usize = 30;

pub(super) fn page(view: &PageView) -> Markup {
    let (board, seen) = gather::all(view);
    let now = view.clock.now();
    let body = html! {
        @if view.pane.is_stopping() { p.notice.wait { "Stopping: the calls in progress are finished, no run starts." } }
        @if let Some(silent) = view.pane.hanging() {
            p.notice.bad { "The daemon's main loop has been stuck for " (silent.as_secs()) " s: no run starts. See its log." }
        }
        @if let Some(mistake) = board.as_ref().and_then(|board| board.mistake.as_ref()) {
            p.notice.bad { strong { "rosterd.toml has mistakes; the previous version is in force. " } (prose(mistake)) }
        }
        h1 { (headline(&seen)) }
        @if !seen.is_empty() { (tally(&seen)) }
        @if seen.is_empty() { p { "There are no tenants yet. " code { "rosterd init NAME" } " writes the first tenant file." } }
        ul.tenants {
            @for (at, one) in seen.iter().enumerate() { (row(one, now, at < PICTURES)) }
        }
    };
    let title = format!("{} · rosterd", headline(&seen));
    document(view, &Frame { title: &title, refreshes: true }, &body)
}

/// The one line that says whether somebody is needed.
fn headline(seen: &[TenantView]) -> String {
    let needed = seen
        .iter()
        .filter(|one| matches!(tone(one.state), "bad") || one.state == TenantState::Held || one.line.mistake.is_some())
        .count();
    match (seen.len(), needed) {
        (0, _) => "No tenants".to_owned(),
        (all, 0) => format!("{} on schedule", count(all as u64, "tenant", "tenants")),
        (_, 1) => "1 tenant needs attention".to_owned(),
        (_, needed) => format!("{needed} tenants need attention"),
    }
}

/// How many are in which state.
fn tally(seen: &[TenantView]) -> Markup {
    let of = |state: TenantState| seen.iter().filter(|one| one.state == state).count();
    let running = seen.iter().filter(|one| one.line.running_since.is_some()).count();
    html! {
        p.tally {
            @for state in TenantState::ALL {
                @let n = of(state);
                @if n > 0 { span class={ "pill " (tone(state)) } { (n) " " (state.words()) } }
            }
            @if running > 0 { span.pill.busy { (running) " running now" } }
        }
    }
}

fn row(one: &TenantView, now: Timestamp, with_picture: bool) -> Markup {
    let line = &one.line;
    let runs = match with_picture {
        // Without a picture the row is as good.
        true => one.store.recent_runs(RUNS).unwrap_or_default(),
        false => Vec::new(),
    };
    html! {
        li class={ "tenant " (tone(one.state)) } {
            div.who {
                a.name href={ "/tenants/" (line.tenant) } { (line.tenant) }
                (pill(one.state))
                @if line.mistake.is_some() && line.standing.is_some() { span.pill.bad { "mistake in the file" } }
            }
            div.size {
                @if let Some(status) = &one.status {
                    (count(status.linked.users, "user", "users")) ", " (count(status.linked.groups, "group", "groups"))
                } @else { span.faint { "nothing managed yet" } }
            }
            div.last {
                @if let Some(run) = one.status.as_ref().map(|status| &status.last_run) {
                    span { "ran " (when(run.ended, now)) " in " (length(run.started, run.ended)) }
                    span.faint { (did(run.planned, run.done, run.held, run.failed)) }
                } @else { span.faint { "no run yet" } }
            }
            div.next { (next(one, now)) }
            div.picture { @if !runs.is_empty() { (plot::small(&runs)) } }
            @if let Some(note) = trouble(one) { div.note { (prose(&note)) } }
        }
    }
}

/// What a run did, in a few words.
fn did(planned: u64, done: u64, held: u64, failed: u64) -> String {
    if planned == 0 {
        return "nothing to change".to_owned();
    }
    let parts = [(done, "done"), (held, "held"), (failed, "failed")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", figure(*n))).collect();
    match parts.is_empty() {
        true => format!("{} planned", figure(planned)),
        false => parts.join(", "),
    }
}

fn next(one: &TenantView, now: Timestamp) -> Markup {
    html! {
        @match (&one.under_way, one.line.running_since, one.line.due) {
            (Some(work), _, _) => {
                span { (work.stage) @if let Some(total) = work.total { " " (figure(work.done)) " of " (figure(total)) } }
            }
            (None, Some(since), _) => span { "running since " (when(since, now)) },
            (None, None, Some(due)) if due <= now => span { "due now" },
            (None, None, Some(due)) => span { "next " (when(due, now)) },
            (None, None, None) => span.faint { "not on a schedule" },
        }
    }
}

/// One line about what is wrong, where something is.
fn trouble(one: &TenantView) -> Option<String> {
    let said = match one.state {
        TenantState::FileMistake => one.line.mistake.clone(),
        TenantState::Held
        | TenantState::AdoptOnly
        | TenantState::Failing
        | TenantState::Quarantined
        | TenantState::Partial
        | TenantState::Paused => Some(one.line.note.clone()),
        _ => one.line.mistake.clone(),
    };
    let set_aside = one.status.as_ref().filter(|status| status.failures > 0).map(|status| {
        let first = status.failed.first().map(|(_, note)| format!(": {}", note.reason)).unwrap_or_default();
        format!("{} failed{first}", count(status.failures, "object", "objects"))
    });
    said.filter(|text| !text.is_empty()).or(set_aside).or_else(|| one.unreadable.clone())
}
