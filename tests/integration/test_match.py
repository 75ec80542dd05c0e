# SPDX-License-Identifier: Apache-2.0
"""`dongbo match` on lists made here: what it writes, what it refuses. How often it is right is tests/accuracy."""
import csv
import json
import os
import pathlib
import subprocess

import pytest

DONGBO = pathlib.Path(os.environ.get("DONGBO_BUILD", "build")).resolve() / "operators" / "dongbo"
CONFIG = """
id: id
fields:
  - {name: person, type: name, column: ho_ten}
  - {name: born, type: date, column: ngay_sinh, format: DD/MM/YYYY, right: [dob]}
  - {type: identifier, column: phone}
leave_out: [note]
"""
SURNAMES = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi"]
GIVEN = ["An", "Bình", "Châu", "Dũng", "Giang", "Hạnh", "Khánh", "Lan", "Minh", "Ngọc", "Phúc", "Quỳnh", "Sơn", "Thảo"]
PLAIN = str.maketrans("ễầêạàũặùìâũạáọúỳơảĐđ", "eaeaauauiauaaouyoaDd")


def person(i):
    x = i * 2654435761 % 2**32
    return (f"{SURNAMES[x % 8]} {'Văn' if x // 8 % 2 else 'Thị'} {GIVEN[x // 16 % 14]}",
            (1 + x // 224 % 28, 1 + x // 6272 % 12, 1950 + x // 75264 % 50), f"09{x * 48271 % 10**8:08}")


@pytest.fixture
def lists(tmp_path):
    left = [["id", "ho_ten", "ngay_sinh", "phone", "note"]]
    right = [["dob", "id", "ho_ten", "phone"]]
    for i in range(300):
        name, (day, month, year), phone = person(i)
        left.append([f"L{i}", name, f"{day:02}/{month:02}/{year}", phone, f"R{i}"])
    for i in range(100, 400):
        name, (day, month, year), phone = person(i)
        if i % 3 == 0:
            name = name.translate(PLAIN).upper()
        if i % 5 == 0:
            name = name.replace(" Văn ", " ").replace(" Thị ", " ")
        right.append([f"{year}-{month:02}-{day:02}", f"R{i}", name, "" if i % 4 == 0 else phone])
    write(tmp_path / "left.csv", left)
    write(tmp_path / "right.csv", right[:1] + right[:0:-1])
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def run(folder, *arguments, expect=0):
    done = subprocess.run([DONGBO, "match", *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done.stderr
    return done


def linked(folder, *more):
    out = run(folder, "--left", "left.csv", "--right", "right.csv", "--config", "c.yaml", "--out", "pairs.csv",
              "--json", *more).stdout
    with open(folder / "pairs.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), json.loads(out)


def test_links_two_lists(lists):
    pairs, counts = linked(lists)
    assert list(pairs[0]) == ["left", "right", "bits", "posterior", "reasons"]
    assert counts["left"] == counts["right"] == 300
    assert counts["pairs"] == len(pairs)
    good = [p for p in pairs if p["left"][1:] == p["right"][1:]]
    assert len(good) >= 198 and len(pairs) - len(good) <= 2
    assert all(.5 <= float(p["posterior"]) <= 1 for p in pairs)
    assert any("other accents" in p["reasons"] for p in pairs)
    assert counts["us_per_record"] > 0 and counts["model"].startswith("1-")


def test_two_runs_give_the_same_bytes(lists):
    _, first = linked(lists)
    before = (lists / "pairs.csv").read_bytes()
    _, second = linked(lists)
    assert (lists / "pairs.csv").read_bytes() == before
    assert first["model"] == second["model"]


def test_rows_in_another_order_give_the_same_pairs(lists):
    before, _ = linked(lists)
    rows = (lists / "left.csv").read_text().splitlines()
    (lists / "left.csv").write_text("\n".join([rows[0]] + sorted(rows[1:], reverse=True)) + "\n")
    after, _ = linked(lists)
    def plain(pairs):
        return sorted((p["left"], p["right"], p["bits"]) for p in pairs)
    assert plain(before) == plain(after)


def test_all_pairs_hold_the_best_ones(lists):
    best, _ = linked(lists)
    more, _ = linked(lists, "--all-pairs-above", "0.01")
    assert {(p["left"], p["right"]) for p in best} <= {(p["left"], p["right"]) for p in more}
    assert all(float(p["posterior"]) >= .01 for p in more)


def test_one_list_alone_is_searched_for_copies(lists):
    rows = list(csv.reader(open(lists / "left.csv", newline="", encoding="utf-8")))
    copies = [[row[0] + "b", row[1].translate(PLAIN), *row[2:]] for row in rows[1:101]]
    write(lists / "left.csv", rows + copies)
    run(lists, "--left", "left.csv", "--config", "c.yaml", "--out", "pairs.csv")
    pairs = list(csv.DictReader(open(lists / "pairs.csv", newline="", encoding="utf-8")))
    good = [p for p in pairs if p["left"] + "b" == p["right"]]
    assert len(good) >= 98 and len(pairs) - len(good) <= 2


def test_rows_have_numbers_without_an_id(lists):
    (lists / "c.yaml").write_text(CONFIG.replace("id: id\n", ""))
    pairs, _ = linked(lists)
    assert {int(p["left"]) for p in pairs} <= set(range(2, 302))


def test_the_right_list_may_cut_names_otherwise_and_call_its_rows_otherwise(lists):
    rows = list(csv.reader(open(lists / "right.csv", newline="", encoding="utf-8")))
    cut = [[row[0], row[1], *row[2].split(" ", 1), row[3]] for row in rows[1:]]
    write(lists / "right.csv", [["dob", "nr", "ho", "ten", "phone"]] + cut)
    (lists / "c.yaml").write_text(CONFIG.replace("id: id\n", "id: id\nright_id: nr\n").replace(
        "column: ho_ten}", "column: ho_ten, right: [ho, ten]}"))
    pairs, counts = linked(lists)
    assert counts["left"] == counts["right"] == 300
    good = [p for p in pairs if p["left"][1:] == p["right"][1:]]
    assert len(good) >= 198 and len(pairs) - len(good) <= 2


def test_broken_rows_and_odd_cells_cost_only_themselves(lists):
    with open(lists / "left.csv", "ab") as file:
        file.write(b'X1,"no end of quote\nX2,Jos\xe9 Nguy\xean,99/99/0000,n/a,\nX3,one,two\n' + b"X4,,,,\n")
    pairs, counts = linked(lists)
    assert (lists / "pairs.csv").stat().st_mode & 0o777 == 0o600
    done = run(lists, "--left", "left.csv", "--config", "c.yaml", "--out", "pairs.csv")
    assert "left.csv: 1 rows are not UTF-8" in done.stderr
    assert counts["broken_rows"] >= 1
    assert sum(p["left"][1:] == p["right"][1:] for p in pairs) >= 198


@pytest.mark.parametrize("config, sentence", [
    (CONFIG.replace("column: phone", "column: telephone"), "telephone"),
    (CONFIG.replace("[note]", "[phone]"), "left out"),
    (CONFIG + 'delimiter: ";"\n', 'separated by ",": write delimiter: ","'),
    (CONFIG.replace("type: name", "type: nom"), "c.yaml"),
    (CONFIG.replace("right: [dob]", "right: [dob, id]"), "as many columns"),
    (CONFIG.replace("id: id", "id: id\nright_id: nr"), "nr"),
    (CONFIG.replace("column: ho_ten", "columns: [ho_ten], column: ho_ten"), "either"),
    ("fields: []\n", "c.yaml"),
])
def test_a_wrong_config_is_said(lists, config, sentence):
    (lists / "c.yaml").write_text(config)
    done = run(lists, "--left", "left.csv", "--right", "right.csv", "--config", "c.yaml", "--out", "p.csv", expect=2)
    assert sentence in done.stderr


def test_a_wrong_command_line_is_said(lists):
    assert "needs" in run(lists, "--left", "left.csv", expect=2).stderr
    done = run(lists, "--left", "left.csv", "--config", "c.yaml", "--out", "p.csv", "--all-pairs-above", "2", expect=2)
    assert "between 0 and 1" in done.stderr
    for out in ("left.csv", "./c.yaml"):
        done = run(lists, "--left", "left.csv", "--config", "c.yaml", "--out", out, expect=2)
        assert "is what is read" in done.stderr
    assert (lists / "c.yaml").read_text() == CONFIG
    done = run(lists, "--left", "nowhere.csv", "--config", "c.yaml", "--out", "p.csv", expect=2)
    assert "nowhere.csv" in done.stderr


def test_which_of_two_columns_is_meant_is_not_guessed(lists):
    text = (lists / "left.csv").read_text(encoding="utf-8").replace("note", "id", 1)
    (lists / "left.csv").write_text(text, encoding="utf-8")
    done = run(lists, "--left", "left.csv", "--config", "c.yaml", "--out", "p.csv", expect=2)
    assert 'left.csv: there are two columns "id"' in done.stderr
