-- SPDX-License-Identifier: Apache-2.0
-- A list may be changed so often a day and no more: every change is an entry of the log, for ever, and so one who
-- follows and lets go without end would fill it. Counted over a day that begins with the first change after the last.
ALTER TABLE exchange.follow_asked
    ADD changed       bigint NOT NULL DEFAULT 0,       -- changes kept ...
    ADD changed_since timestamptz NOT NULL DEFAULT now();  -- ... from then on
