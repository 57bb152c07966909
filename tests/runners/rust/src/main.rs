//! An evaluation runner that is a component: it records through any host.
//!
//! It reads a list of scenarios from standard input, lets a small agent answer each prompt, records
//! the results, and writes the state of the simulation as one line of JSON:
//!
//! ```text
//! arc-host run arc-rust-runner.wasm -- NAME < scenarios.json
//! ```

#![allow(clippy::print_stdout, reason = "its answer goes to standard output")]

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated from wit/")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "runner" });
}

use std::io::Read as _;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use bindings::arc::recording::recorder::{
    self, OutcomeQuery, RecorderError, SimulationStart, Submission, Verdict,
};

fn main() -> Result<()> {
    let name = std::env::args().nth(1).context("no name of the simulation")?;
    let mut scenarios = String::new();
    std::io::stdin().read_to_string(&mut scenarios).context("read the scenarios")?;

    let started = recorder::start_simulation(&SimulationStart {
        simulation_id: None,
        config_version_id: "echo-agent-1".to_owned(),
        scenarios: scenarios.clone(),
        trials: None,
        simulation_name: Some(name),
        modal_app_id: None,
        modal_environment: None,
        sandbox_instances: None,
        metadata: None,
        metrics: Vec::new(),
        score_scale: None,
    })
    .map_err(explain)?;
    let simulation = started.simulation_id;

    let scenarios: Vec<Value> = serde_json::from_str(&scenarios).context("read the scenarios")?;
    let submissions: Vec<Submission> = scenarios
        .iter()
        .map(|scenario| Submission {
            document: run(scenario).to_string(),
            trial: None,
            modal_call_id: None,
            sandbox_id: Some("in-process".to_owned()),
        })
        .collect();
    let verdicts = recorder::record_outcomes(&simulation, &submissions).map_err(explain)?;
    // A lost answer is harmless: the same results sent again are duplicates.
    let again = recorder::record_outcomes(&simulation, &submissions).map_err(explain)?;
    let completed = recorder::complete_simulation(&simulation, None).map_err(explain)?;
    let status = recorder::get_simulation_status(&simulation).map_err(explain)?;
    let page = recorder::outcomes(
        &simulation,
        &OutcomeQuery {
            scenario_id: None,
            status: None,
            limit: None,
            cursor: None,
            documents: true,
        },
    )
    .map_err(explain)?;
    let hours = recorder::performance(&simulation, 24).map_err(explain)?;
    let failures = recorder::failures(10).map_err(explain)?;
    let health: Value = serde_json::from_str(&recorder::health()).context("read the health")?;
    let metrics: Value = serde_json::from_str(&recorder::stats()).context("read the stats")?;
    let scores: Vec<Option<f64>> =
        page.outcomes.iter().map(|outcome| outcome.reliability_score).collect();
    println!(
        "{}",
        json!({
            "simulation_id": simulation,
            "planned": started.scenario_count,
            "verdicts": words(verdicts.iter().map(|item| &item.verdict)),
            "again": words(again.iter().map(|item| &item.verdict)),
            "progress_percentage": status.progress_percentage,
            "overall_score": completed.figures.overall_score,
            "scores": scores,
            "documents": page.outcomes.iter().filter(|outcome| outcome.document.is_some()).count(),
            "hourly_outcomes": hours.iter().map(|hour| hour.total_outcomes).sum::<u32>(),
            "failures": failures.iter().map(|failure| &failure.error_message).collect::<Vec<_>>(),
            "health": health.get("status"),
            "queries": metrics.get("total_queries"),
        })
    );
    Ok(())
}

/// Runs the agent, which repeats its prompt; the shorter the prompt, the better its score. A
/// missing prompt makes it fail, and a prompt that is not text makes an invalid result.
fn run(scenario: &Value) -> Value {
    let answer = match scenario.get("task_prompt") {
        Some(Value::String(prompt)) => Ok(prompt.clone()),
        Some(_) => return json!({"scenario": scenario, "trajectory": {"status": "confused"}}),
        None => Err("ValueError: there is no prompt"),
    };
    json!({
        "scenario": scenario,
        "trajectory": {
            "status": if answer.is_ok() { "success" } else { "error" },
            "full_trajectory": [{"type": "answer", "content": answer.as_ref().ok()}],
            "error": answer.as_ref().err(),
        },
        "reliability_score": answer.map_or(0.0, |text| if text.len() < 40 { 1.0 } else { 0.5 }),
    })
}

fn words<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> Vec<&'static str> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Stored(_) => "stored",
        Verdict::Duplicate(_) => "duplicate",
        Verdict::Spooled(_) => "spooled",
        Verdict::Rejected(_) => "rejected",
        Verdict::Failed(_) => "failed",
    };
    verdicts.map(word).collect()
}

fn explain(error: RecorderError) -> anyhow::Error {
    match error {
        RecorderError::Invalid(violations) => {
            let found: Vec<String> = violations
                .into_iter()
                .map(|violation| format!("{} {}", violation.path, violation.message))
                .collect();
            anyhow!("{}", found.join("; "))
        }
        RecorderError::NotFound(message)
        | RecorderError::Conflict(message)
        | RecorderError::Unavailable(message)
        | RecorderError::Failed(message) => anyhow!(message),
    }
}
