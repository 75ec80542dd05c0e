-- SPDX-License-Identifier: Apache-2.0
-- One-time tokens by which a party hands in its keys at the brokers' enrolment door (broker/door.h). Of a token only
-- the public half of the CURVE key that follows from it is kept.

CREATE TABLE exchange.enrolment (
    enrolment    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    door_key     bytea NOT NULL UNIQUE CHECK (length(door_key) = 32),
    agency       integer REFERENCES exchange.agency,
    subscription integer REFERENCES exchange.subscription,
    made_by      text NOT NULL DEFAULT session_user,
    made_at      timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    withdrawn_at timestamptz,
    tries        smallint NOT NULL DEFAULT 0,
    used_at      timestamptz,
    curve        bytea,                                -- what was handed in
    ed25519      bytea,
    CHECK ((agency IS NULL) <> (subscription IS NULL)),
    CHECK (expires_at <= made_at + interval '168 hours')
);
CREATE TRIGGER notify_policy AFTER INSERT OR UPDATE ON exchange.enrolment
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.notify_policy();
CREATE CONSTRAINT TRIGGER check_told AFTER INSERT ON exchange.enrolment
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_told();

-- Tokens that are let in at the door. One that was used is for an hour more, for the answer may have been lost.
CREATE VIEW exchange.enrolment_open AS
    SELECT enrolment, door_key FROM exchange.enrolment
    WHERE withdrawn_at IS NULL AND tries < 5 AND expires_at > now()
    AND (used_at IS NULL OR used_at > now() - interval '1 hour');

-- Takes the keys of whoever has this token; null: what they sent was no such thing, which counts as a try. answer: done
-- (the same keys again, too), gone, used, taken, malformed.
CREATE FUNCTION exchange.enrol(of_enrolment bigint, curve bytea, ed25519 bytea, agent text, OUT answer text,
    OUT party text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    token exchange.enrolment;
BEGIN
    PERFORM exchange.lock_log();
    SELECT e.* INTO token FROM exchange.enrolment e WHERE e.enrolment = $1 FOR UPDATE;
    SELECT 'agency ' || a.code INTO party FROM exchange.agency a WHERE a.agency = token.agency;
    IF token.subscription IS NOT NULL THEN
        SELECT 'subscription ' || left(s.name, 63) INTO party FROM exchange.subscription s
        WHERE s.subscription = token.subscription;
    END IF;
    party := coalesce(party, '');
    IF NOT EXISTS (SELECT FROM exchange.enrolment_open o WHERE o.enrolment = $1) THEN
        answer := 'gone';
        RETURN;
    END IF;
    IF token.used_at IS NOT NULL THEN
        answer := CASE WHEN token.curve = $2 AND token.ed25519 = $3 THEN 'done' ELSE 'used' END;
        RETURN;
    END IF;
    answer := CASE WHEN $2 IS NULL OR $3 IS NULL OR length($2) <> 32 OR length($3) <> 32 THEN 'malformed'
                   WHEN EXISTS (SELECT FROM exchange.key k WHERE (k.purpose = 'curve' AND k.key = $2)
                                OR (k.purpose = 'ed25519' AND k.key = $3)) THEN 'taken'
                   ELSE 'done' END;
    UPDATE exchange.enrolment e SET tries = e.tries + 1,
        used_at = CASE WHEN answer = 'done' THEN now() END, curve = $2, ed25519 = $3
    WHERE e.enrolment = $1;
    IF answer <> 'done' THEN
        RETURN;
    END IF;
    INSERT INTO exchange.key (key, purpose, agency, subscription, added_by)
    VALUES ($2, 'curve', token.agency, token.subscription, token.made_by),
           ($3, 'ed25519', token.agency, token.subscription, token.made_by);
    INSERT INTO exchange.policy_change (text, agency, subscription, position)
    VALUES (format('%s: key %s enrolled by agent %s with the token of %s', party, exchange.key_id($3), left($4, 63),
                   token.made_by), token.agency, token.subscription, exchange.next_position());
END $$;

REVOKE ALL ON exchange.enrolment, exchange.enrolment_open FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.enrol(bigint, bytea, bytea, text) FROM PUBLIC;
GRANT SELECT ON exchange.enrolment_open TO dongbo_broker;
GRANT SELECT (enrolment, door_key) ON exchange.enrolment TO dongbo_broker;
GRANT EXECUTE ON FUNCTION exchange.enrol(bigint, bytea, bytea, text) TO dongbo_broker;
GRANT SELECT (enrolment, agency, subscription, made_by, made_at, expires_at, withdrawn_at, tries, used_at)
    ON exchange.enrolment TO dongbo_administrator;
GRANT INSERT (door_key, agency, subscription, expires_at) ON exchange.enrolment TO dongbo_administrator;
GRANT UPDATE (withdrawn_at) ON exchange.enrolment TO dongbo_administrator;
