//! Simulations that exist: found by what people call them, labelled, and removed.

use uuid::Uuid;

use super::Recorder;
use super::start::storable;
use crate::error::{Error, Result};
use crate::store::{RemovedSimulation, SimulationLabels, check_tags};

impl Recorder {
    /// Returns the id of the simulation that a text refers to.
    ///
    /// # Errors
    /// As [`Store::resolve_simulation`](crate::store::Store::resolve_simulation).
    pub async fn resolve_simulation(&self, reference: &str) -> Result<Uuid> {
        self.resolve_simulation_in(reference, None).await
    }

    /// Returns the project of a simulation, if it exists.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn project_of(&self, simulation_id: Uuid) -> Result<Option<String>> {
        self.make_ready().await?;
        self.shared.store.project_of(simulation_id).await
    }

    /// Returns the id of the simulation of a project that a text refers to.
    ///
    /// # Errors
    /// As [`Store::resolve_simulation`](crate::store::Store::resolve_simulation).
    pub async fn resolve_simulation_in(
        &self,
        reference: &str,
        project: Option<&str>,
    ) -> Result<Uuid> {
        if let Ok(simulation_id) = Uuid::try_parse(reference) {
            return Ok(simulation_id);
        }
        self.make_ready().await?;
        self.shared.store.resolve_simulation_in(reference, project).await
    }

    /// Renames a simulation, and returns its labels.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the name is empty or contains a NUL character; [`Error::NotFound`];
    /// [`Error::SimulationRemoved`].
    pub async fn rename_simulation(
        &self,
        simulation_id: Uuid,
        name: &str,
    ) -> Result<SimulationLabels> {
        if name.is_empty() {
            return Err(Error::invalid("the simulation's name is empty"));
        }
        storable("the simulation's name", Some(name))?;
        self.make_ready().await?;
        self.shared.store.rename_simulation(simulation_id, name).await
    }

    /// Adds and removes tags of a simulation, and returns its labels. The tags are in order, each once.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a tag to add is empty, longer than 100 bytes, or contains a control
    /// character; [`Error::NotFound`]; [`Error::SimulationRemoved`].
    pub async fn tag_simulation(
        &self,
        simulation_id: Uuid,
        add: &[String],
        remove: &[String],
    ) -> Result<SimulationLabels> {
        check_tags(add)?;
        self.make_ready().await?;
        self.shared.store.tag_simulation(simulation_id, add, remove).await
    }

    /// Removes a simulation with all its rows; later calls for it are refused. It is safe to
    /// repeat, and to interrupt.
    ///
    /// # Errors
    /// As [`Store::remove_simulation`](crate::store::Store::remove_simulation).
    pub async fn remove_simulation(
        &self,
        simulation_id: Uuid,
        removed_by: Option<&str>,
    ) -> Result<RemovedSimulation> {
        self.make_ready().await?;
        let removed = self.shared.store.remove_simulation(simulation_id, removed_by).await;
        self.plans().forget(simulation_id);
        removed
    }
}
