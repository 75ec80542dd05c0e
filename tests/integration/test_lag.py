# SPDX-License-Identifier: Apache-2.0
"""How far subscriptions are behind, as `dongbo status` tells: in records of their own, in positions, in seconds."""
import json

import pytest

import people
import wire
from conftest import operators_config

FIELDS = "citizen_number,health.vaccine_group,health.dose_number"


@pytest.fixture
def health(exchange):
    exchange.load_population(people.citizens(300))
    exchange.agency("MOH", "health", [])
    for name in ("hn", "off"):
        exchange.committee(name, "health", FIELDS)
    exchange.committee("schools", "education", "education.status")
    exchange.prepare("subscription", "disable", "off")
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        yield peer


def status(exchange):
    return json.loads(exchange.dongbo("status", "--json").stdout)


def of(exchange, name):
    [one] = [one for one in status(exchange)["subscriptions"] if one["subscription"] == name]
    return one


def test_lag_in_records_positions_and_seconds(exchange, health):
    receiver = exchange.receivers["hn"]
    health.publish([people.dose(n) for n in range(100)])
    receiver.until_head()
    now = of(exchange, "hn")
    assert (now["lag_records"], now["lag_positions"], now["lag_seconds"], now["sessions"]) == (0, 0, 0, 0)
    assert now["acked"] == status(exchange)["head"] <= now["released"]
    # What was stored an hour ago waits for so long; what nothing is granted of does not count.
    health.publish([people.dose(n) for n in range(100, 130)])
    exchange.cluster.rows("UPDATE exchange.segment SET stored_at_us = stored_at_us - 3600000000 "
                          "WHERE last_position = (SELECT max(last_position) FROM exchange.segment)")
    health.publish([people.dose(n) for n in range(100, 130)])
    now, schools = of(exchange, "hn"), of(exchange, "schools")
    assert (now["lag_records"], now["lag_positions"]) == (30, 60) and 3600 <= now["lag_seconds"] < 3700
    assert schools["lag_records"] == schools["lag_seconds"] == 0 and schools["lag_positions"] > 100
    shown = exchange.dongbo("status").stdout
    assert "30 records" in shown and "0 records" in shown
    [listed] = [one for one in json.loads(exchange.dongbo("subscription", "list", "--json").stdout)
                if one["subscription"] == "hn"]
    assert (listed["lag_positions"], listed["sessions"]) == (60, 0) and 3600 <= listed["lag_seconds"] < 3700


def test_who_is_switched_off_stands_apart(exchange, health):
    now = status(exchange)
    assert [one["subscription"] for one in now["subscriptions"]] == ["hn", "schools"]
    assert [one["subscription"] for one in now["disabled_subscriptions"]] == ["off"]
    shown = exchange.dongbo("status").stdout
    assert shown.index("DISABLED") > shown.index("schools") and "off" in shown[shown.index("DISABLED"):]


def test_sessions_are_told_while_they_last(exchange, health):
    process = exchange.receivers["hn"].start()
    exchange.broker.wait_for(lambda: of(exchange, "hn")["sessions"] == 1, "the session")
    assert "connected" in exchange.dongbo("status").stdout
    assert process.stop() == 0
    exchange.broker.wait_for(lambda: of(exchange, "hn")["sessions"] == 0, "the session's end")
    # A broker that died says nothing more, and half a minute later is not believed.
    process = exchange.receivers["hn"].start()
    exchange.broker.wait_for(lambda: of(exchange, "hn")["sessions"] == 1, "the session")
    exchange.broker.kill()
    assert process.stop() == 0
    assert of(exchange, "hn")["sessions"] == 1
    exchange.cluster.rows("UPDATE exchange.subscription_position SET heard_at = heard_at - interval '31 seconds'")
    assert of(exchange, "hn")["sessions"] == 0


def test_who_may_not_read_payloads_is_told_positions(exchange, health):
    health.publish([people.dose(n) for n in range(50)])
    exchange.config.write_text(operators_config(exchange.cluster, operator="dongbo_reader"))
    now = of(exchange, "hn")
    assert now["lag_records"] is None and now["lag_positions"] >= 50
    assert f"{now['lag_positions']} positions" in exchange.dongbo("status").stdout


def test_a_receiver_at_another_broker_takes_over(exchange, health):
    """The first one is told so when its broker next speaks of it to the database."""
    exchange.start_second_broker()
    first, second = (wire.Subscriber(endpoint, wire.keys_of(exchange, "hn"),
                                     wire.keys_of(exchange, "broker").curve_public, "hn")
                     for endpoint in (exchange.subscribe, f"{exchange.subscribe}2"))
    with first, second:
        first.hello()
        head = health.publish([people.dose(n) for n in range(10)]).body.last_position
        first.take_all(head)
        second.hello()
        first.ack()
        assert "Another receiver" in first.expect_error("SESSION_REPLACED").text
        head = health.publish([people.dose(n) for n in range(10, 20)]).body.last_position
        second.take_all(head)
        assert [record.position for record in second.records][-1] == head
