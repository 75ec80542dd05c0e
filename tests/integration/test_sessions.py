# SPDX-License-Identifier: Apache-2.0
"""Sessions and who may have one: what a slow database, a lost notification or a key taken back may do to them."""
import contextlib
import os
import signal
import time

import pytest

import people
import wire

GREETING_SECONDS = 3  # GREETING_MS
HELLO_SECONDS = 5     # HELLO_MS
SOON = 10


@pytest.fixture
def moh(exchange):
    """An exchange with a broker and the Ministry of Health."""
    exchange.load_population(people.citizens(100))
    exchange.agency("MOH", "health", [])
    exchange.start_broker()
    return exchange


@contextlib.contextmanager
def frozen(exchange, name):
    """The database's side of one of the broker's sessions stands still. Ends with the block."""
    pids = [pid for pid, in exchange.cluster.rows("SELECT pid FROM pg_stat_activity WHERE application_name = %s", name)]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# ---- publishing ----------------------------------------------------------------------------------------------------

def test_a_hello_that_was_given_up_fences_nobody(moh):
    """The first broker's database stands still; the agent goes to the second one. Then the first one wakes up."""
    with wire.publisher(moh, "MOH") as first:
        first.hello()  # the broker has its session with the database
        moh.start_second_broker()
        stream = os.urandom(16)
        with frozen(moh, "dongbo sessions"), wire.publisher(moh, "MOH", stream=stream) as left:
            left.say_hello()
            assert left.receive(HELLO_SECONDS) is None
        with wire.Publisher(moh.publish2, first.keys, wire.keys_of(moh, "broker").curve_public, stream=stream) as agent:
            assert agent.hello().session_epoch == 1
            agent.publish([people.dose(1)])
            # What the first broker still had to do is done, once it answers the next who greets.
            assert first.hello().last_sequence == 0
            assert agent.publish([people.dose(2)]).verdicts() == {2: "ACCEPTED"}
        assert moh.cluster.value("SELECT session_epoch FROM exchange.stream WHERE stream = %s", stream) == 1


@pytest.mark.postgres()
def test_who_greets_during_an_outage_is_told_in_time(moh):
    with wire.publisher(moh, "MOH") as peer:
        moh.cluster.stop("immediate")
        begin = time.monotonic()
        for _ in range(50):
            peer.say_hello()
        for _ in range(50):
            assert "database" in peer.expect_error("INTERNAL").text
        assert time.monotonic() - begin < HELLO_SECONDS
        moh.cluster.start()
        # None of those was kept for later.
        assert peer.hello().session_epoch == 1
        peer.publish([people.dose(3)])


def test_an_agency_opens_so_many_streams_a_day(moh):
    """Its agent makes a new one each time that it says Hello. Those that are known are opened all the same."""
    with wire.publisher(moh, "MOH") as known, wire.publisher(moh, "MOH") as peer:
        known.hello()
        moh.cluster.rows("INSERT INTO exchange.stream (stream, agency, agent, kind, opened_at) "
                         "SELECT uuid_send(gen_random_uuid()), agency, 'broken', 'live', now() - interval '23 hours' "
                         "FROM exchange.agency, generate_series(1, 1023)")
        peer.say_hello()
        assert "streams" in peer.expect_error("NOT_ALLOWED").text
        assert known.hello().session_epoch == 2
        moh.agency("NPC", "population", [])
        with wire.publisher(moh, "NPC") as npc:
            npc.hello()
        moh.cluster.rows("UPDATE exchange.stream SET opened_at = now() - interval '25 hours' WHERE agent = 'broken'")
        assert peer.hello().session_epoch == 1


def test_what_is_refused_leaves_a_trace_and_no_flood(moh):
    log = moh.directory / "broker.log"
    moh.committee("hn", "health", "citizen_number,health.lot_number")
    stranger = wire.Keys.new()
    with wire.Peer(moh.publish, stranger, wire.keys_of(moh, "broker").curve_public):
        moh.broker.wait_for(lambda: f"key {stranger.curve_public[:8].hex()}" in log.read_text(), "the stranger's trace")
    for peer, said in ((wire.publisher(moh, "MOH"), "a frame was refused: "),
                       (wire.subscriber(moh, "hn"), "feed: refused")):
        with peer:
            for _ in range(100):
                peer.send_frames(b"rubbish")
            for _ in range(100):
                peer.expect_error("BAD_FRAME")
            peer.hello()
        assert 1 <= log.read_text().count(said) <= 6


# ---- subscribing ---------------------------------------------------------------------------------------------------

def test_a_revoked_key_receives_nothing_more(moh):
    """A subscription has two keys, and one is taken back: its session ends and it gets no other, though the other key's
    holder goes on."""
    moh.committee("hn", "health", "citizen_number,health.lot_number")
    both = (wire.keys_of(moh, "hn"), wire.keys_of(moh, "hn-new"))
    moh.cluster.rows("INSERT INTO exchange.key (key, purpose, subscription) SELECT %s, 'curve', subscription "
                     "FROM exchange.subscription WHERE name = 'hn'", both[1].curve_public)
    with wire.subscriber(moh, "hn", keys=both[0]) as revoked, wire.publisher(moh, "MOH") as peer:
        revoked.hello()
        revoked.credit(1 << 20)
        moh.cluster.rows("UPDATE exchange.key SET revoked_at = now() WHERE key = %s", both[0].curve_public)
        while (received := revoked.receive(SOON)).type == wire.WATERMARK:
            pass
        assert wire.Error.Code.Name(received.code) == "NOT_ALLOWED" and "key" in received.text
        revoked.say_hello()
        while (code := wire.Error.Code.Name(revoked.expect(wire.ERROR).code)) == "NO_SESSION":
            pass  # to what was on its way when the session ended
        assert code == "NOT_ALLOWED"
        peer.hello()
        head = peer.publish([people.dose(1, body=people.dose_body(lot_number="SECRET"))]).body.last_position
        assert revoked.receive(2) is None
        with wire.subscriber(moh, "hn", keys=both[1]) as other:
            other.hello()
            other.take_all(head)
            assert len(other.records) == 1


def test_several_frames_end_the_sessions_of_the_connection(moh):
    moh.committee("hn", "health", "citizen_number,health.lot_number")
    with wire.subscriber(moh, "hn") as peer:
        for bad in ((b"a", b"b"), (b"DB rubbish",)):
            peer.hello()
            peer.send_frames(*bad)
            assert peer.expect(wire.ERROR).code == wire.Error.BAD_FRAME
            peer.credit(1 << 20)
            peer.expect_error("NO_SESSION")


# ---- after a restore -----------------------------------------------------------------------------------------------

def late_citizen(exchange):
    """Somebody the population centre brings later; a row about them is deferred until then."""
    number = "001099990001"
    row = people.dose_row(0, 7, row_id="late", so_cccd=number, ho_ten="Lê Văn Muộn", ngay_sinh="1999-05-06",
                          gioi_tinh="Nam")
    birth = wire.ChangeEvent(event_id=os.urandom(16), schema_version=1, operation=1, source_key="b",
                             event_time_us=wire.now_us() - 1000000)
    for name, value in dict(kind="birth", citizen_number=number, full_name="Lê Văn Muộn", birth_date="1999-05-06",
                            sex="male", residence_province="01").items():
        setattr(birth.population, name, value)
    return row, birth.SerializeToString()


@pytest.mark.postgres()
def test_decisions_of_a_restored_exchange_are_heard(exchange):
    """They have smaller positions than what the agent heard in the database's older life."""
    exchange.load_population(people.citizens(100))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    exchange.agency("NPC", "population", [])
    row, birth = late_citizen(exchange)
    exchange.start_broker()
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(5)])
    moh.once(expect=0)
    exchange.broker.stop()
    backup = exchange.directory / "pg-backup"
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as other:
        other.hello()
        other.publish([people.dose(n, 9) for n in range(100)])
    moh.drop("vaccinations", "b.csv", [row])
    moh.once(expect=0)
    moh.once(expect=0)  # hears of nothing more, up to the log's end
    exchange.broker.stop()
    exchange.cluster.restore(backup)
    asked = exchange.dongbo("epoch", "new", "--reason", "restored from a backup").stdout
    assert asked.startswith("asked for, and no broker has begun it: the next one that starts does")
    exchange.start_broker()
    exchange.wait_until("SELECT count(*) FROM exchange.epoch", 2)
    moh.once(expect=0)
    with wire.publisher(exchange, "NPC") as npc:
        npc.hello()
        npc.publish([birth])
    exchange.wait_until("SELECT verdict::int FROM exchange.exception WHERE citizen_number = '001099990001'", 1)
    moh.once(expect=0)
    results = (moh.directory / "vaccinations/done/b.results.csv").read_text(encoding="utf-8")
    assert "late," in results and ",ACCEPTED," in results


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_verdict_position_beyond_the_log_misses_nothing(moh, epoch):
    """As after a restore that nobody declared: the log's end is as far as anybody can have heard."""
    moh.agency("NPC", "population", [])
    _, birth = late_citizen(moh)
    late = wire.Subject(citizen_number="001099990001", full_name="Lê Văn Muộn", birth_date="1999-05-06", sex="male")
    with wire.publisher(moh, "MOH") as peer:
        peer.hello()
        assert peer.publish([people.dose(0, about=late)]).verdicts() == {1: "DEFERRED"}
        peer.hello(verdict_position=100000, verdict_epoch=epoch)
        with wire.publisher(moh, "NPC") as npc:
            npc.wait_event(wire.zmq.EVENT_HANDSHAKE_SUCCEEDED)
            npc.hello()
            npc.publish([birth])
        deadline = time.monotonic() + 30
        while not peer.later and time.monotonic() < deadline:
            peer.receive(1)
        assert [(said.sequence, said.verdict) for said in peer.later] == [(1, wire.Verdict.Value("ACCEPTED"))]


def wait_for_activity(exchange, name, what, seconds=SOON):
    """Until this is true of one of the broker's sessions with the database."""
    exchange.wait_until("SELECT count(*) > 0 FROM pg_stat_activity "
                        f"WHERE application_name = 'dongbo {name}' AND {what}", True, seconds)


def receipt_after_restore(peer, sealed):
    """A broker that finds the log shorter than it had left it begins an epoch and ends the sessions of before: what had
    no answer by then is sent again, as it was sealed."""
    received = peer.receive()
    if received.type == wire.RECEIPT:
        return wire.Stored(received, peer.welcome.signing_key)
    assert received.type == wire.ERROR and received.code == wire.Error.NO_SESSION, repr(received)
    peer.hello()
    peer.send_sealed(sealed, 1)
    return peer.receipt()


@pytest.mark.postgres()
def test_what_was_read_before_a_restore_is_read_again(moh):
    """A backup is restored under a running broker, in which a batch waits for the writer. It is merged onto what the
    restored database holds, when it comes again, and not onto what it was read with, which never was."""
    with wire.publisher(moh, "MOH") as first, wire.publisher(moh, "MOH") as second, wire.publisher(moh, "MOH") as other:
        for peer in (first, second, other):
            peer.hello()
        first.publish([people.dose(1, body=people.dose_body(lot_number="OLD"), event_time_us=1640000000000000)])
        backup = moh.directory / "pg-backup"
        moh.cluster.back_up(backup)
        first.publish([people.dose(1, body=people.dose_body(lot_number="LOST"), event_time_us=1640000000000001)])
        with moh.cluster.holding("SELECT exchange.lock_log()"):
            waiting = {other: other.send_batch([people.dose(2)])}
            wait_for_activity(moh, "writer", "wait_event = 'relation'")
            since = moh.cluster.value("SELECT clock_timestamp()")
            waiting[second] = second.send_batch([people.dose(1, body=people.dose_body(facility_code="01-007"),
                                                             event_time_us=1640000000000002)])
            # The last that a worker asks of the database.
            wait_for_activity(moh, "worker", f"state = 'idle' AND query ~ '^SELECT k.place FROM unnest' "
                                             f"AND query_start > '{since}'")
            moh.cluster.restore(backup)
        for peer, sealed in waiting.items():
            assert receipt_after_restore(peer, sealed).verdicts() == {1: "ACCEPTED"}
    record = moh.cluster.value("SELECT record FROM exchange.record_version JOIN population.citizen USING (person) "
                               "WHERE citizen_number = %s ORDER BY position DESC LIMIT 1",
                               people.citizen(1)["citizen_number"])
    assert b"01-007" in bytes(record) and b"OLD" in bytes(record) and b"LOST" not in bytes(record)


# ---- a backlog -----------------------------------------------------------------------------------------------------

def test_a_backlog_does_not_stand_before_today(moh):
    """While nothing can be stored, a backlog fills every place that it may have; then comes one batch of today."""
    with wire.publisher(moh, "MOH") as bulk, wire.publisher(moh, "MOH") as live:
        bulk.hello(stream_kind="bulk")
        live.hello()
        with moh.cluster.holding("SELECT exchange.lock_log()"):
            for n in range(1, 61):
                bulk.send_batch([people.dose(n % 100, n)], first=n)
            for n in range(1, 6):
                live.send_batch([people.dose(n, 90)], first=n)
            # All are with the broker, for it answers in order of arrival.
            for peer in (bulk, live):
                peer.send(wire.PING, wire.Ping(nonce=1))
                peer.expect(wire.PONG)
        for peer, last in ((live, 5), (bulk, 60)):
            while peer.receipt().body.last_sequence < last:
                pass
    order = moh.cluster.rows("SELECT s.kind FROM exchange.segment g JOIN exchange.stream s USING (stream) "
                             "WHERE g.kind = 1 ORDER BY first_position")
    places = [n for n, (kind,) in enumerate(order) if kind == "live"]
    assert len(order) == 65 and max(places) < 25, places


# ---- what is to be declared ----------------------------------------------------------------------------------------

def test_however_much_is_declared_at_once_is_logged(moh):
    """More than one transaction takes; nothing else happens afterwards that would bring the rest along."""
    change = ("INSERT INTO exchange.policy_change (text, agency, position) SELECT 'change ' || n, a.agency, "
              "exchange.next_position() FROM generate_series(1, 200) n, exchange.agency a")
    moh.cluster.rows("INSERT INTO exchange.epoch_request (reason) SELECT 'request ' || n FROM generate_series(1, 50) n;"
                     "INSERT INTO exchange.stream (stream, agency, agent, kind, replaces) "
                     "SELECT uuid_send(gen_random_uuid()), a.agency, 'test', 'live', uuid_send(gen_random_uuid()) "
                     f"FROM generate_series(1, 50) n, exchange.agency a; {change}")
    moh.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
    moh.wait_until("SELECT count(*) FROM exchange.epoch_request WHERE epoch IS NULL", 0)
    moh.wait_until("SELECT count(*) FROM exchange.segment WHERE kind = 5", 50)
    assert moh.cluster.value("SELECT bool_and(first_position = next) FROM (SELECT first_position, "
                             "1 + lag(last_position, 1, 0::bigint) OVER (ORDER BY first_position) AS next "
                             "FROM exchange.segment) s")
