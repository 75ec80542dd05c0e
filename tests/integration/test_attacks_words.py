# SPDX-License-Identifier: Apache-2.0
"""Who has the exchange's transport key, and not its signing key, keeps nobody from going on for longer than he is on
the line: what would end a program is the exchange's word when it has signed it for that very peer and session. Its own
ends them at once."""
import os

import people
import wire
from test_attacks_agent import HELD, ROWS, Liar, place_of, start_site, welcome, welcomed
from test_witness import Witness, go_on, often

TEXT = "Somebody's word."
CURVE_NAME_BYTES = 8


def asked_by(hello):
    kind = hello[3]
    if kind == wire.ASK_HEADS:
        return wire.AskHeads.FromString(hello[24:]).answer_challenge
    said = wire.HelloPublish if kind == wire.HELLO_PUBLISH else wire.HelloSubscribe
    return said.FromString(hello[24:]).error_challenge


def statement(keys, challenge, kind, code, text):
    """PROTOCOL.md, section 11."""
    return keys.curve_public[:CURVE_NAME_BYTES].hex().encode() + challenge + bytes([kind]) + code.to_bytes(4, "big") + \
        text.encode()


def is_signed(exchange, keys, challenge, frame):
    data = statement(keys, challenge, frame.type, frame.code, frame.text)
    return wire.keys_of(exchange, "broker").verifies("dongbo error 1", data, frame.signature)


def signed_otherwise(liar, own):
    """Signatures that prove nothing, by name: of the challenge, the kind of frame and the code."""
    other = wire.Keys.new()

    def by(keys, peer, change=lambda challenge: challenge):
        return lambda challenge, kind, code: keys.sign("dongbo error 1", statement(peer, change(challenge), kind, code,
                                                                                   TEXT))
    return {
        "not at all": lambda *_: b"",
        "by another key": by(other, own),
        "for another session": by(liar.keys, own, lambda challenge: bytes(16)),
        "for another peer": by(liar.keys, other),
        "as another code": lambda challenge, kind, code: by(liar.keys, own)(challenge, kind, code + 1),
    }


def doubts(exchange, liar, command, lies, gone_on):
    """Each leaves the agent running, and says so; the last one's goes on, once `gone_on(process)` has brought the true
    exchange back."""
    for n, (name, lie) in enumerate(lies.items()):
        liar.lie = lie
        process = exchange.start(command, exchange.directory / f"doubted-{n}.log")
        process.wait_for(lambda: "did not sign" in process.text() or not process.running(), name)
        assert process.running(), f"{name}\n{process.text()}"
        assert TEXT in process.text(), name
        if n + 1 < len(lies):
            assert process.stop() == 0, name
    liar.stop()
    exchange.start_broker()
    gone_on(process)
    assert process.stop() == 0


def given_up_by(text):
    """The last line has what was said, and not that then there was no time for an answer."""
    last = text.rstrip().splitlines()[-1]
    return "given up after 2 seconds" in last and "did not sign" in last and TEXT in last


def test_an_agency_is_told_to_end(exchange):
    exchange.load_population(people.citizens(ROWS))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    own = wire.keys_of(exchange, "moh")
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(ROWS)])
    liar = Liar(exchange, exchange.publish)
    liar.start()

    def says(kind, code, sign, in_session):
        def lie(liar, hello):
            said = {"code": code, "text": TEXT, "signature": sign(asked_by(hello), kind, code)}
            message = wire.Error(**said) if kind == wire.ERROR else wire.Refusal(expected_sequence=1, **said)
            return ([welcome(liar, hello)] if in_session else []) + [
                liar.frame(kind, message, session=1 if in_session else 0)]
        return lie

    ends = {"FENCED": (wire.REFUSAL, wire.Refusal.FENCED, True), "replaced": (wire.ERROR, wire.Error.SESSION_REPLACED,
            True), "version": (wire.ERROR, wire.Error.BAD_VERSION, False)}
    lies = {f"{end}, signed {how}": says(kind, code, sign, in_session)
            for end, (kind, code, in_session) in ends.items() for how, sign in signed_otherwise(liar, own).items()}
    doubts(exchange, liar, moh.command(), lies, lambda process: exchange.wait_until(
        "SELECT count(*) FROM exchange.record_version", ROWS))


def test_a_committee_is_told_to_end(exchange):
    receiver = start_site(exchange)
    exchange.broker.stop()
    own = wire.keys_of(exchange, "hn")
    liar = Liar(exchange, exchange.subscribe)
    liar.start()

    def says(code, sign, in_session):
        def lie(liar, hello):
            error = wire.Error(code=code, text=TEXT, signature=sign(asked_by(hello), wire.ERROR, code))
            return ([welcomed(liar, place_of(hello))] if in_session else []) + [
                liar.frame(wire.ERROR, error, session=1 if in_session else 0)]
        return lie

    otherwise = signed_otherwise(liar, own)
    ends = ("BAD_VERSION", "NOT_ALLOWED", "UNKNOWN_SUBSCRIPTION", "TOKEN_AHEAD", "TOKEN_MISMATCH", "POSITION_GONE")
    lies = {f"{end}, unsigned": says(wire.Error.Code.Value(end), otherwise["not at all"], False) for end in ends}
    lies |= {f"replaced, signed {how}": says(wire.Error.SESSION_REPLACED, sign, True)
             for how, sign in otherwise.items()}

    def gone_on(process):
        with wire.publisher(exchange, "MOH") as peer:
            peer.hello()
            peer.publish([people.dose(n) for n in range(HELD, ROWS)])
        process.wait_for(lambda: len(receiver.records()) == ROWS, "the others")

    liar.lie = lies["NOT_ALLOWED, unsigned"]
    done = exchange.run(*receiver.command("--until-head", "--timeout", "2"))
    assert done.returncode == 3 and given_up_by(done.stderr)
    doubts(exchange, liar, receiver.command(), lies, gone_on)


def test_a_false_alarm_at_a_witness(exchange):
    """By heads that the true exchange signed, without a proof; by one of long ago; by a strange key; by refusals.
    Nothing is co-signed, nothing kept as evidence, and the witness goes on."""
    often(exchange)
    with people.ministry(exchange, 60, "health.dose_number") as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10, 20)
        witness.once()
        go_on(exchange, peer, 20, 30)
        last = witness.lines()[-1]
        with wire.subscriber(exchange, "witness") as asking:  # as an older exchange would answer everybody
            asking.send(wire.ASK_HEADS, wire.AskHeads(after=last["number"], size=last["size"]), session=0)
            true = asking.expect(wire.HEADS)
        exchange.broker.stop()
    heads = [wire.SignedHead(head=bytes(head), signature=bytes(signature)) for head, signature in
             exchange.cluster.rows("SELECT head, signature FROM exchange.signed_head ORDER BY number")]
    kept = witness.heads.read_bytes()
    known = last["number"]
    stranger = wire.Keys.new()
    head = wire.TreeHead(number=known + 1, size=1 << 20, root=bytes(32), last_position=1 << 20, epoch=1, signed_at_us=1,
                         key_id=stranger.key_id, segment_hash=bytes(32), previous=bytes(32)).SerializeToString()
    strange = wire.SignedHead(head=head, signature=stranger.sign("dongbo head 1", head))
    alarms = {"no proof": {"heads": heads[known:], "newest": heads[-1]}, "long ago": {"newest": heads[0]},
              "a strange key": {"newest": strange}}
    liar = Liar(exchange, exchange.subscribe)

    def shows(said, sign=None, old=False):
        def lie(liar, data):
            if data[3] != wire.ASK_HEADS:
                return []
            ask = wire.AskHeads.FromString(data[24:])
            answer = wire.Heads(request=ask.request, **said)
            if sign:
                body = wire.HeadsBody(challenge=bytes(16) if old else ask.answer_challenge, after=ask.after,
                                      size=ask.size, **said).SerializeToString()
                answer = wire.Heads(request=ask.request, body=body, signature=sign("dongbo heads 1", body))
            return [liar.frame(wire.HEADS, answer, session=0)]
        lie.later, lie.welcome = True, None
        return lie

    def refuses(code, sign):
        def lie(liar, data):
            if data[3] != wire.ASK_HEADS:
                return []
            error = wire.Error(code=code, text=TEXT, signature=sign(asked_by(data), wire.ERROR, code))
            return [liar.frame(wire.ERROR, error, session=0)]
        lie.later, lie.welcome = True, None
        return lie

    lies = {**{name: shows(said) for name, said in alarms.items()},
            **{f"{name}, by another key": shows(said, stranger.sign) for name, said in alarms.items()},
            **{f"{name}, of another question": shows(said, liar.keys.sign, old=True) for name, said in alarms.items()},
            **{f"refused, signed {how}": refuses(wire.Error.NOT_ALLOWED, sign)
               for how, sign in signed_otherwise(liar, wire.keys_of(exchange, "witness")).items()}}
    liar.start()
    for n, (name, lie) in enumerate(lies.items()):
        liar.lie = lie
        process = exchange.start(witness.command(), exchange.directory / f"alarmed-{n}.log")
        process.wait_for(lambda: "did not sign" in process.text() or not process.running(), name)
        assert process.running(), f"{name}\n{process.text()}"
        assert process.stop() == 0, name
        assert witness.heads.read_bytes() == kept and not witness.evidence.exists(), name
    assert given_up_by(witness.once("--timeout", "2", expect=3))
    process = exchange.start(witness.command(), exchange.directory / "goes-on.log")
    process.wait_for(lambda: "did not sign" in process.text(), "a last refusal")
    liar.lie = shows({"heads": true.heads, "path": true.path, "newest": true.newest})
    process.wait_for(lambda: witness.lines()[-1]["number"] == len(heads), "what holds is taken, whoever says it")
    liar.stop()
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 30, 40)
    process.wait_for(lambda: witness.lines()[-1]["number"] > len(heads), "a newer head")
    assert process.stop() == 0 and not witness.evidence.exists()
    # What the exchange itself refuses ends it.
    said = Witness(exchange, "moh").once(expect=1)
    assert "did not sign" not in said and "belongs to no subscription" in said


def test_the_exchange_signs_what_ends(exchange):
    """On both ports and for questions, where it is asked to; and real agents end by it."""
    receiver = start_site(exchange)
    challenge = os.urandom(16)
    asks = {"error_challenge": challenge}
    moh, hn = wire.keys_of(exchange, "moh"), wire.keys_of(exchange, "hn")
    stream = os.urandom(16)
    with (wire.publisher(exchange, "MOH", stream=stream) as older,
          wire.publisher(exchange, "MOH", stream=stream) as newer):
        older.hello(**asks)
        newer.hello()
        assert is_signed(exchange, moh, challenge, older.expect_error("SESSION_REPLACED"))
        newer.say_hello(protocol_version=9, **asks)
        assert is_signed(exchange, moh, challenge, newer.expect_error("BAD_VERSION"))
        newer.say_hello(protocol_version=9)
        assert not newer.expect_error("BAD_VERSION").signature
    with wire.subscriber(exchange, "hn") as older, wire.subscriber(exchange, "hn") as newer:
        older.hello(from_start=True, **asks)
        newer.hello(from_start=True)
        assert is_signed(exchange, hn, challenge, older.expect_error("SESSION_REPLACED"))
        newer.say_hello(subscription="other", from_start=True, **asks)
        assert is_signed(exchange, hn, challenge, newer.expect_error("UNKNOWN_SUBSCRIPTION"))
        exchange.wait_until("SELECT count(*) > 0 FROM exchange.signed_head", True)
        ask = wire.AskHeads(request=7, after=1, size=1, answer_challenge=challenge)
        newer.send(wire.ASK_HEADS, ask, session=0)
        heads = newer.expect(wire.HEADS)
        assert (heads.request, len(heads.heads), len(heads.newest.head)) == (7, 0, 0)
        assert wire.keys_of(exchange, "broker").verifies("dongbo heads 1", heads.message.body, heads.signature)
        body = wire.HeadsBody.FromString(heads.message.body)
        assert (body.challenge, body.after, body.size) == (challenge, 1, 1) and body.newest.head
    running = exchange.start(receiver.command(), exchange.directory / "replaced.log")
    running.wait_for(lambda: "receiving from" in running.text(), "a session")
    with wire.subscriber(exchange, "hn") as newer:
        newer.hello(from_start=True)
        assert running.popen.wait(20) == 1
    assert "Another receiver" in running.text() and "did not sign" not in running.text()
