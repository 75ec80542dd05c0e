# SPDX-License-Identifier: Apache-2.0
"""A database that was set back in place, and brokers of which not every one can know it."""
import signal

import people
import pytest

from test_proofs import put


@pytest.mark.postgres("fsync=on")
def test_another_broker_writes_past_where_one_had_left_the_log(exchange):
    """Which was started since, and cannot know that anything was set back. The one that does finds what it had left
    there gone, though the log is longer than it was."""
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + "head_interval_ms: 3600000\n")
    exchange.load_population(people.citizens(40))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    exchange.start_broker()
    put(moh, 0, 5)
    backup = exchange.directory / "backup"
    exchange.cluster.back_up(backup)
    put(moh, 5, 10)
    left = exchange.cluster.value("SELECT last_position FROM exchange.head")
    exchange.broker.popen.send_signal(signal.SIGSTOP)
    try:
        exchange.cluster.restore(backup)
        second = exchange.start_second_broker()
        moh.config.write_text(moh.config.read_text().replace(exchange.publish, exchange.publish2))
        put(moh, 10, 25)
        assert exchange.cluster.value("SELECT last_position FROM exchange.head") > left
        assert exchange.cluster.value("SELECT count(*) FROM exchange.epoch") == 1, "the second one cannot know"
    finally:
        exchange.broker.popen.send_signal(signal.SIGCONT)
    moh.config.write_text(moh.config.read_text().replace(exchange.publish2, exchange.publish))
    put(moh, 25, 30)
    [reason] = [reason for reason, in exchange.cluster.rows("SELECT reason FROM exchange.epoch ORDER BY epoch")][1:]
    assert reason.startswith(f"the database was restored from an older copy: the log ended at {left} with another ")
    exchange.cluster.stop()
    exchange.cluster.start()  # what is as it was left begins none
    put(moh, 30, 35)
    assert exchange.cluster.value("SELECT count(*) FROM exchange.epoch") == 2
    assert second.stop() == 0
