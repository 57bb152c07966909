//! How people label a simulation: its name and its tags, which can change at any time.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::statement::Statement;
use crate::error::{Error, Result};

/// The maximum length of a tag in bytes.
const TAG_BYTES: usize = 100;

/// The labels of a simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulationLabels {
    /// The simulation.
    pub simulation_id: Uuid,
    /// A display name.
    pub simulation_name: Option<String>,
    /// Its tags, in order.
    pub tags: Vec<String>,
}

/// The columns of [`SimulationLabels`].
const RETURNING: &str = "RETURNING simulation_name, tags";

impl Store {
    /// Renames a simulation, and returns its labels.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) async fn rename_simulation(
        &self,
        simulation_id: Uuid,
        name: &str,
    ) -> Result<SimulationLabels> {
        let update = Statement::new(format!(
            "UPDATE arc_recorder.simulations SET simulation_name = $2
             WHERE simulation_id = $1 {RETURNING}"
        ));
        self.update_labels(simulation_id, update.with(simulation_id).with(name.to_owned())).await
    }

    /// Adds and removes tags of a simulation, and returns its labels. The tags are in order, each once.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) async fn tag_simulation(
        &self,
        simulation_id: Uuid,
        add: &[String],
        remove: &[String],
    ) -> Result<SimulationLabels> {
        let update = Statement::new(format!(
            r#"UPDATE arc_recorder.simulations SET tags = ARRAY(
                 SELECT DISTINCT tag COLLATE "C" FROM pg_catalog.unnest(tags || $2::text[]) AS tag
                 WHERE tag <> ALL ($3::text[]) ORDER BY 1)
             WHERE simulation_id = $1 {RETURNING}"#
        ));
        let update = update.with(simulation_id).with(add.to_vec()).with(remove.to_vec());
        self.update_labels(simulation_id, update).await
    }

    async fn update_labels(
        &self,
        simulation_id: Uuid,
        update: Statement,
    ) -> Result<SimulationLabels> {
        match self.rows(&update, "label the simulation").await?.first() {
            Some(row) => Ok(SimulationLabels {
                simulation_id,
                simulation_name: row.get(0),
                tags: row.get(1),
            }),
            None => Err(self.missing_simulation(simulation_id).await),
        }
    }
}

/// Checks the tags of a simulation.
///
/// # Errors
/// [`Error::Invalid`] if one is empty, too long, or contains a control character.
pub(crate) fn check_tags(tags: &[String]) -> Result<()> {
    let valid =
        |tag: &&String| (1..=TAG_BYTES).contains(&tag.len()) && !tag.chars().any(char::is_control);
    match tags.iter().find(|tag| !valid(tag)) {
        None => Ok(()),
        Some(tag) => Err(Error::invalid(format!(
            "invalid tag: {tag:?} (expected 1 to {TAG_BYTES} bytes without control characters)"
        ))),
    }
}
