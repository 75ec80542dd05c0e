-- SPDX-License-Identifier: Apache-2.0
-- A site's first citizens, in bulk (`dongbo population load`). Only inserts: who is there already stays as they are,
-- for corrections come as events. Called with some ten thousand rows at a time, each call idempotent on its own.

CREATE FUNCTION population.load(numbers text[], full_names text[], names_folded text[], birth_dates text[],
    sexes text[], mothers text[], fathers text[], provinces text[], provinces63 text[], communes text[],
    died_ons text[])
RETURNS TABLE (inserted bigint, existing bigint, differing bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n CONSTANT integer := coalesce(cardinality(numbers), 0);
    next bigint;
BEGIN
    IF NOT (SELECT bool_and(coalesce(c, 0) = n) FROM unnest(ARRAY[cardinality(full_names), cardinality(names_folded),
            cardinality(birth_dates), cardinality(sexes), cardinality(mothers), cardinality(fathers),
            cardinality(provinces), cardinality(provinces63), cardinality(communes), cardinality(died_ons)]) c) THEN
        RAISE EXCEPTION 'arrays differ in length from the % numbers', n USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT s.position + 1 INTO next FROM population.state s FOR UPDATE;
    -- A number that was replaced names its owner still: it is existing, not a new person.
    WITH entered AS (
        INSERT INTO population.citizen AS c (citizen_number, full_name, name_folded, birth_date, sex, mother_name,
            father_name, residence_province, residence_province63, residence_commune, died_on)
        SELECT * FROM unnest(numbers, full_names, names_folded, birth_dates, sexes, mothers, fathers, provinces,
                             provinces63, communes, died_ons) u(number)
        WHERE NOT EXISTS (SELECT FROM population.number_alias a WHERE a.number = u.number AND a.kind = 'cccd')
        ON CONFLICT DO NOTHING
        RETURNING c.person, c.citizen_number
    ), change AS (
        INSERT INTO population.change (position, person, citizen_number)
        SELECT next, e.person, e.citizen_number FROM entered e
    )
    SELECT count(*) INTO inserted FROM entered;
    existing := n - inserted;
    differing := 0;
    IF existing > 0 THEN
        SELECT count(*) INTO differing
        FROM unnest(numbers, full_names, birth_dates, sexes, mothers, fathers, provinces, provinces63, communes,
                    died_ons) u(number, full_name, birth_date, sex, mother, father, province, province63, commune, died)
        LEFT JOIN population.citizen c ON c.citizen_number = u.number
        WHERE (u.full_name, u.birth_date, u.sex, u.mother, u.father, u.province, u.province63, u.commune, u.died)
              IS DISTINCT FROM (c.full_name, c.birth_date, c.sex, c.mother_name, c.father_name, c.residence_province,
                                c.residence_province63, c.residence_commune, c.died_on);
    END IF;
    IF inserted > 0 THEN
        UPDATE population.state SET position = next;
    END IF;
    RETURN NEXT;
END $$;
