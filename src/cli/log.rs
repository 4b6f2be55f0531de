//! Logs: one line an event, ids only. In: the command line, `[log]` of `rosterd.toml`. Out: standard error, or journald.
//!
//! `-v` shows each run's stages, `-vv` every call; `RUST_LOG` overrides both and `[log]`, which is for `rosterd run` alone.

use std::fmt;

use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format, layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use super::args::{Cli, Command, Format, Global};
use crate::config::global::{LogFormat, LogLevel, LogTable};
use crate::model::text::shown;
use crate::tenancy;

pub(super) fn start(cli: &Cli) {
    write_events(cli);
    log_panics();
}

/// Writes a panic to the log like every other event. What it was called with stays out: a library may quote an answer there, names
/// and all. The words of a literal are those of its author.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(|at| format!("{}:{}", place(at.file()), at.line())).unwrap_or_default();
        let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(left out)");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => {
                tracing::error!(
                    at,
                    said,
                    thread,
                    ?backtrace,
                    "a thread panicked: this is a bug in rosterd or a library"
                );
            }
            _ => tracing::error!(at, said, thread, "a thread panicked: this is a bug in rosterd or a library"),
        }
    }));
}

/// A source file from its package's folder on: the rest is a path of the machine that built it.
fn place(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').collect();
    let source = parts.iter().rposition(|part| *part == "src").unwrap_or(0).saturating_sub(1);
    parts.get(source..).unwrap_or_default().join("/")
}

fn write_events(cli: &Cli) {
    let table = matches!(cli.command, Command::Run(_)).then(|| log_table(&cli.global));
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level(&cli.global, table.as_ref())));
    let registry = tracing_subscriber::registry().with(filter);
    let wanted = table.map(|table| table.format).unwrap_or_default();
    // No text of a field begins a line: whatever nobody sees in it is spelt out.
    let fields = || debug_fn(field).delimited(" ");
    let stderr = || layer().with_writer(std::io::stderr).with_ansi(false);
    // Under systemd the journal has its own clock, and takes a line's priority from its beginning.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut missing = None;
    if wanted == LogFormat::Journald {
        match tracing_journald::layer() {
            Ok(journal) => {
                let journal =
                    journal.with_syslog_identifier("rosterd".to_owned()).with_field_prefix(Some("ROSTERD".to_owned()));
                return registry.with(journal).init();
            }
            Err(error) => missing = Some(error),
        }
    }
    match (cli.global.format, wanted, in_journal) {
        (Format::Json, ..) | (_, LogFormat::Json, _) => registry.with(stderr().json().with_target(false)).init(),
        (.., true) => {
            let plain = format().without_time().with_target(false).with_ansi(false);
            registry.with(stderr().fmt_fields(fields()).event_format(WithPriority(plain))).init();
        }
        (.., false) => registry.with(stderr().fmt_fields(fields()).compact().with_target(false)).init(),
    }
    if let Some(error) = missing {
        tracing::warn!(%error, "journald can't be reached: logging to standard error");
    }
}

/// Writes one field of an event as it may stand in a line.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", shown(&text)),
        name => write!(writer, "{}={}", name.strip_prefix("r#").unwrap_or(name), shown(&text)),
    }
}

/// A file with mistakes is told by the command itself.
fn log_table(global: &Global) -> LogTable {
    tenancy::load_global(&global.config).map(|loaded| loaded.file.log).unwrap_or_default()
}

fn level(global: &Global, table: Option<&LogTable>) -> &'static str {
    match (global.quiet, global.verbose, table.map(|table| table.level)) {
        (true, ..) | (false, 0, Some(LogLevel::Error)) => "error",
        (false, 0, None | Some(LogLevel::Warn)) => "warn",
        (false, 0, Some(LogLevel::Info)) | (false, 1, _) => "rosterd=info,warn",
        (false, 0, Some(LogLevel::Trace)) => "rosterd=trace,debug",
        (false, ..) => "rosterd=debug,info",
    }
}

/// Puts syslog's priority before a line, as sd-daemon(3) says.
struct WithPriority<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_without_the_machine_that_built_it() {
        assert_eq!(place("/home/builder/registry/index/ldap3-0.12.1/src/protocol.rs"), "ldap3-0.12.1/src/protocol.rs");
        assert_eq!(place("src/fail.rs"), "src/fail.rs");
        assert_eq!(place("odd.rs"), "odd.rs");
    }
}
