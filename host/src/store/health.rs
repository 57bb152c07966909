//! Whether the database works, as in the `health` call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Layout, SchemaState, Store};
use crate::error::{Error, Result};

/// The database's state. That it is unreachable is an answer too, not an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    /// `ok` or `error`; of a service also `degraded`.
    pub status: Cow<'static, str>,
    /// The problem.
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
    /// The number of applied migrations; none if there is no schema.
    pub schema_version: Option<i32>,
    /// The layout of the tables; none if there is no schema.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// The background jobs of TimescaleDB on the tables, and whether they run.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// How far this host's clock is ahead of the database's in milliseconds, negative if it is behind;
    /// none if the database does not answer. Times of receipt are corrected by it.
    #[serde(default)]
    pub clock_skew_ms: Option<f64>,
    /// When it was asked.
    pub timestamp: Timestamp,
    /// How long the answer took, in milliseconds.
    pub response_time_ms: f64,
}

/// A background job of TimescaleDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its action: `policy_compression` moves old chunks into the columnstore.
    pub name: String,
    /// The table that it works on.
    pub table: String,
    /// Whether it runs: it is scheduled, its last run went well, and the next one is not overdue.
    pub healthy: bool,
    /// When it ran last.
    pub last_run_at: Option<Timestamp>,
    /// How that went: `Success` or `Failed`.
    pub last_run_status: Option<String>,
    /// When it is to run again.
    pub next_run_at: Option<Timestamp>,
}

/// The connections of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            layout: None,
            policies: Vec::new(),
            clock_skew_ms: None,
            timestamp,
            response_time_ms: asked_at.elapsed().as_secs_f64() * 1_000.0,
        };
        match asked {
            Ok(answer) => {
                health.clock_skew_ms = self.clock.skew_ms();
                health.server_version = Some(answer.server_version);
                health.extensions = answer.extensions;
                health.hypertables = answer.hypertables;
                health.policies = answer.policies;
                health.layout = answer.layout;
                match answer.schema {
                    Ok(SchemaState::Absent) => {}
                    Ok(SchemaState::Older(version) | SchemaState::Current(version)) => {
                        health.schema_version = Some(version);
                    }
                    Err(error) => {
                        health.status = Cow::Borrowed("error");
                        health.error = Some(error.report_with_hint());
                    }
                }
            }
            Err(error) => {
                health.status = Cow::Borrowed("error");
                health.error = Some(error.report_with_hint());
            }
        }
        health
    }

    async fn ask(&self) -> Result<Answer> {
        let failed = |error| Error::postgres_without_values("query the database's health", error);
        let client = self.client().await?;
        // Measures the host's clock, too.
        client.answers().await;
        let server_version =
            client.query_one("SHOW server_version", &[]).await.map_err(failed)?.get(0);
        let rows = client
            .query("SELECT extname::text, extversion FROM pg_catalog.pg_extension", &[])
            .await
            .map_err(failed)?;
        let extensions: BTreeMap<String, String> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let (mut hypertables, mut policies) = (Vec::new(), Vec::new());
        if extensions.contains_key("timescaledb") {
            let rows = client.query(HYPERTABLES, &[]).await.map_err(failed)?;
            hypertables = rows.iter().map(|row| row.get(0)).collect();
            let rows = client.query(POLICIES, &[]).await.map_err(failed)?;
            policies = rows.iter().map(Policy::from_row).collect();
        }
        drop(client);
        let schema = self.check_schema().await;
        let layout = match schema {
            Ok(SchemaState::Older(_) | SchemaState::Current(_)) => {
                let client = self.client().await?;
                // A client that can only record is not allowed to see it.
                Layout::recorded(&client).await.ok()
            }
            _ => None,
        };
        Ok(Answer { server_version, extensions, hypertables, policies, layout, schema })
    }
}

const HYPERTABLES: &str = "SELECT hypertable_name::text FROM timescaledb_information.hypertables
     WHERE hypertable_schema = 'arc_recorder' ORDER BY 1";

/// A policy that was to run an hour ago, or never was, does not run: the server has no background
/// workers to spare, or none at all. A new one has run within seconds.
const POLICIES: &str = "SELECT job.proc_name::text, job.hypertable_name::text,
         job.scheduled AND coalesce(stats.last_run_status, 'Success') = 'Success' AND coalesce(
             stats.job_status = 'Running'
                 OR stats.next_start > pg_catalog.now() - interval '1 hour', false),
         CASE WHEN pg_catalog.isfinite(stats.last_run_started_at) THEN stats.last_run_started_at END,
         stats.last_run_status,
         CASE WHEN pg_catalog.isfinite(stats.next_start) THEN stats.next_start END
     FROM timescaledb_information.jobs AS job
     LEFT JOIN timescaledb_information.job_stats AS stats USING (job_id)
     WHERE job.hypertable_schema = 'arc_recorder' ORDER BY 2, 1";

impl Policy {
    fn from_row(row: &tokio_postgres::Row) -> Self {
        Policy {
            name: row.get(0),
            table: row.get(1),
            healthy: row.get(2),
            last_run_at: row.get(3),
            last_run_status: row.get(4),
            next_run_at: row.get(5),
        }
    }
}

struct Answer {
    server_version: String,
    extensions: BTreeMap<String, String>,
    hypertables: Vec<String>,
    policies: Vec<Policy>,
    layout: Option<Layout>,
    schema: Result<SchemaState>,
}
