//! Ten minutes of a bad week. In: 200 tenants on embedded and real apps, people and tenant files that are edited all the time, one app that
//! hangs, one that throttles, one that answers 500; the daemon is reloaded, stopped and killed. Out: that nothing was lost and nobody
//! doubled, how late anybody was, and what the daemon took.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use rosterd::clock::{Clock as _, SystemClock};
use rosterd::sandbox::{Misbehave, Options, Running};

use super::process::Daemon;
use super::site::{Company, Site, TOKEN, company_of};
use crate::meter::{Figures, figures};
use crate::support::reader::read_lists;
use crate::support::rig;
use crate::support::servers::{Kind, ScimServer};
use crate::tenant::runtime;

const TENANTS: usize = 200;
const PEOPLE: usize = 25;
const LENGTH: Duration = Duration::from_secs(600);
/// Between two edits of somebody's directory.
const EDIT_EVERY: Duration = Duration::from_millis(100);
const RELOAD_EVERY: Duration = Duration::from_secs(15);
/// After a start everybody is due at once: nobody is late yet.
const SETTLING: Duration = Duration::from_secs(30);
const LIMITS: &str = "[guard]\nremovals_per_day = \"none\"\ngroup_removals = \"none\"\nsource_shrink = \"none\"\nsettings_change = \"none\"\n";

/// A small generator: the same edits every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

enum App {
    Embedded(Running),
    Real(ScimServer, rig::Rig),
    /// Nobody can be in step with it.
    Broken,
}

struct Tenant {
    name: String,
    base_url: String,
    company: Company,
    app: App,
    /// The next newcomer's number.
    next: usize,
}

impl Tenant {
    fn write(&self, site: &Site, schedule: &str) {
        let (secret, rate) = match self.app {
            App::Real(..) => (self.name.as_str(), "200/s"),
            App::Embedded(_) | App::Broken => ("app", "1000/s"),
        };
        let (head, rest) = (format!("schedule = \"{schedule}\"\n"), format!("rate = \"{rate}\"\n{LIMITS}"));
        site.tenant_with(&self.name, &self.base_url, secret, &head, &rest);
    }

    /// Something happens in the company.
    fn edit(&mut self, dice: &mut Dice) {
        let ids: Vec<String> = self.company.people.keys().cloned().collect();
        let Some(id) = ids.get(dice.below(ids.len().max(1))) else { return };
        let Self { company, next, .. } = self;
        match dice.below(6) {
            0 => {
                *next += 1;
                let newcomer = format!("n{next:04}");
                company.people.insert(newcomer.clone(), (format!("Newcomer {next}"), true));
                company.groups.entry("all".to_owned()).or_default().push(newcomer);
            }
            1 if ids.len() > PEOPLE / 2 => {
                company.people.remove(id);
                company.groups.values_mut().for_each(|members| members.retain(|member| member != id));
            }
            2 => company.people.get_mut(id).expect("there").1 ^= true,
            3 | 1 => {
                *next += 1;
                company.people.get_mut(id).expect("there").0 = format!("Renamed {next}");
            }
            _ => {
                let members = company.groups.entry("tenth".to_owned()).or_default();
                match members.iter().position(|member| member == id) {
                    Some(at) => drop(members.remove(at)),
                    None => members.push(id.clone()),
                }
            }
        }
    }

    /// What keeps app and directory apart, if anything does.
    fn differs(&self) -> Option<String> {
        let name = |id: &str| format!("{id}@{}.test", self.name);
        let active = |id: &&String| self.company.people.get(*id).is_some_and(|(_, active)| *active);
        let wanted: BTreeSet<String> = self.company.people.keys().filter(active).map(|id| name(id)).collect();
        let tenth: BTreeSet<String> = self.company.groups["tenth"].iter().filter(active).map(|id| name(id)).collect();
        let (accounts, members): (Vec<(String, bool)>, BTreeSet<String>) = match &self.app {
            App::Broken => return None,
            App::Embedded(app) => {
                let users = app.users();
                let called = |id: &String| users.iter().find(|user| user.id == *id).map(|user| user.user_name.clone());
                let group = app.groups().into_iter().find(|group| group.display_name == "tenth");
                let members = group.iter().flat_map(|group| &group.members).filter_map(called).collect();
                (users.iter().map(|user| (user.user_name.clone(), user.active)).collect(), members)
            }
            App::Real(server, rig) => {
                let (users, groups) = read_lists(rig, &server.base_url, &server.token);
                let group = groups.into_iter().find(|group| group.display_name == "tenth");
                let accounts = users.into_iter().map(|user| (user.user_name, user.active != Some(false)));
                (accounts.collect(), group.into_iter().flat_map(|group| group.members).collect())
            }
        };
        let names: BTreeSet<&String> = accounts.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), accounts.len(), "{}: somebody has two accounts: {accounts:?}", self.name);
        let is: BTreeSet<String> = accounts.into_iter().filter(|(_, active)| *active).map(|(name, _)| name).collect();
        let of_ours: BTreeSet<String> = members.into_iter().filter(|member| wanted.contains(member)).collect();
        let apart = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.symmetric_difference(b).cloned().collect::<Vec<_>>();
        match (apart(&is, &wanted), apart(&of_ours, &tenth)) {
            (people, members) if people.is_empty() && members.is_empty() => None,
            (people, members) => Some(format!("{}: {people:?}, in the group {members:?}", self.name)),
        }
    }
}

/// An app that answers everything like this, or nothing at all.
fn broken(runtime: &tokio::runtime::Runtime, answers: Option<StatusCode>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a loopback port");
    let base_url = format!("http://{}/scim/v2", listener.local_addr().expect("its address"));
    let app = Router::new().fallback(move || async move {
        match answers {
            Some(status) => status,
            None => std::future::pending().await,
        }
    });
    runtime.spawn(async move { axum::serve(listener, app).await });
    base_url
}

fn tenants(runtime: &tokio::runtime::Runtime) -> Vec<Tenant> {
    let mut apps: Vec<(String, App)> = vec![
        (broken(runtime, None), App::Broken),
        (broken(runtime, Some(StatusCode::INTERNAL_SERVER_ERROR)), App::Broken),
    ];
    for kind in [Kind::Scim2Server, Kind::BetterAuth] {
        if let Some(rig) = rig::require(kind.name()) {
            let server = ScimServer::start(&rig, kind);
            apps.push((server.base_url.clone(), App::Real(server, rig)));
        }
    }
    while apps.len() < TENANTS {
        let misbehave = match apps.len() {
            4 | 5 => vec![Misbehave::Throttle],
            n if n.is_multiple_of(5) => vec![Misbehave::LostResponse, Misbehave::Duplicates],
            n if n.is_multiple_of(7) => vec![Misbehave::Flaky, Misbehave::Duplicates],
            n if n.is_multiple_of(2) => vec![Misbehave::Duplicates],
            _ => Vec::new(),
        };
        let options = Options { bearer: Some(TOKEN.to_owned()), misbehave, ..Default::default() };
        let app = runtime.block_on(rosterd::sandbox::start(options)).expect("an app");
        apps.push((app.base_url(), App::Embedded(app)));
    }
    let named = apps.into_iter().enumerate().map(|(n, (base_url, app))| Tenant {
        name: format!("t{n:03}"),
        base_url,
        company: company_of(PEOPLE),
        app,
        next: 0,
    });
    named.collect()
}

/// What was seen while it ran.
#[derive(Default)]
struct Seen {
    late: f64,
    memory: Vec<f64>,
    cpu: f64,
    ready: f64,
}

impl Seen {
    fn look(&mut self, site: &Site, daemon: &Daemon, broken: &[String], since_start: Duration) {
        self.memory.push(daemon.memory());
        let Some(board) = site.board().filter(|_| since_start > SETTLING) else { return };
        let waits = board.tenants.iter().filter(|line| !broken.contains(&line.tenant) && line.failures == 0);
        for due in waits.filter_map(|line| line.due) {
            self.late = self.late.max(board.at.duration_since(due).as_secs_f64());
        }
        // A board that is not written any more is a daemon that does nothing.
        self.late = self.late.max(SystemClock.now().duration_since(board.at).as_secs_f64() - 10.0);
    }
}

pub(crate) fn measure() -> Figures {
    let (site, runtime, mut dice) = (Site::new(), runtime(), Dice(7));
    let mut tenants = tenants(&runtime);
    for tenant in &tenants {
        if let App::Real(server, _) = &tenant.app {
            site.secret(&tenant.name, &server.token);
        }
        tenant.write(&site, "every 5s");
        site.company(&tenant.name, &tenant.company);
    }
    let broken: Vec<String> =
        tenants.iter().filter(|tenant| matches!(tenant.app, App::Broken)).map(|tenant| tenant.name.clone()).collect();
    let mut daemon = Daemon::start(site.path());
    let (begun, mut started, mut seen) = (Instant::now(), Instant::now(), Seen::default());
    seen.ready = daemon.ready_after.as_secs_f64();
    let mut ends = vec![("KILL", LENGTH * 3 / 4), ("KILL", LENGTH / 2), ("TERM", LENGTH / 4)];
    let (mut edits, mut reloads, mut next_look, mut next_reload) = (0, 0, begun, begun + RELOAD_EVERY);
    while begun.elapsed() < LENGTH {
        let at = dice.below(tenants.len());
        if let Some(tenant) = tenants.get_mut(at) {
            tenant.edit(&mut dice);
            site.company(&tenant.name, &tenant.company);
            edits += 1;
        }
        if Instant::now() >= next_look {
            seen.look(&site, &daemon, &broken, started.elapsed());
            next_look += Duration::from_secs(1);
        }
        if Instant::now() >= next_reload {
            // One file says something else, one says nothing that can be read until the next time.
            let (one, other) = (dice.below(tenants.len()), dice.below(tenants.len()));
            tenants.iter().for_each(|tenant| tenant.write(&site, "every 5s"));
            tenants[one].write(&site, "every 7s");
            tenants[other].write(&site, "now and then");
            daemon.signal("HUP");
            reloads += 1;
            next_reload += RELOAD_EVERY;
        }
        if ends.last().is_some_and(|(_, at)| begun.elapsed() >= *at) {
            let (signal, _) = ends.pop().expect("one is there");
            seen.cpu += daemon.cpu();
            daemon.signal(signal);
            daemon.wait();
            daemon = Daemon::start(site.path());
            started = Instant::now();
            seen.ready = seen.ready.max(daemon.ready_after.as_secs_f64());
        }
        std::thread::sleep(EDIT_EVERY);
    }
    tenants.iter().for_each(|tenant| tenant.write(&site, "every 5s"));
    daemon.signal("HUP");
    let calm = Instant::now();
    let in_step_after = loop {
        let apart: Vec<String> = tenants.iter().filter_map(Tenant::differs).collect();
        if apart.is_empty() {
            break calm.elapsed().as_secs_f64();
        }
        assert!(calm.elapsed() < Duration::from_secs(180), "still apart: {apart:#?}");
        std::thread::sleep(Duration::from_millis(500));
    };
    seen.cpu += daemon.cpu();
    daemon.signal("TERM");
    daemon.wait();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let last = seen.memory.len() / 5;
    // Each life begins small: the last one is looked at, in its beginning and its end.
    let life = seen.memory.get(seen.memory.len() * 3 / 4 + last / 5..).unwrap_or_default();
    let (early, end) = life.split_at(life.len() / 2);
    figures([
        ("tenants", TENANTS as f64),
        ("people", PEOPLE as f64),
        ("real_apps", tenants.iter().filter(|tenant| matches!(tenant.app, App::Real(..))).count() as f64),
        ("minutes", LENGTH.as_secs_f64() / 60.0),
        ("edits", f64::from(edits)),
        ("reloads", f64::from(reloads)),
        ("ready", seen.ready),
        ("late", seen.late),
        ("in_step_after", in_step_after),
        ("cpu", seen.cpu),
        ("memory", seen.memory.iter().copied().fold(0.0, f64::max)),
        ("memory_early", mean(early)),
        ("memory_end", mean(end)),
    ])
}
