-- SPDX-License-Identifier: Apache-2.0
-- What may have left a broker stays said, whatever a broker's login does by other means than the broker: what was
-- released only grows (a database that is set back goes back as a whole), and nothing up to there was passed over.
CREATE FUNCTION exchange.check_released() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.released < OLD.released THEN
        RAISE EXCEPTION 'what may have been sent stays said: released only grows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_released BEFORE UPDATE OF released ON exchange.subscription_position
    FOR EACH ROW EXECUTE FUNCTION exchange.check_released();

CREATE FUNCTION exchange.check_skip() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' OR NEW.last_position > OLD.last_position) AND NEW.first_position <= (
        SELECT max(p.released) FROM exchange.subscription_position p WHERE p.subscription = NEW.subscription) THEN
        RAISE EXCEPTION 'what may have been sent stays said: it was not passed over';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_skip BEFORE INSERT OR UPDATE ON exchange.subscription_skip
    FOR EACH ROW EXECUTE FUNCTION exchange.check_skip();

REVOKE ALL ON FUNCTION exchange.check_released(), exchange.check_skip() FROM PUBLIC;
REVOKE UPDATE ON exchange.subscription_position, exchange.subscription_skip FROM dongbo_broker;
GRANT UPDATE (acked, released, at, fresh, opened_at, heard_at) ON exchange.subscription_position TO dongbo_broker;
GRANT UPDATE (last_position) ON exchange.subscription_skip TO dongbo_broker;

-- A server's numbers of processes come again, with its next session or after a failover: a feed's session is known by
-- when it began, too, or its row would be overwritten while its broker may still send what it had read.
ALTER TABLE exchange.feeding
    ADD began timestamptz NOT NULL DEFAULT '-infinity',
    DROP CONSTRAINT feeding_pkey,
    ADD PRIMARY KEY (pid, began);
