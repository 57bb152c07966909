//! SQL about outcomes: which revision of a result counts, a score on its scale, and the document.
//!
//! A score is stored as the tool wrote it. It is converted to a number from 0 to 1 only if the result
//! declares its range, or the simulation does, or if all scores of the simulation without a range are
//! from 0 to 1. The last is known from an index that contains only the others.

/// The place of the row `alias` in the order of the revisions of a result, of which the last one counts.
pub(super) fn revision(alias: &str) -> String {
    format!(
        "(coalesce({alias}.revised_at, {alias}.received_at), {alias}.received_at, {alias}.outcome_id)"
    )
}

/// A common table expression: the revisions of results of simulation `$1` that do not count, because
/// there is a later one. It is empty, and read from an empty index, if no result has a key.
pub(super) fn superseded() -> String {
    format!(
        r#"repeated AS MATERIALIZED (
            SELECT revision.result_key COLLATE "C" AS result_key
            FROM arc_recorder.outcomes AS revision
            WHERE revision.simulation_id = $1 AND revision.result_key IS NOT NULL
            GROUP BY 1 HAVING pg_catalog.count(*) > 1
        ), superseded AS MATERIALIZED (
            SELECT earlier.outcome_id
            FROM repeated
            CROSS JOIN LATERAL (
                SELECT revision.outcome_id
                FROM arc_recorder.outcomes AS revision
                WHERE revision.simulation_id = $1
                    AND revision.result_key COLLATE "C" = repeated.result_key
                ORDER BY {revision} DESC
                OFFSET 1
            ) AS earlier
        )"#,
        revision = revision("revision")
    )
}

/// Whether an outcome is the revision of its result that counts. It needs [`superseded`], which is
/// hashed: a join with it could become a nested loop, because the planner expects few rows.
pub(super) const IS_CURRENT: &str =
    "outcome.outcome_id NOT IN (SELECT superseded.outcome_id FROM superseded)";

/// The document of the outcome `alias`, byte for byte.
pub(super) fn document(alias: &str) -> String {
    format!(
        "(SELECT pg_catalog.string_agg(kept.document, ''::text ORDER BY kept.part)
            FROM arc_recorder.documents AS kept
            WHERE kept.simulation_id = {alias}.simulation_id
                AND kept.outcome_id = {alias}.outcome_id
                AND kept.partition_time = {alias}.partition_time)"
    )
}

/// The order of the attempts at a trial, of which the last one counts. Attempts that have a key are
/// in the order in which they ran, so that it does not matter in which order logs are recorded.
pub(super) const ATTEMPT_ORDER: &str =
    "CASE WHEN outcome.result_key IS NULL THEN outcome.received_at ELSE outcome.execution_time END,
    outcome.received_at, outcome.outcome_id";

/// Common table expressions with the ranges of the metrics of simulation `$1`, and its scale. A
/// declared range replaces that of the tool; the range without a name is that of each result's score.
/// `headline` is the SQL of the metric that is the simulation's score; null for that of each result.
fn scale_of(headline: &str) -> String {
    format!(
        r#"ranges AS MATERIALIZED (
        SELECT one.name, one.lowest, one.highest
        FROM arc_recorder.simulations AS simulation
        CROSS JOIN LATERAL (
            SELECT name, coalesce(declared.lowest, reported.lowest, 0::float8) AS lowest,
                coalesce(declared.highest, reported.highest) AS highest
            FROM pg_catalog.jsonb_to_recordset(coalesce(simulation.metrics, '[]'))
                AS declared (name text, lowest float8, highest float8)
            FULL JOIN pg_catalog.jsonb_to_recordset(
                    coalesce(simulation.suite_figures->'run_report'::text->'metrics'::text, '[]'))
                AS reported (name text, lowest float8, highest float8) USING (name)
        ) AS one
        WHERE simulation.simulation_id = $1 AND one.highest > one.lowest
    ), scale AS MATERIALIZED (
        SELECT {headline} AS headline, own.lowest, own.highest,
            EXISTS (
                SELECT FROM arc_recorder.outcomes AS beyond
                WHERE beyond.simulation_id = $1 AND beyond.score_highest IS NULL
                    AND (beyond.score < 0::float8 OR beyond.score > 1::float8)
                    AND beyond.invalidation IS NULL AND {current}
            ) AS beyond
        FROM arc_recorder.simulations AS simulation
        LEFT JOIN ranges AS own ON own.name = ''
        WHERE simulation.simulation_id = $1
    )"#,
        current = is_current("beyond")
    )
}

/// Common table expressions `ranges` and `scale`; the simulation's score is the declared one.
pub(super) fn scale() -> String {
    scale_of("simulation.headline")
}

/// [`scale`]; if none was declared, the simulation's score is the metric `$2`, unless that is null.
pub(super) fn scale_with_headline() -> String {
    scale_of("coalesce(simulation.headline, $2::text)")
}

/// The joins that scores need: the scale of the simulation, and the range of the outcome's metric.
pub(super) const JOIN_SCALE: &str = "CROSS JOIN scale
    LEFT JOIN ranges ON ranges.name = coalesce(scale.headline, outcome.headline)";

/// The metric of an outcome's own score. It needs [`scale`].
pub(super) const HEADLINE: &str = "coalesce(scale.headline, outcome.headline)";

/// The highest value of the range of the row's score. It needs the joins of [`JOIN_SCALE`].
pub(super) const RANGE_HIGHEST: &str = "CASE
    WHEN scale.headline IS NULL OR scale.headline = outcome.headline
        THEN coalesce(outcome.score_highest, ranges.highest, scale.highest)
    ELSE ranges.highest END";

/// Whether the simulation's own score is that of the row `alias`.
fn is_own(alias: &str) -> String {
    format!("(scale.headline IS NULL OR scale.headline = {alias}.headline)")
}

/// The value of the score of the row `alias`, as the tool wrote it.
pub(super) fn raw_score(alias: &str) -> String {
    format!(
        "CASE WHEN {own} THEN {alias}.score ELSE (
            SELECT (one->>'value'::text)::float8 FROM pg_catalog.jsonb_array_elements({alias}.scores) AS one
            WHERE one->>'name'::text = scale.headline LIMIT 1) END",
        own = is_own(alias)
    )
}

/// The score of the row `alias` on the scale from 0 to 1; null if its scale is unknown. It needs
/// [`scale`] and the joins of [`JOIN_SCALE`].
pub(super) fn scaled_score(alias: &str) -> String {
    let (raw, own) = (raw_score(alias), is_own(alias));
    // A value beyond a declared range is not converted.
    let in_range = |lowest: &str, highest: &str| {
        format!(
            "CASE WHEN ({raw}) BETWEEN {lowest} AND {highest}
                THEN pg_catalog.round((({raw})::numeric - ({lowest})::numeric)
                    / (({highest})::numeric - ({lowest})::numeric), 17)::float8 END"
        )
    };
    format!(
        "CASE WHEN {own} AND {alias}.score_highest > {alias}.score_lowest THEN {}
            WHEN ranges.highest IS NOT NULL THEN {}
            WHEN {own} AND scale.highest IS NOT NULL THEN {}
            WHEN {own} AND NOT scale.beyond THEN {alias}.score END",
        in_range(&format!("{alias}.score_lowest"), &format!("{alias}.score_highest")),
        in_range("ranges.lowest", "ranges.highest"),
        in_range("scale.lowest", "scale.highest"),
    )
}

/// Whether the row `alias` is the revision of its result that counts: one index look-up for a result
/// that has a key.
pub(super) fn is_current(alias: &str) -> String {
    format!(
        r#"({alias}.result_key IS NULL OR NOT EXISTS (
            SELECT FROM arc_recorder.outcomes AS later
            WHERE later.simulation_id = {alias}.simulation_id
                AND later.result_key COLLATE "C" = {alias}.result_key
                AND {later} > {this}))"#,
        later = revision("later"),
        this = revision(alias)
    )
}

/// The query of outcomes with their trials and attempts: the rows `outcome` of simulation `$1` that
/// satisfy a condition, with `columns`. A trial without a number has the rank of its place among
/// those of its scenario, in the order in which they were first received. The condition must not
/// separate the rows of a scenario that have the same `trial`.
pub(super) fn numbered(columns: &str, condition: &str) -> String {
    format!(
        r#"SELECT *, CASE WHEN stored_trial > 0 THEN stored_trial ELSE pg_catalog.dense_rank() OVER (
                PARTITION BY scenario_id COLLATE "C", stored_trial ORDER BY first_at, first_id
            )::integer END AS trial
        FROM (
            SELECT {columns}, coalesce(outcome.trial, 0) AS stored_trial,
                {current} AS is_current,
                pg_catalog.count(*) FILTER (WHERE {current}) OVER (
                    PARTITION BY outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0),
                        outcome.place COLLATE "C"
                    ORDER BY {ATTEMPT_ORDER}
                ) AS attempt,
                pg_catalog.first_value(outcome.received_at) OVER received AS first_at,
                pg_catalog.first_value(outcome.outcome_id) OVER received AS first_id
            FROM arc_recorder.outcomes AS outcome
            WHERE outcome.simulation_id = $1 {condition}
            WINDOW received AS (
                PARTITION BY outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0),
                    outcome.place COLLATE "C"
                ORDER BY outcome.received_at, outcome.outcome_id)
        ) AS placed"#,
        current = is_current("outcome")
    )
}
