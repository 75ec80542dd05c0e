-- SPDX-License-Identifier: Apache-2.0
-- Whoever takes content out of a segment writes what they have read of it without what goes: two at a time could put
-- back what the other has just taken out, and call it erased. So they take turns, from before they read.
CREATE TABLE exchange.lock_of_erasures ();
REVOKE ALL ON exchange.lock_of_erasures FROM PUBLIC;

CREATE FUNCTION exchange.lock_erasures() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    LOCK TABLE exchange.lock_of_erasures IN EXCLUSIVE MODE
$$;
REVOKE ALL ON FUNCTION exchange.lock_erasures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.lock_erasures() TO dongbo_administrator;
