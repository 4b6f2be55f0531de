//! Where `rosterd.toml` and the state are if nobody says otherwise.
//!
//! Comes in: the environment and the user of this process. Goes out: paths, by the XDG Base Directory Specification for an ordinary user. Must not
//! read any file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The configuration of the service, and of root.
const SERVICE_CONFIG: &str = "/etc/rosterd/rosterd.toml";

/// Its state.
const SERVICE_STATE: &str = "/var/lib/rosterd";

/// The path of `rosterd.toml` if neither `--config` nor `$ROSTERD_CONFIG` names one: the service's for root, or if it exists; otherwise the user's
/// own.
pub fn default_config() -> PathBuf {
    let service = PathBuf::from(SERVICE_CONFIG);
    match rustix::process::geteuid().is_root() || service.exists() {
        true => service,
        false => own_config(variable).unwrap_or(service),
    }
}

/// Whether a `rosterd.toml` is the one that the service reads.
pub fn is_of_service(config: &Path) -> bool {
    config == Path::new(SERVICE_CONFIG)
}

/// What a new `rosterd.toml` says of the state: a folder of the service's or of the user's own where the file is at its usual place, and one beside
/// it anywhere else.
pub(super) fn state_for(config: &Path) -> String {
    state_beside(config, variable)
}

type Variable = fn(&str) -> Option<OsString>;

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn state_beside(config: &Path, variable: Variable) -> String {
    let state = match () {
        () if is_of_service(config) => Some(PathBuf::from(SERVICE_STATE)),
        () if own_config(variable).is_some_and(|own| config == own) => {
            folder(variable, "XDG_STATE_HOME", ".local/state").map(|folder| folder.join("rosterd"))
        }
        () => None,
    };
    // A path that is no text could not be written into the file.
    state.and_then(|state| state.into_os_string().into_string().ok()).unwrap_or_else(|| "state".to_owned())
}

fn own_config(variable: Variable) -> Option<PathBuf> {
    folder(variable, "XDG_CONFIG_HOME", ".config").map(|folder| folder.join("rosterd/rosterd.toml"))
}

/// A base directory: what the variable says, if it is an absolute path, or the usual one in the home directory.
fn folder(variable: Variable, name: &str, usual: &str) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(name).or_else(|| absolute("HOME").map(|home| home.join(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(name: &str) -> Option<OsString> {
        (name == "HOME").then(|| "/home/ann".into())
    }

    fn xdg(name: &str) -> Option<OsString> {
        match name {
            "XDG_CONFIG_HOME" => Some("/c".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            other => home(other),
        }
    }

    #[test]
    fn the_places_of_a_user_are_those_of_the_specification() {
        assert_eq!(own_config(home), Some("/home/ann/.config/rosterd/rosterd.toml".into()));
        assert_eq!(own_config(xdg), Some("/c/rosterd/rosterd.toml".into()));
        assert_eq!(own_config(|_| None), None);
    }

    #[test]
    fn a_new_configuration_keeps_its_state_where_its_kind_does() {
        let of = |config: &str, variable| state_beside(Path::new(config), variable);
        assert_eq!(of("/etc/rosterd/rosterd.toml", home), "/var/lib/rosterd");
        assert_eq!(of("/home/ann/.config/rosterd/rosterd.toml", home), "/home/ann/.local/state/rosterd");
        assert_eq!(of("/c/rosterd/rosterd.toml", xdg), "/home/ann/.local/state/rosterd", "a relative path is ignored");
        assert_eq!(of("/srv/rosterd.toml", home), "state");
    }
}
