//! The Debian package, installed in a machine with a real systemd: what an operator types, and what a bad night does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::cli::{TOKEN, person};
use crate::docs::{read, tested_blocks};
use crate::guides::walk_elsewhere;
use crate::support::machine::Machine;
use crate::support::rig;

const UNIT: &str = "rosterd.service";

/// The package of the binary under test, in two revisions.
static PACKAGES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    ["1", "2"].iter().for_each(|revision| drop(package(folder.path(), revision)));
    folder
});

fn package(folder: &Path, revision: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/deb");
    let mut command = Command::new(script);
    command.args(["--binary", env!("CARGO_BIN_EXE_rosterd"), "--revision", revision, "--out"]).arg(folder);
    // As small as it gets is for those who download it.
    let output = command.env("DPKG_DEB_COMPRESSOR_TYPE", "none").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// A machine to which both revisions were copied.
fn machine() -> Option<Machine> {
    let machine = Machine::boot()?;
    for entry in std::fs::read_dir(PACKAGES.path()).unwrap() {
        let path = entry.unwrap().path();
        let revision = path.file_name().unwrap().to_str().unwrap().rsplit('-').next().unwrap().chars().next().unwrap();
        machine.copy(&path, &format!("/root/rosterd-{revision}.deb"));
    }
    Some(machine)
}

/// A directory with these people, readable for the service.
fn directory(machine: &Machine, people: &[&str]) {
    let users: Vec<_> = people.iter().map(|name| person(&format!("id-{name}"), name)).collect();
    let members: Vec<_> = people.iter().map(|name| format!("id-{name}")).collect();
    let document = json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": members }] });
    machine.file("/etc/rosterd/people.json", 0o644, &document.to_string());
}

/// The embedded app, as another service of the machine, by a program of this path.
fn app(machine: &Machine, program: &str, token: &str) {
    machine.sh(&format!("systemd-run --quiet --unit=app {program} sandbox --port 18080 --token {token}"));
    machine
        .sh("for i in $(seq 200); do (: > /dev/tcp/127.0.0.1/18080) 2>/dev/null && exit 0; sleep 0.05; done; exit 1");
}

/// That app, and a tenant that keeps it in step.
fn company(machine: &Machine, token: &str) {
    machine.sh(&format!("systemd-run --quiet --unit=app rosterd sandbox --port 18080 --token {TOKEN}"));
    machine
        .sh("for i in $(seq 200); do (: > /dev/tcp/127.0.0.1/18080) 2>/dev/null && exit 0; sleep 0.05; done; exit 1");
    directory(machine, &["ann", "bo"]);
    let tenant = format!(
        "schedule = \"every 1s\"\n[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"http://127.0.0.1:18080/scim/v2\"\n\
         allow_http_loopback = true\ntoken = {token}\n[approval]\nfirst_sync = false\n"
    );
    machine.file("/etc/rosterd/tenants/acme.toml", 0o640, &tenant);
    machine.sh("chgrp rosterd /etc/rosterd/tenants/acme.toml");
}

const FROM_FILE: &str = "{ file = \"../secrets/app\" }";

/// How many accounts the app has.
fn accounts(machine: &Machine) -> u64 {
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.1/18080; printf 'GET /scim/v2/Users?count=0 HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nAuthorization: Bearer {TOKEN}\\r\\n\
         Connection: close\\r\\n\\r\\n' >&3; cat <&3"
    );
    let answer = machine.sh(&ask);
    let (_, after) = answer.split_once("\"totalResults\":").unwrap_or_else(|| panic!("{answer}"));
    after.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[track_caller]
fn until_accounts(machine: &Machine, wanted: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while accounts(machine) != wanted {
        assert!(Instant::now() < deadline, "{} accounts\n{}", accounts(machine), machine.journal());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn main_pid(machine: &Machine) -> String {
    machine.property(UNIT, "MainPID")
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged() {
    let Some(machine) = machine() else { return };
    let installed = machine.sh("dpkg --install /root/rosterd-1.deb 2>&1");
    assert!(installed.contains("there is no tenant yet, so the service is not started"), "{installed}");
    assert_eq!(machine.property(UNIT, "ActiveState"), "inactive");
    assert_eq!(machine.property(UNIT, "UnitFileState"), "disabled");
    let owners = machine.sh("stat -c '%a %U %G %n' /etc/rosterd /etc/rosterd/* /var/lib/rosterd");
    let expected = "750 root rosterd /etc/rosterd\n700 root root /etc/rosterd/credentials\n640 root rosterd /etc/rosterd/rosterd.toml\n\
                    2750 root rosterd /etc/rosterd/secrets\n2750 root rosterd /etc/rosterd/tenants\n700 rosterd rosterd /var/lib/rosterd\n";
    assert_eq!(owners, expected);
    machine
        .sh("test -s /usr/share/man/man1/rosterd-run.1.gz && test -s /usr/share/bash-completion/completions/rosterd");
    let checked = machine.try_sh("runuser -u rosterd -- rosterd check");
    assert_eq!(checked.status.code(), Some(78));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("/etc/rosterd/rosterd.toml has no tenants"), "{said}");

    machine.file("/etc/rosterd/secrets/app", 0o600, TOKEN);
    machine.sh("chown rosterd /etc/rosterd/secrets/app");
    company(&machine, FROM_FILE);
    machine.sh("systemctl enable --now rosterd 2>&1");
    until_accounts(&machine, 2);

    // An upgrade: another process, the operator's file as it was.
    let before = main_pid(&machine);
    machine.sh("echo '# my own line' >> /etc/rosterd/rosterd.toml");
    machine.sh("dpkg --install /root/rosterd-2.deb 2>&1");
    let after = machine.until(UNIT, "MainPID", |pid| pid != "0" && pid != before);
    assert_eq!(machine.property(UNIT, "ActiveState"), "active");
    assert!(machine.sh("dpkg-query --show --showformat='${Version}' rosterd").ends_with("-2"));
    machine.sh("grep -q 'my own line' /etc/rosterd/rosterd.toml");
    assert!(machine.sh("stat -c '%a %G' /etc/rosterd/rosterd.toml").starts_with("640 rosterd"));
    directory(&machine, &["ann", "bo", "cy"]);
    until_accounts(&machine, 3);

    // A removal: it ended in good order; configuration and journals stay, and an installation takes up where it was.
    machine.sh("dpkg --remove rosterd 2>&1");
    assert!(machine.journal().contains("stopped"), "{}", machine.journal());
    machine
        .sh(&format!("test ! -e /proc/{after} && test ! -e /usr/bin/rosterd && test -e /var/lib/rosterd/acme/journal"));
    machine.sh("grep -q 'my own line' /etc/rosterd/rosterd.toml");
    directory(&machine, &["ann", "bo", "cy", "di"]);
    machine.sh("dpkg --install /root/rosterd-2.deb 2>&1");
    until_accounts(&machine, 4);

    let purged = machine.sh("dpkg --purge rosterd 2>&1");
    assert!(purged.contains("/var/lib/rosterd is kept"), "{purged}");
    machine.sh("test ! -e /etc/rosterd/rosterd.toml && test -e /etc/rosterd/tenants/acme.toml && test -e /var/lib/rosterd/acme/journal");
    machine.sh("test -z \"$(find /etc/systemd /var/lib/systemd -name 'rosterd*' -not -path '*/timers/*')\"");
    assert_eq!(machine.sh("systemctl --failed --no-legend --plain"), "");
}

#[test]
fn the_service_is_kept_alive_by_systemd_and_ends_when_asked() {
    let Some(machine) = machine() else { return };
    machine.sh("dpkg --install /root/rosterd-1.deb 2>&1");
    let sound = machine.try_sh("systemd-analyze verify --man=no /usr/lib/systemd/system/rosterd*.{service,timer}");
    assert!(sound.status.success() && sound.stderr.is_empty(), "{}", String::from_utf8_lossy(&sound.stderr));
    // A credential of systemd's: nobody but root can read the file. The test has not got all night for watchdog and restart.
    machine.file("/etc/rosterd/credentials/app", 0o600, TOKEN);
    let own =
        "[Service]\nLoadCredential=app:/etc/rosterd/credentials/app\nRestartSec=1\nWatchdogSec=5\nTimeoutAbortSec=5\n";
    machine.file("/etc/systemd/system/rosterd.service.d/test.conf", 0o644, own);
    machine.file("/etc/systemd/system/rosterd-sync.service.d/test.conf", 0o644, &own[..own.find("Restart").unwrap()]);
    machine.sh("systemctl daemon-reload");
    company(&machine, "{ credential = \"app\" }");

    let as_root = machine.try_sh("rosterd sync acme");
    let told = String::from_utf8_lossy(&as_root.stderr).into_owned();
    assert!(as_root.status.code() == Some(78) && told.contains("runuser -u"), "{told}");
    machine.sh("test -z \"$(find /var/lib/rosterd -user root)\"");
    machine.sh("systemctl start rosterd-sync.service");
    assert_eq!(machine.property("rosterd-sync.service", "Result"), "success");
    assert_eq!(accounts(&machine), 2, "by the one run for those who want no daemon");

    machine.sh("systemctl start rosterd");
    machine.until(UNIT, "StatusText", |text| text.starts_with("1 tenant: 1 ok"));
    directory(&machine, &["ann", "bo", "cy"]);
    until_accounts(&machine, 3);

    machine.sh("cp -p /etc/rosterd/tenants/acme.toml /etc/rosterd/tenants/bolt.toml && sed -i 's/people.json/none.json/' /etc/rosterd/tenants/bolt.toml");
    machine.sh("systemctl reload rosterd");
    machine.until(UNIT, "StatusText", |text| text.starts_with("2 tenants: 1 failing (bolt), 1 ok"));
    machine.sh("sed -i '1i schedul = \"every 1d\"' /etc/rosterd/tenants/bolt.toml");
    assert!(!machine.try_sh("systemctl reload rosterd").status.success(), "a reload tells of a file with mistakes");
    machine.sh("journalctl --unit=rosterd --no-pager --output=cat | grep --quiet 'bolt.toml:1:1'");
    machine.sh("rm /etc/rosterd/tenants/bolt.toml && systemctl reload rosterd");
    machine.until(UNIT, "StatusText", |text| text.starts_with("1 tenant: 1 ok"));

    for signal in ["KILL", "STOP"] {
        let (before, restarts) = (main_pid(&machine), machine.property(UNIT, "NRestarts"));
        machine.sh(&format!("kill -{signal} {before}"));
        machine.until(UNIT, "NRestarts", |now| now != restarts);
        machine.until(UNIT, "ActiveState", |state| state == "active");
        assert_ne!(main_pid(&machine), before, "{signal}");
    }
    directory(&machine, &["ann", "bo", "cy", "di"]);
    until_accounts(&machine, 4);
    machine.sh("runuser -u rosterd -- rosterd journal verify acme");

    // To the journal itself: a field for each thing, and nobody's name.
    machine.sh("sed -i 's/^format = .*/format = \"journald\"/' /etc/rosterd/rosterd.toml && systemctl restart rosterd");
    machine.until(UNIT, "StatusText", |text| text.starts_with("1 tenant: 1 ok"));
    directory(&machine, &["ann", "bo", "cy", "di", "canary"]);
    until_accounts(&machine, 5);
    let entries = "journalctl --no-pager --output=json _SYSTEMD_UNIT=rosterd.service";
    machine.sh(&format!("{entries} ROSTERD_TENANT=acme 'MESSAGE=plan made' | grep --quiet '\"ROSTERD_RUN\"'"));
    assert!(!machine.sh(entries).contains("canary@"), "i6");

    let asked = Instant::now();
    machine.sh("systemctl stop rosterd");
    assert!(asked.elapsed() < Duration::from_secs(90));
    assert_eq!(
        (machine.property(UNIT, "Result").as_str(), machine.property(UNIT, "ExecMainStatus").as_str()),
        ("success", "0")
    );

    machine.sh("echo 'state_dri = \"x\"' >> /etc/rosterd/rosterd.toml");
    assert!(!machine.try_sh("systemctl start rosterd").status.success());
    let told = |name: &str| machine.property(UNIT, name);
    // Not `activating`, which is what waits for a restart.
    assert_eq!(
        (told("ActiveState").as_str(), told("ExecMainStatus").as_str()),
        ("failed", "78"),
        "{}",
        machine.journal()
    );
    assert!(machine.journal().contains("rosterd.toml:"), "{}", machine.journal());
    machine.sh("sed -i '/state_dri/d' /etc/rosterd/rosterd.toml && systemctl start rosterd");
    machine.until(UNIT, "StatusText", |text| text.starts_with("1 tenant: 1 ok"));
}

/// The machine has no message bus, which `systemd-run` needs: the same options, as a unit file.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
while :; do
    case "$1" in
        -p) credential=${2#LoadCredential=}; shift 2 ;;
        --*) shift ;;
        *) break ;;
    esac
done
printf '[Service]\nType=oneshot\nUser=rosterd\nLoadCredential=%s\nExecStart=/usr/bin/%s\nStandardOutput=truncate:/run/as-service\n' \
    "$credential" "$*" >/run/systemd/system/as-service.service
systemctl daemon-reload
systemctl start as-service && status=0 || status=$?
cat /run/as-service
exit $status
"#;

#[test]
fn the_page_of_the_service_goes_from_a_package_to_a_first_sync_by_copy_and_paste() {
    let Some(machine) = machine() else { return };
    machine.copy(Path::new(env!("CARGO_BIN_EXE_rosterd")), "/root/rosterd");
    app(&machine, "/root/rosterd", "rehearsal-token-0001");
    let blocks = tested_blocks(&read("docs/service.md"));
    let [block] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    machine.sh("mkdir /root/empty && mv /root/rosterd-1.deb /root/empty/rosterd_1.deb");
    machine.file("/usr/local/bin/systemd-run", 0o755, SYSTEMD_RUN);
    let shown = machine.sh(&format!("cd /root/empty\n{block}"));
    assert!(shown.contains("Active: active (running)") && shown.contains("acme"), "{shown}");
    machine.until(UNIT, "StatusText", |text| text.starts_with("1 tenant: 1 ok"));
    assert!(machine.sh("runuser -u rosterd -- rosterd status").contains("1 user, 1 group linked"));
}

#[test]
fn the_page_of_the_upgrade_is_followed_by_copy_and_paste() {
    let Some(machine) = machine() else { return };
    machine.sh("dpkg --install /root/rosterd-1.deb 2>&1");
    machine.file("/etc/rosterd/secrets/app", 0o600, TOKEN);
    machine.sh("chown rosterd /etc/rosterd/secrets/app");
    company(&machine, FROM_FILE);
    // No run begins while the page is followed.
    machine.sh("sed -i 's/every 1s/every 1h/' /etc/rosterd/tenants/acme.toml");
    machine.sh("systemctl enable --now rosterd 2>&1");
    until_accounts(&machine, 2);
    let linked = "for i in $(seq 200); do runuser -u rosterd -- rosterd status | grep --quiet '2 users, 1 group linked' && exit 0; sleep 0.05; done; exit 1";
    machine.sh(linked);
    let before = main_pid(&machine);
    machine.sh("mkdir /root/empty && mv /root/rosterd-2.deb /root/empty/rosterd_NEW.deb");
    walk_elsewhere("docs/upgrade.md", &|script| machine.sh(&format!("cd /root/empty\n{script}")));
    machine.sh(linked);
    assert!(machine.sh("dpkg-query --show --showformat='${Version}' rosterd").ends_with("-2"));
    assert_ne!(main_pid(&machine), before);
    machine.sh("test -s /var/backups/rosterd/*/acme.state && test -s /var/backups/rosterd/*/backup.json");
}

#[test]
fn the_same_tree_makes_the_same_package() {
    if rig::require("dpkg-deb").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let again = package(folder.path(), "1");
    let first = PACKAGES.path().join(again.file_name().unwrap());
    assert!(std::fs::read(first).unwrap() == std::fs::read(&again).unwrap(), "two packages of one tree differ");
    let listed = Command::new("dpkg-deb").arg("--contents").arg(&again).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/rosterd"),
        ("-rw-r----- root/root", "./etc/rosterd/rosterd.toml"),
        ("-rw-r--r-- root/root", "./usr/lib/systemd/system/rosterd.service"),
        ("-rw-r--r-- root/root", "./usr/lib/systemd/system/rosterd-sync.timer"),
        ("-rw-r--r-- root/root", "./usr/lib/sysusers.d/rosterd.conf"),
        ("-rw-r--r-- root/root", "./usr/lib/tmpfiles.d/rosterd.conf"),
        ("-rw-r--r-- root/root", "./usr/share/doc/rosterd/copyright"),
        ("-rw-r--r-- root/root", "./usr/share/doc/rosterd/examples/ip-allow.conf"),
        ("-rw-r--r-- root/root", "./usr/share/doc/rosterd/examples/approvers.conf"),
    ] {
        assert!(listed.lines().any(|line| line.starts_with(mode) && line.ends_with(path)), "{mode} {path}\n{listed}");
    }
}
