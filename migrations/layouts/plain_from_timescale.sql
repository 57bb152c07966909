-- From the layout `timescale` to `plain`: moves the hypertable's rows into a plain table, which takes
-- over its name, indexes, views and privileges. All other sessions are blocked meanwhile. If other
-- objects depend on the table, dropping it fails, and nothing is changed.
DO $$
DECLARE
    made text[] := '{}';
    found record;
BEGIN
    LOCK TABLE arc_recorder.outcomes IN ACCESS EXCLUSIVE MODE;

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
    FOR found IN
        SELECT DISTINCT class.oid, class.relname AS name,
            pg_get_viewdef(class.oid) AS definition
        FROM pg_depend AS depend
        JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
        JOIN pg_class AS class ON class.oid = rewrite.ev_class
        WHERE depend.classid = 'pg_rewrite'::regclass
            AND depend.refobjid = 'arc_recorder.outcomes'::regclass
            AND class.relnamespace = 'arc_recorder'::regnamespace AND class.relkind = 'v'
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
    FOR found IN
        SELECT DISTINCT class.relname AS name
        FROM pg_depend AS depend
        JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
        JOIN pg_class AS class ON class.oid = rewrite.ev_class
        WHERE depend.classid = 'pg_rewrite'::regclass
            AND depend.refobjid = 'arc_recorder.outcomes'::regclass
            AND class.relnamespace = 'arc_recorder'::regnamespace AND class.relkind = 'v'
    LOOP
        EXECUTE format('DROP VIEW arc_recorder.%I', found.name);
    END LOOP;
    DROP TABLE arc_recorder.outcomes;
    ALTER TABLE arc_recorder.outcomes_plain RENAME TO outcomes;
    FOR place IN 1 .. cardinality(made) LOOP
        EXECUTE made[place];
    END LOOP;
END
$$;
