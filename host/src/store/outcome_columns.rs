//! The columns of an outcome, each on one line of one table.
//!
//! From the table come the row that is written, and its form in COPY and arrays ([`OutcomeRow`]),
//! the outcomes that are read ([`RecordedOutcome`](super::RecordedOutcome),
//! [`OutcomeRecord`](super::OutcomeRecord)), the fields that re-extraction compares and rewrites, the
//! columns of Arrow, Parquet and CSV, and the members in JSON and in the OpenAPI document. A new
//! column is a field in `wit/types.wit` that the guest fills, a migration, and a line here. A type
//! that no other column has needs a [`ColumnType`].
//!
//! The table is a macro that calls another macro with its lines, so that types stay static: a user
//! of the table defines a macro, and passes its name together with that of a list.

use std::borrow::Cow;
use std::mem::take;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::column_type::ColumnType;
use super::writing::ResultKey;
use crate::extraction::{
    FailureClass, Outcome, OutcomeStatus, Span, Violation, violations_to_json, whole,
};
use crate::json_text::JsonText;

/// The table. Each line has the role, the name and the type of a column, and its value in a row: a
/// function of the extracted outcome and of the fields that the recorder adds.
///
/// | role | written | read | compared and rewritten by re-extraction |
/// |---|---|---|---|
/// | `extracted` | yes | yes | yes |
/// | `stored` | yes | no | yes |
/// | `origin` | yes | no | no |
/// | `received` | yes | yes | no |
/// | `computed` | no | yes: the query computes it from all outcomes of the simulation | no |
/// | `joined` | no | yes: the query finds it in another table | no |
///
/// The order is that of JSON, CSV, Arrow and Parquet. The key, which every row has, and the document,
/// which is in a table of its own, are not in it.
macro_rules! outcome_columns {
    ($list:ident => $to:ident) => { $crate::store::outcome_columns::lines! { $list => $to:
        origin    extractor_id: Uuid = |_, added| added.extractor_id;
        origin    header_id: Option<Uuid> = |_, added| added.header_id;
        origin    document_bytes: i64 = |_, added| added.document_bytes;
        extracted scenario_id: String = |outcome, _| take(&mut outcome.scenario.id);
        extracted scenario_name: Option<String> = |outcome, _| outcome.scenario.name.take();
        stored    trial: Option<i32> = |_, added| added.trial;
        computed  trial: i32;
        computed  attempt: i64;
        extracted result_key: Option<String> = |outcome, _| outcome.key.take();
        extracted place: Option<String> = |outcome, _| outcome.place.take();
        extracted revised_at: Option<Timestamp> = |_, added| added.revised_at;
        extracted execution_time: Timestamp = |_, added| added.execution_time;
        received  received_at: Timestamp = |_, added| added.received_at;
        extracted status: $crate::extraction::OutcomeStatus = |outcome, _| outcome.status;
        computed  reliability_score: Option<f64>;
        extracted headline: Option<String> = |_, added| added.scores.headline.take();
        extracted score: Option<f64> = |_, added| added.scores.score;
        extracted score_lowest: Option<f64> = |_, added| added.scores.lowest;
        extracted score_highest: Option<f64> = |_, added| added.scores.highest;
        extracted scores: JsonText = |_, added| take(&mut added.scores.list);
        extracted invalidation: Option<JsonText> = |_, added| added.invalidation.take();
        computed  annotations: Option<JsonText>;
        extracted execution_time_ms: f64 = |outcome, _| outcome.execution_time_ms;
        extracted model: Option<String> = |_, added| added.model.take();
        extracted origin: Option<JsonText> = |_, added| added.origin.take();
        extracted tokens_used: i64 = |outcome, _| whole(outcome.tokens_used);
        extracted cost_usd: f64 = |outcome, _| outcome.cost_usd;
        extracted all_roles_tokens: i64 = |_, added| added.usage.all_roles_tokens;
        extracted all_roles_cost_usd: f64 = |_, added| added.usage.all_roles_cost_usd;
        extracted computed_cost_usd: Option<f64> = |_, added| added.usage.computed_cost_usd;
        stored    price_table_id: Option<Uuid> = |_, added| added.usage.price_table_id;
        extracted usage: Option<JsonText> = |_, added| added.usage.list.take();
        extracted error_code: Option<String> = |outcome, _| outcome.error_code.take();
        extracted error_category: Option<Cow<'static, str>> =
            |outcome, _| outcome.error_category.map(|category| category.as_str().into());
        extracted failure_class: Option<Cow<'static, str>> = |outcome, _| failure_class(outcome);
        extracted failure_rule: Option<String> = |outcome, _| failure_rule(outcome);
        extracted error_message: Option<String> = |outcome, _| outcome.error_message.take();
        extracted modal_call_id: Option<String> = |_, added| added.modal_call_id.take();
        extracted sandbox_id: Option<String> = |_, added| added.sandbox_id.take();
        extracted metrics: JsonText = |_, added| take(&mut added.metrics);
        extracted warnings: Option<JsonText> = |_, added| warnings(&added.warnings);
        joined    extractor: String;
        stored    scenario_offset: Option<i32> = |outcome, _| offset(outcome.scenario.definition);
        stored    scenario_length: Option<i32> = |outcome, _| length(outcome.scenario.definition);
        stored    trajectory_offset: Option<i32> = |outcome, _| offset(outcome.trajectory);
        stored    trajectory_length: Option<i32> = |outcome, _| length(outcome.trajectory);
        stored    detailed_trajectory_offset: Option<i32> =
            |outcome, _| offset(outcome.detailed_trajectory);
        stored    detailed_trajectory_length: Option<i32> =
            |outcome, _| length(outcome.detailed_trajectory);
        stored    dimensions_offset: Option<i32> = |outcome, _| offset(outcome.dimensions);
        stored    dimensions_length: Option<i32> = |outcome, _| length(outcome.dimensions);
    } };
}
pub(crate) use outcome_columns;

/// Makes a group of each line, `(role name [type] [value])`, and begins to pick those of a list.
macro_rules! lines {
    (
        $list:ident => $to:ident:
        $($role:ident $name:ident: $type:ty $(= $value:expr)?;)*
    ) => {
        $crate::store::outcome_columns::pick! {
            $list => $to [] $(($role $name [$type] [$($value)?]))*
        }
    };
}
pub(crate) use lines;

/// Calls a macro with those lines whose role belongs to the list.
macro_rules! pick {
    ($list:ident => $to:ident [$($picked:tt)*]) => { $to! { $($picked)* } };
    ($list:ident => $to:ident [$($picked:tt)*] ($role:ident $($line:tt)*) $($rest:tt)*) => {
        $crate::store::outcome_columns::belongs! {
            $list $role
            { $crate::store::outcome_columns::pick! {
                $list => $to [$($picked)* ($role $($line)*)] $($rest)*
            } }
            { $crate::store::outcome_columns::pick! { $list => $to [$($picked)*] $($rest)* } }
        }
    };
}
pub(crate) use pick;

/// The lists, and the roles that belong to them.
#[rustfmt::skip]
macro_rules! belongs {
    // Columns of the table `outcomes`.
    (written extracted $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (written stored $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (written origin $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (written received $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    // Those that re-extraction compares and rewrites.
    (compared extracted $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (compared stored $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    // Columns of outcomes that are read.
    (read extracted $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (read received $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (read computed $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (read joined $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    // The same without those from another table.
    (own extracted $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (own received $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (own computed $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    // Columns of the table that are read.
    (selected extracted $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    (selected received $then:tt $else:tt) => { $crate::store::outcome_columns::run! $then };
    ($list:ident $role:ident $then:tt $else:tt) => { $crate::store::outcome_columns::run! $else };
}
pub(crate) use belongs;

macro_rules! run {
    ($($tokens:tt)*) => { $($tokens)* };
}
pub(crate) use run;

/// The names of the columns of a list.
macro_rules! names {
    ($(($role:ident $name:ident $type:tt $value:tt))*) => { &[$(stringify!($name)),*] };
}

/// The columns that re-extraction compares and rewrites, besides the extractor's id.
pub(super) const COMPARED: &[&str] = outcome_columns!(compared => names);

/// The columns that are read, but for those from another table.
pub(super) const OWN: &[&str] = outcome_columns!(own => names);

/// The columns of the table that are read.
pub(super) const SELECTED: &[&str] = outcome_columns!(selected => names);

/// Returns whose failure an outcome is; `None` for a success. A format that does not decide leaves it
/// undecided.
fn failure_class(outcome: &Outcome) -> Option<Cow<'static, str>> {
    let class = outcome.failure_class.unwrap_or(FailureClass::Undecided);
    (outcome.status != OutcomeStatus::Success).then(|| class.as_str().into())
}

/// Returns the rule that decided, at most [`RULE_BYTES`] of it.
fn failure_rule(outcome: &mut Outcome) -> Option<String> {
    let mut rule = outcome.failure_rule.take()?;
    rule.truncate(rule.floor_char_boundary(RULE_BYTES));
    (outcome.status != OutcomeStatus::Success && !rule.is_empty()).then_some(rule)
}

/// The longest name of a rule, in bytes.
const RULE_BYTES: usize = 128;

/// The scores of a result, as columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScoreColumns {
    /// The metric of the result's own score.
    pub(crate) headline: Option<String>,
    /// The value of that score.
    pub(crate) score: Option<f64>,
    /// The range that the result declares for it.
    pub(crate) lowest: Option<f64>,
    pub(crate) highest: Option<f64>,
    /// Every score.
    pub(crate) list: JsonText,
}

/// Tokens and cost of a result, as columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsageColumns {
    /// Tokens of all roles.
    pub(crate) all_roles_tokens: i64,
    /// The cost of all roles as the tool reports it.
    pub(crate) all_roles_cost_usd: f64,
    /// The agent's cost by the price table.
    pub(crate) computed_cost_usd: Option<f64>,
    /// That table.
    pub(crate) price_table_id: Option<Uuid>,
    /// By role, model and try.
    pub(crate) list: Option<JsonText>,
}

/// The fields that the recorder adds to an extracted outcome.
#[derive(Debug)]
pub(crate) struct AddedFields {
    pub(crate) extractor_id: Uuid,
    pub(crate) header_id: Option<Uuid>,
    pub(crate) document_bytes: i64,
    pub(crate) received_at: Timestamp,
    pub(crate) execution_time: Timestamp,
    pub(crate) trial: Option<i32>,
    pub(crate) revised_at: Option<Timestamp>,
    pub(crate) scores: ScoreColumns,
    pub(crate) invalidation: Option<JsonText>,
    pub(crate) model: Option<String>,
    pub(crate) origin: Option<JsonText>,
    pub(crate) usage: UsageColumns,
    pub(crate) modal_call_id: Option<String>,
    pub(crate) sandbox_id: Option<String>,
    pub(crate) metrics: JsonText,
    pub(crate) warnings: Vec<Violation>,
}

/// A column of the table.
#[derive(Debug)]
pub(super) struct OutcomeColumn {
    pub(super) name: &'static str,
    pub(super) sql_type: Type,
    nullable: bool,
}

impl OutcomeColumn {
    const fn new<T: ColumnType>(name: &'static str) -> Self {
        OutcomeColumn { name, sql_type: T::SQL_TYPE, nullable: T::NULLABLE }
    }
}

macro_rules! row {
    ($(($role:ident $name:ident [$type:ty] [$value:expr]))*) => {
        /// An outcome to be stored.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "the columns of the table, described in wit/types.wit")]
        pub struct OutcomeRow {
            pub key: ResultKey,
            $(pub $name: $type,)*
            /// The warnings again, for the verdict.
            pub warning_list: Vec<Violation>,
            pub document: Arc<String>,
        }

        /// The columns in the order of [`OutcomeRow::values`].
        pub(super) const COLUMNS: &[OutcomeColumn] = &[
            OutcomeColumn::new::<Uuid>("simulation_id"),
            OutcomeColumn::new::<Uuid>("outcome_id"),
            OutcomeColumn::new::<Timestamp>("partition_time"),
            $(OutcomeColumn::new::<$type>(stringify!($name)),)*
        ];

        impl OutcomeRow {
            /// Returns the row of an outcome.
            pub(crate) fn new(
                key: ResultKey,
                mut outcome: Outcome,
                mut added: AddedFields,
                document: Arc<String>,
            ) -> Self {
                $(let $name = {
                    let value: fn(&mut Outcome, &mut AddedFields) -> $type = $value;
                    value(&mut outcome, &mut added)
                };)*
                OutcomeRow { key, $($name,)* warning_list: added.warnings, document }
            }

            /// Returns the values in the order of the columns.
            pub(super) fn values(&self) -> [&(dyn ToSql + Sync); COLUMNS.len()] {
                let ResultKey { simulation_id, outcome_id, partition_time } = &self.key;
                [simulation_id, outcome_id, partition_time, $(&self.$name,)*]
            }

            /// Returns how many bytes its texts have, but for the document and for names of the contract.
            pub(crate) fn text_bytes(&self) -> usize {
                0 $(+ <$type as ColumnType>::text_bytes(&self.$name.borrowed()))*
            }
        }
    };
}
outcome_columns!(written => row);

/// The columns of the table `outcomes`: name, PostgreSQL's name of the type, and whether null is a
/// value. For the test that compares them with the database.
#[doc(hidden)]
pub fn outcome_columns_of_table() -> Vec<(&'static str, String, bool)> {
    let column = |one: &OutcomeColumn| (one.name, one.sql_type.name().to_owned(), one.nullable);
    COLUMNS.iter().map(column).collect()
}

/// Documents are far shorter than what 31 bits count.
fn bytes(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn offset(span: Option<Span>) -> Option<i32> {
    span.map(|span| bytes(span.offset))
}

fn length(span: Option<Span>) -> Option<i32> {
    span.map(|span| bytes(span.length))
}

fn warnings(warnings: &[Violation]) -> Option<JsonText> {
    (!warnings.is_empty()).then(|| violations_to_json(warnings))
}
