//! The schema's versions: that of the database, and the one that this program needs.
//! [`super::migrating`] migrates from one to the other.

use sha2::{Digest, Sha256};
use tokio_postgres::error::SqlState;

use super::Store;
use super::connection::{GenericClient, Session};
use crate::error::{Error, Result};
use crate::identity::hexadecimal;

/// One step of the schema. It is applied once and never edited after it was published.
pub(super) struct Migration {
    pub(super) version: i32,
    name: &'static str,
    pub(super) sql: &'static str,
}

impl Migration {
    /// Its display name, such as `0001_recording`.
    pub(super) fn title(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    /// The statement that records it as applied, with values that need no quoting.
    pub(super) fn note(&self) -> String {
        let Migration { version, name, .. } = self;
        let sha256 = hexadecimal(&self.sha256());
        let program = concat!("arc-host ", env!("CARGO_PKG_VERSION"));
        format!(
            "INSERT INTO arc_recorder.schema_migrations (version, name, sha256, applied_by)
                VALUES ({version}, '{name}', '\\x{sha256}', '{program}');"
        )
    }

    fn sha256(&self) -> Vec<u8> {
        Sha256::digest(self.sql).to_vec()
    }
}

/// All migrations, in order.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "recording",
    sql: include_str!(concat!(env!("ARC_MIGRATIONS"), "/0001_recording.sql")),
}];

/// The oldest server that supports all features of the schema: `COMPRESSION lz4` was added in 14.
const OLDEST_SERVER: i32 = 140_000;

/// The advisory lock that lets one migration run at a time: the bytes of "arcrec".
pub(super) const LOCK: i64 = 0x6172_6372_6563;

/// The start of a migration's transaction: names without a schema are PostgreSQL's own.
pub(super) const SEARCH_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp;";

/// The list of applied migrations. It exists before the first of them.
pub(super) const BOOTSTRAP: &str = "
    CREATE SCHEMA IF NOT EXISTS arc_recorder;
    CREATE TABLE IF NOT EXISTS arc_recorder.schema_migrations (
        version integer PRIMARY KEY,
        name text NOT NULL,
        sha256 bytea NOT NULL,
        applied_by text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );";

/// The state of the database's schema, compared with this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// The schema does not exist yet.
    Absent,
    /// This many migrations were applied; this program has more.
    Older(i32),
    /// It is the version that this program needs.
    Current(i32),
}

impl SchemaState {
    /// Returns how many migrations were applied.
    pub(super) fn applied(self) -> i32 {
        match self {
            SchemaState::Absent => 0,
            SchemaState::Older(version) | SchemaState::Current(version) => version,
        }
    }
}

impl Store {
    /// Compares the database's schema with the one that this program needs.
    ///
    /// # Errors
    /// [`Error::Schema`] if the schema is newer than the program, or an applied migration differs from
    /// the program's.
    pub async fn check_schema(&self) -> Result<SchemaState> {
        let client = self.client().await?;
        check(&client).await
    }
}

pub(super) async fn check(client: &Session<impl GenericClient>) -> Result<SchemaState> {
    let failed = |error: tokio_postgres::Error| {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return Error::database(
                "the database user is not allowed to read the schema arc_recorder",
            )
            .with_hint(
                "let its owner grant this one USAGE on the schema, SELECT and INSERT on its \
                     tables, and UPDATE on arc_recorder.simulations",
            );
        }
        Error::postgres_without_values("read the schema's version", error)
    };
    let exists: bool = client
        .query_one(
            // The catalogue itself is queried, because the cache of name lookups is not refreshed by
            // waiting for another migration's advisory lock.
            "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_class AS class
                 JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
                 WHERE namespace.nspname = 'arc_recorder' AND class.relname = 'schema_migrations'
             )",
            &[],
        )
        .await
        .map_err(failed)?
        .get(0);
    if !exists {
        return Ok(SchemaState::Absent);
    }
    let rows = client
        .query(
            "SELECT version, name, sha256 FROM arc_recorder.schema_migrations ORDER BY version",
            &[],
        )
        .await
        .map_err(failed)?;
    let applied: Vec<(i32, String, Vec<u8>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    compare(&applied)
}

/// Compares the applied migrations, in order, with the program's.
fn compare(applied: &[(i32, String, Vec<u8>)]) -> Result<SchemaState> {
    for (migration, applied) in MIGRATIONS.iter().zip(applied) {
        let (version, name, sha256) = applied;
        if *version != migration.version || *sha256 != migration.sha256() {
            return Err(Error::schema(format!(
                "the database's migration {version:04}_{name} is not the one this program has as \
                 {:04}_{}",
                migration.version, migration.name
            ))
            .with_hint(
                "it was changed, or made by another build: use the arc-host that made it, or \
                 another database",
            ));
        }
    }
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some((version, name, _)) = applied.iter().find(|(version, ..)| *version > known) {
        return Err(Error::schema(format!(
            "the database's schema is newer than this program: it has migration \
             {version:04}_{name}, the program knows {known} of them"
        ))
        .with_hint("install a newer arc-host"));
    }
    match i32::try_from(applied.len()).unwrap_or(i32::MAX) {
        0 => Ok(SchemaState::Absent),
        count if count < known => Ok(SchemaState::Older(count)),
        count => Ok(SchemaState::Current(count)),
    }
}

pub(super) async fn check_server(client: &Session<impl GenericClient>) -> Result<()> {
    let row = client
        .query_one(
            "SELECT pg_catalog.current_setting('server_version_num')::integer,
                    pg_catalog.current_setting('server_version'),
                    pg_catalog.current_setting('server_encoding')",
            &[],
        )
        .await
        .map_err(|error| Error::postgres_without_values("ask the server for its version", error))?;
    let (number, version, encoding): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
    if number < OLDEST_SERVER {
        return Err(Error::schema(format!(
            "the server is PostgreSQL {version}; arc-host needs 14 or newer"
        )));
    }
    if encoding != "UTF8" {
        return Err(Error::schema(format!(
            "the database's encoding is {encoding}, in which not every result can be stored"
        ))
        .with_hint("make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Vec<(i32, String, Vec<u8>)> {
        let row = |migration: &Migration| {
            (migration.version, migration.name.to_owned(), migration.sha256())
        };
        MIGRATIONS.iter().map(row).collect()
    }

    #[test]
    fn versions_follow_one_another_from_one() {
        let versions: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert!(versions.iter().copied().eq(1..=versions.len() as i32));
    }

    #[test]
    fn the_schema_is_absent_current_newer_or_divergent() {
        assert_eq!(compare(&[]).unwrap(), SchemaState::Absent);
        let mut rows = applied();
        assert_eq!(compare(&rows).unwrap(), SchemaState::Current(rows.len() as i32));
        rows.push((rows.len() as i32 + 1, "later".into(), vec![1]));
        assert_eq!(compare(&rows).unwrap_err().hint().unwrap(), "install a newer arc-host");
        rows.pop();
        rows[0].2 = vec![0; 32];
        assert!(compare(&rows).unwrap_err().to_string().contains("0001_recording"));
    }
}
