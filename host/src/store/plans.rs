//! How the server would run a query, for the tests that guard the plans.

use serde_json::Value;
use uuid::Uuid;

use super::statement::Statement;
use super::{
    OutcomeFilter, SimulationStatus, Store, export, figures, outcome_page, outcomes, performance,
    simulation_page, standing,
};
use crate::error::{Error, Result};

/// A query of the store.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the arguments of the store's own calls")]
pub enum Question {
    /// [`Store::simulation`], and [`Store::standing`] of one whose figures are frozen.
    Simulation(Uuid),
    /// [`Store::figures`].
    Figures(Uuid),
    /// [`Store::outcomes`].
    Outcomes(Uuid, OutcomeFilter),
    /// [`Store::export`] of a simulation, without documents.
    Export(Uuid, OutcomeFilter),
    /// [`Store::outcomes_page`].
    OutcomesPage { simulation_id: Uuid, filter: OutcomeFilter, limit: u32, cursor: Option<String> },
    /// [`Store::simulations_page`].
    SimulationsPage { status: Option<SimulationStatus>, limit: u32, cursor: Option<String> },
    /// [`Store::performance`].
    Performance(Uuid, f64),
    /// [`Store::failures`].
    Failures(i64),
}

impl Question {
    fn statement(&self) -> Result<Statement> {
        Ok(match self {
            Question::Simulation(id) => standing::row_statement(*id),
            Question::Figures(id) => figures::statement(*id),
            Question::Outcomes(id, filter) => outcomes::statement(*id, filter),
            Question::Export(id, filter) => export::statement(*id, filter, false),
            Question::OutcomesPage { simulation_id, filter, limit, cursor } => {
                outcome_page::statement(*simulation_id, filter, *limit, cursor.as_deref())?
            }
            Question::SimulationsPage { status, limit, cursor } => {
                simulation_page::statement(*status, *limit, cursor.as_deref())?
            }
            Question::Performance(id, hours) => performance::performance_statement(*id, *hours),
            Question::Failures(limit) => performance::failures_statement(*limit),
        })
    }
}

impl Store {
    /// The plans of a query's own text: with its parameters as they are, and the general one that
    /// a prepared statement may come to use.
    ///
    /// # Errors
    /// As the query itself.
    #[doc(hidden)]
    pub async fn explain(&self, question: &Question) -> Result<[Value; 2]> {
        let failed = |error| Error::postgres("explain a query", error);
        let statement = question.statement()?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let explain = "EXPLAIN (FORMAT JSON, VERBOSE)";
        let special = format!("{explain} {}", statement.sql);
        let special = transaction
            .query_one(special.as_str(), &statement.values())
            .await
            .map_err(failed)?
            .get(0);
        let nulls = vec!["NULL"; statement.count()].join(", ");
        let prepare = format!(
            "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE explained AS {}",
            statement.sql
        );
        transaction.batch_execute(&prepare).await.map_err(failed)?;
        let general = format!("{explain} EXECUTE explained({nulls})");
        let general = transaction.query_one(general.as_str(), &[]).await.map_err(failed)?.get(0);
        transaction.batch_execute("DEALLOCATE explained").await.map_err(failed)?;
        Ok([special, general])
    }
}
