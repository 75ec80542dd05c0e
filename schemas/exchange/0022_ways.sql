-- SPDX-License-Identifier: Apache-2.0
-- Whom a person went to by mergers, one after the other; themselves where they did not go. with_records: only as far as
-- their records have gone too.
CREATE FUNCTION exchange.went_to(person bigint, with_records boolean) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE way(person) AS (
        SELECT $1 UNION SELECT l.merged_into FROM way w JOIN exchange.person_link l ON l.person = w.person
        WHERE l.moved OR NOT $2
    )
    SELECT w.person FROM way w
    WHERE NOT EXISTS (SELECT FROM exchange.person_link l WHERE l.person = w.person AND (l.moved OR NOT $2))
$$;
REVOKE ALL ON FUNCTION exchange.went_to(bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.went_to(bigint, boolean) TO dongbo_broker;

-- What was told of whoever went counts with whom they went to.
CREATE INDEX guess_person ON exchange.guess (person);
GRANT UPDATE (person, last) ON exchange.guess TO dongbo_broker;

-- Records that can never be told again are let go after some tries, for others wait behind them.
ALTER TABLE exchange.retelling
    ADD tries  smallint NOT NULL DEFAULT 0,            -- that failed
    ADD failed text;                                   -- what became of them, in words; null: told, or still to be
GRANT UPDATE (tries, failed) ON exchange.retelling TO dongbo_broker;
