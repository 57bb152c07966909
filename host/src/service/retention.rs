//! Removal of old simulations.

use std::time::Duration;

use tokio::sync::watch;

use crate::error::Result;
use crate::store::{RemovedRows, RetentionTime, Store};

/// How often old simulations are removed.
const EVERY: Duration = Duration::from_secs(3_600);

/// The interval after a failure, for example while the database is unavailable.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Removes simulations of this age, periodically; none while the age is `None`. Several services can do
/// so at once.
pub(super) async fn keep(store: Store, mut age: watch::Receiver<Option<u64>>) {
    loop {
        let Some(days) = *age.borrow_and_update() else {
            match age.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        let pause = match remove(&store, days).await {
            Ok(removed) if removed.simulations == 0 => EVERY,
            Ok(removed) => {
                tracing::info!(
                    simulations = removed.simulations,
                    outcomes = removed.deleted_outcomes,
                    chunks = removed.chunks,
                    days,
                    "removed simulations older than the retention period"
                );
                EVERY
            }
            Err(error) => {
                tracing::warn!(
                    error = error.report(),
                    hint = error.hint().as_deref(),
                    "could not remove simulations older than the retention period"
                );
                AFTER_FAILURE
            }
        };
        // A new age applies at once. Without a sender there will be none.
        let changed = async {
            if age.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(pause, changed).await;
    }
}

async fn remove(store: &Store, days: u64) -> Result<RemovedRows> {
    #[expect(clippy::cast_precision_loss, reason = "days that matter are far fewer")]
    let hours = days as f64 * 24.0;
    let before = store.hours_ago(hours).await?;
    store.remove_expired(before, RetentionTime::Acceptance, |_| {}).await
}
