# SPDX-License-Identifier: Apache-2.0
"""What is erased stays erased, whatever brokers are doing meanwhile: it comes back from nowhere, and keeps nothing
else waiting."""
import signal

from test_erased import erased_lots
from test_erasure import FIELDS, ROW, carry_out, entry_rows, verify
from test_population_events import centre, dose, number, shown  # noqa: F401 (fixture)
from test_sent_again import WAITING


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
    position = moh.publish([dose(number(1), 1, "SECRET", 20)])[1].last_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    before = len(receiver.records())
    exchange.start_second_broker()
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
