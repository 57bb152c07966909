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

DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_settings
        WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
    ) THEN
        ALTER TABLE arc_recorder.document_headers ALTER COLUMN header SET COMPRESSION lz4;
    END IF;
END
$$;

-- The header of the result's file; null if the file has none.
ALTER TABLE arc_recorder.outcomes ADD COLUMN header_id uuid;
ALTER TABLE arc_recorder.rejected_results ADD COLUMN header_id uuid;
