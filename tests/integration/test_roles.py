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
    ("dongbo_administrator", "SELECT exchange.look_at('x', 1, '{1}', '{}', '')"),
    ("dongbo_administrator", "SELECT exchange.look_at_all('x', '')"),
    ("dongbo_administrator", "SELECT * FROM exchange.seen_version"),
    ("dongbo_administrator", "SELECT numbers FROM exchange.looking"),
    ("dongbo_administrator", "SELECT exchange.note_unmasking('x', '')"),
    ("dongbo_administrator", "SELECT exchange.review_claim(1, 5)"),
    ("dongbo_administrator", "DELETE FROM exchange.looking"),
    ("dongbo_administrator", "UPDATE exchange.policy_change SET why = ''"),
    ("dongbo_reviewer", "SELECT exchange.look_at_all('x', '')"),
    ("dongbo_reviewer", "SELECT payload FROM exchange.segment"),
    ("dongbo_reviewer", "SELECT batch FROM exchange.segment"),
    ("dongbo_reviewer", "SELECT * FROM exchange.record_version"),
    ("dongbo_reviewer", "SELECT event FROM exchange.exception"),
    ("dongbo_reviewer", "SELECT citizen_number FROM exchange.exception"),
    ("dongbo_reviewer", "SELECT why FROM exchange.review_decision"),
    ("dongbo_reviewer", "SELECT * FROM exchange.looks('-infinity', 'all')"),
    ("dongbo_auditor", "SET row_security = off; SELECT * FROM exchange.segment"),
    ("dongbo_auditor", "ALTER TABLE exchange.segment DISABLE ROW LEVEL SECURITY"),
    ("dongbo_auditor", "SELECT * FROM exchange.record_version"),
    ("dongbo_auditor", "SELECT event FROM exchange.exception"),
    ("dongbo_auditor", "SELECT exchange.review_claim(1, 5)"),
    ("dongbo_auditor", "SELECT exchange.lock_log()"),
    ("dongbo_auditor", "DELETE FROM exchange.looking"),
    ("dongbo_auditor", "INSERT INTO exchange.looking (what, scope) VALUES ('x', 'all')"),
    ("dongbo_auditor", "SELECT * FROM exchange.segment_0"),
    ("dongbo_auditor", "DROP POLICY looking ON exchange.segment"),
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
    ("dongbo_reviewer", "CREATE OR REPLACE VIEW exchange.seen_alias AS SELECT * FROM exchange.person_alias"),
    ("dongbo_reader", "SELECT why FROM exchange.policy_change"),
    ("dongbo_reader", "SELECT * FROM exchange.looking"),
    ("dongbo_reader", "SELECT exchange.look('x')"),
    ("dongbo_reader", "SELECT exchange.look_at('x', 1, '{1}', '{}', '')"),
    ("dongbo_reader", "SELECT exchange.look_at_all('x', '')"),
    ("dongbo_reader", "SELECT * FROM exchange.seen_version"),
    ("dongbo_reader", "SELECT * FROM exchange.seen_exception"),
    ("dongbo_reader", "SELECT * FROM exchange.seen_decision"),
    ("dongbo_operator", "SELECT exchange.lock_log(); INSERT INTO exchange.policy_change (text, position) "
                        "VALUES ('dated back', 0)"),
    ("dongbo_administrator", "INSERT INTO exchange.trim (position) VALUES (0)"),
    ("dongbo_operator", "INSERT INTO exchange.trim (position) VALUES (0)"),
    ("dongbo_operator", "UPDATE exchange.weight SET bits = 0"),
    ("dongbo_operator", "INSERT INTO exchange.subscription (name, subscriber, secret) VALUES ('x', 'x', sha256('x'))"),
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
    ("dongbo_broker", "UPDATE exchange.subscription_position SET share = 1, shares = 1"),
    ("dongbo_broker", "UPDATE exchange.subscription_position SET session = 1"),
    ("dongbo_broker", "UPDATE exchange.subscription_skip SET first_position = 1"),
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
    ("dongbo_reviewer", "SELECT * FROM exchange.seen_version, exchange.seen_exception, exchange.seen_decision"),
    ("dongbo_auditor", "SELECT payload, batch FROM exchange.segment, exchange.seen_version, exchange.seen_exception"),
    ("dongbo_administrator", "SELECT first_position, summary FROM exchange.segment"),
    ("dongbo_administrator", "SELECT * FROM exchange.agency, exchange.policy_change, exchange.unmasking"),
    ("dongbo_administrator", "SELECT what, looked_by, looked_at, persons, why FROM exchange.looking"),
    ("dongbo_operator", "SELECT payload FROM exchange.segment"),
    ("dongbo_operator", "SELECT event, citizen_number FROM exchange.seen_exception"),
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
    assert exchange.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'dongbo%%' AND (NOT rolcanlogin OR rolsuper "
                         "OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)") == []


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
    assert members == [("dongbo_administrator", "dongbo_reader"), ("dongbo_auditor", "dongbo_reader"),
                       ("dongbo_operator", "dongbo_administrator"), ("dongbo_operator", "dongbo_auditor"),
                       ("dongbo_operator", "dongbo_reviewer"), ("dongbo_reviewer", "dongbo_reader")]


# ---- whoever looks leaves a trace ----------------------------------------------------------------------------------

ROWS = ("erased_disclosure", "erased_entry", "followed", "follow_request", "guess", "judging", "person_alias",
        "retelling", "segment")
VIEWS = ("seen_alias", "seen_decision", "seen_exception", "seen_link", "seen_version")
LOOK = "SELECT exchange.look_at('by hand', NULL, ARRAY[%s]::bigint[], '{}', 'was asked')"


@pytest.fixture
def held(exchange):
    """What names three persons: 1, 2 who was merged into 3, and 3; and two events in question, of 1 and of nobody."""
    exchange.rows("INSERT INTO exchange.record_version SELECT n, 2, 'k', n, false, '' FROM generate_series(1, 3) n "
                  "ON CONFLICT DO NOTHING")
    exchange.rows("INSERT INTO exchange.agency (agency, code, name, domains) VALUES (1, 'MOH', 'x', '{2}') "
                  "ON CONFLICT DO NOTHING")
    exchange.rows("INSERT INTO exchange.person_link (person, merged_into, position, number, province, province63, "
                  "agency, event_id, event_time_us) VALUES (2, 3, 9, 'c', '', '', 1, repeat('i', 16)::bytea, 1) "
                  "ON CONFLICT DO NOTHING")
    exchange.rows("INSERT INTO exchange.person_alias VALUES ('n', 'insurance', 1, 1) ON CONFLICT DO NOTHING")
    exchange.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, verdict, "
                  "open, citizen_number, person, reasons, event, leaf, review_case) VALUES "
                  "(1, 's', 1, 1, 2, 4, 4, true, 'a', 1, '', 'event', '', 1), "
                  "(2, 's', 2, 1, 2, 5, 5, true, 'b', NULL, '', 'event', '', NULL) ON CONFLICT DO NOTHING")
    exchange.rows("INSERT INTO exchange.segment (first_position, last_position, epoch, format, kind, batch_root, "
                  "stored_at_us, population_position, leaf_index, hash, frontier, summary, payload, leaf) VALUES "
                  "(1, 1, 1, 2, 1, NULL, 1, 0, 0, repeat('h', 32)::bytea, '', '', 'payload', repeat('l', 32)::bytea) "
                  "ON CONFLICT DO NOTHING")
    return exchange


@contextlib.contextmanager
def psql(held, user):
    with contextlib.closing(psycopg2.connect(held.conninfo(user))) as connection:
        yield connection, connection.cursor()


def seen(cursor, column="person", table="seen_version"):
    cursor.execute(f"SELECT DISTINCT {column} FROM exchange.{table} ORDER BY 1")
    return [value for value, in cursor.fetchall()]


def test_a_person_is_shown_to_whoever_has_said_that_they_look_at_them(held):
    user = "dongbo_reviewer"
    with psql(held, user) as (connection, cursor), psql(held, user) as (_, other):
        assert seen(cursor) == []
        cursor.execute(LOOK, (1,))
        assert seen(cursor) == [], "it is not committed"
        connection.rollback()
        assert seen(cursor) == [], "it was taken back"
        cursor.execute(LOOK, (1,))
        cursor.execute("SAVEPOINT s")
        assert seen(cursor) == []
        connection.commit()
        assert seen(cursor) == [1], "nobody else"
        assert seen(cursor, "position", "seen_exception") == [1]
        assert seen(cursor, "person", "seen_link") == []
        assert seen(other) == [], "another connection said nothing"
        cursor.execute(LOOK, (2,))
        connection.commit()
        assert seen(cursor) == [1, 2, 3], "with whom they became one"
        assert seen(cursor, "person", "seen_link") == [2]
    assert held.rows("SELECT what, looked_by, persons, why FROM exchange.looking WHERE scope = 'persons' ORDER BY 1, 3"
                     ) == [("by hand", user, [1], "was asked"), ("by hand", user, [2, 3], "was asked")]
    with psql(held, user) as (_, later):
        assert seen(later) == [], "it was another session's look"


def test_what_was_said_under_a_number_or_in_a_case_is_shown_alone(held):
    with psql(held, "dongbo_reviewer") as (connection, cursor):
        cursor.execute("SELECT exchange.look_at('by hand', NULL, NULL, '{b}', '')")
        connection.commit()
        assert seen(cursor, "position", "seen_exception") == [2] and seen(cursor) == []
    with psql(held, "dongbo_reviewer") as (connection, cursor):
        cursor.execute("SELECT exchange.look_at('by hand', 1, NULL, NULL, '')")
        connection.commit()
        assert seen(cursor, "position", "seen_exception") == [1] and seen(cursor) == []


def test_the_queue_is_shown_without_anybodys_records(held):
    with psql(held, "dongbo_reviewer") as (connection, cursor):
        assert seen(cursor, "position", "seen_exception") == []
        cursor.execute("SELECT exchange.look('by hand')")
        connection.commit()
        assert seen(cursor, "position", "seen_exception") == [1], "what waits by itself is in no queue"
        assert seen(cursor) == []


@pytest.mark.parametrize("user", ["dongbo_auditor", "dongbo_operator"])
def test_all_is_shown_to_auditors_who_have_said_so(held, user):
    with psql(held, user) as (connection, cursor):
        for table, column in (("seen_version", "person"), ("segment", "first_position"), ("seen_link", "person")):
            assert seen(cursor, column, table) == []
        cursor.execute("SELECT exchange.look_at_all('by hand', 'export')")
        connection.commit()
        assert seen(cursor) == [1, 2, 3] and seen(cursor, "position", "seen_exception") == [1, 2]
        assert seen(cursor, "first_position", "segment") == [1] and seen(cursor, "person", "seen_link") == [2]
    assert held.rows("SELECT what, why FROM exchange.looking WHERE scope = 'all' AND looked_by = %s", user) == [
        ("by hand", "export")]


def test_a_look_opens_nothing_to_whoever_became_another(held):
    """Only for themselves may anybody see when a session began: who is another by SET ROLE is shown nothing."""
    held.rows("CREATE ROLE officer_role LOGIN; GRANT dongbo_reviewer TO officer_role")
    try:
        with psql(held, "officer_role") as (connection, cursor):
            cursor.execute(LOOK, (1,))
            connection.commit()
            assert seen(cursor) == [1]
            cursor.execute("SET ROLE dongbo_reviewer")
            assert seen(cursor) == []
    finally:
        held.rows("DROP ROLE officer_role")


def test_what_names_persons_is_kept_behind_looking(exchange):
    """Every table of which reviewers or auditors have more than readers, and no other."""
    behind = exchange.rows("SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE NOT "
                           "p.polpermissive AND p.polroles @> ARRAY['dongbo_auditor'::regrole]::oid[] "
                           "AND p.polcmd = 'r' AND c.relrowsecurity ORDER BY 1")
    assert [name for name, in behind] == sorted(ROWS)
    beyond = exchange.rows("SELECT DISTINCT c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee IN ("
                           "'dongbo_reviewer'::regrole, 'dongbo_auditor'::regrole) AND c.relname <> 'review_claim' "
                           "ORDER BY 1")
    assert [name for name, in beyond] == sorted((*ROWS, *VIEWS))
    assert exchange.rows("SELECT relname FROM pg_class WHERE relname LIKE 'seen%%' AND NOT coalesce("
                         "reloptions @> ARRAY['security_barrier=true'], false)") == []


@pytest.mark.parametrize("table, column", [("seen_version", "record"), ("seen_exception", "event"),
                                           ("seen_alias", "number::bytea")])
def test_a_leaky_function_sees_no_row(held, table, column):
    """Somebody else's function that tells what it is given is not asked before it is known what is shown."""
    held.rows("CREATE OR REPLACE FUNCTION public.leak(bytea) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS "
              "$$ BEGIN RAISE EXCEPTION 'leaked'; END $$")
    with psql(held, "dongbo_reviewer") as (connection, cursor):
        cursor.execute(f"SELECT * FROM exchange.{table} WHERE public.leak({column})")
        assert cursor.fetchall() == []
        cursor.execute(f"SELECT * FROM exchange.{table} WHERE 1 / (length({column}) - length({column})) = 1")
        assert cursor.fetchall() == [], "an error is told of no row"
        cursor.execute("SELECT exchange.look_at('by hand', 1, '{1}', '{}', '')")
        connection.commit()
        with pytest.raises(psycopg2.errors.RaiseException, match="leaked"):
            cursor.execute(f"SELECT * FROM exchange.{table} WHERE public.leak({column})")


def nodes(plan):
    return [plan, *(node for one in plan.get("Plans", ()) for node in nodes(one))]


@pytest.mark.parametrize("where", ["seen_version WHERE person = 1", "seen_version WHERE record_key = 'k'",
                                   "seen_exception WHERE citizen_number = 'a'", "seen_exception WHERE person = 1",
                                   "seen_alias WHERE number = 'n'", "seen_link WHERE number = 'c'",
                                   "seen_decision WHERE review_case = 1"])
def test_a_plan_counts_nobody_who_is_not_shown(held, where):
    """Rows that a filter removed would tell that they are there."""
    with psql(held, "dongbo_reviewer") as (connection, cursor):
        cursor.execute("SELECT exchange.look_at('by hand', 77, '{77}', '{none}', '')")
        connection.commit()
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM exchange.{where}")
        plan = nodes(cursor.fetchone()[0][0]["Plan"])
    assert [node for node in plan if node.get("Relation Name", "looking") != "looking"
            and (node["Actual Rows"] or node.get("Rows Removed by Filter"))] == []


def test_statistics_tell_nobodys_values(held):
    held.rows("ANALYZE")
    public = ("agency", "domain", "position", "kind", "first_verdict", "verdict", "open", "sequence", "stream", "leaf",
              "at", "review_case", "decided_position", "likely_posterior", "reason_codes")
    for role in ("dongbo_reader", "dongbo_reviewer", "dongbo_auditor", "dongbo_administrator", "dongbo_operator"):
        told = held.rows("SELECT tablename, attname FROM pg_stats WHERE schemaname = 'exchange' AND tablename IN "
                         "('record_version', 'exception', 'person_alias', 'person_link', 'guess', 'followed', "
                         "'follow_request', 'retelling', 'judging', 'review_decision') "
                         "OR attname IN ('payload', 'batch', 'numbers')", user=role)
        assert [(table, column) for table, column in told if column not in public] == [], role


HOSTILE = [
    "CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE public.t (i integer)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE EXTENSION pg_trgm SCHEMA public",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION exchange.notify_policy()",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "CREATE TRIGGER t BEFORE INSERT ON exchange.segment FOR EACH ROW EXECUTE FUNCTION exchange.check_position()",
    "CREATE RULE r AS ON INSERT TO exchange.segment DO INSTEAD NOTHING",
    "CREATE POLICY p ON exchange.segment USING (true)",
    "CREATE ROLE mine",
    "ALTER ROLE dongbo_reader SUPERUSER",
    "GRANT dongbo_broker TO CURRENT_USER",
    "GRANT SELECT ON exchange.record_version TO PUBLIC",
    "SET ROLE dongbo_broker",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY exchange.agency FROM '/etc/passwd'",
    "BEGIN; LOCK TABLE exchange.lock_of_log IN ACCESS SHARE MODE",
    "BEGIN; LOCK TABLE exchange.record_version IN ACCESS SHARE MODE",
    "BEGIN; LOCK TABLE exchange.agency IN ACCESS EXCLUSIVE MODE",
    "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dongbo_broker'",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM exchange.lock_of_log",
    "UPDATE exchange.migration SET name = ''",
    "ALTER FUNCTION exchange.lock_log() SECURITY INVOKER",
    "DROP VIEW exchange.head",
    "TRUNCATE exchange.agency",
]
PEOPLE = ("dongbo_reader", "dongbo_reviewer", "dongbo_auditor", "dongbo_administrator", "dongbo_operator")


@pytest.mark.parametrize("sql", HOSTILE)
def test_nobody_gets_round_their_role(exchange, sql):
    with psql(exchange, "dongbo_broker"):
        for role in PEOPLE:
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedFile)):
                exchange.rows(sql, user=role)
                pytest.fail(f"{role} may {sql}")


@pytest.mark.parametrize("role", [*PEOPLE, "dongbo_broker"])
def test_nobody_makes_anything_not_even_for_a_session(exchange, role):
    """Of the database as `dongbo init` left it: what is the database's own is not in a copy."""
    assert exchange.rows("SELECT has_database_privilege(%s, 'dongbo', p), "
                         "has_schema_privilege(%s, 'public', 'CREATE'), "
                         "has_schema_privilege(%s, 'exchange', 'CREATE') FROM unnest(ARRAY['CREATE', 'TEMPORARY']) p",
                         role, role, role) == [(False, False, False)] * 2


def test_whoever_may_only_read_stops_nobody_who_writes(exchange):
    """By no lock that they can take."""
    with psql(exchange, "dongbo_reader") as (_, reader), psql(exchange, "dongbo_broker") as (_, broker):
        reader.execute("SELECT pg_advisory_lock(key) FROM unnest(ARRAY[7237124516519804929, 7237124516519804930, "
                       "hashtextextended('exchange.segment_partition', 0)]) AS key")
        reader.execute("SELECT first_position FROM exchange.segment")
        broker.execute("SET lock_timeout = '5s'; SELECT exchange.lock_log()")
        broker.execute("SELECT exchange.lock_heads()")
        broker.execute("SELECT exchange.segment_partition(800000000)")


def test_errors_of_functions_show_no_row(held):
    """What fails in a function fails as its owner, who is shown the row."""
    held.rows("INSERT INTO exchange.erasure (position, ordered, agency, leaf, stream, sequence, person, domain, "
              "record_key, event_id, event_time_us, logged_position) VALUES (1, 'x', 1, repeat('l', 32)::bytea, "
              "repeat('s', 16)::bytea, 1, 1, 2, 'k', repeat('e', 16)::bytea, 1, 2) ON CONFLICT DO NOTHING")
    for sql in ("SELECT exchange.erase_version(1, 1, NULL)",
                "SELECT exchange.erase_segment(1, NULL, NULL, NULL, NULL)"):
        assert held.value(sql, user="dongbo_administrator") == 0


def test_a_model_of_weights_is_added_as_a_whole(exchange):
    """Its hash would not tell of what comes later."""
    model = ("INSERT INTO exchange.weight_model (version, position, events, sha256) VALUES (1, 1, 1, sha256('')) "
             "RETURNING model")
    weight = "INSERT INTO exchange.weight (model, agency, field, level, n, bits) VALUES (%s, %s, 1, %s, 1, -9000)"
    agency = exchange.value("INSERT INTO exchange.agency (code, name, domains) VALUES ('WEIGHED', 'x', '{1}') "
                            "RETURNING agency")
    with psql(exchange, "dongbo_administrator") as (_, cursor):
        cursor.execute(model)
        cursor.execute(weight, (made := cursor.fetchone()[0], agency, 1))
        cursor.connection.commit()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="as a whole"):
            cursor.execute(weight, (made, agency, 2))


def test_subscriptions_have_secrets_that_nobody_chose(exchange):
    secrets = exchange.rows("INSERT INTO exchange.subscription (name, subscriber) VALUES ('drawn-1', 'x'), "
                            "('drawn-2', 'x') RETURNING secret")
    assert len({bytes(secret) for secret, in secrets}) == 2
    exchange.rows("DELETE FROM exchange.subscription WHERE name LIKE 'drawn-%%'")


def test_functions_with_their_owners_rights_look_nowhere_else(exchange):
    """Nor does any that they, policies or triggers call: where names are looked up is part of each."""
    loose = exchange.rows("SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n "
                          "ON n.oid = p.pronamespace WHERE n.nspname IN ('exchange', 'population') AND p.prosecdef "
                          "AND NOT coalesce("
                          "p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)")
    assert loose == []


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
