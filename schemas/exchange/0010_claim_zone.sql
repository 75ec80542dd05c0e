-- SPDX-License-Identifier: Apache-2.0
-- The time until which a case is held is Vietnam's, and says so: officers' programs show UTC.

CREATE OR REPLACE FUNCTION exchange.review_claim(review_case bigint, minutes integer) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    ends timestamptz;
    holder exchange.review_claim;
BEGIN
    IF $2 IS NULL OR $2 NOT BETWEEN 1 AND 1440 THEN
        RAISE EXCEPTION 'a claim lasts from 1 to 1440 minutes';
    END IF;
    IF $1 IS NULL OR NOT exchange.review_is_open($1) THEN
        RAISE EXCEPTION 'there is no open case %', $1;
    END IF;
    INSERT INTO exchange.review_claim AS c (review_case, officer, claimed_at, until)
    VALUES ($1, session_user, clock_timestamp(), clock_timestamp() + make_interval(mins => $2))
    ON CONFLICT (review_case) DO UPDATE SET
        claimed_at = CASE WHEN c.officer = excluded.officer AND c.until > clock_timestamp() THEN c.claimed_at
                          ELSE excluded.claimed_at END,
        officer = excluded.officer, until = excluded.until
    WHERE c.officer = excluded.officer OR c.until <= clock_timestamp()
    RETURNING c.until INTO ends;
    IF ends IS NULL THEN
        SELECT * INTO holder FROM exchange.review_claim c WHERE c.review_case = $1;
        RAISE EXCEPTION 'case % is held by % until %', $1, holder.officer,
            to_char(holder.until AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD HH24:MI "+07:00"');
    END IF;
    RETURN ends;
END $$;
