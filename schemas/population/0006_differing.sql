-- SPDX-License-Identifier: Apache-2.0
-- Which rows of a load say something else than what is held: their places, so that a person can look. As load() counts
-- them, in the same order of columns; nothing is changed.

CREATE FUNCTION population.differing(numbers text[], full_names text[], birth_dates text[], sexes text[],
    mothers text[], fathers text[], provinces text[], provinces63 text[], communes text[], died_ons text[])
RETURNS TABLE (place bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.place
    FROM unnest(numbers, full_names, birth_dates, sexes, mothers, fathers, provinces, provinces63, communes,
                died_ons) WITH ORDINALITY
         u(number, full_name, birth_date, sex, mother, father, province, province63, commune, died, place)
    LEFT JOIN population.citizen c ON c.citizen_number = u.number
    WHERE (u.full_name, u.birth_date, u.sex, u.mother, u.father, u.province, u.province63, u.commune, u.died)
          IS DISTINCT FROM (c.full_name, c.birth_date, c.sex, c.mother_name, c.father_name, c.residence_province,
                            c.residence_province63, c.residence_commune, c.died_on)
    ORDER BY u.place
$$;

REVOKE ALL ON FUNCTION population.differing(text[], text[], text[], text[], text[], text[], text[], text[], text[],
    text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.differing(text[], text[], text[], text[], text[], text[], text[], text[], text[],
    text[]) TO dongbo_population_writer;
