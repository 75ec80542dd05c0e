-- SPDX-License-Identifier: Apache-2.0
-- was ac4a1b7065f6de8d464202f7f2bc7367825f209fb9ddbf338e8a69112642a57e
-- Operators' rights by what they do, so that they hold for whoever has nothing but psql:
--   dongbo_reader         what names no person: masked summaries, counts, positions, who may do what
--   dongbo_reviewer       ... and persons, once they have said that they look (exchange.look); the review queue
--   dongbo_administrator  ... agencies, keys, subscriptions, epochs, trimming; no persons
--   dongbo_operator       the last two, for sites where one team does both

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['dongbo_reviewer', 'dongbo_administrator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's init was faster
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
        IF NOT pg_has_role(role, 'dongbo_reader', 'member') THEN
            EXECUTE format('GRANT dongbo_reader TO %I', role);
        END IF;
        IF NOT pg_has_role('dongbo_operator', role, 'member') THEN
            EXECUTE format('GRANT %I TO dongbo_operator', role);
        END IF;
    END LOOP;
    -- Until 0034 the broker's COPY needs BYPASSRLS, which only a superuser gives: where an older broker may go on.
    IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
       AND NOT (SELECT r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = 'dongbo_broker') THEN
        ALTER ROLE dongbo_broker BYPASSRLS;
    END IF;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA exchange FROM dongbo_operator;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA exchange FROM dongbo_operator;
GRANT USAGE ON SCHEMA exchange TO dongbo_reviewer, dongbo_administrator;

-- Reader: of a change not why, which may name a person.
REVOKE SELECT ON exchange.policy_change FROM dongbo_reader;
GRANT SELECT (change, text, agency, subscription, position, changed_by, changed_at, logged_position)
    ON exchange.policy_change TO dongbo_reader;

-- ---- who looks

-- Whoever reads what names persons says so first, once for each connection, with `dongbo` or by hand. Nobody can take a
-- row of this away.
CREATE TABLE exchange.looking (
    looking    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what       text NOT NULL CHECK (what <> '' AND length(what) <= 200),
    looked_by  text NOT NULL DEFAULT session_user,
    looked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    pid        integer NOT NULL DEFAULT pg_backend_pid(),
    xact       xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX looking_pid ON exchange.looking (pid, looked_at);

CREATE FUNCTION exchange.look(what text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO exchange.looking (what) VALUES ($1)
$$;

-- Whether this connection has; it counts once it is committed, for what is rolled back has left no trace.
CREATE FUNCTION exchange.is_looking() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM exchange.looking l WHERE l.pid = pg_backend_pid() AND l.looked_by = session_user
                   AND l.looked_at >= (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a)
                   AND l.xact IS DISTINCT FROM pg_current_xact_id_if_assigned())
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['segment', 'exception', 'record_version', 'person_alias', 'person_link', 'followed',
                                'follow_request', 'guess', 'retelling', 'judging', 'review_decision'] LOOP
        EXECUTE format('ALTER TABLE exchange.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY everybody ON exchange.%I USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY looking ON exchange.%I AS RESTRICTIVE FOR SELECT TO dongbo_reviewer '
                       'USING ((SELECT exchange.is_looking()))', name);
    END LOOP;
END $$;

-- Unmasking a citizen number is an entry of the log, with who and why.
DROP FUNCTION exchange.note_unmasking(text, text);
ALTER TABLE exchange.unmasking ADD why text NOT NULL DEFAULT '' CHECK (length(why) <= 1000);
CREATE FUNCTION exchange.note_unmasking(what text, citizen_masked text, why text DEFAULT '') RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO exchange.unmasking (what, citizen_masked, why) VALUES ($1, $2, $3);
    INSERT INTO exchange.policy_change (text, position, why)
    VALUES (left('unmasked: ' || $1 || rtrim(' ' || $2), 200), exchange.next_position(), $3)
$$;

-- ---- what changes hold from

-- Under the log's lock the next position cannot move, so that nobody can date a change back. With the rights of whoever
-- inserts, for the owner's functions see to it themselves.
CREATE FUNCTION exchange.check_position() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.position <> exchange.next_position()
       AND (SELECT c.relowner::regrole::text FROM pg_class c WHERE c.oid = TG_RELID) <> current_user THEN
        RAISE EXCEPTION 'a change holds from exchange.next_position() on, under exchange.lock_log()'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_position BEFORE INSERT ON exchange.policy_change
    FOR EACH ROW EXECUTE FUNCTION exchange.check_position();
CREATE TRIGGER check_position BEFORE INSERT ON exchange.subscription_policy
    FOR EACH ROW EXECUTE FUNCTION exchange.check_position();

-- What trimming weighs; no content.
CREATE VIEW exchange.segment_size AS
    SELECT first_position, last_position,
           (pg_column_size(payload) + coalesce(pg_column_size(batch), 0))::bigint AS bytes
    FROM exchange.segment WHERE payload IS NOT NULL;

REVOKE ALL ON exchange.looking, exchange.segment_size FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.look(text), exchange.is_looking(), exchange.note_unmasking(text, text, text),
    exchange.check_position() FROM PUBLIC;

-- ---- reviewer

GRANT SELECT ON exchange.segment, exchange.exception, exchange.record_version, exchange.person_alias,
    exchange.person_link, exchange.followed, exchange.follow_request, exchange.guess, exchange.retelling,
    exchange.judging, exchange.review_claim, exchange.review_decision TO dongbo_reviewer;
-- To whoever has policies on their rows, or plans a query of theirs.
GRANT EXECUTE ON FUNCTION exchange.is_looking() TO dongbo_reviewer;
GRANT EXECUTE ON FUNCTION exchange.look(text), exchange.note_unmasking(text, text, text),
    exchange.review_claim(bigint, integer), exchange.review_release(bigint),
    exchange.review_decide(bigint, text, text, text), exchange.review_withdraw(bigint) TO dongbo_reviewer;

-- ---- administrator

GRANT SELECT ON exchange.agency, exchange.policy_change, exchange.unmasking, exchange.looking, exchange.segment_size
    TO dongbo_administrator;
GRANT SELECT (told) ON exchange.retelling TO dongbo_administrator;
GRANT SELECT (done) ON exchange.judging TO dongbo_administrator;
GRANT INSERT ON exchange.agency, exchange.subscription, exchange.subscription_policy, exchange.weight
    TO dongbo_administrator;
GRANT INSERT (key, purpose, agency, subscription) ON exchange.key TO dongbo_administrator;
GRANT INSERT (reason) ON exchange.epoch_request TO dongbo_administrator;
GRANT INSERT (text, agency, subscription, position, why) ON exchange.policy_change TO dongbo_administrator;
GRANT INSERT (position) ON exchange.trim TO dongbo_administrator;
GRANT INSERT (version, position, events, sha256) ON exchange.weight_model TO dongbo_administrator;
GRANT UPDATE (name, state, domains, provinces, told_fields, policy) ON exchange.agency TO dongbo_administrator;
GRANT UPDATE (subscriber, state) ON exchange.subscription TO dongbo_administrator;
GRANT EXECUTE ON FUNCTION exchange.lock_log(), exchange.trim_step(bigint),
    exchange.key_end(integer, integer, text[], text, timestamptz, text) TO dongbo_administrator;
