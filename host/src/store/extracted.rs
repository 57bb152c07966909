//! The columns of an outcome that are extracted from its document, as values that can be compared
//! and kept.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Number, Value};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::OutcomeRow;
use super::writing::span_numbers;

/// The names of the extracted columns, in the order of their values.
pub(super) const NAMES: [&str; 24] = [
    "scenario_id",
    "scenario_name",
    "trial",
    "execution_time",
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
    "scenario_offset",
    "scenario_length",
    "trajectory_offset",
    "trajectory_length",
    "detailed_trajectory_offset",
    "detailed_trajectory_length",
    "dimensions_offset",
    "dimensions_length",
];

/// The values of an outcome's extracted columns, in the order of [`NAMES`].
#[derive(Clone, Debug)]
pub(crate) struct ExtractedColumns([Value; 24]);

/// A column whose value is another one now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnChange {
    /// The column of `outcomes`.
    pub column: &'static str,
    /// What it was; null for nothing.
    pub old: Value,
    /// What the extractor gives now.
    pub new: Value,
}

impl ExtractedColumns {
    /// What a row of the table holds.
    pub(super) fn stored(row: &Row) -> Self {
        let text = |name| value::<String>(row, name);
        let float = |name| value::<f64>(row, name);
        let small = |name| value::<i32>(row, name);
        let json = |name| row.get::<_, Option<Value>>(name).unwrap_or_default();
        ExtractedColumns(NAMES.map(|name| match name {
            "trial" => small(name),
            "execution_time" => Value::from(row.get::<_, Timestamp>(name).to_string()),
            "reliability_score" | "execution_time_ms" | "cost_usd" => float(name),
            "tokens_used" => value::<i64>(row, name),
            "metrics" | "warnings" => json(name),
            _ if name.ends_with("_offset") || name.ends_with("_length") => small(name),
            _ => text(name),
        }))
    }

    /// The value of a column.
    pub(crate) fn value(&self, column: &str) -> Option<&Value> {
        self.0.get(NAMES.iter().position(|name| *name == column)?)
    }

    /// What a row that was extracted now would store.
    pub(crate) fn extracted(row: &OutcomeRow) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7] = span_numbers(row);
        ExtractedColumns([
            Value::from(row.scenario_id.as_str()),
            Value::from(row.scenario_name.as_deref()),
            Value::from(row.trial),
            Value::from(in_microseconds(row.execution_time).to_string()),
            Value::from(row.status),
            Value::from(row.reliability_score),
            Value::from(row.execution_time_ms),
            Value::from(row.tokens_used),
            Value::from(row.cost_usd),
            Value::from(row.error_code.as_deref()),
            Value::from(row.error_category),
            Value::from(row.error_message.as_deref()),
            Value::from(row.modal_call_id.as_deref()),
            Value::from(row.sandbox_id.as_deref()),
            row.metrics.read().unwrap_or_default(),
            row.warnings.as_ref().and_then(|text| text.read().ok()).unwrap_or_default(),
            Value::from(s0),
            Value::from(s1),
            Value::from(s2),
            Value::from(s3),
            Value::from(s4),
            Value::from(s5),
            Value::from(s6),
            Value::from(s7),
        ])
    }

    /// The columns that `new` changes.
    pub(crate) fn changes(self, new: Self) -> Vec<ColumnChange> {
        let pairs = NAMES.into_iter().zip(self.0).zip(new.0);
        pairs
            .filter(|((_, old), new)| !same(old, new))
            .map(|((column, old), new)| ColumnChange { column, old, new })
            .collect()
    }
}

fn value<'r, T: FromSql<'r>>(row: &'r Row, name: &str) -> Value
where
    Value: From<Option<T>>,
{
    Value::from(row.get::<_, Option<T>>(name))
}

/// A time as the table holds it: to the nearest microsecond.
fn in_microseconds(time: Timestamp) -> Timestamp {
    time.round(jiff::Unit::Microsecond).unwrap_or(time)
}

/// Whether two values are the same to a reader. A number that went through `jsonb` may come back
/// as the neighbouring float, and a time half-way between two microseconds as either.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || close(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found = |(name, one): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(one, other))
            };
            one.len() == other.len() && one.iter().all(found)
        }
        (Value::String(one), Value::String(other)) if one != other => {
            match (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
                (Ok(one), Ok(other)) => {
                    one.duration_since(other).abs() <= SignedDuration::from_micros(1)
                }
                _ => false,
            }
        }
        (one, other) => one == other,
    }
}

fn close(one: &Number, other: &Number) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => {
            (one - other).abs() <= 2.0 * f64::EPSILON * one.abs().max(other.abs())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_times_are_compared_by_their_value() {
        assert!(same(&json!({"a": [1, 0.1 + 0.2]}), &json!({"a": [1.0, 0.3]})));
        assert!(!same(&json!({"a": 0.3}), &json!({"a": 0.300_000_1})));
        assert!(!same(&json!({"a": null}), &json!({})));
        assert!(!same(&json!([1]), &json!([1, 2])));
        assert!(!same(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_741_993_i64)));
        let [one, near, far] =
            ["2025-03-01T10:00:00Z", "2025-03-01T10:00:00.000001Z", "2025-03-02T10:00:00Z"];
        assert!(same(&json!(one), &json!(near)));
        assert!(!same(&json!(one), &json!(far)));
    }
}
