-- The layout `citus`: simulations and all that belongs to one are distributed by simulation_id and lie
-- together; the small tables are on every node. Safe to repeat: what is distributed stays so, what
-- is not yet is. Rows that are there move, while everybody else waits.

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
        'access_tokens', 'document_headers'
    ] LOOP
        qualified := 'arc_recorder.' || name;
        -- One of them may come with a later migration.
        CONTINUE WHEN to_regclass(qualified) IS NULL;
        IF NOT EXISTS (
            SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(qualified)
        ) THEN
            PERFORM pg_catalog.create_reference_table(qualified::regclass);
        END IF;
    END LOOP;

    -- simulations comes first: the others lie where it does.
    FOREACH name IN ARRAY ARRAY[
        'simulations', 'planned_scenarios', 'outcomes', 'rejected_results', 'replaced_extractions'
    ] LOOP
        qualified := 'arc_recorder.' || name;
        IF NOT EXISTS (
            SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(qualified)
        ) THEN
            PERFORM pg_catalog.create_distributed_table(qualified::regclass, 'simulation_id',
                colocate_with =>
                    CASE name WHEN 'simulations' THEN 'none' ELSE 'arc_recorder.simulations' END);
            -- What was in the table before is in the shards now, and here for nothing.
            PERFORM pg_catalog.truncate_local_data_after_distributing_table(qualified::regclass);
        END IF;
    END LOOP;

    -- The view outcome_documents runs where the documents are.
    BEGIN
        PERFORM pg_catalog.create_distributed_function('arc_recorder.sanitised(json)');
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'arc_recorder.sanitised is not on the workers: %', SQLERRM;
    END;
END
$$;
