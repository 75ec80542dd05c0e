-- SPDX-License-Identifier: Apache-2.0
-- What else a subscription's rights may say, and what `dongbo disclosures` reads beside the log: who may have been sent
-- what about whom is computed from positions, never kept for every record.

ALTER TABLE exchange.subscription_policy
    ADD province_codes smallint NOT NULL DEFAULT 34 CHECK (province_codes IN (34, 63)),   -- which set `provinces` is of
    ADD changes smallint[] NOT NULL DEFAULT '{1,2,3,4}',   -- kinds (ChangeKind) that are sent
    ADD agency integer REFERENCES exchange.agency,         -- whose side the subscriber is on
    ADD echo boolean NOT NULL DEFAULT false,               -- that agency's own changes come back to it
    ADD CHECK (array_ndims(changes) = 1 AND array_position(changes, NULL) IS NULL);

-- Positions that a subscription had never been sent and passed over, for its receiver asked to begin behind them: what
-- it acknowledges later does not cover them. Gone again before any of them is sent. Rows of one do not overlap.
CREATE TABLE exchange.subscription_skip (
    subscription   integer NOT NULL REFERENCES exchange.subscription,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    PRIMARY KEY (subscription, first_position),
    CHECK (first_position <= last_position)
);

-- Snapshots: what was current at a head from first_position to head_position may have been sent. Written before the
-- first chunk goes out, and head_position raised before a later one does.
CREATE TABLE exchange.snapshot_release (
    snapshot       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription   integer NOT NULL REFERENCES exchange.subscription,
    first_position bigint NOT NULL,                        -- head of the first chunk
    head_position  bigint NOT NULL,                        -- the greatest head of any chunk
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,                            -- null: not to its end, or not yet
    CHECK (first_position <= head_position)
);
CREATE INDEX snapshot_release_subscription ON exchange.snapshot_release (subscription, first_position);

-- Records that are told again leave no version; their entries are in segments of this kind behind the event's position,
-- up to `told_position` (null: there are none yet, or this was not kept).
ALTER TABLE exchange.retelling ADD told_position bigint;
CREATE INDEX retelling_of ON exchange.retelling (person);
CREATE INDEX segment_retold ON exchange.segment (first_position) WHERE kind = 7;

REVOKE ALL ON exchange.subscription_skip, exchange.snapshot_release FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON exchange.subscription_skip TO dongbo_broker;
GRANT SELECT, INSERT, UPDATE (head_position, finished_at) ON exchange.snapshot_release TO dongbo_broker;
GRANT UPDATE (told_position) ON exchange.retelling TO dongbo_broker;
GRANT SELECT ON exchange.subscription_skip, exchange.snapshot_release TO dongbo_operator, dongbo_reader;
