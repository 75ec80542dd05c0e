-- SPDX-License-Identifier: Apache-2.0
-- A number that is nobody's now and was several persons' names none of them: an event under it is about nobody (person
-- 0), and brings nobody in either. Until now it was about whoever had been known for longest.

CREATE OR REPLACE FUNCTION population.persons_said(events population.said[])
RETURNS TABLE (sequence bigint, person bigint, about text, by_alias boolean)
LANGUAGE sql STABLE AS $$
    SELECT s.sequence, coalesce(c.person, a.person), CASE WHEN a.n > 1 THEN '' ELSE s.about END, a.n > 0
    FROM (SELECT e.sequence, CASE WHEN e.kind IN ('number-reissued', 'number-replaced') OR e.number = ''
                                  THEN e.subject_number
                                  ELSE e.number END AS about
          FROM unnest(events) e) s
    LEFT JOIN population.citizen c ON c.citizen_number = s.about
    LEFT JOIN LATERAL (SELECT CASE WHEN count(*) = 1 THEN min(n.person) END AS person, count(*) AS n
                       FROM population.number_alias n
                       WHERE c.person IS NULL AND n.number = s.about AND n.kind = 'cccd') a ON true
$$;

-- As before, but for that.
CREATE OR REPLACE FUNCTION population.apply_merger(event population.said, next bigint)
RETURNS SETOF population.applied_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stays bigint := (SELECT p.person FROM population.persons_said(ARRAY[event]) p);
    goes population.citizen;
BEGIN
    SELECT c.* INTO goes FROM population.citizen c WHERE c.person = coalesce(
        (SELECT o.person FROM population.citizen o WHERE o.citizen_number = event.subject_number),
        (SELECT min(a.person) FROM population.number_alias a
         WHERE a.number = event.subject_number AND a.kind = 'cccd' HAVING count(*) = 1));
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
