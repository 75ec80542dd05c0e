-- SPDX-License-Identifier: Apache-2.0
-- What administrators could do by other means than `dongbo`, and nobody would have seen.

-- Whoever chose a subscription's secret knew the ids of its records, and could give two subscribers the same ones, by
-- which they tell whose they are. The database draws it, and shows it to brokers alone.
ALTER TABLE exchange.subscription ALTER secret
    SET DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
REVOKE INSERT ON exchange.subscription FROM dongbo_administrator;
GRANT INSERT (name, subscriber) ON exchange.subscription TO dongbo_administrator;

-- A model's weights come with it: later ones would change what is decided by it, and its hash would not tell.
CREATE FUNCTION exchange.check_weights() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM added a JOIN exchange.weight_model m ON m.model = a.model WHERE m.made_at <> now()) THEN
        RAISE EXCEPTION 'a model is only ever added as a whole' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_weights AFTER INSERT ON exchange.weight REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION exchange.check_weights();
REVOKE ALL ON FUNCTION exchange.check_weights() FROM PUBLIC;

-- Who says who had been told of what was erased.
ALTER TABLE exchange.erased_disclosure ADD noted_by text;
ALTER TABLE exchange.erased_disclosure ALTER noted_by SET DEFAULT session_user;
