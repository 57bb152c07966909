//! The service: the calls of the recorder over HTTP.
//!
//! | module | purpose |
//! |---|---|
//! | [`settings`] | every setting, in one place |
//! | `listener`, `patience`, `tls` | connections and their limits |
//! | `router` | paths, and what a request passes through; the OpenAPI document |
//! | `observe`, `guard` | a request's id, log and counters; who gets in, and how many |
//! | `parameters`, `body` | what a request says |
//! | `simulations`, `record`, `reading`, `events` | the handlers |
//! | `retention` | what is removed when it is old enough |
//! | `answer`, `idempotency` | what a request gets |
//!
//! Handlers translate: they have no rules of their own. What records goes through
//! [`Delivery`], which spools while the database is away.

mod answer;
mod app;
mod body;
mod events;
mod files;
mod guard;
mod idempotency;
mod listener;
mod log;
mod metrics;
mod observe;
mod parameters;
mod patience;
mod reading;
mod record;
mod retention;
mod room;
mod router;
pub mod settings;
mod simulations;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use log::start_log;
pub use router::openapi;
pub use settings::ServiceSettings;

use crate::Recorder;
use crate::access::TokenRegistry;
use crate::delivery::{Delivery, Destination};
use crate::error::{Error, Result};
use crate::spool::Spool;
use app::{App, SharedApp};
use listener::Acceptor;

/// How often the tokens are read anew, so that a revoked one does not work for longer.
const TOKENS_EVERY: Duration = Duration::from_secs(2);

/// How often a database that was away is asked whether its schema can be brought up to date.
const PREPARED_EVERY: Duration = Duration::from_secs(2);

/// How long the rest may take after the time for a graceful stop is over: what was given up goes to
/// the spool within it.
const LAST_SECONDS: Duration = Duration::from_secs(5);

/// A service that listens.
pub struct Service {
    app: SharedApp,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: Option<tokio_rustls::TlsAcceptor>,
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
    /// Listens, without answering yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] where the settings do not do; [`Error::Io`] where an address is taken.
    pub async fn bind(
        settings: ServiceSettings,
        recorder: Recorder,
        spool: Option<Spool>,
        tokens: Option<TokenRegistry>,
    ) -> Result<Self> {
        let tls = tls::acceptor(&settings)?;
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
        let app = App {
            recorder,
            delivery,
            tokens,
            metrics: metrics::ServiceMetrics::new(),
            watchers: events::Watchers::default(),
            keys: idempotency::Keys::default(),
            requests: Semaphore::new(settings.requests),
            room: room::Room::new(),
            stopping: watch::Sender::new(false),
            settings,
        };
        Ok(Service { app: Arc::new(app), listeners, addresses, tls })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether it speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Answers requests until `stop` resolves. Then it accepts nothing more, lets what is under way
    /// end, gives what does not end in time to the spool, and closes the connections to the database.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Service { app, listeners, tls, .. } = self;
        let router = router::router(&app);
        let acceptor = Acceptor::new(SharedApp::clone(&app), router, tls);
        let tokens = app.tokens.clone().map(|tokens| tokio::spawn(keep_tokens_fresh(tokens)));
        let preparing = tokio::spawn(prepare(app.recorder.clone()));
        let retention = app
            .settings
            .retention_days
            .map(|days| tokio::spawn(retention::keep(app.recorder.store().clone(), days)));
        let stopped = async {
            stop.await;
            app.stopping.send_replace(true);
        };
        tokio::join!(acceptor.accept(listeners), stopped);
        preparing.abort();
        // What it was at is a transaction, and so is done or not.
        if let Some(retention) = retention {
            retention.abort();
        }
        let limit = Duration::from_secs(app.settings.shutdown_seconds);
        let finishing = acceptor.finish();
        tokio::pin!(finishing);
        if tokio::time::timeout(limit, &mut finishing).await.is_err() {
            tracing::warn!("requests are still under way; what they record goes to the spool");
            app.delivery.give_up("the service is stopping");
            if tokio::time::timeout(LAST_SECONDS, finishing).await.is_err() {
                tracing::warn!("connections were broken off");
            }
        }
        // What has begun is committed even where nobody waits for it any more.
        if tokio::time::timeout(LAST_SECONDS, app.recorder.close()).await.is_err() {
            tracing::warn!("the database did not take the last results in time");
        }
        app.delivery.close().await;
        if let Some(tokens) = tokens {
            tokens.abort();
        }
    }
}

/// Reads the tokens anew, again and again.
async fn keep_tokens_fresh(tokens: TokenRegistry) {
    loop {
        // A database that is away leaves those that are known.
        if let Err(error) = tokens.refresh().await {
            tracing::debug!(%error, "could not read the tokens");
        }
        tokio::time::sleep(TOKENS_EVERY).await;
    }
}

/// Brings the schema up to date as soon as the database is there.
async fn prepare(recorder: Recorder) {
    let mut told = false;
    while let Err(error) = recorder.make_ready().await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "the database is not ready yet");
        }
        tokio::time::sleep(PREPARED_EVERY).await;
    }
}
