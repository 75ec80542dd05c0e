# SPDX-License-Identifier: Apache-2.0
"""Each role can do its work and nothing else."""
import psycopg2
import pytest
from conftest import open_database

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
    assert exchange.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'dongbo%%' AND (NOT rolcanlogin OR rolsuper "
                         "OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)", ) == []


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
