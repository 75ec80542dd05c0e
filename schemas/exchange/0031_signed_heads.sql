-- SPDX-License-Identifier: Apache-2.0
-- Signed heads of the log (PROTOCOL.md, The log): one chain over all brokers, restarts and keys. A number is given out
-- once, under lock_heads(), so that heads never fork.
CREATE TABLE exchange.signed_head (
    number        bigint PRIMARY KEY,
    size          bigint NOT NULL,                     -- segments in the log
    last_position bigint NOT NULL,
    signed_at_us  bigint NOT NULL,
    key_id        text NOT NULL,
    head          bytea NOT NULL,                      -- TreeHead, as signed
    signature     bytea NOT NULL CHECK (length(signature) = 64)
);
CREATE INDEX signed_head_size ON exchange.signed_head (size);

-- Keys that sign heads. Each is announced by an entry of the log before it signs.
CREATE TABLE exchange.head_key (
    key_id text PRIMARY KEY,
    key    bytea NOT NULL UNIQUE CHECK (length(key) = 32),
    change bigint NOT NULL REFERENCES exchange.policy_change
);

-- Not the log's lock: nobody who writes waits for whoever signs.
CREATE FUNCTION exchange.lock_heads() RETURNS void
LANGUAGE sql AS $$ SELECT pg_catalog.pg_advisory_xact_lock(7237124516519804930) $$;

-- A broker writes the announcement to the log soon. Once for a key; again changes nothing.
CREATE FUNCTION exchange.announce_head_key(key bytea, key_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before text := (SELECT h.key_id FROM exchange.signed_head h ORDER BY h.number DESC LIMIT 1);
BEGIN
    IF key_id <> substr(encode(sha256(key), 'hex'), 1, 16) THEN
        RAISE 'a key id is the first 8 bytes of the key''s SHA-256';
    END IF;
    PERFORM exchange.lock_log();
    IF EXISTS (SELECT FROM exchange.head_key k WHERE k.key_id = announce_head_key.key_id) THEN
        RETURN;
    END IF;
    WITH said AS (INSERT INTO exchange.policy_change (text, position)
        VALUES (format('heads of the log are signed with key %s (id %s) from here on%s', encode(key, 'hex'), key_id,
                       coalesce(', before with ' || before, '')), exchange.next_position()) RETURNING change)
    INSERT INTO exchange.head_key (key_id, key, change) SELECT announce_head_key.key_id, announce_head_key.key, change
        FROM said;
END $$;

REVOKE ALL ON FUNCTION exchange.lock_heads(), exchange.announce_head_key(bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.lock_heads(), exchange.announce_head_key(bytea, text) TO dongbo_broker;
GRANT SELECT ON exchange.signed_head, exchange.head_key TO dongbo_broker, dongbo_reader;
GRANT INSERT ON exchange.signed_head TO dongbo_broker;
