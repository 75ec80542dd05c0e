-- SPDX-License-Identifier: Apache-2.0
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

-- Who got another number, by which event, and whether committees that know the person by it have been told.
CREATE TABLE exchange.renumbering (
    position      bigint PRIMARY KEY,
    person        bigint NOT NULL,
    agency        integer NOT NULL REFERENCES exchange.agency,
    event_id      bytea NOT NULL CHECK (length(event_id) = 16),
    event_time_us bigint NOT NULL,
    told          boolean NOT NULL DEFAULT false
);
CREATE INDEX renumbering_waiting ON exchange.renumbering (position) WHERE NOT told;

REVOKE ALL ON exchange.renumbering FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (told) ON exchange.renumbering TO dongbo_broker;
GRANT SELECT ON exchange.renumbering TO dongbo_operator;
GRANT UPDATE (moved) ON exchange.person_link TO dongbo_broker;
GRANT DELETE ON exchange.person_alias TO dongbo_broker;
