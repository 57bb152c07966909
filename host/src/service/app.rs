//! The state that all handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::answer::Failure;
use super::answers::Answers;
use super::concurrency::ConcurrencyLimits;
use super::events::Watchers;
use super::file_disk::FileDisk;
use super::idempotency::Keys;
use super::long_answer::AnswerPace;
use super::memory_budget::MemoryBudget;
use super::metrics::ServiceMetrics;
use super::origins::OriginPolicy;
use super::projects::ProjectCache;
use super::settings::ServiceSettings;
use super::shared_check::SharedCheck;
use crate::Recorder;
use crate::access::TokenRegistry;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::store::Health;

/// The state that all handlers share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) settings: ServiceSettings,
    /// For queries.
    pub(super) recorder: Recorder,
    /// For all recording requests.
    pub(super) delivery: Delivery,
    /// `None` if no token is required.
    pub(super) tokens: Option<TokenRegistry>,
    pub(super) metrics: ServiceMetrics,
    pub(super) watchers: Watchers,
    /// The projects of simulations that tokens of one project have named.
    pub(super) projects: ProjectCache,
    pub(super) keys: Keys,
    pub(super) limits: ConcurrencyLimits,
    /// The hosts and origins that are accepted; `None` if a token is required.
    pub(super) origins: Option<OriginPolicy>,
    /// For the files of `/v1/files`.
    pub(super) file_disk: Arc<FileDisk>,
    /// One permit for each of their batches in memory.
    pub(super) file_batches: Arc<Semaphore>,
    /// The health of the database, shared by concurrent requests.
    pub(super) health: SharedCheck<Health>,
    pub(super) readiness: SharedCheck<bool>,
    /// For whole bodies.
    pub(super) room: MemoryBudget,
    /// For results of streams that are not recorded yet: separate, so that slow streams do not block
    /// whole bodies.
    pub(super) stream_room: MemoryBudget,
    /// For answers.
    pub(super) answers: Answers,
    /// For long compressed answers: each uses some mebibytes.
    pub(super) compressors: Arc<Semaphore>,
    /// Only one long configuration, start or suite is parsed at a time.
    pub(super) long_bodies: Semaphore,
    /// Set when the service is stopping.
    pub(super) stopping: watch::Sender<bool>,
}

pub(super) type SharedApp = Arc<App>;

impl App {
    pub(super) fn body_limit(&self) -> u64 {
        self.settings.max_body_mib << 20
    }

    /// Returns how many bytes of the answer to many results can be violations and warnings.
    pub(super) fn most_reasons_bytes(&self) -> usize {
        usize::try_from(self.settings.max_violations_kib << 10).unwrap_or(usize::MAX)
    }

    pub(super) fn body_stall(&self) -> Duration {
        Duration::from_secs(self.settings.body_idle_timeout_seconds)
    }

    /// Checks that the database accepts results. Concurrent callers share one check.
    ///
    /// # Errors
    /// If it does not, or does not answer within the time of a request.
    pub(super) async fn database_answers(&self) -> Result<(), Failure> {
        let asked = async {
            let answered = self.recorder.store().answers();
            let answered = tokio::time::timeout(self.request_time(), answered).await;
            match answered {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::debug!(
                        error = error.report(),
                        hint = error.hint().as_deref(),
                        "the database does not answer"
                    );
                    false
                }
                Err(_) => false,
            }
        };
        if self.readiness.run(asked).await {
            return Ok(());
        }
        Err(Error::unavailable("the database does not answer").into())
    }

    pub(super) fn answer_pace(&self) -> AnswerPace {
        AnswerPace {
            stall: Duration::from_secs(self.settings.response_idle_timeout_seconds),
            min_bytes_per_second: self.settings.min_answer_bytes_per_second,
        }
    }

    pub(super) fn request_time(&self) -> Duration {
        Duration::from_secs(self.settings.request_timeout_seconds)
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the service stops.
    pub(super) async fn stopped(&self) {
        // `self` owns the sender, so the channel is not closed.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
