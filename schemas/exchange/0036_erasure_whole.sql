-- SPDX-License-Identifier: Apache-2.0
-- Erasures that follow records to whom they went, leave an account of who had been told, and need not read the log.

-- Of whom the entries are (broker/about.h): a filter that names nobody. Null: of before, to be looked at.
ALTER TABLE exchange.segment ADD about bytea;
ALTER TABLE exchange.segment ALTER about SET STORAGE EXTERNAL;

ALTER TABLE exchange.erasure ADD about bigint;         -- whom the entry is about; null: nobody. Until done
CREATE INDEX erasure_record ON exchange.erasure (person, domain, record_key) WHERE logged_position IS NULL;
GRANT INSERT (about) ON exchange.erasure TO dongbo_administrator;

-- What was said of records whose entries went with another event's, for they told of its word: the event itself is
-- still there, and is found by this when it is to go, too. Until it has.
CREATE TABLE exchange.erased_entry (
    position      bigint PRIMARY KEY REFERENCES exchange.erasure,
    person        bigint NOT NULL,
    domain        smallint NOT NULL,
    record_key    text NOT NULL,
    event_id      bytea NOT NULL CHECK (length(event_id) = 16),
    event_time_us bigint NOT NULL,
    stream        bytea,                               -- null: a later decision, whose event has an entry of its own
    sequence      bigint
);
CREATE INDEX erased_entry_person ON exchange.erased_entry (person);
CREATE INDEX erased_entry_event ON exchange.erased_entry (event_id);

-- Asks for tombstones of these once more, now for what was said.
CREATE FUNCTION exchange.erase_again(positions bigint[], ordered text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH again AS (
        UPDATE exchange.erasure e SET ordered = $2, requested_by = session_user, requested_at = now(),
            stream = k.stream, sequence = k.sequence, person = k.person, about = k.person, domain = k.domain,
            record_key = k.record_key, event_id = k.event_id, event_time_us = k.event_time_us,
            logged_position = NULL, done = false
        FROM exchange.erased_entry k
        WHERE e.position = ANY ($1) AND k.position = e.position AND e.done RETURNING 1),
    told AS (SELECT pg_notify('dongbo_review', ''))
    SELECT count(*) FROM again, told
$$;

-- What had left the exchange, or may have, of an entry that was erased since, as `dongbo disclosures` had it then: by
-- which rights, which fields, how; no content, and no key of a record.
CREATE TABLE exchange.erased_disclosure (
    position     bigint NOT NULL,                      -- of the entry
    person       bigint NOT NULL,                      -- whom it was about
    subscription integer NOT NULL REFERENCES exchange.subscription,
    version      integer NOT NULL,                     -- of the subscription's rights
    snapshot     bigint NOT NULL DEFAULT 0,            -- by which snapshot; 0: by the feed
    record       jsonb NOT NULL,                       -- as in the answer's list of records
    PRIMARY KEY (position, subscription, version, snapshot)
);
CREATE INDEX erased_disclosure_person ON exchange.erased_disclosure (person);
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['erased_entry', 'erased_disclosure'] LOOP
        EXECUTE format('ALTER TABLE exchange.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY everybody ON exchange.%I USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY looking ON exchange.%I AS RESTRICTIVE FOR SELECT TO dongbo_auditor '
                       'USING ((SELECT exchange.looks_at(exchange.session_began(), ''all'')))', name);
    END LOOP;
END $$;

-- Of these, what is of entries whose tombstones stand in the log and whose content does not go without it.
CREATE FUNCTION exchange.note_erased_disclosures(records jsonb) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH noted AS (
        INSERT INTO exchange.erased_disclosure (position, person, subscription, version, snapshot, record)
        SELECT e.position, e.about, s.subscription, n.version, n.snapshot, n.record
        FROM jsonb_to_recordset($1) AS n(subscription text, version integer, snapshot bigint, record jsonb)
        JOIN exchange.subscription s ON s.name = n.subscription
        JOIN exchange.erasure e ON e.position = (n.record->>'position')::bigint
        WHERE e.logged_position IS NOT NULL AND NOT e.done AND e.about IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING 1)
    SELECT count(*) FROM noted
$$;

-- Of the record of an entry that was logged as erased, also where it went with whoever was merged into another.
CREATE OR REPLACE FUNCTION exchange.erase_version(erased bigint, version bigint, record bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE way(person) AS (
        SELECT e.person FROM exchange.erasure e WHERE e.position = $1 UNION
        SELECT l.merged_into FROM way w JOIN exchange.person_link l ON l.person = w.person),
    done AS (
        UPDATE exchange.record_version v SET record = $3 FROM exchange.erasure e
        WHERE $3 IS NOT NULL AND e.position = $1 AND e.logged_position IS NOT NULL AND NOT e.done
        AND v.person IN (SELECT w.person FROM way w)
        AND v.domain = e.domain AND v.record_key = e.record_key AND v.position = $2
        RETURNING 1)
    SELECT count(*) FROM done
$$;

-- What else is kept of these entries; they are done with. A number that an event taught is known no more, an officer's
-- words about it are gone; what was decided stays.
CREATE OR REPLACE FUNCTION exchange.erase_done(positions bigint[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE due AS (
        SELECT e.position, e.stream, e.sequence, e.about FROM exchange.erasure e
        WHERE e.position = ANY ($1) AND e.logged_position IS NOT NULL AND NOT e.done),
    way(person) AS (
        SELECT DISTINCT due.about FROM due WHERE due.about IS NOT NULL UNION
        SELECT l.merged_into FROM way w JOIN exchange.person_link l ON l.person = w.person),
    held AS (
        UPDATE exchange.exception x SET citizen_number = '', person = NULL, likely_person = NULL,
            likely_posterior = NULL, candidates = NULL, reasons = '', event = '', case_key = NULL, row_key = NULL,
            open = false
        FROM due WHERE x.stream = due.stream AND x.sequence = due.sequence RETURNING x.position, x.review_case),
    decided AS (
        UPDATE exchange.review_decision d SET why = '(erased)',
            citizen_number = CASE WHEN d.citizen_number IS NULL THEN NULL ELSE '' END
        FROM held WHERE d.review_case = held.review_case AND NOT EXISTS (
            SELECT FROM exchange.exception o WHERE o.review_case = d.review_case AND o.event <> ''
            AND NOT EXISTS (SELECT FROM due WHERE o.stream = due.stream AND o.sequence = due.sequence))),
    gone AS (DELETE FROM exchange.erased_entry k USING exchange.erasure e WHERE k.position = ANY ($1)
        AND e.position = k.position AND e.event_id = k.event_id AND e.logged_position IS NOT NULL AND NOT e.done),
    told AS (DELETE FROM exchange.guess g USING due WHERE g.position = due.position),
    taught AS (DELETE FROM exchange.person_alias a USING due, way w
        WHERE a.person = w.person AND a.position = due.position AND a.kind = 'insurance'),
    done AS (
        UPDATE exchange.erasure e SET done = true, person = NULL, record_key = NULL, event_id = NULL,
            event_time_us = NULL, about = NULL
        FROM due WHERE e.position = due.position RETURNING 1)
    SELECT count(*) FROM done
$$;

REVOKE ALL ON exchange.erased_entry, exchange.erased_disclosure FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.erase_again(bigint[], text), exchange.note_erased_disclosures(jsonb) FROM PUBLIC;
GRANT SELECT ON exchange.erased_entry, exchange.erased_disclosure TO dongbo_auditor;
GRANT INSERT ON exchange.erased_entry TO dongbo_administrator;
GRANT EXECUTE ON FUNCTION exchange.erase_again(bigint[], text), exchange.note_erased_disclosures(jsonb)
    TO dongbo_administrator;

-- A segment's filter says nothing of what was erased or let go, either.
DROP FUNCTION exchange.erase_segment(bigint, bytea, bytea, bytea);
CREATE FUNCTION exchange.erase_segment(first bigint, summary bytea, payload bytea, batch bytea, about bytea)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE exchange.segment g SET summary = $2, payload = $3, batch = $4, about = $5
        WHERE $2 IS NOT NULL AND g.first_position = $1 AND EXISTS (
            SELECT FROM exchange.erasure e WHERE e.position BETWEEN g.first_position AND g.last_position
            AND e.logged_position IS NOT NULL AND NOT e.done)
        RETURNING 1)
    SELECT count(*) FROM done
$$;

CREATE OR REPLACE FUNCTION exchange.trim_step(after bigint, OUT last bigint, OUT segments bigint, OUT bytes bigint)
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
        UPDATE exchange.segment g SET payload = NULL, batch = NULL, about = NULL FROM free f
        WHERE g.first_position = f.first_position RETURNING f.bytes)
    SELECT (SELECT max(first_position) FROM page), (SELECT count(*) FROM gone),
           (SELECT coalesce(sum(gone.bytes), 0)::bigint FROM gone)
$$;

REVOKE ALL ON FUNCTION exchange.erase_segment(bigint, bytea, bytea, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.erase_segment(bigint, bytea, bytea, bytea, bytea) TO dongbo_administrator;
