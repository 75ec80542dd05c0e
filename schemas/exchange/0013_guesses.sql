-- SPDX-License-Identifier: Apache-2.0
-- What agencies said of persons and were told to differ, one row for each different thing: so that no agency learns by
-- trying whose name and birth date belong to a number (broker/guesses.h). Written with the entry that tells it, and
-- only ever added.
CREATE TABLE exchange.guess (
    agency   integer NOT NULL,
    person   bigint NOT NULL,                          -- whom the number names
    position bigint NOT NULL,                          -- of the entry that tells it
    guess    bytea NOT NULL CHECK (length(guess) = 16),   -- of name, birth date and sex as said
    last     boolean NOT NULL,                         -- as many as are told of
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agency, person, position)
);
-- Nearly always empty: tells that nothing need be looked up of events that agree.
CREATE INDEX guess_last ON exchange.guess (agency, at) WHERE last;

REVOKE ALL ON exchange.guess FROM PUBLIC;
GRANT SELECT, INSERT ON exchange.guess TO dongbo_broker;
GRANT SELECT ON exchange.guess TO dongbo_operator;
