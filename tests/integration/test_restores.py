# SPDX-License-Identifier: Apache-2.0
"""Something is set back to what it was before: the database, by a backup or by failing over to a standby that lagged;
an agent's machine; a spool that is gone. What was acknowledged comes again from whoever still has it, once."""
import contextlib
import shutil

import pytest

import conftest
import trial as trials
import wire
from test_proofs import proven

pytestmark = pytest.mark.fault


def receive_anew(trial):
    """A committee that is ahead of the exchange is told so, and nothing is renumbered in silence; its keeper then has
    it receive into an empty store."""
    ahead = trial.exchange.run(*trial.receiver.command("--until-head"))
    assert ahead.returncode != 0 and "restored" in ahead.stderr, ahead.stderr
    shutil.rmtree(trial.receiver.directory)
    trial.receiver.directory.mkdir()
    trial.running["receiver"] = trial.receiver.start()


@contextlib.contextmanager
def standby_of(cluster, directory):
    """A server that follows this one."""
    cluster.back_up(directory)
    for name, text in (("standby.signal", ""), ("postgresql.auto.conf", f"primary_conninfo = 'host={cluster.directory} "
                                                                        "user=postgres'\n")):
        path = directory / "data" / name
        path.write_text(text)
        shutil.chown(path, (directory / "data").owner())
    standby = conftest.Cluster(directory, cluster.settings)
    standby.start()
    try:
        yield standby
    finally:
        standby.stop("immediate")


@pytest.mark.postgres("fsync=on")
def test_a_standby_that_lagged_takes_over(exchange):
    """What the server acknowledged last is on no other: its agents have it, and nobody has to declare anything."""
    with standby_of(exchange.cluster, exchange.directory / "pg2") as standby:
        for path in (exchange.config, exchange.directory / "broker.yaml"):
            path.write_text(path.read_text().replace(
                f"host={exchange.cluster.directory} ",
                f"host={exchange.cluster.directory},{standby.directory} target_session_attrs=read-write "))
        trial = trials.Trial(exchange).start()
        trial.restored = True
        with trial.fault("postgresql: failed over to a standby that lagged"):
            trial.settle()
            end = exchange.cluster.value("SELECT pg_current_wal_lsn()")
            trials.wait(lambda: standby.value("SELECT pg_last_wal_replay_lsn() >= %s", end), "the standby follows")
            standby.rows("ALTER SYSTEM SET primary_conninfo = ''")
            standby.rows("SELECT pg_reload_conf()")
            trials.wait(lambda: standby.value("SELECT count(*) = 0 FROM pg_stat_wal_receiver"), "it follows no more")
            trial.send()
            trial.settle()
            trial.running.pop("receiver").stop()
            exchange.cluster.stop("immediate")
            assert standby.value("SELECT pg_promote()")
            exchange.cluster = trial.cluster = standby
            trial.send()
            trial.settle_publishing()
            receive_anew(trial)
        assert "sent again" in trial.said
        assert standby.rows("SELECT reason FROM exchange.epoch ORDER BY epoch")[1:] == [
            ("the database's timeline changed: it was restored or failed over",)]
        assert exchange.stop() == []


@pytest.mark.postgres("fsync=on")
def test_the_server_comes_back_as_a_standby(exchange):
    """As the machine that the broker knows does after a failover, until it is promoted in turn."""
    trial = trials.Trial(exchange).start()
    with trial.fault("postgresql: comes back as a standby, and is promoted"):
        trial.settle()
        exchange.cluster.stop("immediate")
        signal = exchange.cluster.directory / "data/standby.signal"
        signal.touch()
        shutil.chown(signal, (exchange.cluster.directory / "data").owner())
        exchange.cluster.start()
        trial.send()
        trial.told("this server only reads")
        assert exchange.cluster.value("SELECT pg_promote()")
    assert "target_session_attrs" in trial.said
    assert exchange.cluster.value("SELECT count(*) FROM exchange.epoch") == 2


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
        first = exchange.cluster.value("SELECT max(epoch) FROM exchange.epoch")
        exchange.cluster.restore(backup)  # once more to the same copy, which knows nothing of that epoch
        exchange.dongbo("epoch", "new", "--reason", "restored from a backup")
        trial.settle_publishing()
        assert exchange.cluster.value("SELECT max(epoch) FROM exchange.epoch") > first
        receive_anew(trial)
    assert "sent again" in trial.said and "agents are asked anew" in trial.said
    assert exchange.cluster.value("SELECT count(*) FROM exchange.epoch") == 2
    asked = [line for line in exchange.log() if line["kind"] == "epoch" and "from a backup" in line["text"]]
    assert [line["decided_by"] for line in asked] == ["dongbo_operator"], "who asked stands in the log"


def signed(exchange):
    """Signed heads, by epoch and number: two of one would prove that the exchange showed two logs."""
    heads = [bytes(head) for head, in exchange.cluster.rows("SELECT head FROM exchange.signed_head ORDER BY number")]
    return {(head.epoch, head.number): data for data in heads for head in [wire.TreeHead.FromString(data)]}


@pytest.mark.postgres("fsync=on")
def test_nobody_says_that_the_database_was_set_back(exchange):
    """A copy was put back in place, and neither its identity nor its timeline shows it: the broker that had written
    more does. Another one, which never wrote anything, signs no second head of a number meanwhile."""
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + "head_interval_ms: 50\n")
    trial = trials.Trial(exchange).start()
    trial.restored = True
    second = exchange.start_second_broker()
    with trial.fault("restore: the database set back, and nobody says so"):
        trial.settle()
        backup = exchange.directory / "backup"
        exchange.cluster.back_up(backup)
        trial.send()
        trial.settle()
        exchange.wait_until("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - "
                            "(SELECT max(size) FROM exchange.signed_head)", 0)
        before = signed(exchange)
        trial.running.pop("receiver").stop()
        exchange.cluster.restore(backup)
        trial.settle_publishing()
        receive_anew(trial)
    assert "sent again" in trial.said
    [reason] = [reason for reason, in exchange.cluster.rows("SELECT reason FROM exchange.epoch ORDER BY epoch")][1:]
    assert reason.startswith("the database was restored from an older copy: the log ended at ")
    after = signed(exchange)
    assert len({epoch for epoch, _ in after}) == 2
    assert all(after[place] == data for place, data in before.items() if place in after)
    assert second.stop() == 0


@pytest.mark.postgres("fsync=on")
def test_a_restore_that_nobody_declared(exchange):
    """What the programs and deploy/RESTORE.md say to the people of both sides is all that has to be done."""
    trial = trials.Trial(exchange).start()
    trial.restored = True
    with trial.fault("restore: the database set back under a stopped broker, and nobody declares it"):
        trial.settle()
        backup = exchange.directory / "backup"
        exchange.cluster.back_up(backup)
        trial.send()
        trial.settle()
        agent = trial.running.pop("agent")
        trials.wait(lambda: proven(trial.agent), "all is proved")
        trial.running.pop("receiver").stop()
        trial.running.pop("broker").stop()  # one that ran on would find that the log ends before where it left it
        exchange.cluster.restore(backup)
        trial.running["broker"] = exchange.start_broker()
        trials.wait(lambda: not agent.running(), "the agent ends")
        assert agent.popen.wait() == 3
        assert "dongbo epoch new" in agent.text() and "then start this agent again" in agent.text()
        ahead = exchange.run(*trial.receiver.command("--until-head"))
        assert ahead.returncode == 1 and "dongbo epoch new" in ahead.stderr and "empty sink" in ahead.stderr
        exchange.dongbo("epoch", "new", "--reason", "restored from a backup")
        trial.running["agent"] = trial.agent.start()
        trial.settle_publishing()
        shutil.rmtree(trial.receiver.directory)
        trial.receiver.directory.mkdir()
        trial.running["receiver"] = trial.receiver.start()
    assert "sent again" in trial.said


def test_the_population_store_is_set_back_alone(exchange):
    """It would give the keys of persons whom it forgot to others. Nothing is decided until it has again what the log
    was decided by; nor is it loaded, which would hide that it was set back."""
    trial = trials.Trial(exchange).start()
    with trial.fault("restore: the population store set back alone, and made good"):
        trial.settle()
        known = exchange.cluster.value("SELECT population_position FROM exchange.head")
        exchange.cluster.rows("UPDATE population.state SET position = position - 1")
        head = exchange.cluster.value("SELECT last_position FROM exchange.head")
        trial.send()
        trial.told(f"at its change {known - 1}, and the log was decided by its change {known}: it was set back alone")
        assert exchange.cluster.value("SELECT last_position FROM exchange.head") == head
        assert "it was set back alone" in exchange.dongbo("status").stdout
        path = exchange.directory / "more.csv"
        path.write_text("citizen_number,full_name,birth_date,sex,mother_name,father_name,residence_province,"
                        "residence_province63,residence_commune,died_on\n")
        for command in ("load", "aliases"):
            refused = exchange.dongbo("population", command, path, check=False)
            assert refused.returncode == 2 and "it was set back alone" in refused.stderr, refused.stderr
        exchange.cluster.rows("UPDATE population.state SET position = position + 1")


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


def test_a_committees_machine_is_set_back(exchange):
    """It goes on where its copy ends: the place is stored with the records."""
    trial = trials.Trial(exchange).start()
    with trial.fault("restore: a committee's machine set back"):
        trial.settle()
        trial.running.pop("receiver").stop()
        backup = exchange.directory / "backup.received"
        shutil.copytree(trial.receiver.directory, backup)
        trial.running["receiver"] = trial.receiver.start()
        trial.send()
        trial.settle()
        trial.running.pop("receiver").stop()
        shutil.rmtree(trial.receiver.directory)
        shutil.copytree(backup, trial.receiver.directory)
        trial.running["receiver"] = trial.receiver.start()
