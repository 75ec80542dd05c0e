-- SPDX-License-Identifier: Apache-2.0
-- Whether a subscription's records may come with what proves whose word they are (PROTOCOL.md, Proofs of origin): not
-- at all; by salted leaves, which tell nothing; or, where its rights cover all that an event may say, with the event.
ALTER TABLE exchange.subscription_policy
    ADD origin_proofs text NOT NULL DEFAULT 'no' CHECK (origin_proofs IN ('no', 'leaves', 'events'));
-- From a tombstone to what it is of.
CREATE INDEX erasure_tombstone ON exchange.erasure (logged_position);
