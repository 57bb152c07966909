//! `arc-host import-arc`: records the simulations of the earlier Python system.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::stop_on_interrupt;
use super::options;
use super::output::{self, BAD, BOLD, Output};
use crate::delivery::{EarlierImport, ImportedSimulation};
use crate::error::{Error, Result};
use crate::store::{ConnectionSettings, EarlierSimulation, EarlierSystem};

/// How many simulations are shown to a person one by one, and of more, how many of those with a problem.
const SHOWN: usize = 20;

/// How many invalid outcomes of a simulation are shown to a person.
const SHOWN_REJECTED: usize = 3;

/// The smallest difference of two scores that is one: the earlier system rounds to 24 bits.
const SCORE_TOLERANCE: f64 = 1e-6;

#[derive(Args)]
pub(super) struct ImportArc {
    /// The database of the earlier system: postgresql://user@host/name, as its TIMESCALE_SERVICE_URL. A
    /// URL with a password belongs in the variable.
    #[arg(long, env = "ARC_IMPORT_FROM", hide_env_values = true, value_name = "URL")]
    from: String,

    /// Import only this simulation. Can be repeated.
    #[arg(long = "simulation", value_name = "ID", value_parser = options::id)]
    simulations: Vec<Uuid>,

    /// Show what would be imported; record nothing.
    #[arg(long)]
    dry_run: bool,

    /// Show every simulation, also of many.
    #[arg(long, short)]
    verbose: bool,
}

impl fmt::Debug for ImportArc {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        // The URL can have a password.
        formatter
            .debug_struct("ImportArc")
            .field("simulations", &self.simulations)
            .field("dry_run", &self.dry_run)
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}

/// The totals of an import.
#[derive(Debug, Default, Serialize)]
struct Totals {
    /// Simulations that were read.
    simulations: u64,
    /// Those of them that could not be imported as a whole.
    failed_simulations: u64,
    /// Those that were imported before and removed since; they are left out.
    removed_simulations: u64,
    /// Those that were not reached before the import was stopped.
    remaining_simulations: u64,
    /// Outcomes that were newly stored.
    stored: u64,
    /// Outcomes that an earlier import has stored.
    duplicate: u64,
    /// Outcomes in the spool of a service.
    spooled: u64,
    /// Outcomes that are not valid.
    rejected: u64,
    /// Outcomes that were not recorded.
    failed: u64,
}

pub(super) async fn run(
    global: &Global,
    arguments: ImportArc,
    output: &mut Output,
) -> Result<CommandStatus> {
    let settings = ConnectionSettings::from_url(&arguments.from).map_err(|error| match error {
        Error::Configuration(mut detail) => {
            detail.message = format!("invalid URL in --from: {}", detail.message);
            Error::Configuration(detail)
        }
        other => other,
    })?;
    let system = EarlierSystem::open(&settings).await?;
    let mut listed = system.simulations().await?;
    if !arguments.simulations.is_empty() {
        let has = |wanted: &&Uuid| !listed.iter().any(|one| one.simulation_id == **wanted);
        if let Some(missing) = arguments.simulations.iter().find(has) {
            return Err(Error::not_found(format!(
                "the earlier system has no simulation {missing}"
            ))
            .with_hint("`arc-host import-arc --dry-run` lists those that it has"));
        }
        listed.retain(|one| arguments.simulations.contains(&one.simulation_id));
    }
    if arguments.dry_run {
        return show_list(&listed, output);
    }
    let (stop, importing) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    stop_on_interrupt(Arc::clone(&stop), importing)?;
    let opened = connection::open_source(global).await?;
    let destination = connection::destination(global, opened.source()).await?;
    let import = EarlierImport { system, destination, stop: Arc::clone(&stop) };

    let outcomes: u64 = listed.iter().map(|one| u64::try_from(one.outcomes).unwrap_or(0)).sum();
    let bar = output::progress_of_results(outcomes, "importing");
    let verbose = arguments.verbose || listed.len() <= SHOWN;
    let mut report = Report { verbose, problems: 0, totals: Totals::default(), output };
    let mut status = CommandStatus::Complete;
    for one in &listed {
        if stop.load(Ordering::Relaxed) {
            report.totals.remaining_simulations += 1;
            continue;
        }
        let imported = import.import(one, |outcomes| bar.inc(outcomes)).await;
        status = status.max(bar.suspend(|| report.show(one, imported))?);
    }
    bar.finish_and_clear();
    if stop.load(Ordering::Relaxed) {
        status = status.max(CommandStatus::Interrupted);
    }
    report.show_totals()?;
    if status == CommandStatus::Interrupted {
        output::note("stopped; run the same command again to import the rest");
    }
    Ok(status)
}

/// Shows the simulations of the earlier system.
fn show_list(listed: &[EarlierSimulation], output: &mut Output) -> Result<CommandStatus> {
    if output.json() {
        for one in listed {
            output.value(&json!({
                "simulation_id": one.simulation_id, "simulation_name": one.name,
                "earlier_status": one.status, "earlier_outcomes": one.outcomes,
                "earlier_overall_score": one.overall_score,
            }))?;
        }
        return Ok(CommandStatus::Complete);
    }
    let rows = listed.iter().map(|one| {
        vec![
            one.simulation_id.to_string(),
            one.status.clone(),
            output::count(one.outcomes),
            output::score(one.overall_score),
            output::printable(one.name.as_deref().unwrap_or_default()),
        ]
    });
    let header = ["simulation", "status", "outcomes", "score", "name"];
    output.table(&header, &["outcomes", "score"], rows)?;
    output::note(&format!(
        "{} would be imported",
        output::plural(listed.len() as u64, "simulation")
    ));
    Ok(CommandStatus::Complete)
}

/// What became of the simulations.
struct Report<'o> {
    /// Whether every simulation is shown.
    verbose: bool,
    /// How many with a problem were shown.
    problems: usize,
    totals: Totals,
    output: &'o mut Output,
}

impl Report<'_> {
    /// Counts and shows what became of a simulation.
    fn show(
        &mut self,
        listed: &EarlierSimulation,
        imported: Result<ImportedSimulation>,
    ) -> Result<CommandStatus> {
        self.totals.simulations += 1;
        let imported = match imported {
            Ok(imported) => imported,
            Err(error @ Error::SimulationRemoved(_)) => {
                self.totals.removed_simulations += 1;
                if self.verbose {
                    output::note(&format!("{} is left out: {error}", listed.simulation_id));
                }
                return Ok(CommandStatus::Complete);
            }
            Err(error) => {
                self.totals.failed_simulations += 1;
                let text = format!("simulation {}: {}", listed.simulation_id, error.report());
                output::show_error_with_hint(&text, error.hint().as_deref());
                return Ok(CommandStatus::Incomplete);
            }
        };
        let totals = &mut self.totals;
        totals.failed_simulations += u64::from(!imported.is_complete());
        totals.stored += imported.stored;
        totals.duplicate += imported.duplicate;
        totals.spooled += imported.spooled;
        totals.rejected += imported.rejected;
        totals.failed += imported.failed;
        let status = if imported.failed > 0 {
            CommandStatus::Incomplete
        } else if imported.rejected > 0 {
            CommandStatus::Rejected
        } else {
            CommandStatus::Complete
        };
        if self.output.json() {
            self.output.value(&imported)?;
            return Ok(status);
        }
        let is_problem = status != CommandStatus::Complete && self.problems < SHOWN;
        self.problems += usize::from(is_problem);
        if self.verbose || is_problem {
            self.print(&imported)?;
        }
        Ok(status)
    }

    fn print(&mut self, imported: &ImportedSimulation) -> Result<()> {
        let name = imported.simulation_name.as_deref().unwrap_or_default();
        let status = imported.status.map_or("spooled", |status| status.as_str());
        self.output.line(&format!(
            "{BOLD}{}{BOLD:#} {} ({status})",
            imported.simulation_id,
            output::printable(name)
        ))?;
        let mut fields = vec![("stored", output::count(imported.stored))];
        let further = [
            ("duplicate", imported.duplicate),
            ("spooled", imported.spooled),
            ("rejected", imported.rejected),
            ("failed", imported.failed),
        ];
        for (name, total) in further.into_iter().filter(|(_, total)| *total > 0) {
            fields.push((name, output::count(total)));
        }
        if let (Some(completed), Some(total)) =
            (imported.completed_scenarios, imported.total_scenarios)
        {
            fields.push(("progress", format!("{completed} of {total}")));
        }
        fields.push(("score", scores(imported)));
        self.output.fields(&fields)?;
        for item in imported.rejected_results.iter().take(SHOWN_REJECTED) {
            self.output.line(&format!(
                "  {BAD}rejected{BAD:#} {}: {} at {}: {}",
                item.place(),
                item.code,
                output::printable(&item.path),
                output::printable(&item.message)
            ))?;
        }
        let more = imported.rejected.saturating_sub(SHOWN_REJECTED as u64);
        if more > 0 {
            let id = imported.simulation_id;
            self.output.line(&format!("  … and {more} more: arc-host rejected {id}"))?;
        }
        if let Some(failure) = &imported.failure {
            let hint = imported.retryable.then_some("run the same command again");
            output::show_error_with_hint(failure, hint);
        }
        imported.notes.iter().for_each(|note| output::note(note));
        Ok(())
    }

    fn show_totals(&mut self) -> Result<()> {
        if self.output.json() {
            return self.output.value(&json!({"summary": self.totals}));
        }
        let totals = &self.totals;
        let what = output::plural(totals.simulations, "simulation");
        self.output.line(&format!("{BOLD}total{BOLD:#}: {what}"))?;
        let mut fields = vec![("stored", output::count(totals.stored))];
        let further = [
            ("duplicate", totals.duplicate),
            ("spooled", totals.spooled),
            ("rejected", totals.rejected),
            ("failed", totals.failed),
            ("failed simulations", totals.failed_simulations),
            ("removed simulations", totals.removed_simulations),
            ("not imported", totals.remaining_simulations),
        ];
        for (name, total) in further.into_iter().filter(|(_, total)| *total > 0) {
            fields.push((name, output::count(total)));
        }
        self.output.fields(&fields)
    }
}

/// Describes the score of an imported simulation, and the difference between the systems.
fn scores(imported: &ImportedSimulation) -> String {
    let score = output::score(imported.overall_score);
    let differs = |other: Option<f64>| {
        imported
            .overall_score
            .zip(other)
            .is_some_and(|(one, other)| (one - other).abs() > SCORE_TOLERANCE)
    };
    if differs(imported.computed_score) {
        format!("{score}, computed {}", output::score(imported.computed_score))
    } else if differs(imported.earlier_overall_score) {
        format!("{score}, there {}", output::score(imported.earlier_overall_score))
    } else {
        score
    }
}
