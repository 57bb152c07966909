//! The health of the database, as in the `health` call.

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
    /// The error, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The server's version, such as `15.4`.
    pub server_version: Option<String>,
    /// The installed extensions and their versions.
    pub extensions: BTreeMap<String, String>,
    /// The tables that TimescaleDB partitions by time.
    pub hypertables: Vec<String>,
    /// The connections.
    pub pool_stats: PoolStats,
    /// The number of applied migrations; `None` if the schema does not exist.
    pub schema_version: Option<i32>,
    /// The layout of the tables; `None` if the schema does not exist.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// The background jobs of TimescaleDB on the tables, and whether they run.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// How far this host's clock is ahead of the database's in milliseconds, negative if it is behind;
    /// `None` if the database does not answer. Times of receipt are corrected by it.
    #[serde(default)]
    pub clock_skew_ms: Option<f64>,
    /// When the database was queried.
    pub timestamp: Timestamp,
    /// How long the answer took, in milliseconds.
    pub response_time_ms: f64,
}

/// A background job of TimescaleDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its action: `policy_compression` moves old chunks into the columnstore.
    pub name: String,
    /// The table that it processes.
    pub table: String,
    /// Whether it runs: it is scheduled, its last run succeeded, and the next one is not overdue. In the
    /// first hour it need not have run.
    pub healthy: bool,
    /// The time of its last run.
    pub last_run_at: Option<Timestamp>,
    /// The result of its last run: `Success` or `Failed`.
    pub last_run_status: Option<String>,
    /// The scheduled time of its next run.
    pub next_run_at: Option<Timestamp>,
}

/// The connections of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStats {
    /// Open connections.
    pub size: usize,
    /// Open connections that are idle.
    pub available: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

impl Store {
    /// Queries the health of the database.
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
        let is_new = |policy: &Policy| policy.last_run_at.is_none() && !policy.healthy;
        if policies.iter().any(is_new) {
            // A client that can only record is not allowed to see it.
            let row = client.query_opt(ARRANGED_LATELY, &[]).await.ok().flatten();
            if row.is_some_and(|row| row.get(0)) {
                policies.iter_mut().filter(|policy| is_new(policy)).for_each(|policy| {
                    policy.healthy = true;
                });
            }
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

/// Whether the tables have had their layout for less than an hour.
const ARRANGED_LATELY: &str = "SELECT arranged_at > pg_catalog.now() - interval '1 hour'
     FROM arc_recorder.installation";

/// A policy whose next run is an hour overdue, or that has never run, counts as stopped: the server has
/// no free background workers, or none at all.
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
