//! Recording a stream of lines, with verdicts sent as they are committed.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::answer::{Answer, CompressionOptOut, Failure};
use super::app::SharedApp;
use super::concurrency::ConcurrencyPermit;
use super::guard::StreamAuthorization;
use super::long_answer::with_room;
use super::memory_budget::MemoryPermit;
use super::observe::RequestId;
use super::parameters::RecordQuery;
use super::reader::Reader;
use super::record::{fill, format_of, keep_causes, no_verdict};
use crate::recorder::{ItemVerdict, ResultFormat, Submission};
use crate::wire::{NDJSON, ProblemCode, ResultVerdict};

/// How many batches of a stream are processed concurrently: one is stored while the next is extracted.
const BATCHES_UNDER_WAY: usize = 3;

/// The memory for a verdict in an answer, without its reasons.
const VERDICT_BYTES: usize = 128;

/// How many batches of answer lines are buffered for the client.
const ANSWERS_WAITING: usize = 2;

/// Records a stream of lines, and answers with a line for each as they are committed. If the client
/// does not read the answers, the service stops reading, so that neither side fills its memory.
pub(super) async fn stream(app: SharedApp, of: StreamOf, body: Body) -> Answer {
    let (lines, mut answers) = mpsc::channel::<Result<Bytes, Failure>>(ANSWERS_WAITING);
    let format = format_of(&of.query, None)?;
    let request_id = of.request_id.clone();
    let work = Lines { app, of, format, lines };
    tokio::spawn(work.run(body));
    // An error before the first verdict, such as an unknown simulation, is the whole answer.
    let first = match answers.recv().await {
        Some(Ok(line)) => line,
        Some(Err(failure)) => return Err(failure),
        None => Bytes::new(),
    };
    let rest = futures_util::stream::unfold(answers, move |mut answers| {
        let request_id = request_id.clone();
        async move {
            let line = match answers.recv().await? {
                Ok(line) => line,
                // The status is already sent: the error is the last line.
                Err(failure) => problem_line(failure, request_id),
            };
            Some((Ok::<_, std::convert::Infallible>(line), answers))
        }
    });
    let all = futures_util::stream::once(async { Ok(first) }).chain(rest);
    let mut response = Response::new(Body::from_stream(all));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response.extensions_mut().insert(CompressionOptOut);
    Ok(response)
}

fn problem_line(failure: Failure, request_id: Option<RequestId>) -> Bytes {
    let Failure { mut problem, cause } = failure;
    let request_id = request_id.map(|id| id.0.to_string());
    let status = problem.status;
    let (reason, hint) = cause.map(|cause| (cause.reason, cause.hint)).unzip();
    tracing::warn!(target: "arc_host::requests", request_id, status, cause = reason, hint = hint.flatten(), "a stream ended early");
    problem.request_id = request_id;
    let mut line =
        serde_json::to_vec(&serde_json::json!({ "problem": problem })).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// The parameters of a stream, known before it is read.
pub(super) struct StreamOf {
    pub(super) simulation_id: Uuid,
    pub(super) query: RecordQuery,
    pub(super) request_id: Option<RequestId>,
    /// Held as long as the stream is read.
    pub(super) _place: ConcurrencyPermit,
    pub(super) authorization: StreamAuthorization,
}

/// The recording of one stream.
struct Lines {
    app: SharedApp,
    of: StreamOf,
    format: Option<Arc<ResultFormat>>,
    lines: mpsc::Sender<Result<Bytes, Failure>>,
}

impl Lines {
    async fn run(mut self, body: Body) {
        let mut under_way = FuturesOrdered::new();
        let mut reader = Reader::new(&self.app, body);
        let app = SharedApp::clone(&self.app);
        let mut answered = 0_u64;
        loop {
            if under_way.is_empty() {
                reader.take_what_is_there().await;
            }
            let room = if reader.ended() { Ok(()) } else { reader.make_room() };
            // Results that arrive while others are stored share the next transaction.
            let due = reader.full() || reader.ended() || under_way.is_empty() || room.is_err();
            if due && !reader.is_empty() && under_way.len() < BATCHES_UNDER_WAY {
                match self.of.authorization.check() {
                    Ok(()) => under_way.push_back(self.record(reader.take())),
                    Err(failure) => reader.abandon(failure),
                }
                continue;
            }
            let reading = !reader.ended() && !reader.full() && room.is_ok();
            // Its own batches release memory; a stream with none in progress must not wait for others.
            if let Err(failure) = room
                && under_way.is_empty()
            {
                reader.stop(failure);
            }
            if reader.ended() && under_way.is_empty() && reader.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = self.lines.closed() => return,
                Some(recorded) = under_way.next() => {
                    let (mut verdicts, room) = match recorded {
                        Ok(recorded) => recorded,
                        Err(failure) => {
                            let _ = self.lines.send(Err(failure)).await;
                            return;
                        }
                    };
                    self.app.metrics.count(&verdicts);
                    keep_causes(&mut verdicts, self.of.request_id.as_ref());
                    let lines = verdict_lines(&mut answered, verdicts, room, app.most_reasons_bytes());
                    if self.lines.send(Ok(lines)).await.is_err() {
                        // The client has disconnected; batches in progress are stored, without an
                        // answer.
                        return;
                    }
                }
                () = app.stopped(), if !reader.ended() => {
                    let stopping = Failure::new(ProblemCode::ShuttingDown, "the service is stopping");
                    reader.stop(stopping.hint("send the results without a verdict again"));
                }
                failure = self.of.authorization.ended(), if !reader.ended() => reader.abandon(failure),
                () = reader.read(), if reading => {}
            }
        }
        // The verdicts on results before an error are already sent.
        if let Some(failure) = reader.into_failure() {
            let _ = self.lines.send(Err(failure)).await;
        }
    }

    /// Records a batch in its own task, so that it continues while the stream is read.
    fn record(
        &self,
        (mut batch, room): (Vec<Submission>, MemoryPermit),
    ) -> impl Future<Output = Result<(Vec<ItemVerdict>, MemoryPermit), Failure>> + use<> {
        batch
            .iter_mut()
            .for_each(|submission| fill(submission, &self.of.query, self.format.as_ref()));
        let (app, simulation_id) = (SharedApp::clone(&self.app), self.of.simulation_id);
        let recording =
            tokio::spawn(
                async move { (app.delivery.record_batch(simulation_id, batch).await, room) },
            );
        async move {
            match recording.await {
                Ok((verdicts, room)) => Ok((verdicts?, room)),
                Err(_) => Err(no_verdict()),
            }
        }
    }
}

/// The lines use the memory of the results, and as much again for their violations and warnings as is
/// available, up to `most_reasons` bytes. Violations without memory are left out and counted, because a
/// client can be slow to read them.
fn verdict_lines(
    answered: &mut u64,
    verdicts: Vec<ItemVerdict>,
    mut room: MemoryPermit,
    most_reasons: usize,
) -> Bytes {
    let mut lines = Vec::with_capacity(verdicts.len() * VERDICT_BYTES);
    let mut left_bytes = room.bytes().saturating_sub(verdicts.len() * VERDICT_BYTES);
    let bodies: Vec<ResultVerdict> = verdicts
        .into_iter()
        .map(|item| {
            let position = *answered;
            *answered += 1;
            ResultVerdict::new(position, item)
        })
        .collect();
    let wanted: usize = bodies.iter().map(ResultVerdict::reasons_bytes).sum();
    let more = wanted.min(most_reasons).saturating_sub(left_bytes);
    if more > 0 && room.grow(room.bytes() + more).is_ok() {
        left_bytes += more;
    }
    for mut body in bodies {
        body.fit(&mut left_bytes);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut lines, &body);
        lines.push(b'\n');
    }
    with_room(lines, room)
}
