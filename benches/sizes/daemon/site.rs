//! A folder with a configuration and many tenants, each with a directory of its own. In: people by tenant. Out: files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rosterd::daemon::Board;
use serde_json::json;
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "a-token-for-measurements";

pub(crate) struct Site(TempDir);

/// A company: who is in which groups, and who is suspended.
#[derive(Clone, Default)]
pub(crate) struct Company {
    /// People by id, with their display names; whether they are active.
    pub(crate) people: BTreeMap<String, (String, bool)>,
    /// Groups by id, with their members.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    /// Groups that are not bound to the app.
    pub(crate) unbound: BTreeSet<String>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(TempDir::new().expect("a folder"));
        fs::write(site.path().join("rosterd.toml"), "state_dir = \"state\"\n").expect("a file");
        fs::create_dir(site.path().join("tenants")).expect("a folder");
        site.secret("app", TOKEN);
        site
    }

    /// Keeps a token in a file of its own.
    pub(crate) fn secret(&self, name: &str, token: &str) {
        let path = self.path().join(format!("{name}.secret"));
        fs::write(&path, token).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn tenant_file(&self, name: &str) -> PathBuf {
        self.path().join(format!("tenants/{name}.toml"))
    }

    /// Writes a tenant's file whole, as an editor does.
    pub(crate) fn tenant(&self, name: &str, base_url: &str, head: &str, target: &str) {
        self.tenant_with(name, base_url, "app", head, target);
    }

    /// The same with a secret of its own.
    pub(crate) fn tenant_with(&self, name: &str, base_url: &str, secret: &str, head: &str, target: &str) {
        let text = format!(
            "{head}[source.file]\npath = \"../{name}.json\"\n\n[target]\nbase_url = \"{base_url}\"\n\
             token = {{ file = \"../{secret}.secret\" }}\nallow_http_loopback = true\n{target}"
        );
        replace(&self.tenant_file(name), &text);
    }

    /// A tenant of another directory, whose table `source` is.
    pub(crate) fn tenant_of(&self, name: &str, source: &str, base_url: &str, target: &str) {
        let text = format!(
            "{source}\n[target]\nbase_url = \"{base_url}\"\ntoken = {{ file = \"../app.secret\" }}\n\
             allow_http_loopback = true\n{target}"
        );
        replace(&self.tenant_file(name), &text);
    }

    pub(crate) fn company(&self, name: &str, company: &Company) {
        let users = company.people.iter().map(|(id, (display, active))| {
            json!({"id": id, "userName": format!("{id}@{name}.test"), "displayName": display, "active": active})
        });
        let groups = company.groups.iter().map(|(id, members)| {
            json!({"id": id, "name": id, "members": members, "assigned": !company.unbound.contains(id)})
        });
        let text = json!({"users": users.collect::<Vec<_>>(), "groups": groups.collect::<Vec<_>>()}).to_string();
        replace(&self.path().join(format!("{name}.json")), &text);
    }

    /// How the daemon says everybody stands.
    pub(crate) fn board(&self) -> Option<Board> {
        serde_json::from_slice(&fs::read(self.path().join("state/.daemon/board.json")).ok()?).ok()
    }
}

fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("a file");
    fs::rename(&beside, path).expect("the same folder");
}

/// So many people, all in one group, and every tenth in another.
pub(crate) fn company_of(people: usize) -> Company {
    let ids: Vec<String> = (0..people).map(|n| format!("p{n:03}")).collect();
    let mut company = Company::default();
    company.groups.insert("tenth".to_owned(), ids.iter().step_by(10).cloned().collect());
    company.people.extend(ids.iter().map(|id| (id.clone(), (format!("Person {id}"), true))));
    company.groups.insert("all".to_owned(), ids);
    company
}
