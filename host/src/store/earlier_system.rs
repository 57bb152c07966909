//! The tables of the earlier Python system, which are in the schema `public`. They are only read.
//!
//! PostgreSQL makes the documents: a result of the guide's form from each of its outcomes. A column that
//! an older table lacks is absent from its documents.

use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::Fuse;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use super::connection::{ConnectionSettings, Manager};
use super::starting::SimulationStart;
use super::statement::Statement;
use super::{NO_CONFIGURATION, Store};
use crate::error::{Error, Result};
use crate::paging::next_batch;

/// The tables that are read.
const TABLES: [&str; 6] = [
    "configurations",
    "config_versions",
    "scenarios",
    "simulations",
    "simulations_scenarios",
    "outcomes",
];

/// The connections to the earlier system: one to list its simulations. Each simulation is read over a
/// connection of its own.
const CONNECTIONS: usize = 1;

/// The highest value of the earlier system's scores, whose tables have a constraint for that.
const SCORE_SCALE: f64 = 1.0;

/// The database of the earlier system. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EarlierSystem {
    store: Store,
}

/// A simulation in the list of the earlier system.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierSimulation {
    /// Its id, which it keeps.
    pub simulation_id: Uuid,
    /// Its name.
    pub name: Option<String>,
    /// Its status there: `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// Its overall score there, from 0 to 1.
    pub overall_score: Option<f64>,
    /// How many outcomes it has there, each attempt and each repetition of a batch.
    pub outcomes: i64,
}

/// The data of a simulation of the earlier system.
#[derive(Debug)]
pub struct EarlierRun {
    /// Its start, with its id and its plan.
    pub start: SimulationStart,
    /// The version of the agent's configuration, if it is in its table.
    pub configuration: Option<EarlierConfiguration>,
    /// Its suite's summary (JSON text), with its status and its times; `None` if it has not ended.
    pub suite: Option<String>,
    /// Its outcomes.
    pub outcomes: EarlierOutcomes,
}

/// A version of an agent's configuration in the earlier system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierConfiguration {
    /// The configuration's name.
    pub name: String,
    /// The content: JSON text.
    pub content: String,
    /// The id of the user who made it.
    pub user_id: Option<String>,
}

/// The outcomes of a simulation of the earlier system, the earliest first, as of one moment.
pub struct EarlierOutcomes {
    rows: Pin<Box<Fuse<RowStream>>>,
    /// The transaction ends with its connection.
    _connection: <Manager as deadpool::managed::Manager>::Type,
}

impl std::fmt::Debug for EarlierOutcomes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("EarlierOutcomes").finish_non_exhaustive()
    }
}

impl EarlierOutcomes {
    /// Returns the next results, as documents of the guide's form; none at the end.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn next(&mut self) -> Result<Vec<String>> {
        let failed = |error| Error::postgres("read outcomes of the earlier system", error);
        let rows = next_batch(&mut self.rows, Row::raw_size_bytes).await.map_err(failed)?;
        let documents = rows.iter().map(|row| row.try_get(0));
        documents.collect::<std::result::Result<_, _>>().map_err(failed)
    }
}

impl EarlierSystem {
    /// Connects to the database of the earlier system and checks that it has its tables.
    ///
    /// # Errors
    /// [`Error::Configuration`]; [`Error::NotFound`] if a table is missing; [`Error::Unavailable`].
    pub async fn open(settings: &ConnectionSettings) -> Result<Self> {
        let store = Store::with_settings(settings, CONNECTIONS)?;
        let sql = "SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
             WHERE to_regclass('public.' || name) IS NULL ORDER BY place";
        let wanted = TABLES.map(str::to_owned).to_vec();
        let missing = Statement::new(sql).with(wanted);
        let missing = store.rows(&missing, "look for the tables of the earlier system").await?;
        let missing: Vec<&str> = missing.iter().map(|row| row.get(0)).collect();
        if !missing.is_empty() {
            return Err(Error::not_found(format!(
                "{settings} has no tables of the earlier system: public.{} missing",
                match missing.as_slice() {
                    [one] => format!("{one} is"),
                    several => format!("{} are", several.join(", public.")),
                }
            ))
            .with_hint("name the database that the earlier system's TIMESCALE_SERVICE_URL named"));
        }
        Ok(EarlierSystem { store })
    }

    /// Returns its simulations, the oldest first.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn simulations(&self) -> Result<Vec<EarlierSimulation>> {
        let sql = "SELECT simulation.simulation_id, simulation.simulation_name, simulation.status,
                 simulation.overall_score::text::float8, coalesce(counted.outcomes, 0)
             FROM public.simulations AS simulation
             LEFT JOIN (SELECT simulation_id, count(*) AS outcomes FROM public.outcomes GROUP BY 1)
                 AS counted ON counted.simulation_id = simulation.simulation_id
             ORDER BY simulation.created_at, simulation.simulation_id";
        let what = "list the simulations of the earlier system";
        let rows = self.store.rows(&Statement::new(sql), what).await?;
        let listed = rows.iter().map(|row| {
            Ok(EarlierSimulation {
                simulation_id: row.try_get(0)?,
                name: row.try_get(1)?,
                status: row.try_get::<_, Option<String>>(2)?.unwrap_or_default(),
                overall_score: row.try_get(3)?,
                outcomes: row.try_get(4)?,
            })
        });
        listed
            .collect::<std::result::Result<_, tokio_postgres::Error>>()
            .map_err(|error| Error::postgres(what, error))
    }

    /// Returns a simulation with its outcomes.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Database`] or [`Error::Unavailable`].
    pub async fn read(&self, simulation_id: Uuid) -> Result<EarlierRun> {
        let failed = |error| Error::postgres("read a simulation of the earlier system", error);
        let connection = deadpool::managed::Manager::create(self.store.pool.manager()).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL timezone = 'UTC';
             SET LOCAL jit = off";
        connection.batch_execute(begin).await.map_err(failed)?;
        let row = connection.query_opt(SIMULATION, &[&simulation_id]).await.map_err(failed)?;
        let row = row.ok_or_else(|| {
            Error::not_found(format!("the earlier system has no simulation {simulation_id}"))
        })?;
        let (start, configuration, suite) = run(simulation_id, &row).map_err(failed)?;
        let prepared = connection.prepare_cached(OUTCOMES).await.map_err(failed)?;
        let rows = connection.query_raw(&prepared, [&simulation_id]).await.map_err(failed)?;
        let outcomes = EarlierOutcomes { rows: Box::pin(rows.fuse()), _connection: connection };
        Ok(EarlierRun { start, configuration, suite, outcomes })
    }
}

/// Converts a row of [`SIMULATION`].
fn run(
    simulation_id: Uuid,
    row: &Row,
) -> std::result::Result<
    (SimulationStart, Option<EarlierConfiguration>, Option<String>),
    tokio_postgres::Error,
> {
    let instances: Option<i64> = row.try_get("sandbox_instances")?;
    let version: Option<String> = row.try_get("config_version_id")?;
    let start = SimulationStart {
        simulation_id: Some(simulation_id),
        config_version_id: version.unwrap_or_else(|| NO_CONFIGURATION.to_owned()),
        scenarios: row.try_get("plan")?,
        simulation_name: row.try_get("simulation_name")?,
        modal_app_id: row.try_get("modal_app_id")?,
        modal_environment: row.try_get("modal_environment")?,
        sandbox_instances: instances.and_then(|instances| u32::try_from(instances).ok()),
        metadata: row.try_get("metadata")?,
        score_scale: Some(SCORE_SCALE),
        plan_may_grow: true,
        ..SimulationStart::default()
    };
    let content: Option<String> = row.try_get("config")?;
    let configuration = content
        .map(|content| {
            let name: Option<String> = row.try_get("config_name")?;
            let user_id = row.try_get("user_id")?;
            Ok(EarlierConfiguration { name: name.unwrap_or_default(), content, user_id })
        })
        .transpose()?;
    Ok((start, configuration, row.try_get("suite")?))
}

/// Simulation `$1`: its start, its configuration and its suite's summary.
///
/// The earlier system wrote 0 for each figure that a suite did not have, so that a figure of 0 is the
/// computed one. Mappings are the plan, in their order; their other fields are in the metadata.
const SIMULATION: &str = r"
WITH simulation AS (
    SELECT to_jsonb(simulation) AS fields FROM public.simulations AS simulation WHERE simulation_id = $1
), read AS (
    SELECT fields, CASE jsonb_typeof(fields -> 'metadata') WHEN 'object' THEN fields -> 'metadata'
        ELSE '{}' END AS metadata
    FROM simulation
), mapping AS (
    SELECT to_jsonb(mapping) AS fields, mapping.scenario_id, mapping.execution_order
    FROM public.simulations_scenarios AS mapping WHERE mapping.simulation_id = $1
), planned AS (
    SELECT scenario_id, 0 AS part, execution_order::bigint AS place FROM mapping
    UNION ALL
    SELECT listed.scenario_id, 1, min(listed.place)
    FROM read, jsonb_array_elements_text(CASE jsonb_typeof(fields -> 'scenario_set') WHEN 'array'
        THEN fields -> 'scenario_set' ELSE '[]' END) WITH ORDINALITY AS listed (scenario_id, place)
    WHERE NOT EXISTS (SELECT FROM mapping WHERE mapping.scenario_id = listed.scenario_id)
    GROUP BY listed.scenario_id
), plan AS (
    SELECT coalesce(jsonb_agg(
        coalesce((
            SELECT jsonb_object_agg(member.key, member.value)
            FROM jsonb_each(to_jsonb(scenario) -
                '{scenario_id,scenario_embedding,is_active,created_at}'::text[]) AS member
            WHERE member.value <> 'null'
        ), '{}') || jsonb_build_object('id', planned.scenario_id)
        ORDER BY planned.part, planned.place
    ), '[]') AS scenarios
    FROM planned LEFT JOIN public.scenarios AS scenario ON scenario.scenario_id = planned.scenario_id
), further AS (
    SELECT jsonb_agg(jsonb_strip_nulls(fields - 'simulation_id') ORDER BY execution_order) AS mappings
    FROM mapping
    WHERE fields ->> 'modal_execution_logs' IS NOT NULL OR fields ->> 'retry_count' <> '0'
        OR fields ->> 'status' = 'skipped'
)
SELECT
    read.fields ->> 'simulation_name' AS simulation_name,
    read.fields ->> 'config_version_id' AS config_version_id,
    read.fields ->> 'modal_app_id' AS modal_app_id,
    read.fields ->> 'modal_environment' AS modal_environment,
    (read.fields ->> 'sandbox_instances')::bigint AS sandbox_instances,
    (read.metadata || jsonb_build_object('earlier_system', jsonb_strip_nulls(
        read.fields - '{simulation_id,scenario_set,simulation_name,metadata,modal_app_id,modal_environment,
            sandbox_instances}'::text[]) || jsonb_strip_nulls(jsonb_build_object('mappings', further.mappings))
    ))::text AS metadata,
    plan.scenarios::text AS plan,
    configuration.name AS config_name,
    configuration.user_id::text AS user_id,
    version.parsed_config::text AS config,
    CASE WHEN read.fields ->> 'status' IN ('completed', 'failed', 'cancelled') THEN jsonb_strip_nulls(
        jsonb_build_object(
            'average_reliability_score', nullif(read.fields -> 'overall_score', '0'),
            'total_cost_usd', nullif(read.fields -> 'total_cost_usd', '0'),
            'parallel_execution_time',
                trim_scale(nullif((read.fields ->> 'execution_time_ms')::numeric, 0) / 1000),
            'successful_runs', nullif(read.metadata -> 'successful_runs', '0'),
            'total_tokens_used', nullif(read.metadata -> 'total_tokens_used', '0'),
            'average_execution_time', nullif(read.metadata -> 'average_execution_time', '0'),
            'average_dimension_scores', nullif(read.metadata -> 'average_dimension_scores', '{}'),
            'speedup_factor', nullif(read.metadata -> 'speedup_factor', '1.0'),
            'run_report', jsonb_build_object(
                'status', read.fields -> 'status',
                'created_at', read.fields -> 'created_at',
                'started_at', read.fields -> 'started_at',
                'completed_at', read.fields -> 'completed_at'
            )
        )
    )::text END AS suite
FROM read
CROSS JOIN plan
CROSS JOIN further
LEFT JOIN public.config_versions AS version
    ON version.version_id::text = read.fields ->> 'config_version_id'
LEFT JOIN public.configurations AS configuration ON configuration.config_id = version.config_id";

/// The outcomes of simulation `$1`, in the order in which they were recorded, as documents of the guide's
/// form. A document is made of what that system never changes, the outcome and its scenario's name, so that
/// it is the same each time.
const OUTCOMES: &str = r#"
WITH outcome AS (
    SELECT
        to_jsonb(outcome) - 'trajectory_embedding' AS fields, scenario.name,
        outcome.execution_time, outcome.outcome_id
    FROM public.outcomes AS outcome
    LEFT JOIN public.scenarios AS scenario ON scenario.scenario_id = outcome.scenario_id
    WHERE outcome.simulation_id = $1
), read AS (
    SELECT
        fields, name, execution_time, outcome_id,
        CASE jsonb_typeof(fields -> 'trajectory') WHEN 'object' THEN fields -> 'trajectory'
            ELSE jsonb_build_object('trajectory', fields -> 'trajectory') END AS trajectory,
        CASE jsonb_typeof(fields -> 'metrics') WHEN 'object' THEN fields -> 'metrics'
            ELSE '{}' END AS metrics
    FROM outcome
)
SELECT (
    jsonb_build_object(
        'scenario', jsonb_strip_nulls(jsonb_build_object('id', fields -> 'scenario_id', 'name', name)),
        'trajectory', (trajectory - '{detailed_trajectory,reliability_dimensions}'::text[])
            || jsonb_build_object(
                'status', fields -> 'status',
                'start_time', coalesce(trajectory -> 'start_time', fields -> 'execution_time'),
                'execution_time_seconds', trim_scale((fields ->> 'execution_time_ms')::numeric / 1000),
                'token_usage', CASE jsonb_typeof(trajectory -> 'token_usage') WHEN 'object'
                    THEN trajectory -> 'token_usage' ELSE '{}' END
                    || jsonb_strip_nulls(jsonb_build_object(
                        'prompt_tokens', metrics -> 'prompt_tokens',
                        'completion_tokens', metrics -> 'completion_tokens',
                        'total_tokens', fields -> 'tokens_used',
                        'total_cost', fields -> 'cost_usd'
                    ))
            )
            || jsonb_strip_nulls(jsonb_build_object('error', fields -> 'error_code')),
        'reliability_score', jsonb_strip_nulls(jsonb_build_object(
            'overall_score', fields -> 'reliability_score',
            'grade', nullif(metrics -> 'reliability_grade', '"N/A"'),
            'dimension_scores', nullif(trajectory -> 'reliability_dimensions', '{}')
        )),
        'recording', jsonb_strip_nulls(jsonb_build_object(
            'modal_call_id', fields -> 'modal_call_id',
            'sandbox_id', fields -> 'sandbox_id'
        )),
        'earlier_system', jsonb_build_object('metrics', metrics) || jsonb_strip_nulls(jsonb_build_object(
            'outcome_id', fields -> 'outcome_id',
            'execution_time', fields -> 'execution_time',
            'created_at', fields -> 'created_at',
            'error_category', fields -> 'error_category',
            'retry_count', fields -> 'retry_count',
            'sandbox_logs', fields -> 'sandbox_logs'
        ))
    ) || CASE WHEN trajectory ? 'detailed_trajectory'
        THEN jsonb_build_object('detailed_trajectory', trajectory -> 'detailed_trajectory') ELSE '{}' END
)::text
FROM read
ORDER BY execution_time, outcome_id"#;
