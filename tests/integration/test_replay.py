# SPDX-License-Identifier: Apache-2.0
"""Receiving from a time on: the place is found by halving, and nothing is left out by naming a time too late."""
import datetime
import random

import pytest

import people
import wire

FIELDS = "citizen_number,health.vaccine_group,health.dose_number"
BEGIN = 1772298000000000  # 2026-03-01T00:00:00+07:00
HOUR = 3600 * 1000000


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, 300, FIELDS) as peer:
        yield peer


def every_hour(exchange, health, n):
    """n segments of records, stored one hour after the other, the first one at BEGIN; their first positions."""
    first = [health.publish([people.dose(2 * i), people.dose(2 * i + 1)]).body.first_position for i in range(n)]
    exchange.cluster.rows(f"UPDATE exchange.segment SET stored_at_us = CASE WHEN first_position < {first[0]} "
                          f"THEN {BEGIN - HOUR} ELSE {BEGIN} + (first_position - {first[0]}) / 2 * {HOUR}::bigint END")
    return first


def test_a_time_is_found_by_halving(exchange, health):
    choose = random.Random(5)
    for n in range(40):
        health.publish([people.dose(n + i) for i in range(choose.randint(1, 30))])
    segments = [row[0] for row in exchange.cluster.rows("SELECT first_position FROM exchange.segment ORDER BY 1")]
    at = 0
    for first in segments:  # several at one time, too
        at += choose.choice([0, 0, 1, 5])
        exchange.cluster.rows("UPDATE exchange.segment SET stored_at_us = %s WHERE first_position = %s", at, first)
    wrong = exchange.cluster.rows(
        "SELECT us, exchange.position_before(us), brute FROM generate_series(-1, %s) us, LATERAL (SELECT coalesce("
        "max(last_position), 0) FROM exchange.segment WHERE stored_at_us < us) b (brute) "
        "WHERE exchange.position_before(us) <> brute", at + 2)
    assert wrong == []
    # What is gone is not taken for what never was.
    exchange.cluster.rows("DELETE FROM exchange.segment WHERE first_position < %s", segments[10])
    assert exchange.cluster.value("SELECT exchange.position_before(-1)") == segments[10] - 1


TIMES = [("2026-03-01", 0, "Vietnamese time: 2026-02-28T17:00:00Z"),
         ("2026-03-01T05:00", 5, "Vietnamese time: 2026-02-28T22:00:00Z"), ("2026-02-28T22:30:00Z", 6, None),
         ("2026-03-01T05:00:00+07:00", 5, None), ("2020-01-01T00:00Z", 0, None), ("2030-01-01T00:00Z", 12, None)]


def test_receives_what_was_stored_from_a_time_on(exchange, health):
    first = every_hour(exchange, health, 12)
    receiver = exchange.receivers["hn"]
    text = receiver.config.read_text()
    for number, (time, hours, said) in enumerate(TIMES):
        receiver.directory = exchange.directory / f"out-{number}"
        receiver.config.write_text(text.replace("received-hn", f"out-{number}"))
        done = exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", time))
        assert done.returncode == 0, done.stderr
        assert said in done.stderr if said else "Vietnamese time" not in done.stderr
        assert [record["position"] for record in receiver.records()] == [
            position + i for position in first[hours:] for i in (0, 1)], time
    # It goes on from there, as any sink.
    last = health.publish([people.dose(0, 2)]).body.last_position
    receiver.until_head()
    assert [record["position"] for record in receiver.records()] == [last]


def test_a_table_takes_a_time_again_but_never_leaves_anything_out(exchange, health, empty_database):
    receiver, conninfo = exchange.receivers["hn"], empty_database.conninfo()
    text = receiver.config.read_text()
    receiver.config.write_text(text[:text.index("sink:")] +
                               f'sink: {{kind: postgres, conninfo: "{conninfo}", schema: received}}\n')
    every_hour(exchange, health, 12)
    receiver.until_head()
    empty_database.rows("DELETE FROM received.health WHERE position %% 2 = 0")
    done = exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", "2026-03-01T06:00"))
    assert done.returncode == 0, done.stderr
    assert empty_database.value("SELECT count(*) FROM received.health") == 12 + 6
    health.publish([people.dose(n, 2) for n in range(10)])
    later = (datetime.datetime.now() + datetime.timedelta(days=2)).strftime("%Y-%m-%d")
    done = exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", later))
    assert done.returncode == 2 and "leave --from out" in done.stderr
    receiver.until_head()
    assert empty_database.value("SELECT count(*) FROM received.health") == 12 + 6 + 10


def test_what_is_no_time_is_refused(exchange, health):
    for words in ("2026-02-30", "2026-03-01T25:00", "yesterday-1"):
        done = exchange.run(*exchange.receivers["hn"].command("--from", words))
        assert done.returncode == 2 and "say it as 2026-03-01" in done.stderr
