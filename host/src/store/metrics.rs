//! Metrics of a store since it was created.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Store;
use super::health::PoolStats;

/// Metrics of a store since it was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Statements that were sent to the database, including commits and retries.
    pub total_queries: u64,
    /// Statements that failed.
    pub failed_queries: u64,
    /// How many times results were sent again after a transient error.
    pub retry_count: u64,
    /// The percentage of statements that succeeded; 100 if there were none.
    pub success_rate: f64,
    /// The mean duration of a statement in milliseconds, to its first row or its end.
    pub avg_query_time: f64,
    /// Outcomes that were stored.
    pub stored_outcomes: u64,
    /// Transactions that stored results.
    pub transactions: u64,
    /// When the health was last queried.
    pub last_health_check: Option<Timestamp>,
    /// The connections.
    pub pool_stats: PoolStats,
}

/// The counters behind [`Metrics`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    queries: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    microseconds: AtomicU64,
    stored: AtomicU64,
    transactions: AtomicU64,
    /// Microseconds since 1970; 0 for never.
    health_checked: AtomicI64,
}

impl Counters {
    /// Counts a statement.
    pub(super) fn query(&self, time: Duration, failed: bool) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(failed.into(), Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts a transaction that stored this many outcomes.
    pub(super) fn stored(&self, outcomes: usize) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.stored.fetch_add(outcomes as u64, Ordering::Relaxed);
    }

    /// Records that the health was queried.
    pub(super) fn health_checked(&self, at: Timestamp) {
        self.health_checked.store(at.as_microsecond(), Ordering::Relaxed);
    }
}

impl Store {
    /// Returns the metrics of this store and its clones since it was created.
    #[expect(clippy::cast_precision_loss, reason = "means and rates for people")]
    pub fn metrics(&self) -> Metrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let total = read(&counters.queries);
        let failed = read(&counters.failed);
        let divisor = total.max(1) as f64;
        let checked = counters.health_checked.load(Ordering::Relaxed);
        Metrics {
            total_queries: total,
            failed_queries: failed,
            retry_count: read(&counters.retries),
            success_rate: if total == 0 {
                100.0
            } else {
                (total - failed.min(total)) as f64 / divisor * 100.0
            },
            avg_query_time: read(&counters.microseconds) as f64 / divisor / 1_000.0,
            stored_outcomes: read(&counters.stored),
            transactions: read(&counters.transactions),
            last_health_check: (checked != 0)
                .then(|| Timestamp::from_microsecond(checked).ok())
                .flatten(),
            pool_stats: self.pool_stats(),
        }
    }

    /// Counts a retry of a transaction.
    pub(crate) fn count_retry(&self) {
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
    }
}
