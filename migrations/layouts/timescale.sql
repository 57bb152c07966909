-- The layout `timescale`: outcomes and their documents are hypertables on partition_time; outcomes have
-- a columnstore and a policy that moves old chunks into it. Documents stay as they are, each to be found
-- by its key: a columnstore would compress hundreds of them together, to about the same size. Safe to
-- repeat: existing parts stay, and missing ones are added. TimescaleDB's Apache edition has hypertables
-- only, so the rest is skipped there.
--
-- All rows of a simulation have the simulation's partition_time, so a chunk contains whole simulations.
-- In the columnstore, a batch contains rows of one simulation, in the order of the ids that are
-- looked up when a result is submitted again.
DO $$
DECLARE
    home text := (
        SELECT quote_ident(namespace.nspname)
        FROM pg_extension AS extension
        JOIN pg_namespace AS namespace ON namespace.oid = extension.extnamespace
        WHERE extension.extname = 'timescaledb'
    );
    name text;
    columnstore boolean := coalesce(current_setting('timescaledb.license', true), '') = 'timescale';
BEGIN
    IF home IS NULL THEN
        RAISE EXCEPTION 'the extension timescaledb is not in this database'
            USING HINT = 'run CREATE EXTENSION timescaledb as a superuser';
    END IF;

    FOREACH name IN ARRAY ARRAY['outcomes', 'documents'] LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM timescaledb_information.hypertables
            WHERE hypertable_schema = 'arc_recorder' AND hypertable_name = name
        );
        -- Existing rows are moved into chunks, which blocks all other sessions meanwhile.
        EXECUTE format(
            'SELECT %s.create_hypertable(%L, ''partition_time'',
                 chunk_time_interval => interval ''7 days'', create_default_indexes => false,
                 migrate_data => true)',
            home, 'arc_recorder.' || name);
    END LOOP;

    IF columnstore AND NOT EXISTS (
        SELECT FROM timescaledb_information.hypertables
        WHERE hypertable_schema = 'arc_recorder' AND hypertable_name = 'outcomes'
            AND compression_enabled
    ) THEN
        -- The older names of the settings: every release since 2.0 accepts them.
        ALTER TABLE arc_recorder.outcomes SET (
            timescaledb.compress,
            timescaledb.compress_segmentby = 'simulation_id',
            timescaledb.compress_orderby = 'outcome_id'
        );
    END IF;

    IF columnstore AND NOT EXISTS (
        SELECT FROM timescaledb_information.jobs
        WHERE hypertable_schema = 'arc_recorder' AND hypertable_name = 'outcomes'
            AND proc_name = 'policy_compression'
    ) THEN
        -- Few results arrive later than that: each would open a batch of the columnstore.
        EXECUTE format(
            'SELECT %s.add_compression_policy(''arc_recorder.outcomes'', interval ''14 days'')',
            home);
    END IF;
END
$$;
