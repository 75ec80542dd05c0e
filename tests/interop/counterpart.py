# SPDX-License-Identifier: Apache-2.0
"""An exchange without a database that says what a test tells it to say: what a newer exchange would say, or one that
refuses. It speaks to one peer at a time, and is read frame by frame."""
import time

import zmq

from clients import pb, wire

NEWER = bytes.fromhex("fa7c056c61746572")  # field 1999, of a version that nobody knows: "later"
TYPE_OF_LATER = 99
TIMEOUT_S = 20


class Counterpart:
    def __init__(self, endpoint, keys):
        self.keys, self.sent, self.route, self.session, self.rights = keys, 0, None, 0, 1
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.curve_server, self.socket.curve_secretkey = 1, keys.curve_secret
        self.socket.bind(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def expect(self, kind, message=None):
        """The peer's next frame of this kind, and its message. Others may come before: pings, credit, goodbyes."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            route, data = self.socket.recv_multipart()
            frame = wire.unpack(data)
            if frame.kind == wire.Kind.PING:
                self.route = route
                self.say(wire.Kind.PONG, pb.Pong(nonce=pb.Ping.FromString(frame.body).nonce))
            if frame.kind == kind:
                self.route = route
                return frame, message.FromString(frame.body) if message else None
        raise AssertionError(f"no frame of type {kind} within {TIMEOUT_S} s")

    def say(self, kind, message=None, more=NEWER, lost=0):
        """`lost`: so many frames before it do not arrive."""
        self.sent += 1 + lost
        body = (message.SerializeToString() if message else b"") + more
        self.socket.send_multipart([self.route, wire.pack(kind, self.session, self.sent, body)])

    def is_read(self):
        """Until the peer has taken what was said before."""
        self.say(wire.Kind.PING, pb.Ping(nonce=7))
        assert self.expect(wire.Kind.PONG, pb.Pong)[1].nonce == 7

    def welcome(self, kind, message):
        self.session += 1
        self.sent = 0
        message.session, message.signing_key = self.session, self.keys.sign_public
        self.say(kind, message)

    def welcome_publisher(self, last_sequence=0, epoch=1):
        _, hello = self.expect(wire.Kind.HELLO_PUBLISH, pb.HelloPublish)
        self.welcome(wire.Kind.WELCOME_PUBLISH, pb.WelcomePublish(last_sequence=last_sequence, epoch=epoch,
                                                                  credit_bytes=1 << 20))
        self.say(wire.Kind.VERDICTS, pb.Verdicts())
        return hello

    def batch(self):
        """(SealedBatch as it came, its header)"""
        frame, sealed = self.expect(wire.Kind.BATCH, pb.SealedBatch)
        header = pb.BatchHeader.FromString(sealed.header)
        assert header.first_sequence == frame.sequence and header.count == len(sealed.events)
        return frame.body, header

    def refuse(self, code, expected_sequence):
        self.say(wire.Kind.REFUSAL, pb.Refusal(code=code, expected_sequence=expected_sequence, credit_bytes=1 << 30,
                                               text="A sentence for people."))

    def fence(self, hello, own, keys):
        """Says that another one is there, signed by `keys` for the owner of `own`, as it is asked to."""
        text = "Two agents."
        data = own.curve_public[:8].hex().encode() + hello.error_challenge + bytes([wire.Kind.REFUSAL]) + \
            pb.Refusal.FENCED.to_bytes(4, "big") + text.encode()
        self.say(wire.Kind.REFUSAL, pb.Refusal(code=pb.Refusal.FENCED, expected_sequence=1, text=text,
                                               signature=wire.sign(keys.sign_secret, b"dongbo error 1", data)))

    def receipt(self, header, *verdicts):
        body = pb.ReceiptBody(stream=header.stream, first_sequence=header.first_sequence,
                              last_sequence=header.first_sequence + header.count - 1, batch_root=header.root,
                              first_position=header.first_sequence,
                              last_position=header.first_sequence + header.count - 1, epoch=1,
                              segment_hash=bytes(32), verdicts=verdicts).SerializeToString() + NEWER
        self.say(wire.Kind.RECEIPT, pb.Receipt(
            body=body, signature=wire.sign(self.keys.sign_secret, b"dongbo receipt 1", body), credit_bytes=1 << 30))

    def welcome_subscriber(self, position, head):
        _, hello = self.expect(wire.Kind.HELLO_SUBSCRIBE, pb.HelloSubscribe)
        self.welcome(wire.Kind.WELCOME_SUBSCRIBE, self.granted(position, head))
        self.expect(wire.Kind.CREDIT)
        return hello

    def granted(self, position, head):
        return pb.WelcomeSubscribe(session=self.session, position=position, head=token(head),
                                   signing_key=self.keys.sign_public, fields=["health.dose_number"],
                                   policy_version=self.rights)

    def change_rights(self):
        self.rights += 1
        self.say(wire.Kind.WELCOME_SUBSCRIBE, self.granted(0, 9))

    def records(self, last, previous, *records):
        """Reaches from what is behind `previous` to `last`."""
        self.say(wire.Kind.RECORDS, pb.Records(previous=previous, first=previous + 1, last=last, token=token(last),
                                               records=[record.SerializeToString() + NEWER for record in records]))


    def asked(self):
        return self.expect(wire.Kind.SNAPSHOT, pb.SnapshotRequest)[1]

    def chunk(self, records, first, head, **more):
        for one in records:
            one.position = head
        self.say(wire.Kind.CHUNK, pb.SnapshotChunk(records=[one.SerializeToString() for one in records],
                                                   first=token(first), head=token(head), **more))


def token(position):
    return pb.ResumeToken(epoch=1, position=position, segment_hash=bytes([position]) * 32 if position else b"")


def record(position, previous, change=pb.CHANGE_UPSERT, id_of=None):
    """Of which the dose tells at which position it was made; `id_of`: the same record as was first told there."""
    body = pb.Vaccination(dose_number=position).SerializeToString()
    return pb.FeedRecord(position=position, previous=previous, domain=pb.HEALTH, change=change, body=body,
                         record_id=bytes([id_of or position]) * 16, event_time_us=1646092800000000, changed_fields=[2])
