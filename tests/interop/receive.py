#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Receives a subscription's records into an SQLite file: table `record` is the copy as it now stands, a row for each
record; `place` is how far it goes, stored in the same transaction. Killed at any time, it resumes from there.

    receive.py --endpoint tcp://HOST:7702 --exchange broker.yaml.pub --key hn-health.yaml --subscription hn-health
               --store copy.db [--journal] [--snapshot] [--until-head] [--reconcile] [--agency-key MOH=moh.yaml.pub]

An empty store begins at the start of the log, or with --snapshot at what there is now. A snapshot is also taken where
the subscription's rights have changed, and where the log no longer goes back to the place. With --journal, table
`journal` keeps every FeedRecord as it came. With --until-head it ends once it has all that the exchange had when it
began; with --reconcile it then compares its copy with the exchange, and repairs what differs. With --share 1/3 it is
one of three that share the subscription's persons, each with a store of its own. With --agency-key, of each agency,
every record must prove whose word it is, if it comes with a proof at all; table `origin` keeps what proved it. Ends
with 3 when a person must act.

Written from proto/PROTOCOL.md, whose sections are named in brackets."""
import argparse
import hashlib
import json
import signal
import sqlite3
import sys

from google.protobuf import json_format

import dongbo_pb2 as pb
from exchange import (FRAME_BODY_BYTES_MAX, CursorBad, Ended, Keys, Kind, PositionGone, Stop, is_signed, keep_on,
                      key_id, log, sha256)

CREDIT_BYTES = 2 * FRAME_BODY_BYTES_MAX
SNAPSHOT_BUCKETS = 4096
SNAPSHOT_DIGEST_BYTES = 16
BODIES = {pb.POPULATION: pb.PopulationChange, pb.HEALTH: pb.Vaccination, pb.EDUCATION: pb.Enrolment,
          pb.SOCIAL_SECURITY: pb.InsurancePeriod, pb.RESIDENCE: pb.ResidencePeriod, pb.E_ID: pb.EidAccount,
          pb.ELECTRICITY: pb.ElectricityContract}

TABLES = """
CREATE TABLE IF NOT EXISTS record (
  record_id BLOB PRIMARY KEY, domain INTEGER NOT NULL, citizen_number TEXT NOT NULL, person_id BLOB NOT NULL,
  event_time_us INTEGER NOT NULL, agency TEXT NOT NULL, body TEXT NOT NULL, position INTEGER NOT NULL,
  mark INTEGER NOT NULL);  -- the snapshot that brought it last; 0: none
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, position INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS origin (position INTEGER PRIMARY KEY, batch BLOB NOT NULL, proof BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (epoch INTEGER NOT NULL, position INTEGER NOT NULL, segment_hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS rights (policy_version INTEGER NOT NULL);  -- under which all of this was received
CREATE TABLE IF NOT EXISTS filling (mark INTEGER NOT NULL, cursor BLOB NOT NULL);  -- a snapshot that is not done
"""


def bucket(record_id):
    return record_id[0] << 4 | record_id[1] >> 4


class Store:
    """The copy and its place: one SQLite file. Every method that changes it is one transaction."""

    def __init__(self, path, journal):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLES)
        self.db.create_function("bucket", 1, bucket, deterministic=True)
        self.journal = journal

    def one(self, sql):
        return self.db.execute(sql).fetchone()

    def token(self):
        row = self.one("SELECT epoch, position, segment_hash FROM place")
        return pb.ResumeToken(epoch=row[0], position=row[1], segment_hash=row[2]) if row else None

    def policy_version(self):
        return (self.one("SELECT policy_version FROM rights") or [None])[0]

    def set_policy_version(self, version):
        with self.db:
            self.db.execute("BEGIN")
            self.put("rights", version)

    def put(self, table, *row):
        """The table's only row."""
        self.db.execute(f"DELETE FROM {table}")
        self.db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def put_place(self, token):
        self.put("place", token.epoch, token.position, token.segment_hash)

    def take(self, records, token, origins=()):
        """Records, each with its encoding, the token that is valid once they are stored, and what proves them."""
        with self.db:
            self.db.execute("BEGIN")
            self.db.executemany("INSERT OR REPLACE INTO origin VALUES (?, ?, ?)", origins)
            for record, encoded in records:
                self.take_record(record)
                if self.journal:
                    self.db.execute("INSERT INTO journal (position, record) VALUES (?, ?)", [record.position, encoded])
            self.put_place(token)

    def take_record(self, record, mark=0):
        """Of a record that comes twice, the one with the greater position holds."""
        if record.change in (pb.CHANGE_DELETE, pb.CHANGE_LEFT):
            self.db.execute("DELETE FROM record WHERE record_id = ? AND position <= ?",
                            [record.record_id, record.position])
        else:
            self.db.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO UPDATE SET "
                "citizen_number = excluded.citizen_number, person_id = excluded.person_id, "
                "event_time_us = excluded.event_time_us, agency = excluded.agency, body = excluded.body, "
                "position = excluded.position, mark = excluded.mark WHERE excluded.position >= record.position",
                [record.record_id, record.domain, record.citizen_number, record.person_id, record.event_time_us,
                 record.agency, body_json(record), record.position, mark])

    # ---- snapshots: what comes is marked, what is not is let go at the end ----

    def filling(self):
        """(mark, cursor) of a snapshot that is to go on."""
        return self.one("SELECT mark, cursor FROM filling")

    def next_mark(self):
        return self.one("SELECT coalesce(max(mark), 0) + 1 FROM record")[0]

    def begin_filling(self):
        with self.db:
            self.db.execute("BEGIN")
            self.put("filling", self.next_mark(), b"")

    def take_chunk(self, records, mark, cursor=None):
        with self.db:
            self.db.execute("BEGIN")
            for record in records:
                self.take_record(record, mark)
            if cursor is not None:
                self.put("filling", mark, cursor)

    def end_filling(self, records, mark, first, policy_version):
        with self.db:
            self.db.execute("BEGIN")
            for record in records:
                self.take_record(record, mark)
            self.db.execute("DELETE FROM record WHERE mark <> ?", [mark])
            self.db.execute("DELETE FROM filling")
            self.put_place(first)
            self.put("rights", policy_version)

    def end_repair(self, records, mark, buckets):
        with self.db:
            self.db.execute("BEGIN")
            for record in records:
                self.take_record(record, mark)
            self.db.executemany("DELETE FROM record WHERE mark <> ? AND bucket(record_id) = ?",
                                [(mark, number) for number in buckets])

    def digests(self):
        sums = [0] * SNAPSHOT_BUCKETS
        for record_id, domain, number, body in self.db.execute(
                "SELECT record_id, domain, citizen_number, body FROM record"):
            sums[bucket(record_id)] += record_digest(record_id, domain, number, json.loads(body))
        return [total % (1 << 8 * SNAPSHOT_DIGEST_BYTES) for total in sums]


def body_json(record):
    body = BODIES[record.domain].FromString(record.body)
    return json.dumps(json_format.MessageToDict(body, preserving_proto_field_name=True), ensure_ascii=False)


def record_digest(record_id, domain, number, fields):
    def told(value):
        data = str(value).encode()
        return len(data).to_bytes(4, "big") + data
    of_names = BODIES[domain].DESCRIPTOR.fields_by_name
    values = sorted((of_names[name].number, value) for name, value in fields.items())
    data = record_id + bytes([domain]) + told(number) + b"".join(bytes([n]) + told(value) for n, value in values)
    return int.from_bytes(hashlib.sha256(data).digest()[:SNAPSHOT_DIGEST_BYTES], "big")


def root_of(leaf, index, size, path):
    """The root that a leaf at this place of a tree has by this path, which goes upwards (RFC 6962, 2.1.1)."""
    if size == 1:
        if path:
            raise Ended("a proof of origin whose path is too long")
        return leaf
    if not path:
        raise Ended("a proof of origin whose path is too short")
    k = 1 << (size - 1).bit_length() - 1
    if index < k:
        return sha256(b"\1", root_of(leaf, index, k, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], root_of(leaf, index - k, size - k, path[:-1]))


def is_made_of(event, name):
    """By the exchange, of the event's word: step 4 of a proof's check."""
    if "province" in name or "commune" in name:
        return event.subject.province_code_set == "63"
    return event.WhichOneof("body") == "population" and (name == "citizen_number" or event.population.kind == "merged")


KEYS = {pb.HEALTH: (1, 2), pb.EDUCATION: (1, 2), pb.SOCIAL_SECURITY: (1, 2), pb.RESIDENCE: (1, 2), pb.E_ID: (1,),
        pb.ELECTRICITY: (1,)}  # section 6


def check_changed(record, event):
    """What the record says has changed is as the event has it; so is its key."""
    body = BODIES[record.domain].FromString(record.body)
    said, keys = getattr(event, event.WhichOneof("body")), KEYS.get(record.domain, ())
    for number in {*record.changed_fields, *keys}:
        field = body.DESCRIPTOR.fields_by_number.get(number)
        if field is None or is_made_of(event, field.name):
            continue
        taken = event.operation == pb.RETRACT and number not in keys
        if getattr(body, field.name) != (field.default_value if taken else getattr(said, field.name)):
            raise Ended(f"the record at position {record.position} says otherwise than its event")


def check_end(record, event):
    """Of a record that is let go: the event takes something back, and where a person went to is not told."""
    ends = event.operation == pb.RETRACT or event.cleared_fields or (
        event.WhichOneof("body") == "population" and event.population.kind in ("merged", "number-cancelled"))
    if record.change != pb.CHANGE_DELETE or record.body or not ends:
        raise Ended(f"the record at position {record.position} is not let go by its event")


class Origins:
    """Proofs of origin [10], by agencies' public keys: {agency's code: its keys}."""

    def __init__(self, given):
        self.keys = {}
        for agency, _, path in (one.partition("=") for one in given):
            self.keys.setdefault(agency, []).append(Keys(path).sign_public)

    def judge(self, frame, records):
        """What proves each record that is proved: (position, batch, proof). Ended where one is false."""
        if len(frame.origins) != len(records):
            raise Ended("not as many proofs of origin as records")
        return [(record.position, self.prove(frame, record, pb.OriginProof.FromString(encoded)), encoded)
                for record, encoded in zip(records, frame.origins) if encoded]

    def prove(self, frame, record, proof):
        if proof.batch >= len(frame.batches):
            raise Ended("a proof of origin without its batch")
        encoded = frame.batches[proof.batch]
        batch = pb.SealedBatch.FromString(encoded)
        header = pb.BatchHeader.FromString(batch.header)
        if batch != pb.SealedBatch(header=batch.header, signature=batch.signature):
            raise Ended("a batch that has more than header and signature")
        if not any(key_id(key) == header.key_id and is_signed(key, b"dongbo batch 1", batch.header, batch.signature)
                   for key in self.keys.get(record.agency, [])):
            raise Ended(f"the record at position {record.position} is not signed by {record.agency}")
        path = list(proof.path)
        if proof.index >= header.count or root_of(proof.leaf, proof.index, header.count, path) != header.root:
            raise Ended(f"the record at position {record.position} is of no event of that batch")
        if proof.event or proof.salt:
            self.compare(record, proof)
        return encoded

    def compare(self, record, proof):
        event = pb.ChangeEvent.FromString(proof.event)
        theirs = (event.WhichOneof("body") == pb.Domain.Name(record.domain).lower() and
                  event.event_time_us == record.event_time_us and record.citizen_number != "" and
                  event.subject.citizen_number == record.citizen_number)
        if len(proof.salt) != 16 or sha256(b"\0", proof.salt, proof.event) != proof.leaf or not theirs:
            raise Ended(f"the event at position {record.position} is not the one that was signed")
        if proof.erased:
            raise Ended(f"the event at position {record.position} was erased")
        lets_go = record.change in (pb.CHANGE_DELETE, pb.CHANGE_LEFT)
        (check_end if lets_go else check_changed)(record, event)


class Receiver:
    """The subscriber's side of [10]."""

    def __init__(self, options):
        self.options, self.store = options, Store(options.store, options.journal)
        self.own, self.exchange = Keys(options.key), Keys(options.exchange)
        self.compared = not options.reconcile
        self.asked = None  # of a snapshot: what the next chunk is of
        self.origins = Origins(options.agency_key) if options.agency_key else None
        self.share, self.shares = map(int, options.share.split("/"))
        if options.snapshot and not self.store.token() and not self.store.filling():
            self.store.begin_filling()

    def run(self):
        keep_on(self.options.endpoint, self.own, self.exchange, self.session)

    def session(self, session):
        try:
            self.hello(session)
            while not self.is_done(session):
                self.take_frame(session, session.next(60))
        except (CursorBad, PositionGone):
            self.store.begin_filling()  # all over again, with a new mark
            raise

    def is_done(self, session):
        if not (self.options.until_head or self.options.reconcile) or self.asked or self.place < self.head:
            return False
        if not self.compared:
            self.ask_digests(session)
        return self.compared

    def take_frame(self, session, frame):
        if frame is None:
            return
        if frame.kind == Kind.RECORDS:
            self.take_records(pb.Records.FromString(frame.body))
        elif frame.kind == Kind.WATERMARK:
            self.take_watermark(pb.Watermark.FromString(frame.body))
        elif frame.kind == Kind.WELCOME_SUBSCRIBE:
            self.take_rights(session, pb.WelcomeSubscribe.FromString(frame.body))
        elif frame.kind == Kind.CHUNK and self.asked:
            self.take_chunk(session, pb.SnapshotChunk.FromString(frame.body))
        else:
            raise Ended(f"a frame of type {frame.kind} does not belong here")
        if frame.kind in (Kind.RECORDS, Kind.CHUNK):
            self.received += len(frame.body)
            session.send(Kind.CREDIT, pb.Credit(bytes=self.received + CREDIT_BYTES))
        if not self.asked:
            session.send(Kind.ACK, pb.Ack(position=self.place))

    def hello(self, session):
        token, filling = self.store.token(), self.store.filling()
        self.asked, self.received = None, 0
        session.numbered = True
        hello = pb.HelloSubscribe(protocol_version=1, subscription=self.options.subscription,
                                  consumer=self.options.name, program="receive.py",
                                  share=self.share, shares=self.shares, origin_proofs=self.origins is not None)
        if filling:
            hello.snapshot = True
        elif token or not self.shares:  # a token of position 0 is the beginning, whoever shared this before
            hello.token.CopyFrom(token or pb.ResumeToken())
        else:
            hello.from_start = True
        frame = session.hello(Kind.HELLO_SUBSCRIBE, hello, Kind.WELCOME_SUBSCRIBE)
        welcome = pb.WelcomeSubscribe.FromString(frame.body)
        if welcome.signing_key != self.exchange.sign_public:
            raise Stop("this is not the exchange whose key is configured")
        if self.origins and not welcome.origin_proofs:
            raise Stop("this exchange has no proofs of origin")
        # Where shares were dealt anew it may be less than was asked for: what comes again has no effect.
        if not filling and welcome.position > (token.position if token else 0) and (token or not self.shares):
            raise Stop(f"the exchange would begin at {welcome.position}, and what comes before it would be missing")
        self.place = self.previous = welcome.position
        self.head = welcome.head.position
        session.send(Kind.CREDIT, pb.Credit(bytes=CREDIT_BYTES))
        if not filling and not token:
            self.store.set_policy_version(0 if welcome.policy_position else welcome.policy_version)
        self.take_rights(session, welcome)
        if filling:
            self.ask_all(session)

    def take_rights(self, session, welcome):
        log(f"granted, by policy {welcome.policy_version}: {' '.join(welcome.fields)}")
        self.version = welcome.policy_version
        as_before = self.store.policy_version() == self.version and self.place + 1 >= welcome.policy_position
        if not as_before and not self.store.filling() and not self.shares:  # a share takes no snapshot
            self.store.begin_filling()
            self.ask_all(session)

    # ---- the feed ----

    def take_records(self, records):
        """They join without holes, or the session ends before anything is stored."""
        if (records.previous, records.first, records.token.position) != (self.previous, self.place + 1, records.last):
            raise Ended("records that do not follow what came before")
        decoded = [(pb.FeedRecord.FromString(encoded), encoded) for encoded in records.records]
        previous = self.previous
        for record, _ in decoded:
            if record.previous != previous or not previous < record.position <= records.last:
                raise Ended("a record that does not follow the one before")
            check_known(record)
            previous = record.position
        proved = self.origins.judge(records, [record for record, _ in decoded]) if self.origins else ()
        self.store.take(decoded, records.token, proved)
        self.previous, self.place = previous, records.last

    def take_watermark(self, watermark):
        if watermark.token.position < self.place:
            raise Ended("a watermark from before what came")
        self.store.take([], watermark.token)
        self.place = watermark.token.position

    # ---- snapshots ----

    def ask_all(self, session):
        mark, cursor = self.store.filling()
        self.mark = mark
        self.ask(session, self.take_all, cursor=cursor)

    def ask_digests(self, session):
        self.sums = [0] * SNAPSHOT_BUCKETS
        self.ask(session, self.take_digests, digests=True)

    def ask(self, session, take, **what):
        """One chunk; take(session, chunk, its records) takes it, and what comes after it."""
        self.asked, self.what = take, what
        session.send(Kind.SNAPSHOT, pb.SnapshotRequest(**what))

    def take_chunk(self, session, chunk):
        records = [pb.FeedRecord.FromString(encoded) for encoded in chunk.records]
        for record in records:
            check_known(record)
        take, self.asked = self.asked, None
        take(session, chunk, records)
        if not chunk.done:
            self.ask(session, take, **{**self.what, "cursor": chunk.cursor})

    def take_all(self, session, chunk, records):
        self.head = max(self.head, chunk.head.position)  # only then the copy is right
        if not chunk.done:
            self.store.take_chunk(records, self.mark, chunk.cursor)
            return
        self.store.end_filling(records, self.mark, chunk.first, self.version)
        self.place = self.previous = chunk.first.position
        log(f"snapshot done: the feed goes on behind {self.place}")

    def take_digests(self, session, chunk, _):
        size = SNAPSHOT_DIGEST_BYTES
        for i in range(SNAPSHOT_BUCKETS):
            self.sums[i] += int.from_bytes(chunk.digests[size * i:size * (i + 1)], "big")
        if not chunk.done:
            return
        own = self.store.digests()
        self.differing = [i for i in range(SNAPSHOT_BUCKETS) if self.sums[i] % (1 << 8 * size) != own[i]]
        log(f"compared: {len(self.differing)} of {SNAPSHOT_BUCKETS} buckets differ")
        self.compared = True
        if self.differing:
            self.mark = self.store.next_mark()
            bits = sum(1 << i for i in self.differing).to_bytes(SNAPSHOT_BUCKETS // 8, "little")
            self.ask(session, self.take_repair, buckets=bits)

    def take_repair(self, session, chunk, records):
        self.head = max(self.head, chunk.head.position)
        if chunk.done:
            self.store.end_repair(records, self.mark, self.differing)
        else:
            self.store.take_chunk(records, self.mark)


def check_known(record):
    """Half of a record is not kept: a newer program must be."""
    known = record.domain in BODIES and record.change in pb.ChangeKind.values()
    if known:
        body = BODIES[record.domain].FromString(record.body)
        body.DiscardUnknownFields()
        known = body.ByteSize() == len(record.body)
    if not known:
        raise Stop(f"the record at position {record.position} is newer than this program, which needs an upgrade")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", action="append", required=True, help="may be given again: tried in turn")
    parser.add_argument("--exchange", required=True, help="the exchange's public key file")
    parser.add_argument("--key", required=True, help="our own secret key file")
    parser.add_argument("--subscription", required=True)
    parser.add_argument("--name", default="receive.py", help="of this consumer, for the exchange's operators")
    parser.add_argument("--store", required=True)
    parser.add_argument("--journal", action="store_true")
    parser.add_argument("--snapshot", action="store_true")
    parser.add_argument("--share", default="0/0", metavar="I/N")
    parser.add_argument("--agency-key", action="append", default=[], metavar="CODE=FILE", help="may be given again")
    parser.add_argument("--until-head", action="store_true")
    parser.add_argument("--reconcile", action="store_true")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # by way of a Goodbye
    try:
        Receiver(parser.parse_args()).run()
    except Stop as stop:
        log(str(stop))
        sys.exit(3)


if __name__ == "__main__":
    main()
