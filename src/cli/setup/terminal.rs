//! The conversation with a person at a terminal, line by line, so that screen readers, dumb terminals and slow connections have no trouble with it.
//! In: questions. Out: answers. However it ends, the terminal echoes again and the typed secrets are off the disk.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::task::JoinHandle;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::ending::hung_up_or_interrupted;
use super::super::failure::{CommandFailure, code};
use super::super::screen::{STRONG, Screen, paint};

/// The kernel keeps this much of a line and drops the rest without a word.
const LONGEST_LINE: usize = 4095;

/// The conversation.
pub(super) struct Terminal {
    pub(super) screen: Screen,
    input: File,
    kept: Arc<Mutex<Kept>>,
    listener: JoinHandle<()>,
}

/// What has to be put right at the end, however it comes.
#[derive(Default)]
struct Kept {
    input: Option<File>,
    echo: Option<Termios>,
    scratch: Option<PathBuf>,
    has_written: bool,
}

impl Kept {
    fn tidy(&mut self) {
        if let (Some(input), Some(before)) = (&self.input, self.echo.take()) {
            // A terminal that is gone has no echo to restore.
            let _gone = tcsetattr(input, OptionalActions::Now, &before);
        }
        if let Some(folder) = self.scratch.take()
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::error!(%error, folder = %folder.display(), "the typed secrets could not be deleted; delete this folder");
        }
    }

    fn what_was_written(&self) -> &'static str {
        if self.has_written { "the files listed above were written" } else { "nothing was written" }
    }
}

impl Terminal {
    /// Begins the conversation, and listens for its interruption.
    pub(super) fn open(screen: &Screen) -> Result<Self, CommandFailure> {
        let failed = |error: std::io::Error| CommandFailure::failed(format!("reading the terminal: {error}"));
        let open = || std::io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(failed);
        let (input, kept) = (open()?, Arc::new(Mutex::new(Kept { input: Some(open()?), ..Kept::default() })));
        let (screen, shared) = (Screen { quiet: false, ..screen.clone() }, Arc::clone(&kept));
        let told = screen.clone();
        let listener = tokio::spawn(async move {
            hung_up_or_interrupted().await;
            // Files that are just being written are written to their end.
            let mut kept = lock(&shared);
            kept.tidy();
            told.note(format!("\ninterrupted; {}", kept.what_was_written()));
            std::process::exit(code::FAILED.into());
        });
        Ok(Self { screen, input, kept, listener })
    }

    /// A folder that only this user can look into, for the secrets that are tried before they are written. It is deleted at the end.
    pub(super) fn scratch(&self) -> Result<PathBuf, CommandFailure> {
        let mut kept = lock(&self.kept);
        if let Some(folder) = &kept.scratch {
            return Ok(folder.clone());
        }
        // In memory, where there is such a place.
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
        let folder = runtime.unwrap_or_else(std::env::temp_dir);
        let folder = folder.join(format!("rosterd-setup-{}", Uuid::now_v7().simple()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| CommandFailure::failed(format!("making {}: {error}", folder.display())))?;
        kept.scratch = Some(folder.clone());
        Ok(folder)
    }

    /// Writes files; an interruption waits until they are written. `write` says beside its result whether there is a file now.
    pub(super) fn write<T>(&self, write: impl FnOnce() -> (T, bool)) -> T {
        let mut kept = lock(&self.kept);
        let (result, has_written) = write();
        kept.has_written = has_written;
        result
    }

    /// The end of the conversation by the person's own word.
    pub(super) fn ended(&self) -> CommandFailure {
        let message = format!("setup was ended; {}", lock(&self.kept).what_was_written());
        CommandFailure::failed(message).hint("`rosterd setup` begins again")
    }

    /// A line of explanation.
    pub(super) fn note(&self, line: impl std::fmt::Display) {
        self.screen.note(line);
    }

    /// The heading of a step.
    pub(super) fn step(&self, words: &str) {
        self.note(format!("\n{}", paint(STRONG, words)));
    }

    /// Asks for a line; an empty one is the default, if there is one.
    pub(super) fn ask(&self, prompt: &str, default: Option<&str>) -> Result<String, CommandFailure> {
        loop {
            let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            let line = self.line(&format!("{prompt}{shown}: "))?;
            let line = line.as_str();
            match (line.trim(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => self.note("An answer is needed here; Ctrl-C ends setup."),
                (line, _) if line.chars().any(char::is_control) => {
                    self.note("That line has control characters, such as those of an arrow key; type it again.");
                }
                (line, _) => return Ok(line.to_owned()),
            }
        }
    }

    /// Asks for one of several words, or its number.
    pub(super) fn choose(&self, prompt: &str, words: &[&str], default: Option<&str>) -> Result<String, CommandFailure> {
        loop {
            let answer = self.ask(prompt, default)?;
            let numbered = answer.parse::<usize>().ok().and_then(|number| words.get(number.checked_sub(1)?));
            match words.iter().find(|word| **word == answer).or(numbered) {
                Some(word) => return Ok((*word).to_owned()),
                None => self.note(format!("Type one of {}, or its number.", words.join(", "))),
            }
        }
    }

    /// Asks for yes or no.
    pub(super) fn agrees(&self, question: &str, default: bool) -> Result<bool, CommandFailure> {
        loop {
            let answer = self.ask(&format!("{question} (y/n)"), Some(if default { "y" } else { "n" }))?;
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.note("Type y or n."),
            }
        }
    }

    /// Asks for a secret, which is not shown while it is typed. `None` for an empty line, where that means something.
    pub(super) fn secret(&self, prompt: &str, may_be_empty: bool) -> Result<Option<Zeroizing<String>>, CommandFailure> {
        let failed =
            |error: rustix::io::Errno| CommandFailure::failed(format!("turning off the terminal's echo: {error}"));
        loop {
            let before = tcgetattr(&self.input).map_err(failed)?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            silent.local_modes.insert(LocalModes::ECHONL);
            // Kept first: an interruption in between restores what was there.
            lock(&self.kept).echo = Some(before.clone());
            tcsetattr(&self.input, OptionalActions::Flush, &silent).map_err(failed)?;
            let line = self.line(prompt);
            tcsetattr(&self.input, OptionalActions::Now, &before).map_err(failed)?;
            lock(&self.kept).echo = None;
            let line = line?;
            match line.trim() {
                "" if may_be_empty => return Ok(None),
                "" => self.note("A secret is needed here; Ctrl-C ends setup."),
                secret => return Ok(Some(Zeroizing::new(secret.to_owned()))),
            }
        }
    }

    /// A line without its end.
    fn line(&self, prompt: &str) -> Result<Zeroizing<String>, CommandFailure> {
        let failed = |error: std::io::Error| CommandFailure::failed(format!("reading the terminal: {error}"));
        loop {
            let mut err = anstream::stderr();
            write!(err, "{prompt}").and_then(|()| err.flush()).map_err(failed)?;
            // A terminal hands out one line a read, so that nothing of a secret stays in a buffer.
            let mut line = Zeroizing::new([0_u8; LONGEST_LINE + 1]);
            let length = (&self.input).read(line.as_mut_slice()).map_err(failed)?;
            if length == 0 {
                self.note("");
                return Err(self.ended());
            }
            if length >= LONGEST_LINE {
                self.note(format!(
                    "A terminal takes at most {LONGEST_LINE} characters a line, so the end of this one may be lost. For a longer secret, use \
                     `rosterd init`, and write it into its file with an editor."
                ));
                continue;
            }
            match line.get(..length).map(std::str::from_utf8) {
                Some(Ok(text)) => return Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned())),
                _ => self.note("That line is not UTF-8; type it again."),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.listener.abort();
        lock(&self.kept).tidy();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
