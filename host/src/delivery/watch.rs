//! Whether the destination is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::destination::Sink;
use crate::error::Error;

/// How soon after a question the next one may be asked.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the destination whether it is there, and stores what it is sent, when somebody has waited
/// long for an answer.
pub(super) async fn watch(
    destination: impl Sink,
    unavailable: watch::Sender<Option<String>>,
    doubt: Arc<Notify>,
) {
    loop {
        doubt.notified().await;
        if unavailable.borrow().is_none() {
            match destination.trouble() {
                Some(reason) => note_unavailable(&unavailable, &reason, None),
                None => {
                    if let Err(error) = destination.answers().await {
                        note_unavailable_for(&unavailable, &error);
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lets everybody know that the destination takes nothing, because of an error.
pub(super) fn note_unavailable_for(unavailable: &watch::Sender<Option<String>>, error: &Error) {
    note_unavailable(unavailable, &error.report(), error.hint().as_deref());
}

/// Lets everybody know that the destination takes nothing, and what to do about it.
pub(super) fn note_unavailable(
    unavailable: &watch::Sender<Option<String>>,
    reason: &str,
    hint: Option<&str>,
) {
    unavailable.send_if_modified(|known| {
        if known.is_none() {
            tracing::warn!(target: "arc_host::delivery", reason, hint, "the database takes nothing; results go to the spool");
        }
        known.replace(reason.to_owned()).is_none()
    });
}

/// Lets everybody know that the destination takes calls again.
pub(super) fn note_back(unavailable: &watch::Sender<Option<String>>) {
    unavailable.send_if_modified(|known| {
        let was_away = known.take().is_some();
        if was_away {
            tracing::info!(target: "arc_host::delivery", "the database takes calls again");
        }
        was_away
    });
}
