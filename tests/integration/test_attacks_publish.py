# SPDX-License-Identifier: Apache-2.0
"""Attacks of an agency that has a key of its own: floods, replays, forged sequences, lies about time, bombs. Honest
peers go on meanwhile (attack.py), and in the end the whole log is checked."""
import os
import time

import pytest

import people
import wire
from attack import FULL, attacked, open_attacked, short

BATCH_MAX = 256 * 1024
TOP = (1 << 64) - 1


@pytest.fixture(scope="module")
def site(template):
    with open_attacked(template) as exchange:
        yield exchange


@pytest.fixture
def moh(site):
    with wire.publisher(site, "MOH") as peer:
        peer.hello()
        yield peer


def answers(peer, timeout=0.3):
    """Whatever comes until it is quiet: names of frames, errors and refusals."""
    said = []
    while (received := peer.receive(timeout)) is not None:
        name = wire.TYPE_NAMES[received.type]
        if received.type == wire.ERROR:
            name = wire.Error.Code.Name(received.code)
        elif received.type == wire.REFUSAL:
            name = wire.Refusal.Code.Name(received.code)
        said.append(name)
    return said


def greeted(peer):
    """The type of what a Hello is answered with."""
    peer.say_hello()
    assert peer.socket.poll(wire.TIMEOUT * 1000)
    return wire.Received(peer.socket.recv()).type


# ---- Hello -----------------------------------------------------------------------------------------------------------

def test_a_flood_of_hellos(site):
    """So many at once and then so many a second; the rest is told to wait, and costs no database anything."""
    with attacked(site), wire.publisher(site, "MOH") as flood:
        epoch = flood.hello().session_epoch
        begin, n = time.monotonic(), short(2000, 50000)
        for _ in range(n):
            flood.say_hello()
        flood.session = 0
        said = answers(flood, 1)
        passed = time.monotonic() - begin
        assert said.count("TOO_OFTEN") > 500, len(said)
        opened = site.cluster.value("SELECT session_epoch FROM exchange.stream WHERE stream = %s", flood.stream) - epoch
        assert opened <= 1024 + 32 * (passed + 1)
    with wire.publisher(site, "MOH") as later:  # the agency's honest agents have what it is given each second
        deadline = time.monotonic() + 5
        while greeted(later) != wire.WELCOME_PUBLISH:
            assert time.monotonic() < deadline


def test_hellos_that_are_given_up(site):
    """A Hello, and rubbish that ends its session before it is opened, over and over: what the database is still asked
    for is counted, so that others are greeted in time."""
    with attacked(site), wire.publisher(site, "MOH") as flood:
        for _ in range(short(300, 3000)):
            for _ in range(3):
                flood.say_hello(stream=os.urandom(16))
            flood.send_frames(b"rubbish")
            with_answer = flood.receive(0)
            assert with_answer is None or with_answer.type in (wire.ERROR, wire.WELCOME_PUBLISH)
        begin = time.monotonic()
        with wire.publisher(site, "EVN") as honest:
            honest.hello()
        assert time.monotonic() - begin < 1
