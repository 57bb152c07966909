//! Whether the database works, in the words of the `health` call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SchemaState, Store};
use crate::error::{Error, Result};

/// The database's state. One that cannot be reached is an answer too, not an error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` or `error`; of a service also `degraded`.
    pub status: Cow<'static, str>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Such as `15.4`.
    pub server_version: Option<String>,
    /// The installed extensions and their versions.
    pub extensions: BTreeMap<String, String>,
    /// The tables that TimescaleDB partitions by time.
    pub hypertables: Vec<String>,
    /// The connections.
    pub pool_stats: PoolStats,
    /// How many migrations were applied; none where the schema is not there.
    pub schema_version: Option<i32>,
    /// When it was asked.
    pub timestamp: Timestamp,
    /// How long the answer took, in milliseconds.
    pub response_time_ms: f64,
}

/// The connections of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolStats {
    /// Open now.
    pub size: usize,
    /// Open and free.
    pub available: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

impl Store {
    /// Asks the database how it is.
    pub async fn health(&self) -> Health {
        let asked_at = Instant::now();
        let asked = self.ask().await;
        let timestamp = Timestamp::now();
        self.counters.health_checked(timestamp);
        let mut health = Health {
            status: Cow::Borrowed("ok"),
            error: None,
            server_version: None,
            extensions: BTreeMap::new(),
            hypertables: Vec::new(),
            pool_stats: self.pool_stats(),
            schema_version: None,
            timestamp,
            response_time_ms: asked_at.elapsed().as_secs_f64() * 1_000.0,
        };
        match asked {
            Ok(answer) => {
                health.server_version = Some(answer.server_version);
                health.extensions = answer.extensions;
                health.hypertables = answer.hypertables;
                match answer.schema {
                    Ok(SchemaState::Absent) => {}
                    Ok(SchemaState::Older(version) | SchemaState::Current(version)) => {
                        health.schema_version = Some(version);
                    }
                    Err(error) => {
                        health.status = Cow::Borrowed("error");
                        health.error = Some(error.to_string());
                    }
                }
            }
            Err(error) => {
                health.status = Cow::Borrowed("error");
                health.error = Some(error.to_string());
            }
        }
        health
    }

    async fn ask(&self) -> Result<Answer> {
        let failed = |error| Error::database("ask the database how it is", &error);
        let client = self.client().await?;
        let server_version =
            client.query_one("SHOW server_version", &[]).await.map_err(failed)?.get(0);
        let rows = client
            .query("SELECT extname::text, extversion FROM pg_extension", &[])
            .await
            .map_err(failed)?;
        let extensions: BTreeMap<String, String> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let hypertables = if extensions.contains_key("timescaledb") {
            let rows = client
                .query(
                    "SELECT hypertable_name::text FROM timescaledb_information.hypertables
                     WHERE hypertable_schema = 'arc_recorder' ORDER BY 1",
                    &[],
                )
                .await
                .map_err(failed)?;
            rows.iter().map(|row| row.get(0)).collect()
        } else {
            Vec::new()
        };
        drop(client);
        let schema = self.check_schema().await;
        Ok(Answer { server_version, extensions, hypertables, schema })
    }
}

struct Answer {
    server_version: String,
    extensions: BTreeMap<String, String>,
    hypertables: Vec<String>,
    schema: Result<SchemaState>,
}
