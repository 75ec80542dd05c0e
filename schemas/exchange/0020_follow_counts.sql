-- SPDX-License-Identifier: Apache-2.0
-- What is asked of lists and what was carried out is counted in two rows, so that the log's writer never waits for who
-- asks. What waits is the difference.
CREATE TABLE exchange.follow_asked (
    subscription integer PRIMARY KEY,
    asked        bigint NOT NULL DEFAULT 0
);
INSERT INTO exchange.follow_asked (subscription, asked) SELECT subscription, waiting FROM exchange.follow_count;
ALTER TABLE exchange.follow_count RENAME waiting TO done;
UPDATE exchange.follow_count SET done = 0;

-- By person alone, for a plan that goes by subscription reads a whole list.
CREATE INDEX follow_request_person ON exchange.follow_request (person);

REVOKE ALL ON exchange.follow_asked FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON exchange.follow_asked TO dongbo_broker;
GRANT SELECT ON exchange.follow_asked TO dongbo_operator, dongbo_reader;
