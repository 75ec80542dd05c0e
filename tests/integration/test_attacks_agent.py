# SPDX-License-Identifier: Apache-2.0
"""What agents make of an exchange that lies: one that has the broker's place and its transport key, and says what no
exchange may. Whatever it says, the agent ends well or tries again, stores nothing of it, stays as small as it was; and
the true exchange then gets, and gives, everything once."""
import contextlib
import os
import sqlite3
import threading
import time

import zmq
from zmq.utils import z85

import people
import wire
from conftest import SANITIZED
from origins import Batch
from test_attacks_publish import BOMBS
from test_witness import Witness

TOP = (1 << 64) - 1
GROWTH_KIB = (64 if SANITIZED else 24) * 1024
ROWS = 30


class Liar(threading.Thread):
    """Sits where the exchange should. Answers each Hello with `lie(liar, hello)`, a list of frames, and whatever comes
    later with `later(liar, frame)`."""

    def __init__(self, exchange, endpoint):
        super().__init__(daemon=True)
        self.keys = wire.keys_of(exchange, "broker")
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger, self.socket.sndhwm = 0, 100000
        self.socket.curve_server = True
        self.socket.curve_secretkey = z85.encode(self.keys.curve_secret)
        self.socket.curve_publickey = z85.encode(self.keys.curve_public)
        self.socket.bind(endpoint)
        self.done, self.told = threading.Event(), threading.Event()
        self.lie, self.heard, self.failed = None, [], None
        self.sequence = 0

    def run(self):
        try:
            while not self.done.is_set():
                if self.socket.poll(20):
                    self.hear(*self.socket.recv_multipart())
        except Exception as failed:  # shown by stop()
            self.failed = failed
        self.socket.close(linger=0)

    def hear(self, route, *rest):
        self.heard.append(rest[-1])
        hello = rest[-1][3] in (wire.HELLO_PUBLISH, wire.HELLO_SUBSCRIBE)
        if hello:
            self.sequence = 0
        said = self.lie(self, rest[-1]) if hello == (not getattr(self.lie, "later", False)) else \
            self.lie.welcome(self, rest[-1]) if hello else []
        for data in said:
            self.socket.send_multipart([route, *data] if isinstance(data, tuple) else [route, data])
        if said and hello == (not getattr(self.lie, "later", False)):
            self.told.set()

    def frame(self, kind, message=None, body=None, session=1, **header):
        self.sequence += 1
        body = message.SerializeToString() if body is None else body
        return wire.frame(kind, body, session, header.pop("sequence", self.sequence), **header)

    def stop(self):
        self.done.set()
        self.join(10)
        if self.failed:
            raise self.failed


def answering(liar, process, lie, seconds=5):
    """Until the lie was told and the agent has done something about it: begun again, or ended."""
    liar.lie, liar.heard = lie, []
    liar.told.clear()
    process.wait_for(lambda: liar.told.is_set() or not process.running(), "the lie is told", seconds)
    hellos = sum(data[3] in (wire.HELLO_PUBLISH, wire.HELLO_SUBSCRIBE) for data in liar.heard)
    end = time.monotonic() + 0.25
    while process.running() and time.monotonic() < end:
        if sum(data[3] in (wire.HELLO_PUBLISH, wire.HELLO_SUBSCRIBE) for data in list(liar.heard)) > hellos:
            break
        liar.done.wait(0.01)


def run_liars(exchange, endpoint, command, lies):
    """The agent is begun for each, so that none waits for what it thinks of the one before."""
    liar = Liar(exchange, endpoint)
    liar.start()
    sizes = {}
    try:
        for name, lie in lies.items():
            liar.lie = lie
            liar.told.clear()
            process = exchange.start(command, exchange.directory / "lied-to.log")
            answering(liar, process, lie)
            sizes[name] = process.rss_kib() if process.running() else 0
            if process.running():
                process.popen.terminate()
            code = process.popen.wait(20)
            assert code in (0, 1, 2, 3, 4), f"{name}: {code}\n{process.text()}"
    finally:
        liar.stop()
    usual = sorted(size for size in sizes.values() if size)[len(sizes) // 4]
    assert max(sizes.values()) < usual + GROWTH_KIB, sizes


# ---- publishing ------------------------------------------------------------------------------------------------------

def welcome(liar, hello, **lies):
    said = {"session": 1, "session_epoch": 1, "credit_bytes": 1 << 20, "signing_key": liar.keys.sign_public, "epoch": 1}
    return liar.frame(wire.WELCOME_PUBLISH, wire.WelcomePublish(**{**said, **lies}))


def welcomes(**lies):
    return lambda liar, hello: [welcome(liar, hello, **lies)]


def after_welcome(*frames):
    """Each (kind, message or bytes)."""
    def lie(liar, hello):
        return [welcome(liar, hello)] + [
            liar.frame(kind, body=said if isinstance(said, bytes) else said.SerializeToString())
            for kind, said in frames]
    return lie


def receipts(signer=None, **lies):
    """Answers the first batch with a receipt that is wrong in this."""
    def lie(liar, data):
        if data[3] != wire.BATCH:
            return []
        header = wire.BatchHeader.FromString(wire.SealedBatch.FromString(data[24:]).header)
        body = {"stream": header.stream, "first_sequence": header.first_sequence,
                "last_sequence": header.first_sequence + header.count - 1, "batch_root": header.root,
                "first_position": 1, "last_position": header.count, "epoch": 1, "segment_hash": bytes(32)}
        made = wire.ReceiptBody(**{**body, **lies}).SerializeToString() if "raw" not in lies else lies["raw"]
        signature = (signer or liar.keys).sign("dongbo receipt 1", made) if signer != "nobody" else b""
        return [liar.frame(wire.RECEIPT, wire.Receipt(body=made, signature=signature, credit_bytes=TOP))]
    lie.later = True
    lie.welcome = lambda liar, hello: [welcome(liar, hello)]
    return lie


def verdict(**said):
    return wire.EventVerdict(**{"sequence": 1, "event_id": bytes(16), "verdict": 6, "position": 1, **said})


def refusals(**said):
    return lambda liar, hello: [welcome(liar, hello), liar.frame(wire.REFUSAL, wire.Refusal(text="x" * 1000, **said))]


def signed_proofs(keys, hello, said, **lies):
    """As the exchange would say them in this session."""
    hello = wire.HelloPublish.FromString(hello[24:])
    body = wire.ProofsBody(**{"stream": hello.stream, "challenge": hello.proofs_challenge, "head": said.head,
                              "batches": said.batches, **lies}).SerializeToString()
    return wire.Proofs(body=body, signature=keys.sign("dongbo proofs 1", body) if keys else b"")


def by_the_exchange(liar, hello, said):
    return signed_proofs(liar.keys, hello, said)


def proofs(frame=by_the_exchange, **lies):
    """Takes the first batch, and proves that it is alone in the log; what is wrong of it is said by name, or made by
    `signer`, `receipt`, `body`. `frame` makes what is sent of it, again behind each Welcome."""
    held = {}

    def lie(liar, data):
        if data[3] != wire.BATCH:
            return []
        sealed = data[24:]
        header = wire.BatchHeader.FromString(wire.SealedBatch.FromString(sealed).header)
        last = header.first_sequence + header.count - 1
        batch = {"first_sequence": header.first_sequence, "last_sequence": last, "first_position": 1,
                 "last_position": header.count, "epoch": 1, "agency": 1, "stored_at_us": 1, "entries_root": bytes(32),
                 "previous_hash": bytes(32)}
        proof = wire.BatchProof(**batch)
        leaf = wire.batch_leaf(sealed, proof)
        for name, value in lies.items():
            if name in batch or name in ("path", "leaf_index"):
                proof.ClearField(name)
                proof.MergeFrom(wire.BatchProof(**{name: value}))
        tree = {"number": 1, "size": 1, "root": leaf, "last_position": header.count, "epoch": 1, "signed_at_us": 1,
                "key_id": liar.keys.key_id, "segment_hash": bytes(32)}
        head = wire.TreeHead(**{**tree, **lies.get("head", {})}).SerializeToString()
        signer = lies.get("signer", liar.keys)
        signed = wire.SignedHead(head=head, signature=signer.sign("dongbo head 1", head) if signer else bytes(64))
        body = wire.ReceiptBody(stream=header.stream, first_sequence=header.first_sequence, last_sequence=last,
                                batch_root=header.root, first_position=1, last_position=header.count, epoch=1,
                                stored_at_us=1, segment_hash=lies.get("receipt") or wire.link(bytes(32), leaf))
        body = body.SerializeToString()
        held["last"] = last
        held["said"] = wire.Proofs(head=signed, batches=[proof] * lies.get("times", 1))
        return [liar.frame(wire.RECEIPT, wire.Receipt(body=body, signature=liar.keys.sign("dongbo receipt 1", body))),
                prove(liar)]

    def prove(liar):
        return liar.frame(wire.PROOFS, body=lies["body"] if "body" in lies else
                          frame(liar, held["hello"], held["said"]).SerializeToString())

    def begin(liar, hello):
        held["hello"] = hello
        if "said" not in held:
            return [welcome(liar, hello)]
        return [welcome(liar, hello, last_sequence=held["last"]), prove(liar)]

    lie.later, lie.welcome = True, begin
    return lie


FALSE_PROOFS = {
    "a proof of other entries": proofs(entries_root=b"\1" * 32),
    "a proof of another agency's": proofs(agency=2),
    "a proof of another time": proofs(stored_at_us=2),
    "a proof of other positions": proofs(first_position=2),
    "a proof of another place": proofs(leaf_index=1),
    "a path to nowhere": proofs(path=[bytes(32)]),
    "a proof of half a batch": proofs(last_sequence=1, last_position=1),
    "a head of another root": proofs(head={"root": bytes(32)}),
    "a segment that the receipt did not name": proofs(receipt=bytes(32)),
    "a segment behind another one": proofs(previous_hash=b"\1" * 32),
}
NO_PROOFS = {
    "a head that nobody signed": proofs(signer=None),
    "a head that another signed": proofs(signer=wire.Keys.new()),
    "a head that is none": proofs(head={"number": 0}),
    "a head by an unknown key": proofs(head={"key_id": "0" * 16}),
    "proofs of what comes later": proofs(first_sequence=2),
    "proofs of what was never sealed": proofs(last_sequence=TOP),
    "the same proof again": proofs(times=2),
    "thousands of proofs": proofs(times=3000),
    "proofs without a head": proofs(body=wire.Proofs().SerializeToString()),
    "proofs that cannot be read": proofs(body=b"\xff" * 100),
}
UNSIGNED = {
    "not signed": lambda liar, hello, said: said,
    "with no signature": lambda liar, hello, said: signed_proofs(None, hello, said),
    "by another key": lambda liar, hello, said: signed_proofs(wire.Keys.new(), hello, said),
    "of another stream": lambda liar, hello, said: signed_proofs(liar.keys, hello, said, stream=bytes(16)),
    "of another session": lambda liar, hello, said: signed_proofs(liar.keys, hello, said, challenge=bytes(16)),
}
PUBLISH_LIES = {
    **NO_PROOFS,
    "proofs before any batch": after_welcome((wire.PROOFS, wire.Proofs(batches=[wire.BatchProof()]))),
    "another signing key": welcomes(signing_key=bytes(32)),
    "a signing key of no length": welcomes(signing_key=b""),
    "more than was ever sent": welcomes(last_sequence=1 << 40),
    "2^63 events": welcomes(last_sequence=1 << 63),
    "2^64 - 1 events": welcomes(last_sequence=TOP),
    "epochs without end": welcomes(epoch=(1 << 32) - 1),
    "a Welcome and another": lambda liar, hello: [welcome(liar, hello), welcome(liar, hello, session=2)],
    "a receipt that nobody signed": receipts(signer="nobody"),
    "a receipt that another signed": receipts(signer=wire.Keys.new()),
    "a receipt for another stream": receipts(stream=bytes(16)),
    "a receipt for all sequences": receipts(first_sequence=0, last_sequence=TOP),
    "a receipt for nothing": receipts(first_sequence=5, last_sequence=4),
    "a receipt for other events": receipts(batch_root=bytes(32)),
    "a receipt of no root": receipts(batch_root=b""),
    "a receipt with a verdict of later": receipts(verdicts=[verdict(sequence=TOP)]),
    "a receipt with no verdict": receipts(verdicts=[verdict(verdict=0)]),
    "a receipt with an unknown verdict": receipts(verdicts=[verdict(verdict=99)]),
    "a receipt that cannot be read": receipts(raw=b"\xff" * 100),
    "a receipt that is a bomb": receipts(raw=BOMBS["empty submessages"][:900000]),
    "verdicts on nobody's events": after_welcome((wire.VERDICTS, wire.Verdicts(
        last_position=5, verdicts=[verdict(sequence=1000 + n, event_id=os.urandom(16)) for n in range(5000)]))),
    "unknown verdicts": after_welcome((wire.VERDICTS, wire.Verdicts(verdicts=[verdict(verdict=99)]))),
    "verdicts from the end of all positions": after_welcome((wire.VERDICTS, wire.Verdicts(
        last_position=TOP, verdicts=[verdict(position=TOP)]))),
    "verdicts without end": after_welcome(*[(wire.VERDICTS, wire.Verdicts(last_position=1, more=True))] * 3000),
    "a gap before the beginning": refusals(code=1, expected_sequence=0),
    "a gap at the end": refusals(code=1, expected_sequence=TOP),
    "too big, of nothing": refusals(code=2, expected_sequence=TOP),
    "a fork": refusals(code=4),
    "overloaded, from the end on": refusals(code=6, expected_sequence=TOP),
    "a reason that nobody knows": refusals(code=99),
    "pings without end": after_welcome(*[(wire.PING, wire.Ping(nonce=1))] * 5000),
    "frames of the other port": after_welcome((wire.RECORDS, b""), (wire.CHUNK, b""), (wire.CREDIT, b"")),
    "no frame": lambda liar, hello: [b"", b"DB", bytes(1000)],
    "several frames": lambda liar, hello: [(b"a", b"b", b"c")],
    "a giant": lambda liar, hello: [welcome(liar, hello), bytes(4 << 20)],
    **{f"a bomb in {wire.TYPE_NAMES[kind]}: {name}": after_welcome((kind, BOMBS[name]))
       for kind in (wire.RECEIPT, wire.VERDICTS, wire.PROOFS, wire.ERROR)
       for name in ("empty submessages", "deep", "unknown fields")},
}


def test_an_agency_is_lied_to(exchange):
    """Through it all its rows stay in the spool; then the true exchange has each once."""
    exchange.load_population(people.citizens(ROWS))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    wire.keys_of(exchange, "moh")
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(ROWS)])
    once = moh.command("--once", "--timeout", "20", "--proof-timeout", "0")
    run_liars(exchange, exchange.publish, once, PUBLISH_LIES)
    exchange.start_broker()
    moh.once(expect=0)
    assert exchange.cluster.value("SELECT count(*) FROM exchange.record_version") == ROWS
    assert not moh.refused("vaccinations")


def test_a_false_proof_ends_it(exchange):
    """And is kept, with a sentence that says what to do; nothing is lost by that."""
    exchange.load_population(people.citizens(ROWS))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    wire.keys_of(exchange, "moh")
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(ROWS)])
    spool = exchange.directory / "moh.spool"
    liar = Liar(exchange, exchange.publish)
    liar.start()
    try:
        for n, (name, lie) in enumerate(FALSE_PROOFS.items(), 1):
            liar.lie = lie
            process = exchange.start(moh.command(), exchange.directory / f"lied-to-{n}.log")
            assert process.popen.wait(20) == 3, name
            assert "proves something false of its log" in process.text() and "Keep the spool" in process.text(), name
            with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as kept:
                assert kept.execute("SELECT count(*) FROM false_proof").fetchall() == [(n,)], name
                assert kept.execute("SELECT count(*) FROM proof").fetchall() == [(0,)], name
    finally:
        liar.stop()
    exchange.start_broker()
    moh.once(expect=0)
    assert exchange.cluster.value("SELECT count(*) FROM exchange.record_version") == ROWS


def test_a_false_alarm(exchange):
    """By whoever has the transport key, and heads that the exchange signed, and not its signing key: agents begin anew,
    and keep nothing of it as evidence. What holds they take, whoever says it."""
    exchange.load_population(people.citizens(ROWS))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    wire.keys_of(exchange, "moh")
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(ROWS)])
    spool = exchange.directory / "moh.spool"

    def kept(table):
        with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as rows:
            return rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    told = {}  # by the one liar, so that what is false is false of the batch that was taken

    def choosing(liar, hello, said):
        if told["agency"] != said.batches[0].agency:
            said.batches[0].agency = told["agency"]
        return told["frame"](liar, hello, said)

    liar = Liar(exchange, exchange.publish)
    liar.lie = proofs(choosing)
    told.update(agency=2, frame=UNSIGNED["not signed"])
    liar.start()
    try:
        for n, (name, told["frame"]) in enumerate(UNSIGNED.items()):
            liar.heard = []
            process = exchange.start(moh.command(), exchange.directory / f"alarmed-{n}.log")
            process.wait_for(lambda: sum(data[3] == wire.HELLO_PUBLISH for data in liar.heard) > 2, "it begins again")
            assert process.running() and "signed" in process.text(), name
            assert process.stop() == 0
            assert (kept("receipt"), kept("proof"), kept("false_proof")) == (1, 0, 0), name
        told.update(agency=1, frame=UNSIGNED["not signed"])
        process = exchange.start(moh.command(), exchange.directory / "true.log")
        process.wait_for(lambda: kept("proof") == 1, "what holds is taken")
        assert process.stop() == 0
    finally:
        liar.stop()


def signed_verdicts(keys, hello, **lies):
    """A refusal of the stream's first event, as the exchange would tell it later."""
    said = wire.HelloPublish.FromString(hello[24:])
    body = {"stream": said.stream, "epoch": 1, "last_position": TOP >> 1,
            "verdicts": [verdict(position=TOP >> 1, verdict=6, event_id=b"")]}
    body = wire.VerdictsBody(**{**body, **lies}).SerializeToString()
    return wire.Verdicts(body=body, signature=keys.sign("dongbo verdicts 1", body) if keys else b"")


def test_later_verdicts_are_signed(exchange):
    """Of an agent that has had some of the true exchange's, nothing else is taken: its transport key is not enough."""
    exchange.load_population(people.citizens(ROWS))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    wire.keys_of(exchange, "moh")
    exchange.start_broker()
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(ROWS)])
    moh.once(expect=0)
    exchange.broker.stop()
    spool, broker = exchange.directory / "moh.spool", wire.keys_of(exchange, "broker")

    def position():
        with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as kept:
            return kept.execute("SELECT max(verdict_position) FROM stream").fetchone()[0]

    def telling(make):
        def lie(liar, hello):
            return [welcome(liar, hello, last_sequence=ROWS), liar.frame(wire.VERDICTS, make(hello))]
        return lie

    lies = {
        "unsigned": lambda hello: wire.Verdicts(last_position=TOP >> 1, verdicts=[verdict(position=TOP >> 1)]),
        "with no signature": lambda hello: signed_verdicts(None, hello),
        "by another key": lambda hello: signed_verdicts(wire.Keys.new(), hello),
        "of another stream": lambda hello: signed_verdicts(broker, hello, stream=bytes(16)),
        "of another epoch": lambda hello: signed_verdicts(broker, hello, epoch=2),
        "beyond all positions": lambda hello: signed_verdicts(broker, hello, last_position=TOP),
    }
    before = position()
    assert before < TOP >> 1
    run_liars(exchange, exchange.publish, moh.command("--once", "--timeout", "5"),
              {name: telling(make) for name, make in lies.items()})
    assert position() == before and not moh.refused("vaccinations")
    # ... and what it has signed is.
    run_liars(exchange, exchange.publish, moh.command("--once", "--timeout", "5"),
              {"unsigned": telling(lies["unsigned"]), "signed": telling(lambda hello: signed_verdicts(broker, hello))})
    assert position() == TOP >> 1


def test_who_asks_outside_of_sessions_answers_pings(exchange):
    """By which the exchange knows what it has read."""
    exchange.keys("broker")
    exchange.keys("witness")
    liar = Liar(exchange, exchange.subscribe)

    def lie(liar, data):
        if data[3] == wire.ASK_HEADS:
            return [liar.frame(wire.PING, wire.Ping(nonce=4711), session=0)]
        return []

    lie.later, lie.welcome, liar.lie = True, None, lie
    liar.start()
    try:
        process = Witness(exchange).start()
        process.wait_for(lambda: any(data[3] == wire.PONG for data in liar.heard), "a Pong", 20)
        pong = wire.Received(next(data for data in liar.heard if data[3] == wire.PONG))
        assert (pong.session, pong.nonce) == (0, 4711)
        process.stop()
    finally:
        liar.stop()


# ---- receiving -------------------------------------------------------------------------------------------------------

HELD = 5  # records that the receiver has from the true exchange before it is lied to


def token(position, **lies):
    said = {"epoch": 1, "position": position, "segment_hash": bytes(32) if position else b""}
    return wire.ResumeToken(**{**said, **lies})


def record(position, previous, **lies):
    said = {"position": position, "previous": previous, "domain": 2, "change": 1, "record_id": bytes(16),
            "event_time_us": 1640000000000000, "agency": "LIE",
            "body": wire.Vaccination(vaccine_group="lie", dose_number=1).SerializeToString()}
    return wire.FeedRecord(**{**said, **lies}).SerializeToString()


def welcomed(liar, place, **lies):
    """In session at the receiver's own place."""
    said = {"session": 1, "head": token(place + 1000), "position": place, "signing_key": liar.keys.sign_public,
            "fields": ["health.vaccine_group", "health.dose_number"], "policy_version": 1}
    return liar.frame(wire.WELCOME_SUBSCRIBE, wire.WelcomeSubscribe(**{**said, **lies}))


def place_of(hello):
    return wire.HelloSubscribe.FromString(hello[24:]).token.position


def feeds(make, **header):
    """Frames of these kinds and messages behind a Welcome; `make(place)` gives them."""
    def lie(liar, hello):
        place = place_of(hello)
        return [welcomed(liar, place)] + [
            liar.frame(kind, body=said if isinstance(said, bytes) else said.SerializeToString(), **header)
            for kind, said in make(place)]
    return lie


def records(make):
    """One frame of records; `make(place)` gives what is wrong of it, the rest is as it should be."""
    def frame(place):
        said = {"previous": place, "first": place + 1, "last": place + 10, "token": token(place + 10),
                "records": [record(place + 1, place), record(place + 2, place + 1)]}
        return [(wire.RECORDS, wire.Records(**{**said, **make(place)}))]
    return feeds(frame)


def welcome_lies(**lies):
    return lambda liar, hello: [welcomed(liar, place_of(hello), **{
        name: value(place_of(hello)) if callable(value) else value for name, value in lies.items()})]


RECEIVE_LIES = {
    "another place": welcome_lies(position=lambda place: place + 1),
    "back to the beginning": welcome_lies(position=0),
    "a place beyond the end": welcome_lies(head=lambda place: token(place - 1)),
    "a place beyond all numbers": welcome_lies(position=TOP, head=token(TOP)),
    "no session": welcome_lies(session=0),
    "a head of no hash": welcome_lies(head=lambda place: token(place, segment_hash=b"x")),
    "fields that are none": welcome_lies(fields=["health.lot_number; DROP TABLE x", "", "x" * 900, "health", "a.b.c"]),
    "thousands of fields": welcome_lies(fields=["health.x"] * 8000),
    "no Welcome": lambda liar, hello: [liar.frame(wire.RECORDS, wire.Records())],
    "records out of order": records(lambda place: {"records": [
        record(place + 2, place), record(place + 1, place + 2)]}),
    "the same twice": records(lambda place: {"records": [record(place + 1, place), record(place + 1, place + 1)]}),
    "records with a hole": records(lambda place: {"records": [record(place + 1, place), record(place + 3, place + 2)]}),
    "positions going back": records(lambda place: {"first": place - 3, "previous": place - 4, "records": [
        record(place - 2, place - 4)]}),
    "positions skipped": records(lambda place: {"first": place + 2}),
    "another record before": records(lambda place: {"previous": place - 1}),
    "records beyond the last": records(lambda place: {"last": place + 1, "token": token(place + 1)}),
    "a last before the first": records(lambda place: {"last": place, "token": token(place), "records": []}),
    "another token": records(lambda place: {"token": token(place + 5)}),
    "a token of no hash": records(lambda place: {"token": token(place + 10, segment_hash=b"")}),
    "positions beyond all numbers": records(lambda place: {"last": TOP, "token": token(TOP), "records": []}),
    "a record that cannot be read": records(lambda place: {"records": [b"\xff\xff"]}),
    "a record that is a bomb": records(lambda place: {"records": [BOMBS["empty submessages"][:900000]]}),
    "an unknown domain": records(lambda place: {"records": [record(place + 1, place, domain=99)]}),
    "an unknown change": records(lambda place: {"records": [record(place + 1, place, change=99)]}),
    "a body of unknown fields": records(lambda place: {"records": [record(place + 1, place, body=b"\xa2\x06\x01x")]}),
    "a body that is cut": records(lambda place: {"records": [record(place + 1, place, body=b"\x0a\x7fx")]}),
    "an id of no length": records(lambda place: {"records": [record(place + 1, place, record_id=b"")]}),
    "a watermark that goes back": feeds(lambda place: [(wire.WATERMARK, wire.Watermark(
        token=token(place - 1), head=token(place)))]),
    "a watermark beyond all numbers": feeds(lambda place: [(wire.WATERMARK, wire.Watermark(
        token=token(TOP), head=token(TOP)))]),
    "a watermark of nothing": feeds(lambda place: [(wire.WATERMARK, wire.Watermark())]),
    "frames that are missing": feeds(lambda place: [(wire.PING, wire.Ping())], sequence=7),
    "a chunk that nobody asked for": feeds(lambda place: [(wire.CHUNK, wire.SnapshotChunk(
        first=token(place), head=token(place), done=True))]),
    "a list that nobody asked for": feeds(lambda place: [(wire.FOLLOWED, wire.Followed(numbers=["1"] * 1000))]),
    "frames of the other port": feeds(lambda place: [(wire.BATCH, b""), (wire.RECEIPT, b"")]),
    "pings without end": feeds(lambda place: [(wire.PING, wire.Ping(nonce=1))] * 5000),
    "no frame": lambda liar, hello: [b"", b"DB", bytes(1000)],
    "several frames": lambda liar, hello: [(b"a", b"b", b"c")],
    "a giant": lambda liar, hello: [welcomed(liar, place_of(hello)), bytes(4 << 20)],
    **{f"a bomb in {wire.TYPE_NAMES[kind]}: {name}": feeds(lambda place, kind=kind, name=name: [(kind, BOMBS[name])])
       for kind in (wire.RECORDS, wire.WATERMARK, wire.WELCOME_SUBSCRIBE, wire.CHUNK)
       for name in ("empty submessages", "one field again and again", "unknown fields")},
}


def start_site(exchange):
    exchange.load_population(people.citizens(ROWS))
    exchange.agency("MOH", "health", [])
    receiver = exchange.committee("hn", "health", "health.vaccine_group,health.dose_number")
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        moh.publish([people.dose(n) for n in range(HELD)])
    receiver.until_head()
    return receiver


def test_a_committee_is_lied_to(exchange):
    """Nothing of it is stored, and its place stays; the true exchange goes on there."""
    receiver = start_site(exchange)
    assert len(receiver.records()) == HELD
    exchange.broker.stop()
    place = sorted(path for path in receiver.directory.rglob("*") if path.is_file())
    before = {path.name: path.read_bytes() for path in place}
    run_liars(exchange, exchange.subscribe, receiver.command(), RECEIVE_LIES)
    after = {path.name: path.read_bytes() for path in receiver.directory.rglob("*") if path.is_file()}
    assert after == before
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        moh.publish([people.dose(n) for n in range(HELD, ROWS)])
    receiver.until_head()
    got = receiver.records()
    assert len(got) == ROWS and all(record["agency"] == "MOH" for record in got)
    assert [record["position"] for record in got] == sorted({record["position"] for record in got})


# ---- whose word it is ------------------------------------------------------------------------------------------------

def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def vaccination(**other):
    return wire.Vaccination(**{**people.dose_body(2), **other}).SerializeToString()


def changed(*names):
    fields = wire.Vaccination.DESCRIPTOR.fields_by_name
    return [fields[name].number for name in names or people.dose_body(2)]


def proved_records(make=lambda *_: {}, event={}, **lies):
    """Two records with proofs, wrong in what `make(liar, MOH's batch)` gives, in what their events say, or the second
    one by name."""
    def lie(liar, hello):
        place, batch = place_of(hello), Batch(liar.moh, **event)
        told = {"agency": "MOH", "body": vaccination(), "changed_fields": changed()}
        said = {"previous": place, "first": place + 1, "last": place + 10, "token": token(place + 10),
                "records": [record(place + 1 + n, place + n, citizen_number=people.citizen(n)["citizen_number"],
                                   **{**told, **(lies if n else {})}) for n in range(2)],
                "batches": [batch.origin()], "origins": [batch.proof(0, True), batch.proof(1, True)]}
        return [welcomed(liar, place, origin_proofs=True),
                liar.frame(wire.RECORDS, wire.Records(**{**said, **make(liar, batch)}))]
    return lie


def second(**lies):
    return proved_records(lambda liar, batch: {"origins": [batch.proof(0, True), batch.proof(1, **lies)]})


ORIGIN_LIES = {
    "no proofs, and no word of it": welcome_lies(),
    "fewer proofs than records": proved_records(lambda liar, batch: {"origins": [batch.proof(0)]}),
    "more proofs than records": proved_records(lambda liar, batch: {"origins": [batch.proof(0)] * 3}),
    "a batch that the exchange signed": proved_records(lambda liar, batch: {"batches": [
        Batch(liar.keys).origin(key_id=batch.keys.key_id)]}),
    "another agency's batch": proved_records(lambda liar, batch: (lambda others: {
        "batches": [others.origin()], "origins": [others.proof(0, True), others.proof(1, True)]})(Batch(liar.other))),
    "a batch by a key that nobody knows": proved_records(lambda liar, batch: {"batches": [
        Batch(wire.Keys.new()).origin()]}),
    "a batch whose signature was changed": proved_records(lambda liar, batch: {"batches": [flipped(batch.origin())]}),
    "a batch of another root": proved_records(lambda liar, batch: {"batches": [Batch(liar.moh).origin()]}),
    "a batch with something behind it": proved_records(lambda liar, batch: {"batches": [batch.origin() + b"\x1a\x00"]}),
    "no batch": proved_records(lambda liar, batch: {"batches": []}),
    "a batch that is a bomb": proved_records(lambda liar, batch: {"batches": [BOMBS["empty submessages"][:500000]]}),
    "a proof that is a bomb": proved_records(lambda liar, batch: {"origins": [
        batch.proof(0, True), BOMBS["empty submessages"][:500000]]}),
    "a proof that cannot be read": proved_records(lambda liar, batch: {"origins": [batch.proof(0, True), b"\xff"]}),
    "another batch than there is": second(batch=1),
    "another place in the batch": second(index=0),
    "a place beyond the batch": second(index=2),
    "another leaf": second(leaf=bytes(32)),
    "a leaf of no length": second(leaf=b"x"),
    "no path": second(path=[]),
    "a path of another event": second(path=[bytes(32)]),
    "a path that goes on": proved_records(lambda liar, batch: {"origins": [
        batch.proof(0, True), batch.proof(1, path=[batch.leaves[0], bytes(32)])]}),
    "a salt alone": second(salt=bytes(16)),
    "an event without its salt": proved_records(lambda liar, batch: {"origins": [
        batch.proof(0, True), batch.proof(1, event=batch.events[1])]}),
    "an event that was changed": proved_records(lambda liar, batch: {"origins": [
        batch.proof(0, True), batch.proof(1, True, event=flipped(batch.events[1]))]}),
    "an event with another salt": second(told=True, salt=bytes(16)),
    "an event that is told and was erased": second(told=True, erased=5),
    "another value than the event's": proved_records(body=vaccination(product_code="EU/1/20/1507")),
    "a value that the event does not say": proved_records(body=vaccination(lot_number="LIE"),
                                                          changed_fields=changed("lot_number")),
    "no value where the event says one": proved_records(body=vaccination(status="")),
    "values of an event that takes them back": proved_records(event={"operation": 2}),
    "another dose than the event's, which did not change": proved_records(
        body=vaccination(dose_number=3), changed_fields=changed("lot_number")),
    "a record that is gone, by an event that takes nothing back": proved_records(
        change=wire.CHANGE_DELETE, body=b"", changed_fields=[]),
    "who left, with where to": proved_records(event={"operation": 2}, change=wire.CHANGE_LEFT, body=b"",
                                              changed_fields=[]),
    "a record that is gone and there": proved_records(event={"operation": 2}, change=wire.CHANGE_DELETE),
    "a body that is a bomb": proved_records(body=BOMBS["empty submessages"][:500000]),
    "the event of somebody else": proved_records(lambda liar, batch: {"origins": [
        batch.proof(0, True), batch.proof(0, True)]}),
}


def test_a_committee_is_lied_to_about_whose_word_it_is(exchange):
    """An exchange that makes records up, or passes one agency's word off as another's, is found out by the agencies'
    own keys; what is true is taken."""
    exchange.load_population(people.citizens(ROWS))
    exchange.agency("MOH", "health", [])
    exchange.agency("MOET", "education", [])
    receiver = exchange.committee("hn", "health", "citizen_number,health.vaccine_group,health.dose_number",
                                  "--origin-proofs", "leaves")
    receiver.config.write_text(receiver.config.read_text() +
                               "origin_proofs: yes\nagency_keys: [MOH=moh.keys.pub, MOET=moet.keys.pub]\n")
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh:
        moh.hello()
        moh.publish([people.dose(n) for n in range(HELD)])
    receiver.until_head()
    assert len(receiver.records()) == HELD and all(line["origin"] for line in receiver.records())
    exchange.broker.stop()
    before = {path.name: path.read_bytes() for path in receiver.directory.rglob("*") if path.is_file()}
    Liar.moh, Liar.other = wire.keys_of(exchange, "moh"), wire.keys_of(exchange, "moet")
    run_liars(exchange, exchange.subscribe, receiver.command(), ORIGIN_LIES)
    after = {path.name: path.read_bytes() for path in receiver.directory.rglob("*") if path.is_file()}
    assert after == before
    # By the same means the truth is taken: so it was each lie that was refused.
    run_liars(exchange, exchange.subscribe, receiver.command(), {"the truth": proved_records(
        body=vaccination(lot_number="of another event"))})
    assert len(receiver.records()) == HELD + 2
    assert [line["origin"]["event"] for line in receiver.records()[HELD:]] == [True, True]
