-- SPDX-License-Identifier: Apache-2.0
-- Several consumers of one subscription, each with a share of its persons and a position of its own; and which of them
-- have a session now. Share 0 of 0 takes everything.

ALTER TABLE exchange.subscription_position
    ADD share      smallint NOT NULL DEFAULT 0,
    ADD shares     smallint NOT NULL DEFAULT 0,
    ADD fresh      boolean NOT NULL DEFAULT false,     -- begins where the shares before it were, until it acknowledges
    ADD session    integer NOT NULL DEFAULT 0,         -- of its sessions the newest: the others are over
    ADD opened_at  timestamptz,                        -- of that session, while it lasts
    ADD heard_at   timestamptz,                        -- when a broker last said so: one that died says nothing
    ADD CHECK ((share = 0 AND shares = 0) OR (share BETWEEN 1 AND shares AND shares <= 64)),
    DROP CONSTRAINT subscription_position_pkey,
    ADD PRIMARY KEY (subscription, share);

-- A session of this share begins: its number. Another number of shares than before begins where the last of them was,
-- so that nobody's records are missed; sessions of theirs are over.
CREATE FUNCTION exchange.subscription_open(of_subscription integer, of_share smallint, of_shares smallint)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before record;
    number integer;
BEGIN
    PERFORM FROM exchange.subscription s WHERE s.subscription = of_subscription FOR NO KEY UPDATE;
    SELECT min(p.acked) AS acked, max(p.released) AS released, max(p.session) AS session, max(p.shares) AS shares
        INTO before FROM exchange.subscription_position p WHERE p.subscription = of_subscription;
    IF before.shares IS DISTINCT FROM of_shares THEN
        DELETE FROM exchange.subscription_position p WHERE p.subscription = of_subscription;
        INSERT INTO exchange.subscription_position (subscription, share, shares, acked, released, session, fresh)
            SELECT of_subscription, i, of_shares, coalesce(before.acked, 0), coalesce(before.released, 0),
                   coalesce(before.session, 0), before.shares IS NOT NULL
            FROM generate_series(sign(of_shares)::integer, of_shares::integer) AS i;
    END IF;
    UPDATE exchange.subscription_position p SET session = p.session + 1, opened_at = now(), heard_at = now()
        WHERE p.subscription = of_subscription AND p.share = of_share RETURNING p.session INTO STRICT number;
    RETURN number;
END $$;

-- Of a subscription as a whole: everything up to `acked` was acknowledged by all shares, and nothing beyond `released`
-- has left a broker. `sessions`: how many of its shares have one that a broker spoke of in the last 30 seconds.
CREATE VIEW exchange.subscription_place AS
    SELECT subscription, min(acked) AS acked, max(released) AS released, max(at) AS at, max(shares) AS shares,
           count(*) FILTER (WHERE opened_at IS NOT NULL AND heard_at > now() - interval '30 seconds') AS sessions
    FROM exchange.subscription_position GROUP BY subscription;

REVOKE ALL ON exchange.subscription_place FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.subscription_open(integer, smallint, smallint) FROM PUBLIC;
GRANT SELECT ON exchange.subscription_place TO dongbo_broker, dongbo_operator, dongbo_reader;
GRANT EXECUTE ON FUNCTION exchange.subscription_open(integer, smallint, smallint) TO dongbo_broker;
