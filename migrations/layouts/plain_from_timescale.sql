-- From the layout `timescale` to `plain`: moves each hypertable's rows into a plain table, which takes
-- over its name, indexes, views and privileges. All other sessions are blocked meanwhile. If other
-- objects depend on a table, dropping it fails, and nothing is changed.
DO $$
DECLARE
    hypertables CONSTANT regclass[] := ARRAY['arc_recorder.outcomes', 'arc_recorder.documents'];
    made text[] := '{}';
    found record;
    readers oid[];
BEGIN
    LOCK TABLE arc_recorder.outcomes, arc_recorder.documents IN ACCESS EXCLUSIVE MODE;
    WITH RECURSIVE reading (oid) AS (
        SELECT hypertable::oid FROM unnest(hypertables) AS hypertable
        UNION
        SELECT class.oid
        FROM reading
        JOIN pg_depend AS depend
            ON depend.refobjid = reading.oid AND depend.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
        JOIN pg_class AS class ON class.oid = rewrite.ev_class
        WHERE class.relnamespace = 'arc_recorder'::regnamespace AND class.relkind = 'v'
    )
    SELECT array_agg(oid) INTO readers FROM reading WHERE oid <> ALL (hypertables::oid[]);

    -- The objects to recreate, in this order: keys, indexes, statistics targets, views, privileges.
    FOR found IN
        SELECT relname AS table, conname AS name,
            pg_get_constraintdef(pg_constraint.oid) AS definition
        FROM pg_constraint
        JOIN pg_class ON pg_class.oid = conrelid
        WHERE conrelid = ANY (hypertables) AND contype IN ('p', 'u')
    LOOP
        made := made || format('ALTER TABLE arc_recorder.%I ADD CONSTRAINT %I %s',
            found.table, found.name, found.definition);
    END LOOP;
    FOR found IN
        SELECT pg_get_indexdef(indexrelid) AS definition
        FROM pg_index
        WHERE indrelid = ANY (hypertables) AND NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conindid = indexrelid AND contype IN ('p', 'u')
        )
    LOOP
        made := made || found.definition;
    END LOOP;
    FOR found IN
        SELECT relname AS table, attname AS name, attstattarget AS target
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE attrelid = ANY (hypertables) AND attnum > 0 AND attstattarget >= 0
    LOOP
        made := made || format('ALTER TABLE arc_recorder.%I ALTER COLUMN %I SET STATISTICS %s',
            found.table, found.name, found.target);
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
            AND (class.oid = ANY (hypertables) OR class.relkind = 'v')
    LOOP
        made := made || format('GRANT %s ON arc_recorder.%I TO %s%s', found.privilege, found.name,
            found.grantee, CASE WHEN found.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;

    FOR found IN SELECT relname AS name FROM pg_class WHERE oid = ANY (readers) ORDER BY oid DESC LOOP
        EXECUTE format('DROP VIEW arc_recorder.%I', found.name);
    END LOOP;
    FOR found IN
        SELECT relname AS name, relname || '_plain' AS plain
        FROM pg_class WHERE oid = ANY (hypertables)
    LOOP
        EXECUTE format(
            'CREATE TABLE arc_recorder.%I (LIKE arc_recorder.%I INCLUDING ALL EXCLUDING INDEXES)',
            found.plain, found.name);
        EXECUTE format('INSERT INTO arc_recorder.%I SELECT * FROM arc_recorder.%I',
            found.plain, found.name);
        EXECUTE format('DROP TABLE arc_recorder.%I', found.name);
        EXECUTE format('ALTER TABLE arc_recorder.%I RENAME TO %I', found.plain, found.name);
    END LOOP;
    FOR place IN 1 .. cardinality(made) LOOP
        EXECUTE made[place];
    END LOOP;
END
$$;
