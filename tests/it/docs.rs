//! What the documentation says is true: its commands run, its names exist.

use std::path::Path;
use std::process::Command;

use crate::support::rosterd::Rosterd;

const PAGES: [&str; 15] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/doctor.md",
    "docs/heap.md",
    "docs/how-it-decides.md",
    "docs/how-it-fails.md",
    "docs/import.md",
    "docs/jumpcloud.md",
    "docs/notifications.md",
    "docs/monitoring.md",
    "docs/onelogin.md",
    "docs/runbook.md",
    "docs/service.md",
    "docs/sources.md",
];

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The blocks fenced as "sh tested".
pub(crate) fn tested_blocks(text: &str) -> Vec<String> {
    text.split("```sh tested\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs a page's block that begins with a sandbox on port 18080 as a reader would paste it, in an empty folder. Gives what it printed.
fn pasted(page: &str) -> (String, String) {
    let rosterd = Rosterd::new();
    let folder = rosterd.path().join("empty");
    std::fs::create_dir(&folder).unwrap();
    let blocks = tested_blocks(&read(page));
    assert_eq!(blocks.len(), 1);
    let binary = Path::new(env!("CARGO_BIN_EXE_rosterd")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The reader waits a moment between two pasted lines; the script waits until the app answers.
    let wait =
        format!("for i in $(seq 200); do (: > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.05; done");
    let script = blocks[0].replace("18080", &port.to_string()).replace("sandbox=$!", &format!("sandbox=$!\n{wait}"));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("trap 'kill $sandbox 2>/dev/null || true' EXIT\n{script}")])
        .current_dir(&folder)
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn the_readmes_tenant_goes_from_nothing_to_a_first_sync_by_copy_and_paste() {
    let (stdout, stderr) = pasted("README.md");
    assert!(stdout.contains("in step: nothing to change, 0 calls to the app"), "{stdout}\n{stderr}");
    assert!(stdout.contains("both sides work"), "j2: {stdout}\n{stderr}");
}

#[test]
fn j4_heaps_page_goes_from_nothing_to_a_rehearsed_sync_by_copy_and_paste() {
    let (stdout, stderr) = pasted("docs/heap.md");
    for part in [
        "both sides work",
        "the profile is right as it is",
        "its owner has to delete it there first",
        "2 accounts in the app: 0 new, 0 conflicting, 0 imported, 2 linked",
        "nothing was changed by hand",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}\n{stderr}");
    }
}

#[test]
fn every_page_that_is_linked_exists() {
    for page in PAGES {
        for link in read(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") {
                let folder = Path::new(page).parent().unwrap();
                let target = link.split('#').next().unwrap();
                let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
                assert!(file.exists(), "{page} links to {link}, which does not exist");
            }
        }
    }
}

#[test]
fn every_command_in_the_documentation_exists() {
    let known: Vec<String> =
        rosterd::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for page in PAGES {
        for rest in read(page).split("`rosterd ").skip(1) {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap();
            // The README says of `run` that it is not there yet.
            let exists = known.iter().any(|command| command == name) || name == "run" || name.starts_with('-');
            assert!(exists, "{page} speaks of `rosterd {name}`");
        }
    }
}

#[test]
fn every_key_of_the_files_is_documented() {
    let page = read("docs/configuration.md");
    assert_eq!(
        page,
        rosterd::config::reference::markdown(),
        "run `cargo run -- schema reference > docs/configuration.md`"
    );
}

#[test]
fn the_editor_schema_in_the_tree_is_fresh() {
    let kept = read("config/schema.json");
    assert!(
        kept == rosterd::config::schema::text(rosterd::config::schema::Kind::Tenant),
        "the schema is stale; run: cargo run -- schema tenant > config/schema.json"
    );
}
