# SPDX-License-Identifier: Apache-2.0
"""Proofs of origin on the feed: a committee sees by an agency's own signature whose word each record is, and is told of
the event what its rights cover, and nothing else."""
import base64
import json
import random
import shutil

import pytest

import origins
import people
import wire
from conftest import Receiver
from test_erasure import carry_out
from test_mergers import lives
from test_population_events import T, Centre, cancelling, life

PERSONS = 20
SUBJECT = "full_name, birth_date, sex, mother_name, father_name, residence_province"
BASE = "subscriber: x\nlegal_basis: a test\nvalid_from: 2020-01-01\nvalid_to: 2099-12-31\n"
POLICIES = {
    "full": f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\norigin_proofs: events\n",
    "leaves": f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\norigin_proofs: leaves\n",
    # Each lacks one thing that an event may say.
    "nameless": "fields: {person: [citizen_number], health: [all], population: [birth_date, sex, mother_name, "
                "father_name, residence_province]}\norigin_proofs: events\n",
    "lotless": "fields: {person: [citizen_number], health: [vaccine_group, dose_number, product_code, occurrence_date, "
               f"facility_code, status], population: [{SUBJECT}]}}\norigin_proofs: events\n",
    "pseudonyms": f"fields: {{person: [person_id], health: [all], population: [{SUBJECT}]}}\norigin_proofs: events\n",
    "province": "fields: {person: [citizen_number], health: [all], population: [all]}\nprovinces: ['01']\n"
                "origin_proofs: events\n",
    "elsewhere": f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\nprovinces: ['79']\n"
                 "origin_proofs: events\n",
    "fund": f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\nfollowed_only: yes\n"
            "origin_proofs: events\n",
    "none": "fields: {person: [citizen_number], health: [all]}\n",
}
PARTIAL = ("leaves", "nameless", "lotless", "pseudonyms")


def apply(exchange, policies):
    for name, text in policies.items():
        key = exchange.keys(name)
        (exchange.directory / f"{name}.policy.yaml").write_text(f"name: {name}\nkey: {key}\n{BASE}{text}")
    exchange.prepare("subscription", "apply", *(exchange.directory / f"{name}.policy.yaml" for name in policies))
    exchange.wait_in_force()


class Agency:
    def __init__(self, peer):
        self.peer, self.stream = peer, peer.stream
        peer.hello()

    def publish(self, *events):
        return self.peer.publish([event if isinstance(event, bytes) else event.SerializeToString(deterministic=True)
                                  for event in events])


@pytest.fixture
def centre(exchange):
    exchange.load_population(people.citizens(PERSONS))
    made = Centre(exchange)
    apply(exchange, POLICIES)
    with wire.publisher(exchange, "MOH") as moh, wire.publisher(exchange, "NPC") as npc:
        made.moh, made.npc = Agency(moh), Agency(npc)
        yield made
    made.close()


def head(exchange):
    return exchange.cluster.value("SELECT last_position FROM exchange.head")


def keys_of(exchange):
    return {code.upper(): wire.Keys.read(exchange.keys(code)) for code in ("moh", "npc")}


def next_records(peer):
    while True:
        frame = peer.take()
        if frame.type == wire.RECORDS:
            return frame.message


def received(exchange, name, **hello):
    """What a subscription is given of proofs, by position, and its records."""
    with wire.subscriber(exchange, name) as peer:
        frames = origins.take(peer, head(exchange), **hello)
        return origins.proofs(frames, keys_of(exchange)), {record.position: record for record in peer.records}


def test_full_rights_are_told_the_event(centre):
    exchange, moh = centre.exchange, centre.moh
    sent = [people.dose(n, body=people.dose_body(1, lot_number=f"LOT-{n}")) for n in range(PERSONS)]
    first = moh.publish(*sent).body.first_position
    proofs, records = received(exchange, "full")
    assert sorted(proofs) == list(range(first, first + PERSONS))
    for n, position in enumerate(sorted(proofs)):
        assert proofs[position].event.SerializeToString(deterministic=True) == sent[n], n
        assert proofs[position].sequence == n + 1 and proofs[position].header.stream == moh.stream
        assert proofs[position].event.health.lot_number == wire.Vaccination.FromString(
            records[position].body).lot_number
    # Again, in small frames, from a place in the middle.
    with wire.subscriber(exchange, "full") as peer:
        peer.hello(origin_proofs=True, from_position=first + 9)
        frames = []
        while peer.position < first + PERSONS - 1:
            peer.credit(1500)
            received_now = peer.take()
            frames += [received_now.message] if received_now.type == wire.RECORDS else []
        assert len(frames) > 2 and all(len(frame.batches) == 1 for frame in frames)
        again = origins.proofs(frames, keys_of(exchange))
    assert [again[at].leaf for at in sorted(again)] == [proofs[at].leaf for at in sorted(proofs)][10:]


@pytest.mark.parametrize("name", PARTIAL)
def test_other_rights_have_the_leaf_alone(centre, name):
    exchange, moh = centre.exchange, centre.moh
    first = moh.publish(*(people.dose(n) for n in range(PERSONS))).body.first_position
    proofs, records = received(exchange, name)
    assert sorted(proofs) == sorted(records) == list(range(first, first + PERSONS))
    assert all(proof.event is None and proof.erased == 0 for proof in proofs.values())


def test_what_is_not_allowed_is_refused(centre):
    exchange = centre.exchange
    centre.moh.publish(people.dose(1))
    with wire.subscriber(exchange, "none") as peer:
        peer.say_hello(origin_proofs=True, from_start=True)
        assert "proofs of origin" in peer.expect_error("NOT_ALLOWED").text
        peer.hello(from_start=True)
        peer.credit(1 << 20)
        frame = next_records(peer)
        assert len(frame.records) == 1 and not frame.origins and not frame.batches and not peer.welcome.origin_proofs
    with wire.subscriber(exchange, "full") as peer:
        # Who does not ask gets none, and who asks no more when the right is taken back.
        peer.hello(from_start=True)
        peer.credit(1 << 20)
        frame = next_records(peer)
        assert len(frame.records) == 1 and not frame.origins and not frame.batches
        peer.hello(from_start=True, origin_proofs=True)
        exchange.dongbo("subscription", "change", "full", "--origin-proofs", "no")
        assert "proofs of origin" in peer.expect_error("NOT_ALLOWED").text


def test_rights_hold_by_position(centre):
    exchange, moh = centre.exchange, centre.moh
    before = moh.publish(people.dose(1)).body.first_position
    exchange.dongbo("subscription", "change", "none", "--origin-proofs", "leaves")
    exchange.wait_in_force()
    after = moh.publish(people.dose(2)).body.first_position
    proofs, _ = received(exchange, "none")
    assert proofs[before] is None and proofs[after].sequence == 2


def test_later_decisions_prove_the_event_that_they_are_about(centre):
    exchange, moh, npc = centre.exchange, centre.moh, centre.npc
    stranger = people.citizen(PERSONS)
    about = people.subject_of(stranger)
    first = moh.publish(people.dose(1), people.dose(PERSONS, about=about), people.dose(2),
                        people.dose(3, about=people.subject(3, full_name="Vương Quốc Khác")))
    assert set(first.verdicts().values()) == {"ACCEPTED", "DEFERRED", "MISMATCH"}
    moh.publish(people.dose(PERSONS, 2, about=about))
    npc.publish(centre.enter(stranger["citizen_number"], full_name=stranger["full_name"],
                             birth_date=stranger["birth_date"], sex=stranger["sex"]))
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open AND verdict = 5", 0)
    case = exchange.cluster.value("SELECT review_case FROM exchange.exception WHERE open")
    exchange.dongbo("review", "accept", case, "--why", "the same person")
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    proofs, records = received(exchange, "full")
    said = {proof.sequence: (position, proof) for position, proof in proofs.items()
            if records[position].domain == wire.HEALTH}
    assert sorted(said) == [1, 2, 3, 4, 5]
    assert [said[n][1].event.health.dose_number for n in (2, 5)] == [1, 2]
    assert [position > first.body.last_position for position, _ in (said[n] for n in range(1, 6))] == [
        False, True, False, True, True]
    assert said[4][1].event.subject.full_name == "Vương Quốc Khác"
    assert {position for position in said.values()} and all(
        records[position].event_time_us == proof.event.event_time_us for position, proof in said.values())


def test_many_batches_at_once(centre):
    """A segment of decisions about more batches than are read or kept at once; one of them has an event that cannot be
    read, which has its leaf all the same."""
    exchange, moh, n = centre.exchange, centre.moh, 40
    strangers = [people.citizen(PERSONS + i) for i in range(n)]
    for i, stranger in enumerate(strangers):
        moh.publish(people.dose(PERSONS + i, about=people.subject_of(stranger)), *([b"\xff\xff"] if i == 7 else []))
    exchange.load_population(people.citizens(PERSONS) + strangers)
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open AND verdict = 5", 0)
    decided = exchange.cluster.rows("SELECT last_position - first_position + 1 FROM exchange.segment WHERE kind = 2")
    assert sum(count for count, in decided) == n and max(count for count, in decided) > 16
    for name, told in (("full", True), ("leaves", False), ("full", True)):
        proofs, records = received(exchange, name)
        assert len(proofs) == n and {proof.sequence for proof in proofs.values()} == set(range(1, n + 2)) - {9}
        for position, proof in proofs.items():
            assert (proof.event is not None) == told
            assert not told or proof.event.subject.citizen_number == records[position].citizen_number


def test_whom_an_event_names_otherwise_is_not_told(centre):
    """Its number is not the record's: one that was replaced, or of who went by a merger."""
    exchange, moh, npc = centre.exchange, centre.moh, centre.npc
    number = [people.citizen(n)["citizen_number"] for n in range(4)]
    moh.publish(people.dose(1))
    npc.publish(centre.change("number-reissued", number[0], "001099777777", time=1))
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    said = moh.publish(people.dose(0, event_time_us=T))
    assert said.reasons(2) == [("ID_NOT_CURRENT", "subject.citizen_number")], said.body
    old = said.body.first_position
    npc.publish(centre.change("merged", number[1], number[2], time=2))
    exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE NOT moved", 0)
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    proofs, records = received(exchange, "full")
    assert proofs[old].event is None and records[old].citizen_number == "001099777777"
    # What went over, or is told again, is no event's doing; and nothing of a number that is not the record's leaves.
    told = [position for position in records if old < position]
    assert len(told) == 2 and records[told[1]].citizen_number == number[2]
    assert all(proofs[position] is None or records[position].domain == wire.POPULATION for position in told)
    for position, proof in proofs.items():
        if proof and proof.event:
            assert proof.event.subject.citizen_number == records[position].citizen_number


def test_what_is_told_again_comes_with_the_event_that_made_it(centre):
    exchange, moh, npc = centre.exchange, centre.moh, centre.npc
    number = [people.citizen(n)["citizen_number"] for n in range(4)]
    first = moh.publish(*(people.dose(n) for n in range(4))).body.first_position
    with wire.subscriber(exchange, "fund") as peer:
        peer.follow(add=number[1:2])
    exchange.wait_until("SELECT count(*) FROM exchange.followed", 1)
    npc.publish(centre.change("move", number[2], time=1, residence_province="79"))
    npc.publish(centre.change("number-reissued", number[3], "001099777777", time=1))
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    for name, n, change, told in (("fund", 1, wire.CHANGE_ENTERED, True), ("elsewhere", 2, wire.CHANGE_ENTERED, True),
                                  ("province", 2, wire.CHANGE_LEFT, False), ("full", 3, wire.CHANGE_UPSERT, False)):
        proofs, records = received(exchange, name)
        [position] = [position for position, record in records.items()
                      if position >= first + 4 and record.domain == wire.HEALTH and record.change == change]
        assert proofs[position].sequence == n + 1, name
        assert (proofs[position].event is not None) == told, name
        assert records[position].agency == "MOH" and (not told or proofs[position].event.health.dose_number == 1)
    with wire.subscriber(exchange, "fund") as peer:
        peer.follow(remove=number[1:2])
    exchange.wait_until("SELECT count(*) FROM exchange.followed WHERE to_position IS NULL", 0)
    proofs, records = received(exchange, "fund")
    assert [proofs[position] for position, record in records.items() if record.change == wire.CHANGE_LEFT] == [None]


def test_who_left_is_not_told(centre):
    """A person who moves away LEAVES a province's copy: not with where to."""
    exchange, npc = centre.exchange, centre.npc
    number = people.citizen(5)["citizen_number"]
    position = npc.publish(centre.change("move", number, time=1, residence_province="79")).body.first_position
    proofs, records = received(exchange, "province")
    assert records[position].change == wire.CHANGE_LEFT
    assert proofs[position].event is None


def test_what_was_erased(centre):
    exchange, moh = centre.exchange, centre.moh
    first = moh.publish(*(people.dose(n, body=people.dose_body(1, lot_number=f"SECRET-{n}")) for n in range(5)))
    at = first.body.first_position + 2
    before, _ = received(exchange, "full")
    assert before[at].event.health.lot_number == "SECRET-2"
    carry_out(exchange, "--event", at)
    proofs, records = received(exchange, "full")
    assert at not in proofs
    [tombstone] = [position for position in proofs if position > first.body.last_position]
    assert records[tombstone].change == wire.CHANGE_DELETE
    assert (proofs[tombstone].leaf, proofs[tombstone].event, proofs[tombstone].erased) == (
        before[at].leaf, None, tombstone)
    assert [proofs[position].leaf for position in sorted(proofs)[:4]] == [
        before[position].leaf for position in sorted(before) if position != at]


def test_a_trimmed_batch_is_still_proved(centre):
    """What the log lets go of takes the content along; a decision of later is proved by what stays."""
    exchange, moh, npc = centre.exchange, centre.moh, centre.npc
    stranger = people.citizen(PERSONS)
    moh.publish(people.dose(PERSONS, about=people.subject_of(stranger)))
    npc.publish(centre.enter(stranger["citizen_number"], full_name=stranger["full_name"],
                             birth_date=stranger["birth_date"], sex=stranger["sex"]))
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    exchange.cluster.rows("UPDATE exchange.segment SET batch = NULL WHERE agency = (SELECT agency FROM exchange.agency "
                          "WHERE code = 'MOH') AND batch IS NOT NULL RETURNING 1")
    proofs, records = received(exchange, "full")
    [proof] = [proofs[position] for position in proofs if records[position].domain == wire.HEALTH]
    assert proof.sequence == 1 and proof.event is None


def test_disclosures_say_that_the_event_went_along(centre):
    exchange, moh = centre.exchange, centre.moh
    position = moh.publish(people.dose(1)).body.first_position
    for name in ("full", *PARTIAL, "none"):
        with wire.subscriber(exchange, name) as peer:
            peer.hello(from_start=True)
            peer.take_all(position)
    exchange.wait_until("SELECT count(*) FROM exchange.subscription_position WHERE acked >= %d" % position, 6)
    said = json.loads(exchange.dongbo("disclosures", "--citizen", people.citizen(1)["citizen_number"],
                                      "--json").stdout)
    told = {one["subscription"]: {record.get("origin") for policy in one["policies"] for record in policy["records"]
                                  if record["domain"] == "health"} for one in said["subscriptions"]}
    assert told == {"full": {"event"}, "none": {None}, **{name: {"leaf"} for name in PARTIAL}}
    text = exchange.dongbo("disclosures", "--citizen", people.citizen(1)["citizen_number"]).stdout
    assert text.count("possibly the event as it was signed") == 1
    assert text.count("possibly proof of its origin") == len(PARTIAL)
    for name, origin in (("full", "event"), ("leaves", "leaf"), ("none", None)):
        [line] = exchange.dongbo("subscription", "preview", name, "--json").stdout.splitlines()
        assert json.loads(line).get("origin") == origin


# ---- the agent -------------------------------------------------------------------------------------------------------

def receiver_of(exchange, name, keys="[MOH=moh.keys.pub, NPC=npc.keys.pub]", sink=None):
    receiver = Receiver(exchange, name)
    text = receiver.config.read_text() + f"origin_proofs: yes\nagency_keys: {keys}\n"
    if sink:
        text = text.replace(f"{{kind: jsonl, directory: received-{name}}}", sink)
    receiver.config.write_text(text)
    return receiver


def check(exchange, *words, code=0):
    done = exchange.dongbo("log", "check", "--json", *words, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_agent_keeps_proofs_that_can_be_checked(centre):
    """In files, by both forms, and in tables; `dongbo log check` takes each, with the agency's key alone."""
    exchange, moh = centre.exchange, centre.moh
    moh.publish(*(people.dose(n, body=people.dose_body(1, lot_number=f"LOT-{n}")) for n in range(PERSONS)))
    plain = receiver_of(exchange, "full")
    plain.until_head()
    moh_key, npc_key = exchange.keys("moh"), exchange.keys("npc")
    origins_of = [line["origin"] for line in plain.records()]
    assert [one["sequence"] for one in origins_of] == list(range(1, PERSONS + 1))
    assert {(one["key"], one["stream"], one["event"]) for one in origins_of} == {
        (wire.Keys.read(moh_key).key_id, moh.stream.hex(), True)}
    [path] = plain.directory.glob("*.jsonl")
    [said] = check(exchange, path, "--keys", moh_key)
    assert (said["proved"], said["proofs"], said["with_event"], said["wrong"]) == (True, PERSONS, PERSONS, 0)
    [said] = check(exchange, path, "--keys", npc_key, code=1)
    assert said["wrong"] == PERSONS
    # One by itself, and one that somebody changed.
    proof = exchange.directory / "one.proof"
    proof.write_bytes(base64.b64decode(origins_of[7]["proof"]))
    [said] = check(exchange, proof, "--keys", moh_key)
    assert said["proved"] and said["with_event"] and said["agency"] == "good"
    assert b"LOT-7" in proof.read_bytes()
    proof.write_bytes(proof.read_bytes().replace(b"LOT-7", b"LOT-8"))
    [said] = check(exchange, proof, "--keys", moh_key, code=1)
    assert said["wrong"] == "the event is not the one that was signed"
    proof.write_bytes(b"dongbo proof 1\n")
    assert exchange.dongbo("log", "check", proof, check=False).returncode in (1, 2)
    # True proofs, each beside another record; and by another agency's key.
    assert check(exchange, path, "--keys", f"MOH={moh_key}")[0]["proved"]
    [said] = check(exchange, path, "--keys", f"NPC={moh_key}", code=1)
    assert said["wrongs"][0]["what"] == "it is signed with another agency's key"
    for wrong, right in (("moh", "MOH"), ("EXCHANGE", "exchange")):  # ... and by nobody's
        for what in ("check", "verify"):
            refused = exchange.dongbo("log", what, path, "--keys", f"{wrong}={moh_key}", check=False)
            assert refused.returncode == 2 and f"did you mean {right}?" in refused.stderr, (wrong, what)
    odd = exchange.directory / "keys=2026.pub"
    shutil.copy(moh_key, odd)
    assert check(exchange, path, "--keys", odd)[0]["proved"]
    [said] = check(exchange, path, "--keys", f"exchange={moh_key}", code=1)
    assert said["wrong"] == PERSONS
    swapped = exchange.directory / "swapped.jsonl"
    lines = plain.records()
    for line, origin in zip(lines, reversed(origins_of)):
        line["origin"] = origin
    swapped.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [said] = check(exchange, swapped, "--keys", moh_key, code=1)
    assert said["wrong"] >= PERSONS - 1 and said["wrongs"][0]["what"] == "the event is another one"
    path.write_text(path.read_text().replace(origins_of[3]["proof"][:40], origins_of[4]["proof"][:39] + "!"))
    assert check(exchange, path, "--keys", moh_key, code=1)[0]["wrong"] > 0


def row(n, turn, time, operation=1, clear=(), **body):
    """What is said of one dose, in another event each turn."""
    lot = wire.Vaccination.DESCRIPTOR.fields_by_name
    return people.dose(n, key=f"row-{n}-{turn}", body=people.dose_body(1, **body), operation=operation,
                       event_time_us=T + time, cleared_fields=[lot[name].number for name in clear])


def rows(n):
    return [row(n, 0, 0, lot_number="A", facility_code="01-001"), row(n, 1, 20, 3, lot_number="B"),
            row(n, 2, -10, lot_number="C", facility_code="01-002"), row(n, 3, 30, clear=["lot_number"]),
            row(n, 4, 40, 2), row(n, 5, 50, lot_number="D"), row(n, 6, 10, clear=["facility_code"])]


def test_an_agent_takes_what_is_true_whatever_order_it_comes_in(centre):
    """Of doses corrected, cleared, taken back and told again, and of lives with all that may happen in one, an agent
    that holds each record against its event finds none false, and neither does a check of what it keeps."""
    exchange, tales = centre.exchange, []
    everything = "fields: {person: [citizen_number], health: [all], population: [all]}\norigin_proofs: events\n"
    apply(exchange, {"all": everything, "mapped": everything})
    choose = random.Random(7)
    for said in [rows(n) for n in range(PERSONS)], *([tale(centre, 100 * which + of) for of in range(30)]
                                                     for which, tale in enumerate((life, cancelling, lives), 1)):
        tales += [(centre.moh if isinstance(said[0][0], bytes) else centre.npc, tale) for tale in said]
    for _, tale in tales:
        choose.shuffle(tale)
    for turn in range(7):
        for peer in centre.moh, centre.npc:
            said = [tale[turn] for whose, tale in tales if whose is peer and turn < len(tale)]
            if said:
                peer.publish(*said)
    centre.wait_settled()
    receiver = receiver_of(exchange, "all")
    receiver.until_head()
    told = [line for line in receiver.records() if line.get("origin", {}).get("event")]
    for domain, events in ("health", 40), ("population", 250):
        assert sum(line["domain"] == domain and line["change"] == "upsert" for line in told) > events
    assert sum(line["change"] == "delete" for line in told) > 3
    # So does whoever checks its files, in both forms.
    mapped = receiver_of(exchange, "mapped", sink="{kind: jsonl, directory: received-mapped, format: json}")
    mapped.until_head()
    for one in receiver, mapped:
        [said] = check(exchange, next(one.directory.glob("*.jsonl")), "--keys", f"MOH={exchange.keys('moh')}", "--keys",
                       f"NPC={exchange.keys('npc')}")
        assert said["proved"] and (said["with_event"], said["wrong"]) == (len(told), 0)
        assert said["records"] == len(receiver.records()) and said["other_fields"] > 0


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_other_forms_have_the_proof_itself(centre, form):
    exchange = centre.exchange
    centre.moh.publish(people.dose(1))
    receiver = receiver_of(exchange, "leaves", sink=f"{{kind: jsonl, directory: received-leaves, format: {form}}}")
    receiver.until_head()
    if form == "json":
        [path] = receiver.directory.glob("*.jsonl")
        [said] = check(exchange, path, "--keys", exchange.keys("moh"))
        assert (said["proofs"], said["with_event"]) == (1, 0)
        proof = base64.b64decode(receiver.records()[0]["origin"])
    else:
        data = next(receiver.directory.glob("*.pb")).read_bytes()
        n, at = data[0] & 0x7F, 1
        if data[0] & 0x80:
            n, at = n | data[1] << 7, 2
        proof = wire.SubscriberRecord.FromString(data[at:at + n]).origin
    path = exchange.directory / "one.proof"
    path.write_bytes(proof)
    [said] = check(exchange, path, "--keys", exchange.keys("moh"))
    assert said["proved"] and not said["with_event"]


def test_a_table_has_the_proof_of_each_row_as_it_is(centre):
    exchange, moh = centre.exchange, centre.moh
    first = moh.publish(people.dose(1, body=people.dose_body(1, lot_number="A")), people.dose(2)).body.first_position
    sink = f'{{kind: postgres, conninfo: "{exchange.cluster.conninfo()}", schema: copy}}'
    receiver = receiver_of(exchange, "full", sink=sink)
    exchange.run(*receiver.command("--until-head", "--from", first - 1), check=True)  # by itself it takes a snapshot
    moh.publish(people.dose(1, key="b", body=people.dose_body(1, lot_number="B")))
    receiver.until_head()
    rows = exchange.cluster.rows("SELECT lot_number, origin FROM copy.health ORDER BY lot_number")
    assert len(rows) == 2 and all(bytes(origin).startswith(b"dongbo proof 1\n") for _, origin in rows)
    path = exchange.directory / "row.proof"
    path.write_bytes(bytes(rows[0][1]))
    assert b"B" in path.read_bytes()
    [said] = check(exchange, path, "--keys", exchange.keys("moh"))
    assert said["proved"] and said["with_event"]
    # Without asking for them any more, a row loses its proof when it changes, and no other does.
    receiver.config.write_text(receiver.config.read_text().split("origin_proofs")[0])
    moh.publish(people.dose(1, key="c", body=people.dose_body(1, lot_number="C")))
    receiver.until_head()
    rows = exchange.cluster.rows("SELECT lot_number, origin IS NULL FROM copy.health ORDER BY lot_number")
    assert [none for lot, none in rows] == [True, False] and rows[0][0] == "C"
    # A snapshot has no proofs.
    exchange.run(*receiver.command("--until-head", "--from", "snapshot"), check=True)
    assert exchange.cluster.value("SELECT count(origin) FROM copy.health") == 0


def test_an_agent_says_what_is_missing(centre):
    exchange = centre.exchange
    centre.moh.publish(people.dose(1))
    refused = receiver_of(exchange, "none")
    refused.until_head(expect=1)
    assert "do not allow proofs of origin" in refused.log.read_text()
    unknown = receiver_of(exchange, "full", keys="[NPC=npc.keys.pub]")
    unknown.until_head(expect=1)
    assert "none of the agencies' keys that are known here" in unknown.log.read_text() and not unknown.records()
    unknown.config.write_text(unknown.config.read_text().replace("[NPC=", "[MOH=npc.keys.pub, NPC=moh.keys.pub, NPC="))
    process = unknown.start()
    process.wait_for(lambda: "another agency's key" in process.text(), "the lie is found out")
    process.stop()
    assert not unknown.records()
    for was, now, says in [("agency_keys: ", "# ", "belong together"), ("origin_proofs: yes", "", "belong together"),
                           ("[MOH=npc", "[npc", "MOH=FILE.pub"), ("moh.keys.pub", "moh.lost.pub", "moh.lost.pub")]:
        text = unknown.config.read_text()
        unknown.config.write_text(text.replace(was, now))
        unknown.until_head(expect=2)
        assert says in unknown.log.read_text().splitlines()[-1]
        unknown.config.write_text(text)
