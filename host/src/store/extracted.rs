//! The columns of an outcome that are extracted from its document, as values that can be compared and
//! stored.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Number, Value};
use tokio_postgres::Row;
use uuid::Uuid;

use super::column_type::ColumnType as _;
use super::outcome_columns::{COMPARED, OutcomeRow, outcome_columns};
use crate::json_text::JsonText;

/// The values of an outcome's extracted columns, in the order of [`COMPARED`].
#[derive(Clone, Debug)]
pub(crate) struct ExtractedColumns([Value; COMPARED.len()]);

/// A column whose value changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnChange {
    /// The column of `outcomes`.
    pub column: &'static str,
    /// The old value; null for NULL.
    pub old: Value,
    /// The value that the extractor returns now.
    pub new: Value,
}

impl ExtractedColumns {
    /// Returns the values of a row of the table.
    pub(super) fn stored(row: &Row) -> std::result::Result<Self, tokio_postgres::Error> {
        macro_rules! values {
            ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
                [$(<$type>::from_read(row.try_get(stringify!($name))?).to_json()),*]
            };
        }
        Ok(ExtractedColumns(outcome_columns!(compared => values)))
    }

    /// Returns the value of a column.
    pub(crate) fn value(&self, column: &str) -> Option<&Value> {
        self.0.get(COMPARED.iter().position(|name| *name == column)?)
    }

    /// Returns the values that a row extracted now would store.
    pub(crate) fn extracted(row: &OutcomeRow) -> Self {
        macro_rules! values {
            ($(($role:ident $name:ident $type:tt $value:tt))*) => { [$(row.$name.to_json()),*] };
        }
        ExtractedColumns(outcome_columns!(compared => values))
    }

    /// Returns the columns that `new` changes.
    pub(crate) fn changes(self, new: Self) -> Vec<ColumnChange> {
        let pairs = COMPARED.iter().zip(self.0).zip(new.0);
        pairs
            .filter(|((_, old), new)| !same(old, new))
            .map(|((&column, old), new)| ColumnChange { column, old, new })
            .collect()
    }
}

/// Whether two values are equal to a reader. A number that was stored as `jsonb` can be read as the
/// neighbouring float, and a time half-way between two microseconds as either.
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
