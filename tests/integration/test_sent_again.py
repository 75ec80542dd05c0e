# SPDX-License-Identifier: Apache-2.0
"""An agency corrects its row and sends it again: what was in question of the older one is closed, by an entry of the
log of which the agency is told. Rows that only share a key close nothing."""
import pytest

import logbook
import people
import wire
from conftest import open_site
from people import citizen, dose, subject

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
OFFICER = "officer_lan"
T = 1640995200000000
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' AND wait_event = 'relation'"


class Ministry:
    def __init__(self, exchange):
        self.exchange, self.cluster = exchange, exchange.cluster
        if not self.cluster.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", OFFICER):
            self.cluster.rows(f"CREATE ROLE {OFFICER} LOGIN IN ROLE dongbo_operator")
        for agency in ("MOH", "VSS"):
            exchange.agency(agency, "health", [])
        exchange.load_population(people.citizens(60))
        exchange.start_broker()
        self.moh = self.peer("MOH")

    def peer(self, agency):
        made = wire.publisher(self.exchange, agency)
        made.hello()
        return made

    def say(self, *events, by=None):
        """The positions at which these were decided."""
        body = (by or self.moh).publish(list(events)).body
        return list(range(body.first_position, body.last_position + 1))

    def settle(self):
        self.exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open AND replaced_by IS NOT NULL", 0)

    def closed(self, *positions):
        """By which newer event each of these was replaced; None: it is open."""
        self.settle()
        rows = dict(self.cluster.rows("SELECT position, (verdict, open, replaced_by)::text FROM exchange.exception "
                                      "WHERE position = ANY (%s)", list(positions)))
        said = [rows[position].strip("()").split(",") for position in positions]
        assert all((verdict, is_open) == (str(SUPERSEDED), "f") if newer else is_open == "t"
                   for verdict, is_open, newer in said), said
        return [int(newer) if newer else None for _, _, newer in said]


@pytest.fixture(scope="module")
def ministry(template):
    with open_site(template) as exchange:
        made = Ministry(exchange)
        yield made
        made.moh.close()


NOBODY = "001099888777"


def test_a_corrected_row_closes_what_was_asked_of_the_wrong_one(ministry):
    wrong = [dose(1, about=subject(1, full_name="Đinh Tiên Hoàng"), event_time_us=T),
             dose(2, about=subject(2, citizen_number=NOBODY), event_time_us=T),
             dose(3, about=subject(3, citizen_number=""), event_time_us=T),
             dose(4, about=subject(4, birth_date="1901-01-01"), event_time_us=T),
             dose(5, about=subject(5, citizen_number=NOBODY, full_name=people.bare(citizen(5)["full_name"])),
                  event_time_us=T)]
    old = ministry.say(*wrong)
    again = ministry.say(dose(1, about=subject(1, full_name="Đinh Tiên Hoàng"), event_time_us=T + 1))
    assert ministry.closed(*old, *again) == [None] * 6
    new = ministry.say(*(dose(n, event_time_us=T + n) for n in range(1, 6)))
    assert ministry.closed(*old, *again) == [*new, new[0]]

    log = logbook.Logbook(ministry.cluster).check()
    closing = {entry.sequence: (position, entry) for position, entry in log.entries.items()
               if entry.kind == logbook.ENTRY_DECISION}
    assert len(closing) == 6
    for position, entry in closing.values():
        assert entry.verdict == SUPERSEDED and [reason.code for reason in entry.reasons] == [wire.ROW_REPLACED]
        assert entry.decided_by == "" and not entry.body and not entry.person
        newer = ministry.cluster.value("SELECT replaced_by FROM exchange.exception WHERE decided_position = %s",
                                       position)
        assert f"position {newer}," in entry.why
    while len(ministry.moh.later) < 6:
        ministry.moh.receive(0.1)
    assert {(v.sequence, v.verdict, v.position) for v in ministry.moh.later} == {
        (sequence, SUPERSEDED, position) for sequence, (position, _) in closing.items()}


def test_rows_that_only_share_a_key_close_nothing(ministry):
    say, closed, row = ministry.say, ministry.closed, {"key": "5", "event_time_us": T}
    old = say(dose(10, about=subject(10, full_name="Đinh Tiên Hoàng"), **row),
              dose(11, about=subject(11, citizen_number=NOBODY), **row))
    vss = ministry.peer("VSS")
    say(dose(12, **row),                                   # the fifth line of another file
        dose(10, number=2, **row),                         # ... in which the person has another dose
        dose(10, key="6", event_time_us=T),                # another row of the same
        dose(10, key="5", event_time_us=T - 1),            # what the row said before
        dose(11, about=subject(11, birth_date="1901-01-01"), **row))  # not right either
    say(dose(10, agency="VSS", **row), by=vss)
    vss.close()
    assert closed(*old) == [None, None]
    # What is held is an officer's to decide, and so is a withdrawal that waits while the record is told again.
    held, = say(dose(13, about=subject(13, full_name="Đinh Tiên Hoàng"), **row))
    ministry.cluster.rows("UPDATE exchange.exception SET reason_codes = '{250}' WHERE position = %s", held)
    withdrawal, = say(dose(14, about=subject(14, full_name="Đinh Tiên Hoàng"), operation=2, **row))
    say(dose(13, **row), dose(14, **row))
    assert closed(held, withdrawal) == [None, None]
    # Withdrawn, rightly this time.
    new = say(dose(14, operation=2, key="5", event_time_us=T + 1), dose(11, operation=2, key="5", event_time_us=T + 1))
    assert closed(withdrawal, old[1]) == new


def test_both_in_one_batch_and_in_batches_under_way_together(ministry):
    wrong = [dose(n, about=subject(n, citizen_number=NOBODY), event_time_us=T) for n in (20, 21)]
    right = [dose(n, event_time_us=T) for n in (20, 21)]
    positions = ministry.say(right[0], wrong[0], right[0])
    assert ministry.closed(positions[1]) == positions[2:]
    # The newer is read before the older is stored.
    other = ministry.peer("MOH")
    since = ministry.cluster.value("SELECT clock_timestamp()::text")
    with ministry.cluster.holding("SELECT exchange.lock_log()"):
        ministry.moh.send_batch([wrong[1]])
        ministry.exchange.wait_until(WAITING, 1)
        other.send_batch([right[1]])
        ministry.exchange.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'idle' AND "
                                     f"query LIKE '%%AS k(row_key, place)%%' AND query_start > '{since}'", True)
    older, newer = ministry.moh.receipt().body.first_position, other.receipt().body.first_position
    other.close()
    assert older < newer and ministry.closed(older) == [newer]


def test_what_came_by_another_broker_meanwhile_is_found(ministry):
    exchange = ministry.exchange
    exchange.start_second_broker()
    with wire.Publisher(exchange.publish2, wire.keys_of(exchange, "moh"),
                        wire.keys_of(exchange, "broker").curve_public) as other:
        other.hello()
        with ministry.cluster.holding("SELECT exchange.lock_log()"):
            ministry.moh.send_batch([dose(30, about=subject(30, citizen_number=NOBODY), event_time_us=T)])
            exchange.wait_until(WAITING, 1)
            other.send_batch([dose(30, event_time_us=T)])
            exchange.wait_until(WAITING, 2)
        older, newer = ministry.moh.receipt().body.first_position, other.receipt().body.first_position
        assert older < newer and ministry.closed(older) == [newer]


def test_an_officers_word_comes_first(ministry):
    cluster = ministry.cluster
    older, other = ministry.say(*(dose(n, about=subject(n, full_name="Đinh Tiên Hoàng"), event_time_us=T)
                                  for n in (40, 41)))
    for case in (older, other):
        cluster.value("SELECT exchange.review_claim(%s, 30)", case, user=OFFICER)
    with cluster.holding("SELECT exchange.lock_log()"):
        ministry.moh.send_batch([dose(n, event_time_us=T) for n in (40, 41)])
        ministry.exchange.wait_until(WAITING, 1)
        cluster.value("SELECT exchange.review_decide(%s, 'refuse', NULL, 'x')", older, user=OFFICER)
    newer = ministry.moh.receipt().body.first_position
    assert ministry.closed(other) == [newer + 1]
    assert cluster.rows("SELECT verdict, open FROM exchange.exception WHERE position = %s", older) == [
        (REJECTED, False)]
    assert cluster.rows("SELECT state, outcome FROM exchange.review_decision") == [("done", "1 REJECTED")]
    assert cluster.rows("SELECT review_case FROM exchange.review_claim") == []


def test_an_officers_decision_on_the_newer_closes_the_older(ministry):
    cluster = ministry.cluster
    older, newer = ministry.say(dose(50, about=subject(50, full_name="Đinh Tiên Hoàng"), event_time_us=T),
                                dose(50, about=subject(50, birth_date="1901-01-01"), event_time_us=T))
    cluster.value("SELECT exchange.review_claim(%s, 30)", newer, user=OFFICER)
    cluster.value("SELECT exchange.review_decide(%s, 'accept', NULL, 'x')", newer, user=OFFICER)
    ministry.exchange.wait_until(f"SELECT open FROM exchange.exception WHERE position = {newer}", False)
    decided = cluster.value("SELECT decided_position FROM exchange.exception WHERE position = %s", newer)
    assert ministry.closed(older) == [decided]


def test_a_row_that_was_wrong_very_often_is_closed_to_its_end(ministry):
    """In steps of 16 of one row, and of more rows than one step takes."""
    def wrong(n, **said):
        return dose(n, about=subject(n, full_name="Đinh Tiên Hoàng"), event_time_us=T, **said)
    often = ministry.say(*(wrong(53) for _ in range(40)))
    many = ministry.say(*(wrong(54, key=f"many {n}") for n in range(80)))
    newest, *newer = ministry.say(dose(53, event_time_us=T), *(dose(54, key=f"many {n}", event_time_us=T + n)
                                                               for n in range(80)))
    assert ministry.closed(*often, *many) == [newest] * 40 + newer


def test_of_a_key_that_very_many_have_the_newest_are_looked_at(ministry):
    said = {"key": "row", "event_time_us": T}
    foreign = ministry.say(*(dose(51, about=subject(51, citizen_number="", full_name=f"Đinh Tiên {'Ho' * n}",
                                                    birth_date=f"{1900 + n}-01-01"), **said) for n in range(60)))
    older, = ministry.say(dose(52, about=subject(52, full_name="Đinh Tiên Hoàng"), **said))
    newer, = ministry.say(dose(52, **said))
    assert ministry.closed(older) == [newer] and ministry.closed(*foreign) == [None] * 60
