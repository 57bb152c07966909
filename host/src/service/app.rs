//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::answers::Answers;
use super::events::Watchers;
use super::idempotency::Keys;
use super::metrics::ServiceMetrics;
use super::room::Room;
use super::settings::ServiceSettings;
use crate::Recorder;
use crate::access::TokenRegistry;
use crate::delivery::Delivery;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) settings: ServiceSettings,
    /// For questions.
    pub(super) recorder: Recorder,
    /// For everything that records.
    pub(super) delivery: Delivery,
    /// None where no token is asked for.
    pub(super) tokens: Option<TokenRegistry>,
    pub(super) metrics: ServiceMetrics,
    pub(super) watchers: Watchers,
    pub(super) keys: Keys,
    pub(super) requests: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    /// For whole bodies.
    pub(super) room: Room,
    /// For what streams have sent that is not recorded yet: one that is slow keeps no body out.
    pub(super) stream_room: Room,
    /// For answers.
    pub(super) answers: Answers,
    /// For long answers that go out compressed: each takes some mebibytes.
    pub(super) compressors: Arc<Semaphore>,
    /// One configuration, start or suite is read at a time where it is long.
    pub(super) long_bodies: Semaphore,
    /// Set when the service stops.
    pub(super) stopping: watch::Sender<bool>,
}

pub(super) type SharedApp = Arc<App>;

impl App {
    pub(super) fn body_limit(&self) -> u64 {
        self.settings.body_limit_mib << 20
    }

    pub(super) fn body_stall(&self) -> Duration {
        Duration::from_secs(self.settings.body_seconds)
    }

    pub(super) fn answer_stall(&self) -> Duration {
        Duration::from_secs(self.settings.answer_seconds)
    }

    pub(super) fn request_time(&self) -> Duration {
        Duration::from_secs(self.settings.request_seconds)
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the service stops.
    pub(super) async fn stopped(&self) {
        // Whoever could say so lives as long as this.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
