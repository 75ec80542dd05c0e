# SPDX-License-Identifier: Apache-2.0
"""Moves that the population store took and the log does not have: of a transaction that came to nothing, and of what
the exchange's database forgot when it was set back alone. Committees of provinces are told all the same."""
import contextlib

import psycopg2
import pytest

import logbook
from test_population_events import ACCEPTED, FAIL, Centre, dose, number, residences, said
from test_provinces import COMMITTEES, FIELDS, copy_of, homes_of, read, wait_told

A, B = number(1), number(2)


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    for name, words in COMMITTEES.items():
        exchange.committee(name, "health,population", f"{FIELDS},population.residence_province", *words)
    made.peer().publish([made.enter(A), made.enter(B)])
    made.peer("MOH").publish([dose(about, 1, "L000000", 0) for about in (A, B)])
    yield made
    made.close()


def seen(centre):
    head = wait_told(centre)
    logbook.Logbook(centre.cluster).check()
    committees = {name: read(centre, name, head) for name in COMMITTEES}
    return {name: ([row[0] for row in copy_of(committee)], homes_of(committee))
            for name, committee in committees.items()}


def expected(homes):
    """By committee, of whom it has doses, and what it has of who they are. The last word of each is the record's."""
    told = {name: [about for about in sorted(homes) if not words or homes[about] in words[1::2]]
            for name, words in COMMITTEES.items()}
    return {name: (persons, [(about, homes[about]) for about in persons]) for name, persons in told.items()}


def cut(centre, *moves):
    """The store takes them, and the broker dies before the log does."""
    centre.cluster.rows(FAIL.format(times=1000000))
    npc = centre.peer()
    npc.send_batch(npc.seal(moves))
    centre.exchange.wait_until("SELECT count(*) FROM population.residence", len(moves))
    centre.exchange.broker.kill()
    centre.cluster.rows("DROP TRIGGER fail ON exchange.record_version")
    centre.exchange.start_broker()


def wait_seen(centre):
    centre.exchange.wait_until("SELECT (SELECT place FROM exchange.residence_read) = (SELECT max(place) "
                               "FROM population.residence)", True)


def test_a_move_of_a_transaction_that_came_to_nothing_is_told(centre):
    """Though it never comes again; and nobody keeps, or lacks, what was told while the log did not know of it."""
    cut(centre, centre.change("move", A, time=10, residence_province="79"),
        centre.change("move", B, time=10, residence_province="79"),
        centre.change("move", B, time=20, residence_province="01"))
    wait_seen(centre)
    homes = seen(centre)
    # What the centre said is not in the log, and so neither in the record of who they are.
    assert {name: doses for name, (doses, _) in homes.items()} == {"hanoi": [B], "south": [A], "all": [A, B]}
    assert homes["hanoi"][1] == [(B, "01")] and homes["south"][1] == [(A, "01")]
    # Of each as often as the broker tried, and at least once. One came back, under the new codes only.
    rows = centre.cluster.rows("SELECT DISTINCT province_before, province_after, agency, told FROM exchange.retelling "
                               "ORDER BY 1, 2")
    assert rows == [("01", "01", None, True), ("01", "79", None, True), ("79", "01", None, True)]


def test_a_move_that_comes_again_in_another_stream_is_told(centre):
    move = centre.change("move", A, time=10, residence_province="79")
    cut(centre, move)
    wait_seen(centre)
    npc = centre.peer()
    assert said(npc.publish([move])[1]) == {}
    assert residences(centre.entries([npc])) == [(ACCEPTED, "79", "", "79")]
    assert seen(centre) == expected({A: "79", B: "01"})
    assert "somebody moved in the population store" in centre.exchange.dongbo("log", "tail", "-n", "9").stdout
    assert said(npc.publish([centre.change("move", A, time=20, residence_province="48")])[1]) == {}
    wait_seen(centre)  # by that event itself
    assert centre.cluster.value("SELECT count(*) FROM exchange.retelling WHERE cause = 3") == 1
    assert seen(centre) == expected({A: "48", B: "01"})


def note_late(centre, before, after):
    """That A moved in the store alone, which another broker noted and did not tell while they lived there."""
    centre.exchange.broker.stop()
    centre.cluster.rows("INSERT INTO exchange.retelling (position, person, province_before, province63_before, "
                        "province_after, province63_after, event_id, event_time_us, cause) SELECT 1, person, %s, '', "
                        "%s, '', decode(repeat('00', 16), 'hex'), 0, 3 FROM population.citizen "
                        "WHERE citizen_number = %s", before, after, A)
    centre.exchange.start_broker()


def test_who_went_on_meanwhile_is_not_told_of_where_they_were(centre):
    """Noted while they lived there, and told when who they are had been let go there."""
    centre.peer().publish([centre.change("move", A, time=10 * turn, residence_province=home)
                           for turn, home in enumerate(("79", "01", "48"), 1)])
    wait_told(centre)
    note_late(centre, "79", "01")
    assert seen(centre) == expected({A: "48", B: "01"})
    assert centre.cluster.value("SELECT count(*) FROM exchange.retelling WHERE cause = 3 AND told") == 1


def test_what_was_withdrawn_elsewhere_is_let_go_where_they_came_back_to(centre):
    """Those whom nobody told of the move were not told of the withdrawal either."""
    centre.exchange.broker.stop()
    centre.cluster.rows("UPDATE population.citizen SET residence_province = '79' WHERE citizen_number = %s", A)
    centre.exchange.start_broker()
    assert said(centre.peer("MOH").publish([dose(A, 1, "", 20, operation=2)])[1]) == {}
    assert said(centre.peer().publish([centre.change("move", A, time=10, residence_province="01")])[1]) == {}
    wait_told(centre)
    note_late(centre, "01", "79")
    assert {name: doses for name, (doses, _) in seen(centre).items()} == {"hanoi": [B], "south": [], "all": [B]}


def admin(centre, *statements):
    """With nobody connected to a database that is copied or renamed."""
    centre.cluster.disconnect()
    with contextlib.closing(psycopg2.connect(centre.cluster.conninfo(database="postgres"))) as connection:
        connection.autocommit = True
        for sql in ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('dongbo', 'before')",
                    *statements):
            connection.cursor().execute(sql)


def back_up(centre):
    centre.exchange.broker.stop()
    admin(centre, "CREATE DATABASE before TEMPLATE dongbo")
    centre.exchange.start_broker()


def set_back_exchange(centre):
    """The exchange's database is what it was; the population store, from here on a database of its own, stays."""
    centre.exchange.broker.stop()
    admin(centre, "ALTER DATABASE dongbo RENAME TO population", "ALTER DATABASE before RENAME TO dongbo")
    for path in (centre.exchange.config, centre.exchange.directory / "broker.yaml"):
        path.write_text("\n".join(line.replace("dbname=dongbo", "dbname=population") if "dongbo_population" in line
                                  else line for line in path.read_text().split("\n")))
    centre.cluster.rows("DROP SCHEMA population CASCADE")  # nobody is to look at the wrong one
    centre.exchange.dongbo("epoch", "new", "--reason", "restored from a backup", "--no-wait")
    centre.exchange.start_broker()


@pytest.mark.postgres()
def test_moves_that_the_exchange_forgot_are_told(centre):
    """From wherever their persons lived meanwhile: a committee that was told so may be where it was before, too."""
    back_up(centre)
    centre.peer().publish([centre.change("move", A, time=10, residence_province="79")])
    centre.peer("MOH").publish([dose(A, 1, "L000001", 1)])
    centre.peer().publish([centre.change("move", A, time=20, residence_province="01"),
                           centre.change("move", B, time=20, residence_province="48")])
    wait_told(centre)
    set_back_exchange(centre)
    centre.exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE cause = 3 AND told", 3)
    homes = seen(centre)
    assert {name: doses for name, (doses, _) in homes.items()} == {"hanoi": [A], "south": [B], "all": [A, B]}
    rows = centre.cluster.rows("SELECT province_before, province_after FROM exchange.retelling WHERE cause = 3 "
                               "ORDER BY position")
    assert rows == [("01", "01"), ("79", "01"), ("01", "48")]
    # They come again, in another stream.
    assert said(centre.peer().publish([centre.change("move", A, time=10, residence_province="79"),
                                       centre.change("move", A, time=20, residence_province="01"),
                                       centre.change("move", B, time=20, residence_province="48")])[1]) == {}
    assert seen(centre) == expected({A: "01", B: "48"})
