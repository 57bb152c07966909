//! What a runner may touch.

use std::path::PathBuf;

use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::error::{Error, Result};

/// What a runner may touch beside its arguments, the standard streams, clocks, randomness and the
/// recorder: nothing, unless it is granted here.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Folders of this machine. What lies outside of them cannot be reached, not by `..` and not
    /// by a symbolic link.
    pub folders: Vec<GrantedFolder>,
    /// Whether it may connect, listen and look up names, with TCP and UDP, as this process may.
    pub network: bool,
    /// Environment variables, with their values.
    pub variables: Vec<(String, String)>,
}

/// A folder that a runner may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedFolder {
    /// The folder on this machine.
    pub host: PathBuf,
    /// The path under which the runner sees it.
    pub guest: String,
    /// Whether it may make, change and remove files there.
    pub writable: bool,
}

impl Grants {
    /// What the runner finds when it starts.
    pub(super) fn context(&self, arguments: &[String]) -> Result<WasiCtx> {
        let mut context = WasiCtx::builder();
        context.inherit_stdio().args(arguments).envs(&self.variables);
        for folder in &self.folders {
            let allowed = if folder.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            let granted = context.preopened_dir(&folder.host, &folder.guest, allowed);
            granted.map_err(|error| {
                let host = folder.host.display();
                Error::configuration(format!(
                    "could not give the runner the folder {host}: {}",
                    error.root_cause()
                ))
            })?;
        }
        // Without it every use of a socket is refused, and no name is looked up.
        context.allow_tcp(self.network).allow_udp(self.network).allow_ip_name_lookup(self.network);
        if self.network {
            context.inherit_network();
        }
        Ok(context.build())
    }
}
