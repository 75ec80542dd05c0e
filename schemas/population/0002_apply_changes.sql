-- SPDX-License-Identifier: Apache-2.0
-- Population events change the store here and nowhere else: in order, and whoever moved the store is seen in
-- population.change at the position that the call raised.
--
-- '' means "not said" everywhere; `cleared` has bit n set where field n of the event's body holds no longer. Whoever
-- calls passes on only what is to hold: which of two values is the newer is not known here. By kind:
--   registered, birth   a new person; the number known already, or replaced: the fields said are updated, same person
--   correction, move, death   the fields said are updated
--   number-reissued     subject_number is the old number, number the new one; the old becomes a 'cccd' alias
--   number-replaced     number was given to the owner of subject_number, but no longer holds: it becomes an alias
-- A person not known gives person 0 and citizen_number '', a new number that is somebody else's person 0 and the number
-- that the person keeps; neither changes anything.
-- A province is said together with its 63-code or without one, and then the old 63-code goes.
--
-- Called again with the same (stream, sequence), as after a crash, it applies the event again, for others may have come
-- in between, and gives the answer that it gave first, for an entry's residence before and after is fixed once. Answers
-- are kept of each stream's last calls. A sequence before those changes nothing and gives the person as now.
-- `decided` are decisions on events that were deferred, of any sequence: their answers are kept apart.

CREATE TYPE population.said AS (
    sequence bigint, kind text, subject_number text, number text, full_name text, name_folded text, birth_date text,
    sex text, mother text, father text, province text, province63 text, commune text, died_on text, cleared integer
);
CREATE TYPE population.applied_row AS (
    sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text
);

-- More calls than one exchange's transaction can hold.
CREATE TABLE population.applied_call (
    stream  bytea NOT NULL,
    decided boolean NOT NULL,
    call    bigint NOT NULL,
    answers population.applied_row[] NOT NULL,
    PRIMARY KEY (stream, decided, call)
);

-- The person that each event is about as of now: by current number first, then by a number that was replaced.
CREATE FUNCTION population.persons_said(events population.said[])
RETURNS TABLE (sequence bigint, person bigint, about text, by_alias boolean)
LANGUAGE sql STABLE AS $$
    SELECT s.sequence, coalesce(c.person, a.person), s.about, c.person IS NULL AND a.person IS NOT NULL
    FROM (SELECT e.sequence, CASE WHEN e.kind IN ('number-reissued', 'number-replaced') OR e.number = ''
                                  THEN e.subject_number
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

-- The events in order. `next` as above.
CREATE FUNCTION population.apply_all(events population.said[], next bigint) RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    event population.said;
    apart boolean;   -- no two events concern one number, none a replaced one: one run will do
BEGIN
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
END $$;

-- What these events were answered with before, each once: as applied, where they ever were.
CREATE FUNCTION population.answers_kept(stream bytea, decided boolean, sequences bigint[])
RETURNS population.applied_row[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(k.answer) FROM (
        SELECT DISTINCT ON (a.sequence) a::population.applied_row AS answer
        FROM population.applied_call c CROSS JOIN LATERAL unnest(c.answers) a
        JOIN unnest(sequences) s(sequence) USING (sequence)
        WHERE c.stream = answers_kept.stream AND c.decided = answers_kept.decided
        ORDER BY a.sequence, a.person = 0, c.call) k
$$;

-- Keeps answers, and lets go of those of calls so old that nobody repeats them.
CREATE FUNCTION population.keep_answers(stream bytea, decided boolean, answers population.applied_row[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO population.applied_call (stream, decided, call, answers)
    SELECT keep_answers.stream, keep_answers.decided, coalesce(max(c.call), 0) + 1, keep_answers.answers
    FROM population.applied_call c
    WHERE c.stream = keep_answers.stream AND c.decided = keep_answers.decided;
    DELETE FROM population.applied_call c USING (
        SELECT max(m.call) AS last FROM population.applied_call m
        WHERE m.stream = keep_answers.stream AND m.decided = keep_answers.decided) l
    WHERE c.stream = keep_answers.stream AND c.decided = keep_answers.decided
      AND c.call <= l.last - CASE WHEN keep_answers.decided THEN 8 ELSE 64 END
$$;

CREATE FUNCTION population.check_said(sequences bigint[], kinds text[], lengths integer[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n CONSTANT integer := coalesce(cardinality(sequences), 0);
BEGIN
    IF NOT (SELECT bool_and(coalesce(l, 0) = n) FROM unnest(lengths) l) THEN
        RAISE EXCEPTION 'arrays differ in length from the % sequences', n USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(sequences) WITH ORDINALITY s(v, o)
               WHERE v IS NULL OR v <= 0 OR v <= sequences[o - 1]) THEN
        RAISE EXCEPTION 'sequences are not positive and ascending' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(kinds) k WHERE k IS NULL OR k NOT IN
               ('registered', 'birth', 'correction', 'move', 'death', 'number-reissued', 'number-replaced')) THEN
        RAISE EXCEPTION 'an unknown kind of population change' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

CREATE FUNCTION population.apply_changes(stream bytea, sequences bigint[], kinds text[], subject_numbers text[],
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
            SELECT CASE WHEN a.person <> 0 AND k.person <> 0 THEN k::population.applied_row
                        ELSE a::population.applied_row END AS answer
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
