# SPDX-License-Identifier: Apache-2.0
"""Sessions and who may have one: what a slow database, a lost notification or a key taken back may do to them."""
import contextlib
import os
import signal
import time

import pytest

import conftest
import people
import wire

GREETING_SECONDS = 3  # GREETING_MS
HELLO_SECONDS = 5     # HELLO_MS
SOON = 10


@pytest.fixture
def moh(exchange):
    """An exchange with a broker and the Ministry of Health."""
    exchange.load_population(people.citizens(100))
    exchange.agency("MOH", "health", [])
    exchange.start_broker()
    return exchange


@contextlib.contextmanager
def frozen(exchange, name):
    """The database's side of one of the broker's sessions stands still. Ends with the block."""
    pids = [pid for pid, in exchange.cluster.rows("SELECT pid FROM pg_stat_activity WHERE application_name = %s", name)]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def second_broker(exchange):
    """Starts another one on the same database; its publish endpoint."""
    config = (exchange.directory / "broker.yaml").read_text()
    path, ready = exchange.directory / "second.yaml", exchange.directory / "second.ready"
    path.write_text(config.replace("/publish", "/publish2").replace("/subscribe", "/subscribe2")
                    .replace("broker.ready", ready.name))
    process = exchange.start([conftest.BUILD / "broker/dongbo-broker", "--config", path],
                             exchange.directory / "second.log")
    process.wait_for(ready.exists, "the second broker's start")
    return f"{exchange.publish}2"


# ---- publishing ----------------------------------------------------------------------------------------------------

def test_a_hello_that_was_given_up_fences_nobody(moh):
    """The first broker's database stands still; the agent goes to the second one. Then the first one wakes up."""
    with wire.publisher(moh, "MOH") as first:
        first.hello()  # the broker has its session with the database
        other = second_broker(moh)
        stream = os.urandom(16)
        with frozen(moh, "dongbo sessions"), wire.publisher(moh, "MOH", stream=stream) as left:
            left.say_hello()
            assert left.receive(HELLO_SECONDS) is None
        with wire.Publisher(other, first.keys, wire.keys_of(moh, "broker").curve_public, stream=stream) as agent:
            assert agent.hello().session_epoch == 1
            agent.publish([people.dose(1)])
            # What the first broker still had to do is done, once it answers the next who greets.
            assert first.hello().last_sequence == 0
            assert agent.publish([people.dose(2)]).verdicts() == {2: "ACCEPTED"}
        assert moh.cluster.value("SELECT session_epoch FROM exchange.stream WHERE stream = %s", stream) == 1


def test_who_greets_during_an_outage_is_told_in_time(moh):
    with wire.publisher(moh, "MOH") as peer:
        moh.cluster.stop("immediate")
        begin = time.monotonic()
        for _ in range(50):
            peer.say_hello()
        for _ in range(50):
            assert "database" in peer.expect_error("INTERNAL").text
        assert time.monotonic() - begin < HELLO_SECONDS
        moh.cluster.start()
        # None of those was kept for later.
        assert peer.hello().session_epoch == 1
        peer.publish([people.dose(3)])


# ---- subscribing ---------------------------------------------------------------------------------------------------

def test_a_revoked_key_receives_nothing_more(moh):
    """A subscription has two keys, and one is taken back: its session ends and it gets no other, though the other key's
    holder goes on."""
    moh.committee("hn", "health", "citizen_number,health.lot_number")
    both = (wire.keys_of(moh, "hn"), wire.keys_of(moh, "hn-new"))
    moh.cluster.rows("INSERT INTO exchange.key (key, purpose, subscription) SELECT %s, 'curve', subscription "
                     "FROM exchange.subscription WHERE name = 'hn'", both[1].curve_public)
    with wire.subscriber(moh, "hn", keys=both[0]) as revoked, wire.publisher(moh, "MOH") as peer:
        revoked.hello()
        revoked.credit(1 << 20)
        moh.cluster.rows("UPDATE exchange.key SET revoked_at = now() WHERE key = %s", both[0].curve_public)
        while (received := revoked.receive(SOON)).type == wire.WATERMARK:
            pass
        assert wire.Error.Code.Name(received.code) == "NOT_ALLOWED" and "key" in received.text
        revoked.say_hello()
        revoked.expect_error("NOT_ALLOWED")
        peer.hello()
        head = peer.publish([people.dose(1, body=people.dose_body(lot_number="SECRET"))]).body.last_position
        assert revoked.receive(2) is None
        with wire.subscriber(moh, "hn", keys=both[1]) as other:
            other.hello()
            other.take_all(head)
            assert len(other.records) == 1


def test_several_frames_end_the_sessions_of_the_connection(moh):
    moh.committee("hn", "health", "citizen_number,health.lot_number")
    with wire.subscriber(moh, "hn") as peer:
        for bad in ((b"a", b"b"), (b"DB rubbish",)):
            peer.hello()
            peer.send_frames(*bad)
            assert peer.expect(wire.ERROR).code == wire.Error.BAD_FRAME
            peer.credit(1 << 20)
            peer.expect_error("NO_SESSION")
