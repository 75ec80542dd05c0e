-- SPDX-License-Identifier: Apache-2.0
-- As before (0008), and the table is left alone where all keys are there: CREATE INDEX IF NOT EXISTS locks it against
-- writers first and looks then, and whoever counts names holds that lock for as long as they count.
CREATE OR REPLACE FUNCTION population.make_keys() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET maintenance_work_mem = '256MB' AS $$
DECLARE
    key text;
    made_of text;
BEGIN
    FOR key, made_of IN VALUES
        ('citizen_key_ends', 'population.key_ends(name_folded, birth_date)'),
        ('citizen_key_given', 'population.key_given(name_folded, birth_date, sex)'),
        ('citizen_key_letters', 'population.key_letters(name_folded, birth_date)'),
        ('citizen_key_year', 'population.key_year(name_folded, birth_date, residence_province)'),
        ('citizen_key_mother', 'population.key_mother(name_folded, birth_date, mother_name)'),
        ('citizen_key_born_to', 'population.key_born_to(birth_date, mother_name)'),
        ('citizen_key_family', 'population.key_family(name_folded, birth_date, residence_province)'),
        ('citizen_key_home', 'population.key_home(name_folded, mother_name, residence_province)')
    LOOP
        IF to_regclass('population.' || key) IS NULL THEN
            EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON population.citizen (%s)', key, made_of);
        END IF;
    END LOOP;
END $$;
