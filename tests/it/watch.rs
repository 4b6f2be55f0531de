//! What `rosterd run` and `rosterd sync` tell whoever watches: numbers against the runs they are about, health, the page.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Desk, person};
use crate::daemon::until;
use crate::support::http::{block_on, client};
use crate::support::process::free_port;
use crate::support::rosterd::Running;

/// A daemon that serves its page.
pub(crate) struct Watched {
    pub(crate) desk: Desk,
    pub(crate) daemon: Running,
    pub(crate) page: String,
}

impl Watched {
    /// Runs this directory every second.
    pub(crate) fn new(directory: &Value) -> Self {
        let desk = Desk::new();
        desk.directory(directory);
        desk.head("schedule = \"every 1s\"\n");
        let port = listen(&desk);
        let daemon = desk.rosterd.spawn(&["run", "-v"]);
        let watched = Self { desk, daemon, page: format!("http://127.0.0.1:{port}") };
        until("the page is there", || watched.try_get("/readyz").is_some_and(|(code, _)| code == 200));
        watched
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let request = client().get(format!("{}{path}", self.page));
        block_on(async move {
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> String {
        let (code, text) = self.try_get(path).expect("an answer");
        assert_eq!(code, 200, "{path}: {text}");
        text
    }

    fn metrics(&self) -> Metrics {
        Metrics::read(&self.get("/metrics"))
    }

    fn status(&self) -> Value {
        self.desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json()[0].clone()
    }

    /// The daemon ends in good order.
    pub(crate) fn stop(self) -> Desk {
        self.daemon.signal("TERM");
        self.daemon.wait(Duration::from_secs(60)).expect_code(0);
        self.desk
    }
}

/// Turns the page on, on a port of its own.
fn listen(desk: &Desk) -> u16 {
    let port = free_port();
    desk.rosterd.file("rosterd.toml", &format!("state_dir = \"state\"\n[status]\nlisten = \"127.0.0.1:{port}\"\n"));
    port
}

/// Series by name with labels, as they are written.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = samples
            .map(|line| line.rsplit_once(' ').map(|(series, value)| (series.to_owned(), value.parse().unwrap())));
        Self(parsed.collect::<Option<_>>().expect("samples"))
    }

    fn of(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The sum over all series of a metric that have all these labels.
    fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        let fits = |series: &str| {
            series.split('{').next() == Some(metric) && labels.iter().all(|label| series.contains(label))
        };
        self.0.iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    }
}

pub(crate) fn company(names: &[String], members: usize) -> Value {
    let users: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut user = person(&format!("u{at}"), "x");
            user["userName"] = json!(name);
            user["email"] = json!(format!("u{at}@acme.test"));
            user
        })
        .collect();
    let ids: Vec<String> = (0..members).map(|at| format!("u{at}")).collect();
    json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": ids }] })
}

fn people(n: usize) -> Vec<String> {
    (0..n).map(|at| format!("p{at:02}")).collect()
}

#[test]
fn i11_the_numbers_are_those_of_the_runs_and_of_the_calls_that_the_app_saw() {
    let watched = Watched::new(&company(&people(12), 12));
    let desk = &watched.desk;
    until("a quiet run after the first sync", || {
        let metrics = watched.metrics();
        metrics.sum("rosterd_operations_total", &["result=\"done\""]) > 0.0
            && metrics.of("rosterd_last_run_operations{tenant=\"acme\",result=\"planned\"}") == Some(0.0)
    });
    let metrics = watched.metrics();
    assert_eq!(metrics.sum("rosterd_operations_total", &["op=\"create_user\"", "result=\"done\""]), 12.0);
    assert_eq!(metrics.sum("rosterd_operations_total", &["op=\"create_group\"", "result=\"done\""]), 1.0);
    assert_eq!(metrics.sum("rosterd_operations_total", &["result=\"failed\""]), 0.0);
    assert_eq!(metrics.sum("rosterd_http_requests_total", &["peer=\"app\""]), desk.proxy.calls().len() as f64);
    assert_eq!(metrics.sum("rosterd_http_requests_total", &["method=\"POST\"", "code=\"201\""]), 13.0);
    assert_eq!(
        metrics.sum("rosterd_http_request_duration_seconds_count", &["peer=\"app\""]),
        metrics.sum("rosterd_http_requests_total", &["peer=\"app\""])
    );
    assert_eq!(metrics.of("rosterd_managed_objects{tenant=\"acme\",kind=\"user\",active=\"true\"}"), Some(12.0));
    assert_eq!(metrics.of("rosterd_source_objects{tenant=\"acme\",kind=\"membership\"}"), Some(12.0));
    assert_eq!(metrics.of("rosterd_tenant_state{tenant=\"acme\",state=\"ok\"}"), Some(1.0));
    assert_eq!(metrics.sum("rosterd_tenant_state", &[]), 1.0, "one state at a time");
    let runs = metrics.sum("rosterd_runs_total", &["result=\"ok\""]);
    assert!(runs >= 2.0 && metrics.sum("rosterd_cycle_duration_seconds_count", &["phase=\"read\""]) == runs);
    assert_eq!(metrics.of("rosterd_removal_budget_used_ratio{tenant=\"acme\",window=\"24h\"}"), Some(0.0));

    // One leaver: a part of the day's budget. Then too many: held.
    desk.directory(&company(&people(12), 11));
    until("the budget is used in part", || {
        watched.metrics().of("rosterd_removal_budget_used_ratio{tenant=\"acme\",window=\"24h\"}") == Some(1.0 / 3.0)
    });
    desk.directory(&company(&people(12), 4));
    until("a mass loss is held", || {
        watched.metrics().of("rosterd_tenant_state{tenant=\"acme\",state=\"held\"}") == Some(1.0)
    });
    let (metrics, status) = (watched.metrics(), watched.status());
    let held = status["held_plan"]["count"].as_f64().unwrap();
    assert_eq!(metrics.of("rosterd_held_operations{tenant=\"acme\"}"), Some(held));
    assert_eq!(metrics.sum("rosterd_pending_operations", &[]), held);
    for reason in status["held_plan"]["reasons"].as_array().unwrap() {
        let series = format!("rosterd_holds{{tenant=\"acme\",reason={}}}", reason[0]);
        assert!(metrics.of(&series) >= Some(1.0), "{series}");
    }
    for key in ["planned", "done", "held", "failed"] {
        let series = format!("rosterd_last_run_operations{{tenant=\"acme\",result=\"{key}\"}}");
        assert_eq!(metrics.of(&series), status["last_run"][key].as_f64(), "{key}");
    }
    assert!(metrics.of("rosterd_audit_seq{tenant=\"acme\"}") > Some(1.0));

    // Taken away: its numbers go with it.
    std::fs::remove_file(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    watched.daemon.signal("HUP");
    until("nothing is told of it any more", || !watched.get("/metrics").contains("acme"));
    assert!(watched.get("/").contains("There are no tenants yet"));
    watched.stop();
}

#[test]
fn i11_an_app_that_slows_us_down_is_seen_in_the_numbers() {
    use crate::support::proxy::{Fault, Rule};
    let watched = Watched::new(&company(&people(3), 3));
    until("the first sync", || watched.metrics().sum("rosterd_operations_total", &["result=\"done\""]) >= 5.0);
    watched.desk.proxy.inject(Rule::on("PATCH", "").times(1), Fault::too_many_requests("1"));
    watched.desk.directory(&company(&people(3), 2));
    until("it was made again", || {
        watched.metrics().sum("rosterd_retries_total", &["peer=\"app\"", "reason=\"throttled\""]) == 1.0
    });
    let metrics = watched.metrics();
    assert_eq!(metrics.sum("rosterd_http_requests_total", &["code=\"429\"", "method=\"PATCH\""]), 1.0);
    // A directory that can't be read any more is no reason to act.
    watched.desk.rosterd.file("people.json", "{");
    until("the reading was thrown away", || {
        // Counted when the run ends, shown on the board a moment later.
        let metrics = watched.metrics();
        metrics.sum("rosterd_snapshot_rejected_total", &["tenant=\"acme\""]) >= 1.0
            && metrics.of("rosterd_tenant_state{tenant=\"acme\",state=\"failing\"}") == Some(1.0)
    });
    let metrics = watched.metrics();
    assert!(metrics.of("rosterd_failures_in_a_row{tenant=\"acme\"}") >= Some(1.0));
    assert!(metrics.sum("rosterd_runs_total", &["result=\"no_plan\""]) >= 1.0);
    let page = watched.get("/tenants/acme");
    assert!(page.contains("Failing, ") && page.contains(" in a row") && page.contains(" doctor acme"), "{page}");
    watched.stop();
}

#[test]
fn the_page_says_what_waits_and_what_to_type_and_that_works() {
    let watched = Watched::new(&company(&people(12), 12));
    until("the first sync", || watched.status()["linked"]["users"] == 12);
    watched.desk.directory(&company(&people(12), 4));
    until("a mass loss is held", || watched.get("/").contains("1 tenant needs attention"));
    let page = watched.get("/tenants/acme");
    for part in ["removals per day", "deactivate user", "<bdi>p11</bdi>", "not in any group in scope", "<svg"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let typed =
        page.split("<pre class=\"type\"><code>").find(|part| part.contains(" approve acme ")).expect("a command");
    // The harness says where the configuration is itself.
    let (rosterd, typed) = typed.split('<').next().unwrap().split_once(" approve ").unwrap();
    let config = watched.desk.rosterd.path().join("rosterd.toml");
    assert_eq!(rosterd, format!("rosterd --config {}", config.display()));
    let typed: Vec<&str> = std::iter::once("approve").chain(typed.split(' ')).collect();
    watched.desk.rosterd.run(&typed).expect_code(0);
    until("what was approved is done", || {
        watched.status()["held_plan"].is_null() && watched.get("/").contains("1 tenant on schedule")
    });
    let status: Value = serde_json::from_str(&watched.get("/status")).unwrap();
    assert_eq!((&status["tenants"][0]["state"], &status["tenants"][0]["tenant"]), (&json!("ok"), &json!("acme")));
    watched.desk.rosterd.run(&["pause", "acme", "--reason", "a <b>move</b>"]).expect_code(0);
    until("the pause is seen", || watched.get("/tenants/acme").contains("a &lt;b&gt;move&lt;/b&gt;"));
    for file in ["run", "metrics", "status"] {
        assert!(!watched.get(&format!("/{}", file.replace("run", ""))).contains(crate::cli::TOKEN), "i6: {file}");
    }
    watched.stop();
}

#[test]
fn a_file_with_mistakes_is_shown_with_its_place() {
    let watched = Watched::new(&company(&people(2), 2));
    let file = std::fs::read_to_string(watched.desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    watched.desk.rosterd.tenant("bolt", &file.replace("every 1s", "often"));
    watched.desk.head("schedule = \"often\"\n");
    watched.daemon.signal("HUP");
    until("both mistakes are seen", || {
        ["acme", "bolt"].iter().all(|name| watched.get("/").contains(&format!("tenants/{name}.toml:1:12")))
    });
    let metrics = watched.metrics();
    assert_eq!(metrics.sum("rosterd_file_mistake", &[]), 2.0);
    assert_eq!(metrics.of("rosterd_tenant_state{tenant=\"bolt\",state=\"file_mistake\"}"), Some(1.0));
    assert_eq!(
        metrics.of("rosterd_tenant_state{tenant=\"acme\",state=\"file_mistake\"}"),
        Some(0.0),
        "it goes on as it was"
    );
    assert!(watched.get("/tenants/acme").contains("The previous version of the file is in force"));
    watched.desk.rosterd.file("rosterd.toml", "state_dri = \"state\"\n");
    watched.daemon.signal("HUP");
    until("rosterd.toml's too", || watched.metrics().of("rosterd_config_valid") == Some(0.0));
    assert!(watched.get("/").contains("rosterd.toml:1:1"));
    watched.stop();
}

#[test]
fn a_taken_port_costs_the_page_and_nothing_else() {
    let desk = Desk::new();
    desk.head("schedule = \"every 1s\"\n");
    let port = listen(&desk);
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let daemon = desk.rosterd.spawn(&["run"]);
    until("the first sync all the same", || desk.user_names().len() == 3);
    let note = || desk.rosterd.run(&["status"]).stderr;
    until("it is told", || note().contains("no status page") && note().contains(&port.to_string()));
    assert_eq!(daemon.stderr().matches("no status page").count(), 1, "{}", daemon.stderr());
    drop(taken);
    until("it comes by itself", || !note().contains("no status page"));
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn i6_a_page_for_others_than_this_machine_is_refused_by_the_check() {
    let desk = Desk::new();
    desk.rosterd.file("rosterd.toml", "state_dir = \"state\"\n[status]\nlisten = \"0.0.0.0:9464\"\n");
    for command in ["check", "run"] {
        let run = desk.rosterd.run(&[command]);
        assert!(run.expect_code(78).stderr.contains("rosterd.toml:3:10"), "{}", run.stderr);
    }
}

#[test]
fn a_single_run_leaves_the_numbers_of_its_report_behind() {
    let desk = Desk::new();
    let run = desk.rosterd.run(&["sync", "--all", "--format", "json", "--metrics-file", "rosterd.prom"]);
    let report = run.expect_code(0).json()[0].clone();
    let read = || Metrics::read(&std::fs::read_to_string(desk.rosterd.path().join("rosterd.prom")).unwrap());
    let metrics = read();
    for key in ["planned", "done", "held", "failed"] {
        let series = format!("rosterd_last_run_operations{{tenant=\"acme\",result=\"{key}\"}}");
        assert_eq!(metrics.of(&series), report[key].as_f64(), "{key}");
    }
    assert_eq!(metrics.of("rosterd_last_run_calls{tenant=\"acme\"}"), report["calls"]["total"].as_f64());
    assert_eq!(
        metrics.of("rosterd_source_objects{tenant=\"acme\",kind=\"user\"}"),
        report["snapshot"]["users"].as_f64()
    );
    assert_eq!(metrics.of("rosterd_tenant_state{tenant=\"acme\",state=\"ok\"}"), Some(1.0));
    assert_eq!(metrics.sum("rosterd_operations_total", &[]), 0.0, "nothing that grows");
    let good = metrics.of("rosterd_last_success_timestamp_seconds{tenant=\"acme\"}");

    // A run that comes to nothing says so, and when it last went well.
    desk.rosterd.file("people.json", "{");
    desk.rosterd.tenant("bolt", "schedule = 1\n");
    desk.rosterd.run(&["sync", "--all", "--metrics-file", "rosterd.prom"]).expect_code(1);
    let metrics = read();
    assert_eq!(metrics.of("rosterd_last_success_timestamp_seconds{tenant=\"acme\"}"), good);
    assert_eq!(metrics.of("rosterd_tenant_state{tenant=\"acme\",state=\"failing\"}"), Some(1.0));
    assert_eq!(metrics.of("rosterd_tenant_state{tenant=\"bolt\",state=\"file_mistake\"}"), Some(1.0));
    let lost = desk.rosterd.run(&["sync", "acme", "--metrics-file", "no/where.prom"]);
    assert!(lost.expect_code(1).stderr.contains("no/where.prom"), "{}", lost.stderr);
}

/// Every metric with its labels and meaning, every endpoint, every state.
#[test]
fn the_page_about_monitoring_has_everything_there_is() {
    use rosterd::model::TenantState as State;
    use rosterd::telemetry::catalog::{ALL, MetricKind};
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md")).unwrap();
    for metric in ALL {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let line = format!("| `{}` | {kind} | {} | {} |\n", metric.name, labels.join(", "), metric.help);
        assert!(page.contains(&line), "docs/monitoring.md lacks:\n{line}");
    }
    for state in State::ALL {
        assert!(page.contains(&format!("\n| `{}` |", state.name())), "{state:?}");
    }
    let told: Vec<&str> = page.split("`rosterd_").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    for name in told {
        assert!(ALL.iter().any(|metric| metric.name == format!("rosterd_{name}")), "rosterd_{name} does not exist");
    }
    let watched = Watched::new(&company(&people(1), 1));
    for path in ["/", "/status", "/metrics", "/livez", "/readyz"] {
        assert!(page.contains(&format!("\n| `{path}` |")), "{path}");
        watched.get(path);
    }
    watched.stop();
}

/// The files that are to be put into a monitoring system.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/rosterd.rules.yml");
const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/grafana/rosterd.json");

/// A metric that does not exist makes an alert that never fires.
#[test]
fn rules_and_dashboard_speak_of_metrics_and_labels_that_exist() {
    use rosterd::model::TenantState as State;
    use rosterd::telemetry::catalog::{ALL, Metric, MetricKind};
    let find = |name: &str| -> Option<&Metric> {
        ALL.into_iter().find(|metric| {
            let suffixes: &[&str] =
                if metric.kind == MetricKind::Histogram { &["_sum", "_count", "_bucket"] } else { &[""] };
            suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(metric.name))
        })
    };
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
    let mut seen = 0;
    for file in [RULES, DASHBOARD] {
        let text = std::fs::read_to_string(file).unwrap().replace("\\\"", "\"");
        for rest in text.split("rosterd_").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = format!("rosterd_{}", &rest[..end]);
            let metric = find(&name).unwrap_or_else(|| panic!("{file} speaks of {name}, which does not exist"));
            seen += 1;
            let Some(selector) = rest[end..].strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
                continue;
            };
            for matcher in selector.split(',').filter(|matcher| matcher.contains('=')) {
                let (label, value) = matcher.split_once(['=', '!']).unwrap();
                assert!(metric.labels.contains(&label.trim()), "{file}: {name} has no label {label}");
                if label.trim() == "state" {
                    let words = value.trim_start_matches(['=', '~', '!']).trim_matches('"');
                    for word in words.split('|') {
                        assert!(
                            State::ALL.iter().any(|state| state.name() == word),
                            "{file}: no state is called {word}"
                        );
                    }
                }
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

/// Prometheus' own program takes the rules, the alerts fire when they should and only then, and it takes the numbers, too.
#[test]
fn promtool_takes_the_rules_and_the_numbers() {
    use std::process::{Command, Stdio};
    let Some(rig) = crate::support::rig::require("promtool") else { return };
    let promtool = |arguments: &[&str], input: Stdio| {
        let run =
            Command::new(rig.part("promtool").join("bin/promtool")).args(arguments).stdin(input).output().unwrap();
        let said = [run.stdout, run.stderr].concat();
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    };
    let folder = tempfile::tempdir().unwrap();
    let scenarios = crate::support::rig::glue().join("prometheus/rosterd.test.yml");
    for file in [RULES.as_ref(), scenarios.as_path()] {
        std::fs::copy(file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    promtool(&["check", "rules", RULES], Stdio::null());
    let scenarios = folder.path().join("rosterd.test.yml");
    promtool(&["test", "rules", scenarios.to_str().unwrap()], Stdio::null());

    let watched = Watched::new(&company(&people(3), 3));
    until("a run has ended", || watched.metrics().sum("rosterd_runs_total", &[]) >= 1.0);
    let daemon = watched.get("/metrics");
    let desk = watched.stop();
    desk.rosterd.run(&["sync", "acme", "--metrics-file", "rosterd.prom"]).expect_code(0);
    let single = std::fs::read_to_string(desk.rosterd.path().join("rosterd.prom")).unwrap();
    for (name, text) in [("daemon", daemon), ("single", single)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        promtool(&["check", "metrics"], Stdio::from(std::fs::File::open(path).unwrap()));
    }
}
