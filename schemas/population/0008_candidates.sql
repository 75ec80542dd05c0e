-- SPDX-License-Identifier: Apache-2.0
-- More candidates. Three keys more, for a wrong letter in the given name and for a birth date that is wrong or known to
-- the year only: by the other parts that are rarely wrong with them. Of 20,000 dirty events in a million citizens
-- (tests/accuracy) they find the person of half of those whom the five keys before did not find. And whoever has a
-- number that is one slip of a finger from the one said; which numbers these are is worked out by who asks, who knows
-- what else is said. What is known of candidates now holds their death, so that an event may be decided on one of them
-- without asking again.

CREATE FUNCTION population.key_born_to(birth text, mother text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- mother's name, birth date
RETURN CASE WHEN birth LIKE '____-__-__' AND birth NOT LIKE '____-01-01' AND mother <> ''
    THEN hashtextextended(birth || '/' || lower(normalize(mother)), 6) END;

CREATE FUNCTION population.key_family(name text, birth text, province text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- name but for the given name, birth date, province
RETURN CASE WHEN name LIKE '% %' AND birth LIKE '____-__-__' AND birth NOT LIKE '____-01-01' AND province <> ''
    THEN hashtextextended(left(name, -length(split_part(name, ' ', -1))) || '/' || birth || '/' || province, 7) END;

CREATE FUNCTION population.key_home(name text, mother text, province text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE   -- name, mother's name, province
RETURN CASE WHEN name <> '' AND mother <> '' AND province <> ''
    THEN hashtextextended(name || '/' || lower(normalize(mother)) || '/' || province, 8) END;

-- All keys' indexes, those that are not there. To keep one while rows come costs some 6 µs a row, to make it afterwards
-- 1 or 2: a first load begins without them (begin_load), and whoever counts makes them.
CREATE FUNCTION population.make_keys() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET maintenance_work_mem = '256MB' AS $$
BEGIN
    CREATE INDEX IF NOT EXISTS citizen_key_ends ON population.citizen (population.key_ends(name_folded, birth_date));
    CREATE INDEX IF NOT EXISTS citizen_key_given
        ON population.citizen (population.key_given(name_folded, birth_date, sex));
    CREATE INDEX IF NOT EXISTS citizen_key_letters
        ON population.citizen (population.key_letters(name_folded, birth_date));
    CREATE INDEX IF NOT EXISTS citizen_key_year
        ON population.citizen (population.key_year(name_folded, birth_date, residence_province));
    CREATE INDEX IF NOT EXISTS citizen_key_mother
        ON population.citizen (population.key_mother(name_folded, birth_date, mother_name));
    CREATE INDEX IF NOT EXISTS citizen_key_born_to
        ON population.citizen (population.key_born_to(birth_date, mother_name));
    CREATE INDEX IF NOT EXISTS citizen_key_family
        ON population.citizen (population.key_family(name_folded, birth_date, residence_province));
    CREATE INDEX IF NOT EXISTS citizen_key_home
        ON population.citizen (population.key_home(name_folded, mother_name, residence_province));
END $$;
SELECT population.make_keys();

-- Called before a load. Only a store that holds nobody and was never counted loses its keys: as long as there is no
-- model nobody is looked for (find), so that a load that was cut off leaves nothing slow behind.
CREATE FUNCTION population.begin_load() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
BEGIN
    IF EXISTS (SELECT FROM population.model) OR EXISTS (SELECT FROM population.citizen) THEN
        RETURN;
    END IF;
    DROP INDEX IF EXISTS population.citizen_key_ends, population.citizen_key_given, population.citizen_key_letters,
        population.citizen_key_year, population.citizen_key_mother, population.citizen_key_born_to,
        population.citizen_key_family, population.citizen_key_home;
END $$;

-- Names are counted when the keys are there.
ALTER FUNCTION population.make_model() RENAME TO count_names;
CREATE FUNCTION population.make_model() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM population.make_keys();
    RETURN population.count_names();
END $$;

-- After a load. The keys first, for their values are analysed too.
CREATE OR REPLACE FUNCTION population.analyse() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM population.make_keys();
    ANALYZE population.citizen;
    ANALYZE population.number_alias;
    ANALYZE population.change;
    PERFORM population.count_names();
END $$;

DROP FUNCTION population.find(text[], text[], text[], text[], text[], text[], text[], integer);

-- Who may be meant, of each event of a batch: by number, by the numbers beside it, and by each key. A block of more
-- than `most` persons is not looked at, and said to be too large by a row without a person. `swapped` is the birth date
-- with day and month the other way round, '' where that is none. `beside` are the numbers beside those said, each of
-- the event whose place is in `beside_of`. Rows in the order of events and persons. No rows at all without a model.
CREATE FUNCTION population.find(numbers text[], names text[], births text[], swapped text[], sexes text[],
    provinces text[], mothers text[], most integer, beside text[], beside_of bigint[])
RETURNS TABLE (place bigint, person bigint, citizen_number text, full_name text, birth_date text, sex text,
    mother_name text, father_name text, residence_province text, residence_province63 text, model bigint,
    citizens bigint, n_name bigint, n_said bigint, n_given bigint, n_birth bigint, n_year bigint, n_province bigint,
    n_mother bigint, n_father bigint, died_on text)
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
            UNION ALL
            (SELECT 8, c.person FROM population.citizen c
             WHERE population.key_born_to(c.birth_date, c.mother_name) = population.key_born_to(s.birth, s.mother)
             LIMIT most + 1)
            UNION ALL
            (SELECT 9, c.person FROM population.citizen c
             WHERE population.key_family(c.name_folded, c.birth_date, c.residence_province) =
                   population.key_family(s.name, s.birth, s.province)
             LIMIT most + 1)
            UNION ALL
            (SELECT 10, c.person FROM population.citizen c
             WHERE population.key_home(c.name_folded, c.mother_name, c.residence_province) =
                   population.key_home(s.name, s.mother, s.province)
             LIMIT most + 1)
        ) k
        UNION ALL
        SELECT s.place, s.name, 7, c.person, 0
        FROM unnest(beside, beside_of) b(number, place) JOIN population.citizen c ON c.citizen_number = b.number
        JOIN said s ON s.place = b.place
    ), candidate AS (   -- the name that is said stays beside it, instead of being looked for among all events
        SELECT h.place, CASE WHEN h.n <= most THEN h.person END AS person, min(h.said COLLATE "C") AS said
        FROM hit h GROUP BY 1, 2
    )
    SELECT c.place, p.person, p.citizen_number, p.full_name, p.birth_date, p.sex, p.mother_name, p.father_name,
           p.residence_province, p.residence_province63, l.model, l.citizens, name.n, said_name.n, given.n, birth.n,
           year.n, province.n, mother.n, father.n, p.died_on
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

REVOKE ALL ON FUNCTION population.count_names() FROM PUBLIC, dongbo_population_writer;
REVOKE ALL ON FUNCTION population.make_model(), population.make_keys(), population.begin_load(),
    population.key_born_to(text, text), population.key_family(text, text, text), population.key_home(text, text, text),
    population.find(text[], text[], text[], text[], text[], text[], text[], integer, text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.make_model(), population.begin_load() TO dongbo_population_writer;
GRANT EXECUTE ON FUNCTION population.key_born_to(text, text), population.key_family(text, text, text),
    population.key_home(text, text, text),
    population.find(text[], text[], text[], text[], text[], text[], text[], integer, text[], bigint[])
    TO dongbo_population_reader;
