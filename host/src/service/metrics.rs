//! The metrics of the service in the format of Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::delivery::FileSummary;
use crate::recorder::{ItemVerdict, Verdict};
use crate::spool::SpoolState;
use crate::store::Metrics;

/// Upper bounds of the histogram's buckets in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    method: &'static str,
    path: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PathLabels {
    method: &'static str,
    path: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct VerdictLabels {
    verdict: &'static str,
}

type HistogramFamily = Family<PathLabels, Histogram, fn() -> Histogram>;

/// The metrics of the service.
#[derive(Debug)]
pub(super) struct ServiceMetrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: HistogramFamily,
    results: Family<VerdictLabels, Counter>,
    pub(super) connections: Gauge,
    pub(super) refused_connections: Counter,
    under_way: Gauge,
    gauges: Gauges,
}

/// Gauges that are read on request.
#[derive(Debug, Default)]
struct Gauges {
    spool_depth: Gauge,
    spool_bytes: Gauge,
    spool_limit_bytes: Gauge,
    spool_oldest_entry_age_seconds: Gauge<f64, AtomicU64>,
    spool_dead_letters: Gauge,
    spool_up: Gauge,
    database_connections: Gauge,
    database_connections_idle: Gauge,
    database_connections_pending: Gauge,
    database_up: Gauge,
    database_queries: Counter,
    database_query_failures: Counter,
    database_retries: Counter,
    outcomes_stored: Counter,
}

impl ServiceMetrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("arc");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let durations: HistogramFamily = Family::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "http_request_duration",
            "Time until the answer began",
            Unit::Seconds,
            durations.clone(),
        );
        let results = Family::default();
        registry.register("results", "Results by their verdict", results.clone());
        let connections = Gauge::default();
        registry.register("http_connections", "Open connections", connections.clone());
        let refused_connections = Counter::default();
        registry.register(
            "http_connections_refused",
            "Connections beyond the limit",
            refused_connections.clone(),
        );
        let under_way = Gauge::default();
        registry.register("http_requests_in_flight", "Requests in progress", under_way.clone());
        let gauges = Gauges::default();
        for (name, help, gauge) in [
            ("spool_depth", "Entries in the spool", &gauges.spool_depth),
            (
                "spool_limit_bytes",
                "The most that the spool can use of the disk",
                &gauges.spool_limit_bytes,
            ),
            ("spool_bytes", "What the spool takes of the disk", &gauges.spool_bytes),
            ("spool_dead_letters", "Entries refused permanently", &gauges.spool_dead_letters),
            (
                "spool_up",
                "0 while the spool can keep nothing: disk full or broken, file damaged",
                &gauges.spool_up,
            ),
            ("database_connections", "Open connections", &gauges.database_connections),
            ("database_connections_idle", "Open and free", &gauges.database_connections_idle),
            ("database_connections_pending", "Waited for", &gauges.database_connections_pending),
            ("database_up", "0 while results go to the spool", &gauges.database_up),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("database_queries", "Statements so far", &gauges.database_queries),
            ("database_query_failures", "Statements that failed", &gauges.database_query_failures),
            ("database_retries", "Transactions sent again", &gauges.database_retries),
            ("outcomes_stored", "Outcomes stored by this process", &gauges.outcomes_stored),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "spool_oldest_entry_age_seconds",
            "Age of the spool's oldest entry",
            gauges.spool_oldest_entry_age_seconds.clone(),
        );
        ServiceMetrics {
            registry,
            requests,
            durations,
            results,
            connections,
            refused_connections,
            under_way,
            gauges,
        }
    }

    /// Counts a request that has arrived; it is in progress until the value is dropped.
    pub(super) fn under_way(&self) -> RequestInFlight {
        self.under_way.inc();
        RequestInFlight(self.under_way.clone())
    }

    /// Counts an answered request. `path` is that of the route, so that ids do not create series.
    pub(super) fn answered(&self, method: &'static str, path: &str, status: u16, time: Duration) {
        let path = path.to_owned();
        let labels = PathLabels { method, path: path.clone() };
        self.durations.get_or_create(&labels).observe(time.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method, path, status }).inc();
    }

    /// Counts the verdicts on results.
    pub(super) fn count(&self, verdicts: &[ItemVerdict]) {
        let mut counts = [0_u64; 5];
        for item in verdicts {
            let [stored, duplicate, spooled, rejected, failed] = &mut counts;
            *match item.verdict {
                Verdict::Stored => stored,
                Verdict::Duplicate => duplicate,
                Verdict::Spooled => spooled,
                Verdict::Rejected(_) => rejected,
                Verdict::Failed { .. } => failed,
            } += 1;
        }
        self.add(counts);
    }

    /// Counts the verdicts on a file's results.
    pub(super) fn count_file(&self, summary: &FileSummary) {
        let FileSummary { stored, duplicate, spooled, rejected, failed, .. } = *summary;
        self.add([stored, duplicate, spooled, rejected, failed]);
    }

    /// Counts results by verdict: stored, duplicate, spooled, rejected and failed.
    fn add(&self, counts: [u64; 5]) {
        let words = ["stored", "duplicate", "spooled", "rejected", "failed"];
        for (verdict, count) in words.into_iter().zip(counts) {
            if count > 0 {
                self.results.get_or_create(&VerdictLabels { verdict }).inc_by(count);
            }
        }
    }

    /// Returns all metrics as text.
    pub(super) fn text(
        &self,
        store: &Metrics,
        spool: Option<&SpoolState>,
        unavailable: bool,
    ) -> String {
        let gauges = &self.gauges;
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        if let Some(spool) = spool {
            set(&gauges.spool_depth, spool.depth);
            set(&gauges.spool_bytes, spool.bytes);
            set(&gauges.spool_limit_bytes, spool.limit_bytes);
            set(&gauges.spool_dead_letters, spool.dead_letters);
            set(&gauges.spool_up, spool.error.is_none().into());
            gauges.spool_oldest_entry_age_seconds.set(spool.oldest_at.map_or(0.0, |oldest| {
                jiff::Timestamp::now().duration_since(oldest).as_secs_f64().max(0.0)
            }));
        }
        set(&gauges.database_connections, store.pool_stats.size as u64);
        set(&gauges.database_connections_idle, store.pool_stats.available as u64);
        set(&gauges.database_connections_pending, store.pool_stats.waiting as u64);
        set(&gauges.database_up, (!unavailable).into());
        // The store has already counted them.
        let count = |counter: &Counter, value: u64| {
            counter.inner().store(value, Ordering::Relaxed);
        };
        count(&gauges.database_queries, store.total_queries);
        count(&gauges.database_query_failures, store.failed_queries);
        count(&gauges.database_retries, store.retry_count);
        count(&gauges.outcomes_stored, store.stored_outcomes);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct RequestInFlight(Gauge);

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
