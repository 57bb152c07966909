//! Checks whether the destination is available.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::destination::Sink;
use crate::error::Error;

/// The least time between two pings.
const PAUSE: Duration = Duration::from_millis(500);

/// Pings the destination, and checks whether it stores results, when a call has waited too
/// long for an answer.
pub(super) async fn watch(
    destination: impl Sink,
    unavailable: watch::Sender<Option<String>>,
    slow_call: Arc<Notify>,
) {
    loop {
        slow_call.notified().await;
        if unavailable.borrow().is_none() {
            match destination.unavailable_reason() {
                Some(reason) => note_unavailable(&unavailable, &reason, None),
                None => {
                    if let Err(error) = destination.ping().await {
                        note_unavailable_for(&unavailable, &error);
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Marks the destination as unavailable because of an error.
pub(super) fn note_unavailable_for(unavailable: &watch::Sender<Option<String>>, error: &Error) {
    note_unavailable(unavailable, &error.report(), error.hint().as_deref());
}

/// Marks the destination as unavailable, with a hint.
pub(super) fn note_unavailable(
    unavailable: &watch::Sender<Option<String>>,
    reason: &str,
    hint: Option<&str>,
) {
    unavailable.send_if_modified(|known| {
        if known.is_none() {
            tracing::warn!(target: "arc_host::delivery", reason, hint, "the database is unavailable; results go to the spool");
        }
        known.replace(reason.to_owned()).is_none()
    });
}

/// Marks the destination as available again.
pub(super) fn note_back(unavailable: &watch::Sender<Option<String>>) {
    unavailable.send_if_modified(|known| {
        let was_unavailable = known.take().is_some();
        if was_unavailable {
            tracing::info!(target: "arc_host::delivery", "the database takes calls again");
        }
        was_unavailable
    });
}
