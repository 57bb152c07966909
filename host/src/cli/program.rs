//! The program that the command line runs in: `arc-host` itself, or another one that embeds it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::embedded::SupervisorCommand;
use crate::error::{Error, Result};
use crate::extraction::CompilerCommand;

/// The hidden first argument with which the command line is the embedded database's supervisor.
pub(super) const SUPERVISE: &str = "__supervise";

/// The hidden first argument with which the command line compiles a component into the cache.
pub(super) const COMPILE: &str = "__compile";

/// The program that the command line runs in. By default it is this process's own executable file.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// How to start it again with arguments of the command line: the executable file and what
    /// comes before the arguments, such as `python -m arc_recorder`.
    pub command: Option<(PathBuf, Vec<OsString>)>,
    /// Further folders where PostgreSQL's programs are looked for.
    pub postgres_bins: Vec<PathBuf>,
}

impl Program {
    /// The command that becomes the embedded database's supervisor.
    ///
    /// # Errors
    /// [`Error::Io`] where this process's own executable file cannot be found.
    pub fn supervisor(&self) -> Result<SupervisorCommand> {
        let (program, args) = self.command_for(SUPERVISE)?;
        Ok(SupervisorCommand { program, args })
    }

    /// The command that compiles a component in a process of its own.
    ///
    /// # Errors
    /// [`Error::Io`] where this process's own executable file cannot be found.
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
