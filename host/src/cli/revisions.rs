//! `arc-host revisions`: shows the revisions of results, and selects which of them counts.

use clap::Args;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::SimulationArgument;
use super::output::{self, Output};
use crate::error::Result;
use crate::store::Revision;

#[derive(Debug, Args)]
pub(super) struct Revisions {
    #[command(flatten)]
    simulation: SimulationArgument,

    /// Select the revision that counts: its number, or `latest` for the one that was made last.
    #[arg(id = "use", long = "use", value_name = "N", value_parser = parse_choice)]
    choice: Option<Choice>,

    /// The key of the result; not needed if only one result has several revisions.
    #[arg(long, value_name = "KEY", requires = "use")]
    result: Option<String>,
}

/// A revision to select.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Number(i64),
    Latest,
}

fn parse_choice(text: &str) -> std::result::Result<Choice, String> {
    let number = text.parse().ok().filter(|number| *number > 0).map(Choice::Number);
    let choice = if text == "latest" { Some(Choice::Latest) } else { number };
    choice
        .ok_or_else(|| format!("invalid revision: {text:?} (expected a number from 1, or latest)"))
}

pub(super) async fn run(
    global: &Global,
    arguments: Revisions,
    output: &mut Output,
) -> Result<CommandStatus> {
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let revisions = match arguments.choice {
        None => opened.source().revisions(simulation_id).await?,
        Some(choice) => {
            let number = match choice {
                Choice::Number(number) => Some(number),
                Choice::Latest => None,
            };
            let destination = connection::destination(global, opened.source()).await?;
            let result_key = arguments.result.as_deref();
            destination.select_revision(simulation_id, result_key, number).await?
        }
    };
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
            state(revision).to_owned(),
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

/// Formats whether a revision counts, and why.
fn state(revision: &Revision) -> &'static str {
    match (revision.superseded, revision.counts, revision.selected) {
        (true, _, _) => "superseded",
        (false, true, true) => "counts, selected",
        (false, true, false) => "counts",
        (false, false, _) => "",
    }
}
