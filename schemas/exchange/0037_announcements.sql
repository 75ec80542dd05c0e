-- SPDX-License-Identifier: Apache-2.0
-- Who follows the log's heads takes the next key from the entry that announces it (PROTOCOL.md, Witnesses): so nobody
-- writes one but exchange.announce_head_key(), whatever their rights to note a change.
CREATE FUNCTION exchange.check_announcement() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.text ~* '^\s*heads of the log are signed'
       AND (SELECT c.relowner::regrole::text FROM pg_class c WHERE c.oid = TG_RELID) <> current_user THEN
        RAISE EXCEPTION 'only the exchange announces a key that signs heads' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION exchange.check_announcement() FROM PUBLIC;
CREATE TRIGGER check_announcement BEFORE INSERT ON exchange.policy_change
    FOR EACH ROW EXECUTE FUNCTION exchange.check_announcement();
