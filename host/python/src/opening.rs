//! What is open: a database or a service, and the spool where one was named.

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

/// What a spool in a process may hold in bytes.
const SPOOL_BYTES: u64 = 4 << 30;

/// How long the first answer is waited for where there is a spool.
const FIRST_ANSWER: Duration = Duration::from_secs(3);

/// How long closing waits for the spool to be delivered; what is left is delivered later.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// Where results go. Nothing in it is open: a client has connections and tasks, which the child of a fork must
/// not use.
#[derive(Debug)]
pub(crate) enum Place {
    Database(DatabaseSettings),
    Service(ClientSettings),
}

/// Where results go, and where they are kept while they cannot.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    spool: Option<PathBuf>,
    /// Where the formats are that results may name.
    formats: FormatSettings,
}

impl Settings {
    /// A URL of a service, given or in a variable, leads to the service, anything else to a database.
    pub(crate) fn new(
        database: DatabaseSettings,
        token: Option<String>,
        spool: Option<PathBuf>,
        formats: FormatSettings,
    ) -> Result<Self> {
        let url = match &database.url {
            Some(url) => Some(url.clone()),
            None => named_service(),
        };
        let Some(url) = url.filter(|url| is_service(url)) else {
            if token.is_some() {
                return Err(Error::configuration(
                    "a token is for a service, and this is a database",
                )
                .with_hint("leave it out, or give an http:// or https:// URL"));
            }
            return Ok(Settings { place: Place::Database(database), spool, formats });
        };
        let token = token.or_else(|| variable(TOKEN_VARIABLE));
        let client = ClientSettings { url, token, compress: None };
        // What is wrong with them is reported now; each process makes a client of its own.
        ServiceClient::new(&client)?;
        Ok(Settings { place: Place::Service(client), spool, formats })
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

/// What is open with a spool, for all recorders of a process that name its folder: runners open one
/// recorder after the other, and a folder can be open once.
#[derive(Debug)]
pub(crate) struct SharedSpool {
    folder: PathBuf,
    place: String,
    opened: Opened,
    users: usize,
}

/// A database or a service that is open.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Records.
    pub(crate) delivery: Delivery,
    /// Records in the end, without the spool.
    pub(crate) destination: Destination,
    /// Answers questions.
    pub(crate) source: Source,
    /// The database, where it is one. The embedded one stays up for as long as this lives.
    pub(crate) database: Option<(Arc<Database>, Recorder)>,
    /// The formats that results may name.
    pub(crate) formats: Formats,
}

impl Opened {
    /// Opens what the settings name. With a spool, what is unavailable is no error; what refuses is one.
    pub(crate) async fn open(process: &'static Process, settings: &Settings) -> Result<Self> {
        let Some(folder) = &settings.spool else { return Self::open_new(process, settings).await };
        let folder = std::path::absolute(folder).map_err(|error| {
            Error::configuration(format!("spool_dir {} does not do", folder.display()))
                .with_source(error)
        })?;
        let place = settings.place.key();
        let mut spools = process.spools.lock().await;
        if let Some(known) = spools.iter_mut().find(|known| known.folder == folder) {
            if known.place != place {
                return Err(Error::configuration(format!(
                    "the spool in {} is open here for another database or service",
                    folder.display()
                ))
                .with_hint("name another folder for this one"));
            }
            known.users += 1;
            return Ok(known.opened.clone());
        }
        let opened = Self::open_new(process, settings).await?;
        spools.push(SharedSpool { folder, place, opened: opened.clone(), users: 1 });
        Ok(opened)
    }

    async fn open_new(process: &'static Process, settings: &Settings) -> Result<Self> {
        let spool = match &settings.spool {
            // The child of a fork is refused while its parent has it open.
            Some(folder) => Some(open_spool(folder).await?),
            None => None,
        };
        // Loaded formats have threads and engines of this process.
        let formats = Formats::new(settings.formats.clone());
        let (destination, source, database) = match &settings.place {
            Place::Service(client) => {
                let client = ServiceClient::new(client)?;
                refused(client.check().await, spool.is_some())?;
                (Destination::Service(client.clone()), Source::Service(client.clone()), None)
            }
            Place::Database(settings) => {
                let extractor = process.extractor().await?;
                let database = Database::open(settings, |stage| {
                    process.note_stage(stage);
                })
                .await?;
                let store = database.store().clone();
                let recorder = if spool.is_some() {
                    let recorder = Recorder::when_reachable(extractor, store.clone());
                    let recorder = recorder.with_formats(formats.clone());
                    let asked = tokio::time::timeout(FIRST_ANSWER, recorder.make_ready()).await;
                    refused(asked.unwrap_or(Ok(())), true)?;
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
        Ok(Opened { delivery, destination, source, database, formats })
    }

    /// Waits for what is under way and closes the connections; what is in the spool is delivered
    /// where that goes quickly, and stays there where it does not.
    pub(crate) async fn close(&self, process: &'static Process, settings: &Settings) {
        let mut spools = process.spools.lock().await;
        let folder = settings.spool.as_deref().and_then(|folder| std::path::absolute(folder).ok());
        if let Some(place) = spools.iter().position(|known| Some(&known.folder) == folder.as_ref())
        {
            if let Some(known) = spools.get_mut(place).filter(|known| known.users > 1) {
                known.users -= 1;
                return;
            }
            spools.remove(place);
        }
        self.delivery.settle(LAST_DELIVERY).await;
        if let Some((_, recorder)) = &self.database {
            recorder.close().await;
        }
        self.delivery.close().await;
    }
}

impl Place {
    /// Tells places apart. It may hold a password, and is shown to nobody.
    fn key(&self) -> String {
        match self {
            Place::Service(client) => client.url.trim_end_matches('/').to_owned(),
            Place::Database(settings) => format!("{:?} {:?}", settings.url, settings.data_dir),
        }
    }
}

/// What is unavailable is no error where there is a spool; what refuses would refuse it later, too.
fn refused(answer: Result<()>, has_spool: bool) -> Result<()> {
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
