# SPDX-License-Identifier: Apache-2.0
"""An agent in Python that speaks the wire from proto/PROTOCOL.md alone, so that tests can also say what no agent of
ours would: gaps, forks, broken frames, another agency's stream."""
import hashlib
import os
import pathlib
import struct

import zmq
import zmq.utils.z85
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import wire

HEADER = struct.Struct(">2sBBIQQ")
HELLO, WELCOME, BATCH, RECEIPT, VERDICTS, REFUSAL = 1, 2, 3, 4, 5, 6
PING, PONG, ERROR, GOODBYE = 32, 33, 34, 35


def read_keys(path):
    """A key file, in the form `dongbo keys new` writes: lines of `name: hex`."""
    lines = pathlib.Path(path).read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line and line[0] != "#")
    return {name.strip(): bytes.fromhex(value.strip().strip("\"'")) for name, value in pairs
            if all(c in "0123456789abcdef\"' " for c in value)}


def sha256(data):
    return hashlib.sha256(data).digest()


def merkle_root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:]))


def frame(kind, session, sequence, body=b"", magic=b"DB", version=1, length=None):
    return HEADER.pack(magic, version, kind, len(body) if length is None else length, session, sequence) + body


def said(body):
    """A receipt's verdicts: sequence to (verdict, names of reasons)."""
    return {v.sequence: (v.verdict, [wire.ReasonCode.Name(r.code) for r in v.reasons]) for v in body.verdicts}


class Peer:
    """One DEALER with an agency's keys; one session after hello()."""

    def __init__(self, endpoint, keys, broker_keys, stream=None, timeout_ms=10000):
        self.keys = read_keys(keys)
        self.broker = read_keys(broker_keys)
        self.stream = stream or os.urandom(16)
        self.sign = Ed25519PrivateKey.from_private_bytes(self.keys["sign_secret"])
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.curve_serverkey = zmq.utils.z85.encode(self.broker["curve_public"])
        self.socket.curve_publickey = zmq.utils.z85.encode(self.keys["curve_public"])
        self.socket.curve_secretkey = zmq.utils.z85.encode(self.keys["curve_secret"])
        self.socket.linger = 0
        self.socket.rcvtimeo = timeout_ms
        self.socket.connect(endpoint)
        self.session = 0
        self.next = 1
        self.welcome = None

    def close(self):
        self.socket.close()

    def send(self, kind, message=None, sequence=0, session=None):
        body = message.SerializeToString() if message is not None else b""
        self.socket.send(frame(kind, self.session if session is None else session, sequence, body))

    def receive(self, *wanted):
        """The next frame's type and message; pings are answered by the way. With `wanted`, others are passed over."""
        types = {WELCOME: wire.WelcomePublish, RECEIPT: wire.Receipt, VERDICTS: wire.Verdicts,
                 REFUSAL: wire.Refusal, PING: wire.Ping, PONG: wire.Pong, ERROR: wire.Error,
                 GOODBYE: None}
        while True:
            data = self.socket.recv()
            magic, version, kind, length, session, _ = HEADER.unpack(data[:24])
            assert magic == b"DB" and version == 1 and length == len(data) - 24
            message = types[kind].FromString(data[24:]) if types[kind] else None
            if kind == PING:
                self.send(PONG, wire.Pong(nonce=message.nonce), session=session)
            if (not wanted and kind != PING) or kind in wanted:
                return kind, message

    def hello(self, verdict_position=0, wanted=(WELCOME, ERROR), **fields):
        values = dict(protocol_version=1, stream=self.stream, stream_kind="live", agent="test",
                      verdict_position=verdict_position, program="wire_peer")
        values.update(fields)
        self.send(HELLO, wire.HelloPublish(**values), session=0)
        kind, message = self.receive(*wanted)
        if kind == ERROR:
            return message
        self.session, self.welcome, self.next = message.session, message, message.last_sequence + 1
        return message

    def hello_again(self):
        """After a broker that was killed: errors about what was sent to it may still come, and are not the answer."""
        return self.hello(wanted=(WELCOME,))

    def seal(self, events, first=None, damage=None, **fields):
        """A packed SealedBatch of ChangeEvents (or bytes)."""
        packed = [e if isinstance(e, bytes) else e.SerializeToString() for e in events]
        salts = [os.urandom(16) for _ in packed]
        root = merkle_root([sha256(b"\x00" + salt + event) for salt, event in zip(salts, packed)])
        values = dict(stream=self.stream, first_sequence=first or self.next, count=len(packed), schema_version=1,
                      key_id=sha256(self.keys["sign_public"])[:8].hex(), root=root, sealed_at_us=1)
        values.update(fields)
        header = wire.BatchHeader(**values).SerializeToString()
        signature = self.sign.sign(b"dongbo batch 1\0" + header)
        sealed = wire.SealedBatch(header=header, signature=signature, salts=b"".join(salts), events=packed)
        if damage:
            damage(sealed)
        return sealed.SerializeToString()

    def send_batch(self, body, first=None):
        self.socket.send(frame(BATCH, self.session, first or self.next, body))

    def publish(self, events, first=None, **fields):
        """Seals, sends and waits for the answer: (kind, ReceiptBody or Refusal or Error)."""
        self.send_batch(self.seal(events, first, **fields), first)
        return self.answer()

    def answer(self):
        kind, message = self.receive(RECEIPT, REFUSAL, ERROR)
        if kind != RECEIPT:
            return kind, message
        Ed25519PublicKey.from_public_bytes(self.welcome.signing_key).verify(
            message.signature, b"dongbo receipt 1\0" + message.body)
        body = wire.ReceiptBody.FromString(message.body)
        self.next = max(self.next, body.last_sequence + 1)
        return kind, body
