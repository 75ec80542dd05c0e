# SPDX-License-Identifier: Apache-2.0
"""Signed heads: one chain over brokers, restarts and keys, each signing the tree of what the log holds; and a log that
was changed behind one, which is said aloud and not signed."""
import hashlib
import json

import logbook
import people
import wire
import yaml
from conftest import BUILD

FIELDS = "health.dose_number"
UNSIGNED = ("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - "
            "(SELECT coalesce(max(size), 0) FROM exchange.signed_head)")


def public_key(exchange, name):
    return bytes.fromhex(yaml.safe_load((exchange.directory / f"{name}.keys.pub").read_text())["sign_public"])


def key_id(key):
    return hashlib.sha256(key).hexdigest()[:16]


def often(exchange):
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + "head_interval_ms: 50\n")


def elsewhere(exchange, server):
    """The ministry's peer at the second broker."""
    return wire.Publisher(exchange.publish2, wire.keys_of(exchange, "moh"), wire.keys_of(exchange, server).curve_public)


def check_heads(exchange, *keys):
    """Every head there is, against the log as it is now. How many signed with each of these keys."""
    book = logbook.Logbook(exchange.cluster)
    book.check_chain()
    leaves, known, previous, signed = [s.leaf() for s in book.segments], {key_id(key): key for key in keys}, None, {}
    rows = exchange.cluster.rows("SELECT number, head, signature FROM exchange.signed_head ORDER BY number")
    for number, row in enumerate(rows, 1):
        body, signature = bytes(row[1]), bytes(row[2])
        head = wire.TreeHead.FromString(body)
        assert head.number == row[0] == number
        assert wire.verifies(known[head.key_id], "dongbo head 1", body, signature)
        assert head.root == wire.root(leaves[:head.size])
        last = book.segments[head.size - 1]
        assert (head.last_position, head.segment_hash, head.epoch) == (last.last, last.hash, last.epoch)
        assert head.signed_at_us >= last.stored_at_us
        if previous is None:
            assert head.previous == b""
        else:
            before = wire.TreeHead.FromString(previous)
            assert head.previous == hashlib.sha256(previous).digest() and head.signed_at_us >= before.signed_at_us
            assert head.size > before.size
        previous = body
        signed[head.key_id] = signed.get(head.key_id, 0) + 1
    assert head.size == len(leaves)
    return [signed.get(key_id(key), 0) for key in keys]


def test_one_chain_over_brokers_and_restarts(exchange):
    often(exchange)
    with people.ministry(exchange, 400, FIELDS) as peer:
        second = exchange.start_second_broker()
        with elsewhere(exchange, "broker") as other:
            other.hello()
            for n in range(0, 400, 10):
                (peer if n % 20 else other).publish([people.dose(i) for i in range(n, n + 10)])
        exchange.wait_until(UNSIGNED, 0)
        assert second.stop() == 0
        key = public_key(exchange, "broker")
        check_heads(exchange, key)
        # What is stored while nobody waits any more is signed when the broker stops.
        config = exchange.directory / "broker.yaml"
        config.write_text(config.read_text().replace("head_interval_ms: 50", "head_interval_ms: 3600000"))
        exchange.broker.stop()
        exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        people.publish(peer, 0, 10, number=2)
        assert exchange.cluster.value(UNSIGNED) > 0
        exchange.broker.stop()
    assert exchange.cluster.value(UNSIGNED) == 0
    assert check_heads(exchange, key)[0] >= 3


def test_a_new_key_is_announced_under_the_old_one(exchange):
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        people.publish(peer, 0, 10)
        exchange.keys("newer")
        exchange.wait_until(UNSIGNED, 0)
        config = exchange.directory / "broker.yaml"
        config.write_text(config.read_text().replace("keys: broker.keys", "keys: newer.keys"))
        second = exchange.start_second_broker()
        exchange.wait_until("SELECT count(DISTINCT key_id) FROM exchange.signed_head", 1)
        old, new = public_key(exchange, "broker"), public_key(exchange, "newer")
        exchange.broker.wait_for(lambda: exchange.cluster.value(
            f"SELECT count(*) FROM exchange.policy_change WHERE text LIKE '%%{new.hex()}%%' "
            f"AND logged_position <= (SELECT max(last_position) FROM exchange.signed_head "
            f"WHERE key_id = '{key_id(old)}')") == 1, "the announcement's cover")
        exchange.broker.stop()
        with elsewhere(exchange, "newer") as other:
            other.hello()
            people.publish(other, 10, 20)
            second.wait_for(lambda: exchange.cluster.value(UNSIGNED) == 0, "the newer key's head")
        assert second.stop() == 0
    signed = check_heads(exchange, old, new)
    assert signed[0] >= 1 and signed[1] >= 1
    texts = [line["text"] for line in exchange.log() if line["kind"] == "policy" and "heads of the log" in line["text"]]
    assert [key.hex() in text for key, text in zip((old, new), texts, strict=True)] == [True, True]
    assert f"before with {key_id(old)}" in texts[1]


def test_a_receiver_says_where_it_is_shown_another_log(exchange):
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        people.publish(peer, 0, 10)
        receiver = exchange.receivers["hn"]
        running = receiver.start()
        running.wait_for(lambda: len(receiver.records()) == 10, "the records")
        exchange.wait_until(UNSIGNED, 0)
        # Whoever has the exchange's key signs a head of another log.
        newest = wire.TreeHead.FromString(bytes(exchange.cluster.value(
            "SELECT head FROM exchange.signed_head ORDER BY number DESC LIMIT 1")))
        forged = wire.TreeHead()
        forged.CopyFrom(newest)
        forged.number, forged.root, forged.segment_hash, forged.previous = newest.number + 1, *3 * [bytes(32)]
        body = forged.SerializeToString()
        signature = wire.keys_of(exchange, "broker").sign("dongbo head 1", body)
        exchange.cluster.rows("INSERT INTO exchange.signed_head VALUES (%s, %s, %s, %s, %s, %s, %s)", forged.number,
                              forged.size, forged.last_position, forged.signed_at_us, forged.key_id, body, signature)
        exchange.cluster.rows("NOTIFY dongbo_head")
        running.wait_for(lambda: "is of another log than the one received here" in running.text(), "the error line")
        assert body.hex() in running.text() and signature.hex() in running.text()
        assert running.running()


def test_a_changed_log_is_not_signed(exchange):
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        people.publish(peer, 0, 10)
        exchange.wait_until(UNSIGNED, 0)
        before = exchange.cluster.value("SELECT max(number) FROM exchange.signed_head")
        exchange.cluster.rows("UPDATE exchange.segment SET frontier = set_byte(frontier, 0, "
                              "get_byte(frontier, 0) # 1) WHERE leaf_index = (SELECT max(size) - 1 "
                              "FROM exchange.signed_head)")
        people.publish(peer, 10, 20)
        exchange.broker.wait_for(lambda: f"does not hold what signed head {before} " in exchange.broker.text(),
                                 "the error line")
    exchange.broker.stop()
    assert exchange.cluster.value("SELECT max(number) FROM exchange.signed_head") == before


def test_proofs(exchange):
    """Every entry of a log is proved, by files that hold without the exchange; what was changed in one is not."""
    often(exchange)
    with people.ministry(exchange, 30, FIELDS) as peer:
        receipts = [peer.publish([people.dose(i) for i in range(n, n + 3)]) for n in range(0, 30, 3)]
        exchange.wait_until(UNSIGNED, 0)
    events = [receipt.body.first_position + 1 for receipt in receipts]
    keys = [word for name in ("broker", "moh") for word in ("--keys", exchange.directory / f"{name}.keys.pub")]
    last = exchange.cluster.value("SELECT max(last_position) FROM exchange.segment")
    files = []
    for position in range(1, last + 1):
        files.append(exchange.directory / f"{position}.proof")
        exchange.dongbo("log", "prove", "--position", str(position), "--out", files[-1])
    done = exchange.run(BUILD / "operators/dongbo", "log", "check", *keys, "--json", *files)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and all(answer["proved"] for answer in told)
    assert [answer["position"] for answer in told if answer["agency"] == "good"] == [
        position for receipt in receipts for position in range(receipt.body.first_position,
                                                               receipt.body.last_position + 1)]
    # Without the agency's key it is said that nobody looked; with another's the head is not believed either.
    assert exchange.dongbo("log", "check", *keys[:2], files[events[0] - 1], check=False).returncode == 1
    assert exchange.dongbo("log", "check", *keys[2:], files[0], check=False).returncode == 1
    shown = exchange.dongbo("log", "check", *keys, files[0]).stdout  # the first entry is an epoch's
    assert "\nposition 1: epoch, stored " in shown and "\n    epoch 1: the log begins\n" in shown
    assert "null" not in shown
    # The same by the event's id, with what the agency said: this is noted.
    line = next(line for line in exchange.log() if line["position"] == events[3])
    whole = exchange.directory / "whole.proof"
    exchange.dongbo("log", "prove", "--event", line["event_id"], "--with-event", "--why", "a court asks", "--out",
                    whole)
    answer = json.loads(exchange.dongbo("log", "check", *keys, "--json", whole).stdout)
    assert answer["position"] == events[3] and answer["with_event"] and answer["proved"]
    assert people.subject(10).full_name.encode() in whole.read_bytes()
    assert people.subject(10).full_name.encode() not in files[events[3] - 1].read_bytes()
    assert exchange.cluster.value("SELECT count(*) FROM exchange.unmasking WHERE what = 'log prove --with-event'") == 1
    data = whole.read_bytes()
    changed = exchange.directory / "changed.proof"
    for at in range(0, len(data), 31):
        changed.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
        assert exchange.dongbo("log", "check", *keys, changed, check=False).returncode in (1, 2), at
    # What the exchange holds cannot be read: that is no fault of the session with its database.
    exchange.cluster.rows("UPDATE exchange.segment SET summary = '\\xff' "
                          "WHERE %s BETWEEN first_position AND last_position", events[3])
    none = exchange.directory / "none.proof"
    broken = exchange.dongbo("log", "prove", "--position", str(events[3]), "--out", none, check=False)
    assert broken.returncode == 1 and f"position {events[3] - 1} is damaged" in broken.stderr and not none.exists()


def test_consistency(exchange):
    often(exchange)
    with people.ministry(exchange, 30, FIELDS) as peer:
        for n in range(0, 30, 5):
            people.publish(peer, n, n + 5)
            exchange.wait_until(UNSIGNED, 0)
    newest = json.loads(exchange.dongbo("log", "head", "--json").stdout)
    first = json.loads(exchange.dongbo("log", "head", "--json", "--number", "1").stdout)
    assert first["number"] == 1 and newest["number"] >= 6 and newest["size"] == exchange.cluster.value(
        "SELECT count(*) FROM exchange.segment")
    assert f"over {newest['size']} segments" in exchange.dongbo("log", "head").stdout
    proof = exchange.directory / "consistent.proof"
    for old in range(1, newest["number"] + 1):
        exchange.dongbo("log", "consistency", str(old), str(newest["number"]), "--out", proof)
        checked = exchange.dongbo("log", "check", "--keys", exchange.directory / "broker.keys.pub", proof).stdout
        assert checked.splitlines()[-1] == "proved"
    assert exchange.dongbo("log", "consistency", "1", "99999", check=False).returncode == 2
    assert exchange.dongbo("log", "head", "--number", "0", check=False).returncode == 2
    answer = json.loads(exchange.dongbo("log", "consistency", "1", str(newest["number"]), "--json").stdout)
    assert answer["consistent"] and answer["wrong"] is None
    assert answer["older"] == {"number": 1, "size": first["size"]}
    assert answer["newer"] == {"number": newest["number"], "size": newest["size"]}
    # Somebody wrote the log's beginning anew: no proof of what was signed can be made any more.
    exchange.cluster.rows("UPDATE exchange.segment SET leaf = sha256(leaf)")
    broken = exchange.dongbo("log", "consistency", "1", str(newest["number"]), check=False)
    assert broken.returncode == 1 and "BROKEN" in broken.stdout
    broken = exchange.dongbo("log", "consistency", "1", str(newest["number"]), "--json", check=False)
    assert broken.returncode == 1 and not json.loads(broken.stdout)["consistent"]
    assert exchange.dongbo("log", "prove", "--position", str(newest["last_position"]), check=False).returncode == 1
    exchange.cluster.rows("UPDATE exchange.signed_head SET head = '\\xff' WHERE number = 1")
    for command in [("head", "--number", "1"), ("consistency", "1", str(newest["number"]))]:
        broken = exchange.dongbo("log", *command, check=False)
        assert broken.returncode == 1 and "a stored signed head cannot be read" in broken.stderr
    exchange.cluster.rows("ALTER TABLE exchange.signed_head RENAME TO elsewhere")
    assert exchange.dongbo("log", "head", check=False).returncode == 3
