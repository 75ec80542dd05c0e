-- SPDX-License-Identifier: Apache-2.0
-- Candidates more: whoever has a number that is one slip of a finger from the one said. Which numbers these are is
-- worked out by who asks, who knows what else is said. And what is known of candidates now holds their death, so that
-- an event may be decided on one of them without asking again.

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

REVOKE ALL ON FUNCTION population.find(text[], text[], text[], text[], text[], text[], text[], integer, text[],
    bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.find(text[], text[], text[], text[], text[], text[], text[], integer, text[],
    bigint[]) TO dongbo_population_reader;
