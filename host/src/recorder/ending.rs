//! How a simulation ends: completed with its suite's summary, failed, or cancelled.

use uuid::Uuid;

use super::progress::SimulationCompleted;
use super::{Recorder, suite};
use crate::error::{Error, Result};
use crate::extraction::{SuiteSummary, Violation};
use crate::store::{Figures, Simulation, SimulationStatus};

impl Recorder {
    /// Completes a simulation with the suite's own summary (JSON text), and fixes its figures. Figures
    /// that are missing in the suite's summary are computed. Completing it again returns the same
    /// answer; results that arrive later are counted.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if the simulation has failed or was cancelled;
    /// [`Error::Rejected`] if the suite's summary is not valid.
    pub async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<SimulationCompleted> {
        let (simulation, computed, warnings) = self.complete(simulation_id, suite).await?;
        Ok(SimulationCompleted::new(&simulation, &computed, warnings))
    }

    /// Ends a simulation as failed, for a reason. A repetition changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended with another status.
    pub async fn fail_simulation(
        &self,
        simulation_id: Uuid,
        reason: &str,
    ) -> Result<SimulationStatus> {
        self.end_simulation(simulation_id, SimulationStatus::Failed, reason).await
    }

    /// Ends a simulation that was stopped on purpose, for a reason. A repetition changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended with another status.
    pub async fn cancel_simulation(
        &self,
        simulation_id: Uuid,
        reason: &str,
    ) -> Result<SimulationStatus> {
        self.end_simulation(simulation_id, SimulationStatus::Cancelled, reason).await
    }

    /// Validates a suite's summary, without the database.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the violations.
    pub async fn check_suite(&self, suite: &str) -> Result<()> {
        self.read_suite(suite).await.map(|_| ())
    }

    /// Ends a simulation as failed or cancelled, for a reason.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended with another status.
    pub async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<SimulationStatus> {
        // PostgreSQL's text cannot contain NUL, but that is no reason to leave a simulation running.
        self.make_ready().await?;
        let reason = reason.replace('\0', "\u{FFFD}");
        Ok(self.shared.store.end_simulation(simulation_id, status, &reason).await?.status)
    }

    pub(super) async fn complete(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<(Simulation, Figures, Vec<Violation>)> {
        let summary = match suite {
            None => None,
            Some(suite) => Some(self.read_suite(suite).await?),
        };
        self.make_ready().await?;
        let suite_figures = summary.as_ref().map(suite::suite_json);
        let (report, warnings) = summary
            .map(|summary| (suite::run_report(&summary.run), summary.warnings))
            .unwrap_or_default();
        let (simulation, computed) = self
            .shared
            .store
            .complete_simulation(simulation_id, suite_figures.as_ref(), &report)
            .await?;
        Ok((simulation, computed, warnings))
    }

    async fn read_suite(&self, suite: &str) -> Result<SuiteSummary> {
        let suite = suite.to_owned();
        self.extractor()
            .run(move |session| session.extract_suite(&suite))
            .await??
            .map_err(|violations| Error::Rejected { what: "the suite's summary", violations })
    }
}
