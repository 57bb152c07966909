//! `arc-host revisions`: the revisions of results, and which of them counts.

use clap::Args;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options;
use super::output::{self, Output};
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Revisions {
    /// The simulation's id.
    #[arg(value_name = "SIMULATION", value_parser = options::id)]
    simulation_id: Uuid,
}

pub(super) async fn run(
    global: &Global,
    arguments: Revisions,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let revisions = opened.source().revisions(arguments.simulation_id).await?;
    if output.json() {
        revisions.iter().try_for_each(|revision| output.value(revision))?;
        return Ok(CommandStatus::Complete);
    }
    if revisions.is_empty() {
        output::note("every result has one revision");
        return Ok(CommandStatus::Complete);
    }
    let rows = revisions.iter().map(|revision| {
        let made_at = revision.revised_at.unwrap_or(revision.received_at);
        vec![
            revision.scenario_id.clone(),
            output::count(revision.revision),
            if revision.counts { "counts" } else { "" }.to_owned(),
            output::score(revision.score),
            revision.headline.clone().unwrap_or_default(),
            if revision.invalidated { "invalidated" } else { "" }.to_owned(),
            format!("{made_at:.0}"),
            revision.outcome_id.to_string(),
            revision.result_key.clone(),
        ]
    });
    let header = ["scenario", "revision", "", "score", "metric", "", "made", "outcome", "key"];
    output.table(&header, &["revision", "score"], rows)?;
    Ok(CommandStatus::Complete)
}
