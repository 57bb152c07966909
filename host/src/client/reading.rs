//! Queries.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Call, ServiceClient};
use crate::error::{Error, Result};
use crate::recorder::{ComparedRun, SimulationProgress};
use crate::store::{
    Annotation, Attachments, Failure, Metrics, MissingTrial, OutcomeFilter, OutcomePage,
    Performance, RecordedOutcome, RejectedPage, Revision, SimulationFilter,
};
use crate::wire::{
    AnnotationList, DeadLetterSelection, FailureList, MissingList, RejectedList,
    ResolvedSimulation, RevisionList, ServiceHealth, SimulationList, SpoolDropped,
    SpoolEntryDocument, SpoolEntryList, SpoolRequeued,
};

/// A page of outcomes whose outcomes are read one by one.
#[derive(Deserialize)]
struct RawPage {
    outcomes: Vec<Box<RawValue>>,
    cursor: Option<String>,
}

/// The part of an outcome that remains text.
#[derive(Deserialize)]
struct WithTrajectory<'t> {
    #[serde(borrow, default)]
    trajectory: Option<&'t RawValue>,
}

impl ServiceClient {
    /// Returns a page of the simulations that a filter selects, newest first.
    ///
    /// # Errors
    /// As [`Recorder::simulations`](crate::Recorder::simulations).
    pub async fn simulations(
        &self,
        filter: &SimulationFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationList> {
        let call = Call::get("v1/simulations")
            .with("status", filter.status)
            .with("name", filter.name.as_ref())
            .with("project", filter.project.as_ref())
            .with("tag", filter.tag.as_ref())
            .with("since", filter.since)
            .with("limit", Some(limit))
            .with("cursor", cursor);
        let call = filter
            .origin
            .texts()
            .into_iter()
            .fold(call, |call, (name, text)| call.with(name, text));
        self.json(call).await
    }

    /// Returns the id of the simulation that a text refers to.
    ///
    /// # Errors
    /// As [`Recorder::resolve_simulation`](crate::Recorder::resolve_simulation).
    pub async fn resolve_simulation(&self, reference: &str) -> Result<Uuid> {
        if let Ok(simulation_id) = Uuid::try_parse(reference) {
            return Ok(simulation_id);
        }
        let call = Call::get("v1/resolve").with("simulation", Some(reference));
        let ResolvedSimulation { simulation_id } = self.json(call).await?;
        Ok(simulation_id)
    }

    /// Returns the status of a simulation.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn simulation_status(&self, simulation_id: Uuid) -> Result<SimulationProgress> {
        self.json(Call::get(format!("v1/simulations/{simulation_id}"))).await
    }

    /// Returns the results of a simulation that have several revisions.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn revisions(&self, simulation_id: Uuid) -> Result<Vec<Revision>> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/revisions"));
        let RevisionList { revisions } = self.json(call).await?;
        Ok(revisions)
    }

    /// Returns the annotations of a simulation's results, or of one result.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn annotations(
        &self,
        simulation_id: Uuid,
        outcome_id: Option<Uuid>,
    ) -> Result<Vec<Annotation>> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/annotations"));
        let call = call.with("outcome_id", outcome_id);
        let AnnotationList { annotations } = self.json(call).await?;
        Ok(annotations)
    }

    /// Returns a recorded run as comparisons take it.
    ///
    /// # Errors
    /// As [`ComparedRun::read`].
    pub async fn compared_run(
        &self,
        simulation_id: Uuid,
        metric: Option<&str>,
        cluster: Option<&str>,
    ) -> Result<ComparedRun> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/compared-run"));
        self.json(call.with("metric", metric).with("cluster", cluster)).await
    }

    /// Returns the trials of a simulation that have no valid outcome.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn missing_trials(&self, simulation_id: Uuid) -> Result<Vec<MissingTrial>> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/missing"));
        let MissingList { missing } = self.json(call).await?;
        Ok(missing)
    }

    /// Returns a page of a simulation's outcomes.
    ///
    /// # Errors
    /// As [`Recorder::outcomes`](crate::Recorder::outcomes).
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attachments,
    ) -> Result<OutcomePage> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/outcomes"))
            .with("scenario_id", filter.scenario_id.as_ref())
            .with("status", filter.status)
            .with("limit", Some(limit))
            .with("cursor", cursor)
            .with("documents", attached.documents.then_some(true))
            .with("trajectories", attached.trajectories.then_some(true));
        let page: RawPage = self.json(call).await?;
        let outcomes: std::result::Result<Vec<RecordedOutcome>, serde_json::Error> =
            page.outcomes.iter().map(|raw| outcome(raw.get())).collect();
        let outcomes = outcomes.map_err(|error| {
            Error::configuration("invalid answer of the service").with_source(error)
        })?;
        Ok(OutcomePage { outcomes, cursor: page.cursor, large: None })
    }

    /// Returns a page of a simulation's rejected results.
    ///
    /// # Errors
    /// As [`Recorder::rejected`](crate::Recorder::rejected).
    pub async fn rejected(
        &self,
        simulation_id: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RejectedPage> {
        let call = Call::get(format!("v1/simulations/{simulation_id}/rejected"))
            .with("limit", Some(limit))
            .with("cursor", cursor);
        let RejectedList { rejected, cursor } = self.json(call).await?;
        Ok(RejectedPage { rejected, cursor })
    }

    /// Returns the hourly figures of a simulation for the last `hours`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        // ISO 8601 allows fractions of seconds.
        let range = format!("PT{:.3}S", hours * 3_600.0);
        let path = format!("v1/simulations/{simulation_id}/performance");
        self.json(Call::get(path).with("range", Some(range))).await
    }

    /// Returns the latest failures of all simulations, newest first.
    ///
    /// # Errors
    /// An error of the service.
    pub async fn failures(&self, limit: u32) -> Result<Vec<Failure>> {
        let list: FailureList =
            self.json(Call::get("v1/failures").with("limit", Some(limit))).await?;
        Ok(list.failures)
    }

    /// Returns the health of the service, without retries. An unreachable service
    /// is an error here.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not answer.
    pub async fn health(&self) -> Result<ServiceHealth> {
        self.counters.asked_for_health();
        let bytes = self.try_once(&Call::get("v1/health")).await?;
        self.parse(&bytes)
    }

    /// Returns entries of the service's spool after this number, oldest first: dead
    /// letters, or all of them. Requires a token with the scope `admin`, like the
    /// other calls for the spool.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the service has no spool.
    pub async fn spool_entries(
        &self,
        waiting: bool,
        limit: Option<u32>,
        after: Option<u64>,
    ) -> Result<SpoolEntryList> {
        let call = Call::get("v1/spool/entries").with("waiting", waiting.then_some(true));
        self.json(call.with("limit", limit).with("after", after)).await
    }

    /// Returns an entry of the service's spool with its document.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no entry has this number.
    pub async fn spool_entry(&self, sequence: u64) -> Result<SpoolEntryDocument> {
        self.json(Call::get(format!("v1/spool/entries/{sequence}"))).await
    }

    /// Requeues dead letters of the service.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not a dead letter.
    pub async fn requeue_dead_letters(
        &self,
        choice: &DeadLetterSelection,
    ) -> Result<SpoolRequeued> {
        self.json(selection_call("v1/spool/requeue", choice)?).await
    }

    /// Removes dead letters of the service permanently.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not a dead letter.
    pub async fn drop_dead_letters(&self, choice: &DeadLetterSelection) -> Result<SpoolDropped> {
        self.json(selection_call("v1/spool/drop", choice)?).await
    }

    /// Returns the counters of the service since its start.
    ///
    /// # Errors
    /// An error of the service.
    pub async fn metrics(&self) -> Result<Metrics> {
        self.json(Call::get("v1/stats")).await
    }
}

/// Parses an outcome, and keeps the text of its trajectory unchanged.
fn outcome(text: &str) -> serde_json::Result<RecordedOutcome> {
    let mut outcome: RecordedOutcome = serde_json::from_str(text)?;
    let beside: WithTrajectory = serde_json::from_str(text)?;
    outcome.trajectory = beside.trajectory.map(|raw| raw.get().to_owned());
    Ok(outcome)
}

fn selection_call(path: &str, choice: &DeadLetterSelection) -> Result<Call> {
    let body = serde_json::to_vec(choice).map_err(|error| {
        Error::invalid("the numbers could not be written as JSON").with_source(error)
    })?;
    Ok(Call::post(path, "application/json", body))
}
