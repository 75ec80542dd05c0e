# SPDX-License-Identifier: Apache-2.0
"""What the world may throw at the exchange, one test per kind, through the real programs. Each gets an answer
that says what to do; and around it nothing is lost or delayed: what was sent before is stored, a bystander goes on in
its session, and the culprit's next honest session works."""
import contextlib
import os
import time

import pytest
import zmq

import conftest
import logbook
import people
import wire
from people import dose, dose_body

FRAME_MAX = 24 + 1024 * 1024
BATCH_MAX = 256 * 1024
SOON = 10  # seconds within which a bystander is answered


@pytest.fixture(scope="module")
def site(template):
    """One exchange for all of them: what one test leaves behind must not harm the next."""
    with conftest.open_site(template) as exchange:
        exchange.load_population(people.citizens(200))
        exchange.moh = exchange.agency("MOH", "health", ["vaccinations"])
        exchange.evn = exchange.agency("EVN", "electricity", ["electricity"])
        exchange.committee("watch", "health,electricity", "citizen_number,health.*,electricity.*")
        exchange.start_broker()
        yield exchange
        logbook.Logbook(exchange.cluster).check()


def contract(n, code):
    return wire.event("EVN", f"evn-{code}", people.subject(n),
                      electricity={"customer_code": code, "status": "active", "province_code": "01"})


def taken(stored):
    """All of it; what another test has said already is unchanged."""
    return set(stored.verdicts().values()) <= {"ACCEPTED", "UNCHANGED"}


class Around:
    """Numbers events so that no two are alike, and counts those that must be stored in the end."""
    serial = 0

    def __init__(self, site):
        self.site = site
        self.bystander = wire.publisher(site, "EVN")

    def bystander_goes_on(self):
        Around.serial += 1
        self.bystander.send_batch([contract(Around.serial % 200, f"PE{Around.serial:08}")])
        assert self.bystander.receipt(SOON).verdicts().popitem()[1] == "ACCEPTED"

    def honest_session_works(self):
        with wire.publisher(self.site, "MOH") as honest:
            honest.hello()
            Around.serial += 1
            honest.send_batch([dose(Around.serial % 200, 20 + Around.serial % 79)])
            assert honest.receipt(SOON).verdicts() == {honest.last: "ACCEPTED"}


@contextlib.contextmanager
def unharmed(site):
    """What happens inside harms nobody: a session of another agency goes on, and a new one of the same agency works."""
    around = Around(site)
    with around.bystander as bystander:
        bystander.hello()
        around.bystander_goes_on()
        before = site.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 1")
        yield around
        around.bystander_goes_on()
        around.honest_session_works()
        after = site.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 1")
        assert after >= before + 2
        assert site.broker.running()


@pytest.fixture
def moh(site):
    with wire.publisher(site, "MOH") as peer:
        peer.hello()
        yield peer


def verdicts_of(site, stream):
    """From the log itself: first verdicts by sequence."""
    entries = logbook.Logbook(site.cluster).events
    return {sequence: wire.Verdict.Name(said[0][1].verdict)
            for (one, sequence), said in entries.items() if one == stream}


# ---- who speaks --------------------------------------------------------------------------------------------------

def test_unknown_key_is_let_in_nowhere(site):
    with unharmed(site):
        for endpoint in (site.publish, site.subscribe):
            with wire.Peer(endpoint, wire.Keys.new(), wire.keys_of(site, "broker").curve_public) as stranger:
                event, value = stranger.wait_event(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH |
                                                   zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
                assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED
                assert event != zmq.EVENT_HANDSHAKE_FAILED_AUTH or value == 400
                assert not stranger.socket.poll(200, zmq.POLLOUT)


def test_keys_of_the_other_port_are_told_so(site):
    with unharmed(site):
        with wire.publisher(site, "MOH", keys=wire.keys_of(site, "watch")) as peer:
            peer.say_hello()
            assert "agency" in peer.expect_error("NOT_ALLOWED").text
        with wire.subscriber(site, "watch", keys=wire.keys_of(site, "moh")) as peer:
            peer.say_hello()
            assert "subscri" in peer.expect_error("UNKNOWN_SUBSCRIPTION").text


def test_wrong_signature_stores_nothing(site, moh):
    with unharmed(site):
        moh.publish([dose(1)])
        moh.send_batch([dose(2)], signer=wire.Keys.new())
        refusal = moh.expect_refusal("BAD_SIGNATURE")
        assert "key" in refusal.text
        assert moh.publish([dose(3)]).verdicts() == {2: "ACCEPTED"}


def test_events_other_than_signed_store_nothing(site, moh):
    with unharmed(site):
        moh.send_batch([dose(4), dose(5)], after=[dose(4), dose(6)])
        moh.expect_refusal("BAD_SIGNATURE")
        assert moh.publish([dose(4), dose(5)]).body.first_sequence == 1


def test_another_agencys_domain_is_rejected_alone(site):
    with unharmed(site), wire.publisher(site, "EVN") as evn:
        evn.hello()
        stored = evn.publish([contract(1, "PA1"), dose(1, agency="EVN"), contract(2, "PA2")])
        assert stored.verdicts() == {1: "ACCEPTED", 2: "REJECTED", 3: "ACCEPTED"}
        assert ("NOT_GRANTED", "") in [(code, "") for code, _ in stored.reasons(2)]


def test_another_agencys_stream_cannot_be_taken(site, moh):
    with unharmed(site):
        moh.publish([dose(7)])
        with wire.publisher(site, "EVN", stream=moh.stream) as thief:
            thief.say_hello()
            thief.expect_error("NOT_ALLOWED")
        with wire.publisher(site, "EVN") as thief:
            thief.hello()
            thief.send(wire.BATCH, body=wire.seal(thief.keys, moh.stream, 2, [contract(3, "PA3")]), sequence=2)
            thief.expect_error("BAD_FRAME")
        # A session's number is no secret that gives anything.
        with wire.publisher(site, "EVN") as thief:
            thief.hello()
            thief.session = moh.session
            thief.send_sealed(wire.seal(moh.keys, moh.stream, 2, [dose(8)]), 2)
            thief.expect_error("NO_SESSION")
        assert moh.publish([dose(8)]).verdicts() == {2: "ACCEPTED"}


# ---- sequences ---------------------------------------------------------------------------------------------------

def test_gap_says_from_where_to_send(site, moh):
    with unharmed(site):
        moh.publish([dose(9), dose(10)])
        later = wire.seal(moh.keys, moh.stream, 4, [dose(12)])
        moh.send_sealed(later, 4)
        refusal = moh.expect_refusal("GAP")
        assert refusal.expected_sequence == 3
        moh.send_batch([dose(11)], first=3)
        moh.send_sealed(later, 4)
        assert moh.receipt().verdicts() == {3: "ACCEPTED"}
        assert moh.receipt().verdicts() == {4: "ACCEPTED"}


def test_replay_is_answered_as_before_and_stored_once(site, moh):
    with unharmed(site):
        wrong_name = dose(14, about=people.subject(14, full_name="Ai Đó Khác"))
        sealed = moh.send_batch([dose(13), wrong_name, dose(15)])
        first = moh.receipt()
        assert first.verdicts() == {1: "ACCEPTED", 2: "MISMATCH", 3: "ACCEPTED"}
        head = site.cluster.value("SELECT last_position FROM exchange.head")
        for _ in range(3):
            moh.send_sealed(sealed, 1)
            again = moh.receipt()
            assert again.body.duplicate and again.body.segment_hash == first.body.segment_hash
            assert again.verdicts() == first.verdicts()
            assert again.reasons(2) == first.reasons(2)
        assert site.cluster.value("SELECT last_position FROM exchange.head") == head
        with wire.publisher(site, "MOH", stream=moh.stream) as next_session:
            assert next_session.hello().last_sequence == 3
            next_session.send_sealed(sealed, 1)
            assert next_session.receipt().body.duplicate


def test_fork_wants_a_new_stream(site, moh):
    with unharmed(site):
        moh.publish([dose(16), dose(17)])
        for events in ([dose(16), dose(18)], [dose(16)], [dose(16), dose(17), dose(18)]):
            moh.send_batch(events, first=1)
            assert "stream" in moh.expect_refusal("FORK").text
        with wire.publisher(site, "MOH") as restored:
            restored.hello(replaces_stream=moh.stream)
            assert restored.publish([dose(39)]).verdicts() == {1: "ACCEPTED"}
        assert site.cluster.value("SELECT replaces FROM exchange.stream WHERE stream = %s", restored.stream).tobytes() \
            == moh.stream


def test_older_session_is_fenced(site, moh):
    with unharmed(site):
        moh.publish([dose(19)])
        with wire.publisher(site, "MOH", stream=moh.stream) as newer:
            assert newer.hello().session_epoch > moh.welcome.session_epoch
            moh.expect_error("SESSION_REPLACED")
            moh.send_batch([dose(20)])
            moh.expect_error("NO_SESSION")
            assert newer.publish([dose(20)]).verdicts() == {2: "ACCEPTED"}


def test_session_at_another_broker_fences_too(site, moh):
    """Brokers do not know each other: the database does."""
    second = site.start_second_broker()
    with unharmed(site):
        moh.publish([dose(21)])
        with wire.Publisher(site.publish2, moh.keys, wire.keys_of(site, "broker").curve_public,
                            stream=moh.stream) as newer:
            newer.hello()
            moh.send_batch([dose(22)])
            assert "two agents" in moh.expect_refusal("FENCED").text
            assert newer.publish([dose(22)]).verdicts() == {2: "ACCEPTED"}
    assert second.stop() == 0


# ---- frames ------------------------------------------------------------------------------------------------------

def test_giant_frame_closes_the_connection_only(site, moh):
    with unharmed(site):
        before = site.broker.rss_kib()
        for size in (FRAME_MAX + 1, 16 << 20, 64 << 20):
            with wire.publisher(site, "MOH") as giant:
                giant.hello()
                giant.send_frames(bytes(size))
                giant.wait_event(zmq.EVENT_DISCONNECTED)
        # None of it was kept, nor room made for it.
        assert site.broker.rss_kib() - before < 32 * 1024
        assert moh.publish([dose(23)]).verdicts() == {1: "ACCEPTED"}


def test_largest_frame_is_not_too_large_for_a_frame(site, moh):
    with unharmed(site):
        moh.send(wire.BATCH, body=bytes(FRAME_MAX - 24), sequence=1)
        moh.expect_refusal("TOO_BIG")
        assert moh.publish([dose(24)]).verdicts() == {1: "ACCEPTED"}


def test_several_frames_end_the_session(site, moh):
    with unharmed(site):
        moh.send_frames(wire.frame(wire.PING, session=moh.session), b"more")
        assert "one ZeroMQ frame" in moh.expect_error("BAD_FRAME").text
        moh.send_batch([dose(25)])
        moh.expect_error("NO_SESSION")
        moh.hello()
        assert moh.publish([dose(25)]).verdicts() == {1: "ACCEPTED"}


def test_endless_frames_are_not_kept(site):
    """Messages of many frames, each frame within its limit."""
    with unharmed(site):
        before = site.broker.rss_kib()
        with wire.publisher(site, "MOH", sndhwm=4) as endless:
            endless.hello()
            block = bytes(1024 * 1024)
            with contextlib.suppress(AssertionError):  # the exchange may stop taking them
                for _ in range(6):
                    endless.send_frames(*[block] * 40)
        assert site.broker.rss_kib() - before < 96 * 1024


GARBAGE = {
    "empty": (b"", "BAD_FRAME"),
    "short": (wire.frame(wire.PING)[:23], "BAD_FRAME"),
    "noise": (bytes(range(256)) * 4, "BAD_FRAME"),
    "magic": (wire.frame(wire.PING, magic=b"XX"), "BAD_FRAME"),
    "length too small": (wire.frame(wire.PING, b"abc", length=2), "BAD_FRAME"),
    "length too large": (wire.frame(wire.PING, b"abc", length=4), "BAD_FRAME"),
    "length enormous": (wire.frame(wire.PING, b"abc", length=0xffffffff), "BAD_FRAME"),
    "unknown type": (wire.frame(99), "BAD_FRAME"),
    "other version": (wire.frame(wire.PING, version=2), "BAD_VERSION"),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_frame_on_both_ports(site, moh, kind):
    data, code = GARBAGE[kind]
    with unharmed(site):
        moh.send_frames(data)
        moh.expect_error(code)
        moh.hello()
        assert taken(moh.publish([dose(26)]))
        with wire.subscriber(site, "watch") as watch:
            watch.hello(from_start=True)
            watch.send_frames(data)
            watch.expect_error(code)
            watch.hello(from_start=True)
            watch.take_all(watch.welcome.head.position)


def test_no_session_is_told(site):
    with unharmed(site), wire.publisher(site, "MOH") as peer:
        peer.send_batch([dose(27)])
        peer.expect_error("NO_SESSION")
        peer.session = 12345
        peer.send_batch([dose(27)])
        peer.expect_error("NO_SESSION")


BAD_HELLOS = {"version": ({"protocol_version": 99}, "BAD_VERSION"), "stream": ({"stream": b"short"}, "BAD_FRAME"),
              "kind": ({"stream_kind": "hasty"}, "BAD_FRAME"), "agent": ({"agent": "x" * 64}, "BAD_FRAME"),
              "replaces": ({"replaces_stream": b"short"}, "BAD_FRAME")}


@pytest.mark.parametrize("kind", BAD_HELLOS)
def test_bad_hello(site, kind):
    fields, code = BAD_HELLOS[kind]
    with unharmed(site), wire.publisher(site, "MOH") as peer:
        peer.say_hello(**fields)
        peer.expect_error(code)
        peer.hello()
        assert taken(peer.publish([dose(28)]))


def test_hello_that_does_not_decode(site):
    with unharmed(site), wire.publisher(site, "MOH") as peer:
        for body in (b"\x0a", b"\xff" * 64, b"\x0b" * 30000, b"\x12\x10" + bytes(16) + b"\x12\x10" + bytes(16)):
            peer.send(wire.HELLO_PUBLISH, body=body, session=0)
            peer.expect_error("BAD_FRAME")


def test_sending_beyond_credit_is_refused_and_given_back(site, moh):
    """More than was granted, at once: what was within it is stored, the rest refused and can be sent again."""
    with unharmed(site):
        lot = "L" * 60
        events = [dose(n, 11, body=dose_body(11, lot_number=lot), key="k" * 1000 + str(n))
                  for n in range(160)]
        sealed, first, sent = [], 1, 0
        while sent <= moh.welcome.credit_bytes + 4 * BATCH_MAX:
            one = wire.seal(moh.keys, moh.stream, first, events)
            sealed.append((one, first))
            first += len(events)
            sent += len(one)
        with site.cluster.holding("SELECT exchange.lock_log()"):  # no receipt grants more meanwhile
            for one, sequence in sealed:
                moh.send_sealed(one, sequence)
            answers = [moh.expect(wire.REFUSAL)]
        answers += [moh.receive() for _ in sealed[1:]]
        refused = [answer for answer in answers if answer.type == wire.REFUSAL]
        assert {wire.Refusal.Code.Name(one.code) for one in refused} <= {"OVERLOADED", "GAP"}
        assert wire.Refusal.Code.Name(refused[0].code) == "OVERLOADED"
        stored = len(answers) - len(refused)
        assert stored * len(sealed[0][0]) >= moh.welcome.credit_bytes - BATCH_MAX
        moh.last = stored * len(events)
        for one, sequence in sealed[stored:]:
            moh.send_sealed(one, sequence)
            moh.receipt()
        last = "SELECT last_sequence FROM exchange.stream WHERE stream = %s"
        assert site.cluster.value(last, moh.stream) == first - 1


# ---- batches -----------------------------------------------------------------------------------------------------

def test_too_many_and_too_much_is_too_big(site, moh):
    with unharmed(site):
        moh.send_batch([dose(n % 200) for n in range(1025)])
        moh.expect_refusal("TOO_BIG")
        moh.send_batch([dose(n, key="k" * 1000) for n in range(190)] * 2)
        moh.expect_refusal("TOO_BIG")
        assert moh.publish([dose(n % 200, 12 + n // 200) for n in range(1024)]).body.last_sequence == 1024


def test_newer_schema_waits_for_the_upgrade(site, moh):
    with unharmed(site):
        moh.send_batch([dose(29)], schema_version=2)
        assert "upgrade" in moh.expect_refusal("SCHEMA_NEWER").text
        assert moh.publish([dose(29)]).verdicts() == {1: "ACCEPTED"}


def test_batch_that_breaks_off_behind_its_signature_does_not_block_the_stream(site, moh):
    with unharmed(site):
        moh.publish([dose(30)])
        sealed = wire.seal(moh.keys, moh.stream, 2, [dose(31), dose(32)])
        moh.send_sealed(sealed[:-20], 2)
        stored = moh.receipt()
        assert stored.verdicts() == {2: "REJECTED", 3: "REJECTED"}
        assert stored.reasons(2) == [("BATCH_UNREADABLE", "")]
        assert moh.publish([dose(33)]).verdicts() == {4: "ACCEPTED"}
        moh.send_sealed(sealed[:-20], 2)
        assert moh.receipt().body.duplicate


def test_batch_without_a_header_is_an_error(site, moh):
    with unharmed(site):
        for body in (b"", b"\x0a\x05", b"\xff" * 100, bytes(1000)):
            moh.send(wire.BATCH, body=body, sequence=1)
            answer = moh.receive()
            assert answer.type in (wire.ERROR, wire.REFUSAL) and len(answer.text) > 20, repr(answer)
            if answer.type == wire.ERROR:
                moh.hello()
        assert moh.publish([dose(34)]).verdicts() == {1: "ACCEPTED"}


# ---- events ------------------------------------------------------------------------------------------------------

def nested_groups(depth):
    """Depth that protobuf-c would follow to the end of its stack."""
    return b"\xa3\x06" * depth + b"\xa4\x06" * depth


def nested_messages(depth):
    data = b""
    for _ in range(depth):
        n, length = len(data), b""
        while n > 127:
            length, n = length + bytes([n & 127 | 128]), n >> 7
        data = b"\x32" + length + bytes([n]) + data
    return data


GOOD = dose(40)
EVENTS = {  # what is wrong: the event, reasons of which one must be among those told
    "truncated": (GOOD[:-5], {"EVENT_UNREADABLE"}),
    "empty": (b"", {"EVENT_UNREADABLE", "DOMAIN_UNKNOWN", "OPERATION_UNKNOWN", "EVENT_ID_WRONG", "FIELD_MISSING"}),
    "noise": (os.urandom(200), {"EVENT_UNREADABLE", "EVENT_LIMITS", "TEXT_INVALID"}),
    "too deep, as groups": (GOOD + nested_groups(3000), {"EVENT_UNREADABLE", "EVENT_LIMITS"}),
    "too deep, as messages": (dose(40, about=wire.Subject())[:0] + nested_messages(3000),
                              {"EVENT_UNREADABLE", "EVENT_LIMITS"}),
    "field twice": (GOOD + GOOD, {"EVENT_UNREADABLE"}),
    "field too long": (dose(41, about=people.subject(41, full_name="A" * 1025)), {"EVENT_LIMITS"}),
    "event too long": (GOOD + b"\xa2\x06" + b"\xff\x7d" + bytes(16127) + b"\xa2\x06\xff\x07" + bytes(1023),
                       {"EVENT_LIMITS"}),
    "too many fields": (GOOD + b"\xa0\x06\x01" * 200, {"EVENT_LIMITS"}),
    "too many cleared": (dose(42, cleared_fields=list(range(1, 40))), {"EVENT_LIMITS"}),
    "not UTF-8": (dose(43).replace("Văn".encode(), b"V\xc4n ").replace("Thị".encode(), b"Th\xe1\xbb "),
                  {"TEXT_INVALID"}),
    "control character": (dose(44, about=people.subject(44, full_name="A\x07B")), {"TEXT_INVALID"}),
    "NUL": (dose(44, about=people.subject(44, full_name="A\0B")), {"TEXT_INVALID"}),
    "unknown operation": (dose(45, operation=9), {"OPERATION_UNKNOWN"}),
    "no operation": (dose(45, operation=0), {"OPERATION_UNKNOWN"}),
    "no domain": (wire.event("MOH", "none", people.subject(46)), {"DOMAIN_UNKNOWN"}),
    "domain of the future": (wire.event("MOH", "none", people.subject(46)) + b"\xca\x01\x02\x08\x01",
                             {"DOMAIN_UNKNOWN"}),
    "short id": (dose(47, event_id=b"short"), {"EVENT_ID_WRONG"}),
    "clock ahead": (dose(48, event_time_us=wire.now_us() + 3600 * 1000000), {"CLOCK_AHEAD"}),
    "unknown code": (dose(49, body=dose_body(product_code="no-such")), {"CODE_UNKNOWN"}),
    "no such date": (dose(50, body=dose_body(occurrence_date="2021-02-30")), {"DATE_INVALID"}),
    "before birth": (dose(51, body=dose_body(occurrence_date="1920-01-01")), {"DATE_BEFORE_BIRTH"}),
    "in the future": (dose(52, body=dose_body(occurrence_date="2199-01-01")), {"DATE_IN_FUTURE"}),
    "no key field": (dose(53, body=dose_body(vaccine_group="")), {"FIELD_MISSING"}),
    "number out of range": (dose(54, body=dose_body(number=4000000000)), {"NUMBER_RANGE"}),
    "cleared and said": (dose(55, cleared_fields=[5]), {"FIELD_FORMAT"}),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_bad_event_is_rejected_alone(site, moh, kind):
    """In the middle of a batch, its neighbours about the same and other persons."""
    bad, codes = EVENTS[kind]
    with unharmed(site):
        stored = moh.publish([dose(60), bad, dose(61), bad, dose(40, 2)])
        said = stored.verdicts()
        assert [said[n] for n in (2, 4)] == ["REJECTED"] * 2
        assert codes & {code for code, _ in stored.reasons(2)}, stored.reasons(2)
        assert {said[n] for n in (1, 3, 5)} <= {"ACCEPTED", "UNCHANGED"}, said
        assert verdicts_of(site, moh.stream) == said


NUMBERS = {"": "ID_MISSING", "12345": "ID_FORMAT", "123456789": "ID_FORMAT", "00109900000x": "ID_FORMAT",
           "999050000000": "ID_PROVINCE"}


@pytest.mark.parametrize("number", NUMBERS)
def test_unusable_number_is_a_mismatch(site, moh, number):
    with unharmed(site):
        stored = moh.publish([dose(0, 3, about=people.subject(0, citizen_number=number)), dose(62)])
        assert stored.verdicts()[1] == "MISMATCH"
        assert NUMBERS[number] in {code for code, _ in stored.reasons(1)}


# ---- subscribers -------------------------------------------------------------------------------------------------

def test_subscribers_nonsense_is_answered(site, moh):
    moh.publish([dose(63)])
    with unharmed(site), wire.subscriber(site, "watch") as watch:
        watch.say_hello(subscription="other")
        assert '"watch"' in watch.expect_error("UNKNOWN_SUBSCRIPTION").text
        watch.hello(from_start=True)
        head = watch.welcome.head
        watch.say_hello(token=wire.ResumeToken(epoch=head.epoch, position=head.position + 10 ** 6,
                                               segment_hash=head.segment_hash))
        watch.expect_error("TOKEN_AHEAD")
        watch.say_hello(token=wire.ResumeToken(epoch=head.epoch, position=head.position, segment_hash=bytes(32)))
        watch.expect_error("TOKEN_MISMATCH")
        watch.hello(from_start=True)
        watch.send(wire.ACK, wire.Ack(position=10 ** 9))
        watch.expect_error("OUT_OF_ORDER")
        watch.hello(from_start=True)
        watch.send(wire.CREDIT, body=b"\xff\xff\xff")
        watch.expect_error("BAD_FRAME")
        watch.hello(from_start=True)
        watch.take_all(watch.welcome.head.position)
        log = logbook.Logbook(site.cluster)
        expected = [record["position"] for record in log.expected_records("watch")
                    if record["position"] <= watch.position]
        assert [record.position for record in watch.records[-len(expected):]] == expected


def test_newer_subscriber_replaces_the_older(site):
    with unharmed(site), wire.subscriber(site, "watch") as older, wire.subscriber(site, "watch") as newer:
        older.hello(from_start=True)
        newer.hello(from_start=True)
        older.expect_error("SESSION_REPLACED")
        newer.take_all(newer.welcome.head.position)


# ---- rows --------------------------------------------------------------------------------------------------------

ROWS = {  # what is wrong: what becomes of a good line, the code it is handed back with
    "quote not closed": (lambda line: line.replace(b"row-", b'"row-', 1), "EVENT_UNREADABLE"),
    "column missing": (lambda line: line.rsplit(b",", 1)[0], "EVENT_UNREADABLE"),
    "column too many": (lambda line: line + b",more", "EVENT_UNREADABLE"),
    "text behind a quote": (lambda line: b'"a"b' + line[line.index(b","):], "EVENT_UNREADABLE"),
    "NUL byte": (lambda line: line.replace(b"FF2832", b"FF\x002832"), "TEXT_INVALID"),
    "wrong encoding": (lambda line: line.replace(b"FF2832", b"FF\xe8\xff32"), "TEXT_INVALID"),
    "field beyond a text": (lambda line: line.replace(b"FF2832", b"F" * 2000), "EVENT_LIMITS"),
    "field beyond all": (lambda line: line.replace(b"FF2832", b"F" * 40000), "EVENT_UNREADABLE"),
    "no such day": (lambda line: line.replace(b"15/09/2021", b"31/02/2021"), "DATE_INVALID"),
    "no date at all": (lambda line: line.replace(b"15/09/2021", b"yesterday"), "DATE_INVALID"),
    "unknown code": (lambda line: line.replace(b",Nam,", b",M,").replace(",Nữ,".encode(), b",F,"), "CODE_UNKNOWN"),
    "no number": (lambda line: line.replace(b",1,FF2832", b",one,FF2832"), "FIELD_FORMAT"),
}


def test_broken_rows_are_handed_back_alone(site):
    """One file, every second row broken in another way: the good ones are taken, the others come back as they were."""
    with unharmed(site):
        lines = conftest.csv_text([people.dose_row(100 + n) for n in range(2 * len(ROWS) + 1)]).encode().splitlines()
        for n, (breaks, _) in enumerate(ROWS.values()):
            lines[2 + 2 * n] = breaks(lines[2 + 2 * n])
        path = site.directory / "broken.csv"
        path.write_bytes(b"\n".join(lines) + b"\n")
        before = site.cluster.value("SELECT count(*) FROM exchange.record_version WHERE domain = 2")
        site.moh.drop("vaccinations", "broken.csv", path)
        site.moh.once(expect=1)
        after = site.cluster.value("SELECT count(*) FROM exchange.record_version WHERE domain = 2")
        assert after - before == len(ROWS) + 1
        (handed,) = site.moh.directory.rglob("broken.refused.csv")
        text = handed.read_bytes()
        rows = [line for line in text.split(b"\n") if any(code.encode() in line for _, code in ROWS.values())]
        assert len(rows) == len(ROWS), text.decode(errors="replace")
        for (kind, (_, code)), row in zip(ROWS.items(), rows):
            assert code.encode() in row, f"{kind}: {row[:400]}"
        assert not list((site.moh.directory / "vaccinations").glob("*.csv")), "the file was not let go"


def test_file_in_another_encoding_is_handed_back_row_by_row(site):
    with unharmed(site):
        text = conftest.csv_text([people.dose_row(150 + n) for n in range(4)])
        path = site.directory / "viscii.csv"
        path.write_bytes(text.encode("utf-16-le"))
        site.moh.drop("vaccinations", "utf16.csv", path)
        site.moh.once(expect=1)
        assert list(site.moh.directory.rglob("utf16.refused.csv"))


def test_file_without_a_column_of_the_mapping_names_it(site):
    with unharmed(site):
        rows = [{name: value for name, value in people.dose_row(160).items() if name != "mui_so"}]
        site.moh.drop("vaccinations", "lacking.csv", rows)
        site.moh.drop("vaccinations", "whole.csv", [people.dose_row(161)])
        site.moh.once(expect=1)
        (handed,) = site.moh.directory.rglob("lacking.refused.csv")
        assert "mui_so" in handed.read_text() and "vaccinations.yaml" in handed.read_text()
        assert not list(site.moh.directory.rglob("whole.refused.csv"))


def test_unknown_words_in_configuration_name_their_line(site):
    good = (conftest.ROOT / "deploy/sample/mappings/vaccinations.yaml").read_text()
    cases = {good + "  - {to: no_such_field, column: x}\n": "no_such_field",
             good + "  - {to: lot_number, columm: x}\n": "columm",
             good.replace("domain: health", "domain: weather"): "weather",
             good + "extra: 1\n": "extra"}
    for n, (text, word) in enumerate(cases.items()):
        mapping = site.directory / f"mapping-{n}.yaml"
        mapping.write_text(text)
        config = site.directory / f"bad-{n}.yaml"
        config.write_text(site.moh.config.read_text().replace(
            f"{conftest.ROOT}/deploy/sample/mappings/vaccinations.yaml", str(mapping)))
        done = site.run(conftest.BUILD / "agents/dongbo-agent", "publish", "--config", config, "--once")
        assert done.returncode == 2, done.stderr
        assert word in done.stderr and mapping.name in done.stderr and "line" in done.stderr, done.stderr


def test_absent_broker_is_code_3_and_nothing_is_lost(exchange):
    """Without a broker the rows stay in the spool; the next run delivers them."""
    exchange.load_population(people.citizens(3))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(3)])
    begun = time.monotonic()
    assert moh.once(timeout=2) == 3
    assert time.monotonic() - begun < 20
    exchange.start_broker()
    moh.once(expect=0)
    assert exchange.cluster.value("SELECT count(*) FROM exchange.record_version") == 3
