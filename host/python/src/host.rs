//! The calls. Each begins work and returns a [`Call`].

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_host::cli::Program;
use arc_host::client::ServiceClient;
use arc_host::database::{Database, DatabaseSettings, components_cache, formats_folder};
use arc_host::delivery::{
    DeliveryAnswer, FileIdentity, FileOptions, FilesRecording, FilesSummary, RecordedFile, Source,
};
use arc_host::embedded::Download;
use arc_host::export;
use arc_host::extraction::OutcomeStatus;
use arc_host::formats::{FileCollection, FormatSettings, FoundFile};
use arc_host::lock::lock;
use arc_host::recorder::{ItemVerdict, ResultFormat, SimulationStart, Verdict, time_since};
use arc_host::store::{
    Attachments, ExportSelection, MetricDefinition, NewAnnotation, OutcomeFilter, RecordedOutcome,
    ResultList, SimulationFilter, SimulationStatus,
};
use arc_host::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyList;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::batch::{Batch, Item};
use crate::call::Call;
use crate::errors;
use crate::opening::{Endpoint, OpenEndpoint, Settings};
use crate::process::{self, PendingCalls, Process};
use crate::table::Table;
use crate::verdicts::{brief_answer, verdict_dict};

/// A database or service and its recorder, which are opened on first use.
#[pyclass(frozen)]
pub(crate) struct Host {
    settings: Arc<Settings>,
    state: Mutex<State>,
}

struct State {
    generation: u64,
    /// It is not dropped if another generation has opened it.
    opening: ManuallyDrop<Arc<Opening>>,
    closed: bool,
}

/// The open database or service, if it is open yet, and the calls that record there.
#[derive(Default)]
struct Opening {
    opened: OnceCell<OpenEndpoint>,
    recording: PendingCalls,
}

/// A recording call, until it ends. Closing and the end of the interpreter wait for it.
struct RecordingCall {
    process: &'static Process,
    opening: Arc<Opening>,
}

impl RecordingCall {
    fn begin(process: &'static Process, opening: &Arc<Opening>) -> Self {
        process.recording.begin();
        opening.recording.begin();
        RecordingCall { process, opening: Arc::clone(opening) }
    }
}

impl Drop for RecordingCall {
    fn drop(&mut self) {
        self.opening.recording.end();
        self.process.recording.end();
    }
}

impl Drop for State {
    #[expect(unsafe_code, reason = "what belongs to a parent must not be dropped in its child")]
    fn drop(&mut self) {
        if self.generation == process::generation() {
            // SAFETY: the value is not used after the drop of its owner.
            unsafe { ManuallyDrop::drop(&mut self.opening) }
        }
    }
}

/// Opens the database or service if it is not open yet. Concurrent callers wait for the same attempt.
async fn open(
    process: &'static Process,
    settings: &Settings,
    opening: &Opening,
) -> Result<OpenEndpoint> {
    opening.opened.get_or_try_init(|| OpenEndpoint::open(process, settings)).await.cloned()
}

impl Host {
    /// Returns this process's database or service, open or not yet open.
    fn opening(&self) -> Result<Arc<Opening>> {
        let state = self.state();
        if state.closed {
            return Err(Error::configuration("this recorder is closed")
                .with_hint("create another one to continue"));
        }
        Ok(Arc::clone(&state.opening))
    }

    /// Returns the same, even if the recorder is closed.
    fn open_or_closed(&self) -> Arc<Opening> {
        Arc::clone(&self.state().opening)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        if state.generation != process::generation() {
            // Assigning drops the old state, whose `Drop` respects that it is the parent's.
            let mut own = State::new();
            own.closed = state.closed;
            *state = own;
        }
        state
    }

    /// Begins a call on the open database.
    fn call<T, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(OpenEndpoint) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (process, opening) = self.current(py)?;
        Ok(self.begin(process, opening, work))
    }

    /// Begins a recording call on the open database.
    fn recording_call<T, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(OpenEndpoint) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (process, opening) = self.current(py)?;
        let recording_call = RecordingCall::begin(process, &opening);
        Ok(self.begin(process, opening, move |opened| async move {
            let answer = work(opened).await;
            drop(recording_call);
            answer
        }))
    }

    /// Begins a call about the simulation that a text refers to.
    fn simulation_call<T, F>(
        &self,
        py: Python<'_>,
        reference: &str,
        work: impl FnOnce(OpenEndpoint, Uuid) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let reference = reference.to_owned();
        self.call(py, move |opened| async move {
            let simulation_id = opened.source.resolve_simulation(&reference).await?;
            work(opened, simulation_id).await
        })
    }

    /// Begins a recording call about the simulation that a text refers to.
    fn recording_simulation_call<T, F>(
        &self,
        py: Python<'_>,
        reference: &str,
        work: impl FnOnce(OpenEndpoint, Uuid) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let reference = reference.to_owned();
        self.recording_call(py, move |opened| async move {
            let simulation_id = opened.source.resolve_simulation(&reference).await?;
            work(opened, simulation_id).await
        })
    }

    /// Begins work on the database or service, which is opened first if needed.
    fn begin<T, F>(
        &self,
        process: &'static Process,
        opening: Arc<Opening>,
        work: impl FnOnce(OpenEndpoint) -> F + Send + 'static,
    ) -> Call
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let settings = Arc::clone(&self.settings);
        Call::begin(process, async move { work(open(process, &settings, &opening).await?).await })
    }

    /// Returns the state of this process, and its database or service.
    fn current(&self, py: Python<'_>) -> PyResult<(&'static Process, Arc<Opening>)> {
        let process = process::process(py)?;
        let opening = self.opening().map_err(|error| errors::exception(py, &error))?;
        Ok((process, opening))
    }
}

impl State {
    fn new() -> Self {
        let opening = ManuallyDrop::new(Arc::default());
        State { generation: process::generation(), opening, closed: false }
    }
}

#[pymethods]
impl Host {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn new(
        py: Python<'_>,
        url: Option<String>,
        connections: usize,
        data_dir: Option<PathBuf>,
        postgres_bin: Option<PathBuf>,
        further_postgres_bins: Vec<PathBuf>,
        program: (PathBuf, Vec<OsString>),
        token: Option<String>,
        spool_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let program = Program { command: Some(program), postgres_bins: Vec::new() };
        let supervisor = program.supervisor().map_err(|error| errors::exception(py, &error))?;
        let database = DatabaseSettings {
            url,
            url_name: "url",
            connections: connections.max(1),
            data_dir,
            postgres_bin,
            further_postgres_bins,
            download: Download::of_environment(),
            supervisor,
        };
        let formats = FormatSettings {
            folder: formats_folder(database.data_dir.as_deref()),
            cache_dir: components_cache(),
            compiler: Some(program.compiler().map_err(|error| errors::exception(py, &error))?),
            ..FormatSettings::default()
        };
        let settings = Settings::new(database, token, spool_dir, formats)
            .map_err(|error| errors::exception(py, &error))?;
        Ok(Host { settings: Arc::new(settings), state: Mutex::new(State::new()) })
    }

    /// Returns whether it is a service.
    #[getter]
    fn is_service(&self) -> bool {
        matches!(self.settings.endpoint, Endpoint::Service(_))
    }

    /// Opens the database, brings its schema up to date, and returns its health. An error is part of the
    /// answer.
    fn initialize(&self, py: Python<'_>) -> PyResult<Call> {
        let (process, opening) = self.current(py)?;
        let settings = Arc::clone(&self.settings);
        Ok(Call::begin(process, async move {
            let error = match open(process, &settings, &opening).await {
                Ok(opened) => return Ok(health_of(&opened).await),
                Err(error) => error,
            };
            // A database that answers reports more, even if its schema is not usable.
            let mut health = match &settings.endpoint {
                Endpoint::Database(database) => match Database::open(database, |_| {}).await {
                    Ok(database) => json!(database.store().health().await),
                    Err(_) => unreachable_health(),
                },
                Endpoint::Service(_) => unreachable_health(),
            };
            note_error(&mut health, &error);
            Ok(health)
        }))
    }

    /// Opens the database, and fails if it cannot.
    fn open(&self, py: Python<'_>) -> PyResult<Call> {
        self.call(py, |_| async { Ok(()) })
    }

    /// Brings the schema up to date, and returns the applied migrations.
    fn deploy_schema(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let settings = Arc::clone(&self.settings);
        let opening = self.opening().map_err(|error| errors::exception(py, &error))?;
        Ok(Call::begin(process, async move {
            let already = opening.opened.get().and_then(|opened| opened.database.as_ref());
            let migrated = match (&settings.endpoint, already) {
                (_, Some((database, _))) => database.store().migrate().await?,
                (Endpoint::Database(database), None) => {
                    Database::open(database, |_| {}).await?.store().migrate().await?
                }
                // A service keeps its database's schema up to date.
                (Endpoint::Service(client), None) => {
                    let health = ServiceClient::new(client)?.health().await?.database;
                    if let Some(error) = health.error {
                        return Err(Error::unavailable(error));
                    }
                    return Ok(json!({
                        "status": "ok",
                        "applied": [],
                        "schema_version": health.schema_version,
                        "layout": health.layout,
                        "notes": [],
                    }));
                }
            };
            Ok(json!({
                "status": "ok",
                "applied": migrated.applied,
                "schema_version": migrated.version,
                "layout": migrated.layout,
                "notes": migrated.notes,
            }))
        }))
    }

    fn create_configuration(
        &self,
        py: Python<'_>,
        name: String,
        configuration: String,
        user_id: Option<String>,
    ) -> PyResult<Call> {
        self.recording_call(py, |opened| async move {
            let user_id = user_id.as_deref();
            let kept = opened.delivery.create_configuration(&name, &configuration, user_id).await?;
            Ok(kept.0)
        })
    }

    /// Starts a simulation: `start` is a JSON object of the members of [`SimulationStart`], except its
    /// id, its scenarios and its metadata, which are long, and its metrics, which are a [`Declaration`].
    fn start_simulation(
        &self,
        py: Python<'_>,
        simulation_id: Option<&str>,
        start: &str,
        scenarios: String,
        metadata: Option<String>,
        declaration: Option<&str>,
    ) -> PyResult<Call> {
        let start: SimulationStart = serde_json::from_str(start).map_err(|error| {
            errors::exception(py, &Error::invalid("invalid start").with_source(error))
        })?;
        let simulation_id = simulation_id.map(|id| simulation(py, id)).transpose()?;
        let Declaration { metrics, score_scale } = Declaration::read(py, declaration)?;
        let start =
            SimulationStart { simulation_id, scenarios, metadata, metrics, score_scale, ..start };
        self.recording_call(
            py,
            |opened| async move { opened.delivery.start_simulation(start).await },
        )
    }

    /// Declares metrics of a simulation, and returns its status. It goes past the spool.
    fn declare_metrics(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        declaration: &str,
    ) -> PyResult<Call> {
        let definitions = Declaration::read(py, Some(declaration))?.definitions();
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.declare_metrics(simulation_id, &definitions).await
        })
    }

    /// Selects the revision of a result that counts, and returns all its revisions. It goes past the
    /// spool.
    #[pyo3(signature = (simulation_id, result_key, revision))]
    fn select_revision(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        result_key: Option<String>,
        revision: Option<i64>,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            let result_key = result_key.as_deref();
            opened.destination.select_revision(simulation_id, result_key, revision).await
        })
    }

    /// Annotates results; `annotations` is a JSON array. It goes past the spool.
    fn annotate(&self, py: Python<'_>, simulation_id: &str, annotations: &str) -> PyResult<Call> {
        let annotations: Vec<NewAnnotation> =
            serde_json::from_str(annotations).map_err(|error| {
                errors::exception(py, &Error::invalid("invalid annotations").with_source(error))
            })?;
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.annotate(simulation_id, &annotations).await
        })
    }

    /// Compares a list of results, as JSON, with those of their simulation. It goes past the spool.
    fn compare_results(&self, py: Python<'_>, simulation_id: &str, list: &str) -> PyResult<Call> {
        let list: ResultList = serde_json::from_str(list).map_err(|error| {
            errors::exception(py, &Error::invalid("invalid list of results").with_source(error))
        })?;
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.compare_results(simulation_id, &list).await
        })
    }

    /// Records the results of the batch, and empties it. `first` is the position of its first result
    /// in the whole call. Returns the verdicts; or, if `brief`, the ids of the recorded results, with
    /// `None` for the others, and the verdicts on the others with their positions. Fewer objects cause
    /// fewer runs of Python's garbage collector, which traverse all objects of the process.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn record(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        batch: &Bound<'_, Batch>,
        first: u64,
        brief: bool,
        format: Option<&str>,
        header: Option<String>,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        let format = format.map(|name| Arc::new(ResultFormat::new(name, header)));
        let items = batch.try_borrow_mut()?.empty(first);
        let (process, opening) = self.current(py)?;
        let recording_call = RecordingCall::begin(process, &opening);
        let settings = Arc::clone(&self.settings);
        // For each result, the violation for which it cannot be recorded, if any.
        let (mut unwritable, mut submissions) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            unwritable.push(match item {
                Item::Submission(mut submission) => {
                    submission.format.clone_from(&format);
                    submissions.push(submission);
                    None
                }
                Item::Unwritable(violation) => Some(violation),
            });
        }
        let record =
            move |opened: OpenEndpoint| opened.delivery.record_batch(simulation_id, submissions);
        // An open recorder receives the results now, in the order of the calls.
        let begun = match opening.opened.get() {
            Some(opened) => Ok(record(opened.clone())),
            None => Err(record),
        };
        let work = async move {
            let verdicts = match begun {
                Ok(recording) => recording.await?,
                Err(record) => record(open(process, &settings, &opening).await?).await?,
            };
            drop(recording_call);
            let mut verdicts = verdicts.into_iter();
            Ok(unwritable.into_iter().filter_map(move |violation| match violation {
                None => verdicts.next(),
                Some(violation) => Some(ItemVerdict {
                    outcome_id: Uuid::nil(),
                    verdict: Verdict::Rejected(vec![violation]),
                    warnings: Vec::new(),
                }),
            }))
        };
        Ok(Call::begin_with(process, work, move |py, verdicts| {
            if brief {
                return Ok(brief_answer(py, verdicts, first)?.into_any().unbind());
            }
            let list = PyList::empty(py);
            for verdict in verdicts {
                list.append(verdict_dict(py, verdict)?)?;
            }
            Ok(list.into_any().unbind())
        }))
    }

    /// Records files of any format, and returns a report on each and a summary. `only_one` is for a
    /// single file, whose error is that of the call.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn record_files(
        &self,
        py: Python<'_>,
        paths: Vec<PathBuf>,
        only_one: bool,
        one_simulation: bool,
        format: Option<String>,
        header: Option<PathBuf>,
        simulation_name: Option<String>,
        simulation_id: Option<&str>,
        config_version_id: Option<String>,
        tags: Vec<String>,
        project: Option<String>,
        declaration: Option<&str>,
    ) -> PyResult<Call> {
        let Declaration { metrics, score_scale } = Declaration::read(py, declaration)?;
        let identity = match simulation_id {
            Some(id) => FileIdentity::Named(simulation(py, id)?),
            None => FileIdentity::OfContent,
        };
        let mut options = FileOptions { identity, ..FileOptions::default() };
        options.start.simulation_name = simulation_name;
        options.start.tags = tags;
        options.start.project = project;
        options.start.metrics = metrics;
        options.start.score_scale = score_scale;
        if let Some(id) = config_version_id {
            options.start.config_version_id = id;
        }
        let process = process::process(py)?;
        self.recording_call(py, move |opened| async move {
            let begun = Instant::now();
            let mut recording = FilesRecording {
                built_in: process.extractor().await?,
                formats: opened.formats.clone(),
                destination: opened.destination.clone(),
                options,
                format,
                header_file: header,
                stop: Arc::default(),
            };
            let FilesRecording { built_in, formats, format, .. } = recording.clone();
            let collect = move || {
                let mut notes = Vec::new();
                let note = |problem: &str| notes.push(problem.to_owned());
                let collection = formats.collect(&built_in, &paths, format.as_deref(), note)?;
                Ok::<_, Error>((collection, notes))
            };
            let (collection, mut notes) =
                tokio::task::spawn_blocking(collect).await.map_err(|error| {
                    Error::component("the files could not be opened").with_source(error)
                })??;
            let FileCollection { files, other_files, failures } = collection;
            let mut summary = FilesSummary::new(other_files);
            let mut reports = Vec::new();
            for (name, error) in failures {
                if only_one {
                    return Err(error);
                }
                summary.add_failure(&name, &error);
            }
            if only_one && files.len() > 1 {
                return Err(Error::invalid(format!(
                    "the folder has {} files of results (expected one)",
                    files.len()
                ))
                .with_hint("call record_files"));
            }
            recording.group(&files, one_simulation).await?;
            let mut one_failure = None;
            let done = |found: FoundFile, recorded: Result<RecordedFile>| {
                match recorded {
                    Ok(RecordedFile { completion_error: Some(error), .. }) | Err(error) => {
                        summary.add_failure(found.name(), &error);
                        one_failure = Some(error);
                    }
                    Ok(recorded) => {
                        summary.add(&recorded);
                        let noted = recorded.notes.iter();
                        notes.extend(noted.map(|note| format!("{}: {note}", found.name())));
                        reports.push(recorded.report());
                    }
                }
                Ok(())
            };
            recording.record_each(files, |_, _| {}, done).await?;
            if let Some(error) = one_failure.filter(|_| only_one) {
                return Err(error);
            }
            recording.end(&summary).await?;
            Ok(json!({"files": reports, "notes": notes, "summary": summary.since(begun)}))
        })
    }

    fn complete_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        suite: Option<String>,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            match opened.delivery.complete_simulation(simulation_id, suite.as_deref()).await? {
                DeliveryAnswer::Committed(completed) => Ok(json!(completed)),
                DeliveryAnswer::Spooled => {
                    Ok(json!({"simulation_id": simulation_id, "spooled": true}))
                }
            }
        })
    }

    fn fail_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        reason: String,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            end(&opened, simulation_id, SimulationStatus::Failed, &reason).await
        })
    }

    fn cancel_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        reason: String,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            end(&opened, simulation_id, SimulationStatus::Cancelled, &reason).await
        })
    }

    fn simulation_status(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.simulation_status(simulation_id).await
        })
    }

    /// Returns a page of simulations, newest first, as `{"simulations": […], "cursor": …}`.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn simulations(
        &self,
        py: Python<'_>,
        name: Option<String>,
        tag: Option<String>,
        project: Option<String>,
        since: Option<&str>,
        status: Option<String>,
        origin: &str,
        limit: u32,
        cursor: Option<String>,
    ) -> PyResult<Call> {
        let invalid = |reason: String| errors::exception(py, &Error::invalid(reason));
        let since = since.map(|text| time_since(text, jiff::Timestamp::now())).transpose();
        let status = status.map(|word| word.parse::<SimulationStatus>()).transpose();
        let filter = SimulationFilter {
            status: status.map_err(|error| invalid(error.to_string()))?,
            name,
            project,
            tag,
            since: since.map_err(invalid)?,
            origin: serde_json::from_str(origin).map_err(|error| invalid(error.to_string()))?,
        };
        self.call(py, move |opened| async move {
            opened.source.simulations(&filter, limit, cursor.as_deref()).await
        })
    }

    /// Returns the id of the simulation that a text refers to.
    fn resolve_simulation(&self, py: Python<'_>, reference: String) -> PyResult<Call> {
        self.call(
            py,
            move |opened| async move { opened.source.resolve_simulation(&reference).await },
        )
    }

    /// Renames a simulation. It goes past the spool, like the next calls.
    fn rename_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        name: String,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.rename_simulation(simulation_id, &name).await
        })
    }

    /// Adds and removes tags of a simulation.
    fn tag_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.tag_simulation(simulation_id, &add, &remove).await
        })
    }

    /// Removes a simulation with all its data.
    fn remove_simulation(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        self.recording_simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.destination.remove_simulation(simulation_id).await
        })
    }

    /// Returns a page of outcomes as `{"outcomes": […], "cursor": …}`; a trajectory is JSON text.
    fn outcomes(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        scenario_id: Option<String>,
        status: Option<String>,
        limit: u32,
        cursor: Option<String>,
    ) -> PyResult<Call> {
        let filter = OutcomeFilter { scenario_id, status: outcome_status(py, status)? };
        let attached = Attachments { documents: false, trajectories: true };
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            let cursor = cursor.as_deref();
            let page =
                opened.source.outcomes(simulation_id, &filter, limit, cursor, attached).await?;
            Ok(Page { outcomes: page.outcomes, cursor: page.cursor })
        })
    }

    /// Returns the outcomes of some simulations, or of all if `simulations` is empty, as a table.
    fn outcome_table(
        &self,
        py: Python<'_>,
        simulations: Vec<String>,
        scenario_id: Option<String>,
        status: Option<String>,
        documents: bool,
    ) -> PyResult<Call> {
        let filter = OutcomeFilter { scenario_id, status: outcome_status(py, status)? };
        let (process, opening) = self.current(py)?;
        let settings = Arc::clone(&self.settings);
        let work = async move {
            let opened = open(process, &settings, &opening).await?;
            let simulations = opened.source.resolve_simulations(&simulations).await?;
            let selection = ExportSelection { simulations, filter, documents };
            export::table(&opened.source, &selection).await
        };
        Ok(Call::begin_with(process, work, |py, table| Ok(Py::new(py, Table(table))?.into_any())))
    }

    fn rejected(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.all_rejected(simulation_id).await
        })
    }

    fn revisions(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.revisions(simulation_id).await
        })
    }

    /// Returns the annotations of a simulation, or of the result of one outcome.
    #[pyo3(signature = (simulation_id, outcome_id))]
    fn annotations(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        outcome_id: Option<&str>,
    ) -> PyResult<Call> {
        let outcome_id = outcome_id.map(|id| outcome(py, id)).transpose()?;
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.annotations(simulation_id, outcome_id).await
        })
    }

    fn missing(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.missing_trials(simulation_id).await
        })
    }

    fn performance(&self, py: Python<'_>, simulation_id: &str, hours: f64) -> PyResult<Call> {
        self.simulation_call(py, simulation_id, move |opened, simulation_id| async move {
            opened.source.performance(simulation_id, hours).await
        })
    }

    fn recent_failures(&self, py: Python<'_>, limit: u32) -> PyResult<Call> {
        self.call(py, move |opened| async move { opened.source.failures(limit).await })
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let settings = Arc::clone(&self.settings);
        // The metrics can be read after closing, too.
        let opening = self.open_or_closed();
        if opening.opened.get().is_none() {
            self.opening().map_err(|error| errors::exception(py, &error))?;
        }
        Ok(Call::begin(process, async move {
            let opened = open(process, &settings, &opening).await?;
            Ok(match (&opened.database, &opened.source) {
                (Some((_, recorder)), _) => json!(recorder.metrics()),
                (None, Source::Service(client)) => json!(client.own_metrics()),
                (None, Source::Database(store)) => json!(store.metrics()),
            })
        }))
    }

    fn execute_sql(
        &self,
        py: Python<'_>,
        sql: String,
        values: Vec<(String, Option<String>)>,
    ) -> PyResult<Call> {
        self.call(py, |opened| async move {
            let Some((database, _)) = &opened.database else {
                return Err(Error::configuration("a service takes no SQL")
                    .with_hint("open the database itself with its postgresql:// URL"));
            };
            let answer = database.store().execute_sql(&sql, &values).await?;
            let rows: Vec<String> = answer.rows.iter().map(|row| row.get().to_owned()).collect();
            Ok(json!({"rows": rows, "row_count": answer.row_count}))
        })
    }

    /// Tests the idle connections, and returns the number of broken ones.
    fn test_connections(&self, py: Python<'_>) -> PyResult<Call> {
        self.call(py, |opened| async move {
            Ok(match &opened.database {
                Some((database, _)) => database.store().test_connections().await,
                // A request on a broken connection is retried on another.
                None => 0,
            })
        })
    }

    /// Waits for calls in progress, then closes the connections. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let opening = self.open_or_closed();
        let settings = Arc::clone(&self.settings);
        let closed_before = std::mem::replace(&mut self.state().closed, true);
        Ok(Call::begin(process, async move {
            if closed_before {
                return Ok(());
            }
            // This includes abandoned calls.
            opening.recording.emptied().await;
            // Waits for an opening in progress, but does not begin one.
            let refuse = || async { Err(()) };
            if let Ok(opened) = opening.opened.get_or_try_init(refuse).await {
                opened.close(process, &settings).await;
            }
            Ok(())
        }))
    }
}

/// Returns the health of the database or service, and the state of the spool.
async fn health_of(opened: &OpenEndpoint) -> serde_json::Value {
    let mut health = match (&opened.database, &opened.source) {
        (Some((_, recorder)), _) => json!(recorder.health().await),
        (None, Source::Database(store)) => json!(store.health().await),
        (None, Source::Service(client)) => match client.health().await {
            Ok(health) => json!(health),
            Err(error) => {
                let mut health = unreachable_health();
                note_error(&mut health, &error);
                health
            }
        },
    };
    if let (Some(spool), Some(members)) = (opened.delivery.spool_state(), health.as_object_mut()) {
        members.insert("spool".to_owned(), json!(spool));
    }
    health
}

fn note_error(health: &mut serde_json::Value, error: &Error) {
    if let Some(members) = health.as_object_mut() {
        members.insert("status".to_owned(), json!("error"));
        members.insert("error".to_owned(), json!(error.report_with_hint()));
        members.insert("retryable".to_owned(), json!(error.retryable()));
    }
}

/// Ends a simulation, and returns its id, its status and whether the end is in the spool.
async fn end(
    opened: &OpenEndpoint,
    simulation_id: Uuid,
    status: SimulationStatus,
    reason: &str,
) -> Result<(Uuid, SimulationStatus, bool)> {
    Ok(match opened.delivery.end_simulation(simulation_id, status, reason).await? {
        DeliveryAnswer::Committed(status) => (simulation_id, status, false),
        DeliveryAnswer::Spooled => (simulation_id, status, true),
    })
}

/// A declaration of metrics.
#[derive(Default)]
struct Declaration {
    metrics: Vec<MetricDefinition>,
    /// The highest value of the results' own score, whose lowest is 0.
    score_scale: Option<f64>,
}

/// The JSON object of a declaration. Its values are checked one by one, so that an error names the wrong one.
#[derive(Deserialize)]
struct DeclarationMembers {
    metrics: Vec<serde_json::Value>,
    score_scale: Option<serde_json::Value>,
}

impl Declaration {
    /// Reads a declaration; without one, nothing is declared.
    fn read(py: Python<'_>, declaration: Option<&str>) -> PyResult<Self> {
        let Some(declaration) = declaration else { return Ok(Declaration::default()) };
        Declaration::of_json(declaration).map_err(|error| errors::exception(py, &error))
    }

    fn of_json(declaration: &str) -> Result<Self> {
        let DeclarationMembers { metrics, score_scale } = serde_json::from_str(declaration)
            .map_err(|error| Error::invalid("invalid declaration of metrics").with_source(error))?;
        let metric = |(position, metric)| {
            serde_json::from_value(metric).map_err(|error| {
                Error::invalid(format!("invalid metrics[{position}]")).with_source(error)
            })
        };
        let scale = |scale: serde_json::Value| {
            scale.as_f64().filter(|highest| *highest > 0.0).ok_or_else(|| {
                Error::invalid(format!(
                    "invalid score_scale: {scale} (expected the highest score, a number above 0)"
                ))
            })
        };
        Ok(Declaration {
            metrics: metrics.into_iter().enumerate().map(metric).collect::<Result<_>>()?,
            score_scale: score_scale.map(scale).transpose()?,
        })
    }

    /// Returns the definitions of metrics; the scale of the score is that of the metric without a name.
    fn definitions(self) -> Vec<MetricDefinition> {
        let scale = self.score_scale.map(MetricDefinition::score_to);
        self.metrics.into_iter().chain(scale).collect()
    }
}

/// A page of outcomes.
#[derive(Serialize)]
struct Page {
    outcomes: Vec<RecordedOutcome>,
    cursor: Option<String>,
}

fn simulation(py: Python<'_>, id: &str) -> PyResult<Uuid> {
    Uuid::try_parse(id).map_err(|_| {
        let error = Error::invalid(format!(
            "invalid simulation id: {id:?} (expected the UUID that start_simulation returns)"
        ));
        errors::exception(py, &error)
    })
}

fn outcome(py: Python<'_>, id: &str) -> PyResult<Uuid> {
    Uuid::try_parse(id).map_err(|_| {
        let error = Error::invalid(format!("invalid outcome id: {id:?} (expected a UUID)"));
        errors::exception(py, &error)
    })
}

/// Parses the status of the outcomes that are wanted.
fn outcome_status(py: Python<'_>, status: Option<String>) -> PyResult<Option<OutcomeStatus>> {
    let status = status.map(|word| word.parse::<OutcomeStatus>()).transpose();
    status.map_err(|error| errors::exception(py, &Error::invalid(error.to_string())))
}

fn unreachable_health() -> serde_json::Value {
    json!({
        "server_version": null,
        "extensions": {},
        "hypertables": [],
        "pool_stats": {"size": 0, "available": 0, "waiting": 0},
        "schema_version": null,
        "layout": null,
        "policies": [],
        "clock_skew_ms": null,
        "timestamp": jiff::Timestamp::now(),
        "response_time_ms": 0.0,
    })
}
