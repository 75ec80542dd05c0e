-- SPDX-License-Identifier: Apache-2.0
-- Whoever ordered the entry of an event erased, and not its word, kept that word where no later erasure found it: a
-- broker looks whether what was said is noted.
GRANT SELECT ON exchange.erased_entry TO dongbo_broker;
