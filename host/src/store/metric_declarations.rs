//! Declarations of metrics after a simulation was started, without recording its results again.

use uuid::Uuid;

use super::Store;
use super::connection::Transaction;
use super::run_report::{MetricDefinition, MetricDefinitions};
use super::simulations::{COLUMNS, Simulation, locked_for_change, not_found};
use crate::error::{Error, Result};
use crate::identity;

/// Returns the metric that was declared as the simulation's score.
pub(super) fn declared_headline(metrics: &MetricDefinitions) -> Option<&str> {
    metrics.headline().map(|metric| metric.name.as_str()).filter(|name| !name.is_empty())
}

/// Adds a declaration to those of a simulation.
pub(super) async fn keep_declaration(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    definitions: &[MetricDefinition],
) -> std::result::Result<(), tokio_postgres::Error> {
    let json = serde_json::to_value(definitions).unwrap_or_default();
    let insert = "INSERT INTO arc_recorder.metric_declarations
             (simulation_id, declaration_id, declared_at, metrics)
         SELECT $1, $2, pg_catalog.clock_timestamp(), $3";
    transaction.execute(insert, &[&simulation_id, &identity::new_id(), &json]).await?;
    Ok(())
}

impl Store {
    /// Declares metrics of a simulation. Their members replace earlier ones, and the figures of a
    /// simulation that has ended become stale. Every declaration is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation; [`Error::Invalid`] if a range is empty together
    /// with earlier declarations, or if these are too many metrics.
    pub async fn declare_metrics(
        &self,
        simulation_id: Uuid,
        definitions: &[MetricDefinition],
    ) -> Result<Simulation> {
        let failed = |error| Error::postgres("declare the metrics", error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let locked = locked_for_change(&transaction, simulation_id).await.map_err(failed)?;
        let Some(simulation) = locked else { return Err(not_found(simulation_id)) };
        let mut declared = simulation.declared_metrics;
        declared.update(definitions);
        declared.check()?;
        let json = serde_json::to_value(&declared);
        keep_declaration(&transaction, simulation_id, definitions).await.map_err(failed)?;
        let update = format!(
            "UPDATE arc_recorder.simulations SET metrics = $2, headline = $3
             WHERE simulation_id = $1 RETURNING {COLUMNS}"
        );
        let updated = transaction
            .query_one(
                update.as_str(),
                &[&simulation_id, &json.unwrap_or_default(), &declared_headline(&declared)],
            )
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Simulation::from_row(&updated))
    }
}
