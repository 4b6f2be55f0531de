//! Numbers as the text that Prometheus reads (text format 0.0.4). In: the numbers of all tenants. Out: one page of text.
//!
//! The library writes OpenMetrics, whose headers name a counter without its `_total`. The older format, in which they do, is what
//! everybody reads: Prometheus itself, the textfile collector of its node exporter, `promtool`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalog::{self, Metric, MetricKind};
use super::tenant::{Numbers, PeerSide, TenantCounters};
use crate::cycle::Budget;
use crate::model::TenantState;

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The window of the removal budget.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What there is to tell at one moment.
pub(super) struct Moment {
    pub(super) tenants: Vec<(String, Arc<TenantCounters>)>,
    pub(super) now: Timestamp,
    /// Of the daemon; a single run has no start, no schedule and nothing that grows.
    pub(super) daemon: Option<House>,
    pub(super) free: Option<u64>,
}

/// What the daemon tells of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct House {
    pub(super) started: Timestamp,
    pub(super) config_valid: bool,
}

/// The text.
pub(super) fn write(moment: &Moment) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(MetricRows::of(moment)));
    let mut open = String::new();
    text::encode(&mut open, &registry)?;
    Ok(classic(&open))
}

/// OpenMetrics as text format 0.0.4: headers name counters as samples do, who has no labels has no braces, and nothing marks the end.
fn classic(open: &str) -> String {
    let counters = catalog::ALL.iter().filter(|metric| metric.kind == MetricKind::Counter);
    let whole: HashMap<&str, &str> =
        counters.filter_map(|metric| Some((metric.name.strip_suffix("_total")?, metric.name))).collect();
    let mut out = String::with_capacity(open.len() + 512);
    for line in open.lines().filter(|line| *line != "# EOF") {
        let header = ["# HELP ", "# TYPE "].into_iter().find_map(|head| Some((head, line.strip_prefix(head)?)));
        match header.and_then(|(head, rest)| rest.split_once(' ').map(|(name, rest)| (head, name, rest))) {
            Some((head, name, rest)) => {
                for part in [head, whole.get(name).copied().unwrap_or(name), " ", rest] {
                    out.push_str(part);
                }
            }
            None => match line.split_once("{} ").filter(|(name, _)| !name.contains('{')) {
                Some((name, value)) => [name, " ", value].iter().for_each(|part| out.push_str(part)),
                None => out.push_str(line),
            },
        }
        out.push('\n');
    }
    out
}

#[derive(Debug)]
enum MetricValue {
    Count(u64),
    /// A counter of seconds.
    Time(f64),
    Number(f64),
    Durations(Histogram),
}

/// A row's label values.
type Labels = Vec<Cow<'static, str>>;

#[derive(Debug, Default)]
struct MetricRows(HashMap<&'static str, Vec<(Labels, MetricValue)>>);

impl Collector for MetricRows {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in catalog::ALL {
            let Some(rows) = self.0.get(metric.name) else { continue };
            let (name, kind) = match metric.kind {
                // The library puts it there again.
                MetricKind::Counter => (metric.name.strip_suffix("_total").unwrap_or(metric.name), MetricType::Counter),
                MetricKind::Gauge => (metric.name, MetricType::Gauge),
                MetricKind::Histogram => (metric.name, MetricType::Histogram),
            };
            let mut encoder = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for (values, value) in rows {
                let labels: Vec<(&str, &str)> =
                    metric.labels.iter().copied().zip(values.iter().map(AsRef::as_ref)).collect();
                value.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl MetricValue {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => encoder.encode_counter::<NoLabelSet, _, f64>(n, None),
            Self::Time(n) => encoder.encode_counter::<NoLabelSet, _, f64>(n, None),
            Self::Number(n) => encoder.encode_gauge(n),
            Self::Durations(histogram) => histogram.encode(encoder),
        }
    }
}

impl MetricRows {
    fn of(moment: &Moment) -> Self {
        let mut rows = Self::default();
        rows.put(&catalog::BUILD_INFO, vec![env!("CARGO_PKG_VERSION").into()], MetricValue::Number(1.0));
        if let Some(free) = moment.free {
            rows.put(&catalog::STORE_FREE, Vec::new(), MetricValue::Number(free as f64));
        }
        if let Some(house) = moment.daemon {
            rows.put(&catalog::START, Vec::new(), MetricValue::Number(seconds(house.started)));
            rows.put(&catalog::CONFIG_VALID, Vec::new(), MetricValue::Number(bit(house.config_valid)));
        }
        for (name, counted) in &moment.tenants {
            let numbers = counted.numbers();
            let mut one = One { rows: &mut rows, tenant: name.clone() };
            one.standing(&numbers, moment.daemon.is_some());
            one.last_run(&numbers);
            one.waiting(&numbers, moment.now);
            if moment.daemon.is_some() {
                one.runs(&numbers);
                one.calls(&numbers);
            }
        }
        rows
    }

    fn put(&mut self, metric: &Metric, labels: Labels, value: MetricValue) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        self.0.entry(metric.name).or_default().push((labels, value));
    }
}

/// The rows of one tenant: each has its name first.
struct One<'a> {
    rows: &'a mut MetricRows,
    tenant: String,
}

impl One<'_> {
    fn put<const N: usize>(&mut self, metric: &Metric, more: [Cow<'static, str>; N], value: MetricValue) {
        let labels = std::iter::once(self.tenant.clone().into()).chain(more).collect();
        self.rows.put(metric, labels, value);
    }

    fn number<const N: usize>(&mut self, metric: &Metric, more: [Cow<'static, str>; N], value: f64) {
        self.put(metric, more, MetricValue::Number(value));
    }

    fn count<const N: usize>(&mut self, metric: &Metric, more: [Cow<'static, str>; N], value: u64) {
        self.put(metric, more, MetricValue::Count(value));
    }

    fn standing(&mut self, numbers: &Numbers, on_schedule: bool) {
        let Some(stands) = &numbers.stands else { return };
        for state in TenantState::ALL {
            self.number(&catalog::STATE, [state.name().into()], bit(state == stands.state));
        }
        self.number(&catalog::FILE_MISTAKE, [], bit(stands.mistake));
        if on_schedule {
            self.number(&catalog::RUNNING, [], bit(stands.running));
            self.number(&catalog::FAILURES, [], f64::from(stands.failures));
        }
        for (secret, at) in &stands.expiries {
            self.number(&catalog::EXPIRY, [secret.clone().into()], seconds(*at));
        }
        if let Some(due) = stands.due {
            self.number(&catalog::NEXT_RUN, [], seconds(due));
        }
    }

    fn last_run(&mut self, numbers: &Numbers) {
        if let Some(at) = numbers.snapshot {
            self.number(&catalog::LAST_SNAPSHOT, [], seconds(at));
        }
        let Some(status) = &numbers.status else { return };
        let run = &status.last_run;
        self.number(&catalog::LAST_RUN, [], seconds(run.ended));
        let took = run.ended.duration_since(run.started).as_secs_f64();
        self.number(&catalog::LAST_DURATION, [], took.max(0.0));
        let tally = [("planned", run.planned), ("done", run.done), ("held", run.held), ("failed", run.failed)];
        for (result, n) in tally {
            self.number(&catalog::LAST_OPERATIONS, [result.into()], n as f64);
        }
        self.number(&catalog::LAST_CALLS, [], run.calls as f64);
        if let Some(at) = status.last_ok {
            self.number(&catalog::LAST_SUCCESS, [], seconds(at));
        }
        if let Some(counts) = run.counts {
            let kinds = [("user", counts.users), ("group", counts.groups), ("membership", counts.memberships)];
            for (kind, n) in kinds {
                self.number(&catalog::SOURCE_OBJECTS, [kind.into()], n as f64);
            }
        }
        let linked = status.linked;
        let inactive = linked.users.saturating_sub(linked.active);
        for (kind, active, n) in
            [("user", "true", linked.active), ("user", "false", inactive), ("group", "true", linked.groups)]
        {
            self.number(&catalog::MANAGED, [kind.into(), active.into()], n as f64);
        }
        self.number(&catalog::SET_ASIDE, [], status.failures as f64);
        self.number(&catalog::OPEN_INTENTS, [], status.open_intents as f64);
        self.number(&catalog::AUDIT_SEQ, [], status.seq as f64);
    }

    fn waiting(&mut self, numbers: &Numbers, now: Timestamp) {
        self.number(&catalog::HELD, [], numbers.held as f64);
        for (code, n) in &numbers.holds {
            self.number(&catalog::HOLDS, [code.name().into()], *n as f64);
        }
        for (op, n) in &numbers.pending {
            self.number(&catalog::PENDING, [(*op).into()], *n as f64);
        }
        if let Some(budget) = &numbers.budget {
            let lost = lost(budget, now);
            // Nothing allowed and nothing lost is nothing used.
            let used = if lost == 0 { 0.0 } else { lost as f64 / budget.allowed.max(1) as f64 };
            self.number(&catalog::BUDGET, ["24h".into()], used);
        }
    }

    fn runs(&mut self, numbers: &Numbers) {
        for (result, n) in &numbers.runs {
            self.count(&catalog::RUNS, [(*result).into()], *n);
        }
        for (phase, durations) in &numbers.phases {
            let labels = [(*phase).into()];
            self.put(&catalog::CYCLE, labels, MetricValue::Durations(durations.clone()));
        }
        for ((op, result), n) in &numbers.operations {
            self.count(&catalog::OPERATIONS, [(*op).into(), (*result).into()], *n);
        }
        for (reason, n) in &numbers.rejected {
            self.count(&catalog::REJECTED, [(*reason).into()], *n);
        }
    }

    fn calls(&mut self, numbers: &Numbers) {
        for (peer, calls) in &numbers.calls {
            let peer: Cow<'static, str> = PeerSide::name(*peer).into();
            for ((method, status), n) in &calls.by_answer {
                let code: Cow<'static, str> = if *status == 0 { "none".into() } else { status.to_string().into() };
                self.count(&catalog::REQUESTS, [peer.clone(), (*method).into(), code], *n);
            }
            let durations = MetricValue::Durations(calls.seconds.clone());
            self.put(&catalog::REQUEST_SECONDS, [peer.clone()], durations);
            for (reason, n) in &calls.repeated {
                self.count(&catalog::RETRIES, [peer.clone(), (*reason).into()], *n);
            }
            self.put(&catalog::WAITED, [peer], MetricValue::Time(calls.waited.as_secs_f64()));
        }
    }
}

/// How many people lost access in the 24 hours before.
pub(super) fn lost(budget: &Budget, now: Timestamp) -> u64 {
    let since = now.saturating_sub(DAY).unwrap_or_default();
    budget.lost.iter().filter(|at| **at >= since).count() as u64
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

fn bit(is: bool) -> f64 {
    f64::from(u8::from(is))
}
