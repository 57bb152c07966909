//! The status of a simulation: its own row and its figures, frozen once it has ended.
//!
//! Figures of a running simulation are computed on request. Those of one that has ended are computed
//! once and frozen in its row; a later result marks them as stale, and the next request computes them
//! again. No answer is allowed to miss a result that was committed before the request, so two events
//! must not overlap unnoticed: a commit of results, and the freezing of figures.
//!
//! - Recording holds the simulation's figures lock, shared, until the end of the transaction, and marks
//!   the figures after it has acquired the lock (`note_results` in the migrations).
//! - Freezing claims the figures first, in a transaction that acquires the lock exclusively: the state
//!   becomes `computing`. Results recorded before are committed, and so are included in the computation
//!   that follows; results recorded after it find the claim and mark it, and the figures are then not
//!   frozen.
//!
//! A claim is never waited for: if results are being recorded at that moment, the figures are computed
//! for this answer and stay stale.

use uuid::Uuid;

use super::Store;
use super::figures::Figures;
use super::simulations::{COLUMNS, Simulation, SimulationStatus};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::identity;
use crate::json_text::JsonText;

/// The time, and whether the figures lock of `$1` was free and is now held. Both are queried before the
/// UPDATE that needs them, because Citus does not allow volatile functions within one.
const MOMENT: &str = "WITH moment AS MATERIALIZED (
        SELECT pg_catalog.clock_timestamp() AS now,
            pg_catalog.pg_try_advisory_xact_lock(arc_recorder.figures_lock($1::uuid)) AS locked
    )";

/// The columns of [`Simulation`], and whether the figures were claimed by this statement.
fn returning() -> String {
    format!("RETURNING {COLUMNS}, figures_state = 'computing' AND figures_claim = $2 AS claimed")
}

/// A simulation's own row.
pub(super) fn row_statement(simulation_id: Uuid) -> Statement {
    let sql = format!("SELECT {COLUMNS} FROM arc_recorder.simulations WHERE simulation_id = $1");
    Statement::new(sql).with(simulation_id)
}

impl Store {
    /// Returns the status of a simulation: its own row, and the current figures of its outcomes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist.
    pub async fn simulation_with_figures(
        &self,
        simulation_id: Uuid,
    ) -> Result<(Simulation, Figures)> {
        let mut simulation = self.simulation(simulation_id).await?;
        if simulation.status == SimulationStatus::Running {
            let figures = self.figures(simulation_id).await?;
            return Ok((simulation, figures));
        }
        if let Some(frozen) = simulation.frozen.take() {
            return Ok((simulation, frozen));
        }
        let claim = identity::new_id();
        let claimed = self.claim_figures(simulation_id, claim).await?;
        let figures = self.figures(simulation_id).await?;
        if claimed && let Some(frozen) = self.freeze_figures(simulation_id, claim, &figures).await?
        {
            simulation = frozen;
        }
        Ok((simulation, figures))
    }

    /// Completes a simulation, or completes it again, with the suite's own summary and the current
    /// figures. The time of its first completion is preserved, and so is its suite's summary if there
    /// is no new one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has failed or was cancelled.
    pub async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&JsonText>,
    ) -> Result<(Simulation, Figures)> {
        let claim = identity::new_id();
        let end = Statement::new(format!(
            "{MOMENT}
             UPDATE arc_recorder.simulations SET
                 status = 'completed', completed_at = coalesce(completed_at, moment.now),
                 execution_time_ms = coalesce(($3::jsonb->>'execution_time_ms'::text)::float8,
                     CASE WHEN completed_at IS NOT NULL THEN execution_time_ms END,
                     greatest(0::float8,
                         extract(epoch FROM coalesce(completed_at, moment.now) - started_at)::float8
                             * 1000::float8)),
                 suite_figures = coalesce($3, suite_figures), figures_claim = $2,
                 figures_claimed_at = moment.now,
                 figures_state = CASE WHEN moment.locked THEN 'computing' ELSE 'stale' END
             FROM moment
             WHERE simulation_id = $1 AND status IN ('running', 'completed') {}",
            returning()
        ))
        .with(simulation_id)
        .with(claim)
        .with(suite.cloned());
        let ended = self.rows(&end, "complete the simulation").await?;
        let Some(row) = ended.first() else {
            return Err(self.wrong_end(simulation_id, SimulationStatus::Completed).await);
        };
        let figures = self.figures(simulation_id).await?;
        let frozen = self.freeze_figures(simulation_id, claim, &figures).await?;
        Ok((frozen.unwrap_or_else(|| Simulation::from_row(row)), figures))
    }

    /// Claims the figures of a simulation that has ended, unless results are being recorded or another
    /// claim is computing. A claim expires if its holder is killed.
    async fn claim_figures(&self, simulation_id: Uuid, claim: Uuid) -> Result<bool> {
        let update = Statement::new(format!(
            "{MOMENT}
             UPDATE arc_recorder.simulations SET figures_state = 'computing', figures_claim = $2,
                 figures_claimed_at = moment.now
             FROM moment
             WHERE simulation_id = $1 AND status <> 'running' AND (figures_state <> 'computing'
                     OR figures_claimed_at < moment.now - interval '1 minute')
                 AND moment.locked {}",
            returning()
        ))
        .with(simulation_id)
        .with(claim);
        match self.rows(&update, "claim the simulation's figures").await {
            Ok(rows) => Ok(rows.first().is_some_and(|row| row.get("claimed"))),
            // A client with read access only gets an answer too; it takes longer.
            Err(Error::Database(_) | Error::Internal(_) | Error::Unavailable(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes figures that were computed under a claim, and returns the row after that. They are frozen
    /// unless a result arrived in the meantime. `None` if the claim has passed to another client.
    async fn freeze_figures(
        &self,
        simulation_id: Uuid,
        claim: Uuid,
        figures: &Figures,
    ) -> Result<Option<Simulation>> {
        let update = Statement::new(format!(
            "UPDATE arc_recorder.simulations SET computed_figures = $3,
                 overall_score = CASE status WHEN 'completed' THEN
                     coalesce((suite_figures->>'average_reliability_score'::text)::float8, $4) END,
                 total_cost_usd = CASE status WHEN 'completed' THEN
                     coalesce((suite_figures->>'total_cost_usd'::text)::float8, $5) END,
                 figures_state = CASE figures_state WHEN 'computing' THEN 'frozen'
                     ELSE figures_state END
             WHERE simulation_id = $1 AND figures_claim = $2 {}",
            returning()
        ))
        .with(simulation_id)
        .with(claim)
        .with(serde_json::to_value(figures).unwrap_or_default())
        .with(figures.overall_score)
        .with(figures.total_cost_usd);
        let rows = self.rows(&update, "keep the simulation's figures").await?;
        Ok(rows.first().map(Simulation::from_row))
    }
}
