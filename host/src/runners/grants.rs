//! The access that is granted to a runner.

use std::path::PathBuf;

use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::error::{Error, Result};

/// The access of a runner beyond its arguments, the standard streams, clocks, random numbers and
/// the recorder: none by default.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Folders of this machine. Nothing outside of them can be reached, neither with `..` nor
    /// with a symbolic link.
    pub folders: Vec<GrantedFolder>,
    /// Whether it can connect, listen and look up names, with TCP and UDP, with the access of
    /// this process.
    pub network: bool,
    /// Environment variables, with their values.
    pub variables: Vec<(String, String)>,
}

/// A folder that a runner can access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedFolder {
    /// The folder on this machine.
    pub host: PathBuf,
    /// The path under which the runner sees it.
    pub guest: String,
    /// Whether it can create, change and remove files there.
    pub writable: bool,
}

impl Grants {
    /// Returns the WASI context of the runner.
    pub(super) fn context(&self, arguments: &[String]) -> Result<WasiCtx> {
        let mut context = WasiCtx::builder();
        context.inherit_stdio().args(arguments).envs(&self.variables);
        for folder in &self.folders {
            let allowed = if folder.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            let granted = context.preopened_dir(&folder.host, &folder.guest, allowed);
            granted.map_err(|error| {
                let host = folder.host.display();
                Error::configuration(format!(
                    "could not grant the runner the folder {host}: {}",
                    error.root_cause()
                ))
            })?;
        }
        // Without these every use of a socket and every name lookup is refused.
        context.allow_tcp(self.network).allow_udp(self.network).allow_ip_name_lookup(self.network);
        if self.network {
            context.inherit_network();
        }
        Ok(context.build())
    }
}
