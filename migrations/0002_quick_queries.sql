-- What keeps queries quick at ten million outcomes.

-- A simulation's outcomes in the order in which they are read, a page at a time; byte order, so that
-- it is the same in every database. What a few attempts share is sorted when it is read.
CREATE INDEX outcomes_places ON arc_recorder.outcomes
    (simulation_id, scenario_id COLLATE "C", trial);

-- A simulation's rows are taken for one in two hundred of all, which is what the planner assumes of a
-- column that it knows nothing of. Statistics know nothing of the simulations that were started after
-- the last ANALYZE: they promise no rows, and then any index on simulation_id looks as good as any.
ALTER TABLE arc_recorder.outcomes ALTER COLUMN simulation_id SET STATISTICS 0;
ALTER TABLE arc_recorder.rejected_results ALTER COLUMN simulation_id SET STATISTICS 0;

-- The simulations of one status, newest first.
CREATE INDEX simulations_newest_of_status ON arc_recorder.simulations
    (status, created_at DESC, simulation_id DESC);

-- Whether computed_figures are what the outcomes say:
--   stale      they are not, or nobody knows
--   computing  whoever holds figures_claim computes them
--   frozen     they are
ALTER TABLE arc_recorder.simulations
    ADD COLUMN figures_state text NOT NULL DEFAULT 'stale'
        CHECK (figures_state IN ('stale', 'computing', 'frozen')),
    ADD COLUMN figures_claim uuid,
    ADD COLUMN figures_claimed_at timestamptz;

-- The advisory lock of a simulation's figures: shared by those who record, exclusive for the moment
-- in which somebody begins to compute what is to be frozen. Its names are looked up here, once.
CREATE FUNCTION arc_recorder.figures_lock(simulation_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.hashtextextended(simulation_id::text, 6066983);

-- Called first in every transaction that records results: marks the figures of simulations that have
-- ended. While the transaction lasts nobody begins to compute figures, so that every row is either
-- in the figures or comes after a mark. The lock comes before the look, in statements of their own,
-- which is why this is a function; in order of the ids, so that nobody waits in a circle.
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
