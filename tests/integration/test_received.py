# SPDX-License-Identifier: Apache-2.0
"""A file of received records as a forger would have it: `dongbo log check` says which line lies, and about what."""
import base64
import json

import pytest

import people
import wire
from test_origins import T, SUBJECT, apply, centre, check, receiver_of, row  # noqa: F401 (a fixture)

OTHER = "001099999999"
FORMS = ("plain", "json")


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


class Line:
    """One record in either form, by the names of the form plain."""
    NAMES = {"record": "recordId", "person": "personId"}

    def __init__(self, line, form):
        self.line, self.is_plain = line, form == "plain"

    def name(self, name):
        return name if self.is_plain else self.NAMES.get(name, camel(name))

    def __getitem__(self, name):
        return self.line[self.name(name)]

    def __setitem__(self, name, value):
        self.line[self.name(name)] = value

    def drop(self, name):
        del self.line[self.name(name)]

    @property
    def fields(self):
        return self.line["fields" if self.is_plain else "health"]

    @property
    def proof(self):
        origin = self.line["origin"]
        return wire.Proof.FromString(base64.b64decode(origin["proof"] if self.is_plain else origin)[15:])

    @proof.setter
    def proof(self, proof):
        text = base64.b64encode(b"dongbo proof 1\n" + proof.SerializeToString()).decode()
        self.line["origin"] = {**self.line["origin"], "proof": text} if self.is_plain else text


@pytest.fixture
def files(centre):  # noqa: F811
    """What two agents wrote of the same records: a dose, its correction, its withdrawal, and another person's."""
    exchange = centre.exchange
    policy = f"fields: {{person: [citizen_number], health: [all], population: [{SUBJECT}]}}\norigin_proofs: events\n"
    apply(exchange, {name: policy for name in FORMS})
    centre.moh.publish(row(1, 0, 0, lot_number="A", facility_code="01-001"), row(1, 1, 20, 3, lot_number="B"),
                       row(1, 4, 40, 2), row(2, 0, 0, lot_number="A", facility_code="01-001"),
                       people.dose(2, 2, event_time_us=T, body=people.dose_body(2, lot_number="A")))
    made = {}
    for form in FORMS:
        receiver = receiver_of(exchange, form, sink=f"{{kind: jsonl, directory: received-{form}, format: {form}}}")
        receiver.until_head()
        made[form] = receiver.records()
        assert len(made[form]) == 5
    return exchange, made


UPSERT, CORRECTION, DELETE, OTHERS, SECOND = range(5)


def set_to(name, value):
    return lambda line, _: line.__setitem__(name, value)


def field(name, value):
    return lambda line, _: line.fields.update({line.name(name): value})


def no_field(name):
    return lambda line, _: line.fields.pop(line.name(name))


def change_to(plain):
    return lambda line, _: line.__setitem__("change", plain if line.is_plain else f"CHANGE_{plain.upper()}")


def ended(plain):
    def forge(line, lines):
        change_to(plain)(line, lines)
        line.fields.clear()
    return forge


def other_event(n):
    def forge(line, lines):
        line["origin"] = lines[n]["origin"]
    return forge


def proof_with(**said):
    def forge(line, _):
        proof = line.proof
        for name, value in said.items():
            setattr(proof.event.proof, name, value)
        line.proof = proof
    return forge


def more(name, value):
    return lambda line, _: line.line.update({name: value})


def other_form(line, _):
    more("citizenNumber" if line.is_plain else "citizen_number", OTHER)(line, _)


def a_border(line, _):
    more("snapshot", "begin")(line, _)


SAYS = "the event says otherwise than the record"
WRITES = "it is not as a receiver writes it"
ANOTHER = "the event is another one"
# What is forged of which line; what is said of it; and what is named. Names are the form plain's.
FORGERIES = {
    "a value": (UPSERT, field("lot_number", "FORGED"), SAYS, ["lot_number"]),
    "two values": (UPSERT, lambda *a: (field("lot_number", "X")(*a), field("status", "not-done")(*a)), SAYS,
                   ["lot_number", "status"]),
    "a number": (UPSERT, field("dose_number", 3), SAYS, ["dose_number"]),
    "a date": (UPSERT, field("occurrence_date", "2021-10-03"), SAYS, ["occurrence_date"]),
    "a date cut short": (UPSERT, field("occurrence_date", "2021-10"), SAYS, ["occurrence_date"]),
    "a space behind a value": (UPSERT, field("lot_number", "A "), SAYS, ["lot_number"]),
    "no value": (UPSERT, no_field("lot_number"), SAYS, ["lot_number"]),
    "a value of nothing": (UPSERT, field("lot_number", ""), SAYS, ["lot_number"]),
    "a value of a correction": (CORRECTION, field("lot_number", "A"), SAYS, ["lot_number"]),
    "a change that is none": (CORRECTION, lambda line, _: line["changed"].append("facility_code"), SAYS,
                              ["facility_code"]),
    "the key, which did not change": (CORRECTION, field("vaccine_group", "hpv"), SAYS, ["vaccine_group"]),
    "a withdrawal that holds": (DELETE, lambda line, lines: (
        change_to("upsert")(line, lines), line.line.update({k: v for k, v in lines[UPSERT].line.items()
                                                            if k in ("fields", "health", "changed")})), SAYS,
                                ["product_code", "lot_number", "occurrence_date", "facility_code", "status"]),
    "a record that is gone": (UPSERT, ended("delete"), "the event takes nothing back", ["change"]),
    "a record that left": (UPSERT, ended("left"), "where a person went to is told to who is not to know", ["change"]),
    "a record that is gone and there": (DELETE, lambda line, lines: line.line.update(
        {k: v for k, v in lines[UPSERT].line.items() if k in ("fields", "health")}),
                                        "the record is gone, and holds something", ["change"]),
    "another person": (UPSERT, set_to("citizen_number", OTHER), ANOTHER, ["citizen_number"]),
    "nobody": (UPSERT, lambda line, _: line.drop("citizen_number"), ANOTHER, ["citizen_number"]),
    "another time": (UPSERT, set_to("event_time", "2021-01-01T00:00:00.000000Z"), ANOTHER, ["event_time"]),
    "the event of another record": (OTHERS, other_event(UPSERT), ANOTHER, ["citizen_number"]),
    "the event of another dose": (OTHERS, other_event(SECOND), SAYS, None),
    "another agency": (OTHERS, set_to("agency", "MOET"), "it is signed with another agency's key", ["agency"]),
    "no agency": (OTHERS, lambda line, _: line.drop("agency"), "it is signed with another agency's key", ["agency"]),
    "a number for a person": (UPSERT, set_to("citizen_number", 1), WRITES, ["citizen_number"]),
    "no person": (UPSERT, set_to("citizen_number", None), WRITES, ["citizen_number"]),
    "a list for a domain": (UPSERT, set_to("domain", ["health"]), WRITES, ["domain"]),
    "a domain that is none": (UPSERT, set_to("domain", "heatlh"), WRITES, ["domain"]),
    "a change that nobody knows": (UPSERT, change_to("undone"), WRITES, ["change"]),
    "a time that is said otherwise": (UPSERT, lambda line, _: line.__setitem__(
        "event_time", line["event_time"].replace("Z", "+00:00")), WRITES, ["event_time"]),
    "a number in words": (UPSERT, field("dose_number", "1"), WRITES, ["dose_number"]),
    "a number that is none": (UPSERT, field("dose_number", 1.0), WRITES, ["dose_number"]),
    "a number below zero": (UPSERT, field("dose_number", -1), WRITES, ["dose_number"]),
    "a number beyond 32 bits": (UPSERT, field("dose_number", 2**32 + 1), WRITES, ["dose_number"]),
    "words that are a number": (UPSERT, field("lot_number", 5), WRITES, ["lot_number"]),
    "a field that is none": (UPSERT, field("lot", "A"), WRITES, ["lot"]),
    "a change of no field": (UPSERT, lambda line, _: line["changed"].append("lot"), WRITES, ["changed"]),
    "an agency's name that is none": (UPSERT, set_to("agency", "M" * 32), WRITES, ["agency"]),
    "something besides": (UPSERT, more("note", "dead"), WRITES, ["note"]),
    "a name of the other form": (UPSERT, other_form, WRITES, None),
    "the border of a snapshot": (UPSERT, a_border, WRITES, ["snapshot"]),
    "no position": (UPSERT, lambda line, _: line.drop("position"), WRITES, ["position"]),
    "a position of the other form": (UPSERT, lambda line, _: line.__setitem__(
        "position", str(line["position"]) if line.is_plain else int(line["position"])), WRITES, None),
    "a proof that is a number": (UPSERT, set_to("origin", 1), WRITES, ["origin"]),
    "an event that was erased": (UPSERT, proof_with(erased=7), None, None),
    "an event that was changed": (UPSERT, proof_with(event=b"\x08\x01"), "the event is not the one that was signed",
                                  None),
}
BESIDE = {"key": "0" * 16, "stream": "00" * 16, "sequence": 77, "sealed_at": "2021-01-01T00:00:00.000000Z",
          "leaf": "00" * 32, "event": False, "erased": 9, "agency": "MOET"}


def written(path, lines):
    path.write_text("".join(json.dumps(line.line) + "\n" for line in lines))
    return path


def copied(made, form):
    return [Line(json.loads(json.dumps(line)), form) for line in made[form]]


def test_what_a_forger_changes_is_found(files):
    exchange, made = files
    key = f"MOH={exchange.keys('moh')}"
    path = exchange.directory / "forged.jsonl"
    for form in FORMS:
        [said] = check(exchange, written(path, copied(made, form)), "--keys", key)
        assert said["proved"] and (said["records"], said["proofs"], said["with_event"]) == (5, 5, 5), form
        for what, (n, forge, says, names) in FORGERIES.items():
            lines = copied(made, form)
            forge(lines[n], lines)
            [said] = check(exchange, written(path, lines), "--keys", key, code=1)
            assert said["wrong"] == 1 and not said["proved"], (form, what, said)
            [wrong] = said["wrongs"]
            assert wrong["line"] == n + 1 and says in (None, wrong["what"]), (form, what, wrong)
            if names and says == WRITES:
                names = [lines[n].name(name) for name in names]
            assert names in (None, wrong.get("of")), (form, what, wrong)
    for name, value in BESIDE.items():
        lines = copied(made, "plain")
        lines[OTHERS]["origin"][name] = value
        [said] = check(exchange, written(path, lines), "--keys", key, code=1)
        [wrong] = said["wrongs"]
        assert (wrong["line"], wrong["of"]) == (OTHERS + 1, [name]), wrong
    text = exchange.dongbo("log", "check", path, "--keys", key, check=False).stdout
    assert "line 4: WRONG: the proof says otherwise than what stands beside it: agency" in text, text
    assert text.endswith("NOT PROVED\n")
    # What a forger wrote is not shown as it is.
    lines = copied(made, "plain")
    lines[OTHERS].line["\033[2J" + "Đ" * (1 << 18)] = lines[OTHERS].line["đ\u202e"] = 1
    text = exchange.dongbo("log", "check", written(path, lines), "--keys", key, check=False).stdout
    assert "\033" not in text and "\u202e" not in text and len(text) < 1000 and "line 4: WRONG" in text


def test_what_is_no_line_is_a_broken_file(files):
    exchange, made = files
    path = exchange.directory / "broken.jsonl"
    good = json.dumps(made["plain"][0])
    for broken in ("", "[]", "null", good[:-1], good + good, good[:-1] + ',"agency":"MOH"}',
                   good.replace("MOH", "\\u0000"), good + " " * (4 << 20), '{"a":' * 3000):
        path.write_text(f"{good}\n{broken}\n")
        done = exchange.dongbo("log", "check", path, "--keys", exchange.keys("moh"), check=False)
        assert done.returncode == 2 and "line 2 is " in done.stderr, (broken[:80], done.stderr)


def test_what_nothing_proves_is_not_called_proved(files):
    """A forger may take proofs away, or what they tell, or not name what was changed: that is counted, named where it
    is asked for, and no lie, for an exchange may do so too."""
    exchange, made = files
    key = f"MOH={exchange.keys('moh')}"
    path = exchange.directory / "bare.jsonl"
    for form in FORMS:
        lines = copied(made, form)
        field("lot_number", "FORGED")(lines[UPSERT], lines)
        lines[UPSERT].drop("origin")
        proof_with(event=b"", salt=b"")(lines[OTHERS], lines)
        field("lot_number", "FORGED")(lines[OTHERS], lines)
        if form == "plain":
            lines[OTHERS]["origin"]["event"] = False
        field("facility_code", "01-666")(lines[CORRECTION], lines)
        lines.append(Line({"snapshot": "begin", "first": 3}, form))
        [said] = check(exchange, written(path, lines), "--keys", key)
        assert (said["records"], said["proofs"], said["with_event"]) == (5, 4, 3), said
        assert said["other_fields"] == 1
        [line] = exchange.dongbo("log", "check", path, "--keys", key).stdout.splitlines()[-1:]
        assert line.startswith("proved, but not what 2 records say, nor 1 fields"), line
        [said] = check(exchange, path, "--keys", key, "--all", code=1)
        assert [(one["line"], one["what"], one.get("of")) for one in said["wrongs"]] == [
            (UPSERT + 1, "there is no proof", None),
            (CORRECTION + 1, "the event does not say it", ["facility_code"]),
            (OTHERS + 1, "its proof does not tell the event", None)], said
    written(path, copied(made, "plain")[:1])
    assert check(exchange, path, "--keys", key, "--all")[0]["proved"]
    assert exchange.dongbo("log", "check", path, "--keys", key).stdout.endswith("\nproved\n")
    lines = copied(made, "plain")[:1]
    lines[0].drop("origin")
    for arguments, shown in ([], 0), (["--all"], 100):
        done = exchange.dongbo("log", "check", written(path, lines * 103), "--keys", key, *arguments, check=False)
        assert done.returncode == 1 and "NOT PROVED: no record has a proof" in done.stdout
        assert done.stdout.count("there is no proof") == shown
        assert ("... and 3 lines more" in done.stdout) == (shown > 0)


def test_a_key_that_was_given_for_nobody_is_one_agencys(files):
    exchange, made = files
    path, moh = exchange.directory / "whose.jsonl", exchange.keys("moh")
    lines = copied(made, "plain")
    [said] = check(exchange, written(path, lines), "--keys", moh)
    assert list(said["agencies"].values()) == ["MOH"]
    text = exchange.dongbo("log", "check", path, "--keys", moh).stdout
    assert "was given for nobody; the records say that it is of MOH" in text
    lines[OTHERS]["agency"] = "MOET"
    [said] = check(exchange, written(path, lines), "--keys", moh, code=1)
    assert [(one["line"], one["of"]) for one in said["wrongs"]] == [(OTHERS + 1, ["agency"])]
    # One key may be several agencies', where whoever asks says so.
    assert check(exchange, path, "--keys", f"MOH={moh}", "--keys", f"MOET={moh}")[0]["proved"]
