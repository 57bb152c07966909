//! What can be asked of a recorder.

use uuid::Uuid;

use super::Recorder;
use super::progress::SimulationProgress;
use crate::error::Result;
use crate::store::{
    Attached, Failure, Health, Metrics, OutcomeFilter, OutcomePage, Performance, RejectedResult,
    SimulationPage, SimulationStatus,
};

impl Recorder {
    /// Where a simulation stands.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation.
    pub async fn simulation_status(&self, simulation_id: Uuid) -> Result<SimulationProgress> {
        let (simulation, figures) = self.shared.store.standing(simulation_id).await?;
        Ok(SimulationProgress::new(&simulation, &figures))
    }

    /// A page of a simulation's outcomes, in order of scenario, trial and attempt: at most `limit`
    /// of them, from 1 to 1,000, from the beginning or from where the page before ended.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation;
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is not one of
    /// this simulation's.
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attached,
    ) -> Result<OutcomePage> {
        self.shared.store.simulation(simulation_id).await?;
        self.shared.store.outcomes_page(simulation_id, filter, limit, cursor, attached).await
    }

    /// A page of the simulations, newest first: at most `limit` of them, from 1 to 1,000.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is none.
    pub async fn simulations(
        &self,
        status: Option<SimulationStatus>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationPage> {
        self.shared.store.simulations_page(status, limit, cursor).await
    }

    /// What was rejected in a simulation, in order of receipt; without the documents.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation.
    pub async fn rejected(&self, simulation_id: Uuid) -> Result<Vec<RejectedResult>> {
        self.shared.store.simulation(simulation_id).await?;
        self.shared.store.rejected(simulation_id).await
    }

    /// A simulation by the hour, for the last so many hours.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        self.shared.store.performance(simulation_id, hours).await
    }

    /// The latest failures of all simulations, newest first.
    ///
    /// # Errors
    /// An error of the database.
    pub async fn recent_failures(&self, limit: u32) -> Result<Vec<Failure>> {
        self.shared.store.failures(limit.into()).await
    }

    /// Whether the database works. One that cannot be reached is an answer too, not an error.
    pub async fn health(&self) -> Health {
        self.shared.store.health().await
    }

    /// What this recorder and its store have done so far.
    pub fn metrics(&self) -> Metrics {
        self.shared.store.metrics()
    }
}
