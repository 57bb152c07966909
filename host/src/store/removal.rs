//! Removal of a simulation that a person names.
//!
//! It is recorded before any row is deleted, so that a recording in progress cannot add rows later. The
//! simulation's own row is deleted last: an interrupted removal leaves a simulation that the next one
//! finishes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::simulations::not_found;
use super::statement::Statement;
use crate::error::{Error, Result};

/// A simulation that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedSimulation {
    /// Its id, under which nothing is recorded any more.
    pub simulation_id: Uuid,
    /// The display name that it had.
    pub simulation_name: Option<String>,
    /// When it was first removed.
    pub removed_at: Timestamp,
    /// The name of the service's token, or else the user of the database.
    pub removed_by: String,
    /// How many outcomes this removal has deleted.
    pub deleted_outcomes: u64,
}

impl Store {
    /// Removes a simulation with all its rows. Results, a start or an end that come later are refused. It
    /// is safe to repeat, and to interrupt. `removed_by` is the name of the caller; the default is the
    /// user of the database.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Database`] if the user is not allowed to delete.
    pub async fn remove_simulation(
        &self,
        simulation_id: Uuid,
        removed_by: Option<&str>,
    ) -> Result<RemovedSimulation> {
        let layout = self.layout().await?;
        self.note_removal(simulation_id, removed_by).await?;
        let Some(removed) = self.removed_simulation(simulation_id).await? else {
            return Err(not_found(simulation_id));
        };
        let deleted_outcomes = self.delete_rows(simulation_id, layout).await?;
        Ok(RemovedSimulation { deleted_outcomes, ..removed })
    }

    /// Records that an existing simulation is removed, unless that is recorded. Transactions that record
    /// results hold the figures lock until their end, and begin before or after this one.
    async fn note_removal(&self, simulation_id: Uuid, removed_by: Option<&str>) -> Result<()> {
        let failed = |error| Error::postgres("remove the simulation", error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let lock = "SELECT pg_catalog.pg_advisory_xact_lock(arc_recorder.figures_lock($1))";
        transaction.query_one(lock, &[&simulation_id]).await.map_err(failed)?;
        let select = "SELECT simulation_name, pg_catalog.clock_timestamp(), session_user::text
             FROM arc_recorder.simulations WHERE simulation_id = $1";
        if let Some(row) = transaction.query_opt(select, &[&simulation_id]).await.map_err(failed)? {
            let (name, now): (Option<String>, Timestamp) = (row.get(0), row.get(1));
            let removed_by = removed_by.map_or_else(|| row.get(2), str::to_owned);
            let insert = "INSERT INTO arc_recorder.removed_simulations
                     (simulation_id, simulation_name, removed_at, removed_by)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (simulation_id) DO NOTHING";
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&simulation_id, &name, &now, &removed_by];
            transaction.execute(insert, &values).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Returns the record of a simulation's removal, if it was removed.
    async fn removed_simulation(&self, simulation_id: Uuid) -> Result<Option<RemovedSimulation>> {
        let select = Statement::new(
            "SELECT simulation_name, removed_at, removed_by FROM arc_recorder.removed_simulations
             WHERE simulation_id = $1",
        )
        .with(simulation_id);
        let rows = self.rows(&select, "look for the removal of the simulation").await?;
        Ok(rows.first().map(|row| RemovedSimulation {
            simulation_id,
            simulation_name: row.get(0),
            removed_at: row.get(1),
            removed_by: row.get(2),
            deleted_outcomes: 0,
        }))
    }

    /// Returns the error about a simulation that does not exist: it was removed, or never existed.
    pub(crate) async fn missing_simulation(&self, simulation_id: Uuid) -> Error {
        let require =
            Statement::new("SELECT arc_recorder.require_not_removed($1)").with(simulation_id);
        match self.rows(&require, "look for the simulation").await {
            Ok(_) => not_found(simulation_id),
            Err(error) => error,
        }
    }
}
