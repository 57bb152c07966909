//! A simulation's figures, computed from its outcomes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::annotations::{ReviewFigures, review_statement};
use super::origin::Origin;
use super::outcome_sql::{
    ATTEMPT_ORDER, IS_NOT_REPLACED, IS_SUPERSEDED, failure_class, headline, invalidation,
    join_scale, of_simulation, raw_score, replaced, reviews, scale_with_headline, scaled_score,
    scores,
};
use super::statement::Statement;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::extraction::OutcomeStatus;

/// The figures of a simulation's recorded outcomes.
///
/// Of the revisions of a result, only the one that counts is in any figure. Score and progress use the
/// latest attempt at each scenario and trial, and leave out invalidated results; the counts by status and
/// category use every attempt. Superseded results are in no figure but cost and tokens, which are those
/// of everything that ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The planned trials of all scenarios, plus those that were recorded without being planned.
    pub total_scenarios: i64,
    /// How many of them have an outcome that counts.
    pub completed_scenarios: i64,
    /// How many of them have a success as their latest outcome.
    pub successful_outcomes: i64,
    /// How many of them have a latest outcome that is not a success.
    pub failed_outcomes: i64,
    /// How many of them have an invalidated result as their latest outcome.
    pub invalidated_outcomes: i64,
    /// How many of them have a failure of infrastructure as their latest outcome. It is no evidence about the
    /// agent, so that its score is not in the simulation's.
    pub infrastructure_outcomes: i64,
    /// How many of these have a score.
    pub infrastructure_scored: i64,
    /// Results that the tool's final list lacks, and that do not count.
    pub superseded_outcomes: i64,
    /// The first of them, at most 100, in order of scenario, place and key.
    pub superseded_results: Vec<SupersededResult>,
    /// Recorded outcomes, of every attempt.
    pub recorded_outcomes: i64,
    /// Rejected results.
    pub rejected_results: i64,
    /// The metric that is the simulation's score; `None` if no result names one.
    pub headline: Option<String>,
    /// The mean over the scenarios of the mean of each scenario's latest scores: from 0 to 1 if the scale
    /// of all of them is known, otherwise as the tool wrote them.
    pub overall_score: Option<f64>,
    /// The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    pub score_scale: Option<f64>,
    /// The lowest one; also `None` if the results have different ranges, so that a figure of the tool
    /// is on no scale.
    pub score_lowest: Option<f64>,
    /// How many of the latest outcomes have a score.
    pub scored_outcomes: i64,
    /// The agent's cost of everything that ran, in US dollars, as the tool reports it.
    pub total_cost_usd: f64,
    /// The agent's tokens of everything that ran.
    pub total_tokens: i64,
    /// The same with the calls that score results or simulate a user.
    pub all_roles_cost_usd: f64,
    /// The same with the calls that score results or simulate a user.
    pub all_roles_tokens: i64,
    /// The cost of all roles of the latest outcomes, in US dollars.
    pub latest_cost_usd: f64,
    /// The tokens of all roles of the latest outcomes.
    pub latest_tokens: i64,
    /// The agent's cost by the price table, in US dollars, of the results whose models and prices are
    /// known; `None` if it is unknown for all of them.
    pub computed_cost_usd: Option<f64>,
    /// How many results that used tokens have no computed cost.
    pub unpriced_outcomes: i64,
    /// The dates of the price tables by which it was computed.
    pub prices_dated: Vec<String>,
    /// Tokens and cost of everything that ran, by role, model and try, the most tokens first; at most
    /// 200.
    pub usage: Vec<UsageFigures>,
    /// Who ran what, as the results name it.
    pub origin: Origin,
    /// The suite's duration in milliseconds, if the suite has reported it.
    pub execution_time_ms: Option<f64>,
    /// How many outcomes have each status.
    pub by_status: BTreeMap<OutcomeStatus, i64>,
    /// How many outcomes have each error category.
    pub by_error_category: BTreeMap<String, i64>,
    /// How many outcomes are failures of each class.
    pub by_failure_class: BTreeMap<String, i64>,
    /// How many results have annotations.
    pub review: ReviewFigures,
    /// The figures of each metric, as the tool wrote its values: the simulation's score first, then in
    /// order of the names; at most 1,000. Empty if they were not requested.
    pub metrics: Vec<MetricFigures>,
}

/// The tokens and the cost of all calls of one role to one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageFigures {
    /// The role of the calls, such as `scorer` or `user_simulator`; `None`: the agent.
    pub role: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Whether they belong to tries that the tool discarded.
    pub discarded: bool,
    /// Tokens of prompts that were neither read from a cache nor written to one.
    pub uncached_input_tokens: i64,
    /// Tokens of prompts that were read from a cache.
    pub cache_read_tokens: i64,
    /// Tokens of prompts that were written to a cache.
    pub cache_write_tokens: i64,
    /// Tokens of completions without reasoning.
    pub output_tokens: i64,
    /// Tokens of reasoning.
    pub reasoning_tokens: i64,
    /// All tokens; more than the sum of the five kinds if a tool reports only a total.
    pub total_tokens: i64,
    /// The cost in US dollars as the tool reports it; `None` if it reports none.
    pub cost_usd: Option<f64>,
    /// The cost in US dollars by the price table; `None` if a model or a price is unknown.
    pub computed_cost_usd: Option<f64>,
}

impl UsageFigures {
    /// Whether the calls are the agent's: of any role but those that score or simulate a user.
    pub fn is_agent(&self) -> bool {
        is_agent(self.role.as_deref())
    }
}

/// Whether calls of a role are the agent's: of any role but those that score or simulate a user.
pub(crate) fn is_agent(role: Option<&str>) -> bool {
    !matches!(role, Some("scorer" | "user_simulator"))
}

/// A result that the tool's final list lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupersededResult {
    /// The scenario's id.
    pub scenario_id: String,
    /// The result's place in the run.
    pub place: Option<String>,
    /// The tool's own id of the execution.
    pub result_key: String,
}

impl Figures {
    /// Returns the range of the scores, if it is known and the same for all of them.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.score_lowest.zip(self.score_scale)
    }

    /// Returns the mean of the scores as the tool wrote them.
    pub fn written_score(&self) -> Option<f64> {
        let mean = self.overall_score?;
        Some(match (self.score_lowest, self.score_scale) {
            (_, None) => mean,
            (lowest, Some(highest)) => {
                let lowest = lowest.unwrap_or(0.0);
                lowest + mean * (highest - lowest)
            }
        })
    }
}

/// The figures of one metric, over the latest attempt at each scenario and trial, with failures of
/// infrastructure, as a tool computes them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricFigures {
    /// The name.
    pub name: String,
    /// How many results have a value.
    pub scored: i64,
    /// How many results count, but have no value under this metric.
    pub unscored: i64,
    /// The sum of the values.
    pub sum: Option<f64>,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// The mean over the scenarios of the mean over each scenario's trials that have a value.
    pub scenario_mean: Option<f64>,
    /// The mean with 0 for each result without a value.
    pub mean_with_zero: Option<f64>,
    /// The mean over the scenarios, with 0 for each result without a value.
    pub scenario_mean_with_zero: Option<f64>,
    /// The lowest value.
    pub lowest: Option<f64>,
    /// The highest value.
    pub highest: Option<f64>,
}

/// The rows that count: common table expressions up to `ranked`, in one pass over narrow columns of one
/// simulation's rows, which reads no document. `joins` are those that the columns need, with the
/// reviews. Attempts at a
/// scenario are grouped by a hash of its id first, because numbers are sorted far faster than texts with a
/// common prefix.
pub(super) fn ranked(columns: &str, joins: &str) -> String {
    format!(
        r#"{replaced}, ranked AS (
            SELECT outcome.scenario_id, outcome.trial, ({invalidation}) IS NOT NULL AS invalidated,
                coalesce(({failure_class}) = 'infrastructure', false) AS infrastructure,
                {IS_SUPERSEDED} AS superseded,
                {columns},
                NOT {IS_SUPERSEDED} AND pg_catalog.lead(1) OVER (
                    PARTITION BY pg_catalog.hashtextextended(outcome.scenario_id, 0),
                        outcome.scenario_id COLLATE "C", outcome.trial, outcome.place COLLATE "C"
                    ORDER BY {IS_SUPERSEDED} DESC, {ATTEMPT_ORDER}
                ) IS NULL AS latest
            FROM arc_recorder.outcomes AS outcome
            {joins}
            WHERE {of_simulation} AND {IS_NOT_REPLACED}
        )"#,
        of_simulation = of_simulation("outcome"),
        invalidation = invalidation("outcome"),
        failure_class = failure_class("outcome"),
        replaced = replaced()
    )
}

/// Sums are exact, because a sum of floats depends on their order, and 0.1 + 0.2 dollars are 0.3: whole
/// numbers of 10⁻¹⁵ of a score and 10⁻¹² dollars, or decimals if a value is beyond those. A sum that
/// exceeds its type is limited to the type's maximum, so that absurd results do not hide all other
/// figures. The score is the mean over the scenarios of the mean over each scenario's trials; if no
/// scenario has several, it needs no second pass. A scenario whose trials have no numbers has as many
/// trials as were found, or as are planned if these are more.
///
/// The plan is joined in full, so that it is hashed or merged: the planner expects one row of a simulation
/// that is newer than its statistics, and a loop over 20,000 rows and 20,000 scenarios took 26 s. The
/// condition that leaves out rows without an outcome is one that the planner does not see through.
static FIGURES: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"WITH {scale}, {ranked}, grouped AS MATERIALIZED (
        SELECT ranked.status, ranked.error_category, ranked.failure_class, ranked.headline,
            pg_catalog.count(*) FILTER (WHERE NOT superseded) AS recorded,
            pg_catalog.count(*) FILTER (WHERE superseded) AS superseded,
            pg_catalog.sum(tokens_used) AS tokens,
            {cost_usd} AS cost_usd,
            pg_catalog.count(*) FILTER (WHERE unpriced) AS unpriced,
            pg_catalog.sum(all_roles_tokens) AS all_roles_tokens,
            {all_roles_cost_usd} AS all_roles_cost_usd,
            pg_catalog.sum(all_roles_tokens) FILTER (WHERE latest) AS latest_tokens,
            {latest_cost_usd} AS latest_cost_usd,
            pg_catalog.count(*) FILTER (WHERE latest AND NOT invalidated) AS latest,
            pg_catalog.count(*) FILTER (WHERE latest AND invalidated) AS invalidated,
            pg_catalog.count(*) FILTER (WHERE latest AND NOT invalidated AND infrastructure)
                AS infrastructure,
            pg_catalog.count(raw) FILTER (WHERE latest AND NOT invalidated AND infrastructure)
                AS infrastructure_scored,
            pg_catalog.count(*) FILTER (WHERE latest
                AND (plan.scenario_id IS NULL
                    OR ranked.trial > coalesce(plan.trials, simulation.trials))
                AND ranked.trial IS NOT NULL) AS unplanned,
            pg_catalog.count(*) FILTER (WHERE ranked.scored) AS scored,
            pg_catalog.count(scaled) FILTER (WHERE ranked.scored) AS scaled,
            pg_catalog.sum((scaled * 1e15::float8)::bigint) FILTER (WHERE ranked.scored) AS score,
            pg_catalog.sum(raw::numeric) FILTER (WHERE ranked.scored) AS raw,
            pg_catalog.min(range_lowest) FILTER (WHERE ranked.scored) AS lowest,
            pg_catalog.max(range_lowest) FILTER (WHERE ranked.scored) AS greatest_lowest,
            pg_catalog.min(range_highest) FILTER (WHERE ranked.scored) AS least_highest,
            pg_catalog.max(range_highest) FILTER (WHERE ranked.scored) AS highest,
            pg_catalog.bool_and(ranked.trial IS NOT DISTINCT FROM 1) FILTER (WHERE latest AND NOT invalidated) AS single
        FROM (
            SELECT *, latest AND NOT invalidated AND NOT infrastructure AND raw IS NOT NULL AS scored
            FROM ranked
        ) AS ranked
        JOIN arc_recorder.simulations AS simulation ON simulation.simulation_id = $1
        FULL JOIN (
            SELECT scenario_id, trials FROM arc_recorder.planned_scenarios WHERE simulation_id = $1
        ) AS plan ON plan.scenario_id = ranked.scenario_id
        WHERE coalesce(ranked.status, '') <> ''
        GROUP BY ranked.status, ranked.error_category, ranked.failure_class, ranked.headline
    ), unnumbered AS (
        SELECT pg_catalog.sum(greatest(0::bigint, places - planned))::bigint AS unplanned
        FROM (
            SELECT pg_catalog.count(*) AS places, coalesce((
                SELECT coalesce(plan.trials, simulation.trials)
                FROM arc_recorder.planned_scenarios AS plan
                JOIN arc_recorder.simulations AS simulation USING (simulation_id)
                WHERE plan.simulation_id = $1 AND plan.scenario_id = ranked.scenario_id
            ), 0) AS planned
            FROM ranked
            WHERE latest AND trial IS NULL
            GROUP BY ranked.scenario_id
        ) AS scenarios
    ), chosen AS MATERIALIZED (
        SELECT headline FROM grouped WHERE headline IS NOT NULL
        GROUP BY headline ORDER BY pg_catalog.sum(scored) DESC, headline COLLATE "C" LIMIT 1
    ), scores AS (
        SELECT pg_catalog.sum(scored) AS scored, pg_catalog.sum(scaled) AS scaled,
            pg_catalog.sum(score) AS score, pg_catalog.sum(raw) AS raw,
            pg_catalog.max(highest) AS highest, pg_catalog.bool_and(single) AS single,
            CASE WHEN pg_catalog.min(lowest) = pg_catalog.max(greatest_lowest)
                    AND pg_catalog.min(least_highest) = pg_catalog.max(highest)
                THEN pg_catalog.min(lowest) END AS lowest
        FROM grouped JOIN chosen USING (headline)
    ), means AS (
        SELECT pg_catalog.avg(score / nullif(scaled, 0)::numeric) AS scaled,
            pg_catalog.avg(raw / scored::numeric) AS raw
        FROM (
            SELECT pg_catalog.count(raw) AS scored, pg_catalog.count(scaled) AS scaled,
                pg_catalog.sum((scaled * 1e15::float8)::bigint) AS score,
                pg_catalog.sum(raw::numeric) AS raw
            FROM ranked
            WHERE latest AND NOT invalidated AND NOT infrastructure
                AND headline = (SELECT headline FROM chosen)
            GROUP BY scenario_id
        ) AS scenarios
        WHERE scored > 0
    )
    SELECT
        (SELECT (
                SELECT coalesce(pg_catalog.sum(coalesce(plan.trials, simulation.trials)), 0)
                FROM arc_recorder.planned_scenarios AS plan WHERE plan.simulation_id = $1)
            FROM arc_recorder.simulations AS simulation WHERE simulation.simulation_id = $1)
            AS planned,
        coalesce(pg_catalog.sum(unplanned), 0)::bigint
            + coalesce((SELECT unplanned FROM unnumbered), 0) AS unplanned,
        coalesce(pg_catalog.sum(latest), 0)::bigint AS completed,
        coalesce(pg_catalog.sum(invalidated), 0)::bigint AS invalidated,
        coalesce(pg_catalog.sum(infrastructure), 0)::bigint AS infrastructure,
        coalesce(pg_catalog.sum(infrastructure_scored), 0)::bigint AS infrastructure_scored,
        coalesce(pg_catalog.sum(latest) FILTER (WHERE status = 'success'), 0)::bigint AS successful,
        (SELECT headline FROM chosen) AS headline,
        pg_catalog.count(DISTINCT grouped.headline) FILTER (WHERE recorded > 0) > 1 AS several_headlines,
        (SELECT coalesce(scored, 0)::bigint FROM scores) AS scored,
        (SELECT CASE
                WHEN scaled = scored AND single
                    THEN (score * 0.000000000000001 / nullif(scored, 0::numeric))::float8
                WHEN scaled = scored
                    THEN (SELECT (means.scaled * 0.000000000000001)::float8 FROM means)
                WHEN single THEN {raw}
                ELSE (SELECT {mean_raw} FROM means) END
            FROM scores) AS overall_score,
        (SELECT CASE WHEN scaled = scored AND scored > 0::numeric THEN highest END
            FROM scores) AS score_scale,
        (SELECT CASE WHEN scaled = scored AND scored > 0::numeric THEN lowest END
            FROM scores) AS score_lowest,
        coalesce(pg_catalog.sum(unpriced), 0)::bigint AS unpriced,
        coalesce(pg_catalog.sum(recorded), 0)::bigint AS recorded,
        coalesce(pg_catalog.sum(superseded), 0)::bigint AS superseded,
        (SELECT coalesce(pg_catalog.json_agg(listed), '[]') FROM (
            SELECT outcome.scenario_id, outcome.place, selected.result_key
            FROM selected
            CROSS JOIN LATERAL (
                SELECT one.scenario_id, one.place FROM arc_recorder.outcomes AS one
                WHERE {of_one} AND one.result_key COLLATE "C" = selected.result_key
                LIMIT 1
            ) AS outcome
            WHERE selected.superseded
            ORDER BY outcome.scenario_id COLLATE "C", outcome.place COLLATE "C",
                selected.result_key COLLATE "C"
            LIMIT 100) AS listed) AS superseded_results,
        least(coalesce(pg_catalog.sum(cost_usd), 0), 1.7976931348623157e308)::float8
            AS total_cost_usd,
        least(coalesce(pg_catalog.sum(tokens), 0), 9223372036854775807)::bigint AS total_tokens,
        least(coalesce(pg_catalog.sum(all_roles_cost_usd), 0), 1.7976931348623157e308)::float8
            AS all_roles_cost_usd,
        least(coalesce(pg_catalog.sum(all_roles_tokens), 0), 9223372036854775807)::bigint
            AS all_roles_tokens,
        least(coalesce(pg_catalog.sum(latest_cost_usd), 0), 1.7976931348623157e308)::float8
            AS latest_cost_usd,
        least(coalesce(pg_catalog.sum(latest_tokens), 0), 9223372036854775807)::bigint
            AS latest_tokens,
        (SELECT pg_catalog.count(*) FROM arc_recorder.rejected_results WHERE simulation_id = $1)
            AS rejected,
        (SELECT coalesce(pg_catalog.json_object_agg(status, total), '{{}}') FROM
            (SELECT status, pg_catalog.sum(recorded)::bigint AS total FROM grouped
                GROUP BY status HAVING pg_catalog.sum(recorded) > 0::numeric) AS statuses) AS by_status,
        (SELECT coalesce(pg_catalog.json_object_agg(error_category, total), '{{}}') FROM
            (SELECT error_category, pg_catalog.sum(recorded)::bigint AS total FROM grouped
                WHERE error_category IS NOT NULL
                GROUP BY error_category HAVING pg_catalog.sum(recorded) > 0::numeric) AS categories)
            AS by_error_category,
        (SELECT coalesce(pg_catalog.json_object_agg(failure_class, total), '{{}}') FROM
            (SELECT failure_class, pg_catalog.sum(recorded)::bigint AS total FROM grouped
                WHERE failure_class IS NOT NULL
                GROUP BY failure_class HAVING pg_catalog.sum(recorded) > 0::numeric) AS classes)
            AS by_failure_class
    FROM grouped"#,
        of_one = of_simulation("one"),
        cost_usd = dollars("cost_usd", "true"),
        all_roles_cost_usd = dollars("all_roles_cost_usd", "true"),
        latest_cost_usd = dollars("all_roles_cost_usd", "latest"),
        raw = within_double("raw / nullif(scored, 0::numeric)"),
        mean_raw = within_double("means.raw"),
        scale = scale_with_headline(),
        ranked = ranked(
            &format!(
                "outcome.status, outcome.error_category, {} AS failure_class, {} AS headline, {} AS raw, {} AS scaled,
             score_range.lowest AS range_lowest, score_range.highest AS range_highest,
             outcome.cost_usd, outcome.tokens_used, outcome.all_roles_cost_usd,
             outcome.all_roles_tokens,
             outcome.tokens_used > 0 AND outcome.computed_cost_usd IS NULL AS unpriced",
                failure_class("outcome"),
                headline("outcome"),
                raw_score("outcome"),
                scaled_score("outcome")
            ),
            &join_scale("outcome")
        )
    )
});

/// Returns the exact sum of a column of dollars, in the rows that satisfy a condition.
pub(super) fn dollars(column: &str, condition: &str) -> String {
    format!(
        "coalesce(pg_catalog.sum(({column} * 1e12::float8)::bigint)
                FILTER (WHERE {column} < 9e6::float8 AND {condition}), 0) * 0.000000000001
            + coalesce(pg_catalog.sum({column}::numeric)
                FILTER (WHERE {column} >= 9e6::float8 AND {condition}), 0)"
    )
}

/// The most combinations of role, model and try that are returned, and the most origins that are read.
const MOST_USAGES: usize = 200;

/// Tokens and cost by role and model, and who ran the results, of the rows that have more than totals.
/// Sums of numbers of jsonb are exact. The rows of most simulations have neither, or all the same.
static USAGE: LazyLock<String> = LazyLock::new(|| {
    let tokens = |kind: &str| {
        format!(
            "least(coalesce(pg_catalog.sum(one.{kind}_tokens), 0), 9223372036854775807)::bigint
                AS {kind}_tokens"
        )
    };
    let kinds = ["uncached_input", "cache_read", "cache_write", "output", "reasoning", "total"];
    format!(
        r#"WITH {replaced}, named AS MATERIALIZED (
        SELECT outcome.usage, outcome.origin, outcome.computed_cost_usd, outcome.price_table_id
        FROM arc_recorder.outcomes AS outcome
        WHERE {of_simulation} AND {IS_NOT_REPLACED}
            AND (outcome.usage IS NOT NULL OR outcome.origin IS NOT NULL)
    ), usages AS (
        SELECT one.role, one.model, coalesce(one.discarded, false) AS discarded, {tokens},
            {cost} AS cost_usd, {computed} AS computed_cost_usd
        FROM named
        CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(named.usage) AS one (
            role text, model text, discarded boolean, uncached_input_tokens numeric,
            cache_read_tokens numeric, cache_write_tokens numeric, output_tokens numeric,
            reasoning_tokens numeric, total_tokens numeric, cost_usd numeric,
            computed_cost_usd numeric)
        GROUP BY one.role, one.model, coalesce(one.discarded, false)
        ORDER BY pg_catalog.sum(one.total_tokens) DESC, one.role COLLATE "C" NULLS FIRST,
            one.model COLLATE "C"
        LIMIT {MOST_USAGES}
    )
    SELECT
        (SELECT coalesce(pg_catalog.json_agg(usages), '[]') FROM usages) AS usage,
        (SELECT coalesce(pg_catalog.json_agg(origin), '[]') FROM (
            SELECT origin FROM named WHERE origin IS NOT NULL
            GROUP BY origin ORDER BY origin LIMIT {MOST_USAGES}) AS origins) AS origins,
        CASE WHEN pg_catalog.count(computed_cost_usd) > 0
            THEN least({computed_cost}, 1.7976931348623157e308)::float8 END AS computed_cost_usd,
        (SELECT coalesce(pg_catalog.json_agg(dated ORDER BY dated), '[]') FROM (
            SELECT DISTINCT tables.dated::text AS dated
            FROM named JOIN arc_recorder.price_tables AS tables USING (price_table_id)) AS dates)
            AS prices_dated
    FROM named"#,
        of_simulation = of_simulation("outcome"),
        replaced = replaced(),
        tokens = kinds.map(tokens).join(", "),
        cost = within_double("pg_catalog.sum(one.cost_usd)"),
        computed = within_double("pg_catalog.sum(one.computed_cost_usd)"),
        computed_cost = dollars("computed_cost_usd", "true"),
    )
});

/// The most metrics that are returned: a result can have 100,000 scores.
const MOST_METRICS: usize = 1_000;

/// A number of jsonb is a decimal, so these sums are exact. If no scenario has several trials, there are
/// no means to be taken over trials, and one sum for each metric is enough. The full join is hashed or
/// merged: an inner one could become a nested loop, because the planner expects few rows.
static METRICS: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"WITH {reviews}, {ranked}, counted AS MATERIALIZED (
        SELECT scenario_id, scores FROM ranked WHERE latest AND NOT invalidated
    ), trials AS MATERIALIZED (
        SELECT scenario_id, pg_catalog.count(*) AS trials FROM counted GROUP BY scenario_id
    ), counts AS MATERIALIZED (
        SELECT pg_catalog.sum(trials)::bigint AS results, pg_catalog.count(*) AS scenarios,
            pg_catalog.max(trials) = 1 AS single
        FROM trials
    ), found AS (
        SELECT one.name, counted.scenario_id, pg_catalog.count(one.value) AS scored,
            coalesce(pg_catalog.sum(one.value), 0) AS total,
            pg_catalog.min(one.value) AS lowest, pg_catalog.max(one.value) AS highest
        FROM counted
        CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(counted.scores)
            AS one (name text, value numeric)
        WHERE NOT (SELECT single FROM counts)
        GROUP BY one.name, counted.scenario_id
    ), summed AS (
        SELECT one.name, pg_catalog.count(one.value) AS scored,
            coalesce(pg_catalog.sum(one.value), 0) AS total,
            pg_catalog.sum(one.value) / nullif(pg_catalog.count(one.value), 0)::numeric
                AS scenario_mean,
            coalesce(pg_catalog.sum(one.value), 0) AS scenario_total,
            pg_catalog.min(one.value) AS lowest, pg_catalog.max(one.value) AS highest
        FROM counted
        CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(counted.scores)
            AS one (name text, value numeric)
        WHERE (SELECT single FROM counts)
        GROUP BY one.name
        UNION ALL
        SELECT found.name, pg_catalog.sum(found.scored)::bigint AS scored,
            pg_catalog.sum(total) AS total,
            pg_catalog.avg(total / nullif(found.scored, 0)::numeric) AS scenario_mean,
            pg_catalog.sum(total / trials.trials::numeric) AS scenario_total,
            pg_catalog.min(lowest) AS lowest, pg_catalog.max(highest) AS highest
        FROM found FULL JOIN trials USING (scenario_id)
        GROUP BY found.name
        HAVING pg_catalog.count(found.name) > 0
    )
    SELECT name, scored, results - scored AS unscored,
        CASE WHEN scored > 0 THEN {total} END AS sum,
        CASE WHEN scored > 0 THEN {mean} END AS mean,
        {scenario_mean} AS scenario_mean,
        {mean_with_zero} AS mean_with_zero,
        {scenario_mean_with_zero} AS scenario_mean_with_zero,
        {lowest} AS lowest, {highest} AS highest
    FROM summed CROSS JOIN counts
    ORDER BY name COLLATE "C" LIMIT $2"#,
        reviews = reviews(),
        ranked = ranked(&format!("{} AS scores", scores("outcome")), "CROSS JOIN reviews"),
        total = within_double("total"),
        mean = within_double("total / nullif(scored, 0)::numeric"),
        scenario_mean = within_double("scenario_mean"),
        mean_with_zero = within_double("total / results::numeric"),
        scenario_mean_with_zero = within_double("scenario_total / scenarios::numeric"),
        lowest = within_double("lowest"),
        highest = within_double("highest"),
    )
});

/// Returns the nearest double of a decimal that can be beyond all of them.
fn within_double(decimal: &str) -> String {
    // The two functions ignore nulls.
    format!(
        "CASE WHEN ({decimal}) IS NOT NULL THEN least(greatest({decimal}, -1.7976931348623157e308),
            1.7976931348623157e308)::float8 END"
    )
}

/// Which figures are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureScope {
    /// All but those of each metric, which take about as long as all others.
    WithoutMetrics,
    /// All.
    WithMetrics,
}

/// Returns the query that computes a simulation's figures, but for those of each metric.
fn statement(simulation_id: Uuid, headline: Option<&str>) -> Statement {
    Statement::new(FIGURES.as_str()).with(simulation_id).with(headline.map(str::to_owned))
}

/// Returns the query that computes the figures of each metric.
fn metrics_statement(simulation_id: Uuid) -> Statement {
    let most = i64::try_from(MOST_METRICS).unwrap_or(i64::MAX);
    Statement::new(METRICS.as_str()).with(simulation_id).with(most)
}

impl Store {
    /// Computes a simulation's figures.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn figures(&self, simulation_id: Uuid, scope: FigureScope) -> Result<Figures> {
        let compute = "compute the simulation's figures";
        let time = self.row_time(simulation_id).await?;
        let own = statement(simulation_id, None).at(time);
        let metrics = metrics_statement(simulation_id).at(time);
        let usage = Statement::new(USAGE.as_str()).with(simulation_id).at(time);
        // At once, on several connections if there are: each reads all rows of the simulation.
        let usage = self.rows(&usage, "add up the tokens");
        let review = review_statement(simulation_id).at(time);
        let review = self.rows(&review, "count the annotations");
        let (mut rows, usage, review, metrics) =
            tokio::try_join!(self.rows(&own, compute), usage, review, async {
                match scope {
                    FigureScope::WithMetrics => {
                        self.rows(&metrics, "compute the figures of the metrics").await
                    }
                    FigureScope::WithoutMetrics => Ok(Vec::new()),
                }
            })?;
        // The results name different metrics as their own scores: all that have the chosen one count.
        if let Some(row) = rows.first()
            && row.get::<_, bool>("several_headlines")
        {
            let headline: Option<String> = row.get("headline");
            let own = statement(simulation_id, headline.as_deref()).at(time);
            rows = self.rows(&own, compute).await?;
        }
        let computed = rows.first().and_then(Figures::from_computed);
        let mut figures = computed.ok_or_else(|| super::simulations::not_found(simulation_id))?;
        if let Some(row) = usage.first() {
            figures.add_usage(row);
        }
        figures.review = review.first().map(ReviewFigures::from_row).unwrap_or_default();
        figures.metrics = metrics.iter().map(MetricFigures::from_row).collect();
        let headline = figures.headline.clone();
        figures.metrics.sort_by_key(|metric| Some(&metric.name) != headline.as_ref());
        Ok(figures)
    }
}

impl MetricFigures {
    fn from_row(row: &Row) -> Self {
        MetricFigures {
            name: row.get("name"),
            scored: row.get("scored"),
            unscored: row.get("unscored"),
            sum: row.get("sum"),
            mean: row.get("mean"),
            scenario_mean: row.get("scenario_mean"),
            mean_with_zero: row.get("mean_with_zero"),
            scenario_mean_with_zero: row.get("scenario_mean_with_zero"),
            lowest: row.get("lowest"),
            highest: row.get("highest"),
        }
    }
}

impl Figures {
    /// Returns the figures; `None` if the simulation, and so its plan, does not exist.
    fn from_computed(row: &Row) -> Option<Self> {
        let planned: i64 = row.get::<_, Option<i64>>("planned")?;
        let unplanned: i64 = row.get("unplanned");
        let completed: i64 = row.get("completed");
        let successful: i64 = row.get("successful");
        Some(Figures {
            total_scenarios: planned + unplanned,
            completed_scenarios: completed,
            successful_outcomes: successful,
            failed_outcomes: completed - successful,
            invalidated_outcomes: row.get("invalidated"),
            infrastructure_outcomes: row.get("infrastructure"),
            infrastructure_scored: row.get("infrastructure_scored"),
            superseded_outcomes: row.get("superseded"),
            superseded_results: serde_json::from_value(row.get("superseded_results"))
                .unwrap_or_default(),
            recorded_outcomes: row.get("recorded"),
            rejected_results: row.get("rejected"),
            headline: row.get("headline"),
            overall_score: row.get("overall_score"),
            score_scale: row.get("score_scale"),
            score_lowest: row.get("score_lowest"),
            scored_outcomes: row.get("scored"),
            total_cost_usd: row.get("total_cost_usd"),
            total_tokens: row.get("total_tokens"),
            unpriced_outcomes: row.get("unpriced"),
            all_roles_cost_usd: row.get("all_roles_cost_usd"),
            all_roles_tokens: row.get("all_roles_tokens"),
            latest_cost_usd: row.get("latest_cost_usd"),
            latest_tokens: row.get("latest_tokens"),
            by_status: counts(&row.get("by_status"), OutcomeStatus::from_database),
            by_error_category: counts(&row.get("by_error_category"), str::to_owned),
            by_failure_class: counts(&row.get("by_failure_class"), str::to_owned),
            ..Figures::default()
        })
    }

    /// Adds the row of the query of usage.
    fn add_usage(&mut self, row: &Row) {
        self.usage = serde_json::from_value(row.get("usage")).unwrap_or_default();
        let origins: Vec<Origin> = serde_json::from_value(row.get("origins")).unwrap_or_default();
        self.origin = Origin::of_all(&origins);
        self.computed_cost_usd = row.get("computed_cost_usd");
        self.prices_dated = serde_json::from_value(row.get("prices_dated")).unwrap_or_default();
    }

    /// Returns the frozen figures: whole numbers from the JSON, the others as the database reads them,
    /// which is exact. `None` if a figure is missing, as in a row of another version.
    pub(super) fn from_frozen(
        frozen: &Value,
        overall_score: Option<f64>,
        total_cost_usd: f64,
        latest_cost_usd: f64,
    ) -> Option<Self> {
        let count = |name: &str| frozen.get(name)?.as_i64();
        Some(Figures {
            total_scenarios: count("total_scenarios")?,
            completed_scenarios: count("completed_scenarios")?,
            successful_outcomes: count("successful_outcomes")?,
            failed_outcomes: count("failed_outcomes")?,
            invalidated_outcomes: count("invalidated_outcomes")?,
            infrastructure_outcomes: count("infrastructure_outcomes")?,
            infrastructure_scored: count("infrastructure_scored")?,
            superseded_outcomes: count("superseded_outcomes")?,
            superseded_results: serde_json::from_value(frozen.get("superseded_results")?.clone())
                .ok()?,
            recorded_outcomes: count("recorded_outcomes")?,
            rejected_results: count("rejected_results")?,
            headline: frozen.get("headline")?.as_str().map(str::to_owned),
            overall_score,
            score_scale: frozen.get("score_scale")?.as_f64(),
            score_lowest: frozen.get("score_lowest")?.as_f64(),
            scored_outcomes: count("scored_outcomes")?,
            total_cost_usd,
            total_tokens: count("total_tokens")?,
            all_roles_cost_usd: frozen.get("all_roles_cost_usd")?.as_f64()?,
            all_roles_tokens: count("all_roles_tokens")?,
            latest_cost_usd,
            latest_tokens: count("latest_tokens")?,
            computed_cost_usd: frozen.get("computed_cost_usd")?.as_f64(),
            unpriced_outcomes: count("unpriced_outcomes")?,
            prices_dated: serde_json::from_value(frozen.get("prices_dated")?.clone()).ok()?,
            usage: serde_json::from_value(frozen.get("usage")?.clone()).ok()?,
            origin: serde_json::from_value(frozen.get("origin")?.clone()).ok()?,
            execution_time_ms: None,
            by_status: counts(frozen.get("by_status")?, OutcomeStatus::from_database),
            by_error_category: counts(frozen.get("by_error_category")?, str::to_owned),
            by_failure_class: counts(frozen.get("by_failure_class")?, str::to_owned),
            review: serde_json::from_value(frozen.get("review")?.clone()).ok()?,
            metrics: serde_json::from_value(frozen.get("metrics")?.clone()).ok()?,
        })
    }
}

fn counts<K: Ord>(object: &Value, key: impl Fn(&str) -> K) -> BTreeMap<K, i64> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, count)| (key(name), count.as_i64().unwrap_or(0))).collect()
}
