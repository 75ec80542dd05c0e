# SPDX-License-Identifier: Apache-2.0
"""Snapshots as a subscriber takes them: what it holds after one, with the feed behind it, is what it may see, whatever
happened meanwhile; what it asks in the wrong way gets a reason."""
import hashlib
import os
import random
import time

import pytest

import people
import wire
from conftest import BUILD
from people import publish
from test_population_events import Centre, body_of
from test_provinces import COMMITTEES, FIELDS as ALL_FIELDS, PERSONS, Life

N = 300
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, N, FIELDS) as peer:
        yield peer


def apply(held, records):
    """As PROTOCOL.md has it: the greater position is kept, what is let go is gone."""
    for record in records:
        if record.record_id in held and held[record.record_id].position >= record.position:
            continue
        if record.change in (1, 3):
            held[record.record_id] = record
        else:
            held.pop(record.record_id, None)


def said(held):
    return sorted((record.citizen_number, body_of(record)[0]) for record in held.values())


def expected(*ranges):
    return sorted((people.citizen(n)["citizen_number"], number) for first, last, number in ranges
                  for n in range(first, last))


def digests_of(records):
    """What PROTOCOL.md says that records add up to."""
    sums = [0] * 4096
    for record in records:
        body = wire.Vaccination.FromString(record.body)
        content = record.record_id + bytes([record.domain])
        for number, value in [(None, record.citizen_number)] + [
                (field.number, str(value)) for field, value in sorted(body.ListFields(), key=lambda f: f[0].number)]:
            data = value.encode()
            content += (bytes([number]) if number else b"") + len(data).to_bytes(4, "big") + data
        bucket = record.record_id[0] << 4 | record.record_id[1] >> 4
        sums[bucket] += int.from_bytes(hashlib.sha256(content).digest()[:16], "big")
    return [total % 2 ** 128 for total in sums]


def sums_of(chunks):
    sums = [0] * 4096
    for chunk in chunks:
        assert len(chunk.digests) == 4096 * 16 and not chunk.records
        for bucket in range(4096):
            sums[bucket] += int.from_bytes(chunk.digests[16 * bucket:16 * bucket + 16], "big")
    return [total % 2 ** 128 for total in sums]


def test_a_snapshot_and_the_feed_behind_it(exchange, health):
    publish(health, 0, 200)
    for lot, hours, verdict in (("NEW", 1, "ACCEPTED"), ("OLD", 3, "SUPERSEDED")):
        done = health.publish([people.dose(0, key=lot, body=people.dose_body(lot_number=lot),
                                           event_time_us=wire.now_us() - hours * 3600 * 1000000)])
        assert list(done.verdicts().values()) == [verdict]
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.credit(1 << 20)
        chunks, held = committee.snapshot()
        assert said(held) == expected((0, 200, 1))
        assert {body_of(record)[1] for record in held.values()} == {"", "NEW"}, "what lost is not told"
        assert chunks[-1].persons_done == chunks[-1].persons_total == 200
        assert {record.agency for record in held.values()} == {"MOH"}
        publish(health, 100, 250, 2)
        committee.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
        apply(held, committee.records)
        assert said(held) == expected((0, 200, 1), (100, 250, 2))
        # What it adds up to can be told by whoever has the records; and some buckets are told alone.
        chunks, nothing = committee.snapshot(digests=True)
        assert not nothing and sums_of(chunks) == digests_of(held.values())
        some = next(iter(held.values())).record_id
        bucket = some[0] << 4 | some[1] >> 4
        buckets = bytearray(512)
        buckets[bucket // 8] |= 1 << bucket % 8
        chunks, of_bucket = committee.snapshot(buckets=bytes(buckets))
        assert set(of_bucket) == {key for key in held if key[0] << 4 | key[1] >> 4 == bucket}
        publish(health, 0, 10, 3)
        committee.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
        apply(held, committee.records)
        assert said(held) == expected((0, 200, 1), (100, 250, 2), (0, 10, 3))


def test_none_is_read_while_the_population_was_set_back_alone(exchange, health):
    """It would show persons where they lived before, to whom these were granted."""
    publish(health, 0, 20)
    known = exchange.cluster.value("SELECT population_position FROM exchange.head")
    exchange.cluster.rows("UPDATE population.state SET position = position - 1")
    with wire.subscriber(exchange, "hn") as committee:
        for digests in (False, True):
            committee.hello(snapshot=True)
            committee.credit(1 << 20)
            committee.ask(digests=digests)
            assert "Ask again" in committee.expect_error("INTERNAL").text
        assert f"at its change {known - 1}, and the log was decided by its change {known}: it was set back alone" in \
            exchange.broker.text()
        exchange.cluster.rows("UPDATE population.state SET position = position + 1")
        committee.hello(snapshot=True)
        committee.credit(1 << 20)
        assert said(committee.snapshot()[1]) == expected((0, 20, 1))


def test_a_population_store_that_lags_a_little_is_waited_for(exchange, health):
    """As a standby does: the log has what it will have in a moment."""
    publish(health, 0, 20)
    exchange.cluster.rows("UPDATE population.state SET position = position - 1")
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.credit(1 << 20)
        asked = exchange.cluster.value("SELECT clock_timestamp()")
        committee.ask()
        looked = ("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'dongbo snapshot'"
                  " AND state = 'idle' AND query LIKE '%%population.%%' AND query_start > %s")
        exchange.broker.wait_for(lambda: exchange.cluster.value(looked, asked), "it has looked")
        exchange.cluster.rows("UPDATE population.state SET position = position + 1")
        committee.chunk()
    assert "it was set back alone" not in exchange.broker.text()


def test_only_those_who_are_followed(exchange, health):
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    publish(health, 0, 20)
    with wire.subscriber(exchange, "fund") as committee:
        committee.hello(snapshot=True)
        assert committee.snapshot()[1] == {}
        with wire.subscriber(exchange, "fund") as keeper:
            keeper.follow(add=[people.citizen(n)["citizen_number"] for n in (3, 5)])
        exchange.wait_until("SELECT count(*) FROM exchange.follow_request", 0)
        assert said(committee.snapshot()[1]) == expected((3, 4, 1), (5, 6, 1))


def test_a_list_is_gone_through_in_steps(exchange, health):
    """Persons with more records than a step holds, more without any than it does, and others in between."""
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    publish(health, 0, 20)
    filler(exchange, 6, 1200)
    exchange.cluster.rows(
        "INSERT INTO exchange.followed (subscription, person, number, from_position, to_position)"
        " SELECT (SELECT subscription FROM exchange.subscription WHERE name = 'fund'), p, p::text, 1,"
        " CASE WHEN p %% 7 = 0 THEN 2 END FROM generate_series(500, 2900) p WHERE p NOT IN (502, 503)")
    with wire.subscriber(exchange, "fund") as committee:
        committee.hello(snapshot=True)
        chunks, held = committee.snapshot()
    keys = exchange.cluster.value("SELECT count(*) FROM exchange.record_version WHERE person IN (501, 505, 506)")
    assert len(held) == keys == 3600, "504, a multiple of 7, is followed no longer"
    assert len(chunks) >= 3 and chunks[-1].persons_done == 3


# ---- the agent -----------------------------------------------------------------------------------------------------

class Copy:
    """A committee's PostgreSQL sink, in a schema of the exchange's own server."""

    def __init__(self, exchange, name):
        self.exchange, self.name = exchange, name
        self.config = exchange.directory / f"copy-{name}.yaml"
        text = exchange.receivers[name].config.read_text()
        self.config.write_text(text[:text.index("sink:")] +
                               f'sink: {{kind: postgres, conninfo: "{exchange.cluster.conninfo()}", schema: {name}}}\n')

    def command(self, *words):
        return [BUILD / "agents/dongbo-agent", "receive", "--config", self.config, *words]

    def receive(self, *words, expect=0):
        done = self.exchange.run(*self.command("--until-head", "--timeout", 20, *words))
        assert done.returncode == expect, done.stderr
        self.keep(done)
        return done

    def reconcile(self, *words):
        done = self.exchange.run(*self.command("--reconcile", "--timeout", 20, *words))
        assert done.returncode == 0, done.stderr
        self.keep(done)
        return done.stdout.strip()

    def keep(self, done):
        with open(self.exchange.directory / "copy.log", "a", encoding="utf-8") as log:
            log.write(done.stderr)

    def rows(self, columns="citizen_number, dose_number", table="health"):
        return sorted(self.exchange.cluster.rows(f'SELECT {columns} FROM "{self.name}".{table}'))

    def run_sql(self, sql):
        self.exchange.cluster.rows(sql)


def test_a_snapshot_replaces_what_is_ahead_of_the_log(exchange, health):
    """Of one that was set back, and has not come as far again since."""
    publish(health, 0, 20)
    copy = Copy(exchange, "hn")
    copy.receive()
    copy.run_sql("UPDATE hn.dongbo_position SET position = position + 1000")
    copy.receive("--from", "snapshot")
    assert copy.rows() == expected((0, 20, 1))


def test_a_sink_is_filled_by_a_snapshot_and_repaired(exchange, health):
    publish(health, 0, 300)
    copy = Copy(exchange, "hn")
    copy.receive("--from", "snapshot")
    assert copy.rows() == expected((0, 300, 1))
    publish(health, 0, 50, 2)
    copy.receive()
    assert copy.rows() == expected((0, 300, 1), (0, 50, 2))
    assert copy.reconcile() == "repaired: 0 missing, 0 stale, 0 extra"
    copy.run_sql("DELETE FROM hn.health WHERE dose_number = 1 AND right(citizen_number, 1) = '7'")
    copy.run_sql("UPDATE hn.health SET dose_number = 9, position = 1000000 WHERE right(citizen_number, 1) = '3'")
    copy.run_sql("INSERT INTO hn.health (record_id, position, citizen_number, event_time, dose_number, snapshot)"
                 " SELECT sha256(record_id) || record_id, position, citizen_number, event_time, 5, snapshot"
                 " FROM hn.health LIMIT 3")
    copy.run_sql("INSERT INTO hn.health (record_id, position, citizen_number, event_time, dose_number, snapshot)"
                 " SELECT substr(sha256(record_id), 1, 16), position, citizen_number, event_time, 5, snapshot"
                 " FROM hn.health LIMIT 3")
    before = copy.rows()
    found = copy.reconcile("--dry-run")
    assert copy.rows() == before
    assert copy.reconcile() == found.replace("differs", "repaired")
    assert found == "differs: 30 missing, 35 stale, 6 extra"
    assert copy.rows() == expected((0, 300, 1), (0, 50, 2))
    whole, repair = log_bytes(exchange, "the snapshot is complete"), log_bytes(exchange, "sent again")
    assert 0 < repair < whole / 2, "only what differs is sent"


def test_lines_say_where_a_snapshot_begins_and_ends(exchange, health):
    publish(health, 0, 100)
    filler(exchange, 3, 8000)
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    lines = receiver.records()
    assert len(lines) == 100 and not any("snapshot" in line for line in lines)
    process = exchange.start(receiver.command("--from", "snapshot"), receiver.log)
    deadline = time.monotonic() + 60
    while "cursor " not in (receiver.directory / "position").read_text():  # without a pause: all of it takes a moment
        assert time.monotonic() < deadline, process.text()
    process.kill()
    receiver.until_head()
    publish(health, 0, 5, 2)
    receiver.until_head()
    lines = receiver.records()[100:]
    borders = [n for n, line in enumerate(lines) if "snapshot" in line]
    first = lines[0]["first"]
    assert [lines[n] for n in borders] == [{"snapshot": "begin", "first": first}, {"snapshot": "end", "first": first}]
    inside = lines[borders[0] + 1:borders[1]]
    assert len(inside) == 24100 == len({line["record"] for line in inside}), "each once, also after a kill"
    assert {line["change"] for line in inside} == {"upsert"}
    assert len(lines[borders[1] + 1:]) == 5


def log_bytes(exchange, what):
    """What the agent says to have received, in the run that said this last."""
    said = [line for line in (exchange.directory / "copy.log").read_text().splitlines() if what in line][-1]
    return int(said.split(" bytes")[0].split()[-1])


def test_a_sink_follows_what_is_granted(exchange, health):
    publish(health, 0, 100)
    copy = Copy(exchange, "hn")
    process = exchange.start(copy.command("--from", "snapshot"), exchange.directory / "hn.log")
    process.wait_for(lambda: "the snapshot is complete" in process.text(), "the snapshot")
    exchange.dongbo("subscription", "change", "hn", "--field", "health.lot_number,health.dose_number")
    narrow = [(None, 1, None, "LOT")] * 100
    columns = "citizen_number, dose_number, vaccine_group, coalesce(lot_number, 'LOT')"
    process.wait_for(lambda: copy.rows(columns) == narrow, "what is not granted any more gone")
    assert process.stop() == 0
    # Wider again, with another domain's rows gone, while nobody receives.
    exchange.dongbo("subscription", "change", "hn", "--field", FIELDS)
    exchange.wait_in_force()
    copy.receive()
    assert copy.rows() == expected((0, 100, 1))
    exchange.dongbo("subscription", "change", "hn", "--province", "79")
    exchange.wait_in_force()
    copy.receive()
    assert copy.rows() == [], "nobody lives there"
    assert copy.reconcile() == "repaired: 0 missing, 0 stale, 0 extra"


def test_who_is_granted_late_has_what_is_held(exchange, health):
    """What was stored before a subscription had any rights is not in its feed: rows have it at once, files are told."""
    publish(health, 0, 100)
    late = exchange.committee("late", "health", FIELDS)
    copy = Copy(exchange, "late")
    copy.receive()
    assert copy.rows() == expected((0, 100, 1))
    late.until_head()
    assert late.records() == [] and "--from snapshot brings" in late.log.read_text()
    publish(health, 100, 150)
    copy.receive()
    assert copy.rows() == expected((0, 150, 1))
    late.until_head()
    assert len(late.records()) == 50 and late.log.read_text().count("--from snapshot brings") == 1


def test_what_is_asked_in_the_wrong_way(exchange, health):
    exchange.committee("other", "health", FIELDS)
    publish(health, 0, 5)
    filler(exchange, 2, 1500)
    live = wire.subscriber(exchange, "other")
    live.hello(from_start=True)
    committee = wire.subscriber(exchange, "hn")

    def begun(**asked):
        committee.hello(snapshot=True)
        committee.ask(**asked)
        return committee.chunk().cursor
    good = begun()
    assert good and people.citizen(0)["citizen_number"].encode() not in good and b"covid" not in good
    for bad in (bytes([good[0] ^ 1]) + good[1:], good[:-1] + bytes([good[-1] ^ 128]), good[:40], good + b"x",
                b"x" * 200):
        committee.hello(snapshot=True)
        committee.ask(bad)
        assert "without a cursor" in committee.expect_error("CURSOR_BAD").text
    for asked in ({"digests": True}, {"buckets": b"\xff" * 512}):
        committee.hello(snapshot=True)
        committee.ask(good, **asked)
        committee.expect_error("CURSOR_BAD")
    with wire.subscriber(exchange, "other") as foreign:
        foreign.hello(snapshot=True)
        foreign.ask(good)
        foreign.expect_error("CURSOR_BAD")
    live.hello(from_start=True)
    committee.hello(snapshot=True)
    committee.ask(good)
    assert committee.chunk().records, "the good one still is"
    committee.ask(buckets=b"\xff" * 511)
    committee.expect_error("BAD_FRAME")
    committee.hello(snapshot=True)
    committee.ask()
    committee.ask()
    while (received := committee.receive()).type == wire.CHUNK:
        pass
    assert wire.Error.Code.Name(received.code) == "OUT_OF_ORDER"
    committee.hello(snapshot=True)
    committee.send(wire.SNAPSHOT, wire.SnapshotRequest())
    assert committee.receive(0.3) is None, "no chunk without credit"
    committee.credit(1 << 20)
    committee.chunk()
    old = begun()
    exchange.dongbo("subscription", "change", "hn", "--field", "health.dose_number")
    exchange.wait_in_force()
    committee.close()
    with wire.subscriber(exchange, "hn") as again:
        again.hello(snapshot=True)
        again.ask(old)
        assert "has changed" in again.expect_error("CURSOR_BAD").text
    live.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
    assert len(live.records) == 5, "others are unharmed"
    live.close()


# ---- a model -------------------------------------------------------------------------------------------------------

LOT = "X" * 60


def test_nothing_comes_before_the_snapshot_that_hello_asked_for(exchange, health):
    publish(health, 0, 30)
    filler(exchange, 3, 1000)  # several chunks
    head = exchange.cluster.value("SELECT last_position FROM exchange.head")
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        for _ in range(2):
            committee.snapshot(digests=True)
        committee.send(wire.ACK, wire.Ack(position=head))
        for _ in range(3):  # begun and left, again and again
            committee.ask()
            assert committee.chunk().records
        publish(health, 30, 40)
        chunks, held = committee.snapshot()
        assert len(held) == 3040 and chunks[-1].done
    rows = exchange.cluster.rows("SELECT digests, finished_at IS NOT NULL FROM exchange.snapshot_release ORDER BY 1")
    assert rows == [(False, True), (True, True)], "one account of what may have been seen, and one of digests"
    assert exchange.cluster.value("SELECT max(acked) FROM exchange.subscription_position") == 0


def test_a_cursor_is_good_while_the_log_has_what_its_chunk_was_read_at(exchange, health):
    """Where the database was set back to between a snapshot's first head and its last, what chunks told of later
    positions would stand before what comes again with lesser ones."""
    publish(health, 0, 30)
    filler(exchange, 6, 1500)
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.ask()
        before = committee.chunk()
        publish(health, 30, 40)
        committee.ask(before.cursor)
        after = committee.chunk()
        assert after.head.position > before.head.position and after.cursor
    exchange.broker.stop()
    exchange.cluster.rows("UPDATE exchange.segment SET hash = sha256(hash) WHERE last_position = %s",
                          after.head.position)
    exchange.start_broker()
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.ask(after.cursor)
        assert "does not have any more" in committee.expect_error("CURSOR_BAD").text
        committee.hello(snapshot=True)
        committee.ask(before.cursor)
        assert committee.chunk().records


def test_the_last_chunk_is_told_while_the_log_has_its_head(exchange, health):
    """No later request asks whether it does. Here the database is set back when that chunk has been read and not yet
    been sent: the first one's head is there still."""
    exchange.committee("fund", "health", f"{FIELDS},person_id", "--followed-only")
    publish(health, 0, 5)
    filler(exchange, 1, 1000)
    exchange.cluster.rows("INSERT INTO exchange.followed (subscription, person, number, from_position)"
                          " SELECT subscription, 501, '501', 1 FROM exchange.subscription WHERE name = 'fund'")
    with wire.subscriber(exchange, "fund") as committee:
        committee.hello(snapshot=True)
        committee.ask()
        chunk = committee.chunk()
        assert len(chunk.records) == 1000 and not chunk.done, "one step, which is enough for a chunk"
        exchange.cluster.rows("UPDATE exchange.followed SET to_position = 2")  # nothing is left for the next one
        publish(health, 5, 10)
        head = exchange.cluster.value("SELECT last_position FROM exchange.head")
        activity = "FROM pg_stat_activity WHERE application_name = 'dongbo"
        with exchange.cluster.holding("LOCK TABLE exchange.followed"):  # which is read when the head has been
            committee.ask(chunk.cursor)
            exchange.wait_until(f"SELECT count(*) {activity} snapshot' AND wait_event = 'relation'", 1)
            exchange.cluster.rows("UPDATE exchange.segment SET hash = sha256(hash) WHERE last_position = %s", head)
            feed = exchange.cluster.value(f"SELECT pid {activity} feed'")  # its session ends, as with a server
            exchange.cluster.rows("SELECT pg_terminate_backend(%s)", feed)
            exchange.wait_until(f"SELECT count(*) {activity} feed' AND pid <> {feed}", 1)
        assert "does not go on any more" in committee.expect_error("CURSOR_BAD").text


GONE = """CREATE SEQUENCE public.tries;
CREATE FUNCTION public.gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF nextval('public.tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NULL; END $$;
CREATE TRIGGER gone BEFORE INSERT ON exchange.subscription_skip EXECUTE FUNCTION public.gone()"""


def test_the_feed_begins_where_the_snapshot_did_though_the_database_goes_away(exchange, health):
    """The session that takes its last chunk is another one than the first's, and greeted at a later head."""
    publish(health, 0, 30)
    filler(exchange, 3, 1000)
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.ask()
        chunk = committee.chunk()
    assert not chunk.done
    publish(health, 30, 40)
    head = exchange.cluster.value("SELECT last_position FROM exchange.head")
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        exchange.cluster.rows(GONE)
        committee.snapshot(chunk.cursor)
        committee.take_all(head, timeout=20)
        assert [record.position for record in committee.records] == list(range(head - 9, head + 1))
    assert exchange.cluster.value("SELECT last_value FROM public.tries") == 2


def test_a_log_that_is_trimmed_has_a_snapshot_begun_again(exchange, health):
    """Of a session that has no place yet, no position is gone: it is told what to do, and its agent does that."""
    exchange.committee("other", "health", FIELDS)
    publish(health, 0, 30)
    filler(exchange, 3, 1000)
    with wire.subscriber(exchange, "hn") as committee, wire.subscriber(exchange, "other") as behind:
        behind.hello(from_start=True)
        committee.hello(snapshot=True)
        committee.ask()
        cursor = committee.chunk().cursor
        publish(health, 30, 40)
        exchange.cluster.rows("INSERT INTO exchange.trim (position) SELECT last_position FROM exchange.head")
        assert behind.expect_error("POSITION_GONE")
        while cursor:
            committee.ask(cursor)
            received = committee.receive()
            if received.type == wire.ERROR:
                break
            cursor = received.cursor
        assert wire.Error.Code.Name(received.code) == "CURSOR_BAD"
        committee.hello(snapshot=True)
        assert len(committee.snapshot()[1]) == 3040


def test_who_takes_a_snapshot_needs_no_place_when_the_database_is_back(exchange, health):
    publish(health, 0, 30)
    feed = "FROM pg_stat_activity WHERE application_name = 'dongbo feed'"
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        publish(health, 30, 40)
        exchange.cluster.rows("INSERT INTO exchange.trim (position) SELECT last_position FROM exchange.head")
        before = exchange.cluster.value(f"SELECT pid {feed}")
        exchange.cluster.rows("SELECT pg_terminate_backend(%s)", before)
        exchange.wait_until(f"SELECT count(*) {feed} AND pid <> {before}", 1)
        assert len(committee.snapshot()[1]) == 40


def filler(exchange, persons, records, between=1):
    """Records that make a snapshot long, of persons whose keys lie among the others'; nothing happens to them."""
    body = wire.Vaccination(vaccine_group="covid-19", dose_number=77, lot_number=LOT)
    record = wire.Record(body=body.SerializeToString(), origins=[wire.Origin(agency=1, fields=[1, 2, 4])])
    exchange.cluster.rows(
        "INSERT INTO population.citizen (person, citizen_number, full_name, birth_date, sex, residence_province)"
        " SELECT n * %s + 500, '0790' || lpad(n::text, 8, '0'), 'X', '2001-01-01', 'male',"
        " CASE WHEN n %% 2 = 0 THEN '01' ELSE '79' END FROM generate_series(1, %s) n", between, persons)
    exchange.cluster.rows(
        "INSERT INTO exchange.record_version SELECT n * %s + 500, 2, 'x' || chr(31) || lpad(i::text, 6, '0'), 0, false,"
        " %s FROM generate_series(1, %s) n, generate_series(1, %s) i", between, record.SerializeToString(), persons,
        records)
    return persons * records


@pytest.fixture
def centre(exchange):
    """Persons' keys are far apart, with others between them, so that events can come between a snapshot's chunks."""
    exchange.cluster.rows("ALTER SEQUENCE population.citizen_person_seq INCREMENT 1000")
    made = Centre(exchange)
    for name, words in COMMITTEES.items():
        exchange.committee(name, "health,population", f"{ALL_FIELDS},population.residence_province", *words)
    exchange.fillers = filler(exchange, PERSONS, 300, 1000) // PERSONS
    yield made
    made.close()


def held_of(held):
    return sorted((record.citizen_number, *body_of(record)) for record in held.values() if record.domain == 2)


def expected_of(exchange, life, words):
    provinces = words[1::2]
    return sorted(life.expected(provinces) + [
        (f"0790{n:08}", 77, LOT) for n in range(1, PERSONS + 1) for _ in range(exchange.fillers)
        if not provinces or ("01" if n % 2 == 0 else "79") in provinces])


def some_events(life, peers, n):
    for _ in range(n):
        code, said_now = life.batch()
        if said_now:
            publish_to(peers[code], said_now)


def publish_to(peer, said_now):
    """Until there is a receipt: what the broker that was killed had to say may still come."""
    first, kind = peer.next, None
    while peer.next == first:
        kind, _ = peer.publish(said_now)
        if kind != wire.RECEIPT:
            peer.hello_again()


def settle(centre):
    for waiting in ("exchange.person_link WHERE NOT moved", "exchange.retelling WHERE NOT told"):
        centre.exchange.wait_until(f"SELECT count(*) FROM {waiting}", 0)
    return centre.cluster.value("SELECT last_position FROM exchange.head")


@pytest.mark.parametrize("seed", range(int(os.environ.get("DONGBO_SEEDS", "2"))))
def test_copies_come_out_right_whatever_happens_between_chunks(centre, seed):
    """Persons move, are merged and get other numbers, and doses are told and withdrawn, between the chunks."""
    exchange, life = centre.exchange, Life(centre, seed)
    peers = {code: centre.peer(code) for code in ("NPC", "MOH")}
    peers["NPC"].publish([life.enter(of) for of in range(PERSONS)])
    some_events(life, peers, 15)
    copies = {}
    for name in COMMITTEES:
        committee, cursor, held, chunks = wire.subscriber(exchange, name), b"", {}, 0
        committee.hello(snapshot=True)
        while cursor is not None:
            committee.ask(cursor)
            chunk = committee.chunk()
            for data in chunk.records:
                record = wire.FeedRecord.FromString(data)
                held[record.record_id] = record
            cursor = None if chunk.done else chunk.cursor
            chunks += 1
            some_events(life, peers, 2)
            if cursor is not None and life.dice.random() < 0.3:
                committee.hello(snapshot=True)
        assert chunks > 1, "there was something to come between"
        committee.position = committee.previous = chunk.first.position
        copies[name] = committee, held
    some_events(life, peers, 3)
    head = settle(centre)
    assert centre.cluster.rows("SELECT * FROM exchange.exception") == []
    for name, words in COMMITTEES.items():
        committee, held = copies[name]
        committee.take_all(head)
        apply(held, committee.records)
        assert held_of(held) == expected_of(exchange, life, words), f"{name}, seed {seed}"
        # The exchange would give just this.
        chunks, again = committee.snapshot()
        assert held_of(again) == held_of(held), f"{name}, seed {seed}"
        committee.close()


@pytest.mark.parametrize("seed", [3])
def test_killed_in_the_middle(centre, seed):
    """Broker and receiver die while a sink is being filled and events arrive; what it holds is right in the end."""
    exchange, life = centre.exchange, Life(centre, seed)
    peers = {code: centre.peer(code) for code in ("NPC", "MOH")}
    peers["NPC"].publish([life.enter(of) for of in range(PERSONS)])
    some_events(life, peers, 10)
    copy, seen = Copy(exchange, "all"), set()
    for round_ in range(12):
        process = exchange.start(copy.command("--from", "snapshot"), exchange.directory / "all.log")
        some_events(life, peers, 1)
        process.wait_for(lambda: "snapshot from" in process.text(), "a session")
        try:  # until another chunk is stored, or a moment later
            process.wait_for(lambda: stored(exchange) not in seen, "a chunk", 0.05 + life.dice.random() / 2)
        except AssertionError:
            pass
        if life.dice.random() < 0.3:
            exchange.broker.kill()
            exchange.start_broker()
            for peer in peers.values():
                peer.hello_again()
        process.kill()
        seen.add(stored(exchange))
    settle(centre)
    copy.receive()
    rows = copy.rows("citizen_number, dose_number, coalesce(lot_number, '')")
    assert rows == expected_of(exchange, life, ()), f"seed {seed}"
    assert exchange.cluster.rows('SELECT * FROM "all".dongbo_snapshot') == []
    assert copy.reconcile() == "repaired: 0 missing, 0 stale, 0 extra"


def stored(exchange):
    if not exchange.cluster.value("SELECT to_regclass('\"all\".dongbo_snapshot') IS NOT NULL"):
        return None
    return tuple(bytes(row[0]) for row in exchange.cluster.rows('SELECT cursor FROM "all".dongbo_snapshot'))
