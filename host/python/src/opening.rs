//! What is open: a database or a service, and the spool where one was named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_host::client::{ClientSettings, SERVER_VARIABLE, ServiceClient, TOKEN_VARIABLE};
use arc_host::database::{Database, DatabaseSettings, URL_VARIABLES};
use arc_host::delivery::{Delivery, Destination, Source};
use arc_host::spool::{Spool, SpoolSettings};
use arc_host::{Error, Recorder, Result};

use crate::process::Process;

/// What a spool in a process may hold in bytes.
const SPOOL_BYTES: u64 = 4 << 30;

/// How long closing waits for the spool to be delivered; what is left is delivered later.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// Where results go.
#[derive(Debug)]
pub(crate) enum Place {
    Database(DatabaseSettings),
    Service(ServiceClient),
}

/// Where results go, and where they are kept while they cannot.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    spool: Option<PathBuf>,
}

impl Settings {
    /// A URL of a service, given or in a variable, leads to the service, anything else to a database.
    pub(crate) fn new(
        database: DatabaseSettings,
        token: Option<String>,
        spool: Option<PathBuf>,
    ) -> Result<Self> {
        let url = match &database.url {
            Some(url) => Some(url.clone()),
            None => named_service(),
        };
        let Some(url) = url.filter(|url| is_service(url)) else {
            if token.is_some() {
                return Err(Error::Configuration(
                    "a token is for a service, and this is a database; leave it out, or give an \
                     http:// or https:// URL"
                        .to_owned(),
                ));
            }
            return Ok(Settings { place: Place::Database(database), spool });
        };
        let token = token.or_else(|| variable(TOKEN_VARIABLE));
        let client = ServiceClient::new(&ClientSettings { url, token, compress: None })?;
        Ok(Settings { place: Place::Service(client), spool })
    }
}

fn is_service(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The service that a variable names. Those of databases may name one, too.
fn named_service() -> Option<String> {
    variable(SERVER_VARIABLE).or_else(|| URL_VARIABLES.into_iter().find_map(variable))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A database or a service that is open.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Records.
    pub(crate) delivery: Delivery,
    /// Answers questions.
    pub(crate) source: Source,
    /// The database, where it is one. The embedded one stays up for as long as this lives.
    pub(crate) database: Option<(Arc<Database>, Recorder)>,
}

impl Opened {
    /// Opens what the settings name. With a spool, what is away is no error.
    pub(crate) async fn open(process: &'static Process, settings: &Settings) -> Result<Self> {
        let spool = match &settings.spool {
            Some(folder) => Some(open_spool(folder).await?),
            None => None,
        };
        let (destination, source, database) = match &settings.place {
            Place::Service(client) => {
                if spool.is_none() {
                    client.check().await?;
                }
                (Destination::Service(client.clone()), Source::Service(client.clone()), None)
            }
            Place::Database(settings) => {
                let extractor = process.extractor().await?;
                let database = Database::open(settings, |_| {}).await?;
                let store = database.store().clone();
                let recorder = if spool.is_some() {
                    Recorder::when_reachable(extractor, store.clone())
                } else {
                    database.bring_up_to_date().await?;
                    Recorder::new(extractor, store.clone()).await?
                };
                let destination = Destination::Database(recorder.clone());
                (destination, Source::Database(store), Some((Arc::new(database), recorder)))
            }
        };
        let delivery = match spool {
            Some(spool) => Delivery::with_spool(destination, spool),
            None => Delivery::new(destination),
        };
        Ok(Opened { delivery, source, database })
    }

    /// Waits for what is under way and closes the connections; what is in the spool is delivered
    /// where that goes quickly, and stays there where it does not.
    pub(crate) async fn close(&self) {
        self.delivery.settle(LAST_DELIVERY).await;
        if let Some((_, recorder)) = &self.database {
            recorder.close().await;
        }
        self.delivery.close().await;
    }
}

async fn open_spool(folder: &Path) -> Result<Spool> {
    let settings = SpoolSettings { folder: folder.to_owned(), limit_bytes: SPOOL_BYTES };
    let opened = tokio::task::spawn_blocking(move || Spool::open(&settings)).await;
    opened.map_err(|error| Error::Configuration(format!("could not open the spool: {error}")))?
}
