-- SPDX-License-Identifier: Apache-2.0
-- Changes of a list have an order: one that comes late does not undo a newer one. The last that was taken; turn 0: all
-- were of programs that know of none.
ALTER TABLE exchange.follow_asked
    ADD turn    bigint NOT NULL DEFAULT 0,
    ADD request bigint NOT NULL DEFAULT 0;
