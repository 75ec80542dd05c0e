# SPDX-License-Identifier: Apache-2.0
"""The review queue: cases, claims and decisions."""
import re
import shutil

import psycopg2
import pytest

import people
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
    assert re.fullmatch(r"case 7 is held by officer_lan until \d{4}-\d\d-\d\d \d\d:\d\d", refused)
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
    database.rows("SELECT why, officer FROM exchange.review_decision, exchange.review_claim", user="dongbo_operator")


def test_what_was_in_question_before_is_a_case_each(empty_database, workdir):
    """An exchange that is upgraded with exceptions in it."""
    older = workdir / "older"
    shutil.copytree(ROOT / "schemas", older)
    for path in (older / "exchange").glob("000[6-9]*.sql"):
        path.unlink()
    desk = Desk(empty_database, workdir)
    desk.configure(schemas=older)
    desk.ask("init")
    empty_database.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, "
                        "verdict, open, citizen_number, reasons, event, leaf) "
                        "SELECT n, 's', n, 1, 2, 4, 4, n < 3, '', '', '', '' FROM generate_series(1, 3) n")
    desk.configure()
    desk.ask("init")
    assert empty_database.rows("SELECT position, review_case FROM exchange.exception ORDER BY 1") == \
        [(1, 1), (2, 2), (3, None)]


# ---- the broker ----------------------------------------------------------------------------------------------------

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
BORN_WRONG = "1901-01-01"


class Office:
    """Two agencies that speak for health, and what becomes of what they say."""

    def __init__(self, exchange, messages):
        self.exchange, self.cluster, self.messages = exchange, exchange.cluster, messages
        make_officers(self.cluster)
        for agency in ("MOH", "VSS"):
            exchange.dongbo("agency", "add", agency, "--name", agency, "--domain", "health", "--key",
                            exchange.keys(agency.lower()))
        exchange.load_population(people.citizens(40))
        exchange.start_broker()
        self.moh, self.vss = self.peer("moh"), self.peer("vss")

    def peer(self, agency, **options):
        made = wire_peer.Peer(self.exchange.publish, self.exchange.directory / f"{agency}.keys",
                              self.exchange.directory / "broker.keys.pub", self.messages, **options)
        made.hello()
        return made

    def say(self, peer, *events):
        """The positions at which these events were decided."""
        kind, body = peer.publish(events)
        assert kind == wire_peer.RECEIPT
        return list(range(body.first_position, body.first_position + len(events)))

    def case_of(self, position):
        return self.cluster.value("SELECT review_case FROM exchange.exception WHERE position = %s", position)


@pytest.fixture(scope="module")
def office(template, tmp_path_factory):
    with open_site(template) as exchange:
        made = Office(exchange, wire_peer.load_messages(tmp_path_factory.mktemp("messages")))
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
    office.cluster.rows("UPDATE exchange.exception SET open = false WHERE review_case = %s", a)
    anew, = say(moh, wrong(1))
    assert case_of(anew) == anew, "a closed case is not joined"
