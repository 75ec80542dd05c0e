# SPDX-License-Identifier: Apache-2.0
"""Something is set back to what it was before: the database, by a backup or by failing over to a standby that lagged;
an agent's machine; a spool that is gone. What was acknowledged comes again from whoever still has it, once."""
import shutil

import pytest

import trial as trials

pytestmark = pytest.mark.fault


@pytest.mark.postgres("fsync=on")
def test_the_database_is_set_back(exchange):
    trial = trials.Trial(exchange).start()
    trial.restored = True
    with trial.fault("restore: the database set back to a backup"):
        trial.settle()
        backup = exchange.directory / "backup"
        exchange.cluster.back_up(backup)
        trial.send()
        trial.settle()
        trial.running.pop("receiver").stop()
        exchange.cluster.restore(backup)
        exchange.dongbo("epoch", "new", "--reason", "restored from a backup")
        trial.settle_publishing()  # though the agent has nothing to say by itself
        ahead = exchange.run(*trial.receiver.command("--until-head"))
        assert ahead.returncode != 0 and "restored" in ahead.stderr, ahead.stderr
        shutil.rmtree(trial.receiver.directory)
        trial.receiver.directory.mkdir()
        trial.running["receiver"] = trial.receiver.start()
    assert "sent again" in trial.said and "agents are asked anew" in trial.said
    assert exchange.cluster.value("SELECT max(epoch) FROM exchange.epoch") == 2


def test_an_agents_machine_is_set_back(exchange):
    trial = trials.Trial(exchange).start()
    trial.restored = True
    with trial.fault("restore: an agent's machine set back"):
        trial.settle()
        trial.running.pop("agent").stop()
        backup = exchange.directory / "backup.spool"
        shutil.copy(trial.spool, backup)
        trial.running["agent"] = trial.agent.start()
        trial.send()
        trial.settle()
        trial.running.pop("agent").stop()
        trial.forget_spool()
        shutil.copy(backup, trial.spool)
        trial.running["agent"] = trial.agent.start()
    assert "a new stream is opened" in trial.said
    assert exchange.cluster.value("SELECT count(*) FROM exchange.stream") == 2


def test_a_spool_is_lost(exchange):
    trial = trials.Trial(exchange).start()
    trial.restored = True
    with trial.fault("restore: a spool lost"):
        trial.settle()
        trial.running.pop("agent").stop()
        trial.forget_spool()
        trial.drop_again()
        trial.running["agent"] = trial.agent.start()
    assert exchange.cluster.value("SELECT count(*) FROM exchange.stream") == 2
