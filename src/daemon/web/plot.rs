//! The last runs as a picture. In: summaries of runs, the oldest first. Out: SVG, drawn here, without scripts or styles of its own.
//!
//! A bar is a run: what was done, held and failed, one upon the other. Heights grow with the square root, so that a first sync of
//! thousands and a day's three changes can be seen side by side. A run without operations is a tick on the base line, in the
//! colour of how it ended.

use maud::{Markup, html};

use super::words::{exactly, figure};
use crate::model::RunStatus;
use crate::store::RunSummary;

struct PlotShape {
    width: f64,
    height: f64,
    /// The most bars that fit.
    bars: usize,
    gap: f64,
}

/// For a row.
pub(super) fn small(runs: &[RunSummary]) -> Markup {
    let shape = PlotShape { width: 150.0, height: 28.0, bars: 30, gap: 1.5 };
    drawn(runs, &shape, "spark")
}

/// For a page of its own.
pub(super) fn large(runs: &[RunSummary]) -> Markup {
    let shape = PlotShape { width: 720.0, height: 120.0, bars: 60, gap: 3.0 };
    drawn(runs, &shape, "plot")
}

/// The highest bar, in operations.
pub(super) fn most(runs: &[RunSummary]) -> u64 {
    runs.iter().map(operations).max().unwrap_or(0)
}

fn operations(run: &RunSummary) -> u64 {
    run.done.saturating_add(run.held).saturating_add(run.failed)
}

/// A part of a bar: its class, its upper and lower end.
struct BarPart {
    class: &'static str,
    top: f64,
    height: f64,
}

fn drawn(runs: &[RunSummary], shape: &PlotShape, class: &str) -> Markup {
    let runs = runs.get(runs.len().saturating_sub(shape.bars)..).unwrap_or_default();
    let step = shape.width / shape.bars as f64;
    // The newest stands at the right edge.
    let first = shape.width - step * runs.len() as f64;
    let most = most(runs);
    html! {
        svg class=(class) viewBox={ "0 0 " (shape.width) " " (shape.height) } role="img" aria-label=(told(runs)) preserveAspectRatio="none" {
            line class="base" x1="0" x2=(shape.width) y1=(shape.height - 0.5) y2=(shape.height - 0.5) {}
            @for (at, run) in runs.iter().enumerate() {
                @let left = rounded(first + step * at as f64 + shape.gap / 2.0);
                g {
                    title { (exactly(run.ended)) ": " (run.status.name()) ", " (figure(run.done)) " done, " (figure(run.held)) " held, " (figure(run.failed)) " failed" }
                    @for part in bar(run, most, shape.height) {
                        rect class=(part.class) x=(left) y=(rounded(part.top)) width=(rounded(step - shape.gap)) height=(rounded(part.height)) {}
                    }
                }
            }
        }
    }
}

fn bar(run: &RunSummary, most: u64, height: f64) -> Vec<BarPart> {
    const TICK: f64 = 3.0;
    let all = operations(run);
    if all == 0 || most == 0 {
        let class = match run.status {
            RunStatus::Ok => "quiet",
            RunStatus::Held | RunStatus::Partial => "held",
            RunStatus::Failed => "failed",
        };
        return vec![BarPart { class, top: height - TICK, height: TICK }];
    }
    let whole = ((all as f64 / most as f64).sqrt() * (height - 2.0)).max(TICK + 1.0);
    let mut bottom = height;
    let mut parts = Vec::with_capacity(3);
    for (class, n) in [("done", run.done), ("held", run.held), ("failed", run.failed)] {
        if n > 0 {
            // One failure among thousands is to be seen, too.
            let part = (whole * n as f64 / all as f64).max(2.0);
            bottom = (bottom - part).max(0.0);
            parts.push(BarPart { class, top: bottom, height: part });
        }
    }
    parts
}

/// Two digits are enough for a screen.
fn rounded(n: f64) -> f64 {
    (n * 100.0).round() / 100.0
}

/// The picture in words.
fn told(runs: &[RunSummary]) -> String {
    let sum = |of: fn(&RunSummary) -> u64| runs.iter().map(of).fold(0_u64, u64::saturating_add);
    format!(
        "the last {} runs: {} operations done, {} held, {} failed",
        runs.len(),
        figure(sum(|run| run.done)),
        figure(sum(|run| run.held)),
        figure(sum(|run| run.failed))
    )
}
