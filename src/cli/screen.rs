//! The person's terminal. In: words, tables, progress. Out: standard output for results, standard error for everything else.

use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{Colour, Format, Global};
use super::failure::CommandFailure;
use crate::daemon::{CommandLink, OutputStream};
use crate::files;
use crate::identity::Identity;
use crate::model::text;
use crate::progress::Progress;

/// JSON for another process is sent in pieces of this size.
const PIECE: usize = 64 << 10;

/// Bold.
pub(super) const STRONG: Style = Style::new().bold();
/// Less important.
pub(super) const FAINT: Style = Style::new().dimmed();
/// Something is added.
pub(super) const ADD: Style = AnsiColor::Green.on_default();
/// Something changes.
pub(super) const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Something is taken away, or went wrong.
pub(super) const REMOVE: Style = AnsiColor::Red.on_default();
/// Something waits.
pub(super) const WAIT: Style = AnsiColor::Magenta.on_default();

/// Where output goes, and how.
#[derive(Clone)]
pub(super) struct Screen {
    pub(super) format: Format,
    pub(super) quiet: bool,
    pub(super) verbose: u8,
    /// The process that asked for the command, if the daemon carries it out.
    pub(super) caller: Option<Arc<CommandLink>>,
}

impl Screen {
    pub(super) fn new(global: &Global) -> Self {
        match global.color {
            Colour::Auto => anstream::ColorChoice::Auto,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self { format: global.format, quiet: global.quiet, verbose: global.verbose, caller: None }
    }

    /// A line of the result, for people. A closed pipe (`| head`) is no failure.
    pub(super) fn say(&self, line: impl Display) {
        if self.format == Format::Human && !self.quiet {
            self.put(OutputStream::Out, &format!("{line}\n"));
        }
    }

    /// A line beside the result: what is going on, what went wrong.
    pub(super) fn note(&self, line: impl Display) {
        if !self.quiet {
            self.put(OutputStream::Err, &format!("{line}\n"));
        }
    }

    /// Puts text out as it is. A closed pipe is no failure.
    pub(super) fn put(&self, stream: OutputStream, text: &str) {
        let _closed = match (&self.caller, stream) {
            (Some(caller), stream) => caller.output(stream, text),
            (None, OutputStream::Out) => write!(anstream::stdout(), "{text}"),
            (None, OutputStream::Err) => write!(anstream::stderr(), "{text}"),
        };
    }

    /// An error, always shown: what happened, and what to type next.
    pub(super) fn error(&self, line: impl Display) {
        self.put(OutputStream::Err, &format!("{} {line}\n", paint(REMOVE.bold(), "error:")));
    }

    /// Why a command failed. Scripts get it as JSON too, on standard error: standard output holds results only.
    pub(super) fn failure(&self, failure: &CommandFailure) {
        if self.format == Format::Json {
            let document = serde_json::json!({"error": failure.message, "hint": failure.hint, "code": failure.code});
            let _closed_pipe = writeln!(std::io::stderr(), "{document}");
            return;
        }
        self.error(safe_lines(&failure.message));
        if let Some(hint) = &failure.hint {
            let _closed_pipe = writeln!(anstream::stderr(), "{} {}", paint(STRONG, "next: "), safe_lines(hint));
        }
    }

    /// One JSON document.
    pub(super) fn json(&self, document: &impl serde::Serialize) -> std::io::Result<()> {
        let mut out: Box<dyn Write + '_> = match &self.caller {
            Some(caller) => Box::new(BufWriter::with_capacity(PIECE, CallerOutput(caller))),
            None => Box::new(std::io::stdout().lock()),
        };
        serde_json::to_writer_pretty(&mut out, document)?;
        writeln!(out)?;
        out.flush()
    }

    /// Writes a file that only its owner may read, whole or not at all; by the process that named it.
    pub(super) fn save(&self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        match &self.caller {
            Some(caller) => caller.save(path, text),
            None => files::replace::replace(path, files::modes::PRIVATE, text),
        }
    }

    /// The account for which the command is carried out.
    pub(super) fn identity(&self) -> Identity {
        self.caller.as_ref().map_or_else(Identity::of_this_process, |caller| caller.from().clone())
    }

    /// Whether standard error shows colors.
    pub(super) fn has_colours(&self) -> bool {
        // The process that asked takes them out, if its own does not.
        self.caller.is_some() || anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
    }

    /// One JSON line of a stream.
    pub(super) fn json_line(&self, document: &impl serde::Serialize) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, document)?;
        writeln!(out)
    }

    /// A progress bar, where a person is watching.
    pub(super) fn bar(&self) -> Bar {
        let watched = std::io::stderr().is_terminal() && !self.quiet && self.format == Format::Human;
        Bar { watched, bar: Mutex::new(None), caller: self.caller.clone() }
    }
}

/// Standard output of the process that asked for a command.
struct CallerOutput<'c>(&'c CommandLink);

impl Write for CallerOutput<'_> {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        // JSON is written in whole characters.
        self.0.output(OutputStream::Out, std::str::from_utf8(text).map_err(std::io::Error::other)?)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Styled text, for use inside a line.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// `1 person`, `2 people`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// `1,234,567`
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Text from outside, safe for a terminal: what nobody sees is spelt out.
pub(super) fn safe(text: &str) -> String {
    text::shown(text).into_owned()
}

/// A name from outside, with a mark beside it if it is not what it looks like.
pub(super) fn named(text: &str) -> String {
    text::named(text).into_owned()
}

/// As [`safe`], but line ends stay.
fn safe_lines(text: &str) -> String {
    text::shown_lines(text).into_owned()
}

/// Progress with count, rate and time left.
pub(super) struct Bar {
    watched: bool,
    bar: Mutex<Option<ProgressBar>>,
    caller: Option<Arc<CommandLink>>,
}

impl Bar {
    fn replace(&self, next: Option<ProgressBar>) {
        let mut bar = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(old) = bar.take() {
            old.finish_and_clear();
        }
        *bar = next;
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(&self) {
        self.replace(None);
    }
}

impl Progress for Bar {
    fn stage(&self, what: &str, total: Option<u64>) {
        if let Some(caller) = &self.caller {
            return caller.stage(what, total);
        }
        if !self.watched {
            return;
        }
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len}  {per_sec}  {eta} left",
            None => "{spinner} {msg} {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.replace(Some(bar));
    }

    fn advance(&self, n: u64) {
        if let Some(caller) = &self.caller {
            return caller.advance(n);
        }
        if let Some(bar) = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_ref() {
            bar.inc(n);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(safe("Ann Lee"), "Ann Lee");
        assert_eq!(safe("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\u{a}c\\u{202e}d");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
