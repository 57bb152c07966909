//! `arc-host completions`: scripts that complete the command line in shells, generated from its
//! definition.

use clap::{Args, Command};
use clap_complete::Shell;

use super::CommandStatus;
use super::output::Output;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(arc-host completions bash)       bash, now; a line of ~/.bashrc does it every time
  source <(arc-host completions zsh)        zsh, in ~/.zshrc after compinit
  arc-host completions fish > ~/.config/fish/completions/arc-host.fish
  eval (arc-host completions elvish | slurp)
  arc-host completions powershell | Out-String | Invoke-Expression

For all users: a file such as /usr/share/bash-completion/completions/arc-host for bash; for zsh a
file _arc-host in a folder of its fpath.";

/// Writes the script to standard output.
pub(super) fn run(
    arguments: &Completions,
    command: &mut Command,
    output: &mut Output,
) -> Result<CommandStatus> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    command.set_bin_name(&name);
    command.build();
    clap_complete::Generator::try_generate(&arguments.shell, command, &mut script)
        .map_err(|error| Error::io("could not make the script", error))?;
    if arguments.shell == Shell::Bash {
        script = with_one_prefix(&name, &script);
    }
    output.bytes(&script)?;
    Ok(CommandStatus::Complete)
}

/// Returns the bash script with one prefix for a command with a dash in its name. The generator
/// looks the command up under another prefix than the one that it sets, and then completes none of
/// its options.
fn with_one_prefix(name: &str, script: &[u8]) -> Vec<u8> {
    let (found, set) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    String::from_utf8_lossy(script).replace(&found, &set).into_bytes()
}
