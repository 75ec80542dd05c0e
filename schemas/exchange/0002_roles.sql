-- SPDX-License-Identifier: Apache-2.0
-- Who may do what in the exchange. Roles are the cluster's, so they may be there already. Passwords or other ways to
-- log in are the site's own (pg_hba.conf); nothing here gives one.
--   dongbo_broker    inserts; never updates or deletes a segment or a record version
--   dongbo_operator  reads all but subscription secrets; changes agencies, keys, subscriptions
--   dongbo_reader    reads what names no person: masked summaries, counts, positions

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['dongbo_broker', 'dongbo_operator', 'dongbo_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's init was faster
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
END $$;

-- Counts for those who may not see the rows (a view reads with its owner's rights).
CREATE VIEW exchange.record_count AS
    SELECT domain, count(DISTINCT (person, record_key)) AS records, count(*) AS versions
    FROM exchange.record_version GROUP BY domain;
CREATE VIEW exchange.exception_count AS
    SELECT agency, domain, first_verdict, verdict, open, count(*) AS events
    FROM exchange.exception GROUP BY agency, domain, first_verdict, verdict, open;

REVOKE ALL ON ALL TABLES IN SCHEMA exchange FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA exchange FROM PUBLIC;
GRANT USAGE ON SCHEMA exchange TO dongbo_broker, dongbo_operator, dongbo_reader;
GRANT EXECUTE ON FUNCTION exchange.server_identity(), exchange.next_position()
    TO dongbo_broker, dongbo_operator, dongbo_reader;
GRANT EXECUTE ON FUNCTION exchange.lock_log() TO dongbo_broker, dongbo_operator;

-- Broker.
GRANT SELECT ON ALL TABLES IN SCHEMA exchange TO dongbo_broker;
GRANT INSERT ON exchange.stream, exchange.epoch, exchange.segment, exchange.record_version, exchange.person_alias,
    exchange.person_link, exchange.exception, exchange.subscription_position TO dongbo_broker;
GRANT UPDATE (last_sequence, session_epoch) ON exchange.stream TO dongbo_broker;
GRANT UPDATE (verdict, open, person, reasons, decided_position) ON exchange.exception TO dongbo_broker;
GRANT UPDATE ON exchange.subscription_position TO dongbo_broker;
GRANT UPDATE (epoch) ON exchange.epoch_request TO dongbo_broker;
GRANT UPDATE (logged_position) ON exchange.policy_change TO dongbo_broker;
GRANT EXECUTE ON FUNCTION exchange.segment_partition(bigint) TO dongbo_broker;

-- Operator.
GRANT SELECT ON exchange.migration, exchange.agency, exchange.key, exchange.stream, exchange.epoch,
    exchange.epoch_request, exchange.segment, exchange.head, exchange.record_version, exchange.person_alias,
    exchange.person_link, exchange.exception, exchange.subscription_policy, exchange.subscription_position,
    exchange.policy_change, exchange.record_count, exchange.exception_count TO dongbo_operator;
GRANT SELECT (subscription, name, subscriber, state, added_at) ON exchange.subscription TO dongbo_operator;
GRANT SELECT ON exchange.unmasking TO dongbo_operator;
GRANT EXECUTE ON FUNCTION exchange.note_unmasking(text, text) TO dongbo_operator;
GRANT INSERT ON exchange.agency, exchange.key, exchange.subscription, exchange.subscription_policy TO dongbo_operator;
GRANT INSERT (reason) ON exchange.epoch_request TO dongbo_operator;
GRANT INSERT (text, agency, subscription, position) ON exchange.policy_change TO dongbo_operator;
GRANT UPDATE (name, state, domains, provinces, told_fields, policy) ON exchange.agency TO dongbo_operator;
GRANT UPDATE (valid_to, revoked_at) ON exchange.key TO dongbo_operator;
GRANT UPDATE (subscriber, state) ON exchange.subscription TO dongbo_operator;

-- Reader: of a segment no payload and no batch; of an exception no number, no person, no event and no reasons, for
-- these may quote a stored value; no record version at all.
GRANT SELECT ON exchange.migration, exchange.stream, exchange.epoch, exchange.epoch_request, exchange.head,
    exchange.subscription_policy, exchange.subscription_position, exchange.policy_change, exchange.record_count,
    exchange.exception_count TO dongbo_reader;
GRANT SELECT (agency, code, name, state, domains, provinces, added_at) ON exchange.agency TO dongbo_reader;
GRANT SELECT (subscription, name, subscriber, state, added_at) ON exchange.subscription TO dongbo_reader;
GRANT SELECT (first_position, last_position, epoch, format, kind, agency, stream, first_sequence, last_sequence,
    batch_root, stored_at_us, population_position, leaf_index, hash, frontier, summary) ON exchange.segment
    TO dongbo_reader;
GRANT SELECT (position, stream, sequence, agency, domain, first_verdict, verdict, open, leaf, decided_position, at)
    ON exchange.exception TO dongbo_reader;
