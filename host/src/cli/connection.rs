//! From the command line's settings to an open database and a loaded extractor.

use std::path::PathBuf;

use super::arguments::Global;
use super::output;
use crate::database::{self, Database, DatabaseSettings};
use crate::embedded::Stage;
use crate::error::Result;
use crate::extraction::{ExtractionSettings, Extractor};

/// Connections of one command: one for each batch under way, and room for a query beside them.
const CONNECTIONS: usize = 4;

/// Opens the database that the settings name, without looking at its schema.
pub(super) async fn open(global: &Global) -> Result<Database> {
    open_with(global, CONNECTIONS).await
}

/// The same with so many connections.
pub(super) async fn open_with(global: &Global, connections: usize) -> Result<Database> {
    let settings = DatabaseSettings {
        url: global.database_url.clone(),
        url_name: "--database-url",
        connections,
        data_dir: global.data_dir.clone(),
        postgres_bin: global.postgres_bin.clone(),
        further_postgres_bins: global.program.postgres_bins.clone(),
        supervisor: global.program.supervisor()?,
    };
    let told = |stage: Stage| {
        if matches!(stage, Stage::MakingCluster) {
            output::note("making the embedded database (once) …");
        }
    };
    Database::open(&settings, told).await
}

/// Opens the database and brings its schema up to date.
pub(super) async fn open_current(global: &Global) -> Result<Database> {
    let database = open(global).await?;
    database.bring_up_to_date().await?;
    Ok(database)
}

/// Loads the built-in extractor, with its compiled form kept in the user's cache.
pub(super) fn extractor(global: &Global) -> Result<Extractor> {
    let cache_dir = components_cache(global);
    Extractor::built_in(&ExtractionSettings { cache_dir, ..ExtractionSettings::default() })
}

/// The folder that keeps compiled components.
pub(super) fn components_cache(global: &Global) -> Option<PathBuf> {
    global.cache_dir.clone().or_else(database::components_cache)
}
