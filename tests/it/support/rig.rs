//! Which parts of the rig are installed, and where. `tests/rig/setup` puts them there.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder of the installed parts: virtual environments, Node packages.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    cache: PathBuf,
}

/// The rig, if `part` is installed: `slapd`, a program of the system's, or one of those that `tests/rig/setup` lists.
///
/// Otherwise the test is over: with ROSTERD_TEST_REQUIRE=1 it fails here, else a line says that it is skipped.
pub(crate) fn require(part: &str) -> Option<Rig> {
    require_all(&[part])
}

/// [`require`] for a test that needs several parts.
pub(crate) fn require_all(parts: &[&str]) -> Option<Rig> {
    let rig = Rig { cache: cache_folder() };
    let missing: Vec<_> = parts.iter().copied().filter(|part| !rig.is_installed(part)).collect();
    if missing.is_empty() {
        return Some(rig);
    }
    skip(&format!("{} is not installed in {}; run ./test", missing.join(" and "), rig.cache.display()));
    None
}

/// The test is over because this machine lacks something: with ROSTERD_TEST_REQUIRE=1 it fails here, else a line says that it
/// is skipped.
pub(crate) fn skip(why: &str) {
    let required = std::env::var_os("ROSTERD_TEST_REQUIRE").is_some_and(|value| value == "1");
    assert!(!required, "{why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {why}\n");
    // Not eprintln!: the test harness would swallow it, and a skipped test must be seen.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}

impl Rig {
    /// A program of a Python part.
    pub(crate) fn python_program(&self, part: &str, program: &str) -> PathBuf {
        self.cache.join(part).join("bin").join(program)
    }

    /// The folder of a part.
    pub(crate) fn part(&self, part: &str) -> PathBuf {
        self.cache.join(part)
    }

    /// Any Python 3.
    pub(crate) fn python(&self) -> PathBuf {
        let parts = ["scim2-server", "django-scim2", "scim-testers", "canaille"];
        let installed = parts.iter().map(|part| self.python_program(part, "python")).find(|python| python.exists());
        installed.unwrap_or_else(|| PathBuf::from("/usr/bin/python3"))
    }

    /// The packages of a Node part.
    pub(crate) fn node_modules(&self, part: &str) -> PathBuf {
        self.cache.join(part).join("node_modules")
    }

    fn is_installed(&self, part: &str) -> bool {
        match part {
            "slapd" => return Path::new(super::slapd::SLAPD).exists(),
            "dpkg-deb" | "systemd-analyze" => return Path::new("/usr/bin").join(part).exists(),
            _ => {}
        }
        // The stamp is written last, so a part without one is half an installation.
        self.cache.join("stamps").join(part).exists() && self.cache.join(part).exists()
    }
}

/// `tests/rig` in the source tree: the glue around the servers.
pub(crate) fn glue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig")
}

fn cache_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ROSTERD_TEST_RIG")
        .or_else(|| variable("ROSTERD_TEST_CACHE"))
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("rosterd-test")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/rosterd-test")))
        .expect("HOME is set")
}
