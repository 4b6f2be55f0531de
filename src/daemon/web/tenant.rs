//! One tenant's page. In: what there is to show of it. Out: what it is doing, what waits for a person and what to type, the last
//! runs.

use jiff::Timestamp;
use maud::{Markup, html};

use super::PageView;
use super::gather::TenantView;
use super::page::{Frame, document, name, pill, prose, when};
use super::plot;
use super::words::{at_most, count, distance, exactly, figure, length, quoted, shown};
use crate::daemon::drift::LastComparison;
use crate::daemon::trouble::Cause;
use crate::model::{RunStatus, TenantState};
use crate::store::{HeldPlan, ImportNote, ImportState, ImportWait, RunSummary, Status};
use crate::telemetry::RunProgress;
use crate::tenancy::default_config;

/// So many runs stand in the picture, and so many in the table.
const DRAWN: usize = 60;
const LISTED: usize = 12;

/// Held operations and failures shown; more are counted.
const PEOPLE: usize = 200;
const FAILURES: usize = 50;

pub(super) fn page(view: &PageView, seen: &TenantView) -> Markup {
    let now = view.clock.now();
    let tenant = &seen.line.tenant;
    let runs = seen.store.recent_runs(DRAWN);
    let typed = Typed::of(view, tenant);
    let body = html! {
        p.trail { a href="/" { "All tenants" } }
        div.title { h1 { (tenant) } (pill(seen.state)) }
        (facts(view, seen, now))
        @if let Some(work) = &seen.under_way { (under_way(work)) }
        @if let Some(import) = &seen.import { (importing(import, now)) }
        (marks(seen, &typed))
        @if let Some(mistake) = &seen.line.mistake { (mistake_in_file(mistake, seen, &typed)) }
        (expiries(seen, now))
        @if matches!(seen.state, TenantState::Failing | TenantState::Quarantined) { (failing(seen, &typed)) }
        @if let Some(why) = seen.status.as_ref().and_then(|status| status.adopt_only.as_ref()) { (adopt_only(why)) }
        @if let Some(why) = &seen.unreadable { section.card.bad { h2 { "The state can't be read" } p { (prose(why)) } } }
        @if let Some(held) = &seen.held { (held_plan(held, &typed, now)) }
        @if let Some(status) = &seen.status { (set_aside(status, now)) }
        @match runs {
            Ok(runs) => (history(&runs, now)),
            Err(error) => section.card { h2 { "Last runs" } p { "The journal can't be read: " (prose(&error.to_string())) } },
        }
    };
    let title = format!("{tenant}: {} · rosterd", seen.state.words());
    document(view, &Frame { title: &title, refreshes: false }, &body)
}

/// Commands as they are typed on this machine.
struct Typed<'a> {
    /// `rosterd`, with the configuration if it is not where everybody looks.
    rosterd: String,
    tenant: &'a str,
}

impl<'a> Typed<'a> {
    fn of(view: &PageView, tenant: &'a str) -> Self {
        // To be typed wherever somebody stands.
        let config = std::path::absolute(&view.config).unwrap_or_else(|_| view.config.clone());
        let is_default = config == default_config();
        let config = config.to_string_lossy();
        let rosterd = match is_default {
            true => "rosterd".to_owned(),
            false => format!("rosterd --config {}", quoted(&config)),
        };
        Self { rosterd, tenant }
    }

    fn line(&self, command: &str, rest: &str) -> Markup {
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        html! { pre.type { code { (self.rosterd) " " (command) " " (self.tenant) (rest) } } }
    }
}

fn facts(view: &PageView, seen: &TenantView, now: Timestamp) -> Markup {
    let status = seen.status.as_ref();
    html! {
        dl.facts {
            div { dt { "Managed" } dd { @match status {
                Some(status) => { (count(status.linked.users, "user", "users")) small { (figure(status.linked.active)) " active, " (count(status.linked.groups, "group", "groups")) } }
                None => "nothing yet",
            } } }
            div { dt { "Directory" } dd { @match status.and_then(|status| status.last_run.counts) {
                Some(counts) => { (count(counts.users, "user", "users")) small { (count(counts.groups, "group", "groups")) ", " (count(counts.memberships, "membership", "memberships")) } }
                None => "not known",
            } } }
            div { dt { "Last in sync" } dd { @match status.and_then(|status| status.last_ok) {
                Some(at) => { (when(at, now)) small { (exactly(at)) } }
                None => "never",
            } } }
            div { dt { "Next run" } dd { @match (seen.line.running_since, seen.line.due) {
                (Some(since), _) => { "running" small { "since " (when(since, now)) } }
                (None, Some(due)) if due <= now => "due now",
                (None, Some(due)) => { (when(due, now)) small { (exactly(due)) } }
                (None, None) => "none",
            } } }
            @if let Some(drift) = &seen.drift {
                div { dt { "Changed in the app by hand" } dd {
                    @match &drift.failed {
                        Some(why) => { "not known" small { (shown(why)) } }
                        None => { (figure(drift.found.values().sum())) small { (by_kind(drift)) "as of " (when(drift.at, now)) } }
                    }
                } }
            }
            @if let Some((lost, allowed)) = view.telemetry.budget(&seen.line.tenant, now) {
                div { dt { "Removals, last 24 h" } dd { (figure(lost)) " of " (figure(allowed)) small { "before rosterd stops and asks" } } }
            }
        }
    }
}

/// `2 attributes changed, 1 repaired, `.
fn by_kind(drift: &LastComparison) -> String {
    let found = drift.found.iter().map(|(kind, number)| format!("{number} {}", kind.replace('_', " ")));
    let repaired = (drift.repaired > 0).then(|| format!("{} repaired", drift.repaired));
    found.chain(repaired).map(|part| part + ", ").collect()
}

fn under_way(work: &RunProgress) -> Markup {
    let seconds = work.running.as_secs_f64();
    html! {
        section.card.busy {
            h2 { "In progress" }
            p {
                (shown(&work.stage))
                @if let Some(total) = work.total { ": " (figure(work.done)) " of " (figure(total)) }
            }
            @if let Some(total) = work.total.filter(|total| *total > 0) { progress max=(total) value=(work.done.min(total)) {} }
            p.faint {
                (count(work.calls, "call", "calls")) " to the app in " (super::words::duration(work.running.as_secs()))
                @if seconds >= 1.0 { ", " (format!("{:.1}", work.calls as f64 / seconds)) " a second" }
            }
        }
    }
}

/// An import in the background: its progress, or how the last one ended.
fn importing(note: &ImportNote, now: Timestamp) -> Markup {
    let (title, class) = match note.state {
        ImportState::Reading => ("Import: reading directory and app", "busy"),
        ImportState::Creating => ("Import", "busy"),
        ImportState::Interrupted => ("Import interrupted", "wait"),
        ImportState::Finished => ("Last import", ""),
        ImportState::Stopped => ("Import stopped", "bad"),
    };
    html! {
        section class={ "card " (class) } {
            h2 { (title) }
            @if let Some(total) = note.total {
                p { (figure(note.done)) " of " (count(total, "user", "users")) ": " (figure(note.created)) " created, " (figure(note.found)) " there already, " (figure(note.failed)) " failed" @if note.not_tried > 0 { ", " (figure(note.not_tried)) " not tried" } }
                @if !note.has_ended() && total > 0 { progress max=(total) value=(note.done.min(total)) {} }
            }
            @if let Some(why) = &note.error { p { (prose(why)) } }
            @if let Some(wait) = note.waits_for { p { "It waits for " (awaited(wait)) "." } }
            p.faint {
                @if let Some(ended) = note.ended { "ended " (when(ended, now)) }
                @else {
                    "asked for " (when(note.ordered_at, now))
                    @if let Some(rate) = note.per_minute { ", " (rate) " a minute" }
                    @if let Some(left) = note.seconds_left { ", " (super::words::duration(left)) " left" }
                }
            }
            @if let Some(path) = &note.report { p.faint { "Report: " code { (path.display()) } } }
            @if let Some(why) = &note.report_error { p { "There is no report: " (prose(why)) } }
        }
    }
}

fn awaited(wait: ImportWait) -> &'static str {
    match wait {
        ImportWait::Run => "the end of the run",
        ImportWait::Pause => "the end of the pause",
        ImportWait::Answer => "directory or app, which do not answer or ask to slow down",
        ImportWait::OtherImports => "imports of other tenants",
        ImportWait::OtherImport => "another import of this tenant",
    }
}

fn marks(seen: &TenantView, typed: &Typed<'_>) -> Markup {
    html! {
        @if let Some(mark) = &seen.paused {
            section.card.wait { h2 { "Paused" } p { (prose(&mark.to_string())) ". Nothing is sent until it is resumed:" } (typed.line("resume", "")) }
        }
        @if let Some(mark) = &seen.retired {
            section.card { h2 { "Retired" } p { (prose(&mark.to_string())) ". Nothing more is sent; its tenant file can be deleted." } }
        }
    }
}

fn mistake_in_file(mistake: &str, seen: &TenantView, typed: &Typed<'_>) -> Markup {
    html! {
        section.card.bad {
            h2 { "Mistake in the tenant file" }
            pre.said { (at_most(mistake, 2000)) }
            p {
                @if seen.line.standing.is_some() { "The previous version of the file is in force. " } @else { "It is not run. " }
                "All mistakes, with their places:"
            }
            (typed.line("check", ""))
        }
    }
}

fn failing(seen: &TenantView, typed: &Typed<'_>) -> Markup {
    html! {
        section.card.bad {
            h2 { "Failing, " (count(u64::from(seen.line.failures), "run", "runs")) " in a row" }
            p { (prose(&seen.line.note)) }
            @if seen.line.cause == Some(Cause::Credential) {
                p { "No request is made to either side until the secret changes or the files are reloaded." }
            } @else {
                p { "It is tried again at growing intervals." }
            }
            p { "To find out what is wrong:" }
            (typed.line("doctor", ""))
        }
    }
}

/// Secrets whose end is near.
fn expiries(seen: &TenantView, now: Timestamp) -> Markup {
    html! {
        @for expiry in seen.line.expiries.iter().filter(|expiry| expiry.nearness(now).is_some()) {
            p.notice.wait { (prose(&expiry.words(now))) }
        }
    }
}

fn adopt_only(why: &str) -> Markup {
    html! {
        section.card.wait {
            h2 { "Adopt-only" }
            p { (prose(why)) }
            p.faint { "It only adopts and adds until every user in scope has been looked up in the app." }
        }
    }
}

fn held_plan(held: &HeldPlan, typed: &Typed<'_>, now: Timestamp) -> Markup {
    let id = held.plan.get(..8).unwrap_or(&held.plan);
    let more = held.count.saturating_sub(held.operations.len().min(PEOPLE) as u64);
    html! {
        section.card.wait #held {
            h2 { (count(held.count, "change", "changes")) " held" }
            p.faint { "plan " code { (id) } ", seen " (when(held.at, now)) }
            @if !held.is_genuine() {
                p { strong { "The list does not match the held plan." } " The list was edited, or written by another version; the next run writes it again." }
            }
            ul.reasons { @for hold in &held.holds { li { strong { (hold.code().name().replace('_', " ")) } " " (prose(&hold.detail())) } } }
            @if let Some(no) = &held.rejected {
                p { strong { "Rejected" } " by " (name(&no.who())) " " (when(no.at, now)) @if !no.reason.is_empty() { ": " (prose(&no.reason)) } }
            } @else {
                @if let Some(approvals) = &held.approvals { p { (prose(&approvals.to_string())) ": waiting for another person." } }
                p { "To approve exactly these changes, once:" }
                (typed.line("approve", id))
                p { "To reject them (they stay held):" }
                (typed.line("reject", id))
                p.faint { code { "--reason TEXT" } " records why in the journal." }
            }
            div.scroll {
                table.people {
                    thead { tr { th { "Change" } th { "Who" } th { "Why" } } }
                    tbody { @for operation in held.operations.iter().take(PEOPLE) {
                        tr {
                            td.op { (operation.op.name().replace('_', " ")) }
                            td.who { (name(&operation.name)) }
                            td.why { (prose(&operation.reason.to_string())) }
                        }
                    } }
                }
            }
            @if more > 0 { p.faint { "… and " (figure(more)) " more; " code { (typed.rosterd) " status " (typed.tenant) " -v" } " lists a thousand." } }
        }
    }
}

fn set_aside(status: &Status, now: Timestamp) -> Markup {
    let more = status.failures.saturating_sub(status.failed.len().min(FAILURES) as u64);
    html! {
        @if status.failures > 0 {
            section.card.wait {
                h2 { (count(status.failures, "object", "objects")) " failed" }
                p.faint { "What failed is tried again later; all other users are kept in sync." }
                div.scroll {
                    table.people {
                        thead { tr { th { "Object" } th { "What happened" } th { "Next try" } } }
                        tbody { @for (object, note) in status.failed.iter().take(FAILURES) {
                            tr {
                                td.who { (object.kind()) " " (name(&note.called(object))) }
                                td.why { (prose(&note.reason.to_string())) " (tried " (count(u64::from(note.attempts), "time", "times")) ")" }
                                td.op { (distance(note.next_try, now)) }
                            }
                        } }
                    }
                }
                @if more > 0 { p.faint { "… and " (figure(more)) " more." } }
            }
        }
        @if status.open_intents > 0 {
            p.notice.wait { (count(status.open_intents, "call", "calls")) " without an answer; the next run looks them up before anything is repeated." }
        }
    }
}

fn history(runs: &[RunSummary], now: Timestamp) -> Markup {
    html! {
        section.card {
            h2 { "Last runs" }
            @if runs.is_empty() { p.faint { "None yet." } } @else {
                figure {
                    (plot::large(runs))
                    figcaption.faint {
                        span { @if let Some(first) = runs.first() { (distance(first.ended, now)) } }
                        span.legend {
                            span.done { "done" } span.held { "held" } span.failed { "failed" }
                            span { "highest bar: " (count(plot::most(runs), "operation", "operations")) }
                        }
                        span { @if let Some(last) = runs.last() { (distance(last.ended, now)) } }
                    }
                }
                div.scroll {
                    table.runs {
                        thead { tr { th { "Ended" } th { "Result" } th.n { "Planned" } th.n { "Done" } th.n { "Held" } th.n { "Failed" } th.n { "Calls" } th.n { "Took" } } }
                        tbody { @for run in runs.iter().rev().take(LISTED) {
                            tr {
                                td { time datetime=(run.ended) title=(distance(run.ended, now)) { (exactly(run.ended)) } }
                                td { span class={ "pill " (tone(run.status)) } { (run.status.name()) } }
                                @for n in [run.planned, run.done, run.held, run.failed, run.calls] { td.n { (figure(n)) } }
                                td.n { (length(run.started, run.ended)) }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn tone(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Ok => "good",
        RunStatus::Held | RunStatus::Partial => "wait",
        RunStatus::Failed => "bad",
    }
}
