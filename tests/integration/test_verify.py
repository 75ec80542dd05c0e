# SPDX-License-Identifier: Apache-2.0
"""`dongbo verify`: what the exchange would say of a file, without one. No database runs here, but for the comparison in
test_sync_log.py."""
import json
import subprocess

import encoders
import pytest
from conftest import BUILD, POPULATION, ROOT, write_csv
from people import citizen, citizens, dose_row

MAPPING = ROOT / "deploy/sample/mappings/vaccinations.yaml"


@pytest.fixture
def files(tmp_path):
    return (write_csv(tmp_path / "p.csv", citizens(20), POPULATION),
            write_csv(tmp_path / "e.csv", [dose_row(n) for n in range(20)]))


def run(files, *words, cwd="/"):
    population, events = files
    return subprocess.run([BUILD / "operators/dongbo", "verify", "--population", population, "--events", events,
                           "--mapping", MAPPING, "--out", events.parent / "out.jsonl", *words], cwd=cwd,
                          capture_output=True, text=True, timeout=60)


def verify(files, *words):
    done = run(files, *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (files[1].parent / "out.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_event_is_answered_in_order(files):
    rows = [dose_row(n) for n in range(20)] + [dose_row(30)]
    rows[1]["ho_ten"] = "Nguyễn Văn Khác"
    rows[2]["ma_san_pham"] = "no such vaccine"
    rows[3]["ngay_tiem"] = "tomorrow"
    write_csv(files[1], rows)
    with files[1].open("a", encoding="utf-8") as file:
        file.write(",,,,,,,,,,,\nonly,three,columns\n")
    answers = verify(files)
    assert [answer["row"] for answer in answers] == list(range(2, 23)) + [24]
    keys = ["row", "verdict", "citizen", "reasons", "posterior", "candidates"]
    assert all(list(answer) == keys for answer in answers)
    for n, answer in enumerate(answers[:20]):
        if n not in (1, 2, 3):
            assert (answer["verdict"], answer["citizen"]) == ("ACCEPTED", citizen(n)["citizen_number"])
    said = [(answer["verdict"], answer["citizen"], [(r["code"], r["field"]) for r in answer["reasons"]])
            for answer in (*answers[1:4], *answers[20:])]
    assert said[0][:2] == ("MISMATCH", None) and ("NAME_DIFFERS", "subject.full_name") in said[0][2]
    assert said[1:] == [("REJECTED", None, [("CODE_UNKNOWN", "product_code")]),
                        ("REJECTED", None, [("DATE_INVALID", "occurrence_date")]),
                        ("DEFERRED", None, [("NOT_FOUND", "subject.citizen_number")]),
                        ("REJECTED", None, [("EVENT_UNREADABLE", None)])]


def test_it_says_the_same_every_time_and_counts(files):
    first = verify(files)
    done = run(files, "--json")
    counts = json.loads(done.stdout)
    assert first == [json.loads(line) for line in (files[1].parent / "out.jsonl").read_text().splitlines()]
    assert (counts["events"], counts["population"], counts["verdicts"]) == (20, 20, {"ACCEPTED": 20})
    assert done.stderr == ""


def test_who_is_meant_is_looked_for_where_the_number_does_not_say(files):
    rows = [dict(dose_row(n), so_cccd="012345678") for n in (1, 2, 3)] + [dict(dose_row(4), ho_ten="Đinh Quốc Khánh")]
    write_csv(files[1], rows)
    answers = verify(files)
    for n, answer in enumerate(answers[:3], 1):
        assert (answer["verdict"], answer["citizen"]) == ("MISMATCH", None)
        assert answer["candidates"][0]["citizen"] == citizen(n)["citizen_number"]
        assert answer["posterior"] == answer["candidates"][0]["posterior"] > .9
    assert 0 < answers[3]["posterior"] < 1 and answers[3]["candidates"]


@pytest.mark.parametrize("name, encode", [("VNI", encoders.vni), ("TCVN3", encoders.tcvn3),
                                          ("CP1258", encoders.cp1258)])
def test_other_encodings_are_read_as_an_agent_would(files, name, encode):
    files[1].write_bytes(encode(files[1].read_text(encoding="utf-8")))
    for asked in (name, "auto"):
        assert {answer["verdict"] for answer in verify(files, "--encoding", asked)} == {"ACCEPTED"}
    assert json.loads(run(files, "--encoding", "auto", "--json").stdout)["encoding"] == name
    assert "REJECTED" in {answer["verdict"] for answer in verify(files)}


def test_earlier_events_of_the_file_count(files):
    write_csv(files[0], citizens(1100), POPULATION)
    early = {"ngay_tiem": "20/09/2021"}
    rows = [dose_row(1), dose_row(1, 2, **early), dose_row(1), dose_row(2, co_so="A"), dose_row(2, co_so="B")]
    rows += [dose_row(n) for n in range(3, 1100)]  # into the next step
    rows += [dose_row(1099, 2, **early), dose_row(1098, 2)]
    write_csv(files[1], rows)
    answers = verify(files)
    assert all(answer["verdict"] == "ACCEPTED" for answer in answers)
    told = [(answer["row"], reason["code"]) for answer in answers for reason in answer["reasons"]]
    assert told == [(3, "DOSE_TOO_SOON"), (6, "DOSE_REPEATED"), (1104, "DOSE_TOO_SOON")]


def test_more_events_than_one_step_holds(files):
    write_csv(files[1], [dose_row(n % 20, 1 + n % 9) for n in range(2500)])
    answers = verify(files)
    assert [answer["row"] for answer in answers] == list(range(2, 2502))
    assert {answer["verdict"] for answer in answers} == {"ACCEPTED"}


def test_an_agencys_policy_decides_what_its_names_may_lack(files):
    rows = [dict(dose_row(0), ho_ten="Nguyen Van An")]
    write_csv(files[1], rows)
    assert [r["code"] for r in verify(files, "--agency", "MOH")[0]["reasons"]] == ["NAME_ACCENTS_LOST"]


def test_wrong_citizens_are_left_out_and_named_by_row_only(files):
    rows = citizens(20)
    rows[4]["birth_date"] = "no date"
    write_csv(files[0], rows, POPULATION)
    done = run(files)
    assert done.returncode == 0 and "row 6: birth_date is not a date" in done.stderr
    assert "1 rows were wrong" in done.stdout
    assert rows[4]["citizen_number"] not in done.stderr and rows[4]["full_name"] not in done.stderr
    assert verify(files)[4]["verdict"] == "DEFERRED"


@pytest.mark.parametrize("words, says", [
    (("--delimiter", ";"), "row_id"),
    (("--encoding", "KLINGON"), "KLINGON"),
    (("--delimiter", "two"), "--delimiter is one character"),
    (("--mapping", "/nowhere.yaml"), "/nowhere.yaml"),
    (("--population", "/nowhere.csv"), "/nowhere.csv"),
    (("--out", "/nowhere/out.jsonl"), "/nowhere/out.jsonl"),
    (("--schemas", "/nowhere"), "/nowhere"),
])
def test_what_cannot_be_read_is_named(files, words, says):
    done = run(files, *words)
    assert done.returncode == 2 and says in done.stderr


def test_its_four_files_are_needed():
    done = subprocess.run([BUILD / "operators/dongbo", "verify"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "needs --population, --events, --mapping and --out" in done.stderr


def test_the_output_is_its_owners_and_none_of_the_inputs(files):
    out = files[1].parent / "out.jsonl"
    verify(files)
    assert out.stat().st_mode & 0o777 == 0o600
    out.chmod(0o640)
    verify(files)
    assert out.stat().st_mode & 0o777 == 0o640, "whoever opened it to others meant it"
    (files[1].parent / "link").symlink_to(files[1])
    before = [path.read_bytes() for path in files]
    for name in ("e.csv", "./p.csv", "link"):
        done = run(files, "--out", name, cwd=files[1].parent)
        assert done.returncode == 2 and "is what is read" in done.stderr
    assert [path.read_bytes() for path in files] == before
