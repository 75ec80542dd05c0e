# SPDX-License-Identifier: Apache-2.0
"""Who received what about whom: all that a receiver really got is told, by the rights that held, whether it was
acknowledged or not, and nothing that cannot have left."""
import json
import os

import pytest

import logbook
import wire
from test_population_events import Centre, dose, number
from test_provinces import PERSONS, Life

FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    yield made
    made.close()


def disclosures(exchange, citizen, *words, given=None):
    done = exchange.dongbo("disclosures", "--citizen", citizen, "--json", *words)
    return json.loads(done.stdout)


def told(exchange, citizen):
    """By subscription: (position, domain, change, fields, delivery, version) of each record."""
    return {one["subscription"]: [(record["position"], record["domain"], record["change"], tuple(record["fields"]),
                                   record["delivery"], policy["version"])
                                  for policy in one["policies"] for record in policy["records"]]
            for one in disclosures(exchange, citizen)["subscriptions"]}


def head_of(exchange):
    return exchange.cluster.value("SELECT last_position FROM exchange.head")


def read_silently(exchange, name, credit=1 << 20, **hello):
    """What comes to a subscriber that never acknowledges any of it."""
    with wire.subscriber(exchange, name) as peer:
        peer.hello(**hello)
        peer.credit(credit)
        while peer.position < head_of(exchange):
            if peer.take().type == wire.RECORDS and credit < 1 << 20:
                break
        return peer.records


def test_who_acknowledges_nothing_is_told_of(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    for name, words in {"silent": (), "never": (), "south": ("--province", "79"), "hn": ()}.items():
        exchange.committee(name, "health", FIELDS, *words)
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    assert told(exchange, number(1)) == {}, "nothing has left"
    records = read_silently(exchange, "silent")
    exchange.receivers["hn"].until_head()
    read_silently(exchange, "south")
    assert [record.citizen_number for record in records] == [number(1), number(2)]
    fields = ("citizen_number", "vaccine_group", "dose_number", "lot_number")
    position = records[0].position
    assert told(exchange, number(1)) == {
        "silent": [(position, "health", "upsert", fields, "possibly", 1)],
        "hn": [(position, "health", "upsert", fields, "delivered", 1)]}
    # The text says the same, and no value; numbers and keys only where they are asked for, which is noted.
    text = exchange.dongbo("disclosures", "--citizen", number(1)).stdout
    assert "a test" in text and f"position {position}" in text and "possibly" in text and "lot_number" in text
    assert number(1) not in text and "L1" not in text and "2021" not in text.replace("2021-2099", "")
    assert exchange.cluster.value("SELECT count(*) FROM exchange.unmasking") == 0
    assert disclosures(exchange, number(1), "--unmask")["citizen_number"] == number(1)
    assert exchange.cluster.rows("SELECT what, citizen_masked FROM exchange.unmasking") == [
        ("disclosures", "001*******00")]
    for words, code in ((("--citizen", "001099999999"), 1), ((), 2), (("--citizen", ""), 2)):
        assert exchange.dongbo("disclosures", *words, check=False).returncode == code
    reader = exchange.config.read_text().replace("dongbo_operator", "dongbo_reader")
    exchange.config.write_text(reader)
    done = exchange.dongbo("disclosures", "--citizen", number(1), check=False)
    assert done.returncode == 2 and "dongbo_operator" in done.stderr


def test_the_rights_that_held_are_told(centre):
    """Narrowed between two events, and the person's number and home change."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS, "--province", "01")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(1), 1, "L1", 10)])
    exchange.prepare("subscription", "change", "hn", "--field", "person_id,health.dose_number", "--legal-basis", "less")
    exchange.wait_in_force()
    moh.publish([dose(number(1), 2, "L2", 20)])
    npc.publish([centre.change("number-reissued", number(1), number(1, 1), time=30),
                 centre.change("move", number(1, 1), time=40, residence_province="79")])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    npc.publish([centre.change("merged", number(1, 1), number(2), time=50, residence_province="01")])
    exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE NOT moved", 0)
    exchange.receivers["hn"].until_head()
    wide = ("citizen_number", "vaccine_group", "dose_number", "lot_number")
    narrow = ("person_id", "dose_number")
    for citizen in (number(1), number(1, 1), number(2)):
        [one] = disclosures(exchange, citizen)["subscriptions"]
        assert [(policy["version"], policy["legal_basis"], [(record["change"], tuple(record["fields"]))
                                                             for record in policy["records"]])
                for policy in one["policies"]] == [
            (1, "a test", [("upsert", wide)]),
            (2, "less", [("upsert", narrow), ("left", ("person_id",)), ("left", ("person_id",)),
                         ("upsert", narrow), ("upsert", narrow)])], citizen
        assert {record["delivery"] for policy in one["policies"] for record in policy["records"]} == {"delivered"}


def test_what_is_read_later_is_told_by_what_was_released(centre):
    """Also a list of followed persons, and a receiver that stops in the middle."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    exchange.committee("slow", "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    with wire.subscriber(exchange, "fund") as peer:
        peer.follow(add=[number(1)])
    exchange.wait_until("SELECT count(*) FROM exchange.follow_request", 0)
    moh.publish([dose(number(of), 2, "L2", 20) for of in (1, 2)])
    read_silently(exchange, "fund")
    preview = exchange.dongbo("subscription", "preview", "fund", "--json", "--unmask").stdout.splitlines()
    assert {json.loads(line)["citizen_number"] for line in preview} == {number(1)}
    assert [record[2] for record in told(exchange, number(1))["fund"]] == ["entered", "upsert"]
    assert told(exchange, number(2)) == {}
    first = read_silently(exchange, "slow", credit=300)[0]
    assert first.position in [record[0] for record in told(exchange, first.citizen_number)["slow"]]
    assert {record[4] for record in told(exchange, first.citizen_number)["slow"]} == {"possibly"}


def test_what_was_passed_over_is_not_told(centre):
    """Until a receiver begins before it, and then whatever it acknowledged."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("late", "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "L1", 10)])
    before = head_of(exchange)
    moh.publish([dose(number(1), 2, "L2", 20)])

    def passed():
        return exchange.cluster.rows("SELECT first_position, last_position FROM exchange.subscription_skip")
    with wire.subscriber(exchange, "late") as peer:
        peer.hello(from_position=before)
        peer.take_all(head_of(exchange))
        exchange.wait_until(f"SELECT count(*) FROM exchange.subscription_position WHERE acked = {peer.position}", 1)
        assert [body.position for body in peer.records] == [record[0] for record in told(exchange, number(1))["late"]]
    assert passed() == [(1, before)]
    assert [record[4] for record in told(exchange, number(1))["late"]] == ["delivered"]
    assert len(read_silently(exchange, "late", from_position=before - 1)) == 2
    assert passed() == [(1, before - 1)]
    assert [record[4] for record in told(exchange, number(1))["late"]] == ["delivered"] * 2
    read_silently(exchange, "late", from_start=True)
    assert passed() == [] and len(told(exchange, number(1))["late"]) == 2


def test_what_was_passed_over_and_is_sent_later_is_told(centre):
    """By a token of before, as of a receiver whose machine was set back: all of it is below the bound already."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    for name in ("late", "other"):
        exchange.committee(name, "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    tokens = []
    for which in (1, 2):
        moh.publish([dose(number(1), which, f"L{which}", 10 * which)])
        with wire.subscriber(exchange, "other") as other:
            take_silently(other, head_of(exchange))
            tokens.append(other.token)
    with wire.subscriber(exchange, "late") as peer:
        peer.hello(token=tokens[1])
    moh.publish([dose(number(1), 3, "L3", 30)])
    passed = head_of(exchange)
    with wire.subscriber(exchange, "late") as peer:
        peer.hello(from_position=passed)
        moh.publish([dose(number(2), 1, "L1", 10)])
        peer.credit(1 << 20)
        peer.take_all(head_of(exchange))
    assert exchange.cluster.rows("SELECT first_position, last_position FROM exchange.subscription_skip") == [
        (tokens[1].position + 1, passed)]
    records = read_silently(exchange, "late", token=tokens[0])
    sent = [record.position for record in records if record.citizen_number == number(1)]
    assert len(sent) == 2 and set(sent) <= {record[0] for record in told(exchange, number(1))["late"]}


COMMITTEES = {"hanoi": ["--province", "01"], "south": ["--province", "79", "--province", "48"], "all": [],
              "nameless": ["--change", "upsert,left"], "ministry": ["--agency", "MOH"]}


@pytest.mark.parametrize("seed", range(int(os.environ.get("DONGBO_SEEDS", "2"))))
def test_what_was_received_is_what_is_told(centre, seed):
    exchange = centre.exchange
    for name, words in COMMITTEES.items():
        exchange.committee(name, "health,population", f"{FIELDS},population.residence_province", *words)
    life, peers = Life(centre, seed), {code: centre.peer(code) for code in ("NPC", "MOH")}
    peers["NPC"].publish([life.enter(of) for of in range(PERSONS)])
    for turn in range(24):
        if turn == 8:
            exchange.prepare("subscription", "change", "hanoi", "--field", "person_id,health.dose_number", "--domain",
                             "health", "--province", "79")
            exchange.wait_in_force()
        code, events = life.batch()
        if events:
            peers[code].publish(events)
    for waiting in ("exchange.person_link WHERE NOT moved", "exchange.retelling WHERE NOT told"):
        exchange.wait_until(f"SELECT count(*) FROM {waiting}", 0)
    exchange.receivers["hanoi"].until_head()
    exchange.receivers["ministry"].until_head()
    for name in ("south", "all", "nameless"):
        read_silently(exchange, name)
    entries = logbook.Logbook(exchange.cluster).entries
    into = dict(exchange.cluster.rows("SELECT person, merged_into FROM exchange.person_link"))
    expected = {}  # by person, as they are now: {subscription: {position: fields}}
    log = logbook.Logbook(exchange.cluster)
    for name in COMMITTEES:
        lines = list(log.expected_records(name))
        if name in ("hanoi", "ministry"):
            log.check_received(name, exchange.receivers[name].records())
        for line in lines:
            person = entries[line["position"]].person
            while person in into:
                person = into[person]
            keys = {"citizen_number": "citizen_number", "person": "person_id"}
            fields = set(line["fields"]) | {keys[key] for key in keys if key in line}
            expected.setdefault(person, {}).setdefault(name, {})[line["position"]] = fields
    assert sum(len(names) for names in expected.values()) > 20
    for of in life.home:
        person = exchange.cluster.value("SELECT person FROM population.citizen WHERE citizen_number = %s",
                                        life.about(of))
        for citizen in {life.about(of), number(of)}:
            got = {name: {record[0]: set(record[3]) for record in records}
                   for name, records in told(exchange, citizen).items()}
            assert got == expected.get(person, {}), f"seed {seed}, {citizen}"
        for name, records in told(exchange, life.about(of)).items():
            assert {record[4] for record in records} == {"delivered" if name in ("hanoi", "ministry") else "possibly"}


def test_what_one_share_passes_over_another_may_be_sent(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("two", "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in range(30)])
    moh.publish([dose(number(of), 1, "L1", 10) for of in range(30)])
    with wire.subscriber(exchange, "two") as first, wire.subscriber(exchange, "two") as second:
        first.hello(share=1, shares=2)
        second.hello(share=2, shares=2, from_position=head_of(exchange))
        assert exchange.cluster.value("SELECT count(*) FROM exchange.subscription_skip") == 1
        assert told(exchange, number(1)) == {}
        first.credit(1 << 20)
        while first.position < head_of(exchange):
            first.take()
        assert first.records, "of thirty persons"
        for record in first.records[:4]:
            assert [one[0] for one in told(exchange, record.citizen_number)["two"]] == [record.position]


def test_what_was_let_go_is_still_told(centre):
    """By what is left of it: no less than was told before, and marked."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS)
    exchange.committee("south", "health", "health.dose_number", "--province", "79")
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "L1", 10), dose(number(1), 2, "L2", 20)])
    npc.publish([centre.change("move", number(1), time=30, residence_province="79")])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    moh.publish([dose(number(1), 2, "L2", 40, operation=2)])
    for name in ("hn", "south"):
        exchange.receivers[name].until_head()
    before = told(exchange, number(1))
    assert [record[2] for record in before["hn"]] == ["upsert", "upsert", "delete"] and len(before["south"]) == 3
    # As `log trim` leaves it, but all of it.
    exchange.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL")
    answer = disclosures(exchange, number(1))
    after = told(exchange, number(1))
    assert [record[:4] for record in after["hn"]] == [record[:4] for record in before["hn"]]
    assert {(record[2], record[4]) for name in after for record in after[name]} == {
        ("upsert", "possibly"), ("delete", "possibly")}
    assert [record[0] for record in after["south"]] == [record[0] for record in after["hn"]], "wherever they lived"
    assert len(answer["unknown_positions"]) == 1, "told again"
    text = exchange.dongbo("disclosures", "--citizen", number(1)).stdout
    assert "at most" in text and "1 segments" in text


def take_snapshot(exchange, name):
    with wire.subscriber(exchange, name) as peer:
        peer.hello(snapshot=True)
        peer.credit(1 << 24)
        taken = [record.citizen_number for record in peer.snapshot()[1].values()]
        peer.send(wire.GOODBYE)
    exchange.wait_until("SELECT count(*) FROM exchange.subscription_position WHERE opened_at IS NOT NULL", 0)
    return taken


def test_digests_that_were_sent_are_told_as_such(centre):
    """They show whether a record is as somebody guesses; to whom nothing was added up, nothing is told of."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hanoi", "health", FIELDS + ",person_id", "--province", "01")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    npc.publish([centre.change("move", number(2), time=5, residence_province="79")])
    with wire.subscriber(exchange, "hanoi") as peer:
        peer.hello()
        peer.credit(1 << 24)
        peer.snapshot(digests=True)
        assert exchange.cluster.value("SELECT count(*) FROM exchange.snapshot_release") == 0, "there was no record"
        moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
        for lot in ("L1", "L2", "L3"):  # the first of them changes nothing, and has a version
            head = head_of(exchange)
            for _ in range(2):
                peer.snapshot(digests=True)
            moh.publish([dose(number(1), 1, lot, 20)])
    assert disclosures(exchange, number(2))["subscriptions"] == [], "lives elsewhere"
    [one] = disclosures(exchange, number(1))["subscriptions"]
    assert len(one["snapshots"]) == 3, "of the same head one, however often"
    for sums in one["snapshots"]:
        assert sums["digests"] and sums["finished"] and sums["head_position"] <= head
        [record] = sums["records"]
        assert record["domain"] == "health" and sorted(record["fields"]) == sorted(
            field.removeprefix("health.") for field in FIELDS.split(","))
    text = exchange.dongbo("disclosures", "--citizen", number(1)).stdout
    assert f"digests of positions {head} to {head}, possibly" in text and "snapshot" not in text


def test_a_snapshot_that_was_sent_is_told(centre):
    """Of who lived there, as their records were, and whether or not a record of the feed is ever taken."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hanoi", "health", FIELDS, "--province", "01")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    npc.publish([centre.change("move", number(2), time=5, residence_province="79")])
    moh.publish([dose(number(of), 1, "L1", 10) for of in (1, 2)])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    before = head_of(exchange)
    assert take_snapshot(exchange, "hanoi") == [number(1)]
    moh.publish([dose(number(1), 1, "L2", 20), dose(number(1), 2, "L3", 20)])
    npc.publish([centre.change("move", number(1), time=30, residence_province="79")])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    assert take_snapshot(exchange, "hanoi") == []
    assert exchange.cluster.value("SELECT count(*) FROM exchange.snapshot_release") == 1, "the second told of nobody"
    assert disclosures(exchange, number(2))["subscriptions"] == []
    [one] = disclosures(exchange, number(1))["subscriptions"]
    [snapshot] = one["snapshots"]
    assert one["policies"] == [] and (snapshot["first_position"], snapshot["head_position"]) == (before, before)
    assert [(record["domain"], record["policy_version"], len(record["fields"])) for record in snapshot["records"]] == [
        ("health", 1, 4)]
    text = exchange.dongbo("disclosures", "--citizen", number(1)).stdout
    assert f"snapshot of positions {before} to {before}, possibly" in text



def back_up(exchange):
    """A copy of the database, when the broker's feed goes on."""
    backup = exchange.directory / "backup"
    exchange.cluster.back_up(backup)
    exchange.broker.wait_for(lambda: "feed: it goes on" in exchange.broker.text(), "the feed goes on")
    return backup


def take_silently(peer, head, **hello):
    peer.hello(**hello)
    peer.credit(1 << 20)
    while peer.position < head:
        peer.take()


def test_what_may_have_been_sent_stays_said(centre):
    """Whatever a broker's login does by psql."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("silent", "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "L1", 10)])
    with wire.subscriber(exchange, "silent") as peer:
        take_silently(peer, head_of(exchange))
    [(of, released)] = exchange.cluster.rows("SELECT subscription, released FROM exchange.subscription_place")
    assert released >= head_of(exchange)
    skip = "INSERT INTO exchange.subscription_skip VALUES (%s, %s, %s)"
    exchange.cluster.rows(skip, of, released + 10, released + 20, user="dongbo_broker")
    for sql, values in [("UPDATE exchange.subscription_position SET released = 0", ()), (skip, (of, 1, 1)),
                        (skip, (of, released, released + 5)), (skip, (of, 0, released))]:
        with pytest.raises(Exception, match="what may have been sent stays said"):
            exchange.cluster.rows(sql, *values, user="dongbo_broker")
    exchange.cluster.rows("UPDATE exchange.subscription_position SET released = released + 15", user="dongbo_broker")
    longer = "UPDATE exchange.subscription_skip SET last_position = last_position + %s"
    with pytest.raises(Exception, match="what may have been sent stays said"):
        exchange.cluster.rows(longer, 1, user="dongbo_broker")
    exchange.cluster.rows(longer, -1, user="dongbo_broker")


@pytest.mark.postgres
def test_what_left_before_a_restore_is_told_of(centre):
    """The copy that the database is set back to knows of nothing that was sent since it was made: the broker does."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    for name in ("silent", "back"):
        exchange.committee(name, "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "L1", 10)])
    head = head_of(exchange)
    with wire.subscriber(exchange, "back") as peer:  # in the copy it has passed over all there is
        peer.hello(from_position=head)
    backup = back_up(exchange)
    with wire.subscriber(exchange, "silent") as silent, wire.subscriber(exchange, "back") as back:
        take_silently(silent, head)
        take_silently(back, head, from_start=True)
        assert set(told(exchange, number(1))) == {"silent", "back"}
        exchange.cluster.restore(backup)
        exchange.wait_until("SELECT count(*) FROM exchange.subscription_place WHERE released > 0", 2)
        after = {name: [record[4] for record in records] for name, records in told(exchange, number(1)).items()}
        assert after["silent"] == ["possibly"]
        # It said that it held all there was, and the copy may know that.
        assert after["back"] in (["possibly"], ["delivered"])


@pytest.mark.postgres
def test_who_holds_a_place_that_a_restored_exchange_forgot_was_sent_what_is_before_it(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    for name in ("silent", "never"):
        exchange.committee(name, "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "L1", 10)])
    backup = back_up(exchange)
    with wire.subscriber(exchange, "silent") as peer:
        take_silently(peer, head_of(exchange))
        before = told(exchange, number(1))
        exchange.stop()
        exchange.cluster.restore(backup)
        exchange.start_broker()
        assert told(exchange, number(1)) == {}, "nobody knows of it"
    with wire.subscriber(exchange, "silent") as again:
        again.hello(token=peer.token)
    after = told(exchange, number(1))
    for told_of in (before, after):  # its token says that it has them, which is kept in a while
        told_of["silent"] = [record[:4] + record[5:] for record in told_of["silent"]]
    assert after == before
