//! Connections: accepted up to a limit, with TLS or without, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Version;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::activity::{Activity, State};
use super::app::SharedApp;
use super::connection_timeouts::{PrefaceTimeout, WriteTimeout};
use super::observe::ClientAddress;
use super::open_files::{self, REFUSALS};
use super::settings::ServiceSettings;
use super::tls::Tls;
use crate::wire::{Problem, ProblemCode};

/// How long a TLS handshake can take, unless the time for headers is shorter.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After how long a silent HTTP/2 connection is pinged.
const PING_AFTER: Duration = Duration::from_secs(20);

/// The most concurrent requests of one HTTP/2 connection.
const STREAMS: u32 = 256;

/// The most of a body that a client can send over HTTP/2 before it is read: hyper buffers it, without
/// accounting.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// The most bytes of an answer that hyper buffers for each request over HTTP/2.
const SEND_BYTES: usize = 64 << 10;

/// How long accepting pauses when the system has no file descriptor for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// How much longer than the time for headers a connection with HTTP/2 can be idle: HTTP/1.1 has its own
/// limit for this, which is reached first.
const IDLE_MARGIN: Duration = Duration::from_secs(1);

/// Accepts connections, and serves them until it is stopped.
pub(super) struct Acceptor {
    app: SharedApp,
    router: Router,
    tls: Tls,
    limit: usize,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// Owned by every connection, and by nothing else once accepting has ended.
    open: mpsc::Sender<Infallible>,
    closed: mpsc::Receiver<Infallible>,
}

impl Acceptor {
    pub(super) fn new(app: SharedApp, router: Router, tls: Tls) -> Self {
        let limit = open_files::connection_limit(&app.settings);
        let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let (open, closed) = mpsc::channel(1);
        Acceptor { app, router, tls, limit, places, refusals, open, closed }
    }

    /// Accepts connections from all of these listeners until the service stops.
    pub(super) async fn accept(&self, listeners: Vec<TcpListener>) {
        let accepting = listeners.iter().map(|listener| self.accept_from(listener));
        tokio::select! {
            _ = futures_util::future::join_all(accepting) => {}
            () = self.app.stopped() => {}
        }
    }

    /// Lets every connection end after its request in progress. The service has stopped, and has
    /// announced that on each of them.
    pub(super) async fn finish(self) {
        let Acceptor { open, mut closed, .. } = self;
        drop(open);
        // Nothing is ever sent: the channel closes with the last sender.
        let _ = closed.recv().await;
    }

    async fn accept_from(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, client)) => self.serve(stream, client),
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Serves one connection in its own task.
    fn serve(&self, stream: TcpStream, client: SocketAddr) {
        // Answers are written whole; delaying small packets would only add latency.
        let _ = stream.set_nodelay(true);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.app.metrics.refused_connections.inc();
            // Connections that cannot be answered, because the process has no more files, are closed,
            // so that they do not wait.
            if self.tls.acceptor().is_none()
                && let Ok(telling) = Arc::clone(&self.refusals).try_acquire_owned()
            {
                tokio::spawn(refuse(stream, self.limit, telling));
            }
            return;
        };
        let stream = WriteTimeout::new(
            stream,
            Duration::from_secs(self.app.settings.response_idle_timeout_seconds),
        );
        let connection = Connection {
            app: SharedApp::clone(&self.app),
            router: self.router.clone(),
            client: ClientAddress(client),
            _place: place,
            _open: self.open.clone(),
        };
        let handshake =
            HANDSHAKE.min(Duration::from_secs(self.app.settings.headers_timeout_seconds));
        match self.tls.acceptor() {
            None => drop(tokio::spawn(connection.run(stream))),
            Some(tls) => drop(tokio::spawn(async move {
                let accepted = tokio::select! {
                    accepted = tokio::time::timeout(handshake, tls.accept(stream)) => accepted,
                    () = connection.app.stopped() => return,
                };
                // A failed handshake is not an error of the service.
                if let Ok(Ok(stream)) = accepted {
                    connection.run(stream).await;
                }
            })),
        }
    }
}

/// An open connection.
struct Connection {
    app: SharedApp,
    router: Router,
    client: ClientAddress,
    _place: OwnedSemaphorePermit,
    _open: mpsc::Sender<Infallible>,
}

impl Connection {
    async fn run<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { app, router, client, _place, _open } = self;
        app.metrics.connections.inc();
        let activity = Activity::new();
        let active = Arc::clone(&activity);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            let under_way = match request.version() {
                Version::HTTP_2 => Some(active.begin()),
                _ => {
                    active.is_http1();
                    None
                }
            };
            let answering = router.clone().oneshot(request);
            async move {
                let answer = answering.await;
                match under_way {
                    None => answer,
                    Some(request) => answer.map(|answer| answer.map(|body| request.answered(body))),
                }
            }
        });
        let builder = builder(&app.settings);
        let opening = Duration::from_secs(app.settings.headers_timeout_seconds);
        let stream = TokioIo::new(PrefaceTimeout::new(stream, opening));
        let mut serving = pin!(builder.serve_connection(stream, service));
        let (idle, stalled) = (
            opening + IDLE_MARGIN,
            Duration::from_secs(app.settings.response_idle_timeout_seconds),
        );
        let mut looking = tokio::time::interval(idle.min(stalled).max(IDLE_MARGIN) / 2);
        looking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ending_since = None;
        let mut stopped = pin!(app.stopped());
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                // A broken connection is not an error of the service; requests have their own log.
                _ = serving.as_mut() => break,
                () = stopped.as_mut(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
                _ = looking.tick() => match activity.state(idle, stalled) {
                    State::Busy => {}
                    State::Stalled => break,
                    State::Idle => match ending_since {
                        None => {
                            ending_since = Some(Instant::now());
                            serving.as_mut().graceful_shutdown();
                        }
                        // It has received the notice, but does not end.
                        Some(since) if since.elapsed() >= stalled => break,
                        Some(_) => {}
                    },
                },
            }
        }
        app.metrics.connections.dec();
    }
}

fn builder(settings: &ServiceSettings) -> auto::Builder<TokioExecutor> {
    let header_bytes = settings.max_request_headers_kib << 10;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(settings.headers_timeout_seconds))
        .max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_AFTER)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Returns whether an error of `accept` only concerns the connection, which was closed meanwhile.
fn of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers a client that there are too many connections, and closes its connection.
async fn refuse(mut stream: TcpStream, limit: usize, _telling: OwnedSemaphorePermit) {
    let problem = Problem::new(
        ProblemCode::TooManyRequests,
        format!("{limit} connections are open, the limit"),
    )
    .hint("try again in a second")
    .limit(limit as u64)
    .retry_after(1);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let write = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // The service does not wait for a client that does not read.
    let _ = tokio::time::timeout(Duration::from_secs(1), write).await;
}
