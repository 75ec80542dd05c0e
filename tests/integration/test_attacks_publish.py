# SPDX-License-Identifier: Apache-2.0
"""Attacks of an agency that has a key of its own: floods, replays, forged sequences, lies about time, bombs. Honest
peers go on meanwhile (attack.py), and in the end the whole log is checked."""
import contextlib
import os
import time

import pytest

import people
import wire
from attack import GROWTH_KIB, LATE, UNREAD_AGENCY_KIB, assert_greeted_in_time, attacked, open_attacked, short

BATCH_MAX = 256 * 1024
TOP = (1 << 64) - 1
BATCH_MIN = 124   # BATCH_BYTES_MIN
RECEIVE_HWM = 64  # SOCKET_RECEIVE_HWM
WORKS_AGENCY_MAX = 12
AGENCY_BATCHES = 32768  # PUBLISH_AGENCY_BATCHES


@pytest.fixture(scope="module")
def site(template):
    with open_attacked(template) as exchange:
        yield exchange


@pytest.fixture
def moh(site):
    with wire.publisher(site, "MOH") as peer:
        peer.hello()
        yield peer


def answers(peer, timeout=0.3):
    """Whatever comes until it is quiet: names of frames, errors and refusals."""
    said = []
    while (received := peer.receive(timeout)) is not None:
        said.append(name_of(received))
    return said


def greeted(peer):
    """The type of what a Hello is answered with."""
    peer.say_hello()
    assert peer.socket.poll(wire.TIMEOUT * 1000)
    return wire.Received(peer.socket.recv()).type


def name_of(received):
    if received.type == wire.ERROR:
        return wire.Error.Code.Name(received.code)
    return wire.Refusal.Code.Name(received.code) if received.type == wire.REFUSAL else wire.TYPE_NAMES[received.type]


def greeted_after(peer):
    """A session, by a Hello behind all that was sent; and what came before the answer to it."""
    said = []
    peer.say_hello()
    while True:
        assert peer.socket.poll(wire.TIMEOUT * 1000), said
        received = wire.Received(peer.socket.recv())
        if received.type in (wire.WELCOME_PUBLISH, wire.WELCOME_SUBSCRIBE):
            peer.session = received.session
            return said
        said.append(name_of(received))


# ---- Hello -----------------------------------------------------------------------------------------------------------

def test_a_flood_of_hellos(site):
    """So many at once and then so many a second; the rest is told to wait, and costs no database anything."""
    with attacked(site), wire.publisher(site, "VSS") as flood:
        epoch = flood.hello().session_epoch
        begin, n = time.monotonic(), short(2000, 50000)
        for _ in range(n):
            flood.say_hello()
        flood.session = 0
        said = answers(flood, 1)
        passed = time.monotonic() - begin
        assert said.count("TOO_OFTEN") > 500, len(said)
        opened = site.cluster.value("SELECT session_epoch FROM exchange.stream WHERE stream = %s", flood.stream) - epoch
        assert opened <= 1024 + 32 * (passed + 1)
    with wire.publisher(site, "VSS") as later:  # the agency's honest agents have what it is given each second
        deadline = time.monotonic() + 5
        while greeted(later) != wire.WELCOME_PUBLISH:
            assert time.monotonic() < deadline


def greeting_seconds(site):
    begin = time.monotonic()
    with wire.publisher(site, "EVN") as honest:
        honest.hello()
    return time.monotonic() - begin


def test_hellos_that_are_given_up(site):
    """A Hello, and rubbish that ends its session before it is opened, over and over: what the database is still asked
    for is counted, so that others are greeted in time."""
    with attacked(site), wire.publisher(site, "MPS") as flood:
        before = [greeting_seconds(site) for _ in range(5)]
        for _ in range(short(300, 3000)):
            for _ in range(3):
                flood.say_hello(stream=os.urandom(16))
            flood.send_frames(b"rubbish")
            with_answer = flood.receive(0)
            assert with_answer is None or with_answer.type in (wire.ERROR, wire.WELCOME_PUBLISH)
        first = greeting_seconds(site)
        assert_greeted_in_time(before, first, [greeting_seconds(site) for _ in range(5)])


# ---- replays and sequences -------------------------------------------------------------------------------------------

def stored(site):
    return site.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 1 AND agency = "
                              "(SELECT agency FROM exchange.agency WHERE code = 'MOH')")


def test_recorded_batches_are_of_no_use_elsewhere(site, moh):
    """Somebody's signed bytes, said again in another stream, by another agency, in another session, elsewhere in their
    own stream: only in their own place they are answered, with what was said then."""
    with attacked(site):
        sealed = moh.send_batch([people.dose(1, 2), people.dose(2, 2)])
        first = moh.receipt().body
        before = stored(site)
        with wire.publisher(site, "MOH") as other:
            other.hello()
            other.send_sealed(sealed, 1)
            other.expect_error("BAD_FRAME")
        with wire.publisher(site, "EVN") as thief:
            thief.hello()
            thief.send_sealed(sealed, 1)
            thief.expect_refusal("BAD_SIGNATURE")
            thief.say_hello(stream=moh.stream)
            thief.expect_error("NOT_ALLOWED")
            header = wire.SealedBatch.FromString(sealed).header
            forged = wire.BatchHeader.FromString(header)
            thief.hello()
            forged.stream, forged.key_id = thief.stream, thief.keys.key_id
            batch = wire.SealedBatch.FromString(sealed)
            batch.header = forged.SerializeToString()
            thief.send_sealed(batch.SerializeToString(), 1)
            thief.expect_refusal("BAD_SIGNATURE")
        moh.send_sealed(sealed, 3)
        moh.expect_error("BAD_FRAME")
        older = moh.session
        moh.hello()
        moh.session, newer = older, moh.session
        moh.send_sealed(sealed, 1)
        moh.expect_error("NO_SESSION")
        moh.session = newer
        moh.send_sealed(sealed, 1)
        again = moh.receipt().body
        assert again.duplicate and again.batch_root == first.batch_root
        assert stored(site) == before


SEQUENCES = {"zero": 0, "a gap": 3, "far ahead": 1 << 40, "2^63 - 1": (1 << 63) - 1, "2^63": 1 << 63,
             "the last": TOP, "over the end": TOP - 1}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_forged_sequences(site, moh, kind):
    """None is stored, each is answered, and the stream goes on where it was."""
    with attacked(site):
        moh.publish([people.dose(10, 3)])
        before = stored(site)
        moh.send_batch([people.dose(n, 3) for n in (11, 12, 13)], first=SEQUENCES[kind])
        received = moh.receive()
        assert received.type in (wire.REFUSAL, wire.ERROR), repr(received)
        if received.type == wire.ERROR:
            moh.hello()
        else:
            assert received.expected_sequence == 2, repr(received)
        assert stored(site) == before and moh.last == 1
        assert moh.publish([people.dose(14, 3)]).body.first_sequence == 2


COUNTS = {"none": 0, "too many": 1025, "two more": 3, "2^32 - 1": (1 << 32) - 1}


@pytest.mark.parametrize("kind", COUNTS)
def test_forged_counts(site, moh, kind):
    """What cannot be read but is signed takes its range; none takes what it has no room for."""
    with attacked(site):
        moh.send_batch([people.dose(20, 3)], count=COUNTS[kind])
        received = moh.receive()
        assert received.type in (wire.REFUSAL, wire.ERROR, wire.RECEIPT), repr(received)
        last = site.cluster.value("SELECT last_sequence FROM exchange.stream WHERE stream = %s", moh.stream)
        assert last <= 3
        moh.hello()
        assert moh.publish([people.dose(21, 3)]).body.first_sequence == last + 1


# ---- lies about time -------------------------------------------------------------------------------------------------

TIMES = {"long ago": -(1 << 63), "before 1970": -1, "never": 0, "year 1": -62135596800000000,
         "a quarter of an hour ahead": None, "year 9999": 253402300799000000, "beyond": (1 << 63) - 1}


def test_lies_about_time(site, moh):
    """An event's time is judged by the exchange's clock, and stored only where it is one; when a batch says that it was
    sealed decides nothing."""
    with attacked(site):
        said = {kind: wire.now_us() + 900 * 1000000 if at is None else at for kind, at in TIMES.items()}
        done = moh.publish([people.dose(30 + n, 4, event_time_us=at) for n, at in enumerate(said.values())])
        verdicts = dict(zip(said, done.verdicts().values()))
        for kind in ("a quarter of an hour ahead", "year 9999", "beyond"):
            assert verdicts[kind] == "REJECTED", verdicts
        assert verdicts["long ago"] == verdicts["year 1"] == "REJECTED", verdicts
        for n, at in enumerate((-(1 << 63), -1, 0, 1, (1 << 63) - 1)):
            done = moh.publish([people.dose(40 + n, 4)], sealed_at_us=at)
            assert abs(done.body.stored_at_us - wire.now_us()) < 10000000


# ---- bombs -----------------------------------------------------------------------------------------------------------

def nested(field, depth):
    body = b""
    for _ in range(depth):
        body = bytes([field << 3 | 2]) + varint(len(body)) + body
    return body


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


MANY = 300000
BOMBS = {
    "empty submessages": b"".join(bytes([field << 3 | 2, 0]) * (MANY // 12) for field in range(1, 13)),
    "one field again and again": b"\x22\x00" * MANY,
    "unknown fields": b"\xf8\x7f\x01" * MANY,
    "a long unknown field": b"\xfa\x7f" + varint(1000000) + bytes(1000000),
    "deep": nested(4, 15000),
    "deep in each": b"".join(nested(field, 300) for field in range(1, 13)),
    "numbers packed": b"\x42" + varint(1000000) + b"\x01" * 1000000,
    "varints without end": b"\x08" + b"\xff" * 1000000,
    "groups": b"\x0b" * MANY,
    "lengths beyond the end": (b"\x0a" + varint(1 << 31)) * 1000,
    "a string of control characters": b"\x12" + varint(1000) + b"\x01" * 1000,
    "zeros": bytes(1000000),
}
KINDS = sorted(wire.TYPE_NAMES)


@pytest.mark.parametrize("port", ["publish", "subscribe"])
@pytest.mark.parametrize("kind", BOMBS)
def test_bombs(site, kind, port):
    """Each as the body of every frame there is, within a session and without: what would cost much to decode is not
    decoded."""
    body = BOMBS[kind]
    assert len(body) <= 1 << 20
    with attacked(site, growth_kib=GROWTH_KIB + RECEIVE_HWM * 1024):  # so many frames may wait to be looked at
        peer = wire.publisher(site, "MOH") if port == "publish" else wire.subscriber(site, "list")
        with peer:
            for frame in KINDS:
                peer.session = 0
                peer.send(frame, body=body)
            said = greeted_after(peer)
            for frame in KINDS:
                peer.send(frame, body=body)
            said += greeted_after(peer)
            assert said.count("NO_SESSION") + said.count("BAD_FRAME") >= len(KINDS), said
            assert not {"Receipt", "Followed", "Chunk"} & set(said), said


def test_bombs_that_are_signed(site, moh):
    """A batch of as many events as one may have, each a bomb: every one is rejected alone, or the batch is unreadable,
    and the stream goes on."""
    with attacked(site):
        for kind, body in BOMBS.items():
            room = min(len(body), 16 * 1024)
            events = [body[:room]] * min(1024, (BATCH_MAX - 4096) // (room + 32))
            done = moh.publish(events)
            assert set(done.verdicts().values()) == {"REJECTED"}, kind
            assert done.body.last_sequence == moh.last
        assert moh.publish([people.dose(50, 4)]).verdicts() == {moh.last: "ACCEPTED"}


# ---- much at once ----------------------------------------------------------------------------------------------------

def test_thousands_of_open_batches(site):
    """Over many sessions, without waiting for an answer: what is taken is stored once, what is not is refused, and
    all of it is answered."""
    sessions, n = short(20, 100), short(1000, 10000)
    peers = [wire.publisher(site, "MOH") for _ in range(sessions)]
    try:
        # In the long form as many answers are not read as may be.
        with attacked(site, growth_kib=short(0, UNREAD_AGENCY_KIB) + GROWTH_KIB):
            for peer in peers:
                peer.hello()
            each = n // sessions
            for number in range(1, each + 1):
                for i, peer in enumerate(peers):
                    peer.send_batch([people.dose((number + i) % 200, 5 + i % 40)], first=number)
            last, answered = [0] * sessions, 0
            for _ in range(each):
                for i, peer in enumerate(peers):  # in turn, or who waits for long is asked and does not answer
                    received = peer.receive()
                    answered += 1
                    if received.type == wire.RECEIPT:
                        body = wire.ReceiptBody.FromString(received.message.body)
                        assert body.first_sequence == last[i] + 1
                        last[i] = body.last_sequence
                    else:
                        assert received.type == wire.REFUSAL, repr(received)
            assert last == [site.cluster.value("SELECT last_sequence FROM exchange.stream WHERE stream = %s",
                                               peer.stream) for peer in peers]
            assert answered == each * sessions
    finally:
        for peer in peers:
            peer.close()


def flood(peer, body, n):
    """So many batches of this; all that they were answered with, once the broker has read the last of them."""
    batch = wire.frame(wire.BATCH, body, peer.session, 1)
    for _ in range(n):
        peer.send_frames(batch)
    said, end = [], time.monotonic() + wire.TIMEOUT
    while "BAD_VERSION" not in said:  # which is what none of them is answered; not said while too much is unread
        assert time.monotonic() < end, said[-5:]
        peer.send_frames(wire.frame(wire.PING, version=2))
        said += answers(peer)
    return said


def test_batches_of_next_to_nothing(site, moh):
    """Short ones, or none, while none can be stored: within their credit any number could wait. Those that can be no
    batch end their session at once, others are refused beyond the number that an agency may have, over all of its
    sessions. What each costs, beside its bytes, is less than a KiB."""
    with contextlib.ExitStack() as peers, attacked(site, late=8 * LATE, growth_kib=GROWTH_KIB + AGENCY_BATCHES):
        nothing, *short_ones = (peers.enter_context(wire.publisher(site, "MOH")) for _ in range(5))
        for peer in (nothing, *short_ones):
            peer.hello()
        with site.cluster.holding("SELECT exchange.lock_log()"):
            for n in range(WORKS_AGENCY_MAX):
                moh.send_batch([people.dose(n, 7)], first=n + 1)
            before = site.broker.rss_kib()
            assert "BAD_FRAME" in flood(nothing, b"", 100000)
            for peer in short_ones:
                assert "OVERLOADED" in flood(peer, os.urandom(BATCH_MIN), AGENCY_BATCHES)
            grown = site.broker.rss_kib() - before
        assert grown < GROWTH_KIB + AGENCY_BATCHES, grown
        assert [moh.receipt().body.last_sequence for _ in range(WORKS_AGENCY_MAX)] == list(range(1, 13))
    with wire.publisher(site, "MOH") as later:
        later.hello()
        later.publish([people.dose(61, 4)])


def test_pings_without_end(site, moh):
    """Never reading what they are answered."""
    with attacked(site):
        ping = wire.frame(wire.PING, wire.Ping(nonce=1).SerializeToString(), session=moh.session)
        end = time.monotonic() + short(1, 30)
        while time.monotonic() < end:
            moh.send_frames(ping)
    with wire.publisher(site, "MOH") as later:
        later.hello()
        later.publish([people.dose(60, 4)])
