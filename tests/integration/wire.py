# SPDX-License-Identifier: Apache-2.0
"""A small client of the exchange's two sockets, written from proto/PROTOCOL.md and sharing no code with the programs:
frames, sealed batches, CURVE, publisher and subscriber sessions. It can also say what no honest agent says, for the
tests of bad inputs. Generated protobuf code is made by protoc in a temporary directory."""
import atexit
import functools
import hashlib
import importlib
import itertools
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import types

import zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"
VERSION = 1
HEADER = struct.Struct(">2sBBIQQ")  # magic, version, type, body length, session, sequence
TIMEOUT = 20  # seconds; a test that waits longer has failed
SILENT_SECONDS = 20  # PEER_SILENT_MS: the session of a peer that says nothing for longer is over

HELLO_PUBLISH, WELCOME_PUBLISH, BATCH, RECEIPT, VERDICTS, REFUSAL, PROOFS = range(1, 8)
HELLO_SUBSCRIBE, WELCOME_SUBSCRIBE, CREDIT, RECORDS, WATERMARK, ACK, FOLLOW, FOLLOWED = range(16, 24)
SNAPSHOT, CHUNK, ASK_HEADS, HEADS = range(24, 28)
ENROL, ENROLLED = 28, 29
PING, PONG, ERROR, GOODBYE = range(32, 36)
MESSAGES = {HELLO_PUBLISH: "HelloPublish", WELCOME_PUBLISH: "WelcomePublish", BATCH: "SealedBatch",
            RECEIPT: "Receipt", VERDICTS: "Verdicts", REFUSAL: "Refusal", PROOFS: "Proofs",
            HELLO_SUBSCRIBE: "HelloSubscribe", WELCOME_SUBSCRIBE: "WelcomeSubscribe",
            CREDIT: "Credit", RECORDS: "Records", WATERMARK: "Watermark",
            ACK: "Ack", FOLLOW: "Follow", FOLLOWED: "Followed", SNAPSHOT: "SnapshotRequest",
            CHUNK: "SnapshotChunk", ASK_HEADS: "AskHeads", HEADS: "Heads", ENROL: "Enrol", ENROLLED: "Enrolled",
            PING: "Ping", PONG: "Pong", ERROR: "Error"}
TYPE_NAMES = {**MESSAGES, GOODBYE: "Goodbye"}


@functools.lru_cache(maxsize=None)
def _generated():
    directory = tempfile.mkdtemp(prefix="dongbo-wire-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    files = sorted(path.name for path in PROTO.glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={directory}", *files], check=True)
    sys.path.insert(0, directory)
    modules = [importlib.import_module(f"{name[:-6]}_pb2") for name in files]
    return types.SimpleNamespace(**{name: value for module in modules for name, value in vars(module).items()
                                    if not name.startswith("_")})


def __getattr__(name):
    """wire.ChangeEvent, wire.Verdict, ...: whatever proto/*.proto declare."""
    return getattr(_generated(), name)


# ---- keys --------------------------------------------------------------------------------------------------------

class Keys:
    """A party's CURVE and Ed25519 pairs."""

    def __init__(self, curve_public, curve_secret, sign_secret=None, sign_public=None):
        self.curve_public = curve_public
        self.curve_secret = curve_secret
        self.private = sign_secret and Ed25519PrivateKey.from_private_bytes(sign_secret)
        self.sign_secret = sign_secret
        self.sign_public = sign_public or self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    @classmethod
    def new(cls):
        public, secret = zmq.curve_keypair()
        return cls(z85.decode(public), z85.decode(secret), os.urandom(32))

    @classmethod
    def read(cls, path):
        """A key file of `dongbo keys new`, or its .pub."""
        lines = (line.split("#")[0].split(":", 1) for line in pathlib.Path(path).read_text().splitlines())
        values = {line[0].strip(): line[1].strip().strip('"\'') for line in lines if len(line) == 2}
        values = {name: bytes.fromhex(text) for name, text in values.items()
                  if name in ("curve_public", "curve_secret", "sign_public", "sign_secret")}
        return cls(values["curve_public"], values.get("curve_secret"), values.get("sign_secret"),
                   values["sign_public"])

    @property
    def key_id(self):
        return hashlib.sha256(self.sign_public).digest()[:8].hex()

    def sign(self, domain, data):
        return self.private.sign(domain.encode() + b"\0" + data)

    def verifies(self, domain, data, signature):
        return verifies(self.sign_public, domain, data, signature)


def verifies(public, domain, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, domain.encode() + b"\0" + data)
        return True
    except InvalidSignature:
        return False


# ---- Merkle trees and batches ------------------------------------------------------------------------------------

def leaf(data):
    return hashlib.sha256(b"\0" + data).digest()


def root(leaves):
    """RFC 6962: the tree over n leaves splits at the greatest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def root_by_path(leaf_hash, index, size, path):
    """RFC 6962, 2.1.1: of a leaf and its inclusion path."""
    if size == 1:
        assert not path
        return leaf_hash
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return hashlib.sha256(b"\1" + root_by_path(leaf_hash, index, split, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\1" + path[-1] + root_by_path(leaf_hash, index - split, size - split, path[:-1])).digest()


def batch_leaf(sealed, proof):
    """Of a batch's segment, by its bytes and a BatchProof."""
    batch = _generated().SealedBatch.FromString(sealed)
    header = _generated().BatchHeader.FromString(batch.header)
    data = struct.pack(">IQQBI", proof.epoch, proof.first_position, proof.last_position, 1, proof.agency)
    data += header.stream + struct.pack(">QQ", header.first_sequence, header.first_sequence + header.count - 1)
    data += header.root + hashlib.sha256(batch.header + batch.signature).digest()
    data += struct.pack(">QQ", proof.stored_at_us, proof.population_position) + proof.entries_root
    return hashlib.sha256(b"\0dongbo segment 2\0" + data).digest()


def link(previous, leaf_hash):
    """A segment's hash."""
    return hashlib.sha256(b"\2" + previous + leaf_hash).digest()


def now_us():
    return time.time_ns() // 1000


def seal(keys, stream, first, events, **lies):
    """A SealedBatch's bytes. Lies replace what an honest agent would write: count, schema_version, key_id, root,
    signature, salts, stream, sealed_at_us; `after` gets the events that follow the signature instead of those that were
    signed."""
    salts = lies.get("salts", os.urandom(16 * len(events)))
    leaves = [leaf(salts[16 * i:16 * i + 16] + event) for i, event in enumerate(events)]
    header = _generated().BatchHeader(
        stream=lies.get("stream", stream), first_sequence=first, count=lies.get("count", len(events)),
        schema_version=lies.get("schema_version", VERSION), key_id=lies.get("key_id", keys.key_id),
        root=lies.get("root", root(leaves)), sealed_at_us=lies.get("sealed_at_us", now_us())).SerializeToString()
    signature = lies.get("signature", keys.sign("dongbo batch 1", header))
    return _generated().SealedBatch(header=header, signature=signature, salts=salts,
                                    events=lies.get("after", events)).SerializeToString()


def event(agency, source_key, subject, **said):
    """A ChangeEvent's bytes with its id. One of `said` is the domain's body (a dict); the others are fields of the
    event itself, event_time_us = an hour ago unless told."""
    message = _generated().ChangeEvent(schema_version=VERSION, operation=1, source_key=source_key, subject=subject)
    message.event_time_us = said.pop("event_time_us", now_us() - 3600 * 1000000)
    event_id = said.pop("event_id", None)
    for name, value in said.items():
        if isinstance(value, dict):
            getattr(message, name).CopyFrom(type(getattr(message, name))(**value))
        elif isinstance(value, (list, tuple)):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    content = message.SerializeToString(deterministic=True)
    identity = hashlib.sha256(agency.encode() + b"\0" + source_key.encode() + b"\0" + content).digest()[:16]
    message.event_id = identity if event_id is None else event_id
    return message.SerializeToString(deterministic=True)


# ---- frames and peers --------------------------------------------------------------------------------------------

def frame(kind, body=b"", session=0, sequence=1, **lies):
    """A frame's bytes; lies: magic, version, length."""
    return HEADER.pack(lies.get("magic", b"DB"), lies.get("version", VERSION), kind, lies.get("length", len(body)),
                       session, sequence) + body


class Received:
    """A frame as it came; its message's fields are its attributes."""

    def __init__(self, data):
        magic, version, self.type, length, self.session, self.sequence = HEADER.unpack_from(data)
        assert magic == b"DB" and version == VERSION and length == len(data) - HEADER.size, data[:24].hex()
        self.body = data[HEADER.size:]
        name = MESSAGES.get(self.type)
        self.message = getattr(_generated(), name).FromString(self.body) if name else None

    def __getattr__(self, name):
        return getattr(self.message, name)

    def __repr__(self):
        return f"{TYPE_NAMES.get(self.type, self.type)} {str(self.message).strip()}"


_monitors = itertools.count()


class Peer:
    """A DEALER that knows the exchange's key. Answers pings by itself."""

    def __init__(self, endpoint, keys, server_key, **options):
        self.keys = keys
        self.session = 0
        self.sequence = 0
        self.sent = 0
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.immediate = 1
        self.socket.curve_serverkey = z85.encode(server_key)
        self.socket.curve_publickey = z85.encode(keys.curve_public)
        self.socket.curve_secretkey = z85.encode(keys.curve_secret)
        self.socket.reconnect_ivl = 50
        for name, value in options.items():
            setattr(self.socket, name, value)
        # Not by the descriptor, as pyzmq would have it: the last socket of that number may not be gone yet.
        self.monitor = self.socket.get_monitor_socket(addr=f"inproc://monitor-{next(_monitors)}")
        self.socket.connect(endpoint)
        self.answers_pings = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self.socket.closed:
            self.socket.disable_monitor()
            self.monitor.close(linger=0)
            self.socket.close(linger=0)

    def wait_event(self, wanted, timeout=TIMEOUT):
        """Until the transport reports one of these zmq.EVENT_*; which one, and its value."""
        deadline = time.monotonic() + timeout
        while self.monitor.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            said = recv_monitor_message(self.monitor)
            if said["event"] & wanted:
                return said["event"], said["value"]
        raise AssertionError(f"no transport event {wanted:#x} in {timeout} s")

    def send_frames(self, *frames):
        """As they are: for what is no frame of ours, and for messages of several."""
        assert self.socket.poll(TIMEOUT * 1000, zmq.POLLOUT), "the exchange takes nothing"
        self.socket.send_multipart(frames)
        self.sent = time.monotonic()

    def send(self, kind, message=None, body=None, **header):
        self.sequence += 1
        body = body if body is not None else message.SerializeToString() if message else b""
        header = {"session": self.session, "sequence": self.sequence, **header}
        self.send_frames(frame(kind, body, **header))

    def receive(self, timeout=TIMEOUT):
        """The next frame that is not a ping; None when there is none in time."""
        deadline = time.monotonic() + timeout
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            received = Received(self.socket.recv())
            if received.session not in (0, self.session):
                continue  # of a session that is over
            if received.type == PING and self.answers_pings:
                self.send(PONG, _generated().Pong(nonce=received.nonce))
            elif received.type != PING:
                return received
        return None

    def expect_welcome(self, kind):
        """Frames of an earlier session may still come before it."""
        deadline = time.monotonic() + TIMEOUT
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            received = Received(self.socket.recv())
            if received.type == kind:
                return received
            if received.type == PING and not received.session:  # a connection without a session is asked, too
                self.send(PONG, _generated().Pong(nonce=received.nonce))
                continue
            assert received.session, f"{TYPE_NAMES[kind]} expected, not {received!r}"
        raise AssertionError(f"no {TYPE_NAMES[kind]} in {TIMEOUT} s")

    def expect(self, kind, timeout=TIMEOUT):
        received = self.receive(timeout)
        assert received is not None, f"no {TYPE_NAMES[kind]} in {timeout} s"
        assert received.type == kind, f"{TYPE_NAMES[kind]} expected, not {received!r}"
        return received

    def expect_error(self, code, timeout=TIMEOUT):
        """An Error of this name, whose text says something."""
        received = self.expect(ERROR, timeout)
        assert _generated().Error.Code.Name(received.code) == code, repr(received)
        assert len(received.text) > 20, repr(received)
        return received

    def expect_refusal(self, code, timeout=TIMEOUT):
        received = self.expect(REFUSAL, timeout)
        assert _generated().Refusal.Code.Name(received.code) == code, repr(received)
        assert len(received.text) > 20, repr(received)
        return received


class Stored:
    """A receipt whose signature was good."""

    def __init__(self, receipt, signing_key, base=1):
        assert verifies(signing_key, "dongbo receipt 1", receipt.message.body, receipt.message.signature)
        self.raw = receipt.body  # Receipt, as it came
        self.body = _generated().ReceiptBody.FromString(receipt.message.body)
        self.credit_bytes = receipt.credit_bytes
        self.said = {verdict.sequence: verdict for verdict in self.body.verdicts}

    def verdicts(self):
        """Verdict names by sequence, the plain ACCEPTED ones too."""
        name = _generated().Verdict.Name
        return {sequence: name(self.said[sequence].verdict) if sequence in self.said else "ACCEPTED"
                for sequence in range(self.body.first_sequence, self.body.last_sequence + 1)}

    def reasons(self, sequence):
        return [(_generated().ReasonCode.Name(reason.code), reason.field) for reason in self.said[sequence].reasons]


class Publisher(Peer):
    """A publishing session of one stream."""

    def __init__(self, endpoint, keys, server_key, stream=None, **options):
        super().__init__(endpoint, keys, server_key, **options)
        self.stream = stream or os.urandom(16)
        self.welcome = None
        self.last = 0
        self.said = {}   # with the last Hello
        self.later = []  # verdicts beside receipts

    def receive(self, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            received = super().receive(max(0.001, deadline - time.monotonic()))
            if received is None or received.type != VERDICTS:
                return received
            self.later += received.verdicts

    def say_hello(self, **fields):
        fields = {"protocol_version": VERSION, "stream": self.stream, "stream_kind": "live", "agent": "test",
                  "program": "wire.py", **fields}
        self.session = 0
        self.send(HELLO_PUBLISH, _generated().HelloPublish(**fields))

    def hello(self, **fields):
        self.said = fields
        self.say_hello(**fields)
        self.welcome = self.expect_welcome(WELCOME_PUBLISH)
        self.session = self.welcome.session
        self.last = self.welcome.last_sequence
        return self.welcome

    def send_batch(self, events, first=None, **lies):
        first = self.last + 1 if first is None else first
        sealed = seal(lies.pop("signer", self.keys), self.stream, first, events, **lies)
        self.send_sealed(sealed, first)
        return sealed

    def send_sealed(self, sealed, first, **header):
        self.send(BATCH, body=sealed, sequence=first, **header)

    def receipt(self, timeout=TIMEOUT):
        stored = Stored(self.expect(RECEIPT, timeout), self.welcome.signing_key)
        assert stored.body.stream == self.stream
        self.last = max(self.last, stored.body.last_sequence)
        return stored

    def publish(self, events, **lies):
        """Greets again where a test did something else for so long that the exchange may have let go of the session."""
        if self.session and time.monotonic() - self.sent > SILENT_SECONDS / 2:
            self.hello(**self.said)
        self.send_batch(events, **lies)
        return self.receipt()


class Subscriber(Peer):
    """A subscribing session. What it takes is `records`, in order."""

    def __init__(self, endpoint, keys, server_key, name, **options):
        super().__init__(endpoint, keys, server_key, **options)
        self.name = name
        self.welcome = None
        self.token = None
        self.position = 0   # read up to here
        self.previous = 0   # of the record delivered last
        self.head = 0
        self.taken = 0
        self.allowed = 0
        self.records = []

    def say_hello(self, **fields):
        fields = {"protocol_version": VERSION, "subscription": self.name, "consumer": "test", "program": "wire.py",
                  "token": self.token, **fields}
        self.session = 0
        self.send(HELLO_SUBSCRIBE, _generated().HelloSubscribe(**fields))

    def hello(self, **fields):
        self.say_hello(**fields)
        self.welcome = self.expect_welcome(WELCOME_SUBSCRIBE)
        self.session = self.welcome.session
        self.position = self.previous = self.welcome.position
        self.taken = self.allowed = 0
        return self.welcome

    def expect(self, kind, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            received = self.receive(max(0.001, deadline - time.monotonic()))
            assert received is not None, f"no {TYPE_NAMES[kind]} in {timeout} s"
            if received.type == kind or received.type != WATERMARK:
                break
        assert received.type == kind, f"{TYPE_NAMES[kind]} expected, not {received!r}"
        return received

    def credit(self, more):
        self.allowed += more
        self.send(CREDIT, _generated().Credit(bytes=self.allowed))

    def ack(self):
        self.send(ACK, _generated().Ack(position=self.position))

    def take(self, timeout=TIMEOUT):
        """One Records or Watermark, checked: in order, nothing left out, within the credit given."""
        received = self.receive(timeout)
        assert received is not None, f"nothing from the feed in {timeout} s"
        return self.take_frame(received)

    def take_frame(self, received):
        if received.type == WATERMARK:
            self.head = received.head.position
            position = received.token.position
        else:
            assert received.type == RECORDS, repr(received)
            self.taken += len(received.body)
            assert self.taken <= self.allowed, "more than the credit was sent"
            self._take_records(received)
            position = received.last
        assert position >= self.position
        self.position = position
        if received.token.position:
            self.token = received.token
        return received

    def _take_records(self, received):
        assert received.previous == self.previous and received.first == self.position + 1, repr(received)
        for data in received.records:
            record = _generated().FeedRecord.FromString(data)
            assert record.previous == self.previous, repr(record)
            assert max(self.previous, received.first - 1) < record.position <= received.last, repr(record)
            self.previous = record.position
            self.records.append(record)

    def say_follow(self, **fields):
        """Of no session, whether there is one or not."""
        self.send(FOLLOW, _generated().Follow(**fields), session=0, sequence=1)

    def follow(self, **fields):
        self.say_follow(**fields)
        return self.expect(FOLLOWED)

    def list(self):
        """Everybody on the list."""
        numbers, more = [], True
        while more:
            page = self.follow(list=True, after=numbers[-1] if numbers else "")
            numbers, more = numbers + list(page.numbers), page.more
        return numbers

    def take_all(self, position, credit=1 << 20, timeout=60):
        """Takes and acknowledges until `position` has been read, giving credit as it goes."""
        deadline = time.monotonic() + timeout
        while self.position < position:
            if self.allowed - self.taken < credit:
                self.credit(credit)
            self.take(max(0.001, deadline - time.monotonic()))
        self.ack()


    def ask(self, cursor=b"", **asked):
        """Asks for a chunk of a snapshot, with credit for it."""
        if self.allowed - self.taken < 1 << 20:
            self.credit(2 << 20)
        self.send(SNAPSHOT, _generated().SnapshotRequest(cursor=cursor, **asked))

    def chunk(self, timeout=TIMEOUT):
        received = self.receive(timeout)
        while received is not None and received.type in (RECORDS, WATERMARK):
            self.take_frame(received)  # was under way before the feed was held
            received = self.receive(timeout)
        assert received is not None and received.type == CHUNK, repr(received)
        self.taken += len(received.body)
        assert self.taken <= self.allowed, "more than the credit was sent"
        for data in received.records:
            assert _generated().FeedRecord.FromString(data).position == received.head.position
        return received

    def snapshot(self, cursor=b"", **asked):
        """All chunks from there on, and their records by id. After a whole one the place is behind its first head."""
        chunks, held = [], {}
        while not chunks or not chunks[-1].done:
            self.ask(cursor, **asked)
            chunks.append(self.chunk())
            assert chunks[-1].first == chunks[0].first
            cursor = chunks[-1].cursor
            for data in chunks[-1].records:
                record = _generated().FeedRecord.FromString(data)
                assert record.change == 1 and record.record_id not in held
                held[record.record_id] = record
        if not asked:
            self.position = self.previous = chunks[0].first.position
            self.token = chunks[0].first if self.position else None
        return chunks, held


# ---- at an exchange of the tests -----------------------------------------------------------------------------------

def keys_of(exchange, name):
    exchange.keys(name)
    return Keys.read(exchange.directory / f"{name}.keys")


def publisher(exchange, agency, keys=None, **options):
    """A publishing peer of an agency, as its own agent would be."""
    return Publisher(exchange.publish, keys or keys_of(exchange, agency.lower()),
                     keys_of(exchange, "broker").curve_public, **options)


def subscriber(exchange, name, keys=None, **options):
    return Subscriber(exchange.subscribe, keys or keys_of(exchange, name), keys_of(exchange, "broker").curve_public,
                      name, **options)
