//! Queries: outcomes, rejected results, performance, failures, verdicts, health, metrics.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::{BoxError, Extension};
use bytes::Bytes;
use uuid::Uuid;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::concurrency::ConcurrencyPermit;
use super::guard::{Caller, StreamAuthorization};
use super::long_answer::with_room;
use super::observe::RequestId;
use super::parameters::{
    AnnotationQuery, ComparedRunQuery, LimitQuery, OutcomesQuery, PageQuery, Parameters,
    RangeQuery, SimulationId, checked_limit, checked_scenario, wants_lines,
};
use crate::paging::{PAGE_ROWS, Pages};
use crate::recorder::duration_hours;
use crate::store::{Attachments, Metrics, OutcomeFilter, OutcomePage, Performance, RejectedPage};
use crate::wire::{
    AnnotationList, FailureList, MissingList, NDJSON, OutcomeBody, OutcomeList, Problem,
    ProblemCode, RejectedList, ResultDocument, RevisionList, ServiceHealth,
};

/// The default number of outcomes or rejected results of a page, and of each read of a stream.
const PAGE: u32 = 100;

/// The default number of failures.
const FAILURES: u32 = 50;

/// The default time range of a performance.
const HOURS: f64 = 168.0;

/// A simulation's outcomes, in order of scenario, trial and attempt.
///
/// As `application/json` a page; as `application/x-ndjson` all of them, a line each.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/outcomes", tag = "reading",
    operation_id = "list_outcomes",
    params(SimulationId, OutcomesQuery),
    responses(
        (status = 200, description = "A page, or all of them", content(
            (OutcomeList = "application/json"), (OutcomeBody = "application/x-ndjson"),
        )),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_outcomes(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<OutcomesQuery>,
    caller: Option<Extension<Caller>>,
    request_id: Option<Extension<RequestId>>,
    headers: HeaderMap,
) -> Answer {
    let filter =
        OutcomeFilter { scenario_id: checked_scenario(query.scenario_id)?, status: query.status };
    let attached = Attachments { documents: query.documents, trajectories: query.trajectories };
    if !wants_lines(&headers)? {
        let limit = checked_limit(query.limit, PAGE, PAGE_ROWS)?;
        let cursor = query.cursor.as_deref();
        let turn = app.answers.turn().await;
        let page = app.recorder.outcomes(simulation_id, &filter, limit, cursor, attached).await?;
        let OutcomePage { outcomes, cursor, large } = page;
        let outcomes = outcomes.into_iter().map(Into::into).collect();
        let answer = turn.json(&OutcomeList { outcomes, cursor }).await;
        drop(large);
        return answer;
    }
    let place = app.limits.read_streams.acquire(caller.as_deref())?;
    let authorization = StreamAuthorization::of(&app, caller.as_deref());
    let most = query.limit.map(|limit| checked_limit(Some(limit), PAGE, PAGE_ROWS)).transpose()?;
    // An unknown simulation and an invalid cursor are reported before the answer begins.
    let cursor = query.cursor.as_deref();
    app.recorder.outcomes(simulation_id, &filter, 1, cursor, Attachments::default()).await?;
    let state = OutcomeStream {
        app,
        filter,
        attached,
        pages: Pages::from(query.cursor),
        left: most,
        failed: false,
        authorization,
        request_id: request_id.map(|Extension(id)| id),
        _place: place,
    };
    let lines = futures_util::stream::unfold(state, move |mut stream| async move {
        let lines = stream.next(simulation_id).await?;
        Some((lines, stream))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

/// A stream of outcomes, page by page.
struct OutcomeStream {
    app: SharedApp,
    filter: OutcomeFilter,
    attached: Attachments,
    pages: Pages<String>,
    left: Option<u32>,
    /// Whether it has failed.
    failed: bool,
    authorization: StreamAuthorization,
    request_id: Option<RequestId>,
    _place: ConcurrencyPermit,
}

impl OutcomeStream {
    /// Returns the lines of the next page. An error ends the stream early, which the client sees as a
    /// truncated body.
    async fn next(&mut self, simulation_id: Uuid) -> Option<Result<Bytes, BoxError>> {
        let page_rows = self.attached.page_rows();
        let rows = self.left.map_or(page_rows, |left| left.min(page_rows));
        if self.failed || rows == 0 || self.pages.ended() {
            return None;
        }
        if let Err(failure) = self.authorization.check() {
            return Some(Err(self.interrupt(failure.problem.detail)));
        }
        let app = SharedApp::clone(&self.app);
        let turn = app.answers.turn().await;
        let (recorder, filter, attached) = (&app.recorder, &self.filter, self.attached);
        let read = async |cursor: Option<String>| {
            recorder.outcomes(simulation_id, filter, rows, cursor.as_deref(), attached).await
        };
        let page = match self.pages.next(read).await {
            Ok(page) => page?,
            Err(error) => return Some(Err(self.interrupt(error.report()))),
        };
        let returned = u32::try_from(page.outcomes.len()).unwrap_or(u32::MAX);
        self.left = self.left.map(|left| left.saturating_sub(returned));
        let mut lines = Vec::new();
        for outcome in page.outcomes {
            // Writing to memory does not fail. A trajectory of several lines becomes one: line breaks
            // occur only between its tokens.
            let start = lines.len();
            let _ = serde_json::to_writer(&mut lines, &OutcomeBody::from(outcome));
            if let Some(line) = lines.get_mut(start..) {
                line.iter_mut()
                    .filter(|byte| matches!(byte, b'\n' | b'\r'))
                    .for_each(|byte| *byte = b' ');
            }
            lines.push(b'\n');
        }
        let kept = turn.keep(lines).await;
        drop(page.large);
        match kept {
            Ok(lines) => Some(Ok(lines)),
            Err(failure) => Some(Err(self.interrupt(failure.problem.detail))),
        }
    }

    /// Ends the stream early. The reason is logged only, because the client gets no more of the answer.
    fn interrupt(&mut self, cause: String) -> BoxError {
        self.failed = true;
        let request_id = self.request_id.as_ref().map(|id| &*id.0);
        tracing::warn!(target: "arc_host::requests", request_id, cause, "a stream ended early");
        cause.into()
    }
}

/// The results of a simulation that have several revisions, and which of them counts.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/revisions", tag = "reading",
    operation_id = "list_revisions",
    params(SimulationId),
    responses(
        (status = 200, description = "In order of scenario, key and revision", body = RevisionList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_revisions(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
) -> Answer {
    let turn = app.answers.turn().await;
    let revisions = app.recorder.store().revisions(simulation_id).await?;
    turn.json(&RevisionList { revisions }).await
}

/// The annotations of a simulation's results: notes and corrections by people and rules.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/annotations", tag = "reading",
    operation_id = "list_annotations",
    params(SimulationId, AnnotationQuery),
    responses(
        (status = 200, description = "Oldest first", body = AnnotationList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_annotations(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<AnnotationQuery>,
) -> Answer {
    let turn = app.answers.turn().await;
    let annotations = app.recorder.store().annotations(simulation_id, query.outcome_id).await?;
    turn.json(&AnnotationList { annotations }).await
}

/// The trials of a simulation that have no valid outcome; recording them completes the run.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/missing", tag = "reading",
    operation_id = "list_missing",
    params(SimulationId),
    responses(
        (status = 200, description = "In the order of the plan", body = MissingList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_missing(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
) -> Answer {
    let turn = app.answers.turn().await;
    let missing = app.recorder.store().missing_trials(simulation_id).await?;
    turn.json(&MissingList { missing }).await
}

/// A run as comparisons take it: every planned trial with the attempt that counts, and the definition of the
/// metric.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/compared-run", tag = "reading",
    operation_id = "compared_run",
    params(SimulationId, ComparedRunQuery),
    responses(
        (status = 200, description = "The run", body = serde_json::Value),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn compared_run(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<ComparedRunQuery>,
) -> Answer {
    let turn = app.answers.turn().await;
    let ComparedRunQuery { metric, cluster } = query;
    let run =
        app.recorder.compared_run(simulation_id, metric.as_deref(), cluster.as_deref()).await?;
    turn.json(&run).await
}

/// A page of the rejected results of a simulation, with their reasons.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/rejected", tag = "reading",
    operation_id = "list_rejected",
    params(SimulationId, PageQuery),
    responses(
        (status = 200, description = "A page, in order of receipt", body = RejectedList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_rejected(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<PageQuery>,
) -> Answer {
    let limit = checked_limit(query.limit, PAGE, PAGE_ROWS)?;
    let turn = app.answers.turn().await;
    let page = app.recorder.rejected(simulation_id, limit, query.cursor.as_deref()).await?;
    let RejectedPage { rejected, cursor } = page;
    turn.json(&RejectedList { rejected, cursor }).await
}

/// A simulation by the hour: outcomes, score, duration, cost, errors.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/performance", tag = "reading",
    operation_id = "simulation_performance",
    params(SimulationId, RangeQuery),
    responses(
        (status = 200, description = "By the hour, and in all", body = Performance),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn simulation_performance(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    Parameters(query): Parameters<RangeQuery>,
) -> Answer {
    let hours = match &query.range {
        None => HOURS,
        Some(text) => duration_hours(text).map_err(|reason| {
            Failure::new(ProblemCode::InvalidRequest, format!("invalid range: {reason}"))
        })?,
    };
    let turn = app.answers.turn().await;
    turn.json(&app.recorder.performance(simulation_id, hours).await?).await
}

/// The latest failures of all simulations, newest first.
#[utoipa::path(
    get, path = "/v1/failures", tag = "reading", operation_id = "list_failures",
    params(LimitQuery),
    responses(
        (status = 200, description = "The failures", body = FailureList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_failures(
    State(app): State<SharedApp>,
    Parameters(query): Parameters<LimitQuery>,
    caller: Option<Extension<Caller>>,
) -> Answer {
    let limit = query.checked(FAILURES)?;
    let turn = app.answers.turn().await;
    let project = caller.as_deref().and_then(Caller::project);
    let failures = app.recorder.recent_failures_in(limit, project).await?;
    turn.json(&FailureList { failures }).await
}

/// The verdict on one result; nothing is recorded.
#[utoipa::path(
    post, path = "/v1/extract", tag = "reading", operation_id = "extract",
    request_body(content = ResultDocument, description = "One result"),
    responses(
        (status = 200, description = "`verdict` is `accepted`, with the extracted fields, or `rejected`, with the violations", body = serde_json::Value),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn extract(State(app): State<SharedApp>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    super::parameters::no_parameters(&parts.uri)?;
    super::parameters::body_type(&parts.headers)?;
    let limit = app.recorder.extractor().limits().document_bytes as u64;
    let (bytes, mut room) = super::body::whole(&app, body, limit.min(app.body_limit())).await?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(
            ProblemCode::InvalidRequest,
            format!("the result is not UTF-8 text from byte {at} on"),
        )
    })?;
    // The extractor copies the document.
    room.grow(2 * text.len())?;
    let verdict = app.recorder.verdict_json(text).await?;
    room.grow(verdict.len())?;
    let mut response = Response::new(Body::from(with_room(verdict.into_bytes(), room)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// How the service, its database and its spool are. A database that is unavailable is an answer, too.
#[utoipa::path(
    get, path = "/v1/health", tag = "operation", operation_id = "health",
    responses(
        (status = 200, description = "`status` is `ok` or `error`", body = ServiceHealth),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn health(State(app): State<SharedApp>) -> Answer {
    let mut database = app.health.run(app.recorder.health()).await;
    // The address of the database is not disclosed.
    if database.error.is_some() {
        database.error = Some(
            "the database does not answer as expected; the service's log has the details"
                .to_owned(),
        );
    }
    // The database answers, but an operator should check.
    if database.status == "ok"
        && let Some(reason) = waits(&app)
    {
        (database.status, database.error) = ("degraded".into(), Some(reason));
    }
    let health = ServiceHealth {
        database,
        service_version: env!("CARGO_PKG_VERSION").to_owned(),
        spool: app.delivery.spool_state(),
    };
    Ok(answer::json(StatusCode::OK, &health))
}

/// Returns why results do not reach the database although it answers.
fn waits(app: &App) -> Option<String> {
    let delivery = &app.delivery;
    if let Some(failure) = delivery.spool_state().and_then(|spool| spool.error) {
        return Some(format!(
            "{failure}: results that the database does not accept are not stored; the service's log has the details"
        ));
    }
    if delivery.unavailable_reason().is_some() {
        return Some(
            "the database accepts nothing at the moment; results wait in the spool, and the \
             service's log has the details"
                .to_owned(),
        );
    }
    let (held, dead_letters) = (delivery.held_simulations(), delivery.spool_state()?.dead_letters);
    if held > 0 {
        return Some(format!(
            "the spool's entries of {held} simulations cannot be delivered, and are retried; the \
             service's log has the reasons"
        ));
    }
    (dead_letters > 0).then(|| {
        format!(
            "{dead_letters} entries of the spool were refused permanently; `arc-host spool list` shows why, and \
             `arc-host spool requeue`, or POST /v1/spool/requeue, retries them"
        )
    })
}

/// What the service has done since it was started.
#[utoipa::path(
    get, path = "/v1/stats", tag = "operation", operation_id = "stats",
    responses(
        (status = 200, description = "Queries, failures, retries, times", body = Metrics),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(State(app): State<SharedApp>) -> Answer {
    Ok(answer::json(StatusCode::OK, &app.recorder.metrics()))
}

/// The same and more for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "prometheus_metrics",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn prometheus_metrics(State(app): State<SharedApp>) -> Answer {
    let spool = app.delivery.spool_state();
    let text = app.metrics.text(
        &app.recorder.metrics(),
        spool.as_ref(),
        app.delivery.unavailable_reason().is_some(),
    );
    let mut response = Response::new(Body::from(text));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// Whether the process works: a supervisor restarts it if it does not answer.
#[utoipa::path(
    get, path = "/health/live", tag = "operation", operation_id = "live",
    responses((status = 200, description = "It works", body = String, content_type = "text/plain"))
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether requests are well served here: the database takes results, or the spool does.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation", operation_id = "ready",
    responses(
        (status = 200, description = "Send requests here", body = String, content_type = "text/plain"),
        (status = 503, description = "Send them elsewhere", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(State(app): State<SharedApp>) -> Result<&'static str, Failure> {
    if app.stopping() {
        return Err(Failure::new(ProblemCode::ShuttingDown, "the service is stopping"));
    }
    match app.delivery.spool_state() {
        // Either the database or the spool accepts results.
        Some(spool) if spool.accepts_entries() || app.delivery.unavailable_reason().is_none() => {
            Ok("ok\n")
        }
        Some(spool) => Err(match spool.error {
            Some(failure) => Failure::new(
                ProblemCode::SpoolUnavailable,
                format!("the database is unavailable and {failure}"),
            ),
            None => Problem::new(
                ProblemCode::SpoolFull,
                "the database is unavailable and the spool is full",
            )
            .limit(spool.limit_bytes)
            .into(),
        }),
        None => {
            app.database_answers().await?;
            Ok("ok\n")
        }
    }
}
