//! Outcomes as columns of Arrow.
//!
//! Ids are text, as everywhere else; times are microseconds in UTC, which is what PostgreSQL keeps;
//! costs, scores and durations are double precision there and here; metrics and warnings are JSON
//! text. What may be absent is null.

use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::store::OutcomeRecord;

/// The columns' names, in order; the document comes after them.
pub(super) const NAMES: [&str; 21] = [
    "simulation_id",
    "outcome_id",
    "scenario_id",
    "scenario_name",
    "trial",
    "attempt",
    "execution_time",
    "received_at",
    "status",
    "reliability_score",
    "execution_time_ms",
    "tokens_used",
    "cost_usd",
    "error_code",
    "error_category",
    "error_message",
    "modal_call_id",
    "sandbox_id",
    "metrics",
    "warnings",
    "extractor",
];

/// The zone of the times.
const UTC: &str = "UTC";

/// The names and types of the columns.
pub(super) fn schema(documents: bool) -> SchemaRef {
    let names = NAMES.iter().copied().chain(documents.then_some("document"));
    let field = |name: &str| {
        let kind = match name {
            "trial" => DataType::Int32,
            "attempt" | "tokens_used" => DataType::Int64,
            "execution_time" | "received_at" => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
            }
            "reliability_score" | "execution_time_ms" | "cost_usd" => DataType::Float64,
            _ => DataType::Utf8,
        };
        let nullable = matches!(
            name,
            "scenario_name"
                | "reliability_score"
                | "error_code"
                | "error_category"
                | "error_message"
                | "modal_call_id"
                | "sandbox_id"
                | "warnings"
        );
        Field::new(name, kind, nullable)
    };
    Arc::new(Schema::new(names.map(field).collect::<Vec<_>>()))
}

/// Outcomes that are being made columns.
pub(super) struct Columns {
    schema: SchemaRef,
    rows: usize,
    bytes: usize,
    simulation_id: StringBuilder,
    outcome_id: StringBuilder,
    scenario_id: StringBuilder,
    scenario_name: StringBuilder,
    trial: Int32Builder,
    attempt: Int64Builder,
    execution_time: TimestampMicrosecondBuilder,
    received_at: TimestampMicrosecondBuilder,
    status: StringBuilder,
    reliability_score: Float64Builder,
    execution_time_ms: Float64Builder,
    tokens_used: Int64Builder,
    cost_usd: Float64Builder,
    error_code: StringBuilder,
    error_category: StringBuilder,
    error_message: StringBuilder,
    modal_call_id: StringBuilder,
    sandbox_id: StringBuilder,
    metrics: StringBuilder,
    warnings: StringBuilder,
    extractor: StringBuilder,
    document: Option<StringBuilder>,
}

impl Columns {
    /// None yet.
    pub(super) fn new(documents: bool) -> Self {
        let text = StringBuilder::new;
        let time = || TimestampMicrosecondBuilder::new().with_timezone(UTC);
        Columns {
            schema: schema(documents),
            rows: 0,
            bytes: 0,
            simulation_id: text(),
            outcome_id: text(),
            scenario_id: text(),
            scenario_name: text(),
            trial: Int32Builder::new(),
            attempt: Int64Builder::new(),
            execution_time: time(),
            received_at: time(),
            status: text(),
            reliability_score: Float64Builder::new(),
            execution_time_ms: Float64Builder::new(),
            tokens_used: Int64Builder::new(),
            cost_usd: Float64Builder::new(),
            error_code: text(),
            error_category: text(),
            error_message: text(),
            modal_call_id: text(),
            sandbox_id: text(),
            metrics: text(),
            warnings: text(),
            extractor: text(),
            document: documents.then(text),
        }
    }

    /// The names and types.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How many outcomes are there.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes their texts have, but for words of a fixed length.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes one more.
    pub(super) fn push(&mut self, outcome: &OutcomeRecord) {
        self.rows += 1;
        let texts = [
            Some(outcome.scenario_id),
            outcome.scenario_name,
            outcome.error_code,
            outcome.error_message,
            outcome.modal_call_id,
            outcome.sandbox_id,
            Some(outcome.metrics),
            outcome.warnings,
            outcome.document,
        ];
        self.bytes += texts.into_iter().flatten().map(str::len).sum::<usize>();
        id(&mut self.simulation_id, outcome.simulation_id);
        id(&mut self.outcome_id, outcome.outcome_id);
        self.scenario_id.append_value(outcome.scenario_id);
        self.scenario_name.append_option(outcome.scenario_name);
        self.trial.append_value(outcome.trial);
        self.attempt.append_value(outcome.attempt);
        time(&mut self.execution_time, outcome.execution_time);
        time(&mut self.received_at, outcome.received_at);
        self.status.append_value(outcome.status);
        self.reliability_score.append_option(outcome.reliability_score);
        self.execution_time_ms.append_value(outcome.execution_time_ms);
        self.tokens_used.append_value(outcome.tokens_used);
        self.cost_usd.append_value(outcome.cost_usd);
        self.error_code.append_option(outcome.error_code);
        self.error_category.append_option(outcome.error_category);
        self.error_message.append_option(outcome.error_message);
        self.modal_call_id.append_option(outcome.modal_call_id);
        self.sandbox_id.append_option(outcome.sandbox_id);
        self.metrics.append_value(outcome.metrics);
        self.warnings.append_option(outcome.warnings);
        self.extractor.append_value(outcome.extractor);
        if let Some(documents) = &mut self.document {
            documents.append_value(outcome.document.unwrap_or_default());
        }
    }

    /// The columns so far; none are here then.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.simulation_id.finish()),
            Arc::new(self.outcome_id.finish()),
            Arc::new(self.scenario_id.finish()),
            Arc::new(self.scenario_name.finish()),
            Arc::new(self.trial.finish()),
            Arc::new(self.attempt.finish()),
            Arc::new(self.execution_time.finish()),
            Arc::new(self.received_at.finish()),
            Arc::new(self.status.finish()),
            Arc::new(self.reliability_score.finish()),
            Arc::new(self.execution_time_ms.finish()),
            Arc::new(self.tokens_used.finish()),
            Arc::new(self.cost_usd.finish()),
            Arc::new(self.error_code.finish()),
            Arc::new(self.error_category.finish()),
            Arc::new(self.error_message.finish()),
            Arc::new(self.modal_call_id.finish()),
            Arc::new(self.sandbox_id.finish()),
            Arc::new(self.metrics.finish()),
            Arc::new(self.warnings.finish()),
            Arc::new(self.extractor.finish()),
        ];
        if let Some(documents) = &mut self.document {
            columns.push(Arc::new(documents.finish()));
        }
        RecordBatch::try_new(self.schema(), columns).map_err(not_made)
    }
}

fn id(column: &mut StringBuilder, id: Uuid) {
    column.append_value(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

fn time(column: &mut TimestampMicrosecondBuilder, time: Timestamp) {
    column.append_value(time.as_microsecond());
}

fn not_made(error: ArrowError) -> Error {
    Error::invalid("could not make columns of the outcomes").with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::TimestampMicrosecondType;

    use super::*;

    #[test]
    fn the_columns_are_those_of_the_outcome_in_its_order() {
        let outcome = OutcomeRecord {
            simulation_id: Uuid::from_u128(1),
            outcome_id: Uuid::from_u128(2),
            scenario_id: "a",
            scenario_name: None,
            trial: 3,
            attempt: 4,
            execution_time: "1969-12-31T23:59:59.999999Z".parse().unwrap(),
            received_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            status: "error",
            reliability_score: None,
            execution_time_ms: 5.5,
            tokens_used: 1 << 40,
            cost_usd: 0.1,
            error_code: Some("E"),
            error_category: Some("network"),
            error_message: Some(""),
            modal_call_id: Some("call"),
            sandbox_id: Some("sandbox"),
            metrics: "{}",
            warnings: Some("[]"),
            extractor: "x 1",
            document: Some("{ }"),
        };
        for documents in [false, true] {
            let mut columns = Columns::new(documents);
            columns.push(&outcome);
            assert_eq!(columns.rows(), 1);
            let batch = columns.take().unwrap();
            assert_eq!((columns.rows(), columns.bytes(), batch.num_rows()), (0, 0, 1));
            let text = |name: &str| {
                let column = batch.column_by_name(name).unwrap().as_string::<i32>();
                column.is_valid(0).then(|| column.value(0).to_owned())
            };
            assert_eq!(text("outcome_id").unwrap(), "00000000-0000-0000-0000-000000000002");
            assert_eq!(text("scenario_name"), None);
            assert_eq!(text("error_message").unwrap(), "");
            for (name, value) in [
                ("status", "error"),
                ("error_code", "E"),
                ("error_category", "network"),
                ("modal_call_id", "call"),
                ("sandbox_id", "sandbox"),
                ("metrics", "{}"),
                ("warnings", "[]"),
                ("extractor", "x 1"),
            ] {
                assert_eq!(text(name).unwrap(), value, "{name}");
            }
            let began = batch.column_by_name("execution_time").unwrap();
            assert_eq!(began.as_primitive::<TimestampMicrosecondType>().value(0), -1);
            assert!(batch.column_by_name("reliability_score").unwrap().is_null(0));
            assert_eq!(batch.column_by_name("document").is_some(), documents);
        }
    }
}
