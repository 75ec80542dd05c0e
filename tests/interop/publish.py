#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Publishes an agency's events: reads them from a file, keeps them in a spool until the exchange has signed for them,
and keeps what it says of each. Killed at any time, it goes on from the spool; no event is lost, none counts twice.

    publish.py --endpoint tcp://HOST:7701 --exchange broker.yaml.pub --key moh.yaml --agency MOH --spool spool.db FILE
    publish.py --spool spool.db --verdicts        prints what is known of each event, as JSON lines

FILE has one event a line: a ChangeEvent in protobuf's JSON mapping, without eventId and schemaVersion, as
{"operation": "UPSERT", "eventTimeUs": "1646092800000000", "sourceKey": "r1",
 "subject": {"citizenNumber": "001099012345", "fullName": "Nguyễn Văn An", "birthDate": "1999-05-01", "sex": "male"},
 "health": {"vaccineGroup": "COVID-19", "doseNumber": 2, "occurrenceDate": "2022-03-01", "status": "completed"}}
It may grow; --follow waits for that. Ends with 0 when all is acknowledged, with 3 when a person must act.

Written from proto/PROTOCOL.md, whose sections are named in brackets."""
import argparse
import collections
import json
import os
import signal
import sqlite3
import sys
import time

from google.protobuf import json_format

import dongbo_pb2 as pb
from log_proofs import PROOF_BATCHES_MAX, Contradiction, False_, Fault, Unknown, check_batch, check_head, open_head
from exchange import (SCHEMA_VERSION, Ended, Keys, Kind, Stop, is_signed, keep_on, key_id, log, sha256, sign)

BATCH_EVENTS_MAX = 1024
BATCH_BYTES_MAX = 262144
EVENT_BYTES_MAX = 16384
ENVELOPE_BYTES = 512    # of a batch, more than all but salts and events take
KEPT_DAYS = 7           # acknowledged batches, in case the exchange is restored from an older copy
LINES_PER_COMMIT = 1000
HOLD_MAX_S = 60
LOOK_AGAIN_S = 0.2      # with --follow, for what was added to the file

TABLES = """
CREATE TABLE IF NOT EXISTS stream (  -- the last one is in use; an older one ended in a fork
  number INTEGER PRIMARY KEY, id BLOB NOT NULL, welcomed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS source (path TEXT PRIMARY KEY, bytes_read INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS event (
  stream INTEGER NOT NULL, sequence INTEGER NOT NULL, event_id BLOB NOT NULL, source_key TEXT NOT NULL,
  bytes BLOB NOT NULL, verdict INTEGER, reasons TEXT, epoch INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, sequence));
CREATE INDEX IF NOT EXISTS event_by_id ON event (event_id);
CREATE TABLE IF NOT EXISTS batch (  -- sealed is sent byte for byte; receipt and signature prove what was answered
  stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, root BLOB NOT NULL, sealed BLOB,
  receipt BLOB, signature BLOB, acknowledged_at REAL, PRIMARY KEY (stream, first));
CREATE TABLE IF NOT EXISTS proof (  -- that a batch is in the log: BatchProof and SignedHead
  stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, proof BLOB NOT NULL, head BLOB NOT NULL,
  PRIMARY KEY (stream, first));
CREATE TABLE IF NOT EXISTS false_proof (at REAL NOT NULL, why TEXT NOT NULL, said BLOB NOT NULL);  -- Proofs, as it came
CREATE TABLE IF NOT EXISTS signs (verdicts INTEGER NOT NULL);  -- a row: this exchange signs later verdicts
CREATE TABLE IF NOT EXISTS heard (verdict_position INTEGER NOT NULL, epoch INTEGER NOT NULL);
"""

Batch = collections.namedtuple("Batch", "first last root sealed")


def event_id(agency, event):
    """Of an event whose event_id is empty [6]."""
    return sha256(agency.encode(), b"\0", event.source_key.encode(), b"\0", event.SerializeToString())[:16]


def merkle(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", merkle(leaves[:k]), merkle(leaves[k:]))


def seal(stream, first, events, keys, salts=None, now_us=None):
    """Encoded events as a signed batch [7]: (root, SealedBatch as bytes)."""
    salts = salts or os.urandom(16 * len(events))
    root = merkle([sha256(b"\0", salts[16 * i:16 * i + 16], event) for i, event in enumerate(events)])
    header = pb.BatchHeader(stream=stream, first_sequence=first, count=len(events), schema_version=SCHEMA_VERSION,
                            key_id=key_id(keys.sign_public), root=root,
                            sealed_at_us=now_us or time.time_ns() // 1000).SerializeToString()
    return root, pb.SealedBatch(header=header, signature=sign(keys.sign_secret, b"dongbo batch 1", header), salts=salts,
                                events=events).SerializeToString()


class Spool:
    """Events, the batches they were sealed in, and what came back: one SQLite file, every change one transaction."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLES)
        if not self.one("SELECT 1 FROM stream"):
            self.open_stream()
        self.load()

    def one(self, sql, *values):
        return self.db.execute(sql, values).fetchone()

    def open_stream(self):
        self.db.execute("INSERT INTO stream (id) VALUES (?)", [os.urandom(16)])

    def load(self):
        self.stream, self.stream_id, self.welcomed = self.one(
            "SELECT number, id, welcomed FROM stream ORDER BY number DESC LIMIT 1")
        older = self.one("SELECT id FROM stream WHERE number < ? ORDER BY number DESC LIMIT 1", self.stream)
        self.replaces = older[0] if older and not self.welcomed else b""
        self.acknowledged = self.one("SELECT coalesce(max(last), 0) FROM batch "
                                     "WHERE stream = ? AND receipt IS NOT NULL", self.stream)[0]
        self.sealed = self.one("SELECT coalesce(max(last), 0) FROM batch WHERE stream = ?", self.stream)[0]
        self.last = self.one("SELECT coalesce(max(sequence), 0) FROM event WHERE stream = ?", self.stream)[0]
        self.verdict_position, self.verdict_epoch = self.one("SELECT * FROM heard") or (0, 0)
        self.signs_verdicts = bool(self.one("SELECT 1 FROM signs"))
        self.proven = self.one("SELECT coalesce(max(last), 0) FROM proof WHERE stream = ?", self.stream)[0]
        head = self.one("SELECT head FROM proof WHERE stream = ? ORDER BY first DESC LIMIT 1", self.stream)
        self.head = pb.TreeHead.FromString(pb.SignedHead.FromString(head[0]).head) if head else None

    def set_welcomed(self, epoch):
        with self.db:
            self.db.execute("BEGIN")
            self.db.execute("UPDATE stream SET welcomed = 1 WHERE number = ?", [self.stream])
            if epoch != self.verdict_epoch:  # positions of another epoch say nothing in this one [8]
                self.set_heard(0, epoch)
        self.load()

    def set_signs_verdicts(self):
        if not self.signs_verdicts:
            self.db.execute("INSERT INTO signs VALUES (1)")
        self.signs_verdicts = True

    def set_heard(self, position, epoch):
        self.db.execute("DELETE FROM heard")
        self.db.execute("INSERT INTO heard VALUES (?, ?)", [position, epoch])

    def read(self, path, agency):
        """Takes what was added to the file; how far it was read is stored with the events."""
        with open(path, "rb") as file:
            while True:
                start = (self.one("SELECT bytes_read FROM source WHERE path = ?", path) or [0])[0]
                file.seek(start)
                lines = [line for line in (file.readline() for _ in range(LINES_PER_COMMIT)) if line.endswith(b"\n")]
                if not lines:
                    return
                with self.db:
                    self.db.execute("BEGIN")
                    for line in lines:
                        self.take_line(line, agency)
                    self.db.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", [path, start + sum(map(len, lines))])
                self.load()

    def take_line(self, line, agency):
        try:
            event = json_format.Parse(line, pb.ChangeEvent())
        except json_format.ParseError as error:
            log(f"not an event: {error}")
            return
        event.schema_version, event.event_id = SCHEMA_VERSION, b""
        event.event_id = event_id(agency, event)
        encoded = event.SerializeToString()
        if len(encoded) > EVENT_BYTES_MAX:
            log(f"{event.source_key}: the event is too long")
            return
        self.last += 1
        self.db.execute("INSERT INTO event (stream, sequence, event_id, source_key, bytes) VALUES (?, ?, ?, ?, ?)",
                        [self.stream, self.last, event.event_id, event.source_key, encoded])

    def seal_next(self, keys, events_max):
        """Seals what comes next, as much as one batch holds, and stores it before it is ever sent."""
        events, size = [], ENVELOPE_BYTES
        for (event,) in self.db.execute("SELECT bytes FROM event WHERE stream = ? AND sequence > ? ORDER BY sequence "
                                        "LIMIT ?", [self.stream, self.sealed, events_max]):
            size += len(event) + 16 + 4
            if size > BATCH_BYTES_MAX:
                break
            events.append(event)
        if not events:
            return False
        first = self.sealed + 1
        root, sealed = seal(self.stream_id, first, events, keys)
        self.sealed += len(events)
        self.db.execute("INSERT INTO batch (stream, first, last, root, sealed) VALUES (?, ?, ?, ?, ?)",
                        [self.stream, first, self.sealed, root, sealed])
        return True

    def batch_from(self, sequence):
        row = self.one("SELECT first, last, root, sealed FROM batch WHERE stream = ? AND first >= ? "
                       "ORDER BY first LIMIT 1", self.stream, sequence)
        return Batch(*row) if row else None

    def unseal_from(self, sequence):
        """TOO_BIG: nothing of this was stored, so it may be sealed otherwise."""
        self.db.execute("DELETE FROM batch WHERE stream = ? AND first >= ? AND receipt IS NULL",
                        [self.stream, sequence])
        self.load()

    def take_receipt(self, receipt, body):
        """Every event of the range that it does not name was accepted without reasons."""
        said = {verdict.sequence: verdict for verdict in body.verdicts}
        with self.db:
            self.db.execute("BEGIN")
            for i, sequence in enumerate(range(body.first_sequence, body.last_sequence + 1)):
                position = 0 if body.duplicate else body.first_position + i
                accepted = pb.EventVerdict(sequence=sequence, verdict=pb.ACCEPTED, position=position)
                self.take_verdict(said.get(sequence, accepted), body.epoch)
            self.db.execute("UPDATE batch SET receipt = ?, signature = ?, acknowledged_at = ? "
                            "WHERE stream = ? AND first = ?",
                            [receipt.body, receipt.signature, time.time(), self.stream, body.first_sequence])
            self.db.execute("UPDATE batch SET sealed = NULL WHERE acknowledged_at < ?",
                            [time.time() - KEPT_DAYS * 86400])
        self.acknowledged = max(self.acknowledged, body.last_sequence)

    def take_verdicts(self, verdicts):
        with self.db:
            self.db.execute("BEGIN")
            for verdict in verdicts.verdicts:
                self.take_verdict(verdict, self.verdict_epoch)
            position = max(self.verdict_position, verdicts.last_position)
            self.set_heard(position, self.verdict_epoch)
        self.verdict_position = position

    def take_proofs(self, frame, sign_public):
        """All of a frame [8], or nothing."""
        if not 0 < len(frame.batches) <= PROOF_BATCHES_MAX:
            raise Fault("proofs of nothing, or of too much")
        head = open_head(frame.head, sign_public)
        check_head(head, self.head, frame)
        proven, rows = self.proven, []
        for proof in frame.batches:
            row = self.one("SELECT first, last, root, sealed, receipt FROM batch WHERE stream = ? AND first = ?",
                           self.stream, proof.first_sequence)
            if proof.first_sequence != proven + 1 or not row or row[4] is None:
                raise Fault("proofs that do not join what is proven")
            if row[3] is not None:  # what was let go needs none
                check_batch(head, proof, self.stream_id, Batch(*row[:4]), pb.ReceiptBody.FromString(row[4]))
            proven = proof.last_sequence
            rows.append([self.stream, proof.first_sequence, proven, proof.SerializeToString(),
                         frame.head.SerializeToString()])
        with self.db:
            self.db.execute("BEGIN")
            self.db.executemany("INSERT INTO proof VALUES (?, ?, ?, ?, ?)", rows)
        self.load()

    def keep_false(self, why, said):
        self.db.execute("INSERT INTO false_proof VALUES (?, ?, ?)", [time.time(), why, said])

    def forget_proofs(self, last_sequence):
        """What the exchange forgot has to be proved again."""
        self.db.execute("DELETE FROM proof WHERE stream = ? AND last > ?", [self.stream, last_sequence])
        self.load()

    def take_verdict(self, verdict, epoch):
        """The one with the greatest position holds; in another epoch, positions begin anew."""
        reasons = json.dumps([{"code": reason.code, "field": reason.field, "expected": reason.expected}
                              for reason in verdict.reasons], ensure_ascii=False)
        where, whose = (("stream = ? AND sequence = ?", [self.stream, verdict.sequence]) if verdict.sequence else
                        ("event_id = ? AND stream < ?", [verdict.event_id, self.stream]))
        self.db.execute("UPDATE event SET verdict = ?, reasons = ?, epoch = ?, position = ? "
                        f"WHERE {where} AND (verdict IS NULL OR (epoch, position) <= (?, ?))",
                        [verdict.verdict, reasons, epoch, verdict.position, *whose, epoch, verdict.position])

    def fork(self):
        """What has no receipt goes into a new stream, under numbers from 1; nothing that was stored is overwritten."""
        with self.db:
            self.db.execute("BEGIN")
            self.open_stream()
            self.db.execute("UPDATE event SET stream = stream + 1, sequence = sequence - ? "
                            "WHERE stream = ? AND sequence > ?", [self.acknowledged, self.stream, self.acknowledged])
            self.db.execute("DELETE FROM batch WHERE stream = ? AND receipt IS NULL", [self.stream])
        self.load()

    def begin_anew(self):
        """The exchange lost what is not here any more: all is read again from the source, into a new stream."""
        with self.db:
            self.db.execute("BEGIN")
            self.open_stream()
            self.db.execute("DELETE FROM event WHERE stream = ? AND sequence > ?", [self.stream, self.acknowledged])
            self.db.execute("DELETE FROM batch WHERE stream = ? AND receipt IS NULL", [self.stream])
            self.db.execute("DELETE FROM source")
        self.load()

    def verdicts(self):
        for key, verdict, reasons, position in self.db.execute(
                "SELECT source_key, verdict, reasons, position FROM event ORDER BY stream, sequence"):
            name = pb.Verdict.Name(verdict) if verdict in pb.Verdict.values() else verdict and str(verdict)
            yield {"source_key": key, "verdict": name,  # null: not told yet; a number: newer than this program
                   "reasons": json.loads(reasons or "[]"), "position": position}


class Publisher:
    """The agent's side of [8]."""

    def __init__(self, options):
        self.options, self.spool = options, Spool(options.spool)
        self.own, self.exchange = Keys(options.key), Keys(options.exchange)
        self.events_max = BATCH_EVENTS_MAX

    def run(self):
        keep_on(self.options.endpoint, self.own, self.exchange, self.session)

    def session(self, session):
        self.hello(session)
        while True:
            self.spool.read(self.options.file, self.options.agency)
            self.send(session)
            if not self.options.follow and self.told_all and self.spool.acknowledged == self.spool.last:
                return
            frame = session.next(self.wait_s())
            if frame and frame.kind == Kind.RECEIPT:
                self.take_receipt(pb.Receipt.FromString(frame.body))
            elif frame and frame.kind == Kind.VERDICTS:
                verdicts = self.open_verdicts(pb.Verdicts.FromString(frame.body))
                self.spool.take_verdicts(verdicts)
                self.told_all = self.told_all or not verdicts.more
            elif frame and frame.kind == Kind.PROOFS:
                self.take_proofs(frame.body)
            elif frame and frame.kind == Kind.REFUSAL:
                self.take_refusal(session, pb.Refusal.FromString(frame.body))
            elif frame:
                raise Ended(f"a frame of type {frame.kind} does not belong here")

    def hello(self, session):
        spool = self.spool
        spool.read(self.options.file, self.options.agency)
        self.challenge = os.urandom(16)
        frame = session.hello(Kind.HELLO_PUBLISH, pb.HelloPublish(
            protocol_version=1, stream=spool.stream_id, stream_kind=self.options.kind, agent=self.options.name,
            program="publish.py", verdict_position=spool.verdict_position, verdict_epoch=spool.verdict_epoch,
            replaces_stream=spool.replaces, proofs=True, proven_sequence=spool.proven,
            receipt_sequence=spool.acknowledged, proven_head=spool.head.number if spool.head else 0,
            signed_verdicts=True, proofs_challenge=self.challenge), Kind.WELCOME_PUBLISH)
        welcome = pb.WelcomePublish.FromString(frame.body)
        if welcome.signing_key != self.exchange.sign_public:
            raise Stop("this is not the exchange whose key is configured")
        spool.set_welcomed(welcome.epoch)
        spool.forget_proofs(welcome.last_sequence)
        self.judges_proofs = True
        log(f"in session, epoch {welcome.session_epoch}; the exchange has events up to {welcome.last_sequence}")
        self.credit, self.spent, self.told_all = welcome.credit_bytes, 0, False
        self.in_flight = {}         # batches by their first sequence
        self.unanswered = 0         # how many of them; a refusal does not always say of which it is
        self.refusal = None         # the first since all was well; acted on when nothing is unanswered any more
        self.hold_until, self.hold_s = None, 0
        if welcome.last_sequence > spool.sealed:
            self.fork("the exchange has more of this stream than this spool, which was restored from a copy")
        self.go_on_from(welcome.last_sequence + 1)

    def go_on_from(self, expected):
        """What has no receipt is sent, though the exchange may have it; and what it has forgotten."""
        self.next = min(self.spool.acknowledged + 1, expected)
        if self.next <= self.spool.acknowledged:
            batch = self.spool.batch_from(self.next)
            if not batch or batch.first != self.next or not batch.sealed:
                self.spool.begin_anew()
                raise Ended("the exchange has forgotten what is kept here no longer: reading the source again")

    def fork(self, why):
        self.spool.fork()
        raise Ended(f"{why}: going on in a new stream")

    def send(self, session):
        if self.hold_until and time.monotonic() >= self.hold_until:
            self.hold_until = None
        while not self.refusal and not self.hold_until:
            batch = self.spool.batch_from(self.next)
            if not batch and self.spool.seal_next(self.own, self.events_max):
                batch = self.spool.batch_from(self.next)
            if not batch or self.spent + len(batch.sealed) > self.credit:
                return
            session.send(Kind.BATCH, batch.sealed, batch.first)
            self.spent += len(batch.sealed)
            self.next = batch.last + 1
            self.in_flight[batch.first] = batch
            self.unanswered += 1

    def wait_s(self):
        wait_s = LOOK_AGAIN_S if self.options.follow else 60
        return min(wait_s, max(0.01, self.hold_until - time.monotonic())) if self.hold_until else wait_s

    def take_receipt(self, receipt):
        if not is_signed(self.exchange.sign_public, b"dongbo receipt 1", receipt.body, receipt.signature):
            raise Stop("a receipt's signature is not the exchange's")
        body = pb.ReceiptBody.FromString(receipt.body)
        batch = self.in_flight.pop(body.first_sequence, None)
        if not batch or (self.spool.stream_id, batch.last, batch.root) != (
                body.stream, body.last_sequence, body.batch_root):
            raise Ended("a receipt for what was not sent")
        self.spool.take_receipt(receipt, body)
        self.hold_s = 0
        self.answered(receipt)

    def open_verdicts(self, verdicts):
        """Verdicts, or a VerdictsBody, which has the same in it."""
        if not verdicts.body:
            if self.spool.signs_verdicts:
                raise Stop("verdicts are not signed, and this exchange signs them")
            return verdicts
        if not is_signed(self.exchange.sign_public, b"dongbo verdicts 1", verdicts.body, verdicts.signature):
            raise Stop("the signature of verdicts is not the exchange's")
        body = pb.VerdictsBody.FromString(verdicts.body)
        if (body.stream, body.epoch) != (self.spool.stream_id, self.spool.verdict_epoch):
            raise Stop("verdicts were signed for another stream, or in another epoch")
        self.spool.set_signs_verdicts()
        return body

    def open_proofs(self, proofs):
        """Proofs, or a ProofsBody, which has the same in it."""
        if not proofs.body:
            return proofs
        if not is_signed(self.exchange.sign_public, b"dongbo proofs 1", proofs.body, proofs.signature):
            raise Ended("the signature of proofs is not the exchange's")
        body = pb.ProofsBody.FromString(proofs.body)
        if (body.stream, body.challenge) != (self.spool.stream_id, self.challenge):
            raise Ended("proofs were signed for another stream, or another session")
        return body

    def take_proofs(self, said):
        if not self.judges_proofs:
            return
        proofs = pb.Proofs.FromString(said)
        try:
            self.spool.take_proofs(self.open_proofs(proofs), self.exchange.sign_public)
        except Unknown as key:
            log(f"proofs are left: their head is signed with key {key}, which is not known here")
            self.judges_proofs = False
        except Fault as fault:
            raise Ended(str(fault)) from None
        except False_ as false:
            if not proofs.body and not isinstance(false, Contradiction):
                raise Ended(f"proofs that nobody signed do not hold: {false}") from None
            self.spool.keep_false(str(false), said)
            raise Stop(f"the exchange proves something false of its log: {false}. What it said is kept in the spool: "
                       "show it to its operators and to whoever supervises them") from None

    def take_refusal(self, session, refusal):
        if refusal.code == pb.Refusal.FENCED:
            session.check_word(Kind.REFUSAL, refusal)
        if refusal.code in (pb.Refusal.FENCED, pb.Refusal.BAD_SIGNATURE):
            raise Stop(refusal.text)
        if refusal.code not in pb.Refusal.Code.values():
            raise Ended(f"refused with a code that is not known here ({refusal.code}): {refusal.text}")
        if not self.refusal:
            log(f"refused: {refusal.text}")
        self.refusal = self.refusal or refusal
        self.answered(refusal)

    def answered(self, answer):
        """Each batch has one answer. What is behind a refused one is refused too: so it is waited for, and gone back
        once."""
        self.credit = max(self.credit, answer.credit_bytes)
        self.unanswered -= 1
        if self.refusal and self.unanswered <= 0:
            refusal, self.refusal = self.refusal, None
            self.in_flight.clear()
            self.go_back(refusal)

    def go_back(self, refusal):
        code, refuses = refusal.code, pb.Refusal
        if code == refuses.FORK:
            self.fork("the exchange has stored other events under these numbers")
        elif code == refuses.TOO_BIG:
            batch = self.spool.batch_from(refusal.expected_sequence)
            if batch.first == batch.last:
                raise Stop(refusal.text)
            self.events_max = (batch.last - batch.first + 1) // 2
            self.spool.unseal_from(batch.first)
        elif code in (refuses.OVERLOADED, refuses.SCHEMA_NEWER):
            self.hold_s = min(max(0.5, self.hold_s * 2), HOLD_MAX_S)
            self.hold_until = time.monotonic() + self.hold_s
        self.go_on_from(refusal.expected_sequence)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", action="append", help="of a broker; may be given again, they are tried in turn")
    parser.add_argument("--exchange", help="the exchange's public key file")
    parser.add_argument("--key", help="our own secret key file")
    parser.add_argument("--agency", help="our agency's code")
    parser.add_argument("--name", default="publish.py", help="of this agent, for the exchange's operators")
    parser.add_argument("--kind", choices=["live", "bulk"], default="live")
    parser.add_argument("--spool", required=True)
    parser.add_argument("--follow", action="store_true", help="wait for more, and for later verdicts")
    parser.add_argument("--verdicts", action="store_true")
    parser.add_argument("file", nargs="?")
    options = parser.parse_args()
    if options.verdicts:
        for line in Spool(options.spool).verdicts():
            print(json.dumps(line, ensure_ascii=False))
        return
    if not all([options.endpoint, options.exchange, options.key, options.agency, options.file]):
        parser.error("to publish, all of --endpoint, --exchange, --key, --agency and FILE are needed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # by way of a Goodbye
    try:
        Publisher(options).run()
    except Stop as stop:
        log(str(stop))
        sys.exit(3)


if __name__ == "__main__":
    main()
