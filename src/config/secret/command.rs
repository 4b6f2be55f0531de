//! Secrets that a program prints, such as the client of a secret manager. It takes a `command` of a [`SecretRef`] and returns the program's only
//! line of output, or an error that names the program and never its output.
//!
//! The program is started without a shell, in a process group of its own, with few environment variables. It must be one that no other user
//! could have changed. The whole group is killed at the time limit. Its output is kept in memory for a stated time; while it runs, others who want the
//! same secret wait for it.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

use super::{LARGEST, SecretError, SecretRef};
use crate::bounded;
use crate::files::trust::{Distrust, FileTrust};
use crate::model::text::{looks_like_a_secret, place as place_of, shown};

/// How long a program's output is used where `cache` is left out.
const USUAL_CACHE: Duration = Duration::from_secs(300);

/// How long a program may take where `timeout` is left out, and at most.
const USUAL_LIMIT: Duration = Duration::from_secs(10);
const LONGEST_LIMIT: Duration = Duration::from_secs(60);

/// How much of a program's error output is read, and how much of that is shown.
const MOST_ERRORS: u64 = 16 << 10;
const SHOWN_ERRORS: usize = 300;

/// Between two signs of life while a program is waited for.
const BEAT: Duration = Duration::from_secs(1);

/// How long the output of a program that has ended may stay open: a process that left its group may hold it.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// The last output of a program, and when it came.
type CachedOutput = Option<(Instant, Zeroizing<String>)>;

/// The outputs of programs, each behind a lock that is held while the program runs. A program is told apart by arguments and environment.
static OUTPUTS: LazyLock<Mutex<HashMap<SecretProgram, Arc<Mutex<CachedOutput>>>>> = LazyLock::new(Mutex::default);

/// A program with its arguments and the names of its environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SecretProgram {
    program: String,
    arguments: Vec<String>,
    environment: Vec<String>,
}

impl SecretProgram {
    /// The command of a place; `None` where it has none.
    fn of(place: &SecretRef) -> Option<Self> {
        let (program, arguments) = place.command.as_ref()?.split_first()?;
        let environment = place.environment.clone().unwrap_or_default();
        Some(Self { program: program.clone(), arguments: arguments.to_vec(), environment })
    }

    fn output(&self) -> Arc<Mutex<CachedOutput>> {
        let mut outputs = OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(outputs.entry(self.clone()).or_default())
    }

    fn failed(&self, why: impl Into<String>, remedy: impl Into<String>) -> SecretError {
        SecretError::Command { program: place_of(&self.program), why: why.into(), remedy: remedy.into() }
    }
}

/// The secret that a command prints: what it printed within the time of `cache`, or what it prints now. This blocks for the time limit at most.
///
/// # Errors
/// When the program may not or can't be started, fails, takes too long, or prints something else than one line of text.
pub(super) fn fetch(
    place: &SecretRef,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, SecretError> {
    let line = SecretProgram::of(place).ok_or(SecretError::NoPlace)?;
    let limit = place.timeout.map_or(USUAL_LIMIT, |limit| limit.duration().min(LONGEST_LIMIT));
    let cache = place.cache.map_or(USUAL_CACHE, |cache| cache.duration());
    let slot = line.output();
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((since, output)) = slot.as_ref().filter(|(since, _)| since.elapsed() < cache) {
        tracing::trace!(age = ?since.elapsed(), "using the cached output of a secret command");
        return Ok(output.clone());
    }
    *slot = None;
    let output = run(&line, limit, variable)?;
    *slot = Some((Instant::now(), output.clone()));
    Ok(output)
}

/// The last output of a command, if it is still used; nothing is started.
pub(super) fn cached(place: &SecretRef) -> Option<Zeroizing<String>> {
    let cache = place.cache.map_or(USUAL_CACHE, |cache| cache.duration());
    let slot = SecretProgram::of(place)?.output();
    // While the program runs nothing is known yet.
    let slot = slot.try_lock().ok()?;
    slot.as_ref().filter(|(since, _)| since.elapsed() < cache).map(|(_, output)| output.clone())
}

/// Why a program may not be started; nothing is started.
pub(super) fn refusal(place: &SecretRef) -> Option<SecretError> {
    fit(&SecretProgram::of(place)?).err()
}

/// A program is named by its path, and no other user could have changed it.
fn fit(line: &SecretProgram) -> Result<(), SecretError> {
    let path = Path::new(&line.program);
    if !path.is_absolute() {
        return Err(
            line.failed("a program is named by its whole path", "find it with `command -v PROGRAM` and write the path")
        );
    }
    match FileTrust::of_this_process().look(path) {
        Ok(found) if !found.metadata.is_file() => Err(line.failed("it is no regular file", "name a program")),
        Ok(_) if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() => {
            Err(line.failed("this user may not execute it", format!("chmod +x {}", place_of(&line.program))))
        }
        Ok(_) => Ok(()),
        Err(Distrust::Refused { path, why, remedy, .. }) => Err(line.failed(format!("{path} {why}"), remedy)),
        Err(Distrust::Unseen { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(line.failed("there is no such program", "install it, or correct the path"))
        }
        Err(Distrust::Unseen { error, .. }) => {
            Err(line.failed(format!("it can't be looked at: {error}"), "correct the path"))
        }
    }
}

fn run(
    line: &SecretProgram,
    limit: Duration,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, SecretError> {
    fit(line)?;
    let names = ["PATH".to_owned()].into_iter().chain(line.environment.iter().cloned());
    let mut command = Command::new(&line.program);
    command
        .args(&line.arguments)
        .env_clear()
        .envs(names.filter_map(|name| Some((variable(&name)?, name))).map(|(value, name)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).current_dir("/");
    let mut child = command.spawn().map_err(|error| not_started(line, &error))?;
    let output = reader(child.stdout.take(), LARGEST + 1);
    let errors = reader(child.stderr.take(), MOST_ERRORS);
    let status = ended(&mut child, limit)
        .map_err(|error| line.failed(format!("it could not be waited for: {error}"), "try again"))?;
    let Some(status) = status else {
        let remedy =
            "run it by hand as the user of the service to see what it waits for, or set `timeout` (at most 1m)";
        return Err(line.failed(format!("it did not end within {} s and was killed", limit.as_secs()), remedy));
    };
    let (Ok(output), Ok(errors)) = (output.recv_timeout(AFTER_THE_END), errors.recv_timeout(AFTER_THE_END)) else {
        let remedy = "name a program that leaves no process behind";
        return Err(line.failed("it ended, and a process that it started keeps its output open", remedy));
    };
    if !status.success() {
        return Err(line.failed(in_words(status, &errors, &output), "run it by hand as the user of the service"));
    }
    one_line(line, output)
}

fn not_started(line: &SecretProgram, error: &std::io::Error) -> SecretError {
    let remedy = match error.kind() {
        // The unit forbids programs, and the kernel says so with the same error as for a missing right.
        std::io::ErrorKind::PermissionDenied => format!(
            "the service may start only the programs in ExecPaths=: put `[Service]` and `ExecPaths={program}` into \
             /etc/systemd/system/rosterd.service.d/programs.conf, then: systemctl daemon-reload && systemctl restart rosterd",
            program = place_of(&line.program)
        ),
        _ => "run it by hand as the user of the service".to_owned(),
    };
    line.failed(format!("it can't be started: {error}"), remedy)
}

/// Reads one output of the program on a thread of its own, up to a limit. What comes after it is read and dropped, so that the program ends.
fn reader(pipe: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Zeroizing<Vec<u8>>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or(0)));
        if let Some(mut pipe) = pipe {
            // A pipe that breaks ends like one that is closed: the exit status says how the program ended.
            let read = pipe.by_ref().take(most).read_to_end(&mut bytes);
            let rest = std::io::copy(&mut pipe, &mut std::io::sink());
            tracing::trace!(?read, ?rest, "output of a secret command");
        }
        drop(tell.send(bytes));
    });
    told
}

/// Waits for the end of the program, or kills it and all it started at the time limit (`None`).
fn ended(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("it has no process id"))?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // It is not reaped here: its number stays taken until after the last signal to its group.
        let _gave_up = tell.send(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
    });
    let began = Instant::now();
    let is_over = loop {
        match told.recv_timeout(BEAT.min(limit.saturating_sub(began.elapsed()))) {
            Ok(ended) => break ended.map(|_| true)?,
            Err(RecvTimeoutError::Timeout) if began.elapsed() < limit => bounded::beat(),
            Err(_) => break false,
        }
    };
    // Also what a program that has ended left in its group.
    if let Err(error) = kill_process_group(pid, Signal::KILL) {
        tracing::trace!(%error, "nothing was left of a secret command");
    }
    let status = child.wait()?;
    Ok(is_over.then_some(status))
}

/// How a program failed, with the end of its error output. Words that look like a secret, and all that it printed as its output, are left out.
fn in_words(status: ExitStatus, errors: &[u8], output: &[u8]) -> String {
    let output = Zeroizing::new(String::from_utf8_lossy(output).into_owned());
    let printed: Vec<&str> = output.split_whitespace().filter(|word| word.len() > 3).collect();
    let errors = String::from_utf8_lossy(errors);
    let line = errors.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let word = |word: &str| match looks_like_a_secret(word) || printed.iter().any(|own| word.contains(own)) {
        true => "***".to_owned(),
        false => shown(word).into_owned(),
    };
    let line: String =
        line.split_whitespace().map(word).collect::<Vec<_>>().join(" ").chars().take(SHOWN_ERRORS).collect();
    let status = match status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => format!("it was ended ({status})"),
    };
    match line.is_empty() {
        true => format!("{status} and no message"),
        false => format!("{status}: {line}"),
    }
}

/// The only line of the output.
fn one_line(line: &SecretProgram, output: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, SecretError> {
    const REMEDY: &str = "let it print the secret alone: one line, no more than 64 KiB of text";
    if output.len() as u64 > LARGEST {
        return Err(line.failed(format!("it printed more than {LARGEST} bytes"), REMEDY));
    }
    let Ok(text) = std::str::from_utf8(&output) else { return Err(line.failed("what it printed is not text", REMEDY)) };
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    match text {
        "" => Err(line.failed("it printed nothing", REMEDY)),
        text if text.contains(['\n', '\r']) => Err(line.failed("it printed more than one line", REMEDY)),
        text if text.chars().any(char::is_control) => {
            Err(line.failed("what it printed has control characters", REMEDY))
        }
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
