//! A command at a terminal, as a person sees it: what is typed is waited for, and everything that is shown is kept.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The longest that an answer is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal with a shell command in it. `script` of util-linux makes it.
pub(crate) struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    seen: usize,
}

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Terminal {
    /// Starts a shell command in a folder, with nothing in its environment but these variables and a path.
    pub(crate) fn start(command: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut script = Command::new("script");
        script.args(["-qefc", command, "/dev/null"]).current_dir(folder).env_clear();
        script.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "dumb").env("SHELL", "/bin/sh");
        script.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("`script` of util-linux");
        let keys = child.stdin.take();
        let mut screen = child.stdout.take().expect("its screen");
        let shown = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        let kept = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            loop {
                let length = screen.read(&mut part).unwrap_or(0);
                let (shown, changed) = &*kept;
                let mut shown = shown.lock().unwrap();
                shown.bytes.extend_from_slice(&part[..length]);
                shown.has_ended = length == 0;
                changed.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        Self { child, keys, shown, seen: 0 }
    }

    /// Waits until a text is shown, after the one that was waited for before, and gives what was shown until then.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let (shown, changed) = &*self.shown;
        let deadline = Instant::now() + LIMIT;
        let mut all = shown.lock().unwrap();
        loop {
            let rest = &all.bytes[self.seen..];
            if let Some(at) = rest.windows(text.len()).position(|window| window == text.as_bytes()) {
                let until = self.seen + at + text.len();
                let before = String::from_utf8_lossy(&all.bytes[self.seen..until]).replace("\r\n", "\n");
                self.seen = until;
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !all.has_ended,
                "{text:?} was not shown:\n{}",
                String::from_utf8_lossy(&all.bytes)
            );
            all = changed.wait_timeout(all, left).unwrap().0;
        }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.presses(&format!("{line}\r"));
    }

    /// Presses keys, such as `\x03` for Ctrl-C.
    pub(crate) fn presses(&mut self, keys: &str) {
        self.keys.as_mut().expect("a keyboard").write_all(keys.as_bytes()).expect("the keys are taken");
    }

    /// Waits for a question and answers it.
    #[track_caller]
    pub(crate) fn answers(&mut self, question: &str, answer: &str) -> String {
        let before = self.expect(question);
        self.types(answer);
        before
    }

    /// Takes the terminal away.
    pub(crate) fn closes(mut self) {
        self.child.kill().expect("it is closed");
        self.child.wait().expect("its end");
    }

    /// Waits for the end of the command: its exit code, and everything that was shown.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let (shown, changed) = &*self.shown;
        let all = shown.lock().unwrap();
        let (all, limit) = changed.wait_timeout_while(all, LIMIT, |shown| !shown.has_ended).unwrap();
        let text = String::from_utf8_lossy(&all.bytes).replace("\r\n", "\n");
        assert!(!limit.timed_out(), "it did not end:\n{text}");
        drop(all);
        drop(self.keys.take());
        (self.child.wait().expect("its end").code(), text)
    }
}
