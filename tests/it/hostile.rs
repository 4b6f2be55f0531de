//! One tenant can't stop the others: named pipes in the place of files, shares that hang, apps and directories that drip, lie or never end.
//!
//! A share that hangs is played by the debug build: with `ROSTERD_HANG_BESIDE=FOLDER` opening a file hangs as long as that folder has an
//! entry of the same name.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::cli::{Desk, person};
use crate::daemon::until;
use crate::support::rosterd::Running;

/// SIGTERM ends the daemon within this, whatever hangs.
const END: Duration = Duration::from_secs(10);

/// How often tenants are due, in seconds.
const EVERY: u64 = 5;

/// Puts a named pipe that nothing writes to in the place of a file.
fn fifo(path: &Path) {
    if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A tenant with a directory file and an app.
fn tenant(desk: &Desk, name: &str, people: &str, url: &str, token: &str, extra: &str) {
    let file = format!(
        "schedule = \"every {EVERY}s\"\n[source.file]\npath = \"../{people}\"\n[target]\nbase_url = \"{url}\"\ntoken = {{ file = \"../{token}\" }}\n\
         rate = \"1000/s\"\nallow_http_loopback = true\n{extra}"
    );
    desk.rosterd.tenant(name, &file);
}

/// A directory file with some people, whose names tell the tenant.
fn people(desk: &Desk, tenant: &str, names: &[&str]) -> PathBuf {
    let users: Vec<Value> =
        names.iter().map(|name| person(&format!("{tenant}-{name}"), &format!("{tenant}.{name}"))).collect();
    let ids: Vec<String> = names.iter().map(|name| format!("{tenant}-{name}")).collect();
    let document =
        json!({ "users": users, "groups": [{ "id": format!("{tenant}-g"), "name": tenant, "members": ids }] });
    // Renamed into place, as the documentation asks for.
    let fresh = desk.rosterd.file(&format!("{tenant}.json.fresh"), &document.to_string());
    let path = desk.rosterd.path().join(format!("{tenant}.json"));
    std::fs::rename(fresh, &path).unwrap();
    path
}

/// A tenant in good health, in the embedded app.
fn good(desk: &Desk, name: &str) {
    people(desk, name, &["ann", "bo"]);
    tenant(desk, name, &format!("{name}.json"), &desk.base_url, "app.token", "");
}

/// The daemon's line about a tenant.
fn line(desk: &Desk, tenant: &str) -> Option<Value> {
    lines(desk)?.into_iter().find(|line| line["tenant"] == tenant)
}

fn lines(desk: &Desk) -> Option<Vec<Value>> {
    let board = std::fs::read(desk.rosterd.path().join("state/.daemon/board.json")).ok()?;
    let board: Value = serde_json::from_slice(&board).ok()?;
    board["tenants"].as_array().cloned()
}

fn is(desk: &Desk, tenant: &str, standing: &str) -> bool {
    line(desk, tenant).is_some_and(|line| line["standing"] == standing)
}

/// What the daemon tells systemd.
struct Notified {
    socket: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
}

impl Notified {
    fn new(desk: &Desk) -> Self {
        let socket = desk.rosterd.path().join("notify");
        let listener = UnixDatagram::bind(&socket).unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(got) = listener.recv(&mut buffer) {
                heard.lock().unwrap().push(String::from_utf8_lossy(&buffer[..got]).into_owned());
            }
        });
        Self { socket, said }
    }

    fn variable(&self) -> (&str, &str) {
        ("NOTIFY_SOCKET", self.socket.to_str().unwrap())
    }

    fn count(&self, word: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| said.lines().any(|line| line == word)).count()
    }
}

/// Asks the daemon to end, and sees that it does.
fn ends(daemon: Running) {
    let asked = Instant::now();
    daemon.signal("TERM");
    let ended = daemon.wait(Duration::from_secs(60));
    assert!(asked.elapsed() < END, "it took {:?}\n{}", asked.elapsed(), ended.stderr);
    ended.expect_code(0);
}

/// Others are answered, and soon.
fn others_are_answered(desk: &Desk, code_of_reload: i32) {
    let begun = Instant::now();
    desk.rosterd.run(&["status"]).expect_code(0);
    desk.rosterd.run(&["sync", "good"]).expect_code(0);
    desk.rosterd.run(&["reload"]).expect_code(code_of_reload);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn p6_named_pipes_in_the_place_of_files_stop_nobody_else() {
    let desk = Desk::new();
    good(&desk, "good");
    fifo(&desk.rosterd.path().join("pipe.json"));
    tenant(&desk, "acme", "pipe.json", &desk.base_url, "app.token", "");
    fifo(&desk.rosterd.path().join("tenants/pipe.toml"));
    fifo(&desk.rosterd.path().join("pipe.token"));
    people(&desk, "secret", &["ann"]);
    tenant(&desk, "secret", "secret.json", &desk.base_url, "pipe.token", "");
    people(&desk, "ca", &["ann"]);
    tenant(&desk, "ca", "ca.json", &desk.base_url, "app.token", "ca_file = \"../pipe.token\"\n");
    people(&desk, "profile", &["ann"]);
    tenant(&desk, "profile", "profile.json", &desk.base_url, "app.token", "profile = \"../pipe.json\"\n");
    for name in ["users", "groups", "members"] {
        desk.rosterd.file(&format!("csv-{name}/users.csv"), "id,userName\nu,csv\n");
        desk.rosterd.file(&format!("csv-{name}/groups.csv"), "id,name\ng,csv\n");
        desk.rosterd.file(&format!("csv-{name}/members.csv"), "group_id,user_id\ng,u\n");
        fifo(&desk.rosterd.path().join(format!("csv-{name}/{name}.csv")));
        tenant(&desk, &format!("csv-{name}"), &format!("csv-{name}"), &desk.base_url, "app.token", "");
    }

    // What is typed: each names the file and what it is, and `--all` gets to the good one.
    let checked = desk.rosterd.run(&["check"]);
    checked.expect_code(78);
    for file in ["tenants/pipe.toml", "pipe.token", "pipe.json"] {
        assert!(checked.stderr.contains(file), "{file}: {}", checked.stderr);
    }
    assert!(checked.stderr.contains("named pipe (FIFO)"), "{}", checked.stderr);
    let synced = desk.rosterd.run(&["sync", "--all"]);
    assert!(synced.stderr.contains("acme: ") && synced.stderr.contains("named pipe (FIFO)"), "{}", synced.stderr);
    assert_eq!(desk.rosterd.run(&["status", "good", "--format", "json"]).json()[0]["linked"]["users"], 2);
    for name in ["csv-users", "csv-groups", "csv-members", "ca", "secret"] {
        let run = desk.rosterd.run(&["sync", name]);
        assert_ne!(run.code, Some(0), "{name}");
        let pipe = if name == "secret" { "not a regular file" } else { "named pipe (FIFO)" };
        assert!(run.stderr.contains(pipe), "{name}: {}", run.stderr);
    }

    let notified = Notified::new(&desk);
    let daemon = desk.rosterd.spawn_with(&["run", "-v"], &[notified.variable()]);
    until("the good one is run", || is(&desk, "good", "ok"));
    until("systemd hears of it", || notified.count("READY=1") == 1 && notified.count("WATCHDOG=1") > 2);
    until("the others fail by themselves", || is(&desk, "acme", "failing") && is(&desk, "secret", "failing"));
    others_are_answered(&desk, 78);

    // Swapped in later, under a tenant that ran.
    fifo(&desk.rosterd.path().join("good.json"));
    good(&desk, "better");
    desk.rosterd.run(&["reload"]).expect_code(78);
    until("another one is run", || is(&desk, "better", "ok"));
    until("it fails and says why", || {
        line(&desk, "good").is_some_and(|line| line["note"].as_str().unwrap_or_default().contains("FIFO"))
    });
    let watched = notified.count("WATCHDOG=1");
    until("the loop goes on", || notified.count("WATCHDOG=1") > watched + 2);
    ends(daemon);
}

/// A folder whose entries name the files that hang.
struct Share(PathBuf);

impl Share {
    fn new(desk: &Desk) -> Self {
        let folder = desk.rosterd.path().join("hanging");
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn hang(&self, name: &str) {
        std::fs::write(self.0.join(name), "").unwrap();
    }

    fn release(&self, name: &str) {
        std::fs::remove_file(self.0.join(name)).unwrap();
    }

    fn variable(&self) -> (&str, &str) {
        ("ROSTERD_HANG_BESIDE", self.0.to_str().unwrap())
    }
}

#[test]
fn p6_a_share_that_hangs_at_the_start_delays_its_tenants_only() {
    let desk = Desk::new();
    good(&desk, "good");
    good(&desk, "hung");
    people(&desk, "secret", &["ann"]);
    desk.rosterd.secret("hung.token", crate::cli::TOKEN);
    tenant(&desk, "secret", "secret.json", &desk.base_url, "hung.token", "");
    let share = Share::new(&desk);
    ["hung.json", "hung.token", "acme.toml"].iter().for_each(|name| share.hang(name));

    let notified = Notified::new(&desk);
    let begun = Instant::now();
    let daemon = desk.rosterd.spawn_with(&["run", "-v"], &[share.variable(), notified.variable()]);
    until("the good one is run", || is(&desk, "good", "ok"));
    assert!(notified.count("READY=1") == 1 && begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    for name in ["hung", "acme"] {
        let mistake = line(&desk, name).unwrap()["mistake"].as_str().unwrap().to_owned();
        assert!(mistake.contains("did not answer within 5 s"), "{name}: {mistake}");
    }
    others_are_answered(&desk, 78);
    until("the one with the secret fails", || is(&desk, "secret", "failing"));
    let note = line(&desk, "secret").unwrap()["note"].as_str().unwrap().to_owned();
    assert!(note.contains("secret.toml") && note.contains("did not answer"), "{note}");

    // The share comes back: nobody has to ask for it.
    ["hung.json", "hung.token"].iter().for_each(|name| share.release(name));
    let deadline = Instant::now() + Duration::from_secs(100);
    while !is(&desk, "hung", "ok") {
        assert!(Instant::now() < deadline, "{:?}\n{}", line(&desk, "hung"), daemon.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
    ends(daemon);
}

#[test]
fn p6_a_share_that_hangs_later_delays_neither_others_nor_the_end() {
    let desk = Desk::new();
    for name in ["good", "hung", "secret"] {
        good(&desk, name);
    }
    desk.rosterd.secret("hung.token", crate::cli::TOKEN);
    tenant(&desk, "secret", "secret.json", &desk.base_url, "hung.token", "");
    let share = Share::new(&desk);
    let daemon = desk.rosterd.spawn_with(&["run", "-v"], &[share.variable()]);
    until("all are run", || ["good", "hung", "secret"].iter().all(|name| is(&desk, name, "ok")));
    ["hung.json", "hung.token"].iter().for_each(|name| share.hang(name));
    until("it hangs in the middle of a run", || {
        let since = line(&desk, "hung").and_then(|line| line["running_since"].as_str()?.parse::<Timestamp>().ok());
        since.is_some_and(|since| SystemClock.now().duration_since(since).as_secs() >= 3)
    });
    others_are_answered(&desk, 78);
    people(&desk, "good", &["ann", "bo", "cy"]);
    until("a newcomer of another tenant arrives", || desk.app("/Users?count=100").to_string().contains("good.cy"));
    ends(daemon);
}

#[test]
fn p6_sync_all_goes_past_shares_that_hang_and_ends_when_asked() {
    let desk = Desk::new();
    let share = Share::new(&desk);
    // One hangs when it is checked, one when it is run.
    for name in ["a-check", "a-secret", "good"] {
        good(&desk, name);
    }
    desk.rosterd.secret("hung.token", crate::cli::TOKEN);
    tenant(&desk, "a-secret", "a-secret.json", &desk.base_url, "hung.token", "");
    share.hang("a-check.json");
    share.hang("hung.token");
    let begun = Instant::now();
    let run = desk.rosterd.run_with(&["sync", "--all"], &[share.variable()]);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    for (name, why) in [("a-check", "did not answer within 5 s"), ("a-secret", "did not answer within 20 s")] {
        assert!(run.stderr.contains(name) && run.stderr.contains(why), "{name}: {}", run.stderr);
    }
    assert!(desk.app("/Users?count=100").to_string().contains("good.ann"), "{}", run.stderr);

    let mut hung = desk.rosterd.spawn_with(&["sync", "a-secret"], &[share.variable()]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!hung.has_ended(), "{}", hung.stderr());
    let asked = Instant::now();
    hung.signal("TERM");
    let ended = hung.wait(Duration::from_secs(60));
    assert!(asked.elapsed() < END, "{:?}\n{}", asked.elapsed(), ended.stderr);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

/// What an app does with a request.
#[derive(Clone, Copy)]
enum Rude {
    /// It sends its answer byte by byte.
    Drips,
    /// It announces a list that never ends, and sends page after page of it.
    NeverEnds,
    /// It sends a body of many megabytes.
    Huge,
    /// It takes the request and says nothing.
    Silent,
    /// It shows a login page.
    LoginPage,
}

/// No rude app answers more requests than this: what it does is done by then.
const REQUESTS: usize = 1000;

/// An app that is rude, on threads that end with the test process.
fn rude(kind: Rude) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    let answered = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answered = Arc::clone(&answered);
            std::thread::spawn(move || answer(kind, connection, &answered));
        }
    });
    url
}

fn answer(kind: Rude, mut connection: TcpStream, answered: &AtomicUsize) {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(got) => head.extend_from_slice(&part[..got]),
        }
    }
    let number = answered.fetch_add(1, Ordering::Relaxed);
    if number >= REQUESTS || matches!(kind, Rude::Silent) {
        std::thread::sleep(Duration::from_secs(120));
        return;
    }
    let start = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    // One that hangs up early has seen enough.
    let _ = match kind {
        Rude::Drips => drip(&mut connection, start("application/scim+json").as_bytes()),
        Rude::NeverEnds => {
            let user = |n: usize| format!("{{\"id\":\"x{number}-{n}\",\"userName\":\"x{number}.{n}\"}}");
            let users = (0..100).map(user).collect::<Vec<_>>().join(",");
            let body = format!(
                "{{\"totalResults\":1000000000,\"itemsPerPage\":100,\"startIndex\":{},\"Resources\":[{users}]}}",
                number * 100 + 1
            );
            connection.write_all((start("application/scim+json") + &body).as_bytes())
        }
        Rude::Huge => {
            let mut sent = connection.write_all(start("application/scim+json").as_bytes());
            for _ in 0..64 {
                sent = sent.and_then(|()| connection.write_all(&[b' '; 1 << 20]));
            }
            sent
        }
        Rude::LoginPage => {
            connection.write_all((start("text/html") + "<html><form action=login>Sign in</form></html>").as_bytes())
        }
        Rude::Silent => Ok(()),
    };
}

fn drip(connection: &mut TcpStream, start: &[u8]) -> std::io::Result<()> {
    connection.write_all(start)?;
    for _ in 0..600 {
        connection.write_all(b" ")?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// An LDAP server that answers a bind and then sends entries as long as anyone listens, up to a limit, and never the end of the search.
fn endless_directory() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut part = [0; 4096];
                let mut request = 0_u8;
                while connection.read(&mut part).is_ok_and(|got| got > 0) {
                    request = request.saturating_add(1);
                    if request == 1 {
                        // A bind response: success.
                        let _ =
                            connection.write_all(&[0x30, 0x0c, 0x02, 0x01, 1, 0x61, 0x07, 0x0a, 0x01, 0, 4, 0, 4, 0]);
                        continue;
                    }
                    // A search result entry `cn=x` without attributes.
                    let entry =
                        [0x30, 0x0d, 0x02, 0x01, request, 0x64, 0x08, 0x04, 0x04, b'c', b'n', b'=', b'x', 0x30, 0];
                    for _ in 0..20_000 {
                        if connection.write_all(&entry).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    url
}

/// Ten ways and more to be a bad neighbour, all at once.
fn hostile(desk: &Desk, share: &Share) -> Vec<&'static str> {
    let path = |name: &str| desk.rosterd.path().join(name);
    let quick = "[target.override_profile]\ntransport.discovery = false\npace.attempts = 2\n";
    let apps = [
        ("x-drips", Rude::Drips),
        ("x-never-ends", Rude::NeverEnds),
        ("x-huge", Rude::Huge),
        ("x-silent", Rude::Silent),
        ("x-login", Rude::LoginPage),
    ];
    for (name, kind) in apps {
        people(desk, name, &["ann"]);
        tenant(desk, name, &format!("{name}.json"), &rude(kind), "app.token", quick);
    }
    fifo(&path("x-pipe.json"));
    tenant(desk, "x-pipe", "x-pipe.json", &desk.base_url, "app.token", "");
    fifo(&path("tenants/x-file.toml"));
    fifo(&path("x-secret.token"));
    people(desk, "x-secret", &["ann"]);
    tenant(desk, "x-secret", "x-secret.json", &desk.base_url, "x-secret.token", "");
    // These two are well at first.
    good(desk, "x-turns");
    good(desk, "x-share");
    share.hang("x-check.json");
    good(desk, "x-check");
    let ldap = format!(
        "schedule = \"every {EVERY}s\"\n[source.ldap]\nurl = \"{}\"\nbind_dn = \"cn=reader\"\npassword = {{ file = \"../app.token\" }}\nbase = \"dc=x\"\n\
         allow_plain_loopback = true\n[scope]\ngroups = [{{ name = \"*\" }}]\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\nallow_http_loopback = true\n",
        endless_directory(),
        desk.base_url
    );
    desk.rosterd.tenant("x-ldap", &ldap);
    let mut names: Vec<&'static str> = apps.iter().map(|(name, _)| *name).collect();
    names.extend(["x-pipe", "x-file", "x-secret", "x-turns", "x-share", "x-check", "x-ldap"]);
    names
}

/// Memory that the process has in use, in MiB.
fn memory(daemon: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A run in good health begins at most this long after it was due, in seconds: three schedules, on a machine that is busy with other tests.
const LATE: u64 = 3 * EVERY;

/// The most that runs in good health were late, in seconds, as the board shows it now.
fn lateness(desk: &Desk, names: &[String]) -> u64 {
    let now = SystemClock.now();
    let late = |line: &Value| {
        let due: Timestamp = line["due"].as_str()?.parse().ok()?;
        u64::try_from(now.duration_since(due).as_secs()).ok()
    };
    let lines = lines(desk).unwrap_or_default();
    let mine = lines.iter().filter(|line| names.iter().any(|name| line["tenant"] == name.as_str()));
    mine.filter_map(late).max().unwrap_or(0)
}

/// Forty tenants keep their time beside a dozen of which each is hostile in another way; memory stays flat; the end comes in time.
#[test]
fn p6_forty_tenants_keep_their_time_beside_a_dozen_hostile_ones() {
    let desk = Desk::new();
    let share = Share::new(&desk);
    let names: Vec<String> = (0..40).map(|n| format!("t{n:02}")).collect();
    names.iter().for_each(|name| good(&desk, name));
    std::fs::remove_file(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    let hostile = hostile(&desk, &share);
    assert!(hostile.len() >= 10);

    let daemon = desk.rosterd.spawn_with(&["run", "-v"], &[share.variable()]);
    until("all in good health were run", || names.iter().all(|name| is(&desk, name, "ok")));
    let (mut latest, mut runs, mut at_first, mut at_last) = (0, std::collections::BTreeMap::new(), 0, 0);
    let watched = Instant::now();
    for second in 0..25 {
        match second {
            3 => fifo(&desk.rosterd.path().join("x-turns.json")),
            4 => share.hang("x-share.json"),
            // All that failed is tried at once: the rude apps are asked again.
            8 | 16 => drop(desk.rosterd.run(&["reload"]).expect_code(78)),
            10 => names.iter().for_each(|name| drop(people(&desk, name, &["ann", "bo", "cy"]))),
            _ => {}
        }
        let moment = Instant::now() + Duration::from_secs(1);
        while Instant::now() < moment {
            latest = latest.max(lateness(&desk, &names));
            for line in lines(&desk).unwrap_or_default() {
                if let (Some(name), Some(due)) = (line["tenant"].as_str(), line["due"].as_str()) {
                    runs.entry(name.to_owned()).or_insert_with(std::collections::BTreeSet::new).insert(due.to_owned());
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let used = memory(&daemon);
        if second < 12 { at_first = at_first.max(used) } else { at_last = at_last.max(used) }
    }
    // What this machine made of it, for those who read along (--nocapture).
    eprintln!("at most {latest} s late; {at_first} MiB at first, {at_last} MiB at last");
    let log = || daemon.stderr();
    assert!(latest <= LATE, "one was {latest} s late\n{}", log());
    // Each was run on and on.
    let seconds = watched.elapsed().as_secs();
    for name in &names {
        let times = runs.get(name).map_or(0, std::collections::BTreeSet::len);
        assert!(times as u64 >= seconds / (EVERY + LATE), "{name} was due {times} times in {seconds} s");
    }
    until("every newcomer has arrived", || {
        let users = desk.app("/Users?count=500").to_string();
        names.iter().all(|name| users.contains(&format!("{name}.cy")))
    });
    assert!(at_last < 400 && at_last < at_first + 150, "{at_first} MiB at first, {at_last} MiB at last");
    for name in ["x-pipe", "x-turns", "x-secret", "x-login", "x-huge"] {
        assert!(is(&desk, name, "failing"), "{name}: {:?}", line(&desk, name));
    }
    for name in ["x-file", "x-check"] {
        assert!(line(&desk, name).unwrap()["mistake"].is_string(), "{name}");
    }
    ends(daemon);
    for name in names.iter().step_by(8) {
        desk.rosterd.run(&["journal", "verify", name]).expect_code(0);
    }
}
