-- SPDX-License-Identifier: Apache-2.0
-- What is kept of the log for how long. Payloads and batches go; segment rows, hashes and masked summaries stay, so
-- that every proof holds. Record versions are untouched: what is held, and its history, does not depend on payloads.

-- Up to the greatest `position` the log is trimmed. Written, and known to brokers, before anything is taken away.
CREATE TABLE exchange.trim (
    trim       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position   bigint NOT NULL,
    trimmed_by text NOT NULL DEFAULT session_user,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX trim_position ON exchange.trim (position);
CREATE INDEX segment_kept ON exchange.segment (first_position) WHERE payload IS NOT NULL;

-- Takes away what may go of at most 200 segments behind `after`. What a stream's agent may not have heard of yet (its
-- newest 256 segments) and what an open exception is about stay until a later time. *last: where to go on, null at the
-- end. Never more than exchange.trim says.
CREATE FUNCTION exchange.trim_step(after bigint, OUT last bigint, OUT segments bigint, OUT bytes bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH page AS MATERIALIZED (
        SELECT g.first_position, g.last_position, g.stream,
               pg_column_size(g.payload) + coalesce(pg_column_size(g.batch), 0) AS bytes
        FROM exchange.segment g
        WHERE g.payload IS NOT NULL AND g.first_position > $1
        AND g.first_position <= (SELECT max(position) FROM exchange.trim)
        AND g.last_position <= (SELECT max(position) FROM exchange.trim)
        ORDER BY g.first_position LIMIT 200),
    free AS (
        SELECT * FROM page p
        WHERE NOT EXISTS (SELECT FROM exchange.exception e
                          WHERE e.open AND e.position BETWEEN p.first_position AND p.last_position)
        AND (p.stream IS NULL OR EXISTS (
            SELECT FROM exchange.segment n WHERE n.stream = p.stream AND n.first_position > p.first_position
            ORDER BY n.first_position OFFSET 255 LIMIT 1))),
    gone AS (
        UPDATE exchange.segment g SET payload = NULL, batch = NULL FROM free f
        WHERE g.first_position = f.first_position RETURNING f.bytes)
    SELECT (SELECT max(first_position) FROM page), (SELECT count(*) FROM gone),
           (SELECT coalesce(sum(gone.bytes), 0)::bigint FROM gone)
$$;

REVOKE ALL ON exchange.trim FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.trim_step(bigint) FROM PUBLIC;
GRANT SELECT ON exchange.trim TO dongbo_broker, dongbo_operator, dongbo_reader;
GRANT INSERT (position) ON exchange.trim TO dongbo_operator;
GRANT EXECUTE ON FUNCTION exchange.trim_step(bigint) TO dongbo_operator;
