-- Indexes and statistics that keep queries fast at ten million outcomes.

-- A simulation's outcomes in the order in which they are read, a page at a time. The collation is
-- byte order, so that it is the same in every database. Attempts at the same trial are sorted when
-- they are read.
CREATE INDEX outcomes_places ON arc_recorder.outcomes
    (simulation_id, scenario_id COLLATE "C", trial);

-- Without statistics, the planner assumes that a simulation has one in two hundred of all rows, which
-- is its default for a column. Statistics do not cover the simulations that were started after the
-- last ANALYZE: with them the planner expects no rows, and then considers any index on simulation_id
-- equally good.
ALTER TABLE arc_recorder.outcomes ALTER COLUMN simulation_id SET STATISTICS 0;
ALTER TABLE arc_recorder.rejected_results ALTER COLUMN simulation_id SET STATISTICS 0;

-- The simulations of one status, newest first.
CREATE INDEX simulations_newest_of_status ON arc_recorder.simulations
    (status, created_at DESC, simulation_id DESC);

-- Whether computed_figures match the outcomes:
--   stale      they do not, or it is unknown
--   computing  the owner of figures_claim is computing them
--   frozen     they do
ALTER TABLE arc_recorder.simulations
    ADD COLUMN figures_state text NOT NULL DEFAULT 'stale'
        CHECK (figures_state IN ('stale', 'computing', 'frozen')),
    ADD COLUMN figures_claim uuid,
    ADD COLUMN figures_claimed_at timestamptz;

-- The advisory lock of a simulation's figures: shared while results are recorded, exclusive for the
-- moment in which a session begins to compute the figures to be frozen. Names are looked up here,
-- once.
CREATE FUNCTION arc_recorder.figures_lock(simulation_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.hashtextextended(simulation_id::text, 6066983);

-- Called first in every transaction that records results: marks the figures of simulations that have
-- ended. No session can begin to compute figures during the transaction, so that every row is either
-- in the figures or comes after a mark. The lock is taken before the row is read, in separate
-- statements, which is why this is a function. Locks are taken in order of the ids, to prevent
-- deadlocks.
CREATE FUNCTION arc_recorder.note_results(simulation_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    noted uuid;
BEGIN
    FOR noted IN SELECT DISTINCT id FROM unnest(simulation_ids) AS id ORDER BY id LOOP
        PERFORM pg_advisory_xact_lock_shared(arc_recorder.figures_lock(noted));
        UPDATE arc_recorder.simulations SET figures_state = 'stale'
            WHERE simulation_id = noted AND status <> 'running' AND figures_state <> 'stale';
    END LOOP;
    RETURN true;
END
$$;
