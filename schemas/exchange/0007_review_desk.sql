-- SPDX-License-Identifier: Apache-2.0
-- How officers find cases, however many are open: all of them in order, and in order by agency and domain, so that who
-- looks after some reads only these. 4 is MISMATCH; what is DEFERRED waits by itself and is nobody's work.
CREATE INDEX exception_review ON exchange.exception (review_case, agency, domain, position) WHERE open AND verdict = 4;
CREATE INDEX exception_review_of ON exchange.exception (agency, domain, review_case, position)
    WHERE open AND verdict = 4;

-- A case is shown with all that belongs to it, what is closed too.
DROP INDEX exchange.exception_case;
CREATE INDEX exception_case ON exchange.exception (review_case) WHERE review_case IS NOT NULL;
