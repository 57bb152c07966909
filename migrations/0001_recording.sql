-- The recorded data: configurations, scenarios, simulations with their plan, outcomes, and rejected
-- results. Recording only adds rows; progress and the status of a scenario are views.
--
-- The two fact tables (outcomes, rejected_results) have the key (simulation_id, outcome_id,
-- started_at). started_at is always the simulation's own, so that the tables can be partitioned by
-- time, and simulation_id comes first, so that they can be distributed by it. They have no foreign
-- keys and no triggers.

-- One row that describes the layout of the tables. Only a migration command changes it.
CREATE TABLE arc_recorder.installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    layout text NOT NULL CHECK (layout IN ('plain', 'timescale', 'citus')),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO arc_recorder.installation (layout) VALUES ('plain');

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
    simulation_name text,
    config_version_id text NOT NULL,
    modal_app_id text,
    modal_environment text NOT NULL,
    sandbox_instances integer,
    metadata json,
    trials integer NOT NULL CHECK (trials >= 1),
    planned_scenarios integer NOT NULL,
    plan_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    status_reason text,
    completed_at timestamptz,
    -- The effective figures: the suite's own, or else the computed ones.
    overall_score double precision,
    total_cost_usd double precision,
    execution_time_ms double precision,
    -- The suite's own figures, and those computed from the recorded outcomes.
    suite_figures jsonb,
    computed_figures jsonb
);
CREATE INDEX simulations_newest ON arc_recorder.simulations (created_at DESC, simulation_id DESC);

-- The scenarios with which a simulation was started.
CREATE TABLE arc_recorder.planned_scenarios (
    simulation_id uuid NOT NULL,
    scenario_id text NOT NULL,
    execution_order integer NOT NULL,
    scenario_version_id uuid NOT NULL,
    PRIMARY KEY (simulation_id, scenario_id)
);

-- Every accepted result: the fields that people query, and the unchanged document. Offsets and
-- lengths are in bytes of UTF-8 in the document.
CREATE TABLE arc_recorder.outcomes (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    scenario_id text NOT NULL,
    scenario_name text,
    trial integer NOT NULL,
    received_at timestamptz NOT NULL,
    execution_time timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'error', 'timeout', 'cancelled')),
    reliability_score double precision,
    execution_time_ms double precision NOT NULL,
    tokens_used bigint NOT NULL,
    cost_usd double precision NOT NULL,
    error_code text,
    error_category text,
    error_message text,
    modal_call_id text,
    sandbox_id text,
    metrics jsonb NOT NULL,
    warnings jsonb,
    extractor_id uuid NOT NULL,
    scenario_offset integer,
    scenario_length integer,
    trajectory_offset integer,
    trajectory_length integer,
    detailed_trajectory_offset integer,
    detailed_trajectory_length integer,
    dimensions_offset integer,
    dimensions_length integer,
    -- json, not jsonb: it preserves the order of keys, the spelling of numbers and \u0000.
    document json NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, started_at)
);
-- It contains failures only, so that recording a success does not write to it.
CREATE INDEX outcomes_failures ON arc_recorder.outcomes (execution_time DESC, outcome_id)
    WHERE status <> 'success';

-- Every rejected result, once, with the reasons. The bytes need not be text.
CREATE TABLE arc_recorder.rejected_results (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- Its position in the submitted data, counted from 0.
    position bigint,
    trial integer,
    modal_call_id text,
    sandbox_id text,
    violations jsonb NOT NULL,
    extractor_id uuid NOT NULL,
    -- The length of the whole document; of a document beyond the size limit, only the start is
    -- stored.
    document_bytes bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, started_at)
);

-- lz4 halves the time to store a document. Not every server is built with it.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_settings
        WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
    ) THEN
        ALTER TABLE arc_recorder.outcomes ALTER COLUMN document SET COMPRESSION lz4;
        ALTER TABLE arc_recorder.rejected_results ALTER COLUMN document SET COMPRESSION lz4;
    END IF;
END
$$;

-- Each planned scenario and trial with its status: the outcome of the latest attempt.
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
CROSS JOIN LATERAL generate_series(1, simulation.trials) AS trials (trial)
LEFT JOIN (
    SELECT DISTINCT ON (simulation_id, scenario_id, trial)
        simulation_id, scenario_id, trial, status, outcome_id, modal_call_id, sandbox_id,
        received_at
    FROM arc_recorder.outcomes
    ORDER BY simulation_id, scenario_id, trial, received_at DESC, outcome_id DESC
) AS latest
    ON latest.simulation_id = plan.simulation_id
    AND latest.scenario_id = plan.scenario_id
    AND latest.trial = trials.trial;

-- A document as jsonb. Values that jsonb cannot represent are replaced: NUL and lone surrogates by
-- U+FFFD; a document with a number beyond numeric's range becomes null.
CREATE FUNCTION arc_recorder.sanitised(document json) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN document::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    BEGIN
        -- An escape counts only after an even number of backslashes.
        RETURN regexp_replace(regexp_replace(regexp_replace(
            document::text,
            '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g'),
            '(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})',
            '\1\\ufffd', 'g'),
            '(?<!(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)((?:\\\\)*)\\u[dD][c-fC-F][0-9a-fA-F]{2}',
            '\1\\ufffd', 'g')::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
    END;
END
$$;

-- The documents for ->> and jsonpath. For byte-exact reads, use outcomes.document.
CREATE VIEW arc_recorder.outcome_documents AS
SELECT
    simulation_id, outcome_id, started_at, scenario_id, trial, received_at, status,
    arc_recorder.sanitised(document) AS document
FROM arc_recorder.outcomes;
