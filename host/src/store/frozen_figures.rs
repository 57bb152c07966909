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

use jiff::Timestamp;
use uuid::Uuid;

use super::Store;
use super::figures::{FigureScope, Figures};
use super::origin;
use super::run_report::RunReport;
use super::simulations::{COLUMNS, Simulation, SimulationStatus};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::identity;
use crate::json_text::JsonText;

/// The time, that before which a claim has expired, and whether the figures lock of `$1` was free and is
/// now held. They are queried before the UPDATE that needs them, because Citus allows only immutable
/// functions within one.
const MOMENT: &str = "WITH moment AS MATERIALIZED (
        SELECT pg_catalog.clock_timestamp() AS now,
            pg_catalog.clock_timestamp() - interval '1 minute' AS expired,
            pg_catalog.pg_try_advisory_xact_lock(arc_recorder.figures_lock($1::uuid)) AS locked
    )";

/// Whether the simulation has the figures of a newer log than this one: of a log that was created later;
/// of a later copy of the same log; or, if neither is known, of a log that has an end while this one
/// has none. The times differ only in their fractions of a second.
const OLDER: &str = r#"coalesce(
    nullif(pg_catalog.rtrim(suite_figures->'run_report'::text->>'created_at'::text, 'Z'::text)
        COLLATE "C", $8::text) > $8::text,
    nullif(pg_catalog.rtrim(suite_figures->'run_report'::text->>'revised_at'::text, 'Z'::text)
        COLLATE "C", $9::text) > $9::text,
    $4 = 'incomplete' AND status IN ('completed', 'failed', 'cancelled'))"#;

/// The columns of [`Simulation`], and whether the figures were claimed by this statement.
fn returning() -> String {
    format!("RETURNING {COLUMNS}, figures_state = 'computing' AND figures_claim = $2 AS claimed")
}

/// Returns a time as a text whose order in bytes is that of the times.
fn sortable(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string().trim_end_matches('Z').to_owned())
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
            let figures = self.figures(simulation_id, FigureScope::WithMetrics).await?;
            return Ok((simulation, figures));
        }
        if let Some(frozen) = simulation.frozen.take() {
            return Ok((simulation, frozen));
        }
        let claim = identity::new_id();
        let claimed = self.claim_figures(simulation_id, claim).await?;
        let figures = self.figures(simulation_id, FigureScope::WithMetrics).await?;
        if claimed && let Some(frozen) = self.freeze_figures(&simulation, claim, &figures).await? {
            simulation = frozen;
        }
        Ok((simulation, figures))
    }

    /// Completes a simulation, or completes it again, with the suite's own summary and the current
    /// figures. The time of its first completion is preserved, and so is its suite's summary if there
    /// is no new one.
    ///
    /// If the tool reports how the run ended, that is the status, with its reason and its times: of two
    /// logs of one run, the one that was created last is valid, and of two copies of one log the one that
    /// was changed last. The other changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has failed or was cancelled, unless a log reports it.
    pub async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&JsonText>,
        report: &RunReport,
    ) -> Result<(Simulation, Figures)> {
        let claim = identity::new_id();
        let end = Statement::new(format!(
            "{MOMENT}
             UPDATE arc_recorder.simulations SET
                 status = CASE WHEN {OLDER} THEN status ELSE $4 END,
                 status_reason = CASE WHEN {OLDER} THEN status_reason ELSE $5 END,
                 started_at = CASE WHEN {OLDER} THEN started_at ELSE coalesce($6, started_at) END,
                 completed_at = CASE WHEN {OLDER} THEN completed_at
                     ELSE coalesce($7, completed_at, moment.now) END,
                 execution_time_ms = CASE WHEN {OLDER} THEN execution_time_ms
                     ELSE coalesce(($3::jsonb->>'execution_time_ms'::text)::float8,
                         extract(epoch FROM $7::timestamptz - $6::timestamptz)::float8 * 1000::float8,
                         CASE WHEN completed_at IS NOT NULL THEN execution_time_ms END,
                         greatest(0::float8,
                             extract(epoch FROM coalesce(completed_at, moment.now) - started_at)
                                 ::float8 * 1000::float8)) END,
                 suite_figures = CASE WHEN {OLDER} THEN suite_figures
                     ELSE coalesce($3, suite_figures) END,
                 figures_claim = $2, figures_claimed_at = moment.now,
                 figures_state = CASE WHEN moment.locked THEN 'computing' ELSE 'stale' END
             FROM moment
             WHERE simulation_id = $1 AND (status IN ('running', 'completed', 'incomplete')
                 OR suite_figures->'run_report'::text->>'status'::text = status) {}",
            returning()
        ))
        .with(simulation_id)
        .with(claim)
        .with(suite.cloned())
        .with(report.status.unwrap_or(SimulationStatus::Completed).as_str())
        .with(report.status_reason.clone())
        .with(report.started_at)
        .with(report.completed_at)
        .with(sortable(report.created_at))
        .with(sortable(report.revised_at));
        let ended = self.rows(&end, "complete the simulation").await?;
        let Some(row) = ended.first() else {
            return Err(self.wrong_end(simulation_id, SimulationStatus::Completed).await);
        };
        let simulation = Simulation::from_row(row);
        let figures = self.figures(simulation_id, FigureScope::WithMetrics).await?;
        let frozen = self.freeze_figures(&simulation, claim, &figures).await?;
        Ok((frozen.unwrap_or(simulation), figures))
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
                     OR figures_claimed_at < moment.expired)
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
        simulation: &Simulation,
        claim: Uuid,
        figures: &Figures,
    ) -> Result<Option<Simulation>> {
        // A simulation that did not complete has figures, but no score that counts.
        let ended = match simulation.status {
            SimulationStatus::Completed | SimulationStatus::Incomplete => Some(figures),
            _ => None,
        };
        let score = ended.map(|figures| simulation.score(figures));
        let score = score.as_ref().filter(|score| score.overall.is_some());
        let cost_usd = ended.map(|figures| simulation.cost_usd(figures));
        let places = (11..).zip(origin::COLUMNS);
        let origin_columns: String =
            places.map(|(place, column)| format!("{column} = ${place}, ")).collect();
        let update = Statement::new(format!(
            "UPDATE arc_recorder.simulations SET computed_figures = $3,
                 overall_score = $4, total_cost_usd = $5, score_metric = $6, score_figure = $7,
                 score_scale = $8, computed_cost_usd = $9, total_tokens = $10, {origin_columns}
                 figures_state = CASE WHEN figures_state = 'computing' THEN 'frozen'
                     ELSE figures_state END
             WHERE simulation_id = $1 AND figures_claim = $2 {}",
            returning()
        ))
        .with(simulation.simulation_id)
        .with(claim)
        .with(serde_json::to_value(figures).unwrap_or_default())
        .with(score.and_then(|score| score.overall))
        .with(cost_usd)
        .with(score.and_then(|score| score.metric).map(str::to_owned))
        .with(score.map(|score| score.figure.to_owned()))
        .with(score.and_then(|score| score.scale))
        .with(ended.and_then(|figures| figures.computed_cost_usd))
        .with(ended.map(|figures| figures.total_tokens));
        let update = simulation.origin(figures).add_to(update);
        let rows = self.rows(&update, "keep the simulation's figures").await?;
        Ok(rows.first().map(Simulation::from_row))
    }
}
