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
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};
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

/// How long another run of the same program is waited for, and how often that is looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const TURN: Duration = Duration::from_millis(50);

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

    /// The place of the output, once no other run of the program is under way. Who waits says so, since that may take as long as the program.
    fn turn<'s>(&self, slot: &'s Mutex<CachedOutput>) -> Result<MutexGuard<'s, CachedOutput>, SecretError> {
        let began = Instant::now();
        loop {
            match slot.try_lock() {
                Ok(slot) => return Ok(slot),
                Err(TryLockError::Poisoned(slot)) => return Ok(slot.into_inner()),
                Err(TryLockError::WouldBlock) if began.elapsed() > LONGEST_WAIT => {
                    let why = format!("earlier runs of it took more than {} s", LONGEST_WAIT.as_secs());
                    return Err(self.failed(why, "run it by hand as the user of the service"));
                }
                Err(TryLockError::WouldBlock) => {
                    bounded::beat();
                    std::thread::sleep(TURN);
                }
            }
        }
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
    let mut slot = line.turn(&slot)?;
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

/// Forgets the last output: it was refused, so that the next one is asked for although its time has not passed.
pub(super) fn forget(place: &SecretRef) {
    let Some(program) = SecretProgram::of(place) else { return };
    OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner).remove(&program);
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
    let watched = Watched::new(&mut child).and_then(|watched| Ok((watched.ended(&mut child, limit)?, watched)));
    let (status, Watched { output, errors, .. }) = watched.map_err(|error| {
        // Not even a thread could be had: nothing is left running that no one waits for.
        let killed = child.kill().and_then(|()| child.wait());
        tracing::debug!(?killed, "a secret command that could not be waited for");
        line.failed(format!("it could not be waited for: {error}"), "try again")
    })?;
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

/// A program that runs, with what is heard of it.
struct Watched {
    pid: Pid,
    output: Receiver<Zeroizing<Vec<u8>>>,
    errors: Receiver<Zeroizing<Vec<u8>>>,
    over: Receiver<rustix::io::Result<Option<WaitIdStatus>>>,
}

impl Watched {
    /// Listens to the program, on threads: each waits for something that has no time limit of its own.
    fn new(child: &mut Child) -> std::io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("it has no process id"))?;
        let (output, errors) = (reader(child.stdout.take(), LARGEST + 1)?, reader(child.stderr.take(), MOST_ERRORS)?);
        // It is not reaped there: its number stays taken until after the last signal to its group.
        let over = aside(move || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT))?;
        Ok(Self { pid, output, errors, over })
    }

    /// Waits for the end of the program, or kills it and all it started at the time limit (`None`).
    fn ended(&self, child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        let began = Instant::now();
        let is_over = loop {
            match self.over.recv_timeout(BEAT.min(limit.saturating_sub(began.elapsed()))) {
                Ok(ended) => break ended.map(|_| true)?,
                Err(RecvTimeoutError::Timeout) if began.elapsed() < limit => bounded::beat(),
                Err(_) => break false,
            }
        };
        // Also what a program that has ended left in its group.
        if let Err(error) = kill_process_group(self.pid, Signal::KILL) {
            tracing::trace!(%error, "nothing was left of a secret command");
        }
        let status = child.wait()?;
        Ok(is_over.then_some(status))
    }
}

/// Reads one output of the program, up to a limit. What comes after it is read and dropped, so that the program ends.
fn reader(pipe: Option<impl Read + Send + 'static>, most: u64) -> std::io::Result<Receiver<Zeroizing<Vec<u8>>>> {
    aside(move || {
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or(0)));
        if let Some(mut pipe) = pipe {
            // A pipe that breaks ends like one that is closed: the exit status says how the program ended.
            let read = pipe.by_ref().take(most).read_to_end(&mut bytes);
            let rest = std::io::copy(&mut pipe, &mut std::io::sink());
            tracing::trace!(?read, ?rest, "output of a secret command");
        }
        bytes
    })
}

/// Does something on a thread of its own.
fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<Receiver<T>> {
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new().name("secret".to_owned()).spawn(move || {
        let result = work();
        // Who waited may have given up.
        let _gave_up = tell.send(result);
    })?;
    Ok(told)
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
