-- From the layout `citus` to `plain`: moves every table back to the coordinator, with its rows.
SET LOCAL citus.multi_shard_modify_mode TO 'sequential';
DO $$
DECLARE
    distributed regclass;
BEGIN
    FOR distributed IN
        SELECT logicalrelid FROM pg_dist_partition
        JOIN pg_class ON pg_class.oid = logicalrelid
        WHERE relnamespace = 'arc_recorder'::regnamespace
        ORDER BY logicalrelid
    LOOP
        PERFORM pg_catalog.undistribute_table(distributed);
    END LOOP;
END
$$;
