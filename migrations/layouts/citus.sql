-- The layout `citus`: simulations and all rows that belong to one are distributed by simulation_id
-- and colocated; the small tables are on every node. Safe to repeat: tables that are distributed stay
-- so, and the others are distributed. Existing rows are moved, which blocks all other sessions
-- meanwhile.

-- One transaction makes both reference tables and distributed ones.
SET LOCAL citus.multi_shard_modify_mode TO 'sequential';
DO $$
DECLARE
    name text;
    qualified text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RAISE EXCEPTION 'the extension citus is not in this database'
            USING HINT = 'run CREATE EXTENSION citus as a superuser';
    END IF;

    FOREACH name IN ARRAY ARRAY[
        'installation', 'schema_migrations', 'config_versions', 'scenarios', 'extractors',
        'access_tokens', 'document_headers', 'price_tables'
    ] LOOP
        qualified := 'arc_recorder.' || name;
        -- A later migration might create one of them.
        CONTINUE WHEN to_regclass(qualified) IS NULL;
        IF NOT EXISTS (
            SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(qualified)
        ) THEN
            PERFORM pg_catalog.create_reference_table(qualified::regclass);
        END IF;
    END LOOP;

    -- simulations comes first: the other tables are colocated with it.
    FOREACH name IN ARRAY ARRAY[
        'simulations', 'removed_simulations', 'planned_scenarios', 'metric_declarations', 'selections',
        'outcomes', 'documents', 'rejected_results', 'replaced_extractions', 'annotations'
    ] LOOP
        qualified := 'arc_recorder.' || name;
        IF NOT EXISTS (
            SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(qualified)
        ) THEN
            PERFORM pg_catalog.create_distributed_table(qualified::regclass, 'simulation_id',
                colocate_with =>
                    CASE name WHEN 'simulations' THEN 'none' ELSE 'arc_recorder.simulations' END);
            -- The rows that were in the local table are now in the shards, so the local copies are
            -- useless.
            PERFORM pg_catalog.truncate_local_data_after_distributing_table(qualified::regclass);
        END IF;
    END LOOP;

    -- The view outcome_documents runs on the workers, next to the documents.
    BEGIN
        PERFORM pg_catalog.create_distributed_function('arc_recorder.sanitised(text)');
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'arc_recorder.sanitised is not on the workers: %', SQLERRM;
    END;
END
$$;
