-- SPDX-License-Identifier: Apache-2.0
-- Keys end in two ways. A retired one holds until a time and was never anybody else's: what was sealed with its signing
-- key before then is taken afterwards, too, for a while (broker/agencies.h). A revoked one may be a thief's, who can
-- write any time into what they seal: nothing of it is taken any more, and it cannot be made to hold again.

ALTER TABLE exchange.key ADD added_by text NOT NULL DEFAULT session_user;
ALTER TABLE exchange.policy_change
    ADD why text NOT NULL DEFAULT '' CHECK (length(why) <= 1000);   -- in the operator's words, which may name a person
CREATE INDEX policy_change_at ON exchange.policy_change (changed_at);

CREATE FUNCTION exchange.key_id(key bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(substr(sha256($1), 1, 8), 'hex')
$$;

CREATE FUNCTION exchange.key_state(key exchange.key) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1.revoked_at IS NOT NULL THEN 'revoked' WHEN $1.valid_to <= now() THEN 'retired'
                WHEN $1.valid_to IS NOT NULL THEN 'retiring' ELSE 'valid' END
$$;

-- Ends a party's keys that hold, those with these ids and those that came with them in one transaction (a key file has
-- two); of one purpose only where that is said. until null: revokes them. Takes the log's lock, and leaves an entry.
-- named: how many there are; changed: how many hold less long than before; transports: transport keys that are left.
CREATE FUNCTION exchange.key_end(of_agency integer, of_subscription integer, ids text[], only_purpose text,
    until timestamptz, why text, OUT named bigint, OUT changed bigint, OUT transports bigint, OUT at_position bigint,
    OUT said text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reason text := btrim(coalesce($6, ''));
    party text;
    times timestamptz[];
BEGIN
    IF $5 IS NULL AND reason = '' THEN
        RAISE EXCEPTION 'say why these keys are revoked';
    END IF;
    IF $5 < now() THEN
        RAISE EXCEPTION 'keys are retired at a time to come; revoke them to end them now';
    END IF;
    PERFORM exchange.lock_log();
    at_position := exchange.next_position();
    SELECT 'agency ' || a.code INTO party FROM exchange.agency a WHERE a.agency = $1;
    IF $2 IS NOT NULL THEN
        SELECT 'subscription ' || left(s.name, 63) INTO party FROM exchange.subscription s WHERE s.subscription = $2;
    END IF;
    SELECT count(*), array_agg(k.valid_from) INTO named, times FROM exchange.key k
    WHERE k.agency IS NOT DISTINCT FROM $1 AND k.subscription IS NOT DISTINCT FROM $2
    AND exchange.key_id(k.key) = ANY ($3);
    WITH ended AS (
        UPDATE exchange.key k
        SET valid_to = coalesce($5, k.valid_to), revoked_at = CASE WHEN $5 IS NULL THEN clock_timestamp() END
        WHERE k.agency IS NOT DISTINCT FROM $1 AND k.subscription IS NOT DISTINCT FROM $2
        AND (k.valid_from = ANY (times) OR exchange.key_id(k.key) = ANY ($3)) AND coalesce(k.purpose = $4, true)
        AND k.revoked_at IS NULL AND ($5 IS NULL OR k.valid_to IS NULL OR k.valid_to > greatest(now(), $5))
        RETURNING k.key)
    SELECT count(*) INTO changed FROM ended;
    SELECT count(*) INTO transports FROM exchange.key k
    WHERE k.agency IS NOT DISTINCT FROM $1 AND k.subscription IS NOT DISTINCT FROM $2 AND k.purpose = 'curve'
    AND k.revoked_at IS NULL AND coalesce(k.valid_to > now(), true);
    said := format('%s: %skey %s %s', party,
                   CASE $4 WHEN 'curve' THEN 'transport ' WHEN 'ed25519' THEN 'signing ' ELSE '' END, $3[1],
                   coalesce('holds until ' || to_char($5 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'revoked'));
    IF changed > 0 THEN
        INSERT INTO exchange.policy_change (text, agency, subscription, position, why)
        VALUES (said, $1, $2, at_position, reason);
    END IF;
END $$;

-- Whoever changes who may do what leaves an entry in the same transaction, which says who they are; the database's
-- owner alone need not, who could take this away, too.
CREATE FUNCTION exchange.check_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed jsonb := to_jsonb(NEW);
BEGIN
    IF NOT EXISTS (
        SELECT FROM exchange.policy_change c WHERE c.changed_at = now() AND c.changed_by = session_user
        AND CASE WHEN TG_TABLE_NAME = 'agency' OR changed ->> 'subscription' IS NULL
                 THEN c.agency = (changed ->> 'agency')::integer
                 ELSE c.subscription = (changed ->> 'subscription')::integer END)
       AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION 'a change of exchange.% needs its entry: insert into exchange.policy_change, too', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_told AFTER INSERT OR UPDATE ON exchange.agency
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_told();
CREATE CONSTRAINT TRIGGER check_told AFTER INSERT OR UPDATE ON exchange.key
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_told();
CREATE CONSTRAINT TRIGGER check_told AFTER INSERT OR UPDATE ON exchange.subscription
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_told();
CREATE CONSTRAINT TRIGGER check_told AFTER INSERT OR UPDATE ON exchange.subscription_policy
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_told();

REVOKE ALL ON FUNCTION exchange.key_id(bytea), exchange.key_state(exchange.key), exchange.check_told(),
    exchange.key_end(integer, integer, text[], text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.key_id(bytea), exchange.key_state(exchange.key) TO dongbo_operator, dongbo_reader;
GRANT EXECUTE ON FUNCTION exchange.key_end(integer, integer, text[], text, timestamptz, text) TO dongbo_operator;
REVOKE INSERT ON exchange.key FROM dongbo_operator;
REVOKE UPDATE (valid_to, revoked_at) ON exchange.key FROM dongbo_operator;
GRANT INSERT (key, purpose, agency, subscription) ON exchange.key TO dongbo_operator;
GRANT INSERT (why) ON exchange.policy_change TO dongbo_operator;
