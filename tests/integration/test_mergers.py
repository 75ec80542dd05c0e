# SPDX-License-Identifier: Apache-2.0
"""Persons who were registered twice turn out to be one, and numbers were replaced: whatever order that comes in, and
whatever fails in between, their records and what is known of them go to who stays, under the number that holds."""
import datetime
import itertools
import json

import pytest

import logbook
import wire
from test_population_events import (ACCEPTED, COLUMNS, DEFERRED, FAIL, MISMATCH, REJECTED, SUPERSEDED, T, UNCHANGED,
                                    assert_all_alike, body_of, centre, dose, dose_of, number, records, shared, shown)
from wire_peer import RECEIPT, said


def wait_moved(centre, n):
    centre.exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE moved", n)


def lives(centre, of):
    """One person under two numbers: what is told of either, the merger, and what comes in late under the number that
    went."""
    first, second = number(of), number(of, 1)
    return [
        centre.enter(first, time=100),
        centre.enter(second, time=50, full_name="Nguyễn Văn Ân", mother_name="Mẹ cũ", residence_province="48",
                     residence_commune=""),
        centre.change("move", second, time=1500, residence_province="79"),
        centre.change("correction", first, time=1300, father_name="Cha"),
        centre.change("merged", second, first, time=2000, mother_name="Mẹ 2"),
        centre.change("death", second, time=1200, died_on="2021-05-06"),
    ]


LIVES = dict(zip(COLUMNS, ("Nguyễn Văn An", "1999-01-02", "male", "Mẹ 2", "Cha", "79", "", "", "2021-05-06")))


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "at once"])
def test_order_of_mergers_does_not_matter(centre, batched):
    tale = lives
    orders = list(itertools.permutations(range(6)))[::8]
    npc = centre.peer()
    if batched:
        for some in range(0, len(orders), 60):
            assert npc.publish([tale(centre, of)[which] for of in range(some, min(some + 60, len(orders)))
                                for which in orders[of]])[0] == RECEIPT
    else:
        for turn in range(6):
            assert npc.publish([tale(centre, of)[order[turn]] for of, order in enumerate(orders)])[0] == RECEIPT
    centre.wait_settled()
    assert_all_alike(centre, len(orders), LIVES)


def current(centre):
    """Under which number whose record is, by person."""
    rows = centre.cluster.rows("SELECT DISTINCT ON (person) person, record FROM exchange.record_version "
                               "WHERE domain = 1 AND NOT superseded ORDER BY person, position DESC")
    records = {person: wire.Record.FromString(bytes(packed)) for person, packed in rows}
    return {person: wire.PopulationChange.FromString(record.body).citizen_number
            for person, record in records.items() if not record.retracted}


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "at once"])
def test_a_replaced_number_is_not_cancelled_once_more(centre, batched):
    npc = centre.peer()
    first, second = number(1), number(1, 1)
    events = [centre.enter(first), centre.change("number-reissued", first, second, time=10),
              centre.change("number-cancelled", first, time=20)]
    body = [npc.publish(some)[1] for some in ([events] if batched else [[event] for event in events])][-1]
    assert said(body) == {3: (SUPERSEDED, [])}
    assert centre.citizen(second) and current(centre) == {1: second}
    assert said(npc.publish([centre.change("number-cancelled", first, time=5)])[1]) == {4: (SUPERSEDED, [])}
    assert said(npc.publish([centre.change("number-cancelled", second, time=20)])[1]) == {}
    assert centre.citizen(f"{second}-")


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "at once"])
def test_a_number_that_a_merger_replaced_is_cancelled_alone(centre, batched):
    npc, goes, stays = centre.peer(), number(1), number(2)
    npc.publish([centre.enter(goes), centre.enter(stays)])
    events = [centre.change("merged", goes, stays, time=10), centre.change("number-cancelled", goes, time=20)]
    told = {}
    for some in [events] if batched else [[event] for event in events]:
        told |= said(npc.publish(some)[1])
    assert told == {4: (SUPERSEDED, [])}
    wait_moved(centre, 1)
    assert centre.citizen(stays) and set(current(centre).values()) == {stays}
    assert centre.cluster.rows("SELECT number, valid_to <> '' FROM population.number_alias") == [(goes, True)]


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "at once"])
def test_a_number_that_was_not_replaced_is_cancelled(centre, batched):
    npc, first, taken = centre.peer(), number(1), number(2)
    npc.publish([centre.enter(first), centre.enter(taken)])
    events = [centre.change("number-reissued", first, taken, time=10),
              centre.change("number-cancelled", first, time=20)]
    told = {}
    for some in [events] if batched else [[event] for event in events]:
        told |= said(npc.publish(some)[1])
    assert told == {3: (DEFERRED, ["NUMBER_TAKEN"])}
    assert centre.citizen(f"{first}-") and set(current(centre).values()) == {"", taken}


def renumbered(centre, how):
    """A number that is replaced behind an event about it, and who comes before all that."""
    first, second, other = number(1), number(1, 1), number(2)
    event = (centre.change("merged", other, first, time=20) if how == "merged" else
             centre.change("number-cancelled", first, time=20))
    return [centre.enter(first), centre.enter(other)], [event,
                                                        centre.change("number-reissued", first, second, time=30)]


@pytest.mark.parametrize("kept", [True, False], ids=["answers kept", "long ago"])
@pytest.mark.parametrize("how", ["merged", "number-cancelled"])
def test_what_a_dead_broker_applied_ends_as_it_would_have(centre, how, kept):
    """The store has a number that was replaced by an event of the batch when that comes again."""
    npc, (before, events) = centre.peer(), renumbered(centre, how)
    npc.publish(before)
    centre.cluster.rows(FAIL.format(times=1000000))
    sealed = npc.seal(events)
    npc.send_batch(sealed)
    centre.exchange.wait_until(f"SELECT count(*) FROM population.citizen WHERE citizen_number = '{number(1, 1)}'", 1)
    centre.exchange.broker.kill()
    centre.cluster.rows("DROP TRIGGER fail ON exchange.record_version")
    if not kept:
        centre.cluster.rows("DELETE FROM population.applied_call")
        centre.cluster.rows("DELETE FROM population.applied")
    centre.exchange.start_broker()
    npc.hello_again()
    npc.send_batch(sealed)
    ended = {3: (SUPERSEDED, [])} if how == "number-cancelled" and not kept else {}
    assert said(npc.answer()[1]) == ended
    assert centre.cluster.value("SELECT count(*) FROM exchange.exception WHERE open") == 0
    assert current(centre) == {1: number(1, 1), 2: number(2)} # whoever went is moved by and by
    assert centre.cluster.value("SELECT count(*) FROM exchange.person_link") == (how == "merged")
    logbook.Logbook(centre.cluster).check()


def test_order_of_a_merger_and_a_reissue_does_not_matter(centre):
    npc = centre.peer()
    for of in (1, 2):
        goes, first, second = (number(of, which) for which in range(3))
        events = [centre.change("number-reissued", first, second, time=10),
                  centre.change("merged", goes, first, time=20)]
        npc.publish([centre.enter(goes), centre.enter(first)])
        for event in events if of == 1 else reversed(events):
            assert said(npc.publish([event])[1]) == {}
        npc.publish([centre.change("correction", goes, time=30, father_name="Cha")])
        assert centre.citizen(second)["father_name"] == "Cha"
    kept = records(centre)
    assert len(kept) == 2 and len(set(kept.values())) == 1


def test_merged_records_go_over(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    fields = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"
    centre.exchange.committee("hn", "health", fields)
    stays, goes = number(1), number(2)
    npc.publish([centre.enter(stays), centre.enter(goes, full_name="Nguyễn Văn Ang")])
    with wire.subscriber(centre.exchange, "hn") as committee:
        committee.hello()
        told = moh.publish([
            dose(stays, 1, "S1", 10), dose(goes, 1, "G1", 20, full_name="Nguyễn Văn Ang"),
            dose(goes, 2, "G2", 10, full_name="Nguyễn Văn Ang"), dose(goes, 3, "G3", 10, full_name="Nguyễn Văn Ang"),
            dose(stays, 3, "S3", 30), dose(goes, 4, "G4", 10, full_name="Nguyễn Văn Ang"),
            dose(goes, 4, "", 20, full_name="Nguyễn Văn Ang", operation=2),
            dose(goes, 5, "G5", 10)])[1]
        assert said(told) == {8: (MISMATCH, ["NAME_SIMILAR"])}, said(told)
        committee.take_all(told.last_position)
        before = len(committee.records)
        before_merger = json.loads(centre.exchange.dongbo("log", "tail", "--json", "-n", 1).stdout)["time"]
        body = npc.publish([centre.change("merged", goes, stays, time=10)])[1]
        assert said(body) == {}
        wait_moved(centre, 1)
        centre.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
        committee.take_all(centre.cluster.value("SELECT last_position FROM exchange.head"))
        news = [(r.citizen_number, r.change, r.record_id, body_of(r)) for r in committee.records[before:]]
        ids = {(r.citizen_number, body_of(r)[0]): r.record_id for r in committee.records if r.change == 1}
    assert [(who, change, held) for who, change, _, held in news if change == 2] == [(goes, 2, (0, ""))] * 3
    assert {record for _, change, record, _ in news if change == 2} == {ids[goes, n] for n in (1, 2, 3)}
    # The third dose was said of both, and later of the one who stays.
    assert sorted((who, held) for who, change, _, held in news if change == 1) == [
        (stays, (1, "G1")), (stays, (2, "G2")), (stays, (5, "G5"))]
    assert centre.cluster.rows("SELECT citizen_number FROM population.citizen") == [(stays,)]
    # Under either number the same is shown; as of before, what was said of whoever went counts from when it was said.
    lots = {1: "G1", 2: "G2", 3: "S3", 5: "G5"}
    for asked in (goes, stays):
        assert shown(centre, asked) == lots
    at = {position: datetime.datetime.fromtimestamp((T + position) / 1e6, datetime.timezone.utc).isoformat()
          for position in (9, 15, 25)}
    assert shown(centre, stays, "--as-of", at[9]) == {}
    assert shown(centre, stays, "--as-of", at[15]) == {1: "S1", 2: "G2", 3: "G3", 5: "G5"}
    # What was held of each before.
    for asked, held in ((goes, {1: "G1", 2: "G2", 3: "G3"}), (stays, {1: "S1", 3: "S3"})):
        assert shown(centre, asked, "--known-at", before_merger) == held


def test_what_was_told_of_who_goes_counts(centre):
    """No agency guesses twice as often of one who was registered twice."""
    npc, moh = centre.peer(), centre.peer("MOH")
    stays, goes = number(1), number(2)
    npc.publish([centre.enter(stays), centre.enter(goes)])
    told = said(moh.publish([dose(about, 1, f"L{n}", n, birth_date=f"1999-02-0{n}")
                             for n, about in enumerate((goes, goes, goes, stays, stays), start=1)])[1])
    assert told == {n: (MISMATCH, ["BIRTH_DATE_DIFFERS"]) for n in range(1, 6)}
    npc.publish([centre.change("merged", goes, stays, time=10)])
    wait_moved(centre, 1)
    assert said(moh.publish([dose(stays, 1, "L6", 6, birth_date="1999-02-06"), dose(stays, 1, "L7", 7)])[1]) == {
        6: (MISMATCH, ["GUESSES_TOO_MANY"]), 7: (MISMATCH, ["GUESSES_TOO_MANY"])}


def test_mergers_come_again_and_in_a_row(centre):
    """Said again, nothing is new; who stayed may go in turn, also while a broker fails in between."""
    npc, moh = centre.peer(), centre.peer("MOH")
    one, two, three = (number(of) for of in (1, 2, 3))
    npc.publish([centre.enter(about) for about in (one, two, three)])
    moh.publish([dose(one, 1, "L1", 10), dose(two, 2, "L2", 10), dose(three, 3, "L3", 10)])
    first = centre.change("merged", one, two, time=10)
    centre.cluster.rows(FAIL.format(times=2))
    assert said(npc.publish([first, centre.change("merged", two, three, time=20), first])[1]) == {
        6: (SUPERSEDED, [])}
    wait_moved(centre, 2)
    assert shown(centre, one) == shown(centre, three) == {1: "L1", 2: "L2", 3: "L3"}
    assert centre.cluster.value("SELECT last_value FROM public.tries") > 2
    positions = centre.cluster.value("SELECT last_position FROM exchange.head")
    assert said(npc.publish([first, centre.change("merged", two, three, time=20)])[1]) == {
        7: (SUPERSEDED, []), 8: (UNCHANGED, [])}
    npc.publish([centre.change("correction", one, time=30, father_name="Cha")])
    assert centre.citizen(three)["father_name"] == "Cha"
    assert centre.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 6 AND first_position > %s",
                                positions) == 0
    assert centre.cluster.rows("SELECT number FROM population.number_alias ORDER BY 1") == [(one,), (two,)]


def test_who_is_not_known_is_not_merged(centre):
    npc = centre.peer()
    known, unknown = number(1), number(2)
    short = centre.change("merged", unknown, known, time=11)
    short.event_id = b"short"
    told = said(npc.publish([
        centre.enter(known), centre.change("merged", unknown, known, time=10),
        centre.change("merged", known, number(3), time=10), centre.change("merged", known, known, time=10),
        centre.change("merged", "", known, time=10), short])[1])
    assert told == {
        2: (DEFERRED, ["NOT_FOUND"]), 3: (DEFERRED, ["NOT_FOUND"]), 4: (REJECTED, ["FIELD_FORMAT"]),
        5: (MISMATCH, ["ID_MISSING"]), 6: (REJECTED, ["EVENT_ID_WRONG"])}
    assert centre.citizen(known)
    npc.publish([centre.enter(unknown)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE moved", 1, 20)
    assert centre.citizen(known) and not centre.citizen(unknown)
    # What is wrong by itself links nobody, and holds nothing up.
    assert said(npc.publish([short])[1]) == {8: (REJECTED, ["EVENT_ID_WRONG"])}


def test_who_went_does_not_go_to_another(centre):
    """Which of the two is right is for a person to say; under the number that holds, whoever stayed may go on."""
    npc = centre.peer()
    one, two, three, four = (number(of) for of in (1, 2, 3, 4))
    npc.publish([centre.enter(about) for about in (one, two, three, four)])
    elsewhere = (MISMATCH, ["ID_NOT_CURRENT"])
    # In one batch, and in one of its own.
    assert said(npc.publish([centre.change("merged", one, two, time=10), centre.change("merged", one, three, time=20)])[
        1]) == {6: elsewhere}
    assert said(npc.publish([centre.change("merged", one, four, time=30)])[1]) == {7: elsewhere}
    assert centre.cluster.value("SELECT count(*) FROM population.citizen") == 3
    assert said(npc.publish([centre.change("merged", two, three, time=40), centre.change("merged", one, three, time=50),
                             centre.change("merged", one, four, time=60), centre.change("merged", three, four, time=70),
                             centre.change("merged", one, four, time=80)])[1]) == {
        9: (UNCHANGED, []), 10: elsewhere, 12: (UNCHANGED, [])}
    wait_moved(centre, 3)
    assert centre.cluster.rows("SELECT citizen_number FROM population.citizen") == [(four,)]
    logbook.Logbook(centre.cluster).check()


@pytest.mark.parametrize("at_once", [False, True])
def test_who_went_under_a_number_of_several_went_all_the_same(centre, at_once):
    npc, about, third = centre.peer(), number(1), number(3)
    merger = centre.change("merged", about, third, time=40)
    before = [centre.enter(third), centre.enter(number(4))] + shared(centre, 1, 2)[:4] + [merger]
    if at_once:
        told = said(npc.publish(before + [merger])[1])
    else:
        told = said(npc.publish(before)[1]) | said(npc.publish([merger])[1])
    assert told == {8: (UNCHANGED, [])}
    body = npc.publish([merger, centre.change("merged", about, number(4), time=50)])[1]
    assert said(body) == {9: (UNCHANGED, []), 10: (MISMATCH, ["ID_NOT_CURRENT"])}
    assert centre.cluster.value("SELECT count(*) FROM population.merger") == 1


MEND = """WITH moved AS (UPDATE population.state SET position = position + 1 RETURNING position),
    named AS (UPDATE population.citizen SET full_name = 'Nguyễn Văn An', name_folded = 'nguyen van an', died_on = ''
              WHERE citizen_number = ANY (%s) RETURNING person)
INSERT INTO population.change (position, person, citizen_number)
    SELECT position, person, %s FROM moved, (SELECT -i FROM generate_series(1, %s) i
                                             UNION ALL SELECT person FROM named) concerned(person)"""


def mend(centre, *persons, by, others=0):
    """This number concerns them, whose names and deaths are mended, and others before them."""
    centre.cluster.rows(MEND, [number(of) for of in persons], by, others)
    return "SELECT count(*) FROM exchange.exception WHERE open"


def test_all_whom_a_number_concerns_are_looked_at(centre):
    """The broker looks at a thousand changes at once, and at each in two of its rounds."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of), full_name="Nguyễn Văn An" + "g" * (of > 2)) for of in (1, 2, 3, 4)])
    told = said(moh.publish([dose_of(number(of), f"row {of}") for of in (1, 2, 3, 4)])[1])
    assert {sequence: verdict for sequence, (verdict, _) in told.items()} == {3: MISMATCH, 4: MISMATCH}
    npc.publish([centre.change("death", number(of), time=10, died_on="2021-01-01") for of in (1, 2)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 4)
    for of, left in ((3, 3), (4, 2)):  # so that it has done with those who died
        centre.exchange.wait_until(mend(centre, of, by=number(of)), left)
    centre.exchange.wait_until(mend(centre, 1, 2, by="001099999999", others=1200), 0)
