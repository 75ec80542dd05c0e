# SPDX-License-Identifier: Apache-2.0
"""Policies as files: applying one is doing what it says and no more, twice is doing nothing, and what is shown is what
apply takes."""
import json
import re

import pytest

import conftest
from desk import Desk

POLICY = """\
name: hn-health
subscriber: Sở Y tế Hà Nội
legal_basis: "Nghị định 47/2020/NĐ-CP: điều 9 # khoản 2"
valid_from: 2022-01-01
valid_to: 2030-12-31
key: hn.yaml.pub
fields:
  person: [citizen_number, person_id]
  health: [vaccine_group, dose_number]
  education: [all]
provinces: [01, "79"]
changes: [upsert, delete]
agency: MOH
echo: yes
"""
VERSION = ("SELECT version, position, legal_basis, valid_to::text, domains, provinces, province_codes, fields, "
           "changes, agency, echo FROM exchange.subscription_policy ORDER BY version DESC LIMIT 1")


@pytest.fixture
def desk(database, workdir):
    made = Desk(database, workdir)
    made.ask("keys", "new", "hn.yaml")
    made.ask("keys", "new", "moh.yaml")
    made.ask("agency", "add", "MOH", "--name", "Bộ Y tế", "--domain", "health", "--key", "moh.yaml.pub")
    return made


def write(desk, text, name="hn.policy.yaml"):
    (desk.directory / name).write_text(text, encoding="utf-8")
    return name


def counts(database):
    return database.rows("SELECT (SELECT count(*) FROM exchange.subscription), "
                         "(SELECT count(*) FROM exchange.subscription_policy), "
                         "(SELECT count(*) FROM exchange.policy_change), (SELECT count(*) FROM exchange.key)")[0]


def test_applying_adds_and_twice_changes_nothing(desk, database):
    file = write(desk, POLICY)
    before = counts(database)
    dry = desk.ask("subscription", "apply", "--dry-run", file)
    assert dry.startswith("subscription hn-health would be added\n") and "+ person_id" in dry
    assert counts(database) == before
    done = desk.ask("subscription", "apply", file)
    assert done.splitlines()[1:] == dry.splitlines()[1:] and "its rights hold from position 1 on" in done
    fields = ["citizen_number", "person_id", "health.vaccine_group", "health.dose_number"]
    version, position, basis, valid_to, domains, provinces, codes, granted, *rest = database.rows(VERSION)[0]
    assert (version, position, valid_to, domains, provinces, codes) == (1, 1, "2030-12-31", [2, 3], ["01", "79"], 34)
    assert basis == "Nghị định 47/2020/NĐ-CP: điều 9 # khoản 2"
    assert granted[:4] == fields and len(granted) == 12 and rest == [[1, 2], 1, True]
    after = counts(database)
    for words in ((file,), ("--dry-run", file)):
        assert desk.ask("subscription", "apply", *words) == "subscription hn-health is as its file says\n"
    assert counts(database) == after
    # The order of words says nothing, nor does one that is said twice.
    write(desk, POLICY.replace("[vaccine_group, dose_number]", "[dose_number, vaccine_group, dose_number]"))
    assert "as its file says" in desk.ask("subscription", "apply", file)


def test_what_is_shown_is_what_apply_takes(desk, database):
    desk.ask("subscription", "apply", write(desk, POLICY))
    for words in ((), ("--yaml",)):
        shown = desk.ask("subscription", "show", "hn-health", *words)
        assert shown.startswith("# active; version 1") == (not words)
        assert "as its file says" in desk.ask("subscription", "apply", write(desk, shown, "shown.yaml"))
    told = json.loads(desk.ask("subscription", "show", "hn-health", "--json"))
    assert (told["name"], told["provinces"], told["province_codes"], told["changes"], told["agency"], told["echo"]) == (
        "hn-health", ["01", "79"], 34, ["upsert", "delete"], "MOH", True)
    # One that was added by options, in the other code set.
    desk.ask("keys", "new", "old.yaml")
    desk.ask("subscription", "add", "old", "--subscriber", "No", "--legal-basis", "- x: [y", "--valid-from",
             "2022-01-01", "--valid-to", "2022-12-31", "--domain", "health", "--field", "health.status",
             "--province63", "01,17", "--change", "left", "--agency", "MOH", "--key", "old.yaml.pub")
    shown = desk.ask("subscription", "show", "old", "--yaml")
    assert "provinces63" in shown and "key" not in shown
    assert "as its file says" in desk.ask("subscription", "apply", write(desk, shown, "old.policy.yaml"))
    assert database.rows(VERSION + " OFFSET 0")[0][0] == 1
    assert "no subscription other" in desk.refused(1, "subscription", "show", "other")


DIFFERENCES = [
    ("[vaccine_group, dose_number]", "[vaccine_group, status]", "fields:  - health.dose_number  + health.status"),
    ("2030-12-31", "2031-12-31", "valid_to: 2031-12-31, was 2030-12-31"),
    ('provinces: [01, "79"]', "provinces63: [17]", "provinces: 17 of the 63, was 01, 79 of the 34"),
    ('provinces: [01, "79"]\n', "", "provinces: all, was 01, 79 of the 34"),
    ("changes: [upsert, delete]", "changes: [upsert, left]", "changes:  - delete  + left"),
    ("echo: yes\n", "echo: yes\nfollowed_only: yes\n", "followed_only: yes, was no"),
    ("echo: yes\n", "echo: yes\norigin_proofs: events\n", "origin_proofs: events, was no"),
    ("agency: MOH\necho: yes\n", "", "agency: none, was MOH"),
    ("echo: yes", "echo: no", "echo: no, was yes"),
    ("Sở Y tế Hà Nội", "Ủy ban", "subscriber: Ủy ban, was Sở Y tế Hà Nội"),
]


def test_what_differs_is_said_and_is_a_version_of_its_own(desk, database):
    desk.ask("subscription", "apply", write(desk, POLICY))
    for was, now, told in DIFFERENCES:
        file = write(desk, POLICY.replace(was, now))
        before = counts(database)
        dry = desk.ask("subscription", "apply", "-n", file)
        assert told in dry and "would change" in dry and counts(database) == before
        done = desk.ask("subscription", "apply", file)
        rights = not told.startswith("subscriber")
        assert told in done and bool(re.search(r"version \d+ of its rights holds from position 1 on", done)) == rights
        subscriptions, policies, changes, keys = before
        assert counts(database) == (subscriptions, policies + rights, changes + 1, keys)
        assert database.value("SELECT text FROM exchange.policy_change ORDER BY change DESC LIMIT 1") == (
            f"subscription hn-health: version {policies + 1} of its rights" if rights else
            "subscription hn-health: its holder has another name")
        assert "as its file says" in desk.ask("subscription", "apply", file)
        desk.ask("subscription", "apply", write(desk, POLICY))


WRONG = [
    ("dose_number", "dose_numbr", 9, '"dose_numbr" is none of all, vaccine_group'),
    ("  health:", "  helth:", 9, 'no setting "helth" here'),
    ("person_id", "name", 8, '"name" is none of citizen_number, person_id'),
    ('01, "79"', '01, "02"', 11, '"02" is none of 01, '),
    ("provinces:", "provinces63: [01]\nprovinces:", 11, "name one code set only"),
    ("upsert", "insert", 12, '"insert" is none of upsert, delete, entered, left'),
    ("MOH", "MOX", 13, "there is no agency MOX"),
    ("agency: MOH\n", "", 13, "of which agency"),
    ("2030-12-31", "2021-12-31", 5, "valid_to is before valid_from"),
    ("2022-01-01", "2022-02-30", 4, '"2022-02-30" is no day'),
    ("2022-01-01", "2022-02-01x", 4, "is no day"),
    ("  health: [vaccine_group, dose_number]\n  education: [all]\n", "", 7, "no field of any domain"),
    ("Sở Y tế Hà Nội", "' '", 2, "subscriber is empty"),
    ("hn-health", "n" * 64, 1, "63 at most"),
    ("valid_to: 2030-12-31\n", "", 13, "valid_to"),
]


def test_a_wrong_file_is_refused_with_its_line(desk, database):
    before = counts(database)
    for was, now, line, says in WRONG:
        said = desk.refused(2, "subscription", "apply", write(desk, POLICY.replace(was, now)))
        assert f"line {line}:" in said or f"line {line}," in said, said
        assert says in said and "hn.policy.yaml" in said and counts(database) == before, said


def test_nothing_is_done_where_one_file_is_wrong(desk, database):
    before = counts(database)
    good, bad = write(desk, POLICY), write(desk, POLICY.replace("hn-health", "other").replace("MOH", "MOX"), "b.yaml")
    assert "b.yaml, line 13" in desk.refused(2, "subscription", "apply", good, bad)
    same = write(desk, POLICY, "c.yaml")
    assert "c.yaml, line 1: subscription hn-health is hn.policy.yaml's" in desk.refused(
        2, "subscription", "apply", good, same)
    keyless = write(desk, POLICY.replace("key: hn.yaml.pub\n", ""), "d.yaml")
    assert "d.yaml, line 1" in desk.refused(2, "subscription", "apply", keyless)
    assert counts(database) == before


def test_the_samples_apply(desk, database):
    (desk.directory / "policies").mkdir()
    (desk.directory / "keys").mkdir()
    names = []
    for path in sorted((conftest.ROOT / "deploy/sample/policies").glob("*.yaml")):
        names.append(write(desk, path.read_text(encoding="utf-8"), f"policies/{path.name}"))
        desk.ask("keys", "new", f"keys/{path.name}")
    assert len(names) == 2
    assert desk.ask("subscription", "apply", *names).count(" added; ") == 2
    assert desk.ask("subscription", "apply", *names).count("as its file says") == 2
    help_text = desk.ask("subscription", "apply", "--help")
    policy = "\n".join(line[2:] for line in help_text[help_text.index("  name:"):].splitlines()
                       if line.startswith("  "))
    desk.ask("keys", "new", "keys/help.yaml")
    text = policy.replace("hn-health", "help")
    assert " added; " in desk.ask("subscription", "apply", write(desk, text, "help.policy.yaml"))
    assert database.value("SELECT count(*) FROM exchange.subscription") == 3


def test_options_say_the_same(desk, database):
    desk.ask("subscription", "apply", write(desk, POLICY))
    change = ("subscription", "change", "hn-health")
    assert "version 2" in desk.ask(*change, "--change", "upsert,left", "--echo", "no", "--province63", "17")
    assert database.rows(VERSION)[0][5:7] + database.rows(VERSION)[0][8:] == (["17"], 63, [1, 4], 1, False)
    assert "version 3" in desk.ask(*change, "--agency", "none", "--province", "all", "--followed-only")
    shown = desk.ask("subscription", "show", "hn-health", "--yaml")
    assert "followed_only" in shown and "as its file says" in desk.ask("subscription", "apply", write(desk, shown))
    assert "--all-persons exclude" in desk.refused(2, *change, "--followed-only", "--all-persons")
    assert database.rows(VERSION)[0][5:7] + database.rows(VERSION)[0][8:] == ([], 34, [1, 4], None, False)
    assert "already" in desk.ask(*change, "--province", "all")
    assert "version 4" in desk.ask(*change, "--all-persons")
    assert "version 5" in desk.ask(*change, "--origin-proofs", "leaves")
    shown = desk.ask("subscription", "show", "hn-health", "--yaml")
    assert "origin_proofs: leaves" in shown
    assert "as its file says" in desk.ask("subscription", "apply", write(desk, shown))
    assert json.loads(desk.ask("subscription", "show", "hn-health", "--json"))["origin_proofs"] == "leaves"
    for says, words in [("of which agency", ("--echo", "yes")), ("none of upsert", ("--change", "insert")),
                        ("no, leaves or events", ("--origin-proofs", "yes")),
                        ("no agency MOX", ("--agency", "MOX")), ("provinces63.tsv", ("--province63", "03")),
                        ("one code set", ("--province", "01", "--province63", "01")),
                        ("person_id nor DOMAIN", ("--field", "name"))]:
        assert says in desk.refused(2, *change, *words)
    assert "version 6" in desk.ask(*change, "--field", "person_id,health.status", "--domain", "health")
    assert database.rows(VERSION)[0][7] == ["person_id", "health.status"]
