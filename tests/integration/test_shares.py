# SPDX-License-Identifier: Apache-2.0
"""Several receivers share a subscription: each citizen's records come to one of them, in order, whatever dies when and
however many they are; nobody's are missed when their number changes."""
import collections
import contextlib
import json
import os
import pathlib
import random
import signal

import pytest

import people
import wire

CITIZENS = 120
FIELDS = "citizen_number,health.*"


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, CITIZENS, FIELDS) as peer:
        yield peer


class History:
    """What was said of whom, in order: every event changes a record, so each is one line at some receiver."""

    def __init__(self, health, choose):
        self.health = health
        self.choose = choose
        self.serial = 0
        self.head = 0
        self.lots = {}  # (citizen, dose): the last lot

    def go_on(self, n):
        events = []
        for _ in range(n):
            self.serial += 1
            person, dose, lot = self.choose.randrange(CITIZENS), self.choose.randint(1, 2), f"{self.serial:06}"
            self.lots[people.citizen(person)["citizen_number"], dose] = lot
            events.append(people.dose(person, dose, key=f"vac-{self.serial}", event_time_us=1640000000000000 +
                                      self.serial, body=people.dose_body(dose, lot_number=lot)))
        self.head = self.health.publish(events).body.last_position


class Consumer:
    """A receiver of one share that writes lines into a directory of its own."""

    def __init__(self, exchange, name, share=None):
        self.exchange = exchange
        first = exchange.receivers["hn"]
        self.directory = exchange.directory / name
        self.config = exchange.directory / f"{name}.yaml"
        text = first.config.read_text().replace("received-hn", name)
        self.config.write_text(text + (f"share: {share}\n" if share else ""))
        self.log = exchange.directory / f"{name}.log"
        self.process = None

    def start(self):
        self.process = self.exchange.start(self.exchange.receivers["hn"].command()[:3] + [self.config], self.log)

    def until_head(self, *more):
        words = self.exchange.receivers["hn"].command()[:3] + [self.config, "--until-head", "--timeout", 30, *more]
        done = self.exchange.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def records(self):
        return [json.loads(line) for path in sorted(self.directory.glob("*.jsonl"))
                for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def of_citizens(records):
    """Positions by citizen, in the order in which they came."""
    by_citizen = collections.defaultdict(list)
    for record in records:
        by_citizen[record["citizen_number"]].append(record["position"])
    return by_citizen


def check_dealt(consumers):
    """Each citizen at one consumer, in order, nothing twice. How many citizens each has."""
    whose = collections.Counter()
    owner = {}
    for number, consumer in enumerate(consumers):
        for citizen, positions in of_citizens(consumer.records()).items():
            assert positions == sorted(set(positions)), (citizen, positions)
            assert owner.setdefault(citizen, number) == number, f"{citizen} is at {owner[citizen]} and {number}"
            whose[number] += 1
    return [whose[number] for number in range(len(consumers))]


def check_held(records, history):
    """The record with the greater position of each holds what was said last."""
    held = {}
    for record in records:
        key = record["citizen_number"], record["fields"]["dose_number"]
        if key not in held or held[key][0] < record["position"]:
            held[key] = record["position"], record["fields"]["lot_number"]
    assert {key: lot for key, (_, lot) in held.items()} == history.lots


def live_on(exchange, health, history, consumers):
    """Random lives: consumers and the broker die and come again, some at the wrong moment, while events come in."""
    choose = history.choose
    for _ in range(10):
        for consumer in consumers:
            if not consumer.process or not consumer.process.running():
                consumer.start()
        history.go_on(choose.randint(1, 60))
        for consumer in consumers:
            if choose.random() < 0.5:
                consumer.process.kill()
        if choose.random() < 0.2:
            exchange.broker.kill()
            exchange.start_broker()
            health.hello()
    for consumer in consumers:
        consumer.process.kill()
    for consumer in consumers:
        consumer.until_head()


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_each_citizen_over_random_lives(exchange, health, seed):
    history = History(health, random.Random(seed))
    three = [Consumer(exchange, f"of-three-{i}", f"{i}/3") for i in (1, 2, 3)]
    live_on(exchange, health, history, three)
    assert all(n > CITIZENS / 6 for n in check_dealt(three))
    assert sum(len(consumer.records()) for consumer in three) == history.serial
    check_held([record for consumer in three for record in consumer.records()], history)
    status = json.loads(exchange.dongbo("status", "--json").stdout)["subscriptions"][0]
    assert [share["share"] for share in status["shares"]] == ["1/3", "2/3", "3/3"]
    assert status["acked"] == min(share["acked"] for share in status["shares"]) == history.head


def test_another_number_of_shares_begins_where_the_last_one_was(exchange, health):
    history = History(health, random.Random(3))
    history.go_on(200)
    two = [Consumer(exchange, f"of-two-{i}", f"{i}/2") for i in (1, 2)]
    for consumer in two:
        consumer.until_head()
    history.go_on(200)
    two[0].until_head()  # the other one is behind
    behind = json.loads(exchange.dongbo("status", "--json").stdout)["subscriptions"][0]
    assert behind["lag_positions"] >= 200 and behind["lag_records"] == 200
    # The first of three takes over the directory of the one that is ahead, the others have new ones.
    three = [Consumer(exchange, name, f"{i}/3") for i, name in enumerate(["of-two-1", "of-three-2", "of-three-3"], 1)]
    said = [consumer.until_head() for consumer in three]
    assert "begins anew behind position" in said[0]
    assert [f"after position {behind['acked']}" in text for text in said] == [True] * 3, said
    check_held([record for consumer in two + three[1:] for record in consumer.records()], history)
    new = {record["position"] for consumer in three for record in consumer.records()}
    assert {position for position in range(behind["acked"] + 1, history.head + 1)} <= new
    # And back to one that takes everything, with nothing of what the shares have: from the beginning.
    whole = Consumer(exchange, "whole")
    assert "(from the start)" in whole.until_head()
    history.go_on(20)
    whole.until_head()
    assert len(whole.records()) == 420


def test_one_alone_begins_where_the_last_share_was(exchange, health):
    """With the directory of the share that is ahead: the other one's persons are not in it."""
    history = History(health, random.Random(9))
    two = [Consumer(exchange, f"of-two-{i}", f"{i}/2") for i in (1, 2)]
    history.go_on(100)
    two[1].until_head()
    behind = history.head
    history.go_on(100)
    two[0].until_head()
    alone = Consumer(exchange, "of-two-1")
    assert f"begins anew behind position {behind}" in alone.until_head()
    check_held(alone.records() + two[1].records(), history)
    assert {record["position"] for record in alone.records()} > set(range(behind + 1, history.head + 1))
    n = len(alone.records())
    alone.until_head()
    assert len(alone.records()) == n


@pytest.mark.parametrize("shares", [0, 3])
def test_who_holds_what_the_log_forgot_is_told_so(exchange, health, shares):
    """Also one who is to begin where the last share was, before that: nobody is renumbered in silence."""
    history = History(health, random.Random(10))
    history.go_on(20)
    with hello(exchange, 1, 2), hello(exchange, 2, 2):
        pass
    with wire.subscriber(exchange, "hn") as peer:
        share = {"share": min(1, shares), "shares": shares}
        head = peer.hello(from_start=True, **share).head
        for position, digest, code in [(head.position + 1000, head.segment_hash, "TOKEN_AHEAD"),
                                       (head.position, bytes(32), "TOKEN_MISMATCH")]:
            peer.say_hello(token=wire.ResumeToken(epoch=head.epoch, position=position, segment_hash=digest), **share)
            peer.expect_error(code)
        assert peer.hello(token=head, **share).position == 0


def fill_tables(exchange, database):
    """The receivers of "hn" to come fill tables."""
    config = exchange.receivers["hn"].config
    text = config.read_text()
    config.write_text(text[:text.index("sink:")] +
                      f'sink: {{kind: postgres, conninfo: "{database.conninfo()}", schema: r}}\n')


def test_tables_that_several_fill(exchange, health, empty_database):
    """Shares of one schema: repeats have no effect, and each knows its own place."""
    history = History(health, random.Random(4))
    fill_tables(exchange, empty_database)
    for n in (2, 3, 2):
        consumers = [Consumer(exchange, f"table-{i}-of-{n}", f"{i}/{n}") for i in range(1, n + 1)]
        for _ in range(3):
            for consumer in consumers:
                consumer.start()
            history.go_on(100)
            consumers[0].process.kill()
        for consumer in consumers:
            consumer.process.stop()
            consumer.until_head()
    rows = empty_database.rows("SELECT citizen_number, dose_number::integer, lot_number FROM r.health")
    assert {(citizen, dose): lot for citizen, dose, lot in rows} == history.lots
    assert len(rows) == len(history.lots)


def test_shares_say_that_other_rights_hold(exchange, health, empty_database):
    """None of them can take a snapshot; one without a share can, into the same tables."""
    def warned(consumer, *words):
        return "what is granted has changed" in consumer.until_head(*words)
    history = History(health, random.Random(5))
    fill_tables(exchange, empty_database)
    whole = Consumer(exchange, "whole")
    shares = [Consumer(exchange, f"right-{i}", f"{i}/2") for i in (1, 2)]
    history.go_on(50)
    assert [warned(share) for share in shares] == [False, False]
    exchange.dongbo("subscription", "change", "hn", "--field", "citizen_number,health.dose_number")
    exchange.wait_in_force()
    history.go_on(5)
    assert [warned(share) for share in shares * 2] == [True] * 4
    assert not warned(whole, "--from", "snapshot")
    assert empty_database.value("SELECT count(*) FROM r.health WHERE lot_number IS NOT NULL") == 0
    assert [warned(share, "--accept-rights") for share in shares] == [False, False]
    history.go_on(5)
    assert [warned(share) for share in shares] == [False, False]
    assert empty_database.value("SELECT count(*) FROM r.health") == len(history.lots)


def test_shares_bring_back_nothing_that_a_snapshot_let_go(exchange, health, empty_database):
    """They were behind it, and the feed tells what came before the rights ended, but not that it is to go."""
    history = History(health, random.Random(7))
    fill_tables(exchange, empty_database)
    shares = [Consumer(exchange, f"let-go-{i}", f"{i}/2") for i in (1, 2)]
    history.go_on(50)
    for share in shares:
        share.until_head()
    history.go_on(50)  # which they have not read
    exchange.dongbo("subscription", "change", "hn", "--domain", "population", "--field",
                    "citizen_number,population.full_name")
    exchange.wait_in_force()
    Consumer(exchange, "whole").until_head("--from", "snapshot")
    assert empty_database.value("SELECT count(*) FROM r.health") == 0
    for share in shares * 2:
        assert "what is granted has changed" not in share.until_head("--accept-rights")
    assert empty_database.value("SELECT count(*) FROM r.health") == 0
    places = " UNION ".join(f"SELECT epoch, position, hash, policy_version FROM r.dongbo_position{share}"
                            for share in ("", "_1_of_2", "_2_of_2"))
    assert len(empty_database.rows(places)) == 1


def test_tables_are_of_one_subscription(exchange, health, empty_database):
    """The other's snapshot would let go of all rows that it may not see, and its place is in another feed."""
    history = History(health, random.Random(4))
    fill_tables(exchange, empty_database)
    history.go_on(30)
    whole, share = Consumer(exchange, "whole"), Consumer(exchange, "one", "1/2")
    whole.until_head()
    exchange.committee("other", "population", "citizen_number,population.full_name")
    other = exchange.receivers["other"].config.read_text()

    def receive_other(consumer):
        """Into the same tables."""
        text = consumer.config.read_text()
        consumer.config.write_text(other[:other.index("sink:")] + text[text.index("sink:"):])
        return text
    for consumer, snapshot in ((whole, ["--from", "snapshot"]), (whole, []), (share, [])):
        text = receive_other(consumer)
        done = exchange.run(*exchange.receivers["hn"].command()[:3], consumer.config, "--until-head", *snapshot)
        assert done.returncode == 2, done.stderr
        assert "schema r is subscription hn's. Nothing was changed" in done.stderr
        consumer.config.write_text(text)
    history.go_on(10)
    whole.until_head()
    assert empty_database.value("SELECT count(*) FROM r.health") == len(history.lots)
    # Who knows why takes them over, with what this one may see.
    empty_database.rows("DROP TABLE r.dongbo_subscription, r.dongbo_position")
    receive_other(whole)
    whole.until_head("--from", "snapshot")
    assert empty_database.rows("SELECT (SELECT count(*) FROM r.health), (SELECT name FROM r.dongbo_subscription)") == [
        (0, "other")]


@pytest.mark.parametrize("beside", ["position", "time"])
def test_shares_go_on_behind_no_part(exchange, health, empty_database, beside):
    """What one without a share began with is not all that came before."""
    history = History(health, random.Random(4))
    fill_tables(exchange, empty_database)
    shares = [Consumer(exchange, f"part-{i}", f"{i}/2") for i in (1, 2)]
    history.go_on(30)
    for share in shares:
        share.until_head()
    history.go_on(60)
    middle, now = history.head, exchange.cluster.value("SELECT clock_timestamp()::text")
    history.go_on(10)
    whole = Consumer(exchange, "whole")
    whole.until_head(*{"position": ["--from", str(middle)], "time": ["--from", now.replace(" ", "T")]}[beside])
    assert empty_database.value("SELECT position FROM r.dongbo_position") >= history.head
    for share in shares:
        share.until_head()
    assert empty_database.value("SELECT count(*) FROM r.health") == len(history.lots)


@pytest.mark.parametrize("n", [0, 2])
def test_what_a_snapshot_let_go_stays_away_though_nobody_knows_of_it(exchange, health, empty_database, n):
    """Its last acknowledgement was lost: whoever comes next begins where the shares before it were."""
    history = History(health, random.Random(11))
    fill_tables(exchange, empty_database)
    history.go_on(50)
    before = history.head
    for share in [Consumer(exchange, f"before-{i}", f"{i}/2") for i in (1, 2)]:
        share.until_head()
    history.go_on(50)
    whole = Consumer(exchange, "whole")
    whole.until_head("--from", "snapshot")
    exchange.broker.stop()
    exchange.cluster.rows("UPDATE exchange.subscription_position SET acked = %s, fresh = true", before)
    exchange.start_broker()
    health.hello()
    gone = f"{history.serial:06}"  # as if the snapshot had let it go
    empty_database.rows("DELETE FROM r.health WHERE lot_number = %s", gone)
    place, = empty_database.rows("SELECT epoch, position, hash FROM r.dongbo_position")
    consumers = [Consumer(exchange, f"after-{i}", f"{i}/{n}") for i in range(1, n + 1)] or [whole]
    for consumer in consumers:
        assert f"begins anew behind position {before}" in consumer.until_head()
        assert empty_database.rows("SELECT epoch, position, hash FROM r.dongbo_position") == [place]
        assert empty_database.value("SELECT count(*) FROM r.health WHERE lot_number = %s", gone) == 0
    history.go_on(50)
    for consumer in consumers:
        assert "begins anew" not in consumer.until_head()
    held = {(citizen, dose): lot for citizen, dose, lot in
            empty_database.rows("SELECT citizen_number, dose_number::integer, lot_number FROM r.health")}
    assert held == {key: lot for key, lot in history.lots.items() if lot != gone}


def test_a_share_that_stops_holds_up_nobody(exchange, health):
    history = History(health, random.Random(5))
    stopped, other = (Consumer(exchange, f"share-{i}", f"{i}/2") for i in (1, 2))
    history.go_on(50)
    for consumer in (stopped, other):
        consumer.start()
    for i, consumer in enumerate((stopped, other), 1):
        consumer.process.wait_for(lambda: consumer.records(), "records")
    os.kill(stopped.process.popen.pid, signal.SIGSTOP)
    history.go_on(400)
    acked = "SELECT acked FROM exchange.subscription_position WHERE share = "
    exchange.wait_until(f"{acked} 2", history.head)
    assert exchange.cluster.value(f"{acked} 1") < history.head
    os.kill(stopped.process.popen.pid, signal.SIGCONT)
    exchange.wait_until(f"{acked} 1", history.head)
    for consumer in (stopped, other):
        assert consumer.process.stop() == 0
    check_dealt([stopped, other])
    assert len(stopped.records()) + len(other.records()) == history.serial


def hello(exchange, share, shares, name="hn"):
    peer = wire.subscriber(exchange, name)
    peer.hello(share=share, shares=shares)
    return peer


def test_rights_are_accepted_of_a_share_that_begins_anew(exchange, health, empty_database):
    """Its place is kept with the hash that belongs to it, or not at all, whatever dies before something came."""
    history = History(health, random.Random(8))
    fill_tables(exchange, empty_database)
    one, two = (Consumer(exchange, f"anew-{i}", f"{i}/2") for i in (1, 2))
    history.go_on(20)
    one.until_head()
    two.until_head()
    history.go_on(20)
    one.until_head()
    exchange.dongbo("subscription", "change", "hn", "--legal-basis", "another decree")
    exchange.wait_in_force()
    with hello(exchange, 1, 3):
        pass
    with empty_database.holding("LOCK TABLE r.health IN SHARE MODE"):
        words = exchange.receivers["hn"].command()[:3] + [one.config, "--accept-rights"]
        process = exchange.start(words, one.log)
        process.wait_for(lambda: empty_database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo receive'"
            " AND wait_event_type = 'Lock'") == 1, "a receiver that waits")
        process.kill()
    assert "begins anew behind position" in one.until_head("--accept-rights")
    assert "what is granted has changed" not in one.until_head()


def test_who_is_replaced_is_told_by_whom(exchange, health):
    with hello(exchange, 1, 2) as one, hello(exchange, 2, 2) as two, hello(exchange, 2, 2) as again:
        assert "share 2 of 2" in two.expect_error("SESSION_REPLACED").text
        one.credit(1 << 20)
        one.take_all(health.publish([people.dose(n) for n in range(40)]).body.last_position)  # is there still
        with hello(exchange, 1, 3):
            for peer in (one, again):
                assert "shared by 3" in peer.expect_error("SESSION_REPLACED").text
            with hello(exchange, 0, 0) as whole:
                assert whole.welcome.position <= one.position
    with wire.subscriber(exchange, "hn") as peer:
        for share, shares in [(3, 2), (0, 2), (1, 0), (1, 65), (2, 1)]:
            peer.say_hello(share=share, shares=shares)
            assert "no share" in peer.expect_error("NOT_ALLOWED").text
        peer.say_hello(share=1, shares=2, snapshot=True)
        assert "without a share" in peer.expect_error("NOT_ALLOWED").text
        peer.hello(share=1, shares=2)
        peer.send(wire.SNAPSHOT, wire.SnapshotRequest())
        assert "without a share" in peer.expect_error("NOT_ALLOWED").text
        assert peer.hello(share=1, shares=1).position == whole.welcome.position


def test_what_is_no_share_is_refused(exchange):
    exchange.committee("hn", "health", FIELDS)
    for share in ("3/2", "0/2", "2", "1/2x", "1/65", "a/b"):
        consumer = Consumer(exchange, "wrong", f'"{share}"')
        done = exchange.run(*exchange.receivers["hn"].command()[:3], pathlib.Path(consumer.config))
        assert done.returncode == 2 and "which of how many" in done.stderr, share


def test_brokers_lock_shares_in_one_order(exchange, health):
    """Whoever waits for a share's row holds none behind it: so no two brokers wait for each other."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(wire.subscriber(exchange, "hn")) for _ in range(3)]
        for i, peer in enumerate(peers):
            peer.hello(share=3 - i, shares=3)
            peer.credit(1 << 20)
        history = History(health, random.Random(6))
        history.go_on(30)
        for peer in peers:
            while peer.position < history.head:
                peer.take()
        cluster = exchange.cluster
        cluster.rows("UPDATE exchange.subscription_position SET at = now() WHERE share = 1")  # stands behind the others
        share = "SELECT FROM exchange.subscription_position WHERE share {} FOR UPDATE NOWAIT"
        with cluster.holding(share.format("= 1")):
            for peer in peers:
                peer.ack()
            exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo feed'"
                                " AND wait_event_type = 'Lock'", 1)
            with cluster.holding(share.format("> 1")):
                pass
