# SPDX-License-Identifier: Apache-2.0
"""An agency that is a committee too: one process publishes and receives, what it said itself does not come back, and
neither half outlives the other."""
import contextlib
import socket

import pytest

import people
import wire
from conftest import BUILD

N = 60
FIELDS = "citizen_number,health.vaccine_group,health.dose_number"


class Manager:
    """What a service manager hears."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.told = []

    def hear(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told.append(self.socket.recv(4096).decode())
        return self.told

    def status(self):
        return next((text for text in reversed(self.hear()) if text.startswith("STATUS=")), "")


@pytest.fixture
def ministry(exchange, monkeypatch):
    """The Ministry of Health both ways, beside Social Security, which says doses too."""
    exchange.load_population(people.citizens(N))
    publisher = exchange.agency("MOH", "health", ["vaccinations"])
    exchange.agency("VSS", "health", [])
    exchange.committee("hn", "health", FIELDS, "--agency", "MOH")
    exchange.committee("other", "health", FIELDS)
    exchange.start_broker()
    manager = Manager(exchange.directory / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(exchange.directory / "notify"))
    with wire.publisher(exchange, "VSS") as peer, contextlib.closing(manager.socket):
        peer.hello()
        exchange.publisher, exchange.manager, exchange.vss = publisher, manager, peer
        yield exchange


def run(exchange, *receivers):
    words = [word for name in receivers for word in ("--receive", exchange.receivers[name].config)]
    return exchange.start([BUILD / "agents/dongbo-agent", "run", "--publish", exchange.publisher.config, *words],
                          exchange.directory / "run.log")


def numbers(exchange, name):
    return sorted(record["citizen_number"] for record in exchange.receivers[name].records())


def people_of(first, last):
    return sorted(people.citizen(n)["citizen_number"] for n in range(first, last))


def drop(exchange, name, first, last):
    exchange.publisher.drop("vaccinations", name, [people.dose_row(n) for n in range(first, last)])


def test_gets_all_but_its_own(ministry):
    process = run(ministry, "hn", "other")
    manager = ministry.manager
    process.wait_for(lambda: "READY=1" in manager.hear(), "both halves to be ready")
    drop(ministry, "a.csv", 0, 20)
    ministry.vss.publish([people.dose(n, agency="VSS") for n in range(20, 30)])
    process.wait_for(lambda: numbers(ministry, "other") == people_of(0, 30), "the records of both")
    process.wait_for(lambda: numbers(ministry, "hn") == people_of(20, 30), "the records of the other agency")
    process.wait_for(lambda: "1 of 1 streams open, 0 bytes wait" in manager.status(), "the publisher's word")
    head = ministry.cluster.value("SELECT max(last_position) FROM exchange.segment")
    process.wait_for(lambda: manager.status().count(f"position {head} of {head}") == 2, "the receivers' word")
    # Unless it asks.
    ministry.dongbo("subscription", "change", "hn", "--echo", "yes")
    ministry.wait_in_force()
    drop(ministry, "b.csv", 30, 40)
    process.wait_for(lambda: numbers(ministry, "hn") == people_of(20, 40), "its own records")
    assert process.stop() == 0, process.text()
    assert manager.hear()[-1].count("ended with code 0") == 3 and "STOPPING=1" in manager.told


def test_a_broker_that_goes_is_told_and_waited_for(ministry):
    process = run(ministry, "hn")
    manager = ministry.manager
    process.wait_for(lambda: "1 of 1 streams open" in manager.status(), "a session")
    ministry.broker.kill()
    process.wait_for(lambda: "0 of 1 streams open" in manager.status() and "position" not in manager.status(),
                     "the loss to be told")
    drop(ministry, "a.csv", 0, 20)
    ministry.start_broker()
    ministry.vss.hello()
    ministry.vss.publish([people.dose(n, agency="VSS") for n in range(20, 30)])
    process.wait_for(lambda: numbers(ministry, "hn") == people_of(20, 30), "the records")
    process.wait_for(lambda: "1 of 1 streams open, 0 bytes wait" in manager.status(), "the publisher's word")
    assert process.stop() == 0, process.text()


@pytest.mark.parametrize(("change", "code", "says"), [
    (("subscription: hn", "subscription: nobody"), 1, "This key belongs"),
    (("kind: jsonl", "kind: postgres"), 2, "a postgres sink has"),
])
def test_one_half_does_not_outlive_the_other(ministry, change, code, says):
    config = ministry.receivers["hn"].config
    good = config.read_text()
    config.write_text(good.replace(*change))
    process = run(ministry, "hn")
    assert process.popen.wait(30) == code, process.text()
    assert says in process.text() and f"ended by itself with code {code}" in process.text()
    config.write_text(good)
    ministry.manager.hear().clear()
    process = run(ministry, "hn")
    process.wait_for(lambda: "READY=1" in ministry.manager.hear(), "both halves to be ready")
    second = run(ministry, "other")  # on the same spool
    assert second.popen.wait(30) == 2
    assert process.running() and process.stop() == 0


def test_words_are_checked(ministry):
    program = BUILD / "agents/dongbo-agent"
    assert ministry.run(program, "run").returncode == 2
    assert "publish and receive in one process" in ministry.run(program, "run", "--help", check=True).stdout
    done = ministry.run(program, "run", "--publish", "nowhere.yaml")
    assert done.returncode == 2 and "nowhere.yaml" in done.stderr
