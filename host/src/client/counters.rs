//! The counters of a client since it was created.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::store::{Metrics, PoolStats};

/// The counters of a client and its clones.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    microseconds: AtomicU64,
    stored: AtomicU64,
    /// Microseconds since 1970; 0 for never.
    health: AtomicI64,
}

impl Counters {
    /// Counts a request that has ended.
    pub(super) fn answered(&self, time: Duration, good: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(!good), Ordering::Relaxed);
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(super) fn sent_again(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stored(&self, outcomes: u64) {
        self.stored.fetch_add(outcomes, Ordering::Relaxed);
    }

    pub(super) fn asked_for_health(&self) {
        self.health.store(Timestamp::now().as_microsecond(), Ordering::Relaxed);
    }

    /// Returns the same figures as a store, with requests in place of statements.
    #[expect(clippy::cast_precision_loss, reason = "a rate and a mean for display")]
    pub(super) fn metrics(&self) -> Metrics {
        let requests = self.requests.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        let each = requests.max(1) as f64;
        let health = self.health.load(Ordering::Relaxed);
        Metrics {
            total_queries: requests,
            failed_queries: failed,
            retry_count: self.retries.load(Ordering::Relaxed),
            success_rate: 100.0 - 100.0 * failed as f64 / each,
            avg_query_time: self.microseconds.load(Ordering::Relaxed) as f64 / 1e3 / each,
            stored_outcomes: self.stored.load(Ordering::Relaxed),
            transactions: 0,
            last_health_check: (health != 0)
                .then(|| Timestamp::from_microsecond(health).ok())
                .flatten(),
            pool_stats: PoolStats { size: 0, available: 0, waiting: 0 },
        }
    }
}
