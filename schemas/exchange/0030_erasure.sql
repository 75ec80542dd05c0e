-- SPDX-License-Identifier: Apache-2.0
-- What a law orders erased: entries of the log, by position. A broker takes an event's word out of its record and logs
-- a tombstone for each; then content goes, salts and all, from payload, batch, versions and exceptions. Hashes stay.

CREATE TABLE exchange.erasure (
    position      bigint PRIMARY KEY,                  -- of the entry that goes
    ordered       text NOT NULL CHECK (ordered <> '' AND length(ordered) <= 200), -- by which law or order
    requested_by  text NOT NULL DEFAULT session_user,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    agency        integer NOT NULL,
    leaf          bytea,                               -- the event's, where it has one
    stream        bytea,                               -- the event itself; null: an entry that only repeats its record
    sequence      bigint,
    person        bigint,                              -- whose record its word is taken out of; null: none. Until done
    domain        smallint,
    record_key    text,
    event_id      bytea CHECK (length(event_id) = 16),
    event_time_us bigint,
    logged_position bigint,                            -- of the tombstone; null: no broker has come to it yet
    done          boolean NOT NULL DEFAULT false
);
CREATE INDEX erasure_waiting ON exchange.erasure (position) WHERE logged_position IS NULL;
CREATE INDEX erasure_logged ON exchange.erasure (position) WHERE NOT done;

CREATE FUNCTION exchange.notify_erasure() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('dongbo_review', '');            -- what the re-decider listens to
    RETURN NULL;
END $$;
CREATE TRIGGER notify_erasure AFTER INSERT ON exchange.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.notify_erasure();
-- Brokers have segments in memory, from which they feed; they forget these when they read policies anew.
CREATE TRIGGER notify_policy AFTER UPDATE ON exchange.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.notify_policy();

-- Of the segment that begins there, as it is without what was logged as erased. Nothing but that can be put there
-- unseen: hashes commit to the rest.
CREATE FUNCTION exchange.erase_segment(first bigint, summary bytea, payload bytea, batch bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE exchange.segment g SET summary = $2, payload = $3, batch = $4
        WHERE g.first_position = $1 AND EXISTS (
            SELECT FROM exchange.erasure e WHERE e.position BETWEEN g.first_position AND g.last_position
            AND e.logged_position IS NOT NULL AND NOT e.done)
        RETURNING 1)
    SELECT count(*) FROM done
$$;
-- Of the record of an entry that was logged as erased.
CREATE FUNCTION exchange.erase_version(erased bigint, version bigint, record bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE exchange.record_version v SET record = $3 FROM exchange.erasure e
        WHERE e.position = $1 AND e.logged_position IS NOT NULL AND NOT e.done AND v.person = e.person
        AND v.domain = e.domain AND v.record_key = e.record_key AND v.position = $2
        RETURNING 1)
    SELECT count(*) FROM done
$$;
-- What else is kept of these entries; they are done with.
CREATE FUNCTION exchange.erase_done(positions bigint[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS (
        SELECT e.position, e.stream, e.sequence FROM exchange.erasure e
        WHERE e.position = ANY ($1) AND e.logged_position IS NOT NULL AND NOT e.done),
    held AS (
        UPDATE exchange.exception x SET citizen_number = '', person = NULL, likely_person = NULL,
            likely_posterior = NULL, candidates = NULL, reasons = '', event = '', case_key = NULL, row_key = NULL,
            open = false
        FROM due WHERE x.stream = due.stream AND x.sequence = due.sequence),
    told AS (DELETE FROM exchange.guess g USING due WHERE g.position = due.position),
    done AS (
        UPDATE exchange.erasure e SET done = true, person = NULL, record_key = NULL, event_id = NULL,
            event_time_us = NULL
        FROM due WHERE e.position = due.position RETURNING 1)
    SELECT count(*) FROM done
$$;

REVOKE ALL ON exchange.erasure FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.notify_erasure(), exchange.erase_segment(bigint, bytea, bytea, bytea),
    exchange.erase_version(bigint, bigint, bytea), exchange.erase_done(bigint[]) FROM PUBLIC;
GRANT SELECT ON exchange.erasure TO dongbo_broker, dongbo_administrator;
GRANT UPDATE (logged_position) ON exchange.erasure TO dongbo_broker;
GRANT SELECT (position, ordered, requested_by, requested_at, agency, leaf, logged_position, done) ON exchange.erasure
    TO dongbo_reader;
GRANT INSERT (position, ordered, agency, leaf, stream, sequence, person, domain, record_key, event_id, event_time_us)
    ON exchange.erasure TO dongbo_administrator;
GRANT EXECUTE ON FUNCTION exchange.erase_segment(bigint, bytea, bytea, bytea),
    exchange.erase_version(bigint, bigint, bytea), exchange.erase_done(bigint[]) TO dongbo_administrator;
