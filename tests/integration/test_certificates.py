# SPDX-License-Identifier: Apache-2.0
"""Member states' test files of EU Digital COVID Certificates through the health mapping: every dose is accepted, or
refused with the reason that its own text gives. Needs the public test data (tests/accuracy/README.md); their persons
are made up, and so are the citizen numbers that they get here."""
import datetime
import json
import os
import pathlib
import re

import pytest
from conftest import BUILD, POPULATION, ROOT, run_program, write_csv

PLACES = [os.environ.get("DONGBO_DATA"), ROOT.parent / "shared" / "data"]
DATA = next((pathlib.Path(place) / "dcc" for place in PLACES if place and (pathlib.Path(place) / "dcc").is_dir()), None)
MAPPING = """domain: health
source_key: [ci]
fields:
  - {to: subject.citizen_number, column: number}
  - {to: subject.full_name, column: name}
  - {to: subject.birth_date, column: dob}
  - {to: vaccine_group, value: covid-19}
  - {to: dose_number, column: dn}
  - {to: product_code, column: mp}
  - {to: occurrence_date, column: dt}
  - {to: status, value: completed}
"""


def doses():
    """(certificate's holder, dose) of every vaccination in the files."""
    found = []
    for path in sorted(DATA.rglob("*.json")):
        certificate = json.loads(path.read_text(encoding="utf-8-sig"))
        certificate = certificate.get("JSON") if isinstance(certificate, dict) else None
        if isinstance(certificate, dict):
            found += [(certificate, dose) for dose in certificate.get("v") or []]
    return found


def is_date(text):
    if not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", text):
        return False
    try:
        datetime.date.fromisoformat((text + "-01-01")[:10])
        return True
    except ValueError:
        return False


def number_of(holder, n):
    """Numbers begin with the century from 1900."""
    year = int(holder["dob"][:4])
    return f"001{max(year // 100 - 19, 0) * 2}{year % 100:02}{n:06}"


def has_number(holder):
    return is_date(holder["dob"]) and holder["dob"] >= "1900"


def expected(holder, dose, products):
    """The codes of the reasons that this dose must get; none: it is accepted."""
    codes = set()
    if not is_date(holder["dob"]) or not is_date(dose["dt"]):
        codes.add("DATE_INVALID")
    elif not has_number(holder):
        codes.add("ID_BIRTH_YEAR")
    if not dose["dn"]:
        codes.add("FIELD_MISSING")
    if dose.get("mp") and dose["mp"] not in products:
        codes.add("CODE_UNKNOWN")
    known = min(len(holder["dob"]), len(dose["dt"]))
    if not codes and dose["dt"][:known] < holder["dob"][:known]:
        codes.add("DATE_BEFORE_BIRTH")  # the life is looked at once the person is found
    return codes


@pytest.mark.skipif(DATA is None, reason="no certificates: set DONGBO_DATA")
def test_every_certificate_is_accepted_or_refused_with_its_reason(tmp_path):
    found = doses()
    assert len(found) > 100
    products = {line.split("\t")[0] for line in
                (ROOT / "schemas/codes/vaccine-products.tsv").read_text(encoding="utf-8").splitlines()}
    out = tmp_path / "verdicts.jsonl"
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    people, rows = [], []
    for n, (holder, dose) in enumerate(found):
        number, born = number_of(holder, n), holder["dob"]
        name = " ".join(part for part in (holder["nam"].get("fn"), holder["nam"].get("gn")) if part)
        if has_number(holder):
            people.append({"citizen_number": number, "full_name": name, "birth_date": born, "sex": "unknown",
                           "residence_province": "01", "residence_province63": "01"})
        rows.append({"ci": f"{n}-{dose['ci']}", "number": number, "name": name, "dob": born, "dn": dose["dn"],
                     "mp": dose.get("mp", ""), "dt": dose["dt"]})
    population = write_csv(tmp_path / "population.csv", people, POPULATION)
    events = write_csv(tmp_path / "events.csv", rows)
    done = run_program([BUILD / "operators/dongbo", "verify", "--population", population, "--events", events,
                        "--mapping", tmp_path / "mapping.yaml", "--schemas", ROOT / "schemas", "--out", out],
                       timeout=60, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    verdicts = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(verdicts) == len(found)
    accepted = 0
    for n, ((holder, dose), said) in enumerate(zip(found, verdicts)):
        codes = expected(holder, dose, products)
        refused = {reason["code"] for reason in said["reasons"]} if said["verdict"] != "ACCEPTED" else set()
        assert refused == codes, (n, dose, said)
        assert said["verdict"] == ("MISMATCH" if codes == {"ID_BIRTH_YEAR"} else "REJECTED" if codes else "ACCEPTED")
        accepted += not codes
    assert accepted > len(found) / 2
