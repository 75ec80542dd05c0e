-- SPDX-License-Identifier: Apache-2.0
--
-- An outbox in an agency's own PostgreSQL (12 or later), for `dongbo-agent publish` and a source of kind outbox. Run it
-- once as the owner of the data; running it again does no harm. Then, for each table whose changes the exchange gets:
--
--   CREATE TRIGGER dongbo_outbox AFTER INSERT OR UPDATE OR DELETE ON hospital.vaccination
--       FOR EACH ROW EXECUTE FUNCTION public.dongbo_outbox_add();
--
-- and for the role that the agent connects as:
--
--   GRANT SELECT, UPDATE ON public.dongbo_outbox TO dongbo_agent;      -- and DELETE with `take: delete`
--   GRANT SELECT, INSERT ON public.dongbo_outbox_result TO dongbo_agent;
--
-- The trigger writes in the transaction of the change itself: what is rolled back was never in the outbox. A mapping
-- names the row's columns, and dongbo_op for what was done (I, U, D):
--
--   operation: {column: dongbo_op, retract: ["D"]}
--
-- Rows taken stay with taken_at set until somebody deletes them (take: mark), or go at once (take: delete): an agent
-- whose spool is lost before it was delivered can read them again only where they stay.
-- A row whose taken_at is set back to NULL, corrected or not, is taken again. One that is corrected while it is NULL is
-- taken as it is then, also where it was in the spool before and not marked yet (the agent was killed in between).
-- Rows refused, and verdicts that came later, stand in dongbo_outbox_result. What that does not take (by a constraint
-- or trigger of yours, or the database's encoding) the agent says, keeps and tries again; others are written all the
-- same.
BEGIN;

CREATE TABLE IF NOT EXISTS public.dongbo_outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    op       text NOT NULL CHECK (op IN ('I', 'U', 'D')),
    "row"    jsonb NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz
);
CREATE INDEX IF NOT EXISTS dongbo_outbox_waiting ON public.dongbo_outbox (id) WHERE taken_at IS NULL;

CREATE TABLE IF NOT EXISTS public.dongbo_outbox_result (
    id       bigint NOT NULL,              -- of the outbox row
    "row"    jsonb NOT NULL,               -- as it was
    verdict  text NOT NULL,                -- REJECTED, MISMATCH; later also ACCEPTED, UNCHANGED, SUPERSEDED
    reasons  text NOT NULL,                -- CODE:field, separated by spaces
    text_vi  text NOT NULL,
    text_en  text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(), -- of the answer, by the agent's clock: the last one holds
    mark     text NOT NULL UNIQUE          -- one result is written once, whatever dies when
);
CREATE INDEX IF NOT EXISTS dongbo_outbox_result_id ON public.dongbo_outbox_result (id);

-- For any table. Runs with its owner's rights, so that those who change the table need none on the outbox.
CREATE OR REPLACE FUNCTION public.dongbo_outbox_add() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.dongbo_outbox (op, "row")
    VALUES (left(TG_OP, 1), CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END);
    -- Equal notices of one transaction are sent once.
    NOTIFY dongbo_outbox;
    RETURN NULL;
END $$;

COMMIT;
