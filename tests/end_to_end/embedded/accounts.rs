//! Root, an ordinary user, and folders that they cannot access.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::folder::{Folder, connect, counts};
use super::refusals::assert_refused;
use crate::support::{Finished, Program, skip};

/// An unprivileged user: the user who runs the tests, or "nobody" if that is root.
struct Ordinary {
    uid: Uid,
    gid: Gid,
    home: PathBuf,
}

impl Ordinary {
    /// Creates the user's home; returns `None` if the user cannot run the program.
    fn new(folder: &Folder) -> Option<Self> {
        let user = if geteuid().is_root() {
            User::from_name("nobody").unwrap()?
        } else {
            User::from_uid(geteuid()).unwrap()?
        };
        let ordinary = Ordinary { uid: user.uid, gid: user.gid, home: folder.beside("home") };
        fs::create_dir(&ordinary.home).unwrap();
        chown(&ordinary.home, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        match ordinary.command(["--version"]).stdout(Stdio::null()).status() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            status => status.unwrap().success().then_some(ordinary),
        }
    }

    /// Returns the program, run by the user in the user's own environment.
    fn command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Program::without_database().command(arguments);
        for name in ["XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "ARC_CACHE_DIR"] {
            command.env_remove(name);
        }
        command.env("HOME", &self.home).current_dir("/").stdin(Stdio::null());
        if geteuid().is_root() {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        command
    }
}

const NO_ORDINARY_USER: &str = "there is no user \"nobody\" who can run the program";

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn root_runs_the_server_as_another_user() {
    if !geteuid().is_root() {
        return skip("the server of root", "the tests do not run as root");
    }
    let folder = Folder::without_fsync();
    let database = folder.acquire().await;
    connect(&database).await;
    // The files of a running server belong to its user.
    for file in ["postgres/postmaster.pid", "run/.s.PGSQL.5432"] {
        let uid = Uid::from_raw(owner(&folder.data.join(file)));
        let name = User::from_uid(uid).unwrap().unwrap().name;
        assert!(["postgres", "nobody"].contains(&name.as_str()), "{file} belongs to {name}");
    }
}

#[test]
fn an_ordinary_user_needs_nothing_but_a_home() {
    let mut folder = Folder::new();
    let Some(user) = Ordinary::new(&folder) else {
        return skip("the database of an ordinary user", NO_ORDINARY_USER);
    };
    let file = folder.results(3);
    for expected in [(3, 0), (0, 3)] {
        let recorded = user.command(["record", "--json"]).arg(&file).output().unwrap();
        assert_eq!(counts(&Finished::from(recorded).ended(0).json()), expected);
    }
    let health = Finished::from(user.command(["health", "--json"]).output().unwrap()).ended(0);
    let place = health.json()["database"].as_str().unwrap().to_owned();
    folder.data = place.strip_prefix("embedded, in ").unwrap().into();
    assert!(folder.data.starts_with(user.home.canonicalize().unwrap()), "{place}");
    for name in ["", "postgres", "postgres/PG_VERSION", "run", "supervisor.log"] {
        assert_eq!(owner(&folder.data.join(name)), user.uid.as_raw(), "{name}");
    }
    let mode = fs::metadata(&folder.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_folder_that_is_not_writable_is_named() {
    let folder = Folder::new();
    let Some(user) = Ordinary::new(&folder) else {
        return skip("a folder closed to an ordinary user", NO_ORDINARY_USER);
    };
    let closed = folder.beside("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let data = closed.join("data");
    let words = ["could not make the data folder", data.to_str().unwrap(), "name another"];
    assert_refused(user.command(["health", "--data-dir"]).arg(&data), &words);
}

#[test]
fn the_error_names_the_folder_that_the_servers_user_cannot_enter() {
    if !geteuid().is_root() {
        return skip("a folder that only root can enter", "the tests do not run as root");
    }
    let mut folder = Folder::without_fsync();
    let closed = folder.beside("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    folder.data = closed.join("data");
    let enter = format!("cannot enter {}", closed.canonicalize().unwrap().display());
    assert_refused(&mut folder.command(["health"]), &["refuses to run as root", &enter, "chmod"]);
    assert!(!folder.data.join("postgres").exists());

    fs::set_permissions(&closed, Permissions::from_mode(0o711)).unwrap();
    Finished::from(folder.command(["health"]).output().unwrap()).ended(0);
}
