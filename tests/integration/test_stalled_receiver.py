# SPDX-License-Identifier: Apache-2.0
"""Receivers that stop reading for a whole run, each in another way, cost the broker a cursor and no memory: another
receiver gets everything meanwhile, and they get everything afterwards."""
import os
import signal

import logbook
import people
import wire
from conftest import SANITIZED

CITIZENS = 5000                # so many that nobody gets more than eight doses: others of a person are read, too
BATCH = 360                    # events; about 140 KiB
WARM_BATCHES = 35              # until every buffer has its size and every stalled receiver its credit's worth
BATCHES = 110
CREDIT_MAX = 4 * 1024 * 1024   # SUBSCRIBE_CREDIT_BYTES: what may be under way to one receiver
# What three receivers did not read of the run after its warm-up is more than 25 MiB. The bound is far below that, and
# above what the allocator's threads may still spread; ASan's spreads about 20 MiB before it stays where it is.
GROWTH_KIB_MAX = (24 if SANITIZED else 8) * 1024
FIELDS = "citizen_number,health.*"
LONG = {"lot_number": "L" * 60, "facility_code": "F" * 60}


def batch(n):
    """Every event changes a record of its own: another dose, or another lot than before."""
    events = []
    for serial in range(n * BATCH, (n + 1) * BATCH):
        person, number = serial % CITIZENS, 1 + serial // CITIZENS % people.DOSES
        events.append(people.dose(person, number, key=f"vac-{serial}", body=people.dose_body(
            number, **{**LONG, "lot_number": f"{serial:060}"}), event_time_us=1640000000000000 + serial))
    return events


class Bystanders:
    """One that takes all, and three that stall: `frozen` is a program that is stopped, so that its side of TCP takes
    nothing; `mute` talks on but never takes a frame; `lazy` reads, but gives credit once and acknowledges nothing."""

    def __init__(self, exchange):
        self.exchange = exchange
        for name in ("healthy", "frozen", "mute", "lazy"):
            exchange.committee(name, "health", FIELDS)

    def start(self):
        self.healthy = self.exchange.receivers["healthy"].start()
        self.frozen = self.exchange.receivers["frozen"].start()
        self.mute = wire.subscriber(self.exchange, "mute", rcvhwm=1, rcvbuf=4096)
        self.lazy = wire.subscriber(self.exchange, "lazy")
        for peer, credit in ((self.mute, 1 << 40), (self.lazy, 64 * 1024)):
            peer.hello()
            peer.credit(credit)

    def freeze(self):
        """Once it has a session."""
        self.exchange.broker.wait_for(lambda: "subscription frozen from position" in
                                      (self.exchange.directory / "broker.log").read_text(), "the receiver's session")
        os.kill(self.frozen.popen.pid, signal.SIGSTOP)

    def go_on(self):
        """Between two batches: what is still said, and read."""
        self.mute.send(wire.PING, wire.Ping(nonce=1))
        while self.lazy.socket.poll(0):
            self.lazy.receive(0.001)
        self.lazy.send(wire.PING, wire.Ping(nonce=2))


def wait_acked(exchange, name, position, seconds=60):
    exchange.wait_until(f"SELECT coalesce(max(p.acked), 0) >= {position} FROM exchange.subscription s "
                        f"JOIN exchange.subscription_position p USING (subscription) WHERE s.name = '{name}'", True,
                        seconds)


def test_broker_keeps_nothing_of_what_is_not_read(watched_size, exchange):
    exchange.load_population(people.citizens(CITIZENS))
    exchange.agency("MOH", "health", ["vaccinations"])
    stalled = Bystanders(exchange)
    exchange.start_broker()
    stalled.start()
    stalled.freeze()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        sizes = []
        for n in range(BATCHES):
            stored = moh.publish(batch(n))
            assert not stored.said, "every event is new"
            stalled.go_on()
            sizes.append(exchange.broker.rss_kib())
        head = stored.body.last_position
    # While three do not read, the fourth gets everything.
    wait_acked(exchange, "healthy", head)
    warm = max(sizes[:WARM_BATCHES])
    assert max(sizes) - warm < GROWTH_KIB_MAX, f"the broker grew from {warm} to {max(sizes)} KiB: {sizes[::20]}"

    check_mute(stalled.mute)
    check_afterwards(exchange, stalled, head)


def check_mute(mute):
    """No more than its credit was ever under way to it, however much it asked for."""
    under_way, sessions = 0, {mute.session}
    while mute.socket.poll(2000):
        frame = wire.Received(mute.socket.recv())
        sessions.add(frame.session)
        under_way += len(frame.body) if frame.type == wire.RECORDS else 0
    assert under_way <= CREDIT_MAX
    assert sessions == {mute.session}
    mute.close()


def check_afterwards(exchange, stalled, head):
    """They go on where they were, and miss nothing."""
    os.kill(stalled.frozen.popen.pid, signal.SIGCONT)
    wait_acked(exchange, "frozen", head)
    for process in (stalled.healthy, stalled.frozen):
        assert process.stop() == 0
    log = logbook.Logbook(exchange.cluster)
    records = exchange.receivers["frozen"].records()
    assert log.check_received("frozen", records) == BATCH * BATCHES
    expected = [record["position"] for record in records]
    assert [record["position"] for record in exchange.receivers["healthy"].records()] == expected
    stalled.lazy.close()
    for name in ("mute", "lazy"):
        with wire.subscriber(exchange, name) as again:
            assert again.hello().position == 0
            again.take_all(head)
            assert [record.position for record in again.records] == expected
