# SPDX-License-Identifier: Apache-2.0
"""Proofs of origin on the feed: a committee sees by an agency's own signature whose word each record is, and is told of
the event what its rights cover, and nothing else."""
import json

import pytest

import origins
import people
import wire
from test_erasure import carry_out
from test_population_events import T, Centre

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
    "province": f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\nprovinces: ['01']\n"
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


def test_whom_an_event_names_otherwise_is_not_told(centre):
    """Its number is not the record's: one that was replaced, or of who went by a merger."""
    exchange, moh, npc = centre.exchange, centre.moh, centre.npc
    number = [people.citizen(n)["citizen_number"] for n in range(4)]
    moh.publish(people.dose(1))
    npc.publish(centre.change("number-reissued", number[0], "001099777777", time=1))
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
