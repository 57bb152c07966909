//! `arc-host prune`: removes simulations that are older than a retention period.

use clap::{Args, ValueEnum};

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, DIM, GOOD, Output};
use crate::error::Result;
use crate::recorder::duration_hours;
use crate::store::RetentionTime;

/// How many simulations are shown to a person; `--json` shows all.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// How long simulations are kept: 180d, 26w.
    #[arg(long, value_name = "DURATION", value_parser = duration_hours)]
    older_than: f64,

    /// The time from which that is counted.
    #[arg(long, value_enum, value_name = "TIME", default_value_t = AgeBy::Acceptance)]
    by: AgeBy,

    /// Show what would be removed; remove nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AgeBy {
    /// When the simulation was recorded first.
    Acceptance,
    /// When the evaluation itself began, which can be long before its log is recorded.
    EvaluationTime,
}

impl AgeBy {
    /// Returns the time of the store.
    fn retention_time(self) -> RetentionTime {
        match self {
            AgeBy::Acceptance => RetentionTime::Acceptance,
            AgeBy::EvaluationTime => RetentionTime::Evaluation,
        }
    }

    /// Returns the participle of the simulations before that time.
    fn described(self) -> &'static str {
        match self {
            AgeBy::Acceptance => "recorded",
            AgeBy::EvaluationTime => "run",
        }
    }
}

pub(super) async fn run(
    global: &Global,
    arguments: Prune,
    output: &mut Output,
) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let store = database.store();
    let before = store.hours_ago(arguments.older_than).await?;
    let (by, done) = (arguments.by.retention_time(), arguments.by.described());
    if arguments.dry_run {
        let expired = store.expired(before, by).await?;
        if output.json() {
            output.value(&expired)?;
            return Ok(CommandStatus::Complete);
        }
        output.line(&format!(
            "{} simulations that were {done} before {before} would be removed, with {} outcomes and {} \
             rejected results",
            output::count(expired.simulation_ids.len()),
            output::count(expired.outcomes),
            output::count(expired.rejected_results)
        ))?;
        for simulation_id in expired.simulation_ids.iter().take(SHOWN) {
            output.line(&format!("  {simulation_id}"))?;
        }
        if expired.simulation_ids.len() > SHOWN {
            let more = expired.simulation_ids.len() - SHOWN;
            output.line(&format!("  {DIM}and {} more{DIM:#}", output::count(more)))?;
        }
        if !expired.chunks.is_empty() {
            let chunks = output::count(expired.chunks.len());
            output.line(&format!("{chunks} chunks of outcomes would be dropped as a whole"))?;
        }
        return Ok(CommandStatus::Complete);
    }
    let bar = output::progress_counter("removing");
    let shown = bar.clone();
    let removed =
        store.remove_expired(before, by, move |removed| shown.set_position(removed.simulations));
    let removed = removed.await;
    bar.finish_and_clear();
    let removed = removed?;
    if output.json() {
        output.value(&removed)?;
        return Ok(CommandStatus::Complete);
    }
    output.line(&format!(
        "{GOOD}removed{GOOD:#} {} simulations that were {done} before {before}: {} outcomes, {} chunks",
        output::count(removed.simulations),
        output::count(removed.deleted_outcomes),
        output::count(removed.chunks)
    ))?;
    Ok(CommandStatus::Complete)
}
