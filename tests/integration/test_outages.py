# SPDX-License-Identifier: Apache-2.0
"""What PostgreSQL does to an exchange: killed, restarted, full, read-only, slow, out of sessions. The same broker,
agent and receiver live through all of it, one fault after the other, and nobody restarts or tells them anything."""
import contextlib
import os
import signal
import time

import psycopg2
import pytest

import conftest
import trial as trials
from test_kill import Run, adopt_orphans  # noqa: F401 (fixture)

pytestmark = pytest.mark.fault
SETTINGS = ("fsync=on", "max_connections=40", "superuser_reserved_connections=3", "wal_level=replica",
            "checkpoint_timeout=30s")


@pytest.fixture(scope="module")
def trial(template):
    with conftest.open_workdir() as directory, conftest.open_cluster(directory, template, *SETTINGS) as cluster, \
            conftest.open_exchange(cluster, directory) as exchange:
        yield trials.Trial(exchange).start()


def backends(trial, what):
    return [pid for pid, in trial.cluster.rows(f"SELECT pid FROM pg_stat_activity WHERE {what}")]


# ---- it dies ---------------------------------------------------------------------------------------------------------

def test_postmaster_is_killed(trial):
    with trial.fault("postgresql: the postmaster is killed"):
        Run.kill_postmaster(trial)
        trial.send()
    assert "see whether PostgreSQL runs" in trial.said


@pytest.mark.parametrize("session", ["dongbo writer", "dongbo worker", "dongbo policy", "dongbo feed"])
def test_a_backend_is_killed(trial, session):
    """The server's side of one session, in the middle of work; PostgreSQL then ends all the others too."""
    with trial.fault(f"postgresql: the backend of {session} is killed"):
        os.kill(trials.wait(lambda: backends(trial, f"application_name = '{session}'"), session)[0], signal.SIGKILL)
    lost = [line for line in trial.said.splitlines() if " WARN " in line and "connection" in line]
    # A session that the server could still tell of its end says what the server said.
    advice = ("see whether PostgreSQL runs", "see PostgreSQL's own log if it does not come back")
    assert lost and all(any(text in line for text in advice) for line in lost), trial.said


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart(trial, mode):
    with trial.fault(f"postgresql: stopped ({mode}) and started later"):
        trial.cluster.stop(mode)
        trial.send()
        trial.told("see whether PostgreSQL runs")
        trial.cluster.start()
    assert "is back" in trial.said


# ---- it is there and does not do it ----------------------------------------------------------------------------------

def test_no_sessions_left(trial):
    """Somebody else takes all of the server's sessions while ours are lost."""
    with trial.fault("postgresql: out of connections"), contextlib.ExitStack() as others:
        trial.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^dongbo'")
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                others.enter_context(contextlib.closing(psycopg2.connect(
                    trial.cluster.conninfo("dongbo_reader"), application_name="somebody else")))
        trial.send()
        trial.told("max_connections")
    assert "max_connections" in trial.said


def test_it_only_reads(trial):
    with trial.fault("postgresql: read-only"):
        trial.cluster.rows("ALTER SYSTEM SET default_transaction_read_only = on")
        trial.cluster.rows("SELECT pg_reload_conf()")
        trial.send()
        trial.told("this server only reads")
        with contextlib.closing(trial.cluster.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute("ALTER SYSTEM RESET default_transaction_read_only")
            cursor.execute("SELECT pg_reload_conf()")
    assert "target_session_attrs" in trial.said


def test_it_is_slow(trial):
    """Every segment takes half a second to insert."""
    with trial.fault("postgresql: slow"):
        trial.cluster.rows("CREATE FUNCTION public.drag() RETURNS trigger LANGUAGE plpgsql AS "
                           "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$")
        trial.cluster.rows("CREATE TRIGGER drag BEFORE INSERT ON exchange.segment_0 FOR EACH ROW "
                           "EXECUTE FUNCTION public.drag()")
        trial.send()
        began = time.monotonic()
        trials.wait(lambda: trial.cluster.value(trials.EVENTS) == len(trial.rows), "all rows are stored")
        assert time.monotonic() - began > 0.3  # they really took their time
        trial.cluster.rows("DROP TRIGGER drag ON exchange.segment_0")
        trial.cluster.rows("DROP FUNCTION public.drag()")


@pytest.mark.parametrize("session", ["dongbo writer", "dongbo feed"])
def test_a_backend_stands_still(trial, session):
    with trial.fault(f"postgresql: the backend of {session} stands still"):
        pids = trials.wait(lambda: backends(trial, f"application_name = '{session}'"), session)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        trial.send()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
