-- From the layout `timescale` to `plain`: moves the hypertable's rows into a plain table, which takes
-- over its name, indexes, views and privileges. All other sessions are blocked meanwhile. If other
-- objects depend on the table, dropping it fails, and nothing is changed.
DO $$
DECLARE
    made text[] := '{}';
    found record;
    readers oid[];
BEGIN
    LOCK TABLE arc_recorder.outcomes IN ACCESS EXCLUSIVE MODE;
    WITH RECURSIVE reading (oid) AS (
        SELECT 'arc_recorder.outcomes'::regclass::oid
        UNION
        SELECT class.oid
        FROM reading
        JOIN pg_depend AS depend
            ON depend.refobjid = reading.oid AND depend.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
        JOIN pg_class AS class ON class.oid = rewrite.ev_class
        WHERE class.relnamespace = 'arc_recorder'::regnamespace AND class.relkind = 'v'
    )
    SELECT array_agg(oid) INTO readers FROM reading
    WHERE oid <> 'arc_recorder.outcomes'::regclass::oid;

    -- The objects to recreate, in this order: keys, indexes, statistics targets, views, privileges.
    FOR found IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE conrelid = 'arc_recorder.outcomes'::regclass AND contype IN ('p', 'u')
    LOOP
        made := made || format(
            'ALTER TABLE arc_recorder.outcomes ADD CONSTRAINT %I %s', found.name, found.definition);
    END LOOP;
    FOR found IN
        SELECT pg_get_indexdef(indexrelid) AS definition
        FROM pg_index
        WHERE indrelid = 'arc_recorder.outcomes'::regclass AND NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conindid = indexrelid AND contype IN ('p', 'u')
        )
    LOOP
        made := made || found.definition;
    END LOOP;
    FOR found IN
        SELECT attname AS name, attstattarget AS target
        FROM pg_attribute
        WHERE attrelid = 'arc_recorder.outcomes'::regclass AND attnum > 0 AND attstattarget >= 0
    LOOP
        made := made || format(
            'ALTER TABLE arc_recorder.outcomes ALTER COLUMN %I SET STATISTICS %s',
            found.name, found.target);
    END LOOP;
    -- Views that read it, also through another view. A view is made after those that it reads, so
    -- their oids are in order.
    FOR found IN
        SELECT relname AS name, pg_get_viewdef(oid) AS definition
        FROM pg_class WHERE oid = ANY (readers) ORDER BY oid
    LOOP
        made := made
            || format('CREATE VIEW arc_recorder.%I AS %s', found.name, found.definition);
    END LOOP;
    FOR found IN
        SELECT class.relname AS name, rights.privilege_type AS privilege, rights.is_grantable,
            CASE rights.grantee WHEN 0 THEN 'PUBLIC' ELSE rights.grantee::regrole::text END
                AS grantee
        FROM pg_class AS class
        CROSS JOIN LATERAL aclexplode(class.relacl) AS rights
        WHERE class.relnamespace = 'arc_recorder'::regnamespace
            AND rights.grantee <> class.relowner
            AND (class.oid = 'arc_recorder.outcomes'::regclass OR class.relkind = 'v')
    LOOP
        made := made || format('GRANT %s ON arc_recorder.%I TO %s%s', found.privilege, found.name,
            found.grantee, CASE WHEN found.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;

    CREATE TABLE arc_recorder.outcomes_plain (
        LIKE arc_recorder.outcomes INCLUDING ALL EXCLUDING INDEXES
    );
    INSERT INTO arc_recorder.outcomes_plain SELECT * FROM arc_recorder.outcomes;
    FOR found IN SELECT relname AS name FROM pg_class WHERE oid = ANY (readers) ORDER BY oid DESC LOOP
        EXECUTE format('DROP VIEW arc_recorder.%I', found.name);
    END LOOP;
    DROP TABLE arc_recorder.outcomes;
    ALTER TABLE arc_recorder.outcomes_plain RENAME TO outcomes;
    FOR place IN 1 .. cardinality(made) LOOP
        EXECUTE made[place];
    END LOOP;
END
$$;
