-- SPDX-License-Identifier: Apache-2.0
-- Who may do what in the population store: one role that only reads, and one that changes it through functions only.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['dongbo_population_reader', 'dongbo_population_writer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's init was faster
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA population FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA population FROM PUBLIC;
GRANT USAGE ON SCHEMA population TO dongbo_population_reader, dongbo_population_writer;

GRANT SELECT ON population.citizen, population.number_alias, population.state, population.change, population.applied,
    population.migration TO dongbo_population_reader;

GRANT EXECUTE ON FUNCTION population.apply_changes(bytea, bigint[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[], text[], text[], text[], text[], integer[], boolean) TO dongbo_population_writer;
GRANT EXECUTE ON FUNCTION population.load(text[], text[], text[], text[], text[], text[], text[], text[], text[],
    text[], text[]) TO dongbo_population_writer;
