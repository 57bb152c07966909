//! The cluster, which is created once and atomically.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::EmbeddedError;
use super::account::Account;
use super::connect::USER;
use super::folders::DataFolder;
use super::log;
use super::process;
use super::programs::Programs;

/// The prefix of the folder of an incomplete cluster; the rest of its name is random.
const IN_THE_MAKING: &str = "postgres-new-";

/// Returns the major version that created the cluster, or `None` if there is no cluster yet.
pub(super) fn major(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(version) => match version.trim().parse() {
            Ok(major) => Ok(Some(major)),
            Err(_) => Err(EmbeddedError::NotACluster { cluster: cluster.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && empty(cluster) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(EmbeddedError::NotACluster { cluster: cluster.to_owned() })
        }
        Err(source) => Err(EmbeddedError::File { action: "read", path, source }),
    }
}

/// Creates the cluster in a temporary folder, and renames the folder when it is complete. The caller holds the start
/// lock.
pub(super) fn make(
    folder: &DataFolder,
    programs: &Programs,
    account: &Account,
) -> Result<(), EmbeddedError> {
    let cluster = folder.cluster();
    let making = |error| EmbeddedError::file("make a folder in", folder.path())(error);
    let new =
        tempfile::Builder::new().prefix(IN_THE_MAKING).tempdir_in(folder.path()).map_err(making)?;
    account.own(new.path()).map_err(EmbeddedError::file("hand over", new.path()))?;
    initdb(new.path(), programs, account)
        .map_err(|reason| EmbeddedError::Initdb { cluster: cluster.clone(), reason })?;
    fs::rename(new.path(), &cluster)
        .map_err(EmbeddedError::file("put the new cluster into", &cluster))?;
    // The folder was renamed, so there is nothing to remove.
    let _ = new.keep();
    let durable = File::open(folder.path()).and_then(|folder| folder.sync_all());
    durable.map_err(EmbeddedError::file("write", folder.path()))
}

/// Returns the path of the file in which a server writes its process id and state.
pub(super) fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Returns whether the server with this process id has written that it accepts connections.
pub(super) fn ready(cluster: &Path, server: u32) -> bool {
    fs::read_to_string(pid_file(cluster))
        .is_ok_and(|text| process_id(&text) == Some(server) && is_marked_ready(&text))
}

/// Returns whether a connection can succeed. A server that is starting or stopping would only log refusals.
pub(super) fn may_be_ready(cluster: &Path) -> bool {
    match fs::read_to_string(pid_file(cluster)) {
        Ok(text) => is_marked_ready(&text),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn initdb(cluster: &Path, programs: &Programs, account: &Account) -> Result<(), String> {
    let mut command = account.command(&programs.program("initdb"));
    command.arg("--pgdata").arg(cluster);
    command.args([
        "--username",
        USER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        "--no-instructions",
    ]);
    let output = process::ending_with_parent(&mut command, Signal::SIGTERM)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = initdb_reason(&String::from_utf8_lossy(&output.stderr));
    Err(said.unwrap_or_else(|| format!("initdb ended with {}", output.status)))
}

/// Returns the first error of initdb, without its messages about removing files.
fn initdb_reason(said: &str) -> Option<String> {
    let telling = |line| {
        ["error: ", "FATAL:  ", "PANIC:  ", "HINT:  "]
            .iter()
            .find_map(|mark| str::split_once(line, mark))
    };
    let first: Vec<&str> = said
        .lines()
        .filter_map(telling)
        .map(|(_, text)| text.trim_end_matches('.'))
        .take(2)
        .collect();
    if first.is_empty() { log::last_lines(said, 2) } else { Some(first.join("; ")) }
}

/// Removes the folders of earlier attempts to create a cluster. The caller holds the start lock, so no other process
/// creates one. Errors are ignored, because the next folder has another name.
pub(super) fn remove_half_made(folder: &DataFolder) {
    let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
    for entry in
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(IN_THE_MAKING))
    {
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn empty(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns the process id, which is the first line of the file.
fn process_id(pid_file: &str) -> Option<u32> {
    pid_file.lines().next()?.trim().parse().ok()
}

/// Returns whether the server's state, the eighth line, is ready.
fn is_marked_ready(pid_file: &str) -> bool {
    pid_file.lines().nth(7).is_some_and(|line| line.starts_with("ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_cluster_or_empty_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let cluster = root.path().join("postgres");
        assert_eq!(major(&cluster).unwrap(), None);
        fs::create_dir(&cluster).unwrap();
        assert_eq!(major(&cluster).unwrap(), None);
        fs::write(cluster.join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(major(&cluster).unwrap(), Some(15));
        fs::rename(cluster.join("PG_VERSION"), cluster.join("photo.jpg")).unwrap();
        assert!(matches!(major(&cluster), Err(EmbeddedError::NotACluster { .. })));
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_itself() {
        let text = "4711\n/data/postgres\n1700000000\n5432\n/data/run\n\n  1234  5\nready   \n";
        assert_eq!(process_id(text), Some(4711));
        assert!(is_marked_ready(text));
        assert!(!is_marked_ready(&text.replace("ready   ", "starting")));
        for incomplete in ["4711\n/data/postgres\n", ""] {
            assert!(!is_marked_ready(incomplete));
        }
    }

    #[test]
    fn initdb_is_quoted_where_it_complains() {
        let said = "running bootstrap script ... 2026-01-01 UTC [7] FATAL:  could not write: No space left on device\n\
                    child process exited with exit code 1\ninitdb: removing contents of data directory \"/x\"\n";
        assert_eq!(
            initdb_reason(said).as_deref(),
            Some("could not write: No space left on device")
        );
        assert_eq!(initdb_reason("a\nb\nc\n").as_deref(), Some("b; c"));
        assert_eq!(initdb_reason(""), None);
    }

    #[test]
    fn incomplete_clusters_are_removed_and_other_files_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(Some(root.path())).unwrap();
        fs::create_dir_all(root.path().join("postgres-new-abc/base")).unwrap();
        fs::create_dir(root.path().join("postgres")).unwrap();
        remove_half_made(&folder);
        assert!(!root.path().join("postgres-new-abc").exists());
        assert!(root.path().join("postgres").exists());
    }
}
