# SPDX-License-Identifier: Apache-2.0
"""Snapshots as a subscriber takes them: what it holds after one, with the feed behind it, is what it may see, whatever
happened meanwhile; what it asks in the wrong way gets a reason."""
import hashlib

import pytest

import people
import wire
from conftest import BUILD
from test_population_events import body_of

N = 300
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"


@pytest.fixture
def health(exchange):
    exchange.load_population(people.citizens(N))
    exchange.agency("MOH", "health", [])
    exchange.committee("hn", "health", FIELDS)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        yield peer


def publish(peer, first, last, number=1):
    for n in range(first, last, 50):
        peer.publish([people.dose(i, number) for i in range(n, min(n + 50, last))])


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
    with wire.subscriber(exchange, "hn") as committee:
        committee.hello(snapshot=True)
        committee.credit(1 << 20)
        chunks, held = committee.snapshot()
        assert said(held) == expected((0, 200, 1))
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


def test_only_those_who_are_followed(exchange, health):
    exchange.committee("fund", "health", FIELDS, "--followed-only")
    publish(health, 0, 20)
    with wire.subscriber(exchange, "fund") as committee:
        committee.hello(snapshot=True)
        assert committee.snapshot()[1] == {}
        committee.follow(add=[people.citizen(n)["citizen_number"] for n in (3, 5)])
        exchange.wait_until("SELECT count(*) FROM exchange.follow_request", 0)
        assert said(committee.snapshot()[1]) == expected((3, 4, 1), (5, 6, 1))


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
        return done

    def reconcile(self, *words):
        done = self.exchange.run(*self.command("--reconcile", "--timeout", 20, *words))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, columns="citizen_number, dose_number", table="health"):
        return sorted(self.exchange.cluster.rows(f"SELECT {columns} FROM {self.name}.{table}"))

    def run_sql(self, sql):
        self.exchange.cluster.rows(sql)


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
