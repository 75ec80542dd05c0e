# SPDX-License-Identifier: Apache-2.0
"""Somebody outside who follows the log's signed heads: over brokers, restarts and keys; and exchanges that show them
another log than they did, or others another log than them, which is found out."""
import contextlib
import hashlib
import json
import shutil
import sys

import conftest
import people
import psycopg2
import pytest
import wire
import yaml
from conftest import BUILD, Cluster

FIELDS = "health.dose_number"
UNSIGNED = ("SELECT (SELECT max(leaf_index) + 1 FROM exchange.segment) - "
            "(SELECT coalesce(max(size), 0) FROM exchange.signed_head)")
UNREACHED, BROKEN, SET_BACK = 3, 5, 6


class Witness:
    """A witness of an exchange, with a subscription of its own that gets no record."""

    def __init__(self, exchange, name="witness", subscribe=None):
        self.exchange, self.name = exchange, name
        self.config = exchange.directory / f"{name}.yaml"
        self.log = exchange.directory / f"{name}.log"
        self.heads = exchange.directory / f"{name}.heads"
        self.evidence = exchange.directory / f"{name}.heads.evidence"
        shutil.copy(exchange.directory / "broker.keys.pub", exchange.directory / f"{name}.exchange.pub")
        self.at(subscribe or [exchange.subscribe])

    def at(self, endpoints):
        self.config.write_text(f"keys: {self.name}.keys\n"
                               f"broker: {{key: {self.name}.exchange.pub, endpoints: {json.dumps(endpoints)}}}\n"
                               f"heads: {self.name}.heads\ninterval_seconds: 1\n")

    def register(self):
        self.exchange.prepare("subscription", "add", self.name, "--subscriber", self.name, "--legal-basis", "a test",
                              "--valid-from", "2020-01-01", "--valid-to", "2099-12-31", "--witness", "--key",
                              self.exchange.keys(self.name))
        self.exchange.wait_in_force()
        return self

    def command(self, *words):
        return [BUILD / "agents/dongbo-agent", "witness", "--config", self.config, *words]

    def once(self, *words, expect=0):
        done = self.exchange.run(*self.command("--once", "--timeout", "60", *words))
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr[-4000:]}"
        return done.stderr

    def start(self):
        return self.exchange.start(self.command(), self.log)

    def lines(self):
        return [json.loads(line) for line in self.heads.read_text().splitlines()] if self.heads.exists() else []


def check_lines(witness, *exchange_keys):
    """Every line by itself, from PROTOCOL.md alone, and that sizes and numbers grow. The heads."""
    own, heads = wire.keys_of(witness.exchange, witness.name), []
    known = {hashlib.sha256(key).hexdigest()[:16]: key for key in exchange_keys}
    for line in witness.lines():
        body, signature = bytes.fromhex(line["head"]), bytes.fromhex(line["signature"])
        head = wire.TreeHead.FromString(body)
        assert (line["number"], line["size"], line["epoch"]) == (head.number, head.size, head.epoch)
        assert wire.verifies(known[head.key_id], "dongbo head 1", body, signature)
        assert line["key"] == known[head.key_id].hex() and line["witness"] == own.key_id
        said = line["witnessed_at_us"].to_bytes(8, "big") + signature + body
        assert own.verifies("dongbo cosign 1", said, bytes.fromhex(line["cosignature"]))
        assert line["witnessed_at_us"] >= head.signed_at_us
        assert not heads or (head.number > heads[-1].number and head.size > heads[-1].size)
        heads.append(head)
    return heads


def often(exchange):
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + "head_interval_ms: 50\n")


def sign_key(exchange, name="broker"):
    return bytes.fromhex(yaml.safe_load((exchange.directory / f"{name}.keys.pub").read_text())["sign_public"])


def go_on(exchange, peer, *steps):
    """Doses from one number to the next, and a head behind each."""
    for first, last in zip(steps, steps[1:]):
        people.publish(peer, first, last)
        exchange.wait_until(UNSIGNED, 0)


def test_heads_are_followed_over_crashes(exchange):
    often(exchange)
    with people.ministry(exchange, 200, FIELDS) as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        witness.once()
        assert len(witness.lines()) == 1 and witness.lines()[0]["note"] == "begins"
        running = witness.start()
        go_on(exchange, peer, *range(10, 60, 5))
        running.wait_for(lambda: exchange.cluster.value("SELECT max(number) FROM exchange.signed_head") ==
                         witness.lines()[-1]["number"], "the newest head")
        # The broker dies and comes again; so does the witness, in the middle of a line.
        exchange.broker.kill()
        exchange.start_broker()
        running.wait_for(lambda: "tried again" in running.text(), "a lost connection")
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 60, 70)
        running.wait_for(lambda: exchange.cluster.value("SELECT max(number) FROM exchange.signed_head") ==
                         witness.lines()[-1]["number"], "the newest head after the crash")
        running.kill()
        whole = witness.heads.read_bytes()
        witness.heads.write_bytes(whole + whole.splitlines()[-1][:-7])
        go_on(exchange, peer, 70, 80)
        assert "not whole" in witness.once()
        assert witness.heads.read_bytes().startswith(whole) and len(witness.heads.read_bytes()) > len(whole)
        before = len(witness.lines())
        assert witness.once() == "" and len(witness.lines()) == before
    heads = check_lines(witness, sign_key(exchange))
    # It got no record, and nobody is told that it did.
    assert exchange.cluster.value("SELECT count(*) FROM exchange.subscription_position WHERE released > 0") == 0
    # What it keeps is of the log as it is.
    leaves = [bytes(row[0]) for row in exchange.cluster.rows("SELECT leaf FROM exchange.segment ORDER BY leaf_index")]
    assert all(head.root == wire.root(leaves[:head.size]) for head in heads)


def test_answers_end_where_witnesses_meet(exchange):
    """Hundreds of heads: every 64th is kept by each witness, whenever it looked."""
    often(exchange)
    with people.ministry(exchange, 400, FIELDS) as peer:
        early, late = (Witness(exchange, name).register() for name in ("early", "late"))
        go_on(exchange, peer, 0, 1)
        early.once()
        late.once()
        go_on(exchange, peer, *range(1, 80))
        early.once()
        go_on(exchange, peer, *range(80, 150))
        early.once()
        late.once()
    numbers = [[head.number for head in check_lines(one, sign_key(exchange))] for one in (early, late)]
    last = numbers[0][-1]
    assert last > 128 and numbers[1][-1] == last
    assert {n for n in range(64, last, 64)} <= set(numbers[0]) & set(numbers[1])


def test_a_witness_is_any_subscription_and_asks_for_heads_alone(exchange):
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        go_on(exchange, peer, 0, 5, 10)
        with wire.subscriber(exchange, "hn") as committee:
            committee.send(wire.ASK_HEADS, wire.AskHeads(request=7, after=1, size=1), session=0)
            told = committee.expect(wire.HEADS)
            assert told.request == 7 and len(told.heads) >= 1 and told.newest.head
            assert wire.TreeHead.FromString(told.heads[0].head).number == 2
            committee.send(wire.ASK_HEADS, wire.AskHeads(after=2**63 + 5, size=2**64 - 1), session=0)
            assert not committee.expect(wire.HEADS).heads
            committee.send(wire.ASK_HEADS, wire.AskHeads(after=1, size=2**62), session=0)
            assert not committee.expect(wire.HEADS).path
            committee.send(wire.ASK_HEADS, body=b"\x08", session=0)
            committee.expect_error("BAD_FRAME")
        Witness(exchange).register()
        with wire.subscriber(exchange, "witness") as witness:
            welcome = witness.hello(from_start=True)
            assert not welcome.fields
            witness.credit(1 << 20)
            while (frame := witness.receive()).type != wire.WATERMARK or not frame.at_head:
                assert frame.type != wire.RECORDS
        # An agency's key is none of a subscription's.
        with wire.Subscriber(exchange.subscribe, wire.keys_of(exchange, "moh"),
                             wire.keys_of(exchange, "broker").curve_public, "moh") as stranger:
            stranger.send(wire.ASK_HEADS, wire.AskHeads(), session=0)
            stranger.expect_error("UNKNOWN_SUBSCRIPTION")
    assert exchange.dongbo("subscription", "add", "both", "--subscriber", "x", "--legal-basis", "x", "--valid-from",
                           "2020-01-01", "--valid-to", "2099-12-31", "--witness", "--domain", "health",
                           check=False).returncode == 2


def test_questions_without_end(exchange):
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        go_on(exchange, peer, 0, 5)
        with wire.subscriber(exchange, "hn") as committee:
            codes, answers = set(), 0
            for n in range(600):
                committee.send(wire.ASK_HEADS, wire.AskHeads(request=n), session=0)
            for n in range(600):
                frame = committee.receive()
                answers += frame.type == wire.HEADS
                if frame.type == wire.ERROR:
                    codes.add(frame.code)
            assert codes == {wire.Error.TOO_OFTEN} and answers >= 1
        people.publish(peer, 5, 10)


@pytest.mark.postgres
def test_a_past_that_was_written_anew(exchange):
    """The database as it was, other events since, the same keys and epoch: whoever saw the first ones knows."""
    often(exchange)
    backup = exchange.directory / "backup"
    with people.ministry(exchange, 60, FIELDS) as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        witness.once()
        exchange.broker.stop()
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 10, 20)
        witness.once()
        exchange.broker.stop()
    exchange.cluster.restore(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 30, 40, 50)
    kept = witness.heads.read_bytes()
    said = witness.once(expect=BROKEN)
    assert "another log" in said and str(witness.evidence) in said
    assert witness.heads.read_bytes() == kept
    one, other = (json.loads(line) for line in witness.evidence.read_text().splitlines())
    assert one["epoch"] == other["epoch"] and one["head"] != other["head"]
    for line in one, other:
        assert wire.verifies(sign_key(exchange), "dongbo head 1", bytes.fromhex(line["head"]),
                             bytes.fromhex(line["signature"]))
    # The two lines prove it to whoever has the exchange's public key, and to nobody else.
    assert "TWO LOGS" in compare(exchange, witness.evidence, expect=1)
    assert "NOT PROVED" in compare(exchange, witness.evidence, keys=(), expect=1)
    # It says the same when it is asked again, whatever it is told.
    witness.once("--accept-set-back", expect=BROKEN)


def compare(exchange, *files, keys=("broker",), expect=0):
    words = [word for name in keys for word in ("--keys", exchange.directory / f"{name}.keys.pub")]
    done = exchange.dongbo("log", "compare", *words, *files, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.mark.postgres
def test_a_history_that_was_set_back(exchange):
    """A restore that is declared is no other log, and is told apart from one; a person decides to go on."""
    often(exchange)
    backup = exchange.directory / "backup"
    with people.ministry(exchange, 60, FIELDS) as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        exchange.broker.stop()
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 10, 20, 30)
        witness.once()
        exchange.broker.stop()
    exchange.cluster.restore(backup)
    exchange.dongbo("epoch", "new", "--reason", "restored from a backup", "--no-wait")
    exchange.start_broker()
    exchange.wait_until(UNSIGNED, 0)
    kept = witness.heads.read_bytes()
    said = witness.once(expect=SET_BACK)
    assert "set back" in said and witness.heads.read_bytes() == kept
    one, other = (json.loads(line) for line in witness.evidence.read_text().splitlines())
    assert one["epoch"] == 1 < other["epoch"]
    assert "set back" in compare(exchange, witness.evidence)
    witness.once("--accept-set-back")
    lines = witness.lines()
    assert lines[-1]["note"] == "set back" and lines[-1]["epoch"] == other["epoch"]
    assert lines[-2]["number"] >= lines[-1]["number"]
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 30, 40)
    witness.once()
    assert len(witness.lines()) > len(lines)
    assert "set back in between" in compare(exchange, witness.heads)


@contextlib.contextmanager
def the_same_with_another_past(exchange, backup):
    """A second exchange of the same name and keys, on a copy of the database as it was."""
    directory = exchange.directory / "shadow"
    directory.mkdir()
    for name in ("broker.keys", "broker.keys.pub", "moh.keys", "moh.keys.pub", "hn.keys", "hn.keys.pub"):
        shutil.copy(exchange.directory / name, directory / name)
    with conftest.open_exchange(Cluster(backup, exchange.cluster.settings), directory) as shadow:
        shadow.cluster.start()
        try:
            often(shadow)
            yield shadow
        finally:
            shadow.kill()
            shadow.cluster.stop("immediate")


@pytest.mark.postgres
def test_two_histories_shown_to_two_parties(exchange):
    """Whoever has the exchange's keys runs it twice: what one ministry said is in one log, and not in the other. Each
    party is shown one of them, and each of them is whole; where they compare their heads it is found out."""
    often(exchange)
    backup = exchange.directory / "backup"
    with people.ministry(exchange, 80, FIELDS) as peer:
        one, other = (Witness(exchange, name).register() for name in ("one", "other"))
        go_on(exchange, peer, 0, 10)
        for witness in one, other:
            witness.once()
        both = ("broker", "one", "other")
        assert "both have it up to head" in compare(exchange, one.heads, other.heads, keys=both)
        exchange.broker.stop()
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    with the_same_with_another_past(exchange, backup) as shadow:
        shadow.start_broker()
        other.at([shadow.subscribe])
        for site, steps in ((exchange, range(10, 30, 5)), (shadow, range(40, 60, 5))):
            with wire.publisher(site, "MOH") as peer:
                peer.hello()
                go_on(site, peer, *steps)
        one.once()
        other.once()
        # A committee is shown the one log, and says nothing of it either.
        receiver = exchange.receivers["hn"]
        receiver.until_head()
        # Each log verifies by itself, with every key.
        for site in exchange, shadow:
            site.dongbo("log", "export", site.directory / "log.dlog")
            keys = ("--keys", f"exchange={exchange.directory}/broker.keys.pub", "--keys",
                    exchange.directory / "moh.keys.pub")
            site.dongbo("log", "verify", *keys, site.directory / "log.dlog")
        told = compare(exchange, one.heads, other.heads, keys=both, expect=1)
        assert "TWO LOGS" in told and "NOT GOOD" not in told.replace("0 NOT GOOD", "")
        answer = json.loads(compare_json(exchange, both, one.heads, other.heads))
        assert answer["proven_two_logs"] and not answer["one_history"] and answer["cosigned_bad"] == 0
        # One of them is enough where it asks the other's exchange: a head that everybody can have is shown to it.
        head = json.loads(exchange.dongbo("log", "head", "--json").stdout)
        (exchange.directory / "kept.jsonl").write_text(json.dumps(head) + "\n")
        if head["number"] in {line["number"] for line in other.lines()}:
            compare(exchange, exchange.directory / "kept.jsonl", other.heads, expect=1)
        other.at([exchange.subscribe])
        other.once(expect=BROKEN)


def compare_json(exchange, keys, *files):
    words = [word for name in keys for word in ("--keys", exchange.directory / f"{name}.keys.pub")]
    return exchange.dongbo("log", "compare", "--json", *words, *files, check=False).stdout


def test_nothing_in_common(exchange):
    often(exchange)
    with people.ministry(exchange, 40, FIELDS) as peer:
        one, other = (Witness(exchange, name).register() for name in ("one", "other"))
        go_on(exchange, peer, 0, 5)
        one.once()
        go_on(exchange, peer, 5, 10, 15, 20)
        other.once()
        assert "CANNOT TELL" in compare(exchange, one.heads, other.heads, expect=5)
        one.once()
        compare(exchange, one.heads, other.heads)
    # A line that was changed proves nothing, and is told.
    changed = json.loads(other.heads.read_text())
    changed["signature"] = changed["signature"][:-2] + ("00" if changed["signature"][-2:] != "00" else "01")
    other.heads.write_text(json.dumps(changed) + "\n")
    assert "1 NOT GOOD" in compare(exchange, one.heads, other.heads, expect=1)
    other.heads.write_text("{}\n")
    compare(exchange, one.heads, other.heads, expect=2)


def change_key(exchange, covered):
    """The broker goes on with another key. covered: a head of the former one has the announcement."""
    exchange.keys("newer")
    config = exchange.directory / "broker.yaml"
    text = config.read_text()
    config.write_text(text.replace("keys: broker.keys", "keys: newer.keys"))
    second = exchange.start_second_broker() if covered else None
    if covered:
        exchange.broker.wait_for(lambda: exchange.cluster.value(
            "SELECT count(*) FROM exchange.policy_change WHERE text LIKE '%%before with%%' AND logged_position <= "
            "(SELECT max(last_position) FROM exchange.signed_head)") == 1, "the announcement's cover")
        assert second.stop() == 0
    exchange.broker.stop()
    exchange.start_broker()
    with wire.Publisher(exchange.publish, wire.keys_of(exchange, "moh"),
                        wire.keys_of(exchange, "newer").curve_public) as peer:
        peer.hello()
        go_on(exchange, peer, 10, 20)
    exchange.wait_until("SELECT count(DISTINCT key_id) FROM exchange.signed_head", 2)


def test_a_key_that_the_log_announced(exchange):
    """Under the former key's head: it need not be handed over, and a restart keeps it."""
    often(exchange)
    with people.ministry(exchange, 40, FIELDS) as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        witness.once()
        change_key(exchange, covered=True)
    # By its transport key alone it gets in: what signs heads it learns from the log.
    newer = yaml.safe_load((exchange.directory / "newer.keys.pub").read_text())
    older = yaml.safe_load((exchange.directory / "broker.keys.pub").read_text())
    (exchange.directory / "witness.exchange.pub").write_text(yaml.safe_dump({**older, "curve_public":
                                                                             newer["curve_public"]}))
    witness.once()
    heads = check_lines(witness, sign_key(exchange), sign_key(exchange, "newer"))
    assert len({head.key_id for head in heads}) == 2
    with wire.Publisher(exchange.publish, wire.keys_of(exchange, "moh"),
                        wire.keys_of(exchange, "newer").curve_public) as peer:
        peer.hello()
        go_on(exchange, peer, 20, 30)
    witness.once()
    assert len(witness.lines()) > len(heads)
    compare(exchange, witness.heads, keys=("broker", "newer", "witness"))


def test_a_key_that_was_handed_over(exchange):
    """Where the former key's broker was gone before it could cover the announcement, a person hands the key over."""
    often(exchange)
    with people.ministry(exchange, 40, FIELDS) as peer:
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        witness.once()
        kept = witness.heads.read_bytes()
        change_key(exchange, covered=False)
    newer = yaml.safe_load((exchange.directory / "newer.keys.pub").read_text())
    older = yaml.safe_load((exchange.directory / "broker.keys.pub").read_text())
    path = exchange.directory / "witness.exchange.pub"
    path.write_text(yaml.safe_dump({**older, "curve_public": newer["curve_public"]}))
    said = witness.once("--timeout", "2", expect=UNREACHED)  # anybody may say that, who has the transport key
    assert "did not sign" in said and "not known here" in said
    assert hashlib.sha256(sign_key(exchange, "newer")).hexdigest()[:16] in said
    assert witness.heads.read_bytes() == kept
    shutil.copy(exchange.directory / "broker.keys.pub", path)
    shutil.copy(exchange.directory / "newer.keys.pub", exchange.directory / "witness.exchange.pub.next")
    witness.once()
    heads = check_lines(witness, sign_key(exchange), sign_key(exchange, "newer"))
    assert len({head.key_id for head in heads}) == 2


def test_nobody_else_announces_a_key(exchange):
    """Not by plain psql either: a witness would take it for the exchange's word."""
    text = "heads of the log are signed with key " + "00" * 32 + " (id 66687aadf862bd77) from here on"
    for words in text, " " + text.upper():
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only the exchange announces"):
            exchange.cluster.rows("BEGIN; SELECT exchange.lock_log(); INSERT INTO exchange.policy_change (text, "
                                  "position) VALUES (%s, exchange.next_position())", words, user="dongbo_operator")
        exchange.cluster.disconnect()
    with people.ministry(exchange, 1, FIELDS):
        exchange.wait_until("SELECT count(*) FROM exchange.head_key", 1)


def verify(exchange, *words, expect=0):
    keys = ("--keys", f"exchange={exchange.directory}/broker.keys.pub", "--keys", exchange.directory / "moh.keys.pub",
            "--keys", exchange.directory / "witness.keys.pub")
    done = exchange.dongbo("log", "verify", "--json", *keys, *words, exchange.directory / "log.dlog", check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_a_log_is_held_against_what_others_kept(exchange):
    """A witness's heads, and a ministry's receipts: all that they say is in the log, or it is said what is not."""
    often(exchange)
    with people.ministry(exchange, 60, FIELDS) as peer:
        witness = Witness(exchange).register()
        receipts = []
        for n in range(0, 40, 10):
            stored = peer.publish([people.dose(i, number) for i in range(n, n + 10) for number in (1, 1)])
            receipts.append(exchange.directory / f"{n}.receipt")
            receipts[-1].write_bytes(stored.raw)
            exchange.wait_until(UNSIGNED, 0)
            witness.once()
    exchange.dongbo("log", "export", exchange.directory / "log.dlog")
    said = verify(exchange, "--witness", witness.heads, *(word for path in receipts for word in ("--receipt", path)))
    assert said["whole"] and said["receipts"] == 4 and said["streams"] >= 1 and said["receipts_not_shown"] == 0
    assert said["cosigned_good"] == said["heads_cosigned"] == len(witness.lines()) >= 4
    assert said["heads_good"] >= len(witness.lines()) and said["proven_position"] > 0
    # One that somebody changed is none.
    damaged = bytearray(receipts[0].read_bytes())
    damaged[5] ^= 1
    (exchange.directory / "damaged.receipt").write_bytes(damaged)
    verify(exchange, "--receipt", exchange.directory / "damaged.receipt", expect=2)
    # A log that lacks the ministry's second batch, chained anew to its end, is whole by itself; not to who was there.
    exchange.dongbo("log", "export", "--to", "14", exchange.directory / "log.dlog")
    lines = witness.heads.read_text().splitlines()
    verify(exchange, "--receipt", receipts[-1])
    changed = json.loads(lines[0])
    changed["witnessed_at_us"] += 1
    witness.heads.write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
    said = verify(exchange, "--witness", witness.heads, expect=1)
    assert said["cosigned_bad"] == 1 and said["breaks"][0]["what"] == "co-signatures of a witness"


@pytest.mark.postgres
def test_a_log_without_what_was_acknowledged(exchange):
    """The database as it was before a batch, and gone on with: the ministry's receipt is of another log."""
    often(exchange)
    backup = exchange.directory / "backup"
    with people.ministry(exchange, 60, FIELDS) as peer:
        people.publish(peer, 0, 10)
        exchange.broker.stop()
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        receipt = exchange.directory / "kept.receipt"
        receipt.write_bytes(peer.publish([people.dose(n) for n in range(10, 20)]).raw)
        exchange.broker.stop()
    exchange.cluster.restore(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        go_on(exchange, peer, 20, 30, 40)
    exchange.dongbo("log", "export", exchange.directory / "log.dlog")
    exchange.keys("witness")
    assert verify(exchange)["whole"]
    said = verify(exchange, "--receipt", receipt, expect=1)
    assert [found["what"] for found in said["breaks"]] == ["batch of a receipt"]


def forge_newest(exchange):
    """Whoever has the exchange's key signs its newest head anew, of another log."""
    head = wire.TreeHead.FromString(bytes(exchange.cluster.value(
        "SELECT head FROM exchange.signed_head ORDER BY number DESC LIMIT 1")))
    head.root = hashlib.sha256(b"another").digest()
    body = head.SerializeToString()
    signature = wire.keys_of(exchange, "broker").sign("dongbo head 1", body)
    exchange.cluster.rows("UPDATE exchange.signed_head SET head = %s, signature = %s WHERE number = %s", body,
                          signature, head.number)


@pytest.mark.parametrize("kind", ["jsonl", "postgres", "command"])
def test_a_receiver_remembers_what_it_was_shown(exchange, kind):
    """It is stopped, shown another log when it comes again, and says so, whatever keeps its place."""
    often(exchange)
    with people.ministry(exchange, 20, FIELDS) as peer:
        receiver = exchange.receivers["hn"]
        text = receiver.config.read_text()
        if kind == "postgres":
            text = text.replace("{kind: jsonl, directory: received-hn}",
                                f'{{kind: postgres, conninfo: "{exchange.cluster.conninfo()}", schema: received}}')
        elif kind == "command":
            text = text.replace("{kind: jsonl, directory: received-hn}", json.dumps(
                {"kind": "command", "command": [sys.executable, "-c", TAKER], "state": "received-hn/position"}))
        receiver.config.write_text(text)
        witness = Witness(exchange).register()
        go_on(exchange, peer, 0, 10)
        witness.once()
        running = receiver.start()
        kept = receiver.directory / "position.head"

        def line():
            if kind == "postgres":
                return exchange.cluster.value("SELECT to_regclass('received.dongbo_position') IS NOT NULL") and \
                    exchange.cluster.value("SELECT max(signed_head) FROM received.dongbo_position")
            return kept.exists() and kept.read_text()
        running.wait_for(lambda: line() and json.loads(line())["head"] == witness.lines()[-1]["head"], "the head")
        assert running.stop() == 0
        # Anybody may hold it against what others kept.
        kept.write_text(line())
        assert "one history" in compare(exchange, kept, witness.heads)
        exchange.broker.stop()
        forge_newest(exchange)
    exchange.start_broker()
    running = receiver.start()
    running.wait_for(lambda: "is another one of the same number" in running.text(), "the error line")
    assert witness.lines()[-1]["head"] in running.text()
    running.stop()


TAKER = """
import json, sys
for line in sys.stdin:
    print("ok", json.loads(line)["position"], flush=True)
"""
