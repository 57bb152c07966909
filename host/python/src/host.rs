//! The calls. Each begins work and gives a [`Call`].

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_host::cli::Program;
use arc_host::database::{Database, DatabaseSettings};
use arc_host::recorder::{ItemVerdict, SimulationStart, Verdict};
use arc_host::store::{Attached, OutcomeFilter, RecordedOutcome};
use arc_host::{Error, Recorder, Result};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use serde::Serialize;
use serde_json::json;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::batch::{Batch, Item};
use crate::call::Call;
use crate::errors;
use crate::process::{self, Process};

/// One database and what records into it, opened when it is first needed.
#[pyclass(frozen)]
pub(crate) struct Host {
    settings: Arc<DatabaseSettings>,
    state: Mutex<State>,
}

struct State {
    generation: u64,
    /// What another generation has opened is never dropped.
    opened: ManuallyDrop<Arc<OnceCell<Opened>>>,
    closed: bool,
}

/// A database that is open.
#[derive(Clone, Debug)]
struct Opened {
    database: Arc<Database>,
    recorder: Recorder,
}

impl Drop for State {
    #[expect(unsafe_code, reason = "what belongs to a parent must not be dropped in its child")]
    fn drop(&mut self) {
        if self.generation == process::generation() {
            // SAFETY: nothing uses the value after the drop of what it is in.
            unsafe { ManuallyDrop::drop(&mut self.opened) }
        }
    }
}

/// Opens the database where it is not open. Whoever comes meanwhile waits for the same opening.
async fn open(
    process: &'static Process,
    settings: &DatabaseSettings,
    opened: &OnceCell<Opened>,
) -> Result<Opened> {
    let opening = || async {
        let extractor = process.extractor().await?;
        let database = Database::open(settings, |_| {}).await?;
        database.bring_up_to_date().await?;
        let recorder = Recorder::new(extractor, database.store().clone()).await?;
        Ok(Opened { database: Arc::new(database), recorder })
    };
    opened.get_or_try_init(opening).await.cloned()
}

impl Host {
    /// What is open in this process, or will be.
    fn opened(&self) -> Result<Arc<OnceCell<Opened>>> {
        let state = self.state();
        if state.closed {
            return Err(Error::Configuration(
                "this recorder is closed; make another one to go on".to_owned(),
            ));
        }
        Ok(Arc::clone(&state.opened))
    }

    /// The same, also where it is closed.
    fn opened_or_closed(&self) -> Arc<OnceCell<Opened>> {
        Arc::clone(&self.state().opened)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation != process::generation() {
            // Assigning drops what is there, and what is there knows that it is the parent's.
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
        work: impl FnOnce(Opened) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let process = process::process(py)?;
        let opened = self.opened().map_err(|error| errors::exception(py, &error))?;
        let settings = Arc::clone(&self.settings);
        Ok(Call::begin(
            process,
            async move { work(open(process, &settings, &opened).await?).await },
        ))
    }
}

impl State {
    fn new() -> Self {
        let opened = ManuallyDrop::new(Arc::new(OnceCell::new()));
        State { generation: process::generation(), opened, closed: false }
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new(
        py: Python<'_>,
        url: Option<String>,
        connections: usize,
        data_dir: Option<PathBuf>,
        postgres_bin: Option<PathBuf>,
        further_postgres_bins: Vec<PathBuf>,
        program: (PathBuf, Vec<OsString>),
    ) -> PyResult<Self> {
        let program = Program { command: Some(program), postgres_bins: Vec::new() };
        let supervisor = program.supervisor().map_err(|error| errors::exception(py, &error))?;
        let settings = DatabaseSettings {
            url,
            url_name: "url",
            connections: connections.max(1),
            data_dir,
            postgres_bin,
            further_postgres_bins,
            supervisor,
        };
        Ok(Host { settings: Arc::new(settings), state: Mutex::new(State::new()) })
    }

    /// Opens the database, brings its schema up to date, and gives its health. What goes wrong is
    /// part of the answer.
    fn initialize(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let opened = self.opened().map_err(|error| errors::exception(py, &error))?;
        let settings = Arc::clone(&self.settings);
        Ok(Call::begin(process, async move {
            let error = match open(process, &settings, &opened).await {
                Ok(opened) => return Ok(json!(opened.recorder.health().await)),
                Err(error) => error,
            };
            // A database that answers tells more, whatever is wrong with its schema.
            let mut health = match Database::open(&settings, |_| {}).await {
                Ok(database) => json!(database.store().health().await),
                Err(_) => unreachable_health(),
            };
            if let Some(members) = health.as_object_mut() {
                members.insert("status".to_owned(), json!("error"));
                members.insert("error".to_owned(), json!(error.to_string()));
                members.insert("retryable".to_owned(), json!(error.retryable()));
            }
            Ok(health)
        }))
    }

    /// Opens the database, and fails where it cannot.
    fn open(&self, py: Python<'_>) -> PyResult<Call> {
        self.call(py, |_| async { Ok(()) })
    }

    /// Brings the schema up to date, and says what was applied.
    fn deploy_schema(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let settings = Arc::clone(&self.settings);
        let opened = self.opened().map_err(|error| errors::exception(py, &error))?;
        Ok(Call::begin(process, async move {
            let migrated = match opened.get() {
                Some(opened) => opened.database.store().migrate().await?,
                None => Database::open(&settings, |_| {}).await?.store().migrate().await?,
            };
            Ok(json!({
                "status": "ok",
                "applied": migrated.applied,
                "schema_version": migrated.version,
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
        self.call(py, |opened| async move {
            let Opened { recorder, .. } = opened;
            recorder.create_configuration(&name, &configuration, user_id.as_deref()).await
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn start_simulation(
        &self,
        py: Python<'_>,
        simulation_id: Option<&str>,
        config_version_id: String,
        scenarios: String,
        trials: Option<u32>,
        simulation_name: Option<String>,
        modal_app_id: Option<String>,
        modal_environment: Option<String>,
        sandbox_instances: Option<u32>,
        metadata: Option<String>,
    ) -> PyResult<Call> {
        let start = SimulationStart {
            simulation_id: simulation_id.map(|id| simulation(py, id)).transpose()?,
            config_version_id,
            scenarios,
            trials,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            started_at: None,
        };
        self.call(py, |opened| async move { opened.recorder.start_simulation(start).await })
    }

    /// Records what is in the batch, and empties it. `first` is the position of its first result
    /// in the whole. Gives the verdicts; or, `brief`, the ids of what was recorded, `None` for what
    /// was not, and apart from them the verdicts on these with their positions. Python's collector
    /// looks through all objects of the process now and then, the more often the more are made.
    fn record(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        batch: &Bound<'_, Batch>,
        first: u64,
        brief: bool,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        let items = batch.try_borrow_mut()?.empty(first);
        let process = process::process(py)?;
        let opened = self.opened().map_err(|error| errors::exception(py, &error))?;
        let settings = Arc::clone(&self.settings);
        // Whether each of them is there to be recorded, or why it is not.
        let (mut unwritable, mut submissions) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            unwritable.push(match item {
                Item::Submission(submission) => {
                    submissions.push(submission);
                    None
                }
                Item::Unwritable(violation) => Some(violation),
            });
        }
        let record = move |opened: Opened| opened.recorder.record_batch(simulation_id, submissions);
        // An open recorder receives the results now, in the order of the calls.
        let begun = match opened.get() {
            Some(opened) => Ok(record(opened.clone())),
            None => Err(record),
        };
        let work = async move {
            let verdicts = match begun {
                Ok(recording) => recording.await?,
                Err(record) => record(open(process, &settings, &opened).await?).await?,
            };
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

    fn complete_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        suite: Option<String>,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move {
            opened.recorder.complete_simulation(simulation_id, suite.as_deref()).await
        })
    }

    fn fail_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        reason: String,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move {
            opened.recorder.fail_simulation(simulation_id, &reason).await
        })
    }

    fn cancel_simulation(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        reason: String,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move {
            opened.recorder.cancel_simulation(simulation_id, &reason).await
        })
    }

    fn simulation_status(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move {
            opened.recorder.simulation_status(simulation_id).await
        })
    }

    /// A page of outcomes as `{"outcomes": […], "cursor": …}`; a trajectory is JSON text.
    fn outcomes(
        &self,
        py: Python<'_>,
        simulation_id: &str,
        scenario_id: Option<String>,
        status: Option<String>,
        limit: u32,
        cursor: Option<String>,
    ) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        let filter = OutcomeFilter { scenario_id, status };
        let attached = Attached { documents: false, trajectories: true };
        self.call(py, move |opened| async move {
            let cursor = cursor.as_deref();
            let page =
                opened.recorder.outcomes(simulation_id, &filter, limit, cursor, attached).await?;
            Ok(Page { outcomes: page.outcomes, cursor: page.cursor })
        })
    }

    fn rejected(&self, py: Python<'_>, simulation_id: &str) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move { opened.recorder.rejected(simulation_id).await })
    }

    fn performance(&self, py: Python<'_>, simulation_id: &str, hours: f64) -> PyResult<Call> {
        let simulation_id = simulation(py, simulation_id)?;
        self.call(py, move |opened| async move {
            opened.recorder.performance(simulation_id, hours).await
        })
    }

    fn recent_failures(&self, py: Python<'_>, limit: u32) -> PyResult<Call> {
        self.call(py, move |opened| async move { opened.recorder.recent_failures(limit).await })
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let settings = Arc::clone(&self.settings);
        // What was counted is there to be read after the end, too.
        let opened = self.opened_or_closed();
        if opened.get().is_none() {
            self.opened().map_err(|error| errors::exception(py, &error))?;
        }
        Ok(Call::begin(process, async move {
            Ok(open(process, &settings, &opened).await?.recorder.metrics())
        }))
    }

    fn execute_sql(
        &self,
        py: Python<'_>,
        sql: String,
        values: Vec<(String, Option<String>)>,
    ) -> PyResult<Call> {
        self.call(py, |opened| async move {
            let answer = opened.database.store().execute_sql(&sql, &values).await?;
            let rows: Vec<String> = answer.rows.iter().map(|row| row.get().to_owned()).collect();
            Ok(json!({"rows": rows, "row_count": answer.row_count}))
        })
    }

    /// Tests the idle connections, and gives how many were gone.
    fn test_connections(&self, py: Python<'_>) -> PyResult<Call> {
        self.call(py, |opened| async move { Ok(opened.database.store().test_connections().await) })
    }

    /// Waits for what is under way, then closes the connections. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<Call> {
        let process = process::process(py)?;
        let opened = self.opened_or_closed();
        self.state().closed = true;
        Ok(Call::begin(process, async move {
            // An opening that is under way is waited for, and none is begun.
            let none = || async { Err(()) };
            if let Ok(opened) = opened.get_or_try_init(none).await {
                opened.recorder.close().await;
            }
            Ok(())
        }))
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
        let error = Error::Invalid(format!(
            "{id:?} is no simulation's id, which is a UUID as start_simulation gives it"
        ));
        errors::exception(py, &error)
    })
}

fn unreachable_health() -> serde_json::Value {
    json!({
        "server_version": null,
        "extensions": {},
        "hypertables": [],
        "pool_stats": {"size": 0, "available": 0, "waiting": 0},
        "schema_version": null,
        "timestamp": jiff::Timestamp::now(),
        "response_time_ms": 0.0,
    })
}

/// The ids of what was recorded, and the verdicts on what was not.
fn brief_answer<'py>(
    py: Python<'py>,
    verdicts: impl Iterator<Item = ItemVerdict>,
    first: u64,
) -> PyResult<Bound<'py, PyTuple>> {
    let (ids, others) = (PyList::empty(py), PyList::empty(py));
    for (position, item) in (first..).zip(verdicts) {
        match item.verdict {
            Verdict::Stored | Verdict::Duplicate | Verdict::Spooled => {
                ids.append(item.outcome_id.to_string())?
            }
            Verdict::Rejected(_) | Verdict::Failed { .. } => {
                ids.append(py.None())?;
                others.append((position, verdict_dict(py, item)?))?;
            }
        }
    }
    (ids, others).into_pyobject(py)
}

/// A verdict as the dict that `record_batch` gives.
fn verdict_dict<'py>(py: Python<'py>, item: ItemVerdict) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let list = |violations: &[arc_host::extraction::Violation]| -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for violation in violations {
            list.append(errors::dict(py, violation)?)?;
        }
        Ok(list)
    };
    let (word, violations, retryable, message) = match &item.verdict {
        Verdict::Stored => ("stored", list(&[])?, false, None),
        Verdict::Duplicate => ("duplicate", list(&[])?, false, None),
        Verdict::Spooled => ("spooled", list(&[])?, false, None),
        Verdict::Rejected(violations) => ("rejected", list(violations)?, false, None),
        Verdict::Failed { retryable, message } => {
            ("failed", list(&[])?, *retryable, Some(message.as_str()))
        }
    };
    let outcome_id = (!item.outcome_id.is_nil()).then(|| item.outcome_id.to_string());
    dict.set_item("verdict", word)?;
    dict.set_item("outcome_id", outcome_id)?;
    dict.set_item("violations", violations)?;
    dict.set_item("warnings", list(&item.warnings)?)?;
    dict.set_item("retryable", retryable)?;
    dict.set_item("message", message)?;
    Ok(dict)
}
