//! The program in which the command line runs: `arc-host` itself, or another one that embeds it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::embedded::SupervisorCommand;
use crate::error::{Error, Result};
use crate::extraction::CompilerCommand;

/// The hidden first argument that makes the command line the embedded database's supervisor.
pub(super) const SUPERVISE: &str = "__supervise";

/// The hidden first argument that makes the command line compile a component into the cache.
pub(super) const COMPILE: &str = "__compile";

/// The program in which the command line runs. By default it is this process's own executable file.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The command that starts the program again: the executable file, and the arguments that
    /// precede those of the command line, as in `python -m arc_recorder`.
    pub command: Option<(PathBuf, Vec<OsString>)>,
    /// Additional folders in which to look for PostgreSQL's programs.
    pub postgres_bins: Vec<PathBuf>,
}

impl Program {
    /// Returns the command that becomes the embedded database's supervisor.
    ///
    /// # Errors
    /// [`Error::Io`] if this process's own executable file cannot be found.
    pub fn supervisor(&self) -> Result<SupervisorCommand> {
        let (program, args) = self.command_for(SUPERVISE)?;
        Ok(SupervisorCommand { program, args })
    }

    /// Returns the command that compiles a component in a separate process.
    ///
    /// # Errors
    /// [`Error::Io`] if this process's own executable file cannot be found.
    pub fn compiler(&self) -> Result<CompilerCommand> {
        let (program, args) = self.command_for(COMPILE)?;
        Ok(CompilerCommand { program, args })
    }

    fn command_for(&self, first: &str) -> Result<(PathBuf, Vec<OsString>)> {
        let (program, mut args) = match self.command.clone() {
            Some(command) => command,
            None => {
                let program = env::current_exe()
                    .map_err(|error| Error::io("could not find this program's own file", error))?;
                (program, Vec::new())
            }
        };
        args.push(OsString::from(first));
        Ok((program, args))
    }
}
