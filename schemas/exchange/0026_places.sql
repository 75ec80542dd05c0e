-- SPDX-License-Identifier: Apache-2.0
-- As in 0015, but whoever locks several rows of a subscription takes them in the order of shares: brokers that keep the
-- places of their sessions at the same time would wait for one another else.
CREATE OR REPLACE FUNCTION exchange.subscription_open(of_subscription integer, of_share smallint, of_shares smallint)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before record;
    number integer;
BEGIN
    PERFORM FROM exchange.subscription s WHERE s.subscription = of_subscription FOR NO KEY UPDATE;
    PERFORM FROM exchange.subscription_position p WHERE p.subscription = of_subscription ORDER BY p.share FOR UPDATE;
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
