-- SPDX-License-Identifier: Apache-2.0
-- Where in the log a time is. Segments are stored in the order of their times, so halving finds it: no index, no scan.

-- The greatest position that was stored before `us`; with what is no longer kept, the one before the first that is.
CREATE FUNCTION exchange.position_before(us bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;                                          -- stored before
    z record;                                          -- not
    m record;
BEGIN
    SELECT g.first_position, g.last_position, g.stored_at_us INTO a
        FROM exchange.segment g ORDER BY g.first_position LIMIT 1;
    SELECT g.first_position, g.last_position, g.stored_at_us INTO z
        FROM exchange.segment g ORDER BY g.first_position DESC LIMIT 1;
    IF a.first_position IS NULL THEN
        RETURN 0;
    ELSIF a.stored_at_us >= us THEN
        RETURN a.first_position - 1;
    ELSIF z.stored_at_us < us THEN
        RETURN z.last_position;
    END IF;
    LOOP
        SELECT g.first_position, g.last_position, g.stored_at_us INTO m FROM exchange.segment g
            WHERE g.first_position <= (a.first_position + z.first_position) / 2 ORDER BY g.first_position DESC LIMIT 1;
        IF m.first_position = a.first_position THEN    -- a long one
            SELECT g.first_position, g.last_position, g.stored_at_us INTO m FROM exchange.segment g
                WHERE g.first_position > a.first_position ORDER BY g.first_position LIMIT 1;
        END IF;
        IF m.stored_at_us < us THEN
            a := m;
        ELSIF m.first_position < z.first_position THEN
            z := m;
        ELSE
            RETURN z.first_position - 1;
        END IF;
        IF a.last_position + 1 >= z.first_position THEN
            RETURN z.first_position - 1;
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION exchange.position_before(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.position_before(bigint) TO dongbo_broker, dongbo_operator, dongbo_reader;
