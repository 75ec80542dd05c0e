-- SPDX-License-Identifier: Apache-2.0
-- Persons whom subscriptions follow: lists that their subscribers keep. A policy with followed_only lets through what
-- is about the persons on the list and no others.
ALTER TABLE exchange.subscription_policy ADD followed_only boolean NOT NULL DEFAULT false;

-- At a position of the log a person is followed if a row covers it: replay gives the same. Rows are opened and closed
-- under the log's lock.
CREATE TABLE exchange.followed (
    subscription  integer NOT NULL,
    person        bigint NOT NULL,
    number        text COLLATE "C" NOT NULL,           -- by which the subscriber named them last
    from_position bigint NOT NULL,
    to_position   bigint,                              -- from here on no more; NULL: to this day
    PRIMARY KEY (person, subscription, from_position),
    CHECK (to_position > from_position)
);
CREATE UNIQUE INDEX followed_now ON exchange.followed (person, subscription) WHERE to_position IS NULL;
CREATE INDEX followed_list ON exchange.followed (subscription, number) WHERE to_position IS NULL;

-- What subscribers asked for and a broker has not carried out yet; of one person the last word only.
CREATE TABLE exchange.follow_request (
    subscription integer NOT NULL,
    person       bigint NOT NULL,
    follow       boolean NOT NULL,
    number       text COLLATE "C" NOT NULL,
    PRIMARY KEY (subscription, person)
);
CREATE INDEX follow_request_number ON exchange.follow_request (subscription, number) WHERE follow;

-- How many rows of each there are, so that limits cost no counting.
CREATE TABLE exchange.follow_count (
    subscription integer PRIMARY KEY,
    followed     bigint NOT NULL DEFAULT 0,
    waiting      bigint NOT NULL DEFAULT 0
);

CREATE FUNCTION exchange.notify_follow() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('dongbo_follow', '');
    RETURN NULL;
END $$;
CREATE TRIGGER notify_follow AFTER INSERT ON exchange.follow_request
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.notify_follow();

REVOKE ALL ON exchange.followed, exchange.follow_request, exchange.follow_count FROM PUBLIC;
REVOKE ALL ON FUNCTION exchange.notify_follow() FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON exchange.followed, exchange.follow_request, exchange.follow_count
    TO dongbo_broker;
GRANT SELECT ON exchange.followed, exchange.follow_request, exchange.follow_count TO dongbo_operator;
GRANT SELECT ON exchange.follow_count TO dongbo_reader;
