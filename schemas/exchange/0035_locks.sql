-- SPDX-License-Identifier: Apache-2.0
-- The log's lock, the heads' and the partitions' are on tables that nobody has any right to. An advisory lock may be
-- taken by whoever can log in: one who may only read could have kept every broker from writing, for as long as they
-- liked. A table's lock ends with its transaction and its session, too.

CREATE TABLE exchange.lock_of_log ();
CREATE TABLE exchange.lock_of_heads ();
CREATE TABLE exchange.lock_of_partitions ();
REVOKE ALL ON exchange.lock_of_log, exchange.lock_of_heads, exchange.lock_of_partitions FROM PUBLIC;

CREATE OR REPLACE FUNCTION exchange.lock_log() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    LOCK TABLE exchange.lock_of_log IN EXCLUSIVE MODE
$$;
CREATE OR REPLACE FUNCTION exchange.lock_heads() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    LOCK TABLE exchange.lock_of_heads IN EXCLUSIVE MODE
$$;
CREATE OR REPLACE FUNCTION exchange.segment_partition(from_position bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width CONSTANT bigint := 100000000;
    n bigint := from_position / width;
BEGIN
    IF to_regclass(format('exchange.segment_%s', n)) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE exchange.lock_of_partitions IN EXCLUSIVE MODE;
    IF to_regclass(format('exchange.segment_%s', n)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE exchange.segment_%s
                    (LIKE exchange.segment INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', n);
    EXECUTE format('ALTER TABLE exchange.segment ATTACH PARTITION exchange.segment_%s
                    FOR VALUES FROM (%s) TO (%s)', n, n * width, (n + 1) * width);
END $$;

-- An error of a function shows the row to its owner, and so to whoever called it: it must come before.
CREATE OR REPLACE FUNCTION exchange.erase_version(erased bigint, version bigint, record bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE exchange.record_version v SET record = $3 FROM exchange.erasure e
        WHERE $3 IS NOT NULL AND e.position = $1 AND e.logged_position IS NOT NULL AND NOT e.done
        AND v.person = e.person AND v.domain = e.domain AND v.record_key = e.record_key AND v.position = $2
        RETURNING 1)
    SELECT count(*) FROM done
$$;
CREATE OR REPLACE FUNCTION exchange.erase_segment(first bigint, summary bytea, payload bytea, batch bytea)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE exchange.segment g SET summary = $2, payload = $3, batch = $4
        WHERE $2 IS NOT NULL AND g.first_position = $1 AND EXISTS (
            SELECT FROM exchange.erasure e WHERE e.position BETWEEN g.first_position AND g.last_position
            AND e.logged_position IS NOT NULL AND NOT e.done)
        RETURNING 1)
    SELECT count(*) FROM done
$$;

-- Nobody who works with the exchange makes tables or functions in it, not even for a session.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
END $$;
