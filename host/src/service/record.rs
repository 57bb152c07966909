//! Recording results: one, several, or a stream of them (see [`super::stream`]).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use uuid::Uuid;

use super::answer::{self, Answer, Cause, Failure, ResultFailures};
use super::app::{App, SharedApp};
use super::body::{self, Chunks};
use super::guard::{Caller, StreamAuthorization};
use super::idempotency::Keys;
use super::long_answer::with_room;
use super::memory_budget::MemoryPermit;
use super::observe::RequestId;
use super::parameters::{BodyType, Parameters, RecordQuery, RecordedSimulationId, body_type};
use super::stream::{StreamOf, stream};
use super::submitted_results::{BodyLimits, SubmittedResults, documents, limits, one_document};
use crate::error::Error;
use crate::paging::{BATCH_BYTES, is_full};
use crate::recorder::{
    FailureKind, ItemVerdict, ReceivedResult, ResultFormat, Submission, Verdict, whole_failure,
};
use crate::wire::{
    BatchWriter, Problem, ProblemCode, RecordingVerdicts, ResultVerdict, ResultsDocument,
    ViolationBody,
};

/// The most reasons of failed results that are logged for a batch.
const LOGGED_CAUSES: usize = 5;

/// Record results: a verdict for each, in order, after the commit.
///
/// A body of `application/json` is one result, an array of them, or an object with `results` (and
/// `modal_call_ids`, `sandbox_ids`, `trials` beside it). One of `application/x-ndjson` is a stream
/// with a result a line, and so is its answer, with a verdict a line as they are committed. One of
/// `application/octet-stream` is a single result that is never looked into for others. A retry is
/// always safe: a result that is already stored is a `duplicate`.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/outcomes", tag = "recording",
    operation_id = "record_outcomes",
    params(
        ("simulation_id" = Uuid, Path, description = "The simulation's id"),
        RecordQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key gets the first answer; for bodies of application/json", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body(content(
        (ResultsDocument = "application/json"),
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/octet-stream"),
    ), description = "The results"),
    responses(
        (status = 200, description = "The verdict on one result, the verdicts on many, or a line each", content(
            (RecordingVerdicts = "application/json"),
            (ResultVerdict = "application/x-ndjson"),
        )),
        (status = 202, description = "One result that is in the service's spool", body = ResultVerdict),
        (status = 422, description = "One result that is not valid; it is kept with the reasons", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn record_outcomes(
    State(app): State<SharedApp>,
    RecordedSimulationId(simulation_id): RecordedSimulationId,
    Parameters(query): Parameters<RecordQuery>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let kind = body_type(&parts.headers)?;
    let request_id = parts.extensions.get::<RequestId>().cloned();
    if kind == BodyType::Lines {
        let caller = parts.extensions.get::<Caller>();
        let place = app.limits.record_streams.acquire(caller)?;
        let authorization = StreamAuthorization::of(&app, caller);
        let of = StreamOf { simulation_id, query, request_id, _place: place, authorization };
        return stream(app, of, body).await;
    }
    let of = Recording { app: &app, simulation_id, query: &query, request_id: request_id.as_ref() };
    if kind == BodyType::OneDocument {
        let (bytes, room) = body::whole(&app, body, app.body_limit()).await?;
        return of.record(one_document(&app, &parts.headers, bytes)?, room).await;
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let mut asked = Keys::begin(&parts.headers, path)?;
    let mut room = app.room.empty_permit();
    let chunks = Chunks::new(body, app.body_stall());
    let most = BodyLimits { bytes: app.body_limit(), results: app.settings.max_results_per_body };
    let sent = documents(chunks, limits(&app), most, &mut room, &mut asked).await?;
    app.keys.once(asked, Box::pin(of.record(sent, room))).await
}

/// Parameters of all results of a request.
struct Recording<'r> {
    app: &'r App,
    simulation_id: Uuid,
    query: &'r RecordQuery,
    request_id: Option<&'r RequestId>,
}

impl Recording<'_> {
    /// Records results in batches, because extraction needs many times their own memory.
    async fn record(self, sent: SubmittedResults, mut room: MemoryPermit) -> Answer {
        let Recording { app, simulation_id, query, request_id } = self;
        let SubmittedResults { submissions, single, header } = sent;
        let format = format_of(query, header)?;
        let mut batches = Batches::of(submissions);
        // A batch is copied once while it is processed.
        let held_bytes = room.bytes() + batches.largest_bytes();
        room.grow(held_bytes)?;
        let mut writer = BatchWriter::new();
        let most_reasons = app.most_reasons_bytes();
        let mut left_bytes = most_reasons;
        let mut parts = Parts::default();
        loop {
            let mut batch = batches.take();
            batch.iter_mut().for_each(|submission| fill(submission, query, format.as_ref()));
            let recorded = |batch| app.delivery.record_received(simulation_id, batch);
            let batch = app.delivery.accept(simulation_id, batch);
            let mut verdicts = parts.record(batch, recorded).await?;
            app.metrics.count(&verdicts);
            if single {
                return verdicts.pop().map_or_else(|| Err(no_verdict()), one_answer);
            }
            keep_causes(&mut verdicts, request_id);
            verdicts.into_iter().for_each(|item| writer.add(item, &mut left_bytes));
            // If memory is short, the reasons are left out rather than the verdicts.
            if room.grow(held_bytes + (most_reasons - left_bytes)).is_err() {
                left_bytes = 0;
            }
            if batches.0.is_empty() {
                break;
            }
        }
        let (text, failed) = writer.finish();
        let mut response = answer::json_text(StatusCode::OK, with_room(text, room));
        if failed > 0 {
            response.extensions_mut().insert(ResultFailures);
        }
        Ok(response)
    }
}

/// The parts of a request, one after the other. A result keeps its verdict even if later parts fail;
/// and if a part fails as a whole, the later parts are not tried: the caller would wait for each of
/// them, longer than a request's time limit.
#[derive(Default)]
struct Parts {
    /// Whether any results have verdicts.
    begun: bool,
    /// The verdict on all further results.
    rest: Option<Verdict>,
}

impl Parts {
    /// Records the next part.
    ///
    /// # Errors
    /// If no result of the request has a verdict yet.
    async fn record<F>(
        &mut self,
        batch: Vec<ReceivedResult>,
        recorded: impl FnOnce(Vec<ReceivedResult>) -> F,
    ) -> Result<Vec<ItemVerdict>, Error>
    where
        F: Future<Output = Result<Vec<ItemVerdict>, Error>>,
    {
        let ids = batch.iter().map(|received| received.outcome_id).collect();
        if let Some(verdict) = &self.rest {
            return Ok(all_with(verdict, ids));
        }
        match recorded(batch).await {
            Ok(verdicts) => {
                self.begun = true;
                self.rest = whole_failure(&verdicts).cloned();
                Ok(verdicts)
            }
            Err(error) if !self.begun => Err(error),
            Err(error) => {
                let verdict = self.rest.insert(Verdict::failed(&error));
                Ok(all_with(verdict, ids))
            }
        }
    }
}

/// Returns the same verdict for each result.
fn all_with(verdict: &Verdict, ids: Vec<Uuid>) -> Vec<ItemVerdict> {
    let one =
        |outcome_id| ItemVerdict { outcome_id, verdict: verdict.clone(), warnings: Vec::new() };
    ids.into_iter().map(one).collect()
}

/// Results in batches of the same size as those of a stream.
struct Batches(VecDeque<Submission>);

impl Batches {
    fn of(submissions: Vec<Submission>) -> Self {
        Batches(submissions.into())
    }

    /// The most bytes of a batch's documents.
    fn largest_bytes(&self) -> usize {
        let bytes = || self.0.iter().map(Submission::document_bytes);
        bytes().sum::<usize>().min(BATCH_BYTES + bytes().max().unwrap_or(0))
    }

    /// Returns the next batch.
    fn take(&mut self) -> Vec<Submission> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while !is_full(batch.len(), bytes) {
            let Some(next) = self.0.pop_front() else { break };
            bytes += next.document_bytes();
            batch.push(next);
        }
        batch
    }
}

/// Logs why results have failed, and returns the client's part of it.
pub(super) fn keep_causes(verdicts: &mut [ItemVerdict], request_id: Option<&RequestId>) {
    let mut causes = BTreeSet::new();
    let mut failed = 0_u64;
    for item in verdicts {
        let Verdict::Failed { kind, message, hint } = &mut item.verdict else { continue };
        failed += 1;
        let Problem { detail, hint: advice, .. } = problem(*kind, message);
        let cause = std::mem::replace(message, detail);
        let known_hint = std::mem::replace(hint, advice);
        if causes.len() < LOGGED_CAUSES {
            causes.insert((cause, known_hint));
        }
    }
    for (cause, hint) in causes {
        log_cause(request_id, failed, &cause, hint.as_deref());
    }
}

/// Logs why this many results of a request have failed.
pub(super) fn log_cause(
    request_id: Option<&RequestId>,
    failed: u64,
    cause: &str,
    hint: Option<&str>,
) {
    let request_id = request_id.map(|id| &*id.0);
    tracing::warn!(target: "arc_host::requests", request_id, failed, cause, hint, "results failed");
}

/// Returns the cause of a failed result, as far as the client is allowed to know it.
pub(super) fn problem(kind: FailureKind, cause: &str) -> Problem {
    match kind {
        FailureKind::Timeout => {
            Problem::new(ProblemCode::Timeout, "the extraction of this result did not end in time")
                .hint("send it again when the service is less busy")
        }
        kind => kind.into_error(cause.to_owned(), None).into(),
    }
}

/// Returns the answer to a single result, with the status of its verdict.
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
                    "the result is not valid, and is stored as rejected under {}",
                    item.outcome_id
                ),
            )
            .hint("`violations` lists the places and the reasons");
            problem.violations = violations.into_iter().map(ViolationBody::from).collect();
            problem.outcome_id = Some(item.outcome_id);
            Err(problem.into())
        }
        Verdict::Failed { kind, message, hint } => {
            let problem = Box::new(problem(kind, &message));
            Err(Failure { problem, cause: Some(Cause { reason: message, hint }) })
        }
    }
}

pub(super) fn no_verdict() -> Failure {
    Failure::new(ProblemCode::Internal, "the result has got no verdict").hint("send it again")
}

/// Returns the format that the request names.
pub(super) fn format_of(
    query: &RecordQuery,
    header: Option<String>,
) -> Result<Option<Arc<ResultFormat>>, Failure> {
    match (&query.format, header) {
        (Some(name), header) => Ok(Some(Arc::new(ResultFormat::new(name, header)))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body has a header, which the built-in format has not",
        )
        .hint("name the results' format in the query (?format=NAME)")),
    }
}

/// Sets the request's defaults in results without the value.
pub(super) fn fill(
    submission: &mut Submission,
    query: &RecordQuery,
    format: Option<&Arc<ResultFormat>>,
) {
    submission.format = format.cloned();
    let set = |own: &mut Option<String>, default: &Option<String>| {
        if own.is_none() {
            own.clone_from(default);
        }
    };
    submission.trial = submission.trial.or(query.trial);
    set(&mut submission.modal_call_id, &query.modal_call_id);
    set(&mut submission.sandbox_id, &query.sandbox_id);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SIMULATION: Uuid = Uuid::from_u128(7);

    fn part(name: &str) -> Vec<ReceivedResult> {
        let one = |number| {
            let submission = Submission::from_bytes(format!("\"{name}{number}\"").into(), 100);
            ReceivedResult::new(SIMULATION, Timestamp::UNIX_EPOCH, submission)
        };
        (0..2).map(one).collect()
    }

    fn ids(part: &[ReceivedResult]) -> Vec<Uuid> {
        part.iter().map(|received| received.submission.outcome_id(SIMULATION)).collect()
    }

    async fn all(part: Vec<ReceivedResult>, verdict: Verdict) -> Result<Vec<ItemVerdict>, Error> {
        Ok(all_with(&verdict, ids(&part)))
    }

    async fn fails(error: Error) -> Result<Vec<ItemVerdict>, Error> {
        Err(error)
    }

    fn full() -> Error {
        Error::SpoolFull { limit_bytes: 1, detail: "full".into() }
    }

    fn unavailable() -> Verdict {
        Verdict::failed(&Error::unavailable("unavailable"))
    }

    /// Returns the part's results, in order, all with this verdict.
    fn check(verdicts: &[ItemVerdict], part: &[ReceivedResult], expected: &Verdict) {
        let found: Vec<Uuid> = verdicts.iter().map(|item| item.outcome_id).collect();
        assert_eq!(found, ids(part));
        assert!(verdicts.iter().all(|item| item.verdict == *expected), "{verdicts:?}");
    }

    #[tokio::test]
    async fn verdicts_are_kept_when_a_later_part_is_refused() {
        let mut parts = Parts::default();
        let stored = parts.record(part("a"), |it| all(it, Verdict::Stored)).await.unwrap();
        check(&stored, &part("a"), &Verdict::Stored);
        let failed = parts.record(part("b"), |_| fails(full())).await.unwrap();
        let expected = Verdict::failed(&full());
        assert!(
            matches!(expected, Verdict::Failed { kind: FailureKind::Unavailable, .. }),
            "{expected:?}"
        );
        check(&failed, &part("b"), &expected);
        let rest = parts.record(part("c"), |_| -> std::future::Pending<_> { panic!("asked") });
        check(&rest.await.unwrap(), &part("c"), &expected);
    }

    #[tokio::test]
    async fn a_request_of_which_nothing_has_a_verdict_is_refused_as_a_whole() {
        let mut parts = Parts::default();
        let refused = parts.record(part("a"), |_| fails(full())).await;
        assert!(matches!(refused, Err(Error::SpoolFull { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn after_a_part_that_failed_as_a_whole_the_rest_is_not_tried() {
        let mut parts = Parts::default();
        parts.record(part("a"), |it| all(it, unavailable())).await.unwrap();
        let rest = parts.record(part("b"), |_| -> std::future::Pending<_> { panic!("asked") });
        check(&rest.await.unwrap(), &part("b"), &unavailable());
        // A document that fails does not affect the others.
        let (kind, message) = (FailureKind::Timeout, "slow".to_owned());
        let alone = Verdict::Failed { kind, message, hint: None };
        let mut parts = Parts::default();
        parts.record(part("a"), |it| all(it, alone)).await.unwrap();
        let next = parts.record(part("b"), |it| all(it, Verdict::Stored)).await.unwrap();
        check(&next, &part("b"), &Verdict::Stored);
    }
}
