# SPDX-License-Identifier: Apache-2.0
"""What one batch, or one database, cannot do is no other batch's matter: what cannot be finished is given back, what is
away is waited for, and everybody else goes on."""
import pytest

from test_ingress import REJECTED, peers, shared  # noqa: F401 (fixtures)
from test_sessions import frozen
from wire_peer import ERROR, RECEIPT, REFUSAL, said


def rows(peers, sql, *parameters):
    return peers.exchange.cluster.rows(sql, *parameters)


def refuse_in(peers, table, when, code):
    """From now on a row that `when` is true of fails with this SQLSTATE when it is inserted."""
    rows(peers, f"""
        CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF {when} THEN RAISE EXCEPTION 'refused by a test' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.refuse()""")


def assert_given_back_alone(peers, peer, batch, other):
    """The batch ends its session with INTERNAL and is stored nowhere; the other's, sent together with it, is stored."""
    sealed = other.seal([peers.dose(peers.binh)])
    peer.send_batch(batch)
    other.send_batch(sealed)
    kind, error = peer.answer()
    assert kind == ERROR and error.code == error.INTERNAL, error
    assert other.answer()[0] == RECEIPT


# ---- a batch that cannot be finished --------------------------------------------------------------------------------

def test_stored_segment_of_a_later_format_stops_only_who_asks_for_it(peers):
    """As after failing over to a broker that is not upgraded yet."""
    peer, other = peers.peer(), peers.peer()
    batch = peer.seal([peers.dose()])
    peer.send_batch(batch)
    kind, receipt = peer.answer()
    assert kind == RECEIPT
    rows(peers, "UPDATE exchange.segment SET format = 99 WHERE stream = %s", peer.stream)
    again = peers.peer(stream=peer.stream, hello=False)
    again.hello(verdict_position=receipt.last_position)  # nothing missed: only the batch asks for the segment
    again.next = 1
    assert_given_back_alone(peers, again, batch, other)
    rows(peers, "UPDATE exchange.segment SET format = 2 WHERE stream = %s", peer.stream)
    again = peers.peer(stream=peer.stream)
    again.send_batch(batch, first=1)
    kind, body = again.answer()
    assert kind == RECEIPT and body.duplicate
    assert peers.exchange.broker.text().count("cannot be stored: a stored segment does not") == 1


@pytest.mark.parametrize("code", ["23514", "P0001", "XX000"])
def test_batch_that_the_database_refuses_as_a_whole_is_given_back(peers, code):
    peer, other = peers.peer(), peers.peer()
    refuse_in(peers, "exchange.segment_0", f"NEW.stream = '\\x{peer.stream.hex()}'", code)
    assert_given_back_alone(peers, peer, peer.seal([peers.dose()]), other)
    rows(peers, "DROP TRIGGER refuse ON exchange.segment_0")
    again = peers.peer(stream=peer.stream)
    assert again.welcome.last_sequence == 0 and again.publish([peers.dose()])[0] == RECEIPT


def test_batch_that_cannot_be_looked_up_is_given_back(peers):
    peer, other = peers.peer(), peers.peer()
    rows(peers, f"""
        CREATE FUNCTION public.seen(number text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN IF number = '{peers.an[0]}' THEN RAISE EXCEPTION 'refused by a test'; END IF; RETURN true; END $$;
        CREATE POLICY seen ON population.citizen USING (public.seen(citizen_number));
        ALTER TABLE population.citizen ENABLE ROW LEVEL SECURITY""")
    assert_given_back_alone(peers, peer, peer.seal([peers.dose()]), other)
    rows(peers, "ALTER TABLE population.citizen DISABLE ROW LEVEL SECURITY")
    assert peers.peer(stream=peer.stream).publish([peers.dose()])[0] == RECEIPT


def test_stored_version_that_does_not_decode_costs_its_own_event_only(peers):
    peer = peers.peer()
    assert peer.publish([peers.dose(), peers.dose(dose=2)])[0] == RECEIPT
    rows(peers, "UPDATE exchange.record_version SET record = '\\xff' WHERE position = (SELECT min(position) "
                "FROM exchange.record_version WHERE position >= %s)", peers.start)
    _, body = peer.publish([peers.dose(time=2000000000000000 // 2), peers.dose(dose=2, lot="L2", time=1646100000000001),
                            peers.dose(peers.binh)])
    assert said(body) == {3: (REJECTED, ["NOT_STORABLE"])}


@pytest.mark.parametrize("code", ["25006", "53100", "40001", "57014"])
def test_what_passes_is_waited_for(peers, code):
    peer = peers.peer()
    refuse_in(peers, "exchange.segment_0", f"NEW.stream = '\\x{peer.stream.hex()}'", code)
    peer.send_batch(peer.seal([peers.dose()]))
    refusal = f"tries again until it succeeds: dongbo writer: queued statements: refused by a test ({code})"
    peers.exchange.broker.wait_for(lambda: refusal in peers.exchange.broker.text(), "the refusal")
    rows(peers, "DROP TRIGGER refuse ON exchange.segment_0")
    assert peer.answer()[0] == RECEIPT


# ---- the population store's writer is away --------------------------------------------------------------------------

def send_many(peers, peer, n, event):
    """n batches of one event each, all under way at once."""
    for i in range(n):
        peer.send_batch(peer.seal([event(i)], first=peer.next + i), first=peer.next + i)


def take_many(peer, n):
    kinds = [peer.answer() for _ in range(n)]
    assert all(kind == RECEIPT for kind, _ in kinds), [body for kind, body in kinds if kind != RECEIPT]
    return [body.first_sequence for _, body in kinds]


def turn_away(peers):
    rows(peers, "ALTER ROLE dongbo_population_writer NOLOGIN")
    rows(peers, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dongbo_population_writer'")


def moves(peers, start):
    return lambda i: peers.change("move", peers.binh[0], time=start + i, residence_province="79" if i % 2 else "01")


@pytest.mark.parametrize("end", ["login", "lock"])
def test_population_store_that_cannot_be_written_stops_nobody_else(peers, end):
    """More batches that change it than there are works, of two streams; each in its turn when the store is back."""
    npcs, moh = [peers.peer("NPC", timeout_ms=60000) for _ in range(2)], peers.peer()
    for npc in npcs:
        assert npc.publish([peers.change("move", peers.an[0], time=1000)])[0] == RECEIPT
    if end == "login":
        turn_away(peers)
    else:
        lock = peers.exchange.cluster.connect()
        lock.autocommit = False
        lock.cursor().execute("LOCK TABLE population.citizen IN EXCLUSIVE MODE")
    for npc in npcs:
        send_many(peers, npc, 30, moves(peers, 2000))
    send_many(peers, moh, 60, lambda i: peers.dose(dose=1 + i % 9, time=1000 + i))
    assert take_many(moh, 60) == list(range(1, 61))
    peers.exchange.broker.wait_for(lambda: "batches wait for the population store's writer" in
                                   peers.exchange.broker.text(), "the warning")
    assert moh.publish([peers.dose(time=5000)])[0] == RECEIPT
    if end == "login":
        rows(peers, "ALTER ROLE dongbo_population_writer LOGIN")
    else:
        lock.rollback()
        lock.close()
    for npc in npcs:
        assert take_many(npc, 30) == list(range(2, 32))
    assert peers.exchange.cluster.value("SELECT residence_province FROM population.citizen WHERE citizen_number = %s",
                                        peers.binh[0]) == "79"


def test_population_store_that_stands_still_stops_nobody_else(peers):
    """The server's side of the session does not even say that it cannot."""
    npc, moh = peers.peer("NPC", timeout_ms=60000), peers.peer(timeout_ms=20000)
    assert npc.publish([peers.change("move", peers.an[0], time=1000)])[0] == RECEIPT
    with frozen(peers.exchange, "dongbo population writer"):
        npc.send_batch(npc.seal([peers.change("move", peers.binh[0], time=2000, residence_province="79")]))
        moh.send_batch(moh.seal([peers.dose(time=5000)]))
        assert moh.answer()[0] == RECEIPT
        assert npc.answer()[0] == RECEIPT  # by another session
        assert rows(peers, "SELECT count(*) FROM pg_stat_activity "
                           "WHERE application_name = 'dongbo population writer'") == [(2,)]


def test_stream_keeps_its_order_behind_what_waits(peers):
    """An agency that speaks for the population and for health, in one stream."""
    peers.agency("BCA", "population,health")
    bca, moh = peers.peer("BCA", timeout_ms=60000), peers.peer()
    turn_away(peers)
    send_many(peers, bca, 6, lambda i: peers.change("move", peers.an[0], time=1000 + i, residence_province="79")
              if i % 2 == 0 else peers.dose(dose=i))
    bad = bca.seal([peers.dose()], first=7, key_id="0011223344556677")
    bca.send_batch(bad, first=7)
    assert moh.publish([peers.dose(peers.binh)])[0] == RECEIPT
    rows(peers, "ALTER ROLE dongbo_population_writer LOGIN")
    assert take_many(bca, 6) == list(range(1, 7))
    kind, refusal = bca.answer()
    assert kind == REFUSAL and refusal.code == refusal.BAD_SIGNATURE
