-- SPDX-License-Identifier: Apache-2.0
-- Whoever takes content out of a segment writes bytes that the database did not look at: under one tombstone the rest
-- of the segment could be changed, or what was to go could stay and be called gone. Now the database holds them against
-- the segment's leaf and commitments (broker/segment.h), the batch against what stands there, and calls an entry erased
-- only where nothing of it is left. Content comes in zstd frames whose blocks are stored as they are, for nothing here
-- can decompress. As those of 0044 these never fail.

-- What such a frame holds; null: it is none (broker/erase.c writes them).
CREATE FUNCTION exchange.unpack_stored(frame bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at integer := 9;
    head integer := 0;
    parts bytea[] := '{}';
    plain bytea;
BEGIN
    IF length(frame) < 9 OR substring(frame FOR 5) <> '\x28b52ffda0' THEN -- one segment, size in four bytes
        RETURN NULL;
    END IF;
    WHILE head & 1 = 0 LOOP
        IF length(frame) < at + 3 THEN
            RETURN NULL;
        END IF;
        head := get_byte(frame, at) + 256 * get_byte(frame, at + 1) + 65536 * get_byte(frame, at + 2);
        IF head & 6 <> 0 OR head >> 3 > 131072 OR length(frame) < at + 3 + (head >> 3) THEN
            RETURN NULL;
        END IF;
        parts := parts || substring(frame FROM at + 4 FOR head >> 3);
        at := at + 3 + (head >> 3);
    END LOOP;
    plain := coalesce((SELECT string_agg(p.part, ''::bytea ORDER BY p.i)
                       FROM unnest(parts) WITH ORDINALITY AS p(part, i)), '');
    RETURN CASE WHEN at = length(frame) AND length(plain) = get_byte(frame, 5) + 256 * get_byte(frame, 6)
        + 65536 * get_byte(frame, 7) + 16777216::bigint * get_byte(frame, 8) THEN plain END;
END $$;

-- RFC 6962's root over leaves in their order.
CREATE FUNCTION exchange.tree_root(leaves bytea[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    level bytea[] := leaves;
    above bytea[];
BEGIN
    WHILE cardinality(level) > 1 LOOP
        above := '{}';
        FOR i IN 0 .. cardinality(level) / 2 - 1 LOOP
            above := above || sha256('\x01'::bytea || level[2 * i + 1] || level[2 * i + 2]);
        END LOOP;
        level := CASE cardinality(level) & 1 WHEN 1 THEN above || level[cardinality(level)] ELSE above END;
    END LOOP;
    RETURN coalesce(level[1], sha256(''));
END $$;

-- As `dongbo` masks it (text_mask_number()).
CREATE FUNCTION exchange.masked_number(number bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    size integer := length(number);
    shown integer := least(size, 15);
    masked bytea := convert_to(repeat('*', shown), 'UTF8');
BEGIN
    IF size < 6 THEN
        RETURN masked;
    END IF;
    FOR i IN 0 .. 2 LOOP
        IF get_byte(number, i) BETWEEN 33 AND 126 THEN
            masked := set_byte(masked, i, get_byte(number, i));
        END IF;
    END LOOP;
    FOR i IN 1 .. 2 LOOP
        IF get_byte(number, size - i) BETWEEN 33 AND 126 THEN
            masked := set_byte(masked, shown - i, get_byte(number, size - i));
        END IF;
    END LOOP;
    RETURN masked;
END $$;

-- A line's reason as it is hashed; null: it says more.
CREATE FUNCTION exchange.hashed_reason(reason bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH part AS (SELECT f.number, f.value, CASE f.number
            WHEN 1 THEN get_byte(f.whole, 0) = 8 AND (exchange.wire_varint(f.value, 0)).value < 65536
            WHEN 2 THEN get_byte(f.whole, 0) = 18 AND length(f.value) < 256 ELSE false END AS fits
        FROM exchange.wire_fields($1) f)
    SELECT CASE WHEN count(*) = count(DISTINCT number) AND coalesce(bool_and(fits), true)
        THEN substring(int8send(coalesce(max((exchange.wire_varint(value, 0)).value) FILTER (WHERE number = 1), 0))
                FROM 7)
            || set_byte('\x00', 0, coalesce(max(length(value)) FILTER (WHERE number = 2), 0))
            || coalesce(string_agg(value, ''::bytea) FILTER (WHERE number = 2), '') END
    FROM part
$$;

-- A line's leaf in its segment's tree of entries, and what of it the entry is held against. Leaf null: it says what no
-- line may, or what no hash holds.
CREATE FUNCTION exchange.read_line(line bytea, OUT leaf bytea, OUT commitment bytea, OUT masked bytea)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    zeros CONSTANT bytea := decode(repeat('00', 32), 'hex');
    f record;
    seen integer := 0;
    numbers bigint[] := '{0, 0, 0, 0}';                -- kind, sequence, domain, verdict
    event bytea := zeros;
    said bytea;
    who bytea := '';
    words bytea := '';
    n integer := 0;
    reasons bytea := '';
BEGIN
    FOR f IN SELECT w.number, w.whole, w.value FROM exchange.wire_fields(line) w LOOP
        IF f.number NOT BETWEEN 1 AND 11 OR f.number <> 5 AND seen >> f.number::integer & 1 = 1
            OR get_byte(f.whole, 0) <> f.number * 8 + (CASE WHEN f.number < 5 THEN 0 ELSE 2 END) THEN
            RETURN;
        END IF;
        seen := seen | (1 << f.number::integer);
        CASE f.number
            WHEN 5 THEN
                n := n + 1;
                reasons := reasons || exchange.hashed_reason(f.value);
            WHEN 6 THEN event := CASE WHEN length(f.value) = 0 THEN zeros ELSE f.value END;
            WHEN 7 THEN masked := f.value;
            WHEN 8 THEN words := f.value;
            WHEN 9 THEN who := f.value;
            WHEN 10 THEN commitment := f.value;
            WHEN 11 THEN said := f.value;
            ELSE numbers[f.number] := (exchange.wire_varint(f.value, 0)).value;
        END CASE;
    END LOOP;
    masked := coalesce(masked, '');
    IF numbers[1] > 255 OR numbers[3] > 255 OR numbers[4] > 255 OR n > 255 OR length(event) <> 32
        OR length(said) <> 32 OR said IS NOT NULL AND words || who <> '' THEN
        RETURN;
    END IF;
    leaf := sha256(set_byte(set_byte(set_byte('\x00000000', 1, numbers[1]::integer), 2, numbers[3]::integer), 3,
            numbers[4]::integer) || int8send(numbers[2]) || event || commitment
        || CASE WHEN words || who = '' THEN coalesce(said, zeros)
           ELSE sha256('\x646f6e67626f2073616964203100' || who || '\x00'::bytea || words) END
        || set_byte('\x00', 0, n) || reasons);
END $$;

-- The root over a segment's entries by its summary; null where it and the payload are not what was committed to, but
-- for those that are gone. gone: of each entry. A payload that is null was let go.
CREATE FUNCTION exchange.content_root(summary bytea, payload bytea, gone boolean[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    plain CONSTANT bytea := exchange.unpack_stored(payload);
    leaves bytea[] := '{}';
    salts bytea;
    salt bytea;
    stored record;
    line record;
    nth integer := 0;
BEGIN
    SELECT string_agg(f.value, ''::bytea) FILTER (WHERE f.whole IS NOT NULL AND get_byte(f.whole, 0) = 18
            AND length(f.value) = 16 * cardinality(gone) AND f.i = cardinality(gone) + 1) INTO salts
        FROM exchange.wire_fields(plain) WITH ORDINALITY AS f(number, whole, value, i)
        HAVING count(*) = cardinality(gone) + 1;
    IF payload IS NOT NULL AND salts IS NULL THEN
        RETURN NULL;
    END IF;
    FOR stored IN SELECT s.number, s.whole, s.value, e.whole AS entry_whole, e.value AS entry
        FROM exchange.wire_fields(exchange.unpack_stored(summary)) WITH ORDINALITY AS s(number, whole, value, i)
        LEFT JOIN exchange.wire_fields(plain) WITH ORDINALITY AS e(number, whole, value, i) ON e.i = s.i
        ORDER BY s.i LOOP
        nth := nth + 1;
        line := exchange.read_line(stored.value);
        salt := substring(salts FROM 16 * nth - 15 FOR 16);
        IF nth > cardinality(gone) OR stored.number <> 1 OR get_byte(stored.whole, 0) <> 10 OR line.leaf IS NULL
            OR NOT coalesce(CASE
                WHEN gone[nth] THEN line.masked = '' AND (payload IS NULL OR stored.entry_whole = '\x0a00'
                    AND salt = decode(repeat('00', 16), 'hex'))
                WHEN payload IS NULL THEN length(line.masked) < 16 AND line.masked = exchange.masked_number(line.masked)
                ELSE get_byte(stored.entry_whole, 0) = 10
                    AND line.commitment = sha256('\x00'::bytea || salt || stored.entry)
                    AND line.masked = exchange.masked_number(coalesce((SELECT string_agg(f.value, ''::bytea)
                        FROM exchange.wire_fields(stored.entry) f WHERE f.number = 8), '')) END, false) THEN
            RETURN NULL;
        END IF;
        leaves := leaves || line.leaf;
    END LOOP;
    RETURN CASE WHEN nth = cardinality(gone) THEN exchange.tree_root(leaves) END;
END $$;

-- A batch without events. One that cannot be told into as many goes as a whole: null.
CREATE FUNCTION exchange.batch_without(batch bytea, gone boolean[]) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH field AS MATERIALIZED (
        SELECT f.*, row_number() OVER (PARTITION BY f.number ORDER BY f.i) AS nth
        FROM exchange.wire_fields($1 || '') WITH ORDINALITY AS f(number, whole, value, i)), -- read from its place once
    fits AS (
        SELECT coalesce(count(*) FILTER (WHERE number = 4) = cardinality($2) AND bool_and(number > 0)
            AND bool_and(number <> 3 OR length(value) = 16 * cardinality($2)), false) AS whole FROM field)
    SELECT CASE WHEN fits.whole THEN (SELECT string_agg(CASE
            WHEN f.number = 4 AND $2[f.nth] THEN '\x2200'
            WHEN f.number = 3 THEN substring(f.whole FOR length(f.whole) - length(f.value)) || (
                SELECT string_agg(CASE WHEN g.gone THEN decode(repeat('00', 16), 'hex')
                    ELSE substring(f.value FROM 16 * g.i::integer - 15 FOR 16) END, ''::bytea ORDER BY g.i)
                FROM unnest($2) WITH ORDINALITY AS g(gone, i))
            ELSE f.whole END, ''::bytea ORDER BY f.i) FROM field f) END FROM fits
$$;

-- A segment's leaf, of format 2, with that root over its entries' leaves.
CREATE FUNCTION exchange.segment_leaf(g exchange.segment, root bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256('\x00646f6e67626f207365676d656e74203200' || int4send($1.epoch) || int8send($1.first_position)
        || int8send($1.last_position) || set_byte('\x00', 0, $1.kind) || int4send(coalesce($1.agency, 0))
        || coalesce($1.stream, decode(repeat('00', 16), 'hex')) || int8send($1.first_sequence)
        || int8send($1.last_sequence) || coalesce($1.batch_root, decode(repeat('00', 32), 'hex'))
        || coalesce((SELECT sha256(string_agg(f.value, ''::bytea ORDER BY f.number))
                     FROM exchange.wire_fields($1.origin) f WHERE f.number IN (1, 2)), decode(repeat('00', 32), 'hex'))
        || int8send($1.stored_at_us) || int8send($1.population_position) || $2)
$$;

-- Whether an event's word stands in a record's version.
CREATE FUNCTION exchange.is_version_by(record bytea, event_id bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH f AS MATERIALIZED (SELECT w.number, w.value FROM exchange.wire_fields($1) w)
    SELECT EXISTS (SELECT FROM f WHERE f.number = 2 AND exchange.is_origin_of(f.value, $2))
        OR EXISTS (SELECT FROM f CROSS JOIN exchange.wire_fields(f.value) o
                   WHERE f.number = 4 AND o.number = 2 AND exchange.is_origin_of(o.value, $2))
        AND EXISTS (SELECT FROM f CROSS JOIN exchange.wire_fields(f.value) b
                    WHERE f.number = 4 AND b.number = 1 AND b.value <> '')
$$;
-- Whether it stands in none of those of the record of an entry that was logged as erased.
CREATE FUNCTION exchange.is_taken_back(erased bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE way(person) AS (
        SELECT e.person FROM exchange.erasure e WHERE e.position = $1 UNION
        SELECT l.merged_into FROM way w JOIN exchange.person_link l ON l.person = w.person)
    SELECT NOT EXISTS (
        SELECT FROM exchange.erasure e JOIN way w ON true JOIN exchange.record_version v ON v.person = w.person
        AND v.domain = e.domain AND v.record_key = e.record_key
        WHERE e.position = $1 AND exchange.is_version_by(v.record, e.event_id))
$$;

-- Of the segment that begins there, as it is without what was logged as erased; these are done with. Returns how many:
-- 0, and nothing is changed, where it is not that. Of format 1 what stands in summary and payload cannot be looked at.
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
    IF due IS NULL OR $2 IS NULL OR ($3 IS NULL) <> (g.payload IS NULL) OR ($5 IS NULL) <> (g.payload IS NULL)
        OR length($5) NOT BETWEEN 1 AND 1 + 6 * cardinality(gone)
        OR $4 IS DISTINCT FROM exchange.batch_without(g.batch, events)
        OR (g.format <> 1 AND exchange.segment_leaf(g, exchange.content_root($2, $3, gone)) IS DISTINCT FROM g.leaf)
        OR NOT (SELECT bool_and(exchange.is_taken_back(d)) FROM unnest(due) AS d) THEN
        RETURN 0;
    END IF;
    UPDATE exchange.segment s SET summary = $2, payload = $3, batch = $4, about = $5
        WHERE s.first_position = $1;
    RETURN exchange.erase_done(due);
END $$;

REVOKE EXECUTE ON FUNCTION exchange.erase_done(bigint[]) FROM dongbo_administrator;
REVOKE ALL ON FUNCTION exchange.unpack_stored(bytea), exchange.tree_root(bytea[]), exchange.masked_number(bytea),
    exchange.hashed_reason(bytea), exchange.read_line(bytea), exchange.content_root(bytea, bytea, boolean[]),
    exchange.batch_without(bytea, boolean[]), exchange.segment_leaf(exchange.segment, bytea),
    exchange.is_version_by(bytea, bytea), exchange.is_taken_back(bigint) FROM PUBLIC;
