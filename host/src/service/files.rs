//! Files of results, each a simulation: what `arc-host record` does, with a file that is sent.

use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::body::{Chunks, too_large};
use super::file_disk::{DiskShare, unwritable};
use super::guard::Caller;
use super::observe::RequestId;
use super::parameters::{Parameters, media_type};
use super::record::{self, problem};
use crate::blocking::blocking;
use crate::delivery::{
    Destination, FileIdentity, FileOptions, FileReport, RecordedFile, record_file,
};
use crate::documents::{DocumentFile, FileLimits, inner_name};
use crate::error::Error;
use crate::store::SimulationStart;
use crate::wire::{Problem, ProblemCode};

/// The default name of a file.
const NO_NAME: &str = "a file";

/// The number of batches of all files in memory: each has up to 20 MiB, twice that while it is
/// recorded, and a single file reads one batch while it records another.
pub(super) const BATCHES: usize = 3;

/// The most results and parts of results of a file in a format that lists them.
const MOST_ITEMS: usize = 1_000_000;

/// The longest directory of a zip archive: that of some eighty thousand entries.
const DIRECTORY_BYTES: u64 = 8 << 20;

/// The delay after which a client should send a file again that was not recorded because the service
/// stopped.
const STOPPING_SECONDS: u32 = 2;

/// The parameters of a file.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileQuery {
    /// The file's name: a format can be recognised by it, and it becomes the simulation's name.
    pub(super) file_name: Option<String>,
    /// The format of the results. Default: the one that recognises the file, else arc-guide.
    pub(super) format: Option<String>,
    /// The simulation's name. Default: the file's, without its ending.
    pub(super) simulation_name: Option<String>,
    /// The project that it belongs to; if absent, that of the token, or else `default`.
    pub(super) project: Option<String>,
    /// Its tags: a JSON array of texts.
    pub(super) tags: Option<String>,
    /// The simulation's id; one that exists takes the results. Default: the one that the file's bytes,
    /// its name and the configuration make, so that the same file again stores nothing twice.
    pub(super) simulation_id: Option<Uuid>,
    /// The version of the agent's configuration.
    pub(super) config_version_id: Option<String>,
    /// The definitions of metrics, which replace those of the tool: a JSON array of `MetricDefinition`.
    /// The metric with the empty name is the score of each result.
    pub(super) metrics: Option<String>,
    /// The highest value of the results' own score, whose lowest is 0.
    pub(super) score_scale: Option<f64>,
}

/// Parses a parameter that is a JSON array; without the parameter it is empty.
///
/// # Errors
/// If it is not JSON, or an element is not of the expected type.
fn json_array<T: DeserializeOwned>(
    name: &str,
    text: Option<&str>,
    elements: &str,
) -> Result<Vec<T>, Failure> {
    let read = text.map(serde_json::from_str).transpose();
    let array = read.map_err(|error| {
        let detail = format!("invalid {name}: {error} (expected a JSON array of {elements})");
        Failure::new(ProblemCode::InvalidRequest, detail)
    })?;
    Ok(array.unwrap_or_default())
}

/// Record a file of any format: starts a simulation, records every result, and completes it.
///
/// The body is the file as it is: results in one of the built-in containers, or a log of another
/// evaluation tool whose format the service knows (`arc-host formats list`), also compressed with gzip or
/// zstd: `samples.jsonl.gz` is read as `samples.jsonl`. The answer reports the verdicts; results that are not
/// valid are stored as rejected, with their reasons. The same file again is the same simulation, and stores
/// nothing twice.
#[utoipa::path(
    post, path = "/v1/files", tag = "recording", operation_id = "record_file",
    params(FileQuery),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
    ), description = "The file"),
    responses(
        (status = 200, description = "What became of the file", body = FileReport),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn record_file_sent(
    State(app): State<SharedApp>,
    Parameters(mut query): Parameters<FileQuery>,
    request_id: Option<Extension<RequestId>>,
    caller: Option<Extension<Caller>>,
    request: Request,
) -> Answer {
    check_type(request.headers())?;
    query.project = Caller::project_of(caller.as_deref(), query.project)?;
    if let Some(simulation_id) = query.simulation_id {
        app.require_project_or_new(caller.as_deref(), simulation_id).await?;
    }
    let stop = StopOnDrop(Arc::default());
    let recording = record_sent(&app, query, request.into_body(), &stop);
    let mut recording = std::pin::pin!(recording);
    let recorded = tokio::select! {
        biased;
        recorded = &mut recording => recorded,
        () = app.stopped() => {
            // Batches in progress are recorded, and no further ones.
            stop.now();
            recording.await
        }
    };
    let recorded = match recorded {
        Ok(recorded) if !recorded.summary.interrupted => recorded,
        Err(failure) if !app.stopping() => return Err(failure),
        _ => return Err(stopped()),
    };
    app.metrics.count_file(&recorded.summary);
    let report = report_of(&recorded, request_id.as_deref());
    if let Some(error) = recorded.completion_error {
        return Err(error.into());
    }
    Ok(answer::json(StatusCode::OK, &report))
}

/// Ends a recording when its request is dropped, for example because the client has disconnected.
struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.now();
    }
}

fn stopped() -> Failure {
    Problem::new(
        ProblemCode::ShuttingDown,
        "the service is stopping; the recorded part of the file is kept",
    )
    .hint("send the same file again to record the rest")
    .retry_after(STOPPING_SECONDS)
    .into()
}

/// Returns the report about a file for its client; the log has the causes of failed results.
fn report_of(recorded: &RecordedFile, request_id: Option<&RequestId>) -> FileReport {
    let mut report = recorded.report();
    if let Some(first) = &recorded.summary.failure {
        let (failed, cause) = (report.failed, first.message.as_str());
        record::log_cause(request_id, failed, cause, first.hint.as_deref());
        let problem = problem(first.kind, cause);
        report.failure = Some(format!("{}: {}", first.place, problem.detail));
        report.failure_hint = problem.hint;
    }
    report
}

async fn record_sent(
    app: &App,
    query: FileQuery,
    body: Body,
    stop: &StopOnDrop,
) -> Result<RecordedFile, Failure> {
    let metrics = json_array("metrics", query.metrics.as_deref(), "definitions")?;
    let tags = json_array("tags", query.tags.as_deref(), "texts")?;
    let name = query.file_name.as_deref().map_or(NO_NAME.to_owned(), base_name);
    let (file, is_compressed, _share) = tokio::select! {
        received = receive(app, body) => received?,
        () = app.stopped() => return Err(stopped()),
    };
    let name = if is_compressed { inner_name(&name).to_owned() } else { name };
    let (formats, built_in) = (app.recorder.formats().clone(), app.recorder.extractor().clone());
    let named = query.format.clone();
    let limits = FileLimits {
        items: MOST_ITEMS,
        scenarios: app.settings.max_file_scenarios,
        directory_bytes: DIRECTORY_BYTES,
    };
    let (opened, problems) = blocking(move || {
        let file = DocumentFile::opened(file, name)?.limited(limits);
        let mut problems = Vec::new();
        let opened = formats.open(&built_in, file, named.as_deref(), None, |problem| {
            tracing::warn!("{problem}");
            problems.push(problem.to_owned());
        })?;
        Ok::<_, Error>((opened, problems))
    })
    .await??;
    let mut start = SimulationStart {
        simulation_name: query.simulation_name,
        project: query.project,
        tags,
        metrics,
        score_scale: query.score_scale,
        ..SimulationStart::default()
    };
    if let Some(config_version_id) = query.config_version_id {
        start.config_version_id = config_version_id;
    }
    let options = FileOptions {
        start,
        identity: query.simulation_id.map_or(FileIdentity::OfContent, FileIdentity::Named),
        batches: Some(Arc::clone(&app.file_batches)),
        turn: None,
    };
    let destination = Destination::Database(app.recorder.clone());
    let mut recorded =
        record_file(opened, &destination, &options, Arc::clone(&stop.0), |_| {}).await?;
    if !problems.is_empty() {
        // The causes can contain paths of this machine, so only the log has them.
        recorded.notes.push(format!(
            "{} of the service's formats could not check the file; the service's log has the \
             reasons",
            problems.len()
        ));
    }
    Ok(recorded)
}

/// Returns a name without the folders before it.
fn base_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.is_empty() { NO_NAME.to_owned() } else { name.replace('\0', "\u{FFFD}") }
}

/// Returns the body as a file without a name, which is deleted with its last user, decompressed, whether
/// it was compressed, and its share of the disk.
async fn receive(app: &App, body: Body) -> Result<(std::fs::File, bool, DiskShare), Failure> {
    let limit = app.settings.max_file_mib << 20;
    let chunks = Chunks::new(body, app.body_stall());
    let (mut chunks, is_compressed) = chunks.of_file(&app.room).await?;
    let mut share = app.file_disk.share();
    let disk = Arc::clone(&app.file_disk);
    let mut file = blocking(move || disk.create()).await?.map_err(unwritable)?;
    let mut received = 0;
    while let Some(chunk) = chunks.next().await? {
        received += chunk.len() as u64;
        if received > limit {
            return Err(too_large(limit).into());
        }
        share.grow(chunk.len() as u64)?;
        let written = move || file.write_all(&chunk).map(|()| file);
        file = blocking(written).await?.map_err(unwritable)?;
    }
    file.rewind().map_err(unwritable)?;
    Ok((file, is_compressed, share))
}

/// Checks the media type of a file's body: any but those that a web page can send without a preflight
/// request, and a missing one, which is such a type, too.
///
/// # Errors
/// If the type is not allowed.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let essence = media_type(headers);
    match essence.to_ascii_lowercase().as_str() {
        "" | "text/plain" | "multipart/form-data" | "application/x-www-form-urlencoded" => {
            Err(Failure::new(
                ProblemCode::UnsupportedMediaType,
                format!(
                    "invalid Content-Type of a file: {essence:?} (expected \
                     application/octet-stream, or the file's own, such as application/json)"
                ),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn a_name_has_no_folder() {
        for (name, expected) in [
            ("a.eval", "a.eval"),
            ("/tmp/a.eval", "a.eval"),
            ("C:\\logs\\a.eval", "a.eval"),
            ("", "a file"),
            ("folder/", "a file"),
        ] {
            assert_eq!(base_name(name), expected);
        }
    }
}
