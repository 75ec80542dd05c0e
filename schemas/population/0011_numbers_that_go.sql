-- SPDX-License-Identifier: Apache-2.0
-- Two kinds more of apply_changes().
--
-- number-cancelled   subject_number names nobody from the day after died_on, which is the last on which it held; the
-- person has none until one is given. The number becomes an alias that ends then, and the citizen keeps it with a '-'
-- behind it, which no number has. Other fields said are as by a correction, but for died_on.
--
-- merged   one person who was registered twice. subject_number is the number that goes, number
-- the one that stays. Whoever goes is no citizen any more; all numbers that named them name the one who stays. The
-- fields said are the latter's, as by a correction. Either of the two not known gives person 0, and changes nothing;
-- merged already, the event is a correction.

-- Who went, and where to: for the exchange to move their records. A person goes once.
CREATE TABLE population.merger (
    goes        bigint PRIMARY KEY,
    number      text NOT NULL,                         -- theirs when they went
    said_number text NOT NULL,                         -- by which the event named them
    province    text NOT NULL,                         -- residence then, 34-code
    province63  text NOT NULL,
    stays       bigint NOT NULL,
    position    bigint NOT NULL
);
CREATE INDEX merger_said ON population.merger (said_number);
GRANT SELECT ON population.merger TO dongbo_population_reader;

CREATE FUNCTION population.merge(goes population.citizen, into_person bigint, said_number text, next bigint)
RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO population.merger (goes, number, said_number, province, province63, stays, position)
    VALUES (goes.person, rtrim(goes.citizen_number, '-'), said_number, goes.residence_province,
            goes.residence_province63, into_person, next);
    -- Whoever asked for one of their numbers, or for either person, is to ask again.
    INSERT INTO population.change (position, person, citizen_number)
    SELECT next, p.person, n.number
    FROM (SELECT a.number FROM population.number_alias a WHERE a.person = goes.person
          UNION SELECT rtrim(goes.citizen_number, '-')) n
    CROSS JOIN (VALUES (goes.person), (into_person)) p(person)
    UNION SELECT next, c.person, c.citizen_number FROM population.citizen c WHERE c.person = into_person;
    INSERT INTO population.number_alias AS a (kind, number, person, valid_from, valid_to)
    SELECT o.kind, o.number, into_person, o.valid_from, o.valid_to FROM population.number_alias o
    WHERE o.person = goes.person
      AND NOT EXISTS (SELECT FROM population.citizen c WHERE c.person = into_person AND c.citizen_number = o.number)
    UNION SELECT 'cccd', goes.citizen_number, into_person, '', '' WHERE right(goes.citizen_number, 1) <> '-'
    ON CONFLICT DO NOTHING;
    DELETE FROM population.number_alias a WHERE a.person = goes.person;
    DELETE FROM population.citizen c WHERE c.person = goes.person;
$$;

-- `next` as in apply_run().
CREATE FUNCTION population.apply_merger(event population.said, next bigint) RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stays bigint := (SELECT p.person FROM population.persons_said(ARRAY[event]) p);
    goes population.citizen;
BEGIN
    SELECT c.* INTO goes FROM population.citizen c WHERE c.person = coalesce(
        (SELECT o.person FROM population.citizen o WHERE o.citizen_number = event.subject_number),
        (SELECT min(a.person) FROM population.number_alias a
         WHERE a.number = event.subject_number AND a.kind = 'cccd'));
    IF stays IS NULL OR goes.person IS NULL THEN
        RETURN QUERY SELECT event.sequence, 0::bigint, '', '', '', '', '';
        RETURN;
    END IF;
    IF event.province63 = '' AND event.province = goes.residence_province THEN
        event.province63 := goes.residence_province63;
    END IF;
    IF goes.person <> stays THEN
        PERFORM population.merge(goes, stays, event.subject_number, next);
    END IF;
    RETURN QUERY SELECT * FROM population.apply_run(ARRAY[event], next);
END $$;

CREATE FUNCTION population.apply_cancellation(event population.said, next bigint) RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    bearer bigint := (SELECT p.person FROM population.persons_said(ARRAY[event]) p);
    last_day text := event.died_on;
    moved boolean;
BEGIN
    event.died_on := '';
    RETURN QUERY SELECT * FROM population.apply_run(ARRAY[event], next);
    UPDATE population.citizen c SET citizen_number = c.citizen_number || '-'
    WHERE c.person = bearer AND c.citizen_number = event.subject_number;
    moved := FOUND;
    INSERT INTO population.number_alias AS a (kind, number, person, valid_to)
    SELECT 'cccd', event.subject_number, bearer, last_day WHERE bearer IS NOT NULL
    ON CONFLICT (number, kind, person) DO UPDATE SET valid_to = excluded.valid_to
    WHERE a.valid_to <> excluded.valid_to;
    IF moved OR FOUND THEN
        INSERT INTO population.change (position, person, citizen_number)
        VALUES (next, bearer, event.subject_number);
    END IF;
END $$;

-- A number that is given to somebody whose last one was cancelled replaces none.
CREATE FUNCTION population.forget_cancelled(event population.said) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM population.number_alias a USING population.persons_said(ARRAY[event]) p
    WHERE a.person = p.person AND a.kind = 'cccd' AND right(a.number, 1) = '-'
$$;

-- As before, and those two by themselves.
CREATE OR REPLACE FUNCTION population.apply_all(events population.said[], next bigint)
RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    event population.said;
    apart boolean;   -- no two events concern one number, none a replaced one or two persons: one run will do
BEGIN
    apart := NOT EXISTS (SELECT FROM unnest(events) e WHERE e.kind IN ('merged', 'number-cancelled'))
             AND NOT EXISTS (SELECT FROM unnest(events) e
                             CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[e.number, e.subject_number])) u(number)
                             WHERE u.number <> '' GROUP BY u.number HAVING count(*) > 1)
             AND NOT EXISTS (SELECT FROM population.persons_said(events) p WHERE p.by_alias);
    IF apart THEN
        RETURN QUERY SELECT * FROM population.apply_run(events, next);
        RETURN;
    END IF;
    FOREACH event IN ARRAY events LOOP
        IF event.kind = 'merged' THEN
            RETURN QUERY SELECT * FROM population.apply_merger(event, next);
        ELSIF event.kind = 'number-cancelled' THEN
            RETURN QUERY SELECT * FROM population.apply_cancellation(event, next);
        ELSE
            RETURN QUERY SELECT * FROM population.apply_run(ARRAY[event], next);
            IF event.kind = 'number-reissued' THEN
                PERFORM population.forget_cancelled(event);
            END IF;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION population.check_said(sequences bigint[], kinds text[], lengths integer[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n CONSTANT integer := coalesce(cardinality(sequences), 0);
BEGIN
    IF NOT (SELECT bool_and(coalesce(l, 0) = n) FROM unnest(lengths) l) THEN
        RAISE EXCEPTION 'arrays differ in length from the % sequences', n USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(sequences) WITH ORDINALITY s(v, o)
               WHERE v IS NULL OR v <= 0 OR v <= sequences[o - 1]) THEN
        RAISE EXCEPTION 'sequences are not positive and ascending' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(kinds) k WHERE k IS NULL OR k NOT IN
               ('registered', 'birth', 'correction', 'move', 'death', 'number-reissued', 'number-replaced',
                'number-cancelled', 'merged')) THEN
        RAISE EXCEPTION 'an unknown kind of population change' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

REVOKE ALL ON FUNCTION population.merge(population.citizen, bigint, text, bigint),
    population.apply_merger(population.said, bigint), population.apply_cancellation(population.said, bigint),
    population.forget_cancelled(population.said) FROM PUBLIC;
