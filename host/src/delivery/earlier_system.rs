//! Import of the simulations of the earlier Python system.
//!
//! A simulation keeps its id, and its outcomes become results of the built-in format, so that importing
//! it again records only new ones. The earlier system's own figures of a simulation count; those that it
//! lacks are computed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use uuid::Uuid;

use super::file_summary::{FileSummary, RejectedItem, ResultPlace};
use super::{DeliveryAnswer, Destination, Sink as _};
use crate::error::{Error, Result};
use crate::recorder::{ReceivedResult, Submission, whole_failure};
use crate::store::{EarlierRun, EarlierSimulation, EarlierSystem, SimulationStatus};

/// An import of simulations of the earlier system.
#[derive(Debug)]
pub struct EarlierImport {
    /// The earlier system.
    pub system: EarlierSystem,
    /// The destination of its simulations.
    pub destination: Destination,
    /// Set by the caller to stop after the batch in progress.
    pub stop: Arc<AtomicBool>,
}

/// What became of a simulation of the earlier system.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedSimulation {
    /// Its id, in both systems.
    pub simulation_id: Uuid,
    /// Its name.
    pub simulation_name: Option<String>,
    /// Its status now; `null` if it is not known.
    pub status: Option<SimulationStatus>,
    /// Its status in the earlier system.
    pub earlier_status: String,
    /// Its outcomes in the earlier system, with each attempt and each repetition of a batch.
    pub earlier_outcomes: i64,
    /// Outcomes that were newly stored.
    pub stored: u64,
    /// Outcomes that an earlier import has stored.
    pub duplicate: u64,
    /// Outcomes that wait in a service's spool until its database is available.
    pub spooled: u64,
    /// Outcomes that are not valid; they are stored with the reasons.
    pub rejected: u64,
    /// Outcomes that were not recorded.
    pub failed: u64,
    /// Why the first of these was not recorded.
    pub failure: Option<String>,
    /// Whether recording the failed ones again can succeed.
    pub retryable: bool,
    /// Whether the import was stopped before its last outcome.
    pub interrupted: bool,
    /// Planned trials, and unplanned ones.
    pub total_scenarios: Option<i64>,
    /// Those with an outcome.
    pub completed_scenarios: Option<i64>,
    /// Its score, from 0 to 1: its own of the earlier system, or the computed one.
    pub overall_score: Option<f64>,
    /// The score that is computed from its outcomes, of each trial's latest attempt.
    pub computed_score: Option<f64>,
    /// Its score in the earlier system.
    pub earlier_overall_score: Option<f64>,
    /// The first outcomes that are not valid.
    pub rejected_results: Vec<RejectedItem>,
    /// Notes for people.
    pub notes: Vec<String>,
}

impl ImportedSimulation {
    /// Whether all of it is recorded.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && !self.interrupted
    }
}

impl EarlierImport {
    /// Imports a simulation, and calls `report` with the number of outcomes of each batch.
    ///
    /// # Errors
    /// [`Error::SimulationRemoved`] if it was imported before and then removed; an error of either
    /// database. Outcomes that were stored before stay stored, and the same call again records the rest.
    pub async fn import(
        &self,
        listed: &EarlierSimulation,
        mut report: impl FnMut(u64),
    ) -> Result<ImportedSimulation> {
        let simulation_id = listed.simulation_id;
        let EarlierRun { mut start, configuration, suite, mut outcomes } =
            self.system.read(simulation_id).await?;
        let mut notes = Vec::new();
        if let Some(known) = configuration {
            let (name, content) = (&known.name, &known.content);
            let user_id = known.user_id.as_deref();
            match self.destination.create_configuration(name, content, user_id).await {
                Ok((config_version_id, _)) => start.config_version_id = config_version_id,
                Err(reason @ Error::Invalid(_)) => {
                    notes.push(format!("its configuration is left out: {}", reason.report()));
                }
                Err(error) => return Err(error),
            }
        }
        let started = self.destination.start_simulation(start).await?;
        notes.extend(started.simulation.warnings.into_iter().map(|warning| warning.message));
        let is_running = started.simulation.status == SimulationStatus::Running;

        let mut summary = FileSummary::default();
        let mut position = 0;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                summary.interrupted = true;
                break;
            }
            let documents = outcomes.next().await?;
            if documents.is_empty() {
                break;
            }
            let submissions = documents.into_iter().map(Submission::new).collect();
            let received =
                ReceivedResult::accept(simulation_id, submissions, self.destination.clock());
            let verdicts = self.destination.record_received(simulation_id, received).await?;
            let hopeless = whole_failure(&verdicts).is_some();
            report(verdicts.len() as u64);
            for verdict in verdicts {
                summary.add(ResultPlace { position, line: None }, verdict);
                position += 1;
            }
            if hopeless {
                // The database has failed: further outcomes would only fail too.
                break;
            }
        }
        let whole = !summary.interrupted && !summary.retryable;
        if let (true, true, Some(suite)) = (is_running, whole, suite) {
            notes.extend(self.complete(simulation_id, &suite).await?);
        } else if is_running && whole && summary.spooled == 0 {
            notes.push(format!(
                "it is {} in the earlier system, and stays open: import it again when it has ended, or end \
                 it with `arc-host fail {simulation_id} --reason …`",
                listed.status
            ));
        }
        let known = match summary.spooled {
            0 => Some(self.destination.source().simulation_status(simulation_id).await?),
            _ => None,
        };
        Ok(ImportedSimulation {
            simulation_id,
            simulation_name: listed.name.clone(),
            status: known.as_ref().map(|known| known.status),
            earlier_status: listed.status.clone(),
            earlier_outcomes: listed.outcomes,
            stored: summary.stored,
            duplicate: summary.duplicate,
            spooled: summary.spooled,
            rejected: summary.rejected,
            failed: summary.failed,
            failure: summary.failure.as_ref().map(ToString::to_string),
            retryable: summary.retryable,
            interrupted: summary.interrupted,
            total_scenarios: known.as_ref().map(|known| known.total_scenarios),
            completed_scenarios: known.as_ref().map(|known| known.completed_scenarios),
            overall_score: known.as_ref().and_then(|known| known.overall_score),
            computed_score: known.as_ref().and_then(|known| known.headline.as_ref()?.computed),
            earlier_overall_score: listed.overall_score,
            rejected_results: summary.rejected_results,
            notes,
        })
    }

    /// Completes a simulation with its own summary, and returns notes. A summary that is not valid is left
    /// out.
    async fn complete(&self, simulation_id: Uuid, suite: &str) -> Result<Vec<String>> {
        let complete = |suite| self.destination.complete_simulation(simulation_id, suite);
        match complete(Some(suite)).await {
            Ok(DeliveryAnswer::Committed(completed)) => {
                let warnings = completed.warnings.into_iter();
                Ok(warnings.map(|warning| warning.message).collect())
            }
            Ok(DeliveryAnswer::Spooled) => Ok(Vec::new()),
            Err(reason @ Error::Rejected { .. }) => {
                complete(None).await?;
                Ok(vec![format!("{reason}; the computed figures count")])
            }
            Err(error) => Err(error),
        }
    }
}
