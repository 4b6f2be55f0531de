//! How long a leaver waits. In: a backlog of newcomers, and every cause for which access ends. Out: seconds from the end of the reading, or
//! from the moment in which the directory says so while the run goes on, until the app hears of it.

use std::process::Child;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::Value;

use super::pace::{Counter, Ledger, RATE};
use super::process::{command, is_debug_build};
use super::site::{Company, Site, company_of};
use crate::meter::{Figures, figures};
use crate::support::directory::{Directory, Group, Kind, Member, uid};
use crate::support::jumpcloud::{API_KEY, JumpCloud};

const BACKLOG: usize = 100_000;
/// Newcomers of a run in which somebody leaves: enough for three minutes.
const LONG: usize = 9_000;
/// How long the run goes on before they leave.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// Why access ends, by the name of its figure.
#[derive(Clone, Copy)]
enum Cause {
    Suspended,
    Deleted,
    Revoked,
    Disassociated,
    GroupDeleted,
}

const CAUSES: [(Cause, &str); 5] = [
    (Cause::Suspended, "suspended"),
    (Cause::Deleted, "deleted"),
    (Cause::Revoked, "revoked"),
    (Cause::Disassociated, "group_disassociated"),
    (Cause::GroupDeleted, "group_deleted"),
];

impl Cause {
    fn happens(self, company: &mut Company) {
        match self {
            Self::Suspended => company.people.get_mut("leaver").expect("the leaver").1 = false,
            Self::Deleted => {
                company.people.remove("leaver");
                company.groups.values_mut().for_each(|members| members.retain(|id| id != "leaver"));
            }
            Self::Revoked => company.groups.get_mut("own").expect("their group").retain(|id| id != "leaver"),
            Self::Disassociated => drop(company.unbound.insert("own".to_owned())),
            Self::GroupDeleted => drop(company.groups.remove("own")),
        }
    }
}

fn ledger(app: &Counter) -> MutexGuard<'_, Ledger> {
    let ledger: &Mutex<Ledger> = &app.ledger;
    ledger.lock().expect("no writer panicked")
}

/// Waits until the leaver's call has arrived, and ends the run then.
fn patched(app: &Counter, mut child: Child, limit: Duration) -> Timestamp {
    let deadline = Instant::now() + limit;
    let at = loop {
        assert!(Instant::now() < deadline, "the leaver never left");
        if let Some(at) = ledger(app).patched {
            break at;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    child.kill().expect("rosterd");
    child.wait().expect("rosterd");
    at
}

/// Somebody leaves while 100,000 others come, once for each cause: the time from the end of the reading until the app hears of it.
pub(crate) fn behind_a_backlog() -> Figures {
    let mut found =
        figures([("backlog", BACKLOG as f64), ("rate", RATE as f64), ("debug", f64::from(is_debug_build()))]);
    for (cause, name) in CAUSES {
        let (waited, calls_before) = one(cause);
        println!("{name}: {waited:.3} s after the reading, {calls_before} calls before it");
        found.insert(name.to_owned(), waited);
        found.insert(format!("{name}_calls_before"), calls_before as f64);
    }
    let slowest = CAUSES.iter().map(|(_, name)| found[*name]).fold(0.0, f64::max);
    found.insert("waited".to_owned(), slowest);
    found
}

/// Some who stay (a plan that leaves nobody is held), and the leaver, whom the group `own` holds.
fn stayers() -> Company {
    let mut company = company_of(20);
    company.people.insert("leaver".to_owned(), ("A Leaver".to_owned(), true));
    company.groups.insert("own".to_owned(), vec!["leaver".to_owned(), "p000".to_owned()]);
    company
}

fn one(cause: Cause) -> (f64, usize) {
    let (site, app) = (Site::new(), Counter::open());
    site.tenant("acme", &app.base_url, "", &format!("rate = \"{RATE}/s\"\nin_flight = 4\n"));
    let mut company = stayers();
    site.company("acme", &company);
    assert!(command(site.path(), &["sync", "acme"]).status().expect("rosterd").success());
    let newcomers = company_of(BACKLOG);
    company.people.extend(newcomers.people);
    company.groups.extend(newcomers.groups);
    cause.happens(&mut company);
    site.company("acme", &company);
    ledger(&app).begin();
    let log = site.path().join("sync.log");
    let out = std::fs::File::create(&log).expect("a log");
    let mut command = command(site.path(), &["sync", "acme", "-v", "--format", "json"]);
    let child = command.stderr(out).spawn().expect("rosterd");
    let patched = patched(&app, child, Duration::from_secs(120));
    let text = std::fs::read_to_string(&log).expect("the log");
    let line = text.lines().find(|line| line.contains("directory read")).expect("the end of the reading is logged");
    let event: Value = serde_json::from_str(line).expect("JSON lines");
    let read: Timestamp = event["timestamp"].as_str().expect("a time").parse().expect("a time");
    (patched.duration_since(read).as_secs_f64(), ledger(&app).before)
}

/// Somebody leaves while a run of minutes goes on: the time from then until the app hears of it, with a directory that has no change feed
/// (a file) and with one that has (JumpCloud's Directory Insights).
pub(crate) fn during_a_run() -> Figures {
    let (file, jumpcloud) = (during_with_a_file(), during_with_jumpcloud());
    println!("left during the run: {file:.1} s with a file, {jumpcloud:.1} s with JumpCloud");
    figures([
        ("newcomers", LONG as f64),
        ("rate", RATE as f64),
        ("file", file),
        ("jumpcloud", jumpcloud),
        ("debug", f64::from(is_debug_build())),
    ])
}

/// Waits until accounts are being made, and a little longer.
fn under_way(app: &Counter) {
    let (deadline, made) = (Instant::now() + Duration::from_secs(120), ledger(app).made);
    while ledger(app).made <= made + 10 {
        assert!(Instant::now() < deadline, "no account is made");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(UNDER_WAY);
}

fn during_with_a_file() -> f64 {
    let (site, app) = (Site::new(), Counter::open());
    site.tenant("acme", &app.base_url, "", &format!("rate = \"{RATE}/s\"\nin_flight = 4\n"));
    let mut company = stayers();
    site.company("acme", &company);
    assert!(command(site.path(), &["sync", "acme"]).status().expect("rosterd").success());
    let newcomers = company_of(LONG);
    company.people.extend(newcomers.people);
    company.groups.extend(newcomers.groups);
    site.company("acme", &company);
    ledger(&app).begin();
    let child = command(site.path(), &["sync", "acme", "-q"]).spawn().expect("rosterd");
    under_way(&app);
    Cause::Suspended.happens(&mut company);
    site.company("acme", &company);
    let left = SystemClock.now();
    patched(&app, child, Duration::from_secs(170)).duration_since(left).as_secs_f64()
}

fn during_with_jumpcloud() -> f64 {
    let mut directory = Directory::generate(LONG + 20, 1, 1);
    let group = |name: &str, people: std::ops::Range<usize>| Group {
        cn: name.to_owned(),
        kind: Kind::GroupOfNames,
        members: people.map(|number| Member::Person(uid(number))).collect(),
    };
    directory.groups = vec![group("stay", 0..20), group("come", 20..LONG + 20)];
    let cloud = JumpCloud::start(&directory);
    cloud.change(|org| org.bind("Heap", &["stay"]));
    let (site, app) = (Site::new(), Counter::open());
    site.secret("jumpcloud", API_KEY);
    let source = format!(
        "[source.jumpcloud]\nbase_url = \"{}\"\ninsights_url = \"{}\"\nallow_http_loopback = true\n\
         api_key = {{ file = \"../jumpcloud.secret\" }}\napplication = \"Heap\"\n",
        cloud.base_url(),
        cloud.insights_url()
    );
    let attributes = "\n[users.attributes]\nuserName = \"username\"\n";
    let target = format!("rate = \"{RATE}/s\"\nin_flight = 4\n{attributes}");
    site.tenant_of("acme", &source, &app.base_url, &target);
    assert!(command(site.path(), &["sync", "acme"]).status().expect("rosterd").success());
    cloud.change(|org| org.bind("Heap", &["come"]));
    ledger(&app).begin();
    let child = command(site.path(), &["sync", "acme", "-q"]).spawn().expect("rosterd");
    under_way(&app);
    cloud.change(|org| org.suspend(7));
    let left = SystemClock.now();
    patched(&app, child, Duration::from_secs(170)).duration_since(left).as_secs_f64()
}
