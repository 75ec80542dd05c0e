-- SPDX-License-Identifier: Apache-2.0
-- Numbers that named citizens before, or name them elsewhere, in bulk (`dongbo population aliases`): kind 'cccd' (12
-- digits), 'cmnd' (the identity card's 9), 'insurance' (10). Some CMND were given to two persons: then there are two
-- rows. `valid_from` and `valid_to` are the first and the last day on which the number named the person, as far as is
-- known.

CREATE INDEX number_alias_person ON population.number_alias (person);

-- One row per number, kind and citizen; said again, the days said last hold. Of each row what became of it: 0 nothing
-- new, 1 new, 2 other days than before, 3 nobody has that citizen number.
CREATE FUNCTION population.load_aliases(kinds text[], numbers text[], citizens text[], valid_froms text[],
    valid_tos text[])
RETURNS TABLE (place bigint, outcome smallint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    n CONSTANT integer := coalesce(cardinality(numbers), 0);
    next bigint;
BEGIN
    IF NOT (SELECT bool_and(coalesce(c, 0) = n) FROM unnest(ARRAY[cardinality(kinds), cardinality(citizens),
            cardinality(valid_froms), cardinality(valid_tos)]) c) THEN
        RAISE EXCEPTION 'arrays differ in length from the % numbers', n USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(kinds) k WHERE k IS NULL OR k NOT IN ('cccd', 'cmnd', 'insurance')) THEN
        RAISE EXCEPTION 'an unknown kind of number' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT s.position + 1 INTO next FROM population.state s FOR UPDATE;
    RETURN QUERY
    WITH said AS (
        SELECT u.*, coalesce(c.person, a.person) AS person
        FROM unnest(kinds, numbers, citizens, valid_froms, valid_tos) WITH ORDINALITY
             u(kind, number, citizen, valid_from, valid_to, place)
        LEFT JOIN population.citizen c ON c.citizen_number = u.citizen
        LEFT JOIN LATERAL (SELECT min(x.person) AS person FROM population.number_alias x
                           WHERE c.person IS NULL AND x.number = u.citizen AND x.kind = 'cccd'
                           HAVING count(*) = 1) a ON true
    ), last AS (   -- of several rows of one number and person
        SELECT DISTINCT ON (s.number, s.kind, s.person) s.*, a.person IS NOT NULL AS held,
               (a.valid_from, a.valid_to) IS DISTINCT FROM (s.valid_from, s.valid_to) AS differs
        FROM said s
        LEFT JOIN population.number_alias a ON a.number = s.number AND a.kind = s.kind AND a.person = s.person
        WHERE s.person IS NOT NULL ORDER BY s.number, s.kind, s.person, s.place DESC
    ), kept AS (
        INSERT INTO population.number_alias AS a (kind, number, person, valid_from, valid_to)
        SELECT l.kind, l.number, l.person, l.valid_from, l.valid_to FROM last l WHERE l.differs
        ON CONFLICT (number, kind, person) DO UPDATE SET valid_from = excluded.valid_from, valid_to = excluded.valid_to
        RETURNING a.person, a.number
    ), change AS (
        INSERT INTO population.change (position, person, citizen_number)
        SELECT DISTINCT next, k.person, k.number FROM kept k
    )
    SELECT s.place, (CASE WHEN s.person IS NULL THEN 3 WHEN l.place IS NULL OR NOT l.differs THEN 0
                          WHEN l.held THEN 2 ELSE 1 END)::smallint
    FROM said s LEFT JOIN last l ON l.place = s.place ORDER BY s.place;
    IF EXISTS (SELECT FROM population.change c WHERE c.position = next) THEN
        UPDATE population.state SET position = next;
    END IF;
END $$;

REVOKE ALL ON FUNCTION population.load_aliases(text[], text[], text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.load_aliases(text[], text[], text[], text[], text[]) TO dongbo_population_writer;
