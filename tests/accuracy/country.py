# SPDX-License-Identifier: Apache-2.0
"""How often the right person is found in a synthetic country by what an event says of them, its number being none, not
well formed, or somebody else's. `dongbo verify` decides; who was meant is known here only. README.md has the rates."""
import csv
import json
import pathlib
import random
import subprocess
import unicodedata

SEED = 20220301
SURE = 0.999
DOUBT = 0.02
ABSENT = 300  # one in so many citizens is not in the store
STOPGAPS = ("Thị", "Văn")
COLUMNS = ["row_id", "number", "name", "born", "sex", "province", "mother"]
MAPPING = """domain: health
source_key: [row_id]
fields:
  - {to: subject.citizen_number, column: number}
  - {to: subject.full_name, column: name}
  - {to: subject.birth_date, column: born}
  - {to: subject.sex, column: sex}
  - {to: subject.residence_province, column: province}
  - {to: subject.mother_name, column: mother}
  - {to: vaccine_group, value: covid-19}
  - {to: dose_number, value: 1}
  - {to: occurrence_date, value: 2022-03-01}
"""


# ---- what goes wrong -----------------------------------------------------------------------------------------------

def without_accents(name):
    bare = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


def without_stopgap(name):
    words = name.split()
    return " ".join(word for i, word in enumerate(words) if i == 0 or word not in STOPGAPS) or name


def one_letter_off(dice, name):
    at = dice.choice([i for i, letter in enumerate(name) if letter != " "])
    return name[:at] + dice.choice("abcdeghiklmnopqrstuvxy") + name[at + 1:]


def wrong_name(dice, name, other):
    """A name as offices write it."""
    kind = dice.random()
    if kind < .60:
        return name
    if kind < .75:
        return without_accents(name)
    if kind < .80:
        return name.upper()
    if kind < .83:
        return unicodedata.normalize("NFD", name)
    if kind < .90:
        return without_stopgap(name)
    if kind < .92:
        words = name.split()
        return " ".join(words[1:] + words[:1])
    if kind < .93:
        return name.replace(" ", "", 1)
    if kind < .99:
        return one_letter_off(dice, name)
    return " ".join(name.split()[:-1] + other.split()[-1:])  # another given name


def wrong_date(dice, date, year_only):
    year, month, day = date[:4], date[5:7], date[8:10]
    if year_only or not month:
        return year
    kind = dice.random()
    if kind < .90:
        return date
    if kind < .93:
        return f"{year}-{day}-{month}" if int(day) <= 12 else date
    if kind < .96:
        at = dice.choice([3, 9])
        wrong = date[:at] + str((int(date[at]) + dice.choice([1, 9])) % 10) + date[at + 1:]
        return date if wrong.endswith("00") or int(wrong[8:]) > 28 else wrong
    if kind < .98:
        return f"{year}-01-01"  # somebody had to write something
    return str(int(year) + dice.choice([-1, 1])) + date[4:]


def wrong_mother(dice, name, other):
    kind = dice.random()
    if kind < .75:
        return name
    if kind < .87:
        return without_accents(name)
    if kind < .92:
        return without_stopgap(name)
    if kind < .96:
        return one_letter_off(dice, name)
    return other if kind < .97 else ""


def wrong_number(dice, number, numbers):
    kind = dice.random()
    if kind < .40:
        return ""
    if kind < .65:
        return f"{dice.randrange(10_000_000, 400_000_000):09d}"  # the old identity card's
    if kind < .75:
        at = dice.randrange(6, 12)
        return number[:at] + number[at + 1:]
    if kind < .90:
        at = dice.randrange(6, 12)
        return number[:at] + str((int(number[at]) + dice.randrange(1, 10)) % 10) + number[at + 1:]
    return dice.choice(numbers)  # somebody else's


def make_citizens(build, folder, n):
    subprocess.run([build / "tests/country/country", "--out", folder, "--bench", "--citizens", str(n), "--events", "1"],
                   check=True, capture_output=True, timeout=600)
    with open(folder / "population.csv", newline="", encoding="utf-8") as file:
        return [citizen for citizen in csv.DictReader(file) if not citizen["died_on"]]


def write_csv(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_events(folder, rows):
    """With the mapping that reads them."""
    write_csv(folder / "events.csv", COLUMNS, rows)
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")


def events(citizens, n):
    """n events about random citizens, half with the mother's name, one in twenty-five with no more than the year."""
    dice = random.Random(SEED)
    numbers = [citizen["citizen_number"] for citizen in citizens]
    for i in range(n):
        citizen, other = dice.choice(citizens), dice.choice(citizens)
        with_mother, year_only = i % 2 == 0, dice.random() < .04
        sex = citizen["sex"] if dice.random() < .995 else {"male": "female", "female": "male"}[citizen["sex"]]
        province = dice.random()
        yield citizen, with_mother, year_only, {
            "row_id": i, "number": wrong_number(dice, citizen["citizen_number"], numbers),
            "name": wrong_name(dice, citizen["full_name"], other["full_name"]),
            "born": wrong_date(dice, citizen["birth_date"], year_only), "sex": "" if dice.random() < .02 else sex,
            "province": citizen["residence_province"] if province < .92 else
            other["residence_province"] if province < .97 else "",
            "mother": wrong_mother(dice, citizen["mother_name"], other["mother_name"]) if with_mother else ""}


# ---- a digit off, and it is somebody else's --------------------------------------------------------------------------

def beside(number, places):
    return [number[:at] + digit + number[at + 1:] for at in places for digit in "0123456789" if digit != number[at]]


def make_neighbours(build, folder, n, born=10):
    """n citizens among whom every number that one digit of the last six turns theirs into is a living person's, of
    their sex and year; and what is said of them under each of the 108 numbers beside theirs, of their birth dates the
    first `born` characters."""
    citizens = make_citizens(build, folder, 20 * n)
    dice = random.Random(SEED)
    held = {citizen["citizen_number"]: citizen for citizen in citizens}
    asked = dice.sample(citizens, n)
    for citizen in asked:
        for number in beside(citizen["citizen_number"], range(6, 12)):
            other = dice.choice(citizens)
            while other["birth_date"][4:] == citizen["birth_date"][4:]:
                other = dice.choice(citizens)
            held.setdefault(number, dict(other, citizen_number=number, sex=citizen["sex"],
                                         birth_date=citizen["birth_date"][:4] + other["birth_date"][4:]))
    write_csv(folder / "store.csv", list(citizens[0]), held.values())
    said = [(citizen, number) for citizen in asked for number in beside(citizen["citizen_number"], range(12))]
    write_events(folder, (
        {"row_id": i, "number": number, "name": citizen["full_name"], "born": citizen["birth_date"][:born],
         "sex": citizen["sex"], "province": citizen["residence_province"], "mother": citizen["mother_name"]}
        for i, (citizen, number) in enumerate(said)))
    return len(said)


def run_neighbours(build, folder, n=1000, year_only=False):
    """Nothing may be accepted: whoever bears the number said is another person."""
    folder = pathlib.Path(folder)
    n_said = make_neighbours(build, folder, n, 4 if year_only else 10)
    speed = verify(build, folder, folder / "verdicts.jsonl")
    with open(folder / "verdicts.jsonl", encoding="utf-8") as file:
        accepted = sum(json.loads(line)["verdict"] == "ACCEPTED" for line in file)
    return {"set": "country", "fields": "a digit, by year" if year_only else "a digit off",
            "precision": 1 - accepted / n_said, "recall": 0, "f1": 0,
            "false_accepts": accepted, "accepted": accepted, "review_share": 1 - accepted / n_said,
            "us_per_event": speed["us_per_event"], "repeatable": True, "gate": None, "passed": accepted == 0}


# ---- scoring -------------------------------------------------------------------------------------------------------

def make(build, folder, n_citizens, n_events):
    """Writes the store's population, the events and the mapping. Returns who is meant by each event: the number, or
    None for somebody whom the store does not have; and its slices."""
    citizens = make_citizens(build, folder, n_citizens)
    absent = {citizen["citizen_number"] for citizen in citizens[::ABSENT]}
    write_csv(folder / "store.csv", list(citizens[0]),
              (citizen for citizen in citizens if citizen["citizen_number"] not in absent))
    said = list(events(citizens, n_events))
    write_events(folder, (event for *_, event in said))
    truth = []
    for citizen, with_mother, year_only, _ in said:
        number = citizen["citizen_number"]
        slices = ["all", "with mother's name" if with_mother else "without mother's name"]
        truth.append((None if number in absent else number, slices + ["year only"] * year_only))
    return truth


def verify(build, folder, out):
    done = subprocess.run([build / "operators/dongbo", "verify", "--population", folder / "store.csv", "--events",
                           folder / "events.csv", "--mapping", folder / "mapping.yaml", "--out", out, "--json"],
                          check=True, capture_output=True, text=True, timeout=1200)
    return json.loads(done.stdout)


def rates(right, accepted, present):
    """Of what there was to find, `right` of those accepted."""
    precision, recall = right / max(accepted, 1), right / max(present, 1)
    return {"precision": round(precision, 5), "recall": round(recall, 5),
            "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 5),
            "false_accepts": accepted - right, "accepted": accepted}


def tally(truth, path):
    """Per slice: events, those in the store, sure and rightly so, sure and wrongly, in doubt."""
    counts = {}
    with open(path, encoding="utf-8") as file:
        for (number, slices), line in zip(truth, file, strict=True):
            said = json.loads(line)
            first = (said.get("candidates") or [None])[0]
            posterior = said.get("posterior") or 0
            sure = any(reason["code"] == "PERSON_KNOWN" for reason in said["reasons"])
            right = sure and first["citizen"] == number
            assert not sure or posterior >= SURE, line
            # Never by the number alone: whoever is accepted is the one who is meant.
            wrong = sure and not right or said["verdict"] == "ACCEPTED" and said["citizen"] != number
            for name in slices:
                slot = counts.setdefault(name, dict(events=0, present=0, right=0, wrong=0, doubt=0))
                slot["events"] += 1
                slot["present"] += number is not None
                slot["right"] += right
                slot["wrong"] += wrong
                slot["doubt"] += not sure and posterior >= DOUBT
    return counts


def run(build, folder, gates, review_share, n_citizens, n_events=20_000):
    """One result per slice; gates: recall by slice; review_share: of all events, at most."""
    folder = pathlib.Path(folder)
    truth = make(build, folder, n_citizens, n_events)
    speed = verify(build, folder, folder / "verdicts.jsonl")
    verify(build, folder, folder / "again.jsonl")
    same = (folder / "verdicts.jsonl").read_bytes() == (folder / "again.jsonl").read_bytes()
    results = []
    for name, n in tally(truth, folder / "verdicts.jsonl").items():
        accepted, recall = n["right"] + n["wrong"], n["right"] / max(n["present"], 1)
        results.append({
            "set": "country", "fields": name, **rates(n["right"], accepted, n["present"]),
            "review_share": round(n["doubt"] / n["events"], 5),
            "us_per_event": speed["us_per_event"], "repeatable": same, "gate": gates.get(name),
            "passed": same and n["wrong"] * 10_000 <= accepted and recall >= (gates.get(name) or 0) and
            (name != "all" or n["doubt"] <= review_share * n["events"])})
    return results
