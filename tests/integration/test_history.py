# SPDX-License-Identifier: Apache-2.0
"""What did we hold on that date, and what was true on that date: `dongbo citizen --known-at --as-of`, over events that
came late, were corrected and were withdrawn."""
import datetime
import json

import pytest
from conftest import open_site
from people import citizen, citizens, dose, dose_body
import wire


def at(day, hour=9):
    """That hour of that day in Hà Nội, as microseconds."""
    moment = datetime.datetime.fromisoformat(f"{day}T{hour:02}:00:00+07:00")
    return int(moment.timestamp()) * 1_000_000


def said(n, day, lot=None, hour=9, **more):
    body = dose_body(1, **({"lot_number": lot} if lot else {}))
    return dose(n, key=f"row-{n}-{day}-{hour}-{lot}", body=body, event_time_us=at(day, hour), **more)


@pytest.fixture(scope="module")
def run(template):
    """Of citizen 0: a lot, another one on a later day, what was held in between (late), and a correction of it. Of
    citizen 1: a dose that is withdrawn. `moments` has the log's time after each step."""
    with open_site(template) as exchange:
        exchange.load_population(citizens(5))
        exchange.agency("MOH", "health", ["vaccinations"])
        exchange.start_broker()
        exchange.moments = []
        with wire.publisher(exchange, "MOH") as moh:
            moh.hello()
            for events in ([said(0, "2021-03-01", "L1"), said(1, "2021-03-01", "L1")], [said(0, "2021-09-01", "L3")],
                           [said(0, "2021-06-01", "L2")], [said(0, "2021-07-01", "L2b", operation=3)],
                           [said(1, "2021-10-01", operation=2)]):
                assert set(moh.publish(events).verdicts().values()) <= {"ACCEPTED", "SUPERSEDED"}
                exchange.moments.append(json.loads(exchange.dongbo("log", "tail", "--json", "-n", 1).stdout)["time"])
        yield exchange


def ask(run, n, *words):
    shown = run.dongbo("citizen", "--json", citizen(n)["citizen_number"], *words).stdout
    assert citizen(n)["citizen_number"] not in shown and citizen(n)["full_name"] not in shown
    return json.loads(shown)


def lot(run, n, *words):
    """The lot's value and marks, of the one record there is; None where there is none."""
    records = ask(run, n, *words)["records"]
    if not records:
        return None
    [field] = [field for field in records[0]["fields"] if field["field"] == "lot_number"]
    return field["value"], field.get("since"), field.get("since_value")


@pytest.mark.parametrize("as_of, known, expected", [
    ("2021-02-28", 0, None),
    ("2021-03-01", 0, ("L1", None, None)),
    ("2021-02-28T20:00:00Z", 0, None),                        # before nine o'clock in Hà Nội
    ("2021-05-31", 1, ("L1", None, None)),
    ("2021-06-01", 1, ("L1", "corrected", "L2b")),            # what came to be known later of that day
    ("2021-06-01", 2, ("L2", "corrected", "L2b")),
    ("2021-06-01", 3, ("L2b", None, None)),                   # the correction reaches back to what it corrects
    ("2021-05-31", 3, ("L1", None, None)),                    # ... and no further
    ("2021-09-01", 3, ("L3", None, None)),
])
def test_what_was_true_as_far_as_was_known(run, as_of, known, expected):
    assert lot(run, 0, "--as-of", as_of, "--known-at", run.moments[known]) == expected


def test_what_was_held(run):
    assert [lot(run, 0, "--known-at", moment) for moment in run.moments] == [
        ("L1", "otherwise", "L3"), ("L3", None, None), ("L3", None, None), ("L3", None, None), ("L3", None, None)]
    assert ask(run, 0, "--known-at", "2021-12-31")["records"] == []
    assert lot(run, 0) == ("L3", None, None)
    assert lot(run, 0, "--as-of", "2021-06-15") == ("L2b", None, None)


def test_a_withdrawn_record_never_was_once_that_is_known(run):
    [record] = ask(run, 1, "--as-of", "2021-05-01", "--known-at", run.moments[0])["records"]
    assert not record["withdrawn"] and {field["since"] for field in record["fields"]} == {"withdrawn"}
    [record] = ask(run, 1, "--as-of", "2021-05-01")["records"]
    assert record["withdrawn"] and {field["nature"] for field in record["fields"]} == {"retraction"}
    assert ask(run, 1, "--as-of", "2021-02-01")["records"] == []


def test_people_read_the_same(run):
    number = citizen(0)["citizen_number"]
    shown = run.dongbo("citizen", number, "--as-of", "2021-06-10", "--known-at", run.moments[2]).stdout
    assert "as of    2021-06-10T16:59:59Z" in shown and "known at 202" in shown and "(so the population store" in shown
    assert "\n    lot_number           L2 " in shown and "[corrected since: L2b]" in shown
    shown = run.dongbo("citizen", number, "--as-of", "2021-06-10").stdout
    assert "(correction)" in shown and "corrected since" not in shown
    held = run.dongbo("citizen", citizen(1)["citizen_number"], "--known-at", run.moments[3]).stdout
    assert "(since then withdrawn as a whole)" in held


@pytest.mark.parametrize("words", [("--as-of", "yesterday"), ("--known-at", "2021-02-30"), ("--as-of", "2021")])
def test_what_is_no_time_is_refused(run, words):
    done = run.dongbo("citizen", citizen(0)["citizen_number"], *words, check=False)
    assert done.returncode == 2 and "is no time" in done.stderr
