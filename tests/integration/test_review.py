# SPDX-License-Identifier: Apache-2.0
"""The review queue: cases, claims and decisions."""
import json
import os
import re

import psycopg2
import pytest

import logbook
import people
import wire
import wire_peer
from conftest import ROOT, open_site
from desk import Desk

OFFICERS = ("officer_lan", "officer_minh")


def make_officers(cluster):
    """Officers are logins of the site's own, who are members of dongbo_operator. Roles are the cluster's, so that they
    may be there already."""
    for officer in OFFICERS:
        if not cluster.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", officer):
            cluster.rows(f"CREATE ROLE {officer} LOGIN IN ROLE dongbo_operator")


def put_exception(cluster, position, review_case, is_open=True):
    cluster.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, verdict, "
                 "open, citizen_number, reasons, event, leaf, review_case) "
                 "VALUES (%s, %s, %s, 1, 2, 4, 4, %s, '', '', '', '', %s)", position, b"s" * 16, position, is_open,
                 review_case)


def told(cluster, officer, sql, *parameters):
    """What an officer is told who may not do this."""
    with pytest.raises(psycopg2.errors.RaiseException) as error:
        cluster.rows(sql, *parameters, user=officer)
    return error.value.diag.message_primary


CLAIM = "SELECT exchange.review_claim(%s, %s)"
RELEASE = "SELECT exchange.review_release(%s)"
DECIDE = "SELECT exchange.review_decide(%s, %s, %s, %s)"
WITHDRAW = "SELECT exchange.review_withdraw(%s)"


def test_one_officer_has_a_case_at_a_time(database):
    make_officers(database)
    lan, minh = OFFICERS
    put_exception(database, 7, 7)
    put_exception(database, 8, 8, is_open=False)
    assert told(database, lan, CLAIM, 8, 30) == "there is no open case 8"
    assert told(database, lan, CLAIM, None, 30).startswith("there is no open case")
    for minutes in (0, 1441, None):
        assert told(database, lan, CLAIM, 7, minutes) == "a claim lasts from 1 to 1440 minutes"

    first = database.value(CLAIM, 7, 30, user=lan)
    assert database.value(CLAIM, 7, 60, user=lan) > first, "the holder renews"
    refused = told(database, minh, CLAIM, 7, 30)
    assert re.fullmatch(r"case 7 is held by officer_lan until \d{4}-\d\d-\d\d \d\d:\d\d \+07:00", refused)
    refused = told(database, minh, DECIDE, 7, "refuse", None, "x")
    assert refused == "case 7 is not claimed by officer_minh: claim it first"
    assert database.value(RELEASE, 7, user=minh) is False
    database.rows("UPDATE exchange.review_claim SET until = now()")
    assert told(database, lan, DECIDE, 7, "refuse", None, "x").startswith("case 7 is not claimed"), "it has run out"
    database.value(CLAIM, 7, 30, user=minh)
    assert database.value(RELEASE, 7, user=lan) is False
    assert database.value(RELEASE, 7, user=minh) is True
    database.value(CLAIM, 7, 30, user=lan)


def test_a_claim_is_one_officers_also_when_two_come_at_once(database):
    make_officers(database)
    put_exception(database, 7, 7)
    lan, minh = (database.connect(officer) for officer in OFFICERS)
    lan.autocommit = False
    with lan.cursor() as first, minh.cursor() as second:
        first.execute(CLAIM, (7, 30))
        second.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):  # it waits for what becomes of the first
            second.execute(CLAIM, (7, 30))
        lan.commit()
        with pytest.raises(psycopg2.errors.RaiseException, match="held by officer_lan"):
            second.execute(CLAIM, (7, 30))
    lan.close()
    minh.close()


def test_a_decision_is_asked_for_once_and_taken_back_by_whoever_asked(database):
    make_officers(database)
    lan, minh = OFFICERS
    put_exception(database, 7, 7)
    database.value(CLAIM, 7, 30, user=lan)
    for action, number, why, said in (
            ("approve", None, "x", "a case is decided by accept, link or refuse"),
            (None, None, "x", "a case is decided by accept, link or refuse"),
            ("refuse", None, " \n", "say why, in 1 to 1000 characters"),
            ("refuse", None, None, "say why, in 1 to 1000 characters"),
            ("refuse", None, "x" * 1001, "say why, in 1 to 1000 characters"),
            ("refuse", None, "a\x1b[2J", "say why, in 1 to 1000 characters"),
            ("link", None, "x", "say by 12 digits whose event it is"),
            ("link", "12345678901", "x", "say by 12 digits whose event it is"),
            ("accept", "001200000001", "x", "only link takes a citizen number")):
        assert told(database, lan, DECIDE, 7, action, number, why) == said

    listener = database.connect("dongbo_broker")
    listener.cursor().execute("LISTEN dongbo_review")
    decision = database.value(DECIDE, 7, "link", "001200000001", " as by telephone ", user=lan)
    listener.cursor().execute("SELECT 1")
    listener.poll()
    assert [notify.channel for notify in listener.notifies] == ["dongbo_review"]
    listener.close()
    assert database.rows("SELECT review_case, action, citizen_number, why, decided_by, state, outcome, position "
                         "FROM exchange.review_decision") == \
        [(7, "link", "001200000001", "as by telephone", lan, "waiting", None, None)]
    assert told(database, lan, DECIDE, 7, "refuse", None, "x") == "case 7 has a decision that waits to be carried out"

    assert told(database, minh, WITHDRAW, decision) == f"there is no decision {decision} of officer_minh that waits"
    database.rows(WITHDRAW, decision, user=lan)
    assert database.rows("SELECT state, outcome FROM exchange.review_decision") == \
        [("failed", "withdrawn by officer_lan")]
    assert told(database, lan, WITHDRAW, decision) == f"there is no decision {decision} of officer_lan that waits"
    database.value(DECIDE, 7, "refuse", None, "x", user=lan)
    database.rows("UPDATE exchange.review_decision SET state = 'done'; UPDATE exchange.exception SET open = false")
    assert told(database, lan, DECIDE, 7, "refuse", None, "x") == "there is no open case 7"


def test_who_may_see_and_do_what_in_the_queue(database):
    put_exception(database, 7, 7)
    put_exception(database, 9, 7)
    for role, sql in (("dongbo_operator", "UPDATE exchange.review_decision SET state = 'done'"),
                      ("dongbo_operator", "INSERT INTO exchange.review_claim VALUES (7, 'x', now(), now())"),
                      ("dongbo_operator", "DELETE FROM exchange.review_claim"),
                      ("dongbo_broker", "SELECT exchange.review_decide(7, 'refuse', NULL, 'x')"),
                      ("dongbo_broker", "UPDATE exchange.review_decision SET decided_by = 'x'"),
                      ("dongbo_broker", "INSERT INTO exchange.review_claim VALUES (7, 'x', now(), now())"),
                      ("dongbo_reader", "SELECT exchange.review_claim(7, 30)"),
                      ("dongbo_operator", "SELECT why FROM exchange.review_decision"),
                      ("dongbo_reader", "SELECT why FROM exchange.review_decision"),
                      ("dongbo_reader", "SELECT officer FROM exchange.review_claim"),
                      ("dongbo_reader", "SELECT case_key FROM exchange.exception")):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.rows(sql, user=role)
    assert database.rows("SELECT agency, domain, verdict, cases, events FROM exchange.review_count",
                         user="dongbo_reader") == [(1, 2, 4, 1, 2)]
    assert database.rows("SELECT * FROM exchange.review_decision_count", user="dongbo_reader") == []
    database.rows("UPDATE exchange.review_decision SET state = 'done', outcome = '', position = 1",
                  user="dongbo_broker")
    database.rows("DELETE FROM exchange.review_claim", user="dongbo_broker")
    database.rows("SELECT action, officer FROM exchange.review_decision, exchange.review_claim", user="dongbo_operator")


# A verdict as the exchange keeps it: sequence 300, id, MISMATCH; NAME_DIFFERS of a field, with what is held; ID_SEX.
TWO_REASONS = (b"\x08\xac\x02" b"\x12\x02\x22\x22" b"\x18\x04"
               b"\x22\x0c" b"\x08\xc8\x01" b"\x12\x01a" b"\x1a\x04\x22\x02\x08\x69"
               b"\x22\x02\x08\x67" b"\x28\x07")


def test_what_was_in_question_before_is_a_case_each(empty_database, workdir):
    """An exchange that is upgraded with exceptions in it."""
    for path in sorted((ROOT / "schemas/exchange").glob("*.sql"))[:5]:  # as an older program's init did
        empty_database.rows(path.read_text(encoding="utf-8").replace("%", "%%"))
        empty_database.rows("INSERT INTO exchange.migration (number, name, sha256) VALUES (%s, %s, sha256(%s))",
                            int(path.name[:4]), path.name, path.read_bytes())
    desk = Desk(empty_database, workdir)
    empty_database.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, "
                        "verdict, open, citizen_number, reasons, event, leaf) "
                        "SELECT n, 's', n, 1, 2, 4, 4, n < 3, '', CASE n WHEN 1 THEN ''::bytea ELSE %s END, '', '' "
                        "FROM generate_series(1, 3) n", TWO_REASONS)
    desk.ask("init")
    assert empty_database.rows("SELECT position, review_case, reason_codes FROM exchange.exception ORDER BY 1") == \
        [(1, 1, []), (2, 2, [200, 103]), (3, None, [])]


# ---- the broker ----------------------------------------------------------------------------------------------------

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
HEALTH = 2
BORN_WRONG = "1901-01-01"
REPEATS = 620  # more than REDECIDE_ITEMS_MAX


class Office:
    """Two agencies that speak for health, and what becomes of what they say."""

    def __init__(self, exchange):
        self.exchange, self.cluster, self.agents = exchange, exchange.cluster, {}
        make_officers(self.cluster)
        for agency in ("MOH", "VSS"):
            self.agents[agency] = exchange.agency(agency, "health", ["vaccinations"])
        self.committee = exchange.committee("hn", "health", "citizen_number,health.dose_number,health.lot_number")
        exchange.load_population(people.citizens(40))
        exchange.start_broker()
        self.moh, self.vss = self.peer("moh"), self.peer("vss")

    def peer(self, agency, **options):
        made = wire_peer.Peer(self.exchange.publish, self.exchange.directory / f"{agency}.keys",
                              self.exchange.directory / "broker.keys.pub", **options)
        made.hello()
        return made

    def say(self, peer, *events):
        """The positions at which these events were decided."""
        kind, body = peer.publish(events)
        assert kind == wire_peer.RECEIPT
        return list(range(body.first_position, body.first_position + len(events)))

    def decide(self, review_case, action, number=None, officer=OFFICERS[0], why="heard on the telephone"):
        """Claims and decides; what came of it, as (state, outcome)."""
        self.cluster.value(CLAIM, review_case, 30, user=officer)
        decision = self.cluster.value(DECIDE, review_case, action, number, why, user=officer)
        self.exchange.wait_until(f"SELECT state <> 'waiting' FROM exchange.review_decision WHERE decision = {decision}",
                                 True)
        return self.cluster.rows("SELECT state, outcome FROM exchange.review_decision WHERE decision = %s", decision)[0]

    def exceptions(self, review_case):
        return self.cluster.rows("SELECT verdict, open FROM exchange.exception WHERE review_case = %s "
                                 "ORDER BY position", review_case)

    def case_of(self, position):
        return self.cluster.value("SELECT review_case FROM exchange.exception WHERE position = %s", position)


@pytest.fixture(scope="module")
def office(template):
    with open_site(template) as exchange:
        made = Office(exchange)
        yield made
        made.moh.close()
        made.vss.close()


def wrong(n, number=1, **other):
    """The n-th citizen's dose with a birth date that is not theirs."""
    return people.dose(n, number, about=people.subject(n, birth_date=BORN_WRONG), **other)


def test_a_repeat_joins_the_open_case(office):
    say, case_of, moh = office.say, office.case_of, office.moh
    a, b, twice, c = say(moh, wrong(1), wrong(2), wrong(1, body=people.dose_body(lot_number="B")), wrong(1, number=2))
    assert [case_of(position) for position in (a, b, twice, c)] == [a, b, a, c]
    late, fresh = say(moh, wrong(2), wrong(3))
    assert [case_of(late), case_of(fresh)] == [b, fresh]
    other_stream = office.peer("moh")
    assert case_of(*say(other_stream, wrong(1))) == a
    other_stream.close()
    other, = say(office.vss, wrong(1))
    assert case_of(other) == other, "another agency asks for itself"
    unknown, again = say(moh, people.dose(4, about=people.subject(4, citizen_number="001299000099")),
                         people.dose(4, key="again", about=people.subject(4, citizen_number="001299000099")))
    assert case_of(unknown) == case_of(again) == unknown, "who waits for their person may be decided early"
    good, bad = say(moh, people.dose(5), people.dose(6, body=people.dose_body(status="?")))
    assert office.cluster.rows("SELECT position, review_case, case_key FROM exchange.exception "
                               "WHERE position IN (%s, %s)", good, bad) == [(bad, None, None)]
    assert office.decide(a, "refuse") == ("done", "2 REJECTED; 1 REJECTED"), "of two streams, one after the other"
    anew, = say(moh, wrong(1))
    assert case_of(anew) == anew, "a closed case is not joined"
    told_first, withdrawn = say(moh, wrong(7), wrong(7, key="withdrawn", operation=2))
    assert [case_of(told_first), case_of(withdrawn)] == [told_first, withdrawn], "to accept one is not to accept both"


def number_of(n):
    return people.citizen(n)["citizen_number"]


def test_a_decision_reaches_the_log_the_agency_and_the_committee(office):
    exchange, cluster, agent = office.exchange, office.cluster, office.agents["MOH"]
    before = cluster.value("SELECT exchange.next_position()")
    agent.drop("vaccinations", "a.csv", [people.dose_row(20, ngay_sinh="1901-01-01"),
                                         people.dose_row(21, so_cccd=number_of(22)),
                                         people.dose_row(23, so_cccd="99"),
                                         people.dose_row(20, ngay_sinh="1901-01-01", row_id="again", so_lo="Z9")])
    agent.once(expect=1)
    accept, link, refuse = (row[0] for row in cluster.rows(
        "SELECT DISTINCT review_case FROM exchange.exception WHERE position >= %s ORDER BY 1", before))
    assert office.decide(accept, "accept", why="Trần was born in 1901") == ("done", "2 ACCEPTED")
    assert office.decide(link, "link", number_of(21)) == ("done", "1 ACCEPTED")
    assert office.decide(refuse, "refuse", officer=OFFICERS[1]) == ("done", "1 REJECTED")
    assert office.exceptions(accept) == [(ACCEPTED, False)] * 2
    assert cluster.value("SELECT count(*) FROM exchange.review_claim") == 0, "nobody works on a closed case"

    agent.once(expect=1)
    done = agent.directory / "vaccinations/done"
    results = {row.split(",")[0]: row for row in (done / "a.results.csv").read_text(encoding="utf-8").splitlines()}
    refused = [(row["row_id"], row["dongbo_verdict"], row["dongbo_reasons"]) for row in agent.refused("vaccinations")]
    assert ",ACCEPTED,REVIEW_ACCEPTED:subject.citizen_number" in results["row-20-1"]
    assert ",ACCEPTED,REVIEW_ACCEPTED" in results["again"]
    assert ",ACCEPTED,REVIEW_LINKED" in results["row-21-1"] and number_of(21) not in results["row-21-1"]
    assert ("row-23-1", "REJECTED", "REVIEW_REFUSED ID_FORMAT:subject.citizen_number") in refused

    office.committee.until_head()
    records = [(record["citizen_number"], record["fields"]["lot_number"]) for record in office.committee.records()
               if record["position"] >= before]
    assert records == [(number_of(20), "FF2832"), (number_of(20), "Z9"), (number_of(21), "FF2832")]
    log = logbook.Logbook(cluster)
    log.check()
    log.check_received("hn", office.committee.records())

    shown = exchange.log("--since", str(before), "--verdict", "ACCEPTED")
    assert [line.get("decided_by") for line in shown] == [OFFICERS[0]] * 3
    assert "1901" not in json.dumps(shown)
    assert [line["why"] for line in exchange.log("--since", str(before), "--verdict", "REJECTED", "--unmask")] == \
        ["heard on the telephone"]
    positions = cluster.rows("SELECT position FROM exchange.review_decision WHERE position >= %s ORDER BY decision",
                             before)
    assert [position for position, in positions] == [line["position"] for line in (shown[0], shown[2])] + \
        [line["position"] for line in exchange.log("--since", str(before), "--verdict", "REJECTED")]


def test_what_an_officer_cannot_decide_leaves_the_case_open(office):
    early = people.dose_body(occurrence_date="1902-01-01")
    before_birth, nobody = office.say(office.moh, wrong(10, body=early),
                                      people.dose(11, about=people.subject(11, citizen_number="001299000011",
                                                                                           birth_date=BORN_WRONG)))
    state, outcome = office.decide(before_birth, "accept")
    assert state == "failed" and outcome.startswith("DATE_BEFORE_BIRTH at occurrence_date: ")
    assert office.decide(nobody, "link", "001299000012") == ("failed", "nobody has the number 001*******12")
    assert office.decide(nobody, "accept")[1].startswith("nobody has the number that the event says")
    assert office.exceptions(before_birth) == [(MISMATCH, True)] and office.exceptions(nobody) == [(MISMATCH, True)]
    assert office.decide(before_birth, "refuse") == ("done", "1 REJECTED")
    assert office.decide(nobody, "link", number_of(11)) == ("done", "1 ACCEPTED")
    early, = office.say(office.moh, people.dose(14, about=wire.Subject(
        citizen_number="079085004444", full_name="Cao Thanh Sơn", birth_date="1985-08-20", sex="male")))
    assert office.exceptions(early) == [(DEFERRED, True)]
    assert office.decide(early, "link", number_of(14)) == ("done", "1 ACCEPTED"), "it need not wait for its person"
    office.exchange.dongbo("agency", "disable", "VSS")
    away, = office.say(office.moh, wrong(12))
    assert office.decide(away, "refuse") == ("done", "1 REJECTED"), "another agency's rights matter to nobody"
    office.exchange.dongbo("agency", "enable", "VSS")


def test_a_repeat_of_what_was_decided_is_new_to_nobody(office):
    """The officer's word is about one case; the same row later is a case of its own, and what it says is there."""
    first, = office.say(office.moh, wrong(13))
    assert office.decide(first, "accept") == ("done", "1 ACCEPTED")
    second, = office.say(office.moh, wrong(13))
    assert office.decide(second, "accept") == ("done", "1 UNCHANGED")


def test_replaced_numbers_are_followed_and_the_store_is_nobodys_to_change(office):
    office.exchange.agency("NPC", "population", [])
    npc = office.peer("npc")
    old, sex = number_of(15), people.citizen(17)["sex"]
    new = old[:6] + "900015"

    def change(kind, about, **fields):
        event = wire.ChangeEvent(event_id=os.urandom(16), schema_version=1, operation=1, source_key="row",
                                 event_time_us=wire.now_us() - 1000000, subject=wire.Subject(citizen_number=about),
                                 population=wire.PopulationChange(kind=kind, **fields))
        return event.SerializeToString()

    reissue, wrong_sex = office.say(npc, change("number-reissued", old, citizen_number=new),
                                    change("correction", number_of(17), citizen_number=number_of(17),
                                           sex="male" if sex == "female" else "female"))
    # Nobody holds a case any more that the population centre closed.
    closed, other = office.say(office.moh, people.dose(21, about=people.subject(21, full_name="Đinh Tiên Hoàng")),
                               wrong(22))
    for case in (closed, other):
        office.cluster.value(CLAIM, case, 30, user=OFFICERS[0])
    office.say(npc, change("correction", number_of(21), full_name="Đinh Tiên Hoàng"))
    office.exchange.wait_until(f"SELECT open FROM exchange.exception WHERE position = {closed}", False)
    assert office.cluster.rows("SELECT review_case FROM exchange.review_claim WHERE review_case >= %s", closed) == [
        (other,)]
    npc.close()
    asked, = office.say(office.moh, wrong(16))
    assert office.decide(asked, "link", old) == ("done", "1 ACCEPTED")
    state, outcome = office.decide(wrong_sex, "accept")
    assert state == "failed" and outcome.startswith("a population event changes the store itself")
    assert office.decide(wrong_sex, "refuse") == ("done", "1 REJECTED")
    assert office.cluster.value("SELECT sex FROM population.citizen WHERE citizen_number = %s", number_of(17)) == sex

    # Somebody else closed the case in between: the decision must not wait for ever.
    office.cluster.rows("INSERT INTO exchange.review_decision (review_case, action, why, decided_by) "
                        "VALUES (%s, 'refuse', 'x', 'x'); NOTIFY dongbo_review", asked)
    office.exchange.wait_until("SELECT state FROM exchange.review_decision ORDER BY decision DESC LIMIT 1", "failed")
    assert office.exceptions(asked) == [(ACCEPTED, False)]

    log = logbook.Logbook(office.cluster).check()
    last = max(position for position, entry in log.entries.items() if entry.domain == HEALTH)
    assert (log.entries[last].citizen_number, log.entries[last].decided_by) == (new, OFFICERS[0])
    report = json.loads(office.exchange.dongbo("report", "--json").stdout)
    health = report["domains"]["health"]
    assert sum(health["by_verdict"].values()) == sum(health["first_by_verdict"].values()) == health["events"]
    decided = [entry for entry in log.entries.values() if entry.kind == logbook.ENTRY_DECISION]
    assert report["decisions"] == len(decided)
    assert sum(not (entry.decided_by and entry.why) for entry in decided) == 1  # the centre's doing


def test_what_is_held_of_a_person_is_one_case(office):
    """Whatever is tried. To accept it takes what agrees, and refuses the rest without telling what differs."""
    tried = [people.dose(24, day, about=people.subject(24, birth_date=f"1974-03-{day:02d}")) for day in range(1, 9)]
    positions = office.say(office.moh, *tried, people.dose(24, 9))
    held = [position for position, in office.cluster.rows(
        "SELECT position FROM exchange.exception WHERE 250 = ANY (reason_codes) ORDER BY 1")]
    assert held == positions[5:]
    held += office.say(office.moh, people.dose(24, 10, about=people.subject(24, full_name="Đinh Tiên Hoàng")))
    assert {office.case_of(position) for position in held} == {held[0]}
    shown = office.exchange.dongbo("review", "show", held[0]).stdout
    assert "5 things were said of this person and held, 5 are open" in shown
    state, outcome = office.decide(held[0], "link", number_of(25))
    assert state == "failed" and "accept what agrees" in outcome
    assert office.decide(held[0], "accept") == ("done", "1 ACCEPTED, 4 REJECTED")
    log = logbook.Logbook(office.cluster).check()
    decided = {entry.verdict: [reason.code for reason in entry.reasons] for entry in log.entries.values()
               if entry.kind == logbook.ENTRY_DECISION and entry.citizen_number == number_of(24)}
    assert decided == {ACCEPTED: [wire.REVIEW_ACCEPTED], REJECTED: [wire.REVIEW_REFUSED]}


def test_what_is_withdrawn_while_the_writer_waits_is_not_carried_out(office):
    cluster = office.cluster
    asked, = office.say(office.moh, wrong(18))
    with cluster.holding("SELECT exchange.lock_log()"):
        cluster.value(CLAIM, asked, 30, user=OFFICERS[0])
        decision = cluster.value(DECIDE, asked, "accept", None, "x", user=OFFICERS[0])
        office.exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'relation'", 1)
        cluster.rows(WITHDRAW, decision, user=OFFICERS[0])
    assert office.decide(asked, "refuse") == ("done", "1 REJECTED")
    log = logbook.Logbook(cluster).check()
    event = next(entries for entries in log.events.values() if entries[0][0] == asked)
    assert [entry.verdict for _, entry in event] == [MISMATCH, REJECTED]


def test_what_is_being_carried_out_is_not_joined(office):
    """Whoever repeats a row quicker than its case is decided would keep all officers waiting."""
    cluster, moh = office.cluster, office.moh
    asked, = office.say(moh, wrong(19))
    repeat = moh.seal([wrong(19)])
    with cluster.holding("SELECT exchange.lock_log()"):
        moh.send_batch(repeat)
        office.exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                                   "AND wait_event = 'relation'", 1)
        cluster.rows("INSERT INTO exchange.review_decision (review_case, action, why, decided_by, position) "
                     "VALUES (%s, 'refuse', 'x', 'x', 1); NOTIFY dongbo_review", asked)
    kind, body = moh.answer()
    assert kind == wire_peer.RECEIPT and office.case_of(body.first_position) == body.first_position
    office.exchange.wait_until("SELECT count(*) FROM exchange.review_decision WHERE state = 'waiting'", 0)
    assert office.exceptions(asked) == [(REJECTED, False)]
    assert office.exceptions(body.first_position) == [(MISMATCH, True)]


# ---- killed in between ---------------------------------------------------------------------------------------------

def test_a_killed_broker_neither_loses_a_decision_nor_takes_it_twice(exchange):
    """A case of more events than one work takes, of two streams. The broker is killed while the last work waits for a
    row that somebody else has locked, with the others stored; then two brokers come at once."""
    office = Office(exchange)
    repeats = [wrong(1, key=f"row-{n}", body=people.dose_body(lot_number=f"L{n}")) for n in range(REPEATS)]
    positions = office.say(office.moh, *repeats)
    other = office.peer("moh")
    positions += office.say(other, *repeats[:3])
    for peer in (office.moh, office.vss, other):
        peer.close()
    exchange.broker.kill()
    assert {office.case_of(position) for position in positions} == {positions[0]}
    lan = OFFICERS[0]
    exchange.cluster.value(CLAIM, positions[0], 30, user=lan)
    decision = exchange.cluster.value(DECIDE, positions[0], "accept", None, "x", user=lan)

    state = "SELECT state || coalesce(' ' || outcome, '') FROM exchange.review_decision"
    with exchange.cluster.holding("SELECT FROM exchange.exception ORDER BY position DESC LIMIT 1 FOR UPDATE"):
        exchange.start_broker()
        exchange.wait_until("SELECT position IS NOT NULL FROM exchange.review_decision", True)
        exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'", 1)
        assert exchange.cluster.value(state).startswith("waiting "), "some of it is stored"
        assert told(exchange.cluster, lan, WITHDRAW, decision), "so that it cannot be withdrawn"
        exchange.broker.kill()

    exchange.start_second_broker()
    exchange.start_broker()
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)
    assert exchange.cluster.value(state).startswith("done ")
    log = logbook.Logbook(exchange.cluster).check()
    assert len(log.events) == len(positions)
    assert all(len(entries) == 2 for entries in log.events.values()), "each event is decided twice in all"
