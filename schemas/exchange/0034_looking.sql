-- SPDX-License-Identifier: Apache-2.0
-- Who looks at persons says at whom, and is shown these: nobody else's rows, in no other session, and not before it is
-- committed. Each look stays, with who, when, at whom and why.
--   dongbo_reviewer  persons whom they named (look_at), and what is or was in the review queue once they look at that
--                    (look)
--   dongbo_auditor   the log's content and all persons, once they have said so (look_at_all): exports, reports, trials
-- A segment's payload is of hundreds of persons under one hash, so that it cannot be shown a person at a time: it is
-- the auditor's.
-- Where the broker COPYs rows to there is no row security, which COPY does not know; these tables are nobody's but the
-- broker's, and shown by views. So no role needs more than a database's owner with CREATEROLE can give.

DO $$
DECLARE
    mine boolean := (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'dongbo_auditor') THEN
        BEGIN
            CREATE ROLE dongbo_auditor LOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database's init was faster
        END;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO dongbo_auditor', current_database());
    IF NOT pg_has_role('dongbo_auditor', 'dongbo_reader', 'member') THEN
        GRANT dongbo_reader TO dongbo_auditor;
    END IF;
    IF NOT pg_has_role('dongbo_operator', 'dongbo_auditor', 'member') THEN
        GRANT dongbo_auditor TO dongbo_operator;
    END IF;
    IF mine AND (SELECT r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = 'dongbo_broker') THEN
        ALTER ROLE dongbo_broker NOBYPASSRLS;
    END IF;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['segment', 'exception', 'record_version', 'person_alias', 'person_link', 'followed',
                                'follow_request', 'guess', 'retelling', 'judging', 'review_decision'] LOOP
        EXECUTE format('DROP POLICY looking ON exchange.%I', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['exception', 'record_version', 'review_decision', 'person_link'] LOOP
        EXECUTE format('DROP POLICY everybody ON exchange.%I', name);
        EXECUTE format('ALTER TABLE exchange.%I DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
DROP FUNCTION exchange.is_looking(), exchange.look(text);

-- ---- looks

ALTER TABLE exchange.looking
    ADD scope       text NOT NULL DEFAULT 'all' CHECK (scope IN ('queue', 'persons', 'all')),
    ADD review_case bigint,
    ADD persons     bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(persons) <= 1000),
    ADD numbers     text[] NOT NULL DEFAULT '{}' CHECK (cardinality(numbers) <= 200),   -- as they were asked for
    ADD why         text NOT NULL DEFAULT '' CHECK (length(why) <= 1000);
ALTER TABLE exchange.looking ALTER scope DROP DEFAULT;

CREATE FUNCTION exchange.look(what text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO exchange.looking (what, scope) VALUES ($1, 'queue')
$$;

CREATE FUNCTION exchange.look_at_all(what text, why text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO exchange.looking (what, scope, why) VALUES ($1, 'all', $2)
$$;

-- These persons, whoever was merged with them, what was said under these numbers, and the events of this case (of a
-- case's number, or of the one event at that position). Any may be null.
CREATE FUNCTION exchange.look_at(what text, of_case bigint, persons bigint[], numbers text[], why text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE part(person) AS (
        (SELECT unnest($3) UNION SELECT l.person FROM exchange.person_link l WHERE l.number = ANY ($4))
        UNION
        SELECT o.person FROM part p CROSS JOIN LATERAL (
            SELECT l.merged_into FROM exchange.person_link l WHERE l.person = p.person
            UNION ALL SELECT l.person FROM exchange.person_link l WHERE l.merged_into = p.person) o(person))
    INSERT INTO exchange.looking (what, scope, review_case, persons, numbers, why)
    SELECT $1, 'persons', $2, ARRAY(SELECT person FROM part WHERE person <> 0), coalesce($4, '{}'), $5
$$;

-- With the rights of whoever asks, for nobody else may see when a session began.
CREATE FUNCTION exchange.session_began() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a
$$;

-- What this session, which began then, has said that it looks at, and has committed.
CREATE FUNCTION exchange.looks(began timestamptz, scope text) RETURNS SETOF exchange.looking
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.* FROM exchange.looking l
    WHERE l.pid = pg_backend_pid() AND l.looked_by = session_user AND l.looked_at >= $1 AND l.scope = $2
    AND l.xact IS DISTINCT FROM pg_current_xact_id_if_assigned()
$$;
CREATE FUNCTION exchange.looks_at(began timestamptz, scope text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM exchange.looks($1, $2))
$$;
CREATE FUNCTION exchange.looked_persons(began timestamptz) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT unnest(l.persons) FROM exchange.looks($1, 'persons') l)
$$;
CREATE FUNCTION exchange.looked_numbers(began timestamptz) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT unnest(l.numbers) FROM exchange.looks($1, 'persons') l)
$$;
CREATE FUNCTION exchange.looked_cases(began timestamptz) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT l.review_case FROM exchange.looks($1, 'persons') l WHERE l.review_case IS NOT NULL)
$$;

-- ---- what they show

-- Each view has a part for who looks at all, and one that begins with whom they look at: what is asked of anybody else
-- is not even looked for, so that no plan's counts tell that it is there.
CREATE VIEW exchange.seen_version WITH (security_barrier) AS
    SELECT v.* FROM exchange.record_version v WHERE (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT v.* FROM unnest(exchange.looked_persons(exchange.session_began())) AS p(person)
    CROSS JOIN LATERAL (SELECT * FROM exchange.record_version r WHERE r.person = p.person OFFSET 0) v
    WHERE NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'));
CREATE VIEW exchange.seen_alias WITH (security_barrier) AS
    SELECT a.* FROM exchange.person_alias a WHERE (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT a.* FROM unnest(exchange.looked_persons(exchange.session_began())) AS p(person)
    CROSS JOIN LATERAL (SELECT * FROM exchange.person_alias r WHERE r.person = p.person OFFSET 0) a
    WHERE NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'));
CREATE VIEW exchange.seen_link WITH (security_barrier) AS
    SELECT l.* FROM exchange.person_link l WHERE (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT l.* FROM unnest(exchange.looked_persons(exchange.session_began())) AS p(person)
    CROSS JOIN LATERAL (SELECT * FROM exchange.person_link r WHERE r.person = p.person OFFSET 0) l
    WHERE NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'));
CREATE VIEW exchange.seen_decision WITH (security_barrier) AS
    SELECT d.* FROM exchange.review_decision d WHERE (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT d.* FROM unnest(exchange.looked_cases(exchange.session_began())) AS c(review_case)
    CROSS JOIN LATERAL (SELECT * FROM exchange.review_decision r WHERE r.review_case = c.review_case OFFSET 0) d
    WHERE NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'));

-- Events of persons, of numbers and of cases that are looked at.
CREATE VIEW exchange.seen_exception WITH (security_barrier) AS
    SELECT e.* FROM exchange.exception e WHERE (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT e.* FROM exchange.exception e WHERE (e.verdict = 4 OR e.first_verdict = 4)
    AND (SELECT exchange.looks_at(exchange.session_began(), 'queue'))
    AND NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    UNION ALL
    SELECT e.* FROM (
        SELECT x.position FROM unnest(exchange.looked_persons(exchange.session_began())) AS p(person)
        CROSS JOIN LATERAL (SELECT r.position FROM exchange.exception r WHERE r.person = p.person
                            UNION ALL SELECT r.position FROM exchange.exception r WHERE r.likely_person = p.person) x
        UNION SELECT x.position FROM unnest(exchange.looked_numbers(exchange.session_began())) AS n(number)
        CROSS JOIN LATERAL (SELECT r.position FROM exchange.exception r WHERE r.citizen_number = n.number) x
        UNION SELECT x.position FROM unnest(exchange.looked_cases(exchange.session_began())) AS c(review_case)
        CROSS JOIN LATERAL (SELECT r.position FROM exchange.exception r WHERE r.review_case = c.review_case
                            UNION ALL SELECT c.review_case) x) k
    CROSS JOIN LATERAL (SELECT * FROM exchange.exception r WHERE r.position = k.position OFFSET 0) e
    WHERE NOT (SELECT exchange.looks_at(exchange.session_began(), 'all'))
    AND NOT (coalesce(e.verdict = 4 OR e.first_verdict = 4, false)
             AND (SELECT exchange.looks_at(exchange.session_began(), 'queue')));

-- What no case and no person is needed for is shown whole, or not.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['segment', 'person_alias', 'followed', 'follow_request', 'guess', 'retelling',
                                'judging'] LOOP
        EXECUTE format('CREATE POLICY looking ON exchange.%I AS RESTRICTIVE FOR SELECT TO dongbo_auditor '
                       'USING ((SELECT exchange.looks_at(exchange.session_began(), ''all'')))', name);
    END LOOP;
END $$;

-- Of a segment that is not shown it tells what every reader may know.
ALTER FUNCTION exchange.position_before(bigint) SECURITY DEFINER;

-- ---- rights

REVOKE SELECT ON exchange.segment, exchange.exception, exchange.record_version, exchange.review_decision,
    exchange.person_alias, exchange.person_link, exchange.followed, exchange.follow_request, exchange.guess,
    exchange.retelling, exchange.judging FROM dongbo_reviewer;
REVOKE ALL ON exchange.seen_version, exchange.seen_exception, exchange.seen_decision, exchange.seen_alias,
    exchange.seen_link FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.look(text), exchange.look_at_all(text, text),
    exchange.look_at(text, bigint, bigint[], text[], text), exchange.session_began(),
    exchange.looks(timestamptz, text), exchange.looks_at(timestamptz, text), exchange.looked_persons(timestamptz),
    exchange.looked_numbers(timestamptz), exchange.looked_cases(timestamptz) FROM PUBLIC;

-- What a queue is sorted and counted by names nobody.
GRANT SELECT (reason_codes, likely_posterior) ON exchange.exception TO dongbo_reviewer;
GRANT SELECT (decision, review_case, action, decided_by, decided_at, state, outcome, position)
    ON exchange.review_decision TO dongbo_reviewer;
GRANT SELECT ON exchange.seen_version, exchange.seen_exception, exchange.seen_decision, exchange.seen_alias,
    exchange.seen_link TO dongbo_reviewer, dongbo_auditor;
GRANT EXECUTE ON FUNCTION exchange.look(text), exchange.look_at(text, bigint, bigint[], text[], text)
    TO dongbo_reviewer;
GRANT EXECUTE ON FUNCTION exchange.session_began(), exchange.looks_at(timestamptz, text),
    exchange.looked_persons(timestamptz), exchange.looked_numbers(timestamptz), exchange.looked_cases(timestamptz)
    TO dongbo_reviewer, dongbo_auditor;

GRANT USAGE ON SCHEMA exchange TO dongbo_auditor;
GRANT SELECT ON exchange.segment, exchange.person_alias, exchange.followed, exchange.follow_request, exchange.guess,
    exchange.retelling, exchange.judging TO dongbo_auditor;
GRANT EXECUTE ON FUNCTION exchange.look_at_all(text, text), exchange.note_unmasking(text, text, text)
    TO dongbo_auditor;

-- At whom is the administrators' to know, by keys that name nobody; not by which numbers.
REVOKE SELECT ON exchange.looking FROM dongbo_administrator;
GRANT SELECT (looking, what, looked_by, looked_at, pid, xact, scope, review_case, persons, why) ON exchange.looking
    TO dongbo_administrator;

-- The owner need not be a superuser.
CREATE OR REPLACE FUNCTION exchange.check_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed jsonb := to_jsonb(NEW);
BEGIN
    IF NOT EXISTS (
        SELECT FROM exchange.policy_change c WHERE c.changed_at = now() AND c.changed_by = session_user
        AND CASE WHEN TG_TABLE_NAME = 'agency' OR changed ->> 'subscription' IS NULL
                 THEN c.agency = (changed ->> 'agency')::integer
                 ELSE c.subscription = (changed ->> 'subscription')::integer END)
       AND NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'a change of exchange.% needs its entry: insert into exchange.policy_change, too', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
