# SPDX-License-Identifier: Apache-2.0
"""The Python clients as programs in a test, with the same words as our agents have in tests/conftest.py; and how what
either of them keeps is read."""
import atexit
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile

import conftest
import schema

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "integration"))  # for people.py

GENERATED = tempfile.mkdtemp(prefix="dongbo-interop-")
atexit.register(shutil.rmtree, GENERATED, ignore_errors=True)
schema.generate(conftest.ROOT / "proto/PROTOCOL.md", GENERATED, "dongbo_interop")  # wire.py has made "dongbo"
sys.path.append(GENERATED)
os.environ["PYTHONPATH"] = GENERATED  # of the clients as well

from google.protobuf import json_format  # noqa: E402

import dongbo_pb2 as pb  # noqa: E402  (made a moment ago)
import exchange as wire  # noqa: E402, F401
import publish  # noqa: E402, F401
import receive  # noqa: E402


def query(path, sql):
    """Rows of an SQLite file that somebody else may be writing; none while it is being made."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()
    except sqlite3.OperationalError:
        return []


class PythonPublisher:
    def __init__(self, exchange, agency, spool=None):
        self.exchange, self.agency = exchange, agency
        name = agency.lower()
        self.events = exchange.directory / f"{name}.jsonl"
        self.spool = spool or exchange.directory / f"{name}.db"
        self.log = exchange.directory / f"{name}-python.log"
        self.events.touch()

    def command(self, *words, endpoint=None):
        directory, name = self.exchange.directory, self.agency.lower()
        return [sys.executable, HERE / "publish.py", "--endpoint", endpoint or self.exchange.publish, "--exchange",
                directory / "broker.keys.pub", "--key", directory / f"{name}.keys", "--agency", self.agency, "--spool",
                self.spool, *words, self.events]

    def put(self, events):
        """Appends to its file, whole lines at once."""
        with open(self.events, "a", encoding="utf-8") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events))

    def once(self, expect=0):
        done = self.exchange.run(*self.command())
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr}"
        return done.stderr

    def start(self, log=None, endpoint=None):
        log = self.exchange.directory / log if log else self.log
        return self.exchange.start(self.command("--follow", endpoint=endpoint), log)

    def answered(self):
        """How many events have a verdict."""
        return sum(n for n, in query(self.spool, "SELECT count(verdict) FROM event"))

    def verdicts(self):
        """(source key, verdict, reasons as (code, field)) of each event, in order."""
        done = self.exchange.run(*self.command("--verdicts"), check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [(line["source_key"], line["verdict"], [(reason["code"], reason["field"]) for reason in line["reasons"]])
                for line in lines]

    def encoded(self):
        return [row[0] for row in query(self.spool, "SELECT bytes FROM event ORDER BY stream, sequence")]


class OurPublisher(conftest.Publisher):
    """dongbo-agent publish; what it has sent and was answered is read from its spool."""

    def put(self, rows):
        self.n = getattr(self, "n", 0) + 1
        self.drop("vaccinations", f"{self.n:03}.csv", rows)

    def once(self, expect=0):
        return super().once(expect=expect)

    def answered(self):
        return len(self.encoded())

    def batches(self):
        """Those that have a receipt, with it."""
        rows = query(self.exchange.directory / f"{self.name}.spool",
                     "SELECT s.sealed, r.receipt FROM batch b JOIN batch_bytes s ON s.batch = b.id "
                     "JOIN receipt r ON r.batch = b.id ORDER BY b.id")
        return [(pb.SealedBatch.FromString(sealed), pb.ReceiptBody.FromString(receipt[:-64]))
                for sealed, receipt in rows]

    def encoded(self):
        return [event for sealed, _ in self.batches() for event in sealed.events]

    def verdicts(self):
        """As receipts told them."""
        told = []
        for sealed, receipt in self.batches():
            said = {verdict.sequence - receipt.first_sequence: verdict for verdict in receipt.verdicts}
            for i, event in enumerate(sealed.events):
                verdict = said.get(i, pb.EventVerdict(verdict=pb.ACCEPTED))
                told.append((pb.ChangeEvent.FromString(event).source_key, pb.Verdict.Name(verdict.verdict),
                             [(reason.code, reason.field) for reason in verdict.reasons]))
        return told


def event_json(encoded):
    """An event as a line for publish.py."""
    event = pb.ChangeEvent.FromString(encoded)
    event.event_id, event.schema_version = b"", 0
    return json_format.MessageToDict(event)


class PythonReceiver:
    def __init__(self, exchange, name, store="copy", *words):
        self.exchange, self.name, self.words = exchange, name, words
        self.store = exchange.directory / f"{name}-{store}.db"
        self.log = exchange.directory / f"{name}-python.log"

    def command(self, *words):
        directory = self.exchange.directory
        return [sys.executable, HERE / "receive.py", "--endpoint", self.exchange.subscribe, "--exchange",
                directory / "broker.keys.pub", "--key", directory / f"{self.name}.keys", "--subscription", self.name,
                "--store", self.store, "--journal", *self.words, *words]

    def follow(self, *words):
        directory = self.exchange.directory
        return [sys.executable, HERE / "follow.py", "--endpoint", self.exchange.subscribe, "--exchange",
                directory / "broker.keys.pub", "--key", directory / f"{self.name}.keys", *words]

    def start(self):
        return self.exchange.start(self.command(), self.log)

    def until_head(self, *words, expect=0):
        done = self.exchange.run(*self.command("--until-head", *words))
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr}"
        return done.stderr

    def journal(self):
        """Every FeedRecord as it came."""
        return [row[0] for row in query(self.store, "SELECT record FROM journal ORDER BY number")]

    def records(self):
        """The journal as lines of our own receiver's JSONL files."""
        return [record_json(pb.FeedRecord.FromString(encoded)) for encoded in self.journal()]

    def copy(self):
        """The copy as it stands: {record id: fields}."""
        return {record_id.hex(): json.loads(body) for record_id, body in
                query(self.store, "SELECT record_id, body FROM record")}


def record_json(record):
    body = receive.BODIES[record.domain].FromString(record.body)
    told = {"position": record.position, "domain": pb.Domain.Name(record.domain).lower(),
            "change": pb.ChangeKind.Name(record.change).removeprefix("CHANGE_").lower(),
            "record": record.record_id.hex(),
            "citizen_number": record.citizen_number, "agency": record.agency,
            "event_time": (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=record.event_time_us)
                           ).isoformat(timespec="microseconds") + "Z",
            "fields": {field.name: value for field, value in body.ListFields()},
            "changed": [body.DESCRIPTOR.fields_by_number[number].name for number in record.changed_fields]}
    if not record.citizen_number:
        del told["citizen_number"]
    return told


def copy_of(records):
    """What JSON lines, taken in order, leave behind: {record id: fields}."""
    held = {}
    for record in records:
        if record["change"] in ("delete", "left"):
            held.pop(record["record"], None)
        else:
            held[record["record"]] = record["fields"]
    return held
