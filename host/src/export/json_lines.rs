//! An object of JSON a line, as `arc-host outcomes --json` writes it, with its simulation.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Writer, not_written};
use crate::error::{Error, Result};
use crate::store::OutcomeRecord;

/// Writes lines.
pub(super) struct JsonLinesWriter<W> {
    output: W,
    line: Vec<u8>,
}

/// What stands on a line.
#[derive(Serialize)]
struct Line<'r> {
    simulation_id: Uuid,
    outcome_id: Uuid,
    scenario_id: &'r str,
    scenario_name: Option<&'r str>,
    trial: i32,
    attempt: i64,
    execution_time: Timestamp,
    received_at: Timestamp,
    status: &'r str,
    reliability_score: Option<f64>,
    execution_time_ms: f64,
    tokens_used: i64,
    cost_usd: f64,
    error_code: Option<&'r str>,
    error_category: Option<&'r str>,
    error_message: Option<&'r str>,
    modal_call_id: Option<&'r str>,
    sandbox_id: Option<&'r str>,
    metrics: &'r RawValue,
    warnings: Option<&'r RawValue>,
    extractor: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'r str>,
}

impl<W: Write> JsonLinesWriter<W> {
    pub(super) fn new(output: W) -> Self {
        JsonLinesWriter { output, line: Vec::new() }
    }
}

impl<W: Write + Send + 'static> Writer for JsonLinesWriter<W> {
    type Output = W;

    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()> {
        let OutcomeRecord {
            simulation_id,
            outcome_id,
            scenario_id,
            scenario_name,
            trial,
            attempt,
            execution_time,
            received_at,
            status,
            reliability_score,
            execution_time_ms,
            tokens_used,
            cost_usd,
            error_code,
            error_category,
            error_message,
            modal_call_id,
            sandbox_id,
            metrics,
            warnings,
            extractor,
            document,
        } = *outcome;
        let failed = |error| Error::Invalid(format!("could not write an outcome as JSON: {error}"));
        let line = Line {
            simulation_id,
            outcome_id,
            scenario_id,
            scenario_name,
            trial,
            attempt,
            execution_time,
            received_at,
            status,
            reliability_score,
            execution_time_ms,
            tokens_used,
            cost_usd,
            error_code,
            error_category,
            error_message,
            modal_call_id,
            sandbox_id,
            metrics: serde_json::from_str(metrics).map_err(failed)?,
            warnings: warnings.map(serde_json::from_str).transpose().map_err(failed)?,
            extractor,
            document,
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line).map_err(failed)?;
        self.line.push(b'\n');
        self.output.write_all(&self.line).map_err(not_written)
    }

    fn finish(mut self) -> Result<W> {
        self.output.flush().map_err(not_written)?;
        Ok(self.output)
    }
}
