# SPDX-License-Identifier: Apache-2.0
"""Agents that send and never read cost the broker a bounded piece of memory, whatever they have it say; others go on
meanwhile, and what was dropped is told again to whoever asks and reads."""
import people
import wire
from conftest import SANITIZED

EVENTS = 1024            # BATCH_EVENTS_MAX
ROUNDS = 660 if SANITIZED else 440  # more in all than twice what the broker may grow by
UNREAD_KIB = 16 * 1024   # UNREAD_BYTES
GROWTH_KIB_MAX = UNREAD_KIB + (24 if SANITIZED else 8) * 1024


def bad_batch():
    """Every event is rejected for many reasons, so that the answer is as large as one can be."""
    return [wire.event("MOH", f"row-{n}", wire.Subject(full_name="x"), health={"dose_number": 4000000000},
                       cleared_fields=[1, 2, 3]) for n in range(EVENTS)]


def unread_after(exchange, speak, healthy):
    """Says something over and over, never reading, between two batches of an agent that behaves."""
    sizes = []
    for n in range(ROUNDS):
        speak()
        code = f"PE{n:06}"
        assert healthy.publish([wire.event("EVN", code, people.subject(n % 100), electricity={
            "customer_code": code, "status": "active"})]).verdicts().popitem()[1] == "ACCEPTED"
        sizes.append(exchange.broker.rss_kib())
    return sizes


def assert_bounded(sizes):
    # The first rounds fill what every peer's messages pass through.
    assert max(sizes) - sizes[20] < GROWTH_KIB_MAX, sizes[::20]


def read_all(mute):
    n = 0
    while mute.socket.poll(2000):
        n += len(mute.socket.recv())
    return n


def mute_peer(exchange, **options):
    return wire.publisher(exchange, "MOH", rcvhwm=1, rcvbuf=4096, **options)


def start(exchange):
    exchange.load_population(people.citizens(100))
    exchange.agency("MOH", "health", [])
    exchange.agency("EVN", "electricity", [])
    exchange.agency("VSS", "social_security", [])
    exchange.start_broker()


def test_receipts_that_are_not_read(watched_size, exchange):
    """The same batch over and over: each time it is answered with all its verdicts."""
    start(exchange)
    with mute_peer(exchange) as mute, wire.publisher(exchange, "EVN") as healthy:
        mute.hello()
        healthy.hello()
        sealed = mute.send_batch(bad_batch())
        receipt = len(mute.receipt().body.SerializeToString())
        assert receipt * ROUNDS > 2 * 1024 * GROWTH_KIB_MAX, receipt
        sizes = unread_after(exchange, lambda: mute.send_sealed(sealed, 1), healthy)
        assert_bounded(sizes)
        assert "does not read" in (exchange.directory / "broker.log").read_text()
        assert 1024 * UNREAD_KIB / 2 < read_all(mute) <= 1024 * UNREAD_KIB + 65536
        mute.say_hello()
        mute.expect_error("INTERNAL")
        with wire.publisher(exchange, "MOH", stream=mute.stream) as again:
            assert again.hello().last_sequence == EVENTS
            again.send_sealed(sealed, 1)
            assert again.receipt().body.duplicate


def test_verdicts_that_are_not_read(watched_size, exchange):
    """Hello over and over: what was missed is told once what was sent before is known to be read."""
    start(exchange)
    with (mute_peer(exchange) as mute, wire.publisher(exchange, "EVN") as healthy,
          wire.publisher(exchange, "VSS") as other):
        mute.hello()
        healthy.hello()
        mute.publish(bad_batch())

        def greet():
            mute.say_hello()
            for peer in (healthy, other):  # verdicts are read for one after the other
                peer.hello()
        sizes = unread_after(exchange, greet, healthy)
        assert_bounded(sizes)
        assert read_all(mute) <= 1024 * UNREAD_KIB + 65536
        with wire.publisher(exchange, "MOH", stream=mute.stream) as again:
            again.hello()
            while len(again.later) < EVENTS:
                assert again.receive(0.5) is None
