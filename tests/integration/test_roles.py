# SPDX-License-Identifier: Apache-2.0
"""Each role can do its work and nothing else; what nobody has decided on is nobody's (rights.tsv)."""
import contextlib
import pathlib

import psycopg2
import pytest
from conftest import open_database

DECIDED = pathlib.Path(__file__).with_name("rights.tsv")

DENIED = [
    ("dongbo_broker", "UPDATE exchange.segment SET kind = 1"),
    ("dongbo_broker", "DELETE FROM exchange.segment"),
    ("dongbo_broker", "TRUNCATE exchange.segment"),
    ("dongbo_broker", "UPDATE exchange.record_version SET superseded = true"),
    ("dongbo_broker", "DELETE FROM exchange.record_version"),
    ("dongbo_broker", "UPDATE exchange.exception SET event = ''"),
    ("dongbo_broker", "DELETE FROM exchange.exception"),
    ("dongbo_broker", "UPDATE exchange.agency SET domains = '{2}'"),
    ("dongbo_broker", "INSERT INTO exchange.key (key, purpose, agency) VALUES ('x', 'curve', 1)"),
    ("dongbo_broker", "UPDATE exchange.stream SET agency = 2"),
    ("dongbo_broker", "CREATE TABLE exchange.mine (i integer)"),
    ("dongbo_broker", "SELECT * FROM population.citizen"),
    ("dongbo_broker", "INSERT INTO exchange.weight VALUES (1, 1, 1, 1, 1, 0)"),
    ("dongbo_administrator", "SELECT payload FROM exchange.segment"),
    ("dongbo_administrator", "SELECT batch FROM exchange.segment"),
    ("dongbo_administrator", "SELECT event FROM exchange.exception"),
    ("dongbo_administrator", "SELECT * FROM exchange.record_version"),
    ("dongbo_administrator", "SELECT * FROM exchange.review_decision"),
    ("dongbo_administrator", "SELECT * FROM exchange.followed"),
    ("dongbo_administrator", "SELECT exchange.look('x')"),
    ("dongbo_administrator", "SELECT exchange.note_unmasking('x', '')"),
    ("dongbo_administrator", "SELECT exchange.review_claim(1, 5)"),
    ("dongbo_administrator", "DELETE FROM exchange.looking"),
    ("dongbo_administrator", "UPDATE exchange.policy_change SET why = ''"),
    ("dongbo_reviewer", "SELECT exchange.lock_log()"),
    ("dongbo_reviewer", "INSERT INTO exchange.key (key, purpose, agency) VALUES ('x', 'curve', 1)"),
    ("dongbo_reviewer", "SELECT exchange.key_end(1, NULL, '{}', NULL, NULL, 'x')"),
    ("dongbo_reviewer", "UPDATE exchange.agency SET domains = '{2}'"),
    ("dongbo_reviewer", "INSERT INTO exchange.trim (position) VALUES (1)"),
    ("dongbo_reviewer", "SELECT exchange.trim_step(0)"),
    ("dongbo_reviewer", "DELETE FROM exchange.looking"),
    ("dongbo_reviewer", "UPDATE exchange.looking SET looked_by = 'other'"),
    ("dongbo_reviewer", "INSERT INTO exchange.looking (what) VALUES ('x')"),
    ("dongbo_reviewer", "DELETE FROM exchange.unmasking"),
    ("dongbo_reviewer", "INSERT INTO exchange.review_decision (review_case, action, why, decided_by) "
                        "VALUES (1, 'accept', 'x', 'other')"),
    ("dongbo_reviewer", "ALTER TABLE exchange.exception DISABLE ROW LEVEL SECURITY"),
    ("dongbo_reader", "SELECT why FROM exchange.policy_change"),
    ("dongbo_reader", "SELECT * FROM exchange.looking"),
    ("dongbo_reader", "SELECT exchange.look('x')"),
    ("dongbo_operator", "SELECT exchange.lock_log(); INSERT INTO exchange.policy_change (text, position) "
                        "VALUES ('dated back', 0)"),
    ("dongbo_operator", "UPDATE exchange.weight SET bits = 0"),
    ("dongbo_operator", "INSERT INTO exchange.weight_model (version, position, events, sha256, made_by) "
                        "VALUES (1, 1, 1, sha256(''), 'other')"),
    ("dongbo_operator", "INSERT INTO exchange.segment (first_position) VALUES (1)"),
    ("dongbo_operator", "UPDATE exchange.segment SET payload = NULL"),
    ("dongbo_operator", "DELETE FROM exchange.segment"),
    ("dongbo_operator", "UPDATE exchange.record_version SET record = ''"),
    ("dongbo_operator", "DELETE FROM exchange.record_version"),
    ("dongbo_operator", "SELECT secret FROM exchange.subscription"),
    ("dongbo_operator", "UPDATE exchange.subscription_policy SET fields = '{}'"),
    ("dongbo_operator", "DELETE FROM exchange.agency"),
    ("dongbo_operator", "DELETE FROM exchange.snapshot_release"),
    ("dongbo_operator", "UPDATE exchange.subscription_position SET released = 0"),
    ("dongbo_operator", "INSERT INTO exchange.subscription_skip VALUES (1, 1, 2)"),
    ("dongbo_broker", "UPDATE exchange.snapshot_release SET first_position = 0"),
    ("dongbo_broker", "DELETE FROM exchange.snapshot_release"),
    ("dongbo_operator", "UPDATE exchange.key SET revoked_at = NULL"),
    ("dongbo_operator", "UPDATE exchange.key SET valid_to = NULL"),
    ("dongbo_operator", "DELETE FROM exchange.key"),
    ("dongbo_operator", "INSERT INTO exchange.key (key, purpose, agency, added_by) VALUES ('x', 'curve', 1, 'other')"),
    ("dongbo_operator", "INSERT INTO exchange.policy_change (text, position, changed_by) VALUES ('', 1, 'other')"),
    ("dongbo_operator", "INSERT INTO exchange.agency (code, name, domains) VALUES ('XX', 'no entry', '{1}')"),
    ("dongbo_reader", "SELECT exchange.key_end(1, NULL, '{}', NULL, NULL, 'x')"),
    ("dongbo_operator", "DELETE FROM exchange.unmasking"),
    ("dongbo_operator", "INSERT INTO exchange.unmasking (what, citizen_masked, seen_by) VALUES ('', '', 'other')"),
    ("dongbo_operator", "INSERT INTO exchange.epoch_request (reason, requested_by) VALUES ('x', 'other')"),
    ("dongbo_operator", "SELECT exchange.segment_partition(0)"),
    ("dongbo_reader", "SELECT payload FROM exchange.segment"),
    ("dongbo_reader", "SELECT batch FROM exchange.segment"),
    ("dongbo_reader", "SELECT * FROM exchange.segment_0"),
    ("dongbo_reader", "SELECT * FROM exchange.record_version"),
    ("dongbo_reader", "SELECT citizen_number FROM exchange.exception"),
    ("dongbo_reader", "SELECT person FROM exchange.exception"),
    ("dongbo_reader", "SELECT event FROM exchange.exception"),
    ("dongbo_reader", "SELECT reasons FROM exchange.exception"),
    ("dongbo_reader", "SELECT likely_person FROM exchange.exception"),
    ("dongbo_reader", "SELECT candidates FROM exchange.exception"),
    ("dongbo_reader", "SELECT * FROM exchange.person_alias"),
    ("dongbo_reader", "UPDATE exchange.key SET revoked_at = now()"),
    ("dongbo_reader", "SELECT policy FROM exchange.agency"),
    ("dongbo_reader", "SELECT exchange.lock_log()"),
    ("dongbo_reader", "INSERT INTO exchange.epoch_request (reason) VALUES ('x')"),
    ("dongbo_population_reader", "UPDATE population.citizen SET full_name = ''"),
    ("dongbo_population_reader", "INSERT INTO population.number_alias (kind, number, person) VALUES ('', '', 1)"),
    ("dongbo_population_reader", "SELECT population.load('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')"),
    ("dongbo_population_reader", "SELECT population.load_aliases('{}','{}','{}','{}','{}')"),
    ("dongbo_population_reader", "SELECT population.analyse()"),
    ("dongbo_population_reader", "SELECT population.begin_load()"),
    ("dongbo_population_writer", "SELECT population.make_keys()"),
    ("dongbo_population_reader", "SELECT population.make_model()"),
    ("dongbo_population_writer", "SELECT * FROM population.find('{}','{}','{}','{}','{}','{}','{}',1,'{}','{}')"),
    ("dongbo_population_writer", "SELECT * FROM population.citizen"),
    ("dongbo_population_writer", "INSERT INTO population.change VALUES (1, 1, '')"),
    ("dongbo_population_writer", "UPDATE population.state SET position = 9"),
    ("dongbo_population_writer", "SELECT * FROM population.apply_run('{}', 1)"),
    ("dongbo_population_writer", "SELECT * FROM exchange.agency"),
]
ALLOWED = [
    ("dongbo_broker", "SELECT * FROM exchange.weight"),
    ("dongbo_broker", "SELECT payload, batch FROM exchange.segment"),
    ("dongbo_broker", "SELECT exchange.lock_log(), exchange.next_position(), exchange.segment_partition(500000000)"),
    ("dongbo_broker", "SELECT secret FROM exchange.subscription"),
    ("dongbo_broker", "UPDATE exchange.stream SET last_sequence = 1, session_epoch = 1"),
    ("dongbo_broker", "UPDATE exchange.exception SET verdict = 1, open = false, decided_position = 1"),
    ("dongbo_broker", "UPDATE exchange.epoch_request SET epoch = 1 WHERE epoch IS NULL"),
    ("dongbo_reviewer", "SELECT payload, batch FROM exchange.segment, exchange.record_version, exchange.exception"),
    ("dongbo_administrator", "SELECT first_position, summary FROM exchange.segment"),
    ("dongbo_administrator", "SELECT * FROM exchange.agency, exchange.policy_change, exchange.unmasking"),
    ("dongbo_operator", "SELECT payload FROM exchange.segment"),
    ("dongbo_operator", "SELECT event, citizen_number FROM exchange.exception"),
    ("dongbo_operator", "SELECT exchange.note_unmasking('test', '')"),
    ("dongbo_reader", "SELECT first_position, summary, hash FROM exchange.segment"),
    ("dongbo_reader", "SELECT * FROM exchange.head"),
    ("dongbo_reader", "SELECT * FROM exchange.key"),
    ("dongbo_reader", "SELECT * FROM exchange.record_count"),
    ("dongbo_reader", "SELECT * FROM exchange.exception_count"),
    ("dongbo_population_reader", "SELECT * FROM population.citizen, population.number_alias, population.state"),
    ("dongbo_population_reader", "SELECT * FROM population.find('{}','{}','{}','{}','{}','{}','{}',1,'{}','{}')"),
    ("dongbo_population_writer", "SELECT population.make_model()"),
    ("dongbo_population_writer",
     "SELECT * FROM population.load('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')"),
    ("dongbo_population_writer", "SELECT * FROM population.load_aliases('{}','{}','{}','{}','{}')"),
]


@pytest.fixture(scope="module")
def exchange(shared_cluster):
    with open_database(shared_cluster, of="dongbo") as made:
        yield made


@pytest.mark.parametrize("role, sql", DENIED)
def test_denied(exchange, role, sql):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        exchange.rows(sql, user=role)


@pytest.mark.parametrize("role, sql", ALLOWED)
def test_allowed(exchange, role, sql):
    exchange.rows(sql, user=role)


def test_no_role_is_more_than_a_login(exchange):
    """The broker alone sees all rows: its COPY knows no row security, and it is no person."""
    assert exchange.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'dongbo%%' AND (NOT rolcanlogin OR rolsuper "
                         "OR rolcreaterole OR rolcreatedb OR rolreplication "
                         "OR rolbypassrls <> (rolname = 'dongbo_broker'))") == []


# What a role has of a table, a view or a function by its own grants; of columns where it has not all of them.
HELD = """
    WITH things AS (
        SELECT n.nspname, c.oid, c.relname, c.relacl AS acl, 'table' AS what, c.relowner AS owner FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND NOT c.relispartition AND NOT (c.relkind = 'S' AND c.relacl IS NULL)),
    grants AS (
        SELECT nspname || '.' || relname AS thing, a.grantee, a.privilege_type AS held FROM things, aclexplode(acl) a
        WHERE a.grantee <> owner
        UNION ALL
        SELECT t.nspname || '.' || t.relname, a.grantee, a.privilege_type || ' ' || string_agg(c.attname, ',' ORDER BY
            c.attnum) FROM things t JOIN pg_attribute c ON c.attrelid = t.oid, aclexplode(c.attacl) a
        WHERE NOT c.attisdropped GROUP BY 1, 2, a.privilege_type
        UNION ALL
        SELECT p.oid::regprocedure::text, a.grantee, a.privilege_type FROM pg_proc p JOIN pg_namespace n
            ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE a.grantee <> p.proowner AND n.nspname IN ('exchange', 'population')
        UNION ALL
        SELECT nspname || '.' || relname, NULL, NULL FROM things
        UNION ALL
        SELECT p.oid::regprocedure::text, NULL, NULL FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('exchange', 'population'))
    SELECT thing, coalesce(string_agg(role || ': ' || held, '; ' ORDER BY role), 'nobody') FROM (
        SELECT thing, CASE grantee WHEN 0 THEN 'everybody' ELSE replace(grantee::regrole::text, 'dongbo_', '') END AS
            role, string_agg(held, ' ' ORDER BY held) AS held FROM grants WHERE grantee IS NOT NULL GROUP BY 1, 2
        UNION SELECT thing, NULL, NULL FROM grants) g
    WHERE thing LIKE 'exchange.%%' OR thing LIKE 'population.%%' GROUP BY thing ORDER BY thing
"""


def test_every_right_was_decided_on(exchange):
    """rights.tsv has a line for each table, view and function, with what each role has of it. A new one, or another
    right, fails here until somebody has thought about it and written it there."""
    found = [f"{thing}\t{held}" for thing, held in exchange.rows(HELD)]
    decided = [line for line in DECIDED.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    new = sorted(set(found) - set(decided))
    gone = sorted(set(decided) - set(found))
    assert not new and not gone, "decide, then change rights.tsv:\n" + "\n".join(
        [f"+ {line}" for line in new] + [f"- {line}" for line in gone])


def test_partitions_are_read_by_way_of_the_whole(exchange):
    """Rows are kept back where the whole table is asked; a partition knows nothing of that."""
    exchange.rows("SELECT exchange.segment_partition(%s)", 700000000, user="dongbo_broker")
    assert exchange.rows("SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a "
                         "WHERE c.relispartition AND a.grantee <> c.relowner") == [("dongbo_broker",)]


def test_nobody_but_superusers_are_more_by_membership(exchange):
    members = exchange.rows("SELECT m.member::regrole::text, m.roleid::regrole::text FROM pg_auth_members m "
                            "WHERE m.member::regrole::text LIKE 'dongbo%%' ORDER BY 1, 2")
    assert members == [("dongbo_administrator", "dongbo_reader"), ("dongbo_operator", "dongbo_administrator"),
                       ("dongbo_operator", "dongbo_reviewer"), ("dongbo_reviewer", "dongbo_reader")]


# ---- whoever looks leaves a trace ----------------------------------------------------------------------------------

PERSONAL = ("segment", "exception", "record_version", "person_alias", "person_link", "followed", "follow_request",
            "guess", "retelling", "judging", "review_decision", "erased_entry", "erased_disclosure")


@pytest.fixture
def held(exchange):
    """Something that names a person."""
    exchange.rows("INSERT INTO exchange.record_version VALUES (1, 2, 'k', 1, false, '') ON CONFLICT DO NOTHING")
    return exchange


@contextlib.contextmanager
def psql(held, user):
    with contextlib.closing(psycopg2.connect(held.conninfo(user))) as connection:
        yield connection, connection.cursor()


def count(cursor):
    cursor.execute("SELECT count(*) FROM exchange.record_version")
    return cursor.fetchone()[0]


@pytest.mark.parametrize("user", ["dongbo_reviewer", "dongbo_operator"])
def test_persons_are_shown_to_whoever_has_said_that_they_look(held, user):
    with psql(held, user) as (connection, cursor), psql(held, user) as (_, other):
        assert count(cursor) == 0
        cursor.execute("SELECT exchange.look('by hand')")
        assert count(cursor) == 0, "it is not committed"
        connection.rollback()
        assert count(cursor) == 0, "it was taken back"
        cursor.execute("SELECT exchange.look('by hand')")
        cursor.execute("SAVEPOINT s")
        assert count(cursor) == 0
        connection.commit()
        assert count(cursor) == 1
        assert count(other) == 0, "another connection said nothing"
    assert held.rows("SELECT what FROM exchange.looking WHERE looked_by = %s", user) == [("by hand",)]


def test_what_names_persons_is_kept_behind_looking(exchange):
    """Every table of which reviewers have more than readers, and no other."""
    behind = exchange.rows("SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE NOT "
                           "p.polpermissive AND p.polroles = ARRAY['dongbo_reviewer'::regrole]::oid[] "
                           "AND p.polcmd = 'r' AND c.relrowsecurity ORDER BY 1")
    assert [name for name, in behind] == sorted(PERSONAL)
    beyond = exchange.rows("SELECT DISTINCT c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = "
                           "'dongbo_reviewer'::regrole AND c.relname <> 'review_claim' ORDER BY 1")
    assert beyond == behind


def test_a_leaky_function_sees_no_row(held):
    """Who makes their own function to look through the policy gets nothing: it is not asked before the policy is."""
    with psql(held, "dongbo_reviewer") as (_, cursor):
        cursor.execute("CREATE FUNCTION pg_temp.leak(bytea) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS "
                       "$$ BEGIN RAISE EXCEPTION 'leaked'; END $$")
        cursor.execute("SELECT * FROM exchange.record_version WHERE pg_temp.leak(record)")
        assert cursor.fetchall() == []


def test_partitions_are_made_once_and_hold_what_they_should(exchange):
    for _ in range(2):
        exchange.rows("SELECT exchange.segment_partition(%s)", 1234567890, user="dongbo_broker")
    bounds = exchange.rows("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'segment_12'")
    assert bounds == [("FOR VALUES FROM ('1200000000') TO ('1300000000')",)]
    storage = exchange.rows("SELECT attname, attstorage FROM pg_attribute WHERE attrelid = "
                            "'exchange.segment_12'::regclass AND attname IN ('payload', 'summary', 'batch') ORDER BY 1")
    assert storage == [("batch", "e"), ("payload", "e"), ("summary", "e")]


def test_identity_names_the_database_and_its_timeline(exchange):
    said = exchange.rows("SELECT * FROM exchange.server_identity()", user="dongbo_broker")
    known = exchange.rows("SELECT s.system_identifier, c.timeline_id FROM pg_control_system() s, "
                          "pg_control_checkpoint() c")
    assert said == known


def test_tables_per_person_have_the_person_in_every_key(exchange):
    """What Citus would ask for, if one node's storage were outgrown."""
    keys = exchange.rows("""
        SELECT c.relname, i.indexrelid::regclass::text, 'person' = ANY(array(
            SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)))
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'exchange' AND i.indisunique AND c.relname IN ('record_version', 'person_alias')""")
    assert keys and all(has for _, _, has in keys), keys
