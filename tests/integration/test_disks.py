# SPDX-License-Identifier: Apache-2.0
"""Disks fill up: the database's, its log's, the broker's own log's, the agent's. Nobody loses anything, whoever is
concerned says which disk it is, and all goes on when there is room again."""
import contextlib
import os
import shutil
import subprocess

import psycopg2
import pytest

import conftest
import trial as trials
from test_kill import adopt_orphans  # noqa: F401 (fixture)
from test_publish import small_disk  # noqa: F401 (fixture)

pytestmark = pytest.mark.fault


def make_small(directory, mount, size):
    """A small disk that belongs to the database's user."""
    directory.mkdir()
    mount(directory, size)
    user = subprocess.run([conftest.ROOT / "deploy/cluster", "user"], check=True, capture_output=True, text=True)
    shutil.chown(directory, user.stdout.strip())
    directory.chmod(0o700)


@contextlib.contextmanager
def filled(directory):
    """No byte is left on this disk until the block ends."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for piece in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(piece)):
                    pass
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@pytest.mark.postgres("fsync=on")
def test_the_databases_disk_is_full(exchange, workdir, small_disk):
    make_small(workdir / "small", small_disk, "24m")
    exchange.cluster.rows(f"CREATE TABLESPACE small LOCATION '{workdir}/small'")
    for table in ("segment_0", "record_version", "exception"):
        exchange.cluster.rows(f"ALTER TABLE exchange.{table} SET TABLESPACE small")
    trial = trials.Trial(exchange).start()
    with trial.fault("postgresql: its disk is full"):
        with filled(workdir / "small"):
            trial.send(1000)
            trial.told("make room on the database's disk")
    assert "(53100)" in trial.said and "the writer's database is back" in trial.said


def test_the_disk_of_the_databases_log_is_full(workdir, template, small_disk):
    """PostgreSQL cannot go on without, nor start: somebody makes room and starts it, and that is all."""
    make_small(workdir / "wal", small_disk, "80m")
    shutil.copytree(template, workdir / "pg0")
    settings = ("fsync=on", "min_wal_size=32MB", "max_wal_size=48MB", "wal_recycle=off")
    with conftest.open_cluster(workdir, template, *settings) as cluster, \
            conftest.open_exchange(cluster, workdir) as exchange:
        cluster.stop()
        for path in (cluster.directory / "data/pg_wal").iterdir():
            subprocess.run(["cp", "-a", path, workdir / "wal"], check=True)
        shutil.rmtree(cluster.directory / "data/pg_wal")
        (cluster.directory / "data/pg_wal").symlink_to(workdir / "wal")
        cluster.start()
        trial = trials.Trial(exchange).start()
        with trial.fault("postgresql: the disk of its write-ahead log is full"):
            with filled(workdir / "wal"):
                trial.send()
                with contextlib.suppress(psycopg2.Error):
                    cluster.rows("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'test', 'x')")
                trial.told("see whether PostgreSQL runs")
            cluster.stop("immediate")
            cluster.start()


def test_the_brokers_log_is_full(exchange, workdir, small_disk):
    make_small(workdir / "log", small_disk, "64k")
    (workdir / "log").chmod(0o755)
    os.symlink(workdir / "log/broker.log", workdir / "broker.log")
    trial = trials.Trial(exchange).start()
    with trial.fault("broker: the disk of its log is full"):
        trial.settle()
        with (workdir / "broker.log").open("a", encoding="utf-8") as log:  # the last block has room for half a line
            log.write("20 fill ".ljust((-log.tell() - 30) % 4096 - 1, "x") + "\n")
        with filled(workdir / "log"):
            trial.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE application_name = 'dongbo feed'")
            trial.send()
            trial.settle()
        trial.running.pop("receiver").stop()
        trial.running["receiver"] = trial.receiver.start()
    assert "lines of this log are missing here" in trial.said and "make room where it goes" in trial.said
    assert all(line.startswith("20") for line in (workdir / "broker.log").read_text().splitlines())  # none is torn


def test_the_agents_disk_is_full(exchange, workdir, small_disk):
    make_small(workdir / "spool", small_disk, "2m")
    trial = trials.Trial(exchange)
    trial.move_spool(workdir / "spool/moh.spool")
    trial.start()
    with trial.fault("agent: the disk of its spool is full", may_end=["agent"]):
        with filled(workdir / "spool"):
            trial.send(400)
            trial.told("make room on its disk, nothing is lost", "publish-moh.log")


def test_a_committees_disk_is_full(exchange, small_disk):
    """Its agent ends or waits; nothing is acknowledged that is not stored, and nothing comes twice."""
    trial = trials.Trial(exchange)
    small_disk(trial.receiver.directory, "1m")
    trial.start()
    with trial.fault("agent: the disk of a committee's sink is full", may_end=["receiver"]):
        trial.settle()
        with filled(trial.receiver.directory):
            trial.send(400)
            trial.settle_publishing()
            trial.told("make room", "receive-hn.log")
    assert "No space left on device" in trial.said
