//! Describes the types of the store, the recorder and the spool in the OpenAPI document; these
//! modules do not depend on HTTP.
//!
//! Each type is repeated here, with the sentences of the document. The compiler checks that its
//! members are the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use utoipa::openapi::schema::{
    self, KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType,
};
use utoipa::openapi::{Ref, RefOr};
use uuid::Uuid;

use crate::json_text::JsonText;
use crate::store::outcome_columns::outcome_columns;
use crate::{error, extraction, recorder, spool, store};

/// Describes a type of another module in the OpenAPI document. A member or a variant that only one
/// of the two has does not compile, nor does one of another type.
macro_rules! describe {
    (
        $(#[$about:meta])*
        struct $name:ident of $module:ident {
            $($(#[$about_member:meta])* $member:ident: $type:ty,)*
        }
    ) => {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        $(#[$about])*
        struct $name {
            $($(#[$about_member])* $member: $type,)*
        }

        const _: fn($module::$name) -> $name = |$module::$name { $($member,)* }| $name { $($member,)* };

        $crate::wire::describe!(described $name of $module);
    };
    (
        $(#[$about:meta])*
        enum $name:ident of $module:ident {
            $($(#[$about_variant:meta])* $variant:ident,)*
        }
    ) => {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        $(#[$about])*
        enum $name {
            $($(#[$about_variant])* $variant,)*
        }

        const _: fn($module::$name) -> $name = |described| match described {
            $($module::$name::$variant => $name::$variant,)*
        };

        $crate::wire::describe!(described $name of $module);
    };
    (described $name:ident of $module:ident) => {
        impl utoipa::PartialSchema for $module::$name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <$name as utoipa::PartialSchema>::schema()
            }
        }

        impl utoipa::ToSchema for $module::$name {
            fn name() -> std::borrow::Cow<'static, str> {
                <$name as utoipa::ToSchema>::name()
            }

            fn schemas(
                schemas: &mut Vec<(
                    String,
                    utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
                )>,
            ) {
                <$name as utoipa::ToSchema>::schemas(schemas);
            }
        }
    };
}
pub(crate) use describe;

describe! {
    /// The database's state. An unreachable database is also an answer, not an error.
    struct Health of store {
        /// `ok` or `error`; for a service also `degraded`.
        status: Cow<'static, str>,
        /// Why the status is not `ok`.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The server's version, such as `15.4`.
        server_version: Option<String>,
        /// The installed extensions and their versions.
        extensions: BTreeMap<String, String>,
        /// The tables that TimescaleDB partitions by time.
        hypertables: Vec<String>,
        /// The connection pool.
        pool_stats: store::PoolStats,
        /// How many migrations were applied; null if there is no schema.
        schema_version: Option<i32>,
        /// The layout of the tables; null if there is no schema.
        #[serde(default)]
        layout: Option<store::Layout>,
        /// The tasks that TimescaleDB runs automatically on the tables, and whether it runs them.
        #[serde(default)]
        policies: Vec<store::Policy>,
        /// How far this host's clock is ahead of the database's in milliseconds; negative if it is
        /// behind, null if the database does not answer. Times of receipt are corrected by it.
        #[serde(default)]
        clock_skew_ms: Option<f64>,
        /// When the health was checked.
        timestamp: Timestamp,
        /// The response time in milliseconds.
        response_time_ms: f64,
    }
}

describe! {
    /// A task that TimescaleDB runs automatically.
    struct Policy of store {
        /// The task: `policy_compression` moves old chunks into the columnstore.
        name: String,
        /// The table that the task works on.
        table: String,
        /// Whether it runs: it is scheduled, its last run went well, and the next one is not overdue.
        healthy: bool,
        /// When it ran last.
        last_run_at: Option<Timestamp>,
        /// The result of the last run: `Success` or `Failed`.
        last_run_status: Option<String>,
        /// When the next run is scheduled.
        next_run_at: Option<Timestamp>,
    }
}

describe! {
    /// The connection pool.
    struct PoolStats of store {
        /// Open connections.
        size: usize,
        /// Open connections that are idle.
        available: usize,
        /// Calls that wait for a connection.
        waiting: usize,
    }
}

describe! {
    /// The layout of the tables.
    #[serde(rename_all = "snake_case")]
    enum Layout of store {
        /// Plain PostgreSQL tables.
        Plain,
        /// Outcomes are a hypertable of TimescaleDB; if its edition supports it, with a columnstore
        /// and a policy that fills it.
        Timescale,
        /// The data of a simulation is distributed over the nodes of Citus. Experimental.
        Citus,
    }
}

describe! {
    /// The counters of a store since it was created.
    #[schema(as = Stats)]
    struct Metrics of store {
        /// Statements that were sent to the database, including commits and retries.
        total_queries: u64,
        /// Statements that failed.
        failed_queries: u64,
        /// How often results were sent again after a transient error.
        retry_count: u64,
        /// The percentage of statements that did not fail; 100 if there were no statements.
        success_rate: f64,
        /// The mean time of a statement in milliseconds, to its first row or its end.
        avg_query_time: f64,
        /// Outcomes that were stored.
        stored_outcomes: u64,
        /// Transactions that stored results.
        transactions: u64,
        /// When the health was last checked.
        last_health_check: Option<Timestamp>,
        /// The connection pool.
        pool_stats: store::PoolStats,
    }
}

/// A score of a result, as the tool wrote it. Absent members are unknown.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Score)]
pub(crate) struct ScoreBody {
    /// The name of the metric.
    name: String,
    /// The number, if the result has one under this metric.
    #[schema(nullable = false)]
    value: Option<f64>,
    /// The value as the tool wrote it, if that is not a number, such as `C` or `pass`.
    #[schema(nullable = false)]
    label: Option<String>,
    /// The lowest value that the result itself declares.
    #[schema(nullable = false)]
    lowest: Option<f64>,
    /// The highest value that the result itself declares.
    #[schema(nullable = false)]
    highest: Option<f64>,
    /// The position of the scorer's text about this score in the document: offset and length in bytes.
    #[schema(nullable = false, min_items = 2, max_items = 2)]
    explanation: Option<Vec<u32>>,
}

/// A mark that a result does not count.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Invalidation)]
pub(crate) struct InvalidationBody {
    /// The person or program that invalidated it.
    #[schema(required)]
    author: Option<String>,
    /// The reason.
    #[schema(required)]
    reason: Option<String>,
    /// The time, RFC 3339 in UTC.
    #[schema(required)]
    at: Option<String>,
}

/// The schema of a column: that of its type, unless the column has its own.
macro_rules! column_schema {
    (scores $type:ty) => {
        utoipa::openapi::ArrayBuilder::new().items(Ref::from_schema_name("Score")).build().into()
    };
    (invalidation $type:ty) => {
        Schema::from(
            OneOfBuilder::new()
                .item(ObjectBuilder::new().schema_type(schema::Type::Null))
                .item(Ref::from_schema_name("Invalidation")),
        )
        .into()
    };
    ($name:ident $type:ty) => {
        <$type as DescribedColumn>::schema()
    };
}

macro_rules! column_schemas {
    ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
        /// The schemas of the columns, by name.
        mod column {
            use super::*;

            $(pub(super) fn $name() -> RefOr<Schema> {
                column_schema!($name $type)
            })*
        }
    };
}
outcome_columns!(read => column_schemas);

macro_rules! describe_outcome {
    ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
        describe! {
            /// A recorded outcome.
            struct RecordedOutcome of store {
                outcome_id: Uuid,
                $(#[schema(schema_with = column::$name)] $name: $type,)*
                /// The document's own trajectory object, as JSON text, if requested and present.
                #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
                #[schema(ignore)]
                trajectory: Option<String>,
                /// The document, byte for byte, if requested.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                document: Option<String>,
            }
        }
    };
}
outcome_columns!(read => describe_outcome);

/// Returns the description of an outcome.
#[cfg(all(test, feature = "export"))]
pub(crate) fn described_outcome() -> serde_json::Value {
    serde_json::to_value(<RecordedOutcome as utoipa::PartialSchema>::schema()).unwrap()
}

/// A column type in the OpenAPI document.
trait DescribedColumn {
    fn schema() -> RefOr<Schema>;
}

impl<T: DescribedColumn> DescribedColumn for Option<T> {
    fn schema() -> RefOr<Schema> {
        let mut schema = T::schema();
        // A schema that allows any value also allows null.
        if let RefOr::T(Schema::Object(object)) = &mut schema
            && let SchemaType::Type(one) = &object.schema_type
        {
            object.schema_type = SchemaType::Array(vec![one.clone(), schema::Type::Null]);
        }
        schema
    }
}

macro_rules! described_columns {
    ($($column:ty: $described:ty;)*) => {$(
        impl DescribedColumn for $column {
            fn schema() -> RefOr<Schema> {
                <$described as utoipa::PartialSchema>::schema()
            }
        }
    )*};
}
described_columns! {
    i32: i32;
    i64: i64;
    f64: f64;
    String: String;
    Cow<'static, str>: String;
    extraction::OutcomeStatus: extraction::OutcomeStatus;
    JsonText: serde_json::Value;
}

impl DescribedColumn for Timestamp {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let time = ObjectBuilder::new().schema_type(schema::Type::String).format(Some(format));
        time.build().into()
    }
}

describe! {
    /// One hour of a simulation, every attempt counted.
    struct HourlyPerformance of store {
        /// The start of the hour.
        hour: Timestamp,
        /// The number of outcomes.
        total_outcomes: i64,
        /// The mean of their scores, from 0 to 1; null if no outcome has one.
        avg_reliability: Option<f64>,
        /// The mean of their durations in milliseconds.
        avg_execution_time: f64,
        /// Their cost in US dollars.
        total_cost: f64,
        /// How many did not succeed.
        error_count: i64,
    }
}

describe! {
    /// The summary of several hours of a simulation.
    struct PerformanceSummary of store {
        /// The number of outcomes.
        total_outcomes: i64,
        /// The mean of their scores: of all outcomes, not of the hours.
        avg_reliability: Option<f64>,
        /// Their cost in US dollars.
        total_cost: f64,
    }
}

describe! {
    /// The performance of a simulation over time.
    struct Performance of store {
        /// The simulation's id.
        simulation_id: Uuid,
        /// The number of requested hours.
        time_range_hours: f64,
        /// The metric of most scores; null without scores.
        headline: Option<String>,
        /// The hours that have outcomes, in order: the last 20,000 of them.
        hourly_metrics: Vec<store::HourlyPerformance>,
        /// The summary of all these hours.
        summary: store::PerformanceSummary,
    }
}

describe! {
    /// An outcome that is not a success, of any simulation.
    struct Failure of store {
        outcome_id: Uuid,
        simulation_id: Uuid,
        simulation_name: Option<String>,
        /// The model that the outcome names, else the only one of its simulation.
        model: Option<String>,
        scenario_id: String,
        execution_time: Timestamp,
        status: extraction::OutcomeStatus,
        error_code: Option<String>,
        error_category: Option<String>,
        /// Whose failure it was.
        failure_class: Option<String>,
        /// The rule that decided.
        failure_rule: Option<String>,
        modal_call_id: Option<String>,
        error_message: Option<String>,
    }
}

describe! {
    /// A rejected result as it was stored.
    struct RejectedResult of store {
        outcome_id: Uuid,
        received_at: Timestamp,
        /// Its position in the submitted data, counted from 0.
        position: Option<i64>,
        /// The line of the file or stream on which it starts, counted from 1.
        line: Option<i64>,
        trial: Option<i32>,
        #[schema(value_type = serde_json::Value)]
        violations: JsonText,
        document_bytes: i64,
    }
}

describe! {
    /// How the run of a scenario ended.
    #[serde(rename_all = "snake_case")]
    enum OutcomeStatus of extraction {
        Success,
        Error,
        Timeout,
        Cancelled,
    }
}

describe! {
    /// The status of a simulation.
    #[serde(rename_all = "snake_case")]
    enum SimulationStatus of store {
        /// Outcomes are being recorded.
        Running,
        /// Completed; its figures are final.
        Completed,
        /// Its runner reported a failure.
        Failed,
        /// Stopped on purpose.
        Cancelled,
        /// The log of the run has no end.
        Incomplete,
    }
}

describe! {
    /// What the values of a metric are.
    #[serde(rename_all = "snake_case")]
    enum MetricKind of store {
        /// 0 or 1.
        Binary,
        /// A share of the whole, from 0 to 1.
        Fraction,
        /// Any number.
        Number,
        /// A label, which is not averaged.
        Label,
    }
}

describe! {
    /// The definition of a metric in a simulation. Absent members are unknown.
    struct MetricDefinition of store {
        /// The name, as in the scores of results.
        name: String,
        /// The unit, such as `seconds`.
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// The lowest possible value.
        #[serde(skip_serializing_if = "Option::is_none")]
        lowest: Option<f64>,
        /// The highest possible value.
        #[serde(skip_serializing_if = "Option::is_none")]
        highest: Option<f64>,
        /// Whether a higher value is better; true if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        higher_is_better: Option<bool>,
        /// What the values are.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<store::MetricKind>,
        /// A result passes if its value reaches this one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pass_threshold: Option<f64>,
        /// Whether this metric is the simulation's score; false in a declaration withdraws that.
        #[serde(skip_serializing_if = "Option::is_none")]
        headline: Option<bool>,
    }
}

describe! {
    /// The figures of one metric, over the latest attempt at each scenario and trial, as the tool
    /// wrote its values.
    struct MetricFigures of store {
        /// The name.
        name: String,
        /// How many results have a value.
        scored: i64,
        /// How many results count, but have no value under this metric.
        unscored: i64,
        /// The sum of the values.
        sum: Option<f64>,
        /// The mean of the values.
        mean: Option<f64>,
        /// The mean over the scenarios of the mean over each scenario's trials that have a value.
        scenario_mean: Option<f64>,
        /// The mean with 0 for each result without a value.
        mean_with_zero: Option<f64>,
        /// The mean over the scenarios, with 0 for each result without a value.
        scenario_mean_with_zero: Option<f64>,
        /// The lowest value.
        lowest: Option<f64>,
        /// The highest value.
        highest: Option<f64>,
    }
}

describe! {
    /// How a figure counts a result that has no value.
    #[serde(rename_all = "snake_case")]
    enum MissingPolicy of store {
        /// The result is left out.
        Exclude,
        /// Its value is 0.
        Zero,
    }
}

describe! {
    /// The origin of a score.
    #[serde(rename_all = "snake_case")]
    enum ScoreSource of store {
        /// The tool reports it as the score of the run.
        Tool,
        /// It is in the suite's own summary.
        Suite,
        /// It was computed from the recorded outcomes.
        Computed,
    }
}

describe! {
    /// The score that counts, with its name and its origin.
    struct Headline of recorder {
        /// The metric.
        metric: String,
        /// The tool's name of the figure, such as `accuracy`; `mean` for a computed one.
        figure: String,
        /// Its value, as the tool writes it.
        value: Option<f64>,
        /// The standard error that the tool reports with it.
        standard_error: Option<f64>,
        /// Its origin.
        source: store::ScoreSource,
        /// How the tool's figure counts results without a value; null if it is not the tool's.
        missing: Option<store::MissingPolicy>,
        /// The mean over the scenarios of the mean of each scenario's values.
        computed: Option<f64>,
        /// How many of the latest outcomes have a value.
        scored: i64,
        /// How many of them count, but have none.
        unscored: i64,
        /// Whether a higher value is better.
        higher_is_better: bool,
        /// Whether that is assumed, because nothing defines it.
        higher_is_better_assumed: bool,
    }
}

describe! {
    /// The result of comparing a figure.
    #[serde(rename_all = "snake_case")]
    enum ComparisonResult of recorder {
        /// The same, within the tolerance of the figure.
        Equal,
        /// Not the same.
        Different,
        /// The figure cannot be computed from the values of the results, such as a perplexity.
        NotComparable,
    }
}

describe! {
    /// A figure of the tool, and the same of the recorded results.
    struct FigureComparison of recorder {
        /// The metric; null for results, tokens and cost.
        metric: Option<String>,
        /// The figure, such as `accuracy`, `results`, `tokens` or `cost_usd`.
        figure: String,
        /// The tool's value; null if the tool could not compute it.
        reported: Option<f64>,
        /// The value of the recorded results; null if it cannot be computed from them.
        computed: Option<f64>,
        /// The result of the comparison.
        result: recorder::ComparisonResult,
    }
}

describe! {
    /// How the recorded results compare with what the tool reports about the run.
    struct Reconciliation of recorder {
        /// Whether nothing differs.
        agrees: bool,
        /// Every figure that the tool reports, with that of the recorded results.
        figures: Vec<recorder::FigureComparison>,
    }
}

describe! {
    /// A simulation that a name or the beginning of an id matches.
    struct SimulationCandidate of error {
        /// Its id.
        simulation_id: Uuid,
        /// A name for people.
        simulation_name: Option<String>,
        /// When it was recorded.
        created_at: Timestamp,
    }
}

describe! {
    /// The labels of a simulation.
    struct SimulationLabels of store {
        /// The simulation's id.
        simulation_id: Uuid,
        /// A name for people.
        simulation_name: Option<String>,
        /// Its tags, in order.
        tags: Vec<String>,
    }
}

describe! {
    /// A simulation that was removed.
    struct RemovedSimulation of store {
        /// Its id, under which nothing is recorded any more.
        simulation_id: Uuid,
        /// The name that it had.
        simulation_name: Option<String>,
        /// When it was first removed.
        removed_at: Timestamp,
        /// The name of the service's token, or else the user of the database.
        removed_by: String,
        /// How many outcomes this removal has deleted.
        deleted_outcomes: u64,
    }
}

describe! {
    /// The progress of a simulation.
    struct SimulationProgress of recorder {
        /// The simulation's id.
        simulation_id: Uuid,
        /// A name for people.
        simulation_name: Option<String>,
        /// The project that it belongs to.
        project: String,
        /// Its tags, in order.
        tags: Vec<String>,
        /// The version of the agent's configuration.
        config_version_id: String,
        /// Its status.
        status: store::SimulationStatus,
        /// Why it did not complete.
        status_reason: Option<String>,
        /// The percentage of completed scenarios, from 0 to 100.
        progress_percentage: f64,
        /// The planned trials of all scenarios, and recorded ones that were not planned.
        total_scenarios: i64,
        /// How many of them have an outcome.
        completed_scenarios: i64,
        /// How many of them have a success as their latest outcome.
        successful_outcomes: i64,
        /// How many of them have a latest outcome that is not a success.
        failed_outcomes: i64,
        /// How many of them have an invalidated result as their latest outcome.
        invalidated_outcomes: i64,
        /// How many of them have a failure of infrastructure as their latest outcome, which is not in the
        /// computed score.
        infrastructure_outcomes: i64,
        /// How many results the tool's final list lacks; they do not count.
        superseded_outcomes: i64,
        /// The first of them, at most 100.
        superseded_results: Vec<store::SupersededResult>,
        /// How many results were rejected.
        rejected_results: i64,
        /// Recorded outcomes, of every attempt.
        recorded_outcomes: i64,
        /// How many of them have each status.
        #[schema(value_type = BTreeMap<String, i64>)]
        by_status: BTreeMap<extraction::OutcomeStatus, i64>,
        /// How many of them have each error category.
        by_error_category: BTreeMap<String, i64>,
        /// How many of them are failures of each class.
        by_failure_class: BTreeMap<String, i64>,
        /// How many results have annotations.
        review: store::ReviewFigures,
        /// The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
        overall_score: Option<f64>,
        /// The highest value of the scores as the tool wrote them; null if their scale is unknown.
        score_scale: Option<f64>,
        /// The score that counts, with its name and its origin.
        headline: Option<recorder::Headline>,
        /// The figures of each metric, as the tool wrote its values.
        metrics: Vec<store::MetricFigures>,
        /// The definitions of the metrics.
        metric_definitions: Vec<store::MetricDefinition>,
        /// The metrics of which nothing defines whether a higher value is better, which is assumed.
        higher_is_better_assumed: Vec<String>,
        /// Warnings about the score: `headline_missing`, `scale_unknown`,
        /// `infrastructure_scored`, `nothing_ran`, `reviewed`.
        #[schema(value_type = Vec<super::ViolationBody>)]
        warnings: Vec<extraction::Violation>,
        /// How the recorded results compare with what the tool reports; null if it reports nothing.
        reconciliation: Option<recorder::Reconciliation>,
        /// Who ran what.
        #[serde(flatten)]
        origin: store::Origin,
        /// The agent's tokens of everything that ran: of every attempt, also of superseded results.
        total_tokens: i64,
        /// The same with the calls that score results or simulate a user.
        all_roles_tokens: i64,
        /// The cost that counts, in US dollars, as the tool reports it.
        total_cost_usd: f64,
        /// The reported cost of all roles, in US dollars.
        all_roles_cost_usd: f64,
        /// The agent's cost by the price table, in US dollars; null if it is unknown.
        computed_cost_usd: Option<f64>,
        /// How many results that used tokens have no computed cost.
        unpriced_outcomes: i64,
        /// The dates of the price tables.
        prices_dated: Vec<String>,
        /// Tokens and cost of everything that ran, by role, model and try; at most 200.
        usage: Vec<store::UsageFigures>,
        /// Milliseconds from its start to its end, or to now.
        execution_time_ms: f64,
        /// The Modal app that runs the evaluation.
        modal_app_id: Option<String>,
        /// The metadata of the simulation's start.
        #[schema(value_type = Option<serde_json::Value>)]
        metadata: Option<JsonText>,
        /// When it was recorded.
        created_at: Timestamp,
        /// When the evaluation began.
        started_at: Timestamp,
        /// When it ended.
        completed_at: Option<Timestamp>,
    }
}

describe! {
    /// The three figures of a simulation.
    struct SimulationFigures of recorder {
        /// The mean of the latest scores, from 0 to 1 if their scale is known, otherwise as the tool wrote
        /// them; null if no outcome has one.
        overall_score: Option<f64>,
        /// The cost of every attempt in US dollars.
        total_cost_usd: f64,
        /// Seconds from the simulation's start to its end.
        execution_time_seconds: f64,
    }
}

describe! {
    /// The response to a completion.
    struct SimulationCompleted of recorder {
        /// The simulation's id.
        simulation_id: Uuid,
        /// `completed`.
        status: store::SimulationStatus,
        /// The suite's own figures; a missing one is computed from the outcomes.
        #[serde(flatten)]
        figures: recorder::SimulationFigures,
        /// The same figures, computed from the recorded outcomes.
        computed: recorder::SimulationFigures,
        /// The highest value of the scores as the tool wrote them; null if their scale is unknown.
        score_scale: Option<f64>,
        /// When it was completed first.
        completed_at: Timestamp,
        /// Warnings about the suite's summary and the score: `headline_missing`, `scale_unknown`,
        /// `infrastructure_scored`, `nothing_ran`.
        #[schema(value_type = Vec<super::ViolationBody>)]
        warnings: Vec<extraction::Violation>,
    }
}

describe! {
    /// Who ran what. Absent members are unknown.
    struct Origin of store {
        /// The models under test.
        models: Vec<String>,
        /// The provider of the models.
        provider: Option<String>,
        /// The agent, or what else calls the models.
        agent: Option<String>,
        /// The agent's version.
        agent_version: Option<String>,
        /// The task, benchmark or suite.
        task: Option<String>,
        /// The task's version.
        task_version: Option<String>,
        /// The data set.
        dataset: Option<String>,
        /// The data set's version.
        dataset_version: Option<String>,
        /// The tool that ran the evaluation.
        tool: Option<String>,
        /// The tool's version.
        tool_version: Option<String>,
    }
}

describe! {
    /// The tokens and the cost of all calls of one role to one model. The five kinds have no token in
    /// common.
    struct UsageFigures of store {
        /// The role of the calls, such as `scorer` or `user_simulator`; null: the agent.
        role: Option<String>,
        /// The model.
        model: Option<String>,
        /// Whether they belong to tries that the tool discarded.
        discarded: bool,
        /// Tokens of prompts that were neither read from a cache nor written to one.
        uncached_input_tokens: i64,
        /// Tokens of prompts that were read from a cache.
        cache_read_tokens: i64,
        /// Tokens of prompts that were written to a cache.
        cache_write_tokens: i64,
        /// Tokens of completions without reasoning.
        output_tokens: i64,
        /// Tokens of reasoning.
        reasoning_tokens: i64,
        /// All tokens; more than the sum of the five kinds if a tool reports only a total.
        total_tokens: i64,
        /// The cost in US dollars as the tool reports it; null if it reports none.
        cost_usd: Option<f64>,
        /// The cost in US dollars by the price table; null if a model or a price is unknown.
        computed_cost_usd: Option<f64>,
    }
}

describe! {
    /// A result that the tool's final list lacks.
    struct SupersededResult of store {
        /// The scenario's id.
        scenario_id: String,
        /// The result's place in the run.
        place: Option<String>,
        /// The tool's own id of the execution.
        result_key: String,
    }
}

describe! {
    /// The results of a run that a file, or another list of the tool, has.
    struct ResultList of store {
        /// The ids of their outcomes.
        outcome_ids: Vec<Uuid>,
        /// Whether these are all results of the run, which has ended.
        #[serde(default)]
        is_final: bool,
        /// When the tool made the list.
        made_at: Option<Timestamp>,
        /// When the file was last changed.
        modified_at: Option<Timestamp>,
    }
}

describe! {
    /// The effects of a list of results.
    struct ListedResults of store {
        /// How many results are superseded, because the list is the final one and lacks them.
        superseded: u64,
        /// How many superseded results count again, because the final list has them.
        restored: u64,
        /// The earlier revisions that count again, because the file is newer than the later ones.
        selected: Vec<Uuid>,
    }
}

describe! {
    /// The kind of an annotation.
    #[serde(rename_all = "snake_case")]
    enum AnnotationKind of store {
        Note,
        Tag,
        Invalidate,
        Restore,
        Score,
        FailureClass,
        Undo,
    }
}

describe! {
    /// Whether an annotation counts: `valid`; `replaced` by a later one about the same; `undone`; or
    /// `superseded`, because it changed the score of a revision that does not count any more.
    #[serde(rename_all = "snake_case")]
    enum AnnotationState of store {
        Valid,
        Replaced,
        Undone,
        Superseded,
    }
}

describe! {
    /// An annotation to be made. It names its result by `outcome_id`, by `result_key`, or by
    /// `scenario_id`, without `trial` for all its trials; an undo has `undoes` instead.
    struct NewAnnotation of store {
        /// Its kind.
        kind: store::AnnotationKind,
        /// Its id, so that a repeated request makes it once; the default is a new one.
        annotation_id: Option<Uuid>,
        /// The outcome.
        outcome_id: Option<Uuid>,
        /// The tool's own id of the result.
        result_key: Option<String>,
        /// The scenario.
        scenario_id: Option<String>,
        /// The trial of the scenario, counted from 1.
        trial: Option<i32>,
        /// The text of a note, a tag, the new value of a score (a number), or a failure class.
        value: Option<serde_json::Value>,
        /// The metric of the score; the default is that of the result's own score.
        metric: Option<String>,
        /// Why.
        reason: Option<String>,
        /// The author. A service with tokens puts the token's name before it.
        author: Option<String>,
        /// The annotation that is undone.
        undoes: Option<Uuid>,
    }
}

describe! {
    /// An annotation that was made.
    struct Annotation of store {
        /// Its id; null for the mark with which the tool itself invalidated the result.
        annotation_id: Option<Uuid>,
        /// Its kind.
        kind: store::AnnotationKind,
        /// Whether it counts.
        state: store::AnnotationState,
        /// The outcome for which it was made.
        outcome_id: Uuid,
        /// The tool's own id of the result; with it, the annotation belongs to all revisions.
        result_key: Option<String>,
        /// The scenario.
        scenario_id: String,
        /// The metric of the score.
        metric: Option<String>,
        /// The value before.
        old_value: Option<serde_json::Value>,
        /// The value after: the text of a note, a tag, a number or a class.
        new_value: Option<serde_json::Value>,
        /// Why.
        reason: Option<String>,
        /// The author: a person, `rule:NAME`, or the author in the tool's own mark.
        author: String,
        /// When.
        annotated_at: Timestamp,
        /// The annotation that is undone.
        undoes: Option<Uuid>,
    }
}

describe! {
    /// How many results of a simulation have valid annotations.
    struct ReviewFigures of store {
        /// Results that were invalidated.
        invalidated: i64,
        /// Results that count again, also if their tool has invalidated them.
        restored: i64,
        /// Changed scores.
        changed_scores: i64,
        /// Changed scores of revisions that do not count any more.
        superseded_scores: i64,
        /// Changed failure classes.
        changed_classes: i64,
        /// Results with a note or a tag.
        noted: i64,
    }
}

describe! {
    /// Why a trial has no valid outcome.
    #[serde(rename_all = "snake_case")]
    enum MissingReason of store {
        NeverRecorded,
        Infrastructure,
        Invalidated,
        Superseded,
    }
}

describe! {
    /// A planned or recorded trial that has no valid outcome.
    struct MissingTrial of store {
        /// The scenario.
        scenario_id: String,
        /// The trial, counted from 1.
        trial: i32,
        /// Why.
        reason: store::MissingReason,
        /// The latest outcome, if there is one that does not count.
        outcome_id: Option<Uuid>,
    }
}

describe! {
    /// One revision of a result.
    struct Revision of store {
        /// The tool's own id of the execution, which all revisions of the result share.
        result_key: String,
        /// Counted from 1, in the order in which the revisions were made.
        revision: i64,
        /// Whether it is the one that counts.
        counts: bool,
        /// Whether it was selected as the one that counts.
        selected: bool,
        /// Whether the tool's final list lacks the result, so that no revision counts.
        superseded: bool,
        /// The outcome's id.
        outcome_id: Uuid,
        /// The scenario's id.
        scenario_id: String,
        /// The result's place in the run.
        place: Option<String>,
        /// When it was made; null if the tool does not report it, and then the time of receipt counts.
        revised_at: Option<Timestamp>,
        /// When it was received.
        received_at: Timestamp,
        /// The metric of its own score.
        headline: Option<String>,
        /// The value of that score, as the tool wrote it.
        score: Option<f64>,
        /// Whether it is marked as a result that does not count.
        invalidated: bool,
    }
}

describe! {
    /// The response to a start.
    struct SimulationStarted of recorder {
        /// The simulation's id.
        simulation_id: Uuid,
        /// The number of planned scenarios.
        scenario_count: u32,
        /// `running`, or the current status of a simulation that was started before.
        status: store::SimulationStatus,
        /// When it was first started.
        created_at: Timestamp,
        /// Whether the version of the configuration was created before.
        configuration_exists: bool,
        /// Warnings: a scenario has another definition than in the plan of the existing simulation,
        /// which stays as it is (`definition_changed`).
        #[schema(value_type = Vec<super::ViolationBody>)]
        warnings: Vec<extraction::Violation>,
    }
}

describe! {
    /// The state of the spool.
    struct SpoolState of spool {
        /// The number of waiting entries.
        depth: u64,
        /// The disk space that the entries take in bytes, including dead letters and entries that
        /// are being written.
        bytes: u64,
        /// The limit of the disk space in bytes.
        limit_bytes: u64,
        /// When the entry at the head of the queue was spooled.
        oldest_at: Option<Timestamp>,
        /// The number of dead letters.
        dead_letters: u64,
        /// Whether the limit is reached: entries were refused, and none was removed since.
        full: bool,
        /// Why the spool cannot store entries, regardless of its limit.
        #[serde(default)]
        error: Option<error::SpoolFailure>,
    }
}

describe! {
    /// Why a spool cannot store entries.
    #[serde(rename_all = "snake_case")]
    enum SpoolFailure of error {
        /// Its disk is full.
        DiskFull,
        /// Its disk cannot be read or written.
        DiskError,
        /// Its file is damaged.
        Damaged,
        /// It was closed.
        Closed,
    }
}
