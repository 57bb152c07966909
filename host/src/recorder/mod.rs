//! The recorder: receives results, extracts them, and stores their outcomes.
//!
//! Every submission has a verdict of its own, in order; an invalid result never makes others fail. A
//! verdict is returned after the commit.

mod comparison;
mod ending;
mod group_commit;
mod history;
mod plan;
mod progress;
mod queue;
mod reading;
mod received_result;
mod reconciliation;
mod reextraction;
mod replay;
mod retry_reason;
mod rows;
mod scheduling;
mod sessions;
mod simulations;
mod start;
mod submission;
mod suite;
mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{OnceCell, Semaphore};
use uuid::Uuid;

pub use comparison::ComparedRun;
pub(crate) use plan::planned_row;
pub use plan::{DEFINITION_CHANGED, PlanDigest};
pub use progress::{
    HEADLINE_MISSING, Headline, INFRASTRUCTURE_SCORED, NOTHING_RAN, REVIEWED, SCALE_UNKNOWN,
    SCORE_WARNINGS, SimulationCompleted, SimulationFigures, SimulationProgress,
};
pub use reading::{duration_hours, time_since};
pub use received_result::ReceivedResult;
pub use reconciliation::{ComparisonResult, FigureComparison, Reconciliation};
pub use reextraction::{Reextraction, ReextractionEvent, ReextractionScope, SimulationChanges};
pub use replay::{ReplayProgress, ReplaySummary};
pub use start::SimulationStarted;
use start::check_metrics;
pub(crate) use start::{CheckedStart, configuration_id};
pub(crate) use submission::whole_failure;
pub use submission::{
    Document, FailureKind, ItemVerdict, NotFinite, NotFiniteNumber, Submission, Verdict,
};
#[allow(unused_imports, reason = "delivery is a feature")]
pub(crate) use suite::{Dimensions, metric_definition, run_report};

pub use crate::formats::ResultFormat;

use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::extraction::{Extractor, ExtractorIdentity, Violation};
use crate::formats::Formats;
use crate::identity;
use crate::lock::lock;
pub use crate::store::SimulationStart;
use crate::store::{
    Annotation, ListedResults, MetricDefinition, NewAnnotation, NewSimulation, PlannedRow,
    ResultList, Revision, Simulation, Store, check_project, check_tags,
};
use plan::{Plan, Plans};
pub(crate) use queue::LATER_REVISION_COUNTS;
use queue::Queue;
use rows::UNPLANNED;
use scheduling::CALLS_AT_ONCE;
use sessions::Sessions;

/// How many ids of extractors and headers are cached as registered in the database.
const CACHED_IDS: usize = 10_000;

/// Records results. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    /// For results that name no format.
    sessions: Arc<Sessions>,
}

#[derive(Debug)]
struct Shared {
    /// The formats that results can name. Default: the built-in ones.
    formats: OnceLock<Formats>,
    /// The sessions of the formats that were named so far.
    named: Mutex<HashMap<String, Arc<Sessions>>>,
    store: Store,
    queue: Queue,
    /// For calls whose results are extracted on threads.
    calls: Arc<Semaphore>,
    plans: Mutex<Plans>,
    /// Plans of starts that the database has not seen yet.
    expected_plans: Mutex<Plans>,
    /// Set once the schema is current and the extractor is registered.
    ready: OnceCell<()>,
    /// The extractors and headers that are registered in the database.
    registered: Mutex<HashSet<Uuid>>,
}

impl Shared {
    fn is_registered(&self, id: Uuid) -> bool {
        lock(&self.registered).contains(&id)
    }

    fn mark_registered(&self, id: Uuid) {
        let mut registered = lock(&self.registered);
        if registered.len() >= CACHED_IDS {
            registered.clear();
        }
        registered.insert(id);
    }
}

impl Recorder {
    /// Makes a recorder on a store whose schema is current, and registers the extractor.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn new(extractor: Extractor, store: Store) -> Result<Self> {
        let recorder = Recorder::when_reachable(extractor, store);
        recorder.ensure_extractor(recorder.extractor().identity()).await?;
        // The recorder is not shared yet.
        let _ = recorder.shared.ready.set(());
        Ok(recorder)
    }

    /// Makes a recorder on a store that might be unavailable. The first call that reaches the database
    /// migrates its schema and registers the extractor.
    pub fn when_reachable(extractor: Extractor, store: Store) -> Self {
        let sessions = Arc::new(Sessions::new(extractor));
        let queue = Queue::new(&store);
        let shared = Shared {
            formats: OnceLock::new(),
            named: Mutex::default(),
            store,
            queue,
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            plans: Mutex::default(),
            expected_plans: Mutex::default(),
            ready: OnceCell::new(),
            registered: Mutex::default(),
        };
        Recorder { shared: Arc::new(shared), sessions }
    }

    /// Sets the formats that results can name. Only the first call has an effect, and only before a
    /// result has named a format.
    #[must_use]
    pub fn with_formats(self, formats: Formats) -> Self {
        let _ = self.shared.formats.set(formats);
        self
    }

    /// Returns the formats that results can name.
    pub fn formats(&self) -> &Formats {
        self.shared.formats.get_or_init(Formats::default)
    }

    /// Returns the same recorder for results of another format: a result that names no format is of
    /// this one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no format has this name.
    pub async fn in_format(&self, name: &str) -> Result<Self> {
        let sessions = self.sessions_of(name).await?;
        Ok(Recorder { shared: Arc::clone(&self.shared), sessions })
    }

    /// Returns why results are currently being sent to the database again. A database can answer pings
    /// and still store nothing, for example when its disk is full.
    pub(crate) fn retry_reason(&self) -> Option<String> {
        self.shared.queue.retry_reason()
    }

    /// Returns the names of the formats whose results the database might contain, this recorder's own
    /// first.
    ///
    /// # Errors
    /// An error of the database.
    pub async fn recorded_formats(&self) -> Result<Vec<String>> {
        self.make_ready().await?;
        let own = self.extractor().identity().name.clone();
        let mut names = self.shared.store.extractor_names().await?;
        names.retain(|name| *name != own);
        names.insert(0, own);
        Ok(names)
    }

    async fn sessions_of(&self, name: &str) -> Result<Arc<Sessions>> {
        if name == self.extractor().identity().name {
            return Ok(Arc::clone(&self.sessions));
        }
        let extractor = match self.formats().loaded(name) {
            Some(extractor) => extractor,
            None => {
                let (formats, name) = (self.formats().clone(), name.to_owned());
                blocking(move || formats.extractor(&name)).await??
            }
        };
        let mut named = lock(&self.shared.named);
        if let Some(sessions) = named.get(name)
            && sessions.extractor().identity() == extractor.identity()
        {
            return Ok(Arc::clone(sessions));
        }
        let sessions = Arc::new(Sessions::new(extractor));
        named.insert(name.to_owned(), Arc::clone(&sessions));
        Ok(sessions)
    }

    /// Ensures that the schema is current and the extractor registered.
    ///
    /// # Errors
    /// [`Error::Schema`] if the schema is newer than this program; an error of the database.
    pub async fn make_ready(&self) -> Result<()> {
        let prepare = || async {
            self.shared.store.bring_up_to_date().await?;
            self.ensure_extractor(self.extractor().identity()).await
        };
        self.shared.ready.get_or_try_init(prepare).await.copied()
    }

    /// Ensures that an extractor is registered in the database: outcomes only refer to its id.
    async fn ensure_extractor(&self, extractor: &ExtractorIdentity) -> Result<()> {
        if !self.shared.is_registered(extractor.id) {
            self.shared.store.register_extractor(extractor).await?;
            self.shared.mark_registered(extractor.id);
        }
        Ok(())
    }

    /// Returns the extractor in use.
    pub fn extractor(&self) -> &Extractor {
        self.sessions.extractor()
    }

    /// Returns the store in use.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Starts a simulation from the rows of its plan, which need not fit into memory. The first writer
    /// of an id wins: starting it again with the same plan returns the simulation in its current state.
    /// Metrics that it does not define in this way yet are declared, and tags that it lacks are added. The
    /// warnings are about scenarios whose definition is not that of the existing plan, if that can grow.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the id exists with another plan that cannot grow;
    /// [`Error::SimulationRemoved`].
    pub async fn start_planned(
        &self,
        new: &NewSimulation,
        mut plan: impl Iterator<Item = Result<PlannedRow>>,
    ) -> Result<(Simulation, Vec<Violation>)> {
        check_metrics(&new.start().metrics, new.start().score_scale)?;
        check_tags(&new.start().tags)?;
        new.start().project.as_deref().map_or(Ok(()), check_project)?;
        self.make_ready().await?;
        let store = &self.shared.store;
        let started = store.start_simulation(new, &mut plan).await;
        let (simulation, written) =
            started.inspect_err(|_| self.plans().forget(new.simulation_id))?;
        if written {
            // A simulation with the same id might have been removed, and was started at another time.
            self.plans().forget(new.simulation_id);
        }
        let mut warnings = Vec::new();
        if written {
            return Ok((simulation, warnings));
        }
        if simulation.project != new.start().project() {
            return Err(Error::conflict(format!(
                "simulation {} exists in another project than {:?}",
                new.simulation_id,
                new.start().project()
            ))
            .with_hint("use another id, or name its project (--project, ARC_PROJECT)"));
        }
        let same_plan =
            simulation.plan_sha256 == new.plan_sha256 && simulation.trials == new.trials();
        let simulation = if same_plan {
            simulation
        } else if new.plan_may_grow() {
            let (simulation, changed) = store.extend_plan(new, plan).await?;
            self.plans().forget(new.simulation_id);
            warnings.extend(plan::changed_definitions(&changed));
            simulation
        } else {
            return Err(Error::conflict(format!(
                "simulation {} was started before with another plan of {} scenarios and {} trials",
                new.simulation_id, simulation.planned_scenarios, simulation.trials
            ))
            .with_hint("use another id"));
        };
        let declared = new.start().declared_metrics();
        let mut updated = simulation.declared_metrics.clone();
        updated.update(declared.list());
        let mut simulation = match updated == simulation.declared_metrics {
            true => simulation,
            false => store.declare_metrics(new.simulation_id, declared.list()).await?,
        };
        let tags = &new.start().tags;
        if tags.iter().any(|tag| !simulation.tags.contains(tag)) {
            simulation.tags = store.tag_simulation(new.simulation_id, tags, &[]).await?.tags;
        }
        Ok((simulation, warnings))
    }

    /// Declares metrics of a simulation, without recording its results again: their unit, range and
    /// direction, and which of them is the score. Members replace earlier ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a definition is not valid; [`Error::NotFound`].
    pub async fn declare_metrics(
        &self,
        simulation_id: Uuid,
        definitions: &[MetricDefinition],
    ) -> Result<SimulationProgress> {
        if definitions.is_empty() {
            return Err(Error::invalid("no metric is declared").with_hint("pass one definition"));
        }
        check_metrics(definitions, None)?;
        self.make_ready().await?;
        self.shared.store.declare_metrics(simulation_id, definitions).await?;
        SimulationProgress::read(&self.shared.store, simulation_id).await
    }

    /// Selects the revision of a result that counts: the one with this number, or else the one that was
    /// made last. Returns all its revisions.
    ///
    /// # Errors
    /// As [`Store::select_revision`].
    pub async fn select_revision(
        &self,
        simulation_id: Uuid,
        result_key: Option<&str>,
        revision: Option<i64>,
    ) -> Result<Vec<Revision>> {
        self.make_ready().await?;
        let store = &self.shared.store;
        let revisions = store.select_revision(simulation_id, result_key, revision).await?;
        // The list of simulations has the figures that were computed last.
        store.simulation_with_figures(simulation_id).await?;
        Ok(revisions)
    }

    /// Annotates results, and returns the annotations that were made. `author` is the author of those that
    /// have none; the default is the user of the database.
    ///
    /// # Errors
    /// As [`Store::annotate`].
    pub async fn annotate(
        &self,
        simulation_id: Uuid,
        annotations: &[NewAnnotation],
        author: Option<&str>,
    ) -> Result<Vec<Annotation>> {
        self.make_ready().await?;
        let store = &self.shared.store;
        let made = store.annotate(simulation_id, annotations, author).await?;
        // The list of simulations has the figures that were computed last.
        store.simulation_with_figures(simulation_id).await?;
        Ok(made)
    }

    /// Returns a recorded run as comparisons take it; see [`ComparedRun::read`].
    ///
    /// # Errors
    /// As [`ComparedRun::read`].
    pub async fn compared_run(
        &self,
        simulation_id: Uuid,
        metric: Option<&str>,
        cluster: Option<&str>,
    ) -> Result<ComparedRun> {
        self.make_ready().await?;
        ComparedRun::read(&self.shared.store, simulation_id, metric, cluster).await
    }

    /// Compares a list of recorded results with those of their simulation: a result that the tool's
    /// final list lacks is superseded, and an earlier revision that a newer file has counts again.
    ///
    /// # Errors
    /// As [`Store::compare_results`].
    pub async fn compare_results(
        &self,
        simulation_id: Uuid,
        list: &ResultList,
    ) -> Result<ListedResults> {
        self.make_ready().await?;
        self.shared.store.compare_results(simulation_id, list).await
    }

    /// Records results of one simulation and returns a verdict for each, in order. The results are
    /// received when this is called, in the order of the calls, even if the future is awaited later.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist, [`Error::SimulationRemoved`] if it was removed,
    /// also meanwhile, or an error of the database before anything was stored. An error while storing is the
    /// verdict of each affected item.
    pub fn record_batch(
        &self,
        simulation_id: Uuid,
        submissions: Vec<Submission>,
    ) -> impl Future<Output = Result<Vec<ItemVerdict>>> + Send + use<> {
        let recorder = self.clone();
        let clock = self.store().clock();
        let received = ReceivedResult::accept(simulation_id, submissions, clock);
        async move { recorder.record_received(simulation_id, received).await }
    }

    /// Records one result and returns the id of its outcome, which might have been stored before.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the violations of an invalid result, which is stored among the rejected
    /// ones; [`Error::NotFound`]; [`Error::Unavailable`] if the same call might succeed later, and
    /// [`Error::Refused`] if it would not.
    pub async fn record_outcome(
        &self,
        simulation_id: Uuid,
        submission: Submission,
    ) -> Result<Uuid> {
        let mut verdicts = self.record_batch(simulation_id, vec![submission]).await?;
        let Some(item) = verdicts.pop() else {
            return Err(Error::component("the result has got no verdict"));
        };
        match item.verdict {
            Verdict::Stored | Verdict::Duplicate | Verdict::Spooled => Ok(item.outcome_id),
            Verdict::Rejected(violations) => {
                Err(Error::Rejected { what: "the result", violations })
            }
            Verdict::Failed { kind, message, hint } => Err(kind.into_error(message, hint)),
        }
    }

    /// Waits for the open transactions, then closes the connections. Recording fails from then on.
    /// Closing again does nothing.
    pub async fn close(&self) {
        self.shared.queue.close().await;
        self.shared.store.close();
    }

    /// The simulation's plan. It is read once; a start that extends it forgets it.
    async fn plan(&self, simulation_id: Uuid) -> Result<Arc<Plan>> {
        let cached = self.plans().get(simulation_id);
        if let Some(plan) = cached {
            return Ok(plan);
        }
        self.make_ready().await?;
        let simulation = self.shared.store.simulation(simulation_id).await?;
        let trials = self.shared.store.planned_trials(&simulation).await?;
        let plan = Arc::new(Plan::new(&simulation, trials));
        self.plans().keep(Arc::clone(&plan));
        self.expected_plans().forget(simulation_id);
        Ok(plan)
    }

    /// Whether the plan of a simulation is known without the database.
    pub(crate) fn knows_plan(&self, simulation_id: Uuid) -> bool {
        self.known_plan(simulation_id).is_some()
    }

    /// Returns the plan of a simulation, if it is known without the database.
    fn known_plan(&self, simulation_id: Uuid) -> Option<Arc<Plan>> {
        let read = self.plans().get(simulation_id);
        read.or_else(|| self.expected_plans().get(simulation_id))
    }

    /// Remembers the plan of a start that the database has not seen yet.
    fn expect_plan(&self, plan: Plan) {
        self.expected_plans().keep(Arc::new(plan));
    }

    fn expected_plans(&self) -> std::sync::MutexGuard<'_, Plans> {
        lock(&self.shared.expected_plans)
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Plans> {
        lock(&self.shared.plans)
    }
}

/// Makes an id for a simulation that is to be a new one.
pub fn new_simulation_id() -> Uuid {
    identity::new_id()
}
