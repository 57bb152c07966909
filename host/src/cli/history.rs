//! The commands that extract recorded results again: `retry-rejected` and `reextract`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::stop_on_interrupt;
use super::options::SimulationOption;
use super::output::{self, BAD, BOLD, DIM, GOOD, Output};
use crate::Recorder;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::extraction::Violation;
use crate::recorder::{
    Reextraction, ReextractionEvent, ReextractionScope, ReplayProgress, ReplaySummary,
    SimulationChanges,
};
use crate::store::ColumnChange;

/// How many refused outcomes are shown to a person; `--json` shows all.
const SHOWN_REFUSED: usize = 10;

/// How much of a value is shown to a person.
const SHOWN_CHARACTERS: usize = 60;

/// Opens a recorder on the database that the settings name, and returns the flag that Ctrl-C sets.
/// A named simulation must exist, even if the database has no results of any format; its id is returned, too.
async fn open(
    global: &Global,
    simulation: &SimulationOption,
) -> Result<(Recorder, Database, Option<Uuid>, Arc<AtomicBool>)> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::new(AtomicBool::new(true)))?;
    let database = connection::open_current(global).await?;
    let simulation_id = simulation.resolve(database.store()).await?;
    if let Some(simulation_id) = simulation_id {
        database.store().simulation(simulation_id).await?;
    }
    let recorder = connection::recorder(global, database.store()).await?;
    Ok((recorder, database, simulation_id, stop))
}

/// Returns a recorder for each format whose results the database holds, or for the named one.
async fn recorders(recorder: &Recorder, named: Option<&str>) -> Result<Vec<Recorder>> {
    if let Some(name) = named {
        return Ok(vec![recorder.in_format(name).await?]);
    }
    let mut all = Vec::new();
    for name in recorder.recorded_formats().await? {
        match recorder.in_format(&name).await {
            Ok(recorder) => all.push(recorder),
            Err(error) => {
                let text = format!("results of the format {name} stay: {}", error.report());
                output::warn_with_hint(&text, error.hint().as_deref());
            }
        }
    }
    Ok(all)
}

#[derive(Debug, Args)]
pub(super) struct RetryRejected {
    /// Only the results of this format. Default: all formats.
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    #[command(flatten)]
    simulation: SimulationOption,
}

/// `arc-host retry-rejected`.
pub(super) async fn retry_rejected(
    global: &Global,
    arguments: RetryRejected,
    output: &mut Output,
) -> Result<CommandStatus> {
    let (recorder, _database, simulation_id, stop) = open(global, &arguments.simulation).await?;
    let bar = output::progress_counter("extracting");
    let replayed = async {
        let mut replayed = ReplaySummary::default();
        for recorder in recorders(&recorder, arguments.format.as_deref()).await? {
            let shown = bar.clone();
            let report = move |progress: ReplayProgress| {
                shown.set_length(progress.total);
                shown.set_position(progress.results);
            };
            replayed += recorder.replay_rejected(simulation_id, &stop, report).await?;
            if replayed.interrupted {
                break;
            }
        }
        Ok::<_, Error>(replayed)
    };
    let replayed = replayed.await;
    bar.finish_and_clear();
    let replayed = replayed?;
    if output.json() {
        output.value(&replayed)?;
    } else {
        let style = if replayed.rejected > 0 { BAD } else { GOOD };
        output.fields(&[
            ("stored now", output::count(replayed.stored)),
            ("duplicate", output::count(replayed.duplicate)),
            ("still rejected", format!("{style}{}{style:#}", output::count(replayed.rejected))),
            ("  other reasons", output::count(replayed.reasons_changed)),
            ("  unreadable", output::count(replayed.unreadable)),
        ])?;
    }
    if let Some(failure) = &replayed.failure {
        let what = output::results(replayed.failed);
        output::show_error_message(&format!(
            "{what} could not be extracted again, and stay rejected: {failure}"
        ));
    }
    Ok(match (replayed.interrupted, replayed.failed, replayed.rejected) {
        (true, ..) => {
            output::note("stopped; run the same command again for the rest");
            CommandStatus::Interrupted
        }
        (false, 1.., _) => CommandStatus::Incomplete,
        (false, 0, 1..) => CommandStatus::Rejected,
        (false, 0, 0) => CommandStatus::Complete,
    })
}

#[derive(Debug, Args)]
pub(super) struct Reextract {
    /// Only the outcomes of this format. Default: all formats.
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    #[command(flatten)]
    simulation: SimulationOption,

    /// Show every field that would change, with its old and its new value; write nothing.
    #[arg(long)]
    dry_run: bool,

    /// Also outcomes that the current extractor has extracted.
    #[arg(long)]
    all: bool,
}

/// The summary of `reextract`, as `--json` prints it.
#[derive(Serialize)]
struct Summary<'s> {
    dry_run: bool,
    extractor: String,
    #[serde(flatten)]
    reextraction: &'s Reextraction,
}

/// `arc-host reextract`.
pub(super) async fn reextract(
    global: &Global,
    arguments: Reextract,
    output: &mut Output,
) -> Result<CommandStatus> {
    let (recorder, _database, simulation_id, stop) = open(global, &arguments.simulation).await?;
    let scope = ReextractionScope { simulation_id, all: arguments.all, dry_run: arguments.dry_run };
    let bar = output::progress_counter("extracting again");
    let mut printer = Printer { output, dry_run: scope.dry_run, refused: 0, failed: Ok(()) };
    let report = |examined| {
        if !matches!(examined, ReextractionEvent::Simulation(_)) {
            bar.inc(1);
        }
        if !matches!(examined, ReextractionEvent::Same) {
            bar.suspend(|| printer.print(&examined));
        }
    };
    let mut report = report;
    let mut extractors = Vec::new();
    let reextraction = async {
        let mut reextraction = Reextraction::default();
        for recorder in recorders(&recorder, arguments.format.as_deref()).await? {
            let extractor = recorder.extractor().identity();
            extractors.push(format!("{} {}", extractor.name, extractor.version));
            reextraction += recorder.reextract(scope, &stop, &mut report).await?;
            if reextraction.interrupted {
                break;
            }
        }
        Ok::<_, Error>(reextraction)
    };
    let reextraction = reextraction.await;
    bar.finish_and_clear();
    let Printer { failed, output, .. } = printer;
    failed?;
    let reextraction = reextraction?;
    if output.json() {
        let extractor = extractors.join(", ");
        output.value(&Summary {
            dry_run: scope.dry_run,
            extractor,
            reextraction: &reextraction,
        })?;
    } else if reextraction.simulations == 0 && !reextraction.interrupted {
        output::note("nothing to do: every outcome was extracted by the current extractor");
    } else {
        let written = if scope.dry_run { "to be written" } else { "written" };
        output.fields(&[
            ("simulations", output::count(reextraction.simulations)),
            ("outcomes", output::count(reextraction.examined)),
            ("changed", output::count(reextraction.changed)),
            ("columns", by_column(&reextraction.by_column)),
            (written, output::count(reextraction.rewritten)),
            ("refused", output::count(reextraction.rejected)),
        ])?;
    }
    Ok(match &reextraction {
        Reextraction { interrupted: true, .. } => {
            output::note("stopped; run the same command again to do the rest");
            CommandStatus::Interrupted
        }
        Reextraction { failed: 1.., .. } => CommandStatus::Incomplete,
        Reextraction { rejected: 1.., .. } => CommandStatus::Rejected,
        _ => CommandStatus::Complete,
    })
}

fn by_column(counts: &std::collections::BTreeMap<&'static str, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(column, count)| format!("{column} {}", output::count(*count)))
        .collect();
    if counts.is_empty() { "–".to_owned() } else { counts.join(", ") }
}

/// Prints findings as they arrive.
struct Printer<'o> {
    output: &'o mut Output,
    dry_run: bool,
    refused: usize,
    failed: Result<()>,
}

impl Printer<'_> {
    fn print(&mut self, examined: &ReextractionEvent) {
        if self.failed.is_ok() {
            self.failed = self.try_print(examined);
        }
    }

    fn try_print(&mut self, examined: &ReextractionEvent) -> Result<()> {
        match examined {
            ReextractionEvent::Changed { outcome_id, simulation_id, changes } if self.dry_run => {
                if self.output.json() {
                    return self.output.value(&json!({
                        "simulation_id": simulation_id,
                        "outcome_id": outcome_id,
                        "changes": changes,
                    }));
                }
                self.output.line(&format!("{BOLD}{outcome_id}{BOLD:#}"))?;
                changes.iter().try_for_each(|change| self.output.line(&describe(change)))
            }
            ReextractionEvent::Rejected { outcome_id, simulation_id, violations } => {
                self.refused += 1;
                if self.output.json() {
                    return self.output.value(&json!({
                        "simulation_id": simulation_id,
                        "outcome_id": outcome_id,
                        "violations": violations.iter().map(reason).collect::<Vec<Value>>(),
                    }));
                }
                if self.refused <= SHOWN_REFUSED {
                    let message = violations.first().map_or("", |first| &first.message);
                    output::warn(&format!(
                        "outcome {outcome_id} stays as it is: today's extractor would reject it: \
                         {message}"
                    ));
                }
                Ok(())
            }
            ReextractionEvent::Failed { outcome_id, message } => {
                output::show_error_message(&format!(
                    "outcome {outcome_id} stays as it is: {message}"
                ));
                Ok(())
            }
            ReextractionEvent::Simulation(changes) if !self.output.json() => {
                let SimulationChanges { simulation_id, examined, changed, .. } = changes;
                self.output.line(&format!(
                    "{BOLD}{simulation_id}{BOLD:#}: {} of {} outcomes change ({})",
                    output::count(*changed),
                    output::count(*examined),
                    by_column(&changes.by_column)
                ))
            }
            _ => Ok(()),
        }
    }
}

fn reason(violation: &Violation) -> Value {
    json!({"path": violation.path, "code": violation.code, "message": violation.message})
}

/// Formats a changed field as a line.
fn describe(change: &ColumnChange) -> String {
    let text = |value: &Value| {
        let text = output::printable(&value.to_string());
        match text.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
            None => text,
        }
    };
    format!("  {DIM}{}{DIM:#}  {} → {}", change.column, text(&change.old), text(&change.new))
}
