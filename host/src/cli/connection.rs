//! From the settings to an open database.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use super::arguments::Global;
use super::output;
use crate::embedded::{EmbeddedDatabase, EmbeddedSettings, Stage, SupervisorCommand};
use crate::error::{Error, Result};
use crate::extraction::{ExtractionSettings, Extractor};
use crate::store::{ConnectionSettings, SchemaState, Store};

/// The hidden first argument with which this program is the embedded database's supervisor.
pub(super) const SUPERVISE: &str = "__supervise";

/// The variables that may hold the database's URL, in the order in which they are asked.
const URL_VARIABLES: [&str; 2] = ["ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL"];

/// Connections of one command: one for each batch under way, and room for a query beside them.
const CONNECTIONS: usize = 4;

/// An open database. The embedded one stays up for as long as this lives.
pub(super) struct Database {
    pub(super) store: Store,
    settings: ConnectionSettings,
    embedded: Option<EmbeddedDatabase>,
}

impl Database {
    /// Opens the database that the settings name, without looking at its schema.
    pub(super) async fn open(global: &Global) -> Result<Self> {
        if let Some((source, url)) = database_url(global)? {
            let settings = ConnectionSettings::from_url(&url).map_err(|error| match error {
                Error::Configuration(reason) => Error::Configuration(format!(
                    "the database URL in {source} does not do: {reason}"
                )),
                other => other,
            })?;
            let store = Store::with_settings(&settings, CONNECTIONS)?;
            return Ok(Database { store, settings, embedded: None });
        }
        refuse_in_container(global)?;
        let embedded = open_embedded(global).await?;
        // The user's variables are about other databases.
        let settings = ConnectionSettings::from_url_alone(&embedded.url())?;
        let store = Store::new(embedded.config(), CONNECTIONS)?;
        Ok(Database { store, settings, embedded: Some(embedded) })
    }

    /// Opens the database and brings its schema up to date.
    pub(super) async fn open_current(global: &Global) -> Result<Self> {
        let database = Self::open(global).await?;
        if !matches!(database.store.check_schema().await?, SchemaState::Current(_)) {
            database.store.migrate().await?;
        }
        Ok(database)
    }

    /// Where the database is, in the variables of libpq: to set, and to remove.
    pub(super) fn environment(&self) -> Vec<(&'static str, Option<OsString>)> {
        self.settings.environment()
    }

    /// The folder of the embedded database's programs.
    pub(super) fn programs(&self) -> Option<PathBuf> {
        self.embedded.as_ref().map(|embedded| embedded.programs().bin_dir.clone())
    }

    /// What kind of database it is, for people; no secret is in it.
    pub(super) fn describe(&self) -> String {
        match &self.embedded {
            Some(embedded) => format!("embedded, in {}", embedded.data_dir().display()),
            None => self.settings.to_string(),
        }
    }
}

/// The database's URL, and where it was found.
fn database_url(global: &Global) -> Result<Option<(&'static str, String)>> {
    if let Some(url) = &global.database_url {
        return Ok(Some(("--database-url", url.clone())));
    }
    for name in URL_VARIABLES {
        match env::var_os(name).map(OsString::into_string) {
            Some(Ok(url)) if !url.trim().is_empty() => return Ok(Some((name, url))),
            // Data must not go elsewhere because of a stray byte.
            Some(Err(_)) => {
                return Err(Error::Configuration(format!(
                    "the database URL in {name} is not UTF-8 text; write it with percent-encoding"
                )));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Data that is kept inside a sandbox dies with it, so it is kept there only when asked for.
fn refuse_in_container(global: &Global) -> Result<()> {
    if global.data_dir.is_none() && env::var_os("MODAL_TASK_ID").is_some() {
        return Err(Error::Configuration(format!(
            "no database URL is set in this Modal container, and what an embedded database keeps \
             would be lost with it; set {}, or name a folder that outlives the container with \
             --data-dir",
            URL_VARIABLES.join(" or ")
        )));
    }
    Ok(())
}

async fn open_embedded(global: &Global) -> Result<EmbeddedDatabase> {
    let program = env::current_exe()
        .map_err(|error| Error::io("could not find this program's own file", error))?;
    let settings = EmbeddedSettings {
        data_dir: global.data_dir.clone(),
        bin_dir: global.postgres_bin.clone(),
        supervisor: SupervisorCommand { program, args: vec![OsString::from(SUPERVISE)] },
        server_settings: Vec::new(),
    };
    let told = |stage: Stage| {
        if matches!(stage, Stage::MakingCluster) {
            output::note("making the embedded database (once) …");
        }
    };
    Ok(EmbeddedDatabase::acquire_with(&settings, told).await?)
}

/// Loads the built-in extractor, with its compiled form kept in the user's cache.
pub(super) fn extractor(global: &Global) -> Result<Extractor> {
    let cache_dir = components_cache(global);
    Extractor::built_in(&ExtractionSettings { cache_dir, ..ExtractionSettings::default() })
}

/// The folder that keeps compiled components.
pub(super) fn components_cache(global: &Global) -> Option<PathBuf> {
    let own = || {
        let folders = etcetera::choose_base_strategy().ok()?;
        Some(folders.cache_dir().join("arc-recorder").join("components"))
    };
    global.cache_dir.clone().or_else(own)
}
