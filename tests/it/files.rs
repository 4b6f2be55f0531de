//! Files of other users: what they made beforehand, what they could change, what they would like to see. With the real binary.
//!
//! Only root can make files of another user. Where root is needed and the test is not run by it, it says SKIPPED and passes.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::cli::{Desk, TOKEN};
use crate::daemon::until;
use crate::support::rosterd::Rosterd;

/// A user who is neither root nor the one who runs the tests.
const ANOTHER: u32 = 65_534;

fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("SKIPPED: only root can make files of another user");
    }
    root
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Everything below a folder that others could read, write or enter.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if mode(&path) & 0o077 != 0 {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

/// Runs rosterd with a umask, as a user.
fn run_as(rosterd: &Path, user: Option<u32>, umask: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_rosterd")]);
    command.args(arguments).env_clear().env("ROSTERD_CONFIG", rosterd.join("rosterd.toml")).current_dir(rosterd);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A folder in which everybody may write, prepared by another user: files of theirs and links to a file of ours.
struct Trap {
    folder: PathBuf,
    victim: PathBuf,
}

impl Trap {
    fn new(desk: &Desk, name: &str) -> Self {
        let folder = desk.rosterd.path().join("open");
        fs::create_dir_all(&folder).unwrap();
        chmod(&folder, 0o777);
        let victim = desk.rosterd.file("victim", "precious");
        let theirs = folder.join(format!("{name}.new"));
        fs::write(&theirs, "theirs").unwrap();
        chmod(&theirs, 0o666);
        lchown(&theirs, Some(ANOTHER), Some(ANOTHER)).unwrap();
        let _before = fs::remove_file(folder.join(name));
        symlink(&victim, folder.join(name)).unwrap();
        Self { folder, victim }
    }

    #[track_caller]
    fn holds(&self, name: &str, wanted: u32) {
        let path = self.folder.join(name);
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_file(), "{name} is a file of its own now");
        assert_eq!((found.uid(), found.mode() & 0o7777, found.nlink()), (0, wanted, 1), "{name}");
        assert_eq!(fs::read(&self.victim).unwrap(), b"precious", "{name}");
        assert_eq!(fs::read(self.folder.join(format!("{name}.new"))).unwrap(), b"theirs", "{name}");
        let hidden: Vec<_> = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!hidden.iter().any(|name| name.as_encoded_bytes().starts_with(b".")), "nothing stays: {hidden:?}");
    }
}

#[test]
fn sec4_files_are_written_beside_those_that_another_user_made_and_never_into_them() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    let trap = |name: &str| Trap::new(&desk, name);
    let place = |name: &str| desk.rosterd.path().join("open").join(name).display().to_string();

    let plan = trap("plan.json");
    desk.rosterd.run(&["plan", "acme", "--out", &place("plan.json")]).expect_code(0);
    plan.holds("plan.json", 0o600);

    let metrics = trap("rosterd.prom");
    desk.rosterd.run(&["sync", "acme", "--metrics-file", &place("rosterd.prom")]).expect_code(0);
    metrics.holds("rosterd.prom", 0o644);

    let export = trap("acme.state");
    desk.rosterd.run(&["state", "export", "acme", "--out", &place("acme.state")]).expect_code(0);
    export.holds("acme.state", 0o600);
    assert!(fs::read_to_string(place("acme.state")).unwrap().contains("ann"));

    let list = trap("people.csv");
    desk.rosterd.run(&["import", "acme", "--list", &place("people.csv")]).expect_code(0);
    list.holds("people.csv", 0o600);
}

#[test]
fn sec4_links_in_the_state_folder_are_not_written_through() {
    let desk = Desk::new();
    desk.sync(0);
    let state = desk.rosterd.path().join("state");
    let victim = desk.rosterd.file("victim", "precious");
    for name in ["status.json.new", "index.new", "held.json.new"] {
        symlink(&victim, state.join("acme").join(name)).unwrap();
    }
    let mut document = crate::cli::company();
    document["users"][0]["displayName"] = "Ann".into();
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");

    let lock = state.join("acme/lock");
    fs::remove_file(&lock).unwrap();
    symlink(&victim, &lock).unwrap();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(1).stderr.contains("it is a link; delete it"), "{}", run.stderr);
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&victim, &lock).unwrap();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(1).stderr.contains("hard link"), "{}", run.stderr);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(&lock).unwrap();
    desk.rosterd.run(&["sync", "acme"]).expect_code(0);
}

#[test]
fn sec4_a_folder_of_the_state_that_another_user_placed_is_refused_and_not_narrowed() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    let (state, target) = (desk.rosterd.path().join("state"), desk.rosterd.path().join("target"));
    fs::create_dir(&state).unwrap();
    fs::create_dir(&target).unwrap();
    chmod(&target, 0o755);
    for (name, command) in [("acme", &["sync", "acme"][..]), (".daemon", &["run"])] {
        let link = state.join(name);
        symlink(&target, &link).unwrap();
        lchown(&link, Some(ANOTHER), Some(ANOTHER)).unwrap();
        let run = desk.rosterd.run(command);
        assert_ne!(run.code, Some(0));
        assert!(run.stderr.contains("belongs to user 65534"), "{name}: {}", run.stderr);
        assert_eq!((mode(&target), fs::read_dir(&target).unwrap().count()), (0o755, 0), "{name}");
        fs::remove_file(&link).unwrap();

        fs::create_dir(&link).unwrap();
        chown(&link, Some(ANOTHER), Some(ANOTHER)).unwrap();
        let run = desk.rosterd.run(command);
        assert!(run.stderr.contains("belongs to user 65534"), "{name}: {}", run.stderr);
        fs::remove_dir_all(&link).unwrap();
    }
    assert!(desk.proxy.calls().is_empty(), "nothing was sent");
}

#[test]
fn sec4_what_a_killed_process_left_is_gone_after_the_next_run() {
    let desk = Desk::new();
    desk.sync(0);
    let state = desk.rosterd.path().join("state/acme");
    let left = [state.join(format!(".rosterd-{:032x}.new", 7)), state.join(format!("journal/.rosterd-{:032x}.new", 8))];
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    let other = state.join("operators.new");
    fs::write(&other, "mine").unwrap();
    desk.sync(0);
    assert!(left.iter().all(|path| !path.exists()) && other.exists());
}

#[test]
fn sec27_nothing_in_the_state_is_open_to_others_whatever_the_umask() {
    let desk = Desk::new();
    let ran = run_as(desk.rosterd.path(), None, "0", &["sync", "acme"]);
    assert!(ran.status.success(), "{}", said(&ran));
    let state = desk.rosterd.path().join("state");
    assert!(state.join("acme/cache").is_dir());
    assert_eq!(open_to_others(&state), Vec::<PathBuf>::new());

    // What an older version left.
    let cache = state.join("acme/cache");
    chmod(&cache, 0o755);
    let files: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().filter(|path| path.is_file()).for_each(|path| chmod(path, 0o644));
    // A quiet run does not open it.
    let mut document = crate::cli::company();
    document["users"][0]["displayName"] = "Ann".into();
    desk.directory(&document);
    let ran = run_as(desk.rosterd.path(), None, "0", &["sync", "acme"]);
    assert!(ran.status.success(), "{}", said(&ran));
    assert_eq!(open_to_others(&state), Vec::<PathBuf>::new());

    // What is meant for others stays readable for them, and is written by nobody else.
    let folder = tempfile::tempdir().unwrap();
    for (umask, wanted) in [("0", 0o644), ("022", 0o644), ("002", 0o644), ("027", 0o640), ("077", 0o600)] {
        let at = folder.path().join(umask);
        fs::create_dir(&at).unwrap();
        let ran = run_as(&at, None, umask, &["init", "acme", "--source", "file", "--app", "scim"]);
        assert!(ran.status.success(), "{}", said(&ran));
        for file in ["rosterd.toml", "tenants/acme.toml"] {
            assert_eq!(mode(&at.join(file)), wanted, "umask {umask}: {file}");
        }
        assert_eq!(mode(&at.join("tenants")), wanted | (wanted & 0o444) >> 2, "umask {umask}");
    }
}

#[test]
fn sec28_a_process_that_holds_tokens_is_closed_to_its_own_users_other_processes() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    for path in [folder.path(), &token] {
        chmod(path, if path == token { 0o600 } else { 0o700 });
        chown(path, Some(ANOTHER), Some(ANOTHER)).unwrap();
    }
    let output = fs::File::create(folder.path().join("stdout")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command.args(["sandbox", "--format", "json", "--token-file"]).arg(&token).env_clear();
    let mut running = command.uid(ANOTHER).gid(ANOTHER).stdout(output).spawn().unwrap();
    until("the sandbox listens", || fs::read_to_string(folder.path().join("stdout")).unwrap().contains("base_url"));
    let reads = |file: &str| {
        let path = format!("/proc/{}/{file}", running.id());
        let mut command = Command::new("sh");
        command.args(["-c", "exec head -c 1 \"$1\" > /dev/null 2>&1", "sh", &path]).uid(ANOTHER).gid(ANOTHER);
        command.status().unwrap().success()
    };
    let (memory, environment, limits) = (reads("mem"), reads("environ"), reads("limits"));
    let shown = fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(!memory && !environment, "neither memory nor environment");
    assert!(limits, "the test can look at all");
    assert!(!String::from_utf8_lossy(&shown).contains(TOKEN), "s40: not in the list of processes");
}

#[test]
fn sec40_the_sandbox_takes_its_token_from_a_file_that_only_its_owner_reads() {
    let rosterd = Rosterd::new();
    let token = rosterd.secret("sandbox.token", TOKEN);
    let app = rosterd.spawn(&["sandbox", "--format", "json", "--token-file", "sandbox.token"]);
    until("it listens", || app.stdout().contains("base_url"));
    let base_url: serde_json::Value = serde_json::from_str(app.stdout().trim()).unwrap();
    let url = format!("{}/Users", base_url["base_url"].as_str().unwrap());
    let status = |token: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { client.get(&url).bearer_auth(token).send().await.unwrap().status().as_u16() })
    };
    assert_eq!((status(TOKEN), status("another")), (200, 401));
    drop(app);
    chmod(&token, 0o644);
    let run = rosterd.run(&["sandbox", "--token-file", "sandbox.token"]);
    assert!(run.expect_code(78).stderr.contains("chmod 600"), "{}", run.stderr);
    rosterd.run(&["sandbox", "--token-file", "sandbox.token", "--token", "x"]).expect_code(78);
}

#[test]
fn sec18_what_another_user_could_change_is_refused_by_every_command_with_the_remedy() {
    let desk = Desk::new();
    let at = |name: &str| desk.rosterd.path().join(name);
    desk.rosterd.file("ca.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
    let profile =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles/scim/profile.toml")).unwrap();
    desk.rosterd.file("own.toml", &profile);
    desk.rosterd.file("sec/token", TOKEN);
    chmod(&at("sec/token"), 0o600);
    let tenant = format!(
        "[source.file]\npath = \"../people.json\"\n[target]\nprofile = \"../own.toml\"\nbase_url = \"{}\"\nallow_http_loopback = true\n\
         token = {{ file = \"../sec/token\" }}\n",
        desk.proxy.base_url
    );
    desk.rosterd.tenant("acme", &tenant);
    desk.sync(0);
    desk.proxy.forget();
    let commands = [&["check"][..], &["doctor", "acme"], &["run"], &["plan", "acme"], &["sync", "acme"]];
    let refused = |what: &str, remedy: &str| {
        for command in commands {
            let daemon = command == ["run"];
            let (code, text) = if daemon { starts(&desk) } else { ended(&desk, command) };
            assert_eq!(code, Some(78), "{what}: {command:?}: {text}");
            assert!(text.contains(remedy), "{what}: {command:?}: {text}");
            assert!(text.matches(&format!("hint: {remedy}")).count() <= 1, "once: {what}: {text}");
        }
        assert!(desk.proxy.calls().is_empty(), "{what}: nothing was sent");
    };
    for (name, loose) in [
        ("rosterd.toml", 0o666),
        ("tenants/acme.toml", 0o646),
        ("tenants", 0o777),
        ("own.toml", 0o606),
        ("sec", 0o777),
        ("state", 0o777),
        ("", 0o777),
    ] {
        let path = at(name);
        let before = mode(&path);
        chmod(&path, loose);
        let shown = path.display().to_string();
        refused(name, &format!("chmod go-w {}", shown.trim_end_matches('/')));
        chmod(&path, before);
    }
    desk.rosterd.tenant("acme", &tenant.replace("[target]\n", "[target]\nca_file = \"../ca.pem\"\n"));
    chmod(&at("ca.pem"), 0o666);
    refused("ca.pem", &format!("chmod go-w {}", at("ca.pem").display()));
    chmod(&at("ca.pem"), 0o644);
    desk.rosterd.tenant("acme", &tenant);
    if is_root() {
        for name in ["rosterd.toml", "tenants/acme.toml", "tenants", "own.toml", "sec/token", "sec"] {
            chown(at(name), Some(ANOTHER), Some(ANOTHER)).unwrap();
            refused(name, &format!("chown root {}", at(name).display()));
            chown(at(name), Some(0), Some(0)).unwrap();
        }
    }
    desk.rosterd.run(&["check"]).expect_code(0);
    desk.rosterd.run(&["sync", "acme"]).expect_code(0);
}

fn ended(desk: &Desk, command: &[&str]) -> (Option<i32>, String) {
    let run = desk.rosterd.run(command);
    (run.code, format!("{}{}", run.stdout, run.stderr))
}

/// What `run` says: it ends, or says of its tenant that it is not in force.
fn starts(desk: &Desk) -> (Option<i32>, String) {
    let mut daemon = desk.rosterd.spawn(&["run"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut seen = String::new();
    while !seen.contains("the tenant file has mistakes") && !daemon.has_ended() {
        assert!(std::time::Instant::now() < deadline, "{seen}");
        std::thread::sleep(std::time::Duration::from_millis(20));
        seen = daemon.stderr();
    }
    if daemon.has_ended() {
        let run = daemon.wait(std::time::Duration::from_secs(5));
        return (run.code, run.stderr);
    }
    // One tenant's file stops that tenant only; the remedy is what `reload` and `check` show.
    until("it can be asked", || desk.rosterd.run(&["reload"]).code == Some(78));
    let told = desk.rosterd.run(&["reload"]);
    drop(daemon);
    (told.code, format!("{}{}", told.stdout, told.stderr))
}

#[test]
fn sec18_the_files_of_a_user_with_a_group_of_their_own_are_fine_with_umask_002() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(ANOTHER), Some(ANOTHER)).unwrap();
    let at = home.path().join("work");
    let script = format!(
        "umask 002; mkdir work && cd work && mkdir -m 700 secrets && (umask 077 && echo {TOKEN} > secrets/acme) && cat > people.json && \
         mkdir tenants && printf 'state_dir = \"state\"\\n' > rosterd.toml && \
         printf '[source.file]\\npath = \"../people.json\"\\n[target]\\nbase_url = \"{}\"\\nallow_http_loopback = true\\n\
         token = {{ file = \"../secrets/acme\" }}\\n' > tenants/acme.toml",
        desk.base_url
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(home.path()).uid(ANOTHER).gid(ANOTHER);
    let people = desk.rosterd.path().join("people.json");
    assert!(command.stdin(fs::File::open(people).unwrap()).status().unwrap().success());
    assert_eq!((mode(&at), mode(&at.join("rosterd.toml"))), (0o775, 0o664), "as it usually is");
    for command in [&["check"][..], &["plan", "acme"], &["sync", "acme"], &["doctor", "acme"]] {
        let ran = run_as(&at, Some(ANOTHER), "002", command);
        assert!(ran.status.success(), "{command:?}: {}", said(&ran));
        assert!(!said(&ran).contains("can be changed by"), "no word about their own group: {}", said(&ran));
    }
    // Another group is other users.
    chown(at.join("rosterd.toml"), None, Some(4242)).unwrap();
    let ran = run_as(&at, Some(ANOTHER), "002", &["check"]);
    assert!(said(&ran).contains("can be changed by group 4242") && said(&ran).contains("chmod g-w"), "{}", said(&ran));
}

#[test]
fn sec18_root_may_look_at_the_files_of_the_services_user() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    desk.sync(0);
    let at = |name: &str| desk.rosterd.path().join(name);
    for name in ["state", "state/acme", "app.token", "tenants/acme.toml"] {
        chown(at(name), Some(ANOTHER), Some(ANOTHER)).unwrap();
    }
    desk.rosterd.run(&["check"]).expect_code(0);
    desk.rosterd.run(&["plan", "acme"]).expect_code(0);
    // A third user is nobody's.
    chown(at("app.token"), Some(4242), Some(4242)).unwrap();
    let run = desk.rosterd.run(&["check"]);
    assert!(run.expect_code(78).stderr.contains("belongs to user 4242"), "{}", run.stderr);
}

#[test]
fn sec18_the_layout_of_a_kubernetes_secret_works_and_a_link_of_another_user_in_it_does_not() {
    let desk = Desk::new();
    let volume = desk.rosterd.path().join("volume");
    for version in ["..2026_11_29_1", "..2026_11_29_2"] {
        fs::create_dir_all(volume.join(version)).unwrap();
        fs::write(volume.join(version).join("token"), TOKEN).unwrap();
        chmod(&volume.join(version).join("token"), 0o400);
    }
    chmod(&volume, 0o1777);
    symlink("..2026_11_29_1", volume.join("..data")).unwrap();
    symlink("..data/token", volume.join("token")).unwrap();
    let tenant = format!(
        "[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"{}\"\nallow_http_loopback = true\n\
         token = {{ file = \"../volume/token\" }}\n",
        desk.proxy.base_url
    );
    desk.rosterd.tenant("acme", &tenant);
    desk.rosterd.run(&["check"]).expect_code(0);
    desk.sync(0);
    // As kubelet changes a secret.
    symlink("..2026_11_29_2", volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    fs::remove_dir_all(volume.join("..2026_11_29_1")).unwrap();
    desk.sync(0);
    if is_root() {
        lchown(volume.join("..data"), Some(ANOTHER), Some(ANOTHER)).unwrap();
        let run = desk.rosterd.run(&["sync", "acme"]);
        assert!(run.expect_code(78).stderr.contains("..data (link"), "{}", run.stderr);
        lchown(volume.join("..data"), Some(0), Some(0)).unwrap();
    }
    chmod(&volume.join("..2026_11_29_2"), 0o777);
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(78).stderr.contains("chmod go-w"), "{}", run.stderr);
}

#[test]
fn sec17_a_daemon_whose_lock_file_is_deleted_ends_and_a_second_one_never_runs_beside_it() {
    let desk = Desk::new();
    desk.head("schedule = \"every 1s\"\n");
    let mut daemon = desk.rosterd.spawn(&["run"]);
    let lock = desk.rosterd.path().join("state/.daemon/lock");
    until("the first sync", || desk.app("/Users?count=0")["totalResults"] == 3);
    fs::remove_file(&lock).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !daemon.has_ended() {
        assert!(std::time::Instant::now() < deadline, "{}", daemon.stderr());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let run = daemon.wait(std::time::Duration::from_secs(5));
    assert!(run.expect_code(75).stderr.contains("was deleted or exchanged while it was held"), "{}", run.stderr);
}

#[test]
fn sec17_a_daemon_that_answers_keeps_another_one_out_although_its_lock_is_free() {
    let desk = Desk::new();
    let folder = desk.rosterd.path().join("state/.daemon");
    fs::create_dir_all(&folder).unwrap();
    chmod(&folder, 0o700);
    chmod(&desk.rosterd.path().join("state"), 0o700);
    // Somebody answers, and nobody has the lock: as after its file was deleted.
    let listener = std::os::unix::net::UnixListener::bind(folder.join("control.sock")).unwrap();
    let run = desk.rosterd.run(&["run"]);
    drop(listener);
    assert!(run.expect_code(75).stderr.contains("is working on"), "{}", run.stderr);
    assert!(!run.stderr.contains("running tenants"), "{}", run.stderr);
    assert!(desk.proxy.calls().is_empty(), "no run began");
}

#[test]
fn sec17_no_call_is_made_after_the_tenants_lock_file_was_deleted() {
    use crate::support::proxy::{Fault, Rule};
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(std::time::Duration::from_secs(3)));
    desk.tenant("in_flight = 1\n");
    let running = desk.rosterd.spawn(&["sync", "acme"]);
    until("the first call", || !desk.proxy.writes().is_empty());
    fs::remove_file(desk.rosterd.path().join("state/acme/lock")).unwrap();
    let run = running.wait(std::time::Duration::from_secs(60));
    assert_eq!(desk.proxy.writes().len(), 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("was deleted or exchanged") || run.stdout.contains("was deleted or exchanged"),
        "{run:?}"
    );
    desk.proxy.forget();
    desk.sync(0);
    assert_eq!(desk.app("/Users?count=0")["totalResults"], 3, "i3: the next run looks and goes on");
}

#[test]
fn sec29_no_line_of_a_file_that_is_not_the_callers_is_shown() {
    if !is_root() {
        return;
    }
    let desk = Desk::new();
    let shadow = desk.rosterd.secret("shadow", "root:$6$salt$c4nary:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n");
    let shown = shadow.display().to_string();
    let sudo = [("SUDO_UID", "1000"), ("SUDO_USER", "ann")];
    let silent = |run: &crate::support::rosterd::Run| {
        let all = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, Some(78), "{all}");
        assert!(!all.contains("c4nary") && !all.contains("$6$") && !all.contains("daemon:"), "{all}");
        all
    };
    let direct = |variables: &[(&str, &str)], format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.args(["--config", &shown, "--format", format, "check"]).env_clear().envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        crate::support::rosterd::Run {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    };
    let all = silent(&direct(&sudo, "human"));
    assert!(all.contains("shadow:1:") && all.contains("this is not TOML"), "the place and the kind: {all}");
    silent(&direct(&sudo, "json"));
    let own = direct(&[], "human");
    assert!(own.stderr.contains("c4nary"), "whose file it is sees it: {}", own.stderr);
    // A tenant file that leads there.
    symlink(&shadow, desk.rosterd.path().join("tenants/bolt.toml")).unwrap();
    for command in [&["check"][..], &["plan", "bolt"], &["check", "bolt"]] {
        silent(&desk.rosterd.run_with(command, &sudo));
    }
    fs::remove_file(desk.rosterd.path().join("tenants/bolt.toml")).unwrap();
    // rosterd's own files keep their lines.
    desk.tenant("shedule = 1\n");
    let run = desk.rosterd.run_with(&["check"], &sudo);
    assert!(run.expect_code(78).stderr.contains("shedule = 1"), "{}", run.stderr);
}

#[test]
fn sec32_a_short_key_of_a_receiver_is_refused_by_check_and_signs_nothing() {
    let desk = Desk::new();
    for short in ["x", "whsec_YQ==", "twenty-three bytes long"] {
        desk.rosterd.secret("hook.key", short);
        let toml = format!(
            "state_dir = \"state\"\n[notify.ops]\nurl = \"{}/hook\"\nsecret = {{ file = \"hook.key\" }}\nallow_http_loopback = true\n",
            desk.proxy.base_url
        );
        desk.rosterd.file("rosterd.toml", &toml);
        for command in [&["check"][..], &["notify", "--test"]] {
            let run = desk.rosterd.run(command);
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(run.code != Some(0) && all.contains("fewer than 24 bytes"), "{command:?}: {all}");
            assert!(short.len() == 1 || !all.contains(short), "{all}");
        }
        assert!(desk.proxy.calls().is_empty());
    }
    desk.rosterd.secret("hook.key", "twenty-four bytes, so it");
    desk.rosterd.run(&["check"]).expect_code(0);
}
