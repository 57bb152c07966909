//! The leftovers of a killed server: processes that end a little later, and files with a process id that another
//! process might have by now.
//!
//! Every process of a server inherits a locked file. The lock is free when the last of them has ended, which a process
//! id cannot show; files with the id of that server are then certainly stale.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::EmbeddedError;
use super::cluster;
use super::folders::DataFolder;
use super::locks::{self, LockFile, Mode};
use super::log;
use super::socket;

/// How long the processes of a server can take to end on their own after its supervisor has ended.
const BY_THEMSELVES: Duration = Duration::from_secs(2);

/// How long they can take after a signal: a fast shutdown writes its memory to disk.
const ONCE_TOLD: Duration = Duration::from_secs(60);

/// Waits until no process of an earlier server runs, and removes its files. Returns the lock for the next server.
pub(super) async fn clear(
    folder: &DataFolder,
    socket_dir: &Path,
) -> Result<LockFile, EmbeddedError> {
    let lock = LockFile::open(folder.server_lock())?;
    let waiting = || log::say("waiting for the processes of an earlier server to end");
    if !lock.take(Mode::Alone, BY_THEMSELVES, waiting).await? {
        // If the kernel does not end a server with its supervisor, it continues without one.
        stop(folder);
        if !lock.take(Mode::Alone, ONCE_TOLD, || {}).await? {
            let reason =
                "processes of an earlier server still run and use the same files".to_owned();
            return Err(EmbeddedError::NotStarted { reason, logs: folder.path().to_owned() });
        }
    }
    if let Some(server) = last_server(folder) {
        for file in [cluster::pid_file(&folder.cluster()), socket::lock_file(socket_dir)] {
            // A file with another id belongs to a server that was started by hand; PostgreSQL itself handles it.
            if first_number(&file) == Some(server) && fs::remove_file(&file).is_ok() {
                log::say(format_args!("removed {}, left by postgres [{server}]", file.display()));
            }
        }
    }
    Ok(lock)
}

/// Writes the process id of the server that now has the lock.
pub(super) fn note(lock: &LockFile, server: u32) -> io::Result<()> {
    lock.file().set_len(0)?;
    lock.file().write_all_at(server.to_string().as_bytes(), 0)
}

/// Stops a server that has lost its supervisor, if its process id is certainly still its own.
pub(super) fn stop(folder: &DataFolder) {
    // If the lock is free, the server has ended, and another process might have its id.
    if !locks::held(&folder.server_lock()).unwrap_or(false) {
        return;
    }
    let server = last_server(folder)
        .filter(|server| first_number(&cluster::pid_file(&folder.cluster())) == Some(*server));
    if let Some(id) = server.and_then(|server| i32::try_from(server).ok()) {
        log::say(format_args!("stopping postgres [{id}], which has lost its supervisor"));
        let _ = kill(Pid::from_raw(id), Signal::SIGINT);
    }
}

fn last_server(folder: &DataFolder) -> Option<u32> {
    first_number(&folder.server_lock())
}

fn first_number(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_of_the_last_server_are_removed_after_its_end_and_others_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(Some(root.path())).unwrap();
        fs::create_dir(folder.cluster()).unwrap();
        fs::create_dir(folder.socket_dir()).unwrap();
        let (pid_file, lock_file) =
            (cluster::pid_file(&folder.cluster()), socket::lock_file(&folder.socket_dir()));
        fs::write(&pid_file, "4711\n/data\n").unwrap();
        fs::write(&lock_file, "4712\n/data\n").unwrap();

        let lock = clear(&folder, &folder.socket_dir()).await.unwrap();
        assert!(pid_file.exists(), "no earlier server was recorded");
        note(&lock, 123_456).unwrap();
        note(&lock, 4711).unwrap();
        drop(lock);

        clear(&folder, &folder.socket_dir()).await.unwrap();
        assert!(!pid_file.exists());
        assert!(lock_file.exists());
    }
}
