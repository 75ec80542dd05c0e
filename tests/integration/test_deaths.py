# SPDX-License-Identifier: Apache-2.0
"""A death contradicts what was accepted before it: that is in question then as if it had only come now, and in the end
the records are the same in whatever order death and doses came."""
import json
import os
import random
import zlib

import pytest

import logbook
import wire
from test_population_events import Centre, T, dose, number, shown
from test_review import CLAIM, DECIDE, OFFICERS, make_officers
from wire_peer import VERDICTS, WELCOME, said

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
    """What the committee holds that does as it is told, and goes on from where it was."""
    copy = centre.__dict__.setdefault("copy", {})
    with wire.subscriber(centre.exchange, "hn") as committee:
        committee.hello()
        committee.take_all(centre.cluster.value("SELECT last_position FROM exchange.head"))
        for record in committee.records:
            if record.change == 1:
                body = wire.Vaccination.FromString(record.body)
                copy[record.record_id] = (record.citizen_number, body.dose_number, body.lot_number)
            else:
                copy.pop(record.record_id, None)
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
    before = json.loads(centre.exchange.dongbo("log", "tail", "--json", "-n", 1).stdout)["time"]
    assert decide(centre, fourth, "refuse") == ("done", "1 REJECTED")
    assert told(moh, 3)[-1] == (4, REJECTED, ["REVIEW_REFUSED", "DEAD_AT_EVENT"])
    assert held(centre) == committees(centre) == everything[:3] + everything[4:]
    lots = {1: "L1", 2: "L2", 3: "L3"}
    assert shown(centre, number(1)) == shown(centre, number(1), "--as-of", "2030-01-01") == lots
    assert shown(centre, number(1), "--known-at", before, "--as-of", "2030-01-01") == lots | {4: "L4"}
    assert "L4" not in centre.exchange.dongbo("citizen", number(1), "--unmask").stdout
    logbook.Logbook(centre.cluster).check()


def large_records(centre, person, size, n, key):
    """As no agency could send them any more, of before the death."""
    body = wire.Vaccination(vaccine_group="covid-19", dose_number=9, lot_number="X", occurrence_date="2021-01-01")
    record = wire.Record(body=body.SerializeToString(), origins=[wire.Origin(agency=1, event_id=bytes(16))])
    # In a field that nobody knows: number 2047, of so many bytes.
    length = bytes(((size >> 7 * i) & 127) | (128 if size >> 7 * (i + 1) else 0) for i in range(5) if size >> 7 * i)
    record.body += b"\xfa\x7f" + length + bytes(size)
    centre.cluster.rows(
        "INSERT INTO exchange.record_version SELECT c.person, 2, %s || lpad(i::text, 6, '0'), 1, false, %s"
        " FROM population.citizen c, generate_series(1, %s) i WHERE c.citizen_number = %s",
        key, record.SerializeToString(), n, person)


def test_records_too_large_for_a_page_are_judged_in_parts(centre):
    """One that does not fit even alone is let go, with a line in the log; the others' turn comes."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    _, receipt = moh.publish([dose(number(of), 3, f"L{of}", 3) for of in (1, 2)])
    large_records(centre, number(1), 300_000, 80, "a")
    large_records(centre, number(1), 33 << 20, 1, "b")
    large_records(centre, number(1), 300_000, 20, "z")
    npc.publish([death(centre, of) for of in (1, 2)])
    wait_judged(centre)
    # That may have taken longer than a session lives unheard.
    moh.hello(verdict_position=receipt.last_position, wanted=(WELCOME,))
    assert sorted(told(moh, 2)) == [(1, MISMATCH, ["DEAD_AT_EVENT"]), (2, MISMATCH, ["DEAD_AT_EVENT"])]
    log = (centre.exchange.directory / "broker.log").read_text()
    assert log.count("cannot be judged and stays as it is") == 1


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


def test_a_row_that_comes_again_unchanged_takes_nothing_out(centre):
    """The death is taken back and the row comes again, and both are stored before a broker closes the case."""
    npc, moh, again, first = centre.peer(), centre.peer("MOH"), centre.peer("MOH"), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    row = dose(number(1), 3, "L3", 3)
    moh.publish([row])
    npc.publish([death(centre, 1)])
    wait_judged(centre)
    assert list(cases(centre).values()) == [["DEAD_AT_EVENT"]]
    with centre.cluster.holding("SELECT exchange.lock_log()"):
        first.send_batch(first.seal([dose(number(2), 3, "L3", 3)]))
        centre.exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'relation'", 1)
        since = centre.cluster.value("SELECT clock_timestamp()")
        npc.send_batch(npc.seal([taken_back(centre, 1)]))   # both are behind that, in one transaction
        again.send_batch(again.seal([row]))
        centre.exchange.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'dongbo worker' "
                                   f"AND (query LIKE '%%g.guess FROM%%' OR query LIKE '%%k.place FROM%%') "
                                   f"AND query_start > '{since}'", True)
    assert said(again.answer()[1]) == {1: (UNCHANGED, [])}
    centre.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    assert told(moh, 2) == [(1, MISMATCH, ["DEAD_AT_EVENT"]), (1, UNCHANGED, [])]
    assert held(centre) == committees(centre) == [(number(of), 3, "L3") for of in (1, 2)]
    logbook.Logbook(centre.cluster).check()


def test_what_is_not_kept_any_more_is_asked_of_all_the_same(centre):
    """The log's payloads are trimmed: the officer sees what the record says."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), n, f"L{n}", n) for n in (2, 3)])
    centre.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL WHERE stream = %s", moh.stream)
    npc.publish([death(centre, 1)])
    wait_judged(centre)
    assert told(moh, 1) == [(2, MISMATCH, ["DEAD_AT_EVENT"])]
    (case, _), = cases(centre).items()
    text = centre.exchange.dongbo("review", "show", case, "--unmask").stdout
    assert number(1) in text and "2021-03-15" in text
    assert decide(centre, case, "refuse") == ("done", "1 REJECTED")
    assert held(centre) == [(number(1), 2, "L2")]


# ---- notes, and what rules reject -----------------------------------------------------------------------------------

def period(of, start, end, which=1):
    who = wire.Subject(citizen_number=number(of), full_name="Nguyễn Văn An", birth_date="1999-01-02", sex="male")
    return wire.event("VSS", f"{of} {start}", who, event_time_us=T + which, social_security={
        "insurance_number": f"01990000{of:02}", "period_start": start, "period_end": end, "scheme": "compulsory"})


def test_notes_are_said_and_what_a_rule_rejects_is_looked_at_first(centre):
    centre.exchange.agency("VSS", "social_security", [])
    npc, vss = centre.peer(), centre.peer("VSS")
    npc.publish([centre.enter(number(1))])
    assert said(vss.publish([period(1, "2020-01-01", "2020-12-31"), period(1, "2021-01-01", "2021-06-30"),
                             period(1, "2021-07-01", "2021-12-31")])[1]) == {}
    npc.publish([death(centre, 1)])
    wait_judged(centre)
    assert told(vss, 2) == [(2, UNCHANGED, ["CONTRIBUTION_AFTER_DEATH"]),
                            (3, MISMATCH, ["DATE_AFTER_DEATH", "CONTRIBUTION_AFTER_DEATH"])]
    (case, _), = cases(centre).items()
    state, outcome = decide(centre, case, "accept")
    assert state == "failed" and outcome.startswith("DATE_AFTER_DEATH at period_start: ")
    text = centre.exchange.dongbo("review", "show", case).stdout
    assert "its record stands" in text
    assert decide(centre, case, "refuse") == ("done", "1 REJECTED")
    assert [bool(wire.Record.FromString(bytes(packed)).retracted) for packed, in centre.cluster.rows(
        "SELECT DISTINCT ON (record_key) record FROM exchange.record_version WHERE domain = 4 AND NOT superseded "
        "ORDER BY record_key, position DESC")] == [False, False, True]
    logbook.Logbook(centre.cluster).check()


# ---- whoever else it is about ---------------------------------------------------------------------------------------

def test_what_is_linked_or_comes_again_leaves_the_dead_persons_record(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    rows = [dose(number(1), n, f"L{n}", n) for n in (3, 4)]
    moh.publish(rows)
    npc.publish([death(centre, 1)])
    wait_judged(centre)
    third, _ = cases(centre)
    assert decide(centre, third, "link", number(2)) == ("done", "1 ACCEPTED")
    assert told(moh, 3)[2:] == [(1, ACCEPTED, ["REVIEW_LINKED"])]
    right = wire.ChangeEvent.FromString(rows[1].SerializeToString())    # the agency finds the other by itself
    right.event_id, right.subject.citizen_number, right.event_time_us = b"right".ljust(16), number(2), T + 50
    assert said(moh.publish([right])[1]) == {}
    centre.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    wait_judged(centre)
    assert told(moh, 1) == [(2, SUPERSEDED, ["ROW_REPLACED"])]
    assert held(centre) == committees(centre) == [(number(2), 3, "L3"), (number(2), 4, "L4")]
    logbook.Logbook(centre.cluster).check()


def test_who_is_merged_into_somebody_dead_is_judged_too(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    moh.publish([dose(number(1), 3, "L3", 1), dose(number(2), 4, "L4", 1), dose(number(3), 5, "L5", 1)])
    npc.publish([death(centre, 1), centre.change("merged", number(2), number(1), time=110)])
    wait_judged(centre)
    third, fourth = sorted(cases(centre))
    # What is in question goes over, too, and is decided where it stands.
    npc.publish([centre.change("merged", number(1), number(3), time=120)])
    wait_judged(centre)
    assert len(cases(centre)) == 3 and {third, fourth} < set(cases(centre)), "dead by the word of who went"
    for case in cases(centre):
        assert decide(centre, case, "refuse")[0] == "done"
    assert held(centre) == committees(centre) == []
    logbook.Logbook(centre.cluster).check()


@pytest.mark.parametrize("action, outcome", [("refuse", "1 REJECTED"), ("accept", "1 UNCHANGED")])
def test_a_decision_waits_while_its_record_goes_over(centre, action, outcome):
    """Between the store's merger and the move nobody has the person in whose record it stands."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(1), 3, "L3", 1), dose(number(2), 4, "L4", 1)])
    npc.publish([death(centre, 1), death(centre, 2)])
    wait_judged(centre)
    third, fourth = cases(centre)
    stands = centre.cluster.value("SELECT person FROM exchange.exception WHERE review_case = %s", third)
    centre.cluster.rows("UPDATE exchange.exception SET person = 987654321 WHERE review_case = %s", third)
    centre.cluster.value(CLAIM, third, 30, user=OFFICERS[0])
    waits = centre.cluster.value(DECIDE, third, action, None, "heard on the telephone", user=OFFICERS[0])
    assert decide(centre, fourth, "refuse") == ("done", "1 REJECTED")   # behind it
    assert centre.cluster.value("SELECT state FROM exchange.review_decision WHERE decision = %s", waits) == "waiting"
    centre.cluster.rows("UPDATE exchange.exception SET person = %s WHERE review_case = %s", stands, third)
    centre.exchange.wait_until(f"SELECT state FROM exchange.review_decision WHERE decision = {waits}", "done")
    assert centre.cluster.value("SELECT outcome FROM exchange.review_decision WHERE decision = %s", waits) == outcome
    assert held(centre) == ([(number(1), 3, "L3")] if action == "accept" else [])


def test_a_batch_of_deaths_is_judged_in_parts(centre):
    """More persons and records than one part takes, also while a broker is killed."""
    persons, npc, moh = range(100, 350), centre.peer(), centre.peer("MOH")
    for some in (persons[:125], persons[125:]):
        npc.publish([centre.enter(number(of)) for of in some])
        for n in (2, 3, 4):
            moh.publish([dose(number(of), n, f"L{n}", n) for of in some])
    npc.publish([death(centre, of) for of in persons])
    centre.exchange.wait_until("SELECT count(*) > 0 FROM exchange.exception", True)
    centre.exchange.broker.kill()
    centre.exchange.start_broker()
    wait_judged(centre)
    assert centre.cluster.value("SELECT count(*) FROM exchange.exception WHERE open") == 2 * len(persons)
    logbook.Logbook(centre.cluster).check()


# ---- in whatever order ----------------------------------------------------------------------------------------------

PERSONS = 20


class Tale:
    """What is told of one person, by whom: some doses, each by two agencies and more than once, in whole and in part,
    and what is said of a death."""

    def __init__(self, centre, seed, of):
        self.centre, self.dice, self.of, self.clock = centre, random.Random(f"{seed} {of}"), of, 0

    def tick(self):
        self.clock += 1
        return self.clock

    def dose(self, agency, which, operation):
        day = self.dice.choice(("2021-02-01", "2021-03-02"))
        lot, facility = (self.dice.choice(("", f"{word}{self.clock}")) for word in "LF")

        def make(number_of):
            made = wire.ChangeEvent.FromString(dose(number_of(self.of), which, lot, time).SerializeToString())
            made.operation, made.source_key = operation, f"{self.of} {agency} {time} {number_of(self.of)}"
            made.event_id = f"{agency}{self.of:04}{time:09}".encode()
            made.health.occurrence_date, made.health.facility_code = day, facility
            if operation == 2:
                made.health.CopyFrom(wire.Vaccination(vaccine_group="covid-19", dose_number=which))
            return made
        time = self.tick()
        return agency, make

    def life(self, kind):
        time, day = self.tick(), self.dice.choice(("2021-02-15", "2021-04-01", "2021-01-01"))
        if kind == "death":
            return "NPC", lambda number_of: self.centre.change("death", number_of(self.of), time=time, died_on=day)
        return "NPC", lambda number_of: self.centre.change("correction", number_of(self.of), time=time, clear=[10])

    def events(self):
        told = [self.dose(self.dice.choice(("MOH", "VSS")), self.dice.randint(1, 2), self.dice.choice((1, 1, 1, 3, 2)))
                for _ in range(5)]
        for kind in self.dice.choice((["death"], ["death"], ["death", "death"], ["death", "back"],
                                      ["death", "back", "death"])):
            told.insert(self.dice.randint(0, len(told)), self.life(kind))
        return told


def records_of(centre, number_of):
    """Each person's current records, by their place in the tale, without what differs with their number."""
    rows = centre.cluster.rows(
        "SELECT DISTINCT ON (v.person, v.record_key) c.citizen_number, v.record FROM exchange.record_version v "
        "JOIN population.citizen c USING (person) WHERE NOT v.superseded AND v.domain = 2 "
        "ORDER BY v.person, v.record_key, v.position DESC")
    found, holders = {}, {number_of(of): of for of in range(PERSONS)}
    for holder, packed in rows:
        record = wire.Record.FromString(bytes(packed))
        body = wire.Vaccination.FromString(record.body)
        if holder in holders and record.origins:
            found[holders[holder], body.dose_number] = (
                str(body), record.retracted, [(o.event_id, tuple(o.fields), tuple(o.cleared)) for o in record.origins])
    return found


# What is open although its person lived then: a broker closes it.
OUTLIVED = """SELECT count(*) FROM exchange.exception e JOIN population.citizen c USING (citizen_number) WHERE e.open
AND (c.died_on = '' OR c.died_on >= CASE WHEN position('2021-03-02'::bytea IN e.event) > 0 THEN '2021-03-02'
                                    ELSE '2021-02-01' END)"""


def decide_all(centre):
    """As an officer who judges by what is said of which dose, until nothing is left."""
    while True:
        wait_judged(centre)
        centre.exchange.wait_until(OUTLIVED, 0)
        rows = centre.cluster.rows("SELECT DISTINCT ON (review_case) review_case, event FROM exchange.exception "
                                   "WHERE open AND verdict = 4 ORDER BY review_case, position")
        if not rows:
            return
        for case, packed in rows:
            event = wire.ChangeEvent.FromString(bytes(packed))
            told = f"{event.source_key.split()[:2]} {event.health.dose_number} {event.operation}"
            decide(centre, case, "accept" if zlib.crc32(told.encode()) % 2 else "refuse")


@pytest.mark.parametrize("seed", range(int(os.environ.get("DONGBO_SEEDS", "2"))))
def test_order_of_deaths_does_not_matter(centre, seed):
    """The same tales of two sets of persons in two orders. Once an officer has decided all that is in question, and
    alike, their records are the same, and the committee's copy is."""
    centre.exchange.agency("VSS", "health", [])
    peers = {code: centre.peer(code) for code in ("NPC", "MOH", "VSS")}
    orders = [lambda of: number(of), lambda of: number(of + PERSONS)]
    tales = [Tale(centre, seed, of).events() for of in range(PERSONS)]
    for which, number_of in enumerate(orders):
        dice = random.Random(f"{seed} {which}")
        peers["NPC"].publish([centre.enter(number_of(of)) for of in range(PERSONS)])
        left = [dice.sample(tale, len(tale)) for tale in tales]
        while any(left):
            batches = {}
            for tale in left:
                for _ in range(min(len(tale), dice.randint(0, 2))):
                    code, make = tale.pop()
                    batches.setdefault(code, []).append(make(number_of))
            for code, events in batches.items():
                peers[code].publish(events)
    decide_all(centre)
    one, other = (records_of(centre, number_of) for number_of in orders)
    assert one == other
    assert held(centre) == committees(centre)
    logbook.Logbook(centre.cluster).check()
