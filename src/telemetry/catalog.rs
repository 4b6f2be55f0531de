//! Every number there is: its name, what it means, its labels. In: nothing. Out: the one list that the exposition, the
//! documentation and the tests of rules and dashboard share.
//!
//! Names follow Prometheus: the prefix, base units, `_total` for what only grows. Labels are bounded: tenants, kinds, states, never
//! a person.

/// What a number does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, from zero at every start of the daemon.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Durations, counted by length.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub kind: MetricKind,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, help }
}

const TENANT: &[&str] = &["tenant"];

pub(super) const BUILD_INFO: Metric =
    gauge("rosterd_build_info", &["version"], "Always 1; the label says which rosterd it is.");
pub(super) const START: Metric = gauge("rosterd_start_timestamp_seconds", &[], "When the daemon started.");
pub(super) const CONFIG_VALID: Metric = gauge(
    "rosterd_config_valid",
    &[],
    "1 if rosterd.toml was without mistakes when it was read last, 0 if what was read before is in force.",
);
pub(super) const STORE_FREE: Metric =
    gauge("rosterd_store_free_bytes", &[], "What is free for rosterd on the disk of the state folder.");
pub(super) const STATE: Metric = gauge(
    "rosterd_tenant_state",
    &["tenant", "state"],
    "1 for the state the tenant is in, 0 for the others: new, ok, partial, held, adopt_only, paused, retired, busy, failing, quarantined, file_mistake.",
);
pub(super) const FILE_MISTAKE: Metric = gauge(
    "rosterd_file_mistake",
    TENANT,
    "1 if the tenant file has mistakes as it is now; the one before is in force, if there was one.",
);
pub(super) const RUNNING: Metric = gauge("rosterd_run_under_way", TENANT, "1 while a run is under way.");
pub(super) const FAILURES: Metric =
    gauge("rosterd_failures_in_a_row", TENANT, "How many runs in a row came to nothing.");
pub(super) const NEXT_RUN: Metric = gauge("rosterd_next_run_timestamp_seconds", TENANT, "When the tenant is due next.");
pub(super) const LAST_RUN: Metric =
    gauge("rosterd_last_run_timestamp_seconds", TENANT, "When the last run ended that came to a plan.");
pub(super) const LAST_SUCCESS: Metric =
    gauge("rosterd_last_success_timestamp_seconds", TENANT, "When a run last ended with everything in step.");
pub(super) const LAST_SNAPSHOT: Metric =
    gauge("rosterd_last_complete_snapshot_timestamp_seconds", TENANT, "When the directory was last read completely.");
pub(super) const LAST_DURATION: Metric =
    gauge("rosterd_last_run_duration_seconds", TENANT, "How long the last run took that came to a plan.");
pub(super) const LAST_OPERATIONS: Metric = gauge(
    "rosterd_last_run_operations",
    &["tenant", "result"],
    "Operations of the last run: planned, and of these done, held and failed.",
);
pub(super) const LAST_CALLS: Metric = gauge("rosterd_last_run_calls", TENANT, "Calls to the app in the last run.");
pub(super) const SOURCE_OBJECTS: Metric = gauge(
    "rosterd_source_objects",
    &["tenant", "kind"],
    "What the last accepted reading of the directory held: user, group, membership.",
);
pub(super) const MANAGED: Metric = gauge(
    "rosterd_managed_objects",
    &["tenant", "kind", "active"],
    "Accounts and groups in the app that are linked to the directory, by kind and whether they may be used.",
);
pub(super) const PENDING: Metric = gauge(
    "rosterd_pending_operations",
    &["tenant", "op"],
    "Operations of the last run's plan that were not carried out: held or failed.",
);
pub(super) const SET_ASIDE: Metric =
    gauge("rosterd_set_aside_objects", TENANT, "People and groups that failed and are tried again later.");
pub(super) const OPEN_INTENTS: Metric =
    gauge("rosterd_open_intents", TENANT, "Calls whose outcome is not known; the next run looks them up.");
pub(super) const HELD: Metric = gauge("rosterd_held_operations", TENANT, "Operations that wait for a decision.");
pub(super) const HOLDS: Metric =
    gauge("rosterd_holds", &["tenant", "reason"], "How many holds there are, by their reason.");
pub(super) const BUDGET: Metric = gauge(
    "rosterd_removal_budget_used_ratio",
    &["tenant", "window"],
    "People who lost access in the window, as a part of what guard.removals_per_day allows. Known after the first run that did something.",
);
pub(super) const EXPIRY: Metric = gauge(
    "rosterd_credential_expiry_timestamp_seconds",
    &["tenant", "secret"],
    "When a secret is no longer taken, by its key in the tenant file; where the file or the token itself says so.",
);
pub(super) const AUDIT_SEQ: Metric = gauge("rosterd_audit_seq", TENANT, "The number of the journal's last record.");
pub(super) const RUNS: Metric = counter(
    "rosterd_runs_total",
    &["tenant", "result"],
    "Runs, by how they ended: ok, partial, held, failed (the run ended before its plan), no_plan.",
);
pub(super) const CYCLE: Metric = histogram(
    "rosterd_cycle_duration_seconds",
    &["tenant", "phase"],
    "How long runs took: read (the directory), decide (with all that the app is asked), apply. Their sum is the whole run.",
);
pub(super) const OPERATIONS: Metric = counter(
    "rosterd_operations_total",
    &["tenant", "op", "result"],
    "Operations of all runs, by kind and result: done, held, failed. What stays held counts in every run.",
);
pub(super) const REJECTED: Metric = counter(
    "rosterd_snapshot_rejected_total",
    &["tenant", "reason"],
    "Readings of the directory that were not acted on: refused, forbidden, unreachable, throttled, malformed, settings, time_limit, incomplete, shrink.",
);
pub(super) const REQUESTS: Metric = counter(
    "rosterd_http_requests_total",
    &["tenant", "peer", "method", "code"],
    "HTTP requests to the app and the directory, by the answer's status; none where no answer came.",
);
pub(super) const REQUEST_SECONDS: Metric = histogram(
    "rosterd_http_request_duration_seconds",
    &["tenant", "peer"],
    "How long answers took, from the first byte sent to the last one read.",
);
pub(super) const WAITED: Metric = counter(
    "rosterd_rate_limit_wait_seconds_total",
    &["tenant", "peer"],
    "How long calls waited for their turn, all of them together: rate limit, Retry-After, calls in flight.",
);
pub(super) const RETRIES: Metric = counter(
    "rosterd_retries_total",
    &["tenant", "peer", "reason"],
    "Calls that were made again, by what went wrong before.",
);

/// All metrics, in the order in which they are told.
pub const ALL: [&Metric; 33] = [
    &BUILD_INFO,
    &START,
    &CONFIG_VALID,
    &STORE_FREE,
    &STATE,
    &FILE_MISTAKE,
    &RUNNING,
    &FAILURES,
    &NEXT_RUN,
    &LAST_RUN,
    &LAST_SUCCESS,
    &LAST_SNAPSHOT,
    &LAST_DURATION,
    &LAST_OPERATIONS,
    &LAST_CALLS,
    &SOURCE_OBJECTS,
    &MANAGED,
    &PENDING,
    &SET_ASIDE,
    &OPEN_INTENTS,
    &HELD,
    &HOLDS,
    &BUDGET,
    &EXPIRY,
    &AUDIT_SEQ,
    &RUNS,
    &CYCLE,
    &OPERATIONS,
    &REJECTED,
    &REQUESTS,
    &REQUEST_SECONDS,
    &WAITED,
    &RETRIES,
];
