-- SPDX-License-Identifier: Apache-2.0
-- What the two baselines store: the same rows as the exchange, in the plainest tables that answer the same questions.
CREATE SCHEMA bench;
CREATE TABLE bench.event (
    stream   bytea NOT NULL,
    sequence bigint NOT NULL,
    event_id bytea NOT NULL,
    person   bigint NOT NULL,
    verdict  smallint NOT NULL,
    body     bytea NOT NULL,
    PRIMARY KEY (stream, sequence)
);
CREATE INDEX event_person ON bench.event (person);
CREATE TABLE bench.record (
    person     bigint NOT NULL,
    domain     smallint NOT NULL,
    record_key text NOT NULL,
    position   bigint NOT NULL,
    superseded boolean NOT NULL,
    record     bytea NOT NULL,
    PRIMARY KEY (person, domain, record_key, position)
);

-- One event per transaction, as a home-made consumer would: check the person, insert the event, upsert the record.
CREATE SEQUENCE bench.sequence;
CREATE TABLE bench.event_one (LIKE bench.event INCLUDING ALL);
CREATE TABLE bench.record_one (
    person     bigint NOT NULL,
    domain     smallint NOT NULL,
    record_key text NOT NULL,
    position   bigint NOT NULL,
    record     bytea NOT NULL,
    PRIMARY KEY (person, domain, record_key)
);
CREATE FUNCTION bench.take(a_person bigint, a_key text, a_body bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n bigint := nextval('bench.sequence');
BEGIN
    PERFORM 1 FROM population.citizen WHERE person = a_person;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such person';
    END IF;
    INSERT INTO bench.event_one
        VALUES ('\x00112233445566778899aabbccddeeff', n, decode(md5(n::text), 'hex'), a_person, 1, a_body);
    INSERT INTO bench.record_one VALUES (a_person, 2, a_key, n, a_body)
    ON CONFLICT (person, domain, record_key) DO UPDATE SET position = excluded.position, record = excluded.record;
END $$;
