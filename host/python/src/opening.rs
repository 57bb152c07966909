//! Opens a database or a service, and the spool if one is configured.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_host::client::{ClientSettings, SERVER_VARIABLE, ServiceClient, TOKEN_VARIABLE};
use arc_host::database::{Database, DatabaseSettings, URL_VARIABLES};
use arc_host::delivery::{Delivery, Destination, Source};
use arc_host::formats::{FormatSettings, Formats};
use arc_host::spool::{Spool, SpoolSettings};
use arc_host::{Error, Recorder, Result};

use crate::process::Process;

/// The size limit of a process's spool in bytes.
const SPOOL_BYTES: u64 = 4 << 30;

/// How long opening waits for the database's first answer if there is a spool.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long closing waits for the delivery of the spool; the rest is delivered later.
const CLOSE_DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of a database or a service. They hold no open client, whose connections and tasks the child of a
/// fork must not use.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Database(DatabaseSettings),
    Service(ClientSettings),
}

/// The settings of a recorder: its database or service, its spool, and its formats.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    spool: Option<PathBuf>,
    /// The settings of the formats that results can use.
    formats: FormatSettings,
}

impl Settings {
    /// Selects the service if the URL, or else a variable, is a service's, and otherwise the database.
    pub(crate) fn new(
        database: DatabaseSettings,
        token: Option<String>,
        spool: Option<PathBuf>,
        formats: FormatSettings,
    ) -> Result<Self> {
        let url = match &database.url {
            Some(url) => Some(url.clone()),
            None => url_of_environment(),
        };
        let Some(url) = url.filter(|url| is_service(url)) else {
            if token.is_some() {
                return Err(Error::configuration(
                    "a token is for a service, and this is a database",
                )
                .with_hint("omit it, or use an http:// or https:// URL"));
            }
            return Ok(Settings { endpoint: Endpoint::Database(database), spool, formats });
        };
        let token = token.or_else(|| variable(TOKEN_VARIABLE));
        let client = ClientSettings { url, token, compress: None };
        // This reports invalid settings now; each process makes its own client.
        ServiceClient::new(&client)?;
        Ok(Settings { endpoint: Endpoint::Service(client), spool, formats })
    }
}

fn is_service(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Returns the URL of a variable, which can be a service's even in the variables of databases.
fn url_of_environment() -> Option<String> {
    variable(SERVER_VARIABLE).or_else(|| URL_VARIABLES.into_iter().find_map(variable))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// An open spool, which all recorders of a process with the same folder share: runners open one recorder
/// after the other, and a folder can be open only once.
#[derive(Debug)]
pub(crate) struct SharedSpool {
    folder: PathBuf,
    endpoint: String,
    opened: OpenEndpoint,
    users: usize,
}

/// A database or a service that is open.
#[derive(Clone, Debug)]
pub(crate) struct OpenEndpoint {
    /// Records results, through the spool if there is one.
    pub(crate) delivery: Delivery,
    /// Records results without the spool.
    pub(crate) destination: Destination,
    /// Answers queries.
    pub(crate) source: Source,
    /// The database, unless it is a service. The embedded one runs as long as this value exists.
    pub(crate) database: Option<(Arc<Database>, Recorder)>,
    /// The formats that results can use.
    pub(crate) formats: Formats,
}

impl OpenEndpoint {
    /// Opens the database or service. With a spool, it is an error only if access is refused, not if it is unavailable.
    pub(crate) async fn open(process: &'static Process, settings: &Settings) -> Result<Self> {
        let Some(folder) = &settings.spool else { return Self::open_new(process, settings).await };
        let folder = std::path::absolute(folder).map_err(|error| {
            Error::configuration(format!("invalid spool_dir {}", folder.display()))
                .with_source(error)
        })?;
        let endpoint = settings.endpoint.key();
        let mut spools = process.spools.lock().await;
        if let Some(shared) = spools.iter_mut().find(|shared| shared.folder == folder) {
            if shared.endpoint != endpoint {
                return Err(Error::configuration(format!(
                    "the spool in {} is open here for another database or service",
                    folder.display()
                ))
                .with_hint("name another folder for this one"));
            }
            shared.users += 1;
            return Ok(shared.opened.clone());
        }
        let opened = Self::open_new(process, settings).await?;
        spools.push(SharedSpool { folder, endpoint, opened: opened.clone(), users: 1 });
        Ok(opened)
    }

    async fn open_new(process: &'static Process, settings: &Settings) -> Result<Self> {
        let spool = match &settings.spool {
            // This fails in the child of a fork while its parent has the spool open.
            Some(folder) => Some(open_spool(folder).await?),
            None => None,
        };
        // Formats hold threads and engines of this process, so they are loaded here.
        let formats = Formats::new(settings.formats.clone());
        let (destination, source, database) = match &settings.endpoint {
            Endpoint::Service(client) => {
                let client = ServiceClient::new(client)?;
                ignore_unavailable(client.check().await, spool.is_some())?;
                (Destination::Service(client.clone()), Source::Service(client.clone()), None)
            }
            Endpoint::Database(settings) => {
                let extractor = process.extractor().await?;
                let database = Database::open(settings, |stage| {
                    process.note_stage(stage);
                })
                .await?;
                let store = database.store().clone();
                let recorder = if spool.is_some() {
                    let recorder = Recorder::when_reachable(extractor, store.clone());
                    let recorder = recorder.with_formats(formats.clone());
                    let asked =
                        tokio::time::timeout(FIRST_ANSWER_TIMEOUT, recorder.make_ready()).await;
                    ignore_unavailable(asked.unwrap_or(Ok(())), true)?;
                    recorder
                } else {
                    database.bring_up_to_date().await?;
                    Recorder::new(extractor, store.clone()).await?.with_formats(formats.clone())
                };
                let destination = Destination::Database(recorder.clone());
                (destination, Source::Database(store), Some((Arc::new(database), recorder)))
            }
        };
        let delivery = match spool {
            Some(spool) => Delivery::with_spool(destination.clone(), spool),
            None => Delivery::new(destination.clone()),
        };
        Ok(OpenEndpoint { delivery, destination, source, database, formats })
    }

    /// Waits for calls in progress and closes the connections. The spool is delivered if that is quick; the
    /// rest stays in it.
    pub(crate) async fn close(&self, process: &'static Process, settings: &Settings) {
        let mut spools = process.spools.lock().await;
        let folder = settings.spool.as_deref().and_then(|folder| std::path::absolute(folder).ok());
        let index = spools.iter().position(|shared| Some(&shared.folder) == folder.as_ref());
        if let Some(index) = index {
            if let Some(shared) = spools.get_mut(index).filter(|shared| shared.users > 1) {
                shared.users -= 1;
                return;
            }
            spools.remove(index);
        }
        self.delivery.settle(CLOSE_DELIVERY_TIMEOUT).await;
        if let Some((_, recorder)) = &self.database {
            recorder.close().await;
        }
        self.delivery.close().await;
    }
}

impl Endpoint {
    /// Returns a string that identifies the endpoint. It can contain a password and must not be shown.
    fn key(&self) -> String {
        match self {
            Endpoint::Service(client) => client.url.trim_end_matches('/').to_owned(),
            Endpoint::Database(settings) => format!("{:?} {:?}", settings.url, settings.data_dir),
        }
    }
}

/// Ignores a retryable error if there is a spool. Other errors would also occur at the delivery of the spool.
fn ignore_unavailable(answer: Result<()>, has_spool: bool) -> Result<()> {
    match answer {
        Err(error) if has_spool && error.retryable() => Ok(()),
        answer => answer,
    }
}

async fn open_spool(folder: &Path) -> Result<Spool> {
    let settings = SpoolSettings { folder: folder.to_owned(), limit_bytes: SPOOL_BYTES };
    let opened = tokio::task::spawn_blocking(move || Spool::open(&settings)).await;
    opened.map_err(|error| Error::configuration("could not open the spool").with_source(error))?
}
