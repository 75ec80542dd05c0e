-- SPDX-License-Identifier: Apache-2.0
-- An agency that corrects its row sends it again: once the newer event is taken, what was in question of the older one
-- is in question no more. Which open events are of a row is found by this key (broker/resent.h), and whoever stores the
-- newer event notes it here; a broker then closes the older by an entry of the log.
ALTER TABLE exchange.exception
    ADD row_key     bigint,    -- of domain, source key and the record's key; null: no row that could come again
    ADD replaced_by bigint;    -- position of the newer event's entry
CREATE INDEX exception_row ON exchange.exception (agency, row_key, position)
    WHERE open AND replaced_by IS NULL AND row_key IS NOT NULL;
CREATE INDEX exception_replaced ON exchange.exception (position) WHERE open AND replaced_by IS NOT NULL;
GRANT UPDATE (replaced_by) ON exchange.exception TO dongbo_broker;
