//! `arc-host status`: where a simulation stands, once or for as long as it runs.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::Done;
use super::arguments::{Global, Status as Arguments};
use super::connection::Database;
use super::output::{self, BOLD, Output, Redrawn};
use crate::error::{Error, Result};
use crate::store::{Figures, Simulation, SimulationStatus, Store};

/// How long a watch waits between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Of a database that takes long to answer a watch takes at most one part in so many.
const SHARE: u32 = 10;

/// Where a simulation stands, as `--json` prints it.
#[derive(Serialize)]
struct Status<'s> {
    simulation_id: Uuid,
    simulation_name: Option<&'s str>,
    config_version_id: &'s str,
    status: &'static str,
    progress_percentage: f64,
    total_scenarios: i64,
    completed_scenarios: i64,
    successful_outcomes: i64,
    failed_outcomes: i64,
    rejected_results: i64,
    recorded_outcomes: i64,
    by_status: &'s std::collections::BTreeMap<String, i64>,
    by_error_category: &'s std::collections::BTreeMap<String, i64>,
    overall_score: Option<f64>,
    total_tokens: i64,
    total_cost_usd: f64,
    execution_time_ms: f64,
    modal_app_id: Option<&'s str>,
    metadata: Option<Value>,
    created_at: jiff::Timestamp,
    started_at: jiff::Timestamp,
    completed_at: Option<jiff::Timestamp>,
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn progress(figures: &Figures) -> f64 {
    if figures.total_scenarios == 0 {
        return 100.0;
    }
    figures.completed_scenarios as f64 / figures.total_scenarios as f64 * 100.0
}

pub(super) async fn run(
    global: &Global,
    arguments: Arguments,
    output: &mut Output,
) -> Result<Done> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::io("could not listen for Ctrl-C", error))?;
    tokio::select! {
        done = async {
            let database = Database::open_current(global).await?;
            if arguments.watch {
                return watch(&database.store, arguments.simulation, output).await;
            }
            let (simulation, figures) = database.store.standing(arguments.simulation).await?;
            let status = describe(&simulation, &figures);
            if output.json() {
                output.value(&status)?;
            } else {
                for line in lines(&status) {
                    output.line(&line)?;
                }
            }
            Ok(Done::All)
        } => done,
        _ = interrupts.recv() => Ok(Done::Interrupted),
    }
}

/// Shows every change until the simulation ends: a line for each, or in place on a terminal.
async fn watch(store: &Store, simulation_id: Uuid, output: &mut Output) -> Result<Done> {
    let mut redrawn = Redrawn::on_terminal(output);
    let mut shown = None;
    let mut away = false;
    loop {
        let asked_at = Instant::now();
        match store.standing(simulation_id).await {
            Ok((simulation, figures)) => {
                away = false;
                let status = describe(&simulation, &figures);
                let state = (simulation.status, figures.clone());
                if shown.as_ref() != Some(&state) {
                    match &mut redrawn {
                        Some(redrawn) => redrawn.draw(&lines(&status)),
                        None if output.json() => output.value(&status)?,
                        None => output.line(&summary(&status))?,
                    }
                    shown = Some(state);
                }
                match simulation.status {
                    SimulationStatus::Running => {}
                    SimulationStatus::Completed => return Ok(Done::All),
                    SimulationStatus::Failed | SimulationStatus::Cancelled => return Ok(Done::Not),
                }
            }
            // A server that is started again is waited for; the first question wants an answer.
            Err(error) if error.retryable() && shown.is_some() => {
                if !std::mem::replace(&mut away, true) {
                    output::warn(&error.to_string());
                }
            }
            Err(error) => return Err(error),
        }
        if output.closed() {
            return Ok(Done::All);
        }
        tokio::time::sleep(PAUSE.max(asked_at.elapsed() * SHARE)).await;
    }
}

/// What people see of a simulation, a line each.
fn lines(status: &Status<'_>) -> Vec<String> {
    let title = format!(
        "{BOLD}{}{BOLD:#} {} ({})",
        output::printable(status.simulation_name.unwrap_or("unnamed")),
        status.simulation_id,
        status.status
    );
    let fields = [
        (
            "progress",
            format!(
                "{:.1}% ({} of {} scenarios)",
                status.progress_percentage,
                output::count(status.completed_scenarios),
                output::count(status.total_scenarios)
            ),
        ),
        ("successful", output::count(status.successful_outcomes)),
        ("failed", output::count(status.failed_outcomes)),
        ("rejected", output::count(status.rejected_results)),
        (
            "outcomes",
            format!(
                "{} ({})",
                output::count(status.recorded_outcomes),
                output::tally(status.by_status)
            ),
        ),
        ("errors", output::tally(status.by_error_category)),
        ("score", output::score(status.overall_score)),
        ("tokens", output::count(status.total_tokens)),
        ("cost", output::dollars(status.total_cost_usd)),
        ("started", format!("{:.0}", status.started_at)),
        (
            "completed",
            status.completed_at.map_or_else(|| "–".to_owned(), |time| format!("{time:.0}")),
        ),
    ];
    std::iter::once(title).chain(output::named(&fields)).collect()
}

/// A simulation in one line.
fn summary(status: &Status<'_>) -> String {
    format!(
        "{} {:.1}% ({} of {} scenarios), successful {}, failed {}, rejected {}, score {}, cost {}",
        status.status,
        status.progress_percentage,
        output::count(status.completed_scenarios),
        output::count(status.total_scenarios),
        output::count(status.successful_outcomes),
        output::count(status.failed_outcomes),
        output::count(status.rejected_results),
        output::score(status.overall_score),
        output::dollars(status.total_cost_usd)
    )
}

fn describe<'s>(simulation: &'s Simulation, figures: &'s Figures) -> Status<'s> {
    Status {
        simulation_id: simulation.simulation_id,
        simulation_name: simulation.simulation_name.as_deref(),
        config_version_id: &simulation.config_version_id,
        status: simulation.status.word(),
        progress_percentage: progress(figures),
        total_scenarios: figures.total_scenarios,
        completed_scenarios: figures.completed_scenarios,
        successful_outcomes: figures.successful_outcomes,
        failed_outcomes: figures.failed_outcomes,
        rejected_results: figures.rejected_results,
        recorded_outcomes: figures.recorded_outcomes,
        by_status: &figures.by_status,
        by_error_category: &figures.by_error_category,
        overall_score: simulation.score(figures),
        total_tokens: figures.total_tokens,
        total_cost_usd: simulation.cost_usd(figures),
        execution_time_ms: simulation.execution_time_ms.unwrap_or_else(|| {
            let end = simulation.completed_at.unwrap_or_else(jiff::Timestamp::now);
            end.duration_since(simulation.started_at).as_secs_f64() * 1_000.0
        }),
        modal_app_id: simulation.modal_app_id.as_deref(),
        metadata: simulation.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        created_at: simulation.created_at,
        started_at: simulation.started_at,
        completed_at: simulation.completed_at,
    }
}
