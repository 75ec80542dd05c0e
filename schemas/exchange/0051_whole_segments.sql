-- SPDX-License-Identifier: Apache-2.0
-- What could still be put into a segment by psql, under a tombstone: a filter that passes over what is left, so that
-- nobody would find it when it has to go, too; and lengths that mean one thing here and nothing to whoever decodes
-- them, so that no feed could read on. As those of 0044 and 0046 these never fail.

-- As before, and tags and lengths have five bytes at most, as everywhere else (proto/walk.c).
CREATE OR REPLACE FUNCTION exchange.wire_fields(data bytea) RETURNS TABLE (number bigint, whole bytea, value bytea)
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
                ends := CASE WHEN size.next - begins <= 5 THEN size.next + size.value END;
                begins := size.next;
            END IF;
        END IF;
        IF ends IS NULL OR ends > length(data) OR key.value < 8 OR key.next - at > 5 OR key.value >> 3 > 536870911 THEN
            RETURN QUERY SELECT -1::bigint, NULL::bytea, NULL::bytea;
            RETURN;
        END IF;
        RETURN QUERY SELECT key.value >> 3, substring(data FROM at + 1 FOR ends::integer - at),
            substring(data FROM begins + 1 FOR ends::integer - begins);
        at := ends;
    END LOOP;
END $$;

-- As record_hash() has it (broker/item.c), of one's own key: products of 64 bits of which the lower stay.
CREATE FUNCTION exchange.about_key(person bigint, domain integer, key bytea) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low CONSTANT bigint := 4294967295;
    two64 CONSTANT numeric := 18446744073709551616;
    hash bigint;
    wide numeric;
    part bigint;
BEGIN
    FOR step IN 1 .. 3 LOOP
        wide := CASE step WHEN 1 THEN person * 11400714819323198485::numeric + domain
            WHEN 2 THEN (hash # (hash >> 30 & 17179869183)) * 13787848793156543929::numeric
            ELSE (hash # (hash >> 27 & 137438953471)) * 10723151780598845931::numeric END;
        wide := wide - two64 * floor(wide / two64);
        hash := CASE WHEN wide >= two64 / 2 THEN wide - two64 ELSE wide END;
        IF step = 1 THEN
            FOR i IN 0 .. length(key) - 1 LOOP         -- times 2 ** 40 + 435, in halves
                hash := hash # get_byte(key, i);
                part := (hash & low) * 435;
                hash := (((hash >> 32 & low) * 435 + (part >> 32) + (hash << 8 & low)) & low) << 32 | (part & low);
            END LOOP;
        END IF;
    END LOOP;
    hash := hash # (hash >> 31 & 8589934591);
    RETURN CASE hash WHEN 0 THEN 1 ELSE hash END;
END $$;

-- The filter of these entries (broker/about.c), of a payload as it is unpacked; null: there is none.
CREATE FUNCTION exchange.about_filter(plain bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH said AS MATERIALIZED (
        SELECT f.* FROM exchange.wire_fields($1) e CROSS JOIN exchange.wire_fields(e.value) f
        WHERE e.number = 1 AND f.number IN (3, 7, 8)),
    key AS MATERIALIZED (
        SELECT exchange.about_key((exchange.wire_varint(s.value, 0)).value, 101, '') AS hash FROM said s
            WHERE s.number = 7
        UNION ALL SELECT exchange.about_key(0, 102, s.value) FROM said s WHERE s.number = 8
        UNION ALL SELECT exchange.about_key((SELECT bit_or(get_byte(s.value, i)::bigint << 8 * i)
                                             FROM generate_series(0, 7) i), 103, '')
            FROM said s WHERE s.number = 3 AND length(s.value) = 16),
    size AS MATERIALIZED (SELECT count(*) * 2 AS bytes FROM key),
    probe AS (
        SELECT ((k.hash & 4294967295) + i * (k.hash >> 32 & 4294967295 | 1)) % (8 * size.bytes) AS at
        FROM key k CROSS JOIN size CROSS JOIN generate_series(0, 5) i),
    set AS (SELECT at / 8 AS byte, bit_or(1 << (at % 8)::integer) AS bits FROM probe GROUP BY at / 8)
    SELECT '\x01'::bytea || coalesce((SELECT string_agg(set_byte('\x00', 0, coalesce(set.bits, 0)), ''::bytea
                                                        ORDER BY b.byte)
        FROM size CROSS JOIN generate_series(0, size.bytes - 1) AS b(byte) LEFT JOIN set USING (byte)), '')
$$;

-- As before, and the filter is that of what is left.
CREATE OR REPLACE FUNCTION exchange.erase_segment(first bigint, summary bytea, payload bytea, batch bytea, about bytea)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    g exchange.segment;
    due bigint[];
    gone boolean[];
    events boolean[];
BEGIN
    SELECT s.* INTO g FROM exchange.segment s WHERE s.first_position = $1 FOR UPDATE;
    SELECT array_agg(e.position) FILTER (WHERE e.logged_position IS NOT NULL AND NOT e.done),
        array_agg(e.position IS NOT NULL ORDER BY p.position), array_agg(coalesce(e.logged_position IS NOT NULL
            AND NOT e.done AND e.stream IS NOT NULL, false) ORDER BY p.position)
        INTO due, gone, events FROM generate_series(g.first_position, g.last_position) AS p(position)
        LEFT JOIN exchange.erasure e ON e.position = p.position
        AND (e.logged_position IS NOT NULL OR e.logged_before IS NOT NULL);
    IF due IS NULL OR $2 IS NULL OR ($3 IS NULL) <> (g.payload IS NULL)
        OR $4 IS DISTINCT FROM exchange.batch_without(g.batch, events)
        OR (g.format <> 1 AND exchange.segment_leaf(g, exchange.content_root($2, $3, gone)) IS DISTINCT FROM g.leaf)
        OR $5 IS DISTINCT FROM exchange.about_filter(exchange.unpack_stored($3))
        OR NOT (SELECT bool_and(exchange.is_taken_back(d)) FROM unnest(due) AS d) THEN
        RETURN 0;
    END IF;
    UPDATE exchange.segment s SET summary = $2, payload = $3, batch = $4, about = $5
        WHERE s.first_position = $1;
    RETURN exchange.erase_done(due);
END $$;

REVOKE ALL ON FUNCTION exchange.about_key(bigint, integer, bytea), exchange.about_filter(bytea) FROM PUBLIC;
