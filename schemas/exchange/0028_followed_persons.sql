-- SPDX-License-Identifier: Apache-2.0
-- A list's persons in their order: a snapshot of a subscription that follows a hundred looks at these, and at nobody
-- else. Readers go on meanwhile; following waits.
CREATE INDEX followed_persons ON exchange.followed (subscription, person);
