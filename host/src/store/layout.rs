//! The layout of the tables: PostgreSQL's own tables, hypertables of TimescaleDB, or tables
//! distributed over the nodes of Citus.
//!
//! The columns and the statements are the same in all three. The layout of a new database is chosen
//! with its first migration, by the extensions of the server, and recorded in
//! `arc_recorder.installation`; only [`Store::migrate_to`](super::Store::migrate_to) changes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::connection::{GenericClient, Session, Transaction};
use crate::error::{Error, Result};

/// The layout of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Tables of PostgreSQL itself.
    Plain,
    /// Outcomes and documents are hypertables of TimescaleDB; if its edition has them, outcomes have a
    /// columnstore and a policy that fills it.
    Timescale,
    /// Simulations are distributed over the nodes of Citus; the rows of each are on one node.
    Citus,
}

const TIMESCALE: &str = include_str!(concat!(env!("ARC_MIGRATIONS"), "/layouts/timescale.sql"));
const CITUS: &str = include_str!(concat!(env!("ARC_MIGRATIONS"), "/layouts/citus.sql"));
const PLAIN_FROM_TIMESCALE: &str =
    include_str!(concat!(env!("ARC_MIGRATIONS"), "/layouts/plain_from_timescale.sql"));
const PLAIN_FROM_CITUS: &str =
    include_str!(concat!(env!("ARC_MIGRATIONS"), "/layouts/plain_from_citus.sql"));

/// Whether Citus knows all tables: a later migration might have added one that it does not know yet. They
/// are named here because the shards of a node are tables of the same schema.
const CITUS_IS_ARRANGED: &str = "SELECT NOT EXISTS (
         SELECT FROM pg_catalog.unnest(ARRAY['installation', 'price_tables', 'config_versions',
             'scenarios', 'extractors', 'simulations', 'removed_simulations', 'metric_declarations',
             'selections', 'planned_scenarios', 'outcomes', 'documents', 'annotations',
             'rejected_results', 'replaced_extractions', 'document_headers', 'access_tokens',
             'schema_migrations']) AS name
         WHERE pg_catalog.to_regclass('arc_recorder.' || name) IS NOT NULL AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_dist_partition
             WHERE logicalrelid::oid = pg_catalog.to_regclass('arc_recorder.' || name)::oid)
     ), false, false, false";

impl Layout {
    /// Returns its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Plain => "plain",
            Layout::Timescale => "timescale",
            Layout::Citus => "citus",
        }
    }

    fn from_database(name: &str) -> Self {
        match name {
            "timescale" => Layout::Timescale,
            "citus" => Layout::Citus,
            // The column's CHECK allows no other name.
            _ => Layout::Plain,
        }
    }

    /// Returns the extension that it needs.
    pub(super) fn extension(self) -> Option<&'static str> {
        match self {
            Layout::Plain => None,
            Layout::Timescale => Some("timescaledb"),
            Layout::Citus => Some("citus"),
        }
    }

    /// Returns the SQL that converts plain tables to it, safe to repeat; `None` for plain tables.
    pub(super) fn arrange(self) -> Option<&'static str> {
        match self {
            Layout::Plain => None,
            Layout::Timescale => Some(TIMESCALE),
            Layout::Citus => Some(CITUS),
        }
    }

    /// Returns the SQL that converts its tables to plain ones; `None` for plain tables.
    pub(super) fn undo(self) -> Option<&'static str> {
        match self {
            Layout::Plain => None,
            Layout::Timescale => Some(PLAIN_FROM_TIMESCALE),
            Layout::Citus => Some(PLAIN_FROM_CITUS),
        }
    }

    /// Returns the statement that records it. Its name needs no quoting.
    pub(super) fn record(self) -> String {
        format!(
            "UPDATE arc_recorder.installation
             SET layout = '{}', arranged_at = pg_catalog.clock_timestamp();",
            self.as_str()
        )
    }

    /// Returns the recorded layout; the schema must exist.
    pub(super) async fn recorded(client: &Session<impl GenericClient>) -> Result<Self> {
        let select = "SELECT layout FROM arc_recorder.installation";
        let row = client.query_opt(select, &[]).await;
        let row = row.map_err(|error| Error::postgres_without_values("read the layout", error))?;
        Ok(row.map_or(Layout::Plain, |row| Layout::from_database(row.get(0))))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The availability of an extension on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    /// Its version in this database, if it was created.
    pub(super) created: Option<String>,
    /// Whether its files are on the server.
    pub(super) available: bool,
    /// Whether the server loaded it at its start, without which it cannot be created.
    pub(super) loaded: bool,
}

impl Extension {
    /// Queries the server.
    pub(super) async fn ask(client: &Session<impl GenericClient>, name: &str) -> Result<Self> {
        let select = "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = $1),
                 EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = $1),
                 EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name LIKE $2)";
        let settings = format!("{name}.%");
        let row = client.query_one(select, &[&name, &settings]).await;
        let row =
            row.map_err(|error| Error::postgres_without_values("look for extensions", error))?;
        Ok(Extension { created: row.get(0), available: row.get(1), loaded: row.get(2) })
    }
}

/// The actual state of a database in one of the layouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LayoutState {
    /// Whether outcomes and documents are hypertables, or all tables are distributed.
    pub(super) arranged: bool,
    /// Whether TimescaleDB's edition has columnstore and policies.
    pub(super) full_edition: bool,
    /// Whether they are set up.
    pub(super) columnstore: bool,
    pub(super) policy: bool,
}

impl LayoutState {
    /// Queries the extensions' catalogues.
    pub(super) async fn ask(client: &Session<impl GenericClient>, layout: Layout) -> Result<Self> {
        let select = match layout {
            Layout::Plain => return Ok(LayoutState { arranged: true, ..Self::default() }),
            Layout::Timescale => {
                "WITH hypertable AS (
                     SELECT hypertable_name, compression_enabled
                     FROM timescaledb_information.hypertables
                     WHERE hypertable_schema = 'arc_recorder'
                         AND hypertable_name IN ('outcomes', 'documents')
                 )
                 SELECT (SELECT pg_catalog.count(*) = 2 FROM hypertable),
                     coalesce(pg_catalog.current_setting('timescaledb.license', true), '')
                         = 'timescale',
                     EXISTS (SELECT FROM hypertable
                         WHERE hypertable_name = 'outcomes' AND compression_enabled),
                     EXISTS (SELECT FROM timescaledb_information.jobs
                         WHERE hypertable_schema = 'arc_recorder' AND hypertable_name = 'outcomes'
                             AND proc_name = 'policy_compression')"
            }
            Layout::Citus => CITUS_IS_ARRANGED,
        };
        let row = client.query_one(select, &[]).await;
        let row =
            row.map_err(|error| Error::postgres_without_values("look at the layout", error))?;
        Ok(LayoutState {
            arranged: row.get(0),
            full_edition: row.get(1),
            columnstore: row.get(2),
            policy: row.get(3),
        })
    }

    /// Whether converting the tables again would add something.
    pub(super) fn lacks(&self) -> bool {
        !self.arranged || (self.full_edition && !(self.columnstore && self.policy))
    }
}

/// Converts the tables from one layout to another, in the transaction.
///
/// # Errors
/// The database's error, for the caller to explain.
pub(super) async fn change(
    transaction: &Transaction<'_>,
    from: Layout,
    to: Layout,
) -> std::result::Result<(), tokio_postgres::Error> {
    if from != to {
        if let Some(undo) = from.undo() {
            transaction.batch_execute(undo).await?;
        }
        transaction.batch_execute(&to.record()).await?;
    }
    match to.arrange() {
        Some(arrange) => transaction.batch_execute(arrange).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_one_name() {
        for layout in [Layout::Plain, Layout::Timescale, Layout::Citus] {
            assert_eq!(Layout::from_database(layout.as_str()), layout);
            assert_eq!(serde_json::to_value(layout).unwrap(), layout.as_str());
            assert_eq!(layout.extension().is_some(), layout.arrange().is_some());
        }
    }

    #[test]
    fn citus_gets_every_table() {
        let migration = include_str!(concat!(env!("ARC_MIGRATIONS"), "/0001_recording.sql"));
        let tables =
            migration.lines().filter_map(|line| line.strip_prefix("CREATE TABLE arc_recorder."));
        let tables: Vec<&str> = tables.map(|line| line.trim_end_matches(" (")).collect();
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let name = format!("'{table}'");
            assert!(CITUS.contains(&name), "{table} is not distributed");
            assert!(CITUS_IS_ARRANGED.contains(&name), "{table} is not looked for");
        }
    }

    #[test]
    fn a_layout_lacks_what_its_edition_could_have() {
        let state = |arranged, full_edition, columnstore, policy| LayoutState {
            arranged,
            full_edition,
            columnstore,
            policy,
        };
        assert!(!state(true, false, false, false).lacks(), "the Apache edition does without");
        assert!(state(true, true, true, false).lacks());
        assert!(state(false, false, false, false).lacks());
        assert!(!state(true, true, true, true).lacks());
    }
}
