-- What an extractor had made of a result before a newer one took its place: written by
-- `arc-host reextract` and `arc-host retry-rejected`, which are the only commands that change
-- what was recorded. Recording never touches it.
CREATE TABLE arc_recorder.replaced_extractions (
    simulation_id uuid NOT NULL,
    outcome_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    -- Who had extracted, and who does now.
    extractor_id uuid NOT NULL,
    replaced_by uuid NOT NULL,
    -- What the verdict was.
    verdict text NOT NULL CHECK (verdict IN ('accepted', 'rejected')),
    -- What it was. Of an accepted result: the columns of outcomes that were changed, with the
    -- values they had. Of a rejected one: its violations and its position.
    replaced jsonb NOT NULL,
    PRIMARY KEY (simulation_id, outcome_id, started_at, replaced_at)
);
