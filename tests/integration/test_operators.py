# SPDX-License-Identifier: Apache-2.0
"""The dongbo command on an exchange that nothing was said to yet: set-up, policies, and what it says when refused."""
import json
import os
import pty
import re
import select
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT, open_database
from desk import Desk

HEADER = ("citizen_number,full_name,birth_date,sex,mother_name,father_name,residence_province,residence_province63,"
          "residence_commune,died_on\n")
ROW = "001090000001,Nguyễn Văn Đạt,1990-01-02,male,Trần Thị Hoà,Nguyễn Văn Bình,01,01,00001,\n"


@pytest.fixture
def desk(database, workdir):
    return Desk(database, workdir)


def add_agency(desk, code="MOH", *more):
    desk.ask("keys", "new", f"{code}.yaml")
    return desk.ask("agency", "add", code, "--name", "Bộ Y tế", "--domain", "health,education", "--key",
                    f"{code}.yaml.pub", *more)


def subscription(**changed):
    words = {"subscriber": "Sở Y tế Hà Nội", "legal-basis": "Nghị định 47/2020/NĐ-CP", "valid-from": "2022-01-01",
             "valid-to": "2030-12-31", "domain": "health", "field": "citizen_number,health.status",
             "key": "hn.yaml.pub"} | changed
    return [part for name, value in words.items() if value is not None for part in (f"--{name}", value)]


def statement(file, name):
    """A statement's SQL, from the source that sends it."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return "".join(re.findall(r'"([^"\n]*)"', text[text.index(f'"{name}",') + len(name) + 3:].split(";")[0]))


# ---- init

def test_init_says_what_it_did_and_twice_does_no_harm(empty_database, workdir):
    desk = Desk(empty_database, workdir)
    first = desk.ask("init")
    assert "exchange: applied 0001_exchange.sql" in first and "population: applied 0002_apply_changes.sql" in first
    rows = empty_database.rows("SELECT number, name FROM exchange.migration ORDER BY number")
    again = desk.ask("init")
    assert "applied" not in again and "nothing to do" in again
    assert empty_database.rows("SELECT number, name FROM exchange.migration ORDER BY number") == rows


def test_what_is_in_question_about_a_person_is_found_by_indexes(database):
    sql = statement("operators/dossier.c", "dossier_exceptions")
    for place, value in (("$1", "'{001090000001}'"), ("$2", "7"), ("$3", "9223372036854775807")):
        sql = sql.replace(place, value)
    database.rows("""INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, verdict,
        open, citizen_number, person, reasons, event, leaf) SELECT n, decode(repeat('00', 16), 'hex'), n, 1, 1, 4, 4,
        true, n, n, '', '', decode(repeat('00', 32), 'hex') FROM generate_series(1, 20000) n""")
    database.rows("ANALYZE exchange.exception")
    plan = "\n".join(line for line, in database.rows("EXPLAIN " + sql))
    assert all(f"on exception_{index}" in plan for index in ("number", "person", "likely")), plan


def test_a_newer_database_is_refused(desk, database):
    database.rows("INSERT INTO exchange.migration VALUES (99, '0099_later.sql', sha256('x'))")
    assert "this program knows" in desk.refused(2, "init")
    assert "schema exchange is at migration 99, newer than this program" in desk.refused(2, "agency", "list")


def test_an_older_database_is_refused_until_init_has_run(desk, database):
    number = database.value("SELECT max(number) FROM population.migration")
    database.rows("DELETE FROM population.migration WHERE number = %s", number)
    said = desk.refused(2, "citizen", "001090000001")
    assert f"schema population is at migration {number - 1}, this program needs {number}: run dongbo init" in said


def test_a_database_that_is_not_set_up_and_a_wrong_role_are_told(empty_database, workdir):
    desk = Desk(empty_database, workdir)
    assert "is not set up (no schema exchange): run dongbo init" in desk.refused(2, "agency", "list")
    desk.ask("init")
    desk.configure(operator="dongbo_population_reader")
    said = desk.refused(2, "agency", "list")
    assert "role dongbo_population_reader may not" in said and "user=dongbo_operator" in said


def test_a_broker_refuses_a_database_that_it_cannot_work_with(desk, database, workdir):
    def refused(says, exchange="dongbo_broker", reader="dongbo_population_reader", more=""):
        (workdir / "broker.yaml").write_text(
            f'publish: "ipc://{workdir}/p"\nsubscribe: "ipc://{workdir}/s"\nexchange: "{database.conninfo(exchange)}"\n'
            f'population: {{reader: "{database.conninfo(reader)}", '
            f'writer: "{database.conninfo("dongbo_population_writer")}"}}\n'
            f'keys: broker.keys\nschemas: "{ROOT}/schemas"\n{more}', encoding="utf-8")
        done = subprocess.run([BUILD / "broker/dongbo-broker", "--config", workdir / "broker.yaml"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and says in done.stderr, done.stderr
    desk.ask("keys", "new", "broker.keys")
    refused("user=dongbo_broker", exchange="dongbo_reader")
    refused("user=dongbo_population_reader", reader="dongbo_reader")
    refused("`not_found_after_days` is 0, should be 1 to", more="decide: {not_found_after_days: 0}\n")
    database.rows("INSERT INTO exchange.migration VALUES (99, '0099_later.sql', sha256('x'))")
    refused("newer than this program")
    database.rows("DROP SCHEMA exchange CASCADE")
    refused("run dongbo init")


def test_init_needs_utf8(shared_cluster, workdir):
    latin = "template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    with open_database(shared_cluster, of=latin) as database:
        assert "is encoded in LATIN1, and dongbo needs UTF8" in Desk(database, workdir).refused(2, "init")


def own_schemas(desk, workdir):
    schemas = workdir / "schemas"
    shutil.copytree(ROOT / "schemas", schemas)
    desk.configure(schemas=schemas)
    return schemas


def test_a_changed_migration_is_refused(desk, workdir):
    schemas = own_schemas(desk, workdir)
    with open(schemas / "exchange/0002_roles.sql", "a", encoding="utf-8") as file:
        file.write("-- an afterthought\n")
    assert "0002_roles.sql is not the file that was applied" in desk.refused(2, "init")


def test_a_new_migration_is_applied_and_a_broken_one_leaves_nothing(desk, database, workdir):
    schemas = own_schemas(desk, workdir)
    number = len(list((schemas / "exchange").glob("*.sql"))) + 1
    file = schemas / f"exchange/{number:04d}_later.sql"
    file.write_text("CREATE TABLE exchange.later (i integer);\n\nSELECT no_such_thing;\n", encoding="utf-8")
    assert f"exchange/{file.name}:3: column \"no_such_thing\" does not exist" in desk.refused(4, "init")
    assert database.value("SELECT to_regclass('exchange.later')") is None
    file.write_text("CREATE TABLE exchange.later AS SELECT pg_sleep(1) IS NULL AS i;\n", encoding="utf-8")
    assert f"exchange: applied {file.name} in " in desk.ask("init")


def test_schemas_of_an_older_version_are_told_from_none_to_apply(desk, workdir):
    schemas = own_schemas(desk, workdir)
    *_, before, last = sorted((schemas / "exchange").glob("*.sql"))
    last.unlink()
    said = desk.refused(2, "init")
    assert f"ends at {before.name}" in said and "older version" in said


def test_a_gap_in_the_migrations_is_refused(desk, workdir):
    schemas = own_schemas(desk, workdir)
    (schemas / "exchange/0001_exchange.sql").unlink()
    assert "the next migration is 0001_NAME.sql" in desk.refused(2, "init")


def test_init_needs_administrators(desk):
    text = desk.config.read_text(encoding="utf-8")
    desk.config.write_text("".join(line for line in text.splitlines(True) if "admin" not in line), encoding="utf-8")
    assert "admin:" in desk.refused(2, "init")


# ---- command lines and configuration

@pytest.mark.parametrize("words, says", [
    (["frobnicate"], 'there is no command "frobnicate"'),
    (["agency"], '"agency" wants one more word'),
    (["agency", "add"], "agency add needs CODE"),
    (["agency", "add", "moh"], '"moh" is no agency code'),
    (["status", "--colour"], "there is no option --colour"),
    (["log", "tail", "--verdict", "MAYBE"], '--verdict: "MAYBE" is none of'),
    (["log", "tail", "--domain", "sport"], '--domain: there is no domain "sport"'),
    (["log", "tail", "--agency", "XX"], '--agency: there is no agency "XX"'),
    (["log", "tail", "--since", "yesterday"], "neither a position nor a time"),
    (["log", "tail", "--since", "2022"], "may be a year or a position: say 2022-01-01, or +2022"),
    (["epoch", "new"], "epoch new needs --reason"),
    (["keys", "show", "nowhere.pub"], "nowhere.pub"),
    (["epoch", "new", "--reason", "a\nb"], "--reason is not UTF-8, or holds a control character"),
    (["citizen", "\udcff\udcfe"], "NUMBER|- is not UTF-8"),
])
def test_wrong_words_are_answered_with_what_to_do(desk, words, says):
    assert says in desk.refused(2, *words)


def test_an_option_before_the_command_wants_its_value(desk):
    done = subprocess.run([BUILD / "operators/dongbo", "--config"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--config needs FILE" in done.stderr


def test_a_full_disk_is_told(desk):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([BUILD / "operators/dongbo", "--config", desk.config, "status"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 4 and "standard output: No space left on device" in done.stderr


def test_a_tab_in_the_configuration_is_named_with_its_line(desk):
    desk.config.write_text(desk.config.read_text(encoding="utf-8") + "\tschemas: x\n", encoding="utf-8")
    assert "dongbo.yaml, line 6" in desk.refused(2, "status")


def test_a_wrong_key_in_the_configuration_is_named_with_its_line(desk):
    desk.config.write_text(desk.config.read_text(encoding="utf-8") + "exchnage: x\n", encoding="utf-8")
    said = desk.refused(2, "status")
    assert "exchnage" in said and "6" in said


def test_no_configuration(desk):
    desk.config = desk.directory / "missing.yaml"
    assert "missing.yaml" in desk.refused(2, "status")


def test_an_unreachable_database_is_exit_code_3(desk):
    desk.config.write_text(desk.config.read_text(encoding="utf-8").replace("dbname=test", "dbname=other"),
                           encoding="utf-8")
    assert "exchange" in desk.refused(3, "status")


def test_help_lists_every_command(desk):
    shown = desk.ask("help")
    for words in ("init", "population load", "agency add", "subscription add", "citizen", "log tail", "report"):
        assert f"  {words} " in shown
    assert "subscription" not in desk.ask("help", "agency")


# ---- population load

def test_load_inserts_and_loading_again_changes_nothing(desk, database):
    (desk.directory / "p.csv").write_text(HEADER + ROW, encoding="utf-8")
    assert desk.ask("population", "load", "p.csv") == "1 citizens inserted, 0 known already\n"
    assert database.value("SELECT name_folded FROM population.citizen") == "nguyen van dat"
    assert database.rows("SELECT position, citizen_number FROM population.change") == [(1, "001090000001")]
    assert desk.ask("population", "load", "p.csv") == "0 citizens inserted, 1 known already\n"
    assert database.value("SELECT position FROM population.state") == 1


def test_load_gathers_statistics_and_status_counts_at_once(desk, database):
    def citizens():
        return json.loads(desk.ask("status", "--json"))["population"]["citizens_about"]

    long_name = "Nguyễn " + "x" * 900
    rows = "".join(ROW.replace("001090000001", f"001090{n:06}").replace("Nguyễn Văn Đạt", long_name)
                   for n in range(2000))
    assert citizens() == 0
    desk.ask("population", "load", "-", given=HEADER + rows)
    assert database.value("SELECT count(*) FROM pg_index WHERE indisvalid AND "
                          "indexrelid::regclass::text LIKE 'population.citizen_key%%'") == 8
    assert database.value("SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename LIKE 'citizen_key%%'") == 8
    assert database.value("SELECT reltuples FROM pg_class WHERE oid = 'population.citizen'::regclass") == 2000
    assert citizens() == 2000
    assert ", 2000 citizens" in desk.ask("status")
    # How common names are was counted by the load, and is said to be old when 2 in 100 have changed.
    assert "model       1, counted on" in desk.ask("status") and "changed since" not in desk.ask("status")
    for position, stale in ((2, False), (3, True)):
        database.rows("INSERT INTO population.change (position, person, citizen_number) "
                      "SELECT %s, person, citizen_number FROM population.citizen LIMIT %s", position, 44 - 2 * position)
        assert json.loads(desk.ask("status", "--json"))["population"]["model"]["stale"] is stale
    assert "run dongbo population model" in desk.ask("status")
    database.rows("UPDATE population.state SET position = 3")
    assert desk.ask("population", "model") == "model 2\n"
    assert "model       2, counted on" in desk.ask("status") and "changed since" not in desk.ask("status")
    # Beyond what is counted: estimated, and said so; or not known.
    database.rows("ALTER TABLE population.citizen SET (autovacuum_enabled = false)")  # it sees half
    database.rows("INSERT INTO population.citizen (citizen_number, full_name, name_folded, birth_date, sex) "
                  "SELECT n::text, full_name, name_folded, '', '' "
                  "FROM (SELECT * FROM population.citizen LIMIT 1) c, generate_series(1, 60000) n")
    assert 50000 < citizens() < 75000
    assert ", about " in desk.ask("status")
    database.rows("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'population.citizen'::regclass")
    assert citizens() is None
    assert "an unknown number of citizens" in desk.ask("status")


def test_load_needs_no_statistics(desk, database):
    """The store may be older than this program: the rows count."""
    database.rows("DROP FUNCTION population.analyse()")
    done = desk.run("population", "load", "-", given=HEADER + ROW)
    assert done.returncode == 0 and done.stdout.startswith("1 citizens inserted")
    assert "dongbo init" in done.stderr


def test_load_leaves_those_known_as_they_are_and_says_so(desk, database):
    desk.ask("population", "load", "-", given=HEADER + ROW)
    said = desk.ask("population", "load", "-", given=HEADER + ROW.replace("1990-01-02", "1990-01-03"))
    assert "1 known already, of whom 1 differ" in said
    assert database.value("SELECT birth_date FROM population.citizen") == "1990-01-02"
    done = desk.run("population", "load", "-", given=HEADER + ROW + ROW.replace("Đạt", "Đạo"))
    assert done.returncode == 0 and "-: row 3 (001*******01) differs from what is held\n" in done.stderr
    assert "row 2" not in done.stderr and "1 differ" in done.stdout


def test_load_takes_columns_in_any_order_and_quotes(desk, database):
    desk.ask("population", "load", "-", given='full_name,citizen_number,birth_date,sex,mother_name,father_name,'
             'residence_province,residence_province63,residence_commune,died_on\n"An, Lê",001190000001,1990,female,'
             ',,,,,2020-01-01\n')
    assert database.value("SELECT full_name FROM population.citizen") == "An, Lê"


@pytest.mark.parametrize("change, says", [
    (("001090000001", "00109000001"), "row 2: citizen_number is not 12 digits"),
    (("Nguyễn Văn Đạt", ""), "row 2: full_name is empty"),
    (("1990-01-02", "1990-02-30"), "row 2: birth_date is not a date"),
    ((",male,", ",m,"), "row 2: sex is none of"),
    ((",01,01,", ",99,01,"), "row 2: residence_province is none of the 34 codes"),
    ((",01,01,", ",01,99,"), "row 2: residence_province63 is none of the 63 codes"),
    ((",00001,", ",00001,1989-01-01"), "row 2: died_on is before birth_date"),
    ((",00001,", ",00001,2999-01-01"), "row 2: died_on is in the future"),
    (("1990-01-02", "2999-01-02"), "row 2: birth_date is in the future (001*******01)"),
    (("1990-01-02", "1991-01-02"), "row 2: citizen_number was made for another birth year (001*******01)"),
    ((",male,", ",female,"), "row 2: citizen_number was made for the other sex (001*******01)"),
    ((",00001,", ",00001"), "row 2: "),
])
def test_a_wrong_row_is_named_without_its_values_and_nothing_is_loaded(desk, database, change, says):
    good = ROW.replace("0001,", "0002,")
    done = desk.run("population", "load", "-", given=HEADER + ROW.replace(*change) + good)
    assert done.returncode == 1
    assert f"-: {says}" in done.stderr and "1 of 2 rows are wrong; nothing was loaded" in done.stderr
    assert "Nguyễn" not in done.stderr and "001090000001" not in done.stderr
    assert database.value("SELECT count(*) FROM population.citizen") == 0


@pytest.mark.parametrize("header, says", [
    (HEADER.replace("sex", "gender"), 'unknown column "gender"'),
    (HEADER.replace("sex", "full_name"), 'column "full_name" is there twice'),
    (HEADER.replace(",died_on", ""), f'column "died_on" is missing: there must be {HEADER.strip().replace(",", ", ")}'),
    ("", "no header row"),
    (HEADER.replace(",", ";"), 'its columns are separated by ";"'),
    (ROW, "is there a header row?"),
])
def test_a_wrong_header_is_named(desk, header, says):
    told = desk.refused(2, "population", "load", "-", given=header)
    assert says in told and "001090000001" not in told


# ---- agencies, subscriptions, epochs

def test_an_agency_comes_with_its_keys_and_a_position(desk, database):
    assert "may speak from position 1 on" in add_agency(desk, "MOH", "--province", "01", "--may-be-told",
                                                        "subject.birth_date")
    [agency] = json.loads(desk.ask("agency", "list", "--json"))
    assert agency["domains"] == ["health", "education"] and agency["provinces"] == ["01"]
    assert agency["may_be_told"] == ["subject.birth_date"] and agency["state"] == "active"
    assert agency["key_ids"][0] in desk.ask("keys", "show", "MOH.yaml.pub")
    assert sorted(row[0] for row in database.rows("SELECT purpose FROM exchange.key")) == ["curve", "ed25519"]
    assert database.rows("SELECT text, position FROM exchange.policy_change") == [("agency MOH added", 1)]


def test_refused_agencies_leave_nothing(desk, database):
    add_agency(desk)
    desk.ask("keys", "new", "other.yaml")
    add = ["agency", "add", "MOET", "--name", "x", "--domain", "education", "--key"]
    assert "agency MOH already" in desk.refused(2, "agency", "add", "MOH", *add[3:], "other.yaml.pub")
    assert "belongs to somebody already" in desk.refused(2, *add, "MOH.yaml.pub")
    for refused in ((*add, "other.yaml"), ("agency", "key", "add", "MOH", "other.yaml")):
        assert "holds secret keys, which nobody but their party may have" in desk.refused(2, *refused)
    assert '"sport" is no domain' in desk.refused(2, *add, "other.yaml.pub", "--domain", "sport")
    assert "provinces34" in desk.refused(2, *add, "other.yaml.pub", "--province", "99")
    assert "no field of a person" in desk.refused(2, *add, "other.yaml.pub", "--may-be-told", "birth_date")
    assert database.value("SELECT count(*) FROM exchange.agency") == 1
    assert database.value("SELECT count(*) FROM exchange.policy_change") == 1


def wait_told(listener, n):
    while len(listener.notifies) < n and select.select([listener], [], [], 10)[0]:
        listener.poll()
    assert len(listener.notifies) == n


def test_states_change_once_and_brokers_are_told(desk, database):
    add_agency(desk)
    listener = database.connect("dongbo_broker")
    try:
        listener.cursor().execute("LISTEN dongbo_policy")
        assert "is disabled from position 1 on" in desk.ask("agency", "disable", "MOH")
        wait_told(listener, 1)  # of one transaction, one
        assert "is disabled already" in desk.ask("agency", "disable", "MOH")
        assert "is active" in desk.ask("agency", "enable", "MOH")
        desk.ask("epoch", "new", "--reason", "restored from yesterday's backup")
        wait_told(listener, 3)
    finally:
        listener.close()
    assert "there is no agency XX" in desk.refused(1, "agency", "disable", "XX")


def test_a_key_file_that_is_waited_for_stops_nobody(desk, database):
    """Whoever holds the log's lock stops the exchange: everything that may wait comes before it."""
    os.mkfifo(desk.directory / "pipe.pub")
    command = [str(BUILD / "operators/dongbo"), "--config", str(desk.config), "agency", "add", "MOH", "--name", "x",
               "--domain", "health", "--key", str(desk.directory / "pipe.pub")]
    waiting = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        writer = os.open(desk.directory / "pipe.pub", os.O_WRONLY)  # opens when the command has come to its file
        assert database.value("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
                              "WHERE l.relation = 'exchange.lock_of_log'::regclass AND d.datname = %s",
                              database.name) == 0
        os.close(writer)
        assert waiting.wait(30) == 2
    finally:
        waiting.kill()
        waiting.wait()


def test_an_operator_who_stands_still_is_let_go_of(empty_database, workdir):
    desk = Desk(empty_database, workdir)
    desk.ask("init")
    for setting in ("idle_in_transaction_session_timeout", "lock_timeout"):
        assert empty_database.value(f"SELECT current_setting('{setting}')", user="dongbo_operator") == "30s"
    with empty_database.holding("SELECT exchange.lock_log()", "dongbo_operator"):
        desk.ask("keys", "new", "late.yaml")
        said = desk.refused(3, "agency", "add", "MOH", "--name", "x", "--domain", "health", "--key", "late.yaml.pub")
        assert "lock timeout" in said
    add_agency(desk)


@pytest.mark.parametrize("name, says", [("", "--name is empty"), ("  ", "--name is empty"),
                                        ("a\nb", "--name"), ("a\x1b[31m", "--name"), ("a" * 257, "256 at most")])
def test_an_agency_has_a_name_that_can_be_shown(desk, database, name, says):
    desk.ask("keys", "new", "k.yaml")
    said = desk.refused(2, "agency", "add", "MOH", "--name", name, "--domain", "health", "--key", "k.yaml.pub")
    assert says in said and "\x1b" not in said
    assert database.value("SELECT count(*) FROM exchange.agency") == 0


def test_names_from_before_do_not_reach_the_terminal(desk, database):
    add_agency(desk)
    database.rows("UPDATE exchange.agency SET name = %s", "a\nb\x1b[31m")
    shown = desk.ask("agency", "list")
    assert "a?b?[31m" in shown and "\x1b" not in shown


def test_keys_come_and_go(desk, database):
    add_agency(desk)
    desk.ask("keys", "new", "next.yaml")
    desk.ask("keys", "new", "third.yaml")
    assert "position 1 on" in desk.ask("agency", "key", "add", "MOH", "next.yaml.pub")
    assert "belongs to somebody already" in desk.refused(2, "agency", "key", "add", "MOH", "next.yaml.pub")
    assert "there is no agency XX" in desk.refused(1, "agency", "key", "add", "XX", "third.yaml.pub")
    revoke = ("agency", "key", "revoke", "MOH")
    because = ("--why", "a laptop was stolen")
    assert "has no key" in desk.refused(1, *revoke, "third.yaml.pub", *because)
    first, second = json.loads(desk.ask("agency", "key", "list", "--json"))
    assert (first["party"], first["state"], first["revoked"]) == ("MOH", "valid", None)
    assert f"key {first['key_id']} revoked" in desk.ask(*revoke, "MOH.yaml.pub", *because)
    assert "is revoked already" in desk.ask(*revoke, first["key_id"], *because)
    assert database.rows("SELECT purpose, count(*) FROM exchange.key WHERE revoked_at IS NULL GROUP BY 1 ORDER BY 1"
                         ) == [("curve", 1), ("ed25519", 1)]
    assert "it was the last one" in desk.ask(*revoke, second["key_id"], *because)
    assert [key["state"] for key in json.loads(desk.ask("agency", "key", "list", "--json"))] == ["revoked"] * 2
    assert "revoked" in desk.ask("agency", "key", "list")
    assert database.rows("SELECT text, why, changed_by FROM exchange.policy_change ORDER BY change")[1:] == [
        (f"agency MOH: key {second['key_id']} added", "a test", "dongbo_operator"),
        (f"agency MOH: key {first['key_id']} revoked", "a laptop was stolen", "dongbo_operator"),
        (f"agency MOH: key {second['key_id']} revoked", "a laptop was stolen", "dongbo_operator")]


def asked_on_a_terminal(desk, answer, *words):
    """What the command says on a terminal where this is typed, and its exit code."""
    main, other = pty.openpty()
    with subprocess.Popen([BUILD / "operators/dongbo", "--config", desk.config, *words], cwd=desk.directory,
                          stdin=other, stdout=subprocess.PIPE, stderr=other) as done:
        os.write(main, f"{answer}\n".encode())
        done.communicate(timeout=120)
    os.close(other)
    text = os.read(main, 65536).decode()
    os.close(main)
    return text, done.returncode


def test_what_an_operator_changes_has_a_reason(desk, database, monkeypatch):
    add_agency(desk)
    desk.ask("keys", "new", "hn.yaml")
    desk.ask("subscription", "add", "hn-health", *subscription())
    desk.ask("population", "load", "-", given=HEADER + ROW)
    (desk.directory / "rights.yaml").write_text(
        desk.ask("subscription", "show", "hn-health", "--yaml").replace("2030", "2031"), encoding="utf-8")
    monkeypatch.delenv("DONGBO_WHY")
    before = database.value("SELECT count(*) FROM exchange.policy_change")
    key = "MOH.yaml.pub"
    for words in (("agency", "add", "XX", "--name", "X", "--domain", "health"), ("agency", "disable", "MOH"),
                  ("agency", "enrol", "MOH"), ("agency", "key", "add", "MOH", key),
                  ("agency", "key", "retire", "MOH", key), ("agency", "key", "revoke", "MOH", key),
                  ("subscription", "change", "hn-health", "--province", "01"),
                  ("subscription", "apply", "rights.yaml"), ("citizen", "001090000001", "--unmask"),
                  ("disclosures", "--citizen", "001090000001", "--unmask"), ("log", "tail", "--unmask"),
                  ("subscription", "preview", "hn-health", "--unmask"), ("log", "export", "log", "--payloads"),
                  ("review", "show", "1", "--unmask"), ("review", "next", "--unmask"),
                  ("log", "prove", "--position", "1", "--with-event")):
        assert "say why" in desk.refused(2, *words), words
    assert "is empty" in desk.refused(2, "agency", "disable", "MOH", "--why", " ")
    assert database.value("SELECT count(*) FROM exchange.policy_change") == before
    desk.ask("subscription", "apply", "--dry-run", "rights.yaml")
    text, code = asked_on_a_terminal(desk, "moved to another ministry", "agency", "disable", "MOH")
    assert code == 0 and "Why?" in text, text
    text, code = asked_on_a_terminal(desk, "x" * 1001, "agency", "enable", "MOH")
    assert code == 2 and "bytes" in text, text
    monkeypatch.setenv("DONGBO_WHY", "ticket 12")
    desk.ask("agency", "enable", "MOH")
    assert database.rows("SELECT why FROM exchange.policy_change ORDER BY change")[before:] == [
        ("moved to another ministry",), ("ticket 12",)]


def test_one_key_of_two_is_retired(desk, database):
    add_agency(desk)
    desk.ask("keys", "new", "next.yaml")
    said = desk.ask("agency", "key", "add", "MOH", "next.yaml.pub", "--only", "signing")
    (first, second) = json.loads(desk.ask("agency", "key", "list", "--json"))
    assert (second["transport_id"], second["transport_state"]) == (None, None)
    assert f"signing key {second['key_id']} added" in said
    retire = ("agency", "key", "retire", "MOH", first["key_id"])
    assert "is over" in desk.refused(2, *retire, "--until", "2020-01-01")
    assert "is no time" in desk.refused(2, *retire, "--until", "soon")
    assert "neither" in desk.refused(2, *retire, "--only", "both")
    assert "holds until 2098-12-31T17:00:00Z" in desk.ask(*retire, "--only", "signing", "--until", "2099-01-01")
    first = json.loads(desk.ask("agency", "key", "list", "--json"))[0]
    assert (first["state"], first["transport_state"]) == ("retiring", "valid")
    assert first["until"] == "2098-12-31T17:00:00.000000Z"
    assert "does not hold longer" in desk.ask(*retire, "--only", "signing", "--until", "2099-02-01")
    assert "holds until" in desk.ask(*retire)
    assert database.value("SELECT bool_and(valid_to < now() + interval '8 days') FROM exchange.key "
                          "WHERE valid_to IS NOT NULL")
    assert "retiring" in desk.ask("agency", "key", "list")


def test_a_subscriptions_keys_come_and_go(desk, database):
    desk.ask("keys", "new", "hn.yaml")
    desk.ask("keys", "new", "next.yaml")
    desk.ask("subscription", "add", "hn-health", *subscription())
    desk.ask("subscription", "key", "add", "hn-health", "next.yaml.pub")
    desk.ask("subscription", "key", "revoke", "hn-health", "hn.yaml.pub", "--why", "lost")
    assert [(key["party"], key["state"]) for key in json.loads(desk.ask("subscription", "key", "list", "--json"))] == [
        ("hn-health", "revoked"), ("hn-health", "valid")]
    assert database.value("SELECT count(*) FROM exchange.key WHERE revoked_at IS NULL AND subscription = 1") == 2


@pytest.mark.parametrize("name, says", [("", "is empty"), ("n" * 64, "63 at most"), ("nl\nx", "control character")])
def test_a_subscriptions_name_is_one_that_a_receiver_can_say(desk, name, says):
    desk.ask("keys", "new", "hn.yaml")
    assert says in desk.refused(2, "subscription", "add", name, *subscription())


def test_a_subscription_names_fields_one_by_one(desk, database):
    desk.ask("keys", "new", "hn.yaml")
    desk.ask("subscription", "add", "hn-health", *subscription(field="citizen_number,health.*", province="01"))
    [one] = json.loads(desk.ask("subscription", "list", "--json"))
    assert one["fields"][:2] == ["citizen_number", "health.vaccine_group"] and len(one["fields"]) == 8
    assert (one["provinces"], one["lag_positions"], one["policy_version"]) == (["01"], 0, 1)
    assert database.rows("SELECT version, position FROM exchange.subscription_policy") == [(1, 1)]
    assert database.value("SELECT length(secret) FROM exchange.subscription") == 32
    desk.ask("subscription", "disable", "hn-health")
    assert json.loads(desk.ask("subscription", "list", "--json"))[0]["state"] == "disabled"


@pytest.mark.parametrize("changed, says", [
    ({"legal-basis": None}, "needs --subscriber, --legal-basis"),
    ({"legal-basis": ""}, "needs --subscriber, --legal-basis"),
    ({"valid-to": "2021-01-01"}, "--valid-to is before --valid-from"),
    ({"valid-to": "2030"}, "is no day"),
    ({"field": "education.status"}, "of a domain that --domain does not name"),
    ({"field": "health.colour"}, 'domain health has no field "colour"'),
    ({"field": "full_name"}, "neither citizen_number, person_id nor DOMAIN.FIELD"),
    ({"field": None}, "--field is needed"),
    ({"domain": None, "field": "citizen_number"}, "--domain is needed"),
    ({"domain": "health,residence"}, "no --field is of residence"),
    ({"field": "citizen_number"}, "no --field is of health"),
    ({"key": "nowhere.pub"}, "nowhere.pub"),
])
def test_a_wrong_subscription_is_refused(desk, database, changed, says):
    desk.ask("keys", "new", "hn.yaml")
    assert says in desk.refused(2, "subscription", "add", "hn-health", *subscription(**changed))
    assert database.value("SELECT count(*) FROM exchange.subscription") == 0


# ---- an empty log

def test_status_of_an_exchange_that_nothing_was_said_to(desk):
    status = json.loads(desk.ask("status", "--json"))
    assert (status["head"], status["events"], status["streams"]) == (0, 0, [])
    assert status["population"]["reachable"] is True and status["population"]["model"] is None
    desk.ask("epoch", "new", "--reason", "restored")
    assert json.loads(desk.ask("status", "--json"))["epoch_requests"] == 1
    assert "a new one was asked for" in desk.ask("status")


def test_status_answers_when_the_population_store_is_away(desk):
    text = desk.config.read_text(encoding="utf-8")
    desk.config.write_text(text.replace("dongbo_population_reader", "nobody_at_all"), encoding="utf-8")
    status = json.loads(desk.ask("status", "--json"))
    assert status["population"]["reachable"] is False
    assert "cannot be reached" in desk.ask("status")


def test_report_and_log_of_nothing(desk):
    report = json.loads(desk.ask("report", "--json"))
    assert report["events"] == 0 and report["e_id_accounts"] == {"total": 0, "by_province": []}
    assert report["vaccinations"]["by_verdict"] == {}
    assert desk.ask("log", "tail", "--json") == ""


def test_a_citizen_is_masked_unless_asked_for_and_that_is_noted(desk, database):
    desk.ask("population", "load", "-", given=HEADER + ROW.replace(",00001,", ",00001,2021-03-04"))
    shown = desk.ask("citizen", "-", given="\ufeff001090000001\n")
    assert "001*******01" in shown and "born 1990," in shown and "died 2021\n" in shown
    assert "001090000001" not in shown and "Nguyễn" not in shown
    person = json.loads(desk.ask("citizen", "001090000001", "--json"))["citizen"]
    assert (person["birth_date"], person["died_on"]) == ("1990", "2021")
    assert "no citizen number" in desk.refused(2, "citizen", "-", given="001\x01090000001\n")
    assert database.value("SELECT count(*) FROM exchange.unmasking") == 0
    shown = desk.ask("citizen", "001090000001", "--unmask", "--why", "a letter came in")
    assert "Nguyễn Văn Đạt, born 1990-01-02" in shown and "died 2021-03-04" in shown
    assert database.rows("SELECT what, citizen_masked, seen_by FROM exchange.unmasking") == [
        ("citizen", "001*******01", "dongbo_operator")]
    assert database.rows("SELECT text, why, changed_by FROM exchange.policy_change WHERE starts_with(text, 'unm')") == [
        ("unmasked: citizen 001*******01", "a letter came in", "dongbo_operator")]
    assert "nothing is held under this number" in desk.refused(1, "citizen", "001090000009")


def test_a_reader_gets_no_payload(desk, database):
    desk.configure(operator="dongbo_reader")
    assert desk.ask("log", "tail", "--json") == ""
    assert "may not read payloads" in desk.refused(2, "log", "tail", "--citizen", "001090000001")
    assert "may not read payloads" in desk.refused(2, "log", "tail", "--unmask")


def test_a_reader_sees_who_takes_part(desk):
    add_agency(desk)
    desk.configure(operator="dongbo_reader")
    assert "Bộ Y tế" in desk.ask("agency", "list") and "MOH" in desk.ask("agency", "key", "list")
    assert "may not read records" in desk.refused(2, "report")
    for words in (("list",), ("claim", 7), ("release", 7), ("stats",)):
        assert "should be a member of the role whose work this is" in desk.refused(2, "review", *words)


# ---- rules

def test_rules_are_checked_without_a_database(workdir):
    desk = Desk(None, workdir)
    domains = {one["domain"]: one for one in json.loads(desk.ask("rules", "check", "--json", ROOT / "schemas"))}
    assert len(domains) == 7 and "PERIOD_TOO_LONG" in domains["residence"]["reasons"]
    assert "AGE_TOO_LOW" in desk.ask("rules", "check", ROOT / "schemas")
    shutil.copytree(ROOT / "schemas", workdir / "schemas")
    file = workdir / "schemas/rules/e_id.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("AGE_TOO_LOW", "TOO_YOUNG"), encoding="utf-8")
    said = desk.refused(2, "rules", "check", "schemas")
    line = next(n for n, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if "TOO_YOUNG" in text)
    assert f"rules/e_id.yaml, line {line}" in said and "TOO_YOUNG" in said


@pytest.mark.parametrize("program", ["operators/dongbo", "broker/dongbo-broker", "agents/dongbo-agent"])
def test_each_program_says_its_version(program):
    done = subprocess.run([BUILD / program, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"{program.split('/')[1]} \d+\.\d+\.\d+\n", done.stdout) and not done.stderr
