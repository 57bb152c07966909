//! SQL about outcomes: which revision of a result counts, a score on its scale, and the document.
//!
//! A score is stored as the tool wrote it. It is converted to a number from 0 to 1 only if its range is
//! known ([`join_scale`]). Whether all scores of a simulation without a range are from 0 to 1 is known
//! from an index that contains only the others.
//!
//! Annotations replace extracted values in every query of outcomes ([`reviews`]).

use super::statement::{TIME, by_layout};

/// The rows `alias` of simulation `$1` in a table of results, see [`TIME`].
pub(super) fn of_simulation(alias: &str) -> String {
    format!("{alias}.simulation_id = $1 AND {alias}.partition_time = {TIME}")
}

/// The place of the row `alias` in the order in which the revisions of a result were made.
pub(super) fn made(alias: &str) -> String {
    format!(
        "(coalesce({alias}.revised_at, {alias}.received_at), {alias}.received_at, {alias}.outcome_id)"
    )
}

/// The place of the row `alias` in the order of the revisions of a result, of which the last one counts.
/// `selected` is the valid selection of the result, if there is one.
pub(super) fn revision(alias: &str) -> String {
    format!("({}, {alias}.received_at, {alias}.outcome_id)", revision_time(alias))
}

/// The time of the row `alias` in that order.
pub(super) fn revision_time(alias: &str) -> String {
    format!(
        "CASE WHEN selected.outcome_id = {alias}.outcome_id
            THEN coalesce(selected.revised_at, 'infinity')
            ELSE coalesce({alias}.revised_at, {alias}.received_at) END"
    )
}

/// The valid selections of simulation `$1`; empty, and read from an empty index, if no result has a key.
const SELECTED: &str = r#"selected AS MATERIALIZED (
            SELECT result_key, outcome_id, revised_at, superseded
            FROM arc_recorder.valid_selections
            WHERE simulation_id = $1
        )"#;

/// Common table expressions: the valid selections of simulation `$1`, and the revisions of results that
/// do not count, because another one does. In tables with indexes both are read from empty ones, if no
/// result has a key.
pub(super) fn replaced() -> String {
    by_layout(&replaced_in_chunks(), &replaced_by_key())
}

fn replaced_by_key() -> String {
    format!(
        r#"{SELECTED}, repeated AS MATERIALIZED (
            SELECT revision.result_key COLLATE "C" AS result_key
            FROM arc_recorder.outcomes AS revision
            WHERE {of_simulation} AND revision.result_key IS NOT NULL
            GROUP BY 1 HAVING pg_catalog.count(*) > 1
        ), replaced AS MATERIALIZED (
            SELECT other.outcome_id
            FROM repeated
            LEFT JOIN selected USING (result_key)
            CROSS JOIN LATERAL (
                SELECT revision.outcome_id
                FROM arc_recorder.outcomes AS revision
                WHERE {of_simulation}
                    AND revision.result_key COLLATE "C" = repeated.result_key
                ORDER BY {revision} DESC
                OFFSET 1
            ) AS other
        )"#,
        of_simulation = of_simulation("revision"),
        revision = revision("revision")
    )
}

/// [`replaced`] in one pass: a chunk in the columnstore has no index by key.
fn replaced_in_chunks() -> String {
    format!(
        r#"{SELECTED}, replaced AS MATERIALIZED (
            SELECT ordered.outcome_id
            FROM (
                SELECT revision.outcome_id, pg_catalog.row_number() OVER (
                    PARTITION BY revision.result_key COLLATE "C" ORDER BY {revision} DESC) AS place
                FROM arc_recorder.outcomes AS revision
                LEFT JOIN selected ON selected.result_key = revision.result_key COLLATE "C"
                WHERE {of_simulation} AND revision.result_key IS NOT NULL
            ) AS ordered
            WHERE ordered.place > 1
        )"#,
        of_simulation = of_simulation("revision"),
        revision = revision("revision")
    )
}

/// The beginning of a query with [`is_current_of_many`]: common table expressions before others.
pub(super) fn with_replaced() -> String {
    by_layout(&format!("{}, ", replaced_in_chunks()), "")
}

/// Whether the row `outcome` of simulation `$1` counts, in a query that asks this about many rows and
/// begins with [`with_replaced`].
pub(super) fn is_current_of_many() -> String {
    let in_chunks = format!("({IS_NOT_REPLACED} AND NOT {IS_SUPERSEDED})");
    by_layout(&in_chunks, &is_current("outcome"))
}

/// Whether an outcome is the revision that counts of its result, which can be superseded. It needs
/// [`replaced`], which is hashed: a join with it could become a nested loop, because the planner expects
/// few rows.
pub(super) const IS_NOT_REPLACED: &str =
    "outcome.outcome_id NOT IN (SELECT replaced.outcome_id FROM replaced)";

/// Whether an outcome is of a result that the tool's final list lacks. It needs [`replaced`].
pub(super) const IS_SUPERSEDED: &str = r#"coalesce(outcome.result_key COLLATE "C" IN (
    SELECT selected.result_key FROM selected WHERE selected.superseded), false)"#;

/// Common table expressions with one row `reviews`, for the valid annotations of simulation `$1`: objects
/// by result ([`target`]) with the validity (null: restored), the failure class and a list of all, and by
/// outcome with the changed scores. Each is null if there is no such annotation, which most simulations
/// have none of. They are objects, and not joined, because the planner expects few rows of a simulation
/// and could loop over the annotations for each outcome.
pub(super) fn reviews() -> String {
    format!(
        r#"annotated AS MATERIALIZED (
        SELECT annotation.*, {target} AS target,
            pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                'kind'::text, annotation.kind, 'author'::text, annotation.author,
                'at'::text, annotation.annotated_at, 'reason'::text, annotation.reason,
                'metric'::text, annotation.metric, 'old_value'::text, annotation.old_value,
                'new_value'::text, annotation.new_value)) AS entry
        FROM arc_recorder.annotations AS annotation
        WHERE {of_annotation} AND annotation.kind <> 'undo' AND annotation.annotation_id NOT IN (
            SELECT undo.undoes FROM arc_recorder.annotations AS undo
            WHERE {of_undo} AND undo.undoes IS NOT NULL)
    ), newest AS (
        SELECT DISTINCT ON (target COLLATE "C", subject, scored_id, metric COLLATE "C")
            target, subject, outcome_id, metric, kind, author, reason, annotated_at, new_value, entry,
            annotation_id
        FROM (
            SELECT *, CASE WHEN kind IN ('invalidate', 'restore') THEN 'validity' ELSE kind END
                    AS subject,
                CASE WHEN kind = 'score' THEN outcome_id
                    WHEN kind IN ('note', 'tag') THEN annotation_id END AS scored_id
            FROM annotated
        ) AS subjects
        ORDER BY target COLLATE "C", subject, scored_id, metric COLLATE "C", annotated_at DESC,
            annotation_id DESC
    ), reviews AS MATERIALIZED (
        SELECT
            (SELECT pg_catalog.jsonb_object_agg(target, CASE WHEN kind = 'invalidate'
                    THEN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                        'author'::text, author, 'reason'::text, reason, 'at'::text, annotated_at))
                    ELSE 'null'::jsonb END)
                FROM newest WHERE subject = 'validity') AS validity,
            (SELECT pg_catalog.jsonb_object_agg(target,
                    pg_catalog.jsonb_build_object('class'::text, new_value, 'author'::text, author))
                FROM newest WHERE subject = 'failure_class') AS classes,
            (SELECT pg_catalog.jsonb_object_agg(changed.outcome_id, changed.scores)
                FROM (
                    SELECT outcome_id, pg_catalog.jsonb_object_agg(metric, new_value) AS scores
                    FROM newest WHERE subject = 'score' GROUP BY outcome_id
                ) AS changed) AS scores,
            (SELECT pg_catalog.jsonb_object_agg(listed.target, listed.entries)
                FROM (
                    SELECT target, pg_catalog.jsonb_agg(entry ORDER BY annotated_at, annotation_id)
                        AS entries
                    FROM newest GROUP BY target
                ) AS listed) AS listed
    )"#,
        target = target("annotation"),
        of_annotation = of_simulation("annotation"),
        of_undo = of_simulation("undo"),
    )
}

/// What the annotations of the row `alias` have in common: the result's key, or else the outcome's id.
fn target(alias: &str) -> String {
    format!("coalesce({alias}.result_key, {alias}.outcome_id::text)")
}

/// The mark that the row `alias` does not count: that of the newest annotation, or else the tool's. It
/// needs [`reviews`].
pub(super) fn invalidation(alias: &str) -> String {
    let target = target(alias);
    format!(
        "CASE WHEN reviews.validity IS NOT NULL AND reviews.validity ? {target}
            THEN nullif(reviews.validity->{target}, 'null'::jsonb) ELSE {alias}.invalidation END"
    )
}

/// Whose failure the row `alias` is: as annotated, or else as extracted. It needs [`reviews`].
pub(super) fn failure_class(alias: &str) -> String {
    let target = target(alias);
    format!(
        "CASE WHEN reviews.classes IS NOT NULL AND reviews.classes ? {target}
            THEN reviews.classes->{target}->>'class'::text ELSE {alias}.failure_class END"
    )
}

/// What decided that: the rule, or who annotated it.
fn failure_rule(alias: &str) -> String {
    let target = target(alias);
    format!(
        "CASE WHEN reviews.classes IS NOT NULL AND reviews.classes ? {target}
            THEN reviews.classes->{target}->>'author'::text ELSE {alias}.failure_rule END"
    )
}

/// The scores of the row `alias`, with those that were changed. It needs [`reviews`].
pub(super) fn scores(alias: &str) -> String {
    let changes = format!("reviews.scores->({alias}.outcome_id::text)");
    format!(
        "CASE WHEN reviews.scores IS NOT NULL AND reviews.scores ? ({alias}.outcome_id::text) THEN (
            SELECT coalesce(pg_catalog.jsonb_agg(
                CASE WHEN {changes} ? (one.entry->>'name'::text)
                    THEN one.entry || pg_catalog.jsonb_build_object('value'::text,
                        {changes}->(one.entry->>'name'::text))
                    ELSE one.entry END ORDER BY one.position), '[]'::jsonb)
            FROM pg_catalog.jsonb_array_elements({alias}.scores)
                WITH ORDINALITY AS one (entry, position)
        ) ELSE {alias}.scores END"
    )
}

/// The document of the outcome `alias` of simulation `$1`, byte for byte.
pub(super) fn document(alias: &str) -> String {
    format!(
        "(SELECT pg_catalog.string_agg(piece.document, ''::text ORDER BY piece.part)
            FROM arc_recorder.documents AS piece
            WHERE {of_simulation} AND piece.outcome_id = {alias}.outcome_id
                AND piece.partition_time = {alias}.partition_time)",
        of_simulation = of_simulation("piece")
    )
}

/// The order of the attempts at a trial, of which the last one counts. Attempts that have a key are
/// in the order in which they ran, so that it does not matter in which order logs are recorded.
pub(super) const ATTEMPT_ORDER: &str =
    "CASE WHEN outcome.result_key IS NULL THEN outcome.received_at ELSE outcome.execution_time END,
    outcome.received_at, outcome.outcome_id";

/// The order of the rows of [`numbered`]: that of scenario, trial and attempt.
pub(super) const READING_ORDER: &str = r#"outcome.scenario_id COLLATE "C", outcome.stored_trial,
    outcome.first_at, outcome.first_id, outcome.attempted_at, outcome.received_at,
    outcome.outcome_id"#;

/// Common table expressions with the [`reviews`] and the ranges of the metrics of simulation `$1`, and its
/// scale and its only model. A declared range replaces that of the tool; the range without a name is that of each result's own
/// score. A declared score that no result has does not count. `otherwise` is the SQL of the metric
/// that is the simulation's score if none is declared; null for that of each result.
fn scale_of(otherwise: &str) -> String {
    format!(
        r#"{reviews}, ranges AS MATERIALIZED (
        SELECT one.name, one.lowest, one.highest, one.declared
        FROM arc_recorder.simulations AS simulation
        CROSS JOIN LATERAL (
            SELECT name, coalesce(declared.lowest, reported.lowest, 0::float8) AS lowest,
                coalesce(declared.highest, reported.highest) AS highest,
                coalesce(declared.lowest, declared.highest) IS NOT NULL AS declared
            FROM pg_catalog.jsonb_to_recordset(coalesce(simulation.metrics, '[]'))
                AS declared (name text, lowest float8, highest float8)
            FULL JOIN pg_catalog.jsonb_to_recordset(
                    coalesce(simulation.suite_figures->'run_report'::text->'metrics'::text, '[]'))
                AS reported (name text, lowest float8, highest float8) USING (name)
        ) AS one
        WHERE simulation.simulation_id = $1 AND one.highest > one.lowest
    ), scale AS MATERIALIZED (
        SELECT coalesce(CASE WHEN simulation.headline IS NOT NULL AND EXISTS (
                SELECT FROM arc_recorder.outcomes AS named
                WHERE {named} AND {named_current}
                    AND named.scores @> pg_catalog.jsonb_build_array(
                        pg_catalog.jsonb_build_object('name'::text, simulation.headline))
            ) THEN simulation.headline END, {otherwise}) AS headline,
            own.lowest, own.highest,
            CASE WHEN pg_catalog.cardinality(simulation.models) = 1
                THEN simulation.models[1] END AS model,
            EXISTS (
                SELECT FROM arc_recorder.outcomes AS beyond
                WHERE {beyond} AND beyond.score_highest IS NULL
                    AND (beyond.score < 0::float8 OR beyond.score > 1::float8)
                    AND beyond.invalidation IS NULL AND {beyond_current}
            ) AS beyond
        FROM arc_recorder.simulations AS simulation
        LEFT JOIN ranges AS own ON own.name = ''
        WHERE simulation.simulation_id = $1
    )"#,
        reviews = reviews(),
        named = of_simulation("named"),
        beyond = of_simulation("beyond"),
        named_current = is_current("named"),
        beyond_current = is_current("beyond")
    )
}

/// Common table expressions `ranges` and `scale`; the simulation's score is the declared one.
pub(super) fn scale() -> String {
    scale_of("NULL::text")
}

/// [`scale`]; if none was declared, the simulation's score is the metric `$2`, unless that is null.
pub(super) fn scale_with_headline() -> String {
    scale_of("$2::text")
}

/// The joins that the columns of the row `alias` need: the reviews, the scale of the simulation, and the range of
/// the score, which has no bounds if it is unknown. The first of these that exists is the range: the
/// result's own, the declared one of the metric, the declared one of the results' own score, the
/// tool's, and 0 to 1 if no score of the simulation is outside.
pub(super) fn join_scale(alias: &str) -> String {
    let own = is_own(alias);
    let bound = |bound: &str, default: &str| {
        format!(
            "CASE WHEN {own} AND {alias}.score_highest > {alias}.score_lowest THEN {alias}.score_{bound}
                WHEN ranges.declared THEN ranges.{bound}
                WHEN {own} AND scale.highest IS NOT NULL THEN scale.{bound}
                WHEN ranges.highest IS NOT NULL THEN ranges.{bound}
                WHEN {own} AND NOT scale.beyond THEN {default}::float8 END AS {bound}"
        )
    };
    format!(
        "CROSS JOIN reviews
        CROSS JOIN scale
        LEFT JOIN ranges ON ranges.name = {headline}
        CROSS JOIN LATERAL (SELECT {lowest}, {highest}) AS score_range",
        headline = headline(alias),
        lowest = bound("lowest", "0"),
        highest = bound("highest", "1"),
    )
}

/// The metric of the score of the row `alias`. It needs [`scale`].
pub(super) fn headline(alias: &str) -> String {
    format!("coalesce(scale.headline, {alias}.headline)")
}

/// Whether the simulation's score is the row's own.
fn is_own(alias: &str) -> String {
    format!("(scale.headline IS NULL OR scale.headline = {alias}.headline)")
}

/// The value of the score of the row `alias`, as the tool wrote it, or as it was changed.
pub(super) fn raw_score(alias: &str) -> String {
    let headline = headline(alias);
    let changes = format!("reviews.scores->({alias}.outcome_id::text)");
    format!(
        "CASE WHEN reviews.scores IS NOT NULL AND {changes} ? {headline}
            THEN ({changes}->>{headline})::float8
            WHEN {own} THEN {alias}.score ELSE (
            SELECT (one->>'value'::text)::float8 FROM pg_catalog.jsonb_array_elements({alias}.scores) AS one
            WHERE one->>'name'::text = scale.headline LIMIT 1) END",
        own = is_own(alias)
    )
}

/// The score of the row `alias` on the scale from 0 to 1; null if its scale is unknown, or if it is
/// beyond the range. It needs [`scale`] and [`join_scale`].
pub(super) fn scaled_score(alias: &str) -> String {
    format!(
        "CASE WHEN ({raw}) BETWEEN score_range.lowest AND score_range.highest THEN
            CASE WHEN score_range.lowest = 0::float8 AND score_range.highest = 1::float8 THEN {raw}
                ELSE pg_catalog.round((({raw})::numeric - score_range.lowest::numeric)
                    / (score_range.highest::numeric - score_range.lowest::numeric), 17)::float8
            END END",
        raw = raw_score(alias)
    )
}

/// The SQL of a column of the row `alias` as it is read: what the table has about the result's own
/// score is replaced by that of the simulation's score, and a result that names no model has that of
/// its simulation, if it has one. It needs [`scale`] and [`join_scale`].
pub(super) fn read_column(alias: &str, name: &str) -> String {
    match name {
        "reliability_score" => scaled_score(alias),
        "headline" => headline(alias),
        "model" => format!("coalesce({alias}.model, scale.model)"),
        "score" => raw_score(alias),
        "scores" => scores(alias),
        "invalidation" => invalidation(alias),
        "failure_class" => failure_class(alias),
        "failure_rule" => failure_rule(alias),
        "annotations" => format!("reviews.listed->{}", target(alias)),
        "score_lowest" | "score_highest" => {
            format!("CASE WHEN {} THEN {alias}.{name} END", is_own(alias))
        }
        name => format!("{alias}.{name}"),
    }
}

/// Whether the row `alias` of simulation `$1` counts: two index look-ups for a result that has a key.
pub(super) fn is_current(alias: &str) -> String {
    counts(alias, "$1", &of_simulation("other"))
}

/// Whether the row `alias` of any simulation counts. The view `current_outcomes` has the same condition.
pub(super) fn is_current_anywhere(alias: &str) -> String {
    let of_same_simulation = format!(
        "other.simulation_id = {alias}.simulation_id
        AND other.partition_time = {alias}.partition_time"
    );
    counts(alias, &format!("{alias}.simulation_id"), &of_same_simulation)
}

fn counts(alias: &str, simulation: &str, others: &str) -> String {
    let condition = format!("(selected.superseded OR {})", later(alias));
    format!("({alias}.result_key IS NULL OR NOT {})", exists(alias, simulation, others, &condition))
}

/// Whether another revision of the result of the row `alias` of simulation `$1` comes later in the
/// order.
pub(super) fn is_replaced(alias: &str) -> String {
    let exists = exists(alias, "$1", &of_simulation("other"), &later(alias));
    format!("({alias}.result_key IS NOT NULL AND {exists})")
}

fn later(alias: &str) -> String {
    format!("{} > {}", revision("other"), revision(alias))
}

/// Whether a revision `other` of the result of the row `alias` satisfies a condition. `simulation` is the
/// id of its simulation, and `others` selects the rows of that. Citus takes no column of `alias` there
/// within a subquery of a subquery.
fn exists(alias: &str, simulation: &str, others: &str, condition: &str) -> String {
    format!(
        r#"EXISTS (
    SELECT FROM arc_recorder.outcomes AS other
    LEFT JOIN arc_recorder.valid_selections AS selected
        ON selected.simulation_id = {simulation}
        AND selected.result_key = {alias}.result_key COLLATE "C"
    WHERE {others}
        AND other.result_key COLLATE "C" = {alias}.result_key
        AND {condition}
)"#
    )
}

/// The query of outcomes with their trials and attempts: the rows `outcome` of simulation `$1` that
/// `join` and a condition select, with `columns`. A trial without a number has the rank of its place among
/// those of its scenario that have an outcome that counts, in the order in which they were first received.
/// They must not separate the rows of a scenario that have the same `trial`. The columns contain
/// those of [`READING_ORDER`] that belong to the table. The whole query begins with [`with_replaced`].
pub(super) fn numbered(columns: &str, join: &str, condition: &str) -> String {
    format!(
        r#"SELECT *, CASE WHEN stored_trial > 0 THEN stored_trial ELSE pg_catalog.dense_rank() OVER (
                PARTITION BY scenario_id COLLATE "C", stored_trial, counts ORDER BY first_at, first_id
            )::integer END AS trial
        FROM (
            SELECT {columns}, coalesce(outcome.trial, 0) AS stored_trial, outcome.is_current,
                pg_catalog.count(*) FILTER (WHERE outcome.is_current)
                    OVER (place ORDER BY {ATTEMPT_ORDER}) AS attempt,
                pg_catalog.bool_or(outcome.is_current) OVER place AS counts,
                CASE WHEN outcome.result_key IS NULL THEN outcome.received_at
                    ELSE outcome.execution_time END AS attempted_at,
                pg_catalog.first_value(outcome.received_at) OVER received AS first_at,
                pg_catalog.first_value(outcome.outcome_id) OVER received AS first_id
            FROM (
                -- The OFFSET keeps the planner from repeating the condition.
                SELECT outcome.*, {current} AS is_current
                FROM arc_recorder.outcomes AS outcome
                {join}
                WHERE {of_simulation} {condition}
                OFFSET 0
            ) AS outcome
            WINDOW place AS (
                PARTITION BY outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0),
                    outcome.place COLLATE "C"
            ), received AS (place ORDER BY outcome.received_at, outcome.outcome_id)
        ) AS placed"#,
        of_simulation = of_simulation("outcome"),
        current = is_current_of_many()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view cannot call a function of this program, so the migration has the condition once more.
    #[test]
    fn the_view_has_the_same_condition() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let migration = words(include_str!("../../../migrations/0001_recording.sql"));
        let condition = words(&is_current_anywhere("outcome"));
        let condition = condition.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        assert_eq!(migration.matches(condition.unwrap()).count(), 1, "{condition:?}");
    }
}
