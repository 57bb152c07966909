//! The destinations of recording calls.

use std::time::Duration;

use uuid::Uuid;

use super::{DeliveryAnswer, StartAnswer};
use crate::Recorder;
use crate::client::ServiceClient;
use crate::error::{Error, Result, TRY_AGAIN};
use crate::recorder::{
    CheckedStart, ItemVerdict, ReceivedResult, SimulationCompleted, SimulationProgress,
    SimulationStart, Verdict,
};
use crate::store::{
    Annotation, DatabaseClock, ListedResults, MetricDefinition, NewAnnotation, RemovedSimulation,
    ResultList, Revision, SimulationLabels, SimulationStatus,
};

/// How long an available destination can take to answer a ping.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// How long a simulation can be unknown to a database: its start can be in the spool of another service
/// for which the database was unavailable, too.
const UNKNOWN_IN_DATABASE: Duration = Duration::from_secs(5);

/// How long a simulation can be unknown to a service, which can itself be waiting for its database.
const UNKNOWN_IN_SERVICE: Duration = Duration::from_secs(600);

/// The destination of a delivery: a [`Destination`], or in tests one in memory. Cheap to clone.
pub trait Sink: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Returns the clock for the time of receipt.
    fn clock(&self) -> &DatabaseClock;

    /// Returns how long a simulation can be unknown before its calls are refused.
    fn unknown_for(&self) -> Duration;

    /// Returns why it stores nothing at the moment, although it possibly answers pings.
    fn unavailable_reason(&self) -> Option<String>;

    /// Pings the destination.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send;

    /// Stores a version of an agent's configuration and returns its id.
    fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> impl Future<Output = Result<(String, DeliveryAnswer<()>)>> + Send;

    /// Checks a start without the destination, as far as possible.
    fn check_start(
        &self,
        start: &SimulationStart,
    ) -> impl Future<Output = Result<CheckedStart>> + Send;

    /// Remembers the plan of a spooled start, for previews.
    fn expect_start(&self, checked: CheckedStart);

    /// Converts the time of a start from the host's clock to the database's.
    fn correct_start(&self, start: &mut SimulationStart)
    -> impl Future<Output = Result<()>> + Send;

    /// Starts a simulation.
    fn start_simulation(
        &self,
        start: SimulationStart,
    ) -> impl Future<Output = Result<StartAnswer>> + Send;

    /// Records results that were received before, and returns a verdict for each, in order.
    fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> impl Future<Output = Result<Vec<ItemVerdict>>> + Send;

    /// Returns whether the plan of a simulation is known for previews.
    fn knows_plan(&self, simulation_id: Uuid) -> bool;

    /// Returns the expected verdicts on results, as far as they can be determined without the
    /// destination.
    fn preview(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> impl Future<Output = Result<Vec<ItemVerdict>>> + Send;

    /// Checks the summary of a suite without the destination, as far as possible.
    fn check_suite(&self, suite: &str) -> impl Future<Output = Result<()>> + Send;

    /// Completes a simulation.
    fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> impl Future<Output = Result<DeliveryAnswer<SimulationCompleted>>> + Send;

    /// Ends a simulation as failed or cancelled.
    fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> impl Future<Output = Result<DeliveryAnswer<SimulationStatus>>> + Send;
}

/// A destination of recording calls. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A database, through the recorder of this process.
    Database(Recorder),
    /// A service, over HTTP. It stamps the time of receipt itself.
    Service(ServiceClient),
}

/// The clock of this host, used when a service sets the time of receipt itself.
static HOST_CLOCK: DatabaseClock = DatabaseClock::new();

impl Destination {
    /// Renames a simulation.
    ///
    /// # Errors
    /// As [`Recorder::rename_simulation`].
    pub async fn rename_simulation(
        &self,
        simulation_id: Uuid,
        name: &str,
    ) -> Result<SimulationLabels> {
        match self {
            Destination::Database(recorder) => {
                recorder.rename_simulation(simulation_id, name).await
            }
            Destination::Service(client) => client.rename_simulation(simulation_id, name).await,
        }
    }

    /// Adds and removes tags of a simulation.
    ///
    /// # Errors
    /// As [`Recorder::tag_simulation`].
    pub async fn tag_simulation(
        &self,
        simulation_id: Uuid,
        add: &[String],
        remove: &[String],
    ) -> Result<SimulationLabels> {
        match self {
            Destination::Database(recorder) => {
                recorder.tag_simulation(simulation_id, add, remove).await
            }
            Destination::Service(client) => client.tag_simulation(simulation_id, add, remove).await,
        }
    }

    /// Removes a simulation with all its data.
    ///
    /// # Errors
    /// As [`Recorder::remove_simulation`].
    pub async fn remove_simulation(&self, simulation_id: Uuid) -> Result<RemovedSimulation> {
        match self {
            Destination::Database(recorder) => {
                recorder.remove_simulation(simulation_id, None).await
            }
            Destination::Service(client) => client.remove_simulation(simulation_id).await,
        }
    }

    /// Declares metrics of a simulation.
    ///
    /// # Errors
    /// As [`Recorder::declare_metrics`].
    pub async fn declare_metrics(
        &self,
        simulation_id: Uuid,
        definitions: &[MetricDefinition],
    ) -> Result<SimulationProgress> {
        match self {
            Destination::Database(recorder) => {
                recorder.declare_metrics(simulation_id, definitions).await
            }
            Destination::Service(client) => {
                client.declare_metrics(simulation_id, definitions).await
            }
        }
    }

    /// Selects the revision of a result that counts, and returns all its revisions.
    ///
    /// # Errors
    /// As [`Recorder::select_revision`].
    pub async fn select_revision(
        &self,
        simulation_id: Uuid,
        result_key: Option<&str>,
        revision: Option<i64>,
    ) -> Result<Vec<Revision>> {
        match self {
            Destination::Database(recorder) => {
                recorder.select_revision(simulation_id, result_key, revision).await
            }
            Destination::Service(client) => {
                client.select_revision(simulation_id, result_key, revision).await
            }
        }
    }

    /// Annotates results, and returns the annotations that were made.
    ///
    /// # Errors
    /// As [`Recorder::annotate`].
    pub async fn annotate(
        &self,
        simulation_id: Uuid,
        annotations: &[NewAnnotation],
    ) -> Result<Vec<Annotation>> {
        match self {
            Destination::Database(recorder) => {
                recorder.annotate(simulation_id, annotations, None).await
            }
            Destination::Service(client) => client.annotate(simulation_id, annotations).await,
        }
    }

    /// Compares a list of recorded results with those of their simulation.
    ///
    /// # Errors
    /// As [`Recorder::compare_results`].
    pub async fn compare_results(
        &self,
        simulation_id: Uuid,
        list: &ResultList,
    ) -> Result<ListedResults> {
        match self {
            Destination::Database(recorder) => recorder.compare_results(simulation_id, list).await,
            Destination::Service(client) => client.compare_results(simulation_id, list).await,
        }
    }
}

impl Sink for Destination {
    fn clock(&self) -> &DatabaseClock {
        match self {
            Destination::Database(recorder) => recorder.store().clock(),
            Destination::Service(_) => &HOST_CLOCK,
        }
    }

    async fn correct_start(&self, start: &mut SimulationStart) -> Result<()> {
        match self {
            Destination::Database(recorder) => recorder.correct_start(start).await,
            // The service sets the time of a start itself.
            Destination::Service(_) => Ok(()),
        }
    }

    fn unknown_for(&self) -> Duration {
        match self {
            Destination::Database(_) => UNKNOWN_IN_DATABASE,
            Destination::Service(_) => UNKNOWN_IN_SERVICE,
        }
    }

    fn unavailable_reason(&self) -> Option<String> {
        match self {
            Destination::Database(recorder) => recorder.retry_reason(),
            Destination::Service(_) => None,
        }
    }

    async fn ping(&self) -> Result<()> {
        let asked = async {
            match self {
                Destination::Database(recorder) => recorder.store().answers().await,
                Destination::Service(client) => client.reach().await,
            }
        };
        tokio::time::timeout(ANSWER_TIME, asked).await.unwrap_or_else(|_| {
            Err(Error::unavailable(format!("no answer within {} s", ANSWER_TIME.as_secs()))
                .with_hint(TRY_AGAIN))
        })
    }

    async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<(String, DeliveryAnswer<()>)> {
        match self {
            Destination::Database(recorder) => {
                let id = recorder.create_configuration(name, configuration, user_id).await?;
                Ok((id, DeliveryAnswer::Committed(())))
            }
            Destination::Service(client) => {
                client.create_configuration(name, configuration, user_id).await
            }
        }
    }

    async fn start_simulation(&self, start: SimulationStart) -> Result<StartAnswer> {
        match self {
            Destination::Database(recorder) => {
                let simulation = recorder.start_simulation(start).await?;
                Ok(StartAnswer { simulation, spooled: false })
            }
            Destination::Service(client) => client.start_simulation(start).await,
        }
    }

    async fn check_start(&self, start: &SimulationStart) -> Result<CheckedStart> {
        match self {
            Destination::Database(recorder) => recorder.read_start(start).await,
            // Only the service can check the scenarios.
            Destination::Service(_) => {
                let scenarios: Vec<serde::de::IgnoredAny> = serde_json::from_str(&start.scenarios)
                    .map_err(|error| {
                        Error::invalid("the list of scenarios is no JSON array").with_source(error)
                    })?;
                let count = u32::try_from(scenarios.len()).unwrap_or(u32::MAX);
                Ok(CheckedStart::counted(count))
            }
        }
    }

    fn expect_start(&self, checked: CheckedStart) {
        if let Destination::Database(recorder) = self {
            recorder.expect_start(checked);
        }
    }

    async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        match self {
            Destination::Database(recorder) => {
                recorder.record_received(simulation_id, received).await
            }
            Destination::Service(client) => {
                let submissions = received.into_iter().map(|received| received.submission);
                client.record_batch(simulation_id, submissions.collect()).await
            }
        }
    }

    fn knows_plan(&self, simulation_id: Uuid) -> bool {
        match self {
            Destination::Database(recorder) => recorder.knows_plan(simulation_id),
            // Only the service examines results.
            Destination::Service(_) => true,
        }
    }

    async fn preview(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        match self {
            Destination::Database(recorder) => recorder.preview(simulation_id, received).await,
            Destination::Service(_) => Ok(received
                .into_iter()
                .map(|received| ItemVerdict {
                    outcome_id: received.outcome_id,
                    verdict: Verdict::Spooled,
                    warnings: Vec::new(),
                })
                .collect()),
        }
    }

    async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<DeliveryAnswer<SimulationCompleted>> {
        match self {
            Destination::Database(recorder) => recorder
                .complete_simulation(simulation_id, suite)
                .await
                .map(DeliveryAnswer::Committed),
            Destination::Service(client) => client.complete_simulation(simulation_id, suite).await,
        }
    }

    async fn check_suite(&self, suite: &str) -> Result<()> {
        match self {
            Destination::Database(recorder) => recorder.check_suite(suite).await,
            Destination::Service(_) => Ok(()),
        }
    }

    async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<DeliveryAnswer<SimulationStatus>> {
        match self {
            Destination::Database(recorder) => {
                let ended = recorder.end_simulation(simulation_id, status, reason).await?;
                Ok(DeliveryAnswer::Committed(ended))
            }
            Destination::Service(client) => {
                client.end_simulation(simulation_id, status, reason).await
            }
        }
    }
}
