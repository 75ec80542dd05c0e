-- SPDX-License-Identifier: Apache-2.0
-- Who lets go of the log's content says so in the log, by whatever means they do it, and never lets go of its end.

CREATE FUNCTION exchange.check_trim() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told text := 'log trimmed up to position ' || NEW.position;
BEGIN
    IF pg_has_role(session_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE') THEN
        RETURN NULL;
    END IF;
    IF NEW.position >= coalesce((SELECT first_position FROM exchange.head), 1) THEN
        RAISE EXCEPTION 'the log''s last segment stays' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT FROM exchange.policy_change c WHERE c.changed_at = now() AND c.changed_by = session_user
                   AND (c.text = told OR starts_with(c.text, told || ' '))) THEN
        RAISE EXCEPTION 'a trim needs its entry: insert "% ..." into exchange.policy_change, too', told
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_trim AFTER INSERT OR UPDATE ON exchange.trim
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exchange.check_trim();
REVOKE ALL ON FUNCTION exchange.check_trim() FROM PUBLIC;
