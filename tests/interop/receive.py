#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Receives a subscription's records into an SQLite file: table `record` is the copy as it now stands, a row for each
record; `place` is how far it goes, stored in the same transaction. Killed at any time, it resumes from there.

    receive.py --endpoint tcp://HOST:7702 --exchange broker.yaml.pub --key hn-health.yaml --subscription hn-health
               --store copy.db [--journal] [--until-head]

With --journal, table `journal` keeps every FeedRecord as it came. With --until-head it ends once it has all that the
exchange had when it began; else it goes on for good. Ends with 3 when a person must act.

Written from proto/PROTOCOL.md, whose sections are named in brackets."""
import argparse
import json
import signal
import sqlite3
import sys

from google.protobuf import json_format

import dongbo_pb2 as pb
from exchange import FRAME_BODY_BYTES_MAX, Ended, Keys, Kind, Stop, keep_on, log

CREDIT_BYTES = 2 * FRAME_BODY_BYTES_MAX
BODIES = {pb.POPULATION: pb.PopulationChange, pb.HEALTH: pb.Vaccination, pb.EDUCATION: pb.Enrolment,
          pb.SOCIAL_SECURITY: pb.InsurancePeriod, pb.RESIDENCE: pb.ResidencePeriod, pb.E_ID: pb.EidAccount,
          pb.ELECTRICITY: pb.ElectricityContract}

TABLES = """
CREATE TABLE IF NOT EXISTS record (
  record_id BLOB PRIMARY KEY, domain INTEGER NOT NULL, citizen_number TEXT NOT NULL, event_time_us INTEGER NOT NULL,
  agency TEXT NOT NULL, body TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, position INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (epoch INTEGER NOT NULL, position INTEGER NOT NULL, segment_hash BLOB NOT NULL);
"""


class Store:
    """The copy and its place: one SQLite file."""

    def __init__(self, path, journal):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLES)
        self.journal = journal

    def token(self):
        row = self.db.execute("SELECT epoch, position, segment_hash FROM place").fetchone()
        return pb.ResumeToken(epoch=row[0], position=row[1], segment_hash=row[2]) if row else None

    def take(self, records, token):
        """Records, each with its encoding, and the token that is valid once they are stored."""
        with self.db:
            self.db.execute("BEGIN")
            for record, encoded in records:
                self.take_record(record)
                if self.journal:
                    self.db.execute("INSERT INTO journal (position, record) VALUES (?, ?)", [record.position, encoded])
            self.db.execute("DELETE FROM place")
            self.db.execute("INSERT INTO place VALUES (?, ?, ?)", [token.epoch, token.position, token.segment_hash])

    def take_record(self, record):
        """Of a record that comes twice, the one with the greater position holds."""
        if record.change in (pb.CHANGE_DELETE, pb.CHANGE_LEFT):
            self.db.execute("DELETE FROM record WHERE record_id = ? AND position <= ?",
                            [record.record_id, record.position])
        else:
            self.db.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO UPDATE SET "
                "citizen_number = excluded.citizen_number, event_time_us = excluded.event_time_us, "
                "agency = excluded.agency, body = excluded.body, position = excluded.position "
                "WHERE excluded.position >= record.position",
                [record.record_id, record.domain, record.citizen_number, record.event_time_us, record.agency,
                 body_json(record), record.position])


def body_json(record):
    body = BODIES[record.domain].FromString(record.body)
    return json.dumps(json_format.MessageToDict(body, preserving_proto_field_name=True), ensure_ascii=False)


class Receiver:
    """The subscriber's side of [10]."""

    def __init__(self, options):
        self.options, self.store = options, Store(options.store, options.journal)
        self.own, self.exchange = Keys(options.key), Keys(options.exchange)

    def run(self):
        keep_on(self.options.endpoint, self.own, self.exchange, self.session)

    def session(self, session):
        self.hello(session)
        while not self.options.until_head or self.place < self.head:
            frame = session.next(60)
            if frame and frame.kind == Kind.RECORDS:
                self.received += len(frame.body)
                self.take_records(pb.Records.FromString(frame.body))
                session.send(Kind.ACK, pb.Ack(position=self.place))
                session.send(Kind.CREDIT, pb.Credit(bytes=self.received + CREDIT_BYTES))
            elif frame and frame.kind == Kind.WATERMARK:
                self.take_watermark(pb.Watermark.FromString(frame.body))
                session.send(Kind.ACK, pb.Ack(position=self.place))
            elif frame and frame.kind == Kind.WELCOME_SUBSCRIBE:
                self.take_grant(pb.WelcomeSubscribe.FromString(frame.body))
            elif frame:
                raise Ended(f"a frame of type {frame.kind} does not belong here")

    def hello(self, session):
        token = self.store.token()
        session.numbered = True
        frame = session.hello(Kind.HELLO_SUBSCRIBE, pb.HelloSubscribe(
            protocol_version=1, subscription=self.options.subscription, token=token, from_start=token is None,
            consumer=self.options.name, program="receive.py"), Kind.WELCOME_SUBSCRIBE)
        welcome = pb.WelcomeSubscribe.FromString(frame.body)
        if welcome.signing_key != self.exchange.sign_public:
            raise Stop("this is not the exchange whose key is configured")
        if welcome.position != (token.position if token else 0):
            raise Stop(f"the exchange would begin at {welcome.position}, which is not where this copy ends")
        self.take_grant(welcome)
        self.place = self.previous = welcome.position
        self.head = welcome.head.position
        self.received = 0
        session.send(Kind.CREDIT, pb.Credit(bytes=CREDIT_BYTES))

    def take_grant(self, welcome):
        log(f"granted, by policy {welcome.policy_version}: {' '.join(welcome.fields)}")

    def take_records(self, records):
        """They join without holes, or the session ends before anything is stored."""
        if (records.previous, records.first, records.token.position) != (self.previous, self.place + 1, records.last):
            raise Ended("records that do not follow what came before")
        decoded = [(pb.FeedRecord.FromString(encoded), encoded) for encoded in records.records]
        previous = self.previous
        for record, _ in decoded:
            if record.previous != previous or not previous < record.position <= records.last:
                raise Ended("a record that does not follow the one before")
            if record.domain not in BODIES or record.change not in pb.ChangeKind.values():
                raise Stop("a record of a kind that this program is too old for")
            previous = record.position
        self.store.take(decoded, records.token)
        self.previous, self.place = previous, records.last

    def take_watermark(self, watermark):
        if watermark.token.position < self.place:
            raise Ended("a watermark from before what came")
        self.store.take([], watermark.token)
        self.place = watermark.token.position


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", action="append", required=True, help="may be given again: tried in turn")
    parser.add_argument("--exchange", required=True, help="the exchange's public key file")
    parser.add_argument("--key", required=True, help="our own secret key file")
    parser.add_argument("--subscription", required=True)
    parser.add_argument("--name", default="receive.py", help="of this consumer, for the exchange's operators")
    parser.add_argument("--store", required=True)
    parser.add_argument("--journal", action="store_true")
    parser.add_argument("--until-head", action="store_true")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # by way of a Goodbye
    try:
        Receiver(parser.parse_args()).run()
    except Stop as stop:
        log(str(stop))
        sys.exit(3)


if __name__ == "__main__":
    main()
