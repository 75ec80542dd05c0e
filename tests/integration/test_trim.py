# SPDX-License-Identifier: Apache-2.0
"""Trimming the log: what goes and what stays, and what is said to whoever asks for what is gone."""
import json
import re
import subprocess

import psycopg2
import pytest

import logbook
import people
import wire
from conftest import ROOT, operators_config
from test_erasure import declare_trim
from test_snapshot import filler
from test_sync_log import all_payloads_gone, following

FIELDS = "citizen_number,health.vaccine_group,health.dose_number"
BATCHES = 280   # of one event; the newest 256 segments of a stream stay
GONE = BATCHES - 256


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, BATCHES + 10, FIELDS) as peer:
        yield peer


def fill(exchange, health):
    """Batches of one event each, stored two years ago but for the last two; where the kept ones begin."""
    first = [health.publish([people.dose(n)]).body.first_position for n in range(BATCHES)]
    exchange.wait_in_force()
    exchange.cluster.rows(f"UPDATE exchange.segment SET stored_at_us = stored_at_us - 730 * 86400000000 "
                          f"WHERE first_position < {first[-2]}")
    return first


def trim(exchange, *words, check=True):
    return exchange.dongbo("log", "trim", *words, check=check)


def payloads(exchange):
    return [row[0] for row in exchange.cluster.rows(
        "SELECT first_position FROM exchange.segment WHERE payload IS NOT NULL AND (kind <> 1 OR batch IS NOT NULL) "
        "ORDER BY 1")]


def test_what_goes_and_what_stays(exchange, health):
    # An event that waits for an officer is in the oldest batch of all.
    about = people.subject(5, full_name="Somebody Else", birth_date="1911-01-01")
    waiting = health.publish([people.dose(5, 9, about=about)]).body.first_position
    first = fill(exchange, health)
    receiver = exchange.receivers["hn"]
    refused = trim(exchange, "--older-than", "400d", check=False)
    assert refused.returncode == 2 and "hn has up to 0" in refused.stderr and exchange.cluster.value(
        "SELECT count(*) FROM exchange.trim") == 0
    receiver.until_head()
    chain = exchange.cluster.rows("SELECT first_position, hash, summary FROM exchange.segment ORDER BY 1")
    before = payloads(exchange)
    dry = trim(exchange, "--older-than", "400d", "--dry-run").stdout
    limit = int(re.search(r"up to position (\d+)", dry).group(1))
    assert limit == first[-2] - 1 and payloads(exchange) == before
    done = trim(exchange, "--older-than", "400d").stdout
    assert f"kept from position {limit + 1} on" in done
    counted = re.search(r": (\d+ segments with \d+ bytes); nothing was done", dry).group(1)
    assert f": {counted};" in done, "a dry run counts what goes, and not what stays"

    kept = payloads(exchange)
    assert waiting in kept and set(before) - set(kept) >= set(first[:GONE - 1])
    assert [position for position in before if position >= first[GONE]] == [
        position for position in kept if first[GONE] <= position <= before[-1]]
    after = exchange.cluster.rows("SELECT first_position, hash, summary FROM exchange.segment ORDER BY 1")
    assert after[:len(chain)] == chain
    exchange.cluster.rows(f"UPDATE exchange.segment SET stored_at_us = stored_at_us + 730 * 86400000000 "
                          f"WHERE first_position < {first[-2]}")  # as it was: hashes are of the time, too
    logbook.Logbook(exchange.cluster).check_chain()
    exchange.wait_in_force()
    held = exchange.dongbo("log", "tail", "--verify", "--since", 1)  # what was let go of by an entry is no break
    assert held.returncode == 0 and "BROKEN" not in held.stdout
    # Who did it stands in the log; again, nothing more goes; the timer's next night is no error.
    exchange.wait_in_force()
    text = exchange.dongbo("log", "tail", "-n", "1").stdout
    assert f"log trimmed up to position {limit} (older than 400d) by dongbo_operator" in text
    assert ": 0 segments with 0 bytes" in trim(exchange, "--older-than", "400d").stdout
    # The event that waited is decided all the same, and what an agent sends again is answered as before.
    [case] = exchange.dongbo("review", "list", "--json").stdout.splitlines()
    exchange.dongbo("review", "accept", str(json.loads(case)["case"]), "--why", "seen")
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 0)


def test_who_asks_for_what_is_gone(exchange, health):
    first = fill(exchange, health)
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    trim(exchange, "--older-than", "400d")
    limit = first[-2] - 1
    exchange.wait_in_force()
    with wire.subscriber(exchange, "hn") as peer:
        for where in ({"from_start": True}, {"from_position": limit - 1}, {"from_time_us": 1}):
            peer.say_hello(**where)
            said = peer.expect_error("POSITION_GONE").text
            assert f"begins with {limit + 1}" in said and "receive --from snapshot" in said
        peer.hello(from_position=limit)
        peer.take_all(first[-1])
        assert [record.position for record in peer.records] == first[-2:]
    receiver.config.write_text(receiver.config.read_text().replace("received-hn", "again"))
    done = exchange.run(*receiver.command("--until-head", "--timeout", 20))
    assert done.returncode == 1 and f"begins with {limit + 1}" in done.stderr


def test_a_reader_that_is_passed_is_told(exchange, health):
    with wire.subscriber(exchange, "hn") as peer:
        peer.hello()
        first = fill(exchange, health)
        trim(exchange, "--keep-bytes", "1K", "--past-subscriptions")
        said = peer.expect_error("POSITION_GONE").text
        assert int(re.search(r"begins with (\d+)", said).group(1)) > first[-10]
        health.publish([people.dose(BATCHES + 1)])
    assert "past subscriptions" in exchange.dongbo("log", "tail", "-n", "3").stdout


def test_commands_say_that_it_is_gone(exchange, health):
    fill(exchange, health)
    exchange.receivers["hn"].until_head()
    number = people.citizen(0)["citizen_number"]
    assert "was trimmed" not in exchange.dongbo("log", "tail", "--citizen", number).stderr
    trim(exchange, "--older-than", "400d")
    note = "was trimmed up to position"
    for words in (("log", "tail", "--citizen", number), ("log", "tail", "--since", "1", "--unmask"),
                  ("rules", "try", ROOT / "schemas"), ("model", "learn"), ("report", "--quality"),
                  ("subscription", "preview", "hn")):
        assert note in exchange.dongbo(*words).stderr, words
    shown = exchange.dongbo("citizen", number)
    assert number[:3] in shown.stdout
    assert note not in exchange.dongbo("log", "tail", "-n", "2", "--unmask").stderr


def test_nobody_trims_unseen(exchange, health):
    """By plain psql: with an entry that says so, under the log's lock, or not at all."""
    first = fill(exchange, health)
    told = ("SELECT exchange.lock_log(); INSERT INTO exchange.policy_change (text, position) VALUES "
            "('log trimmed up to position {} by hand', exchange.next_position()); ")
    declare = "INSERT INTO exchange.trim (position) VALUES ({}); "
    for sql in (declare.format(first[5]), told.format(f"{first[5]}0") + declare.format(first[5]),
                told.format(first[-1]) + declare.format(first[-1]), told.format(10 ** 9) + declare.format(10 ** 9)):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            exchange.cluster.rows(sql + "SELECT 1", user="dongbo_administrator")
    assert exchange.cluster.value("SELECT count(*) FROM exchange.trim") == 0
    assert len(payloads(exchange)) == exchange.cluster.value("SELECT count(*) FROM exchange.segment")
    exchange.cluster.rows(told.format(first[5]) + declare.format(first[5]) + "SELECT 1", user="dongbo_administrator")
    exchange.wait_in_force()
    assert "log trimmed up to position" in exchange.dongbo("log", "tail", "-n", "2").stdout


def verify(exchange, code, *files):
    """Exit code and answer of `log verify`; of one file, made now, where none is given."""
    path = exchange.directory / "log.dlog"
    if not files:
        exchange.dongbo("log", "export", "--payloads", path)
        assert exchange.dongbo("log", "tail", "--verify", "--since", 1, check=False).returncode == code
    done = exchange.dongbo("log", "verify", "--json", *files or [path], check=False)
    assert done.returncode == code, done.stdout
    return json.loads(done.stdout)


def test_what_no_entry_tells_is_not_whole(exchange, health):
    """The database's owner takes content away, and says so where nobody reads it, or where nothing is."""
    first = [health.publish([people.dose(n)]).body.first_position for n in range(3)]
    owner, told = exchange.cluster.rows, f"log trimmed up to position {first[1]}"
    assert verify(exchange, 0)["whole"]
    owner("UPDATE exchange.segment SET payload = NULL, batch = NULL WHERE first_position = %s", first[1])
    owner("INSERT INTO exchange.trim (position) VALUES (%s)", first[1])
    [broken] = verify(exchange, 1)["breaks"]
    assert (broken["position"], broken["what"], broken["is"]) == (first[1], "payload", "missing")
    exchange.broker.stop()
    owner("INSERT INTO exchange.policy_change (text, position, logged_position) VALUES (%s, 1, 1000000000)", told)
    said = verify(exchange, 1)
    [broken] = said["breaks"]
    assert (broken["position"], broken["is"], broken["should"]) == (
        first[1], "1000000000", f"at most {said['last_position']}, where the log ended")
    owner("UPDATE exchange.policy_change SET logged_position = 2 WHERE text = %s", told)
    [broken] = verify(exchange, 1)["breaks"]
    assert (broken["position"], broken["is"], broken["should"]) == (2, "0", str(first[1]))
    owner("UPDATE exchange.policy_change SET logged_position = NULL WHERE text = %s", told)
    said = verify(exchange, 2)
    assert (said["whole"], said["breaks"], said["let_go_unproven"], said["let_go_not_logged"]) == (False, [], 1, 1)


def test_a_trim_is_whole_once_a_broker_has_logged_it(exchange, health):
    for n in range(BATCHES):
        health.publish([people.dose(n)])
    exchange.wait_in_force()
    exchange.broker.stop()
    trim(exchange, "--keep-bytes", "1K", "--past-subscriptions")
    limit = exchange.cluster.value("SELECT max(position) FROM exchange.trim")
    part, rest = exchange.directory / "part.dlog", exchange.directory / "rest.dlog"
    told = exchange.dongbo("log", "export", "--payloads", part).stderr
    assert verify(exchange, 2, part)["let_go_not_logged"] == 1
    shown = exchange.dongbo("log", "verify", part, check=False).stdout
    assert f"the log was trimmed up to position {limit}, and NO ENTRY SAYS SO YET: once a broker has logged" in shown
    assert shown.endswith("\nNOT VERIFIED\n")
    exchange.start_broker()
    exchange.wait_in_force()
    said = verify(exchange, 0)
    assert said["whole"] and said["segments_trimmed"] > 0 and said["let_go_unproven"] == 0
    exchange.dongbo("log", "export", "--payloads", "--from", told.split("--from ")[1].strip(), rest)
    assert verify(exchange, 0, part, rest)["let_go_unproven"] == 0  # what the first one says is older
    exchange.dongbo("log", "export", "--payloads", "--to", 20, part)
    said = verify(exchange, 0, part)
    assert (said["whole"], said["let_go_unproven"], said["let_go_not_logged"]) == (True, 1, 0)


def test_what_was_let_go_of_waits_for_its_entry(exchange, health):
    tail, waits = ("log", "tail", "--verify", "--since", "1"), "content is gone of which no entry of the log tells yet"
    with all_payloads_gone(exchange):
        with exchange.cluster.holding("SELECT exchange.lock_log()"):  # no broker comes to it
            declare_trim(exchange)
            limit = exchange.cluster.value("SELECT max(position) FROM exchange.trim")
            done = exchange.dongbo(*tail, check=False)
            assert done.returncode == 2 and waits in done.stderr and "BROKEN" not in done.stdout
            with following(exchange, *tail[2:], stderr=subprocess.PIPE) as process:
                assert any(waits in line for line in process.stderr)
                exchange.cluster.rows("DELETE FROM exchange.trim")  # it is taken back, and nothing comes back
                assert any(f"it was trimmed: is 0, should be {limit}" in line for line in process.stdout)
            exchange.cluster.rows("INSERT INTO exchange.trim (position) VALUES (%s)", limit)
        exchange.wait_in_force()
        done = exchange.dongbo(*tail)
        assert waits not in done.stderr and "log trimmed up to position" in done.stdout
        exchange.cluster.rows("DELETE FROM exchange.trim")


def test_who_may_not_and_what_is_not_understood(exchange, health):
    for words, says in [((), "one of them"), (("--older-than", "400d", "--keep-bytes", "1G"), "one of them"),
                        (("--older-than", "400"), "letters dh"), (("--older-than", "-1d"), "letters dh"),
                        (("--keep-bytes", "99999999999999T"), "letters KMGT"),
                        (("--keep-bytes", "1GB"), "letters KMGT")]:
        done = trim(exchange, *words, check=False)
        assert done.returncode == 2 and says in done.stderr, words
    assert "up to position 0:" in trim(exchange, "--older-than", "400d").stdout
    for sql in ("UPDATE exchange.segment SET payload = NULL", "DELETE FROM exchange.segment"):
        with pytest.raises(Exception, match="permission denied"):
            exchange.cluster.rows(sql, user="dongbo_operator")
    exchange.config.write_text(operators_config(exchange.cluster, operator="dongbo_reader"))
    assert trim(exchange, "--older-than", "1h", check=False).returncode == 2


def test_a_snapshot_that_began_before_is_begun_again(exchange, health):
    """Its chunks would lack what was trimmed between them, for the feed goes on behind the first one."""
    fill(exchange, health)
    filler(exchange, 3, 1000)  # several chunks
    with wire.subscriber(exchange, "hn") as peer:
        peer.hello(snapshot=True)
        peer.ask()
        cursor = peer.chunk().cursor
        assert cursor
    missed = health.publish([people.dose(BATCHES)]).body.first_position
    exchange.cluster.rows("UPDATE exchange.segment SET stored_at_us = stored_at_us - 730 * 86400000000")
    health.publish([people.dose(BATCHES + 1)])
    trim(exchange, "--older-than", "400d", "--past-subscriptions")
    exchange.wait_in_force()
    assert exchange.cluster.value("SELECT max(position) FROM exchange.trim") == missed
    with wire.subscriber(exchange, "hn") as peer:
        peer.hello(snapshot=True)
        peer.ask(cursor)
        assert "without a cursor" in peer.expect_error("CURSOR_BAD").text
