# SPDX-License-Identifier: Apache-2.0
"""The review queue as an officer works on it."""
import json
import re

import pytest

import people
from conftest import open_site
from desk import Desk

WRONG_NAME, NO_NUMBER, TAKEN = 5, 7, 9


class Office:
    """An exchange with some events in question, and officers with a role of their own each."""

    def __init__(self, exchange):
        self.exchange, self.cluster = exchange, exchange.cluster
        for officer in ("lan", "minh"):
            self.cluster.rows(f"CREATE ROLE {officer} LOGIN IN ROLE dongbo_operator")
        exchange.load_population(people.citizens(600))
        self.agent = exchange.agency("MOH", "health", ["vaccinations"])
        exchange.agency("VSS", "health", [])
        exchange.start_broker()
        self.agent.drop("vaccinations", "first.csv", [
            people.dose_row(WRONG_NAME, row_id="held", so_lo="A1", thoi_diem="2021-09-20T08:00:00Z"),
            people.dose_row(TAKEN, 2, so_lo="A2"),
            people.dose_row(WRONG_NAME, ho_ten="Quách Thành Danh"),
            people.dose_row(NO_NUMBER, so_cccd=""),
            people.dose_row(TAKEN, so_cccd=people.citizen(11)["citizen_number"]),
            people.dose_row(3), people.dose_row(WRONG_NAME, ho_ten="Quách Thành Danh", row_id="again")])
        self.agent.once(expect=1)
        self.wrong_name, self.no_number, self.taken = (case for case, in self.cluster.rows(
            "SELECT DISTINCT review_case FROM exchange.exception ORDER BY 1"))


@pytest.fixture(scope="module")
def office(template):
    with open_site(template) as exchange:
        yield Office(exchange)


@pytest.fixture
def desk(office, tmp_path):
    return Desk(office.cluster, tmp_path, operator="lan")


@pytest.fixture
def other(office, tmp_path):
    """Another officer's, who is minh."""
    directory = tmp_path / "minh"
    directory.mkdir()
    return Desk(office.cluster, directory, operator="minh")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_open_cases_are_listed_and_chosen(office, desk):
    every = lines(desk.ask("review", "list", "--json"))
    assert [one["case"] for one in every] == [office.wrong_name, office.no_number, office.taken]
    assert [[reason["code"] for reason in one["reasons"]] for one in every] == [
        ["NAME_DIFFERS"], ["ID_MISSING", "PERSON_POSSIBLE"], ["ID_BIRTH_YEAR", "PERSON_POSSIBLE"]]
    assert [(one["agency"], one["domain"], one["repeats"], one["known"]) for one in every] == [
        ("MOH", "health", repeats, False) for repeats in (1, 0, 0)]
    assert every[0]["citizen"] == "001*******05" and every[1]["citizen"] is None

    def chosen(*words):
        return [one["case"] for one in lines(desk.ask("review", "list", "--json", *words))]
    assert chosen("--agency", "MOH", "--domain", "health", "--unclaimed", "--newest", "--limit", "2") == [
        office.taken, office.no_number]
    assert chosen("--newest", "--after", office.no_number) == [office.wrong_name]
    assert chosen("--reason", "PERSON_POSSIBLE", "--after", office.no_number) == [office.taken]
    assert chosen("--agency", "VSS") == chosen("--domain", "e_id") == chosen("--likely") == chosen("--mine") == []
    shown = desk.ask("review", "list")
    assert shown.count("MOH") == 3 and people.citizen(WRONG_NAME)["citizen_number"] not in shown
    assert "no reason" in desk.refused(2, "review", "list", "--reason", "BAD_LUCK")
    assert "no agency" in desk.refused(2, "review", "list", "--agency", "NASA")


def fields(alternative):
    return {field["field"]: field for field in alternative["fields"]}


def bearer_of(case):
    return next(one for one in case["alternatives"] if one["bearer"])


def word_of(desk, case):
    """The first candidate, as a decision names them."""
    shown = json.loads(desk.ask("review", "show", case, "--json"))["alternatives"]
    first, = (one for one in shown if one["candidate"] == 1)
    assert f"\n  1-{first['check']}  " in desk.ask("review", "show", case)
    return f"1-{first['check']}"


def test_a_case_shows_what_was_said_beside_what_is_held(office, desk):
    case = json.loads(desk.ask("review", "show", office.wrong_name, "--json"))
    assert (case["events_all"], case["events_open"], len(case["events"])) == (2, 2, 2)
    assert case["open"] and case["body"]["vaccine_group"] == "covid-19" and case["search"]["model"] == 1
    bearer, = case["alternatives"]
    assert bearer["bearer"] and bearer["candidate"] == 1 and .9 < bearer["posterior"] < .999
    name = fields(bearer)["full_name"]
    assert name == {"field": "full_name", "said": "Q*** T*** D***", "held": "V*** T*** H***", "differs": True,
                    "agrees": "differs", "bits": name["bits"], "reasons": "NAME_DIFFERS"} and name["bits"] < 0
    assert fields(bearer)["birth_date"]["held"] == "1955" and fields(bearer)["birth_date"]["differs"] is False
    assert f"dongbo review accept {office.wrong_name} --why TEXT" in case["next"]

    likely, bearer = json.loads(desk.ask("review", "show", office.taken, "--json"))["alternatives"]
    assert (likely["bearer"], bearer["bearer"], bearer["posterior"], bearer["candidate"]) == (False, True, None, None)
    assert not fields(likely)["full_name"]["differs"] and fields(bearer)["full_name"]["differs"]
    assert fields(bearer)["citizen_number"]["reasons"] == "ID_BIRTH_YEAR, PERSON_POSSIBLE"

    held, = bearer_of(case)["records"]
    assert held["same"] and held["key"] == "covid-19/1" and held["fields"]["lot_number"] == "A1"
    held, = likely["records"]
    assert not held["same"] and held["key"] == "covid-19/2" and bearer["records"] == []
    shown = desk.ask("review", "show", office.wrong_name)
    assert "holds in health already, what the event would change:\n" in shown
    assert re.search(r"\n    \*  lot_number +FF2832 +A1\n", shown) and re.search(r"\n       facility_code", shown)

    shown = desk.ask("review", "show", office.taken)
    assert "       covid-19/2: product_code EU/1/20/1528, lot_number A2, " in shown
    assert "    *  citizen_number" in shown
    assert f"review link {office.taken} --candidate {word_of(desk, office.taken)} " in shown
    again = case["events"][1]["position"]  # any event's position leads to its case
    assert f"case {office.wrong_name}  open" in desk.ask("review", "show", again)
    assert f"others at {again}\n" in desk.ask("review", "show", office.wrong_name)
    assert "there is no case" in desk.refused(1, "review", "show", 999999)
    assert "is no case" in desk.refused(2, "review", "show", "x")


def test_unmasking_is_noted_for_each_person(office, desk):
    seen = "SELECT citizen_masked FROM exchange.unmasking WHERE seen_by = 'lan' ORDER BY unmasking"
    masked = desk.ask("review", "show", office.taken) + desk.ask("review", "show", office.taken, "--json")
    assert office.cluster.rows(seen) == []
    shown = desk.ask("review", "show", office.taken, "--unmask")
    for person in (people.citizen(TAKEN), people.citizen(11)):
        for value in (person["citizen_number"], person["full_name"], person["birth_date"]):
            assert value in shown and value not in masked
    assert office.cluster.rows(seen) == [("001*******11",), ("001*******09",)]


def test_two_officers_do_not_work_on_one_case(office, desk, other):
    assert f"case {office.wrong_name} is yours" in desk.ask("review", "claim", office.wrong_name)
    shown = json.loads(desk.ask("review", "show", office.wrong_name, "--json"))
    assert f"is held by lan until {shown['claim']['until'][:19]}Z" in other.refused(1, "review", "claim",
                                                                                     office.wrong_name)
    assert '"x" is no case' in other.refused(2, "review", "claim", office.taken, "x")
    assert "--minutes is 1 to 1440" in other.refused(2, "review", "claim", office.taken, "--minutes", "9999")
    assert "is held by lan until" in other.refused(1, "review", "refuse", office.wrong_name, "--why", "x", "--no-wait")
    assert json.loads(other.ask("review", "next", "--json"))["case"] == office.no_number
    assert json.loads(other.ask("review", "next", "--json"))["case"] == office.taken
    assert "none is open and free" in desk.refused(1, "review", "next")
    assert [one["case"] for one in lines(desk.ask("review", "list", "--mine", "--json"))] == [office.wrong_name]
    assert "minh until" in desk.ask("review", "list")
    assert "(you) until" in desk.ask("review", "show", office.wrong_name)
    assert "not claimed by you" in desk.refused(1, "review", "release", office.taken, office.wrong_name)
    other.ask("review", "release", office.no_number, office.taken)
    assert len(lines(desk.ask("review", "list", "--unclaimed", "--json"))) == 3


def test_a_decision_waits_and_can_be_taken_back(office, desk, other):
    """While no broker runs."""
    office.exchange.broker.stop()
    assert "say --why" in desk.refused(2, "review", "accept", office.wrong_name)
    assert "say whose event it is" in desk.refused(2, "review", "link", office.taken, "--why", "x")
    link = ("review", "link", office.taken, "--why", "x", "--candidate")
    assert "has no candidate 7" in desk.refused(1, *link, "7-0000")
    assert "12 digits" in desk.refused(1, "review", "link", office.taken, "--to", "-", "--why", "x", given="12345\n")
    assert "there is no case 999999" in desk.refused(1, "review", "link", 999999, "--candidate", "1-0000", "--why", "x")
    stranger = people.citizen(12)["citizen_number"]
    told = desk.refused(1, "review", "link", office.taken, "--to", "-", "--why", "a slip", "--no-wait", given=stranger)
    assert "neither the name nor the birth date" in told and stranger not in told
    assert "there is no open case 999999" in desk.refused(1, "review", "refuse", 999999, "--why", "x")

    # Whoever came into the first place since is not whom the officer saw.
    word = word_of(desk, office.taken)
    slip = word[:-1] + ("0" if word[-1] != "0" else "1")
    assert "has no candidate" in desk.refused(1, *link, slip)
    assert "as in 1-7f3a" in desk.refused(2, *link, "1")
    told = desk.ask("review", "link", office.taken, "--candidate", word, "--why", "card seen: Phượng", "--no-wait")
    assert told == ("candidate 1 is 001*******09, T*** T*** P***, born 1959\n"
                    f"case {office.taken}: link waits for a broker\n")
    assert "(link waits)" in desk.ask("review", "list")
    told = desk.refused(1, "review", "refuse", office.no_number, "--why", "nobody", "--wait", "1")
    assert "who stops waiting here does not take it back" in told and "within 1 s" in told
    assert "has a decision that waits" in desk.refused(1, "review", "accept", office.taken, "--why", "x")
    shown = desk.ask("review", "show", office.taken)
    assert "link to 001*******09 by lan, waiting" in shown and "card seen" not in shown and "review withdraw" in shown
    assert "card seen: Phượng" in desk.ask("review", "show", office.taken, "--unmask")
    assert [one["case"] for one in lines(desk.ask("review", "list", "--unclaimed", "--json"))] == [office.wrong_name]

    assert "no decision" in desk.refused(1, "review", "withdraw", office.wrong_name)
    assert "that waits" in other.refused(1, "review", "withdraw", office.taken)
    for case in (office.taken, office.no_number):
        desk.ask("review", "withdraw", case)
        assert "withdrawn by lan" in desk.ask("review", "show", case)
        assert "says what came of the last one" in desk.refused(1, "review", "withdraw", case)
        desk.ask("review", "release", case)
    office.exchange.start_broker()


def test_the_queue_is_counted(office, desk):
    stats = json.loads(desk.ask("review", "stats", "--json"))
    assert (stats["cases"], stats["events"], stats["known"], stats["possible"]) == (3, 4, 0, 3)
    assert [(one["agency"], one["domain"], one["cases"]) for one in stats["open"]] == [("MOH", "health", 3)]
    assert stats["reasons"] == {"NAME_DIFFERS": 1, "ID_MISSING": 1, "ID_BIRTH_YEAR": 1,
                                "PERSON_POSSIBLE": 2}
    assert 0 <= stats["median_age_s"] <= stats["oldest_age_s"] < 3600
    by_lan, = [one for one in stats["decided"] if one["officer"] == "lan"]
    assert by_lan["failed"] == 2 and by_lan["accept"] == by_lan["link"] == by_lan["refuse"] == 0
    shown = desk.ask("review", "stats")
    assert "4 wait for an officer: dongbo review next" in desk.ask("status")
    assert "(dongbo review next)" in desk.ask("report")
    number = people.citizen(WRONG_NAME)["citizen_number"]
    assert f"to be decided: dongbo review show {office.wrong_name}\n" in desk.ask("citizen", "-", given=number + "\n")
    assert "3 open cases of 4 events" in shown and "PERSON_POSSIBLE  2" in shown
    assert json.loads(desk.ask("review", "stats", "--json", "--since", "2999-01-01"))["decided"] == []


def test_a_long_queue_is_not_read_for_its_first_page(database, tmp_path):
    """Of tables that were never counted, too."""
    database.rows("INSERT INTO exchange.agency (code, name, domains) VALUES ('MOH', 'x', '{2}'), ('VSS', 'x', '{2}')")
    database.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, verdict, "
                  "open, citizen_number, reasons, event, leaf, review_case) SELECT n, 's', n, 1 + (n > 29990)::int, "
                  "1 + mod(n / 3, 7), v, v, true, '', '', repeat('e', 1500)::bytea, '', n - mod(n, 3) "
                  "FROM (SELECT n, 4 + (n < 9000)::int AS v FROM generate_series(1, 30000) n) x")
    desk = Desk(database, tmp_path)
    read = ("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'exception'",
            "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'exception'",
            "SELECT sum(idx_blks_read + idx_blks_hit)::bigint FROM pg_statio_user_indexes WHERE relname = 'exception'")
    database.rows("SELECT pg_stat_force_next_flush()")
    for words, least in ((("list", "-n", "5"), 9000), (("list", "-n", "5", "--newest"), 30000),
                         (("list", "-n", "5", "--agency", "VSS"), 29991), (("list", "-n", "5", "--mine"), None),
                         (("list", "-n", "5", "--domain", "e_id", "--after", "20000"), 20007), (("next",), 9000)):
        before = [database.value(sql) for sql in read]
        shown = lines(desk.ask("review", *words, "--json"))
        assert [one["case"] for one in shown[:1]] == ([least] if least else []), words
        database.rows("SELECT pg_stat_force_next_flush()")
        after = [database.value(sql) for sql in read]
        assert all(now - was < 5000 for was, now in zip(before, after)), (words, before, after)


def test_few_cases_among_many_are_found_without_reading_the_others(database, tmp_path):
    """A reason is byte 103 of a verdict's fourth field: ID_SEX."""
    database.rows("INSERT INTO exchange.agency (code, name, domains) VALUES ('MOH', 'x', '{2}'), ('VSS', 'x', '{2}')")
    database.rows("INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, verdict, "
                  "open, citizen_number, reasons, event, leaf, review_case, reason_codes, likely_posterior) "
                  "SELECT n, 's', n, 1 + mod(n, 2), 2, 4, 4, true, '', CASE WHEN rare THEN '\\x22020867'::bytea "
                  "ELSE '' END, '', '', n, CASE WHEN rare THEN '{103}' ELSE '{}' END::smallint[], "
                  "500000 + 499999 * rare::int "
                  "FROM (SELECT n, n > 29000 AND mod(n, 100) = 0 AS rare FROM generate_series(1, 30000) n) x")
    database.rows("VACUUM exchange.exception")  # what everybody may see is not looked up in the table
    database.rows("SELECT pg_stat_force_next_flush()")
    desk = Desk(database, tmp_path)
    read = ("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'exception'",
            "SELECT sum(idx_blks_read + idx_blks_hit)::bigint FROM pg_statio_user_indexes WHERE relname = 'exception'")
    for words in (("--reason", "ID_SEX"), ("--likely", "--newest"),
                  ("--reason", "ID_SEX", "--likely", "--agency", "MOH")):
        before = [database.value(sql) for sql in read]
        shown = lines(desk.ask("review", "list", "--json", *words))
        assert sorted(one["case"] for one in shown) == list(range(29100, 30001, 100)), words
        database.rows("SELECT pg_stat_force_next_flush()")
        after = [database.value(sql) for sql in read]
        assert all(now - was < 1000 for was, now in zip(before, after)), (words, before, after)


def test_what_waits_by_itself_is_no_case_to_list_but_can_be_shown(office, desk):
    office.agent.drop("vaccinations", "early.csv", [people.dose_row(13, so_cccd="001163999999", ho_ten="Lý Sơn Tùng",
                                                                    ngay_sinh="1963-02-01")])
    office.agent.once()
    case, = (case for case, in office.cluster.rows("SELECT review_case FROM exchange.exception WHERE verdict = 5"))
    assert case not in [one["case"] for one in lines(desk.ask("review", "list", "--json"))]
    shown = desk.ask("review", "show", case)
    assert "nobody is known who may be meant" in shown and "decided by itself" in shown and "NOT_FOUND" in shown


def test_decisions_are_carried_out(office, desk, other):
    told = desk.ask("review", "accept", office.wrong_name, "--why", "named so since her wedding", "--next")
    done, _, shown = told.partition("\n\n")
    assert done.startswith(f"case {office.wrong_name}: accept done at position") and " ACCEPTED" in done
    assert shown.startswith(f"case {office.no_number}  open") and "claimed by lan (you)" in shown
    number = people.citizen(NO_NUMBER)["citizen_number"]
    assert "is held by lan" in other.refused(1, "review", "link", office.no_number, "--to", number, "--why", "x")
    assert "link done" in desk.ask("review", "link", office.no_number, "--candidate",
                                  word_of(desk, office.no_number), "--why", "found by her card")
    told = other.ask("review", "refuse", office.taken, "--why", "two persons in one row")
    assert told.startswith(f"case {office.taken}: refuse done") and "1 REJECTED" in told
    assert "none is open and free" in desk.refused(1, "review", "next")
    assert desk.ask("review", "list", "--json") == ""
    assert office.cluster.value("SELECT count(*) FROM exchange.review_claim") == 0

    shown = desk.ask("review", "show", office.no_number)
    assert f"case {office.no_number}  closed" in shown and "link to 001*******07 by lan, done at position" in shown
    assert "there is no open case" in desk.refused(1, "review", "accept", office.no_number, "--why", "x")
    stats = json.loads(desk.ask("review", "stats", "--json"))
    assert (stats["cases"], stats["events"], stats["oldest"], stats["median_age_s"]) == (0, 0, None, None)
    assert [(one["officer"], one["accept"], one["link"], one["refuse"], one["likely"], one["likely_chosen"])
            for one in stats["decided"]] == [("lan", 1, 1, 0, 2, 2), ("minh", 0, 0, 1, 1, 0)]
    assert stats["likely_person"] == {"decided": 3, "chosen": 2, "known_decided": 0, "known_chosen": 0}
    assert "2 of 2" in desk.ask("review", "stats")
