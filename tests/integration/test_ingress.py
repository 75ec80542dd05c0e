# SPDX-License-Identifier: Apache-2.0
"""The publish side, spoken to over the wire: each kind of bad input gets an answer that says what to do, nothing else
in the batch or the queue suffers from it, and nothing is stored twice or lost, whoever dies."""
import os

import pytest

import conftest
import wire
import wire_peer
from people import dose_date
from wire_peer import ERROR, PING, PONG, RECEIPT, REFUSAL, VERDICTS, WELCOME, said

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
WORKS_AGENCY_MAX = 12


class Peers:
    """An exchange with a broker, the Ministry of Health (MOH) and the population centre (NPC). Each test has two
    citizens of its own, and looks at what was stored since it began."""

    def __init__(self, exchange):
        self.exchange, self.made = exchange, []
        self.keys = {}
        self.agency("MOH", "health")
        self.agency("NPC", "population")
        self.citizens = iter([(f"0010990{n:05d}", f"Nguyễn Văn {n}", "1999-01-02", "male") for n in range(200)])
        exchange.load_population([dict(citizen_number=f"0010990{n:05d}", full_name=f"Nguyễn Văn {n}",
                                       birth_date="1999-01-02", sex="male", residence_province="01")
                                  for n in range(100)])
        self.unknown = iter([f"0010991{n:05d}" for n in range(100)])
        exchange.start_broker()

    def agency(self, code, domain):
        self.exchange.agency(code, domain, [])
        self.keys[code] = self.exchange.keys(code.lower()).removesuffix(".pub")

    def begin(self):
        self.an, self.binh = next(self.citizens), next(self.citizens)
        self.start = self.exchange.cluster.value("SELECT exchange.next_position()")

    def peer(self, code="MOH", stream=None, hello=True, keys=None, **options):
        made = wire_peer.Peer(self.exchange.publish, keys or self.keys[code],
                              f"{self.exchange.directory}/broker.keys.pub", stream, **options)
        self.made.append(made)
        if hello:
            said_back = made.hello()
            assert made.session, f"{code} got no session: {said_back}"  # or all that it sends is answered NO_SESSION
        return made

    def dose(self, person=None, dose=1, lot="L1", time=1646100000000000, **fields):
        number, name, birth, sex = person or self.an
        event = wire.ChangeEvent(event_id=os.urandom(16), schema_version=1, operation=1, event_time_us=time,
                                 source_key="row")
        event.subject.citizen_number, event.subject.full_name = number, name
        event.subject.birth_date, event.subject.sex = birth, sex
        values = dict(vaccine_group="covid-19", dose_number=dose, product_code="EU/1/20/1528", lot_number=lot,
                      occurrence_date=dose_date(dose).isoformat(), facility_code="01001", status="completed")
        values.update(fields)
        for name, value in values.items():
            setattr(event.health, name, value)
        return event

    def change(self, kind, number, old="", time=1646100000000000, **fields):
        event = wire.ChangeEvent(event_id=os.urandom(16), schema_version=1, operation=1, event_time_us=time,
                                 source_key="row")
        event.subject.citizen_number = old
        event.population.kind, event.population.citizen_number = kind, number
        for name, value in fields.items():
            setattr(event.population, name, value)
        return event

    def close(self):
        while self.made:
            self.made.pop().close()


@pytest.fixture(scope="module")
def shared(template):
    with conftest.open_site(template) as exchange:
        yield Peers(exchange)


@pytest.fixture
def peers(shared):
    shared.begin()
    yield shared
    shared.close()


def versions(peers):
    return peers.exchange.cluster.rows(
        "SELECT person, record_key, position, superseded FROM exchange.record_version WHERE position >= %s "
        "ORDER BY position", peers.start)


# ---- taking a batch ------------------------------------------------------------------------------------------------

def test_batch_is_stored_and_answered(peers):
    peer = peers.peer()
    kind, body = peer.publish([peers.dose(), peers.dose(peers.binh), peers.dose(dose=2)])
    assert kind == RECEIPT and not body.verdicts and not body.duplicate
    assert (body.first_sequence, body.last_sequence) == (1, 3)
    assert body.last_position - body.first_position == 2
    stored = peers.exchange.cluster.rows("SELECT first_position, last_position, hash FROM exchange.segment "
                                         "WHERE stream = %s", peer.stream)
    assert [(a, b, bytes(h)) for a, b, h in stored] == [(body.first_position, body.last_position, body.segment_hash)]
    assert [v[2] for v in versions(peers)] == list(range(body.first_position, body.last_position + 1))


def test_events_of_one_batch_stand_on_each_other(peers):
    peer = peers.peer()
    newest = peers.dose(lot="L3", time=3)
    _, body = peer.publish([peers.dose(lot="L1", time=1), newest, peers.dose(lot="L2", time=2), newest])
    assert {s: v[0] for s, v in said(body).items()} == {3: SUPERSEDED, 4: UNCHANGED}
    assert [v[3] for v in versions(peers)][:3] == [False, False, True]


def test_what_lost_is_kept_once(peers):
    """As after a lost spool: all of the source comes again, in a new stream."""
    events = [peers.dose(lot="L1", time=1), peers.dose(lot="L3", time=3), peers.dose(lot="L2", time=2)]
    _, body = peers.peer().publish(events)
    assert {s: v[0] for s, v in said(body).items()} == {3: SUPERSEDED}
    before = versions(peers)
    for _ in range(2):
        _, body = peers.peer().publish([*events, peers.dose(peers.binh)])
        assert {s: v[0] for s, v in said(body).items() if s < 4} == {1: UNCHANGED, 2: UNCHANGED, 3: UNCHANGED}
    assert [v for v in versions(peers) if v[0] == before[0][0]] == before


def test_every_kind_of_event_gets_its_verdict(peers):
    peer = peers.peer()
    bad_id = peers.dose()
    bad_id.event_id = b"short"
    nested = b"\x32\x04\x0a\x02\xff\xfe"  # a subject whose number is not UTF-8
    _, body = peer.publish([
        peers.dose(),
        peers.dose((peers.an[0], peers.an[1].replace("ễ", "e").replace("ă", "a"), *peers.an[2:])),
        peers.dose((next(peers.unknown), "Không Ai", "1999-01-02", "male")),
        peers.dose(vaccine_group="nonsense"),
        peers.dose(lot="x" * 2000),
        b"\xff\xff\xff",
        nested,
        b"",
        bad_id,
        peers.change("birth", next(peers.unknown), full_name="Ai", birth_date="1999-01-01", sex="male"),
    ])
    assert said(body) == {
        2: (MISMATCH, ["NAME_ACCENTS_LOST"]), 3: (DEFERRED, ["NOT_FOUND"]), 4: (REJECTED, ["CODE_UNKNOWN"]),
        5: (REJECTED, ["EVENT_LIMITS"]), 6: (REJECTED, ["EVENT_UNREADABLE"]), 7: (REJECTED, ["TEXT_INVALID"]),
        8: (REJECTED, ["EVENT_UNREADABLE"]), 9: (REJECTED, ["EVENT_ID_WRONG"]), 10: (REJECTED, ["NOT_GRANTED"])}
    rows = peers.exchange.cluster.rows("SELECT sequence, verdict, open FROM exchange.exception WHERE stream = %s "
                                       "ORDER BY sequence", peer.stream)
    assert rows == [(s, v[0], v[0] != REJECTED) for s, v in sorted(said(body).items())]


# ---- refusals ------------------------------------------------------------------------------------------------------

def test_gap_names_the_sequence_to_send_from(peers):
    peer = peers.peer()
    peer.publish([peers.dose()])
    kind, refusal = peer.publish([peers.dose(peers.binh)], first=3)
    assert kind == REFUSAL and refusal.code == refusal.GAP and refusal.expected_sequence == 2
    assert peer.publish([peers.dose(peers.binh)])[0] == RECEIPT


def test_repeated_batch_is_a_duplicate_with_its_verdicts(peers):
    peer = peers.peer()
    batch = peer.seal([peers.dose(), peers.dose((peers.an[0], "Ai Khác", *peers.an[2:]))])
    peer.send_batch(batch)
    first = peer.answer()[1]
    peer.send_batch(batch, first=1)
    again = peer.answer()[1]
    assert again.duplicate and said(again) == said(first) == {2: (MISMATCH, ["NAME_DIFFERS"])}
    assert [v.position for v in again.verdicts] == [v.position for v in first.verdicts]
    assert len(versions(peers)) == 1


def test_same_range_with_another_root_is_a_fork(peers):
    peer = peers.peer()
    peer.publish([peers.dose(), peers.dose(peers.binh)])
    for events, first in (([peers.dose(), peers.dose(peers.binh)], 1), ([peers.dose()], 2), ([peers.dose()] * 4, 1)):
        kind, refusal = peer.publish(events, first=first)
        assert kind == REFUSAL and refusal.code == refusal.FORK
    stream = os.urandom(16)
    other = peers.peer(stream=stream, hello=False)
    other.hello(replaces_stream=peer.stream)
    assert other.publish([peers.dose()])[0] == RECEIPT
    declared = f"SELECT count(*) FROM exchange.segment WHERE kind = 5 AND stream = '\\x{stream.hex()}'"
    peers.exchange.wait_until(declared, 1)


def test_decisions_on_a_replaced_stream_reach_the_one_that_took_its_place(peers):
    late = (next(peers.unknown), "Lê Văn Muộn", "1999-05-06", "male")
    older, npc = peers.peer(), peers.peer("NPC")
    event = peers.dose(late)
    older.publish([peers.dose(), event])
    newer, foreign = peers.peer(stream=os.urandom(16), hello=False), peers.peer("NPC", hello=False)
    newer.hello(replaces_stream=older.stream)
    error = foreign.hello(replaces_stream=older.stream)  # another agency's
    assert error.code == error.NOT_ALLOWED and "replaced" in error.text
    npc.publish([peers.change("birth", late[0], full_name=late[1], birth_date=late[2], sex=late[3])])
    verdicts = []
    while not verdicts:
        newer.send(PING, wire.Ping(nonce=1))
        verdicts += newer.receive(VERDICTS)[1].verdicts
    assert [(v.sequence, v.event_id, v.verdict) for v in verdicts] == [(0, event.event_id, ACCEPTED)]
    again = peers.peer("NPC", stream=foreign.stream)
    kind, told = again.receive(VERDICTS)
    assert not told.verdicts and not told.more


def cut_events(sealed):
    sealed.events.pop()


def change_event(sealed):
    sealed.events[0] = sealed.events[0][:-1] + b"x"


def other_signature(sealed):
    sealed.signature = bytes(64)


def test_signed_but_unreadable_batch_consumes_its_range(peers):
    peer = peers.peer()
    body = peer.publish([peers.dose()] * 3, damage=cut_events)[1]
    assert said(body) == {s: (REJECTED, ["BATCH_UNREADABLE"]) for s in (1, 2, 3)}
    assert peer.publish([peers.dose()])[1].first_sequence == 4
    assert peers.exchange.cluster.value("SELECT batch IS NOT NULL FROM exchange.segment WHERE first_sequence = 1")


@pytest.mark.parametrize("damage", [change_event, other_signature])
def test_batch_that_nobody_signed_is_not_stored(peers, damage):
    peer = peers.peer()
    kind, refusal = peer.publish([peers.dose()], damage=damage)
    assert kind == REFUSAL and refusal.code == refusal.BAD_SIGNATURE and refusal.expected_sequence == 1
    kind, refusal = peer.publish([peers.dose()], key_id="0011223344556677")
    assert kind == REFUSAL and refusal.code == refusal.BAD_SIGNATURE
    assert versions(peers) == []
    assert peer.publish([peers.dose()])[0] == RECEIPT


def test_newer_schema_waits_for_the_exchange(peers):
    peer = peers.peer()
    kind, refusal = peer.publish([peers.dose()], schema_version=99)
    assert kind == REFUSAL and refusal.code == refusal.SCHEMA_NEWER


def test_too_big_a_batch(peers):
    peer = peers.peer()
    kind, refusal = peer.publish([b"x" * 300000])
    assert kind == REFUSAL and refusal.code == refusal.TOO_BIG


def test_more_than_the_credit_is_refused_and_given_back(peers):
    peer = peers.peer()
    batch = peer.seal([b"x" * 16000] * 15)
    n = peer.welcome.credit_bytes // len(batch) + 20
    with peers.exchange.cluster.holding("SELECT exchange.lock_log()"):  # nothing is stored, so no credit comes back
        for _ in range(n):
            peer.send_batch(batch, first=1)
        answers = [peer.receive(REFUSAL) for _ in range(20)]
    answers += [peer.answer() for _ in range(n - 20)]
    refused = [a for kind, a in answers if kind == REFUSAL]
    assert len(refused) == 20 and all(r.code == r.OVERLOADED for r in refused)
    assert all(r.credit_bytes > peer.welcome.credit_bytes for r in refused)
    assert peer.publish([peers.dose()])[0] == RECEIPT


def test_one_agencys_flood_does_not_stand_before_anothers_batch(peers):
    """While nothing can be stored, the flood has every work that an agency may have; then comes the other's batch."""
    peers.agency("CDC", "health")
    flood, other = peers.peer(), peers.peer("CDC")
    with peers.exchange.cluster.holding("SELECT exchange.lock_log()"):
        for n in range(1, 61):
            flood.send_batch(flood.seal([peers.dose(dose=n % 50 + 1)], first=n), first=n)
        for peer in (flood, other):
            if peer is other:
                other.send_batch(other.seal([peers.dose(peers.binh)]))
            peer.send(PING, wire.Ping(nonce=1))  # answered behind what was sent before
            peer.receive(PONG)
    assert other.answer()[0] == RECEIPT
    assert [flood.answer()[1].last_sequence for _ in range(60)] == list(range(1, 61))
    order = [bytes(stream) for stream, in peers.exchange.cluster.rows(
        "SELECT stream FROM exchange.segment WHERE kind = 1 AND first_position >= %s ORDER BY first_position",
        peers.start)]
    assert len(order) == 61 and order.index(other.stream) <= WORKS_AGENCY_MAX


# ---- sessions ------------------------------------------------------------------------------------------------------

def test_unknown_key_is_not_let_in(peers):
    peers.exchange.keys("stranger")
    peer = peers.peer(hello=False, keys=f"{peers.exchange.directory}/stranger.keys", timeout_ms=1500)
    with pytest.raises(wire_peer.zmq.Again):
        peer.hello()


def test_newer_session_fences_the_older(peers):
    older = peers.peer()
    older.publish([peers.dose()])
    newer = peers.peer(stream=older.stream)
    assert newer.welcome.session_epoch == older.welcome.session_epoch + 1 and newer.welcome.last_sequence == 1
    kind, error = older.receive(ERROR)
    assert error.code == error.SESSION_REPLACED
    older.send_batch(older.seal([peers.dose(peers.binh)]))
    kind, error = older.receive(ERROR, RECEIPT)
    assert kind == ERROR and error.code == error.NO_SESSION
    assert newer.publish([peers.dose(peers.binh)])[0] == RECEIPT


def test_another_agencys_stream_is_not_given_out(peers):
    peer = peers.peer()
    other = peers.peer("NPC", stream=peer.stream, hello=False)
    error = other.hello()
    assert error.code == error.NOT_ALLOWED
    assert peer.publish([peers.dose()])[0] == RECEIPT


def test_session_is_bound_to_its_connection(peers):
    peer, thief = peers.peer(), peers.peer("NPC")
    thief.session, thief.stream = peer.session, peer.stream
    kind, error = thief.publish([peers.dose()])
    assert kind == ERROR and error.code == error.NO_SESSION
    assert peer.publish([peers.dose()])[0] == RECEIPT


@pytest.mark.parametrize("frame, code", [
    (b"", "BAD_FRAME"), (b"nonsense", "BAD_FRAME"), (wire_peer.frame(3, 1, 1, b"x", magic=b"XX"), "BAD_FRAME"),
    (wire_peer.frame(3, 1, 1, b"x", length=2), "BAD_FRAME"), (wire_peer.frame(99, 1, 1), "BAD_FRAME"),
    (wire_peer.frame(3, 1, 1, version=2), "BAD_VERSION"), (wire_peer.frame(3, 7, 1, b"x"), "NO_SESSION"),
    (wire_peer.frame(1, 0, 0, b"\xff"), "BAD_FRAME"), (wire_peer.frame(1, 0, 0), "BAD_VERSION")])
def test_bad_frames_are_answered(peers, frame, code):
    peer = peers.peer(hello=False)
    peer.socket.send(frame)
    kind, error = peer.receive(ERROR)
    assert error.Code.Name(error.code) == code and error.text
    peer.hello()
    assert peer.publish([peers.dose()])[0] == RECEIPT


def test_several_frames_end_the_session(peers):
    peer = peers.peer()
    peer.socket.send_multipart([b"a", b"b"])
    kind, error = peer.receive(ERROR)
    assert error.code == error.BAD_FRAME
    kind, error = peer.publish([peers.dose()])
    assert kind == ERROR and error.code == error.NO_SESSION


def test_batch_of_another_stream_or_place(peers):
    for field in ({"stream": os.urandom(16)}, {"first_sequence": 5}):
        peer = peers.peer()
        kind, error = peer.publish([peers.dose()], **field)
        assert kind == ERROR and error.code == error.BAD_FRAME


def test_ping_is_answered(peers):
    peer = peers.peer()
    peer.send(PING, wire.Ping(nonce=7))
    assert peer.receive(PONG)[1].nonce == 7


def test_revoked_agency_is_cut(peers):
    peers.agency("TMP", "health")
    peer = peers.peer("TMP")
    peers.exchange.dongbo("agency", "disable", "TMP")
    kind, error = peer.receive(ERROR)
    assert error.code == error.NOT_ALLOWED


def test_a_key_is_changed_without_an_interruption_and_the_old_one_is_cut(peers):
    peers.agency("KEY", "health")
    old = peers.peer("KEY")
    peers.exchange.dongbo("agency", "key", "add", "KEY", peers.exchange.keys("key2"))
    assert old.publish([peers.dose()])[0] == RECEIPT
    peers.exchange.dongbo("agency", "key", "revoke", "KEY", peers.exchange.keys("key"), "--why", "a test")
    kind, error = old.receive(ERROR)
    assert error.code == error.NOT_ALLOWED
    new = peers.peer("KEY", keys=f"{peers.exchange.directory}/key2.keys")
    assert new.publish([peers.dose()])[0] == RECEIPT


# ---- population and later decisions --------------------------------------------------------------------------------

def test_deferred_event_is_decided_when_its_citizen_comes(peers):
    moh, npc = peers.peer(), peers.peer("NPC")
    late = (next(peers.unknown), "Lê Văn Muộn", "1999-05-06", "male")
    body = moh.publish([peers.dose(), peers.dose(late), peers.dose(late, dose=2)])[1]
    assert said(body) == {2: (DEFERRED, ["NOT_FOUND"]), 3: (DEFERRED, ["NOT_FOUND"])}
    body = npc.publish([peers.change("birth", late[0], full_name=late[1], birth_date=late[2], sex=late[3],
                                     residence_province="01")])[1]
    assert said(body) == {}
    verdicts = []
    while len(verdicts) < 2:
        verdicts += [v for v in moh.receive(VERDICTS)[1].verdicts if v.position > body.last_position]
    assert [(v.sequence, v.verdict) for v in verdicts] == [(2, ACCEPTED), (3, ACCEPTED)]
    assert peers.exchange.cluster.rows("SELECT verdict, first_verdict, open FROM exchange.exception WHERE stream = %s",
                                       moh.stream) == [(ACCEPTED, DEFERRED, False)] * 2
    assert [v[1] for v in versions(peers)] == ["covid-19\x1f1", "", "covid-19\x1f1", "covid-19\x1f2"]
    # What was said while the agent was away is said again when it comes back.
    again = peers.peer(stream=moh.stream, hello=False)
    again.hello(verdict_position=body.last_position)
    assert [(v.sequence, v.verdict) for v in again.receive(VERDICTS)[1].verdicts] == [(2, ACCEPTED), (3, ACCEPTED)]


def test_population_events_change_the_store_once(peers):
    npc = peers.peer("NPC")
    old, new = next(peers.unknown), next(peers.unknown)
    batch = npc.seal([
        peers.change("birth", old, full_name="Phạm Văn Sáu", birth_date="1999-06-06", sex="male",
                     residence_province="01"),
        peers.change("correction", old, full_name="Phạm Văn Sau", time=1646100000000005),
        peers.change("correction", old, full_name="Tên Cũ", time=1646100000000003),
        peers.change("number-reissued", new, old=old, time=1646100000000009),
        peers.change("correction", next(peers.unknown), full_name="Không Ai")])
    npc.send_batch(batch)
    body = npc.answer()[1]
    assert said(body) == {3: (SUPERSEDED, []), 5: (DEFERRED, ["NOT_FOUND"])}
    npc.send_batch(batch, first=1)
    assert npc.answer()[1].duplicate
    rows = peers.exchange.cluster.rows("SELECT citizen_number, full_name FROM population.citizen "
                                       "WHERE citizen_number IN (%s, %s)", old, new)
    assert rows == [(new, "Phạm Văn Sau")]
    moh = peers.peer()
    body = moh.publish([peers.dose((old, "Phạm Văn Sau", "1999-06-06", "male"))])[1]
    assert said(body) == {1: (ACCEPTED, ["ID_NOT_CURRENT"])}


# ---- guessing ------------------------------------------------------------------------------------------------------

GUESSES_MAX = 5
TOLD, HELD = (MISMATCH, ["BIRTH_DATE_DIFFERS"]), (MISMATCH, ["GUESSES_TOO_MANY"])


def born(person, day):
    number, name, _, sex = person
    return number, name, f"1999-01-{day:02d}", sex


def test_nobodys_birth_date_is_learnt_by_trying(peers):
    """What differs is told of so many different dates; then no wrong one is told from the right one any more."""
    peer, first = peers.peer(), born(peers.an, 11)
    body = peer.publish([peers.dose(born(peers.an, day)) for day in (11, 12, 13, 11)])[1]
    assert list(said(body).values()) == [TOLD] * 4
    body = peer.publish([peers.dose(born(peers.an, day)) for day in (14, 15, 16, 12)] + [peers.dose()])[1]
    assert list(said(body).values()) == [TOLD, TOLD, HELD, TOLD, HELD]
    # In another batch, with other persons beside it.
    body = peer.publish([peers.dose(), peers.dose(peers.binh), peers.dose(born(peers.binh, 11)), peers.dose(first)])[1]
    assert said(body) == {10: HELD, 12: TOLD, 13: TOLD}
    # Another agency is not held to that, nor this one for ever.
    peers.agency("OTHER", "health")
    assert said(peers.peer("OTHER").publish([peers.dose(lot="L2")])[1]) == {}
    peers.exchange.cluster.rows("UPDATE exchange.guess SET at = at - interval '31 days'")
    assert said(peer.publish([peers.dose(lot="L3", time=1646100000000009)])[1]) == {}


def test_guesses_under_way_together_are_counted(peers):
    """Each batch is read before the others' are stored."""
    many = [peers.peer() for _ in range(4)]
    with peers.exchange.cluster.holding("SELECT exchange.lock_log()"):
        for n, peer in enumerate(many):
            peer.send_batch(peer.seal([peers.dose(born(peers.an, 11 + 2 * n + i)) for i in range(2)]))
        peers.exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                                  "AND wait_event = 'relation'", 1)
    answers = [verdict for peer in many for verdict in said(peer.answer()[1]).values()]
    assert (answers.count(TOLD), answers.count(HELD)) == (GUESSES_MAX, 8 - GUESSES_MAX)


def test_what_is_held_waits_for_an_officer_only(peers):
    """The population store comes to say what was held, and then what was told to differ of another: that is told."""
    peer, npc = peers.peer(), peers.peer("NPC")
    body = peer.publish([peers.dose(born(peers.an, day), dose=day) for day in range(11, 18)] +
                        [peers.dose(born(peers.binh, 11))])[1]
    assert list(said(body).values()) == [TOLD] * GUESSES_MAX + [HELD] * 2 + [TOLD]
    for person, day in ((peers.an, 17), (peers.binh, 11)):  # looked at in this order
        npc.publish([peers.change("correction", person[0], birth_date=f"1999-01-{day}", time=1646100000000100)])
    verdicts = []
    while not verdicts:
        verdicts = [v for v in peer.receive(VERDICTS)[1].verdicts if v.position > body.last_position]
    assert [(v.sequence, v.verdict) for v in verdicts] == [(8, ACCEPTED)]
    held = peers.exchange.cluster.rows("SELECT sequence, verdict, open FROM exchange.exception WHERE stream = %s "
                                       "AND 250 = ANY (reason_codes) ORDER BY 1", peer.stream)
    assert held == [(n, MISMATCH, True) for n in (6, 7)]


def test_guesses_made_before_their_person_comes_are_counted(peers):
    """Deferred events are decided when the number is somebody's."""
    peer, npc = peers.peer(), peers.peer("NPC")
    late = (next(peers.unknown), "Lê Văn Muộn", "1999-01-12", "male")
    body = peer.publish([peers.dose(born(late, day), dose=day) for day in range(13, 20)] + [peers.dose(late)])[1]
    assert {verdict for verdict, _ in said(body).values()} == {DEFERRED}
    npc.publish([peers.change("birth", late[0], full_name=late[1], birth_date=late[2], sex=late[3],
                              residence_province="01")])
    verdicts = {}
    while len(verdicts) < 8:
        verdicts.update({v.sequence: (v.verdict, [wire.ReasonCode.Name(r.code) for r in v.reasons])
                         for v in peer.receive(VERDICTS)[1].verdicts if v.position > body.last_position})
    assert [verdicts[n] for n in range(1, 9)] == [TOLD] * GUESSES_MAX + [HELD] * 3


# ---- poison --------------------------------------------------------------------------------------------------------

def test_row_that_the_database_refuses_stands_alone(peers):
    peers.exchange.cluster.rows("ALTER TABLE exchange.record_version ADD CONSTRAINT poison "
                                "CHECK (record_key NOT LIKE '%%_7') NOT VALID")
    peer = peers.peer()
    events = [peers.dose(person, dose=dose) for dose in range(1, 10) for person in (peers.an, peers.binh)]
    body = peer.publish(events)[1]
    assert said(body) == {13: (REJECTED, ["NOT_STORABLE"]), 14: (REJECTED, ["NOT_STORABLE"])}
    peers.exchange.cluster.rows("ALTER TABLE exchange.record_version DROP CONSTRAINT poison")
    assert len(versions(peers)) == 16
    assert body.last_position - body.first_position == 17


# ---- who dies ------------------------------------------------------------------------------------------------------

def test_nothing_is_lost_or_doubled_when_postgresql_dies(peers):
    peer = peers.peer(timeout_ms=60000)
    for round_ in range(3):
        batches = [(n, peer.seal([peers.dose(dose=n % 40 + 1, time=n)], first=n))
                   for n in range(peer.next, peer.next + 40)]
        for first, batch in batches:
            peer.send_batch(batch, first=first)
            if first % 40 == 20:
                peers.exchange.cluster.stop("immediate")
                peers.exchange.cluster.start()
        for _ in batches:
            kind, body = peer.answer()
            assert kind == RECEIPT, body
    rows = peers.exchange.cluster.rows("SELECT first_sequence, first_position, last_position FROM exchange.segment "
                                       "WHERE stream = %s ORDER BY first_position", peer.stream)
    assert [r[0] for r in rows] == list(range(1, 121))
    every = peers.exchange.cluster.rows("SELECT first_position, last_position FROM exchange.segment "
                                        "ORDER BY first_position")
    assert all(a[1] + 1 == b[0] for a, b in zip(every, every[1:]))
    assert len(versions(peers)) == 120


def test_batches_in_flight_stand_on_each_other(peers):
    """Many batches about one record are under way at once: each is merged onto what the one before it made, though it
    was read long before."""
    peer = peers.peer()
    for i in range(200):
        told = {"lot": f"L{i}", "facility_code": ""} if i % 2 == 0 else {"lot": "", "facility_code": f"{i:05d}"}
        batch = [peers.dose(time=1000 + i, **told), peers.dose(peers.binh, dose=1 + i % 3, lot=f"B{i}", time=1000 + i)]
        peer.send_batch(peer.seal(batch, first=1 + 2 * i), 1 + 2 * i)
    for _ in range(200):
        kind, body = peer.answer()  # where another facility tells of a dose it is said, and taken all the same
        assert kind == RECEIPT and all(verdict.verdict == ACCEPTED for verdict in body.verdicts), body
    records = peers.exchange.cluster.rows(
        "SELECT record FROM exchange.record_version JOIN population.citizen USING (person) "
        "WHERE citizen_number = %s AND position >= %s ORDER BY position", peers.an[0], peers.start)
    assert len(records) == 200
    for i, (record,) in enumerate(records):
        assert f"L{i // 2 * 2}".encode() in bytes(record), i
        assert i == 0 or f"{(i + 1) // 2 * 2 - 1:05d}".encode() in bytes(record), i


def test_two_brokers_share_one_log(peers):
    """Both write the same records at the same time; no position is given twice, no field is lost."""
    exchange = peers.exchange
    exchange.start_second_broker()
    one = peers.peer()
    two = wire_peer.Peer(exchange.publish2, peers.keys["MOH"],
                         f"{exchange.directory}/broker.keys.pub")
    peers.made.append(two)
    two.hello()
    for i in range(50):
        # Each tells one field of the same record; the other's must survive.
        one.send_batch(one.seal([peers.dose(lot=f"L{i}", facility_code="", time=1000 + 2 * i)]))
        two.send_batch(two.seal([peers.dose(lot="", facility_code=f"{i:05d}", time=1001 + 2 * i)]))
        for peer in (one, two):
            kind, body = peer.answer()
            assert kind == RECEIPT, body
    every = exchange.cluster.rows("SELECT first_position, last_position FROM exchange.segment ORDER BY first_position")
    assert all(a[1] + 1 == b[0] for a, b in zip(every, every[1:]))
    record = exchange.cluster.value("SELECT record FROM exchange.record_version WHERE NOT superseded "
                                    "AND position >= %s ORDER BY position DESC LIMIT 1", peers.start)
    assert b"L49" in bytes(record) and b"00049" in bytes(record)
