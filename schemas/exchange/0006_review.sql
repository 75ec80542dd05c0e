-- SPDX-License-Identifier: Apache-2.0
-- The review queue. A case is all open exceptions that ask the same question: the same agency says the same of the same
-- record. An officer claims a case and decides it; a broker carries the decision out, as entries of the log.

ALTER TABLE exchange.exception
    ADD review_case bigint,                            -- position of the case's first exception; null: none
    ADD case_key    bytea CHECK (length(case_key) = 16);  -- of what makes two rows the same question (broker/cases.h)
UPDATE exchange.exception SET review_case = position WHERE open;
-- A case is shown with all that belongs to it, what is closed too.
CREATE INDEX exception_case ON exchange.exception (review_case) WHERE review_case IS NOT NULL;
CREATE INDEX exception_case_key ON exchange.exception (case_key, review_case) WHERE open;

-- How officers find cases, however many are open: all of them in order, and in order by agency and domain, so that who
-- looks after some reads only these. 4 is MISMATCH; what is DEFERRED waits by itself and is nobody's work.
CREATE INDEX exception_review ON exchange.exception (review_case, agency, domain, position) WHERE open AND verdict = 4;
CREATE INDEX exception_review_of ON exchange.exception (agency, domain, review_case, position)
    WHERE open AND verdict = 4;

-- Who works on a case. A claim that has run out is anybody's to take.
CREATE TABLE exchange.review_claim (
    review_case bigint PRIMARY KEY,
    officer     text NOT NULL,
    claimed_at  timestamptz NOT NULL,
    until       timestamptz NOT NULL
);

CREATE TABLE exchange.review_decision (
    decision       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_case    bigint NOT NULL,
    action         text NOT NULL CHECK (action IN ('accept', 'link', 'refuse')),
    citizen_number text CHECK ((citizen_number IS NOT NULL) = (action = 'link')),   -- whose event it is
    why            text NOT NULL CHECK (why <> '' AND length(why) <= 1000),         -- may name a person
    decided_by     text NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now(),
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    outcome        text,                               -- what came of it, in words; names no citizen
    position       bigint                              -- of its first entry in the log
);
CREATE UNIQUE INDEX review_decision_waiting ON exchange.review_decision (review_case) WHERE state = 'waiting';
CREATE INDEX review_decision_case ON exchange.review_decision (review_case);

CREATE FUNCTION exchange.review_is_open(review_case bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM exchange.exception e WHERE e.review_case = $1 AND e.open)
$$;

-- Takes the case for the caller, or renews their claim; gives until when it is theirs.
CREATE FUNCTION exchange.review_claim(review_case bigint, minutes integer) RETURNS timestamptz
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
            to_char(holder.until AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD HH24:MI');
    END IF;
    RETURN ends;
END $$;

-- Gives the caller's claim back. False: they had none.
CREATE FUNCTION exchange.review_release(review_case bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM exchange.review_claim c WHERE c.review_case = $1 AND c.officer = session_user;
    RETURN FOUND;
END $$;

-- Decides an open case on which the caller has a claim, and wakes the brokers. Gives the decision's number.
CREATE FUNCTION exchange.review_decide(review_case bigint, action text, citizen_number text, why text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    number text := nullif(btrim($3), '');
    reason text := btrim(coalesce($4, ''), E' \t\r\n');
    holder exchange.review_claim;
    made bigint;
BEGIN
    IF $2 IS NULL OR $2 NOT IN ('accept', 'link', 'refuse') THEN
        RAISE EXCEPTION 'a case is decided by accept, link or refuse';
    END IF;
    IF reason = '' OR length(reason) > 1000 OR reason ~ '[\x01-\x08\x0b-\x1f\x7f]' THEN
        RAISE EXCEPTION 'say why, in 1 to 1000 characters';
    END IF;
    IF $2 = 'link' AND (number IS NULL OR number !~ '^[0-9]{12}$') THEN
        RAISE EXCEPTION 'say by 12 digits whose event it is';
    END IF;
    IF $2 <> 'link' AND number IS NOT NULL THEN
        RAISE EXCEPTION 'only link takes a citizen number';
    END IF;
    -- Locked, so that two decisions of one officer come one after the other.
    SELECT * INTO holder FROM exchange.review_claim c WHERE c.review_case = $1 FOR UPDATE;
    IF holder IS NULL OR holder.officer <> session_user OR holder.until <= clock_timestamp() THEN
        RAISE EXCEPTION 'case % is not claimed by %: claim it first', $1, session_user;
    END IF;
    IF NOT exchange.review_is_open($1) THEN
        RAISE EXCEPTION 'there is no open case %', $1;
    END IF;
    IF EXISTS (SELECT FROM exchange.review_decision d WHERE d.review_case = $1 AND d.state = 'waiting') THEN
        RAISE EXCEPTION 'case % has a decision that waits to be carried out', $1;
    END IF;
    INSERT INTO exchange.review_decision (review_case, action, citizen_number, why, decided_by)
    VALUES ($1, $2, number, reason, session_user) RETURNING decision INTO made;
    PERFORM pg_notify('dongbo_review', '');
    RETURN made;
END $$;

-- Takes back a decision of the caller's that no broker has begun with.
CREATE FUNCTION exchange.review_withdraw(decision bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    UPDATE exchange.review_decision d SET state = 'failed', outcome = 'withdrawn by ' || session_user
    WHERE d.decision = $1 AND d.state = 'waiting' AND d.position IS NULL AND d.decided_by = session_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no decision % of % that waits', $1, session_user;
    END IF;
END $$;

-- Counts for those who may not see the rows. A case that waits for a decision to be carried out is counted as open.
CREATE VIEW exchange.review_count AS
    SELECT agency, domain, verdict, count(DISTINCT review_case) AS cases, count(*) AS events, min(at) AS oldest
    FROM exchange.exception WHERE open AND review_case IS NOT NULL GROUP BY agency, domain, verdict;
CREATE VIEW exchange.review_decision_count AS
    SELECT action, state, count(*) AS decisions FROM exchange.review_decision GROUP BY action, state;

REVOKE ALL ON exchange.review_claim, exchange.review_decision, exchange.review_count, exchange.review_decision_count
    FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.review_is_open(bigint), exchange.review_claim(bigint, integer),
    exchange.review_release(bigint), exchange.review_decide(bigint, text, text, text), exchange.review_withdraw(bigint)
    FROM PUBLIC;

GRANT EXECUTE ON FUNCTION exchange.review_claim(bigint, integer), exchange.review_release(bigint),
    exchange.review_decide(bigint, text, text, text), exchange.review_withdraw(bigint) TO dongbo_operator;
GRANT SELECT ON exchange.review_claim, exchange.review_decision, exchange.review_count, exchange.review_decision_count
    TO dongbo_operator;
GRANT SELECT ON exchange.review_claim, exchange.review_decision TO dongbo_broker;
GRANT UPDATE (state, outcome, position) ON exchange.review_decision TO dongbo_broker;
GRANT DELETE ON exchange.review_claim TO dongbo_broker;   -- of a case that is closed
GRANT SELECT (review_case) ON exchange.exception TO dongbo_reader;
GRANT SELECT ON exchange.review_count, exchange.review_decision_count TO dongbo_reader;
