# SPDX-License-Identifier: Apache-2.0
"""A death contradicts what was accepted before it: that is in question then as if it had only come now, and in the end
the records are the same in whatever order death and doses came."""
import itertools

import pytest

import logbook
import wire
from test_population_events import Centre, T, dose, number
from test_review import CLAIM, DECIDE, OFFICERS, make_officers
from wire_peer import VERDICTS, said

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
DAY = "2021-03-01"      # doses 1 and 2 are before it, dose 3 and later ones after it
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    make_officers(made.cluster)
    exchange.committee("hn", "health", FIELDS)
    yield made
    made.close()


def death(centre, of, time=100, day=DAY):
    return centre.change("death", number(of), time=time, died_on=day)


def taken_back(centre, of, time=200):
    return centre.change("correction", number(of), time=time, clear=[10])


def wait_judged(centre):
    for waiting in ("exchange.person_link WHERE NOT moved", "exchange.judging WHERE NOT done"):
        centre.exchange.wait_until(f"SELECT count(*) FROM {waiting}", 0)


def cases(centre):
    """Open ones: sequence and reasons, by case."""
    rows = centre.cluster.rows("SELECT review_case, reasons FROM exchange.exception WHERE open AND verdict = 4 "
                               "ORDER BY position")
    return {case: [wire.ReasonCode.Name(r.code) for r in wire.EventVerdict.FromString(bytes(packed)).reasons]
            for case, packed in rows}


def decide(centre, case, action, to=None):
    centre.cluster.value(CLAIM, case, 30, user=OFFICERS[0])
    decision = centre.cluster.value(DECIDE, case, action, to, "heard on the telephone", user=OFFICERS[0])
    centre.exchange.wait_until(f"SELECT state <> 'waiting' FROM exchange.review_decision WHERE decision = {decision}",
                               True)
    return centre.cluster.rows("SELECT state, outcome FROM exchange.review_decision WHERE decision = %s", decision)[0]


def held(centre):
    """Current records of health that were not withdrawn: number, dose and lot."""
    rows = centre.cluster.rows(
        "SELECT DISTINCT ON (v.person, v.record_key) c.citizen_number, v.record FROM exchange.record_version v "
        "JOIN population.citizen c USING (person) WHERE NOT v.superseded AND v.domain = 2 "
        "ORDER BY v.person, v.record_key, v.position DESC")
    found = []
    for holder, packed in rows:
        record = wire.Record.FromString(bytes(packed))
        body = wire.Vaccination.FromString(record.body)
        if not record.retracted:
            found.append((holder, body.dose_number, body.lot_number))
    return sorted(found)


def committees(centre):
    """What the committee holds that does as it is told."""
    copy = {}
    with wire.subscriber(centre.exchange, "hn") as committee:
        committee.hello()
        committee.take_all(centre.cluster.value("SELECT last_position FROM exchange.head"))
        for record in committee.records:
            if record.change == 1:
                body = wire.Vaccination.FromString(record.body)
                copy[record.record_id] = (record.citizen_number, body.dose_number, body.lot_number)
            else:
                copy.pop(record.record_id)
    return sorted(copy.values())


def told(peer, n):
    """The next n verdicts."""
    got = []
    while len(got) < n:
        got += [(v.sequence, v.verdict, [wire.ReasonCode.Name(r.code) for r in v.reasons])
                for v in peer.receive(VERDICTS)[1].verdicts]
    return got


def test_what_a_death_contradicts_is_in_question(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    doses = [dose(number(1), n, f"L{n}", n) for n in (1, 2, 3, 4)] + [dose(number(2), 5, "L5", 5)]
    assert said(moh.publish(doses)[1]) == {}
    npc.publish([death(centre, 1), death(centre, 3)])
    wait_judged(centre)
    assert told(moh, 2) == [(3, MISMATCH, ["DEAD_AT_EVENT"]), (4, MISMATCH, ["DEAD_AT_EVENT"])]
    third, fourth = cases(centre)
    everything = [(number(1), n, f"L{n}") for n in (1, 2, 3, 4)] + [(number(2), 5, "L5")]
    assert held(centre) == committees(centre) == everything
    # The same row again joins the case; the death again asks nothing twice.
    moh.publish([dose(number(1), 3, "L3", 3)])
    assert set(cases(centre)) == {third, fourth}
    npc.publish([death(centre, 1, time=110, day="2021-03-02")])
    wait_judged(centre)
    assert set(cases(centre)) == {third, fourth}
    # Accepted, it stays; refused, it goes, and whoever was told of it is told so.
    assert decide(centre, third, "accept") == ("done", "2 UNCHANGED")
    assert decide(centre, fourth, "refuse") == ("done", "1 REJECTED")
    assert told(moh, 3)[-1] == (4, REJECTED, ["REVIEW_REFUSED", "DEAD_AT_EVENT"])
    assert held(centre) == committees(centre) == everything[:3] + everything[4:]
    logbook.Logbook(centre.cluster).check()


def test_a_death_that_is_taken_back_closes_its_cases(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), n, f"L{n}", n) for n in (2, 3)])
    npc.publish([death(centre, 1)])
    wait_judged(centre)
    moh.publish([dose(number(1), 4, "L4", 4)])
    assert list(cases(centre).values()) == [["DEAD_AT_EVENT"]] * 2
    npc.publish([taken_back(centre, 1)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    assert centre.cluster.rows("SELECT sequence, verdict FROM exchange.exception ORDER BY 1") == [
        (2, UNCHANGED), (3, ACCEPTED)]
    assert held(centre) == committees(centre) == [(number(1), n, f"L{n}") for n in (2, 3, 4)]
    logbook.Logbook(centre.cluster).check()
