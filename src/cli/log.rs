//! Logs: one line an event, on standard error, ids only. `-v` shows each run's stages, `-vv` every call; `RUST_LOG` overrides.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::args::{Format, Global};

pub(super) fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "rosterd=info,warn",
        (false, _) => "rosterd=debug,info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Under systemd the journal has its own clock.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match (global.format, in_journal) {
        (Format::Json, _) => builder.json().init(),
        (Format::Human, true) => builder.without_time().with_ansi(false).init(),
        (Format::Human, false) => builder.compact().with_ansi(false).init(),
    }
}
