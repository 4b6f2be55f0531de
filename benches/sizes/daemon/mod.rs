//! The daemon as a process: `rosterd run` over many tenants. In: nothing. Out: figures of a quiet daemon, of the pace it keeps, of a
//! leaver behind a backlog, and of a soak.

mod idle;
mod leavers;
mod pace;
mod process;
mod site;
mod soak;

use serde::{Deserialize, Serialize};

use crate::meter::Figures;

/// What was found.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) on: String,
    /// A thousand tenants of a hundred people, all in step.
    pub(crate) idle: Option<Figures>,
    /// A minute of calls, and another with 429s among them.
    pub(crate) pace: Option<Figures>,
    /// A leaver behind 100,000 newcomers, for each cause.
    pub(crate) leaver: Option<Figures>,
    /// One who leaves while a run goes on.
    #[serde(default)]
    pub(crate) leaving: Option<Figures>,
    /// Two hundred tenants, edits, kills and broken apps.
    pub(crate) soak: Option<Figures>,
}

/// Measures what is asked for: `idle`, `pace`, `leaver`, `leaving`, `soak`.
pub(crate) fn measure(found: &mut Found, is_wanted: impl Fn(&str) -> bool) {
    let mut step = |name: &str, measure: fn() -> Figures, place: &mut Option<Figures>| {
        if is_wanted(name) {
            println!("daemon: {name}");
            let figures = measure();
            println!("{figures:#?}");
            *place = Some(figures);
            found.on = crate::machine::today();
        }
    };
    step("pace", pace::measure, &mut found.pace);
    step("leaver", leavers::behind_a_backlog, &mut found.leaver);
    step("leaving", leavers::during_a_run, &mut found.leaving);
    step("idle", idle::measure, &mut found.idle);
    step("soak", soak::measure, &mut found.soak);
}
