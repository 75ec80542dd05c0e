-- SPDX-License-Identifier: Apache-2.0
-- By which version of proto/base/text.h the names in this store are folded: of all of them alike, for names are looked
-- up folded, and those of another version would not be found. A program of another version refuses to work with the
-- store until `dongbo population fold` has folded all names anew.

ALTER TABLE population.citizen DROP COLUMN fold_version;   -- was never read
ALTER TABLE population.state ADD fold_version integer NOT NULL DEFAULT 1;

CREATE FUNCTION population.fold_version() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.fold_version FROM population.state s
$$;

-- Some persons' names, from behind this one on.
CREATE FUNCTION population.names_after(after bigint, most integer) RETURNS TABLE (person bigint, full_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.person, c.full_name FROM population.citizen c WHERE c.person > after ORDER BY c.person LIMIT most
$$;

-- Only of those who have these names still. Gives how many were folded otherwise.
CREATE FUNCTION population.fold(persons bigint[], full_names text[], names_folded text[]) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH folded AS (
        UPDATE population.citizen c SET name_folded = n.folded
        FROM unnest(persons, full_names, names_folded) n(person, full_name, folded)
        WHERE c.person = n.person AND c.full_name = n.full_name AND c.name_folded <> n.folded RETURNING 1
    )
    SELECT count(*) FROM folded
$$;

-- All names are folded by this version.
CREATE FUNCTION population.folded(version integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE population.state s SET fold_version = version
$$;

REVOKE ALL ON FUNCTION population.fold_version(), population.names_after(bigint, integer),
    population.fold(bigint[], text[], text[]), population.folded(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION population.fold_version() TO dongbo_population_reader, dongbo_population_writer;
GRANT EXECUTE ON FUNCTION population.names_after(bigint, integer), population.fold(bigint[], text[], text[]),
    population.folded(integer) TO dongbo_population_writer;
