//! Outcomes as Arrow columns.
//!
//! Ids are text, as everywhere else; times are microseconds in UTC, as in PostgreSQL; costs, scores
//! and durations are double precision, as in PostgreSQL; metrics and warnings are JSON text.
//! Optional values are nullable.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::builder::{
    ArrayBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::extraction::OutcomeStatus;
use crate::json_text::JsonText;
use crate::store::outcome_columns::outcome_columns;
use crate::store::{ColumnType, OutcomeRecord};

/// The time zone of the times.
const UTC: &str = "UTC";

/// A column type in Arrow.
trait ArrowColumn: ColumnType {
    type Builder: ArrayBuilder;

    fn data_type() -> DataType;

    fn builder() -> Self::Builder;

    fn append(builder: &mut Self::Builder, value: Self::Ref<'_>);

    fn append_null(builder: &mut Self::Builder);
}

impl<T: ArrowColumn> ArrowColumn for Option<T> {
    type Builder = T::Builder;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn builder() -> Self::Builder {
        T::builder()
    }

    fn append(builder: &mut Self::Builder, value: Self::Ref<'_>) {
        match value {
            Some(value) => T::append(builder, value),
            None => T::append_null(builder),
        }
    }

    fn append_null(builder: &mut Self::Builder) {
        T::append_null(builder);
    }
}

macro_rules! arrow_columns {
    ($($type:ty: $data_type:expr, $builder:ty = $new:expr, |$value:ident| $appended:expr;)*) => {$(
        impl ArrowColumn for $type {
            type Builder = $builder;

            fn data_type() -> DataType {
                $data_type
            }

            fn builder() -> Self::Builder {
                $new
            }

            fn append(builder: &mut Self::Builder, $value: Self::Ref<'_>) {
                builder.append_value($appended);
            }

            fn append_null(builder: &mut Self::Builder) {
                builder.append_null();
            }
        }
    )*};
}
arrow_columns! {
    i32: DataType::Int32, Int32Builder = Int32Builder::new(), |number| number;
    i64: DataType::Int64, Int64Builder = Int64Builder::new(), |number| number;
    f64: DataType::Float64, Float64Builder = Float64Builder::new(), |number| number;
    String: DataType::Utf8, StringBuilder = StringBuilder::new(), |text| text;
    Cow<'static, str>: DataType::Utf8, StringBuilder = StringBuilder::new(), |name| name;
    OutcomeStatus: DataType::Utf8, StringBuilder = StringBuilder::new(), |name| name;
    JsonText: DataType::Utf8, StringBuilder = StringBuilder::new(), |json| json.as_str();
    Uuid: DataType::Utf8, StringBuilder = StringBuilder::new(),
        |id| id.hyphenated().encode_lower(&mut Uuid::encode_buffer());
    Timestamp: DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        TimestampMicrosecondBuilder = TimestampMicrosecondBuilder::new().with_timezone(UTC),
        |time| time.as_microsecond();
}

macro_rules! columns {
    ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
        /// The columns' names, in order; the document comes after them.
        pub(super) const NAMES: &[&str] =
            &["simulation_id", "outcome_id", $(stringify!($name)),*];

        /// The names and types of the columns.
        pub(super) fn schema(documents: bool) -> SchemaRef {
            fn field<T: ArrowColumn>(name: &str) -> Field {
                Field::new(name, T::data_type(), T::NULLABLE)
            }
            let mut fields = vec![
                field::<Uuid>("simulation_id"),
                field::<Uuid>("outcome_id"),
                $(field::<$type>(stringify!($name)),)*
            ];
            fields.extend(documents.then(|| field::<String>("document")));
            Arc::new(Schema::new(fields))
        }

        /// The columns of the outcomes so far.
        pub(super) struct Columns {
            schema: SchemaRef,
            rows: usize,
            bytes: usize,
            simulation_id: StringBuilder,
            outcome_id: StringBuilder,
            $($name: <$type as ArrowColumn>::Builder,)*
            document: Option<StringBuilder>,
        }

        impl Columns {
            /// Creates columns without outcomes.
            pub(super) fn new(documents: bool) -> Self {
                Columns {
                    schema: schema(documents),
                    rows: 0,
                    bytes: 0,
                    simulation_id: Uuid::builder(),
                    outcome_id: Uuid::builder(),
                    $($name: <$type>::builder(),)*
                    document: documents.then(String::builder),
                }
            }

            /// Adds an outcome.
            pub(super) fn push(&mut self, outcome: &OutcomeRecord) {
                self.rows += 1;
                self.bytes += outcome.document.map_or(0, str::len)
                    $(+ <$type>::text_bytes(&outcome.$name))*;
                Uuid::append(&mut self.simulation_id, outcome.simulation_id);
                Uuid::append(&mut self.outcome_id, outcome.outcome_id);
                $(<$type>::append(&mut self.$name, outcome.$name);)*
                if let Some(documents) = &mut self.document {
                    String::append(documents, outcome.document.unwrap_or_default());
                }
            }

            /// Returns the columns so far, and begins new ones.
            pub(super) fn take(&mut self) -> Result<RecordBatch> {
                (self.rows, self.bytes) = (0, 0);
                let mut columns = vec![
                    ArrayBuilder::finish(&mut self.simulation_id),
                    ArrayBuilder::finish(&mut self.outcome_id),
                    $(ArrayBuilder::finish(&mut self.$name),)*
                ];
                columns.extend(self.document.as_mut().map(ArrayBuilder::finish));
                RecordBatch::try_new(self.schema(), columns).map_err(conversion_error)
            }
        }
    };
}
outcome_columns!(read => columns);

impl Columns {
    /// Returns the names and types of the columns.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Returns the number of outcomes.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the size of the texts in bytes, without texts of a fixed length.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn conversion_error(error: ArrowError) -> Error {
    Error::invalid("could not make columns of the outcomes").with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::TimestampMicrosecondType;

    use super::super::Writer as _;
    use super::super::comma_separated::CsvWriter;
    use super::*;
    use crate::json_text::JsonStr;

    fn outcome() -> OutcomeRecord<'static> {
        OutcomeRecord {
            simulation_id: Uuid::from_u128(1),
            outcome_id: Uuid::from_u128(2),
            scenario_id: "a",
            scenario_name: None,
            trial: 3,
            attempt: 4,
            result_key: Some("key"),
            place: None,
            revised_at: None,
            execution_time: "1969-12-31T23:59:59.999999Z".parse().unwrap(),
            received_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            status: "error",
            reliability_score: None,
            headline: Some("judge"),
            score: Some(7.0),
            score_lowest: None,
            score_highest: None,
            scores: JsonStr::new("[]"),
            invalidation: None,
            annotations: None,
            execution_time_ms: 5.5,
            model: Some("m"),
            origin: Some(JsonStr::new("{}")),
            tokens_used: 1 << 40,
            cost_usd: 0.1,
            all_roles_tokens: 1 << 41,
            all_roles_cost_usd: 0.2,
            computed_cost_usd: None,
            usage: None,
            error_code: Some("E"),
            error_category: Some("network"),
            failure_class: Some("infrastructure"),
            failure_rule: None,
            error_message: Some(""),
            modal_call_id: Some("call"),
            sandbox_id: Some("sandbox"),
            metrics: JsonStr::new("{}"),
            warnings: Some(JsonStr::new("[]")),
            extractor: "x 1",
            document: Some("{ }"),
        }
    }

    #[test]
    fn arrow_csv_json_and_the_contract_have_the_same_columns_in_the_same_order() {
        let names: Vec<&str> = NAMES.iter().copied().chain(["document"]).collect();
        let schema = schema(true);
        let arrow: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(arrow, names);

        let mut csv = CsvWriter::new(Vec::new(), true).unwrap();
        csv.write(&outcome()).unwrap();
        let csv = String::from_utf8(csv.finish().unwrap()).unwrap();
        let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        let [header, values] = lines.as_slice() else { panic!("{csv}") };
        assert_eq!((header, values.len()), (&names, names.len()));

        let json = serde_json::to_string(&outcome()).unwrap();
        let places = names.iter().map(|name| json.find(&format!("\"{name}\":")).expect(name));
        assert!(places.is_sorted(), "{json}");

        // The outcomes of a page have neither the simulation, which the request names, nor a column
        // of spans.
        let described = crate::wire::described_outcome();
        let required = described["required"].as_array().unwrap();
        let mut contract: Vec<(&str, bool)> = described["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(|name| (name.as_str(), !required.iter().any(|one| one == name.as_str())))
            .collect();
        let mut columns: Vec<(&str, bool)> = schema
            .fields()
            .iter()
            .filter(|field| field.name() != "simulation_id")
            // A document is optional.
            .map(|field| (field.name().as_str(), field.is_nullable() || field.name() == "document"))
            .collect();
        assert_eq!(described["properties"]["warnings"], serde_json::json!({}), "any value");
        assert_eq!(
            described["properties"]["error_code"],
            serde_json::json!({"type": ["string", "null"]})
        );
        contract.sort_unstable();
        columns.sort_unstable();
        assert_eq!(contract, columns);
    }

    #[test]
    fn the_columns_are_those_of_the_outcome_in_its_order() {
        let outcome = outcome();
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
                ("failure_class", "infrastructure"),
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
