-- SPDX-License-Identifier: Apache-2.0
-- Operators' sessions: one that stands still inside a transaction may hold the log's lock, for which everybody waits.
-- And what a reader may see besides: public keys and an agency's rights name no person.

DO $$
BEGIN
    EXECUTE format('ALTER ROLE dongbo_operator IN DATABASE %I SET idle_in_transaction_session_timeout = ''30s''',
                   current_database());
    EXECUTE format('ALTER ROLE dongbo_operator IN DATABASE %I SET lock_timeout = ''30s''', current_database());
    EXECUTE format('ALTER ROLE dongbo_reader IN DATABASE %I SET idle_in_transaction_session_timeout = ''30s''',
                   current_database());
END $$;

GRANT SELECT ON exchange.key TO dongbo_reader;
GRANT SELECT (told_fields) ON exchange.agency TO dongbo_reader;
