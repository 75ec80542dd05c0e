# SPDX-License-Identifier: Apache-2.0
"""Setting a site up: init, roles, keys, agencies, subscriptions, population."""
import psycopg2
import pytest

from conftest import BUILD, POPULATION, ROOT, write_csv

CITIZEN = {"citizen_number": "001099012345", "full_name": "Nguyễn Văn An", "birth_date": "1999-05-01", "sex": "male",
           "residence_province": "01", "residence_province63": "01"}


def test_init_twice_changes_nothing(exchange):
    exchange.load_population([CITIZEN])
    exchange.dongbo("init")
    assert exchange.cluster.value("SELECT count(*) FROM population.citizen") == 1


def test_keys_are_never_overwritten(exchange):
    path = exchange.directory / "x.keys"
    exchange.dongbo("keys", "new", path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    again = exchange.dongbo("keys", "new", path, check=False)
    assert again.returncode == 2
    assert path.read_text() == before
    assert "secret" not in (exchange.directory / "x.keys.pub").read_text()


FORBIDDEN = [
    ("dongbo_population_reader", "INSERT INTO population.citizen (citizen_number, full_name, birth_date, sex) "
                                 "VALUES ('1', 'x', '2000', 'male')"),
    ("dongbo_population_reader", "SELECT * FROM exchange.segment"),
    ("dongbo_broker", "DELETE FROM exchange.record_version"),
    ("dongbo_broker", "UPDATE exchange.record_version SET superseded = true"),
    ("dongbo_broker", "UPDATE population.citizen SET full_name = ''"),
    ("dongbo_reader", "SELECT payload FROM exchange.segment"),
    ("dongbo_reader", "SELECT record FROM exchange.record_version"),
    ("dongbo_reader", "SELECT event FROM exchange.exception"),
]


def test_roles_may_do_no_more_than_they_need(exchange):
    for role, sql in FORBIDDEN:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            exchange.cluster.rows(sql, user=role)
            pytest.fail(f"{role} may {sql}")


def test_population_is_loaded_once(exchange):
    exchange.load_population([CITIZEN])
    exchange.load_population([CITIZEN])
    assert exchange.cluster.rows("SELECT citizen_number, full_name FROM population.citizen") == \
        [("001099012345", "Nguyễn Văn An")]


def test_an_unknown_domain_is_named(exchange):
    done = exchange.dongbo("agency", "add", "XX", "--name", "X", "--domain", "weather", "--key", exchange.keys("xx"),
                           check=False)
    assert done.returncode == 2
    assert "weather" in done.stderr


def test_a_store_folded_by_another_version_is_noticed_and_folded_anew(exchange):
    exchange.load_population([CITIZEN])
    exchange.cluster.rows("UPDATE population.state SET fold_version = 9; "
                          "UPDATE population.citizen SET name_folded = 'by another version'")
    path = write_csv(exchange.directory / "more.csv", [dict(CITIZEN, citizen_number="001099012346")], POPULATION)
    broker = [BUILD / "broker/dongbo-broker", "--config", exchange.directory / "broker.yaml"]
    for done in (exchange.dongbo("init", check=False), exchange.dongbo("population", "load", path, check=False),
                 exchange.dongbo("status", check=False), exchange.run(*broker)):
        assert done.returncode == 2
        assert "folded by version 9" in done.stderr and "run dongbo population fold" in done.stderr
    assert exchange.dongbo("population", "fold").stdout == "1 names are folded by version 2, 1 of them were otherwise\n"
    assert exchange.cluster.rows("SELECT fold_version, name_folded FROM population.state, population.citizen") == [
        (2, "nguyen van an")]
    exchange.start_broker()
    assert exchange.dongbo("population", "fold").stdout.endswith(" 0 of them were otherwise\n")
    # Of a store without citizens there is nothing to fold.
    exchange.cluster.rows("DELETE FROM population.change; DELETE FROM population.citizen; "
                          "UPDATE population.state SET fold_version = 9")
    exchange.dongbo("init")
    assert exchange.cluster.value("SELECT fold_version FROM population.state") == 2


def test_a_migration_that_had_to_be_changed_is_the_one_that_was_applied(exchange):
    """It names the hash of what it was; of any other it is said that this is not the file."""
    changed = [(path, line.split()[2]) for path in sorted((ROOT / "schemas/exchange").glob("*.sql"))
               for line in path.read_text().splitlines() if line.startswith("-- was ")]
    assert changed
    for path, was in changed:
        exchange.cluster.rows("UPDATE exchange.migration SET sha256 = decode(%s, 'hex') WHERE name = %s", was,
                              path.name)
    exchange.dongbo("init")
    exchange.cluster.rows("UPDATE exchange.migration SET sha256 = sha256('x') WHERE name = %s", changed[0][0].name)
    done = exchange.dongbo("init", check=False)
    assert done.returncode == 2 and f"{changed[0][0].name} is not the file that was applied" in done.stderr
