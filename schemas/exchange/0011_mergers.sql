-- SPDX-License-Identifier: Apache-2.0
-- What follows from population events for records that are stored.
--
-- Who was found to be another person, by which event, and whether their records have gone over yet. What is stored of
-- `person` behind `position` are the deletions by which they went.
ALTER TABLE exchange.person_link
    ADD number        text NOT NULL,                   -- the person's when they went
    ADD province      text NOT NULL,                   -- their residence then, 34-code
    ADD province63    text NOT NULL,
    ADD agency        integer NOT NULL REFERENCES exchange.agency,
    ADD event_id      bytea NOT NULL CHECK (length(event_id) = 16),
    ADD event_time_us bigint NOT NULL,
    ADD moved         boolean NOT NULL DEFAULT false;
CREATE INDEX person_link_waiting ON exchange.person_link (position) WHERE NOT moved;
CREATE INDEX person_link_number ON exchange.person_link (number);
CREATE INDEX person_link_into ON exchange.person_link (merged_into);

-- Whose records committees are told again, because of which event: the person has another number (cause 1), or lives in
-- another province (2).
CREATE TABLE exchange.retelling (
    position          bigint NOT NULL,                 -- of the event
    cause             smallint NOT NULL CHECK (cause IN (1, 2)),
    person            bigint NOT NULL,
    province_before   text NOT NULL,                   -- residence, 34-code; of a number both are as at the event
    province63_before text NOT NULL,
    province_after    text NOT NULL,
    province63_after  text NOT NULL,
    agency            integer NOT NULL REFERENCES exchange.agency,
    event_id          bytea NOT NULL CHECK (length(event_id) = 16),
    event_time_us     bigint NOT NULL,
    told              boolean NOT NULL DEFAULT false,
    PRIMARY KEY (position, cause)
);
CREATE INDEX retelling_person ON exchange.retelling (person) WHERE NOT told;
CREATE INDEX retelling_waiting ON exchange.retelling (position, cause) WHERE NOT told;

REVOKE ALL ON exchange.retelling FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (told) ON exchange.retelling TO dongbo_broker;
GRANT SELECT ON exchange.retelling TO dongbo_operator;
GRANT UPDATE (moved) ON exchange.person_link TO dongbo_broker;
GRANT DELETE ON exchange.person_alias TO dongbo_broker;
