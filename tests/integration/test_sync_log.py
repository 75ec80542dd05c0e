# SPDX-License-Identifier: Apache-2.0
"""What operators see of a real run: the sync log from both ends and as it grows, a citizen's records, the report."""
import contextlib
import json
import re
import signal
import subprocess
import time

import pytest
from conftest import BUILD, POPULATION, ROOT, open_site, write_csv
from people import citizen, citizens, dose_row, registration

KNOWN, LATER = 40, 41  # citizens in the store; the number of one who comes later


@pytest.fixture(scope="module")
def run(template):
    """Forty doses, one under a wrong name, one with a wrong code, one of a citizen who comes later."""
    with open_site(template) as exchange:
        exchange.load_population(citizens(KNOWN))
        health = exchange.agency("MOH", "health", ["vaccinations"])
        centre = exchange.agency("NPC", "population", ["population"])
        exchange.start_broker()
        rows = [dose_row(n) for n in range(KNOWN)] + [dose_row(LATER)]
        rows[3]["ho_ten"] = "Nguyễn Văn Khác"
        rows[4]["ma_san_pham"] = "no such vaccine"
        health.drop("vaccinations", "a.csv", rows)
        health.once(expect=1)
        centre.drop("population", "p.csv", [registration(LATER, recorded_at="2022-03-02T08:00:00+07:00")])
        centre.once(expect=0)
        exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open AND verdict = 5", 0)
        yield exchange


def lines(run, *words):
    return [json.loads(line) for line in run.dongbo("log", "tail", "--json", *words).stdout.splitlines()]


def test_positions_have_no_gaps_and_every_line_has_what_scripts_rely_on(run):
    log = lines(run, "--since", "0")
    assert [line["position"] for line in log] == list(range(1, len(log) + 1))
    events = [line for line in log if line["kind"] == "event"]
    assert len(events) == KNOWN + 2 and len({line["event_id"] for line in events}) == KNOWN + 2
    for line in events:
        assert {"position", "time", "agency", "sequence", "event_id", "domain", "citizen", "verdict",
                "reasons"} <= line.keys()
        assert re.fullmatch(r"[0-9a-f]{32}", line["event_id"]) and line["verdict"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
        assert re.fullmatch(r"\d{3}\*{7}\d{2}", line["citizen"])
    assert {line["text"] for line in log if line["kind"] == "policy"} >= {"agency MOH added", "agency NPC added"}


def test_filters_leave_what_they_name_and_nothing_else(run):
    log = lines(run, "--since", "0")
    for words, keep in [(("--agency", "NPC"), lambda line: line["agency"] == "NPC"),
                        (("--domain", "health"), lambda line: line["domain"] == "health"),
                        (("--verdict", "MISMATCH"), lambda line: line["verdict"] == "MISMATCH"),
                        (("--domain", "health", "--verdict", "DEFERRED"),
                         lambda line: line["domain"] == "health" and line["verdict"] == "DEFERRED")]:
        expected = [line for line in log if keep(line)]
        assert expected and len(expected) < len(log)
        assert lines(run, "--since", "0", *words) == expected
        assert lines(run, "-n", "1000", *words) == expected  # from the other end
    [mismatch] = lines(run, "--verdict", "MISMATCH")
    assert mismatch["reasons"] == [{"code": "NAME_DIFFERS", "field": "subject.full_name"}]


def test_the_last_lines_and_the_lines_since(run):
    log = lines(run, "--since", "0")
    for n in (0, 1, 2, 7, len(log), len(log) + 5):
        assert lines(run, "-n", n) == log[len(log) - min(n, len(log)):]
    assert lines(run) == log[-20:]
    for position in (1, "+1", 2, 10, len(log), len(log) + 1):
        assert lines(run, "--since", position) == log[int(position) - 1:]
    assert lines(run, "--since", 5, "-n", 3) == log[4:7]
    moment = log[-1]["time"]
    since = lines(run, "--since", moment)
    assert since == [line for line in log if line["time"] >= moment] and since
    assert lines(run, "--since", "2999-01-01") == lines(run, "--since", "+2022") == []


def test_a_citizen_is_found_under_their_number_alone(run):
    number = citizen(LATER)["citizen_number"]
    found = lines(run, "--citizen", number)
    assert [(line["domain"], line["kind"], line["verdict"]) for line in found] == [
        ("health", "event", "DEFERRED"), ("population", "event", "ACCEPTED"), ("health", "decision", "ACCEPTED")]
    assert number not in json.dumps(found)
    shown = lines(run, "--citizen", number, "--unmask")
    assert {line["citizen"] for line in shown} == {number}
    noted = run.cluster.rows("SELECT what, seen_by FROM exchange.unmasking ORDER BY unmasking DESC LIMIT 1")
    assert noted == [("log tail", "dongbo_operator")]


def test_piped_columns_are_plain_and_masked(run):
    shown = run.dongbo("log", "tail", "--since", "0").stdout
    assert "\033" not in shown and citizen(0)["citizen_number"] not in shown
    assert "MISMATCH   NAME_DIFFERS subject.full_name\n" in shown and "ACCEPTED   (decided again)" in shown
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_a_terminal_gets_colour(run):
    command = [str(BUILD / "operators/dongbo"), "--config", str(run.config), "log", "tail", "-n", "3"]
    shown = subprocess.run(["script", "-qec", " ".join(command), "/dev/null"], capture_output=True, text=True,
                           timeout=60, stdin=subprocess.DEVNULL).stdout
    assert "\033[32mACCEPTED" in shown


def test_a_reader_sees_the_log_without_what_the_payload_holds(run, tmp_path):
    config = tmp_path / "reader.yaml"
    config.write_text(f'exchange: "{run.cluster.conninfo("dongbo_reader")}"\nschemas: "{ROOT}/schemas"\n')
    shown = run.run(BUILD / "operators/dongbo", "--config", config, "log", "tail", "--json", "--since", "0", check=True)
    theirs, ours = [json.loads(line) for line in shown.stdout.splitlines()], lines(run, "--since", "0")
    assert {line["event_id"] for line in theirs} == {None}
    assert [dict(line, event_id=None) for line in ours] == theirs


def test_a_citizens_records_say_who_told_us_and_when(run):
    shown = run.dongbo("citizen", citizen(0)["citizen_number"]).stdout
    assert re.search(r"\n  health  covid-19/1\n", shown)
    assert re.search(r"\n    product_code +EU/1/20/1528 +MOH +2021-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", shown)
    assert re.search(r"\n    positions +\d+ \(current\)\n", shown)
    assert citizen(0)["citizen_number"] not in shown and citizen(0)["full_name"] not in shown
    held = run.dongbo("citizen", citizen(3)["citizen_number"]).stdout
    assert "no records" in held and "MISMATCH  (open)" in held and "NAME_DIFFERS subject.full_name: " in held
    decided = run.dongbo("citizen", citizen(LATER)["citizen_number"]).stdout
    assert "DEFERRED, then ACCEPTED at position" in decided and "(open)" not in decided


def test_a_citizens_own_record_is_masked_unless_asked_for(run):
    person = citizen(LATER)
    shown = run.dongbo("citizen", person["citizen_number"]).stdout
    assert "\n  population" in shown and re.search(rf"\n    birth_date +{person['birth_date'][:4]} +NPC", shown)
    for value in (person["citizen_number"], person["full_name"], person["birth_date"]):
        assert value not in shown
        assert value in run.dongbo("citizen", "--unmask", person["citizen_number"]).stdout


def test_verifying_offline_says_what_the_exchange_said(run, tmp_path):
    population = write_csv(tmp_path / "p.csv", citizens(KNOWN), POPULATION)
    [events] = run.directory.rglob("a.csv")
    run.dongbo("verify", "--population", population, "--events", events, "--mapping",
               ROOT / "deploy/sample/mappings/vaccinations.yaml", "--agency", "MOH", "--out", tmp_path / "v.jsonl")
    answers = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text(encoding="utf-8").splitlines()]
    log = [line for line in lines(run, "--since", "0", "--agency", "MOH") if line["kind"] == "event"]
    assert [(line["verdict"], line["reasons"]) for line in log[:len(answers)]] == [
        (answer["verdict"], answer["reasons"]) for answer in answers]
    [[found]] = run.cluster.rows("SELECT candidates FROM exchange.exception WHERE verdict = 4 ORDER BY position")
    [mismatch] = [answer for answer in answers if answer["verdict"] == "MISMATCH"]
    assert [(match["citizen_number"], match["posterior"], match["bits"]) for match in found["matches"]] == [
        (match["citizen"], round(match["posterior"] * 1e6), round(match["bits"] * 1000))
        for match in mismatch["candidates"]]
    assert mismatch["candidates"][0]["citizen"] == citizen(3)["citizen_number"]


def test_the_report_counts_first_and_present_verdicts(run):
    report = json.loads(run.dongbo("report", "--json").stdout)
    health = report["domains"]["health"]
    assert report["events"] == KNOWN + 2 and report["decisions"] == 1
    assert health["first_by_verdict"] == {"ACCEPTED": KNOWN - 2, "MISMATCH": 1, "DEFERRED": 1, "REJECTED": 1}
    assert health["by_verdict"] == {"ACCEPTED": KNOWN - 1, "MISMATCH": 1, "REJECTED": 1}
    assert health["records"] == report["vaccinations"]["records"] == KNOWN - 1
    assert health["reasons"]["MISMATCH"] == {"NAME_DIFFERS": 1}
    assert report["vaccinations"]["by_verdict"] == health["by_verdict"]
    assert "NAME_DIFFERS 1" in run.dongbo("report").stdout


def test_quality_says_where_errors_come_from(run):
    report = json.loads(run.dongbo("report", "--quality", "--json").stdout)
    agencies = {(group["agency"], group["domain"]): group for group in report["agencies"]}
    health, centre = agencies["MOH", "health"], agencies["NPC", "population"]
    assert (health["events"], health["refused"], health["waiting"]) == (KNOWN + 1, 2, 0)
    assert health["share"] == round(2 / (KNOWN + 1), 4) and (centre["events"], centre["refused"]) == (1, 0)
    reasons = {(reason["code"], reason["field"]): reason for reason in health["reasons"]}
    assert reasons["NAME_DIFFERS", "subject.full_name"]["events"] == 1
    assert reasons["CODE_UNKNOWN", "product_code"]["events"] == 1
    assert all(reason["vi"] and reason["en"] for reason in health["reasons"])
    [facility] = [group for group in report["facilities"] if group["domain"] == "health"]
    [month] = [group for group in report["facility_months"] if group["domain"] == "health"]
    assert facility["facility"] == month["facility"] == "01-001"
    assert re.fullmatch(r"20\d\d-\d\d", month["month"]) and month["reasons"] == facility["reasons"] == health["reasons"]
    shown = run.dongbo("report", "--quality").stdout
    assert "MOH, health\n" in shown and re.search(r"\n  01-001 +41 +2 +4\.9 % +0 +", shown)
    assert json.loads(run.dongbo("report", "--quality", "--json", "--since", "2999-01-01").stdout)["agencies"] == []
    assert run.dongbo("report", "--quality", "--since", "then", check=False).returncode == 2
    assert run.dongbo("report", "--since", "2022-01-01", check=False).returncode == 2


def test_status_adds_up(run):
    status = json.loads(run.dongbo("status", "--json").stdout)
    assert status["head"] == len(lines(run, "--since", "0"))
    assert (status["events"], status["taken"], status["not_taken"]) == (KNOWN + 2, KNOWN, 2)
    assert [(stream["agency"], stream["last_sequence"]) for stream in status["streams"]] == [("MOH", KNOWN + 1),
                                                                                            ("NPC", 1)]
    assert [(one["verdict"], one["open"]) for one in status["exceptions"] if one["open"]] == [("MISMATCH", 1)]


def not_ignored():
    """An interruption, which a shell has its children in the background ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def following(run, *words, **streams):
    process = subprocess.Popen([BUILD / "operators/dongbo", "--config", run.config, "log", "tail", "-f", *words],
                               stdout=subprocess.PIPE, text=True, preexec_fn=not_ignored, **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_following_shows_new_lines_at_once_and_ends_with_its_reader(run):
    with following(run, "--json", "-n", "1") as process:
        last = json.loads(process.stdout.readline())
        begun = time.monotonic()
        run.dongbo("agency", "disable", "NPC")
        new = json.loads(process.stdout.readline())
        assert (new["position"], new["text"]) == (last["position"] + 1, "agency NPC disabled")
        assert time.monotonic() - begun < 20  # the notification, not the look of every 30 s
        process.stdout.close()
        run.dongbo("agency", "enable", "NPC")
        assert process.wait(20) <= 0


def test_following_goes_on_over_a_restart_and_learns_new_names(run):
    log = (run.directory / "follow.err").open("w")
    command = [BUILD / "operators/dongbo", "--config", run.config, "log", "tail", "-f", "--json", "-n", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout.readline()
        run.dongbo("agency", "disable", "NPC")
        before = json.loads(process.stdout.readline())
        run.cluster.stop()
        run.cluster.start()
        run.agency("NEW", "health", [])
        after = json.loads(process.stdout.readline())
        assert (after["position"], after["agency"], after["text"]) == (before["position"] + 1, "NEW",
                                                                       "agency NEW added")
        run.dongbo("agency", "enable", "NPC")
        assert json.loads(process.stdout.readline())["position"] == after["position"] + 1
    finally:
        process.kill()
        process.wait()
    assert "going on at position" in (run.directory / "follow.err").read_text()


@contextlib.contextmanager
def changed(run, first, column, value):
    """As somebody with root would; then it is put back."""
    was = run.cluster.value(f"SELECT {column} FROM exchange.segment WHERE first_position = %s", first)
    run.cluster.rows(f"UPDATE exchange.segment SET {column} = {value} WHERE first_position = %s", first)
    yield
    run.cluster.rows(f"UPDATE exchange.segment SET {column} = %s WHERE first_position = %s", was, first)


def newest(run):
    run.wait_in_force()
    return run.cluster.value("SELECT first_position FROM exchange.head")


@pytest.mark.parametrize("words, column, value, broken", [
    ((), "agency", "77", "leaf, changed since it was read"),
    (("--json",), "hash", "sha256(hash)", "hash, changed since it was read"),
    ((), "payload", "(SELECT payload FROM exchange.segment WHERE first_position = last_position "
                    "ORDER BY first_position LIMIT 1)", "entry")])
def test_following_says_at_once_what_was_changed(run, words, column, value, broken):
    first = newest(run)
    with following(run, "--verify", "-n", "1", *words) as process:
        assert any(str(first) in line for line in process.stdout)
        begun = time.monotonic()
        with changed(run, first, column, value):
            line = process.stdout.readline()
            assert time.monotonic() - begun < 10
            if words:
                told = json.loads(line)
                assert (told["position"], told["broken"]) == (first, broken) and len(told["is"]) == 64
            else:
                assert line.startswith(f"{first:10} BROKEN {broken}: is ") and ", should be " in line
        process.stdout.close()


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_a_break_that_was_told_is_the_answer_when_interrupted(run, interruption):
    first = newest(run)
    for column, answer in (("agency", 1), (None, -interruption)):
        with following(run, "--verify", "-n", "1") as process:
            assert any(str(first) in line for line in process.stdout)
            if column:
                with changed(run, first, column, "77"):
                    assert "BROKEN" in process.stdout.readline()
            process.send_signal(interruption)
            assert process.wait(20) == answer


def test_what_is_whole_is_shown_as_ever(run):
    since = newest(run)
    for words in (("--since", since), ("-n", "1"), ("--since", since, "--json")):
        assert run.dongbo("log", "tail", "--verify", *words).stdout == run.dongbo("log", "tail", *words).stdout
    with changed(run, since, "epoch", "epoch + 1"):
        done = run.dongbo("log", "tail", "--verify", "-n", "1", check=False)
        assert done.returncode == 1 and "BROKEN" in done.stdout


def test_following_says_where_the_chain_breaks_as_it_grows(run):
    """The broker goes on from what stands in the last row, whoever changed that."""
    first = newest(run)
    with following(run, "--verify", "--json", "-n", "1") as process:
        assert json.loads(process.stdout.readline())["position"] >= first
        with changed(run, first, "hash", "sha256(hash)"):
            assert json.loads(process.stdout.readline())["broken"].startswith("hash")
            run.dongbo("agency", "disable", "NPC")
            told, line = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
            assert (told["position"], told["broken"]) == (line["position"], "hash")
            assert line["text"].startswith("agency NPC disabled")
        process.stdout.close()
    run.dongbo("agency", "enable", "NPC")


LOST = "is missing, should be there, for nothing says that it was let go"


@contextlib.contextmanager
def all_payloads_gone(run):
    """As the database's owner would; then they are put back."""
    run.wait_in_force()
    run.cluster.rows("CREATE TABLE was AS SELECT first_position, payload, batch FROM exchange.segment")
    run.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL")
    yield
    run.cluster.rows("UPDATE exchange.segment s SET payload = was.payload, batch = was.batch FROM was "
                     "WHERE s.first_position = was.first_position")
    run.cluster.rows("DROP TABLE was")


def test_payloads_that_nobody_let_go_of(run):
    newest(run)
    segments = run.cluster.value("SELECT count(*) FROM exchange.segment")
    with all_payloads_gone(run):
        done = run.dongbo("log", "tail", "--verify", "--since", "1", check=False)
    assert done.returncode == 1 and done.stdout.count(f"BROKEN payload: {LOST}") == segments
    first = newest(run)
    with following(run, "--verify", "-n", "1") as process:
        assert any(line.startswith(f"{first:10} 20") for line in process.stdout)
        with all_payloads_gone(run):
            assert process.stdout.readline().endswith(f"BROKEN payload: {LOST}\n")
        process.stdout.close()


def test_payloads_that_were_let_go_of(run):
    """As far as an entry of the log says; the table alone, where its owner wrote into it, says nothing."""
    head = newest(run)
    with all_payloads_gone(run):
        run.cluster.rows("INSERT INTO exchange.trim (position) VALUES (%s)", head - 1)
        done = run.dongbo("log", "tail", "--verify", "--since", "1", check=False)
        assert done.returncode == 1 and " 1 BROKEN payload: " in done.stdout
        run.cluster.rows("INSERT INTO exchange.policy_change (text, position, logged_position) VALUES "
                         "('log trimmed up to position ' || %s || ' by nobody', 1, 1)", head - 1)
        done = run.dongbo("log", "tail", "--verify", "--since", "1", check=False)
        assert done.returncode == 1 and " 1 BROKEN payload: " not in done.stdout
        entries = "position up to which the log's entries say that it was trimmed"
        assert f" 1 BROKEN {entries}: is 0, should be {head - 1}" in done.stdout
        assert done.stdout.count(LOST) == 1  # the last one, which no trim takes
        run.cluster.rows("DELETE FROM exchange.policy_change WHERE text LIKE '%% by nobody'")
        run.cluster.rows("DELETE FROM exchange.trim")


def test_a_segment_that_cannot_be_read_is_a_break(run, tmp_path):
    first = newest(run)
    for change in ("disable", "enable"):
        run.dongbo("agency", change, "NPC")
    run.wait_in_force()
    damaged = "set_byte(summary, 0, get_byte(summary, 0) # 1)"
    with changed(run, first, "summary", damaged):
        for words in (("--verify", "--since", first), ("--since", first), ("--verify",), ()):
            done = run.dongbo("log", "tail", *words, check=False)
            assert done.returncode == 1, done.stderr
            [broken] = [line for line in done.stdout.splitlines() if line.startswith(f"{first:10} ")]
            assert "BROKEN segment: is unreadable (" in broken and "is damaged), should be as it was" in broken
            assert "agency NPC active" in done.stdout  # what comes behind is shown all the same
        path = tmp_path / "log.dlog"
        done = run.dongbo("log", "export", path, check=False)
        assert done.returncode == 1 and f"position {first} is damaged" in done.stderr and not path.exists()
    assert run.dongbo("log", "tail", "--verify", "--since", first).returncode == 0
    first = newest(run)
    with following(run, "--verify", "--since", f"{first + 1}") as process, changed(run, first, "summary", damaged):
        assert "POSITION" in process.stdout.readline()
        run.dongbo("agency", "disable", "NPC")
        assert "BROKEN" in process.stdout.readline()
        assert "agency NPC disabled" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
    run.dongbo("agency", "enable", "NPC")


def test_what_is_not_looked_at_again_is_said(run):
    told = run.dongbo("log", "tail", "--help").stdout
    assert "newest 64 segments again" in told and "Older ones are not looked at again" in told


def test_another_format_is_a_break(run):
    first = newest(run)
    with changed(run, first, "format", "77"):
        done = run.dongbo("log", "tail", "--verify", "-n", "1", check=False)
        assert done.returncode == 1 and "of format 77" in done.stdout


def test_following_without_old_lines(run):
    with following(run, "-n", "0") as process:
        assert "POSITION" in process.stdout.readline()
        run.dongbo("agency", "disable", "NPC")
        assert "agency NPC disabled" in process.stdout.readline()
        run.dongbo("agency", "enable", "NPC")
        process.stdout.close()


def test_a_long_reason_is_cut_between_characters(run):
    for shift in range(3):
        before = run.cluster.value("SELECT count(*) FROM exchange.epoch")
        told = run.dongbo("epoch", "new", "--reason", "x" * shift + "ệ" * 400).stdout
        assert run.cluster.value("SELECT count(*) FROM exchange.epoch") == before + 1
        epoch = run.cluster.value("SELECT max(epoch) FROM exchange.epoch")
        assert told == f"epoch {epoch} has begun: agents and committees may be started again\n"
        [line] = [line for line in lines(run, "-n", "3") if line["kind"] == "epoch"][-1:]
        assert line["text"].endswith("ệệ") and "x" * shift + "ệ" * 190 in line["text"]
