-- SPDX-License-Identifier: Apache-2.0
-- Moves that the population store has and the log does not: of a transaction that came to nothing, or of before this
-- database was set back.

-- Up to which of population.residence the log tells of who moved. It moves on under the log's lock, and goes back with
-- the log.
CREATE TABLE exchange.residence_read (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    place bigint NOT NULL
);
INSERT INTO exchange.residence_read (place) VALUES (0);
REVOKE ALL ON exchange.residence_read FROM PUBLIC;
GRANT SELECT, UPDATE (place) ON exchange.residence_read TO dongbo_broker;

-- Cause 3: such a move. It is by no event (event_id is zeros) and in nobody's name; `position` is that of an entry that
-- says only that somebody moved. What they are is told again too, for no event of the log does.
ALTER TABLE exchange.retelling ALTER agency DROP NOT NULL,
    DROP CONSTRAINT retelling_cause_check, ADD CONSTRAINT retelling_cause_check CHECK (cause IN (1, 2, 3));
