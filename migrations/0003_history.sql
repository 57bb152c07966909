-- Earlier extractions of results that were replaced by a newer extractor. Written by `arc-host
-- reextract` and `arc-host retry-rejected`, the only commands that change recorded data. Recording
-- never uses this table.
CREATE TABLE arc_recorder.replaced_extractions (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    -- The previous extractor and the new one.
    extractor_id uuid NOT NULL,
    replaced_by uuid NOT NULL,
    -- The previous verdict.
    verdict text NOT NULL CHECK (verdict IN ('accepted', 'rejected')),
    -- The previous values. Of an accepted result: the changed columns of outcomes, with their
    -- previous values. Of a rejected one: its violations and its position.
    replaced jsonb NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, started_at, replaced_at)
);
