//! `arc-host status`: shows the progress of a simulation, once or until it ends.

use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::SimulationArgument;
use super::output::{self, LiveLines, Output};
use crate::delivery::Source;
use crate::error::{Error, Result};
use crate::recorder::SimulationProgress;
use crate::store::SimulationStatus;

/// The pause of a watch between two queries.
const PAUSE: Duration = Duration::from_millis(500);

/// A slow database spends at most one part in this many of its time on the queries of a watch.
const SHARE: u32 = 10;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// Show every change until the simulation ends: exit code 0 if it was completed, 1 if it failed
    /// or was cancelled.
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(
    global: &Global,
    arguments: Status,
    output: &mut Output,
) -> Result<CommandStatus> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::io("could not listen for Ctrl-C", error))?;
    tokio::select! {
        done = async {
            let opened = connection::open_source(global).await?;
            let simulation_id = arguments.simulation.resolve(opened.source()).await?;
            if arguments.watch {
                return watch(opened.source(), simulation_id, output).await;
            }
            let status = opened.source().simulation_status(simulation_id).await?;
            if output.json() {
                output.value(&status)?;
            } else {
                for line in lines(&status) {
                    output.line(&line)?;
                }
                output::warn_all(&status.warnings);
            }
            Ok(CommandStatus::Complete)
        } => done,
        _ = interrupts.recv() => Ok(CommandStatus::Interrupted),
    }
}

/// Shows every change until the simulation ends: a line for each, or in place on a terminal.
async fn watch(source: &Source, simulation_id: Uuid, output: &mut Output) -> Result<CommandStatus> {
    let mut live = LiveLines::on_terminal(output);
    let mut shown = None;
    let mut unavailable = false;
    loop {
        let asked_at = Instant::now();
        match source.simulation_status(simulation_id).await {
            Ok(status) => {
                unavailable = false;
                // The execution time changes even if nothing else does.
                let state = SimulationProgress { execution_time_ms: 0.0, ..status.clone() };
                if shown.as_ref() != Some(&state) {
                    match &mut live {
                        Some(live) => live.draw(&lines(&status)),
                        None if output.json() => output.value(&status)?,
                        None => output.line(&summary(&status))?,
                    }
                    shown = Some(state);
                }
                match status.status {
                    SimulationStatus::Running => {}
                    SimulationStatus::Completed => return Ok(CommandStatus::Complete),
                    SimulationStatus::Failed
                    | SimulationStatus::Cancelled
                    | SimulationStatus::Incomplete => {
                        return Ok(CommandStatus::Incomplete);
                    }
                }
            }
            // A restart of the server is waited for, but the first query must succeed.
            Err(error) if error.retryable() && shown.is_some() => {
                if !std::mem::replace(&mut unavailable, true) {
                    output::warn(&error.report());
                }
            }
            Err(error) => return Err(error),
        }
        if output.closed() {
            return Ok(CommandStatus::Complete);
        }
        tokio::time::sleep(PAUSE.max(asked_at.elapsed() * SHARE)).await;
    }
}

/// Formats a simulation for people, one value per line.
fn lines(status: &SimulationProgress) -> Vec<String> {
    let fields = [
        ("progress", output::progress(status)),
        ("successful", output::count(status.successful_outcomes)),
        ("failed", output::count(status.failed_outcomes)),
        ("rejected", output::count(status.rejected_results)),
        (
            "outcomes",
            format!(
                "{} ({})",
                output::count(status.recorded_outcomes),
                output::tally(&status.by_status)
            ),
        ),
        ("errors", output::tally(&status.by_error_category)),
        ("failures", output::tally(&status.by_failure_class)),
        ("score", output::headline(status)),
        ("tokens", output::tokens(status)),
        ("cost", output::cost(status)),
        ("started", format!("{:.0}", status.started_at)),
        (
            "completed",
            status.completed_at.map_or_else(|| "–".to_owned(), |time| format!("{time:.0}")),
        ),
    ];
    let mut fields = fields.to_vec();
    if let Some(headline) = &status.headline {
        let better = output::better(headline.higher_is_better, headline.higher_is_better_assumed);
        fields.insert(8, ("better", better.to_owned()));
    }
    if !status.review.is_empty() {
        fields.insert(7, ("review", output::review(&status.review)));
    }
    if status.invalidated_outcomes > 0 {
        fields.insert(3, ("invalidated", output::count(status.invalidated_outcomes)));
    }
    let cost = fields.iter().position(|(name, _)| *name == "cost").map_or(0, |cost| cost + 1);
    fields.splice(cost..cost, output::usage(&status.usage));
    fields.splice(0..0, output::origin(&status.origin));
    fields.extend(output::superseded(status));
    if !status.tags.is_empty() {
        fields.push(("tags", output::printable(&status.tags.join(", "))));
    }
    if let Some(reason) = &status.status_reason {
        fields.push(("reason", output::printable(reason)));
    }
    if let Some(reconciliation) = &status.reconciliation {
        fields.push(("log", output::printable(&reconciliation.summary())));
    }
    std::iter::once(output::title(status)).chain(output::named(&fields)).collect()
}

/// Formats a simulation as one line.
fn summary(status: &SimulationProgress) -> String {
    format!(
        "{} {:.1}% ({} of {} scenarios), successful {}, failed {}, rejected {}, score {}, cost {}",
        status.status,
        status.progress_percentage,
        output::count(status.completed_scenarios),
        output::count(status.total_scenarios),
        output::count(status.successful_outcomes),
        output::count(status.failed_outcomes),
        output::count(status.rejected_results),
        output::headline(status),
        output::dollars(status.total_cost_usd)
    )
}
