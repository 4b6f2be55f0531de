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
    gauge("rosterd_build_info", &["version"], "Build information; the value is always 1.");
pub(super) const START: Metric = gauge("rosterd_start_timestamp_seconds", &[], "Start time of the daemon.");
pub(super) const CONFIG_VALID: Metric = gauge(
    "rosterd_config_valid",
    &[],
    "1 if the last read of rosterd.toml found no mistakes, 0 if the previous version is in force.",
);
pub(super) const STORE_FREE: Metric =
    gauge("rosterd_store_free_bytes", &[], "Free space for rosterd on the disk of the state folder.");
pub(super) const STATE: Metric = gauge(
    "rosterd_tenant_state",
    &["tenant", "state"],
    "1 for the current state of the tenant, 0 for all others: new, ok, partial, held, adopt_only, paused, retired, busy, failing, quarantined, file_mistake.",
);
pub(super) const FILE_MISTAKE: Metric = gauge(
    "rosterd_file_mistake",
    TENANT,
    "1 if the tenant file has mistakes; its previous version stays in force, if there was one.",
);
pub(super) const RUNNING: Metric = gauge("rosterd_run_under_way", TENANT, "1 while a run is in progress, otherwise 0.");
pub(super) const FAILURES: Metric = gauge("rosterd_failures_in_a_row", TENANT, "Consecutive failed runs.");
pub(super) const NEXT_RUN: Metric =
    gauge("rosterd_next_run_timestamp_seconds", TENANT, "Time of the next scheduled run.");
pub(super) const LAST_RUN: Metric =
    gauge("rosterd_last_run_timestamp_seconds", TENANT, "End of the last run that made a plan.");
pub(super) const LAST_SUCCESS: Metric =
    gauge("rosterd_last_success_timestamp_seconds", TENANT, "End of the last run after which the app was in sync.");
pub(super) const LAST_SNAPSHOT: Metric = gauge(
    "rosterd_last_complete_snapshot_timestamp_seconds",
    TENANT,
    "Time of the last complete read of the directory.",
);
pub(super) const LAST_DURATION: Metric =
    gauge("rosterd_last_run_duration_seconds", TENANT, "Duration of the last run that made a plan.");
pub(super) const LAST_OPERATIONS: Metric = gauge(
    "rosterd_last_run_operations",
    &["tenant", "result"],
    "Operations of the last run: planned, and how many of them were done, held or failed.",
);
pub(super) const LAST_CALLS: Metric = gauge("rosterd_last_run_calls", TENANT, "Requests to the app in the last run.");
pub(super) const SOURCE_OBJECTS: Metric = gauge(
    "rosterd_source_objects",
    &["tenant", "kind"],
    "Objects in the last accepted read of the directory: user, group, membership.",
);
pub(super) const MANAGED: Metric = gauge(
    "rosterd_managed_objects",
    &["tenant", "kind", "active"],
    "Linked users and groups, by kind and by whether they are active in the app.",
);
pub(super) const PENDING: Metric = gauge(
    "rosterd_pending_operations",
    &["tenant", "op"],
    "Operations of the last plan that were not applied because they were held or failed.",
);
pub(super) const SET_ASIDE: Metric =
    gauge("rosterd_set_aside_objects", TENANT, "Users and groups that failed and are tried again later.");
pub(super) const OPEN_INTENTS: Metric =
    gauge("rosterd_open_intents", TENANT, "Requests with an unknown outcome, which the next run looks up.");
pub(super) const HELD: Metric = gauge("rosterd_held_operations", TENANT, "Operations that wait for a decision.");
pub(super) const HOLDS: Metric = gauge("rosterd_holds", &["tenant", "reason"], "Holds, by reason.");
pub(super) const BUDGET: Metric = gauge(
    "rosterd_removal_budget_used_ratio",
    &["tenant", "window"],
    "Users who lost access in the window, as a ratio of what guard.removals_per_day allows. Absent until a run has made changes.",
);
pub(super) const EXPIRY: Metric = gauge(
    "rosterd_credential_expiry_timestamp_seconds",
    &["tenant", "secret"],
    "Expiry of a secret, by its key in the tenant file, where the file or the token states it.",
);
pub(super) const AUDIT_SEQ: Metric = gauge("rosterd_audit_seq", TENANT, "Sequence number of the last journal record.");
pub(super) const RUNS: Metric = counter(
    "rosterd_runs_total",
    &["tenant", "result"],
    "Runs by result: ok, partial, held, failed (ended before its plan was applied), no_plan.",
);
pub(super) const CYCLE: Metric = histogram(
    "rosterd_cycle_duration_seconds",
    &["tenant", "phase"],
    "Duration of the phases of a run: read (the directory), decide (including lookups in the app), apply.",
);
pub(super) const OPERATIONS: Metric = counter(
    "rosterd_operations_total",
    &["tenant", "op", "result"],
    "Operations by kind and result: done, held, failed. An operation that stays held is counted in every run.",
);
pub(super) const REJECTED: Metric = counter(
    "rosterd_snapshot_rejected_total",
    &["tenant", "reason"],
    "Reads of the directory that were rejected, by reason: refused, forbidden, unreachable, throttled, malformed, settings, time_limit, incomplete, shrink.",
);
pub(super) const REQUESTS: Metric = counter(
    "rosterd_http_requests_total",
    &["tenant", "peer", "method", "code"],
    "HTTP requests to the app and the directory, by response status; none if there was no response.",
);
pub(super) const REQUEST_SECONDS: Metric = histogram(
    "rosterd_http_request_duration_seconds",
    &["tenant", "peer"],
    "HTTP request duration, from the first byte sent to the last byte read.",
);
pub(super) const WAITED: Metric = counter(
    "rosterd_rate_limit_wait_seconds_total",
    &["tenant", "peer"],
    "Total time that requests waited because of the rate limit, Retry-After or the limit of requests in flight.",
);
pub(super) const RETRIES: Metric = counter(
    "rosterd_retries_total",
    &["tenant", "peer", "reason"],
    "Retried requests, by the reason of the failed attempt.",
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
