# SPDX-License-Identifier: Apache-2.0
"""What the population store was not told of is decided anew when the batch is tried again, for somebody else was there
first; what it has taken is decided once, whatever others tell it before the exchange has the batch, too."""
import contextlib

import pytest

import logbook
from test_population_events import FAIL, MISMATCH, SUPERSEDED, centre, number  # noqa: F401
from wire_peer import said

APPLY = ("SELECT * FROM population.apply_changes(decode(repeat('ab', 16), 'hex'), ARRAY[{n}]::bigint[], "
         "ARRAY['{kind}'], ARRAY['{about}'], ARRAY['{number}'], ARRAY['{name}'], ARRAY[''], ARRAY['{birth}'], "
         "ARRAY['female'], ARRAY[''], ARRAY[''], ARRAY['01'], ARRAY['01'], ARRAY[''], ARRAY[''], ARRAY[0], false)")
FREE = ("WITH gone AS (DELETE FROM population.number_alias WHERE number = '{number}' RETURNING person, number), "
        "moved AS (UPDATE population.state SET position = position + 1 RETURNING position) "
        "INSERT INTO population.change (position, person, citizen_number) "
        "SELECT position, person, number FROM gone, moved")
WRITER_WAITS = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo population writer' "
                "AND wait_event_type = 'Lock'")
WAITING = "batches wait for the population store's writer"
SOMEBODY_ELSE = ["ID_NOT_CURRENT", "NAME_DIFFERS", "BIRTH_DATE_DIFFERS"]


def apply(n, kind, about, number, name="Trần Thị Bình", birth="1980-03-04"):
    """Somebody else's change, as another broker's would be."""
    return APPLY.format(n=n, kind=kind, about=about, number=number, name=name, birth=birth)


@contextlib.contextmanager
def ahead(centre, *changes):
    """These are made in a transaction that is committed behind the block: until then nobody else changes the store."""
    with contextlib.closing(centre.cluster.connect()) as connection:
        connection.autocommit = False
        for change in changes:
            connection.cursor().execute(change)
        yield
        connection.commit()


def send_held(centre, *events):
    """The broker could not tell the store of them, and tries again."""
    npc = centre.peer()
    npc.socket.rcvtimeo = 30000
    npc.send_batch(npc.seal(list(events)))
    centre.exchange.broker.wait_for(lambda: WAITING in centre.exchange.broker.text(), "the warning")
    return npc


def replaced(of):
    return (apply(1, "registered", number(of), number(of)),
            apply(2, "number-reissued", number(of), number(of, 1), name="", birth=""))


def test_nobody_becomes_another_by_a_number_replaced_meanwhile(centre):
    with ahead(centre, *replaced(1)):
        npc = send_held(centre, centre.enter(number(1)))
    assert said(npc.answer()[1]) == {1: (MISMATCH, SOMEBODY_ELSE)}
    assert centre.citizen(number(1, 1))["full_name"] == "Trần Thị Bình"
    assert centre.cluster.value("SELECT count(*) FROM population.citizen") == 1


def test_nobody_becomes_another_by_a_number_replaced_while_the_store_was_locked(centre):
    """It was decided before, and comes to the store in the very call that waits for its lock."""
    npc = centre.peer()
    with ahead(centre, *replaced(1)):
        npc.send_batch(npc.seal([centre.enter(number(1)), centre.enter(number(2))]))
        centre.exchange.wait_until(WRITER_WAITS, 1)
    assert said(npc.answer()[1]) == {1: (MISMATCH, SOMEBODY_ELSE)}
    assert centre.citizen(number(1, 1))["full_name"] == "Trần Thị Bình"
    assert centre.citizen(number(2))["full_name"] == "Nguyễn Văn An"
    assert WAITING not in centre.exchange.broker.text() # which would hold everybody's


def goes_by_another(centre, how):
    if how == "merged":
        return [centre.enter(number(2)), centre.change("merged", number(1), number(2), time=20)]
    return [centre.change(how, number(1), number(1, 1) if how == "number-reissued" else "", time=20)]


@pytest.mark.parametrize("parts", [(1, 1, 1), (1, 2), (3,)], ids=["in three", "in two", "in one"])
@pytest.mark.parametrize("how", ["number-cancelled", "number-reissued", "merged"])
def test_nobody_becomes_another_by_a_number_replaced_in_the_batch(centre, how, parts):
    """Whether the one who had it was known before the batch or not."""
    npc, goes = centre.peer(), goes_by_another(centre, how)
    other = centre.enter(number(1), time=30, full_name="Trần Văn Bưởi", birth_date="1999-05-06")
    groups, told = [[centre.enter(number(1))], goes, [other]], {}
    for part in parts:
        told |= said(npc.publish([event for group in groups[:part] for event in group])[1])
        groups = groups[part:]
    assert told == {len(goes) + 2: (MISMATCH, SOMEBODY_ELSE)}
    assert centre.cluster.rows("SELECT DISTINCT full_name FROM population.citizen") == [("Nguyễn Văn An",)]
    assert min(entry.person for entry in centre.entries([npc])) >= 0, "nobody's stand-in is in the log"
    centre.exchange.wait_until("SELECT (SELECT count(*) FROM exchange.person_link WHERE NOT moved) + "
                               "(SELECT count(*) FROM exchange.retelling WHERE NOT told)", 0)
    logbook.Logbook(centre.cluster).check()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_number_that_was_given_to_another_is_theirs(centre, at_once):
    npc, bird = centre.peer(), dict(full_name="Trần Văn Bưởi", birth_date="1999-05-06")
    npc.publish([centre.enter(number(1)), centre.enter(number(2), **bird)])
    events = [centre.change("number-cancelled", number(1), time=20),
              centre.change("number-reissued", number(2), number(1), time=30),
              centre.enter(number(1), time=40, **bird, father_name="Cha")]
    for batch in [events] if at_once else [[event] for event in events]:
        assert said(npc.publish(batch)[1]) == {}
    assert centre.citizen(number(1))["father_name"] == "Cha"
    assert centre.cluster.value("SELECT full_name FROM population.citizen WHERE citizen_number = %s",
                                f"{number(1)}-") == "Nguyễn Văn An"


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("goes", [("number-cancelled", ""), ("number-reissued", number(1, 1))])
def test_what_took_a_number_away_stays_with_whose_it_was(centre, goes, at_once):
    npc, bird = centre.peer(), dict(full_name="Trần Văn Bưởi", birth_date="1999-05-06")
    npc.publish([centre.enter(number(1)), centre.enter(number(2), **bird)])
    events = [centre.change(goes[0], number(1), goes[1], time=20),
              centre.change("number-reissued", number(2), number(1), time=30)]
    for batch in [events] if at_once else [[event] for event in events]:
        assert said(npc.publish(batch)[1]) == {}
    assert centre.cluster.rows("SELECT person, count(*) FROM exchange.record_version WHERE domain = 1 GROUP BY person "
                               "ORDER BY person") == [(1, 2), (2, 2)]
    logbook.Logbook(centre.cluster).check()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("taken_away", [True, False])
def test_what_came_late_stays_with_whose_number_it_was(centre, taken_away, at_once):
    """Also where it was not told to the store; behind the re-issue it is the next bearer's."""
    npc, bird = centre.peer(), dict(full_name="Trần Văn Bưởi", birth_date="1999-05-06")
    npc.publish([centre.enter(number(1)), centre.enter(number(2), **bird),
                 centre.change("move", number(1), time=10, residence_province="79"),
                 centre.change("move", number(2), time=10, residence_province="79")])
    late = centre.change("move", number(1), time=5, residence_province="48")
    gives = [centre.change("number-cancelled", number(1), time=20),
             centre.change("number-reissued", number(2), number(1), time=30)]
    events = [late, *gives] if taken_away else [*gives, late]
    told = {}
    for batch in [events] if at_once else [[event] for event in events]:
        told |= said(npc.publish(batch)[1])
    assert told == {5 + events.index(late): (SUPERSEDED, [])}
    assert centre.cluster.rows("SELECT person FROM exchange.record_version WHERE domain = 1 AND superseded") == [
        (1 if taken_away else 2,)]
    logbook.Logbook(centre.cluster).check()


def test_who_went_meanwhile_does_not_go_to_another(centre):
    centre.peer().publish([centre.enter(number(of)) for of in (1, 2, 3)])
    with ahead(centre, apply(1, "merged", number(1), number(3), name="", birth="")):
        npc = send_held(centre, centre.change("merged", number(1), number(2), time=10))
    assert said(npc.answer()[1]) == {1: (MISMATCH, ["ID_NOT_CURRENT"])}
    assert centre.cluster.rows("SELECT number FROM population.merger") == [(number(1),)]
    assert centre.citizen(number(2)) and centre.citizen(number(3))


def test_a_contradiction_that_went_meanwhile_is_none(centre):
    for change in replaced(1):
        centre.cluster.rows(change)
    with ahead(centre, FREE.format(number=number(1))):
        npc = send_held(centre, centre.enter(number(1)), centre.enter(number(2)))
    assert said(npc.answer()[1]) == {}
    assert centre.citizen(number(1))["full_name"] == "Nguyễn Văn An"
    assert centre.citizen(number(1, 1))["full_name"] == "Trần Thị Bình"


def test_what_the_store_has_taken_is_decided_once(centre):
    """The exchange fails behind the store, and the number is another one's before it is there again."""
    npc = centre.peer()
    centre.cluster.rows(FAIL.format(times=1000000))
    npc.send_batch(npc.seal([centre.enter(number(1))]))
    centre.exchange.wait_until("SELECT count(*) FROM population.citizen", 1)
    centre.cluster.rows(apply(1, "number-reissued", number(1), number(1, 1)))
    centre.cluster.rows("DROP TRIGGER fail ON exchange.record_version")
    assert said(npc.answer()[1]) == {}
    assert centre.cluster.value("SELECT count(*) FROM population.citizen") == 1
