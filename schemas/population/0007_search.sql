-- SPDX-License-Identifier: Apache-2.0
-- Finding a person by what is said of them, where the number does not lead to them. A candidate shares a key with the
-- event: 64 bits of a few parts that are rarely wrong all at once. Keys are functions of the row alone and stand in
-- indexes, so that rows of any age and any way in have them; the same functions make the keys that are looked up.
-- A key is NULL, and finds nobody, where a part is missing. 1 January stands for "not known" too often to be a part.

CREATE FUNCTION population.key_ends(name text, birth text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- surname and given name in either order, birth date
RETURN CASE WHEN name LIKE '% %' AND birth LIKE '____-__-__' AND birth NOT LIKE '____-01-01'
    THEN hashtextextended(least(split_part(name, ' ', 1) COLLATE "C", split_part(name, ' ', -1) COLLATE "C") || '/' ||
                          greatest(split_part(name, ' ', 1) COLLATE "C", split_part(name, ' ', -1) COLLATE "C") ||
                          '/' || birth, 1) END;

CREATE FUNCTION population.key_given(name text, birth text, sex text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- given name, birth date, sex
RETURN CASE WHEN name <> '' AND birth LIKE '____-__-__' AND birth NOT LIKE '____-01-01' AND sex LIKE '%male'
    THEN hashtextextended(split_part(name, ' ', -1) || '/' || birth || '/' || sex, 2) END;

CREATE FUNCTION population.key_letters(name text, birth text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- name without spaces, birth date
RETURN CASE WHEN name <> '' AND birth LIKE '____-__-__' AND birth NOT LIKE '____-01-01'
    THEN hashtextextended(replace(name, ' ', '') || '/' || birth, 3) END;

CREATE FUNCTION population.key_year(name text, birth text, province text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- name without Thị and Văn, birth year, province
RETURN CASE WHEN name <> '' AND birth LIKE '____%' AND birth NOT LIKE '1900%' AND province <> ''
    THEN hashtextextended(replace(replace(name, ' thi ', ' '), ' van ', ' ') || '/' || left(birth, 4) || '/' ||
                          province, 4) END;

CREATE FUNCTION population.key_mother(name text, birth text, mother text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- given name, birth year, mother's name
RETURN CASE WHEN name <> '' AND birth LIKE '____%' AND birth NOT LIKE '1900%' AND mother <> ''
    THEN hashtextextended(split_part(name, ' ', -1) || '/' || left(birth, 4) || '/' || lower(normalize(mother)), 5) END;

CREATE INDEX citizen_key_ends ON population.citizen (population.key_ends(name_folded, birth_date));
CREATE INDEX citizen_key_given ON population.citizen (population.key_given(name_folded, birth_date, sex));
CREATE INDEX citizen_key_letters ON population.citizen (population.key_letters(name_folded, birth_date));
CREATE INDEX citizen_key_year ON population.citizen (population.key_year(name_folded, birth_date, residence_province));
CREATE INDEX citizen_key_mother ON population.citizen (population.key_mother(name_folded, birth_date, mother_name));

-- How common things are, counted once and kept, so that what was concluded from it can be named. The last model's
-- counts are kept; of earlier ones only that they were. They are found by their bytes, not by a language's order of
-- letters.
CREATE TABLE population.model (
    model    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    citizens bigint NOT NULL,
    position bigint NOT NULL,                          -- of the store, when it was counted
    made_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE population.model_count (
    model bigint NOT NULL REFERENCES population.model,
    kind  text COLLATE "C" NOT NULL,                   -- name (folded), given, birth, year, province, mother, father
    value text COLLATE "C" NOT NULL,                   -- of whole names only those that two or more have
    n     bigint NOT NULL,
    PRIMARY KEY (model, kind, value)
);

CREATE FUNCTION population.make_model() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made bigint;
BEGIN
    LOCK TABLE population.model IN SHARE ROW EXCLUSIVE MODE;   -- one at a time
    INSERT INTO population.model (citizens, position)
        SELECT (SELECT count(*) FROM population.citizen), s.position FROM population.state s RETURNING model INTO made;
    INSERT INTO population.model_count (model, kind, value, n)
        SELECT made, 'name', name_folded COLLATE "C", count(*) FROM population.citizen GROUP BY 3 HAVING count(*) > 1
        UNION ALL
        SELECT made, 'given', split_part(name_folded, ' ', -1) COLLATE "C", count(*) FROM population.citizen GROUP BY 3
        UNION ALL
        SELECT made, 'birth', birth_date COLLATE "C", count(*) FROM population.citizen GROUP BY 3
        UNION ALL
        SELECT made, 'year', left(birth_date, 4) COLLATE "C", count(*) FROM population.citizen GROUP BY 3
        UNION ALL
        SELECT made, 'province', residence_province COLLATE "C", count(*) FROM population.citizen GROUP BY 3
        UNION ALL
        SELECT made, 'mother', mother_name COLLATE "C", count(*) FROM population.citizen GROUP BY 3 HAVING count(*) > 1
        UNION ALL
        SELECT made, 'father', father_name COLLATE "C", count(*) FROM population.citizen GROUP BY 3 HAVING count(*) > 1;
    DELETE FROM population.model_count WHERE model < made;
    ANALYZE population.model_count;
    RETURN made;
END $$;

-- After a load also what the load changed of how common things are.
CREATE OR REPLACE FUNCTION population.analyse() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ANALYZE population.citizen;
    ANALYZE population.number_alias;
    ANALYZE population.change;
    PERFORM population.make_model();
END $$;

SELECT population.make_model() WHERE EXISTS (SELECT FROM population.citizen);

-- Who may be meant, of each event of a batch: by number, and by each key. A block of more than `most` persons is not
-- looked at, and said to be too large by a row without a person. `swapped` is the birth date with day and month the
-- other way round, '' where that is none. Rows in the order of events and persons. No rows at all without a model.
CREATE FUNCTION population.find(numbers text[], names text[], births text[], swapped text[], sexes text[],
    provinces text[], mothers text[], most integer)
RETURNS TABLE (place bigint, person bigint, citizen_number text, full_name text, birth_date text, sex text,
    mother_name text, father_name text, residence_province text, residence_province63 text, model bigint,
    citizens bigint, n_name bigint, n_said bigint, n_given bigint, n_birth bigint, n_year bigint, n_province bigint,
    n_mother bigint, n_father bigint)
LANGUAGE plpgsql STABLE AS $$   -- plpgsql, for it keeps the plan
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH latest AS MATERIALIZED (
        SELECT m.model, m.citizens FROM population.model m ORDER BY m.model DESC LIMIT 1
    ), said AS MATERIALIZED (
        SELECT u.* FROM latest CROSS JOIN
            unnest(numbers, names, births, swapped, sexes, provinces, mothers)
            WITH ORDINALITY u(number, name, birth, swapped, sex, province, mother, place)
    ), hit AS (
        SELECT s.place, s.name AS said, k.key, k.person, count(*) OVER (PARTITION BY s.place, k.key) AS n
        FROM said s CROSS JOIN LATERAL (
            (SELECT 0 AS key, c.person FROM population.citizen c WHERE c.citizen_number = s.number)
            UNION ALL
            (SELECT 1, c.person FROM population.citizen c
             WHERE population.key_ends(c.name_folded, c.birth_date) = population.key_ends(s.name, s.birth)
             LIMIT most + 1)
            UNION ALL
            (SELECT 2, c.person FROM population.citizen c
             WHERE population.key_ends(c.name_folded, c.birth_date) = population.key_ends(s.name, s.swapped)
             LIMIT most + 1)
            UNION ALL
            (SELECT 3, c.person FROM population.citizen c
             WHERE population.key_given(c.name_folded, c.birth_date, c.sex) =
                   population.key_given(s.name, s.birth, s.sex)
             LIMIT most + 1)
            UNION ALL
            (SELECT 4, c.person FROM population.citizen c
             WHERE population.key_letters(c.name_folded, c.birth_date) = population.key_letters(s.name, s.birth)
             LIMIT most + 1)
            UNION ALL
            (SELECT 5, c.person FROM population.citizen c
             WHERE population.key_year(c.name_folded, c.birth_date, c.residence_province) =
                   population.key_year(s.name, s.birth, s.province)
             LIMIT most + 1)
            UNION ALL
            (SELECT 6, c.person FROM population.citizen c
             WHERE population.key_mother(c.name_folded, c.birth_date, c.mother_name) =
                   population.key_mother(s.name, s.birth, s.mother)
             LIMIT most + 1)
        ) k
    ), candidate AS (   -- the name that is said stays beside it, instead of being looked for among all events
        SELECT h.place, CASE WHEN h.n <= most THEN h.person END AS person, min(h.said COLLATE "C") AS said
        FROM hit h GROUP BY 1, 2
    )
    SELECT c.place, p.person, p.citizen_number, p.full_name, p.birth_date, p.sex, p.mother_name, p.father_name,
           p.residence_province, p.residence_province63, l.model, l.citizens, name.n, said_name.n, given.n, birth.n,
           year.n, province.n, mother.n, father.n
    FROM candidate c CROSS JOIN latest l
    LEFT JOIN population.citizen p ON p.person = c.person
    LEFT JOIN population.model_count name
        ON name.model = l.model AND name.kind = 'name' AND name.value = p.name_folded COLLATE "C"
    LEFT JOIN population.model_count said_name
        ON said_name.model = l.model AND said_name.kind = 'name' AND said_name.value = c.said COLLATE "C"
    LEFT JOIN population.model_count given
        ON given.model = l.model AND given.kind = 'given' AND given.value = split_part(p.name_folded, ' ', -1)
           COLLATE "C"
    LEFT JOIN population.model_count birth
        ON birth.model = l.model AND birth.kind = 'birth' AND birth.value = p.birth_date COLLATE "C"
    LEFT JOIN population.model_count year
        ON year.model = l.model AND year.kind = 'year' AND year.value = left(p.birth_date, 4) COLLATE "C"
    LEFT JOIN population.model_count province
        ON province.model = l.model AND province.kind = 'province' AND province.value = p.residence_province COLLATE "C"
    LEFT JOIN population.model_count mother
        ON mother.model = l.model AND mother.kind = 'mother' AND mother.value = p.mother_name COLLATE "C"
    LEFT JOIN population.model_count father
        ON father.model = l.model AND father.kind = 'father' AND father.value = p.father_name COLLATE "C"
    ORDER BY c.place, p.person NULLS FIRST;
END $$;

REVOKE ALL ON population.model, population.model_count FROM PUBLIC;
GRANT SELECT ON population.model, population.model_count TO dongbo_population_reader;
REVOKE ALL ON FUNCTION population.make_model(), population.key_ends(text, text),
    population.key_given(text, text, text), population.key_letters(text, text), population.key_year(text, text, text),
    population.key_mother(text, text, text), population.find(text[], text[], text[], text[], text[], text[], text[],
    integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.make_model() TO dongbo_population_writer;
GRANT EXECUTE ON FUNCTION population.key_ends(text, text), population.key_given(text, text, text),
    population.key_letters(text, text), population.key_year(text, text, text), population.key_mother(text, text, text),
    population.find(text[], text[], text[], text[], text[], text[], text[], integer) TO dongbo_population_reader;
