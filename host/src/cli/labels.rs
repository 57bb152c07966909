//! `arc-host simulations rename`, `tag` and `remove`: the changes of whole simulations.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use futures_util::future::try_join_all;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::SimulationArgument;
use super::output::{self, BOLD, GOOD, Output};
use crate::error::{Error, Result};
use crate::recorder::SimulationProgress;
use crate::store::SimulationLabels;

#[derive(Debug, Subcommand)]
pub(super) enum LabelCommand {
    /// Rename a simulation.
    Rename(Rename),
    /// Add and remove tags of a simulation.
    Tag(Tag),
    /// Remove simulations permanently, with all their data.
    ///
    /// Results that are sent later for a removed simulation are refused, also those of a file that is
    /// recorded again; `arc-host record --new` records the file as a new simulation. Safe to repeat and to
    /// interrupt.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// The new name.
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Tag {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// The tags to add.
    #[arg(value_name = "TAG", required_unless_present = "remove")]
    add: Vec<String>,

    /// A tag to remove. Can be repeated.
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The simulations: their ids, unique prefixes of at least 4 characters, names, or `latest`.
    #[arg(required = true, value_name = "SIMULATION")]
    simulations: Vec<String>,

    /// Remove them without a question.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(
    global: &Global,
    command: LabelCommand,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let source = opened.source();
    let destination = connection::destination(global, source).await?;
    match command {
        LabelCommand::Rename(Rename { simulation, name }) => {
            let simulation_id = simulation.resolve(source).await?;
            show(&destination.rename_simulation(simulation_id, &name).await?, output)?;
        }
        LabelCommand::Tag(Tag { simulation, add, remove }) => {
            let simulation_id = simulation.resolve(source).await?;
            show(&destination.tag_simulation(simulation_id, &add, &remove).await?, output)?;
        }
        LabelCommand::Remove(Remove { simulations, yes }) => {
            let mut ids = source.resolve_simulations(&simulations).await?;
            ids.sort_unstable();
            ids.dedup();
            if !yes {
                let progress = ids.iter().map(|id| source.simulation_status(*id));
                if !confirmed(&try_join_all(progress).await?)? {
                    output::note("nothing was removed");
                    return Ok(CommandStatus::Incomplete);
                }
            }
            for simulation_id in ids {
                let removed = destination.remove_simulation(simulation_id).await?;
                if output.json() {
                    output.value(&removed)?;
                    continue;
                }
                let name = removed.simulation_name.as_deref().unwrap_or("unnamed");
                output.line(&format!(
                    "{GOOD}removed{GOOD:#} {simulation_id} ({}): {} outcomes",
                    output::printable(name),
                    output::count(removed.deleted_outcomes)
                ))?;
            }
        }
    }
    Ok(CommandStatus::Complete)
}

/// Shows a simulation whose labels were changed.
fn show(simulation: &SimulationLabels, output: &mut Output) -> Result<()> {
    if output.json() {
        return output.value(simulation);
    }
    let name = output::printable(simulation.simulation_name.as_deref().unwrap_or("unnamed"));
    output.line(&format!("{BOLD}{name}{BOLD:#} {}", simulation.simulation_id))?;
    let tags = match simulation.tags.is_empty() {
        true => "–".to_owned(),
        false => output::printable(&simulation.tags.join(", ")),
    };
    output.fields(&[("tags", tags)])
}

/// Asks on the terminal whether these simulations are to be removed.
///
/// # Errors
/// [`Error::Invalid`] without a terminal.
fn confirmed(simulations: &[SimulationProgress]) -> Result<bool> {
    for simulation in simulations {
        let name = simulation.simulation_name.as_deref().unwrap_or("unnamed");
        output::note(&format!(
            "{} ({name}): {} outcomes, {} rejected results",
            simulation.simulation_id,
            output::count(simulation.recorded_outcomes),
            output::count(simulation.rejected_results)
        ));
    }
    if !io::stdin().is_terminal() {
        return Err(Error::invalid(
            "a removal is permanent, and there is no terminal to confirm it",
        )
        .with_hint("use --yes"));
    }
    let failed = |error| Error::io("could not ask for a confirmation", error);
    let mut standard_error = io::stderr();
    standard_error.write_all(b"remove permanently? [y/N] ").map_err(failed)?;
    standard_error.flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
