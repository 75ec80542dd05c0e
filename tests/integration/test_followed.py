# SPDX-License-Identifier: Apache-2.0
"""Persons whom a subscription follows, on a list that its subscriber keeps: their records come and go with the list,
nobody else's do, and the log read again gives the same."""
import json
import subprocess
import time

import pytest
import zmq

import wire
from conftest import BUILD
from test_population_events import Centre, body_of, dose, number

FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"
UPSERT, DELETE, ENTERED, LEFT = range(1, 5)
FOLLOW_LIMIT, FOLLOW_OLD, NOT_ALLOWED, BAD_FRAME, UNKNOWN_SUBSCRIPTION = 14, 16, 4, 1, 5
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


def test_what_was_recorded_elsewhere_is_not_told_when_nobody_follows_any_more(centre):
    """It had let go of all when they moved, and is not told of what came since."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    assert change(exchange, "hanoi", add=[number(1), number(2)]) == []
    npc.publish([centre.change("move", number(1), time=20, residence_province="79", residence_commune="26737")])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    moh.publish([dose(number(1), 2, "L2", 30)])
    before = told(read(exchange, "hanoi"))
    assert before == [(ENTERED, number(of), 1, "L1") for of in (1, 2)] + [(LEFT, number(1), 0, "")]
    change(exchange, "hanoi", remove=[number(1), number(2)])
    assert told(read(exchange, "hanoi")) == [*before, (LEFT, number(2), 0, "")]


def ask(exchange, name, *wishes):
    """Requests that are carried out in one work: numbers, and whether they are to be followed."""
    exchange.cluster.rows(
        "INSERT INTO exchange.follow_request (subscription, person, follow, number) "
        "SELECT (SELECT subscription FROM exchange.subscription WHERE name = %s), person, follow, number "
        "FROM unnest(%s::text[], %s::bool[]) AS w(number, follow) JOIN (SELECT citizen_number, person "
        "FROM population.citizen UNION ALL SELECT number, person FROM exchange.person_link) p(number, person) "
        "USING (number)", name, *map(list, zip(*wishes)))
    wait_carried_out(exchange)


@pytest.mark.parametrize("which", [0, 1], ids=["who stays", "both"])
def test_two_who_are_one_are_followed_once(centre, which):
    """Both asked for at once: as by who lists the one who stays while the one who went is gone over to them. Else a
    list stands still for ever, or loses them."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    goes, stays = number(1), number(2)
    npc.publish([centre.enter(goes), centre.enter(stays)])
    moh.publish([dose(stays, 1, "L1", 10)])
    if which == 0:
        change(exchange, "fund", add=[stays])
    npc.publish([centre.change("merged", goes, stays, time=20)])
    exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE moved", 1)
    ask(exchange, "fund", (goes, True), (stays, which == 1))
    assert exchange.cluster.value("SELECT count(*) FROM exchange.followed WHERE to_position IS NULL") == 1
    assert exchange.cluster.value("SELECT followed FROM exchange.follow_count") == 1
    changes = [record.change for record in read(exchange, "fund")]
    assert changes == [ENTERED] if which else changes == [ENTERED, LEFT, ENTERED]


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


def test_a_line_that_is_none_hides_no_other(centre):
    """A byte that ends a text amid a line, or behind it; another is too long."""
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of), residence_province="01") for of in range(1, 5)])
    given = [number(1), "001\0" "99", number(2), f"{number(2)}\0", number(3), "0" * 300, number(4)]
    lines = [json.loads(line) for line in agent(exchange, "hanoi", "--json", "add", given=given, code=1)]
    assert {line["line"]: line["code"] for line in lines[:-1]} == {2: "NO_NUMBER", 4: "NO_NUMBER", 6: "NO_NUMBER"}
    assert (lines[-1]["taken"], lines[-1]["no_number"]) == (4, 3)


def test_the_command_is_told_no(centre):
    exchange = centre.exchange
    done = exchange.run(BUILD / "agents/dongbo-agent", "follow", "--config", exchange.receivers["all"].config, "list")
    assert done.returncode == 1 and "keeps no list of persons" in done.stderr
    assert exchange.run(BUILD / "agents/dongbo-agent", "follow", "add").returncode == 2
    exchange.broker.kill()
    agent(exchange, "fund", "list", "--timeout", "1", code=3)


def test_a_change_that_comes_late_undoes_nothing(centre):
    """As over a connection that is over, by a broker that stood still, or kept by somebody and said again."""
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    with wire.subscriber(exchange, "fund") as peer, wire.subscriber(exchange, "fund") as other:
        peer.follow(add=[number(3)])
        turn, later = peer.follow(begin=True).turn, other.follow(begin=True).turn
        assert 0 < turn < later
        peer.follow(add=[number(1), number(2)], turn=turn, request=1)
        peer.follow(remove=[number(1)], turn=turn, request=2)
        assert "later change" in refused(other, FOLLOW_OLD, add=[number(1), number(2)], turn=turn, request=1)
        assert peer.follow(remove=[number(1)], turn=turn, request=2).request == 2, "it may come twice"
        assert "too old" in refused(other, FOLLOW_OLD, remove=[number(3)])
        assert peer.list() == [number(2), number(3)]
        other.follow(remove=[number(2)], turn=later, request=1)
        refused(peer, FOLLOW_OLD, add=[number(2)], turn=turn, request=3)
        refused(peer, FOLLOW_OLD, add=[number(2)], turn=2**62, request=3)
        assert peer.list() == [number(3)]
        peer.follow(add=[number(2)], turn=peer.follow(begin=True).turn)
        assert peer.list() == [number(2), number(3)]
    wait_carried_out(exchange)
    agent(exchange, "fund", "remove", given=[number(2)])
    assert agent(exchange, "fund", "list", "--unmask")[:-1] == [number(3)]


def test_the_command_says_again_what_somebody_else_has_come_before(centre):
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    process = subprocess.Popen([BUILD / "agents/dongbo-agent", "follow", "--config", exchange.receivers["fund"].config,
                                "add", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process, wire.subscriber(exchange, "fund") as other:
        process.stdin.write(f"{number(1)}\n" + f"{NOBODY}\n" * 3999)  # four requests, which are sent together
        process.stdin.flush()
        exchange.wait_until("SELECT coalesce(max(request), 0) FROM exchange.follow_asked", 4)
        turn = other.follow(begin=True).turn
        other.follow(remove=[number(1)], turn=turn)
        said, _ = process.communicate(f"{number(2)}\n")
        assert process.returncode == 1 and "2 numbers taken, 3999 not covered" in said
        assert other.list() == [number(2)]


def test_operators_see_how_many(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    change(exchange, "fund", add=[number(1), number(3)])
    assert exchange.dongbo("subscription", "followed", "fund", "--list").stdout.splitlines() == [
        "subscription fund follows 2 persons, 0 changes wait", *[
            f"001*******00  since position {exchange.cluster.value('SELECT min(from_position) FROM exchange.followed')}"
        ] * 2]
    counts, one, _ = map(json.loads, exchange.dongbo("subscription", "followed", "fund", "--list", "--json")
                         .stdout.splitlines())
    assert counts == {"subscription": "fund", "followed": 2, "waiting": 0, "followed_only": True}
    assert one["citizen"] == "001*******00"
    assert "not bound to them" in exchange.dongbo("subscription", "followed", "all").stdout
    assert exchange.dongbo("subscription", "followed", "nobody", check=False).returncode == 2
    # What it would receive of the log, and nobody else would.
    shown = {name: [json.loads(line) for line in exchange.dongbo("subscription", "preview", name, "--json")
                    .stdout.splitlines()] for name in ("fund", "hanoi", "all")}
    assert [line["change"] for line in shown["fund"]] == ["upsert", "entered"]
    assert shown["hanoi"] == [] and [line["change"] for line in shown["all"]] == ["upsert", "upsert"]
    kinds = [line["kind"] for line in exchange.log()]
    assert kinds.count("followed") == 1


# ---- limits ----------------------------------------------------------------------------------------------------------

def refused(peer, code, **fields):
    peer.say_follow(**fields)
    error = peer.expect(wire.ERROR)
    assert error.code == code and error.session == 0, repr(error)
    return error.text


def test_what_is_no_request(centre):
    exchange = centre.exchange
    with wire.subscriber(exchange, "fund") as peer:
        refused(peer, FOLLOW_LIMIT, add=[number(1)] * 1001)
        refused(peer, FOLLOW_LIMIT, add=["1" * 100] * 1000)
        refused(peer, BAD_FRAME, add=[number(1)], list=True)
        refused(peer, BAD_FRAME, after=number(1))
        refused(peer, BAD_FRAME, begin=True, add=[number(1)])
        refused(peer, BAD_FRAME, begin=True, list=True)
        refused(peer, BAD_FRAME, turn=2**63, add=[number(1)])
        peer.send(wire.FOLLOW, body=b"\xff", session=0)
        assert peer.expect(wire.ERROR).code == BAD_FRAME
        assert list(peer.follow(add=["", "x", "1" * 13, f"{number(1)}-"]).not_covered) == [
            "", "x", "1" * 13, f"{number(1)}-"]
        peer.hello()
        assert peer.follow(list=True).followed == 0, "a session is in nobody's way"
        peer.send(wire.FOLLOW, wire.Follow(list=True))
        assert peer.expect(wire.ERROR).code == BAD_FRAME, "of no session means of none"
    with wire.subscriber(exchange, "all") as peer:
        refused(peer, NOT_ALLOWED, list=True)
    with wire.subscriber(exchange, "fund") as peer:
        peer.follow(list=True)
        exchange.dongbo("subscription", "disable", "fund")
        exchange.wait_in_force()
        refused(peer, NOT_ALLOWED, list=True)
    agency = wire.Subscriber(exchange.subscribe, wire.keys_of(exchange, "moh"),
                             wire.keys_of(exchange, "broker").curve_public, "fund")
    with agency as peer:
        refused(peer, UNKNOWN_SUBSCRIPTION, list=True)


def test_a_list_is_bounded(centre):
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    change(exchange, "fund", add=[number(1)])
    exchange.cluster.rows("UPDATE exchange.follow_count SET followed = 1999999")
    with wire.subscriber(exchange, "fund") as peer:
        refused(peer, FOLLOW_LIMIT, add=[number(2), number(3)])
        assert peer.follow(add=[number(1)]).followed == 1999999, "who is on it already counts for nothing"
        assert peer.list() == [number(1)]
        assert peer.follow(add=[number(2)]).waiting == 1
        wait_carried_out(exchange)
        refused(peer, FOLLOW_LIMIT, add=[number(3)])
        peer.follow(remove=[number(1)])
        wait_carried_out(exchange)
        assert not peer.follow(add=[number(3)]).not_covered
        assert peer.list() == [number(2), number(3)]


def test_a_list_changes_so_often_a_day(centre):
    """Every change is an entry of the log: who follows and lets go without end is told to wait a day."""
    exchange, npc = centre.exchange, centre.peer()
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    with wire.subscriber(exchange, "fund") as peer:
        for _ in range(3):
            peer.follow(add=[number(1), number(2)])
            wait_carried_out(exchange)
            peer.follow(remove=[number(1), number(2)])
            wait_carried_out(exchange)
        counted = "SELECT changed FROM exchange.follow_asked"
        assert exchange.cluster.value(counted) == 12
        peer.follow(remove=[number(1)], add=[NOBODY])
        assert exchange.cluster.value(counted) == 12, "what changes nothing counts for nothing"
        exchange.cluster.rows("UPDATE exchange.follow_asked SET changed = 4000000 - 1")
        assert "tomorrow" in refused(peer, FOLLOW_LIMIT, add=[number(1), number(2)])
        peer.follow(add=[number(1)])
        wait_carried_out(exchange)
        refused(peer, FOLLOW_LIMIT, remove=[number(1)])
        assert peer.list() == [number(1)]
        with wire.subscriber(exchange, "hanoi") as other:
            other.follow(add=[number(3)])
        exchange.cluster.rows("UPDATE exchange.follow_asked SET changed_since = now() - interval '25 hours'")
        peer.follow(remove=[number(1)])
        wait_carried_out(exchange)
        assert peer.list() == []
        assert exchange.cluster.rows("SELECT changed FROM exchange.follow_asked WHERE changed_since > "
                                     "now() - interval '1 minute'") == [(1,)]


def test_large_records_hold_up_no_list(centre):
    """They are told in several works; who has too much of them is not followed, and the others are."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in range(1, 7)])
    moh.publish([dose(number(of), 1, f"L{of}", 10) for of in range(1, 7)])
    for of, mib in ((1, 2), (2, 3), (3, 33), (4, 2), (5, 7)):
        # In a field that nobody knows, number 2047, of four bytes' length.
        exchange.cluster.rows(
            "UPDATE exchange.record_version v SET record = v.record || decode('fa7f' || %s, 'hex')"
            " || decode(repeat('00', %s << 20), 'hex') FROM population.citizen c"
            " WHERE v.domain = 2 AND c.person = v.person AND c.citizen_number = %s", f"8080{0x80 | mib << 6 & 0x7f:02x}"
            f"{mib >> 1:02x}", mib, number(of))
    change(exchange, "fund", add=[number(of) for of in range(1, 7)])
    assert sorted(record.citizen_number for record in read(exchange, "fund")) == [
        number(of) for of in (1, 2, 4, 5, 6)]
    assert exchange.cluster.value("SELECT count(DISTINCT from_position) FROM exchange.followed") > 1
    assert exchange.broker.text().count("more than 8 MiB of them, and cannot be followed") == 1


def test_somebody_with_too_many_records_is_not_followed(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    copies = ("INSERT INTO exchange.record_version SELECT person, domain, record_key || i, position, superseded, "
              "record FROM exchange.record_version, generate_series(1, %s) i WHERE domain = 2 AND person = %s")
    one, other = (exchange.cluster.value("SELECT person FROM population.citizen WHERE citizen_number = %s", number(of))
                  for of in (1, 2))
    exchange.cluster.rows(copies, 4095, one)
    exchange.cluster.rows(copies, 4096, other)
    change(exchange, "fund", add=[number(1), number(2)])
    assert len(read(exchange, "fund")) == 4096
    assert exchange.cluster.rows("SELECT person FROM exchange.followed") == [(one,)]
    assert "more than 4096 records" in exchange.broker.text()
    change(exchange, "fund", remove=[number(1)])
    assert [record.change for record in read(exchange, "fund")] == [ENTERED] * 4096 + [LEFT] * 4096


def test_a_million_requests_are_nobody_elses_affair(watched_size, centre):
    """One who never waits for an answer, and asks for ever the same: it is told so, and a feed beside it goes on."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in range(100)])
    flood = wire.frame(wire.FOLLOW, wire.Follow(add=[number(of) for of in range(100)]).SerializeToString())
    with wire.subscriber(exchange, "fund") as hostile, wire.subscriber(exchange, "all") as other:
        other.hello()
        other.take_all(head_of(exchange))
        told, slowest, lot = 0, 0, 0
        other.credit(1 << 20)
        before = exchange.broker.rss_kib()
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            for _ in range(2000):
                try:
                    hostile.socket.send(flood, zmq.NOBLOCK)
                except zmq.Again:
                    break
            lot, since = lot + 1, time.monotonic()
            moh.publish([dose(number(1), 1, f"L{lot}", 10 + lot)])
            while other.take().type != wire.RECORDS:
                pass
            slowest = max(slowest, time.monotonic() - since)
            while hostile.socket.poll(0):
                answer = wire.Received(hostile.socket.recv())
                told += answer.type == wire.ERROR and answer.code == FOLLOW_LIMIT
        assert told > 100
        assert slowest < 2, "others wait"
        grown = exchange.broker.rss_kib() - before
        assert grown < 32 << 10, f"the broker grew by {grown} KiB"
    wait_carried_out(exchange)
    assert exchange.cluster.value("SELECT count(*) FROM exchange.followed WHERE to_position IS NULL") == 100


# ---- a broker's end --------------------------------------------------------------------------------------------------

PERSONS = 6000


def test_a_list_survives_its_brokers(exchange):
    """Killed in the middle of a list that is sent, and of carrying it out; told once, whoever goes on."""
    exchange.cluster.rows(
        "INSERT INTO population.citizen (citizen_number, full_name, birth_date, sex, residence_province) "
        "SELECT '001099' || lpad(i::text, 6, '0'), 'Nguyễn Văn An', '1999-01-02', 'male', '01' "
        "FROM generate_series(0, %s) i", PERSONS - 1)
    centre = Centre(exchange)
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    moh = centre.peer("MOH")
    moh.publish([dose(f"001099{of:06d}", 1, "L1", 10) for of in range(0, PERSONS, 20)])
    path = exchange.directory / "persons"
    path.write_text("".join(f"001099{of:06d}\n" for of in range(PERSONS)))
    asking = exchange.start([BUILD / "agents/dongbo-agent", "follow", "--config", exchange.receivers["fund"].config,
                             "add", path], exchange.directory / "follow.log")
    for waited_for in ("exchange.follow_request", "exchange.followed"):
        exchange.wait_until(f"SELECT count(*) > 0 FROM {waited_for}", True)
        exchange.broker.kill()
        exchange.start_broker()
    asking.wait_for(lambda: not asking.running(), "the list is sent")
    assert asking.popen.returncode == 0 and f"{PERSONS} numbers taken" in asking.text()
    wait_carried_out(exchange)
    assert exchange.cluster.rows("SELECT count(*), count(DISTINCT person), count(to_position) "
                                 "FROM exchange.followed") == [(PERSONS, PERSONS, 0)]
    assert exchange.cluster.rows("SELECT c.followed, a.asked - c.done FROM exchange.follow_count c, "
                                 "exchange.follow_asked a") == [(PERSONS, 0)]
    records = read(exchange, "fund")
    assert [record.change for record in records] == [ENTERED] * (PERSONS // 20)
    assert len({record.record_id for record in records}) == PERSONS // 20
    assert agent(exchange, "fund", "list", "--unmask")[:-1] == path.read_text().split()
    centre.close()
