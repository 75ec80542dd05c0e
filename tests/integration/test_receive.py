# SPDX-License-Identifier: Apache-2.0
"""A committee's agent against a real exchange: each record once, whatever dies when; a code says what is wrong."""
import json
import random
import re
import signal
import time

import pytest

import people
import test_attacks_agent as lies
import wire
from conftest import open_database
from people import publish

N = 300
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, N, FIELDS) as peer:
        yield peer


def lines(receiver):
    """How many lines are whole so far, the last one perhaps being written."""
    return sum(path.read_bytes().count(b"\n") for path in receiver.directory.glob("*.jsonl"))


def said(records):
    return sorted((record["citizen_number"], record["fields"]["dose_number"]) for record in records)


def expected(*ranges):
    return sorted((people.citizen(n)["citizen_number"], number) for first, last, number in ranges
                  for n in range(first, last))


def test_receives_each_record_once_and_goes_on(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 100)
    receiver.until_head()
    assert said(receiver.records()) == expected((0, 100, 1))
    receiver.until_head()
    publish(health, 0, 100)
    publish(health, 0, 100, 2)
    receiver.until_head()
    records = receiver.records()
    assert said(records) == expected((0, 100, 1), (0, 100, 2))
    positions = [record["position"] for record in records]
    assert positions == sorted(set(positions))
    assert {record["agency"] for record in records} == {"MOH"}
    assert {tuple(record["fields"]) for record in records} == {("vaccine_group", "dose_number")}
    assert len({record["record"] for record in records}) == 200
    previewed(exchange, records)


def previewed(exchange, received):
    """What would be received, told by the operators' command: the same, and of another's rights no more than those."""
    def preview(*words):
        shown = exchange.dongbo("subscription", "preview", *words, "--json").stdout
        return [json.loads(line) for line in shown.splitlines()]

    def but_for_its_name(records):
        return [{key: value for key, value in record.items() if key != "record"} for record in records]
    assert but_for_its_name(preview("hn", "--unmask")) == but_for_its_name(received)
    assert exchange.cluster.rows("SELECT what, count(*), count(DISTINCT citizen_masked) > 10 FROM exchange.unmasking "
                                 "GROUP BY what") == [("subscription preview", 100, True)]
    masked = exchange.dongbo("subscription", "preview", "hn", "-n", "3").stdout
    assert masked.count("\n") == 4 and "001*" in masked and not any(
        record["citizen_number"] in masked for record in received)
    exchange.prepare("subscription", "add", "later", "--subscriber", "x", "--legal-basis", "y", "--valid-from",
                     "2090-01-01", "--valid-to", "2090-12-31", "--domain", "health", "--field", "health.dose_number",
                     "--key", exchange.keys("later"))
    exchange.prepare("subscription", "disable", "later")
    assert {(tuple(record["fields"]), "citizen_number" in record) for record in preview("later")} == {
        (("dose_number",), False)}
    assert [record["position"] for record in preview("later")] == [record["position"] for record in received]
    assert "no subscription" in exchange.dongbo("subscription", "preview", "other", check=False).stderr
    filed(exchange, preview, received)


def filed(exchange, preview, received):
    """By rights in a file that nobody has applied: of a new subscription, and of one that has other rights today."""
    def policy(name, fields):
        path = exchange.directory / f"{name}-draft.yaml"
        path.write_text(f"name: {name}\nsubscriber: x\nlegal_basis: y\nvalid_from: 2090-01-01\nvalid_to: 2090-12-31\n"
                        f"fields: {{health: [{fields}]}}\n")
        return "--policy", path

    def fields(records):
        return {tuple(record["fields"]) for record in records}
    drafted = preview(*policy("draft", "dose_number"))
    assert fields(drafted) == {("dose_number",)}
    assert [record["position"] for record in drafted] == [record["position"] for record in received]
    assert fields(preview("hn", *policy("hn", "vaccine_group"))) == {("vaccine_group",)}
    assert fields(preview("hn")) == {("vaccine_group", "dose_number")}, "nothing was applied"
    assert exchange.cluster.value("SELECT count(*) FROM exchange.subscription WHERE name = 'draft'") == 0
    said = exchange.dongbo("subscription", "preview", *policy("draft", "dose_number"), "-n", "1").stdout
    assert "not added yet" in said
    for words, says in (((), "by which file"), (("other", *policy("hn", "dose_number")), "is the policy of hn"),
                        (policy("draft", "no_such_field"), "no_such_field")):
        refused = exchange.dongbo("subscription", "preview", *words, check=False)
        assert refused.returncode == 2 and says in refused.stderr


def test_rights_change_at_a_known_position(exchange, health):
    """What came before is as it was granted then, for whoever reads it again too."""
    receiver = exchange.receivers["hn"]
    publish(health, 0, 50)
    receiver.until_head()
    done = exchange.dongbo("subscription", "change", "hn", "--field", "health.dose_number", "--valid-to", "2098-12-31")
    position = int(re.search(r"version 2 of its rights holds from position (\d+) on", done.stdout).group(1))
    assert "may receive 1 fields" in done.stdout
    exchange.wait_in_force()
    publish(health, 50, 100)
    receiver.until_head()

    def shapes(records):
        return {(record["position"] >= position, tuple(record["fields"]), "citizen_number" in record)
                for record in records}
    expected_shapes = {(False, ("vaccine_group", "dose_number"), True), (True, ("dose_number",), False)}
    assert len(receiver.records()) == 100 and shapes(receiver.records()) == expected_shapes
    receiver.config.write_text(receiver.config.read_text().replace("received-hn", "again"))
    assert exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", "start")).returncode == 0
    receiver.directory = exchange.directory / "again"
    assert len(receiver.records()) == 100 and shapes(receiver.records()) == expected_shapes
    [now] = json.loads(exchange.dongbo("subscription", "list", "--json").stdout)
    assert (now["policy_version"], now["fields"], now["provinces"]) == (2, ["health.dose_number"], [])
    assert (now["valid_from"], now["valid_to"], now["legal_basis"]) == ("2020-01-01", "2098-12-31", "a test")
    assert exchange.cluster.rows("SELECT logged_position >= %s FROM exchange.policy_change WHERE text = "
                                 "'subscription hn: version 2 of its rights'", position) == [(True,)]
    for code, says, words in [(2, "needs to be told what", ("hn",)), (1, "other", ("other", "--province", "01")),
                              (2, "of a domain that --domain does not name", ("hn", "--domain", "e_id")),
                              (2, "none of codes", ("hn", "--province", "99")),
                              (2, "before --valid-from", ("hn", "--valid-to", "2019-01-01"))]:
        done = exchange.dongbo("subscription", "change", *words, check=False)
        assert done.returncode == code and says in done.stderr, done.stderr
    assert exchange.cluster.value("SELECT max(version) FROM exchange.subscription_policy") == 2


def test_an_empty_sink_begins_where_it_is_told(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 100)
    receiver.until_head()
    half = receiver.records()[49]["position"]
    text = receiver.config.read_text()
    publish(health, 100, 120)
    # acked last: each run acknowledges, and this is about what those before it did.
    for number, (place, first, last) in enumerate([("head", 120, 120), (half, 50, 120), ("start", 0, 120),
                                                   (None, 0, 120), ("acked", 120, 120)]):
        receiver.directory = exchange.directory / f"out-{number}"
        receiver.config.write_text(text.replace("received-hn", f"out-{number}"))
        words = ("--from", place) if place is not None else ()
        done = exchange.run(*receiver.command("--until-head", "--timeout", 20, *words))
        assert done.returncode == 0, done.stderr
        assert said(receiver.records()) == expected((first, last, 1)), place
    # What was begun at the head goes on there.
    receiver.directory = exchange.directory / "out-0"
    receiver.config.write_text(text.replace("received-hn", "out-0"))
    publish(health, 120, 130)
    receiver.until_head()
    assert said(receiver.records()) == expected((120, 130, 1))


def test_a_running_receiver_is_told_at_once(exchange, health):
    receiver = exchange.receivers["hn"]
    process = receiver.start()
    process.wait_for(lambda: "receiving from" in process.text(), "the receiver's session")
    begin = time.monotonic()
    for n in range(10):
        publish(health, n, n + 1)
        process.wait_for(lambda: lines(receiver) > n, "a record")
    assert time.monotonic() - begin < 8
    assert process.stop() == 0
    assert said(receiver.records()) == expected((0, 10, 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_receivers_lose_and_double_nothing(exchange, health, seed):
    choose = random.Random(seed)
    receiver = exchange.receivers["hn"]
    for round_ in range(10):
        process = receiver.start()
        publish(health, 30 * round_, 30 * round_ + 30)
        time.sleep(choose.uniform(0, 0.3))  # a moment of nobody's choice, not a wait for anything
        if choose.random() < 0.3:
            exchange.broker.kill()
            exchange.start_broker()
            health.hello()
        process.kill()
    receiver.until_head()
    assert said(receiver.records()) == expected((0, 300, 1))


@pytest.mark.postgres()
def test_a_killed_database_interrupts_nobody_for_long(exchange, health):
    receiver = exchange.receivers["hn"]
    process = receiver.start()
    publish(health, 0, 100)
    process.wait_for(lambda: lines(receiver) == 100, "the records before")
    exchange.cluster.stop("immediate")
    exchange.cluster.start()
    publish(health, 100, 200)
    process.wait_for(lambda: lines(receiver) == 200, "the records after")
    assert process.stop() == 0
    assert said(receiver.records()) == expected((0, 200, 1))


def test_a_stopped_receiver_costs_the_broker_nothing(watched_size, exchange, health):
    receiver = exchange.receivers["hn"]
    process = receiver.start()
    process.wait_for(lambda: "receiving from" in process.text(), "the receiver's session")
    for number in range(1, 4):  # what the broker needs of its own
        publish(health, 0, N, number)
    process.popen.send_signal(signal.SIGSTOP)
    before = exchange.broker.rss_kib()
    for number in range(4, 30):
        publish(health, 0, N, number)
    grown = exchange.broker.rss_kib() - before
    process.popen.send_signal(signal.SIGCONT)
    doses = [(0, N, number) for number in range(1, 30)]
    process.wait_for(lambda: lines(receiver) == len(expected(*doses)), "the rest")
    assert process.stop() == 0
    assert said(receiver.records()) == expected(*doses)
    assert grown < 12 << 10, f"the broker grew by {grown} KiB"


def test_rows_in_a_table_are_the_same(exchange, health, empty_database):
    receiver = exchange.receivers["hn"]
    text = receiver.config.read_text()
    publish(health, 0, 100)
    receiver.until_head()
    conninfo = empty_database.conninfo()
    receiver.config.write_text(text[:text.index("sink:")] +
                               f'sink: {{kind: postgres, conninfo: "{conninfo}", schema: received}}\n')
    receiver.until_head()  # an empty sink, though the exchange knows that 100 were stored elsewhere
    assert exchange.run("psql", "-XAt", conninfo, "-c", "SELECT count(*) FROM received.health").stdout == "100\n"
    publish(health, 100, 150)
    done = exchange.run(*receiver.command("--until-head", "--timeout", 20, "--from", "start"))
    assert done.returncode == 0, done.stderr
    publish(health, 150, 200)
    receiver.until_head()
    rows = exchange.run("psql", "-XAt", conninfo, "-c",
                        "SELECT citizen_number, dose_number FROM received.health", check=True).stdout.split()
    assert sorted(rows) == [f"{number}|{dose}" for number, dose in expected((0, 200, 1))]
    head = exchange.cluster.value("SELECT max(last_position) FROM exchange.segment")
    stored = exchange.run("psql", "-XAt", conninfo, "-c", "SELECT position FROM received.dongbo_position", check=True)
    assert int(stored.stdout) == head


def refused(receiver, code, *words):
    done = receiver.exchange.run(*receiver.command("--until-head", *words))
    assert done.returncode == code, f"{done.returncode}\n{done.stderr}"
    assert done.stderr.count("\n") < 12, done.stderr
    return done.stderr


def test_codes_say_what_is_wrong(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 10)
    receiver.until_head()
    good = receiver.config.read_text()

    receiver.config.write_text(good.replace("subscription: hn", "subscription: other"))
    assert '"hn"' in refused(receiver, 1, "--timeout", 10)
    receiver.config.write_text(good + "colour: red\n")
    assert "colour" in refused(receiver, 2)
    receiver.config.write_text(good.replace("hn.keys", "none.keys"))
    assert "none.keys" in refused(receiver, 2)
    receiver.config.write_text(good.replace("kind: jsonl", "kind: postgres"))
    assert "postgres sink" in refused(receiver, 2)
    exchange.keys("stranger")
    receiver.config.write_text(good.replace("hn.keys", "stranger.keys"))
    assert "let this key in" in refused(receiver, 3, "--timeout", 1)
    receiver.config.write_text(good)
    for place in ("start", "head", "acked", "7"):
        assert "holds records" in refused(receiver, 2, "--from", place)
    assert "--from is start" in refused(receiver, 2, "--from", "7th")
    assert said(receiver.records()) == expected((0, 10, 1))

    exchange.dongbo("subscription", "disable", "hn")
    exchange.broker.wait_for(lambda: exchange.run(*receiver.command("--until-head", "--timeout", 2)).returncode != 0,
                             "the subscription's end")
    assert refused(receiver, 1 if "disabled" in refused_text(receiver) else 3, "--timeout", 2)


def refused_text(receiver):
    return receiver.exchange.run(*receiver.command("--until-head", "--timeout", 2)).stderr


def test_damage_is_said_and_never_taken_for_a_beginning(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 10)
    receiver.until_head()
    position = receiver.directory / "position"
    text = position.read_text()
    for wrong in ("", text[:40], text.replace("epoch 1", "epoch 2")):
        position.write_text(wrong)
        assert "new, empty directory" in refused(receiver, 2)
    position.unlink()
    assert "missing" in refused(receiver, 2)
    position.write_text(text)
    publish(health, 10, 20)
    receiver.until_head()
    assert said(receiver.records()) == expected((0, 20, 1))


def test_the_next_endpoint_serves_when_the_first_does_not(exchange, health):
    receiver = exchange.receivers["hn"]
    publish(health, 0, 10)
    text = receiver.config.read_text()
    receiver.config.write_text(text.replace('endpoints: ["', f'endpoints: ["ipc://{exchange.directory}/nobody", "'))
    begin = time.monotonic()
    receiver.until_head(timeout=20)
    assert time.monotonic() - begin < 2
    assert said(receiver.records()) == expected((0, 10, 1))
    # One that goes is noticed at once, though nothing was to be said.
    process = receiver.start()
    process.wait_for(lambda: process.text().count("receiving from") == 2, "the receiver's session")
    exchange.broker.kill()
    process.wait_for(lambda: "is gone" in process.text(), "that is noticed", 2)
    assert process.stop() == 0
    assert refused(receiver, 3, "--timeout", 1)


def test_a_sink_without_our_letters_is_told(exchange, health, shared_cluster):
    receiver = exchange.receivers["hn"]
    text = receiver.config.read_text()
    health.publish([people.dose(0, body={**people.dose_body(1), "lot_number": "Lễ 7"})])
    latin = "template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    with open_database(shared_cluster, of=latin) as database:
        receiver.config.write_text(text[:text.index("sink:")] +
                                   f'sink: {{kind: postgres, conninfo: "{database.conninfo()}", schema: received}}\n')
        told = refused(receiver, 2, "--timeout", 10)
        assert "database is encoded in LATIN1, which lacks letters of what is received" in told
        assert "altered by hand" not in told
        assert database.rows("SELECT count(*) FROM received.health, received.dongbo_position") == [(0,)]


def test_a_sink_that_is_away_is_what_is_named(exchange, health):
    receiver = exchange.receivers["hn"]
    text = receiver.config.read_text()
    conninfo = exchange.cluster.conninfo(database="nowhere")
    receiver.config.write_text(text[:text.index("sink:")] +
                               f'sink: {{kind: postgres, conninfo: "{conninfo}", schema: received}}\n')
    said_ = refused(receiver, 4, "--timeout", 1)
    assert "the sink" in said_.splitlines()[-1] and "nowhere" in said_.splitlines()[-1]


def test_a_committee_that_gets_no_further_asks_less_often(exchange):
    """Sessions that begin well and bring nothing: it does not hammer on the exchange, nor fill its own log, and whoever
    said how long it may take is told."""
    receiver = lies.start_site(exchange)
    exchange.broker.stop()
    liar = lies.Liar(exchange, exchange.subscribe)
    liar.lie, liar.heard = lies.records(lambda place: {"previous": place - 1}), []
    liar.start()
    try:
        began = time.monotonic()
        done = exchange.run(*receiver.command("--until-head", "--timeout", "3"), seconds=30)
        assert done.returncode == 3 and "given up after 3 seconds" in done.stderr
        assert time.monotonic() - began < 10
        assert 2 < sum(data[3] == wire.HELLO_SUBSCRIBE for data in liar.heard) < 12
        assert done.stderr.count("it is tried again") == 1
    finally:
        liar.stop()
