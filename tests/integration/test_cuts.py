# SPDX-License-Identifier: Apache-2.0
"""The network is cut, in both directions or in one, and neither side is told; a broker stands still and is let go
again while another one works on."""
import contextlib
import os
import signal
import time

import pytest

import conftest
import people
import trial as trials
import wire
from proxy import Proxy

pytestmark = pytest.mark.fault
CUT_SECONDS = 60 if trials.FULL else 1  # PEER_SILENT_MS and less
PAUSE_SECONDS = 60 if trials.FULL else 0


@pytest.fixture(scope="module")
def trial(template):
    with conftest.open_site(template) as exchange:
        proxies = {name: Proxy(exchange.directory / f"{name}.net", exchange.directory / name)
                   for name in ("publish", "subscribe")}
        made = trials.Trial(exchange, *[f'"ipc://{proxy.path}"' for proxy in proxies.values()]).start()
        made.proxies = proxies
        yield made
        for proxy in proxies.values():
            proxy.close()


DIRECTIONS = {"both directions": {}, "the way to the broker": {"down": True}, "the way back": {"up": True}}


@pytest.mark.parametrize("between", ["publish", "subscribe"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_network_is_cut(trial, between, direction):
    proxy = trial.proxies[between]
    with trial.fault(f"network: {direction} cut ({between})"):
        trial.settle()
        proxy.cut(**DIRECTIONS[direction])
        trial.send()
        if between == "subscribe":
            trial.settle_publishing()
        trials.wait(lambda began=time.monotonic(): time.monotonic() - began > CUT_SECONDS, "the cut is over", 120)
        proxy.mend()


@pytest.mark.parametrize("between", ["publish", "subscribe"])
def test_connections_are_dropped(trial, between):
    with trial.fault(f"network: connections dropped ({between})"):
        for _ in range(3):
            trial.send()
            trial.proxies[between].drop_all()


@pytest.fixture
def behind_net(exchange):
    """An exchange whose broker reaches its database through a network; everybody else is beside it."""
    net = exchange.directory / "net"
    net.mkdir()
    proxy = Proxy(net / ".s.PGSQL.5432", exchange.cluster.directory / ".s.PGSQL.5432")
    made = trials.Trial(exchange)
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text().replace(f"host={exchange.cluster.directory} ", f"host={net} "))
    yield made.start(), proxy
    proxy.close()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_broker_is_cut_off_from_its_database(behind_net, direction):
    """Longer than its transactions may be idle, so that the server ends some of them meanwhile."""
    trial, proxy = behind_net
    with trial.fault(f"network: {direction} cut (database)"):
        trial.settle()
        before = trial.cluster.value(trials.EVENTS)
        proxy.cut(**DIRECTIONS[direction])
        trial.send()
        trials.wait(lambda began=time.monotonic(): time.monotonic() - began > 6 + CUT_SECONDS, "the cut is over", 120)
        assert trial.cluster.value(trials.EVENTS) == before or direction == "the way back"
        proxy.mend()


# ---- two brokers -----------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def let_go(process):
    """However the test ends."""
    try:
        yield
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)


HOLDS = ("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.relation = "
         "'exchange.lock_of_log'::regclass "
         "AND l.granted AND a.application_name = 'dongbo writer' AND a.state ~ '^idle in transaction'")


def listen(peer, seconds):
    """Answers what it is asked, so that its session lives."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        peer.receive(timeout=left)


def stop_in_transaction(exchange, broker, send):
    """Stands the broker still while its writer holds the log's lock and owes its transaction's end."""
    exchange.cluster.rows("CREATE FUNCTION public.drag() RETURNS trigger LANGUAGE plpgsql AS "
                          "$$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$")
    exchange.cluster.rows("CREATE TRIGGER drag BEFORE INSERT ON exchange.segment_0 FOR EACH ROW "
                          "EXECUTE FUNCTION public.drag()")
    send()
    trials.wait(lambda: exchange.cluster.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                                               "'dongbo writer' AND wait_event = 'PgSleep'"), "the segment is written")
    os.kill(broker.popen.pid, signal.SIGSTOP)
    trials.wait(lambda: exchange.cluster.value(HOLDS), "the transaction is open")


def test_a_broker_is_paused_with_the_lock(exchange):
    """PostgreSQL frees its lock after some seconds; its agent goes to the other one, sends again and goes on. Then the
    first one wakes up with a batch half stored, and a session that it believes in."""
    trial = trials.Trial(exchange, publish=f'"{exchange.publish}", "{exchange.publish2}"').start()
    first = trial.running["broker"]
    exchange.start_second_broker()
    with let_go(first), wire.publisher(exchange, "MOH") as peer, \
            trial.fault("brokers: one paused with the log's lock, let go again"):
        trial.settle()
        peer.hello()
        key = "vac-0"
        sealed = {}
        stop_in_transaction(exchange, first, lambda: sealed.update(batch=peer.send_batch(
            [people.dose(trials.CITIZENS - 1, 40, key=key)])))
        exchange.cluster.rows("DROP TRIGGER drag ON exchange.segment_0")
        trial.rows[key], trial.n_others = "ACCEPTED", 1
        with wire.Publisher(exchange.publish2, peer.keys, wire.keys_of(exchange, "broker").curve_public,
                            stream=peer.stream) as other:
            assert other.hello().last_sequence == 0
            other.send_sealed(sealed["batch"], 1)
            receipt = other.receipt(timeout=30)  # as soon as the lock is free
            assert not receipt.body.duplicate
            listen(other, PAUSE_SECONDS)
            os.kill(first.popen.pid, signal.SIGCONT)
            trial.told("the writer's database is back")
            other.send_sealed(sealed["batch"], 1)
            assert other.receipt().body.duplicate
    assert "idle-in-transaction" in trial.said
