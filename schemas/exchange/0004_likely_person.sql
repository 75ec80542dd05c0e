-- SPDX-License-Identifier: Apache-2.0
-- Who is probably meant by an event in question whose number does not lead to its person: for the reviewer. Never told
-- to the agency.
ALTER TABLE exchange.exception
    ADD likely_person    bigint,                       -- the likeliest one, where there is any
    ADD likely_posterior integer,                      -- how likely, in millionths
    ADD candidates       jsonb;                        -- all who are worth a look, with what speaks for them
CREATE INDEX exception_likely ON exchange.exception (likely_person) WHERE likely_person IS NOT NULL;

GRANT UPDATE (likely_person, likely_posterior, candidates) ON exchange.exception TO dongbo_broker;
