# SPDX-License-Identifier: Apache-2.0
"""What is erased stays erased, whatever brokers are doing meanwhile: it comes back from nowhere, and keeps nothing
else waiting."""
import signal

import pytest

import wire_peer
from test_erased import erased_lots
from test_erasure import FIELDS, ROW, carry_out, entry_rows, verify
from test_population_events import centre, dose, number, shown  # noqa: F401 (fixture)
from test_review import CLAIM, DECIDE, OFFICERS, make_officers
from test_sent_again import WAITING

# Of an event that stands in no record.
NO_WORD = dict.fromkeys(("person", "domain", "record_key", "event_id", "event_time_us", "about"))


def word_of(exchange, position, **other):
    return {**entry_rows(exchange, position)[0], **other}


def ask(exchange, row):
    exchange.cluster.rows(ROW, *row.values(), user="dongbo_operator")


def until_logged(exchange):
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL AND refused IS NULL", 0)


def test_what_waits_for_the_log_sees_another_brokers_tombstone(centre):
    """A batch was prepared on a record as it was before another broker logged an event of it as erased."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS + ",health.facility_code")
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "OTHER", 10)])
    exchange.start_second_broker()
    second = wire_peer.Peer(exchange.publish2, f"{exchange.directory}/moh.keys",
                            f"{exchange.directory}/broker.keys.pub")
    centre.made.append(second)
    second.hello()
    position = second.publish([dose(number(1), 1, "SECRET", 20)])[1].last_position  # that broker has begun
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    before = len(receiver.records())
    later = dose(number(1), 1, "", 30)
    later.health.facility_code = "00001"
    exchange.broker.popen.send_signal(signal.SIGSTOP)
    with exchange.cluster.holding("LOCK TABLE exchange.lock_of_log IN EXCLUSIVE MODE"):
        ask(exchange, word_of(exchange, position))
        exchange.wait_until(WAITING, 1)  # the second broker, with the tombstone
        exchange.broker.popen.send_signal(signal.SIGCONT)
        moh.send_batch(moh.seal([later]))
        exchange.wait_until(WAITING, 2)
    moh.answer()
    until_logged(exchange)
    receiver.until_head()
    lots = [record["fields"]["lot_number"] for record in receiver.records()[before:]]
    assert len(lots) == 2 and set(lots) == {"OTHER"}
    carry_out(exchange, "--event", position)
    assert erased_lots(exchange, "OTHER", "SECRET") == ["OTHER"] and shown(centre, number(1)) == {1: "OTHER"}
    verify(exchange)


def test_what_waits_for_its_person_is_not_decided_behind_its_tombstone(centre):
    """Nor where content is taken away later only, as when `erase` was interrupted."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(2))])
    position = moh.publish([dose(number(1), 1, "SECRET", 20)])[1].last_position
    ask(exchange, word_of(exchange, position, **NO_WORD))
    until_logged(exchange)
    npc.publish([centre.enter(number(1))])
    kept = moh.publish([dose(number(1), 2, "KEPT", 10)])[1].last_position  # nor did anything else stop
    centre.wait_settled()
    later = moh.publish([dose(number(1), 2, "LATER", 20)])[1].last_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert [record["position"] for record in receiver.records()] == [kept, later]
    carry_out(exchange, "--event", position)
    assert erased_lots(exchange, "SECRET", "KEPT") == ["KEPT"]
    assert shown(centre, number(1)) == {2: "LATER"}
    verify(exchange)


@pytest.mark.parametrize("action,to", [("accept", None), ("link", number(2))])
def test_an_officer_decides_nothing_behind_its_tombstone(centre, action, to):
    """Whose word was waiting when the tombstone was logged."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    make_officers(exchange.cluster)
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    case = moh.publish([dose(number(1), 1, "SECRET", 20, full_name="Somebody Else")])[1].last_position
    exchange.cluster.value(CLAIM, case, 30, user=OFFICERS[0])
    with exchange.cluster.holding("LOCK TABLE exchange.lock_of_log IN EXCLUSIVE MODE"):
        ask(exchange, word_of(exchange, case, **NO_WORD))
        exchange.wait_until(WAITING, 1)
        exchange.cluster.value(DECIDE, case, action, to, "heard on the telephone", user=OFFICERS[0])
    exchange.wait_until("SELECT count(*) FROM exchange.review_decision WHERE state = 'waiting'", 0)
    assert exchange.cluster.rows("SELECT d.state, x.open, x.verdict, e.refused FROM exchange.review_decision d "
                                 "JOIN exchange.exception x USING (review_case) "
                                 "JOIN exchange.erasure e ON e.position = x.position") == [("failed", False, 4, None)]
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert receiver.records() == []
    carry_out(exchange, "--event", case)
    assert erased_lots(exchange, "SECRET", "Somebody Else") == []
    verify(exchange)


def test_a_record_that_was_told_of_very_often_goes(centre):
    """More words than one work takes out, and those that go last never stood: what is left is told all the same."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "OTHER", 1000)])
    rows = []
    for at in (2000, 2250, 2500, 2750, 0):
        body = moh.publish([dose(number(1), 1, f"SECRET-{time}", time) for time in range(at, at + 250)])[1]
        rows += entry_rows(exchange, body.first_position)
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert receiver.records()[-1]["fields"]["lot_number"] == "SECRET-2999"
    with exchange.cluster.holding("LOCK TABLE exchange.lock_of_log IN EXCLUSIVE MODE"):
        for row in rows:
            ask(exchange, row)
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NOT NULL", len(rows), 20)
    receiver.until_head()
    said = receiver.records()[-1]
    assert said["change"] == "upsert" and said["fields"]["lot_number"] == "OTHER"
    assert shown(centre, number(1)) == {1: "OTHER"}
    assert [line["verdict"] for line in exchange.log() if line["kind"] == "erasure"].count("ACCEPTED") == 1


def test_what_was_hidden_does_not_come_to_light(centre):
    """An erasure was interrupted, and then goes what had hidden what it was about."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(1))])
    hidden = moh.publish([dose(number(1), 1, "HIDDEN", 10)])[1].last_position
    shows = moh.publish([dose(number(1), 1, "SHOWS", 20)])[1].last_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    before = len(receiver.records())
    ask(exchange, word_of(exchange, hidden))
    until_logged(exchange)
    ask(exchange, word_of(exchange, shows))
    until_logged(exchange)
    receiver.until_head()
    assert [record["change"] for record in receiver.records()[before:]] == ["delete"]
    assert shown(centre, number(1)) == {}
    carry_out(exchange, "--citizen", number(1))
    assert erased_lots(exchange, "HIDDEN", "SHOWS") == []
    verify(exchange)


def test_a_record_that_does_not_fit_keeps_no_other_waiting(centre):
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    body = moh.publish([dose(number(of), 1, f"LOT-{of}", 10) for of in (1, 2, 3)])[1]
    rows = entry_rows(exchange, body.first_position)
    of_later_programs = b"\xa2\x06\x80\x80\x80\x02" + bytes(4 << 20)  # a field
    exchange.cluster.rows("INSERT INTO exchange.record_version (person, domain, record_key, position, superseded, "
                          "record) SELECT person, domain, record_key, 1000000 + n, true, record || %s "
                          "FROM exchange.record_version, generate_series(1, 10) AS n WHERE position = %s",
                          of_later_programs, body.first_position)
    for row in rows:
        ask(exchange, row)
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NOT NULL", 2)
    assert exchange.cluster.rows("SELECT position FROM exchange.erasure WHERE logged_position IS NULL") == [
        (body.first_position,)]
    exchange.cluster.rows("DELETE FROM exchange.record_version WHERE position > 1000000")
    until_logged(exchange)
    assert all(shown(centre, number(of)) == {} for of in (1, 2, 3))
