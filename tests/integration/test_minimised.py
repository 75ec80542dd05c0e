# SPDX-License-Identifier: Apache-2.0
"""What must never leave: everything that a broker sends to subscriptions with different rights is kept as it came out
of the transport's encryption, feed, snapshots, lists and errors alike, and searched for every value that is not that
subscription's to see."""
import hashlib
import hmac
import struct

import pytest

import logbook
import people
import wire
from test_population_events import Centre

# Codes of both sets that mean other provinces: 15 is Lào Cai today, and was Yên Bái.
HOMES = [("01", "01"), ("15", "10"), ("15", "15"), ("79", "79")]
PERSONS = 8
BASE = ("subscriber: x\nlegal_basis: a test\nvalid_from: 2020-01-01\nvalid_to: 2099-12-31\n"
        "origin_proofs: events\n")
POLICIES = {
    "lots": "fields: {health: [lot_number]}\nprovinces: ['01']\n",
    "schools": "fields: {person: [person_id], education: [all]}\nprovinces63: ['15']\n",
    "points": "fields: {electricity: [service_point]}\nchanges: [upsert]\n",
    "numbers": "fields: {person: [citizen_number], health: [dose_number]}\nprovinces: ['15']\n",
    "fund": "fields: {person: [citizen_number], health: [facility_code]}\nfollowed_only: yes\n",
    "ministry": "fields: {education: [all], population: [full_name]}\nagency: GOV\n",
    "narrowed": "fields: {person: [citizen_number], health: [all]}\n",
    "all": "fields: {person: [citizen_number, person_id], health: [all], education: [all], electricity: [all], "
           "population: [all]}\n",
}
LATER = {"narrowed": "fields: {health: [dose_number]}\nprovinces: ['79']\n"}


def apply(exchange, policies):
    for name, text in policies.items():
        key = exchange.keys(name)
        (exchange.directory / f"{name}.policy.yaml").write_text(f"name: {name}\nkey: {key}\n{BASE}{text}")
    exchange.prepare("subscription", "apply", *(exchange.directory / f"{name}.policy.yaml" for name in policies))
    exchange.wait_in_force()


@pytest.fixture
def centre(exchange):
    rows = [people.citizen(n) | dict(zip(("residence_province", "residence_province63"), HOMES[n % len(HOMES)]),
                                     residence_commune="") for n in range(PERSONS)]
    exchange.load_population(rows)
    made = Centre(exchange)
    exchange.agency("GOV", "health,education,electricity", [])
    apply(exchange, POLICIES)
    yield made
    made.close()


def marks(n, turn):
    """Values of the n-th person's records, which nothing else holds."""
    return {name: f"{name}-{n:03}-{turn:03}." for name in (
        "lot", "facility", "institution", "programme", "credential", "customer", "point")}


def events(n, turn):
    mark = marks(n, turn)
    said = {"health": people.dose_body(turn, lot_number=mark["lot"], facility_code=mark["facility"]),
            "education": {"institution_code": mark["institution"], "programme_code": mark["programme"],
                          "isced_level": "6", "credential_code": mark["credential"]},
            "electricity": {"customer_code": mark["customer"], "service_point": mark["point"], "status": "active"}}
    return [wire.event("GOV", f"{domain}{n}-{turn}", people.subject(n), **{domain: body})
            for domain, body in said.items()]


def source_keys():
    """What only an event itself has."""
    return {f"{domain}{n}-{turn}" for domain in ("health", "education", "electricity") for n in range(PERSONS)
            for turn in (1, 2)}


def name_of(n):
    return f"Phạm {people.GIVEN[n]} {people.GIVEN[n + 1]}"


def happen(centre, gov, npc):
    gov.publish([event for n in range(PERSONS) for event in events(n, 1)])
    with wire.subscriber(centre.exchange, "fund") as peer:
        peer.follow(add=[people.citizen(n)["citizen_number"] for n in (0, 5)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.follow_request", 0)
    apply(centre.exchange, LATER)
    gov.publish([event for n in range(PERSONS) for event in events(n, 2)])
    about = [people.citizen(n)["citizen_number"] for n in range(PERSONS)]
    npc.publish([centre.change("move", about[n], time=n, residence_province=to) for n, to in ((0, "79"), (3, "01"))])
    npc.publish([centre.change("correction", about[n], time=20, full_name=name_of(n)) for n in range(PERSONS)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    assert centre.cluster.rows("SELECT verdict, reasons FROM exchange.exception") == []


class Heard:
    """A socket that keeps all that came."""

    def __init__(self, socket):
        self.socket, self.data = socket, bytearray()

    def __getattr__(self, name):
        return getattr(self.socket, name)

    def recv(self, *flags):
        data = self.socket.recv(*flags)
        self.data += data
        return data


def tap(exchange, name):
    """All that is sent to it: the feed twice, with proofs of origin, a snapshot, its list, and what is answered to
    nonsense."""
    peer = wire.subscriber(exchange, name)
    peer.socket = heard = Heard(peer.socket)
    with peer:
        peer.hello(origin_proofs=True)
        peer.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
        peer.hello(snapshot=True)
        peer.credit(1 << 24)
        peer.snapshot()
        peer.snapshot(digests=True)
        if name == "fund":
            peer.list()
        peer.send(wire.ACK, wire.Ack(position=1 << 60))
        peer.expect(wire.ERROR)
        peer.say_hello(subscription="another")
        peer.expect(wire.ERROR)
        peer.token = None
        peer.hello(from_start=True, origin_proofs=True)
        peer.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
    return bytes(heard.data)


def texts_of(line):
    return {str(value) for value in line["fields"].values()} | {line.get("citizen_number", "")}


def of_snapshot(log, rights, follows):
    """What a snapshot may hold: the present records of those who live there now, by the newest rights."""
    homes = dict((person, codes) for person, *codes in log.cluster.rows(
        "SELECT person, residence_province, residence_province63 FROM population.citizen"))
    present = {}
    for _, entry in sorted(log.entries.items()):
        if entry.kind in (logbook.ENTRY_EVENT, logbook.ENTRY_DECISION) and entry.person:
            present[entry.person, entry.domain, entry.record_key] = entry
    for entry in present.values():
        home = homes[entry.person][rights.codes == 63]
        if entry.deleted or (rights.provinces and home not in rights.provinces) or 1 not in rights.changes:
            continue
        if (follows is not None and entry.person not in follows) or entry.agency == rights.agency:
            continue
        body = getattr(wire, logbook.BODIES[entry.domain]).FromString(entry.body)
        yield from (str(getattr(body, field.name)) for field in body.DESCRIPTOR.fields
                    if f"{logbook.NAMES[entry.domain]}.{field.name}" in rights.fields)
        if "citizen_number" in rights.fields and entry.domain in rights.domains:
            yield entry.citizen_number


def pseudonyms(log, secret):
    """Every person's and record's key under a subscription's secret."""
    def key(data):
        return hmac.new(bytes(secret), data, hashlib.sha256).digest()[:16]
    entries = [entry for entry in log.entries.values() if entry.person]
    return ({key(b"person" + struct.pack(">q", entry.person)) for entry in entries},
            {key(struct.pack(">qB", entry.person, entry.domain) + entry.record_key.encode()) for entry in entries})


def test_nothing_leaves_that_is_not_granted(centre):
    exchange = centre.exchange
    gov, npc = centre.peer("GOV"), centre.peer("NPC")
    happen(centre, gov, npc)
    log = logbook.Logbook(exchange.cluster)
    values = {value for n in range(PERSONS) for turn in (1, 2) for value in marks(n, turn).values()}
    values |= {name_of(n) for n in range(PERSONS)} | {people.citizen(n)["citizen_number"] for n in range(PERSONS)}
    rows = exchange.cluster.rows("SELECT name, subscription, secret FROM exchange.subscription")
    keys = {name: pseudonyms(log, secret) for name, _, secret in rows}
    signed = [bytes(origin) for origin, in exchange.cluster.rows(
        "SELECT origin FROM exchange.segment WHERE origin IS NOT NULL")]
    follows = {person for person, in exchange.cluster.rows("SELECT person FROM exchange.followed")}
    for name, subscription, secret in rows:
        newest = log.rights(subscription)[-1]
        fund = follows if name == "fund" else None
        feed = {text for line in log.expected_records(name, fund) for text in texts_of(line)}
        may = values & (feed | set(of_snapshot(log, newest, fund)))
        heard = tap(exchange, name)
        leaked = {value for value in values - may if value.encode() in heard}
        assert not leaked, f"{name}: {sorted(leaked)[:5]} of {len(leaked)}"
        assert {value for value in may if value.encode() in heard} == may, f"{name}: the search finds what is there"
        assert any(origin in heard for origin in signed), f"{name}: proofs came along"
        assert {key for key in source_keys() if key.encode() in heard} == (source_keys() if name == "all" else set())
        assert may and (len(may) < len(values) or name == "all"), name
        assert bytes(secret) not in heard
        persons, records = keys[name]
        assert any(key in heard for key in records)
        assert any(key in heard for key in persons) == ("person_id" in newest.fields), name
        others = {key for other, sets in keys.items() if other != name for key in sets[0] | sets[1]}
        assert not any(key in heard for key in others), f"{name} holds another subscription's key"
    assert len(values) == 7 * 2 * PERSONS + 2 * PERSONS
