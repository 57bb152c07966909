//! Becoming a user of the database: find it running, wait for it, or start it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use super::cluster;
use super::connect::{self, Answer};
use super::fetch::{self, Download};
use super::folders::{DataFolder, ServerRecord};
use super::launch::Supervisor;
use super::locks::{self, LockFile, Mode};
use super::places::Places;
use super::programs::Programs;
use super::python_package;
use super::socket;
use super::{EmbeddedError, EmbeddedSettings, Stage};

/// How long a server may take to stop before newcomers give up: a fast shutdown, and then one by force.
const STOPPING: Duration = Duration::from_secs(100);

/// How long a server may take to start: recovering from a crash under load is the slow case.
const STARTING: Duration = Duration::from_secs(600);

/// How often a server that starts is asked.
const ASK: Duration = Duration::from_millis(10);

/// Opens the data folder and joins its users, after which no supervisor stops the server.
pub(super) async fn open(
    settings: &EmbeddedSettings,
    progress: &mut (impl FnMut(Stage) + Send),
) -> Result<(DataFolder, File), EmbeddedError> {
    let named = settings.data_dir.clone();
    let (folder, users) = blocking(move || {
        let folder = DataFolder::open(named.as_deref())?;
        let users = LockFile::open(folder.users_lock())?;
        Ok((folder, users))
    })
    .await?;
    if !users.take(Mode::Shared, STOPPING, || progress(Stage::Waiting)).await? {
        return Err(too_long("the server to stop", STOPPING, &folder));
    }
    Ok((folder, users.into_file()))
}

/// The running server, started if need be. The caller is one of the users.
pub(super) async fn running(
    settings: &EmbeddedSettings,
    folder: &DataFolder,
    progress: &mut (impl FnMut(Stage) + Send),
) -> Result<ServerRecord, EmbeddedError> {
    if let Some(server) = answering(folder).await? {
        return Ok(server);
    }
    let start = LockFile::open(folder.start_lock())?;
    if !start.take(Mode::Alone, STARTING, || progress(Stage::Waiting)).await? {
        return Err(too_long("another process to start the server", STARTING, folder));
    }
    // Shared with the blocking part, which goes on when the caller gives up.
    let start = Arc::new(start);
    let since = Instant::now();
    let mut supervisor: Option<Supervisor> = None;
    while since.elapsed() < STARTING {
        if let Some(server) = answering(folder).await? {
            return Ok(server);
        }
        match &supervisor {
            None if locks::held(&folder.supervisor_lock())? => {}
            None => supervisor = Some(start_server(settings, folder, &start, progress).await?),
            Some(launched) => match launched.ended() {
                None => {}
                // The server is another supervisor's, whose launcher was killed or gave up; or there is none again.
                Some(Ok(())) => supervisor = None,
                Some(Err(error)) => return Err(error),
            },
        }
        tokio::time::sleep(ASK).await;
    }
    Err(too_long("the server to start", STARTING, folder))
}

/// Makes the cluster if there is none, and starts a supervisor.
async fn start_server(
    settings: &EmbeddedSettings,
    folder: &DataFolder,
    start: &Arc<LockFile>,
    progress: &mut (impl FnMut(Stage) + Send),
) -> Result<Supervisor, EmbeddedError> {
    let (exists, programs) = find_programs(settings, folder, progress).await?;
    let (for_account, by_account) = (folder.clone(), programs.clone());
    let account = blocking(move || {
        let account = Account::for_cluster(&for_account.cluster())?;
        account.check_access(&by_account, for_account.path())?;
        Ok(account)
    })
    .await?;
    progress(if exists { Stage::Starting } else { Stage::MakingCluster });
    let (settings, folder, start) = (settings.clone(), folder.clone(), Arc::clone(start));
    blocking(move || {
        let _start = start;
        if !exists {
            cluster::make(&folder, &programs, &account)?;
        }
        Supervisor::launch(&settings, &folder, &programs)
    })
    .await
}

/// Whether there is a cluster, and the programs for it, which are fetched where that is allowed and they
/// are not found.
async fn find_programs(
    settings: &EmbeddedSettings,
    folder: &DataFolder,
    progress: &mut (impl FnMut(Stage) + Send),
) -> Result<(bool, Programs), EmbeddedError> {
    let find = |in_packages: Vec<PathBuf>| {
        let (bin_dir, folder) = (settings.bin_dir.clone(), folder.clone());
        let further = settings.further_bin_dirs.clone();
        blocking(move || {
            let further = [further, fetch::fetched(&folder), in_packages].concat();
            let places = Places::of_this_machine().and(&further);
            let cluster = folder.cluster();
            let made_by = cluster::major(&cluster)?;
            let needed = made_by.map(|major| (cluster.as_path(), major));
            Ok((made_by, Programs::find(bin_dir.as_deref(), needed, &places)))
        })
    };
    let (made_by, found) = find(Vec::new()).await?;
    let lacking = match found {
        Ok(programs) => return Ok((made_by.is_some(), programs)),
        Err(error) => error,
    };
    // What is there and does not work is for a person to mend.
    let absent = matches!(
        lacking,
        EmbeddedError::NoPrograms { .. }
            | EmbeddedError::TooOld { .. }
            | EmbeddedError::MajorGone { .. }
    );
    if !absent || settings.bin_dir.is_some() {
        return Err(lacking);
    }
    let in_packages = python_package::installed().await;
    if !in_packages.is_empty()
        && let (made_by, Ok(programs)) = find(in_packages).await?
    {
        return Ok((made_by.is_some(), programs));
    }
    if settings.download == Download::Forbidden {
        let attempts = vec!["--no-download (ARC_NO_DOWNLOAD) forbids fetching it".to_owned()];
        return Err(EmbeddedError::NotFetched { lacking: Box::new(lacking), attempts });
    }
    fetch::fetch(&settings.download, folder, made_by, lacking, progress).await?;
    let (made_by, found) = find(Vec::new()).await?;
    Ok((made_by.is_some(), found?))
}

/// The server, if one answers that a supervisor looks after.
async fn answering(folder: &DataFolder) -> Result<Option<ServerRecord>, EmbeddedError> {
    if !locks::held(&folder.supervisor_lock())? {
        return Ok(None);
    }
    let Some(server) = folder.record() else {
        return Ok(None);
    };
    // A supervisor that was killed may have left the name of a folder that is somebody else's by now.
    let account = Account::for_cluster(&folder.cluster())?;
    if socket::verify(&server.socket_dir, account.uid()).is_err() {
        return Ok(None);
    }
    if !cluster::may_be_ready(&folder.cluster()) {
        return Ok(None);
    }
    match connect::ask(folder, &server.socket_dir).await? {
        Answer::Ready => Ok(Some(server)),
        Answer::NotNow => Ok(None),
    }
}

fn too_long(what: &'static str, patience: Duration, folder: &DataFolder) -> EmbeddedError {
    EmbeddedError::TooLong { what, seconds: patience.as_secs(), log: folder.supervisor_log() }
}

/// Runs what waits for files and programs where it keeps no other task waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| EmbeddedError::Process {
        action: "start the database in the background",
        source: error.into(),
    })?
}
