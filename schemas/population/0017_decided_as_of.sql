-- SPDX-License-Identifier: Apache-2.0
-- What is told to apply_changes() was decided on the store as it was at some position of its clock, and somebody else
-- may have held the lock since then: a number that named nobody may by now be an alias of a person, and a birth told of
-- it would overwrite hers. So the position is told, too (`as_of`; NULL: none). As before (0014), but where a number
-- that is told of was changed behind it, nothing is applied (SQLSTATE 40001), and whoever told decides anew. A batch
-- may come in pieces: `own` are the positions at which its earlier ones changed the store, as the answers to them say.
DROP FUNCTION population.apply_changes(bytea, bigint[], text[], text[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[], text[], text[], integer[], boolean);
CREATE FUNCTION population.apply_changes(stream bytea, sequences bigint[], kinds text[],
    subject_numbers text[],
    numbers text[], full_names text[], names_folded text[], birth_dates text[], sexes text[], mothers text[],
    fathers text[], provinces text[], provinces63 text[], communes text[], died_ons text[], cleared integer[],
    decided boolean, as_of bigint DEFAULT NULL, own bigint[] DEFAULT '{}')
RETURNS TABLE (sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text, changed bigint)   -- changed: 0 where nothing was
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT integer := coalesce(cardinality(sequences), 0);
    events population.said[];
    kept population.applied_row[];      -- of these events, from calls before this one
    applied population.applied_row[];
    fresh population.applied_row[];     -- answers to be kept
    last bigint;
    next bigint;
    moved bigint := 0;                  -- `next` where this call changed anything
    oldest bigint;                      -- sequence that answers are kept from
BEGIN
    IF stream IS NULL OR length(stream) <> 16 THEN
        RAISE EXCEPTION 'a stream is 16 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM population.check_said(sequences, kinds, ARRAY[cardinality(kinds), cardinality(subject_numbers),
        cardinality(numbers), cardinality(full_names), cardinality(names_folded), cardinality(birth_dates),
        cardinality(sexes), cardinality(mothers), cardinality(fathers), cardinality(provinces),
        cardinality(provinces63), cardinality(communes), cardinality(died_ons), cardinality(cleared)]);
    IF n = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(ROW(u.s, u.k, coalesce(u.sn, ''), coalesce(u.n, ''), coalesce(u.f, ''), coalesce(u.ff, ''),
               coalesce(u.b, ''), coalesce(u.x, ''), coalesce(u.m, ''), coalesce(u.fa, ''), coalesce(u.p, ''),
               coalesce(u.p63, ''), coalesce(u.c, ''), coalesce(u.d, ''), coalesce(u.cl, 0))::population.said
               ORDER BY u.o)
    INTO events
    FROM unnest(sequences, kinds, subject_numbers, numbers, full_names, names_folded, birth_dates, sexes, mothers,
                fathers, provinces, provinces63, communes, died_ons, cleared)
         WITH ORDINALITY u(s, k, sn, n, f, ff, b, x, m, fa, p, p63, c, d, cl, o);

    SELECT s.position + 1 INTO next FROM population.state s FOR UPDATE;   -- one at a time from here on
    IF as_of < next - 1 AND EXISTS (
        SELECT FROM population.change c
        WHERE c.position > as_of AND c.position < next AND c.position <> ALL (own)
          AND c.citizen_number IN (SELECT u.number FROM unnest(subject_numbers || numbers) u(number))) THEN
        RAISE EXCEPTION 'somebody else changed a person of these meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    last := coalesce((SELECT a.last_sequence FROM population.applied a WHERE a.stream = apply_changes.stream), 0);
    IF decided OR sequences[1] <= last THEN
        kept := population.answers_kept(stream, decided, sequences);
        oldest := (SELECT c.answers[1].sequence FROM population.applied_call c
                   WHERE c.stream = apply_changes.stream AND NOT c.decided ORDER BY c.call LIMIT 1);
        -- Applied so long ago that the answer is not kept: the persons as they are now.
        RETURN QUERY
            SELECT e.sequence, coalesce(c.person, 0), coalesce(c.citizen_number, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, ''), moved
            FROM unnest(events) e
            JOIN population.persons_said(events) p USING (sequence)
            LEFT JOIN population.citizen c ON c.person = p.person
            WHERE NOT decided AND e.sequence <= last AND e.sequence < oldest ORDER BY e.sequence;
        events := (SELECT array_agg(e ORDER BY e.sequence) FROM unnest(events) e
                   WHERE decided OR e.sequence > last OR e.sequence >= oldest);
        IF events IS NULL THEN
            RETURN;
        END IF;
    END IF;

    applied := (SELECT array_agg(a::population.applied_row ORDER BY a.sequence)
                FROM population.apply_all(events, next) a);
    IF EXISTS (SELECT FROM population.change c WHERE c.position = next) THEN
        UPDATE population.state SET position = next;
        moved := next;
    END IF;
    RETURN QUERY
        SELECT (r.answer).*, moved FROM (
            SELECT CASE WHEN a.person <> 0 AND k.person <> 0
                             AND (k.province_after, k.province63_after) = (a.province_after, a.province63_after)
                        THEN k::population.applied_row ELSE a::population.applied_row END AS answer
            FROM unnest(applied) a LEFT JOIN unnest(kept) k USING (sequence)) r
        ORDER BY (r.answer).sequence;

    -- Of a decision that came to nothing another one follows.
    fresh := (SELECT array_agg(a::population.applied_row) FROM unnest(applied) a
              WHERE (NOT decided OR a.person <> 0)
                AND NOT EXISTS (SELECT FROM unnest(kept) k
                                WHERE k.sequence = a.sequence AND (k.person <> 0 OR a.person = 0)));
    IF fresh IS NOT NULL THEN
        PERFORM population.keep_answers(stream, decided, fresh);
    END IF;
    IF NOT decided THEN
        INSERT INTO population.applied AS a (stream, last_sequence) VALUES (apply_changes.stream, sequences[n])
            ON CONFLICT (stream) DO UPDATE SET last_sequence = greatest(a.last_sequence, excluded.last_sequence);
    END IF;
END $$;

REVOKE ALL ON FUNCTION population.apply_changes(bytea, bigint[], text[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[], text[], text[], text[], integer[], boolean, bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.apply_changes(bytea, bigint[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[], text[], text[], text[], text[], integer[], boolean, bigint, bigint[])
    TO dongbo_population_writer;
