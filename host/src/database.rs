//! Opens a database from settings: the configured one, or the embedded one.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::embedded::{Download, EmbeddedDatabase, EmbeddedSettings, Stage, SupervisorCommand};
use crate::error::{Error, Result};
use crate::store::{ConnectionSettings, Store};

/// The variables that can contain the database's URL, in order of precedence.
pub const URL_VARIABLES: [&str; 2] = ["ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL"];

/// The settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// A `postgresql://` URL. If it is absent, [`URL_VARIABLES`] are read, and if they are absent too,
    /// the embedded database is used.
    pub url: Option<String>,
    /// The name under which the caller's users know the URL, for messages: `--database-url`.
    pub url_name: &'static str,
    /// The maximum number of open connections, from 1.
    pub connections: usize,
    /// The folder of the embedded database. Default: one in the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// The folder of PostgreSQL's programs for the embedded database. By default, they are searched
    /// for.
    pub postgres_bin: Option<PathBuf>,
    /// Further folders in which PostgreSQL's programs are searched.
    pub further_postgres_bins: Vec<PathBuf>,
    /// Whether PostgreSQL's programs can be downloaded for the embedded database if they are not found.
    pub download: Download,
    /// The program that becomes the embedded database's supervisor.
    pub supervisor: SupervisorCommand,
}

/// An open database. The embedded one runs until this is dropped.
#[derive(Debug)]
pub struct Database {
    store: Store,
    settings: ConnectionSettings,
    embedded: Option<EmbeddedDatabase>,
}

impl Database {
    /// Opens the database of the settings, without checking its schema, and reports long steps to
    /// `progress`. A database with a URL is not connected to yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the URL is invalid, or if none is set in a container whose data ends
    /// with it; [`Error::Embedded`].
    pub async fn open(
        settings: &DatabaseSettings,
        progress: impl FnMut(Stage) + Send,
    ) -> Result<Self> {
        if let Some((source, url)) = named_url(settings)? {
            let connection = ConnectionSettings::from_url(&url).map_err(|error| match error {
                Error::Configuration(mut detail) => {
                    detail.message =
                        format!("invalid database URL in {source}: {}", detail.message);
                    Error::Configuration(detail)
                }
                other => other,
            })?;
            let store = Store::with_settings(&connection, settings.connections)?;
            return Ok(Database { store, settings: connection, embedded: None });
        }
        refuse_in_container(settings)?;
        let embedded = EmbeddedSettings {
            data_dir: settings.data_dir.clone(),
            bin_dir: settings.postgres_bin.clone(),
            further_bin_dirs: settings.further_postgres_bins.clone(),
            download: settings.download.clone(),
            supervisor: settings.supervisor.clone(),
            server_settings: Vec::new(),
        };
        let embedded = EmbeddedDatabase::acquire_with(&embedded, progress).await?;
        // The user's variables are for other databases.
        let connection = ConnectionSettings::from_url_alone(&embedded.url())?;
        let store = Store::new(embedded.config(), settings.connections)?;
        Ok(Database { store, settings: connection, embedded: Some(embedded) })
    }

    /// Migrates the schema if it is outdated.
    ///
    /// # Errors
    /// [`Error::Schema`] if it is newer than this program; an error of the database.
    pub async fn bring_up_to_date(&self) -> Result<()> {
        self.store.bring_up_to_date().await
    }

    /// Returns its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the database's address, as libpq's variables: to set, and to remove.
    pub fn environment(&self) -> Vec<(&'static str, Option<OsString>)> {
        self.settings.environment()
    }

    /// Returns the folder of the embedded database's programs.
    pub fn programs(&self) -> Option<PathBuf> {
        self.embedded.as_ref().map(|embedded| embedded.programs().bin_dir.clone())
    }

    /// Returns a description of the database for people; it contains no secret.
    pub fn describe(&self) -> String {
        match &self.embedded {
            Some(embedded) => format!("embedded, in {}", embedded.data_dir().display()),
            None => self.settings.to_string(),
        }
    }
}

/// Returns the folder of this user for compiled components; `None` if the user has no home.
pub fn components_cache() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.cache_dir().join("arc-recorder").join("components"))
}

/// Returns the folder of this user for added formats, next to the embedded database; `None` if the user
/// has no home.
pub fn formats_folder(data_dir: Option<&Path>) -> Option<PathBuf> {
    Some(crate::embedded::data_folder(data_dir).ok()?.join("formats"))
}

/// Returns the folder of the spool of this user, next to the embedded database.
///
/// # Errors
/// [`Error::Configuration`] if the user has no home, and in a container, because the spool would be
/// lost with it.
pub fn spool_folder(data_dir: Option<&Path>) -> Result<PathBuf> {
    let unnamed = |reason: &str| {
        Error::configuration(reason).with_hint(
            "name a folder that outlives the process (--spool-dir), or go without a spool \
             (--spool=false)",
        )
    };
    if data_dir.is_none() && in_container() {
        return Err(unnamed("what a spool keeps in this container would be lost with it"));
    }
    let folder = crate::embedded::data_folder(data_dir)
        .map_err(|_| unnamed("there is no folder for the spool, because this user has no home"))?;
    Ok(folder.join("spool"))
}

/// Whether this process runs in a container whose files are lost when it ends.
fn in_container() -> bool {
    env::var_os("MODAL_TASK_ID").is_some()
}

/// Whether one of [`URL_VARIABLES`] names a database.
pub(crate) fn url_in_environment() -> bool {
    let names =
        |name| env::var_os(name).is_some_and(|url| !url.to_string_lossy().trim().is_empty());
    URL_VARIABLES.into_iter().any(names)
}

/// Returns the database's URL, and its source.
fn named_url(settings: &DatabaseSettings) -> Result<Option<(&'static str, String)>> {
    if let Some(url) = &settings.url {
        return Ok(Some((settings.url_name, url.clone())));
    }
    for name in URL_VARIABLES {
        match env::var_os(name).map(OsString::into_string) {
            Some(Ok(url)) if !url.trim().is_empty() => return Ok(Some((name, url))),
            // Data must not be sent to another database because of a stray byte.
            Some(Err(_)) => {
                return Err(Error::configuration(format!(
                    "the database URL in {name} is not UTF-8 text"
                ))
                .with_hint("write it with percent-encoding"));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Data that is stored inside a sandbox is lost with it, so it is stored there only on request.
fn refuse_in_container(settings: &DatabaseSettings) -> Result<()> {
    if settings.data_dir.is_none() && in_container() {
        return Err(Error::configuration(
            "no database URL is set in this Modal container, and what an embedded database keeps \
             would be lost with it",
        )
        .with_hint(format!(
            "set {}, or name a folder that outlives the container (--data-dir, in Python data_dir)",
            URL_VARIABLES.join(" or ")
        )));
    }
    Ok(())
}
