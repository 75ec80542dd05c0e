-- SPDX-License-Identifier: Apache-2.0
-- Who may order erasures writes rows of their own: a broker holds each against the entry there, and refuses what
-- does not fit it, with the reason. Nothing goes for such a row, and no tombstone is written.
ALTER TABLE exchange.erasure
    ADD refused       text,                            -- why; null: it was not
    ADD logged_before bigint;                          -- of the tombstone of when it went with another event's
-- Whose word goes is said whole, or the row is nowhere among those of its record, and all wait behind it.
ALTER TABLE exchange.erasure ADD CONSTRAINT erasure_word CHECK (person IS NULL OR (domain IS NOT NULL
    AND record_key IS NOT NULL AND event_id IS NOT NULL AND event_time_us IS NOT NULL)) NOT VALID;
GRANT SELECT (refused) ON exchange.erasure TO dongbo_reader;

-- One that went before stays done, as it was: its tombstone stands.
CREATE FUNCTION exchange.refuse_erasures(positions bigint[], reasons text[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH refused AS (
        UPDATE exchange.erasure e SET refused = n.reason, logged_position = e.logged_before,
            done = e.logged_before IS NOT NULL, person = NULL, record_key = NULL, event_id = NULL,
            event_time_us = NULL, about = NULL
        FROM unnest($1, $2) AS n(position, reason)
        WHERE e.position = n.position AND e.logged_position IS NULL AND e.refused IS NULL RETURNING 1)
    SELECT count(*) FROM refused
$$;
-- Makes room for an order that fits, where one was refused.
CREATE FUNCTION exchange.erase_anew(positions bigint[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH said AS (
        DELETE FROM exchange.erased_entry k USING exchange.erasure e WHERE k.position = ANY ($1)
        AND e.position = k.position AND e.refused IS NOT NULL AND e.logged_position IS NULL),
    gone AS (
        DELETE FROM exchange.erasure e
        WHERE e.position = ANY ($1) AND e.refused IS NOT NULL AND e.logged_position IS NULL RETURNING 1)
    SELECT count(*) FROM gone
$$;
CREATE OR REPLACE FUNCTION exchange.erase_again(positions bigint[], ordered text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH again AS (
        UPDATE exchange.erasure e SET ordered = $2, requested_by = session_user, requested_at = now(),
            stream = k.stream, sequence = k.sequence, person = k.person, about = k.person, domain = k.domain,
            record_key = k.record_key, event_id = k.event_id, event_time_us = k.event_time_us,
            logged_before = e.logged_position, logged_position = NULL, done = false, refused = NULL
        FROM exchange.erased_entry k
        WHERE e.position = ANY ($1) AND k.position = e.position AND e.done RETURNING 1),
    told AS (SELECT pg_notify('dongbo_review', ''))
    SELECT count(*) FROM again, told
$$;

REVOKE ALL ON FUNCTION exchange.refuse_erasures(bigint[], text[]), exchange.erase_anew(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.refuse_erasures(bigint[], text[]) TO dongbo_broker;
GRANT EXECUTE ON FUNCTION exchange.erase_anew(bigint[]) TO dongbo_administrator;
