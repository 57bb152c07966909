//! Recording results: one, many, or a stream of them.

use std::sync::Arc;

use arc_framing::{Container, Framer, FramingError, Limits};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::body::{self, Chunks};
use super::parameters::{BodyType, Parameters, RecordQuery, SimulationId, body_type};
use crate::recorder::{Document, ItemVerdict, ResultFormat, Submission, Verdict};
use crate::wire::{
    BatchVerdicts, DOCUMENT_BYTES, ItemBody, NDJSON, Problem, ProblemCode, Reason, ResultVerdict,
    ResultsDocument,
};

/// How many results of a stream go to the recorder at once, as many as a transaction takes.
const BATCH_DOCUMENTS: usize = 1_000;

/// How many bytes of them.
const BATCH_BYTES: usize = 4 << 20;

/// How many batches of a stream are on their way at once: one is stored while the next is extracted.
const BATCHES_UNDER_WAY: usize = 3;

/// How many lines of answers wait for the client to read them, in batches.
const ANSWERS_WAITING: usize = 2;

/// Record results: a verdict for each, in order, after the commit.
///
/// A body of `application/json` is one result, an array of them, or an object with `results` (and
/// `modal_call_ids`, `sandbox_ids`, `trials` beside it). One of `application/x-ndjson` is a stream
/// with a result a line, and so is its answer, with a verdict a line as they are committed. One of
/// `application/octet-stream` is a single result that is never looked into for others. A retry is
/// always safe: what is stored is a `duplicate`.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/outcomes", tag = "recording",
    operation_id = "record_outcomes",
    params(
        ("simulation_id" = Uuid, Path, description = "The simulation's id"),
        RecordQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer; for bodies of application/json", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body(content(
        (ResultsDocument = "application/json"),
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/octet-stream"),
    ), description = "The results"),
    responses(
        (status = 200, description = "The verdict on one result, the verdicts on many, or a line each", content(
            (BatchVerdicts = "application/json"),
            (ResultVerdict = "application/x-ndjson"),
        )),
        (status = 202, description = "One result that is in the service's spool", body = ResultVerdict),
        (status = 422, description = "One result that is not valid; it is kept with the reasons", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn record_outcomes(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<RecordQuery>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let kind = body_type(&parts.headers)?;
    if kind == BodyType::Lines {
        return stream(app, simulation_id, query, body).await;
    }
    let (bytes, room) = body::whole(&app, body, app.body_limit()).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let sent = match kind {
        BodyType::OneDocument => one_document(&app, &parts.headers, bytes),
        _ => {
            let answer = async {
                let sent = documents(&app, &bytes)?;
                record(&app, simulation_id, &query, sent).await
            };
            return app.keys.once(&parts.headers, &path, &bytes, Box::pin(answer)).await;
        }
    };
    let answer = Box::pin(record(&app, simulation_id, &query, sent)).await;
    drop(room);
    answer
}

/// What a body holds.
struct Sent {
    submissions: Vec<Submission>,
    /// Whether it is one result, and not a list with one.
    single: bool,
    /// What is said once for all results.
    header: Option<String>,
}

async fn record(app: &App, simulation_id: Uuid, query: &RecordQuery, sent: Sent) -> Answer {
    let Sent { mut submissions, single, header } = sent;
    let format = format_of(query, header)?;
    submissions.iter_mut().for_each(|submission| fill(submission, query, format.as_ref()));
    let verdicts = app.delivery.record_batch(simulation_id, submissions).await?;
    app.metrics.count(&verdicts);
    if single && let [_] = verdicts.as_slice() {
        let Some(item) = verdicts.into_iter().next() else { return Err(no_verdict()) };
        return one_answer(item);
    }
    let mut all = BatchVerdicts::default();
    verdicts.into_iter().for_each(|item| all.add(item));
    Ok(answer::json(StatusCode::OK, &all))
}

/// A single result has the status that says what became of it.
fn one_answer(item: ItemVerdict) -> Answer {
    match item.verdict {
        Verdict::Stored | Verdict::Duplicate => {
            Ok(answer::done(false, &ResultVerdict::new(0, item)))
        }
        Verdict::Spooled => Ok(answer::done(true, &ResultVerdict::new(0, item))),
        Verdict::Rejected(violations) => {
            let mut problem = Problem::new(
                ProblemCode::Rejected,
                format!(
                    "the result is not valid, and is kept as rejected under {}; `violations` says \
                     where and how",
                    item.outcome_id
                ),
            );
            problem.violations = violations.into_iter().map(Reason::from).collect();
            problem.outcome_id = Some(item.outcome_id);
            Err(problem.into())
        }
        Verdict::Failed { retryable, message } => {
            let error = if retryable {
                crate::Error::Unavailable(message)
            } else {
                crate::Error::Refused(message)
            };
            Err(error.into())
        }
    }
}

fn no_verdict() -> Failure {
    Failure::new(ProblemCode::Internal, "the result has got no verdict; send it again")
}

/// The format that the request names.
fn format_of(
    query: &RecordQuery,
    header: Option<String>,
) -> Result<Option<Arc<ResultFormat>>, Failure> {
    match (&query.format, header) {
        (Some(name), header) => Ok(Some(Arc::new(ResultFormat::new(name, header)))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body has a header, which the built-in format has not; name the results' format in \
             the query (?format=NAME)",
        )),
    }
}

/// What the request says of all results, where they do not say it themselves.
fn fill(submission: &mut Submission, query: &RecordQuery, format: Option<&Arc<ResultFormat>>) {
    submission.format = format.cloned();
    let set = |own: &mut Option<String>, given: &Option<String>| {
        if own.is_none() {
            own.clone_from(given);
        }
    };
    submission.trial = submission.trial.or(query.trial);
    set(&mut submission.modal_call_id, &query.modal_call_id);
    set(&mut submission.sandbox_id, &query.sandbox_id);
}

/// The documents of a JSON body, as the framing finds them.
fn documents(app: &App, bytes: &[u8]) -> Result<Sent, Failure> {
    let mut framer = Framer::new(Container::Auto, limits(app));
    framer.push(bytes).and_then(|()| framer.finish()).map_err(unreadable)?;
    let mut submissions = Vec::new();
    while let Some(frame) = framer.next_frame() {
        let position = submissions.len() as u64;
        if position >= app.settings.batch_items {
            return Err(Problem::new(
                ProblemCode::TooManyItems,
                format!(
                    "the body holds more than {} results; send fewer at once, or stream them as \
                     application/x-ndjson",
                    app.settings.batch_items
                ),
            )
            .limit(app.settings.batch_items)
            .into());
        }
        submissions.push(Submission::from_frame(frame, position));
    }
    let envelope = framer.envelope().map(|envelope| envelope.text().to_owned());
    let header = match &envelope {
        Some(envelope) => apply_envelope(&mut submissions, envelope)?,
        None => None,
    };
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_none() {
        return Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body is empty; it must hold one result, an array, or an object with `results`",
        ));
    }
    let single = submissions.len() == 1 && envelope.is_none() && first != Some(&b'[');
    Ok(Sent { submissions, single, header })
}

/// What stands beside `results`; gives the header of all of them.
fn apply_envelope(
    submissions: &mut [Submission],
    envelope: &str,
) -> Result<Option<String>, Failure> {
    let wrong = |detail: String| Failure::new(ProblemCode::InvalidRequest, detail);
    let beside: ItemBody = serde_json::from_str(envelope)
        .map_err(|error| wrong(format!("what stands beside `results` does not do: {error}")))?;
    let count = submissions.len();
    let lengths = [
        ("modal_call_ids", beside.modal_call_ids.as_ref().map(Vec::len)),
        ("sandbox_ids", beside.sandbox_ids.as_ref().map(Vec::len)),
        ("trials", beside.trials.as_ref().map(Vec::len)),
        ("not_finite", beside.not_finite.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if let Some(length) = length.filter(|length| *length != count) {
            return Err(wrong(format!(
                "{name} has {length} members for {count} results; it must have one for each"
            )));
        }
    }
    let ItemBody { modal_call_ids, sandbox_ids, trials, not_finite, header } = beside;
    let mut modal_call_ids = modal_call_ids.unwrap_or_default().into_iter();
    let mut sandbox_ids = sandbox_ids.unwrap_or_default().into_iter();
    let mut trials = trials.unwrap_or_default().into_iter();
    let mut not_finite = not_finite.unwrap_or_default().into_iter();
    for (position, submission) in submissions.iter_mut().enumerate() {
        submission.modal_call_id = modal_call_ids.next().flatten();
        submission.sandbox_id = sandbox_ids.next().flatten();
        submission.trial = trials.next().flatten();
        let (Some(places), Document::Text(text)) = (not_finite.next(), &submission.document) else {
            continue;
        };
        let found: Option<Vec<_>> = places.iter().map(|place| place.place(text)).collect();
        let Some(found) = found else {
            return Err(wrong(format!(
                "not_finite of result {position} names a place that holds no `null`, or a word \
                 other than NaN, Infinity and -Infinity"
            )));
        };
        if !found.is_sorted_by(|one, next| one.offset < next.offset) {
            return Err(wrong(format!("not_finite of result {position} is not in order")));
        }
        submission.not_finite = found;
    }
    // What is no JSON comes as a string.
    Ok(header.map(|header| match serde_json::from_str::<String>(header.get()) {
        Ok(text) => text,
        Err(_) => header.get().to_owned(),
    }))
}

/// A result that is the whole body, whatever it is.
fn one_document(app: &App, headers: &HeaderMap, bytes: Vec<u8>) -> Sent {
    let limit = limits(app).max_document_bytes;
    let whole = headers.get(DOCUMENT_BYTES).and_then(|value| value.to_str().ok());
    let whole = whole.and_then(|value| value.parse::<u64>().ok());
    let mut submission = Submission::from_bytes(bytes, limit);
    if let Some(whole) = whole {
        submission.part_of(whole, limit);
    }
    Sent { submissions: vec![submission], single: true, header: None }
}

fn limits(app: &App) -> Limits {
    Limits { max_document_bytes: app.recorder.extractor().limits().document_bytes }
}

fn unreadable(error: FramingError) -> Failure {
    Failure::new(ProblemCode::InvalidRequest, format!("the body does not do: {error}"))
}

/// Records a stream of lines, and answers with a line for each as they are committed. What the
/// client does not read keeps the service from reading on, so that neither side fills its memory.
async fn stream(app: SharedApp, simulation_id: Uuid, query: RecordQuery, body: Body) -> Answer {
    let (lines, mut answers) = mpsc::channel::<Result<Bytes, Failure>>(ANSWERS_WAITING);
    let format = format_of(&query, None)?;
    let work = Lines { app, simulation_id, query, format, lines };
    tokio::spawn(work.run(body));
    // An error before the first verdict, such as an unknown simulation, is the whole answer.
    let first = match answers.recv().await {
        Some(Ok(line)) => line,
        Some(Err(failure)) => return Err(failure),
        None => Bytes::new(),
    };
    let rest = futures_util::stream::unfold(answers, |mut answers| async {
        let line = match answers.recv().await? {
            Ok(line) => line,
            // The status has gone out: the error is the last line.
            Err(failure) => problem_line(&failure.problem),
        };
        Some((Ok::<_, std::convert::Infallible>(line), answers))
    });
    let all = futures_util::stream::once(async { Ok(first) }).chain(rest);
    let mut response = Response::new(Body::from_stream(all));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response.extensions_mut().insert(Uncompressed);
    Ok(response)
}

/// An answer that must not wait in a compressor, because the client may wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uncompressed;

fn problem_line(problem: &Problem) -> Bytes {
    let mut line =
        serde_json::to_vec(&serde_json::json!({ "problem": problem })).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// The recording of one stream.
struct Lines {
    app: SharedApp,
    simulation_id: Uuid,
    query: RecordQuery,
    format: Option<Arc<ResultFormat>>,
    lines: mpsc::Sender<Result<Bytes, Failure>>,
}

impl Lines {
    async fn run(self, body: Body) {
        let mut under_way = FuturesOrdered::new();
        let mut reader = Reader {
            chunks: Chunks::new(body, self.app.body_stall()),
            framer: Framer::new(Container::Lines, limits(&self.app)),
            position: 0,
            batch: Vec::new(),
            bytes: 0,
            ended: false,
            failure: None,
        };
        let mut answered = 0_u64;
        loop {
            if under_way.is_empty() {
                reader.take_what_is_there();
            }
            // What comes while others are stored waits for them, and shares a transaction.
            let due = reader.full() || reader.ended || under_way.is_empty();
            if due && !reader.batch.is_empty() && under_way.len() < BATCHES_UNDER_WAY {
                under_way.push_back(self.record(reader.take()));
                continue;
            }
            let reading = !reader.ended && !reader.full();
            if reader.ended && under_way.is_empty() && reader.batch.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some(recorded) = under_way.next() => {
                    let verdicts: Vec<ItemVerdict> = match recorded {
                        Ok(verdicts) => verdicts,
                        Err(failure) => {
                            let _ = self.lines.send(Err(failure)).await;
                            return;
                        }
                    };
                    self.app.metrics.count(&verdicts);
                    let lines = verdict_lines(&mut answered, verdicts);
                    if self.lines.send(Ok(lines)).await.is_err() {
                        // The client has gone; what is under way is stored, and nobody asks.
                        return;
                    }
                }
                () = reader.read(), if reading => {}
            }
        }
        // What came before an error has had its verdicts.
        if let Some(failure) = reader.failure {
            let _ = self.lines.send(Err(failure)).await;
        }
    }

    /// Records a batch, in a task of its own, so that it goes on while the stream is read.
    fn record(
        &self,
        mut batch: Vec<Submission>,
    ) -> impl Future<Output = Result<Vec<ItemVerdict>, Failure>> + use<> {
        batch.iter_mut().for_each(|submission| fill(submission, &self.query, self.format.as_ref()));
        let bytes: usize = batch.iter().map(Submission::document_bytes).sum();
        let (app, simulation_id) = (SharedApp::clone(&self.app), self.simulation_id);
        let recording = tokio::spawn(async move {
            let room = app.room.wait_for(bytes).await;
            let verdicts = app.delivery.record_batch(simulation_id, batch).await;
            drop(room);
            verdicts
        });
        async move {
            match recording.await {
                Ok(verdicts) => verdicts.map_err(Failure::from),
                Err(_) => Err(no_verdict()),
            }
        }
    }
}

fn verdict_lines(answered: &mut u64, verdicts: Vec<ItemVerdict>) -> Bytes {
    let mut lines = Vec::with_capacity(verdicts.len() * 96);
    for item in verdicts {
        let body = ResultVerdict::new(*answered, item);
        *answered += 1;
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut lines, &body);
        lines.push(b'\n');
    }
    lines.into()
}

/// Reads batches of results out of a stream.
struct Reader {
    chunks: Chunks,
    framer: Framer,
    position: u64,
    batch: Vec<Submission>,
    /// How many bytes of documents the batch has.
    bytes: usize,
    /// Nothing more will come.
    ended: bool,
    /// Why it has ended early.
    failure: Option<Failure>,
}

impl Reader {
    /// Whether the batch has as much as a transaction takes.
    fn full(&self) -> bool {
        self.batch.len() >= BATCH_DOCUMENTS || self.bytes >= BATCH_BYTES
    }

    /// Reads what has come by now. A client that waits for its verdicts before it sends more must
    /// get them.
    fn take_what_is_there(&mut self) {
        while !self.ended && !self.full() {
            if futures_util::FutureExt::now_or_never(self.read()).is_none() {
                return;
            }
        }
    }

    /// The batch; the next one begins with what has come already.
    fn take(&mut self) -> Vec<Submission> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.collect();
        batch
    }

    /// Reads on: a part of the body, or the end.
    async fn read(&mut self) {
        let framed = match self.chunks.next().await {
            Ok(Some(chunk)) => self.framer.push(&chunk).map_err(unreadable),
            Ok(None) => {
                self.ended = true;
                self.framer.finish().map_err(unreadable)
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = framed {
            self.ended = true;
            self.failure = Some(failure);
        }
        self.collect();
    }

    /// Takes the documents that are there, as many as the batch has room for.
    fn collect(&mut self) {
        while !self.full() {
            let Some(frame) = self.framer.next_frame() else { break };
            let submission = Submission::from_frame(frame, self.position);
            self.position += 1;
            self.bytes += submission.document_bytes();
            self.batch.push(submission);
        }
    }
}
