-- SPDX-License-Identifier: Apache-2.0
-- Whoever takes an event's word out of a record's version writes bytes that the database did not look at. Now it holds
-- them against what stands there: nothing but what that event said may be missing, and nothing else may be there.
-- These read protobuf's wire format as far as versions need it (store.proto), and never fail, for an error tells.

-- Next is null where there is no whole one; of more than 56 bits, the lower.
CREATE FUNCTION exchange.wire_varint(data bytea, start integer, OUT value bigint, OUT next integer)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at integer := start;
BEGIN
    value := 0;
    WHILE at < length(data) AND at < start + 10 LOOP
        IF at < start + 8 THEN
            value := value | ((get_byte(data, at) & 127)::bigint << (7 * (at - start)));
        END IF;
        at := at + 1;
        IF get_byte(data, at - 1) < 128 THEN
            next := at;
            RETURN;
        END IF;
    END LOOP;
END $$;
-- Fields as they stand, in order; of number -1 where the rest is none.
CREATE FUNCTION exchange.wire_fields(data bytea) RETURNS TABLE (number bigint, whole bytea, value bytea)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at integer := 0;
    begins integer;
    ends bigint;
    key record;
    size record;
BEGIN
    WHILE at < length(data) LOOP
        key := exchange.wire_varint(data, at);
        begins := key.next;
        ends := CASE key.value & 7 WHEN 1 THEN begins + 8 WHEN 5 THEN begins + 4 END;
        IF begins IS NOT NULL AND key.value & 7 IN (0, 2) THEN
            size := exchange.wire_varint(data, begins);
            ends := size.next;
            IF key.value & 7 = 2 THEN
                begins := size.next;
                ends := begins + size.value;
            END IF;
        END IF;
        IF ends IS NULL OR ends > length(data) OR key.value < 8 THEN
            RETURN QUERY SELECT -1::bigint, NULL::bytea, NULL::bytea;
            RETURN;
        END IF;
        RETURN QUERY SELECT key.value >> 3, substring(data FROM at + 1 FOR ends::integer - at),
            substring(data FROM begins + 1 FOR ends::integer - begins);
        at := ends;
    END LOOP;
END $$;

-- Whether an origin is of that event.
CREATE FUNCTION exchange.is_origin_of(origin bytea, event_id bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM exchange.wire_fields($1) f WHERE f.number = 3 AND f.value = $2)
$$;
-- Whether a body is another without fields of these numbers. Keys may stay.
CREATE FUNCTION exchange.is_body_without(was bytea, becomes bytea, numbers bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (SELECT f.number, string_agg(f.whole, ''::bytea ORDER BY f.i) AS whole
                 FROM exchange.wire_fields($1) WITH ORDINALITY AS f(number, whole, value, i) GROUP BY f.number),
    new AS (SELECT f.number, string_agg(f.whole, ''::bytea ORDER BY f.i) AS whole
            FROM exchange.wire_fields($2) WITH ORDINALITY AS f(number, whole, value, i) GROUP BY f.number)
    SELECT NOT EXISTS (SELECT FROM new LEFT JOIN old USING (number) WHERE number < 1
                       OR new.whole IS DISTINCT FROM old.whole)
        AND NOT EXISTS (SELECT FROM old LEFT JOIN new USING (number) WHERE new.number IS NULL
                        AND number <> ALL ($3))
$$;
-- Whether what was lost to an event is another as it is without any words: who and when, not what.
CREATE FUNCTION exchange.is_lost_without(was bytea, becomes bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (SELECT array_agg(coalesce(
            (SELECT string_agg(f.whole, ''::bytea ORDER BY f.i) FROM exchange.wire_fields(o.value)
             WITH ORDINALITY AS f(number, whole, value, i) WHERE f.number NOT IN (5, 6)), '') ORDER BY o.i) AS origins
        FROM exchange.wire_fields($1) WITH ORDINALITY AS o(number, whole, value, i) WHERE o.number = 2),
    new AS (SELECT array_agg(n.value ORDER BY n.i) AS origins, bool_and(n.number = 2) AS alone
        FROM exchange.wire_fields($2) WITH ORDINALITY AS n(number, whole, value, i))
    SELECT coalesce(new.alone AND new.origins = old.origins, false) FROM old, new
$$;
-- Whether a version is another without what that event said (broker/erase.h).
CREATE FUNCTION exchange.is_version_without(was bytea, becomes bytea, event_id bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS MATERIALIZED (
        SELECT f.*, f.number = 2 AND exchange.is_origin_of(f.value, $3) AS gone
        FROM exchange.wire_fields($1) WITH ORDINALITY AS f(number, whole, value, i)),
    new AS MATERIALIZED (SELECT f.* FROM exchange.wire_fields($2) WITH ORDINALITY AS f(number, whole, value, i)),
    parts AS (
        SELECT (SELECT string_agg(whole, ''::bytea ORDER BY i) FROM old WHERE number = 2 AND NOT gone) AS origins,
            (SELECT string_agg(whole, ''::bytea ORDER BY i) FROM old WHERE number = 3) AS retracted,
            (SELECT string_agg(value, ''::bytea) FROM old WHERE number = 1) AS body,
            (SELECT string_agg(value, ''::bytea) FROM old WHERE number = 4) AS lost,
            (SELECT string_agg(value, ''::bytea) FROM new WHERE number = 1) AS new_body,
            (SELECT string_agg(value, ''::bytea) FROM new WHERE number = 4) AS new_lost,
            (SELECT coalesce(array_agg(get_byte(f.value, b)::bigint), '{}') FROM old
             CROSS JOIN exchange.wire_fields(old.value) f CROSS JOIN generate_series(0, length(f.value) - 1) b
             WHERE old.gone AND f.number = 5) AS numbers),
    lost AS (SELECT EXISTS (SELECT FROM parts CROSS JOIN exchange.wire_fields(parts.lost) f
                            WHERE f.number = 2 AND exchange.is_origin_of(f.value, $3)) AS gone)
    -- Of nobody's word any more, its key goes with any of its events.
    SELECT (lost.gone OR p.origins IS NULL OR EXISTS (SELECT FROM old WHERE gone))
        AND NOT EXISTS (SELECT FROM new WHERE number NOT IN (1, 2, 3, 4))
        AND NOT EXISTS (SELECT FROM new WHERE number <> 2 GROUP BY number HAVING count(*) > 1)
        AND (SELECT string_agg(whole, ''::bytea ORDER BY i) FROM new WHERE number = 2) IS NOT DISTINCT FROM p.origins
        AND (SELECT string_agg(whole, ''::bytea ORDER BY i) FROM new WHERE number = 3)
            IS NOT DISTINCT FROM CASE WHEN p.origins IS NULL THEN '\x1801' ELSE p.retracted END
        AND CASE WHEN p.origins IS NULL THEN p.new_body IS NULL
            ELSE exchange.is_body_without(coalesce(p.body, ''), coalesce(p.new_body, ''), p.numbers) END
        AND CASE WHEN lost.gone THEN exchange.is_lost_without(p.lost, coalesce(p.new_lost, ''))
            ELSE p.new_lost IS NOT DISTINCT FROM p.lost END
    FROM parts p, lost
$$;

CREATE OR REPLACE FUNCTION exchange.erase_version(erased bigint, version bigint, record bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE way(person) AS (
        SELECT e.person FROM exchange.erasure e WHERE e.position = $1 UNION
        SELECT l.merged_into FROM way w JOIN exchange.person_link l ON l.person = w.person),
    done AS (
        UPDATE exchange.record_version v SET record = $3 FROM exchange.erasure e
        WHERE $3 IS NOT NULL AND e.position = $1 AND e.logged_position IS NOT NULL AND NOT e.done
        AND v.person IN (SELECT w.person FROM way w)
        AND v.domain = e.domain AND v.record_key = e.record_key AND v.position = $2
        AND exchange.is_version_without(v.record, $3, e.event_id)
        RETURNING 1)
    SELECT count(*) FROM done
$$;

REVOKE ALL ON FUNCTION exchange.wire_varint(bytea, integer), exchange.wire_fields(bytea),
    exchange.is_origin_of(bytea, bytea), exchange.is_body_without(bytea, bytea, bigint[]),
    exchange.is_lost_without(bytea, bytea), exchange.is_version_without(bytea, bytea, bytea) FROM PUBLIC;
