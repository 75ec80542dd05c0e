# SPDX-License-Identifier: Apache-2.0
"""What goes on while somebody attacks: an honest agency publishes, an honest committee receives, and the broker's size
is watched. After each attack all of it must have been served in time and be there, once and in order."""
import contextlib
import os
import statistics
import threading
import time

import pytest

import conftest
import logbook
import people
import wire
from conftest import SANITIZED

FULL = os.environ.get("DONGBO_ATTACKS") == "full"
LATE = 6 if SANITIZED else 3  # seconds from sending an event to its record and receipt, none of which may take longer
USUAL = 0.02                  # what that takes when nobody attacks; where it always takes longer, LATE grows with it
GREETING = 0.01               # seconds that a greeting takes on a machine that is not busy, at most
SLOWER = 10                   # times what it usually takes: most of them must be faster than that
FAST = 0.25                   # seconds that are never too many for that
CALM = 10                     # turns before an attack, and behind it, that tell what it usually takes
GROWTH_KIB = (48 if SANITIZED else 24) * 1024
UNREAD_AGENCY_KIB = 64 * 1024  # UNREAD_AGENCY_BYTES
CONNECTION_KIB = 48  # what libzmq keeps for one that says nothing
FIELDS = "citizen_number,electricity.customer_code"


def short(n, full):
    """How often: in the suite, and in the longer runs."""
    return full if FULL else n


class Honest(threading.Thread):
    """Publishes and receives, one event after the other, on sockets of its own, until it is told to stop."""
    serial = 0

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.ready, self.done = threading.Event(), threading.Event()
        self.took, self.failed, self.sizes = [], None, []
        self.sent, self.received = [], []

    def run(self):
        try:
            with wire.publisher(self.site, "EVN") as agency, wire.subscriber(self.site, "beside") as committee:
                agency.hello()
                # What the last one took is sent again when its socket was closed before its last Ack went.
                committee.hello()
                committee.take_all(committee.welcome.head.position)
                while not self.done.is_set():
                    self.turn(agency, committee)
                    if len(self.took) == CALM:
                        self.ready.set()
        except Exception as failed:  # told by whoever waits for this thread
            self.failed = failed
            self.ready.set()

    def turn(self, agency, committee):
        Honest.serial += 1
        code = f"PE{Honest.serial:09}"
        begin = time.monotonic()
        agency.send_batch([wire.event("EVN", code, people.subject(Honest.serial % 200), electricity={
            "customer_code": code, "status": "active", "province_code": "01"})])
        n = len(committee.records)
        committee.credit(64 * 1024)
        while len(committee.records) == n:
            committee.take()
        stored = agency.receipt()
        self.took.append(time.monotonic() - begin)
        assert stored.verdicts() == {agency.last: "ACCEPTED"}
        committee.ack()
        self.sent.append(code)
        self.received.append(wire.ElectricityContract.FromString(committee.records[-1].body).customer_code)
        self.sizes.append(self.site.broker.rss_kib())

    def wait_turns(self, n, seconds):
        """Until it has done so many, or has failed."""
        end = time.monotonic() + seconds
        while self.failed is None and len(self.took) < n and time.monotonic() < end:
            self.done.wait(0.01)

    def stop(self):
        self.done.set()
        self.join(60)
        assert not self.is_alive()


def assert_in_time(took, begin, after, late):
    """Of turns, those from `begin` on, and those from `after` on, when it is over. A processor that is shared with
    others makes all of them slower, and a few of them much slower: what is usual tells how much. That it is usual since
    then alone, may be what the attack left behind, and excuses nothing."""
    usual, meanwhile, since = (statistics.median(part) for part in (took[:begin], took[begin:after], took[after:]))
    slowest = sorted(took[begin:])[-5:]
    told = f"usually {usual:.3f} s, meanwhile {meanwhile:.3f}, since then {since:.3f}, at most {slowest}"
    assert max(meanwhile, since) < max(FAST, SLOWER * usual), told
    assert slowest[-1] < late * max(1, min(usual, since) / USUAL), told


def assert_greeted_in_time(before, first, after):
    """Of greetings: the first one behind an attack waits for what that left to be done, and on a processor that is
    shared with others the longer. What is usual are those before and the quickest of those after, for what makes all of
    these slow is the attack. A second is for what is left to be done where a greeting takes GREETING before."""
    usual, since = max(before), min(after)
    told = f"usually {before}, the first {first}, then {after}"
    assert since < max(FAST, SLOWER * usual), told
    assert first < max(1, statistics.median(before) / GREETING) + SLOWER * max(usual, since), told


@contextlib.contextmanager
def attacked(site, late=LATE, growth_kib=GROWTH_KIB):
    """What happens inside harms nobody."""
    honest = Honest(site)
    honest.start()
    assert honest.ready.wait(30)
    before, turns = site.broker.rss_kib(), len(honest.took)
    try:
        yield honest
        honest.wait_turns(turns + 3, 20)
        after = len(honest.took)
        honest.wait_turns(after + CALM, 20)
    finally:
        honest.stop()
    if honest.failed:
        raise honest.failed
    assert site.broker.running()
    assert honest.received == honest.sent, (honest.received, honest.sent)
    assert turns + 3 <= after <= len(honest.took) - CALM, (turns, after, len(honest.took))
    assert_in_time(honest.took, turns, after, late)
    assert max(honest.sizes) - before < growth_kib, (before, max(honest.sizes))


def set_up(site):
    """Honest: EVN and `beside`. Attackers have the keys of MOH, `wrong` and `list`; of VSS, MPS and `flood` where they
    use up the Hellos that a party may say, which the next attack wants, too."""
    site.load_population(people.citizens(200))
    site.agency("EVN", "electricity", [])
    site.agency("MOH", "health", [])
    site.agency("VSS", "social_security", [])
    site.agency("MPS", "residence", [])
    site.committee("beside", "electricity", FIELDS)
    site.committee("wrong", "health", "citizen_number,health.*")
    site.committee("flood", "health", "citizen_number,health.*")
    site.committee("list", "health", "citizen_number,health.*", "--followed-only")
    config = site.directory / "broker.yaml"
    config.write_text(config.read_text() + "stats_file: broker.stats\n")


def warm(site):
    """What every connection passes through is filled once, so that growth is the attack's."""
    with attacked(site, growth_kib=1 << 30):
        for name in ("wrong", "list"):
            with wire.subscriber(site, name) as peer:
                peer.hello()
        with wire.publisher(site, "MOH") as peer:
            peer.hello()
            peer.publish([people.dose(n, 1) for n in range(200)])


@contextlib.contextmanager
def open_attacked(template):
    """An exchange for a module's attacks, one after the other. In the end its whole log holds."""
    with pytest.MonkeyPatch.context() as patch, conftest.open_site(template) as exchange:
        patch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") +
                     ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0")
        set_up(exchange)
        exchange.start_broker()
        warm(exchange)
        yield exchange
        logbook.Logbook(exchange.cluster).check()
