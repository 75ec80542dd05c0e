# SPDX-License-Identifier: Apache-2.0
"""libdongbo as a site has it: installed, found by pkg-config, with the sample programs compiled against it."""
import base64
import contextlib
import json
import os
import shlex
import sqlite3
import subprocess

import pytest
from google.protobuf import json_format

import people
import wire
from people import publish as tell
from test_snapshot import filler
from conftest import BUILD, POPULATION, ROOT, SANITIZED, run_program, write_csv

N = 40
SAMPLE = ROOT / "deploy/sample"
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L")


class Installed:
    """A prefix of the test's own."""

    def __init__(self, root):
        self.root = root
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        [pc] = root.rglob("dongbo.pc")
        self.libraries = pc.parent.parent
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}

    def pkg_config(self, *words):
        flags = subprocess.run(["pkg-config", *words, "dongbo"], env=self.env, check=True, capture_output=True,
                               text=True).stdout
        return shlex.split(flags)

    def compile(self, source, out, *flags):
        sanitize = ("-fsanitize=address,undefined",) if SANITIZED else ()
        subprocess.run(["cc", *STRICT, *sanitize, source, "-o", out, *flags], check=True)
        return out

    def run(self, program, *words, text="", cwd=None):
        return run_program([program, *words], input=text, timeout=100, cwd=cwd,
                           env={**os.environ, "LD_LIBRARY_PATH": str(self.libraries)})


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    made = Installed(tmp_path_factory.mktemp("prefix"))
    flags = made.pkg_config("--cflags", "--libs")
    for name in ("publish", "receive"):
        made.compile(SAMPLE / f"{name}.c", made.root / name, *flags)
    made.compile(SAMPLE / "copy.c", made.root / "copy", *flags, "-lsqlite3")
    return made


@pytest.fixture
def site(exchange):
    exchange.load_population(people.citizens(N))
    exchange.agency("MOH", "health", [])
    exchange.committee("hn", "health", "citizen_number,health.dose_number,health.status")
    exchange.start_broker()
    return exchange


def lines(first, last, dose=1, **wrong):
    rows = []
    for n in range(first, last):
        person = {**people.citizen(n), **wrong}
        rows.append(";".join((person["citizen_number"], person["full_name"], person["birth_date"], str(dose),
                              people.dose_date(dose).isoformat())))
    return "\n".join(rows) + "\n"


def publish(installed, site, text, program="publish"):
    path = site.directory
    return installed.run(installed.root / program, "MOH", path / "moh.keys", path / "broker.keys.pub", site.publish,
                         path / "library.spool", text=text)


def receive(installed, site):
    path = site.directory
    done = installed.run(installed.root / "receive", "hn", path / "hn.keys", path / "broker.keys.pub", site.subscribe,
                         path / "library.position")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_the_samples_name_is_installed(installed, tmp_path):
    [schemas] = installed.root.rglob("share/dongbo/schemas")
    for folder in ("exchange", "population", "codes", "rules"):
        there = {path.name for path in (ROOT / "schemas" / folder).glob("*.*")}
        assert {path.name for path in (schemas / folder).iterdir()} == there != set()
    [samples] = installed.root.rglob("share/doc/dongbo/sample")
    [dongbo] = installed.root.rglob("bin/dongbo")
    write_csv(tmp_path / "p.csv", people.citizens(1), POPULATION)
    write_csv(tmp_path / "e.csv", [people.dose_row(0)])
    done = installed.run(dongbo, "verify", "--population", "p.csv", "--events", "e.csv", "--mapping",
                         samples / "mappings/vaccinations.yaml", "--out", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text())["verdict"] == "ACCEPTED"


def test_both_ways(installed, site):
    """What the samples publish and receive is what the agents would."""
    done = publish(installed, site, lines(0, 30))
    assert (done.returncode, done.stdout) == (0, "30 accepted, 0 unchanged, 0 deferred, 0 refused\n"), done.stderr
    assert "proven" not in done.stderr  # for all was, before it ended
    with contextlib.closing(sqlite3.connect(site.directory / "library.spool")) as spool:
        assert spool.execute("SELECT last_sequence, proven_sequence FROM stream").fetchall() == [(30, 30)]
    done = publish(installed, site, lines(0, 10) + lines(30, 31, birth_date="1901-01-01"))
    assert done.returncode == 0, done.stderr
    assert "0 accepted, 10 unchanged, 0 deferred, 1 refused" in done.stdout
    assert f"{people.citizen(30)['citizen_number']}/1 MISMATCH" in done.stdout and "ID_BIRTH_YEAR" in done.stdout
    assert "MISMATCH" not in publish(installed, site, "").stdout  # it was taken
    records = receive(installed, site)
    assert [record["citizenNumber"] for record in records] == [people.citizen(n)["citizen_number"] for n in range(30)]
    for record in records:
        assert json_format.ParseDict(record, wire.SubscriberRecord()).health.status == "completed"
    assert receive(installed, site) == []
    assert publish(installed, site, lines(31, 33)).returncode == 0
    assert [record["citizenNumber"] for record in receive(installed, site)] == [
        people.citizen(n)["citizen_number"] for n in (31, 32)]
    acked = site.cluster.value("SELECT acked FROM exchange.subscription_position")
    assert acked == site.cluster.value("SELECT max(last_position) FROM exchange.segment")


def test_proofs_of_origin(installed, site):
    """What a program keeps of a record's origin is what `dongbo log check` takes."""
    path, keys = site.directory, site.keys("moh")
    assert publish(installed, site, lines(0, 5)).returncode == 0
    command = (installed.root / "receive", "hn", path / "hn.keys", path / "broker.keys.pub", site.subscribe,
               path / "proved.position", f"MOH={keys}")
    done = installed.run(*command, cwd=path)
    assert done.returncode == 1 and "proofs of origin" in done.stderr
    site.dongbo("subscription", "change", "hn", "--origin-proofs", "leaves")
    site.wait_in_force()
    assert publish(installed, site, lines(5, 9)).returncode == 0
    done = installed.run(*command, cwd=path)
    assert done.returncode == 0, done.stderr
    proofs = sorted(path.glob("*.proof"))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 9 and len(proofs) == 4  # from when the rights allow it
    said = site.dongbo("log", "check", "--json", "--keys", keys, *proofs).stdout.splitlines()
    assert [json.loads(line)["proved"] for line in said] == [True] * 4
    assert [base64.b64decode(record["origin"]) for record in records[5:]] == [
        path.joinpath(f"{record['position']}.proof").read_bytes() for record in records[5:]]


class Copy:
    """What the sample keeps by the library."""

    def __init__(self, installed, exchange):
        self.exchange, path = exchange, exchange.directory
        self.state, self.path, self.log = path / "copy.position", path / "copy.db", path / "copy.log"
        self.command = ["env", f"LD_LIBRARY_PATH={installed.libraries}", installed.root / "copy", "hn",
                        path / "hn.keys", path / "broker.keys.pub", exchange.subscribe, self.state, self.path]

    def start(self):
        return self.exchange.start(self.command, self.log)

    def run(self):
        done = run_program([*self.command, "--until-quiet"], timeout=100)
        assert (done.returncode, done.stderr) == (0, "")
        return self.held()

    def held(self):
        with contextlib.closing(sqlite3.connect(self.path)) as base:
            return sorted(json.loads(said)["citizenNumber"] for said, in base.execute("SELECT json FROM record"))

    def doses(self):
        with contextlib.closing(sqlite3.connect(self.path)) as base:
            return sum("doseNumber" in said for said, in base.execute("SELECT json FROM record"))


def numbers(*ranges):
    return sorted(people.citizen(n)["citizen_number"] for first, last in ranges for n in range(first, last))


def test_a_copy_is_filled_by_a_snapshot_and_kept_in_step(installed, exchange):
    """Killed in its middle, with events beside it; then behind a log that is trimmed, then by other rights."""
    with people.ministry(exchange, 100, "citizen_number,health.vaccine_group") as moh:
        fillers = sorted(f"0790{n:08}" for n in range(1, 21)) * 600
        filler(exchange, 20, 600)
        tell(moh, 0, 20)
        copy = Copy(installed, exchange)
        for n in (20, 30, 40):
            process = copy.start()
            tell(moh, n, n + 10)
            process.wait_for(lambda: copy.state.exists() and "\ncursor" in copy.state.read_text(), "a part of it")
            process.kill()
        with contextlib.closing(sqlite3.connect(copy.path)) as base, base:  # of somebody whom no snapshot brings
            base.execute("INSERT INTO record VALUES ('x', 1, 0, '{\"citizenNumber\": \"nobody\"}', 1)")
        moh.publish([people.dose(3, 1, operation=wire.RETRACT, body={"vaccine_group": "covid-19", "dose_number": 1},
                                 key="withdrawn")])
        assert "\ncursor" in copy.state.read_text(), "there was something to go on with"
        assert copy.run() == sorted(fillers + numbers((0, 3), (4, 50)))
        assert "cursor" not in copy.state.read_text()
        with contextlib.closing(sqlite3.connect(copy.path)) as base, base:  # as an older copy.c made it
            base.execute("ALTER TABLE record DROP COLUMN epoch")
        tell(moh, 50, 60)
        assert copy.run() == sorted(fillers + numbers((0, 3), (4, 60)))
        tell(moh, 60, 70)
        for n in range(270):  # the newest 256 batches are never trimmed
            moh.publish([people.dose(5, key=f"again {n}")])
        exchange.cluster.rows("UPDATE exchange.segment SET stored_at_us = stored_at_us - 730 * 86400000000")
        exchange.dongbo("log", "trim", "--older-than", "400d", "--past-subscriptions")
        exchange.wait_in_force()
        assert copy.run() == sorted(fillers + numbers((0, 3), (4, 70)))
        assert copy.doses() == 0
        exchange.dongbo("subscription", "change", "hn", "--field", "citizen_number,health.dose_number")
        exchange.wait_in_force()
        assert copy.run() == sorted(fillers + numbers((0, 3), (4, 70))) and copy.doses() == len(fillers) + 69
        with contextlib.closing(sqlite3.connect(copy.path)) as base, base:  # told before an epoch, and forgotten since
            base.execute("INSERT INTO record VALUES ('y', 1000000, 0, '{\"citizenNumber\": \"forgotten\"}', 0)")
        tell(moh, 70, 80)
        assert copy.run() == sorted(fillers + numbers((0, 3), (4, 80)))


def sealed(spool):
    """How many batches are safe."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as base:
            return base.execute("SELECT count(*) FROM batch").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_what_was_flushed_is_delivered_by_the_next(installed, site):
    site.broker.kill()
    path = site.directory
    (path / "doses.txt").write_text(lines(0, 20))
    command = shlex.join(str(word) for word in (installed.root / "publish", "MOH", path / "moh.keys",
                                                path / "broker.keys.pub", site.publish, path / "library.spool"))
    process = site.start(["env", f"LD_LIBRARY_PATH={installed.libraries}", "sh", "-c",
                          f"exec {command} <{path}/doses.txt"], path / "publish.log")
    process.wait_for(lambda: sealed(path / "library.spool") == 1, "a sealed batch")
    process.kill()
    site.start_broker()
    done = publish(installed, site, "")
    assert done.stdout == "20 accepted, 0 unchanged, 0 deferred, 0 refused\n", done.stderr


@pytest.mark.parametrize(("line", "says"), [
    ("1;2;3;x;2021-01-01", "dose_number is a number"),
    ("1;\x01;3;4;2021-01-01", "is not clean UTF-8: subject.full_name"),
])
def test_what_is_wrong_is_said(installed, site, line, says):
    done = publish(installed, site, line + "\n")
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_shows_its_own_names_only(installed):
    def names(*words):
        told = subprocess.run(["nm", *words], check=True, capture_output=True, text=True).stdout
        return {line.split()[-1].split("@")[0] for line in told.splitlines() if " T " in line}
    header = (ROOT / "agents/library/dongbo.h").read_text()
    shared = names("-D", "--defined-only", installed.libraries / "libdongbo.so")
    assert shared and all(f"{name}(" in header for name in shared)
    if not SANITIZED:
        assert names("-g", "--defined-only", installed.libraries / "libdongbo.a") == shared


@pytest.mark.skipif(SANITIZED, reason="the static library is for plain builds")
def test_the_static_library(installed, site):
    flags = [flag for flag in installed.pkg_config("--cflags", "--libs", "--static") if flag != "-ldongbo"]
    installed.compile(SAMPLE / "publish.c", installed.root / "static", str(installed.libraries / "libdongbo.a"), *flags)
    assert "libdongbo" not in subprocess.run(["ldd", installed.root / "static"], capture_output=True, text=True).stdout
    assert publish(installed, site, lines(0, 5), "static").stdout.startswith("5 accepted")
