//! Versions of agents' configurations.

use super::Store;
use crate::error::{Error, Result};

impl Store {
    /// Stores a version of an agent's configuration, as JSON text, unless it exists.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn create_configuration(
        &self,
        config_version_id: &str,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<()> {
        let failed = |error| Error::postgres("keep the configuration", error);
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO arc_recorder.config_versions (config_version_id, name, configuration,
                     user_id)
                 SELECT $1::text, $2::text, $3::text::json, $4::text
                 ON CONFLICT (config_version_id) DO NOTHING",
                &[&config_version_id, &name, &configuration, &user_id],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Whether a version of a configuration was kept.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn configuration_exists(&self, config_version_id: &str) -> Result<bool> {
        let failed = |error| Error::postgres("look the configuration up", error);
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT FROM arc_recorder.config_versions WHERE config_version_id = $1",
                &[&config_version_id],
            )
            .await
            .map_err(failed)?;
        Ok(row.is_some())
    }
}
