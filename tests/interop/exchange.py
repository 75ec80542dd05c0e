# SPDX-License-Identifier: Apache-2.0
"""What a publisher and a receiver share: key files, signatures, frames, and a session over one connection.
Written from proto/PROTOCOL.md, whose sections are named in brackets; what travels is in dongbo_pb2 (schema.py)."""
import collections
import enum
import hashlib
import os
import random
import struct
import sys
import time

import zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import dongbo_pb2 as pb

PROTOCOL_VERSION = 1
SCHEMA_VERSION = 1
FRAME_BODY_BYTES_MAX = 1048576
PING_INTERVAL_S = 5
PEER_SILENT_S = 20
HANDSHAKE_IVL_MS = 5000
HELLO_S = 5
ANSWER_S = 15
DOUBT_S, DOUBT_MAX_S, CALM_S = 4, 256, 3600
HEADER = struct.Struct(">2sBBIQQ")  # "DB", version, type, body length, session, sequence [4]

Frame = collections.namedtuple("Frame", "kind session sequence body")


class Kind(enum.IntEnum):
    """Types of frames [4]."""
    HELLO_PUBLISH = 1
    WELCOME_PUBLISH = 2
    BATCH = 3
    RECEIPT = 4
    VERDICTS = 5
    REFUSAL = 6
    PROOFS = 7
    HELLO_SUBSCRIBE = 16
    WELCOME_SUBSCRIBE = 17
    CREDIT = 18
    RECORDS = 19
    WATERMARK = 20
    ACK = 21
    FOLLOW = 22
    FOLLOWED = 23
    SNAPSHOT = 24
    CHUNK = 25
    PING = 32
    PONG = 33
    ERROR = 34
    GOODBYE = 35


class Ended(Exception):
    """The session is over; another one may go on from what is stored."""


class Doubted(Ended):
    """What would end us is not signed, so it may be anybody's word who has the exchange's transport key [11]."""


class NoSession(Ended):
    """The exchange does not know our session: Hello again, over the same connection."""


class CursorBad(Ended):
    """The snapshot cannot go on from where it was."""


class PositionGone(Ended):
    """The exchange keeps the log no more from where we are."""


class FollowOld(Ended):
    """Somebody else has changed the list of followed persons since: our turn is over."""


class Stop(Exception):
    """A person must act before it makes sense to go on."""


def log(text):
    print(text, file=sys.stderr, flush=True)


class Keys:
    """A key file [3]: a line for each key, `curve_public: <64 hexadecimal digits>`."""

    def __init__(self, path):
        with open(path, encoding="ascii") as file:
            lines = [line.split("#")[0].partition(":") for line in file]
        self.keys = {name.strip(): bytes.fromhex(value.strip(" \"'\n")) for name, _, value in lines if value.strip()}

    def __getattr__(self, name):
        return self.keys[name]


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def key_id(sign_public):
    return sha256(sign_public)[:8].hex()


def sign(sign_secret, domain, data):
    return Ed25519PrivateKey.from_private_bytes(sign_secret).sign(domain + b"\0" + data)


def is_signed(sign_public, domain, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(sign_public).verify(signature, domain + b"\0" + data)
        return True
    except InvalidSignature:
        return False


def pack(kind, session, sequence, body):
    return HEADER.pack(b"DB", PROTOCOL_VERSION, kind, len(body), session, sequence) + body


def unpack(message):
    if len(message) < HEADER.size:
        raise Ended("what came is no frame")
    magic, version, kind, length, session, sequence = HEADER.unpack_from(message)
    if (magic, version, length) != (b"DB", PROTOCOL_VERSION, len(message) - HEADER.size):
        raise Ended("what came is no frame of this version")
    return Frame(kind, session, sequence, message[HEADER.size:])


def is_no_session(frame):
    return pb.Error.FromString(frame.body).code == pb.Error.NO_SESSION


class Session:
    """A connection to one endpoint and the session over it, to be used by `with`."""

    def __init__(self, endpoint, own, exchange):
        self.own, self.exchange, self.id, self.sent, self.heard = own, exchange, 0, 0, 0
        self.challenge = None  # of the last Hello
        self.numbered = False  # the exchange numbers its frames, on the subscribe port [4]
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.curve_serverkey = exchange.curve_public
        self.socket.curve_publickey, self.socket.curve_secretkey = own.curve_public, own.curve_secret
        self.socket.immediate, self.socket.linger = 1, 0
        self.socket.handshake_ivl = HANDSHAKE_IVL_MS
        self.socket.maxmsgsize = HEADER.size + FRAME_BODY_BYTES_MAX
        self.socket.connect(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.id and not isinstance(error, Ended):
            self.socket.linger = 500  # so that this goes out; nothing depends on it
            try:
                self.send(Kind.GOODBYE)
            except Ended:
                pass
        self.socket.close()

    def send(self, kind, message=None, sequence=None):
        """Sends a message, or bytes that are one."""
        self.sent += 1
        body = message if isinstance(message, bytes) else message.SerializeToString() if message else b""
        if not self.socket.poll(PEER_SILENT_S * 1000, zmq.POLLOUT):
            raise Ended("nothing can be sent")
        self.socket.send(pack(kind, self.id, self.sent if sequence is None else sequence, body), zmq.NOBLOCK)

    def hello(self, kind, hello, welcome):
        """Says Hello, and returns the frame of type `welcome` that answers it. Its body has `session`."""
        self.id, self.heard, self.challenge = 0, 0, None
        if not isinstance(hello, bytes):
            hello.error_challenge = self.challenge = os.urandom(16)
        if not self.socket.poll(HELLO_S * 1000, zmq.POLLOUT):
            raise Ended("nobody there, or our key is not registered")
        self.send(kind, hello)
        end = time.monotonic() + HELLO_S
        while time.monotonic() < end:
            frame = self.read(end)
            if frame and frame.kind == Kind.ERROR and not frame.session and not is_no_session(frame):
                self.fail(frame)  # others are about frames of an earlier session over this connection
            if frame and frame.kind == welcome:
                self.id, self.heard = frame.session, frame.sequence
                self.at = self.asked = time.monotonic()
                return frame
        raise Ended("no Welcome came")

    def ask(self, kind, message, answer):
        """Of a request that belongs to no session: the frame of type `answer` that answers it."""
        self.send(kind, message)
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end:
            frame = self.read(end)
            if frame and frame.session == 0 and frame.kind == Kind.ERROR:
                self.fail(frame)
            if frame and frame.session == 0 and frame.kind == Kind.PING:  # what was read is counted [10]
                self.send(Kind.PONG, pb.Pong(nonce=pb.Ping.FromString(frame.body).nonce))
            if frame and frame.session == 0 and frame.kind == answer:
                return frame
        raise Ended("no answer came")

    def read(self, end):
        """The next frame, of whatever session; None when none came by then."""
        if not self.socket.poll(max(0, int((end - time.monotonic()) * 1000))):
            return None
        parts = self.socket.recv_multipart()
        if len(parts) != 1:
            raise Ended("a message of several frames")
        return unpack(parts[0])

    def next(self, wait_s):
        """The session's next frame that is not about the session itself [11]; None when none came in time."""
        end = time.monotonic() + wait_s
        while True:
            now = time.monotonic()
            ask_at, gone_at = max(self.at, self.asked) + PING_INTERVAL_S, self.at + PEER_SILENT_S
            frame = self.read(min(end, ask_at, gone_at))
            now = time.monotonic()
            if frame is None:
                if now >= gone_at:
                    raise Ended("silence")
                if now >= ask_at:
                    self.asked = now
                    self.send(Kind.PING, pb.Ping(nonce=random.getrandbits(63)))
                if now >= end:
                    return None
                continue
            if frame.session != self.id and not (frame.kind == Kind.ERROR and frame.session == 0):
                continue
            self.at = now
            if frame.kind == Kind.ERROR:
                self.fail(frame)
            self.heard += 1
            if self.numbered and frame.sequence != self.heard:
                raise Ended("frames were lost on the way")
            if frame.kind == Kind.PING:  # what came before it has been taken: frames are taken one by one
                self.send(Kind.PONG, pb.Pong(nonce=pb.Ping.FromString(frame.body).nonce))
            elif frame.kind == Kind.GOODBYE:
                raise Ended("the exchange said goodbye")
            elif frame.kind != Kind.PONG:
                return frame

    def fail(self, frame):
        error = pb.Error.FromString(frame.body)
        name = pb.Error.Code.Name(error.code) if error.code in pb.Error.Code.values() else str(error.code)
        end = ENDS.get(error.code, Ended)
        if self.challenge and issubclass(end, (Stop, PositionGone)):
            self.check_word(Kind.ERROR, error)
        raise end(f"{name}: {error.text}")

    def check_word(self, kind, said):
        """An Error or Refusal that would end us: signed for our key and this Hello [11]?"""
        data = self.own.curve_public[:8].hex().encode() + self.challenge + struct.pack(">BI", kind, said.code) + \
            said.text.encode()
        if not is_signed(self.exchange.sign_public, b"dongbo error 1", data, said.signature):
            raise Doubted(f"what would end us is not signed: {said.text}")


ENDS = {pb.Error.NO_SESSION: NoSession, pb.Error.CURSOR_BAD: CursorBad, pb.Error.POSITION_GONE: PositionGone,
        pb.Error.FOLLOW_OLD: FollowOld,
        **dict.fromkeys([pb.Error.BAD_VERSION, pb.Error.NOT_ALLOWED, pb.Error.UNKNOWN_SUBSCRIPTION,
                         pb.Error.TOKEN_AHEAD, pb.Error.TOKEN_MISMATCH, pb.Error.SESSION_REPLACED,
                         pb.Error.FOLLOW_LIMIT], Stop)}


def keep_on(endpoints, own, exchange, work):
    """Calls work(session) over one endpoint after the other until it returns. Rounds wait longer and longer, until the
    exchange has let us in again [2]."""
    pause_s, doubt_s, doubted = 0.1, DOUBT_S, 0
    while True:
        for endpoint in endpoints:
            try:
                with Session(endpoint, own, exchange) as session:
                    try:
                        return again_without_session(work, session)
                    finally:
                        pause_s = 0.1 if session.id else pause_s
            except Ended as ended:
                log(f"{endpoint}: {ended}")
                if isinstance(ended, Doubted):
                    now = time.monotonic()
                    doubt_s = DOUBT_S if not doubted or now - doubted > CALM_S else min(doubt_s * 2, DOUBT_MAX_S)
                    doubted = now
                    time.sleep(doubt_s * random.uniform(0.5, 1.5))
        time.sleep(pause_s * random.uniform(0.5, 1))
        pause_s = min(pause_s * 2, 10)


def again_without_session(work, session):
    while True:
        try:
            return work(session)
        except NoSession as ended:
            log(str(ended))
