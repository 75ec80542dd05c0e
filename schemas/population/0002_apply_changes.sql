-- SPDX-License-Identifier: Apache-2.0
-- Population events change the store here and nowhere else: in order, once per (stream, sequence), and whoever moved
-- the store is seen in population.change at the position that the call raised.
--
-- '' means "not said" everywhere. By kind:
--   registered, birth   a new person; the number known already: the fields said are updated, same person; a number
--                       that was replaced: nothing changes, for its owner is known better under the new one
--   correction, move, death   the fields said are updated
--   number-reissued     subject_number is the old number, number the new one; the old becomes a 'cccd' alias
-- A person not known (or a new number that is somebody else's) gives person 0 and changes nothing.
-- A move to another province without a 63-code or commune takes the old ones away: they would contradict it.

CREATE TYPE population.said AS (
    sequence bigint, kind text, subject_number text, number text, full_name text, name_folded text, birth_date text,
    sex text, mother text, father text, province text, province63 text, commune text, died_on text
);
CREATE TYPE population.applied_row AS (
    sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text
);

-- The person that each event is about as of now: by current number first, then by a number that was replaced.
CREATE FUNCTION population.persons_said(events population.said[])
RETURNS TABLE (sequence bigint, person bigint, about text, by_alias boolean)
LANGUAGE sql STABLE AS $$
    SELECT s.sequence, coalesce(c.person, a.person), s.about, c.person IS NULL AND a.person IS NOT NULL
    FROM (SELECT e.sequence, CASE WHEN e.kind = 'number-reissued' OR e.number = '' THEN e.subject_number
                                  ELSE e.number END AS about
          FROM unnest(events) e) s
    LEFT JOIN population.citizen c ON c.citizen_number = s.about
    LEFT JOIN LATERAL (SELECT min(n.person) AS person FROM population.number_alias n
                       WHERE c.person IS NULL AND n.number = s.about AND n.kind = 'cccd') a ON true
$$;

-- One run of events, no two of which are about the same person or number. `next` is the position to be written.
CREATE FUNCTION population.apply_run(events population.said[], next bigint) RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$   -- plpgsql, for it keeps the plan
BEGIN
    RETURN QUERY
    WITH known AS (
        SELECT e.*, p.person, p.about, p.by_alias, c AS was,
               e.kind IN ('registered', 'birth') AS enters,
               e.kind = 'number-reissued' AND e.number <> '' AS reissued
        FROM unnest(events) e
        JOIN population.persons_said(events) p USING (sequence)
        LEFT JOIN population.citizen c ON c.person = p.person
    ), taken AS (   -- reissues to a number that another person holds
        SELECT k.sequence FROM known k
        JOIN population.citizen o ON o.citizen_number = k.number AND o.person IS DISTINCT FROM k.person
        WHERE k.reissued
    ), wanted AS (
        SELECT k.sequence, k.person, k.about, k.was,
               CASE WHEN k.reissued THEN k.number ELSE (k.was).citizen_number END AS citizen_number,
               coalesce(nullif(k.full_name, ''), (k.was).full_name) AS full_name,
               CASE WHEN k.full_name = '' THEN (k.was).name_folded ELSE k.name_folded END AS name_folded,
               coalesce(nullif(k.birth_date, ''), (k.was).birth_date) AS birth_date,
               coalesce(nullif(k.sex, ''), (k.was).sex) AS sex,
               coalesce(nullif(k.mother, ''), (k.was).mother_name) AS mother_name,
               coalesce(nullif(k.father, ''), (k.was).father_name) AS father_name,
               coalesce(nullif(k.province, ''), (k.was).residence_province) AS residence_province,
               CASE WHEN k.province63 <> '' THEN k.province63
                    WHEN k.province IN ('', (k.was).residence_province) THEN (k.was).residence_province63
                    ELSE '' END AS residence_province63,
               CASE WHEN k.commune <> '' THEN k.commune
                    WHEN k.province IN ('', (k.was).residence_province) THEN (k.was).residence_commune
                    ELSE '' END AS residence_commune,
               coalesce(nullif(k.died_on, ''), (k.was).died_on) AS died_on
        FROM known k
        WHERE k.person IS NOT NULL AND NOT (k.enters AND k.by_alias)
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
        RETURNING w.sequence, c.person, c.citizen_number, (w.was).citizen_number AS old_number, w.about
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
        ON CONFLICT DO NOTHING
    ), change AS (
        INSERT INTO population.change (position, person, citizen_number)
        SELECT next, u.person, n.number FROM updated u
            CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[u.citizen_number, u.old_number, u.about])) n(number)
        UNION ALL SELECT next, e.person, e.citizen_number FROM entered e
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

CREATE FUNCTION population.apply_changes(stream bytea, sequences bigint[], kinds text[], subject_numbers text[],
    numbers text[], full_names text[], names_folded text[], birth_dates text[], sexes text[], mothers text[],
    fathers text[], provinces text[], provinces63 text[], communes text[], died_ons text[])
RETURNS TABLE (sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT integer := coalesce(cardinality(sequences), 0);
    events population.said[];
    event population.said;
    last bigint;
    next bigint;
    apart boolean;   -- no two events concern one number, none a replaced one: one run will do
BEGIN
    IF stream IS NULL OR length(stream) <> 16 THEN
        RAISE EXCEPTION 'a stream is 16 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT (SELECT bool_and(coalesce(c, 0) = n) FROM unnest(ARRAY[cardinality(kinds), cardinality(subject_numbers),
            cardinality(numbers), cardinality(full_names), cardinality(names_folded), cardinality(birth_dates),
            cardinality(sexes), cardinality(mothers), cardinality(fathers), cardinality(provinces),
            cardinality(provinces63), cardinality(communes), cardinality(died_ons)]) c) THEN
        RAISE EXCEPTION 'arrays differ in length from the % sequences', n USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF n = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(ROW(u.s, u.k, coalesce(u.sn, ''), coalesce(u.n, ''), coalesce(u.f, ''), coalesce(u.ff, ''),
               coalesce(u.b, ''), coalesce(u.x, ''), coalesce(u.m, ''), coalesce(u.fa, ''), coalesce(u.p, ''),
               coalesce(u.p63, ''), coalesce(u.c, ''), coalesce(u.d, ''))::population.said ORDER BY u.o)
    INTO events
    FROM unnest(sequences, kinds, subject_numbers, numbers, full_names, names_folded, birth_dates, sexes, mothers,
                fathers, provinces, provinces63, communes, died_ons)
         WITH ORDINALITY u(s, k, sn, n, f, ff, b, x, m, fa, p, p63, c, d, o);
    IF EXISTS (SELECT FROM unnest(sequences) WITH ORDINALITY s(v, o)
               WHERE v IS NULL OR v <= 0 OR v <= sequences[o - 1]) THEN
        RAISE EXCEPTION 'sequences are not positive and ascending' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(kinds) k WHERE k IS NULL OR k NOT IN
               ('registered', 'birth', 'correction', 'move', 'death', 'number-reissued')) THEN
        RAISE EXCEPTION 'an unknown kind of population change' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT s.position + 1 INTO next FROM population.state s FOR UPDATE;   -- one at a time from here on
    last := coalesce((SELECT a.last_sequence FROM population.applied a WHERE a.stream = apply_changes.stream), 0);

    -- Applied before: the persons as they are now.
    IF sequences[1] <= last THEN
        RETURN QUERY
            SELECT e.sequence, coalesce(c.person, 0), coalesce(c.citizen_number, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, ''),
                   coalesce(c.residence_province, ''), coalesce(c.residence_province63, '')
            FROM unnest(events) e
            JOIN population.persons_said(events) p USING (sequence)
            LEFT JOIN population.citizen c ON c.person = p.person
            WHERE e.sequence <= last ORDER BY e.sequence;
        events := (SELECT array_agg(e ORDER BY e.sequence) FROM unnest(events) e WHERE e.sequence > last);
        IF events IS NULL THEN
            RETURN;
        END IF;
    END IF;

    apart := NOT EXISTS (SELECT FROM unnest(events) e
                         CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[e.number, e.subject_number])) u(number)
                         WHERE u.number <> '' GROUP BY u.number HAVING count(*) > 1)
             AND NOT EXISTS (SELECT FROM population.persons_said(events) p WHERE p.by_alias);
    IF apart THEN
        RETURN QUERY SELECT * FROM population.apply_run(events, next);
    ELSE
        FOREACH event IN ARRAY events LOOP
            RETURN QUERY SELECT * FROM population.apply_run(ARRAY[event], next);
        END LOOP;
    END IF;

    INSERT INTO population.applied AS a (stream, last_sequence) VALUES (apply_changes.stream, sequences[n])
        ON CONFLICT (stream) DO UPDATE SET last_sequence = excluded.last_sequence;
    IF EXISTS (SELECT FROM population.change c WHERE c.position = next) THEN
        UPDATE population.state SET position = next;
    END IF;
END $$;
