# SPDX-License-Identifier: Apache-2.0
"""Programs of different age: what each side does with fields, codes and types of frames that it does not know, and with
an exchange that refuses. Our agents and the Python clients alike, for the document says the same to both."""
import contextlib
import sqlite3
import types

import pytest

import conftest
from clients import OurPublisher, PythonPublisher, PythonReceiver, event_json, pb, publish, query, wire
from counterpart import NEWER, TYPE_OF_LATER, Counterpart, record, token

import people

REFUSAL = pb.Refusal


@pytest.fixture
def stage(workdir):
    """A directory with keys and no exchange: programs find the counterpart where an exchange would be."""
    made = conftest.Exchange(types.SimpleNamespace(conninfo=lambda *_: ""), workdir)
    for name in ("broker", "moh", "hn"):
        made.keys(name)
    yield made
    made.kill()


def counterpart(stage, endpoint):
    return Counterpart(endpoint, wire.Keys(stage.directory / "broker.keys"))


# ---- publishing ----------------------------------------------------------------------------------------------------

@pytest.fixture(params=["ours", "python"])
def publisher(request, stage):
    """With four events to send. `done()` waits until it has ended well."""
    if request.param == "ours":
        made = OurPublisher(stage, "MOH", ["vaccinations"])
        made.put([people.dose_row(n) for n in range(4)])
        process = stage.start(made.command("--once", "--timeout", 60), made.log)
    else:
        made = PythonPublisher(stage, "MOH")
        made.put([event_json(people.dose(n)) for n in range(4)])
        process = stage.start(made.command(), made.log)

    def done():
        assert process.popen.wait(30) == 0, process.text()
    made.done, made.process = done, process
    return made


def test_a_publisher_at_a_newer_exchange_that_refuses(stage, publisher):
    with counterpart(stage, stage.publish) as exchange:
        hello = exchange.welcome_publisher()
        whole, header = exchange.batch()
        assert header.count == 4 and not hello.replaces_stream
        for code in (REFUSAL.OVERLOADED, REFUSAL.GAP):
            exchange.refuse(code, 1)
            assert exchange.batch()[0] == whole
        exchange.refuse(REFUSAL.TOO_BIG, 1)
        first, header = exchange.batch()
        assert header.first_sequence == 1 and header.count == 2
        second, next_header = exchange.batch()
        assert next_header.first_sequence == 3 and next_header.count == 2
        later = pb.EventVerdict(sequence=1, verdict=pb.ACCEPTED, position=1, reasons=[pb.Reason(code=999)])
        exchange.refuse(REFUSAL.SCHEMA_NEWER, 3)  # of the second batch: it overtakes the receipt of the first
        exchange.receipt(header, later)
        assert exchange.batch()[0] == second
        # A type of frame that nobody asked for ends the session; what has no receipt comes again.
        exchange.say(TYPE_OF_LATER)
        again = exchange.welcome_publisher(last_sequence=2)
        assert again.stream == hello.stream
        assert exchange.batch()[0] == second
        # The exchange is restored, and has forgotten what it had signed for.
        exchange.say(wire.Kind.GOODBYE, more=b"")
        exchange.welcome_publisher(epoch=2)
        if isinstance(publisher, OurPublisher):  # it has verdicts told from where the exchange still has what it had
            exchange.welcome_publisher(epoch=2)
        assert [exchange.batch()[0], exchange.batch()[0]] == [first, second]
        exchange.receipt(header, later)
        exchange.receipt(next_header)
        publisher.done()
    assert publisher.answered() == 4
    assert [reasons for _, _, reasons in publisher.verdicts()] == [[(999, "")], [], [], []]


def test_a_publisher_takes_no_receipt_that_is_not_signed(stage, publisher):
    with counterpart(stage, stage.publish) as exchange:
        exchange.welcome_publisher()
        _, header = exchange.batch()
        honest, exchange.keys = exchange.keys, wire.Keys(stage.directory / "moh.keys")
        exchange.receipt(header)
        if isinstance(publisher, OurPublisher):  # it tries again; the other one has a person look
            exchange.keys = honest
            exchange.welcome_publisher()
            exchange.receipt(exchange.batch()[1])
            publisher.done()
        else:
            with pytest.raises(AssertionError, match="signature"):
                publisher.done()
            assert publisher.answered() == 0


def test_a_publisher_ends_by_what_is_signed_alone(stage, publisher):
    """That another one has taken its place may be said by whoever has the transport key: then it asks again."""
    own = wire.Keys(stage.directory / "moh.keys")
    with counterpart(stage, stage.publish) as exchange:
        hello = exchange.welcome_publisher()
        exchange.batch()
        exchange.fence(hello, own, own)
        hello = exchange.welcome_publisher()
        exchange.batch()
        exchange.fence(hello, own, exchange.keys)
        with pytest.raises(AssertionError, match="Two agents"):
            publisher.done()
        assert publisher.process.popen.returncode == 3


def test_a_publisher_that_no_longer_has_what_was_forgotten(stage):
    """It reads its source again, into a stream that takes the other one's place. Before that, a refusal for a reason
    that it does not know is tried again later; a verdict that it does not know is kept."""
    publisher = PythonPublisher(stage, "MOH")
    publisher.put([event_json(people.dose(n)) for n in range(4)])
    with counterpart(stage, stage.publish) as exchange:
        process = stage.start(publisher.command(), publisher.log)
        hello = exchange.welcome_publisher()
        whole, header = exchange.batch()
        exchange.refuse(99, 1)
        exchange.welcome_publisher()
        assert exchange.batch()[0] == whole
        exchange.receipt(header, pb.EventVerdict(sequence=2, verdict=99, position=2))
        assert process.popen.wait(20) == 0, process.text()
        assert [verdict for _, verdict, _ in publisher.verdicts()] == ["ACCEPTED", "99", "ACCEPTED", "ACCEPTED"]
        with contextlib.closing(sqlite3.connect(publisher.spool)) as spool, spool:
            spool.execute("UPDATE batch SET sealed = NULL")  # as after KEPT_DAYS
        process = stage.start(publisher.command(), publisher.log)
        assert exchange.welcome_publisher(epoch=2).stream == hello.stream
        again = exchange.welcome_publisher(epoch=2)
        assert again.replaces_stream == hello.stream and again.stream != hello.stream
        sealed, header = exchange.batch()
        assert pb.SealedBatch.FromString(sealed).events == pb.SealedBatch.FromString(whole).events
        assert (header.first_sequence, header.stream) == (1, again.stream)
        exchange.receipt(header)
        assert process.popen.wait(20) == 0, process.text()


# ---- receiving -----------------------------------------------------------------------------------------------------

@pytest.fixture(params=["ours", "python"])
def receiver(request, stage):
    """One that ends when it has what there was when it began; `start()` starts it so."""
    made = conftest.Receiver(stage, "hn") if request.param == "ours" else PythonReceiver(stage, "hn")
    made.start = lambda: stage.start(made.command("--until-head"), made.log)
    made.stopped = 1 if request.param == "ours" else 3
    return made


def test_a_receiver_at_a_newer_exchange_that_errs(stage, receiver):
    with counterpart(stage, stage.subscribe) as exchange:
        process = receiver.start()
        hello = exchange.welcome_subscriber(0, head=4)
        assert hello.from_start or (hello.HasField("token") and hello.token.position == 0)
        exchange.records(2, 0, record(2, 0))
        assert exchange.expect(wire.Kind.ACK, pb.Ack)[1].position == 2
        held = bytes([2]) * 32
        for wrong in (lambda: exchange.say(TYPE_OF_LATER),           # of a type that it did not ask for
                      lambda: exchange.records(4, 2, record(4, 3)),  # does not join: one is missing
                      lambda: exchange.say(wire.Kind.RECORDS, pb.Records(previous=2, first=4, last=4)),
                      lambda: exchange.say(wire.Kind.WATERMARK, pb.Watermark(token=token(3), head=token(4)), lost=1),
                      lambda: exchange.say(wire.Kind.GOODBYE, more=b"")):
            wrong()
            hello = exchange.welcome_subscriber(2, head=4)
            assert (hello.token.position, hello.token.segment_hash, hello.from_start) == (2, held, False)
        exchange.records(3, 2, record(3, 2, change=99))  # a kind of change that is newer than the receiver
        assert process.popen.wait(20) == receiver.stopped
        process = receiver.start()
        exchange.welcome_subscriber(2, head=4)
        exchange.records(4, 2, record(4, 2))
        assert exchange.expect(wire.Kind.ACK, pb.Ack)[1].position == 4
        assert process.popen.wait(20) == 0, process.text()
    assert [(line["position"], line["fields"]) for line in receiver.records()] == [
        (2, {"dose_number": 2}), (4, {"dose_number": 4})]


def test_a_snapshot_goes_on_where_it_was_interrupted(stage):
    """What chunks brought stays, what none of them brought goes, and the feed behind the first chunk is passed over."""
    receiver = PythonReceiver(stage, "hn")
    with counterpart(stage, stage.subscribe) as exchange:
        process = receiver.start()
        exchange.welcome_subscriber(0, head=2)
        exchange.records(2, 0, record(1, 0), record(2, 1))
        exchange.is_read()
        exchange.change_rights()
        assert exchange.asked().cursor == b""
        exchange.chunk([record(2, 0)], first=5, head=5, cursor=b"one")
        assert exchange.asked().cursor == b"one"
        exchange.say(wire.Kind.GOODBYE, more=b"")
        assert exchange.welcome_subscriber(0, head=9).snapshot
        assert exchange.asked().cursor == b"one"
        exchange.chunk([record(3, 0)], first=5, head=7, done=True)
        assert exchange.expect(wire.Kind.ACK, pb.Ack)[1].position == 5
        # Behind `first`: one that chunks told as it is later, one that is gone since, one that came since.
        exchange.records(8, 5, record(6, 5, id_of=3), record(7, 6, change=pb.CHANGE_DELETE, id_of=2), record(8, 7))
        exchange.is_read()
        assert {key[:2]: body["dose_number"] for key, body in receiver.copy().items()} == {"03": 3, "08": 8}
        # The cursor leads nowhere any more: from the beginning, with the marks of another snapshot.
        exchange.change_rights()
        exchange.asked()
        exchange.chunk([record(3, 0)], first=8, head=8, cursor=b"two")
        exchange.asked()
        exchange.say(wire.Kind.ERROR, pb.Error(code=pb.Error.CURSOR_BAD, text="Begin again."))
        assert exchange.welcome_subscriber(0, head=9).snapshot
        assert exchange.asked().cursor == b""
        exchange.chunk([record(8, 0)], first=9, head=9, done=True)
        exchange.is_read()
        assert [key[:2] for key in receiver.copy()] == ["08"]
        process.stop()


# ---- a newer client at this exchange -------------------------------------------------------------------------------

class Newer:
    """Speaks as publish.py and receive.py do, with a field more in every message."""

    def __init__(self, exchange, name, endpoint):
        directory = exchange.directory
        self.keys = wire.Keys(directory / f"{name}.keys")
        self.session = wire.Session(endpoint, self.keys, wire.Keys(directory / "broker.keys.pub"))
        self.sequence, self.stream = 1, bytes(range(16))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.socket.close()

    def say(self, kind, message, **header):
        self.session.send(kind, message.SerializeToString() + NEWER, **header)

    def hello_publish(self):
        hello = pb.HelloPublish(protocol_version=1, stream=self.stream, stream_kind="live", agent="newer")
        return self.session.hello(wire.Kind.HELLO_PUBLISH, hello.SerializeToString() + NEWER, wire.Kind.WELCOME_PUBLISH)

    def hello_subscribe(self):
        hello = pb.HelloSubscribe(protocol_version=1, subscription="hn", from_start=True)
        return self.session.hello(wire.Kind.HELLO_SUBSCRIBE, hello.SerializeToString() + NEWER,
                                  wire.Kind.WELCOME_SUBSCRIBE)

    def expect(self, kind, message):
        while True:
            frame = self.session.next(20)
            assert frame, f"no frame of type {kind}"
            if frame.kind == kind:
                return message.FromString(frame.body)

    def verdicts(self, event, envelope=b""):
        """Sends a batch of this event alone; (verdict, reasons), None where it was plainly accepted."""
        _, sealed = publish.seal(self.stream, self.sequence, [event], self.keys)
        self.session.send(wire.Kind.BATCH, sealed + envelope, self.sequence)
        self.sequence += 1
        body = pb.ReceiptBody.FromString(self.expect(wire.Kind.RECEIPT, pb.Receipt).body)
        return [(verdict.verdict, [reason.code for reason in verdict.reasons]) for verdict in body.verdicts]


def test_a_newer_client_at_this_exchange(exchange):
    exchange.load_population(people.citizens(3))
    exchange.agency("MOH", "health", [])
    exchange.committee("hn", "health", "health.dose_number")
    exchange.start_broker()
    with Newer(exchange, "moh", exchange.publish) as newer:
        newer.hello_publish()
        assert newer.verdicts(people.dose(0) + NEWER) == []
        assert newer.verdicts(people.dose(1), envelope=NEWER) == [(pb.REJECTED, [pb.BATCH_UNREADABLE])]
        newer.say(wire.Kind.PING, pb.Ping(nonce=1))
        assert newer.verdicts(people.dose(2)) == []
        turned_away(newer)
        assert pb.WelcomePublish.FromString(newer.hello_publish().body).last_sequence == 3
    with Newer(exchange, "hn", exchange.subscribe) as newer:
        newer.hello_subscribe()
        newer.say(wire.Kind.CREDIT, pb.Credit(bytes=1 << 20))
        assert len(newer.expect(wire.Kind.RECORDS, pb.Records).records) == 2
        newer.say(wire.Kind.ACK, pb.Ack(position=1))
        turned_away(newer)
        newer.hello_subscribe()
    assert exchange.cluster.value("SELECT count(*) FROM exchange.record_version") == 2


def turned_away(newer):
    """A type of frame of later than this exchange is answered so, and the session is over."""
    newer.session.send(TYPE_OF_LATER)
    with pytest.raises(wire.Ended, match="BAD_FRAME"):
        newer.expect(TYPE_OF_LATER, pb.Ping)
    newer.say(wire.Kind.PING, pb.Ping(nonce=2))
    with pytest.raises(wire.NoSession):
        newer.expect(TYPE_OF_LATER, pb.Ping)
