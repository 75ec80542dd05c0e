# SPDX-License-Identifier: Apache-2.0
"""The forms in which a committee takes records, and a program of its own that takes them from the agent: each record
once in its store, in order, whoever dies when."""
import contextlib
import functools
import json
import random
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest
from google.protobuf import json_format
from google.protobuf.internal.decoder import _DecodeVarint32 as varint

import fhir
import people
import wire
from conftest import BUILD, ROOT
from test_snapshot import filler

N = 120
FIELDS = ("citizen_number,health.vaccine_group,health.dose_number,health.product_code,health.lot_number,"
          "health.occurrence_date,health.facility_code,health.status")
publish = functools.partial(people.publish, at_once=20)


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, N, FIELDS) as peer:
        yield peer


def set_sink(receiver, sink):
    text = receiver.config.read_text()
    receiver.config.write_text(text[:text.index("sink:")] + f"sink: {json.dumps(sink)}\n")


def delimited(data):
    """The messages that stand one behind the other, each behind its length."""
    at, records = 0, []
    while at < len(data):
        n, at = varint(data, at)
        records.append(wire.SubscriberRecord.FromString(data[at:at + n]))
        at += n
    return records


def snake(records):
    """What the plain lines say, told by the messages."""
    return [{"position": record.position, "domain": wire.Domain.Name(record.domain).lower(),
             "change": wire.ChangeKind.Name(record.change).removeprefix("CHANGE_").lower(),
             "record": record.record_id.hex(), "citizen_number": record.citizen_number, "agency": record.agency,
             "event_time": record.event_time,
             "fields": json_format.MessageToDict(getattr(record, record.WhichOneof("body")),
                                                 preserving_proto_field_name=True)
             if record.WhichOneof("body") else {},
             "changed": list(record.changed)} for record in records]


def test_every_form_says_the_same(exchange, health):
    """Both forms of message SubscriberRecord are read by Google's own library, and its own JSON is ours."""
    receiver = exchange.receivers["hn"]
    publish(health, 0, 40)
    health.publish([people.dose(3, 1, operation=wire.RETRACT, body={"vaccine_group": "covid-19", "dose_number": 1},
                                key="withdrawn")])
    receiver.until_head()
    plain = receiver.records()
    assert {record["change"] for record in plain} == {"upsert", "delete"} and len(plain) == 41
    files = {}
    for form, suffix in (("json", "jsonl"), ("protobuf", "pb")):
        set_sink(receiver, {"kind": "jsonl", "directory": form, "format": form})
        receiver.until_head()
        [path] = (exchange.directory / form).glob(f"records-*.{suffix}")
        files[form] = path.read_bytes()
    lines = files["json"].decode().splitlines()
    records = [json_format.Parse(line, wire.SubscriberRecord()) for line in lines]
    assert records == delimited(files["protobuf"])
    assert [json_format.MessageToDict(record) for record in records] == [json.loads(line) for line in lines]
    assert snake(records) == plain
    # A directory keeps its form.
    set_sink(receiver, {"kind": "jsonl", "directory": "json", "format": "protobuf"})
    done = exchange.run(*receiver.command("--until-head"))
    assert done.returncode == 2 and "another format" in done.stderr


def test_vaccinations_as_fhir(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 20)
    publish(health, 0, 5, 2)
    health.publish([people.dose(3, 1, operation=wire.RETRACT, body={"vaccine_group": "covid-19", "dose_number": 1},
                                key="withdrawn"),
                    people.dose(4, 3, body={**people.dose_body(3), "product_code": "10", "status": "not-done"})])
    receiver.until_head()
    plain = receiver.records()
    set_sink(receiver, {"kind": "jsonl", "directory": "fhir", "format": "fhir"})
    receiver.until_head()
    [path] = (exchange.directory / "fhir").glob("*.jsonl")
    resources = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(resources) == len(plain) == 27
    for resource, record in zip(resources, plain):
        fhir.check_immunization(resource)
        said = record["fields"]
        withdrawn = record["change"] == "delete"
        assert resource["id"] == record["record"] and resource["meta"]["versionId"] == str(record["position"])
        assert resource["status"] == ("entered-in-error" if withdrawn else said["status"])
        assert resource["patient"]["identifier"]["value"] == record["citizen_number"]
        assert resource.get("occurrenceDateTime") == said.get("occurrence_date")
        assert [p["doseNumberPositiveInt"] for p in resource.get("protocolApplied", [])] == [
            number for name, number in said.items() if name == "dose_number"]
        if not withdrawn:
            assert resource["vaccineCode"]["coding"][0]["code"] == said["product_code"]
    assert {resource["status"] for resource in resources} == fhir.STATUS
    # Who may not see what FHIR needs is told so.
    exchange.dongbo("subscription", "change", "hn", "--field", "health.vaccine_group,health.dose_number")
    exchange.wait_in_force()
    set_sink(receiver, {"kind": "jsonl", "directory": "other", "format": "fhir"})
    done = exchange.run(*receiver.command("--until-head"))
    assert done.returncode == 2 and "format fhir needs health.status" in done.stderr


@pytest.mark.parametrize("broken", [
    {"status": "done"}, {"vaccineCode": {"code": "208"}}, {"occurrenceDateTime": "1/2/2021"}, {"performer": []},
    {"lotNumber": ""}, {"extra": 1}, {"protocolApplied": [{"doseNumberPositiveInt": 0}]}, {"occurrenceString": "x"},
    {"performer": [{"function": {"text": "x"}}]}, {"patient": {}}])
def test_what_is_not_fhir_is_found(broken):
    good = {"resourceType": "Immunization", "id": "a", "status": "completed", "vaccineCode": {"text": "x"},
            "patient": {"display": "x"}, "occurrenceDateTime": "2021-02-01"}
    fhir.check_immunization(good)
    with pytest.raises(AssertionError):
        fhir.check_immunization({**good, **broken})


def test_files_are_begun_by_size_and_time(exchange, health):
    """The committee takes complete files away while the agent goes on and dies."""
    receiver = exchange.receivers["hn"]
    set_sink(receiver, {"kind": "jsonl", "directory": "received-hn", "rotate_bytes": 4096, "rotate_seconds": 1})
    taken = []

    def take():
        paths = sorted(receiver.directory.glob("*.jsonl"))
        for path in paths[:-1]:
            taken.extend(path.read_text().splitlines())
            path.unlink()
        return len(taken)
    for round_ in range(3):
        process = receiver.start()
        publish(health, 40 * round_, 40 * round_ + 40)
        # By size some of them are complete, by time all, without anything new.
        process.wait_for(lambda: take() == 40 * round_ + 40, "files that are complete")
        process.kill()
    positions = [json.loads(line)["position"] for line in taken]
    assert len(positions) == 120 and positions == sorted(set(positions))


# Keeps each line, and its position with it, before it acknowledges; dies where the dice say so.
CHILD = """
    import json, os, random, sys
    choose, out = random.Random(os.getpid()), open(sys.argv[1], "a")
    for line in sys.stdin:
        if choose.random() < float(sys.argv[2]):
            os.kill(os.getpid(), 9)
        out.write(line)
        out.flush()
        print("ok", json.loads(line)["position"], flush=True)
"""


def set_command(exchange, receiver, *words, **more):
    script, kept = exchange.directory / "take.py", exchange.directory / "kept"
    script.write_text(textwrap.dedent(CHILD))
    set_sink(receiver, {"kind": "command", "command": [sys.executable, str(script), str(kept), *words],
                        "state": "hn.position", **more})
    return lambda: [json.loads(line) for line in (kept.read_text() if kept.exists() else "").splitlines()]


def assert_each_once(records, n):
    """Told apart by position, as the program would: what comes again has come before, and nothing is missing."""
    greatest, fresh = 0, []
    for record in records:
        if record["position"] > greatest:
            greatest = record["position"]
            fresh.append(record["citizen_number"])
    assert sorted(fresh) == sorted(person["citizen_number"] for person in people.citizens(n))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_program_gets_each_record(exchange, health, seed):
    choose = random.Random(seed)
    receiver = exchange.receivers["hn"]
    kept = set_command(exchange, receiver, "0.05")
    for round_ in range(4):
        process = receiver.start()
        publish(health, 30 * round_, 30 * round_ + 30)
        time.sleep(choose.uniform(0, 0.4))  # a moment of nobody's choice, not a wait for anything
        process.kill()
    set_command(exchange, receiver, "0")
    receiver.until_head()
    assert_each_once(kept(), N)
    last = max(record["position"] for record in kept())
    receiver.until_head()  # its Hello says what it has, also where the last Ack was lost with its connection
    assert_each_once(kept(), N)
    exchange.wait_until(f"SELECT acked >= {last} FROM exchange.subscription_position", True)


def test_a_running_program_ends_with_its_agent(exchange, health):
    receiver = exchange.receivers["hn"]
    kept = set_command(exchange, receiver, "0")
    process = receiver.start()
    publish(health, 0, 20)
    process.wait_for(lambda: len(kept()) == 20, "the records")
    second = exchange.start(receiver.command(), exchange.directory / "second.log")
    second.wait_for(lambda: "another receiver works with it" in second.text(), "the second's complaint")
    assert second.stop() == 0 and process.stop() == 0
    assert f"{exchange.directory}/take.py" not in exchange.run("ps", "-eo", "args").stdout
    assert_each_once(kept(), 20)


def test_a_program_that_hangs_is_said(exchange, health):
    receiver = exchange.receivers["hn"]
    kept = set_command(exchange, receiver, "0")
    hung = exchange.directory / "hung.py"
    hung.write_text("import sys\nfor line in sys.stdin: pass\n")
    good = receiver.config.read_text()
    set_sink(receiver, {"kind": "command", "command": [sys.executable, str(hung)], "state": "hn.position",
                        "answer_seconds": 1})
    publish(health, 0, 20)
    done = exchange.run(*receiver.command("--until-head", "--timeout", 1))
    assert "acknowledged nothing for 1 s" in done.stderr
    assert exchange.cluster.value("SELECT coalesce(max(acked), 0) FROM exchange.subscription_position") == 0
    receiver.config.write_text(good)
    receiver.until_head()
    assert_each_once(kept(), 20)


def test_the_sample_program(exchange, health):
    receiver, path = exchange.receivers["hn"], exchange.directory / "registry.sqlite"
    set_sink(receiver, {"kind": "command", "command": [str(ROOT / "deploy/sample/take-records"), str(path)],
                        "state": "registry.position", "format": "json"})
    publish(health, 0, 20)
    health.publish([people.dose(3, 1, operation=wire.RETRACT, body={"vaccine_group": "covid-19", "dose_number": 1},
                                key="withdrawn")])
    receiver.until_head()
    exchange.dongbo("epoch", "new", "--reason", "failed over to the other site")
    health.expect_error("NO_SESSION")  # sessions are over, and none that begins now is ended with them
    with wire.publisher(exchange, "MOH") as anew:
        anew.hello()
        publish(anew, 20, 25)
    receiver.until_head()
    with contextlib.closing(sqlite3.connect(path)) as base:
        assert base.execute("SELECT count(*) FROM record").fetchone() == (24,)
    (exchange.directory / "registry.position").unlink()
    receiver.until_head()  # all of it again
    with contextlib.closing(sqlite3.connect(path)) as base:
        held = [json.loads(said) for said, in base.execute("SELECT said FROM record ORDER BY position")]
    assert [record["citizenNumber"] for record in held] == [
        person["citizen_number"] for n, person in enumerate(people.citizens(25)) if n != 3]


def test_the_sample_program_where_the_log_was_set_back(tmp_path):
    """It had stored more than it could say, and those positions are others' now."""
    def record(position, key, said):
        return {"position": str(position), "recordId": key, "change": "CHANGE_UPSERT", "said": said}
    lines = [record(5, "a", "was"), record(9, "b", "was"), {"epoch": 2, "behind": 5}, record(6, "b", "is"),
             record(7, "c", "is"), record(6, "b", "comes again")]
    done = subprocess.run([str(ROOT / "deploy/sample/take-records"), str(tmp_path / "registry")], check=True, text=True,
                          input="".join(f"{json.dumps(line)}\n" for line in lines), stdout=subprocess.PIPE)
    assert done.stdout.splitlines() == ["ok 5", "ok 9", "ok epoch", "ok 6", "ok 7", "ok 6"]
    with contextlib.closing(sqlite3.connect(tmp_path / "registry")) as base:
        held = base.execute("SELECT id, position, said FROM record ORDER BY id").fetchall()
    assert [(*row[:2], json.loads(row[2])["said"]) for row in held] == [("a", 5, "was"), ("b", 6, "is"), ("c", 7, "is")]


# As the sample program, but for dying where the dice say so.
FRAIL = """
    import os, random, runpy, sys
    choose, stdin = random.Random(os.getpid()), sys.stdin

    def frail():
        for line in stdin:
            if choose.random() < float(sys.argv[2]):
                os.kill(os.getpid(), 9)
            yield line
    sys.stdin = frail()
    runpy.run_path(sys.argv[3], run_name="__main__")
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_a_program_takes_a_snapshot(exchange, health, seed):
    """While agent and program die, and events come; what nobody holds any more it has no more."""
    choose = random.Random(seed)
    receiver, path = exchange.receivers["hn"], exchange.directory / "registry.sqlite"
    script, state = exchange.directory / "frail.py", exchange.directory / "registry.position"
    script.write_text(textwrap.dedent(FRAIL))

    def set_frail(chance):
        set_sink(receiver, {"kind": "command", "format": "json", "state": "registry.position",
                            "command": [sys.executable, str(script), str(path), str(chance),
                                        str(ROOT / "deploy/sample/take-records")]})

    def held():
        with contextlib.closing(sqlite3.connect(path)) as base:
            return sorted(json.loads(said)["citizenNumber"] for said, in base.execute("SELECT said FROM record"))
    filler(exchange, 20, 600)
    publish(health, 0, 60)
    set_frail(0)
    receiver.until_head()
    with contextlib.closing(sqlite3.connect(path)) as base, base:  # of somebody whom a snapshot does not bring
        base.execute("INSERT INTO record VALUES ('x', 1, 0, '{\"citizenNumber\": \"nobody\"}')")
    set_frail(0.0002)
    for round_ in range(4):
        before = state.read_text()
        process = exchange.start(receiver.command("--from", "snapshot"), receiver.log)
        publish(health, 60 + 10 * round_, 70 + 10 * round_)
        process.wait_for(lambda: state.read_text() != before, "a part of the snapshot")
        time.sleep(choose.uniform(0, 0.2))  # a moment of nobody's choice, not a wait for anything
        process.kill()
    health.publish([people.dose(3, 1, operation=wire.RETRACT, body={"vaccine_group": "covid-19", "dose_number": 1},
                                key="withdrawn")])
    set_frail(0)
    said = exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", "snapshot"))
    assert said.returncode == 0 and "the snapshot is complete" in said.stderr, said.stderr
    publish(health, 100, 110)
    receiver.until_head()
    assert "going on with a snapshot" in receiver.log.read_text()
    assert held() == sorted([person["citizen_number"] for n, person in enumerate(people.citizens(110)) if n != 3] +
                            [f"0790{n:08}" for n in range(1, 21)] * 600)


@pytest.mark.parametrize("kind", ["jsonl", "command"])
def test_what_is_newly_granted_is_not_passed_over_in_silence(exchange, health, kind):
    """Said at each start, until a snapshot was taken, or somebody says that none is needed."""
    def run(*words):
        done = exchange.run(*receiver.command("--until-head", "--timeout", 20, *words))
        assert done.returncode == 0, done.stderr
        return "what is granted has changed" in done.stderr

    def grant(field, n):
        exchange.dongbo("subscription", "change", "hn", "--field", f"health.vaccine_group,{field}")
        exchange.wait_in_force()
        publish(health, n, n + 10)
    receiver = exchange.receivers["hn"]
    if kind == "command":
        set_command(exchange, receiver, "0")
    publish(health, 0, 10)
    process = receiver.start()
    exchange.wait_until("SELECT max(acked) >= (SELECT last_position FROM exchange.head)"
                        " FROM exchange.subscription_position", True)
    grant("health.lot_number", 10)
    process.wait_for(lambda: "what is granted has changed (version 2, was 1)" in process.text(), "a warning")
    assert process.stop() == 0
    assert run() and run()
    assert not run("--accept-rights") and not run()
    grant("health.product_code", 20)
    assert run() and run()
    if kind == "jsonl":
        assert not run("--from", "snapshot") and not run()
        last = [json.loads(line) for line in (receiver.directory / "records-000001.jsonl").read_text().splitlines()]
        last = last[last.index({"snapshot": "begin", "first": last[-1]["first"]}) + 1:-1]
        assert len(last) == 30 and all("product_code" in record["fields"] for record in last)


@pytest.mark.parametrize(("sink", "says"), [
    ({"kind": "command", "command": ["cat"]}, "a command sink has command and state"),
    ({"kind": "command", "command": ["./not-there"], "state": "p"}, "not-there: cannot be run"),
    ({"kind": "command", "command": ["cat"], "state": "p", "directory": "d"}, "a command sink has"),
    ({"kind": "command", "command": ["cat"], "state": "p", "answer_seconds": 0}, "answer_seconds 1 to 3600"),
    ({"kind": "command", "command": ["cat"], "state": "no/where"}, "not a directory"),
    ({"kind": "jsonl", "directory": "d", "rotate_bytes": 1}, "rotate_bytes is 4096 at least"),
    ({"kind": "jsonl", "directory": "d", "format": "xml"}, "format"),
    ({"kind": "postgres", "conninfo": "x", "schema": "y", "format": "json"}, "a postgres sink has"),
])
def test_what_is_configured_wrongly_is_said(exchange, sink, says):
    exchange.keys("hn")
    config = exchange.directory / "receive.yaml"
    config.write_text(f'subscription: hn\nkeys: hn.keys\nbroker: {{key: broker.keys.pub, endpoints: ["ipc://x"]}}\n'
                      f"sink: {json.dumps(sink)}\n")
    done = exchange.run(BUILD / "agents/dongbo-agent", "receive", "--config", config, "--until-head", "--timeout", 1)
    assert done.returncode == 2 and says in done.stderr, done.stderr
