//! The loop itself, with a runner that takes the time a test gives it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::clock::SystemClock;
use crate::engine::ImportEnds;
use crate::model::TenantState as Standing;
use crate::store::{ImportNote, ImportOrder, Stores};

const TENANT: &str = "schedule = \"every 1s\"\n[source.file]\npath = \"people.json\"\n[target]\n\
                      base_url = \"https://app.example.org/scim/v2\"\ntoken = { env = \"TOKEN\" }\n";

struct Site(tempfile::TempDir);

impl Site {
    fn new(tenants: &[&str]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        std::fs::write(site.config(), "state_dir = \"state\"\n").unwrap();
        std::fs::create_dir(site.0.path().join("tenants")).unwrap();
        tenants.iter().for_each(|name| site.tenant(name, TENANT));
        site
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("rosterd.toml")
    }

    fn state(&self) -> Stores {
        Stores::on_disk(self.0.path().join("state"))
    }

    fn tenant(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(format!("tenants/{name}.toml")), text).unwrap();
    }

    fn settings(&self, workers: usize) -> Settings {
        let telemetry = Arc::new(Telemetry::new(self.state(), SystemClock.now()));
        Settings {
            config: self.config(),
            stores: self.state(),
            workers,
            clock: Arc::new(SystemClock),
            telemetry,
            commands: Arc::new(Idle),
        }
    }
}

/// Carries out no command.
struct Idle;

impl CommandRunner for Idle {
    fn perform(&self, _: &CommandLine, _: &Arc<CommandLink>, _: &tokio::runtime::Handle) -> CommandEnd {
        CommandEnd { code: 1, failure: None, import: None }
    }
}

/// Notes who ran; a tenant called `slow` runs until it is stopped, one called `deaf` for ever, one called `panics` does.
#[derive(Default)]
struct Scripted {
    ran: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Scripted {
    fn times(&self, name: &str) -> usize {
        self.ran.lock().unwrap().iter().filter(|ran| *ran == name).count()
    }
}

#[async_trait]
impl Runner for Scripted {
    async fn run(&self, tenant: Arc<Tenant>, _: Option<RunOrder>, stop: &CancellationToken) -> RunEnd {
        self.ran.lock().unwrap().push(tenant.name.to_string());
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        match tenant.name.as_str() {
            "slow" => stop.cancelled().await,
            "deaf" => std::future::pending().await,
            "panics" => {
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                panic!("as a test wants it")
            }
            _ => tokio::task::yield_now().await,
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        RunEnd::new(Standing::Ok, "")
    }

    async fn import(&self, _: Arc<Tenant>, order: ImportOrder, ends: &ImportEnds) -> ImportNote {
        ends.over().await;
        ImportNote::of(&order)
    }

    async fn hint(&self, tenant: Arc<Tenant>, since: Timestamp) -> Option<FeedHint> {
        match tenant.name.as_str() {
            "tells" => Some(FeedHint::Changed { seen: since, events: 1 }),
            _ => Some(FeedHint::NotOffered),
        }
    }
}

/// Looks every few milliseconds whether something has come about.
async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

struct Running {
    runner: Arc<Scripted>,
    reload: mpsc::Sender<()>,
    stop: CancellationToken,
    daemon: tokio::task::JoinHandle<Result<(), DaemonError>>,
}

fn start(site: &Site, workers: usize) -> Running {
    let runner = Arc::new(Scripted::default());
    let (reload, requests) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let signals = DaemonSignals { reload: requests, stop: stop.clone() };
    let daemon = tokio::spawn(run(site.settings(workers), Arc::clone(&runner) as Arc<dyn Runner>, signals));
    Running { runner, reload, stop, daemon }
}

fn standing(state: &Stores, tenant: &str) -> Option<Standing> {
    read_board(state)?.tenants.into_iter().find(|line| line.tenant == tenant)?.standing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_tenant_and_one_that_panics_disturb_nobody() {
    let site = Site::new(&["slow", "panics", "quick"]);
    let running = start(&site, 8);
    let runner = Arc::clone(&running.runner);
    until("the quick one runs again and again", || runner.times("quick") >= 3).await;
    assert_eq!(runner.times("slow"), 1, "i5: it is under way");
    until("the panic is on the board", || standing(&site.state(), "panics") == Some(Standing::Failing)).await;
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
    assert_eq!(runner.at_once.load(Ordering::SeqCst), 0, "what was under way was waited for");
    assert_eq!(read_board(&site.state()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_tells_of_changes_wakes_its_tenant_before_its_time() {
    let site = Site::new(&[]);
    for name in ["tells", "mute"] {
        site.tenant(name, &TENANT.replace("every 1s", "every 1h"));
    }
    let running = start(&site, 8);
    let runner = Arc::clone(&running.runner);
    until("both ran once, and one again", || runner.times("mute") == 1 && runner.times("tells") >= 2).await;
    assert_eq!(runner.times("mute"), 1);
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_no_more_tenants_run_at_a_time_than_there_are_workers() {
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let site = Site::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let running = start(&site, 3);
    let runner = Arc::clone(&running.runner);
    until("everybody had a turn", || names.iter().all(|name| runner.times(name) > 0)).await;
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
    assert!(runner.most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_what_is_right_and_tells_what_is_wrong() {
    let site = Site::new(&["a", "b"]);
    let running = start(&site, 8);
    let runner = Arc::clone(&running.runner);
    until("both run", || runner.times("a") > 0 && runner.times("b") > 0).await;
    site.tenant("b", "schedule = \"often\"\n");
    site.tenant("c", TENANT);
    running.reload.send(()).await.unwrap();
    until("the new one runs", || runner.times("c") > 0).await;
    let board = read_board(&site.state()).unwrap();
    let mistake = board.tenants.iter().find(|line| line.tenant == "b").unwrap().mistake.clone().unwrap();
    assert!(mistake.contains("b.toml:1:"), "{mistake}");
    let before = runner.times("b");
    until("the broken one goes on as it was", || runner.times("b") > before).await;
    std::fs::write(site.config(), "state_dri = \"state\"\n").unwrap();
    running.reload.send(()).await.unwrap();
    until("the mistake is shown", || read_board(&site.state()).is_some_and(|board| board.mistake.is_some())).await;
    let before = runner.times("a");
    until("everybody goes on", || runner.times("a") > before).await;
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_second_daemon_on_one_state_folder_is_refused_and_the_first_named() {
    let site = Site::new(&["a"]);
    let first = start(&site, 1);
    until("the first runs", || read_board(&site.state()).is_some()).await;
    let second = start(&site, 1).daemon.await.unwrap().unwrap_err();
    assert!(second.to_string().contains("rosterd run (process"), "{second}");
    first.stop.cancel();
    first.daemon.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_configuration_starts_nothing() {
    let site = Site::new(&["a"]);
    std::fs::write(site.config(), "state_dri = \"state\"\n").unwrap();
    let error = start(&site, 1).daemon.await.unwrap().unwrap_err();
    assert!(matches!(error, DaemonError::Config(found) if !found.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_files_that_hang_delay_neither_the_start_nor_a_reload_nor_the_end() {
    let site = Site::new(&["hung", "quick"]);
    let hanging = crate::fail::share::Hanging::new(&site.0.path().join("tenants/hung.toml"));
    let running = start(&site, 8);
    let runner = Arc::clone(&running.runner);
    until("the others are run", || runner.times("quick") >= 2).await;
    let line = |name: &str| read_board(&site.state())?.tenants.into_iter().find(|line| line.tenant == name);
    let mistake = line("hung").unwrap().mistake.unwrap();
    assert!(mistake.contains("did not answer within 5 s"), "{mistake}");
    site.tenant("new", TENANT);
    running.reload.send(()).await.unwrap();
    let before = runner.times("quick");
    until("a reload takes over what is right", || runner.times("new") >= 1).await;
    assert!(runner.times("quick") > before, "and the loop went on meanwhile");
    drop(hanging);
    running.reload.send(()).await.unwrap();
    until("the share is back", || runner.times("hung") >= 1).await;
    let hanging = crate::fail::share::Hanging::new(&site.config());
    running.reload.send(()).await.unwrap();
    let before = runner.times("quick");
    until("the loop goes on while its own file hangs", || runner.times("quick") > before + 1).await;
    let asked = std::time::Instant::now();
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(hanging);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_run_that_does_not_end_is_abandoned_in_time() {
    let site = Site::new(&["deaf", "quick"]);
    let running = start(&site, 8);
    let runner = Arc::clone(&running.runner);
    until("it is under way", || runner.times("deaf") == 1 && runner.times("quick") >= 1).await;
    let asked = std::time::Instant::now();
    running.stop.cancel();
    running.daemon.await.unwrap().unwrap();
    let took = asked.elapsed();
    assert!(
        took >= ending::DRAIN_LIMIT && took < Duration::from_secs(10),
        "it is given its time, and no more: {took:?}"
    );
    assert_eq!(read_board(&site.state()), None);
}
