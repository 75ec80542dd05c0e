-- SPDX-License-Identifier: Apache-2.0
-- Whose current records are held against their life anew, because of which event: they turned out to be dead, or to be
-- somebody who is. What contradicts it becomes an exception whose `person` is the one in whose record it stands.
CREATE TABLE exchange.judging (
    position bigint NOT NULL,                          -- of the event
    person   bigint NOT NULL,
    since    bigint NOT NULL,                          -- only records whose current version is later
    done     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (position, person)
);
CREATE INDEX judging_waiting ON exchange.judging (position, person) WHERE NOT done;

REVOKE ALL ON exchange.judging FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (done) ON exchange.judging TO dongbo_broker;
GRANT SELECT ON exchange.judging TO dongbo_operator;
