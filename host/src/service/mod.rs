//! The service: the calls of the recorder over HTTP.
//!
//! | module | purpose |
//! |---|---|
//! | [`settings`] | every setting, in one place |
//! | `listener`, `connection_timeouts`, `activity`, `open_files` | connections and their limits |
//! | `router` | paths, and what a request passes through; the OpenAPI document |
//! | `observe`, `guard` | a request's id, log and counters; authentication and limits |
//! | `origins`, `concurrency`, `min_rate` | web pages; how many requests at once; how slowly they can arrive and be read |
//! | `parameters`, `body`, `decoding`, `memory_budget` | the parameters and body of a request, and the memory for them |
//! | `simulations`, `record`, `files`, `reading`, `events` | the handlers |
//! | `tls`, `log`, `reloading` | certificates, the log, and settings that are read again while it runs |
//! | `file_disk`, `shared_check` | the disk for files; a query that concurrent clients share |
//! | `submitted_results`, `request_metadata`, `stream`, `reader` | the results of a body; a stream of them, and batches from it |
//! | `retention` | removal of old simulations |
//! | `answer`, `idempotency` | answers, and repeated requests |
//! | `answers`, `long_answer`, `body_drain` | the memory of long answers; bodies that are not read |
//!
//! Handlers translate: they have no rules of their own. Recording requests go
//! through [`Delivery`], which spools while the database is unavailable.

mod activity;
mod answer;
mod answers;
mod app;
mod body;
mod body_drain;
mod concurrency;
mod connection_timeouts;
mod decoding;
mod description;
mod events;
mod file_disk;
mod file_report;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard;
mod idempotency;
mod listener;
mod log;
mod long_answer;
mod memory_budget;
mod metrics;
mod min_rate;
mod observe;
mod open_files;
mod origins;
mod parameters;
mod projects;
mod reader;
mod reading;
mod record;
mod reloading;
mod request_metadata;
mod retention;
mod router;
pub mod settings;
mod shared_check;
mod simulations;
mod spool;
mod stream;
mod submitted_results;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

pub use log::{LogLevel, start_log};
pub use open_files::raise_open_files;
pub use reloading::Reloader;
pub use router::openapi;
pub use settings::ServiceSettings;

use crate::Recorder;
use crate::access::TokenRegistry;
use crate::delivery::{Delivery, Destination};
use crate::error::{Error, Result};
use crate::spool::Spool;
use app::{App, SharedApp};
use listener::Acceptor;

/// How many long answers are compressed concurrently; others are sent uncompressed.
const COMPRESSORS: usize = 8;

/// How often the tokens are reloaded, which limits how long a revoked token still works.
const TOKENS_EVERY: Duration = Duration::from_secs(2);

/// How often the service retries to migrate the schema of an unavailable database.
const PREPARED_EVERY: Duration = Duration::from_secs(2);

/// A listening service.
pub struct Service {
    app: SharedApp,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: tls::Tls,
    /// The age of simulations that are removed.
    retention: watch::Sender<Option<u64>>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter
            .debug_struct("Service")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Binds its addresses, without accepting connections yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the settings are not valid; [`Error::Io`] if an address is in use.
    pub async fn bind(
        settings: ServiceSettings,
        recorder: Recorder,
        spool: Option<Spool>,
        tokens: Option<TokenRegistry>,
    ) -> Result<Self> {
        let tls = tls::Tls::read(&settings)?;
        let retention = watch::Sender::new(settings.retention_days);
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for address in &settings.listen {
            let failed = |error| Error::io(format!("could not listen on {address}"), error);
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let destination = Destination::Database(recorder.clone());
        let delivery = match spool {
            Some(spool) => Delivery::with_spool(destination, spool),
            None => Delivery::new(destination),
        };
        let origins = tokens.is_none().then(|| origins::OriginPolicy::new(&settings));
        let file_disk = file_disk::FileDisk::open(
            settings.file_dir.as_ref(),
            settings.spool_dir.as_ref(),
            settings.max_file_disk_mib.saturating_mul(1 << 20),
        )?;
        let app = App {
            recorder,
            delivery,
            tokens,
            metrics: metrics::ServiceMetrics::new(),
            watchers: events::Watchers::default(),
            projects: projects::ProjectCache::default(),
            keys: idempotency::Keys::default(),
            limits: concurrency::ConcurrencyLimits::new(&settings),
            origins,
            file_disk: Arc::new(file_disk),
            file_batches: Arc::new(Semaphore::new(files::BATCHES)),
            health: shared_check::SharedCheck::default(),
            readiness: shared_check::SharedCheck::default(),
            room: memory_budget::MemoryBudget::new(settings.max_body_memory_mib),
            stream_room: memory_budget::MemoryBudget::new(settings.max_stream_memory_mib),
            answers: answers::Answers::new(settings.max_response_memory_mib),
            compressors: Arc::new(Semaphore::new(COMPRESSORS)),
            long_bodies: Semaphore::new(1),
            stopping: watch::Sender::new(false),
            settings,
        };
        Ok(Service { app: Arc::new(app), listeners, addresses, tls, retention })
    }

    /// Returns the addresses on which it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns whether it uses TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.acceptor().is_some()
    }

    /// Returns what applies changed settings to this service while it runs. `settings` are those with which
    /// it was started, as they were read.
    pub fn reloader(&self, settings: ServiceSettings, log: LogLevel) -> Reloader {
        Reloader::new(settings, log, self.tls.clone(), self.retention.clone())
    }

    /// Answers requests until `stop` resolves. Then it accepts no more, lets requests in progress end,
    /// moves those that do not end in time to the spool, and closes the connections to the database.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Service { app, listeners, tls, retention, .. } = self;
        let router = router::router(&app);
        let acceptor = Acceptor::new(SharedApp::clone(&app), router, tls);
        let tokens = app.tokens.clone().map(|tokens| tokio::spawn(keep_tokens_fresh(tokens)));
        let preparing = tokio::spawn(prepare(app.recorder.clone()));
        let age = retention.subscribe();
        let retention = tokio::spawn(retention::keep(app.recorder.store().clone(), age));
        let stopped = async {
            stop.await;
            app.stopping.send_replace(true);
        };
        tokio::join!(acceptor.accept(listeners), stopped);
        preparing.abort();
        // The interrupted work is a transaction, and so is either done or not.
        retention.abort();
        // All steps end within this time, so that a supervisor with the same stop timeout does not kill
        // it.
        let begun = Instant::now();
        let limit = Duration::from_secs(app.settings.shutdown_timeout_seconds);
        let finishing = acceptor.finish();
        tokio::pin!(finishing);
        if timeout_at(begun + limit / 4 * 3, &mut finishing).await.is_err() {
            tracing::warn!("requests are still in progress; their results go to the spool");
            app.delivery.mark_unavailable("the service is stopping");
            if timeout_at(begun + limit / 8 * 7, finishing).await.is_err() {
                tracing::warn!("connections were aborted");
            }
        }
        // A started commit is completed even if its client has disconnected.
        if timeout_at(begun + limit / 16 * 15, app.recorder.close()).await.is_err() {
            tracing::warn!("the database did not take the last results in time");
        }
        // At this point every answered result is on the disk.
        if timeout_at(begun + limit, app.delivery.close()).await.is_err() {
            tracing::warn!("the disk of the spool did not answer in time");
        }
        if let Some(tokens) = tokens {
            tokens.abort();
        }
    }
}

/// Reloads the tokens periodically.
async fn keep_tokens_fresh(tokens: TokenRegistry) {
    let mut copied = true;
    loop {
        let refreshed = tokens.refresh().await;
        match &refreshed {
            Ok(()) => copied = true,
            // Without a current copy, revoked tokens would work again after a start while the database
            // is unavailable.
            Err(error @ Error::Io { .. }) => {
                if std::mem::replace(&mut copied, false) {
                    tracing::warn!(
                        error = error.report(),
                        hint = error.hint().as_deref(),
                        "the copy of the tokens is not up to date"
                    );
                }
            }
            // While the database is unavailable, the known tokens stay valid.
            Err(error) => tracing::debug!(
                error = error.report(),
                hint = error.hint().as_deref(),
                "could not read the tokens"
            ),
        }
        tokio::time::sleep(TOKENS_EVERY).await;
    }
}

/// Migrates the schema as soon as the database is reachable.
async fn prepare(recorder: Recorder) {
    let mut warned = false;
    while let Err(error) = recorder.make_ready().await {
        if !std::mem::replace(&mut warned, true) {
            tracing::warn!(
                error = error.report(),
                hint = error.hint().as_deref(),
                "the database is not ready yet"
            );
        }
        tokio::time::sleep(PREPARED_EVERY).await;
    }
}
