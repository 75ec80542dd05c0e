# SPDX-License-Identifier: Apache-2.0
"""Persons whom a subscription follows, on a list that its subscriber keeps: their records come and go with the list,
nobody else's do, and the log read again gives the same."""
import json

import pytest

import wire
from conftest import BUILD
from test_population_events import Centre, body_of, dose, number

FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"
UPSERT, DELETE, ENTERED, LEFT = range(1, 5)
FOLLOW_LIMIT, NOT_ALLOWED, BAD_FRAME, UNKNOWN_SUBSCRIPTION = 14, 4, 1, 5
NOBODY = "001099999999"


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    exchange.committee("hanoi", "health", FIELDS, "--followed-only", "--province", "01")
    exchange.committee("all", "health", FIELDS)
    yield made
    made.close()


def wait_carried_out(exchange):
    exchange.wait_until("SELECT count(*) FROM exchange.follow_request", 0)


def head_of(exchange):
    return exchange.cluster.value("SELECT last_position FROM exchange.head")


def change(exchange, name, **fields):
    """Changes a list, and waits until that holds."""
    with wire.subscriber(exchange, name) as peer:
        answer = peer.follow(**fields)
    wait_carried_out(exchange)
    return list(answer.not_covered)


def read(exchange, name):
    """The whole feed from its start."""
    with wire.subscriber(exchange, name) as peer:
        peer.hello(from_start=True)
        peer.take_all(head_of(exchange))
        return peer.records


def told(records):
    return [(record.change, record.citizen_number, *body_of(record)) for record in records]


def test_records_come_and_go_with_the_list(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    assert read(exchange, "fund") == []
    assert change(exchange, "fund", add=[number(1), NOBODY]) == [NOBODY]
    assert told(read(exchange, "fund")) == [(ENTERED, number(1), 1, "L1")], "what was there comes whole"
    moh.publish([dose(number(of), 2, "L2", 20) for of in (1, 2)])
    assert change(exchange, "fund", remove=[number(1), NOBODY, number(2)]) == []
    moh.publish([dose(number(1), 3, "L3", 30)])
    records = read(exchange, "fund")
    assert told(records) == [(ENTERED, number(1), 1, "L1"), (UPSERT, number(1), 2, "L2"),
                             (LEFT, number(1), 0, ""), (LEFT, number(1), 0, "")]
    assert {record.record_id for record in records[2:]} == {record.record_id for record in records[:2]}
    assert records[0].agency == "MOH" and records[0].event_time_us
    assert len(read(exchange, "all")) == 5, "nobody else is told"


# ---- the command -----------------------------------------------------------------------------------------------------

def agent(exchange, name, *words, given=None, code=0):
    """`dongbo-agent follow`: what it prints, a line each."""
    file = exchange.directory / "numbers"
    if given is not None:
        file.write_text("".join(f"{line}\n" for line in given))
        words = (*words, file)
    done = exchange.run(BUILD / "agents/dongbo-agent", "follow", "--config", exchange.receivers[name].config, *words)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.splitlines()


def test_the_command_keeps_a_list(centre):
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of), residence_province="01" if of % 2 else "79") for of in range(1, 6)])
    given = ["", number(1), f"  {number(2)} ", "12x", number(3), NOBODY, number(3), "1" * 300]
    lines = [json.loads(line) for line in agent(exchange, "hanoi", "--json", "add", given=given, code=1)]
    assert {line["line"]: line["code"] for line in lines[:-1]} == {
        3: "NOT_COVERED", 4: "NO_NUMBER", 6: "NOT_COVERED", 8: "NO_NUMBER"}
    assert [line["number"] for line in lines if line.get("line") == 3] == ["001*******00"], "numbers are masked"
    assert lines[-1]["taken"] == 3 and lines[-1]["not_covered"] == 2 and lines[-1]["no_number"] == 2
    wait_carried_out(exchange)
    assert agent(exchange, "hanoi", "add", given=[number(1), number(5)])[-1].startswith("2 numbers taken, 0 not")
    wait_carried_out(exchange)
    assert agent(exchange, "hanoi", "list", "--unmask") == [number(1), number(3), number(5), "3 numbers"]
    assert agent(exchange, "hanoi", "list")[0] == "001*******00"
    agent(exchange, "hanoi", "remove", given=[number(3), number(2)])
    assert agent(exchange, "hanoi", "list", "--unmask")[:-1] == [number(1), number(5)], "also before it is carried out"


def test_the_command_is_told_no(centre):
    exchange = centre.exchange
    done = exchange.run(BUILD / "agents/dongbo-agent", "follow", "--config", exchange.receivers["all"].config, "list")
    assert done.returncode == 1 and "keeps no list of persons" in done.stderr
    assert exchange.run(BUILD / "agents/dongbo-agent", "follow", "add").returncode == 2
    exchange.broker.kill()
    agent(exchange, "fund", "list", "--timeout", "1", code=3)
