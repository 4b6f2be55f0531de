//! A quiet daemon. In: a thousand tenants of a hundred people, in step. Out: seconds to ready, memory, processor time of a minute in
//! which each tenant runs once, and of one in which none does.

use std::time::{Duration, Instant};

use super::process::{Daemon, command};
use super::site::{Site, TOKEN, company_of};
use crate::meter::{Figures, figures};
use crate::tenant::runtime;

const TENANTS: usize = 1000;
const PEOPLE: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);

fn name(n: usize) -> String {
    format!("t{n:04}")
}

pub(crate) fn measure() -> Figures {
    let (site, runtime) = (Site::new(), runtime());
    let company = company_of(PEOPLE);
    let mut apps = Vec::new();
    for n in 0..TENANTS {
        let options = rosterd::sandbox::Options { bearer: Some(TOKEN.to_owned()), ..Default::default() };
        let app = runtime.block_on(rosterd::sandbox::start(options)).expect("an app");
        site.tenant(&name(n), &app.base_url(), "", "rate = \"10000/s\"\n");
        site.company(&name(n), &company);
        apps.push(app);
    }
    // Once to make everybody, once more so that the next run knows that nothing is left to do.
    for _ in 0..2 {
        assert!(command(site.path(), &["sync", "--all", "--yes"]).status().expect("rosterd").success());
    }
    let filled = apps.iter().filter(|app| app.users().len() == PEOPLE).count();
    assert_eq!(filled, TENANTS, "all are in step");
    let asleep = spend(&site, "every 1h");
    let awake = spend(&site, "every 1m");
    let runs = |figures: &Figures| figures["runs"];
    assert!(runs(&awake) >= TENANTS as f64 * 0.9, "each ran once: {awake:?}");
    figures([
        ("tenants", TENANTS as f64),
        ("people", PEOPLE as f64),
        ("ready", asleep["ready"].min(awake["ready"])),
        ("asleep_cpu", asleep["cpu"]),
        ("asleep_memory", asleep["memory"]),
        ("asleep_runs", runs(&asleep)),
        ("awake_cpu", awake["cpu"]),
        ("awake_memory", awake["memory"]),
        ("awake_runs", runs(&awake)),
    ])
}

/// A minute of the daemon's life with this schedule for everybody.
fn spend(site: &Site, schedule: &str) -> Figures {
    for n in 0..TENANTS {
        let path = site.path().join(format!("tenants/{}.toml", name(n)));
        let text = std::fs::read_to_string(&path).expect("the tenant");
        let text = match text.strip_prefix("schedule") {
            Some(rest) => rest.split_once('\n').map(|(_, rest)| rest.to_owned()).expect("a line"),
            None => text,
        };
        std::fs::write(&path, format!("schedule = \"{schedule}\"\n{text}")).expect("the tenant");
    }
    let daemon = Daemon::start(site.path());
    let ready = daemon.ready_after.as_secs_f64();
    let (started, before) = (Instant::now(), daemon.cpu());
    let mut memory: f64 = 0.0;
    while started.elapsed() < MINUTE {
        std::thread::sleep(Duration::from_secs(1));
        memory = memory.max(daemon.memory());
    }
    let cpu = daemon.cpu() - before;
    let board = site.board().expect("a board");
    let runs = board.tenants.iter().filter(|line| line.standing == Some(rosterd::model::TenantState::Ok)).count();
    daemon.signal("TERM");
    daemon.wait();
    figures([("ready", ready), ("cpu", cpu), ("memory", memory), ("runs", runs as f64)])
}
