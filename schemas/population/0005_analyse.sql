-- SPDX-License-Identifier: Apache-2.0
-- Statistics after a load: until PostgreSQL gathers them by itself, plans are guesses and so is the number of citizens.
-- Only a table's owner may analyse it, so this runs with the owner's rights.

CREATE FUNCTION population.analyse() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ANALYZE population.citizen;
    ANALYZE population.number_alias;
    ANALYZE population.change;
END $$;

REVOKE ALL ON FUNCTION population.analyse() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.analyse() TO dongbo_population_writer;
