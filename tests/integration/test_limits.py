# SPDX-License-Identifier: Apache-2.0
"""A broker that may have no more: no memory, no file descriptors. It may end, for its unit starts it again, but nothing
that it acknowledged is gone, and somebody is told which limit it was."""
import pathlib
import resource
import socket

import pytest

import trial as trials
import wire

pytestmark = pytest.mark.fault
RESERVED = 128  # DESCRIPTORS_RESERVED


def limit(process, kind, n):
    """Gives what it was, for later."""
    soft, hard = resource.prlimit(process.popen.pid, kind)
    resource.prlimit(process.popen.pid, kind, (n, hard))
    return soft, hard


def descriptors(process):
    return len(list(pathlib.Path(f"/proc/{process.popen.pid}/fd").iterdir()))


def address_space(process):
    return int(pathlib.Path(f"/proc/{process.popen.pid}/statm").read_text().split()[0]) * resource.getpagesize()


def end_sessions(trial):
    trial.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       "WHERE application_name IN ('dongbo worker', 'dongbo writer')")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_no_file_descriptors(exchange, transport):
    """First for peers: the broker's sessions with its database have some of their own. Then for nobody."""
    if transport == "tcp":
        config = exchange.directory / "broker.yaml"
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        config.write_text(config.read_text().replace(exchange.subscribe, endpoint))
        exchange.subscribe = endpoint
    trial = trials.Trial(exchange).start()
    broker = trial.running["broker"]
    with trial.fault(f"broker: out of file descriptors ({transport})"):
        trial.settle()
        before = limit(broker, resource.RLIMIT_NOFILE, descriptors(broker) + RESERVED)
        with wire.subscriber(exchange, "hn"):  # who comes now is turned away
            trial.told("no file descriptors are left for peers")
            end_sessions(trial)
            trial.send()
            trial.settle()
        limit(broker, resource.RLIMIT_NOFILE, 12)  # poll() takes as many
        end_sessions(trial)
        trial.send()
        trial.told("this program has no file descriptors left")
        resource.prlimit(broker.popen.pid, resource.RLIMIT_NOFILE, before)
    assert trial.said.count("LimitNOFILE") >= 2


def test_no_memory(exchange):
    trial = trials.Trial(exchange).start()
    broker = trial.running["broker"]
    with trial.fault("broker: out of memory", may_end=["broker"]):
        limit(broker, resource.RLIMIT_AS, address_space(broker))
        for _ in range(5):
            trial.send(1000)
        trials.wait(lambda: not broker.running(), "the broker ends")
    assert "MemoryMax" in trial.said
