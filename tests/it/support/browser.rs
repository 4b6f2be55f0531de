//! A real browser without a window: Debian's Chromium, told what to do over a pipe (the DevTools protocol). In: addresses, sizes of
//! a screen. Out: what the page looks like there, and everything the browser had to complain about.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where Debian puts it.
pub(crate) const CHROMIUM: &str = "/usr/bin/chromium";

/// The longest a single word to the browser may take, on a machine that is busy compiling.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser with one tab. Dropping it ends it.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    session: String,
    /// What the browser told by itself since the last visit began.
    events: Vec<Value>,
    _profile: TempDir,
}

/// A kind of screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) mobile: bool,
    pub(crate) dark: bool,
}

/// What came of a visit.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What the console, the page's policy and the network had to complain about.
    pub(crate) complaints: Vec<String>,
    /// All addresses that were asked for.
    pub(crate) asked: Vec<String>,
    /// By how many pixels the page is wider than the screen.
    pub(crate) overflow: i64,
    /// Scripts in the page, of whatever kind.
    pub(crate) scripts: i64,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder for the browser");
        let log = profile.path().join("log");
        let mut command = Command::new("sh");
        // It reads orders from file 3 and answers on file 4, and ends when its orders do.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "sh", CHROMIUM, "--headless=new"]);
        command.args(["--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"]);
        command.args(["--hide-scrollbars", "--force-color-profile=srgb", "--no-sandbox"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", profile.path()).env("LANG", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&log).expect("the browser's log"));
        let mut child = command.spawn().expect("the browser starts");
        let input = child.stdin.take().expect("its orders");
        let output = child.stdout.take().expect("its answers");
        let (tell, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let (session, events) = (String::new(), Vec::new());
        let mut browser = Self { child, input, messages, last_id: 0, session, events, _profile: profile };
        let tab = browser.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": tab, "flatten": true}));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens an address on a screen and looks around.
    pub(crate) fn visit(&mut self, url: &str, screen: Screen) -> Visit {
        let Screen { width, height, mobile, dark, .. } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.ask("Emulation.setEmulatedMedia", json!({"features": [scheme]}));
        self.events.clear();
        let navigated = self.ask("Page.navigate", json!({"url": url}));
        assert!(navigated["errorText"].is_null(), "{url}: {navigated}");
        self.until("Page.loadEventFired");
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let overflow = self.evaluate(overflow).as_i64().expect("a number");
        let scripts = self.evaluate("document.scripts.length").as_i64().expect("a number");
        let text = self.evaluate("document.body.innerText").as_str().unwrap_or_default().to_owned();
        Visit { complaints: self.complaints(), asked: self.asked(), overflow, scripts, text }
    }

    /// What the screen shows, as PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false}));
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64")
    }

    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    fn complaints(&self) -> Vec<String> {
        let told = self.events.iter().filter_map(|event| {
            let params = &event["params"];
            let complaint = match event["method"].as_str()? {
                "Runtime.consoleAPICalled" => params["args"].clone(),
                "Runtime.exceptionThrown" => params["exceptionDetails"].clone(),
                "Log.entryAdded" => params["entry"].clone(),
                "Network.loadingFailed" => params["errorText"].clone(),
                "Page.javascriptDialogOpening" => params["message"].clone(),
                "Audits.issueAdded" => params["issue"]["code"].clone(),
                _ => return None,
            };
            Some(format!("{}: {complaint}", event["method"]))
        });
        told.collect()
    }

    fn asked(&self) -> Vec<String> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// Sends one order and waits for its answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut order = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        let mut bytes = order.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser listens");
        let deadline = Instant::now() + LIMIT;
        loop {
            let message = self.next(deadline, method);
            if message["id"] == json!(self.last_id) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn until(&mut self, method: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.events.iter().any(|event| event["method"] == method) {
            let message = self.next(deadline, method);
            self.events.push(message);
        }
    }

    fn next(&self, deadline: Instant, awaited: &str) -> Value {
        match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => panic!("the browser does not answer {awaited}"),
            Err(RecvTimeoutError::Disconnected) => {
                let log = std::fs::read_to_string(self._profile.path().join("log")).unwrap_or_default();
                panic!("the browser has ended before {awaited}:\n{log}")
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
