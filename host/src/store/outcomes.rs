//! Recorded outcomes as they are read: without their documents, unless requested.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::column_type::ColumnType;
use super::outcome_columns::outcome_columns;
use crate::extraction::OutcomeStatus;
use crate::json_text::JsonText;

/// Selects outcomes of a simulation.
#[derive(Clone, Debug, Default)]
pub struct OutcomeFilter {
    /// Only those of this scenario.
    pub scenario_id: Option<String>,
    /// Only those with this status.
    pub status: Option<OutcomeStatus>,
}

macro_rules! recorded_outcome {
    ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
        /// A recorded outcome.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the columns of the table, described in wit/recorder.wit")]
        pub struct RecordedOutcome {
            pub outcome_id: Uuid,
            $(pub $name: $type,)*
            /// The document's own trajectory object, as JSON text, if it was requested and exists.
            #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
            pub trajectory: Option<String>,
            /// The document, byte for byte, if it was requested.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub document: Option<String>,
        }

        impl RecordedOutcome {
            pub(super) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
                Ok(RecordedOutcome {
                    outcome_id: row.try_get("outcome_id")?,
                    $($name: <$type>::from_read(row.try_get(stringify!($name))?),)*
                    trajectory: None,
                    document: None,
                })
            }
        }

        /// An outcome that is exported, borrowed from the row or the page that it was read from.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize)]
        #[expect(missing_docs, reason = "the columns of the table, described in wit/recorder.wit")]
        pub struct OutcomeRecord<'r> {
            pub simulation_id: Uuid,
            pub outcome_id: Uuid,
            $(pub $name: <$type as ColumnType>::Ref<'r>,)*
            /// The document, byte for byte, if it was requested.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub document: Option<&'r str>,
        }

        impl<'r> OutcomeRecord<'r> {
            /// Returns an outcome of a page.
            pub fn of_page(simulation_id: Uuid, outcome: &'r RecordedOutcome) -> Self {
                OutcomeRecord {
                    simulation_id,
                    outcome_id: outcome.outcome_id,
                    $($name: outcome.$name.borrowed(),)*
                    document: outcome.document.as_deref(),
                }
            }
        }
    };
}
outcome_columns!(read => recorded_outcome);
