-- SPDX-License-Identifier: Apache-2.0
-- How often the right person shows a level of likeness, learnt from each agency's own events (broker/weights.h). A
-- model is only ever added, and the newest of the broker's own version is used; what was concluded by it names it.

CREATE TABLE exchange.weight_model (
    model    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version  integer NOT NULL,                         -- SEARCH_VERSION: of what fields and levels mean
    position bigint NOT NULL,                          -- of the log, when it was learnt
    events   bigint NOT NULL,                          -- looked at, of all agencies
    sha256   bytea NOT NULL CHECK (length(sha256) = 32),   -- of its lines as `dongbo model show` prints them
    made_at  timestamptz NOT NULL DEFAULT now(),
    made_by  text NOT NULL DEFAULT session_user
);
CREATE TABLE exchange.weight (
    model  bigint NOT NULL REFERENCES exchange.weight_model,
    agency integer NOT NULL REFERENCES exchange.agency,
    field  smallint NOT NULL CHECK (field BETWEEN 0 AND 15),
    level  smallint NOT NULL CHECK (level BETWEEN 1 AND 31),
    n      bigint NOT NULL CHECK (n >= 0),             -- events that show it
    bits   integer NOT NULL CHECK (bits BETWEEN -40000 AND 0),   -- log2 of its share, in thousandths
    PRIMARY KEY (model, agency, field, level)
);
CREATE TRIGGER notify_policy AFTER INSERT ON exchange.weight_model
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.notify_policy();

REVOKE ALL ON exchange.weight_model, exchange.weight FROM PUBLIC;
GRANT SELECT ON exchange.weight_model, exchange.weight TO dongbo_broker, dongbo_operator, dongbo_reader;
GRANT INSERT (version, position, events, sha256) ON exchange.weight_model TO dongbo_operator;
GRANT INSERT ON exchange.weight TO dongbo_operator;
