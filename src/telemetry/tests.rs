//! The text as a reader of the format sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use jiff::SignedDuration;
use prometheus_client::metrics::histogram::Histogram;

use super::catalog::{ALL, MetricKind};
use super::*;
use crate::cycle::Budget;
use crate::http::Method;
use crate::model::{SnapshotCounts, TenantState};
use crate::store::{LinkCounts, RunSummary, Status};

const NOW: &str = "2026-01-05T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn telemetry() -> (tempfile::TempDir, Arc<Telemetry>) {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = Arc::new(Telemetry::new(crate::store::Stores::on_disk(folder.path()), now()));
    (folder, telemetry)
}

fn stands(state: TenantState) -> Stands {
    Stands {
        state,
        failures: 2,
        due: Some(now()),
        running: true,
        mistake: true,
        expiries: vec![("target.token".to_owned(), now())],
    }
}

fn status() -> Status {
    let summary = serde_json::json!({
        "run": "r", "plan": "p", "status": "ok", "planned": 9, "done": 5, "held": 3, "failed": 1, "calls": 12, "note": "",
        "started": "2026-01-05T11:59:00Z", "ended": NOW,
    });
    let last_run: RunSummary = serde_json::from_value(summary).unwrap();
    let last_run = RunSummary { counts: Some(SnapshotCounts { users: 40, groups: 2, memberships: 50 }), ..last_run };
    Status {
        format: 1,
        tenant: "acme".to_owned(),
        seq: 77,
        adopt_only: None,
        last_run,
        last_ok: Some(now()),
        linked: LinkCounts { users: 41, active: 38, groups: 2 },
        failures: 4,
        failed: Vec::new(),
        open_intents: 1,
    }
}

/// A tenant about which everything is known.
fn fill(telemetry: &Arc<Telemetry>) {
    telemetry.stand(vec![("acme".to_owned(), stands(TenantState::Held))]);
    let observers = telemetry.observers("acme");
    observers.app.waited(Duration::from_millis(1500));
    observers.app.called(Method::Post, Some(201), Duration::from_millis(80));
    observers.app.called(Method::Post, None, Duration::from_secs(31));
    observers.app.repeated("throttled");
    observers.directory.called(Method::Get, Some(200), Duration::from_millis(3));
    let counted = telemetry.counted("acme");
    let mut numbers = counted.numbers();
    let durations = Histogram::new([1.0]);
    durations.observe(0.5);
    numbers.phases.insert("read", durations);
    numbers.runs.insert("held", 3);
    numbers.operations.insert(("create_user", "done"), 5);
    numbers.pending.insert("deactivate_user", 3);
    numbers.rejected.insert("incomplete", 1);
    let hours = |n| now().checked_sub(SignedDuration::from_hours(n)).unwrap();
    numbers.budget = Some(Budget { allowed: 4, lost: vec![hours(25), hours(23), hours(1)] });
    numbers.snapshot = Some(now());
    numbers.status = Some(status());
    numbers.held = 3;
    numbers.holds.insert(crate::model::HoldCode::RemovalsPerDay, 1);
}

/// The samples of a text: name with labels as written, value. Ends the test at a line that is none.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE ")) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
        assert!(!series.contains("{}"), "{line}");
        assert_eq!(all.insert(series.to_owned(), value.parse().unwrap()), None, "twice: {line}");
    }
    all
}

/// The metric that a series belongs to.
fn metric(series: &str) -> String {
    let name = series.split('{').next().unwrap_or_default();
    let histogram = ALL.iter().filter(|metric| metric.kind == MetricKind::Histogram);
    let mut of = histogram
        .filter(|metric| ["_sum", "_count", "_bucket"].iter().any(|end| name.strip_suffix(end) == Some(metric.name)));
    of.next().map_or(name, |metric| metric.name).to_owned()
}

#[test]
fn every_metric_of_the_catalog_is_told_once_and_no_other() {
    let (_folder, telemetry) = telemetry();
    fill(&telemetry);
    let text = telemetry.text(now()).unwrap();
    let told: BTreeSet<String> = samples(&text).keys().map(|series| metric(series)).collect();
    let known: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(told, known);
    for metric in ALL {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        assert_eq!(text.matches(&format!("# TYPE {} {kind}\n", metric.name)).count(), 1, "{}", metric.name);
        assert_eq!(text.matches(&format!("# HELP {} {}\n", metric.name, metric.help)).count(), 1, "{}", metric.name);
        assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), 2 * ALL.len());
}

#[test]
fn the_numbers_are_those_that_were_fed() {
    let (_folder, telemetry) = telemetry();
    fill(&telemetry);
    let samples = samples(&telemetry.text(now()).unwrap());
    for (series, value) in [
        ("rosterd_tenant_state{tenant=\"acme\",state=\"held\"}", 1.0),
        ("rosterd_tenant_state{tenant=\"acme\",state=\"ok\"}", 0.0),
        ("rosterd_last_run_operations{tenant=\"acme\",result=\"done\"}", 5.0),
        ("rosterd_last_run_duration_seconds{tenant=\"acme\"}", 60.0),
        ("rosterd_managed_objects{tenant=\"acme\",kind=\"user\",active=\"false\"}", 3.0),
        ("rosterd_source_objects{tenant=\"acme\",kind=\"membership\"}", 50.0),
        ("rosterd_removal_budget_used_ratio{tenant=\"acme\",window=\"24h\"}", 0.5),
        ("rosterd_http_requests_total{tenant=\"acme\",peer=\"app\",method=\"POST\",code=\"none\"}", 1.0),
        ("rosterd_http_requests_total{tenant=\"acme\",peer=\"directory\",method=\"GET\",code=\"200\"}", 1.0),
        ("rosterd_http_request_duration_seconds_bucket{le=\"0.1\",tenant=\"acme\",peer=\"app\"}", 1.0),
        ("rosterd_http_request_duration_seconds_bucket{le=\"+Inf\",tenant=\"acme\",peer=\"app\"}", 2.0),
        ("rosterd_rate_limit_wait_seconds_total{tenant=\"acme\",peer=\"app\"}", 1.5),
        ("rosterd_last_success_timestamp_seconds{tenant=\"acme\"}", 1_767_614_400.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[test]
fn a_tenant_that_was_taken_away_takes_its_numbers_with_it_even_if_a_run_of_it_still_ends() {
    let (_folder, telemetry) = telemetry();
    fill(&telemetry);
    let run = telemetry.run("acme");
    telemetry.stand(vec![("bolt".to_owned(), stands(TenantState::Ok))]);
    run.observers().app.called(Method::Get, Some(200), Duration::ZERO);
    drop(run);
    let text = telemetry.text(now()).unwrap();
    assert!(!text.contains("acme") && text.contains("bolt"), "{text}");
}

#[test]
fn a_single_run_leaves_nothing_behind_that_grows() {
    let (_folder, telemetry) = telemetry();
    fill(&telemetry);
    let text = telemetry.text_of_one_shot(now()).unwrap();
    let kinds: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').nth(1)).collect();
    assert_eq!(kinds, BTreeSet::from(["gauge"]));
    assert!(text.contains("rosterd_last_success_timestamp_seconds{tenant=\"acme\"}"));
}

#[test]
fn i7_whatever_an_app_answers_the_number_of_series_stays_bounded() {
    let (_folder, telemetry) = telemetry();
    telemetry.stand(vec![("acme".to_owned(), stands(TenantState::Ok))]);
    let observers = telemetry.observers("acme");
    (0..=999).for_each(|status| observers.app.called(Method::Get, Some(status), Duration::ZERO));
    let codes = samples(&telemetry.text(now()).unwrap());
    let codes = codes.keys().filter(|series| series.starts_with("rosterd_http_requests_total")).count();
    assert_eq!(codes, 500);
}

#[test]
fn a_budget_that_allows_nobody_is_used_up_by_one() {
    let (_folder, telemetry) = telemetry();
    telemetry.stand(vec![("acme".to_owned(), stands(TenantState::Ok))]);
    let ratio = |lost: Vec<Timestamp>| {
        telemetry.counted("acme").numbers().budget = Some(Budget { allowed: 0, lost });
        samples(&telemetry.text(now()).unwrap())["rosterd_removal_budget_used_ratio{tenant=\"acme\",window=\"24h\"}"]
    };
    assert_eq!((ratio(Vec::new()), ratio(vec![now()])), (0.0, 1.0));
}

#[test]
fn a_run_under_way_is_told_until_it_ends_however_it_ends() {
    let (_folder, telemetry) = telemetry();
    let run = telemetry.run("acme");
    run.stage("applying", Some(9));
    run.advance(4);
    run.observers().app.called(Method::Get, Some(200), Duration::ZERO);
    let work = telemetry.under_way("acme").unwrap();
    assert_eq!((work.stage.as_str(), work.done, work.total, work.calls), ("applying", 4, Some(9), 1));
    let task = std::thread::spawn(move || {
        let _run = run;
        panic!("as a test wants it");
    });
    assert!(task.join().is_err());
    assert_eq!(telemetry.under_way("acme"), None);
}

#[test]
fn a_file_for_the_collector_is_whole_and_everybodys_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.prom");
    publish(&path, "a 1\n").unwrap();
    publish(&path, "a 2\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a 2\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    assert!(publish(&folder.path().join("no/where.prom"), "a 3\n").is_err());
}
