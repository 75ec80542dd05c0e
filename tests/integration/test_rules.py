# SPDX-License-Identifier: Apache-2.0
"""Rules that are tried on past events before they are switched on: what would change is counted, nothing is changed."""
import json
import shutil

import wire
from conftest import ROOT
from people import citizens, dose, dose_body, subject

T = 1640995200000000  # 2022-01-01


def stay(n, days):
    return wire.event("MPS", f"stay-{n}", subject(n), event_time_us=T, residence={
        "kind": "short-stay", "start_date": "2021-12-01", "end_date": f"2021-12-{1 + days:02}", "province_code": "01"})


def other_rules(exchange, file, old, new):
    directory = exchange.directory / "tried"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "schemas", directory)
    path = directory / "rules" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return directory


def differences(exchange, rules, *words):
    said = json.loads(exchange.dongbo("rules", "try", "--json", rules, *words).stdout)
    return (said["events"], said["would_change"], sorted(
        (one["domain"], one["agency"], one["verdict"], one["reason"], one["would_be"], one["would_be_reason"],
         one["events"], one["example"]) for one in said["differences"]))


def test_what_other_rules_would_say_is_counted(exchange):
    exchange.load_population(citizens(40))
    exchange.agency("MPS", "residence", [])
    exchange.agency("MOH", "health", [])
    exchange.start_broker()
    with wire.publisher(exchange, "MPS") as mps, wire.publisher(exchange, "MOH") as moh:
        mps.hello()
        mps.publish([stay(n, 5 + n) for n in range(20)])  # 5 to 24 days
        moh.hello()
        moh.publish([dose(n) for n in range(10)] + [dose(30, body=dose_body(occurrence_date="2999-01-01"))])
    before = exchange.cluster.value("SELECT last_position FROM exchange.head")
    assert differences(exchange, ROOT / "schemas") == (31, 0, [])
    first = exchange.log("--domain", "residence")[0]["position"]
    shorter = other_rules(exchange, "residence.yaml", "days: 30", "days: 20")
    refused = ("residence", "MPS", "ACCEPTED", "", "REJECTED", "PERIOD_TOO_LONG", 5, first + 15)
    assert differences(exchange, shorter) == (31, 5, [refused])
    since = exchange.log("--domain", "health")[0]["position"]
    assert differences(exchange, shorter, "--since", since) == (11, 0, [])
    laxer = other_rules(exchange, "health.yaml",
                        "  - {kind: not-in-future, field: occurrence_date, reason: DATE_IN_FUTURE}\n", "")
    assert differences(exchange, laxer)[2] == [
        ("health", "MOH", "REJECTED", "DATE_IN_FUTURE", "ACCEPTED", "", 1, since + 10)]
    table = exchange.dongbo("rules", "try", laxer).stdout
    assert "31 events, 1 would be answered otherwise" in table and "REJECTED DATE_IN_FUTURE" in table
    assert exchange.cluster.value("SELECT last_position FROM exchange.head") == before


def test_rules_about_other_records_are_tried_on_what_was_held_then(exchange):
    exchange.load_population(citizens(10))
    exchange.agency("MOH", "health", [])
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        moh.publish([dose(1, 2, body=dose_body(2, occurrence_date="2021-09-20")), dose(2)])
        moh.publish([dose(1, 1), dose(2, 2, body=dose_body(2, occurrence_date="2021-12-20"))])  # too soon; as it should
        moh.publish([dose(3, 1), dose(3, 2, body=dose_body(2, occurrence_date="2021-09-16"))])  # in one batch
        moh.publish([dose(3, 1)])
    assert differences(exchange, ROOT / "schemas") == (7, 0, [])
    review = other_rules(exchange, "health.yaml", "days: 4,", "days: 4, verdict: review,")
    first = exchange.log("--domain", "health")[0]["position"]
    told = ("health", "MOH", "ACCEPTED", "DOSE_TOO_SOON", "MISMATCH", "DOSE_TOO_SOON", 2, first + 2)
    assert differences(exchange, review) == (7, 2, [told])
    longer = other_rules(exchange, "dose-intervals.tsv", "1528\t2\t21", "1528\t2\t121")
    assert differences(exchange, longer) == (7, 1, [
        ("health", "MOH", "ACCEPTED", "", "ACCEPTED", "DOSE_TOO_SOON", 1, first + 3)])


def test_rules_that_cannot_be_read_are_not_tried(exchange):
    broken = other_rules(exchange, "e_id.yaml", "AGE_TOO_LOW", "TOO_YOUNG")
    done = exchange.dongbo("rules", "try", broken, check=False)
    assert done.returncode == 2 and "e_id.yaml, line" in done.stderr
    assert differences(exchange, ROOT / "schemas") == (0, 0, [])
    done = exchange.dongbo("rules", "try", "--since", "yesterday", ROOT / "schemas", check=False)
    assert done.returncode == 2 and "neither a position nor a time" in done.stderr
    done = exchange.dongbo("rules", "try", "--since", "2022", ROOT / "schemas", check=False)
    assert done.returncode == 2 and "say 2022-01-01, or +2022" in done.stderr
