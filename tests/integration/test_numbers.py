# SPDX-License-Identifier: Apache-2.0
"""Numbers that are nobody's present citizen number: identity cards' with their days, one that two persons were given,
and insurance numbers that were loaded or learnt. The broker and `dongbo verify` say the same."""
import json

import wire
from conftest import POPULATION, ROOT, write_csv
from people import citizen, citizens, dose, dose_row, subject

ACCEPTED, MISMATCH = "ACCEPTED", "MISMATCH"
T = 1640995200000000  # 2022-01-01
ENDS = {"2020-01-01": "2020-01-31", "2020-02-01": "2020-02-29", "2020-03-01": "2020-03-31"}  # one month after another


def alias(kind, number, n, valid_from="", valid_to=""):
    return {"kind": kind, "number": number, "citizen_number": citizen(n)["citizen_number"], "valid_from": valid_from,
            "valid_to": valid_to}


ALIASES = [alias("cmnd", "012345678", 1, "1998", "2023-05-31"), alias("cmnd", "012345679", 2, "1990", "2016-01-31"),
           alias("cmnd", "111111111", 3), alias("cmnd", "111111111", 4),
           alias("cmnd", "222222222", 5, "1980", "2009-12-31"), alias("cmnd", "222222222", 6, "2010-01-01", ""),
           alias("insurance", "0100000007", 7), alias("insurance", "0100000008", 8)]
CARDS = [(1, "012345678"), (2, "012345679"), (3, "111111111"), (6, "222222222"), (5, "222222222"), (1, "999999999")]


def period(n, insurance, key=None, start="2020-01-01", **said):
    return wire.event("VSS", key or f"{n}-{insurance}-{start}", subject(n, **said), event_time_us=T, social_security={
        "insurance_number": insurance, "period_start": start, "period_end": ENDS[start], "scheme": "compulsory"})


def said(stored):
    """What was said of each event but plainly ACCEPTED ones, without the fields."""
    verdicts = stored.verdicts()
    return {sequence: (verdicts[sequence], [code for code, _ in stored.reasons(sequence)]) for sequence in stored.said}


def candidates(exchange, sequence, agency):
    rows = exchange.cluster.rows(
        "SELECT e.candidates FROM exchange.exception e JOIN exchange.agency a USING (agency) "
        "WHERE e.sequence = %s AND a.code = %s", sequence, agency)
    return sorted(match["citizen_number"] for match in rows[0][0]["matches"])


def reviewed(exchange, sequence):
    """The case of an event of health's as an officer is shown it, whose number it says, and what to do next."""
    (number,), = exchange.cluster.rows("SELECT e.review_case FROM exchange.exception e JOIN exchange.agency a "
                                       "USING (agency) WHERE e.sequence = %s AND a.code = 'MOH'", sequence)
    case = json.loads(exchange.dongbo("review", "show", number, "--json", "--unmask").stdout)
    fields = [{field["field"]: field["held"] for field in one["fields"]} for one in case["alternatives"]
              if one["bearer"]]
    return sorted(held["citizen_number"] for held in fields), {words.split()[2] for words in case["next"]}


def load_aliases(exchange):
    path = exchange.directory / "aliases.csv"
    bad = [dict(alias("cmnd", "1234", 1)), dict(alias("cmnd", "123456789", 1), citizen_number="001090999999"),
           dict(alias("passport", "123456789", 1)), alias("cmnd", "123456789", 1, "2020", "2019")]
    done = exchange.dongbo("population", "aliases", write_csv(path, ALIASES + bad), check=False)
    assert done.returncode == 1
    assert done.stdout == "8 numbers are new, 0 have other days than before, 0 were known\n"
    for row in (10, 11, 12, 13):
        assert f"row {row}: " in done.stderr
    write_csv(path, [dict(ALIASES[0], valid_to="2023-06-30")] + ALIASES[1:])
    assert exchange.dongbo("population", "aliases", path).stdout == \
        "0 numbers are new, 1 have other days than before, 7 were known\n"
    return path


def test_numbers_with_a_life(exchange):
    exchange.load_population(citizens(20))
    aliases = load_aliases(exchange)
    exchange.agency("MOH", "health", [])
    exchange.agency("VSS", "social_security", [])
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as moh, wire.publisher(exchange, "VSS") as vss:
        moh.hello()
        answers = said(moh.publish([dose(n, about=subject(n, citizen_number=card), key=f"c{i}", event_time_us=T)
                                    for i, (n, card) in enumerate(CARDS)]))
        assert answers == {
            1: (ACCEPTED, ["ID_NOT_CURRENT"]), 2: (MISMATCH, ["ID_OTHER_TIME", "ID_NOT_CURRENT"]),
            3: (MISMATCH, ["ID_AMBIGUOUS"]), 4: (ACCEPTED, ["ID_NOT_CURRENT"]),
            5: (MISMATCH, answers[5][1]), 6: (MISMATCH, ["ID_FORMAT", "PERSON_POSSIBLE"])}
        assert "ID_NOT_CURRENT" in answers[5][1] and "BIRTH_DATE_DIFFERS" in answers[5][1]
        both = sorted(citizen(n)["citizen_number"] for n in (3, 4))
        assert candidates(exchange, 3, "MOH") == both
        assert reviewed(exchange, 2) == ([citizen(2)["citizen_number"]], {"accept", "refuse"})
        assert reviewed(exchange, 3) == (both, {"link", "refuse"})
        vss.hello()
        # What came under the citizen's own number teaches whose the insurance number is.
        assert said(vss.publish([period(9, "0100000009"), period(10, "0100000010")])) == {}
        answers = said(vss.publish([
            period(9, "0100000009", citizen_number="", start="2020-02-01"),
            period(7, "0100000007", citizen_number="12345"),
            period(9, "0100000009", citizen_number="", key="other", start="2020-03-01", birth_date="1960-01-02"),
            period(11, "0100000010"),
            period(8, "0100000008"),
            period(12, citizen(13)["citizen_number"]),
            period(12, citizen(12)["citizen_number"], citizen_number=""),
            period(14, "0100000099", citizen_number=""),
            period(10, "0100000010", start="2020-02-01")]))
        assert answers == {
            3: (ACCEPTED, ["ID_BY_INSURANCE"]), 4: (ACCEPTED, ["ID_BY_INSURANCE"]), 5: (MISMATCH, answers[5][1]),
            6: (MISMATCH, ["INSURANCE_DIFFERS"]), 8: (MISMATCH, ["INSURANCE_DIFFERS"]),
            9: (ACCEPTED, ["ID_BY_INSURANCE"]), 10: (MISMATCH, answers[10][1])}
        assert set(answers[5][1]) >= {"ID_BY_INSURANCE", "BIRTH_DATE_DIFFERS"}
        assert answers[10][1][:1] == ["ID_MISSING"]
        assert candidates(exchange, 6, "VSS") == sorted(citizen(n)["citizen_number"] for n in (10, 11))
    assert exchange.cluster.rows("SELECT number, kind FROM exchange.person_alias ORDER BY number") == [
        ("0100000009", "insurance"), ("0100000010", "insurance")]

    number_of_many(exchange)
    shown = exchange.dongbo("citizen", citizen(1)["citizen_number"], "--unmask").stdout
    assert "formerly 012345678 (cmnd, 1998 to 2023-06-30)" in shown
    assert "insured as 0100000009 (by events)" in exchange.dongbo(
        "citizen", citizen(9)["citizen_number"], "--unmask").stdout
    person = json.loads(exchange.dongbo("citizen", "012345678", "--unmask", "--json").stdout)["citizen"]
    assert person["number"] == citizen(1)["citizen_number"]
    offline(exchange, aliases)


def number_of_many(exchange):
    """Events in flight together taught one insurance number to ten persons, more than are looked at: it stays each
    one's, and so it does somebody's whom it was loaded for."""
    crowd, other, many = (0, 1, 2, 3, 4, 5, 6, 13, 15, 16), 17, "0100000077"
    with wire.publisher(exchange, "VSS") as vss:
        vss.hello()
        assert said(vss.publish([period(n, many, key=f"crowd-{n}") for n in crowd])) == {}
        again = [period(n, many, key=f"again-{n}", start="2020-02-01") for n in (crowd[0], crowd[-1], other)]
        assert list(said(vss.publish(again)).values()) == [(MISMATCH, ["INSURANCE_DIFFERS"])]
        loaded = write_csv(exchange.directory / "loaded.csv", [alias("insurance", many, other)])
        exchange.dongbo("population", "aliases", loaded)
        assert said(vss.publish([period(other, many, key="loaded", start="2020-03-01")])) == {}


def offline(exchange, aliases):
    """The same cards without a database."""
    files = {name: exchange.directory / name for name in ("p.csv", "e.csv", "out.jsonl")}
    write_csv(files["p.csv"], citizens(20), POPULATION)
    write_csv(files["e.csv"], [dose_row(n, so_cccd=card, row_id=f"c{i}", thoi_diem="2022-01-01T00:00:00Z")
                               for i, (n, card) in enumerate(CARDS)])
    exchange.dongbo("verify", "--population", files["p.csv"], "--aliases", aliases, "--events", files["e.csv"],
                    "--mapping", ROOT / "deploy/sample/mappings/vaccinations.yaml", "--out", files["out.jsonl"])
    answers = [json.loads(line) for line in files["out.jsonl"].read_text().splitlines()]
    rows = exchange.cluster.rows("SELECT e.sequence FROM exchange.exception e JOIN exchange.agency a USING (agency) "
                                 "WHERE a.code = 'MOH' ORDER BY 1")
    assert [row[0] for row in rows] == [n for n, answer in enumerate(answers, 1) if answer["verdict"] == "MISMATCH"]
    assert [[reason["code"] for reason in answer["reasons"]] for answer in answers[:4]] == [
        ["ID_NOT_CURRENT"], ["ID_OTHER_TIME", "ID_NOT_CURRENT"], ["ID_AMBIGUOUS"], ["ID_NOT_CURRENT"]]
    assert sorted(one["citizen"] for one in answers[2]["candidates"]) == candidates(exchange, 3, "MOH")
