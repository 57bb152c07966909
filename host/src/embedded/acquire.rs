//! Acquiring the database: finds the running server, waits for it, or starts it.

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

/// How long a new user waits for a server to stop: a fast shutdown, and then a forced one.
const STOPPING: Duration = Duration::from_secs(100);

/// How long a server can take to start; recovery from a crash under load is the slowest case.
const STARTING: Duration = Duration::from_secs(600);

/// The interval at which a starting server is polled.
const ASK: Duration = Duration::from_millis(10);

/// Opens the data folder and acquires the users' lock, after which no supervisor stops the server.
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

/// Returns the running server, and starts it if necessary. The caller holds the users' lock.
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
    // Shared with the blocking part, which continues if the caller's future is dropped.
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
                // Another supervisor runs the server, and its launcher was killed or timed out; or no server runs
                // any more.
                Some(Ok(())) => supervisor = None,
                Some(Err(error)) => return Err(error),
            },
        }
        tokio::time::sleep(ASK).await;
    }
    Err(too_long("the server to start", STARTING, folder))
}

/// Creates the cluster if it does not exist, and starts a supervisor.
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
        // Also if the cluster exists: an initdb that was killed can write for a moment after the next one has begun.
        cluster::remove_half_made(&folder);
        if !exists {
            cluster::make(&folder, &programs, &account)?;
        }
        Supervisor::launch(&settings, &folder, &programs)
    })
    .await
}

/// Returns whether the cluster exists, and the programs for it, which are downloaded if they are not found and
/// downloads are allowed.
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
    // Installed programs that do not work have to be repaired by the user.
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

/// Returns the server if a supervised one answers.
async fn answering(folder: &DataFolder) -> Result<Option<ServerRecord>, EmbeddedError> {
    if !locks::held(&folder.supervisor_lock())? {
        return Ok(None);
    }
    let Some(server) = folder.record() else {
        return Ok(None);
    };
    // A killed supervisor can leave the path of a folder that now belongs to another user.
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

/// Runs work that waits for files and programs on a thread on which it blocks no other task.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| EmbeddedError::Process {
        action: "start the database in the background",
        source: error.into(),
    })?
}
