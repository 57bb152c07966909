//! The user that `postgres` runs as: the caller, unless that is root, which PostgreSQL refuses.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use super::EmbeddedError;
use super::process;
use super::programs::Programs;

/// The users to switch to, in this order; PostgreSQL's packages create the first, the second exists everywhere.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The user that `postgres` runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    /// The user to switch to; `None` if the caller runs `postgres` as itself.
    switch: Option<Switch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Switch {
    gid: u32,
    name: String,
}

impl Account {
    /// Returns the account for a cluster, which might not exist yet. An existing cluster is run by its owner.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Self, EmbeddedError> {
        let caller = Uid::effective();
        if !caller.is_root() {
            return Ok(Self { uid: caller.as_raw(), switch: None });
        }
        if let Ok(metadata) = fs::metadata(cluster)
            && metadata.uid() != 0
        {
            return Ok(Self::owner(metadata.uid(), metadata.gid()));
        }
        CANDIDATES
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self {
                uid: user.uid.as_raw(),
                switch: Some(Switch { gid: user.gid.as_raw(), name: user.name }),
            })
            .ok_or(EmbeddedError::NoAccount)
    }

    /// Returns the user id that owns its files.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes this account the owner of a folder.
    pub(super) fn own(&self, folder: &Path) -> io::Result<()> {
        match &self.switch {
            Some(switch) => lchown(folder, Some(self.uid), Some(switch.gid)),
            None => Ok(()),
        }
    }

    /// Returns a command that runs as this account.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        process::plain(&mut command);
        if let Some(switch) = &self.switch {
            // Setting the user also leaves root's supplementary groups.
            command.gid(switch.gid).uid(self.uid);
        }
        command
    }

    /// Checks that this account can run the programs and enter the folder; the error names the folder that it
    /// cannot enter. The access is tried, not computed, so that access lists and security modules are taken into
    /// account.
    pub(super) fn check_access(
        &self,
        programs: &Programs,
        folder: &Path,
    ) -> Result<(), EmbeddedError> {
        let Some(switch) = &self.switch else {
            return Ok(());
        };
        let program = programs.program("postgres");
        let enter = |folder: &Path| {
            let mut command = self.command(&program);
            command
                .arg("--version")
                .current_dir(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        };
        enter(Path::new("/")).map_err(|source| EmbeddedError::Account {
            program: program.clone(),
            user: switch.name.clone(),
            source,
        })?;
        let mut way: Vec<&Path> = folder.ancestors().collect();
        way.reverse();
        if enter(folder).is_ok() {
            return Ok(());
        }
        let closed = way
            .into_iter()
            .find(|ancestor| enter(ancestor).is_err())
            .map_or_else(|| folder.to_owned(), PathBuf::from);
        Err(EmbeddedError::NotTraversable { folder: closed, user: switch.name.clone() })
    }

    fn owner(uid: u32, gid: u32) -> Self {
        let switch = match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => Switch { gid: user.gid.as_raw(), name: user.name },
            // A folder mounted into a container can belong to a user id without a name.
            _ => Switch { gid, name: uid.to_string() },
        };
        Self { uid, switch: Some(switch) }
    }
}
