//! The `recorder` interface of `wit/recorder.wit` on a [`Recorder`](crate::Recorder).

use super::RecorderCtxView;
use super::answers::{Answer, simulation_id, status_of, submission};
use crate::bindings::runner::arc::recording::recorder::{
    Failure, Host, HourlyPerformance, ItemVerdict, OutcomePage, OutcomeQuery, SimulationCompleted,
    SimulationProgress, SimulationStart, SimulationStarted, SimulationStatus, Submission,
};
use crate::recorder;
use crate::store::{Attachments, OutcomeFilter};

/// The default number of outcomes in a page.
const PAGE_OUTCOMES: u32 = 100;

/// The most failures that one call returns.
const MAX_FAILURES: u32 = 1_000;

impl Host for RecorderCtxView<'_> {
    async fn start_simulation(&mut self, start: SimulationStart) -> Answer<SimulationStarted> {
        let id = start.simulation_id.as_deref().map(simulation_id).transpose()?;
        let started = self.recorder.start_simulation(recorder::SimulationStart {
            simulation_id: id,
            config_version_id: start.config_version_id,
            scenarios: start.scenarios,
            trials: start.trials,
            simulation_name: start.simulation_name,
            modal_app_id: start.modal_app_id,
            modal_environment: start.modal_environment,
            sandbox_instances: start.sandbox_instances,
            metadata: start.metadata,
            metrics: start.metrics.iter().map(recorder::metric_definition).collect(),
            score_scale: start.score_scale,
            ..recorder::SimulationStart::default()
        });
        Ok(started.await?.into())
    }

    async fn record_outcomes(
        &mut self,
        simulation: String,
        submissions: Vec<Submission>,
    ) -> Answer<Vec<ItemVerdict>> {
        let submissions = submissions.into_iter().zip(0..).map(submission).collect();
        let verdicts = self.recorder.record_batch(simulation_id(&simulation)?, submissions).await?;
        Ok(verdicts.into_iter().map(Into::into).collect())
    }

    async fn complete_simulation(
        &mut self,
        simulation: String,
        suite: Option<String>,
    ) -> Answer<SimulationCompleted> {
        let id = simulation_id(&simulation)?;
        Ok(self.recorder.complete_simulation(id, suite.as_deref()).await?.into())
    }

    async fn fail_simulation(
        &mut self,
        simulation: String,
        reason: String,
    ) -> Answer<SimulationStatus> {
        let id = simulation_id(&simulation)?;
        Ok(status_of(self.recorder.fail_simulation(id, &reason).await?))
    }

    async fn cancel_simulation(
        &mut self,
        simulation: String,
        reason: String,
    ) -> Answer<SimulationStatus> {
        let id = simulation_id(&simulation)?;
        Ok(status_of(self.recorder.cancel_simulation(id, &reason).await?))
    }

    async fn get_simulation_status(&mut self, simulation: String) -> Answer<SimulationProgress> {
        Ok(self.recorder.simulation_status(simulation_id(&simulation)?).await?.into())
    }

    async fn outcomes(&mut self, simulation: String, query: OutcomeQuery) -> Answer<OutcomePage> {
        let id = simulation_id(&simulation)?;
        let filter = OutcomeFilter { scenario_id: query.scenario_id, status: query.status };
        let limit = query.limit.unwrap_or(PAGE_OUTCOMES);
        let attached = Attachments { documents: query.documents, ..Attachments::default() };
        let cursor = query.cursor.as_deref();
        Ok(self.recorder.outcomes(id, &filter, limit, cursor, attached).await?.into())
    }

    async fn performance(
        &mut self,
        simulation: String,
        range_hours: u32,
    ) -> Answer<Vec<HourlyPerformance>> {
        let id = simulation_id(&simulation)?;
        let performance = self.recorder.performance(id, f64::from(range_hours)).await?;
        Ok(performance.hourly_metrics.into_iter().map(Into::into).collect())
    }

    async fn failures(&mut self, limit: u32) -> Answer<Vec<Failure>> {
        let failures = self.recorder.recent_failures(limit.min(MAX_FAILURES)).await?;
        Ok(failures.into_iter().map(Into::into).collect())
    }

    async fn health(&mut self) -> String {
        serde_json::to_string(&self.recorder.health().await).unwrap_or_default()
    }

    async fn stats(&mut self) -> String {
        serde_json::to_string(&self.recorder.metrics()).unwrap_or_default()
    }
}
