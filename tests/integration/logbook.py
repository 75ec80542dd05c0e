# SPDX-License-Identifier: Apache-2.0
"""The exchange's log read anew from its table, and every promise about it checked: positions without gaps, the chain of
hashes, each sequence of each stream once, signed batches behind the verdicts, record versions and exceptions that
follow from the entries, receipts at the agents, records at the committees. Shares no code with the broker."""
import collections
import ctypes
import hashlib
import hmac
import sqlite3
import struct
import types

import wire

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
(ENTRY_EVENT, ENTRY_DECISION, ENTRY_EPOCH, ENTRY_POLICY, ENTRY_STREAM, ENTRY_MERGER, ENTRY_RETOLD,
 ENTRY_FOLLOWED) = range(1, 9)
RECORD_KINDS = (ENTRY_EVENT, ENTRY_DECISION, ENTRY_MERGER, ENTRY_RETOLD)
POPULATION, NUMBER = 1, 2  # a domain, and a field of its records
BODIES = {1: "PopulationChange", 2: "Vaccination", 3: "Enrolment", 4: "InsurancePeriod", 5: "ResidencePeriod",
          6: "EidAccount", 7: "ElectricityContract"}
NAMES = {1: "population", 2: "health", 3: "education", 4: "social_security", 5: "residence", 6: "e_id",
         7: "electricity"}
CHANGES = ("upsert", "delete", "entered", "left")
NO_HASH = bytes(32)

_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
_zstd.ZSTD_decompress.restype = ctypes.c_size_t


def unpack_zstd(data):
    size = _zstd.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
    assert size < 1 << 26, "no zstd frame of a known size"
    out = ctypes.create_string_buffer(max(1, size))
    n = _zstd.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    assert n == size
    return out.raw[:size]


def is_taken_back(entry):
    """An officer refused what stood in a record: the record is what it is without it."""
    return entry.kind == ENTRY_DECISION and entry.verdict == REJECTED and entry.person


class Segment:
    def __init__(self, row):
        (self.first, self.last, self.epoch, self.kind, self.agency, self.stream, self.first_sequence,
         self.last_sequence, self.batch_root, self.stored_at_us, self.population_position, self.leaf_index, self.hash,
         summary, payload, batch, origin) = [bytes(value) if isinstance(value, memoryview) else value for value in row]
        self.lines = wire.SegmentSummary.FromString(unpack_zstd(summary)).lines
        self.trimmed = payload is None
        self.entries = [] if self.trimmed else wire.SegmentPayload.FromString(unpack_zstd(payload)).entries
        self.batch_bytes = batch
        self.origin = wire.SealedBatch.FromString(origin or b"")

    def leaf(self):
        """Format 2 (broker/segment.h)."""
        signed = self.origin.header + self.origin.signature
        origin = hashlib.sha256(signed).digest() if signed else NO_HASH
        data = struct.pack(">IQQBI", self.epoch, self.first, self.last, self.kind, self.agency or 0)
        data += (self.stream or bytes(16)) + struct.pack(">QQ", self.first_sequence, self.last_sequence)
        data += (self.batch_root or NO_HASH) + origin
        data += struct.pack(">QQ", self.stored_at_us, self.population_position)
        data += wire.root([entry_leaf(line) for line in self.lines])
        return hashlib.sha256(b"\0dongbo segment 2\0" + data).digest()


def entry_leaf(line):
    said = line.said or NO_HASH
    if line.decided_by or line.text:
        said = hashlib.sha256(b"dongbo said 1\0" + line.decided_by.encode() + b"\0" + line.text.encode()).digest()
    data = struct.pack(">BBBQ", line.kind, line.domain, line.verdict, line.sequence)
    data += (line.leaf or NO_HASH) + line.commitment + said + bytes([len(line.reasons)])
    for reason in line.reasons:
        data += struct.pack(">HB", reason.code, len(reason.field.encode())) + reason.field.encode()
    return hashlib.sha256(b"\0" + data).digest()


class Logbook:
    """`entries` by position, `events` by (stream, sequence): the event's entry and then its later decisions, as
    (position, entry) pairs; `said` by (stream, sequence): the event as its agency signed it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.segments = [Segment(row) for row in cluster.rows(
            "SELECT first_position, last_position, epoch, kind, agency, stream, first_sequence, last_sequence, "
            "batch_root, stored_at_us, population_position, leaf_index, hash, summary, payload, batch, "
            "origin "
            "FROM exchange.segment ORDER BY first_position")]
        self.streams = {bytes(stream): (agency, last) for stream, agency, last in cluster.rows(
            "SELECT stream, agency, last_sequence FROM exchange.stream")}
        self.entries = {}
        self.events = collections.defaultdict(list)
        self.said = {}
        self.batch_of = {}
        for segment in self.segments:
            for position, entry in enumerate(segment.entries, segment.first):
                self.entries[position] = entry
                if entry.kind in (ENTRY_EVENT, ENTRY_DECISION):
                    self.events[segment.stream, entry.sequence].append((position, entry))
                if segment.kind == ENTRY_EVENT:
                    self.batch_of[segment.stream, entry.sequence] = segment

    @property
    def head(self):
        return self.segments[-1].last if self.segments else 0

    def check(self):
        self.check_chain()
        self.check_streams()
        self.check_batches()
        self.check_versions()
        self.check_exceptions()
        return self

    def check_chain(self):
        position, previous, index = 0, NO_HASH, 0
        for segment in self.segments:
            where = f"segment at {segment.first}"
            assert segment.first == position + 1, f"{where}: the position before is {position}"
            assert segment.last - segment.first + 1 == len(segment.lines), where
            for line, entry in zip(segment.lines, segment.entries, strict=not segment.trimmed):
                assert (line.domain, line.verdict) == (entry.domain, entry.verdict), where
                assert [reason.code for reason in line.reasons] == [reason.code for reason in entry.reasons], where
            assert segment.leaf_index == index, where
            previous = hashlib.sha256(b"\2" + previous + segment.leaf()).digest()
            assert segment.hash == previous, f"{where}: another hash than its content gives"
            position, index = segment.last, index + 1

    def check_streams(self):
        """Every sequence from 1 to the stream's last has one event entry, in order, before any decision on it."""
        last = collections.Counter()
        for segment in self.segments:
            if segment.kind != ENTRY_EVENT:
                continue
            assert segment.stream in self.streams and self.streams[segment.stream][0] == segment.agency
            assert segment.first_sequence == last[segment.stream] + 1, \
                f"stream {segment.stream.hex()}: {segment.first_sequence} follows {last[segment.stream]}"
            sequences = [entry.sequence for entry in segment.entries]
            assert sequences == list(range(segment.first_sequence, segment.last_sequence + 1))
            last[segment.stream] = segment.last_sequence
        assert {stream: n for stream, (_, n) in self.streams.items() if n} == dict(last)
        for key, entries in self.events.items():
            kinds = [entry.kind for _, entry in entries]
            assert kinds == [ENTRY_EVENT] + [ENTRY_DECISION] * (len(kinds) - 1), f"{key}: {kinds}"
            assert len({position for position, _ in entries}) == len(entries)

    def check_batches(self):
        """What the log says of a batch is what its agency signed."""
        keys = collections.defaultdict(list)
        for agency, key in self.cluster.rows("SELECT agency, key FROM exchange.key WHERE purpose = 'ed25519'"):
            keys[agency].append(bytes(key))
        for segment in self.segments:
            if segment.kind != ENTRY_EVENT:
                continue
            if any(reason.code == wire.ReasonCode.Value("BATCH_UNREADABLE")
                   for entry in segment.entries for reason in entry.reasons):
                continue  # kept as it came
            sealed = wire.SealedBatch.FromString(segment.batch_bytes)
            header = wire.BatchHeader.FromString(sealed.header)
            assert any(wire.verifies(key, "dongbo batch 1", sealed.header, sealed.signature)
                       for key in keys[segment.agency])
            assert (header.stream, header.first_sequence, header.count, header.root) == \
                (segment.stream, segment.first_sequence, len(segment.entries), segment.batch_root)
            salted = zip(range(0, len(sealed.salts), 16), sealed.events)
            leaves = [wire.leaf(sealed.salts[at:at + 16] + event) for at, event in salted]
            assert wire.root(leaves) == segment.batch_root
            assert [line.leaf for line in segment.lines] == leaves
            for entry, data in zip(segment.entries, sealed.events):
                self.said[segment.stream, entry.sequence] = data

    def check_versions(self):
        """Record versions: one for each entry that made one, by position, as the entry says it."""
        versions = {position: (person, domain, key, superseded, wire.Record.FromString(bytes(record)))
                    for person, domain, key, position, superseded, record in self.cluster.rows(
                        "SELECT person, domain, record_key, position, superseded, record "
                        "FROM exchange.record_version")}
        count = self.cluster.value("SELECT count(*) FROM exchange.record_version")
        assert count == len(versions), "two record versions have one position"
        for position, (person, domain, key, superseded, record) in versions.items():
            entry = self.entries[position]
            where = f"record version at {position}"
            assert (entry.person, entry.domain, entry.record_key) == (person, domain, key), where
            assert entry.verdict in (ACCEPTED, UNCHANGED, SUPERSEDED) or is_taken_back(entry), where
            assert superseded == (entry.verdict == SUPERSEDED), where
            if entry.verdict in (ACCEPTED, REJECTED) and not entry.deleted:
                assert record.body == entry.body, where
        for position, entry in self.entries.items():
            replaced = wire.ROW_REPLACED in [reason.code for reason in entry.reasons]
            if entry.domain != POPULATION and entry.verdict in (ACCEPTED, SUPERSEDED) and not replaced and \
                    entry.kind not in (ENTRY_RETOLD, ENTRY_FOLLOWED):
                assert position in versions, f"the entry at {position} has no record version"

    def check_exceptions(self):
        """What was not plainly taken is one from there on, until it is decided; so is what was, and is no more."""
        held = {position: (bytes(stream), sequence, first, now, is_open) for
                stream, sequence, position, first, now, is_open in self.cluster.rows(
                    "SELECT stream, sequence, position, first_verdict, verdict, open FROM exchange.exception")}
        expected = {}
        for key, entries in self.events.items():
            begun = None
            for position, entry in entries:
                if begun and expected[begun][-1]:
                    expected[begun] = expected[begun][:3] + (entry.verdict, entry.verdict in (MISMATCH, DEFERRED))
                elif entry.verdict in (MISMATCH, DEFERRED, REJECTED):
                    begun = position
                    expected[begun] = (*key, entry.verdict, entry.verdict, entry.verdict != REJECTED)
        assert sorted(held.items()) == sorted(expected.items()), (set(held.items()) ^ set(expected.items()))

    # ---- agents and committees ----

    def check_spool(self, path, signing_key):
        """Every batch of an agent's spool has its receipt there: signed, and of what the log holds."""
        spool = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        streams = {number: bytes(stream) for number, stream in spool.execute("SELECT id, stream FROM stream")}
        batches = spool.execute("SELECT b.stream, b.first_sequence, b.last_sequence, b.acked_at, b.root, r.receipt "
                                "FROM batch b LEFT JOIN receipt r ON r.batch = b.id ORDER BY b.id").fetchall()
        for number, first, last, acked_at, root, receipt in batches:
            where = f"{path}: batch {first}-{last}"
            assert acked_at is not None and receipt is not None, f"{where} has no receipt"
            body, signature = receipt[:-64], receipt[-64:]
            assert wire.verifies(signing_key, "dongbo receipt 1", body, signature), where
            self.check_receipt(wire.ReceiptBody.FromString(body), (streams[number], first, last, root), where)
        spool.close()
        return sum(last - first + 1 for _, first, last, *_ in batches)

    def check_receipt(self, body, batch, where):
        stream, first, last, root = batch
        assert (body.stream, body.first_sequence, body.last_sequence, body.batch_root) == (stream, first, last, root), \
            where
        segment = self.batch_of[stream, first]
        assert body.segment_hash == segment.hash, where
        if not body.duplicate:
            assert (body.first_position, body.last_position) == (segment.first, segment.last), where
        plain = {entry.sequence for entry in segment.entries if entry.verdict == ACCEPTED and not entry.reasons}
        told = {verdict.sequence: (verdict.verdict, [reason.code for reason in verdict.reasons], verdict.position)
                for verdict in body.verdicts}
        assert told == {entry.sequence: (entry.verdict, [reason.code for reason in entry.reasons], position)
                        for position, entry in enumerate(segment.entries, segment.first)
                        if entry.sequence not in plain}, where

    def rights(self, subscription):
        """The versions of a subscription's rights, the oldest first."""
        columns = ("version", "position", "domains", "provinces", "codes", "changes", "fields", "agency", "valid_to")
        return [types.SimpleNamespace(**dict(zip(columns, row))) for row in self.cluster.rows(
            "SELECT version, position, domains, provinces, province_codes, changes, fields, "
            "CASE WHEN NOT echo THEN agency END, valid_to FROM exchange.subscription_policy WHERE subscription = %s "
            "ORDER BY version", subscription)]

    def expected_records(self, name, follows=None):
        """What a subscription may have, in order, as lines of its JSONL files; `follows`: the persons on its list, of
        one that keeps one, to which nobody came after a record and whom nobody left."""
        number, secret = self.cluster.rows("SELECT subscription, secret FROM exchange.subscription WHERE name = %s",
                                           name)[0]
        versions = self.rights(number)
        agencies = dict(self.cluster.rows("SELECT agency, code FROM exchange.agency"))
        for position, entry in sorted(self.entries.items()):
            if entry.kind not in RECORD_KINDS or not entry.person or entry.person not in (follows or (entry.person,)):
                continue
            if entry.verdict != ACCEPTED and not (is_taken_back(entry) and entry.changed_fields):
                continue
            rights = [version for version in versions if version.position <= position][-1:]
            record = self._record(entry, rights[0]) if rights and entry.domain in rights[0].domains else None
            if record is None:
                continue
            identity = struct.pack(">qB", entry.person, entry.domain) + entry.record_key.encode()
            record["record"] = hmac.new(bytes(secret), identity, hashlib.sha256).digest()[:16].hex()
            if "person_id" in rights[0].fields:
                person = b"person" + struct.pack(">q", entry.person)
                record["person"] = hmac.new(bytes(secret), person, hashlib.sha256).digest()[:16].hex()
            record.update(position=position, agency=agencies[entry.agency])
            yield record

    @staticmethod
    def _change(entry, rights):
        """What it is to a subscription to these provinces (none: all); None when it is nothing."""
        retold, provinces = entry.kind == ENTRY_RETOLD, rights.provinces
        codes = ((entry.province_before, entry.province_after), (entry.province63_before, entry.province63_after))
        before, after = codes[rights.codes == 63]
        moved, newly = codes[0][0] != codes[0][1] or codes[1][0] != codes[1][1], not codes[0][0] and not codes[1][0]
        lives = not provinces or after in provinces
        lived = not provinces or before in provinces or (newly and lives and not retold)
        if retold and entry.deleted and lives:
            return None
        if lives != lived:
            return "left" if lived else "delete" if entry.deleted else "entered"
        if not lives or (retold and (moved or "citizen_number" not in rights.fields)):
            return None
        return "delete" if entry.deleted else "upsert"

    @staticmethod
    def _tells_who(entry, rights):
        """Another number, or somebody who comes from nowhere: no entry of their own tells of that again."""
        codes = ((entry.province_before, entry.province_after), (entry.province63_before, entry.province63_after))
        before, after = codes[rights.codes == 63]
        comes = rights.provinces and after in rights.provinces and before not in rights.provinces
        return NAMES[entry.domain] == "population" and (
            comes or ("citizen_number" in rights.fields and NUMBER in entry.changed_fields))

    @staticmethod
    def _record(entry, rights):
        domain, fields = NAMES[entry.domain], rights.fields
        change = Logbook._change(entry, rights)
        echo = rights.agency == entry.agency and entry.kind in (ENTRY_EVENT, ENTRY_DECISION)
        if not change or CHANGES.index(change) + 1 not in rights.changes or echo:
            return None
        body = getattr(wire, BODIES[entry.domain]).FromString(entry.body)
        granted = {field.number: field.name for field in body.DESCRIPTOR.fields if f"{domain}.{field.name}" in fields}
        changed = [granted[number] for number in entry.changed_fields if number in granted]
        known = any(getattr(body, name) for name in granted.values())
        whole = change == "entered" or entry.kind == ENTRY_RETOLD or (known and Logbook._tells_who(entry, rights))
        if not granted or (change in ("upsert", "entered") and not changed and not whole):
            return None
        record = {"domain": domain, "change": change, "changed": changed,
                  "fields": {name: getattr(body, name) for name in granted.values() if getattr(body, name)}}
        if change in ("delete", "left"):
            record["fields"] = {}
        if "citizen_number" in fields:
            record["citizen_number"] = entry.citizen_number
        return record

    def check_received(self, name, records):
        """A committee holds exactly what it may, once each, in order."""
        expected = list(self.expected_records(name))
        held = [{key: value for key, value in record.items() if key != "event_time"} for record in records]
        assert [record["position"] for record in held] == [record["position"] for record in expected]
        for one, other in zip(held, expected):
            assert one == other
        return len(expected)
