# SPDX-License-Identifier: Apache-2.0
"""Rules about a person's other records, through a whole exchange: the second to come is told, whichever it is and
however close behind the first it comes; what is held does not depend on it."""
import pytest

import wire
from people import citizens, dose_body, subject

T = 1640995200000000  # 2022-01-01


def health(number, **said):
    return dose_body(number, lot_number="L", **said)


# domain, agency, one record, another, what the second is told
PAIRS = [
    ("health", "MOH", health(1, occurrence_date="2021-09-15"), health(2, occurrence_date="2021-08-15"),
     "DOSE_OUT_OF_ORDER"),
    ("health", "MOH", health(1, occurrence_date="2021-09-15"), health(2, occurrence_date="2021-09-25"),
     "DOSE_TOO_SOON"),
    ("health", "MOH", health(1, facility_code="A"), health(3, facility_code="B"), "DOSE_REPEATED"),
    ("health", "MOH", health(1, facility_code="A"), health(1, facility_code="B"), "DOSE_REPEATED"),
    ("health", "MOH", health(1, occurrence_date="2021-07-15"), health(2, occurrence_date="2021-08-15"), None),
]
PERSONS = 30 * len(PAIRS)


@pytest.fixture
def ministries(exchange):
    exchange.load_population(citizens(PERSONS + 400))
    for agency, domain in sorted({(agency, domain) for domain, agency, *_ in PAIRS}):
        exchange.agency(agency, domain, [])
    exchange.start_broker()
    return exchange


def event(domain, agency, n, key, body, **said):
    return wire.event(agency, f"{domain}-{n}-{key}", subject(n), event_time_us=T, **{domain: body}, **said)


def told(stored, sequence):
    """The reasons an event was accepted with, if it was."""
    assert stored.verdicts()[sequence] in ("ACCEPTED", "SUPERSEDED"), stored.verdicts()
    return [code for code, _ in stored.reasons(sequence)] if sequence in stored.said else []


def test_the_second_to_come_is_told(ministries):
    """In two batches, one way round and the other, and in one batch."""
    for at, (domain, agency, one, other, expected) in enumerate(PAIRS):
        expected = [expected] if expected else []
        with wire.publisher(ministries, agency) as peer:
            peer.hello()
            for which, (first, second) in enumerate([(one, other), (other, one)]):
                n = 30 * at + which
                stored = peer.publish([event(domain, agency, n, "first", first)])
                assert told(stored, peer.last) == []
                stored = peer.publish([event(domain, agency, n, "second", second)])
                assert told(stored, peer.last) == expected, (domain, first, second)
                again = peer.publish([event(domain, agency, n, "second", second)])
                assert again.verdicts()[peer.last] == "UNCHANGED"
            n = 30 * at + 2
            stored = peer.publish([event(domain, agency, n, "first", one), event(domain, agency, n, "second", other)])
            assert told(stored, peer.last - 1) == [] and told(stored, peer.last) == expected


def test_batches_close_behind_one_another(ministries):
    """A batch may be decided while the one before it is being stored: it is told all the same."""
    with wire.publisher(ministries, "MOH") as peer:
        peer.hello()
        batches = []
        for group in range(20):
            persons = range(PERSONS + 20 * group, PERSONS + 20 * group + 20)
            for number, date in ((1, "2021-09-15"), (2, "2021-09-20"), (3, "2021-12-20")):
                batches.append((number, [event("health", "MOH", n, number, health(number, occurrence_date=date))
                                         for n in persons]))
        first = 1
        for _, events in batches:
            peer.send_batch(events, first)
            first += len(events)
        for number, events in batches:
            stored = peer.receipt()
            expected = ["DOSE_TOO_SOON"] if number == 2 else []
            assert [told(stored, sequence) for sequence in stored.verdicts()] == [expected] * len(events)
