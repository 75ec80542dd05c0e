# SPDX-License-Identifier: Apache-2.0
"""Attacks below the protocol: on handshakes, connections and ZMTP itself, by strangers and by who has a key. Honest
peers go on meanwhile (attack.py), and what strangers send is counted: nothing of it is ever looked at."""
import contextlib
import json
import os
import pathlib
import resource
import struct
import time

import pytest

import people
import wire
import zmtp
from attack import CONNECTION_KIB, GROWTH_KIB, attacked, open_attacked, set_up, short

HANDSHAKE_S = 5  # HANDSHAKE_IVL_MS
FRAME_MAX = 24 + 1024 * 1024
RESERVED = 128   # DESCRIPTORS_RESERVED


@pytest.fixture(scope="module")
def site(template):
    with open_attacked(template) as exchange:
        yield exchange


def contract(n):
    return wire.event("EVN", f"PE{n}", people.subject(n), electricity={
        "customer_code": f"PE{n}", "status": "active", "province_code": "01"})


def server_key(site):
    return wire.keys_of(site, "broker").curve_public


def shaken(site, name="moh", endpoint=None):
    return zmtp.Raw(endpoint or site.publish).shake_hands(wire.keys_of(site, name), server_key(site))


# ---- strangers -------------------------------------------------------------------------------------------------------

def hello_box(site):
    """A HELLO command as it should be."""
    public, secret = zmtp.new_pair()
    nonce = struct.pack(">Q", 1)
    return zmtp.framed(b"\5HELLO\1\0" + bytes(72) + public + nonce + zmtp.box(
        bytes(64), b"CurveZMQHELLO---" + nonce, server_key(site), secret), zmtp.COMMAND)


BEGINNINGS = {
    "nothing": lambda site: b"",
    "half a greeting": lambda site: zmtp.greeting()[:30],
    "a greeting and nothing more": lambda site: zmtp.greeting(),
    "no ZMTP": lambda site: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "random bytes": lambda site: os.urandom(4096),
    "zeros": lambda site: bytes(4096),
    "a frame of ours": lambda site: wire.frame(wire.BATCH, bytes(1000)),
    "ZMTP 1": lambda site: b"\x01\x00" + zmtp.framed(b"x" * 100),
    "ZMTP 2": lambda site: zmtp.greeting(version=b"\1\5")[:12] + zmtp.framed(b"x" * 100),
    "no mechanism": lambda site: zmtp.greeting(mechanism=b"NULL") + zmtp.framed(
        b"\5READY\x0bSocket-Type\0\0\0\6DEALER", zmtp.COMMAND) + zmtp.framed(wire.frame(wire.HELLO_PUBLISH)),
    "a password": lambda site: zmtp.greeting(mechanism=b"PLAIN") + zmtp.framed(b"\5HELLO\1a\1b", zmtp.COMMAND),
    "another server": lambda site: zmtp.greeting(as_server=1),
    "a message before the handshake": lambda site: zmtp.greeting() + zmtp.framed(wire.frame(wire.HELLO_PUBLISH)),
    "INITIATE first": lambda site: zmtp.greeting() + zmtp.framed(b"\x08INITIATE" + os.urandom(300), zmtp.COMMAND),
    "an empty command": lambda site: zmtp.greeting() + zmtp.framed(b"", zmtp.COMMAND),
    "an endless command": lambda site: zmtp.greeting() + b"\x06\x7f" + b"\xff" * 7 + os.urandom(4096),
    "HELLO, damaged": lambda site: zmtp.greeting() + hello_box(site)[:-1] + b"\0",
    "HELLO, and nothing more": lambda site: zmtp.greeting() + hello_box(site),
    "HELLO, twice": lambda site: zmtp.greeting() + 2 * hello_box(site),
}


def test_whatever_a_stranger_begins_ends(site):
    """Each kind over some connections, left open: all are closed once the time for a handshake is over."""
    with attacked(site), contextlib.ExitStack() as stack:
        begun = []
        for kind, begin in BEGINNINGS.items():
            for n in range(short(6, 60)):
                raw = stack.enter_context(zmtp.Raw(site.subscribe if n % 2 else site.publish))
                raw.send(begin(site))
                begun.append((kind, raw))
        deadline = time.monotonic() + HANDSHAKE_S + 3
        for kind, raw in begun:
            assert raw.wait_closed(max(0.1, deadline - time.monotonic())), kind


def test_a_byte_now_and_then_is_no_way_to_stay(site):
    """A whole handshake of an honest peer's, a byte at a time."""
    with attacked(site), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(zmtp.Raw(site.publish)) for _ in range(short(50, 500))]
        told = zmtp.greeting() + hello_box(site)
        begin = time.monotonic()
        for n in range(len(told)):
            slow = [raw for raw in slow if raw.send(told[n:n + 1])]
            if not slow:
                break
            slow[0].wait_closed(0.05)
        assert not slow and time.monotonic() - begin < HANDSHAKE_S + 5


def test_nothing_of_a_strangers_is_looked_at(exchange):
    """The broker counts the frames that reach it: of hundreds from keys that it does not know, none."""
    set_up(exchange)
    exchange.start_broker()
    stranger = wire.Keys.new()
    server = server_key(exchange)
    with contextlib.ExitStack() as stack:
        for n in range(short(100, 1000)):
            raw = stack.enter_context(zmtp.Raw(exchange.subscribe if n % 2 else exchange.publish))
            with pytest.raises(EOFError):
                raw.shake_hands(stranger, server)
            raw.send(raw.message(wire.frame(wire.HELLO_PUBLISH)) * 10)  # whether it is let in or not
        for endpoint in (exchange.publish, exchange.subscribe):
            peer = stack.enter_context(wire.Peer(endpoint, stranger, server))
            assert not peer.socket.poll(200, wire.zmq.POLLOUT)
        with wire.publisher(exchange, "EVN") as known:
            known.send_frames(b"x")
            known.expect_error("BAD_FRAME")
    exchange.broker.stop()
    assert json.loads((exchange.directory / "broker.stats").read_text())["frames"] == {"publish": 1, "subscribe": 0}


def test_a_flood_of_handshakes(site):
    """One after the other as fast as they go, by a key that is refused at its end."""
    stranger = wire.Keys.new()
    with attacked(site):
        begin, n = time.monotonic(), 0
        while time.monotonic() - begin < short(2, 60):
            with zmtp.Raw(site.publish) as raw, pytest.raises(EOFError):
                raw.shake_hands(stranger, server_key(site))
            n += 1
        assert n > 20


# ---- who has a key ---------------------------------------------------------------------------------------------------

def is_alive(site, agency="MOH"):
    with wire.publisher(site, agency) as peer:
        peer.hello()
        peer.send(wire.PING, wire.Ping(nonce=1))
        assert peer.expect(wire.PONG).nonce == 1


def command(name, rest=b""):
    return bytes([len(name)]) + name + rest


COMMANDS = {
    "PING": [command(b"PING", b"\0\x64")],
    "PING with a long context": [command(b"PING", b"\0\x64" + b"x" * 5000)],
    "PONG": [command(b"PONG", b"x" * 16)],
    "ERROR": [command(b"ERROR", b"\3abc")],
    "READY again": [command(b"READY")],
    "SUBSCRIBE": [command(b"SUBSCRIBE", b"all")],
    "CANCEL": [command(b"CANCEL", b"all")],
    "JOIN": [command(b"JOIN", b"group")],
    "unknown": [command(b"SELFDESTRUCT")],
    "empty": [b""],
    "a name longer than the command": [b"\xffPING"],
    "many": [command(b"PING", b"\0\x64")] * 2000,
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_commands_of_a_wrong_kind(site, kind):
    """After the handshake, encrypted as they should be."""
    with attacked(site), shaken(site) as raw:
        raw.send(b"".join(raw.message(body, flags=2) for body in COMMANDS[kind]))
        raw.send(raw.message(wire.frame(wire.PING, session=1)))
        raw.wait_closed(0.2)
        is_alive(site)


MESSAGES = {
    "not encrypted": lambda raw: zmtp.framed(wire.frame(wire.PING)),
    "a command that is not encrypted": lambda raw: zmtp.framed(command(b"PING", b"\0\x64"), zmtp.COMMAND),
    "damaged": lambda raw: raw.message(b"x" * 100)[:-1] + b"\0",
    "said again": lambda raw: 2 * raw.message(wire.frame(wire.PING)),
    "too short": lambda raw: zmtp.framed(b"\7MESSAGE" + bytes(8)),
    "longer than a frame may be": lambda raw: b"\2" + struct.pack(">Q", FRAME_MAX + 34) + bytes(100),
    "of 2^63 bytes": lambda raw: b"\2" + struct.pack(">Q", 1 << 63) + bytes(100),
    "of 2^64 - 1 bytes": lambda raw: b"\2" + b"\xff" * 8 + bytes(100),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_that_may_not_be(site, kind):
    """Each ends its connection, at once."""
    with attacked(site), shaken(site) as raw:
        raw.send(MESSAGES[kind](raw))
        assert raw.wait_closed(5)
        is_alive(site)


def test_metadata_without_end(site):
    """A handshake that says a thousand properties of itself, and a long name."""
    said = b"".join(bytes([250]) + b"x" * 250 + struct.pack(">I", 100) + b"y" * 100 for _ in range(1000))
    with attacked(site):
        for metadata in (said, b"\xff" * 10, b"\x0bSocket-Type\xff\xff\xff\xff", b"\x0bSocket-Type\0\0\0\3PUB"):
            with zmtp.Raw(site.publish) as raw, contextlib.suppress(EOFError, OSError):
                raw.shake_hands(wire.keys_of(site, "moh"), server_key(site), metadata=metadata)
                raw.send(raw.message(wire.frame(wire.PING)))
                raw.wait_closed(0.2)
        is_alive(site)


def test_lengths_that_nothing_follows(site):
    """The largest message that may be is announced, and its bytes do not come."""
    n = short(100, 1000)
    with attacked(site, growth_kib=n * CONNECTION_KIB + GROWTH_KIB), contextlib.ExitStack() as stack:
        for _ in range(n):
            raw = stack.enter_context(shaken(site))
            raw.send(b"\2" + struct.pack(">Q", FRAME_MAX) + b"\7MESSAGE")
        is_alive(site)


def test_frames_that_announce_more(site):
    """MORE, and never a last one: ends where a message has grown past what a connection may hold."""
    with attacked(site, growth_kib=64 * 1024), contextlib.ExitStack() as stack:
        raws = [stack.enter_context(shaken(site)) for _ in range(4)]
        for _ in range(short(200, 2000)):
            for raw in raws:
                raw.send(raw.message(b"x" * 1000, flags=1))
        is_alive(site)


def test_connections_that_come_and_go(site):
    """One key that was not here before, as fast as it can, until it is put off; it is let in again a little later."""
    with attacked(site):
        n, put_off = 0, False
        deadline = time.monotonic() + 60  # a busy machine is hardly faster than what is let in for good
        while not put_off and time.monotonic() < deadline:
            try:
                shaken(site, "vss").close()
                n += 1
            except (EOFError, OSError):
                put_off = True
        assert put_off and n >= 500, n
        is_alive(site, "VSS")


def cpu_seconds(process):
    words = pathlib.Path(f"/proc/{process.popen.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_descriptors_are_used_up(exchange):
    """Connections that say nothing hold all that the broker gives to peers. Who is connected goes on, also over a
    restart of the database's sessions, nobody spins, and afterwards everybody can come again."""
    set_up(exchange)
    broker = exchange.start_broker()
    with contextlib.ExitStack() as stack, wire.publisher(exchange, "EVN") as evn:
        evn.hello()
        evn.publish([contract(0)])
        in_use = len(os.listdir(f"/proc/{broker.popen.pid}/fd"))
        resource.prlimit(broker.popen.pid, resource.RLIMIT_NOFILE, (in_use + 20 + RESERVED, in_use + 20 + RESERVED))
        held = [stack.enter_context(zmtp.Raw(exchange.publish)) for _ in range(100)]
        closed = [raw for raw in held if raw.wait_closed(0.02)]
        assert len(closed) >= 70, len(closed)
        begin, used = time.monotonic(), cpu_seconds(broker)
        exchange.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
                              "'dongbo%%' AND datname = current_database()")
        for n in range(1, 20):
            evn.publish([contract(n)])
        assert cpu_seconds(broker) - used < max(1, 0.5 * (time.monotonic() - begin))
        for raw in held:
            raw.close()
        with wire.publisher(exchange, "MOH") as moh:
            moh.hello()
            moh.publish([people.dose(1)])
