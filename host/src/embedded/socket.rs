//! The folder of the database's socket, which is private and has a short path.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};

use super::EmbeddedError;
use super::account::Account;
use super::folders::DataFolder;

/// The port number in the socket's name; the server does not listen on a network.
pub(super) const PORT: u16 = 5432;

/// The length of the kernel's field for a socket's path, without the terminating NUL.
const MAX_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Creates the socket's folder: in the data folder if its path is short enough, else one with a short name among the
/// user's temporary files. A folder that was used before is used again, so that clients with its path can reconnect.
pub(super) fn prepare(folder: &DataFolder, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let before = folder.record().map(|record| record.socket_dir);
    let candidates = candidates(folder, &parents());
    let before = before
        .filter(|before| before.file_name() == Some(short_name(folder).as_ref()) && fits(before));
    let mut failed = EmbeddedError::NoSocketFolder;
    for candidate in before.into_iter().chain(candidates) {
        match make(&candidate, account) {
            Ok(()) => return Ok(candidate),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Removes the folder if it is outside of the data folder, because nothing else removes it.
pub(super) fn clean_up(folder: &DataFolder, socket_dir: &Path) {
    if !socket_dir.starts_with(folder.path()) {
        let _ = fs::remove_dir(socket_dir);
    }
}

/// Refuses a folder that is not private to this account: in a shared folder another user could listen in it.
pub(super) fn verify(socket_dir: &Path, uid: u32) -> Result<(), EmbeddedError> {
    let foreign = |problem| {
        Err(EmbeddedError::ForeignSocketFolder { folder: socket_dir.to_owned(), problem })
    };
    let metadata = fs::symlink_metadata(socket_dir)
        .map_err(EmbeddedError::file("open the socket's folder", socket_dir))?;
    if !metadata.is_dir() {
        foreign("is not a folder")
    } else if metadata.uid() != uid {
        foreign("belongs to another user")
    } else if metadata.mode() & 0o077 != 0 {
        foreign("is open to other users")
    } else {
        Ok(())
    }
}

/// Returns the lock file of a server's socket.
pub(super) fn lock_file(socket_dir: &Path) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{PORT}.lock"))
}

/// Returns the folder as a value of the server's setting, a comma-separated list: quoted, with quotes doubled.
pub(super) fn as_setting(socket_dir: &Path) -> String {
    format!("\"{}\"", socket_dir.display().to_string().replace('"', "\"\""))
}

fn candidates(folder: &DataFolder, parents: &[PathBuf]) -> Vec<PathBuf> {
    let own = folder.socket_dir();
    if fits(&own) {
        return vec![own];
    }
    let name = short_name(folder);
    parents.iter().map(|parent| parent.join(&name)).filter(|candidate| fits(candidate)).collect()
}

/// Returns the folders for temporary files. Those of root are excluded, because the user that `postgres` runs as
/// cannot enter them.
fn parents() -> Vec<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && !Uid::effective().is_root());
    runtime.into_iter().chain([env::temp_dir(), PathBuf::from("/tmp")]).collect()
}

/// Returns whether clients can use the path: it is short enough for the kernel, and has no comma, which ends a
/// host's name in libpq.
fn fits(socket_dir: &Path) -> bool {
    !socket_dir.as_os_str().as_encoded_bytes().contains(&b',')
        && socket_dir.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() <= MAX_PATH_BYTES
}

/// Returns a name that is the same for every process, because the data folder's path is canonical.
fn short_name(folder: &DataFolder) -> String {
    let digest = Sha256::digest(folder.path().as_os_str().as_encoded_bytes());
    let hexadecimal: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("arc-{hexadecimal}")
}

fn make(socket_dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(socket_dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => {
            return Err(EmbeddedError::File {
                action: "make the socket's folder",
                path: socket_dir.to_owned(),
                source,
            });
        }
    }
    // The folder belongs to its creator until its owner is changed, also if that was interrupted the last time.
    if verify(socket_dir, Uid::effective().as_raw()).is_ok() {
        account.own(socket_dir).map_err(EmbeddedError::file("hand over", socket_dir))?;
    }
    verify(socket_dir, account.uid())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder(path: &Path) -> DataFolder {
        DataFolder::open(Some(path)).unwrap()
    }

    #[test]
    fn any_folder_is_one_item_of_the_list() {
        assert_eq!(as_setting(Path::new("/home/a/run")), r#""/home/a/run""#);
        assert_eq!(as_setting(Path::new("/home/a, b/run")), r#""/home/a, b/run""#);
        assert_eq!(as_setting(Path::new(r#"/home/the "one"/run"#)), r#""/home/the ""one""/run""#);
    }

    #[test]
    fn a_short_path_stays_in_the_data_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        assert_eq!(candidates(&folder, &["/tmp".into()]), [folder.socket_dir()]);
    }

    #[test]
    fn a_long_path_goes_to_the_first_short_parent() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(&root.path().join("a long name ".repeat(9)));
        let found = candidates(
            &folder,
            &[PathBuf::from("/long".repeat(20)), "/run/user/7".into(), "/tmp".into()],
        );
        assert_eq!(
            found,
            [
                Path::new("/run/user/7").join(short_name(&folder)),
                Path::new("/tmp").join(short_name(&folder))
            ]
        );
    }

    #[test]
    fn the_limit_is_the_kernels() {
        let longest = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1 - "/.s.PGSQL.5432".len()));
        assert!(fits(Path::new(&longest)));
        assert!(!fits(Path::new(&format!("{longest}a"))));
        assert!(!fits(Path::new("/home/a, b/run")));
    }

    #[test]
    fn a_foreign_or_open_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let uid = Uid::effective().as_raw();
        let socket_dir = root.path().join("run");
        assert!(verify(&socket_dir, uid).is_err());
        DirBuilder::new().mode(0o700).create(&socket_dir).unwrap();
        verify(&socket_dir, uid).unwrap();
        assert!(
            verify(&socket_dir, uid + 1)
                .unwrap_err()
                .to_string()
                .contains("belongs to another user")
        );
        fs::set_permissions(&socket_dir, Permissions::from_mode(0o755)).unwrap();
        assert!(verify(&socket_dir, uid).unwrap_err().to_string().contains("open to other users"));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&socket_dir, &link).unwrap();
        assert!(verify(&link, uid).unwrap_err().to_string().contains("is not a folder"));
    }
}
