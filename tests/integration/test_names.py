# SPDX-License-Identifier: Apache-2.0
"""A name written otherwise than stored, from agency to verdict: what the exchange's own policy for that agency makes
of it, and the reason that comes with it either way."""
import pytest

from people import bare, citizen, citizens, dose_row

VACCINATIONS = "vaccinations"
LENIENT = """
default: {accents_lost: review, middle: review, order: review, spaces: review, spelling: review}
agencies:
  - {agency: VSS, accents_lost: accept}
"""


@pytest.fixture
def lenient(exchange):
    """An exchange that accepts lost accents of Vietnam Social Security and of nobody else."""
    exchange.own_rules({"names.yaml": LENIENT})
    exchange.load_population(citizens(8))
    return exchange


def decided(exchange, agency):
    """Sequence to (verdict, reason codes) of all the agency's events."""
    return {line["sequence"]: (line["verdict"], [reason["code"] for reason in line["reasons"]])
            for line in exchange.log("--agency", agency) if line["kind"] == "event"}


def test_lost_accents_by_agency(lenient):
    agents = {code: lenient.agency(code, "health", [VACCINATIONS]) for code in ("VSS", "MOH")}
    lenient.start_broker()
    name = {n: citizen(n)["full_name"] for n in range(8)}
    rows = [
        dose_row(1, ho_ten=bare(name[1]).upper()),
        dose_row(2, ho_ten=bare(name[2]), ngay_sinh="1952"),            # less than the whole date agrees
        dose_row(3, ho_ten=bare(name[3]), gioi_tinh=""),                # nor is the sex said
        dose_row(4, ho_ten=name[4].replace(" Văn", "")),
        dose_row(5, ho_ten=bare(name[5].replace(" Thị", ""))),
        dose_row(6, ho_ten=name[1]),                                    # another person
        dose_row(7),
    ]
    for agent in agents.values():
        agent.drop(VACCINATIONS, "a.csv", rows)
        agent.once(expect=1)
    lost = {"VSS": ("ACCEPTED", ["NAME_ACCENTS_LOST"]), "MOH": ("MISMATCH", ["NAME_ACCENTS_LOST"])}
    for code in agents:
        assert decided(lenient, code) == {
            1: lost[code],
            2: ("MISMATCH", ["NAME_ACCENTS_LOST", "BIRTH_DATE_YEAR_ONLY"]),
            3: ("MISMATCH", ["NAME_ACCENTS_LOST"]),
            4: ("MISMATCH", ["NAME_MIDDLE"]),
            5: ("MISMATCH", ["NAME_ACCENTS_LOST", "NAME_MIDDLE"]),
            6: ("MISMATCH", ["NAME_DIFFERS"]),
            7: ("UNCHANGED" if code == "MOH" else "ACCEPTED", []),
        }
    refused = {code: {row["row_id"]: row["dongbo_reasons"] for row in agent.refused(VACCINATIONS)}
               for code, agent in agents.items()}
    assert "row-1-1" not in refused["VSS"] and "NAME_ACCENTS_LOST" in refused["MOH"]["row-1-1"]
