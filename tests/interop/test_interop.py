# SPDX-License-Identifier: Apache-2.0
"""Clients that were written from PROTOCOL.md alone keep the promises that our agents keep: at a real exchange, beside
them, over kills of either and of the broker, and with spools and places that the exchange does not know."""
import collections
import contextlib
import random
import re
import shutil
import sqlite3
import subprocess
import time
import types

import pytest

import clients
import conftest
from clients import OurPublisher, PythonPublisher, PythonReceiver, copy_of, event_json, pb, query

import people  # isort: skip (clients has said where it is)

FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.occurrence_date,health.lot_number"
N = 60
PUBLISHERS = {"ours": lambda exchange: OurPublisher(exchange, "MOH", ["vaccinations"]),
              "python": lambda exchange: PythonPublisher(exchange, "MOH")}


@pytest.fixture
def site(exchange):
    return set_up(exchange)


def set_up(exchange):
    """An exchange with some citizens, to which the Ministry of Health may publish; each test makes its agent."""
    exchange.load_population(people.citizens(N))
    exchange.agency("MOH", "health", [])
    shutil.rmtree(exchange.directory / "publish-moh")
    for name in ("hn", "other"):
        exchange.committee(name, "health", FIELDS)
    exchange.start_broker()
    return exchange


def dose(n, number=1):
    """The n-th citizen's dose, as a line for publish.py."""
    return event_json(people.dose(n, number))


def stored(exchange):
    """How often each event is in the log, by its id."""
    return collections.Counter(entry["event_id"] for entry in exchange.log() if entry["kind"] == "event")


# ---- the same bytes, verdicts and records --------------------------------------------------------------------------

def test_the_example_of_the_document():
    text = (conftest.ROOT / "proto/PROTOCOL.md").read_text(encoding="utf-8")
    said = ["".join(block.split()) for block in re.findall(r"(?:^    .*\n)+", text[text.index("## 14 Example"):], re.M)]
    seed = re.match("seed([0-9a-f]{64})public([0-9a-f]{64})keyid", said[0])
    keys = types.SimpleNamespace(sign_secret=bytes.fromhex(seed.group(1)), sign_public=bytes.fromhex(seed.group(2)))
    event = pb.ChangeEvent(schema_version=1, operation=pb.UPSERT, event_time_us=1646092800000000, source_key="r1")
    event.subject.citizen_number, event.subject.full_name = "001099012345", "Nguyễn Văn An"
    event.subject.birth_date, event.subject.sex = "1999-05-01", "male"
    event.health.vaccine_group, event.health.dose_number = "COVID-19", 2
    event.health.occurrence_date, event.health.status = "2022-03-01", "completed"
    event.event_id = clients.publish.event_id("MOH", event)
    encoded = event.SerializeToString()
    assert [event.event_id.hex(), encoded.hex()] == said[1:3]
    root, sealed = clients.publish.seal(bytes(range(16)), 1, [encoded], keys, bytes(range(16, 32)), 1646096400000000)
    batch = pb.SealedBatch.FromString(sealed)
    frame = clients.wire.pack(clients.wire.Kind.BATCH, 0x1122334455667788, 1, sealed)
    assert [part.hex() for part in (root, batch.header, batch.signature, frame)] == said[3:7]


def odd_rows():
    """Rows of every kind of verdict, some of them several times."""
    given = [people.dose_row(n) for n in range(30)]
    given += [people.dose_row(30, ho_ten="Hoàn Toàn Khác"), people.dose_row(31, ngay_sinh="02/03/1949"),
              people.dose_row(32, ho_ten=people.bare(people.citizen(32)["full_name"])),
              people.dose_row(33, ngay_tiem="01/01/2090"), people.dose_row(34, so_cccd="12345"),
              people.dose_row(N + 5), people.dose_row(35, ma_san_pham="?"), people.dose_row(36, mui_so=0)]
    return given + [people.dose_row(n) for n in range(5)] + [people.dose_row(0, so_lo="other")]


def test_verdicts_and_records_are_those_of_our_agents(site, shared_cluster):
    """The same events, at two exchanges: one gets them from our agent, one from publish.py."""
    ours = PUBLISHERS["ours"](site)
    ours.put(odd_rows())
    ours.once(expect=1)
    with conftest.open_workdir() as directory, conftest.open_database(shared_cluster, of="dongbo") as database, \
            conftest.open_exchange(database, directory) as other:
        set_up(other)
        python = PythonPublisher(other, "MOH")
        python.put([event_json(encoded) for encoded in ours.encoded()])
        python.once()
        assert python.encoded() == ours.encoded()  # the same ids among them
        assert python.verdicts() == ours.verdicts()
        assert len({verdict for _, verdict, _ in python.verdicts()}) >= 5
        receivers_agree(other)


def receivers_agree(exchange, name="hn"):
    """What receive.py gets is what `dongbo-agent receive` gets of the same subscription; again and again."""
    ours, python = exchange.receivers[name], PythonReceiver(exchange, name)
    python.until_head()
    ours.until_head()
    assert python.records() == ours.records() and ours.records()
    assert python.copy() == copy_of(ours.records())
    again = PythonReceiver(exchange, name, "again")
    again.until_head()
    assert again.journal() == python.journal()


def test_records_prove_whose_word_they_are(site):
    """By MOH's own key; our receiver keeps the same, and by another key nothing is believed."""
    site.committee("full", "health,population", "citizen_number,health.*,population.*", "--origin-proofs", "events")
    site.committee("leaves", "health", FIELDS, "--origin-proofs", "leaves")
    python = PythonPublisher(site, "MOH")
    python.put([dose(n) for n in range(9)])
    python.once()
    key = site.directory / "moh.keys.pub"
    for name, told in (("full", True), ("leaves", False)):
        receiver = PythonReceiver(site, name, "proved", "--agency-key", f"MOH={key}")
        receiver.until_head()
        proofs = [pb.OriginProof.FromString(proof) for proof, in query(
            receiver.store, "SELECT proof FROM origin ORDER BY position")]
        assert len(proofs) == 9 and [proof.event for proof in proofs] == (python.encoded() if told else [b""] * 9)
        ours = site.receivers[name]
        ours.config.write_text(ours.config.read_text() + "origin_proofs: yes\nagency_keys: [MOH=moh.keys.pub]\n")
        ours.until_head()
        assert [line["origin"]["leaf"] for line in ours.records()] == [proof.leaf.hex() for proof in proofs]
    stranger = PythonReceiver(site, "full", "stranger", "--agency-key", f"MOH={site.directory / 'hn.keys.pub'}")
    process = stranger.start()
    process.wait_for(lambda: "is not signed by MOH" in process.text(), "it is found out")
    process.stop()
    assert stranger.journal() == []


def test_what_has_changed_is_the_events_word():
    """A true event beside made-up values proves nothing."""
    event = pb.ChangeEvent(health=pb.Vaccination(vaccine_group="covid-19", lot_number="L1", dose_number=2))
    record = pb.FeedRecord(position=7, domain=pb.HEALTH,
                           changed_fields=[*pb.Vaccination.DESCRIPTOR.fields_by_number, 99])
    record.body = event.health.SerializeToString()
    clients.receive.check_changed(record, event)
    for lie in (pb.Vaccination(vaccine_group="covid-19", lot_number="L2", dose_number=2),
                pb.Vaccination(vaccine_group="covid-19", dose_number=2),
                pb.Vaccination(vaccine_group="covid-19", lot_number="L1", dose_number=2, facility_code="01001")):
        record.body = lie.SerializeToString()
        with pytest.raises(clients.wire.Ended, match="says otherwise than its event"):
            clients.receive.check_changed(record, event)
    event.operation = pb.RETRACT
    with pytest.raises(clients.wire.Ended, match="says otherwise than its event"):
        clients.receive.check_changed(record, event)
    record.body = pb.Vaccination(vaccine_group="covid-19", dose_number=2).SerializeToString()
    clients.receive.check_changed(record, event)
    record.body = pb.Vaccination(vaccine_group="covid-19", dose_number=1).SerializeToString()
    record.changed_fields[:] = []
    with pytest.raises(clients.wire.Ended, match="says otherwise than its event"):
        clients.receive.check_changed(record, event)


def test_what_ends_a_record_takes_something_back():
    event = pb.ChangeEvent(health=pb.Vaccination(vaccine_group="covid-19", dose_number=2), operation=pb.RETRACT)
    record = pb.FeedRecord(position=7, domain=pb.HEALTH, change=pb.CHANGE_DELETE)
    clients.receive.check_end(record, event)
    for lie in ({"change": pb.CHANGE_LEFT}, {"body": event.health.SerializeToString()}):
        with pytest.raises(clients.wire.Ended, match="is not let go by its event"):
            clients.receive.check_end(pb.FeedRecord(**{"change": pb.CHANGE_DELETE, **lie}), event)
    event.operation = pb.UPSERT
    with pytest.raises(clients.wire.Ended, match="is not let go by its event"):
        clients.receive.check_end(record, event)
    event.cleared_fields.append(4)
    clients.receive.check_end(record, event)


def test_a_later_verdict_is_told(site):
    """The person becomes known after the event: the verdict of then replaces the first."""
    python = PythonPublisher(site, "MOH")
    python.put([dose(0), dose(N)])
    process = python.start()
    process.wait_for(lambda: python.answered() == 2, "receipts")
    assert query(python.spool, "SELECT verdict FROM event") == [(pb.ACCEPTED,), (pb.DEFERRED,)]
    centre = site.agency("NPC", "population", ["population"])
    centre.drop("population", "births.csv", [people.registration(N)])
    centre.once(expect=0)
    process.wait_for(lambda: query(python.spool, "SELECT verdict FROM event") == [(pb.ACCEPTED,)] * 2, "the verdict")
    process.stop()
    [(told, heard)] = query(python.spool, "SELECT max(position), (SELECT verdict_position FROM heard) FROM event")
    assert told <= heard


def test_records_that_come_and_go(site):
    """Persons move in and out of a province, records are withdrawn: the copy follows."""
    site.committee("hanoi", "health", FIELDS, "--province", "01")
    python, centre = PythonPublisher(site, "MOH"), site.agency("NPC", "population", ["population"])
    receiver = PythonReceiver(site, "hanoi")
    python.put([dose(n) for n in range(6)])
    python.once()
    receiver.until_head()

    def move(number, *moves):
        centre.drop("population", f"moves-{number}.csv", [
            people.registration(n, row_id=f"m{number}-{n}", kind="move", residence_province=to, residence_province63=to,
                                residence_commune="", recorded_at=f"2022-03-0{number}T08:00:00+07:00")
            for n, to in moves])
        centre.once(expect=0)
        site.wait_until("SELECT count(*)::int FROM exchange.stream", 2)
    move(1, (0, "79"), (1, "79"))
    move(2, (1, "01"))
    python.put([withdrawn(2)])
    python.once()
    site.broker.wait_for(lambda: receiver.until_head() is not None and len(receiver.copy()) == 4, "the moves")
    assert {"upsert", "delete", "entered", "left"} == {record["change"] for record in receiver.records()}
    assert {query(receiver.store, "SELECT count(DISTINCT citizen_number) FROM record")[0][0]} == {4}
    receivers_agree(site, "hanoi")


def keep_it_with_an_agent(site, receiver, numbers):
    """An agent changes the list while follow.py goes through its own: neither is in the other's way."""
    command = [conftest.BUILD / "agents/dongbo-agent", "follow", "--config", site.receivers["few"].config, "add", "-"]
    asked = site.cluster.value("SELECT max(turn) FROM exchange.follow_asked")
    with subprocess.Popen(receiver.follow("add", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as python:
        python.stdin.write("001099999999\n" * 999 + f"{numbers[0]}\n")  # as many as one request has
        python.stdin.flush()
        site.wait_until(f"SELECT max(turn) > {asked} FROM exchange.follow_asked", True)
        subprocess.run(command, input=f"{numbers[1]}\n", check=True, stdout=subprocess.DEVNULL, text=True, timeout=60)
        python.stdin.write(f"{numbers[1]}\n{numbers[0]}\n")
        _, said = python.communicate(timeout=60)
    assert python.returncode == 0 and "FOLLOW_OLD" in said, said
    listed = subprocess.run(receiver.follow("list"), check=True, capture_output=True, text=True, timeout=60).stdout
    assert set(numbers) <= set(listed.split())


def test_a_list_of_followed_persons(site):
    """Whom follow.py adds comes with all that there is of them; whom it removes goes."""
    site.committee("few", "health", FIELDS, "--followed-only", "--province", "01")
    python, receiver = PythonPublisher(site, "MOH"), PythonReceiver(site, "few")
    python.put([dose(n) for n in range(10)])
    python.once()
    numbers = [people.citizen(n)["citizen_number"] for n in range(3)]

    def follow(*words, expect=0):
        done = site.run(*receiver.follow(*words))
        assert done.returncode == expect, done.stderr
        return done.stdout.split()

    def in_effect(n):
        """So that a session is not begun between the records, which changes what the first behind it says of before."""
        site.wait_until("SELECT count(*) FROM exchange.followed WHERE to_position IS NULL", n)

    def holds(*wanted):
        site.broker.wait_for(lambda: receiver.until_head() is not None and query(
            receiver.store, "SELECT citizen_number FROM record ORDER BY 1") == sorted((n,) for n in wanted), "the copy")
    listed = site.directory / "numbers"
    listed.write_text("\n".join([*numbers, "001099999999", *numbers]))
    assert follow("add", listed) == ["001099999999"]
    assert follow("list") == sorted(numbers)
    in_effect(3)
    holds(*numbers)
    listed.write_text(numbers[1])
    assert follow("remove", listed) == []
    in_effect(2)
    holds(numbers[0], numbers[2])
    assert {"entered", "left"} == {record["change"] for record in receiver.records()}
    receivers_agree(site, "few")
    keep_it_with_an_agent(site, receiver, [people.citizen(n)["citizen_number"] for n in (3, 4)])
    receiver.name = "hn"  # whose subscription keeps no list
    assert follow("list", expect=3) == []


def test_consumers_that_share_a_subscription(site):
    """Each person's records come to one of them, and to whom they came first."""
    python, whole = PythonPublisher(site, "MOH"), PythonReceiver(site, "hn")
    shares = [PythonReceiver(site, "hn", f"share-{i}", "--share", f"{i}/2") for i in (1, 2)]
    for number in (1, 2):
        python.put([dose(n, number) for n in range(40)])
        python.once()
        for receiver in shares:
            receiver.until_head()
    persons = [{record["citizen_number"] for record in receiver.records()} for receiver in shares]
    assert all(persons) and not persons[0] & persons[1] and sum(map(len, persons)) == 40
    whole.until_head()
    assert shares[0].copy() | shares[1].copy() == whole.copy() and len(whole.copy()) == 80


def test_a_snapshot_then_the_feed(site, empty_database):
    """What a snapshot leaves is what the feed leaves; a change of rights brings one; a damaged copy is repaired."""
    python, whole = PythonPublisher(site, "MOH"), PythonReceiver(site, "hn")
    filled = PythonReceiver(site, "hn", "filled")
    python.put([dose(n) for n in range(40)])
    python.once()
    assert "snapshot done" in filled.until_head("--snapshot")
    python.put([dose(n, 2) for n in range(40)] + [withdrawn(n) for n in range(5)])
    python.once()
    assert " 0 of 4096" in filled.until_head("--reconcile")
    whole.until_head()
    assert filled.copy() == whole.copy() and len(filled.copy()) == 75
    site.dongbo("subscription", "change", "hn", "--field", "health.dose_number,health.lot_number")
    site.wait_in_force()
    assert "snapshot done" in whole.until_head()
    assert {tuple(body) for body in whole.copy().values()} == {("dose_number",)} and len(whole.copy()) == 75
    assert query(whole.store, "SELECT DISTINCT citizen_number FROM record") == [("",)]
    with contextlib.closing(sqlite3.connect(whole.store)) as damaged, damaged:
        damaged.execute("DELETE FROM record WHERE rowid % 10 = 0")
        damaged.execute("UPDATE record SET body = '{\"dose_number\": 9}' WHERE rowid % 10 = 1")
        damaged.execute("INSERT INTO record SELECT randomblob(16), domain, citizen_number, person_id, event_time_us, "
                        "agency, body, position, mark FROM record LIMIT 3")
    assert " 0 of 4096" not in whole.until_head("--reconcile")
    assert " 0 of 4096" in whole.until_head("--reconcile")
    assert {key: body["dose_number"] for key, body in whole.copy().items()} == {
        key: body["dose_number"] for key, body in filled.copy().items()}
    ours = site.receivers["hn"]
    config = ours.config.read_text()
    ours.config.write_text(config[:config.index("sink:")] +
                           f'sink: {{kind: postgres, conninfo: "{empty_database.conninfo()}", schema: received}}\n')
    assert site.run(*ours.command("--until-head", "--from", "snapshot", "--timeout", 60)).returncode == 0
    assert {row[0].tobytes().hex(): {"dose_number": row[1]} for row in empty_database.rows(
        "SELECT record_id, dose_number FROM received.health")} == whole.copy()


def withdrawn(n):
    event = dose(n)
    event["operation"], event["sourceKey"] = "RETRACT", f"withdrawn-{n}"
    event["health"] = {name: event["health"][name] for name in ("vaccineGroup", "doseNumber")}
    return event


def test_a_publisher_is_proved_to(site):
    """Batch after batch, over sessions; and later verdicts are signed to it."""
    python = PythonPublisher(site, "MOH")
    for n in range(0, 20, 5):
        python.put([dose(i) for i in range(n, n + 5)])
        python.once()
    process = python.start()
    proven = "SELECT max(last), count(*) FROM proof"
    process.wait_for(lambda: query(python.spool, proven) == [(20, 4)], "proofs of what was stored before")
    python.put([dose(i) for i in range(20, N)])
    process.wait_for(lambda: query(python.spool, "SELECT max(last) FROM proof") == [(N,)], "proofs in the session")
    process.stop()
    assert query(python.spool, "SELECT count(*) FROM false_proof") == [(0,)]
    assert query(python.spool, "SELECT count(*) FROM signs") == [(1,)]
    forge_head(site)
    python.put([dose(0, number=2)])
    process = python.start()
    process.wait_for(lambda: not process.running(), "it is found out")
    assert process.popen.returncode == 3 and "something false of its log" in process.text()
    assert query(python.spool, "SELECT count(*) FROM false_proof") == [(1,)]


def forge_head(site):
    """By whoever has the exchange's key: of a log that does not go on from what was signed."""
    number, body = site.cluster.rows("SELECT number, head FROM exchange.signed_head ORDER BY number DESC LIMIT 1")[0]
    head, keys = pb.TreeHead.FromString(bytes(body)), clients.wire.Keys(site.directory / "broker.keys")
    head.number, head.size, head.last_position, head.root = number + 1, head.size + 1, head.last_position + 1, bytes(32)
    body = head.SerializeToString()
    site.cluster.rows("INSERT INTO exchange.signed_head VALUES (%s, %s, %s, %s, %s, %s, %s)", head.number, head.size,
                      head.last_position, head.signed_at_us, head.key_id, body,
                      clients.wire.sign(keys.sign_secret, b"dongbo head 1", body))


# ---- kills ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", PUBLISHERS)
@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10 ** 6)])
def test_nothing_is_lost_or_doubled_over_kills(site, kind, seed):
    """Of publisher, broker and receivers, ours and Python's, at moments that the seed draws."""
    dice = random.Random(seed)
    print(f"seed {seed}")
    publisher = PUBLISHERS[kind](site)
    receivers = [site.receivers["other"], PythonReceiver(site, "hn")]
    running = {publisher: publisher.start(), **{receiver: receiver.start() for receiver in receivers}}
    for n in range(0, N, 10):
        part = range(n, n + 10)
        publisher.put([people.dose_row(i) for i in part] if kind == "ours" else [dose(i) for i in part])
        time.sleep(dice.uniform(0, 0.25))  # a moment of nobody's choice, not a wait for anything
        victim = dice.choice([publisher, *receivers, None])
        if victim is None:
            site.broker.kill()
            site.start_broker()
        else:
            running[victim].kill()
            running[victim] = victim.start()
    running[publisher].wait_for(lambda: publisher.answered() == N, "all receipts")
    for process in running.values():
        process.stop()
    for receiver in receivers:
        receiver.until_head()
    assert len(publisher.verdicts()) == N and {verdict for _, verdict, _ in publisher.verdicts()} == {"ACCEPTED"}
    assert len(stored(site)) == N and set(stored(site).values()) == {1}
    seen = [record["citizen_number"] for record in receivers[1].records()]
    assert len(seen) == len(set(seen)) == N
    but_for_ids = [[{**record, "record": ""} for record in receiver.records()] for receiver in receivers]
    assert but_for_ids[0] == but_for_ids[1]


# ---- what the exchange does not agree with -------------------------------------------------------------------------

def back_up(spool, to):
    """All of it, also what is in its log still."""
    with contextlib.closing(sqlite3.connect(spool)) as source, contextlib.closing(sqlite3.connect(to)) as target:
        source.backup(target)


def test_a_spool_from_a_backup_opens_a_new_stream(site):
    python = PythonPublisher(site, "MOH")
    python.put([dose(n) for n in range(5)])
    python.once()
    back_up(python.spool, site.directory / "backup.db")
    python.put([dose(n) for n in range(5, 10)])
    python.once()
    back_up(site.directory / "backup.db", python.spool)
    python.put([dose(n) for n in range(10, 12)])
    assert "new stream" in python.once()
    assert sorted(stored(site).values()) == [1] * 7 + [2] * 5
    assert [verdict for _, verdict, _ in python.verdicts()] == ["ACCEPTED"] * 5 + ["UNCHANGED"] * 5 + ["ACCEPTED"] * 2
    assert site.cluster.value("SELECT count(*) FROM exchange.stream WHERE replaces IS NOT NULL") == 1
    python.put([dose(12)])
    assert "new stream" not in python.once()


def test_two_on_one_spool(site):
    """The newer one goes on; the older one stops and says why, whichever broker it speaks to."""
    python = PythonPublisher(site, "MOH")
    python.put([dose(0)])
    first = python.start()
    first.wait_for(lambda: python.answered() == 1, "a receipt")
    python.once()
    stops(first, "SESSION_REPLACED")
    site.start_second_broker()
    other = PythonPublisher(site, "MOH", site.directory / "copy.db")
    back_up(python.spool, other.spool)
    first = in_session(python, "first.log", site.publish)
    second = in_session(other, "second.log", site.publish2)
    python.put([dose(1)])
    stops(first, "A newer session")
    second.wait_for(lambda: other.answered() == 2, "a receipt")


def stops(process, why):
    process.wait_for(lambda: why in process.text(), "its last word", 20)
    assert process.popen.wait(20) == 3


def in_session(publisher, log, endpoint):
    process = publisher.start(log, endpoint)
    process.wait_for(lambda: "in session" in process.text(), "a session")
    return process


@pytest.mark.postgres()
def test_an_exchange_restored_from_an_older_copy(site):
    """The publisher sends again what was forgotten; the receiver keeps what it has, and a person must look."""
    python, receiver = PythonPublisher(site, "MOH"), PythonReceiver(site, "hn")
    python.put([dose(n) for n in range(5)])
    python.once()
    site.broker.stop()
    backup = site.directory / "pg-backup"
    site.cluster.back_up(backup)
    site.start_broker()
    python.put([dose(n) for n in range(5, 10)])
    python.once()
    receiver.until_head()
    assert len(receiver.copy()) == 10
    site.broker.stop()
    site.cluster.restore(backup)
    site.start_broker()
    assert "TOKEN_AHEAD" in receiver.until_head(expect=3) and len(receiver.copy()) == 10
    site.prepare("epoch", "new", "--reason", "restored")
    python.put([dose(10)])
    python.once()
    assert set(stored(site).values()) == {1} and len(stored(site)) == 11
    assert "TOKEN_MISMATCH" in receiver.until_head(expect=3)


def test_what_is_not_allowed_stops_with_a_sentence(site):
    nobody = PythonReceiver(site, "nobody")
    for end in ("", ".pub"):
        shutil.copy(site.directory / f"hn.keys{end}", site.directory / f"nobody.keys{end}")
    assert "UNKNOWN_SUBSCRIPTION" in nobody.until_head(expect=3)
    stranger = PythonPublisher(site, "HN")  # a subscriber's key
    assert "NOT_ALLOWED" in stranger.once(expect=3)


def test_publisher_and_exchange_agree_on_receipts(site):
    """What is kept as proof is what the exchange signed, for each batch."""
    python = PythonPublisher(site, "MOH")
    python.put([dose(n) for n in range(20)])
    python.once()
    exchange = clients.wire.Keys(site.directory / "broker.keys.pub")
    [(receipt, signature, root)] = query(python.spool, "SELECT receipt, signature, root FROM batch")
    assert clients.wire.is_signed(exchange.sign_public, b"dongbo receipt 1", receipt, signature)
    assert not clients.wire.is_signed(exchange.sign_public, b"dongbo receipt 1", receipt + b"\0", signature)
    assert pb.ReceiptBody.FromString(receipt).batch_root == root
