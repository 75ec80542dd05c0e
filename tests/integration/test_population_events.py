# SPDX-License-Identifier: Apache-2.0
"""Population events through a whole exchange: whatever order they come in, and whatever fails in between, the store,
its aliases and the records end the same, and what an entry says was true before stays as it was first found."""
import datetime
import hashlib
import itertools
import json

import pytest

import logbook
import wire
import wire_peer
from logbook import unpack_zstd
from wire_peer import RECEIPT, VERDICTS, said

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
T = 1646100000000000
COLUMNS = ("full_name", "birth_date", "sex", "mother_name", "father_name", "residence_province",
           "residence_province63", "residence_commune", "died_on")


def number(of, which=0):
    """Person `of`'s numbers; none of them is known before it is brought in."""
    return f"001099{of:04d}{which:02d}"


class Centre:
    """An exchange to which the population centre (NPC) speaks, and the Ministry of Health (MOH)."""

    def __init__(self, exchange):
        self.exchange, self.cluster = exchange, exchange.cluster
        self.made = []
        self.agent = exchange.agency("NPC", "population", ["population"])
        exchange.agency("MOH", "health", [])
        exchange.start_broker()

    def peer(self, code="NPC", stream=None):
        made = wire_peer.Peer(self.exchange.publish, f"{self.exchange.directory}/{code.lower()}.keys",
                              f"{self.exchange.directory}/broker.keys.pub", stream)
        self.made.append(made)
        made.hello()
        return made

    def change(self, kind, about, to="", time=0, clear=(), code63="", **fields):
        """The same words have the same id."""
        said = repr((kind, about, to, time, clear, code63, fields)).encode()
        event = wire.ChangeEvent(event_id=hashlib.sha256(said).digest()[:16], schema_version=1,
                                 operation=1, event_time_us=T + time, source_key="row")
        event.subject.citizen_number = about
        if code63:
            event.subject.residence_province, event.subject.province_code_set = code63, "63"
        event.population.kind, event.population.citizen_number = kind, to or about
        event.cleared_fields.extend(clear)
        for name, value in fields.items():
            setattr(event.population, name, value)
        return event

    def enter(self, about, time=0, **fields):
        said = dict(full_name="Nguyễn Văn An", birth_date="1999-01-02", sex="male", mother_name="Mẹ",
                    residence_province="01", residence_commune="00001") | fields
        return self.change("registered", about, time=time, code63="01", **said)

    def wait_settled(self):
        """Until nothing is deferred any more, however long that takes, as long as they become fewer."""
        def deferred():
            return self.cluster.value("SELECT count(*) FROM exchange.exception WHERE open AND verdict = 5")
        while n := deferred():
            self.exchange.broker.wait_for(lambda n=n: deferred() < n, f"fewer deferred than {n}")

    def citizen(self, holder):
        rows = self.cluster.rows(f"SELECT {', '.join(COLUMNS)} FROM population.citizen WHERE citizen_number = %s",
                                 holder)
        return dict(zip(COLUMNS, rows[0])) if rows else None

    def entries(self, of):
        """What the log says of these streams, in its order."""
        rows = self.cluster.rows("SELECT payload FROM exchange.segment WHERE stream = ANY (%s) ORDER BY first_position",
                                 [peer.stream for peer in of])
        return [entry for payload, in rows
                for entry in wire.SegmentPayload.FromString(unpack_zstd(bytes(payload))).entries]

    def close(self):
        for peer in self.made:
            peer.close()


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    yield made
    made.close()


# ---- order ---------------------------------------------------------------------------------------------------------

def life(centre, of):
    """Two re-issues, a death recorded in error, moves and corrections, also under numbers that do not hold any more or
    not yet."""
    first, second, third = (number(of, which) for which in range(3))
    return [
        centre.enter(first, time=100),
        centre.change("number-reissued", first, second, time=1000, mother_name="Mẹ 1", father_name="Cha 1"),
        centre.change("number-reissued", first, third, time=2000, mother_name="Mẹ 2"),
        centre.change("move", second, time=1500, residence_province="79"),
        centre.change("death", first, time=1200, died_on="2021-05-06", father_name="Cha 0"),
        centre.change("correction", third, time=1300, full_name="Nguyễn Văn Ân", clear=[10]),
    ]


LIFE = dict(zip(COLUMNS, ("Nguyễn Văn Ân", "1999-01-02", "male", "Mẹ 2", "Cha 0", "79", "", "", "")))


def residence(centre, of):
    """About somebody loaded, of whom no event has spoken before."""
    about = number(of)
    return [
        centre.change("move", about, time=10, residence_province="79", residence_commune="26737"),
        centre.change("move", about, time=20, residence_province="01", residence_commune="00004", code63="01"),
        centre.change("move", about, time=15, residence_province="01"),
        centre.change("move", about, time=25, residence_province="01"),
        centre.change("correction", about, time=11, clear=[6], father_name="Cha"),
        centre.change("correction", about, time=9, mother_name="Mẹ 9", clear=[7]),
    ]


RESIDENCE = dict(zip(COLUMNS, ("Nguyễn Văn An", "1999-01-02", "male", "", "Cha", "01", "", "", "")))


def records(centre):
    """Every person's current record but for its numbers, by one of the numbers."""
    rows = centre.cluster.rows(
        f"SELECT DISTINCT ON (v.person) c.citizen_number, v.record, {', '.join(COLUMNS)} "
        "FROM exchange.record_version v JOIN population.citizen c USING (person) WHERE NOT v.superseded "
        "ORDER BY v.person, v.position DESC")
    found = {}
    for holder, packed, *held in rows:
        record = wire.Record.FromString(bytes(packed))
        body = wire.PopulationChange.FromString(record.body)
        assert body.citizen_number == holder
        for column, value in zip(COLUMNS, held):  # an event's word, where there was any, is what the store holds
            assert column == "residence_province63" or getattr(body, column) in ("", value)
        body.citizen_number = holder[-2:]
        # Ids differ with the numbers; the rest of where the fields come from does not.
        origins = [(o.authority, o.event_time_us, tuple(o.fields), tuple(o.cleared)) for o in record.origins]
        found[holder[6:10]] = (body.SerializeToString(deterministic=True), tuple(origins))
    return found


def assert_all_alike(centre, n, expected):
    rows = centre.cluster.rows(
        f"SELECT {', '.join(COLUMNS)}, right(citizen_number, 2), ARRAY(SELECT right(number, 2) "
        "FROM population.number_alias a WHERE a.person = c.person ORDER BY 1), count(*) "
        f"FROM population.citizen c GROUP BY {', '.join(str(i) for i in range(1, len(COLUMNS) + 3))}")
    assert [dict(zip(COLUMNS, row)) for row in rows] == [expected], rows
    assert rows[0][-1] == n
    kept = records(centre)
    assert len(kept) == n and len(set(kept.values())) == 1


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize("tale, expected, load", [(life, LIFE, False), (residence, RESIDENCE, True)])
def test_order_does_not_matter(centre, tale, expected, load, batched):
    orders = list(itertools.permutations(range(len(tale(centre, 0)))))
    if load:
        centre.exchange.load_population([
            dict(citizen_number=number(of), full_name="Nguyễn Văn An", birth_date="1999-01-02", sex="male",
                 mother_name="Mẹ", father_name="Cha 0", residence_province="01", residence_province63="01",
                 residence_commune="00001") for of in range(len(orders))])
    npc = centre.peer()
    if batched:  # a person's events together, in one batch
        for some in range(0, len(orders), 60):
            assert npc.publish([tale(centre, of)[which] for of in range(some, some + 60)
                                for which in orders[of]])[0] == RECEIPT
    else:  # everybody's first event, then everybody's second ...
        for turn in range(len(orders[0])):
            assert npc.publish([tale(centre, of)[order[turn]] for of, order in enumerate(orders)])[0] == RECEIPT
    centre.wait_settled()
    assert_all_alike(centre, len(orders), expected)


def test_late_reissue_leaves_the_newer_number(centre):
    npc, bulk = centre.peer(), centre.peer()
    first, second, third = (number(1, which) for which in range(3))
    npc.publish([centre.enter(first), centre.change("number-reissued", first, third, time=2000)])
    body = bulk.publish([centre.change("number-reissued", first, second, time=1000, father_name="Cha")])[1]
    assert said(body) == {}
    assert centre.citizen(third)["father_name"] == "Cha"
    # Nothing of it is new, yet the person was known by that number for a time.
    body = bulk.publish([centre.change("number-reissued", first, number(1, 3), time=500)])[1]
    assert said(body) == {2: (SUPERSEDED, [])}
    assert centre.cluster.rows("SELECT number FROM population.number_alias ORDER BY 1") == [
        (first,), (second,), (number(1, 3),)]


# ---- who is not known yet ------------------------------------------------------------------------------------------

def test_events_of_nobody_known_wait(centre):
    npc = centre.peer()
    about = number(1)
    body = npc.publish([centre.change("death", about, time=20, died_on="2021-01-01"),
                        centre.change("correction", about, time=10, mother_name="Mẹ 1", died_on="2020-01-01"),
                        centre.change("move", about, time=30, residence_province="79")])[1]
    assert said(body) == {sequence: (DEFERRED, ["NOT_FOUND"]) for sequence in (1, 2, 3)}
    assert centre.cluster.value("SELECT position FROM population.state") == 0
    other = centre.peer()
    body = other.publish([centre.enter(about)])[1]
    verdicts = []
    while len(verdicts) < 3:
        verdicts += [v for v in npc.receive(VERDICTS)[1].verdicts if v.position > body.last_position]
    assert [(v.sequence, v.verdict) for v in verdicts] == [(1, ACCEPTED), (2, ACCEPTED), (3, ACCEPTED)]
    citizen = centre.citizen(about)
    assert (citizen["died_on"], citizen["mother_name"], citizen["residence_province"]) == ("2021-01-01", "Mẹ 1", "79")
    decided = centre.entries([npc])[3:]
    assert [(e.province_before, e.province_after) for e in decided] == [("01", "01"), ("01", "01"), ("01", "79")]


def test_loading_lets_deferred_events_through(centre):
    npc = centre.peer()
    body = npc.publish([centre.change("number-reissued", number(1), number(1, 1), time=20)])[1]
    assert said(body) == {1: (DEFERRED, ["NOT_FOUND"])}
    centre.exchange.load_population([dict(citizen_number=number(1), full_name="Nguyễn Văn An",
                                          birth_date="1999-01-02", sex="male")])
    centre.wait_settled()
    assert centre.citizen(number(1, 1))


def test_number_that_is_anothers_is_waited_for(centre):
    npc = centre.peer()
    body = npc.publish([centre.enter(number(1)), centre.enter(number(2)),
                        centre.change("number-reissued", number(1), number(2), time=10, mother_name="X")])[1]
    assert said(body) == {3: (DEFERRED, ["NUMBER_TAKEN"])}
    assert centre.citizen(number(1))["mother_name"] == "Mẹ"
    assert said(npc.publish([centre.change("number-reissued", number(2), number(3), time=5)])[1]) == {}
    centre.wait_settled()
    assert centre.citizen(number(2))["mother_name"] == "X" and centre.citizen(number(3))["mother_name"] == "Mẹ"


def test_nobody_becomes_another_under_a_number_that_was_replaced(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(1)), centre.change("number-reissued", number(1), number(2), time=10)])
    body = npc.publish([
        centre.enter(number(1), time=20, full_name="Trần Thị Hoà", birth_date="1999-05-06"),
        centre.enter(number(1), time=30, full_name="Nguyễn Văn An", birth_date="1999-01-03"),
        centre.change("correction", number(1), time=40, full_name="Trần Thị Hoà", birth_date="1999-05-06")])[1]
    assert said(body) == {3: (MISMATCH, ["ID_NOT_CURRENT", "NAME_DIFFERS", "BIRTH_DATE_DIFFERS"])}
    assert centre.citizen(number(2))["full_name"] == "Trần Thị Hoà"  # the correction's word
    assert centre.citizen(number(1)) is None


def test_committees_are_told_another_number(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    fields = "health.vaccine_group,health.dose_number,health.lot_number"
    centre.exchange.committee("numbers", "health", f"citizen_number,{fields}")
    centre.exchange.committee("without", "health", fields)
    old, new = number(1), number(1, 1)
    npc.publish([centre.enter(old)])
    moh.publish([dose(old, 1, "L1", 10), dose(old, 2, "L2", 10), dose(old, 2, "", 20, operation=2)])
    npc.publish([centre.change("number-reissued", old, new, time=10),
                 centre.change("number-reissued", old, number(1, 2), time=5)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE told", 1)
    head = centre.cluster.value("SELECT last_position FROM exchange.head")
    told = {}
    for name in ("numbers", "without"):
        with wire.subscriber(centre.exchange, name) as committee:
            committee.hello()
            committee.take_all(head)
            told[name] = committee.records
    assert len(told["without"]) == 3
    first, again = (record for record in told["numbers"] if record.change == 1 and body_of(record)[0] == 1)
    assert (first.citizen_number, again.citizen_number) == (old, new) and first.record_id == again.record_id
    assert body_of(again) == (1, "L1") and not again.changed_fields
    assert len(told["numbers"]) == 4, "what was withdrawn is not told again"
    assert shown(centre, new) == {1: "L1"}
    assert said(moh.publish([dose(new, 1, "L9", 30)])[1]) == {}


@pytest.mark.parametrize("words", [(), ("--province", "01")], ids=["all", "a province"])
def test_who_they_are_is_told_with_another_number_and_home(centre, words):
    """Though nothing changes of what is granted of them. Who has nothing of that is not told."""
    centre.exchange.committee("who", "population", "citizen_number,population.father_name", *words)
    centre.exchange.committee("without", "population", "population.father_name", *words)
    npc = centre.peer()
    npc.publish([centre.enter(number(1), residence_province="", residence_commune="", father_name="Cha"),
                 centre.enter(number(2), residence_province="", residence_commune="")])
    npc.publish([centre.change("move", number(of), time=10, residence_province="01") for of in (1, 2)])
    npc.publish([centre.change("number-reissued", number(of), number(of, 1), time=20) for of in (1, 2)])
    head = centre.cluster.value("SELECT last_position FROM exchange.head")
    told = {}
    for name in ("who", "without"):
        with wire.subscriber(centre.exchange, name) as committee:
            committee.hello()
            committee.take_all(head)
            told[name] = committee.records
    assert [record.citizen_number for record in told["who"]] == [number(1), number(1, 1)]
    assert len({record.record_id for record in told["who"]}) == 1
    assert [record.change for record in told["without"]] == [1]
    assert {wire.PopulationChange.FromString(record.body).father_name
            for records in told.values() for record in records} == {"Cha"}


def test_what_can_never_be_told_again_is_let_go(centre):
    """And what waits behind it is told, and moved."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of)) for of in (1, 2, 3)])
    moh.publish([dose_of(number(of)) for of in (1, 2)])
    person = centre.cluster.value("SELECT person FROM population.citizen WHERE citizen_number = %s", number(1))
    centre.cluster.rows(f"""CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.person = {person} AND NEW.told_position IS NOT NULL THEN RAISE EXCEPTION 'never' USING ERRCODE = '22000';
        END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON exchange.retelling FOR EACH ROW EXECUTE FUNCTION public.refuse()""")
    npc.publish([centre.change("number-reissued", number(of), number(of, 1), time=10) for of in (1, 2)]
                + [centre.change("merged", number(1, 1), number(3), time=20)])
    for tries in (1, 2, 3):
        centre.exchange.wait_until(f"SELECT count(*) FROM exchange.retelling WHERE tries >= {tries}", 1)
        npc.publish([centre.change("correction", number(3), time=30 + tries, father_name=f"Cha {tries}")])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.person_link WHERE moved", 1)
    assert centre.cluster.rows("SELECT person = %s, told, failed IS NOT NULL FROM exchange.retelling ORDER BY position",
                               person) == [(True, True, True), (False, True, False)]
    assert "are not told again, for it failed 3 times" in centre.exchange.broker.text()
    logbook.Logbook(centre.cluster).check()


def cancelling(centre, of):
    about, second = number(of), number(of, 1)
    return [centre.enter(about, time=100), centre.change("number-cancelled", about, time=1000),
            centre.change("number-reissued", about, second, time=2000, mother_name="Mẹ 2"),
            centre.change("correction", about, time=1500, father_name="Cha"),
            centre.change("number-cancelled", second, time=3000)]


def test_order_of_cancellations_does_not_matter(centre):
    orders = list(itertools.permutations(range(5)))[::6]
    npc = centre.peer()
    for turn in range(5):
        assert npc.publish([cancelling(centre, of)[order[turn]] for of, order in enumerate(orders)])[0] == RECEIPT
    centre.wait_settled()
    rows = centre.cluster.rows("SELECT DISTINCT substr(citizen_number, 11), mother_name, father_name, "
                               "ARRAY(SELECT substr(a.number, 11) FROM population.number_alias a "
                               "WHERE a.person = c.person ORDER BY 1) FROM population.citizen c")
    assert rows == [("01-", "Mẹ 2", "Cha", ["00", "01"])]


def test_nobody_is_changed_where_two_are_named(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(1)), centre.enter(number(2))])
    before = centre.citizen(number(1)), centre.citizen(number(2))
    body = npc.publish([centre.change("number-cancelled", number(1), number(2), time=10),
                        centre.change("death", number(1), number(2), time=10, died_on="2021-05-06"),
                        centre.change("registered", number(1), number(2), time=10, full_name="Trần Thị Hoà",
                                      birth_date="1999-01-02", sex="male")])[1]
    assert said(body) == {n: (REJECTED, ["FIELD_FORMAT"]) for n in (3, 4, 5)}
    assert (centre.citizen(number(1)), centre.citizen(number(2))) == before
    assert centre.cluster.value("SELECT count(*) FROM population.number_alias") == 0


def test_a_cancelled_number_names_nobody_any_more(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    about, day = number(1), 24 * 3600 * 1_000_000
    npc.publish([centre.enter(about), centre.change("number-cancelled", about, time=day),
                 centre.change("number-cancelled", number(2), time=day),
                 centre.change("number-cancelled", about, time=day, died_on="2022-01-01")])
    told = said(moh.publish([dose(about, 1, "L1", 0), dose(about, 2, "L2", 3 * day)])[1])
    assert told == {1: (ACCEPTED, ["ID_CANCELLED"]), 2: (MISMATCH, ["ID_OTHER_TIME", "ID_CANCELLED"])}
    assert centre.cluster.rows("SELECT citizen_number, verdict FROM exchange.exception WHERE domain = 1 "
                               "ORDER BY 1") == [(about, REJECTED), (number(2), DEFERRED)]
    assert f"{about}-" not in centre.exchange.dongbo("citizen", about, "--json", "--unmask").stdout
    assert about in centre.exchange.dongbo("citizen", about, "--unmask").stdout
    npc.publish([centre.change("number-reissued", about, number(3), time=2 * day)])
    assert centre.cluster.rows("SELECT number FROM population.number_alias") == [(about,)]
    assert said(moh.publish([dose(number(3), 3, "L3", 3 * day)])[1]) == {}


# Two persons had the number, one after another, and it is nobody's now.
def shared(centre, of, other):
    about = number(of)
    return [centre.enter(about), centre.change("number-cancelled", about, time=10),
            centre.enter(number(other), full_name="Trần Văn Bưởi", birth_date="1999-05-06"),
            centre.change("number-reissued", number(other), about, time=20),
            centre.change("number-cancelled", about, time=30)]


def under_shared(centre, about, other):
    return [centre.change("correction", about, time=40, father_name="Cha"),
            centre.enter(about, time=40, full_name="Lê Văn Cam", birth_date="1999-07-08"),
            centre.change("number-reissued", about, number(9), time=40),
            centre.change("death", about, time=40, died_on="2021-01-01"),
            centre.change("number-cancelled", about, time=40),
            centre.change("merged", about, other, time=40), centre.change("merged", other, about, time=40)]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_number_of_several_changes_nobody(centre, at_once):
    npc, about, third = centre.peer(), number(1), number(3)
    before, under = [centre.enter(third)] + shared(centre, 1, 2), under_shared(centre, about, third)
    everybody = "SELECT * FROM population.citizen ORDER BY person"
    if at_once:
        told = said(npc.publish(before + under)[1])
    else:
        told = said(npc.publish(before)[1])
        citizens = centre.cluster.rows(everybody)
        told |= said(npc.publish(under)[1])
        assert centre.cluster.rows(everybody) == citizens
    assert told == {n: (MISMATCH, ["ID_AMBIGUOUS"]) for n in range(7, 14)}
    assert centre.cluster.rows("SELECT full_name, citizen_number, father_name, died_on FROM population.citizen "
                               "ORDER BY person") == [
        ("Nguyễn Văn An", third, "", ""), ("Nguyễn Văn An", f"{about}-", "", ""),
        ("Trần Văn Bưởi", f"{about}--", "", "")]
    assert centre.cluster.value("SELECT count(*) FROM population.merger") == 0
    # Each cancellation is in the record of whose number it was.
    assert centre.cluster.rows("SELECT count(*) FROM exchange.record_version WHERE domain = 1 GROUP BY person "
                               "ORDER BY person") == [(1,), (2,), (3,)]
    logbook.Logbook(centre.cluster).check()


# ---- what a person was to look at ----------------------------------------------------------------------------------

def dose_of(about, key="row", **said):
    who = dict(citizen_number=about, full_name="Nguyễn Văn An", birth_date="1999-01-02", sex="male") | said
    return wire.event("MOH", key, wire.Subject(**who), event_time_us=T, health={
        "vaccine_group": "covid-19", "dose_number": 1, "status": "completed", "occurrence_date": "2021-09-15"})


def test_what_the_store_was_wrong_about_is_decided_again(centre):
    """Of two doses of each, one under a name that is nobody's."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(of), full_name="Nguyễn Văn Ang") for of in (1, 2, 3)])
    events = [dose_of(number(1)), dose_of(number(1), "b", full_name="Trần Thị Hoà"), dose_of(number(2), "c"),
              dose_of(number(3), "d", sex="female"), dose_of("123456789"), dose_of(number(4, 1), "f")]
    told = said(moh.publish(events)[1])
    assert [told[n][0] for n in range(1, 7)] == [MISMATCH] * 5 + [DEFERRED]
    body = npc.publish([centre.change("correction", number(1), time=10, full_name="Nguyễn Văn An"),
                        centre.change("correction", number(3), time=10, full_name="Nguyễn Văn An"),
                        centre.change("move", number(2), time=10, residence_province="79")])[1]
    verdicts = moh.receive(VERDICTS)[1].verdicts
    assert [(v.sequence, v.verdict) for v in verdicts if v.position > body.last_position] == [(1, ACCEPTED)]
    # A number that is learnt of while no broker runs.
    centre.exchange.broker.stop()
    aliases = centre.exchange.directory / "aliases.csv"
    aliases.write_text(f"kind,number,citizen_number\ncmnd,123456789,{number(1)}\n")
    centre.exchange.dongbo("population", "aliases", aliases)
    centre.exchange.start_broker()
    centre.exchange.wait_until("SELECT open FROM exchange.exception WHERE citizen_number = '123456789'", False)
    assert centre.cluster.rows("SELECT sequence, verdict, open FROM exchange.exception e JOIN exchange.agency a "
                               "USING (agency) WHERE code = 'MOH' ORDER BY 1") == [
        (1, ACCEPTED, False), (2, MISMATCH, True), (3, MISMATCH, True), (4, MISMATCH, True), (5, UNCHANGED, False),
        (6, DEFERRED, True)]
    assert len([e for e in centre.entries([moh])]) == len(events) + 2, "what is in question still is not told again"


def test_a_namesakes_mother_is_noticed(centre):
    """All that identifies the person agrees, and the event is another's all the same."""
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(1), mother_name="Nguyễn Như Vy"),
                 centre.enter(number(2), mother_name="Đoàn Thị Mai", residence_province="79", residence_commune="")])
    told = said(moh.publish([
        dose_of(number(1), "a", mother_name="Nguyen Nhu Vy"), dose_of(number(1), "b", mother_name="Đoàn Thị Mai"),
        dose_of(number(1), "c", mother_name="Đoàn Thị Mai", residence_province="79")])[1])
    assert {n: (verdict == MISMATCH, reasons[0]) for n, (verdict, reasons) in told.items()} == {
        2: (False, "MOTHER_DIFFERS"), 3: (True, "MOTHER_DIFFERS")}


# ---- what holds no longer ------------------------------------------------------------------------------------------

def test_cleared_fields_reach_the_store(centre):
    npc = centre.peer()
    about = number(1)
    npc.publish([centre.enter(about), centre.change("death", about, time=10, died_on="2021-01-01")])
    assert centre.citizen(about)["residence_commune"] == "00097"  # what 00001 of before July 2025 is today
    body = npc.publish([centre.change("correction", about, time=20, clear=[10, 8])])[1]
    assert said(body) == {}
    citizen = centre.citizen(about)
    assert [citizen[c] for c in ("died_on", "residence_province", "residence_province63", "residence_commune",
                                 "mother_name")] == ["", "", "", "", "Mẹ"]
    entry = centre.entries([npc])[-1]
    assert (list(entry.changed_fields), entry.province_before, entry.province_after) == ([1, 8, 9, 10], "01", "")
    # What only the load said may be cleared as well.
    centre.exchange.load_population([dict(citizen_number=number(2), full_name="Nguyễn Văn An", birth_date="1999-01-02",
                                          sex="male", mother_name="Mẹ", father_name="Cha")])
    npc.publish([centre.change("correction", number(2), clear=[6])])
    assert said(npc.publish([centre.change("correction", number(2), time=1, clear=[7])])[1]) == {}
    assert (centre.citizen(number(2))["mother_name"], centre.citizen(number(2))["father_name"]) == ("", "")


def test_a_death_recorded_in_error_is_taken_back_by_a_row(centre):
    """By the shipped agent under the sample mapping. An empty cell takes nothing back."""
    npc, moh, about = centre.agent, centre.peer("MOH"), number(1)

    def drop(key, **fields):
        row = dict.fromkeys(("old_number", "full_name", "birth_date", "sex", "mother_name", "father_name",
                             "residence_province", "residence_commune", "died_on"), "")
        npc.drop("population", f"{key}.csv", [row | {"row_id": key, "recorded_at": f"2022-03-0{key}",
                                                     "citizen_number": about} | fields])
        assert npc.once() == 0, npc.refused("population")

    npc.drop("population", "births.csv", [dict(
        row_id=1, recorded_at="2022-03-01", kind="registered", citizen_number=about, full_name="Nguyễn Văn An",
        birth_date="1999-01-02", sex="male", mother_name="", father_name="", residence_province="",
        residence_commune="")])
    assert npc.once() == 0, npc.refused("population")
    drop(2, kind="death", died_on="2021-05-06")
    assert said(moh.publish([dose_of(about)])[1]) == {1: (MISMATCH, ["DEAD_AT_EVENT"])}
    drop(3, kind="correction", mother_name="Mẹ")
    assert centre.citizen(about)["died_on"] == "2021-05-06"
    drop(4, kind="correction", died_on="alive")
    assert centre.citizen(about)["died_on"] == "" and centre.citizen(about)["mother_name"] == "Mẹ"
    verdicts = moh.receive(VERDICTS)[1].verdicts
    assert [(v.sequence, v.verdict) for v in verdicts if v.position > 4] == [(1, ACCEPTED)]


def test_nobody_dies_before_their_birth(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    early = centre.change("death", number(1), time=10, died_on="1999-01-01")
    body = npc.publish([early, centre.change("correction", number(2), time=10, birth_date="1999-01-01"),
                        centre.change("death", number(2), time=20, died_on="1999-01-01")])[1]
    assert said(body) == {3: (MISMATCH, ["DATE_BEFORE_BIRTH"])}
    assert [centre.citizen(number(of))["died_on"] for of in (1, 2)] == ["", "1999-01-01"]
    npc.publish([centre.change("correction", number(1), time=30, birth_date="1999-01-01")])
    assert said(npc.publish([early])[1]) == {}
    assert centre.citizen(number(1))["died_on"] == "1999-01-01"


@pytest.mark.parametrize("operation", [2, 3], ids=["RETRACT", "CORRECT"])
def test_population_events_are_not_withdrawn(centre, operation):
    npc = centre.peer()
    npc.publish([centre.enter(number(1))])
    event = centre.change("correction", number(1), time=10, mother_name="Mẹ 2")
    event.operation = operation
    assert said(npc.publish([event])[1]) == {2: (REJECTED, ["OPERATION_UNKNOWN"])}
    assert centre.citizen(number(1))["mother_name"] == "Mẹ"


def test_communes_are_of_their_code_set_and_province(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(1))])
    moves = [("99999", "01", ""), ("00004", "79", ""), ("00001", "01", ""), ("00001", "01", "01"), ("00004", "", "")]
    told = said(npc.publish([centre.change("move", number(1), time=10 + i, residence_commune=commune, code63=code63,
                                           residence_province=province)
                             for i, (commune, province, code63) in enumerate(moves)])[1])
    assert told == {2: (REJECTED, ["COMMUNE_UNKNOWN"]), 3: (REJECTED, ["COMMUNE_ELSEWHERE"]),
                    4: (REJECTED, ["COMMUNE_UNKNOWN"])}
    assert centre.citizen(number(1))["residence_commune"] == "00004"


def test_what_nobody_is_without_cannot_be_cleared(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(1))])
    events = [centre.change("correction", number(1), clear=[field]) for field in (3, 4, 5)]
    events.append(centre.change("correction", number(1), clear=[2]))
    events[-1].population.citizen_number = ""
    body = npc.publish(events)[1]
    assert said(body) == {sequence: (REJECTED, ["FIELD_MISSING"]) for sequence in range(2, 6)}


# ---- what fails in between -----------------------------------------------------------------------------------------

FAIL = """CREATE SEQUENCE public.tries; GRANT USAGE ON SEQUENCE public.tries TO PUBLIC;
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('public.tries') <= {times} THEN RAISE EXCEPTION 'once more' USING ERRCODE = '40001'; END IF;
    RETURN NEW; END $$;
CREATE TRIGGER fail BEFORE INSERT ON exchange.record_version FOR EACH ROW EXECUTE FUNCTION public.fail()"""


def residences(entries):
    return [(e.verdict, e.province_before, e.province63_before, e.province_after) for e in entries]


def test_residence_before_outlives_a_failed_transaction(centre):
    npc = centre.peer()
    npc.publish([centre.enter(number(of)) for of in range(3)])
    centre.cluster.rows(FAIL.format(times=1))
    body = npc.publish([centre.change("move", number(1), time=10, residence_province="79"),
                        centre.change("move", number(1), time=20, residence_province="48"),
                        centre.enter(number(4))])[1]
    assert said(body) == {} and centre.cluster.value("SELECT last_value FROM public.tries") > 1
    assert residences(centre.entries([npc])[3:]) == [
        (ACCEPTED, "01", "01", "79"), (ACCEPTED, "79", "", "48"), (ACCEPTED, "", "", "01")]


@pytest.mark.postgres()
def test_deferred_events_hold_nobody_up_while_the_store_is_away(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    assert said(npc.publish([centre.change("move", number(1), residence_province="79")])[1]) == {
        1: (DEFERRED, ["NOT_FOUND"])}
    centre.cluster.rows("ALTER ROLE dongbo_population_writer NOLOGIN")
    centre.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE usename = 'dongbo_population_writer'")
    one = [f"{{{value}}}" for value in (number(1), "Nguyễn Văn An", "nguyen van an", "1999-01-02", "male")]
    centre.cluster.rows("SELECT population.load(" + "%s, " * 5 + """'{""}', '{""}', '{01}', '{01}', '{""}', '{""}')""",
                        *one)
    centre.exchange.broker.wait_for(lambda: "population store" in centre.exchange.broker.text(), "the store is missed")
    dose = wire.ChangeEvent(event_id=bytes(16), schema_version=1, operation=1, event_time_us=T, source_key="row")
    dose.subject.citizen_number, dose.subject.full_name = number(1), "Nguyễn Văn An"
    dose.subject.birth_date, dose.subject.sex = "1999-01-02", "male"
    dose.health.vaccine_group, dose.health.dose_number, dose.health.status = "covid-19", 1, "completed"
    assert moh.publish([dose])[0] == RECEIPT
    centre.cluster.rows("ALTER ROLE dongbo_population_writer LOGIN")
    centre.wait_settled()
    assert centre.citizen(number(1))["residence_province"] == "79"


SLOW = """CREATE SCHEMA quick;
ALTER FUNCTION population.apply_changes SET SCHEMA quick;
CREATE FUNCTION population.apply_changes(a bytea, b bigint[], {arrays}, p integer[], q boolean, r bigint, s bigint[])
RETURNS TABLE (sequence bigint, person bigint, citizen_number text, province_before text, province63_before text,
    province_after text, province63_after text, changed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
    RETURN QUERY SELECT * FROM quick.apply_changes(a, b, {names}, p, q, r, s);
    PERFORM pg_sleep({seconds});
    IF 'Hoàng Văn Độc' = ANY (f) THEN
        RAISE EXCEPTION 'this is no name' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$"""


def slow(centre, seconds):
    arrays = "cdefghijklmno"
    centre.cluster.rows(SLOW.format(arrays=", ".join(f"{name} text[]" for name in arrays), names=", ".join(arrays),
                                    seconds=seconds))


def test_a_slow_store_is_told_of_less_at_once(centre):
    """All at once takes longer than the broker waits, and longer than it may hold the log's lock in idleness."""
    slow(centre, "0.08 * cardinality(b)")
    npc = centre.peer()
    npc.socket.rcvtimeo = 60000
    body = npc.publish([centre.enter(number(of)) for of in range(70)])[1]
    assert said(body) == {} and "no answer within" in centre.exchange.broker.text()
    assert centre.cluster.value("SELECT count(*) FROM population.citizen") == 70
    assert centre.cluster.value("SELECT count(*) FROM exchange.record_version WHERE NOT superseded") == 70


def test_a_slow_store_that_refuses_one_value_holds_nobody_up(centre):
    """To find it takes many calls, each of them quick enough, and all of them longer than the log's session may be
    idle. What the earlier ones changed is nobody else's change."""
    slow(centre, 0.5)
    npc = centre.peer()
    npc.socket.rcvtimeo = 60000
    events = [centre.enter(number(of)) for of in range(64)]
    events[20] = centre.enter(number(20), full_name="Hoàng Văn Độc")
    body = npc.publish(events + [centre.change("move", number(0), time=20, residence_province="79")])[1]
    assert said(body) == {21: (REJECTED, ["NOT_STORABLE"])}
    assert centre.citizen(number(0))["residence_province"] == "79"
    assert "tries again" not in centre.exchange.broker.text() and "meanwhile" not in centre.exchange.broker.text()
    assert centre.cluster.value("SELECT count(*) FROM population.citizen") == 63


@pytest.mark.parametrize("deferred", [False, True])
def test_what_a_dead_broker_applied_is_stored_as_it_was(centre, deferred):
    """The population store took an event, the exchange did not."""
    npc = centre.peer()
    about = number(1)
    move = centre.change("move", about, time=20, residence_province="79")
    if deferred:
        assert said(npc.publish([move])[1]) == {1: (DEFERRED, ["NOT_FOUND"])}
    centre.cluster.rows(FAIL.format(times=1000000))
    centre.exchange.load_population([dict(
        citizen_number=about, full_name="Nguyễn Văn An", birth_date="1999-01-02", sex="male",
        residence_province="01", residence_province63="01")])
    if not deferred:
        npc.send_batch(npc.seal([move]))
    centre.exchange.wait_until("SELECT count(*) FROM population.citizen WHERE residence_province = '79'", 1)
    centre.exchange.broker.kill()
    centre.cluster.rows("DROP TRIGGER fail ON exchange.record_version")
    assert centre.cluster.value("SELECT count(*) FROM exchange.record_version") == 0
    centre.exchange.start_broker()
    if not deferred:
        # An older word of another stream comes first, and finds no record that says newer.
        body = centre.peer().publish([centre.change("move", about, time=10, residence_province="48")])[1]
        assert said(body) == {} and centre.citizen(about)["residence_province"] == "48"
        npc = centre.peer(stream=npc.stream)
        assert said(npc.publish([move])[1]) == {}
    centre.wait_settled()
    assert centre.citizen(about)["residence_province"] == "79"
    assert residences(centre.entries([npc])[-1:]) == [(ACCEPTED, "01", "01", "79")]


def shown(centre, about, *words):
    """Lots by dose."""
    said = json.loads(centre.exchange.dongbo("citizen", about, "--json", "--unmask", *words).stdout)
    fields = [{field["field"]: field["value"] for field in record["fields"]} for record in said["records"]
              if record["domain"] == "health"]
    return {int(body["dose_number"]): body["lot_number"] for body in fields if body.get("lot_number")}


def dose(about, which, lot, time, operation=1, **who):
    made = wire.ChangeEvent.FromString(dose_of(about, f"{about}{which}{lot}{time}", **who))
    made.health.dose_number, made.health.lot_number = which, lot
    made.health.occurrence_date = f"2021-0{which}-15"
    made.event_time_us, made.operation = T + time, operation
    return made


def body_of(record):
    body = wire.Vaccination.FromString(record.body)
    return body.dose_number, body.lot_number
