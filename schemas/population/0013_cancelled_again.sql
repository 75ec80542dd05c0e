-- SPDX-License-Identifier: Apache-2.0
-- A number may be given to another person after it was cancelled, and be cancelled again: each of those who had it last
-- keeps it with as many '-' behind it as nobody else has.
CREATE OR REPLACE FUNCTION population.apply_cancellation(event population.said, next bigint)
RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    bearer bigint := (SELECT p.person FROM population.persons_said(ARRAY[event]) p);
    last_day text := event.died_on;
    kept text := event.subject_number || '-';
    moved boolean;
BEGIN
    event.died_on := '';
    RETURN QUERY SELECT * FROM population.apply_run(ARRAY[event], next);
    WHILE EXISTS (SELECT FROM population.citizen c WHERE c.citizen_number = kept) LOOP
        kept := kept || '-';
    END LOOP;
    UPDATE population.citizen c SET citizen_number = kept
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
