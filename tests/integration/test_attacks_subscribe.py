# SPDX-License-Identifier: Apache-2.0
"""Attacks of a subscriber that has a key of its own, or somebody else's: floods of every frame that it may send, credit
without end and nothing read. Honest peers go on meanwhile (attack.py)."""
import contextlib
import os
import time

import pytest

import people
import wire
from attack import GROWTH_KIB, UNREAD_AGENCY_KIB, attacked, open_attacked, short

CREDIT_MAX = 4 * 1024 * 1024  # SUBSCRIBE_CREDIT_BYTES
FOLLOW_REQUESTS_MAX = 8
UNREAD_BYTES, FRAME_BODY_BYTES_MAX = 16 * 1024 * 1024, 1024 * 1024
UNREAD_PING_BYTES = 64 * 1024
BASE_US, LOT = 1640000000000000, "L" * 48 + "{:012}"


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def many(batches, each):
    """Changes of 200 records, over and over, whose bytes are written once for each record and then changed a little."""
    like = []
    for n in range(200):
        data = people.dose(n, 1, body=people.dose_body(1, lot_number=LOT.format(0), facility_code="F" * 60),
                           event_time_us=BASE_US)
        like.append((data, wire.ChangeEvent.FromString(data).event_id))
    for batch in range(batches):
        events = []
        for serial in range(batch * each + 1, (batch + 1) * each + 1):
            data, event_id = like[serial % 200]
            events.append(data.replace(event_id, os.urandom(16)).replace(varint(BASE_US), varint(BASE_US + serial))
                          .replace(LOT.format(0).encode(), LOT.format(serial).encode()))
        yield events


@pytest.fixture(scope="module")
def site(template):
    with open_attacked(template) as exchange:
        with wire.publisher(exchange, "MOH") as moh:
            moh.hello()
            for events in many(40, 600):  # some 6 MB of records for whoever reads from the start
                assert not moh.publish(events).said
        with wire.subscriber(exchange, "wrong") as reader:  # what reading passes through has its size, too
            reader.hello(from_start=True)
            reader.take_all(reader.welcome.head.position)
        yield exchange


def codes(peer, timeout=0.3):
    """Names of errors, and of other frames, until it is quiet."""
    said = []
    while peer.socket.poll(int(timeout * 1000)):
        received = wire.Received(peer.socket.recv())
        said.append(wire.Error.Code.Name(received.code) if received.type == wire.ERROR
                    else wire.TYPE_NAMES[received.type])
    return said


# ---- Hello -----------------------------------------------------------------------------------------------------------

def test_a_flood_of_hellos(site):
    """Each would cost some statements and begin reading from the start: so many are served, the others told to wait."""
    with attacked(site), wire.subscriber(site, "wrong") as flood:
        begin = time.monotonic()
        for _ in range(short(1500, 50000)):
            flood.say_hello(from_start=True)
        said = codes(flood, 1)
        passed = time.monotonic() - begin
        assert said.count("TOO_OFTEN") > 500, len(said)
        assert said.count("WelcomeSubscribe") <= 256 + 8 * (passed + 1)


def test_a_key_that_is_refused_over_and_over(site):
    """For each the policies were read anew; that is an allowance of its own now, by Hello and by Follow, and whoever is
    granted something meanwhile has it at the next Hello."""
    agency = wire.Subscriber(site.subscribe, wire.keys_of(site, "moh"), wire.keys_of(site, "broker").curve_public,
                             "wrong")
    with attacked(site), agency as flood:
        for _ in range(short(600, 20000)):
            flood.say_hello()
            flood.say_follow(list=True)
        granted = f"late-{os.getpid()}"
        site.committee(granted, "health", "citizen_number,health.*")
        with wire.subscriber(site, granted) as late:
            late.hello()
        said = codes(flood, 1)
        assert said.count("TOO_OFTEN") > 500 and said.count("UNKNOWN_SUBSCRIPTION") <= 256 + 8 * 10


def test_rights_that_come_back_hold_at_the_next_hello(site):
    with wire.subscriber(site, "list") as peer:
        peer.hello()
        site.dongbo("subscription", "disable", "list")
        assert wire.Error.Code.Name(peer.expect(wire.ERROR).code) == "NOT_ALLOWED"
        for _ in range(20):
            peer.say_hello()
            peer.expect_error("NOT_ALLOWED")
        site.dongbo("subscription", "enable", "list")
        peer.hello()


# ---- what is not read ------------------------------------------------------------------------------------------------

def mute(site, **options):
    return wire.subscriber(site, "wrong", rcvhwm=1, rcvbuf=4096, **options)


def grant_without_end(peer, rounds):
    """Credit, more and more of it, and acknowledgements that may be right."""
    for _ in range(rounds):
        peer.allowed += 1 << 20
        peer.send(wire.CREDIT, wire.Credit(bytes=peer.allowed))
        assert peer.socket.poll(wire.TIMEOUT * 1000)  # what is acknowledged before it was sent ends a session
        peer.send(wire.ACK, wire.Ack(position=1))
        yield


def turns(honest, n):
    """While these go on, so does whatever is sent to others."""
    end = len(honest.took) + n
    while len(honest.took) < end and honest.failed is None:
        honest.done.wait(0.001)


def under_way(peer):
    """What there is to be read, no ping answered."""
    n, last = 0, time.monotonic() + 10  # for the first of it
    while time.monotonic() - last < 0.5:
        if peer.socket.poll(50) and (received := wire.Received(peer.socket.recv())).type == wire.RECORDS:
            n, last = n + len(received.body), time.monotonic()
    return n


def test_credit_without_end_and_nothing_read(site):
    """Whatever it grants and acknowledges, no more is under way to it than SUBSCRIBE_CREDIT_BYTES, for it cannot answer
    the pings behind it; once it does, it gets all."""
    with attacked(site) as honest, mute(site) as peer:
        peer.hello(from_start=True)
        for _ in grant_without_end(peer, 30):
            turns(honest, 2)
        turns(honest, 50)
        for nonce in range(100):
            peer.send(wire.PONG, wire.Pong(nonce=nonce))  # to nothing that it was asked
        turns(honest, 50)
        assert 1024 * 1024 < under_way(peer) <= CREDIT_MAX
    with wire.subscriber(site, "wrong") as later:
        later.hello(from_start=True)
        later.take_all(later.welcome.head.position)
        assert later.taken > CREDIT_MAX


def test_connections_that_are_not_read(site):
    """Each of many takes over from the last and reads nothing: what all hold together is bounded, too, and whoever
    closes them has their session again."""
    with attacked(site, growth_kib=UNREAD_AGENCY_KIB + GROWTH_KIB) as honest, contextlib.ExitStack() as stack:
        refused = 0
        while refused < 3:
            peer = stack.enter_context(mute(site))
            peer.say_hello(from_start=True)
            assert peer.socket.poll(wire.TIMEOUT * 1000)
            received = wire.Received(peer.socket.recv())
            if received.type == wire.ERROR:
                assert "not read" in received.text
                refused += 1
                continue
            peer.session = received.session
            for _ in grant_without_end(peer, 5):
                turns(honest, 4)
    until_welcome(site)


def until_welcome(site, **fields):
    """The subscription's honest receiver is served again, once the broker has found out who is gone."""
    with wire.subscriber(site, "wrong") as later:
        deadline = time.monotonic() + 20
        while True:
            later.say_hello(**fields)
            assert later.socket.poll(wire.TIMEOUT * 1000)
            if wire.Received(later.socket.recv()).type == wire.WELCOME_SUBSCRIBE:
                return
            assert time.monotonic() < deadline
            later.socket.poll(100)


def long_question(number):
    """Whose answer is as long: names of nobody, who are said not to be covered."""
    return {"request": number, "add": [f"{number:08}{n:02}" + "x" * 1000 for n in range(30)]}


def test_answers_that_are_not_read(site):
    """To questions of no session, over connections that hold as many messages as they may: what all of them hold is
    bounded for their subscription, and whoever closes them is answered again."""
    with attacked(site, growth_kib=UNREAD_AGENCY_KIB + GROWTH_KIB) as honest, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(wire.subscriber(site, "list", rcvhwm=1, rcvbuf=4096)) for _ in range(12)]
        late, refused, number = stack.enter_context(wire.subscriber(site, "list")), 0, 0
        deadline = time.monotonic() + short(60, 600)
        while refused < short(20, 200):
            for peer in peers:
                # So few that all are answered at length: small refusals would fill its socket by number. `late` is
                # answered behind them.
                for number in range(number, number + FOLLOW_REQUESTS_MAX // 2):
                    peer.say_follow(**long_question(number))
                turns(honest, 1)
                late.say_follow(list=True)
                received = late.receive()
                refused += received.type == wire.ERROR and "not read" in received.text
            assert time.monotonic() < deadline, (refused, honest.sizes[-1] - honest.sizes[0])
    until_answered(site)


def until_answered(site):
    """Once the broker has found out who is gone."""
    with wire.subscriber(site, "list") as later:
        deadline = time.monotonic() + 20
        while True:
            later.say_follow(list=True)
            if (received := later.receive()) and received.type == wire.FOLLOWED:
                return
            assert time.monotonic() < deadline
            later.socket.poll(100)


def test_answers_that_are_read(site):
    """Whoever answers the pings behind them is told all that it asks, over one connection."""
    with attacked(site), wire.subscriber(site, "list") as peer:
        for number in range(600):  # some 18 MB
            peer.say_follow(**long_question(number))
            answer = peer.receive()
            assert answer.type == wire.FOLLOWED and answer.request == number and len(answer.not_covered) == 30
    with wire.subscriber(site, "list") as mute:
        mute.answers_pings, said = False, set()
        for number in range(600):
            mute.say_follow(**long_question(number))
            said.add(mute.receive().type)
        assert said == {wire.FOLLOWED, wire.ERROR}


def size(received):
    return wire.HEADER.size + len(received.body)


def test_who_is_not_answered_is_told_why(site):
    """There was room for the answers when the questions came, and is none any more when these have been looked at."""
    with wire.subscriber(site, "list") as peer:
        peer.answers_pings, unread, answer = False, 0, 0
        while unread + answer <= UNREAD_BYTES - FRAME_BODY_BYTES_MAX:
            peer.say_follow(**long_question(0))
            answer = size(peer.expect(wire.FOLLOWED))
            unread += answer
        with site.cluster.holding("LOCK TABLE exchange.follow_asked"):
            # They are looked at one after the other, each with its own patience: the last one still waits in the end.
            for _ in range(FOLLOW_REQUESTS_MAX):
                peer.say_follow(**long_question(0))
            while unread + answer <= UNREAD_BYTES:
                for _ in range(100):
                    peer.send(wire.CREDIT, wire.Credit(bytes=1), session=1)  # of none: an Error, as small as that is
                unread += sum(size(peer.expect(wire.ERROR)) for _ in range(100))
        instead = [peer.expect(wire.ERROR) for _ in range(FOLLOW_REQUESTS_MAX)]
        assert wire.Error.Code.Name(instead[-1].code) == "INTERNAL" and "was not read" in instead[-1].text


def answer_of(peer):
    """And the last Ping before it, unanswered, if any was."""
    ping = None
    while peer.socket.poll(wire.TIMEOUT * 1000):
        received = wire.Received(peer.socket.recv())
        if received.type in (wire.FOLLOWED, wire.ERROR):
            return received, ping
        ping = received if received.type == wire.PING else ping
    raise AssertionError("no answer")


def pong(peer, ping):
    peer.send(wire.PONG, wire.Pong(nonce=ping.nonce), session=ping.session)


@pytest.mark.parametrize("session", [False, True])
def test_much_that_is_unread_is_asked_about_before_more_is_said(site, session):
    """And not only every few seconds; by the session, where one comes over the connection. Also about what was said
    while it was asked already."""
    with wire.subscriber(site, "list") as peer:
        if session:
            peer.hello()
        unread, asked = 0, None
        for at_once in [1] * 60 + [FOLLOW_REQUESTS_MAX] * 10:
            for _ in range(at_once):
                peer.say_follow(**long_question(0))
            for _ in range(at_once):
                answer, ping = answer_of(peer)
                if ping:
                    unread, asked = 0, ping
                assert asked or unread < UNREAD_PING_BYTES
                unread += size(answer)
            if asked:
                pong(peer, asked)
                asked = None


def test_little_that_is_unread_is_asked_about_where_others_hold_too_much(site):
    """Else whoever reads would soon be told no more: beyond UNREAD_TOLD_BYTES nothing is."""
    with contextlib.ExitStack() as stack:
        for _ in range(5):  # as far as each may, and all together
            mute = stack.enter_context(wire.subscriber(site, "list"))
            mute.answers_pings, said = False, None
            while said is None or said.type == wire.FOLLOWED:
                mute.say_follow(**long_question(0))
                said = mute.receive()
        with wire.subscriber(site, "list") as peer:
            for n in range(40):
                peer.say_follow(list=True)
                answer, ping = answer_of(peer)
                assert answer.type == wire.ERROR and "was not read" in answer.text
                assert ping or n == 0
                if ping:
                    pong(peer, ping)
    until_answered(site)


# ---- floods of whatever it may say -----------------------------------------------------------------------------------

def frames(site, peer):
    numbers = [people.citizen(n)["citizen_number"] for n in range(100)]
    return {
        "Credit": wire.frame(wire.CREDIT, wire.Credit(bytes=1 << 20).SerializeToString(), peer.session),
        "Credit of all there is": wire.frame(wire.CREDIT, wire.Credit(bytes=(1 << 64) - 1).SerializeToString(),
                                             peer.session),
        "Ack": wire.frame(wire.ACK, wire.Ack(position=1).SerializeToString(), peer.session),
        "Ping": wire.frame(wire.PING, wire.Ping(nonce=1).SerializeToString(), peer.session),
        "Pong": wire.frame(wire.PONG, wire.Pong(nonce=1).SerializeToString(), peer.session),
        "Snapshot": wire.frame(wire.SNAPSHOT, b"", peer.session),
        "Snapshot with a cursor": wire.frame(wire.SNAPSHOT, wire.SnapshotRequest(cursor=os.urandom(900))
                                             .SerializeToString(), peer.session),
        "Follow": wire.frame(wire.FOLLOW, wire.Follow(add=numbers).SerializeToString()),
        "Follow and let go": wire.frame(wire.FOLLOW, wire.Follow(add=numbers, remove=numbers).SerializeToString()),
        "who is followed": wire.frame(wire.FOLLOW, wire.Follow(list=True).SerializeToString()),
        "Goodbye": wire.frame(wire.GOODBYE, b"", peer.session),
        "nothing": b"",
    }


@pytest.mark.parametrize("kind", list(frames(None, wire.types.SimpleNamespace(session=0))))
def test_floods(site, kind):
    """As fast as it goes, and never reading an answer."""
    with attacked(site), wire.subscriber(site, "list") as peer:
        peer.hello()
        said = frames(site, peer)[kind]
        end = time.monotonic() + short(0.4, 20)
        while time.monotonic() < end:
            peer.send_frames(said)
    with wire.subscriber(site, "list") as later:
        later.hello()


def test_snapshots_begun_and_left(site):
    """Hello, a request, and away before its chunk is there."""
    with attacked(site), wire.subscriber(site, "wrong") as peer:
        for _ in range(short(60, 600)):
            peer.session = 0
            peer.say_hello(snapshot=True)
            while peer.socket.poll(1000):
                received = wire.Received(peer.socket.recv())
                if received.type in (wire.WELCOME_SUBSCRIBE, wire.ERROR) and received.session != peer.session:
                    break
            if received.type == wire.ERROR:
                break
            peer.session = received.session
            peer.allowed = 0
            peer.ask()
    until_welcome(site, snapshot=True)
