# SPDX-License-Identifier: Apache-2.0
"""What a wrong subscriber gets: an answer that says what to do, whatever it says wrongly. A reader beside it gets its
records within the usual time, and the culprit's next honest session works."""
import statistics
import time

import pytest
import zmq

import conftest
import people
import wire

FIELDS = "citizen_number,health.vaccine_group,health.dose_number"
FRAME_MAX = 24 + 1024 * 1024
CREDIT_MAX = 4 * 1024 * 1024   # SUBSCRIBE_CREDIT_BYTES
LATE = 1                       # seconds; the usual time is a few milliseconds


class Beside:
    """An agency and a reader that go on meanwhile."""

    def __init__(self, site):
        self.serial = 0
        self.moh = wire.publisher(site, "MOH")
        self.reader = wire.subscriber(site, "beside")
        self.moh.hello()
        self.reader.hello()
        self.usual = statistics.median(self.record_comes() for _ in range(10))

    def record_comes(self):
        """Seconds from sending an event to its record, receipt or not."""
        self.serial += 1
        begin = time.monotonic()
        self.moh.send_batch([people.dose(self.serial % 200, 1 + self.serial // 200)])
        n = len(self.reader.records)
        self.reader.credit(64 * 1024)
        while len(self.reader.records) == n:
            self.reader.take()
        taken = time.monotonic() - begin
        self.reader.ack()
        self.moh.receipt()
        return taken

    def close(self):
        self.moh.close()
        self.reader.close()


@pytest.fixture(scope="module")
def site(template):
    with conftest.open_site(template) as exchange:
        exchange.load_population(people.citizens(200))
        exchange.agency("MOH", "health", [])
        for name in ("wrong", "other", "beside"):
            exchange.committee(name, "health", FIELDS)
        exchange.start_broker()
        exchange.beside = Beside(exchange)
        yield exchange
        exchange.beside.close()


@pytest.fixture
def wrong(site):
    """A subscriber that will say something wrong. Around it nobody is harmed."""
    site.beside.record_comes()
    with wire.subscriber(site, "wrong") as peer:
        yield peer
    took = site.beside.record_comes()
    assert took < LATE, f"{took} s, usually {site.beside.usual} s"
    with wire.subscriber(site, "wrong") as honest:
        honest.hello()
        honest.take_all(honest.welcome.head.position)
        assert site.broker.running()


def head_of(site):
    return site.cluster.value("SELECT last_position FROM exchange.head")


# ---- Hello -------------------------------------------------------------------------------------------------------

HELLOS = {
    "unknown subscription": ({"subscription": "nobody's"}, "UNKNOWN_SUBSCRIPTION", '"wrong"'),
    "another's subscription": ({"subscription": "other"}, "UNKNOWN_SUBSCRIPTION", '"wrong"'),
    "no subscription": ({"subscription": ""}, "UNKNOWN_SUBSCRIPTION", '"wrong"'),
    "other version": ({"protocol_version": 9}, "BAD_VERSION", "version 1"),
    "position in the future": ({"from_position": 1 << 40}, "TOKEN_AHEAD", "ends at"),
    "position beyond all": ({"from_position": (1 << 64) - 1}, "TOKEN_AHEAD", "ends at"),
    "share beyond": ({"share": 3, "shares": 2}, "NOT_ALLOWED", "no share 3 of 2"),
}


@pytest.mark.parametrize("kind", HELLOS)
def test_wrong_hellos(wrong, kind):
    fields, code, says = HELLOS[kind]
    wrong.say_hello(**fields)
    assert says in wrong.expect_error(code).text


def test_tokens_of_no_place(site, wrong):
    for position, code in [(1 << 40, "TOKEN_AHEAD"), (1, "TOKEN_MISMATCH")]:
        for digest in (bytes(32), b"", bytes(31)):
            wrong.say_hello(token=wire.ResumeToken(epoch=1, position=position, segment_hash=digest))
            wrong.expect_error(code)
    wrong.say_hello(token=wire.ResumeToken(epoch=7, position=1, segment_hash=bytes(32)))
    wrong.expect_error("TOKEN_MISMATCH")
    wrong.hello(from_time_us=1 << 62)  # a time to come: what comes from now on
    assert wrong.position == wrong.welcome.head.position


def test_a_second_consumer_of_the_same_name(site, wrong):
    wrong.hello()
    with wire.subscriber(site, "wrong") as second:
        second.hello()
        assert "Another receiver" in wrong.expect_error("SESSION_REPLACED").text
        wrong.send(wire.CREDIT, wire.Credit(bytes=1 << 20))
        wrong.expect_error("NO_SESSION")
        second.take_all(second.welcome.head.position)


# ---- Ack and Credit ------------------------------------------------------------------------------------------------

def test_acknowledged_before_it_was_sent(site, wrong):
    for beyond in (1, 1 << 40, (1 << 64) - 1):
        wrong.hello(from_start=True)
        wrong.send(wire.ACK, wire.Ack(position=min(head_of(site) + beyond, (1 << 64) - 1)))
        assert "not sent yet" in wrong.expect_error("OUT_OF_ORDER").text
    wrong.hello(from_start=True)
    wrong.send(wire.ACK, wire.Ack(position=head_of(site)))  # is there, and was not sent for want of credit
    wrong.expect_error("OUT_OF_ORDER")


def test_acknowledging_backwards_forgets_nothing(site, wrong):
    wrong.hello(from_start=True)
    head = head_of(site)
    wrong.take_all(head)
    for position in (1, 0, head):
        wrong.send(wire.ACK, wire.Ack(position=position))
    wrong.send(wire.PING, wire.Ping(nonce=5))
    assert wrong.expect(wire.PONG).nonce == 5  # no error came
    wrong.hello(token=None)
    assert wrong.position == head


def test_credit_beyond_all_bounds_is_bounded(site, wrong):
    wrong.hello(from_start=True)
    wrong.allowed = (1 << 64) - 1
    wrong.send(wire.CREDIT, wire.Credit(bytes=wrong.allowed))
    head = head_of(site)
    while wrong.position < head:
        wrong.take()
    assert wrong.taken <= CREDIT_MAX and wrong.records
    # Going back changes nothing: what was allowed is allowed.
    for credit in (0, 1, wrong.taken - 1):
        wrong.send(wire.CREDIT, wire.Credit(bytes=credit))
    n = len(wrong.records)
    site.beside.record_comes()
    while len(wrong.records) == n:
        wrong.take()


def test_credit_that_no_record_fits_into(wrong):
    wrong.hello(from_start=True)
    wrong.credit(100)
    wrong.send(wire.PING, wire.Ping(nonce=6))
    while (received := wrong.receive()).type == wire.WATERMARK:
        wrong.take_frame(received)
    assert received.nonce == 6  # no record before it
    wrong.credit(1 << 20)
    wrong.take_all(wrong.welcome.head.position)
    assert wrong.records


# ---- frames --------------------------------------------------------------------------------------------------------

OUT_OF_STATE = [wire.CREDIT, wire.ACK, wire.PING, wire.SNAPSHOT, wire.RECORDS, wire.BATCH,
                wire.HELLO_PUBLISH]


def test_frames_before_hello(wrong):
    for kind in OUT_OF_STATE:
        wrong.send(kind)
        assert "Hello" in wrong.expect_error("NO_SESSION").text, kind
    for kind in (wire.GOODBYE, wire.PONG):
        wrong.send(kind)  # no answer
    wrong.session = 12345
    wrong.send(wire.ACK)
    wrong.session = 0
    wrong.expect_error("NO_SESSION")


@pytest.mark.parametrize("kind", [wire.RECORDS, wire.WATERMARK, wire.WELCOME_SUBSCRIBE, wire.BATCH, wire.RECEIPT,
                                  wire.ERROR, wire.CHUNK])
def test_frames_that_are_not_a_subscribers(wrong, kind):
    wrong.hello()
    wrong.send(kind)
    wrong.expect_error("BAD_FRAME")
    wrong.send(wire.PING)
    wrong.expect_error("NO_SESSION")


def test_bodies_that_do_not_decode(wrong):
    for kind in (wire.CREDIT, wire.ACK, wire.PING):
        for body in (b"\xff", b"\x08", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x08\x01\x08\x02"):
            wrong.hello()
            wrong.send(kind, body=body)
            wrong.expect_error("BAD_FRAME")
    for body in (b"\xff", b"\x12\x04abc", b"\x12\x02\xff\xfe"):
        wrong.session = 0
        wrong.send(wire.HELLO_SUBSCRIBE, body=body)
        wrong.expect_error("BAD_FRAME")


def test_empty_and_giant_frames(site, wrong):
    wrong.hello()
    wrong.send_frames(b"")
    wrong.expect_error("BAD_FRAME")
    wrong.hello()
    wrong.send(wire.ACK, body=bytes(FRAME_MAX - 24))  # the largest
    wrong.expect_error("BAD_FRAME")
    before = site.broker.rss_kib()
    for size in (FRAME_MAX + 1, 32 << 20):
        with wire.subscriber(site, "wrong") as giant:
            giant.hello()
            giant.send_frames(bytes(size))
            giant.wait_event(zmq.EVENT_DISCONNECTED)
    assert site.broker.rss_kib() - before < 32 * 1024


def test_hello_over_and_over(site, wrong):
    """Each one begins a session and ends the one before; others wait for none of them."""
    for _ in range(100):
        wrong.say_hello(from_start=True)
    took = site.beside.record_comes()
    assert took < 2 * LATE, f"{took} s"
    said = []
    while said.count(wire.WELCOME_SUBSCRIBE) < 100:
        assert wrong.socket.poll(20000)
        said.append(wire.Received(wrong.socket.recv()).type)
    assert said.count(wire.ERROR) == 99
