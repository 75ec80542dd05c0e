-- SPDX-License-Identifier: Apache-2.0
-- Brokers feed from what they have read. Before content is erased each must have let go of what it had read by then: an
-- erasure draws the next turn, and waits until every feed's session stands there with that one.
CREATE SEQUENCE exchange.erasure_turn MINVALUE 0 START 0;
SELECT nextval('exchange.erasure_turn');

CREATE TABLE exchange.feeding (
    pid  integer PRIMARY KEY,                          -- of the feed's session with this server
    turn bigint NOT NULL,                              -- nothing that it read before is sent any more
    at   timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION exchange.erasure_turn() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT nextval('exchange.erasure_turn') FROM (SELECT pg_notify('dongbo_policy', '')) told
$$;

REVOKE ALL ON SEQUENCE exchange.erasure_turn FROM PUBLIC;
REVOKE ALL ON exchange.feeding FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.erasure_turn() FROM PUBLIC;
GRANT SELECT ON SEQUENCE exchange.erasure_turn TO dongbo_broker;
GRANT SELECT, INSERT, UPDATE, DELETE ON exchange.feeding TO dongbo_broker;
GRANT SELECT ON exchange.feeding TO dongbo_administrator;
GRANT EXECUTE ON FUNCTION exchange.erasure_turn() TO dongbo_administrator;
