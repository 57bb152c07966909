-- The recorded data: configurations, scenarios, simulations with their plan, outcomes with their
-- documents, rejected results, earlier extractions, annotations, file headers and access tokens.
-- Recording only adds rows; progress and the status of a scenario are views.
--
-- The fact tables (outcomes, documents, rejected_results, replaced_extractions, annotations) have the
-- key (simulation_id, id, partition_time), those with several rows for an id one more column.
-- partition_time is the time at which the simulation was accepted, so that the tables can be partitioned
-- by time, and simulation_id comes first, so that they can be distributed by it. They have no foreign
-- keys and no triggers.

-- One row that describes the layout of the tables. Only a migration command changes it.
CREATE TABLE arc_recorder.installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    layout text NOT NULL CHECK (layout IN ('plain', 'timescale', 'citus')),
    -- When the tables got this layout.
    arranged_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO arc_recorder.installation (layout) VALUES ('plain');

-- Tables of prices of models. The one that was loaded last is valid for results that are recorded from
-- then on; costs that were computed with an earlier one stay. The id is derived from the content.
CREATE TABLE arc_recorder.price_tables (
    price_table_id uuid PRIMARY KEY,
    -- The file's name, and the date of its prices.
    name text NOT NULL,
    dated date NOT NULL,
    loaded_at timestamptz NOT NULL,
    -- An object: the prices in US dollars for each token, by model.
    prices jsonb NOT NULL
);

-- Versions of an agent's configuration. The id is derived from the content.
CREATE TABLE arc_recorder.config_versions (
    config_version_id text PRIMARY KEY,
    name text NOT NULL,
    user_id text,
    configuration json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Versions of a scenario's definition. The id is derived from the content, so that a scenario that
-- changes between simulations keeps its earlier versions.
CREATE TABLE arc_recorder.scenarios (
    scenario_version_id uuid PRIMARY KEY,
    scenario_id text NOT NULL,
    name text,
    task_prompt text,
    definition json,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The programs that extracted the fields of outcomes.
CREATE TABLE arc_recorder.extractors (
    extractor_id uuid PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL,
    component_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One run of an evaluation. The columns up to the plan's digest are written at the start; completing,
-- failing or cancelling the simulation writes the others.
CREATE TABLE arc_recorder.simulations (
    simulation_id uuid PRIMARY KEY,
    project text NOT NULL DEFAULT 'default',
    simulation_name text,
    tags text[] NOT NULL DEFAULT '{}',
    config_version_id text NOT NULL,
    modal_app_id text,
    modal_environment text NOT NULL,
    sandbox_instances integer,
    metadata json,
    -- How many times each planned scenario is run that has no number of its own.
    trials integer NOT NULL CHECK (trials >= 1),
    planned_scenarios integer NOT NULL,
    plan_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it was accepted: a part of the key of all its rows.
    partition_time timestamptz NOT NULL,
    -- When the evaluation itself began and ended.
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    -- incomplete: the log of a run has no end.
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'failed', 'cancelled', 'incomplete')),
    status_reason text,
    -- Who ran what: as declared at the start, else as the tool reports it, else as the results name it.
    -- The last two are known when the simulation ends.
    models text[] NOT NULL DEFAULT '{}',
    provider text,
    agent text,
    agent_version text,
    task text,
    task_version text,
    dataset text,
    dataset_version text,
    tool text,
    tool_version text,
    -- The declaration at the start, as an object with the same names.
    declared_origin jsonb,
    -- The definitions of metrics that were declared, as a JSON array; the metric without a name is the
    -- score of each result. metric_declarations has the history.
    metrics jsonb,
    -- The metric that was declared as the simulation's score; null: the one that each result names.
    headline text,
    -- The effective figures: the suite's own, or else the computed ones. The score has the name of its
    -- metric and of the figure, and the highest value of the scores as the tool wrote them; null: their
    -- scale is unknown, and the score is as the tool wrote it.
    overall_score double precision,
    score_metric text,
    score_figure text,
    score_scale double precision,
    total_cost_usd double precision,
    -- The cost by the price table, of the results that name their models.
    computed_cost_usd double precision,
    total_tokens bigint,
    execution_time_ms double precision,
    -- The suite's own figures with the tool's report about the run, and those computed from the
    -- recorded outcomes.
    suite_figures jsonb,
    computed_figures jsonb,
    -- Whether computed_figures match the outcomes:
    --   stale      they do not, or it is unknown
    --   computing  the owner of figures_claim is computing them
    --   frozen     they do
    figures_state text NOT NULL DEFAULT 'stale'
        CHECK (figures_state IN ('stale', 'computing', 'frozen')),
    figures_claim uuid,
    figures_claimed_at timestamptz,
    -- The newest final list of the run's results: when the tool made it, when its file was changed, and
    -- when it was recorded.
    final_list_at timestamptz,
    final_list_modified_at timestamptz,
    final_list_recorded_at timestamptz
);
CREATE INDEX simulations_newest ON arc_recorder.simulations (created_at DESC, simulation_id DESC);
-- The simulations of one status, newest first.
CREATE INDEX simulations_newest_of_status ON arc_recorder.simulations
    (status, created_at DESC, simulation_id DESC);
-- Those of one project, newest first.
CREATE INDEX simulations_newest_of_project ON arc_recorder.simulations
    (project, created_at DESC, simulation_id DESC);
-- A hash, because a name can be longer than a row of a b-tree.
CREATE INDEX simulations_names ON arc_recorder.simulations USING hash (simulation_name);

-- The simulations that were removed with all their rows. A start and results of one are refused, also if
-- they come from a spool much later.
CREATE TABLE arc_recorder.removed_simulations (
    simulation_id uuid PRIMARY KEY,
    simulation_name text,
    removed_at timestamptz NOT NULL,
    -- The name of the service's token, or else the user of the database.
    removed_by text NOT NULL
);

-- Every declaration of metrics, in order. Rows are only added.
CREATE TABLE arc_recorder.metric_declarations (
    simulation_id uuid NOT NULL,
    declaration_id uuid NOT NULL,
    declared_at timestamptz NOT NULL,
    -- A JSON array of definitions.
    metrics jsonb NOT NULL,
    PRIMARY KEY (simulation_id, declaration_id)
);

-- Which revisions of results count, if these are not the ones that were made last, and which results are
-- superseded. Rows are only added: of the rows with the same key, the newest one is valid.
CREATE TABLE arc_recorder.selections (
    simulation_id uuid NOT NULL,
    selection_id uuid NOT NULL,
    selected_at timestamptz NOT NULL,
    result_key text COLLATE "C" NOT NULL,
    -- The selected revision; null: the one that was made last counts.
    outcome_id uuid,
    -- The time of the selected revision in the order of revisions; null: after all others. The file of a
    -- tool that has undone a change has the bytes of an earlier revision, and a later time.
    revised_at timestamptz,
    -- Whether the tool's final list lacks the result, so that no revision counts.
    superseded boolean NOT NULL,
    PRIMARY KEY (simulation_id, selection_id)
);
CREATE INDEX selections_keys ON arc_recorder.selections (simulation_id, result_key);

-- The valid selection of each result that has one.
CREATE VIEW arc_recorder.valid_selections AS
SELECT DISTINCT ON (simulation_id, result_key)
    simulation_id, result_key, outcome_id, revised_at, superseded
FROM arc_recorder.selections
ORDER BY simulation_id, result_key, selected_at DESC, selection_id DESC;

-- The scenarios with which a simulation was started.
CREATE TABLE arc_recorder.planned_scenarios (
    simulation_id uuid NOT NULL,
    scenario_id text NOT NULL,
    execution_order integer NOT NULL,
    scenario_version_id uuid NOT NULL,
    -- How many times it is run; null: as often as simulations.trials.
    trials integer CHECK (trials >= 1),
    PRIMARY KEY (simulation_id, scenario_id)
);

-- Every accepted result: the fields that people query. Offsets and lengths are in bytes of UTF-8 in the
-- document.
CREATE TABLE arc_recorder.outcomes (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    partition_time timestamptz NOT NULL,
    scenario_id text NOT NULL,
    scenario_name text,
    -- Null if the result's place distinguishes its trial, which has no number.
    trial integer,
    received_at timestamptz NOT NULL,
    -- The tool's own id of the execution: rows with the same key are revisions of one result.
    result_key text,
    -- The result's place in the run: the same place with another key is another attempt.
    place text,
    -- When this revision was made; null: when it was received.
    revised_at timestamptz,
    execution_time timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'error', 'timeout', 'cancelled')),
    -- The metric that is the result's own score, its value, and its range if the result declares it.
    headline text,
    score double precision,
    score_lowest double precision,
    score_highest double precision,
    -- Every score: an array of objects with name, value, label, lowest, highest, explanation (offset and
    -- length).
    scores jsonb NOT NULL,
    -- The mark that the result does not count: author, reason, at.
    invalidation jsonb,
    execution_time_ms double precision NOT NULL,
    -- The first of the models that the result names, and all that it names about who ran it, as an object
    -- with the names of the columns of simulations; null: as in its simulation.
    model text,
    origin jsonb,
    -- Tokens and cost of the agent, and of all roles: with those that score or simulate a user.
    tokens_used bigint NOT NULL,
    cost_usd double precision NOT NULL,
    all_roles_tokens bigint NOT NULL,
    all_roles_cost_usd double precision NOT NULL,
    -- The agent's cost by a price table; null if a model or a price is unknown.
    computed_cost_usd double precision,
    price_table_id uuid,
    -- Tokens and cost by role, model and kind: an array of objects as token-usage in wit/types.wit, with
    -- computed_cost_usd. Null if the result has no more than totals.
    usage jsonb,
    error_code text,
    error_category text,
    -- Whose failure it is, and the rule that decided; null for a success.
    failure_class text CHECK (failure_class IN
        ('infrastructure', 'agent', 'scorer', 'harness', 'undecided')),
    failure_rule text,
    error_message text,
    modal_call_id text,
    sandbox_id text,
    metrics jsonb NOT NULL,
    warnings jsonb,
    extractor_id uuid NOT NULL,
    -- The header of the result's file; null if the file has none.
    header_id uuid,
    scenario_offset integer,
    scenario_length integer,
    trajectory_offset integer,
    trajectory_length integer,
    detailed_trajectory_offset integer,
    detailed_trajectory_length integer,
    dimensions_offset integer,
    dimensions_length integer,
    document_bytes bigint NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, partition_time)
);
-- It contains failures only, so that recording a success does not write to it.
CREATE INDEX outcomes_failures ON arc_recorder.outcomes (execution_time DESC, outcome_id)
    WHERE status <> 'success';
-- A simulation's outcomes in the order in which they are read, a page at a time. The collation is
-- byte order, so that it is the same in every database. Attempts at the same trial are sorted when
-- they are read.
CREATE INDEX outcomes_places ON arc_recorder.outcomes
    (simulation_id, scenario_id COLLATE "C", coalesce(trial, 0));
-- The revisions of a result. Results without a key do not write to it.
CREATE INDEX outcomes_keys ON arc_recorder.outcomes (simulation_id, result_key COLLATE "C")
    WHERE result_key IS NOT NULL;
-- Scores that show that a simulation's undeclared scale is not from 0 to 1. Others do not write to it.
CREATE INDEX outcomes_beyond_scale ON arc_recorder.outcomes (simulation_id)
    WHERE score_highest IS NULL AND (score < 0 OR score > 1);

-- The unchanged documents of outcomes, beside their columns, so that a columnstore compresses only the
-- columns, and a document is read by its key. A document of more than 1 MiB has several parts, cut
-- between characters, counted from 0; the document is all of them in order.
CREATE TABLE arc_recorder.documents (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    partition_time timestamptz NOT NULL,
    part integer NOT NULL,
    -- text, not jsonb: it preserves every byte, also NaN, which some tools write and JSON does not have.
    document text NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, partition_time, part)
);

-- Notes and corrections of results, made after they were recorded. Rows are only added. An annotation
-- belongs to the result with its key, in all its revisions, or, without a key, to its outcome; a changed
-- score belongs to the outcome only. Of those about the same subject, the newest that is not undone is
-- valid.
CREATE TABLE arc_recorder.annotations (
    simulation_id uuid NOT NULL,
    annotation_id uuid NOT NULL,
    partition_time timestamptz NOT NULL,
    -- The outcome for which it was made, and the key of its result.
    outcome_id uuid NOT NULL,
    result_key text,
    annotated_at timestamptz NOT NULL,
    -- A person, a token of the service, or `rule:` and the name of a rule.
    author text NOT NULL,
    kind text NOT NULL CHECK (kind IN
        ('note', 'tag', 'invalidate', 'restore', 'score', 'failure_class', 'undo')),
    -- The metric of a changed score.
    metric text,
    -- The value before and after: a number of a score, the text of a note, a tag or a class.
    old_value jsonb,
    new_value jsonb,
    reason text,
    -- The annotation that is undone.
    undoes uuid,
    PRIMARY KEY (simulation_id, annotation_id, partition_time),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL))
);

-- The annotations that count, of all results and revisions.
CREATE VIEW arc_recorder.valid_annotations AS
SELECT DISTINCT ON (simulation_id, target, subject, part, metric)
    simulation_id, outcome_id, result_key, annotation_id, annotated_at, author, kind, metric, old_value,
    new_value, reason
FROM (
    SELECT *, coalesce(result_key, outcome_id::text) AS target,
        CASE WHEN kind IN ('invalidate', 'restore') THEN 'validity' ELSE kind END AS subject,
        CASE WHEN kind = 'score' THEN outcome_id WHEN kind IN ('note', 'tag') THEN annotation_id END AS part
    FROM arc_recorder.annotations AS annotation
    WHERE kind <> 'undo' AND NOT EXISTS (
        SELECT FROM arc_recorder.annotations AS undo
        WHERE undo.simulation_id = annotation.simulation_id
            AND undo.partition_time = annotation.partition_time
            AND undo.undoes = annotation.annotation_id)
) AS annotated
ORDER BY simulation_id, target, subject, part, metric, annotated_at DESC, annotation_id DESC;

-- Every rejected result, once, with the reasons. The bytes need not be text.
CREATE TABLE arc_recorder.rejected_results (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    partition_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- Its position in the submitted data, counted from 0.
    position bigint,
    -- The line of the file or stream on which it starts, counted from 1; null if it has none.
    line bigint,
    trial integer,
    modal_call_id text,
    sandbox_id text,
    violations jsonb NOT NULL,
    extractor_id uuid NOT NULL,
    -- The header of the result's file; null if the file has none.
    header_id uuid,
    -- The length of the whole document; of a document beyond the size limit, only the start is
    -- stored.
    document_bytes bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, partition_time)
);

-- Earlier extractions of results that were replaced by a newer extractor. Written by `arc-host
-- reextract` and `arc-host retry-rejected`, the only commands that change recorded data. Recording
-- never uses this table.
CREATE TABLE arc_recorder.replaced_extractions (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    partition_time timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    -- The previous extractor and the new one.
    extractor_id uuid NOT NULL,
    replaced_by uuid NOT NULL,
    -- The previous verdict.
    verdict text NOT NULL CHECK (verdict IN ('accepted', 'rejected')),
    -- The previous values. Of an accepted result: the changed columns of outcomes, with their
    -- previous values. Of a rejected one: its violations and its position.
    replaced jsonb NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, partition_time, replaced_at)
);

-- The data that a file has once for all its results, such as the model and the task of an evaluation
-- log. Formats whose files have a header read each result together with it, so it is stored beside
-- the results: once, under an id that is derived from its text.
CREATE TABLE arc_recorder.document_headers (
    header_id uuid PRIMARY KEY,
    -- The unchanged text. Not json, because some tools write NaN into their headers, which is not
    -- valid JSON.
    header text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The tokens that grant access to the service. No column contains a token's secret: only its hash is
-- stored, and a service compares hashes. `arc-host token` creates, lists and revokes tokens;
-- recording never uses this table.
CREATE TABLE arc_recorder.access_tokens (
    -- The part of the token that is not secret, by which it is looked up.
    token_id text PRIMARY KEY CHECK (token_id ~ '^[0-9a-f]{16}$'),
    -- A display name.
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 100),
    -- The permissions: read, record, admin (which includes both).
    scopes text[] NOT NULL
        CHECK (scopes <@ ARRAY['read', 'record', 'admin'] AND cardinality(scopes) >= 1),
    -- SHA-256 of the token's whole text. The secret has 256 random bits, so no slower hash is needed.
    -- The only project that it can read and record; null: all of them.
    project text CHECK (octet_length(project) BETWEEN 1 AND 100),
    token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From this time on, the token grants no access.
    revoked_at timestamptz
);

-- Among the tokens that are not revoked, a name is unique.
CREATE UNIQUE INDEX access_tokens_names ON arc_recorder.access_tokens (name)
    WHERE revoked_at IS NULL;

-- lz4 halves the time to store a document. Not every server is built with it.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_settings
        WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
    ) THEN
        ALTER TABLE arc_recorder.documents ALTER COLUMN document SET COMPRESSION lz4;
        ALTER TABLE arc_recorder.rejected_results ALTER COLUMN document SET COMPRESSION lz4;
        ALTER TABLE arc_recorder.document_headers ALTER COLUMN header SET COMPRESSION lz4;
    END IF;
END
$$;

-- Without statistics, the planner assumes that a simulation has one in two hundred of all rows, which
-- is its default for a column. Statistics do not cover the simulations that were started after the
-- last ANALYZE: with them the planner expects no rows, and then considers any index on simulation_id
-- equally good.
ALTER TABLE arc_recorder.outcomes ALTER COLUMN simulation_id SET STATISTICS 0;
ALTER TABLE arc_recorder.documents ALTER COLUMN simulation_id SET STATISTICS 0;
ALTER TABLE arc_recorder.rejected_results ALTER COLUMN simulation_id SET STATISTICS 0;

-- The outcomes that count: all rows without a key, and of the rows with the same key the selected one,
-- or the one that was made last, unless the result is superseded.
CREATE VIEW arc_recorder.current_outcomes AS
SELECT outcome.*
FROM arc_recorder.outcomes AS outcome
WHERE outcome.result_key IS NULL OR NOT EXISTS (
    SELECT FROM arc_recorder.outcomes AS other
    LEFT JOIN arc_recorder.valid_selections AS selected
        ON selected.simulation_id = outcome.simulation_id
        AND selected.result_key = outcome.result_key COLLATE "C"
    WHERE other.simulation_id = outcome.simulation_id
        AND other.partition_time = outcome.partition_time
        AND other.result_key COLLATE "C" = outcome.result_key
        AND (selected.superseded OR (CASE WHEN selected.outcome_id = other.outcome_id
                THEN coalesce(selected.revised_at, 'infinity')
                ELSE coalesce(other.revised_at, other.received_at) END,
            other.received_at, other.outcome_id) > (CASE WHEN selected.outcome_id = outcome.outcome_id
                THEN coalesce(selected.revised_at, 'infinity')
                ELSE coalesce(outcome.revised_at, outcome.received_at) END,
            outcome.received_at, outcome.outcome_id))
);

-- Each planned scenario and trial with its status: the outcome of the latest attempt. Trials that
-- have no number are numbered in the order in which they were received.
CREATE VIEW arc_recorder.simulations_scenarios AS
SELECT
    plan.simulation_id,
    plan.scenario_id,
    plan.scenario_version_id,
    trials.trial,
    plan.execution_order,
    coalesce(latest.status, 'pending') AS status,
    latest.outcome_id,
    latest.modal_call_id,
    latest.sandbox_id,
    latest.received_at
FROM arc_recorder.planned_scenarios AS plan
JOIN arc_recorder.simulations AS simulation USING (simulation_id)
CROSS JOIN LATERAL
    generate_series(1, coalesce(plan.trials, simulation.trials)) AS trials (trial)
LEFT JOIN (
    SELECT *, coalesce(trial, row_number() OVER (
        PARTITION BY simulation_id, scenario_id, trial ORDER BY first_at, first_id)) AS number
    FROM (
        SELECT DISTINCT ON (simulation_id, scenario_id, trial, place)
            simulation_id, scenario_id, trial, status, outcome_id, modal_call_id, sandbox_id,
            received_at, first_at, first_id
        FROM (
            SELECT simulation_id, outcome_id, first_value(received_at) OVER received AS first_at,
                first_value(outcome_id) OVER received AS first_id
            FROM arc_recorder.outcomes
            WINDOW received AS (
                PARTITION BY simulation_id, scenario_id, trial, place
                ORDER BY received_at, outcome_id)
        ) AS received
        JOIN arc_recorder.current_outcomes USING (simulation_id, outcome_id)
        ORDER BY simulation_id, scenario_id, trial, place,
            CASE WHEN result_key IS NULL THEN received_at ELSE execution_time END DESC,
            received_at DESC, outcome_id DESC
    ) AS attempts
) AS latest
    ON latest.simulation_id = plan.simulation_id
    AND latest.scenario_id = plan.scenario_id
    AND latest.number = trials.trial;

-- Replaces NaN and infinities by null, because jsonb does not have them. The text is split before each of
-- them, with a control character that JSON does not have; a number is inside a string if there is an odd
-- number of quotes before it.
CREATE FUNCTION arc_recorder.with_finite_numbers(document text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF strpos(document, 'NaN') = 0 AND strpos(document, 'Infinity') = 0 THEN
        RETURN document;
    END IF;
    RETURN (
        SELECT string_agg(CASE
            WHEN position = 1 THEN part
            WHEN quotes % 2 = 0 THEN 'null' || substr(part, 2)
            WHEN part ^@ 'N' THEN 'NaN' || substr(part, 2)
            WHEN part ^@ 'M' THEN '-Infinity' || substr(part, 2)
            ELSE 'Infinity' || substr(part, 2)
        END, '' ORDER BY position)
        FROM (
            SELECT part, position,
                sum(length(unescaped) - length(replace(unescaped, '"', ''))) OVER (
                    ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS quotes
            FROM (
                SELECT part, position, CASE WHEN strpos(part, E'\\') = 0 THEN part
                    ELSE replace(replace(part, E'\\\\', ''), E'\\"', '') END AS unescaped
                FROM unnest(string_to_array(
                    replace(replace(replace(document,
                        'NaN', E'\x01N'), '-Infinity', E'\x01M'), 'Infinity', E'\x01I'),
                    E'\x01')) WITH ORDINALITY AS split (part, position)
            ) AS parts
        ) AS counted
    );
END
$$;

-- Replaces the escapes of NUL and of lone surrogates, which jsonb does not have, by U+FFFD. An escape
-- counts only after an even number of backslashes.
CREATE FUNCTION arc_recorder.with_valid_escapes(document text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(pg_catalog.regexp_replace(pg_catalog.regexp_replace(
    document,
    '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g'),
    '(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})',
    '\1\\ufffd', 'g'),
    '(?<!(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)((?:\\\\)*)\\u[dD][c-fC-F][0-9a-fA-F]{2}',
    '\1\\ufffd', 'g');

-- A document as jsonb. Values that jsonb cannot represent are replaced: NaN and infinities by null, NUL
-- and lone surrogates by U+FFFD; a document with a number beyond numeric's range becomes null. Escapes
-- are only replaced if they are refused, because that takes far longer than reading the document.
CREATE FUNCTION arc_recorder.sanitised(document text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN arc_recorder.with_finite_numbers(document)::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    BEGIN
        RETURN arc_recorder.with_valid_escapes(arc_recorder.with_finite_numbers(document))::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
    END;
END
$$;

-- The documents: as jsonb for ->> and jsonpath, and as the text that was recorded, byte for byte. They
-- are only read if a query names one of these columns.
CREATE VIEW arc_recorder.outcome_documents AS
SELECT
    simulation_id, outcome_id, partition_time, scenario_id, trial, received_at, status,
    arc_recorder.sanitised(document_text) AS document, document_text
FROM (
    SELECT *, (
        SELECT string_agg(piece.document, '' ORDER BY piece.part)
        FROM arc_recorder.documents AS piece
        WHERE piece.simulation_id = outcome.simulation_id
            AND piece.outcome_id = outcome.outcome_id
            AND piece.partition_time = outcome.partition_time
    ) AS document_text
    FROM arc_recorder.outcomes AS outcome
) AS outcome;

-- The advisory lock of a simulation's figures: shared while results are recorded, exclusive for the
-- moment in which a session begins to compute the figures to be frozen. Names are looked up here,
-- once.
CREATE FUNCTION arc_recorder.figures_lock(simulation_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.hashtextextended(simulation_id::text, 6066983);

-- Refuses a simulation that was removed. It cannot be removed until the end of the transaction, which
-- therefore leaves no row behind. The lock is taken before the row is read, in separate statements, which
-- is why this is a function. ARC01 is the code of the error for programs.
CREATE FUNCTION arc_recorder.require_not_removed(id uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    removed record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(arc_recorder.figures_lock(id));
    SELECT coalesce(simulation_name, 'unnamed') AS simulation_name, removed_by,
            to_char(removed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS removed_at
        INTO removed
        FROM arc_recorder.removed_simulations WHERE simulation_id = id;
    IF FOUND THEN
        RAISE EXCEPTION 'simulation % (%) was removed by % at %',
            id, removed.simulation_name, removed.removed_by, removed.removed_at
            USING ERRCODE = 'ARC01';
    END IF;
    RETURN true;
END
$$;

-- Called first in every transaction that records results: refuses simulations that were removed, and
-- marks the figures of those that have ended. No session can begin to compute figures during the
-- transaction, so that every row is either in the figures or comes after a mark. Locks are taken in order
-- of the ids, to prevent deadlocks.
CREATE FUNCTION arc_recorder.note_results(simulation_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    noted uuid;
BEGIN
    FOR noted IN SELECT DISTINCT id FROM unnest(simulation_ids) AS id ORDER BY id LOOP
        PERFORM arc_recorder.require_not_removed(noted);
        UPDATE arc_recorder.simulations SET figures_state = 'stale'
            WHERE simulation_id = noted AND status <> 'running' AND figures_state <> 'stale';
    END LOOP;
    RETURN true;
END
$$;
