# SPDX-License-Identifier: Apache-2.0
"""Receipts are followed by proofs that their batches are in the log of a signed head: over restarts, kills, keys and
restores, for agents that ask for them and no others. Each proof is checked here again, from PROTOCOL.md."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import time

import people
import pytest
import wire
from conftest import BUILD

ROWS = 40


def often(exchange):
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + "head_interval_ms: 50\n")


@pytest.fixture
def moh(exchange):
    often(exchange)
    exchange.load_population(people.citizens(ROWS))
    agent = exchange.agency("MOH", "health", ["vaccinations"])
    exchange.start_broker()
    return agent


def spool_rows(moh, sql):
    path = moh.exchange.directory / "moh.spool"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
        return spool.execute(sql).fetchall()


def proven(moh):
    """Whether there is anything, and all of it is proved."""
    with contextlib.suppress(sqlite3.OperationalError):  # not there yet
        rows = spool_rows(moh, "SELECT last_sequence, proven_sequence FROM stream WHERE closed = 0")
        return bool(rows) and all(last == sequence > 0 for last, sequence in rows)
    return False


def put(moh, begin, end, size=5):
    """Each file comes to be a batch of its own."""
    for n in range(begin, end, size):
        moh.drop("vaccinations", f"{n:03}.csv", [people.dose_row(i) for i in range(n, n + size)])
        moh.once(expect=0)


def check_proofs(moh, *keys, falses=0):
    """Every batch of the spool. How many there are."""
    by_id = {key.key_id: key for key in keys}
    rows = spool_rows(moh, "SELECT sealed, receipt, proof FROM batch b LEFT JOIN batch_bytes y ON y.batch = b.id "
                           "LEFT JOIN receipt r ON r.batch = b.id LEFT JOIN proof p ON p.batch = b.id")
    for sealed, receipt, kept in rows:
        proof, signed = (made := wire.InclusionProof.FromString(kept)).proof, made.head
        head = wire.TreeHead.FromString(signed.head)
        assert by_id[head.key_id].verifies("dongbo head 1", signed.head, signed.signature)
        leaf = wire.batch_leaf(sealed, proof)
        assert wire.root_by_path(leaf, proof.leaf_index, head.size, list(proof.path)) == head.root
        body = wire.ReceiptBody.FromString(receipt[:-64])
        assert hashlib.sha256(b"\2" + proof.previous_hash + leaf).digest() == body.segment_hash
    assert spool_rows(moh, "SELECT count(*) FROM false_proof") == [(falses,)]
    return len(rows)


def run_until_proven(moh):
    running = moh.start()
    running.wait_for(lambda: proven(moh), "the proofs")
    assert running.stop() == 0


def test_every_batch_is_proved(exchange, moh):
    put(moh, 0, 20)
    run_until_proven(moh)
    running = moh.start()
    moh.drop("vaccinations", "later.csv", [people.dose_row(n) for n in range(20, ROWS)])
    running.wait_for(lambda: spool_rows(moh, "SELECT max(last_sequence) FROM stream") == [(ROWS,)], "the rows are read")
    running.wait_for(lambda: proven(moh), "the proof of what came in the session")
    assert running.stop() == 0
    assert check_proofs(moh, wire.keys_of(exchange, "broker")) >= 5


def test_many_batches_are_proved_a_frame_at_a_time(exchange, moh):
    wire.keys_of(exchange, "moh")
    put(moh, 0, 5)
    with wire.publisher(exchange, "MOH") as peer:  # others' batches in between
        peer.hello()
        for n in range(150):
            peer.send_batch([people.dose(n % ROWS, number=2 + n // ROWS)])
            peer.last += 1
        for n in range(150):
            peer.receipt()
        stream = peer.stream
    exchange.wait_until("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - max(size) "
                        "FROM exchange.signed_head", 0)
    with wire.publisher(exchange, "MOH", stream=stream) as peer:
        peer.hello(proofs=True, receipt_sequence=150)
        frames = take_proofs(peer, 3)
    assert [len(frame.batches) for frame in frames] == [64, 64, 22]
    assert [batch.first_sequence for frame in frames for batch in frame.batches] == list(range(1, 151))
    assert not any(frame.body for frame in frames)  # who asks for no signatures gets none
    assert [frame.older for frame in frames][0] == 0 and frames[1].older == frames[2].older != 0
    with wire.publisher(exchange, "MOH", stream=stream) as peer:
        peer.hello(proofs=True, proven_sequence=140, receipt_sequence=149, proven_head=frames[1].older)
        assert [batch.first_sequence for batch in take_proofs(peer, 1)[0].batches] == list(range(141, 150))
    challenge, broker = os.urandom(16), wire.keys_of(exchange, "broker")
    with wire.publisher(exchange, "MOH", stream=stream) as peer:
        peer.hello(proofs=True, receipt_sequence=150, proofs_challenge=challenge)
        signed = take_proofs(peer, 3)
    assert all(broker.verifies("dongbo proofs 1", frame.body, frame.signature) for frame in signed)
    assert not any(frame.head.head or frame.batches for frame in signed)
    bodies = [wire.ProofsBody.FromString(frame.body) for frame in signed]
    assert all((body.stream, body.challenge) == (stream, challenge) for body in bodies)
    assert [list(body.batches)[0].first_sequence for body in bodies] == [1, 65, 129]


def take_proofs(peer, n):
    """So many frames; Pings are answered by the peer itself."""
    frames = []
    while len(frames) < n:
        received = peer.receive()
        assert received is not None, "no proofs"
        if received.type == wire.PROOFS:
            frames.append(received.message)
    return frames


def test_who_does_not_ask_gets_none(exchange, moh):
    wire.keys_of(exchange, "moh")
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        peer.publish([people.dose(0)])
        exchange.wait_until("SELECT count(*) > 0 FROM exchange.signed_head WHERE last_position = "
                            "(SELECT max(last_position) FROM exchange.segment)", True)
        while (received := peer.receive(timeout=1.5)) is not None:
            assert received.type != wire.PROOFS


def test_kills_lose_no_proof(exchange, moh):
    running = moh.start()
    for n in range(0, ROWS, 5):
        moh.drop("vaccinations", f"{n:03}.csv", [people.dose_row(i) for i in range(n, n + 5)])
        if n % 10 == 0:
            running.kill()
            running = moh.start()
        else:
            exchange.broker.kill()
            exchange.start_broker()
    running.wait_for(lambda: spool_rows(moh, "SELECT max(last_sequence) FROM stream") == [(ROWS,)], "the rows are read")
    running.wait_for(lambda: proven(moh), "the proofs")
    assert running.stop() == 0
    check_proofs(moh, wire.keys_of(exchange, "broker"))


def test_status_and_files_that_prove(exchange, moh):
    put(moh, 0, 10)
    exchange.wait_until("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - max(size) "
                        "FROM exchange.signed_head", 0)
    assert agent(exchange, moh, "proof", "--sequence", "7").returncode in (0, 2)  # not proved yet, or just so
    run_until_proven(moh)
    keys = ["--keys", exchange.keys("broker"), "--keys", exchange.keys("moh")]
    status = json.loads(agent(exchange, moh, "status", "--json").stdout)
    assert [(s["kind"], s["sealed"], s["received"], s["proven"], s["unproven_batches"], s["oldest_unproven_s"])
            for s in status["streams"]] == [("live", 10, 10, 10, 0, None)] and status["false_proofs"] == []
    assert "proven up to event   10" in agent(exchange, moh, "status").stdout
    event = spool_events(moh)[6]
    files = [exchange.directory / name for name in ("batch.proof", "event.proof")]
    assert agent(exchange, moh, "proof", "--sequence", "7", "--out", files[0]).returncode == 0
    assert agent(exchange, moh, "proof", "--event", event.hex(), "--with-event", "--out", files[1]).returncode == 0
    assert agent(exchange, moh, "proof", "--sequence", "7", "--out", files[0]).returncode == 2, "over what is there"
    assert agent(exchange, moh, "proof", "--sequence", "11", "--out", exchange.directory / "none").returncode == 2
    done = exchange.dongbo("log", "check", "--json", *keys, *files)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(t["proved"], t["head"], t["agency"], t["receipt"], t["with_event"]) for t in told] == [
        (True, "good", "good", "good", False), (True, "good", "good", "good", True)]
    done = exchange.dongbo("log", "check", *keys[:2], files[0], check=False)
    assert done.returncode == 1 and "NOT PROVED" in done.stdout
    whole = files[1].read_bytes()
    for at in range(15, len(whole), 7):  # whatever is changed of it
        files[1].write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1:])
        assert exchange.dongbo("log", "check", *keys, files[1], check=False).returncode in (1, 2), at


def agent(exchange, moh, command, *words):
    return exchange.run(BUILD / "agents/dongbo-agent", command, "--config", moh.config, *words)


def spool_events(moh):
    """Their ids, in order."""
    batches = spool_rows(moh, "SELECT sealed FROM batch b JOIN batch_bytes y ON y.batch = b.id ORDER BY first_sequence")
    return [wire.ChangeEvent.FromString(event).event_id for (sealed,) in batches
            for event in wire.SealedBatch.FromString(sealed).events]


def test_once_waits_for_the_proof(exchange, moh):
    """A head is signed a second later; where none is for long, that is said, and is no failure."""
    config = exchange.directory / "broker.yaml"
    for interval, seconds, is_proven in ((1000, 30, True), (3600000, 1, False)):
        exchange.broker.stop()
        config.write_text(re.sub("head_interval_ms: [0-9]+", f"head_interval_ms: {interval}", config.read_text()))
        exchange.start_broker()
        moh.drop("vaccinations", f"{interval}.csv", [people.dose_row(n) for n in range(5 if is_proven else 9)])
        done = exchange.run(*moh.command("--once", "--proof-timeout", seconds))
        assert done.returncode == 0 and proven(moh) == is_proven
        assert ("not all of it is proved" in done.stderr) == (not is_proven)
        shown = json.loads(agent(exchange, moh, "status", "--json").stdout)["streams"][0]
        assert (shown["proven"] == shown["sealed"]) == is_proven


def test_once_waits_for_no_proof_where_none_ever_came(exchange, moh):
    """As of an exchange that knows none: the first run waits, and no later one."""
    config = exchange.directory / "broker.yaml"
    exchange.broker.stop()
    config.write_text(config.read_text().replace("head_interval_ms: 50", "head_interval_ms: 3600000"))
    exchange.start_broker()
    for n, seconds in enumerate((1, 3600)):
        moh.drop("vaccinations", f"{n}.csv", [people.dose_row(n)])
        done = exchange.run(*moh.command("--once", "--proof-timeout", seconds))
        assert done.returncode == 0 and ("not all of it is proved" in done.stderr) == (n == 0)


def test_no_time_is_refused(exchange):
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    for option in ("--timeout", "--proof-timeout"):
        for seconds in ("-1", "9223372036854775"):
            done = exchange.run(*moh.command("--once", option, seconds))
            assert done.returncode == 2 and f"{option} is a number of seconds" in done.stderr


def test_no_head_no_proof(exchange, moh):
    """Receipts wait for nothing; the proof comes with the head that a stopping broker signs."""
    config = exchange.directory / "broker.yaml"
    exchange.broker.stop()
    config.write_text(config.read_text().replace("head_interval_ms: 50", "head_interval_ms: 3600000"))
    exchange.start_broker()
    put(moh, 0, 5)
    assert not proven(moh) and spool_rows(moh, "SELECT count(*) FROM receipt") == [(1,)]
    exchange.broker.stop()
    exchange.start_broker()
    run_until_proven(moh)
    check_proofs(moh, wire.keys_of(exchange, "broker"))


def test_under_the_exchange_s_next_key(exchange, moh):
    """Heads of either key prove, to an agent that knows both."""
    put(moh, 0, 5)
    run_until_proven(moh)
    exchange.keys("broker-next")
    shutil.copy(exchange.directory / "broker-next.keys.pub", exchange.directory / "broker.keys.pub.next")
    config = exchange.directory / "broker.yaml"
    exchange.broker.stop()
    config.write_text(config.read_text().replace("keys: broker.keys", "keys: broker-next.keys"))
    exchange.start_broker()
    put(moh, 5, 10)
    run_until_proven(moh)
    keys = wire.keys_of(exchange, "broker"), wire.keys_of(exchange, "broker-next")
    assert check_proofs(moh, *keys) == 2


def test_nothing_is_proved_while_an_epoch_is_due(exchange, moh):
    """What was signed in an undeclared life of the database may contradict what was told before it."""
    wire.keys_of(exchange, "moh")
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        peer.publish([people.dose(n) for n in range(5)])
        stream = peer.stream
    exchange.wait_until("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - max(size) "
                        "FROM exchange.signed_head", 0)
    with exchange.cluster.holding("SELECT exchange.lock_log()"):  # no broker begins it
        exchange.dongbo("epoch", "new", "--reason", "restored from a backup", "--no-wait")
        with wire.publisher(exchange, "MOH", stream=stream) as peer:
            peer.hello(proofs=True, receipt_sequence=5)
            while (received := peer.receive(timeout=1.5)) is not None:
                assert received.type != wire.PROOFS
    exchange.wait_until("SELECT count(*) FROM exchange.epoch", 2)
    with wire.publisher(exchange, "MOH", stream=stream) as peer:
        peer.hello(proofs=True, receipt_sequence=5)
        assert [batch.first_sequence for batch in take_proofs(peer, 1)[0].batches] == [1]


@pytest.mark.postgres
def test_after_a_restore_all_is_proved_again(exchange, moh):
    """Which has to be declared: else it is a log that has shrunk."""
    put(moh, 0, 10)
    run_until_proven(moh)
    exchange.broker.stop()
    backup = exchange.directory / "pg-backup"
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    put(moh, 10, 20)
    run_until_proven(moh)
    exchange.broker.stop()
    exchange.cluster.restore(backup)
    exchange.start_broker()
    assert moh.start().popen.wait(30) == 3
    assert "proves something false" in moh.log.read_text() and "dongbo epoch new" in moh.log.read_text()
    exchange.dongbo("epoch", "new", "--reason", "restored from a backup")
    moh.drop("vaccinations", "more.csv", [people.dose_row(n) for n in range(20, 25)])
    exchange.broker.stop()
    exchange.start_broker()
    running = moh.start()
    running.wait_for(lambda: exchange.cluster.value("SELECT max(last_sequence) FROM exchange.stream") == 25, "the rest")
    running.wait_for(lambda: proven(moh), "the proofs")
    assert running.stop() == 0
    assert spool_rows(moh, "SELECT count(*) FROM proof_head") == [(2,)]  # of two lives of the database
    assert check_proofs(moh, wire.keys_of(exchange, "broker"), falses=1) == 5


def test_a_head_of_a_shorter_log(exchange, moh):
    """That stands in the database as the newest: nothing can be proved by it, and the broker says so and goes on."""
    put(moh, 0, 20)
    run_until_proven(moh)
    before = exchange.cluster.value("SELECT head FROM exchange.signed_head ORDER BY number DESC LIMIT 1")
    head = wire.TreeHead.FromString(bytes(before))
    held = head.number
    head.number, head.size, head.previous = held + 1, 2, hashlib.sha256(bytes(before)).digest()
    body = head.SerializeToString()
    exchange.cluster.rows("INSERT INTO exchange.signed_head VALUES (%s, %s, %s, %s, %s, %s, %s)", head.number,
                          head.size, head.last_position, head.signed_at_us, head.key_id, body,
                          wire.keys_of(exchange, "broker").sign("dongbo head 1", body))
    stream = spool_rows(moh, "SELECT stream FROM stream")[0][0]
    with wire.publisher(exchange, "MOH", stream=stream) as peer:
        peer.hello(proofs=True, proven_head=held, receipt_sequence=20)
        deadline = time.monotonic() + 20
        while "is of a shorter log than the signed head" not in exchange.broker.text():
            received = peer.receive(timeout=0.1)
            assert (received is None or received.type != wire.PROOFS) and time.monotonic() < deadline
    assert exchange.broker.running()
    put(moh, 20, 25)


def test_another_log_ends_the_agent(exchange, moh):
    """Whoever has the database and the exchange's key shows it a log that does not go on from the one it knows."""
    put(moh, 0, 10)
    run_until_proven(moh)
    running = moh.start()
    number, size, body = exchange.cluster.rows(
        "SELECT number, size, head FROM exchange.signed_head ORDER BY number DESC LIMIT 1")[0]
    forged = wire.TreeHead.FromString(bytes(body))
    forged.number, forged.size, forged.root = number + 1, size + 1, bytes(32)
    forged.last_position += 1
    body = forged.SerializeToString()
    exchange.cluster.rows("INSERT INTO exchange.signed_head VALUES (%s, %s, %s, %s, %s, %s, %s)", forged.number,
                          forged.size, forged.last_position, forged.signed_at_us, forged.key_id, body,
                          wire.keys_of(exchange, "broker").sign("dongbo head 1", body))
    # Behind it, for of these the broker signs a head of that number.
    moh.drop("vaccinations", "more.csv", [people.dose_row(n) for n in range(10, 15)])
    assert running.popen.wait(30) == 3
    assert "proves something false of its log" in running.text() and "Keep the spool" in running.text()
    shown = agent(exchange, moh, "status")
    assert shown.returncode == 1 and "something false" in shown.stdout
    shown_false = agent(exchange, moh, "proof", "--false", "--out", exchange.directory / "false")
    assert shown_false.returncode == 0
    why, said = spool_rows(moh, "SELECT why, said FROM false_proof")[0]
    assert (exchange.directory / "false.1").read_bytes() == said and why in shown.stdout
    assert "does not begin with" in why or "is not in the log" in why or "shrunk" in why
    evidence = wire.Proofs.FromString(said)  # which the exchange signed
    assert wire.keys_of(exchange, "broker").verifies("dongbo proofs 1", evidence.body, evidence.signature)
    # What it says is told, and whether the exchange answers for it; no file is written over.
    lines = shown_false.stdout.splitlines()
    assert lines[0].startswith(f"{exchange.directory / 'false.1'}: {why} (")
    assert lines[1] == "    signed by the exchange: good"
    assert f"of signed head {forged.number}, " in lines[2] and f"with root {bytes(32).hex()}" in lines[2]
    assert all("    that it has the events " in line for line in lines[3:])
    again = agent(exchange, moh, "proof", "--false", "--out", exchange.directory / "false")
    assert again.returncode == 2 and "File exists" in again.stderr and not again.stdout
    public = exchange.directory / "broker.keys.pub"
    public.write_text((exchange.directory / "moh.keys.pub").read_text())
    other = agent(exchange, moh, "proof", "--false", "--out", exchange.directory / "other")
    assert other.stdout.splitlines()[1] == "    signed by the exchange: not by a key of it that is known here"
    public.rename(exchange.directory / "away.pub")
    unread = agent(exchange, moh, "proof", "--false", "--out", exchange.directory / "unread")
    assert unread.returncode == 0 and str(public) in unread.stderr
    assert unread.stdout.splitlines()[1] == "    signed by the exchange: cannot be checked, for its key cannot be read"
    assert (exchange.directory / "unread.1").read_bytes() == said
