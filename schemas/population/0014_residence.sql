-- SPDX-License-Identifier: Apache-2.0
-- Where people moved from and to, in the order in which they did: so that a log that knows less than this store (its
-- transaction came to nothing, or its database was set back) can tell it whatever comes again, and in whatever stream.
-- Nothing is deleted here: an exchange may be set back to any backup. A store that is somebody else's has a view; one
-- without rows tells of no move that the exchange did not bring itself.

CREATE TABLE population.residence (
    place             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- given out under the lock of population.state
    person            bigint NOT NULL,
    province_before   text NOT NULL,
    province63_before text NOT NULL,
    province_after    text NOT NULL,
    province63_after  text NOT NULL
);
REVOKE ALL ON population.residence FROM PUBLIC;
GRANT SELECT ON population.residence TO dongbo_population_reader;

-- As before, and it keeps that. Who only comes in comes from nowhere.
CREATE OR REPLACE FUNCTION population.apply_run(events population.said[], next bigint)
RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$   -- plpgsql, for it keeps the plan
BEGIN
    RETURN QUERY
    WITH known AS (
        SELECT e.*, p.person, p.about, p.by_alias, c AS was,
               e.kind IN ('registered', 'birth') AS enters,
               e.kind = 'number-reissued' AND e.number <> '' AS reissued,
               e.kind = 'number-replaced' AND e.number <> '' AS replaced
        FROM unnest(events) e
        JOIN population.persons_said(events) p USING (sequence)
        LEFT JOIN population.citizen c ON c.person = p.person
    ), taken AS (   -- reissues to a number that another person holds
        SELECT k.sequence FROM known k
        JOIN population.citizen o ON o.citizen_number = k.number AND o.person IS DISTINCT FROM k.person
        WHERE k.reissued
    ), wanted AS (
        SELECT k.sequence, k.person, k.about, k.was, k.replaced, k.number,
               CASE WHEN k.reissued THEN k.number ELSE (k.was).citizen_number END AS citizen_number,
               coalesce(nullif(k.full_name, ''), (k.was).full_name) AS full_name,
               CASE WHEN k.full_name = '' THEN (k.was).name_folded ELSE k.name_folded END AS name_folded,
               coalesce(nullif(k.birth_date, ''), (k.was).birth_date) AS birth_date,
               coalesce(nullif(k.sex, ''), (k.was).sex) AS sex,
               CASE WHEN k.mother <> '' OR k.cleared & (1 << 6) <> 0 THEN k.mother
                    ELSE (k.was).mother_name END AS mother_name,
               CASE WHEN k.father <> '' OR k.cleared & (1 << 7) <> 0 THEN k.father
                    ELSE (k.was).father_name END AS father_name,
               CASE WHEN k.province <> '' OR k.cleared & (1 << 8) <> 0 THEN k.province
                    ELSE (k.was).residence_province END AS residence_province,
               CASE WHEN k.province <> '' OR k.cleared & (1 << 8) <> 0 THEN k.province63
                    ELSE (k.was).residence_province63 END AS residence_province63,
               CASE WHEN k.commune <> '' OR k.cleared & (1 << 9) <> 0 THEN k.commune
                    ELSE (k.was).residence_commune END AS residence_commune,
               CASE WHEN k.died_on <> '' OR k.cleared & (1 << 10) <> 0 THEN k.died_on
                    ELSE (k.was).died_on END AS died_on
        FROM known k
        WHERE k.person IS NOT NULL
          AND NOT EXISTS (SELECT FROM taken t WHERE t.sequence = k.sequence)
    ), updated AS (
        UPDATE population.citizen c SET citizen_number = w.citizen_number, full_name = w.full_name,
            name_folded = w.name_folded, birth_date = w.birth_date, sex = w.sex, mother_name = w.mother_name,
            father_name = w.father_name, residence_province = w.residence_province,
            residence_province63 = w.residence_province63, residence_commune = w.residence_commune,
            died_on = w.died_on
        FROM wanted w
        WHERE c.person = w.person
          AND (c.citizen_number, c.full_name, c.birth_date, c.sex, c.mother_name, c.father_name, c.residence_province,
               c.residence_province63, c.residence_commune, c.died_on)
              IS DISTINCT FROM
              (w.citizen_number, w.full_name, w.birth_date, w.sex, w.mother_name, w.father_name, w.residence_province,
               w.residence_province63, w.residence_commune, w.died_on)
        RETURNING w.sequence, c.person, c.citizen_number, (w.was).citizen_number AS old_number, w.about,
                  (w.was).residence_province AS province_before, (w.was).residence_province63 AS province63_before,
                  c.residence_province, c.residence_province63
    ), moved AS (
        INSERT INTO population.residence (person, province_before, province63_before, province_after, province63_after)
        SELECT u.person, u.province_before, u.province63_before, u.residence_province, u.residence_province63
        FROM updated u
        WHERE (u.province_before, u.province63_before) <> (u.residence_province, u.residence_province63)
        ORDER BY u.sequence
    ), entered AS (
        INSERT INTO population.citizen (citizen_number, full_name, name_folded, birth_date, sex, mother_name,
            father_name, residence_province, residence_province63, residence_commune, died_on)
        SELECT k.about, k.full_name, k.name_folded, k.birth_date, coalesce(nullif(k.sex, ''), 'unknown'), k.mother,
               k.father, k.province, k.province63, k.commune, k.died_on
        FROM known k WHERE k.person IS NULL AND k.enters AND k.about <> '' ORDER BY k.sequence
        RETURNING person, citizen_number, residence_province, residence_province63
    ), no_alias AS (   -- a number that holds again is no alias any more
        DELETE FROM population.number_alias a USING updated u
        WHERE a.kind = 'cccd' AND a.number = u.citizen_number AND a.person = u.person
    ), alias AS (
        INSERT INTO population.number_alias (kind, number, person)
        SELECT 'cccd', u.old_number, u.person FROM updated u WHERE u.old_number <> u.citizen_number
        UNION SELECT 'cccd', w.number, w.person FROM wanted w WHERE w.replaced AND w.number <> w.citizen_number
        ON CONFLICT DO NOTHING RETURNING person, number
    ), change AS (
        INSERT INTO population.change (position, person, citizen_number)
        SELECT next, u.person, n.number FROM updated u
            CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[u.citizen_number, u.old_number, u.about])) n(number)
        UNION SELECT next, a.person, a.number FROM alias a
        UNION SELECT next, e.person, e.citizen_number FROM entered e
    )
    SELECT k.sequence, coalesce(e.person, CASE WHEN t.sequence IS NULL THEN k.person END, 0),
           coalesce(e.citizen_number, w.citizen_number, (k.was).citizen_number, ''),
           coalesce((k.was).residence_province, ''), coalesce((k.was).residence_province63, ''),
           coalesce(e.residence_province, w.residence_province, (k.was).residence_province, ''),
           coalesce(e.residence_province63, w.residence_province63, (k.was).residence_province63, '')
    FROM known k
    LEFT JOIN wanted w ON w.sequence = k.sequence
    LEFT JOIN taken t ON t.sequence = k.sequence
    LEFT JOIN entered e ON k.person IS NULL AND k.enters AND e.citizen_number = k.about
    ORDER BY k.sequence;
END $$;

-- As before, but for the answer to what comes again: it is the first one only where the person lives there now as they
-- did then. Where they went on meanwhile, another one would say of them what is no longer so.
CREATE OR REPLACE FUNCTION population.apply_changes(stream bytea, sequences bigint[], kinds text[],
    subject_numbers text[],
    numbers text[], full_names text[], names_folded text[], birth_dates text[], sexes text[], mothers text[],
    fathers text[], provinces text[], provinces63 text[], communes text[], died_ons text[], cleared integer[],
    decided boolean)
RETURNS TABLE (sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text)
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
    last := coalesce((SELECT a.last_sequence FROM population.applied a WHERE a.stream = apply_changes.stream), 0);
    IF decided OR sequences[1] <= last THEN
        kept := population.answers_kept(stream, decided, sequences);
        oldest := (SELECT c.answers[1].sequence FROM population.applied_call c
                   WHERE c.stream = apply_changes.stream AND NOT c.decided ORDER BY c.call LIMIT 1);
        -- Applied so long ago that the answer is not kept: the persons as they are now.
        RETURN QUERY
            SELECT e.sequence, coalesce(c.person, 0), coalesce(c.citizen_number, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, '')
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
    RETURN QUERY
        SELECT (r.answer).* FROM (
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
    IF EXISTS (SELECT FROM population.change c WHERE c.position = next) THEN
        UPDATE population.state SET position = next;
    END IF;
END $$;
