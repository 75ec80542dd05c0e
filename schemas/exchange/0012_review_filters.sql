-- SPDX-License-Identifier: Apache-2.0
-- What officers choose cases by stands in the indexes that hold the open ones, so that what is rare is found without
-- reading what is not.

ALTER TABLE exchange.exception ADD reason_codes smallint[] NOT NULL DEFAULT '{}';   -- of `reasons`, in its order

-- EventVerdict of proto/verdict.proto: its field 4 are the reasons, of which field 1 is the code.
CREATE FUNCTION pg_temp.reason_codes(verdict bytea) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
    codes smallint[] := '{}';
    at integer := 0;
    tag integer;
    value bigint;
    byte integer;
    places integer;
BEGIN
    WHILE at < length(verdict) LOOP
        tag := get_byte(verdict, at);
        at := at + 1;
        value := 0;
        places := 0;
        LOOP
            byte := get_byte(verdict, at);
            at := at + 1;
            value := value | ((byte & 127)::bigint << places);
            places := places + 7;
            EXIT WHEN byte < 128;
        END LOOP;
        CONTINUE WHEN (tag & 7) <> 2;
        IF (tag >> 3) = 4 AND get_byte(verdict, at) = 8 THEN
            byte := get_byte(verdict, at + 1);
            codes := codes || (CASE WHEN byte < 128 THEN byte
                               ELSE (byte & 127) | (get_byte(verdict, at + 2) << 7) END)::smallint;
        END IF;
        at := at + value::integer;
    END LOOP;
    RETURN codes;
END $$;
UPDATE exchange.exception SET reason_codes = pg_temp.reason_codes(reasons) WHERE open;
GRANT UPDATE (reason_codes) ON exchange.exception TO dongbo_broker;

DROP INDEX exchange.exception_review, exchange.exception_review_of;
CREATE INDEX exception_review ON exchange.exception (review_case, agency, domain, position)
    INCLUDE (reason_codes, likely_posterior) WHERE open AND verdict = 4;
CREATE INDEX exception_review_of ON exchange.exception (agency, domain, review_case, position)
    INCLUDE (reason_codes, likely_posterior) WHERE open AND verdict = 4;

-- And a case's events are counted from an index that has `open`: without it, one that is not by cases looked cheaper.
DROP INDEX exchange.exception_case;
CREATE INDEX exception_case ON exchange.exception (review_case, open) WHERE review_case IS NOT NULL;
