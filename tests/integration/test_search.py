# SPDX-License-Identifier: Apache-2.0
"""Events whose number does not lead to their person: who is probably meant is attached for the reviewer, and nothing
is accepted, or told to the agency, by that, unless the agency's policy says so and there is no doubt."""
import json
import random

import pytest

import people
import wire_peer
from conftest import ROOT, open_site
from desk import Desk
from people import bare, subject_of as subject

ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, DEFERRED, REJECTED = range(1, 7)
SURNAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương")
MIDDLES = ("Thị", "Văn", "Ngọc", "Minh", "Đức", "Thanh")
GIVEN = ("An", "Bình", "Cường", "Dũng", "Hà", "Hải", "Lan", "Minh", "Oanh", "Phượng", "Quý", "Thuỷ", "Yến", "Tâm")
MOTHER = "Lê Thị Mẫu Đơn"


def row(number, name, born, sex="male", province="01", mother=""):
    return {"citizen_number": number, "full_name": name, "birth_date": born, "sex": sex, "mother_name": mother,
            "father_name": "", "residence_province": province, "residence_province63": province}


def crowd(n):
    dice = random.Random(4)
    for i in range(n):
        sex = dice.choice(("male", "female"))
        year = dice.randrange(1940, 2000)
        name = f"{dice.choice(SURNAMES)} {dice.choice(MIDDLES)} {dice.choice(GIVEN)}"
        yield row(f"038{'1' if sex == 'female' else '0'}{year % 100:02d}{i:06d}", name,
                  f"{year}-{dice.randrange(1, 13):02d}-{dice.randrange(2, 29):02d}", sex,
                  dice.choice(("01", "79", "48")))


AN = row("001090123456", "Trịnh Xuân Ánh", "1990-05-12")
NEIGHBOUR = row("001090123457", "Quách Thành Danh", "1990-11-30")
TWIN_A = row("001195000001", "Mạc Thị Thuỷ Tiên", "1995-03-04", "female", mother=MOTHER)
TWIN_B = row("001195000002", "Mạc Thị Thuỷ Chi", "1995-03-04", "female", mother=MOTHER)
MAI = row("001192000007", "Phùng Thị Mai Hoa", "1992-07-08", "female", mother="Ngô Thị Xuân")
HOMONYMS = [row(f"00108800010{n}", "Tạ Quang Bửu", "1988-08-09") for n in range(2)]
COMMON = [row(f"0010770010{n:02d}", "Nguyễn Văn Hùng", "1977-07-07") for n in range(60)]


# Of the province's own office more is taken on trust than of the ministry.
SEARCH_POLICY = """default: {number_missing: review, number_malformed: review}
agencies:
  - {agency: CDC, number_missing: accept, number_malformed: accept}
"""
NAME_POLICY = """default: {accents_lost: review, middle: review, order: review, spaces: review, spelling: review}
agencies:
  - {agency: CDC, accents_lost: accept}
"""


class Office:
    def __init__(self, exchange):
        self.exchange, self.cluster = exchange, exchange.cluster
        exchange.own_rules({"search.yaml": SEARCH_POLICY, "names.yaml": NAME_POLICY})
        for code in ("MOH", "CDC"):
            exchange.agency(code, "health", [])
        exchange.load_population([*crowd(3000), AN, MAI, NEIGHBOUR, TWIN_A, TWIN_B, *HOMONYMS, *COMMON])
        exchange.start_broker()
        self.peer, self.trusted = (wire_peer.Peer(exchange.publish, f"{exchange.directory}/{name}.keys",
                                                  f"{exchange.directory}/broker.keys.pub")
                                   for name in ("moh", "cdc"))
        self.peer.hello()
        self.trusted.hello()
        self.n = 0

    def doses(self, agency, subjects):
        return [people.dose(0, number=1 + n % 9, key=f"{agency}-{n}", agency=agency, about=about)
                for n, about in enumerate(subjects, 1)]

    def trust(self, *subjects):
        """As say(), by the office whose events may be taken without a number."""
        first = self.trusted.next
        kind, body = self.trusted.publish(self.doses(f"CDC-{first}", subjects))
        assert kind == wire_peer.RECEIPT
        return self.decided(body, first, len(subjects))

    def say(self, *subjects):
        """Each of these as a vaccination of its own; what was decided, in order."""
        doses = []
        for about in subjects:
            self.n += 1
            doses.append(people.dose(0, key=f"row-{self.n}", about=about))
        first = self.n - len(subjects) + 1
        kind, body = self.peer.publish(doses)
        assert kind == wire_peer.RECEIPT
        return self.decided(body, first, len(subjects))

    @staticmethod
    def decided(body, first, n):
        assert all(not reason.expected for v in body.verdicts for reason in v.reasons)
        told = wire_peer.said(body)
        return [told.get(i, (ACCEPTED, [])) for i in range(first, first + n)]

    def attached_bits(self, about):
        """What is attached to this, said by the office."""
        first = self.trusted.next
        self.trust(about)
        return self.cluster.value("SELECT candidates FROM exchange.exception JOIN exchange.agency USING (agency) "
                                  "WHERE code = 'CDC' AND sequence = %s", first)

    def attached(self, nth):
        """(number of the likeliest person, posterior, all) of the exception of this test's n-th event."""
        rows = self.cluster.rows(
            "SELECT (SELECT citizen_number FROM population.citizen c WHERE c.person = e.likely_person), "
            "likely_posterior, candidates FROM exchange.exception e JOIN exchange.agency a USING (agency) "
            "WHERE a.code = 'MOH' AND sequence = %s", self.before + nth)
        return rows[0]


@pytest.fixture(scope="module")
def shared(template):
    with open_site(template) as exchange:
        made = Office(exchange)
        yield made
        made.peer.close()
        made.trusted.close()


@pytest.fixture
def office(shared):
    shared.before = shared.n
    return shared


def test_the_right_person_is_attached_and_nothing_accepted(office):
    said = office.say(
        subject(AN, citizen_number=""), subject(AN, citizen_number="123456789"),
        subject(AN, citizen_number="001090123486"), subject(AN, citizen_number=NEIGHBOUR["citizen_number"]),
        subject(AN, citizen_number="0010901234567"), subject(AN, citizen_number="", full_name="TRINH XUAN ANH"),
        subject(AN, citizen_number="", birth_date="1990-12-05"),
        subject(AN, citizen_number="", full_name="Ánh Xuân Trịnh"))
    assert [verdict for verdict, _ in said] == [MISMATCH] * 8
    assert [reasons for _, reasons in said[:5]] == [
        ["ID_MISSING", "PERSON_KNOWN"], ["ID_FORMAT", "PERSON_KNOWN"], ["NOT_FOUND", "PERSON_KNOWN"],
        ["NAME_DIFFERS", "BIRTH_DATE_DIFFERS", "PERSON_KNOWN"], ["ID_FORMAT", "PERSON_KNOWN"]]
    for nth in range(1, 9):
        number, posterior, candidates = office.attached(nth)
        assert number == AN["citizen_number"] and posterior >= (999000 if nth <= 5 else 980000), (nth, candidates)
        assert AN["full_name"] not in json.dumps(candidates, ensure_ascii=False)
    assert office.cluster.value("SELECT count(*) FROM exchange.exception WHERE person IS NOT NULL") == 0


def test_each_key_leads_to_whom_no_other_does(office):
    """A slip in the given name, or in the year: what is left leads to her."""
    mother = {"mother_name": MAI["mother_name"]}
    office.say(subject(MAI, citizen_number="", full_name="Phùng Thị Mai Hao", **mother),
               subject(MAI, citizen_number="", full_name="Phùng Thị Mai Hao", residence_province="01"),
               subject(MAI, citizen_number="", birth_date="1991-07-08", residence_province="01", **mother))
    assert [office.attached(n)[0] for n in (1, 2, 3)] == [MAI["citizen_number"]] * 3


def test_the_right_number_with_a_wrong_field_says_nothing_more(office):
    assert office.say(subject(AN, full_name="Lý Hải Yến"), subject(AN, birth_date="1990-05-21")) == [
        (MISMATCH, ["NAME_DIFFERS"]), (MISMATCH, ["BIRTH_DATE_DIFFERS"])]
    assert [office.attached(n)[0] for n in (1, 2)] == [AN["citizen_number"]] * 2


def test_nobody_stays_nobody(office):
    """An absent number of somebody the store does not know waits for them."""
    assert office.say(subject(AN, citizen_number="001090999999", full_name="Châu Ngọc Diễm", sex="female",
                              birth_date="2021-01-05")) == [(MISMATCH, ["ID_SEX", "ID_BIRTH_YEAR"])]
    unknown = subject(AN, citizen_number="001190999999", full_name="Châu Ngọc Diễm", sex="female")
    assert office.say(unknown) == [(DEFERRED, ["NOT_FOUND"])]
    assert office.attached(2)[0] is None
    # A number that is not like theirs speaks against whoever has the same name and birth date: it may be another.
    assert office.say(subject(AN, citizen_number="079090999999")) == [(DEFERRED, ["NOT_FOUND"])]
    number, posterior, _ = office.attached(3)
    assert number == AN["citizen_number"] and 900000 < posterior < 999000


def test_twins_and_homonyms(office):
    """The other twin is another person; of two with all the same nobody can tell."""
    told = office.say(subject(TWIN_A, citizen_number="", mother_name=MOTHER),
                      subject(HOMONYMS[0], citizen_number=""), subject(HOMONYMS[0], citizen_number="001088999999"))
    assert told == [(MISMATCH, ["ID_MISSING", "PERSON_KNOWN"]),
                    (MISMATCH, ["ID_MISSING", "PERSON_POSSIBLE"]), (DEFERRED, ["NOT_FOUND"])]
    assert office.attached(1)[0] == TWIN_A["citizen_number"]
    _, posterior, candidates = office.attached(2)
    assert {match["citizen_number"] for match in candidates["matches"]} == {one["citizen_number"] for one in HOMONYMS}
    assert len({match["posterior"] for match in candidates["matches"]}) == 1 and posterior <= 500000


def test_a_block_that_is_too_large_is_said_to_be(office):
    assert office.say(subject(COMMON[0], citizen_number="")) == [
        (MISMATCH, ["ID_MISSING", "PERSON_TOO_COMMON"])]
    assert office.attached(1)[2]["too_large"] is True


def test_the_ordinary_path_asks_nothing_more(office):
    """Only a batch with such an event looks for candidates, and for all of them at once."""
    asked = "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_user_functions WHERE funcname = 'find'"
    office.cluster.rows("ALTER SYSTEM SET track_functions = 'all'")
    office.cluster.rows("SELECT pg_reload_conf()")
    office.exchange.wait_until("SELECT setting FROM pg_settings WHERE name = 'track_functions'", "all")
    was = office.cluster.value(asked)
    told = office.say(*[subject(one) for one in crowd(40)])
    assert all(verdict == ACCEPTED for verdict, _ in told)
    office.say(subject(AN, citizen_number=""), subject(TWIN_A, citizen_number="1"))
    office.exchange.wait_until(asked, was + 1)


def test_the_same_question_has_the_same_answer(office):
    about = [subject(AN, citizen_number=""), subject(HOMONYMS[1], citizen_number="001088999999")]
    office.say(*about)
    office.say(*about)
    rows = office.cluster.rows("SELECT candidates::text FROM exchange.exception WHERE sequence > %s ORDER BY sequence",
                               office.before)
    assert len(rows) == 4 and rows[:2] == rows[2:]


def test_operators_see_whom_masked(office, tmp_path):
    office.say(subject(AN, citizen_number="123456789"))
    desk = Desk(office.cluster, tmp_path)
    shown = desk.ask("citizen", AN["citizen_number"])
    assert "probably about this citizen" in shown and AN["full_name"] not in shown
    rows = office.cluster.rows("SELECT likely_posterior FROM exchange.exception WHERE open AND verdict = 4")
    known = sum(posterior is not None and posterior >= 999000 for posterior, in rows)
    assert json.loads(desk.ask("report", "--json"))["likely"] == {
        "mismatches": len(rows), "known": known, "possible": sum(posterior is not None for posterior, in rows) - known}
    assert f"{len(rows)} mismatches wait for a reviewer: of {known} the person" in desk.ask("report")


def test_an_agencys_policy_accepts_what_is_beyond_doubt(office):
    """The record is the person's, and nothing else of them is told. What has a number is not accepted by a search."""
    assert office.trust(
        subject(AN, citizen_number=""), subject(AN, citizen_number="00109012345"),
        subject(AN, citizen_number="123456789", full_name="TRINH XUAN ANH"),
        subject(AN, citizen_number="", full_name="Trịnh Xuân Ảnh"),             # a brother, perhaps
        subject(AN, citizen_number="", birth_date="1990-12-05"),
        subject(AN, citizen_number="001090123486"), subject(AN, citizen_number=NEIGHBOUR["citizen_number"]),
        subject(AN, citizen_number="079.090.999.999"),                          # a number with dots in it
        subject(HOMONYMS[0], citizen_number="")) == [
            (ACCEPTED, ["ID_MISSING", "PERSON_FOUND"]), (ACCEPTED, ["ID_FORMAT", "PERSON_FOUND"]),
            (ACCEPTED, ["ID_FORMAT", "PERSON_FOUND", "NAME_ACCENTS_LOST"]),
            (MISMATCH, ["ID_MISSING", "PERSON_POSSIBLE"]),
            (MISMATCH, ["ID_MISSING", "PERSON_POSSIBLE"]),
            (MISMATCH, ["NOT_FOUND", "PERSON_KNOWN"]),
            (MISMATCH, ["NAME_DIFFERS", "BIRTH_DATE_DIFFERS", "PERSON_KNOWN"]),
            (MISMATCH, ["ID_FORMAT", "PERSON_POSSIBLE"]), (MISMATCH, ["ID_MISSING", "PERSON_POSSIBLE"])]
    persons = office.cluster.rows("SELECT DISTINCT citizen_number FROM exchange.record_version v "
                                  "JOIN population.citizen c USING (person) JOIN exchange.segment s "
                                  "ON v.position BETWEEN s.first_position AND s.last_position "
                                  "JOIN exchange.agency a USING (agency) WHERE a.code = 'CDC'")
    assert persons == [(AN["citizen_number"],)]
    shown = office.exchange.dongbo("citizen", AN["citizen_number"]).stdout
    assert shown.count("CDC") >= 3
    line = [line for line in office.exchange.log("--agency", "CDC") if line["kind"] == "event"][0]
    assert line["verdict"] == "ACCEPTED" and line["citizen"] == "001*******56"
    # A batch that holds more than it was signed for is stored as it came, and read by nobody.
    kind, body = office.trusted.publish(office.doses("CDC-", [subject(AN)]),
                                        damage=lambda sealed: sealed.events.extend([b""] * 120000))
    assert wire_peer.said(body) == {office.trusted.next - 1: (REJECTED, ["BATCH_UNREADABLE"])}
    # The shipped rules, tried on what came: they would have a person look at those three.
    tried = json.loads(office.exchange.dongbo("rules", "try", "--json", ROOT / "schemas").stdout)
    assert tried["unreadable_batches"] == 1
    assert tried["would_change"] == 0  # the operators' own configuration holds the shipped rules
    tried = json.loads(office.exchange.dongbo("rules", "try", "--json", office.exchange.directory / "schemas").stdout)
    assert sum(d["events"] for d in tried["differences"]
               if (d["agency"], d["verdict"], d["would_be"]) == ("CDC", "MISMATCH", "ACCEPTED")) == 3


def test_a_namesake_who_comes_meanwhile_is_seen_under_the_lock(office):
    """There was one such person when the event was read, and there are two when it is stored."""
    exchange, name = office.exchange, "Khúc Thừa Dụ"
    one = [row(f"00108500099{n}", name, "1985-02-03") for n in (1, 2)]
    exchange.load_population(one[:1])
    assert office.trust(subject(one[0], citizen_number=""))[0][0] == ACCEPTED
    first = office.trusted.next
    sealed = office.trusted.seal(office.doses(f"CDC-{first}", [subject(one[0], citizen_number="")]))
    with exchange.cluster.holding("SELECT exchange.lock_log()"):
        office.trusted.send_batch(sealed)
        exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                            "AND wait_event = 'relation'", 1)
        exchange.load_population(one[1:])
    kind, body = office.trusted.answer()
    assert kind == wire_peer.RECEIPT
    assert office.decided(body, first, 1) == [(MISMATCH, ["ID_MISSING", "PERSON_POSSIBLE"])]


def test_a_long_search_under_the_lock_is_no_idleness(office):
    """A batch that is looked for again may take longer than a writer may be idle in its transaction."""
    exchange, held = office.exchange, dict(row("001085000995", "Khúc Hạo", "1985-04-05"))
    exchange.load_population([held])
    find = office.cluster.value("SELECT pg_get_functiondef('population.find'::regproc)")
    slow = find.replace("BEGIN\n", "BEGIN\n PERFORM pg_sleep(.021 * cardinality(numbers)) "
                                   "WHERE current_setting('application_name') = 'dongbo writer';\n", 1)
    assert slow != find
    first = office.trusted.next
    sealed = office.trusted.seal(office.doses(f"CDC-{first}", [subject(held, citizen_number="")] * 260))
    office.cluster.rows(slow)
    with office.cluster.holding("SELECT exchange.lock_log()"):
        office.trusted.send_batch(sealed)
        exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                            "AND wait_event = 'relation'", 1)
        exchange.load_population([row("001085000996", "Dương Đình Nghệ", "1985-04-06")])
    kind, body = office.trusted.answer()
    office.cluster.rows(find)
    assert kind == wire_peer.RECEIPT
    assert {reasons[-1] for _, reasons in office.decided(body, first, 260)} == {"PERSON_FOUND"}


def test_what_candidates_have_is_counted_as_the_model_has_it(office):
    """However many events and candidates of a call have a value; what the model does not hold is no count."""
    rows, wrong, none = office.cluster.rows("""
        WITH said AS (SELECT array_agg(name_folded ORDER BY person) names, array_agg(birth_date ORDER BY person) births,
                             array_agg(residence_province ORDER BY person) provinces,
                             array_agg(sex ORDER BY person) sexes, array_agg(''::text) nothing
                      FROM population.citizen WHERE mod(person, 5) = 0)
        SELECT count(*), count(*) FILTER (WHERE
                   to_jsonb(ARRAY[n_name, n_said, n_given, n_birth, n_year, n_province, n_mother, n_father]) <>
                   jsonb_build_array(c.n->('name/' || p.name_folded), c.n->('name/' || names[place]),
                    c.n->('given/' || split_part(p.name_folded, ' ', -1)), c.n->('birth/' || p.birth_date),
                    c.n->('year/' || left(p.birth_date, 4)), c.n->('province/' || p.residence_province),
                    c.n->('mother/' || p.mother_name), c.n->('father/' || p.father_name))),
               count(*) FILTER (WHERE n_name IS NULL)
        FROM said CROSS JOIN population.find(nothing, names, births, nothing, sexes, provinces, nothing, 50, '{}', '{}')
        LEFT JOIN population.citizen p USING (person)
        CROSS JOIN (SELECT jsonb_object_agg(kind || '/' || value, n) n FROM population.model_count) c
        """)[0]
    assert wrong == 0 and 0 < none < rows and rows > 600


def test_weights_are_learnt_from_an_agencys_own_events(office):
    """By what its numbers' bearers agree in otherwise; the same again is no new model; brokers take it up at once."""
    exchange = office.exchange
    assert "nothing was learnt yet" in exchange.dongbo("model", "list").stdout
    some = [one for one in crowd(400) if one["birth_date"][5:7] != one["birth_date"][8:]][:90]
    said = [subject(one, full_name=bare(one["full_name"])) for one in some[:60]]
    office.trust(*said, *(subject(one) for one in some[60:80]), *(
        subject(one, birth_date="1930-03-03") for one in some[80:]), *said)  # said twice, and counted once
    shipped = office.attached_bits(subject(AN, citizen_number="001090999999", full_name="TRINH XUAN ANH"))
    learnt = exchange.dongbo("model", "learn").stdout
    assert learnt.startswith("model 1: ")
    lines = exchange.dongbo("model", "show").stdout.splitlines()
    counts = {line.rsplit(" ", 2)[0]: int(line.rsplit(" ", 2)[1]) for line in lines[1:]}
    assert lines[0] == "dongbo weights 4" and 60 <= counts['CDC full_name "accents"'] < 70
    assert 20 <= counts['CDC full_name "exact"'] < 30 and counts['CDC birth_date "differs"'] == 10
    assert exchange.dongbo("model", "learn").stdout.startswith("model 1 stands")
    assert exchange.dongbo("model", "show", "1").stdout.splitlines() == lines
    exchange.wait_until("SELECT count(*) FROM exchange.policy_change WHERE starts_with(text, 'model 1 of weights') "
                        "AND logged_position IS NOT NULL", 1)
    now = office.attached_bits(subject(AN, citizen_number="001090999999", full_name="TRINH XUAN ANH"))
    assert (shipped["learnt"], now["learnt"]) == (0, 1)
    before, after = (found["matches"][0] for found in (shipped, now))
    assert after["fields"]["full_name"]["bits"] > before["fields"]["full_name"]["bits"] + 1000
    assert before["bits"] < after["bits"] <= before["bits"] + 1000
    # And back again.
    assert exchange.dongbo("model", "learn", "--shipped").stdout == "model 2: 0 weights from 0 events\n"
    exchange.wait_until("SELECT count(*) FROM exchange.policy_change WHERE starts_with(text, 'model 2 of weights') "
                        "AND logged_position IS NOT NULL", 1)
    back = office.attached_bits(subject(AN, citizen_number="001090999999", full_name="TRINH XUAN ANH"))
    assert back["matches"] == shipped["matches"] and back["learnt"] == 0
    # What was altered afterwards is not believed to have been learnt.
    exchange.cluster.rows("UPDATE exchange.weight SET bits = 0 WHERE model = 1 AND field = 0 AND level = 2")
    assert "SHA-256 differs" in exchange.dongbo("model", "show", "1", check=False).stderr


def test_who_is_meant_is_looked_for_again_when_nobody_came(office):
    """Waiting is over: a reviewer gets the event, and whom it may be about."""
    assert office.say(subject(HOMONYMS[0], citizen_number="001088777777")) == [(DEFERRED, ["NOT_FOUND"])]
    office.exchange.broker.stop()
    office.cluster.rows("UPDATE exchange.exception SET at = now() - interval '400 days', candidates = NULL, "
                        "likely_person = NULL, likely_posterior = NULL WHERE sequence = %s", office.n)
    office.exchange.start_broker()
    office.exchange.wait_until(f"SELECT verdict FROM exchange.exception WHERE sequence = {office.n}", MISMATCH)
    number, posterior, candidates = office.attached(1)
    assert number in (one["citizen_number"] for one in HOMONYMS) and 20000 <= posterior <= 500000
    assert len(candidates["matches"]) == 2
    listed = office.exchange.dongbo("review", "list", "--json", "--reason", "PERSON_POSSIBLE").stdout
    assert json.loads(listed.splitlines()[-1])["reasons"][0]["code"] == "NOT_FOUND"
    shown = office.exchange.dongbo("citizen", HOMONYMS[0]["citizen_number"]).stdout
    assert "PERSON_POSSIBLE" in shown and "probably about this citizen" in shown
