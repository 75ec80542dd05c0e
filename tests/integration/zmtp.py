# SPDX-License-Identifier: Apache-2.0
"""ZMTP 3 with CURVE over a plain socket, byte by byte (RFC 23 and 26), for what no ZeroMQ library would send: cut
greetings, commands of a wrong kind, messages said twice, lengths that nothing follows. Boxes are libsodium's."""
import ctypes
import os
import socket
import struct
import time

_sodium = ctypes.CDLL("libsodium.so.23")
assert _sodium.sodium_init() >= 0

MORE, LONG, COMMAND = 1, 2, 4


def box(data, nonce, public, secret):
    out = ctypes.create_string_buffer(len(data) + 16)
    assert len(nonce) == 24
    _sodium.crypto_box_easy(out, data, ctypes.c_ulonglong(len(data)), nonce, public, secret)
    return out.raw


def unbox(data, nonce, public, secret):
    out = ctypes.create_string_buffer(max(1, len(data) - 16))
    assert _sodium.crypto_box_open_easy(out, data, ctypes.c_ulonglong(len(data)), nonce, public, secret) == 0
    return out.raw[:len(data) - 16]


def new_pair():
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    _sodium.crypto_box_keypair(public, secret)
    return public.raw, secret.raw


def greeting(mechanism=b"CURVE", version=b"\3\1", signature=b"\xff" + bytes(8) + b"\x7f", as_server=0):
    return signature + version + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def framed(body, flags=0):
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body


class Raw:
    """A connection to one of the exchange's Unix sockets."""

    def __init__(self, endpoint):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(endpoint[len("ipc://"):])
        self.socket.settimeout(20)
        self.nonce = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """False when the other side has closed."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def read_frame(self):
        flags = self.read(1)[0]
        n = struct.unpack(">Q", self.read(8))[0] if flags & LONG else self.read(1)[0]
        return flags, self.read(n)

    def wait_closed(self, seconds):
        """Reads until the other side closes. False when it does not within that time."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                if not self.socket.recv(65536):
                    return True
        except socket.timeout:
            return False
        except OSError:
            return True

    def next_nonce(self):
        self.nonce += 1
        return struct.pack(">Q", self.nonce)

    def shake_hands(self, keys, server_key, identity=b"", metadata=None):
        """All of it, as DEALER with these keys. EOFError where it is refused."""
        public, secret = new_pair()
        self.send(greeting())
        self.read(64)
        short = self.next_nonce()
        self.send(framed(b"\5HELLO\1\0" + bytes(72) + public + short +
                         box(bytes(64), b"CurveZMQHELLO---" + short, server_key, secret), COMMAND))
        _, welcome = self.read_frame()
        assert welcome.startswith(b"\7WELCOME"), welcome
        opened = unbox(welcome[24:], b"WELCOME-" + welcome[8:24], server_key, secret)
        self.server, cookie = opened[:32], opened[32:]
        self.secret = secret
        vouch = os.urandom(16)
        said = metadata if metadata is not None else (
            b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER" +
            b"\x08Identity" + struct.pack(">I", len(identity)) + identity)
        initiate = keys.curve_public + vouch + box(public + server_key, b"VOUCH---" + vouch, self.server,
                                                   keys.curve_secret) + said
        short = self.next_nonce()
        self.send(framed(b"\x08INITIATE" + cookie + short +
                         box(initiate, b"CurveZMQINITIATE" + short, self.server, secret), COMMAND))
        _, ready = self.read_frame()
        if not ready.startswith(b"\5READY"):
            raise EOFError(ready)
        return self

    def message(self, payload, flags=0):
        """The bytes of one encrypted frame: `flags` are within (1: more follow, 2: a command)."""
        short = self.next_nonce()
        return framed(b"\7MESSAGE" + short + box(bytes([flags]) + payload, b"CurveZMQMESSAGEC" + short, self.server,
                                                 self.secret))

    def receive(self):
        _, data = self.read_frame()
        assert data.startswith(b"\7MESSAGE"), data
        return unbox(data[16:], b"CurveZMQMESSAGES" + data[8:16], self.server, self.secret)[1:]
