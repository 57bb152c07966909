//! Recording results: one, many, or a stream of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_framing::{Container, Framer, FramingError, Limits};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use uuid::Uuid;

use super::answer::{self, Answer, Failed, Failure};
use super::app::{App, SharedApp};
use super::body::{self, TURN_BYTES};
use super::guard::{self, Caller, Standing};
use super::observe::RequestId;
use super::parameters::{BodyType, Parameters, RecordQuery, SimulationId, body_type};
use super::reader::Reader;
use super::room::{Held, RESULT_BYTES};
use crate::recorder::{Document, ItemVerdict, ResultFormat, Submission, Verdict};
use crate::wire::{
    BatchVerdicts, DOCUMENT_BYTES, ItemBody, NDJSON, Problem, ProblemCode, Reason, ResultVerdict,
    ResultsDocument,
};

/// How many batches of a stream are on their way at once: one is stored while the next is extracted.
const BATCHES_UNDER_WAY: usize = 3;

/// How many lines of answers wait for the client to read them, in batches.
const ANSWERS_WAITING: usize = 2;

/// How many reasons for which results of a batch have failed are logged.
const LOGGED_CAUSES: usize = 5;

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
    let request_id = parts.extensions.get::<RequestId>().cloned();
    if kind == BodyType::Lines {
        let place = guard::stream_place(&app)?;
        let standing = Standing::of(&app, parts.extensions.get::<Caller>());
        let of = StreamOf { simulation_id, query, request_id, _place: place, standing };
        return stream(app, of, body).await;
    }
    let (bytes, mut room) = body::whole(&app, body, app.body_limit()).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let sent = match kind {
        BodyType::OneDocument => one_document(&app, &parts.headers, bytes),
        _ => {
            let answer = async {
                let most = app.settings.batch_items;
                let sent = documents(&bytes, limits(&app), most, &mut room).await?;
                record(&app, simulation_id, &query, sent, request_id.as_ref()).await
            };
            return app.keys.once(&parts.headers, &path, &bytes, Box::pin(answer)).await;
        }
    };
    let answer = Box::pin(record(&app, simulation_id, &query, sent, request_id.as_ref())).await;
    drop(room);
    answer
}

/// What a body holds.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) submissions: Vec<Submission>,
    /// Whether it is one result, and not a list with one.
    pub(super) single: bool,
    /// What is said once for all results.
    pub(super) header: Option<String>,
}

async fn record(
    app: &App,
    simulation_id: Uuid,
    query: &RecordQuery,
    sent: Sent,
    request_id: Option<&RequestId>,
) -> Answer {
    let Sent { mut submissions, single, header } = sent;
    let format = format_of(query, header)?;
    submissions.iter_mut().for_each(|submission| fill(submission, query, format.as_ref()));
    let mut verdicts = app.delivery.record_batch(simulation_id, submissions).await?;
    app.metrics.count(&verdicts);
    if single && let [_] = verdicts.as_slice() {
        let Some(item) = verdicts.into_iter().next() else { return Err(no_verdict()) };
        return one_answer(item);
    }
    keep_causes(&mut verdicts, request_id);
    let mut all = BatchVerdicts::default();
    verdicts.into_iter().for_each(|item| all.add(item));
    let mut response = answer::json(StatusCode::OK, &all);
    if all.failed > 0 {
        response.extensions_mut().insert(Failed);
    }
    Ok(response)
}

/// Keeps in the log why results have failed, and says of it what a caller may know.
fn keep_causes(verdicts: &mut [ItemVerdict], request_id: Option<&RequestId>) {
    let mut causes = BTreeSet::new();
    let mut failed = 0_u64;
    for item in verdicts {
        let Verdict::Failed { retryable, message } = &mut item.verdict else { continue };
        failed += 1;
        let cause = std::mem::take(message);
        *message = Problem::from(failure(*retryable, cause.clone())).detail;
        if causes.len() < LOGGED_CAUSES {
            causes.insert(cause);
        }
    }
    let request_id = request_id.map(|id| &*id.0);
    for cause in causes {
        tracing::warn!(target: "arc_host::requests", request_id, failed, cause, "results failed");
    }
}

/// The error of a result that has failed.
fn failure(retryable: bool, message: String) -> crate::Error {
    if retryable { crate::Error::Unavailable(message) } else { crate::Error::Refused(message) }
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
        Verdict::Failed { retryable, message } => Err(failure(retryable, message).into()),
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

/// The documents of a JSON body, as the framing finds them: a part at a time, so that others have
/// their turn, and a body with more than `most` is refused before they take room.
///
/// # Errors
/// Where there are too many, or no room for them, or what stands beside them is wrong.
pub(super) async fn documents(
    bytes: &[u8],
    limits: Limits,
    most: u64,
    room: &mut Held,
) -> Result<Sent, Failure> {
    let mut framer = Framer::new(Container::Auto, limits);
    let mut submissions = Vec::new();
    let mut held_bytes = bytes.len();
    for part in bytes.chunks(TURN_BYTES) {
        framer.push(part).map_err(unreadable)?;
        take_frames(most, &mut framer, &mut submissions, &mut held_bytes)?;
        room.grow(held_bytes)?;
        if part.len() == TURN_BYTES {
            tokio::task::yield_now().await;
        }
    }
    framer.finish().map_err(unreadable)?;
    take_frames(most, &mut framer, &mut submissions, &mut held_bytes)?;
    room.grow(held_bytes)?;
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

/// Takes the documents that are there.
///
/// # Errors
/// Where there are more than a body may have.
fn take_frames(
    limit: u64,
    framer: &mut Framer,
    submissions: &mut Vec<Submission>,
    held_bytes: &mut usize,
) -> Result<(), Failure> {
    while let Some(frame) = framer.next_frame() {
        let position = submissions.len() as u64;
        if position >= limit {
            return Err(Problem::new(
                ProblemCode::TooManyItems,
                format!(
                    "the body holds more than {limit} results; send fewer at once, or stream them \
                     as application/x-ndjson"
                ),
            )
            .limit(limit)
            .into());
        }
        let submission = Submission::from_frame(frame, position);
        *held_bytes += submission.document_bytes() + RESULT_BYTES;
        submissions.push(submission);
    }
    Ok(())
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

pub(super) fn limits(app: &App) -> Limits {
    Limits { max_document_bytes: app.recorder.extractor().limits().document_bytes }
}

pub(super) fn unreadable(error: FramingError) -> Failure {
    Failure::new(ProblemCode::InvalidRequest, format!("the body does not do: {error}"))
}

/// Records a stream of lines, and answers with a line for each as they are committed. What the
/// client does not read keeps the service from reading on, so that neither side fills its memory.
async fn stream(app: SharedApp, of: StreamOf, body: Body) -> Answer {
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
                // The status has gone out: the error is the last line.
                Err(failure) => problem_line(failure, request_id),
            };
            Some((Ok::<_, std::convert::Infallible>(line), answers))
        }
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

fn problem_line(failure: Failure, request_id: Option<RequestId>) -> Bytes {
    let Failure { mut problem, cause } = failure;
    let request_id = request_id.map(|id| id.0.to_string());
    let status = problem.status;
    tracing::warn!(target: "arc_host::requests", request_id, status, cause, "a stream ended early");
    problem.request_id = request_id;
    let mut line =
        serde_json::to_vec(&serde_json::json!({ "problem": problem })).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// What is known of a stream before it is read.
struct StreamOf {
    simulation_id: Uuid,
    query: RecordQuery,
    request_id: Option<RequestId>,
    /// Kept for as long as anything is read.
    _place: OwnedSemaphorePermit,
    standing: Standing,
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
        let mut stopping = self.app.stopping.subscribe();
        let mut answered = 0_u64;
        loop {
            if under_way.is_empty() {
                reader.take_what_is_there().await;
            }
            let room = if reader.ended() { Ok(()) } else { reader.make_room() };
            // What comes while others are stored waits for them, and shares a transaction.
            let due = reader.full() || reader.ended() || under_way.is_empty() || room.is_err();
            if due && !reader.is_empty() && under_way.len() < BATCHES_UNDER_WAY {
                match self.of.standing.check() {
                    Ok(()) => under_way.push_back(self.record(reader.take())),
                    Err(failure) => reader.abandon(failure),
                }
                continue;
            }
            let reading = !reader.ended() && !reader.full() && room.is_ok();
            // Its own batches give room back; who has none under way must not wait for others.
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
                    let mut verdicts: Vec<ItemVerdict> = match recorded {
                        Ok(verdicts) => verdicts,
                        Err(failure) => {
                            let _ = self.lines.send(Err(failure)).await;
                            return;
                        }
                    };
                    self.app.metrics.count(&verdicts);
                    keep_causes(&mut verdicts, self.of.request_id.as_ref());
                    let lines = verdict_lines(&mut answered, verdicts);
                    if self.lines.send(Ok(lines)).await.is_err() {
                        // The client has gone; what is under way is stored, and nobody asks.
                        return;
                    }
                }
                () = stopped(&mut stopping), if !reader.ended() => {
                    reader.stop(Failure::new(
                        ProblemCode::ShuttingDown,
                        "the service is stopping; send what has no verdict yet again",
                    ));
                }
                failure = self.of.standing.ended(), if !reader.ended() => reader.abandon(failure),
                () = reader.read(), if reading => {}
            }
        }
        // What came before an error has had its verdicts.
        if let Some(failure) = reader.into_failure() {
            let _ = self.lines.send(Err(failure)).await;
        }
    }

    /// Records a batch, in a task of its own, so that it goes on while the stream is read.
    fn record(
        &self,
        (mut batch, room): (Vec<Submission>, Held),
    ) -> impl Future<Output = Result<Vec<ItemVerdict>, Failure>> + use<> {
        batch
            .iter_mut()
            .for_each(|submission| fill(submission, &self.of.query, self.format.as_ref()));
        let (app, simulation_id) = (SharedApp::clone(&self.app), self.of.simulation_id);
        let recording = tokio::spawn(async move {
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

/// Waits until the service stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Whoever could say so lives as long as the service.
    let _ = stopping.wait_for(|stopping| *stopping).await;
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
