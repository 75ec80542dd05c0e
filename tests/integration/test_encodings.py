# SPDX-License-Identifier: Apache-2.0
"""Agencies' files in the encodings that they have, through a real exchange: found, or asked for, and never guessed."""
import json

import pytest

import conftest
import people
from encoders import ENCODERS, tcvn3, vni

VACCINATIONS = "vaccinations"


@pytest.fixture(scope="module")
def site(template):
    with conftest.open_site(template) as exchange:
        exchange.load_population(people.citizens(400))
        exchange.moh = exchange.agency("MOH", "health", [VACCINATIONS])
        exchange.start_broker()
        exchange.plain = exchange.moh.config.read_text()
        yield exchange


def configure(site, encoding):
    site.moh.config.write_text(site.plain.replace("stream: live", f"stream: live, encoding: {encoding}"))


def table(numbers, capitals=False):
    rows = [people.dose_row(n) for n in numbers]
    for row in rows:
        row["ho_ten"] = row["ho_ten"].upper() if capitals else row["ho_ten"]
    return conftest.csv_text(rows)


def drop(site, name, data):
    path = site.directory / name
    path.write_bytes(data)
    site.moh.drop(VACCINATIONS, name, path)


def deliver(site):
    """One run. The exit code, and what it says of each file."""
    done = site.run(*site.moh.command("--once", "--json", "--timeout", 60), seconds=120)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["complete"]
    return done, {file["file"]: file for file in said["files"]}


def handed_back(site, name):
    return (site.moh.directory / VACCINATIONS / "done" / name).read_bytes()


def test_one_file_in_each_encoding(site):
    """All of them in one folder, with capitals or without: every row is accepted, and the log says why."""
    configure(site, "auto")
    expected = {}
    for k, (name, encode) in enumerate(ENCODERS.items()):
        for capitals in (False, True):
            file = f"{k}-{capitals}.csv"
            first = 40 * k + 20 * capitals
            drop(site, file, encode(table(range(first, first + 20), capitals)))
            expected[file] = name.split(" ")[0].rstrip(",")
    drop(site, "ascii.csv", table(range(399, 400)).encode().replace("Nữ".encode(), b"Nam").replace(
        people.citizen(399)["full_name"].encode(), b"Khong Ai Ca"))
    done, files = deliver(site)
    for file, name in expected.items():
        assert files[file]["verdicts"] == {"ACCEPTED": 20}, files[file]
        assert files[file]["encoding"] == name and files[file]["confidence"] >= 60, files[file]
        assert f"{file} is in {name}, confidence" in done.stderr
    assert (files["ascii.csv"]["encoding"], files["ascii.csv"]["confidence"]) == ("ASCII", 100)


def test_odd_rows_are_refused_alone(site):
    """Rows of VNI and of UTF-8 in a file of TCVN3 come back byte for byte; the others go on."""
    configure(site, "auto")
    lines = table(range(0, 20), False).splitlines()
    data = [tcvn3(line) for line in lines]
    data[5], data[9] = vni(lines[5]), lines[9].encode()
    drop(site, "mixed.csv", b"\n".join(data) + b"\n")
    done, files = deliver(site)
    assert done.returncode == 1
    assert files["mixed.csv"]["encoding"] == "TCVN3"
    assert files["mixed.csv"]["refused"] == 2 and files["mixed.csv"]["reasons"]["TEXT_INVALID"] == 2
    back = handed_back(site, "mixed.refused.csv").splitlines()
    assert len(back) == 3
    assert back[1].startswith(data[5] + b",6,REJECTED,TEXT_INVALID,") and b"reads as Vietnamese in VNI" in back[1]
    assert back[2].startswith(data[9] + b",10,REJECTED,TEXT_INVALID,") and b"reads as Vietnamese in UTF-8" in back[2]


def test_declared_utf8_refuses_what_is_not(site):
    """Also what a spreadsheet made of another font's text, which is valid UTF-8."""
    site.moh.config.write_text(site.plain)
    lines = table(range(20, 30)).splitlines()
    data = [line.encode() for line in lines]
    data[2], data[4] = vni(lines[2]), ENCODERS["TCVN3-UTF8"](lines[4])
    drop(site, "utf8.csv", b"\n".join(data) + b"\n")
    done, files = deliver(site)
    assert files["utf8.csv"]["refused"] == 2 and files["utf8.csv"]["encoding"] == "UTF-8"
    assert "confidence" not in files["utf8.csv"]
    back = handed_back(site, "utf8.refused.csv").splitlines()
    assert back[1].startswith(data[2]) and b"in VNI" in back[1]
    assert back[2].startswith(data[4]) and b"in TCVN3-UTF8" in back[2]


def test_an_unclear_file_is_asked_about(site):
    """Half in one, half in another: nothing of it is sent or lost, and naming the encoding settles it."""
    configure(site, "auto")
    lines = table(range(40, 60)).splitlines()
    data = b"\n".join([lines[0].encode()] + [(tcvn3 if n % 2 else vni)(line) for n, line in enumerate(lines[1:])])
    drop(site, "unclear.csv", data)
    done, files = deliver(site)
    assert done.returncode == 1
    assert (files["unclear.csv"]["encoding"], files["unclear.csv"]["refused"]) == ("unclear", 1)
    assert files["unclear.csv"]["confidence"] < 60
    assert handed_back(site, "unclear.csv") == data
    assert b"Write `encoding:` for this source" in handed_back(site, "unclear.refused.csv")
    configure(site, "VNI")
    drop(site, "named.csv", data)
    done, files = deliver(site)
    assert files["named.csv"]["encoding"] == "VNI" and files["named.csv"]["reasons"] == {"TEXT_INVALID": 10}
    back = handed_back(site, "named.refused.csv").splitlines()[1:]
    assert len(back) == 10 and all(b"in TCVN3" in line for line in back)
