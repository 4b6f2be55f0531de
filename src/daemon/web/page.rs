//! What all pages share: the frame, states as marks, times. In: a title and a body. Out: a whole document.
//!
//! Everything that came from outside goes through [`shown`](super::words::shown) and the template's escaping. No scripts, no styles in
//! attributes, nothing from elsewhere: the headers forbid them.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::PageView;
use super::words::{distance, exactly, named};
use crate::model::TenantState;

/// Pages that only show are made anew so often, in seconds. One from which somebody copies is not.
const REFRESH: u32 = 15;

/// How a page is framed.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) refreshes: bool,
}

pub(super) fn document(view: &PageView, frame: &Frame<'_>, body: &Markup) -> Markup {
    let board = view.pane.board();
    let now = view.clock.now();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if frame.refreshes { meta http-equiv="refresh" content=(REFRESH); }
                title { (frame.title) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
            }
            body {
                header.top {
                    a.brand href="/" { img src="/icon.svg" alt="" width="28" height="28"; span { "rosterd" } }
                    @if let Some(board) = &board {
                        span.faint { "version " (board.version) ", process " (board.process) ", running for " (super::words::duration(seconds_since(board.started, now))) }
                    }
                }
                main { (body) }
                footer.faint {
                    span { "As of " (exactly(now)) @if frame.refreshes { ", refreshed every " (REFRESH) " s" } }
                    span { a href="/metrics" { "metrics" } " · " a href="/status" { "status as JSON" } }
                }
            }
        }
    }
}

fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    now.duration_since(then).as_secs().try_into().unwrap_or(0)
}

pub(super) fn no_such_tenant(view: &PageView) -> Markup {
    let body = html! {
        h1 { "No such tenant" }
        p { "No tenant file of that name has been read. " a href="/" { "All tenants" } }
    };
    document(view, &Frame { title: "no such tenant · rosterd", refreshes: false }, &body)
}

/// A state as a coloured word. The colour says nothing that the word does not.
pub(super) fn pill(state: TenantState) -> Markup {
    html! { span class={ "pill " (tone(state)) } { (state.words()) } }
}

/// Which colour a state has.
pub(super) fn tone(state: TenantState) -> &'static str {
    match state {
        TenantState::Ok => "good",
        TenantState::Failing | TenantState::Quarantined | TenantState::FileMistake => "bad",
        TenantState::Held | TenantState::AdoptOnly | TenantState::Partial | TenantState::Paused => "wait",
        TenantState::New | TenantState::Busy | TenantState::Retired => "calm",
    }
}

/// An instant as people say it, with the exact one behind it.
pub(super) fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exactly(at)) { (distance(at, now)) } }
}

/// A name from outside. `bdi` keeps right-to-left names to themselves.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi { (named(text)) } }
}

/// Text in which backticks mark what to type.
pub(super) fn prose(text: &str) -> Markup {
    let text = super::words::at_most(text, 2000);
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
