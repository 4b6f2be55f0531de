//! SCIM servers that others wrote, each started empty and on its own. No two of them agree on much.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::http::{self, Answer};
use super::process::{self, Process};
use super::reader::{self, AppState};
use super::rig::{self, Rig};

/// Which program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Strict and truthful; bulk, ETags; allows two groups of one name; keeps nothing when it stops.
    Scim2Server,
    /// Answers most PATCHes with 501, finds nobody by externalId, closes every connection.
    DjangoScim2,
    /// Unique externalIds and e-mails too; at most 100 members in one PATCH operation.
    BetterAuth,
    /// Pages of 20, rows even past the end, doubled members; keeps nothing when it stops.
    Scimmy,
    /// Ignores filters, breaks on `count`, wants e-mail domains that exist, gives members as user names.
    Canaille,
}

/// A running server. Dropping it kills it and deletes its files.
#[derive(Debug)]
pub(crate) struct ScimServer {
    pub(crate) kind: Kind,
    /// The part's name: what `rig::require` was asked for.
    pub(crate) name: &'static str,
    /// Where `/Users` and `/Groups` are; no slash at the end.
    pub(crate) base_url: String,
    /// The one bearer token it takes.
    pub(crate) token: String,
    rig: Rig,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl Rig {
    pub(crate) fn scim2_server(&self) -> ScimServer {
        ScimServer::start(self, Kind::Scim2Server)
    }

    pub(crate) fn django_scim2(&self) -> ScimServer {
        ScimServer::start(self, Kind::DjangoScim2)
    }

    pub(crate) fn better_auth(&self) -> ScimServer {
        ScimServer::start(self, Kind::BetterAuth)
    }

    pub(crate) fn scimmy(&self) -> ScimServer {
        ScimServer::start(self, Kind::Scimmy)
    }

    pub(crate) fn canaille(&self) -> ScimServer {
        ScimServer::start(self, Kind::Canaille)
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scim2Server => "scim2-server",
            Self::DjangoScim2 => "django-scim2",
            Self::BetterAuth => "better-auth",
            Self::Scimmy => "scimmy",
            Self::Canaille => "canaille",
        }
    }

    fn base_path(self) -> &'static str {
        match self {
            Self::Scim2Server => "/v2",
            Self::DjangoScim2 | Self::Scimmy | Self::Canaille => "/scim/v2",
            Self::BetterAuth => "/api/auth/scim/v2",
        }
    }

    fn base_url(self, port: u16) -> String {
        format!("http://127.0.0.1:{port}{}", self.base_path())
    }
}

impl ScimServer {
    /// Starts an empty server and waits until it answers.
    pub(crate) fn start(rig: &Rig, kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        // Never seen before, so that only this server can take it.
        let token = format!("token-of-{}-{}", kind.name(), uuid::Uuid::now_v7().simple());
        let mut server = Self {
            kind,
            name: kind.name(),
            base_url: String::new(),
            token,
            rig: rig.clone(),
            port: 0,
            process: None,
            folder,
        };
        let (port, process) = process::start_on_free_port(
            kind.name(),
            &server.log_file(),
            |port| {
                server.prepare(port);
                server.command(port)
            },
            |port| server.answers_on(port),
        );
        (server.port, server.base_url, server.process) = (port, kind.base_url(port), Some(process));
        server
    }

    /// Kills it, as a power cut would. What it had only in memory is lost, what it had on disk is kept.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`Self::stop`], at the same address.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "{} is still running", self.name);
        let command = self.command(self.port);
        let process = process::start_on(self.name, &self.log_file(), &command, &|| self.answers_on(self.port));
        self.process = Some(process);
    }

    /// Sends one request with the right token; `path` is below the base URL.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Answer {
        http::send(method, &format!("{}{path}", self.base_url), &self.token, body)
    }

    /// All that the app holds, by the reader that is not rosterd's.
    pub(crate) fn read(&self) -> AppState {
        reader::read_app(&self.rig, &self.base_url, &self.token)
    }

    /// What the server printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).expect("the server's log")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Where the server keeps its data, one for each port tried.
    fn data(&self, port: u16) -> PathBuf {
        self.folder.path().join(port.to_string())
    }

    /// Lays out files and databases before the first start on a port.
    fn prepare(&self, port: u16) {
        let data = self.data(port);
        fs::create_dir(&data).expect("the data folder");
        match self.kind {
            Kind::Scim2Server => {}
            Kind::DjangoScim2 => {
                let mut migrate = self.python("python", port);
                migrate.args(["-m", "django", "migrate", "--run-syncdb", "--verbosity=0"]);
                migrate.env("DJANGO_SETTINGS_MODULE", "settings").current_dir(rig::glue().join("django-scim2"));
                finish(migrate);
            }
            Kind::BetterAuth | Kind::Scimmy => {
                // Node looks for packages beside the file it runs.
                let source = rig::glue().join("node").join(self.name).join("server.mjs");
                fs::copy(source, data.join("server.mjs")).expect("the glue is copied");
                symlink(self.rig.node_modules(self.name), data.join("node_modules")).expect("the packages are linked");
            }
            Kind::Canaille => {
                let mut prepare = self.python("python", port);
                prepare.arg(rig::glue().join("canaille/prepare.py"));
                finish(prepare);
            }
        }
    }

    fn command(&self, port: u16) -> Command {
        let address = format!("127.0.0.1:{port}");
        match self.kind {
            Kind::Scim2Server => {
                let mut command = self.python("scim2-server", port);
                command.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", &self.token]);
                command
            }
            Kind::DjangoScim2 => {
                let mut command = self.python("gunicorn", port);
                command.args(["--workers", "2", "--bind", &address, "--no-control-socket", "wsgi:application"]);
                command.current_dir(rig::glue().join("django-scim2"));
                command
            }
            Kind::BetterAuth | Kind::Scimmy => {
                let mut command = self.environment(Command::new("node"), port);
                command.arg(self.data(port).join("server.mjs"));
                command
            }
            Kind::Canaille => {
                let mut command = self.python("canaille", port);
                command.args(["run", "--bind", &address]).env("CANAILLE_CONFIG", self.data(port).join("canaille.toml"));
                command
            }
        }
    }

    fn python(&self, program: &str, port: u16) -> Command {
        self.environment(Command::new(self.rig.python_program(self.name, program)), port)
    }

    /// The whole environment of a server: nothing of the tester's own gets through.
    fn environment(&self, mut command: Command, port: u16) -> Command {
        let data = self.data(port);
        command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("LANG", "C.UTF-8");
        command
            .env("HOME", &data)
            .env("RIG_DIR", &data)
            .env("RIG_PORT", port.to_string())
            .env("RIG_TOKEN", &self.token);
        // The glue is run where it lies in the source tree, which stays clean.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn answers_on(&self, port: u16) -> bool {
        let users = format!("{}/Users", self.kind.base_url(port));
        http::call("GET", &users, &self.token, None).is_ok_and(|answer| answer.status == 200)
    }
}

/// Runs a preparing step to its end.
fn finish(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port on loopback where nobody listens, as a base URL: an app that is down.
pub(crate) fn nobody() -> String {
    Kind::Scim2Server.base_url(process::free_port())
}
