# SPDX-License-Identifier: Apache-2.0
"""An agency's agent against a real exchange: what is taken, what is handed back and when, what it survives."""
import csv
import json
import os
import shutil
import socket
import subprocess
import time

import psycopg2
import pytest

from conftest import BUILD, ROOT
from people import citizen, citizens, dose_row, registration

VACCINATIONS = "vaccinations"


@pytest.fixture
def health(exchange):
    """The Ministry of Health's agent; citizens 0 to 19 are known."""
    exchange.load_population(citizens(20))
    agent = exchange.agency("MOH", "health", [VACCINATIONS])
    exchange.start_broker()
    return agent


def told(rows):
    """What was handed back: the row's key, the verdict, the first reason without its field."""
    return sorted((row["row_id"], row["dongbo_verdict"], row["dongbo_reasons"].split(" ")[0].split(":")[0])
                  for row in rows)


def summary(agent, timeout=60):
    done = agent.exchange.run(*agent.command("--once", "--json", "--timeout", timeout), seconds=timeout + 60)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def versions(exchange):
    return exchange.cluster.value("SELECT count(*) FROM exchange.record_version")


def events(exchange):
    """Distinct (stream, sequence) in the log, and how many there are with repeats."""
    return exchange.cluster.rows("SELECT coalesce(sum(last_sequence - first_sequence + 1), 0)::int, "
                                 "count(DISTINCT stream)::int FROM exchange.segment WHERE kind = 1")[0]


def test_takes_a_file_and_hands_back_what_is_refused(exchange, health):
    health.drop(VACCINATIONS, "a.csv", [dose_row(0), dose_row(1, ho_ten="Nguyễn Văn Khác"), dose_row(2),
                                        dose_row(3, mui_so="hai"), dose_row(99)])
    health.once(expect=1)
    refused = health.refused(VACCINATIONS)
    assert told(refused) == [("row-1-1", "MISMATCH", "NAME_DIFFERS"), ("row-3-1", "REJECTED", "FIELD_FORMAT")]
    assert {row["dongbo_row"] for row in refused} == {"3", "5"}
    assert all(row["dongbo_text_vi"] and row["dongbo_text_en"] for row in refused)
    folder = health.directory / VACCINATIONS
    assert not (folder / "a.csv").exists() and (folder / "done/a.csv").exists()
    assert versions(exchange) == 2


def test_summary_counts_by_verdict_and_reason(exchange, health):
    health.drop(VACCINATIONS, "a.csv", [dose_row(n) for n in range(5)] + [dose_row(5, ngay_sinh="1800-01-01"),
                                                                          dose_row(6, mui_so="hai")])
    code, said = summary(health)
    assert code == 1
    assert said["events"] == 7 and said["refused"] == 2
    assert said["unsent"] == said["files"][0]["unsent"] == 1 and events(exchange)[0] == 6
    assert said["verdicts"] == {"ACCEPTED": 5, "MISMATCH": 1, "REJECTED": 1}
    assert said["reasons"] == {"ID_BIRTH_YEAR": 1, "FIELD_FORMAT": 1}
    assert said["files"][0]["refused_file"] == "a.refused.csv"
    code, said = summary(health)
    assert (code, said["events"]) == (0, 0)


def test_hands_back_verdicts_that_fall_later(exchange, health):
    """Unknown citizens are deferred; once the population agent brings one, that is told, days later or not."""
    population = exchange.agency("NPC", "population", ["population"])
    health.drop(VACCINATIONS, "a.csv", [dose_row(50), dose_row(51), dose_row(52)])
    code, said = summary(health)
    assert (code, said["verdicts"]) == (0, {"DEFERRED": 3})
    population.drop("population", "births.csv", [registration(50), registration(51, full_name="Hoàn Toàn Khác")])
    population.once(expect=0)
    exchange.wait_until("SELECT count(*)::int FROM exchange.exception WHERE open AND verdict = 5", 1)
    code, said = summary(health)
    assert said["later"] == {"ACCEPTED": 1, "MISMATCH": 1}
    assert code == 1
    assert told(health.refused(VACCINATIONS)) == [("row-51-1", "MISMATCH", "NAME_DIFFERS")]
    results = (health.directory / VACCINATIONS / "done/a.results.csv").read_text(encoding="utf-8").splitlines()
    assert len(results) == 2 and results[1].startswith("row-50-1,") and ",ACCEPTED," in results[1]
    code, said = summary(health)
    assert (code, said["later"]) == (0, {})


def test_a_source_taken_out_keeps_what_is_owed_to_it(exchange, health):
    """A verdict falls when its source is configured no more: no wait for it, a word about it, and a way out."""
    population = exchange.agency("NPC", "population", ["population"])
    health.drop(VACCINATIONS, "a.csv", [dose_row(50), dose_row(51)])
    health.once(expect=0)
    population.drop("population", "births.csv", [registration(n, full_name="Hoàn Toàn Khác") for n in (50, 51)])
    population.once(expect=0)
    exchange.wait_until("SELECT count(*)::int FROM exchange.exception WHERE open AND verdict = 5", 0)
    with_source = health.config.read_text()
    (exchange.directory / "elsewhere").mkdir()
    without = with_source.replace(f"name: {VACCINATIONS}, kind: csv, directory: publish-moh/{VACCINATIONS}",
                                  "name: other, kind: csv, directory: elsewhere")
    assert without != with_source
    health.config.write_text(without)
    for first in (True, False):
        done = exchange.run(*health.command("--once", "--json", "--timeout", 30), seconds=20)
        said = json.loads(done.stdout)
        assert (done.returncode, said["owed"], said["complete"]) == (1, {VACCINATIONS: 2}, True)
        assert said["later"] == ({"MISMATCH": 2} if first else {})
        assert "owed to the source vaccinations, which is not in" in done.stderr
    health.config.write_text(with_source)
    code, said = summary(health)
    assert (code, said["owed"]) == (0, {})
    assert told(health.refused(VACCINATIONS)) == [(f"row-{n}-1", "MISMATCH", "NAME_DIFFERS") for n in (50, 51)]


def test_what_is_owed_to_a_source_taken_out_may_be_forgotten(exchange, health):
    health.drop(VACCINATIONS, "a.csv", [dose_row(1, ho_ten="Khác"), dose_row(2)])
    done = health.directory / VACCINATIONS / "done"
    done.mkdir(exist_ok=True)
    (done / "a.refused.csv").mkdir()  # in the way
    assert health.once(timeout=2) == 4
    assert "source vaccinations: cannot write" in health.log.read_text()
    assert exchange.run(*health.command("--forget", VACCINATIONS)).returncode == 2
    (exchange.directory / "elsewhere").mkdir()
    health.config.write_text(health.config.read_text().replace(
        f"name: {VACCINATIONS}, kind: csv, directory: publish-moh/{VACCINATIONS}",
        "name: other, kind: csv, directory: elsewhere"))
    code, said = summary(health)
    assert (code, said["owed"]) == (1, {VACCINATIONS: 1})
    assert exchange.run(*health.command("--forget", "nobody")).returncode == 2
    exchange.run(*health.command("--forget", VACCINATIONS), check=True)
    code, said = summary(health)
    assert (code, said["owed"]) == (0, {})


def test_what_cannot_be_handed_back_is_in_no_other_files_way(exchange, health):
    for name, row in ("a.csv", 1), ("b.csv", 2):
        health.drop(VACCINATIONS, name, [dose_row(row, ho_ten="Khác")])
    done = health.directory / VACCINATIONS / "done"
    done.mkdir(exist_ok=True)
    (done / "a.refused.csv").mkdir()
    assert health.once(timeout=2) == 4
    said = health.log.read_text()
    assert said.count("a.refused.csv: what lies there is no file; take it away; nothing is lost") == 1
    with open(done / "b.refused.csv", newline="", encoding="utf-8") as file:
        assert told(csv.DictReader(file)) == [("row-2-1", "MISMATCH", "NAME_DIFFERS")]
    (done / "a.refused.csv").rmdir()
    assert health.once() == 0
    assert told(health.refused(VACCINATIONS)) == [(f"row-{n}-1", "MISMATCH", "NAME_DIFFERS") for n in (1, 2)]


def status_text(exchange, agent, *words):
    return exchange.run(BUILD / "agents/dongbo-agent", "status", "--config", agent.config, *words, check=True).stdout


def status(exchange, agent):
    return json.loads(status_text(exchange, agent, "--json"))


def test_status_says_which_files_lack_answers(exchange, health):
    def lacking():
        return {file["file"]: tuple(file[key] for key in ("kept", "state", "waiting", "undecided", "to_hand_back"))
                for file in status(exchange, health)["files"]}

    population = exchange.agency("NPC", "population", ["population"])
    exchange.broker.kill()
    health.drop(VACCINATIONS, "all.csv", [dose_row(0)])
    health.drop(VACCINATIONS, "some\x1b[2J.csv", [dose_row(1), dose_row(50), dose_row(2, ho_ten="Khác")])
    assert health.once(timeout=1) == 3
    assert lacking() == {"all.csv": ("all.csv", "read", 1, 0, 0),
                         "some\x1b[2J.csv": ("some\x1b[2J.csv", "read", 3, 0, 0)}
    exchange.start_broker()
    done = health.directory / VACCINATIONS / "done"
    (done / "some\x1b[2J.refused.csv").mkdir()
    assert health.once(timeout=2) == 4
    assert lacking() == {"some\x1b[2J.csv": ("some\x1b[2J.csv", "done", 0, 2, 1)}
    assert ("  vaccinations: done/some?[2J.csv\n"
            "    deferred, or refused and not yet final  2\n"
            "    to be handed back by the agent          1\n") in status_text(exchange, health)
    assert "\x1b" not in status_text(exchange, health) + health.log.read_text()
    (done / "some\x1b[2J.refused.csv").rmdir()
    assert health.once() == 0
    assert lacking() == {"some\x1b[2J.csv": ("some\x1b[2J.csv", "done", 0, 2, 0)}
    # The population learns of the one, and the review decides on the other.
    population.drop("population", "births.csv", [registration(50)])
    population.once(expect=0)
    exchange.wait_until("SELECT count(*)::int FROM exchange.exception WHERE open AND verdict = 5", 0)
    assert health.once() == 0
    assert lacking() == {"some\x1b[2J.csv": ("some\x1b[2J.csv", "done", 0, 1, 0)}


def test_running_agent_takes_files_as_they_come(exchange, health):
    agent = health.start()
    for n in range(5):
        health.drop(VACCINATIONS, f"{n}.csv", [dose_row(n)])
        exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", n + 1)
        done = health.directory / VACCINATIONS / f"done/{n}.csv"
        agent.wait_for(done.exists, f"{n}.csv is done", 20)
    assert agent.stop() == 0


def test_running_agent_takes_what_was_linked_into_the_folder(exchange, health):
    """As OpenSSH's SFTP server renames: neither a closing nor a renaming tells of it."""
    agent = health.start()
    folder = health.directory / VACCINATIONS
    health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
    agent.wait_for((folder / "done/a.csv").exists, "a.csv is done", 20)
    part = health.drop(VACCINATIONS, ".b.csv.filepart", [dose_row(1)])
    os.link(part, folder / "b.csv")
    part.unlink()
    agent.wait_for((folder / "done/b.csv").exists, "b.csv is done", 20)
    assert agent.stop() == 0
    assert versions(exchange) == 2


def test_waits_for_an_exchange_that_is_away(exchange):
    exchange.load_population(citizens(20))
    agent = exchange.agency("MOH", "health", [VACCINATIONS])
    agent.drop(VACCINATIONS, "a.csv", [dose_row(n) for n in range(10)])
    running = agent.start()
    running.wait_for(lambda: "tried again" in running.text(), "the agent says that the exchange is away", 20)
    exchange.start_broker()
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 10)
    exchange.broker.kill()
    agent.drop(VACCINATIONS, "b.csv", [dose_row(n) for n in range(10, 20)])
    exchange.start_broker()
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 20)
    assert running.stop() == 0


def test_tries_its_endpoints_in_turn(exchange, health):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        config = health.config.read_text().replace(
            "endpoints: [", f'endpoints: ["tcp://127.0.0.1:{unused.getsockname()[1]}", ')
        health.config.write_text(config)
        health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
        health.once(expect=0)
    assert versions(exchange) == 1


def test_one_agent_per_spool_and_its_copy_is_fenced(exchange, health):
    running = health.start()
    health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 1)
    second = exchange.run(*health.command("--once"))
    assert second.returncode == 2 and "in use" in second.stderr
    for name in ("spool", "spool-wal"):
        shutil.copy(exchange.directory / f"moh.{name}", exchange.directory / f"copy.{name}")
    (exchange.directory / "copy.yaml").write_text(
        health.config.read_text().replace("path: moh.spool", "path: copy.spool"))
    copy = health.command("--once", "--timeout", "20")
    copy[3] = exchange.directory / "copy.yaml"
    assert exchange.run(*copy).returncode == 0
    assert running.popen.wait(20) == 3
    assert "stop that one first" in running.text() or "newer session" in running.text()


def test_spool_from_a_backup_opens_a_new_stream(exchange, health):
    health.drop(VACCINATIONS, "a.csv", [dose_row(n) for n in range(5)])
    health.once(expect=0)
    backup = exchange.directory / "backup.spool"
    shutil.copy(exchange.directory / "moh.spool", backup)
    health.drop(VACCINATIONS, "b.csv", [dose_row(n) for n in range(5, 10)])
    health.once(expect=0)
    for name in ("moh.spool-wal", "moh.spool-shm"):
        (exchange.directory / name).unlink(missing_ok=True)
    shutil.copy(backup, exchange.directory / "moh.spool")
    health.drop(VACCINATIONS, "c.csv", [dose_row(n) for n in range(8, 15)])
    health.once(expect=0)
    assert events(exchange) == (17, 2)
    assert versions(exchange) == 15
    assert "new stream" in health.log.read_text()
    # and it stays with it
    health.drop(VACCINATIONS, "d.csv", [dose_row(15)])
    health.once(expect=0)
    assert events(exchange) == (18, 2)


@pytest.mark.postgres()
def test_sends_again_what_a_restored_exchange_forgot(exchange, health):
    health.drop(VACCINATIONS, "a.csv", [dose_row(n) for n in range(5)])
    health.once(expect=0)
    exchange.broker.stop()
    backup = exchange.directory / "pg-backup"
    exchange.cluster.back_up(backup)
    exchange.start_broker()
    health.drop(VACCINATIONS, "b.csv", [dose_row(n) for n in range(5, 10)] + [dose_row(10, ho_ten="Khác")])
    health.once(expect=1)
    assert versions(exchange) == 10
    exchange.broker.stop()
    exchange.cluster.restore(backup)
    assert versions(exchange) == 5
    told = exchange.dongbo("epoch", "new", "--reason", "restored from a backup", "--no-wait").stdout
    assert told.startswith("asked for; the broker begins it")
    exchange.start_broker()
    health.once()
    assert versions(exchange) == 10
    assert events(exchange) == (11, 1)
    assert "sent again" in health.log.read_text()
    # What was handed back the first time is not handed back again.
    assert len(health.refused(VACCINATIONS)) == 1


def test_a_key_that_the_exchange_does_not_sign_with_stops_it(exchange, health):
    exchange.keys("other")
    broker = (exchange.directory / "broker.keys.pub").read_text().splitlines()
    other = (exchange.directory / "other.keys.pub").read_text().splitlines()
    mixed = [b if b.startswith("curve") else o for b, o in zip(broker, other)]
    (exchange.directory / "broker.keys.pub").write_text("\n".join(mixed) + "\n")
    health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
    begin = time.monotonic()
    done = exchange.run(*health.command("--once", "--timeout", "30"))
    assert done.returncode == 2 and time.monotonic() - begin < 10
    assert "another key" in done.stderr
    # A service goes on, but does not fill its log.
    running = health.start()
    running.wait_for(lambda: "another key" in running.text(), "the fault is said", 20)
    with pytest.raises(subprocess.TimeoutExpired):
        running.popen.wait(3)  # as long as many rounds took
    assert running.stop() == 0
    assert len(running.text().splitlines()) == 1


def test_a_key_that_is_not_let_in_is_named_so(exchange, health):
    exchange.keys("stranger")
    health.config.write_text(health.config.read_text().replace("moh.keys", "stranger.keys"))
    done = exchange.run(*health.command("--once", "--timeout", "2"))
    assert done.returncode == 3 and "does not let this key in" in done.stderr.splitlines()[-1]


def test_moves_to_the_next_endpoint_at_once(exchange, health):
    """Both when the first was never there, and when it goes."""
    second = exchange.start_second_broker()
    three = f'"ipc://{exchange.directory}/nobody", "{exchange.publish}", "{exchange.publish2}"'
    health.config.write_text(health.config.read_text().replace(f'"{exchange.publish}"', three))
    begin = time.monotonic()
    running = health.start()
    running.wait_for(lambda: "in session with" in running.text(), "a session", 20)
    assert time.monotonic() - begin < 2
    assert f"in session with {exchange.publish}," in running.text()
    begin = time.monotonic()
    exchange.broker.kill()
    running.wait_for(lambda: f"in session with {exchange.publish2}," in running.text(), "the next session", 20)
    assert time.monotonic() - begin < 2
    health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
    second.wait_for(lambda: versions(exchange) == 1, "the dose is stored")
    assert running.stop() == 0 and second.stop() == 0


def test_full_spool_stops_reading_and_loses_nothing(exchange):
    exchange.load_population(citizens(20))
    agent = exchange.agency("MOH", "health", [VACCINATIONS], spool_bytes=1 << 20)
    agent.drop(VACCINATIONS, "a.csv", [dose_row(n % 20, n) for n in range(1, 6001)])
    running = agent.start()
    running.wait_for(lambda: "is full" in running.text(), "the spool is full", 30)
    assert (exchange.directory / "moh.spool").stat().st_size < 4 << 20
    exchange.start_broker()
    exchange.wait_until("SELECT coalesce(sum(last_sequence - first_sequence + 1), 0)::int FROM exchange.segment "
                        "WHERE kind = 1", 6000)
    done = agent.directory / VACCINATIONS / "done/a.csv"
    running.wait_for(done.exists, "a.csv is done", 30)
    assert running.stop() == 0
    assert running.text().count("is full") == 1


HEADER = ",".join(dose_row(0))


def line(n, **other):
    return ",".join(str(value) for value in dose_row(n, **other).values())


ODD_FILES = {  # content, rows accepted, what is said of the file or of its rows
    "empty.csv": (b"", 0, "is empty"),
    "mark.csv": ("\ufeff", 0, "is empty"),
    "blank lines.csv": ("\n\n\n", 0, "is empty"),
    "header.csv": (HEADER + "\n", 0, None),
    "header only.csv": (HEADER, 0, None),
    "crlf.csv": (f"{HEADER}\r\n{line(0)}\r\n", 1, None),
    "byte order.csv": (f"\ufeff{HEADER}\n{line(1)}\n", 1, None),
    "quoted.csv": (f'{HEADER}\n{line(2)}"dòng một\ndòng hai, ""x"""\n{line(3)}\n', 2, None),
    "twice.csv": (f"{HEADER},so_cccd\n{line(4)},999\n", 0, "more than once"),
    "twice unread.csv": (f"{HEADER},x,x\n{line(5)},1,2\n", 1, None),
    "trailing.csv": (f"{HEADER}\n{line(6)}\n{',' * HEADER.count(',')}\n", 1, None),
    "UPPER.CSV": (f"{HEADER}\n{line(7)}\n", 1, None),
    "cr.csv": (f"{HEADER}\r{line(8)}\r", 0, "end with CR and no LF"),
    "semicolon.csv": (f"{HEADER}\n{line(8)}\n".replace(",", ";"), 0, 'write delimiter: ";"'),
    "spaces.csv": (f"{HEADER}\n{line(8)}\n".replace("so_cccd", " so_cccd "), 0, 'it has " so_cccd "'),
    "utf16.csv": (f"{HEADER}\n{line(8)}\n".encode("utf-16"), 0, "may be UTF-16"),
    "latin.csv": (f"{HEADER}\n{line(8, ho_ten='é')}\n".encode("latin-1", "replace"), 0,
                  "is not in the file's encoding, UTF-8"),
    "noise.csv": (bytes(range(1, 256)) * 9, 0, "no column"),
    b"n\xc3\x28me.csv": (f"{HEADER}\n{line(9)}\n", 1, None),
}


def test_odd_files_are_each_answered(exchange, health):
    folder = health.directory / VACCINATIONS
    for name, (content, _, _) in ODD_FILES.items():
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        with open(path + b".new", "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.rename(path + b".new", path)
    done = exchange.run(*health.command("--once", "--json", "--timeout", 30))
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["verdicts"]["ACCEPTED"] == sum(n for _, n, _ in ODD_FILES.values()) == versions(exchange)
    files = {file["file"]: file for file in said["files"]}
    assert len(files) == len(ODD_FILES)
    assert os.listdir(folder) == ["done"]
    for name, (_, accepted, word) in ODD_FILES.items():
        shown = name if isinstance(name, str) else "n?(me.csv"
        assert files[shown]["verdicts"].get("ACCEPTED", 0) == accepted, name
        if word is None:
            assert files[shown]["refused"] == 0, name
        elif word == "is empty":
            assert f"{name} is empty" in done.stderr
        else:
            refused = (folder / "done" / files[shown]["refused_file"]).read_text(errors="replace")
            assert word in refused.replace('""', '"'), name


def test_a_file_that_cannot_be_opened_is_not_done(exchange, health):
    folder = health.directory / VACCINATIONS
    (folder / "b.csv").symlink_to("/dev/null")
    health.drop(VACCINATIONS, "a.csv", [dose_row(0), dose_row(1, ho_ten="Khác")])
    done = exchange.run(*health.command("--once", "--json", "--timeout", 30), seconds=20)
    said = json.loads(done.stdout)
    assert (done.returncode, said["complete"], said["verdicts"]) == (4, False, {"ACCEPTED": 1, "MISMATCH": 1})
    assert "b.csv cannot be opened: it is a symbolic link" in done.stderr.splitlines()[-1]
    (folder / "b.csv").unlink()
    health.once(expect=0)


def test_a_file_being_written_waits_until_that_ends(exchange, health):
    with open(health.directory / VACCINATIONS / "a.csv", "w", encoding="utf-8") as file:
        file.write(f"{HEADER}\n{line(0)}\n")
        file.flush()
        health.once(expect=0)
        assert "a.csv is still open for writing" in health.log.read_text()
        file.write(f"{line(1)}\n")
    health.once(expect=0)
    assert versions(exchange) == 2


@pytest.fixture
def small_disk():
    """Mounts a file system of its own at a directory; room may be added."""
    mounted = []

    def mount(directory, size):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True)
        if done.returncode != 0:
            pytest.skip("cannot mount here")
        mounted.append(directory)

    yield mount
    for directory in mounted:
        subprocess.run(["umount", "-l", directory], check=True)


def more_room(directory):
    subprocess.run(["mount", "-o", "remount,size=60m", directory], check=True)


def test_a_full_disk_at_the_source_hands_back_once(exchange, health, small_disk):
    folder = health.directory / VACCINATIONS
    small_disk(folder, "600k")
    (folder / ".new").write_text(f"{HEADER}\n" + "".join(f"{line(n % 20, number=n, ho_ten='Khác')}\n"
                                                         for n in range(3000)))
    (folder / ".new").rename(folder / "a.csv")
    done = exchange.run(*health.command("--once", "--timeout", 2))
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert "a.refused.csv: No space left on device; make room" in last and "given up" in last
    more_room(folder)
    health.once(expect=0)
    keys = [row["row_id"] for row in health.refused(VACCINATIONS)]
    assert len(keys) == len(set(keys)) == 3000


def test_a_full_disk_under_the_spool_loses_nothing(exchange, health, small_disk):
    (exchange.directory / "small").mkdir()
    small_disk(exchange.directory / "small", "1m")
    health.config.write_text(health.config.read_text().replace("path: moh.spool", "path: small/moh.spool"))
    health.drop(VACCINATIONS, "a.csv", [dose_row(n % 20, n // 20 + 1) for n in range(1900)] +
                [dose_row(n % 20, n, ho_ten="Khác") for n in range(8000)])
    done = exchange.run(*health.command("--once", "--timeout", 2))
    assert done.returncode == 4
    assert "is full" in done.stderr.splitlines()[-1]
    more_room(exchange.directory / "small")
    health.once(expect=1)
    assert versions(exchange) == 1900


class Ministry:
    """A ministry's own database with a table, an outbox and the documented trigger."""

    def __init__(self, database):
        self.conninfo = database.conninfo()
        self.connection = psycopg2.connect(self.conninfo)
        self.connection.autocommit = True
        self.rows((ROOT / "agents/outbox.sql").read_text())
        self.rows((ROOT / "agents/outbox.sql").read_text())  # twice without harm
        columns = ", ".join(f"{name} text" for name in dose_row(0) if name != "row_id")
        self.rows(f"CREATE TABLE vaccination (row_id text PRIMARY KEY, {columns})")
        self.rows("CREATE TRIGGER dongbo_outbox AFTER INSERT OR UPDATE OR DELETE ON vaccination "
                  "FOR EACH ROW EXECUTE FUNCTION public.dongbo_outbox_add()")

    def rows(self, sql, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def insert(self, *rows):
        for row in rows:
            self.rows(f"INSERT INTO vaccination ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
                      *[str(value) for value in row.values()])

    def results(self):
        return self.rows("SELECT \"row\" ->> 'row_id', verdict, split_part(reasons, ':', 1) "
                         "FROM dongbo_outbox_result ORDER BY 1, at")


@pytest.fixture
def ministry(exchange, health, empty_database):
    made = Ministry(empty_database)
    head = health.config.read_text().split("sources:")[0]
    health.config.write_text(f'{head}sources:\n  - {{name: outbox, kind: outbox, conninfo: "{made.conninfo}", '
                             f"mapping: {ROOT}/deploy/sample/mappings/{VACCINATIONS}-outbox.yaml}}\n")
    yield made
    made.connection.close()


def counted(agent):
    """Exit code, events and verdicts; without the row that this run's replaced, for that may come later, too."""
    code, said = summary(agent)
    assert said["verdicts"].pop("SUPERSEDED", 0) == said["decided_again"] <= 1
    return code, said["events"], said["verdicts"]


def test_outbox_rows_are_taken_and_results_come_back(exchange, health, ministry):
    ministry.insert(dose_row(0), dose_row(1, ho_ten="Khác"), dose_row(2, mui_so="hai"), dose_row(60))
    code, said = summary(health)
    assert code == 1
    assert said["verdicts"] == {"ACCEPTED": 1, "MISMATCH": 1, "DEFERRED": 1, "REJECTED": 1}
    assert ministry.results() == [("row-1-1", "MISMATCH", "NAME_DIFFERS"), ("row-2-1", "REJECTED", "FIELD_FORMAT")]
    assert ministry.rows("SELECT count(*) FROM dongbo_outbox WHERE taken_at IS NULL") == [(0,)]
    [lacking] = status(exchange, health)["files"]
    assert lacking == {"source": "outbox", "file": "public.dongbo_outbox", "kept": "", "state": "reading", "waiting": 0,
                       "undecided": 2, "to_hand_back": 0}
    # Only this run's rows are counted, and a changed row is another event.
    ministry.rows("UPDATE vaccination SET ho_ten = %s WHERE row_id = 'row-1-1'", citizen(1)["full_name"])
    assert counted(health) == (0, 1, {"ACCEPTED": 1})
    ministry.rows("DELETE FROM vaccination WHERE row_id = 'row-0-1'")
    assert counted(health) == (0, 1, {"ACCEPTED": 1})
    assert ministry.rows("SELECT op FROM dongbo_outbox ORDER BY id DESC LIMIT 1") == [("D",)]


@pytest.mark.parametrize("by", ["once", "running"])
def test_outbox_rows_that_are_put_back_are_taken_again(exchange, health, ministry, by):
    """A keeper corrects a refused row where it stands and takes its mark away, while the agent does not run."""
    ministry.insert(dose_row(0, ho_ten="Khác"))
    if by == "once":
        assert counted(health) == (1, 1, {"MISMATCH": 1})
    else:
        running = health.start()
        running.wait_for(ministry.results, "the row is refused", 20)
        assert running.stop() == 0
    ministry.rows("UPDATE dongbo_outbox SET taken_at = NULL, "
                  "\"row\" = \"row\" || jsonb_build_object('ho_ten', %s::text)", citizen(0)["full_name"])
    assert counted(health) == (0, 1, {"ACCEPTED": 1})
    assert versions(exchange) == 1


def test_outbox_wakes_a_running_agent_and_late_commits_are_not_passed_over(exchange, health, ministry):
    running = health.start()
    slow = psycopg2.connect(ministry.conninfo)  # takes its id first, commits last
    with slow.cursor() as cursor:
        row = dose_row(0)
        cursor.execute(f"INSERT INTO vaccination ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
                       [str(value) for value in row.values()])
    ministry.insert(dose_row(1))
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 1, 20)
    slow.commit()
    slow.close()
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 2, 20)
    assert running.stop() == 0


def test_outbox_rows_may_go_at_once_and_survive_kills(exchange, health, ministry):
    health.config.write_text(health.config.read_text().replace("kind: outbox,", "kind: outbox, take: delete,"))
    running = health.start()
    for n in range(1, 41):
        ministry.insert(dose_row(n % 20, n))
        if n % 8 == 0:
            running.kill()
            running = health.start()
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 40, 30)
    assert running.stop() == 0
    assert ministry.rows("SELECT count(*) FROM dongbo_outbox") == [(0,)]
    assert events(exchange)[0] == 40


def test_outbox_database_that_goes_away_stops_nothing_else(exchange, health, ministry):
    other = exchange.directory / "publish-moh" / VACCINATIONS
    health.config.write_text(health.config.read_text() +
                             f"  - {{name: files, kind: csv, directory: {other}, "
                             f"mapping: {ROOT}/deploy/sample/mappings/{VACCINATIONS}.yaml}}\n")
    ministry.rows("ALTER TABLE dongbo_outbox RENAME TO elsewhere")
    running = health.start()
    health.drop(VACCINATIONS, "a.csv", [dose_row(0)])
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 1, 20)
    running.wait_for(lambda: "asked again" in running.text(), "the outbox is asked again", 20)
    ministry.rows("ALTER TABLE elsewhere RENAME TO dongbo_outbox")
    ministry.insert(dose_row(1))
    exchange.wait_until("SELECT count(*)::int FROM exchange.record_version", 2, 60)
    assert running.stop() == 0


def test_outbox_database_that_is_away_is_what_is_named(exchange, health, ministry):
    """Not the exchange, which has answered; what the other sources have is done and listed."""
    other = exchange.directory / "publish-moh" / VACCINATIONS
    with_database = health.config.read_text()
    health.config.write_text(with_database.replace(ministry.conninfo, f"{ministry.conninfo}_nowhere") +
                             f"  - {{name: files, kind: csv, directory: {other}, "
                             f"mapping: {ROOT}/deploy/sample/mappings/{VACCINATIONS}.yaml}}\n")
    health.drop(VACCINATIONS, "a.csv", [dose_row(0), dose_row(1, ho_ten="Khác")])
    done = exchange.run(*health.command("--once", "--json", "--timeout", 2))
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert "source outbox" in last and "nowhere" in last and "given up after 2 s" in last
    assert "the exchange" not in last
    said = json.loads(done.stdout)
    assert (said["complete"], said["verdicts"]) == (False, {"ACCEPTED": 1, "MISMATCH": 1})
    assert len(health.refused(VACCINATIONS)) == 1
    assert done.stderr.count("source outbox") == 2  # once when it fails, once in the end
    # An exchange that is away is what is named then, whatever else is.
    exchange.broker.stop()
    health.drop(VACCINATIONS, "b.csv", [dose_row(2)])
    done = exchange.run(*health.command("--once", "--timeout", 2))
    assert done.returncode == 3 and "the exchange" in done.stderr.splitlines()[-1]


def test_an_exit_code_for_each_end_is_told(exchange, health):
    done = exchange.run(*health.command("--help"))
    assert [line.split()[0] for line in done.stdout.split("Exit codes")[1].splitlines()
            if line[:3] == "  " + line.strip()[:1] and line.strip()[0].isdigit()] == ["0", "1", "2", "3", "4"]
