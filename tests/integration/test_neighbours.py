# SPDX-License-Identifier: Apache-2.0
"""Rules about a person's other records, through a whole exchange: the second to come is told, whichever it is and
however close behind the first it comes; what is held does not depend on it."""
import pytest

import wire
from conftest import open_site
from people import citizens, dose_body, subject

T = 1640995200000000  # 2022-01-01


def health(number, occurrence_date="2021-09-15", **said):
    return dose_body(number, lot_number="L", occurrence_date=occurrence_date, **said)


def school(institution, level, **said):
    return {"institution_code": institution, "programme_code": "P", "isced_level": level, **said}


def insured(start, **said):
    """Whose number it is, event() knows."""
    return {"scheme": "compulsory", "period_start": start, **said}


def lives(start, **said):
    return {"kind": "permanent", "start_date": start, "province_code": "01", "status": "granted", **said}


# domain, agency, one record, another, what the second is told
PAIRS = [
    ("health", "MOH", health(1, occurrence_date="2021-09-15"), health(2, occurrence_date="2021-08-15"),
     "DOSE_OUT_OF_ORDER"),
    ("health", "MOH", health(1, occurrence_date="2021-09-15"), health(2, occurrence_date="2021-09-25"),
     "DOSE_TOO_SOON"),
    ("health", "MOH", health(1, facility_code="A"), health(3, facility_code="B"), "DOSE_REPEATED"),
    ("health", "MOH", health(1, facility_code="A"), health(1, facility_code="B"), "DOSE_REPEATED"),
    ("health", "MOH", health(1, occurrence_date="2021-07-15"), health(2, occurrence_date="2021-08-15"), None),
    ("education", "MOET", school("A", "6", status="graduated", start_date="2018-09-05", end_date="2022-05-31"),
     school("B", "3", status="enrolled", start_date="2023-09-05"), "LEVEL_REVERSED"),
    ("education", "MOET", school("A", "2", start_date="2018-09-05"), school("B", "2", start_date="2019-09-05"),
     "ENROLMENTS_OVERLAP"),
    ("social_security", "VSS", insured("2021-01-01", period_end="2021-06-30"), insured("2021-06-01"),
     "SCHEME_OVERLAPS"),
    ("social_security", "VSS", insured("2021-01-01", period_end="2021-06-30"), insured("2021-09-01"),
     "CONTRIBUTION_GAP"),
    ("residence", "MPS", lives("2019-01-01"), lives("2021-01-01"), "RESIDENCES_OVERLAP"),
    ("residence", "MPS", lives("2019-01-01", end_date="2020-12-31"), lives("2021-01-01"), None),
    ("e_id", "MPS", {"account_id": "1", "status": "active"}, {"account_id": "2", "status": "active"},
     "ACCOUNT_SECOND"),
]
PERSONS = 30 * len(PAIRS)


@pytest.fixture(scope="module")
def ministries(template):
    """Each test speaks of other persons, or in other domains."""
    with open_site(template) as exchange:
        exchange.load_population(citizens(PERSONS + 400))
        for agency, domains in (("MOH", "health"), ("MOET", "education"), ("VSS", "social_security"),
                                ("MPS", "residence,e_id"), ("EVN", "electricity")):
            exchange.agency(agency, domains, [])
        exchange.start_broker()
        yield exchange


def event(domain, agency, n, key, body, **said):
    if domain == "social_security":
        body = {"insurance_number": f"{n:010}", **body}
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


def test_what_one_record_says_by_itself(ministries):
    with wire.publisher(ministries, "MOET") as moet, wire.publisher(ministries, "VSS") as vss:
        moet.hello()
        stored = moet.publish([event("education", "MOET", 1, "g", school("Z", "6", status="graduated")),
                               event("education", "MOET", 2, "e", school("Y", "1", start_date="2010", end_date="2015")),
                               event("education", "MOET", 2, "s", school("Z", "3", start_date="2019-09-05"))])
        assert [told(stored, n) for n in (1, 2, 3)] == [["GRADUATED_UNENROLLED"], [], ["LEVEL_SKIPPED"]]
        ministries.cluster.rows("UPDATE population.citizen SET died_on = '2021-03-01' WHERE citizen_number = %s",
                                citizens(4)[3]["citizen_number"])
        vss.hello()
        stored = vss.publish([event("social_security", "VSS", 3, "d", insured("2021-01-01", period_end="2021-06-30"))])
        assert told(stored, 1) == ["CONTRIBUTION_AFTER_DEATH"]


def test_another_holder_of_a_customer_code(ministries):
    """In another batch, in the same one, and close behind."""
    def contract(n, code, status="active"):
        return event("electricity", "EVN", n, f"{code}{status}", {"customer_code": code, "status": status})
    with wire.publisher(ministries, "EVN") as peer:
        peer.hello()
        stored = peer.publish([contract(1, "A"), contract(2, "B"), contract(3, "B")])
        assert [told(stored, n) for n in (1, 2, 3)] == [[], [], ["HOLDER_OTHER"]]
        stored = peer.publish([contract(2, "A"), contract(1, "C")])
        assert [told(stored, n) for n in (4, 5)] == [["HOLDER_OTHER"], []]
        stored = peer.publish([contract(2, "A", "ended"), contract(2, "B", "ended")])
        stored = peer.publish([contract(4, "B")])
        assert told(stored, 8) == ["HOLDER_OTHER"]  # 3 still has it
        first = peer.last + 1
        for n in range(60):
            peer.send_batch([contract(5 + n, "D"), contract(70 + n, f"E{n}")], first + 2 * n)
        told_of = [told(stored, sequence) for stored in [peer.receipt() for _ in range(60)]
                   for sequence in stored.verdicts()]
        assert told_of == [[], []] + [["HOLDER_OTHER"], []] * 59
        plan = ministries.cluster.rows("SET enable_seqscan = off; EXPLAIN SELECT FROM exchange.record_version WHERE "
                                       "domain = 7 AND record_key = 'A' AND position < 9 ORDER BY person DESC, "
                                       "position DESC LIMIT 9")
        assert "record_holder" in str(plan)


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
